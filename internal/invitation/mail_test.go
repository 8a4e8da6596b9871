package invitation_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"concord/internal/due"
	"concord/internal/invitation"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/recipient"
	"concord/internal/storetest"
)

var allMailStates = []outbox.State{outbox.None, outbox.Queued, outbox.Claimed, outbox.Waiting, outbox.Unknown, outbox.Sent, outbox.Failed,
	outbox.Delayed, outbox.Delivered, outbox.Bounced, outbox.Rejected, outbox.Suppressed, outbox.Complained}

func letterIn(status invitation.Status, state outbox.State) invitation.Invitation {
	i := invitation.Invitation{Key: invitation.Key{Inviter: alder, ID: "inv_1"}, Kind: invitation.Reseller, Status: status, Generation: 1, Duration: 48 * time.Hour, Version: 5}
	i.Mail = invitation.Mail{State: state, Attempts: 2}
	if state.Owed() {
		i.Mail.At = start.Add(time.Minute)
	}
	if state == outbox.Claimed {
		i.Mail.Owner = "first"
	}
	return i
}

// Every mail state and every status: who may claim, and when.
func TestClaim(t *testing.T) {
	cells := 0
	for _, status := range []invitation.Status{invitation.Draft, invitation.Pending, invitation.Accepted, invitation.Declined, invitation.Cancelled, invitation.Expired} {
		for _, state := range allMailStates {
			for _, late := range []bool{false, true} {
				cells++
				i, now := letterIn(status, state), start
				if late {
					now = i.Mail.At
				}
				want := status == invitation.Pending && (state == outbox.Queued || state == outbox.Claimed && late)
				got, did := i.Claim(now, "second")
				if did.Send != want || did.Changed != want {
					t.Errorf("%s, %q, late %v: did.Changed %v, did.Send %v", status, state, late, did.Changed, did.Send)
				}
				expected := i
				if want {
					expected.Version, expected.Mail = 6, invitation.Mail{State: outbox.Claimed, Attempts: 3, Owner: "second", At: now.Add(outbox.Lease)}
				}
				if !reflect.DeepEqual(got, expected) {
					t.Errorf("%s, %q: %+v", status, state, got)
				}
			}
		}
	}
	t.Logf("%d cells", cells)
	t.Run("an invitation whose time is over", func(t *testing.T) {
		i := letterIn(invitation.Pending, outbox.Queued)
		i.ExpiresAt = start
		if _, did := i.Claim(start, "x"); did.Changed || did.Send {
			t.Error("its mail is sent")
		}
	})
	t.Run("a lease that a second is left of", func(t *testing.T) {
		i := letterIn(invitation.Pending, outbox.Claimed)
		if _, did := i.Claim(i.Mail.At.Add(-time.Second), "second"); did.Changed {
			t.Error("two mailers hold it")
		}
	})
}

func TestTheLastAttempt(t *testing.T) {
	i := letterIn(invitation.Pending, outbox.Queued)
	i.Mail.Attempts = outbox.MaxAttempts - 1
	last, did := i.Claim(start, "m")
	if !did.Send || last.Mail.Attempts != outbox.MaxAttempts {
		t.Fatalf("%+v", last.Mail)
	}
	last.Mail.State = outbox.Queued
	failed, did := last.Claim(start, "m")
	if did.Send || !did.Changed || failed.Mail.State != outbox.Failed || failed.Mail.Reason != "attempts_used_up" || failed.ExpiresAt != start.Add(48*time.Hour) {
		t.Errorf("%v, %v, %+v", did.Changed, did.Send, failed)
	}
	last.Mail.State, last.Mail.At = outbox.Waiting, start
	failed, did.Changed = last.Tick(start)
	if !did.Changed || failed.Mail.State != outbox.Failed || failed.Mail.Reason != "attempts_used_up" {
		t.Errorf("%v, %+v", did.Changed, failed.Mail)
	}
}

func TestSettle(t *testing.T) {
	later := start.Add(30 * time.Second)
	for _, c := range []struct {
		name    string
		outcome outbox.Outcome
		want    invitation.Mail
		expires time.Time
		noted   string
	}{
		{"sent", outbox.Outcome{State: outbox.Sent, MessageID: "ses-1"},
			invitation.Mail{State: outbox.Sent, Attempts: 2, MessageID: "ses-1", SentAt: later}, later.Add(48 * time.Hour), "mailed"},
		{"refused for good", outbox.Outcome{State: outbox.Failed, Reason: "rejected"},
			invitation.Mail{State: outbox.Failed, Attempts: 2, Reason: "rejected"}, later.Add(48 * time.Hour), "mail failed"},
		{"nobody knows", outbox.Outcome{State: outbox.Unknown, Reason: "timeout"},
			invitation.Mail{State: outbox.Unknown, Attempts: 2, Reason: "timeout", At: later.Add(outbox.UnknownGrace)}, time.Time{}, ""},
		{"not sent", outbox.Outcome{State: outbox.Waiting, Reason: "throttled"},
			invitation.Mail{State: outbox.Waiting, Attempts: 2, Reason: "throttled", At: later.Add(time.Minute)}, time.Time{}, ""},
		{"over the quota, which does not count", outbox.Outcome{State: outbox.Waiting, Reason: "quota", Later: 6 * time.Hour},
			invitation.Mail{State: outbox.Waiting, Attempts: 1, Reason: "quota", At: later.Add(6 * time.Hour)}, time.Time{}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			i := letterIn(invitation.Pending, outbox.Claimed)
			got, ok := i.Settle(later, "first", c.outcome)
			if !ok || got.Mail != c.want || !got.ExpiresAt.Equal(c.expires) || got.Version != 6 || got.Status != invitation.Pending {
				t.Errorf("%v, %+v\nwant %+v, %v", ok, got, c.want, c.expires)
			}
			if c.noted == "" && len(got.History) != 0 || c.noted != "" && (len(got.History) != 1 || got.History[0].Action != c.noted || got.History[0].Why != c.outcome.Reason) {
				t.Errorf("history %+v", got.History)
			}
			if again, ok := got.Settle(later, "first", c.outcome); ok || !reflect.DeepEqual(again, got) {
				t.Error("it is settled twice")
			}
			if _, ok := i.Settle(later, "second", c.outcome); ok {
				t.Error("it is settled by somebody who does not hold it")
			}
		})
	}
	for _, state := range allMailStates {
		if _, ok := letterIn(invitation.Pending, state).Settle(later, "", outbox.Outcome{State: outbox.Sent}); ok {
			t.Errorf("%q is settled without a claim", state)
		}
	}
}

// 30 seconds, doubled by each attempt, an hour at most.
func TestBackoff(t *testing.T) {
	want := []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute, 32 * time.Minute, time.Hour}
	if len(want) != outbox.MaxAttempts {
		t.Fatalf("%d attempts", outbox.MaxAttempts)
	}
	i := letterIn(invitation.Pending, outbox.Queued)
	i.Mail.Attempts = 0
	for attempt, wait := range want {
		claimed, did := i.Claim(start, "m")
		if !did.Send || claimed.Mail.Attempts != attempt+1 {
			t.Fatalf("attempt %d: %+v", attempt+1, claimed.Mail)
		}
		waits, _ := claimed.Settle(start, "m", outbox.Outcome{State: outbox.Waiting})
		if got := waits.Mail.At.Sub(start); got != wait {
			t.Errorf("after attempt %d: %v, want %v", attempt+1, got, wait)
		}
		i = waits
		i.Mail.State = outbox.Queued
	}
}

// What the cleanup makes of every state, a second before it is due and when it is.
func TestTick(t *testing.T) {
	at := start.Add(time.Minute)
	cells := 0
	for _, status := range []invitation.Status{invitation.Draft, invitation.Pending, invitation.Accepted, invitation.Declined, invitation.Cancelled, invitation.Expired} {
		for _, state := range allMailStates {
			cells++
			i := letterIn(status, state)
			if status == invitation.Pending && !state.Owed() {
				i.ExpiresAt = at
			}
			want := i
			want.Version++
			due := true
			switch {
			case state.Owed() && status.Open():
				want.Mail = invitation.Mail{State: outbox.Queued, Attempts: 2, At: at.Add(outbox.StreamGrace)}
			case state == outbox.Claimed || state == outbox.Unknown: // perhaps it went out
				want.Mail = invitation.Mail{State: outbox.Unknown, Attempts: 2, Reason: string(status)}
			case state.Owed():
				want.Mail = invitation.Mail{Attempts: 2, Reason: string(status)}
			case status == invitation.Pending:
				want.Status, want.EndedAt, want.EraseAt = invitation.Expired, at, at.Add(invitation.Unanswered)
				want.History = []invitation.Entry{{At: at, Action: "expired", By: "cleanup"}}
			default:
				due, want = false, i
			}
			if got, changed := i.Tick(at.Add(-time.Second)); changed || !reflect.DeepEqual(got, i) {
				t.Errorf("%s, %q, too early: %+v", status, state, got)
			}
			got, changed := i.Tick(at)
			if changed != due || !reflect.DeepEqual(got, want) {
				t.Errorf("%s, %q: %v, %+v\nwant %+v", status, state, changed, got, want)
			}
			if when, ok := i.Due(); ok != due || ok && !when.Equal(at) {
				t.Errorf("%s, %q: due %v, %v", status, state, when, ok)
			}
			// Promise 4: nothing is due for ever.
			if when, ok := got.Due(); changed && ok && !when.After(at) {
				t.Errorf("%s, %q: after it was done it is due at once", status, state)
			}
		}
	}
	t.Logf("%d cells", cells)
}

func TestDelivery(t *testing.T) {
	want := map[outbox.State]outbox.Delivery{
		outbox.None: outbox.DeliveryNotSent, outbox.Queued: outbox.DeliveryQueued, outbox.Claimed: outbox.DeliverySending,
		outbox.Waiting: outbox.DeliverySending, outbox.Unknown: outbox.DeliverySending, outbox.Sent: outbox.DeliverySent, outbox.Failed: outbox.DeliveryFailed,
		outbox.Delayed: outbox.DeliveryDelayed, outbox.Delivered: outbox.DeliveryDelivered, outbox.Bounced: outbox.DeliveryBounced,
		outbox.Rejected: outbox.DeliveryRejected, outbox.Suppressed: outbox.DeliverySuppressed, outbox.Complained: outbox.DeliveryComplained,
	}
	for _, state := range allMailStates {
		if got := state.Delivery(); got != want[state] {
			t.Errorf("%q is shown as %s", state, got)
		}
		if !slices.Contains(outbox.Deliveries, state.Delivery()) {
			t.Errorf("%s is not among the deliveries", state.Delivery())
		}
	}
}

// When an invitation ends, a mail that nobody holds is dropped, and one on its way is settled by who holds it.
func TestTheMailOfAnEndedInvitation(t *testing.T) {
	ends := map[string]func(*office, invitation.Invitation) error{
		"cancelled": func(o *office, i invitation.Invitation) error {
			_, _, err := o.Cancel(t.Context(), by(alder), i.ID, "")
			return err
		},
		"declined": func(o *office, i invitation.Invitation) error {
			_, _, err := o.Respond(t.Context(), linkOf(i), admin(larch), refusal)
			return err
		},
		"accepted": func(o *office, i invitation.Invitation) error {
			_, _, err := o.Respond(t.Context(), linkOf(i), admin(larch), acceptance)
			return err
		},
	}
	for name, end := range ends {
		for _, state := range []outbox.State{outbox.Queued, outbox.Waiting, outbox.Unknown} {
			o := open(t)
			inv := mailIs(state)(t, o)
			if err := end(o, inv); err != nil {
				t.Fatal(err)
			}
			got := o.stored(t, inv.Key)
			left := outbox.None
			if state == outbox.Unknown {
				left = outbox.Unknown // perhaps it went out; nobody sends it again
			}
			if got.Mail.State != left || got.Mail.Reason != name || !got.Mail.At.IsZero() {
				t.Errorf("%s while %s: %+v", name, state, got.Mail)
			}
			if at, due := got.Due(); !due || at.Before(got.EndedAt.Add(outbox.StreamGrace)) {
				t.Errorf("%s while %s: it is due for ever", name, state)
			}
		}
		for _, outcome := range []outbox.State{outbox.Sent, outbox.Waiting, outbox.Unknown, outbox.Failed, "a crash"} {
			t.Run(name+" while claimed, then "+string(outcome), func(t *testing.T) {
				o := open(t)
				inv := mailIs(outbox.Claimed)(t, o)
				if err := end(o, inv); err != nil {
					t.Fatal(err)
				}
				ended := o.stored(t, inv.Key)
				if ended.Mail.State != outbox.Claimed || ended.Mail.Owner != "mailer-1" {
					t.Fatalf("%+v", ended.Mail)
				}
				if outcome != "a crash" {
					settled, ok := ended.Settle(o.now(), "mailer-1", outbox.Outcome{State: outcome, MessageID: "ses-1"})
					if !ok || settled.Status != ended.Status || !settled.ExpiresAt.IsZero() {
						t.Fatalf("%v, %+v", ok, settled)
					}
					o.put(t, ended, settled)
				}
				o.pass(time.Hour)
				o.clean(t)
				got := o.stored(t, inv.Key)
				got.Post = outbox.Box{} // the notices are another queue
				if at, due := got.Due(); !due || !at.Equal(got.EraseAt) || got.Mail.State.Owed() && got.Mail.State != outbox.Unknown || string(got.Status) != name {
					t.Errorf("it is due for ever: %+v", got)
				}
				if _, did := got.Claim(o.now(), "mailer-2"); did.Send {
					t.Error("its mail is sent again")
				}
			})
		}
	}
}

func TestAMailThatIsAskedForAgainBelongsToNobody(t *testing.T) {
	o := open(t)
	inv := mailIs(outbox.Claimed)(t, o)
	o.pass(recipient.Cooldown)
	again, _, err := o.Resend(t.Context(), by(alder), inv.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := again.Settle(o.now(), "mailer-1", outbox.Outcome{State: outbox.Sent}); ok {
		t.Error("the older attempt settles the younger mail")
	}
}

// Promise 4: with the stream down for days everything comes home within two runs.
func TestCleanupBringsEverythingHome(t *testing.T) {
	o := open(t)
	for i, state := range allMailStates[1:7] {
		o.mailed(t, o.invite(t, by(alder), to(fmt.Sprintf("n%d@larch.example", i))), state)
	}
	o.pass(3 * 24 * time.Hour)
	if tally := o.clean(t); tally.Done["Requeued"] != 4 || len(tally.Done) != 1 || tally.Left != 0 || tally.Oldest != 3*24*time.Hour-30*time.Second {
		t.Errorf("%+v", tally)
	}
	o.pass(30 * 24 * time.Hour)
	if tally := o.clean(t); tally.Done["Requeued"] != 4 || tally.Done["Expired"] != 2 {
		t.Errorf("%+v", tally)
	}
	if tally := o.clean(t); !idle(tally) {
		t.Errorf("%+v", tally)
	}
}

func TestOneItemThatCannotBeDoneHoldsUpNoOther(t *testing.T) {
	o := open(t)
	for i := range 3 {
		o.mailed(t, o.invite(t, by(alder), to(fmt.Sprintf("n%d@larch.example", i))), outbox.Sent)
	}
	o.pass(invitation.DefaultDuration)
	poison := errors.New("poison")
	writes := 0
	o.store.Inject(func(op storetest.Operation) storetest.Fault {
		if op == storetest.Write {
			if writes++; writes == 2 {
				return storetest.Fault{Err: poison}
			}
		}
		return storetest.Fault{}
	})
	cleanup := o.round()
	tally, err := cleanup.Run(t.Context())
	if !errors.Is(err, poison) || tally.Done["Expired"] != 2 || tally.Left != 1 {
		t.Errorf("%+v, %v", tally, err)
	}
	if tally, err = cleanup.Run(t.Context()); err != nil || tally.Done["Expired"] != 1 {
		t.Errorf("the next run: %+v, %v", tally, err)
	}
}

func TestCleanupMeetsOthers(t *testing.T) {
	prepare := func() (*office, due.Round) {
		o := open(t)
		o.mailed(t, o.invite(t, by(alder), to("nora@larch.example")), outbox.Sent)
		o.pass(invitation.DefaultDuration)
		return o, o.round()
	}
	fail := func(o *office, op storetest.Operation, err error, times int) {
		o.store.Inject(func(got storetest.Operation) storetest.Fault {
			if got == op && times > 0 {
				times--
				return storetest.Fault{Err: err}
			}
			return storetest.Fault{}
		})
	}
	t.Run("a conflict is decided anew", func(t *testing.T) {
		o, c := prepare()
		fail(o, storetest.Write, invitation.ErrConflict, 3)
		if tally, err := c.Run(t.Context()); err != nil || tally.Done["Expired"] != 1 {
			t.Errorf("%+v, %v", tally, err)
		}
	})
	t.Run("a storm of conflicts leaves it due", func(t *testing.T) {
		o, c := prepare()
		fail(o, storetest.Write, invitation.ErrConflict, 1000)
		if tally, err := c.Run(t.Context()); !errors.Is(err, invitation.ErrConflict) || tally.Left != 1 {
			t.Errorf("%+v, %v", tally, err)
		}
	})
	t.Run("an item that is gone is done", func(t *testing.T) {
		o, c := prepare()
		fail(o, storetest.Invitation, problem.New(problem.NotFound, "gone"), 1)
		if tally, err := c.Run(t.Context()); err != nil || tally.Done["Expired"] != 0 || tally.Left != 0 {
			t.Errorf("%+v, %v", tally, err)
		}
	})
	t.Run("an item that cannot be read is left", func(t *testing.T) {
		o, c := prepare()
		fail(o, storetest.Invitation, errors.New("throttled"), 1)
		if tally, err := c.Run(t.Context()); err == nil || tally.Left != 1 {
			t.Errorf("%+v, %v", tally, err)
		}
	})
	t.Run("a list that cannot be read is an error", func(t *testing.T) {
		o, c := prepare()
		fail(o, storetest.Due, errors.New("throttled"), 1)
		if _, err := c.Run(t.Context()); err == nil {
			t.Error("no error")
		}
	})
	t.Run("it stops in time", func(t *testing.T) {
		_, c := prepare()
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		defer cancel()
		if tally, err := c.Run(ctx); err != nil || tally.Left != 1 || tally.Done["Expired"] != 0 {
			t.Errorf("%+v, %v", tally, err)
		}
	})
}

func TestTheTimelineIsBounded(t *testing.T) {
	o := open(t)
	inv := o.invite(t, by(alder), to("nora@larch.example"))
	for i := range 30 {
		var err error
		c := ifMatch(inv.Version)
		c.CorrelationID = fmt.Sprint(i)
		if inv, _, err = o.Revise(t.Context(), c, inv.ID, invitation.Revision{Reminders: ptr(i%2 == 0)}); err != nil {
			t.Fatal(err)
		}
	}
	h := inv.History
	if len(h) != 20 || h[0].Action != "created" || h[1].CorrelationID != "11" || h[19].CorrelationID != "29" {
		t.Errorf("%d entries, %+v", len(h), h)
	}
}

func TestSlot(t *testing.T) {
	slot := func(set func(*invitation.Invitation)) string {
		i := invitation.Invitation{Key: invitation.Key{Inviter: alder, ID: "inv_1"}, Kind: invitation.Reseller, RecipientEmail: "nora@larch.example"}
		set(&i)
		return i.Slot()
	}
	plain := slot(func(*invitation.Invitation) {})
	if plain == "" || strings.Contains(plain, "nora") {
		t.Errorf("slot %q", plain)
	}
	if got := slot(func(i *invitation.Invitation) { i.RecipientEmail = "NORA@Larch.Example" }); got != plain {
		t.Error("the same address in another case has another slot")
	}
	if got := slot(func(i *invitation.Invitation) { i.Customer = larch.Tenant }); got != plain {
		t.Error("binding by an answer moves the slot")
	}
	for name, set := range map[string]func(*invitation.Invitation){
		"another address":  func(i *invitation.Invitation) { i.RecipientEmail = "other@larch.example" },
		"another kind":     func(i *invitation.Invitation) { i.Kind = "partnership" },
		"a named customer": func(i *invitation.Invitation) { i.Customer, i.Bound = larch.Tenant, true },
		"no recipient":     func(i *invitation.Invitation) { i.RecipientEmail = "" },
	} {
		if got := slot(set); got == plain {
			t.Errorf("%s has the same slot", name)
		}
	}
}

func TestReference(t *testing.T) {
	for id, want := range map[string]string{"inv_abcdefghijklmnop": "ABCDE-FGHIJ", "inv_abcdef": "ABCDE-F", "inv_": "-", "": "-"} {
		if got := (invitation.Invitation{Key: invitation.Key{ID: id}}).Reference(); got != want {
			t.Errorf("Reference of %q = %q, want %q", id, got, want)
		}
	}
}

func TestQueryMatches(t *testing.T) {
	i := letterIn(invitation.Pending, outbox.Sent)
	i.RecipientEmail, i.CreatedAt, i.ExpiresAt, i.Customer = "Nora@Müller.de", start, start.Add(time.Hour), larch.Tenant
	for name, c := range map[string]struct {
		q    invitation.Query
		want bool
	}{
		"everything":                      {invitation.Query{}, true},
		"status":                          {invitation.Query{Status: invitation.Pending, Now: start}, true},
		"status whose time is over":       {invitation.Query{Status: invitation.Pending, Now: start.Add(time.Hour)}, false},
		"expired although nobody noticed": {invitation.Query{Status: invitation.Expired, Now: start.Add(time.Hour)}, true},
		"kind":                            {invitation.Query{Kind: invitation.Reseller}, true},
		"another kind":                    {invitation.Query{Kind: "partnership"}, false},
		"address in the other form":       {invitation.Query{RecipientEmail: "NORA@xn--mller-kva.de"}, true},
		"another address":                 {invitation.Query{RecipientEmail: "nora@larch.example"}, false},
		"what is no address":              {invitation.Query{RecipientEmail: "nora"}, false},
		"customer":                        {invitation.Query{Customer: larch.Tenant}, true},
		"another customer":                {invitation.Query{Customer: partner.TenantID("x")}, false},
		"delivery":                        {invitation.Query{DeliveryState: outbox.DeliverySent}, true},
		"another delivery":                {invitation.Query{DeliveryState: outbox.DeliverySending}, false},
		"created at the second":           {invitation.Query{CreatedAfter: start}, true},
		"created before":                  {invitation.Query{CreatedAfter: start.Add(time.Second)}, false},
		"created by the second":           {invitation.Query{CreatedBefore: start}, false},
		"created by a second later":       {invitation.Query{CreatedBefore: start.Add(time.Second)}, true},
	} {
		if got := c.q.Matches(i); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	i.RecipientEmail = ""
	if (invitation.Query{RecipientEmail: "nora"}).Matches(i) {
		t.Error("what is no address matches an invitation without one")
	}
}
