package apigw

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
)

func fixture(t testing.TB, name string) Request {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "events", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var e Request
	if err := json.Unmarshal(text, &e); err != nil {
		t.Fatal(err)
	}
	return e
}

// serve gives an event to h and returns the answer with what was logged.
func serve(t *testing.T, e Request, h http.HandlerFunc) (Response, string) {
	t.Helper()
	var log bytes.Buffer
	r, err := Handler(h, "https://portal.example", slog.New(slog.NewJSONHandler(&log, nil)))(t.Context(), e)
	if err != nil {
		t.Fatal(err)
	}
	return r, log.String()
}

func TestRequestOfAnEvent(t *testing.T) {
	for _, name := range []string{"invitations-create", "invitations-create-base64"} {
		serve(t, fixture(t, name), func(_ http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil || !json.Valid(body) || int64(len(body)) != r.ContentLength {
				t.Errorf("%s: body %q of %d, %v", name, body, r.ContentLength, err)
			}
			if r.Method != "POST" || r.URL.String() != "https://portal.example/v1/invitations" || r.Host != "portal.example" || r.Header.Get("Host") != "" {
				t.Errorf("%s: %s %s, host %s", name, r.Method, r.URL, r.Host)
			}
			if r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Idempotency-Key") == "" || r.RemoteAddr != "203.0.113.7:0" {
				t.Errorf("%s: %v from %s", name, r.Header, r.RemoteAddr)
			}
			if c := Claims(r.Context()); c["tenantId"] == "" || c["roles"] != "adminAgent" || r.RemoteAddr != "203.0.113.7:0" {
				t.Errorf("%s: claims %v, source %s", name, c, r.RemoteAddr)
			}
			if RequestID(r.Context()) != "Zk3vXjPvoAMEPZQ=" {
				t.Errorf("%s: request id %s", name, RequestID(r.Context()))
			}
		})
	}
	serve(t, fixture(t, "relationships-openapi"), func(_ http.ResponseWriter, r *http.Request) {
		if Claims(r.Context()) != nil {
			t.Error("a public route has claims")
		}
	})
	serve(t, fixture(t, "invitations-list"), func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != "status=pending&limit=2" || r.RequestURI != "/v1/invitations?status=pending&limit=2" {
			t.Errorf("query %s of %s", r.URL.RawQuery, r.RequestURI)
		}
	})
}

func TestTheLambdaRequestIDIsPreferred(t *testing.T) {
	ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"})
	h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if RequestID(r.Context()) != "c6af9ac6-7b61-11e6-9a41-93e8deadbeef" {
			t.Errorf("request id %s", RequestID(r.Context()))
		}
	})
	if _, err := Handler(h, "", slog.New(slog.DiscardHandler))(ctx, fixture(t, "invitations-list")); err != nil {
		t.Fatal(err)
	}
}

func TestPathsEncodedOrDecoded(t *testing.T) {
	for raw, want := range map[string]string{"/i/a%2Fb": "/i/a/b", "/i/a b": "/i/a b", "/i/100%": "/i/100%", "": "/", "x": "/x", "/i/é": "/i/é", "//evil.example/": "//evil.example/"} {
		e := fixture(t, "invitations-read")
		e.RawPath = raw
		serve(t, e, func(_ http.ResponseWriter, r *http.Request) {
			if r.URL.Path != want || r.Host != "portal.example" || r.URL.Host != "portal.example" {
				t.Errorf("%q is %q at %s", raw, r.URL.Path, r.URL.Host)
			}
		})
	}
}

func TestCookiesBothWays(t *testing.T) {
	e := fixture(t, "invitations-list")
	e.Cookies = []string{"a=1", "b=2"}
	r, _ := serve(t, e, func(w http.ResponseWriter, r *http.Request) {
		b, err := r.Cookie("b")
		if err != nil || b.Value != "2" || len(r.Cookies()) != 2 {
			t.Errorf("cookies %v, %v", r.Cookies(), err)
		}
		http.SetCookie(w, &http.Cookie{Name: "x", Value: "1"})
		http.SetCookie(w, &http.Cookie{Name: "y", Value: "2"})
		w.Header().Add("Vary", "Cookie")
		w.Header().Add("Vary", "Accept-Language")
		w.WriteHeader(http.StatusSeeOther)
		w.Header().Set("Late", "x")
	})
	if !slices.Equal(r.Cookies, []string{"x=1", "y=2"}) || r.Headers["Set-Cookie"] != "" || r.Headers["Vary"] != "Cookie, Accept-Language" || r.Headers["Late"] != "" || r.StatusCode != 303 {
		t.Errorf("response %+v", r)
	}
}

func TestBodiesOfAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		body, encoding, method string
		want                   string
		base64                 bool
	}{
		"text":       {body: "grüezi", want: "grüezi"},
		"binary":     {body: "\xff\x00", want: base64.StdEncoding.EncodeToString([]byte("\xff\x00")), base64: true},
		"compressed": {body: "x", encoding: "gzip", want: "eA==", base64: true},
		"HEAD":       {body: "x", method: "HEAD"},
		"none":       {},
	} {
		e := fixture(t, "invitations-list")
		if c.method != "" {
			e.RequestContext.HTTP.Method = c.method
		}
		r, _ := serve(t, e, func(w http.ResponseWriter, _ *http.Request) {
			if c.encoding != "" {
				w.Header().Set("Content-Encoding", c.encoding)
			}
			if c.body != "" {
				_, _ = io.WriteString(w, c.body)
			}
		})
		if r.StatusCode != 200 || r.Body != c.want || r.IsBase64Encoded != c.base64 {
			t.Errorf("%s: %+v", name, r)
		}
		if c.body != "" && r.Headers["Content-Type"] == "" {
			t.Errorf("%s: no Content-Type", name)
		}
	}
}

func TestMalformedBase64(t *testing.T) {
	e := fixture(t, "invitations-create-base64")
	e.Body = "%" + e.Body
	r, _ := serve(t, e, func(http.ResponseWriter, *http.Request) { t.Error("it reached the handler") })
	var d struct {
		Status              int
		Code, CorrelationID string
	}
	if err := json.Unmarshal([]byte(r.Body), &d); err != nil || r.StatusCode != 400 || d.Status != 400 || d.Code != "malformed_request" || d.CorrelationID != r.Headers["Ms-Correlationid"] {
		t.Errorf("%+v, %v", r, err)
	}
}

// What no route serves is answered as who asks understands it: a program by a problem document, a person by a page.
func TestWhatIsNoRoute(t *testing.T) {
	page := func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, "page")
	}
	for _, c := range []struct {
		path, accept string
		program      bool
	}{
		{"/v1/nothing", "application/json", true}, {"/v1/nothing", "", true}, {"/v1/nothing", "text/html,*/*;q=0.8", false}, {"/nothing", "", false}, {"/i/x/", "text/html", false},
	} {
		e := fixture(t, "acceptance-open-with-a-slash")
		e.RawPath, e.Headers["accept"] = c.path, c.accept
		r, _ := serve(t, e, page)
		if program := strings.Contains(r.Body, `"code":"not_found"`); r.StatusCode != http.StatusNotFound || program != c.program {
			t.Errorf("%s as %q: %+v", c.path, c.accept, r)
		}
		if c.program && (r.Headers["Content-Type"] != "application/problem+json" || r.Headers["X-Content-Type-Options"] != "nosniff" || !strings.HasPrefix(r.Headers["Content-Security-Policy"], "default-src 'none'")) {
			t.Errorf("%s: %v", c.path, r.Headers)
		}
	}
}

func outOfRange(w http.ResponseWriter, r *http.Request) {
	_, _ = io.WriteString(w, strings.Fields(r.Header.Get("X-None"))[0])
}

func TestPanicsAndLargeAnswers(t *testing.T) {
	const secret = "admin@larch.example"
	for name, h := range map[string]http.HandlerFunc{
		"panic with request data": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(201); panic("bad: " + secret) },
		"runtime error":           outOfRange,
		"too large": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, secret+strings.Repeat("x", 6<<20))
		},
	} {
		r, log := serve(t, fixture(t, "invitations-create"), h)
		if r.StatusCode != 500 || !strings.Contains(r.Body, `"code":"internal"`) || !json.Valid([]byte(r.Body)) || strings.Contains(r.Body, secret) {
			t.Errorf("%s: %+.300v", name, r)
		}
		if !strings.Contains(log, "POST /v1/invitations") || strings.Contains(log, "larch") || strings.Contains(log, "Bearer") {
			t.Errorf("%s: logged %s", name, log)
		}
	}
	if _, log := serve(t, fixture(t, "invitations-create"), outOfRange); !strings.Contains(log, "index out of range") {
		t.Errorf("the cause is not in the log: %s", log)
	}
}

// FuzzRequest: whatever stands in an event, it is answered.
func FuzzRequest(f *testing.F) {
	f.Add("/v1/invitations", "a=b", "e30=", true, "x", "y", "a=1")
	f.Add("//%zz", "%", "\xff", true, "\r\nx", "\x00", "=")
	base := fixture(f, "invitations-create")
	handler := Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
		_ = r.ParseForm()
		_ = r.Cookies()
	}), "https://portal.example", slog.New(slog.DiscardHandler))
	f.Fuzz(func(t *testing.T, path, query, body string, encoded bool, name, value, cookie string) {
		e := base
		e.RawPath, e.RawQueryString, e.Body, e.IsBase64Encoded = path, query, body, encoded
		e.Headers, e.Cookies = map[string]string{name: value}, []string{cookie}
		r, err := handler(t.Context(), e)
		if err != nil || r.StatusCode != 200 && (r.StatusCode != 400 || !encoded) {
			t.Fatalf("%+v, %v", r, err)
		}
	})
}

// The handler's time ends before the function's, so that it can say that something does not answer.
func TestTheHandlerEndsBeforeTheFunction(t *testing.T) {
	deadline := time.Now().Add(10 * time.Second)
	ctx, cancel := context.WithDeadline(t.Context(), deadline)
	defer cancel()
	var got time.Time
	h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got, _ = r.Context().Deadline() })
	if _, err := Handler(h, "", slog.New(slog.DiscardHandler))(ctx, Request{}); err != nil {
		t.Fatal(err)
	}
	if left := deadline.Sub(got); left != margin {
		t.Errorf("%v are left", left)
	}
}
