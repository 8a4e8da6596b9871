package pages

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"concord/internal/commerce"
	"concord/internal/customer"
	"concord/internal/granular"
	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/problem"
	"concord/internal/relationship"
)

// The routes of a company's own page, which needs no link.
const (
	customerPath = "/customer"

	routeCustomer       = "GET " + customerPath // and HEAD
	routeCustomerSignIn = "GET " + customerPath + "/sign-in/{cloud}"
)

// The pages of a company.
var (
	customerStart = outcome{"customer-sign-in", http.StatusOK, "customer", customerPortals}
	customerOwn   = outcome{"customer", http.StatusOK, "customer", ofCompany(customerPartners)}
	customerOther = outcome{"not-admin", http.StatusForbidden, "notice", customerNotAdmin}
	revocation    = outcome{"revoke", http.StatusOK, pleaTemplate, ofCompany(revoke)}
	revoked       = outcome{"revoked", http.StatusOK, "notice", ofCompany(administrationGone)}
	rolesEnding   = outcome{"end", http.StatusOK, pleaTemplate, ofRoles(granularEnd)}
	rolesEnded    = outcome{"ended", http.StatusOK, "notice", ofCompany(rolesGone)}
	accessEnding  = outcome{"revoke-access", http.StatusOK, pleaTemplate, ofCompany(revokeAccess)}
	accessRevoked = outcome{"access-revoked", http.StatusOK, "notice", ofCompany(accessGone)}
	departure     = outcome{"leave", http.StatusOK, pleaTemplate, ofCompany(leave)}
	left          = outcome{"left", http.StatusOK, "notice", ofCompany(relationshipGone)}
)

// company is visitor for the pages of a company. When it gives false, the request has been answered.
func (h *site) company(w http.ResponseWriter, r *http.Request) (*visit, bool) {
	v := &visit{place: customerPath}
	var err error
	if v.person, err = h.session(w, r); err != nil {
		h.trouble(w, r, v, err)
		return nil, false
	}
	if v.person != nil {
		// Whoever signed in for a cloud that is not served any more is shown the first one's name.
		v.cloud, _ = h.clouds.Cloud(v.person.Company.Cloud)
	}
	return v, true
}

// openCustomer shows a Global admin the partners of the own company.
func (h *site) openCustomer(w http.ResponseWriter, r *http.Request) {
	v, ok := h.company(w, r)
	if !ok {
		return
	}
	if v.person == nil {
		h.show(w, r, v, customerStart)
		return
	}
	o, err := h.Customers.Overview(r.Context(), *v.person)
	if err != nil {
		h.notTold(w, r, v, err)
		return
	}
	v.subject = &standing{partners: o.Partners, past: o.Past, providers: o.Providers, signed: o.Signed, offered: o.Offered, records: o.Found, requests: o.Asked}
	h.show(w, r, v, customerOwn)
}

// notTold answers who may not see something, or when it cannot be had.
func (h *site) notTold(w http.ResponseWriter, r *http.Request, v *visit, err error) {
	switch {
	case problem.Is(err, problem.RoleNotPermitted):
		h.show(w, r, v, customerOther)
	case problem.Is(err, problem.NotFound): // the relationship has ended, or there was none: the list has what there is
		h.redirect(w, r, v, customerPath+chosen(r.URL.Query().Get("lang")))
	default:
		h.trouble(w, r, v, err)
	}
}

// signInCustomer begins a sign-in in one of the clouds.
func (h *site) signInCustomer(w http.ResponseWriter, r *http.Request) {
	v := &visit{place: customerPath}
	cloud, err := h.clouds.Cloud(partner.CloudID(r.PathValue("cloud")))
	if err != nil {
		h.astray(w, r)
		return
	}
	v.cloud, v.aside = cloud, returns(r)
	h.begin(w, r, v)
}

// withdrawal is a right that a company takes back, on a page of its own.
type withdrawal struct {
	place string // what follows [customerPath] in its path
	ask   outcome
	gone  outcome
	// look reads what the page is about, and says whether the right is held. It and end have the visit know whom it is about.
	look func(v *visit, r *http.Request) (held bool, err error)
	end  func(v *visit, r *http.Request, correlationID string) error
}

// door is its page. It is done once however often it is sent, so that the answer shows the result itself.
func (d withdrawal) door(h *site) door {
	return door{
		site: h, path: customerPath + d.place, enter: h.atPlace, home: true, ticked: confirmed, fails: h.notTold,
		look: func(r *http.Request, v *visit) (outcome, bool, error) {
			held, err := d.look(v, r)
			if !held {
				return d.gone, false, err
			}
			return d.ask, true, err
		},
		act: func(r *http.Request, v *visit, _ func(string) string) (step, error) {
			err := d.end(v, r, rand.Text())
			if err == nil {
				h.Log.InfoContext(r.Context(), "taken back", "page", d.ask.name, "partner", string(v.from.Tenant))
			}
			return step{outcome: d.gone}, err
		},
	}
}

// withdrawals are the rights that a company takes back on its own page.
func (h *site) withdrawals() (doors []door) {
	all := []withdrawal{{
		place: "/partners/{partner}", ask: revocation, gone: revoked,
		look: func(v *visit, r *http.Request) (bool, error) {
			p, err := h.Customers.Partner(r.Context(), *v.person, r.PathValue("partner"))
			return p.Administers(), v.about(p, err)
		},
		end: func(v *visit, r *http.Request, correlationID string) error {
			return v.about(h.Customers.Revoke(r.Context(), *v.person, r.PathValue("partner"), correlationID))
		},
	}, {
		place: "/partners/{partner}/roles/{id}", ask: rolesEnding, gone: rolesEnded,
		look: func(v *visit, r *http.Request) (held bool, err error) {
			p, g, held, err := h.Customers.Roles(r.Context(), *v.person, r.PathValue("partner"), r.PathValue("id"))
			v.own().grant = granular.Request{Relationship: g, Partner: p.Account}
			return held, v.about(p, err)
		},
		end: func(v *visit, r *http.Request, correlationID string) error {
			p, g, err := h.Customers.EndRoles(r.Context(), *v.person, r.PathValue("partner"), r.PathValue("id"), correlationID)
			v.own().grant = granular.Request{Relationship: g, Partner: p.Account}
			return v.about(p, err)
		},
	}, {
		place: "/providers/{provider}", ask: accessEnding, gone: accessRevoked,
		look: func(v *visit, r *http.Request) (bool, error) {
			p, err := h.Customers.Provider(r.Context(), *v.person, r.PathValue("provider"))
			return p.ProviderAccess == partnership.Granted, v.with(p, err)
		},
		end: func(v *visit, r *http.Request, correlationID string) error {
			return v.with(h.Customers.RevokeAccess(r.Context(), *v.person, r.PathValue("provider"), correlationID))
		},
	}}
	if h.Customers.MayLeave {
		all = append(all, withdrawal{
			place: "/partners/{partner}" + asideEnd, ask: departure, gone: left,
			look: func(v *visit, r *http.Request) (bool, error) {
				p, err := h.Customers.Partner(r.Context(), *v.person, r.PathValue("partner"))
				return p.Serves(), v.about(p, err)
			},
			end: func(v *visit, r *http.Request, correlationID string) error {
				return v.about(h.Customers.Leave(r.Context(), *v.person, r.PathValue("partner"), correlationID))
			},
		})
	}
	for _, d := range all {
		doors = append(doors, d.door(h))
	}
	return doors
}

// atPlace is [door.enter] for a page of a company, at the path of the request.
func (h *site) atPlace(w http.ResponseWriter, r *http.Request) (*visit, bool) {
	v, ok := h.company(w, r)
	if ok {
		v.aside = strings.TrimPrefix((&url.URL{Path: r.URL.Path}).EscapedPath(), customerPath)
	}
	return v, ok
}

// about takes the partner that a page is about.
func (v *visit) about(p customer.Partner, err error) error {
	v.from, v.own().partners = p.Account, []customer.Partner{p}
	return err
}

// with is about for a provider of the company.
func (v *visit) with(p partnership.Seen, err error) error {
	v.from, v.own().providers = p.Other, []partnership.Seen{p}
	return err
}

// company is what the pages of a company show.
type company struct {
	Text     []string
	Partners []partnerCard
	Records  []recordCard // that the company is asked about
	// Waiting are the requests that wait for an answer, and Answered those whose answer can be disputed.
	Waiting, Answered []requestCard
	WaitingText       string
	// Providers are those in the company's own account, and Access says so; empty for none.
	Access    string
	Providers []rightCard
	// Agreement says whether the company has signed the customer agreement here, and who orders without that; empty where nobody asks.
	Agreement []string
	Sign      string   // where it is signed; empty where it cannot be
	Portals   []portal // where to sign in
	Past      []string // partners that have no right any more
}

// partnerCard is a partner on the page of its customer.
type partnerCard struct {
	ID, Name string
	Facts    []fact
	Note     string
	Rights   []rightCard

	Subscriptions []subscriptionCard
	More          string // that there are others; empty when all are shown
}

// rightCard is a right that somebody has, and where it is taken back.
type rightCard struct {
	ID, Title   string
	Strong      bool // whoever has it can do nearly everything
	Text        []string
	Facts       []fact
	Link, Label string // empty where it cannot be taken back here
}

// subscriptionCard is something that the company has bought.
type subscriptionCard struct {
	Name  string
	Facts []fact
}

type portal struct{ Link, Label string }

func customerPortals(p *page) any {
	p.Title = p.T("page.customer.title")
	content := company{Text: []string{p.T("page.customer.text")}}
	for _, c := range p.clouds {
		content.Portals = append(content.Portals, portal{p.signInFor(c.BaseURL + customerPath + "/sign-in/" + string(c.ID) + p.chosen), p.T("page.customer.sign-in", "portal", c.PortalName)})
	}
	return content
}

func customerPartners(p *companyPage) any {
	p.Title = p.T("page.customer.title")
	content := company{Text: []string{p.T("page.customer.none", "company", p.company())}}
	if len(p.partners) > 0 {
		content.Text[0] = p.T("company.intro", "company", p.company())
		if !p.mayLeave && slices.ContainsFunc(p.partners, customer.Partner.Serves) {
			content.Text[0] = p.T("company.intro.stays", "company", p.company(), "operator", p.Operator)
		}
	}
	content.Records = p.recordCards()
	content.Waiting, content.Answered = p.requestCards()
	content.WaitingText = p.T("company.asked.text", "company", p.company())
	if len(p.partners) > 0 {
		content.Agreement = p.agreed()
	}
	if p.offered {
		content.Sign = agreementPath + p.chosen
	}
	for _, each := range p.partners {
		card := partnerCard{
			ID: "p-" + string(each.Tenant), Name: each.DisplayName, Facts: p.standingWith(each), Rights: p.rightsOf(each), Subscriptions: p.boughtOf(each),
		}
		if !each.Serves() {
			card.Note = p.T("company.former", "partner", each.DisplayName)
		}
		if each.More {
			card.More = p.T("page.customer.more", "partner", each.DisplayName)
		}
		content.Partners = append(content.Partners, card)
	}
	for _, each := range p.past {
		content.Past = append(content.Past, p.T("company.past.entry", "partner", each.DisplayName, "date", p.Date(each.Relationship.EndedAt())))
	}
	if len(p.providers) > 0 {
		content.Access = p.T("company.providers.text", "company", p.company())
	}
	for _, each := range p.providers {
		content.Providers = append(content.Providers, rightCard{
			ID: "a-" + string(each.Provider), Title: each.Other.DisplayName, Strong: true, Facts: p.accessOf(each),
			Link: customerPath + "/providers/" + string(each.Provider) + p.chosen, Label: p.T("company.provider.action"),
		})
	}
	return content
}

// agreed says whether the company has signed the customer agreement, and who orders as long as it has not (0.33): a partner that attests one.
func (p *companyPage) agreed() []string {
	if p.signed != nil {
		return []string{p.T("page.customer.signed", "company", p.company(), "date", p.Date(p.signed.AgreedAt))}
	}
	lines := []string{p.T("page.customer.unsigned")}
	for _, each := range p.partners {
		if each.Attested != nil && each.Serves() && each.Status == partner.Active {
			lines[0] = p.T("page.customer.unsigned.attested")
			lines = append(lines, p.T("page.customer.orders.attested", "partner", each.DisplayName))
		}
	}
	return lines
}

// rightsOf are those that a partner has over the company, each with where it ends.
func (p *page) rightsOf(each customer.Partner) (cards []rightCard) {
	path, id := customerPath+"/partners/"+string(each.Tenant), "-"+string(each.Tenant)
	if each.Serves() {
		card := rightCard{ID: "r" + id, Title: p.T("page.answer.reseller"), Facts: []fact{{p.T("page.customer.since"), p.DateTime(each.Relationship.EstablishedAt)}}}
		if p.mayLeave {
			card.Link, card.Label = path+asideEnd+p.chosen, p.T("company.leave.action")
		}
		cards = append(cards, card)
	}
	if each.Administers() {
		cards = append(cards, rightCard{
			ID: "d" + id, Title: p.T("page.answer.administration"), Strong: true, Text: []string{p.T("company.administration.text", "partner", each.DisplayName)},
			Link: path + p.chosen, Label: p.T("page.customer.revoke.action"),
		})
	}
	for _, g := range each.Granular {
		card := rightCard{
			ID: g.ID, Title: p.T("company.roles.title"), Facts: p.rolesOf(g), Link: path + "/roles/" + g.ID + p.chosen, Label: p.T("page.granular.end.action"),
		}
		if slices.Contains(g.Roles, p.roles.GlobalAdministrator) {
			card.Strong, card.Text = true, []string{p.T("company.roles.all", "partner", each.DisplayName)}
		}
		cards = append(cards, card)
	}
	return cards
}

// rolesOf says what is administered by roles, and until when.
func (p *page) rolesOf(g granular.Relationship) []fact {
	end := p.T("page.granular.fact.end")
	if g.AutoExtend && g.Status == granular.Active {
		end = p.T("company.roles.extends")
	}
	return []fact{
		{p.T("page.granular.fact.name"), g.DisplayName}, {p.T("page.granular.fact.roles"), strings.Join(p.namesOf(g.Roles), ", ")}, {end, p.DateTime(g.EndAt)},
	}
}

// accessOf says what stands with a provider of the company.
func (p *page) accessOf(each partnership.Seen) []fact {
	status := p.T("company.provider.removed")
	if each.Status == partnership.Active {
		status = p.T("company.provider.active")
	}
	return append(p.identified(each.Other), fact{p.T("page.answer.partnership"), status})
}

// remains says what a partner still has.
func (p *page) remains(each customer.Partner) (title string, list []string) {
	if each.Serves() {
		list = append(list, p.T("company.remains.relationship", "date", p.Date(each.Relationship.EstablishedAt)))
	}
	if each.Administers() {
		list = append(list, p.T("company.remains.administration"))
	}
	for _, g := range each.Granular {
		key := "company.remains.roles"
		if g.AutoExtend {
			key = "company.remains.extends"
		}
		list = append(list, p.T(key, "roles", strings.Join(p.namesOf(g.Roles), ", "), "date", p.Date(g.EndAt)))
	}
	if len(list) == 0 {
		return p.T("company.remains.nothing", "partner", each.DisplayName), nil
	}
	return p.T("company.remains.title", "partner", each.DisplayName), list
}

// states are the words for where a subscription stands.
var states = map[commerce.SubscriptionStatus]string{
	commerce.SubscriptionPending: "page.subscription.pending", commerce.SubscriptionActive: "page.subscription.active",
	commerce.SubscriptionSuspended: "page.subscription.suspended",
}

// boughtOf gives what the company has bought of a partner, whom it turns to (rule B4) and who supports it (rule B5).
func (p *page) boughtOf(each customer.Partner) (cards []subscriptionCard) {
	for _, s := range each.Subscriptions {
		cards = append(cards, subscriptionCard{s.OfferName, []fact{
			{p.T("page.subscription.status"), p.T(states[s.Status])}, {p.T("page.subscription.quantity"), strconv.Itoa(s.Quantity)},
			{p.T("page.subscription.contact"), s.Contact}, {p.T("page.subscription.support"), s.Supporter},
		}})
	}
	return cards
}

// identified says who a partner is; of one whose account is not active it says that and vouches for nothing (0.43).
func (p *page) identified(a partner.Account) []fact {
	if a.Status != partner.Active {
		return []fact{{p.T("page.customer.account"), p.T("page.customer.account.inactive", "operator", p.Operator)}}
	}
	return []fact{{p.T("page.fact.domain"), a.VerifiedDomain}, {p.T("page.fact.country"), p.Country(a.Country)}}
}

// standingWith says what stands between the company and a partner.
func (p *page) standingWith(each customer.Partner) []fact {
	facts := p.identified(each.Account)
	if each.Attested != nil {
		facts = append(facts, fact{p.T("page.customer.attested"), p.Date(each.Attested.AgreedAt)})
	}
	if each.Status != partner.Active || each.Relationship.Role == relationship.IndirectProvider || each.Contact.Email == "" {
		return facts
	}
	return append(facts, fact{p.T("page.fact.mail"), each.Contact.Email})
}

func customerNotAdmin(p *page) any {
	p.Title = p.T("page.not-admin.title")
	return notice{Facts: p.signedIn(), Link: p.otherAccount(), Label: p.T("page.switch"), Text: []string{p.T("page.customer.not-admin")}}
}

// taking is the form that takes a right back.
func (p *page) taking(title, text, confirm, send, amiss string, facts []fact) any {
	p.Title = title
	content := plea{Text: []string{text}, Facts: facts, Confirm: confirm, Send: send}
	if len(p.invalid) > 0 {
		content.Fault = mark{amiss, anchors["confirm"], p.T("page.error.prefix")}
		p.Summary = []fault{{anchors["confirm"], amiss}}
	}
	return content
}

// taken says that a right is gone, and what remains.
func (p *companyPage) taken(title, text string, facts []fact) any {
	p.Title = title
	n := notice{Text: []string{text}, Facts: facts, Link: customerPath + p.chosen, Label: p.T("page.customer.all")}
	n.ListTitle, n.List = p.remains(p.partners[0])
	return n
}

func revoke(p *companyPage) any {
	return p.taking(
		p.T("page.customer.revoke.title", "partner", p.partner()), p.T("page.customer.revoke.text", "partner", p.partner()),
		p.T("page.customer.revoke.confirm", "partner", p.partner(), "company", p.company()), p.T("page.customer.revoke.action"), p.T("page.customer.revoke.error"),
		p.standingWith(p.partners[0]),
	)
}

func administrationGone(p *companyPage) any {
	return p.taken(p.T("page.customer.revoked.title"), p.T("page.customer.revoked.text", "partner", p.partner(), "company", p.company()), p.standingWith(p.partners[0]))
}

func rolesGone(p *companyPage) any {
	return p.taken(p.T("page.granular.ended.title"), p.T("page.granular.ended.text", "partner", p.partner(), "date", p.DateTime(p.standing.grant.EndAt)), p.rolesOf(p.standing.grant.Relationship))
}

func leave(p *companyPage) any {
	return p.taking(
		p.T("company.leave.title", "partner", p.partner()), p.T("company.leave.text", "partner", p.partner()), p.T("company.leave.confirm", "partner", p.partner(), "company", p.company()),
		p.T("company.leave.action"), p.T("company.leave.error"), p.standingWith(p.partners[0]),
	)
}

func relationshipGone(p *companyPage) any {
	return p.taken(p.T("company.left.title"), p.T("company.left.text", "partner", p.partner(), "company", p.company()), p.standingWith(p.partners[0]))
}

func revokeAccess(p *companyPage) any {
	return p.taking(
		p.T("company.provider.title", "partner", p.partner()), p.T("company.provider.text", "partner", p.partner(), "company", p.company()),
		p.T("company.provider.confirm", "partner", p.partner()), p.T("company.provider.action"), p.T("company.provider.error"), p.accessOf(p.providers[0]),
	)
}

func accessGone(p *companyPage) any {
	p.Title = p.T("company.provider.revoked.title")
	stays := p.T("company.provider.over")
	if p.providers[0].Status == partnership.Active {
		stays = p.T("company.provider.stays", "partner", p.partner())
	}
	return notice{
		Text: []string{p.T("company.provider.revoked.text", "partner", p.partner(), "company", p.company()), stays}, Facts: p.accessOf(p.providers[0]),
		Link: customerPath + p.chosen, Label: p.T("page.customer.all"),
	}
}
