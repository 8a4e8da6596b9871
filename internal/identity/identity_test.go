package identity_test

import (
	"encoding/base64"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"concord/internal/identity"
	"concord/internal/identity/identitytest"
	"concord/internal/partner"
	"concord/internal/problem"
)

const (
	larch = "1a2c0000-0000-4000-8000-000000000011"
	oak   = "0a4c0000-0000-4000-8000-000000000013"
	admin = "62e90394-69f5-4237-9190-012177145e10" // Entra's template id of Global Administrator
)

// entra is how the template suggests to read tokens of Microsoft Entra ID.
var entra = identity.Claims{Country: "tenant_ctry", Roles: "wids", GlobalAdmin: admin}

func with(base map[string]any, changes ...map[string]any) map[string]any {
	out := maps.Clone(base)
	for _, c := range changes {
		maps.Copy(out, c)
	}
	maps.DeleteFunc(out, func(_ string, v any) bool { return v == nil })
	return out
}

func authorities(t *testing.T, list ...identity.Authority) *identity.Authorities {
	t.Helper()
	for i := range list {
		list[i].ClientID = identitytest.ClientID
	}
	a, err := identity.New(list)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestCalls is the table of whose tokens call the API: each provider as it speaks, and what each refuses.
func TestCalls(t *testing.T) {
	p := identitytest.New(t)
	other := identitytest.New(t)
	plain := map[string]any{"iss": p.Issuer(""), "aud": "concord-api", "sub": "alder", "tenantId": larch, "roles": []string{"adminAgent"}, "cloud": "public"}
	of := func(tid string) map[string]any {
		return map[string]any{"iss": p.Issuer(tid), "aud": "api-app", "sub": "o", "tid": tid, "roles": []string{"adminAgent", "operator"}, "ver": "2.0"}
	}
	shipped := authorities(t, identity.Authority{Cloud: "public", Issuer: p.Issuer("")}, identity.Authority{Cloud: "usGov", Issuer: p.Issuer("")})
	multi := authorities(t, identity.Authority{Cloud: "public", Issuer: p.Issuer("organizations"), Claims: entra})
	single := authorities(t, identity.Authority{Cloud: "public", Issuer: p.Issuer(larch), Claims: entra})
	two := authorities(t, identity.Authority{Cloud: "public", Issuer: p.Issuer("")}, identity.Authority{Cloud: "usGov", Issuer: other.Issuer("")})
	okta := authorities(t, identity.Authority{Cloud: "public", Issuer: p.OktaIssuer(), Claims: identity.Claims{Roles: "groups scp"}})
	cognito := authorities(t, identity.Authority{Cloud: "public", Issuer: p.Issuer(""), Claims: identity.Claims{Tenant: "custom:tid", Roles: "cognito:groups scope"}})
	operated, err := identity.New([]identity.Authority{{Cloud: "public", Issuer: p.Issuer("organizations"), ClientID: "c", Operators: []partner.TenantID{larch}}})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	symmetric, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: make([]byte, 32)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	hmac, err := jwt.Signed(symmetric).Claims(with(plain, map[string]any{"exp": now.Add(time.Hour).Unix()})).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	good := p.Token(plain)
	parts := strings.Split(good, ".")
	const none = ""
	for name, c := range map[string]struct {
		by    *identity.Authorities
		token string
		who   string // tenant, cloud and roles; none for a refusal
	}{
		"shipped provider":                   {shipped, good, larch + " public adminAgent"},
		"shipped provider, government cloud": {shipped, p.Token(with(plain, map[string]any{"cloud": "usGov"})), larch + " usGov adminAgent"},
		"ES256":                              {shipped, p.ECToken(plain), larch + " public adminAgent"},
		"Entra, for all companies":           {multi, p.Token(of(larch)), larch + " public adminAgent"},
		"Entra, another company":             {multi, p.Token(of(oak)), oak + " public adminAgent"},
		"Entra, one company":                 {single, p.Token(of(larch)), larch + " public adminAgent operator"},
		"Entra, the operator's company":      {operated, p.Token(of(larch)), larch + " public adminAgent operator"},
		"Entra, operator of another company": {operated, p.Token(of(oak)), oak + " public adminAgent"},
		"the issuer is the cloud":            {two, p.Token(with(plain, map[string]any{"cloud": nil})), larch + " public adminAgent"},
		"the other issuer is the other":      {two, other.Token(with(plain, map[string]any{"iss": other.Issuer(""), "cloud": nil})), larch + " usGov adminAgent"},
		"Okta": {okta, p.Token(map[string]any{"iss": p.OktaIssuer(), "aud": "concord-api", "cid": "0oa1", "sub": "0oa1", "tid": larch,
			"scp": []string{"adminAgent"}, "ver": 1}), larch + " public adminAgent"},
		"Cognito, no audience": {cognito, p.Token(with(plain, map[string]any{"aud": nil, "client_id": "concord-api", "tenantId": nil, "custom:tid": larch,
			"roles": nil, "scope": "concord-api/salesAgent concord-api/unknown", "cloud": nil})), larch + " public salesAgent"},

		"forged, known key id":     {shipped, p.Forged("r", plain), none},
		"forged, unknown key id":   {shipped, p.Forged("x", plain), none},
		"broken signature":         {shipped, parts[0] + "." + parts[1] + "." + strings.Repeat("A", len(parts[2])), none},
		"no signature":             {shipped, base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + ".", none},
		"symmetric":                {shipped, hmac, none},
		"no token":                 {shipped, "x.y.z", none},
		"empty":                    {shipped, "", none},
		"expired":                  {shipped, p.Token(with(plain, map[string]any{"exp": now.Add(-time.Second).Unix()})), none},
		"not valid yet":            {shipped, p.Token(with(plain, map[string]any{"nbf": now.Add(time.Hour).Unix()})), none},
		"foreign issuer":           {shipped, other.Token(with(plain, map[string]any{"iss": other.Issuer("")})), none},
		"wrong audience":           {shipped, p.Token(with(plain, map[string]any{"aud": "another-api"})), none},
		"client beside audience":   {shipped, p.Token(with(plain, map[string]any{"aud": "another-api", "client_id": "concord-api"})), none},
		"no audience, no client":   {shipped, p.Token(with(plain, map[string]any{"aud": nil})), none},
		"another cloud than its":   {two, p.Token(with(plain, map[string]any{"cloud": "usGov"})), none},
		"no tenant":                {shipped, p.Token(with(plain, map[string]any{"tenantId": nil})), none},
		"tenant of another issuer": {multi, p.Token(with(of(larch), map[string]any{"iss": p.Issuer(oak)})), none},
		"issuer of a sibling":      {single, p.Token(of(oak)), none},
		"issuer by prefix":         {multi, p.Token(with(of(larch), map[string]any{"iss": p.Issuer(larch) + "/more"})), none},
		"issuer as its pattern":    {multi, p.Token(with(of(larch), map[string]any{"iss": p.Issuer("{tenantid}")})), none},
		"directory that is no id":  {multi, p.Token(with(of("organizations"), nil)), none},
		"Okta's organization":      {okta, p.Token(with(plain, nil)), none},
		"two directories":          {multi, p.Token(with(of(larch), map[string]any{"tenantId": oak})), larch + " public adminAgent"},
	} {
		call, err := c.by.Call(t.Context(), c.token, []string{"concord-api", "api-app"})
		if c.who == none {
			if !errors.Is(err, identity.ErrRefused) && !errors.Is(err, identity.ErrNoCompany) {
				t.Errorf("%s: %+v, %v, want a refusal", name, call, err)
			}
			continue
		}
		got := string(call.Tenant) + " " + string(call.Cloud)
		for _, r := range call.Roles {
			got += " " + string(r)
		}
		if err != nil || got != c.who || call.Subject == "" || call.Expires.Before(now) {
			t.Errorf("%s: %q, %v, want %q", name, got, err, c.who)
		}
	}
}

// TestKeysOutOfReach: that a provider cannot be reached is no refusal, since a refusal is kept.
func TestKeysOutOfReach(t *testing.T) {
	p := identitytest.New(t)
	a := authorities(t, identity.Authority{Cloud: "public", Issuer: p.Issuer("")})
	claims := map[string]any{"iss": p.Issuer(""), "aud": "concord-api", "sub": "s", "tid": larch}
	p.Down(true)
	if _, err := a.Call(t.Context(), p.Token(claims), []string{"concord-api"}); err == nil || errors.Is(err, identity.ErrRefused) {
		t.Errorf("without keys: %v", err)
	}
	p.Down(false)
	if _, err := a.Call(t.Context(), p.Token(claims), []string{"concord-api"}); err != nil {
		t.Errorf("with keys again: %v", err)
	}
	dead := authorities(t, identity.Authority{Cloud: "public", Issuer: "http://127.0.0.1:1"})
	if _, err := dead.Call(t.Context(), p.Token(claims), nil); err == nil || errors.Is(err, identity.ErrRefused) {
		t.Errorf("without discovery: %v", err)
	}
}

// TestKeysAreAskedForSeldom: a flood of made-up key ids does not become a flood of requests.
func TestKeysAreAskedForSeldom(t *testing.T) {
	p := identitytest.New(t)
	a := authorities(t, identity.Authority{Cloud: "public", Issuer: p.Issuer("")})
	claims := map[string]any{"iss": p.Issuer(""), "aud": "concord-api", "sub": "s", "tid": larch}
	for range 20 {
		if _, err := a.Call(t.Context(), p.Forged("made-up", claims), []string{"concord-api"}); !errors.Is(err, identity.ErrRefused) {
			t.Fatal(err)
		}
	}
	if n := p.Asked("/keys"); n < 1 || n > 3 {
		t.Errorf("the keys were asked for %d times", n)
	}
	if _, err := a.Call(t.Context(), p.Token(claims), []string{"concord-api"}); err != nil {
		t.Errorf("a good token among them: %v", err)
	}
}

// change is made to a sign-in that comes back.
type change func(identity.Attempt, url.Values) (identity.Attempt, url.Values)

// signIn goes to the provider of a cloud and comes back.
func signIn(t *testing.T, a *identity.Authorities, cloud partner.CloudID, change change) (identity.Holder, error) {
	const back = "https://concord.example/sign-in/callback"
	t.Helper()
	attempt := identity.Attempt{State: "state", Nonce: "nonce", Verifier: strings.Repeat("v", 43)}
	where, err := a.Begin(cloud, back, attempt, identity.AsUsual)
	if err != nil {
		return identity.Holder{}, err
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, where, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	to, err := res.Location()
	if err != nil {
		t.Fatal(err)
	}
	q := to.Query()
	if change != nil {
		attempt, q = change(attempt, q)
	}
	return a.Complete(t.Context(), cloud, back, attempt, q.Get("code"), q.Get("iss"))
}

// TestSignIn goes the whole way with each provider.
func TestSignIn(t *testing.T) {
	p := identitytest.New(t)
	lena := map[string]any{"sub": "pairwise", "oid": "o", "tid": larch, "name": "Lena Larch", "preferred_username": "admin@larch.example", "tenant_ctry": "US", "wids": []string{admin, "b79fbf4d-3ef9-4689-8143-76b194e85509"}}
	try := func(a *identity.Authorities, cloud partner.CloudID, change change) (identity.Holder, error) {
		t.Helper()
		return signIn(t, a, cloud, change)
	}
	claims := entra
	claims.Email = "email preferred_username"
	p.Person(lena)
	for name, issuer := range map[string]string{"for all companies": p.Issuer("organizations"), "for one company": p.Issuer(larch)} {
		a := authorities(t, identity.Authority{Cloud: "public", Issuer: issuer, Claims: claims})
		who, err := try(a, "public", nil)
		if err != nil || who.Tenant != larch || who.Cloud != "public" || who.Country != "US" || who.Name != "Lena Larch" || who.Email != "admin@larch.example" ||
			!slices.Equal(who.Roles, []partner.Role{partner.GlobalAdmin}) || who.Company != "" || who.Domains != nil {
			t.Errorf("Entra, %s: %+v, %v", name, who, err)
		}
		if _, err := try(a, "usGov", nil); !problem.Is(err, problem.CloudMismatch) {
			t.Errorf("a cloud without a provider: %v", err)
		}
	}
	a := authorities(t, identity.Authority{Cloud: "public", Issuer: p.Issuer("")})
	for name, change := range map[string]change{
		"another nonce": func(a identity.Attempt, q url.Values) (identity.Attempt, url.Values) { a.Nonce = "other"; return a, q },
		"another verifier": func(a identity.Attempt, q url.Values) (identity.Attempt, url.Values) {
			a.Verifier = "other"
			return a, q
		},
		"no code":      func(a identity.Attempt, q url.Values) (identity.Attempt, url.Values) { q.Del("code"); return a, q },
		"another code": func(a identity.Attempt, q url.Values) (identity.Attempt, url.Values) { q.Set("code", "x"); return a, q },
		"another issuer": func(a identity.Attempt, q url.Values) (identity.Attempt, url.Values) {
			q.Set("iss", "https://x.example")
			return a, q
		},
	} {
		if who, err := try(a, "public", change); !errors.Is(err, identity.ErrRefused) {
			t.Errorf("%s: %+v, %v", name, who, err)
		}
	}
	if _, err := try(a, "public", nil); err != nil {
		t.Errorf("nothing changed: %v", err)
	}
	multi := authorities(t, identity.Authority{Cloud: "public", Issuer: p.Issuer("organizations"), Claims: entra})
	for iss, ok := range map[string]bool{p.Issuer(larch): true, p.Issuer(oak): false, p.Issuer("organizations"): false} { // RFC 9207
		_, err := try(multi, "public", func(a identity.Attempt, q url.Values) (identity.Attempt, url.Values) { q.Set("iss", iss); return a, q })
		if (err == nil) != ok {
			t.Errorf("iss %s: %v", iss, err)
		}
	}
	p.Person(with(lena, map[string]any{"tid": "9188040d"}))
	if _, err := try(multi, "public", nil); err == nil {
		t.Error("a person of no directory signed in")
	}
}

func TestParse(t *testing.T) {
	a, err := identity.Parse(`[{"cloud":"public","issuer":"https://a.example","clientId":"c","claims":{"roles":"wids"},"operators":""},
		{"cloud":"usGov","issuer":"","clientId":"","claims":{},"operators":""}]`)
	if err != nil || !a.Serves("public") || a.Serves("usGov") {
		t.Errorf("one cloud of two: %v", err)
	}
	for name, text := range map[string]string{
		"no JSON": "public", "empty": "[]", "no issuer at all": `[{"cloud":"public","issuer":""}]`, "unknown field": `[{"cloud":"p","issuer":"https://a.example","clientId":"c","x":1}]`,
		"unknown claim": `[{"cloud":"p","issuer":"https://a.example","clientId":"c","claims":{"colour":"x"}}]`, "no client": `[{"cloud":"p","issuer":"https://a.example"}]`,
		"no URL":            `[{"cloud":"p","issuer":"a.example","clientId":"c"}]`,
		"no URL of a graph": `[{"cloud":"p","issuer":"https://a.example","clientId":"c","graph":"v1.0"}]`,
		"twice":             `[{"cloud":"p","issuer":"https://a.example","clientId":"c"},{"cloud":"p","issuer":"https://b.example"}]`,
		"operators":         `[{"cloud":"p","issuer":"https://a.example","clientId":"c","operators":"me"}]`, "more": `[{"cloud":"p","issuer":"https://a.example","clientId":"c"}] []`,
	} {
		if _, err := identity.Parse(text); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// TestDiscoveryOfAnother: a discovery document that speaks for another issuer is no proof of anything.
func TestDiscoveryOfAnother(t *testing.T) {
	p := identitytest.New(t)
	relay := http.NewServeMux()
	relay.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, p.URL+r.URL.Path, http.StatusTemporaryRedirect)
	})
	relayed := httptest.NewServer(relay)
	defer relayed.Close()
	a := authorities(t, identity.Authority{Cloud: "public", Issuer: relayed.URL})
	token := p.Token(map[string]any{"iss": p.Issuer(""), "aud": "concord-api", "sub": "s", "tid": larch})
	if _, err := a.Call(t.Context(), token, []string{"concord-api"}); err == nil {
		t.Error("the keys of another issuer are taken")
	}
}
