package console

import (
	"cmp"
	"net/url"
	"slices"

	"concord/internal/commerce"
	"concord/internal/customer"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/relationship"
)

// sellers are who has customers of its own; a reseller has them with its provider.
var sellers = []partner.ProgramRole{partner.DirectBill, partner.IndirectProvider}

func customerPath(id partner.TenantID) string { return root + "/customers/" + string(id) }

// askAgain leads to a request to a company that is known (rule I4).
func askAgain(c relationship.Customer) string {
	if home := c.Home(); home != "" {
		return newPath + "?customerTenantId=" + string(home)
	}
	return newPath
}

// newRelationship leads to a request, to nobody yet.
func (v *visit) newRelationship(at string) *action {
	a := &action{Label: v.T("console-customer.new"), Href: cmp.Or(at, newPath)}
	switch {
	case !v.permitted(partner.InviteCustomers):
		a.Blocked = v.agents()
	case v.account != nil && v.account.Status != partner.Active:
		a.Blocked = v.T("console.problem.partner-not-active")
	}
	return a
}

// adding leads to the form of a company that has no tenant yet; nil for who has no customers of its own (rule P5).
func (h *site) adding(v *visit) *action {
	if (audience{partner.Trade, sellers, false}).permits(v.user, v.account) != nil {
		return nil
	}
	return &action{Label: v.T("console-customer.add"), Href: root + "/customers/new", Quiet: true}
}

func (h *site) standings() customer.Summaries {
	return customer.Summaries{Agreed: h.Agreed, Granular: h.Granular}
}

// part is one of the parts of a page: what is so, what stands in the way, what can be done.
type part struct {
	ID, Title string
	Text      []string
	Facts     []fact
	Notes     []note
	Actions   []action
}

// seenCustomer is one customer.
type seenCustomer struct {
	Parts    []part
	Timeline []moment
	Tables   []table
}

// customerOf reads the customer of the path, which the partner has to know (0.4).
func (h *site) customerOf(v *visit) (customer.Known, error) {
	id, ok := partner.ParseTenantID(v.r.PathValue("id"))
	if !ok {
		return customer.Known{}, problem.New(problem.NotFound, "There is no such customer.")
	}
	return h.Customers.KnownCustomer(v.ctx(), v.user.Tenant, id)
}

func (h *site) customer(v *visit) (*page, error) {
	k, err := h.customerOf(v)
	if err != nil {
		return nil, err
	}
	stands, err := h.standings().Of(v.ctx(), v.user.Tenant, []customer.Known{k})
	if err != nil {
		return nil, err
	}
	p := v.page("console-customer.title", "company", v.companyName(k.Customer))
	p.Parent = &action{Label: v.T("console.customers.title"), Href: root + "/customers"}
	p.Pill = v.related(k)
	active := k.Relationship != nil && k.Relationship.Status == relationship.Active
	if !active {
		p.Primary = v.newRelationship(askAgain(k.Customer))
		p.Primary.Label = v.T("console-customer.request")
	}
	var c seenCustomer
	about, err := h.relationshipPart(v, k)
	if err != nil {
		return nil, err
	}
	administers, err := h.administrationPart(v, k, stands[k.Tenant])
	if err != nil {
		return nil, err
	}
	c.Parts = []part{about, administers}
	if k.Relationship != nil {
		if err := h.dealings(v, &c, p, k, stands[k.Tenant]); err != nil {
			return nil, err
		}
		for _, e := range k.Relationship.History {
			c.Timeline = append([]moment{v.relationshipMoment(e)}, c.Timeline...)
		}
	}
	asked, err := h.askedOf(v, k)
	if err != nil {
		return nil, err
	}
	c.Tables = append(c.Tables, asked)
	p.Content = c
	return p, nil
}

// dealings are what there is with who is or was served: agreement, eligibility, orders and subscriptions.
func (h *site) dealings(v *visit, c *seenCustomer, p *page, k customer.Known, st customer.Summary) error {
	c.Parts = append(c.Parts, h.agreementPart(v, k, st))
	if k.Relationship.Status == relationship.Active {
		may, err := h.eligibilityPart(v, k.Tenant, nil)
		if err != nil {
			return err
		}
		c.Parts = append(c.Parts, may)
		if v.account.Sells() {
			p.Primary = h.ordering(v, k.Tenant)
		}
	}
	bought, err := h.Commerce.ListSubscriptions(v.ctx(), v.user, string(k.Tenant), commerce.Page{Limit: pageRows})
	if err != nil {
		return err
	}
	ordered, err := h.Commerce.ListOrders(v.ctx(), v.user, string(k.Tenant), commerce.Page{Limit: pageRows})
	if err != nil {
		return err
	}
	c.Tables = []table{v.subscriptionTable(bought.Subscriptions), v.orderTable(ordered.Orders)}
	return nil
}

func (v *visit) related(k customer.Known) *pill {
	switch r := k.Relationship; {
	case r == nil && k.Invitation != nil:
		return &pill{plainState, v.T("console.relationship.asked")}
	case r == nil:
		return &pill{plainState, v.T("console.relationship.none")}
	case r.Status == relationship.Active:
		return &pill{good, v.T("console.relationship.active")}
	default:
		return &pill{plainState, v.T("console.relationship.removed")}
	}
}

// relationshipPart says since when, by which request, with whom, and what can be done about it.
func (h *site) relationshipPart(v *visit, k customer.Known) (part, error) {
	s := part{ID: "relationship", Title: v.T("console.column.relationship")}
	s.Facts = []fact{{Label: v.T("console.column.relationship"), Pill: v.related(k)}}
	if len(k.Domains) > 0 {
		s.Facts = append(s.Facts, fact{Label: v.T("console.column.domain"), Value: k.Domains[0]})
	}
	if k.Country != "" {
		s.Facts = append(s.Facts, fact{Label: v.T("console.column.country"), Value: v.Country(k.Country)})
	}
	invited := ""
	if k.Invitation != nil {
		invited = k.Invitation.ID
	}
	if r := k.Relationship; r != nil {
		invited = cmp.Or(r.Invitation, invited)
		s.Facts = append(s.Facts, fact{Label: v.T("console.column.since"), Time: v.at(r.EstablishedAt)})
		if r.Via != "" {
			other, err := h.Accounts.Account(v.ctx(), r.Via, false)
			if err != nil && !problem.Is(err, problem.NotFound) {
				return s, err
			}
			s.Facts = append(s.Facts, fact{Label: v.T("console-customer.via"), Value: cmp.Or(other.DisplayName, string(r.Via))})
		}
		if p, ok := identities[r.IdentityCheck]; ok {
			s.Facts = append(s.Facts, fact{Label: v.T("console.column.identity"), Pill: v.worded(p)})
		}
		if r.Status == relationship.Active {
			s.Actions = h.relationshipActions(v, *r)
		}
	}
	if invited != "" {
		s.Facts = append(s.Facts, fact{Label: v.T("console-partner.invitation"), Value: v.T("console-partner.invitation.look"),
			Link: invitationPath(invited)})
	}
	if cloud, err := h.Clouds.Cloud(k.Cloud); err == nil {
		s.Facts = append(s.Facts, fact{Label: v.T("console-customer.portal"), Value: cloud.BaseURL + "/customer",
			Link: cloud.BaseURL + "/customer"})
	}
	return s, nil
}

func (h *site) relationshipActions(v *visit, r relationship.Relationship) (all []action) {
	at := customerPath(r.Customer.Tenant)
	if r.IdentityCheck == relationship.Unproven && !r.Apart {
		all = append(all, v.ending("console-customer.confirm", at+"/identity"))
	}
	remove := v.ending("console-customer.remove", at+"/remove")
	if h.Customers.ResellersKeep && r.Role == relationship.IndirectReseller {
		remove.Blocked = v.T("console-customer.remove.provider")
	}
	return append(all, remove)
}

// ending is an action of who keeps relationships, said to whom it takes where the reader may not.
func (v *visit) ending(key, at string) action {
	a := action{Label: v.T(key), Href: at, Quiet: true}
	if !v.permitted(partner.KeepRelationships) {
		a.Blocked = v.agents()
	}
	return a
}

// administrationPart says what of the customer the partner administers, and how that ends (rules I13, X4).
func (h *site) administrationPart(v *visit, k customer.Known, st customer.Summary) (part, error) {
	s := part{ID: "administration", Title: v.T("console.column.administration")}
	s.Facts = []fact{{Label: v.T("console.column.administration"), Pill: v.administration(st.Administration)}}
	if r := k.Relationship; r != nil && r.DelegatedAdmin == relationship.ActiveDAP {
		for _, e := range slices.Backward(r.History) {
			if e.DelegatedAdmin != relationship.ActiveDAP {
				break
			}
			s.Facts = append(s.Facts[:1], fact{Label: v.T("console-customer.dap.since"), Time: v.at(e.At)})
		}
		s.Actions = []action{v.ending("console-customer.end", customerPath(k.Tenant)+"/administration")}
	}
	if !v.permitted(partner.ReadGranular) {
		return s, nil
	}
	q := granular.Query{Customer: k.Tenant, Status: granular.Active, Limit: pageRows}
	if home := k.Home(); home != "" && home != k.Tenant {
		q.Also = []partner.TenantID{home}
	}
	found, err := h.Granular.Relationships(v.ctx(), v.user, q)
	for _, g := range found.Relationships {
		s.Facts = append(s.Facts, fact{Label: v.T("console-customer.gdap", "name", g.DisplayName), Time: v.at(g.EndAt)})
	}
	return s, err
}

func (h *site) agreementPart(v *visit, k customer.Known, st customer.Summary) part {
	is := &pill{wait, v.T("console.agreement.missing")}
	if st.Signed {
		is = &pill{good, v.T("console.agreement.signed")}
	}
	s := part{ID: "agreement", Title: v.T("console.column.agreement"),
		Facts: []fact{{Label: v.T("console.column.agreement"), Pill: is}}}
	if !st.Signed {
		s.Text = []string{v.T("console-customer.agreement.how")}
	}
	if !st.Signed && k.Relationship.Status == relationship.Active && v.account.Sells() {
		a := action{Label: v.T("console-customer.attest"), Href: customerPath(k.Tenant) + "/agreement", Quiet: true}
		if !v.permitted(partner.Trade) {
			a.Blocked = v.agents()
		}
		s.Actions = []action{a}
	}
	return s
}

// eligibilityPart says in words whether something may be bought, and what stands in the way (rules P1 to P6).
func (h *site) eligibilityPart(v *visit, id partner.TenantID, reseller *partner.TenantID) (part, error) {
	s := part{ID: "eligibility", Title: v.T("console-customer.eligibility")}
	e, err := h.Commerce.Eligibility(v.ctx(), v.user, string(id), reseller)
	if err != nil {
		return s, err
	}
	for _, b := range e.Blockers {
		s.Notes = append(s.Notes, note{State: stop, Text: []string{v.sentence(b.Code, b.Detail)}, Next: h.wayOut(v, id, b.Code)})
	}
	if len(e.Blockers) == 0 {
		s.Notes = []note{{State: good, Text: []string{v.T("console-customer.eligible")}}}
	}
	return s, nil
}

// wayOut leads to where something that stands in the way is put right; nil where somebody else does that.
func (h *site) wayOut(v *visit, id partner.TenantID, c problem.Code) *action {
	at := customerPath(id)
	switch c {
	case problem.CustomerAgreementRequired:
		return &action{Label: v.T("console-customer.attest"), Href: at + "/agreement"}
	case problem.CustomerIdentityUnconfirmed:
		return &action{Label: v.T("console-customer.confirm"), Href: at + "/identity"}
	case problem.NoResellerRelationship:
		return &action{Label: v.T("console-customer.request"), Href: newPath + "?customerTenantId=" + url.QueryEscape(string(id))}
	case problem.PartnershipRequired:
		return &action{Label: v.T("console.menu.resellers"), Href: root + "/resellers"}
	}
	return nil
}

// askedOf are the newest requests to a customer.
func (h *site) askedOf(v *visit, k customer.Known) (table, error) {
	t := table{Printer: v.Printer, Caption: v.T("console.invitations.title"), Columns: []column{
		{Label: v.T("console.column.recipient")}, {Label: v.T("console.column.kind")}, {Label: v.T("console.column.status")},
		{Label: v.T("console.column.created")},
	}, Empty: &empty{Title: v.T("console.invitations.empty"), Text: v.T("console-customer.requests.empty")}}
	q := invitation.Query{Customer: k.Tenant, Status: invitation.AnyStatus, Limit: pageRows}
	if home := k.Home(); home != "" && home != k.Tenant {
		q.Also = []partner.TenantID{home}
	}
	found, err := h.Invitations.Invitations(v.ctx(), v.user, q)
	for _, i := range found.Invitations {
		t.Rows = append(t.Rows, row{Cells: []cell{
			{Text: v.recipient(i), Href: invitationPath(i.ID)}, {Text: v.T(kindWords[i.Kind].name)}, {Pill: v.status(i)},
			{Time: v.day(i.CreatedAt)},
		}})
	}
	return t, err
}

// relationshipEvents are the words of the history of a relationship.
var relationshipEvents = map[relationship.Action]pill{
	relationship.WasCreated:          {good, "console-customer.event.created"},
	relationship.WasAssociated:       {good, "console-customer.event.associated"},
	relationship.Established:         {good, "console-customer.event.established"},
	relationship.AdministrationGiven: {wait, "console-customer.event.granted"},
	relationship.AdministrationEnded: {plainState, "console-customer.event.ended"},
	relationship.AdministrationTaken: {plainState, "console-customer.event.revoked"},
	relationship.IdentityConfirmed:   {good, "console-customer.event.confirmed"},
	relationship.WasDisputed:         {stop, "console.event.disputed"},
	relationship.WasRemoved:          {plainState, "console-customer.event.removed"},
	relationship.WasLeft:             {plainState, "console-customer.event.left"},
	relationship.WasClaimed:          {good, "console-customer.event.claimed"},
	relationship.WasSetApart:         {wait, "console-customer.event.apart"},
	relationship.WasDisowned:         {stop, "console-customer.event.disowned"},
}

// byPartner are what somebody of the partner does; the rest is the customer's, or the provider's.
var byPartner = []relationship.Action{relationship.WasCreated, relationship.AdministrationEnded, relationship.IdentityConfirmed,
	relationship.WasRemoved}

func (v *visit) relationshipMoment(e relationship.Entry) moment {
	m := moment{Title: string(e.Action), Time: v.at(e.At), State: plainState, Note: e.Why}
	if p, ok := relationshipEvents[e.Action]; ok {
		m.Title, m.State = v.T(p.Text), p.State
	}
	if slices.Contains(byPartner, e.Action) {
		m.Who = v.whoDid(invitation.ByUser, e.By)
	}
	return m
}
