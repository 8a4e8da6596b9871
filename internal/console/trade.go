package console

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"concord/internal/commerce"
	"concord/internal/customer"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/relationship"
)

func (h *site) tradeRoutes() []route {
	read, trade := audience{operation: partner.ReadCustomers}, audience{operation: partner.Trade}
	order := audience{operation: partner.Trade, programs: sellers}
	return []route{
		{method: http.MethodGet, path: "/orders/new", page: "console-order", who: order, serve: h.order},
		{method: http.MethodPost, path: "/orders/new", page: "console-order", who: order, serve: h.act(h.order, h.place)},
		{method: http.MethodGet, path: "/subscriptions", page: "console-subscriptions",
			section: "console.menu.subscriptions", who: read,
			serve: h.subscriptions},
		{method: http.MethodGet, path: "/subscriptions/{customer}/{id}", page: "console-subscription", who: read,
			serve: h.subscription},
		{method: http.MethodPost, path: "/subscriptions/{customer}/{id}", page: "console-subscription", who: trade,
			serve: h.act(h.subscription, h.amend)},
		{method: http.MethodGet, path: "/subscriptions/{customer}/{id}/cancel", page: "console-subscription-cancel", who: trade,
			serve: h.deleting},
		{method: http.MethodPost, path: "/subscriptions/{customer}/{id}/cancel", page: "console-subscription-cancel", who: trade,
			serve: h.act(h.deleting, h.deleteSubscription)},
	}
}

const (
	orderPath         = root + "/orders/new"
	subscriptionsPath = root + "/subscriptions"
)

func subscriptionsOf(customer partner.TenantID) string {
	return subscriptionsPath + "?customerTenantId=" + string(customer)
}

func subscriptionPath(s commerce.Subscription) string {
	return subscriptionsPath + "/" + string(s.Customer) + "/" + s.ID
}

// ordering leads to the order for a customer.
func (h *site) ordering(v *visit, customer partner.TenantID) *action {
	a := &action{Label: v.T("console-trade.order"), Href: orderPath + "?customerTenantId=" + string(customer)}
	if !v.permitted(partner.Trade) {
		a.Blocked = v.agents()
	}
	return a
}

// The words of what is sold. A term that has none is told as it is stored.
var (
	termKeys = map[string]string{
		"P1M": "console-trade.term.month", "P1Y": "console-trade.term.year", "P3Y": "console-trade.term.years",
	}
	subscriptionStates = map[commerce.SubscriptionStatus]pill{
		commerce.SubscriptionPending:   {wait, "console-trade.status.pending"},
		commerce.SubscriptionActive:    {good, "console-trade.status.active"},
		commerce.SubscriptionSuspended: {wait, "console-trade.status.suspended"},
		commerce.SubscriptionDeleted:   {plainState, "console-trade.status.deleted"},
	}
	subscriptionEvents = map[commerce.Change]string{
		commerce.WasCreated: "console-trade.event.created", commerce.StatusChanged: "console-trade.event.status",
		commerce.QuantityChanged: "console-trade.event.quantity", commerce.RecordChanged: "console-trade.event.record",
		commerce.SupportChanged: "console-trade.event.support", commerce.SupportFellBack: "console-trade.event.back",
	}
	levelKeys = map[string][2]string{
		"administerCustomer":      {"console-trade.level.customer", "console-trade.level.customer.how"},
		"administerAzureCustomer": {"console-trade.level.azure", "console-trade.level.azure.how"},
		"incentive":               {"console-trade.level.incentive", "console-trade.level.incentive.how"},
		"support":                 {"console-trade.level.support", "console-trade.level.support.how"},
	}
)

// dealings are the sentences of codes that mean something else where customers are dealt with than where a company
// enrols.
var dealings = map[problem.Code]string{
	problem.WebmailNotAllowed:     "console-customer.problem.webmail",
	problem.PartnerIDNotFound:     "console-customer.problem.id-unknown",
	problem.PartnerIDWrongType:    "console-customer.problem.id-type",
	problem.PartnerIDWrongCountry: "console-customer.problem.id-country",
	problem.PartnerIDRequired:     "console-customer.problem.id-missing",
}

// deals reports whether the page is one of customers, orders or subscriptions.
func (v *visit) deals() bool {
	return v.route != nil && slices.ContainsFunc([]string{"/customers", "/orders", "/subscriptions"}, func(at string) bool {
		return strings.HasPrefix(v.route.path, at)
	})
}

func (v *visit) termOf(term string) string {
	if key, ok := termKeys[term]; ok {
		return v.T(key)
	}
	return term
}

// accessLevels says how a reseller gets an access (table 1.7): every way, or some.
func (v *visit) accessLevels(some ...string) part {
	s := part{ID: "levels", Title: v.T("console-trade.levels")}
	for _, l := range commerce.AccessLevels() {
		if key, ok := levelKeys[l.ID]; ok && (len(some) == 0 || slices.Contains(some, l.ID)) {
			s.Facts = append(s.Facts, fact{Label: v.T(key[0]), Value: v.T(key[1])})
		}
	}
	return s
}

// subscriptionTable is that of one customer.
func (v *visit) subscriptionTable(list []commerce.Seen) table {
	t := table{Printer: v.Printer, Caption: v.T("console.menu.subscriptions"), Columns: []column{
		{Label: v.T("console-trade.offer")}, {Label: v.T("console-trade.quantity"), Numeric: true},
		{Label: v.T("console.column.status")},
		{Label: v.T("console-trade.as")}, {Label: v.T("console-partner.partner-id")}, {Label: v.T("console.column.since")},
	}, Empty: &empty{Title: v.T("console-trade.none"), Text: v.T("console-trade.none.text")}}
	for _, s := range list {
		t.Rows = append(t.Rows, row{Cells: v.subscriptionCells(s.Subscription)})
	}
	return t
}

func (v *visit) subscriptionCells(s commerce.Subscription) []cell {
	return []cell{
		{Text: s.OfferName, Href: subscriptionPath(s)}, {Text: strconv.Itoa(s.Quantity)},
		{Pill: v.worded(subscriptionStates[s.Status])},
		{Text: v.capacity(s)}, {Text: cmp.Or(s.PartnerIDOfRecord, v.T("console.none"))}, {Time: v.day(s.CreatedAt)},
	}
}

// capacity says what the reader's company has to do with a subscription.
func (v *visit) capacity(s commerce.Subscription) string {
	var all []string
	add := func(when bool, key string) {
		if when {
			all = append(all, v.T(key))
		}
	}
	add(s.Seller == v.user.Tenant, "console-trade.as.sold")
	add(s.Reseller == v.user.Tenant, "console-trade.as.record")
	add(s.SupportContact == v.user.Tenant, "console-trade.as.support")
	add(len(all) == 0, "console-trade.as.provider")
	return strings.Join(all, " · ")
}

func (v *visit) orderTable(list []commerce.Order) table {
	t := table{Printer: v.Printer, Caption: v.T("console-trade.orders"), Columns: []column{
		{Label: v.T("console-trade.ordered")}, {Label: v.T("console-partner.partner-id")}, {Label: v.T("console.column.created")},
	}, Empty: &empty{Title: v.T("console-trade.orders.none"), Text: v.T("console-trade.none.text")}}
	for _, o := range list {
		var what []string
		for _, l := range o.Lines {
			name := l.Offer
			if offer, ok := v.h.Commerce.Offers.Find(l.Offer); ok {
				name = offer.Name
			}
			what = append(what, strconv.Itoa(l.Quantity)+" × "+name)
		}
		t.Rows = append(t.Rows, row{Cells: []cell{
			{Text: strings.Join(what, "; ")}, {Text: cmp.Or(o.PartnerIDOnRecord, v.T("console.none"))}, {Time: v.day(o.PlacedAt)},
		}})
	}
	return t
}

// preset gives a value of a form: what was typed, else what the URL presets.
func (v *visit) preset(name string) string { return v.value(name, v.typed(name, 64)) }

// order asks what to buy, for whom and on whose behalf; before that, what stands in the way (rules P1 to P6).
func (h *site) order(v *visit) (*page, error) {
	p := v.page("console-trade.order")
	p.Template = "form"
	p.Parent = &action{Label: v.T("console.menu.subscriptions"), Href: subscriptionsPath}
	id, ok := partner.ParseTenantID(v.preset("customerTenantId"))
	if !ok {
		chosen, err := h.chooseCustomer(v)
		p.Template, p.Content = "choose-customer", chosen
		return p, err
	}
	k, err := h.Customers.KnownCustomer(v.ctx(), v.user.Tenant, id)
	if err != nil {
		return nil, err
	}
	p.Title = v.T("console-trade.order.title", "company", v.companyName(k.Customer))
	if v.typed("step", 8) == "check" && v.form.values == nil {
		return h.checkedOrder(v, p, k)
	}
	c := seenForm{Path: orderPath, Hidden: v.hiddenOf(0), Back: customerPath(id)}
	var reseller *partner.TenantID
	if tenant, ok := partner.ParseTenantID(v.preset("onBehalfOfReseller")); ok {
		reseller = &tenant
	}
	may, err := h.eligibilityPart(v, id, reseller)
	if err != nil {
		return nil, err
	}
	c.Parts = []part{may}
	if c.Fields, err = h.orderFields(v, id); err != nil {
		return nil, err
	}
	if c.Found, err = h.validated(v, v.preset("partnerIdOnRecord")); err != nil {
		return nil, err
	}
	c.Verbs = []action{{Label: v.T("console-trade.check"), Do: "check"},
		{Label: v.T("console-trade.validate"), Do: "validate", Quiet: true},
		{Label: v.T("console-trade.unchecked"), Do: "submit", Quiet: true}}
	p.Content = c
	return p, nil
}

// checkedOrder shows what is about to be ordered, before anything is: what stands in the way is in place of the button.
func (h *site) checkedOrder(v *visit, p *page, k customer.Known) (*page, error) {
	form := v.r.URL.Path + v.query("step", "")
	p.Title, p.Template = v.T("console-trade.check.title", "company", v.companyName(k.Customer)), "confirm"
	p.Parent = &action{Label: v.T("console-trade.order.title", "company", v.companyName(k.Customer)), Href: form}
	c := confirmation{
		Printer: v.Printer, Action: orderPath, Do: "submit", Label: v.T("console-trade.place"), Back: form,
		Text: []string{v.T("console-trade.check.text")}, Hidden: v.hiddenOf(0),
	}
	fields, err := h.orderFields(v, k.Tenant)
	if err != nil {
		return nil, err
	}
	for _, f := range fields {
		said := f.Value
		for _, o := range f.Options {
			if o.Value == f.Value {
				said = o.Label
			}
		}
		if f.Value != "" && f.Kind != "hidden" {
			c.Facts = append(c.Facts, fact{Label: f.Label, Value: said})
		}
		c.Fields = append(c.Fields, field{Kind: "hidden", Name: f.Name, Value: f.Value})
	}
	var reseller *partner.TenantID
	if tenant, ok := partner.ParseTenantID(v.typed("onBehalfOfReseller", 36)); ok {
		reseller = &tenant
	}
	may, err := h.eligibilityPart(v, k.Tenant, reseller)
	if err != nil {
		return nil, err
	}
	record, err := h.validated(v, v.typed("partnerIdOnRecord", 64))
	if err != nil {
		return nil, err
	}
	notes := may.Notes
	if record != nil {
		c.Facts, notes = append(c.Facts, record.Facts...), append(notes, record.Notes...)
	}
	c.Blocked = slices.DeleteFunc(notes, func(n note) bool { return n.State != stop })
	p.Content = c
	return p, nil
}

func (h *site) orderFields(v *visit, customer partner.TenantID) ([]field, error) {
	offer := v.input("select", "offerId", v.T("console-trade.offer"), v.typed("offerId", 64))
	term := v.input("select", "term", v.T("console-trade.term"), v.typed("term", 8))
	var terms []string
	for _, o := range h.Commerce.Offers.Offers {
		offer.Options = append(offer.Options, option{Value: o.ID, Label: v.T("console-trade.offer.range", "offer", o.Name,
			"least", strconv.Itoa(o.MinQuantity), "most", strconv.Itoa(o.MaxQuantity))})
		for _, t := range o.Terms {
			if !slices.Contains(terms, t) {
				terms = append(terms, t)
				term.Options = append(term.Options, option{Value: t, Label: v.termOf(t)})
			}
		}
	}
	quantity := v.input("number", "quantity", v.T("console-trade.quantity"), cmp.Or(v.typed("quantity", 8), "1"))
	fields := []field{{Kind: "hidden", Name: "customerTenantId", Value: string(customer)}, offer, quantity, term}
	if v.account.Has(partner.DirectBill) && v.account.Has(partner.IndirectProvider) {
		as := v.input("select", "actingRole", v.T("console-trade.acting"), v.typed("actingRole", 32))
		for _, r := range sellers {
			as.Options = append(as.Options, option{Value: string(r), Label: v.program(r)})
		}
		fields = append(fields, as)
	}
	if v.account.Has(partner.IndirectProvider) {
		behalf, err := h.resellerField(v, "onBehalfOfReseller", v.T("console-trade.behalf"),
			v.value("onBehalfOfReseller", cmp.Or(v.typed("onBehalfOfReseller", 36), v.typed("resellerTenantId", 36))))
		if err != nil {
			return nil, err
		}
		behalf.Optional = true
		record := v.input("text", "partnerIdOnRecord", v.T("console-trade.not-listed"), v.typed("partnerIdOnRecord", 64))
		record.Optional, record.Hint = true, v.T("console-trade.not-listed.hint")
		fields = append(fields, behalf, record)
	}
	return fields, nil
}

// validated says what is known of a PartnerID and why it may not go on record (rules B2, B3); nil where none is typed.
func (h *site) validated(v *visit, id string) (*part, error) {
	if id == "" || v.form.refusal != nil && v.form.refusal.Code == problem.PartnerIDNotFound {
		return nil, nil
	}
	s := &part{ID: "validated", Title: v.T("console-trade.validated", "id", id)}
	is, err := h.Commerce.Validate(v.ctx(), v.user, id)
	if problem.Is(err, problem.PartnerIDNotFound) {
		s.Notes = []note{{State: stop, Text: []string{v.sentence(problem.PartnerIDNotFound, "")}}}
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	s.Facts = []fact{{Label: v.T("console.column.company"), Value: is.Holder.DisplayName}}
	if is.PartnerID.Country != "" {
		s.Facts = append(s.Facts, fact{Label: v.T("console.column.country"), Value: v.Country(is.PartnerID.Country)})
	}
	for _, b := range is.Reasons {
		s.Notes = append(s.Notes, note{State: stop, Text: []string{v.sentence(b.Code, b.Detail)}})
	}
	if len(is.Reasons) == 0 {
		s.Notes = []note{{State: good, Text: []string{v.T("console-trade.valid")}}}
	}
	return s, nil
}

// place does what the buttons of an order say: look a PartnerID up or show the order, which change nothing, or order.
func (h *site) place(v *visit) (to, said string, err error) {
	id := v.form.values.Get("customerTenantId")
	cmd := v.command()
	w := v.wish(&cmd.Findings)
	if do := v.form.do(); do == "validate" || do == "check" {
		q := url.Values{}
		if do == "check" {
			q.Set("step", "check")
			cmd.Findings = append(cmd.Findings, h.Commerce.Faults(w.Lines)...)
			if err := cmd.Findings.Err(); err != nil {
				return "", "", moved(err, "/lines/0", "", "/offerId")
			}
		}
		for _, name := range []string{"customerTenantId", "offerId", "quantity", "term", "actingRole", "onBehalfOfReseller",
			"partnerIdOnRecord"} {
			if s := v.form.values.Get(name); s != "" {
				q.Set(name, s)
			}
		}
		return orderPath + "?" + q.Encode(), "", nil
	}
	if v.form.do() != "submit" {
		return "", "", problem.New(problem.MalformedRequest, "The form has no verb of this page.")
	}
	o, _, err := h.Commerce.Place(v.ctx(), cmd, id, w)
	return customerPath(o.Customer), "console-trade.did.ordered", moved(err, "/lines/0", "", "/offerId")
}

// wish reads an order of one line.
func (v *visit) wish(f *problem.Findings) commerce.Wish {
	w := commerce.Wish{
		OnBehalfOfReseller: notEmpty(v.form.said("onBehalfOfReseller")),
		PartnerIDOnRecord:  notEmpty(v.form.said("partnerIdOnRecord")),
		Lines:              []commerce.WishedLine{{Offer: v.form.said("offerId"), Term: notEmpty(v.form.said("term"))}},
	}
	if as := notEmpty(v.form.said("actingRole")); as != nil {
		w.ActingRole = new(partner.ProgramRole(*as))
	}
	w.Lines[0].Quantity = v.quantity(f)
	return w
}

// quantity reads a whole number; nil for none, and a finding for anything else.
func (v *visit) quantity(f *problem.Findings) *int {
	s := notEmpty(v.form.said("quantity"))
	if s == nil {
		return nil
	}
	n, err := strconv.Atoi(*s)
	if err != nil {
		f.Add("/quantity", problem.ValidationFailed, "%s", v.T("console-trade.quantity.fault"))
		return nil
	}
	return &n
}

// chosenCustomers is a form that asks for which customer.
type chosenCustomers struct {
	Filters filters
	Empty   *empty
}

// chooseCustomer lists the newest customers to choose one of.
func (h *site) chooseCustomer(v *visit) (chosenCustomers, error) {
	f, err := h.customerField(v)
	c := chosenCustomers{Filters: filters{Printer: v.Printer, Action: v.r.URL.Path, Fields: []field{f}}}
	if reseller := v.typed("resellerTenantId", 36); reseller != "" {
		c.Filters.Fields = append(c.Filters.Fields, field{Kind: "hidden", Name: "resellerTenantId", Value: reseller})
	}
	if len(f.Options) == 0 {
		c = chosenCustomers{Empty: &empty{v.T("console.customers.empty"), v.T("console.customers.empty.text"),
			&action{Label: v.T("console-customer.new"), Href: newPath}}}
	}
	return c, err
}

// customerField has the newest customers to choose one of.
func (h *site) customerField(v *visit) (field, error) {
	found, err := h.Relationships.Relationships(v.ctx(), v.user.Tenant,
		relationship.Query{Status: relationship.Active, Limit: 100})
	f := field{Printer: v.Printer, Kind: "select", Name: "customerTenantId", Label: v.T("console.actor.customer")}
	for _, r := range found.Relationships {
		f.Options = append(f.Options, option{Value: string(r.Customer.Tenant), Label: v.companyName(r.Customer)})
	}
	return f, err
}
