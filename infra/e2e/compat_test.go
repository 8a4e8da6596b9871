//go:build heavy

package e2e

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"concord/infra/local/component"
)

// TestCompat has clients that Microsoft wrote for its own services walk through the local stack (docs/compat.md):
// they know the base URL and a token, and nothing of Concord. `make compat` installs them, and runs this.
func TestCompat(t *testing.T) {
	root, err := component.Root()
	if err != nil {
		t.Fatal(err)
	}
	built := filepath.Join(root, ".build", "compat")
	alder, birch := newPartner(t, "alder"), newPartner(t, "birch")
	walk := func(t *testing.T, command []string, environment ...string) {
		t.Helper()
		c := exec.CommandContext(t.Context(), command[0], command[1:]...)
		c.Env = append(os.Environ(), environment...)
		c.WaitDelay = time.Second
		said, err := c.CombinedOutput()
		t.Logf("%s", said)
		if err != nil {
			t.Error(err)
		}
	}
	t.Run("Graph", func(t *testing.T) {
		approved := approvedByLarch(t, alder)
		base, certificate := overTLS(t)
		walk(t, []string{"node", filepath.Join(built, "javascript", "graph.mjs")}, "CONCORD_GRAPH="+base+"/graph/",
			"CONCORD_TOKEN="+alder.token,
			"CONCORD_RELATIONSHIP="+approved, "NODE_EXTRA_CA_CERTS="+certificate)
	})
	t.Run("Partner Center", func(t *testing.T) {
		create := func(p *partner, name, more string) string {
			t.Helper()
			return p.post("/v1/customers", fmt.Sprintf(`{"companyName":%q,"domain":"%s.example","country":"US"%s}`, name,
				strings.ToLower(name), more)).
				want(t, 201).json(t)["id"].(string)
		}
		bought, shared := create(alder, "Compatrowan", ""), create(birch, "Compathazel",
			`,"forReseller":"`+newPartner(t, "cedar").tenant(t)+`"`)
		create(alder, "Compatwillow", "")
		alder.post("/v1/customers/"+bought+"/agreements", `{"type":"MicrosoftCustomerAgreement","dateAgreed":"2026-01-05",
			"primaryContact":{"firstName":"Rosa","lastName":"Rowan","email":"rosa@compatrowan.example"}}`).want(t, 201)
		alder.post("/v1/customers/"+bought+"/orders", `{"lines":[{"offerId":"ofr-office-basic","quantity":2}]}`).want(t, 201)
		python := filepath.Join(built, "python")
		walk(t, []string{filepath.Join(python, "venv", "bin", "python"), filepath.Join(python, "partnercenter.py")},
			"CONCORD_PC="+local.URL+"/pc",
			"CONCORD_CUSTOMER="+bought, "CONCORD_RESELLERS_CUSTOMER="+shared, "CONCORD_TOKEN_ALDER="+alder.token,
			"CONCORD_TOKEN_BIRCH="+birch.token)
	})
	t.Run("tokens", func(t *testing.T) {
		for _, path := range []string{"/graph/v1.0/tenantRelationships/delegatedAdminRelationships",
			"/graph/beta/contracts", "/pc/v1/customers"} {
			res, err := http.Get(local.URL + path)
			read(t, res, err).want(t, 401)
			stranger := &partner{t: t, token: "of.another.audience", http: http.DefaultClient}
			stranger.do("GET", path, "").want(t, 403)
		}
	})
}

// tenant returns whose token a partner has.
func (p *partner) tenant(t *testing.T) string {
	t.Helper()
	return p.do("GET", "/v1/roles/me", "").want(t, 200).json(t)["tenantId"].(string)
}

// approvedByLarch makes granular administration with two roles that a customer has approved, and returns its id.
func approvedByLarch(t *testing.T, p *partner) string {
	t.Helper()
	made := p.post(granulars, fmt.Sprintf(`{"displayName":"Compat desk","customer":{"tenantId":%q},"duration":"P90D",
		"accessDetails":{"unifiedRoles":[
		{"roleDefinitionId":"729827e3-9c14-49f7-bb1b-9608f156bbb8"},{"roleDefinitionId":"f2ef992c-3afb-46b9-b7cf-a126ee74c451"}]}}`,
		tenantOf(t, "larch.example"))).want(t, 201)
	id := made.json(t)["id"].(string)
	p.do("POST", granulars+"/"+id+"/requests", `{"action":"lockForApproval"}`).want(t, 200)
	p.post(granulars+"/"+id+"/send", `{"recipientEmail":"compat@larch.example"}`).want(t, 202)
	link := granularLink(t, mailAbout(t, "compat@larch.example", id, "granular", 1))
	b := newBrowser(t)
	if page := b.submit(b.signIn(link, "admin@larch.example").want(t, 200), accepting()).want(t,
		200).page(t); page != "accepted" {
		t.Fatal(page)
	}
	return id
}

// overTLS serves the local stack with a certificate of its own making, since some clients send a token over https
// alone. It returns the base URL and the file of the certificate. Links in answers lead back to it, as whoever ends
// TLS before a server has them.
func overTLS(t *testing.T) (base, certificate string) {
	t.Helper()
	plain, err := url.Parse(local.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(plain)
		r.Out.Header.Del("Accept-Encoding") // what is compressed for us is expanded before it comes here
	}}
	server := httptest.NewTLSServer(proxy)
	t.Cleanup(server.Close)
	proxy.ModifyResponse = func(r *http.Response) error {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return err
		}
		body = bytes.ReplaceAll(body, []byte(local.URL), []byte(server.URL))
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		r.Header.Set("Content-Length", fmt.Sprint(len(body)))
		return nil
	}
	certificate = filepath.Join(t.TempDir(), "certificate.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(certificate, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return server.URL, certificate
}
