package granular

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
const DueKind due.Kind = "granular"

// Cleanup does what is due for relationships.
type Cleanup struct{ Store Store }

// What it counts.
const (
	CountExpired  = "GranularExpired"
	CountExtended = "GranularExtended"
	CountReminded = "GranularReminded"
	CountRequeued = "GranularRequeued"
	// CountMailFailed counts what any kind gives up, whatever it is about.
	CountMailFailed = "MailFailed"
)

// Counts is that of [due.Duty].
func (c Cleanup) Counts() []string {
	return []string{CountExpired, CountExtended, CountReminded, CountRequeued, CountMailFailed}
}

// tally counts what one step did.
func tally(before, after Relationship, count func(string)) {
	one := func(name string, happened bool) {
		if happened {
			count(name)
		}
	}
	one(CountExpired, before.Status != Expired && after.Status == Expired)
	one(CountExtended, after.Status == Active && after.EndAt.After(before.EndAt))
	one(CountReminded, after.Reminded > before.Reminded)
	one(CountRequeued, after.Post.State == outbox.Queued && slices.Equal(before.Post.Owed, after.Post.Owed))
}

// Do is that of [due.Duty].
func (c Cleanup) Do(ctx context.Context, a due.Item, now time.Time, count func(string)) error {
	for range maxRounds {
		before, err := c.Store.GranularRelationship(ctx, Key{a.Partner, a.ID}, true)
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
		err = c.Store.WriteGranular(ctx, Change{Before: &before, After: after})
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
