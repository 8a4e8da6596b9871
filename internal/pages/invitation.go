package pages

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"slices"

	"concord/internal/emailaddr"
	"concord/internal/invitation"
	"concord/internal/letter"
	"concord/internal/link"
	"concord/internal/locale"
	"concord/internal/problem"
	"concord/internal/relationship"
	"concord/internal/session"
)

func (h *site) open(w http.ResponseWriter, r *http.Request) {
	if v, ok := h.visitor(w, r, link.Answer, ""); ok {
		h.opened(w, r, v)
	}
}

// opened shows what a request for a relationship or a partnership leads to, however it was found.
func (h *site) opened(w http.ResponseWriter, r *http.Request, v *visit) {
	letter, c, err := h.Invitations.Look(r.Context(), v.link, v.person, r.URL.Query().Has(done))
	if err != nil {
		h.trouble(w, r, v, err)
		return
	}
	v.letter = letter
	h.show(w, r, v, outcomes[c])
}

// lookAnswer is [looking] for the answer to an invitation.
func (h *site) lookAnswer(ctx context.Context, v *visit) (outcome, bool, error) {
	letter, c, err := h.Invitations.Look(ctx, v.link, v.person, true)
	v.letter = letter
	return outcomes[c], c.MayDecline(), err
}

// answer is [site.answered] for a link.
func (h *site) answer(w http.ResponseWriter, r *http.Request) {
	if v, ok := h.visitor(w, r, link.Answer, ""); ok {
		h.answered(w, r, v)
	}
}

// answered carries out an answer. A crash before the domain's write leaves the form to be sent again; one after it, or an
// answer that gets lost, shows the result when the form is sent again.
func (h *site) answered(w http.ResponseWriter, r *http.Request, v *visit) {
	if _, ok := h.sent(w, r, v, h.lookAnswer); !ok {
		return
	}
	here := v.here(r)
	words := consent(locale.For(locale.Match(v.form.Words, r.URL.Query().Get("lang"), r.Header.Get("Accept-Language"))))
	if v.form.WordsRead != "" && v.form.WordsRead != edition(words) {
		h.askAgain(w, r, v)
		return
	}
	var signs *relationship.AttestedText
	if v.form.Agreement && v.form.Answer == "accept" {
		offer, err := h.Invitations.Offer(r.Context(), *v.person, words.Language)
		if err != nil {
			h.trouble(w, r, v, err)
			return
		}
		if offer != nil {
			if signs = new(offer.Words()); v.form.AgreementRead != wording(*signs) {
				h.askAgain(w, r, v)
				return
			}
		}
	}
	letter, c, err := h.Invitations.Respond(r.Context(), v.link, *v.person, invitation.Response{
		Answer: v.form.Answer, Authorized: v.form.Authorized, AuthorizeProvider: v.form.AuthorizeProvider, FullName: v.form.FullName, JobTitle: v.form.JobTitle,
		CompanyName: v.form.CompanyName, Country: v.form.Country, Reason: v.form.Reason, Comment: v.form.Comment,
		Signer: invitation.Signer{FirstName: v.form.FirstName, LastName: v.form.LastName, Email: v.form.Email, Phone: v.form.Phone}, Consent: words, Signs: signs, CorrelationID: rand.Text(),
	})
	v.letter = letter
	p, _ := errors.AsType[*problem.Error](err)
	switch {
	case p != nil && slices.ContainsFunc(p.Findings, func(f problem.Finding) bool {
		return slices.Contains([]string{"/firstName", "/lastName", "/email", "/phone"}, f.Pointer)
	}):
		h.show(w, r, v, malformed) // the page has no such field
	case p != nil && len(p.Findings) > 0:
		o := outcomes[c]
		// Accepting where only declining is possible is no mistake in the form: the page says why.
		if c == invitation.Form || v.form.Answer == "decline" {
			v.invalid = p.Findings
			o.status = http.StatusUnprocessableEntity
		}
		h.show(w, r, v, o)
	case err != nil:
		h.trouble(w, r, v, err)
	case c == invitation.AcceptedBy, c == invitation.DeclinedBy:
		h.Log.InfoContext(r.Context(), "answered", "invitation", v.link.ID, "case", string(c))
		// A browser goes on to the result, so that a reload asks and does not send.
		h.redirect(w, r, v, after(here))
	default:
		h.show(w, r, v, outcomes[c])
	}
}

// askAgain shows the form with what was entered, since other words stand on it now than those that were read (invariant 14).
func (h *site) askAgain(w http.ResponseWriter, r *http.Request, v *visit) {
	letter, c, err := h.Invitations.Look(r.Context(), v.link, v.person, true)
	if err != nil {
		h.trouble(w, r, v, err)
		return
	}
	v.letter = letter
	o := outcomes[c]
	if c == invitation.Form {
		v.reworded = true
		o.status = http.StatusUnprocessableEntity
	}
	h.show(w, r, v, o)
}

// kind is what the request asks for.
func (p *page) kind() invitation.Kind { return p.letter.Invitation.Kind }

// asked is what the first page says of a request.
type asked struct {
	Partner, Ask, Strong string
	Already              string // that the company has agreed to it in another request; empty where it has not
	Facts                []fact
}

func review(p *page) any {
	facts := p.whoAsks()
	if to := mask(p.letter.Invitation.RecipientEmail); to != "" {
		facts = append(facts, fact{p.T("page.fact.to"), to})
	}
	if open := p.open(); open != "" {
		facts = append(facts, fact{p.T("page.fact.open"), open})
	}
	var already string
	if moot := p.letter.Invitation.Moot; moot != nil {
		already = p.T("page.already.review", "partner", p.partner(), "date", p.DateTime(moot.Since))
	}
	p.Title = p.heading()
	return asked{p.partner(), p.asks(), p.gives(), already, facts}
}

// asks is what a request would like to do, in one sentence.
func (p *page) asks() string {
	names := []any{"partner", p.partner(), "provider", p.provider()}
	administration := p.letter.Invitation.RequestDelegatedAdmin
	switch {
	case p.kind() == invitation.Partnership:
		return p.T("page.review.ask.partnership", names...)
	case p.kind() == invitation.DualReseller && administration:
		return p.T("page.review.ask.dual.administration", names...)
	case p.kind() == invitation.DualReseller:
		return p.T("page.review.ask.dual", names...)
	case administration:
		return p.T("page.review.ask.administration", names...)
	default:
		return p.T("page.review.ask", names...)
	}
}

// part is a section of the answer page: what one partner may do, or what it may not.
type part struct {
	ID, Title     string
	Tag           string // whether it is asked for; empty where that is no question
	Strong        bool
	Partner, Lead string
	Orders        string // who orders; empty where a row says it
	Rows          []clause
	Care          string
}

func form(p *page) any {
	partner := p.partner()
	p.Title = p.heading()
	content := struct {
		Company        string
		Already        string // empty where an acceptance grants something
		Facts          []fact
		Parts          []part
		Granular       *granularTerms // nil where none is asked for
		Unchanged, End []string
		Record         string
		Fields         fields
	}{
		Company: p.company(), Facts: []fact{{p.T("page.fact.name"), partner}, {p.T("page.fact.domain"), p.letter.Inviter.VerifiedDomain}},
		Record: p.T("page.consent.record", "operator", p.Operator), Fields: p.fields(true),
	}
	if p.letter.Already {
		content.Already = p.T("page.already.answer", "company", p.company(), "partner", partner)
	}
	switch p.kind() {
	case invitation.Partnership:
		content.Parts = p.authorisation()
		content.Unchanged = []string{p.T("page.consent.partnership.customers"), p.T("page.consent.unchanged.administrators"), p.T("page.consent.partnership.providers")}
		content.End = []string{p.T("page.consent.partnership.end"), p.T("page.consent.access.end")}
		return content
	case invitation.DualReseller:
		content.Facts = append(content.Facts, fact{p.T("page.fact.provider"), p.provider()}, fact{p.T("page.fact.domain"), p.letter.Provider.VerifiedDomain})
		content.Parts = []part{p.reselling(), p.providing(), p.administering()}
		content.End = []string{p.T("page.consent.end.ask", "partner", p.provider())}
	default:
		content.Parts = []part{p.reselling(), p.administering()}
	}
	content.Unchanged = []string{p.T("page.consent.unchanged.contracts"), p.T("page.consent.unchanged.administrators"), p.T("page.consent.unchanged.partners")}
	content.End = append([]string{p.T("page.consent.end.ask", "partner", partner)}, content.End...)
	content.End = append(content.End, p.T("page.consent.end.operator", "partner", partner, "operator", p.Operator))
	if p.letter.Invitation.RequestDelegatedAdmin {
		content.End = append(content.End, p.T("page.consent.end.administration"))
	}
	if p.beside() {
		content.Granular = new(p.terms())
		content.End = append(content.End, p.T("page.consent.granular.end.later"))
	}
	return content
}

// reselling is what a reseller may do, and whether it orders itself (0.33).
func (p *page) reselling() part {
	manage := clause{Text: p.T("page.consent.manage")}
	if p.letter.Invitation.RequestDelegatedAdmin {
		manage.Only = p.T("page.consent.below")
	}
	rows := []clause{{Text: p.T("page.consent.sell"), Allowed: true}}
	orders := ""
	if p.letter.OrdersItself() {
		rows = append(rows, clause{Text: p.T("page.consent.order"), Allowed: true})
	} else {
		orders = letter.Orders(p.Printer, p.letter)
		rows = append(rows, clause{Text: p.T("order.consent.place")})
	}
	return part{
		ID: "reseller", Title: p.T("page.answer.reseller"), Partner: p.partner(), Lead: p.T("page.consent.reseller", "company", p.company(), "partner", p.partner()),
		Orders: orders,
		Rows:   append(rows, clause{Text: p.T("page.consent.know"), Allowed: true}, manage, clause{Text: p.T("page.consent.others")}, clause{Text: p.T("page.consent.charge")}),
	}
}

// providing is what the indirect provider of a dual invitation may do (rules D4 and D5).
func (p *page) providing() part {
	return part{
		ID: "provider", Title: p.T("page.answer.provider"), Partner: p.provider(),
		Lead: p.T("page.consent.provider", "company", p.company(), "partner", p.partner(), "provider", p.provider()),
		Rows: []clause{
			{Text: p.T("page.consent.provider.order", "partner", p.partner()), Allowed: true},
			{Text: p.T("page.consent.know"), Allowed: true},
			{Text: p.T("page.consent.manage")},
			{Text: p.T("page.consent.others")},
			{Text: p.T("page.consent.charge")},
		},
	}
}

// administering is the delegated administration, asked for or not.
func (p *page) administering() part {
	of := part{ID: "administration", Title: p.T("page.answer.administration"), Partner: p.partner()}
	if !p.letter.Invitation.RequestDelegatedAdmin {
		of.Tag, of.Lead = p.T("page.answer.not-asked"), p.T("page.consent.no-administration", "partner", p.partner())
		return of
	}
	of.Tag, of.Strong, of.Lead, of.Care = p.T("page.answer.asked"), true, p.T("page.consent.administration", "partner", p.partner()), p.T("page.consent.care", "partner", p.partner())
	of.Rows = []clause{
		{Text: p.T("page.consent.administer"), Allowed: true},
		{Text: p.T("page.consent.support"), Allowed: true},
		{Text: p.T("page.consent.lock-out")},
	}
	return of
}

// authorisation is what an indirect provider may do, the administration of the reseller's own account apart (rule N7).
func (p *page) authorisation() []part {
	partner := p.partner()
	return []part{{
		ID: "partnership", Title: p.T("page.answer.partnership"), Partner: partner, Lead: p.T("page.consent.partnership", "company", p.company(), "partner", partner),
		Rows: []clause{
			{Text: p.T("page.consent.partnership.order"), Allowed: true},
			{Text: p.T("page.consent.partnership.add"), Allowed: true},
			{Text: p.T("page.consent.partnership.record"), Allowed: true},
			{Text: p.T("page.consent.partnership.know"), Allowed: true},
			{Text: p.T("page.consent.partnership.import")},
			{Text: p.T("page.consent.charge")},
		},
	}, {
		ID: "administration", Title: p.T("page.answer.access"), Tag: p.T("page.answer.asked"), Strong: true, Partner: partner,
		Lead: p.T("page.consent.access", "company", p.company(), "partner", partner),
		Rows: []clause{{Text: p.T("page.consent.administer"), Allowed: true}, {Text: p.T("page.consent.lock-out")}},
		Care: p.T("page.consent.care", "partner", partner),
	}}
}

func accepted(p *page) any {
	partner, inv := p.partner(), p.letter.Invitation
	p.Title = p.T("page.accepted.title")
	r := result{
		Accepted: true, Reference: inv.Reference(), Facts: p.answerFacts(),
	}
	r.Lead, r.Next = p.gained()
	r.Strong = p.given()
	switch {
	case inv.Sandbox:
		r.Lead, r.Next, r.Strong = p.T("page.accepted.rehearsal", "partner", partner), nil, ""
	case inv.Answer.NoChange:
		r.Lead, r.Next, r.Strong = p.T("page.accepted.no-change", "partner", partner), nil, ""
		if inv.Answer.AgreementSigned { // the one thing that did
			r.Next = []string{letter.Orders(p.Printer, p.letter)}
		}
	case p.kind() != invitation.Partnership:
		if inv.RequestDelegatedAdmin {
			r.Link, r.Label = customerPath+p.chosen, p.T("page.customer.all")
		}
		if relationship.CheckIdentity(p.person.Company, inv.RecipientEmail) == relationship.Unproven {
			r.Next = append(r.Next, p.T("order.identity", "partner", partner, "domain", session.DomainOf(inv.RecipientEmail)))
		}
	}
	if inv.Answer.Granular {
		r.Next = append(r.Next, p.T("page.granular.also", "partner", partner, "roles", letter.Roles(p.roles, p.grant.Roles), "date", p.DateTime(p.grant.EndAt)))
		r.Link, r.Label = p.Granular, p.T("page.granular.end.action")
	}
	r.Next = append(append(r.Next, p.receipts()...), p.T("page.result.keep", "partner", partner))
	return r
}

// gained says what an acceptance has given, and what follows.
func (p *page) gained() (lead string, next []string) {
	partner, inv := p.partner(), p.letter.Invitation
	orders := letter.Orders(p.Printer, p.letter)
	names := []any{"partner", partner, "company", p.company()}
	switch {
	case inv.Kind == invitation.Partnership:
		return p.T("page.accepted.lead.partnership", names...), []string{p.T("page.accepted.listed.partnership", "partner", partner), p.T("page.consent.access.end")}
	case inv.Kind == invitation.DualReseller:
		names = append(names, "provider", p.provider())
		lead = p.T("page.accepted.lead.dual", names...)
		if inv.RequestDelegatedAdmin {
			lead = p.T("page.accepted.lead.dual.administration", names...)
		}
		return lead, []string{p.T("page.accepted.listed.dual", "partner", partner, "provider", p.provider()), orders}
	case inv.RequestDelegatedAdmin:
		lead = p.T("page.accepted.lead.administration", names...)
	default:
		lead = p.T("page.accepted.lead", names...)
	}
	return lead, []string{p.T("page.accepted.listed", "partner", partner), orders}
}

func declined(p *page) any {
	partner := p.partner()
	p.Title = p.T("page.declined.title")
	return result{
		Reference: p.letter.Invitation.Reference(), Facts: p.answerFacts(),
		Lead: p.T("page.declined.lead", "partner", partner),
		Next: slices.Concat([]string{p.T("page.declined.told", "partner", partner), p.T("page.declined.again", "partner", partner)},
			p.receipts(), []string{p.T("page.result.keep", "partner", partner)}),
	}
}

// Rehearsal reports whether the page is one of a rehearsal, which every page of it says.
func (p *page) Rehearsal() bool { return p.letter.Invitation.Sandbox }

func expired(p *page) any {
	p.Title = p.T("page.expired.title")
	return notice{Facts: append([]fact{{p.T("page.fact.name"), p.partner()}}, p.contact()...), Link: p.Renewal, Label: p.T("page.renewal.title"), Text: []string{
		p.T("page.expired.text", "date", p.DateTime(p.letter.Invitation.ExpiresAt)), p.T("page.expired.ask", "partner", p.partner())}}
}

func superseded(p *page) any {
	p.Title = p.T("page.superseded.title")
	return notice{Text: []string{p.T("page.superseded.text", "partner", p.partner()), p.T("page.superseded.ask")},
		Link: p.Renewal, Label: p.T("page.renewal.title")}
}

func notAdmin(p *page) any {
	p.Title = p.T("page.not-admin.title")
	forward := []any{"partner", emailaddr.Disarm(p.partner()), "domain", p.letter.Inviter.VerifiedDomain, "portal", p.Portal, "operator", p.Operator}
	text := p.T("page.not-admin.copy", forward...)
	if p.kind() == invitation.Partnership {
		text = p.T("page.not-admin.copy.partnership", forward...)
	}
	return notice{Facts: p.signedIn(), Link: p.otherAccount(), Label: p.T("page.switch"), Stranger: p.Report,
		Text:     []string{p.T("page.not-admin.text"), p.T("page.nothing-used")},
		CopyHint: p.T("page.not-admin.forward"),
		Copy:     text,
	}
}

// partnershipRequired is of a reseller and a provider that ask together and do not work together now (invariant 4).
func partnershipRequired(p *page) any {
	return p.ruledOut(p.T("page.partnership-required.title"), p.T("page.partnership-required.text", "partner", p.partner(), "provider", p.provider()))
}

// notEnrolled offers enrolment; the same link works afterwards (rules N12 and P6, X-e).
func notEnrolled(p *page) any {
	decline := p.fields(false)
	p.Title = p.T("page.reseller-not-enrolled.title")
	return notice{
		Facts: p.signedIn(), Link: p.Here, Label: p.T("page.reseller-not-enrolled.again"), Decline: &decline,
		Text: []string{p.T("page.reseller-not-enrolled.text", "company", p.company()), p.T("page.reseller-not-enrolled.how", "operator", p.Operator), p.T("page.nothing-used")},
	}
}

func cloudMismatch(p *page) any {
	if p.kind() == invitation.Partnership {
		return p.ruledOut(p.T("page.cloud-mismatch.title"), p.T("page.cloud-mismatch.partnership", "partner", p.partner(), "portal", p.Portal))
	}
	return p.ruledOut(p.T("page.cloud-mismatch.title"), p.T("page.cloud-mismatch.text", "partner", p.partner(), "portal", p.Portal))
}
