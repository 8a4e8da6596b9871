package events

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/language"

	"concord/internal/audit"
	"concord/internal/command"
	"concord/internal/due"
	"concord/internal/dynamo"
	"concord/internal/emailaddr"
	"concord/internal/enrolment"
	"concord/internal/link"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/relationship"
	"concord/internal/storetest"
	"concord/internal/terms"
)

const gorse = partner.TenantID("9025e000-0000-4000-8000-000000000007")

// filed is the store with every write of an enrolment seen.
type filed struct {
	*storetest.Memory
	o *office
}

func (f filed) WriteEnrolment(ctx context.Context, c enrolment.Change) error {
	err := f.Memory.WriteEnrolment(ctx, c)
	if err == nil {
		f.o.wrote(func(real *dynamo.Store) error { return real.WriteEnrolment(ctx, enrolment.Change{After: c.After}) })
	}
	return err
}

// enrol gives the domain of enrolments over an office, and what an applicant and an operator do in it.
func enrol(t *testing.T) (*office, *enrolment.Service, enrolment.Confirmation) {
	o := open(t)
	records := storetest.Samples()
	sum := sha256.Sum256([]byte("words"))
	if err := o.store.Publish(t.Context(), terms.Text{
		Type: terms.PartnerAgreement, Version: "1", Language: "en", Title: "Sample", Body: "words", Hash: hex.EncodeToString(sum[:]), From: o.clock.Add(-time.Hour),
	}); err != nil {
		t.Fatal(err)
	}
	store, now := filed{o.store, o}, func() time.Time { return o.clock }
	return o, &enrolment.Service{
		Store: store, Accounts: o.store, Directory: records, Validator: enrolment.Formats{}, Locations: records, Holders: o.store, Texts: o.store,
		Addresses: emailaddr.Addresses{AllowReserved: true}, Clouds: o.Clouds, Locales: []language.Tag{language.English}, Now: now,
	}, enrolment.Confirmation{Store: store, Now: now}
}

// applied goes the whole way of an application, by every action there is (invariant 18).
func applied(t *testing.T) *office {
	o, s, confirmation := enrol(t)
	by := func(role partner.Role, subject string, tenant partner.TenantID) command.Command {
		o.clock = o.clock.Add(time.Hour)
		return command.Command{
			User:          partner.User{Subject: subject, Tenant: tenant, Roles: []partner.Role{role}, Cloud: "public"},
			CorrelationID: "0b6c4a3e-9f5d-4c6e-8a51-2f7f6f0d9e11", IfVersion: command.AnyVersion,
		}
	}
	admin := func() command.Command { return by(partner.GlobalAdmin, "someone", gorse) }
	operator := func() command.Command { return by(partner.Operator, "operator", alder) }
	e := enrolment.Enrolment{}
	do := func(next enrolment.Enrolment, _ bool, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		e = next
	}
	ctx := t.Context()
	apply := enrolment.Particulars{
		Legal:   &enrolment.LegalForm{Entry: new("duns"), DUNS: new("000000701")},
		Contact: &enrolment.Person{FirstName: "Nora", LastName: "Berg", Email: "nora@alder.example", Phone: "+1 555 0107"},
		Support: &partner.SupportProfile{Email: "help@alder.example", Phone: "+1 555 0108"},
	}
	confirm := func() {
		o.clock = o.clock.Add(time.Hour)
		next, c, err := confirmation.Confirm(ctx, link.Link{Tenant: string(gorse), ID: e.ID, Generation: e.Verification.Generation}, relationship.Person{Subject: "someone", Company: relationship.Customer{Tenant: gorse}}, "")
		if err != nil || c != enrolment.Confirmed {
			t.Fatal(c, err)
		}
		e = next
	}
	tend := func() {
		o.clock = o.clock.Add(10 * 24 * time.Hour)
		if err := (enrolment.Cleanup{Store: filed{o.store, o}}).Do(ctx, due.Item{ID: e.ID}, o.clock, func(string) {}); err != nil {
			t.Fatal(err)
		}
	}
	decide := func(a enrolment.Action) {
		do(s.Decide(ctx, operator(), e.ID, enrolment.Decision{Action: a, Reason: "Nora Berg, where?"}))
	}

	do(s.Start(ctx, admin(), apply))
	do(s.Withdraw(ctx, admin(), e.ID))
	do(s.Start(ctx, admin(), apply))
	do(s.Submit(ctx, admin(), e.ID, nil))
	tend() // the link lapses
	do(s.ResendVerification(ctx, admin(), e.ID))
	confirm()
	decide(enrolment.Reject)
	do(s.Start(ctx, admin(), apply))
	do(s.Save(ctx, admin(), e.ID, enrolment.Particulars{Locale: new("en")}))
	do(s.Submit(ctx, admin(), e.ID, nil))
	confirm()
	tend() // the review is overdue
	decide(enrolment.NeedInformation)
	do(s.Submit(ctx, admin(), e.ID, new("We moved.")))
	decide(enrolment.Approve)
	do(s.Associate(ctx, admin(), e.ID, new("4100007")))
	stored, err := o.store.Enrolment(ctx, e.ID)
	if err != nil {
		t.Fatal(err)
	}
	claimed, did := stored.ClaimPost(o.clock, "m")
	gone, mine := claimed.SettlePost(o.clock, "m", map[outbox.Kind]outbox.Outcome{enrolment.VettingNotice: {State: outbox.Failed, Reason: "message_rejected"}})
	if gone.Version = stored.Version + 1; !did.Send || !mine {
		t.Fatal("nothing to mail")
	}
	do(gone, false, filed{o.store, o}.WriteEnrolment(ctx, enrolment.Change{Before: &stored, After: gone}))
	if _, _, err := s.SignAgreement(ctx, admin(), "en", &terms.Attestation{Accepted: new(true), Version: new("1")}); err != nil {
		t.Fatal(err)
	}
	o.clock = o.clock.Add(enrolment.Forgotten)
	if err := (enrolment.Cleanup{Store: filed{o.store, o}}).Do(ctx, due.Item{ID: e.Previous}, o.clock, func(string) {}); err != nil {
		t.Fatal(err)
	}
	return o
}

// Every change of the state of an enrolment is an event, and every entry of its history a record of the audit (invariant 18).
func TestWhatAnEnrolmentTells(t *testing.T) {
	o := applied(t)
	var told []string
	for _, e := range o.said {
		if e.Type != EnrolmentStatusChanged {
			continue
		}
		detail, err := json.Marshal(e.Detail)
		if err != nil {
			t.Fatal(err)
		}
		if err := o.schemas.Check(string(e.Type), detail); err != nil {
			t.Errorf("%s: %v", detail, err)
		}
		for _, personal := range []string{"@", "Nora", "Berg", "someone", "Gorse"} {
			if strings.Contains(string(detail), personal) {
				t.Errorf("%q stands in %s", personal, detail)
			}
		}
		told = append(told, strings.TrimPrefix(e.Detail.Enrolment.PreviousStatus+">"+e.Detail.Enrolment.Status, ">"))
	}
	if want := strings.Fields(`draft draft>withdrawn draft draft>emailVerification emailVerification>vetting vetting>rejected draft draft>emailVerification
		emailVerification>vetting vetting>actionRequired actionRequired>vetting vetting>authorized authorized>active`); !slices.Equal(told, want) {
		t.Errorf("told %q", told)
	}
	operations := map[string]audit.Record{}
	for _, r := range o.audited {
		harmless(t, r)
		operations[r.Operation] = r
		if r.Partner != gorse || r.ResourceType != audit.Enrolment {
			t.Errorf("%+v", r)
		}
	}
	for _, operation := range audit.Operations() {
		r, ok := operations[operation]
		if strings.HasPrefix(operation, "enrolment.") && !ok {
			t.Errorf("%s is in no record", operation)
		}
		delete(operations, operation)
		want := audit.Actor{Kind: audit.User, Subject: "someone", Tenant: gorse}
		switch operation {
		case "enrolment.approved", "enrolment.rejected", "enrolment.informationNeeded":
			want = audit.Actor{Kind: audit.Operator, Subject: "operator"}
		case "enrolment.verificationExpired", "enrolment.vettingOverdue", "enrolment.erased":
			want = audit.Actor{Kind: audit.Schedule}
		case "enrolment.mailFailed":
			want = audit.Actor{Kind: audit.System}
		}
		if ok && r.Actor != want {
			t.Errorf("%s by %+v", operation, r.Actor)
		}
	}
	if len(operations) > 0 {
		t.Errorf("not among the operations: %v", operations)
	}
	// The last change, and what the whole history gives.
	var rebuilt []audit.Record
	for e, err := o.store.LatestEnrolment(t.Context(), gorse); ; e, err = o.store.Enrolment(t.Context(), e.Previous) {
		if err != nil {
			t.Fatal(err)
		}
		rebuilt = append(rebuilt, audit.OfEnrolment(nil, e)...)
		if e.Previous == "" {
			break
		}
	}
	byID := func(a, b audit.Record) int { return strings.Compare(a.ID, b.ID) }
	slices.SortFunc(rebuilt, byID)
	for n := range o.audited {
		o.audited[n].Until = time.Time{}
	}
	if d := cmp.Diff(slices.SortedFunc(slices.Values(o.audited), byID), rebuilt); d != "" {
		t.Errorf("told and rebuilt: %s", d)
	}
}

// The event of events/ for an application is what the store writes.
func TestEnrolmentEventFile(t *testing.T) {
	o, s, _ := enrol(t)
	if _, _, err := s.Start(t.Context(), command.Command{User: partner.User{Subject: "someone", Tenant: gorse, Roles: []partner.Role{partner.GlobalAdmin}, Cloud: "public"}}, enrolment.Particulars{}); err != nil {
		t.Fatal(err)
	}
	e, err := o.store.LatestEnrolment(t.Context(), gorse)
	if err != nil {
		t.Fatal(err)
	}
	var written bytes.Buffer
	if err := json.Indent(&written, []byte(strings.ReplaceAll(`{"Records":[`+strings.Join(o.records, ",")+`]}`, e.ID, "enr_mfzxe2lomruw4zzanfzsa5dpnu")), "", "  "); err != nil {
		t.Fatal(err)
	}
	written.WriteByte('\n')
	file := filepath.Join("..", "..", "events", "events-enrolled.json")
	if *update {
		if err := os.WriteFile(file, written.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(written.String(), string(content)); d != "" {
		t.Errorf("%s is not what the store writes; if it is meant, run the test with -update\n%s", file, d)
	}
	var told []string
	answer := run(t, batchOf(t, strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(string(content)), `{
  "Records": [`), `]
}`)), func(_ context.Context, group []Event) (int, error) {
		for _, e := range group {
			told = append(told, e.Detail.ID)
		}
		return len(group), nil
	})
	if !slices.Equal(told, []string{"enr_mfzxe2lomruw4zzanfzsa5dpnu.1.enrolment-status-changed"}) || len(answer.BatchItemFailures) != 0 {
		t.Errorf("%v, %v", told, answer)
	}
}
