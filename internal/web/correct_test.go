package web_test

import (
	"fmt"
	"strings"
	"testing"

	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/recipient"
	"concord/internal/relationship"
)

// corrects is a request that gives an invitation another recipient.
func corrects(path, k, to string) request {
	return request{method: "POST", target: path + "/correct", header: key(k),
		body: fmt.Sprintf(`{"recipientEmail":%q}`, to)}
}

// mailed makes an invitation and has it sent.
func (a *api) mailed(k, body string) string {
	path := a.call(create(k, body)).is(201).header.Get("Location")
	a.call(request{method: "POST", target: path + "/send", header: key("send " + k)}).is(202)
	return path
}

// TestCorrect: a draft keeps its id; of what was mailed the link ends, and a new request goes to the new recipient.
func TestCorrect(t *testing.T) {
	a := newAPI(t)
	draft := a.draft("admin@larch.example")
	a.call(corrects(draft, "1", "it@larch.example")).is(428, "precondition_required")
	r := corrects(draft, "1", "it@larch.example")
	r.header["If-Match"] = `"1"`
	p := a.call(r).is(200)
	if p.str("recipientEmail") != "it@larch.example" || p.str("status") != "draft" || p.header.Get("Location") != draft {
		t.Errorf("a draft: %s", p.body)
	}
	r = corrects(draft, "2", "cto@larch.example")
	r.header["If-Match"] = `"1"`
	a.call(r).is(412, "precondition_failed")
	other := a.draft("admin@oak.example")
	r = corrects(other, "3", "it@larch.example")
	r.header["If-Match"] = "*"
	a.call(r).is(409, "duplicate_open_invitation")
	for body, code := range map[string]string{
		`{"recipientEmail":"x@y.test","x":1}`:                      "unknown_field",
		`{"recipientEmail":"x"}`:                                   "email_invalid",
		`{"recipientEmail":"é@larch.example"}`:                     "email_internationalised_local_part",
		`{"recipientEmail":"x@y.test","recipientName":"a@b.test"}`: "name_invalid",
		`{"recipientEmail":7}`:                                     "validation_failed",
		`{}`:                                                       "recipient_email_required",
	} {
		a.call(request{method: "POST", target: draft + "/correct", header: key("4"), body: body}).is(422, code)
	}
	a.call(request{method: "POST", target: draft + "/correct", header: key("4"), body: `{`}).is(400, "malformed_request")
	a.call(request{method: "POST", target: draft + "/correct", body: `{}`}).is(400, "idempotency_key_required")

	path := a.mailed("m", `{"kind":"reseller","recipientEmail":"lena@maple.example","tags":{"team":"east"}}`)
	r = corrects(path, "5", "it@maple.example")
	r.header["If-Match"] = `"1"`
	a.call(r).is(412, "precondition_failed")
	p = a.call(corrects(path, "5", "it@maple.example")).is(200)
	id := strings.TrimPrefix(path, "/v1/invitations/")
	if o := p.object(); o["replaces"] != id || o["id"] == id || o["recipientEmail"] != "it@maple.example" ||
		o["status"] != "pending" || p.header.Get("Location") != "/v1/invitations/"+p.str("id") ||
		fmt.Sprint(o["tags"]) != "map[team:east]" {
		t.Errorf("mailed: %s", p.body)
	}
	old := a.call(reads(path)["read"]).is(200)
	if old.str("status") != "cancelled" || old.str("cancelReason") != "recipient corrected" {
		t.Errorf("the old one: %s", old.body)
	}
	again := a.call(corrects(path, "5", "it@maple.example")).is(200)
	if again.header.Get("Idempotency-Replayed") != "true" || again.str("id") != p.str("id") {
		t.Errorf("again: %s", again.body)
	}
	a.call(corrects(path, "5", "cto@maple.example")).is(422, "idempotency_key_reused")
}

// TestCorrectWithinLimits: a limit of emails ends nothing for good: the same key sends the new one later.
func TestCorrectWithinLimits(t *testing.T) {
	a := newAPI(t)
	path := a.mailed("m", `{"kind":"reseller","recipientEmail":"lena@maple.example"}`)
	bounced := outbox.Report{State: outbox.Bounced, Reason: "address_unknown"}
	if err := recipient.Suppress(t.Context(), a.store, "gone@maple.example", bounced, a.now); err != nil {
		t.Fatal(err)
	}
	a.call(corrects(path, "gone", "gone@maple.example")).is(409, "recipient_suppressed")
	one := account(alder, "public")
	one.Paused = &partner.Pause{At: a.now, Reason: partner.Complaints}
	a.store.PutAccount(one)
	a.call(corrects(path, "paused", "it@maple.example")).is(409, "sending_paused")
	if p := a.call(reads(path)["read"]).is(200); p.str("status") != "pending" {
		t.Errorf("it ended: %s", p.body)
	}
	one.Paused = nil
	one.DailyMails = 1
	a.store.PutAccount(one)
	a.call(corrects(path, "k", "it@maple.example")).is(429, "partner_quota_exceeded")
	one.DailyMails = 0
	a.store.PutAccount(one)
	p := a.call(corrects(path, "k", "it@maple.example")).is(200)
	if p.str("recipientEmail") != "it@maple.example" || p.str("status") != "pending" {
		t.Errorf("later: %s", p.body)
	}
	// A recipient who was mailed a moment ago waits, and who had five in a day waits longer.
	wrong := a.mailed("w", `{"kind":"reseller","recipientEmail":"lena@oak.example"}`)
	now := strings.TrimPrefix(p.header.Get("Location"), "/v1/invitations/")
	a.call(request{method: "POST", target: "/v1/invitations/" + now + "/cancel", header: key("c")}).is(200)
	a.call(corrects(wrong, "k", "it@maple.example")).is(429, "resend_cooldown")
	a.now = a.now.Add(recipient.Cooldown)
	next := a.call(corrects(wrong, "k", "it@maple.example")).is(200).header.Get("Location")
	for n := range 3 {
		a.now = a.now.Add(recipient.Cooldown)
		a.call(request{method: "POST", target: next + "/resend", header: key(fmt.Sprint("r", n))}).is(202)
	}
	a.now = a.now.Add(recipient.Cooldown)
	a.call(request{method: "POST", target: next + "/cancel", header: key("c")}).is(200)
	last := a.mailed("l", `{"kind":"reseller","recipientEmail":"lena@elm.example"}`)
	a.call(corrects(last, "k", "it@maple.example")).is(429, "recipient_quota_exceeded")
}

// TestCorrectAsksAsANewOne: what a new request needs, the one that replaces another needs too.
func TestCorrectAsksAsANewOne(t *testing.T) {
	a := newAPI(t)
	bound := func(k string) string {
		body := `{"kind":"reseller","recipientEmail":"%s@larch.example","customerTenantId":%q}`
		return a.mailed(k, fmt.Sprintf(body, k, larch))
	}
	first := bound("one")
	a.customer(larch, relationship.Active, "US")
	a.call(corrects(first, "k", "it@larch.example")).is(409, "relationship_exists")
	a.customer(larch, relationship.Removed, "US")
	second := bound("two")
	a.customer(larch, relationship.Removed, "JP")
	a.call(corrects(second, "k", "it@larch.example")).is(422, "region_not_allowed")

	a = newAPI(t)
	p := a.twoTiers()
	as := func(tenant, k, body string) string {
		r := create(k, body)
		r.tenant = tenant
		path := a.call(r).is(201).header.Get("Location")
		a.call(request{method: "POST", target: path + "/send", tenant: tenant, header: key("send " + k)}).is(202)
		return path
	}
	dual := as(cedar, "1", `{"kind":"dualReseller","recipientEmail":"lena@larch.example","providerTenantId":"`+birch+`"}`)
	removed, _ := p.Remove(partnership.Entry{At: start, Side: partnership.ProviderSide},
		relationship.AttestedText{Version: "1"})
	a.store.PutPartnership(removed)
	r := corrects(dual, "k", "it@larch.example")
	r.tenant = cedar
	a.call(r).is(409, "partnership_required")
	named := as(birch, "2", `{"kind":"partnership","recipientEmail":"it@dogwood.example","customerTenantId":"`+dogwood+`"}`)
	pair := partnership.Pair{Provider: birch, Reseller: dogwood}
	joined, _ := partnership.Establish(nil, partnership.Authorisation{Pair: pair, At: start})
	a.store.PutPartnership(joined)
	r = corrects(named, "k", "cto@dogwood.example")
	r.tenant = birch
	a.call(r).is(409, "partnership_exists")
}
