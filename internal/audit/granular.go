package audit

import (
	"slices"

	"concord/internal/granular"
)

// OfGranular gives the records of the entries that a write has added to the history of granular administration, oldest first; with a nil
// before those of the whole history, as [OfInvitation] does. The states that are never rested in are transitions too (domain, 2.2).
func OfGranular(before *granular.Relationship, after granular.Relationship) []Record {
	fresh := len(AddedGranular(before, after))
	var records []Record
	ids := identity{}
	state := map[string]string{}
	for n, e := range after.History {
		r := Record{
			Partner: after.Partner, At: e.At.UTC(), Operation: Granular + "." + e.Action, ResourceType: Granular, ResourceID: after.ID,
			Customer: after.Customer, CorrelationID: e.CorrelationID, Reason: e.Why,
		}
		switch {
		case e.Actor == granular.ByPartner:
			r.Actor = Actor{User, e.By, after.Partner}
		case e.Actor == granular.ByOperator:
			r.Actor.Kind = Operator
			if r.Reason != "" {
				r.Reason = granular.Withdrawn // somebody typed why
			}
		case byMail(e.Action):
			r.Actor.Kind = Customer // nobody signed in, or nobody who binds the company
		case e.Actor == granular.ByCustomer:
			r.Actor = Actor{Kind: Customer, Tenant: after.Customer}
		case e.By == "":
			r.Actor.Kind = Schedule
		default: // the mailer, or what SES reports
			r.Actor.Kind = System
		}
		if after.Answer != nil && after.Customer == "" && e.Actor == granular.ByCustomer && !byMail(e.Action) {
			r.Actor.Tenant = after.Answer.Tenant // who rejects binds nothing
		}
		if name := granularDetail(e.Action); name != "" {
			r.Reason = ""
			if e.Action == "assigned" {
				r.New = map[string]string{name: e.Why}
			} else {
				r.Old = map[string]string{name: e.Why}
			}
		}
		if name, to := granularStep(e.Action); name != "" {
			if was := state[name]; was != "" {
				r.Old = map[string]string{name: was}
			}
			r.New, state[name] = map[string]string{name: to}, to
		}
		r.ID = ids.of(r, e.Key+"|"+e.Body)
		if n >= len(after.History)-fresh {
			records = append(records, r)
		}
	}
	return records
}

// granularDetail says what the reason of an action names; empty for a reason.
func granularDetail(action string) string {
	switch action {
	case "narrowed":
		return "roles" // those that are none of it any more
	case "assigned", "assignmentChanged", "assignmentDeleted":
		return "accessAssignment"
	}
	return ""
}

// byMail reports whether an action is of who was mailed, who need be nobody that answers for the company.
func byMail(action string) bool { return action == "reported" || action == "mailAllowed" }

// granularStates are the actions that are states.
var granularStates = []string{
	"created", "approvalPending", "approved", "activating", "active", "expiring", "expired", "terminationRequested", "terminating", "terminated", "deleted",
}

// granularStep gives what an action changes, and to what; empty for nothing that is a state.
func granularStep(action string) (name, to string) {
	if slices.Contains(granularStates, action) {
		return status, action
	}
	if to, about := delivered[action]; about {
		return delivery, string(to)
	}
	if action == "mailFailed" {
		return delivery, string(delivered["mail failed"])
	}
	return "", ""
}

// AddedGranular gives the entries that a write has added to a history, as [Added] tells; all of it with a nil before.
func AddedGranular(before *granular.Relationship, after granular.Relationship) []granular.Entry {
	if before == nil {
		return after.History
	}
	same := func(a, b granular.Entry) bool {
		return a.At.Equal(b.At) && a.Action == b.Action && a.CorrelationID == b.CorrelationID && a.Key == b.Key && a.Body == b.Body
	}
	return after.History[len(after.History)-Added(before.History, after.History, same):]
}
