// Package events tells other systems what has happened, on an EventBridge bus, and puts it into the partners' audit: [Causes] says what a
// write to the table causes, and a [Dispatcher] delivers it.
//
// An event is made by comparing an item before and after a write, never by the code that writes: what the table has, the bus
// gets, and nothing else. It is delivered at least once and not always in order. Its id is made of the item and the version
// that the write gave it, so that an event that comes twice is the same both times, and the version orders the events of one
// resource.
//
// An event holds ids and states. It has no link, no mail address, no name of a person or company and no text that a person
// typed; whoever needs more asks the API for the invitation (invitation.id) or the customer (customerTenantId) with a token
// of the partner (partnerTenantId). events/schemas describes each type; fields may be added to a version.
package events

import (
	"fmt"
	"time"

	"concord/internal/audit"
	"concord/internal/invitation"
	"concord/internal/partnership"
	"concord/internal/relationship"
)

// Source and Version are what each event says of its origin and of the form of its detail.
const (
	Source  = "concord"
	Version = "1"
)

// Type says what has happened, as the detail type on the bus.
type Type string

// The types of events. Each has a schema.
const (
	InvitationCreated        Type = "invitation-created"
	InvitationSent           Type = "invitation-sent"            // SES took a mail, or the partner says that it mails itself
	InvitationDeliveryFailed Type = "invitation-delivery-failed" // a mail did not go out or did not arrive
	InvitationAccepted       Type = "invitation-accepted"
	InvitationDeclined       Type = "invitation-declined"
	InvitationCancelled      Type = "invitation-cancelled"
	InvitationExpired        Type = "invitation-expired" // when the job has noticed it
	InvitationReminded       Type = "invitation-reminded"
	InvitationRenewal        Type = "invitation-renewal-requested"
	InvitationReported       Type = "invitation-reported"
	InvitationDisputed       Type = "invitation-disputed"

	RelationshipEstablished Type = "relationship-established"
	// CustomerClaimed says that the company has claimed the customer that its partner had created (domain, 0.30).
	CustomerClaimed       Type = "customer-claimed"
	RelationshipRemoved   Type = "relationship-removed"
	DelegatedAdminGranted Type = "delegated-admin-granted"
	DelegatedAdminEnded   Type = "delegated-admin-ended"

	PartnershipEstablished Type = "partnership-established" // told to both sides
	PartnershipRemoved     Type = "partnership-removed"     // told to the side that removed it
)

// Event is what goes on the bus.
type Event struct {
	Type   Type
	Detail Detail
}

// Detail is the versioned document of an event.
type Detail struct {
	Version string `json:"version"`
	// ID is the same however often the event is delivered: the resource's id and version, and what happened.
	ID              string         `json:"id"`
	OccurredAt      time.Time      `json:"occurredAt"`
	CorrelationID   string         `json:"correlationId,omitempty"` // of the request that caused it; a job has none
	PartnerTenantID string         `json:"partnerTenantId"`
	Invitation      *Invitation    `json:"invitation,omitempty"`
	Relationship    *Relationship  `json:"relationship,omitempty"`
	Agreement       *Agreement     `json:"agreement,omitempty"`
	Order           *Order         `json:"order,omitempty"`
	Subscription    *Subscription  `json:"subscription,omitempty"`
	GranularAdmin   *GranularAdmin `json:"granularAdmin,omitempty"`
	Partnership     *Partnership   `json:"partnership,omitempty"`
	Enrolment       *Enrolment     `json:"enrolment,omitempty"`
	SentBy          string         `json:"sentBy,omitempty"`  // who mails: "concord" or "partner"
	Reason          string         `json:"reason,omitempty"`  // one of a list of words
	Granted         *bool          `json:"granted,omitempty"` // false when all that was accepted stood already
}

// Invitation is an invitation as it is after the write.
type Invitation struct {
	ID                    string     `json:"id"`
	Version               int        `json:"version"`
	Kind                  string     `json:"kind"`
	Status                string     `json:"status"`
	Cloud                 string     `json:"cloud"`
	CustomerTenantID      string     `json:"customerTenantId,omitempty"`
	ProviderTenantID      string     `json:"providerTenantId,omitempty"` // of a dual one
	Replaces              string     `json:"replaces,omitempty"`         // the id of the one that it renews
	RequestDelegatedAdmin bool       `json:"requestDelegatedAdmin"`
	CreatedAt             time.Time  `json:"createdAt"`
	ExpiresAt             *time.Time `json:"expiresAt,omitempty"`
}

// Relationship is a relationship as it is after the write.
type Relationship struct {
	ID               string    `json:"id"`
	Version          int       `json:"version"`
	CustomerTenantID string    `json:"customerTenantId"`
	ClaimedBy        string    `json:"claimedByTenantId,omitempty"` // where that is news: the tenant beside the id that stays
	Role             string    `json:"role"`
	Status           string    `json:"status"`
	Origin           string    `json:"origin"`
	InvitationID     string    `json:"invitationId,omitempty"`
	DelegatedAdmin   string    `json:"delegatedAdmin"`
	IdentityCheck    string    `json:"identityCheck"`
	EstablishedAt    time.Time `json:"establishedAt"`
}

// Partnership is a partnership as it is after the write, seen from the side of the partner that is told.
type Partnership struct {
	ID                  string    `json:"id"`
	Version             int       `json:"version"`
	Role                string    `json:"role"`
	ProviderTenantID    string    `json:"providerTenantId,omitempty"` // of a removal neither is told: it names who did it alone (X6)
	ResellerTenantID    string    `json:"resellerTenantId,omitempty"`
	Status              string    `json:"status"`
	ProviderAdminAccess string    `json:"providerAdminAccess"`
	InvitationID        string    `json:"invitationId,omitempty"` // the provider's own
	EstablishedAt       time.Time `json:"establishedAt"`
}

// told says which entries of a timeline are events, and what they tell beside the invitation. The other entries are steps on
// the way: that a mail was asked for is no event, that it went out is.
var told = map[string]struct {
	event Type
	more  func(*Detail, invitation.Entry, invitation.Invitation)
}{
	"created":     {InvitationCreated, nothing},
	"mailed":      {InvitationSent, func(d *Detail, _ invitation.Entry, _ invitation.Invitation) { d.SentBy = "concord" }},
	"done":        {InvitationSent, func(d *Detail, _ invitation.Entry, _ invitation.Invitation) { d.SentBy = "partner" }},
	"mail failed": {InvitationDeliveryFailed, why},
	"bounced":     {InvitationDeliveryFailed, why},
	"rejected":    {InvitationDeliveryFailed, why},
	"suppressed":  {InvitationDeliveryFailed, why},
	"accepted": {InvitationAccepted, func(d *Detail, _ invitation.Entry, i invitation.Invitation) {
		granted := i.Answer == nil || !i.Answer.NoChange
		d.Granted = &granted
	}},
	"declined": {InvitationDeclined, func(d *Detail, _ invitation.Entry, i invitation.Invitation) {
		if i.Answer != nil {
			d.Reason = i.Answer.Reason
		}
	}},
	"cancelled": {InvitationCancelled, nothing}, // why is a text that somebody typed
	"expired":   {InvitationExpired, nothing},

	"operator cancelled": {InvitationCancelled, nothing},

	"reminded":          {InvitationReminded, why},
	"renewal requested": {InvitationRenewal, why},
	"reported":          {InvitationReported, why},
	"disputed":          {InvitationDisputed, why},
}

func nothing(*Detail, invitation.Entry, invitation.Invitation) {}

// why tells the word with which the sender, or what SES reported, gave a mail up.
func why(d *Detail, e invitation.Entry, _ invitation.Invitation) { d.Reason = e.Why }

// OfInvitation gives what a write of an invitation tells: an event for each entry that it added to the timeline and that
// somebody else cares about. Before is nil for a new invitation.
func OfInvitation(before *invitation.Invitation, after invitation.Invitation) []Event {
	var was []invitation.Entry
	if before != nil {
		was = before.History
	}
	var out []Event
	for _, entry := range audit.AddedSteps(was, after.History) {
		t, ok := told[entry.Action]
		if !ok {
			continue
		}
		d := Detail{
			Version: Version, ID: id(after.ID, after.Version, t.event), OccurredAt: entry.At.UTC(), CorrelationID: entry.CorrelationID,
			PartnerTenantID: string(after.Inviter),
			Invitation: &Invitation{
				ID: after.ID, Version: after.Version, Kind: string(after.Kind), Status: string(after.Status), Cloud: string(after.Cloud),
				CustomerTenantID: string(after.Customer), ProviderTenantID: string(after.Provider), Replaces: after.Replaces, RequestDelegatedAdmin: after.RequestDelegatedAdmin, CreatedAt: after.CreatedAt.UTC(),
			},
		}
		if !after.ExpiresAt.IsZero() {
			at := after.ExpiresAt.UTC()
			d.Invitation.ExpiresAt = &at
		}
		t.more(&d, entry, after)
		out = append(out, Event{t.event, d})
	}
	return out
}

// OfRelationship gives what a write of a relationship tells. Before is nil for a new one. Nobody but the partner whose relationship it is
// learns of its end from it (rule X6).
func OfRelationship(before *relationship.Relationship, after relationship.Relationship) []Event {
	active := func(r *relationship.Relationship) bool { return r != nil && r.Status == relationship.Active }
	administered := func(r *relationship.Relationship) bool { return r != nil && r.DelegatedAdmin == relationship.ActiveDAP }
	var out []Event
	tell := func(t Type, at time.Time, reason string) {
		out = append(out, Event{t, Detail{
			Version: Version, ID: id(after.ID, after.Version, t), OccurredAt: at.UTC(), CorrelationID: after.CorrelationID,
			PartnerTenantID: string(after.Partner), Reason: reason,
			Relationship: &Relationship{
				ID: after.ID, Version: after.Version, CustomerTenantID: string(after.Customer.Tenant), Role: string(after.Role),
				Status: string(after.Status), Origin: after.Origin, InvitationID: after.Invitation, DelegatedAdmin: string(after.DelegatedAdmin),
				IdentityCheck: string(after.IdentityCheck), EstablishedAt: after.EstablishedAt.UTC(),
			},
		}})
	}
	switch {
	case active(&after) && !active(before):
		tell(RelationshipEstablished, after.EstablishedAt, "")
	case !active(&after) && active(before):
		tell(RelationshipRemoved, after.UpdatedAt, "")
	}
	if before != nil && before.Customer.ClaimedBy == "" && after.Customer.ClaimedBy != "" {
		tell(CustomerClaimed, after.UpdatedAt, "")
		out[len(out)-1].Detail.Relationship.ClaimedBy = string(after.Customer.ClaimedBy)
	}
	switch {
	case administered(&after) && !administered(before):
		tell(DelegatedAdminGranted, after.UpdatedAt, "")
	case !administered(&after) && administered(before):
		tell(DelegatedAdminEnded, after.UpdatedAt, ending(after))
	}
	return out
}

// OfPartnership gives what a write of a partnership tells the side in whose directory it stands. Of a removal only the side that did it
// is told (rule X6).
func OfPartnership(p partnership.Entered) []Event {
	var was []partnership.Entry
	if p.Before != nil {
		was = p.Before.History
	}
	added := audit.Added(was, p.After.History, func(a, b partnership.Entry) bool {
		return a.At.Equal(b.At) && a.Action == b.Action && a.Side == b.Side && a.CorrelationID == b.CorrelationID
	})
	var out []Event
	side := p.After.Side(p.Of)
	for _, e := range p.After.History[len(p.After.History)-added:] {
		t := map[partnership.Action]Type{partnership.Established: PartnershipEstablished, partnership.WasRemoved: PartnershipRemoved}[e.Action]
		if t == "" || t == PartnershipRemoved && e.Side != side {
			continue
		}
		d := Detail{
			Version: Version, ID: id(p.After.ID(), p.After.Version, t) + "." + string(side), OccurredAt: e.At.UTC(), CorrelationID: e.CorrelationID,
			PartnerTenantID: string(p.Of),
			Partnership: &Partnership{
				ID: p.After.ID(), Version: p.After.Version, Role: string(side), ProviderTenantID: string(p.After.Provider), ResellerTenantID: string(p.After.Reseller),
				Status: string(p.After.Status), ProviderAdminAccess: string(p.After.ProviderAccess), EstablishedAt: p.After.EstablishedAt.UTC(),
			},
		}
		if t == PartnershipRemoved {
			d.Partnership.ProviderTenantID, d.Partnership.ResellerTenantID = "", ""
		}
		if side == partnership.ProviderSide {
			d.Partnership.InvitationID = p.After.Invitation
		}
		out = append(out, Event{t, d})
	}
	return out
}

// ending says what has ended the administration.
func ending(r relationship.Relationship) string {
	var last relationship.Action
	if n := len(r.History); n > 0 {
		last = r.History[n-1].Action
	}
	switch last {
	case relationship.WasRemoved, relationship.WasLeft:
		return "removed"
	case relationship.WasDisputed:
		return "disputed"
	default:
		return "revoked"
	}
}

func id(resource string, version int, t Type) string {
	return fmt.Sprintf("%s.%d.%s", resource, version, t)
}
