// Package gateway answers HTTP as an Amazon API Gateway HTTP API does: routes of the template, Lambda authorizers, Lambda proxy
// integration with payload format 2.0 both ways, and the gateway's own answers, which are {"message": …}.
package gateway

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"

	"concord/infra/local/lambda"
	"concord/infra/local/template"
)

// The quotas of an HTTP API, in bytes.
const (
	MaxBody    = 10 << 20
	MaxHeaders = 10_240 // request line and header values together
)

// Invoker gives an event to a function; the errors are those of lambda.Host.Invoke.
type Invoker interface {
	Invoke(ctx context.Context, function string, event []byte) ([]byte, error)
}

// Access is one line of the access log. It has the route's key and never the path, which may hold a link.
type Access struct {
	RequestID, RouteKey string
	Status              int
	Latency             time.Duration
	Err                 error // of the integration or of the authorizer
}

// Options are a gateway's; Now is the only one that needs a value.
type Options struct {
	Now    func() time.Time // time of requestContext
	Access func(Access)     // called after each answer, if not nil
}

// Gateway is an HTTP API. It is an http.Handler.
type Gateway struct {
	api         template.API
	routes      []route
	authorizers map[string]*authorizer
	functions   Invoker
	options     Options
	bucket      bucket
}

type route struct {
	template.Route
	segments []string
}

// New makes the gateway of one API of the template.
func New(api template.API, functions Invoker, o Options) *Gateway {
	if o.Now == nil {
		o.Now = time.Now
	}
	g := &Gateway{api: api, authorizers: map[string]*authorizer{}, functions: functions, options: o}
	g.bucket = bucket{rate: api.RateLimit, burst: float64(api.BurstLimit), tokens: float64(api.BurstLimit), at: time.Now()}
	for name, a := range api.Authorizers {
		g.authorizers[name] = &authorizer{Authorizer: a, functions: functions, kept: map[string]kept{}}
	}
	for _, r := range api.Routes {
		g.routes = append(g.routes, route{r, segmentsOf(r.Path)})
	}
	// The most specific route is found first: fixed segments before variables, those before greedy ones, $default last,
	// and a route of the very method before one of ANY.
	slices.SortStableFunc(g.routes, route.compare)
	return g
}

func segmentsOf(path string) []string {
	if path == "$default" {
		return nil
	}
	return strings.Split(strings.TrimPrefix(path, "/"), "/")
}

func rank(segment string) int {
	switch {
	case strings.HasSuffix(segment, "+}"):
		return 2
	case strings.HasPrefix(segment, "{"):
		return 1
	}
	return 0
}

func (r route) compare(o route) int {
	if d := boolean(r.Path == "$default") - boolean(o.Path == "$default"); d != 0 {
		return d
	}
	for i := range min(len(r.segments), len(o.segments)) {
		if d := rank(r.segments[i]) - rank(o.segments[i]); d != 0 {
			return d
		}
	}
	return cmp.Or(len(o.segments)-len(r.segments), boolean(r.Method == "ANY")-boolean(o.Method == "ANY"))
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

// match gives the route of a request and its path parameters, decoded. A GET route is no HEAD route.
func (g *Gateway) match(method, escapedPath string) (route, map[string]string, bool) {
	segments := strings.Split(strings.TrimPrefix(escapedPath, "/"), "/")
	for i := range segments {
		if decoded, err := url.PathUnescape(segments[i]); err == nil {
			segments[i] = decoded
		}
	}
next:
	for _, r := range g.routes {
		if r.Path == "$default" {
			return r, nil, true
		}
		if r.Method != "ANY" && r.Method != method {
			continue
		}
		var parameters map[string]string
		set := func(name, value string) {
			if parameters == nil {
				parameters = map[string]string{}
			}
			parameters[name] = value
		}
		for i, s := range r.segments {
			if i >= len(segments) || segments[i] == "" && s != "" {
				continue next
			}
			switch rank(s) {
			case 0:
				if segments[i] != s {
					continue next
				}
			case 1:
				set(strings.Trim(s, "{}"), segments[i])
			case 2:
				set(strings.Trim(s, "{+}"), strings.Join(segments[i:], "/"))
				return r, parameters, true
			}
		}
		if len(segments) == len(r.segments) {
			return r, parameters, true
		}
	}
	return route{}, nil, false
}

// ServeHTTP answers one request.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	entry := Access{RequestID: newRequestID()}
	began := time.Now()
	w.Header().Set("Apigw-Requestid", entry.RequestID)
	g.serve(w, r, &entry)
	if g.options.Access != nil {
		entry.Latency = time.Since(began)
		g.options.Access(entry)
	}
}

func (g *Gateway) serve(w http.ResponseWriter, r *http.Request, entry *Access) {
	refuse := func(status int, err error) {
		entry.Status, entry.Err = status, err
		message(w, status)
	}
	if headerSize(r) > MaxHeaders {
		refuse(http.StatusRequestHeaderFieldsTooLarge, nil)
		return
	}
	rt, parameters, found := g.match(r.Method, r.URL.EscapedPath())
	if !found {
		refuse(http.StatusNotFound, nil)
		return
	}
	entry.RouteKey = rt.Key()
	if !g.bucket.take(time.Now()) {
		refuse(http.StatusTooManyRequests, nil)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, MaxBody+1))
	if err != nil {
		refuse(http.StatusBadRequest, err)
		return
	}
	if len(body) > MaxBody {
		// The rest is not read: the connection cannot serve another request.
		w.Header().Set("Connection", "close")
		refuse(http.StatusRequestEntityTooLarge, nil)
		return
	}
	request := g.event(r, rt, parameters, body, entry.RequestID)
	// The function goes on when the client leaves, as behind the real gateway; it is the integration that times out.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), rt.Timeout)
	defer cancel()
	if rt.Authorizer != "" {
		asked := request
		asked.Body, asked.IsBase64Encoded = "", false
		claims, err := g.authorizers[rt.Authorizer].authorize(ctx, r, rt, asked)
		if denied, ok := errors.AsType[*denial](err); ok {
			refuse(denied.status, err)
			return
		}
		if err != nil {
			refuse(http.StatusInternalServerError, err)
			return
		}
		request.RequestContext.Authorizer = &events.APIGatewayV2HTTPRequestContextAuthorizerDescription{Lambda: claims}
	}
	event, err := json.Marshal(request)
	if err != nil {
		refuse(http.StatusInternalServerError, err)
		return
	}
	answer, err := g.functions.Invoke(ctx, rt.Function, event)
	switch {
	case err == nil:
	case errors.Is(err, lambda.ErrThrottled), errors.Is(err, lambda.ErrClosed), errors.Is(err, context.DeadlineExceeded):
		refuse(http.StatusServiceUnavailable, err)
		return
	case errors.Is(err, lambda.ErrPayloadTooLarge):
		refuse(http.StatusRequestEntityTooLarge, err)
		return
	default:
		refuse(http.StatusInternalServerError, err)
		return
	}
	out, err := parseAnswer(answer)
	if err != nil {
		refuse(http.StatusInternalServerError, err)
		return
	}
	entry.Status = out.status
	out.write(w)
}

// message gives one of the gateway's own answers.
func message(w http.ResponseWriter, status int) {
	body, _ := json.Marshal(map[string]string{"message": http.StatusText(status)})
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

func headerSize(r *http.Request) int {
	n := len(r.Method) + len(r.RequestURI) + len(r.Proto) + len(r.Host)
	for _, values := range r.Header {
		for _, v := range values {
			n += len(v)
		}
	}
	return n
}

// hopByHop are the headers that end at the gateway.
var hopByHop = []string{"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Expect"}

func (g *Gateway) event(r *http.Request, rt route, parameters map[string]string, body []byte, requestID string) events.APIGatewayV2HTTPRequest {
	now := g.options.Now().UTC()
	source, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		source = r.RemoteAddr
	}
	host, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		host, port = r.Host, "80"
	}
	headers := map[string]string{"host": r.Host}
	var cookies []string
	for name, values := range r.Header {
		switch {
		case slices.Contains(hopByHop, name):
		case name == "Cookie":
			// Format 2.0 has them in a list of their own and nowhere else.
			for _, v := range values {
				for c := range strings.SplitSeq(v, ";") {
					if c = strings.TrimSpace(c); c != "" {
						cookies = append(cookies, c)
					}
				}
			}
		default:
			headers[strings.ToLower(name)] = strings.Join(values, ",")
		}
	}
	if before := headers["x-forwarded-for"]; before != "" {
		headers["x-forwarded-for"] = before + ", " + source
	} else {
		headers["x-forwarded-for"] = source
	}
	headers["x-forwarded-port"], headers["x-forwarded-proto"] = port, "http"
	if headers["x-amzn-trace-id"] == "" {
		headers["x-amzn-trace-id"] = fmt.Sprintf("Root=1-%08x-%s", now.Unix(), strings.ToLower(rand.Text()[:24]))
	}
	if len(body) > 0 || r.ContentLength > 0 {
		headers["content-length"] = strconv.Itoa(len(body))
	}
	var query map[string]string
	for name, values := range r.URL.Query() {
		if query == nil {
			query = map[string]string{}
		}
		query[name] = strings.Join(values, ",")
	}
	event := events.APIGatewayV2HTTPRequest{
		Version: "2.0", RouteKey: rt.Key(), RawPath: r.URL.Path, RawQueryString: r.URL.RawQuery, Cookies: cookies, Headers: headers,
		QueryStringParameters: query, PathParameters: parameters,
		RequestContext: events.APIGatewayV2HTTPRequestContext{
			RouteKey: rt.Key(), AccountID: template.Account, Stage: "$default", RequestID: requestID, APIID: g.api.LogicalID,
			DomainName: host, DomainPrefix: strings.Split(host, ".")[0],
			Time: now.Format("02/Jan/2006:15:04:05 -0700"), TimeEpoch: now.UnixMilli(),
			HTTP: events.APIGatewayV2HTTPRequestContextHTTPDescription{
				Method: r.Method, Path: r.URL.Path, Protocol: r.Proto, SourceIP: source, UserAgent: r.UserAgent(),
			},
		},
	}
	switch {
	case len(body) == 0:
	case isText(r.Header.Get("Content-Type")) && utf8.Valid(body):
		event.Body = string(body)
	default:
		event.Body, event.IsBase64Encoded = base64.StdEncoding.EncodeToString(body), true
	}
	return event
}

// isText says which bodies reach the function as they are; forms do not, nor do types that end in +json.
func isText(contentType string) bool {
	t, _, _ := mime.ParseMediaType(contentType)
	switch t {
	case "application/json", "application/xml", "application/javascript":
		return true
	}
	return strings.HasPrefix(t, "text/")
}

type answer struct {
	status  int
	headers map[string]string
	cookies []string
	body    []byte
}

// parseAnswer reads both forms of format 2.0: with a statusCode, or any other JSON as the body of a 200.
func parseAnswer(raw []byte) (answer, error) {
	var full struct {
		StatusCode      *json.Number   `json:"statusCode"`
		Headers         map[string]any `json:"headers"`
		Cookies         []string       `json:"cookies"`
		Body            any            `json:"body"`
		IsBase64Encoded bool           `json:"isBase64Encoded"`
	}
	var probe map[string]json.RawMessage
	if json.Unmarshal(raw, &probe) != nil || probe["statusCode"] == nil {
		var s string
		if json.Unmarshal(raw, &s) == nil && len(raw) > 0 && raw[0] == '"' {
			raw = []byte(s)
		}
		return answer{status: http.StatusOK, headers: map[string]string{"content-type": "application/json"}, body: raw}, nil
	}
	if err := json.Unmarshal(raw, &full); err != nil {
		return answer{}, fmt.Errorf("the function's answer is malformed: %w", err)
	}
	status, err := strconv.Atoi(full.StatusCode.String())
	if err != nil || status < 200 || status > 599 {
		return answer{}, fmt.Errorf("the function's answer has the status %s", full.StatusCode)
	}
	out := answer{status: status, headers: map[string]string{}, cookies: full.Cookies}
	for k, v := range full.Headers {
		out.headers[k] = fmt.Sprint(v)
	}
	switch b := full.Body.(type) {
	case nil:
	case string:
		out.body = []byte(b)
		if full.IsBase64Encoded {
			if out.body, err = base64.StdEncoding.DecodeString(b); err != nil {
				return answer{}, fmt.Errorf("the function's answer is not base64: %w", err)
			}
		}
	default:
		return answer{}, fmt.Errorf("the body of the function's answer is no text")
	}
	return out, nil
}

func (a answer) write(w http.ResponseWriter) {
	h := w.Header()
	for k, v := range a.headers {
		name := textproto.CanonicalMIMEHeaderKey(k)
		if name == "Content-Length" || slices.Contains(hopByHop, name) {
			continue
		}
		h.Set(name, v)
	}
	for _, c := range a.cookies {
		h.Add("Set-Cookie", c)
	}
	bodyless := a.status == http.StatusNoContent || a.status == http.StatusNotModified
	if !bodyless {
		if h.Get("Content-Type") == "" {
			h.Set("Content-Type", "text/plain; charset=utf-8")
		}
		h.Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	w.WriteHeader(a.status)
	if !bodyless {
		_, _ = w.Write(a.body)
	}
}

// bucket is the stage's throttle: tokens come at the rate limit, at most the burst limit of them.
type bucket struct {
	mu                  sync.Mutex
	rate, burst, tokens float64
	at                  time.Time
}

func (b *bucket) take(now time.Time) bool {
	if b.rate == 0 {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tokens = min(b.burst, b.tokens+now.Sub(b.at).Seconds()*b.rate)
	b.at = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

func newRequestID() string {
	var b [11]byte
	_, _ = rand.Read(b[:])
	return base64.URLEncoding.EncodeToString(b[:])
}
