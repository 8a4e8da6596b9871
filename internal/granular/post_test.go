package granular_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/language"

	"concord/internal/granular"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/problem"
)

// quota allows what it is told to, and remembers what was asked.
type quota struct {
	refusal error
	asked   []string
}

func (q *quota) Allow(_ context.Context, account partner.Account, recipient, id string, generation int, _ time.Time) error {
	q.asked = append(q.asked, strings.Join([]string{string(account.Tenant), recipient, id, strings.Repeat("i", generation)}, " "))
	return q.refusal
}

func (o *office) send(r granular.Relationship, to string) granular.Relationship {
	o.Helper()
	o.Locales = []language.Tag{language.English, language.French}
	if o.Quota == nil {
		o.Quota = &quota{}
	}
	r, _, err := o.Send(o.Context(), o.command(), r.ID, granular.Addressee{RecipientEmail: &to})
	if err != nil {
		o.Fatal(err)
	}
	return r
}

// post carries out a step of the mailer or of time over what is stored.
func (o *office) post(r granular.Relationship, step func(granular.Relationship) (granular.Relationship, bool)) granular.Relationship {
	o.Helper()
	before := o.stored(r)
	after, changed := step(before)
	if !changed {
		o.Fatal("nothing has changed")
	}
	if err := o.store.WriteGranular(o.Context(), granular.Change{Before: &before, After: after}); err != nil {
		o.Fatal(err)
	}
	return after
}

func (o *office) claim(r granular.Relationship) granular.Relationship {
	o.Helper()
	return o.post(r, func(r granular.Relationship) (granular.Relationship, bool) {
		n, did := r.ClaimPost(o.clock, "mailer 1")
		return n, did.Send
	})
}

func (o *office) settle(r granular.Relationship, outcome outbox.Outcome) granular.Relationship {
	o.Helper()
	return o.post(r, func(r granular.Relationship) (granular.Relationship, bool) {
		all := map[outbox.Kind]outbox.Outcome{}
		for _, n := range r.Post.Owed {
			all[n] = outcome
		}
		return r.SettlePost(o.clock, "mailer 1", all)
	})
}

// TestSend: who is asked, in which words, how often.
func TestSend(t *testing.T) {
	o := open(t)
	q := &quota{}
	o.Quota, o.Locales = q, []language.Tag{language.English, language.French}
	r := o.create()
	refused := func(code problem.Code, to granular.Addressee, findings ...string) {
		t.Helper()
		_, _, err := o.Send(t.Context(), o.command(), r.ID, to)
		if !problem.Is(err, code) {
			t.Errorf("%v, want %s", err, code)
		}
		p, _ := errors.AsType[*problem.Error](err)
		for n, want := range findings {
			if len(p.Findings) != len(findings) || p.Findings[n].Pointer != want {
				t.Errorf("%v, want %v", p.Findings, findings)
			}
		}
	}
	larch := granular.Addressee{RecipientEmail: new("ada@larch.example")}
	refused(problem.InvalidTransition, larch)
	r = o.lock(r)
	refused(problem.RecipientEmailRequired, granular.Addressee{}, "/recipientEmail")
	refused(problem.EmailInvalid, granular.Addressee{RecipientEmail: new("ada")}, "/recipientEmail")
	refused(problem.ValidationFailed, granular.Addressee{RecipientEmail: larch.RecipientEmail, Locale: new("-")}, "/locale")
	q.refusal = problem.New(problem.RecipientSuppressed, "x")
	refused(problem.RecipientSuppressed, larch)
	q.refusal, q.asked = nil, nil

	c := o.command()
	r, replayed, err := o.Send(t.Context(), c, r.ID, granular.Addressee{RecipientEmail: new(" Ada@larch.example "), Locale: new("fr")})
	if err != nil || replayed || r.Mail.To != "Ada@larch.example" || r.Mail.Locale != "fr" || r.Generation != 1 || r.Delivery() != "queued" || r.Post.State != outbox.Queued {
		t.Fatalf("%v %+v", err, r)
	}
	if at, ok := r.Due(); !ok || !at.Equal(o.clock.Add(outbox.StreamGrace)) {
		t.Errorf("due %s", at)
	}
	if again, replayed, err := o.Send(t.Context(), c, r.ID, larch); err != nil || !replayed || again.Version != r.Version {
		t.Errorf("%v %v", replayed, err)
	}
	// Sent again, it has another link, and the older one no longer works.
	old := linkOf(r)
	r, _, err = o.Send(t.Context(), o.command(), r.ID, granular.Addressee{})
	if err != nil || r.Generation != 2 || r.Mail.To != "Ada@larch.example" || r.Mail.Locale != "fr" {
		t.Errorf("%v %+v", err, r)
	}
	if want := []string{string(alder) + " Ada@larch.example " + r.ID + " i", string(alder) + " Ada@larch.example " + r.ID + " ii"}; !slices.Equal(q.asked, want) {
		t.Errorf("%q", q.asked)
	}
	if _, c, err := o.Look(t.Context(), old, nil); c != granular.Superseded || err != nil {
		t.Error(c, err)
	}
	o.account(partner.Suspended)
	refused(problem.PartnerNotActive, larch)
}

// TestPost: the request goes at least once, a reminder once at most, and neither when it has lost its point (reliability, promise 3).
func TestPost(t *testing.T) {
	sent := outbox.Outcome{State: outbox.Sent, MessageID: "0100-1"}
	t.Run("sent", func(t *testing.T) {
		o := open(t)
		r := o.claim(o.send(o.lock(o.create()), "ada@larch.example"))
		if r.Delivery() != "sending" || r.Post.Attempts != 1 {
			t.Errorf("%+v", r)
		}
		if _, did := r.ClaimPost(o.clock, "mailer 2"); did.Changed {
			t.Error("claimed twice")
		}
		if _, mine := r.SettlePost(o.clock, "mailer 2", nil); mine {
			t.Error("settled by another")
		}
		r = o.settle(r, sent)
		if r.Delivery() != "sent" || r.Mail.MessageID != "0100-1" || r.Post.State != outbox.None || r.Status != granular.Pending {
			t.Errorf("%+v", r)
		}
	})
	t.Run("waits, is unknown, fails", func(t *testing.T) {
		o := open(t)
		r := o.claim(o.send(o.lock(o.create()), "ada@larch.example"))
		r = o.settle(r, outbox.Outcome{State: outbox.Waiting, Reason: "throttled"})
		if at, _ := r.Due(); !at.Equal(o.clock.Add(30 * time.Second)) {
			t.Errorf("due %s", at)
		}
		o.clock = o.clock.Add(30 * time.Second)
		if done, err := o.cleanup(r.Key); done != granular.CountRequeued || err != nil {
			t.Error(done, err)
		}
		r = o.settle(o.claim(r), outbox.Outcome{State: outbox.Waiting, Reason: "quota", Later: time.Hour})
		if at, _ := r.Due(); !at.Equal(o.clock.Add(time.Hour)) || r.Post.Attempts != 1 {
			t.Errorf("due %s, %+v", at, r.Post)
		}
		o.clock = o.clock.Add(time.Hour)
		if _, err := o.cleanup(r.Key); err != nil {
			t.Error(err)
		}
		r = o.settle(o.claim(r), outbox.Outcome{State: outbox.Unknown, Reason: "timeout"})
		o.clock = o.clock.Add(outbox.UnknownGrace)
		if done, err := o.cleanup(r.Key); done != granular.CountRequeued || err != nil {
			t.Error(done, err)
		}
		r = o.settle(o.claim(r), outbox.Outcome{State: outbox.Failed, Reason: "refused"})
		if r.Delivery() != "failed" || r.Mail.Reason != "refused" || r.Post.State != outbox.None {
			t.Errorf("%+v", r)
		}
	})
	t.Run("nobody can send it", func(t *testing.T) {
		o := open(t)
		r := o.send(o.lock(o.create()), "ada@larch.example")
		for range outbox.MaxAttempts {
			r = o.claim(r)
			o.clock = o.clock.Add(outbox.Lease + outbox.StreamGrace)
			if _, err := o.cleanup(r.Key); err != nil {
				t.Fatal(err)
			}
		}
		n, did := o.stored(r).ClaimPost(o.clock, "mailer 1")
		if !did.Changed || did.Send || n.Delivery() != "failed" || n.Mail.Reason != "attempts_used_up" {
			t.Errorf("%v %v %+v", did.Changed, did.Send, n.Mail)
		}
	})
	t.Run("answered before it went", func(t *testing.T) {
		o := open(t)
		r := o.send(o.lock(o.create()), "ada@larch.example")
		if r = o.approve(r); !slices.Equal(r.Post.Owed, []outbox.Kind{granular.AnswerNotice, granular.ReceiptNotice}) {
			t.Errorf("%+v", r.Post)
		}
		o = open(t)
		r = o.approve(o.claim(o.send(o.lock(o.create()), "ada@larch.example")))
		if r = o.settle(r, sent); r.Status != granular.Active || r.Delivery() != "sent" {
			t.Errorf("%+v", r)
		}
	})
	t.Run("a reminder goes once at most", func(t *testing.T) {
		for name, step := range map[string]func(*office, granular.Relationship) granular.Relationship{
			"unknown": func(o *office, r granular.Relationship) granular.Relationship {
				return o.settle(o.claim(r), outbox.Outcome{State: outbox.Unknown, Reason: "timeout"})
			},
			"died": func(o *office, r granular.Relationship) granular.Relationship {
				r = o.claim(r)
				o.clock = o.clock.Add(outbox.Lease + outbox.StreamGrace)
				if _, err := o.cleanup(r.Key); err != nil {
					t.Fatal(err)
				}
				return o.stored(r)
			},
		} {
			o := open(t)
			r := o.received(o.approve(o.lock(o.create())))
			o.clock = o.clock.Add(60 * day)
			if _, err := o.cleanup(r.Key); err != nil {
				t.Fatal(err)
			}
			r = step(o, r)
			if r.Post.State != outbox.None || !slices.Contains(actions(r), "schedule noticeFailed") {
				t.Errorf("%s: %+v %q", name, r.Post, actions(r))
			}
		}
		o := open(t)
		r := o.received(o.approve(o.lock(o.create())))
		o.clock = o.clock.Add(60 * day)
		if _, err := o.cleanup(r.Key); err != nil {
			t.Fatal(err)
		}
		r = o.settle(o.claim(r), sent)
		last := r.History[len(r.History)-1]
		if last.Action != "reminded" || last.Why != "30d" || r.Post.State != outbox.None {
			t.Errorf("%+v", last)
		}
	})
	t.Run("what has ended is not said to end", func(t *testing.T) {
		o := open(t)
		r := o.received(o.approve(o.lock(o.create())))
		o.clock = o.clock.Add(89 * day)
		if _, err := o.cleanup(r.Key); err != nil {
			t.Fatal(err)
		}
		o.clock = o.clock.Add(day)
		n, did := o.stored(r).ClaimPost(o.clock, "mailer 1")
		if !did.Changed || did.Send || n.Post.State != outbox.None {
			t.Errorf("%v %v %+v", did.Changed, did.Send, n.Post)
		}
	})
	t.Run("addresses", func(t *testing.T) {
		o := open(t)
		r := o.approve(o.send(o.lock(o.create()), "ada@larch.example"))
		for n, want := range map[outbox.Kind]string{granular.RequestNotice: "ada@larch.example", granular.ReceiptNotice: "lena@larch.example", granular.CustomerEndingNotice: "lena@larch.example", granular.EndingNotice: "", granular.AnswerNotice: ""} {
			if got := granular.Mails.Address(r, n); got != want {
				t.Errorf("%s goes to %q", n, got)
			}
		}
	})
}

func report(generation int, state outbox.State, reason, messageID string) outbox.Report {
	return outbox.Report{Kind: granular.RequestNotice, Generation: generation, State: state, Reason: reason, MessageID: messageID}
}

// TestFeedback: what SES says takes the request further and never back, whichever report comes first.
func TestFeedback(t *testing.T) {
	o := open(t)
	r := o.settle(o.claim(o.send(o.lock(o.create()), "ada@larch.example")), outbox.Outcome{State: outbox.Sent, MessageID: "0100-1"})
	for _, c := range []struct {
		state   outbox.State
		id      string
		changed bool
		is      string
	}{
		{outbox.Sent, "0100-1", false, "sent"}, {outbox.Bounced, "0100-0", false, "sent"}, {outbox.Delivered, "0100-1", true, "delivered"},
		{outbox.Delayed, "0100-1", false, "delivered"}, {outbox.Bounced, "0100-1", true, "bounced"}, {outbox.Delivered, "0100-1", false, "bounced"},
		{outbox.Complained, "0100-1", true, "complained"}, {"claimed", "0100-1", false, "complained"},
	} {
		n, verdict := r.Feedback(o.clock, report(1, c.state, "why", c.id))
		if changed := verdict == outbox.Recorded; changed != c.changed || n.Delivery() != c.is || n.Status != r.Status {
			t.Errorf("%s of %s: %v, %s", c.state, c.id, verdict, n.Delivery())
		}
		r = n
	}
	early := o.send(o.lock(o.create(func(t *granular.Proposal) { t.DisplayName = new("Other") })), "ada@larch.example")
	if n, verdict := early.Feedback(o.clock, report(1, outbox.Delivered, "", "0100-2")); verdict != outbox.Recorded || n.Mail.MessageID != "0100-2" || n.Mail.State != outbox.Delivered || n.Mail.SentAt.IsZero() {
		t.Errorf("%v %+v", verdict, n.Mail)
	}
	if _, verdict := early.Feedback(o.clock, report(2, outbox.Delivered, "", "0100-2")); verdict != outbox.Stale {
		t.Error("that is another link's")
	}
}

// TestAnAutomaticReplyIsNoBounce: an out-of-office reply of somebody who has the request says nothing against its delivery, whichever comes
// first.
func TestAnAutomaticReplyIsNoBounce(t *testing.T) {
	o := open(t)
	r := o.settle(o.claim(o.send(o.lock(o.create()), "ada@larch.example")), outbox.Outcome{State: outbox.Sent, MessageID: "0100-1"})
	delivered, reply := report(1, outbox.Delivered, "", "0100-1"), report(1, outbox.Bounced, outbox.TransientBounce, "0100-1")
	for _, order := range [][]outbox.Report{{delivered, reply}, {reply, delivered}} {
		n := r
		for _, said := range order {
			n, _ = n.Feedback(o.clock, said)
		}
		if n.Delivery() != "delivered" {
			t.Errorf("%s and %s: %s", order[0].State, order[1].State, n.Delivery())
		}
	}
}

// TestATakenRequestIsNotSentAgain: while nobody knew whether SES had the request, SES's own event says that it has: then it is owed no more.
func TestATakenRequestIsNotSentAgain(t *testing.T) {
	o := open(t)
	r := o.settle(o.claim(o.send(o.lock(o.create()), "ada@larch.example")), outbox.Outcome{State: outbox.Unknown, Reason: "sender_silent"})
	if r.Delivery() != "sending" {
		t.Fatal(r.Delivery())
	}
	n, verdict := r.Feedback(o.clock, report(1, outbox.Sent, "", "0100-1"))
	if verdict != outbox.Recorded || n.Delivery() != "sent" || n.Post.State != outbox.None {
		t.Errorf("%s: %s, %+v", verdict, n.Delivery(), n.Post)
	}
}

// TestARequestAskedForAnewGoesAgain: what a mailer holds has the link of before, so that the new link is mailed when that is settled.
func TestARequestAskedForAnewGoesAgain(t *testing.T) {
	o := open(t)
	r := o.claim(o.send(o.lock(o.create()), "adda@larch.example"))
	r = o.send(r, "ada@larch.example") // the address was wrong
	r = o.settle(r, outbox.Outcome{State: outbox.Sent, MessageID: "0100-1"})
	if r.Delivery() != "queued" || r.Generation != 2 {
		t.Fatalf("%s, generation %d: %+v", r.Delivery(), r.Generation, r.Post)
	}
	if r = o.settle(o.claim(r), outbox.Outcome{State: outbox.Sent, MessageID: "0100-2"}); r.Delivery() != "sent" || r.Mail.MessageID != "0100-2" {
		t.Errorf("%s: %+v", r.Delivery(), r.Mail)
	}
}
