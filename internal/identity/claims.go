package identity

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"concord/internal/country"
	"concord/internal/partner"
)

// Claims names the claims of a provider's tokens that say who somebody is. What it leaves out is called as in [usualClaims]. Each may name
// several claims, separated by spaces: the first that a token has counts.
type Claims struct {
	Subject, Name, Email, Tenant string
	// Company is the claim with the company's name, Domains the one with its verified domains: a list, or a text with spaces.
	Company, Domains, Country, Cloud string
	// What the claims of Roles hold adds up. Of a role like "concord-api/adminAgent" what follows
	// the last slash counts, as a provider writes scopes. The claim "roles" is always read too.
	Roles string
	// GlobalAdmin is what stands in Roles for a Global admin, such as Entra's template id of that role.
	GlobalAdmin string
}

const rolesClaim = "roles"

var usualClaims = Claims{
	Subject: "sub", Name: "name", Email: "email", Tenant: "tid tenantId", Company: "tenant_name", Domains: "tenant_domains",
	Country: "tenant_country", Cloud: "cloud", Roles: rolesClaim, GlobalAdmin: string(partner.GlobalAdmin),
}

// ParseClaims reads a JSON object whose names are those of the fields of [Claims].
func ParseClaims(text string) (Claims, error) {
	var c Claims
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return Claims{}, fmt.Errorf("claims: %w", err)
	}
	return c, nil
}

func (c Claims) complete() Claims {
	u := usualClaims
	return Claims{
		Subject: cmp.Or(c.Subject, u.Subject), Name: cmp.Or(c.Name, u.Name), Email: cmp.Or(c.Email, u.Email), Tenant: cmp.Or(c.Tenant, u.Tenant),
		Company: cmp.Or(c.Company, u.Company), Domains: cmp.Or(c.Domains, u.Domains), Country: cmp.Or(c.Country, u.Country),
		Cloud: cmp.Or(c.Cloud, u.Cloud), Roles: cmp.Or(c.Roles, u.Roles), GlobalAdmin: cmp.Or(c.GlobalAdmin, u.GlobalAdmin),
	}
}

// Holder is who a token speaks of: a person or a program, with the company whose directory it is in. What the token does not say is empty.
type Holder struct {
	Subject, Name, Email string
	Tenant               partner.TenantID
	Company              string
	Domains              []string // verified by the provider, in lower case
	Country              string   // ISO 3166-1 alpha-2
	Cloud                partner.CloudID
	Roles                []partner.Role
	// Unread is why the company's directory did not say what the token leaves out; nil when it did, or was not asked.
	// Then the domains are not proven, and nothing else is different.
	Unread error
}

// maxClaim bounds what is taken from a claim, in bytes; real names, subjects and addresses are shorter.
const maxClaim = 200

// knownRoles are all that have a meaning here; of others none is kept, or a session would not fit into its cookie.
var knownRoles = []partner.Role{partner.GlobalAdmin, partner.AdminAgent, partner.SalesAgent, partner.Operator}

// document is the body of a token.
type document map[string]json.RawMessage

// first returns the text of the first of several claims that has one.
func (d document) first(names string) string {
	for name := range strings.FieldsSeq(names) {
		if text := d.text(name); text != "" {
			return text
		}
	}
	return ""
}

func (d document) text(name string) string {
	var s string
	_ = json.Unmarshal(d[name], &s)
	return bounded(s)
}

// bounded gives a text no longer than [maxClaim].
func bounded(s string) string {
	if len(s) > maxClaim {
		s = strings.ToValidUTF8(s[:maxClaim], "")
	}
	return strings.TrimSpace(s)
}

// domain gives the name of a domain as it is kept; false for what can be none.
func domain(name string) (string, bool) {
	return strings.ToLower(name), name != "" && len(name) <= 253
}

// list reads a list, or a text whose words are one.
func (d document) list(name string) []string {
	var l []string
	if json.Unmarshal(d[name], &l) != nil {
		l = strings.Fields(d.text(name))
	}
	return l
}

// holder reads who a token speaks of. The error is [ErrNoCompany] for who is in no company's directory.
func (c Claims) holder(d document) (Holder, error) {
	h := Holder{
		Subject: d.first(c.Subject), Name: d.first(c.Name), Email: d.first(c.Email), Company: d.first(c.Company),
		Country: strings.ToUpper(d.first(c.Country)), Cloud: partner.CloudID(d.first(c.Cloud)),
	}
	var ok bool
	if h.Tenant, ok = partner.ParseTenantID(d.first(c.Tenant)); !ok || h.Subject == "" {
		return Holder{}, ErrNoCompany
	}
	for name := range strings.FieldsSeq(c.Domains) {
		for _, each := range d.list(name) {
			if each, ok := domain(each); ok {
				h.Domains = append(h.Domains, each)
			}
		}
	}
	if !country.Valid(h.Country) {
		h.Country = ""
	}
	named := strings.Fields(c.Roles)
	if !slices.Contains(named, rolesClaim) {
		named = append(named, rolesClaim)
	}
	for _, name := range named {
		for _, role := range d.list(name) {
			r := partner.Role(role[strings.LastIndexByte(role, '/')+1:])
			if role == c.GlobalAdmin {
				r = partner.GlobalAdmin
			} else if r == partner.GlobalAdmin {
				continue // the provider calls it otherwise
			}
			if slices.Contains(knownRoles, r) && !slices.Contains(h.Roles, r) {
				h.Roles = append(h.Roles, r)
			}
		}
	}
	return h, nil
}
