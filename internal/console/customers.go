package console

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strings"

	"concord/internal/commerce"
	"concord/internal/country"
	"concord/internal/customer"
	"concord/internal/partner"
	"concord/internal/relationship"
)

func (h *site) customerRoutes() []route {
	read, end := audience{operation: partner.ReadCustomers}, audience{operation: partner.KeepRelationships}
	attest := audience{operation: partner.Trade, programs: sellers}
	return []route{
		{method: http.MethodGet, path: "/customers", page: "console-customers", section: "console.menu.customers", who: read,
			serve: h.customers},
		{method: http.MethodGet, path: "/customers/new", page: "console-add-customer", who: attest, serve: h.addCustomer},
		{method: http.MethodPost, path: "/customers/new", page: "console-add-customer", who: attest,
			serve: h.act(h.addCustomer, h.createCustomer)},
		{method: http.MethodGet, path: "/customers/{id}", page: "console-customer", who: read, serve: h.customer},
		{method: http.MethodGet, path: "/customers/{id}/remove", page: "console-remove", who: end, serve: h.removing},
		{method: http.MethodPost, path: "/customers/{id}/remove", page: "console-remove", who: end,
			serve: h.act(h.removing, h.remove)},
		{method: http.MethodGet, path: "/customers/{id}/administration", page: "console-end-administration", who: end,
			serve: h.endingAdministration},
		{method: http.MethodPost, path: "/customers/{id}/administration", page: "console-end-administration", who: end,
			serve: h.act(h.endingAdministration, h.endAdministration)},
		{method: http.MethodGet, path: "/customers/{id}/identity", page: "console-confirm-identity", who: end,
			serve: h.confirmingIdentity},
		{method: http.MethodPost, path: "/customers/{id}/identity", page: "console-confirm-identity", who: end,
			serve: h.act(h.confirmingIdentity, h.confirmIdentity)},
		{method: http.MethodGet, path: "/customers/{id}/agreement", page: "console-attest", who: attest, serve: h.attestForm},
		{method: http.MethodPost, path: "/customers/{id}/agreement", page: "console-attest", who: attest,
			serve: h.act(h.attestForm, h.attest)},
	}
}

// listing is a list with its filters.
type listing struct {
	Filters filters
	Table   table
}

// customers is the list of who the partner serves, or knows (0.4). Looking at it imports nobody (rules D6, D7).
func (h *site) customers(v *visit) (*page, error) {
	show := v.chosen("relationship", "active", "none", "all")
	q := relationship.Query{Status: relationship.Active, Name: v.typed("name", 400),
		Domain: strings.ToLower(v.typed("domain", 253))}
	keeps := v.customerFilter()
	stands := map[partner.TenantID]customer.Summary{}
	found, pages, err := collect(v, func(after string, limit int) ([]customer.Known, string, error) {
		q.After, q.Limit = after, limit
		some, next, err := h.known(v, show, q)
		if err != nil {
			return nil, "", err
		}
		more, err := h.standings().Of(v.ctx(), v.user.Tenant, some)
		maps.Copy(stands, more)
		return slices.DeleteFunc(some, func(k customer.Known) bool { return !keeps.Keeps(k, more[k.Tenant]) }), next, err
	})
	if err != nil {
		return nil, err
	}
	t := table{
		Printer: v.Printer, Caption: v.T(captions[show]), Pager: pages, CSV: v.query("format", "csv"),
		Columns: []column{
			{Label: v.T("console.column.company")}, {Label: v.T("console.column.domain")}, {Label: v.T("console.column.country")},
			{Label: v.T("console.column.relationship")}, {Label: v.T("console.column.administration")},
			{Label: v.T("console.column.agreement")},
			{Label: v.T("console.column.identity")}, {Label: v.T("console.column.since")},
			{Label: v.T("console-customer.request"), Quiet: true},
		},
	}
	for _, k := range found {
		t.Rows = append(t.Rows, v.customerRow(k, stands[k.Tenant]))
	}
	if v.exports() {
		v.export("customers", t)
		return nil, nil
	}
	t.Empty = v.noCustomers(show, q.Name != "" || q.Domain != "" || !keeps.Empty())
	p := v.page("console.customers.title")
	p.Primary = v.newRelationship("")
	p.Second = h.adding(v)
	p.Content = listing{v.customerFilters(show), t}
	return p, nil
}

// known gives customers of active relationships, or all others that the partner knows, or both.
func (h *site) known(v *visit, show string, q relationship.Query) (list []customer.Known, next string, err error) {
	if show != "active" {
		found, err := h.Customers.Known(v.ctx(), v.user.Tenant, q, show == "all")
		return found.Customers, found.Next, err
	}
	found, err := h.Relationships.Relationships(v.ctx(), v.user.Tenant, q)
	for n := range found.Relationships {
		r := &found.Relationships[n]
		list = append(list, customer.Known{Customer: r.Customer, Relationship: r})
	}
	return list, found.Next, err
}

var captions = map[string]string{
	"active": "console.customers.caption.active", "none": "console.customers.caption.none",
	"all": "console.customers.caption.all",
}

// administrations are the words of how a customer is administered: amber where the partner can do everything.
var administrations = map[commerce.Administration]pill{
	commerce.NoAdministration: {plainState, "console.administration.none"},
	commerce.AzureOnly:        {info, "console.administration.azure"},
	commerce.DAP:              {wait, "console.administration.dap"}, commerce.GDAP: {wait, "console.administration.gdap"},
}

// identities are the words of the check of who answered.
var identities = map[relationship.IdentityCheck]pill{
	relationship.Unproven: {wait, "console.identity.pending"}, relationship.Confirmed: {good, "console.identity.confirmed"},
}

func (v *visit) administration(a commerce.Administration) *pill {
	p := administrations[a]
	return &pill{p.State, v.T(p.Text)}
}

// companyName is what a customer is called, and its domain or its id where nobody has said.
func (v *visit) companyName(c relationship.Customer) string {
	return cmp.Or(c.CompanyName, strings.Join(c.Domains[:min(1, len(c.Domains))], ""), string(c.Tenant))
}

func (v *visit) customerRow(k customer.Known, stands customer.Summary) row {
	none := cell{Text: v.T("console.none")}
	domain, where, related, administered := none, none, cell{Pill: &pill{plainState, v.T("console.relationship.none")}}, none
	agreement, identity, since := none, none, none
	if len(k.Domains) > 0 {
		domain = cell{Text: k.Domains[0]}
	}
	if k.Country != "" {
		where = cell{Text: v.Country(k.Country)}
	}
	if stands.Administration == commerce.GDAP {
		administered = cell{Pill: v.administration(commerce.GDAP)}
	}
	if r := k.Relationship; r != nil {
		if related = (cell{Pill: &pill{plainState, v.T("console.relationship.removed")}}); r.Status == relationship.Active {
			related = cell{Pill: &pill{good, v.T("console.relationship.active")}}
		}
		administered = cell{Pill: v.administration(stands.Administration)}
		agreement = cell{Pill: &pill{wait, v.T("console.agreement.missing")}}
		if stands.Signed {
			agreement = cell{Pill: &pill{good, v.T("console.agreement.signed")}}
		}
		if p, ok := identities[r.IdentityCheck]; ok {
			identity = cell{Pill: v.worded(p)}
		}
		since = cell{Time: v.day(r.EstablishedAt)}
	} else if k.Invitation != nil {
		related = cell{Text: v.T("console.relationship.asked"), Href: invitationPath(k.Invitation.ID)}
	}
	ask := cell{}
	if (k.Relationship == nil || k.Relationship.Status != relationship.Active) && v.permitted(partner.InviteCustomers) {
		ask = cell{Text: v.T("console-customer.request"), Href: askAgain(k.Customer)}
	}
	return row{Cells: []cell{
		{Text: v.companyName(k.Customer), Href: customerPath(k.Tenant)}, domain, where, related, administered, agreement,
		identity, since, ask,
	}}
}

// customerFilters keep what is asked for in the URL.
func (v *visit) customerFilters(show string) filters {
	f := filters{Printer: v.Printer, Action: root + "/customers"}
	for _, one := range []struct{ value, key string }{
		{"active", "console.customers.tab.active"}, {"none", "console.customers.tab.known"}, {"all", "console.customers.tab.all"},
	} {
		f.Tabs = append(f.Tabs, tab{v.T(one.key), v.query("relationship", one.value, cursorUse, "", "format", ""),
			one.value == show})
	}
	name := field{Printer: v.Printer, Kind: "search", Name: "name", Label: v.T("console.filter.name"),
		Value: v.typed("name", 400)}
	domain := field{Printer: v.Printer, Kind: "search", Name: "domain", Label: v.T("console.filter.domain"),
		Value: v.typed("domain", 253)}
	kept := field{Kind: "hidden", Name: "relationship", Value: show}
	keeps := v.customerFilter()
	f.Fields = []field{name, domain,
		v.one("administration", "console.column.administration", string(keeps.Administration), [][2]string{
			{"none", "console.administration.none"}, {"azureOnly", "console.administration.azure"},
			{"dap", "console.administration.dap"}, {"gdap", "console.administration.gdap"}}),
		v.one("customerAgreement", "console.column.agreement", keeps.Agreement, [][2]string{
			{"missing", "console.agreement.missing"}, {"signed", "console.agreement.signed"}}),
		v.one("identityCheck", "console.column.identity", string(keeps.Identity), [][2]string{
			{"pending", "console.identity.pending"}, {"confirmed", "console.identity.confirmed"}}),
		v.countryField(keeps.Country), kept}
	if name.Value != "" || domain.Value != "" || !keeps.Empty() {
		f.Clear = root + "/customers?relationship=" + show
	}
	return f
}

// customerFilter is what the list is asked for beside its store's filters.
func (v *visit) customerFilter() customer.Filter {
	return customer.Filter{
		Country: v.countryAsked(), Agreement: v.chosen("customerAgreement", "", "signed", "missing"),
		Identity:       relationship.IdentityCheck(v.chosen("identityCheck", "", "pending", "confirmed")),
		Administration: commerce.Administration(v.chosen("administration", "", "none", "azureOnly", "dap", "gdap")),
	}
}

// one is a filter of which one value is chosen, or any.
func (v *visit) one(name, label, chosen string, values [][2]string) field {
	f := field{Printer: v.Printer, Kind: "select", Name: name, Label: v.T(label), Value: chosen,
		Options: []option{{Label: v.T("console.filter.any"), Selected: chosen == ""}}}
	for _, one := range values {
		f.Options = append(f.Options, option{Value: one[0], Label: v.T(one[1])})
	}
	return f
}

// countryAsked is the country of a filter; empty for any.
func (v *visit) countryAsked() string {
	if code := v.typed("country", 2); country.Valid(code) {
		return code
	}
	return ""
}

func (v *visit) countryField(chosen string) field {
	f := v.one("country", "console.column.country", chosen, nil)
	for code, name := range v.Countries() {
		f.Options = append(f.Options, option{Value: code, Label: name})
	}
	return f
}

// noCustomers says why nobody is in the list: customers are neither imported nor shared (rules D6, D7).
func (v *visit) noCustomers(show string, filtered bool) *empty {
	if filtered {
		return &empty{v.T("console.empty.filtered"), v.T("console.empty.filtered.text"), &action{
			Label: v.T("console.filter.clear"), Href: root + "/customers?relationship=" + show,
		}}
	}
	e := &empty{v.T("console.customers.empty"), v.T("console.customers.empty.text"), nil}
	if v.account != nil && (v.account.Has(partner.IndirectReseller) || v.account.Has(partner.IndirectProvider)) {
		e.Text = v.T("console.customers.empty.tiers")
	}
	return e
}
