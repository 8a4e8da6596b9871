package customer

import (
	"context"
	"maps"
	"slices"
	"strings"

	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/relationship"
)

// Directory is where a partner's traces of customers are, besides the relationships that stand (0.4).
//
// Named gives, in the order of their tenants and after one, customers whose tenant invitations of the partner name or have named, with the
// ids of those that did so last; rehearsals are not among them. It includes every write that was acknowledged before the call.
type Directory interface {
	Named(ctx context.Context, p, after partner.TenantID, limit int) (list []Named, next partner.TenantID, err error)
}

// Named is a customer that invitations name.
type Named struct {
	Customer    partner.TenantID
	Invitations []string // ids
}

// Grants knows who is administered granularly: part of a [granular.Store], whose contract it is.
type Grants interface {
	GranularRelationship(ctx context.Context, k granular.Key, strong bool) (granular.Relationship, error)
	Grants(ctx context.Context, p, from, to partner.TenantID) ([]granular.Grant, error)
}

// Known is a customer that a partner knows (0.4): because of a relationship, or an open or past invitation that names its tenant, or
// granular administration that lives.
type Known struct {
	relationship.Customer
	// Relationship is nil when there never was any.
	Relationship *relationship.Relationship
	// Invitation is the newest that names the customer, where there was no relationship; nil for none.
	Invitation *invitation.Invitation
	Grant      *granular.Grant // one that lives; nil for none
}

// KnownPage is an answer to a query of known customers. It may hold fewer than the limit, even none, while Next is set.
type KnownPage struct {
	Customers []Known
	Next      partner.TenantID
}

// the ends of all tenants
const (
	lowest  partner.TenantID = "00000000-0000-0000-0000-000000000000"
	highest partner.TenantID = "ffffffff-ffff-ffff-ffff-ffffffffffff"
)

// Known gives a page of the customers that a partner knows, in the order of their tenants: those without an active relationship, or
// all. Nothing of it is imported or related by being looked at (rules D6, D7). The status of the query plays no part.
func (s Service) Known(ctx context.Context, p partner.TenantID, q relationship.Query, all bool) (page KnownPage, err error) {
	after := partner.TenantID(q.After)
	if _, ok := partner.ParseTenantID(q.After); q.After != "" && !ok {
		return page, problem.New(problem.MalformedRequest, "The list cannot be continued from there.")
	}
	found, err := s.Customers.Relationships(ctx, p, relationship.Query{Limit: q.Limit, After: q.After})
	if err != nil {
		return page, err
	}
	named, next, err := s.Directory.Named(ctx, p, after, q.Limit)
	if err != nil {
		return page, err
	}
	horizon := highest // as far as both have been read
	for _, end := range []partner.TenantID{partner.TenantID(found.Next), next} {
		if end != "" {
			horizon = min(horizon, end)
		}
	}
	grants, err := s.live(ctx, p, max(after, lowest), horizon)
	if err != nil {
		return page, err
	}
	traces := map[partner.TenantID]trace{}
	for n, r := range found.Relationships {
		traces[r.Customer.Tenant] = trace{relationship: &found.Relationships[n]}
	}
	for _, each := range named {
		t := traces[each.Customer]
		t.invitations = each.Invitations
		traces[each.Customer] = t
	}
	for tenant, g := range grants {
		t := traces[tenant]
		t.grant = &g
		traces[tenant] = t
	}
	if horizon < highest {
		page.Next = horizon
	}
	if err := s.single(ctx, p, traces); err != nil {
		return page, err
	}
	for _, tenant := range slices.Sorted(maps.Keys(traces)) {
		if tenant <= after || tenant > horizon {
			continue
		}
		if len(page.Customers) == q.Limit {
			page.Next = page.Customers[q.Limit-1].Tenant
			break
		}
		known, ok, err := s.recognise(ctx, p, tenant, traces[tenant], all)
		if err != nil {
			return KnownPage{}, err
		}
		if ok && q.Matches(relationship.Relationship{Customer: known.Customer}) {
			page.Customers = append(page.Customers, known)
		}
	}
	return page, nil
}

// single leaves out traces of companies that the partner has a relationship with under another id (domain, 0.30).
func (s Service) single(ctx context.Context, p partner.TenantID, traces map[partner.TenantID]trace) error {
	var loose []partner.TenantID
	for tenant, t := range traces {
		if t.relationship == nil {
			loose = append(loose, tenant)
		}
	}
	if len(loose) == 0 {
		return nil
	}
	found, err := s.Register.Companies(ctx, loose, nil, false)
	if err != nil {
		return err
	}
	for _, tenant := range loose {
		if _, claimed := found.Claims[tenant]; !claimed && found.Records[tenant].Tenant == "" {
			continue
		}
		switch _, err := s.Store.Relationship(ctx, p, tenant); {
		case err == nil:
			delete(traces, tenant)
		case !problem.Is(err, problem.NotFound):
			return err
		}
	}
	return nil
}

// KnownCustomer gives one of them. Code: [problem.NotFound].
func (s Service) KnownCustomer(ctx context.Context, p, tenant partner.TenantID) (Known, error) {
	var t trace
	r, err := s.Store.Relationship(ctx, p, tenant)
	switch {
	case err == nil:
		t.relationship = &r
	case !problem.Is(err, problem.NotFound):
		return Known{}, err
	default:
		if t.invitations, err = s.Store.Occupants(ctx, p, tenant); err != nil {
			return Known{}, err
		}
		grants, err := s.live(ctx, p, tenant, tenant)
		if err != nil {
			return Known{}, err
		}
		if g, ok := grants[tenant]; ok {
			t.grant = &g
		}
	}
	known, ok, err := s.recognise(ctx, p, tenant, t, true)
	if err == nil && !ok {
		err = problem.New(problem.NotFound, "There is no such customer.")
	}
	return known, err
}

// trace is what speaks of a customer.
type trace struct {
	relationship *relationship.Relationship
	invitations  []string
	grant        *granular.Grant
}

func (s Service) live(ctx context.Context, p, from, to partner.TenantID) (map[partner.TenantID]granular.Grant, error) {
	grants, err := s.Grants.Grants(ctx, p, from, to)
	if err != nil {
		return nil, err
	}
	now, live := s.Now(), map[partner.TenantID]granular.Grant{}
	for _, g := range grants {
		if g.Live(now) {
			live[g.Customer] = g
		}
	}
	return live, nil
}

// recognise says who a customer is, and false when it is none of those asked for.
func (s Service) recognise(ctx context.Context, p, tenant partner.TenantID, t trace, all bool) (k Known, ok bool, err error) {
	k = Known{Customer: relationship.Customer{Tenant: tenant}, Relationship: t.relationship, Grant: t.grant}
	if r := t.relationship; r != nil {
		k.Customer = r.Customer
		return k, all || r.Status != relationship.Active, nil
	}
	if k.Invitation, err = s.newest(ctx, p, t.invitations); err != nil {
		return k, false, err
	}
	if i := k.Invitation; i != nil {
		k.Cloud = i.Cloud
		if _, domain, found := strings.Cut(i.RecipientEmail, "@"); found {
			k.Domains = []string{strings.ToLower(domain)}
		}
		if i.Answer != nil && i.Answer.Tenant == tenant {
			k.CompanyName = i.Answer.Company
		}
	}
	if t.grant != nil {
		r, err := s.Grants.GranularRelationship(ctx, t.grant.Key, false)
		if err != nil && !problem.Is(err, problem.NotFound) {
			return k, false, err
		}
		if k.Cloud == "" {
			k.Cloud = r.Cloud
		}
		if k.CompanyName == "" {
			k.CompanyName = r.CustomerName
		}
	}
	return k, k.Invitation != nil || t.grant != nil, nil
}

// newest gives the newest of some invitations.
func (s Service) newest(ctx context.Context, p partner.TenantID, ids []string) (newest *invitation.Invitation, err error) {
	for _, id := range ids {
		i, err := s.Store.Invitation(ctx, invitation.Key{Inviter: p, ID: id}, false)
		switch {
		case problem.Is(err, problem.NotFound):
		case err != nil:
			return nil, err
		case i.Kind == invitation.Partnership: // a company that was asked to be a reseller is no customer by that
		case newest == nil || i.CreatedAt.After(newest.CreatedAt):
			newest = &i
		}
	}
	return newest, nil
}
