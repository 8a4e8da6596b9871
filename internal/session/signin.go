package session

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"concord/internal/identity"
	"concord/internal/partner"
	"concord/internal/relationship"
)

const (
	attemptTime = 10 * time.Minute
	// maxAttempts bounds how many sign-ins may be under way in one browser.
	maxAttempts = 4
)

// Attempt is one sign-in under way. Its cookie is named after its state, so that several can be. Who needs to know
// more when it comes back embeds it into a struct of its own, and gives [Room.Begin] and [Room.Resume] that.
type Attempt struct {
	Cloud    partner.CloudID
	State    string
	Nonce    string
	Verifier string
}

// NewAttempt makes one for the provider of a cloud.
func NewAttempt(cloud partner.CloudID) Attempt {
	return Attempt{Cloud: cloud, State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier()}
}

// proof is what ties the attempt to its answer.
func (a Attempt) proof() identity.Attempt {
	return identity.Attempt{State: a.State, Nonce: a.Nonce, Verifier: a.Verifier}
}

// Begin returns where somebody signs in at the portal of a cloud, and keeps the attempt, which whole holds, for when
// it comes back.
func (m *Room) Begin(w http.ResponseWriter, r *http.Request, c partner.Cloud, a Attempt, whole any, prompt identity.Prompt) (string, error) {
	where, err := m.Authorities.Begin(a.Cloud, c.BaseURL+m.Callback, a.proof(), prompt)
	if err != nil {
		return "", err
	}
	for i, name := range m.attempts(r) {
		if i >= maxAttempts-1 {
			drop(w, name)
		}
	}
	return where, m.Put(r.Context(), w, c, m.Attempts+suffix(a.State), m.AttemptUse, whole, attemptTime)
}

// suffix is the part of a state that names its cookie.
func suffix(state string) string {
	keep := state[:min(len(state), 12)]
	if strings.ContainsFunc(keep, func(r rune) bool { return !('A' <= r && r <= 'Z' || '0' <= r && r <= '9') }) {
		return ""
	}
	return keep
}

// attempts are the names of the cookies of sign-ins under way, the youngest first: browsers send the oldest first.
func (m *Room) attempts(r *http.Request) []string {
	var names []string
	for _, c := range r.Cookies() {
		if strings.HasPrefix(strings.TrimPrefix(c.Name, hostPrefix), m.Attempts) {
			names = append(names, c.Name)
		}
	}
	slices.Reverse(names)
	return names
}

// Resume reads the attempt that a request comes back from into whole, in which a is. It gives false where none of this
// browser's is meant.
func (m *Room) Resume(r *http.Request, whole any, a *Attempt) (bool, error) {
	state := r.URL.Query().Get("state")
	ok, err := m.recall(r, m.Attempts+suffix(state), m.AttemptUse, whole)
	return ok && subtle.ConstantTimeCompare([]byte(a.State), []byte(state)) == 1, err
}

// Settle forgets an attempt that has ended in a session.
func (m *Room) Settle(w http.ResponseWriter, c partner.Cloud, a Attempt) {
	drop(w, cookieName(c, m.Attempts+suffix(a.State)))
}

// Why no sign-in came of an attempt.
var (
	// ErrDenied means that the person or the company's directory said no.
	ErrDenied = errors.New("session: the provider denies it")
	// ErrAgain means that the person has to begin anew.
	ErrAgain = errors.New("session: the sign-in has to begin anew")
)

// Identify finds out who came back from an attempt. Errors: [ErrDenied], [ErrAgain], [identity.ErrRefused],
// [identity.ErrNoCompany]; anything else is the provider's trouble.
func (m *Room) Identify(r *http.Request, c partner.Cloud, a Attempt) (relationship.Person, error) {
	q := r.URL.Query()
	if code := q.Get("error"); code != "" {
		return relationship.Person{}, refusal(code)
	}
	return m.identify(r.Context(), c, a, q.Get("code"), q.Get("iss"))
}

// refusal reads what the provider says instead of a code (OpenID Connect Core 3.1.2.6, RFC 6749 4.1.2.1).
func refusal(code string) error {
	switch code {
	case "access_denied", "consent_required", "interaction_required", "unauthorized_client", "account_selection_required":
		return ErrDenied
	case "login_required", "invalid_request":
		return ErrAgain
	default:
		return errors.New("the identity provider answers with an error")
	}
}

func (m *Room) identify(ctx context.Context, c partner.Cloud, a Attempt, code, issuer string) (relationship.Person, error) {
	who, err := m.Authorities.Complete(ctx, c.ID, c.BaseURL+m.Callback, a.proof(), code, issuer)
	if err != nil {
		return relationship.Person{}, err
	}
	if who.Unread != nil {
		m.Log.WarnContext(ctx, "directory not read, domains not proven", "cloud", c.ID, "error", who.Unread.Error())
	}
	p := relationship.Person{
		Subject: who.Subject, Name: who.Name, Email: who.Email, Roles: who.Roles,
		Company: relationship.Customer{Tenant: who.Tenant, CompanyName: who.Company, Domains: who.Domains, Country: who.Country, Cloud: who.Cloud},
	}
	if who.Country != "" {
		p.Company.CountrySource = "token"
	}
	return p, nil
}
