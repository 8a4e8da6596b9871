// Package compat lets programs of Microsoft Graph and Partner Center work with the API by base URL and scope alone
// (docs/compat.md). It translates requests and answers and decides nothing: what it asks, it asks the API's own
// handlers in the same process, as the same caller, so that every rule, key, version and audit record is theirs.
// What the API cannot honestly do is 404 or refused.
package compat

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// Translator serves both dialects.
type Translator struct {
	// API is what serves /v1.
	API http.Handler
	// BaseURL returns where the caller of a request reaches the API, without a slash at its end: links to a next page
	// begin with it.
	BaseURL func(context.Context) string
	// RequestID returns the id under which a request stands in the log.
	RequestID func(context.Context) string
}

// The paths below which each dialect is spoken.
const (
	graphV1       = "/graph/v1.0"
	graphBeta     = "/graph/beta"
	partnerCenter = "/pc/v1"
)

// maxBody is how many bytes are read of a request.
const maxBody = 1 << 20

// ServeHTTP answers in the dialect of the path.
func (t Translator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.EscapedPath()
	for _, base := range []string{graphV1, graphBeta} {
		if rest, ok := strings.CutPrefix(path, base+"/"); ok {
			t.graph(w, r, base, rest)
			return
		}
	}
	if rest, ok := strings.CutPrefix(path, partnerCenter+"/"); ok {
		t.partnerCenter(w, r, rest)
		return
	}
	http.NotFound(w, r)
}

// object is a JSON document of either side.
type object = map[string]any

// refusal is what is answered instead of a result.
type refusal struct {
	status     int
	code       string // of the API, or of this package
	detail     string
	retryAfter string
}

// Error returns the code and what it says.
func (e *refusal) Error() string { return e.code + ": " + e.detail }

func refuse(status int, code, detail string) error {
	return &refusal{status: status, code: code, detail: detail}
}

func notHere() error {
	return refuse(http.StatusNotFound, "not_found", "There is no such resource.")
}

// exchange is one request on its way to the API.
type exchange struct {
	Translator
	r *http.Request
	// header says who asks, and under which key; key is that of what is created, empty for a new one.
	header http.Header
	key    string
}

func (t Translator) exchange(r *http.Request, key string) exchange {
	h := http.Header{}
	for _, name := range []string{"Authorization", "MS-CorrelationId", "X-Forwarded-Proto"} {
		if v := r.Header.Get(name); v != "" {
			h.Set(name, v)
		}
	}
	return exchange{t, r, h, key}
}

// ask is a request to the API.
type ask struct {
	method, path string
	query        url.Values
	body         any    // nil for none
	version      string // If-Match; empty for none
}

// call has the API answer. What it refuses is a [refusal].
func (x exchange) call(a ask) (object, error) {
	var body io.Reader = http.NoBody
	var length int
	if a.body != nil {
		text, err := json.Marshal(a.body)
		if err != nil {
			return nil, err
		}
		body, length = bytes.NewReader(text), len(text)
	}
	r, err := http.NewRequestWithContext(x.r.Context(), a.method, "http://api.invalid"+a.path, body)
	if err != nil {
		return nil, notHere()
	}
	r.URL.RawQuery = a.query.Encode()
	r.ContentLength, r.Header, r.RemoteAddr = int64(length), x.header.Clone(), x.r.RemoteAddr
	r.Header.Set("Accept", "application/json")
	if a.body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if a.version != "" {
		r.Header.Set("If-Match", a.version)
	}
	switch {
	case x.key != "" && a.method != http.MethodGet:
		r.Header.Set("Idempotency-Key", x.key)
	case a.method == http.MethodPost:
		r.Header.Set("Idempotency-Key", uuid.NewString())
	}
	var w recorder
	x.API.ServeHTTP(&w, r)
	return w.answer()
}

// get has the API answer a reading.
func (x exchange) get(path string, query url.Values) (object, error) {
	return x.call(ask{method: http.MethodGet, path: path, query: query})
}

// mostPages bounds what is read of a list that a dialect has in one piece.
const mostPages = 50

// all reads a whole list of the API, up to [mostPages] of its pages; false when there is more.
func (x exchange) all(path string, query url.Values) (items []object, whole bool, err error) {
	q := url.Values{"limit": {"100"}}
	for name, values := range query {
		q[name] = values
	}
	for range mostPages {
		page, err := x.get(path, q)
		if err != nil {
			return nil, false, err
		}
		items = append(items, objects(page["items"])...)
		next := text(page["nextCursor"])
		if next == "" {
			return items, true, nil
		}
		q.Set("cursor", next)
	}
	return items, false, nil
}

// recorder keeps what the API answers.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *recorder) Header() http.Header {
	if w.header == nil {
		w.header = http.Header{}
	}
	return w.header
}

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *recorder) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}

func (w *recorder) answer() (object, error) {
	var o object
	if w.body.Len() > 0 {
		if err := json.Unmarshal(w.body.Bytes(), &o); err != nil {
			return nil, err
		}
	}
	if w.status < http.StatusMultipleChoices {
		return o, nil
	}
	detail := text(o["detail"])
	if detail == "" {
		detail = text(o["message"]) // as API Gateway says it
	}
	for _, e := range objects(o["errors"]) {
		detail += " " + text(e["pointer"]) + ": " + text(e["detail"])
	}
	code := text(o["code"])
	if code == "" {
		code = "unauthorized"
	}
	return nil, &refusal{w.status, code, detail, w.Header().Get("Retry-After")}
}

// read takes the JSON object of a request; nil for no body.
func read(r *http.Request) (object, error) {
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil || len(raw) > maxBody {
		return nil, refuse(http.StatusBadRequest, "malformed_request", "The body is too large.")
	}
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil, nil
	}
	var o object
	if json.Unmarshal(raw, &o) != nil {
		return nil, refuse(http.StatusBadRequest, "malformed_request", "The body is not a JSON object.")
	}
	return o, nil
}

// segments takes a path apart; false for one with an empty or garbled part.
func segments(path string) ([]string, bool) {
	parts := strings.Split(strings.TrimSuffix(path, "/"), "/")
	for n, p := range parts {
		var err error
		if parts[n], err = url.PathUnescape(p); err != nil || parts[n] == "" || parts[n] == "." || parts[n] == ".." {
			return nil, false
		}
	}
	return parts, true
}

// below makes a path of the API.
func below(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString("/" + url.PathEscape(p))
	}
	return b.String()
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

func objects(v any) (all []object) {
	list, _ := v.([]any)
	for _, each := range list {
		if o, ok := each.(object); ok {
			all = append(all, o)
		}
	}
	return all
}

// sub returns an object within an object, nil for none: reading one is reading none of its members.
func sub(o object, name string) object {
	within, _ := o[name].(object)
	return within
}

// number returns a JSON number as it is written.
func number(v any) string {
	n, _ := v.(float64)
	return strconv.FormatFloat(n, 'f', -1, 64)
}

// pick takes some members of an object.
func pick(o object, names ...string) object {
	some := object{}
	for _, name := range names {
		if v, there := o[name]; there {
			some[name] = v
		}
	}
	return some
}

// stable makes an id that is the same each time.
func stable(parts ...string) string {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte(strings.Join(parts, "|"))).String()
}

// query reads the query of a request, each parameter once; false for one that is not among those that are
// understood, or there twice.
func query(r *http.Request, known ...string) (url.Values, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "malformed_request", "The query cannot be read.")
	}
	for name, values := range q {
		if !slices.Contains(known, name) || len(values) != 1 {
			return nil, refuse(http.StatusBadRequest, "malformed_request", "The parameter "+name+" is not understood here.")
		}
	}
	return q, nil
}

// respond writes an answer of either dialect.
func respond(w http.ResponseWriter, status int, body any) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if body == nil {
		w.WriteHeader(status)
		return
	}
	h.Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(body)
}
