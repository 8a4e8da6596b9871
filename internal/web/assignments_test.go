package web_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"concord/internal/partner"
	"concord/internal/storetest"
)

func rolesBody(ids ...string) string {
	list := ""
	for n, id := range ids {
		if n > 0 {
			list += ","
		}
		list += `{"roleDefinitionId":"` + id + `"}`
	}
	return `{"accessDetails":{"unifiedRoles":[` + list + `]}}`
}

// TestNarrowingAndAssignments (domain, 0.46, 0.47): roles of groups, fewer roles, and the end of both.
func TestNarrowingAndAssignments(t *testing.T) {
	a := newAPI(t)
	path := a.call(propose("k", map[string]string{
		"accessDetails": `{"unifiedRoles":[{"roleDefinitionId":"` + helpdesk + `"},{"roleDefinitionId":"` + globalReader + `"}]}`,
	})).is(201).header.Get("Location")
	groups := path + "/access-assignments"
	assign := func(k, group, body string) request {
		return request{method: "POST", target: groups, header: key(k), body: `{"accessContainer":{"accessContainerId":"` + group + `","accessContainerType":"securityGroup"},` + body[1:]}
	}
	a.call(assign("early", "desk", rolesBody(helpdesk))).is(409, "invalid_transition")
	a.call(ask(path, "lockForApproval")).is(200)
	a.answers(path, "accept")

	made := a.call(assign("one", "desk", rolesBody(helpdesk, globalReader))).is(201)
	one := made.header.Get("Location")
	o := made.object()
	if one != groups+"/"+made.str("id") || made.header.Get("ETag") != `"1"` || o["status"] != "active" ||
		fmt.Sprint(o["accessContainer"]) != "map[accessContainerId:desk accessContainerType:securityGroup]" {
		t.Errorf("%s, %v", one, o)
	}
	if again := a.call(assign("one", "desk", rolesBody(helpdesk, globalReader))).is(201); again.header.Get("Idempotency-Replayed") != "true" || again.str("id") != made.str("id") {
		t.Errorf("%v", again.header)
	}
	a.call(assign("again", "desk", rolesBody(helpdesk))).is(422, "validation_failed")
	a.call(assign("other", "night", rolesBody(globalAdministrator))).is(422, "validation_failed")
	a.call(request{method: "POST", target: groups, header: key("kind"), body: `{"accessContainer":{"accessContainerId":"x","accessContainerType":"user"},` + rolesBody(helpdesk)[1:]}).is(422, "validation_failed")
	a.call(request{method: "POST", target: groups, body: "{}"}).is(400, "idempotency_key_required")
	a.call(request{method: "POST", target: groups, header: key("empty"), body: "{}"}).is(422, "validation_failed")
	two := a.call(assign("two", "night", rolesBody(helpdesk))).is(201)

	first := a.call(request{method: "GET", target: groups + "?limit=1"}).is(200).object()
	next := a.call(request{method: "GET", target: groups + "?limit=1&cursor=" + fmt.Sprint(first["nextCursor"])}).is(200).object()
	if items := next["items"].([]any); len(items) != 1 || items[0].(map[string]any)["id"] != two.str("id") || next["nextCursor"] != nil {
		t.Errorf("%v then %v", first, next)
	}
	a.call(request{method: "GET", target: groups + "?status=active"}).is(400, "malformed_request")
	a.call(request{method: "GET", target: groups, tenant: birch}).is(404, "not_found")
	a.call(request{method: "GET", target: groups + "/asg_aaaaaaaaaaaaaaaaaaaaaaaaaa"}).is(404, "not_found")

	a.call(request{method: "PATCH", target: one, body: rolesBody(helpdesk)}).is(428, "precondition_required")
	a.call(request{method: "PATCH", target: one, body: rolesBody(helpdesk), header: map[string]string{"If-Match": `"9"`}}).is(412, "precondition_failed")
	if changed := a.call(request{method: "PATCH", target: one, body: rolesBody(globalReader), header: map[string]string{"If-Match": `"1"`}}).is(200); changed.header.Get("ETag") != `"2"` {
		t.Errorf("%v", changed.header)
	}

	// The roles of the whole are made fewer: the second group has none left.
	narrow := request{method: "PATCH", target: path, body: rolesBody(globalReader), header: map[string]string{"If-Match": "*"}}
	if o := a.call(narrow).is(200).object(); len(o["accessDetails"].(map[string]any)["unifiedRoles"].([]any)) != 1 || o["status"] != "active" {
		t.Errorf("%v", o)
	}
	a.call(request{method: "PATCH", target: path, body: rolesBody(helpdesk, globalReader), header: map[string]string{"If-Match": "*"}}).is(422, "validation_failed")
	a.call(request{method: "GET", target: groups + "/" + two.str("id")}).is(404, "not_found")
	a.call(request{method: "GET", target: one}).is(200)
	a.call(request{method: "DELETE", target: one}).is(428, "precondition_required")
	a.call(request{method: "DELETE", target: one, header: map[string]string{"If-Match": `"2"`}}).is(204)
	last := a.call(assign("last", "desk", rolesBody(globalReader))).is(201)
	a.call(ask(path, "terminate")).is(200)
	if o := a.call(request{method: "GET", target: groups + "/" + last.str("id")}).is(200).object(); o["status"] != "deleted" {
		t.Errorf("after the end: %v", o)
	}
	a.call(request{method: "DELETE", target: groups + "/" + last.str("id"), header: map[string]string{"If-Match": "*"}}).is(409, "invalid_transition")
}

// TestAssignmentsRefused: every operation where it is refused, and without a store.
func TestAssignmentsRefused(t *testing.T) {
	a := newAPI(t)
	path := a.proposed("First")
	a.call(ask(path, "lockForApproval")).is(200)
	a.answers(path, "accept")
	groups := path + "/access-assignments"
	full := `{"accessContainer":{"accessContainerId":"desk"},` + rolesBody(helpdesk)[1:]
	one := a.call(request{method: "POST", target: groups, header: key("one"), body: full}).is(201).header.Get("Location")
	with := func(k string) map[string]string { return map[string]string{"If-Match": "*", "Idempotency-Key": k} }
	create := request{method: "POST", target: groups, header: key("two"), body: strings.Replace(full, "desk", "night", 1)}
	change := request{method: "PATCH", target: one, header: with("three"), body: rolesBody(helpdesk)}
	remove := request{method: "DELETE", target: one, header: with("four")}
	reads := []request{{method: "GET", target: groups}, {method: "GET", target: one}}

	for _, r := range []request{create, change, remove} {
		r.body = "[]"
		a.call(r).is(400, "malformed_request")
		r.body = `{"why":"so"}`
		if r.method != "DELETE" {
			r.body = strings.Replace(create.body, "}", `},"why":"so"`, 1)
			if r.method == "PATCH" {
				r.body = `{"why":"so",` + rolesBody(helpdesk)[1:]
			}
		}
		a.call(r).is(422, "unknown_field")
	}
	bad := change
	bad.body = rolesBody(globalReader)
	a.call(bad).is(422, "validation_failed")
	a.call(change).is(200)
	bad.body = rolesBody(helpdesk, helpdesk)
	a.call(bad).is(422, "idempotency_key_reused")
	a.call(request{method: "POST", target: groups, header: key("one"), body: create.body}).is(422, "idempotency_key_reused")
	a.call(request{method: "DELETE", target: one, header: map[string]string{"If-Match": `"9"`}}).is(412, "precondition_failed")

	for code, err := range map[string]error{"internal": errors.New("the disk is full"), "unavailable": busy} {
		a.store.Inject(func(storetest.Operation) storetest.Fault { return storetest.Fault{Err: err} })
		for _, r := range append(slices.Clone(reads), create, change, remove) {
			if r.method != "GET" {
				r.header["Idempotency-Key"] = "fault"
			}
			a.call(r).is(map[string]int{"internal": 500, "unavailable": 503}[code], code)
		}
		a.store.Inject(nil)
	}

	suspended := account(alder, "public")
	suspended.Status = partner.Suspended
	a.store.PutAccount(suspended)
	for _, r := range []request{create, change} {
		a.call(r).is(403, "partner_not_active")
	}
	gone := request{method: "DELETE", target: one, header: with("gone")}
	a.call(gone).is(204)
	if again := a.call(gone).is(204); again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("%v", again.header)
	}
	gone.body = `{"why":1}`
	a.call(gone).is(422, "idempotency_key_reused")

	a.store.PutAccount(account(alder, "public"))
	last := a.call(request{method: "POST", target: groups, header: key("last"), body: full}).is(201).header.Get("Location")
	a.call(ask(path, "terminate")).is(200)
	a.call(request{method: "PATCH", target: last, header: with("late"), body: rolesBody(helpdesk)}).is(409, "invalid_transition")
}
