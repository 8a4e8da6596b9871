package commerce_test

import (
	"errors"
	"testing"

	"concord/internal/commerce"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/relationship"
)

// resells makes a partner an indirect reseller beside what it is.
func (s *shop) resells(p partner.TenantID, also ...partner.ProgramRole) {
	s.t.Helper()
	a, err := s.store.Account(s.t.Context(), p, true)
	if err != nil {
		s.t.Fatal(err)
	}
	a.Also = append(a.Also, also...)
	s.store.PutAccount(a)
}

// Domain, 0.34: who sells in one role and resells in another orders as the one, and where the customer accepted the other a provider orders.
func TestOrdersInOneRole(t *testing.T) {
	s := open(t)
	s.resells(alderID, partner.IndirectReseller)
	s.relate(alderID, larchID, func(r *relationship.Relationship) { r.Role = relationship.Direct })
	s.attest(alderID, larchID)
	wish := func(as ...partner.ProgramRole) commerce.Wish {
		w := commerce.Wish{Lines: []commerce.WishedLine{{Offer: new("ofr-office-basic"), Quantity: new(3)}}}
		if len(as) > 0 {
			w.ActingRole = &as[0]
		}
		return w
	}
	for name, c := range map[string]struct {
		w    commerce.Wish
		code problem.Code
	}{
		"one of the two sells":       {wish(), ""},
		"the one that sells":         {wish(partner.DirectBill), ""},
		"the one that resells":       {wish(partner.IndirectReseller), problem.ResellerCannotOrder},
		"one that the company isn't": {wish(partner.IndirectProvider), problem.ValidationFailed},
	} {
		o, _, err := s.s.Place(t.Context(), s.command(alderID), string(larchID), c.w)
		if problem.CodeOf(err) != c.code || err == nil && o.ActingRole != partner.DirectBill {
			t.Errorf("%s: %q, %v", name, o.ActingRole, err)
		}
	}
	if e, err := s.s.Eligibility(t.Context(), s.user(alderID), string(larchID), nil); err != nil || e.Seller != alderID || len(e.Blockers) != 0 {
		t.Errorf("%+v, %v", e, err)
	}
	s.resells(alderID, partner.IndirectProvider)
	_, _, err := s.s.Place(t.Context(), s.command(alderID), string(larchID), wish())
	if p, ok := errors.AsType[*problem.Error](err); !ok || p.Code != problem.ActingRoleRequired || p.Findings[0].Pointer != "/actingRole" {
		t.Errorf("two roles that sell: %v", err)
	}

	// A customer that accepted alder as its reseller is sold to by alder's provider.
	s.relate(alderID, oakID, func(r *relationship.Relationship) { r.Role, r.Via = relationship.IndirectReseller, birchID })
	s.relate(birchID, oakID, func(r *relationship.Relationship) { r.Role = relationship.IndirectProvider })
	s.attest(birchID, oakID)
	s.pairs[[2]partner.TenantID{birchID, alderID}] = true
	if _, _, err := s.s.Place(t.Context(), s.command(alderID), string(oakID), wish(partner.DirectBill)); !problem.Is(err, problem.ResellerCannotOrder) && !commerceFinds(err, problem.ResellerCannotOrder) {
		t.Errorf("it was sold past the consent: %v", err)
	}
	if e, err := s.s.Eligibility(t.Context(), s.user(alderID), string(oakID), nil); err != nil || e.Seller != birchID || len(e.Blockers) != 0 {
		t.Errorf("%+v, %v", e, err)
	}
	if _, _, err := s.s.Place(t.Context(), s.command(birchID), string(oakID), commerce.Wish{Lines: wish().Lines, OnBehalfOfReseller: new(string(alderID))}); err != nil {
		t.Errorf("its provider orders for it: %v", err)
	}
}

func commerceFinds(err error, code problem.Code) bool {
	p, ok := errors.AsType[*problem.Error](err)
	return ok && len(p.Findings) > 0 && p.Findings[0].Code == code
}
