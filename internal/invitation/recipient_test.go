package invitation_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"concord/internal/invitation"
	"concord/internal/link"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/relationship"
	"concord/internal/storetest"
)

type pleading func(context.Context, link.Link, *invitation.Plea) (invitation.Letter, invitation.Case, error)

func (o *office) plead(t *testing.T, f pleading, l link.Link, reason string, want invitation.Case) invitation.Letter {
	t.Helper()
	letter, c, err := f(t.Context(), l, &invitation.Plea{Reason: reason, CorrelationID: "corr-3"})
	if err != nil || c != want {
		t.Fatalf("%s, %v, want %s", c, err, want)
	}
	return letter
}

// Looking changes nothing, and a plea needs a reason of the list.
func TestAPleaNeedsAReason(t *testing.T) {
	o := open(t)
	inv := mailIs(outbox.Sent)(t, o)
	o.answer(t, linkOf(inv), admin(larch), acceptance)
	expired := o.mailed(t, o.invite(t, by(alder), to("ada@larch.example")), outbox.Sent)
	o.pass(time.Hour)
	disputable := o.stored(t, inv.Key)
	later := open(t)
	late := mailIs(outbox.Sent)(t, later)
	later.pass(31 * day)
	for _, c := range []struct {
		office  *office
		f       pleading
		of      invitation.Invitation
		form    invitation.Case
		reasons []string
	}{
		{later, later.AskAgain, late, invitation.RenewalForm, invitation.RenewalReasons},
		{o, o.Report, expired, invitation.ReportForm, invitation.ReportReasons},
		{o, o.Dispute, disputable, invitation.DisputeForm, invitation.DisputeReasons},
	} {
		before := c.office.stored(t, c.of.Key)
		if _, got, err := c.f(t.Context(), linkOf(c.of), nil); err != nil || got != c.form {
			t.Errorf("looking: %s, %v, want %s", got, err, c.form)
		}
		for _, reason := range []string{"", "because", strings.ToUpper(c.reasons[0]), " " + c.reasons[0]} {
			letter, got, err := c.f(t.Context(), linkOf(c.of), &invitation.Plea{Reason: reason})
			p := wantCode(t, err, problem.ValidationFailed)
			if got != c.form || len(p.Findings) != 1 || p.Findings[0].Pointer != "/reason" || letter.Invitation.ID != c.of.ID {
				t.Errorf("%s, %q: %s, %+v", c.form, reason, got, p)
			}
		}
		if after := c.office.stored(t, c.of.Key); after.Version != before.Version {
			t.Errorf("%s: something was written", c.form)
		}
	}
}

// A new link is asked for once per link; the partner is told by mail.
func TestAskingForANewLink(t *testing.T) {
	o := open(t)
	inv := mailIs(outbox.Sent)(t, o)
	first := linkOf(inv)
	o.plead(t, o.AskAgain, first, "mail-lost", invitation.NoRenewal) // it works
	o.pass(time.Hour)
	again, _, err := o.Resend(t.Context(), by(alder), inv.ID)
	if err != nil {
		t.Fatal(err)
	}
	o.plead(t, o.AskAgain, first, "mail-lost", invitation.RenewalAsked)
	asked := o.stored(t, inv.Key)
	if asked.Asked != 1 || asked.Status != invitation.Pending || asked.Generation != 2 || !slices.Equal(asked.Post.Owed, []outbox.Kind{invitation.RenewalNotice}) {
		t.Fatalf("%+v", asked)
	}
	if e := asked.History[len(asked.History)-1]; e != (invitation.Entry{At: o.now(), Action: "renewal requested", By: "recipient", CorrelationID: "corr-3", Why: "mail-lost"}) {
		t.Errorf("%+v", e)
	}
	o.plead(t, o.AskAgain, first, "other", invitation.RenewalAsked)
	if after := o.stored(t, inv.Key); after.Version != asked.Version {
		t.Error("it was asked for twice")
	}
	o.mailedAgain(t, inv.Key)
	o.pass(31 * day)
	o.plead(t, o.AskAgain, linkOf(again), "too-late", invitation.RenewalAsked) // expired, and nobody has noticed
	o.plead(t, o.AskAgain, first, "too-late", invitation.RenewalAsked)
	o.clean(t)
	after := o.stored(t, inv.Key)
	if after.Status != invitation.Expired || after.Asked != 2 {
		t.Errorf("%s, asked by %d", after.Status, after.Asked)
	}
	forged := first
	forged.Generation = 7
	o.plead(t, o.AskAgain, forged, "too-late", invitation.Unknown)
	forged = first
	forged.Tenant = string(fir)
	o.plead(t, o.AskAgain, forged, "too-late", invitation.Unknown)
}

// Who reports, or wants no more mail, gets none of this partner; others are not touched. Asking for a new link, which the partner can do
// as well by the link of its draft, lets no mail through again; the recipient does, by a link that stands in our mails alone (0.36).
func TestWhoWantsNoMailGetsNone(t *testing.T) {
	for name, f := range map[string]func(*office) pleading{
		"report":      func(o *office) pleading { return o.Report },
		"unsubscribe": func(o *office) pleading { return o.Unsubscribe },
	} {
		t.Run(name, func(t *testing.T) {
			o := open(t)
			inv := mailIs(outbox.Sent)(t, o)
			want := map[string]invitation.Case{"report": invitation.Reported, "unsubscribe": invitation.Unsubscribed}[name]
			o.plead(t, f(o), linkOf(inv), "impersonation", want)
			o.plead(t, f(o), linkOf(inv), "impersonation", want)
			got := o.stored(t, inv.Key)
			if got.Status != invitation.Pending || got.Reminders || got.Version != inv.Version+1 {
				t.Errorf("%+v", got)
			}
			o.pass(time.Hour)
			_, _, err := o.Resend(t.Context(), by(alder), inv.ID)
			wantCode(t, err, problem.RecipientSuppressed)
			other := o.invite(t, by(cedar), to("Nora@larch.example"))
			if _, _, err := o.Send(t.Context(), by(cedar), other.ID); err != nil {
				t.Errorf("another partner: %v", err)
			}
			if _, c, err := o.Look(t.Context(), linkOf(inv), nil, true); err != nil || c != invitation.Review {
				t.Errorf("the request itself: %s, %v", c, err)
			}
			o.pass(31 * day)
			if letter := o.plead(t, o.AskAgain, linkOf(inv), "too-late", invitation.RenewalAsked); !letter.Stopped {
				t.Error("who asks for a new link does not read that no mail would come")
			}
			renewed, _, err := o.Renew(t.Context(), by(alder), inv.ID)
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = o.Send(t.Context(), by(alder), renewed.ID)
			wantCode(t, err, problem.RecipientSuppressed)
			if _, c, err := o.Allow(t.Context(), linkOf(inv), nil); err != nil || c != invitation.AllowForm {
				t.Errorf("looking at how to get mail again: %s, %v", c, err)
			}
			_, _, err = o.Send(t.Context(), by(alder), renewed.ID)
			wantCode(t, err, problem.RecipientSuppressed)
			o.plead(t, o.Allow, linkOf(inv), "", invitation.Allowed)
			allowed := o.stored(t, inv.Key)
			if e := allowed.History[len(allowed.History)-1]; e != (invitation.Entry{At: o.now(), Action: "mail allowed", By: "recipient", CorrelationID: "corr-3"}) {
				t.Errorf("%+v", e)
			}
			o.plead(t, o.Allow, linkOf(inv), "", invitation.Allowed)
			if after := o.stored(t, inv.Key); after.Version != allowed.Version {
				t.Error("it was allowed twice")
			}
			if _, _, err := o.Send(t.Context(), by(alder), renewed.ID); err != nil {
				t.Errorf("after the recipient let it through: %v", err)
			}
			// Who changes its mind can change it again.
			o.plead(t, f(o), linkOf(inv), "impersonation", want)
			o.pass(time.Hour)
			_, _, err = o.Resend(t.Context(), by(alder), o.mailedAgain(t, renewed.Key).ID)
			wantCode(t, err, problem.RecipientSuppressed)
		})
	}
}

// TestTheWishIsTakenBackElsewhere: the mail about one invitation lets mail through again, and the page of another does not say otherwise.
func TestTheWishIsTakenBackElsewhere(t *testing.T) {
	o := open(t)
	first := mailIs(outbox.Sent)(t, o)
	o.pass(31 * day)
	o.plead(t, o.Unsubscribe, linkOf(first), "", invitation.Unsubscribed)
	second := o.invite(t, by(alder), to("nora@larch.example"))
	o.pass(31 * day)
	o.plead(t, o.Allow, linkOf(second), "", invitation.Allowed)
	if _, c, err := o.Unsubscribe(t.Context(), linkOf(first), nil); err != nil || c != invitation.UnsubscribeForm {
		t.Errorf("%s, %v", c, err)
	}
	o.plead(t, o.Unsubscribe, linkOf(first), "", invitation.Unsubscribed)
	if _, c, err := o.Unsubscribe(t.Context(), linkOf(first), nil); err != nil || c != invitation.Unsubscribed {
		t.Errorf("%s, %v", c, err)
	}
	third := o.invite(t, by(alder), to("nora@larch.example"))
	_, _, err := o.Send(t.Context(), by(alder), third.ID)
	wantCode(t, err, problem.RecipientSuppressed)
}

type complaints struct {
	mu     sync.Mutex
	of     map[string]int
	refuse error
}

func (c *complaints) Bounced(context.Context, partner.TenantID, string) error {
	return errors.New("a report is no bounce")
}

func (c *complaints) Complained(_ context.Context, p partner.TenantID, id string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refuse != nil {
		return c.refuse
	}
	if c.of == nil {
		c.of = map[string]int{}
	}
	c.of[string(p)+id]++
	return nil
}

// A report counts against the partner. What fails on the way is made up for by the same form once more.
func TestAReportIsAComplaint(t *testing.T) {
	o := open(t)
	counted := &complaints{refuse: errors.New("no table")}
	o.Reputation = counted
	inv := mailIs(outbox.Sent)(t, o)
	if _, _, err := o.Report(t.Context(), linkOf(inv), &invitation.Plea{Reason: "not-asked-for"}); err == nil {
		t.Fatal("an error is passed over")
	}
	if got := o.stored(t, inv.Key); got.Reported != 0 {
		t.Error("it is reported although nobody counted it")
	}
	counted.refuse = nil
	o.store.Inject(func(op storetest.Operation) storetest.Fault {
		if op == storetest.Write {
			return storetest.Fault{Err: errors.New("lost"), Stored: true}
		}
		return storetest.Fault{}
	})
	if _, _, err := o.Report(t.Context(), linkOf(inv), &invitation.Plea{Reason: "not-asked-for"}); err == nil {
		t.Fatal("an error is passed over")
	}
	o.store.Inject(nil)
	o.plead(t, o.Report, linkOf(inv), "not-asked-for", invitation.Reported)
	if counted.of[string(alder)+voiceOfLarch] != 1 {
		t.Errorf("%v", counted.of)
	}
	other := o.mailed(t, o.invite(t, by(alder), to("ada@larch.example")), outbox.Sent)
	o.plead(t, o.Report, linkOf(other), "wrong-person", invitation.Reported)
	if counted.of[string(alder)+voiceOfLarch] != 1 {
		t.Error("somebody at the wrong desk counts against the partner")
	}
}

// "This was not us": the administration ends, whom the partner deals with is open, and the partner is told. For 72 hours.
func TestADisputedAnswer(t *testing.T) {
	for _, c := range []struct {
		name          string
		asks, decline bool
		before        func(*testing.T, *office)
		after         time.Duration
		want          invitation.Case
		rel           relationship.IdentityCheck
		dap           relationship.Administration
	}{
		{name: "accepted with administration", asks: true, after: 71 * time.Hour, want: invitation.Disputed, rel: relationship.Unproven, dap: relationship.TerminatedDAP},
		{name: "accepted without", after: time.Minute, want: invitation.Disputed, rel: relationship.Unproven, dap: relationship.NoAdministration},
		{name: "at the end", asks: true, after: invitation.DisputeWindow, want: invitation.DisputeOver, rel: relationship.NotNeeded, dap: relationship.ActiveDAP},
		{name: "declined", decline: true, after: time.Hour, want: invitation.Disputed},
		{name: "nothing new was granted", after: time.Hour, want: invitation.Disputed, rel: relationship.Unproven, dap: relationship.ActiveDAP, // 0.42
			before: func(_ *testing.T, o *office) {
				o.store.PutRelationship(relationship.Relationship{ID: "rel_1", Partner: alder, Customer: larch, Status: relationship.Active,
					DelegatedAdmin: relationship.ActiveDAP, IdentityCheck: relationship.Confirmed, Invitation: "inv_other", Version: 1})
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := open(t)
			if c.before != nil {
				c.before(t, o)
			}
			p := to("nora@larch.example")
			p.RequestDelegatedAdmin = &c.asks
			inv := o.mailed(t, o.invite(t, by(alder), p), outbox.Sent)
			r := acceptance
			if c.decline {
				r = refusal
			}
			o.answer(t, linkOf(inv), admin(larch), r)
			o.posts(t, inv.Key, taken)
			o.pass(c.after)
			before := o.stored(t, inv.Key)
			o.plead(t, o.Dispute, linkOf(inv), "not-authorised", c.want)
			o.plead(t, o.Dispute, linkOf(inv), "mistake", c.want)
			got := o.stored(t, inv.Key)
			if disputed := c.want == invitation.Disputed; got.Status != before.Status || !disputed && got.Version != before.Version ||
				disputed && (got.Version != before.Version+1 || got.DisputedAt != o.now() || !slices.Equal(got.Post.Owed, []outbox.Kind{invitation.DisputeNotice})) {
				t.Errorf("%+v", got)
			}
			rel := o.relationship(t, alder, larch.Tenant)
			if c.decline != (rel == nil) || rel != nil && (rel.IdentityCheck != c.rel || rel.DelegatedAdmin != c.dap || rel.Status != relationship.Active) {
				t.Errorf("%+v", rel)
			}
		})
	}
}

// A rehearsal goes the whole way and makes no relationship.
func TestARehearsal(t *testing.T) {
	o := open(t)
	o.Addresses.AllowReserved = false
	simulated := "success+nora@simulator.amazonses.com"
	for _, c := range []struct {
		address string
		sandbox bool
		ok      bool
	}{{simulated, true, true}, {simulated, false, false}, {"nora@larch.com", true, false}} {
		p := to(c.address)
		p.Sandbox = &c.sandbox
		inv, _, err := o.Invite(t.Context(), by(alder), p)
		if !c.ok {
			p := wantCode(t, err, problem.EmailInvalid)
			if len(p.Findings) != 1 || p.Findings[0].Pointer != "/recipientEmail" {
				t.Errorf("%+v", p)
			}
			continue
		}
		if err != nil || !inv.Sandbox {
			t.Fatal(err)
		}
		_, _, err = o.Revise(t.Context(), ifMatch(inv.Version), inv.ID, invitation.Revision{RecipientEmail: ptr("nora@larch.com")})
		wantCode(t, err, problem.EmailInvalid)
		inv = o.mailed(t, inv, outbox.Sent)
		letter, got := o.answer(t, linkOf(inv), admin(larch), acceptance)
		if got != invitation.AcceptedBy || !letter.Invitation.Answer.NoChange || letter.Invitation.Customer != "" {
			t.Errorf("%s, %+v", got, letter.Invitation)
		}
		if r := o.relationship(t, alder, larch.Tenant); r != nil {
			t.Errorf("it made %+v", r)
		}
	}
}

// 0.17: what a partner says in our mail is off by default, and nothing that leads anywhere.
func TestAMessage(t *testing.T) {
	o := open(t)
	p := to("nora@larch.example")
	p.Message = ptr("We met at the trade fair in Lyon.")
	_, _, err := o.Invite(t.Context(), by(alder), p)
	wantCode(t, err, problem.ValidationFailed)
	o.AllowMessage = true
	if inv := o.invite(t, by(alder), p); inv.Message != *p.Message {
		t.Errorf("%q", inv.Message)
	}
	for _, text := range []string{"", " ", "Call +1 (425) 555-0100", "see larch.com", "write to me@larch.example", "https://evil.example", "a\nb", strings.Repeat("x", 281), "p\u0430ypal"} {
		p := to("ada@larch.example")
		p.Message = &text
		_, _, err := o.Invite(t.Context(), by(alder), p)
		if f := wantCode(t, err, problem.ValidationFailed); len(f.Findings) != 1 || f.Findings[0].Pointer != "/message" {
			t.Errorf("%q: %+v", text, f)
		}
	}
}

// 0.23: what is known of people is erased in time; what was asked and what became of it stays.
func TestRetention(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(*testing.T, *office, invitation.Invitation)
		keep time.Duration
	}{
		{"expired", func(t *testing.T, o *office, _ invitation.Invitation) { o.pass(30 * day); o.clean(t) }, invitation.Unanswered},
		{"cancelled", func(t *testing.T, o *office, i invitation.Invitation) {
			if _, _, err := o.Cancel(t.Context(), by(alder), i.ID, "Nora Berg has left"); err != nil {
				t.Fatal(err)
			}
		}, invitation.Unanswered},
		{"accepted", func(t *testing.T, o *office, i invitation.Invitation) {
			o.answer(t, linkOf(i), admin(larch), acceptance)
		}, 2 * 365 * day},
		{"declined", func(t *testing.T, o *office, i invitation.Invitation) {
			r := refusal
			r.Comment = "Nora Berg says no"
			o.answer(t, linkOf(i), admin(larch), r)
		}, 2 * 365 * day},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := open(t)
			o.Evidence = 2 * 365 * day
			p := to("nora@larch.example")
			p.RecipientName = ptr("Nora Berg")
			inv := o.mailed(t, o.invite(t, by(alder), p), outbox.Sent)
			c.end(t, o, inv)
			o.posts(t, inv.Key, taken)
			ended := o.stored(t, inv.Key)
			o.pass(ended.EndedAt.Add(c.keep - time.Second).Sub(o.now()))
			if tally := o.clean(t); tally.Done["Erased"] != 0 {
				t.Fatal("erased too early")
			}
			o.pass(time.Second)
			if tally := o.clean(t); tally.Done["Erased"] != 1 {
				t.Fatalf("%+v", tally)
			}
			got := o.stored(t, inv.Key)
			if got.Status != ended.Status || got.RecipientEmail != "" || got.RecipientName != "" || got.Kind != inv.Kind || len(got.History) != len(ended.History)+1 {
				t.Errorf("%+v", got)
			}
			for _, e := range got.History {
				if strings.Contains(e.Why+e.By, "Nora") || strings.Contains(e.By, "larch") {
					t.Errorf("%+v", e)
				}
			}
			if a := got.Answer; a != nil && (a.FullName != "" || a.Subject != "" || a.Comment != "" || a.Email != "" || a.Consent != ended.Answer.Consent || a.At != ended.Answer.At) {
				t.Errorf("%+v", a)
			}
			if _, due := got.Due(); due {
				t.Error("it is due for ever")
			}
			if tally := o.clean(t); tally.Done["Erased"] != 0 {
				t.Error("erased twice")
			}
		})
	}
	o := open(t)
	draft := o.invite(t, by(alder), to("nora@larch.example"))
	if want := draft.ExpiresAt.Add(invitation.Unanswered); draft.ForgetAt() != want || !o.done(t, draft).ForgetAt().IsZero() {
		t.Errorf("a draft is forgotten at %v", draft.ForgetAt())
	}
}
