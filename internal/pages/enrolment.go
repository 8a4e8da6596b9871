package pages

import (
	"crypto/rand"
	"net/http"

	"concord/internal/enrolment"
	"concord/internal/partner"
)

// verifications gives each case its page and status.
var verifications = map[enrolment.Case]outcome{
	enrolment.Unknown:     unknown,
	enrolment.SignInFirst: {"review", http.StatusOK, "notice", ofEnrolment(verificationReview)},
	enrolment.OtherTenant: {"wrong-tenant", http.StatusForbidden, "notice", verificationElsewhere},
	enrolment.Form:        {"verification", http.StatusOK, pleaTemplate, ofEnrolment(verificationForm)},
	enrolment.Confirmed:   {"verified", http.StatusOK, "result", ofEnrolment(verified)},
	enrolment.Used:        {"answered", http.StatusGone, "notice", verificationUsed},
	enrolment.TooLate:     {"expired", http.StatusGone, "notice", ofEnrolment(verificationOver)},
	enrolment.Superseded:  {"superseded", http.StatusGone, "notice", verificationSuperseded},
}

// lookVerification is [looking] for the confirmation of an address by a primary contact (rule E12).
func (h *site) lookVerification(r *http.Request, v *visit) (outcome, bool, error) {
	e, c, err := h.Enrolments.Look(r.Context(), v.link, v.person)
	if err == nil && c != enrolment.Unknown {
		var cloud partner.Cloud
		cloud, err = h.clouds.Cloud(e.Cloud)
		v.applied(e, cloud)
	}
	return verifications[c], c == enrolment.Form, err
}

// confirm notes that the contact has confirmed.
func (h *site) confirm(r *http.Request, v *visit, _ func(string) string) (step, error) {
	e, c, err := h.Enrolments.Confirm(r.Context(), v.link, *v.person, rand.Text())
	if err != nil {
		return step{}, err
	}
	v.subject = e
	if c == enrolment.Confirmed {
		h.Log.InfoContext(r.Context(), "verified", "enrolment", v.link.ID)
	}
	return step{outcome: verifications[c], done: c == enrolment.Confirmed}, nil
}

// applicationFacts are those by which a contact knows what it is about. Nobody has checked what the company says of itself.
func (p *enrolmentPage) applicationFacts() []fact {
	facts := []fact{{p.T("page.fact.name"), p.application.Legal.Name}, {p.T("page.result.reference"), p.application.Reference()}}
	if to := mask(p.application.Contact.Email); to != "" {
		facts = append(facts, fact{p.T("page.fact.to"), to})
	}
	return facts
}

func verificationReview(p *enrolmentPage) any {
	p.Title = p.T("enrolment.page.review.title")
	return notice{
		Text:  []string{p.T("enrolment.page.review.text"), p.T("enrolment.page.review.nothing"), p.T("enrolment.page.review.needed"), p.T("enrolment.page.review.stranger")},
		Facts: append(p.applicationFacts(), fact{p.T("page.fact.open"), p.DateTime(p.application.Verification.ExpiresAt)}),
		Link:  p.SignIn, Label: p.T("enrolment.page.review.sign-in"),
	}
}

func verificationForm(p *enrolmentPage) any {
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
func verified(p *enrolmentPage) any {
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

func verificationOver(p *enrolmentPage) any {
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
