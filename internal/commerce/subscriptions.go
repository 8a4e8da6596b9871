package commerce

import (
	"context"
	"slices"

	"concord/internal/partner"
	"concord/internal/relationship"
)

// related are relationships that have been read; the zero value of one says that there is none.
type related map[relationship.Pair]relationship.Relationship

// AllSubscriptions gives a page of what the caller sold, is on record for or supports, whoever the customer, with what it
// may do with each: those of one customer together, newest first. What its providers sold is in the list of the customer
// that has granted administration (0.32). A support contact whose relationship has ended is none (0.44), so that a page may
// hold fewer than the store's. Codes: [problem.RoleNotPermitted], [problem.MalformedRequest].
func (s *Service) AllSubscriptions(ctx context.Context, u partner.User, q SubscriptionQuery) (list SeenPage, err error) {
	account, err := s.account(ctx, u, partner.ReadCustomers, false)
	if err != nil {
		return list, err
	}
	page, err := s.Subscriptions.SubscriptionsOf(ctx, account.Tenant, q)
	if err != nil {
		return list, err
	}
	known, err := s.between(ctx, account.Tenant, page.Subscriptions)
	if err != nil {
		return list, err
	}
	var kept []Subscription
	for _, sub := range page.Subscriptions {
		if sub, err = s.supported(ctx, sub, known); err != nil {
			return list, err
		}
		if q.Fits(account.Tenant, sub) {
			kept = append(kept, sub)
		}
	}
	stands, err := s.standings(ctx, account, kept, known)
	if err != nil {
		return list, err
	}
	list.Next = page.Next
	for _, sub := range kept {
		list.Subscriptions = append(list.Subscriptions, stands[sub.Customer].seen(sub))
	}
	return list, nil
}

// between reads at once how a partner, and who supports them, stands with the customers of some subscriptions.
func (s *Service) between(ctx context.Context, p partner.TenantID, subscriptions []Subscription) (related, error) {
	known := related{}
	var pairs []relationship.Pair
	for _, sub := range subscriptions {
		for _, of := range []partner.TenantID{p, sub.SupportContact} {
			pair := relationship.Pair{Partner: of, Customer: sub.Customer}
			if _, asked := known[pair]; of != "" && !asked {
				known[pair] = relationship.Relationship{}
				pairs = append(pairs, pair)
			}
		}
	}
	for some := range slices.Chunk(pairs, maxPairs) {
		found, err := s.Relationships.Between(ctx, some)
		if err != nil {
			return nil, err
		}
		for _, r := range found {
			known[relationship.Pair{Partner: r.Partner, Customer: r.Customer.Tenant}] = r
		}
	}
	return known, nil
}

// standings says how a partner stands with the customers of some subscriptions that it sold, is on record for or supports.
// Which providers it has decides what else is seen, and is not asked.
func (s *Service) standings(
	ctx context.Context, account partner.Account, subscriptions []Subscription, known related,
) (map[partner.TenantID]Standing, error) {
	all := map[partner.TenantID]Standing{}
	for _, sub := range subscriptions {
		st := Standing{Partner: account.Tenant, Acts: account.Status == partner.Active}
		if r := known[relationship.Pair{Partner: account.Tenant, Customer: sub.Customer}]; r.Version > 0 {
			st.Relationship = &r
		}
		all[sub.Customer] = st
	}
	covered, err := s.covered(ctx, account.Tenant, all)
	if err != nil {
		return nil, err
	}
	signed, err := s.signedBy(ctx, account, all)
	if err != nil {
		return nil, err
	}
	for customer, st := range all {
		st.Granular = covered[customer]
		p := Purchase{Seller: account, Relationship: st.Relationship, AgreementSigned: signed[customer]}
		st.Purchase = Blockers(p, s.Regions)
		all[customer] = st
	}
	return all, nil
}

// covered says which customers have granted a role that covers subscriptions, of those that have not delegated all of it.
func (s *Service) covered(
	ctx context.Context, p partner.TenantID, all map[partner.TenantID]Standing,
) (map[partner.TenantID]bool, error) {
	var ask []partner.TenantID
	for customer, st := range all {
		if !st.Administers() {
			ask = append(ask, customer)
		}
	}
	if s.Granular == nil || len(ask) == 0 {
		return map[partner.TenantID]bool{}, nil
	}
	return s.Granular.CoveringSubscriptions(ctx, p, ask)
}

// signedBy says which customers have signed, as far as the purchases of an account are concerned. What it attests, or
// brought, the relationship says.
func (s *Service) signedBy(
	ctx context.Context, account partner.Account, all map[partner.TenantID]Standing,
) (map[partner.TenantID]bool, error) {
	signed := map[partner.TenantID]bool{}
	var ask []partner.TenantID
	for customer, st := range all {
		switch r := st.Relationship; {
		case r == nil || !account.Sells():
		case r.AgreementSigned:
			signed[customer] = true
		default:
			ask = append(ask, customer)
			if home := r.Customer.Home(); home != "" && home != customer {
				ask = append(ask, home)
			}
		}
	}
	slices.Sort(ask)
	for some := range slices.Chunk(slices.Compact(ask), maxPairs) {
		found, err := s.Agreements.SignedDirectly(ctx, some)
		if err != nil {
			return nil, err
		}
		for customer, st := range all {
			if r := st.Relationship; r != nil && (found[customer] || found[r.Customer.Home()]) {
				signed[customer] = true
			}
		}
	}
	return signed, nil
}
