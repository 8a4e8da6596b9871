package web_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/relationship"
)

// 0.4, rules D6 to D8 and I4: whom a partner knows without having a relationship, page by page; and that somebody else knows nobody by it.
func TestKnownCustomers(t *testing.T) {
	a := newAPI(t)
	const oak, elder, pine = "0a4c0000-0000-4000-8000-000000000013", "e1de0000-0000-4000-8000-000000000014", "91e00000-0000-4000-8000-000000000015"
	a.customer(larch, relationship.Active, "US")
	a.customer(maple, relationship.Removed, "FR")
	// An open invitation that names oak, one that elder has declined, a rehearsal with nobody; another one with larch.
	open := a.call(create("1", `{"kind":"reseller","recipientEmail":"it@oak.example","customerTenantId":"`+oak+`"}`)).is(201).str("id")
	declined := a.call(create("2", `{"kind":"reseller","recipientEmail":"it@elder.example","customerTenantId":"`+elder+`"}`)).is(201).header.Get("Location")
	a.stored(declined, func(i *invitation.Invitation) {
		i.Status, i.Answer = invitation.Declined, &invitation.Given{Subject: "s", Tenant: elder, Company: "Elder Ltd", At: start}
	})
	a.call(create("3", `{"kind":"reseller","recipientEmail":"success@simulator.amazonses.com","customerTenantId":"`+nobody+`","sandbox":true}`)).is(201)
	a.call(create("4", `{"kind":"reseller","customerTenantId":"`+larch+`","requestDelegatedAdmin":true}`)).is(201)
	// Granular administration of pine lives; that of maple too, whatever became of the relationship (rule X4).
	grant := func(n int, tenant partner.TenantID) string {
		r := granular.Relationship{
			Key: granular.Key{Partner: alder, ID: "gdap_" + strings.Repeat(string(rune('a'+n)), 25) + "a"}, DisplayName: fmt.Sprint("Desk ", n), Customer: tenant, CustomerName: "Pine Ltd", Cloud: "public",
			Duration: granular.Period{Days: 90}, Status: granular.Active, CreatedAt: start, ActivatedAt: start, EndAt: start.AddDate(0, 3, 0), Version: 1,
		}
		if err := a.store.WriteGranular(t.Context(), granular.Change{After: r}); err != nil {
			t.Fatal(err)
		}
		return r.ID
	}
	grant(1, pine)
	grant(2, maple)
	list := func(query string) map[string]map[string]any {
		all := map[string]map[string]any{}
		var order []string
		for cursor := ""; ; {
			p := a.call(request{method: "GET", target: "/v1/customers?limit=1" + query + cursor}).is(200)
			for _, i := range p.object()["items"].([]any) {
				id := i.(map[string]any)["id"].(string)
				order, all[id] = append(order, id), i.(map[string]any)
			}
			next := p.str("nextCursor")
			if next == "" {
				break
			}
			cursor = "&cursor=" + next
		}
		if !slices.IsSorted(order) || len(order) != len(all) {
			t.Errorf("%q lists in the order %v", query, order)
		}
		return all
	}
	known := list("&relationship=none")
	want := []string{oak, elder, pine, maple}
	slices.Sort(want)
	if got := slices.Sorted(maps.Keys(known)); !slices.Equal(got, want) {
		t.Fatalf("known are %v, want %v", got, want)
	}
	for id, members := range map[string]map[string]any{
		oak:   {"companyName": "", "domain": "oak.example", "country": nil, "administration": "none", "version": 0.0, "invitation": map[string]any{"id": open, "status": "draft"}},
		elder: {"companyName": "Elder Ltd", "administration": "none", "cloud": "public"},
		pine:  {"companyName": "Pine Ltd", "administration": "gdap", "domain": nil},
		maple: {"companyName": "Larch Ltd", "administration": "gdap", "country": "FR", "version": 3.0},
	} {
		single := a.call(request{method: "GET", target: "/v1/customers/" + id}).is(200).object()
		for name, value := range members {
			if fmt.Sprint(known[id][name]) != fmt.Sprint(value) || fmt.Sprint(single[name]) != fmt.Sprint(value) {
				t.Errorf("%s of %s: %v in the list, %v alone, want %v", name, id, known[id][name], single[name], value)
			}
		}
		if known[id]["relationshipToPartner"] != "none" {
			t.Errorf("%s: %v", id, known[id])
		}
	}
	if got := len(list("&relationship=all")); got != 5 {
		t.Errorf("all are %d", got)
	}
	if got := slices.Sorted(maps.Keys(list("&relationship=none&name=pine"))); !slices.Equal(got, []string{pine}) {
		t.Errorf("by name: %v", got)
	}
	if got := slices.Sorted(maps.Keys(list("&relationship=none&domain=oak.example"))); !slices.Equal(got, []string{oak}) {
		t.Errorf("by domain: %v", got)
	}
	// What is known is no relationship, and nobody else knows it.
	a.remove(oak, "sample-1", "*").is(404, "relationship_not_found")
	for _, id := range []string{oak, nobody} {
		a.call(request{method: "GET", target: "/v1/customers/" + id, tenant: birch}).is(404, "not_found")
	}
	a.call(request{method: "GET", target: "/v1/customers/" + nobody}).is(404, "not_found")
	if got := a.call(request{method: "GET", target: "/v1/customers?relationship=none", tenant: birch}).is(200).object()["items"].([]any); len(got) != 0 {
		t.Errorf("another partner knows %v", got)
	}
	// Rule X4 and X-l: a removal leaves granular administration alone.
	kept := grant(3, larch)
	if o := a.remove(larch, "sample-1", "*").is(200).object(); o["administration"] != "gdap" {
		t.Errorf("after the removal: %v", o)
	}
	if o := a.call(request{method: "GET", target: "/v1/delegated-admin-relationships/" + kept}).is(200).object(); o["status"] != "active" {
		t.Errorf("granular administration after the removal: %v", o)
	}
}
