package dynamo_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"
	"golang.org/x/text/language"
	"golang.org/x/time/rate"

	"concord/infra/local/engine"
	"concord/internal/audit"
	"concord/internal/batch"
	"concord/internal/command"
	"concord/internal/customer"
	"concord/internal/due"
	"concord/internal/dynamo"
	"concord/internal/emailaddr"
	"concord/internal/invitation"
	"concord/internal/link"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/recipient"
	"concord/internal/relationship"
	"concord/internal/review"
	"concord/internal/terms"
)

// meter counts what a client's requests consume, as DynamoDB itself says it.
type meter struct {
	mu sync.Mutex
	use
}

// use is what a use case takes: requests by kind, and units on the table and each index.
type use struct {
	requests      map[string]int
	writes, reads map[string]float64
}

// add puts the meter into a client.
func (m *meter) add(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("meter", func(
		ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
	) (middleware.InitializeOutput, middleware.Metadata, error) {
		const indexes = types.ReturnConsumedCapacityIndexes
		var kind string
		switch p := in.Parameters.(type) {
		case *sdk.GetItemInput:
			kind, p.ReturnConsumedCapacity = "GetItem", indexes
		case *sdk.BatchGetItemInput:
			kind, p.ReturnConsumedCapacity = "BatchGetItem", indexes
		case *sdk.QueryInput:
			kind, p.ReturnConsumedCapacity = "Query", indexes
		case *sdk.PutItemInput:
			kind, p.ReturnConsumedCapacity = "PutItem", indexes
		case *sdk.UpdateItemInput:
			kind, p.ReturnConsumedCapacity = "UpdateItem", indexes
		case *sdk.DeleteItemInput:
			kind, p.ReturnConsumedCapacity = "DeleteItem", indexes
		case *sdk.TransactWriteItemsInput:
			kind, p.ReturnConsumedCapacity = "TransactWriteItems", indexes
		default:
			kind = fmt.Sprintf("%T", p)
		}
		out, md, err := next.HandleInitialize(ctx, in)
		m.mu.Lock()
		defer m.mu.Unlock()
		m.requests[kind]++
		switch o := out.Result.(type) {
		case *sdk.GetItemOutput:
			note(m.reads, *o.ConsumedCapacity)
		case *sdk.BatchGetItemOutput:
			note(m.reads, o.ConsumedCapacity...)
		case *sdk.QueryOutput:
			note(m.reads, *o.ConsumedCapacity)
		case *sdk.PutItemOutput:
			note(m.writes, *o.ConsumedCapacity)
		case *sdk.UpdateItemOutput:
			note(m.writes, *o.ConsumedCapacity)
		case *sdk.DeleteItemOutput:
			note(m.writes, *o.ConsumedCapacity)
		case *sdk.TransactWriteItemsOutput:
			note(m.writes, o.ConsumedCapacity...)
		}
		return out, md, err
	}), middleware.Before)
}

func note(units map[string]float64, capacity ...types.ConsumedCapacity) {
	for _, c := range capacity {
		units["table"] += *c.Table.CapacityUnits
		for name, i := range c.GlobalSecondaryIndexes {
			units[name] += *i.CapacityUnits
		}
	}
}

func nothing() use { return use{map[string]int{}, map[string]float64{}, map[string]float64{}} }

// during gives what f takes.
func (m *meter) during(f func()) use {
	m.use = nothing()
	f()
	u := m.use
	m.use = nothing()
	return u
}

func (u *use) plus(v use) {
	for k, n := range v.requests {
		u.requests[k] += n
	}
	for k, n := range v.writes {
		u.writes[k] += n
	}
	for k, n := range v.reads {
		u.reads[k] += n
	}
}

func total(units map[string]float64) (sum float64) {
	for _, n := range units {
		sum += n
	}
	return sum
}

// String is a row of the table: requests, writes on table, list, due and in all, and the same of reads.
func (u use) String() string {
	var b strings.Builder
	for i, k := range slices.Sorted(maps.Keys(u.requests)) {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%d %s", u.requests[k], k)
	}
	for _, units := range []map[string]float64{u.writes, u.reads} {
		fmt.Fprintf(&b, " | %v | %v | %v | **%v**", units["table"], units["list"], units["due"], total(units))
	}
	return b.String()
}

// nothingMade refuses every row.
type nothingMade struct{}

func (nothingMade) Invite(context.Context, command.Command, invitation.Proposal) (invitation.Invitation, bool, error) {
	return invitation.Invitation{}, false, problem.New(problem.DuplicateOpenInvitation, "An open invitation already asks this recipient for the same.")
}

func (nothingMade) SendWhenAllowed(context.Context, command.Command, string, time.Time) (invitation.Invitation, bool, error) {
	return invitation.Invitation{}, false, nil
}

// setting is the service over a real store, with one partner and a clock that stands still.
type setting struct {
	service invitation.Service
	cleanup due.Round
	store   *dynamo.Store
	user    partner.User
	now     time.Time
	calls   int
}

func newSetting(t testing.TB, store *dynamo.Store) *setting {
	t.Helper()
	tenant := randomTenant()
	partnerID := string(tenant[24:])
	s := &setting{store: store, user: partner.User{Subject: "3f8e3a52-6d0c-4f55-9a4e-0d4bb1f1a001", Tenant: tenant, Roles: []partner.Role{partner.AdminAgent}, Cloud: "public"},
		now: time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)}
	clock := func() time.Time { return s.now }
	s.service = invitation.Service{
		Store: store, Accounts: store, Relationships: store, Partnerships: store, Regions: partner.ShippedRegions(),
		Clouds:    partner.Clouds{{ID: "public", PortalName: "Concord", BaseURL: "https://concord.example", AdministrationOptional: true}},
		Addresses: emailaddr.Addresses{AllowReserved: true}, Locales: []language.Tag{language.English, language.French}, Now: clock,
		Ledger: store, Limits: recipient.Limits{Partners: 3, FirstMonth: 50, Daily: 500},
	}
	s.service.Recognition = relationship.Recognition{Companies: store, Relationships: store, Accounts: store, Regions: partner.ShippedRegions(), Register: store}
	s.cleanup = due.Round{Index: store, Now: clock, Duties: map[due.Kind]due.Duty{invitation.DueKind: invitation.Cleanup{Store: store}}}
	if err := store.CreateAccount(t.Context(), partner.Account{
		Tenant: tenant, DisplayName: "Alder Inc", Role: partner.DirectBill, Cloud: "public", Country: "US", Status: partner.Active, Locale: "en",
		PartnerIDs: []partner.PartnerID{{ID: partnerID, Type: "location", Country: "US", OnboardingLocation: true}}, AssociatedPartnerID: partnerID,
		MPA:     &partner.Agreement{SignedAt: s.now, SignedBy: "Ann Alder", Version: "2025", Hash: strings.Repeat("0f", 32)},
		Contact: partner.Contact{Email: "hello@alder.example"}, VerifiedDomain: "alder.example", CreatedAt: s.now, Version: 1,
	}); err != nil {
		t.Fatal(err)
	}
	return s
}

// command is a call as package web makes it: with a correlation id and an Idempotency-Key of its own.
func (s *setting) command() command.Command {
	s.calls++
	return command.Command{User: s.user, CorrelationID: fmt.Sprintf("6f1c9d3e-1111-4000-8000-%012d", s.calls), Key: fmt.Sprintf("key-%d", s.calls), Body: "00ff00ff00ff"}
}

func (s *setting) proposal() invitation.Proposal {
	email, name := fmt.Sprintf("ada.larch-%d@larch.example", s.calls), "Ada Larch"
	return invitation.Proposal{Kind: invitation.Reseller, RecipientEmail: &email, RecipientName: &name}
}

// claim carries out what the mailer does with a stream record: the image in it is the invitation, so only the partner's account
// is read.
func (s *setting) claim(ctx context.Context, before invitation.Invitation) (invitation.Invitation, error) {
	if _, err := s.store.Account(ctx, before.Inviter, false); err != nil {
		return before, err
	}
	after, did := before.Claim(s.now, "mailer/0123456789abcdef0123456789abcdef")
	if !did.Changed || !did.Send {
		return after, fmt.Errorf("nothing to did.Send: %s", before.Mail.State)
	}
	return after, s.store.Write(ctx, invitation.Change{Before: &before, After: after})
}

func (s *setting) settle(ctx context.Context, before invitation.Invitation) (invitation.Invitation, error) {
	after, changed := before.Settle(s.now, before.Mail.Owner, outbox.Outcome{
		State: outbox.Sent, MessageID: "0100019523ab4c5d-01234567-89ab-cdef-0123-456789abcdef-000000",
	})
	if !changed {
		return after, fmt.Errorf("the claim is not its own: %s", before.Mail.State)
	}
	return after, s.store.Write(ctx, invitation.Change{Before: &before, After: after})
}

func (s *setting) claimPost(ctx context.Context, before invitation.Invitation) (invitation.Invitation, error) {
	after, did := before.ClaimPost(s.now, "0123456789")
	if !did.Changed || !did.Send {
		return after, fmt.Errorf("no notice to did.Send: %+v", before.Post)
	}
	return after, s.store.Write(ctx, invitation.Change{Before: &before, After: after})
}

func (s *setting) settlePost(ctx context.Context, before invitation.Invitation) (invitation.Invitation, error) {
	went := map[outbox.Kind]outbox.Outcome{}
	for _, n := range before.Post.Owed {
		went[n] = outbox.Outcome{State: outbox.Sent}
	}
	after, changed := before.SettlePost(s.now, before.Post.Owner, went)
	if !changed {
		return after, fmt.Errorf("the claim is not its own: %+v", before.Post)
	}
	return after, s.store.Write(ctx, invitation.Change{Before: &before, After: after})
}

// told has the notices of an invitation sent.
func (s *setting) told(ctx context.Context, t *testing.T, i invitation.Invitation) {
	t.Helper()
	i, err := s.claimPost(ctx, i)
	if err == nil {
		_, err = s.settlePost(ctx, i)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// attested is what is attested on the removal of a relationship.
var attested = func() terms.Text {
	words := "Sample, no legal effect."
	sum := sha256.Sum256([]byte(words))
	return terms.Text{
		Type: terms.RelationshipRemoval, Version: "1", Language: "en", Title: "Sample", Body: words, Hash: hex.EncodeToString(sum[:]),
		From: time.Date(2024, 1, 15, 9, 0, 0, 0, time.UTC),
	}
}()

func linkOf(i invitation.Invitation) link.Link {
	return link.Link{Tenant: string(i.Inviter), ID: i.ID, Generation: i.Generation}
}

func person() relationship.Person {
	return relationship.Person{
		Subject: "aa8e3a52-6d0c-4f55-9a4e-0d4bb1f1a0ff", Name: "Ada Larch", Email: "admin@larch.example", Roles: []partner.Role{partner.GlobalAdmin},
		Company: relationship.Customer{Tenant: randomTenant(), CompanyName: "Larch Ltd", Domains: []string{"larch.example"}, Country: "US", CountrySource: "token", Cloud: "public"},
	}
}

func response(answer string) invitation.Response {
	return invitation.Response{
		Answer: answer, Authorized: true, FullName: "Ada Larch", JobTitle: "Head of IT", CorrelationID: "6f1c9d3e-2222-4000-8000-000000000001",
		Consent: invitation.ConsentText{Version: "2025-01", Language: "en", Hash: strings.Repeat("0f", 32)},
	}
}

// TestCost pins what each use case costs: its requests, and its capacity units on the table and on each index. A refused
// condition has no figure: DynamoDB bills it as the write that it would have been, and does not say so. Figures of other
// engines than the default are printed and not looked at: they count neither as DynamoDB does (infra/engines.md).
func TestCost(t *testing.T) {
	t.Parallel()
	exact := slices.Contains([]string{"", engine.Dynoxide}, os.Getenv("ENGINE")) && os.Getenv("AWS_ENDPOINT_URL_DYNAMODB") == ""
	m := &meter{use: nothing()}
	cfg := config(t)
	cfg.APIOptions = append(cfg.APIOptions, m.add)
	store := dynamo.New(cfg, newTable(t))
	s := newSetting(t, store)
	ctx := t.Context()

	var rows []string
	spent := map[string]use{}
	measure := func(name, want string, f func() error) {
		t.Helper()
		var err error
		u := m.during(func() { err = f() })
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		spent[name] = u
		rows = append(rows, "| "+name+" | "+u.String()+" |")
		if exact && u.String() != want {
			t.Errorf("%s costs\n     %s\nwant %s", name, u, want)
		}
	}
	code := func(err error, want problem.Code) error {
		if !problem.Is(err, want) {
			return fmt.Errorf("error %w, want %s", err, want)
		}
		return nil
	}
	result := func(c, want invitation.Case, err error) error {
		if err == nil && c != want {
			return fmt.Errorf("the page is %s, want %s", c, want)
		}
		return err
	}

	var inv invitation.Invitation
	created := s.command()
	proposal := s.proposal()
	measure("create", "1 GetItem, 1 TransactWriteItems | 4 | 1 | 0 | **5** | 0.5 | 0 | 0 | **0.5**", func() (err error) {
		inv, _, err = s.service.Invite(ctx, created, proposal)
		return err
	})
	measure("create, replayed", "2 GetItem, 1 TransactWriteItems | 0 | 0 | 0 | **0** | 1.5 | 0 | 0 | **1.5**", func() error {
		_, replayed, err := s.service.Invite(ctx, created, proposal)
		if err == nil && !replayed {
			return fmt.Errorf("not replayed")
		}
		return err
	})
	measure("create, refused as a duplicate", "3 GetItem, 1 TransactWriteItems | 0 | 0 | 0 | **0** | 2.5 | 0 | 0 | **2.5**", func() error {
		_, _, err := s.service.Invite(ctx, s.command(), proposal)
		return code(err, problem.DuplicateOpenInvitation)
	})
	measure("create, without recipient", "1 GetItem, 1 PutItem | 1 | 1 | 0 | **2** | 0.5 | 0 | 0 | **0.5**", func() error {
		_, _, err := s.service.Invite(ctx, s.command(), invitation.Proposal{Kind: invitation.Reseller})
		return err
	})
	var bound invitation.Invitation
	// One of index served, so that the customer finds the request (see Requests of a company, in the package documentation).
	measure("create, bound to a customer", "1 BatchGetItem, 3 GetItem, 1 TransactWriteItems | 4 | 2 | 0 | **7** | 2.5 | 0 | 0 | **2.5**", func() (err error) {
		p, tenant := s.proposal(), string(randomTenant())
		p.CustomerTenantID = &tenant
		bound, _, err = s.service.Invite(ctx, s.command(), p)
		return err
	})
	measure("change a draft's language", "2 GetItem, 1 UpdateItem | 1 | 0 | 0 | **1** | 1 | 0 | 0 | **1**", func() error {
		fr := "fr"
		_, _, err := s.service.Revise(ctx, command.Command{User: s.user, IfVersion: 1}, bound.ID, invitation.Revision{Locale: &fr})
		return err
	})
	measure("send", "3 GetItem, 1 PutItem, 2 UpdateItem | 3 | 0 | 1 | **4** | 1.5 | 0 | 0 | **1.5**", func() (err error) {
		inv, _, err = s.service.Send(ctx, s.command(), inv.ID)
		return err
	})
	measure("mailer: claim", "1 GetItem, 1 UpdateItem | 1 | 0 | 0 | **1** | 0.5 | 0 | 0 | **0.5**", func() (err error) {
		inv, err = s.claim(ctx, inv)
		return err
	})
	measure("mailer: sent", "1 UpdateItem | 1 | 0 | 2 | **3** | 0 | 0 | 0 | **0**", func() (err error) {
		inv, err = s.settle(ctx, inv)
		return err
	})
	who := person()
	measure("open the page", "2 GetItem | 0 | 0 | 0 | **0** | 1 | 0 | 0 | **1**", func() error {
		_, c, err := s.service.Look(ctx, linkOf(inv), nil, false)
		return result(c, invitation.Review, err)
	})
	measure("open the page, signed in", "4 GetItem | 0 | 0 | 0 | **0** | 2.5 | 0 | 0 | **2.5**", func() error {
		_, c, err := s.service.Look(ctx, linkOf(inv), &who, false)
		return result(c, invitation.Form, err)
	})
	accepting := func() (c invitation.Case, err error) {
		var t invitation.Letter
		t, c, err = s.service.Respond(ctx, linkOf(inv), who, response("accept"))
		inv = t.Invitation
		return c, err
	}
	measure("accept", "1 BatchGetItem, 2 GetItem, 1 TransactWriteItems, 1 UpdateItem | 5 | 1 | 2 | **9** | 2 | 0 | 0 | **2**", func() error {
		c, err := accepting()
		return result(c, invitation.AcceptedBy, err)
	})
	measure("accept, again", "2 GetItem | 0 | 0 | 0 | **0** | 1.5 | 0 | 0 | **1.5**", func() error {
		_, c, err := s.service.Respond(ctx, linkOf(inv), who, response("accept"))
		return result(c, invitation.AcceptedBy, err)
	})
	related, err := store.Relationship(ctx, s.user.Tenant, who.Company.Tenant)
	if err != nil {
		t.Fatal(err)
	}
	records := append(audit.OfInvitation(nil, inv), audit.OfRelationship(nil, related)...)
	keep := func(records ...audit.Record) error {
		for _, r := range records {
			if added, err := store.AddAudit(ctx, r.Kept(7*365*24*time.Hour)); err != nil || !added {
				return fmt.Errorf("added %v, %w", added, err)
			}
		}
		return nil
	}
	measure("audit, one record", "1 PutItem | 1 | 0 | 0 | **1** | 0 | 0 | 0 | **0**", func() error { return keep(records[0]) })
	measure("audit, the others of an accepted invitation", "4 PutItem | 4 | 0 | 0 | **4** | 0 | 0 | 0 | **0**", func() error { return keep(records[1:]...) })
	measure("receipts: claim", "1 UpdateItem | 1 | 0 | 0 | **1** | 0 | 0 | 0 | **0**", func() (err error) {
		inv, err = s.claimPost(ctx, inv)
		return err
	})
	measure("receipts: sent", "1 UpdateItem | 1 | 0 | 2 | **3** | 0 | 0 | 0 | **0**", func() (err error) {
		inv, err = s.settlePost(ctx, inv)
		return err
	})
	measure("dispute", "3 GetItem, 1 TransactWriteItems | 4 | 0 | 2 | **6** | 2.5 | 0 | 0 | **2.5**", func() (err error) {
		var t invitation.Letter
		var c invitation.Case
		t, c, err = s.service.Dispute(ctx, linkOf(inv), &invitation.Plea{Reason: "not-us"})
		inv = t.Invitation
		return result(c, invitation.Disputed, err)
	})
	s.told(ctx, t, inv)
	measure("create, after one that ended", "2 GetItem, 2 TransactWriteItems | 4 | 1 | 0 | **5** | 1.5 | 0 | 0 | **1.5**", func() error {
		_, _, err := s.service.Invite(ctx, s.command(), proposal)
		return err
	})
	measure("read one", "1 GetItem | 0 | 0 | 0 | **0** | 1 | 0 | 0 | **1**", func() error {
		_, err := s.service.Invitation(ctx, s.user, inv.ID)
		return err
	})

	// Three more whose mail was sent: one for each of the other ends.
	var sent [3]invitation.Invitation
	for n := range sent {
		i, _, err := s.service.Invite(ctx, s.command(), s.proposal())
		if err == nil {
			i, _, err = s.service.Send(ctx, s.command(), i.ID)
		}
		if err == nil {
			i, err = s.claim(ctx, i)
		}
		if err == nil {
			i, err = s.settle(ctx, i)
		}
		if err != nil {
			t.Fatal(err)
		}
		sent[n] = i
	}
	measure("decline", "1 BatchGetItem, 2 GetItem, 1 UpdateItem | 1 | 0 | 2 | **3** | 2 | 0 | 0 | **2**", func() error {
		l, c, err := s.service.Respond(ctx, linkOf(sent[0]), who, response("decline"))
		sent[0] = l.Invitation
		return result(c, invitation.DeclinedBy, err)
	})
	s.told(ctx, t, sent[0])
	s.now = s.now.Add(recipient.Cooldown)
	measure("resend", "3 GetItem, 1 PutItem, 2 UpdateItem | 3 | 0 | 2 | **5** | 1.5 | 0 | 0 | **1.5**", func() error {
		_, _, err := s.service.Resend(ctx, s.command(), sent[1].ID)
		return err
	})
	measure("resend, refused by the cooldown", "5 GetItem | 0 | 0 | 0 | **0** | 3 | 0 | 0 | **3**", func() error {
		_, _, err := s.service.Resend(ctx, s.command(), sent[1].ID)
		return code(err, problem.ResendCooldown)
	})
	measure("cancel", "2 GetItem, 1 UpdateItem | 1 | 0 | 2 | **3** | 1 | 0 | 0 | **1**", func() error {
		_, _, err := s.service.Cancel(ctx, s.command(), sent[1].ID, "changed our mind")
		return err
	})
	measure("renew", "3 GetItem, 2 TransactWriteItems | 4 | 1 | 0 | **5** | 2.5 | 0 | 0 | **2.5**", func() (err error) {
		_, _, err = s.service.Renew(ctx, s.command(), sent[1].ID)
		return err
	})
	draft, _, err := s.service.Invite(ctx, s.command(), s.proposal())
	if err != nil {
		t.Fatal(err)
	}
	current := link.Secret("https://concord.example/i/" + strings.Repeat("a", 140))
	c := s.command()
	c.IfVersion = draft.Version
	measure("edit a draft", "2 GetItem, 1 TransactWriteItems | 4 | 0 | 0 | **4** | 1 | 0 | 0 | **1**", func() (err error) {
		words := invitation.Words{Subject: "A word from Alder", Body: strings.Repeat("Would you have a look, please? ", 25) + current.Reveal()}
		draft, _, err = s.service.Edit(ctx, c, draft.ID, words, current, "https://concord.example/")
		return err
	})
	measure("read the words of a draft", "1 GetItem | 0 | 0 | 0 | **0** | 1 | 0 | 0 | **1**", func() error {
		_, err := s.service.Words(ctx, s.user, draft, current)
		return err
	})
	measure("reset a draft", "2 GetItem, 1 TransactWriteItems | 4 | 0 | 0 | **4** | 1 | 0 | 0 | **1**", func() (err error) {
		draft, _, err = s.service.Reset(ctx, s.command(), draft.ID)
		return err
	})
	measure("reset a draft that was not edited", "2 GetItem, 1 UpdateItem | 1 | 0 | 0 | **1** | 1 | 0 | 0 | **1**", func() (err error) {
		draft, _, err = s.service.Reset(ctx, s.command(), draft.ID)
		return err
	})
	measure("done", "2 GetItem, 1 UpdateItem | 1 | 0 | 1 | **2** | 1 | 0 | 0 | **1**", func() (err error) {
		draft, _, err = s.service.Done(ctx, s.command(), draft.ID)
		return err
	})
	if _, _, err := s.service.Cancel(ctx, s.command(), draft.ID, ""); err != nil { // one alone is to expire
		t.Fatal(err)
	}
	tally := func(want map[string]int) error {
		got, err := s.cleanup.Run(ctx)
		if err == nil && (!maps.Equal(got.Done, want) || got.Left != 0 || !got.Complete) {
			return fmt.Errorf("did %+v, want %+v", got, want)
		}
		return err
	}
	measure("cleanup, nothing due", "4 Query | 0 | 0 | 0 | **0** | 0 | 0 | 2 | **2**", func() error { return tally(nil) })
	s.now = s.now.Add(23 * 24 * time.Hour)
	measure("cleanup, one is reminded", "1 GetItem, 4 Query, 1 UpdateItem | 1 | 0 | 2 | **3** | 1 | 0 | 2 | **3**", func() error { return tally(map[string]int{"Reminded": 1}) })
	reminded, err := store.Invitation(ctx, sent[2].Key, true)
	if err != nil {
		t.Fatal(err)
	}
	measure("reminder: allowed", "1 GetItem, 1 PutItem | 1 | 0 | 0 | **1** | 1 | 0 | 0 | **1**", func() error { return reminded.AllowReminder(ctx, store, s.now) })
	s.told(ctx, t, reminded)
	s.now = s.now.Add(8 * 24 * time.Hour)
	measure("cleanup, one expires", "1 GetItem, 4 Query, 1 UpdateItem | 1 | 0 | 2 | **3** | 1 | 0 | 2 | **3**", func() error { return tally(map[string]int{"Expired": 1}) })

	measure("ask for a new link", "3 GetItem, 1 UpdateItem | 1 | 0 | 2 | **3** | 2 | 0 | 0 | **2**", func() error {
		l, c, err := s.service.AskAgain(ctx, linkOf(sent[2]), &invitation.Plea{Reason: "too-late"})
		sent[2] = l.Invitation
		return result(c, invitation.RenewalAsked, err)
	})
	s.told(ctx, t, sent[2])
	s.now = s.now.Add(invitation.Unanswered)
	if _, err := s.cleanup.Run(ctx); err != nil { // the two that were cancelled earlier
		t.Fatal(err)
	}

	// A batch beside what its rows cost: a few units for a hundred rows.
	bulk := batch.Service{Store: store, Accounts: store, Now: func() time.Time { return s.now }}
	lines := make([]batch.Row, 100)
	for n := range lines {
		lines[n] = batch.Row{Number: n + 1, Proposal: s.proposal()}
	}
	var job batch.Batch
	measure("batch of 100 rows, submitted", "2 GetItem, 2 PutItem | 2 | 1 | 1 | **4** | 1.5 | 0 | 0 | **1.5**", func() (err error) {
		job, _, err = bulk.Submit(ctx, s.command(), batch.Submission{Rows: lines})
		return err
	})
	worker := batch.Worker{Store: store, Invitations: nothingMade{}, Limiter: rate.NewLimiter(rate.Inf, 1), Now: bulk.Now}
	measure("batch of 100 rows, worked off without the rows", "2 GetItem, 1 TransactWriteItems, 1 UpdateItem | 5 | 0 | 1 | **6** | 2 | 0 | 0 | **2**", func() error {
		_, err := worker.Work(ctx, job.Key)
		return err
	})
	measure("batch, read", "1 GetItem | 0 | 0 | 0 | **0** | 1 | 0 | 0 | **1**", func() error {
		_, err := bulk.Batch(ctx, s.user, job.ID)
		return err
	})

	l := newSetting(t, store)
	for n := range 60 {
		l.now = l.now.Add(time.Second)
		i, _, err := l.service.Invite(ctx, l.command(), l.proposal())
		if err == nil && n < 30 {
			_, _, err = l.service.Respond(ctx, linkOf(i), person(), response("accept"))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	page := func(q invitation.Query, want int) error {
		q.Limit = 25
		p, err := l.service.Invitations(ctx, l.user, q)
		if err == nil && len(p.Invitations) != want {
			return fmt.Errorf("%d invitations, want %d", len(p.Invitations), want)
		}
		return err
	}
	measure("list, a page of 25", "1 BatchGetItem, 1 Query | 0 | 0 | 0 | **0** | 12.5 | 0.5 | 0 | **13**", func() error { return page(invitation.Query{}, 25) })
	measure("list, filtered, none of 60 fits", "3 BatchGetItem, 3 Query | 0 | 0 | 0 | **0** | 30 | 1.5 | 0 | **31.5**", func() error { return page(invitation.Query{Status: invitation.Declined}, 0) })
	measure("customers, a page of 25", "1 BatchGetItem, 1 Query | 0 | 0 | 0 | **0** | 12.5 | 0.5 | 0 | **13**", func() error {
		p, err := store.Relationships(ctx, l.user.Tenant, relationship.Query{Limit: 25})
		if err == nil && len(p.Relationships) != 25 {
			return fmt.Errorf("%d customers", len(p.Relationships))
		}
		return err
	})

	if err := store.Publish(ctx, attested); err != nil {
		t.Fatal(err)
	}
	keeping := customer.Service{
		Store: store, Register: store, Support: store, Customers: store, Directory: store, Grants: store, Partnerships: store, Accounts: store, Texts: store,
		Regions: l.service.Regions, Clouds: l.service.Clouds, Addresses: l.service.Addresses, Now: func() time.Time { return l.now },
	}
	asked := command.Command{User: l.user, CorrelationID: "6f1c9d3e-2222-4000-8000-000000000002", Key: "pine", Body: "body", IfVersion: command.AnyVersion}
	var pine relationship.Relationship
	measure("create a customer", "1 BatchGetItem, 2 GetItem, 1 TransactWriteItems | 8 | 1 | 0 | **10** | 2.5 | 0 | 0 | **2.5**", func() (err error) {
		name, domain, country := "Pine Ltd", "pine.example", "US"
		pine, _, err = keeping.Create(ctx, asked, customer.New{CompanyName: &name, Domain: &domain, Country: &country})
		return err
	})
	measure("remove a relationship", "2 GetItem, 3 Query, 1 UpdateItem | 1 | 0 | 0 | **1** | 4 | 0 | 0 | **4**", func() error {
		none, yes := "none", true
		_, err := keeping.Change(ctx, asked, string(pine.Customer.Tenant), customer.Change{
			RelationshipToPartner: &none, Attestation: &terms.Attestation{Accepted: &yes, Version: &attested.Version},
		})
		return err
	})
	measure("customers without a relationship, a page of 25", "2 BatchGetItem, 3 Query | 0 | 0 | 0 | **0** | 15.5 | 1.5 | 0 | **17**", func() error {
		p, err := keeping.Known(ctx, l.user.Tenant, relationship.Query{Limit: 25}, false)
		if err == nil && len(p.Customers) == 0 && p.Next == "" {
			return errors.New("the one that was removed is not known")
		}
		return err
	})

	named := newSetting(t, store)
	for range 60 {
		tenant := string(randomTenant())
		proposal := named.proposal()
		proposal.CustomerTenantID = &tenant
		if _, _, err := named.service.Invite(ctx, named.command(), proposal); err != nil {
			t.Fatal(err)
		}
	}
	measure("customers that invitations name, a page of 25", "75 GetItem, 52 Query | 0 | 0 | 0 | **0** | 100 | 1.5 | 0 | **101.5**", func() error {
		p, err := keeping.Known(ctx, named.user.Tenant, relationship.Query{Limit: 25}, false)
		if err == nil && len(p.Customers) != 25 {
			return fmt.Errorf("%d customers", len(p.Customers))
		}
		return err
	})

	for n := range 60 {
		if err := keep(audit.Record{
			ID: fmt.Sprintf("aud_%026d", n), Partner: l.user.Tenant, At: l.now.Add(time.Duration(n) * time.Second), Actor: audit.Actor{Kind: audit.User, Subject: l.user.Subject, Tenant: l.user.Tenant},
			Operation: "invitation.cancelled", ResourceType: audit.Invitation, ResourceID: inv.ID, Customer: randomTenant(), CorrelationID: "6f1c9d3e-2222-4000-8000-000000000001",
			Old: map[string]string{"status": "pending"}, New: map[string]string{"status": "cancelled"},
		}); err != nil {
			t.Fatal(err)
		}
	}
	trail := func(q audit.Query, want int) error {
		q.From, q.Before, q.Limit = l.now, l.now.AddDate(0, 0, 30), 25
		p, err := store.AuditRecords(ctx, l.user.Tenant, q)
		if err == nil && len(p.Records) != want {
			return fmt.Errorf("%d records, want %d", len(p.Records), want)
		}
		return err
	}
	measure("audit, a page of 25", "1 Query | 0 | 0 | 0 | **0** | 3 | 0 | 0 | **3**", func() error { return trail(audit.Query{}, 25) })
	measure("audit, filtered, none of 60 fits", "3 Query | 0 | 0 | 0 | **0** | 7 | 0 | 0 | **7**", func() error { return trail(audit.Query{Operation: "invitation.expired"}, 0) })

	// Once for a company, at its first answer that gives rights, and not for an invitation (domain, 0.49).
	notes, reviews := review.Notes{Store: store, Now: func() time.Time { return s.now }}, review.Cleanup{Store: store, Rights: store}
	measure("note whom a company is asked by", "1 GetItem, 1 PutItem | 1 | 0 | 1 | **2** | 0.5 | 0 | 0 | **0.5**", func() error {
		return notes.Note(ctx, who, "en")
	})
	measure("note whom a company is asked by, at a later answer", "1 GetItem | 0 | 0 | 0 | **0** | 0.5 | 0 | 0 | **0.5**", func() error {
		return notes.Note(ctx, who, "en")
	})
	// Of the reads half is of index served.
	asking := due.Item{Kind: review.DueKind, Partner: who.Company.Tenant}
	measure("ask a company to look at its partners' rights", "2 GetItem, 1 Query, 1 UpdateItem | 1 | 0 | 2 | **3** | 2 | 0 | 0 | **2.5**", func() error {
		return reviews.Do(ctx, asking, s.now.Add(review.Period), func(string) {})
	})

	whole := func(names ...string) use {
		u := nothing()
		for _, n := range names {
			u.plus(spent[n])
		}
		return u
	}
	sending := whole("send", "mailer: claim", "mailer: sent")
	completed := whole("create", "send", "mailer: claim", "mailer: sent", "open the page", "open the page, signed in", "accept")
	rows = append(rows, "| send, through sent | "+sending.String()+" |", "| a whole accepted invitation | "+completed.String()+" |")
	// All is also what index served takes: one unit for each new relationship.
	t.Logf("\n| Use case | requests | writes: table | list | due | all | reads: table | list | due | all |\n|---|---|---|---|---|---|---|---|---|---|\n%s",
		strings.Join(rows, "\n"))

	if !exact {
		return
	}
	for _, goal := range []struct {
		name string
		got  float64
		most float64
	}{
		{"writes of create", total(spent["create"].writes), 5},
		{"writes of send through sent", total(sending.writes), 8},
		{"reads of the page", total(spent["open the page"].reads), 1},
		{"writes of the page", total(spent["open the page"].writes) + total(spent["open the page, signed in"].writes), 0},
		// Who answers for the first time makes its domain known (domain, 0.29): one write, and half a read to see that nobody has it. And the new
		// customer enters the list, which is newest first: one write.
		{"writes of accept", total(spent["accept"].writes), 7 + 1 + 1},
		{"writes of expiring one", total(spent["cleanup, one expires"].writes), 3},
		{"writes of a cleanup with nothing due", total(spent["cleanup, nothing due"].writes), 0},
		{"reads of a cleanup with nothing due", total(spent["cleanup, nothing due"].reads), 4},
		{"writes of a whole accepted invitation", total(completed.writes), 20 + 1 + 1},
		{"reads of a whole accepted invitation", total(completed.reads), 6 + 0.5 + 1.5}, // and one for what the company has already, said before it answers
	} {
		if goal.got > goal.most {
			t.Errorf("%s: %v, the goal is %v", goal.name, goal.got, goal.most)
		}
	}
}
