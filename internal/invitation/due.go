package invitation

import (
	"context"
	"errors"
	"slices"
	"time"

	"concord/internal/due"
	"concord/internal/outbox"
	"concord/internal/problem"
)

// DueKind is that of what [Cleanup] does.
const DueKind due.Kind = "invitation"

// Cleanup does what is due for invitations.
type Cleanup struct{ Store Store }

// What it counts.
const (
	CountExpired    = "Expired"
	CountRequeued   = "Requeued"
	CountMailFailed = "MailFailed"
	CountReminded   = "Reminded"
	CountErased     = "Erased"
)

// Counts is that of [due.Duty].
func (c Cleanup) Counts() []string {
	return []string{CountExpired, CountRequeued, CountMailFailed, CountReminded, CountErased}
}

// tally counts what one step did.
func tally(before, after Invitation, count func(string)) {
	one := func(name string, happened bool) {
		if happened {
			count(name)
		}
	}
	requeued := after.Mail.State == outbox.Queued || after.Post.State == outbox.Queued && slices.Equal(before.Post.Owed, after.Post.Owed)
	one(CountExpired, before.Status != Expired && after.Status == Expired)
	one(CountRequeued, requeued)
	one(CountMailFailed, before.Mail.State != outbox.Failed && after.Mail.State == outbox.Failed)
	one(CountReminded, after.Post.Owes(ReminderNotice) && !before.Post.Owes(ReminderNotice))
	one(CountErased, !before.EraseAt.Equal(after.EraseAt) && after.EraseAt.IsZero())
}

// Do is that of [due.Duty].
func (c Cleanup) Do(ctx context.Context, a due.Item, now time.Time, count func(string)) error {
	for range maxRounds {
		before, err := c.Store.Invitation(ctx, Key{a.Partner, a.ID}, true)
		if problem.Is(err, problem.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		after, given, changed := before.tick(now)
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
			tally(before, after, count)
			for range given {
				count(CountMailFailed)
			}
		}
		return err
	}
	return ErrConflict
}
