// Package audit holds who did what to a partner's invitations and relationships, and when (domain, 2.1 AuditRecord; invariant 18).
//
// A record is derived from the timeline of an item and from nothing else. So it is the same whether the table's stream brought the
// write that it tells of, or the item is read years later to make up for a record that is missing: [OfInvitation],
// [OfRelationship], [OfGranular] and [OfAccount] are both. It says which states changed, and never an address, the name of a person or company, a link or a text
// that somebody typed; who it was at the customer's is the customer's own business.
//
// A partner sees the records of its own items. What another partner does, the removal of its relationship with the same customer
// included, is written to that partner's items and is in nobody else's audit (rule X6).
package audit

import (
	"context"
	"slices"
	"time"

	"concord/internal/partner"
)

// ActorKind is who did something.
type ActorKind string

// Who can do something.
const (
	User     ActorKind = "user"     // somebody of the partner
	Customer ActorKind = "customer" // who followed a link
	System   ActorKind = "system"   // a function of ours, on something that happened
	Schedule ActorKind = "schedule" // a function of ours, because a time had come
	Operator ActorKind = "operator" // somebody of the platform
)

// Actor is who did something, as far as the partner may know.
type Actor struct {
	Kind    ActorKind
	Subject string           // of a user, or of the operator; empty for everybody else
	Tenant  partner.TenantID // the company, where it is known
}

// The types of resources.
const (
	Invitation   = "invitation"
	Relationship = "relationship"
	Account      = "partnerAccount"
	Agreement    = "customerAgreement"
	Order        = "order"
	Subscription = "subscription"
	Granular     = "granularAdmin"
	Partnership  = "partnership"
	Enrolment    = "enrolment"
)

// ResourceTypes are all of them.
var ResourceTypes = []string{Invitation, Relationship, Account, Agreement, Order, Subscription, Granular, Partnership, Enrolment}

// Record is one transition of one resource.
type Record struct {
	// ID is "aud_" and 26 letters and digits. It is made of the resource and the entry of its timeline, so that the same transition
	// always has the same id, and within a second of the order in which things go.
	ID            string
	Partner       partner.TenantID // whose audit it is in
	At            time.Time        // when it happened, to the second
	Actor         Actor
	Operation     string // what happened, such as "invitation.accepted"
	ResourceType  string
	ResourceID    string
	Customer      partner.TenantID // whom it is about, where that is known
	Old, New      map[string]string
	CorrelationID string // of the request; empty when no request caused it
	Reason        string // one of a list of words; what somebody typed is not repeated here
	Until         time.Time
}

// Kept gives the record with the time until which it has to be kept (domain, 0.23).
func (r Record) Kept(d time.Duration) Record {
	r.Until = r.At.Add(d)
	return r
}

// Query asks for a page of one partner's records, newest first.
type Query struct {
	From, Before time.Time          // when it happened, from inclusive, before exclusive; to the second
	Customer     partner.TenantID   // empty for every customer and none
	Also         []partner.TenantID // the other ids of that customer
	ResourceType string
	Operation    string
	Actor        string // the subject of who did it; empty for everybody
	Limit        int
	After        string // where the page before ended; empty for the first page
}

// Matches reports whether a record is among those asked for.
func (q Query) Matches(r Record) bool {
	return (q.Customer == "" || q.Customer == r.Customer || slices.Contains(q.Also, r.Customer)) && (q.ResourceType == "" || q.ResourceType == r.ResourceType) &&
		(q.Operation == "" || q.Operation == r.Operation) && (q.Actor == "" || q.Actor == r.Actor.Subject) && !r.At.Before(q.From) && r.At.Before(q.Before)
}

// Page is an answer to a [Query]. It may hold fewer than the limit, even none, while Next is set.
type Page struct {
	Records []Record
	Next    string
}

// Log keeps records.
//
// AddAudit adds a record and reports whether it was new; one with the same id, of the same partner and time, stays as it is. With an
// error it may have been added. Nothing changes a record or takes it away before its time.
//
// AuditRecords lists newest first, and includes every record whose addition was acknowledged before the call. A page looks at a
// bounded number of records.
type Log interface {
	// AddAudit adds a record, on condition that there is none with its key, and reports whether it was new. With an
	// error it may be there.
	AddAudit(ctx context.Context, r Record) (added bool, err error)
	// AuditRecords gives a page, newest first, strongly consistent; [problem.MalformedRequest] for a place where no
	// page ended.
	AuditRecords(ctx context.Context, p partner.TenantID, q Query) (Page, error)
}
