package web_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"concord/internal/audit"
	"concord/internal/oversight"
	"concord/internal/storetest"
)

// TestReportsOfAll: the operator lists what was disputed and reported of all partners, and says what came of it.
func TestReportsOfAll(t *testing.T) {
	a := newAPI(t)
	var last oversight.Report
	for n := range 3 {
		last, _ = oversight.ReportOf(audit.Alone(audit.Record{Partner: alder, At: a.now.Add(time.Duration(n) * time.Minute).Truncate(time.Second), Actor: audit.Actor{Kind: audit.Customer},
			Operation: "invitation.reported", ResourceType: audit.Invitation, ResourceID: "inv_qmzx3vjl2a5c7hpkywtr4e6n2u", Reason: "impersonation"}))
		if err := a.store.AddReport(t.Context(), last); err != nil {
			t.Fatal(err)
		}
	}
	list := a.call(keeps("GET", "/v1/reports?limit=2", "")).is(200).object()
	items := list["items"].([]any)
	if len(items) != 2 || items[0].(map[string]any)["id"] != last.ID || list["nextCursor"] == nil {
		t.Errorf("%v", list)
	}
	path := "/v1/reports/" + last.ID
	if got := a.call(keeps("GET", path, "")).is(200); got.str("reason") != "impersonation" || got.header.Get("ETag") != `"1"` {
		t.Errorf("%s", got.body)
	}
	a.call(operate(path+"/settle", `{}`)).is(422, "validation_failed")
	a.call(operate(path+"/settle", `{"note":"x"}`, "If-Match", `"4"`)).is(412, "precondition_failed")
	settled := a.call(operate(path+"/settle", `{"note":"Called both"}`, "If-Match", `"1"`)).is(200)
	if settled.str("note") != "Called both" || settled.header.Get("ETag") != `"2"` {
		t.Errorf("%s", settled.body)
	}
	a.call(operate(path+"/settle", `{"note":"Another"}`)).is(200)
	if open := a.call(keeps("GET", "/v1/reports?open=true", "")).is(200).object()["items"].([]any); len(open) != 2 {
		t.Errorf("%v", open)
	}
	a.call(keeps("GET", "/v1/reports?open=maybe", "")).is(400, "malformed_request")
	a.call(keeps("GET", "/v1/reports/rep_1", "")).is(404, "not_found")
}

// TestReadForSupport: what a reference leads to is answered once the partner's audit has it.
func TestReadForSupport(t *testing.T) {
	a := newAPI(t)
	made := a.call(request{method: "GET", target: a.draft("jo@larch.example")}).is(200)
	const path = "/v1/support-readings"
	a.call(operate(path, `{"reference":"`+made.str("reference")+`"}`)).is(422, "validation_failed")
	a.call(operate(path, `{"reference":"ABCDE-FGHIJ","reason":"fault"}`)).is(404, "not_found")
	got := a.call(operate(path, `{"reference":"`+made.str("reference")+`","reason":"recipient-asked"}`)).is(http.StatusOK)
	one := got.object()["items"].([]any)[0].(map[string]any)
	if one["partnerTenantId"] != alder || one["invitation"].(map[string]any)["recipientEmail"] != "jo@larch.example" {
		t.Errorf("%s", got.body)
	}
	page, err := a.store.AuditRecords(t.Context(), alder, audit.Query{Before: a.now.Add(time.Hour), Operation: audit.InvitationRead, Limit: 5})
	if err != nil || len(page.Records) != 1 || page.Records[0].Reason != "recipient-asked" {
		t.Errorf("%+v, %v", page.Records, err)
	}
}

// TestWhatSettlingRefuses: each operation of what the operator sees refuses what the document says.
func TestWhatSettlingRefuses(t *testing.T) {
	a := newAPI(t)
	r, _ := oversight.ReportOf(audit.Alone(audit.Record{Partner: alder, At: a.now, Actor: audit.Actor{Kind: audit.Customer}, Operation: "invitation.disputed",
		ResourceType: audit.Invitation, ResourceID: "inv_qmzx3vjl2a5c7hpkywtr4e6n2u"}))
	if err := a.store.AddReport(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/v1/reports", "/v1/reports/" + r.ID} {
		a.store.Inject(func(storetest.Operation) storetest.Fault { return storetest.Fault{Err: errors.New("broken")} })
		a.call(keeps("GET", path, "")).is(500, "internal")
		a.store.Inject(func(storetest.Operation) storetest.Fault { return storetest.Fault{Err: busy} })
		a.call(keeps("GET", path, "")).is(503, "unavailable")
		a.store.Inject(nil)
	}
	for path, good := range map[string]string{"/v1/reports/" + r.ID + "/settle": `{"note":"Called"}`, "/v1/support-readings": `{"reference":"` + alder + `","reason":"fault"}`} {
		a.call(operate(path, `{`)).is(400, "malformed_request")
		a.call(operate(path, good[:len(good)-1]+`,"x":1}`)).is(422, "unknown_field")
		a.store.Inject(func(storetest.Operation) storetest.Fault { return storetest.Fault{Err: errors.New("broken")} })
		a.call(operate(path, good)).is(500, "internal")
		a.store.Inject(func(storetest.Operation) storetest.Fault { return storetest.Fault{Err: busy} })
		a.call(operate(path, good)).is(503, "unavailable")
		a.store.Inject(nil)
	}
}
