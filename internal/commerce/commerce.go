// Package commerce is buying for a customer: the agreement that has to be there before, who may buy, orders, the subscriptions that
// come of them, whose PartnerID is credited and who supports the customer.
//
// Buying and administering are two rights (rule P7). Whether something may be bought is [Blockers] and nothing else; what a partner sees
// of a customer's subscriptions and may do with them is [Standing]. Concord is the record of the platform that deploys it and orders nothing elsewhere (domain,
// 0.20): an order is completed when it is recorded, and whoever provisions it follows the events.
package commerce

import (
	"cmp"
	"context"
	"time"

	"concord/internal/emailaddr"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/relationship"
	"concord/internal/terms"
)

// Service is what partners do with agreements, orders and subscriptions.
type Service struct {
	Accounts partner.Accounts
	// Holders says whose a PartnerID is.
	Holders partner.Holders
	// Records knows PartnerIDs of companies that have not joined with them; nil where there is no such directory.
	Records       Records
	Relationships Relationships
	Agreements    AgreementStore
	Orders        OrderStore
	Subscriptions SubscriptionStore
	// Partnerships says who works with whom; nil where there are none, and then no provider orders for a reseller.
	Partnerships Partnerships
	// Granular says who was granted granular administration; nil where nobody is.
	Granular Granular
	Texts    terms.Catalogue
	// Evidence is for how long agreements name who signed them (domain, 0.23); zero for seven years.
	Evidence  time.Duration
	Regions   partner.Regions
	Offers    Offers
	Addresses emailaddr.Addresses
	Now       func() time.Time
}

// Relationships is what is needed of a [relationship.Store], whose contract it is.
type Relationships interface {
	Relationship(ctx context.Context, p, customer partner.TenantID) (relationship.Relationship, error)
	// Between gives those of the pairs (at most 100) that there are, in any order.
	Between(ctx context.Context, pairs []relationship.Pair) ([]relationship.Relationship, error)
}

// Records finds PartnerIDs in the directory of company records. Location gives [problem.NotFound] for one that it does not know.
type Records interface {
	Location(ctx context.Context, partnerID string) (partner.Listing, error)
}

// Partnerships reads partnerships of providers with resellers, strongly.
//
// Partnered reports whether an active one is between the two. Providers gives the providers of all of a reseller's, those that have ended
// among them.
type Partnerships interface {
	Partnered(ctx context.Context, provider, reseller partner.TenantID) (bool, error)
	Providers(ctx context.Context, reseller partner.TenantID) ([]Tie, error)
}

// Tie is a provider that a reseller works with or has worked with.
type Tie struct {
	Provider partner.TenantID
	Active   bool // the partnership lasts
}

// Granular says whether a customer has granted a partner, until now, a role of granular administration that covers subscriptions (0.32).
type Granular interface {
	CoversSubscriptions(ctx context.Context, p, customer partner.TenantID) (bool, error)
	// CoveringSubscriptions says it of many customers.
	CoveringSubscriptions(
		ctx context.Context, p partner.TenantID, customers []partner.TenantID,
	) (map[partner.TenantID]bool, error)
}

// now gives the time as it is stored: in UTC, to the second.
func (s *Service) now() time.Time { return s.Now().UTC().Truncate(time.Second) }

// account gives the account of a user whose role allows an operation.
func (s *Service) account(ctx context.Context, u partner.User, op partner.Operation, strong bool) (partner.Account, error) {
	if err := u.Permit(op); err != nil {
		return partner.Account{}, err
	}
	a, err := s.Accounts.Account(ctx, u.Tenant, strong)
	if problem.Is(err, problem.NotFound) {
		err = partner.NoAccount()
	}
	return a, err
}

// active is account, of a partner that may act.
func (s *Service) active(ctx context.Context, u partner.User, op partner.Operation) (partner.Account, error) {
	a, err := s.account(ctx, u, op, true)
	if err == nil && a.Status != partner.Active {
		err = partner.NotActive()
	}
	return a, err
}

// customer reads the relationship of a partner with the customer of a path, whatever its state. One that never was, and what is no tenant
// id, is [problem.NotFound].
func (s *Service) customer(ctx context.Context, p partner.TenantID, tenant string) (relationship.Relationship, error) {
	id, ok := partner.ParseTenantID(tenant)
	if !ok {
		return relationship.Relationship{}, problem.New(problem.NotFound, "There is no such customer.")
	}
	return s.Relationships.Relationship(ctx, p, id)
}

// Page asks for a page of a list, newest first.
type Page struct {
	Limit int
	After string // where the page before ended; empty for the first page
}

// say gives the text that a pointer is to, empty for nil.
func say(s *string) string { return *cmp.Or(s, new(string)) }
