package console

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"concord/internal/country"
	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/problem"
	"concord/internal/relationship"
	"concord/internal/terms"
)

func (h *site) partnerRoutes() []route {
	var all []route
	for _, s := range []*tier{resellersTier, providersTier} {
		read := audience{operation: partner.ReadCustomers, programs: []partner.ProgramRole{s.own}}
		end := audience{operation: partner.KeepRelationships, programs: read.programs}
		keep := audience{operation: partner.KeepOwnAccount, programs: read.programs}
		removing, revoking := h.of(s, h.removingPartnership), h.of(s, h.revokingAccess)
		all = append(all,
			route{method: http.MethodGet, path: s.path, page: s.list, section: s.menu, who: read, serve: h.of(s, h.partners)},
			route{method: http.MethodGet, path: s.path + "/{id}", page: s.one, who: read, serve: h.of(s, h.partner)},
			route{method: http.MethodGet, path: s.path + "/{id}/remove", page: s.one + "-remove", who: end, serve: removing},
			route{method: http.MethodPost, path: s.path + "/{id}/remove", page: s.one + "-remove", who: end,
				serve: h.act(removing, func(v *visit) (string, string, error) { return h.removePartnership(v, s) })},
		)
		if s == providersTier {
			all = append(all,
				route{method: http.MethodGet, path: s.path + "/{id}/revoke", page: s.one + "-revoke", who: keep, serve: revoking},
				route{method: http.MethodPost, path: s.path + "/{id}/revoke", page: s.one + "-revoke", who: keep,
					serve: h.act(revoking, h.revokeAccess)})
		}
	}
	return all
}

// tier is one of the two lists of partnerships: that of a provider, with its resellers, and that of a reseller, with
// its providers.
type tier struct {
	path, list, one, menu string
	own                   partner.ProgramRole // whose list it is
	side                  partnership.Side
	captions              map[string]string
	empty, why            string
}

var (
	resellersTier = &tier{
		path: "/resellers", list: "console-resellers", one: "console-reseller", menu: "console.menu.resellers",
		own:  partner.IndirectProvider,
		side: partnership.ProviderSide,
		captions: map[string]string{"active": "console-partner.resellers.active",
			"removed": "console-partner.resellers.removed"},
		empty: "console-partner.resellers.empty", why: "console-partner.resellers.empty.text",
	}
	providersTier = &tier{
		path: "/providers", list: "console-providers", one: "console-provider", menu: "console.menu.providers",
		own:  partner.IndirectReseller,
		side: partnership.ResellerSide,
		captions: map[string]string{"active": "console-partner.providers.active",
			"removed": "console-partner.providers.removed"},
		empty: "console-partner.providers.empty", why: "console-partner.providers.empty.text",
	}
)

func (s *tier) at(id string) string { return root + s.path + "/" + id }

func (h *site) of(s *tier, serve func(*visit, *tier) (*page, error)) func(*visit) (*page, error) {
	return func(v *visit) (*page, error) { return serve(v, s) }
}

// seenPartners is a list of partnerships, with what else a provider or a reseller looks for there.
type seenPartners struct {
	listing
	Waiting *table // requests that nobody has answered
	Entry   []fact // the own entry in the directory
	Change  string // whom to ask to change it
}

// partners lists the partnerships of one tier (rules N1, N6), or the directory of providers (rule N10).
func (h *site) partners(v *visit, s *tier) (*page, error) {
	show := v.chosen("show", "active", "removed", "directory")
	p := v.page(s.menu)
	p.Template = "partners"
	var content seenPartners
	var err error
	switch {
	case show == "directory" && s == providersTier:
		content.listing, err = h.directory(v)
	default:
		if show == "directory" {
			show = "active"
		}
		content.listing, err = h.partnerships(v, s, show)
	}
	if err != nil {
		return nil, err
	}
	if v.exports() {
		v.export(strings.TrimPrefix(s.path, "/"), content.Table)
		return nil, nil
	}
	content.Filters.Tabs = []tab{{v.T("console.customers.tab.active"), root + s.path, show == "active"},
		{v.T("console.relationship.removed"), root + s.path + "?show=removed", show == "removed"}}
	if s == providersTier {
		content.Filters.Tabs = append(content.Filters.Tabs, tab{v.T("console-partner.directory"), root + s.path +
			"?show=directory", show == "directory"})
		p.Content = content
		return p, nil
	}
	p.Primary = h.requestPartnership(v)
	if content.Waiting, err = h.waitingPartnerships(v); err != nil {
		return nil, err
	}
	content.Entry, content.Change = v.directoryEntry()
	p.Content = content
	return p, nil
}

// requestPartnership leads to the draft of the mail (rules N1 to N3).
func (h *site) requestPartnership(v *visit) *action {
	a := &action{Label: v.T("console-partner.request"), Href: newPath + "?kind=" + string(invitation.Partnership)}
	switch {
	case !v.permitted(partner.InviteCustomers), !h.Invitations.SalesAgentsRequestPartnerships &&
		!v.permitted(partner.RequestPartnerships):
		a.Blocked = v.T("console.not-allowed.roles", "roles", v.role(partner.AdminAgent))
	case v.account.Status != partner.Active:
		a.Blocked = v.T("console.problem.partner-not-active")
	}
	return a
}

var partnershipStates = map[partnership.Status]pill{
	partnership.Active: {good, "console.relationship.active"}, partnership.Removed: {plainState,
		"console.relationship.removed"},
}

var accessStates = map[partnership.Access]pill{
	partnership.Granted: {wait, "console-partner.access.granted"}, partnership.Revoked: {plainState,
		"console-partner.access.revoked"},
}

func (v *visit) worded(p pill) *pill { return &pill{p.State, v.T(p.Text)} }

// partnerName is what the other company is called, and its id where it has no account any more.
func partnerName(p partnership.Seen) string {
	return cmp.Or(p.Other.DisplayName, string(p.Other.Tenant))
}

func (h *site) partnerships(v *visit, s *tier, show string) (listing, error) {
	q := partnership.Query{Status: partnership.Status(show), Side: s.side}
	found, pages, err := collect(v, func(after string, limit int) ([]partnership.Seen, string, error) {
		q.After, q.Limit = after, limit
		return h.Partnerships.Partnerships(v.ctx(), v.user, q)
	})
	t := table{
		Printer: v.Printer, Caption: v.T(s.captions[show]), Pager: pages, CSV: v.query("format", "csv"),
		Columns: []column{
			{Label: v.T("console.column.company")}, {Label: v.T("console-partner.partner-id")},
			{Label: v.T("console.column.country")},
			{Label: v.T("console.column.status")}, {Label: v.T("console-partner.access")},
			{Label: v.T("console.column.since")},
			{Label: v.T("console-partner.view"), Quiet: true},
		},
		Empty: &empty{Title: v.T(s.empty), Text: v.T(s.why)},
	}
	if s == providersTier {
		t.Empty.Next = &action{Label: v.T("console-partner.directory"), Href: root + s.path + "?show=directory"}
	}
	for _, p := range found {
		where := cell{Text: v.T("console.none")}
		if p.Other.Country != "" {
			where.Text = v.Country(p.Other.Country)
		}
		t.Rows = append(t.Rows, row{Cells: []cell{
			{Text: partnerName(p), Href: s.at(p.ID())}, {Text: cmp.Or(p.Other.AssociatedPartnerID, v.T("console.none"))},
			where,
			{Pill: v.worded(partnershipStates[p.Status])}, {Pill: v.worded(accessStates[p.ProviderAccess])},
			{Time: v.day(p.EstablishedAt)},
			{Text: v.T("console-partner.view"), Href: s.at(p.ID()) + "#customers"},
		}})
	}
	return listing{filters{Printer: v.Printer, Action: root + s.path}, t}, err
}

// waitingPartnerships are the newest requests that no reseller has answered; nil for none.
func (h *site) waitingPartnerships(v *visit) (*table, error) {
	found, err := h.Invitations.Invitations(v.ctx(), v.user,
		invitation.Query{Kind: invitation.Partnership, Status: invitation.Pending,
			Others: []invitation.Status{invitation.Draft}, Limit: pageRows})
	if err != nil || len(found.Invitations) == 0 {
		return nil, err
	}
	t := &table{Printer: v.Printer, Caption: v.T("console-partner.waiting"), Columns: []column{
		{Label: v.T("console.column.recipient")}, {Label: v.T("console.column.status")},
		{Label: v.T("console.column.delivery")},
		{Label: v.T("console.column.created")}, {Label: v.T("console.column.expires")},
	}}
	for _, i := range found.Invitations {
		at := invitationPath(i.ID)
		if i.Status == invitation.Draft {
			at = draftPath(i.ID)
		}
		t.Rows = append(t.Rows, row{Cells: []cell{
			{Text: v.recipient(i), Href: at}, {Pill: v.status(i)}, {Pill: v.delivery(i)}, {Time: v.day(i.CreatedAt)},
			{Time: v.day(i.ExpiresAt)},
		}})
	}
	return t, nil
}

// directoryEntry is what a provider's own entry says, and whom to ask to change it (rule N10).
func (v *visit) directoryEntry() (facts []fact, change string) {
	a := v.account
	listed := v.T("console.no")
	if a.ListedInDirectory {
		listed = v.T("console.yes")
	}
	facts = []fact{
		{Label: v.T("console-partner.listed"), Value: listed}, {Label: v.T("console.fact.name"), Value: a.DisplayName},
		{Label: v.T("console.column.country"), Value: v.Country(a.Country)}, {Label: v.T("console.column.domain"),
			Value: a.VerifiedDomain},
	}
	return append(facts, v.contactFacts(a.Contact)...), v.T("console-partner.entry.change", "operator",
		v.h.Operator.Name, "contact", v.h.Operator.Contact)
}

func (v *visit) contactFacts(c partner.Contact) (facts []fact) {
	if c.Email != "" {
		facts = append(facts, fact{Label: v.T("console-partner.email"), Value: c.Email, Link: "mailto:" + c.Email})
	}
	if c.Phone != "" {
		facts = append(facts, fact{Label: v.T("console-partner.phone"), Value: c.Phone})
	}
	if c.Website != "" {
		facts = append(facts, fact{Label: v.T("console-partner.website"), Value: c.Website, Link: c.Website})
	}
	return facts
}

// directory is that of the providers with whom companies of a country may work (rules N10, N12).
func (h *site) directory(v *visit) (listing, error) {
	where := v.typed("country", 2)
	if !country.Valid(where) {
		where = ""
	}
	found, pages, err := collect(v, func(after string, limit int) ([]partner.Account, string, error) {
		page, err := h.Registry.Directory(v.ctx(), v.user, h.Regions, where, limit, after)
		return page.Accounts, page.Next, err
	})
	t := table{
		Printer: v.Printer, Caption: v.T("console-partner.directory"), Pager: pages, CSV: v.query("format", "csv"),
		Columns: []column{
			{Label: v.T("console.column.company")}, {Label: v.T("console.column.country")},
			{Label: v.T("console.column.domain")},
			{Label: v.T("console-partner.email")}, {Label: v.T("console-partner.website")},
		},
		Empty: &empty{Title: v.T("console-partner.directory.empty"), Text: v.T("console-partner.directory.empty.text")},
	}
	for _, a := range found {
		t.Rows = append(t.Rows, row{Cells: []cell{
			{Text: a.DisplayName}, {Text: v.Country(a.Country)}, {Text: a.VerifiedDomain}, {Text: a.Contact.Email,
				Href: "mailto:" + a.Contact.Email},
			{Text: a.Contact.Website, Href: a.Contact.Website},
		}})
	}
	countries := field{Printer: v.Printer, Kind: "select", Name: "country",
		Label: v.T("console-partner.directory.country"),
		Hint:  v.T("console-partner.directory.text"), Options: []option{{"", v.T("console.filter.any"), "", where == "",
			""}}}
	for code, name := range v.Countries() {
		countries.Options = append(countries.Options, option{Value: code, Label: name, Selected: code == where})
	}
	f := filters{Printer: v.Printer, Action: root + "/providers", Fields: []field{countries, {Kind: "hidden",
		Name: "show", Value: "directory"}}}
	if where != "" {
		f.Clear = root + "/providers?show=directory"
	}
	return listing{f, t}, err
}

// seenPartner is one partnership, with what the two have in common.
type seenPartner struct {
	Facts    []fact
	Contact  []fact
	Actions  []action
	Together []action
	Shared   table
	Timeline []moment
}

// partnerOf reads one partnership of the tier: one of the other tier is not there.
func (h *site) partnerOf(v *visit, s *tier) (partnership.Seen, error) {
	p, err := h.Partnerships.Partnership(v.ctx(), v.user, v.r.PathValue("id"))
	if err == nil && p.Side != s.side {
		err = problem.New(problem.NotFound, "There is no such partnership.")
	}
	return p, err
}

func (h *site) partner(v *visit, s *tier) (*page, error) {
	x, err := h.partnerOf(v, s)
	if err != nil {
		return nil, err
	}
	shared, err := h.shared(v, x)
	if err != nil {
		return nil, err
	}
	if v.exports() {
		v.export("shared-customers", shared)
		return nil, nil
	}
	p := v.page("console-partner.title", "company", partnerName(x))
	p.Template = "partner"
	p.Parent = &action{Label: v.T(s.menu), Href: root + s.path}
	p.Pill = v.worded(partnershipStates[x.Status])
	content := seenPartner{Facts: v.partnershipFacts(x), Contact: v.contactFacts(x.Other.Contact), Shared: shared}
	if x.ProviderAccess == partnership.Granted {
		p.Notes = append(p.Notes, note{State: wait, Text: []string{v.T(accessTexts[x.Side])}})
	}
	for _, e := range x.History {
		content.Timeline = append([]moment{v.partnershipMoment(x, e)}, content.Timeline...)
	}
	if s == providersTier {
		p.Primary = v.inviteCustomers(x)
	}
	content.Actions = v.partnershipActions(x, s)
	content.Together = h.together(v, x)
	p.Content = content
	return p, nil
}

var accessTexts = map[partnership.Side]string{
	partnership.ProviderSide: "console-partner.access.yours", partnership.ResellerSide: "console-partner.access.theirs",
}

func (v *visit) partnershipFacts(x partnership.Seen) []fact {
	facts := []fact{
		{Label: v.T("console.column.status"), Pill: v.worded(partnershipStates[x.Status])},
		{Label: v.T("console.column.since"), Time: v.at(x.EstablishedAt)},
		{Label: v.T("console-partner.access"), Pill: v.worded(accessStates[x.ProviderAccess])},
	}
	add := func(key, value string) {
		if value != "" {
			facts = append(facts, fact{Label: v.T(key), Value: value})
		}
	}
	add("console-partner.partner-id", x.Other.AssociatedPartnerID)
	if x.Other.Country != "" {
		add("console.column.country", v.Country(x.Other.Country))
	}
	add("console.column.domain", x.Other.VerifiedDomain)
	add("console-partner.consent", strings.TrimSuffix(x.Consent.Version+", "+x.Consent.Language, ", "))
	if x.Invitation != "" && x.Side == partnership.ProviderSide {
		facts = append(facts, fact{Label: v.T("console-partner.invitation"), Value: v.T("console-partner.invitation.look"),
			Link: invitationPath(x.Invitation)})
	}
	return facts
}

var partnershipEvents = map[partnership.Action]pill{
	partnership.Established: {good, "console-partner.event.established"}, partnership.AccessGranted: {wait,
		"console-partner.event.granted"},
	partnership.AccessRevoked: {plainState, "console-partner.event.revoked"}, partnership.WasRemoved: {plainState,
		"console-partner.event.removed"},
	partnership.WasDisputed: {stop, "console-partner.event.disputed"},
}

func (v *visit) partnershipMoment(x partnership.Seen, e partnership.Entry) moment {
	m := moment{Title: string(e.Action), Who: partnerName(x), Time: v.at(e.At), State: plainState}
	if known, ok := partnershipEvents[e.Action]; ok {
		m.Title, m.State = v.T(known.Text), known.State
	}
	if e.Side == x.Side {
		m.Who = v.whoDid(invitation.ByUser, e.By)
	}
	return m
}

// inviteCustomers leads to a request for both relationships, with the provider chosen.
func (v *visit) inviteCustomers(x partnership.Seen) *action {
	a := &action{
		Label: v.T("console-partner.invite"),
		Href:  newPath + "?kind=" + string(invitation.DualReseller) + "&providerTenantId=" + string(x.Provider),
	}
	switch {
	case x.Status != partnership.Active:
		a.Blocked = v.T("console-partner.ended")
	case !v.permitted(partner.InviteCustomers):
		a.Blocked = v.agents()
	case v.account.Status != partner.Active:
		a.Blocked = v.T("console.problem.partner-not-active")
	}
	return a
}

// partnershipActions end what there is, each on a page of its own.
func (v *visit) partnershipActions(x partnership.Seen, s *tier) (all []action) {
	if x.Side == partnership.ResellerSide && x.ProviderAccess == partnership.Granted {
		a := action{Label: v.T("console-partner.revoke"), Href: s.at(x.ID()) + "/revoke", Quiet: true}
		if !v.permitted(partner.KeepOwnAccount) {
			a.Blocked = v.T("console.not-allowed.roles", "roles", v.role(partner.GlobalAdmin))
		}
		all = append(all, a)
	}
	if x.Status == partnership.Active {
		a := action{Label: v.T("console-partner.remove"), Href: s.at(x.ID()) + "/remove", Quiet: true}
		if !v.permitted(partner.KeepRelationships) {
			a.Blocked = v.agents()
		}
		all = append(all, a)
	}
	return all
}

// togetherRows are what a provider can do for a reseller (rule N9), each where the console has a page for it.
var togetherRows = []struct{ path, key string }{
	{"/customers/new", "console-partner.together.customer"}, {"/orders/new", "console-partner.together.order"},
	{"/subscriptions", "console-partner.together.subscriptions"},
}

func (h *site) together(v *visit, x partnership.Seen) (all []action) {
	if x.Side != partnership.ProviderSide || x.Status != partnership.Active {
		return nil
	}
	for _, one := range togetherRows {
		if slices.ContainsFunc(h.table, func(r route) bool {
			return r.path == one.path && r.who.permits(v.user,
				v.account) == nil
		}) {
			all = append(all, action{Label: v.T(one.key), Href: root + one.path + "?resellerTenantId=" + string(x.Reseller)})
		}
	}
	return all
}

// shared are the customers of the caller that the other serves too (rules D6, D9).
func (h *site) shared(v *visit, x partnership.Seen) (table, error) {
	var q relationship.Query
	found, pages, err := collect(v, func(after string, limit int) ([]relationship.Relationship, string, error) {
		q.After, q.Limit = after, limit
		page, err := h.Partnerships.Shared(v.ctx(), v.user, x.ID(), q)
		return page.Relationships, page.Next, err
	})
	t := table{
		Printer: v.Printer, Caption: v.T("console-partner.shared"), Pager: pages, CSV: v.query("format", "csv"),
		Columns: []column{
			{Label: v.T("console.column.company")}, {Label: v.T("console.column.domain")},
			{Label: v.T("console.column.country")},
			{Label: v.T("console.column.identity")}, {Label: v.T("console.column.since")},
		},
		Empty: &empty{Title: v.T("console-partner.shared.empty"), Text: v.T("console-partner.shared.empty.text")},
	}
	if x.Status != partnership.Active {
		t.Empty.Text = v.T("console-partner.ended")
	}
	for _, r := range found {
		identity := cell{Pill: &pill{good, v.T("console.identity.confirmed")}}
		if r.IdentityCheck == relationship.Unproven {
			identity = cell{Pill: &pill{wait, v.T("console.identity.pending")}}
		}
		t.Rows = append(t.Rows, row{Cells: []cell{
			{Text: v.companyName(r.Customer)}, {Text: cmp.Or(strings.Join(r.Customer.Domains[:min(1,
				len(r.Customer.Domains))], ""), v.T("console.none"))},
			{Text: v.Country(r.Customer.Country)}, identity, {Time: v.day(r.EstablishedAt)},
		}})
	}
	return t, err
}

// confirming begins a page on which something of a partnership ends.
func (h *site) confirming(v *visit, s *tier, title string) (p *page, x partnership.Seen, c confirmation, err error) {
	if x, err = h.partnerOf(v, s); err != nil {
		return nil, x, c, err
	}
	p = v.page(title, "company", partnerName(x))
	p.Template = "confirm"
	p.Parent = &action{Label: v.T("console-partner.title", "company", partnerName(x)), Href: s.at(x.ID())}
	if n := len(x.History); n > 0 {
		p.Changed = new(v.partnershipMoment(x, x.History[n-1]))
	}
	c = confirmation{Printer: v.Printer, Action: v.r.URL.Path, Back: s.at(x.ID()), Danger: true,
		Facts: v.partnershipFacts(x)[:3], Hidden: v.hiddenOf(x.Version)}
	return p, x, c, nil
}

// removingPartnership says what stays and what ends, and has the text confirmed (rules X5 to X9).
func (h *site) removingPartnership(v *visit, s *tier) (*page, error) {
	p, x, c, err := h.confirming(v, s, "console-partner.remove.title")
	if err != nil {
		return nil, err
	}
	c.Do, c.Label = "remove", v.T("console-partner.remove")
	c.Text = []string{v.T("console-partner.remove.stays"), v.T("console-partner.remove.open"),
		v.T("console-partner.remove.nobody")}
	if x.ProviderAccess == partnership.Granted {
		c.Text = append(c.Text, v.T(accessTexts[x.Side]))
	}
	if x.Status != partnership.Active {
		c.Blocked = []note{{State: info, Text: []string{v.T("console-partner.ended")}}}
	} else if err := v.attesting(&c, h.Partnerships.Texts, terms.PartnershipRemoval); err != nil {
		return nil, err
	}
	p.Content = c
	return p, nil
}

func (h *site) removePartnership(v *visit, s *tier) (to, said string, err error) {
	if _, err := h.partnerOf(v, s); err != nil {
		return "", "", err
	}
	x, err := h.Partnerships.Remove(v.ctx(), v.command(), v.r.PathValue("id"), v.attested())
	return s.at(x.ID()), "console-partner.did.removed", moved(err, "/attestation", "", "/accepted")
}

// revokingAccess asks whether the provider's administration of the own account is to end, before or after the
// partnership (rule N8).
func (h *site) revokingAccess(v *visit, s *tier) (*page, error) {
	p, x, c, err := h.confirming(v, s, "console-partner.revoke.title")
	if err != nil {
		return nil, err
	}
	c.Do, c.Label = "revoke", v.T("console-partner.revoke")
	c.Text = []string{v.T("console-partner.revoke.text"), v.T("console-partner.revoke.again")}
	if x.ProviderAccess != partnership.Granted {
		c.Blocked = []note{{State: info, Text: []string{v.T("console-partner.revoke.none")}}}
	}
	p.Content = c
	return p, nil
}

func (h *site) revokeAccess(v *visit) (to, said string, err error) {
	x, err := h.Partnerships.RevokeAccess(v.ctx(), v.command(), v.r.PathValue("id"))
	return providersTier.at(x.ID()), "console-partner.did.revoked", err
}
