package webhook

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"concord/internal/command"
	"concord/internal/due"
	"concord/internal/outbox"
	"concord/internal/problem"
	"concord/internal/publicid"
)

func missing(err error) bool { return problem.Is(err, problem.NotFound) }

// Request is one attempt: what is sent, where to, and the secrets that sign it, as partners know them.
type Request struct {
	URL, ID string
	At      time.Time
	Body    []byte
	Secrets []string
}

// Answer is what came of it: an HTTP status, 0 where there was none, and then a word that says why.
type Answer struct {
	Status int
	Reason string
}

// Taken reports whether the endpoint has it.
func (a Answer) Taken() bool { return a.Status >= 200 && a.Status < 300 }

// Worker delivers what endpoints owe.
type Worker struct {
	Store  Store
	Seals  Seals
	Sender interface {
		Send(ctx context.Context, p Request) Answer
	}
	Now func() time.Time
}

// Tally is what a run did.
type Tally struct{ Delivered, Retried, GivenUp, Disabled int }

// restAfter is after how many runs without a success an endpoint rests, however few deliveries each of them tried.
const restAfter = 3

// page is how many deliveries are read at a time.
const page = 50

// Work delivers what an endpoint owes, for a bounded time. An endpoint that another worker has, or that owes nothing, is
// done at once. What it leaves is owed still.
func (w *Worker) Work(ctx context.Context, k Key) (t Tally, err error) {
	owner := publicid.Random("")
	var claimed Endpoint
	send := false
	err = change(ctx, w.Store, k, func(e Endpoint) (Endpoint, bool) {
		after, c := runs.Claim(e, command.Now(w.Now), owner)
		claimed, send = after, c.Send
		return after, c.Changed
	})
	if err != nil || !send {
		return t, err
	}
	secrets, err := w.Seals.open(ctx, claimed.signing(w.Now()))
	if err != nil {
		return t, err // the lease ends by itself
	}
	r := run{Worker: w, endpoint: claimed, secrets: secrets, until: time.Now().Add(Slice)}
	if err := r.all(ctx); err != nil {
		return r.tally, err
	}
	err = change(ctx, w.Store, k, func(e Endpoint) (Endpoint, bool) { return r.settle(ctx, e, owner) })
	return r.tally, err
}

// run is one claim of an endpoint.
type run struct {
	*Worker
	endpoint Endpoint
	secrets  []string
	until    time.Time

	mu     sync.Mutex
	tally  Tally
	row    int // failures since the last success
	gone   bool
	left   bool      // there is more than there was time for
	next   time.Time // when the first of those that wait is tried
	failed error
}

// over reports whether nothing more is begun: the time is over, or nothing is taken.
func (r *run) over() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.gone || r.failed != nil || r.row >= InFlight || !time.Now().Before(r.until)
}

func (r *run) all(ctx context.Context) error {
	free := make(chan struct{}, InFlight)
	var all sync.WaitGroup
	for after := ""; ; {
		list, err := r.Store.PendingDeliveries(ctx, r.endpoint.Key, after, page)
		if err != nil {
			all.Wait()
			return err
		}
		for _, d := range list {
			if d.Box.State == outbox.Waiting && r.Now().Before(d.Box.At) {
				r.waits(d.Box.At)
				continue
			}
			free <- struct{}{}
			if r.over() {
				r.left = true
				break
			}
			all.Go(func() {
				defer func() { <-free }()
				r.one(ctx, d)
			})
		}
		if r.left || len(list) < page {
			break
		}
		after = list[len(list)-1].ID
	}
	all.Wait()
	return r.failed
}

func (r *run) waits(at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next.IsZero() || at.Before(r.next) {
		r.next = at
	}
}

// one tries one delivery. The endpoint's lease holds it, so that its own claim need not be written.
func (r *run) one(ctx context.Context, before Delivery) {
	now := command.Now(r.Now)
	d := before
	tries.Resume(&d, now)
	d, claim := tries.Claim(d, now, "run")
	var a Answer
	if claim.Send {
		a = r.Sender.Send(ctx, Request{URL: r.endpoint.URL, ID: d.Event, At: now, Body: d.Body, Secrets: r.secrets})
		d.Attempts++
		d.LastAt, d.Status, d.Reason = now, a.Status, a.Reason
		d, _ = tries.Settle(d, command.Now(r.Now), "run", map[outbox.Kind]outbox.Outcome{deliver: outcome(d, a)})
	}
	d.Version = before.Version + 1
	err := r.Store.KeepDelivery(ctx, before, d)
	if errors.Is(err, command.ErrConflict) || missing(err) {
		err = nil // asked for again, or removed, in between
	}
	if d.Result == Pending {
		r.waits(d.Box.At)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = errors.Join(r.failed, err)
	r.gone = r.gone || a.Status == http.StatusGone
	switch d.Result {
	case Succeeded:
		r.row = 0
		r.tally.Delivered++
	case Failed:
		r.row++
		r.tally.GivenUp++
	case Pending:
		r.row++
		r.tally.Retried++
	}
}

// outcome is what an answer means for a delivery.
func outcome(d Delivery, a Answer) outbox.Outcome {
	switch {
	case a.Taken():
		return outbox.Outcome{State: outbox.Sent}
	case d.Box.Attempts >= tries.Attempts:
		return outbox.Outcome{State: outbox.Failed, Reason: outbox.AttemptsUsedUp}
	}
	return outbox.Outcome{State: outbox.Waiting, Reason: a.Reason}
}

// settle returns the endpoint after a run, and false when another worker has it.
func (r *run) settle(ctx context.Context, e Endpoint, owner string) (Endpoint, bool) {
	now := command.Now(r.Now)
	n := e
	tried := r.tally.Delivered + r.tally.Retried + r.tally.GivenUp
	switch {
	case r.tally.Delivered > 0:
		n.Failures, n.FailingSince, n.RestsUntil = 0, time.Time{}, time.Time{}
	case tried > 0:
		n.Failures++
		if n.FailingSince.IsZero() {
			n.FailingSince = now
		}
		if r.row >= InFlight || n.Failures >= restAfter {
			n.RestsUntil = now.Add(outbox.Pause(n.Failures))
		}
	}
	again := r.next
	if r.left {
		again = now
	}
	if !again.IsZero() && again.Before(n.RestsUntil) {
		again = n.RestsUntil
	}
	outcomes := map[outbox.Kind]outbox.Outcome{deliver: {State: outbox.Sent}}
	switch {
	case r.left && !again.After(now):
		delete(outcomes, deliver) // another run, behind what others owe
	case !again.IsZero():
		outcomes[deliver] = outbox.Outcome{State: outbox.Waiting, Later: max(again.Sub(now), time.Second)}
	}
	settled, mine := runs.Settle(n, now, owner, outcomes)
	if !mine {
		return e, false
	}
	if settled.Status == Enabled && r.gone {
		settled.disable(Gone)
		r.tally.Disabled = 1
	} else if f := settled.FailingSince; settled.Status == Enabled && !f.IsZero() && now.Sub(f) >= Patience {
		settled.disable(Failing)
		r.tally.Disabled = 1
	}
	r.Seals.renew(ctx, &settled, now)
	return settled, true
}

// DueKind is that of what [Cleanup] does.
const DueKind due.Kind = "webhook"

// Cleanup asks for a worker where something is due: a delivery is tried again, or a worker has died, or none came.
type Cleanup struct{ Store ends }

// CountResumed counts endpoints for which a worker was asked.
const CountResumed = "WebhooksResumed"

// Counts is that of [due.Duty].
func (c Cleanup) Counts() []string { return []string{CountResumed} }

// Do is that of [due.Duty].
func (c Cleanup) Do(ctx context.Context, a due.Item, now time.Time, count func(string)) error {
	resumed := false
	err := change(ctx, c.Store, Key{a.Partner, a.ID}, func(e Endpoint) (Endpoint, bool) {
		n := e.next()
		if _, resumed = runs.Resume(&n, now); !resumed {
			return e, false
		}
		return n, true
	})
	if err == nil && resumed {
		count(CountResumed)
	}
	return err
}
