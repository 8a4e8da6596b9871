package webhook

import (
	"context"
	"sync"
	"time"

	"concord/internal/command"
	"concord/internal/partner"
)

// Fresh is for how long a [Fanout] goes by which partners had endpoints. So a new endpoint is told of what happens from then
// on, and an event of a partner without one costs nothing.
const Fresh = 5 * time.Second

// Fanout takes events and has each delivered to the endpoints that want it.
type Fanout struct {
	Store interface {
		Endpoints(ctx context.Context, p partner.TenantID) ([]Endpoint, error)
		Endpoint(ctx context.Context, k Key) (Endpoint, error)
		WriteEndpoint(ctx context.Context, before *Endpoint, after Endpoint) error
		Enter(ctx context.Context, d Delivery) error
		// Subscribers are the partners that have endpoints.
		Subscribers(ctx context.Context) (map[partner.TenantID]bool, error)
	}
	Now func() time.Time

	mu     sync.Mutex
	known  map[partner.TenantID]bool
	readAt time.Time
}

// Take has a message delivered. When it fails and is called again, no endpoint is told twice for it.
func (f *Fanout) Take(ctx context.Context, m Message) error {
	if some, err := f.subscribed(ctx, m.Partner); err != nil || !some {
		return err
	}
	all, err := f.Store.Endpoints(ctx, m.Partner)
	if err != nil {
		return err
	}
	now := command.Now(f.Now)
	for _, e := range all {
		if !e.Wants(m.Type) {
			continue
		}
		if err := f.Store.Enter(ctx, delivery(e.Key, m, now)); err != nil {
			return err
		}
		if err := nudge(ctx, f.Store, e.Key, now); err != nil {
			return err
		}
	}
	return nil
}

func (f *Fanout) subscribed(ctx context.Context, p partner.TenantID) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.known == nil || time.Since(f.readAt) >= Fresh {
		known, err := f.Store.Subscribers(ctx)
		if err != nil {
			return false, err
		}
		f.known, f.readAt = known, time.Now()
	}
	return f.known[p], nil
}

// ends is what is needed to change one endpoint.
type ends interface {
	Endpoint(ctx context.Context, k Key) (Endpoint, error)
	WriteEndpoint(ctx context.Context, before *Endpoint, after Endpoint) error
}

// nudge has an endpoint owe its deliveries. It is read after what it is to deliver was written: a worker that claims it
// later sees that.
func nudge(ctx context.Context, s ends, k Key, now time.Time) error {
	return change(ctx, s, k, func(e Endpoint) (Endpoint, bool) { return e.nudged(now) })
}

// change reads, decides and writes; what is gone stays so.
func change(ctx context.Context, s ends, k Key, decide func(Endpoint) (Endpoint, bool)) error {
	return command.Retry(func() error {
		before, err := s.Endpoint(ctx, k)
		if missing(err) {
			return nil
		}
		if err != nil {
			return err
		}
		after, changed := decide(before)
		if !changed {
			return nil
		}
		return s.WriteEndpoint(ctx, &before, after)
	})
}
