// Package identitytest is an OpenID provider for tests that speaks as the providers do that companies have: as one with
// a single issuer (Keycloak, Amazon Cognito), as Okta with its authorization servers, and as Microsoft Entra ID, which
// has an issuer for each directory, a discovery document for all, and a Graph that says what a directory is.
package identitytest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// ClientID is the public client that the provider knows.
const ClientID = "concord"

var keys = sync.OnceValues(func() (*rsa.PrivateKey, *ecdsa.PrivateKey) {
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return r, e
})

// Server is a provider on loopback. Below /<directory>/v2.0 it is that of one directory, below /organizations/v2.0 of
// all, below /oauth2/<server> an authorization server of Okta, and at its root one with a single issuer.
type Server struct {
	*httptest.Server
	t testing.TB

	mu     sync.Mutex
	people map[string]any
	codes  map[string]request
	graph  http.HandlerFunc
	access map[string]request // by the access token that a sign-in gave
	asked  map[string]int
	down   bool
}

type request struct {
	url.Values
	directory string
	claims    map[string]any
}

// New starts a provider that ends with the test.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{t: t, codes: map[string]request{}, access: map[string]request{}, asked: map[string]int{}}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	return s
}

// Issuer is what a deployment is configured with: of one directory, of "organizations", or with an empty name the single one.
func (s *Server) Issuer(directory string) string {
	if directory == "" {
		return s.URL
	}
	return s.URL + "/" + directory + "/v2.0"
}

// okta is the path of an authorization server there.
const okta = "oauth2"

// OktaIssuer is that of an authorization server.
func (s *Server) OktaIssuer() string { return s.URL + "/" + okta + "/aus1" }

// Graph is where [Server.Organization] answers.
func (s *Server) Graph() string { return s.URL + "/graph/v1.0" }

// GraphScope is what a token has to be asked for with before the Graph answers.
func (s *Server) GraphScope() string { return s.URL + "/User.Read" }

// Organization is what the Graph says from now on of the company of who signs in. With nil it refuses, as it does where
// nobody has consented.
func (s *Server) Organization(properties map[string]any) {
	if properties == nil {
		s.GraphSays(nil)
		return
	}
	s.GraphSays(func(w http.ResponseWriter, _ *http.Request) { answer(w, map[string]any{"value": []any{properties}}) })
}

// GraphSays puts another answer in the place of an organization's.
func (s *Server) GraphSays(h http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.graph = h
}

// Person is who signs in from now on, by the claims of the ID token. The provider asks no questions.
func (s *Server) Person(claims map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.people = claims
}

// Down lets every request for keys and tokens fail.
func (s *Server) Down(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

// Asked is how often a path was asked for.
func (s *Server) Asked(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[path]
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/graph/") {
		s.organization(w, r)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked[r.URL.Path]++
	directory, rest := "", r.URL.Path
	if first, after, ok := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/"); ok && first != ".well-known" {
		directory, rest = first, "/"+after
	}
	switch {
	case strings.HasSuffix(rest, "/.well-known/openid-configuration"):
		s.discovery(w, directory)
	case s.down:
		http.Error(w, "down", http.StatusBadGateway)
	case strings.HasSuffix(r.URL.Path, "/keys"):
		rsaKey, ecKey := keys()
		// Entra's keys name no algorithm.
		answer(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: rsaKey.Public(), KeyID: "r", Use: "sig"}, {Key: ecKey.Public(), KeyID: "e", Use: "sig"}}})
	case strings.HasSuffix(r.URL.Path, "/authorize"):
		s.authorize(w, r, directory)
	case strings.HasSuffix(r.URL.Path, "/token"):
		s.token(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (s *Server) discovery(w http.ResponseWriter, directory string) {
	base, issuer := s.URL, s.URL
	if directory != "" {
		base, issuer = s.URL+"/"+directory, s.URL+"/"+directory+"/v2.0"
	}
	switch directory {
	case okta:
		issuer, base = s.OktaIssuer(), s.OktaIssuer()+"/v1"
	case "organizations":
		issuer = s.URL + "/{tenantid}/v2.0"
	}
	answer(w, map[string]any{
		"issuer": issuer, "authorization_endpoint": base + "/authorize", "token_endpoint": base + "/token", "jwks_uri": base + "/keys",
		"response_types_supported": []string{"code"}, "subject_types_supported": []string{"pairwise"}, "id_token_signing_alg_values_supported": []string{"RS256"},
	})
}

func (s *Server) authorize(w http.ResponseWriter, r *http.Request, directory string) {
	code := rand.Text()
	q := r.URL.Query()
	s.codes[code] = request{q, directory, s.people}
	back := url.Values{"code": {code}, "state": {q.Get("state")}, "session_state": {"x"}}
	if directory == "" {
		back.Set("iss", s.URL) // Entra and Okta say no iss
	}
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
}

func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	asked, ok := s.codes[r.PostFormValue("code")]
	delete(s.codes, r.PostFormValue("code"))
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	if !ok || r.PostFormValue("redirect_uri") != asked.Get("redirect_uri") || base64.RawURLEncoding.EncodeToString(sum[:]) != asked.Get("code_challenge") {
		w.WriteHeader(http.StatusBadRequest)
		answer(w, map[string]any{"error": "invalid_grant"})
		return
	}
	claims := map[string]any{"iss": s.issuerFor(asked.directory, asked.claims), "aud": asked.Get("client_id"), "nonce": asked.Get("nonce")}
	maps.Copy(claims, asked.claims)
	access := rand.Text()
	s.access[access] = asked
	answer(w, map[string]any{"access_token": access, "token_type": "Bearer", "id_token": s.Token(claims)})
}

// organization answers as Microsoft Graph does: to who holds a token for it.
func (s *Server) organization(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked[r.URL.Path]++
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	given, ok := s.access[token]
	says := s.graph
	s.mu.Unlock()
	switch {
	case !ok:
		w.WriteHeader(http.StatusUnauthorized)
	case r.URL.Path != "/graph/v1.0/organization":
		http.NotFound(w, r)
	case says == nil || !slices.Contains(strings.Fields(given.Get("scope")), s.GraphScope()):
		w.WriteHeader(http.StatusForbidden)
		answer(w, map[string]any{"error": map[string]any{"code": "Authorization_RequestDenied"}})
	default:
		says(w, r)
	}
}

// issuerFor is the issuer of a token: of a provider for all, that of the person's directory.
func (s *Server) issuerFor(directory string, claims map[string]any) string {
	switch directory {
	case okta:
		return s.OktaIssuer()
	case "organizations":
		tid, _ := claims["tid"].(string)
		return s.Issuer(tid)
	}
	return s.Issuer(directory)
}

// Token signs claims with RS256. Without times of their own they are valid for five minutes.
func (s *Server) Token(claims map[string]any) string {
	rsaKey, _ := keys()
	return s.sign(jose.RS256, rsaKey, "r", claims)
}

// ECToken signs with ES256.
func (s *Server) ECToken(claims map[string]any) string {
	_, ecKey := keys()
	return s.sign(jose.ES256, ecKey, "e", claims)
}

// Forged signs with a key that is not the provider's, under a key id of one's choice.
func (s *Server) Forged(kid string, claims map[string]any) string {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.sign(jose.RS256, key, kid, claims)
}

func (s *Server) sign(a jose.SignatureAlgorithm, key any, kid string, claims map[string]any) string {
	now := time.Now()
	all := map[string]any{"iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix()}
	maps.Copy(all, claims)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: a, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	raw, err := jwt.Signed(signer).Claims(all).Serialize()
	if err != nil {
		s.t.Fatal(err)
	}
	return raw
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}
