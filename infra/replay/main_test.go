package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/language"

	"concord/infra/local/bus"
	"concord/infra/local/engine"
	"concord/infra/local/stack"
	"concord/infra/local/streams"
	"concord/infra/local/template"
	"concord/internal/audit"
	"concord/internal/awsenv"
	"concord/internal/command"
	"concord/internal/commerce"
	"concord/internal/dynamo"
	"concord/internal/emailaddr"
	"concord/internal/invitation"
	"concord/internal/link"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/recipient"
	"concord/internal/relationship"
)

const (
	alder = partner.TenantID("a1de0000-0000-4000-8000-000000000001")
	larch = partner.TenantID("1a2c0000-0000-4000-8000-000000000011")
)

// deployment is a table with its stream, a bus, and a function that fails on everything, whose failures Lambda leaves in a folder.
type deployment struct {
	t       *testing.T
	store   *dynamo.Store
	bus     *bus.Server
	failed  string // the folder
	mapping *streams.Mapping
	now     time.Time
	calls   int
	mu      sync.Mutex
	records int // that were left in the folder
}

// Invoke is the function's.
func (d *deployment) Invoke(context.Context, string, []byte) ([]byte, error) {
	return nil, errors.New("the function is broken")
}

func deploy(t *testing.T) *deployment {
	t.Helper()
	endpoint := engine.StartForTest(t)
	d := &deployment{t: t, bus: bus.New([]string{"concord"}, 0), failed: t.TempDir(), now: time.Now().UTC().Truncate(time.Second).Add(-48 * time.Hour)}
	bridge := httptest.NewServer(d.bus)
	t.Cleanup(bridge.Close)
	tmpl, err := template.Read("../../template.yaml", map[string]string{
		"OperatorName": "Concord", "OperatorContact": "help@concord.example", "PrivacyNoticeUrl": "https://concord.example/privacy", "MailDomain": "mail.example", "Issuer": "http://127.0.0.1:1",
		"PublicPortalUrl": "http://127.0.0.1:1", "UsGovPortalUrl": "http://127.0.0.1:1",
	})
	if err != nil {
		t.Fatal(err)
	}
	table := tmpl.Tables[0]
	table.Name = fmt.Sprintf("replay-%d", time.Now().UnixNano())
	for name, value := range map[string]string{
		"AWS_REGION": template.Region, "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_ENDPOINT_URL_DYNAMODB": endpoint,
		"AWS_ENDPOINT_URL_EVENTBRIDGE": bridge.URL, "TABLE_NAME": table.Name, "EVENT_BUS": "concord", "EVIDENCE_YEARS": "",
	} {
		t.Setenv(name, value)
	}
	cfg := awsenv.Config()
	cfg.BaseEndpoint = &endpoint
	made, err := dynamodb.NewFromConfig(cfg).CreateTable(t.Context(), stack.CreateTableInput(table))
	if err != nil {
		t.Fatal(err)
	}
	function, ok := tmpl.Function("EventsFunction")
	if !ok || len(function.Streams) != 1 {
		t.Fatal("the template's EventsFunction has no stream")
	}
	source := function.Streams[0]
	source.MaximumRetries, source.BatchingWindow, source.OnFailure = 1, 0, "arn:aws:s3:::failed"
	d.mapping, err = streams.Start(t.Context(), source, streams.Options{
		Client: dynamodbstreams.NewFromConfig(cfg), Functions: d, StreamARN: aws.ToString(made.TableDescription.LatestStreamArn), OnFailure: d.leave,
		Backoff: func(int) time.Duration { return time.Millisecond },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.mapping.Close)
	d.store = dynamo.New(cfg, table.Name)
	if err := d.store.CreateAccount(t.Context(), partner.Account{
		Tenant: alder, DisplayName: "Alder", Role: partner.DirectBill, Cloud: "public", Country: "US", Status: partner.Active, Locale: "en", Version: 1,
	}); err != nil {
		t.Fatal(err)
	}
	return d
}

// leave puts the record of a failed invocation where `aws s3 sync` would.
func (d *deployment) leave(_ string, message []byte) {
	var m struct{ DDBStreamBatchInfo struct{ BatchSize int } }
	if err := json.Unmarshal(message, &m); err != nil {
		d.t.Error(err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.records += m.DDBStreamBatchInfo.BatchSize
	folder := filepath.Join(d.failed, "aws", "lambda", "mapping", "shard", "2026", "03", "02")
	d.calls++
	if err := errors.Join(os.MkdirAll(folder, 0o750), os.WriteFile(filepath.Join(folder, fmt.Sprintf("2026-03-02T09.00.00-%03d", d.calls)), message, 0o600)); err != nil {
		d.t.Error(err)
	}
}

// lost waits until the stream has nothing more and gives how many records are in the folder.
func (d *deployment) lost(want int) {
	d.t.Helper()
	got := 0
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		d.mu.Lock()
		got = d.records
		d.mu.Unlock()
		if got >= want && d.mapping.InFlight() == 0 {
			break
		}
	}
	if got != want {
		d.t.Fatalf("%d records were lost, want %d", got, want)
	}
}

// happen has one invitation accepted and another cancelled: 8 writes of which 7 can be told.
func (d *deployment) happen() {
	d.t.Helper()
	ctx := d.t.Context()
	s := invitation.Service{
		Store: d.store, Accounts: d.store, Relationships: d.store, Partnerships: d.store, Regions: partner.ShippedRegions(),
		Clouds:    partner.Clouds{{ID: "public", PortalName: "Concord", BaseURL: "https://concord.example", AdministrationOptional: true}},
		Addresses: emailaddr.Addresses{AllowReserved: true}, Locales: []language.Tag{language.English}, Ledger: d.store,
		Limits: recipient.Limits{Partners: 3, FirstMonth: 50, Daily: 500}, Now: func() time.Time { return d.now },
	}
	n := 0
	command := func() command.Command {
		n++
		d.now = d.now.Add(time.Minute)
		return command.Command{User: partner.User{Subject: "agent", Tenant: alder, Roles: []partner.Role{partner.AdminAgent}, Cloud: "public"}, Key: fmt.Sprint("key ", n), Body: "00"}
	}
	must := func(i invitation.Invitation, _ bool, err error) invitation.Invitation {
		d.t.Helper()
		if err != nil {
			d.t.Fatal(err)
		}
		return i
	}
	write := func(before, after invitation.Invitation) invitation.Invitation {
		d.t.Helper()
		if err := d.store.Write(ctx, invitation.Change{Before: &before, After: after}); err != nil {
			d.t.Fatal(err)
		}
		return after
	}
	email, administered := "lena@larch.example", true
	i := must(s.Invite(ctx, command(), invitation.Proposal{Kind: invitation.Reseller, RecipientEmail: &email, RequestDelegatedAdmin: &administered}))
	i = must(s.Send(ctx, command(), i.ID))
	claimed, _ := i.Claim(d.now, "owner")
	i = write(i, claimed) // which is no news
	mailed, _ := i.Settle(d.now, "owner", outbox.Outcome{State: outbox.Sent, MessageID: "ses-1"})
	i = write(i, mailed)
	_, c, err := s.Respond(ctx, link.Link{Tenant: string(alder), ID: i.ID, Generation: i.Generation}, relationship.Person{
		Subject: "lena", Name: "Lena Larch", Email: email, Roles: []partner.Role{partner.GlobalAdmin},
		Company: relationship.Customer{Tenant: larch, CompanyName: "Larch", Domains: []string{"larch.example"}, Country: "US", CountrySource: "token", Cloud: "public"},
	}, invitation.Response{Answer: "accept", Authorized: true, FullName: "Lena Larch", JobTitle: "Head of IT", Consent: invitation.ConsentText{Version: "1", Language: "en", Hash: "00"}})
	if err != nil || c != invitation.AcceptedBy {
		d.t.Fatal(c, err)
	}
	other := must(s.Invite(ctx, command(), invitation.Proposal{Kind: invitation.Reseller}))
	must(s.Cancel(ctx, command(), other.ID, ""))
}

// replay runs the command.
func (d *deployment) replay(code int, arguments ...string) string {
	d.t.Helper()
	var out bytes.Buffer
	if got := run(d.t.Context(), arguments, &out); got != code {
		d.t.Fatalf("exit code %d, want %d: %s", got, code, out.String())
	}
	return out.String()
}

func (d *deployment) audited() []audit.Record {
	d.t.Helper()
	page, err := d.store.AuditRecords(d.t.Context(), alder, audit.Query{Before: time.Now().Add(time.Hour), Limit: 100})
	if err != nil {
		d.t.Fatal(err)
	}
	return page.Records
}

// told gives how often each event is on the bus.
func (d *deployment) told() map[string]int {
	d.t.Helper()
	times := map[string]int{}
	for _, e := range d.bus.Events() {
		var detail struct{ ID string }
		if err := json.Unmarshal(e.Detail, &detail); err != nil {
			d.t.Fatal(err)
		}
		times[detail.ID]++
	}
	return times
}

func TestFailedRecordsAreTold(t *testing.T) {
	d := deploy(t)
	d.happen()
	d.lost(8)
	if len(d.told()) != 0 || len(d.audited()) != 0 {
		t.Fatal("something was told before")
	}
	t.Setenv("EVENT_BUS", "gone")
	if out := d.replay(1, "-failed", d.failed); !strings.Contains(out, "not put on gone") || !strings.Contains(out, errLeft.Error()) {
		t.Errorf("with a bus that is not there: %s", out)
	}
	t.Setenv("EVENT_BUS", "concord")
	out := d.replay(0, "-failed", d.failed)
	if !strings.Contains(out, "0 with something left") {
		t.Error(out)
	}
	var types []string
	for id, times := range d.told() {
		_, kind, _ := strings.Cut(id, ".")
		_, kind, _ = strings.Cut(kind, ".")
		types = append(types, kind)
		if times < 1 {
			t.Errorf("%s came %d times", id, times)
		}
	}
	slices.Sort(types)
	if want := []string{
		"delegated-admin-granted", "invitation-accepted", "invitation-cancelled", "invitation-created", "invitation-created", "invitation-sent", "relationship-established",
	}; !slices.Equal(types, want) {
		t.Errorf("told %v, want %v", types, want)
	}
	kept := d.audited()
	if len(kept) != 8 {
		t.Errorf("%d audit records: %+v", len(kept), kept)
	}
	if r := kept[0]; !r.Until.Equal(r.At.Add(7 * 365 * 24 * time.Hour)) {
		t.Errorf("kept until %s", r.Until)
	}

	// Once more changes nothing but that events come twice, and there is nothing to rebuild.
	d.replay(0, "-failed", d.failed)
	if again := d.told(); len(again) != 7 {
		t.Errorf("%d events", len(again))
	}
	if out := d.replay(0, "-rebuild", string(alder)); out != "2 invitations, 1 relationships: 0 audit records added, 8 were there\n" {
		t.Error(out)
	}
	if d := cmp.Diff(kept, d.audited()); d != "" {
		t.Error(d)
	}
}

func TestTheAuditIsRebuilt(t *testing.T) {
	d := deploy(t)
	d.happen()
	d.lost(8)
	if out := d.replay(0, "-rebuild", strings.ToUpper(string(alder))); out != "2 invitations, 1 relationships: 8 audit records added, 0 were there\n" {
		t.Error(out)
	}
	rebuilt := d.audited()
	d.replay(0, "-failed", d.failed) // what the stream would have brought is the same
	if d := cmp.Diff(rebuilt, d.audited()); d != "" {
		t.Error(d)
	}
	if len(d.told()) != 7 {
		t.Errorf("told %v", d.told())
	}
}

// What would be purged at once is not added.
func TestNothingIsRebuiltThatIsNotKept(t *testing.T) {
	d := deploy(t)
	d.now = d.now.AddDate(-2, 0, 0)
	d.happen()
	t.Setenv("EVIDENCE_YEARS", "1")
	if out := d.replay(0, "-rebuild", string(alder)); out != "2 invitations, 1 relationships: 0 audit records added, 0 were there\n" {
		t.Error(out)
	}
}

func TestWhatCannotBeReplayed(t *testing.T) {
	d := deploy(t)
	poison, err := os.ReadFile("../../events/events-poison.json")
	if err != nil {
		t.Fatal(err)
	}
	poisoned, err := json.Marshal(map[string]string{"payload": string(poison)})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		content, want string
	}{
		"no JSON":          {"aws", "no record of a failed invocation"},
		"for a queue":      {`{"DDBStreamBatchInfo":{"batchSize":3}}`, "does not hold them"},
		"another function": {`{"payload":"{\"Records\":[]}"}`, "no batch of a stream"},
		"poison":           {string(poisoned), "1 of 2 records told\n  level=ERROR msg=\"record passed over\""},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			if err := os.WriteFile(filepath.Join(folder, "file"), []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			if out := d.replay(1, "-failed", folder); !strings.Contains(out, c.want) || !strings.Contains(out, "1 files, 1 with something left") {
				t.Error(out)
			}
		})
	}
	d.replay(1, "-failed", t.TempDir())
	d.replay(1, "-failed", filepath.Join(t.TempDir(), "absent"))
	d.replay(1, "-rebuild", "alder")
	d.replay(1, "-rebuild", string(larch)) // no partner
	d.replay(2)
	d.replay(2, "-failed", "x", "-rebuild", string(alder))
	d.replay(2, "-failed", "x", "more")
	d.replay(2, "-unknown")
	t.Setenv("EVENT_BUS", "")
	d.replay(2, "-failed", t.TempDir())
	d.replay(0, "-rebuild", string(alder))
	t.Setenv("TABLE_NAME", "")
	d.replay(2, "-rebuild", string(alder))
}

// What was attested, ordered and changed of a subscription is made again as the stream would have brought it.
func TestTheAuditOfPurchasesIsRebuilt(t *testing.T) {
	d := deploy(t)
	d.happen()
	ctx := t.Context()
	account, err := d.store.Account(ctx, alder, true)
	if err != nil {
		t.Fatal(err)
	}
	may := account
	may.PartnerIDs = []partner.PartnerID{{ID: "4100001", Type: partner.Location, Country: "US", OnboardingLocation: true}}
	may.AssociatedPartnerID, may.MPA, may.Status, may.Role = "4100001", &partner.Agreement{SignedAt: d.now, Version: "2025"}, partner.Active, partner.DirectBill
	may.Version++
	if err := d.store.WriteAccount(ctx, account, may); err != nil {
		t.Fatal(err)
	}
	s := commerce.Service{
		Accounts: d.store, Holders: d.store, Relationships: d.store, Agreements: d.store, Orders: d.store, Subscriptions: d.store, Texts: d.store,
		Regions: partner.ShippedRegions(), Offers: commerce.ShippedOffers(), Addresses: emailaddr.Addresses{AllowReserved: true}, Now: func() time.Time { return d.now },
	}
	c := command.Command{
		User: partner.User{Subject: "agent", Tenant: alder, Roles: []partner.Role{partner.SalesAgent}, Cloud: "public"}, Key: "order", Body: "00", IfVersion: command.AnyVersion,
	}
	if _, _, err := s.Attest(ctx, c, string(larch), commerce.Attestation{
		Type: new(commerce.CustomerAgreement), FirstName: new("Lena"), LastName: new("Larch"), Email: new("lena@larch.example"), AgreedAt: &d.now,
	}); err != nil {
		t.Fatal(err)
	}
	o, _, err := s.Place(ctx, c, string(larch), commerce.Wish{Lines: []commerce.WishedLine{{Offer: new("ofr-cloud-reserved"), Quantity: new(5)}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Amend(ctx, c, string(larch), o.Lines[0].Subscription, commerce.Amendment{Status: new(commerce.SubscriptionSuspended)}); err != nil {
		t.Fatal(err)
	}
	d.replay(0, "-rebuild", string(alder))
	var operations []string
	for _, r := range d.audited() {
		if kind, _, _ := strings.Cut(r.Operation, "."); kind != "invitation" && r.Customer == larch {
			operations = append(operations, r.Operation)
		}
	}
	slices.Sort(operations)
	if want := []string{
		"customerAgreement.attested", "delegatedAdmin.granted", "order.completed", "relationship.established", "subscription.created", "subscription.statusChanged",
	}; !slices.Equal(operations, want) {
		t.Errorf("rebuilt %v, want %v", operations, want)
	}
	if out := d.replay(0, "-rebuild", string(alder)); !strings.Contains(out, " 0 audit records added") {
		t.Error(out)
	}
}
