package pages

import (
	"context"
	"crypto/rand"
	"net/http"

	"concord/internal/enrolment"
	"concord/internal/invitation"
	"concord/internal/link"
)

// The routes of the link by which the primary contact of an enrolment confirms its address (rule E12).
const (
	routeVerification = "GET /e/{token}" // and HEAD
	routeConfirm      = "POST /e/{token}"
	routeVerifySignIn = "GET /e/{token}" + asideSignIn
)

// verifications gives each case its page and status.
var verifications = map[enrolment.Case]outcome{
	enrolment.Unknown:     unknown,
	enrolment.SignInFirst: {"review", http.StatusOK, "notice", verificationReview},
	enrolment.OtherTenant: {"wrong-tenant", http.StatusForbidden, "notice", verificationElsewhere},
	enrolment.Form:        {"verification", http.StatusOK, pleaTemplate, verificationForm},
	enrolment.Confirmed:   {"verified", http.StatusOK, "result", verified},
	enrolment.Used:        {"answered", http.StatusGone, "notice", verificationUsed},
	enrolment.TooLate:     {"expired", http.StatusGone, "notice", verificationOver},
	enrolment.Superseded:  {"superseded", http.StatusGone, "notice", verificationSuperseded},
}

// verification is enter for a page of an enrolment: the enrolment, and its case for who is signed in. When it gives false, the request has been
// answered. Without a session asked for, nobody counts as signed in.
func (h *site) verification(w http.ResponseWriter, r *http.Request, session bool) (*visit, enrolment.Case, bool) {
	v, ok := h.enter(w, r, link.Verify, "")
	if !ok {
		return nil, "", false
	}
	var err error
	if session {
		if v.person, err = h.session(w, r); err != nil {
			h.trouble(w, r, v, err)
			return nil, "", false
		}
	}
	c, err := h.application(r.Context(), v)
	if err != nil {
		h.trouble(w, r, v, err)
		return nil, "", false
	}
	return v, c, true
}

// application reads the enrolment, and gives its case for v.person.
func (h *site) application(ctx context.Context, v *visit) (enrolment.Case, error) {
	e, c, err := h.Enrolments.Look(ctx, v.link, v.person)
	if err == nil && c != enrolment.Unknown {
		v.application = e
		v.letter.Invitation = invitation.Invitation{Locale: e.Locale, LocaleAsked: e.LocaleAsked, RecipientEmail: e.Contact.Email}
		v.letter.Cloud, err = h.clouds.Cloud(e.Cloud)
	}
	return c, err
}

// lookVerification is [looking] for the confirmation of an address.
func (h *site) lookVerification(ctx context.Context, v *visit) (outcome, bool, error) {
	c, err := h.application(ctx, v)
	return verifications[c], c == enrolment.Form, err
}

func (h *site) openVerification(w http.ResponseWriter, r *http.Request) {
	if v, c, ok := h.verification(w, r, true); ok {
		h.show(w, r, v, verifications[c])
	}
}

// confirm notes that the contact has confirmed. A crash before the write leaves the form to be sent again; one after it shows the result when
// the form is sent again.
func (h *site) confirm(w http.ResponseWriter, r *http.Request) {
	v, c, ok := h.verification(w, r, true)
	if !ok {
		return
	}
	if c == enrolment.SignInFirst || v.person != nil {
		if _, ok := h.sent(w, r, v, h.lookVerification); !ok {
			return
		}
	}
	if c == enrolment.Form && !v.form.Confirmed {
		v.invalid = unconfirmed
		o := verifications[c]
		o.status = http.StatusUnprocessableEntity
		h.show(w, r, v, o)
		return
	}
	if c != enrolment.Form {
		h.show(w, r, v, verifications[c])
		return
	}
	var err error
	v.application, c, err = h.Enrolments.Confirm(r.Context(), v.link, *v.person, rand.Text())
	if err != nil {
		h.trouble(w, r, v, err)
		return
	}
	if c == enrolment.Confirmed {
		h.Log.InfoContext(r.Context(), "verified", "enrolment", v.link.ID)
		h.redirect(w, r, v, after(v.here(r)))
		return
	}
	h.show(w, r, v, verifications[c])
}

// verifySignIn begins a sign-in for a link that can be confirmed, or whose application can be looked at.
func (h *site) verifySignIn(w http.ResponseWriter, r *http.Request) {
	v, c, ok := h.verification(w, r, false) // whoever was signed in signs in anew
	if !ok {
		return
	}
	if c != enrolment.SignInFirst && c != enrolment.Used {
		h.show(w, r, v, verifications[c])
		return
	}
	h.begin(w, r, v)
}

// applicationFacts are those by which a contact knows what it is about. Nobody has checked what the company says of itself.
func (p *page) applicationFacts() []fact {
	facts := []fact{{p.T("page.fact.name"), p.application.Legal.Name}, {p.T("page.result.reference"), p.application.Reference()}}
	if to := mask(p.application.Contact.Email); to != "" {
		facts = append(facts, fact{p.T("page.fact.to"), to})
	}
	return facts
}

func verificationReview(p *page) any {
	p.Title = p.T("enrolment.page.review.title")
	return notice{
		Text:  []string{p.T("enrolment.page.review.text"), p.T("enrolment.page.review.nothing"), p.T("enrolment.page.review.needed"), p.T("enrolment.page.review.stranger")},
		Facts: append(p.applicationFacts(), fact{p.T("page.fact.open"), p.DateTime(p.application.Verification.ExpiresAt)}),
		Link:  p.SignIn, Label: p.T("enrolment.page.review.sign-in"),
	}
}

func verificationForm(p *page) any {
	p.Title = p.T("enrolment.page.form.title")
	to := p.application.Contact.Email // whoever is signed in is of the company
	content := plea{
		Text:  []string{p.T("enrolment.page.form.text", "to", to), p.T("enrolment.page.review.stranger")},
		Facts: append(p.applicationFacts(), p.signedIn()...), Confirm: p.T("enrolment.page.form.confirm", "to", to), Send: p.T("enrolment.page.form.send"),
	}
	if len(p.invalid) > 0 {
		text := p.T("enrolment.page.form.error")
		content.Fault = mark{text, anchors["confirm"], p.T("page.error.prefix")}
		p.Summary = []fault{{anchors["confirm"], text}}
	}
	return content
}

// verified says how the application stands, and what to do when a review takes too long (rule E14, X-j).
func verified(p *page) any {
	e := p.application
	p.Title = p.T("enrolment.page.done.title")
	r := result{Accepted: true, Reference: e.Reference(), Lead: p.T("enrolment.page.done.lead"), Facts: p.applicationFacts()}
	switch {
	case e.OverdueAt(p.Now):
		r.Lead = p.T("enrolment.page.done.overdue", "operator", p.Operator)
	case e.Status == enrolment.InVetting:
		r.Next = []string{p.T("enrolment.page.done.due", "date", p.Date(e.ReviewDueAt), "operator", p.Operator)}
	default:
		r.Lead = p.T("enrolment.page.done.on", "to", mask(e.Contact.Email))
	}
	r.Next = append(r.Next, p.T("enrolment.page.done.mails"), p.T("enrolment.page.done.keep"))
	return r
}

func verificationUsed(p *page) any {
	p.Title = p.T("enrolment.page.used.title")
	n := notice{Text: []string{p.T("enrolment.page.used.text")}}
	if p.person == nil {
		n.Text = append(n.Text, p.T("enrolment.page.used.own"))
		n.Link, n.Label = p.SignIn, p.T("enrolment.page.used.sign-in")
	}
	return n
}

func verificationOver(p *page) any {
	p.Title = p.T("enrolment.page.expired.title")
	return notice{Text: []string{p.T("enrolment.page.expired.text", "date", p.DateTime(p.application.Verification.ExpiresAt))}}
}

func verificationSuperseded(p *page) any {
	p.Title = p.T("page.superseded.title")
	return notice{Text: []string{p.T("enrolment.page.superseded.text")}}
}

func verificationElsewhere(p *page) any {
	p.Title = p.T("enrolment.page.other.title")
	return notice{Text: []string{p.T("enrolment.page.other.text"), p.T("page.nothing-used")}, Facts: p.signedIn(), Link: p.otherAccount(), Label: p.T("page.switch")}
}
