// Package apigw lets an http.Handler answer the events of an API Gateway HTTP API, payload format 2.0.
//
// What API Gateway does on the way is undone here: form bodies and whatever it takes for binary arrive in base64, cookies are an
// array both ways, names of headers are in lower case, a path may arrive decoded. The host of the event is not believed: links and
// the check of origins go by the base URL that the deployment configures (architecture, decision 6).
package apigw

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"concord/internal/problem"
)

// maxResponse is the size in bytes up to which a body is given to Lambda, which takes 6 MB with the JSON around it.
const maxResponse = 5 << 20

// margin is what is left of a function's time when its handler's context ends.
const margin = 1500 * time.Millisecond

// everyOther is the key of the route that takes what no other route does. What a program asks of the API there is answered as the API
// answers; a person gets the page of the handler.
const everyOther = "$default"

// Request is the event of an HTTP API.
type Request = events.APIGatewayV2HTTPRequest

// Response is the answer to a [Request].
type Response = events.APIGatewayV2HTTPResponse

// Function is what Lambda calls with the events of the HTTP API.
type Function = func(context.Context, Request) (Response, error)

// Handler gives the function that answers events with h. BaseURL, when not empty, is where callers reach the API: its host and
// scheme are those of the requests that h sees. A panic of h is answered with 500 and logged without anything of the request;
// a body that cannot be decoded is answered with 400. The error is always nil.
func Handler(h http.Handler, baseURL string, log *slog.Logger) Function {
	base, err := url.Parse(baseURL)
	if err != nil {
		base = &url.URL{}
	}
	return func(ctx context.Context, event Request) (response Response, _ error) {
		// What we wait for ends before Lambda ends us: the caller gets an answer of ours and learns when to try again.
		if deadline, ok := ctx.Deadline(); ok {
			var cancel context.CancelFunc
			ctx, cancel = context.WithDeadline(ctx, deadline.Add(-margin))
			defer cancel()
		}
		ctx = context.WithValue(ctx, key{}, &event)
		if event.RouteKey == everyOther && strings.HasPrefix(event.RawPath, "/v1/") && !strings.Contains(event.Headers["accept"], "text/html") {
			return refusal(ctx, http.StatusNotFound, problem.NotFound, "There is no such resource."), nil
		}
		r, ok := request(ctx, &event, base)
		if !ok {
			return refusal(ctx, http.StatusBadRequest, problem.MalformedRequest, "The body is not valid base64."), nil
		}
		defer func() {
			if v := recover(); v != nil {
				log.ErrorContext(ctx, "panic", "route", event.RouteKey, "what", what(v), "stack", string(debug.Stack()))
				response = refusal(ctx, http.StatusInternalServerError, problem.Internal, "Something went wrong on our side.")
			}
		}()
		w := writer{header: http.Header{}}
		h.ServeHTTP(&w, r)
		w.compress(r)
		response, ok = w.response(r.Method)
		if !ok {
			log.ErrorContext(ctx, "response too large", "route", event.RouteKey, "bytes", w.body.Len())
			response = refusal(ctx, http.StatusInternalServerError, problem.Internal, "Something went wrong on our side.")
		}
		return response, nil
	}
}

// what describes a panic without its value, which may hold parts of the request; errors of the runtime hold none.
func what(v any) string {
	if e, ok := v.(runtime.Error); ok {
		return e.Error()
	}
	return fmt.Sprintf("%T", v)
}

type key struct{}

func event(ctx context.Context) *Request {
	e, _ := ctx.Value(key{}).(*Request)
	return e
}

// Claims returns what the API's authorizer has found out about who calls; nil on a public route.
func Claims(ctx context.Context) map[string]string {
	e := event(ctx)
	if e == nil || e.RequestContext.Authorizer == nil || e.RequestContext.Authorizer.Lambda == nil {
		return nil
	}
	claims := make(map[string]string, len(e.RequestContext.Authorizer.Lambda))
	for name, value := range e.RequestContext.Authorizer.Lambda {
		claims[name] = fmt.Sprint(value)
	}
	return claims
}

// RequestID gives the id under which the function's log lines of this request stand.
func RequestID(ctx context.Context) string {
	if l, ok := lambdacontext.FromContext(ctx); ok && l.AwsRequestID != "" {
		return l.AwsRequestID
	}
	if e := event(ctx); e != nil {
		return e.RequestContext.RequestID
	}
	return ""
}

// request makes the HTTP request of an event, and false when its body is not what it says.
func request(ctx context.Context, e *Request, base *url.URL) (*http.Request, bool) {
	body := []byte(e.Body)
	if e.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(e.Body); err != nil {
			return nil, false
		}
	}
	path := e.RawPath
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	u := &url.URL{Scheme: base.Scheme, Host: base.Host, Path: path, RawQuery: e.RawQueryString}
	if decoded, err := url.PathUnescape(path); err == nil {
		u.Path, u.RawPath = decoded, path
	}
	r := (&http.Request{
		Method: e.RequestContext.HTTP.Method, URL: u, Host: base.Host, RequestURI: u.RequestURI(),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: make(http.Header, len(e.Headers)+1), Body: http.NoBody, ContentLength: int64(len(body)),
		RemoteAddr: net.JoinHostPort(e.RequestContext.HTTP.SourceIP, "0"),
	}).WithContext(ctx)
	if len(body) > 0 {
		r.Body = readCloser{bytes.NewReader(body)}
	}
	for name, value := range e.Headers {
		if !strings.EqualFold(name, "host") {
			r.Header.Set(name, value)
		}
	}
	if len(e.Cookies) > 0 {
		r.Header.Set("Cookie", strings.Join(e.Cookies, "; "))
	}
	return r, true
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }

// writer keeps what a handler answers.
type writer struct {
	header http.Header
	sent   http.Header // the header as it was when the status was written
	status int
	body   bytes.Buffer
}

func (w *writer) Header() http.Header { return w.header }

func (w *writer) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK { // there is nobody to tell of an interim answer
		w.status, w.sent = status, w.header.Clone()
	}
}

func (w *writer) Write(b []byte) (int, error) {
	if w.status == 0 {
		if w.header.Get("Content-Type") == "" {
			w.header.Set("Content-Type", http.DetectContentType(b))
		}
		w.WriteHeader(http.StatusOK)
	}
	return w.body.Write(b)
}

// worthwhile is from which size in bytes on a body is compressed.
const worthwhile = 1 << 10

// compress has the body as gzip where the caller takes it and it is text of some size. The ETag stays that of the resource: what a caller
// read compressed it can change by it.
func (w *writer) compress(r *http.Request) {
	if w.body.Len() < worthwhile || !compressible(w.sent.Get("Content-Type")) || w.sent.Get("Content-Encoding") != "" {
		return
	}
	if vary := w.sent.Get("Vary"); vary == "" {
		w.sent.Set("Vary", "Accept-Encoding")
	} else {
		w.sent.Set("Vary", vary+", Accept-Encoding")
	}
	if !takesGzip(r.Header.Get("Accept-Encoding")) {
		return
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(w.body.Bytes()) // a buffer takes everything
	_ = z.Close()
	w.body = packed
	w.sent.Set("Content-Encoding", "gzip")
	w.sent.Del("Content-Length")
}

func compressible(contentType string) bool {
	kind, _, _ := strings.Cut(contentType, ";")
	return strings.HasPrefix(kind, "text/") || strings.HasSuffix(kind, "json") || strings.HasSuffix(kind, "xml") || strings.HasSuffix(kind, "javascript")
}

// takesGzip reads Accept-Encoding (RFC 9110, 12.5.3): gzip or *, unless with the weight zero.
func takesGzip(accepted string) bool {
	takes := false
	for coding := range strings.SplitSeq(accepted, ",") {
		name, weight, _ := strings.Cut(coding, ";")
		q := strings.ReplaceAll(strings.ToLower(weight), " ", "")
		refused := q == "q=0" || strings.HasPrefix(q, "q=0.0") && strings.Trim(q[len("q=0."):], "0") == ""
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "gzip":
			return !refused
		case "*":
			takes = !refused
		}
	}
	return takes
}

// response gives the answer as API Gateway takes it, and false when Lambda would not.
func (w *writer) response(method string) (Response, bool) {
	w.WriteHeader(http.StatusOK)
	r := Response{StatusCode: w.status, Headers: make(map[string]string, len(w.sent)), Cookies: w.sent["Set-Cookie"]}
	for name, values := range w.sent {
		if name != "Set-Cookie" {
			r.Headers[name] = strings.Join(values, ", ")
		}
	}
	if method == http.MethodHead {
		return r, true
	}
	if b := w.body.Bytes(); utf8.Valid(b) && w.sent.Get("Content-Encoding") == "" {
		r.Body = string(b)
	} else {
		r.Body, r.IsBase64Encoded = base64.StdEncoding.EncodeToString(b), true
	}
	return r, len(r.Body) <= maxResponse
}

// refusal is the answer where no handler could give one; the request's id stands in for the correlation id.
func refusal(ctx context.Context, status int, code problem.Code, detail string) Response {
	id := RequestID(ctx)
	return Response{
		StatusCode: status,
		Headers: map[string]string{
			"Content-Type": "application/problem+json", "Cache-Control": "no-store", "Ms-Correlationid": id, "Ms-Requestid": id,
			"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "X-Frame-Options": "DENY",
			"Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin",
		},
		Body: fmt.Sprintf(`{"type":"urn:concord:problem:%s","title":%q,"status":%d,"detail":%q,"code":%q,"correlationId":%q}`,
			code, http.StatusText(status), status, detail, code, id),
	}
}
