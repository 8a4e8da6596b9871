package pages

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"concord/internal/emailaddr"
	"concord/internal/invitation"
	"concord/internal/letter"
	"concord/internal/link"
	"concord/internal/locale"
	"concord/internal/relationship"
	"concord/internal/session"
)

// ConsentVersion names the words of the answer page. Raise it whenever what they mean changes.
const ConsentVersion = "2026-12.2"

// consentWords begin the keys of all that who answers reads of what is agreed to: what is asked for and by whom, what
// it means, what is decided, and what stands beside each field of the form. What frames every page, who is signed in,
// and what is wrong with a form are not among them.
var consentWords = []string{
	"order.", "page.agreement.", "page.already.answer", "page.answer.", "page.company", "page.consent.", "page.fact.", "page.form.",
	"page.granular.choice", "page.granular.days.", "page.granular.fact.", "page.granular.heading", "page.granular.months.",
	"page.granular.title", "page.reason.", "page.review.title", "right.choice.", "right.gives.", "right.title.",
}

// consent says which words stand on the answer page in a language: the hash is that of every text of [consentWords],
// each group in the order of its keys, as "key=text" lines.
func consent(p *locale.Printer) invitation.ConsentText {
	made, _ := consents.LoadOrStore(p.Language(), sync.OnceValue(func() invitation.ConsentText { return hashed(p) }))
	return made.(func() invitation.ConsentText)()
}

// consents are those of the languages that were asked for: the words do not change while a function runs.
var consents sync.Map // language → func() invitation.ConsentText

func hashed(p *locale.Printer) invitation.ConsentText {
	h := sha256.New()
	for _, group := range consentWords {
		for key, text := range p.Texts(group) {
			_, _ = fmt.Fprintf(h, "%s=%s\n", key, text)
		}
	}
	return invitation.ConsentText{Version: ConsentVersion, Language: p.Language(), Hash: hex.EncodeToString(h.Sum(nil))}
}

// edition says in a form which words stand on its page, so that an answer is never recorded with other words than those that
// were read.
func edition(c invitation.ConsentText) string { return c.Version + "/" + c.Hash[:16] }

// Edition is that of the words of the page.
func (p *page) Edition() string { return edition(consent(p.Printer)) }

type fact struct{ Label, Value string }

// partner is the legal name of who asks.
func (p *page) partner() string { return p.letter.Inviter.DisplayName }

// provider is the legal name of the indirect provider of a dual invitation.
func (p *page) provider() string { return p.letter.Provider.DisplayName }

// kind is what the request asks for.
func (p *page) kind() invitation.Kind { return p.letter.Invitation.Kind }

// whoAsks is what the operator knows about the partner, and about the provider of a dual invitation.
func (p *page) whoAsks() []fact {
	a := p.letter.Inviter
	facts := []fact{
		{p.T("page.fact.name"), a.DisplayName},
		{p.T("page.fact.domain"), a.VerifiedDomain},
		{p.T("page.fact.country"), p.Country(a.Country)},
	}
	facts = append(facts, p.contact()...)
	if p.kind() == invitation.DualReseller {
		facts = append(facts, fact{p.T("page.fact.provider"), p.provider()}, fact{p.T("page.fact.domain"), p.letter.Provider.VerifiedDomain},
			fact{p.T("page.fact.country"), p.Country(p.letter.Provider.Country)})
	}
	return facts
}

// contact is how to reach the partner; nothing of one that is not vouched for (domain, 0.43).
func (p *page) contact() []fact {
	if !p.letter.Vouched() {
		return nil
	}
	c := p.letter.Inviter.Contact
	var facts []fact
	for _, f := range []fact{{p.T("page.fact.mail"), c.Email}, {p.T("page.fact.phone"), c.Phone}, {p.T("page.fact.website"), c.Website}} {
		if f.Value != "" {
			facts = append(facts, f)
		}
	}
	return facts
}

// mask hides who an address belongs to from whoever else opens the link.
func mask(address string) string {
	at := strings.LastIndexByte(address, '@')
	if at < 1 {
		return ""
	}
	return address[:1] + "•••" + address[at:]
}

// open says how long the invitation stays open; empty while its mail has not left.
func (p *page) open() string {
	until := p.letter.Invitation.ExpiresAt
	if until.IsZero() {
		return ""
	}
	left, date := until.Sub(p.Now), p.DateTime(until)
	if left >= 24*time.Hour {
		return p.T("page.open.days", "n", int((left+12*time.Hour)/(24*time.Hour)), "date", date)
	}
	return p.T("page.open.hours", "n", max(1, int(left/time.Hour)), "date", date)
}

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

// clause is a row of the table of what is agreed to.
type clause struct {
	Text    string
	Allowed bool
	Only    string // instead of a plain no
}

// signing is the part of the form where the customer agreement is signed.
type signing struct {
	Title, Lead, Read, Label  string
	Text, Address, Lang, Hash string
	Ticked                    bool
}

// wording says in a form which words of an agreement stand on its page.
func wording(t relationship.AttestedText) string {
	return t.Version + "/" + t.Language + "/" + t.Hash[:min(16, len(t.Hash))]
}

// sign offers the customer agreement (domain, 0.8).
func (p *page) sign() *signing {
	if p.offer == nil {
		return nil
	}
	t := p.offer.Text
	s := &signing{
		Title: p.T("page.agreement.title"), Lead: p.T("page.agreement.lead", "partner", p.partner()), Read: p.T("page.agreement.read", "title", t.Title, "version", t.Version),
		Label: p.T("page.agreement.sign", "company", p.company()), Text: t.Body, Address: t.URL, Lang: t.Language, Hash: wording(p.offer.Words()), Ticked: p.form.Agreement,
	}
	switch {
	case p.needsAgreement:
		s.Lead = p.T("page.agreement.needed", "operator", p.Operator)
	case p.letter.Provides().DisplayName != "":
		s.Lead = p.T("order.agreement.provider", "provider", p.letter.Provides().DisplayName)
	case !p.letter.OrdersItself():
		s.Lead = p.T("order.agreement.indirect", "partner", p.partner())
	}
	return s
}

type option struct {
	Value, Label string
	Selected     bool
}

// fields are what a form shows: what was entered, and what is wrong with it.
type fields struct {
	entered
	Partner, Company     string
	Choice, Hint, Strong string // what is decided, what accepting means, and the strongest right that it gives
	// Full is set for accepting or declining, and not where only declining is possible.
	Full      bool
	Reasons   []option
	AskName   bool     // the company is asked what it is called
	Countries []option // empty when the country is known
	Sign      *signing // what can be signed; nil for nothing
	Faults    map[string]string
	// Authorise is what the explicit box of a partnership says, empty for no box (rule N5).
	Authorise string
}

// fault is an entry of the list of errors: where it leads and what to do.
type fault struct{ Anchor, Text string }

// formView is what the template of a form gets.
type formView struct {
	*page
	fields
}

// Form gives the template of a form its fields.
func (p *page) Form(f fields) formView { return formView{p, f} }

// Fault says what is wrong with a field; empty for nothing.
func (f formView) Fault(name string) string { return f.Faults[name] }

// mark is what is written above a field that is wrong.
type mark struct{ Text, ID, Prefix string }

// About gives the mark of a field.
func (f formView) About(name string) mark {
	return mark{f.Faults[name], anchors[name], f.T("page.error.prefix")}
}

// clauses is what the template of a table of clauses gets.
type clauses struct {
	*page
	Partner string
	Rows    []clause
}

// termsView is what the template of the terms of granular administration gets.
type termsView struct {
	*page
	granularTerms
}

// Terms gives that template its terms.
func (p *page) Terms(t granularTerms) termsView { return termsView{p, t} }

// Clauses gives the template of a table whose rows say what a partner may do.
func (p *page) Clauses(partner string, rows []clause) clauses { return clauses{p, partner, rows} }

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

// company is the name of the company of who is signed in.
func (p *page) company() string {
	of, declared := p.person.Company, ""
	if a := p.letter.Invitation.Answer; a != nil && a.Tenant == of.Tenant {
		declared = a.Company
	}
	return cmp.Or(of.CompanyName, declared, strings.Join(of.Domains[:min(1, len(of.Domains))], ""), p.T("page.company"))
}

// account says who is signed in.
func (p *page) account() string { return cmp.Or(p.person.Email, p.person.Name, p.person.Subject) }

// maxEcho bounds what is shown again of a field that was too long, in characters.
const maxEcho = 2 * invitation.MaxComment

func echo(s string) string {
	r := []rune(strings.ToValidUTF8(s, "\uFFFD"))
	return string(r[:min(len(r), maxEcho)])
}

var reasonTexts = map[string]string{
	"unknown-company": "page.reason.unknown-company",
	"other-partner":   "page.reason.other-partner",
	"no-need":         "page.reason.no-need",
	"other":           "page.reason.something-else",
}

func (p *page) fields(full bool) fields {
	f := fields{
		entered: p.form, Choice: p.question(), Hint: p.T("page.form.accept.hint", "partner", p.partner()), Strong: p.gives(),
		Partner: p.partner(), Company: p.company(), Full: full, Faults: map[string]string{},
	}
	switch p.kind() {
	case invitation.DualReseller:
		f.Hint = p.T("page.form.accept.hint.dual", "partner", p.partner(), "provider", p.provider())
	case invitation.Partnership:
		if full {
			f.Authorise = p.T("page.form.provider", "partner", p.partner(), "company", p.company())
		}
	}
	f.FullName, f.JobTitle, f.Comment = echo(f.FullName), echo(f.JobTitle), echo(f.Comment)
	for _, r := range invitation.Reasons {
		f.Reasons = append(f.Reasons, option{r, p.T(reasonTexts[r]), r == f.Reason})
	}
	f.CompanyName = echo(f.CompanyName)
	f.AskName = full && p.person.Company.CompanyName == "" && p.kind() != invitation.Partnership
	if full && p.person.Company.Country == "" {
		f.Countries = p.countries(f.Country)
	}
	if full {
		f.Sign = p.sign()
	}
	for _, finding := range p.invalid {
		name := strings.TrimPrefix(finding.Pointer, "/")
		text := p.complaint(name)
		f.Faults[name] = text
		p.Summary = append(p.Summary, fault{anchors[name], text})
	}
	if p.reworded { // where the words begin
		begin := "reseller"
		switch {
		case p.purpose == link.Granular:
			begin = "granular"
		case p.kind() == invitation.Partnership:
			begin = "partnership"
		}
		p.Summary = append(p.Summary, fault{begin, p.T("page.error.words")})
	}
	slices.SortStableFunc(p.Summary, func(a, b fault) int {
		return cmp.Compare(slices.Index(inOrder, a.Anchor), slices.Index(inOrder, b.Anchor))
	})
	return f
}

// inOrder are the ids of the fields as they stand on the page.
var inOrder = []string{"f-accept", "f-reason", "f-comment", "f-company", "f-country", "f-agreement", "f-name", "f-title", "f-provider", "f-confirm"}

// anchors are the ids by field. None contains a word by which programs find the sign-in or the form.
var anchors = map[string]string{
	"answer": "f-accept", "authorized": "f-confirm", "fullName": "f-name", "jobTitle": "f-title",
	"companyName": "f-company", "country": "f-country", "reason": "f-reason", "comment": "f-comment", "confirm": "f-confirm", "authorizeProvider": "f-provider",
	"signAgreement": "f-agreement", "firstName": "f-first", "lastName": "f-last", "email": "f-email", "phone": "f-phone",
}

// complaint says what to do about a field.
func (p *page) complaint(field string) string {
	blank := func(value, missing, invalid string) string {
		if strings.TrimSpace(value) == "" {
			return p.T(missing)
		}
		return p.T(invalid)
	}
	switch field {
	case "answer":
		return p.T("page.error.choice")
	case "authorized":
		return p.T("page.error.authority", "company", p.company())
	case "authorizeProvider":
		return p.T("page.error.provider", "partner", p.partner())
	case "fullName":
		return blank(p.form.FullName, "page.error.name.missing", "page.error.name.invalid")
	case "jobTitle":
		return blank(p.form.JobTitle, "page.error.title.missing", "page.error.title.invalid")
	case "companyName":
		return p.T("page.error.company")
	case "country":
		return p.T("page.error.country")
	case "signAgreement":
		return p.T("page.error.agreement")
	case "reason":
		return p.T("page.error.reason")
	default:
		return p.T("page.error.comment", "limit", invitation.MaxComment)
	}
}

// countries are in the order in which a reader of the language looks for them.
func (p *page) countries(selected string) []option {
	var all []option
	for code, name := range p.Countries() {
		all = append(all, option{code, name, code == selected})
	}
	return all
}

// IsResult reports whether the page is one that says what an answer came to.
func (p *page) IsResult() bool {
	_, is := p.Content.(result)
	return is
}

// result is the last page: what was answered, when, and what happens next.
type result struct {
	Lead, Reference string
	Strong          string // the strongest right that was given; empty for none
	Accepted        bool
	Facts           []fact
	Next            []string
	Link, Label     string // of a button; empty for none
}

func (p *page) answerFacts() []fact {
	given := p.letter.Invitation.Answer
	return []fact{
		{p.T("page.fact.at"), p.DateTime(given.At)},
		{p.T("page.fact.by"), given.FullName},
		{p.T("page.fact.company"), p.company()},
		{p.T("page.fact.partner"), p.partner()},
	}
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

// receipts says who is told of the answer by mail, and what can be done with that.
func (p *page) receipts() []string {
	inv := p.letter.Invitation
	to, own := mask(inv.RecipientEmail), mask(inv.Answer.Email)
	switch {
	case to == "" && own == "":
		return nil
	case to == "":
		return []string{p.T("page.result.receipt", "to", own, "partner", p.partner())}
	case own == "":
		return []string{p.T("page.result.receipt", "to", to, "partner", p.partner()), p.T("page.result.dispute", "to", to)}
	default:
		return []string{p.T("page.result.receipts", "to", to, "own", own, "partner", p.partner()), p.T("page.result.dispute", "to", to)}
	}
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

// notice is a page that says what stands in the way and what can be done.
type notice struct {
	Text  []string
	Facts []fact
	// List is what remains, below its title.
	ListTitle string
	List      []string
	Link      string // where the button leads; empty for none
	Label     string
	Stranger  string // where who does not know the partner says so; empty for nowhere
	Copy      string // a text to copy; empty for none
	CopyHint  string
	Decline   *fields
}

func unknownLink(p *page) any {
	p.Title = p.T("page.unknown.title")
	return notice{
		Text: []string{p.T("page.unknown.text"), p.T("page.unknown.cut"), p.T("page.unknown.ask")},
		Link: customerPath + p.chosen, Label: p.T("page.customer.all"),
	}
}

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

func answered(p *page) any {
	p.Title = p.T("page.answered.title")
	n := notice{Text: []string{p.T("page.answered.text", "partner", p.partner())}}
	if p.person == nil {
		n.Text = append(n.Text, p.T("page.answered.own"))
		n.Link, n.Label = p.SignIn, p.T("page.answered.sign-in")
	}
	return n
}

// otherAccount is where a person signs in as somebody else.
func (p *page) otherAccount() string {
	if strings.Contains(p.SignIn, "?") {
		return p.SignIn + "&switch=1"
	}
	return p.SignIn + "?switch=1"
}

// SignedIn says who is signed in; empty for nobody, also on a form whose session has ended.
func (p *page) SignedIn() string {
	if p.person == nil || p.obstacle == sessionIsOver {
		return ""
	}
	return p.T("page.answer.account", "account", p.account(), "company", p.company())
}

// signedIn is SignedIn as facts.
func (p *page) signedIn() []fact {
	if p.obstacle == sessionIsOver {
		return nil
	}
	return []fact{{p.T("page.fact.account"), p.account()}, {p.T("page.fact.company"), p.company()}}
}

func wrongTenant(p *page) any {
	p.Title = p.T("page.wrong-tenant.title")
	return notice{Facts: p.signedIn(), Link: p.otherAccount(), Label: p.T("page.switch"), Stranger: p.Report,
		Text: []string{p.T("page.wrong-tenant.text", "partner", p.partner()), p.T("page.nothing-used")}}
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

// ruledOut is a page of a request that cannot be accepted but can be declined.
func (p *page) ruledOut(title string, text ...string) any {
	p.Title = title
	decline := p.fields(false)
	n := notice{Facts: p.signedIn(), Link: p.otherAccount(), Label: p.T("page.switch"), Text: text, Decline: &decline}
	if p.obstacle == sessionIsOver {
		n.Link = "" // where to sign in stands above
	}
	return n
}

// partnerNotActive names whose account is not active, of two that ask together, and says nothing that vouches for it. Who may answer can
// decline; who is not signed in need not do anything.
func partnerNotActive(p *page) any {
	barred := p.partner()
	if a := p.letter.Barred(); a != nil {
		barred = a.DisplayName
	}
	title, text := p.T("page.partner-not-active.title"), p.T("page.partner-not-active.text", "partner", barred, "operator", p.Operator)
	if p.person != nil && p.letter.Declines {
		return p.ruledOut(title, text)
	}
	p.Title = title
	n := notice{Text: append([]string{text}, p.ignore()...), Stranger: p.Report}
	if p.person != nil {
		n.Facts, n.Link, n.Label = p.signedIn(), p.otherAccount(), p.T("page.switch")
	}
	return n
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

func regionNotAllowed(p *page) any {
	// The country is the one that was chosen in the form, or that of the sign-in.
	country := cmp.Or(p.person.Company.Country, p.form.Country)
	partner, theirs := p.partner(), p.letter.Inviter.Country
	if p.kind() == invitation.Partnership {
		return p.ruledOut(p.T("page.region-not-allowed.title"), p.T("page.region-not-allowed.partnership",
			"partner", partner, "theirs", p.Country(theirs), "yours", p.Country(country)))
	}
	if p.kind() == invitation.DualReseller && p.regions.Check(theirs, country) == nil { // then it is the other of the two
		partner, theirs = p.provider(), p.letter.Provider.Country
	}
	return p.ruledOut(p.T("page.region-not-allowed.title"), p.T("page.region-not-allowed.text",
		"partner", partner, "theirs", p.Country(theirs), "yours", p.Country(country)))
}

func troubled(p *page) any {
	p.Title = p.T("page.service-trouble.title")
	n := notice{Text: []string{p.T("page.service-trouble.text")}}
	if (p.purpose == link.Answer || p.purpose == link.Granular || p.purpose == link.Verify) && p.aside == "" { // a link that is over does not work when all is well again
		n.Text = append(n.Text, p.T("page.link-works"))
	}
	return n
}

func notUnderstood(p *page) any {
	p.Title = p.T("page.malformed.title")
	return notice{Text: []string{p.T("page.malformed.text")}, Link: p.Here, Label: p.T("page.back")}
}

func fromElsewhere(p *page) any {
	p.Title = p.T("page.cross-origin.title")
	return notice{Text: []string{p.T("page.cross-origin.text")}}
}

func attemptOver(p *page) any {
	p.Title = p.T("page.sign-in-over.title")
	return notice{Text: []string{p.T("page.sign-in-over.text"), p.T("page.nothing-used")}, Link: p.Here, Label: p.T("page.back")}
}

func refused(p *page) any {
	p.Title = p.T("page.sign-in-refused.title")
	return notice{Link: p.Here, Label: p.T("page.back"),
		Text:     []string{p.T("page.sign-in-refused.text"), p.T("page.nothing-used")},
		CopyHint: p.T("page.sign-in-refused.forward"),
		Copy:     p.T("page.sign-in-refused.copy", "portal", p.Portal, "operator", p.Operator)}
}

func personalAccount(p *page) any {
	p.Title = p.T("page.no-company.title")
	return notice{Text: []string{p.T("page.no-company.text"), p.T("page.nothing-used")},
		Link: p.otherAccount(), Label: p.T("page.switch")}
}
