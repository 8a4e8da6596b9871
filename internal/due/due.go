// Package due does what is due. Whatever waits for a machine (an invitation that expires, a mail that is tried again, a batch whose
// worker died) is listed by when, and each kind of it has somebody who knows what to do.
package due

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"concord/internal/partner"
)

// Kind says of what an [Item] is: a word of the package whose duty it is, DueKind there.
type Kind string

// Item names what was due when it was listed.
type Item struct {
	Kind    Kind
	Partner partner.TenantID // whose it is: of an agreement the customer; empty for an enrolment, which is found by its id
	ID      string
	At      time.Time // since when
}

// Index lists what is due: everything whose time has come at a moment, roughly earliest first. A write may take a second to
// appear and to disappear. It reads nothing that is not due (architecture, decision 4). After an error nothing more is listed.
type Index interface {
	// Due gives what is due at now, a second behind; its error ends the list, and nothing is written.
	Due(ctx context.Context, now time.Time) iter.Seq2[Item, error]
}

// Duty does what is due of one kind.
type Duty interface {
	// Counts names what a duty counts; each is the name of a metric.
	Counts() []string
	// Do does what is due for one item and counts it. What is no longer due, or no longer there, is no error.
	Do(ctx context.Context, a Item, now time.Time, count func(name string)) error
}

// Tally is what one round did.
type Tally struct {
	// Done counts, by the names of the duties; what never happened has no entry.
	Done map[string]int
	Left int
	// Oldest is for how long the oldest thing had been due when the round began.
	Oldest time.Duration
	// Complete says that the index was read to its end, so that nothing older than Oldest is due.
	Complete bool
}

// Round goes through the index.
type Round struct {
	Index  Index
	Duties map[Kind]Duty
	Now    func() time.Time
}

// Figures are what an operator watches. OldestDueSeconds is there only when it is known: a round that could not read what is
// due, or had no time for it, says nothing of it, and that silence is an alarm. What did not happen is not written: a metric costs by the hour
// in which it has a value, be it zero.
func (r Round) Figures(t Tally) map[string]float64 {
	f := map[string]float64{}
	if t.Left > 0 {
		f["Left"] = float64(t.Left)
	}
	for _, d := range r.Duties {
		for _, name := range d.Counts() {
			if n := t.Done[name]; n > 0 {
				f[name] = float64(n)
			}
		}
	}
	if t.Complete {
		f["OldestDueSeconds"] = t.Oldest.Seconds()
	}
	return f
}

// margin is what a round keeps of its time to end in order.
const margin = 5 * time.Second

// Run does all that is due and stops when the context's deadline is near; what is left stays due. A round that dies half way
// has done what it has written, and the next one goes on. One item that cannot be done holds up no other: the errors of
// all are given together.
func (r Round) Run(ctx context.Context) (Tally, error) {
	now := r.Now().UTC().Truncate(time.Second)
	t := Tally{Done: map[string]int{}}
	var failed error
	for a, err := range r.Index.Due(ctx, now) {
		if err != nil {
			return t, errors.Join(failed, err)
		}
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < margin {
			t.Left++
			return t, failed
		}
		t.Oldest = max(t.Oldest, now.Sub(a.At))
		if err := r.one(ctx, a, now, &t); err != nil {
			t.Left++
			failed = errors.Join(failed, err)
		}
	}
	t.Complete = true
	return t, failed
}

func (r Round) one(ctx context.Context, a Item, now time.Time, t *Tally) error {
	duty := r.Duties[a.Kind]
	if duty == nil {
		return fmt.Errorf("due: nobody does what is due of %q", a.Kind)
	}
	return duty.Do(ctx, a, now, func(name string) { t.Done[name]++ })
}
