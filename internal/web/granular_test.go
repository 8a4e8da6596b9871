package web_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"concord/internal/emailaddr"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/link"
	"concord/internal/locale"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/recipient"
	"concord/internal/relationship"
	"concord/internal/storetest"
)

// Template ids of roles.
const (
	helpdesk            = "729827e3-9c14-49f7-bb1b-9608f156bbb8"
	globalReader        = "f2ef992c-3afb-46b9-b7cf-a126ee74c451"
	globalAdministrator = "62e90394-69f5-4237-9190-012177145e10"
)

const granulars = "/v1/delegated-admin-relationships"

// granted is the use cases of granular administration, over the store and the clock of the tests.
func (a *api) granted() *granular.Service {
	return &granular.Service{
		Store: a.store, Accounts: a.store, Clouds: partner.Clouds{{ID: "public", PortalName: "Concord", BaseURL: "https://portal.example"}},
		Addresses: emailaddr.Addresses{AllowReserved: true}, Roles: granular.ShippedRoles(), Now: func() time.Time { return a.now }, Locales: locale.Tags,
		Quota: recipient.Quota{Ledger: a.store, Limits: recipient.Limits{Partners: 3, FirstMonth: 50, Daily: 500}},
	}
}

// termsOf is a body that proposes administration, with members put in, and taken out where they are "".
func termsOf(members map[string]string) string {
	all := map[string]string{
		"displayName": `"Larch support"`, "duration": `"P90D"`, "customer": `{"tenantId":"` + larch + `","displayName":"Larch Ltd"}`,
		"accessDetails": `{"unifiedRoles":[{"roleDefinitionId":"` + helpdesk + `"}]}`,
	}
	maps.Copy(all, members)
	var b []string
	for name, value := range all {
		if value != "" {
			b = append(b, fmt.Sprintf("%q:%s", name, value))
		}
	}
	return "{" + strings.Join(b, ",") + "}"
}

func propose(k string, members map[string]string) request {
	return request{method: "POST", target: granulars, body: termsOf(members), header: key(k)}
}

// proposed makes granular administration and gives its path.
func (a *api) proposed(name string) string {
	a.t.Helper()
	return a.call(propose("propose "+name, map[string]string{"displayName": `"` + name + `"`})).is(201).header.Get("Location")
}

func ask(path, action string) request {
	return request{method: "POST", target: path + "/requests", body: `{"action":"` + action + `"}`}
}

// answers has somebody of a customer answer what was locked.
func (a *api) answers(path, answer string) {
	a.t.Helper()
	l := link.Link{Tenant: alder, ID: strings.TrimPrefix(path, granulars+"/"), Generation: 1}
	who := relationship.Person{Subject: "lena", Email: "lena@larch.example", Company: relationship.Customer{Tenant: larch, CompanyName: "Larch Ltd", Cloud: "public"}, Roles: []partner.Role{partner.GlobalAdmin}}
	given := granular.Response{Answer: answer, Authorized: true, FullName: "Lena Larch", JobTitle: "Head of IT"}
	if _, c, err := a.granted().Respond(a.t.Context(), l, who, given); err != nil || c != granular.ApprovedBy && c != granular.RejectedBy {
		a.t.Fatal(c, err)
	}
}

// TestGranularAdministration goes from the proposal to the end (domain, 2.2: GDAP), and back from each state that does not allow it.
func TestGranularAdministration(t *testing.T) {
	a := newAPI(t)
	p := a.call(propose("k", map[string]string{"autoExtendDuration": `"PT0S"`, "duration": `"P1Y6M"`, "customer": `{"tenantId":"` + strings.ToUpper(larch) + `"}`})).is(201)
	path := p.header.Get("Location")
	o := p.object()
	for name, want := range map[string]any{
		"displayName": "Larch support", "duration": "P1Y6M", "autoExtendDuration": "P0D", "status": "created", "createdDateTime": "2026-03-01T09:00:00Z", "lastModifiedDateTime": "2026-03-01T09:00:00Z",
		"activatedDateTime": nil, "endDateTime": nil, "version": 1.0, "customer": map[string]any{"tenantId": larch},
		"accessDetails": map[string]any{"unifiedRoles": []any{map[string]any{"roleDefinitionId": helpdesk}}},
	} {
		if fmt.Sprint(o[name]) != fmt.Sprint(want) {
			t.Errorf("%s is %v, want %v", name, o[name], want)
		}
	}
	if !strings.HasPrefix(path, granulars+"/gdap_") || path != granulars+"/"+p.str("id") || p.header.Get("ETag") != `"1"` {
		t.Errorf("%v", p.header)
	}
	if again := a.call(propose("k", map[string]string{"autoExtendDuration": `"PT0S"`, "duration": `"P1Y6M"`, "customer": `{"tenantId":"` + strings.ToUpper(larch) + `"}`})).is(201); again.header.Get("Idempotency-Replayed") != "true" ||
		again.str("id") != p.str("id") {
		t.Errorf("%v", again.header)
	}
	a.call(propose("k", nil)).is(422, "idempotency_key_reused")
	if read := a.call(request{method: "GET", target: path}).is(200); string(read.body) != string(p.body) {
		t.Errorf("%s", read.body)
	}

	change := func(body, tag string) request {
		r := request{method: "PATCH", target: path, body: body, header: map[string]string{}}
		if tag != "" {
			r.header["If-Match"] = tag
		}
		return r
	}
	drop := func(path, tag string) request {
		r := request{method: "DELETE", target: path, header: map[string]string{}}
		if tag != "" {
			r.header["If-Match"] = tag
		}
		return r
	}
	a.call(change(`{"duration":"P30D"}`, "")).is(428, "precondition_required")
	a.call(change(`{"duration":"P30D"}`, `"7"`)).is(412, "precondition_failed")
	a.call(ask(path, "terminate")).is(409, "invalid_transition")
	r := change(`{"displayName":"Maple help","duration":"P30D","autoExtendDuration":"P180D","accessDetails":{"unifiedRoles":[{"roleDefinitionId":"`+helpdesk+`"},{"roleDefinitionId":"`+globalReader+`"}]}}`, `"1"`)
	r.header["Idempotency-Key"] = "all"
	if o := a.call(r).is(200).object(); o["displayName"] != "Maple help" || o["duration"] != "P30D" || o["autoExtendDuration"] != "P180D" || o["version"] != 2.0 {
		t.Errorf("%v", o)
	}
	if again := a.call(r).is(200); again.header.Get("Idempotency-Replayed") != "true" {
		t.Error("not replayed")
	}
	r.body = `{"duration":"P31D"}`
	a.call(r).is(422, "idempotency_key_reused")

	lock := ask(path, "lockForApproval")
	lock.header = map[string]string{"If-Match": `"1"`}
	a.call(lock).is(412, "precondition_failed")
	lock.header = map[string]string{"If-Match": `"2"`, "Idempotency-Key": "lock"}
	if o := a.call(lock).is(200).object(); o["status"] != "approvalPending" || o["approvalExpiryDateTime"] != "2026-05-30T09:00:00Z" {
		t.Errorf("%v", o)
	}
	if again := a.call(lock).is(200); again.header.Get("Idempotency-Replayed") != "true" {
		t.Error("not replayed")
	}
	lock.body = `{"action":"terminate"}`
	a.call(lock).is(412) // the same key for another action is another command
	reused := ask(path, "lockForApproval")
	reused.header = map[string]string{"Idempotency-Key": "lock"}
	reused.body = `{"action":"lockForApproval","also":1}`
	a.call(reused).is(422, "idempotency_key_reused")
	a.call(ask(path, "lockForApproval")).is(409, "invalid_transition")
	a.call(change(`{"duration":"P31D"}`, "*")).is(409, "invalid_transition")
	a.call(drop(path, "*")).is(409, "invalid_transition")

	a.answers(path, "accept")
	o = a.call(request{method: "GET", target: path}).is(200).object()
	if o["status"] != "active" || o["activatedDateTime"] != "2026-03-01T09:00:00Z" || o["endDateTime"] != "2026-03-31T09:00:00Z" || fmt.Sprint(o["customer"]) != "map[displayName:Larch Ltd tenantId:"+larch+"]" {
		t.Errorf("%v", o)
	}
	steps := ""
	for _, line := range o["history"].([]any) {
		l := line.(map[string]any)
		steps += fmt.Sprint(l["actor"], " ", l["action"], "; ")
		if (l["by"] != nil) != (l["actor"] == "partner") {
			t.Errorf("who acted at the customer's is said: %v", l)
		}
	}
	if steps != "partner created; partner changed; partner approvalPending; customer approved; customer activating; customer active; " {
		t.Error(steps)
	}
	a.call(change(`{"duration":"P31D"}`, "*")).is(409, "invalid_transition")
	a.call(change(`{"autoExtendDuration":"P0D"}`, "*")).is(200)
	a.call(drop(path, "*")).is(409, "invalid_transition")
	if o := a.call(ask(path, "terminate")).is(200).object(); o["status"] != "terminated" || o["reason"] != nil {
		t.Errorf("%v", o)
	}

	t.Run("rejected", func(t *testing.T) {
		path := a.proposed("Rejected")
		a.call(ask(path, "lockForApproval")).is(200)
		a.answers(path, "decline")
		if o := a.call(request{method: "GET", target: path}).is(200).object(); o["status"] != "terminated" || o["reason"] != "rejected" || o["activatedDateTime"] != nil {
			t.Errorf("%v", o)
		}
	})
	t.Run("deleted", func(t *testing.T) {
		path := a.proposed("Deleted")
		a.call(drop(path, "")).is(428, "precondition_required")
		a.call(drop(path, `"2"`)).is(412, "precondition_failed")
		r := drop(path, `"1"`)
		r.header["Idempotency-Key"] = "drop"
		if p := a.call(r).is(204); len(p.body) > 0 {
			t.Errorf("%s", p.body)
		}
		if again := a.call(r).is(204); again.header.Get("Idempotency-Replayed") != "true" {
			t.Error("not replayed")
		}
		r.body = `{"why":1}`
		a.call(r).is(422, "idempotency_key_reused")
		for _, r := range []request{drop(path, "*"), ask(path, "lockForApproval"), {method: "GET", target: path}, {method: "PATCH", target: path, body: `{}`, header: map[string]string{"If-Match": "*"}}} {
			a.call(r).is(404, "not_found")
		}
		a.call(propose("propose Deleted", map[string]string{"displayName": `"Deleted"`})).is(409, "invalid_transition")
	})
	t.Run("in its time", func(t *testing.T) {
		path := a.proposed("Late")
		a.call(ask(path, "lockForApproval")).is(200)
		a.now = a.now.Add(90 * 24 * time.Hour)
		if o := a.call(request{method: "GET", target: path}).is(200).object(); o["status"] != "expired" || o["endDateTime"] != "2026-05-30T09:00:00Z" {
			t.Errorf("%v", o)
		}
	})
}

func TestGranularFaults(t *testing.T) {
	for name, c := range map[string]struct{ name, value, code, finding string }{
		"no name":                 {"displayName", "", "validation_failed", "/displayName validation_failed"},
		"no duration":             {"duration", "", "validation_failed", "/duration validation_failed"},
		"no roles":                {"accessDetails", "", "validation_failed", "/accessDetails validation_failed"},
		"a link for a name":       {"displayName", `"larch.com"`, "name_invalid", "/displayName name_invalid"},
		"a long name":             {"displayName", `"` + strings.Repeat("x", 51) + `"`, "name_invalid", "/displayName name_invalid"},
		"a name of another type":  {"displayName", "7", "validation_failed", "/displayName validation_failed"},
		"too short":               {"duration", `"PT23H"`, "validation_failed", "/duration validation_failed"},
		"too long":                {"duration", `"P25M"`, "validation_failed", "/duration validation_failed"},
		"three years":             {"duration", `"P3Y"`, "validation_failed", "/duration validation_failed"},
		"another extension":       {"autoExtendDuration", `"P90D"`, "validation_failed", "/autoExtendDuration validation_failed"},
		"roles that are none":     {"accessDetails", `{"unifiedRoles":{}}`, "validation_failed", "/accessDetails/unifiedRoles validation_failed"},
		"no list of roles":        {"accessDetails", `{}`, "validation_failed", "/accessDetails/unifiedRoles validation_failed"},
		"an empty list":           {"accessDetails", `{"unifiedRoles":[]}`, "validation_failed", "/accessDetails/unifiedRoles validation_failed"},
		"a role that is a text":   {"accessDetails", `{"unifiedRoles":["` + helpdesk + `"]}`, "validation_failed", "/accessDetails/unifiedRoles/0 validation_failed"},
		"a role without id":       {"accessDetails", `{"unifiedRoles":[{}]}`, "validation_failed", "/accessDetails/unifiedRoles/0/roleDefinitionId validation_failed"},
		"an unknown role":         {"accessDetails", `{"unifiedRoles":[{"roleDefinitionId":"` + nobody + `"}]}`, "validation_failed", "/accessDetails/unifiedRoles/0/roleDefinitionId validation_failed"},
		"a role twice":            {"accessDetails", `{"unifiedRoles":[{"roleDefinitionId":"` + helpdesk + `"},{"roleDefinitionId":"` + strings.ToUpper(helpdesk) + `"}]}`, "validation_failed", "/accessDetails/unifiedRoles/1/roleDefinitionId validation_failed"},
		"a role with more":        {"accessDetails", `{"unifiedRoles":[{"roleDefinitionId":"` + helpdesk + `","name":"x"}]}`, "unknown_field", "/accessDetails/unifiedRoles/0/name unknown_field"},
		"the own company":         {"customer", `{"tenantId":"` + alder + `"}`, "self_invitation", "/customer/tenantId self_invitation"},
		"a tenant that is none":   {"customer", `{"tenantId":"larch"}`, "validation_failed", "/customer/tenantId validation_failed"},
		"a customer of no tenant": {"customer", `{"displayName":"Larch"}`, "validation_failed", "/customer/tenantId validation_failed"},
		"another field":           {"status", `"active"`, "unknown_field", "/status unknown_field"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAPI(t)
			p := a.call(propose("k", map[string]string{c.name: c.value})).is(422, c.code)
			if !slices.Contains(p.findings(), c.finding) {
				t.Errorf("made: %v", p.findings())
			}
			if c.value == "" {
				return
			}
			path := a.proposed("First")
			p = a.call(request{method: "PATCH", target: path, body: fmt.Sprintf("{%q:%s}", c.name, c.value), header: map[string]string{"If-Match": "*"}}).is(422, c.code)
			if !slices.Equal(p.findings(), []string{c.finding}) {
				t.Errorf("changed: %v", p.findings())
			}
		})
	}
	a := newAPI(t)
	everything := map[string]string{"accessDetails": `{"unifiedRoles":[{"roleDefinitionId":"` + globalAdministrator + `"}]}`, "autoExtendDuration": `"P180D"`}
	if p := a.call(propose("k", everything)).is(422, "validation_failed"); !slices.Equal(p.findings(), []string{"/autoExtendDuration validation_failed"}) {
		t.Errorf("%v", p.findings())
	}
	path := a.proposed("First")
	if p := a.call(propose("k", map[string]string{"displayName": `"FIRST"`})).is(422, "validation_failed"); !slices.Equal(p.findings(), []string{"/displayName validation_failed"}) {
		t.Errorf("%v", p.findings())
	}
	for body, finding := range map[string]string{`{}`: "/action validation_failed", `{"action":"approve"}`: "/action validation_failed", `{"action":7}`: "/action validation_failed"} {
		if p := a.call(request{method: "POST", target: path + "/requests", body: body}).is(422, "validation_failed"); !slices.Equal(p.findings(), []string{finding}) {
			t.Errorf("%s: %v", body, p.findings())
		}
	}
	a.call(request{method: "POST", target: path + "/requests", body: `{"action":"terminate","when":"now"}`}).is(422, "unknown_field")
	a.call(request{method: "DELETE", target: path, body: `{"why":"so"}`, header: map[string]string{"If-Match": "*"}}).is(422, "unknown_field")
	for _, r := range []request{propose("k", nil), {method: "PATCH", target: path}, {method: "POST", target: path + "/requests"}, {method: "DELETE", target: path}} {
		r.body = "[]"
		a.call(r).is(400, "malformed_request")
	}
	none := propose("", nil)
	delete(none.header, "Idempotency-Key")
	a.call(none).is(400, "idempotency_key_required")
}

// granularCalls is every operation once.
func granularCalls(path string) map[string]request {
	any := map[string]string{"If-Match": "*"}
	return map[string]request{
		"propose": propose("k", map[string]string{"displayName": `"Another"`}), "list": {method: "GET", target: granulars}, "read": {method: "GET", target: path},
		"change": {method: "PATCH", target: path, body: `{"duration":"P1D"}`, header: any}, "request": ask(path, "lockForApproval"), "delete": {method: "DELETE", target: path, header: any},
		"send":   {method: "POST", target: path + "/send", body: `{"recipientEmail":"admin@larch.example"}`, header: key("s")},
		"grants": {method: "GET", target: "/v1/customers/" + larch + "/delegated-admin-grants"},
	}
}

// TestGranularRoles: a sales agent asks for no administration by roles, and nobody sees that of another partner (domain, 2.4; 0.22).
func TestGranularRoles(t *testing.T) {
	a := newAPI(t)
	path := a.proposed("First")
	for name, r := range granularCalls(path) {
		for _, roles := range []string{"[salesAgent]", "[operator]", "[]"} {
			r.roles = roles
			a.call(r).is(403, "role_not_permitted")
		}
		a.globalAdmin(r)
		r.roles, r.tenant = "", gorse
		if p := a.call(r); p.status != 403 && p.status != 404 {
			t.Errorf("%s of a company without account: %d", name, p.status)
		}
		r.tenant = birch
		switch p := a.call(r); name {
		case "propose", "list":
			if strings.Contains(string(p.body), "First") {
				t.Errorf("%s: %s", name, p.body)
			}
		default:
			p.is(404, "not_found")
		}
	}
	for _, id := range []string{"gdap_aaaaaaaaaaaaaaaaaaaaaaaaaa", "gdap_x", "inv_aaaaaaaaaaaaaaaaaaaaaaaaaa", "x"} {
		a.call(request{method: "GET", target: granulars + "/" + id}).is(404, "not_found")
	}
	suspended := account(alder, "public")
	suspended.Status = partner.Suspended
	a.store.PutAccount(suspended)
	for _, name := range []string{"propose", "change", "request", "send", "read", "list", "delete"} { // in this order: what is deleted is not read
		want, code := map[string]int{"propose": 403, "change": 403, "request": 403, "send": 403, "read": 200, "list": 200, "delete": 204}[name], []string{}
		if want == 403 {
			code = append(code, "partner_not_active")
		}
		a.call(granularCalls(path)[name]).is(want, code...)
	}
}

func TestGranularLists(t *testing.T) {
	a := newAPI(t)
	var all []string
	for n := range 5 {
		all = append(all, a.proposed(fmt.Sprint("Number ", n)))
		a.now = a.now.Add(time.Second)
	}
	a.call(ask(all[1], "lockForApproval")).is(200)
	a.call(ask(all[2], "lockForApproval")).is(200)
	a.answers(all[2], "accept")
	a.call(request{method: "DELETE", target: all[3], header: map[string]string{"If-Match": "*"}}).is(204)
	list := func(query string) (found []string) {
		t.Helper()
		for next := "?limit=2" + query; next != ""; {
			o := a.call(request{method: "GET", target: granulars + next}).is(200).object()
			for _, each := range o["items"].([]any) {
				found = append(found, granulars+"/"+each.(map[string]any)["id"].(string))
				if each.(map[string]any)["history"] != nil {
					t.Error("a list has histories")
				}
			}
			next = ""
			if c, ok := o["nextCursor"].(string); ok {
				next = "?limit=2" + query + "&cursor=" + c
			}
		}
		return found
	}
	for query, want := range map[string][]string{
		"": {all[4], all[2], all[1], all[0]}, "&status=approvalPending": {all[1]}, "&status=active": {all[2]}, "&status=created": {all[4], all[0]}, "&status=terminated": nil,
		"&customerTenantId=" + larch: {all[4], all[2], all[1], all[0]}, "&customerTenantId=" + maple: nil,
	} {
		if got := list(query); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}
	for _, query := range []string{"?status=deleted", "?customerTenantId=larch", "?limit=0", "?cursor=x", "?roles=1"} {
		a.call(request{method: "GET", target: granulars + query}).is(400, "malformed_request")
	}
}

// TestGrants: what a customer has granted is told apart (invariant 20, rule P7), and granular administration stays whatever becomes of the
// relationship (rule X4, invariant 13; domain, 0.4).
func TestGrants(t *testing.T) {
	a := newAPI(t)
	grants := request{method: "GET", target: "/v1/customers/" + larch + "/delegated-admin-grants"}
	types := func() (all []string) {
		t.Helper()
		for _, each := range a.call(grants).is(200).object()["items"].([]any) {
			all = append(all, each.(map[string]any)["type"].(string))
		}
		return all
	}
	administration := func() string {
		t.Helper()
		one := a.call(request{method: "GET", target: "/v1/customers/" + larch}).is(200).str("administration")
		items := a.call(request{method: "GET", target: "/v1/customers?relationship=all"}).is(200).object()["items"].([]any)
		if listed := items[0].(map[string]any)["administration"]; len(items) != 1 || listed != one {
			t.Errorf("the list says %v, the customer %s", listed, one)
		}
		return one
	}
	a.call(grants).is(404, "not_found")
	a.call(request{method: "GET", target: "/v1/customers/larch/delegated-admin-grants"}).is(404, "not_found")
	a.customer(larch, relationship.Active, "US")
	if got := types(); len(got) > 0 || administration() != "none" {
		t.Error(got)
	}
	path := a.proposed("First")
	a.call(ask(path, "lockForApproval")).is(200)
	if got := types(); len(got) > 0 {
		t.Errorf("granted before the approval: %v", got)
	}
	a.answers(path, "accept")
	if got := types(); !slices.Equal(got, []string{"gdap"}) || administration() != "gdap" {
		t.Error(got)
	}
	a.customer(larch, relationship.Removed, "US")
	if got := types(); !slices.Equal(got, []string{"gdap"}) || administration() != "gdap" {
		t.Errorf("after the removal: %v", got)
	}
	r, err := a.store.Relationship(t.Context(), alder, larch)
	if err != nil {
		t.Fatal(err)
	}
	r.Status, r.DelegatedAdmin = relationship.Active, relationship.ActiveDAP
	a.store.PutRelationship(r)
	if got := types(); !slices.Equal(got, []string{"dap", "gdap"}) || administration() != "dap" {
		t.Error(got)
	}
	a.now = a.now.Add(90 * 24 * time.Hour)
	if got := types(); !slices.Equal(got, []string{"dap"}) {
		t.Error(got)
	}
}

func TestGranularWithoutStore(t *testing.T) {
	for _, only := range []storetest.Operation{"", storetest.Grants, storetest.GranularRelationship} {
		for code, err := range map[string]error{"internal": errors.New("the disk is full"), "unavailable": busy} {
			a := newAPI(t)
			path := a.proposed("First")
			for name, r := range granularCalls(path) {
				a.store.Inject(func(op storetest.Operation) storetest.Fault {
					if only == "" || op == only {
						return storetest.Fault{Err: err}
					}
					return storetest.Fault{}
				})
				p := a.call(r)
				if only != "" && p.status < 500 {
					continue // it does not read that
				}
				if p.is(map[string]int{"internal": 500, "unavailable": 503}[code], code); strings.Contains(string(p.body), "disk") {
					t.Errorf("%s: %s", name, p.body)
				}
			}
			a.store.Inject(nil)
			a.customer(larch, relationship.Active, "US")
			a.store.Inject(func(op storetest.Operation) storetest.Fault {
				if op == storetest.Grants {
					return storetest.Fault{Err: err}
				}
				return storetest.Fault{}
			})
			for _, target := range []string{"/v1/customers", "/v1/customers/" + larch} {
				a.call(request{method: "GET", target: target}).is(map[string]int{"internal": 500, "unavailable": 503}[code], code)
			}
		}
	}
}

// TestGranularIsSent: the request goes out under the limits of invitations, and says how it fares.
func TestGranularIsSent(t *testing.T) {
	a := newAPI(t)
	path := a.proposed("First")
	send := func(k, body string) request {
		return request{method: "POST", target: path + "/send", body: body, header: key(k)}
	}
	a.call(send("1", `{"recipientEmail":"admin@larch.example"}`)).is(409, "invalid_transition")
	a.call(ask(path, "lockForApproval")).is(200)
	for body, want := range map[string][2]string{
		`{}`:                                   {"recipient_email_required", "/recipientEmail recipient_email_required"},
		`{"recipientEmail":7}`:                 {"validation_failed", "/recipientEmail validation_failed"},
		`{"recipientEmail":"larch"}`:           {"email_invalid", "/recipientEmail email_invalid"},
		`{"recipientEmail":"é@larch.example"}`: {"email_internationalised_local_part", "/recipientEmail email_internationalised_local_part"},
		`{"recipientEmail":"a@larch.example","locale":"-"}`:  {"validation_failed", "/locale validation_failed"},
		`{"recipientEmail":"a@larch.example","subject":"x"}`: {"unknown_field", "/subject unknown_field"},
	} {
		if p := a.call(send("1", body)).is(422, want[0]); !slices.Equal(p.findings(), []string{want[1]}) {
			t.Errorf("%s: %v", body, p.findings())
		}
	}
	a.call(send("1", `[]`)).is(400, "malformed_request")
	none := send("1", `{"recipientEmail":"admin@larch.example"}`)
	delete(none.header, "Idempotency-Key")
	a.call(none).is(400, "idempotency_key_required")
	stale := send("1", `{"recipientEmail":"admin@larch.example"}`)
	stale.header["If-Match"] = `"1"`
	a.call(stale).is(412, "precondition_failed")

	o := a.call(send("1", `{"recipientEmail":"Admin@larch.example","locale":"fr"}`)).is(202).object()
	if o["recipientEmail"] != "Admin@larch.example" || o["locale"] != "fr" || fmt.Sprint(o["delivery"]) != "map[state:queued]" || o["status"] != "approvalPending" {
		t.Errorf("%v", o)
	}
	if strings.Contains(fmt.Sprint(o), "/g/") {
		t.Error("the answer holds a link")
	}
	if again := a.call(send("1", `{"recipientEmail":"Admin@larch.example","locale":"fr"}`)).is(202); again.header.Get("Idempotency-Replayed") != "true" {
		t.Error("not replayed")
	}
	a.call(send("1", `{"locale":"de"}`)).is(422, "idempotency_key_reused")

	// The limits are one for all mails to a recipient.
	if p := a.call(send("2", `{}`)).is(429, "resend_cooldown"); p.header.Get("Retry-After") != "600" {
		t.Errorf("%v", p.header)
	}
	draft := a.draft("admin@larch.example")
	a.call(request{method: "POST", target: draft + "/send", header: key("i")}).is(429, "resend_cooldown")
	for n := range 4 {
		a.now = a.now.Add(11 * time.Minute)
		a.call(send(fmt.Sprint("again ", n), `{}`)).is(202)
	}
	a.now = a.now.Add(11 * time.Minute)
	a.call(send("3", `{}`)).is(429, "recipient_quota_exceeded")
	few := account(alder, "public")
	few.DailyMails = 5
	a.store.PutAccount(few)
	a.call(send("4", `{"recipientEmail":"other@larch.example"}`)).is(429, "partner_quota_exceeded")
	if err := recipient.Suppress(t.Context(), a.store, "gone@larch.example", outbox.Report{State: outbox.Bounced, Reason: "address_unknown"}, a.now); err != nil {
		t.Fatal(err)
	}
	a.call(send("5", `{"recipientEmail":"gone@larch.example"}`)).is(409, "recipient_suppressed")
	paused := account(alder, "public")
	paused.Paused = &partner.Pause{At: a.now, Reason: partner.Complaints}
	a.store.PutAccount(paused)
	a.call(send("6", `{"recipientEmail":"third@larch.example"}`)).is(409, "sending_paused")
}

// TestInvitationWithGranularAdmin: one invitation asks for both (domain, 0.28; G13), and one answer gives both.
func TestInvitationWithGranularAdmin(t *testing.T) {
	a := newAPI(t)
	body := func(granularAdmin string) string {
		return `{"kind":"reseller","recipientEmail":"admin@larch.example","granularAdmin":` + granularAdmin + `}`
	}
	whole := `{"displayName":"Larch support","roles":["` + helpdesk + `","` + globalReader + `"],"duration":"P180D","autoExtendDuration":"P180D"}`
	p := a.call(create("k", body(whole))).is(201)
	id := p.object()["granularAdmin"].(map[string]any)["id"].(string)
	beside := granulars + "/" + id
	o := a.call(request{method: "GET", target: beside}).is(200).object()
	if o["status"] != "created" || o["duration"] != "P180D" || o["autoExtendDuration"] != "P180D" || o["customer"] != nil || len(o["accessDetails"].(map[string]any)["unifiedRoles"].([]any)) != 2 {
		t.Errorf("%v", o)
	}
	if again := a.call(create("k", body(whole))).is(201); again.header.Get("Idempotency-Replayed") != "true" || again.str("id") != p.str("id") {
		t.Errorf("%v", again.header)
	}
	a.call(request{method: "PATCH", target: beside, body: `{"duration":"P1D"}`, header: map[string]string{"If-Match": "*"}}).is(409, "invalid_transition")

	for name, c := range map[string]struct{ body, code, finding string }{
		"nothing of it":     {`{}`, "validation_failed", "/granularAdmin/displayName validation_failed"},
		"no object":         {`true`, "validation_failed", "/granularAdmin validation_failed"},
		"an unknown role":   {`{"displayName":"X","roles":["` + nobody + `"],"duration":"P1D"}`, "validation_failed", "/granularAdmin/roles/0 validation_failed"},
		"a role of no type": {`{"displayName":"X","roles":[7],"duration":"P1D"}`, "validation_failed", "/granularAdmin/roles/0 validation_failed"},
		"no list":           {`{"displayName":"X","roles":{},"duration":"P1D"}`, "validation_failed", "/granularAdmin/roles validation_failed"},
		"no roles":          {`{"displayName":"X","roles":[],"duration":"P1D"}`, "validation_failed", "/granularAdmin/roles validation_failed"},
		"too long":          {`{"displayName":"X","roles":["` + helpdesk + `"],"duration":"P3Y"}`, "validation_failed", "/granularAdmin/duration validation_failed"},
		"a taken name":      {strings.Replace(whole, "Larch", "LARCH", 1), "validation_failed", "/granularAdmin/displayName validation_failed"},
		"everything, ever":  {`{"displayName":"X","roles":["` + globalAdministrator + `"],"duration":"P1D","autoExtendDuration":"P180D"}`, "validation_failed", "/granularAdmin/autoExtendDuration validation_failed"},
		"another field":     {`{"displayName":"X","roles":["` + helpdesk + `"],"duration":"P1D","customer":"x"}`, "unknown_field", "/granularAdmin/customer unknown_field"},
	} {
		r := create("other "+name, strings.Replace(body(c.body), "admin@", "other@", 1))
		if p := a.call(r).is(422, c.code); !slices.Contains(p.findings(), c.finding) {
			t.Errorf("%s: %v", name, p.findings())
		}
	}
	rehearsal := create("r", `{"kind":"reseller","recipientEmail":"success@simulator.amazonses.com","sandbox":true,"granularAdmin":`+strings.Replace(whole, "Larch", "Other", 1)+`}`)
	if p := a.call(rehearsal).is(422, "validation_failed"); !slices.Contains(p.findings(), "/granularAdmin validation_failed") {
		t.Errorf("%v", p.findings())
	}
	sales := create("s", strings.Replace(body(strings.Replace(whole, "Larch", "Other", 1)), "admin@", "sales@", 1))
	sales.roles = "[salesAgent]"
	a.call(sales).is(403, "role_not_permitted")
	a.call(submit("b", `{"rows":[{"kind":"reseller","granularAdmin":`+whole+`}]}`)).is(202)

	// Where a relationship stands already there is still something new to ask for (invariant 3b).
	a.customer(larch, relationship.Active, "US")
	asked := `{"kind":"reseller","customerTenantId":"` + larch + `"`
	a.call(create("x", asked+`}`)).is(409, "relationship_exists")
	bound := a.call(create("y", asked+`,"granularAdmin":`+strings.Replace(whole, "Larch", "Bound", 1)+`}`)).is(201)

	who := relationship.Person{
		Subject: "lena", Email: "lena@larch.example", Roles: []partner.Role{partner.GlobalAdmin},
		Company: relationship.Customer{Tenant: larch, CompanyName: "Larch Ltd", Domains: []string{"larch.example"}, Country: "US", CountrySource: "token", Cloud: "public"},
	}
	answer := func(p reply, answer string) map[string]any {
		t.Helper()
		l := link.Link{Tenant: alder, ID: p.str("id"), Generation: 1}
		_, c, err := a.service.Respond(t.Context(), l, who, invitation.Response{Answer: answer, Authorized: true, FullName: "Lena Larch", JobTitle: "Head of IT"})
		if err != nil || c != invitation.AcceptedBy && c != invitation.DeclinedBy {
			t.Fatal(c, err)
		}
		return a.call(request{method: "GET", target: granulars + "/" + p.object()["granularAdmin"].(map[string]any)["id"].(string)}).is(200).object()
	}
	if o := answer(bound, "accept"); o["status"] != "active" || fmt.Sprint(o["customer"]) != "map[displayName:Larch Ltd tenantId:"+larch+"]" {
		t.Errorf("%v", o)
	}
	if o := a.call(request{method: "GET", target: bound.header.Get("Location")}).is(200).object(); o["answer"].(map[string]any)["noChange"] != nil {
		t.Errorf("%v", o["answer"])
	}
	if got := a.call(request{method: "GET", target: "/v1/customers/" + larch}).is(200).str("administration"); got != "gdap" {
		t.Error(got)
	}
	if o := answer(p, "decline"); o["status"] != "terminated" || o["reason"] != "rejected" {
		t.Errorf("%v", o)
	}
}
