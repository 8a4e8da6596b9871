package web_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"concord/internal/problem"
	"concord/internal/storetest"
)

// keeps is a call of the operator about what it keeps.
func keeps(method, target, body string, header ...string) request {
	r := operate(target, body, header...)
	r.method = method
	return r
}

const juniper = `{"name":"Juniper Data","address":{"line1":"3 Sample Way","city":"Leeds","postalCode":"LS1 1AA","country":"GB"},"reason":"from the register"}`

// The operator makes, changes and retires records, each over the version that it has seen (rules E6, E8, E14).
func TestKeepRecords(t *testing.T) {
	a := newAPI(t)
	const path = "/v1/company-records/000000704"
	a.call(keeps("GET", path, "")).is(404, "not_found")
	made := a.call(keeps("PUT", path, juniper)).is(201)
	if made.header.Get("ETag") != `"1"` || made.str("dunsId") != "000000704" || made.object()["retired"] != false || len(made.object()["history"].([]any)) != 1 {
		t.Errorf("%s", made.body)
	}
	if again := a.call(keeps("PUT", path, juniper)).is(200); again.header.Get("ETag") != `"1"` {
		t.Errorf("said again: %s", again.body)
	}
	renamed := strings.Replace(juniper, "Juniper Data", "Juniper", 1)
	a.call(keeps("PUT", path, renamed)).is(428, "precondition_required")
	a.call(keeps("PUT", path, renamed, "If-Match", `"7"`)).is(412, "precondition_failed")
	a.call(keeps("PUT", path, renamed, "If-Match", `"1"`)).is(200)
	a.call(keeps("PUT", "/v1/company-records/000000705", renamed, "If-Match", `"1"`)).is(412, "precondition_failed")
	retired := a.call(keeps("PUT", path, `{"name":"Juniper","address":{"line1":"3 Sample Way","country":"GB"},"retired":true}`, "If-Match", "*")).is(200).object()
	if retired["retired"] != true || retired["version"] != 3.0 || fmt.Sprint(retired["history"].([]any)[2].(map[string]any)["changed"]) != "[address retired]" {
		t.Errorf("%v", retired)
	}
	if read := a.call(keeps("GET", path, "")).is(200); read.header.Get("ETag") != `"3"` {
		t.Errorf("%s", read.body)
	}
	a.call(keeps("PUT", "/v1/company-records/7", juniper)).is(404, "not_found")
	a.call(keeps("PUT", path, `{"name":"","address":{"line1":"1","country":"ZZ","zip":"1"},"duns":1}`, "If-Match", "*")).is(422)
	a.call(keeps("PUT", path, `{`)).is(400, "malformed_request")
	a.call(keeps("GET", "/v1/company-records?name=Juniper", "")).is(400, "malformed_request")

	const id = "/v1/partner-id-records/4100073"
	whose := a.call(keeps("PUT", id, `{"name":"Juniper Data, Leeds","type":"location","country":"GB","tenantId":"`+gorse+`"}`)).is(201)
	if whose.str("partnerId") != "4100073" || whose.str("tenantId") != gorse {
		t.Errorf("%s", whose.body)
	}
	a.call(keeps("PUT", id, `{"name":"Juniper Data, Leeds","type":"shop","country":"GB","tenantId":"me"}`, "If-Match", "*")).is(422, "validation_failed")
	a.call(keeps("GET", id, "")).is(200)

	const calendar = "/v1/vetting-calendar"
	a.call(keeps("GET", calendar, "")).is(404, "not_found")
	days := a.call(keeps("PUT", calendar, `{"weekend":["saturday","friday"],"holidays":["2026-12-25"]}`)).is(201).object()
	if fmt.Sprint(days["weekend"], days["holidays"]) != "[friday saturday] [2026-12-25]" {
		t.Errorf("%v", days)
	}
	a.call(keeps("PUT", calendar, `{"weekend":["someday"]}`, "If-Match", "*")).is(422, "validation_failed")
	a.call(keeps("PUT", calendar, `{}`, "If-Match", `"1"`)).is(200)
	a.call(keeps("GET", calendar, "")).is(200)
}

// Each kind of record refuses what the document says, alike.
func TestRefusedRecords(t *testing.T) {
	for path, good := range map[string]string{
		"/v1/company-records/000000704": juniper, "/v1/partner-id-records/4100073": `{"name":"Juniper","type":"location","country":"GB"}`, "/v1/vetting-calendar": `{"weekend":["friday"]}`,
	} {
		a := newAPI(t)
		single := strings.HasPrefix(path, "/v1/vetting")
		list := path[:strings.LastIndexByte(path, '/')]
		other := strings.NewReplacer("Juniper", "Juno", "friday", "sunday").Replace(good)
		a.call(keeps("PUT", path, good, "If-Match", `"1"`)).is(412, "precondition_failed")
		a.call(keeps("PUT", path, good)).is(201)
		a.call(keeps("PUT", path, other)).is(428, "precondition_required")
		a.call(keeps("PUT", path, other, "If-Match", `"2"`)).is(412, "precondition_failed")
		a.call(keeps("PUT", path, other, "If-Match", `"1"`)).is(200)
		a.call(keeps("PUT", path, `{`)).is(400, "malformed_request")
		a.call(keeps("PUT", path, strings.Replace(good, "{", `{"others":1,`, 1), "If-Match", "*")).is(422, "unknown_field")
		if !single {
			a.call(keeps("GET", list+"/-", "")).is(404, "not_found")
			a.call(keeps("PUT", list+"/-", good)).is(404, "not_found")
			a.call(keeps("GET", list+"?name=Juniper", "")).is(400, "malformed_request")
		}
		for status, fault := range map[int]error{500: errors.New("disk on fire"), 503: &problem.Error{Code: problem.Unavailable, RetryAfter: time.Second}} {
			a.store.Inject(func(storetest.Operation) storetest.Fault { return storetest.Fault{Err: fault} })
			a.call(keeps("GET", path, "")).is(status)
			a.call(keeps("PUT", path, other)).is(status)
			if !single {
				a.call(keeps("GET", list, "")).is(status)
			}
			a.store.Inject(nil)
		}
	}
}

// Lists of records go page by page, in the order of the numbers.
func TestListRecords(t *testing.T) {
	a := newAPI(t)
	for n := range 5 {
		a.call(keeps("PUT", fmt.Sprintf("/v1/company-records/00000070%d", n), juniper)).is(201)
		a.call(keeps("PUT", fmt.Sprintf("/v1/partner-id-records/410010%d", n), `{"name":"Juniper","type":"headquarters","country":"GB"}`)).is(201)
	}
	for path, member := range map[string]string{"/v1/company-records": "dunsId", "/v1/partner-id-records": "partnerId"} {
		var got []string
		for query := "?limit=2"; query != ""; {
			p := a.call(keeps("GET", path+query, "")).is(200).object()
			for _, each := range p["items"].([]any) {
				got = append(got, fmt.Sprint(each.(map[string]any)[member]))
			}
			query = ""
			if next, ok := p["nextCursor"]; ok {
				query = "?limit=2&cursor=" + fmt.Sprint(next)
			}
		}
		if len(got) != 5 || !strings.HasSuffix(got[0], "0") || !strings.HasSuffix(got[4], "4") {
			t.Errorf("%s: %v", path, got)
		}
	}
}
