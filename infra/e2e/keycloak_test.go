//go:build heavy

package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"concord/infra/local/component"
	"concord/infra/local/stack"
	"concord/internal/identity/identitytest"
)

// TestKeycloak goes from a program's token to an accepted invitation and a customer in the partner's list with a real Keycloak, whose
// realm infra/identity describes. People sign in by its form. `make keycloak` fetches the server and runs this.
func TestKeycloak(t *testing.T) {
	port, err := component.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	base := startKeycloak(t, "http://127.0.0.1:"+strconv.Itoa(port))
	t.Logf("Keycloak answers after %s", time.Since(began).Round(time.Second))
	realm := base + "/realms/concord"
	s, err := stack.Start(t.Context(), stack.Options{Port: port, Parameters: map[string]string{"Issuer": realm, "SignInClientId": "concord"}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	brief := keycloakToken(t, realm, "alder-brief") // is over before it is shown
	agent := &partner{t: t, token: keycloakToken(t, realm, "alder"), http: http.DefaultClient, base: s.URL()}
	one := accepted(t, agent, "buyer@larch.example", func(b *browser, link string) answer {
		form := b.get(link+"/sign-in").want(t, 200)
		again := b.submit(form, url.Values{"username": {"admin@larch.example"}, "password": {"another"}})
		return b.submit(again, url.Values{"username": {"admin@larch.example"}, "password": {"local"}}).want(t, 200)
	})
	if one["companyName"] != "Larch Industries" || one["identityCheck"] != "none" || one["domain"] != "larch.example" {
		t.Errorf("customer: %v", one)
	}
	made := agent.post("/v1/invitations", `{"kind":"reseller","recipientEmail":"nobody@larch.example"}`).want(t, 201).json(t)
	draft := agent.do("GET", "/v1/invitations/"+made["id"].(string)+"/draft", "").want(t, 200).json(t)
	b := newBrowser(t)
	form := b.get(aloneOnLine.FindString(draft["body"].(string))+"/sign-in").want(t, 200)
	page := b.submit(form, url.Values{"username": {"nobody@larch.example"}, "password": {"local"}})
	if got := page.page(t); got != "no-company" {
		t.Errorf("who is in no company's directory sees %q", got)
	}
	refuses(t, s.URL(), keycloakRefused(t, base, agent.token, brief))
	if d := s.Guard.Denials(); len(d) > 0 {
		t.Errorf("denied: %v", d)
	}
}

// keycloakRefused are tokens that open nothing: of Keycloak itself, and made of one that is taken.
func keycloakRefused(t *testing.T, base, good, expired string) map[string]string {
	t.Helper()
	parts := strings.Split(good, ".")
	var claims map[string]any
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(raw, &claims) != nil {
		t.Fatalf("Keycloak's token: %v", err)
	}
	var header struct{ Kid string }
	if raw, err = base64.RawURLEncoding.DecodeString(parts[0]); err != nil || json.Unmarshal(raw, &header) != nil {
		t.Fatalf("Keycloak's token: %v", err)
	}
	other := identitytest.New(t)
	claims["sub"] = "somebody else"
	body, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"forged, known key id": other.Forged(header.Kid, claims),
		"another body":         parts[0] + "." + base64.RawURLEncoding.EncodeToString(body) + "." + parts[2],
		"expired":              expired,
		"another realm":        keycloakToken(t, base+"/realms/elsewhere", "alder"),
		"foreign issuer":       other.Token(with(claims, "iss", other.Issuer(""))),
		"wrong audience":       keycloakToken(t, base+"/realms/concord", "alder-elsewhere"),
	}
}

// keycloakToken takes a token of a program by client credentials.
func keycloakToken(t *testing.T, realm, client string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, realm+"/protocol/openid-connect/token", strings.NewReader("grant_type=client_credentials"))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth(client, "local")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultClient.Do(r)
	token, _ := read(t, res, err).want(t, 200).json(t)["access_token"].(string)
	if strings.Count(token, ".") != 2 {
		t.Fatal("the access token is not a JWT")
	}
	return token
}

// startKeycloak starts the server of infra/tools with the realm of infra/identity, and with the same under another name; it ends with the test.
func startKeycloak(t *testing.T, portal string) string {
	t.Helper()
	root, err := component.Root()
	if err != nil {
		t.Fatal(err)
	}
	home := filepath.Join(root, "infra", "tools", "keycloak")
	if err := component.Require("Keycloak", filepath.Join(home, "lib", "quarkus-run.jar"), "make keycloak"); err != nil {
		t.Fatal(err)
	}
	realm, err := os.ReadFile(filepath.Join(root, "infra", "identity", "keycloak-realm.json"))
	if err != nil {
		t.Fatal(err)
	}
	imports := filepath.Join(home, "data", "import")
	if err := os.MkdirAll(imports, 0o750); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"concord-realm.json":   realm,
		"elsewhere-realm.json": bytes.Replace(realm, []byte(`"realm": "concord"`), []byte(`"realm": "elsewhere"`), 1),
	} {
		if err := os.WriteFile(filepath.Join(imports, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	port, err := component.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	base := "http://127.0.0.1:" + strconv.Itoa(port)
	// bin/kc.sh starts Java as a child of its own, which would outlive it; these are its options that count, with a compiler that starts fast.
	const open = "--add-opens=java.base/java."
	child, err := component.Start(component.Program{
		Name: "Keycloak", Path: "java", Env: []string{"PORTAL_URL=" + portal},
		Args: []string{
			"-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx512m", open + "util=ALL-UNNAMED", open + "util.concurrent=ALL-UNNAMED",
			open + "security=ALL-UNNAMED", open + "lang=ALL-UNNAMED", "-Djava.util.logging.manager=org.jboss.logmanager.LogManager",
			"-Djava.util.concurrent.ForkJoinPool.common.threadFactory=io.quarkus.bootstrap.forkjoin.QuarkusForkJoinWorkerThreadFactory",
			"-Dkc.home.dir=" + home, "-Djboss.server.config.dir=" + filepath.Join(home, "conf"), "-cp", filepath.Join(home, "lib", "quarkus-run.jar"),
			"io.quarkus.bootstrap.runner.QuarkusEntryPoint", "start", "--optimized", "--import-realm", "--cache=local", "--http-enabled=true",
			"--http-host=127.0.0.1", "--http-port=" + strconv.Itoa(port), "--hostname=" + base,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := child.Close(); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	if err := child.AwaitHTTP(ctx, base+"/realms/elsewhere/.well-known/openid-configuration"); err != nil {
		t.Fatal(err)
	}
	return base
}
