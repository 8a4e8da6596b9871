package events

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"concord/internal/audit"
	"concord/internal/batch"
	"concord/internal/commerce"
	"concord/internal/enrolment"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/oversight"
	"concord/internal/partnership"
	"concord/internal/registry"
	"concord/internal/relationship"
	"concord/internal/webhook"
)

// Consequence is one thing that a write to the table causes. One of its fields is set; each has its place in [Dispatcher.Deliver].
type Consequence struct {
	Event  *Event        // other systems are told
	Record *audit.Record // the partner's audit has it
	Job    *batch.Key    // somebody works a batch off
	Hook   *webhook.Key  // somebody delivers what a webhook endpoint is owed
}

// Written is what was written, as the table's stream says it (internal/dynamo, Change). One of its fields is set.
type Written struct {
	Invitation   *invitation.Change
	Relationship *relationship.Change
	Batch        *batch.Change
	Account      *registry.Change
	Agreement    *commerce.Agreement
	Order        *commerce.Order
	Subscription *commerce.SubscriptionChange
	Granular     *granular.Change
	Partnership  *partnership.Entered
	Enrolment    *enrolment.Change
	Endpoint     *webhook.Endpoint
}

// Causes gives what a write causes.
func Causes(w Written) (all []Consequence) {
	if i := w.Invitation; i != nil {
		all = append(all, consequences(OfInvitation(i.Before, i.After), audit.OfInvitation(i.Before, i.After))...)
	}
	if r := w.Relationship; r != nil {
		all = append(all, consequences(OfRelationship(r.Before, r.After), audit.OfRelationship(r.Before, r.After))...)
	}
	if a := w.Account; a != nil {
		all = append(all, consequences(nil, audit.OfAccount(a.Before, a.After))...)
	}
	if a := w.Agreement; a != nil {
		all = append(all, consequences(OfAgreement(*a), audit.OfAgreement(*a))...)
	}
	if o := w.Order; o != nil {
		all = append(all, consequences(OfOrder(*o), audit.OfOrder(*o))...)
	}
	if s := w.Subscription; s != nil {
		all = append(all, consequences(OfSubscription(s.Before, s.After), audit.OfSubscription(s.Before, s.After))...)
	}
	if g := w.Granular; g != nil {
		all = append(all, consequences(OfGranular(g.Before, g.After), audit.OfGranular(g.Before, g.After))...)
	}
	if p := w.Partnership; p != nil {
		all = append(all, consequences(OfPartnership(*p), audit.OfPartnership(*p))...)
	}
	if e := w.Enrolment; e != nil {
		all = append(all, consequences(OfEnrolment(e.Before, e.After), audit.OfEnrolment(e.Before, e.After))...)
	}
	if b := w.Batch; b != nil && b.After.Job == batch.JobQueued {
		all = append(all, Consequence{Job: &b.After.Key})
	}
	if e := w.Endpoint; e != nil && e.Queued() {
		all = append(all, Consequence{Hook: &e.Key})
	}
	return all
}

func consequences(told []Event, kept []audit.Record) (all []Consequence) {
	for n := range told {
		all = append(all, Consequence{Event: &told[n]})
	}
	for n := range kept {
		all = append(all, Consequence{Record: &kept[n]})
	}
	return all
}

// DeliverTimeout bounds one [Dispatcher.Deliver] with all its attempts.
const DeliverTimeout = PutTimeout + 5*time.Second

// Dispatcher delivers what writes cause.
type Dispatcher struct {
	// Tell puts at most [MaxGroup] events on the bus, as [Bus.Put] does.
	Tell  func(context.Context, []Event) (delivered int, err error)
	Audit interface {
		AddAudit(ctx context.Context, r audit.Record) (added bool, err error)
	}
	// Reports has what the operator is told of; nil where nobody is.
	Reports interface {
		AddReport(ctx context.Context, r oversight.Report) error
	}
	// Ask asks a worker for a batch, as [Jobs.Send] does; nil leaves that to the due index.
	Ask func(context.Context, batch.Key) error
	// Hook has an event delivered to the partner's own endpoints, as [webhook.Fanout.Take] does; AskHooks asks a worker for an
	// endpoint. Nil where there are none.
	Hook     func(context.Context, webhook.Message) error
	AskHooks func(context.Context, webhook.Key) error
	// Keep is for how long audit records are kept, from what they tell of (domain, 0.23).
	Keep time.Duration
}

// Deliver delivers at most [MaxGroup] consequences and says how many of them, from the first on, are delivered for certain. When it fails
// and is called again, a record is in the audit once, and events come to the bus twice, with the same ids.
func (d Dispatcher) Deliver(ctx context.Context, group []Consequence) (delivered int, err error) {
	ctx, cancel := context.WithTimeout(ctx, DeliverTimeout)
	defer cancel()
	delivered, err = d.hand(ctx, group)
	// What stands before a record that could not be kept counts as done once this one is tried again: its events belong to it.
	told, failed := d.tell(ctx, group[:delivered])
	return told, errors.Join(err, failed)
}

// keep adds a record to the partner's audit, and tells the operator of what concerns it.
func (d Dispatcher) keep(ctx context.Context, r audit.Record) error {
	if _, err := d.Audit.AddAudit(ctx, r); err != nil {
		return err
	}
	if about, concerns := oversight.ReportOf(r); concerns && d.Reports != nil {
		return d.Reports.AddReport(ctx, about)
	}
	return nil
}

// hand adds the records to the audit, has the events delivered to endpoints and gives the jobs to workers, all at once.
func (d Dispatcher) hand(ctx context.Context, group []Consequence) (delivered int, err error) {
	failures := make([]error, len(group))
	var all sync.WaitGroup
	for n, c := range group {
		switch {
		case c.Record != nil:
			all.Go(func() {
				if err := d.keep(ctx, c.Record.Kept(d.Keep)); err != nil {
					failures[n] = fmt.Errorf("events: audit record %s: %w", c.Record.ID, err)
				}
			})
		case c.Job != nil && d.Ask != nil:
			all.Go(func() { failures[n] = d.Ask(ctx, *c.Job) })
		case c.Hook != nil && d.AskHooks != nil:
			all.Go(func() { failures[n] = d.AskHooks(ctx, *c.Hook) })
		case c.Event != nil && d.Hook != nil:
			all.Go(func() { failures[n] = d.hook(ctx, *c.Event) })
		}
	}
	all.Wait()
	if first := slices.IndexFunc(failures, func(err error) bool { return err != nil }); first >= 0 {
		return first, failures[first]
	}
	return len(group), nil
}

// hook has an event delivered to the endpoints of its partner.
func (d Dispatcher) hook(ctx context.Context, e Event) error {
	m, err := e.Message()
	if err == nil {
		err = d.Hook(ctx, m)
	}
	if err != nil {
		return fmt.Errorf("events: %s to endpoints: %w", e.Detail.ID, err)
	}
	return nil
}

// tell puts the events on the bus.
func (d Dispatcher) tell(ctx context.Context, group []Consequence) (delivered int, err error) {
	var events []Event
	var places []int // of the events in the group
	for n, c := range group {
		if c.Event != nil {
			events, places = append(events, *c.Event), append(places, n)
		}
	}
	if len(events) == 0 {
		return len(group), nil
	}
	told, err := d.Tell(ctx, events)
	if err != nil {
		return places[min(told, len(places)-1)], err
	}
	return len(group), nil
}
