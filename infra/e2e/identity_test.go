package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"concord/infra/local/accounts"
	"concord/infra/local/stack"
	"concord/internal/identity/identitytest"
)

// Template ids of Microsoft Entra ID: Global Administrator, and the role that everybody has.
const (
	entraAdmin = "62e90394-69f5-4237-9190-012177145e10"
	entraUser  = "b79fbf4d-3ef9-4689-8143-76b194e85509"
)

// TestIdentityProviders goes from a partner's token to an accepted invitation and a customer in the partner's list, with each kind of
// provider that companies have, on a stack that has the parameters which a deployment would get.
func TestIdentityProviders(t *testing.T) {
	p, government := identitytest.New(t), identitytest.New(t)
	path, err := accounts.Path()
	if err != nil {
		t.Fatal(err)
	}
	all, err := accounts.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	tenant := func(name string) string {
		for _, company := range all.Tenants {
			if strings.HasPrefix(strings.ToLower(company.Name), name) {
				return company.ID
			}
		}
		t.Fatalf("no company called %s", name)
		return ""
	}
	larch, agency := tenant("larch"), tenant("agency")
	const entra = `{"email":"email preferred_username","country":"tenant_ctry","roles":"wids","globalAdmin":"` + entraAdmin + `"}`
	entraPerson := map[string]any{
		"sub": "pairwise", "oid": "o", "tid": larch, "name": "Lena Larch", "preferred_username": "admin@larch.example", "tenant_ctry": "US",
		"wids": []string{entraAdmin, entraUser}, "ver": "2.0",
	}
	plainPerson := map[string]any{
		"sub": "lena", "tid": larch, "tenant_name": "Larch Industries", "tenant_domains": []string{"larch.example"}, "tenant_country": "US", "roles": []string{"globalAdmin"},
	}
	for name, c := range map[string]struct {
		parameters map[string]string
		provider   *identitytest.Server
		program    map[string]any
		person     map[string]any
		recipient  string
		identity   string // what the relationship says of who answered
	}{
		"Entra for all companies": {
			map[string]string{"Issuer": p.Issuer("organizations"), "SignInClaims": entra, "ApiAudiences": "api-app"}, p,
			map[string]any{"iss": p.Issuer(tenant("alder")), "aud": "api-app", "sub": "o", "tid": tenant("alder"), "roles": []string{"adminAgent"}, "ver": "2.0"},
			entraPerson, "buyer@larch.example", "pending",
		},
		"Entra for one company": {
			map[string]string{"Issuer": p.Issuer(larch), "SignInClaims": strings.Replace(entra, "{", `{"tenant":"tenantId tid",`, 1)}, p,
			map[string]any{"iss": p.Issuer(larch), "aud": "concord-api", "sub": "o", "tid": larch, "tenantId": tenant("alder"), "roles": []string{"adminAgent"}},
			entraPerson, "buyer@larch.example", "pending",
		},
		"Cognito": {
			map[string]string{"Issuer": p.Issuer(""), "ApiAudiences": "client-1", "SignInClaims": `{"tenant":"custom:tid","company":"custom:company","domains":"custom:domains","country":"custom:country","roles":"cognito:groups scope"}`}, p,
			map[string]any{"iss": p.Issuer(""), "client_id": "client-1", "sub": "client-1", "custom:tid": tenant("alder"), "scope": "concord-api/adminAgent", "token_use": "access"},
			map[string]any{"sub": "u", "custom:tid": larch, "custom:company": "Larch Industries", "custom:domains": "larch.example", "custom:country": "US", "cognito:groups": []string{"globalAdmin"}},
			"buyer@larch.example", "none",
		},
		"two clouds, two issuers": {
			map[string]string{"Issuer": p.Issuer(""), "UsGovIssuer": government.Issuer("")}, government,
			map[string]any{"iss": government.Issuer(""), "aud": "concord-api", "sub": "elm", "tid": tenant("elm"), "roles": []string{"adminAgent"}},
			map[string]any{"sub": "ada", "tid": agency, "tenant_name": "Agency for Example Affairs", "tenant_domains": "agency.example", "tenant_country": "US", "roles": "globalAdmin"},
			"cio@agency.example", "none",
		},
		"two clouds, the public one": {
			map[string]string{"Issuer": p.Issuer(""), "UsGovIssuer": government.Issuer("")}, p,
			map[string]any{"iss": p.Issuer(""), "aud": "concord-api", "sub": "alder", "tid": tenant("alder"), "roles": []string{"adminAgent"}},
			plainPerson, "buyer@larch.example", "none",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := stack.Start(t.Context(), stack.Options{Parameters: c.parameters})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			c.provider.Person(c.person)
			agent := &partner{t: t, token: c.provider.Token(c.program), http: http.DefaultClient, base: s.URL()}
			if role := agent.do("GET", "/v1/roles/me", "").want(t, 200).json(t); role["programRole"] != "directBill" {
				t.Fatalf("roles/me: %v", role)
			}
			made := agent.post("/v1/invitations", `{"kind":"reseller","recipientEmail":"`+c.recipient+`"}`).want(t, 201).json(t)
			draft := agent.do("GET", "/v1/invitations/"+made["id"].(string)+"/draft", "").want(t, 200).json(t)
			link := aloneOnLine.FindString(draft["body"].(string))
			jar, _ := cookiejar.New(nil)
			client := &http.Client{Jar: jar}
			get := func(u string) answer {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u, nil)
				if err != nil {
					t.Fatal(err)
				}
				res, err := client.Do(r)
				return read(t, res, err)
			}
			if page := get(link+"/sign-in").want(t, 200); page.page(t) != "answer" {
				t.Fatalf("after sign-in: %s", page.page(t))
			}
			form := url.Values{"answer": {"accept"}, "authorized": {"on"}, "fullName": {"Lena Larch"}, "jobTitle": {"Director"}, "companyName": {"Larch Industries"}}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, link, strings.NewReader(form.Encode()))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Origin", s.URL())
			res, err := client.Do(r)
			if page := read(t, res, err).want(t, 200); page.page(t) != "accepted" {
				t.Fatalf("answered: %s", page.page(t))
			}
			list := agent.do("GET", "/v1/customers", "").want(t, 200).json(t)["items"].([]any)
			if len(list) != 1 {
				t.Fatalf("%d customers", len(list))
			}
			one := list[0].(map[string]any)
			if one["identityCheck"] != c.identity || strings.TrimSpace(one["companyName"].(string)) == "" || regexp.MustCompile(`^[0-9a-f-]{36}$`).MatchString(one["companyName"].(string)) {
				t.Errorf("customer: %v", one)
			}
			for _, bad := range []string{c.provider.Forged("r", c.program), c.provider.Token(map[string]any{"iss": "https://elsewhere.example"})} {
				refused := &partner{t: t, token: bad, http: http.DefaultClient, base: s.URL()}
				refused.do("GET", "/v1/customers", "").want(t, 403)
			}
			if d := s.Guard.Denials(); len(d) > 0 {
				t.Errorf("denied: %v", d)
			}
		})
	}
}

// TestAPermissionIsMissed: with one permission taken out of the template a run fails, and says whose it is.
func TestAPermissionIsMissed(t *testing.T) {
	raw, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	const lacks = "dynamodb:GetItem, dynamodb:BatchGetItem, dynamodb:PutItem, dynamodb:UpdateItem"
	poorer := strings.Replace(string(raw), lacks, strings.Replace(lacks, ", dynamodb:PutItem", "", 1), 1)
	if poorer == string(raw) {
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
