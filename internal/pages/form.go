package pages

import (
	"cmp"
	"errors"
	"mime"
	"net/http"
	"slices"
	"strings"

	"concord/internal/invitation"
	"concord/internal/relationship"
)

// entered is the form as it was filled in.
type entered struct {
	Answer, FullName, JobTitle, CompanyName, Country, Reason, Comment string
	Authorized, AuthorizeProvider                                     bool
	// Words is the language that the form was in, and WordsRead which words those were, as [edition] says it. Who fills in no
	// form but sends its fields may leave them out.
	Words, WordsRead string
	// Agreement says that the customer agreement is signed, and AgreementRead which words of it were read, as [wording] says it.
	Agreement     bool
	AgreementRead string
	// Signs and the next four are of the customer agreement on the company's own page.
	Signs                             bool
	FirstName, LastName, Email, Phone string

	Confirmed bool // the box of a form that has no other
	// FilledBy says who began to fill the form in, as [session.Room.Filler] does.
	FilledBy string
}

// unreadable is the page for a body that is no form of ours.
func unreadable(err error) outcome {
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return tooLong
	}
	return malformed
}

var errNotAForm = errors.New("pages: not a form")

// The ways in which a form is sent. Browsers use the first for ours; a mail provider may use either (RFC 8058).
const (
	urlEncoded = "application/x-www-form-urlencoded"
	multipart  = "multipart/form-data"
)

// formOf reads a form that was sent in one of some ways, and gives its fields. A field that is sent twice says nothing.
func formOf(w http.ResponseWriter, r *http.Request, ways ...string) (func(name string) string, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	way, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || !slices.Contains(ways, way) {
		return nil, errNotAForm
	}
	if way == multipart {
		err = r.ParseMultipartForm(maxBody) // all of it fits into memory
	} else {
		err = r.ParseForm()
	}
	if err != nil {
		return nil, err
	}
	return func(name string) string {
		if v := r.PostForm[name]; len(v) == 1 {
			return v[0]
		}
		return ""
	}, nil
}

// filled takes what a form of ours says.
func filled(one func(name string) string) entered {
	return entered{
		Answer: one("answer"), Authorized: one("authorized") == "on", AuthorizeProvider: one("authorizeProvider") == "on", FullName: one("fullName"), JobTitle: one("jobTitle"),
		CompanyName: one("companyName"), Country: one("country"), Reason: one("reason"), Comment: strings.ReplaceAll(one("comment"), "\r\n", "\n"),
		Words: one("words"), WordsRead: one("wordsRead"), Agreement: one("signAgreement") == "on", AgreementRead: one("agreementRead"),
		Signs: one("signAgreement") == "on", FirstName: one("firstName"), LastName: one("lastName"), Email: one("email"), Phone: one("phone"),
		Confirmed: one("confirm") == "on", FilledBy: one("filledBy"),
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

// fields are those of every form that answers. Begins is the section with which the words of the page begin.
func (p *page) fields(full bool, begins string) fields {
	f := fields{entered: p.form, Partner: p.partner(), Company: p.company(), Full: full, Faults: map[string]string{}}
	f.FullName, f.JobTitle, f.Comment = echo(f.FullName), echo(f.JobTitle), echo(f.Comment)
	for _, r := range invitation.Reasons {
		f.Reasons = append(f.Reasons, option{r, p.T(reasonTexts[r]), r == f.Reason})
	}
	f.CompanyName = echo(f.CompanyName)
	f.AskName = full && p.person.Company.CompanyName == ""
	if full && p.person.Company.Country == "" {
		f.Countries = p.countries(f.Country)
	}
	for _, finding := range p.invalid {
		name := strings.TrimPrefix(finding.Pointer, "/")
		text := p.complaint(name)
		f.Faults[name] = text
		p.Summary = append(p.Summary, fault{anchors[name], text})
	}
	if p.reworded { // where the words begin
		p.Summary = append(p.Summary, fault{begins, p.T("page.error.words")})
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

// given reads a form that anybody with the link may send, a mail program as well, and gives its fields. When it gives false the request has
// been answered: the form is no form of ours, or was sent for its page in another language.
func (h *site) given(w http.ResponseWriter, r *http.Request, v *visit, look looking) (field func(string) string, ok bool) {
	field, err := formOf(w, r, urlEncoded, multipart)
	if err != nil {
		h.show(w, r, v, unreadable(err))
		return nil, false
	}
	v.form = filled(field)
	if !translated(r, field) {
		return field, true
	}
	o, _, err := look(r, v)
	if err != nil {
		h.trouble(w, r, v, err)
		return nil, false
	}
	h.show(w, r, v, o)
	return nil, false
}
