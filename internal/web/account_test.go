package web_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/recipient"
	"concord/internal/storetest"
)

// Domain, 0.34: a partner's own people read its account, and change whom its customers ask for help.
func TestOwnAccount(t *testing.T) {
	a := newAPI(t)
	change := func(body, version string, more ...string) request {
		r := request{method: "PATCH", target: "/v1/account", roles: "[adminAgent]", body: body,
			header: map[string]string{"If-Match": version}}
		for n := 0; n+1 < len(more); n += 2 {
			r.header[more[n]] = more[n+1]
		}
		return r
	}
	for _, roles := range []string{"[adminAgent]", "[salesAgent]", "[globalAdmin]"} {
		p := a.call(request{method: "GET", target: "/v1/account", roles: roles}).is(200)
		if o := p.object(); o["tenantId"] != alder || fmt.Sprint(o["programRoles"]) != "[directBill]" ||
			o["supportProfile"] != nil || o["history"] != nil || p.header.Get("ETag") == "" {
			t.Errorf("%s: %v", roles, o)
		}
	}
	// What was mailed today is counted, and what may still go out said (0.17).
	if _, err := a.store.Count(t.Context(), alder, recipient.Tally{Day: a.now.Format(time.DateOnly)}, 100); err != nil {
		t.Fatal(err)
	}
	q, _ := a.call(request{method: "GET", target: "/v1/account"}).is(200).object()["quota"].(map[string]any)
	if q["perDay"].(float64)-1 != q["left"] || q["used"] != 1.0 || q["resetsAt"] == nil {
		t.Errorf("quota %v", q)
	}
	a.call(request{method: "GET", target: "/v1/account", tenant: gorse}).is(403, "role_not_permitted")
	a.call(request{method: "GET", target: "/v1/account", roles: "[operator]"}).is(403, "role_not_permitted")

	const profile = `{"supportProfile":{"email":"help@alder.example","phone":"+1 555 0101","name":"Alder's desk"}}`
	sales := change(profile, "*")
	sales.roles = "[salesAgent]"
	a.call(sales).is(403, "role_not_permitted")
	stranger := change(profile, "*")
	stranger.tenant = gorse
	a.call(stranger).is(403, "role_not_permitted")
	for body, want := range map[string]string{
		`{}`: "/supportProfile validation_failed",
		`{"supportProfile":{"email":"help@alder.example"}}`:                                               "/supportProfile/phone validation_failed",
		`{"supportProfile":{"phone":"+1 555 0101"}}`:                                                      "/supportProfile/email validation_failed",
		`{"supportProfile":{"email":"help@alder.example","phone":"call me"}}`:                             "/supportProfile/phone validation_failed",
		`{"supportProfile":{"email":"help","phone":"+1 555 0101"}}`:                                       "/supportProfile/email email_invalid",
		`{"supportProfile":{"email":"hélp@alder.example","phone":"+1 555 0101"}}`:                         "/supportProfile/email email_internationalised_local_part",
		`{"supportProfile":{"email":"alder@gmx.de","phone":"+1 555 0101"}}`:                               "/supportProfile/email webmail_not_allowed",
		`{"supportProfile":{"email":"help@alder.example","phone":"+1 555 0101","name":"www.alder.com"}}`:  "/supportProfile/name name_invalid",
		`{"supportProfile":{"email":"help@alder.example","phone":"+1 555 0101","website":"https://x.y"}}`: "/supportProfile/website unknown_field",
	} {
		if got := a.call(change(body, "*")).is(422).findings(); fmt.Sprint(got) != "["+want+"]" {
			t.Errorf("%s: %v", body, got)
		}
	}
	a.call(change(`[`, "*")).is(400, "malformed_request")
	without := change(profile, "")
	delete(without.header, "If-Match")
	a.call(without).is(428, "precondition_required")
	a.call(change(profile, `"99"`)).is(412, "precondition_failed")

	if got := a.call(change(`{"acceptanceMails":"weekly"}`, "*")).is(422).findings(); fmt.Sprint(got) != "[/acceptanceMails validation_failed]" {
		t.Error(got)
	}
	p := a.call(change(profile, "*", "Idempotency-Key", "s1")).is(200)
	if o := p.object()["supportProfile"]; fmt.Sprint(o) != "map[email:help@alder.example name:Alder's desk phone:+1 555 0101]" {
		t.Errorf("%v", o)
	}
	if again := a.call(change(profile, "*", "Idempotency-Key",
		"s1")).is(200); again.header.Get("Idempotency-Replayed") != "true" ||
		again.header.Get("ETag") != p.header.Get("ETag") {
		t.Error("not replayed")
	}
	a.call(change(`{"supportProfile":{"email":"other@alder.example","phone":"+1 555 0101"}}`, "*", "Idempotency-Key",
		"s1")).is(422, "idempotency_key_reused")
	// What says the same changes nothing.
	if same := a.call(change(profile, p.header.Get("ETag"))).is(200); same.header.Get("ETag") != p.header.Get("ETag") {
		t.Errorf("%s after %s", same.header.Get("ETag"), p.header.Get("ETag"))
	}
	stored, err := a.store.Account(t.Context(), alder, true)
	if err != nil || stored.Support != (partner.SupportProfile{Email: "help@alder.example", Phone: "+1 555 0101",
		Name: "Alder's desk"}) {
		t.Errorf("%+v, %v", stored.Support, err)
	}
	if h := stored.History[len(stored.History)-1]; fmt.Sprint(h.Changed) != "[supportProfile]" || h.By != "alder" {
		t.Errorf("%+v", h)
	}
	if p.object()["acceptanceMails"] != "daily" {
		t.Errorf("%v", p.object()["acceptanceMails"])
	}
	if o := a.call(change(`{"acceptanceMails":"each"}`, p.header.Get("ETag"))).is(200).object(); o["acceptanceMails"] != "each" || o["supportProfile"] == nil {
		t.Errorf("%v", o)
	}

	for code, err := range map[string]error{"internal": errors.New("the disk is full"),
		"unavailable": &problem.Error{Code: problem.Unavailable}} {
		a.store.Inject(func(op storetest.Operation) storetest.Fault {
			if op == storetest.Account {
				return storetest.Fault{Err: err}
			}
			return storetest.Fault{}
		})
		for _, r := range []request{{method: "GET", target: "/v1/account"}, change(profile, "*")} {
			a.call(r).is(map[string]int{"internal": 500, "unavailable": 503}[code], code)
		}
	}
}
