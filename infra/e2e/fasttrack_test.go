package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// A direct-bill partner takes the fast track, is an indirect reseller beside that, accepts a provider, and says from then on in which role it
// asks (rules E2, E6, N6, P4; domain, 0.34).
func TestFastTrackToAProvider(t *testing.T) {
	operator, juniper, admin, birch := newPartner(t, "operator"), newPartner(t, "juniper"), newPartner(t, "juniper-admin"), newPartner(t, "birch")
	tenant, provider := tenantOf(t, "juniper.example"), tenantOf(t, "birch.example")
	operator.post("/v1/partners", `{"tenantId":"`+tenant+`","displayName":"Juniper Systems","programRole":"directBill","cloud":"public","country":"US","contact":{"email":"partners@juniper.example"},
		"verifiedDomain":"juniper.example","partnerIds":[{"partnerId":"4100016","type":"location","country":"US"}],"associatedPartnerId":"4100016"}`).want(t, 201)
	roles := func() string {
		return fmt.Sprint(juniper.do("GET", "/v1/roles/me", "").want(t, 200).json(t)["programRoles"])
	}
	if got := roles(); got != "[directBill]" {
		t.Fatalf("roles %s", got)
	}
	_, link := birch.invite(`{"kind":"partnership","recipientEmail":"partners@juniper.example"}`, "partners@juniper.example")
	person := newBrowser(t)
	if page := person.signIn(link, "admin@juniper.example"); page.StatusCode != 409 || page.page(t) != "reseller-not-enrolled" {
		t.Fatalf("before the fast track: %d %q", page.StatusCode, page.page(t))
	}

	admin.post("/v1/enrolments", `{"supportContact":{"email":"juniper@gmx.de","phone":"+1 555 0116"}}`).code(t, 422, "webmail_not_allowed")
	path := admin.post("/v1/enrolments", `{"supportContact":{"email":"help@juniper.example","phone":"+1 555 0116","name":"Juniper's desk"}}`).want(t, 201).Header.Get("Location")
	if e := admin.do("POST", path+"/submit", "").want(t, 202).json(t); e["path"] != "fastTrack" || e["status"] != "authorized" {
		t.Fatalf("%v", e)
	}
	signed := admin.post("/v1/partner/agreements/mpa/sign", `{"attestation":{"accepted":true,"textVersion":"sample-1"}}`).want(t, 200).json(t)
	if signed["enrolment"].(map[string]any)["status"] != "active" {
		t.Fatalf("%v", signed)
	}
	eventually(t, "it has both roles", func() bool { return roles() == "[directBill indirectReseller]" })
	account := juniper.do("GET", "/v1/account", "").want(t, 200)
	if support := account.json(t)["supportProfile"]; fmt.Sprint(support) != "map[email:help@juniper.example name:Juniper's desk phone:+1 555 0116]" {
		t.Errorf("support profile %v", support)
	}
	changed := juniper.do("PATCH", "/v1/account", `{"supportProfile":{"email":"care@juniper.example","phone":"+1 555 0117"}}`, "If-Match", account.Header.Get("ETag")).want(t, 200)
	if support := changed.json(t)["supportProfile"]; fmt.Sprint(support) != "map[email:care@juniper.example phone:+1 555 0117]" {
		t.Errorf("support profile %v", support)
	}
	eventually(t, "the trail names who changed it", func() bool {
		trail := string(admin.do("GET", "/v1/auditrecords?limit=100", "").want(t, 200).body)
		return strings.Contains(trail, `"supportProfile":"changed"`) && strings.Contains(trail, `"programRoles":"changed"`)
	})

	// The same link works now.
	box := accepting()
	box["authorizeProvider"] = []string{"on"}
	var form answer
	if page := person.get(link); page.StatusCode != 200 {
		t.Logf("the link gives %d %s", page.StatusCode, page.body)
	}
	eventually(t, "the link asks", func() bool {
		form = person.get(link)
		return form.StatusCode == 200 && form.page(t) == "answer"
	})
	if done := person.submit(form, box).want(t, 200); done.page(t) != "accepted" {
		t.Fatalf("page %q", done.page(t))
	}
	juniper.lists(myProviders, provider, true)
	birch.lists(myResellers, tenant, true)

	juniper.post("/v1/invitations", `{"kind":"reseller","recipientEmail":"it@willow.example"}`).code(t, 422, "acting_role_required")
	for _, role := range []string{"directBill", "indirectReseller"} {
		made := juniper.post("/v1/invitations", `{"kind":"reseller","recipientEmail":"`+role+`@willow.example","actingRole":"`+role+`"}`).want(t, 201).json(t)
		if made["actingRole"] != role {
			t.Errorf("%v", made)
		}
	}
	if two := juniper.post("/v1/invitations", `{"kind":"dualReseller","recipientEmail":"two@willow.example","providerTenantId":"`+provider+`"}`).want(t, 201).json(t); two["actingRole"] != "indirectReseller" {
		t.Errorf("%v", two)
	}
}
