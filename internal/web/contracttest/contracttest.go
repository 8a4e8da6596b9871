// Package contracttest holds answers of the API against its OpenAPI document. Only tests import it.
//
// A [Contract] says of each exchange what in it the document does not allow, and remembers which operations and codes it has seen, so
// that a suite can say which part of the document nothing has reached.
package contracttest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	oaserrors "github.com/pb33f/libopenapi-validator/errors"

	"concord/internal/web"
)

// Contract is the document with what was seen of it. It may be used by several goroutines.
type Contract struct {
	validator  validator.Validator
	routes     *http.ServeMux // finds an operation by its request
	documented map[string]bool

	mu   sync.Mutex // the validator reads and resets bodies
	seen map[string]bool
}

// response is what is read of a response beside the validator: the codes of its problems, or where it stands.
type response struct {
	Ref   string   `json:"$ref"`
	Codes []string `json:"x-codes"`
}

// New reads the document that the API serves, and fails the test when it is not one of OpenAPI 3.1.
func New(t testing.TB) *Contract {
	t.Helper()
	document, err := libopenapi.NewDocument(web.Document())
	if err != nil {
		t.Fatal(err)
	}
	v, errs := validator.NewValidator(document, config.WithFormatAssertions(), config.WithoutSecurityValidation(), config.WithStrictMode(),
		config.WithStrictIgnoredHeadersExtra("X-Content-Type-Options", "Content-Security-Policy", "X-Frame-Options", "Referrer-Policy", "Cross-Origin-Resource-Policy",
			"Strict-Transport-Security", "WWW-Authenticate", "Apigw-Requestid"),
		// A partner names its tags; the document's own schema is that of OpenAPI.
		config.WithStrictIgnorePaths("$.body.tags.*", "$.body.items[*].tags.*", "$.body.rows", "$.body.servers", "$.body.security", "$.body.tags", "$.body.info", "$.body.paths", "$.body.webhooks", "$.body.components"))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if ok, found := v.ValidateDocument(); !ok {
		t.Fatal(strings.Join(say(found), "\n"))
	}
	var read struct {
		Paths map[string]map[string]struct {
			Responses map[string]response `json:"responses"`
		} `json:"paths"`
		Components struct {
			Responses map[string]response `json:"responses"`
		} `json:"components"`
	}
	if err := json.Unmarshal(web.Document(), &read); err != nil {
		t.Fatal(err)
	}
	c := &Contract{validator: v, routes: http.NewServeMux(), documented: map[string]bool{}, seen: map[string]bool{}}
	for place, methods := range read.Paths {
		for method, o := range methods {
			route := strings.ToUpper(method) + " " + place
			c.routes.Handle(route, http.NotFoundHandler())
			for status, r := range o.Responses {
				if status < "300" {
					c.documented[route+" "+status] = true
				}
				if r.Ref != "" {
					r = read.Components.Responses[path.Base(r.Ref)]
				}
				for _, code := range r.Codes {
					c.documented[route+" "+status+" "+code] = true
				}
			}
		}
	}
	return c
}

// Routes gives method and path of every operation, sorted.
func (c *Contract) Routes() []string {
	var routes []string
	for line := range c.documented {
		parts := strings.Fields(line)
		routes = append(routes, parts[0]+" "+parts[1])
	}
	slices.Sort(routes)
	return slices.Compact(routes)
}

// Unreached gives what the document says that no exchange has shown: "<method> <path> <status>", followed by the code of a problem.
func (c *Contract) Unreached() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var left []string
	for line := range c.documented {
		if !c.seen[line] {
			left = append(left, line)
		}
	}
	slices.Sort(left)
	return left
}

// Reached gives how many operations and how many of their codes were seen.
func (c *Contract) Reached() (operations, codes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	routes := map[string]bool{}
	for line := range c.seen {
		parts := strings.Fields(line)
		routes[parts[0]+parts[1]] = true
		if len(parts) > 3 {
			codes++
		}
	}
	return len(routes), codes
}

// Check says what the document does not allow of an exchange. The request's body is sent apart. A request that succeeded has to be one
// that the document allows; what lies outside of the document (pages, unknown routes) is not looked at.
func (c *Contract) Check(r *http.Request, sent []byte, response *http.Response, body []byte) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, route := c.routes.Handler(r)
	if p := r.URL.EscapedPath(); route == "" || p != path.Clean(p) {
		return nil
	}
	asked := r.Clone(r.Context())
	for name := range asked.Header {
		if strings.HasPrefix(name, "X-") { // added on the way
			asked.Header.Del(name)
		}
	}
	if r.Method == http.MethodPatch && r.Header.Get("Content-Type") == "application/merge-patch+json" { // which the document says once, for all
		asked.Header.Set("Content-Type", "application/json")
	}
	asked.Body = io.NopCloser(bytes.NewReader(sent))
	answer := *response
	answer.Body = io.NopCloser(bytes.NewReader(body))

	var faults []string
	if response.StatusCode < 300 {
		if route == "POST /v1/invitation-batches" {
			asked.Body = io.NopCloser(bytes.NewReader(withoutRows(sent)))
		}
		if ok, found := c.validator.ValidateHttpRequestSync(asked); !ok {
			faults = append(faults, say(found)...)
		}
		asked.Body = io.NopCloser(bytes.NewReader(sent))
	}
	if response.StatusCode != http.StatusNotModified {
		if ok, found := c.validator.ValidateHttpResponse(asked, &answer); !ok {
			faults = append(faults, say(found)...)
		}
	}
	seen := route + " " + strconv.Itoa(response.StatusCode)
	if strings.HasPrefix(response.Header.Get("Content-Type"), "application/problem+json") {
		var problem struct {
			Status        int    `json:"status"`
			Code          string `json:"code"`
			CorrelationID string `json:"correlationId"`
		}
		if err := json.Unmarshal(body, &problem); err != nil {
			faults = append(faults, err.Error())
		}
		seen += " " + problem.Code
		if !c.documented[seen] {
			faults = append(faults, "the document does not name this code here")
		}
		if problem.Status != response.StatusCode {
			faults = append(faults, fmt.Sprintf("the document says status %d, the answer %d", problem.Status, response.StatusCode))
		}
		if problem.CorrelationID != response.Header.Get("MS-CorrelationId") {
			faults = append(faults, "the correlation id of the document is not that of the header")
		}
	}
	if tag := response.Header.Get("ETag"); tag != "" && !strongTag.MatchString(tag) {
		faults = append(faults, "the ETag is not a strong one: "+tag)
	}
	if !bytes.HasPrefix(bytes.TrimSpace(body), []byte(`{"message"`)) { // API Gateway's own
		for _, name := range []string{"MS-CorrelationId", "MS-RequestId", "Cache-Control"} {
			if response.Header.Get(name) == "" {
				faults = append(faults, "the header "+name+" is missing")
			}
		}
	}
	if len(faults) == 0 {
		c.seen[seen] = true
	}
	for i, f := range faults {
		faults[i] = seen + ": " + f
	}
	return faults
}

// withoutRows gives a batch whose rows are ones that nobody refuses: a row that does not fit is refused in its own outcome, by a batch
// that is taken.
func withoutRows(sent []byte) []byte {
	var batch map[string]any
	if json.Unmarshal(sent, &batch) != nil {
		return sent
	}
	rows, ok := batch["rows"].([]any)
	if !ok {
		return sent
	}
	for i := range rows {
		rows[i] = map[string]string{"kind": "reseller"}
	}
	if changed, err := json.Marshal(batch); err == nil {
		return changed
	}
	return sent
}

var strongTag = regexp.MustCompile(`^"[!#-~]+"$`)

// Transport checks whatever goes through next and reports what the document does not allow to t.
func (c *Contract) Transport(t testing.TB, next http.RoundTripper) http.RoundTripper {
	return transport{c, t, next}
}

type transport struct {
	contract *Contract
	t        testing.TB
	next     http.RoundTripper
}

// RoundTrip carries out the request and leaves request and response as they would be without it.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	var sent []byte
	if r.Body != nil {
		var err error
		if sent, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		_ = r.Body.Close()
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(sent))
	}
	response, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	for _, fault := range t.contract.Check(r, sent, response, body) {
		t.t.Error(fault)
	}
	return response, nil
}

func say(found []*oaserrors.ValidationError) []string {
	var lines []string
	for _, e := range found {
		line := e.Message + ": " + e.Reason
		for _, s := range e.SchemaValidationErrors {
			line += "; " + s.KeywordLocation + " " + s.Reason
		}
		lines = append(lines, line)
	}
	return lines
}
