package pages

import (
	"crypto/rand"
	"errors"
	"net/http"
	"slices"

	"concord/internal/emailaddr"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/letter"
	"concord/internal/problem"
	"concord/internal/relationship"
	"concord/internal/session"
)

// lookInvitation is [looking] for an invitation. Who has just answered, or sends a form, reads it as it is now.
func (h *site) lookInvitation(r *http.Request, v *visit) (outcome, bool, error) {
	just := r.Method == http.MethodPost || r.URL.Query().Has(done)
	t, c, err := h.Invitations.Look(r.Context(), v.link, v.person, just)
	v.invited(t)
	return outcomes[c], c.MayDecline(), err
}

// answerInvitation carries out an answer.
func (h *site) answerInvitation(r *http.Request, v *visit, _ func(string) string) (step, error) {
	words := consent(v.words(r))
	if v.readOthers(edition(words)) {
		return h.rereads(r, v)
	}
	signs, same, err := h.signed(r, v, words.Language)
	if err != nil {
		return step{}, err
	}
	if !same {
		return h.rereads(r, v)
	}
	f := v.form
	t, c, err := h.Invitations.Respond(r.Context(), v.link, *v.person, invitation.Response{
		Answer: f.Answer, Authorized: f.Authorized, AuthorizeProvider: f.AuthorizeProvider, FullName: f.FullName, JobTitle: f.JobTitle,
		CompanyName: f.CompanyName, Country: f.Country, Reason: f.Reason, Comment: f.Comment, Consent: words, Signs: signs, CorrelationID: rand.Text(),
		Signer: invitation.Signer{FirstName: f.FirstName, LastName: f.LastName, Email: f.Email, Phone: f.Phone},
	})
	v.invited(t)
	if ofSigner(err) {
		return step{outcome: malformed}, nil // the page has no such field
	}
	// Accepting where only declining is possible is no mistake in the form: the page says why.
	s := step{outcome: outcomes[c], form: c == invitation.Form || f.Answer == "decline"}
	if s.done = err == nil && (c == invitation.AcceptedBy || c == invitation.DeclinedBy); s.done {
		h.Log.InfoContext(r.Context(), "answered", "invitation", v.link.ID, "case", string(c))
	}
	return s, err
}

// rereads shows the form of an invitation with what was entered, since other words stand on it now.
func (h *site) rereads(r *http.Request, v *visit) (step, error) {
	t, c, err := h.Invitations.Look(r.Context(), v.link, v.person, true)
	v.invited(t)
	return step{outcome: outcomes[c], reworded: c == invitation.Form}, err
}

// signed gives the words of the customer agreement that are signed with an acceptance, nil for none, and false where they are other words
// than those that were read.
func (h *site) signed(r *http.Request, v *visit, lang string) (words *relationship.AttestedText, same bool, err error) {
	if !v.form.Agreement || v.form.Answer != "accept" {
		return nil, true, nil
	}
	offer, err := h.Invitations.Offer(r.Context(), *v.person, lang)
	if err != nil || offer == nil {
		return nil, true, err
	}
	words = new(offer.Words())
	return words, v.form.AgreementRead == wording(*words), nil
}

// ofSigner reports whether a refusal is about who signs the customer agreement.
func ofSigner(err error) bool {
	p, _ := errors.AsType[*problem.Error](err)
	return p != nil && slices.ContainsFunc(p.Findings, func(f problem.Finding) bool {
		return slices.Contains([]string{"/firstName", "/lastName", "/email", "/phone"}, f.Pointer)
	})
}

// kind is what differs between the pages of the kinds of invitation: keys of texts, and sections. Of two keys the second is for a request
// that asks for delegated administration as well.
type kind struct {
	ask       [2]string
	parts     func(*invitationPage) []part
	begins    string // the section with which the words begin
	unchanged []string
	ends      func(*invitationPage) []string
	hint      string // what accepting means
	authorise string // what the explicit box says (rule N5); empty for no box
	lead      [2]string
	listed    func(*invitationPage) []string // what follows an acceptance
	copied    string                         // what is copied for who may answer
	// otherCloud and otherRegion say why a company of another cloud, or of another region, cannot accept.
	otherCloud, otherRegion string
}

var kinds = map[invitation.Kind]kind{
	invitation.Reseller: {
		ask:    [2]string{"page.review.ask", "page.review.ask.administration"},
		parts:  func(p *invitationPage) []part { return []part{p.reselling(), p.administering()} },
		begins: "reseller", unchanged: contractsUnchanged, ends: (*invitationPage).relationshipEnds,
		hint: "page.form.accept.hint",
		lead: [2]string{"page.accepted.lead", "page.accepted.lead.administration"},
		listed: func(p *invitationPage) []string {
			return []string{p.T("page.accepted.listed", "partner", p.partner()), letter.Orders(p.Printer, p.letter)}
		},
		copied: "page.not-admin.copy", otherCloud: "page.cloud-mismatch.text", otherRegion: "page.region-not-allowed.text",
	},
	invitation.DualReseller: {
		ask:    [2]string{"page.review.ask.dual", "page.review.ask.dual.administration"},
		parts:  func(p *invitationPage) []part { return []part{p.reselling(), p.providing(), p.administering()} },
		begins: "reseller", unchanged: contractsUnchanged, ends: (*invitationPage).relationshipEnds,
		hint: "page.form.accept.hint.dual",
		lead: [2]string{"page.accepted.lead.dual", "page.accepted.lead.dual.administration"},
		listed: func(p *invitationPage) []string {
			return []string{p.T("page.accepted.listed.dual", "partner", p.partner(), "provider", p.provider()), letter.Orders(p.Printer, p.letter)}
		},
		copied: "page.not-admin.copy", otherCloud: "page.cloud-mismatch.text", otherRegion: "page.region-not-allowed.text",
	},
	invitation.Partnership: {
		ask:    [2]string{"page.review.ask.partnership", "page.review.ask.partnership"},
		parts:  (*invitationPage).authorisation,
		begins: "partnership",
		unchanged: []string{
			"page.consent.partnership.customers", "page.consent.unchanged.administrators", "page.consent.partnership.providers",
		},
		ends: func(p *invitationPage) []string {
			return []string{p.T("page.consent.partnership.end"), p.T("page.consent.access.end")}
		},
		hint: "page.form.accept.hint", authorise: "page.form.provider",
		lead: [2]string{"page.accepted.lead.partnership", "page.accepted.lead.partnership"},
		listed: func(p *invitationPage) []string {
			return []string{p.T("page.accepted.listed.partnership", "partner", p.partner()), p.T("page.consent.access.end")}
		},
		copied: "page.not-admin.copy.partnership", otherCloud: "page.cloud-mismatch.partnership", otherRegion: "page.region-not-allowed.partnership",
	},
}

var contractsUnchanged = []string{
	"page.consent.unchanged.contracts", "page.consent.unchanged.administrators", "page.consent.unchanged.partners",
}

// kind is what differs between the pages of its kind and others.
func (p *invitationPage) kind() kind { return kinds[p.letter.Invitation.Kind] }

// provider is the legal name of the indirect provider of a dual invitation.
func (p *invitationPage) provider() string { return p.letter.Provider.DisplayName }

// names are those that texts of every kind may name.
func (p *invitationPage) names() []any {
	return []any{"partner", p.partner(), "provider", p.provider()}
}

// which chooses between two keys.
func (p *invitationPage) which(keys [2]string) string {
	if p.letter.Invitation.RequestDelegatedAdmin {
		return keys[1]
	}
	return keys[0]
}

// whoAsks is also about the provider of a dual invitation.
func (p *invitationPage) whoAsks() []fact {
	facts := p.page.whoAsks()
	if a := p.letter.Provider; p.letter.Invitation.Kind.NamesProvider() {
		facts = append(facts, fact{p.T("page.fact.provider"), a.DisplayName}, fact{p.T("page.fact.domain"), a.VerifiedDomain},
			fact{p.T("page.fact.country"), p.Country(a.Country)})
	}
	return facts
}

// asks is what a request would like to do, in one sentence.
func (p *invitationPage) asks() string { return p.T(p.which(p.kind().ask), p.names()...) }

// first is what the first page says of a request.
type first struct {
	Partner, Ask, Strong string
	Already              string // that the company has agreed to it in another request; empty where it has not
	Facts                []fact
}

func review(p *invitationPage) any {
	facts := p.whoAsks()
	if to := p.to(); to != "" {
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
	return first{p.partner(), p.asks(), p.gives(), already, facts}
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

func form(p *invitationPage) any {
	partner, k := p.partner(), p.kind()
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
		Company: p.company(), Facts: []fact{{p.T("page.fact.name"), partner}, {p.T("page.fact.domain"), p.from.VerifiedDomain}},
		Parts: k.parts(p), End: k.ends(p), Record: p.T("page.consent.record", "operator", p.Operator), Fields: p.answering(),
	}
	if p.letter.Already {
		content.Already = p.T("page.already.answer", "company", p.company(), "partner", partner)
	}
	for _, key := range k.unchanged {
		content.Unchanged = append(content.Unchanged, p.T(key))
	}
	if a := p.letter.Provider; p.letter.Invitation.Kind.NamesProvider() {
		content.Facts = append(content.Facts, fact{p.T("page.fact.provider"), a.DisplayName}, fact{p.T("page.fact.domain"), a.VerifiedDomain})
	}
	if beside := p.letter.Asks(p.Now); beside != nil {
		content.Granular = new(p.terms(beside.At(p.Now)))
		content.End = append(content.End, p.T("page.consent.granular.end.later"))
	}
	return content
}

// relationshipEnds says how the relationships end that a customer gives.
func (p *invitationPage) relationshipEnds() []string {
	ends := []string{p.T("page.consent.end.ask", "partner", p.partner())}
	if p.letter.Invitation.Kind.NamesProvider() {
		ends = append(ends, p.T("page.consent.end.ask", "partner", p.provider()))
	}
	ends = append(ends, p.T("page.consent.end.operator", "partner", p.partner(), "operator", p.Operator))
	if p.letter.Invitation.RequestDelegatedAdmin {
		ends = append(ends, p.T("page.consent.end.administration"))
	}
	return ends
}

// answering are the fields of the form that accepts or declines.
func (p *invitationPage) answering() fields {
	k := p.kind()
	f := p.fields(true, k.begins)
	f.Choice, f.Strong, f.Hint = p.question(), p.gives(), p.T(k.hint, p.names()...)
	if k.authorise != "" {
		f.Authorise = p.T(k.authorise, "partner", p.partner(), "company", p.company())
	}
	f.AskName = f.AskName && !p.letter.Invitation.Kind.AsksPartner() // a reseller has an account that says its name
	f.Sign = p.signing()
	return f
}

// signing offers the customer agreement, and says what it is for.
func (p *invitationPage) signing() *signing {
	s := p.sign()
	switch {
	case s == nil:
	case p.needsAgreement:
		s.Lead = p.T("page.agreement.needed", "operator", p.Operator)
	case p.letter.Provides().DisplayName != "":
		s.Lead = p.T("order.agreement.provider", "provider", p.letter.Provides().DisplayName)
	case !p.letter.OrdersItself():
		s.Lead = p.T("order.agreement.indirect", "partner", p.partner())
	}
	return s
}

// reselling is what a reseller may do, and whether it orders itself (0.33).
func (p *invitationPage) reselling() part {
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
func (p *invitationPage) providing() part {
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
func (p *invitationPage) administering() part {
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
func (p *invitationPage) authorisation() []part {
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

func accepted(p *invitationPage) any {
	partner, inv := p.partner(), p.letter.Invitation
	p.Title = p.T("page.accepted.title")
	r := result{
		Accepted: true, Reference: inv.Reference(), Facts: p.answerFacts(), Strong: p.given(),
		Lead: p.T(p.which(p.kind().lead), append(p.names(), "company", p.company())...), Next: p.kind().listed(p),
	}
	switch {
	case inv.Sandbox:
		r.Lead, r.Next, r.Strong = p.T("page.accepted.rehearsal", "partner", partner), nil, ""
	case inv.Answer.NoChange:
		r.Lead, r.Next, r.Strong = p.T("page.accepted.no-change", "partner", partner), nil, ""
		if inv.Answer.AgreementSigned { // the one thing that did
			r.Next = []string{letter.Orders(p.Printer, p.letter)}
		}
	case !inv.Kind.AsksPartner():
		if inv.RequestDelegatedAdmin {
			r.Link, r.Label = customerPath+p.chosen, p.T("page.customer.all")
		}
		if relationship.CheckIdentity(p.person.Company, inv.RecipientEmail) == relationship.Unproven {
			r.Next = append(r.Next, p.T("order.identity", "partner", partner, "domain", session.DomainOf(inv.RecipientEmail)))
		}
	}
	if inv.Answer.Granular {
		var g granular.Relationship // zero where the partner has deleted it since
		if p.letter.Granular != nil {
			g = p.letter.Granular.At(p.Now)
		}
		r.Next = append(r.Next, p.T("page.granular.also", "partner", partner, "roles", letter.Roles(p.roles, g.Roles), "date", p.DateTime(g.EndAt)))
		r.Link, r.Label = p.Granular, p.T("page.granular.end.action")
	}
	r.Next = append(append(r.Next, p.receipts()...), p.T("page.result.keep", "partner", partner))
	return r
}

func declined(p *invitationPage) any {
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
func (p *page) Rehearsal() bool { return p.rehearsal }

func expired(p *page) any {
	p.Title = p.T("page.expired.title")
	return notice{Facts: append([]fact{{p.T("page.fact.name"), p.partner()}}, p.contact()...), Link: p.Renewal, Label: p.T("page.renewal.title"), Text: []string{
		p.T("page.expired.text", "date", p.DateTime(p.until)), p.T("page.expired.ask", "partner", p.partner())}}
}

func superseded(p *page) any {
	p.Title = p.T("page.superseded.title")
	return notice{Text: []string{p.T("page.superseded.text", "partner", p.partner()), p.T("page.superseded.ask")},
		Link: p.Renewal, Label: p.T("page.renewal.title")}
}

func notAdmin(p *invitationPage) any {
	return p.forwarding(p.T(p.kind().copied, "partner", emailaddr.Disarm(p.partner()), "domain", p.from.VerifiedDomain, "portal", p.Portal, "operator", p.Operator))
}

// partnershipRequired is of a reseller and a provider that ask together and do not work together now (invariant 4).
func partnershipRequired(p *invitationPage) any {
	return p.ruledOut(p.T("page.partnership-required.title"), p.T("page.partnership-required.text", "partner", p.partner(), "provider", p.provider()))
}

// notEnrolled offers enrolment; the same link works afterwards (rules N12 and P6, X-e).
func notEnrolled(p *page) any {
	decline := p.fields(false, "")
	p.Title = p.T("page.reseller-not-enrolled.title")
	return notice{
		Facts: p.signedIn(), Link: p.Here, Label: p.T("page.reseller-not-enrolled.again"), Decline: &decline,
		Text: []string{p.T("page.reseller-not-enrolled.text", "company", p.company()), p.T("page.reseller-not-enrolled.how", "operator", p.Operator), p.T("page.nothing-used")},
	}
}

func regionNotAllowed(p *invitationPage) any {
	partner, theirs := p.partner(), p.from.Country
	if a := p.letter.Provider; p.letter.Invitation.Kind.NamesProvider() && p.regions.Check(theirs, p.country()) == nil { // then it is the other of the two
		partner, theirs = a.DisplayName, a.Country
	}
	return p.otherRegion(p.kind().otherRegion, partner, theirs)
}

func cloudMismatch(p *invitationPage) any {
	return p.ruledOut(p.T("page.cloud-mismatch.title"), p.T(p.kind().otherCloud, "partner", p.partner(), "portal", p.Portal))
}
