package commerce

import (
	"context"
	"slices"

	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/relationship"
)

// Blocker is one reason why something may not be bought.
type Blocker struct {
	Code   problem.Code
	Detail string // one English sentence for a person
}

// Purchase is everything that decides whether something may be bought for a customer.
type Purchase struct {
	Seller partner.Account
	// Relationship is the seller's with the customer; nil when there never was one.
	Relationship *relationship.Relationship
	// AgreementSigned says that the customer has signed the customer agreement, itself or as the seller attests.
	AgreementSigned bool
	// For is the reseller that is ordered for or goes on record; nil for none.
	For *Beneficiary
}

// Beneficiary is a reseller for which a provider buys.
type Beneficiary struct {
	Tenant partner.TenantID
	// Partnered says that seller and reseller are in an active partnership. Without one nothing else is looked at: what a stranger's
	// account says is no business of the seller's.
	Partnered bool
	// Unrelated says that it is ordered for, and has no active relationship with the customer itself (domain, 0.44). Going on record alone
	// needs none.
	Unrelated bool
	Account   *partner.Account // nil when the tenant has none
	// PartnerID is the one that goes on record.
	PartnerID string
}

// severity is the order in which blockers are given: what the seller is not allowed, then what is still to be done (domain, 2.5).
var severity = []problem.Code{
	problem.ResellerCannotOrder, problem.PartnerNotActive, problem.MPANotSigned, problem.NoResellerRelationship, problem.CustomerAgreementRequired,
	problem.ResellerMPANotSigned,
	problem.PartnerIDNotIndirectReseller, problem.PartnerIDWrongType, problem.PartnerIDWrongCountry, problem.PartnerIDNotOnboardingLocation,
	problem.PartnerIDRequired, problem.CustomerIdentityUnconfirmed, problem.PartnershipRequired, problem.ResellerNotEnrolled,
}

var unsigned = Blocker{problem.CustomerAgreementRequired, "The customer has not signed the customer agreement."}

// Blockers gives every reason why the seller may not buy for the customer, the gravest first; none when it may (invariant 10, rules P1
// to P6). Administration is never one (rules P7, P8).
func Blockers(p Purchase, regions partner.Regions) []Blocker {
	var all []Blocker
	block := func(when bool, code problem.Code, detail string) {
		if when {
			all = append(all, Blocker{code, detail})
		}
	}
	block(!p.Seller.Sells(), problem.ResellerCannotOrder, "An indirect reseller does not order; its provider does.")
	block(p.Seller.Sells() && p.resold(), problem.ResellerCannotOrder,
		"The customer has accepted the seller as its indirect reseller, so a provider orders; ask the customer in the role that sells.")
	block(p.Seller.Status != partner.Active, problem.PartnerNotActive, "The seller's partner account is not active.")
	block(p.Seller.MPA == nil, problem.MPANotSigned, "The seller has not signed the Microsoft Partner Agreement.")
	block(p.Seller.AssociatedPartnerID == "", problem.PartnerIDRequired, "The seller has no PartnerID associated with its account.")
	related := p.Relationship != nil && p.Relationship.Status == relationship.Active
	block(!related, problem.NoResellerRelationship, "The seller has no active reseller relationship with the customer.")
	confirms := "An agent must first confirm that the right company answered the invitation."
	if related && p.Relationship.Apart {
		confirms = "The company's Global admin must first confirm this record, on its own page of the portal (/customer)."
	}
	block(related && p.Relationship.IdentityCheck == relationship.Unproven, problem.CustomerIdentityUnconfirmed, confirms)
	block(!p.AgreementSigned, unsigned.Code, unsigned.Detail)
	if p.For != nil {
		all = append(all, p.For.blockers(p.Seller, regions)...)
	}
	slices.SortStableFunc(all, func(a, b Blocker) int { return slices.Index(severity, a.Code) - slices.Index(severity, b.Code) })
	return all
}

// resold reports whether what stands with the customer leaves the orders to a provider, also where the partner sells in another role (0.34).
func (p Purchase) resold() bool {
	r := p.Relationship
	return r != nil && r.Status == relationship.Active && r.Role == relationship.IndirectReseller
}

func (b Beneficiary) blockers(seller partner.Account, regions partner.Regions) (all []Blocker) {
	if !b.Partnered {
		return []Blocker{{problem.PartnershipRequired, "The seller has no active partnership with the reseller."}}
	}
	if b.Unrelated {
		all = append(all, Blocker{problem.NoResellerRelationship, "The reseller has no active reseller relationship with the customer."})
	}
	switch {
	case b.Account == nil || !b.Account.Has(partner.IndirectReseller):
		return append(all, Blocker{problem.ResellerNotEnrolled, "The company is not enrolled as an indirect reseller."})
	case b.PartnerID == "":
		all = append(all, enrolled(*b.Account)...)
		return append(all, Blocker{problem.PartnerIDNotOnboardingLocation, "The reseller has no PartnerID of the location with which it joined."})
	}
	return append(all, RecordReasons(seller, *b.Account, b.PartnerID, regions)...)
}

// enrolled gives what keeps a reseller from being on record whichever its PartnerID (rule P6).
func enrolled(reseller partner.Account) (all []Blocker) {
	if reseller.Status != partner.Active {
		all = append(all, Blocker{problem.ResellerNotEnrolled, "The company is not an active indirect reseller."})
	}
	if reseller.MPA == nil {
		all = append(all, Blocker{problem.ResellerMPANotSigned, "The reseller has not signed the Microsoft Partner Agreement."})
	}
	return all
}

// refusal makes the refusal of a purchase: the gravest blocker's code, and all of them as findings when there are more.
func refusal(all []Blocker) error {
	if len(all) == 0 {
		return nil
	}
	e := problem.New(all[0].Code, "%s", all[0].Detail)
	if len(all) > 1 {
		for _, b := range all {
			e.Findings = append(e.Findings, problem.Finding{Code: b.Code, Detail: b.Detail})
		}
	}
	return e
}

// Eligibility is whether something may be bought, and who would sell it.
type Eligibility struct {
	Seller   partner.TenantID // empty for a reseller that works with no provider
	Blockers []Blocker
}

// Eligibility says whether the caller may buy for a customer; for an indirect reseller, whether one of its providers may buy for it, and
// then of the provider with the fewest blockers, among those for which the agreement is there if there is one. It is asked about any tenant, and says of one that the caller never dealt with
// the same as of one that does not exist: whom a provider serves beside, no reseller learns. Codes: [problem.RoleNotPermitted], [problem.NotFound] for what is no tenant id.
func (s *Service) Eligibility(ctx context.Context, u partner.User, tenant string, reseller *partner.TenantID) (Eligibility, error) {
	a, err := s.account(ctx, u, partner.ReadCustomers, true)
	if err != nil {
		return Eligibility{}, err
	}
	customer, ok := partner.ParseTenantID(tenant)
	if !ok {
		return Eligibility{}, problem.New(problem.NotFound, "There is no such customer.")
	}
	if a.Sells() {
		p, err := s.purchase(ctx, a, customer, reseller, "")
		if err != nil || !a.Has(partner.IndirectReseller) || !p.resold() {
			return Eligibility{a.Tenant, Blockers(p, s.Regions)}, err
		}
	}
	own, err := s.Relationships.Relationship(ctx, a.Tenant, customer)
	if err != nil {
		if problem.Is(err, problem.NotFound) {
			return Eligibility{Blockers: Blockers(Purchase{Seller: a.As(partner.DirectBill)}, s.Regions)}, nil // as a seller would be told
		}
		return Eligibility{}, err
	}
	// What the customer signed itself, with whichever partner, counts for every provider.
	signed, err := s.signed(ctx, own)
	if err != nil {
		return Eligibility{}, err
	}
	var ties []Tie
	if s.Partnerships != nil {
		if ties, err = s.Partnerships.Providers(ctx, a.Tenant); err != nil {
			return Eligibility{}, err
		}
	}
	var best Eligibility
	for _, tie := range ties {
		if !tie.Active {
			continue
		}
		provider, err := s.Accounts.Account(ctx, tie.Provider, true)
		if err != nil {
			return Eligibility{}, err
		}
		p, err := s.purchase(ctx, provider, customer, &a.Tenant, "")
		if err != nil {
			return Eligibility{}, err
		}
		p.AgreementSigned = p.AgreementSigned || signed
		if e := (Eligibility{provider.Tenant, Blockers(p, s.Regions)}); best.Seller == "" || e.nearer(best) {
			best = e
		}
	}
	if best.Seller == "" {
		if !signed {
			best.Blockers = append(best.Blockers, unsigned)
		}
		best.Blockers = append(best.Blockers, Blocker{problem.PartnershipRequired, "You have no indirect provider that could order."})
	}
	return best, nil
}

// nearer reports whether less stands in the way of a purchase than of another one. A customer agreement that is there is ahead of everything
// else, so that a customer whose agreement a provider attests is never said to have signed none.
func (e Eligibility) nearer(o Eligibility) bool {
	if missing := e.lacksAgreement(); missing != o.lacksAgreement() {
		return !missing
	}
	return len(e.Blockers) < len(o.Blockers)
}

func (e Eligibility) lacksAgreement() bool {
	return slices.ContainsFunc(e.Blockers, func(b Blocker) bool { return b.Code == problem.CustomerAgreementRequired })
}

// purchase reads everything that decides about buying for a customer, on behalf of a reseller where one is named. PartnerID is what goes on
// record instead of that of the location with which the reseller joined; empty for that.
func (s *Service) purchase(ctx context.Context, seller partner.Account, customer partner.TenantID, reseller *partner.TenantID, partnerID string) (Purchase, error) {
	p := Purchase{Seller: seller}
	r, err := s.Relationships.Relationship(ctx, seller.Tenant, customer)
	switch {
	case err == nil:
		p.Relationship = &r
		// Who never dealt with the customer learns nothing of what it has signed.
		if p.AgreementSigned, err = s.signed(ctx, r); err != nil {
			return p, err
		}
	case !problem.Is(err, problem.NotFound):
		return p, err
	}
	if reseller == nil {
		return p, nil
	}
	p.For = &Beneficiary{Tenant: *reseller, PartnerID: partnerID}
	if s.Partnerships != nil {
		if p.For.Partnered, err = s.Partnerships.Partnered(ctx, seller.Tenant, *reseller); err != nil {
			return p, err
		}
	}
	if !p.For.Partnered {
		return p, nil
	}
	serves, err := s.related(ctx, *reseller, customer)
	if err != nil {
		return p, err
	}
	p.For.Unrelated = !serves
	account, err := s.Accounts.Account(ctx, *reseller, true)
	switch {
	case err == nil:
		p.For.Account = &account
		if partnerID == "" {
			p.For.PartnerID = onboarding(account)
		}
	case !problem.Is(err, problem.NotFound):
		return p, err
	}
	return p, nil
}
