package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/coreos/go-oidc/v3/oidc"

	"concord/infra/local/template"
)

// denial is a request that the authorizer turns away.
type denial struct {
	status    int
	challenge string
	reason    string
}

func (d *denial) Error() string { return d.reason }

func unauthorized(reason string) error {
	return &denial{http.StatusUnauthorized, fmt.Sprintf(`Bearer scope="" error="invalid_token" error_description=%q`, reason), reason}
}

// authorizer is a JWT authorizer: it finds the issuer's keys by discovery on the first request and keeps them.
type authorizer struct {
	template.Authorizer
	mu       sync.Mutex
	verifier *oidc.IDTokenVerifier
}

func (a *authorizer) keys() (*oidc.IDTokenVerifier, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.verifier != nil {
		return a.verifier, nil
	}
	// The key set outlives this request, so it must not have its context.
	ctx := oidc.ClientContext(context.Background(), &http.Client{Timeout: 5 * time.Second})
	provider, err := oidc.NewProvider(ctx, a.Issuer)
	if err != nil {
		return nil, fmt.Errorf("authorizer %s: %w", a.Name, err)
	}
	a.verifier = provider.VerifierContext(ctx, &oidc.Config{SkipClientIDCheck: true, SupportedSigningAlgs: []string{oidc.RS256}})
	return a.verifier, nil
}

func (a *authorizer) token(r *http.Request) string {
	source := strings.TrimPrefix(a.IdentitySource, "$request.")
	var value string
	if name, ok := strings.CutPrefix(source, "header."); ok {
		value = r.Header.Get(name)
	} else if name, ok := strings.CutPrefix(source, "querystring."); ok {
		value = r.URL.Query().Get(name)
	}
	if scheme, rest, ok := strings.Cut(value, " "); ok && strings.EqualFold(scheme, "Bearer") {
		value = strings.TrimSpace(rest)
	}
	return value
}

// authorize verifies signature, iss, aud (or client_id), exp, nbf, iat and scopes, in real time. Errors: *denial, or what
// kept it from getting the keys.
func (a *authorizer) authorize(r *http.Request) (*events.APIGatewayV2HTTPRequestContextAuthorizerDescription, error) {
	raw := a.token(r)
	if raw == "" {
		return nil, &denial{http.StatusUnauthorized, "Bearer", "no token"}
	}
	verifier, err := a.keys()
	if err != nil {
		return nil, err
	}
	verified, err := verifier.Verify(r.Context(), raw)
	if err != nil {
		return nil, unauthorized("the token is not valid")
	}
	var body json.RawMessage
	if err := verified.Claims(&body); err != nil {
		return nil, unauthorized("the token has no claims")
	}
	var claims map[string]any
	decoder := json.NewDecoder(strings.NewReader(string(body)))
	decoder.UseNumber()
	if err := decoder.Decode(&claims); err != nil {
		return nil, unauthorized("the token has no claims")
	}
	clientID, _ := claims["client_id"].(string)
	inAudience := func(s string) bool { return slices.Contains(a.Audience, s) }
	if !slices.ContainsFunc(verified.Audience, inAudience) && (len(verified.Audience) > 0 || !inAudience(clientID)) {
		return nil, unauthorized("the token is for another audience")
	}
	now := float64(time.Now().UnixMilli()) / 1000
	for _, name := range []string{"nbf", "iat"} {
		if n, ok := claims[name].(json.Number); ok {
			if at, err := n.Float64(); err != nil || at > now {
				return nil, unauthorized("the token is not valid yet")
			}
		}
	}
	granted := scopes(claims)
	if len(a.Scopes) > 0 && !slices.ContainsFunc(a.Scopes, func(s string) bool { return slices.Contains(granted, s) }) {
		return nil, &denial{http.StatusForbidden, `Bearer error="insufficient_scope"`, "the token lacks the scope"}
	}
	flat := make(map[string]string, len(claims))
	for name, value := range claims {
		flat[name] = flatten(value)
	}
	jwt := &events.APIGatewayV2HTTPRequestContextAuthorizerJWTDescription{Claims: flat}
	if len(a.Scopes) > 0 {
		jwt.Scopes = granted
	}
	return &events.APIGatewayV2HTTPRequestContextAuthorizerDescription{JWT: jwt}, nil
}

func scopes(claims map[string]any) []string {
	switch v := claims["scope"].(type) {
	case string:
		return strings.Fields(v)
	}
	list, _ := claims["scp"].([]any)
	var out []string
	for _, s := range list {
		out = append(out, fmt.Sprint(s))
	}
	return out
}

// flatten writes a claim as the gateway hands it on: every claim is text, and a list is [a b].
func flatten(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = flatten(e)
		}
		return "[" + strings.Join(parts, " ") + "]"
	case map[string]any:
		raw, _ := json.Marshal(v)
		return string(raw)
	}
	return fmt.Sprint(v)
}
