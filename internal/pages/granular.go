package pages

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"slices"

	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/letter"
	"concord/internal/link"
	"concord/internal/locale"
	"concord/internal/problem"
)

// The routes of granular administration, whose links have a purpose of their own.
const (
	routeGranular       = "GET /g/{token}" // and HEAD
	routeGranularAnswer = "POST /g/{token}"
	routeGranularSignIn = "GET /g/{token}/sign-in"
	routeGranularEnd    = "GET /g/{token}" + asideEnd // and HEAD
	routeGranularEnding = "POST /g/{token}" + asideEnd

	asideEnd = "/end"
)

// grants gives each case of granular administration its page and status, as outcomes does for invitations.
var grants = map[granular.Case]outcome{
	granular.Review:     {"review", http.StatusOK, "review", granularReview},
	granular.Form:       {"answer", http.StatusOK, "granular", granularForm},
	granular.ApprovedBy: {"accepted", http.StatusOK, "result", granularAccepted},
	granular.RejectedBy: {"declined", http.StatusOK, "result", granularDeclined},
	granular.Standing:   {"active", http.StatusOK, "notice", granularActive},

	granular.OtherTenant:      {"wrong-tenant", http.StatusForbidden, "notice", wrongTenant},
	granular.NotAdmin:         {"not-admin", http.StatusForbidden, "notice", granularNotAdmin},
	granular.PartnerNotActive: {"partner-not-active", http.StatusForbidden, "notice", partnerNotActive},
	granular.OtherCloud:       {"cloud-mismatch", http.StatusForbidden, "notice", granularOtherCloud},
	granular.OtherRegion:      {"region-not-allowed", http.StatusForbidden, "notice", regionNotAllowed},

	granular.Unknown:    unknown,
	granular.TooLate:    {"expired", http.StatusGone, "notice", granularExpired},
	granular.Superseded: {"superseded", http.StatusGone, "notice", granularSuperseded},
	granular.Answered:   {"answered", http.StatusGone, "notice", answered},
	granular.Over:       {"ended", http.StatusGone, "notice", granularOver},
}

// ending is the form by which a Global admin of the customer ends it.
var ending = outcome{"end", http.StatusOK, pleaTemplate, granularEnd}

// asked takes what was read of a relationship. What pages of both kinds say of a request they find where an invitation has it.
func (v *visit) asked(q granular.Request) {
	v.grant = q
	v.letter = invitation.Letter{Inviter: q.Partner, Cloud: q.Portal, Granular: &q.Relationship, Invitation: invitation.Invitation{
		Key: invitation.Key{Inviter: q.Relationship.Partner, ID: q.ID}, Locale: q.Mail.Locale, LocaleAsked: q.Mail.LocaleAsked, RecipientEmail: q.Mail.To, ExpiresAt: q.ApproveBy,
	}}
	v.letter.Declines = q.Rejects(v.person)
	if a := q.Answer; a != nil {
		v.letter.Invitation.Answer = &invitation.Given{FullName: a.FullName, JobTitle: a.JobTitle, Email: a.Email, At: a.At}
	}
}

// openGranular shows what a link leads to.
func (h *site) openGranular(w http.ResponseWriter, r *http.Request) {
	if v, ok := h.visitor(w, r, link.Granular, ""); ok {
		h.openedGranular(w, r, v)
	}
}

// openedGranular shows what a request for granular administration leads to, however it was found.
func (h *site) openedGranular(w http.ResponseWriter, r *http.Request, v *visit) {
	if c, ok := h.lookGranular(w, r, v); ok {
		h.show(w, r, v, grants[c])
	}
}

// lookGranular reads the relationship. When it gives false, the request has been answered.
func (h *site) lookGranular(w http.ResponseWriter, r *http.Request, v *visit) (granular.Case, bool) {
	q, c, err := h.Granular.Look(r.Context(), v.link, v.person)
	if err != nil {
		h.trouble(w, r, v, err)
		return c, false
	}
	v.asked(q)
	return c, true
}

// signInGranular begins a sign-in for a link that leads on.
func (h *site) signInGranular(w http.ResponseWriter, r *http.Request) {
	v, ok := h.enter(w, r, link.Granular, "")
	if !ok {
		return
	}
	if toAllow(r) {
		h.signInToAllow(w, r, v)
		return
	}
	c, ok := h.lookGranular(w, r, v)
	switch {
	case !ok:
	case c != granular.Review && c != granular.Answered && c != granular.PartnerNotActive:
		h.show(w, r, v, grants[c])
	default:
		h.begin(w, r, v)
	}
}

// answerGranular is [site.answeredGranular] for a link.
func (h *site) answerGranular(w http.ResponseWriter, r *http.Request) {
	if v, ok := h.visitor(w, r, link.Granular, ""); ok {
		h.answeredGranular(w, r, v)
	}
}

// answeredGranular carries out an answer, with the discipline of [site.answered].
func (h *site) answeredGranular(w http.ResponseWriter, r *http.Request, v *visit) {
	if _, ok := h.sent(w, r, v, h.lookGrantor); !ok {
		return
	}
	here := v.here(r)
	words := consent(locale.For(locale.Match(v.form.Words, r.URL.Query().Get("lang"), r.Header.Get("Accept-Language"))))
	if v.form.WordsRead != "" && v.form.WordsRead != edition(words) {
		h.askGranularAgain(w, r, v)
		return
	}
	q, c, err := h.Granular.Respond(r.Context(), v.link, *v.person, granular.Response{
		Answer: v.form.Answer, Authorized: v.form.Authorized, FullName: v.form.FullName, JobTitle: v.form.JobTitle,
		Consent: granular.ConsentText(words), CorrelationID: rand.Text(),
	})
	if err == nil || c != "" {
		v.asked(q)
	}
	o := grants[c]
	p, _ := errors.AsType[*problem.Error](err)
	switch {
	case p != nil && len(p.Findings) > 0:
		if c == granular.Form || v.form.Answer == "decline" {
			v.invalid, o.status = p.Findings, http.StatusUnprocessableEntity
		}
		h.show(w, r, v, o)
	case err != nil:
		h.trouble(w, r, v, err)
	case c == granular.ApprovedBy, c == granular.RejectedBy:
		h.Log.InfoContext(r.Context(), "answered", "granular", v.link.ID, "case", string(c))
		h.redirect(w, r, v, after(here))
	default:
		h.show(w, r, v, o)
	}
}

// askGranularAgain is [site.askAgain] for granular administration.
func (h *site) askGranularAgain(w http.ResponseWriter, r *http.Request, v *visit) {
	c, ok := h.lookGranular(w, r, v)
	if !ok {
		return
	}
	o := grants[c]
	if c == granular.Form {
		v.reworded, o.status = true, http.StatusUnprocessableEntity
	}
	h.show(w, r, v, o)
}

// lookGrantor is [looking] for the answer to a request for granular administration.
func (h *site) lookGrantor(ctx context.Context, v *visit) (outcome, bool, error) {
	q, c, err := h.Granular.Look(ctx, v.link, v.person)
	v.asked(q)
	return grants[c], c.MayReject(), err
}

// lookEnd is [looking] for its end.
func (h *site) lookEnd(ctx context.Context, v *visit) (outcome, bool, error) {
	q, c, err := h.Granular.Look(ctx, v.link, v.person)
	v.asked(q)
	if c.MayEnd() {
		return ending, true, err
	}
	return grants[c], false, err
}

// openEnd shows the form that ends it, to who may.
func (h *site) openEnd(w http.ResponseWriter, r *http.Request) {
	v, ok := h.visitor(w, r, link.Granular, asideEnd)
	if !ok {
		return
	}
	o, _, err := h.lookEnd(r.Context(), v)
	if err != nil {
		h.trouble(w, r, v, err)
		return
	}
	h.show(w, r, v, o)
}

// endGranular ends it. It is done once however often it is sent, so that the answer shows the result itself.
func (h *site) endGranular(w http.ResponseWriter, r *http.Request) {
	v, ok := h.visitor(w, r, link.Granular, asideEnd)
	if !ok {
		return
	}
	if _, ok := h.sent(w, r, v, h.lookEnd); !ok {
		return
	}
	if !v.form.Confirmed {
		o, form, err := h.lookEnd(r.Context(), v)
		if err != nil {
			h.trouble(w, r, v, err)
			return
		}
		if form {
			v.invalid, o.status = unconfirmed, http.StatusUnprocessableEntity
		}
		h.show(w, r, v, o)
		return
	}
	q, c, err := h.Granular.End(r.Context(), v.link, *v.person, rand.Text())
	if err != nil {
		h.trouble(w, r, v, err)
		return
	}
	v.asked(q)
	o := grants[c]
	if c == granular.Over {
		h.Log.InfoContext(r.Context(), "ended", "granular", v.link.ID)
		o.status = http.StatusOK
	}
	h.show(w, r, v, o)
}

// beside reports whether the invitation asks for granular administration that its answer can give or refuse.
func (p *page) beside() bool {
	if asked := p.letter.Asks(p.Now); asked != nil {
		p.grant = granular.Request{Relationship: asked.At(p.Now), Partner: p.letter.Inviter, Portal: p.letter.Cloud}
		return true
	}
	return false
}

// keepBeside takes the granular administration that the same person has approved with an invitation, and where it is ended.
func (h *site) keepBeside(r *http.Request, p *page) error {
	g, a := p.letter.Granular, p.letter.Invitation.Answer
	if g == nil || a == nil || !a.Granular || p.person == nil {
		return nil
	}
	p.grant = granular.Request{Relationship: g.At(p.Now), Partner: p.letter.Inviter, Portal: p.letter.Cloud}
	token, err := h.Keys.Sign(r.Context(), link.Granular, link.Link{Tenant: string(g.Partner), ID: g.ID, Generation: g.Generation})
	if err != nil {
		return err
	}
	p.Granular = link.Granular.Path(token) + chosen(r.URL.Query().Get("lang"))
	return nil
}

// roleNames are the names of the roles, in English as the directory has them.
func (p *page) roleNames() []string {
	return p.namesOf(p.grant.Roles)
}

func (p *page) namesOf(roles []string) []string {
	names := make([]string, len(roles))
	for n, id := range roles {
		name, _ := p.roles.Name(id)
		names[n] = cmp.Or(name, id)
	}
	return names
}

// lasting says how long it lasts.
func (p *page) lasting() string {
	d := p.grant.Duration
	if d.Months > 0 {
		return p.T("page.granular.months", "n", d.Months)
	}
	return p.T("page.granular.days", "n", d.Days)
}

func granularReview(p *page) any {
	p.Title = p.heading()
	facts := append(p.whoAsks(), fact{p.T("page.granular.fact.name"), p.grant.DisplayName})
	if p.grant.Status == granular.Pending {
		facts = append(facts, fact{p.T("page.fact.open"), p.open()})
	}
	return asked{p.partner(), p.T("page.granular.ask", "partner", p.partner()), p.gives(), "", facts}
}

// granularTerms are what is agreed to, in words.
type granularTerms struct {
	Give  string
	Roles []string
	All   string // what the most powerful role means; empty where it is not among them
	Lasts string
	Apart string
}

// terms gives the words of what is agreed to.
func (p *page) terms() granularTerms {
	t := granularTerms{
		Give: p.T("page.consent.granular.give", "company", p.company(), "partner", p.partner()), Roles: p.roleNames(),
		Lasts: p.T("page.consent.granular.ends", "duration", p.lasting()), Apart: p.T("page.consent.granular.apart"),
	}
	if p.grant.AutoExtend {
		t.Lasts = p.T("page.consent.granular.extends", "duration", p.lasting(), "partner", p.partner())
	}
	if slices.Contains(p.grant.Roles, p.roles.GlobalAdministrator) {
		t.All = p.T("page.consent.granular.all", "partner", p.partner())
	}
	return t
}

func granularForm(p *page) any {
	partner := p.partner()
	p.Title = p.heading()
	content := struct {
		Company        string
		Facts          []fact
		Terms          granularTerms
		Unchanged, End []string
		Record         string
		Fields         fields
	}{
		Company: p.company(), Terms: p.terms(),
		Facts:     []fact{{p.T("page.fact.name"), partner}, {p.T("page.fact.domain"), p.letter.Inviter.VerifiedDomain}, {p.T("page.granular.fact.name"), p.grant.DisplayName}},
		Unchanged: []string{p.T("page.consent.unchanged.contracts"), p.T("page.consent.unchanged.administrators")},
		End:       []string{p.T("page.consent.granular.end"), p.T("page.consent.end.operator", "partner", partner, "operator", p.Operator)},
		Record:    p.T("page.consent.record", "operator", p.Operator),
		Fields:    p.granularFields(true),
	}
	return content
}

// granularFields are those of the form: without reasons, and without a country.
func (p *page) granularFields(full bool) fields {
	f := p.fields(full)
	f.Hint, f.Reasons, f.Countries = "", nil, nil // what accepting gives is the roles, and nothing else
	return f
}

// standing says what holds, and until when.
func (p *page) standing() string {
	company := cmp.Or(p.grant.CustomerName, p.company())
	date := p.DateTime(p.grant.EndAt)
	if p.grant.AutoExtend {
		return p.T("page.granular.accepted.extends", "partner", p.partner(), "company", company, "date", date)
	}
	return p.T("page.granular.accepted.ends", "partner", p.partner(), "company", company, "date", date)
}

// roleFacts say what is given.
func (p *page) roleFacts() []fact {
	facts := []fact{{p.T("page.granular.fact.name"), p.grant.DisplayName}, {p.T("page.granular.fact.roles"), letter.Roles(p.roles, p.grant.Roles)}}
	if p.grant.Status == granular.Active {
		facts = append(facts, fact{p.T("page.granular.fact.end"), p.DateTime(p.grant.EndAt)})
	}
	return facts
}

func granularAccepted(p *page) any {
	p.Title = p.T("page.accepted.title")
	return result{
		Accepted: true, Reference: p.grant.Reference(), Lead: p.standing(), Strong: p.given(), Facts: append(p.answerFacts(), p.roleFacts()...),
		Next: []string{p.T("page.granular.accepted.stop"), p.T("page.result.keep", "partner", p.partner())},
		Link: p.End, Label: p.T("page.granular.end.action"),
	}
}

func granularDeclined(p *page) any {
	p.Title = p.T("page.declined.title")
	return result{
		Reference: p.grant.Reference(), Facts: p.answerFacts(), Lead: p.T("page.declined.lead", "partner", p.partner()),
		Next: []string{p.T("page.granular.declined.told", "partner", p.partner()), p.T("page.declined.again", "partner", p.partner()),
			p.T("page.result.keep", "partner", p.partner())},
	}
}

func granularActive(p *page) any {
	p.Title = p.T("page.granular.active.title", "partner", p.partner())
	return notice{Text: []string{p.standing()}, Facts: p.roleFacts(), Link: p.End, Label: p.T("page.granular.end.action")}
}

func granularEnd(p *page) any {
	p.Title = p.T("page.granular.end.title", "partner", p.partner())
	content := plea{
		Text: []string{p.T("page.granular.end.text", "partner", p.partner())}, Facts: p.roleFacts(),
		Confirm: p.T("page.granular.end.confirm", "partner", p.partner()), Send: p.T("page.granular.end.send"),
	}
	if len(p.invalid) > 0 {
		text := p.T("page.granular.end.error")
		content.Fault = mark{text, anchors["confirm"], p.T("page.error.prefix")}
		p.Summary = []fault{{anchors["confirm"], text}}
	}
	return content
}

func granularOver(p *page) any {
	p.Title = p.T("page.granular.ended.title")
	return notice{Text: []string{p.T("page.granular.ended.text", "partner", p.partner(), "date", p.DateTime(p.grant.EndAt))}, Facts: p.roleFacts()}
}

func granularExpired(p *page) any {
	p.Title = p.T("page.expired.title")
	return notice{Facts: append([]fact{{p.T("page.fact.name"), p.partner()}}, p.contact()...), Text: []string{
		p.T("page.expired.text", "date", p.DateTime(p.grant.ApproveBy)), p.T("page.expired.ask", "partner", p.partner())}}
}

func granularSuperseded(p *page) any {
	p.Title = p.T("page.superseded.title")
	return notice{Text: []string{p.T("page.superseded.text", "partner", p.partner()), p.T("page.superseded.ask")}}
}

func granularNotAdmin(p *page) any {
	n := notAdmin(p).(notice)
	n.Copy = p.T("page.granular.not-admin.copy", "partner", p.partner(), "domain", p.letter.Inviter.VerifiedDomain, "portal", p.Portal, "operator", p.Operator)
	return n
}

func granularOtherCloud(p *page) any {
	return p.ruledOut(p.T("page.cloud-mismatch.title"), p.T("page.granular.cloud-mismatch.text", "partner", p.partner(), "portal", p.Portal))
}
