package commerce_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"concord/internal/commerce"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/relationship"
)

// value is one value of something that a rule distinguishes, and what it blocks.
type value struct {
	name   string
	set    func(*commerce.Purchase)
	blocks []problem.Code
}

// dimensions are what rules P1 to P8 and invariant 10 distinguish. Each value says which blockers it brings, whatever the others are.
var dimensions = []struct {
	rule   string
	values []value
}{
	{"10, who sells", []value{
		{"direct-bill", func(p *commerce.Purchase) { p.Seller.Role = partner.DirectBill }, nil},
		{"provider", func(p *commerce.Purchase) { p.Seller.Role = partner.IndirectProvider }, nil},
		{"reseller", func(p *commerce.Purchase) { p.Seller.Role = partner.IndirectReseller }, []problem.Code{problem.ResellerCannotOrder}},
	}},
	{"P2, the account", []value{
		{"active", func(p *commerce.Purchase) { p.Seller.Status = partner.Active }, nil},
		{"pending", func(p *commerce.Purchase) { p.Seller.Status = partner.Pending }, []problem.Code{problem.PartnerNotActive}},
		{"suspended", func(p *commerce.Purchase) { p.Seller.Status = partner.Suspended }, []problem.Code{problem.PartnerNotActive}},
	}},
	{"10, the seller's MPA", []value{
		{"signed", func(p *commerce.Purchase) { p.Seller.MPA = &partner.Agreement{Version: "2025"} }, nil},
		{"unsigned", func(p *commerce.Purchase) { p.Seller.MPA = nil }, []problem.Code{problem.MPANotSigned}},
	}},
	{"P4, the seller's PartnerID", []value{
		{"associated", func(p *commerce.Purchase) { p.Seller.AssociatedPartnerID = "4100001" }, nil},
		{"deferred", func(p *commerce.Purchase) { p.Seller.AssociatedPartnerID = "" }, []problem.Code{problem.PartnerIDRequired}},
	}},
	{"P1 (i), P2, P3, the relationship; 0.25, the identity; P7, P8, the administration", relationships()},
	{"P1 (ii), the customer agreement", []value{
		{"signed", func(p *commerce.Purchase) { p.AgreementSigned = true }, nil},
		{"unsigned", func(p *commerce.Purchase) { p.AgreementSigned = false }, []problem.Code{problem.CustomerAgreementRequired}},
	}},
	{"P5, P6, 11, the reseller", resellers()},
}

// relationships are every state of a relationship, with every state of administration: none of the latter blocks anything.
func relationships() (all []value) {
	all = append(all, value{"never", func(p *commerce.Purchase) { p.Relationship = nil }, []problem.Code{problem.NoResellerRelationship}})
	for _, status := range []relationship.Status{relationship.Active, relationship.Removed} {
		for _, check := range []relationship.IdentityCheck{relationship.NotNeeded, relationship.Unproven, relationship.Confirmed} {
			for _, dap := range []relationship.Administration{relationship.NoAdministration, relationship.ActiveDAP, relationship.TerminatedDAP} {
				v := value{
					name: fmt.Sprintf("%s, identity %s, administration %s", status, check, dap),
					set: func(p *commerce.Purchase) {
						p.Relationship = &relationship.Relationship{Status: status, IdentityCheck: check, DelegatedAdmin: dap}
					},
				}
				switch {
				case status == relationship.Removed:
					v.blocks = []problem.Code{problem.NoResellerRelationship}
				case check == relationship.Unproven:
					v.blocks = []problem.Code{problem.CustomerIdentityUnconfirmed}
				}
				all = append(all, v)
			}
		}
	}
	return all
}

// cedar is a reseller that may be ordered for.
func cedar() partner.Account {
	return partner.Account{
		Tenant: cedarID, DisplayName: "Cedar Solutions", Role: partner.IndirectReseller, Status: partner.Active, Country: "PR", MPA: &partner.Agreement{Version: "2025"},
		PartnerIDs: []partner.PartnerID{
			{ID: "4100003", Type: partner.Location, Country: "PR", OnboardingLocation: true}, {ID: "4100013", Type: partner.Location, Country: "US"},
			{ID: "4100023", Type: partner.Headquarters, Country: "US"}, {ID: "4100033", Type: partner.Location, Country: "FR", OnboardingLocation: true},
		},
	}
}

func resellers() []value {
	known := func(name, id string, edit func(*partner.Account), blocks ...problem.Code) value {
		return value{name, func(p *commerce.Purchase) {
			a := cedar()
			edit(&a)
			p.For = &commerce.Beneficiary{Tenant: a.Tenant, Partnered: true, Account: &a, PartnerID: id}
		}, blocks}
	}
	as := func(*partner.Account) {}
	return []value{
		{"none", func(p *commerce.Purchase) { p.For = nil }, nil},
		known("in order", "4100003", as),
		{"in order, without a relationship (0.44)", func(p *commerce.Purchase) {
			a := cedar()
			p.For = &commerce.Beneficiary{Tenant: a.Tenant, Partnered: true, Unrelated: true, Account: &a, PartnerID: "4100003"}
		}, []problem.Code{problem.NoResellerRelationship}},
		{"no partnership", func(p *commerce.Purchase) {
			a := cedar()
			a.Status, a.MPA = partner.Suspended, nil // no business of a stranger's
			p.For = &commerce.Beneficiary{Tenant: a.Tenant, Account: &a, PartnerID: "4100023"}
		}, []problem.Code{problem.PartnershipRequired}},
		{"no account", func(p *commerce.Purchase) { p.For = &commerce.Beneficiary{Tenant: cedarID, Partnered: true} }, []problem.Code{problem.ResellerNotEnrolled}},
		known("no reseller", "4100003", func(a *partner.Account) { a.Role = partner.DirectBill }, problem.ResellerNotEnrolled),
		known("not active", "4100003", func(a *partner.Account) { a.Status = partner.Pending }, problem.ResellerNotEnrolled),
		known("MPA unsigned", "4100003", func(a *partner.Account) { a.MPA = nil }, problem.ResellerMPANotSigned),
		known("neither", "4100003", func(a *partner.Account) { a.MPA, a.Status = nil, partner.Suspended }, problem.ResellerMPANotSigned, problem.ResellerNotEnrolled),
		known("PartnerID of another location", "4100013", as, problem.PartnerIDNotOnboardingLocation),
		known("PartnerID of the headquarters", "4100023", as, problem.PartnerIDWrongType),
		known("PartnerID of another market", "4100033", as, problem.PartnerIDWrongCountry),
		known("no PartnerID", "", func(a *partner.Account) { a.MPA = nil }, problem.PartnerIDNotOnboardingLocation, problem.ResellerMPANotSigned),
	}
}

// TestInvariant10 is the decision table of rules P1 to P8 and invariant 10: every combination of what they distinguish blocks exactly what
// its parts block.
func TestInvariant10(t *testing.T) {
	combinations, eligible := 0, 0
	pick := make([]int, len(dimensions))
	for {
		p := commerce.Purchase{Seller: partner.Account{Tenant: birchID, Country: "US"}}
		var names []string
		var want []problem.Code
		for d, n := range pick {
			v := dimensions[d].values[n]
			v.set(&p)
			names, want = append(names, v.name), append(want, v.blocks...)
		}
		var got []problem.Code
		for _, b := range commerce.Blockers(p, partner.ShippedRegions()) {
			got = append(got, b.Code)
			if b.Detail == "" {
				t.Errorf("%s without a word", b.Code)
			}
			if b.Code == problem.DelegatedAdminMissing {
				t.Fatalf("rule P7: buying asks for administration: %s", strings.Join(names, "; "))
			}
		}
		slices.Sort(want)
		sorted := slices.Sorted(slices.Values(got))
		if !slices.Equal(sorted, want) {
			t.Fatalf("%s:\ngot  %v\nwant %v", strings.Join(names, "; "), sorted, want)
		}
		combinations++
		if len(got) == 0 {
			eligible++
		}
		if !advance(pick) {
			break
		}
	}
	// Two sellers, six states of an active relationship without a doubt, with and without a reseller in order.
	if eligible != 2*6*2 {
		t.Errorf("%d of %d combinations may buy", eligible, combinations)
	}
	t.Logf("%d combinations, %d of them may buy", combinations, eligible)
}

// advance counts up, and reports false after the last.
func advance(pick []int) bool {
	for d := range pick {
		if pick[d]++; pick[d] < len(dimensions[d].values) {
			return true
		}
		pick[d] = 0
	}
	return false
}

// TestGravestFirst: what the seller may not do comes before what is still to be done (domain, 2.5).
func TestGravestFirst(t *testing.T) {
	p := commerce.Purchase{Seller: partner.Account{Role: partner.IndirectReseller}, For: &commerce.Beneficiary{}}
	var got []problem.Code
	for _, b := range commerce.Blockers(p, partner.Regions{}) {
		got = append(got, b.Code)
	}
	want := []problem.Code{
		problem.ResellerCannotOrder, problem.PartnerNotActive, problem.MPANotSigned, problem.NoResellerRelationship, problem.CustomerAgreementRequired,
		problem.PartnerIDRequired, problem.PartnershipRequired,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

// TestInvariant11 tells every reason apart why a PartnerID does not go on record (rules B2, B3, X-f).
func TestInvariant11(t *testing.T) {
	seller := partner.Account{Tenant: birchID, Country: "US", Role: partner.IndirectProvider}
	as := func(*partner.Account) {}
	for _, each := range []struct {
		name, id string
		edit     func(*partner.Account)
		want     []problem.Code
	}{
		{"in order", "4100003", as, nil},
		{"another location", "4100013", as, []problem.Code{problem.PartnerIDNotOnboardingLocation}},
		{"headquarters", "4100023", as, []problem.Code{problem.PartnerIDWrongType}},
		{"another market", "4100033", as, []problem.Code{problem.PartnerIDWrongCountry}},
		{"not held", "9999999", as, []problem.Code{problem.PartnerIDWrongType, problem.PartnerIDWrongCountry}},
		{"direct-bill partner", "4100003", func(a *partner.Account) { a.Role = partner.DirectBill }, []problem.Code{problem.PartnerIDNotIndirectReseller}},
		{"provider", "4100003", func(a *partner.Account) { a.Role, a.MPA = partner.IndirectProvider, nil },
			[]problem.Code{problem.PartnerIDNotIndirectReseller, problem.ResellerMPANotSigned}},
		{"a company without an account", "4100023", func(a *partner.Account) { a.Role, a.Status, a.MPA = "", "", nil },
			[]problem.Code{problem.PartnerIDNotIndirectReseller, problem.PartnerIDWrongType, problem.ResellerNotEnrolled, problem.ResellerMPANotSigned}},
		{"the seller's own", "4100003", func(a *partner.Account) { a.Tenant = birchID }, []problem.Code{problem.PartnerIDNotIndirectReseller}},
		{"not active", "4100003", func(a *partner.Account) { a.Status = partner.Suspended }, []problem.Code{problem.ResellerNotEnrolled}},
		{"MPA unsigned", "4100003", func(a *partner.Account) { a.MPA = nil }, []problem.Code{problem.ResellerMPANotSigned}},
		{"all of it", "4100023", func(a *partner.Account) { a.MPA, a.Status, a.PartnerIDs[2].Country = nil, partner.Rejected, "DE" },
			[]problem.Code{problem.PartnerIDWrongType, problem.PartnerIDWrongCountry, problem.ResellerNotEnrolled, problem.ResellerMPANotSigned}},
	} {
		t.Run(each.name, func(t *testing.T) {
			holder := cedar()
			each.edit(&holder)
			var got []problem.Code
			for _, b := range commerce.RecordReasons(seller, holder, each.id, partner.ShippedRegions()) {
				got = append(got, b.Code)
			}
			if !slices.Equal(got, each.want) {
				t.Errorf("got %v, want %v", got, each.want)
			}
		})
	}
}

// TestAdministration: what the customer resource says (invariant 20).
func TestAdministration(t *testing.T) {
	for _, each := range []struct {
		r        relationship.Relationship
		granular bool
		want     commerce.Administration
	}{
		{relationship.Relationship{Status: relationship.Active}, false, commerce.NoAdministration},
		{relationship.Relationship{Status: relationship.Active, Sold: relationship.Sold{Active: 2}}, false, commerce.NoAdministration},
		{relationship.Relationship{Status: relationship.Active, Sold: relationship.Sold{Active: 2, Azure: 1}}, false, commerce.AzureOnly},
		{relationship.Relationship{Status: relationship.Active, DelegatedAdmin: relationship.ActiveDAP, Sold: relationship.Sold{Active: 2, Azure: 1}}, false, commerce.DAP},
		{relationship.Relationship{Status: relationship.Active, DelegatedAdmin: relationship.TerminatedDAP}, false, commerce.NoAdministration},
		{relationship.Relationship{Status: relationship.Active, DelegatedAdmin: relationship.ActiveDAP}, true, commerce.DAP},
		{relationship.Relationship{Status: relationship.Active, Sold: relationship.Sold{Active: 1, Azure: 1}}, true, commerce.GDAP},
		{relationship.Relationship{Status: relationship.Removed}, true, commerce.GDAP},
		{relationship.Relationship{Status: relationship.Removed, DelegatedAdmin: relationship.TerminatedDAP, Sold: relationship.Sold{Azure: 1}}, false, commerce.NoAdministration},
	} {
		if got := commerce.AdministrationOf(each.r, each.granular); got != each.want {
			t.Errorf("%+v, %v: %s, want %s", each.r, each.granular, got, each.want)
		}
	}
}
