package console

import (
	"slices"
	"strings"
	"time"

	"concord/internal/commerce"
	"concord/internal/customer"
	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/problem"
	"concord/internal/relationship"
	"concord/internal/terms"
)

// atOnce is how many customers the use cases are asked about at once.
const atOnce = 100

// keeping begins a page on which something of a relationship is confirmed or ends.
func (h *site) keeping(v *visit, title, do, label string) (*page, customer.Known, confirmation, error) {
	k, err := h.customerOf(v)
	if err == nil && k.Relationship == nil {
		err = problem.New(problem.RelationshipNotFound, "There is no active relationship with this customer.")
	}
	if err != nil {
		return nil, k, confirmation{}, err
	}
	r, at := k.Relationship, customerPath(k.Tenant)
	p := v.page(title, "company", v.companyName(k.Customer))
	p.Template = "confirm"
	p.Parent = &action{Label: v.T("console-customer.title", "company", v.companyName(k.Customer)), Href: at}
	if n := len(r.History); n > 0 {
		p.Changed = new(v.relationshipMoment(r.History[n-1]))
	}
	c := confirmation{
		Printer: v.Printer, Action: v.r.URL.Path, Back: at, Do: do, Label: v.T(label), Hidden: v.hiddenOf(r.Version),
		Facts: []fact{
			{Label: v.T("console.column.company"), Value: v.companyName(k.Customer)},
			{Label: v.T("console.column.domain"), Value: strings.Join(k.Domains[:min(1, len(k.Domains))], "")},
			{Label: v.T("console.column.since"), Time: v.at(r.EstablishedAt)},
		},
	}
	if r.Status != relationship.Active {
		c.Blocked = []note{{State: info, Text: []string{v.T("console-customer.over")}}}
	}
	return p, k, c, nil
}

// removing says what ends, what stays and who is told, which is nobody (rules X1 to X4, X6, X10), and has the text
// confirmed.
func (h *site) removing(v *visit) (*page, error) {
	p, k, c, err := h.keeping(v, "console-customer.remove.title", "remove", "console-customer.remove")
	if err != nil {
		return nil, err
	}
	c.Danger = true
	c.Text = []string{
		v.T("console-customer.remove.ends"), v.T("console-customer.remove.stays"), v.T("console-customer.remove.nobody"),
		v.T("console-customer.remove.consider"),
	}
	r := k.Relationship
	switch {
	case len(c.Blocked) > 0:
	case h.Customers.ResellersKeep && (r.Role == relationship.IndirectReseller || !v.account.Sells()):
		c.Blocked = []note{{State: stop, Text: []string{v.T("console-customer.remove.provider")},
			Next: &action{Label: v.T("console.menu.providers"), Href: root + "/providers"}}}
	case r.Sold.Active > 0 && !h.Customers.SubscriptionsStay:
		way, err := h.activeOf(v, k.Tenant)
		if err != nil {
			return nil, err
		}
		c.Blocked = []note{{State: stop, Text: []string{v.T("console-customer.problem.active-subscriptions")}, Next: way}}
	default:
		if err := v.attesting(&c, h.Customers.Texts, terms.RelationshipRemoval); err != nil {
			return nil, err
		}
	}
	p.Content = c
	return p, nil
}

// activeOf leads to the one subscription that the partner sells to a customer and that is active, else to all of them.
func (h *site) activeOf(v *visit, id partner.TenantID) (*action, error) {
	all := &action{Label: v.T("console.menu.subscriptions"), Href: subscriptionsOf(id)}
	bought, err := h.Commerce.ListSubscriptions(v.ctx(), v.user, string(id), commerce.Page{Limit: pageRows})
	if err != nil {
		return nil, err
	}
	active := slices.DeleteFunc(bought.Subscriptions, func(s commerce.Seen) bool {
		return s.Seller != v.user.Tenant || s.Status != commerce.SubscriptionActive
	})
	if len(active) != 1 || bought.Next != "" {
		return all, nil
	}
	one := active[0].Subscription
	return &action{Label: one.OfferName, Href: subscriptionPath(one)}, nil
}

func (h *site) remove(v *visit) (to, said string, err error) {
	k, err := h.customerOf(v)
	if err != nil {
		return "", "", err
	}
	_, err = h.Customers.Change(v.ctx(), v.command(), string(k.Tenant), customer.Change{
		RelationshipToPartner: new("none"), Attestation: v.attested(),
	})
	return customerPath(k.Tenant), "console-customer.did.removed", moved(err, "/attestation", "", "/accepted")
}

// endingAdministration asks whether the delegated administration is to be given back; only the customer grants it again.
func (h *site) endingAdministration(v *visit) (*page, error) {
	p, k, c, err := h.keeping(v, "console-customer.end.title", "end", "console-customer.end")
	if err != nil {
		return nil, err
	}
	c.Danger = true
	c.Text = []string{v.T("console-customer.end.text"), v.T("console-customer.end.again")}
	if len(c.Blocked) == 0 && k.Relationship.DelegatedAdmin != relationship.ActiveDAP {
		c.Blocked = []note{{State: info, Text: []string{v.T("console-customer.end.none")}}}
	}
	p.Content = c
	return p, nil
}

func (h *site) endAdministration(v *visit) (to, said string, err error) {
	return h.changeCustomer(v, customer.Change{AllowDelegatedAccess: new(false)}, "console-customer.did.ended")
}

// confirmingIdentity asks whether the right company answered (domain, 0.25).
func (h *site) confirmingIdentity(v *visit) (*page, error) {
	p, k, c, err := h.keeping(v, "console-customer.confirm.title", "confirm", "console-customer.confirm")
	if err != nil {
		return nil, err
	}
	c.Text = []string{v.T("console-customer.confirm.text"), v.T("console-customer.confirm.once")}
	switch r := k.Relationship; {
	case len(c.Blocked) > 0:
	case r.Apart:
		c.Blocked = []note{{State: wait, Text: []string{v.T("console-customer.confirm.apart")}}}
	case r.IdentityCheck != relationship.Unproven:
		c.Blocked = []note{{State: info, Text: []string{v.T("console-customer.confirm.none")}}}
	}
	p.Content = c
	return p, nil
}

func (h *site) confirmIdentity(v *visit) (to, said string, err error) {
	return h.changeCustomer(v, customer.Change{IdentityConfirmed: new(true)}, "console-customer.did.confirmed")
}

func (h *site) changeCustomer(v *visit, c customer.Change, did string) (to, said string, err error) {
	k, err := h.customerOf(v)
	if err != nil {
		return "", "", err
	}
	_, err = h.Customers.Change(v.ctx(), v.command(), string(k.Tenant), c)
	return customerPath(k.Tenant), did, err
}

// attestForm asks who signed the customer agreement, and when (rule P1).
func (h *site) attestForm(v *visit) (*page, error) {
	p, _, c, err := h.keeping(v, "console-customer.attest.title", "attest", "console-customer.attest")
	if err != nil {
		return nil, err
	}
	c.Text, c.Facts = []string{v.T("console-customer.attest.text")}, c.Facts[:1]
	names := []field{v.input("text", "firstName", v.T("console-customer.attest.first"), ""),
		v.input("text", "lastName", v.T("console-customer.attest.last"), "")}
	email, phone := v.input("email", "email", v.T("console-partner.email"), ""),
		v.input("tel", "phoneNumber", v.T("console-partner.phone"), "")
	day := v.input("date", "dateAgreed", v.T("console-customer.attest.day"), v.now.Format(time.DateOnly))
	phone.Optional = true
	c.Fields = append(names, email, phone, day)
	p.Content = c
	return p, nil
}

func (h *site) attest(v *visit) (to, said string, err error) {
	k, err := h.customerOf(v)
	if err != nil {
		return "", "", err
	}
	cmd := v.command()
	a := commerce.Attestation{
		Type: new(commerce.CustomerAgreement), FirstName: v.form.said("firstName"), LastName: v.form.said("lastName"),
		Email: v.form.said("email"), Phone: notEmpty(v.form.said("phoneNumber")),
	}
	if day := notEmpty(v.form.said("dateAgreed")); day != nil {
		if t, err := time.Parse(time.DateOnly, *day); err == nil {
			a.AgreedAt = &t
		} else {
			cmd.Findings.Add("/dateAgreed", problem.ValidationFailed, "This must be a day, such as 2026-03-01.")
		}
	}
	_, _, err = h.Commerce.Attest(v.ctx(), cmd, string(k.Tenant), a)
	return customerPath(k.Tenant), "console-customer.did.attested", moved(err, "/primaryContact", "", "/firstName")
}

// seenForm is a form with its fields, and what is said before it.
type seenForm struct {
	Text   []string
	Parts  []part
	Path   string
	Hidden *hidden
	Fields []field
	Found  *part // what looking something up has found
	Verbs  []action
	Back   string
}

// addCustomer asks for a company that has no tenant yet (domain, 0.29). Who creates it for a reseller gives that an
// access (table 1.7, rows 1 and 2).
func (h *site) addCustomer(v *visit) (*page, error) {
	p := v.page("console-customer.add")
	p.Template = "form"
	p.Parent = &action{Label: v.T("console.customers.title"), Href: root + "/customers"}
	c := seenForm{Path: root + "/customers/new", Back: root + "/customers", Hidden: v.hiddenOf(0),
		Text: []string{v.T("console-customer.add.text")}}
	domain := v.input("text", "domain", v.T("console.column.domain"), "")
	domain.Hint = v.T("console-customer.add.domain")
	where := v.countryField(v.value("country", v.account.Country))
	where.Fault = v.fault("country")
	c.Fields = []field{v.input("text", "companyName", v.T("console.column.company"), ""), domain, where}
	if v.account.Has(partner.IndirectProvider) {
		beneficiary, err := h.resellerField(v, "forReseller", v.T("console-customer.add.for"),
			v.value("forReseller", v.typed("resellerTenantId", 36)))
		if err != nil {
			return nil, err
		}
		beneficiary.Hint, beneficiary.Optional = v.T("console-customer.add.for.hint"), true
		c.Fields = append(c.Fields, beneficiary)
		c.Parts = []part{v.accessLevels("administerCustomer", "administerAzureCustomer")}
	}
	c.Verbs = []action{{Label: v.T("console-customer.add"), Do: "create"}}
	if v.account.Status != partner.Active {
		c.Verbs[0].Blocked = v.T("console.problem.partner-not-active")
	}
	if r := v.form.refusal; r != nil && (r.Code == problem.InvitationRequired || r.Code == problem.RelationshipExists) {
		p.Notes = []note{{State: info, Text: []string{v.T("console-customer.add.known")}, Next: v.newRelationship("")}}
	}
	p.Content = c
	return p, nil
}

func (h *site) createCustomer(v *visit) (to, said string, err error) {
	r, _, err := h.Customers.Create(v.ctx(), v.command(), customer.New{
		CompanyName: v.form.said("companyName"), Domain: v.form.said("domain"), Country: v.form.said("country"),
		Reseller: notEmpty(v.form.said("forReseller")),
	})
	return customerPath(r.Customer.Tenant), "console-customer.did.added", err
}

// resellers are the companies with which a provider is in partnership, by name.
func (h *site) resellers(v *visit) ([]partnership.Seen, error) {
	list, _, err := h.Partnerships.Partnerships(v.ctx(), v.user, partnership.Query{
		Status: partnership.Active, Side: partnership.ProviderSide, Limit: 100,
	})
	return list, err
}

// resellerField is the list of them, and nobody.
func (h *site) resellerField(v *visit, name, label, chosen string) (field, error) {
	list, err := h.resellers(v)
	f := field{Printer: v.Printer, Kind: "select", Name: name, Label: label, Value: chosen, Fault: v.fault(name),
		Options: []option{{Label: v.T("console-customer.nobody"), Selected: chosen == ""}}}
	for _, x := range list {
		f.Options = append(f.Options, option{Value: string(x.Other.Tenant), Label: partnerName(x)})
	}
	return f, err
}
