package invitation

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"concord/internal/problem"
)

// Appointment names an invitation that was due when it was listed.
type Appointment struct {
	Key
	At time.Time
}

// Agenda lists what is due: every invitation whose time has come at a moment, roughly earliest first. A write may take a
// second to appear and to disappear. It reads nothing that is not due (architecture, decision 4). After an error nothing
// more is listed.
type Agenda interface {
	Due(ctx context.Context, now time.Time) iter.Seq2[Appointment, error]
}

// Tally is what one run of the cleanup did.
type Tally struct {
	Expired, Queued, Failed, Reminded, Erased, Left int
	// Oldest is for how long the oldest thing had been due when the run began.
	Oldest time.Duration
	// Complete says that the agenda was read to its end, so that nothing older than Oldest is due.
	Complete bool
}

// Figures are what an operator watches. OldestDueSeconds is there only when it is known: a run that could not read what is
// due, or had no time for it, says nothing of it, and that silence is an alarm.
func (t Tally) Figures() map[string]float64 {
	f := map[string]float64{
		"Expired": float64(t.Expired), "Requeued": float64(t.Queued), "MailFailed": float64(t.Failed), "Reminded": float64(t.Reminded),
		"Erased": float64(t.Erased), "Left": float64(t.Left)}
	if t.Complete {
		f["OldestDueSeconds"] = t.Oldest.Seconds()
	}
	return f
}

// count notes what one step did.
func (t *Tally) count(before, after Invitation) {
	one := func(n *int, happened bool) {
		if happened {
			*n++
		}
	}
	requeued := after.Mail.State == MailQueued || after.Post.State == MailQueued && slices.Equal(before.Post.Owed, after.Post.Owed)
	one(&t.Expired, before.Status != Expired && after.Status == Expired)
	one(&t.Queued, requeued)
	one(&t.Failed, before.Mail.State != MailFailed && after.Mail.State == MailFailed)
	one(&t.Reminded, slices.Contains(after.Post.Owed, ReminderNotice) && !slices.Contains(before.Post.Owed, ReminderNotice))
	one(&t.Erased, !before.EraseAt.Equal(after.EraseAt) && after.EraseAt.IsZero())
}

// Cleanup does what is due.
type Cleanup struct {
	Store  Store
	Agenda Agenda
	Now    func() time.Time
}

// margin is what a run keeps of its time to end in order.
const margin = 5 * time.Second

// Run does all that is due and stops when the context's deadline is near; what is left stays due. A run that dies half way
// has done what it has written, and the next one goes on. One item that cannot be done holds up no other: the errors of
// all are given together.
func (c Cleanup) Run(ctx context.Context) (Tally, error) {
	now := c.Now().UTC().Truncate(time.Second)
	var t Tally
	var failed error
	for r, err := range c.Agenda.Due(ctx, now) {
		if err != nil {
			return t, errors.Join(failed, err)
		}
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < margin {
			t.Left++
			return t, failed
		}
		t.Oldest = max(t.Oldest, now.Sub(r.At))
		if err := c.one(ctx, r.Key, now, &t); err != nil {
			t.Left++
			failed = errors.Join(failed, err)
		}
	}
	t.Complete = true
	return t, failed
}

func (c Cleanup) one(ctx context.Context, k Key, now time.Time, t *Tally) error {
	for range maxRounds {
		before, err := c.Store.Invitation(ctx, k, true)
		if problem.Is(err, problem.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		after, changed := before.Tick(now)
		if !changed {
			return nil
		}
		change := Change{Before: &before, After: after}
		if before.Edited && !after.Edited {
			change.Words = &Words{} // they may hold what is erased
		}
		err = c.Store.Write(ctx, change)
		if errors.Is(err, ErrConflict) {
			continue
		}
		if err == nil {
			t.count(before, after)
		}
		return err
	}
	return ErrConflict
}
