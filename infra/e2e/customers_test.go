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
	alder.post("/v1/customers", `{"companyName":"Pine Ltd","domain":"pine.example","country":"US","tenantId":"`+pine+`"}`).code(t, 409, "relationship_exists")
	fir.post("/v1/customers", `{"companyName":"Pine SARL","domain":"pine.example","country":"FR","tenantId":"`+pine+`"}`).code(t, 409, "invitation_required")
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
	eventually(t, "the invited address, who answered and the partner have their receipts", func() bool { return mails(t) >= answered+3 })
	oak := tenantOf(t, "oak.example")
	if fir.post("/v1/customers", `{"companyName":"Oak","domain":"oak.example","country":"FR","tenantId":"`+oak+`"}`).code(t, 409, "invitation_required"); t.Failed() {
		t.Fatal("a known company was created again")
	}
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
	if strings.Contains(string(person.get(local.URL+"/customer").want(t, 200).body), "Alder Cloud Services") {
		t.Error("the company's page shows what has ended")
	}
}

// Rules N9 and 0.18 on the whole stack: a provider creates a customer for its reseller, which asks it for administration.
func TestCustomerIsCreatedForAReseller(t *testing.T) {
	birch, cedar := newPartner(t, "birch"), newPartner(t, "cedar")
	made := birch.post("/v1/customers", `{"companyName":"Spruce Ltd","domain":"spruce.example","country":"US","forReseller":"`+tenantOf(t, "cedar.example")+`"}`).want(t, 201).json(t)
	spruce := made["id"].(string)
	birch.post("/v1/customers", `{"companyName":"Spruce Ltd","domain":"spruce.example","country":"US","forReseller":"`+tenantOf(t, "dogwood.example")+`"}`).code(t, 409, "partnership_required")
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
	person := newBrowser(t)
	// Only the customer answers: everybody else's sign-in is for another company, and nothing is used up.
	if page := person.signIn(linkIn(t, mailTo(t, "it@spruce.example", 1)[0]), "admin@oak.example").page(t); page != "wrong-tenant" {
		t.Errorf("page %q", page)
	}
	eventually(t, "the reseller's audit names the provider", func() bool {
		return slices.ContainsFunc(cedar.audit("customerId="+spruce+"&resourceType=relationship"), func(r auditRecord) bool {
			return r.OperationType == "relationship.established" && r.Actor.TenantID == tenantOf(t, "birch.example") && r.Actor.Sub == ""
		})
	})
}

// mails counts what the mailbox has.
func mails(t testing.TB) int {
	t.Helper()
	p := newBrowser(t)
	return len(p.get(local.MailboxURL+"/store").want(t, 200).json(t)["emails"].([]any))
}
