package schedule

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"concord/infra/local/template"
)

// ErrNoSchedule is a function that no schedule invokes.
var ErrNoSchedule = errors.New("no schedule invokes this function")

// Invoker gives an event to a function; the errors are those of lambda.Host.Invoke.
type Invoker interface {
	Invoke(ctx context.Context, function string, event []byte) ([]byte, error)
}

// Options are a scheduler's surroundings.
type Options struct {
	Clock       *Clock
	Functions   Invoker
	Invocations map[string]template.Asynchronous         // by function (logical id); Lambda's defaults for others
	Moved       func(offset time.Duration)               // called when the clock was moved, before anything fires; may be nil
	DeadLetters func(destination string, message []byte) // takes what could not be delivered or done; may be nil
	Log         func(format string, arguments ...any)    // trouble, in one line; may be nil
	Backoff     func(attempt int) time.Duration          // pause before a retry; nil for 200 ms doubling up to 10 s, short for a person who waits
}

// Scheduler fires schedules as EventBridge Scheduler does, on a clock that can be moved: it hands an event over and is done. Its
// retries and dead letters are for events that Lambda does not accept. What becomes of an accepted one is the function's
// EventInvokeConfig's; see invoke.
type Scheduler struct {
	o       Options
	mu      sync.Mutex
	entries []*entry
	advance sync.Mutex // one move of the clock at a time
	wake    chan struct{}
	running sync.WaitGroup
	cancel  context.CancelFunc
	ctx     context.Context
}

type entry struct {
	template.Schedule
	every time.Duration
	due   time.Time // zero when it never fires by itself
}

// New makes a scheduler for the schedules; none fires before Start.
func New(schedules []template.Schedule, o Options) (*Scheduler, error) {
	if o.Log == nil {
		o.Log = func(string, ...any) {}
	}
	if o.Backoff == nil {
		o.Backoff = func(attempt int) time.Duration { return min(200*time.Millisecond<<min(attempt, 10), 10*time.Second) }
	}
	s := &Scheduler{o: o, wake: make(chan struct{}, 1)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	for _, t := range schedules {
		every, err := parse(t.Expression)
		if err != nil {
			return nil, fmt.Errorf("schedule %s: %w", t.Name, err)
		}
		e := &entry{Schedule: t, every: every}
		if !t.Disabled {
			e.due = o.Clock.Now().Add(every)
		}
		s.entries = append(s.entries, e)
	}
	return s, nil
}

// Start lets the schedules fire. End them with Close.
func (s *Scheduler) Start() {
	s.running.Go(func() {
		for {
			wait := time.Hour
			s.mu.Lock()
			now := s.o.Clock.Now()
			for _, e := range s.entries {
				if !e.due.IsZero() {
					wait = min(wait, max(0, e.due.Sub(now)))
				}
			}
			s.mu.Unlock()
			t := time.NewTimer(wait)
			select {
			case <-s.ctx.Done():
				t.Stop()
				return
			case <-s.wake:
				t.Stop()
			case <-t.C:
				for _, e := range s.takeDue() {
					s.running.Go(func() { _ = s.fire(s.ctx, e.entry, e.scheduled) })
				}
			}
		}
	})
}

// Close ends the scheduler; an invocation in flight is not waited for by its function.
func (s *Scheduler) Close() {
	s.cancel()
	s.running.Wait()
}

type dueEntry struct {
	*entry
	scheduled time.Time
}

// takeDue takes each schedule that is due, however often it would have fired, once, and sets its next moment.
func (s *Scheduler) takeDue() []dueEntry {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Clock.Now()
	var due []dueEntry
	for _, e := range s.entries {
		if e.due.IsZero() || e.due.After(now) {
			continue
		}
		due = append(due, dueEntry{e, e.due})
		e.due = now.Add(e.every)
	}
	return due
}

// Advance moves the clock, fires each schedule that came due once and returns when the invocations have ended, retries
// included. Its error joins those with which they ended; the clock stays moved.
func (s *Scheduler) Advance(ctx context.Context, d time.Duration) error {
	if d < 0 {
		return errors.New("the clock moves forward only")
	}
	s.advance.Lock()
	defer s.advance.Unlock()
	// Under the lock the loop cannot take what the move makes due: this call waits for all of it.
	s.mu.Lock()
	s.o.Clock.move(d)
	if s.o.Moved != nil {
		s.o.Moved(s.o.Clock.Offset())
	}
	now := s.o.Clock.Now()
	var due []dueEntry
	for _, e := range s.entries {
		if !e.due.IsZero() && !e.due.After(now) {
			due = append(due, dueEntry{e, e.due})
			e.due = now.Add(e.every)
		}
	}
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
	failures := make([]error, len(due))
	var all sync.WaitGroup
	for i, e := range due {
		all.Go(func() { failures[i] = s.fire(ctx, e.entry, e.scheduled) })
	}
	all.Wait()
	return errors.Join(failures...)
}

// Run fires the schedules of a function (logical id) now, one after the other, waits for the invocations and gives their
// names. Their own times stay as they are. Errors: ErrNoSchedule, or what a schedule or its invocation failed with after all retries.
func (s *Scheduler) Run(ctx context.Context, function string) ([]string, error) {
	var names []string
	for _, e := range s.entries {
		if e.Function != function {
			continue
		}
		if err := s.fire(ctx, e, s.o.Clock.Now()); err != nil {
			return names, err
		}
		names = append(names, e.Name)
	}
	if names == nil {
		return nil, ErrNoSchedule
	}
	return names, nil
}

// fire hands the event over, with the schedule's retries, and puts it aside when they are used up. It waits for the invocation and
// gives its error, of which a schedule that is deployed knows nothing.
func (s *Scheduler) fire(ctx context.Context, e *entry, scheduled time.Time) error {
	began := time.Now()
	id := strings.ToLower(rand.Text())
	for attempt := 0; ; attempt++ {
		event := e.event(id, scheduled, attempt+1)
		accepted, err := s.invoke(ctx, e.Function, event)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if accepted {
			return fmt.Errorf("schedule %s: %w", e.Name, err)
		}
		s.o.Log("schedule %s: %v", e.Name, err)
		pause := s.o.Backoff(attempt)
		if attempt >= e.MaximumRetries || time.Since(began)+pause > e.MaximumAge {
			if e.DeadLetterTarget != "" && s.o.DeadLetters != nil {
				s.o.DeadLetters(e.DeadLetterTarget, event)
			}
			return fmt.Errorf("schedule %s: %w", e.Name, err)
		}
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
	}
}

// event is the schedule's input with its context attributes, or else what Scheduler sends by itself.
func (e *entry) event(id string, scheduled time.Time, attempt int) []byte {
	at := scheduled.UTC().Format(time.RFC3339)
	if e.Input != "" {
		return []byte(strings.NewReplacer(
			"<aws.scheduler.schedule-arn>", e.ARN, "<aws.scheduler.scheduled-time>", at,
			"<aws.scheduler.execution-id>", id, "<aws.scheduler.attempt-number>", fmt.Sprint(attempt),
		).Replace(e.Input))
	}
	event, _ := json.Marshal(map[string]any{
		"version": "0", "id": id, "detail-type": "Scheduled Event", "source": "aws.scheduler", "account": template.Account,
		"time": at, "region": template.Region, "resources": []string{e.ARN}, "detail": "{}",
	})
	return event
}
