package compat

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// api is a stand-in for /v1 that notes what it is asked and answers what it is told; the way through the real one is TestCompat of infra/e2e.
type api struct {
	asked   []string
	headers []http.Header
	status  int
	answer  string
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body strings.Builder
	if r.ContentLength > 0 {
		var o any
		_ = json.NewDecoder(r.Body).Decode(&o)
		_ = json.NewEncoder(&body).Encode(o)
	}
	a.asked = append(a.asked, strings.TrimSpace(r.Method+" "+r.URL.RequestURI()+" "+body.String()))
	a.headers = append(a.headers, r.Header)
	w.WriteHeader(a.status)
	_, _ = w.Write([]byte(a.answer))
}

func through(t *testing.T, a *api, method, target, body string, header ...string) (int, object, http.Header) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	for n := 0; n < len(header); n += 2 {
		r.Header.Set(header[n], header[n+1])
	}
	w := httptest.NewRecorder()
	Translator{
		API: a, BaseURL: func(context.Context) string { return "https://portal.example" }, RequestID: func(context.Context) string { return "req-1" },
	}.ServeHTTP(w, r)
	var o object
	if w.Body.Len() > 0 {
		if err := json.Unmarshal(w.Body.Bytes(), &o); err != nil {
			t.Fatalf("%s %s: %v: %s", method, target, err, w.Body)
		}
	}
	return w.Code, o, w.Header()
}

const relationships = "/graph/v1.0/tenantRelationships/delegatedAdminRelationships"

// What each dialect asks of the API, word for word.
func TestWhatIsAsked(t *testing.T) {
	for _, c := range []struct{ method, target, body, want string }{
		{"GET", relationships, "", "GET /v1/delegated-admin-relationships?limit=100"},
		{"GET", relationships + "?$top=7&$filter=" + "(status%20eq%20'active')%20AND%20customer/tenantId%20eq%20'x'", "",
			"GET /v1/delegated-admin-relationships?customerTenantId=x&limit=7&status=active"},
		{"GET", "/graph/beta/tenantRelationships/delegatedAdminRelationships/a%2Fb", "", "GET /v1/delegated-admin-relationships/a%2Fb"},
		{"POST", relationships, `{"@odata.type":"x","displayName":"d","status":"active","accessDetails":{"@odata.type":"y","unifiedRoles":[{"roleDefinitionId":"r","@odata.type":"z"}]}}`,
			`POST /v1/delegated-admin-relationships {"accessDetails":{"unifiedRoles":[{"roleDefinitionId":"r"}]},"displayName":"d"}`},
		{"GET", "/pc/v1/relationships?relationship_type=is_indirect_reseller_of", "", "GET /v1/relationships?limit=100&relationship_type=IsIndirectResellerOf"},
		{"GET", `/pc/v1/customers?size=500&filter={"Field":"Domain","Value":"larch","Operator":"starts_with"}`, "", "GET /v1/customers?domain=larch&limit=100"},
		{"PATCH", "/pc/v1/customers/c", `{"AllowDelegatedAccess":false,"attributes":{"etag":"IjMi"}}`, `PATCH /v1/customers/c {"allowDelegatedAccess":false}`},
		{"POST", "/pc/v1/customers/c/orders", `{"LineItems":[{"OfferId":"o","Quantity":2,"PartnerIdOnRecord":"4100003"}]}`,
			`POST /v1/customers/c/orders {"lines":[{"offerId":"o","quantity":2}],"partnerIdOnRecord":"4100003"}`},
	} {
		a := &api{status: 200, answer: `{"items":[],"version":3}`}
		status, o, _ := through(t, a, c.method, strings.ReplaceAll(c.target, `"`, "%22"), c.body)
		if status >= 300 || len(a.asked) != 1 || a.asked[0] != c.want {
			t.Errorf("%s %s: %d %v, asked %q, want %q", c.method, c.target, status, o, a.asked, c.want)
		}
	}
}

// What the API refuses is refused in the words of the dialect, and what is not there asks it nothing.
func TestWhatIsRefused(t *testing.T) {
	problem := `{"code":"precondition_failed","detail":"It was changed.","errors":[{"pointer":"/x","detail":"y"}]}`
	for status, want := range map[int][2]int{400: {400, 400}, 401: {401, 401}, 403: {403, 403}, 404: {404, 404}, 409: {409, 409}, 412: {412, 409}, 422: {400, 400}, 428: {428, 409}, 429: {429, 429}, 500: {500, 500}, 503: {503, 503}} {
		a := &api{status: status, answer: problem}
		got, o, h := through(t, a, "GET", relationships+"/x", "", "client-request-id", "k")
		e := sub(o, "error")
		if got != want[0] || text(e["code"]) == "" || e["message"] != "It was changed. /x: y" || sub(e, "innerError")["code"] != "precondition_failed" ||
			h.Get("client-request-id") != "k" || h.Get("request-id") != "req-1" {
			t.Errorf("Graph, %d: %d %v", status, got, o)
		}
		if got, o, _ = through(t, a, "GET", "/pc/v1/customers/x", ""); got != want[1] || o["code"] != "precondition_failed" || text(o["description"]) == "" {
			t.Errorf("Partner Center, %d: %d %v", status, got, o)
		}
	}
	for _, c := range []struct {
		method, target, body string
		want                 int
	}{
		{"GET", "/graph/v1.0/users", "", 404}, {"GET", "/graph/v1.0/", "", 404}, {"GET", "/graph/v1.0/tenantRelationships/../x", "", 404}, {"PUT", relationships, "", 404},
		{"GET", relationships + "?$filter=status%20ne%20'active'", "", 400}, {"GET", relationships + "?$orderby=id", "", 400}, {"GET", relationships + "?$top=0", "", 400},
		{"GET", relationships + "?$skiptoken=garbled", "", 400}, {"POST", relationships, "[]", 400}, {"POST", "/graph/v1.0/$batch", `{"requests":[]}`, 400},
		{"GET", relationships + "?$filter=status%20eq%20'terminating'", "", 200}, {"GET", "/pc/v1/customers/relationshiprequests", "", 404},
		{"GET", "/pc/v1/customers/c/users", "", 404}, {"PATCH", "/pc/v1/customers/c", `{"relationshipToPartner":"None"}`, 400},
		{"PATCH", "/pc/v1/customers/c", `{"allowDelegatedAccess":true}`, 400}, {"GET", "/pc/v1/customers?filter=x", "", 400},
		{"GET", "/pc/v1/customers?seekOperation=Last", "", 400}, {"POST", "/pc/v1/customers/c/orders", `{"lineItems":[{"partnerIdOnRecord":"1"},{"partnerIdOnRecord":"2"}]}`, 400},
	} {
		a := &api{status: 200, answer: "{}"}
		if got, o, _ := through(t, a, c.method, c.target, c.body); got != c.want || len(a.asked) > 0 {
			t.Errorf("%s %s: %d %v, asked %q", c.method, c.target, got, o, a.asked)
		}
	}
}

// The caller's own id is the key of what it makes; without one each request has a new key. The version goes with it.
func TestKeysAndVersions(t *testing.T) {
	a := &api{status: 200, answer: `{"id":"x","version":3,"history":[{"at":"t","action":"approvalPending","actor":"partner"}]}`}
	through(t, a, "POST", relationships+"/x/requests", `{"action":"lockForApproval"}`, "client-request-id", "mine", "If-Match", `W/"3"`, "Authorization", "Bearer b")
	h := a.headers[0]
	if h.Get("Idempotency-Key") != "mine" || h.Get("If-Match") != `"3"` || h.Get("Authorization") != "Bearer b" || h.Get("client-request-id") != "" {
		t.Errorf("%v", h)
	}
	for range 2 {
		through(t, a, "POST", relationships, `{}`)
	}
	if one, two := a.headers[1].Get("Idempotency-Key"), a.headers[2].Get("Idempotency-Key"); one == "" || one == two {
		t.Errorf("%q, %q", one, two)
	}
	_, o, _ := through(t, a, "POST", "/graph/v1.0/$batch", `{"requests":[
		{"id":"a","method":"POST","url":"/tenantRelationships/delegatedAdminRelationships","body":{}},
		{"id":"b","method":"GET","url":"/none","dependsOn":["a"]},{"id":"c","method":"GET","url":"/contracts","dependsOn":["b"]}]}`, "client-request-id", "all")
	var statuses []any
	for _, r := range objects(o["responses"]) {
		statuses = append(statuses, r["status"])
	}
	if key := a.headers[3].Get("Idempotency-Key"); key != "all#a" || len(statuses) != 3 || statuses[0] != 201.0 || statuses[1] != 404.0 || statuses[2] != 424.0 {
		t.Errorf("%s, %v", key, statuses)
	}
	through(t, a, "PATCH", "/pc/v1/customers/c", `{"allowDelegatedAccess":false,"attributes":{"etag":"IjMi"}}`, "MS-RequestId", "pc")
	if h := a.headers[len(a.headers)-1]; h.Get("If-Match") != `"3"` || h.Get("Idempotency-Key") != "pc" {
		t.Errorf("%v", h)
	}
}

// A page leads to the next with all that it was asked with.
func TestPages(t *testing.T) {
	a := &api{status: 200, answer: `{"items":[{"id":"one","version":2,"autoExtendDuration":"P0D"}],"nextCursor":"c1"}`}
	_, o, _ := through(t, a, "GET", relationships+"?$top=1&$filter=status%20eq%20'active'&$select=id,autoExtendDuration", "")
	next := text(o["@odata.nextLink"])
	if !strings.HasPrefix(next, "https://portal.example"+relationships+"?") {
		t.Fatalf("%v", o)
	}
	a.answer = `{"items":[]}`
	through(t, a, "GET", strings.TrimPrefix(next, "https://portal.example"), "")
	if got := a.asked[1]; got != "GET /v1/delegated-admin-relationships?cursor=c1&limit=1&status=active" || !strings.Contains(next, "select=id") {
		t.Errorf("%s after %s", got, next)
	}
	if v := objects(o["value"])[0]; v["autoExtendDuration"] != "PT0S" || v["@odata.etag"] != `W/"2"` || len(v) != 3 {
		t.Errorf("%v", v)
	}

	a = &api{status: 200, answer: `{"items":[{"id":"one","version":2}],"nextCursor":"c1"}`}
	_, o, _ = through(t, a, "GET", "/pc/v1/customers?size=1", "")
	through(t, a, "GET", "/pc/v1/customers?seekOperation=Next", "", "MS-ContinuationToken", text(o["continuationToken"]))
	if a.asked[1] != "GET /v1/customers?cursor=c1&limit=1" || o["totalCount"] != 1.0 {
		t.Errorf("%v, %v", a.asked, o)
	}
	if status, _, _ := through(t, a, "GET", "/pc/v1/customers?seekOperation=Next", "", "MS-ContinuationToken", "garbled"); status != 400 {
		t.Error(status)
	}
}
