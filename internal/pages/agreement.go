package pages

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"

	"concord/internal/commerce"
	"concord/internal/customer"
	"concord/internal/locale"
	"concord/internal/problem"
)

// The routes of the customer agreement on the page of a company, which can be signed there apart from any answer.
const (
	agreementPath = customerPath + "/agreement"

	routeAgreement = "GET " + agreementPath // and HEAD
	routeSignature = "POST " + agreementPath
)

var (
	agreementForm   = outcome{"agreement", http.StatusOK, "agreement", agreementToSign}
	agreementSigned = outcome{"signed", http.StatusOK, "result", agreementDone}
)

// openAgreement shows a Global admin the customer agreement with the form that signs it, or leads back where there is nothing to sign.
func (h *site) openAgreement(w http.ResponseWriter, r *http.Request) {
	v, ok := h.company(w, r)
	if !ok {
		return
	}
	v.at(r)
	if v.person == nil {
		h.redirect(w, r, v, customerPath+chosen(r.URL.Query().Get("lang")))
		return
	}
	v.prefill()
	o, _, err := h.lookAgreement(r)(r.Context(), v)
	if err != nil {
		h.notTold(w, r, v, err)
		return
	}
	h.show(w, r, v, o)
}

// prefill takes what is known of who signs.
func (v *visit) prefill() {
	v.form.FirstName, v.form.LastName = commerce.Names(v.person.Name)
	v.form.Email = v.person.Email
}

// lookAgreement is [looking] for the form, in the language of the request.
func (h *site) lookAgreement(r *http.Request) looking {
	return func(ctx context.Context, v *visit) (outcome, bool, error) {
		var err error
		v.offer, err = h.Customers.Offer(ctx, *v.person, h.printer(r, v).Language())
		if err == nil && v.offer == nil || commerce.IsMissing(err) {
			err = problem.New(problem.NotFound, "There is nothing to sign.")
		}
		if v.obstacle == anotherPerson {
			v.prefill()
		}
		return agreementForm, true, err
	}
}

// signAgreement signs. A crash before the write leaves the form to be sent again; after it there is nothing left to sign.
func (h *site) signAgreement(w http.ResponseWriter, r *http.Request) {
	v, ok := h.company(w, r)
	if !ok {
		return
	}
	v.at(r)
	look := h.lookAgreement(r)
	if _, ok := h.sent(w, r, v, look); !ok {
		return
	}
	o, _, err := look(r.Context(), v)
	if err != nil {
		h.notTold(w, r, v, err)
		return
	}
	lang := locale.For(locale.Match(v.form.Words, r.URL.Query().Get("lang"), r.Header.Get("Accept-Language"))).Language()
	read, err := h.Customers.Offer(r.Context(), *v.person, lang)
	if err != nil || read == nil {
		h.trouble(w, r, v, errors.Join(err, errors.New("the agreement went away")))
		return
	}
	if wording(read.Words()) != v.form.AgreementRead {
		v.reworded, o.status = true, http.StatusUnprocessableEntity
		h.show(w, r, v, o)
		return
	}
	a, err := h.Customers.Sign(r.Context(), *v.person, lang, read.Words(), commerce.Signer{
		FirstName: v.form.FirstName, LastName: v.form.LastName, Email: v.form.Email, Phone: v.form.Phone, Signs: v.form.Signs, Authorized: v.form.Authorized,
	}, rand.Text())
	switch refused, _ := errors.AsType[*problem.Error](err); {
	case refused != nil && len(refused.Findings) > 0:
		v.invalid, o.status = refused.Findings, http.StatusUnprocessableEntity
		h.show(w, r, v, o)
	case errors.Is(err, customer.ErrReworded):
		v.reworded, o.status = true, http.StatusUnprocessableEntity
		h.show(w, r, v, o)
	case err != nil:
		h.notTold(w, r, v, err)
	default:
		h.Log.InfoContext(r.Context(), "signed", "agreement", a.ID)
		v.signed = &a
		h.show(w, r, v, agreementSigned)
	}
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

func agreementDone(p *page) any {
	p.Title = p.T("company.agreement.done.title")
	a := p.signed
	return result{
		Accepted: true, Reference: a.Reference(), Lead: p.T("company.agreement.done.text", "company", p.company()),
		Facts: []fact{{p.T("page.fact.at"), p.DateTime(a.AgreedAt)}, {p.T("page.fact.by"), a.Contact.FirstName + " " + a.Contact.LastName}, {p.T("company.agreement.version"), a.Text.Version}},
		Next:  []string{p.T("company.agreement.done.partners")}, Link: customerPath + p.chosen, Label: p.T("page.customer.all"),
	}
}
