package console

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"concord/internal/enrolment"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/terms"
)

func (h *site) enrolmentRoutes() []route {
	enrols := audience{operation: partner.Enrol, anybody: true}
	all := []route{
		{method: http.MethodGet, path: "/enrolment", page: "console-enrolment", section: "console.menu.enrolment",
			who: audience{anybody: true}, serve: h.enrolment},
		{method: http.MethodPost, path: "/enrolment", page: "console-enrolment", who: enrols,
			serve: h.act(h.enrolment, h.doEnrolment)},
	}
	for _, one := range []struct {
		name  string
		shown func(*visit) (*page, error)
		do    func(*visit) (to, said string, err error)
	}{
		{"company", h.enrolCompany, h.saveCompany}, {"address", h.enrolAddress, h.saveAddress},
		{"contact", h.enrolContact, h.saveContact}, {"support", h.enrolSupport, h.saveSupport},
		{"partner-id", h.enrolPartnerID, h.savePartnerID}, {"check", h.enrolCheck, h.submitEnrolment},
		{"agreement", h.enrolAgreement, h.signEnrolment}, {"withdraw", h.enrolWithdraw, h.withdrawEnrolment},
	} {
		at, name := "/enrolment/"+one.name, "console-enrolment-"+one.name
		all = append(all, route{method: http.MethodGet, path: at, page: name, who: enrols, serve: one.shown},
			route{method: http.MethodPost, path: at, page: name, who: enrols, serve: h.act(one.shown, one.do)})
	}
	return all
}

// application is what every page of the stepper shows: where the company is, and what there is to say or to do next.
type application struct {
	Steps   []step
	Text    []string
	Facts   []fact
	Checks  *checks
	Asked   *fact // what the operator needs to know
	Words   *quotation
	Load    *action // the words as a file
	Form    bool
	Hidden  *hidden
	Choices []choice
	Fields  []field
	Buttons []action
	Links   []action
	Tables  []table
}

// stages are the stepper. Those of the full path alone are what an account says already (rule E2).
var stages = []struct {
	path, key string
	full      bool
	done      func(e enrolment.Enrolment) bool
}{
	{"", "console-enrol.step.before", false, func(enrolment.Enrolment) bool { return true }},
	{"company", "console-enrol.step.company", true, func(e enrolment.Enrolment) bool { return e.Legal.Name != "" }},
	{"address", "console-enrol.step.address", true, func(e enrolment.Enrolment) bool { return e.Address.Choice != "" }},
	{"contact", "console-enrol.step.contact", true, func(e enrolment.Enrolment) bool { return e.Contact.Email != "" }},
	{"support", "console-enrol.step.support", false, func(e enrolment.Enrolment) bool { return e.Support.Email != "" }},
	{"partner-id", "console-enrol.step.partner-id", false, func(e enrolment.Enrolment) bool { return e.Location != nil }},
	{"check", "console-enrol.step.check", false, func(e enrolment.Enrolment) bool { return !e.SubmittedAt.IsZero() }},
	{"confirm", "console-enrol.step.confirm", true, func(e enrolment.Enrolment) bool { return !e.Verification.VerifiedAt.IsZero() }},
	{"review", "console-enrol.step.review", true, func(e enrolment.Enrolment) bool {
		return e.Status == enrolment.Authorized || e.Status == enrolment.Active
	}},
	{"agreement", "console-enrol.step.agreement", false, func(e enrolment.Enrolment) bool { return e.MPA != nil }},
	{"active", "console-enrol.step.active", false, func(e enrolment.Enrolment) bool { return e.Status == enrolment.Active }},
}

var enrolmentStates = map[enrolment.Status]pill{
	enrolment.Draft:             {plainState, "console-enrol.status.draft"},
	enrolment.EmailVerification: {wait, "console-enrol.status.confirm"},
	enrolment.InVetting:         {info, "console-enrol.status.review"},
	enrolment.ActionRequired:    {wait, "console-enrol.status.needed"},
	enrolment.Authorized:        {good, "console-enrol.status.authorized"},
	enrolment.Active:            {good, "console-enrol.status.active"},
	enrolment.Rejected:          {stop, "console-enrol.status.rejected"},
	enrolment.Withdrawn:         {plainState, "console-enrol.status.withdrawn"},
}

// enrolmentNow is where a status rests in the stepper.
var enrolmentNow = map[enrolment.Status]string{
	enrolment.EmailVerification: "confirm", enrolment.InVetting: "review", enrolment.Authorized: "agreement",
	enrolment.Active: "active",
}

// own gives the newest application of the company, and nil where there is none.
func (h *site) own(v *visit) (*enrolment.Enrolment, error) {
	e, err := h.Enrolments.Latest(v.ctx(), v.user)
	if problem.Is(err, problem.NotFound) {
		return nil, nil
	}
	return &e, err
}

// enrolmentPage begins a page of the stepper.
func (v *visit) enrolmentPage(title string, e *enrolment.Enrolment, now string) (*page, *application) {
	p, a := v.page(title), &application{}
	p.Template = "enrolment"
	var of enrolment.Enrolment
	if e != nil {
		of = *e
		p.Pill = v.worded(enrolmentStates[e.Status])
		a.Hidden = v.hiddenOf(e.Version)
	} else {
		a.Hidden = v.hiddenOf(0)
	}
	changes := e == nil || !e.Status.Open() || e.Status == enrolment.Draft || e.Status == enrolment.ActionRequired
	fast := v.fastTrack(e)
	for n, s := range stages {
		if fast && s.full {
			continue
		}
		one := step{Label: v.T(s.key), Current: s.path == now, Done: e != nil && e.Status.Open() && s.done(of)}
		if n == 0 || n < 7 && changes && e != nil && e.Status.Open() {
			one.Href = strings.TrimSuffix(enrolmentPath+"/"+s.path, "/")
		}
		a.Steps = append(a.Steps, one)
	}
	if now != "" && p.Name != "console-enrolment" {
		p.Parent = &action{Label: v.T("console-enrol.title"), Href: enrolmentPath}
	}
	p.Content = a
	return p, a
}

func (v *visit) fastTrack(e *enrolment.Enrolment) bool {
	if e != nil && e.Status.Open() {
		return e.Path == enrolment.FastTrack
	}
	return v.account != nil
}

// enrolment is where a company stands, and what it does next (rules E1 to E17).
func (h *site) enrolment(v *visit) (*page, error) {
	if !v.permitted(partner.Enrol) {
		p, a := v.enrolmentPage("console-enrol.title", nil, "")
		a.Steps = nil
		a.Text = []string{v.T("console-enrol.ask")}
		if v.account != nil {
			a.Text = []string{v.T("console.enrolment.has", "company", v.account.DisplayName)}
		}
		return p, nil
	}
	e, err := h.own(v)
	if err != nil {
		return nil, err
	}
	if e == nil || !e.Status.Open() {
		return v.beforeEnrolment(e), nil
	}
	p, a := v.enrolmentPage("console-enrol.title", e, enrolmentNow[e.Status])
	a.Facts = []fact{{Label: v.T("console-enrol.fact.reference"), Value: e.Reference()},
		{Label: v.T("console.fact.name"), Value: cmp.Or(e.Legal.Name, v.T("console.none"))}}
	switch e.Status {
	case enrolment.Draft:
		a.Text = []string{v.T("console-enrol.draft")}
		p.Primary = &action{Label: v.T("console-enrol.continue"), Href: v.firstOpen(*e)}
	case enrolment.EmailVerification:
		v.confirmingMail(a, *e)
	case enrolment.InVetting:
		v.reviewing(p, a, *e)
	case enrolment.ActionRequired:
		a.Asked = v.asked(*e)
		a.Text = []string{v.T("console-enrol.needed")}
		p.Primary = &action{Label: v.T("console-enrol.answer"), Href: enrolmentPath + "/check"}
	case enrolment.Authorized:
		a.Text = []string{v.T("console-enrol.approved")}
		p.Primary = &action{Label: v.T("console-enrol.agreement.read"), Href: enrolmentPath + "/agreement"}
		if e.Location == nil {
			a.Text = append(a.Text, v.T("console-enrol.later"))
			p.Primary = &action{Label: v.T("console-enrol.step.partner-id"), Href: enrolmentPath + "/partner-id"}
		}
	case enrolment.Active:
		v.enrolled(a, e.MPA)
	}
	if e.Status != enrolment.Active {
		a.Links = append(a.Links, action{Label: v.T("console-enrol.withdraw"), Href: enrolmentPath + "/withdraw"})
	}
	return p, nil
}

// beforeEnrolment says what a company needs at hand before it begins (rules E1, E2), and what became of an application
// that has ended.
func (v *visit) beforeEnrolment(e *enrolment.Enrolment) *page {
	p, a := v.enrolmentPage("console-enrol.title", e, "")
	if e != nil && e.Status == enrolment.Rejected && e.Reason != "" {
		p.Notes = append(p.Notes, note{State: stop, Text: []string{v.T("console-enrol.rejected"), e.Reason}})
	}
	if c := v.account; c != nil && c.Has(partner.IndirectReseller) && c.MPA != nil && c.AssociatedPartnerID != "" {
		p.Pill = nil
		v.enrolled(a, c.MPA)
		return p
	}
	if v.account != nil {
		a.Text = []string{v.T("console-enrol.fast")}
	} else {
		a.Text = []string{v.T("console-enrol.before"), v.T("console-enrol.before.admin"), v.T("console-enrol.before.company"),
			v.T("console-enrol.before.partner-id"), v.T("console-enrol.before.days")}
	}
	a.Form, a.Buttons = true, []action{{Label: v.T("console-enrol.begin"), Do: "start"}}
	a.Hidden = v.hiddenOf(0)
	return p
}

// firstOpen is the first step that is not done.
func (v *visit) firstOpen(e enrolment.Enrolment) string {
	for _, s := range stages[1:7] {
		if !s.done(e) && (!s.full || e.Path == enrolment.Full) {
			return enrolmentPath + "/" + s.path
		}
	}
	return enrolmentPath + "/check"
}

// confirmingMail waits for the primary contact (rule E12).
func (v *visit) confirmingMail(a *application, e enrolment.Enrolment) {
	a.Text = []string{v.T("console-enrol.confirm", "to", e.Contact.Email), v.T("console-enrol.confirm.change")}
	a.Facts = append(a.Facts, fact{Label: v.T("console-enrol.fact.contact"), Value: e.Contact.Email},
		fact{Label: v.T("console-enrol.fact.link"), Time: v.at(e.Verification.ExpiresAt)})
	a.Form, a.Buttons = true, []action{{Label: v.T("console-enrol.resend"), Do: "resend-verification"}}
}

// reviewing says until when there is a decision, and what to do when there is none (rules E13, E14).
func (v *visit) reviewing(p *page, a *application, e enrolment.Enrolment) {
	a.Text = []string{v.T("console-enrol.review")}
	a.Facts = append(a.Facts, fact{Label: v.T("console-enrol.fact.due"), Time: v.at(e.ReviewDueAt)})
	if e.OverdueAt(v.now) {
		p.Notes = append(p.Notes, note{State: wait, Text: []string{v.T("console-enrol.overdue", "operator",
			v.h.Operator.Name, "contact", v.h.Operator.Contact, "reference", e.Reference())}})
	}
}

// enrolled is the information about the program (rules E15 to E17).
func (v *visit) enrolled(a *application, mpa *partner.Agreement) {
	a.Text = []string{v.T("console-enrol.active"), v.T("console-enrol.admin-agent")}
	signed := fact{Label: v.T("console-enrol.fact.mpa"), Pill: &pill{wait, v.T("console-enrol.mpa.unsigned")}}
	if mpa != nil {
		signed.Pill = &pill{good, v.T("console-enrol.mpa.signed")}
	}
	a.Facts = append(a.Facts, signed)
	if mpa != nil {
		a.Facts = append(a.Facts, fact{Label: v.T("console-enrol.fact.signed"), Time: v.at(mpa.SignedAt)})
	}
	a.Facts = append(a.Facts, fact{Label: v.T("console.program.indirect-reseller"),
		Pill: v.worded(enrolmentStates[enrolment.Active])})
	a.Links = append(a.Links, action{Label: v.T("console-enrol.agreement.read"), Href: enrolmentPath + "/agreement"})
}

// asked is what the operator last needed to know; nil for nothing.
func (v *visit) asked(e enrolment.Enrolment) *fact {
	if n := len(e.Questions); n > 0 && e.Status == enrolment.ActionRequired {
		return &fact{Label: v.T("console-enrol.asked"), Value: e.Questions[n-1].Text}
	}
	return nil
}

// doEnrolment begins an application, with what an earlier one said, or has the link mailed again.
func (h *site) doEnrolment(v *visit) (to, said string, err error) {
	e, err := h.own(v)
	if err != nil {
		return "", "", err
	}
	switch v.form.do() {
	case "resend-verification":
		if e == nil {
			return enrolmentPath, "", nil
		}
		_, _, err = h.Enrolments.ResendVerification(v.ctx(), v.command(), e.ID)
		return enrolmentPath, "console-enrol.did.resent", err
	case "start":
		made, _, err := h.Enrolments.Start(v.ctx(), v.command(), v.resumed(e))
		return v.firstOpen(made), "", flat(err)
	}
	return "", "", problem.New(problem.MalformedRequest, "This is nothing to do.")
}

// resumed is what an application that was withdrawn had said, so that only what changes is written anew.
func (v *visit) resumed(e *enrolment.Enrolment) enrolment.Particulars {
	p := enrolment.Particulars{Locale: new(v.Language())}
	if e == nil || e.Status != enrolment.Withdrawn || e.Path != enrolment.Full || v.account != nil ||
		e.Contact == (enrolment.Person{}) {
		return p
	}
	if l := e.Legal; l.Entry != "" {
		p.Legal = &enrolment.LegalForm{Entry: new(string(l.Entry)), Name: &l.Name, Address: &l.Address}
		if l.Entry == enrolment.ByDUNS {
			p.Legal = &enrolment.LegalForm{Entry: new(string(l.Entry)), DUNS: &l.DUNS}
		} else if e.Address.Choice == enrolment.Original || len(e.Address.Suggested) > 0 {
			p.Choice = &e.Address.Choice
		}
	}
	p.Contact = &e.Contact
	if e.Support != (partner.SupportProfile{}) {
		p.Support = &e.Support
	}
	return p
}

// keep puts what a step says into the application, and begins one where none is open.
func (h *site) keep(v *visit, p enrolment.Particulars) error {
	e, err := h.own(v)
	if err != nil {
		return err
	}
	open := e != nil && e.Status.Open()
	switch {
	case open && enrolment.Allowed(e.Status, enrolment.Save) != nil:
		return enrolment.Allowed(e.Status, enrolment.Save)
	case p.Support == nil && v.fastTrack(e), p.Choice != nil && (!open || e.Legal.Address.Country == ""):
		return notNow()
	}
	if !open {
		p.Locale = new(v.Language())
		_, _, err = h.Enrolments.Start(v.ctx(), v.command(), p)
	} else {
		_, _, err = h.Enrolments.Save(v.ctx(), v.command(), e.ID, p)
	}
	return flat(err)
}

// notNow refuses what has no form at this stage.
func notNow() error {
	return problem.New(problem.EnrolmentStateConflict, "This is not possible at this stage of the enrolment.")
}

// flat has the findings of a refusal at the names of a form's fields: /legal/address/line1 is legal-address-line1.
func flat(err error) error {
	refusal, ok := err.(*problem.Error) //nolint:errorlint // use cases give it as it is
	if !ok {
		return err
	}
	n := *refusal
	n.Findings = slices.Clone(n.Findings)
	for i, f := range n.Findings {
		n.Findings[i].Pointer = "/" + strings.ReplaceAll(strings.TrimPrefix(f.Pointer, "/"), "/", "-")
	}
	return &n
}

// stepPage begins the page of a step that is filled in. Without form it says why nothing can be said there now.
func (h *site) stepPage(v *visit, title, now string, full bool) (*page, *application, enrolment.Enrolment, error) {
	e, err := h.own(v)
	if err != nil {
		return nil, nil, enrolment.Enrolment{}, err
	}
	p, a := v.enrolmentPage(title, e, now)
	var of enrolment.Enrolment
	if e != nil && e.Status.Open() {
		of = *e
	}
	a.Form = of.Status == "" || enrolment.Allowed(of.Status, enrolment.Save) == nil
	switch {
	case full && v.fastTrack(e):
		a.Form, a.Text = false, []string{v.T("console-enrol.fast")}
	case !a.Form:
		a.Text = []string{v.T("console-enrol.not-now")}
	}
	if !a.Form {
		a.Links = []action{{Label: v.T("console.back"), Href: enrolmentPath}}
	}
	return p, a, of, nil
}

// next are the buttons under a step.
func (v *visit) next() []action { return []action{{Label: v.T("console-enrol.save"), Do: "save"}} }

// address are the fields of a postal address.
func (v *visit) addressFields(prefix string, a enrolment.Address) []field {
	countries := v.input("select", prefix+"country", v.T("console.column.country"), a.Country)
	countries.Options = []option{{Value: "", Label: v.T("console-enrol.choose")}}
	for code, name := range v.Countries() {
		countries.Options = append(countries.Options, option{Value: code, Label: name, Selected: code == countries.Value})
	}
	line := v.input("text", prefix+"line1", v.T("console-enrol.line1"), a.Line1)
	more := v.input("text", prefix+"line2", v.T("console-enrol.line2"), a.Line2)
	city := v.input("text", prefix+"city", v.T("console-enrol.city"), a.City)
	state := v.input("text", prefix+"state", v.T("console-enrol.state"), a.State)
	code := v.input("text", prefix+"postalCode", v.T("console-enrol.postal"), a.PostalCode)
	line.Autocomplete, more.Autocomplete, city.Autocomplete = "address-line1", "address-line2", "address-level2"
	state.Autocomplete, code.Autocomplete, countries.Autocomplete = "address-level1", "postal-code", "country"
	more.Optional, state.Optional, code.Optional = true, true, true
	return []field{countries, line, more, city, state, code}
}

func (f form) text(name string) string {
	if s := f.said(name); s != nil {
		return *s
	}
	return ""
}

func (f form) address(prefix string) enrolment.Address {
	return enrolment.Address{Line1: f.text(prefix + "line1"), Line2: f.text(prefix + "line2"), City: f.text(prefix + "city"),
		State: f.text(prefix + "state"), PostalCode: f.text(prefix + "postalCode"), Country: f.text(prefix + "country")}
}

// enrolCompany takes the profile by the D-U-N-S number, or as it is written by hand (rule E8).
func (h *site) enrolCompany(v *visit) (*page, error) {
	p, a, e, err := h.stepPage(v, "console-enrol.step.company", "company", true)
	if err != nil || !a.Form {
		return p, err
	}
	entry := v.value("legal-entry", cmp.Or(string(e.Legal.Entry), string(enrolment.ByDUNS)))
	a.Choices = []choice{{Printer: v.Printer, Name: "legal-entry", Legend: v.T("console-enrol.entry"), Fault: v.fault("legal-entry"),
		Options: []option{
			{Value: string(enrolment.ByDUNS), Label: v.T("console-enrol.entry.duns"), Hint: v.T("console-enrol.entry.duns.text"),
				Selected: entry == string(enrolment.ByDUNS)},
			{Value: string(enrolment.Manually), Label: v.T("console-enrol.entry.manual"),
				Hint: v.T("console-enrol.entry.manual.text"), Selected: entry == string(enrolment.Manually)},
		}}}
	number := v.input("text", "legal-dunsId", v.T("console-enrol.duns"), e.Legal.DUNS)
	number.Optional, number.Max = true, 11
	by := enrolment.Legal{}
	if e.Legal.Entry == enrolment.Manually {
		by = e.Legal
	}
	name := v.input("text", "legal-name", v.T("console-enrol.name"), by.Name)
	name.Autocomplete = "organization"
	a.Fields = append([]field{number, name}, v.addressFields("legal-address-", by.Address)...)
	a.Buttons = v.next()
	return p, nil
}

func (h *site) saveCompany(v *visit) (to, said string, err error) {
	l := &enrolment.LegalForm{Entry: v.form.said("legal-entry")}
	if v.form.text("legal-entry") == string(enrolment.ByDUNS) {
		l.DUNS = v.form.said("legal-dunsId")
	} else {
		l.Name, l.Address = v.form.said("legal-name"), new(v.form.address("legal-address-"))
	}
	return enrolmentPath + "/address", "", h.keep(v, enrolment.Particulars{Legal: l})
}

// written is an address on one line.
func (v *visit) written(a enrolment.Address) string {
	parts := []string{a.Line1, a.Line2, a.City, a.State, a.PostalCode}
	if a.Country != "" {
		parts = append(parts, v.Country(a.Country))
	}
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ", ")
}

// enrolAddress shows the address as it was written beside how its country writes it; neither is forced (rule E9).
func (h *site) enrolAddress(v *visit) (*page, error) {
	p, a, e, err := h.stepPage(v, "console-enrol.step.address", "address", true)
	if err != nil || !a.Form {
		return p, err
	}
	if e.Legal.Address.Country == "" {
		a.Form, a.Text = false, []string{v.T("console-enrol.address.none")}
		a.Links = []action{{Label: v.T("console-enrol.step.company"), Href: enrolmentPath + "/company"}}
		return p, nil
	}
	a.Facts = []fact{{Label: v.T("console.fact.name"), Value: e.Legal.Name}}
	c := choice{Printer: v.Printer, Name: "addressValidation-choice", Legend: v.T("console-enrol.address"),
		Fault: v.fault("addressValidation-choice"), Options: []option{{Value: string(enrolment.Original),
			Label: v.T("console-enrol.address.original"), Hint: v.written(e.Legal.Address)}}}
	chosen := v.value(c.Name, string(e.Address.Choice))
	if len(e.Address.Suggested) > 0 {
		a.Text = []string{v.T("console-enrol.address.differs")}
		c.Options = append(c.Options, option{Value: string(enrolment.Suggested), Label: v.T("console-enrol.address.suggested"),
			Hint: v.written(e.Address.Suggested[0])})
		chosen = cmp.Or(chosen, string(enrolment.Suggested))
	} else if e.Address.Status == enrolment.AddressInvalid {
		a.Text = []string{v.T("console-enrol.address.doubtful")}
	}
	for n := range c.Options {
		c.Options[n].Selected = c.Options[n].Value == chosen
	}
	a.Choices, a.Buttons = []choice{c}, v.next()
	a.Links = []action{{Label: v.T("console-enrol.address.change"), Href: enrolmentPath + "/company"}}
	return p, nil
}

func (h *site) saveAddress(v *visit) (to, said string, err error) {
	chosen := enrolment.Choice(v.form.text("addressValidation-choice"))
	return enrolmentPath + "/contact", "", h.keep(v, enrolment.Particulars{Choice: &chosen})
}

// enrolContact asks for whom to write to about the application (rules E10, E11).
func (h *site) enrolContact(v *visit) (*page, error) {
	p, a, e, err := h.stepPage(v, "console-enrol.step.contact", "contact", true)
	if err != nil || !a.Form {
		return p, err
	}
	a.Text = []string{v.T("console-enrol.contact")}
	first := v.input("text", "primaryContact-firstName", v.T("console-enrol.first-name"), e.Contact.FirstName)
	last := v.input("text", "primaryContact-lastName", v.T("console-enrol.last-name"), e.Contact.LastName)
	email := v.input("email", "primaryContact-email", v.T("console-enrol.email"), e.Contact.Email)
	phone := v.input("tel", "primaryContact-phone", v.T("console-enrol.phone"), e.Contact.Phone)
	email.Hint, phone.Hint = v.T("console-enrol.contact.webmail"), v.T("console-enrol.phone.hint")
	first.Autocomplete, last.Autocomplete, email.Autocomplete, phone.Autocomplete = "given-name", "family-name", "email", "tel"
	a.Fields, a.Buttons = []field{first, last, email, phone}, v.next()
	return p, nil
}

func (h *site) saveContact(v *visit) (to, said string, err error) {
	return enrolmentPath + "/support", "", h.keep(v, enrolment.Particulars{Contact: &enrolment.Person{
		FirstName: v.form.text("primaryContact-firstName"), LastName: v.form.text("primaryContact-lastName"),
		Email: v.form.text("primaryContact-email"), Phone: v.form.text("primaryContact-phone")}})
}

// enrolSupport asks for whom customers ask for help (rule E3).
func (h *site) enrolSupport(v *visit) (*page, error) {
	p, a, e, err := h.stepPage(v, "console-enrol.step.support", "support", false)
	if err != nil || !a.Form {
		return p, err
	}
	before := e.Support
	if before == (partner.SupportProfile{}) && v.account != nil {
		before = v.account.Support
	}
	a.Text = []string{v.T("console-enrol.support")}
	name := v.input("text", "supportContact-name", v.T("console-enrol.support.name"), before.Name)
	email := v.input("email", "supportContact-email", v.T("console-enrol.email"), before.Email)
	phone := v.input("tel", "supportContact-phone", v.T("console-enrol.phone"), before.Phone)
	name.Optional, phone.Hint = true, v.T("console-enrol.phone.hint")
	a.Fields, a.Buttons = []field{name, email, phone}, v.next()
	return p, nil
}

func (h *site) saveSupport(v *visit) (to, said string, err error) {
	return enrolmentPath + "/partner-id", "", h.keep(v, enrolment.Particulars{Support: &partner.SupportProfile{
		Name: v.form.text("supportContact-name"), Email: v.form.text("supportContact-email"),
		Phone: v.form.text("supportContact-phone")}})
}

// enrolPartnerID associates a PartnerID: one of the company's own, one that is typed, that of a new location, or none
// yet (rules E6, E7, P4).
func (h *site) enrolPartnerID(v *visit) (*page, error) {
	p, a, e, err := h.stepPage(v, "console-enrol.step.partner-id", "partner-id", false)
	if err != nil {
		return nil, err
	}
	a.Form = e.Status != "" && enrolment.Allowed(e.Status, enrolment.Associate) == nil
	if !a.Form {
		a.Text, a.Links = []string{v.T("console-enrol.not-now")}, []action{{Label: v.T("console.back"), Href: enrolmentPath}}
		return p, nil
	}
	a.Text = []string{v.T("console-enrol.partner-id"), v.T("console-enrol.later")}
	a.Links = []action{{Label: v.T("console-enrol.partner-id.later"), Href: enrolmentPath + "/check"}}
	if e.Status != enrolment.Draft && e.Status != enrolment.ActionRequired {
		a.Links[0] = action{Label: v.T("console-enrol.partner-id.later"), Href: enrolmentPath}
	}
	if e.Location != nil {
		a.Facts = []fact{{Label: v.T("console-partner.partner-id"), Value: e.Location.ID}}
	}
	if own := v.ownPartnerIDs(e); len(own) > 0 {
		a.Choices = []choice{{Printer: v.Printer, Name: "own", Legend: v.T("console-enrol.partner-id.own"), Options: own}}
	}
	id := v.input("text", "partnerId", v.T("console-enrol.partner-id.enter"), "")
	id.Max, id.Optional = 20, len(a.Choices) > 0
	if id.Fault == "" {
		id.Fault = v.fault("newLocation")
	}
	a.Fields = []field{id}
	a.Buttons = []action{{Label: v.T("console-enrol.partner-id.use"), Do: "associate"},
		{Label: v.T("console-enrol.partner-id.new"), Do: "newLocation", Quiet: true}}
	return p, nil
}

// ownPartnerIDs are those of the company's account that could be associated; the others say why not.
func (v *visit) ownPartnerIDs(e enrolment.Enrolment) (own []option) {
	if v.account == nil {
		return nil
	}
	for _, id := range v.account.PartnerIDs {
		o := option{Value: id.ID, Label: id.ID, Hint: v.Country(id.Country), Selected: e.Location != nil && e.Location.ID == id.ID}
		if id.Type != partner.Location {
			o.Blocked = v.T("console-enrol.problem.wrong-type")
		} else if home := e.Home(); home != "" && id.Country != home {
			o.Blocked = v.T("console-enrol.problem.wrong-country")
		}
		own = append(own, o)
	}
	return own
}

func (h *site) savePartnerID(v *visit) (to, said string, err error) {
	e, err := h.own(v)
	if err != nil || e == nil {
		return enrolmentPath, "", err
	}
	var id *string
	if v.form.do() != "newLocation" {
		id = new(cmp.Or(v.form.text("partnerId"), v.form.text("own")))
	}
	after, _, err := h.Enrolments.Associate(v.ctx(), v.command(), e.ID, id)
	if err == nil && after.Status != enrolment.Draft && after.Status != enrolment.ActionRequired {
		return enrolmentPath, "console-enrol.did.associated", nil
	}
	if err != nil && problem.Is(err, problem.PartnerIDNotFound) {
		err = atPartnerID(err)
	}
	return enrolmentPath + "/check", "console-enrol.did.associated", flat(err)
}

// atPartnerID has a refusal at its field.
func atPartnerID(err error) error {
	refusal, ok := err.(*problem.Error) //nolint:errorlint // use cases give it as it is
	if !ok || len(refusal.Findings) > 0 {
		return err
	}
	var f problem.Findings
	f.Add("/partnerId", refusal.Code, "%s", refusal.Detail)
	return f.Err()
}

// enrolCheck shows all that was said, and hands it in; what the operator needed to know is answered here.
func (h *site) enrolCheck(v *visit) (*page, error) {
	p, a, e, err := h.stepPage(v, "console-enrol.step.check", "check", false)
	if err != nil || !a.Form {
		return p, err
	}
	if e.Status == "" {
		a.Form, a.Text = false, []string{v.T("console-enrol.not-now")}
		a.Links = []action{{Label: v.T("console.back"), Href: enrolmentPath}}
		return p, nil
	}
	a.Checks = &checks{Printer: v.Printer, Rows: v.enrolmentChecks(e)}
	a.Buttons = []action{{Label: v.T("console-enrol.submit"), Do: "submit"}}
	if a.Asked = v.asked(e); a.Asked != nil {
		answer := v.input("textarea", "answer", v.T("console-enrol.answer"), "")
		answer.Rows, answer.Max, answer.Optional = 4, enrolment.MaxAnswer, true
		answer.Hint = v.T("console-enrol.answer.hint")
		a.Fields = []field{answer}
	}
	return p, nil
}

func (v *visit) enrolmentChecks(e enrolment.Enrolment) (rows []check) {
	add := func(path, label, value string) {
		rows = append(rows, check{Label: label, Value: cmp.Or(value, v.T("console.none")), About: label, ID: path,
			Change: enrolmentPath + "/" + path})
	}
	if e.Path == enrolment.Full {
		add("company", v.T("console-enrol.step.company"), e.Legal.Name)
		add("address", v.T("console-enrol.step.address"), v.written(e.Chosen()))
		add("contact", v.T("console-enrol.step.contact"), strings.Join(slices.DeleteFunc([]string{
			strings.TrimSpace(e.Contact.FirstName + " " + e.Contact.LastName), e.Contact.Email, e.Contact.Phone},
			func(s string) bool { return s == "" }), ", "))
	}
	add("support", v.T("console-enrol.step.support"), strings.Join(slices.DeleteFunc([]string{e.Support.Name,
		e.Support.Email, e.Support.Phone}, func(s string) bool { return s == "" }), ", "))
	id := v.T("console-enrol.partner-id.later")
	if e.Location != nil {
		id = e.Location.ID
	}
	add("partner-id", v.T("console-enrol.step.partner-id"), id)
	return rows
}

func (h *site) submitEnrolment(v *visit) (to, said string, err error) {
	e, err := h.own(v)
	if err != nil || e == nil {
		return enrolmentPath, "", err
	}
	answer := v.form.said("answer")
	if answer != nil && *answer == "" {
		answer = nil
	}
	_, _, err = h.Enrolments.Submit(v.ctx(), v.command(), e.ID, answer)
	return enrolmentPath, "console-enrol.did.submitted", atSteps(flat(err))
}

// atSteps has the findings of a submission at the steps where they are mended.
func atSteps(err error) error {
	refusal, ok := err.(*problem.Error) //nolint:errorlint // it is flat
	if !ok {
		return err
	}
	for i, f := range refusal.Findings {
		for begins, at := range map[string]string{"/legal-address": "/address", "/legal": "/company", "/addressValidation": "/address",
			"/primaryContact": "/contact", "/supportContact": "/support", "/partnerId": "/partner-id"} {
			if strings.HasPrefix(f.Pointer, begins) && !strings.HasPrefix(refusal.Findings[i].Pointer, "/address") {
				refusal.Findings[i].Pointer = at
			}
		}
	}
	return err
}

// enrolAgreement shows the agreement, gives it as a file, and has a Global administrator accept it (rules R4, E15, E16).
func (h *site) enrolAgreement(v *visit) (*page, error) {
	g, err := h.Enrolments.Agreement(v.ctx(), v.user, "")
	if err != nil {
		return nil, err
	}
	if g.Text != nil && v.r.URL.Query().Get("format") == "txt" {
		v.download("partner-agreement-"+g.Text.Version+".txt", g.Text.Title+"\n\n"+g.Text.Body+"\n"+g.Text.URL+"\n")
		return nil, nil
	}
	e, err := h.own(v)
	if err != nil {
		return nil, err
	}
	p, a := v.enrolmentPage("console-enrol.step.agreement", e, "agreement")
	if g.Enrolment == nil {
		a.Hidden = v.hiddenOf(0)
	}
	if t := g.Text; t != nil {
		a.Words = &quotation{t.Title, t.Body, t.URL, t.Language, t.Version}
		a.Load = &action{Label: v.T("console-enrol.agreement.download"), Href: v.query("format", "txt")}
	}
	switch {
	case g.Signed != nil:
		a.Facts = []fact{{Label: v.T("console-enrol.fact.mpa"), Pill: &pill{good, v.T("console-enrol.mpa.signed")}},
			{Label: v.T("console-enrol.fact.signed"), Time: v.at(g.Signed.SignedAt)}}
	case g.Text == nil:
		a.Text = []string{v.sentence(problem.AgreementTextNotConfigured, "")}
	case !v.ripe(g):
		a.Text = []string{v.T("console-enrol.agreement.not-yet")}
	case !v.located(g):
		a.Text = []string{v.T("console-enrol.later")}
		a.Links = []action{{Label: v.T("console-enrol.step.partner-id"), Href: enrolmentPath + "/partner-id"}}
	default:
		box := v.input("check", "accepted", v.T("console-enrol.agreement.accept"), "")
		a.Fields = []field{box, {Kind: "hidden", Name: "textVersion", Value: g.Text.Version}}
		a.Form, a.Buttons = true, []action{{Label: v.T("console-enrol.agreement.sign"), Do: "sign"}}
	}
	return p, nil
}

// ripe reports whether the company is so far that it signs.
func (v *visit) ripe(g enrolment.Signing) bool {
	if g.Enrolment != nil {
		return g.Enrolment.Status == enrolment.Authorized
	}
	return v.account != nil
}

// located reports whether a PartnerID is associated (rule P4).
func (v *visit) located(g enrolment.Signing) bool {
	if g.Enrolment != nil {
		return g.Enrolment.Location != nil
	}
	return v.account != nil && v.account.AssociatedPartnerID != ""
}

// download answers with a text as a file.
func (v *visit) download(name, text string) {
	v.headers(policy)
	v.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	v.w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	v.w.WriteHeader(http.StatusOK)
	if v.r.Method != http.MethodHead {
		_, _ = v.w.Write([]byte(text))
	}
}

func (h *site) signEnrolment(v *visit) (to, said string, err error) {
	switch g, err := h.Enrolments.Agreement(v.ctx(), v.user, ""); {
	case err != nil:
		return "", "", err
	case g.Text == nil, g.Signed == nil && (!v.ripe(g) || !v.located(g)):
		return "", "", notNow()
	}
	_, _, err = h.Enrolments.SignAgreement(v.ctx(), v.command(), "",
		&terms.Attestation{Accepted: new(v.form.on("accepted")), Version: v.form.said("textVersion")})
	return enrolmentPath, "console-enrol.did.signed", moved(err, "/attestation", "", "/accepted")
}

// enrolWithdraw ends an application: also the way to another primary contact while the confirmation is awaited.
func (h *site) enrolWithdraw(v *visit) (*page, error) {
	e, err := h.own(v)
	if err != nil {
		return nil, err
	}
	p := v.page("console-enrol.withdraw")
	p.Template, p.Parent = "confirm", &action{Label: v.T("console-enrol.title"), Href: enrolmentPath}
	c := confirmation{Printer: v.Printer, Action: v.r.URL.Path, Back: enrolmentPath, Danger: true, Do: "withdraw",
		Label: v.T("console-enrol.withdraw"), Text: []string{v.T("console-enrol.withdraw.text")}}
	if e == nil || enrolment.Allowed(e.Status, enrolment.Withdraw) != nil {
		c.Blocked = []note{{State: info, Text: []string{v.T("console-enrol.not-now")}}}
	} else {
		c.Hidden = v.hiddenOf(e.Version)
		c.Facts = []fact{{Label: v.T("console-enrol.fact.reference"), Value: e.Reference()}}
	}
	p.Content = c
	return p, nil
}

func (h *site) withdrawEnrolment(v *visit) (to, said string, err error) {
	e, err := h.own(v)
	if err != nil || e == nil {
		return enrolmentPath, "", err
	}
	_, _, err = h.Enrolments.Withdraw(v.ctx(), v.command(), e.ID)
	return enrolmentPath, "console-enrol.did.withdrawn", err
}
