package console

import (
	"cmp"
	"net/http"
	"strings"

	"concord/internal/commerce"
	"concord/internal/customer"
	"concord/internal/partner"
	"concord/internal/relationship"
)

func (h *site) customerRoutes() []route {
	return []route{{
		method: http.MethodGet, path: "/customers", page: "console-customers", section: "console.menu.customers",
		who: audience{operation: partner.ReadCustomers}, serve: h.customers,
	}}
}

// listing is a list with its filters.
type listing struct {
	Filters filters
	Table   table
}

// customers is the list of who the partner serves, or knows (0.4). Looking at it imports nobody (rules D6, D7).
func (h *site) customers(v *visit) (*page, error) {
	show := v.chosen("relationship", "active", "none", "all")
	q := relationship.Query{Status: relationship.Active, Name: v.typed("name", 400), Domain: strings.ToLower(v.typed("domain", 253))}
	found, pages, err := collect(v, func(after string, limit int) ([]customer.Known, string, error) {
		q.After, q.Limit = after, limit
		return h.known(v, show, q)
	})
	if err != nil {
		return nil, err
	}
	stands, err := h.standing(v, found)
	if err != nil {
		return nil, err
	}
	t := table{
		Printer: v.Printer, Caption: v.T(captions[show]), Pager: pages, CSV: v.query("format", "csv"),
		Columns: []column{
			{Label: v.T("console.column.company")}, {Label: v.T("console.column.domain")}, {Label: v.T("console.column.country")},
			{Label: v.T("console.column.relationship")}, {Label: v.T("console.column.administration")}, {Label: v.T("console.column.agreement")},
			{Label: v.T("console.column.identity")}, {Label: v.T("console.column.since")},
		},
	}
	for _, k := range found {
		t.Rows = append(t.Rows, v.customerRow(k, stands[k.Tenant]))
	}
	if v.exports() {
		v.export("customers", t)
		return nil, nil
	}
	t.Empty = v.noCustomers(show, q.Name != "" || q.Domain != "")
	p := v.page("console.customers.title")
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

// standing is what is found out about the customers of a page beside their relationships.
type standing struct {
	signed         bool
	administration commerce.Administration
}

// atOnce is how many customers the use cases are asked about at once.
const atOnce = 100

// standing says who has signed the customer agreement, and who is administered how.
func (h *site) standing(v *visit, all []customer.Known) (map[partner.TenantID]standing, error) {
	stands := map[partner.TenantID]standing{}
	for len(all) > 0 {
		n := min(atOnce, len(all))
		if err := h.stand(v, all[:n], stands); err != nil {
			return nil, err
		}
		all = all[n:]
	}
	return stands, nil
}

func (h *site) stand(v *visit, some []customer.Known, stands map[partner.TenantID]standing) error {
	var open, unsaid, claimed []partner.TenantID
	for _, k := range some {
		s := standing{administration: commerce.NoAdministration}
		if r := k.Relationship; r != nil {
			s = standing{r.AgreementSigned, commerce.AdministrationOf(*r, false)}
			if home := k.Home(); !s.signed {
				unsaid = append(unsaid, k.Tenant)
				if home != "" && home != k.Tenant { // what a company signs itself is kept by its tenant
					claimed = append(claimed, home)
				}
			}
		}
		if s.administration != commerce.DAP {
			open = append(open, k.Tenant)
		}
		stands[k.Tenant] = s
	}
	granted, err := h.Granular.Administered(v.ctx(), v.user.Tenant, open)
	if err != nil {
		return err
	}
	signed, direct := map[partner.TenantID]bool{}, map[partner.TenantID]bool{}
	if len(unsaid) > 0 {
		if signed, err = h.Agreed.Signed(v.ctx(), v.user.Tenant, unsaid); err != nil {
			return err
		}
	}
	if len(claimed) > 0 {
		if direct, err = h.Agreed.SignedDirectly(v.ctx(), claimed); err != nil {
			return err
		}
	}
	for _, k := range some {
		s := stands[k.Tenant]
		if granted[k.Tenant] {
			s.administration = commerce.GDAP
		}
		// Who never dealt with a company learns nothing of what it has signed.
		s.signed = s.signed || k.Relationship != nil && (signed[k.Tenant] || direct[k.Home()])
		stands[k.Tenant] = s
	}
	return nil
}

var captions = map[string]string{
	"active": "console.customers.caption.active", "none": "console.customers.caption.none", "all": "console.customers.caption.all",
}

// administrations are the words of how a customer is administered: amber where the partner can do everything.
var administrations = map[commerce.Administration]pill{
	commerce.NoAdministration: {plainState, "console.administration.none"}, commerce.AzureOnly: {info, "console.administration.azure"},
	commerce.DAP: {wait, "console.administration.dap"}, commerce.GDAP: {wait, "console.administration.gdap"},
}

func (v *visit) administration(a commerce.Administration) *pill {
	p := administrations[a]
	return &pill{p.State, v.T(p.Text)}
}

// companyName is what a customer is called, and its domain or its id where nobody has said.
func (v *visit) companyName(c relationship.Customer) string {
	return cmp.Or(c.CompanyName, strings.Join(c.Domains[:min(1, len(c.Domains))], ""), string(c.Tenant))
}

func (v *visit) customerRow(k customer.Known, stands standing) row {
	none := cell{Text: v.T("console.none")}
	domain, country, related, administered := none, none, cell{Pill: &pill{plainState, v.T("console.relationship.none")}}, none
	agreement, identity, since := none, none, none
	if len(k.Domains) > 0 {
		domain = cell{Text: k.Domains[0]}
	}
	if k.Country != "" {
		country = cell{Text: v.Country(k.Country)}
	}
	if stands.administration == commerce.GDAP {
		administered = cell{Pill: v.administration(commerce.GDAP)}
	}
	if r := k.Relationship; r != nil {
		if related = (cell{Pill: &pill{plainState, v.T("console.relationship.removed")}}); r.Status == relationship.Active {
			related = cell{Pill: &pill{good, v.T("console.relationship.active")}}
		}
		administered = cell{Pill: v.administration(stands.administration)}
		agreement = cell{Pill: &pill{wait, v.T("console.agreement.missing")}}
		if stands.signed {
			agreement = cell{Pill: &pill{good, v.T("console.agreement.signed")}}
		}
		switch r.IdentityCheck {
		case relationship.Unproven:
			identity = cell{Pill: &pill{wait, v.T("console.identity.pending")}}
		case relationship.Confirmed:
			identity = cell{Pill: &pill{good, v.T("console.identity.confirmed")}}
		}
		since = cell{Time: v.day(r.EstablishedAt)}
	} else if k.Invitation != nil {
		related = cell{Text: v.T("console.relationship.asked"), Href: invitationPath(k.Invitation.ID)}
	}
	return row{Cells: []cell{{Text: v.companyName(k.Customer)}, domain, country, related, administered, agreement, identity, since}}
}

// customerFilters keep what is asked for in the URL.
func (v *visit) customerFilters(show string) filters {
	f := filters{Printer: v.Printer, Action: root + "/customers"}
	for _, one := range []struct{ value, key string }{
		{"active", "console.customers.tab.active"}, {"none", "console.customers.tab.known"}, {"all", "console.customers.tab.all"},
	} {
		f.Tabs = append(f.Tabs, tab{v.T(one.key), v.query("relationship", one.value, cursorUse, "", "format", ""), one.value == show})
	}
	name := field{Printer: v.Printer, Kind: "search", Name: "name", Label: v.T("console.filter.name"), Value: v.typed("name", 400)}
	domain := field{Printer: v.Printer, Kind: "search", Name: "domain", Label: v.T("console.filter.domain"), Value: v.typed("domain", 253)}
	kept := field{Kind: "hidden", Name: "relationship", Value: show}
	f.Fields = []field{name, domain, kept}
	if name.Value != "" || domain.Value != "" {
		f.Clear = v.query("name", "", "domain", "", cursorUse, "", "format", "")
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
