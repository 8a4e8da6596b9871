package pages

import (
	"cmp"
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

// allowances are that page of the links by which a request is answered.
func (h *site) allowances() (all []door) {
	for _, p := range []link.Purpose{link.Answer, link.Granular} {
		all = append(all, door{
			site: h, path: pattern(p, asideAllow), enter: h.at(p, asideAllow), look: h.lookAllowed, ticked: confirmed, act: h.allow,
		})
	}
	return all
}

// lookAllowed is [looking] for it.
func (h *site) lookAllowed(r *http.Request, v *visit) (outcome, bool, error) {
	c, err := h.allows(r, v, nil)
	return allowance(c), c == invitation.AllowForm, err
}

// allows asks for the mails of either kind of request.
func (h *site) allows(r *http.Request, v *visit, plea *invitation.Plea) (c invitation.Case, err error) {
	if v.purpose == link.Granular {
		q, c, err := h.Invitations.AllowGranularSignedIn(r.Context(), v.link, v.person, plea)
		v.reported(q)
		return c, err
	}
	t, c, err := h.Invitations.AllowSignedIn(r.Context(), v.link, v.person, plea)
	v.invited(t)
	return c, err
}

func allowance(c invitation.Case) outcome {
	if o, ok := allowances[c]; ok {
		return o
	}
	return outcomes[c]
}

// allow lets the mails through. It is done once however often it is sent, so that the answer shows the result itself.
func (h *site) allow(r *http.Request, v *visit, _ func(string) string) (step, error) {
	c, err := h.allows(r, v, &invitation.Plea{CorrelationID: rand.Text()})
	if err == nil {
		h.Log.InfoContext(r.Context(), "pleaded", "invitation", v.link.ID, "case", string(c))
	}
	return step{outcome: allowance(c)}, err
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
	return cmp.Or(session.DomainOf(p.mailed), p.to())
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
