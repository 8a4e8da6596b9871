package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Load is one kind of operation under one number of callers, each of whom waits for its answer before it asks again.
type Load struct {
	Operation string  `json:"operation"`
	Callers   int     `json:"callers"`
	Count     int     `json:"count"`
	Rate      float64 `json:"perSecond"`
	P50       float64 `json:"p50Milliseconds"`
	P99       float64 `json:"p99Milliseconds"`
	// CPU is the processor's time of each kind of process for one operation, in milliseconds, with everything that it
	// causes until it is done.
	CPU    map[string]float64 `json:"cpuMilliseconds"`
	Memory map[string]int64   `json:"residentBytes"`
}

// load drives a local stack with the real binaries, with some callers after others.
func load(ctx context.Context, callers []int, each int, say func(Load)) error {
	c, end, err := newClient(ctx, each*len(callers), nil)
	if err != nil {
		return err
	}
	defer end()
	for n, k := range callers {
		count := each
		if k == 1 {
			count = min(each, 60)
		}
		if err := c.drive(ctx, n*each, count, k, say); err != nil {
			return fmt.Errorf("%d callers: %w", k, err)
		}
	}
	return c.idle(ctx, say)
}

// drive takes some invitations, from the first on, through every step.
func (c *client) drive(ctx context.Context, first, count, callers int, say func(Load)) error {
	ids, sentAt, links, cookies := make([]string, count), make([]time.Time, count), make([]string, count), make([]string,
		count)
	phase := func(operation string, settle bool, f func(n int) error) error {
		l, err := c.phase(ctx, operation, count, callers, settle, f)
		if err == nil {
			say(l)
		}
		return err
	}
	before, _ := processes()
	began := time.Now()
	if err := phase("create and send", false, func(n int) error {
		key := fmt.Sprintf("%d-%d", first, n)
		id, err := c.create(ctx, "c"+key, addressee(first+n))
		if err != nil {
			return err
		}
		ids[n], sentAt[n] = id, time.Now()
		return c.send(ctx, "s"+key, id)
	}); err != nil {
		return err
	}
	if err := c.settled(ctx); err != nil {
		return err
	}
	mailed := Load{Operation: "create, send and mail", Callers: callers, Count: count}
	var waits []time.Duration
	var last time.Time
	for _, m := range c.SES.Mails() {
		n := slices.Index(ids, m.Tags["invitation"])
		if link := linkOf(m); n >= 0 && link != "" {
			links[n] = link
			waits = append(waits, m.At.Sub(sentAt[n]))
			if m.At.After(last) {
				last = m.At
			}
		}
	}
	if slices.Contains(links, "") {
		return fmt.Errorf("%d of %d invitations were mailed", len(waits), count)
	}
	mailed.figures(waits, last.Sub(began), before)
	say(mailed)
	if err := phase("open the page", false, func(n int) error { return c.open(ctx, links[n], "") }); err != nil {
		return err
	}
	if err := phase("sign in", false, func(n int) (err error) {
		cookies[n], err = c.signIn(ctx, links[n], addressee(first+n))
		return err
	}); err != nil {
		return err
	}
	return phase("accept", true, func(n int) error { return c.accept(ctx, links[n], cookies[n]) })
}

// phase does something count times. With settle, what it causes afterwards is in the processor's time, though not in
// the rate.
func (c *client) phase(ctx context.Context, operation string, count, callers int, settle bool,
	f func(n int) error) (Load, error) {
	l := Load{Operation: operation, Callers: callers, Count: count}
	waits, before := make([]time.Duration, count), map[string]time.Duration(nil)
	before, _ = processes()
	var next atomic.Int64
	var once sync.Once
	var failed error
	var all sync.WaitGroup
	began := time.Now()
	for range callers {
		all.Go(func() {
			for n := int(next.Add(1)) - 1; n < count; n = int(next.Add(1)) - 1 {
				at := time.Now()
				if err := f(n); err != nil {
					once.Do(func() { failed = err })
					return
				}
				waits[n] = time.Since(at)
			}
		})
	}
	all.Wait()
	took := time.Since(began)
	if failed == nil && settle {
		failed = c.settled(ctx)
	}
	if failed == nil {
		l.figures(waits, took, before)
	}
	return l, failed
}

func (l *Load) figures(waits []time.Duration, took time.Duration, before map[string]time.Duration) {
	slices.Sort(waits)
	at := func(percent int) float64 {
		return waits[min(len(waits)-1, percent*len(waits)/100)].Seconds() * 1000
	}
	l.Rate, l.P50, l.P99 = float64(l.Count)/took.Seconds(), at(50), at(99)
	after, memory := processes()
	l.CPU, l.Memory = map[string]float64{}, memory
	for kind, d := range after {
		l.CPU[kind] = (d - before[kind]).Seconds() * 1000 / float64(l.Count)
	}
}

// idle looks at what a stack takes to which nobody comes: of a second, in milliseconds.
func (c *client) idle(ctx context.Context, say func(Load)) error {
	if err := c.settled(ctx); err != nil {
		return err
	}
	const rest = 4
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(2 * time.Second): // what backs off has backed off
	}
	before, _ := processes()
	time.Sleep(rest * time.Second)
	l := Load{Operation: "idle, a second", Count: rest}
	l.figures([]time.Duration{0}, rest*time.Second, before)
	say(l)
	return nil
}
