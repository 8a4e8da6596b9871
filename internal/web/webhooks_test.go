package web_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"concord/internal/link"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/storetest"
	"concord/internal/webhook"
)

func (a *api) hooks() *webhook.Service {
	return &webhook.Service{
		Store: a.store, Accounts: a.store, Types: webhook.Types(), Now: func() time.Time { return a.now },
		Seals: webhook.Seals{Keys: func(context.Context, string, ...uint16) ([]link.Key, error) {
			return []link.Key{{ID: 7, Secret: []byte(strings.Repeat("k", 32))}}, nil
		}},
	}
}

const hooksPath = "/v1/webhook-endpoints"

func hook(k, body string) request {
	return request{method: "POST", target: hooksPath, body: body, header: key(k)}
}

func matching(method, target, body, tag string) request {
	return request{method: method, target: target, body: body, header: map[string]string{"If-Match": tag}}
}

func TestWebhookEndpoints(t *testing.T) {
	a := newAPI(t)
	const body = `{"url":"https://hooks.alder.example/x","description":"Desk","events":["invitation-accepted"]}`
	made := a.call(hook("a", body)).is(201)
	id, secret := made.str("id"), made.str("secret")
	if again := a.call(hook("a", body)).is(201); again.str("id") != id || again.str("secret") != secret || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("%s, replayed %s", made.body, again.body)
	}
	a.call(hook("a", `{"url":"https://hooks.alder.example/y"}`)).is(422, "idempotency_key_reused")
	a.call(request{method: "POST", target: hooksPath, body: body}).is(400, "idempotency_key_required")
	a.call(hook("x", `[]`)).is(400, "malformed_request")
	a.call(hook("b", `{"url":"https://h.alder.example","uri":"x"}`)).is(422, "unknown_field")
	path := hooksPath + "/" + id
	read := a.call(request{method: "GET", target: path}).is(200)
	if strings.Contains(string(read.body), "whsec_") || read.header.Get("ETag") != `"1"` {
		t.Errorf("%s", read.body)
	}
	a.call(request{method: "GET", target: path, tenant: birch}).is(404, "not_found")
	a.call(request{method: "GET", target: path, roles: "[salesAgent]"}).is(403, "role_not_permitted")
	if list := a.call(request{method: "GET", target: hooksPath}).ids(); len(list) != 1 || list[0] != id {
		t.Errorf("%v", list)
	}
	a.call(request{method: "GET", target: hooksPath + "?status=x"}).is(400, "malformed_request")
	changed := a.call(matching("PATCH", path, `{"status":"disabled"}`, `"1"`)).is(200)
	if changed.str("disabledReason") != "by_partner" || changed.header.Get("ETag") != `"2"` {
		t.Errorf("%s", changed.body)
	}
	for _, refused := range []string{path + "/test", path + "/deliveries/x/redeliver"} {
		p := a.call(request{method: "POST", target: refused})
		if strings.HasSuffix(refused, "/test") {
			p.is(409, "invalid_transition")
		} else {
			p.is(404, "not_found")
		}
	}
	a.call(matching("PATCH", path, `{"status":"enabled","events":[]}`, `"2"`)).is(200)
	rotated := a.call(matching("POST", path+"/rotate-secret", "", `"3"`)).is(200)
	if rotated.str("secret") == secret || rotated.str("oldSecretEndsAt") != "2026-03-02T09:00:00Z" {
		t.Errorf("%s", rotated.body)
	}
	d := a.call(request{method: "POST", target: path + "/test"}).is(202)
	list := a.call(request{method: "GET", target: path + "/deliveries"}).is(200)
	list.holds(d.str("id"), "webhook-test", "pending")
	a.call(request{method: "GET", target: path + "/deliveries?state=x"}).is(400, "malformed_request")
	again := path + "/deliveries/" + d.str("id") + "/redeliver"
	a.call(request{method: "POST", target: again}).is(202)
	a.call(matching("PATCH", path, `{"status":"disabled"}`, `*`)).is(200)
	a.call(request{method: "POST", target: again}).is(409, "invalid_transition")
	for n := range webhook.MaxEndpoints - 1 {
		a.call(hook(fmt.Sprint("more ", n), body)).is(201)
	}
	a.call(hook("eleven", body)).is(409, "webhook_endpoint_limit")
	a.call(matching("DELETE", path, "", `"1"`)).is(412, "precondition_failed")
	a.call(matching("DELETE", path, "", `*`)).is(204)
	a.call(matching("DELETE", path, "", `*`)).is(404, "not_found")
}

func TestWebhookEndpointsAreRefused(t *testing.T) {
	a := newAPI(t)
	for name, body := range map[string]string{
		"no URL": `{}`, "http": `{"url":"http://hooks.alder.example"}`, "an address": `{"url":"https://203.0.113.9"}`, "this machine": `{"url":"http://127.0.0.1:1"}`,
		"a port": `{"url":"https://hooks.alder.example:8443"}`, "a password": `{"url":"https://a:b@hooks.alder.example"}`, "a fragment": `{"url":"https://hooks.alder.example/#x"}`,
		"a bare name": `{"url":"https://intranet"}`, "no such event": `{"url":"https://hooks.alder.example","events":["x"]}`,
		"no such status": `{"url":"https://hooks.alder.example","status":"on"}`, "a long description": `{"url":"https://hooks.alder.example","description":"` + strings.Repeat("x", 201) + `"}`,
	} {
		a.call(hook(name, body)).is(422, "validation_failed")
	}
	path := hooksPath + "/" + a.call(hook("a", `{"url":"https://hooks.alder.example"}`)).is(201).str("id")
	a.call(matching("PATCH", path, `{"url":1}`, "*")).is(422, "validation_failed")
	a.call(matching("PATCH", path, `{"uri":"x"}`, "*")).is(422, "unknown_field")
	operations := map[string]request{
		"change": matching("PATCH", path, `{}`, ""), "delete": matching("DELETE", path, "", ""), "rotate": matching("POST", path+"/rotate-secret", "", ""),
	}
	for name, r := range operations {
		a.call(r).is(428, "precondition_required")
		r.header = map[string]string{"If-Match": "3"}
		a.call(r).is(400, "malformed_request")
		r.header = map[string]string{"If-Match": `"9"`}
		a.call(r).is(412, "precondition_failed")
		r.header = map[string]string{"If-Match": "*"}
		r.target = strings.Replace(r.target, path, hooksPath+"/whe_"+strings.Repeat("a", 26), 1)
		a.call(r).is(404, "not_found")
		if r.method == "POST" {
			a.call(matching("POST", hooksPath+"/x/rotate-secret", "", "*")).is(404, "not_found")
		}
		operations[name] = r
	}
	operations["create"], operations["list"] = hook("b", `{"url":"https://hooks.alder.example"}`), request{method: "GET", target: hooksPath}
	for name, target := range map[string]string{"read": path, "deliveries": path + "/deliveries"} {
		operations[name] = request{method: "GET", target: target}
	}
	for name, target := range map[string]string{"test": path + "/test", "redeliver": path + "/deliveries/x/redeliver"} {
		operations[name] = request{method: "POST", target: target}
		a.call(request{method: "POST", target: target, body: "[]"}).is(400, "malformed_request")
		a.call(request{method: "POST", target: strings.Replace(target, path, hooksPath+"/x", 1)}).is(404, "not_found")
	}
	a.call(request{method: "GET", target: hooksPath + "/x/deliveries"}).is(404, "not_found")
	for code, err := range map[string]error{"internal": errors.New("the disk is full"), "unavailable": &problem.Error{Code: problem.Unavailable}} {
		a.store.Inject(func(op storetest.Operation) storetest.Fault {
			if op == storetest.Endpoint || op == storetest.Endpoints {
				return storetest.Fault{Err: err}
			}
			return storetest.Fault{}
		})
		for _, r := range operations {
			a.call(r).is(map[string]int{"internal": 500, "unavailable": 503}[code], code)
		}
		a.store.Inject(nil)
	}
	for _, r := range operations {
		r.roles = fmt.Sprint([]partner.Role{partner.SalesAgent})
		a.call(r).is(403, "role_not_permitted")
	}
}
