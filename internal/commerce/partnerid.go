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

// Validate looks a PartnerID up, as the caller would put it on record: one of an account, or of the directory of company records. Codes: [problem.RoleNotPermitted], [problem.PartnerIDNotFound].
func (s *Service) Validate(ctx context.Context, u partner.User, id string) (Validation, error) {
	a, err := s.account(ctx, u, partner.ReadCustomers, false)
	if err != nil {
		return Validation{}, err
	}
	return s.validate(ctx, a, id)
}

func (s *Service) validate(ctx context.Context, seller partner.Account, id string) (Validation, error) {
	holder, listed, err := s.holder(ctx, id)
	if err != nil {
		return Validation{}, err
	}
	return Validation{listed, holder, RecordReasons(seller, holder, listed.ID, s.Regions)}, nil
}

// holder finds whose a PartnerID is: of an account, or of a company that the directory of company records knows and that has not joined with
// it. What the directory says of it stands in the holder's list then, as far as the reasons go.
func (s *Service) holder(ctx context.Context, id string) (partner.Account, partner.PartnerID, error) {
	tenant, err := s.Holders.Holder(ctx, id)
	var holder partner.Account
	if err == nil {
		holder, err = s.Accounts.Account(ctx, tenant, true)
		if n := slices.IndexFunc(holder.PartnerIDs, func(p partner.PartnerID) bool { return p.ID == id }); err == nil && n >= 0 {
			return holder, holder.PartnerIDs[n], nil
		}
	}
	if err != nil && !problem.Is(err, problem.NotFound) {
		return partner.Account{}, partner.PartnerID{}, err
	}
	unknown := problem.New(problem.PartnerIDNotFound, "There is no such PartnerID.")
	if s.Records == nil {
		return partner.Account{}, partner.PartnerID{}, unknown
	}
	l, err := s.Records.Location(ctx, id)
	if problem.Is(err, problem.NotFound) {
		err = unknown
	}
	if err != nil {
		return partner.Account{}, partner.PartnerID{}, err
	}
	holder = partner.Account{Tenant: l.Tenant, DisplayName: l.Name}
	if l.Tenant != "" {
		a, err := s.Accounts.Account(ctx, l.Tenant, true)
		if err == nil {
			holder = a
		} else if !problem.Is(err, problem.NotFound) {
			return partner.Account{}, partner.PartnerID{}, err
		}
	}
	p := partner.PartnerID{ID: l.ID, Type: l.Type, Country: l.Country}
	holder.PartnerIDs = append(slices.Clone(holder.PartnerIDs), p)
	return holder, p, nil
}

// RecordReasons gives every reason why a PartnerID of a holder may not go on record as the reseller of what a seller sells (invariant
// 11, rule B2); none when it may. The holder has no status when it has no account.
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
	block(!holder.Has(partner.IndirectReseller) || holder.Tenant == seller.Tenant, problem.PartnerIDNotIndirectReseller,
		"The PartnerID is not of another company that is an indirect reseller.")
	block(p.Type != partner.Location, problem.PartnerIDWrongType, "The PartnerID is not of type location.")
	block(regions.Market(p.Country) != regions.Market(seller.Country), problem.PartnerIDWrongCountry, "The PartnerID belongs to another market than the seller.")
	block(p.Type == partner.Location && !p.OnboardingLocation, problem.PartnerIDNotOnboardingLocation, "The PartnerID is not that of the location with which the company joined.")
	return append(all, enrolled(holder)...)
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
