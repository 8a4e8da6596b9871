// Package pace spreads work evenly over time.
package pace

import (
	"context"
	"sync"
	"time"
)

// Pace spreads steps evenly: a rate divided among the sandboxes that may run at once. The zero value waits for
// nothing.
type Pace struct {
	// Every is the least time between two steps.
	Every time.Duration

	mu   sync.Mutex
	next time.Time
}

// New gives the pace of one of several sandboxes that share a rate a second.
func New(rate, sandboxes int) *Pace {
	return &Pace{Every: time.Second * time.Duration(max(sandboxes, 1)) / time.Duration(max(rate, 1))}
}

// Wait returns when the next step may begin, or with the context's error.
func (p *Pace) Wait(ctx context.Context) error {
	p.mu.Lock()
	now := time.Now()
	at := p.next
	if at.Before(now) {
		at = now
	}
	p.next = at.Add(p.Every)
	p.mu.Unlock()
	if !at.After(now) {
		return ctx.Err()
	}
	t := time.NewTimer(at.Sub(now))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
