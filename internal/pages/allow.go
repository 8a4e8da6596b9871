package pages

import (
	"cmp"
	"context"
	"crypto/rand"
	"net/http"
	"strings"

	"concord/internal/invitation"
	"concord/internal/link"
	"concord/internal/session"
)

// asideAllow is where who has signed in for the recipient's tenant lets a partner's mails through again (domain, 0.36). The link alone does
// not: the partner knows those of its drafts.
const asideAllow = "/allow"

// towards is the query of a sign-in that leads to asideAllow instead of the page of the link.
const towards = "to"

// allowances give each case that is none of a link of [link.Allow] its page and status, as outcomes does.
var allowances = map[invitation.Case]outcome{
	invitation.Review:      {"allow-sign-in", http.StatusOK, "notice", allowSignIn},
	invitation.OtherTenant: {"allow-other", http.StatusForbidden, "notice", allowOther},
	invitation.AllowForm:   {"allow", http.StatusOK, pleaTemplate, allowForCompany},
}

// allowing is that page of the links of one purpose.
type allowing struct {
	*site
	purpose link.Purpose
}

func (h *site) allowances() []allowing {
	return []allowing{{h, link.Answer}, {h, link.Granular}}
}

func (a allowing) pattern() string { return "/" + string(rune(a.purpose)) + "/{token}" + asideAllow }

// lookAllowed is [looking] for it.
func (h *site) lookAllowed(ctx context.Context, v *visit) (outcome, bool, error) {
	letter, c, err := h.Invitations.AllowSignedIn(ctx, v.link, v.person, nil)
	v.letter = letter
	return allowance(c), c == invitation.AllowForm, err
}

func allowance(c invitation.Case) outcome {
	if o, ok := allowances[c]; ok {
		return o
	}
	return outcomes[c]
}

// look shows the form to who may send it.
func (a allowing) look(w http.ResponseWriter, r *http.Request) {
	v, ok := a.visitor(w, r, a.purpose, asideAllow)
	if !ok {
		return
	}
	o, _, err := a.lookAllowed(r.Context(), v)
	if err != nil {
		a.trouble(w, r, v, err)
		return
	}
	a.show(w, r, v, o)
}

// act lets the mails through. It is done once however often it is sent, so that the answer shows the result itself.
func (a allowing) act(w http.ResponseWriter, r *http.Request) {
	v, ok := a.visitor(w, r, a.purpose, asideAllow)
	if !ok {
		return
	}
	if _, ok := a.sent(w, r, v, a.lookAllowed); !ok {
		return
	}
	if !v.form.Confirmed {
		o, form, err := a.lookAllowed(r.Context(), v)
		if err != nil {
			a.trouble(w, r, v, err)
			return
		}
		if form {
			v.invalid, o.status = unconfirmed, http.StatusUnprocessableEntity
		}
		a.show(w, r, v, o)
		return
	}
	letter, c, err := a.Invitations.AllowSignedIn(r.Context(), v.link, v.person, &invitation.Plea{CorrelationID: rand.Text()})
	v.letter = letter
	if err != nil {
		a.trouble(w, r, v, err)
		return
	}
	a.Log.InfoContext(r.Context(), "pleaded", "invitation", v.link.ID, "case", string(c))
	a.show(w, r, v, allowance(c))
}

// signInToAllow begins a sign-in that leads there, where that asks for one.
func (h *site) signInToAllow(w http.ResponseWriter, r *http.Request, v *visit) {
	v.aside = asideAllow
	o, _, err := h.lookAllowed(r.Context(), v)
	switch {
	case err != nil:
		h.trouble(w, r, v, err)
	case o.name != allowances[invitation.Review].name:
		h.show(w, r, v, o)
	default:
		h.begin(w, r, v)
	}
}

// toAllow reports whether a sign-in is to lead there.
func toAllow(r *http.Request) bool {
	return r.URL.Query().Get(towards) == strings.TrimPrefix(asideAllow, "/")
}

// leadToAllow gives the path of the sign-in that leads there.
func leadToAllow(signIn string) string {
	join := "?"
	if strings.Contains(signIn, "?") {
		join = "&"
	}
	return signIn + join + towards + "=" + strings.TrimPrefix(asideAllow, "/")
}

// allowing gives where mails that were stopped are let through by who is signed in, and what that is called; empty where there is nothing
// to let through, or where no link leads there.
func (p *page) allowing() (to, label string) {
	if p.to() == "" || p.Allow == "" {
		return "", ""
	}
	return p.Allow, p.T("page.allow.company")
}

// domain is that of the recipient's address.
func (p *page) domain() string {
	return cmp.Or(session.DomainOf(p.letter.Invitation.RecipientEmail), p.to())
}

func allowSignIn(p *page) any {
	p.Title = p.T("page.allow.title", "partner", p.partner())
	return notice{Link: p.SignIn, Label: p.T("page.allow.sign-in"), Text: []string{
		p.T("page.allow.whose", "partner", p.partner(), "to", p.to(), "domain", p.domain()), p.T("page.reported.again", "partner", p.partner(), "operator", p.Operator)}}
}

func allowOther(p *page) any {
	p.Title = p.T("page.allow.other.title")
	return notice{Facts: p.signedIn(), Link: p.otherAccount(), Label: p.T("page.switch"), Text: []string{
		p.T("page.allow.whose", "partner", p.partner(), "to", p.to(), "domain", p.domain()), p.T("page.nothing-used"),
		p.T("page.reported.again", "partner", p.partner(), "operator", p.Operator)}}
}

func allowForCompany(p *page) any {
	p.Title = p.T("page.allow.title", "partner", p.partner())
	return p.complete(plea{
		Text: []string{p.T("page.allow.company.text", "partner", p.partner(), "to", p.to())}, Facts: p.signedIn(),
		Confirm: p.T("page.allow.company.confirm", "partner", p.partner(), "to", p.to()), Send: p.T("page.allow.send"),
	})
}
