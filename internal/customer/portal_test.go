package customer_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"concord/internal/customer"
	"concord/internal/granular"
	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/problem"
	"concord/internal/relationship"
	"concord/internal/storetest"
)

// selfOver is the company's own page over a store.
func selfOver(store *storetest.Memory, edit ...func(*customer.Portal)) customer.Portal {
	s := customer.Portal{
		Store: store, Register: store, Accounts: store, Purchases: store, Support: store, Granular: &granular.Service{Store: store, Accounts: store, Now: time.Now},
		Tiers: partnership.Service{Store: store, Accounts: store, Tiers: store, Now: time.Now}, Now: time.Now,
	}
	for _, e := range edit {
		e(&s)
	}
	return s
}

// Many Global admins of a company take administration back while the partner confirms and gives it back: each is done once.
func TestManyRevokeAtOnce(t *testing.T) {
	store, s, c := open()
	store.PutAccount(partner.Account{Tenant: alder, DisplayName: "Alder", Version: 1})
	self := selfOver(store)
	who := relationship.Person{Subject: "lara", Roles: []partner.Role{partner.GlobalAdmin}, Company: relationship.Customer{Tenant: larch}}
	errs := make([]error, 24)
	var wg sync.WaitGroup
	for n := range errs {
		wg.Go(func() {
			switch n % 3 {
			case 0:
				_, errs[n] = s.Change(t.Context(), c, string(larch), customer.Change{IdentityConfirmed: said(true)})
			case 1:
				_, errs[n] = s.Change(t.Context(), c, string(larch), customer.Change{AllowDelegatedAccess: said(false)})
			default:
				_, errs[n] = self.Revoke(t.Context(), who, string(alder), "corr")
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	r, err := store.Relationship(t.Context(), alder, larch)
	if err != nil || r.Version != 3 || r.DelegatedAdmin != relationship.TerminatedDAP || r.IdentityCheck != relationship.Confirmed || r.Status != relationship.Active {
		t.Errorf("%+v, %v", r, err)
	}
}

// Whose page it is: the company's own Global admins', in the order of the partners' names.
func TestSelf(t *testing.T) {
	store := &storetest.Memory{}
	for n, name := range []string{"Cedar", "Alder", "Birch"} {
		tenant := partner.TenantID("0d000000-0000-4000-8000-00000000000" + string(rune('1'+n)))
		store.PutAccount(partner.Account{Tenant: tenant, DisplayName: name, Version: 1})
		store.PutRelationship(relationship.Relationship{Partner: tenant, Customer: relationship.Customer{Tenant: larch}, Status: relationship.Active, Version: 1})
	}
	self := selfOver(store)
	who := relationship.Person{Subject: "lara", Roles: []partner.Role{partner.GlobalAdmin}, Company: relationship.Customer{Tenant: larch}}
	all, err := self.Overview(t.Context(), who)
	var names []string
	for _, p := range all.Partners {
		names = append(names, p.DisplayName)
	}
	if err != nil || !slices.Equal(names, []string{"Alder", "Birch", "Cedar"}) {
		t.Errorf("%v, %v", names, err)
	}
	for _, tenant := range []string{"x", string(alder)} {
		if _, err := self.Revoke(t.Context(), who, tenant, "corr"); !problem.Is(err, problem.NotFound) {
			t.Errorf("%s: %v", tenant, err)
		}
	}
	for _, other := range []relationship.Person{
		{Subject: "u", Company: relationship.Customer{Tenant: larch}}, {Subject: "u", Roles: []partner.Role{partner.AdminAgent}, Company: relationship.Customer{Tenant: larch}},
		{Subject: "u", Roles: []partner.Role{partner.GlobalAdmin}},
	} {
		if _, err := self.Overview(t.Context(), other); !problem.Is(err, problem.RoleNotPermitted) {
			t.Errorf("%+v: %v", other, err)
		}
	}
}
