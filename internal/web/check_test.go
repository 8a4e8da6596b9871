package web_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/storetest"
)

// TestCheckMakesNothing: what would come of an invitation is told, and nothing is there afterwards.
func TestCheckMakesNothing(t *testing.T) {
	a := newAPI(t)
	post := func(target, body string) request { return request{method: "POST", target: target, body: body} }
	one := `{"kind":"reseller","recipientEmail":"jo@larch.example"}`
	p := a.call(post("/v1/invitations/check", one)).is(200).object()
	if p["ready"] != true || p["mailed"] != true || p["portalName"] != "Concord" || len(p["obstacles"].([]any)) != 0 {
		t.Errorf("%v", p)
	}
	a.call(post("/v1/invitations/check", `{"kind":"reseller","recipientEmail":"jo"}`)).is(422, "email_invalid")
	a.call(
		post(
			"/v1/invitations/check",
			`{"kind":"dualReseller","providerTenantId":"`+birch+`","recipientEmail":"jo@larch.example"}`,
		),
	).is(
		200,
	)
	if n := len(a.call(request{method: "GET", target: "/v1/invitations"}).is(200).object()["items"].([]any)); n != 0 {
		t.Fatalf("%d were made", n)
	}
	made := a.call(request{method: "POST", target: "/v1/invitations", body: one, header: key("k1")}).is(201).object()
	a.service.Slots = a.store
	p = a.call(post("/v1/invitations/check", one)).is(200).object()
	o := p["obstacles"].([]any)
	if p["ready"] != false || len(o) != 1 || o[0].(map[string]any)["invitationId"] != made["id"] {
		t.Errorf("%v", p)
	}
	// It is found by its reference, and counted.
	found := a.call(
		request{method: "GET", target: "/v1/invitations?reference=" + strings.ToLower(fmt.Sprint(made["reference"]))},
	).is(
		200,
	).object()
	if len(found["items"].([]any)) != 1 {
		t.Errorf("%v", found)
	}
	if c := a.call(request{method: "GET", target: "/v1/invitation-counts"}).is(200).object(); c["created"] != 1.0 ||
		c["answered"] != 0.0 ||
		c["complete"] != true {
		t.Errorf("%v", c)
	}
	a.call(request{method: "GET", target: "/v1/invitation-counts?createdAfter=yesterday"}).is(400, "malformed_request")
	cancelled := a.call(
		request{
			method: "POST",
			target: fmt.Sprintf("/v1/invitations/%v/cancel", made["id"]),
			body:   `{"reason":"Wrong person"}`,
		},
	).is(
		200,
	).object()
	if cancelled["cancelReason"] != "Wrong person" || cancelled["createdBy"] == nil {
		t.Errorf("%v", cancelled)
	}
}

// TestBatchesAreListedAndChecked: newest first, and with dryRun nothing is made.
func TestBatchesAreListedAndChecked(t *testing.T) {
	a := newAPI(t)
	rows := `{"rows":[{"kind":"reseller","recipientEmail":"a@oak.example"},{"kind":"reseller","recipientEmail":"A@oak.example"},{"kind":"reseller","recipientEmail":"a"}]}`
	f := a.call(
		request{method: "POST", target: "/v1/invitation-batches?dryRun=true", body: rows, header: key("d1")},
	).is(
		200,
	).object()
	counts := f["counts"].(map[string]any)
	if f["total"] != 3.0 || counts["ready"] != 1.0 || counts["twice"] != 1.0 || counts["malformed"] != 1.0 ||
		len(f["items"].([]any)) != 2 {
		t.Errorf("%v", f)
	}
	list := func() []any {
		return a.call(request{method: "GET", target: "/v1/invitation-batches"}).is(200).object()["items"].([]any)
	}
	if len(list()) != 0 {
		t.Error("a dry run is a batch")
	}
	a.call(
		request{method: "POST", target: "/v1/invitation-batches?dryRun=maybe", body: rows, header: key("d2")},
	).is(
		400,
		"malformed_request",
	)
	a.call(
		request{
			method: "POST",
			target: "/v1/invitation-batches?dryRun=true",
			body:   "kind,recipientEmail\nreseller,a@oak.example\n",
			header: map[string]string{"Idempotency-Key": "d3", "Content-Type": "text/csv"},
		},
	).is(
		200,
	)
	first := a.call(submit("k1", rows)).is(202).object()
	if got := list(); len(got) != 1 || got[0].(map[string]any)["id"] != first["id"] {
		t.Errorf("%v", got)
	}
}

// TestCheckRefuses what createInvitation refuses of the form and of who asks, and says of itself when it cannot look.
func TestCheckRefuses(t *testing.T) {
	a := newAPI(t)
	check := func(body string) request { return request{method: "POST", target: "/v1/invitations/check", body: body} }
	for body, code := range map[string]string{
		`{"kind":"reseller","recipientName":"http://x.example"}`:  "name_invalid",
		`{"kind":"reseller","colour":"red"}`:                      "unknown_field",
		`{"kind":"reseller","recipientEmail":"jö@larch.example"}`: "email_internationalised_local_part",
		`{"kind":"reseller","customerTenantId":"` + alder + `"}`:  "self_invitation",
	} {
		a.call(check(body)).is(422, code)
	}
	a.call(check(`{`)).is(400, "malformed_request")
	a.call(request{method: "GET", target: "/v1/invitation-batches?limit=0"}).is(400, "malformed_request")
	a.revise(alder, func(p *partner.Account) { p.Also = []partner.ProgramRole{partner.IndirectReseller} })
	a.call(check(`{"kind":"reseller"}`)).is(422, "acting_role_required")
	government := check(`{"kind":"reseller","requestDelegatedAdmin":false}`)
	government.tenant = elm
	a.call(government).is(422, "delegated_admin_required")
	a.revise(alder, func(p *partner.Account) { p.Status = partner.Suspended })
	a.call(check(`{"kind":"reseller"}`)).is(403, "partner_not_active")
	for code, err := range map[string]error{"internal": errors.New("the disk is full"), "unavailable": &problem.Error{Code: problem.Unavailable}} {
		a.store.Inject(func(storetest.Operation) storetest.Fault { return storetest.Fault{Err: err} })
		for _, r := range []request{
			check(`{"kind":"reseller"}`), {method: "GET", target: "/v1/invitation-counts"}, {method: "GET", target: "/v1/invitation-batches"},
		} {
			a.call(r).is(map[string]int{"internal": 500, "unavailable": 503}[code], code)
		}
	}
}
