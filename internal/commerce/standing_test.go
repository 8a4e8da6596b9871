package commerce_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"concord/internal/commerce"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/relationship"
)

// roles are how a partner has to do with a subscription that birch sold to larch.
var roles = []struct {
	name string
	who  partner.TenantID
	edit func(*commerce.Standing, *commerce.Subscription)
}{
	{"direct-bill or provider, the seller", birchID, func(*commerce.Standing, *commerce.Subscription) {}},
	{"seller with administration", birchID, func(st *commerce.Standing, _ *commerce.Subscription) { administered(st) }},
	{"seller of Azure (P8)", birchID, func(_ *commerce.Standing, s *commerce.Subscription) { s.Family = commerce.Azure }},
	{"seller of Azure whose relationship has ended", birchID, func(st *commerce.Standing, s *commerce.Subscription) { s.Family = commerce.Azure; ended(st) }},
	{"seller whose administration the customer took back", birchID, func(st *commerce.Standing, _ *commerce.Subscription) {
		st.Relationship.DelegatedAdmin = relationship.TerminatedDAP
	}},
	{"seller whose relationship has ended", birchID, func(st *commerce.Standing, _ *commerce.Subscription) { ended(st) }},
	{"seller that is suspended (0.43)", birchID, func(st *commerce.Standing, _ *commerce.Subscription) {
		administered(st)
		st.Acts, st.Purchase = false, []commerce.Blocker{{Code: problem.PartnerNotActive, Detail: "suspended"}}
	}},
	{"seller of a customer that has signed no agreement", birchID, func(st *commerce.Standing, _ *commerce.Subscription) {
		st.Purchase = []commerce.Blocker{{Code: problem.CustomerAgreementRequired, Detail: "unsigned"}}
	}},
	{"reseller with DAP (D4)", cedarID, func(st *commerce.Standing, _ *commerce.Subscription) { administered(st) }},
	{"reseller with GDAP", cedarID, func(st *commerce.Standing, _ *commerce.Subscription) { st.Granular = true }},
	{"reseller with DAP, suspended", cedarID, func(st *commerce.Standing, _ *commerce.Subscription) { administered(st); st.Acts = false }},
	{"reseller with GDAP whose relationship has ended", cedarID, func(st *commerce.Standing, _ *commerce.Subscription) { st.Granular = true; ended(st) }},
	{"reseller with DAP of another provider", cedarID, func(st *commerce.Standing, _ *commerce.Subscription) { administered(st); st.Providers = nil }},
	{"reseller without administration", cedarID, func(*commerce.Standing, *commerce.Subscription) {}},
	{"on record without administration", cedarID, func(_ *commerce.Standing, s *commerce.Subscription) { s.Reseller = cedarID }},
	{"on record, never in a relationship (0.19)", cedarID, func(st *commerce.Standing, s *commerce.Subscription) { s.Reseller, st.Relationship = cedarID, nil }},
	{"on record, suspended", cedarID, func(st *commerce.Standing, s *commerce.Subscription) { s.Reseller, st.Acts = cedarID, false }},
	{"on record with GDAP, relationship ended", cedarID, func(st *commerce.Standing, s *commerce.Subscription) {
		s.Reseller, st.Granular = cedarID, true
		ended(st)
	}},
	{"support contact alone", cedarID, func(_ *commerce.Standing, s *commerce.Subscription) { s.SupportContact = cedarID }},
	{"support contact with administration", cedarID, func(st *commerce.Standing, s *commerce.Subscription) { s.SupportContact = cedarID; administered(st) }},
	{"somebody else with administration", dogwoodID, func(st *commerce.Standing, _ *commerce.Subscription) { administered(st); st.Providers = nil }},
}

func administered(st *commerce.Standing) { st.Relationship.DelegatedAdmin = relationship.ActiveDAP }
func ended(st *commerce.Standing) {
	st.Relationship.Status = relationship.Removed
	st.Purchase = []commerce.Blocker{{Code: problem.NoResellerRelationship, Detail: "none"}}
}

// TestWhoMayDoWhat is the table of 0.31, 0.32 and 0.43 (rules P7, P8, D4, I12, I18, N9; invariant 20): role by action, for an active subscription. A
// dash is what is allowed; nothing at all is a subscription that is not seen.
func TestWhoMayDoWhat(t *testing.T) {
	const (
		yes   = "-"
		admin = "delegated_admin_missing"
		order = "reseller_cannot_order"
		role  = "role_not_permitted"
		off   = "partner_not_active"
		ended = "no_reseller_relationship"
		mca   = "customer_agreement_required"
	)
	// suspend, delete, lower, raise, reactivate, record, support
	want := map[string][]string{
		"direct-bill or provider, the seller":                {yes, yes, admin, yes, yes, yes, yes},
		"seller with administration":                         {yes, yes, yes, yes, yes, yes, yes},
		"seller of Azure (P8)":                               {yes, yes, yes, yes, yes, yes, yes},
		"seller of Azure whose relationship has ended":       {yes, yes, admin, ended, ended, yes, yes},
		"seller whose administration the customer took back": {yes, yes, admin, yes, yes, yes, yes},
		"seller whose relationship has ended":                {yes, yes, admin, ended, ended, yes, yes},
		"seller that is suspended (0.43)":                    {yes, yes, off, off, off, off, off},
		"seller of a customer that has signed no agreement":  {yes, yes, admin, mca, mca, yes, yes},
		"reseller with DAP (D4)":                             {yes, yes, yes, order, order, role, role},
		"reseller with GDAP":                                 {yes, yes, yes, order, order, role, role},
		"reseller with DAP, suspended":                       {off, off, off, off, off, off, off},
		"reseller with GDAP whose relationship has ended":    nil,
		"reseller with DAP of another provider":              nil,
		"reseller without administration":                    nil,
		"on record without administration":                   {yes, admin, yes, order, order, role, role},
		"on record, never in a relationship (0.19)":          {yes, admin, yes, order, order, role, role},
		"on record, suspended":                               {off, off, off, off, off, off, off},
		"on record with GDAP, relationship ended":            {yes, yes, yes, order, order, role, role},
		"support contact alone":                              {admin, admin, admin, order, order, role, role},
		"support contact with administration":                {yes, yes, yes, order, order, role, role},
		"somebody else with administration":                  nil,
	}
	actions := []commerce.Action{commerce.Suspend, commerce.Delete, commerce.LowerQuantity, commerce.RaiseQuantity, commerce.Reactivate, commerce.SetRecord, commerce.SetSupport}
	for _, r := range roles {
		row, known := want[r.name]
		if !known {
			t.Fatalf("%s is not in the table", r.name)
		}
		for _, status := range []commerce.SubscriptionStatus{commerce.SubscriptionActive, commerce.SubscriptionSuspended, commerce.SubscriptionDeleted, commerce.SubscriptionPending} {
			st := commerce.Standing{
				Partner: r.who, Acts: true, Providers: []partner.TenantID{birchID},
				Relationship: &relationship.Relationship{Status: relationship.Active, DelegatedAdmin: relationship.NoAdministration},
			}
			sub := commerce.Subscription{Seller: birchID, Customer: larchID, Family: commerce.Other, Status: status}
			r.edit(&st, &sub)
			if sees := st.Sees(sub); sees != (row != nil) {
				t.Errorf("%s: sees it: %v", r.name, sees)
			}
			for n, action := range actions {
				if row == nil {
					break
				}
				wanted := row[n]
				if wanted == yes && !possible(status, action) {
					wanted = "invalid_transition"
				}
				got := yes
				if refused := st.Refuses(action, sub); len(refused) > 0 {
					if got = string(refused[0].Code); refused[0].Detail == "" {
						t.Errorf("%s: %s without a word", r.name, got)
					}
				}
				if got != wanted {
					t.Errorf("%s, %s, %s: %s, want %s", r.name, status, action, got, wanted)
				}
			}
		}
	}
	if len(roles) != len(want) {
		t.Errorf("%d roles, %d in the table", len(roles), len(want))
	}
}

// possible is what a state admits at all.
func possible(s commerce.SubscriptionStatus, a commerce.Action) bool {
	switch a {
	case commerce.Suspend:
		return s == commerce.SubscriptionActive
	case commerce.Reactivate:
		return s == commerce.SubscriptionSuspended || s == commerce.SubscriptionPending
	}
	return s != commerce.SubscriptionDeleted
}

// TestWhatIsSaidIsDone: for every role, state and action a change succeeds where the subscription says that it is allowed, and is refused with
// the first reason that it gives where it is not; who does not see it is told of no subscription.
func TestWhatIsSaidIsDone(t *testing.T) {
	changes := map[commerce.Action]commerce.Amendment{
		commerce.Suspend: {Status: new(commerce.SubscriptionSuspended)}, commerce.Reactivate: {Status: new(commerce.SubscriptionActive)},
		commerce.Delete: {Status: new(commerce.SubscriptionDeleted)}, commerce.LowerQuantity: {Quantity: new(4)}, commerce.RaiseQuantity: {Quantity: new(6)},
		commerce.SetRecord: {PartnerIDOfRecord: new("4100004")}, commerce.SetSupport: {SupportContact: new(string(oakID))},
	}
	tried := map[string]int{}
	for _, who := range []struct {
		name string
		p    partner.TenantID
		prep func(*shop)
	}{
		{"seller", birchID, func(*shop) {}},
		{"seller with DAP", birchID, func(s *shop) { s.relate(birchID, larchID, sold, dap) }},
		{"seller whose DAP was taken back", birchID, func(s *shop) {
			s.relate(birchID, larchID, sold, func(r *relationship.Relationship) { r.DelegatedAdmin = relationship.TerminatedDAP })
		}},
		{"seller, suspended", birchID, func(s *shop) { s.suspend(birchID) }},
		{"seller, relationship ended", birchID, func(s *shop) { s.relate(birchID, larchID, sold, gone) }},
		{"reseller with DAP", cedarID, func(s *shop) { s.relate(cedarID, larchID, dap) }},
		{"reseller with DAP, partnership ended", cedarID, func(s *shop) { s.relate(cedarID, larchID, dap); s.pairs[[2]partner.TenantID{birchID, cedarID}] = false }},
		{"reseller with GDAP", cedarID, func(s *shop) { s.relate(cedarID, larchID); s.gdap[[2]partner.TenantID{cedarID, larchID}] = true }},
		{"reseller without administration", cedarID, func(s *shop) { s.relate(cedarID, larchID) }},
		{"on record", dogwoodID, func(*shop) {}},
		{"support contact", oakID, func(*shop) {}},
		{"stranger", alderID, func(s *shop) { s.relate(alderID, larchID, dap) }},
	} {
		for _, status := range []commerce.SubscriptionStatus{commerce.SubscriptionActive, commerce.SubscriptionSuspended, commerce.SubscriptionDeleted} {
			for _, action := range commerce.Actions {
				s := open(t)
				s.relate(birchID, larchID)
				s.attest(birchID, larchID)
				s.store.PutAccount(partner.Account{Tenant: oakID, Role: partner.IndirectReseller, Status: partner.Active, Version: 1})
				s.pairs[[2]partner.TenantID{birchID, oakID}] = true
				s.relate(oakID, larchID)
				sub := s.buy(birchID, larchID, wish("ofr-office-basic", 5))
				sub = s.must(birchID, sub, commerce.Amendment{PartnerIDOfRecord: new("4100004"), SupportContact: new(string(oakID))})
				if status != commerce.SubscriptionActive {
					sub = s.must(birchID, sub, commerce.Amendment{Status: &status})
				}
				who.prep(s)
				change := changes[action]
				switch {
				case action == commerce.SetRecord:
					change.PartnerIDOfRecord = new("4100003")
				case action == commerce.SetSupport:
					change.SupportContact = new(string(birchID))
				}
				seen, err := s.s.Subscription(t.Context(), s.user(who.p), string(larchID), sub.ID)
				if who.name == "stranger" || who.name == "reseller without administration" {
					s.code(err, problem.NotFound)
					_, err = s.amend(who.p, sub, change)
					s.code(err, problem.NotFound)
					continue
				}
				if err != nil {
					t.Fatalf("%s: %v", who.name, err)
				}
				n := slices.IndexFunc(seen.Permissions, func(p commerce.Permission) bool { return p.Action == action })
				refused := seen.Permissions[n].Refused
				after, err := s.amend(who.p, sub, change)
				name := fmt.Sprintf("%s, %s, %s", who.name, status, action)
				switch so := change.Status != nil && *change.Status == status; {
				case so: // it is so already, which is answered as it is
					if err != nil || after.Version != sub.Version {
						t.Errorf("%s: %v", name, err)
					}
				case len(refused) == 0:
					if tried["allowed"]++; err != nil || after.Version != sub.Version+1 {
						t.Errorf("%s is allowed and refused: %v", name, err)
					}
				default:
					if tried["refused"]++; problem.CodeOf(err) != refused[0].Code {
						t.Errorf("%s: refused with %v, said was %v", name, err, refused)
					}
				}
			}
		}
	}
	if tried["allowed"] < 40 || tried["refused"] < 80 {
		t.Errorf("%v", tried)
	}
}

func dap(r *relationship.Relationship)  { r.DelegatedAdmin = relationship.ActiveDAP }
func gone(r *relationship.Relationship) { r.Status = relationship.Removed }

// sold is how the relationship of a seller stands after what the test bought.
func sold(r *relationship.Relationship) {
	r.AgreementSigned, r.Sold, r.Version = true, relationship.Sold{Active: 1}, 9
}

func (s *shop) suspend(p partner.TenantID) {
	s.t.Helper()
	a, err := s.store.Account(s.t.Context(), p, true)
	if err != nil {
		s.t.Fatal(err)
	}
	a.Status = partner.Suspended
	a.Version++
	s.store.PutAccount(a)
}

// TestSeesWhatItsProviderSold (0.32, D4, table 1.7): a reseller with administration lists and reads what providers sold that are or were its
// own, each once and newest first; without it what it is on record for and supports; nobody what a stranger sold.
func TestSeesWhatItsProviderSold(t *testing.T) {
	s := open(t)
	s.relate(birchID, larchID)
	s.relate(alderID, larchID)
	s.relate(cedarID, larchID)
	s.attest(birchID, larchID)
	s.attest(alderID, larchID)
	plain := s.buy(birchID, larchID, wish("ofr-office-basic", 5))
	s.now = s.now.Add(1e9)
	s.buy(alderID, larchID, wish("ofr-office-basic", 5))
	s.now = s.now.Add(1e9)
	w := wish("ofr-office-full", 5)
	w.OnBehalfOfReseller = new(string(cedarID))
	record := s.buy(birchID, larchID, w)
	s.now = s.now.Add(1e9)
	support := s.must(birchID, s.buy(birchID, larchID, wish("ofr-cloud-plan", 1)), commerce.Amendment{SupportContact: new(string(cedarID))})
	lists := func(want ...string) {
		t.Helper()
		for limit := range 4 {
			var got []string
			for p := (commerce.Page{Limit: limit + 1}); ; {
				page, err := s.s.ListSubscriptions(t.Context(), s.user(cedarID), string(larchID), p)
				if err != nil {
					t.Fatal(err)
				}
				for _, sub := range page.Subscriptions {
					got = append(got, sub.ID)
				}
				if p.After = page.Next; p.After == "" {
					break
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("pages of %d: %v, want %v", limit+1, got, want)
			}
		}
	}
	lists(support.ID, record.ID)
	s.relate(cedarID, larchID, dap)
	lists(support.ID, record.ID, plain.ID)
	s.pairs[[2]partner.TenantID{birchID, cedarID}] = false // it was its provider
	lists(support.ID, record.ID, plain.ID)
	s.relate(cedarID, larchID)
	lists(support.ID, record.ID)
	s.gdap[[2]partner.TenantID{cedarID, larchID}] = true
	lists(support.ID, record.ID, plain.ID)
	s.relate(cedarID, larchID, gone)
	lists(record.ID) // and what it supported has fallen back to the seller

	o, err := s.s.ListOrders(t.Context(), s.user(cedarID), string(larchID), commerce.Page{Limit: 10})
	if err != nil || len(o.Orders) != 1 || o.Orders[0].ID != record.Order || o.Orders[0].PlacedBy != "" {
		t.Errorf("orders on its behalf: %+v, %v", o, err)
	}
	one, err := s.s.Order(t.Context(), s.user(cedarID), string(larchID), record.Order)
	if err != nil || one.Seller != birchID || one.PlacedBy != "" {
		t.Errorf("%+v, %v", one, err)
	}
	_, err = s.s.Order(t.Context(), s.user(cedarID), string(larchID), plain.Order)
	s.code(err, problem.NotFound)
	if own, err := s.s.Order(t.Context(), s.user(birchID), string(larchID), record.Order); err != nil || own.PlacedBy == "" {
		t.Errorf("%+v, %v", own, err)
	}
}

// TestDecision044: a provider orders on behalf of a reseller that is in partnership with it and has an active relationship with the customer
// itself; to go on record needs no relationship (0.19).
func TestDecision044(t *testing.T) {
	s := open(t)
	s.relate(birchID, larchID)
	s.attest(birchID, larchID)
	behalf, record := wish("ofr-office-basic", 5), wish("ofr-office-basic", 5)
	behalf.OnBehalfOfReseller, record.PartnerIDOnRecord = new(string(cedarID)), new("4100003")
	place := func(w commerce.Wish) error {
		_, _, err := s.s.Place(t.Context(), s.command(birchID), string(larchID), w)
		return err
	}
	blocked := func(want ...problem.Code) {
		t.Helper()
		e, err := s.s.Eligibility(t.Context(), s.user(birchID), string(larchID), new(cedarID))
		if err != nil || len(e.Blockers) != len(want) || len(want) > 0 && e.Blockers[0].Code != want[0] {
			t.Errorf("%+v, %v", e, err)
		}
	}
	s.code(place(behalf), problem.NoResellerRelationship)
	blocked(problem.NoResellerRelationship)
	s.relate(cedarID, larchID, gone)
	s.code(place(behalf), problem.NoResellerRelationship)
	if err := place(record); err != nil {
		t.Errorf("on record: %v", err)
	}
	e, err := s.s.Eligibility(t.Context(), s.user(cedarID), string(larchID), nil)
	if err != nil || len(e.Blockers) != 1 || e.Blockers[0].Code != problem.NoResellerRelationship {
		t.Errorf("%+v, %v", e, err)
	}
	s.relate(cedarID, larchID)
	blocked()
	if err := place(behalf); err != nil {
		t.Error(err)
	}
	s.pairs[[2]partner.TenantID{birchID, cedarID}] = false
	s.code(place(behalf), problem.PartnershipRequired)
}

// TestAgreementAsEligibility: for each partner and state the agreement is said to be signed exactly where eligibility does not miss it.
func TestAgreementAsEligibility(t *testing.T) {
	direct := func(s *shop) {
		s.t.Helper()
		if err := s.store.AddAgreement(t.Context(), commerce.Agreement{ID: "agr_a", Customer: larchID, Source: commerce.DirectSigned, Partner: alderID, Number: 1, At: start, AgreedAt: start}, nil); err != nil {
			t.Fatal(err)
		}
	}
	for name, prepare := range map[string]func(*shop){
		"nobody": func(*shop) {}, "the provider attests": func(s *shop) { s.attest(birchID, larchID) }, "another attests": func(s *shop) { s.attest(alderID, larchID) },
		"signed directly": direct,
		"signed directly, the provider has no relationship": func(s *shop) {
			direct(s)
			s.pairs = map[[2]partner.TenantID]bool{{oakID, cedarID}: true}
			s.store.PutAccount(partner.Account{Tenant: oakID, Role: partner.IndirectProvider, Status: partner.Active, Version: 1})
		},
		"the provider attests, and another has less in its way": func(s *shop) {
			s.attest(birchID, larchID)
			s.suspend(birchID)
			s.relate(birchID, larchID, sold, gone)
			s.pairs[[2]partner.TenantID{alderID, cedarID}] = true
		},
		"the provider attests, the partnership has ended": func(s *shop) {
			s.attest(birchID, larchID)
			s.pairs[[2]partner.TenantID{birchID, cedarID}] = false
		},
		"the reseller's relationship has ended": func(s *shop) { s.attest(birchID, larchID); s.relate(cedarID, larchID, gone) },
	} {
		s := open(t)
		for _, p := range []partner.TenantID{alderID, birchID, cedarID, dogwoodID} {
			s.relate(p, larchID)
		}
		prepare(s)
		agreed := commerce.Agreed{Signatures: s.store, Accounts: s.store, Partnerships: s, Tiers: s.store}
		for _, p := range []partner.TenantID{alderID, birchID, cedarID, dogwoodID} {
			e, err := s.s.Eligibility(t.Context(), s.user(p), string(larchID), nil)
			if err != nil {
				t.Fatal(err)
			}
			missing := slices.ContainsFunc(e.Blockers, func(b commerce.Blocker) bool { return b.Code == problem.CustomerAgreementRequired })
			signed, err := agreed.Signed(t.Context(), p, []partner.TenantID{oakID, larchID})
			if is := s.relationship(p, larchID).AgreementSigned || signed[larchID]; err != nil || is == missing || signed[oakID] {
				t.Errorf("%s: %s reads signed %v, eligibility says %v (%v)", name, p, is, e.Blockers, err)
			}
		}
	}
}

// records is a directory of company records.
type records map[string]partner.Listing

func (r records) Location(_ context.Context, id string) (partner.Listing, error) {
	l, ok := r[id]
	if !ok {
		return l, problem.New(problem.NotFound, "unknown")
	}
	return l, nil
}

// TestValidateGivesEveryReason (rules B2, B3, X-f): of PartnerIDs of accounts and of the directory of company records.
func TestValidateGivesEveryReason(t *testing.T) {
	s := open(t)
	s.s.Records = records{
		"7001": {ID: "7001", Name: "Hawthorn, Lyon", Type: partner.Location, Country: "FR"},
		"7002": {ID: "7002", Name: "Gorse", Type: partner.Headquarters, Country: "US", Tenant: oakID},
		"7003": {ID: "7003", Name: "Cedar, Portland", Type: partner.Location, Country: "US", Tenant: cedarID},
		// What an account has, the account says.
		"4100003": {ID: "4100003", Name: "Somebody", Type: partner.Headquarters, Country: "FR"},
	}
	for id, want := range map[string][]problem.Code{
		"4100003":  nil,
		"41000039": {problem.PartnerIDWrongType},
		"4100001":  {problem.PartnerIDNotIndirectReseller},
		"7001": {problem.PartnerIDNotIndirectReseller, problem.PartnerIDWrongCountry, problem.PartnerIDNotOnboardingLocation, problem.ResellerNotEnrolled,
			problem.ResellerMPANotSigned},
		"7002": {problem.PartnerIDNotIndirectReseller, problem.PartnerIDWrongType, problem.ResellerNotEnrolled, problem.ResellerMPANotSigned},
		"7003": {problem.PartnerIDNotOnboardingLocation},
	} {
		v, err := s.s.Validate(t.Context(), s.user(birchID), id)
		if err != nil {
			t.Errorf("%s: %v", id, err)
			continue
		}
		var got []problem.Code
		for _, r := range v.Reasons {
			got = append(got, r.Code)
		}
		if !slices.Equal(got, want) || v.PartnerID.ID != id || v.Holder.DisplayName == "" {
			t.Errorf("%s: %v of %+v, want %v", id, got, v.Holder, want)
		}
	}
	_, err := s.s.Validate(t.Context(), s.user(birchID), "7004")
	s.code(err, problem.PartnerIDNotFound)
	// What Validate says is what a change is refused with.
	s.relate(birchID, larchID)
	s.attest(birchID, larchID)
	sub := s.buy(birchID, larchID, wish("ofr-office-basic", 5))
	for id, want := range map[string]problem.Code{"7001": problem.PartnerIDNotIndirectReseller, "7003": problem.PartnerIDNotOnboardingLocation, "7004": problem.PartnerIDNotFound} {
		_, err := s.amend(birchID, sub, commerce.Amendment{PartnerIDOfRecord: &id})
		s.code(err, want)
		w := wish("ofr-office-basic", 5)
		w.PartnerIDOnRecord = &id
		if _, _, err := s.s.Place(t.Context(), s.command(birchID), string(larchID), w); err == nil {
			t.Errorf("%s went on record", id)
		}
	}
}

// TestDecision043 (0.43): a suspended seller reads, suspends and deletes what it sold, and is locked in with nothing; it sells nothing more.
func TestDecision043(t *testing.T) {
	s := open(t)
	s.relate(birchID, larchID)
	s.attest(birchID, larchID)
	sub := s.buy(birchID, larchID, wish("ofr-office-basic", 5))
	s.suspend(birchID)
	if seen, err := s.s.Subscription(t.Context(), s.user(birchID), string(larchID), sub.ID); err != nil || seen.ID != sub.ID {
		t.Errorf("%+v, %v", seen, err)
	}
	_, err := s.amend(birchID, sub, commerce.Amendment{Quantity: new(6)})
	s.code(err, problem.PartnerNotActive)
	sub = s.must(birchID, sub, commerce.Amendment{Status: new(commerce.SubscriptionSuspended)})
	_, err = s.amend(birchID, sub, commerce.Amendment{Status: new(commerce.SubscriptionActive)})
	s.code(err, problem.PartnerNotActive)
	if sub = s.must(birchID, sub, commerce.Amendment{Status: new(commerce.SubscriptionDeleted)}); sub.Status != commerce.SubscriptionDeleted {
		t.Errorf("%+v", sub)
	}
}

// TestTheNearestProviderIsSaid: of several providers a reseller is told of the one that could order with the fewest things in the way, in
// whichever order they are found, and of one that has the agreement before one that has less in the way and no agreement.
func TestTheNearestProviderIsSaid(t *testing.T) {
	for name, c := range map[string]struct {
		prepare  func(s *shop)
		blockers int
	}{
		"nothing in the way of one": {func(s *shop) {
			s.relate(alderID, larchID)
			s.attest(alderID, larchID)
			s.relate(alderID, larchID, gone)
		}, 0},
		"the other has no agreement":                      {func(s *shop) { s.relate(alderID, larchID) }, 0},
		"one blocker and an agreement beats no agreement": {func(s *shop) { s.relate(alderID, larchID); s.relate(birchID, larchID, gone) }, 1},
	} {
		for range 20 { // a map's order is another one each time
			s := open(t)
			s.resells(alderID, partner.IndirectProvider)
			s.pairs[[2]partner.TenantID{alderID, cedarID}] = true
			s.relate(cedarID, larchID)
			s.relate(birchID, larchID)
			s.attest(birchID, larchID)
			c.prepare(s)
			e, err := s.s.Eligibility(t.Context(), s.user(cedarID), string(larchID), nil)
			if err != nil || e.Seller != birchID || len(e.Blockers) != c.blockers {
				t.Fatalf("%s: %+v, %v", name, e, err)
			}
		}
	}
}
