package pages

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"concord/internal/customer"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/link"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/publicid"
)

// The routes of the requests that a company finds on its own page: there a Global admin answers them without the
// email. What may be seen and answered is decided where the answer of a link is, for a link of
// [invitation.AnyGeneration]; no link is made for it.
const (
	requestPath = customerPath + "/requests/{partner}/{id}"

	routeRequest    = "GET " + requestPath // and HEAD
	routeAnswering  = "POST " + requestPath
	routeRequestNot = "GET " + requestPath + asideReport // and HEAD
	routeSayNot     = "POST " + requestPath + asideReport
	// routeWanted is where a program leads a customer: it knows the id alone.
	routeWanted = "GET " + customerPath + "/granular/{id}"
)

// notAsked is what is there instead of a request that nobody asks the company.
var notAsked = outcome{"request-unknown", http.StatusNotFound, "notice", requestUnknown}

// request is company for the page of one request. When it gives false, the request has been answered.
func (h *site) request(w http.ResponseWriter, r *http.Request) (*visit, bool) {
	v, ok := h.company(w, r)
	if !ok {
		return nil, false
	}
	v.at(r)
	of, isTenant := partner.ParseTenantID(r.PathValue("partner"))
	id := r.PathValue("id")
	switch {
	case isTenant && publicid.Is(publicid.Granular, id):
		v.purpose = link.Granular
	case isTenant && publicid.Is(publicid.Invitation, id):
		v.purpose = link.Answer
	default:
		h.show(w, r, v, notAsked)
		return nil, false
	}
	v.link = link.Link{Tenant: string(of), ID: id, Generation: invitation.AnyGeneration}
	switch {
	case v.person == nil && r.Method != http.MethodPost: // who has signed in is led back to the request
		h.show(w, r, v, customerStart)
		return nil, false
	case v.person != nil && !v.person.Has(partner.GlobalAdmin):
		h.show(w, r, v, customerOther)
		return nil, false
	}
	return v, true
}

// openRequest shows a request with the form that answers it.
func (h *site) openRequest(w http.ResponseWriter, r *http.Request) {
	v, ok := h.request(w, r)
	switch {
	case !ok:
	case v.purpose == link.Granular:
		h.openedGranular(w, r, v)
	default:
		h.opened(w, r, v)
	}
}

// answerRequest carries out an answer, as one that comes by a link.
func (h *site) answerRequest(w http.ResponseWriter, r *http.Request) {
	v, ok := h.request(w, r)
	switch {
	case !ok:
	case v.purpose == link.Granular:
		h.answeredGranular(w, r, v)
	default:
		h.answered(w, r, v)
	}
}

// openWanted leads to a request for granular administration, given its id.
func (h *site) openWanted(w http.ResponseWriter, r *http.Request) {
	v, ok := h.company(w, r)
	if !ok {
		return
	}
	v.at(r)
	if v.person == nil {
		h.show(w, r, v, customerStart)
		return
	}
	k, err := h.Customers.Wanted(r.Context(), *v.person, r.PathValue("id"))
	switch {
	case problem.Is(err, problem.NotFound):
		h.show(w, r, v, notAsked)
	case err != nil:
		h.notTold(w, r, v, err)
	default:
		h.redirect(w, r, v, requestAt(k.Partner, k.ID)+chosen(r.URL.Query().Get("lang")))
	}
}

// requestAt gives the path of a request.
func requestAt(p partner.TenantID, id string) string {
	return customerPath + "/requests/" + string(p) + "/" + id
}

// openNot shows the form by which a company says of a request that it does not know who asks, and of an answer that
// it was not its own.
func (h *site) openNot(w http.ResponseWriter, r *http.Request) {
	if v, ok := h.request(w, r); ok {
		h.tellNot(w, r, v, nil)
	}
}

// sayNot carries that out. It is done once however often it is sent.
func (h *site) sayNot(w http.ResponseWriter, r *http.Request) {
	v, ok := h.request(w, r)
	if !ok {
		return
	}
	field, ok := h.sent(w, r, v, h.lookNot)
	if !ok {
		return
	}
	h.tellNot(w, r, v, &invitation.Plea{Reason: field("reason"), CorrelationID: rand.Text()})
}

// lookNot is [looking] for that form.
func (h *site) lookNot(ctx context.Context, v *visit) (outcome, bool, error) {
	c, err := h.not(ctx, v, nil)
	o := outcomes[c]
	return o, o.template == pleaTemplate, err
}

func (h *site) tellNot(w http.ResponseWriter, r *http.Request, v *visit, plea *invitation.Plea) {
	c, err := h.not(r.Context(), v, plea)
	o := outcomes[c]
	refused, _ := errors.AsType[*problem.Error](err)
	switch {
	case refused != nil && len(refused.Findings) > 0:
		v.invalid, o.status = refused.Findings, http.StatusUnprocessableEntity
	case err != nil:
		h.trouble(w, r, v, err)
		return
	case plea != nil:
		h.Log.InfoContext(r.Context(), "pleaded", "invitation", v.link.ID, "case", string(c))
	}
	h.show(w, r, v, o)
}

// not looks whether the person may see the request, and pleads as its link would: it is of the generation that was
// read.
func (h *site) not(ctx context.Context, v *visit, plea *invitation.Plea) (c invitation.Case, err error) {
	l := v.link
	if v.purpose == link.Granular {
		q, is, err := h.Granular.Look(ctx, v.link, v.person)
		if err != nil || is == granular.Unknown {
			return invitation.Unknown, err
		}
		l.Generation = q.Generation
		v.letter, c, err = h.Invitations.ReportGranular(ctx, l, plea)
		return c, err
	}
	t, c, err := h.Invitations.Look(ctx, v.link, v.person, true)
	if err != nil || c == invitation.Unknown {
		return c, err
	}
	l.Generation = t.Invitation.Generation
	plead := h.Invitations.Report
	if t.Invitation.Answer != nil {
		plead = h.Invitations.Dispute
	}
	v.letter, c, err = plead(ctx, l, plea)
	return c, err
}

func requestUnknown(p *page) any {
	p.Title = p.T("company.request.unknown.title")
	n := notice{Text: []string{p.T("company.request.unknown.text")}, Link: customerPath + p.chosen, Label: p.T("page.customer.all")}
	if p.person != nil {
		n.Text = []string{p.T("company.request.unknown.text"), p.T("company.request.unknown.foreign", "company", p.company())}
		n.Facts, n.Link, n.Label = p.signedIn(), p.otherAccount(), p.T("page.switch")
	}
	return n
}

// requestCard is a request on the page of the company that it asks.
type requestCard struct {
	ID, Title   string
	Strong      bool // accepting gives nearly everything
	Facts       []fact
	Link, Label string
	Not         string // where the company says that it was not it, or does not know who asks
	NotLabel    string
}

// requestCards are those that wait, and apart from them those whose answer can be disputed.
func (p *page) requestCards() (waiting, answered []requestCard) {
	for _, each := range p.requests {
		card := p.requestCard(each)
		if each.Answered {
			answered = append(answered, card)
		} else {
			waiting = append(waiting, card)
		}
	}
	return waiting, answered
}

func (p *page) requestCard(r customer.Request) requestCard {
	v := &visit{person: p.person, place: p.place}
	one := &page{
		Printer: p.Printer, visit: v, Portal: p.Portal, Operator: p.Operator, Now: p.Now, roles: p.roles, clouds: p.clouds, chosen: p.chosen, regions: p.regions,
	}
	if r.Granular != nil {
		v.asked(*r.Granular)
	} else {
		v.letter = *r.Letter
	}
	key := v.letter.Invitation.Key
	path := requestAt(key.Inviter, key.ID)
	card := requestCard{
		ID: "q-" + key.ID, Title: one.heading(), Facts: []fact{{p.T("page.fact.name"), one.partner()}, {p.T("page.fact.domain"), v.letter.Inviter.VerifiedDomain}},
		Link: path + p.chosen, Label: p.T("company.asked.action"), Not: path + asideReport + p.chosen, NotLabel: p.T("page.review.stranger"),
	}
	card.Strong = one.gives() != "" && one.right() == invitation.GlobalRight
	if to := one.to(); to != "" {
		card.Facts = append(card.Facts, fact{p.T("page.fact.to"), to})
	}
	if a := v.letter.Invitation.Answer; r.Answered && a != nil {
		given := p.T("page.form.decline")
		if v.letter.Invitation.Status == invitation.Accepted {
			given = p.T("page.form.accept")
		}
		card.Facts = append(card.Facts, fact{p.T("company.asked.answer"), given}, fact{p.T("company.asked.at"), p.DateTime(a.At)})
		card.Link, card.NotLabel = "", p.T("company.asked.not-us")
		return card
	}
	if open := one.open(); open != "" {
		card.Facts = append(card.Facts, fact{p.T("page.fact.open"), open})
	}
	return card
}

// atQuery says in the path of a sign-in to which page of a company it leads back.
const atQuery = "at"

// returns gives the page of a company that a sign-in leads back to, if it is one.
func returns(r *http.Request) string {
	at := r.URL.Query().Get(atQuery)
	if !strings.HasPrefix(at, "/requests/") && !strings.HasPrefix(at, "/granular/") || !places().MatchString(customerPath+at) {
		return ""
	}
	return at
}

// signInFor has a sign-in lead back to the page of a request, where it is for one.
func (p *page) signInFor(signIn string) string {
	if !strings.HasPrefix(p.aside, "/requests/") && !strings.HasPrefix(p.aside, "/granular/") {
		return signIn
	}
	return with(signIn, atQuery+"="+url.QueryEscape(strings.TrimSuffix(p.aside, asideReport)))
}

// leadRequest sets where the page of a request leads, as a link's does.
func (p *page) leadRequest() {
	if p.link.ID == "" {
		return
	}
	of := partner.TenantID(p.link.Tenant)
	at := requestAt(of, p.link.ID)
	p.Request, p.Report = at+p.chosen, at+asideReport+p.chosen
	if p.purpose == link.Granular {
		p.End = customerPath + "/partners/" + string(of) + "/roles/" + p.link.ID + p.chosen
	}
}
