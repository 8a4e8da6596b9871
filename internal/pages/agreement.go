package pages

import (
	"crypto/rand"
	"errors"
	"net/http"

	"concord/internal/commerce"
	"concord/internal/customer"
	"concord/internal/problem"
)

// agreementPath is where a company signs the customer agreement on its own page, apart from any answer.
const agreementPath = customerPath + "/agreement"

var (
	agreementForm   = outcome{"agreement", http.StatusOK, "agreement", agreementToSign}
	agreementSigned = outcome{"signed", http.StatusOK, "result", ofCompany(agreementDone)}
)

// prefill takes what is known of who signs.
func (v *visit) prefill() {
	v.form.FirstName, v.form.LastName = commerce.Names(v.person.Name)
	v.form.Email = v.person.Email
}

// lookAgreement is [looking] for the form, in the language of the request.
func (h *site) lookAgreement(r *http.Request, v *visit) (outcome, bool, error) {
	if r.Method != http.MethodPost || v.obstacle == anotherPerson {
		v.prefill()
	}
	var err error
	v.offer, err = h.Customers.Offer(r.Context(), *v.person, h.printer(r, v).Language())
	if err == nil && v.offer == nil || commerce.IsMissing(err) {
		err = problem.New(problem.NotFound, "There is nothing to sign.")
	}
	return agreementForm, true, err
}

// signAgreement signs. After its write there is nothing left to sign.
func (h *site) signAgreement(r *http.Request, v *visit, _ func(string) string) (step, error) {
	o, _, err := h.lookAgreement(r, v)
	if err != nil {
		return step{}, err
	}
	s, lang := step{outcome: o, form: true}, v.words(r).Language()
	read, err := h.Customers.Offer(r.Context(), *v.person, lang)
	if err != nil || read == nil {
		return s, errors.Join(err, errors.New("the agreement went away"))
	}
	if s.reworded = wording(read.Words()) != v.form.AgreementRead; s.reworded {
		return s, nil
	}
	a, err := h.Customers.Sign(r.Context(), *v.person, lang, read.Words(), commerce.Signer{
		FirstName: v.form.FirstName, LastName: v.form.LastName, Email: v.form.Email, Phone: v.form.Phone, Signs: v.form.Signs, Authorized: v.form.Authorized,
	}, rand.Text())
	if s.reworded = errors.Is(err, customer.ErrReworded); s.reworded {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	h.Log.InfoContext(r.Context(), "signed", "agreement", a.ID)
	v.own().signed = &a
	return step{outcome: agreementSigned}, nil
}

func agreementToSign(p *page) any {
	p.Title = p.T("page.agreement.title")
	s := p.sign()
	s.Lead, s.Ticked = p.T("company.agreement.lead", "company", p.company()), false
	content := struct {
		Sign   *signing
		Fields fields
	}{s, fields{entered: p.form, Company: p.company(), Faults: map[string]string{}}}
	content.Fields.FirstName, content.Fields.LastName = echo(p.form.FirstName), echo(p.form.LastName)
	content.Fields.Email, content.Fields.Phone = echo(p.form.Email), echo(p.form.Phone)
	content.Fields.Authorized = false
	for _, each := range []struct{ pointer, text string }{
		{"/signAgreement", p.T("company.agreement.error.sign")}, {"/firstName", p.T("company.agreement.error.first")}, {"/lastName", p.T("company.agreement.error.last")},
		{"/email", p.T("company.agreement.error.email")}, {"/phone", p.T("company.agreement.error.phone")}, {"/authorized", p.T("page.error.authority", "company", p.company())},
	} {
		for _, f := range p.invalid {
			if f.Pointer == each.pointer {
				content.Fields.Faults[each.pointer[1:]] = each.text
				p.Summary = append(p.Summary, fault{anchors[each.pointer[1:]], each.text})
			}
		}
	}
	if p.reworded {
		p.Summary = append(p.Summary, fault{anchors["signAgreement"], p.T("page.error.words")})
	}
	return content
}

// signatureView is what the template of the form gets.
type signatureView struct {
	formView
	Sign  *signing
	Texts []textField
}

// textField is a field of one line.
type textField struct {
	ID, Name, Label, Value, Auto string
	Max                          int
	Optional                     bool
}

// Signature gives that template its fields.
func (p *page) Signature(s *signing, f fields) signatureView {
	return signatureView{formView{p, f}, s, []textField{
		{anchors["firstName"], "firstName", p.T("company.agreement.first"), f.FirstName, "given-name", 100, false},
		{anchors["lastName"], "lastName", p.T("company.agreement.last"), f.LastName, "family-name", 100, false},
		{anchors["email"], "email", p.T("page.fact.mail"), f.Email, "email", 254, false},
		{anchors["phone"], "phone", p.T("page.fact.phone"), f.Phone, "tel", 30, true},
	}}
}

func agreementDone(p *companyPage) any {
	p.Title = p.T("company.agreement.done.title")
	a := p.signed
	return result{
		Accepted: true, Reference: a.Reference(), Lead: p.T("company.agreement.done.text", "company", p.company()),
		Facts: []fact{{p.T("page.fact.at"), p.DateTime(a.AgreedAt)}, {p.T("page.fact.by"), a.Contact.FirstName + " " + a.Contact.LastName}, {p.T("company.agreement.version"), a.Text.Version}},
		Next:  []string{p.T("company.agreement.done.partners")}, Link: customerPath + p.chosen, Label: p.T("page.customer.all"),
	}
}
