// Package webhook tells partners' programs what has happened: endpoints, which are URLs of a partner, and deliveries of
// events to them, in the form of the Standard Webhooks specification.
//
// An event makes a [Delivery] for each endpoint that wants it, and the endpoint then owes its deliveries as an
// invitation owes a mail: one box of package outbox, claimed under a lease by one [Worker] at a time, which sends a few at
// once for a bounded time and then lets others come. So an endpoint that is slow delays nobody but itself. Each delivery
// is tried by a table of its own, with pauses that grow over three days ([Pauses]).
//
// A delivery comes at least once; one that comes twice has the same id. The order is not promised: the version of the
// resource in an event says what is newest.
package webhook

import (
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/publicid"
)

// Limits of endpoints.
const (
	// MaxEndpoints is how many a partner has at most.
	MaxEndpoints = 10
	// MaxURL and MaxDescription are lengths in bytes and in characters.
	MaxURL         = 500
	MaxDescription = 200
	// InFlight is how many deliveries to one endpoint are on their way at a time.
	InFlight = 4
	// Slice is for how long a worker stays with one endpoint before others come.
	Slice = 30 * time.Second
	// Overlap is for how long the secret before the newest still signs after a rotation.
	Overlap = 24 * time.Hour
	// Patience is for how long an endpoint may fail, without one success, before it is disabled.
	Patience = 5 * 24 * time.Hour
	// Kept is for how long a delivery can be read, from the moment of its event on.
	Kept = 30 * 24 * time.Hour
)

// prefix is that of the ids of endpoints.
const prefix = "whe_"

// Pauses are the waits after each attempt at one delivery: ten attempts within three days.
var Pauses = []time.Duration{
	5 * time.Minute, 15 * time.Minute, 40 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour,
	20 * time.Hour, 20 * time.Hour,
}

// Key names an endpoint.
type Key struct {
	Partner partner.TenantID
	ID      string
}

// String gives the key as messages have it; [ParseKey] is the reverse.
func (k Key) String() string { return string(k.Partner) + "/" + k.ID }

// ParseKey reads a key of a message, and returns false for what is none.
func ParseKey(s string) (Key, bool) {
	tenant, id, _ := strings.Cut(s, "/")
	p, ok := partner.ParseTenantID(tenant)
	return Key{p, id}, ok && publicid.Is(prefix, id) && string(p) == tenant
}

// Status is whether deliveries go to an endpoint.
type Status string

// The states of an endpoint.
const (
	Enabled  Status = "enabled"
	Disabled Status = "disabled"
)

// Reasons why an endpoint is disabled.
const (
	ByPartner = "by_partner" // a request of the API
	Gone      = "gone"       // it answered 410
	Failing   = "failing"    // for [Patience]
)

// Endpoint is a URL of a partner that is told what happens.
type Endpoint struct {
	Key
	URL, Description string
	// Events are the types that it wants; none for all.
	Events []string
	Status Status
	// Reason says why it is disabled.
	Reason string
	// Secrets are the newest first, at most two.
	Secrets []Secret
	// Box is what it owes: [deliver], or nothing.
	Box outbox.Box
	// Failures counts runs in a row in which nothing was taken, FailingSince is when the first of them was, and until
	// RestsUntil nothing is tried.
	Failures                 int
	FailingSince, RestsUntil time.Time
	// Body is a fingerprint of the request that made it.
	Body                 string
	CreatedAt, ChangedAt time.Time
	// Revision counts changes of what the partner set; Version counts every write.
	Revision, Version int
}

// Secret is a key that signs, as it is stored.
type Secret struct {
	Sealed string
	// Until is when it stops to sign; zero for the newest.
	Until time.Time
}

// Wants reports whether an event of a type goes there.
func (e Endpoint) Wants(event string) bool {
	return e.Status == Enabled && (len(e.Events) == 0 || slices.Contains(e.Events, event))
}

// Due returns when it is looked after, and false when it owes nothing.
func (e Endpoint) Due() (time.Time, bool) { return e.Box.At, e.Box.State != outbox.None }

// Queued reports whether a worker is to be asked for.
func (e Endpoint) Queued() bool { return e.Box.State == outbox.Queued }

// deliver is the one kind of what an endpoint owes, and of what a delivery owes.
const deliver outbox.Kind = "deliver"

// runs is how an endpoint is worked on. It never gives up: what a crash leaves is taken up again, and what fails for too
// long is disabled ([Patience]).
var runs = outbox.Table[Endpoint]{
	Kinds: []outbox.Mail[Endpoint]{{Kind: deliver, Pointless: func(e Endpoint, _ time.Time) bool { return e.Status != Enabled }}},
	Load:  func(e Endpoint) outbox.Box { return e.Box },
	Save:  func(e *Endpoint, b outbox.Box) { e.Box = b },
	Next:  Endpoint.next, Attempts: math.MaxInt,
}

func (e Endpoint) next() Endpoint {
	e.Version++
	e.Secrets = slices.Clone(e.Secrets)
	return e
}

// nudged returns the endpoint as it owes its deliveries, and false where it does already, or rests after failures.
func (e Endpoint) nudged(now time.Time) (Endpoint, bool) {
	again := e.Box.State == outbox.Claimed && len(e.Box.Owed) > 1
	if e.Status != Enabled || e.Queued() || again || now.Before(e.RestsUntil) && e.Box.State == outbox.Waiting {
		return e, false
	}
	n := e.next()
	if n.Box.State == outbox.Claimed {
		n.Box.Owed = append(slices.Clone(n.Box.Owed), deliver) // the worker that has it comes once more
	} else {
		n.Box.Enqueue(now, deliver)
	}
	return n, true
}

// disable ends all that is owed.
func (e *Endpoint) disable(why string) {
	e.Status, e.Reason, e.Box = Disabled, why, outbox.Box{}
	e.Revision++
}

// enable forgets what had failed, and owes what waits.
func (e *Endpoint) enable(now time.Time) {
	e.Status, e.Reason, e.Failures, e.FailingSince, e.RestsUntil = Enabled, "", 0, time.Time{}, time.Time{}
	e.Box.Enqueue(now, deliver)
}

// signing returns the secrets that sign at a moment.
func (e Endpoint) signing(now time.Time) (all []Secret) {
	for n, s := range e.Secrets {
		if n == 0 || now.Before(s.Until) {
			all = append(all, s)
		}
	}
	return all
}

// Result is how a delivery ended.
type Result string

// The results; a delivery on its way has none.
const (
	Pending   Result = ""
	Succeeded Result = "succeeded"
	Failed    Result = "failed"
)

// Message is an event as it is told.
type Message struct {
	// ID is the event's: the same however often it comes.
	ID, Type string
	Partner  partner.TenantID
	At       time.Time
	// Body is the JSON document that is sent, to the byte.
	Body []byte
}

// Delivery is one message on its way to one endpoint.
type Delivery struct {
	Endpoint Key
	// ID names it among those of its endpoint; it is made of the message ([DeliveryID]).
	ID     string
	Event  string
	Type   string
	Body   []byte
	At     time.Time // of the event
	Result Result
	Box    outbox.Box
	// Attempts counts all of them, LastAt is when the last was, Status the HTTP status that was answered, 0 for none, and
	// Reason why it counts as failed.
	Attempts int
	LastAt   time.Time
	Status   int
	Reason   string
	Version  int
}

// DeliveryID orders the deliveries of an endpoint by the time of the event.
func DeliveryID(m Message) string { return m.At.UTC().Format("20060102150405") + "-" + m.ID }

// tries is how one delivery is tried.
var tries = outbox.Table[Delivery]{
	Kinds: []outbox.Mail[Delivery]{{
		Kind:    deliver,
		Sent:    func(d *Delivery, _ time.Time, _ string) { d.Result, d.Reason = Succeeded, "" },
		GivenUp: func(d *Delivery, _ time.Time, why string) { d.Result, d.Reason = Failed, why },
	}},
	Load: func(d Delivery) outbox.Box { return d.Box },
	Save: func(d *Delivery, b outbox.Box) { d.Box = b },
	Next: func(d Delivery) Delivery { d.Version++; return d },
	// One attempt more than there are pauses.
	Attempts: len(Pauses) + 1,
	Pause:    func(attempt int) time.Duration { return Pauses[min(max(attempt, 1), len(Pauses))-1] },
}

// delivery returns a message on its way.
func delivery(k Key, m Message, now time.Time) Delivery {
	d := Delivery{Endpoint: k, ID: DeliveryID(m), Event: m.ID, Type: m.Type, Body: m.Body, At: m.At, Version: 1}
	d.Box.Enqueue(now, deliver)
	return d
}

// DeliveryPage is a part of the list of deliveries: those on their way, then those that ended, newest event first.
type DeliveryPage struct {
	Deliveries []Delivery
	Next       string
}

// Store keeps endpoints and deliveries. Every read includes every write that was acknowledged before it;
// [problem.NotFound] when there is none.
//
// WriteEndpoint writes one over the version before it, nil for a new one; RemoveEndpoint removes it at a version;
// [command.ErrConflict] for another version. Enter adds a delivery that is on its way; one that is on its way already stays
// as it is, and one that has ended may go once more. KeepDelivery writes one that is on its way over its version before; when it has a result it is no longer on its way,
// and lists have it until [Kept] is over. PendingDeliveries are those on their way, after an id, in the order of ids.
type Store interface {
	// Endpoint gives one, strongly consistent, or [problem.NotFound].
	Endpoint(ctx context.Context, k Key) (Endpoint, error)
	// Endpoints gives all of a partner, by id, strongly consistent; none is no error.
	Endpoints(ctx context.Context, p partner.TenantID) ([]Endpoint, error)
	// WriteEndpoint stores one, new or over its version, or [command.ErrConflict].
	WriteEndpoint(ctx context.Context, before *Endpoint, after Endpoint) error
	// RemoveEndpoint removes one at its version, or [command.ErrConflict].
	RemoveEndpoint(ctx context.Context, e Endpoint) error
	Deliveries
}

// Deliveries is the part of [Store] about deliveries.
type Deliveries interface {
	// Enter adds one, on condition that it is not on its way; one that is stays as it is, which is no error.
	Enter(ctx context.Context, d Delivery) error
	// KeepDelivery stores one over its version, or [command.ErrConflict].
	KeepDelivery(ctx context.Context, before, after Delivery) error
	// PendingDeliveries gives those on their way, by id and behind one, strongly consistent.
	PendingDeliveries(ctx context.Context, k Key, after string, limit int) ([]Delivery, error)
	// Delivery gives one, on its way or ended, strongly consistent, or [problem.NotFound].
	Delivery(ctx context.Context, k Key, id string) (Delivery, error)
	// Deliveries gives a page, those on their way first and newest first, strongly consistent.
	Deliveries(ctx context.Context, k Key, after string, limit int) (DeliveryPage, error)
}
