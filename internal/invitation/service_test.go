package invitation_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/text/language"

	"concord/internal/command"
	"concord/internal/due"
	"concord/internal/emailaddr"
	"concord/internal/invitation"
	"concord/internal/link"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/publicid"
	"concord/internal/recipient"
	"concord/internal/relationship"
	"concord/internal/storetest"
)

const (
	alder partner.TenantID = "0a000000-0000-4000-8000-000000000001" // direct-bill, US
	fir   partner.TenantID = "0a000000-0000-4000-8000-000000000002" // direct-bill, France
	elm   partner.TenantID = "0a000000-0000-4000-8000-000000000003" // direct-bill, US government
	cedar partner.TenantID = "0a000000-0000-4000-8000-000000000004" // indirect reseller, US
)

var (
	start = time.Date(2026, 11, 2, 9, 30, 0, 0, time.UTC)

	larch  = company("0b000000-0000-4000-8000-000000000001", "larch.example", "US", "public")
	oak    = company("0b000000-0000-4000-8000-000000000002", "oak.example", "US", "public")
	maple  = company("0b000000-0000-4000-8000-000000000003", "maple.example", "FR", "public")
	agency = company("0b000000-0000-4000-8000-000000000004", "agency.example", "US", "usGov")
)

func company(tenant partner.TenantID, domain, country string, cloud partner.CloudID) relationship.Customer {
	return relationship.Customer{Tenant: tenant, CompanyName: domain, Domains: []string{domain}, Country: country, CountrySource: "token", Cloud: cloud}
}

// office is the service over a store in memory, with a clock that a test moves.
type office struct {
	*invitation.Service
	store *storetest.Memory
	mu    sync.Mutex
	clock time.Time
	// customers counts those that were named.
	customers int
}

func open(t *testing.T) *office {
	t.Helper()
	o := &office{store: &storetest.Memory{}, clock: start}
	o.Service = &invitation.Service{
		Store: o.store, Accounts: o.store, Relationships: o.store, Partnerships: o.store, Regions: partner.ShippedRegions(),
		Clouds: partner.Clouds{
			{ID: "public", PortalName: "the admin center", BaseURL: "https://public.example", AdministrationOptional: true},
			{ID: "usGov", PortalName: "the government portal", BaseURL: "https://gov.example"},
		},
		Addresses: emailaddr.Addresses{AllowReserved: true}, Locales: []language.Tag{language.English, language.French},
		Ledger: o.store, Limits: recipient.Limits{Partners: 3, FirstMonth: 50, Daily: 500}, Now: o.now,
	}
	for _, a := range []partner.Account{
		{Tenant: alder, Country: "US", Cloud: "public", Role: partner.DirectBill},
		{Tenant: fir, Country: "FR", Cloud: "public", Role: partner.DirectBill},
		{Tenant: elm, Country: "US", Cloud: "usGov", Role: partner.DirectBill},
		{Tenant: cedar, Country: "US", Cloud: "public", Role: partner.IndirectReseller},
	} {
		a.Status, a.Locale, a.DisplayName = partner.Active, "en", "Partner"
		o.store.PutAccount(a)
	}
	return o
}

func (o *office) now() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.clock
}

func (o *office) pass(d time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.clock = o.clock.Add(d)
}

func by(tenant partner.TenantID, roles ...partner.Role) command.Command {
	if len(roles) == 0 {
		roles = []partner.Role{partner.AdminAgent}
	}
	return command.Command{User: partner.User{Subject: "agent", Tenant: tenant, Roles: roles, Cloud: "public"}, CorrelationID: "corr"}
}

func keyed(key, body string) command.Command {
	c := by(alder)
	c.Key, c.Body = key, body
	return c
}

func ifMatch(version int) command.Command {
	c := by(alder)
	c.IfVersion = version
	return c
}

func to(address string) invitation.Proposal {
	return invitation.Proposal{Kind: invitation.Reseller, RecipientEmail: &address}
}

func (o *office) invite(t *testing.T, c command.Command, p invitation.Proposal) invitation.Invitation {
	t.Helper()
	inv, replayed, err := o.Invite(t.Context(), c, p)
	if err != nil || replayed {
		t.Fatalf("Invite: %v, replayed %v", err, replayed)
	}
	return inv
}

func (o *office) stored(t *testing.T, k invitation.Key) invitation.Invitation {
	t.Helper()
	inv, err := o.store.Invitation(t.Context(), k, true)
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

// put writes the next version of an invitation, as the mailer does.
func (o *office) put(t *testing.T, before, after invitation.Invitation) invitation.Invitation {
	t.Helper()
	if err := o.store.Write(t.Context(), invitation.Change{Before: &before, After: after}); err != nil {
		t.Fatal(err)
	}
	return after
}

// mailed sends an invitation's mail until it is in the given state.
func (o *office) mailed(t *testing.T, inv invitation.Invitation, state outbox.State) invitation.Invitation {
	t.Helper()
	inv, _, err := o.Send(t.Context(), by(inv.Inviter), inv.ID)
	if err != nil {
		t.Fatal(err)
	}
	if state == outbox.Queued {
		return inv
	}
	claimed, did := inv.Claim(o.now(), "mailer-1")
	if !did.Send {
		t.Fatal("nothing to send")
	}
	inv = o.put(t, inv, claimed)
	if state == outbox.Claimed {
		return inv
	}
	settled, ok := inv.Settle(o.now(), "mailer-1", outbox.Outcome{State: state, MessageID: "ses-1"})
	if !ok {
		t.Fatal("not settled")
	}
	return o.put(t, inv, settled)
}

func (o *office) round() due.Round {
	return due.Round{Index: o.store, Now: o.now, Duties: map[due.Kind]due.Duty{invitation.DueKind: invitation.Cleanup{Store: o.store}}}
}

// idle says that a round had nothing to do.
func idle(t due.Tally) bool { return len(t.Done) == 0 && t.Left == 0 && t.Oldest == 0 }

func (o *office) clean(t *testing.T) due.Tally {
	t.Helper()
	tally, err := o.round().Run(t.Context())
	if err != nil || !tally.Complete {
		t.Fatalf("%+v, %v", tally, err)
	}
	tally.Complete = false
	return tally
}

func linkOf(i invitation.Invitation) link.Link {
	return link.Link{Tenant: string(i.Inviter), ID: i.ID, Generation: i.Generation}
}

func admin(c relationship.Customer) relationship.Person {
	return relationship.Person{Subject: "admin@" + c.Domains[0], Name: "Nora Berg", Email: "admin@" + c.Domains[0], Company: c, Roles: []partner.Role{partner.GlobalAdmin}}
}

var (
	consent    = invitation.ConsentText{Version: "1", Language: "en", Hash: strings.Repeat("0a", 32)}
	acceptance = invitation.Response{Answer: "accept", Authorized: true, FullName: "Nora Berg", JobTitle: "Head of IT", Consent: consent, CorrelationID: "corr-2"}
	refusal    = invitation.Response{Answer: "decline", Authorized: true, FullName: "Nora Berg", CorrelationID: "corr-2"}
)

func (o *office) answer(t *testing.T, l link.Link, who relationship.Person, r invitation.Response) (invitation.Letter, invitation.Case) {
	t.Helper()
	letter, c, err := o.Respond(t.Context(), l, who, r)
	if err != nil {
		t.Fatalf("Respond: %v", err)
	}
	return letter, c
}

func wantCode(t *testing.T, err error, want problem.Code) *problem.Error {
	t.Helper()
	if problem.CodeOf(err) != want {
		t.Fatalf("error %v, want %q", err, want)
	}
	p, _ := errors.AsType[*problem.Error](err)
	return p
}

func ptr[T any](v T) *T { return &v }

// The whole table of domain 2.2: what every action makes of every state, or why it is refused.
func TestEveryStateAndEveryAction(t *testing.T) {
	states := []struct {
		name string
		make func(*testing.T, *office) invitation.Invitation
	}{
		{"draft", func(t *testing.T, o *office) invitation.Invitation {
			return o.invite(t, by(alder), to("nora@larch.example"))
		}},
		{"queued", mailIs(outbox.Queued)},
		{"claimed", mailIs(outbox.Claimed)},
		{"waiting", mailIs(outbox.Waiting)},
		{"unknown", mailIs(outbox.Unknown)},
		{"mailed", mailIs(outbox.Sent)},
		{"mail failed", mailIs(outbox.Failed)},
		{"edited", func(t *testing.T, o *office) invitation.Invitation {
			return o.edit(t, o.invite(t, by(alder), to("nora@larch.example")))
		}},
		{"done", func(t *testing.T, o *office) invitation.Invitation {
			return o.done(t, o.invite(t, by(alder), to("nora@larch.example")))
		}},
		{"edited and done", func(t *testing.T, o *office) invitation.Invitation {
			return o.done(t, o.edit(t, o.invite(t, by(alder), to("nora@larch.example"))))
		}},
		{"done, then mailed", func(t *testing.T, o *office) invitation.Invitation {
			return o.mailed(t, o.done(t, o.invite(t, by(alder), to("nora@larch.example"))), outbox.Sent)
		}},
		{"accepted", func(t *testing.T, o *office) invitation.Invitation {
			inv := mailIs(outbox.Sent)(t, o)
			letter, _ := o.answer(t, linkOf(inv), admin(larch), acceptance)
			return letter.Invitation
		}},
		{"declined", func(t *testing.T, o *office) invitation.Invitation {
			inv := mailIs(outbox.Sent)(t, o)
			letter, _ := o.answer(t, linkOf(inv), admin(larch), refusal)
			return letter.Invitation
		}},
		{"cancelled", func(t *testing.T, o *office) invitation.Invitation {
			inv := mailIs(outbox.Sent)(t, o)
			if _, _, err := o.Cancel(t.Context(), by(alder), inv.ID, ""); err != nil {
				t.Fatal(err)
			}
			return inv // with the link that was mailed
		}},
		{"expired", func(t *testing.T, o *office) invitation.Invitation {
			inv := mailIs(outbox.Sent)(t, o)
			o.pass(invitation.DefaultDuration)
			if tally := o.clean(t); tally.Done["Expired"] != 1 {
				t.Fatalf("cleanup: %+v", tally)
			}
			return inv
		}},
		{"mailed, time over", func(t *testing.T, o *office) invitation.Invitation {
			inv := mailIs(outbox.Sent)(t, o)
			o.pass(invitation.DefaultDuration)
			return inv
		}},
		{"done, time over", func(t *testing.T, o *office) invitation.Invitation {
			inv := o.done(t, o.invite(t, by(alder), to("nora@larch.example")))
			o.pass(invitation.DefaultDuration)
			return inv
		}},
		{"draft, time over", func(t *testing.T, o *office) invitation.Invitation {
			inv := o.invite(t, by(alder), to("nora@larch.example"))
			o.pass(invitation.DefaultDuration)
			return inv
		}},
	}
	type action func(context.Context, *office, invitation.Invitation) (any, error)
	respond := func(who relationship.Person, r invitation.Response) action {
		return func(ctx context.Context, o *office, inv invitation.Invitation) (any, error) {
			_, c, err := o.Respond(ctx, linkOf(inv), who, r)
			return c, err
		}
	}
	plead := func(f func(*invitation.Service, context.Context, link.Link, *invitation.Plea) (invitation.Letter, invitation.Case, error), reason string) action {
		return func(ctx context.Context, o *office, inv invitation.Invitation) (any, error) {
			_, c, err := f(o.Service, ctx, linkOf(inv), &invitation.Plea{Reason: reason, CorrelationID: "corr-3"})
			return c, err
		}
	}
	actions := []struct {
		name string
		do   action
	}{
		{"revise", func(ctx context.Context, o *office, inv invitation.Invitation) (any, error) {
			c := by(alder)
			c.IfVersion = command.AnyVersion
			after, _, err := o.Revise(ctx, c, inv.ID, invitation.Revision{Locale: ptr("fr")})
			return after.Status, err
		}},
		{"send", func(ctx context.Context, o *office, inv invitation.Invitation) (any, error) {
			after, _, err := o.Send(ctx, by(alder), inv.ID)
			return after.Status, err
		}},
		{"resend", func(ctx context.Context, o *office, inv invitation.Invitation) (any, error) {
			after, _, err := o.Resend(ctx, by(alder), inv.ID)
			return after.Status, err
		}},
		{"cancel", func(ctx context.Context, o *office, inv invitation.Invitation) (any, error) {
			after, _, err := o.Cancel(ctx, by(alder), inv.ID, "")
			return after.Status, err
		}},
		{"accept", respond(admin(larch), acceptance)},
		{"decline", respond(admin(larch), refusal)},
		{"somebody else accepts", respond(admin(oak), acceptance)},
		{"cleanup", func(ctx context.Context, o *office, inv invitation.Invitation) (any, error) {
			if _, err := o.round().Run(ctx); err != nil {
				return nil, err
			}
			after, err := o.store.Invitation(ctx, inv.Key, true)
			return after.StatusAt(o.now()), err
		}},
		{"edit", func(ctx context.Context, o *office, inv invitation.Invitation) (any, error) {
			after, _, err := o.Edit(ctx, ifMatch(command.AnyVersion), inv.ID, words, personal, origin)
			return after.Status, err
		}},
		{"reset", func(ctx context.Context, o *office, inv invitation.Invitation) (any, error) {
			after, _, err := o.Reset(ctx, by(alder), inv.ID)
			return after.Status, err
		}},
		{"done", func(ctx context.Context, o *office, inv invitation.Invitation) (any, error) {
			after, _, err := o.Done(ctx, by(alder), inv.ID)
			return after.Status, err
		}},
		{"renew", func(ctx context.Context, o *office, inv invitation.Invitation) (any, error) {
			after, _, err := o.Renew(ctx, by(alder), inv.ID)
			if err == nil && (after.ID == inv.ID || after.Replaces != inv.ID) {
				err = fmt.Errorf("%s replaces %q", after.ID, after.Replaces)
			}
			return after.Status, err
		}},
		{"ask again", plead((*invitation.Service).AskAgain, "too-late")},
		{"report", plead((*invitation.Service).Report, "unknown-company")},
		{"unsubscribe", plead((*invitation.Service).Unsubscribe, "")},
		{"dispute", plead((*invitation.Service).Dispute, "not-us")},
		{"a week before the end", func(ctx context.Context, o *office, inv invitation.Invitation) (any, error) {
			if week := inv.CreatedAt.Add(invitation.DefaultDuration - 7*24*time.Hour + time.Hour); o.now().Before(week) {
				o.pass(week.Sub(o.now()))
			}
			if _, err := o.round().Run(ctx); err != nil {
				return nil, err
			}
			after, err := o.store.Invitation(ctx, inv.Key, true)
			if slices.Contains(after.Post.Owed, invitation.ReminderNotice) {
				return "reminder", err
			}
			return "nothing", err
		}},
		{"new link", func(ctx context.Context, o *office, inv invitation.Invitation) (any, error) {
			after, _, err := o.Relink(ctx, by(alder), inv.ID)
			return after.Status, err
		}},
		{"extend", func(ctx context.Context, o *office, inv invitation.Invitation) (any, error) {
			after, _, err := o.Extend(ctx, by(alder), inv.ID, nil)
			return after.Status, err
		}},
	}
	const (
		no       = " invalid_transition"
		open4    = " no-renewal reported unsubscribed unknown"
		closed   = " no-renewal reported unsubscribed disputed nothing"
		over     = " renewal-asked reported unsubscribed unknown nothing"
		first8   = "invalid_transition invalid_transition pending cancelled accepted declined accepted pending" + no + no + no + no + open4
		pending  = first8 + " nothing" + no + " pending" // its mail has not gone out
		mailed   = first8 + " reminder" + no + " pending"
		notAgain = "invitation_expired invitation_expired invitation_expired invitation_expired expired expired expired expired" +
			" invitation_expired invitation_expired invitation_expired draft" + over + " invitation_expired invitation_expired"
	)
	const ac, de, ca = "invitation_already_accepted", "invitation_already_declined", "invitation_already_cancelled"
	table := map[string]string{
		"draft":             "draft pending invalid_transition cancelled accepted declined accepted draft draft draft pending" + no + open4 + " nothing draft draft",
		"edited":            "draft draft_edited invalid_transition cancelled accepted declined accepted draft draft draft pending" + no + open4 + " nothing draft draft",
		"done":              "pending pending invalid_transition cancelled accepted declined accepted pending pending pending" + no + no + open4 + " nothing pending pending",
		"edited and done":   "pending draft_edited invalid_transition cancelled accepted declined accepted pending pending pending" + no + no + open4 + " nothing pending pending",
		"done, then mailed": mailed,
		"queued":            pending,
		"claimed":           pending,
		"waiting":           pending,
		"unknown":           pending,
		"mailed":            mailed,
		"mail failed":       pending,
		"accepted":          strings.Join([]string{ac, ac, ac, ac, "accepted answered answered accepted", ac, ac, ac, "relationship_exists"}, " ") + closed + " " + ac + " " + ac,
		"declined":          strings.Join([]string{de, de, de, de, "answered declined answered declined", de, de, de, "draft"}, " ") + closed + " " + de + " " + de,
		"cancelled":         strings.Join([]string{ca, ca, ca, ca, "unknown unknown unknown cancelled", ca, ca, ca, "draft"}, " ") + " unknown unknown unsubscribed unknown nothing " + ca + " " + ca,
		"expired":           notAgain,
		"mailed, time over": notAgain,
		"done, time over":   notAgain,
		"draft, time over":  notAgain,
	}
	cells := 0
	for _, s := range states {
		wants := strings.Fields(table[s.name])
		if len(wants) != len(actions) {
			t.Fatalf("%s has %d cells", s.name, len(wants))
		}
		for i, a := range actions {
			cells++
			t.Run(s.name+"/"+a.name, func(t *testing.T) {
				o := open(t)
				inv := s.make(t, o)
				o.pass(recipient.Cooldown + time.Minute)
				before := o.stored(t, inv.Key)
				done, err := a.do(t.Context(), o, inv)
				got := fmt.Sprint(done)
				if err != nil {
					got = string(problem.CodeOf(err))
				}
				if got != wants[i] {
					t.Fatalf("%s, want %s", got, wants[i])
				}
				after := o.stored(t, inv.Key)
				if a.name == "renew" && before.Status.Open() && err == nil { // whoever takes the slot writes what the clock says
					if after.Status != invitation.Expired {
						t.Errorf("the renewed one is stored as %s", after.Status)
					}
					return
				}
				clock := a.name == "cleanup" || a.name == "a week before the end"
				beside := slices.Contains([]string{"ask again", "report", "unsubscribe", "dispute"}, a.name)
				if beside && after.Status != before.Status {
					t.Errorf("it is %s after %s", after.Status, before.Status)
				}
				if unchanged := []string{"unknown", "no-renewal"}; beside && slices.Contains(unchanged, got) != reflect.DeepEqual(after, before) {
					t.Errorf("%s, and\n%+v\nafter\n%+v", got, after, before)
				} else if beside && slices.Contains(unchanged, got) {
					return
				}
				final := !before.StatusAt(o.now()).Open()
				if final && !clock && !beside || err != nil {
					if !reflect.DeepEqual(after, before) {
						t.Errorf("refused, and yet changed:\n%+v\n%+v", before, after)
					}
					return
				}
				if !clock && (after.Version != before.Version+1 || len(after.History) != len(before.History)+1) {
					t.Errorf("version %d after %d, history %v", after.Version, before.Version, after.History)
				}
			})
		}
	}
	t.Logf("%d cells", cells)
}

func mailIs(state outbox.State) func(*testing.T, *office) invitation.Invitation {
	return func(t *testing.T, o *office) invitation.Invitation {
		return o.mailed(t, o.invite(t, by(alder), to("nora@larch.example")), state)
	}
}

// Rules I3, I5, R1.
func TestInviteMakesADraft(t *testing.T) {
	o := open(t)
	inv := o.invite(t, by(alder, partner.SalesAgent), to(" Nora@Larch.example "))
	want := invitation.Invitation{
		Key: inv.Key, Kind: invitation.Reseller, RecipientEmail: "Nora@Larch.example", Locale: "en", Cloud: "public", Reminders: true, ActingRole: partner.DirectBill,
		Status: invitation.Draft, Generation: 1, Duration: invitation.DefaultDuration, ExpiresAt: start.Add(30 * 24 * time.Hour),
		CreatedAt: start, CreatedBy: "agent", Version: 1,
		History: []invitation.Entry{{At: start, Action: "created", By: "agent", CorrelationID: "corr"}},
	}
	if !reflect.DeepEqual(inv, want) || !publicid.Is("inv_", inv.ID) || inv.Inviter != alder {
		t.Errorf("%+v\nwant %+v", inv, want)
	}
	if got := o.stored(t, inv.Key); !reflect.DeepEqual(got, want) {
		t.Errorf("stored %+v", got)
	}
	full := o.invite(t, by(fir), invitation.Proposal{
		Kind: invitation.Reseller, RecipientEmail: ptr("a@maple.example"), RecipientName: ptr("Zoe\u0308"), CustomerTenantID: ptr(strings.ToUpper(string(maple.Tenant))),
		RequestDelegatedAdmin: ptr(true), Locale: ptr("fr"), Duration: ptr(invitation.MinDuration), Source: ptr("fair"), Reminders: ptr(false), Tags: map[string]string{"team": "south"},
	})
	if full.RecipientName != "Zoë" || full.Customer != maple.Tenant || !full.Bound || !full.RequestDelegatedAdmin || full.Locale != "fr" || full.ExpiresAt != start.Add(24*time.Hour) ||
		full.Source != "fair" || full.Reminders || full.Tags["team"] != "south" {
		t.Errorf("%+v", full)
	}
}

func TestEveryFieldOutOfItsBoundsIsFound(t *testing.T) {
	long := func(n int) string { return strings.Repeat("é", n) }
	tags := func(n int) map[string]string {
		m := map[string]string{}
		for i := range n {
			m[fmt.Sprint(i)] = "x"
		}
		return m
	}
	for _, c := range []struct {
		name string
		set  func(*invitation.Proposal)
		want string // pointer and code; empty for accepted
	}{
		{"no kind", func(p *invitation.Proposal) { p.Kind = "" }, "/kind validation_failed"},
		{"another kind", func(p *invitation.Proposal) { p.Kind = "partnership" }, "/kind validation_failed"},
		{"no recipient", func(p *invitation.Proposal) { p.RecipientEmail = nil }, ""},
		{"an empty recipient", func(p *invitation.Proposal) { p.RecipientEmail = ptr("") }, "/recipientEmail email_invalid"},
		{"no address", func(p *invitation.Proposal) { p.RecipientEmail = ptr("larch") }, "/recipientEmail email_invalid"},
		{"letters beyond ASCII", func(p *invitation.Proposal) { p.RecipientEmail = ptr("zoë@larch.example") }, "/recipientEmail email_internationalised_local_part"},
		{"a name with a link", func(p *invitation.Proposal) { p.RecipientName = ptr("larch.com") }, "/recipientName name_invalid"},
		{"an empty name", func(p *invitation.Proposal) { p.RecipientName = ptr("") }, "/recipientName name_invalid"},
		{"a customer that is no UUID", func(p *invitation.Proposal) { p.CustomerTenantID = ptr("larch") }, "/customerTenantId validation_failed"},
		{"oneself (invariant 9)", func(p *invitation.Proposal) { p.CustomerTenantID = ptr(string(alder)) }, "/customerTenantId self_invitation"},
		{"a language that is no tag", func(p *invitation.Proposal) { p.Locale = ptr("in French") }, "/locale validation_failed"},
		{"no language", func(p *invitation.Proposal) { p.Locale = ptr("") }, "/locale validation_failed"},
		{"garbled language", func(p *invitation.Proposal) { p.Locale = ptr("en_US!") }, "/locale validation_failed"},
		{"a second under a day", func(p *invitation.Proposal) { p.Duration = ptr(24*time.Hour - time.Second) }, "/expiresIn validation_failed"},
		{"a day", func(p *invitation.Proposal) { p.Duration = ptr(24 * time.Hour) }, ""},
		{"90 days", func(p *invitation.Proposal) { p.Duration = ptr(90 * 24 * time.Hour) }, ""},
		{"a second over 90 days", func(p *invitation.Proposal) { p.Duration = ptr(90*24*time.Hour + time.Second) }, "/expiresIn validation_failed"},
		{"a negative time", func(p *invitation.Proposal) { p.Duration = ptr(-time.Hour) }, "/expiresIn validation_failed"},
		{"a source of 64", func(p *invitation.Proposal) { p.Source = ptr(long(64)) }, ""},
		{"a source of 65", func(p *invitation.Proposal) { p.Source = ptr(long(65)) }, "/source validation_failed"},
		{"an empty source", func(p *invitation.Proposal) { p.Source = ptr("") }, "/source validation_failed"},
		{"a source with a line end", func(p *invitation.Proposal) { p.Source = ptr("a\nb") }, "/source validation_failed"},
		{"a source that is no UTF-8", func(p *invitation.Proposal) { p.Source = ptr("\xff") }, "/source validation_failed"},
		{"10 tags", func(p *invitation.Proposal) { p.Tags = tags(10) }, ""},
		{"11 tags", func(p *invitation.Proposal) { p.Tags = tags(11) }, "/tags validation_failed"},
		{"a tag of 64", func(p *invitation.Proposal) { p.Tags = map[string]string{long(64): long(64)} }, ""},
		{"a tag's value of 65", func(p *invitation.Proposal) { p.Tags = map[string]string{"a/b~": long(65)} }, "/tags/a~1b~0 validation_failed"},
		{"a tag's name of 65", func(p *invitation.Proposal) { p.Tags = map[string]string{long(65): "x"} }, "/tags/" + long(65) + " validation_failed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := open(t)
			p := to("nora@larch.example")
			c.set(&p)
			_, _, err := o.Invite(t.Context(), by(alder), p)
			if c.want == "" {
				if err != nil {
					t.Errorf("refused: %v", err)
				}
				return
			}
			_, code, _ := strings.Cut(c.want, " ")
			if f := wantCode(t, err, problem.Code(code)).Findings; len(f) != 1 || f[0].Pointer+" "+string(f[0].Code) != c.want {
				t.Errorf("findings %+v, want %s", f, c.want)
			}
			if page, err := o.Invitations(t.Context(), by(alder).User, invitation.Query{Limit: 10}); err != nil || len(page.Invitations) != 0 {
				t.Errorf("something was written: %+v, %v", page, err)
			}
		})
	}
	t.Run("all at once, with what the caller found", func(t *testing.T) {
		c := by(alder)
		c.Findings.Add("/colour", problem.UnknownField, "There is no such field.")
		_, _, err := open(t).Invite(t.Context(), c, invitation.Proposal{RecipientEmail: ptr("larch"), RecipientName: ptr("")})
		got := []string{}
		for _, f := range wantCode(t, err, problem.ValidationFailed).Findings {
			got = append(got, f.Pointer)
		}
		if want := []string{"/colour", "/kind", "/recipientEmail", "/recipientName"}; !slices.Equal(got, want) {
			t.Errorf("pointers %q, want %q", got, want)
		}
	})
}

// Who may do what (rules R1, R2), and what another partner sees.
func TestRolesAndTenants(t *testing.T) {
	operations := map[string]func(context.Context, *office, command.Command, string) error{
		"invite": func(ctx context.Context, o *office, c command.Command, _ string) error {
			_, _, err := o.Invite(ctx, c, to("other@larch.example"))
			return err
		},
		"revise": func(ctx context.Context, o *office, c command.Command, id string) error {
			c.IfVersion = command.AnyVersion
			_, _, err := o.Revise(ctx, c, id, invitation.Revision{Reminders: ptr(false)})
			return err
		},
		"send": func(ctx context.Context, o *office, c command.Command, id string) error {
			_, _, err := o.Send(ctx, c, id)
			return err
		},
		"cancel": func(ctx context.Context, o *office, c command.Command, id string) error {
			_, _, err := o.Cancel(ctx, c, id, "")
			return err
		},
		"edit": func(ctx context.Context, o *office, c command.Command, id string) error {
			c.IfVersion = command.AnyVersion
			_, _, err := o.Edit(ctx, c, id, words, personal, origin)
			return err
		},
		"reset": func(ctx context.Context, o *office, c command.Command, id string) error {
			_, _, err := o.Reset(ctx, c, id)
			return err
		},
		"done": func(ctx context.Context, o *office, c command.Command, id string) error {
			_, _, err := o.Done(ctx, c, id)
			return err
		},
		"renew": func(ctx context.Context, o *office, c command.Command, id string) error {
			if _, _, err := o.Cancel(ctx, by(alder), id, ""); err != nil && !problem.Is(err, problem.NotFound) && !problem.Is(err, problem.PartnerNotActive) {
				return err
			}
			_, _, err := o.Renew(ctx, c, id)
			return err
		},
		"read": func(ctx context.Context, o *office, c command.Command, id string) error {
			_, err := o.Invitation(ctx, c.User, id)
			return err
		},
		"draft": func(ctx context.Context, o *office, c command.Command, id string) error {
			_, err := o.Letter(ctx, c.User, id)
			return err
		},
		"list": func(ctx context.Context, o *office, c command.Command, _ string) error {
			_, err := o.Invitations(ctx, c.User, invitation.Query{Limit: 1})
			return err
		},
	}
	for name, do := range operations {
		ofOne := name != "invite" && name != "list"
		writes := slices.Contains([]string{"invite", "revise", "send", "cancel", "edit", "reset", "done", "renew"}, name)
		mayRead := problem.RoleNotPermitted // rule R3 (0.35)
		if !writes {
			mayRead = ""
		}
		for _, c := range []struct {
			who  string
			as   command.Command
			want problem.Code
		}{
			{"an admin agent", by(alder, partner.AdminAgent), ""},
			{"a sales agent", by(alder, partner.SalesAgent), ""},
			{"an admin who is also an agent", by(alder, partner.GlobalAdmin, partner.SalesAgent), ""},
			{"a Global admin", by(alder, partner.GlobalAdmin), mayRead},
			{"the operator", by(alder, partner.Operator), problem.RoleNotPermitted},
			{"nobody", command.Command{User: partner.User{Tenant: alder}}, problem.RoleNotPermitted},
		} {
			t.Run(name+" by "+c.who, func(t *testing.T) {
				o := open(t)
				inv := o.invite(t, by(alder), to("nora@larch.example"))
				wantCode(t, do(t.Context(), o, c.as, inv.ID), c.want)
			})
		}
		t.Run(name+" by another partner", func(t *testing.T) {
			o := open(t)
			inv := o.invite(t, by(alder), to("nora@larch.example"))
			foreign, unknown := do(t.Context(), o, by(fir), inv.ID), do(t.Context(), o, by(fir), publicid.Format("inv_", [16]byte{1}))
			garbled := do(t.Context(), o, by(fir), "../"+inv.ID)
			if !ofOne {
				return
			}
			wantCode(t, foreign, problem.NotFound)
			if fmt.Sprint(foreign) != fmt.Sprint(unknown) || fmt.Sprint(foreign) != fmt.Sprint(garbled) {
				t.Errorf("foreign %v, unknown %v, garbled %v", foreign, unknown, garbled)
			}
		})
		t.Run(name+" by a suspended partner", func(t *testing.T) {
			o := open(t)
			inv := o.invite(t, by(alder), to("nora@larch.example"))
			o.suspend(t, alder)
			var want problem.Code
			if writes && name != "cancel" { // 0.43: what it has asked for it may take back
				want = problem.PartnerNotActive
			}
			wantCode(t, do(t.Context(), o, by(alder), inv.ID), want)
		})
		if writes {
			t.Run(name+" by a company without an account", func(t *testing.T) {
				wantCode(t, do(t.Context(), open(t), by(oak.Tenant), publicid.Format("inv_", [16]byte{1})), problem.RoleNotPermitted)
			})
		}
	}
	t.Run("a list holds one's own alone", func(t *testing.T) {
		o := open(t)
		inv := o.invite(t, by(alder), to("nora@larch.example"))
		o.invite(t, by(fir), to("nora@larch.example"))
		page, err := o.Invitations(t.Context(), by(alder).User, invitation.Query{Limit: 10, RecipientEmail: "NORA@larch.example"})
		if err != nil || len(page.Invitations) != 1 || page.Invitations[0].ID != inv.ID {
			t.Errorf("%+v, %v", page, err)
		}
	})
}

func (o *office) suspend(t *testing.T, p partner.TenantID) {
	t.Helper()
	a, err := o.store.Account(t.Context(), p, true)
	if err != nil {
		t.Fatal(err)
	}
	a.Status = partner.Suspended
	o.store.PutAccount(a)
}

// Rules I14 and I15, decision 0.14.
func TestAdministrationIsAskedForByCloud(t *testing.T) {
	for _, c := range []struct {
		name    string
		partner partner.TenantID
		asks    *bool
		want    bool
		code    problem.Code
	}{
		{"public, not said", alder, nil, false, ""},
		{"public, asked", alder, ptr(true), true, ""},
		{"public, not asked", alder, ptr(false), false, ""},
		{"US government, not said", elm, nil, true, ""},
		{"US government, asked", elm, ptr(true), true, ""},
		{"US government, not asked", elm, ptr(false), false, problem.DelegatedAdminRequired},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := to("nora@larch.example")
			p.RequestDelegatedAdmin = c.asks
			inv, _, err := open(t).Invite(t.Context(), by(c.partner), p)
			refusal := wantCode(t, err, c.code)
			if inv.RequestDelegatedAdmin != c.want {
				t.Errorf("RequestDelegatedAdmin = %v", inv.RequestDelegatedAdmin)
			}
			if err != nil && refusal.Findings[0].Pointer != "/requestDelegatedAdmin" {
				t.Errorf("%+v", refusal)
			}
		})
	}
	t.Run("a cloud that is not served", func(t *testing.T) { // 0.12
		o := open(t)
		o.Clouds = o.Clouds[1:]
		_, _, err := o.Invite(t.Context(), by(alder), to("nora@larch.example"))
		wantCode(t, err, problem.CloudMismatch)
	})
}

// Rule I16 and invariant 3b, where the customer is known at creation.
func TestANamedCustomer(t *testing.T) {
	for _, c := range []struct {
		name     string
		partner  partner.TenantID
		standing *relationship.Relationship
		asks     bool
		want     problem.Code
		table    bool // the region table decided
	}{
		{"never heard of", alder, nil, false, "", false},
		{"removed", alder, &relationship.Relationship{Customer: larch, Status: relationship.Removed}, false, "", true},
		{"active, nothing new", alder, &relationship.Relationship{Customer: larch, Status: relationship.Active}, false, problem.RelationshipExists, false},
		{"active, administration is new", alder, &relationship.Relationship{Customer: larch, Status: relationship.Active, DelegatedAdmin: relationship.TerminatedDAP}, true, "", true},
		{"active with administration, asked again", alder, &relationship.Relationship{Customer: larch, Status: relationship.Active, DelegatedAdmin: relationship.ActiveDAP}, true, problem.RelationshipExists, false},
		{"in another region", alder, &relationship.Relationship{Customer: maple, Status: relationship.Removed}, false, problem.RegionNotAllowed, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := open(t)
			customer := larch.Tenant
			if c.standing != nil {
				c.standing.Partner, c.standing.Version = c.partner, 1
				customer = c.standing.Customer.Tenant
				o.store.PutRelationship(*c.standing)
			}
			p := invitation.Proposal{Kind: invitation.Reseller, CustomerTenantID: ptr(string(customer)), RequestDelegatedAdmin: &c.asks}
			inv, _, err := o.Invite(t.Context(), by(c.partner), p)
			wantCode(t, err, c.want)
			if got := inv.RegionTable != ""; got != c.table {
				t.Errorf("region table %q", inv.RegionTable)
			}
		})
	}
}

// Invariant 1.
func TestOneOpenInvitationPerRecipient(t *testing.T) {
	o := open(t)
	first := o.invite(t, by(alder), to("Nora@Larch.example"))
	dup := func(c command.Command, p invitation.Proposal, holder invitation.Invitation) {
		t.Helper()
		_, _, err := o.Invite(t.Context(), c, p)
		if e := wantCode(t, err, problem.DuplicateOpenInvitation); e.Resource != holder.ID {
			t.Errorf("the duplicate points at %q", e.Resource)
		}
	}
	dup(by(alder), to("nora@LARCH.example"), first)
	dup(keyed("k", "b"), to("nora@larch.example"), first)
	o.invite(t, by(fir), to("nora@larch.example"))
	o.invite(t, by(alder), to("other@larch.example"))
	bound := to("nora@larch.example")
	bound.CustomerTenantID = ptr(string(larch.Tenant))
	named := o.invite(t, by(alder), bound)
	bound.RecipientEmail = ptr("third@larch.example")
	dup(by(alder), bound, named) // the customer is the same, whatever the address
	for range 3 {
		o.invite(t, by(alder), invitation.Proposal{Kind: invitation.Reseller}) // links that the partner passes on
	}

	if _, _, err := o.Cancel(t.Context(), by(alder), first.ID, ""); err != nil {
		t.Fatal(err)
	}
	second := o.invite(t, by(alder), to("nora@larch.example"))
	dup(by(alder), to("nora@larch.example"), second)
	o.pass(invitation.DefaultDuration - time.Second)
	dup(by(alder), to("nora@larch.example"), second)
	o.pass(time.Second)
	third := o.invite(t, by(alder), to("nora@larch.example"))
	if got := o.stored(t, second.Key); got.Status != invitation.Expired || got.EndedAt != o.now() || got.Version != second.Version+1 {
		t.Errorf("the holder whose time was over is %+v", got)
	}
	_, c := o.answer(t, linkOf(third), admin(larch), refusal)
	if c != invitation.DeclinedBy {
		t.Fatal(c)
	}
	o.invite(t, by(alder), to("nora@larch.example"))
}

func TestRevisingMovesTheSlot(t *testing.T) {
	o := open(t)
	moved := o.invite(t, by(alder), to("nora@larch.example"))
	taken := o.invite(t, by(alder), to("other@larch.example"))
	_, _, err := o.Revise(t.Context(), ifMatch(1), moved.ID, invitation.Revision{RecipientEmail: ptr("OTHER@larch.example")})
	if e := wantCode(t, err, problem.DuplicateOpenInvitation); e.Resource != taken.ID {
		t.Errorf("the duplicate points at %q", e.Resource)
	}
	revise := func(address string) {
		t.Helper()
		var replayed bool
		if moved, replayed, err = o.Revise(t.Context(), ifMatch(moved.Version), moved.ID, invitation.Revision{RecipientEmail: &address}); err != nil || replayed {
			t.Fatalf("%s: %v", address, err)
		}
	}
	revise("third@larch.example")
	newcomer := o.invite(t, by(alder), to("nora@larch.example")) // the address that was left
	if got := o.stored(t, moved.Key); got.Status != invitation.Draft {
		t.Errorf("the draft that moved away is %s", got.Status)
	}
	if _, _, err := o.Cancel(t.Context(), by(alder), newcomer.ID, ""); err != nil {
		t.Fatal(err)
	}
	revise("nora@larch.example") // and back again
	revise("fourth@larch.example")
	revise("nora@larch.example")
	_, _, err = o.Invite(t.Context(), by(alder), to("nora@larch.example"))
	if e := wantCode(t, err, problem.DuplicateOpenInvitation); e.Resource != moved.ID {
		t.Errorf("the duplicate points at %q", e.Resource)
	}
}

// Decision 0.39: tags of every region are taken; what nothing is written in falls back to the partner's language.
func TestLanguagesAreNegotiated(t *testing.T) {
	for asked, want := range map[string][2]string{ // what is used, and what pages are held to
		"": {"en", ""}, "fr": {"fr", "fr"}, "fr-CA": {"fr", "fr"}, "FR": {"fr", "fr"}, "en-GB": {"en", "en"}, "zh-Hant": {"en", "en"}, "tlh": {"en", ""}, "xx-YY": {"en", ""},
	} {
		o := open(t)
		p := to("nora@larch.example")
		if asked != "" {
			p.Locale = &asked
		}
		inv := o.invite(t, by(alder), p)
		if inv.Locale != want[0] || inv.LocaleSaid() != want[1] || inv.LocaleAsked != asked {
			t.Errorf("%q: %q, said %q, asked %q", asked, inv.Locale, inv.LocaleSaid(), inv.LocaleAsked)
		}
		if asked == "" {
			continue
		}
		other := o.invite(t, by(alder), to("lena@larch.example"))
		again, _, err := o.Revise(t.Context(), ifMatch(1), other.ID, invitation.Revision{Locale: &asked})
		if err != nil || again.Locale != want[0] || again.LocaleSaid() != want[1] {
			t.Errorf("revised to %q: %q, said %q, %v", asked, again.Locale, again.LocaleSaid(), err)
		}
	}
}

func TestRevise(t *testing.T) {
	o := open(t)
	inv := o.invite(t, by(alder), to("nora@larch.example"))
	o.pass(time.Hour)
	_, _, err := o.Revise(t.Context(), by(alder), inv.ID, invitation.Revision{})
	wantCode(t, err, problem.PreconditionRequired)
	_, _, err = o.Revise(t.Context(), ifMatch(2), inv.ID, invitation.Revision{})
	wantCode(t, err, problem.PreconditionFailed)
	_, _, err = o.Revise(t.Context(), ifMatch(1), inv.ID, invitation.Revision{RecipientEmail: ptr("x"), RecipientName: ptr("larch.com"), Locale: ptr("-"), Duration: ptr(time.Hour)})
	if f := wantCode(t, err, problem.ValidationFailed).Findings; len(f) != 4 {
		t.Errorf("findings %+v", f)
	}
	got, _, err := o.Revise(t.Context(), ifMatch(1), inv.ID, invitation.Revision{RecipientName: ptr("Nora Berg"), Locale: ptr("fr"), Duration: ptr(48 * time.Hour), Reminders: ptr(false)})
	if err != nil || got.RecipientEmail != "nora@larch.example" || got.RecipientName != "Nora Berg" || got.Locale != "fr" || got.Duration != 48*time.Hour || got.Reminders ||
		got.Version != 2 || !reflect.DeepEqual(got, o.stored(t, inv.Key)) {
		t.Errorf("%+v, %v", got, err)
	}
	if !got.ExpiresAt.After(o.now()) {
		t.Errorf("it is over at %v already", got.ExpiresAt)
	}
}

// A shorter time does not end a draft that is older than it.
func TestAShorterTimeCountsFromTheChange(t *testing.T) {
	o := open(t)
	inv := o.invite(t, by(alder), to("nora@larch.example"))
	o.pass(5 * 24 * time.Hour)
	got, _, err := o.Revise(t.Context(), ifMatch(1), inv.ID, invitation.Revision{Duration: ptr(24 * time.Hour)})
	if err != nil || got.StatusAt(o.now()) != invitation.Draft || got.ExpiresAt != o.now().Add(24*time.Hour) {
		t.Errorf("%s until %v, %v", got.StatusAt(o.now()), got.ExpiresAt, err)
	}
}

func TestIfMatchOnActions(t *testing.T) {
	for name, do := range map[string]func(*office, command.Command, string) error{
		"send": func(o *office, c command.Command, id string) error {
			_, _, err := o.Send(t.Context(), c, id)
			return err
		},
		"cancel": func(o *office, c command.Command, id string) error {
			_, _, err := o.Cancel(t.Context(), c, id, "")
			return err
		},
	} {
		o := open(t)
		inv := o.invite(t, by(alder), to("nora@larch.example"))
		wantCode(t, do(o, ifMatch(7), inv.ID), problem.PreconditionFailed)
		wantCode(t, do(o, ifMatch(1), inv.ID), "")
		if got := o.stored(t, inv.Key); got.Version != 2 {
			t.Errorf("%s: version %d", name, got.Version)
		}
	}
}

func TestSendNeedsARecipient(t *testing.T) { // X-g
	o := open(t)
	inv := o.invite(t, by(alder), invitation.Proposal{Kind: invitation.Reseller})
	_, _, err := o.Send(t.Context(), by(alder), inv.ID)
	wantCode(t, err, problem.RecipientEmailRequired)
	if got := o.stored(t, inv.Key); got.Status != invitation.Draft {
		t.Errorf("it is %s", got.Status)
	}
}

func TestSendQueuesTheMailInTheSameWrite(t *testing.T) {
	o := open(t)
	var queued []invitation.Invitation
	o.store.OnQueued(func(i invitation.Invitation) { queued = append(queued, i) })
	inv := o.invite(t, by(alder), to("nora@larch.example"))
	sent, _, err := o.Send(t.Context(), by(alder), inv.ID)
	if err != nil || sent.Status != invitation.Pending || sent.Mail.State != outbox.Queued || !sent.ExpiresAt.IsZero() || sent.Generation != 1 {
		t.Errorf("%+v, %v", sent, err)
	}
	if len(queued) != 1 || queued[0].Version != 2 {
		t.Errorf("the mailer was called %d times", len(queued))
	}
}

// G2, and ten minutes between two mails.
func TestResend(t *testing.T) {
	o := open(t)
	inv := o.invite(t, by(alder), to("nora@larch.example"))
	if _, _, err := o.Send(t.Context(), by(alder), inv.ID); err != nil {
		t.Fatal(err)
	}
	o.pass(40 * time.Second)
	sent := o.mailedAgain(t, inv.Key)
	for _, c := range []struct{ pass, wait time.Duration }{
		{0, 10 * time.Minute},
		{time.Minute, 9 * time.Minute},
		{9*time.Minute - time.Second, time.Second},
	} {
		o.pass(c.pass)
		_, _, err := o.Resend(t.Context(), by(alder), inv.ID)
		if e := wantCode(t, err, problem.ResendCooldown); e.RetryAfter != c.wait {
			t.Errorf("wait for %v, want %v", e.RetryAfter, c.wait)
		}
	}
	o.pass(time.Second)
	again, _, err := o.Resend(t.Context(), by(alder), inv.ID)
	if err != nil || again.Generation != 2 || again.Mail.State != outbox.Queued || again.Mail.Attempts != 0 || !again.ExpiresAt.IsZero() {
		t.Fatalf("%+v, %v", again, err)
	}
	if _, c, err := o.Look(t.Context(), linkOf(sent), nil, false); err != nil || c != invitation.Superseded {
		t.Errorf("the older link: %s, %v", c, err)
	}
	if _, c, err := o.Look(t.Context(), linkOf(again), nil, false); err != nil || c != invitation.Review {
		t.Errorf("the younger link: %s, %v", c, err)
	}
	o.pass(time.Minute) // the mail was asked for and is not sent yet
	_, _, err = o.Resend(t.Context(), by(alder), inv.ID)
	if e := wantCode(t, err, problem.ResendCooldown); e.RetryAfter != 9*time.Minute {
		t.Errorf("wait for %v", e.RetryAfter)
	}
	if after := o.mailedAgain(t, inv.Key); after.ExpiresAt != o.now().Add(invitation.DefaultDuration) {
		t.Errorf("the time does not start anew: %v", after.ExpiresAt)
	}
}

// mailedAgain sends what is queued.
func (o *office) mailedAgain(t *testing.T, k invitation.Key) invitation.Invitation {
	t.Helper()
	inv := o.stored(t, k)
	claimed, did := inv.Claim(o.now(), "mailer-2")
	if !did.Send {
		t.Fatal("nothing to send")
	}
	o.put(t, inv, claimed)
	sent, _ := claimed.Settle(o.now(), "mailer-2", outbox.Outcome{State: outbox.Sent, MessageID: "ses-2"})
	return o.put(t, claimed, sent)
}

// Decision 0.9: the time counts from the first mail that SES takes, and is over at its very second.
func TestExpiry(t *testing.T) {
	o := open(t)
	inv := o.invite(t, by(alder), to("nora@larch.example"))
	o.pass(29 * 24 * time.Hour)
	if _, _, err := o.Send(t.Context(), by(alder), inv.ID); err != nil {
		t.Fatal(err)
	}
	o.pass(40 * 24 * time.Hour) // the mail waits for quota
	if tally := o.clean(t); tally.Done["Expired"] != 0 || tally.Done["Requeued"] != 1 {
		t.Errorf("cleanup: %+v", tally)
	}
	sent := o.mailedAgain(t, inv.Key)
	if want := o.now().Add(invitation.DefaultDuration); sent.ExpiresAt != want {
		t.Fatalf("it expires at %v, want %v", sent.ExpiresAt, want)
	}
	o.pass(invitation.DefaultDuration - time.Second)
	who := admin(larch)
	if _, c, err := o.Look(t.Context(), linkOf(sent), &who, false); err != nil || c != invitation.Form {
		t.Errorf("a second before: %s, %v", c, err)
	}
	if tally := o.clean(t); tally.Done["Expired"] != 0 {
		t.Errorf("cleanup a second before: %+v", tally)
	}
	o.pass(time.Second)
	if _, c := o.answer(t, linkOf(sent), who, acceptance); c != invitation.TooLate {
		t.Errorf("at the second: %s", c)
	}
	page, err := o.Invitations(t.Context(), by(alder).User, invitation.Query{Limit: 10, Status: invitation.Expired})
	if err != nil || len(page.Invitations) != 1 {
		t.Errorf("not listed as expired although the job never ran: %+v, %v", page, err)
	}
	o.pass(time.Minute)
	if tally := o.clean(t); tally.Done["Expired"] != 1 || len(tally.Done) != 1 || tally.Oldest != time.Minute {
		t.Errorf("cleanup: %+v", tally)
	}
	if tally := o.clean(t); tally.Done["Expired"] != 0 {
		t.Errorf("cleanup once more: %+v", tally)
	}
}

func TestCancel(t *testing.T) {
	o := open(t)
	inv := o.invite(t, by(alder), to("nora@larch.example"))
	_, _, err := o.Cancel(t.Context(), by(alder), inv.ID, strings.Repeat("é", 101))
	if f := wantCode(t, err, problem.ValidationFailed).Findings; f[0].Pointer != "/reason" {
		t.Errorf("%+v", f)
	}
	got, _, err := o.Cancel(t.Context(), by(alder), inv.ID, strings.Repeat("é", 100))
	if err != nil || got.Status != invitation.Cancelled || got.EndedAt != start || got.Generation != 2 || got.History[1].Why != strings.Repeat("é", 100) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, generation := range []int{1, 2} {
		l := linkOf(inv)
		l.Generation = generation
		if letter, c, err := o.Look(t.Context(), l, nil, false); err != nil || c != invitation.Unknown || letter.Invitation.ID != "" {
			t.Errorf("generation %d: %s, %v", generation, c, err)
		}
	}
	_, _, err = o.Cancel(t.Context(), by(alder), inv.ID, strings.Repeat("é", 101)) // 422 before 409
	wantCode(t, err, problem.ValidationFailed)
}

func TestLetterOfADraft(t *testing.T) {
	o := open(t)
	inv := o.invite(t, by(alder), to("nora@larch.example"))
	letter, err := o.Letter(t.Context(), by(alder).User, inv.ID)
	if err != nil || letter.Invitation.ID != inv.ID || letter.Inviter.Tenant != alder || letter.Cloud.ID != "public" {
		t.Errorf("%+v, %v", letter, err)
	}
	if _, _, err := o.Cancel(t.Context(), by(alder), inv.ID, ""); err != nil {
		t.Fatal(err)
	}
	_, err = o.Letter(t.Context(), by(alder).User, inv.ID)
	wantCode(t, err, problem.InvitationAlreadyCancelled)
}

func TestAReplayGivesWhatWasMade(t *testing.T) {
	o := open(t)
	made := o.invite(t, keyed("k-1", "body"), to("nora@larch.example"))
	if _, _, err := o.Send(t.Context(), by(alder), made.ID); err != nil {
		t.Fatal(err)
	}
	o.pass(24*time.Hour - time.Second)
	again, replayed, err := o.Invite(t.Context(), keyed("k-1", "body"), to("nora@larch.example"))
	if err != nil || !replayed || again.ID != made.ID || again.Status != invitation.Pending {
		t.Errorf("%+v, %v, %v", again, replayed, err)
	}
	_, _, err = o.Invite(t.Context(), keyed("k-1", "another body"), to("nora@larch.example"))
	wantCode(t, err, problem.IdempotencyKeyReused)
	theirs := keyed("k-1", "body")
	theirs.User.Tenant = fir
	if other := o.invite(t, theirs, to("nora@larch.example")); other.ID == made.ID {
		t.Error("two partners share a key")
	}
	o.pass(time.Second)
	_, _, err = o.Invite(t.Context(), keyed("k-1", "body"), to("nora@larch.example"))
	wantCode(t, err, problem.DuplicateOpenInvitation) // the key is forgotten, the invitation is not
	if _, _, err := o.Cancel(t.Context(), by(alder), made.ID, ""); err != nil {
		t.Fatal(err)
	}
	fresh := o.invite(t, keyed("k-1", "another body"), to("nora@larch.example"))
	if fresh.ID == made.ID {
		t.Error("after a day the key gives the old invitation")
	}
	again, replayed, err = o.Invite(t.Context(), keyed("k-1", "another body"), to("nora@larch.example"))
	if err != nil || !replayed || again.ID != fresh.ID {
		t.Errorf("%+v, %v, %v", again, replayed, err)
	}
	if strings.Contains(fmt.Sprintf("%+v", o.stored(t, fresh.Key)), "k-1") {
		t.Error("the key itself is stored")
	}
}

func TestActionsAreReplayed(t *testing.T) {
	o := open(t)
	inv := o.invite(t, by(alder), to("nora@larch.example"))
	do := map[string]func(command.Command) (invitation.Invitation, bool, error){
		"revise": func(c command.Command) (invitation.Invitation, bool, error) {
			c.IfVersion = command.AnyVersion
			return o.Revise(t.Context(), c, inv.ID, invitation.Revision{Reminders: ptr(false)})
		},
		"send": func(c command.Command) (invitation.Invitation, bool, error) { return o.Send(t.Context(), c, inv.ID) },
		"resend": func(c command.Command) (invitation.Invitation, bool, error) {
			return o.Resend(t.Context(), c, inv.ID)
		},
		"cancel": func(c command.Command) (invitation.Invitation, bool, error) {
			return o.Cancel(t.Context(), c, inv.ID, "reason")
		},
	}
	for _, name := range []string{"revise", "send", "resend", "cancel"} {
		if name == "resend" {
			o.mailedAgain(t, inv.Key)
			o.pass(recipient.Cooldown)
		}
		first, replayed, err := do[name](keyed("k", name)) // one key for all: its scope is the action
		if err != nil || replayed {
			t.Fatalf("%s: replayed %v, %v", name, replayed, err)
		}
		stale := keyed("k", name)
		stale.IfVersion = 1
		again, replayed, err := do[name](stale)
		if err != nil || !replayed || again.Version != first.Version {
			t.Errorf("%s once more: version %d after %d, replayed %v, %v", name, again.Version, first.Version, replayed, err)
		}
		_, _, err = do[name](keyed("k", "another body"))
		wantCode(t, err, problem.IdempotencyKeyReused)
		o.pass(time.Minute)
	}
	if _, replayed, err := do["send"](keyed("k", "send")); err != nil || !replayed {
		t.Errorf("send after all: %v, %v", replayed, err)
	}
	o.pass(24 * time.Hour)
	_, _, err := do["cancel"](keyed("k", "cancel"))
	wantCode(t, err, problem.InvitationAlreadyCancelled)
}

// One Idempotency-Key from 50 callers at once makes one invitation, whether there is a recipient or not.
func TestOneKeyFromManyCallersAtOnce(t *testing.T) {
	for name, p := range map[string]invitation.Proposal{"with a recipient": to("nora@larch.example"), "without": {Kind: invitation.Reseller}} {
		t.Run(name, func(t *testing.T) {
			o := open(t)
			var made, replays atomic.Int32
			var ids sync.Map
			var wg sync.WaitGroup
			for range 50 {
				wg.Go(func() {
					inv, replayed, err := o.Invite(t.Context(), keyed("k", "body"), p)
					if err != nil {
						t.Error(err)
						return
					}
					ids.Store(inv.ID, true)
					if replayed {
						replays.Add(1)
					} else {
						made.Add(1)
					}
				})
			}
			wg.Wait()
			page, err := o.Invitations(t.Context(), by(alder).User, invitation.Query{Limit: 100})
			n := 0
			ids.Range(func(any, any) bool { n++; return true })
			if err != nil || made.Load() != 1 || replays.Load() != 49 || n != 1 || len(page.Invitations) != 1 {
				t.Errorf("made %d, replayed %d, ids %d, stored %d, %v", made.Load(), replays.Load(), n, len(page.Invitations), err)
			}
		})
	}
}

func TestWithoutAKeyOneRecipientIsInvitedOnce(t *testing.T) {
	o := open(t)
	var made atomic.Int32
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			switch _, _, err := o.Invite(t.Context(), by(alder), to("nora@larch.example")); {
			case err == nil:
				made.Add(1)
			case !problem.Is(err, problem.DuplicateOpenInvitation):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if made.Load() != 1 {
		t.Errorf("%d invitations", made.Load())
	}
}

func TestConflictStorms(t *testing.T) {
	storm := func(o *office, op storetest.Operation, n int32) *atomic.Int32 {
		var calls atomic.Int32
		o.store.Inject(func(got storetest.Operation) storetest.Fault {
			if got == op && calls.Add(1) <= n {
				return storetest.Fault{Err: invitation.ErrConflict}
			}
			return storetest.Fault{}
		})
		return &calls
	}
	calls := map[string]func(*office, invitation.Invitation) error{
		"invite with a key": func(o *office, _ invitation.Invitation) error {
			_, _, err := o.Invite(t.Context(), keyed("k", "b"), to("other@larch.example"))
			return err
		},
		"invite": func(o *office, _ invitation.Invitation) error {
			_, _, err := o.Invite(t.Context(), by(alder), to("other@larch.example"))
			return err
		},
		"send": func(o *office, inv invitation.Invitation) error {
			_, _, err := o.Send(t.Context(), by(alder), inv.ID)
			return err
		},
		"decline": func(o *office, inv invitation.Invitation) error {
			_, _, err := o.Respond(t.Context(), linkOf(inv), admin(larch), refusal)
			return err
		},
		"accept": func(o *office, inv invitation.Invitation) error {
			_, _, err := o.Respond(t.Context(), linkOf(inv), admin(larch), acceptance)
			return err
		},
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			op := storetest.Write
			if name == "accept" {
				op = storetest.Commit
			}
			o := open(t)
			inv := o.invite(t, by(alder), to("nora@larch.example"))
			storm(o, op, 3)
			if err := call(o, inv); err != nil {
				t.Errorf("three conflicts: %v", err)
			}
			o = open(t)
			inv = o.invite(t, by(alder), to("nora@larch.example"))
			n := storm(o, op, 1<<30)
			if e := wantCode(t, call(o, inv), problem.Unavailable); e.RetryAfter != time.Second || n.Load() > 64 {
				t.Errorf("%d writes, %+v", n.Load(), e)
			}
			o.store.Inject(nil)
			page, err := o.Invitations(t.Context(), by(alder).User, invitation.Query{Limit: 10})
			if err != nil || len(page.Invitations) != 1 || page.Invitations[0].Version != 1 {
				t.Errorf("something was written: %+v, %v", page, err)
			}
		})
	}
}

// A conflict that leaves nothing behind does not give the key another id: the next call with the key finds the invitation.
func TestAfterAConflictTheKeyStillFindsItsInvitation(t *testing.T) {
	o := open(t)
	first := true
	o.store.Inject(func(op storetest.Operation) storetest.Fault {
		if op == storetest.Write && first {
			first = false
			return storetest.Fault{Err: invitation.ErrConflict}
		}
		return storetest.Fault{}
	})
	made := o.invite(t, keyed("k", "b"), invitation.Proposal{Kind: invitation.Reseller})
	again, replayed, err := o.Invite(t.Context(), keyed("k", "b"), invitation.Proposal{Kind: invitation.Reseller})
	if err != nil || !replayed || again.ID != made.ID {
		t.Errorf("%s after %s, %v, %v", again.ID, made.ID, replayed, err)
	}
}

// A crash or a time-out after the write: the caller tries again and finds what was done (promise 1).
func TestALostAnswerIsFoundByTheRepetition(t *testing.T) {
	lost := errors.New("connection reset")
	lose := func(o *office, op storetest.Operation) {
		first := true
		o.store.Inject(func(got storetest.Operation) storetest.Fault {
			if got == op && first {
				first = false
				return storetest.Fault{Err: lost, Stored: true}
			}
			return storetest.Fault{}
		})
	}
	o := open(t)
	lose(o, storetest.Write)
	if _, _, err := o.Invite(t.Context(), keyed("k", "b"), to("nora@larch.example")); !errors.Is(err, lost) {
		t.Fatalf("%v", err)
	}
	inv, replayed, err := o.Invite(t.Context(), keyed("k", "b"), to("nora@larch.example"))
	if err != nil || !replayed {
		t.Fatalf("%v, %v", replayed, err)
	}
	lose(o, storetest.Write) // these look again by themselves
	if got, replayed, err := o.Send(t.Context(), keyed("k", "b"), inv.ID); err != nil || !replayed || got.Version != 2 {
		t.Fatalf("%+v, %v, %v", got, replayed, err)
	}
	lose(o, storetest.Commit)
	if letter, c := o.answer(t, linkOf(inv), admin(larch), acceptance); c != invitation.AcceptedBy || letter.Invitation.Version != 3 {
		t.Fatalf("%s, %+v", c, letter.Invitation)
	}
}

func TestWhatTheStoreCannotDoIsNoRefusal(t *testing.T) {
	down := errors.New("throttled")
	for _, op := range []storetest.Operation{storetest.Write, storetest.Invitation, storetest.Account, storetest.Relationship, storetest.Commit, storetest.Invitations} {
		t.Run(string(op), func(t *testing.T) {
			o := open(t)
			inv := o.invite(t, by(alder), to("nora@larch.example"))
			bound := to("other@larch.example")
			bound.CustomerTenantID = ptr(string(larch.Tenant))
			o.store.Inject(func(got storetest.Operation) storetest.Fault {
				if got == op {
					return storetest.Fault{Err: down}
				}
				return storetest.Fault{}
			})
			errs := map[string]error{}
			_, _, errs["invite"] = o.Invite(t.Context(), keyed("k", "b"), bound)
			_, _, errs["send"] = o.Send(t.Context(), by(alder), inv.ID)
			_, errs["letter"] = o.Letter(t.Context(), by(alder).User, inv.ID)
			_, errs["list"] = o.Invitations(t.Context(), by(alder).User, invitation.Query{Limit: 1})
			_, _, errs["look"] = o.Look(t.Context(), linkOf(inv), nil, false)
			_, _, errs["accept"] = o.Respond(t.Context(), linkOf(inv), admin(larch), acceptance)
			touched := map[storetest.Operation][]string{
				storetest.Write: {"invite", "send"}, storetest.Invitation: {"accept", "letter", "look", "send"},
				storetest.Account: {"accept", "invite", "letter", "look", "send"}, storetest.Relationship: {"invite"},
				storetest.Commit: {"accept"}, storetest.Invitations: {"list"},
			}[op]
			for _, name := range slices.Sorted(maps.Keys(errs)) {
				if want := slices.Contains(touched, name); errors.Is(errs[name], down) != want || !want && errs[name] != nil {
					t.Errorf("%s: %v", name, errs[name])
				}
			}
		})
	}
}
