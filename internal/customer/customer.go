// Package customer is what a partner does with a customer once the relationship stands: it confirms whom it deals with, and gives the
// administration back that it was granted.
package customer

import (
	"context"
	"errors"
	"time"

	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/relationship"
)

// Service is these use cases over a store.
type Service struct {
	Store Store
	Now   func() time.Time
}

// Store is what the use cases need of a [relationship.Store] and an [invitation.Store], whose contracts it is.
type Store interface {
	Relationship(ctx context.Context, p, customer partner.TenantID) (relationship.Relationship, error)
	Commit(ctx context.Context, invitations []invitation.Change, relationships []relationship.Change) error
}

// Command is who asks for a change of a customer, and under which condition.
type Command struct {
	User          partner.User
	CorrelationID string
	// IfVersion is the version that the caller has seen (If-Match), or [invitation.AnyVersion]; zero for none.
	IfVersion int
	// Findings is what is wrong with the form of the request already.
	Findings problem.Findings
}

// Change is what is asked for, exactly one of it. Nil means "not said".
type Change struct {
	IdentityConfirmed    *bool // true: the agent knows that the right company answered (domain, 0.25)
	AllowDelegatedAccess *bool // false: the partner's delegated administration ends
}

// Change carries out a change. What stands already is no error and no new version: a call can be repeated. Codes:
// [problem.RoleNotPermitted]; [problem.RelationshipNotFound] for a customer with which no relationship is active;
// [problem.PreconditionRequired], [problem.PreconditionFailed]; [problem.ValidationFailed].
func (s Service) Change(ctx context.Context, c Command, tenant string, change Change) (relationship.Relationship, error) {
	for range maxRounds {
		r, err := s.once(ctx, c, tenant, change)
		if !errors.Is(err, invitation.ErrConflict) {
			return r, err
		}
	}
	return relationship.Relationship{}, &problem.Error{Code: problem.Unavailable, Detail: "Too many changes at once; try again.", RetryAfter: time.Second}
}

// maxRounds bounds how often a decision is made anew after somebody else was quicker.
const maxRounds = 8

func (s Service) once(ctx context.Context, c Command, tenant string, change Change) (relationship.Relationship, error) {
	none := relationship.Relationship{}
	if err := c.User.Permit(partner.KeepRelationships); err != nil {
		return none, err
	}
	id, ok := partner.ParseTenantID(tenant)
	missing := problem.New(problem.RelationshipNotFound, "There is no active relationship with this customer.")
	if !ok {
		return none, missing
	}
	before, err := s.Store.Relationship(ctx, c.User.Tenant, id)
	if problem.Is(err, problem.NotFound) || err == nil && before.Status != relationship.Active {
		return none, missing
	}
	if err != nil {
		return none, err
	}
	switch c.IfVersion {
	case 0:
		return none, problem.New(problem.PreconditionRequired, "Say which version you change, with If-Match.")
	case invitation.AnyVersion, before.Version:
	default:
		return none, problem.New(problem.PreconditionFailed, "The customer was changed since you read it.")
	}
	if err := change.check(c.Findings).Err(); err != nil {
		return none, err
	}
	e := relationship.Entry{At: s.Now().UTC().Truncate(time.Second), By: c.User.Subject, CorrelationID: c.CorrelationID}
	after, changed := before.EndAdministration(e)
	if change.IdentityConfirmed != nil {
		after, changed = before.Confirm(e)
	}
	if !changed {
		return before, nil
	}
	return after, s.Store.Commit(ctx, nil, []relationship.Change{{Before: &before, After: after}})
}

func (c Change) check(f problem.Findings) problem.Findings {
	switch {
	case len(f) > 0:
	case (c.IdentityConfirmed == nil) == (c.AllowDelegatedAccess == nil):
		f.Add("", problem.ValidationFailed, "Say either identityConfirmed or allowDelegatedAccess.")
	case c.IdentityConfirmed != nil && !*c.IdentityConfirmed:
		f.Add("/identityConfirmed", problem.ValidationFailed, "What was confirmed is not taken back.")
	case c.AllowDelegatedAccess != nil && *c.AllowDelegatedAccess:
		f.Add("/allowDelegatedAccess", problem.ValidationFailed, "Only the customer grants administration, by accepting a request for it.")
	}
	return f
}
