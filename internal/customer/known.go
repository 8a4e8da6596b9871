package customer

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/relationship"
)

// Directory is where a partner's traces of customers are, besides the relationships that stand (0.4).
//
// Traces gives, newest first and behind a place ([relationship.Place]), where customers stand that invitations of the partner name or have
// named by their tenant, by the creation of each invitation, and that have given granular administration, by when they gave it. Rehearsals
// are not among them. A customer has as many places as traces. It may be a moment behind, and gives fewer than the limit while next is set.
// What cannot be a place is an error with code [problem.MalformedRequest].
type Directory interface {
	// Traces gives a page of places, newest first, a second behind; [problem.MalformedRequest] for what is no place.
	Traces(ctx context.Context, p partner.TenantID, after string, limit int) (places []string, next string, err error)
}

// GrantSource knows who is administered granularly: part of a [granular.Store], whose contract it is.
type GrantSource interface {
	// GranularRelationship is that of [granular.Store].
	GranularRelationship(ctx context.Context, k granular.Key, strong bool) (granular.Relationship, error)
	// Grants is that of [granular.Store].
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

// place is where the customer stands among those that the partner knows: at its relationship or, without one, at its newest trace.
func (k Known) place() string {
	if k.Relationship != nil {
		return k.Relationship.Place()
	}
	var newest time.Time
	if k.Invitation != nil {
		newest = k.Invitation.CreatedAt
	}
	if k.Grant != nil && k.Grant.GivenAt.After(newest) {
		newest = k.Grant.GivenAt
	}
	return relationship.Place(newest, k.Tenant)
}

// KnownPage is an answer to a query of known customers. It may hold fewer than the limit, even none, while Next is set.
type KnownPage struct {
	Customers []Known
	Next      string // a place
}

// lanes is how many traces are followed at once: each takes some reads, one after another.
const lanes = 8

// Known gives a page of the customers that a partner knows, newest first: those without an active relationship, or all. One with a
// relationship, also an ended one, stands where that was established; one without where its newest trace is, an invitation that names it or
// granular administration that lives. Nothing of it is imported or related by being looked at (rules D6, D7). The status of the query plays
// no part.
//
// Relationships and traces are two lists in the same order. A page merges what it has read of both, as far as both have been read.
func (s Service) Known(ctx context.Context, p partner.TenantID, q relationship.Query, all bool) (page KnownPage, err error) {
	if q.Status = relationship.Removed; all {
		q.Status = ""
	}
	found, err := s.Customers.Relationships(ctx, p, q)
	if err != nil {
		return page, err
	}
	places, next, err := s.Directory.Traces(ctx, p, q.After, q.Limit)
	if err != nil {
		return page, err
	}
	page.Next = max(found.Next, next)
	places = slices.DeleteFunc(places, func(place string) bool { return place < page.Next })
	traced, err := s.follow(ctx, p, places)
	if err != nil {
		return KnownPage{}, err
	}
	for n := range found.Relationships {
		if r := &found.Relationships[n]; r.Place() >= page.Next {
			traced = append(traced, Known{Customer: r.Customer, Relationship: r})
		}
	}
	slices.SortFunc(traced, func(a, b Known) int { return strings.Compare(b.place(), a.place()) })
	for _, k := range traced {
		if !q.Matches(relationship.Relationship{Customer: k.Customer, Status: q.Status}) {
			continue
		}
		if len(page.Customers) == q.Limit {
			page.Next = page.Customers[q.Limit-1].place()
			break
		}
		page.Customers = append(page.Customers, k)
	}
	return page, nil
}

// follow gives the customers that stand at some places by their traces: without a relationship under whichever id (domain, 0.30), and by
// their newest trace, so that each is found at one place only.
func (s Service) follow(ctx context.Context, p partner.TenantID, places []string) (list []Known, err error) {
	known, faults := make([]Known, len(places)), make([]error, len(places))
	var all sync.WaitGroup
	for lane := range min(lanes, len(places)) {
		all.Go(func() {
			for n := lane; n < len(places); n += lanes {
				_, tenant, _ := relationship.ParsePlace(places[n])
				known[n], faults[n] = s.KnownCustomer(ctx, p, tenant)
			}
		})
	}
	all.Wait()
	for n, k := range known {
		switch err := faults[n]; {
		case problem.Is(err, problem.NotFound):
		case err != nil:
			return nil, err
		case k.Relationship == nil && k.place() == places[n]:
			list = append(list, k)
		}
	}
	return list, nil
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
		if t.grant, err = s.live(ctx, p, tenant); err != nil {
			return Known{}, err
		}
	}
	known, ok, err := s.recognise(ctx, p, tenant, t)
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

// live gives what the customer gave last of what lives; nil for nothing.
func (s Service) live(ctx context.Context, p, tenant partner.TenantID) (last *granular.Grant, err error) {
	grants, err := s.Grants.Grants(ctx, p, tenant, tenant)
	now := s.Now()
	for n, g := range grants {
		if g.Live(now) && (last == nil || g.GivenAt.After(last.GivenAt)) {
			last = &grants[n]
		}
	}
	return last, err
}

// recognise says who a customer is, and false when it is none.
func (s Service) recognise(ctx context.Context, p, tenant partner.TenantID, t trace) (k Known, ok bool, err error) {
	k = Known{Customer: relationship.Customer{Tenant: tenant}, Relationship: t.relationship, Grant: t.grant}
	if r := t.relationship; r != nil {
		k.Customer = r.Customer
		return k, true, nil
	}
	if k.Invitation, err = s.newest(ctx, p, t.invitations); err != nil {
		return k, false, err
	}
	if i := k.Invitation; i != nil {
		k.Cloud = i.Cloud
		if _, domain, found := strings.Cut(i.RecipientEmail, "@"); found {
			k.Domains = []string{strings.ToLower(domain)}
		}
		if i.Answer != nil && (i.Bound || i.Answer.Tenant == tenant) { // whom a request names answers it under either id
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
		case i.Kind.AsksPartner(): // a company that was asked to be a reseller is no customer by that
		case newest == nil || i.CreatedAt.After(newest.CreatedAt):
			newest = &i
		}
	}
	return newest, nil
}
