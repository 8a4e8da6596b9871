package customer

import (
	"context"
	"errors"
	"slices"
	"time"

	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/relationship"
)

// Self is what a Global admin of a customer does for the own company beside answering: it sees the partners, and takes delegated
// administration back (domain, 2.2 DAP, 2.4).
type Self struct {
	Store    SelfStore
	Register interface {
		Partners(ctx context.Context, customer partner.TenantID) ([]partner.TenantID, error)
	}
	Accounts partner.Accounts
	Now      func() time.Time
}

// SelfStore is what Self needs of a [relationship.Store] and an [invitation.Store], whose contracts it is.
type SelfStore interface {
	Relationship(ctx context.Context, p, customer partner.TenantID) (relationship.Relationship, error)
	Commit(ctx context.Context, invitations []invitation.Change, relationships []relationship.Change) error
}

// Partner is a partner of the company, with what stands between them.
type Partner struct {
	partner.Account
	Relationship relationship.Relationship
}

// Administers reports whether the partner has delegated administration.
func (p Partner) Administers() bool { return p.Relationship.DelegatedAdmin == relationship.ActiveDAP }

// Partners gives the partners that have an active relationship with the company of who is signed in, by name. Code:
// [problem.RoleNotPermitted] for who is no Global admin of it.
func (s Self) Partners(ctx context.Context, who invitation.Person) ([]Partner, error) {
	if err := admin(who); err != nil {
		return nil, err
	}
	tenants, err := s.Register.Partners(ctx, who.Company.Tenant)
	if err != nil {
		return nil, err
	}
	var all []Partner
	for _, tenant := range tenants {
		p, err := s.find(ctx, who, tenant)
		if problem.Is(err, problem.NotFound) {
			continue // it has ended
		}
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b Partner) int {
		if a.DisplayName < b.DisplayName {
			return -1
		}
		return 1
	})
	return all, nil
}

// Partner gives one of them. Codes: [problem.RoleNotPermitted], [problem.NotFound].
func (s Self) Partner(ctx context.Context, who invitation.Person, tenant string) (Partner, error) {
	if err := admin(who); err != nil {
		return Partner{}, err
	}
	id, ok := partner.ParseTenantID(tenant)
	if !ok {
		return Partner{}, notMine()
	}
	return s.find(ctx, who, id)
}

// Revoke ends the delegated administration of a partner; the relationship stays. What has ended stays so: it can be repeated. Codes:
// those of [Self.Partner].
func (s Self) Revoke(ctx context.Context, who invitation.Person, tenant, correlationID string) (Partner, error) {
	for range maxRounds {
		p, err := s.Partner(ctx, who, tenant)
		if err != nil {
			return p, err
		}
		before := p.Relationship
		after, changed := before.Revoke(relationship.Entry{At: s.Now().UTC().Truncate(time.Second), By: who.Subject, CorrelationID: correlationID})
		if !changed {
			return p, nil
		}
		p.Relationship = after
		err = s.Store.Commit(ctx, nil, []relationship.Change{{Before: &before, After: after}})
		if !errors.Is(err, invitation.ErrConflict) {
			return p, err
		}
	}
	return Partner{}, busy()
}

func admin(who invitation.Person) error {
	if who.Company.Tenant == "" || !slices.Contains(who.Roles, partner.GlobalAdmin) {
		return problem.New(problem.RoleNotPermitted, "Only a Global admin sees the company's partners.")
	}
	return nil
}

func notMine() error { return problem.New(problem.NotFound, "There is no such partner.") }

func (s Self) find(ctx context.Context, who invitation.Person, id partner.TenantID) (Partner, error) {
	r, err := s.Store.Relationship(ctx, id, who.Company.Tenant)
	if err == nil && r.Status != relationship.Active {
		err = notMine()
	}
	if err != nil {
		return Partner{}, err
	}
	account, err := s.Accounts.Account(ctx, id, false)
	return Partner{account, r}, err
}
