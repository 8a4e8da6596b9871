package contracttest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// TestWhatTheDocumentDoesNotAllow: a contract that finds nothing proves nothing.
func TestWhatTheDocumentDoesNotAllow(t *testing.T) {
	const (
		healthy  = `{"status":"ok"}`
		notFound = `{"type":"urn:concord:problem:not_found","title":"Not found","status":404,"detail":"x","code":"not_found","correlationId":"c"}`
	)
	for name, c := range map[string]struct {
		method, target, sent string
		status               int
		contentType, body    string
		without              string // headers that are left out
		allowed              bool
	}{
		"as documented":              {target: "/healthz", status: 200, body: healthy, allowed: true},
		"a problem as documented":    {target: "/v1/customers/1a2c0000-0000-4000-8000-000000000011", status: 404, contentType: "application/problem+json", body: notFound, allowed: true},
		"API Gateway's own":          {target: "/v1/customers", status: 401, body: `{"message":"Unauthorized"}`, without: "MS-RequestId MS-CorrelationId Cache-Control", allowed: true},
		"outside of the document":    {target: "/i/x", status: 200, contentType: "text/html", body: "<p>", allowed: true},
		"a field that is missing":    {target: "/healthz", status: 200, body: `{}`},
		"a field that is not there":  {target: "/healthz", status: 200, body: `{"status":"ok","more":1}`},
		"a value of another kind":    {target: "/v1/customers", status: 200, body: `{"items":{}}`},
		"another content type":       {target: "/healthz", status: 200, contentType: "text/plain", body: healthy},
		"an undocumented status":     {target: "/healthz", status: 418, body: healthy},
		"an undocumented code":       {target: "/v1/customers/1a2c0000-0000-4000-8000-000000000011", status: 404, contentType: "application/problem+json", body: strings.Replace(notFound, `"not_found"`, `"gone"`, 1)},
		"a status of its own":        {target: "/v1/customers/1a2c0000-0000-4000-8000-000000000011", status: 404, contentType: "application/problem+json", body: strings.Replace(notFound, "404", "400", 1)},
		"a correlation of its own":   {target: "/v1/customers/1a2c0000-0000-4000-8000-000000000011", status: 404, contentType: "application/problem+json", body: strings.Replace(notFound, `:"c"`, `:"d"`, 1)},
		"no request id":              {target: "/healthz", status: 200, body: healthy, without: "MS-RequestId"},
		"success with a bad request": {target: "/v1/customers?limit=1000", status: 200, body: `{"items":[]}`},
		"success with a bad body":    {method: "POST", target: "/v1/invitations/inv_aaaaaaaaaaaaaaaaaaaaaaaaaa/cancel", sent: `{"x":1}`, status: 200, body: `{}`},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				if c.contentType != "" {
					w.Header().Set("Content-Type", c.contentType)
				}
				w.Header().Set("MS-CorrelationId", "c")
				w.Header().Set("MS-RequestId", "r")
				w.Header().Set("Cache-Control", "no-store")
				for name := range strings.FieldsSeq(c.without) {
					w.Header().Del(name)
				}
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			}))
			defer server.Close()
			contract := New(t)
			if c.method == "" {
				c.method = "GET"
			}
			r, err := http.NewRequestWithContext(t.Context(), c.method, server.URL+c.target, strings.NewReader(c.sent))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/json")
			var reports recorder
			response, err := contract.Transport(&reports, http.DefaultTransport).RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if body, err := io.ReadAll(response.Body); err != nil || string(body) != c.body {
				t.Errorf("the body is %q, %v", body, err)
			}
			if (len(reports.lines) == 0) != c.allowed {
				t.Errorf("reported: %q", reports.lines)
			}
		})
	}
}

func TestWhatWasReached(t *testing.T) {
	c := New(t)
	before := len(c.Unreached())
	r := httptest.NewRequest(http.MethodGet, "/healthz", nil)
	header := http.Header{"Content-Type": {"application/json"}, "Ms-Correlationid": {"c"}, "Ms-Requestid": {"r"}, "Cache-Control": {"no-store"}}
	if faults := c.Check(r, nil, &http.Response{StatusCode: 200, Header: header}, []byte(`{"status":"ok"}`)); len(faults) > 0 {
		t.Fatal(faults)
	}
	if left := c.Unreached(); len(left) != before-1 || slices.Contains(left, "GET /healthz 200") {
		t.Errorf("%d of %d left", len(left), before)
	}
	if operations, codes := c.Reached(); operations != 1 || codes != 0 {
		t.Errorf("reached %d operations and %d codes", operations, codes)
	}
}

// recorder keeps what is reported to it.
type recorder struct {
	testing.TB
	lines []string
}

func (r *recorder) Error(arguments ...any) {
	for _, a := range arguments {
		r.lines = append(r.lines, a.(string))
	}
}
