package partner

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"concord/internal/country"
	"concord/internal/problem"
)

// The role matrix (domain, 2.4; rules R1, R2, R6), cell by cell.
func TestRoleMatrix(t *testing.T) {
	matrix := []struct {
		op                                            Operation
		adminAgent, salesAgent, globalAdmin, operator bool
	}{
		{ReadCustomers, true, true, true, false},
		{InviteCustomers, true, true, false, false},
		{KeepRelationships, true, true, false, false},
		{AdministerGranularly, true, false, false, false},
		{ReadGranular, true, false, true, false},
		{Trade, true, true, false, false},
		{RequestPartnerships, true, false, false, false},
		{RequestAdministration, true, false, false, false},
		{KeepOwnAccount, false, false, true, false},
		{ReadAudit, true, false, true, false},
		{Enrol, false, false, true, false},
		{KeepSupport, true, false, true, false},
		{KeepWebhooks, true, false, true, false},
		{OperatePartners, false, false, false, true},
	}
	if len(matrix) != len(permitted) {
		t.Errorf("the matrix has %d rows, the test %d", len(permitted), len(matrix))
	}
	cells := 0
	for _, row := range matrix {
		for role, want := range map[Role]bool{AdminAgent: row.adminAgent, SalesAgent: row.salesAgent, GlobalAdmin: row.globalAdmin, Operator: row.operator, "": false, "guest": false} {
			cells++
			err := User{Roles: []Role{role}}.Permit(row.op)
			if (err == nil) != want || err != nil && !problem.Is(err, problem.RoleNotPermitted) {
				t.Errorf("%s by %q: %v", row.op, role, err)
			}
			if err := (User{Roles: []Role{role, SalesAgent}}).Permit(row.op); err != nil && row.salesAgent {
				t.Errorf("%s by %q and sales agent: %v; roles add up", row.op, role, err)
			}
		}
		if err := (User{}).Permit(row.op); !problem.Is(err, problem.RoleNotPermitted) {
			t.Errorf("%s without a role: %v", row.op, err)
		}
	}
	if err := (User{Roles: []Role{GlobalAdmin, AdminAgent, SalesAgent, Operator}}).Permit("another operation"); err == nil {
		t.Error("an operation that is not in the matrix is permitted")
	}
	t.Logf("%d cells", cells)
}

func TestParseTenantID(t *testing.T) {
	const id = "0a1b2c3d-4e5f-4a7b-8c9d-0e1f2a3b4c5d"
	for _, s := range []string{id, strings.ToUpper(id)} {
		if got, ok := ParseTenantID(s); !ok || got != id {
			t.Errorf("ParseTenantID(%q) = %q, %v", s, got, ok)
		}
	}
	for _, s := range []string{"", "larch", id + "0", id[1:], " " + id, id + "\n", "{" + id + "}", strings.ReplaceAll(id, "-", ""), strings.Replace(id, "a", "g", 1), id[:23] + "K" + id[24:]} {
		if _, ok := ParseTenantID(s); ok {
			t.Errorf("%q is a tenant id", s)
		}
	}
}

const twoClouds = `[{"id":"public","portalName":"the admin center","baseUrl":"https://public.larch.example","administrationOptional":true},
	{"id":"usGov","portalName":"the government portal","baseUrl":"http://127.0.0.1:8080","administrationOptional":false}]`

func TestParseClouds(t *testing.T) {
	clouds, err := ParseClouds(twoClouds)
	if err != nil {
		t.Fatal(err)
	}
	want := Clouds{{"public", "the admin center", "https://public.larch.example", true}, {"usGov", "the government portal", "http://127.0.0.1:8080", false}}
	if !slices.Equal(clouds, want) {
		t.Errorf("ParseClouds = %+v", clouds)
	}
	if c, err := clouds.Cloud("usGov"); err != nil || c != want[1] {
		t.Errorf("Cloud(usGov) = %+v, %v", c, err)
	}
	for _, id := range []CloudID{"", "Public", "moon"} { // domain, 0.12
		if c, err := clouds.Cloud(id); !problem.Is(err, problem.CloudMismatch) || c != (Cloud{}) {
			t.Errorf("Cloud(%q) = %+v, %v", id, c, err)
		}
	}
}

func TestFaultyClouds(t *testing.T) {
	one := func(id, name, base string) string {
		return fmt.Sprintf(`{"id":%q,"portalName":%q,"baseUrl":%q}`, id, name, base)
	}
	const https = "https://larch.example"
	for name, text := range map[string]string{
		"empty":                  "",
		"no JSON":                "public",
		"an object":              one("public", "p", https),
		"an empty list":          "[]",
		"no list":                "null",
		"something after it":     "[" + one("public", "p", https) + "] []",
		"an unknown field":       `[{"id":"public","portalName":"p","baseUrl":"https://larch.example","region":"eu"}]`,
		"no id":                  "[" + one("", "p", https) + "]",
		"no portal name":         "[" + one("public", "", https) + "]",
		"no address":             "[" + one("public", "p", "") + "]",
		"no scheme":              "[" + one("public", "p", "larch.example") + "]",
		"another scheme":         "[" + one("public", "p", "ftp://larch.example") + "]",
		"a slash at the end":     "[" + one("public", "p", https+"/") + "]",
		"a path":                 "[" + one("public", "p", https+"/i") + "]",
		"a query":                "[" + one("public", "p", https+"?a=b") + "]",
		"a fragment":             "[" + one("public", "p", https+"#a") + "]",
		"a name before the host": "[" + one("public", "p", "https://me@larch.example") + "]",
		"a faulty escape":        "[" + one("public", "p", "https://%zz") + "]",
		"one cloud twice":        "[" + one("public", "p", https) + "," + one("public", "q", https) + "]",
	} {
		if c, err := ParseClouds(text); err == nil || c != nil {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
}

// Rule N12: where a provider may be is a matter of the reseller's market.
func TestWhoWorksWithWhom(t *testing.T) {
	r := ShippedRegions()
	r.Providers = map[string][]string{"australia-new-zealand": {"united-states"}}
	for pair, allowed := range map[[2]string]bool{
		{"US", "US"}: true, {"FR", "DE"}: true, {"US", "NZ"}: true, {"NZ", "US"}: false, {"FR", "NZ"}: false, {"JP", "JP"}: true, {"", ""}: false, {"US", ""}: false,
	} {
		err := r.CheckPartnership(pair[0], pair[1])
		if allowed != (err == nil) || err != nil && !problem.Is(err, problem.RegionNotAllowed) {
			t.Errorf("provider in %s, reseller in %s: %v", pair[0], pair[1], err)
		}
	}
}

// Rule I16: most regions may establish relationships only with the same region or country.
func TestRegions(t *testing.T) {
	r := ShippedRegions()
	if r.Version == "" {
		t.Error("the table has no version")
	}
	seen := map[string]string{}
	for market, countries := range r.Markets {
		for _, c := range countries {
			if other, twice := seen[c]; twice || !country.Valid(c) {
				t.Errorf("%q is in %s and in %s, or no country", c, market, other)
			}
			seen[c] = market
		}
	}
	exceptions := r
	exceptions.AnyMarket.Partners, exceptions.AnyMarket.Customers = []string{"SG"}, []string{"AQ"}
	for _, c := range []struct {
		name              string
		r                 Regions
		partner, customer string
		allowed           bool
	}{
		{"same country", r, "US", "US", true},
		{"same country, in no market", r, "JP", "JP", true},
		{"same market", r, "FR", "DE", true},
		{"same market, the other way", r, "DE", "FR", true},
		{"outlying part of the same market", r, "US", "PR", true},
		{"other market", r, "US", "FR", false},
		{"other market, the other way", r, "FR", "US", false},
		{"two countries in no market", r, "JP", "KR", false},
		{"market and none", r, "FR", "JP", false},
		{"unknown country", r, "FR", "ZZ", false},
		{"no country of the customer", r, "FR", "", false},
		{"no country at all", r, "", "", false},
		{"lower case is no country", r, "FR", "de", false},
		{"a partner that may sell everywhere", exceptions, "SG", "FR", true},
		{"its country is no customer for all", exceptions, "FR", "SG", false},
		{"a customer whom all may serve", exceptions, "FR", "AQ", true},
		{"its partners do not serve all", exceptions, "AQ", "FR", false},
		{"without a country even where partners may sell everywhere", exceptions, "SG", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.r.Check(c.partner, c.customer)
			if c.allowed != (err == nil) || err != nil && !problem.Is(err, problem.RegionNotAllowed) {
				t.Errorf("Check(%q, %q) = %v", c.partner, c.customer, err)
			}
		})
	}
}
