package events

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"concord/internal/audit"
	"concord/internal/invitation"
	"concord/internal/relationship"
)

// Consequence is one thing that a write to the table causes. One of its fields is set; each has its place in [Desk.Deliver].
type Consequence struct {
	Event  *Event        // other systems are told
	Record *audit.Record // the partner's audit has it
}

// Causes gives what a write causes: that of an invitation or that of a relationship, and nil for what it was not.
func Causes(i *invitation.Change, r *relationship.Change) (all []Consequence) {
	if i != nil {
		all = append(all, consequences(OfInvitation(i.Before, i.After), audit.OfInvitation(i.Before, i.After))...)
	}
	if r != nil {
		all = append(all, consequences(OfRelationship(r.Before, r.After), audit.OfRelationship(r.Before, r.After))...)
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

// DeliverTimeout bounds one [Desk.Deliver] with all its attempts.
const DeliverTimeout = PutTimeout + 5*time.Second

// Desk delivers what writes cause.
type Desk struct {
	// Tell puts at most [MaxGroup] events on the bus, as [Bus.Put] does.
	Tell  func(context.Context, []Event) (delivered int, err error)
	Audit interface {
		AddAudit(ctx context.Context, r audit.Record) (added bool, err error)
	}
	// Keep is for how long audit records are kept, from what they tell of (domain, 0.23).
	Keep time.Duration
}

// Deliver delivers at most [MaxGroup] consequences and says how many of them, from the first on, are delivered for certain. When it fails
// and is called again, a record is in the audit once, and events come to the bus twice, with the same ids.
func (d Desk) Deliver(ctx context.Context, group []Consequence) (delivered int, err error) {
	ctx, cancel := context.WithTimeout(ctx, DeliverTimeout)
	defer cancel()
	delivered, err = d.keep(ctx, group)
	// What stands before a record that could not be kept counts as done once this one is tried again: its events belong to it.
	told, failed := d.tell(ctx, group[:delivered])
	return told, errors.Join(err, failed)
}

// keep adds the records to the audit, all at once.
func (d Desk) keep(ctx context.Context, group []Consequence) (delivered int, err error) {
	failures := make([]error, len(group))
	var all sync.WaitGroup
	for n, c := range group {
		if c.Record == nil {
			continue
		}
		all.Go(func() { _, failures[n] = d.Audit.AddAudit(ctx, c.Record.Kept(d.Keep)) })
	}
	all.Wait()
	if first := slices.IndexFunc(failures, func(err error) bool { return err != nil }); first >= 0 {
		return first, fmt.Errorf("events: audit record %s: %w", group[first].Record.ID, failures[first])
	}
	return len(group), nil
}

// tell puts the events on the bus.
func (d Desk) tell(ctx context.Context, group []Consequence) (delivered int, err error) {
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
