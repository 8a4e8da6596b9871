package gateway_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"concord/infra/local/gateway"
	"concord/infra/local/lambda"
	"concord/infra/local/template"
)

// functions answers in place of the sandboxes and keeps what it was asked.
type functions struct {
	name  string
	event []byte
	reply func(ctx context.Context, event []byte) ([]byte, error)
}

func (f *functions) Invoke(ctx context.Context, name string, event []byte) ([]byte, error) {
	f.name, f.event = name, event
	if f.reply == nil {
		return []byte(`{"statusCode":200,"body":"ok"}`), nil
	}
	return f.reply(ctx, event)
}

func (f *functions) request(t *testing.T) events.APIGatewayV2HTTPRequest {
	t.Helper()
	var e events.APIGatewayV2HTTPRequest
	if err := json.Unmarshal(f.event, &e); err != nil {
		t.Fatalf("event %s: %v", f.event, err)
	}
	return e
}

func reply(s string) func(context.Context, []byte) ([]byte, error) {
	return func(context.Context, []byte) ([]byte, error) { return []byte(s), nil }
}

func fail(err error) func(context.Context, []byte) ([]byte, error) {
	return func(context.Context, []byte) ([]byte, error) { return nil, err }
}

var routes = []template.Route{
	{Method: "GET", Path: "/things/{id}", Function: "One"},
	{Method: "POST", Path: "/things/{id}", Function: "One"},
	{Method: "GET", Path: "/things/special", Function: "Special"},
	{Method: "ANY", Path: "/things/{id}", Function: "Any"},
	{Method: "GET", Path: "/pages/{token}", Function: "Page"},
	{Method: "HEAD", Path: "/pages/{token}", Function: "Head"},
	{Method: "GET", Path: "/pages/{token}/sign-in", Function: "SignIn"},
	{Method: "GET", Path: "/files/{rest+}", Function: "Greedy"},
	{Method: "GET", Path: "/solo", Function: "Solo"},
	{Method: "POST", Path: "/solo", Function: "Solo"},
}

func serve(t *testing.T, f gateway.Invoker, change ...func(*template.API)) string {
	t.Helper()
	api := template.API{LogicalID: "Api", Routes: slices.Clone(routes), Authorizers: map[string]template.Authorizer{}}
	for i := range api.Routes {
		api.Routes[i].Timeout = 2 * time.Second
	}
	for _, c := range change {
		c(&api)
	}
	server := httptest.NewServer(gateway.New(api, f, gateway.Options{Now: func() time.Time { return time.Date(2030, 1, 2, 3, 4, 5, 6e6, time.UTC) }}))
	t.Cleanup(server.Close)
	return server.URL
}

func do(t *testing.T, method, url, body string, headers ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	return response
}

func read(t *testing.T, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// wantOwn asserts an answer of the gateway itself.
func wantOwn(t *testing.T, r *http.Response, status int, message string) {
	t.Helper()
	if body := read(t, r); r.StatusCode != status || body != `{"message":"`+message+`"}` || r.Header.Get("Content-Type") != "application/json" {
		t.Errorf("got %d %s %q, want %d %q", r.StatusCode, body, r.Header.Get("Content-Type"), status, message)
	}
	if r.Header.Get("Apigw-Requestid") == "" {
		t.Error("no Apigw-Requestid")
	}
}

func TestRouting(t *testing.T) {
	for _, test := range []struct{ method, path, function, key, parameter string }{
		{"GET", "/things/7", "One", "GET /things/{id}", "7"},
		{"POST", "/things/7", "One", "POST /things/{id}", "7"},
		{"DELETE", "/things/7", "Any", "ANY /things/{id}", "7"},
		{"GET", "/things/special", "Special", "GET /things/special", ""},
		{"POST", "/things/special", "One", "POST /things/{id}", "special"},
		{"GET", "/things/a%20b%2Fc", "One", "GET /things/{id}", "a b/c"},
		{"GET", "/pages/tok-en_1", "Page", "GET /pages/{token}", "tok-en_1"},
		{"HEAD", "/pages/tok", "Head", "HEAD /pages/{token}", "tok"},
		{"GET", "/pages/tok/sign-in", "SignIn", "GET /pages/{token}/sign-in", "tok"},
		{"GET", "/files/a/b/c", "Greedy", "GET /files/{rest+}", "a/b/c"},
	} {
		t.Run(test.method+" "+test.path, func(t *testing.T) {
			f := &functions{}
			if r := do(t, test.method, serve(t, f)+test.path, ""); r.StatusCode != http.StatusOK {
				t.Fatalf("status %d", r.StatusCode)
			}
			e := f.request(t)
			var parameter string
			for _, v := range e.PathParameters {
				parameter = v
			}
			if f.name != test.function || e.RouteKey != test.key || e.RequestContext.RouteKey != test.key || parameter != test.parameter {
				t.Errorf("went to %s by %s with %v", f.name, e.RouteKey, e.PathParameters)
			}
		})
	}
}

func TestUnknownRouteIs404(t *testing.T) {
	for _, test := range [][2]string{
		{"GET", "/"}, {"GET", "/nothing"}, {"GET", "/pages"}, {"GET", "/pages/"}, {"GET", "/pages/tok/"}, {"GET", "/pages/tok/other"}, {"GET", "/files"}, {"DELETE", "/solo"},
	} {
		f := &functions{}
		r := do(t, test[0], serve(t, f)+test[1], "")
		wantOwn(t, r, 404, "Not Found")
		if f.event != nil {
			t.Errorf("%v reached a function", test)
		}
	}
}

func TestGetRouteDoesNotMatchHead(t *testing.T) {
	f := &functions{}
	if r := do(t, "HEAD", serve(t, f)+"/solo", ""); r.StatusCode != http.StatusNotFound || f.event != nil {
		t.Errorf("status %d, event %s", r.StatusCode, f.event)
	}
}

func TestDefaultRouteTakesWhatNoOtherDoes(t *testing.T) {
	f := &functions{}
	url := serve(t, f, func(a *template.API) {
		a.Routes = append([]template.Route{{Path: "$default", Function: "Default", Timeout: time.Second}}, a.Routes...)
	})
	do(t, "PUT", url+"/anything/else", "")
	if f.name != "Default" || f.request(t).RouteKey != "$default" {
		t.Errorf("went to %s", f.name)
	}
	if do(t, "GET", url+"/solo", ""); f.name != "Solo" {
		t.Errorf("/solo went to %s", f.name)
	}
}

func TestRequestEvent(t *testing.T) {
	f := &functions{}
	url := serve(t, f)
	do(t, "POST", url+"/things/7?a=1&b=x%20y&a=2&empty=", `{"é":1}`, "Content-Type", "application/json", "X-Two", "one", "X-Two", "two",
		"Cookie", "s=1; t=2", "User-Agent", "probe/1", "Connection", "keep-alive", "X-Forwarded-For", "203.0.113.9")
	e := f.request(t)
	host := strings.TrimPrefix(url, "http://")
	if e.Version != "2.0" || e.RawPath != "/things/7" || e.RawQueryString != "a=1&b=x%20y&a=2&empty=" || e.Body != `{"é":1}` || e.IsBase64Encoded {
		t.Errorf("event %s", f.event)
	}
	for name, want := range map[string]string{
		"x-two": "one,two", "content-type": "application/json", "host": host, "user-agent": "probe/1", "content-length": "8",
		"x-forwarded-for": "203.0.113.9, 127.0.0.1", "x-forwarded-proto": "http", "connection": "", "cookie": "", "X-Two": "",
	} {
		if got := e.Headers[name]; got != want {
			t.Errorf("header %s is %q, want %q", name, got, want)
		}
	}
	if q := e.QueryStringParameters; q["a"] != "1,2" || q["b"] != "x y" || len(q) != 3 {
		t.Errorf("query %v", q)
	}
	if !slices.Equal(e.Cookies, []string{"s=1", "t=2"}) {
		t.Errorf("cookies %q", e.Cookies)
	}
	c := e.RequestContext
	if c.Stage != "$default" || c.HTTP.Method != http.MethodPost || c.HTTP.Path != "/things/7" || c.HTTP.Protocol != "HTTP/1.1" || c.HTTP.SourceIP != "127.0.0.1" ||
		c.HTTP.UserAgent != "probe/1" || c.RequestID == "" || c.Time != "02/Jan/2030:03:04:05 +0000" || c.TimeEpoch != 1893553445006 ||
		c.DomainName != "127.0.0.1" || c.APIID != "Api" || c.AccountID != template.Account || c.Authorizer != nil {
		t.Errorf("context %+v", c)
	}
}

func TestWhichBodiesAreBase64(t *testing.T) {
	for _, test := range []struct {
		contentType, body string
		encoded           bool
	}{
		{"application/json", `{"a":1}`, false},
		{"application/json; charset=utf-8", `{"a":1}`, false},
		{"text/csv", "a,b", false},
		{"application/xml", "<a/>", false},
		{"application/javascript", "a()", false},
		{"application/x-www-form-urlencoded", "answer=accept", true},
		{"multipart/form-data; boundary=x", "--x--", true},
		{"application/problem+json", "{}", true},
		{"application/octet-stream", "\x00\xff", true},
		{"application/json", "\"\xff\"", true},
		{"", "plain", true},
		{"application/x-www-form-urlencoded", "", false},
	} {
		f := &functions{}
		do(t, "POST", serve(t, f)+"/things/7", test.body, "Content-Type", test.contentType)
		e := f.request(t)
		got := e.Body
		if e.IsBase64Encoded {
			b, err := base64.StdEncoding.DecodeString(e.Body)
			if err != nil {
				t.Error(err)
			}
			got = string(b)
		}
		if e.IsBase64Encoded != test.encoded || got != test.body {
			t.Errorf("%q: base64 %v, body %q", test.contentType, e.IsBase64Encoded, got)
		}
	}
}

func TestAnswers(t *testing.T) {
	for name, test := range map[string]struct {
		answer  string
		status  int
		body    string
		headers map[string]string
	}{
		"full":            {`{"statusCode":201,"headers":{"content-type":"application/json","etag":"\"1\"","location":"/x"},"body":"{}"}`, 201, "{}", map[string]string{"Content-Type": "application/json", "Etag": `"1"`, "Location": "/x"}},
		"base64":          {`{"statusCode":200,"body":"AP8=","isBase64Encoded":true}`, 200, "\x00\xff", nil},
		"without type":    {`{"statusCode":200,"body":"x"}`, 200, "x", map[string]string{"Content-Type": "text/plain; charset=utf-8"}},
		"redirect":        {`{"statusCode":303,"headers":{"Location":"/there"}}`, 303, "", map[string]string{"Location": "/there"}},
		"no content":      {`{"statusCode":204}`, 204, "", nil},
		"simple object":   {`{"hello":"world"}`, 200, `{"hello":"world"}`, map[string]string{"Content-Type": "application/json"}},
		"simple text":     {`"Hello"`, 200, "Hello", map[string]string{"Content-Type": "application/json"}},
		"own error":       {`{"statusCode":503,"headers":{"retry-after":"5"},"body":"later"}`, 503, "later", map[string]string{"Retry-After": "5"}},
		"wrong length":    {`{"statusCode":200,"headers":{"Content-Length":"99"},"body":"x"}`, 200, "x", map[string]string{"Content-Length": "1"}},
		"header as value": {`{"statusCode":200,"headers":{"x-count":3},"body":"x"}`, 200, "x", map[string]string{"X-Count": "3"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := do(t, "GET", serve(t, &functions{reply: reply(test.answer)})+"/solo", "")
			if body := read(t, r); r.StatusCode != test.status || body != test.body {
				t.Errorf("%d %q", r.StatusCode, body)
			}
			for k, v := range test.headers {
				if got := r.Header.Get(k); got != v {
					t.Errorf("%s is %q, want %q", k, got, v)
				}
			}
		})
	}
}

func TestCookiesOfTheAnswerAreHeadersOfTheirOwn(t *testing.T) {
	r := do(t, "GET", serve(t, &functions{reply: reply(`{"statusCode":200,"cookies":["a=1; HttpOnly","b=2; Path=/"],"body":"x"}`)})+"/solo", "")
	if got := r.Header.Values("Set-Cookie"); !slices.Equal(got, []string{"a=1; HttpOnly", "b=2; Path=/"}) {
		t.Errorf("got %q", got)
	}
}

func TestHeadAnswerHasNoBody(t *testing.T) {
	r := do(t, "HEAD", serve(t, &functions{reply: reply(`{"statusCode":200,"headers":{"content-type":"text/html"},"body":"<p>"}`)})+"/pages/x", "")
	if body := read(t, r); r.StatusCode != http.StatusOK || body != "" || r.Header.Get("Content-Type") != "text/html" {
		t.Errorf("%d %q", r.StatusCode, body)
	}
}

func TestFailuresOfTheFunction(t *testing.T) {
	for name, test := range map[string]struct {
		reply   func(context.Context, []byte) ([]byte, error)
		status  int
		message string
	}{
		"error":            {fail(&lambda.FunctionError{Type: "errorString"}), 500, "Internal Server Error"},
		"crash":            {fail(&lambda.FunctionError{Type: "Runtime.ExitError"}), 500, "Internal Server Error"},
		"timed out":        {fail(&lambda.FunctionError{Type: "Sandbox.Timedout", TimedOut: true}), 500, "Internal Server Error"},
		"unknown":          {fail(errors.New("?")), 500, "Internal Server Error"},
		"status of none":   {reply(`{"statusCode":"many"}`), 500, "Internal Server Error"},
		"status too small": {reply(`{"statusCode":99}`), 500, "Internal Server Error"},
		"body no text":     {reply(`{"statusCode":200,"body":{"a":1}}`), 500, "Internal Server Error"},
		"body no base64":   {reply(`{"statusCode":200,"body":"%","isBase64Encoded":true}`), 500, "Internal Server Error"},
		"throttled":        {fail(lambda.ErrThrottled), 503, "Service Unavailable"},
		"event too large":  {fail(lambda.ErrPayloadTooLarge), 413, "Request Entity Too Large"},
		"integration time-out": {func(ctx context.Context, _ []byte) ([]byte, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, 503, "Service Unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			url := serve(t, &functions{reply: test.reply}, func(a *template.API) {
				for i := range a.Routes {
					a.Routes[i].Timeout = 50 * time.Millisecond
				}
			})
			wantOwn(t, do(t, "GET", url+"/solo", ""), test.status, test.message)
		})
	}
}

func TestBodyOverTenMegabytesIs413(t *testing.T) {
	f := &functions{}
	url := serve(t, f)
	wantOwn(t, do(t, "POST", url+"/solo", strings.Repeat("x", gateway.MaxBody+1), "Content-Type", "text/plain"), 413, "Request Entity Too Large")
	if f.event != nil {
		t.Error("it reached the function")
	}
	if r := do(t, "POST", url+"/solo", strings.Repeat("x", gateway.MaxBody), "Content-Type", "text/plain"); r.StatusCode != http.StatusOK {
		t.Errorf("10 MB: status %d", r.StatusCode)
	}
}

func TestHeadersOverTenKilobytesAre431(t *testing.T) {
	f := &functions{}
	url := serve(t, f)
	wantOwn(t, do(t, "GET", url+"/solo", "", "X-Long", strings.Repeat("x", gateway.MaxHeaders)), 431, "Request Header Fields Too Large")
	if r := do(t, "GET", url+"/solo", "", "X-Long", strings.Repeat("x", gateway.MaxHeaders-200)); r.StatusCode != http.StatusOK {
		t.Errorf("just under: status %d", r.StatusCode)
	}
}

func TestStageThrottleIs429(t *testing.T) {
	url := serve(t, &functions{}, func(a *template.API) { a.RateLimit, a.BurstLimit = 0.001, 2 })
	for i, want := range []int{200, 200, 429} {
		r := do(t, "GET", url+"/solo", "")
		if r.StatusCode != want {
			t.Errorf("request %d: status %d, want %d", i, r.StatusCode, want)
		}
		if want == 429 {
			wantOwn(t, r, 429, "Too Many Requests")
		}
	}
}

func TestClientThatLeavesDoesNotEndTheInvocation(t *testing.T) {
	ended := make(chan error, 1)
	began := make(chan struct{})
	url := serve(t, &functions{reply: func(ctx context.Context, _ []byte) ([]byte, error) {
		close(began)
		select {
		case <-ctx.Done():
			ended <- ctx.Err()
		case <-time.After(300 * time.Millisecond):
			ended <- nil
		}
		return []byte(`{"statusCode":200}`), nil
	}})
	ctx, cancel := context.WithCancel(t.Context())
	r, _ := http.NewRequestWithContext(ctx, http.MethodGet, url+"/solo", nil)
	go func() { <-began; cancel() }()
	if response, err := http.DefaultClient.Do(r); err == nil {
		_ = response.Body.Close()
		t.Fatal("the request was answered")
	}
	if err := <-ended; err != nil {
		t.Errorf("the invocation ended with %v", err)
	}
}

func TestAccessLogHasTheRouteAndNotThePath(t *testing.T) {
	entries := make(chan gateway.Access, 1)
	api := template.API{Routes: []template.Route{{Method: "GET", Path: "/pages/{token}", Function: "Page", Timeout: time.Second}}}
	server := httptest.NewServer(gateway.New(api, &functions{}, gateway.Options{Access: func(a gateway.Access) { entries <- a }}))
	defer server.Close()
	do(t, "GET", server.URL+"/pages/very-secret", "")
	entry := <-entries
	if text := fmt.Sprintf("%+v", entry); entry.RouteKey != "GET /pages/{token}" || entry.Status != 200 || strings.Contains(text, "very-secret") {
		t.Errorf("got %s", text)
	}
}

// authorized puts an authorizer before every route, whose function is Who.
func authorized(ttl time.Duration) func(*template.API) {
	return func(a *template.API) {
		a.Authorizers["Tokens"] = template.Authorizer{Name: "Tokens", Function: "Who", IdentitySources: []string{"$request.header.Authorization"}, TTL: ttl}
		for n := range a.Routes {
			a.Routes[n].Authorizer = "Tokens"
		}
	}
}

// who answers for the authorizer and remembers what it was asked; every other function answers 200.
type who struct {
	functions
	answer string
	err    error
	asked  []events.APIGatewayV2CustomAuthorizerV2Request
}

func (w *who) Invoke(ctx context.Context, name string, event []byte) ([]byte, error) {
	if name != "Who" {
		return w.functions.Invoke(ctx, name, event)
	}
	var q events.APIGatewayV2CustomAuthorizerV2Request
	if err := json.Unmarshal(event, &q); err != nil {
		return nil, err
	}
	w.asked = append(w.asked, q)
	return []byte(w.answer), w.err
}

func TestAuthorizerHandsItsContextOn(t *testing.T) {
	f := &who{answer: `{"isAuthorized":true,"context":{"sub":"alder","roles":"adminAgent salesAgent"}}`}
	r := do(t, "POST", serve(t, f, authorized(0))+"/things/7?x=1", "secret body", "Authorization", "Bearer t")
	if r.StatusCode != http.StatusOK {
		t.Fatalf("status %d", r.StatusCode)
	}
	if got := f.request(t).RequestContext.Authorizer.Lambda; got["sub"] != "alder" || got["roles"] != "adminAgent salesAgent" || len(got) != 2 {
		t.Errorf("context %v", got)
	}
	q := f.asked[0]
	if q.Version != "2.0" || q.Type != "REQUEST" || !slices.Equal(q.IdentitySource, []string{"Bearer t"}) || q.RouteKey != "POST /things/{id}" || q.RawQueryString != "x=1" ||
		q.PathParameters["id"] != "7" || q.Headers["authorization"] != "Bearer t" || !strings.HasSuffix(q.RouteArn, ":Api/$default/POST/things/7") || q.RequestContext.HTTP.Method != "POST" {
		t.Errorf("asked %+v", q)
	}
}

func TestWhatTheAuthorizerRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		f       *who
		header  string
		status  int
		message string
		asked   int
	}{
		"no token":           {&who{}, "", 401, "Unauthorized", 0},
		"refused":            {&who{answer: `{"isAuthorized":false}`}, "Bearer t", 403, "Forbidden", 1},
		"fails":              {&who{err: errors.New("function error")}, "Bearer t", 500, "Internal Server Error", 1},
		"no simple response": {&who{answer: `{"principalId":"x"}`}, "Bearer t", 500, "Internal Server Error", 1},
		"no JSON":            {&who{answer: `x`}, "Bearer t", 500, "Internal Server Error", 1},
	} {
		t.Run(name, func(t *testing.T) {
			var headers []string
			if c.header != "" {
				headers = []string{"Authorization", c.header}
			}
			wantOwn(t, do(t, "GET", serve(t, c.f, authorized(time.Minute))+"/solo", "", headers...), c.status, c.message)
			if c.f.event != nil || len(c.f.asked) != c.asked {
				t.Errorf("the function was reached, or the authorizer asked %d times", len(c.f.asked))
			}
		})
	}
}

func TestAuthorizerIsKeptByTheToken(t *testing.T) {
	for _, answer := range []string{`{"isAuthorized":true,"context":{"sub":"a"}}`, `{"isAuthorized":false}`} {
		f := &who{answer: answer}
		url := serve(t, f, authorized(50*time.Millisecond))
		for range 3 {
			do(t, "GET", url+"/solo", "", "Authorization", "Bearer one")
			do(t, "GET", url+"/things/special", "", "Authorization", "Bearer one")
		}
		do(t, "GET", url+"/solo", "", "Authorization", "Bearer two")
		if len(f.asked) != 2 {
			t.Errorf("asked %d times for two tokens", len(f.asked))
		}
		time.Sleep(60 * time.Millisecond)
		do(t, "GET", url+"/solo", "", "Authorization", "Bearer one")
		if len(f.asked) != 3 {
			t.Errorf("asked %d times when the time is over", len(f.asked))
		}
	}
	f := &who{err: errors.New("out of reach")}
	url := serve(t, f, authorized(time.Minute))
	do(t, "GET", url+"/solo", "", "Authorization", "Bearer one")
	f.err, f.answer = nil, `{"isAuthorized":true}`
	if r := do(t, "GET", url+"/solo", "", "Authorization", "Bearer one"); r.StatusCode != http.StatusOK {
		t.Errorf("an error was kept: %d", r.StatusCode)
	}
}

func TestUnknownRouteIs404EvenWithoutToken(t *testing.T) {
	wantOwn(t, do(t, "GET", serve(t, &who{}, authorized(0))+"/nothing", ""), 404, "Not Found")
}
