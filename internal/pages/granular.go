package pages

import (
	"cmp"
	"crypto/rand"
	"net/http"
	"slices"

	"concord/internal/granular"
	"concord/internal/letter"
	"concord/internal/link"
)

// asideEnd is where granular administration is ended.
const asideEnd = "/end"

// grants gives each case of granular administration its page and status, as outcomes does for invitations.
var grants = map[granular.Case]outcome{
	granular.Review:     {"review", http.StatusOK, "review", ofRoles(granularReview)},
	granular.Form:       {"answer", http.StatusOK, "granular", ofRoles(granularForm)},
	granular.ApprovedBy: {"accepted", http.StatusOK, "result", ofRoles(granularAccepted)},
	granular.RejectedBy: {"declined", http.StatusOK, "result", ofRoles(granularDeclined)},
	granular.Standing:   {"active", http.StatusOK, "notice", ofRoles(granularActive)},

	granular.OtherTenant:      {"wrong-tenant", http.StatusForbidden, "notice", wrongTenant},
	granular.NotAdmin:         {"not-admin", http.StatusForbidden, "notice", ofRoles(granularNotAdmin)},
	granular.PartnerNotActive: {"partner-not-active", http.StatusForbidden, "notice", partnerNotActive},
	granular.OtherCloud:       {"cloud-mismatch", http.StatusForbidden, "notice", ofRoles(granularOtherCloud)},
	granular.OtherRegion:      {"region-not-allowed", http.StatusForbidden, "notice", ofRoles(granularOtherRegion)},

	granular.Unknown:    unknown,
	granular.TooLate:    {"expired", http.StatusGone, "notice", ofRoles(granularExpired)},
	granular.Superseded: {"superseded", http.StatusGone, "notice", ofRoles(granularSuperseded)},
	granular.Answered:   {"answered", http.StatusGone, "notice", answered},
	granular.Over:       {"ended", http.StatusGone, "notice", ofRoles(granularOver)},
}

// ending is the form by which a Global admin of the customer ends it.
var ending = outcome{"end", http.StatusOK, pleaTemplate, ofRoles(granularEnd)}

// lookRoles is [looking] for the answer to a request for granular administration.
func (h *site) lookRoles(r *http.Request, v *visit) (outcome, bool, error) {
	q, c, err := h.Granular.Look(r.Context(), v.link, v.person)
	v.granted(q)
	return grants[c], c.MayReject(), err
}

// answerRoles carries out an answer.
func (h *site) answerRoles(r *http.Request, v *visit, _ func(string) string) (step, error) {
	words := consent(v.words(r))
	if v.readOthers(edition(words)) {
		q, c, err := h.Granular.Look(r.Context(), v.link, v.person)
		v.granted(q)
		return step{outcome: grants[c], reworded: c == granular.Form}, err
	}
	q, c, err := h.Granular.Respond(r.Context(), v.link, *v.person, granular.Response{
		Answer: v.form.Answer, Authorized: v.form.Authorized, FullName: v.form.FullName, JobTitle: v.form.JobTitle,
		Consent: granular.ConsentText(words), CorrelationID: rand.Text(),
	})
	if err == nil || c != "" {
		v.granted(q)
	}
	s := step{outcome: grants[c], form: c == granular.Form || v.form.Answer == "decline"}
	if s.done = err == nil && (c == granular.ApprovedBy || c == granular.RejectedBy); s.done {
		h.Log.InfoContext(r.Context(), "answered", "granular", v.link.ID, "case", string(c))
	}
	return s, err
}

// lookEnd is [looking] for its end.
func (h *site) lookEnd(r *http.Request, v *visit) (outcome, bool, error) {
	q, c, err := h.Granular.Look(r.Context(), v.link, v.person)
	v.granted(q)
	if c.MayEnd() {
		return ending, true, err
	}
	return grants[c], false, err
}

// endRoles ends it. It is done once however often it is sent, so that the answer shows the result itself.
func (h *site) endRoles(r *http.Request, v *visit, _ func(string) string) (step, error) {
	q, c, err := h.Granular.End(r.Context(), v.link, *v.person, rand.Text())
	if err != nil {
		return step{}, err
	}
	v.granted(q)
	s := step{outcome: grants[c]}
	if c == granular.Over {
		h.Log.InfoContext(r.Context(), "ended", "granular", v.link.ID)
		s.status = http.StatusOK
	}
	return s, nil
}

// leadToRoles sets where the granular administration is ended that the same person has approved with an invitation.
func (h *site) leadToRoles(r *http.Request, p *invitationPage) error {
	g, a := p.letter.Granular, p.letter.Invitation.Answer
	if g == nil || a == nil || !a.Granular || p.person == nil {
		return nil
	}
	token, err := h.Keys.Sign(r.Context(), link.Granular, link.Link{Tenant: string(g.Partner), ID: g.ID, Generation: g.Generation})
	if err != nil {
		return err
	}
	p.Granular = link.Granular.Path(token) + chosen(r.URL.Query().Get("lang"))
	return nil
}

// namesOf are the names of roles, in English as the directory has them.
func (p *page) namesOf(roles []string) []string {
	names := make([]string, len(roles))
	for n, id := range roles {
		name, _ := p.roles.Name(id)
		names[n] = cmp.Or(name, id)
	}
	return names
}

// lasting says how long it lasts.
func (p *page) lasting(d granular.Period) string {
	if d.Months > 0 {
		return p.T("page.granular.months", "n", d.Months)
	}
	return p.T("page.granular.days", "n", d.Days)
}

func granularReview(p *rolesPage) any {
	p.Title = p.heading()
	facts := append(p.whoAsks(), fact{p.T("page.granular.fact.name"), p.grant.DisplayName})
	if p.grant.Status == granular.Pending {
		facts = append(facts, fact{p.T("page.fact.open"), p.open()})
	}
	return first{p.partner(), p.T("page.granular.ask", "partner", p.partner()), p.gives(), "", facts}
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
func (p *page) terms(g granular.Relationship) granularTerms {
	t := granularTerms{
		Give: p.T("page.consent.granular.give", "company", p.company(), "partner", p.partner()), Roles: p.namesOf(g.Roles),
		Lasts: p.T("page.consent.granular.ends", "duration", p.lasting(g.Duration)), Apart: p.T("page.consent.granular.apart"),
	}
	if g.AutoExtend {
		t.Lasts = p.T("page.consent.granular.extends", "duration", p.lasting(g.Duration), "partner", p.partner())
	}
	if slices.Contains(g.Roles, p.roles.GlobalAdministrator) {
		t.All = p.T("page.consent.granular.all", "partner", p.partner())
	}
	return t
}

func granularForm(p *rolesPage) any {
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
		Company: p.company(), Terms: p.terms(p.grant.Relationship),
		Facts:     []fact{{p.T("page.fact.name"), partner}, {p.T("page.fact.domain"), p.from.VerifiedDomain}, {p.T("page.granular.fact.name"), p.grant.DisplayName}},
		Unchanged: []string{p.T("page.consent.unchanged.contracts"), p.T("page.consent.unchanged.administrators")},
		End:       []string{p.T("page.consent.granular.end"), p.T("page.consent.end.operator", "partner", partner, "operator", p.Operator)},
		Record:    p.T("page.consent.record", "operator", p.Operator),
		Fields:    p.answering(),
	}
	return content
}

// standing says what holds, and until when.
func (p *rolesPage) standing() string {
	company := cmp.Or(p.grant.CustomerName, p.company())
	date := p.DateTime(p.grant.EndAt)
	if p.grant.AutoExtend {
		return p.T("page.granular.accepted.extends", "partner", p.partner(), "company", company, "date", date)
	}
	return p.T("page.granular.accepted.ends", "partner", p.partner(), "company", company, "date", date)
}

// roleFacts say what is given.
func (p *rolesPage) roleFacts() []fact {
	facts := []fact{{p.T("page.granular.fact.name"), p.grant.DisplayName}, {p.T("page.granular.fact.roles"), letter.Roles(p.roles, p.grant.Roles)}}
	if p.grant.Status == granular.Active {
		facts = append(facts, fact{p.T("page.granular.fact.end"), p.DateTime(p.grant.EndAt)})
	}
	return facts
}

func granularAccepted(p *rolesPage) any {
	p.Title = p.T("page.accepted.title")
	return result{
		Accepted: true, Reference: p.grant.Reference(), Lead: p.standing(), Strong: p.given(), Facts: append(p.answerFacts(), p.roleFacts()...),
		Next: []string{p.T("page.granular.accepted.stop"), p.T("page.result.keep", "partner", p.partner())},
		Link: p.End, Label: p.T("page.granular.end.action"),
	}
}

func granularDeclined(p *rolesPage) any {
	p.Title = p.T("page.declined.title")
	return result{
		Reference: p.grant.Reference(), Facts: p.answerFacts(), Lead: p.T("page.declined.lead", "partner", p.partner()),
		Next: []string{p.T("page.granular.declined.told", "partner", p.partner()), p.T("page.declined.again", "partner", p.partner()),
			p.T("page.result.keep", "partner", p.partner())},
	}
}

func granularActive(p *rolesPage) any {
	p.Title = p.T("page.granular.active.title", "partner", p.partner())
	return notice{Text: []string{p.standing()}, Facts: p.roleFacts(), Link: p.End, Label: p.T("page.granular.end.action")}
}

func granularEnd(p *rolesPage) any {
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

func granularOver(p *rolesPage) any {
	p.Title = p.T("page.granular.ended.title")
	return notice{Text: []string{p.T("page.granular.ended.text", "partner", p.partner(), "date", p.DateTime(p.grant.EndAt))}, Facts: p.roleFacts()}
}

func granularExpired(p *rolesPage) any {
	p.Title = p.T("page.expired.title")
	return notice{Facts: append([]fact{{p.T("page.fact.name"), p.partner()}}, p.contact()...), Text: []string{
		p.T("page.expired.text", "date", p.DateTime(p.until)), p.T("page.expired.ask", "partner", p.partner())}}
}

func granularSuperseded(p *rolesPage) any {
	p.Title = p.T("page.superseded.title")
	return notice{Text: []string{p.T("page.superseded.text", "partner", p.partner()), p.T("page.superseded.ask")}}
}

func granularOtherCloud(p *rolesPage) any {
	return p.ruledOut(p.T("page.cloud-mismatch.title"), p.T("page.granular.cloud-mismatch.text", "partner", p.partner(), "portal", p.Portal))
}

// answering are the fields of the form: without reasons, and without a country.
func (p *rolesPage) answering() fields {
	f := p.fields(true, "granular")
	f.Choice, f.Strong, f.Reasons, f.Countries = p.question(), p.gives(), nil, nil // what accepting gives is the roles, and nothing else
	return f
}

func granularNotAdmin(p *rolesPage) any {
	return p.forwarding(p.T("page.granular.not-admin.copy", "partner", p.partner(), "domain", p.from.VerifiedDomain, "portal", p.Portal, "operator", p.Operator))
}

func granularOtherRegion(p *rolesPage) any {
	return p.otherRegion("page.region-not-allowed.text", p.partner(), p.from.Country)
}
