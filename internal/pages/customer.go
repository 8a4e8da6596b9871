package pages

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"concord/internal/commerce"
	"concord/internal/customer"
	"concord/internal/invitation"
	"concord/internal/partner"
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
	customerOwn   = outcome{"customer", http.StatusOK, "customer", customerPartners}
	customerOther = outcome{"not-admin", http.StatusForbidden, "notice", customerNotAdmin}
	revocation    = outcome{"revoke", http.StatusOK, pleaTemplate, revoke}
	revoked       = outcome{"revoked", http.StatusOK, "notice", administrationGone}
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

// withdrawal is a right that a company takes back, on a page of its own.
type withdrawal struct {
	*site
	place string // what follows [customerPath] in its path
	ask   outcome
	gone  outcome
	look  func(ctx context.Context, who invitation.Person, r *http.Request) (p customer.Partner, held bool, err error)
	end   func(ctx context.Context, who invitation.Person, r *http.Request, correlationID string) (customer.Partner, error)
}

func (h *site) withdrawals() []withdrawal {
	return []withdrawal{{
		site: h, place: "/partners/{partner}", ask: revocation, gone: revoked,
		look: func(ctx context.Context, who invitation.Person, r *http.Request) (customer.Partner, bool, error) {
			p, err := h.Customers.Partner(ctx, who, r.PathValue("partner"))
			return p, p.Administers(), err
		},
		end: func(ctx context.Context, who invitation.Person, r *http.Request, correlationID string) (customer.Partner, error) {
			return h.Customers.Revoke(ctx, who, r.PathValue("partner"), correlationID)
		},
	}}
}

// visitor is company, at the path of the request.
func (d withdrawal) visitor(w http.ResponseWriter, r *http.Request) (*visit, bool) {
	v, ok := d.company(w, r)
	if ok {
		v.aside = strings.TrimPrefix((&url.URL{Path: r.URL.Path}).EscapedPath(), customerPath)
	}
	return v, ok
}

// open shows the form that takes a right back, or that there is none.
func (d withdrawal) open(w http.ResponseWriter, r *http.Request) {
	v, ok := d.visitor(w, r)
	switch {
	case !ok:
	case v.person == nil:
		d.redirect(w, r, v, customerPath+chosen(r.URL.Query().Get("lang")))
	default:
		d.shown(w, r, v, nil)
	}
}

// shown answers with what there is to see, and with what is wrong with the form.
func (d withdrawal) shown(w http.ResponseWriter, r *http.Request, v *visit, amiss []problem.Finding) {
	o, form, err := d.looking(r)(r.Context(), v)
	if err != nil {
		d.notTold(w, r, v, err)
		return
	}
	if form && amiss != nil {
		v.invalid, o.status = amiss, http.StatusUnprocessableEntity
	}
	d.show(w, r, v, o)
}

func (d withdrawal) looking(r *http.Request) looking {
	return func(ctx context.Context, v *visit) (outcome, bool, error) {
		p, held, err := d.look(ctx, *v.person, r)
		v.about(p)
		if !held {
			return d.gone, false, err
		}
		return d.ask, true, err
	}
}

// about takes the partner that a page is about. What every page says of a partner it finds where an invitation has it.
func (v *visit) about(p customer.Partner) {
	v.letter.Inviter, v.partners = p.Account, []customer.Partner{p}
}

// act takes the right back. It is done once however often it is sent, so that the answer shows the result itself.
func (d withdrawal) act(w http.ResponseWriter, r *http.Request) {
	v, ok := d.visitor(w, r)
	if !ok {
		return
	}
	if _, ok := d.sent(w, r, v, d.looking(r)); !ok {
		return
	}
	if !v.form.Confirmed {
		d.shown(w, r, v, unconfirmed)
		return
	}
	p, err := d.end(r.Context(), *v.person, r, rand.Text())
	if err != nil {
		d.notTold(w, r, v, err)
		return
	}
	v.about(p)
	d.Log.InfoContext(r.Context(), "taken back", "page", d.ask.name, "partner", string(p.Tenant))
	d.show(w, r, v, d.gone)
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
