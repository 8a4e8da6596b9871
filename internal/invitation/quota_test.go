package invitation_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"concord/internal/invitation"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/recipient"
	"concord/internal/storetest"
)

// another makes one more open invitation to a recipient, bound to a customer of its own.
func (o *office) another(t *testing.T, p partner.TenantID, address string) invitation.Invitation {
	t.Helper()
	o.customers++
	proposal := to(address)
	proposal.CustomerTenantID = ptr(fmt.Sprintf("0c000000-0000-4000-8000-%012d", o.customers))
	return o.invite(t, by(p), proposal)
}

// sends asks for the mail of an invitation and checks what is said of it, and for how long to wait.
func (o *office) sends(t *testing.T, inv invitation.Invitation, want problem.Code, wait time.Duration) {
	t.Helper()
	before := o.stored(t, inv.Key)
	_, _, err := o.Send(t.Context(), by(inv.Inviter), inv.ID)
	e := wantCode(t, err, want)
	if err == nil {
		return
	}
	if e.RetryAfter != wait {
		t.Errorf("%s: wait for %v, want %v", want, e.RetryAfter, wait)
	}
	if after := o.stored(t, inv.Key); after.Version != before.Version {
		t.Errorf("refused, and yet changed: %+v", after)
	}
}

const (
	cooldown = problem.ResendCooldown
	crowded  = problem.RecipientQuotaExceeded
	daily    = problem.PartnerQuotaExceeded
)

// Ten minutes between two mails of a partner to a recipient, over all its invitations.
func TestTheCooldownIsOfTheRecipient(t *testing.T) {
	o := open(t)
	first, second, theirs := o.another(t, alder, "nora@larch.example"), o.another(t, alder, "NORA@Larch.Example"), o.another(t, fir, "nora@larch.example")
	elsewhere := o.another(t, alder, "other@larch.example")
	o.sends(t, first, "", 0)
	o.sends(t, second, cooldown, 10*time.Minute)
	o.sends(t, theirs, "", 0)
	o.sends(t, elsewhere, "", 0)
	o.pass(10*time.Minute - time.Second)
	o.sends(t, second, cooldown, time.Second)
	o.pass(time.Second)
	o.sends(t, second, "", 0)
	_, _, err := o.Resend(t.Context(), by(alder), first.ID)
	if e := wantCode(t, err, cooldown); e.RetryAfter != 10*time.Minute {
		t.Errorf("resend: wait for %v", e.RetryAfter)
	}
}

// A mail that waited for hours is followed by no other within ten minutes.
func TestTheCooldownCountsFromTheMail(t *testing.T) {
	o := open(t)
	inv := o.invite(t, by(alder), to("nora@larch.example"))
	o.sends(t, inv, "", 0)
	o.pass(3 * time.Hour)
	o.mailedAgain(t, inv.Key)
	o.pass(time.Minute)
	_, _, err := o.Resend(t.Context(), by(alder), inv.ID)
	if e := wantCode(t, err, cooldown); e.RetryAfter != 9*time.Minute {
		t.Errorf("wait for %v", e.RetryAfter)
	}
	o.pass(9 * time.Minute)
	if _, _, err := o.Resend(t.Context(), by(alder), inv.ID); err != nil {
		t.Error(err)
	}
}

func TestFiveMailsToARecipientInADay(t *testing.T) {
	o := open(t)
	for range recipient.PerRecipient {
		o.sends(t, o.another(t, alder, "nora@larch.example"), "", 0)
		o.pass(time.Hour)
	}
	sixth := o.another(t, alder, "Nora@larch.example")
	o.sends(t, sixth, crowded, 19*time.Hour)
	o.sends(t, o.another(t, fir, "nora@larch.example"), "", 0) // another partner has five of its own
	o.sends(t, o.another(t, alder, "other@larch.example"), "", 0)
	o.pass(19*time.Hour - time.Second)
	o.sends(t, sixth, crowded, time.Second)
	o.pass(time.Second)
	o.sends(t, sixth, "", 0)
	o.pass(30 * time.Minute)
	o.sends(t, o.another(t, alder, "nora@larch.example"), crowded, 30*time.Minute) // the window slides
}

// At most three partners per recipient in 24 hours (Limits.Partners).
func TestThreePartnersToARecipientInADay(t *testing.T) {
	o := open(t)
	for n, p := range []partner.TenantID{alder, fir, elm} {
		if n > 0 {
			o.pass(time.Hour)
		}
		o.sends(t, o.another(t, p, "nora@larch.example"), "", 0)
	}
	fourth := o.another(t, cedar, "NORA@larch.example")
	o.sends(t, fourth, crowded, 22*time.Hour)
	o.sends(t, o.another(t, cedar, "other@larch.example"), "", 0)
	o.pass(time.Hour)
	o.sends(t, o.another(t, alder, "nora@larch.example"), "", 0) // who was there before stays, and for a day from now
	o.sends(t, fourth, crowded, 22*time.Hour)
	o.pass(22*time.Hour - time.Second)
	o.sends(t, fourth, crowded, time.Second)
	o.pass(time.Second) // fir is forgotten
	o.sends(t, fourth, "", 0)
	o.sends(t, o.another(t, fir, "nora@larch.example"), crowded, time.Hour) // and has to wait now: for elm

	o = open(t)
	o.Limits.Partners = 0
	for _, p := range []partner.TenantID{alder, fir, elm, cedar} {
		o.sends(t, o.another(t, p, "nora@larch.example"), "", 0)
	}
}

func TestMailsOfAPartnerInADay(t *testing.T) {
	month := 30 * 24 * time.Hour
	for _, c := range []struct {
		name string
		set  func(*partner.Account)
		want int
	}{
		{"made today", func(a *partner.Account) { a.CreatedAt = start }, 3},
		{"in the last second of its first month", func(a *partner.Account) { a.CreatedAt = start.Add(time.Second - month) }, 3},
		{"after its first month", func(a *partner.Account) { a.CreatedAt = start.Add(-month) }, 6},
		{"with a number of its own, smaller", func(a *partner.Account) { a.DailyMails = 1 }, 1},
		{"with a number of its own, greater, in its first month", func(a *partner.Account) { a.CreatedAt, a.DailyMails = start, 8 }, 8},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := open(t)
			o.Limits.FirstMonth, o.Limits.Daily = 3, 6
			a, err := o.store.Account(t.Context(), alder, true)
			if err != nil {
				t.Fatal(err)
			}
			c.set(&a)
			o.store.PutAccount(a)
			one := func() invitation.Invitation {
				o.customers++
				return o.invite(t, by(alder), to(fmt.Sprintf("n%d@larch.example", o.customers)))
			}
			for range c.want {
				o.sends(t, one(), "", 0)
			}
			over := one()
			o.sends(t, over, daily, 14*time.Hour+30*time.Minute) // it is 09:30
			o.sends(t, o.another(t, fir, "nora@larch.example"), "", 0)
		})
	}
	t.Run("counted anew from midnight, UTC", func(t *testing.T) {
		o := open(t)
		o.Limits.Daily = 1
		zone := time.FixedZone("UTC+9", 9*3600)
		now := o.Now
		o.Now = func() time.Time { return now().In(zone) }
		o.pass(14*time.Hour + 29*time.Minute + 59*time.Second) // 23:59:59, and 08:59:59 of tomorrow there
		o.sends(t, o.another(t, alder, "a@larch.example"), "", 0)
		second := o.another(t, alder, "b@larch.example")
		o.sends(t, second, daily, time.Second)
		o.pass(time.Second)
		o.sends(t, second, "", 0)
		o.sends(t, o.another(t, alder, "c@larch.example"), daily, 24*time.Hour)
	})
}

// What is refused for another reason takes nothing from the quotas, and 409 comes before 429.
func TestARefusalTakesNothingFromTheQuotas(t *testing.T) {
	o := open(t)
	o.Limits.Daily = 2
	o.sends(t, o.another(t, alder, "nora@larch.example"), "", 0)
	waits := o.another(t, alder, "nora@larch.example")
	for range 5 {
		o.sends(t, waits, cooldown, 10*time.Minute)
	}
	edited := o.edit(t, o.another(t, alder, "nora@larch.example"))
	o.sends(t, edited, problem.DraftEdited, 0)
	over := o.another(t, alder, "other@larch.example")
	o.sends(t, over, "", 0)
	o.sends(t, over, problem.InvalidTransition, 0)
	o.pass(recipient.Cooldown)
	o.sends(t, waits, daily, 14*time.Hour+20*time.Minute)
	// The recipient has had one mail alone: tomorrow there are four more.
	o.pass(14*time.Hour + 20*time.Minute)
	o.Limits.Daily = 100
	o.sends(t, waits, "", 0)
	for range 3 {
		o.pass(recipient.Cooldown)
		o.sends(t, o.another(t, alder, "nora@larch.example"), "", 0)
	}
	o.pass(recipient.Cooldown)
	if _, _, err := o.Send(t.Context(), by(alder), o.another(t, alder, "nora@larch.example").ID); !problem.Is(err, crowded) {
		t.Errorf("%v", err)
	}
}

// A change that is tried again, after a conflict or a lost answer, takes from the quotas once.
func TestAMailIsCountedOnce(t *testing.T) {
	lost := errors.New("connection reset")
	for _, c := range []struct {
		name  string
		op    storetest.Operation
		fault storetest.Fault
		times int
		spent int // of a day of 5
	}{
		{"three conflicts of the invitation", storetest.Write, storetest.Fault{Err: invitation.ErrConflict}, 3, 1},
		{"the invitation was not written", storetest.Write, storetest.Fault{Err: lost}, 1, 1},
		{"three conflicts of the ledger", storetest.Record, storetest.Fault{Err: recipient.ErrConflict}, 3, 1},
		{"the answer of the ledger was lost", storetest.Record, storetest.Fault{Err: lost, Stored: true}, 1, 1},
		{"the ledger could not be read", storetest.Mailings, storetest.Fault{Err: lost}, 1, 1},
		{"the ledger was not written", storetest.Record, storetest.Fault{Err: lost}, 1, 2}, // one mail of the day is used up
		{"the day could not be counted", storetest.Count, storetest.Fault{Err: lost}, 1, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := open(t)
			o.Limits.Daily = 5
			inv := o.another(t, alder, "nora@larch.example")
			left := c.times
			o.store.Inject(func(op storetest.Operation) storetest.Fault {
				if op == c.op && left > 0 {
					left--
					return c.fault
				}
				return storetest.Fault{}
			})
			sent, _, err := o.Send(t.Context(), keyed("k", "b"), inv.ID)
			if err != nil || sent.Version != 2 {
				t.Fatalf("%+v, %v", sent, err)
			}
			if _, replayed, err := o.Send(t.Context(), keyed("k", "b"), inv.ID); err != nil || !replayed {
				t.Fatalf("replayed %v, %v", replayed, err)
			}
			o.store.Inject(nil)
			for n := range 5 - c.spent {
				o.sends(t, o.another(t, alder, fmt.Sprintf("n%d@larch.example", n)), "", 0)
			}
			o.sends(t, o.another(t, alder, "last@larch.example"), daily, 14*time.Hour+30*time.Minute)
		})
	}
}

func TestTheLedgerInAStorm(t *testing.T) {
	o := open(t)
	inv := o.another(t, alder, "nora@larch.example")
	calls := 0
	o.store.Inject(func(op storetest.Operation) storetest.Fault {
		if op == storetest.Record {
			calls++
			return storetest.Fault{Err: recipient.ErrConflict}
		}
		return storetest.Fault{}
	})
	_, _, err := o.Send(t.Context(), by(alder), inv.ID)
	if e := wantCode(t, err, problem.Unavailable); e.RetryAfter != time.Second || calls > 64 {
		t.Errorf("%d writes, %+v", calls, e)
	}
}

// Many callers at once do not get past a limit, and nobody is refused without one.
func TestLimitsUnderConcurrency(t *testing.T) {
	at := func(t *testing.T, all []invitation.Invitation, o *office, refusal problem.Code) int32 {
		t.Helper()
		var sent atomic.Int32
		var wg sync.WaitGroup
		for _, inv := range all {
			wg.Go(func() {
				switch _, _, err := o.Send(t.Context(), by(inv.Inviter), inv.ID); {
				case err == nil:
					sent.Add(1)
				case !problem.Is(err, refusal):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		return sent.Load()
	}
	t.Run("cooldown", func(t *testing.T) {
		o := open(t)
		var all []invitation.Invitation
		for range 16 {
			all = append(all, o.another(t, alder, "nora@larch.example"))
		}
		if sent := at(t, all, o, cooldown); sent != 1 {
			t.Errorf("%d mails at once", sent)
		}
	})
	t.Run("partners", func(t *testing.T) {
		o := open(t)
		var all []invitation.Invitation
		for _, p := range []partner.TenantID{alder, fir, elm, cedar} {
			all = append(all, o.another(t, p, "nora@larch.example"))
		}
		if sent := at(t, all, o, crowded); sent != 3 {
			t.Errorf("mails of %d partners", sent)
		}
	})
	t.Run("day", func(t *testing.T) {
		o := open(t)
		o.Limits.Daily = 10
		var all []invitation.Invitation
		for n := range 64 {
			all = append(all, o.another(t, alder, fmt.Sprintf("n%d@larch.example", n)))
		}
		if sent := at(t, all, o, daily); sent != 10 {
			t.Errorf("%d mails", sent)
		}
	})
}

// Where any number of partners may mail a recipient, what is remembered of it stays bounded.
func TestARecipientOfVeryMany(t *testing.T) {
	o := open(t)
	o.Limits.Partners = 0
	mail := "nora@larch.example"
	o.sends(t, o.another(t, alder, mail), "", 0)
	for n := range 199 {
		p := partner.TenantID(fmt.Sprintf("0d000000-0000-4000-8000-%012d", n))
		o.store.PutAccount(partner.Account{Tenant: p, Country: "US", Cloud: "public", Role: partner.DirectBill, Status: partner.Active, Locale: "en", DisplayName: "Partner"})
		o.sends(t, o.another(t, p, mail), "", 0)
	}
	o.pass(time.Hour)
	o.sends(t, o.another(t, fir, mail), crowded, 23*time.Hour)
	o.pass(23 * time.Hour)
	o.sends(t, o.another(t, fir, mail), "", 0)
}

// 0.37: a mailbox is one recipient whatever tag its address has, for the cooldown and for what may be mailed in a day. Identity and what is
// shown keep what was typed, so that each of them is asked once.
func TestOneMailboxIsOneRecipient(t *testing.T) {
	o := open(t)
	first := o.invite(t, by(alder), to("Helpdesk+a@bücher.example"))
	o.sends(t, first, "", 0)
	for _, tagged := range []string{"helpdesk@xn--bcher-kva.example", "helpdesk+b@bücher.example", "HELPDESK+a+b@bücher.example"} {
		inv := o.invite(t, by(alder), to(tagged))
		if inv.RecipientEmail != tagged {
			t.Errorf("%q is shown as %q", tagged, inv.RecipientEmail)
		}
		o.sends(t, inv, cooldown, 10*time.Minute)
	}
	o.sends(t, o.invite(t, by(alder), to("+a@bücher.example")), "", 0) // no tag of anything
	for n := range 4 {
		o.pass(recipient.Cooldown)
		o.sends(t, o.another(t, alder, fmt.Sprintf("helpdesk+%d@bücher.example", n)), "", 0)
	}
	o.pass(recipient.Cooldown)
	o.sends(t, o.another(t, alder, "helpdesk+z@bücher.example"), crowded, 24*time.Hour-50*time.Minute)
	// Who wants no mail at one address wants none at the others.
	o.pass(25 * time.Hour)
	o.plead(t, o.Report, linkOf(o.mailedAgain(t, first.Key)), "wrong-person", invitation.Reported)
	o.sends(t, o.another(t, alder, "helpdesk+y@bücher.example"), problem.RecipientSuppressed, 0)
}

// 0.37: a bounce ends the mail to the exact address alone, a complaint that to the mailbox. The operator lifts what it names.
func TestWhatIsSuppressed(t *testing.T) {
	o := open(t)
	for _, each := range []struct {
		state   outbox.State
		address string
	}{
		{outbox.Bounced, "nora+gone@larch.example"}, {outbox.Suppressed, "ada@larch.example"}, {outbox.Complained, "paul+x@larch.example"},
	} {
		for range 2 {
			if err := recipient.Suppress(t.Context(), o.store, each.address, outbox.Report{State: each.state, Reason: "said"}, o.now()); err != nil {
				t.Fatal(err)
			}
		}
	}
	stands := func(address string) bool {
		t.Helper()
		why, err := recipient.Undeliverable(t.Context(), o.store, address)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = o.Invite(t.Context(), by(alder), mailedTo(address))
		if problem.Is(err, problem.RecipientSuppressed) != (why != nil) {
			t.Errorf("%s: %v, %v", address, why, err)
		}
		return why != nil
	}
	for address, want := range map[string]bool{
		"Nora+GONE@larch.example": true, "nora@larch.example": false, "nora+other@larch.example": false,
		"ada@larch.example": true, "ada+x@larch.example": false,
		"paul+x@larch.example": true, "paul@larch.example": true, "paul+y@larch.example": true,
	} {
		if stands(address) != want {
			t.Errorf("%s is suppressed: %v", address, !want)
		}
	}
	p := recipient.SuppressionRemoval{Ledger: o.store, Addresses: o.Addresses, Now: o.now}
	operator := partner.User{Subject: "olga", Tenant: elm, Roles: []partner.Role{partner.Operator}}
	all := recipient.AllPartners
	for _, step := range []struct {
		address string
		left    int
		still   []string
		no      []string
	}{
		{"nora@larch.example", 0, []string{"nora+gone@larch.example"}, nil},
		{"nora+gone@larch.example", 0, nil, []string{"nora+gone@larch.example"}},
		{"ada+x@larch.example", 0, []string{"ada@larch.example"}, nil},
		{"paul+z@larch.example", 0, []string{"ada@larch.example"}, []string{"paul@larch.example", "paul+x@larch.example"}},
	} {
		left, err := p.Remove(t.Context(), operator, recipient.Removal{Address: &step.address, Scope: &all, Why: ptr("asked for")})
		if err != nil || len(left) != step.left {
			t.Errorf("lifting %s: %+v, %v", step.address, left, err)
		}
		for _, address := range step.still {
			if !stands(address) {
				t.Errorf("lifting %s lifted %s", step.address, address)
			}
		}
		for _, address := range step.no {
			if stands(address) {
				t.Errorf("lifting %s left %s", step.address, address)
			}
		}
	}
}

func mailedTo(address string) invitation.Proposal {
	p := to(address)
	p.Mailed = true
	return p
}

// 0.37: of a partner's mails of a day, so many go to one company. Webmail is no company, and a deployment may have no such limit.
func TestMailsToOneDomain(t *testing.T) {
	o := open(t)
	o.Limits.Domain = 2
	tomorrow := 14*time.Hour + 30*time.Minute
	o.sends(t, o.another(t, alder, "a@larch.example"), "", 0)
	first := o.another(t, alder, "b@mail.larch.example")
	o.sends(t, first, "", 0)
	o.sends(t, o.another(t, alder, "c@LARCH.example"), crowded, tomorrow)
	o.sends(t, o.another(t, alder, "c@oak.example"), "", 0)
	o.sends(t, o.another(t, fir, "c@larch.example"), "", 0)
	for n := range 4 {
		o.sends(t, o.another(t, alder, fmt.Sprintf("m%d@gmail.com", n)), "", 0)
	}
	o.pass(time.Hour)
	o.mailedAgain(t, first.Key)
	o.pass(time.Hour)
	_, _, err := o.Resend(t.Context(), by(alder), first.ID) // a mail as well
	if e := wantCode(t, err, crowded); e.RetryAfter != tomorrow-2*time.Hour {
		t.Errorf("resend: wait for %v", e.RetryAfter)
	}
	waiting, _, err := o.SendWhenAllowed(t.Context(), by(alder), o.another(t, alder, "d@larch.example").ID, o.now())
	if err != nil || waiting.Mail.State != outbox.Waiting || !waiting.Mail.At.Equal(start.Add(tomorrow)) {
		t.Errorf("%v, %+v", err, waiting.Mail)
	}
	o.pass(tomorrow)
	o.sends(t, o.another(t, alder, "e@larch.example"), "", 0)
	o.sends(t, o.another(t, alder, "f@larch.example"), crowded, 22*time.Hour) // the one that waited has its place
	o.Limits.Domain = 0
	o.sends(t, o.another(t, alder, "f@larch.example"), "", 0)
}

// The ledger knows a recipient by a hash.
func TestTheLedgerHoldsNoAddress(t *testing.T) {
	o := open(t)
	ledger := &listening{Ledger: o.store}
	o.Ledger = ledger
	o.sends(t, o.another(t, alder, "Nora@Larch.example"), "", 0)
	o.pass(recipient.Cooldown)
	o.sends(t, o.another(t, alder, "nora@larch.example"), "", 0)
	if len(ledger.heard) != 2 || ledger.heard[0].Recipient != ledger.heard[1].Recipient || ledger.heard[1].Version != 2 || len(ledger.heard[1].List) != 2 {
		t.Errorf("%+v", ledger.heard)
	}
	if said := strings.ToLower(fmt.Sprintf("%+v", ledger.heard)); strings.Contains(said, "nora") || strings.Contains(said, "larch") {
		t.Errorf("the address is in %s", said)
	}
	o.pass(24*time.Hour - recipient.Cooldown)
	o.sends(t, o.another(t, alder, "nora@larch.example"), "", 0)
	if last := ledger.heard[2]; len(last.List) != 2 {
		t.Errorf("what is older than a day is still there: %+v", last)
	}
}

// listening remembers what was recorded.
type listening struct {
	recipient.Ledger
	heard []recipient.Mailings
}

func (l *listening) Record(ctx context.Context, m recipient.Mailings) error {
	l.heard = append(l.heard, m)
	return l.Ledger.Record(ctx, m)
}
