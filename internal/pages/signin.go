package pages

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"concord/internal/identity"
	"concord/internal/invitation"
	"concord/internal/link"
	"concord/internal/partner"
	"concord/internal/relationship"
)

const (
	callbackPath = "/sign-in/callback"
	attemptTime  = 10 * time.Minute
	// maxAttempts bounds how many sign-ins may be under way in one browser.
	maxAttempts = 4
)

// attempt is one sign-in under way. Its cookie is named after its state, so that several can be.
type attempt struct {
	Link     link.Link
	Purpose  link.Purpose // zero for [link.Answer], as attempts had it that know of no other
	Aside    string       // empty, or [asideAllow]
	Place    string       // instead of a link: [customerPath]
	Invited  string       // the domain of the address that was invited
	Cloud    partner.CloudID
	Lang     string
	State    string
	Nonce    string
	Verifier string
}

// signIn begins a sign-in for a link that can be answered, or whose answer can be looked at.
func (h *site) signIn(w http.ResponseWriter, r *http.Request) {
	v, ok := h.enter(w, r, link.Answer, "") // whoever was signed in signs in anew
	if !ok {
		return
	}
	if toAllow(r) {
		h.signInToAllow(w, r, v)
		return
	}
	letter, c, err := h.Invitations.Look(r.Context(), v.link, nil, false)
	if err != nil {
		h.trouble(w, r, v, err)
		return
	}
	v.letter = letter
	if c != invitation.Review && c != invitation.Answered && c != invitation.InviterNotActive { // who signs in may decline
		h.show(w, r, v, outcomes[c])
		return
	}
	h.begin(w, r, v)
}

// begin sends who visits a link to the provider.
func (h *site) begin(w http.ResponseWriter, r *http.Request, v *visit) {
	letter := v.letter
	a := attempt{
		Link: v.link, Purpose: v.purpose, Aside: v.aside, Place: v.place, Invited: domainOf(letter.Invitation.RecipientEmail), Cloud: letter.Cloud.ID, Lang: strings.TrimPrefix(chosen(r.URL.Query().Get("lang")), "?lang="),
		State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(),
	}
	where, err := h.Authorities.Begin(a.Cloud, letter.Cloud.BaseURL+callbackPath, a.proof(), r.URL.Query().Get("switch") != "")
	if err != nil {
		h.trouble(w, r, v, err)
		return
	}
	for i, name := range attempts(r) {
		if i >= maxAttempts-1 {
			h.drop(w, name)
		}
	}
	if err := h.keep(r.Context(), w, letter.Cloud, attemptCookie+suffix(a.State), attemptUse, a, attemptTime); err != nil {
		h.trouble(w, r, v, err)
		return
	}
	h.redirect(w, r, v, where)
}

// callback ends a sign-in. Whatever it was given, it leads to the link or the place that the attempt's cookie holds and nowhere else.
func (h *site) callback(w http.ResponseWriter, r *http.Request) {
	v := &visit{}
	q := r.URL.Query()
	var a attempt
	name := attemptCookie + suffix(q.Get("state"))
	ok, err := h.recall(r, name, attemptUse, &a)
	if err != nil {
		h.trouble(w, r, v, err)
		return
	}
	if !ok || subtle.ConstantTimeCompare([]byte(a.State), []byte(q.Get("state"))) != 1 {
		h.show(w, r, v, signInOver)
		return
	}
	v.link = a.Link
	cloud, err := h.clouds.Cloud(a.Cloud)
	if err != nil {
		h.trouble(w, r, v, err)
		return
	}
	v.letter.Cloud = cloud
	if err := h.back(r.Context(), v, a); err != nil {
		h.trouble(w, r, v, err)
		return
	}
	if a.Lang != "" {
		r.URL.RawQuery = strings.TrimPrefix(chosen(a.Lang), "?")
	} else {
		r.URL.RawQuery = ""
	}
	if code := q.Get("error"); code != "" {
		h.refused(w, r, v, code)
		return
	}
	person, err := h.identify(r.Context(), cloud, a, q.Get("code"), q.Get("iss"))
	switch {
	case errors.Is(err, identity.ErrNoCompany):
		h.show(w, r, v, noCompany)
		return
	case errors.Is(err, identity.ErrRefused):
		h.Log.WarnContext(r.Context(), "sign-in not proven", "invitation", v.link.ID, "error", err.Error())
		h.show(w, r, v, signInOver)
		return
	case err != nil:
		h.trouble(w, r, v, err)
		return
	}
	if err := h.keepSession(r.Context(), w, cloud, session{Person: person}, a.Invited); err != nil {
		h.trouble(w, r, v, err)
		return
	}
	h.drop(w, cookieName(cloud, name))
	h.redirect(w, r, v, v.here(r))
}

// back has pages lead back to where an attempt began.
func (h *site) back(ctx context.Context, v *visit, a attempt) error {
	if a.Place != "" {
		v.place = customerPath // there is no other
		return nil
	}
	purpose := cmp.Or(a.Purpose, link.Answer)
	token, err := h.Keys.Sign(ctx, purpose, a.Link)
	if err == nil {
		v.purpose, v.token, v.aside = purpose, token.Reveal(), a.Aside
	}
	return err
}

// refused answers what the provider says instead of a code (OpenID Connect Core 3.1.2.6, RFC 6749 4.1.2.1).
func (h *site) refused(w http.ResponseWriter, r *http.Request, v *visit, code string) {
	switch code {
	case "access_denied", "consent_required", "interaction_required", "unauthorized_client", "account_selection_required":
		h.show(w, r, v, signInRefused)
	case "login_required", "invalid_request":
		h.show(w, r, v, signInOver)
	default:
		h.trouble(w, r, v, errors.New("the identity provider answers with an error"))
	}
}

// identify finds out who came back from a sign-in. Errors: [identity.ErrRefused], [identity.ErrNoCompany]; anything else is the provider's
// trouble.
func (h *site) identify(ctx context.Context, c partner.Cloud, a attempt, code, issuer string) (invitation.Person, error) {
	who, err := h.Authorities.Complete(ctx, c.ID, c.BaseURL+callbackPath, a.proof(), code, issuer)
	if err != nil {
		return invitation.Person{}, err
	}
	p := invitation.Person{
		Subject: who.Subject, Name: who.Name, Email: who.Email, Roles: who.Roles,
		Company: relationship.Customer{Tenant: who.Tenant, CompanyName: who.Company, Domains: who.Domains, Country: who.Country, Cloud: who.Cloud},
	}
	if who.Country != "" {
		p.Company.CountrySource = "token"
	}
	return p, nil
}

// proof is what ties the attempt to its answer.
func (a attempt) proof() identity.Attempt {
	return identity.Attempt{State: a.State, Nonce: a.Nonce, Verifier: a.Verifier}
}
