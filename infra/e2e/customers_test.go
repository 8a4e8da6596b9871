package e2e

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// Rules I1 and X1 to X6 on the whole stack: a customer is created, and one that accepted is removed again; its administration ends and what
// was asked of it by its tenant is cancelled, the audit says who did it, and nobody is mailed or told.
func TestCustomersAreCreatedAndRemoved(t *testing.T) {
	alder, fir := newPartner(t, "alder"), newPartner(t, "fir")
	made := alder.post("/v1/customers", `{"companyName":"Pine Ltd","domain":"pine.example","country":"US"}`).want(t, 201).json(t)
	pine := made["id"].(string)
	alder.post("/v1/customers", `{"companyName":"Pine Ltd","domain":"pine.example","country":"US"}`).code(t, 409, "relationship_exists")
	alder.post("/v1/customers", `{"companyName":"Pine Ltd","domain":"other-pine.example","country":"US","tenantId":"`+pine+`"}`).code(t, 409, "invitation_required")
	fir.post("/v1/customers", `{"companyName":"Pine SARL","domain":"shop.pine.example","country":"FR"}`).code(t, 409, "invitation_required")
	fir.post("/v1/customers", `{"companyName":"Alder SARL","domain":"alder.example","country":"FR"}`).code(t, 409, "invitation_required")
	eventually(t, "the audit says who created it", func() bool {
		return slices.ContainsFunc(alder.audit("customerId="+pine), func(r auditRecord) bool {
			return r.OperationType == "relationship.established" && r.Actor.Kind == "user" && r.Actor.Sub == "alder"
		})
	})

	// Oak accepts, with administration. Its Global admin sees it on the company's own page, takes administration back, and is asked again.
	_, link := alder.invite(`{"kind":"reseller","recipientEmail":"removal@oak.example","requestDelegatedAdmin":true}`, "removal@oak.example")
	person := newBrowser(t)
	dump(t)
	answered := mails(t)
	if page := person.submit(person.signIn(link, "admin@oak.example").want(t, 200), accepting()).want(t, 200).page(t); page != "accepted" {
		t.Fatalf("page %q", page)
	}
	eventually(t, "the invited address and who answered have their receipts", func() bool { return mails(t) >= answered+2 })
	oak := tenantOf(t, "oak.example")
	fir.post("/v1/customers", `{"companyName":"Oak","domain":"oak.example","country":"FR"}`).code(t, 409, "invitation_required")
	var list answer
	eventually(t, "the partner is on the company's page", func() bool {
		list = person.get(local.URL+"/customer").want(t, 200)
		return strings.Contains(string(list.body), "Alder Cloud Services")
	})
	revoke := local.URL + "/customer/partners/" + tenantOf(t, "alder.example")
	if page := person.submit(person.get(revoke).want(t, 200), url.Values{"confirm": {"on"}}).want(t, 200).page(t); page != "revoked" {
		t.Fatalf("page %q", page)
	}
	customer := alder.do("GET", "/v1/customers/"+oak, "").want(t, 200)
	if c := customer.json(t); c["allowDelegatedAccess"] != false || c["relationshipToPartner"] != "reseller" {
		t.Errorf("after the revocation: %s", customer.body)
	}
	again := alder.post("/v1/invitations", `{"kind":"reseller","recipientEmail":"it@oak.example","customerTenantId":"`+oak+`","requestDelegatedAdmin":true}`).want(t, 201).json(t)["id"].(string)

	mailsBefore, toldBefore := mails(t), len(local.Bus.Events())
	text := alder.do("GET", "/v1/attestations/relationshipRemoval", "").want(t, 200).json(t)
	body := fmt.Sprintf(`{"relationshipToPartner":"none","attestation":{"accepted":true,"textVersion":%q}}`, text["textVersion"])
	tag := customer.Header.Get("ETag")
	alder.do("PATCH", "/v1/customers/"+oak, `{"relationshipToPartner":"none"}`, "If-Match", tag).code(t, 422, "attestation_required")
	for range 2 { // G14
		if c := alder.do("PATCH", "/v1/customers/"+oak, body, "If-Match", tag).want(t, 200).json(t); c["relationshipToPartner"] != "none" {
			t.Errorf("removed: %v", c)
		}
	}
	if s := alder.do("GET", "/v1/invitations/"+again, "").want(t, 200).json(t)["status"]; s != "cancelled" {
		t.Errorf("what was asked of it is %v", s)
	}
	for _, i := range alder.do("GET", "/v1/customers?limit=100", "").want(t, 200).json(t)["items"].([]any) {
		if i.(map[string]any)["id"] == oak {
			t.Error("it is listed still") // rule X2
		}
	}
	dump(t)
	if after := mails(t); after != mailsBefore {
		t.Errorf("%d mails were sent", after-mailsBefore)
	}
	told := 0
	for _, e := range local.Bus.Events()[toldBefore:] {
		if strings.Contains(string(e.Detail), oak) && e.DetailType == "relationship-removed" {
			told++
			if !strings.Contains(string(e.Detail), tenantOf(t, "alder.example")) {
				t.Errorf("told: %s", e.Detail)
			}
		}
	}
	if told != 1 {
		t.Errorf("%d events of the removal", told)
	}
	// What has ended is past: no card of its own, nothing to end. What was answered lately can be disputed still.
	page := string(person.get(local.URL+"/customer").want(t, 200).body)
	if past := strings.Index(page, "id=past"); past < 0 || strings.Contains(page[:past], ">Alder Cloud Services</h2>") || !strings.Contains(page[past:], "Alder Cloud Services") {
		t.Error("the company's page shows what has ended otherwise than as past")
	}
}

// Rules N9, 0.18 and 0.30 on the whole stack: a provider creates a company for its reseller, which asks it for administration; the company's
// own Global admin answers and signs, and it is one customer under two ids in every path and filter.
func TestCustomerIsCreatedForAReseller(t *testing.T) {
	birch, cedar, alder := newPartner(t, "birch"), newPartner(t, "cedar"), newPartner(t, "alder")
	made := birch.post("/v1/customers", `{"companyName":"Spruce","domain":"spruce.example","country":"US","forReseller":"`+tenantOf(t, "cedar.example")+`"}`).want(t, 201).json(t)
	spruce, tenant := made["id"].(string), tenantOf(t, "spruce.example")
	if made["claimed"] != false || made["tenantId"] != nil {
		t.Errorf("created: %v", made)
	}
	birch.post("/v1/customers", `{"companyName":"Spruce Ltd","domain":"spruce-two.example","country":"US","forReseller":"`+tenantOf(t, "dogwood.example")+`"}`).code(t, 409, "partnership_required")
	for _, p := range []*partner{birch, cedar} {
		if c := p.do("GET", "/v1/customers/"+spruce, "").want(t, 200).json(t); c["relationshipToPartner"] != "reseller" || c["administration"] != "none" {
			t.Errorf("%v", c)
		}
	}
	var id string
	eventually(t, "the reseller has the draft", func() bool {
		items := cedar.do("GET", "/v1/invitations?customerTenantId="+spruce, "").want(t, 200).json(t)["items"].([]any)
		if len(items) == 1 {
			id = items[0].(map[string]any)["id"].(string)
		}
		return id != ""
	})
	cedar.do("PATCH", "/v1/invitations/"+id, `{"recipientEmail":"it@spruce.example"}`, "If-Match", `"1"`).want(t, 200)
	cedar.post("/v1/invitations/"+id+"/send", "").want(t, 202)
	link := linkIn(t, mailTo(t, "it@spruce.example", 1)[0])
	// Only the company answers: everybody else's sign-in is for another company, and nothing is used up.
	if page := newBrowser(t).signIn(link, "admin@oak.example").page(t); page != "wrong-tenant" {
		t.Errorf("page %q", page)
	}
	eventually(t, "the reseller's audit names the provider", func() bool {
		return slices.ContainsFunc(cedar.audit("customerId="+spruce+"&resourceType=relationship"), func(r auditRecord) bool {
			return r.OperationType == "relationship.established" && r.Actor.TenantID == tenantOf(t, "birch.example") && r.Actor.Sub == ""
		})
	})
	person := newBrowser(t)
	answer := accepting()
	answer.Set("signAgreement", "on")
	if page := person.submit(person.signIn(link, "admin@spruce.example").want(t, 200), answer).want(t, 200).page(t); page != "accepted" {
		t.Fatalf("page %q", page)
	}
	for _, p := range []*partner{birch, cedar} {
		for _, at := range []string{spruce, tenant} {
			c := p.do("GET", "/v1/customers/"+at, "").want(t, 200).json(t)
			if c["id"] != spruce || c["tenantId"] != tenant || c["claimed"] != true || c["customerAgreement"].(map[string]any)["signed"] != true || c["identityCheck"] != "none" {
				t.Errorf("by %s: %v", at, c)
			}
		}
	}
	if c := cedar.do("GET", "/v1/customers/"+tenant, "").want(t, 200).json(t); c["administration"] != "dap" {
		t.Errorf("the reseller: %v", c)
	}
	if e := birch.do("GET", "/v1/customers/"+tenant+"/purchase-eligibility", "").want(t, 200).json(t); e["eligible"] != true {
		t.Errorf("%v", e)
	}
	ordered := birch.post("/v1/customers/"+tenant+"/orders", `{"lines":[{"offerId":"ofr-office-basic","quantity":5}]}`).want(t, 201).json(t)
	for _, path := range []string{"/orders/" + ordered["id"].(string), "/orders", "/subscriptions", "/agreements", "/relationships", "/delegated-admin-grants"} {
		a, b := birch.do("GET", "/v1/customers/"+spruce+path, "").want(t, 200), birch.do("GET", "/v1/customers/"+tenant+path, "").want(t, 200)
		if string(a.body) != string(b.body) {
			t.Errorf("%s differs: %s and %s", path, a.body, b.body)
		}
	}
	// Granular administration is asked of the same customer, by either id, and approved by the same person.
	desk := alder.post(granulars, `{"displayName":"Spruce desk","duration":"P90D","accessDetails":{"unifiedRoles":[{"roleDefinitionId":"729827e3-9c14-49f7-bb1b-9608f156bbb8"}]},`+
		`"customer":{"tenantId":"`+spruce+`"}}`).want(t, 201).json(t)["id"].(string)
	alder.post(granulars+"/"+desk+"/requests", `{"action":"lockForApproval"}`).want(t, 200)
	alder.post(granulars+"/"+desk+"/send", `{"recipientEmail":"desk@spruce.example"}`).want(t, 202)
	ask := granularLink(t, mailAbout(t, "desk@spruce.example", desk, "granular", 1))
	if page := newBrowser(t).signIn(ask, "admin@oak.example").page(t); page != "wrong-tenant" {
		t.Errorf("page %q", page)
	}
	if page := person.submit(person.get(ask).want(t, 200), accepting()).want(t, 200).page(t); page != "accepted" {
		t.Errorf("page %q", page)
	}
	for _, at := range []string{spruce, tenant} {
		if items := alder.do("GET", "/v1/delegated-admin-relationships?customerTenantId="+at, "").want(t, 200).json(t)["items"].([]any); len(items) != 1 {
			t.Errorf("by %s: %v", at, items)
		}
		eventually(t, "the audit of either id", func() bool {
			return slices.ContainsFunc(cedar.audit("customerId="+at), func(r auditRecord) bool { return r.OperationType == "customer.claimed" && r.Actor.TenantID == tenant })
		})
		if items := cedar.do("GET", "/v1/invitations?status=all&customerTenantId="+at, "").want(t, 200).json(t)["items"].([]any); len(items) != 1 {
			t.Errorf("invitations by %s: %v", at, items)
		}
	}
}

// mails counts what the mailbox has.
func mails(t testing.TB) int {
	t.Helper()
	p := newBrowser(t)
	return len(p.get(local.MailboxURL+"/store").want(t, 200).json(t)["emails"].([]any))
}
