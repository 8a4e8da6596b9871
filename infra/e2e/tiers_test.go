package e2e

import (
	"net/url"
	"slices"
	"strings"
	"testing"
)

// listed gives the ids of a list.
func (p *partner) listed(path string) (ids []string) {
	p.t.Helper()
	for _, item := range p.do("GET", path, "").want(p.t, 200).json(p.t)["items"].([]any) {
		ids = append(ids, item.(map[string]any)["id"].(string))
	}
	return ids
}

// lists fails unless a list has an id, or has not.
func (p *partner) lists(path, id string, want bool) {
	p.t.Helper()
	if got := p.listed(path); slices.Contains(got, id) != want {
		p.t.Errorf("%s: %v, %s wanted: %v", path, got, id, want)
	}
}

const (
	myResellers = "/v1/relationships?relationship_type=IsIndirectCloudSolutionProviderOf"
	myProviders = "/v1/relationships?relationship_type=IsIndirectResellerOf"
)

// Provider and reseller win a customer together (rules D1 to D10): one link, one answer, two relationships.
func TestProviderAndResellerWinACustomer(t *testing.T) {
	birch, cedar := newPartner(t, "birch"), newPartner(t, "cedar")
	provider, reseller, customer := tenantOf(t, "birch.example"), tenantOf(t, "cedar.example"), tenantOf(t, "larch.example")
	cedar.lists(myProviders, provider, true)
	birch.lists(myResellers, reseller, true)
	id, link := cedar.invite(`{"kind":"dualReseller","recipientEmail":"together@larch.example","providerTenantId":"`+provider+`"}`, "together@larch.example")
	if m := mailTo(t, "together@larch.example", 1)[0]; !strings.Contains(m.Body.Text, "Cedar Solutions") || !strings.Contains(m.Body.Text, "Birch Distribution") {
		t.Error("the mail does not name both")
	}
	person := newBrowser(t)
	form := person.signIn(link, "admin@larch.example").want(t, 200)
	if form.page(t) != "answer" || !strings.Contains(string(form.body), "What Birch Distribution may do") {
		t.Fatalf("page %q", form.page(t))
	}
	if result := person.submit(form, accepting()).want(t, 200); result.page(t) != "accepted" || result.text(t, "reference") == "" {
		t.Fatalf("page %q", result.page(t))
	}
	for _, p := range []*partner{birch, cedar} {
		p.lists("/v1/customers?limit=100", customer, true)
	}
	if c := cedar.do("GET", "/v1/customers/"+customer, "").want(t, 200).json(t); c["administration"] != "dap" {
		t.Errorf("the reseller's: %v", c)
	}
	if c := birch.do("GET", "/v1/customers/"+customer, "").want(t, 200).json(t); c["allowDelegatedAccess"] != false {
		t.Errorf("the provider's: %v", c)
	}
	between := cedar.do("GET", "/v1/partnerships", "").want(t, 200).json(t)["items"].([]any)[0].(map[string]any)["id"].(string)
	for _, p := range []*partner{birch, cedar} {
		p.lists("/v1/partnerships/"+between+"/customers?limit=100", customer, true)
	}
	birch.lists("/v1/customers/"+customer+"/relationships", reseller, true)
	cedar.lists("/v1/customers/"+customer+"/relationships", reseller, false)
	if got := cedar.do("GET", "/v1/invitations/"+id, "").want(t, 200).json(t); got["status"] != "accepted" || got["providerTenantId"] != provider {
		t.Errorf("%v", got)
	}
	birch.do("GET", "/v1/invitations/"+id, "").code(t, 404, "not_found") // it is the reseller's
	for _, p := range []*partner{birch, cedar} {
		eventually(t, "the audit of each", func() bool {
			return slices.ContainsFunc(p.audit("startDate=2020-01-01&customerId="+customer), func(r auditRecord) bool { return r.OperationType == "relationship.established" })
		})
	}
}

// A partnership from its request to its end (rules N1 to N8, X5 to X11): requested by the provider, authorised by the reseller with the
// explicit box, in both directories, its administration revoked alone, removed with an attestation and without a word to anybody.
func TestPartnershipFromRequestToEnd(t *testing.T) {
	birch, dogwood := newPartner(t, "birch"), newPartner(t, "dogwood")
	provider, reseller := tenantOf(t, "birch.example"), tenantOf(t, "dogwood.example")
	dual := `{"kind":"dualReseller","recipientEmail":"later@oak.example","providerTenantId":"` + provider + `"}`
	dogwood.post("/v1/invitations", dual).code(t, 409, "partnership_required")
	_, link := birch.invite(`{"kind":"partnership","recipientEmail":"partners@dogwood.example"}`, "partners@dogwood.example")
	if a := newBrowser(t).signIn(link, "admin@larch.example"); a.StatusCode != 409 || a.page(t) != "reseller-not-enrolled" {
		t.Errorf("who is no reseller: %d %q", a.StatusCode, a.page(t))
	}
	person := newBrowser(t)
	form := person.signIn(link, "admin@dogwood.example").want(t, 200)
	if a := person.submit(form, accepting()); a.StatusCode != 422 || a.page(t) != "answer" {
		t.Errorf("without the box: %d %q", a.StatusCode, a.page(t))
	}
	box := accepting()
	box["authorizeProvider"] = []string{"on"}
	if a := person.submit(form, box).want(t, 200); a.page(t) != "accepted" {
		t.Fatalf("page %q", a.page(t))
	}
	dogwood.lists(myProviders, provider, true)
	birch.lists(myResellers, reseller, true)
	var id string
	for _, item := range birch.do("GET", "/v1/partnerships", "").want(t, 200).json(t)["items"].([]any) {
		if p := item.(map[string]any); p["resellerTenantId"] == reseller {
			id = p["id"].(string)
		}
	}
	open, asked := dogwood.invite(dual, "later@oak.example")
	customer := newBrowser(t)
	answer := customer.signIn(asked, "admin@oak.example").want(t, 200)

	eventually(t, "both sides are told of the beginning", func() bool { return len(eventsAbout(t, id)) == 2 })
	quiet := mails(t)
	newPartner(t, "dogwood-admin").post("/v1/partnerships/"+id+"/revoke-provider-access", "").want(t, 200)
	version := birch.do("GET", "/v1/attestations/partnershipRemoval", "").want(t, 200).json(t)["textVersion"].(string)
	birch.post("/v1/partnerships/"+id+"/remove", `{}`).code(t, 422, "attestation_required")
	removed := birch.post("/v1/partnerships/"+id+"/remove", `{"attestation":{"accepted":true,"textVersion":"`+version+`"}}`).want(t, 200).json(t)
	if removed["status"] != "removed" || removed["providerAdminAccess"] != "revoked" {
		t.Errorf("%v", removed)
	}
	birch.lists(myResellers, reseller, false)
	dogwood.lists(myProviders, provider, false)
	// Invariant 4: what was open is refused, and can still be declined; the link works again with a new partnership.
	if a := customer.submit(answer, accepting()); a.StatusCode != 409 || a.page(t) != "partnership-required" {
		t.Errorf("after the removal: %d %q", a.StatusCode, a.page(t))
	}
	if got := dogwood.do("GET", "/v1/invitations/"+open, "").want(t, 200).json(t); got["status"] != "pending" {
		t.Errorf("%v", got)
	}
	eventually(t, "who removed it is told", func() bool { return len(eventsAbout(t, id)) == 3 })
	dump(t)
	if n := mails(t); n != quiet {
		t.Errorf("%d mails on a removal", n-quiet)
	}
	if a := customer.submit(answer, url.Values{"answer": {"decline"}, "authorized": {"on"}, "fullName": {"Olga Oak"}}); a.StatusCode != 200 || a.page(t) != "declined" {
		t.Errorf("declined: %d %q", a.StatusCode, a.page(t))
	}
}
