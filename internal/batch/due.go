package batch

import (
	"context"
	"errors"
	"time"

	"concord/internal/due"
	"concord/internal/invitation"
	"concord/internal/problem"
)

// DueKind is that of what [Cleanup] does.
const DueKind due.Kind = "batch"

// Cleanup asks for another worker where the one that had a batch has died, or where none came.
type Cleanup struct{ Store Store }

// CountRedriven counts batches that were given to another worker.
const CountRedriven = "BatchRedriven"

// Counts is that of [due.Duty].
func (c Cleanup) Counts() []string { return []string{CountRedriven} }

// Do is that of [due.Duty].
func (c Cleanup) Do(ctx context.Context, a due.Item, now time.Time, count func(string)) error {
	before, err := c.Store.Batch(ctx, Key{a.Partner, a.ID})
	if problem.Is(err, problem.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if at, waits := before.Due(); !waits || now.Before(at) {
		return nil
	}
	after := before.next()
	after.queue(now)
	err = c.Store.WriteBatch(ctx, Change{Before: &before, After: after}, nil)
	if errors.Is(err, invitation.ErrConflict) {
		return nil // a worker was quicker
	}
	if err == nil {
		count(CountRedriven)
	}
	return err
}
