package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"concord/infra/local/template"
)

// denial is a request that the authorizer turns away.
type denial struct {
	status int
	reason string
}

func (d *denial) Error() string { return d.reason }

// authorizer is a Lambda authorizer with payload format 2.0 and simple responses. Its answers are kept by the values of the identity
// sources for as long as the template says, in real time: they are about tokens, which are on real time too.
type authorizer struct {
	template.Authorizer
	functions Invoker

	mu   sync.Mutex
	kept map[string]kept
}

type kept struct {
	until  time.Time
	answer simple
}

// simple is a simple response.
type simple struct {
	IsAuthorized *bool          `json:"isAuthorized"`
	Context      map[string]any `json:"context"`
}

// maxKept bounds the cache; a stack that runs for weeks sees many tokens.
const maxKept = 10_000

// sources gives the values of the identity sources, and false when one is missing: then the gateway refuses without asking.
func (a *authorizer) sources(r *http.Request) ([]string, bool) {
	values := make([]string, len(a.IdentitySources))
	for i, source := range a.IdentitySources {
		where, name, _ := strings.Cut(strings.TrimPrefix(source, "$request."), ".")
		switch where {
		case "header":
			values[i] = strings.Join(r.Header.Values(name), ",")
		case "querystring":
			values[i] = r.URL.Query().Get(name)
		}
		if values[i] == "" {
			return nil, false
		}
	}
	return values, true
}

// authorize asks the function, or its answer of before. Errors: *denial, or what kept the function from answering.
func (a *authorizer) authorize(ctx context.Context, r *http.Request, rt route, event events.APIGatewayV2HTTPRequest) (map[string]any, error) {
	values, ok := a.sources(r)
	if !ok {
		return nil, &denial{http.StatusUnauthorized, "an identity source is missing"}
	}
	key := strings.Join(values, "\x00")
	a.mu.Lock()
	before, found := a.kept[key]
	a.mu.Unlock()
	if found && time.Now().Before(before.until) {
		return before.answer.judge()
	}
	question, err := json.Marshal(events.APIGatewayV2CustomAuthorizerV2Request{
		Version: "2.0", Type: "REQUEST", IdentitySource: values, RouteKey: event.RouteKey, RawPath: event.RawPath, RawQueryString: event.RawQueryString,
		RouteArn: fmt.Sprintf("arn:aws:execute-api:%s:%s:%s/$default/%s%s", template.Region, template.Account, event.RequestContext.APIID, rt.Method, event.RawPath),
		Cookies:  event.Cookies, Headers: event.Headers, QueryStringParameters: event.QueryStringParameters, PathParameters: event.PathParameters,
		RequestContext: event.RequestContext,
	})
	if err != nil {
		return nil, err
	}
	raw, err := a.functions.Invoke(ctx, a.Function, question)
	if err != nil {
		return nil, fmt.Errorf("authorizer %s: %w", a.Name, err)
	}
	var answer simple
	if err := json.Unmarshal(raw, &answer); err != nil || answer.IsAuthorized == nil {
		return nil, fmt.Errorf("authorizer %s: its answer is no simple response", a.Name)
	}
	if a.TTL > 0 {
		a.mu.Lock()
		if len(a.kept) >= maxKept {
			clear(a.kept)
		}
		a.kept[key] = kept{time.Now().Add(a.TTL), answer}
		a.mu.Unlock()
	}
	return answer.judge()
}

func (s simple) judge() (map[string]any, error) {
	if !*s.IsAuthorized {
		return nil, &denial{http.StatusForbidden, "the authorizer refuses"}
	}
	return s.Context, nil
}
