package pages_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"concord/internal/identity"
)

const clientID = "concord"

// authorities are two clouds that share a provider, so that the claim decides which of them it is.
func authorities(issuer string) *identity.Authorities {
	a, err := identity.New([]identity.Authority{{Cloud: "public", Issuer: issuer, ClientID: clientID}, {Cloud: "usGov", Issuer: issuer}})
	if err != nil {
		panic(err)
	}
	return a
}

// signingKey is made once: it is what takes longest here.
var signingKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

// identityProvider is an OpenID provider: discovery, key set, and a token endpoint that checks PKCE, the redirect URI and that a
// code is used once. [identityProvider.approve] stands for its page with the form.
type identityProvider struct {
	*httptest.Server
	t *testing.T

	mu    sync.Mutex
	codes map[string]url.Values // code → the authorization request
	who   map[string]map[string]any
	// Change, when set, changes the claims of the next ID tokens; Sign, when set, signs them otherwise.
	change func(map[string]any)
	sign   func(map[string]any) string
	status int // of the token endpoint, when not zero
	calls  map[string]int
}

func newIdentityProvider(t *testing.T) *identityProvider {
	p := &identityProvider{t: t, codes: map[string]url.Values{}, who: map[string]map[string]any{}, calls: map[string]int{}}
	mux := http.NewServeMux()
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.calls[r.URL.Path]++
		p.mu.Unlock()
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(p.Close)
	answer := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	}
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{
			"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
			"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
			"id_token_signing_alg_values_supported": []string{"RS256"},
		})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &signingKey().PublicKey, KeyID: "1", Algorithm: "RS256", Use: "sig"}}})
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.status != 0 {
			w.WriteHeader(p.status)
			answer(w, map[string]any{"error": "server_error"})
			return
		}
		asked, ok := p.codes[r.PostFormValue("code")]
		delete(p.codes, r.PostFormValue("code"))
		sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
		if !ok || r.PostFormValue("redirect_uri") != asked.Get("redirect_uri") || r.PostFormValue("client_id") != clientID ||
			r.PostFormValue("grant_type") != "authorization_code" ||
			base64.RawURLEncoding.EncodeToString(sum[:]) != asked.Get("code_challenge") || asked.Get("code_challenge_method") != "S256" {
			w.WriteHeader(http.StatusBadRequest)
			answer(w, map[string]any{"error": "invalid_grant"})
			return
		}
		claims := maps.Clone(p.who[asked.Get("state")])
		maps.Copy(claims, map[string]any{
			"iss": p.URL, "aud": clientID, "nonce": asked.Get("nonce"),
			"iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(),
		})
		if p.change != nil {
			p.change(claims)
		}
		sign := p.sign
		if sign == nil {
			sign = func(c map[string]any) string { return signed(p.t, jose.RS256, signingKey(), c) }
		}
		answer(w, map[string]any{"access_token": "x", "token_type": "Bearer", "id_token": sign(claims)})
	})
	return p
}

func signed(t *testing.T, a jose.SignatureAlgorithm, key any, claims map[string]any) string {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: a, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", "1"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := jwt.Signed(s).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// approve gives where the provider sends the browser after somebody has signed in for an authorization request.
func (p *identityProvider) approve(request string, claims map[string]any) string {
	p.t.Helper()
	u, err := url.Parse(request)
	if err != nil {
		p.t.Fatal(err)
	}
	q := u.Query()
	if u.Path != "/authorize" || q.Get("response_type") != "code" || q.Get("client_id") != clientID || q.Get("scope") != "openid profile email" {
		p.t.Fatalf("not an authorization request of ours: %s", request)
	}
	code := rand.Text()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.codes[code], p.who[q.Get("state")] = q, claims
	return q.Get("redirect_uri") + "?" + url.Values{"code": {code}, "state": {q.Get("state")}, "iss": {p.URL}}.Encode()
}

// called gives how often a path was asked for.
func (p *identityProvider) called(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[path]
}
