package partnership

import (
	"context"
	"slices"
	"time"

	"concord/internal/command"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/relationship"
	"concord/internal/terms"
)

// Service is what the two do with a partnership, and what each may know of the other by it.
type Service struct {
	Store    Store
	Accounts Accounts
	Tiers    Tiers
	// Texts has what is attested on removal (invariant 14).
	Texts terms.Catalogue
	Now   func() time.Time
}

// Accounts reads many accounts at once.
//
// AccountsOf gives the accounts of the tenants that have one, in any order; they may be a second old.
type Accounts interface {
	AccountsOf(ctx context.Context, tenants []partner.TenantID) ([]partner.Account, error)
}

// Tiers reads relationships across partners.
//
// Between gives those of the pairs that there are, in any order, and includes every write that was acknowledged before the call.
type Tiers interface {
	relationship.Store
	Between(ctx context.Context, pairs []relationship.Pair) ([]relationship.Relationship, error)
}

// Seen is a partnership as one of the two sees it.
type Seen struct {
	Partnership
	Side  Side            // which of the two the caller is
	Other partner.Account // the other; the zero account when it has none any more, but for the tenant
}

// Partnership gives one of the caller's. Codes: [problem.RoleNotPermitted], [problem.NotFound].
func (s Service) Partnership(ctx context.Context, u partner.User, id string) (Seen, error) {
	if err := u.Permit(partner.ReadCustomers); err != nil {
		return Seen{}, err
	}
	p, err := s.find(ctx, u.Tenant, id)
	if err != nil {
		return Seen{}, err
	}
	return s.one(ctx, u.Tenant, p)
}

// find reads one of a company's partnerships. What cannot be an id is not looked for.
func (s Service) find(ctx context.Context, of partner.TenantID, id string) (Partnership, error) {
	if !IsID(id) {
		return Partnership{}, problem.New(problem.NotFound, "There is no such partnership.")
	}
	return s.Store.Partnership(ctx, of, id)
}

func (s Service) one(ctx context.Context, of partner.TenantID, p Partnership) (Seen, error) {
	all, err := s.seen(ctx, of, []Partnership{p})
	if err != nil {
		return Seen{}, err
	}
	return all[0], nil
}

// Partnerships gives a page of the caller's (rules D9, N6), and where the next one goes on. Code: [problem.RoleNotPermitted].
func (s Service) Partnerships(ctx context.Context, u partner.User, q Query) (list []Seen, next string, err error) {
	if err := u.Permit(partner.ReadCustomers); err != nil {
		return nil, "", err
	}
	page, err := s.Store.Partnerships(ctx, u.Tenant, q)
	if err != nil {
		return nil, "", err
	}
	list, err = s.seen(ctx, u.Tenant, page.Partnerships)
	return list, page.Next, err
}

// seen gives partnerships with who the other is.
func (s Service) seen(ctx context.Context, of partner.TenantID, list []Partnership) ([]Seen, error) {
	if len(list) == 0 {
		return nil, nil
	}
	others := make([]partner.TenantID, len(list))
	for n, p := range list {
		others[n] = p.With(of)
	}
	accounts, err := s.Accounts.AccountsOf(ctx, others)
	if err != nil {
		return nil, err
	}
	known := map[partner.TenantID]partner.Account{}
	for _, a := range accounts {
		known[a.Tenant] = a
	}
	all := make([]Seen, len(list))
	for n, p := range list {
		all[n] = Seen{p, p.Side(of), known[others[n]]}
		all[n].Other.Tenant = others[n]
	}
	return all, nil
}

// Shared gives a page of the caller's customers that the other side serves too (rule D9): where each of the two has a relationship of its
// own with the customer, and the partnership is active. Nothing is shared by the partnership itself (rule D6). Codes:
// [problem.RoleNotPermitted], [problem.NotFound].
func (s Service) Shared(ctx context.Context, u partner.User, id string, q relationship.Query) (relationship.Page, error) {
	none := relationship.Page{}
	if err := u.Permit(partner.ReadCustomers); err != nil {
		return none, err
	}
	p, err := s.find(ctx, u.Tenant, id)
	if err != nil || p.Status != Active {
		return none, err
	}
	q.Status = relationship.Active
	page, err := s.Tiers.Relationships(ctx, u.Tenant, q)
	if err != nil {
		return none, err
	}
	pairs := make([]relationship.Pair, len(page.Relationships))
	for n, r := range page.Relationships {
		pairs[n] = relationship.Pair{Partner: p.With(u.Tenant), Customer: r.Customer.Tenant}
	}
	theirs, err := s.active(ctx, pairs)
	if err != nil {
		return none, err
	}
	shared := relationship.Page{Next: page.Next}
	for n, r := range page.Relationships {
		if theirs[pairs[n]] {
			shared.Relationships = append(shared.Relationships, r)
		}
	}
	return shared, nil
}

// SharedWith is [Service.Shared] for a provider and one of its resellers by its tenant: none with who is no reseller of the caller's.
func (s Service) SharedWith(ctx context.Context, u partner.User, reseller partner.TenantID, q relationship.Query) (relationship.Page, error) {
	page, err := s.Shared(ctx, u, Pair{Provider: u.Tenant, Reseller: reseller}.ID(), q)
	if problem.Is(err, problem.NotFound) {
		return relationship.Page{}, nil
	}
	return page, err
}

// active says of which pairs there is an active relationship.
func (s Service) active(ctx context.Context, pairs []relationship.Pair) (map[relationship.Pair]bool, error) {
	found, err := s.Tiers.Between(ctx, pairs)
	if err != nil {
		return nil, err
	}
	is := map[relationship.Pair]bool{}
	for _, r := range found {
		is[relationship.Pair{Partner: r.Partner, Customer: r.Customer.Tenant}] = r.Status == relationship.Active
	}
	return is, nil
}

// ResellersOf gives a page of the resellers that serve a customer of the calling provider and are in partnership with it; nobody learns of
// anybody else's. Codes: [problem.RoleNotPermitted], [problem.NotFound] for who is no customer of the caller.
func (s Service) ResellersOf(ctx context.Context, u partner.User, customer string, q Query) (list []Seen, next string, err error) {
	if err := u.Permit(partner.ReadCustomers); err != nil {
		return nil, "", err
	}
	missing := problem.New(problem.NotFound, "There is no such customer.")
	tenant, ok := partner.ParseTenantID(customer)
	if !ok {
		return nil, "", missing
	}
	own, err := s.Tiers.Relationship(ctx, u.Tenant, tenant)
	if err != nil {
		return nil, "", err
	}
	if own.Status != relationship.Active {
		return nil, "", missing
	}
	q.Status, q.Side = Active, ProviderSide
	page, err := s.Store.Partnerships(ctx, u.Tenant, q)
	if err != nil {
		return nil, "", err
	}
	pairs := make([]relationship.Pair, len(page.Partnerships))
	for n, p := range page.Partnerships {
		pairs[n] = relationship.Pair{Partner: p.Reseller, Customer: tenant}
	}
	serve, err := s.active(ctx, pairs)
	if err != nil {
		return nil, "", err
	}
	var theirs []Partnership
	for n, p := range page.Partnerships {
		if serve[pairs[n]] {
			theirs = append(theirs, p)
		}
	}
	list, err = s.seen(ctx, u.Tenant, theirs)
	return list, page.Next, err
}

// RevokeAccess ends the provider's administration of the reseller's own account; the partnership stays as it is, active or removed (rules
// N8, X9). What is revoked already is no error: a call can be repeated. Codes: [problem.RoleNotPermitted] for who is no Global
// admin; [problem.NotFound]; [problem.PreconditionFailed]; those of a field; [problem.InvalidTransition] for the provider's side.
func (s Service) RevokeAccess(ctx context.Context, c command.Command, id string) (Seen, error) {
	over := func(p Partnership) bool { return p.ProviderAccess != Granted && p.Reseller == c.User.Tenant }
	return s.change(ctx, c, partner.KeepOwnAccount, id, over, func(p Partnership, e Entry) (Partnership, bool, error) {
		if err := c.Findings.Err(); err != nil {
			return p, false, err
		}
		if e.Side != ResellerSide {
			return p, false, problem.New(problem.InvalidTransition, "Only the reseller can revoke the administration of its own account.")
		}
		after, changed := p.Revoke(e)
		return after, changed, nil
	})
}

// Remove ends a partnership; either side can (rule X7). Customers, relationships and whatever was granted stay, and nobody is told (rules
// X6, X8, X9): an open dual invitation of the pair is refused from then on (invariant 4). What has ended is no error: a call can be
// repeated. Codes: [problem.RoleNotPermitted]; [problem.NotFound]; [problem.PreconditionFailed]; those of a field;
// [problem.AttestationRequired], [problem.AttestationOutdated]; [problem.AgreementTextNotConfigured].
func (s Service) Remove(ctx context.Context, c command.Command, id string, a *terms.Attestation) (Seen, error) {
	over := func(p Partnership) bool { return p.Status != Active }
	return s.change(ctx, c, partner.KeepRelationships, id, over, func(p Partnership, e Entry) (Partnership, bool, error) {
		f := slices.Clone(c.Findings)
		if len(f) == 0 {
			a.Check(&f)
		}
		if err := f.Err(); err != nil || p.Status != Active {
			return p, false, err
		}
		accounts, err := s.Accounts.AccountsOf(ctx, []partner.TenantID{c.User.Tenant})
		if err != nil {
			return p, false, err
		}
		own := partner.Account{}
		if len(accounts) > 0 {
			own = accounts[0]
		}
		text, err := a.Text(ctx, s.Texts, terms.PartnershipRemoval, own.Locale, own.Country, e.At)
		if err != nil {
			return p, false, err
		}
		after, changed := p.Remove(e, relationship.AttestedText{Version: text.Version, Language: text.Language, Hash: text.Hash})
		return after, changed, nil
	})
}

// change reads, decides and writes until nobody else was quicker. What is over already was asked for of whichever version (RFC 9110, 13.1.1;
// G14).
func (s Service) change(
	ctx context.Context, c command.Command, op partner.Operation, id string, over func(Partnership) bool, do func(Partnership, Entry) (after Partnership, changed bool, err error),
) (Seen, error) {
	if err := c.User.Permit(op); err != nil {
		return Seen{}, err
	}
	var after Partnership
	err := command.Retry(func() error {
		before, err := s.find(ctx, c.User.Tenant, id)
		if err != nil {
			return err
		}
		if !over(before) {
			if err := c.Allows(before.Version, "partnership"); err != nil {
				return err
			}
		}
		e := Entry{At: command.Now(s.Now), Side: before.Side(c.User.Tenant), By: c.User.Subject, CorrelationID: c.CorrelationID}
		changed := false
		if after, changed, err = do(before, e); err != nil || !changed {
			return err
		}
		return s.Store.WritePartnership(ctx, Change{Before: &before, After: after})
	})
	if err != nil {
		return Seen{}, err
	}
	return s.one(ctx, c.User.Tenant, after)
}
