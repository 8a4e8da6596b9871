// Package guard stands before the local services as IAM stands before those of AWS: a function's call passes when its role in
// template.yaml allows the action on the resource, and is refused in the service's own words when not. So every test that goes
// through the stack is a test of the roles.
//
// Each function signs with an access key id of its own, which is its logical id; the services behind see one account.
package guard

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	"concord/infra/local/template"
)

// Service is what a guard stands before.
type Service string

// The services that functions call.
const (
	DynamoDB       Service = "dynamodb"
	EventBridge    Service = "events"
	SecretsManager Service = "secretsmanager"
	SES            Service = "ses"
	SQS            Service = "sqs"
)

// maxBody bounds a request, in bytes; DynamoDB takes 16 MB.
const maxBody = 16 << 20

// Guard holds calls to the roles of a template.
type Guard struct {
	t     *template.Template
	roles map[string][]statement // by the function's logical id

	mu      sync.Mutex
	denials []Denial
}

// Denial is a call that a role does not allow.
type Denial struct{ Function, Action, Resource string }

func (d Denial) String() string {
	return fmt.Sprintf("%s may not %s on %s", d.Function, d.Action, d.Resource)
}

type statement struct {
	actions, resources []*regexp.Regexp
	deny               bool
	equal              map[string][]string // by condition key
}

// holds reports whether its conditions do, for a call. A key that the call does not have is equal to nothing.
func (s statement) holds(c call) bool {
	for key, values := range s.equal {
		if said, ok := c.context[key]; !ok || !slices.Contains(values, said) {
			return false
		}
	}
	return true
}

// New makes a guard of the roles of a template.
func New(t *template.Template) *Guard {
	g := &Guard{t: t, roles: map[string][]statement{}}
	for _, f := range t.Functions {
		for _, s := range f.Statements {
			g.roles[f.LogicalID] = append(g.roles[f.LogicalID], statement{patterns(s.Actions), patterns(s.Resources), s.Effect == "Deny", s.Equal})
		}
	}
	return g
}

// patterns makes what IAM's * and ? stand for.
func patterns(list []string) []*regexp.Regexp {
	out := make([]*regexp.Regexp, len(list))
	for i, s := range list {
		s = strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(s))
		out[i] = regexp.MustCompile("(?s)^" + s + "$")
	}
	return out
}

// Denials are the calls that were refused so far.
func (g *Guard) Denials() []Denial {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.denials)
}

// allows reports whether a function's role allows a call: what is not allowed is denied.
func (g *Guard) allows(function string, c call) bool {
	matches := func(list []*regexp.Regexp, s string) bool {
		return slices.ContainsFunc(list, func(p *regexp.Regexp) bool { return p.MatchString(s) })
	}
	allowed := false
	for _, s := range g.roles[function] {
		if matches(s.actions, c.action) && matches(s.resources, c.resource) && s.holds(c) {
			if s.deny {
				return false
			}
			allowed = true
		}
	}
	return allowed
}

// transport keeps many connections: every function's sandbox has its own before the guard.
var transport = &http.Transport{MaxIdleConnsPerHost: 512, DisableCompression: true}

// Before stands before a service. The key is that of the account that the service behind sees.
func (g *Guard) Before(s Service, target, key string) (http.Handler, error) {
	to, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	proxy := &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = to.Host
			if a := r.Out.Header.Get("Authorization"); a != "" {
				r.Out.Header.Set("Authorization", credential.ReplaceAllString(a, "Credential="+key+"/"))
			}
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			http.Error(w, "the request is too large", http.StatusRequestEntityTooLarge)
			return
		}
		function := ""
		if m := credential.FindStringSubmatch(r.Header.Get("Authorization")); m != nil {
			function = m[1]
		}
		for _, c := range g.calls(s, r, body) {
			if !g.allows(function, c) {
				g.refuse(w, s, Denial{function, c.action, c.resource})
				return
			}
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		proxy.ServeHTTP(w, r)
	}), nil
}

var credential = regexp.MustCompile(`Credential=([^/]+)/`)

func (g *Guard) refuse(w http.ResponseWriter, s Service, d Denial) {
	g.mu.Lock()
	g.denials = append(g.denials, d)
	g.mu.Unlock()
	status, kind := http.StatusBadRequest, "AccessDeniedException"
	if s == SES || s == SQS {
		status = http.StatusForbidden
	}
	if s == DynamoDB {
		kind = "com.amazon.coral.service#AccessDeniedException"
	}
	message := fmt.Sprintf("User: arn:aws:sts::%s:assumed-role/%s is not authorized to perform: %s on resource: %s because no identity-based policy allows the %s action",
		template.Account, d.Function, d.Action, d.Resource, d.Action)
	answer, _ := json.Marshal(map[string]string{"__type": kind, "Message": message, "message": message})
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.Header().Set("X-Amzn-Errortype", "AccessDeniedException")
	w.WriteHeader(status)
	_, _ = w.Write(answer)
}
