package stream

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Task is what one record asks for.
type Task struct {
	// Rank says what goes first within a batch: the lower. The records of one item keep their order whatever their ranks.
	Rank int
	// Do does it. It may be called again for a record that was done, as every record can come again.
	Do func(context.Context) error
}

// Lanes gives the function that Lambda calls for each batch, for work that waits for somebody else: at most n items are worked
// on at once, and the records of one item one after another, in their order. Read says what a record asks for; what it cannot
// read is [ErrPoison]. After a failure, or when less than [Loop.Reserve] is left, nothing more is begun, and the lowest sequence
// number of what is not done is reported.
func Lanes(l Loop, n int, read func(Record) (Task, error)) Function {
	return func(ctx context.Context, b Batch) (events.DynamoDBEventResponse, error) {
		w := lanes{loop: l}
		items := map[string]int{}
		// Reading fails for good or not at all, so that the loop reports nothing here.
		out, err := Loop{Log: l.Log, Metrics: l.Metrics}.Handler(func(_ context.Context, r Record) error {
			t, err := read(r)
			if err != nil {
				return err
			}
			key := identity(r.Keys)
			at, known := items[key]
			if !known {
				at = len(w.queues)
				items[key], w.queues = at, append(w.queues, queue{rank: t.Rank})
			}
			q := &w.queues[at]
			q.rank, q.jobs = min(q.rank, t.Rank), append(q.jobs, len(w.jobs))
			w.jobs = append(w.jobs, job{Record: r, Task: t})
			return nil
		})(ctx, b)
		if err != nil {
			return out, err
		}
		slices.SortStableFunc(w.queues, func(a, b queue) int { return cmp.Compare(a.rank, b.rank) })
		var all sync.WaitGroup
		for range min(max(n, 1), len(w.queues)) {
			all.Go(func() { w.run(ctx) })
		}
		all.Wait()
		if first := slices.IndexFunc(w.jobs, func(j job) bool { return !j.done }); first >= 0 {
			return from(w.jobs[first].Record), nil
		}
		return out, nil
	}
}

// identity gives a text that is the same for records of one item; empty for records that do not say, which then go one after
// another.
func identity(keys map[string]types.AttributeValue) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		switch v := keys[name].(type) {
		case *types.AttributeValueMemberS:
			fmt.Fprintf(&b, "%q=%q;", name, v.Value)
		case *types.AttributeValueMemberN:
			fmt.Fprintf(&b, "%q=%s;", name, v.Value)
		case *types.AttributeValueMemberB:
			fmt.Fprintf(&b, "%q=%x;", name, v.Value)
		}
	}
	return b.String()
}

// job is one record with what it asks for.
type job struct {
	Record
	Task
	done bool
}

// queue is the records of one item, by their places in the batch.
type queue struct {
	rank int
	jobs []int
}

// lanes is the work on one batch.
type lanes struct {
	loop Loop

	mu      sync.Mutex
	jobs    []job
	queues  []queue // those that nobody has begun
	stopped bool
}

// run works on one item after another.
func (w *lanes) run(ctx context.Context) {
	for {
		w.mu.Lock()
		if len(w.queues) == 0 {
			w.mu.Unlock()
			return
		}
		q := w.queues[0]
		w.queues = w.queues[1:]
		w.mu.Unlock()
		for _, at := range q.jobs {
			if !w.goesOn(ctx) {
				return
			}
			w.finish(ctx, at, w.jobs[at].Do(ctx))
		}
	}
}

// goesOn reports whether one more record may be begun.
func (w *lanes) goesOn(ctx context.Context) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if deadline, ok := ctx.Deadline(); ok && !w.stopped && time.Until(deadline) < w.loop.Reserve {
		w.stopped = true
		w.loop.Log.WarnContext(ctx, "out of time", "left", w.left())
	}
	return !w.stopped
}

// finish notes what became of a record.
func (w *lanes) finish(ctx context.Context, at int, err error) {
	j := &w.jobs[at]
	failed := err != nil && !w.loop.passOver(ctx, j.Record, err)
	w.mu.Lock()
	defer w.mu.Unlock()
	if j.done = !failed; failed {
		w.stopped = true
		w.loop.Log.ErrorContext(ctx, "record failed", "sequenceNumber", j.SequenceNumber, "left", w.left(), "error", err)
	}
}

// left is how many records are not done.
func (w *lanes) left() (n int) {
	for _, j := range w.jobs {
		if !j.done {
			n++
		}
	}
	return n
}
