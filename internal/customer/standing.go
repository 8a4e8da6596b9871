package customer

import (
	"context"
	"slices"

	"concord/internal/commerce"
	"concord/internal/partner"
	"concord/internal/relationship"
)

// Summary is what is found out about a customer beside its relationship.
type Summary struct {
	Signed         bool // the customer agreement, itself or as the partner attests
	Administration commerce.Administration
}

// Summaries says of customers what their relationships alone do not.
type Summaries struct {
	Agreed   commerce.Agreed
	Granular interface {
		Administered(ctx context.Context, p partner.TenantID, customers []partner.TenantID) (map[partner.TenantID]bool, error)
	}
}

// atOnce is how many customers are asked about at once.
const atOnce = 100

// Of says who of a partner's customers has signed the customer agreement, and who is administered how, by the ids of
// their relationships. Who never dealt with a company learns nothing of what it has signed. The answer may be a second
// old.
func (s Summaries) Of(
	ctx context.Context, p partner.TenantID, all []Known,
) (map[partner.TenantID]Summary, error) {
	stands := map[partner.TenantID]Summary{}
	for some := range slices.Chunk(all, atOnce) {
		if err := s.administered(ctx, p, some, stands); err != nil {
			return nil, err
		}
		if err := s.signed(ctx, p, some, stands); err != nil {
			return nil, err
		}
	}
	return stands, nil
}

func (s Summaries) administered(
	ctx context.Context, p partner.TenantID, some []Known, stands map[partner.TenantID]Summary,
) error {
	var open []partner.TenantID // whose administration may be granular
	for _, k := range some {
		var r relationship.Relationship
		if k.Relationship != nil {
			r = *k.Relationship
		}
		st := Summary{r.AgreementSigned, commerce.AdministrationOf(r, false)}
		if st.Administration != commerce.DAP {
			open = append(open, k.Tenant)
		}
		stands[k.Tenant] = st
	}
	granted, err := s.Granular.Administered(ctx, p, open)
	for id, st := range stands {
		if granted[id] {
			st.Administration = commerce.GDAP
			stands[id] = st
		}
	}
	return err
}

func (s Summaries) signed(
	ctx context.Context, p partner.TenantID, some []Known, stands map[partner.TenantID]Summary,
) error {
	var unsaid []partner.TenantID
	for _, k := range some {
		if k.Relationship != nil && !stands[k.Tenant].Signed {
			unsaid = append(unsaid, k.Tenant)
		}
	}
	if len(unsaid) == 0 {
		return nil
	}
	signed, err := s.Agreed.Signed(ctx, p, unsaid)
	if err != nil {
		return err
	}
	var claimed []partner.TenantID // what a company signs itself is kept by its tenant, where a partner had created it too
	for _, k := range some {
		st, home := stands[k.Tenant], k.Home()
		st.Signed = st.Signed || signed[k.Tenant]
		stands[k.Tenant] = st
		if !st.Signed && k.Relationship != nil && home != "" && home != k.Tenant {
			claimed = append(claimed, home)
		}
	}
	if len(claimed) == 0 {
		return nil
	}
	direct, err := s.Agreed.SignedDirectly(ctx, claimed)
	for _, k := range some {
		st := stands[k.Tenant]
		st.Signed = st.Signed || k.Relationship != nil && direct[k.Home()]
		stands[k.Tenant] = st
	}
	return err
}

// Filter keeps customers by what is found out about them. The zero value keeps all.
type Filter struct {
	Country        string // ISO 3166-1 alpha-2
	Identity       relationship.IdentityCheck
	Administration commerce.Administration
	// Agreement is "signed" or "missing"; only who deals or dealt with a customer knows which.
	Agreement string
}

// Empty reports whether nothing is asked for.
func (f Filter) Empty() bool { return f == Filter{} }

// Keeps reports whether a customer is among those that are asked for.
func (f Filter) Keeps(k Known, st Summary) bool {
	r := k.Relationship
	return (f.Country == "" || f.Country == k.Country) &&
		(f.Identity == "" || r != nil && f.Identity == r.IdentityCheck) &&
		(f.Administration == "" || f.Administration == st.Administration) &&
		(f.Agreement == "" || r != nil && st.Signed == (f.Agreement == "signed"))
}
