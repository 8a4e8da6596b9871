package invitation

import (
	"context"

	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/problem"
)

// Kind is what an invitation asks for.
type Kind string

// What can be asked for.
const (
	// Reseller asks a customer for a reseller relationship with the inviter (rules I2 to I18).
	Reseller Kind = "reseller"
	// DualReseller asks a customer for two at once: with the inviter, an indirect reseller, and with its indirect provider (rule D1).
	DualReseller Kind = "dualReseller"
	// Partnership asks an indirect reseller to authorise the inviter as its indirect provider (rules N1 to N7).
	Partnership Kind = "partnership"
)

// Kinds are all of them.
var Kinds = []Kind{Reseller, DualReseller, Partnership}

// terms are what differs between the kinds, for everything that is done with an invitation. What is not said of a kind is the same for all.
type terms struct {
	// as names the program roles in which a partner may ask, where not all fit; only says what is refused to a partner that has none of them,
	// where nothing else does.
	as   []partner.ProgramRole
	only string
	// partners says that a reseller is asked, which authorises its provider; else it is a customer, which gives relationships.
	partners bool
	// provider says that a second partner asks with the inviter, which has an active partnership with it (invariant 4).
	provider bool
	// administration says whether delegated administration is asked for where nobody says so (domain, 0.14).
	administration bool
	// lacks gives what an answer lacks for its acceptance; nil for nothing.
	lacks func(backdrop) Case
	// regions checks the countries of everybody (domain, 0.11).
	regions func(partner.Regions, Letter, string) error
}

// kinds is the table of them. A kind more is a row here, in letter, in pages and in the console.
var kinds = map[Kind]terms{
	Reseller: {
		regions: func(t partner.Regions, l Letter, country string) error {
			return t.Check(l.Inviter.Country, country)
		},
	},
	DualReseller: {
		as: []partner.ProgramRole{partner.IndirectReseller}, provider: true, administration: true,
		lacks: func(b backdrop) Case {
			if b.partnership == nil || b.partnership.Status != partnership.Active {
				return NoPartnership
			}
			return ""
		},
		regions: func(t partner.Regions, l Letter, country string) error {
			return firstOf(t.Check(l.Inviter.Country, country), t.Check(l.Provider.Country, country))
		},
	},
	Partnership: {
		as:       []partner.ProgramRole{partner.IndirectProvider},
		only:     "An indirect provider requests partnerships; a reseller is asked by its provider.",
		partners: true,
		lacks: func(b backdrop) Case {
			if !b.reseller.Has(partner.IndirectReseller) || b.reseller.Status != partner.Active || b.reseller.MPA == nil {
				return NotEnrolled // rules P6, N12, X-e
			}
			return ""
		},
		regions: func(t partner.Regions, l Letter, country string) error {
			return t.CheckPartnership(l.Inviter.Country, country)
		},
	},
}

// known reports whether there is such a kind.
func (t terms) known() bool { return t.regions != nil }

// asksFor reports whether a request asks for delegated administration, which some clouds always do (I15, domain 0.14). Nil is not said.
func (t terms) asksFor(f *problem.Findings, said *bool, always bool) bool {
	switch {
	case t.partners:
		return false // not applicable
	case said == nil:
		return t.administration || always
	case !*said && always:
		f.Add("/requestDelegatedAdmin", problem.DelegatedAdminRequired,
			"In this cloud a request always asks for administrator rights: leave requestDelegatedAdmin out, or say true.")
	}
	return *said
}

// target looks at the company that a request names: one that is refused (rule I16), or that would change nothing (invariant 3b). It is no column
// of the table: a function that knows kinds and makes no request would carry what the check reads.
func (s *Service) target(ctx context.Context, account partner.Account, inv *Invitation) error {
	switch k := kinds[inv.Kind]; {
	case k.partners:
		return s.partnershipTarget(ctx, account, inv)
	case k.provider:
		return s.dualTarget(ctx, account, inv)
	default:
		return s.resellerTarget(ctx, account, inv)
	}
}

// AsksPartner reports whether an invitation of the kind asks a partner, to authorise its provider. Every other asks a customer, who gives
// relationships, signs the customer agreement and may give administration.
func (k Kind) AsksPartner() bool { return kinds[k].partners }

// NamesProvider reports whether a provider asks together with the inviter (rule D1).
func (k Kind) NamesProvider() bool { return kinds[k].provider }

// FitsFor reports whether a partner has a program role in which it may ask for the kind.
func (k Kind) FitsFor(a partner.Account) bool {
	for _, r := range kinds[k].as {
		if a.Has(r) {
			return true
		}
	}
	return len(kinds[k].as) == 0
}
