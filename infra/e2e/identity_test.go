package e2e

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"concord/infra/local/stack"
	"concord/internal/identity/identitytest"
)

// Template ids of Microsoft Entra ID: Global Administrator, and the role that everybody has.
const (
	entraAdmin = "62e90394-69f5-4237-9190-012177145e10"
	entraUser  = "b79fbf4d-3ef9-4689-8143-76b194e85509"
)

// deployment is one with a kind of identity provider, who calls and who signs in there.
type deployment struct {
	parameters map[string]string
	provider   *identitytest.Server
	program    map[string]any // claims of an access token of a partner that the API takes
	person     map[string]any // claims of the ID token of who accepts
	graph      map[string]any // what the company's directory says of it; nil for a refusal
	recipient  string
	identity   string // what the relationship says of who answered
}

const entraClaims = `{"email":"email preferred_username","country":"tenant_ctry","roles":"wids","globalAdmin":"` + entraAdmin + `"}`

// deployments are the kinds of providers that companies have, as infra/identity says which parameters follow from them.
func deployments(t *testing.T) map[string]deployment {
	p, government := identitytest.New(t), identitytest.New(t)
	alder, elm, larch, agency := tenantOf(t, "alder.example"), tenantOf(t, "elm.example"), tenantOf(t, "larch.example"), tenantOf(t, "agency.example")
	entraPerson := map[string]any{
		"sub": "pairwise", "oid": "o", "tid": larch, "name": "Lena Larch", "preferred_username": "admin@larch.example", "tenant_ctry": "US",
		"wids": []string{entraAdmin, entraUser}, "ver": "2.0",
	}
	entraProgram := map[string]any{"iss": p.Issuer(alder), "aud": "api-app", "sub": "o", "tid": alder, "roles": []string{"adminAgent"}, "ver": "2.0"}
	directory := map[string]any{
		"id": larch, "displayName": "Larch Industries", "countryLetterCode": nil,
		"verifiedDomains": []map[string]any{{"name": "larch0.onmicrosoft.com", "isInitial": true}, {"name": "larch.example", "isDefault": true}},
	}
	all := map[string]string{"Issuer": p.Issuer("organizations"), "SignInClaims": entraClaims, "ApiAudiences": "api-app"}
	graph := with(all, "GraphEndpoint", p.Graph())
	two := map[string]string{"Issuer": p.Issuer(""), "UsGovIssuer": government.Issuer("")}
	return map[string]deployment{
		"Entra for all companies":                     {all, p, entraProgram, entraPerson, directory, "buyer@larch.example", "pending"},
		"Entra with Graph":                            {graph, p, entraProgram, entraPerson, directory, "buyer@larch.example", "none"},
		"Entra with a Graph that nobody consented to": {graph, p, entraProgram, entraPerson, nil, "buyer@larch.example", "pending"},
		"Entra for one company": {
			map[string]string{"Issuer": p.Issuer(larch), "SignInClaims": strings.Replace(entraClaims, "{", `{"tenant":"tenantId tid",`, 1)}, p,
			map[string]any{"iss": p.Issuer(larch), "aud": "concord-api", "sub": "o", "tid": larch, "tenantId": alder, "roles": []string{"adminAgent"}},
			entraPerson, nil, "buyer@larch.example", "pending",
		},
		"Okta": {
			map[string]string{"Issuer": p.OktaIssuer(), "SignInClientId": "0oa2", "SignInClaims": `{"roles":"groups scp"}`}, p,
			map[string]any{
				"ver": 1, "jti": "AT.1", "iss": p.OktaIssuer(), "aud": "concord-api", "cid": "0oa1", "sub": "0oa1", "scp": []string{"adminAgent"}, "tid": alder,
			},
			map[string]any{
				"ver": 1, "jti": "ID.1", "sub": "00u1", "name": "Lena Larch", "email": "admin@larch.example", "preferred_username": "admin@larch.example",
				"amr": []string{"pwd", "mfa"}, "idp": "00o1", "groups": []string{"Everyone", "globalAdmin"}, "tid": larch, "tenant_name": "Larch Industries",
				"tenant_domains": []string{"larch.example"}, "tenant_country": "US",
			},
			nil, "buyer@larch.example", "none",
		},
		"Cognito": {
			map[string]string{
				"Issuer": p.Issuer(""), "ApiAudiences": "client-1", "SignInClaims": `{"tenant":"custom:tid","company":"custom:company",` +
					`"domains":"custom:domains","country":"custom:country","roles":"cognito:groups scope"}`,
			}, p,
			map[string]any{
				"iss": p.Issuer(""), "client_id": "client-1", "sub": "client-1", "custom:tid": alder, "scope": "concord-api/adminAgent", "token_use": "access",
			},
			map[string]any{
				"sub": "u", "custom:tid": larch, "custom:company": "Larch Industries", "custom:domains": "larch.example", "custom:country": "US",
				"cognito:groups": []string{"globalAdmin"},
			},
			nil, "buyer@larch.example", "none",
		},
		"two clouds, two issuers": {
			two, government, map[string]any{"iss": government.Issuer(""), "aud": "concord-api", "sub": "elm", "tid": elm, "roles": []string{"adminAgent"}},
			map[string]any{
				"sub": "ada", "tid": agency, "tenant_name": "Agency for Example Affairs", "tenant_domains": "agency.example", "tenant_country": "US",
				"roles": "globalAdmin",
			},
			nil, "cio@agency.example", "none",
		},
		"two clouds, the public one": {
			two, p, map[string]any{"iss": p.Issuer(""), "aud": "concord-api", "sub": "alder", "tid": alder, "roles": []string{"adminAgent"}},
			map[string]any{
				"sub": "lena", "tid": larch, "tenant_name": "Larch Industries", "tenant_domains": []string{"larch.example"}, "tenant_country": "US",
				"roles": []string{"globalAdmin"},
			},
			nil, "buyer@larch.example", "none",
		},
	}
}

// with gives a copy of a map in which one thing is otherwise; nil takes it out.
func with[V any](base map[string]V, name string, value any) map[string]V {
	changed := maps.Clone(base)
	if value == nil {
		delete(changed, name)
	} else {
		changed[name] = value.(V)
	}
	return changed
}

// TestIdentityProviders goes from a partner's token to an accepted invitation and a customer in the partner's list,
// with each kind of provider that companies have, on a stack that has the parameters which a deployment would get. No
// other token opens the list.
func TestIdentityProviders(t *testing.T) {
	for name, d := range deployments(t) {
		t.Run(name, func(t *testing.T) {
			s, err := stack.Start(t.Context(), stack.Options{Parameters: d.parameters})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			d.provider.Person(d.person)
			d.provider.Organization(d.graph)
			agent := &partner{t: t, token: d.provider.Token(d.program), http: http.DefaultClient, base: s.URL()}
			// The provider asks no questions.
			one := accepted(t, agent, d.recipient, func(b *browser, link string) answer { return b.get(link+"/sign-in").want(t, 200) })
			if one["identityCheck"] != d.identity {
				t.Errorf("identityCheck is %v, want %s", one["identityCheck"], d.identity)
			}
			if one["companyName"] == "Larch Industries" != (name != "two clouds, two issuers") {
				t.Errorf("the company is called %v", one["companyName"])
			}
			refuses(t, s.URL(), d.refused(t))
			if d := s.Guard.Denials(); len(d) > 0 {
				t.Errorf("denied: %v", d)
			}
		})
	}
}

// accepted has a partner invite somebody, who signs in and accepts; it gives the customer as it then stands in the
// partner's list.
func accepted(t *testing.T, agent *partner, recipient string, signIn func(b *browser, link string) answer) map[string]any {
	t.Helper()
	if role := agent.do("GET", "/v1/roles/me", "").want(t, 200).json(t); role["programRole"] != "directBill" {
		t.Fatalf("roles/me: %v", role)
	}
	made := agent.post("/v1/invitations", `{"kind":"reseller","recipientEmail":"`+recipient+`"}`).want(t, 201).json(t)
	draft := agent.do("GET", "/v1/invitations/"+made["id"].(string)+"/draft", "").want(t, 200).json(t)
	b := newBrowser(t)
	page := signIn(b, aloneOnLine.FindString(draft["body"].(string)))
	if page.page(t) != "answer" {
		t.Fatalf("after sign-in: %s", page.page(t))
	}
	form := accepting()
	form.Set("companyName", "Larch Industries")
	if page := b.submit(page, form).want(t, 200); page.page(t) != "accepted" {
		t.Fatalf("answered: %s", page.page(t))
	}
	list := agent.do("GET", "/v1/customers", "").want(t, 200).json(t)["items"].([]any)
	if len(list) != 1 {
		t.Fatalf("%d customers", len(list))
	}
	one := list[0].(map[string]any)
	if name := one["companyName"].(string); strings.TrimSpace(name) == "" || regexp.MustCompile(`^[0-9a-f-]{36}$`).MatchString(name) {
		t.Errorf("customer: %v", one)
	}
	return one
}

// refused are tokens that open nothing, by what is wrong with them: each is the one that is taken with one thing
// changed.
func (d deployment) refused(t *testing.T) map[string]string {
	good := d.provider.Token(d.program)
	parts := strings.Split(good, ".")
	body, err := json.Marshal(with(d.program, "sub", "somebody else"))
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := identitytest.New(t)
	issuer := d.program["iss"].(string)
	tokens := map[string]string{
		"forged, known key id":   d.provider.Forged("r", d.program),
		"forged, unknown key id": d.provider.Forged("x", d.program),
		"another body":           parts[0] + "." + base64.RawURLEncoding.EncodeToString(body) + "." + parts[2],
		"no signature":           base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + ".",
		"expired":                d.provider.Token(with(d.program, "exp", time.Now().Add(-time.Minute).Unix())),
		"not valid yet":          d.provider.Token(with(d.program, "nbf", time.Now().Add(time.Hour).Unix())),
		"foreign issuer":         elsewhere.Token(with(d.program, "iss", elsewhere.Issuer(""))),
		"issuer by prefix":       d.provider.Token(with(d.program, "iss", issuer+"/more")),
		"no issuer":              d.provider.Token(with(d.program, "iss", nil)),
		"no company":             d.provider.Token(with(with(with(d.program, "tid", nil), "tenantId", nil), "custom:tid", nil)),
		"no token":               "x",
	}
	if _, ok := d.program["aud"]; ok {
		tokens["wrong audience"] = d.provider.Token(with(d.program, "aud", "another-api"))
		tokens["no audience"] = d.provider.Token(with(d.program, "aud", nil))
	} else {
		tokens["wrong client"] = d.provider.Token(with(d.program, "client_id", "client-9"))
		tokens["a person's own client"] = d.provider.Token(with(d.program, "client_id", identitytest.ClientID))
	}
	if strings.HasSuffix(issuer, "/v2.0") { // each company has an issuer of its own
		oak := tenantOf(t, "oak.example")
		tokens["issuer of another company"] = d.provider.Token(with(d.program, "iss", d.provider.Issuer(oak)))
		tokens["the issuer's pattern"] = d.provider.Token(with(d.program, "iss", d.provider.Issuer("{tenantid}")))
		tokens["the issuer of all"] = d.provider.Token(with(d.program, "iss", d.provider.Issuer("organizations")))
	}
	if d.parameters["UsGovIssuer"] != "" {
		tokens["another cloud than its issuer's"] = d.provider.Token(with(d.program, "cloud", "elsewhere"))
	}
	return tokens
}

// refuses calls with each of several tokens, and with none.
func refuses(t *testing.T, base string, tokens map[string]string) {
	t.Helper()
	for what, token := range tokens {
		bad := &partner{t: t, token: token, http: http.DefaultClient, base: base}
		if got := bad.do("GET", "/v1/customers", ""); got.StatusCode != http.StatusForbidden || string(got.body) != `{"message":"Forbidden"}` {
			t.Errorf("%s: %d %.200s", what, got.StatusCode, got.body)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/v1/customers", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	read(t, res, err).want(t, http.StatusUnauthorized)
}

// TestAPermissionIsMissed: with one permission taken out of the template a run fails, and says whose it is.
func TestAPermissionIsMissed(t *testing.T) {
	raw, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	before, role, found := strings.Cut(string(raw), "\n  InvitationsRole:\n")
	poorer := before + "\n  InvitationsRole:\n" + strings.Replace(role, ", dynamodb:PutItem", "", 1)
	if own, _, _ := strings.Cut(role, "\n\n"); !found || !strings.Contains(own, ", dynamodb:PutItem") {
		t.Fatal("the role of invitations is written otherwise: mend this test")
	}
	file := filepath.Join(t.TempDir(), "template.yaml")
	if err := os.WriteFile(file, []byte(poorer), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := stack.Start(t.Context(), stack.Options{TemplateFile: file})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	token := func() string {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.Issuer()+"/oauth2/token", strings.NewReader("grant_type=client_credentials"))
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("alder", "local")
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		var got struct {
			AccessToken string `json:"access_token"`
		}
		_ = json.Unmarshal(body, &got)
		return got.AccessToken
	}()
	alder := &partner{t: t, token: token, http: http.DefaultClient, base: s.URL()}
	alder.post("/v1/invitations", `{"kind":"reseller","recipientEmail":"a@larch.example"}`).want(t, 500)
	if d := s.Guard.Denials(); len(d) == 0 || !strings.HasPrefix(d[0].String(), "InvitationsFunction may not dynamodb:PutItem on arn:aws:dynamodb:") {
		t.Errorf("denied: %v", d)
	}
}
