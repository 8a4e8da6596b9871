package web_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/time/rate"

	"concord/internal/batch"
	"concord/internal/partner"
)

func submit(k, body string) request {
	return request{method: "POST", target: "/v1/invitation-batches", body: body, header: key(k)}
}

func csv(k, target, body string) request {
	return request{method: "POST", target: target, body: body, header: map[string]string{"Idempotency-Key": k, "Content-Type": "text/csv"}}
}

// work does what functions/batches does with a batch that was submitted.
func (a *api) work(location string) {
	a.t.Helper()
	w := batch.Worker{Store: a.store, Invitations: a.service, Limiter: rate.NewLimiter(rate.Inf, 1), Lanes: 4, Now: a.service.Now}
	if _, err := w.Work(a.t.Context(), batch.Key{Partner: alder, ID: strings.TrimPrefix(location, "/v1/invitation-batches/")}); err != nil {
		a.t.Fatal(err)
	}
}

// rows gives what became of the rows, one line each.
func (a *api) rows(location, query string) (lines []string) {
	a.t.Helper()
	for next := query; ; {
		p := a.call(request{method: "GET", target: location + "/rows" + next}).is(200)
		for _, each := range p.object()["items"].([]any) {
			r := each.(map[string]any)
			line := fmt.Sprintf("%v %v", r["row"], r["outcome"])
			if code, ok := r["code"]; ok {
				line += fmt.Sprintf(" %v", code)
			}
			errors, _ := r["errors"].([]any)
			for _, e := range errors {
				line += fmt.Sprintf(" %v=%v", e.(map[string]any)["pointer"], e.(map[string]any)["code"])
			}
			if id, _ := r["invitationId"].(string); (id != "") != (r["outcome"] == "created" || r["code"] == "duplicate_open_invitation") {
				a.t.Errorf("row %v: invitation %q", r["row"], id)
			}
			lines = append(lines, line)
		}
		cursor := p.str("nextCursor")
		if cursor == "" {
			return lines
		}
		next = query + map[bool]string{true: "?", false: "&"}[query == ""] + "cursor=" + url.QueryEscape(cursor)
	}
}

func TestBatchAsJSON(t *testing.T) {
	a := newAPI(t)
	body := `{"send":true,"rows":[
		{"kind":"reseller","recipientEmail":"admin@larch.example","tags":{"fair":"spring"}},
		{"kind":"reseller","recipientEmail":"nobody","colour":"red"},
		{"kind":"reseller","recipientEmail":"ADMIN@larch.example"},
		{"kind":"reseller"},
		17,
		{"kind":"sale","recipientEmail":5},
		{"kind":"reseller","recipientEmail":"b@larch.example","customerTenantId":"` + alder + `"}
	]}`
	p := a.call(submit("k", body)).is(202)
	location := p.header.Get("Location")
	if p.str("status") != "running" || p.object()["total"] != 7.0 || location != "/v1/invitation-batches/"+p.str("id") || p.header.Get("ETag") != `"1"` {
		t.Fatalf("%s %s", location, p.body)
	}
	if got := a.rows(location, "?outcome=pending"); len(got) != 6 {
		t.Errorf("before: %v", got)
	}
	a.work(location)
	done := a.call(request{method: "GET", target: location}).is(200)
	if o := done.object(); o["status"] != "completed" || o["created"] != 1.0 || o["failed"] != 6.0 || o["delayed"] != 0.0 || o["completedAt"] == nil {
		t.Errorf("%s", done.body)
	}
	want := []string{
		"1 created",
		"2 failed validation_failed /colour=unknown_field /recipientEmail=email_invalid",
		"3 failed duplicate_open_invitation",
		"4 failed recipient_email_required /recipientEmail=recipient_email_required",
		"5 failed malformed_request",
		"6 failed validation_failed /recipientEmail=validation_failed /kind=validation_failed",
		"7 failed self_invitation /customerTenantId=self_invitation",
	}
	if got := a.rows(location, "?limit=2"); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got := a.rows(location, "?outcome=created&limit=100"); !slices.Equal(got, want[:1]) {
		t.Errorf("created: %v", got)
	}
	id := strings.TrimPrefix(location, "/v1/invitation-batches/")
	for query, n := range map[string]int{"?batchId=" + id: 1, "?batchId=bat_aaaaaaaaaaaaaaaaaaaaaaaaaa": 0} {
		l := a.call(request{method: "GET", target: "/v1/invitations" + query}).is(200)
		items := l.object()["items"].([]any)
		if len(items) != n || n == 1 && items[0].(map[string]any)["batchId"] != id {
			t.Errorf("%s: %s", query, l.body)
		}
	}
	again := a.call(submit("k", body)).is(202)
	if again.header.Get("Idempotency-Replayed") != "true" || again.str("status") != "completed" || again.header.Get("Location") != location {
		t.Errorf("the same once more: %s", again.body)
	}
	a.call(submit("k", `{"rows":[{}]}`)).is(422, "idempotency_key_reused")
}

func TestBatchAsCSV(t *testing.T) {
	a := newAPI(t)
	for _, other := range []string{"text/plain", "application/vnd.ms-excel", ""} {
		wrong := csv("wrong", "/v1/invitation-batches", "kind\r\nreseller\r\n")
		wrong.header["Content-Type"] = other
		if p := a.call(wrong).is(415, "unsupported_media_type"); !strings.Contains(p.str("detail"), "text/csv") {
			t.Errorf("CSV sent as %q: %s", other, p.body)
		}
	}
	p := a.call(csv("k", "/v1/invitation-batches?send=false", "\ufeffkind,recipientEmail,recipientName,reminders,requestDelegatedAdmin,expiresIn,tags.fair\r\n"+
		"reseller,admin@larch.example,\"Larch, Lena\",false,true,P10D,spring\r\n"+
		"reseller,admin@maple.example,,,,,\r\n"+
		"reseller,short@maple.example\r\n"+
		"reseller,long@maple.example,,,,,,spring\r\n"+
		",,,,,,\r\n"+
		"Reseller , yes@maple.example ,,TRUE,maybe,ten days,\n")).is(202)
	location := p.header.Get("Location")
	a.work(location)
	want := []string{
		"2 created", "3 created", "4 created", "5 failed malformed_request",
		"7 failed validation_failed /requestDelegatedAdmin=validation_failed /expiresIn=validation_failed",
	}
	if got := a.rows(location, ""); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	first := a.call(request{method: "GET", target: "/v1/invitations?recipientEmail=admin@larch.example"}).is(200).object()["items"].([]any)[0].(map[string]any)
	if first["recipientName"] != "Larch, Lena" || first["reminders"] != false || first["requestDelegatedAdmin"] != true || first["expiresIn"] != "P10D" ||
		first["tags"].(map[string]any)["fair"] != "spring" || first["status"] != "draft" {
		t.Errorf("%v", first)
	}
	for name, r := range map[string]request{
		"quotation marks":   csv("q", "/v1/invitation-batches", "kind,recipientEmail\nreseller,\"a@larch.example\nreseller,b@larch.example\n"),
		"no encoding":       csv("u", "/v1/invitation-batches", "kind\n\x81\n"),
		"a name twice":      csv("t", "/v1/invitation-batches", "kind,source,kind\nreseller,a,reseller\n"),
		"a strange query":   csv("s", "/v1/invitation-batches?send=yes", "kind\nreseller\n"),
		"another parameter": csv("p", "/v1/invitation-batches?dry=true", "kind\nreseller\n"),
		"a garbled query":   csv("g", "/v1/invitation-batches?send=%zz", "kind\nreseller\n"),
		"too much":          csv("m", "/v1/invitation-batches", "kind\n"+strings.Repeat("reseller\n", 500_000)),
		"a stray mark":      csv("a", "/v1/invitation-batches", "ki\"nd\nreseller\n"),
	} {
		t.Run(name, func(t *testing.T) { a.call(r).is(400, "malformed_request") })
	}
	a.call(csv("e", "/v1/invitation-batches", "kind\n")).is(422, "validation_failed")
	a.call(csv("n", "/v1/invitation-batches", "kind\n"+strings.Repeat("reseller\n", batch.MaxRows+1))).is(422, "validation_failed")
	if p := a.call(csv("c", "/v1/invitation-batches", "kind,colour\nreseller,red\n")).is(422, "unknown_field"); !strings.Contains(p.str("detail"), "Line 1, column 2") {
		t.Errorf("%s", p.body)
	}
	// Pages of rows whose numbers have gaps.
	gaps := a.call(csv("gaps", "/v1/invitation-batches", "\n\nkind;recipientEmail\n\nreseller;g1@larch.example\n;\n\nreseller;g2@larch.example\nreseller;g3@larch.example\n\n")).is(202).header.Get("Location")
	a.work(gaps)
	for _, query := range []string{"?limit=1", "?limit=2", "?limit=3", ""} {
		if got := a.rows(gaps, query); !slices.Equal(got, []string{"5 created", "8 created", "9 created"}) {
			t.Errorf("%s: %v", query, got)
		}
	}
}

func TestBatchesRefused(t *testing.T) {
	a := newAPI(t)
	const plain = `{"rows":[{"kind":"reseller","recipientEmail":"admin@larch.example"}]}`
	location := a.call(submit("k", plain)).is(202).header.Get("Location")
	a.call(submit("", plain)).is(400, "idempotency_key_required")
	a.call(submit("x", `{"rows":`)).is(400, "malformed_request")
	a.call(submit("x", `{"rows":[]}`)).is(422, "validation_failed")
	a.call(submit("x", `{}`)).is(422, "validation_failed")
	a.call(submit("x", `{"rows":{}}`)).is(422, "validation_failed")
	a.call(submit("x", `{"rows":[`+strings.Repeat(`{},`, batch.MaxRows)+`{}]}`)).is(422, "validation_failed")
	a.call(submit("x", `{"rows":[{}],"mail":true}`)).is(422, "unknown_field")
	for _, r := range []request{submit("r", plain), {method: "GET", target: location}, {method: "GET", target: location + "/rows"}} {
		r.roles = "[operator]"
		a.call(r).is(403, "role_not_permitted")
		a.globalAdmin(r)
	}
	for _, target := range []string{location, location + "/rows"} {
		a.call(request{method: "GET", target: target, tenant: birch}).is(404, "not_found")
	}
	a.call(request{method: "GET", target: "/v1/invitation-batches/bat_x"}).is(404, "not_found")
	a.call(request{method: "GET", target: location + "/rows?outcome=some"}).is(400, "malformed_request")
	other := a.call(submit("o", `{"rows":[{},{},{}]}`)).is(202).header.Get("Location")
	cursor := url.QueryEscape(a.call(request{method: "GET", target: other + "/rows?limit=1"}).is(200).str("nextCursor"))
	a.call(request{method: "GET", target: other + "/rows?limit=1&cursor=" + cursor}).is(200)
	a.call(request{method: "GET", target: location + "/rows?limit=1&cursor=" + cursor}).is(400, "malformed_request") // of another batch
	suspended := account(birch, "public")
	suspended.Status = partner.Suspended
	a.store.PutAccount(suspended)
	r := submit("s", plain)
	r.tenant = birch
	a.call(r).is(403, "partner_not_active")
}
