package pages

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"concord/internal/country"
	"concord/internal/invitation"
	"concord/internal/link"
	"concord/internal/partner"
	"concord/internal/relationship"
)

const (
	callbackPath = "/sign-in/callback"
	attemptTime  = 10 * time.Minute
	sessionTime  = 30 * time.Minute
	// maxAttempts bounds how many sign-ins may be under way in one browser.
	maxAttempts = 4
)

// provider knows the OpenID provider. It asks for what it has to know on first use, keeps it, and asks again when that failed.
type provider struct {
	issuer, clientID string

	keys  watched
	mu    sync.Mutex
	found *oidc.Provider
}

// outside is how we call the provider. A sign-in may ask it three things one after another (discovery, the code, the keys), and all
// of them have to fit into a function's time.
var outside = &http.Client{Timeout: 2500 * time.Millisecond}

// watched is outside, and counts the calls that brought no answer: a key set that cannot be had is the provider's trouble, and
// go-oidc does not tell it from a signature that is wrong.
type watched struct{ failures atomic.Int64 }

// RoundTrip calls the provider.
func (c *watched) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil || res.StatusCode >= http.StatusInternalServerError {
		c.failures.Add(1)
	}
	return res, err
}

func (p *provider) discover() (*oidc.Provider, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found == nil {
		// The key set outlives this request, so it must not have its context.
		found, err := oidc.NewProvider(oidc.ClientContext(context.Background(), &http.Client{Timeout: outside.Timeout, Transport: &p.keys}), p.issuer)
		if err != nil {
			return nil, err
		}
		p.found = found
	}
	return p.found, nil
}

func (p *provider) config(found *oidc.Provider, c partner.Cloud) oauth2.Config {
	endpoint := found.Endpoint()
	endpoint.AuthStyle = oauth2.AuthStyleInParams // a public client names itself and proves nothing: PKCE does
	return oauth2.Config{
		ClientID: p.clientID, Endpoint: endpoint, RedirectURL: c.BaseURL + callbackPath,
		Scopes: []string{oidc.ScopeOpenID, "profile", "email"},
	}
}

// attempt is one sign-in under way. Its cookie is named after its state, so that several can be.
type attempt struct {
	Link     link.Link
	Purpose  link.Purpose // zero for [link.Answer], as attempts had it that know of no other
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
	letter, c, err := h.Invitations.Look(r.Context(), v.link, nil, false)
	if err != nil {
		h.trouble(w, r, v, err)
		return
	}
	v.letter = letter
	if c != invitation.Review && c != invitation.Answered {
		h.show(w, r, v, outcomes[c])
		return
	}
	h.begin(w, r, v)
}

// begin sends who visits a link to the provider.
func (h *site) begin(w http.ResponseWriter, r *http.Request, v *visit) {
	letter := v.letter
	found, err := h.provider.discover()
	if err != nil {
		h.trouble(w, r, v, err)
		return
	}
	a := attempt{
		Link: v.link, Purpose: v.purpose, Place: v.place, Invited: domainOf(letter.Invitation.RecipientEmail), Cloud: letter.Cloud.ID, Lang: strings.TrimPrefix(chosen(r.URL.Query().Get("lang")), "?lang="),
		State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(),
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
	options := []oauth2.AuthCodeOption{oidc.Nonce(a.Nonce), oauth2.S256ChallengeOption(a.Verifier)}
	if r.URL.Query().Get("switch") != "" {
		options = append(options, oauth2.SetAuthURLParam("prompt", "login"))
	}
	config := h.provider.config(found, letter.Cloud)
	h.redirect(w, r, v, config.AuthCodeURL(a.State, options...))
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
	case errors.Is(err, errNoCompany):
		h.show(w, r, v, noCompany)
		return
	case errors.Is(err, errNotProven):
		h.Log.WarnContext(r.Context(), "sign-in not proven", "invitation", v.link.ID, "error", err.Error())
		h.show(w, r, v, signInOver)
		return
	case err != nil:
		h.trouble(w, r, v, err)
		return
	}
	if err := h.keepSession(r.Context(), w, cloud, person, a.Invited); err != nil {
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
		v.purpose, v.token = purpose, token.Reveal()
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

var (
	// errNotProven means that the provider's answer does not belong to this attempt, or that its time is over.
	errNotProven = errors.New("pages: identity not proven")
	// errNoCompany means that the person has no company directory.
	errNoCompany = errors.New("pages: no company")
)

// identify exchanges a code for an ID token and checks issuer, audience, time, signature (RS256) and nonce, in real time.
// Errors: [errNotProven], [errNoCompany]; anything else is the provider's trouble.
func (h *site) identify(ctx context.Context, c partner.Cloud, a attempt, code, issuer string) (invitation.Person, error) {
	var none invitation.Person
	if code == "" || issuer != "" && issuer != h.Issuer { // RFC 9207
		return none, errNotProven
	}
	found, err := h.provider.discover()
	if err != nil {
		return none, err
	}
	config := h.provider.config(found, c)
	tokens, err := config.Exchange(oidc.ClientContext(ctx, outside), code, oauth2.VerifierOption(a.Verifier))
	if refusal, ok := errors.AsType[*oauth2.RetrieveError](err); ok && refusal.Response.StatusCode < http.StatusInternalServerError {
		return none, errNotProven
	}
	if err != nil {
		return none, err
	}
	raw, _ := tokens.Extra("id_token").(string)
	verifier := found.Verifier(&oidc.Config{ClientID: h.ClientID, SupportedSigningAlgs: []string{oidc.RS256}})
	before := h.provider.keys.failures.Load()
	id, err := verifier.Verify(ctx, raw)
	if err != nil && h.provider.keys.failures.Load() > before {
		return none, err
	}
	if err != nil {
		return none, errors.Join(errNotProven, err)
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(a.Nonce)) != 1 {
		return none, errNotProven
	}
	var claims map[string]json.RawMessage
	if err := id.Claims(&claims); err != nil {
		return none, errNotProven
	}
	return h.Claims.person(claims)
}

// Claims are the names under which the provider says who signed in and for which company (domain, 0.27). An empty name stands for
// the one in usualClaims.
type Claims struct {
	Subject, Name, Email, Tenant, Company, Domains, Country, Cloud, Roles string
	// GlobalAdmin is what stands in Roles for a Global admin, such as Entra's template id of that role.
	GlobalAdmin string
}

var usualClaims = Claims{"sub", "name", "email", "tid", "tenant_name", "tenant_domains", "tenant_country", "cloud", "roles", string(partner.GlobalAdmin)}

// ParseClaims reads the configured names: a JSON object with members of [Claims] in lower camel case.
func ParseClaims(text string) (Claims, error) {
	var c Claims
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return Claims{}, fmt.Errorf("claims: %w", err)
	}
	return c, nil
}

func (c Claims) complete() Claims {
	u := usualClaims
	return Claims{
		cmp.Or(c.Subject, u.Subject), cmp.Or(c.Name, u.Name), cmp.Or(c.Email, u.Email), cmp.Or(c.Tenant, u.Tenant), cmp.Or(c.Company, u.Company),
		cmp.Or(c.Domains, u.Domains), cmp.Or(c.Country, u.Country), cmp.Or(c.Cloud, u.Cloud), cmp.Or(c.Roles, u.Roles), cmp.Or(c.GlobalAdmin, u.GlobalAdmin),
	}
}

// maxClaim bounds what is kept of a name, in bytes.
const maxClaim = 200

// person reads claims. What is missing or of another type is left empty; without a subject or a tenant it is [errNoCompany].
func (c Claims) person(claims map[string]json.RawMessage) (invitation.Person, error) {
	text := func(name string) string {
		var s string
		_ = json.Unmarshal(claims[name], &s)
		if len(s) > maxClaim {
			s = strings.ToValidUTF8(s[:maxClaim], "")
		}
		return strings.TrimSpace(s)
	}
	list := func(name string) []string {
		var l []string
		if json.Unmarshal(claims[name], &l) != nil {
			l = strings.Fields(text(name))
		}
		return l
	}
	tenant, ok := partner.ParseTenantID(text(c.Tenant))
	p := invitation.Person{
		Subject: text(c.Subject), Name: text(c.Name), Email: text(c.Email),
		Company: relationship.Customer{
			Tenant: tenant, CompanyName: text(c.Company), Country: strings.ToUpper(text(c.Country)),
			Cloud: partner.CloudID(text(c.Cloud)),
		},
	}
	if !ok || p.Subject == "" {
		return invitation.Person{}, errNoCompany
	}
	for _, d := range list(c.Domains) {
		if d = strings.ToLower(d); d != "" && len(d) <= 253 {
			p.Company.Domains = append(p.Company.Domains, d)
		}
	}
	if country.Valid(p.Company.Country) {
		p.Company.CountrySource = "token"
	} else {
		p.Company.Country = ""
	}
	for _, role := range list(c.Roles) {
		r := partner.Role(role)
		if role == c.GlobalAdmin {
			r = partner.GlobalAdmin
		} else if r == partner.GlobalAdmin {
			continue // the provider calls it otherwise
		}
		if slices.Contains(knownRoles, r) && !slices.Contains(p.Roles, r) {
			p.Roles = append(p.Roles, r)
		}
	}
	return p, nil
}

var knownRoles = []partner.Role{partner.GlobalAdmin, partner.AdminAgent, partner.SalesAgent, partner.Operator}
