package idp

import (
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/net/html"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"concord/infra/local/accounts"
)

const callback = "http://127.0.0.1:8080/sign-in/callback"

var shared = sync.OnceValues(func() (*IDP, error) {
	return Start(context.Background(), Options{RedirectURIs: []string{callback}})
})

func start(t *testing.T) (*IDP, *oidc.Provider, *accounts.File) {
	t.Helper()
	p, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	provider, err := oidc.NewProvider(t.Context(), p.Issuer())
	if err != nil {
		t.Fatal(err)
	}
	path, err := accounts.Path()
	if err != nil {
		t.Fatal(err)
	}
	file, err := accounts.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return p, provider, file
}

func TestEveryClientGetsAnAccessToken(t *testing.T) {
	_, provider, file := start(t)
	verifier := provider.Verifier(&oidc.Config{ClientID: "concord-api", SupportedSigningAlgs: []string{"RS256"}})
	for _, c := range file.Clients {
		t.Run(c.ID, func(t *testing.T) {
			config := clientcredentials.Config{ClientID: c.ID, ClientSecret: "local", TokenURL: provider.Endpoint().TokenURL, AuthStyle: oauth2.AuthStyleInHeader}
			token, err := config.Token(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			verified, err := verifier.Verify(t.Context(), token.AccessToken)
			if err != nil {
				t.Fatal(err)
			}
			var claims struct {
				TenantID string   `json:"tenantId"`
				Roles    []string `json:"roles"`
				Cloud    string   `json:"cloud"`
			}
			if err := verified.Claims(&claims); err != nil {
				t.Fatal(err)
			}
			tenant, _ := file.Tenant(c.TenantID)
			if claims.TenantID != c.TenantID || !slices.Equal(claims.Roles, c.Roles) || claims.Cloud != tenant.Cloud {
				t.Errorf("got %+v, want %+v in %s", claims, c, tenant.Cloud)
			}
			if life := verified.Expiry.Sub(verified.IssuedAt); life != time.Hour {
				t.Errorf("lives %v", life)
			}
		})
	}
	config := clientcredentials.Config{ClientID: "alder", ClientSecret: "wrong", TokenURL: provider.Endpoint().TokenURL, AuthStyle: oauth2.AuthStyleInHeader}
	if _, err := config.Token(t.Context()); err == nil || !strings.Contains(err.Error(), "invalid_client") {
		t.Errorf("a wrong secret got %v", err)
	}
}

// browser is a person's browser: it keeps cookies, follows redirects, and stops at the product's callback.
type browser struct {
	t      *testing.T
	client *http.Client
}

func newBrowser(t *testing.T) browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return browser{t, &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), callback) {
			return http.ErrUseLastResponse
		}
		return nil
	}}}
}

// read returns the page's address, its status and HTML, and where a redirect to the callback leads.
func (b browser) read(response *http.Response, err error) (at *url.URL, status int, body, location string) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return response.Request.URL, response.StatusCode, string(text), response.Header.Get("Location")
}

// submit fills the page's only form and posts it where a browser would.
func (b browser) submit(at *url.URL, page string, values map[string]string) (*http.Response, error) {
	b.t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		b.t.Fatal(err)
	}
	forms, inputs := 0, []string{}
	target := at
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		for _, a := range n.Attr {
			switch {
			case n.Data == "form" && a.Key == "action":
				if target, err = at.Parse(a.Val); err != nil {
					b.t.Fatal(err)
				}
			case n.Data == "input" && a.Key == "name":
				inputs = append(inputs, a.Val)
			}
		}
		if n.Data == "form" {
			forms++
		}
	}
	if forms != 1 || !slices.Equal(inputs, []string{"username", "password"}) {
		b.t.Fatalf("%d forms with the fields %v at %s", forms, inputs, at)
	}
	form := url.Values{}
	for name, value := range values {
		form.Set(name, value)
	}
	return b.client.PostForm(target.String(), form)
}

func relyingParty(provider *oidc.Provider) oauth2.Config {
	return oauth2.Config{ClientID: "concord", Endpoint: provider.Endpoint(), RedirectURL: callback, Scopes: []string{"openid", "profile", "email"}}
}

// exchange takes the code from the callback's address and returns the verified ID token.
func exchange(t *testing.T, provider *oidc.Provider, location, verifier string) *oidc.IDToken {
	t.Helper()
	u, err := url.Parse(location)
	if err != nil || u.Query().Get("state") != "state" {
		t.Fatalf("the callback is %q (%v)", location, err)
	}
	config := relyingParty(provider)
	token, err := config.Exchange(t.Context(), u.Query().Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := token.Extra("id_token").(string)
	verified, err := provider.Verifier(&oidc.Config{ClientID: "concord"}).Verify(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	if verified.Nonce != "nonce" {
		t.Errorf("nonce %q", verified.Nonce)
	}
	return verified
}

func TestEveryPersonSignsIn(t *testing.T) {
	_, provider, file := start(t)
	config := relyingParty(provider)
	for _, person := range file.People {
		t.Run(person.Username, func(t *testing.T) {
			b, verifier := newBrowser(t), oauth2.GenerateVerifier()
			at, status, page, _ := b.read(b.client.Get(config.AuthCodeURL("state", oidc.Nonce("nonce"), oauth2.S256ChallengeOption(verifier))))
			if status != http.StatusOK {
				t.Fatalf("sign-in page: %d", status)
			}
			at, status, page, _ = b.read(b.submit(at, page, map[string]string{"username": "nobody@larch.example", "password": "x"}))
			if status != http.StatusUnprocessableEntity || !strings.Contains(page, "Nobody here is called nobody@larch.example") {
				t.Fatalf("an unknown user got %d", status)
			}
			_, _, _, location := b.read(b.submit(at, page, map[string]string{"username": person.Username, "password": "anything"}))
			token := exchange(t, provider, location, verifier)
			var claims struct {
				TID           string   `json:"tid"`
				TenantName    string   `json:"tenant_name"`
				TenantDomains []string `json:"tenant_domains"`
				TenantCountry string   `json:"tenant_country"`
				Cloud         string   `json:"cloud"`
				Roles         []string `json:"roles"`
				Name          string   `json:"name"`
				Email         string   `json:"email"`
			}
			if err := token.Claims(&claims); err != nil {
				t.Fatal(err)
			}
			tenant, _ := file.Tenant(person.TenantID)
			if token.Subject != person.ID || claims.TID != tenant.ID || claims.TenantName != tenant.Name || !slices.Equal(claims.TenantDomains, tenant.Domains) ||
				claims.TenantCountry != tenant.Country || claims.Cloud != tenant.Cloud || claims.Roles == nil || !slices.Equal(claims.Roles, person.Roles) ||
				claims.Name != person.Name || claims.Email != person.Username {
				t.Errorf("sub %s, %+v; want %+v of %+v", token.Subject, claims, person, tenant)
			}
		})
	}
}

func TestSessionIsReusedUnlessLoginIsAskedFor(t *testing.T) {
	_, provider, file := start(t)
	config, b, verifier := relyingParty(provider), newBrowser(t), oauth2.GenerateVerifier()
	authorize := func(more ...oauth2.AuthCodeOption) (*url.URL, int, string, string) {
		options := append([]oauth2.AuthCodeOption{oidc.Nonce("nonce"), oauth2.S256ChallengeOption(verifier)}, more...)
		return b.read(b.client.Get(config.AuthCodeURL("state", options...)))
	}
	at, _, page, _ := authorize()
	b.read(b.submit(at, page, map[string]string{"username": file.People[0].Username, "password": "x"}))

	_, _, _, location := authorize()
	if got := exchange(t, provider, location, verifier).Subject; got != file.People[0].ID {
		t.Errorf("the session is %s's", got)
	}
	at, status, page, _ := authorize(oauth2.SetAuthURLParam("prompt", "login"))
	if status != http.StatusOK {
		t.Fatalf("prompt=login shows %d", status)
	}
	at, status, page, location = b.read(b.submit(at, page, map[string]string{"username": file.People[2].Username, "password": "x"}))
	if location == "" {
		t.Fatalf("the switch ends at %s with %d: %s", at, status, page)
	}
	if got := exchange(t, provider, location, verifier).Subject; got != file.People[2].ID {
		t.Errorf("after the switch the session is %s's", got)
	}
	_, _, _, location = authorize()
	if got := exchange(t, provider, location, verifier).Subject; got != file.People[2].ID {
		t.Errorf("the switch did not last: %s", got)
	}
}

func TestManySignInsAtOnce(t *testing.T) {
	_, provider, file := start(t)
	config := relyingParty(provider)
	var people sync.WaitGroup
	for i := range 150 {
		person := file.People[i%len(file.People)]
		people.Go(func() {
			b, verifier := newBrowser(t), oauth2.GenerateVerifier()
			response, err := b.client.Get(config.AuthCodeURL("state", oidc.Nonce("nonce"), oauth2.S256ChallengeOption(verifier)))
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, response.Body)
			response.Body.Close()
			response, err = b.client.PostForm(response.Request.URL.String(), url.Values{"username": {person.Username}, "password": {"x"}})
			if err != nil {
				t.Error(err)
				return
			}
			response.Body.Close()
			u, err := response.Location()
			if err != nil {
				t.Errorf("%s: %v", response.Status, err)
				return
			}
			if _, err := config.Exchange(t.Context(), u.Query().Get("code"), oauth2.VerifierOption(verifier)); err != nil {
				t.Error(err)
			}
		})
	}
	people.Wait()
}

func TestRefused(t *testing.T) {
	_, provider, _ := start(t)
	config, b := relyingParty(provider), newBrowser(t)
	_, _, _, location := b.read(b.client.Get(config.AuthCodeURL("state")))
	if !strings.Contains(location, "error=invalid_request") {
		t.Errorf("without PKCE: %s", location)
	}
	config.RedirectURL = "http://127.0.0.1:8080/elsewhere"
	_, status, page, location := b.read(b.client.Get(config.AuthCodeURL("state", oauth2.S256ChallengeOption(oauth2.GenerateVerifier()))))
	if status != http.StatusBadRequest || location != "" || !strings.Contains(page, "redirect_uri") {
		t.Errorf("an unknown redirect URI: %d to %q", status, location)
	}
}

func TestStartSaysWhatIsWrong(t *testing.T) {
	running, _, _ := start(t)
	u, err := url.Parse(running.Issuer())
	if err != nil {
		t.Fatal(err)
	}
	var port int
	for _, digit := range u.Port() {
		port = port*10 + int(digit-'0')
	}
	refuse := func(o Options, want string) {
		t.Helper()
		p, err := Start(t.Context(), o)
		if err == nil {
			p.Close()
			t.Fatalf("it started, want %q", want)
		}
		if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %q, want one line with %q", err, want)
		}
	}
	refuse(Options{Port: port}, "IDP_PORT changes it")
	refuse(Options{AccountsFile: filepath.Join(t.TempDir(), "accounts.json")}, "accounts.json")
	empty := t.TempDir()
	if err := os.WriteFile(filepath.Join(empty, "go.mod"), []byte("module concord\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(empty)
	refuse(Options{}, "make -C infra/tools npm")
}
