package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"concord/infra/local/engine"
	"concord/infra/local/stack"
	"concord/infra/local/template"
	"concord/internal/awsenv"
	"concord/internal/dynamo"
	"concord/internal/enrolment"
	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/relationship"
	"concord/internal/review"
)

const (
	alder = partner.TenantID("a1de0000-0000-4000-8000-000000000001")
	birch = partner.TenantID("b12c0000-0000-4000-8000-000000000002")
	gorse = partner.TenantID("9025e000-0000-4000-8000-000000000007")
	larch = partner.TenantID("1a2c0000-0000-4000-8000-000000000011")
)

var noon = time.Now().UTC().Truncate(time.Second).Add(-48 * time.Hour)

// table is a deployment's table on a local engine, with two partners.
type table struct {
	*testing.T
	store *dynamo.Store
}

func deploy(t *testing.T) table {
	t.Helper()
	endpoint := engine.StartForTest(t)
	tmpl, err := template.Read("../../template.yaml", map[string]string{
		"OperatorName": "Concord", "OperatorContact": "help@concord.example",
		"PrivacyNoticeUrl": "https://concord.example/privacy",
		"MailDomain":       "mail.example", "Issuer": "http://127.0.0.1:1", "PublicPortalUrl": "http://127.0.0.1:1",
		"UsGovPortalUrl": "http://127.0.0.1:1",
	})
	if err != nil {
		t.Fatal(err)
	}
	def := tmpl.Tables[0]
	def.Name = fmt.Sprintf("people-%d", time.Now().UnixNano())
	for name, value := range map[string]string{
		"AWS_REGION": template.Region, "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local",
		"AWS_ENDPOINT_URL_DYNAMODB": endpoint, "TABLE_NAME": def.Name,
	} {
		t.Setenv(name, value)
	}
	cfg := awsenv.Config()
	cfg.BaseEndpoint = &endpoint
	if _, err := dynamodb.NewFromConfig(cfg).CreateTable(t.Context(), stack.CreateTableInput(def)); err != nil {
		t.Fatal(err)
	}
	x := table{t, dynamo.New(cfg, def.Name)}
	for _, p := range []partner.TenantID{alder, birch} {
		x.must(x.store.CreateAccount(t.Context(), partner.Account{
			Tenant: p, DisplayName: "A partner", Role: partner.DirectBill, Cloud: "public", Country: "US",
			Status: partner.Active, Locale: "en",
			Contact: partner.Contact{Email: "hello@" + string(p[:4]) + ".example"}, CreatedAt: noon, Version: 1,
		}))
	}
	return x
}

func (x table) must(err error) {
	x.Helper()
	if err != nil {
		x.Fatal(err)
	}
}

// invite stores an invitation to an address, as it is after edit.
func (x table) invite(p partner.TenantID, id, address string, edit func(*invitation.Invitation)) {
	x.Helper()
	i := invitation.Invitation{
		Key: invitation.Key{Inviter: p, ID: id}, Kind: invitation.Reseller, RecipientEmail: address,
		RecipientName: "Lena Larch", Locale: "en", Cloud: "public",
		Status: invitation.Draft, Generation: 1, Duration: invitation.DefaultDuration,
		ExpiresAt: noon.Add(invitation.DefaultDuration), CreatedAt: noon, CreatedBy: "somebody",
		Version: 1, History: []invitation.Entry{{At: noon, Action: "created", By: "somebody"}},
	}
	edit(&i)
	x.must(x.store.Write(x.Context(), invitation.Change{After: i}))
}

// people runs the command.
func (x table) people(code int, arguments ...string) string {
	x.Helper()
	var out strings.Builder
	if got := run(x.Context(), arguments, &out); got != code {
		x.Errorf("%v: %d, want %d\n%s", arguments, got, code, out.String())
	}
	return out.String()
}

func (x table) invitation(p partner.TenantID, id string) invitation.Invitation {
	x.Helper()
	i, err := x.store.Invitation(x.Context(), invitation.Key{Inviter: p, ID: id}, true)
	x.must(err)
	return i
}

func ended(s invitation.Status, answer *invitation.Given) func(*invitation.Invitation) {
	return func(i *invitation.Invitation) {
		i.Status, i.EndedAt, i.EraseAt, i.Answer = s, noon, noon.Add(invitation.Unanswered), answer
	}
}

// TestErasePerson (domain 0.23): a person is found at every partner; what nobody answered goes, evidence stays and is
// said to, and a second run finds nothing more to do.
func TestErasePerson(t *testing.T) {
	x := deploy(t)
	const lena = "Lena@Larch.example"
	x.invite(alder, "inv_ended", lena, ended(invitation.Cancelled, nil))
	x.invite(birch, "inv_expired", lena, ended(invitation.Expired, nil))
	x.invite(alder, "inv_answered", "office@larch.example", ended(invitation.Declined, &invitation.Given{Subject: "lena",
		Tenant: larch, FullName: "Lena Larch", Email: lena, At: noon}))
	x.invite(alder, "inv_draft", lena, func(i *invitation.Invitation) { i.Kind = invitation.Partnership })
	x.invite(alder, "inv_other", "otto@larch.example", ended(invitation.Cancelled, nil))
	e := enrolment.Enrolment{
		ID: "enr_1", Tenant: gorse, Path: enrolment.Full, Status: enrolment.Withdrawn, Cloud: "public", Locale: "en",
		CreatedAt: noon, Version: 1,
		Contact: enrolment.Person{FirstName: "Lena", LastName: "Larch",
			Email: "lena@larch.example"}, History: []enrolment.HistoryEntry{{At: noon, Action: enrolment.Withdraw, By: "lena"}},
	}
	x.must(x.store.WriteEnrolment(t.Context(), enrolment.Change{After: e}))

	file := filepath.Join(t.TempDir(), "lena.json")
	dry := x.people(0, "-address", "lena@larch.example", "-export", file)
	if !strings.HasSuffix(dry, "5 found, 3 to be erased with -erase, 2 stay\n") || x.invitation(alder,
		"inv_ended").RecipientEmail == "" {
		t.Errorf("%s", dry)
	}
	if exported, err := os.ReadFile(file); err != nil || strings.Count(string(exported), "\n") != 5 ||
		strings.Contains(string(exported), "otto") {
		t.Errorf("%s, %v", exported, err)
	}
	x.people(1, "-address", "lena@larch.example", "-export", file) // it is there
	done := x.people(0, "-address", "lena@larch.example", "-erase")
	if !strings.HasSuffix(done, "5 found, 3 erased, 2 stay\n") || !strings.Contains(done, "evidence of an answer until ") ||
		!strings.Contains(done, "a draft, forgotten on ") {
		t.Errorf("%s", done)
	}
	for p, id := range map[partner.TenantID]string{alder: "inv_ended", birch: "inv_expired"} {
		if i := x.invitation(p, id); i.RecipientEmail != "" || i.RecipientName != "" || i.Version != 2 || i.Status.Open() {
			t.Errorf("%+v", i)
		}
	}
	if x.invitation(alder, "inv_answered").Answer.FullName != "Lena Larch" || x.invitation(alder,
		"inv_other").RecipientEmail == "" {
		t.Error("evidence, or somebody else, was erased")
	}
	if e, err := x.store.Enrolment(t.Context(), "enr_1"); err != nil || e.Contact != (enrolment.Person{}) {
		t.Errorf("%+v, %v", e.Contact, err)
	}
	if again := x.people(0, "-address", "lena@larch.example", "-erase"); !strings.HasSuffix(again,
		"2 found, 0 erased, 2 stay\n") {
		t.Errorf("%s", again)
	}
}

// Whom a company is asked by is found as its own and through its partners, and erased (domain 0.49).
func TestEraseReviewer(t *testing.T) {
	x := deploy(t)
	r := relationship.Relationship{
		ID: "rel_1", Partner: birch, Role: relationship.Direct, Status: relationship.Active, Origin: "invitation", Invitation: "inv_0",
		Customer:       relationship.Customer{Tenant: larch, CompanyName: "Larch", Country: "US", CountrySource: "token", Cloud: "public"},
		DelegatedAdmin: relationship.NoAdministration, IdentityCheck: relationship.NotNeeded, RegionTable: "1", EstablishedAt: noon,
		UpdatedAt: noon, Version: 1,
	}
	x.must(x.store.Commit(t.Context(), nil, []relationship.Change{{After: r}}))
	for _, each := range []partner.TenantID{larch, alder} {
		x.must(x.store.WriteReview(t.Context(), review.Change{After: review.Review{
			Tenant: each, Cloud: "public", To: "Lena@Larch.example", Locale: "en", Next: noon, Version: 1,
		}}))
	}
	dry := x.people(0, "-address", "lena@larch.example")
	if !strings.HasSuffix(dry, "2 found, 2 to be erased with -erase, 0 stay\n") {
		t.Error(dry)
	}
	done := x.people(0, "-address", "lena@larch.example", "-erase")
	if !strings.HasSuffix(done, "2 found, 2 erased, 0 stay\n") {
		t.Error(done)
	}
	for _, each := range []partner.TenantID{larch, alder} {
		got, err := x.store.Review(t.Context(), each, true)
		if _, waits := got.Due(); err != nil || got.To != "" || waits {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

// TestOffboardPartner: a partner's data is exported whole; its account loses its people when it is suspended and serves
// nobody any more.
func TestOffboardPartner(t *testing.T) {
	x := deploy(t)
	x.invite(alder, "inv_ended", "lena@larch.example", ended(invitation.Cancelled, nil))
	x.invite(birch, "inv_others", "lena@larch.example", ended(invitation.Cancelled, nil))
	r := relationship.Relationship{
		ID: "rel_1", Partner: alder, Role: relationship.Direct, Status: relationship.Active, Origin: "invitation",
		Invitation: "inv_0",
		Customer: relationship.Customer{Tenant: larch, CompanyName: "Larch", Country: "US", CountrySource: "token",
			Cloud: "public"},
		DelegatedAdmin: relationship.NoAdministration, IdentityCheck: relationship.NotNeeded, RegionTable: "1",
		EstablishedAt: noon, UpdatedAt: noon, Version: 1,
	}
	x.must(x.store.Commit(t.Context(), nil, []relationship.Change{{After: r}}))
	file := filepath.Join(t.TempDir(), "alder.json")
	if said := x.people(0, "-partner", string(alder), "-export", file, "-erase"); !strings.Contains(said,
		"the partner is active: suspend it first") {
		t.Errorf("%s", said)
	}
	exported, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(exported), `"type":"account"`) || !strings.Contains(string(exported),
		`"type":"relationship"`) || strings.Contains(string(exported), "inv_others") {
		t.Errorf("%s, %v", exported, err)
	}
	if x.invitation(alder, "inv_ended").RecipientEmail != "" || x.invitation(birch, "inv_others").RecipientEmail == "" {
		t.Error("the wrong partner's invitations were erased")
	}
	x.change(func(a *partner.Account) { a.Status = partner.Suspended })
	if said := x.people(0, "-partner", string(alder), "-erase"); !strings.Contains(said, "1 relationships stand") {
		t.Errorf("%s", said)
	}
	over := r
	over.Status, over.Version = relationship.Removed, 2
	x.must(x.store.Commit(t.Context(), nil, []relationship.Change{{Before: &r, After: over}}))
	if said := x.people(0, "-partner", string(alder)); !strings.Contains(said, "erase   the account's contact") {
		t.Errorf("%s", said)
	}
	x.people(0, "-partner", string(alder), "-erase")
	a, err := x.store.Account(t.Context(), alder, true)
	if err != nil || a.Contact != (partner.Contact{}) || a.DisplayName == "" || len(a.History) != 1 || a.History[0].By != by {
		t.Errorf("%+v, %v", a, err)
	}
	if again := x.people(0, "-partner", string(alder), "-erase"); !strings.Contains(again, " 0 erased") {
		t.Errorf("%s", again)
	}
}

func (x table) change(edit func(*partner.Account)) {
	x.Helper()
	before, err := x.store.Account(x.Context(), alder, true)
	x.must(err)
	after := before
	after.Version++
	edit(&after)
	x.must(x.store.WriteAccount(x.Context(), before, after))
}

// What was not asked properly touches nothing, and what cannot be read is no success.
func TestUsage(t *testing.T) {
	t.Setenv("TABLE_NAME", "none")
	for _, wrong := range [][]string{{}, {"-address", "lena"}, {"-partner", "me"}, {"-what"}, {"-address", "a@b.example",
		"more"}} {
		var out strings.Builder
		if code := run(t.Context(), wrong, &out); code != 2 {
			t.Errorf("%v: %d, %s", wrong, code, out.String())
		}
	}
	x := deploy(t)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	var out strings.Builder
	if code := run(over, []string{"-address", "lena@larch.example"}, &out); code != 1 {
		x.Errorf("%d, %s", code, out.String())
	}
}
