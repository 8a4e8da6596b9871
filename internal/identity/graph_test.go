package identity_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"concord/internal/identity"
	"concord/internal/identity/identitytest"
)

// TestGraph: what the token of Entra leaves out is read from the company's directory; whatever goes wrong there, the
// sign-in stands and the domains are not proven.
func TestGraph(t *testing.T) {
	p := identitytest.New(t)
	lena := map[string]any{"sub": "pairwise", "tid": larch, "name": "Lena Larch", "wids": []string{admin}}
	says := map[string]any{
		"id": larch, "displayName": "Larch Industries", "countryLetterCode": nil,
		"verifiedDomains": []map[string]any{
			{"name": "larch0.onmicrosoft.com", "isInitial": true}, {"name": "Larch.example", "isDefault": true}, {"name": "larch.example"}, {"name": ""},
		},
	}
	domains := []string{"larch.example", "larch0.onmicrosoft.com"}
	many := make([]map[string]any, 6000)
	for n := range many {
		many[n] = map[string]any{"name": fmt.Sprintf("%d.a-domain-with-a-long-name.example", n)}
	}
	write := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }
	}
	const name, code = "Larch Industries", "countryLetterCode"
	for what, c := range map[string]struct {
		person, says map[string]any
		raw          http.HandlerFunc // in the place of says
		without      bool             // a deployment that asks no directory
		company      string
		country      string
		domains      []string
		unread       string // part of why; empty for read
	}{
		"read":           {person: lena, says: says, company: name, domains: domains},
		"with a country": {person: lena, says: with(says, map[string]any{code: "us"}), company: name, country: "US", domains: domains},
		"no country":     {person: lena, says: with(says, map[string]any{code: "nowhere"}), company: name, domains: domains},
		"the token first": {
			person: with(lena, map[string]any{"tenant_name": "Larch", "tenant_ctry": "DE"}), says: with(says, map[string]any{code: "US"}),
			company: "Larch", country: "DE", domains: domains,
		},
		"nothing to ask": {
			person:  with(lena, map[string]any{"tenant_name": "Larch", "tenant_domains": "token.example"}),
			company: "Larch", domains: []string{"token.example"},
		},
		"not asked":       {person: lena, says: says, without: true},
		"no domains":      {person: lena, says: with(says, map[string]any{"verifiedDomains": nil}), company: name},
		"no consent":      {person: lena, unread: "403"},
		"another company": {person: lena, says: with(says, map[string]any{"id": oak}), unread: "not about the company"},
		"too long":        {person: lena, says: with(says, map[string]any{"verifiedDomains": many}), unread: "more than"},
		"no JSON":         {person: lena, raw: write("<html>"), unread: "no list"},
		"empty":           {person: lena, raw: write("{}"), unread: "not about the company"},
		"led away":        {person: lena, raw: http.RedirectHandler("/graph/v1.0/elsewhere", http.StatusFound).ServeHTTP, unread: "302"},
		"silent":          {person: lena, raw: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, unread: "Timeout"},
	} {
		p.Person(c.person)
		p.Organization(c.says)
		if c.raw != nil {
			p.GraphSays(c.raw)
		}
		one := identity.Authority{Cloud: "public", Issuer: p.Issuer("organizations"), Claims: entra, Graph: p.Graph()}
		if c.without {
			one.Graph = ""
		}
		began := time.Now()
		who, err := signIn(t, authorities(t, one), "public", nil)
		if err != nil || who.Tenant != larch || time.Since(began) > 4*time.Second {
			t.Errorf("%s: %+v, %v after %s", what, who, err, time.Since(began))
			continue
		}
		if who.Company != c.company || who.Country != c.country || !slices.Equal(who.Domains, c.domains) {
			t.Errorf("%s: %q %q %q", what, who.Company, who.Country, who.Domains)
		}
		if (who.Unread == nil) != (c.unread == "") || who.Unread != nil && !strings.Contains(who.Unread.Error(), c.unread) {
			t.Errorf("%s: unread: %v, want %q", what, who.Unread, c.unread)
		}
	}
	if n := p.Asked("/graph/v1.0/elsewhere"); n != 0 {
		t.Error("the token went where a redirect led")
	}
}
