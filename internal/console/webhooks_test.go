package console_test

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"concord/internal/partner"
	"concord/internal/webhook"
)

// TestWebhooks: an endpoint is added, its secret shown once and to nobody else; a test is sent, and sent again once it
// has failed; the endpoint is turned off and on, gets another secret, and goes.
func TestWebhooks(t *testing.T) {
	d := open(t)
	const at = "/console/account/webhooks"
	b := d.browser()
	s := b.signIn(at, person(alder, partner.AdminAgent))
	s.want(t, "console-webhooks", http.StatusOK)
	s.has(t, "No endpoints yet", at+"/new")
	b.get("/console/account").has(t, at)

	form := b.get(at + "/new").fields("create")
	form.Set("url", "ftp://alder.example")
	refused := b.post(at+"/new", form)
	refused.want(t, "console-webhook-new", http.StatusUnprocessableEntity)
	refused.has(t, `href="#f-url"`, "Enter an https address", "ftp://alder.example")
	form = refused.fields("create")
	form.Set("url", "https://alder.example/hook")
	form.Set("description", "The shop")
	form["events"] = []string{"invitation-accepted", "invitation-declined"}
	s = b.follow(b.post(at+"/new", form))
	s.want(t, "console-webhook", http.StatusOK)
	secret := regexp.MustCompile(`whsec_[A-Za-z0-9+/=]+`)
	first := secret.FindString(s.text)
	if first == "" {
		t.Fatal("the secret is not shown")
	}
	path := s.Request.URL.Path
	if again := b.get(path); secret.MatchString(again.text) {
		t.Error("the secret is shown twice")
	}
	b.get(at).has(t, "https://alder.example/hook", "The shop", ">2<")

	s = b.follow(b.post(path, s.fields("test")))
	s.has(t, "A test is on its way.", webhook.TestType, "On its way", "data-live")
	e := d.endpoint(path)
	pending, err := d.store.PendingDeliveries(t.Context(), e.Key, "", 10)
	if err != nil || len(pending) != 1 {
		t.Fatalf("%d deliveries, %v", len(pending), err)
	}
	failed := pending[0]
	failed.Result, failed.Reason, failed.Status, failed.Attempts, failed.Version = webhook.Failed, "status", 500, 10, failed.Version+1
	if err := d.store.KeepDelivery(t.Context(), pending[0], failed); err != nil {
		t.Fatal(err)
	}
	s = b.get(path)
	s.has(t, "Failed", ">500<")
	if strings.Contains(s.text, "data-live") {
		t.Error("the page fetches itself although nothing is on its way")
	}
	none := b.post(path, s.fields("redeliver"))
	none.want(t, "console-webhook", http.StatusUnprocessableEntity)
	none.has(t, "Tick what is to be sent again.")
	form = none.fields("redeliver")
	form.Set("delivery", failed.ID)
	b.follow(b.post(path, form)).has(t, "It is sent again.", "On its way")

	s = b.follow(b.post(path, b.get(path).fields("rotate-secret")))
	if second := secret.FindString(s.text); second == "" || second == first {
		t.Error("no other secret is shown")
	}
	s.has(t, "The old secret still signs until")
	s = b.follow(b.post(path, s.fields("disable")))
	s.has(t, "The endpoint is off.", "Turned off by your company")
	if s.fields("test") != nil || s.fields("redeliver") != nil {
		t.Error("what is off can be sent to")
	}
	b.follow(b.post(path, s.fields("enable"))).has(t, "The endpoint is on.")

	other := d.browser()
	other.signIn("/console", person(birch, partner.AdminAgent))
	other.get(path).want(t, "console-not-found", http.StatusNotFound)
	s = b.get(path + "/remove")
	s.want(t, "console-webhook-remove", http.StatusOK)
	b.follow(b.post(path+"/remove", s.fields("remove"))).want(t, "console-webhooks", http.StatusOK)
	b.get(path).want(t, "console-not-found", http.StatusNotFound)
}

// endpoint reads that of a page of Alder's.
func (d *desk) endpoint(path string) webhook.Endpoint {
	d.t.Helper()
	e, err := d.store.Endpoint(context.Background(), webhook.Key{Partner: alder, ID: path[strings.LastIndex(path, "/")+1:]})
	if err != nil {
		d.t.Fatal(err)
	}
	return e
}
