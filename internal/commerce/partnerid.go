package commerce

import (
	"context"
	"slices"

	"concord/internal/partner"
	"concord/internal/problem"
)

// Validation is what is known of a PartnerID, and why it may not go on record as the reseller of a subscription (rule B3).
type Validation struct {
	PartnerID partner.PartnerID
	Holder    partner.Account
	Reasons   []Blocker // none when it may
}

// Validate looks a PartnerID up, as the caller would put it on record. Codes: [problem.RoleNotPermitted], [problem.PartnerIDNotFound].
func (s *Service) Validate(ctx context.Context, u partner.User, id string) (Validation, error) {
	a, err := s.account(ctx, u, partner.ReadCustomers, false)
	if err != nil {
		return Validation{}, err
	}
	return s.validate(ctx, a, id)
}

func (s *Service) validate(ctx context.Context, seller partner.Account, id string) (Validation, error) {
	unknown := problem.New(problem.PartnerIDNotFound, "There is no such PartnerID.")
	tenant, err := s.Holders.Holder(ctx, id)
	if problem.Is(err, problem.NotFound) {
		return Validation{}, unknown
	}
	if err != nil {
		return Validation{}, err
	}
	holder, err := s.Accounts.Account(ctx, tenant, true)
	if err != nil {
		return Validation{}, err
	}
	n := slices.IndexFunc(holder.PartnerIDs, func(p partner.PartnerID) bool { return p.ID == id })
	if n < 0 { // given up since
		return Validation{}, unknown
	}
	return Validation{holder.PartnerIDs[n], holder, RecordReasons(seller, holder, id, s.Regions)}, nil
}

// RecordReasons gives every reason why a PartnerID of a holder may not go on record as the reseller of what a seller sells (invariant
// 11, rule B2); none when it may.
func RecordReasons(seller, holder partner.Account, id string, regions partner.Regions) (all []Blocker) {
	block := func(when bool, code problem.Code, detail string) {
		if when {
			all = append(all, Blocker{code, detail})
		}
	}
	var p partner.PartnerID
	if n := slices.IndexFunc(holder.PartnerIDs, func(p partner.PartnerID) bool { return p.ID == id }); n >= 0 {
		p = holder.PartnerIDs[n]
	}
	reseller := holder.Has(partner.IndirectReseller) && holder.Tenant != seller.Tenant
	block(!reseller, problem.PartnerIDNotIndirectReseller, "The PartnerID is not of another company that is an indirect reseller.")
	block(p.Type != partner.Location, problem.PartnerIDWrongType, "The PartnerID is not of type location.")
	block(regions.Market(p.Country) != regions.Market(seller.Country), problem.PartnerIDWrongCountry, "The PartnerID belongs to another market than the seller.")
	block(p.Type == partner.Location && !p.OnboardingLocation, problem.PartnerIDNotOnboardingLocation, "The PartnerID is not that of the location with which the company joined.")
	if reseller {
		all = append(all, standing(holder)...)
	}
	return all
}

// onboarding gives the PartnerID of the location with which a reseller joined; empty for none.
func onboarding(a partner.Account) string {
	for _, p := range a.PartnerIDs {
		if p.OnboardingLocation && p.Type == partner.Location {
			return p.ID
		}
	}
	return ""
}

// MPASigned reports whether a company has signed the Microsoft Partner Agreement. Asked about are the caller itself and who is in
// partnership with it, by tenant or by PartnerID; anybody else is [problem.NotFound].
func (s *Service) MPASigned(ctx context.Context, u partner.User, tenant *partner.TenantID, partnerID *string) (bool, error) {
	a, err := s.account(ctx, u, partner.ReadCustomers, true)
	if err != nil {
		return false, err
	}
	if partnerID != nil {
		holder, err := s.Holders.Holder(ctx, *partnerID)
		if err != nil {
			return false, err
		}
		tenant = &holder
	}
	if *tenant == a.Tenant {
		return a.MPA != nil, nil
	}
	known := false
	if s.Partnerships != nil {
		if known, err = s.Partnerships.Partnered(ctx, a.Tenant, *tenant); err == nil && !known {
			known, err = s.Partnerships.Partnered(ctx, *tenant, a.Tenant)
		}
	}
	if err != nil || !known {
		return false, firstOf(err, problem.New(problem.NotFound, "You have no such partner."))
	}
	other, err := s.Accounts.Account(ctx, *tenant, true)
	return other.MPA != nil, err
}

func firstOf(err error, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}
