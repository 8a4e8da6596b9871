package audit

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"slices"
	"strings"
	"time"

	"concord/internal/enrolment"
	"concord/internal/invitation"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/relationship"
)

// OfInvitation gives the records of the entries that a write has added to an invitation's timeline, oldest first. With a nil before it
// gives those of the whole timeline: of a new invitation, or to make up for what is missing.
//
// A timeline that was full has lost entries, and with them what only they said: their records cannot be made again, and a record made
// again of what followed may not know the state before.
func OfInvitation(before *invitation.Invitation, after invitation.Invitation) []Record {
	fresh := len(after.History)
	if before != nil {
		fresh = Added(before.History, after.History, sameStep)
	}
	var records []Record
	var now standing
	ids := identity{}
	known := after.Bound // whether the customer was known at an entry; who accepts becomes known by it
	for n, e := range after.Timeline(time.Time{})[:len(after.History)] {
		action := camel(e.Action)
		known = known || e.Action == string(invitation.Accepted)
		r := Record{
			Partner: after.Inviter, At: e.At.UTC(), Operation: Invitation + "." + action, ResourceType: Invitation, ResourceID: after.ID,
			CorrelationID: e.CorrelationID, Reason: e.Reason,
		}
		if e.Action == string(invitation.Cancelled) || e.Actor == invitation.ByOperator {
			r.Reason = "" // somebody typed it
		}
		if known {
			r.Customer = after.Customer
		}
		switch {
		case e.Actor == invitation.ByUser:
			r.Actor = Actor{User, e.Subject, after.Inviter}
		case e.Actor == invitation.ByOperator:
			r.Actor.Kind = Operator
		case e.Actor == invitation.ByCustomer && signedIn(e.Action):
			r.Actor = Actor{Kind: Customer, Tenant: r.Customer}
		case e.Actor == invitation.ByCustomer:
			r.Actor.Kind = Customer
		case e.Action == string(invitation.Expired) || e.Action == "erased":
			r.Actor.Kind = Schedule
		default:
			r.Actor.Kind = System
		}
		r.Old, r.New = now.step(e.Action)
		h := after.History[n]
		r.ID = ids.of(r, h.Key+"|"+h.Body)
		if n >= len(after.History)-fresh {
			records = append(records, r)
		}
	}
	return records
}

// signedIn reports whether a customer's action needs a sign-in; what needs none is done by whoever has the link.
func signedIn(action string) bool {
	return action == string(invitation.Accepted) || action == string(invitation.Declined)
}

// standing is where an invitation stands between two entries of its timeline, as the timeline says it.
type standing struct{ status, delivery string }

const (
	status   = "status"
	delivery = "delivery"
)

// delivered are the entries that say what became of the mail, with the state that partners see.
var delivered = map[string]outbox.Delivery{
	"sent": outbox.DeliveryQueued, "resent": outbox.DeliveryQueued, "mailed": outbox.DeliverySent, "mail failed": outbox.DeliveryFailed,
	"delayed": outbox.DeliveryDelayed, "delivered": outbox.DeliveryDelivered, "bounced": outbox.DeliveryBounced,
	"rejected": outbox.DeliveryRejected, "suppressed": outbox.DeliverySuppressed, "complained": outbox.DeliveryComplained,
}

// step goes over one entry and gives the states that changed. The delivery before a report is the one reported before it: that a
// mailer had the mail in between is no transition that anybody sees.
func (s *standing) step(action string) (was, is map[string]string) {
	next := *s
	switch to, about := delivered[action], delivered[action] != ""; {
	case action == "created":
		next = standing{string(invitation.Draft), string(outbox.DeliveryNotSent)}
		*s = standing{delivery: next.delivery} // nothing was sent before it was there, either
	case action == "done":
		next.status = string(invitation.Pending)
	case slices.Contains([]invitation.Status{invitation.Accepted, invitation.Declined, invitation.Cancelled, invitation.Expired}, invitation.Status(action)):
		next.status = action
	case action == "operator cancelled":
		next.status = string(invitation.Cancelled)
	case about:
		next.delivery = string(to)
		if next.status == string(invitation.Draft) {
			next.status = string(invitation.Pending)
			if action != "sent" { // what made it pending was dropped from a full timeline
				s.status = next.status
			}
		}
	}
	set := func(m *map[string]string, name, value string) {
		if *m == nil {
			*m = map[string]string{}
		}
		(*m)[name] = value
	}
	for name, values := range map[string][2]string{status: {s.status, next.status}, delivery: {s.delivery, next.delivery}} {
		// That a mail is on its way is said of every mail, whatever became of the one before.
		if values[0] == values[1] && (name == status || delivered[action] == "") {
			continue
		}
		set(&is, name, values[1])
		if values[0] != "" {
			set(&was, name, values[0])
		}
	}
	*s = next
	return was, is
}

// OfRelationship gives the records of the entries that a write has added to a relationship's history, oldest first; with a nil before
// those of the whole history. Each state that changed is a record of its own.
func OfRelationship(before *relationship.Relationship, after relationship.Relationship) []Record {
	fresh := len(after.History)
	if before != nil {
		fresh = Added(before.History, after.History, func(a, b relationship.Entry) bool {
			return a.At.Equal(b.At) && a.Action == b.Action && a.CorrelationID == b.CorrelationID
		})
	}
	var records []Record
	ids := identity{}
	was := relationship.Entry{DelegatedAdmin: relationship.NoAdministration, IdentityCheck: relationship.NotNeeded}
	for n, e := range after.History {
		for _, c := range changes(was, e) {
			r := Record{
				Partner: after.Partner, At: e.At.UTC(), Actor: actorOf(e, after), Operation: c.operation, ResourceType: Relationship, ResourceID: after.ID,
				Customer: after.Customer.Tenant, New: map[string]string{c.field: c.is}, CorrelationID: e.CorrelationID,
			}
			if c.was != "" {
				r.Old = map[string]string{c.field: c.was}
			}
			r.ID = ids.of(r, "")
			if n >= len(after.History)-fresh {
				records = append(records, r)
			}
		}
		was = e
	}
	return records
}

type change struct{ operation, field, was, is string }

// changes gives what an entry has changed, of what it says how it stands after it.
func changes(was, is relationship.Entry) (list []change) {
	if was.Status != is.Status {
		operation := "relationship.established"
		if is.Status == relationship.Removed {
			operation = "relationship.removed"
		}
		list = append(list, change{operation, status, string(was.Status), string(is.Status)})
	}
	if was.DelegatedAdmin != is.DelegatedAdmin {
		operation := "delegatedAdmin.granted"
		if is.DelegatedAdmin == relationship.TerminatedDAP {
			operation = "delegatedAdmin.terminated"
		}
		list = append(list, change{operation, "delegatedAdmin", string(was.DelegatedAdmin), string(is.DelegatedAdmin)})
	}
	if is.Action == relationship.WasClaimed {
		list = append(list, change{"customer.claimed", "claimed", "false", "true"})
	}
	if was.IdentityCheck != is.IdentityCheck {
		list = append(list, change{"identityCheck.changed", "identityCheck", string(was.IdentityCheck), string(is.IdentityCheck)})
	}
	return list
}

// own reports whether a line of an account's history is of the partner's own people: what its enrolment made of it, its signature, whom its
// customers ask for help, and how it is told of acceptances.
func own(e partner.Entry) bool {
	theirs := []string{"mpa", partner.SupportChanged, partner.AcceptancesChanged}
	other := func(name string) bool { return !slices.Contains(theirs, name) }
	return len(e.Changed) > 0 && !slices.ContainsFunc(e.Changed, other) || strings.HasPrefix(e.Why, enrolment.Prefix)
}

// OfAccount gives the records of the entries that a write has added to the history of a partner's account, oldest first; with a nil before
// those of the whole history. An account remembers its newest changes alone: what it has forgotten cannot be made again.
func OfAccount(before *partner.Account, after partner.Account) []Record {
	fresh := len(after.History)
	if before != nil {
		fresh = Added(before.History, after.History, func(a, b partner.Entry) bool {
			return a.At.Equal(b.At) && slices.Equal(a.Changed, b.Changed) && a.CorrelationID == b.CorrelationID && a.Key == b.Key && a.Body == b.Body
		})
	}
	var records []Record
	ids := identity{}
	states := map[string]string{}
	for n, e := range after.History {
		r := Record{
			Partner: after.Tenant, At: e.At.UTC(), Actor: Actor{Kind: Operator, Subject: e.By}, Operation: "partnerAccount.changed", ResourceType: Account,
			ResourceID: string(after.Tenant), New: map[string]string{}, CorrelationID: e.CorrelationID,
		}
		if own(e) {
			r.Actor = Actor{Kind: User, Subject: e.By, Tenant: after.Tenant}
		}
		if e.By == partner.ByReputation {
			r.Actor = Actor{Kind: System}
			r.Reason = e.Why
		}
		if len(e.Changed) == 0 {
			r.Operation, r.New[status] = "partnerAccount.created", "created"
		}
		for _, c := range e.Changed {
			name, is, isState := strings.Cut(c, "=")
			if !isState {
				is = "changed"
			} else if was := states[name]; was != "" {
				if r.Old == nil {
					r.Old = map[string]string{}
				}
				r.Old[name] = was
			}
			if r.New[name] = is; isState {
				states[name] = is
			}
		}
		r.ID = ids.of(r, e.Key+"|"+e.Body)
		if n >= len(after.History)-fresh {
			records = append(records, r)
		}
	}
	return records
}

// OfPartnership gives the records that a write of a partnership has added to the audit of the side in whose directory it stands, oldest
// first; with a nil before those of its whole history. What one side does alone is in its own audit and not in the other's (rules N8, X6).
func OfPartnership(p partnership.Entered) []Record {
	fresh := len(p.After.History)
	if p.Before != nil {
		fresh = Added(p.Before.History, p.After.History, func(a, b partnership.Entry) bool {
			return a.At.Equal(b.At) && a.Action == b.Action && a.Side == b.Side && a.CorrelationID == b.CorrelationID
		})
	}
	var records []Record
	ids := identity{}
	var was partnership.Entry
	for n, e := range p.After.History {
		together := e.Action == partnership.Established || e.Action == partnership.AccessGranted || e.Action == partnership.WasDisputed
		own := e.Side == p.After.Side(p.Of)
		for _, c := range steps(was, e) {
			r := Record{
				Partner: p.Of, At: e.At.UTC(), Actor: Actor{Kind: Customer, Tenant: p.After.With(p.Of)}, Operation: c.operation, ResourceType: Partnership,
				ResourceID: p.After.ID(), New: map[string]string{c.field: c.is}, CorrelationID: e.CorrelationID,
			}
			switch {
			case e.Action == partnership.WasDisputed:
				r.Actor.Tenant = "" // nobody signed in
			case own:
				r.Actor = Actor{User, e.By, p.Of}
			}
			if c.was != "" {
				r.Old = map[string]string{c.field: c.was}
			}
			r.ID = ids.of(r, "")
			if n >= len(p.After.History)-fresh && (together || own) {
				records = append(records, r)
			}
		}
		was = e
	}
	return records
}

// steps gives what an entry of a partnership has changed, of what it says how it stands after it.
func steps(was, is partnership.Entry) (list []change) {
	if was.Status != is.Status {
		operation := "partnership.established"
		if is.Status == partnership.Removed {
			operation = "partnership.removed"
		}
		list = append(list, change{operation, status, string(was.Status), string(is.Status)})
	}
	if was.ProviderAccess != is.ProviderAccess {
		list = append(list, change{"providerAccess." + string(is.ProviderAccess), "providerAdminAccess", string(was.ProviderAccess), string(is.ProviderAccess)})
	}
	return list
}

// actorOf says who is behind an entry of a relationship.
func actorOf(e relationship.Entry, r relationship.Relationship) Actor {
	switch e.Action {
	case relationship.Established, relationship.AdministrationGiven, relationship.AdministrationTaken, relationship.WasLeft:
		return Actor{Kind: Customer, Tenant: r.Customer.Home()}
	case relationship.WasClaimed:
		return Actor{Kind: Customer, Tenant: r.Customer.ClaimedBy}
	case relationship.WasDisputed, relationship.WasDisowned:
		return Actor{Kind: Customer} // nobody signed in, or somebody of another company
	case relationship.WasSetApart:
		return Actor{Kind: System}
	case relationship.WasAssociated:
		return Actor{Kind: User, Tenant: partner.TenantID(e.By)} // who it was at the provider's is its own business
	default:
		return Actor{User, e.By, r.Partner}
	}
}

// Added gives how many of the newest entries a write has added to a timeline. A full timeline has lost an entry behind its first with
// each. A timeline that does not go on from the one before was rewritten, which is no transition: 0.
func Added[E any](before, after []E, same func(a, b E) bool) int {
	for n := range len(after) + 1 {
		if kept := after[:len(after)-n]; len(before)-len(kept) <= n && continues(before, kept, same) {
			return n
		}
	}
	return 0
}

// continues reports whether kept is before, save for entries behind the first that were dropped.
func continues[E any](before, kept []E, same func(a, b E) bool) bool {
	if len(before) == 0 || len(kept) == 0 {
		return len(before) == len(kept)
	}
	if !same(before[0], kept[0]) {
		return false
	}
	n := 1
	for _, e := range before[1:] {
		if n < len(kept) && same(e, kept[n]) {
			n++
		}
	}
	return n == len(kept)
}

// sameStep compares what never changes of an entry; who it was and what was typed may be erased in time (domain, 0.23).
func sameStep(a, b invitation.Entry) bool {
	return a.At.Equal(b.At) && a.Action == b.Action && a.CorrelationID == b.CorrelationID && a.Key == b.Key && a.Body == b.Body
}

// AddedSteps is [Added] for invitations: the entries themselves.
func AddedSteps(before, after []invitation.Entry) []invitation.Entry {
	return after[len(after)-Added(before, after, sameStep):]
}

// order is how operations go that fall within one second, whichever resource they are about.
var order = []string{
	"invitation.created", "invitation.changed", "invitation.edited", "invitation.reset", "invitation.done", "invitation.relinked", "invitation.extended", "invitation.sent",
	"invitation.resent",
	"invitation.mailed", "invitation.mailFailed", "invitation.delayed", "invitation.delivered", "invitation.bounced", "invitation.rejected",
	"invitation.suppressed", "invitation.complained", "invitation.reminded", "invitation.renewalRequested", "invitation.reported",
	"invitation.unsubscribed", "invitation.accepted", "invitation.declined", "invitation.cancelled", "invitation.expired", "invitation.disputed",
	"invitation.noticeFailed", "invitation.erased", "relationship.established", "relationship.removed", "delegatedAdmin.granted",
	"delegatedAdmin.terminated", "identityCheck.changed", "partnerAccount.created", "partnerAccount.changed",
	"customerAgreement.attested", "customerAgreement.signed", "order.completed", "subscription.created",
	"subscription.statusChanged", "subscription.quantityChanged", "subscription.recordChanged", "subscription.supportChanged",
	"granularAdmin.created", "granularAdmin.changed", "granularAdmin.approvalPending", "granularAdmin.sent", "granularAdmin.mailed", "granularAdmin.mailFailed", "granularAdmin.delayed",
	"granularAdmin.delivered", "granularAdmin.rejected", "granularAdmin.suppressed", "granularAdmin.bounced", "granularAdmin.complained", "granularAdmin.approved", "granularAdmin.activating",
	"granularAdmin.active", "granularAdmin.reminded", "granularAdmin.noticeFailed", "granularAdmin.extended", "granularAdmin.expiring", "granularAdmin.expired",
	"granularAdmin.terminationRequested", "granularAdmin.terminating", "granularAdmin.terminated", "granularAdmin.deleted",
	"partnership.established", "partnership.removed", "providerAccess.granted", "providerAccess.revoked",
	"enrolment.started", "enrolment.changed", "enrolment.partnerIdAssociated", "enrolment.submitted", "enrolment.verificationResent",
	"enrolment.contactConfirmed", "enrolment.informationNeeded", "enrolment.approved", "enrolment.rejected", "enrolment.mpaSigned",
	"enrolment.withdrawn", "enrolment.verificationExpired", "enrolment.vettingOverdue", "enrolment.mailFailed",
	"granularAdmin.reported", "enrolment.erased", "customer.claimed", "invitation.mailAllowed", "invitation.moot", "invitation.operatorCancelled",
	"granularAdmin.mailAllowed", InvitationRead, GranularRead,
	"granularAdmin.narrowed", "granularAdmin.assigned", "granularAdmin.assignmentChanged", "granularAdmin.assignmentDeleted",
}

// What the operator looks at to support somebody. No timeline has it: the record is all that is kept of it.
const (
	InvitationRead = "invitation.readBySupport"
	GranularRead   = "granularAdmin.readBySupport"
)

// Alone gives a record of what no timeline tells, with its id.
func Alone(r Record) Record {
	r.ID = identity{}.of(r, r.Actor.Subject+"|"+r.Reason)
	return r
}

// Operations are all that there are today, in the order in which they go within a second.
func Operations() []string { return slices.Clone(order) }

var idText = base32.HexEncoding.WithPadding(base32.NoPadding) // sorts as its bytes do

// identity makes the ids of one resource's records; it counts how often the very same entry was there before.
type identity map[string]int

func (i identity) of(r Record, more string) string {
	text := fmt.Sprintf("%s|%s|%s|%d|%s|%s|%s", r.Partner, r.ResourceType, r.ResourceID, r.At.Unix(), r.Operation, r.CorrelationID, more)
	times := i[text]
	i[text]++
	sum := sha256.Sum256(fmt.Appendf(nil, "%s|%d", text, times))
	b := [16]byte{byte(len(order))}
	if n := slices.Index(order, r.Operation); n >= 0 {
		b[0] = byte(n)
	}
	copy(b[1:], sum[:])
	return "aud_" + strings.ToLower(idText.EncodeToString(b[:]))
}

// camel makes one word of an action as it is stored.
func camel(action string) string {
	words := strings.Fields(action)
	for n := 1; n < len(words); n++ {
		words[n] = strings.ToUpper(words[n][:1]) + words[n][1:]
	}
	return strings.Join(words, "")
}
