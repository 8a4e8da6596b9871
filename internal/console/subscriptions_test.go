package console_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"concord/internal/partner"
	"concord/internal/relationship"
)

// TestAllSubscriptions: what a company sold, is on record for and supports stands in one list, by tab and status, with a
// link to the subscription and to the customer, and as a file.
func TestAllSubscriptions(t *testing.T) {
	const list = "/console/subscriptions"
	d := open(t)
	b := d.browser()
	at := d.bought(b)
	s := b.get(list)
	s.want(t, "console-subscriptions", http.StatusOK)
	s.has(t, "Subscriptions of all customers", at, `href="/console/customers/`+string(larch)+`"`, "Larch",
		`aria-current="true">All`, `href="/console/orders/new"`, `<option value="`+string(larch)+`"`)
	b.get(list+"?role=sold&status=active").has(t, "Subscriptions that you sold", at, `name="role" value="sold"`)
	b.get(list+"?role=sold&status=suspended").has(t, "Nothing matches", `href="/console/subscriptions?role=sold"`)
	b.get(list+"?role=onRecord").has(t, "No subscriptions here yet", "names your PartnerID", `href="/console/customers"`)
	b.get(list+"?customerTenantId="+string(larch)).has(t, "Subscriptions of Larch", at)
	file := b.get(list + "?format=csv")
	if !strings.HasPrefix(file.text, "\uFEFFOffer,Customer,Quantity,") || strings.Count(file.text, "\n") != 2 ||
		!strings.Contains(file.text, `"Sample office suite, basic",Larch Foods,3,Active,Sold,`) ||
		!strings.Contains(file.Header.Get("Content-Disposition"), "subscriptions.csv") {
		t.Errorf("%v\n%s", file.Header, file.text)
	}

	// Its reseller is on record, then supports, and has no order to make.
	fields := b.get(at).fields("submit")
	fields.Set("reseller", "7654321")
	b.follow(b.post(at, fields)).has(t, "Saved.")
	cedars := d.browser()
	s = cedars.signIn(list+"?role=onRecord", person(cedar, partner.SalesAgent))
	s.want(t, "console-subscriptions", http.StatusOK)
	s.has(t, "Subscriptions with your PartnerID on record", at, string(larch), "On record", "7654321")
	if s.href("/console/orders/new") != "" || s.href("/console/customers/"+string(larch)) != "" {
		t.Error("a reseller orders, or has a customer that it has no relationship with")
	}
	cedars.get(list+"?role=supported").has(t, "No subscriptions here yet", "support contact", `href="/console/providers"`)
	d.stand(cedar, larch, func(r *relationship.Relationship) { r.EstablishedAt = r.EstablishedAt.Add(-time.Hour) })
	fields = b.get(at).fields("support")
	fields.Set("supportTenantId", string(cedar))
	b.follow(b.post(at, fields)).has(t, "Saved.")
	cedars.get(list+"?role=supported").has(t, "Subscriptions that you support", at, "On record · Supported")
	d.stand(cedar, larch, func(r *relationship.Relationship) { r.Status = relationship.Removed })
	cedars.get(list+"?role=supported").has(t, "No subscriptions here yet")

	// Nobody else has it.
	strange := d.browser().signIn(list, person(alder, partner.AdminAgent))
	strange.want(t, "console-subscriptions", http.StatusOK)
	strange.has(t, "No subscriptions here yet", "What you order for your customers appears here")
	if strings.Contains(strange.text, "sub_") {
		t.Error("another partner has the subscription")
	}
}

// TestSubscriptionPages: a list of more than a page goes on where it ended.
func TestSubscriptionPages(t *testing.T) {
	d := open(t)
	b := d.browser()
	d.bought(b)
	for range 26 {
		fields := b.get("/console/orders/new?customerTenantId=" + string(larch)).fields("check")
		fields.Set("do", "submit")
		fields.Set("offerId", "ofr-office-basic")
		fields.Set("quantity", "1")
		b.follow(b.post("/console/orders/new", fields)).want(t, "console-customer", http.StatusOK)
	}
	first := b.get("/console/subscriptions?role=sold")
	second := b.get(first.href("/console/subscriptions?cursor="))
	one, two := strings.Count(first.text, `/`+string(larch)+`/sub_`), strings.Count(second.text, `/`+string(larch)+`/sub_`)
	if one != 25 || two != 2 {
		t.Errorf("%d and %d subscriptions, want 25 and 2", one, two)
	}
}
