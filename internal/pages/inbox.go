package pages

import (
	"context"
	"crypto/rand"
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

	// routeWanted is where a program leads a customer: it knows the id alone.
	routeWanted = "GET " + customerPath + "/granular/{id}"
)

// notAsked is what is there instead of a request that nobody asks the company.
var notAsked = outcome{"request-unknown", http.StatusNotFound, "notice", requestUnknown}

// request is company for the page of one request. When it gives false, the request has been answered.
func (h *site) request(w http.ResponseWriter, r *http.Request) (*visit, bool) {
	v, ok := h.atPlace(w, r)
	if !ok {
		return nil, false
	}
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

// inbox are the pages of the requests that a company finds at its own place: the forms are those of a link.
func (h *site) inbox() []door {
	return []door{
		{
			site: h, path: requestPath, enter: h.request,
			look: func(r *http.Request, v *visit) (outcome, bool, error) {
				if v.purpose == link.Granular {
					return h.lookRoles(r, v)
				}
				return h.lookInvitation(r, v)
			},
			act: func(r *http.Request, v *visit, field func(string) string) (step, error) {
				if v.purpose == link.Granular {
					return h.answerRoles(r, v, field)
				}
				return h.answerInvitation(r, v, field)
			},
		},
		{
			// Here a company says of a request that it does not know who asks, and of an answer that it was not its own. It is done once
			// however often it is sent.
			site: h, path: requestPath + asideReport, enter: h.request,
			look: func(r *http.Request, v *visit) (outcome, bool, error) {
				c, err := h.not(r.Context(), v, nil)
				return outcomes[c], outcomes[c].template == pleaTemplate, err
			},
			act: func(r *http.Request, v *visit, field func(string) string) (step, error) {
				c, err := h.not(r.Context(), v, &invitation.Plea{Reason: field("reason"), CorrelationID: rand.Text()})
				if err == nil {
					h.Log.InfoContext(r.Context(), "pleaded", "invitation", v.link.ID, "case", string(c))
				}
				return step{outcome: outcomes[c], form: outcomes[c].template == pleaTemplate}, err
			},
		},
	}
}

// openWanted leads to a request for granular administration, given its id.
func (h *site) openWanted(w http.ResponseWriter, r *http.Request) {
	v, ok := h.atPlace(w, r)
	if !ok {
		return
	}
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

// not looks whether the person may see the request, and pleads as its link would: it is of the generation that was read.
func (h *site) not(ctx context.Context, v *visit, plea *invitation.Plea) (c invitation.Case, err error) {
	l := v.link
	if v.purpose == link.Granular {
		q, is, err := h.Granular.Look(ctx, v.link, v.person)
		if err != nil || is == granular.Unknown {
			return invitation.Unknown, err
		}
		l.Generation = q.Generation
		q, c, err = h.Invitations.ReportGranular(ctx, l, plea)
		v.reported(q)
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
	t, c, err = plead(ctx, l, plea)
	v.invited(t)
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
func (p *companyPage) requestCards() (waiting, answered []requestCard) {
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

func (p *companyPage) requestCard(r customer.Request) requestCard {
	v := &visit{person: p.person, place: p.place}
	one := &page{
		Printer: p.Printer, visit: v, Portal: p.Portal, Operator: p.Operator, Now: p.Now, roles: p.roles, clouds: p.clouds, chosen: p.chosen, regions: p.regions,
	}
	var id, title string
	var strong, accepted bool
	if g := r.Granular; g != nil {
		v.granted(*g)
		of := one.asRoles()
		id, title, strong = g.ID, of.heading(), of.right() == invitation.GlobalRight
	} else {
		v.invited(*r.Letter)
		of := one.asInvitation()
		id, title, strong = of.letter.Invitation.ID, of.heading(), of.gives() != "" && of.right() == invitation.GlobalRight
		accepted = of.letter.Invitation.Status == invitation.Accepted
	}
	path := requestAt(v.from.Tenant, id)
	card := requestCard{
		ID: "q-" + id, Title: title, Strong: strong, Facts: []fact{{p.T("page.fact.name"), one.partner()}, {p.T("page.fact.domain"), v.from.VerifiedDomain}},
		Link: path + p.chosen, Label: p.T("company.asked.action"), Not: path + asideReport + p.chosen, NotLabel: p.T("page.review.stranger"),
	}
	if to := one.to(); to != "" {
		card.Facts = append(card.Facts, fact{p.T("page.fact.to"), to})
	}
	if a := v.answer; r.Answered && a != nil {
		given := p.T("page.form.decline")
		if accepted {
			given = p.T("page.form.accept")
		}
		card.Facts = append(card.Facts, fact{p.T("company.asked.answer"), given}, fact{p.T("company.asked.at"), p.DateTime(a.at)})
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
