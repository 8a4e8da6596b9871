package web_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"concord/internal/commerce"
	"concord/internal/partner"
	"concord/internal/relationship"
)

// oaks gives alder and cedar a relationship with a second customer.
func (a *api) oaks() partner.TenantID {
	a.t.Helper()
	const oak = "0a4b0000-0000-4000-8000-000000000031"
	for _, p := range []partner.TenantID{alder, birch} {
		a.store.PutRelationship(relationship.Relationship{
			ID: "rel_oooooooooooooooooooooooooo", Partner: p, Status: relationship.Active, Origin: "invitation",
			AgreementSigned: true, EstablishedAt: start, UpdatedAt: start, Version: 1,
			Customer:       relationship.Customer{Tenant: oak, CompanyName: "Oak Ltd", Country: "US", Cloud: "public"},
			DelegatedAdmin: relationship.NoAdministration, IdentityCheck: relationship.NotNeeded,
		})
	}
	return oak
}

// listed gives the ids of a list and its items.
func (r reply) listed() (ids []string, items []any) {
	items = r.object()["items"].([]any)
	for _, each := range items {
		ids = append(ids, each.(map[string]any)["id"].(string))
	}
	return ids, items
}

// A partner lists what it sold, is on record for and supports over all of its customers, as each customer's list says it.
func TestAllSubscriptions(t *testing.T) {
	a := market(t)
	oak := a.oaks()
	a.attests(alder)
	a.attests(birch)
	of := func(path string) string { return path[strings.LastIndex(path, "/")+1:] }
	first := of(a.bought(alder, "ofr-office-basic", 5))
	a.now = a.now.Add(time.Minute)
	second := of(a.bought(alder, "ofr-cloud-reserved", 1))
	order := a.as(alder, "POST", "/v1/customers/"+string(oak)+"/orders", basic, "Idempotency-Key", "oak").is(201).object()
	third := order["lines"].([]any)[0].(map[string]any)["subscriptionId"].(string)

	got, items := a.as(alder, "GET", "/v1/subscriptions", "").is(200).listed()
	want := []string{second, first, third} // larch's tenant comes after oak's
	if string(oak) > larch {
		want = []string{third, second, first}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	var alone []any
	for _, customer := range []string{larch, string(oak)} {
		_, some := a.as(alder, "GET", "/v1/customers/"+customer+"/subscriptions", "").is(200).listed()
		alone = append(alone, some...)
	}
	for _, each := range items {
		id := each.(map[string]any)["id"]
		n := slices.IndexFunc(alone, func(x any) bool { return x.(map[string]any)["id"] == id })
		if n < 0 || document(t, alone[n]) != document(t, each) {
			t.Errorf("%v is not what the list of its customer says: %v", each, alone)
		}
	}
	if name := items[0].(map[string]any)["companyName"]; name != "Oak Ltd" && name != "Larch Ltd" {
		t.Errorf("the company is %v", name)
	}

	// Page by page, by the Link.
	var paged []string
	for path := "/v1/subscriptions?limit=1"; path != ""; {
		r := a.as(alder, "GET", path, "").is(200)
		ids, _ := r.listed()
		paged = append(paged, ids...)
		path, _, _ = strings.Cut(strings.TrimPrefix(r.header.Get("Link"), "<"), ">")
	}
	if !slices.Equal(paged, want) {
		t.Errorf("page by page %q, want %q", paged, want)
	}

	a.as(alder, "PATCH", ofLarch+"/subscriptions/"+first, `{"status":"suspended"}`, "If-Match", "*").is(200)
	for query, want := range map[string][]string{
		"?customerTenantId=" + string(oak): {third}, "?customerTenantId=" + maple: nil, "?status=suspended": {first},
		"?role=onRecord": nil,
		"?role=sold&status=active&status=deleted&customerTenantId=" + larch: {second},
	} {
		if got, _ := a.as(alder, "GET", "/v1/subscriptions"+query, "").is(200).listed(); !slices.Equal(got, want) {
			t.Errorf("%s gives %q, want %q", query, got, want)
		}
	}
	for _, query := range []string{
		"?role=all", "?status=ended", "?customerTenantId=larch", "?sort=up", "?role=sold&role=sold", "?cursor=x", "?limit=101",
	} {
		a.as(alder, "GET", "/v1/subscriptions"+query, "").is(400, "malformed_request")
	}
	if got, _ := a.as(birch, "GET", "/v1/subscriptions", "").is(200).listed(); got != nil {
		t.Errorf("birch has %q", got)
	}
}

// Who is on record finds it, and who supports as long as its relationship with the customer lasts (0.44).
func TestAllSubscriptionsOfAReseller(t *testing.T) {
	a := market(t)
	a.attests(birch)
	path := a.bought(birch, "ofr-office-basic", 5)
	id := path[strings.LastIndex(path, "/")+1:]
	list := func(tenant, role string) []string {
		t.Helper()
		got, _ := a.as(tenant, "GET", "/v1/subscriptions?role="+role, "").is(200).listed()
		return got
	}
	has := func(tenant string, want ...string) {
		t.Helper()
		for _, role := range []string{"sold", "onRecord", "supported"} {
			if got := list(tenant, role); slices.Contains(want, role) != slices.Equal(got, []string{id}) || len(got) > 1 {
				t.Errorf("%s has %q as %s, want %q", tenant, got, role, want)
			}
		}
	}
	has(birch, "sold")
	has(cedar, "onRecord")
	has(dogwood)
	a.as(birch, "PUT", path+"/supportcontact", `{"supportTenantId":"`+cedar+`"}`, "If-Match", "*").is(200)
	has(cedar, "onRecord", "supported")
	a.as(birch, "PATCH", path, `{"partnerIdOfRecord":""}`, "If-Match", "*").is(200)
	has(cedar, "supported")
	a.relate(cedar, func(r *relationship.Relationship) { r.Status = relationship.Removed })
	has(cedar)
	has(birch, "sold")
}

// What may be done is asked of all customers at once; that a customer signed itself is found too, and each fault is told.
func TestAllSubscriptionsSayWhatMayBeDone(t *testing.T) {
	a := market(t)
	o := commerce.Order{ID: "ord_aaaaaaaaaaaaaaaaaaaaaaaaaa", Seller: alder, Customer: larch, Version: 1}
	sub := commerce.Subscription{
		ID: "sub_aaaaaaaaaaaaaaaaaaaaaaaaaa", Seller: alder, Customer: larch, Order: o.ID, Offer: "ofr-office-basic",
		OfferName: "Sample office suite, basic", Family: commerce.Other, Term: "P1Y", Quantity: 1,
		Status: commerce.SubscriptionActive, CreatedAt: start, UpdatedAt: start, Version: 1,
	}
	r, err := a.store.Relationship(t.Context(), alder, larch)
	if err != nil {
		t.Fatal(err)
	}
	after := r
	after.Version++
	err = a.store.PlaceOrder(t.Context(), o, []commerce.Subscription{sub}, relationship.Change{Before: &r, After: after})
	if err != nil {
		t.Fatal(err)
	}
	allowed := func() string {
		t.Helper()
		_, items := a.as(alder, "GET", "/v1/subscriptions", "").is(200).listed()
		return fmt.Sprint(items[0].(map[string]any)["allowedActions"])
	}
	if got := allowed(); got != "[suspend delete setPartnerOfRecord setSupportContact]" {
		t.Errorf("unsigned: %s", got)
	}
	if err := a.store.AddAgreement(t.Context(), commerce.Agreement{
		ID: "agr_aaaaaaaaaaaaaaaaaaaaaaaaaa", Customer: larch, Source: commerce.DirectSigned, Partner: birch, Number: 1,
		AgreedAt: start, At: start,
	}, nil); err != nil {
		t.Fatal(err)
	}
	if got := allowed(); got != "[suspend delete raiseQuantity setPartnerOfRecord setSupportContact]" {
		t.Errorf("signed: %s", got)
	}
	a.tiers.granular = map[partner.TenantID]bool{alder: true}
	if got := allowed(); got != "[suspend delete lowerQuantity raiseQuantity setPartnerOfRecord setSupportContact]" {
		t.Errorf("administered: %s", got)
	}
}

func document(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
