package web_test

import (
	"strings"
	"testing"
	"time"

	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/publicid"
	"concord/internal/relationship"
)

// partnerships are the use cases over the store of the tests.
func (a *api) partnerships() partnership.Service {
	return partnership.Service{Store: a.store, Accounts: a.store, Tiers: a.store, Texts: a.store, Now: func() time.Time { return a.now }}
}

// twoTiers makes birch an indirect provider in partnership with the indirect reseller cedar, beside dogwood that is in none.
func (a *api) twoTiers() partnership.Partnership {
	for tenant, role := range map[partner.TenantID]partner.ProgramRole{birch: partner.IndirectProvider, cedar: partner.IndirectReseller, dogwood: partner.IndirectReseller} {
		x := account(tenant, "public")
		x.Role, x.DisplayName, x.AssociatedPartnerID = role, "Company "+string(tenant[:4]), "4100003"
		a.store.PutAccount(x)
	}
	p, _ := partnership.Establish(nil, partnership.Authorisation{
		Pair: partnership.Pair{Provider: birch, Reseller: cedar}, Invitation: "inv_jyedebystj55lcqjojbu43wh4u", At: start, By: "carla",
		Consent: partnership.Consent{Version: "1", Language: "en", Hash: strings.Repeat("0", 64)},
	})
	a.store.PutPartnership(p)
	return p
}

// serves gives a partner a relationship with a customer.
func (a *api) serves(p, customer partner.TenantID, status relationship.Status) {
	a.store.PutRelationship(relationship.Relationship{
		ID: publicid.Format("rel_", [16]byte([]byte(p)[:16])), Partner: p, Role: relationship.IndirectReseller, Status: status, Origin: "invitation",
		Customer:       relationship.Customer{Tenant: customer, CompanyName: "Larch Ltd", Domains: []string{"larch.example"}, Country: "US", Cloud: "public"},
		DelegatedAdmin: relationship.NoAdministration, IdentityCheck: relationship.NotNeeded, EstablishedAt: start, UpdatedAt: start, Version: 1,
	})
}

func (a *api) see(target, tenant string) reply {
	a.t.Helper()
	return a.call(request{method: "GET", target: target, tenant: tenant})
}

// ids gives the ids of a list.
func (p reply) ids() (ids []string) {
	p.t.Helper()
	for _, i := range p.is(200).object()["items"].([]any) {
		ids = append(ids, i.(map[string]any)["id"].(string))
	}
	return ids
}

func only(ids []string, want ...string) bool {
	return strings.Join(ids, " ") == strings.Join(want, " ")
}

// Rules N6, D9: both directories have the partnership, each from its own side; nobody else's has.
func TestPartnerships(t *testing.T) {
	a := newAPI(t)
	p := a.twoTiers()
	seen := a.see("/v1/partnerships/"+p.ID(), birch).is(200)
	if o := seen.object(); o["role"] != "provider" || o["name"] != "Company ceda" || o["status"] != "active" || o["providerAdminAccess"] != "granted" ||
		o["invitationId"] != p.Invitation || seen.header.Get("ETag") != `"1"` {
		t.Errorf("%v", o)
	}
	if o := a.see("/v1/partnerships/"+p.ID(), cedar).is(200).object(); o["role"] != "reseller" || o["name"] != "Company b12c" || o["invitationId"] != nil {
		t.Errorf("%v", o)
	}
	if o := seen.object(); o["location"] != "US" || o["contact"] == nil || o["consent"] == nil {
		t.Errorf("of the other: %v, %v, %v", o["location"], o["contact"], o["consent"])
	}
	for _, tenant := range []string{dogwood, alder} {
		a.see("/v1/partnerships/"+p.ID(), tenant).is(404, "not_found")
	}
	a.see("/v1/partnerships/x", birch).is(404, "not_found")
	for target, want := range map[string]bool{
		"/v1/partnerships": true, "/v1/partnerships?status=removed": false, "/v1/partnerships?status=all": true, "/v1/partnerships?role=provider": true, "/v1/partnerships?role=reseller": false,
	} {
		if got := a.see(target, birch).ids(); len(got) > 0 != want {
			t.Errorf("%s: %v", target, got)
		}
	}
	a.see("/v1/partnerships?status=over", birch).is(400, "malformed_request")
	a.see("/v1/partnerships?cursor=AAAA", birch).is(400, "malformed_request")
	for name, r := range partnershipReads(p.ID()) {
		r.tenant, r.roles = cedar, "[operator]"
		if r.method == "GET" {
			a.call(r).is(403, "role_not_permitted")
			a.globalAdmin(r)
			continue
		}
		r.roles = "[salesAgent]"
		if p := a.call(r); name == "revoke access" && p.status != 403 {
			t.Errorf("%s by a sales agent: %d", name, p.status)
		}
	}
}

// partnershipReads are the calls about partnerships, those that change something last.
func partnershipReads(id string) map[string]request {
	return map[string]request{
		"partnerships":     {method: "GET", target: "/v1/partnerships"},
		"partnership":      {method: "GET", target: "/v1/partnerships/" + id},
		"shared customers": {method: "GET", target: "/v1/partnerships/" + id + "/customers"},
		"relations":        {method: "GET", target: "/v1/relationships?relationship_type=IsIndirectResellerOf"},
		"resellers":        {method: "GET", target: "/v1/customers/" + larch + "/relationships"},
		"remove":           {method: "POST", target: "/v1/partnerships/" + id + "/remove", body: `{"attestation":{"accepted":true,"textVersion":"sample-1"}}`},
		"revoke access":    {method: "POST", target: "/v1/partnerships/" + id + "/revoke-provider-access", roles: "[globalAdmin]"},
	}
}

// The lists have the names of Partner Center's API.
func TestRelations(t *testing.T) {
	a := newAPI(t)
	a.twoTiers()
	const resellers, providers = "/v1/relationships?relationship_type=IsIndirectCloudSolutionProviderOf", "/v1/relationships?relationship_type=IsIndirectResellerOf"
	for target, want := range map[string][]string{resellers + " " + birch: {cedar}, providers + " " + cedar: {birch}, resellers + " " + cedar: nil, providers + " " + birch: nil, resellers + " " + dogwood: nil} {
		target, tenant, _ := strings.Cut(target, " ")
		if got := a.see(target, tenant).ids(); !only(got, want...) {
			t.Errorf("%s of %s: %v", target, tenant, got)
		}
	}
	o := a.see(resellers, birch).object()["items"].([]any)[0].(map[string]any)
	if o["relationshipType"] != "IsIndirectCloudSolutionProviderOf" || o["state"] != "active" || o["partnerId"] != "4100003" || o["location"] != "US" || o["name"] != "Company ceda" {
		t.Errorf("%v", o)
	}
	a.see("/v1/relationships", birch).is(400, "malformed_request")
	a.see("/v1/relationships?relationship_type=IsFriendOf", birch).is(400, "malformed_request")
}

// Rules D6, D9 and "who sees whom": a partnership shares nothing by itself; a customer of both is seen by both, and by a provider of its
// own resellers only.
func TestSharedCustomers(t *testing.T) {
	a := newAPI(t)
	p := a.twoTiers()
	a.serves(birch, larch, relationship.Active)
	a.serves(cedar, larch, relationship.Active)
	a.serves(birch, maple, relationship.Active)
	a.serves(cedar, nobody, relationship.Active)
	a.serves(dogwood, larch, relationship.Active)
	a.serves(dogwood, maple, relationship.Active)
	for _, tenant := range []string{birch, cedar} {
		if got := a.see("/v1/partnerships/"+p.ID()+"/customers", tenant).ids(); !only(got, larch) {
			t.Errorf("%s shares %v", tenant, got)
		}
	}
	for target, want := range map[string][]string{
		"?indirectResellerId=" + cedar: {larch}, "?indirectResellerId=" + dogwood: nil, "?indirectResellerId=" + nobody: nil,
		"?relationship=none&indirectResellerId=" + cedar: nil, "?relationship=all&indirectResellerId=" + cedar: {larch}, "?name=oak&indirectResellerId=" + cedar: nil,
	} {
		if got := a.see("/v1/customers"+target, birch).ids(); !only(got, want...) {
			t.Errorf("%s: %v", target, got)
		}
	}
	if got := a.see("/v1/customers?indirectResellerId="+birch, cedar).ids(); !only(got) { // it is no reseller of cedar's
		t.Errorf("%v", got)
	}
	a.see("/v1/customers?indirectResellerId=cedar", birch).is(400, "malformed_request")
	a.see("/v1/partnerships/"+p.ID()+"/customers", dogwood).is(404, "not_found")
	a.see("/v1/partnerships/"+p.ID()+"/customers?limit=0", birch).is(400, "malformed_request")
	if got := a.see("/v1/customers/"+larch+"/relationships", birch).ids(); !only(got, cedar) {
		t.Errorf("the resellers of larch: %v", got) // dogwood is another's
	}
	if got := a.see("/v1/customers/"+maple+"/relationships", birch).ids(); !only(got) {
		t.Errorf("the resellers of maple: %v", got)
	}
	if got := a.see("/v1/customers/"+larch+"/relationships", cedar).ids(); !only(got) {
		t.Errorf("a reseller sees %v", got)
	}
	for _, customer := range []string{nobody, "x"} {
		a.see("/v1/customers/"+customer+"/relationships", birch).is(404, "not_found")
	}
	a.see("/v1/customers/"+larch+"/relationships?cursor=AAAA", birch).is(400, "malformed_request")
	a.serves(birch, larch, relationship.Removed)
	a.see("/v1/customers/"+larch+"/relationships", birch).is(404, "not_found")
	if got := a.see("/v1/partnerships/"+p.ID()+"/customers", cedar).ids(); !only(got) {
		t.Errorf("shared with one that has ended: %v", got)
	}
}

// Rule N8: the reseller's Global admin revokes the provider's administration alone; the partnership stays.
func TestRevokeProviderAccess(t *testing.T) {
	a := newAPI(t)
	p := a.twoTiers()
	r := request{method: "POST", target: "/v1/partnerships/" + p.ID() + "/revoke-provider-access", tenant: cedar, roles: "[globalAdmin]"}
	by := func(tenant, roles string, header map[string]string, body string) reply {
		r := r
		r.tenant, r.roles, r.header, r.body = tenant, roles, header, body
		return a.call(r)
	}
	by(cedar, "[adminAgent salesAgent]", nil, "").is(403, "role_not_permitted")
	by(birch, "[globalAdmin]", nil, "").is(409, "invalid_transition")
	by(dogwood, "[globalAdmin]", nil, "").is(404, "not_found")
	by(cedar, "[globalAdmin]", map[string]string{"If-Match": `"7"`}, "").is(412, "precondition_failed")
	by(cedar, "[globalAdmin]", map[string]string{"If-Match": "7"}, "").is(400, "malformed_request")
	by(cedar, "[globalAdmin]", nil, `{"why":"x"}`).is(422, "unknown_field")
	for range 2 { // a call can be repeated
		if o := by(cedar, "[globalAdmin]", nil, "").is(200).object(); o["providerAdminAccess"] != "revoked" || o["status"] != "active" || o["version"] != 2.0 {
			t.Errorf("%v", o)
		}
	}
	if got := a.see("/v1/relationships?relationship_type=IsIndirectResellerOf", cedar).ids(); !only(got, birch) {
		t.Errorf("the partnership: %v", got)
	}
}

// Rules X5, X7 to X9 and X11, invariants 13 and 14, X-k: either side removes a partnership with an attestation, and nothing else changes.
func TestRemovePartnership(t *testing.T) {
	for _, side := range []string{birch, cedar} {
		a := newAPI(t)
		p := a.twoTiers()
		a.serves(birch, larch, relationship.Active)
		a.serves(cedar, larch, relationship.Active)
		remove := func(tenant, roles, body string) reply {
			return a.call(request{method: "POST", target: "/v1/partnerships/" + p.ID() + "/remove", tenant: tenant, roles: roles, body: body})
		}
		version := a.call(request{method: "GET", target: "/v1/attestations/partnershipRemoval", tenant: side}).is(200).str("textVersion")
		attested := `{"attestation":{"accepted":true,"textVersion":"` + version + `"}}`
		remove(side, "[globalAdmin]", attested).is(403, "role_not_permitted")
		remove(dogwood, "", attested).is(404, "not_found")
		remove(side, "", `{}`).is(422, "attestation_required")
		remove(side, "", `{"attestation":{"accepted":false,"textVersion":"`+version+`"}}`).is(422, "attestation_required")
		remove(side, "", `{"attestation":{"accepted":true,"textVersion":"old"}}`).is(422, "attestation_outdated")
		remove(side, "", `{"attestation":{"accepted":true,"textVersion":"`+version+`"},"why":"x"}`).is(422, "unknown_field")
		remove(side, "", `{"attestation":1}`).is(422, "validation_failed")
		remove(side, "", `no`).is(400, "malformed_request")
		a.call(request{method: "POST", target: "/v1/partnerships/" + p.ID() + "/remove", tenant: side, body: attested, header: map[string]string{"If-Match": `"9"`}}).is(412, "precondition_failed")
		for n := range 2 { // a call can be repeated, of whichever version
			if n > 0 {
				a.call(request{method: "POST", target: "/v1/partnerships/" + p.ID() + "/remove", tenant: side, body: attested, header: map[string]string{"If-Match": `"1"`}}).is(200)
			}
			if o := remove(side, "[salesAgent]", attested).is(200).object(); o["status"] != "removed" || o["providerAdminAccess"] != "granted" || o["version"] != 2.0 {
				t.Errorf("%v", o)
			}
		}
		stored, err := a.store.Partnership(t.Context(), birch, p.ID())
		if err != nil || stored.Removal == nil || stored.Removal.Attestation.Version != version || stored.Removal.Side != p.Side(partner.TenantID(side)) || stored.Removal.Attestation.Hash == "" {
			t.Errorf("%v, %+v", err, stored)
		}
		for _, tenant := range []string{birch, cedar} {
			if got := a.see("/v1/partnerships", tenant).ids(); !only(got) {
				t.Errorf("%s still lists %v", tenant, got)
			}
			if got := a.see("/v1/customers", tenant).ids(); !only(got, larch) { // nothing cascades
				t.Errorf("the customers of %s: %v", tenant, got)
			}
			if got := a.see("/v1/partnerships/"+p.ID()+"/customers", tenant).ids(); !only(got) {
				t.Errorf("%s shares %v", tenant, got)
			}
		}
		if got := a.see("/v1/customers/"+larch+"/relationships", birch).ids(); !only(got) {
			t.Errorf("resellers of larch: %v", got)
		}
		// Rule X9: what the provider may do with the reseller's account stays, until the reseller revokes it.
		if o := a.call(request{method: "POST", target: "/v1/partnerships/" + p.ID() + "/revoke-provider-access", tenant: cedar, roles: "[globalAdmin]"}).is(200).object(); o["providerAdminAccess"] != "revoked" || o["status"] != "removed" {
			t.Errorf("%v", o)
		}
	}
}

func TestRemovalNeedsAText(t *testing.T) {
	a := newAPI(t)
	p := a.twoTiers()
	a.now = start.Add(-20 * 365 * 24 * time.Hour) // before any text was in force
	a.call(request{method: "POST", target: "/v1/partnerships/" + p.ID() + "/remove", tenant: birch, body: `{"attestation":{"accepted":true,"textVersion":"1"}}`}).is(409, "agreement_text_not_configured")
}

// Rules D1, D2, N1 to N3 and N7 over the API, with invariant 4: a reseller asks with its provider, a provider asks a reseller.
func TestInvitationsOfTwoTiers(t *testing.T) {
	a := newAPI(t)
	p := a.twoTiers()
	as := func(tenant, roles, k, body string) reply {
		r := create(k, body)
		r.tenant, r.roles = tenant, roles
		return a.call(r)
	}
	const dual = `{"kind":"dualReseller","recipientEmail":"lena@larch.example","providerTenantId":"` + birch + `"}`
	made := as(cedar, "[salesAgent]", "1", dual).is(201)
	if o := made.object(); o["kind"] != "dualReseller" || o["providerTenantId"] != birch || o["requestDelegatedAdmin"] != true {
		t.Errorf("%v", o)
	}
	as(cedar, "", "2", dual).is(409, "duplicate_open_invitation")
	as(dogwood, "", "3", dual).is(409, "partnership_required")
	as(cedar, "", "4", `{"kind":"dualReseller"}`).is(422, "validation_failed")
	as(cedar, "", "5", `{"kind":"dualReseller","providerTenantId":"`+cedar+`"}`).is(422, "self_invitation")
	as(cedar, "", "6", `{"kind":"partnership"}`).is(422, "validation_failed")
	ask := `{"kind":"partnership","recipientEmail":"it@dogwood.example"}`
	as(birch, "[salesAgent]", "7", ask).is(403, "role_not_permitted") // rule R7
	asked := as(birch, "", "8", ask).is(201)
	if o := asked.object(); o["kind"] != "partnership" || o["requestDelegatedAdmin"] != false || o["providerTenantId"] != nil {
		t.Errorf("%v", o)
	}
	as(birch, "", "9", `{"kind":"partnership","customerTenantId":"`+cedar+`"}`).is(409, "partnership_exists")
	draft := a.see(asked.header.Get("Location")+"/draft", birch).is(200).object()
	if !strings.Contains(draft["body"].(string), "indirect provider") || draft["mailtoUri"] == nil {
		t.Errorf("%v", draft)
	}
	without := edit(asked.header.Get("Location"), `"1"`, "Hello", "Answer soon!")
	without.tenant = birch
	a.call(without).is(422, "invitation_link_missing") // rule N3
	nobody := as(birch, "", "to nobody", `{"kind":"partnership"}`).is(201).header.Get("Location")
	a.call(request{method: "POST", target: nobody + "/send", tenant: birch, header: key("send to nobody")}).is(422, "recipient_email_required") // rule N2
	draft = a.see(made.header.Get("Location")+"/draft", cedar).is(200).object()
	if body := draft["body"].(string); !strings.Contains(body, "Company ceda") || !strings.Contains(body, "Company b12c") || draft["mailtoUri"] == nil {
		t.Errorf("%v", draft)
	}
	for kind, want := range map[string]string{"dualReseller": cedar, "partnership": birch} {
		for _, tenant := range []string{cedar, birch} {
			if got := a.see("/v1/invitations?kind="+kind, tenant).ids(); len(got) > 0 != (tenant == want) {
				t.Errorf("%s of %s: %v", kind, tenant, got)
			}
		}
	}
	// Renewed, each needs what a new one needs.
	end := func(reply reply, tenant string) request {
		path := reply.header.Get("Location")
		a.call(request{method: "POST", target: path + "/cancel", tenant: tenant, header: key("cancel " + tenant)}).is(200)
		return request{method: "POST", target: path + "/renew", tenant: tenant, header: key("renew " + tenant)}
	}
	again := end(made, cedar)
	removed, _ := p.Remove(partnership.Entry{At: start, Side: partnership.ProviderSide}, relationship.AttestedText{Version: "1"})
	a.store.PutPartnership(removed)
	a.call(again).is(409, "partnership_required")
	named := end(as(birch, "", "10", `{"kind":"partnership","customerTenantId":"`+dogwood+`"}`).is(201), birch)
	joined, _ := partnership.Establish(nil, partnership.Authorisation{Pair: partnership.Pair{Provider: birch, Reseller: dogwood}, At: start})
	a.store.PutPartnership(joined)
	a.call(named).is(409, "partnership_exists")
}
