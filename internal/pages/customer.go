package pages

import (
	"crypto/rand"
	"net/http"
	"strconv"

	"concord/internal/commerce"
	"concord/internal/customer"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/relationship"
)

// The routes of a company's own page, which needs no link.
const (
	customerPath = "/customer"

	routeCustomer       = "GET " + customerPath // and HEAD
	routeCustomerSignIn = "GET " + customerPath + "/sign-in/{cloud}"
	routePartner        = "GET " + customerPath + "/partners/{partner}" // and HEAD
	routeRevoke         = "POST " + customerPath + "/partners/{partner}"
)

// The pages of a company.
var (
	customerStart = outcome{"customer-sign-in", http.StatusOK, "customer", customerPortals}
	customerOwn   = outcome{"customer", http.StatusOK, "customer", customerPartners}
	customerOther = outcome{"not-admin", http.StatusForbidden, "notice", customerNotAdmin}
	revocation    = outcome{"revoke", http.StatusOK, pleaTemplate, revoke}
	revoked       = outcome{"revoked", http.StatusOK, "notice", administrationGone}
)

// company is visitor for the pages of a company. When it gives false, the request has been answered.
func (h *site) company(w http.ResponseWriter, r *http.Request) (*visit, bool) {
	v := &visit{place: customerPath}
	var err error
	if v.person, err = h.session(r); err != nil {
		h.trouble(w, r, v, err)
		return nil, false
	}
	if v.person != nil {
		// Whoever signed in for a cloud that is not served any more is shown the first one's name.
		v.letter.Cloud, _ = h.clouds.Cloud(v.person.Company.Cloud)
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
	v.partners, v.signed, v.records = o.Partners, o.Signed, o.Found
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
		h.show(w, r, &visit{}, unknown)
		return
	}
	v.letter.Cloud = cloud
	h.begin(w, r, v)
}

// openPartner shows the form that takes administration back, or that there is none.
func (h *site) openPartner(w http.ResponseWriter, r *http.Request) {
	v, ok := h.customerOf(w, r)
	if !ok {
		return
	}
	p, err := h.Customers.Partner(r.Context(), *v.person, r.PathValue("partner"))
	if err != nil {
		h.notTold(w, r, v, err)
		return
	}
	v.about(p)
	if !p.Administers() {
		h.show(w, r, v, revoked)
		return
	}
	h.show(w, r, v, revocation)
}

// customerOf is company for who has to be signed in.
func (h *site) customerOf(w http.ResponseWriter, r *http.Request) (*visit, bool) {
	v, ok := h.company(w, r)
	if !ok {
		return nil, false
	}
	if v.person == nil {
		h.redirect(w, r, v, customerPath+chosen(r.URL.Query().Get("lang")))
		return nil, false
	}
	v.aside = "/partners/" + r.PathValue("partner")
	return v, true
}

// about takes the partner that a page is about. What every page says of a partner it finds where an invitation has it.
func (v *visit) about(p customer.Partner) {
	v.letter.Inviter, v.partners = p.Account, []customer.Partner{p}
}

// revokeAdministration takes it back. It is done once however often it is sent, so that the answer shows the result itself.
func (h *site) revokeAdministration(w http.ResponseWriter, r *http.Request) {
	v, ok := h.customerOf(w, r)
	if !ok {
		return
	}
	field, err := formOf(w, r, urlEncoded)
	if err != nil {
		h.show(w, r, v, unreadable(err))
		return
	}
	if field("confirm") != "on" {
		p, err := h.Customers.Partner(r.Context(), *v.person, r.PathValue("partner"))
		if err != nil {
			h.notTold(w, r, v, err)
			return
		}
		v.about(p)
		o := revocation
		v.invalid, o.status = []problem.Finding{{Pointer: "/confirm", Code: problem.ValidationFailed}}, http.StatusUnprocessableEntity
		h.show(w, r, v, o)
		return
	}
	p, err := h.Customers.Revoke(r.Context(), *v.person, r.PathValue("partner"), rand.Text())
	if err != nil {
		h.notTold(w, r, v, err)
		return
	}
	v.about(p)
	h.Log.InfoContext(r.Context(), "administration revoked", "partner", string(p.Tenant))
	h.show(w, r, v, revoked)
}

// company is what the pages of a company show.
type company struct {
	Account  string // who is signed in; empty for nobody
	Company  string
	Text     []string
	Partners []partnerCard
	Records  []recordCard // that the company is asked about
	// Agreement says whether the company has signed the customer agreement here; empty where nobody asks.
	Agreement string
	Portals   []portal // where to sign in
}

// partnerCard is a partner on the page of its customer.
type partnerCard struct {
	ID, Name string
	Facts    []fact
	Link     string // where administration is taken back; empty where there is none

	Subscriptions []subscriptionCard
	More          string // that there are others; empty when all are shown
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
		content.Portals = append(content.Portals, portal{c.BaseURL + customerPath + "/sign-in/" + string(c.ID) + p.chosen, p.T("page.customer.sign-in", "portal", c.PortalName)})
	}
	return content
}

func customerPartners(p *page) any {
	p.Title = p.T("page.customer.title")
	content := company{Account: p.account(), Company: p.company(), Text: []string{p.T("page.customer.none", "company", p.company())}}
	if len(p.partners) > 0 {
		content.Text[0] = p.T("page.customer.intro", "company", p.company())
	}
	content.Records = p.recordCards()
	if len(p.partners) > 0 {
		content.Agreement = p.T("page.customer.unsigned")
		if p.signed != nil {
			content.Agreement = p.T("page.customer.signed", "company", p.company(), "date", p.Date(p.signed.AgreedAt))
		}
	}
	for _, each := range p.partners {
		card := partnerCard{ID: "p-" + string(each.Tenant), Name: each.DisplayName, Facts: p.standingWith(each), Subscriptions: p.boughtOf(each)}
		if each.More {
			card.More = p.T("page.customer.more", "partner", each.DisplayName)
		}
		if each.Administers() {
			card.Link = customerPath + "/partners/" + string(each.Tenant) + p.chosen
		}
		content.Partners = append(content.Partners, card)
	}
	return content
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

// standingWith says what stands between the company and a partner.
func (p *page) standingWith(each customer.Partner) []fact {
	granted := p.T("page.answer.no")
	if each.Administers() {
		granted = p.T("page.answer.yes")
	}
	facts := []fact{
		{p.T("page.fact.domain"), each.VerifiedDomain}, {p.T("page.fact.country"), p.Country(each.Country)},
		{p.T("page.customer.since"), p.DateTime(each.Relationship.EstablishedAt)}, {p.T("page.answer.administration"), granted},
	}
	if each.Attested != nil {
		facts = append(facts, fact{p.T("page.customer.attested"), p.Date(each.Attested.AgreedAt)})
	}
	if each.Relationship.Role == relationship.IndirectProvider || each.Contact.Email == "" {
		return facts
	}
	return append(facts, fact{p.T("page.fact.mail"), each.Contact.Email})
}

func customerNotAdmin(p *page) any {
	p.Title = p.T("page.not-admin.title")
	return notice{Facts: p.signedIn(), Link: p.otherAccount(), Label: p.T("page.switch"), Text: []string{p.T("page.customer.not-admin")}}
}

func revoke(p *page) any {
	p.Title = p.T("page.customer.revoke.title", "partner", p.partner())
	content := plea{
		Text: []string{p.T("page.customer.revoke.text", "partner", p.partner())}, Facts: p.standingWith(p.partners[0]),
		Confirm: p.T("page.customer.revoke.confirm", "partner", p.partner(), "company", p.company()), Send: p.T("page.customer.revoke.action"),
	}
	if len(p.invalid) > 0 {
		text := p.T("page.customer.revoke.error")
		content.Fault = mark{text, anchors["confirm"], p.T("page.error.prefix")}
		p.Summary = []fault{{anchors["confirm"], text}}
	}
	return content
}

func administrationGone(p *page) any {
	p.Title = p.T("page.customer.revoked.title")
	return notice{
		Text: []string{p.T("page.customer.revoked.text", "partner", p.partner(), "company", p.company())}, Facts: p.standingWith(p.partners[0]),
		Link: customerPath + p.chosen, Label: p.T("page.customer.all"),
	}
}
