package enrolment

import (
	"context"
	"errors"
	"slices"
	"time"

	"concord/internal/due"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/problem"
)

// Due gives when a machine looks at the enrolment next, and false when none has to: a mail that is tried again, a link whose time is over,
// a review that takes too long, people of an ended application who are forgotten.
func (e Enrolment) Due() (at time.Time, waits bool) {
	for _, t := range []time.Time{e.postDue(), e.linkDue(), e.reviewDue(), e.eraseDue()} {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	return at, !at.IsZero()
}

func (e Enrolment) postDue() time.Time {
	if e.Post.State == outbox.None {
		return time.Time{}
	}
	return e.Post.At
}

func (e Enrolment) linkDue() time.Time {
	if e.Status != EmailVerification || e.Verification.Lapsed {
		return time.Time{}
	}
	return e.Verification.ExpiresAt
}

func (e Enrolment) reviewDue() time.Time {
	if e.Status != InVetting || e.Overdue {
		return time.Time{}
	}
	return e.ReviewDueAt
}

// Forgotten is how long after its end the people of an application that came to nothing are kept (domain, 0.23).
const Forgotten = 180 * 24 * time.Hour

// eraseDue is zero for an application that goes on, and for one that names nobody any more.
func (e Enrolment) eraseDue() time.Time {
	if e.Status.Open() || e.Contact == (Person{}) && e.Support == (partner.SupportProfile{}) {
		return time.Time{}
	}
	for _, h := range slices.Backward(e.History) {
		if h.Action == Reject || h.Action == Withdraw {
			return h.At.Add(Forgotten)
		}
	}
	return time.Time{}
}

// erase takes out whom an application names.
func (e *Enrolment) erase(now time.Time) {
	e.Contact, e.Support, e.Reason, e.Questions = Person{}, partner.SupportProfile{}, "", nil // what was written may name people
	e.note(HistoryEntry{At: now, Action: Erase, By: machine})
}

// Forget gives an application that came to nothing without whom it names, before its time (domain, 0.23), and false for one that goes on, that
// still owes a mail, or that names nobody any more.
func (e Enrolment) Forget(now time.Time) (Enrolment, bool) {
	if e.eraseDue().IsZero() || e.Post.State != outbox.None {
		return e, false
	}
	n := e.next()
	n.erase(now)
	return n, true
}

// DueKind is that of what [Cleanup] does.
const DueKind due.Kind = "enrolment"

// Cleanup does what is due of enrolments.
type Cleanup struct{ Store Store }

// What cleanup counts. Overdue reviews are what an operator is told of.
const (
	CountLapsed  = "EnrolmentLinkExpired"
	CountOverdue = "EnrolmentOverdue"
	CountQueued  = "EnrolmentMailRequeued"
	CountErased  = "EnrolmentErased"
	// CountMailFailed counts what any kind gives up, whatever it is about.
	CountMailFailed = "MailFailed"
)

// Counts is that of [due.Duty].
func (c Cleanup) Counts() []string {
	return []string{CountLapsed, CountOverdue, CountQueued, CountErased, CountMailFailed}
}

// Do is that of [due.Duty].
func (c Cleanup) Do(ctx context.Context, a due.Item, now time.Time, count func(string)) error {
	before, err := c.Store.Enrolment(ctx, a.ID)
	if problem.Is(err, problem.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	after, did := before.tend(now)
	if len(did) == 0 {
		return nil
	}
	err = c.Store.WriteEnrolment(ctx, Change{Before: &before, After: after})
	if errors.Is(err, ErrConflict) {
		return nil // somebody was quicker; what is left is due in the next round
	}
	if err == nil {
		for _, name := range did {
			count(name)
		}
	}
	return err
}

// tend gives the enrolment after all that is due at a moment, and what that was.
func (e Enrolment) tend(now time.Time) (Enrolment, []string) {
	n := e.next()
	var did []string
	if at := e.linkDue(); !at.IsZero() && !now.Before(at) {
		n.Verification.Lapsed = true
		n.note(HistoryEntry{At: now, Action: Lapse, By: machine})
		did = append(did, CountLapsed)
	}
	if at := e.reviewDue(); !at.IsZero() && !now.Before(at) {
		n.Overdue = true
		n.note(HistoryEntry{At: now, Action: Overdue, By: machine, Why: string(InVetting)})
		did = append(did, CountOverdue)
	}
	if at := e.eraseDue(); !at.IsZero() && !now.Before(at) {
		n.erase(now)
		did = append(did, CountErased)
	}
	if given, due := Mails.Resume(&n, now); due {
		did = append(did, CountQueued)
		for range given {
			did = append(did, CountMailFailed)
		}
	}
	if len(did) == 0 {
		return e, nil
	}
	return n, did
}

const machine = "cleanup"
