package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"concord/infra/local/bus"
	"concord/internal/events/schematest"
)

// blockers gives why the partner may not buy for a customer.
func (p *partner) blockers(customer string) (codes []string) {
	p.t.Helper()
	for _, b := range p.do("GET", customer+"/purchase-eligibility", "").want(p.t, 200).json(p.t)["blockers"].([]any) {
		codes = append(codes, b.(map[string]any)["code"].(string))
	}
	return codes
}

// eventsAbout gives the types of the events on the bus that name an id.
func eventsAbout(t testing.TB, id string) (types []string) {
	t.Helper()
	var answer struct{ Events []bus.Event }
	if err := json.Unmarshal(newBrowser(t).get(local.URL+"/_local/events").want(t, 200).body, &answer); err != nil {
		t.Fatal(err)
	}
	schemas := schematest.Load(t)
	for _, e := range answer.Events {
		if !strings.Contains(string(e.Detail), id) {
			continue
		}
		types = append(types, e.DetailType)
		if err := schemas.Check(e.DetailType, e.Detail); err != nil {
			t.Errorf("%s: %v", e.Detail, err)
		}
	}
	return types
}

// The way to a first order: the customer accepts and signs in one step, its provider orders for its reseller, both find the
// subscription, everybody is told, and the relationship ends only when nothing is active any more.
func TestFirstOrder(t *testing.T) {
	birch, cedar, dogwood := newPartner(t, "birch"), newPartner(t, "cedar"), newPartner(t, "dogwood")
	oak := tenantOf(t, "oak.example")
	customer := "/v1/customers/" + oak
	// On record a reseller needs no relationship with the customer; on behalf it does (0.19, 0.44).
	azure := `{"lines":[{"offerId":"ofr-cloud-reserved","quantity":25}],"partnerIdOnRecord":"4100003"}`
	behalf := `{"lines":[{"offerId":"ofr-cloud-reserved","quantity":25}],"onBehalfOfReseller":"` + tenantOf(t, "cedar.example") + `"}`
	if got := birch.blockers(customer); !slices.Equal(got, []string{"no_reseller_relationship", "customer_agreement_required"}) {
		t.Fatalf("before all: %v", got)
	}
	birch.post(customer+"/orders", azure).code(t, 403, "no_reseller_relationship")

	_, link := birch.invite(`{"kind":"reseller","recipientEmail":"admin@oak.example"}`, "admin@oak.example")
	person := newBrowser(t)
	form := person.signIn(link, "admin@oak.example").want(t, 200)
	if !strings.Contains(string(form.body), "Sample customer agreement, no legal effect") {
		t.Errorf("the agreement is not offered: %s", form.body)
	}
	fill := accepting()
	fill.Set("signAgreement", "on")
	if page := person.submit(form, fill).want(t, 200).page(t); page != "accepted" {
		t.Fatalf("page %q", page)
	}
	if got := birch.blockers(customer); len(got) != 0 {
		t.Errorf("after the acceptance: %v", got)
	}
	if got := cedar.blockers(customer); !slices.Equal(got, []string{"no_reseller_relationship", "customer_agreement_required"}) {
		t.Errorf("a reseller that has nothing to do with the customer: %v", got)
	}
	if signed := birch.do("GET", customer+"/directSignedCustomerAgreementStatus", "").want(t, 200).json(t)["isSigned"]; signed != true {
		t.Error("not signed directly")
	}
	signature := birch.do("GET", customer+"/agreements", "").want(t, 200).json(t)["items"].([]any)[0].(map[string]any)
	if signature["source"] != "directSigned" || signature["textVersion"] != "sample-1" || len(signature["sha256"].(string)) != 64 {
		t.Errorf("%v", signature)
	}

	cedar.post(customer+"/orders", azure).code(t, 403, "reseller_cannot_order")
	birch.post(customer+"/orders", strings.Replace(behalf, "ceda", "d09d", 1)).want(t, 409)
	birch.post(customer+"/orders", behalf).code(t, 403, "no_reseller_relationship")
	order := birch.do("POST", customer+"/orders", azure, "Idempotency-Key", "first").want(t, 201)
	again := birch.do("POST", customer+"/orders", azure, "Idempotency-Key", "first").want(t, 201)
	if order.json(t)["id"] != again.json(t)["id"] || again.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("%s", again.body)
	}
	id := order.json(t)["lines"].([]any)[0].(map[string]any)["subscriptionId"].(string)
	sub := customer + "/subscriptions/" + id
	for _, p := range []*partner{birch, cedar} {
		eventually(t, "the subscription is listed", func() bool {
			return strings.Contains(string(p.do("GET", customer+"/subscriptions", "").want(t, 200).body), id)
		})
		if s := p.do("GET", sub, "").want(t, 200).json(t); s["partnerIdOfRecord"] != "4100003" || s["quantity"] != 25.0 || s["status"] != "active" {
			t.Errorf("%v", s)
		}
	}
	dogwood.do("GET", sub, "").code(t, 404, "not_found")

	validated := birch.do("GET", "/v1/profiles/partnerids/4100004", "").want(t, 200).json(t)
	if validated["eligible"] != true || validated["name"] != "Dogwood Consulting" {
		t.Errorf("%v", validated)
	}
	birch.do("PATCH", sub, `{"partnerIdOfRecord":"4100001"}`, "If-Match", "*").code(t, 422, "partner_id_not_indirect_reseller")
	birch.do("PATCH", sub, `{"partnerIdOfRecord":"4100004","quantity":30}`, "If-Match", `"1"`).want(t, 200)
	birch.do("PATCH", sub, `{"quantity":31}`, "If-Match", `"1"`).code(t, 412, "precondition_failed")
	dogwood.do("GET", sub, "").want(t, 200)
	cedar.do("GET", sub, "").code(t, 404, "not_found")

	read := birch.do("GET", customer, "").want(t, 200).json(t)
	if read["administration"] != "azureOnly" || read["customerAgreement"].(map[string]any)["signed"] != true {
		t.Errorf("%v", read)
	}
	removal := fmt.Sprintf(`{"relationshipToPartner":"none","attestation":{"accepted":true,"textVersion":%q}}`,
		birch.do("GET", "/v1/attestations/relationshipRemoval", "").want(t, 200).json(t)["textVersion"])
	birch.do("PATCH", customer, removal, "If-Match", "*").code(t, 409, "active_subscriptions_exist")
	birch.do("PATCH", sub, `{"status":"suspended"}`, "If-Match", "*").want(t, 200)
	if got := birch.do("PATCH", customer, removal, "If-Match", "*").want(t, 200).json(t)["relationshipToPartner"]; got != "none" {
		t.Errorf("%v", got)
	}
	birch.do("PATCH", sub, `{"status":"active"}`, "If-Match", "*").code(t, 403, "no_reseller_relationship")

	began := time.Now()
	eventually(t, "the bus is told", func() bool {
		return slices.Contains(eventsAbout(t, signature["id"].(string)), "customer-agreement-signed") && slices.Contains(eventsAbout(t, id), "order-completed") &&
			len(slices.DeleteFunc(eventsAbout(t, id), func(kind string) bool { return kind != "subscription-changed" })) == 2
	})
	want := []string{"customerAgreement.signed", "order.completed", "subscription.created", "subscription.recordChanged", "subscription.recordChanged", "subscription.quantityChanged", "subscription.statusChanged"}
	eventually(t, "the audit has it", func() bool {
		var got []string
		for _, r := range birch.audit("customerId=" + oak) {
			if slices.Contains(want, r.OperationType) {
				got = append(got, r.OperationType)
			}
		}
		slices.Sort(got)
		return slices.Equal(got, slices.Sorted(slices.Values(want)))
	})
	t.Logf("told and kept %s after the last change", time.Since(began).Round(time.Millisecond))
}

// In every cloud a partner attests what the customer signed elsewhere, once.
func TestAttestedAgreement(t *testing.T) {
	elm := newPartner(t, "elm")
	agency := "/v1/customers/" + tenantOf(t, "agency.example")
	_, link := elm.invite(`{"kind":"reseller","recipientEmail":"attest@agency.example"}`, "attest@agency.example")
	person := newBrowser(t)
	person.submit(person.signIn(link, "admin@agency.example").want(t, 200), accepting()).want(t, 200)
	elm.post(agency+"/orders", `{"lines":[{"offerId":"ofr-office-basic","quantity":2}]}`).code(t, 403, "customer_agreement_required")
	body := `{"type":"MicrosoftCustomerAgreement","primaryContact":{"firstName":"Alex","lastName":"Agency","email":"admin@agency.example"},"dateAgreed":"2026-01-15"}`
	elm.post(agency+"/agreements", strings.Replace(body, "2026-01-15", "2126-01-15", 1)).code(t, 422, "agreement_date_in_future")
	if a := elm.post(agency+"/agreements", body).want(t, 201).json(t); a["source"] != "partnerAttested" || a["textVersion"] != "sample-1" {
		t.Errorf("%v", a)
	}
	elm.post(agency+"/agreements", body).code(t, 409, "agreement_already_confirmed")
	newPartner(t, "dogwood").do("GET", agency+"/agreements", "").code(t, 404, "not_found")
	order := elm.post(agency+"/orders", `{"lines":[{"offerId":"ofr-office-basic","quantity":2}]}`).want(t, 201).json(t)
	sub := agency + "/subscriptions/" + order["lines"].([]any)[0].(map[string]any)["subscriptionId"].(string)
	if s := elm.do("GET", sub+"/supportcontact", "").want(t, 200).json(t); s["name"] != "Elm Federal Systems" || s["isSeller"] != true {
		t.Errorf("%v", s)
	}
	elm.do("PUT", sub+"/supportcontact", `{"supportTenantId":"`+tenantOf(t, "cedar.example")+`"}`, "If-Match", "*").code(t, 422, "support_contact_not_eligible")
	// The customer granted administration with its acceptance, as it always does in this cloud (I15): its subscription is managed.
	elm.do("PATCH", sub, `{"status":"suspended"}`, "If-Match", "*").want(t, 200)
}

// Won together (D1, D4, D10): the customer accepts a reseller and its provider by one link and signs with it; the provider orders, and the
// reseller, which got the administration, manages what was ordered.
func TestFirstOrderOfTwoTiers(t *testing.T) {
	birch, cedar := newPartner(t, "birch"), newPartner(t, "cedar")
	customer := "/v1/customers/" + tenantOf(t, "larch.example")
	_, link := cedar.invite(`{"kind":"dualReseller","providerTenantId":"`+tenantOf(t, "birch.example")+`","recipientEmail":"buyer@larch.example"}`, "buyer@larch.example")
	person := newBrowser(t)
	fill := accepting()
	fill.Set("signAgreement", "on")
	if page := person.submit(person.signIn(link, "admin@larch.example").want(t, 200), fill).want(t, 200).page(t); page != "accepted" {
		t.Fatalf("page %q", page)
	}
	for _, p := range []*partner{birch, cedar} {
		if p.do("GET", customer, "").want(t, 200).json(t)["identityCheck"] == "pending" { // another test has disputed an answer of this company
			p.do("PATCH", customer, `{"identityConfirmed":true}`, "If-Match", "*").want(t, 200)
		}
		if got := p.blockers(customer); len(got) != 0 {
			t.Errorf("%v", got)
		}
		if signed := p.do("GET", customer, "").want(t, 200).json(t)["customerAgreement"].(map[string]any)["signed"]; signed != true {
			t.Error("not signed")
		}
	}
	cedar.post(customer+"/orders", `{"lines":[{"offerId":"ofr-office-basic","quantity":3}]}`).code(t, 403, "reseller_cannot_order")
	order := birch.post(customer+"/orders", `{"lines":[{"offerId":"ofr-office-basic","quantity":3}],"onBehalfOfReseller":"`+tenantOf(t, "cedar.example")+`"}`).want(t, 201).json(t)
	cedar.do("GET", customer+"/orders/"+order["id"].(string), "").want(t, 200)
	sub := customer + "/subscriptions/" + order["lines"].([]any)[0].(map[string]any)["subscriptionId"].(string)
	birch.do("PUT", sub+"/supportcontact", `{"supportTenantId":"`+tenantOf(t, "cedar.example")+`"}`, "If-Match", "*").want(t, 200)
	if s := cedar.do("GET", sub, "").want(t, 200).json(t); s["supportContactTenantId"] != tenantOf(t, "cedar.example") || s["customerContactTenantId"] != tenantOf(t, "cedar.example") {
		t.Errorf("%v", s)
	}
	// The provider, which was granted no administration, suspends what it sold and does not lower it (0.31); the reseller manages it.
	birch.do("PATCH", sub, `{"quantity":2}`, "If-Match", "*").code(t, 403, "delegated_admin_missing")
	cedar.do("PATCH", sub, `{"quantity":2}`, "If-Match", "*").want(t, 200)
	birch.do("PATCH", sub, `{"status":"suspended"}`, "If-Match", "*").want(t, 200)

	// What the provider sells on without the reseller the reseller sees as well: it administers the customer (0.32).
	order = birch.post(customer+"/orders", `{"lines":[{"offerId":"ofr-office-full","quantity":3}]}`).want(t, 201).json(t)
	other := customer + "/subscriptions/" + order["lines"].([]any)[0].(map[string]any)["subscriptionId"].(string)
	if s := cedar.do("GET", other, "").want(t, 200).json(t); fmt.Sprint(s["allowedActions"]) != "[suspend delete lowerQuantity]" {
		t.Errorf("%v", s)
	}
	cedar.do("PATCH", other, `{"status":"deleted"}`, "If-Match", "*").want(t, 200)

	// Its support falls back to the provider with its relationship, and the provider is told (0.44).
	removal := fmt.Sprintf(`{"relationshipToPartner":"none","attestation":{"accepted":true,"textVersion":%q}}`,
		cedar.do("GET", "/v1/attestations/relationshipRemoval", "").want(t, 200).json(t)["textVersion"])
	cedar.do("PATCH", customer, removal, "If-Match", "*").want(t, 200)
	if s := birch.do("GET", sub, "").want(t, 200).json(t); s["supportContactTenantId"] != tenantOf(t, "birch.example") {
		t.Errorf("%v", s)
	}
	id := sub[strings.LastIndexByte(sub, '/')+1:]
	eventually(t, "the bus is told of the support contact twice", func() bool {
		return len(slices.DeleteFunc(eventsAbout(t, id), func(kind string) bool { return kind != "subscription-changed" })) == 4
	})
	eventually(t, "the audit has it", func() bool {
		return slices.ContainsFunc(birch.audit("resourceType=subscription"), func(r auditRecord) bool {
			return r.ResourceID == id && r.OperationType == "subscription.supportChanged" && r.Actor.Kind == "system"
		})
	})
}
