package authorizer_test

import (
	"encoding/json"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"concord/internal/authorizer"
	"concord/internal/identity"
	"concord/internal/identity/identitytest"
)

const larch = "1a2c0000-0000-4000-8000-000000000011"

func TestHandle(t *testing.T) {
	p := identitytest.New(t)
	authorities, err := identity.New([]identity.Authority{{Cloud: "public", Issuer: p.Issuer(""), ClientID: identitytest.ClientID}})
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	a := authorizer.Authorizer{Authorities: authorities, Audiences: []string{"concord-api"}, Log: slog.New(slog.NewTextHandler(&log, nil))}
	token := p.Token(map[string]any{"iss": p.Issuer(""), "aud": "concord-api", "sub": "alder", "tid": larch, "roles": []string{"adminAgent", "salesAgent"}})
	ask := func(header ...string) (authorizer.Response, error) {
		return a.Handle(t.Context(), authorizer.Request{IdentitySource: header, RouteKey: "GET /v1/invitations"})
	}
	for _, scheme := range []string{"Bearer ", "bearer  "} {
		r, err := ask(scheme + token)
		exp, fault := strconv.ParseInt(r.Context[authorizer.Expires].(string), 10, 64)
		if err != nil || fault != nil || !r.IsAuthorized || time.Unix(exp, 0).Before(time.Now()) || r.Context[authorizer.Tenant] != larch || r.Context[authorizer.Roles] != "adminAgent salesAgent" ||
			r.Context[authorizer.Cloud] != "public" || r.Context[authorizer.Subject] != "alder" {
			t.Errorf("%s: %+v, %v", scheme, r, err)
		}
	}
	raw, err := os.ReadFile("../../events/authorizer-garbled.json")
	if err != nil {
		t.Fatal(err)
	}
	var garbled authorizer.Request
	if err := json.Unmarshal(raw, &garbled); err != nil {
		t.Fatal(err)
	}
	if r, err := a.Handle(t.Context(), garbled); err != nil || r.IsAuthorized {
		t.Errorf("garbled: %+v, %v", r, err)
	}
	for _, header := range [][]string{nil, {""}, {token}, {"Basic " + token}, {"Bearer"}, {"Bearer " + p.Forged("r", map[string]any{"iss": p.Issuer(""), "aud": "concord-api"})}} {
		if r, err := ask(header...); err != nil || r.IsAuthorized || r.Context != nil {
			t.Errorf("%.20q: %+v, %v", header, r, err)
		}
	}
	p.Down(true)
	dead, err := identity.New([]identity.Authority{{Cloud: "public", Issuer: p.Issuer(""), ClientID: identitytest.ClientID}})
	if err != nil {
		t.Fatal(err)
	}
	a.Authorities = dead
	if r, err := ask("Bearer " + token); err == nil || r.IsAuthorized {
		t.Errorf("keys out of reach: %+v, %v; a refusal would be kept for minutes", r, err)
	}
	if strings.Contains(log.String(), token[:20]) {
		t.Error("a token is in the log")
	}
}
