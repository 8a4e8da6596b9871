package invitation

import (
	"time"

	"concord/internal/outbox"
)

// ActorKind is who did something to an invitation.
type ActorKind string

// Who can do something.
const (
	ByUser     ActorKind = "user"     // somebody of the inviting partner
	ByCustomer ActorKind = "customer" // who followed the link
	BySystem   ActorKind = "system"   // a job of ours, or the clock
	ByOperator ActorKind = "operator" // who operates the deployment; who that was is its own business
)

// Event is one line of the timeline as the partner sees it: without the fingerprints by which commands are known again.
type Event struct {
	At     time.Time
	Action string
	Actor  ActorKind
	// Subject is that of a user of the partner. Who it was at the customer's is the customer's own business: the answer has the name
	// that was given.
	Subject       string
	CorrelationID string
	Reason        string
}

// Timeline gives what has happened until a moment, oldest first (G18). That the time is over shows at once, whether or not
// the job has noticed.
func (i Invitation) Timeline(now time.Time) []Event {
	events := make([]Event, 0, len(i.History)+1)
	for _, e := range i.History {
		// Who it was decides nothing: a user may be named like a job of ours.
		v := Event{At: e.At, Action: e.Action, Actor: actorOf(e.Action), CorrelationID: e.CorrelationID, Reason: e.Why}
		if v.Actor == ByUser {
			v.Subject = e.By
		}
		if e.Action == string(Declined) && i.Answer != nil {
			v.Reason = i.Answer.Reason
		}
		events = append(events, v)
	}
	if i.Status.Open() && i.StatusAt(now) == Expired {
		events = append(events, Event{At: i.ExpiresAt, Action: string(Expired), Actor: BySystem})
	}
	return events
}

// Actions is the one list of what a timeline can say, with who does it. Audit, events, pages and the API's document are held to it by
// tests; a new action is entered here first.
var Actions = map[string]ActorKind{
	"created": ByUser, revised: ByUser, edited: ByUser, "reset": ByUser, "done": ByUser, "sent": ByUser, "resent": ByUser, relinked: ByUser,
	extended: ByUser, string(Cancelled): ByUser,

	string(Accepted): ByCustomer, string(Declined): ByCustomer, "renewal requested": ByCustomer, "reported": ByCustomer,
	"disputed": ByCustomer, unsubscribed: ByCustomer, mailAllowed: ByCustomer,

	operatorCancelled: ByOperator,

	"mailed": BySystem, "mail failed": BySystem, "notice failed": BySystem, reminded: BySystem, wasMoot: BySystem, erased: BySystem,
	string(Expired): BySystem, string(outbox.Delayed): BySystem, string(outbox.Delivered): BySystem, string(outbox.Bounced): BySystem,
	string(outbox.Complained): BySystem, string(outbox.Rejected): BySystem, string(outbox.Suppressed): BySystem,
}

// actorOf says who does something; what was never entered in the list was written by a job.
func actorOf(action string) ActorKind {
	if who, ok := Actions[action]; ok {
		return who
	}
	return BySystem
}
