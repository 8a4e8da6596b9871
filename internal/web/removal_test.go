package web_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"concord/internal/audit"
	"concord/internal/command"
	"concord/internal/commerce"
	"concord/internal/customer"
	"concord/internal/emailaddr"
	"concord/internal/events"
	"concord/internal/invitation"
	"concord/internal/link"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/relationship"
	"concord/internal/terms"
	"concord/internal/web"
)

// customers are the use cases over the store of the tests, with sample-1 in the catalogue.
// createdDaily is how many customers a partner creates on a day here.
const createdDaily = 8

func (a *api) customers() web.Customers {
	for _, kind := range []terms.Type{terms.RelationshipRemoval, terms.PartnershipRemoval} {
		a.publish(kind, "sample-1", "en", start.Add(-time.Hour))
	}
	return web.Customers{Store: a.store, Agreed: commerce.Agreed{Signatures: a.store, Accounts: a.store, Partnerships: &a.tiers, Tiers: a.store}, Texts: a.store, Service: customer.Service{
		Store: a.store, Register: a.store, Support: a.store, Customers: a.store, Directory: a.store, Grants: a.store, Partnerships: a.store, Accounts: a.store, Texts: a.store, Regions: partner.ShippedRegions(),
		Clouds: partner.Clouds{{ID: "public", AdministrationOptional: true}, {ID: "usGov"}}, Addresses: emailaddr.Addresses{AllowReserved: true},
		Webmail: emailaddr.Webmail, Daily: createdDaily, Now: func() time.Time { return a.now },
	}}
}

func (a *api) publish(kind terms.Type, version, language string, from time.Time) {
	a.t.Helper()
	words := "Sample, no legal effect. " + string(kind) + " " + version + " " + language
	sum := sha256.Sum256([]byte(words))
	if err := a.store.Publish(context.Background(), terms.Text{
		Type: kind, Version: version, Language: language, Title: "Sample", Body: words, Hash: hex.EncodeToString(sum[:]), From: from,
	}); err != nil {
		a.t.Fatal(err)
	}
}

func (a *api) remove(tenant, version, tag string) reply {
	a.t.Helper()
	return a.call(request{
		method: "PATCH", target: "/v1/customers/" + tenant, header: map[string]string{"If-Match": tag},
		body: `{"relationshipToPartner":"none","attestation":{"accepted":true,"textVersion":"` + version + `"}}`,
	})
}

// Rules X1 to X6, X-i, X-l, invariant 13 and G14: a removal over the API, with everything that goes with it and nothing else.
func TestRemoval(t *testing.T) {
	a := newAPI(t)
	a.customer(larch, relationship.Active, "US")
	r, err := a.store.Relationship(t.Context(), alder, larch)
	if err != nil {
		t.Fatal(err)
	}
	r.DelegatedAdmin, r.IdentityCheck = relationship.ActiveDAP, relationship.Confirmed
	a.store.PutRelationship(r)
	a.customer(maple, relationship.Active, "US")
	others := r
	others.Partner = birch
	a.store.PutRelationship(others)

	text := a.call(request{method: "GET", target: "/v1/attestations/relationshipRemoval", roles: "[salesAgent]"}).is(200).object()
	if text["type"] != "relationshipRemoval" || text["textVersion"] != "sample-1" || !strings.Contains(text["text"].(string), "no legal effect") {
		t.Errorf("the text: %v", text)
	}
	path, tag := "/v1/customers/"+larch, `"3"`
	change := func(body string) reply {
		return a.call(request{method: "PATCH", target: path, body: body, header: map[string]string{"If-Match": tag}})
	}
	// X-i: nothing without an attestation (invariant 14).
	for body, at := range map[string]string{
		`{"relationshipToPartner":"none"}`:                                                         "/attestation attestation_required",
		`{"relationshipToPartner":"none","attestation":{}}`:                                        "/attestation/accepted attestation_required",
		`{"relationshipToPartner":"none","attestation":{"accepted":false,"textVersion":"s"}}`:      "/attestation/accepted attestation_required",
		`{"relationshipToPartner":"none","attestation":{"accepted":true}}`:                         "/attestation/textVersion attestation_required",
		`{"relationshipToPartner":"none","attestation":{"accepted":true,"textVersion":"old"}}`:     "/attestation/textVersion attestation_outdated",
		`{"relationshipToPartner":"reseller"}`:                                                     "/relationshipToPartner validation_failed",
		`{"relationshipToPartner":"none","identityConfirmed":true}`:                                " validation_failed",
		`{"identityConfirmed":true,"attestation":{"accepted":true,"textVersion":"sample-1"}}`:      "/attestation validation_failed",
		`{"relationshipToPartner":"none","attestation":{"accepted":true,"textVersion":"s","x":1}}`: "/attestation/x unknown_field",
	} {
		_, code, _ := strings.Cut(at, " ")
		if p := change(body).is(422, code); fmt.Sprint(p.findings()) != "["+at+"]" {
			t.Errorf("%s: %v", body, p.findings())
		}
	}
	a.remove(larch, "sample-1", "").is(428, "precondition_required")
	a.remove(larch, "sample-1", `"2"`).is(412, "precondition_failed")

	// What is asked of this customer by its tenant ends with the relationship, also once it was sent; what asks another, or a
	// recipient by mail alone, does not.
	path = "/v1/invitations"
	ask := func(k, body string) string {
		return a.call(create(k, body)).is(201).header.Get("Location")
	}
	r.DelegatedAdmin = relationship.TerminatedDAP
	a.store.PutRelationship(r)
	open := ask("1", `{"kind":"reseller","recipientEmail":"it@larch.example","customerTenantId":"`+larch+`","requestDelegatedAdmin":true}`)
	a.call(request{method: "POST", target: open + "/send", header: key("send")}).is(202)
	stay := []string{ask("2", plain), ask("3", `{"kind":"reseller","customerTenantId":"`+maple+`","requestDelegatedAdmin":true}`),
		ask("4", `{"kind":"reseller","recipientEmail":"success@simulator.amazonses.com","customerTenantId":"`+larch+`","requestDelegatedAdmin":true,"sandbox":true}`)}
	r.DelegatedAdmin = relationship.ActiveDAP
	a.store.PutRelationship(r)

	// 0.6: not while a subscription that the remover sold is active.
	r.Sold.Active = 1
	a.store.PutRelationship(r)
	a.remove(larch, "sample-1", tag).is(409, "active_subscriptions_exist")
	r.Sold.Active = 0
	a.store.PutRelationship(r)

	before := r
	removed := a.remove(larch, "sample-1", tag).is(200)
	if o := removed.object(); o["relationshipToPartner"] != "none" || o["allowDelegatedAccess"] != false || o["administration"] != "none" {
		t.Errorf("after the removal: %v", o)
	}
	after, err := a.store.Relationship(t.Context(), alder, larch)
	if err != nil {
		t.Fatal(err)
	}
	// Rule X3 and X-l: the delegated administration of this partner ends with it (0.13), and of nobody else.
	if after.Status != relationship.Removed || after.DelegatedAdmin != relationship.TerminatedDAP || after.Version != before.Version+1 {
		t.Errorf("stored: %+v", after)
	}
	if at := after.Removal; at == nil || at.By != "alder" || !at.At.Equal(start) || at.Attestation.Version != "sample-1" || at.Attestation.Language != "en" || at.Attestation.Hash != text["sha256"] {
		t.Errorf("what was attested: %+v", at)
	}
	if theirs, err := a.store.Relationship(t.Context(), birch, larch); err != nil || theirs.Version != others.Version || theirs.DelegatedAdmin != relationship.ActiveDAP {
		t.Errorf("the other partner's: %+v, %v", theirs, err)
	}
	if s := a.call(request{method: "GET", target: open}).is(200).str("status"); s != "cancelled" {
		t.Errorf("the open request of the pair is %s", s)
	}
	for _, path := range stay {
		if s := a.call(request{method: "GET", target: path}).is(200).str("status"); s != "draft" {
			t.Errorf("%s is %s", path, s)
		}
	}
	// Rule X2: it is in the list of customers no more, and found among those that were.
	for query, want := range map[string]string{"": maple, "?relationship=none": larch} {
		items := a.call(request{method: "GET", target: "/v1/customers" + query}).is(200).object()["items"].([]any)
		if len(items) != 1 || items[0].(map[string]any)["id"] != want {
			t.Errorf("%q lists %v", query, items)
		}
	}
	// Rule X6: nobody is told. The events name the acting partner alone, and no mail is owed by anything that changed.
	for _, e := range events.OfRelationship(&before, after) {
		if e.Detail.PartnerTenantID != alder || strings.Contains(fmt.Sprintf("%+v %+v", e.Detail, *e.Detail.Relationship), birch) {
			t.Errorf("%s tells of %+v", e.Type, e.Detail)
		}
	}
	a.stored(open, func(i *invitation.Invitation) {
		if i.Mail.State.Owed() || i.Post.State != outbox.None {
			t.Errorf("a mail is owed: %+v, %+v", i.Mail, i.Post)
		}
		if e := i.History[len(i.History)-1]; e.Action != "cancelled" || e.By != "alder" || e.Why == "" {
			t.Errorf("its timeline ends with %+v", e)
		}
	})

	// G14: repeated it is answered as it is, of whichever version it was asked; whoever never had one is told so.
	for _, tag := range []string{tag, "*", removed.header.Get("ETag")} {
		if again := a.remove(larch, "sample-1", tag).is(200); again.header.Get("ETag") != removed.header.Get("ETag") {
			t.Errorf("once more: %s", again.body)
		}
	}
	for _, tenant := range []string{nobody, "x"} {
		a.remove(tenant, "sample-1", "*").is(404, "relationship_not_found")
	}
	a.call(request{method: "PATCH", target: "/v1/customers/" + larch, body: `{"identityConfirmed":true}`, header: map[string]string{"If-Match": "*"}}).is(404, "relationship_not_found")
}

// The text in force: by time and country, in the language of the account (0.21).
func TestAttestationText(t *testing.T) {
	a := newAPI(t)
	read := func(tenant string) map[string]any {
		return a.call(request{method: "GET", target: "/v1/attestations/partnershipRemoval", tenant: tenant, roles: "[globalAdmin]"}).is(200).object()
	}
	french := account(birch, "public")
	french.Locale = "fr"
	a.store.PutAccount(french)
	a.publish(terms.PartnershipRemoval, "sample-1", "fr", start.Add(-time.Hour))
	a.publish(terms.PartnershipRemoval, "sample-2", "en", start.Add(time.Hour))
	for tenant, want := range map[string]string{alder: "en", birch: "fr", gorse: "en"} {
		if o := read(tenant); o["textVersion"] != "sample-1" || o["language"] != want {
			t.Errorf("%s reads %v", tenant, o)
		}
	}
	a.now = start.Add(time.Hour)
	if o := read(birch); o["textVersion"] != "sample-2" || o["language"] != "en" {
		t.Errorf("a version later: %v", o)
	}
	if p := a.call(request{method: "GET", target: "/v1/attestations/customerAgreement"}).is(404, "not_found"); !strings.Contains(p.str("detail"), "relationshipRemoval and partnershipRemoval") {
		t.Errorf("another type: %s", p.body)
	}
	a.call(request{method: "GET", target: "/v1/attestations/partnershipRemoval", tenant: "none"}).is(403, "role_not_permitted")
	a.now = start.Add(-2 * time.Hour)
	a.call(request{method: "GET", target: "/v1/attestations/partnershipRemoval"}).is(409, "agreement_text_not_configured")
	a.customer(larch, relationship.Active, "US")
	a.remove(larch, "sample-1", "*").is(409, "agreement_text_not_configured")
}

func newCustomer(k, more string) request {
	return request{method: "POST", target: "/v1/customers", header: key(k), body: `{"companyName":"Pine Ltd","domain":"Pine.example","country":"US"` + more + `}`}
}

// Rule I1: a customer that is new has a relationship with whoever brings it at once; rule I2: one that is known is asked.
func TestCustomerIsCreated(t *testing.T) {
	a := newAPI(t)
	made := a.call(newCustomer("k", "")).is(201)
	id := made.str("id")
	o := made.object()
	for name, want := range map[string]any{
		"companyName": "Pine Ltd", "domain": "pine.example", "country": "US", "cloud": "public", "relationshipToPartner": "reseller", "administration": "none",
		"allowDelegatedAccess": false, "identityCheck": "none", "version": 1.0, "establishedAt": "2026-03-01T09:00:00Z",
	} {
		if o[name] != want {
			t.Errorf("%s is %v, want %v", name, o[name], want)
		}
	}
	if at := made.header.Get("Location"); at != "/v1/customers/"+id || made.header.Get("ETag") != `"1"` {
		t.Errorf("it is at %s", at)
	}
	a.call(request{method: "GET", target: "/v1/customers/" + id}).is(200)
	stored, err := a.store.Relationship(t.Context(), alder, partner.TenantID(id))
	if err != nil || stored.Role != relationship.Direct || stored.RegionTable == "" || stored.Origin != relationship.CustomerCreation || stored.Invitation != "" || len(stored.History) != 1 {
		t.Fatalf("%v, %+v", err, stored)
	}
	// The partner's user did it: nobody at the customer has said anything.
	if e := stored.History[0]; e.Action != relationship.WasCreated || e.By != "alder" || e.CorrelationID == "" {
		t.Errorf("its history begins with %+v", e)
	}
	for _, r := range audit.OfRelationship(nil, stored) {
		if r.Operation != "relationship.established" || r.Actor != (audit.Actor{Kind: audit.User, Subject: "alder", Tenant: alder}) {
			t.Errorf("audit: %+v", r)
		}
	}
	if told := events.OfRelationship(nil, stored); len(told) != 1 || told[0].Type != events.RelationshipEstablished || told[0].Detail.Relationship.Origin != "customerCreation" {
		t.Errorf("told: %+v", told)
	}

	again := a.call(newCustomer("k", "")).is(201)
	if again.str("id") != id || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("once more with the same key: %s", again.body)
	}
	a.call(newCustomer("k", `,"forReseller":"`+birch+`"`)).is(422, "idempotency_key_reused")
	a.now = start.Add(25 * time.Hour)
	a.call(newCustomer("k", "")).is(409, "relationship_exists") // the key is free again, the domain is not (0.29)
}

// 0.29: only a company without a tenant and without a known domain is made a customer without being asked.
func TestWhoIsAsked(t *testing.T) {
	a := newAPI(t)
	create := func(tenant, k, domain, more string) reply {
		r := request{method: "POST", target: "/v1/customers", header: key(k), tenant: tenant, body: `{"companyName":"Pine Ltd","domain":"` + domain + `","country":"US"` + more + `}`}
		return a.call(r)
	}
	a.customer(larch, relationship.Removed, "US") // has accepted once, and has ended
	for n, tenant := range []string{larch, birch, alder, nobody, "00000000-0000-0000-0000-000000000000", "x"} {
		create(alder, fmt.Sprint("t", n), "new.example", `,"tenantId":"`+tenant+`"`).is(409, "invitation_required")
	}
	id := create(alder, "1", "hazel.example", "").is(201).str("id")
	for n, domain := range []string{"hazel.example", "HAZEL.example", "emea.hazel.example", "a.b.hazel.example"} {
		create(alder, fmt.Sprint("a", n), domain, "").is(409, "relationship_exists")
		create(birch, fmt.Sprint("b", n), domain, "").is(409, "invitation_required")
	}
	create(birch, "2", "emea.rowan.example", "").is(201)
	create(alder, "3", "rowan.example", "").is(409, "invitation_required") // above a known one
	create(alder, "4", "apac.rowan.example", "").is(201)                   // beside it
	create(alder, "5", "zwölftanne.example", "").is(201)                   // and in its two written forms
	create(birch, "6", "xn--zwlftanne-17a.example", "").is(409, "invitation_required")
	// Whose relationship has ended is told how to ask.
	a.remove(id, "sample-1", "*").is(200)
	if gone := create(alder, "7", "hazel.example", "").is(409, "invitation_required"); !strings.Contains(string(gone.body), id) {
		t.Errorf("%s", gone.body)
	}
	// The verified domain of a partner's account.
	juniper := account(nobody, "public")
	juniper.VerifiedDomain = "juniper.example"
	if err := a.store.CreateAccount(t.Context(), juniper); err != nil {
		t.Fatal(err)
	}
	create(alder, "8", "juniper.example", "").is(409, "invitation_required")
	for n, domain := range []string{"pine.onmicrosoft.com", "PINE.onmicrosoft.us", "pine.partner.onmschina.cn", "pine.mail.onmicrosoft.com", "pine.sharepoint.com"} {
		create(alder, fmt.Sprint("m", n), domain, "").is(409, "invitation_required")
	}
	for _, domain := range []string{"onmicrosoft.com", "OnMicrosoft.com", "mail.onmicrosoft.com", "onmicrosoft.us", "onmicrosoft.cn", "partner.onmschina.cn", "onmschina.cn", "sharepoint.com"} {
		create(alder, "shared", domain, "").is(422, "validation_failed")
	}
	for domain, code := range map[string]string{
		"co.uk": "validation_failed", "github.io": "validation_failed", "gmail.com": "webmail_not_allowed", "outlook.de": "webmail_not_allowed", "a@hazel.example": "validation_failed",
	} {
		create(alder, "bad", domain, "").is(422, code)
	}
}

// 0.29: a partner creates so many on a day of UTC.
func TestCustomersOfADay(t *testing.T) {
	a := newAPI(t)
	for n := range createdDaily {
		a.call(request{method: "POST", target: "/v1/customers", header: key(fmt.Sprint(n)), body: fmt.Sprintf(`{"companyName":"Pine","domain":"pine-%d.example","country":"US"}`, n)}).is(201)
	}
	full := a.call(newCustomer("full", "")).is(429, "partner_quota_exceeded")
	if after := full.header.Get("Retry-After"); after != fmt.Sprint(15*60*60) {
		t.Errorf("at nine in the morning after %s s", after)
	}
	theirs := newCustomer("full", "")
	theirs.tenant = birch
	a.call(theirs).is(201)
	a.now = start.Add(15 * time.Hour)
	a.call(request{method: "POST", target: "/v1/customers", header: key("next"), body: `{"companyName":"Pine","domain":"next.example","country":"US"}`}).is(201)
}

// I15: where administration is always asked for, a company that is created is asked for it, as by an invitation.
func TestCustomerOfTheGovernmentIsAsked(t *testing.T) {
	a := newAPI(t)
	r := newCustomer("gov", "")
	r.tenant = elm
	id := a.call(r).is(201).str("id")
	drafts := a.see("/v1/invitations?customerTenantId="+id, elm).is(200).object()["items"].([]any)
	if len(drafts) != 1 || drafts[0].(map[string]any)["requestDelegatedAdmin"] != true || drafts[0].(map[string]any)["status"] != "draft" {
		t.Errorf("%v", drafts)
	}
	a.call(newCustomer("public", "")).is(409, "invitation_required") // one company, whichever cloud
	id = a.call(request{method: "POST", target: "/v1/customers", header: key("2"), body: `{"companyName":"Pine","domain":"other.example","country":"US"}`}).is(201).str("id")
	if drafts := a.see("/v1/invitations?customerTenantId="+id, alder).is(200).object()["items"].([]any); len(drafts) != 0 {
		t.Errorf("in the public cloud: %v", drafts)
	}
}

func TestCustomerIsNotCreated(t *testing.T) {
	a := newAPI(t)
	create := func(body string) reply {
		return a.call(request{method: "POST", target: "/v1/customers", body: body, header: key("k")})
	}
	for body, found := range map[string]string{
		`{}`: "[/companyName validation_failed /country validation_failed /domain validation_failed]",
		`{"companyName":1,"domain":"pine.example","country":"US"}`:                     "[/companyName validation_failed]",
		`{"companyName":"http://pine.com","domain":"pine.example","country":"US"}`:     "[/companyName name_invalid]",
		`{"companyName":"Pine","domain":"pine","country":"US"}`:                        "[/domain validation_failed]",
		`{"companyName":"Pine","domain":"pine.example","country":"us"}`:                "[/country validation_failed]",
		`{"companyName":"Pine","domain":"pine.example","country":"UK"}`:                "[/country validation_failed]",
		`{"companyName":"Pine","domain":"pine.example","country":"FR"}`:                "[/country region_not_allowed]", // I16, X-c
		`{"companyName":"Pine","domain":"pine.example","country":"US","forever":true}`: "[/forever unknown_field]",
	} {
		got := create(body).is(422).findings()
		slices.Sort(got)
		if fmt.Sprint(got) != found {
			t.Errorf("%s: %v, want %s", body, got, found)
		}
	}
	create(`[]`).is(400, "malformed_request")
	r := newCustomer("", "")
	r.header = nil
	a.call(r).is(400, "idempotency_key_required")
	r.header, r.roles = key("k"), "[globalAdmin]"
	a.call(r).is(403, "role_not_permitted")
	r.roles, r.tenant = "", gorse
	a.call(r).is(403, "role_not_permitted")
	reseller := account(birch, "public")
	reseller.Role = partner.IndirectReseller
	a.store.PutAccount(reseller)
	r.tenant = birch
	a.call(r).is(403, "role_not_permitted")
	reseller.Role, reseller.Status = partner.IndirectProvider, partner.Suspended
	a.store.PutAccount(reseller)
	a.call(r).is(403, "partner_not_active")
	reseller.Status = partner.Active
	a.store.PutAccount(reseller)
	r.roles = "[salesAgent]"
	a.call(r).is(201)
	moon := account(birch, "moon") // 0.12: a cloud that is not served
	a.store.PutAccount(moon)
	r.header = key("moon")
	a.call(r).is(422, "cloud_mismatch")
}

// Many at once with the same key create one customer.
func TestCustomerIsCreatedOnce(t *testing.T) {
	a := newAPI(t)
	cs := a.customers().Service
	made := make([]partner.TenantID, 16)
	var wg sync.WaitGroup
	for n := range made {
		wg.Go(func() {
			name, domain, country := "Pine", "pine.example", "US"
			r, _, err := cs.Create(t.Context(), command.Command{
				User: partner.User{Subject: "s", Tenant: alder, Roles: []partner.Role{partner.AdminAgent}}, Key: "same", Body: "same",
			}, customer.New{CompanyName: &name, Domain: &domain, Country: &country})
			if err != nil {
				t.Error(err)
			}
			made[n] = r.Customer.Tenant
		})
	}
	wg.Wait()
	slices.Sort(made)
	if len(slices.Compact(made)) != 1 {
		t.Errorf("%v", made)
	}
}

// Rules N9, P3, P5 and 0.18: a provider creates a customer for its reseller: both serve it, and the customer is asked for administration.
func TestCustomerIsCreatedForAReseller(t *testing.T) {
	a := newAPI(t)
	p := a.twoTiers()
	ask := func(k, more string) request {
		r := newCustomer(k, more)
		r.tenant = birch
		return r
	}
	for more, code := range map[string]string{
		`,"forReseller":"x"`: "validation_failed", `,"forReseller":"` + dogwood + `"`: "partnership_required", `,"forReseller":"` + alder + `"`: "partnership_required",
	} {
		want := 409
		if code == "validation_failed" {
			want = 422
		}
		a.call(ask("bad", more)).is(want, code)
	}
	bad := ask("bad", `,"forReseller":"`+dogwood+`"`)
	bad.body = strings.Replace(bad.body, `"US"`, `"usa"`, 1)
	a.call(bad).is(422, "validation_failed") // before the 409
	direct := newCustomer("direct", `,"forReseller":"`+cedar+`"`)
	a.call(direct).is(422, "validation_failed")

	made := a.call(ask("k", `,"forReseller":"`+cedar+`"`)).is(201)
	id := partner.TenantID(made.str("id"))
	for tenant, role := range map[partner.TenantID]relationship.Role{birch: relationship.IndirectProvider, cedar: relationship.IndirectReseller} {
		r, err := a.store.Relationship(t.Context(), tenant, id)
		if err != nil || r.Status != relationship.Active || r.Role != role || r.Via == "" || r.Via == tenant || r.DelegatedAdmin != relationship.NoAdministration || r.Origin != relationship.CustomerCreation {
			t.Errorf("%s: %+v, %v", tenant, r, err)
		}
		// The reseller's audit says which company it was, and not who there.
		for _, record := range audit.OfRelationship(nil, r) {
			if record.Actor.Tenant != birch || record.Actor.Kind != audit.User || (record.Actor.Subject != "") != (tenant == birch) {
				t.Errorf("the audit of %s: %+v", tenant, record.Actor)
			}
		}
	}
	if got := a.see("/v1/customers/"+string(id)+"/relationships", birch).ids(); !only(got, cedar) {
		t.Errorf("resellers of the customer: %v", got)
	}
	drafts := a.see("/v1/invitations?customerTenantId="+string(id), cedar).is(200).object()["items"].([]any)
	if len(drafts) != 1 {
		t.Fatalf("the reseller has %v", drafts)
	}
	draft := drafts[0].(map[string]any)
	if draft["status"] != "draft" || draft["requestDelegatedAdmin"] != true || draft["recipientEmail"] != nil {
		t.Errorf("the draft: %v", draft)
	}
	if i, err := a.store.Invitation(t.Context(), invitation.Key{Inviter: cedar, ID: draft["id"].(string)}, true); err != nil || i.Orderer != birch {
		t.Errorf("the draft says that %q orders, %v", i.Orderer, err)
	}
	// It is the reseller's, to mail as any other.
	path := "/v1/invitations/" + draft["id"].(string)
	a.call(request{method: "PATCH", target: path, tenant: cedar, body: `{"recipientEmail":"it@pine.example"}`, header: map[string]string{"If-Match": "*"}}).is(200)
	a.call(request{method: "POST", target: path + "/send", tenant: cedar, header: key("s")}).is(202)
	a.see(path, birch).is(404, "not_found")

	if again := a.call(ask("k", `,"forReseller":"`+cedar+`"`)).is(201); again.str("id") != string(id) {
		t.Errorf("once more: %s", again.body)
	}
	far := account(cedar, "public") // one failure refuses the whole (0.11)
	far.Role, far.Country = partner.IndirectReseller, "FR"
	a.store.PutAccount(far)
	a.call(ask("far", `,"forReseller":"`+cedar+`"`)).is(422, "region_not_allowed")
	far.Country, far.Status = "US", partner.Suspended
	a.store.PutAccount(far)
	a.call(ask("suspended", `,"forReseller":"`+cedar+`"`)).is(403, "partner_not_active")
	far.Status = partner.Active
	a.store.PutAccount(far)
	gone, _ := p.Remove(partnership.Entry{At: start, Side: partnership.ProviderSide, By: "ben"}, relationship.AttestedText{Version: "1"})
	a.store.PutPartnership(gone)
	a.call(ask("gone", `,"forReseller":"`+cedar+`"`)).is(409, "partnership_required")
}

// Where the deployment says so, associating grants administration at once, and nobody has to be asked (0.18).
func TestAssociationMayGrant(t *testing.T) {
	a := newAPI(t)
	a.twoTiers()
	cs := a.customers().Service
	cs.AssociationGrants = true
	name, domain, country, reseller := "Pine", "pine.example", "US", cedar
	r, _, err := cs.Create(t.Context(), command.Command{User: partner.User{Subject: "s", Tenant: birch, Roles: []partner.Role{partner.SalesAgent}}, Key: "k"},
		customer.New{CompanyName: &name, Domain: &domain, Country: &country, Reseller: &reseller})
	if err != nil || r.DelegatedAdmin != relationship.NoAdministration {
		t.Fatalf("the provider gets none: %+v, %v", r, err)
	}
	theirs, err := a.store.Relationship(t.Context(), cedar, r.Customer.Tenant)
	if err != nil || theirs.DelegatedAdmin != relationship.ActiveDAP {
		t.Errorf("%+v, %v", theirs, err)
	}
	if ids, err := a.store.Occupants(t.Context(), cedar, r.Customer.Tenant); err != nil || len(ids) != 0 {
		t.Errorf("the customer is asked all the same: %v, %v", ids, err)
	}
}

// 2.2: with a reseller's relationship end its requests to the customer, also one together with a provider (rule D1); a request for a
// partnership is none of them.
func TestRemovalEndsDualRequests(t *testing.T) {
	a := newAPI(t)
	a.twoTiers()
	a.serves(cedar, larch, relationship.Active)
	a.serves(birch, dogwood, relationship.Active)
	ask := func(tenant, body string) string {
		r := create("k"+tenant, body)
		r.tenant = tenant
		return a.call(r).is(201).header.Get("Location")
	}
	dual := ask(cedar, `{"kind":"dualReseller","providerTenantId":"`+birch+`","customerTenantId":"`+larch+`","recipientEmail":"it@larch.example"}`)
	partnering := ask(birch, `{"kind":"partnership","customerTenantId":"`+dogwood+`","recipientEmail":"it@dogwood.example"}`)
	for tenant, customer := range map[string]string{cedar: larch, birch: dogwood} {
		a.call(request{
			method: "PATCH", target: "/v1/customers/" + customer, tenant: tenant, header: map[string]string{"If-Match": "*"},
			body: `{"relationshipToPartner":"none","attestation":{"accepted":true,"textVersion":"sample-1"}}`,
		}).is(200)
	}
	if s := a.see(dual, cedar).is(200).str("status"); s != "cancelled" {
		t.Errorf("the dual request is %s", s)
	}
	if s := a.see(partnering, birch).is(200).str("status"); s != "draft" {
		t.Errorf("the request for a partnership is %s", s)
	}
}

// 0.30: a company that was created and claimed is found by either id, in every path and filter; it is listed once.
func TestBothIDsFindACustomer(t *testing.T) {
	a := newAPI(t)
	id := a.call(newCustomer("k", "")).is(201).str("id")
	ask := a.call(request{method: "POST", target: "/v1/invitations", header: key("ask"), body: `{"kind":"reseller","recipientEmail":"it@pine.example","customerTenantId":"` + id + `","requestDelegatedAdmin":true}`}).is(201).str("id")
	who := relationship.Person{
		Subject: "petra", Name: "Petra Pine", Email: "admin@pine.example", Roles: []partner.Role{partner.GlobalAdmin},
		Company: relationship.Customer{Tenant: larch, CompanyName: "Pine Inc", Domains: []string{"pine.example"}, Country: "US", CountrySource: "token", Cloud: "public"},
	}
	l := link.Link{Tenant: string(alder), ID: ask, Generation: 1}
	if _, c, err := a.service.Respond(t.Context(), l, who, invitation.Response{Answer: "accept", Authorized: true, FullName: "Petra Pine", JobTitle: "CEO"}); err != nil || c != invitation.AcceptedBy {
		t.Fatalf("%q, %v", c, err)
	}
	for _, at := range []string{id, larch} {
		o := a.call(request{method: "GET", target: "/v1/customers/" + at}).is(200).object()
		if o["id"] != id || o["tenantId"] != larch || o["claimed"] != true || o["companyName"] != "Pine Inc" || o["administration"] != "dap" {
			t.Errorf("by %s: %v", at, o)
		}
		for path, n := range map[string]int{
			"/v1/invitations?status=all&customerTenantId=" + at: 1, "/v1/delegated-admin-relationships?customerTenantId=" + at: 0, "/v1/customers/" + at + "/delegated-admin-grants": 1,
			"/v1/customers/" + at + "/orders": 0, "/v1/customers/" + at + "/subscriptions": 0, "/v1/customers/" + at + "/agreements": 0,
		} {
			if items := a.call(request{method: "GET", target: path}).is(200).object()["items"].([]any); len(items) != n {
				t.Errorf("%s: %v", path, items)
			}
		}
	}
	for _, which := range []string{"active", "all"} {
		if items := a.call(request{method: "GET", target: "/v1/customers?relationship=" + which}).is(200).object()["items"].([]any); len(items) != 1 {
			t.Errorf("%s: %v", which, items)
		}
	}
	// What is asked by one id is asked of the same company.
	a.call(request{method: "POST", target: "/v1/invitations", header: key("again"), body: `{"kind":"reseller","recipientEmail":"it@pine.example","customerTenantId":"` + larch + `"}`}).is(409, "relationship_exists")
	a.remove(larch, "sample-1", "*").is(200)
	if o := a.call(request{method: "GET", target: "/v1/customers/" + id}).is(200).object(); o["relationshipToPartner"] != "none" || o["allowDelegatedAccess"] != false {
		t.Errorf("ended by the other id: %v", o)
	}
}

// 0.30: a record that stands apart is confirmed by the company alone; its agent can end it, and orders nothing for it.
func TestRecordApartIsNotConfirmedByItsAgent(t *testing.T) {
	a := newAPI(t)
	id := a.call(newCustomer("k", "")).is(201).str("id")
	before, err := a.store.Relationship(t.Context(), alder, partner.TenantID(id))
	if err != nil {
		t.Fatal(err)
	}
	apart, _ := before.SetApart(relationship.Entry{At: start})
	a.store.PutRelationship(apart)
	confirm := request{method: "PATCH", target: "/v1/customers/" + id, header: map[string]string{"If-Match": "*"}, body: `{"identityConfirmed":true}`}
	a.call(confirm).is(409, "customer_identity_unconfirmed")
	if o := a.call(request{method: "GET", target: "/v1/customers/" + id}).is(200).object(); o["identityCheck"] != "pending" || o["claimed"] != false || o["tenantId"] != nil {
		t.Errorf("%v", o)
	}
	blocked := a.call(request{method: "GET", target: "/v1/customers/" + id + "/purchase-eligibility"}).is(200)
	if !strings.Contains(string(blocked.body), "customer_identity_unconfirmed") {
		t.Errorf("%s", blocked.body)
	}
	a.remove(id, "sample-1", "*").is(200)
}
