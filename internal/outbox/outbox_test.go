package outbox_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"concord/internal/outbox"
)

const (
	plain    outbox.Kind = "plain"
	once     outbox.Kind = "once"
	followed outbox.Kind = "followed"
)

var start = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// parcel is an aggregate that owes mails.
type parcel struct {
	box     outbox.Box
	version int
	ended   bool
	notes   []string
}

func (p *parcel) note(format string, of ...any) {
	p.notes = append(p.notes, fmt.Sprintf(format, of...))
}

var mails = outbox.Table[parcel]{
	Kinds: []outbox.Mail[parcel]{
		{Kind: plain, To: func(parcel) string { return "ada@larch.example" }, Pointless: func(p parcel,
			_ time.Time) bool {
			return p.ended
		}},
		{Kind: once, Once: true, ToPartner: true},
		{
			Kind: followed, Sent: func(p *parcel, _ time.Time, id string) { p.note("followed sent %s", id) },
			GivenUp: func(p *parcel, _ time.Time, reason string) { p.note("followed failed: %s", reason) },
		},
	},
	Load: func(p parcel) outbox.Box { return p.box },
	Save: func(p *parcel, b outbox.Box) { p.box = b },
	Next: func(p parcel) parcel {
		p.version++
		p.notes = slices.Clone(p.notes)
		return p
	},
	GivenUp: func(p *parcel, _ time.Time, k outbox.Kind, reason string) { p.note("%s given up: %s", k, reason) },
}

func owing(kinds ...outbox.Kind) parcel {
	var p parcel
	p.box.Enqueue(start, kinds...)
	return p
}

func all(o outbox.Outcome) map[outbox.Kind]outbox.Outcome {
	return map[outbox.Kind]outbox.Outcome{plain: o, once: o, followed: o}
}

// claimed gives an aggregate as a mailer holds it.
func claimed(t *testing.T, p parcel, now time.Time) parcel {
	t.Helper()
	n, c := mails.Claim(p, now, "me")
	if !c.Changed || !c.Send {
		t.Fatalf("nothing to send: %+v, %+v", c, p.box)
	}
	return n
}

// settled gives an aggregate after a mailer's attempt at everything.
func settled(t *testing.T, p parcel, now time.Time, o outbox.Outcome) parcel {
	t.Helper()
	n, mine := mails.Settle(p, now, "me", all(o))
	if !mine {
		t.Fatalf("the claim is not its own: %+v", p.box)
	}
	return n
}

// Attempts are counted before the send, one for each claim, and what waits for no fault of its own has none counted.
func TestAttemptsAreCounted(t *testing.T) {
	p, now := owing(plain), start
	for attempt := 1; attempt <= outbox.MaxAttempts; attempt++ {
		if p = claimed(t, p, now); p.box.Attempts != attempt {
			t.Fatalf("attempt %d is counted as %d", attempt, p.box.Attempts)
		}
		held := settled(t, p, now, outbox.Outcome{State: outbox.Waiting, Reason: "quota_exceeded", Later: time.Hour})
		if held.box.Attempts != attempt-1 || !held.box.At.Equal(now.Add(time.Hour)) {
			t.Fatalf("what is not at fault: %+v", held.box)
		}
		p = settled(t, p, now, outbox.Outcome{State: outbox.Waiting, Reason: "sender_unreachable"})
		pause := min(30*time.Second<<(attempt-1), time.Hour)
		if p.box.Attempts != attempt || p.box.State != outbox.Waiting || !p.box.At.Equal(now.Add(pause)) ||
			p.box.Reason != "sender_unreachable" {
			t.Fatalf("attempt %d: %+v at %s", attempt, p.box, now)
		}
		now = p.box.At
		if _, due := mails.Resume(&p, now.Add(-time.Second)); due {
			t.Fatal("resumed before its time")
		}
		if given, due := mails.Resume(&p, now); !due || len(given) > 0 || p.box.State != outbox.Queued ||
			p.box.Attempts != attempt {
			t.Fatalf("resumed as %+v", p.box)
		}
	}
	p, c := mails.Claim(p, now, "me")
	if !c.Changed || c.Send || !slices.Equal(c.GivenUp, []outbox.Loss{{plain, outbox.AttemptsUsedUp}}) ||
		p.box.State != outbox.None {
		t.Errorf("%+v, %+v", c, p.box)
	}
	if want := []string{"plain given up: attempts_used_up"}; !slices.Equal(p.notes, want) {
		t.Errorf("noted %q, want %q", p.notes, want)
	}
}

// A claim is one mailer's until its lease is over.
func TestLease(t *testing.T) {
	p := claimed(t, owing(plain), start)
	if p.box.Owner != "me" || p.version != 1 || p.box.At.Before(start.Add(outbox.Lease)) {
		t.Fatalf("%+v", p.box)
	}
	if _, c := mails.Claim(p, p.box.At.Add(-time.Second), "other"); c.Changed {
		t.Error("claimed twice")
	}
	if _, mine := mails.Settle(p, start, "other", all(outbox.Outcome{State: outbox.Sent})); mine {
		t.Error("settled by another")
	}
	if n, c := mails.Claim(p, p.box.At, "other"); !c.Send || n.box.Owner != "other" || n.box.Attempts != 2 {
		t.Errorf("%+v, %+v", c, n.box)
	}
	late := owing(plain)
	if n := claimed(t, late, start.Add(time.Hour)); !n.box.At.Equal(start.Add(time.Hour + outbox.Lease)) {
		t.Errorf("the lease is over at %s", n.box.At)
	}
}

// What nobody knows waits for SES to say so, and goes again, as often as any other; a kind that goes once is given up.
func TestUnknownOutcomes(t *testing.T) {
	unknown := outbox.Outcome{State: outbox.Unknown, Reason: "sender_silent"}
	p := settled(t, claimed(t, owing(plain, once), start), start, unknown)
	if p.box.State != outbox.Unknown || p.box.Attempts != 1 || !p.box.At.Equal(start.Add(outbox.UnknownGrace)) ||
		!slices.Equal(p.box.Owed, []outbox.Kind{plain}) {
		t.Errorf("%+v", p.box)
	}
	if want := []string{"once given up: sender_silent"}; !slices.Equal(p.notes, want) {
		t.Errorf("noted %q, want %q", p.notes, want)
	}
	taken := p
	if taken.box.Took(plain); taken.box.State != outbox.None {
		t.Errorf("SES has it: %+v", taken.box)
	}
	sends := 1
	for p.box.State != outbox.None && sends < 100 {
		now := p.box.At
		mails.Resume(&p, now)
		n, c := mails.Claim(p, now, "me")
		if p = n; c.Send {
			sends++
			p = settled(t, p, now, unknown)
		}
	}
	if sends != outbox.MaxAttempts {
		t.Errorf("sent %d times", sends)
	}
	untried := owing(plain)
	if untried.box.Took(plain); untried.box.State != outbox.Queued {
		t.Errorf("nobody has tried: %+v", untried.box)
	}
}

// A claim that nobody settled may have sent: what goes once is given up, by cleanup and by the next mailer alike, and
// the rest goes again.
func TestUnsettledClaims(t *testing.T) {
	held := claimed(t, owing(once, plain), start)
	byCleanup := mails.Next(held)
	given, due := mails.Resume(&byCleanup, held.box.At)
	byMailer, c := mails.Claim(held, held.box.At, "next")
	want := []outbox.Loss{{once, outbox.OutcomeUnknown}}
	if !due || !slices.Equal(given, want) || !slices.Equal(c.GivenUp, want) || !c.Send {
		t.Errorf("%v, %+v", given, c)
	}
	for _, p := range []parcel{byCleanup, byMailer} {
		if !slices.Equal(p.box.Owed, []outbox.Kind{plain}) || !slices.Equal(p.notes,
			[]string{"once given up: outcome_unknown"}) {
			t.Errorf("%+v, %q", p.box, p.notes)
		}
	}
}

// What each kind says of itself is done when it has gone or never will, and of several each for itself.
func TestEachForItself(t *testing.T) {
	p, mine := mails.Settle(claimed(t, owing(plain, once, followed), start), start, "me", map[outbox.Kind]outbox.Outcome{
		plain: {State: outbox.Waiting, Reason: "rate_exceeded", Later: time.Minute}, once: {State: outbox.Failed,
			Reason: "no_contact"},
		followed: {State: outbox.Sent, MessageID: "ses-1"},
	})
	if want := []string{"once given up: no_contact", "followed sent ses-1"}; !mine || !slices.Equal(p.notes, want) {
		t.Errorf("noted %q, want %q", p.notes, want)
	}
	if p.box.State != outbox.Waiting || p.box.Attempts != 0 || p.box.Reason != "rate_exceeded" ||
		!slices.Equal(p.box.Owed, []outbox.Kind{plain}) {
		t.Errorf("%+v", p.box)
	}
	p = settled(t, claimed(t, owing(followed), start), start, outbox.Outcome{State: outbox.Failed,
		Reason: "message_rejected"})
	if want := []string{"followed failed: message_rejected"}; !slices.Equal(p.notes, want) || p.box.State != outbox.None {
		t.Errorf("noted %q, want %q", p.notes, want)
	}
	// Of several that wait the next attempt is when the first may go; one that is at fault counts for all.
	p, _ = mails.Settle(claimed(t, owing(plain, followed), start), start, "me", map[outbox.Kind]outbox.Outcome{
		plain: {State: outbox.Unknown, Reason: "sender_silent"}, followed: {State: outbox.Waiting, Reason: "rate_exceeded",
			Later: time.Minute},
	})
	if p.box.State != outbox.Waiting || p.box.Attempts != 1 || !p.box.At.Equal(start.Add(time.Minute)) {
		t.Errorf("%+v", p.box)
	}
}

// What came to be owed while a mailer was at work, or what it had no time for, goes after it; one asked for anew goes
// once more.
func TestWhatComesDuringAClaim(t *testing.T) {
	p := claimed(t, owing(plain), start)
	p.box.Enqueue(start, followed, plain, plain)
	p.box.Abandon(plain)
	if want := []outbox.Kind{plain, followed, plain}; !slices.Equal(p.box.Owed, want) || p.box.State != outbox.Claimed {
		t.Fatalf("%+v, want %v", p.box, want)
	}
	n, mine := mails.Settle(p, start, "me", map[outbox.Kind]outbox.Outcome{plain: {State: outbox.Sent}})
	if !mine || n.box.State != outbox.Queued || n.box.Attempts != 0 || !slices.Equal(n.box.Owed, []outbox.Kind{followed,
		plain}) {
		t.Errorf("%+v", n.box)
	}
	failing, _ := mails.Settle(p, start, "me", map[outbox.Kind]outbox.Outcome{plain: {State: outbox.Waiting}})
	mails.Resume(&failing, failing.box.At)
	if next := claimed(t, failing, failing.box.At); len(next.box.Owed) != 2 {
		t.Errorf("of each kind one goes: %+v", next.box)
	}
}

// Of each kind one goes, the newest; what has lost its point is forgotten.
func TestEnqueueAndAbandon(t *testing.T) {
	p := owing(plain, once)
	p.box.Attempts = 3
	p.box.Enqueue(start.Add(time.Hour), plain)
	if want := []outbox.Kind{once, plain}; !slices.Equal(p.box.Owed, want) || p.box.Attempts != 0 ||
		!p.box.At.Equal(start.Add(time.Hour+outbox.StreamGrace)) {
		t.Errorf("%+v", p.box)
	}
	if p.box.Abandon(once); !slices.Equal(p.box.Owed, []outbox.Kind{plain}) || p.box.State != outbox.Queued {
		t.Errorf("%+v", p.box)
	}
	p.ended = true
	if n, c := mails.Claim(p, start, "me"); !c.Changed || c.Send || len(c.GivenUp) > 0 || n.box.State != outbox.None ||
		len(n.notes) > 0 {
		t.Errorf("%+v, %+v", c, n)
	}
	if p.box.Abandon(plain); p.box.State != outbox.None {
		t.Errorf("%+v", p.box)
	}
	later := owing("of a later version")
	if n := claimed(t, later, start); n.box.State != outbox.Claimed {
		t.Errorf("%+v", n.box)
	}
	if mails.Address(parcel{}, plain) == "" || mails.Address(parcel{}, once) != "" || !mails.ToPartner(once) ||
		mails.ToPartner(plain) {
		t.Error("addresses")
	}
}

// The order of what SES says, with the place of an automatic reply before a delivery.
func TestOrderOfReports(t *testing.T) {
	order := []outbox.Report{
		{State: outbox.Sent}, {State: outbox.Delayed}, {State: outbox.Bounced, Reason: outbox.TransientBounce},
		{State: outbox.Delivered},
		{State: outbox.Rejected}, {State: outbox.Suppressed}, {State: outbox.Bounced, Reason: "address_unknown"},
		{State: outbox.Complained},
	}
	for n, r := range order {
		if !r.Speaks() || !r.State.Taken() {
			t.Errorf("%s says nothing", r.State)
		}
		for m, before := range order {
			if r.Takes(before.State, before.Reason) != (n > m) {
				t.Errorf("%s %s over %s %s", r.State, r.Reason, before.State, before.Reason)
			}
		}
		for _, s := range []outbox.State{outbox.None, outbox.Queued, outbox.Claimed, outbox.Waiting, outbox.Unknown,
			outbox.Failed} {
			if !r.Takes(s, "") || s.Taken() || (outbox.Report{State: s}).Speaks() {
				t.Errorf("%s over %s", r.State, s)
			}
		}
	}
}
