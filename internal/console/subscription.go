package console

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"concord/internal/commerce"
	"concord/internal/customer"
	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/relationship"
)

// subscriptions are those of a customer, or of all.
func (h *site) subscriptions(v *visit) (*page, error) {
	id, ok := partner.ParseTenantID(v.typed("customerTenantId", 36))
	if !ok {
		return h.allSubscriptions(v)
	}
	p := v.page("console.menu.subscriptions")
	k, err := h.Customers.KnownCustomer(v.ctx(), v.user.Tenant, id)
	if err != nil {
		return nil, err
	}
	list, pages, err := collect(v, func(after string, limit int) ([]commerce.Seen, string, error) {
		found, err := h.Commerce.ListSubscriptions(v.ctx(), v.user, string(id), commerce.Page{Limit: limit, After: after})
		return found.Subscriptions, found.Next, err
	})
	if err != nil {
		return nil, err
	}
	t := v.subscriptionTable(list)
	t.Caption = v.T("console-trade.caption", "company", v.companyName(k.Customer))
	t.Pager, t.CSV = pages, v.query("format", "csv")
	if v.exports() {
		v.export("subscriptions", t)
		return nil, nil
	}
	p.Template, p.Content = "listed", t
	p.Parent = &action{Label: v.T("console-customer.title", "company", v.companyName(k.Customer)), Href: customerPath(id)}
	if v.account.Sells() {
		p.Primary = h.ordering(v, id)
	}
	return p, nil
}

// verb is one form of a page with several.
type verb struct {
	part

	Fields []field
	Found  *part
	Verbs  []action
}

// seenSubscription is one subscription with what can be done with it.
type seenSubscription struct {
	About    part
	Levels   part
	Timeline []moment
	Path     string
	Hidden   *hidden
	Forms    []verb
}

func (h *site) subscriptionOf(v *visit) (commerce.Seen, error) {
	return h.Commerce.Subscription(v.ctx(), v.user, v.r.PathValue("customer"), v.r.PathValue("id"))
}

func (h *site) subscription(v *visit) (*page, error) {
	s, err := h.subscriptionOf(v)
	if err != nil {
		return nil, err
	}
	k, err := h.Customers.KnownCustomer(v.ctx(), v.user.Tenant, s.Customer)
	if problem.Is(err, problem.NotFound) { // it is seen without a relationship too
		k, err = customer.Known{Customer: relationship.Customer{Tenant: s.Customer}}, nil
	}
	if err != nil {
		return nil, err
	}
	names, err := h.names(v, s.Seller, s.CustomerContact(), s.Supporter())
	if err != nil {
		return nil, err
	}
	p := v.page("console-trade.title", "offer", s.OfferName, "company", v.companyName(k.Customer))
	p.Parent = &action{Label: v.T("console.menu.subscriptions"), Href: subscriptionsOf(s.Customer)}
	p.Pill = v.worded(subscriptionStates[s.Status])
	c := seenSubscription{Path: subscriptionPath(s.Subscription), Hidden: v.hiddenOf(s.Version)}
	c.About = v.aboutSubscription(s, k, names)
	for _, e := range s.History {
		c.Timeline = append([]moment{v.subscriptionMoment(e, names)}, c.Timeline...)
	}
	if len(c.Timeline) > 0 {
		p.Changed = &c.Timeline[0]
	}
	if s.Seller == v.user.Tenant && v.account.Has(partner.IndirectProvider) {
		c.Levels = v.accessLevels()
		forms, err := h.resellerForms(v, s)
		if err != nil {
			return nil, err
		}
		c.Forms = forms
	}
	c.Forms = append(c.Forms, v.quantityForm(s), v.statusForm(s))
	p.Content = c
	return p, nil
}

// names gives what companies are called.
func (h *site) names(v *visit, ids ...partner.TenantID) (map[partner.TenantID]string, error) {
	names := map[partner.TenantID]string{}
	for _, id := range ids {
		if _, ok := names[id]; ok || id == "" {
			continue
		}
		a, err := h.Accounts.Account(v.ctx(), id, false)
		if err != nil && !problem.Is(err, problem.NotFound) {
			return nil, err
		}
		names[id] = cmp.Or(a.DisplayName, string(id))
	}
	return names, nil
}

func (v *visit) aboutSubscription(s commerce.Seen, k customer.Known, names map[partner.TenantID]string) part {
	return part{ID: "about", Title: v.T("console-trade.about"), Facts: []fact{
		{Label: v.T("console.actor.customer"), Value: v.companyName(k.Customer), Link: customerPath(s.Customer)},
		{Label: v.T("console-trade.offer"), Value: s.OfferName},
		{Label: v.T("console-trade.quantity"), Value: strconv.Itoa(s.Quantity)},
		{Label: v.T("console-trade.term"), Value: v.termOf(s.Term)},
		{Label: v.T("console.column.since"), Time: v.at(s.CreatedAt)},
		{Label: v.T("console-trade.seller"), Value: names[s.Seller]},
		{Label: v.T("console-trade.reseller"), Value: strings.TrimSuffix(names[s.CustomerContact()]+" · "+s.PartnerIDOfRecord, " · ")},
		{Label: v.T("console-trade.support"), Value: names[s.Supporter()]},
	}}
}

func (v *visit) subscriptionMoment(e commerce.Entry, names map[partner.TenantID]string) moment {
	m := moment{Title: string(e.Action), Time: v.at(e.At), State: plainState, Who: names[e.Tenant], Note: e.Is}
	if key, ok := subscriptionEvents[e.Action]; ok {
		m.Title = v.T(key)
	}
	if p, ok := subscriptionStates[commerce.SubscriptionStatus(e.Is)]; ok && e.Action == commerce.StatusChanged {
		m.Note = v.T(p.Text)
	}
	if name, ok := names[partner.TenantID(e.Is)]; ok {
		m.Note = name
	}
	if e.Action == commerce.WasCreated || e.Action == commerce.QuantityChanged {
		m.Note = v.T("console-trade.quantity") + ": " + e.Is
	}
	if e.Tenant == v.user.Tenant {
		m.Who = v.whoDid(invitation.ByUser, e.By)
	}
	return m
}

// may gives why something may not be done; empty when it may.
func (v *visit) may(s commerce.Seen, a commerce.Action) string {
	if !v.permitted(partner.Trade) {
		return v.agents()
	}
	i := slices.IndexFunc(s.Permissions, func(p commerce.Permission) bool { return p.Action == a })
	if i < 0 {
		return ""
	}
	var why []string
	for _, b := range s.Permissions[i].Refused {
		why = append(why, v.sentence(b.Code, b.Detail))
	}
	return strings.Join(why, " ")
}

// unlisted is what the list of resellers has for one that is not in it.
const unlisted = "other"

// resellerForms are the two in which a provider says whose PartnerID is on record and who supports the customer (rules
// B2 to B6).
func (h *site) resellerForms(v *visit, s commerce.Seen) ([]verb, error) {
	list, err := h.resellers(v)
	if err != nil {
		return nil, err
	}
	typed := v.preset("partnerIdOfRecord")
	record := field{Printer: v.Printer, Kind: "select", Name: "reseller", Label: v.T("console-trade.reseller.field"),
		Value: v.value("reseller", s.PartnerIDOfRecord), Fault: v.fault("partnerIdOfRecord")}
	record.Options = []option{{Label: v.T("console-customer.nobody"), Selected: record.Value == ""}}
	listed := record.Value == ""
	pairs := make([]relationship.Pair, 0, len(list))
	for _, x := range list {
		pairs = append(pairs, relationship.Pair{Partner: x.Other.Tenant, Customer: s.Customer})
		if id := x.Other.AssociatedPartnerID; id != "" {
			record.Options = append(record.Options, option{Value: id, Label: partnerName(x) + " · " + id})
			listed = listed || id == record.Value
		}
	}
	if !listed && record.Value != unlisted {
		record.Options = append(record.Options, option{Value: record.Value, Label: record.Value})
	}
	record.Options = append(record.Options, option{Value: unlisted, Label: v.T("console-trade.not-listed")})
	if v.form.values == nil && typed != "" {
		record.Value = unlisted
	}
	id := v.input("text", "partnerIdOfRecord", v.T("console-trade.not-listed"), typed)
	id.Hint, id.Optional = v.T("console-trade.not-listed.hint"), true
	reseller := verb{part: part{ID: "reseller", Title: v.T("console-trade.reseller")}, Fields: []field{record, id}}
	if reseller.Found, err = h.validated(v, typed); err != nil {
		return nil, err
	}
	blocked := v.may(s, commerce.SetRecord)
	reseller.Verbs = []action{{Label: v.T("console-trade.submit"), Do: "submit", Blocked: blocked}}
	if blocked == "" {
		reseller.Verbs = append(reseller.Verbs, action{Label: v.T("console-trade.validate"), Do: "validate", Quiet: true})
	}
	supports := map[partner.TenantID]bool{}
	for some := range slices.Chunk(pairs, 100) {
		found, err := h.Agreed.Tiers.Between(v.ctx(), some)
		if err != nil {
			return nil, err
		}
		for _, r := range found {
			supports[r.Partner] = r.Status == relationship.Active
		}
	}
	contact := field{Printer: v.Printer, Kind: "select", Name: "supportTenantId", Label: v.T("console-trade.support"),
		Hint: v.T("console-trade.support.hint"), Value: v.value("supportTenantId", string(s.Supporter())),
		Fault:   v.fault("supportTenantId"),
		Options: []option{{Value: string(s.Seller), Label: v.account.DisplayName}}}
	for _, x := range list {
		if supports[x.Other.Tenant] {
			contact.Options = append(contact.Options, option{Value: string(x.Other.Tenant), Label: partnerName(x)})
		}
	}
	support := verb{part: part{ID: "support", Title: v.T("console-trade.support")}, Fields: []field{contact}, Verbs: []action{
		{Label: v.T("console-trade.support.do"), Do: "support", Quiet: true, Blocked: v.may(s, commerce.SetSupport)}}}
	return []verb{reseller, support}, nil
}

func (v *visit) quantityForm(s commerce.Seen) verb {
	f := verb{part: part{ID: "quantity", Title: v.T("console-trade.quantity")},
		Fields: []field{v.input("number", "quantity", v.T("console-trade.quantity"), strconv.Itoa(s.Quantity))},
		Verbs:  []action{{Label: v.T("console-trade.quantity.do"), Do: "quantity", Quiet: true}}}
	lower, raise := v.may(s, commerce.LowerQuantity), v.may(s, commerce.RaiseQuantity)
	switch {
	case lower != "" && raise != "":
		f.Fields, f.Verbs[0].Blocked = nil, raise
	case lower != "":
		f.Text = []string{v.T("console-trade.quantity.lower", "reason", lower)}
	case raise != "":
		f.Text = []string{v.T("console-trade.quantity.raise", "reason", raise)}
	}
	return f
}

func (v *visit) statusForm(s commerce.Seen) verb {
	f := verb{part: part{ID: "status", Title: v.T("console.column.status")}}
	if s.Status == commerce.SubscriptionSuspended {
		f.Verbs = append(f.Verbs, action{Label: v.T("console-trade.reactivate"), Do: "reactivate", Quiet: true,
			Blocked: v.may(s, commerce.Reactivate)})
	} else {
		f.Verbs = append(f.Verbs, action{Label: v.T("console-trade.suspend"), Do: "suspend", Quiet: true,
			Blocked: v.may(s, commerce.Suspend)})
	}
	f.Verbs = append(f.Verbs, action{Label: v.T("console-trade.cancel"),
		Href: subscriptionPath(s.Subscription) + "/cancel", Quiet: true,
		Blocked: v.may(s, commerce.Delete)})
	return f
}

// amend does what a button of the page says; to look a PartnerID up changes nothing.
func (h *site) amend(v *visit) (to, said string, err error) {
	to, said = subscriptionsPath+"/"+v.r.PathValue("customer")+"/"+v.r.PathValue("id"), "console.did.saved"
	cmd := v.command()
	var a commerce.Amendment
	switch v.form.do() {
	case "validate", "submit":
		id := cmp.Or(v.form.said("partnerIdOfRecord"), new(""))
		if listed := v.form.values.Get("reseller"); *id == "" && listed != unlisted {
			id = &listed
		} else if *id == "" {
			cmd.Findings.Require("/partnerIdOfRecord")
		}
		if v.form.do() == "validate" && len(cmd.Findings) == 0 {
			return to + "?partnerIdOfRecord=" + url.QueryEscape(*id), "", nil
		}
		a.PartnerIDOfRecord = id
	case "support":
		a.SupportContact = v.form.said("supportTenantId")
	case "quantity":
		if a.Quantity = v.quantity(&cmd.Findings); a.Quantity == nil && len(cmd.Findings) == 0 {
			cmd.Findings.Require("/quantity")
		}
	case "suspend":
		a.Status = new(commerce.SubscriptionSuspended)
	case "reactivate":
		a.Status = new(commerce.SubscriptionActive)
	default:
		return "", "", problem.New(problem.MalformedRequest, "The form has no verb of this page.")
	}
	_, _, err = h.Commerce.Amend(v.ctx(), cmd, v.r.PathValue("customer"), v.r.PathValue("id"), a)
	return to, said, err
}

// deleting asks whether a subscription is to end, which cannot be undone.
func (h *site) deleting(v *visit) (*page, error) {
	s, err := h.subscriptionOf(v)
	if err != nil {
		return nil, err
	}
	p := v.page("console-trade.cancel.title", "offer", s.OfferName)
	p.Template = "confirm"
	p.Parent = &action{Label: s.OfferName, Href: subscriptionPath(s.Subscription)}
	c := confirmation{
		Printer: v.Printer, Action: v.r.URL.Path, Back: subscriptionPath(s.Subscription), Do: "cancel",
		Label:  v.T("console-trade.cancel"),
		Hidden: v.hiddenOf(s.Version), Danger: true, Text: []string{v.T("console-trade.cancel.text")},
		Facts: []fact{{Label: v.T("console-trade.offer"), Value: s.OfferName},
			{Label: v.T("console-trade.quantity"), Value: strconv.Itoa(s.Quantity)}},
	}
	if why := v.may(s, commerce.Delete); why != "" {
		c.Blocked = []note{{State: stop, Text: []string{why}}}
	}
	p.Content = c
	return p, nil
}

func (h *site) deleteSubscription(v *visit) (to, said string, err error) {
	_, _, err = h.Commerce.Amend(v.ctx(), v.command(), v.r.PathValue("customer"), v.r.PathValue("id"),
		commerce.Amendment{Status: new(commerce.SubscriptionDeleted)})
	return subscriptionsPath + "/" + v.r.PathValue("customer") + "/" + v.r.PathValue("id"), "console-trade.did.cancelled", err
}
