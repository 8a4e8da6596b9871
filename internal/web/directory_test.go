package web_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"concord/internal/partner"
)

// Rules N10 and N12: who is found in the directory of providers, and by whom.
func TestDirectory(t *testing.T) {
	a := newAPI(t)
	add := func(tenant partner.TenantID, edit func(*partner.Account)) {
		p := account(tenant, "public")
		p.Role, p.ListedInDirectory, p.DisplayName = partner.IndirectProvider, true, "Provider"
		edit(&p)
		a.store.PutAccount(p)
	}
	add(birch, func(*partner.Account) {})
	const rowan, hazel, ash, yew, box = "70000000-0000-4000-8000-000000000001", "70000000-0000-4000-8000-000000000002",
		"70000000-0000-4000-8000-000000000003", "70000000-0000-4000-8000-000000000004", "70000000-0000-4000-8000-000000000005"
	add(rowan, func(p *partner.Account) { p.Country, p.CreatedAt = "FR", start.Add(time.Hour) })
	add(hazel, func(p *partner.Account) { p.ListedInDirectory = false })
	add(ash, func(p *partner.Account) { p.Status = partner.Suspended })
	add(yew, func(p *partner.Account) { p.Cloud = "usGov" })
	add(box, func(p *partner.Account) { p.Role = partner.IndirectReseller })
	for query, want := range map[string][]string{"": {birch, rowan}, "?country=US": {birch}, "?country=DE": {rowan}, "?country=NZ": {}} {
		ids := []string{}
		cursor := "limit=1"
		for {
			sep := "?"
			if query != "" {
				sep = "&"
			}
			p := a.call(request{method: "GET", target: "/v1/directory/providers" + query + sep + cursor}).is(200)
			for _, i := range p.object()["items"].([]any) {
				ids = append(ids, i.(map[string]any)["id"].(string))
			}
			next := p.str("nextCursor")
			if next == "" {
				break
			}
			cursor = "limit=1&cursor=" + next
		}
		slices.Sort(ids)
		slices.Sort(want)
		if !slices.Equal(ids, want) {
			t.Errorf("%q lists %v, want %v", query, ids, want)
		}
	}
	one := a.call(request{method: "GET", target: "/v1/directory/providers?country=DE"}).is(200).object()["items"].([]any)[0].(map[string]any)
	if one["name"] != "Provider" || one["country"] != "FR" || one["market"] != "eu-efta" || one["verifiedDomain"] != "alder.example" || fmt.Sprint(one["contact"]) != "map[email:hello@alder.example]" {
		t.Errorf("what is told of it: %v", one)
	}
	for _, query := range []string{"country=usa", "country=ZZ", "country=", "name=x"} {
		a.call(request{method: "GET", target: "/v1/directory/providers?" + query}).is(400, "malformed_request")
	}
	// Who wants to enrol has no account yet and chooses its provider here, whatever role the person has (0.35).
	for _, roles := range []string{"[globalAdmin]", "[]"} {
		r := request{method: "GET", target: "/v1/directory/providers", tenant: gorse, roles: roles}
		if ids := a.call(r).ids(); len(ids) != 2 {
			t.Errorf("a company without account, as %s: %v", roles, ids)
		}
	}
	a.call(request{method: "GET", target: "/v1/directory/providers", roles: "[operator]"}).is(403, "role_not_permitted")
	a.call(request{method: "GET", target: "/v1/directory/providers", tenant: "none"}).is(403, "role_not_permitted")
}

// Rule I16, 0.11: the table that decides is there to be read, with its version.
func TestRegions(t *testing.T) {
	a := newAPI(t)
	o := a.call(request{method: "GET", target: "/v1/regions", roles: "[globalAdmin]"}).is(200).object()
	shipped := partner.ShippedRegions()
	if o["version"] != shipped.Version || len(o["markets"].([]any)) != len(shipped.Markets) {
		t.Errorf("%v", o)
	}
	for _, m := range o["markets"].([]any) {
		name, countries := m.(map[string]any)["market"].(string), m.(map[string]any)["countries"].([]any)
		if fmt.Sprint(countries) != fmt.Sprint(shipped.Markets[name]) {
			t.Errorf("%s: %v", name, countries)
		}
	}
	if o["market"] != "united-states" {
		t.Errorf("the caller's market: %v", o["market"])
	}
	if o := a.call(request{method: "GET", target: "/v1/regions", tenant: gorse}).is(200).object(); o["market"] != nil {
		t.Errorf("without an account: %v", o["market"])
	}
	a.call(request{method: "GET", target: "/v1/regions", tenant: "none"}).is(403, "role_not_permitted")
}

// Rules I14, I15, I17, X-b and 0.14, over the API: in the cloud of the US government a request always asks for administration, and the link
// leads to the portal of the cloud, which the mail names.
func TestUSGovernment(t *testing.T) {
	a := newAPI(t)
	ask := func(tenant, k, more string) request {
		r := create(k, `{"kind":"reseller","recipientEmail":"it@larch.example"`+more+`}`)
		r.tenant = tenant
		return r
	}
	for name, c := range map[string]struct {
		tenant, more string
		status       int
		asks         bool
	}{
		"government, not said": {elm, "", 201, true}, "government, yes": {elm, `,"requestDelegatedAdmin":true`, 201, true},
		"government, no":   {elm, `,"requestDelegatedAdmin":false`, 422, false},
		"public, not said": {alder, "", 201, false}, "public, yes": {alder, `,"requestDelegatedAdmin":true`, 201, true}, "public, no": {alder, `,"requestDelegatedAdmin":false`, 201, false},
	} {
		a := newAPI(t)
		p := a.call(ask(c.tenant, "k", c.more))
		if c.status == 422 {
			p.is(422, "delegated_admin_required")
			continue
		}
		if o := p.is(201).object(); o["requestDelegatedAdmin"] != c.asks {
			t.Errorf("%s: %v", name, o)
		}
	}
	for tenant, portal := range map[string][2]string{elm: {"https://gov.portal.example/i/", "Concord for US Government"}, alder: {"https://portal.example/i/", "Concord"}} {
		at := a.call(ask(tenant, "l", "")).is(201).header.Get("Location")
		draft := a.call(request{method: "GET", target: at + "/draft", tenant: tenant}).is(200).str("body")
		if !containsLine(draft, portal[0]) {
			t.Errorf("the link of %s does not lead to %s: %s", tenant, portal[0], draft)
		}
	}
}

// containsLine reports whether one line of a text begins with something.
func containsLine(text, prefix string) bool {
	return slices.ContainsFunc(strings.Split(text, "\n"), func(line string) bool { return strings.HasPrefix(line, prefix) })
}
