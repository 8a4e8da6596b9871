package invitation_test

import (
	"slices"
	"testing"
	"time"

	"concord/internal/invitation"
	"concord/internal/outbox"
	"concord/internal/problem"
	"concord/internal/recipient"
)

// posts claims the notices that an invitation owes and settles each as said, as the mailer does. It gives what was claimed.
func (o *office) posts(t *testing.T, k invitation.Key, outcome func(outbox.Kind) outbox.Outcome) []outbox.Kind {
	t.Helper()
	before := o.stored(t, k)
	claimed, did := before.ClaimPost(o.now(), "mailer-1")
	if !did.Changed {
		return nil
	}
	o.put(t, before, claimed)
	if !did.Send {
		return nil
	}
	outcomes := map[outbox.Kind]outbox.Outcome{}
	for _, n := range claimed.Post.Owed {
		outcomes[n] = outcome(n)
	}
	settled, mine := claimed.SettlePost(o.now(), "mailer-1", outcomes)
	if !mine {
		t.Fatal("the claim is lost")
	}
	o.put(t, claimed, settled)
	return claimed.Post.Owed
}

func taken(outbox.Kind) outbox.Outcome {
	return outbox.Outcome{State: outbox.Sent, MessageID: "ses-2"}
}

const day = 24 * time.Hour

// Reminders go 7 days and 1 day before the end, once each (G3), whatever the cleanup misses.
func TestReminders(t *testing.T) {
	for _, c := range []struct {
		name     string
		duration time.Duration
		runs     []time.Duration // after the mail
		want     []time.Duration // of the runs at which a reminder goes
		whys     []string
	}{
		{"of thirty days", 30 * day, []time.Duration{22 * day, 23 * day, 24 * day, 29 * day, 29*day + time.Hour}, []time.Duration{23 * day, 29 * day}, []string{"7d", "1d"}},
		{"of ninety days", 90 * day, []time.Duration{82 * day, 83 * day, 89 * day}, []time.Duration{83 * day, 89 * day}, []string{"7d", "1d"}},
		{"of a week: the first would go with the mail", 7 * day, []time.Duration{time.Minute, 6 * day}, []time.Duration{6 * day}, []string{"1d"}},
		{"of eight days", 8 * day, []time.Duration{day, 7 * day}, []time.Duration{day, 7 * day}, []string{"7d", "1d"}},
		{"of two days", 2 * day, []time.Duration{time.Hour, day}, []time.Duration{day}, []string{"1d"}},
		{"of a day", day, []time.Duration{time.Minute, 12 * time.Hour, 23 * time.Hour}, nil, nil},
		{"late by three days", 30 * day, []time.Duration{26 * day, 29 * day}, []time.Duration{26 * day, 29 * day}, []string{"7d", "1d"}},
		{"late for the first", 30 * day, []time.Duration{29*day + time.Hour}, []time.Duration{29*day + time.Hour}, []string{"1d"}},
		{"too late for either", 30 * day, []time.Duration{30*day - time.Minute}, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := open(t)
			p := to("nora@larch.example")
			p.Duration = &c.duration
			inv := o.mailed(t, o.invite(t, by(alder), p), outbox.Sent)
			sent := o.now()
			var got []time.Duration
			for _, at := range c.runs {
				o.pass(sent.Add(at).Sub(o.now()))
				o.clean(t)
				o.clean(t)
				if slices.Contains(o.posts(t, inv.Key, taken), invitation.ReminderNotice) {
					got = append(got, at)
				}
			}
			after := o.stored(t, inv.Key)
			var whys []string
			for _, e := range after.History {
				if e.Action == "reminded" {
					whys = append(whys, e.Why)
				}
			}
			if !slices.Equal(got, c.want) || !slices.Equal(whys, c.whys) || after.Generation != 1 {
				t.Errorf("reminded after %v of %v, %v, generation %d", got, c.want, whys, after.Generation)
			}
			if at, ok := after.Due(); !ok || after.Status != invitation.Pending || at.After(after.ExpiresAt) {
				t.Errorf("due at %v, it ends at %v", at, after.ExpiresAt)
			}
		})
	}
}

func TestNoReminder(t *testing.T) {
	for name, make := range map[string]func(*testing.T, *office) invitation.Invitation{
		"not wanted by the partner": func(t *testing.T, o *office) invitation.Invitation {
			p := to("nora@larch.example")
			p.Reminders = ptr(false)
			return o.mailed(t, o.invite(t, by(alder), p), outbox.Sent)
		},
		"mailed by the partner": func(t *testing.T, o *office) invitation.Invitation {
			return o.done(t, o.invite(t, by(alder), to("nora@larch.example")))
		},
		"its mail bounced": func(t *testing.T, o *office) invitation.Invitation {
			inv := mailIs(outbox.Sent)(t, o)
			after, _ := inv.Feedback(o.now(), outbox.Report{State: outbox.Bounced, MessageID: inv.Mail.MessageID, Generation: 1})
			return o.put(t, inv, after)
		},
		"unsubscribed": func(t *testing.T, o *office) invitation.Invitation {
			inv := mailIs(outbox.Sent)(t, o)
			if _, c, err := o.Unsubscribe(t.Context(), linkOf(inv), &invitation.Plea{}); err != nil || c != invitation.Unsubscribed {
				t.Fatal(c, err)
			}
			return inv
		},
		"accepted": func(t *testing.T, o *office) invitation.Invitation {
			inv := mailIs(outbox.Sent)(t, o)
			o.answer(t, linkOf(inv), admin(larch), acceptance)
			return inv
		},
	} {
		o := open(t)
		inv := make(t, o)
		for range 31 {
			o.pass(day)
			o.clean(t)
			if slices.Contains(o.stored(t, inv.Key).Post.Owed, invitation.ReminderNotice) {
				t.Errorf("%s: and yet reminded", name)
			}
		}
	}
}

// A new link has reminders of its own, and takes those that the old one owed.
func TestResendingStartsTheRemindersAgain(t *testing.T) {
	o := open(t)
	inv := mailIs(outbox.Sent)(t, o)
	o.pass(23 * day)
	o.clean(t)
	if owed := o.stored(t, inv.Key).Post.Owed; !slices.Equal(owed, []outbox.Kind{invitation.ReminderNotice}) {
		t.Fatal(owed)
	}
	again, _, err := o.Resend(t.Context(), by(alder), inv.ID)
	if err != nil || len(again.Post.Owed) != 0 || again.Post.State != outbox.None || again.Reminded != 0 {
		t.Fatalf("%v, %+v", err, again.Post)
	}
}

// An answer owes the receipts in the write that stores it; a reminder that was owed has lost its point.
func TestAnAnswerOwesReceipts(t *testing.T) {
	for _, c := range []struct {
		name    string
		address *string
		signer  string
		sandbox bool
		want    []outbox.Kind
	}{
		{"by whom it was sent to", ptr("nora@larch.example"), "Nora@LARCH.example", false, []outbox.Kind{invitation.ReceiptNotice, invitation.AnswerNotice}},
		{"by somebody else", ptr("nora@larch.example"), "admin@larch.example", false, []outbox.Kind{invitation.ReceiptNotice, invitation.CopyNotice, invitation.AnswerNotice}},
		{"sent to nobody", nil, "admin@larch.example", false, []outbox.Kind{invitation.CopyNotice, invitation.AnswerNotice}},
		{"by somebody without an address", ptr("nora@larch.example"), "", false, []outbox.Kind{invitation.ReceiptNotice, invitation.AnswerNotice}},
		{"by somebody with something else", nil, "nora at larch", false, []outbox.Kind{invitation.AnswerNotice}},
		{"a rehearsal", ptr("success@simulator.amazonses.com"), "admin@larch.example", true, []outbox.Kind{invitation.ReceiptNotice}},
	} {
		for _, r := range []invitation.Response{acceptance, refusal} {
			o := open(t)
			inv := o.invite(t, by(alder), invitation.Proposal{Kind: invitation.Reseller, RecipientEmail: c.address, Sandbox: &c.sandbox})
			who := admin(larch)
			who.Email = c.signer
			o.answer(t, linkOf(inv), who, r)
			got := o.stored(t, inv.Key)
			if !slices.Equal(got.Post.Owed, c.want) || got.Post.State != outbox.Queued {
				t.Errorf("%s, %s: %+v", c.name, r.Answer, got.Post)
			}
			for _, n := range got.Post.Owed {
				address := ""
				if c.address != nil {
					address = *c.address
				}
				want := map[outbox.Kind]string{invitation.ReceiptNotice: address, invitation.CopyNotice: c.signer}[n]
				if invitation.Notices.Address(got, n) != want || invitation.Notices.ToPartner(n) != (n == invitation.AnswerNotice) {
					t.Errorf("%s: the %s goes to %q", c.name, n, invitation.Notices.Address(got, n))
				}
			}
		}
	}
}

// What becomes of notices: each outcome, beside one that goes.
func TestSettlePost(t *testing.T) {
	for _, c := range []struct {
		name     string
		notice   outbox.Kind
		outcome  outbox.Outcome
		left     bool
		wait     time.Duration
		attempts int
		history  bool
	}{
		{"sent", invitation.ReceiptNotice, outbox.Outcome{State: outbox.Sent}, false, 0, 0, false},
		{"failed", invitation.ReceiptNotice, outbox.Outcome{State: outbox.Failed, Reason: "refused"}, false, 0, 0, true},
		{"waiting", invitation.ReceiptNotice, outbox.Outcome{State: outbox.Waiting, Reason: "throttled"}, true, 30 * time.Second, 1, false},
		{"over the rate", invitation.ReceiptNotice, outbox.Outcome{State: outbox.Waiting, Reason: "quota", Later: time.Hour}, true, time.Hour, 0, false},
		{"unknown", invitation.ReceiptNotice, outbox.Outcome{State: outbox.Unknown, Reason: "timeout"}, true, outbox.UnknownGrace, 1, false},
		{"a reminder, unknown", invitation.ReminderNotice, outbox.Outcome{State: outbox.Unknown, Reason: "timeout"}, false, 0, 0, true},
		{"a reminder, waiting", invitation.ReminderNotice, outbox.Outcome{State: outbox.Waiting, Reason: "throttled"}, true, 30 * time.Second, 1, false},
		{"a reminder, sent", invitation.ReminderNotice, outbox.Outcome{State: outbox.Sent}, false, 0, 0, true},
	} {
		i := letterIn(invitation.Pending, outbox.Sent)
		i.Reminded = 1
		i.Post = outbox.Box{State: outbox.Claimed, Owed: []outbox.Kind{c.notice, invitation.AnswerNotice}, Attempts: 1, Owner: "me", At: start.Add(outbox.Lease)}
		if _, mine := i.SettlePost(start, "somebody else", nil); mine {
			t.Fatal("somebody else's claim is settled")
		}
		got, mine := i.SettlePost(start, "me", map[outbox.Kind]outbox.Outcome{c.notice: c.outcome, invitation.AnswerNotice: {State: outbox.Sent}})
		want := outbox.Box{}
		if c.left {
			state := outbox.Waiting
			if c.outcome.State == outbox.Unknown {
				state = outbox.Unknown
			}
			want = outbox.Box{State: state, Owed: []outbox.Kind{c.notice}, Attempts: c.attempts, At: start.Add(c.wait), Reason: c.outcome.Reason}
		}
		if !mine || got.Post.State != want.State || !slices.Equal(got.Post.Owed, want.Owed) || got.Post.Attempts != want.Attempts || !got.Post.At.Equal(want.At) ||
			got.Post.Reason != want.Reason || got.Post.Owner != "" || (len(got.History) > len(i.History)) != c.history || got.Mail != i.Mail {
			t.Errorf("%s: %+v, want %+v, history %v", c.name, got.Post, want, got.History)
		}
	}
}

// What came to be owed while a mailer was at work goes after it, at once.
func TestNoticesThatCameDuringAClaim(t *testing.T) {
	o := open(t)
	inv := mailIs(outbox.Sent)(t, o)
	o.pass(23 * day)
	o.clean(t)
	before := o.stored(t, inv.Key)
	claimed, did := before.ClaimPost(o.now(), "me")
	if !did.Send {
		t.Fatal(before.Post)
	}
	o.put(t, before, claimed)
	o.answer(t, linkOf(inv), admin(larch), acceptance)
	now := o.stored(t, inv.Key)
	if now.Post.State != outbox.Claimed || len(now.Post.Owed) != 4 {
		t.Fatalf("%+v", now.Post)
	}
	settled, mine := now.SettlePost(o.now(), "me", map[outbox.Kind]outbox.Outcome{invitation.ReminderNotice: taken("")})
	if !mine || settled.Post.State != outbox.Queued || slices.Contains(settled.Post.Owed, invitation.ReminderNotice) || len(settled.Post.Owed) != 3 {
		t.Errorf("%v, %+v", mine, settled.Post)
	}
}

func TestNoticesAreGivenUpInTheEnd(t *testing.T) {
	o := open(t)
	inv := mailIs(outbox.Sent)(t, o)
	o.answer(t, linkOf(inv), admin(larch), acceptance)
	tries := 0
	for range 3 * outbox.MaxAttempts {
		if o.posts(t, inv.Key, func(outbox.Kind) outbox.Outcome {
			return outbox.Outcome{State: outbox.Waiting, Reason: "throttled"}
		}) != nil {
			tries++
		}
		o.pass(2 * time.Hour)
		o.clean(t)
	}
	got := o.stored(t, inv.Key)
	if tries != outbox.MaxAttempts || got.Post.State != outbox.None || got.History[len(got.History)-1].Action != "notice failed" {
		t.Errorf("%d tries, %+v, %v", tries, got.Post, got.History)
	}
}

// A reminder counts for the cooldown of its recipient, and not for a partner's mails of the day.
func TestAReminderIsAMailToItsRecipient(t *testing.T) {
	o := open(t)
	inv := mailIs(outbox.Sent)(t, o)
	o.pass(23 * day)
	o.clean(t)
	owing := o.stored(t, inv.Key)
	for range 2 { // what was allowed is allowed again
		if err := owing.AllowReminder(t.Context(), o.store, o.now()); err != nil {
			t.Fatal(err)
		}
	}
	o.pass(time.Minute)
	_, _, err := o.Resend(t.Context(), by(alder), inv.ID)
	wantCode(t, err, problem.ResendCooldown)
	o.pass(recipient.Cooldown)
	if _, _, err := o.Resend(t.Context(), by(alder), inv.ID); err != nil {
		t.Fatal(err)
	}
	soon := o.mailedAgain(t, inv.Key)
	soon.Reminded = 1
	wantCode(t, soon.AllowReminder(t.Context(), o.store, o.now()), problem.ResendCooldown)
	if _, _, err := o.Report(t.Context(), linkOf(o.stored(t, inv.Key)), &invitation.Plea{Reason: "unknown-company"}); err != nil {
		t.Fatal(err)
	}
	wantCode(t, owing.AllowReminder(t.Context(), o.store, o.now()), problem.RecipientSuppressed)
}

// A claim that nobody settles is over at the end of its lease: whoever comes then, a mailer or the cleanup. A reminder of it may have
// gone and does not go again; everything else does.
func TestAClaimThatNobodySettled(t *testing.T) {
	for _, c := range []struct {
		owed []outbox.Kind
		left []outbox.Kind
	}{
		{[]outbox.Kind{invitation.ReminderNotice}, nil},
		{[]outbox.Kind{invitation.ReminderNotice, invitation.RenewalNotice}, []outbox.Kind{invitation.RenewalNotice}},
		{[]outbox.Kind{invitation.ReceiptNotice, invitation.AnswerNotice}, []outbox.Kind{invitation.ReceiptNotice, invitation.AnswerNotice}},
	} {
		i := letterIn(invitation.Pending, outbox.Sent)
		i.ExpiresAt, i.Reminded = start.Add(day), 2
		i.Post = outbox.Box{State: outbox.Claimed, Owed: c.owed, Attempts: 1, Owner: "dead", At: start.Add(outbox.Lease)}
		if _, changed := i.Tick(start); changed {
			t.Error("cleanup ends a lease early")
		}
		if _, did := i.ClaimPost(start, "next"); did.Changed {
			t.Error("a mailer ends a lease early")
		}
		late := start.Add(outbox.Lease)
		ticked, changed := i.Tick(late)
		queued := outbox.Queued
		if len(c.left) == 0 {
			queued = outbox.None
		}
		if !changed || ticked.Post.State != queued || !slices.Equal(ticked.Post.Owed, c.left) || ticked.Post.Owner != "" {
			t.Errorf("%v: cleanup makes it %+v", c.owed, ticked.Post)
		}
		claimed, did := i.ClaimPost(late, "next")
		if !did.Changed || did.Send != (len(c.left) > 0) || !slices.Equal(claimed.Post.Owed, c.left) || did.Send && (claimed.Post.Owner != "next" || claimed.Post.Attempts != 2) {
			t.Errorf("%v: the next mailer has %+v, %v", c.owed, claimed.Post, did.Send)
		}
		given := slices.ContainsFunc(claimed.History, func(e invitation.Entry) bool { return e.Why == "reminder outcome_unknown" })
		if given != (c.owed[0] == invitation.ReminderNotice) || len(ticked.History) != len(claimed.History) {
			t.Errorf("%v: %v", c.owed, claimed.History)
		}
	}
	// One that waits was never handed over.
	i := letterIn(invitation.Pending, outbox.Sent)
	i.ExpiresAt, i.Reminded = start.Add(day), 2
	i.Post = outbox.Box{State: outbox.Waiting, Owed: []outbox.Kind{invitation.ReminderNotice}, Attempts: 1, At: start.Add(time.Minute)}
	if again, _ := i.Tick(start.Add(time.Minute)); again.Post.State != outbox.Queued || len(again.Post.Owed) != 1 {
		t.Errorf("%+v", again.Post)
	}
}
