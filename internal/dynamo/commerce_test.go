package dynamo_test

import (
	"fmt"
	"os"
	"slices"
	"testing"

	"concord/infra/local/engine"
	"concord/internal/command"
	"concord/internal/commerce"
	"concord/internal/dynamo"
	"concord/internal/emailaddr"
	"concord/internal/granular"
	"concord/internal/partner"
	"concord/internal/relationship"
)

// TestCostOfCommerce pins what agreements, orders and subscriptions cost, and how large they are.
func TestCostOfCommerce(t *testing.T) {
	t.Parallel()
	exact := slices.Contains([]string{"", engine.Dynoxide}, os.Getenv("ENGINE")) && os.Getenv("AWS_ENDPOINT_URL_DYNAMODB") == ""
	m := &meter{use: nothing()}
	cfg := config(t)
	cfg.APIOptions = append(cfg.APIOptions, m.add)
	table := newTable(t)
	store := dynamo.New(cfg, table)
	s := newSetting(t, store)
	ctx := t.Context()
	measure := func(name, want string, f func() error) {
		t.Helper()
		var err error
		u := m.during(func() { err = f() })
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		t.Logf("| %s | %s |", name, u)
		if exact && u.String() != want {
			t.Errorf("%s costs\n     %s\nwant %s", name, u, want)
		}
	}
	customer := randomTenant()
	related := relationship.Relationship{
		ID: "rel_mfzxe2lomruw4zzanfzsa5dpnu", Partner: s.user.Tenant, Customer: relationship.Customer{Tenant: customer, CompanyName: "Larch Ltd", Domains: []string{"larch.example"}, Country: "US", Cloud: "public"},
		Role: relationship.Direct, Status: relationship.Active, Origin: "invitation", DelegatedAdmin: relationship.NoAdministration, IdentityCheck: relationship.NotNeeded, EstablishedAt: s.now, UpdatedAt: s.now, Version: 1,
		History: []relationship.Entry{{At: s.now, Action: relationship.Established, By: "who", Status: relationship.Active, DelegatedAdmin: relationship.NoAdministration, IdentityCheck: relationship.NotNeeded}},
	}
	relate := func(r relationship.Relationship) {
		if err := store.Commit(ctx, nil, []relationship.Change{{After: r}}); err != nil {
			t.Fatal(err)
		}
	}
	relate(related)
	service := commerce.Service{
		Accounts: store, Holders: store, Relationships: store, Agreements: store, Orders: store, Subscriptions: store, Texts: store, Partnerships: commerce.Tiers{Store: store},
		Regions: partner.ShippedRegions(), Offers: commerce.ShippedOffers(), Addresses: emailaddr.Addresses{AllowReserved: true}, Now: s.service.Now,
	}
	command := func() command.Command {
		c := s.command()
		return command.Command{User: c.User, CorrelationID: c.CorrelationID, Key: c.Key, Body: c.Body, IfVersion: command.AnyVersion}
	}
	measure("attest", "2 GetItem, 2 Query, 1 TransactWriteItems | 4 | 0 | 1 | **5** | 3.5 | 0 | 0 | **3.5**", func() error {
		_, _, err := service.Attest(ctx, command(), string(customer), commerce.Attestation{
			Type: new(commerce.CustomerAgreement), FirstName: new("Lena"), LastName: new("Larch"), Email: new("lena@larch.example"), AgreedAt: &s.now,
		})
		return err
	})
	measure("may it be bought", "2 GetItem | 0 | 0 | 0 | **0** | 2 | 0 | 0 | **2**", func() error {
		e, err := service.Eligibility(ctx, s.user, string(customer), nil)
		if err == nil && len(e.Blockers) > 0 {
			err = fmt.Errorf("%v", e)
		}
		return err
	})
	var sub commerce.Subscription
	measure("order, one line", "3 GetItem, 1 TransactWriteItems | 6 | 2 | 0 | **8** | 3 | 0 | 0 | **3**", func() error {
		o, _, err := service.Place(ctx, command(), string(customer), commerce.Wish{Lines: []commerce.WishedLine{{Offer: new("ofr-cloud-reserved"), Quantity: new(25)}}})
		if err == nil {
			sub.ID = o.Lines[0].Subscription
		}
		return err
	})
	measure("quantity", "3 GetItem, 1 UpdateItem | 1 | 0 | 0 | **1** | 3 | 0 | 0 | **3**", func() error {
		_, _, err := service.Amend(ctx, command(), string(customer), sub.ID, commerce.Amendment{Quantity: new(26)})
		return err
	})
	measure("suspend", "4 GetItem, 1 TransactWriteItems | 4 | 0 | 0 | **4** | 4 | 0 | 0 | **4**", func() error {
		_, _, err := service.Amend(ctx, command(), string(customer), sub.ID, commerce.Amendment{Status: new(commerce.SubscriptionSuspended)})
		return err
	})
	measure("subscriptions, a page of one", "1 BatchGetItem, 2 GetItem, 1 Query | 0 | 0 | 0 | **0** | 2.5 | 0.5 | 0 | **3**", func() error {
		_, err := service.ListSubscriptions(ctx, s.user, string(customer), commerce.Page{Limit: 25})
		return err
	})
	const ofOne = "2 BatchGetItem, 1 GetItem, 1 Query | 0 | 0 | 0 | **0** | 2.5 | 0.5 | 0 | **3**"
	measure("subscriptions over all customers, a page of one", ofOne, func() error {
		_, err := service.AllSubscriptions(ctx, s.user, commerce.SubscriptionQuery{Limit: 25})
		return err
	})
	related.AgreementSigned = true
	for range 24 {
		related.Customer.Tenant = randomTenant()
		relate(related)
		lines := []commerce.WishedLine{{Offer: new("ofr-cloud-reserved"), Quantity: new(25)}}
		_, _, err := service.Place(ctx, command(), string(related.Customer.Tenant), commerce.Wish{Lines: lines})
		if err != nil {
			t.Fatal(err)
		}
	}
	service.Granular = &granular.Service{Store: store, Roles: granular.ShippedRoles(), Now: s.service.Now}
	const ofMany = "2 BatchGetItem, 1 GetItem, 26 Query | 0 | 0 | 0 | **0** | 75.5 | 1 | 0 | **76.5**"
	measure("subscriptions of 25 customers", ofMany, func() error {
		page, err := service.AllSubscriptions(ctx, s.user, commerce.SubscriptionQuery{Limit: 25})
		if err == nil && len(page.Subscriptions) != 25 {
			err = fmt.Errorf("%d subscriptions", len(page.Subscriptions))
		}
		return err
	})
	measure("customers that signed themselves, 25", "1 BatchGetItem | 0 | 0 | 0 | **0** | 12.5 | 0 | 0 | **12.5**", func() error {
		all := make([]partner.TenantID, 25)
		for n := range all {
			all[n] = randomTenant()
		}
		_, err := store.SignedDirectly(ctx, all)
		return err
	})
	for sk, i := range rawItems(t, table, s.user.Tenant) {
		if sk[0] == 'O' || sk[0] == 'U' {
			t.Logf("%s: %d bytes", sk[:2], itemSize(i))
			if itemSize(i) > 1024 {
				t.Errorf("%s has %d bytes", sk, itemSize(i))
			}
		}
	}
}
