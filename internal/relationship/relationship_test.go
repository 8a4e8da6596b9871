package relationship

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"concord/internal/partner"
)

var (
	reseller = partner.Account{Tenant: "0a1b2c3d-0000-4000-8000-000000000001", Role: partner.IndirectReseller}
	earlier  = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	at       = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)

	larch   = Customer{Tenant: "0a1b2c3d-0000-4000-8000-00000000000a", CompanyName: "Larch", Domains: []string{"larch.example"}, Country: "US", CountrySource: "token", Cloud: "public"}
	renamed = Customer{Tenant: larch.Tenant, CompanyName: "Larch & Sons", Domains: []string{"larch.example", "sons.example"}, Country: "US", CountrySource: "declared", Cloud: "public"}
)

// Every state that a pair can be in, against every request (invariant 3b; rules I14, P7, X3).
func TestEstablish(t *testing.T) {
	stood := func(status Status, dap Administration, check IdentityCheck) *Relationship {
		return &Relationship{ID: "rel_old", Partner: reseller.Tenant, Customer: larch, Role: Direct, Status: status, Origin: "customerCreation",
			Invitation: "inv_old", DelegatedAdmin: dap, IdentityCheck: check, RegionTable: "old", EstablishedAt: earlier, UpdatedAt: earlier, Version: 4}
	}
	for _, c := range []struct {
		name    string
		before  *Relationship
		asks    bool // for DAP
		granted bool
		dap     Administration
		fresh   bool // established by this consent
		check   IdentityCheck
	}{
		{"none, relationship asked", nil, false, true, NoAdministration, true, Unproven},
		{"none, relationship and DAP asked", nil, true, true, ActiveDAP, true, Unproven},
		{"active, nothing new", stood(Active, NoAdministration, NotNeeded), false, false, NoAdministration, false, NotNeeded},
		{"active, DAP asked", stood(Active, NoAdministration, NotNeeded), true, true, ActiveDAP, false, Unproven},
		{"active with DAP, nothing new", stood(Active, ActiveDAP, NotNeeded), false, false, ActiveDAP, false, NotNeeded},
		{"active with DAP, DAP asked again", stood(Active, ActiveDAP, NotNeeded), true, false, ActiveDAP, false, NotNeeded},
		{"active, DAP ended, nothing new", stood(Active, TerminatedDAP, NotNeeded), false, false, TerminatedDAP, false, NotNeeded},
		{"active, DAP ended, DAP asked again", stood(Active, TerminatedDAP, NotNeeded), true, true, ActiveDAP, false, Unproven},
		{"active, identity pending, DAP asked", stood(Active, NoAdministration, Unproven), true, true, ActiveDAP, false, Unproven},
		{"active, identity confirmed, DAP asked", stood(Active, NoAdministration, Confirmed), true, true, ActiveDAP, false, Confirmed},
		{"removed, asked again", stood(Removed, NoAdministration, NotNeeded), false, true, NoAdministration, true, Unproven},
		{"removed with its DAP, asked again without", stood(Removed, TerminatedDAP, NotNeeded), false, true, TerminatedDAP, true, Unproven},
		{"removed with its DAP, asked again with", stood(Removed, TerminatedDAP, NotNeeded), true, true, ActiveDAP, true, Unproven},
		{"removed, identity was confirmed", stood(Removed, NoAdministration, Confirmed), false, true, NoAdministration, true, Confirmed},
	} {
		t.Run(c.name, func(t *testing.T) {
			consent := Consent{Invitation: "inv_new", RelationshipID: "rel_new", Partner: reseller, Customer: renamed, DelegatedAdmin: c.asks, IdentityCheck: Unproven, RegionTable: "new", At: at, By: "who"}
			var copied Relationship
			if c.before != nil {
				copied = *c.before
			}
			got, granted := Establish(c.before, consent)
			want := Relationship{ID: "rel_new", Partner: reseller.Tenant, Version: 1}
			if c.before != nil {
				want = *c.before
				if c.granted {
					want.Version++
				}
			}
			if c.fresh {
				want.Status, want.Origin, want.Role, want.Customer, want.RegionTable, want.EstablishedAt = Active, "invitation", IndirectReseller, renamed, "new", at
			}
			if c.granted {
				want.Invitation, want.UpdatedAt = "inv_new", at
				action := AdministrationGiven
				if c.fresh {
					action = Established
				}
				want.History = []Entry{{At: at, Action: action, By: "who", Status: Active, DelegatedAdmin: c.dap, IdentityCheck: c.check}}
			}
			want.DelegatedAdmin, want.IdentityCheck = c.dap, c.check
			if granted != c.granted || !reflect.DeepEqual(got, want) {
				t.Errorf("Establish = %+v, %v\nwant %+v, %v", got, granted, want, c.granted)
			}
			if c.before != nil && !reflect.DeepEqual(*c.before, copied) {
				t.Error("what stood before was written over")
			}
			if again, more := Establish(&got, consent); more || !reflect.DeepEqual(again, got) {
				t.Errorf("the same consent grants twice: %+v", again)
			}
		})
	}
}

func TestRoleOf(t *testing.T) {
	for programme, want := range map[partner.ProgramRole]Role{partner.DirectBill: Direct, partner.IndirectProvider: IndirectProvider, partner.IndirectReseller: IndirectReseller} {
		if got := RoleOf(programme); got != want {
			t.Errorf("RoleOf(%s) = %s, want %s", programme, got, want)
		}
	}
}

// Domain, 0.25: the answer of another company stands, and the partner has to confirm it.
func TestCheckIdentity(t *testing.T) {
	for _, c := range []struct {
		name    string
		domains []string
		invited string
		want    IdentityCheck
	}{
		{"the company's domain", []string{"larch.example"}, "nora@larch.example", NotNeeded},
		{"one of several", []string{"sons.example", "larch.example"}, "nora@larch.example", NotNeeded},
		{"in another case", []string{"LARCH.example"}, "nora@Larch.Example", NotNeeded},
		{"in its two written forms", []string{"xn--mller-kva.de"}, "nora@Müller.de", NotNeeded},
		{"in its two written forms, the other way", []string{"müller.de"}, "nora@xn--mller-kva.de", NotNeeded},
		{"another company's", []string{"larch.example"}, "nora@maple.example", Unproven},
		{"a subdomain, which may be somebody else's", []string{"larch.example"}, "nora@mail.larch.example", Unproven},
		{"the domain above", []string{"eu.larch.example"}, "nora@larch.example", Unproven},
		{"the same ending", []string{"larch.example"}, "nora@notlarch.example", Unproven},
		{"a company without domains", nil, "nora@larch.example", Unproven},
		{"a company with an empty domain", []string{""}, "nora@larch.example", Unproven},
		{"a link that the partner passed on", []string{"larch.example"}, "", NotNeeded},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := CheckIdentity(Customer{Domains: c.domains}, c.invited); got != c.want {
				t.Errorf("CheckIdentity(%q, %q) = %s, want %s", c.domains, c.invited, got, c.want)
			}
		})
	}
}

func TestQueryMatches(t *testing.T) {
	r := Relationship{Status: Active, Customer: renamed}
	for _, c := range []struct {
		q    Query
		want bool
	}{
		{Query{}, true},
		{Query{Status: Active}, true},
		{Query{Status: Removed}, false},
		{Query{Name: "larch"}, true},
		{Query{Name: "& SONS"}, true},
		{Query{Name: "maple"}, false},
		{Query{Domain: "Sons.example"}, true},
		{Query{Domain: "ons.example"}, false},
		{Query{Status: Active, Name: "larch", Domain: "larch.example"}, true},
		{Query{Status: Active, Name: "larch", Domain: "maple.example"}, false},
	} {
		t.Run(fmt.Sprintf("%+v", c.q), func(t *testing.T) {
			if got := c.q.Matches(r); got != c.want {
				t.Errorf("Matches = %v", got)
			}
		})
	}
}

// Rule D4 and 0.18: a relationship says which other tier it came with, and keeps that when the customer agrees to more.
func TestTheOtherTier(t *testing.T) {
	const provider, other = partner.TenantID("0a1b2c3d-0000-4000-8000-000000000002"), partner.TenantID("0a1b2c3d-0000-4000-8000-000000000003")
	made, _ := Establish(nil, Consent{RelationshipID: "rel_1", Partner: reseller, Customer: larch, Via: provider, At: earlier})
	more, granted := Establish(&made, Consent{Partner: reseller, Customer: larch, DelegatedAdmin: true, At: at})
	if made.Via != provider || !granted || more.Via != provider {
		t.Errorf("%q, then %q", made.Via, more.Via)
	}
	ended, _ := more.Remove(Entry{At: at}, AttestedText{})
	if anew, _ := Establish(&ended, Consent{Partner: reseller, Customer: larch, Via: other, At: at}); anew.Via != other {
		t.Errorf("anew with %q", anew.Via)
	}
	if alone, _ := Establish(&ended, Consent{Partner: reseller, Customer: larch, At: at}); alone.Via != "" {
		t.Errorf("alone with %q", alone.Via)
	}
	if brought := Create(Founding{RelationshipID: "rel_2", Partner: reseller, Customer: larch, Provider: provider, Via: provider, At: at}); brought.Via != provider {
		t.Errorf("brought along with %q", brought.Via)
	}
}
