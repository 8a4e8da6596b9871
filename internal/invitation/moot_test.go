package invitation_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/relationship"
	"concord/internal/storetest"
)

// sweep does what an acceptance owes until nothing is left, and gives how often it had to be called.
func (o *office) sweep(t *testing.T, k invitation.Key) (calls int) {
	t.Helper()
	s := o.sweeper()
	for more := true; more; calls++ {
		var err error
		if more, err = s.After(t.Context(), o.stored(t, k)); err != nil {
			t.Fatal(err)
		}
	}
	return calls
}

func (o *office) sweeper() invitation.Sweep {
	return invitation.Sweep{Store: o.store, Relationships: o.store, Partnerships: o.store, Accounts: o.store, Granular: o.store, Now: o.now}
}

func (o *office) isMoot(t *testing.T, inv invitation.Invitation, reason problem.Code) invitation.Invitation {
	t.Helper()
	got := o.stored(t, inv.Key)
	switch {
	case (got.Moot != nil) != (reason != ""):
		t.Errorf("%s to %q: moot %+v, want %q", inv.Kind, inv.RecipientEmail, got.Moot, reason)
	case reason != "" && (got.Moot.Reason != reason || got.Moot.Customer != larch.Tenant):
		t.Errorf("%s to %q: %+v, want %q", inv.Kind, inv.RecipientEmail, got.Moot, reason)
	}
	return got
}

// 0.40: when a company accepts, the other open requests of the same partner that this makes moot are not mailed any more, whether a
// reminder, a mail that waits or one that is queued; they carry since when and why, and no status. It is done once.
func TestWhatAnAcceptanceMakesMoot(t *testing.T) {
	o := open(t)
	larch := larch
	larch.Domains = []string{"larch.example", "bücher.example"}
	accepted := o.mailed(t, o.invite(t, by(alder), to("nora@larch.example")), outbox.Sent)
	sent := o.mailed(t, o.invite(t, by(alder), to("ada@LARCH.example")), outbox.Sent)
	queued := o.mailed(t, o.invite(t, by(alder), to("paul@xn--bcher-kva.example")), outbox.Queued)
	waits := o.mailed(t, o.invite(t, by(alder), to("rosa@larch.example")), outbox.Waiting)
	held := o.mailed(t, o.invite(t, by(alder), to("tom@larch.example")), outbox.Claimed)
	draft := o.invite(t, by(alder), to("draft@larch.example"))
	named := to("head@elsewhere.example")
	named.CustomerTenantID = ptr(string(larch.Tenant))
	bound := o.mailed(t, o.invite(t, by(alder), named), outbox.Sent)
	rights := to("more@larch.example")
	rights.RequestDelegatedAdmin = ptr(true)
	grants := o.mailed(t, o.invite(t, by(alder), rights), outbox.Sent)
	elsewhere := o.mailed(t, o.invite(t, by(alder), to("ada@oak.example")), outbox.Sent)
	below := o.mailed(t, o.invite(t, by(alder), to("ada@mail.larch.example")), outbox.Sent) // not proven
	theirs := o.mailed(t, o.invite(t, by(cedar), to("ada@larch.example")), outbox.Sent)
	o.pass(day)
	o.answer(t, linkOf(accepted), admin(larch), acceptance)
	o.pass(time.Minute)
	later := o.mailed(t, o.invite(t, by(alder), to("later@larch.example")), outbox.Sent)
	o.sweep(t, accepted.Key)
	for _, each := range []invitation.Invitation{sent, queued, waits, held, draft, bound} {
		got := o.isMoot(t, each, problem.RelationshipExists)
		if e := got.History[len(got.History)-1]; got.Status != each.Status || !got.Moot.Since.Equal(o.now().Add(-time.Minute)) || e.Action != "moot" || e.Why != "relationship_exists" || e.By != "mailer" {
			t.Errorf("%+v", got)
		}
	}
	for _, each := range []invitation.Invitation{accepted, grants, elsewhere, below, theirs, later} {
		o.isMoot(t, each, "")
	}
	versions := map[string]int{}
	for _, each := range []invitation.Invitation{sent, queued, waits, held, draft, bound} {
		versions[each.ID] = o.stored(t, each.Key).Version
	}
	o.sweep(t, accepted.Key)
	for _, each := range []invitation.Invitation{sent, queued, waits, held, draft, bound} {
		if got := o.stored(t, each.Key); got.Version != versions[each.ID] {
			t.Errorf("%s was marked twice", each.RecipientEmail)
		}
	}
	// What a mailer held may have gone; that it was not is no reason to try it again.
	got := o.stored(t, held.Key)
	if got.Mail.State != outbox.Claimed {
		t.Fatalf("%+v", got.Mail)
	}
	settled, _ := got.Settle(o.now(), "mailer-1", outbox.Outcome{State: outbox.Waiting, Reason: "throttled"})
	o.put(t, got, settled)
	for range 40 {
		o.pass(day)
		o.clean(t)
		for _, each := range []invitation.Invitation{sent, queued, waits, held, draft, bound} {
			got := o.stored(t, each.Key)
			if _, did := got.Claim(o.now(), "mailer-1"); did.Send {
				t.Errorf("the mail to %s goes out", each.RecipientEmail)
			}
			if _, did := got.ClaimPost(o.now(), "mailer-1"); did.Send {
				t.Errorf("%s is reminded", each.RecipientEmail)
			}
		}
	}
	for _, each := range []invitation.Invitation{sent, queued, waits, held, bound} {
		if got := o.stored(t, each.Key); got.Status != invitation.Expired {
			t.Errorf("%s never ends: %s, %+v", each.RecipientEmail, got.Status, got.Mail)
		}
	}
	if got := o.stored(t, grants.Key); got.Reminded == 0 {
		t.Error("what would still grant something is not reminded of any more")
	}
}

// A moot request is not mailed by its partner either, as long as what makes it so stands; it can be answered, and says so before.
func TestAMootRequest(t *testing.T) {
	o := open(t)
	accepted := o.mailed(t, o.invite(t, by(alder), to("nora@larch.example")), outbox.Sent)
	moot := o.mailed(t, o.invite(t, by(alder), to("ada@larch.example")), outbox.Sent)
	draft := o.invite(t, by(alder), to("paul@larch.example"))
	o.answer(t, linkOf(accepted), admin(larch), acceptance)
	o.sweep(t, accepted.Key)
	o.pass(time.Hour)
	_, _, err := o.Resend(t.Context(), by(alder), moot.ID)
	wantCode(t, err, problem.RelationshipExists)
	_, _, err = o.Send(t.Context(), by(alder), draft.ID)
	wantCode(t, err, problem.RelationshipExists)
	if letter, c := o.look(t, linkOf(moot), nil); c != invitation.Review || letter.Invitation.Moot == nil {
		t.Errorf("before sign-in: %s, %+v", c, letter.Invitation.Moot)
	}
	who := admin(larch)
	if letter, c := o.look(t, linkOf(moot), &who); c != invitation.Form || !letter.Already {
		t.Errorf("before the answer: %s, %v", c, letter.Already)
	}
	later := o.mailed(t, o.invite(t, by(alder), to("later@larch.example")), outbox.Sent)
	if letter, c := o.look(t, linkOf(later), &who); c != invitation.Form || !letter.Already {
		t.Errorf("one that was asked later: %s, %v", c, letter.Already)
	}
	if letter, c, err := o.Respond(t.Context(), linkOf(later), who, invitation.Response{Answer: "accept"}); c != invitation.Form || !letter.Already || problem.CodeOf(err) != problem.ValidationFailed {
		t.Errorf("the form again: %s, %v, %v", c, letter.Already, err)
	}
	if letter, c := o.answer(t, linkOf(moot), who, acceptance); c != invitation.AcceptedBy || !letter.Invitation.Answer.NoChange {
		t.Errorf("%s, %+v", c, letter.Invitation.Answer)
	}
	stranger := admin(oak)
	other := o.mailed(t, o.invite(t, by(alder), to("nora@oak.example")), outbox.Sent)
	if letter, c := o.look(t, linkOf(other), &stranger); c != invitation.Form || letter.Already {
		t.Errorf("a company that has nothing yet: %s, %v", c, letter.Already)
	}
	// Of one that goes to another company from now on nothing is known.
	revised, _, err := o.Revise(t.Context(), ifMatch(o.stored(t, draft.Key).Version), draft.ID, invitation.Revision{RecipientEmail: ptr("paul@oak.example")})
	if err != nil || revised.Moot != nil {
		t.Errorf("%+v, %v", revised.Moot, err)
	}
}

// When what stood has ended, what was moot can be mailed again.
func TestWhatIsMootNoLonger(t *testing.T) {
	o := open(t)
	accepted := o.mailed(t, o.invite(t, by(alder), to("nora@larch.example")), outbox.Sent)
	moot := o.mailed(t, o.invite(t, by(alder), to("ada@larch.example")), outbox.Sent)
	o.answer(t, linkOf(accepted), admin(larch), acceptance)
	o.sweep(t, accepted.Key)
	o.pass(time.Hour)
	standing := o.relationship(t, alder, larch.Tenant)
	removed, _ := standing.Remove(relationship.Entry{At: o.now()}, relationship.AttestedText{Version: "1"})
	if err := o.store.Commit(t.Context(), nil, []relationship.Change{{Before: standing, After: removed}}); err != nil {
		t.Fatal(err)
	}
	again, _, err := o.Resend(t.Context(), by(alder), moot.ID)
	if err != nil || again.Moot != nil || again.Mail.State != outbox.Queued {
		t.Errorf("%v, %+v", err, again)
	}
	o.sweep(t, accepted.Key) // which comes late, and grants nothing any more
	o.isMoot(t, moot, "")
}

// Of two tiers each partner's requests are looked at; a dual one is moot where both have all of it.
func TestWhatTwoTiersMakeMoot(t *testing.T) {
	o := tiers(t)
	accepted := o.mailed(t, o.invite(t, by(cedar), dual("nora@larch.example")), outbox.Sent)
	single := o.mailed(t, o.invite(t, by(cedar), to("ada@larch.example")), outbox.Sent)
	same := o.mailed(t, o.invite(t, by(cedar), dual("tom@larch.example")), outbox.Queued)
	provider := o.mailed(t, o.invite(t, by(birch), to("ada@larch.example")), outbox.Sent)
	more := to("paul@larch.example")
	more.RequestDelegatedAdmin = ptr(true)
	grants := o.mailed(t, o.invite(t, by(birch), more), outbox.Sent)
	o.answer(t, linkOf(accepted), admin(larch), acceptance)
	o.sweep(t, accepted.Key)
	for _, each := range []invitation.Invitation{single, same, provider} {
		o.isMoot(t, each, problem.RelationshipExists)
	}
	o.isMoot(t, grants, "")

	o = tiers(t)
	alone := o.mailed(t, o.invite(t, by(cedar), to("nora@larch.example")), outbox.Sent)
	both := o.mailed(t, o.invite(t, by(cedar), dual("ada@larch.example")), outbox.Sent)
	o.answer(t, linkOf(alone), admin(larch), acceptance)
	o.sweep(t, alone.Key)
	o.isMoot(t, both, "")
}

func TestWhatAPartnershipMakesMoot(t *testing.T) {
	o := tiers(t)
	o.enrol(larch.Tenant, func(a *partner.Account) { a.VerifiedDomain = "larch.example" })
	ask := func(address string) invitation.Invitation {
		p := to(address)
		p.Kind = invitation.Partnership
		return o.mailed(t, o.invite(t, by(birch), p), outbox.Sent)
	}
	accepted, second, other := ask("nora@larch.example"), ask("ada@larch.example"), ask("ada@oak.example")
	customer := o.mailed(t, o.invite(t, by(birch), to("tom@larch.example")), outbox.Sent)
	r := acceptance
	r.AuthorizeProvider = true
	if _, c := o.answer(t, linkOf(accepted), admin(larch), r); c != invitation.AcceptedBy {
		t.Fatal(c)
	}
	o.sweep(t, accepted.Key)
	o.isMoot(t, second, problem.PartnershipExists)
	o.isMoot(t, other, "")
	o.isMoot(t, customer, "")
	who := admin(larch)
	if letter, c := o.look(t, linkOf(second), &who); c != invitation.Form || !letter.Already {
		t.Errorf("%s, %v", c, letter.Already)
	}
}

// Granular administration that is still to be approved is something new.
func TestGranularAdministrationIsNotMoot(t *testing.T) {
	o := open(t)
	accepted := o.mailed(t, o.invite(t, by(alder), to("nora@larch.example")), outbox.Sent)
	asks := func(address string, status granular.Status) invitation.Invitation {
		inv := o.mailed(t, o.invite(t, by(alder), to(address)), outbox.Sent)
		next := inv
		next.Version++
		next.GranularID = fmt.Sprintf("gdap_%026d", next.Version+len(address))
		o.store.PutGranular(granular.Relationship{Key: granular.Key{Partner: alder, ID: next.GranularID}, Status: status, Generation: 1, CreatedAt: start, ApproveBy: start.Add(90 * day), Version: 1})
		return o.put(t, inv, next)
	}
	open, over := asks("ada@larch.example", granular.Pending), asks("paula@larch.example", granular.Terminated)
	o.answer(t, linkOf(accepted), admin(larch), acceptance)
	o.sweep(t, accepted.Key)
	o.isMoot(t, open, "")
	o.isMoot(t, over, problem.RelationshipExists)
}

// What only a partner has said of a company makes nothing moot, nor does a test.
func TestWhatIsOnlyDeclaredMakesNothingMoot(t *testing.T) {
	o := open(t)
	declared := larch
	declared.CountrySource = "partner"
	o.store.PutRelationship(relationship.Relationship{ID: "rel_1", Partner: alder, Customer: declared, Status: relationship.Active, DelegatedAdmin: relationship.NoAdministration, Version: 1})
	accepted := o.mailed(t, o.invite(t, by(alder), to("nora@larch.example")), outbox.Sent)
	other := o.mailed(t, o.invite(t, by(alder), to("ada@larch.example")), outbox.Sent)
	o.answer(t, linkOf(accepted), admin(larch), acceptance)
	o.sweep(t, accepted.Key)
	o.isMoot(t, other, "")

	o = open(t)
	p := to("success@simulator.amazonses.com")
	p.Sandbox = ptr(true)
	test := o.mailed(t, o.invite(t, by(alder), p), outbox.Sent)
	other = o.mailed(t, o.invite(t, by(alder), to("ada@larch.example")), outbox.Sent)
	o.answer(t, linkOf(test), admin(larch), acceptance)
	o.sweep(t, test.Key)
	o.isMoot(t, other, "")
}

// A partner with many open requests to one company: each call does a bounded part, and the calls together all of it.
func TestManyOpenRequests(t *testing.T) {
	o := open(t)
	accepted := o.mailed(t, o.invite(t, by(alder), to("nora@larch.example")), outbox.Sent)
	var all []invitation.Invitation
	for n := range 2*invitation.MaxSwept + 50 {
		all = append(all, o.invite(t, by(alder), to(fmt.Sprintf("n%d@larch.example", n))))
	}
	o.answer(t, linkOf(accepted), admin(larch), acceptance)
	if calls := o.sweep(t, accepted.Key); calls != 3 {
		t.Errorf("%d calls", calls)
	}
	for _, each := range all {
		o.isMoot(t, each, problem.RelationshipExists)
	}
}

// Whatever fails or runs at the same time, the next call makes it good: a sweep beside partners who resend and customers who answer.
func TestSweepingBesideOthers(t *testing.T) {
	o := open(t)
	accepted := o.mailed(t, o.invite(t, by(alder), to("nora@larch.example")), outbox.Sent)
	var all []invitation.Invitation
	for n := range 12 {
		all = append(all, o.mailed(t, o.invite(t, by(alder), to(fmt.Sprintf("n%d@larch.example", n))), outbox.Sent))
	}
	o.pass(time.Hour)
	o.answer(t, linkOf(accepted), admin(larch), acceptance)
	var wg sync.WaitGroup
	for n, each := range all {
		wg.Go(func() {
			switch n % 3 {
			case 0:
				_, _, _ = o.Resend(t.Context(), by(alder), each.ID)
			case 1:
				_, _, _ = o.Cancel(t.Context(), by(alder), each.ID, "")
			}
		})
		wg.Go(func() { _, _ = o.sweeper().After(t.Context(), o.stored(t, accepted.Key)) })
	}
	wg.Wait()
	ended := o.stored(t, accepted.Key)
	for _, op := range []storetest.Operation{storetest.SlotHolders, storetest.Invitation, storetest.Write} {
		failed := false
		o.store.Inject(func(each storetest.Operation) storetest.Fault {
			if each == op && !failed {
				failed = true
				return storetest.Fault{Err: fmt.Errorf("%s is away", op)}
			}
			return storetest.Fault{}
		})
		_, _ = o.sweeper().After(t.Context(), ended)
		o.store.Inject(nil)
	}
	o.sweep(t, accepted.Key)
	for n, each := range all {
		got := o.stored(t, each.Key)
		if got.Status == invitation.Pending && (got.Moot == nil || got.Mail.State == outbox.Queued) || n%3 == 1 && got.Status != invitation.Cancelled {
			t.Errorf("%d: %s, %+v, %s", n, got.Status, got.Moot, got.Mail.State)
		}
	}
}
