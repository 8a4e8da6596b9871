package web_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/relationship"
)

// 0.4, rules D6 to D8 and I4: whom a partner knows without having a relationship, page by page, the newest first; and that
// somebody else knows nobody by it.
func TestKnownCustomers(t *testing.T) {
	a := newAPI(t)
	const oak, elder, pine = "0a4c0000-0000-4000-8000-000000000013", "e1de0000-0000-4000-8000-000000000014", "91e00000-0000-4000-8000-000000000015"
	pass := func() { a.now = a.now.Add(time.Minute) }
	a.customer(larch, relationship.Active, "US")
	a.customer(maple, relationship.Removed, "FR")
	pass()
	// An open invitation that names oak, a minute later one that elder has declined, a rehearsal with nobody; another one with larch.
	open := a.call(create("1", `{"kind":"reseller","recipientEmail":"it@oak.example","customerTenantId":"`+oak+`"}`)).is(201).str("id")
	pass()
	declined := a.call(create("2", `{"kind":"reseller","recipientEmail":"it@elder.example","customerTenantId":"`+elder+`"}`)).is(201).header.Get("Location")
	a.stored(declined, func(i *invitation.Invitation) {
		i.Status, i.Answer = invitation.Declined, &invitation.Given{Subject: "s", Tenant: elder, Company: "Elder Ltd", At: start}
	})
	a.call(create("3", `{"kind":"reseller","recipientEmail":"success@simulator.amazonses.com","customerTenantId":"`+nobody+`","sandbox":true}`)).is(201)
	a.call(create("4", `{"kind":"reseller","customerTenantId":"`+larch+`","requestDelegatedAdmin":true}`)).is(201)
	// Granular administration of pine lives; that of maple too, whatever became of the relationship (rule X4).
	pass()
	grant := func(n int, tenant partner.TenantID, at time.Time) string {
		r := granular.Relationship{
			Key: granular.Key{Partner: alder, ID: "gdap_" + strings.Repeat(string(rune('a'+n)), 25) + "a"}, DisplayName: fmt.Sprint("Desk ", n), Customer: tenant, CustomerName: "Pine Ltd", Cloud: "public",
			Duration: granular.Period{Days: 90}, Status: granular.Active, CreatedAt: at, ActivatedAt: at, EndAt: start.AddDate(0, 3, 0), Version: 1,
		}
		if err := a.store.WriteGranular(t.Context(), granular.Change{After: r}); err != nil {
			t.Fatal(err)
		}
		return r.ID
	}
	// Elder gave some before it was invited: one customer, at its newest trace.
	grant(1, pine, a.now)
	grant(2, maple, a.now)
	grant(4, elder, start)
	var order []string
	list := func(query string) map[string]map[string]any {
		all := map[string]map[string]any{}
		order = nil
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
		if len(order) != len(all) {
			t.Errorf("%q lists somebody twice: %v", query, order)
		}
		return all
	}
	known := list("&relationship=none")
	if want := []string{pine, elder, oak, maple}; !slices.Equal(order, want) {
		t.Fatalf("known are %v, want %v", order, want)
	}
	for id, members := range map[string]map[string]any{
		oak:   {"companyName": "", "domain": "oak.example", "country": nil, "administration": "none", "version": 0.0, "invitation": map[string]any{"id": open, "status": "draft"}},
		elder: {"companyName": "Elder Ltd", "administration": "gdap", "cloud": "public"},
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
	// Larch and maple became customers at the same moment: the higher id is first.
	list("&relationship=all")
	if want := []string{pine, elder, oak, max(larch, maple), min(larch, maple)}; !slices.Equal(order, want) {
		t.Errorf("all are %v, want %v", order, want)
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
	kept := grant(3, larch, a.now)
	if o := a.remove(larch, "sample-1", "*").is(200).object(); o["administration"] != "gdap" {
		t.Errorf("after the removal: %v", o)
	}
	if o := a.call(request{method: "GET", target: "/v1/delegated-admin-relationships/" + kept}).is(200).object(); o["status"] != "active" {
		t.Errorf("granular administration after the removal: %v", o)
	}
}

// Customers are listed newest first, by the moment that their resource shows, on pages of every size and under every filter; one
// that ended and came back stands where it came back.
func TestCustomersAreListedNewestFirst(t *testing.T) {
	a := newAPI(t)
	var want []string
	put := func(n int, established time.Time, status relationship.Status, version int) string {
		id := fmt.Sprintf("%08d-0000-4000-8000-000000000001", n*37%100) // not in the order of the ids
		a.store.PutRelationship(relationship.Relationship{
			ID: "rel_" + strings.Repeat("a", 26), Partner: alder, Role: relationship.Direct, Status: status, Origin: "invitation",
			Customer:       relationship.Customer{Tenant: partner.TenantID(id), CompanyName: fmt.Sprint("Larch ", n%2), Domains: []string{"larch.example"}, Country: "US", Cloud: "public"},
			DelegatedAdmin: relationship.NoAdministration, IdentityCheck: relationship.NotNeeded, EstablishedAt: established, UpdatedAt: start, Version: version,
		})
		return id
	}
	for n := range 9 {
		want = append(want, put(n, start.Add(time.Duration(n)*time.Hour), relationship.Active, 1))
	}
	slices.Reverse(want)
	list := func(query string) (ids []string) {
		last := ""
		for cursor := ""; ; {
			p := a.call(request{method: "GET", target: "/v1/customers?" + query + cursor}).is(200)
			for _, i := range p.object()["items"].([]any) {
				one := i.(map[string]any)
				at := one["establishedAt"].(string)
				if last != "" && at > last {
					t.Errorf("%s: %s after %s", query, at, last)
				}
				ids, last = append(ids, one["id"].(string)), at
			}
			next := p.str("nextCursor")
			if next == "" {
				return ids
			}
			cursor = "&cursor=" + next
		}
	}
	for _, size := range []string{"limit=1", "limit=4", "limit=100"} {
		for _, shown := range []string{"", "&relationship=active", "&relationship=all"} {
			if got := list(size + shown); !slices.Equal(got, want) {
				t.Errorf("%s%s: %v, want %v", size, shown, got, want)
			}
		}
	}
	if got, odd := list("limit=1&name=larch+1"), []string{want[1], want[3], want[5], want[7]}; !slices.Equal(got, odd) {
		t.Errorf("by name: %v, want %v", got, odd)
	}
	put(2, start.Add(2*time.Hour), relationship.Removed, 2)
	if got := list("limit=2&relationship=none"); !slices.Equal(got, want[6:7]) {
		t.Errorf("without a relationship: %v, want %v", got, want[6:7])
	}
	put(2, start.Add(24*time.Hour), relationship.Active, 3)
	want = slices.Insert(slices.Delete(slices.Clone(want), 6, 7), 0, want[6])
	if got := list("limit=2"); !slices.Equal(got, want) {
		t.Errorf("after it came back: %v, want %v", got, want)
	}
}
