package web_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"concord/internal/commerce"
	"concord/internal/emailaddr"
	"concord/internal/partner"
	"concord/internal/relationship"
	"concord/internal/storetest"
	"concord/internal/terms"
)

const (
	cedar   = "ceda0000-0000-4000-8000-000000000003" // indirect reseller, US
	dogwood = "d09d0000-0000-4000-8000-000000000004" // indirect reseller, US
)

// tiers are the partnerships of the tests, provider and reseller, and who administers a customer granularly.
type tiers struct {
	partnered map[[2]partner.TenantID]bool
	granular  map[partner.TenantID]bool
	err       error
}

func (t *tiers) Partnered(_ context.Context, provider, reseller partner.TenantID) (bool, error) {
	return t.partnered[[2]partner.TenantID{provider, reseller}], t.err
}

func (t *tiers) Providers(_ context.Context, reseller partner.TenantID) (all []commerce.Tie, err error) {
	for pair, on := range t.partnered {
		if pair[1] == reseller {
			all = append(all, commerce.Tie{Provider: pair[0], Active: on})
		}
	}
	return all, t.err
}

func (t *tiers) CoversSubscriptions(_ context.Context, p, _ partner.TenantID) (bool, error) {
	return t.granular[p], t.err
}

func (t *tiers) CoveringSubscriptions(
	_ context.Context, p partner.TenantID, customers []partner.TenantID,
) (map[partner.TenantID]bool, error) {
	all := map[partner.TenantID]bool{}
	for _, customer := range customers {
		all[customer] = t.granular[p]
	}
	return all, t.err
}

// trades reports whether function commerce serves a path.
func trades(path string) bool {
	for _, p := range []string{"/v1/agreements", "/v1/compliance/", "/v1/profiles/", "/v1/offers", "/v1/access-levels",
		"/v1/subscriptions"} {
		if strings.HasPrefix(path, p) {
			return true
		}
	}
	if strings.Contains(path, "/access-assignments") {
		return true
	}
	rest, ok := strings.CutPrefix(path, "/v1/customers/")
	_, more, below := strings.Cut(rest, "/")
	part, _, _ := strings.Cut(more, "/")
	return ok && below && slices.Contains([]string{"agreements", "directSignedCustomerAgreementStatus", "purchase-eligibility", "orders", "subscriptions"}, part)
}

func (a *api) shop() *commerce.Service {
	return &commerce.Service{
		Accounts: a.store, Holders: a.store, Relationships: a.store, Agreements: a.store, Orders: a.store, Subscriptions: a.store, Partnerships: &a.tiers, Granular: &a.tiers,
		Texts: a.store, Regions: partner.ShippedRegions(), Offers: commerce.ShippedOffers(), Addresses: emailaddr.Addresses{AllowReserved: true}, Now: func() time.Time { return a.now },
	}
}

// market is the API with alder, which sells directly to larch, and birch, the provider of cedar.
func market(t *testing.T) *api {
	t.Helper()
	a := newAPI(t)
	a.tiers.partnered = map[[2]partner.TenantID]bool{{birch, cedar}: true}
	for n, each := range []struct {
		tenant partner.TenantID
		role   partner.ProgramRole
	}{{alder, partner.DirectBill}, {birch, partner.IndirectProvider}, {cedar, partner.IndirectReseller}, {dogwood, partner.IndirectReseller}} {
		p := account(each.tenant, "public")
		id := fmt.Sprint(4100001 + n)
		p.Role, p.AssociatedPartnerID, p.MPA = each.role, id, &partner.Agreement{SignedAt: start, Version: "2025"}
		p.PartnerIDs = []partner.PartnerID{
			{ID: id, Type: partner.Location, Country: "US", OnboardingLocation: true}, {ID: id + "H", Type: partner.Headquarters, Country: "US"},
			{ID: id + "F", Type: partner.Location, Country: "FR", OnboardingLocation: true}, {ID: id + "L", Type: partner.Location, Country: "US"},
		}
		a.store.PutAccount(p)
	}
	for _, p := range []partner.TenantID{alder, birch, cedar} {
		a.relate(p, func(*relationship.Relationship) {})
	}
	return a
}

// relate stores a relationship of a partner with larch, over whatever was there.
func (a *api) relate(p partner.TenantID, edit func(*relationship.Relationship)) {
	a.t.Helper()
	r, err := a.store.Relationship(a.t.Context(), p, larch)
	if err != nil {
		r = relationship.Relationship{
			ID: "rel_aaaaaaaaaaaaaaaaaaaaaaaaaa", Partner: p, Status: relationship.Active, Origin: "invitation",
			Customer:       relationship.Customer{Tenant: larch, CompanyName: "Larch Ltd", Domains: []string{"larch.example"}, Country: "US", Cloud: "public"},
			DelegatedAdmin: relationship.NoAdministration, IdentityCheck: relationship.NotNeeded, EstablishedAt: start, UpdatedAt: start, Version: 3,
		}
	}
	edit(&r)
	r.Version++
	a.store.PutRelationship(r)
}

// revise stores an account over the one there is.
func (a *api) revise(p partner.TenantID, edit func(*partner.Account)) {
	a.t.Helper()
	account, err := a.store.Account(a.t.Context(), p, true)
	if err != nil {
		a.t.Fatal(err)
	}
	edit(&account)
	account.Version++
	a.store.PutAccount(account)
}

const ofLarch = "/v1/customers/" + larch

// as makes a call of a partner, with headers by name and value.
func (a *api) as(tenant, method, target, body string, header ...string) reply {
	a.t.Helper()
	r := request{method: method, target: target, body: body, tenant: tenant, header: map[string]string{}}
	for n := 0; n < len(header); n += 2 {
		r.header[header[n]] = header[n+1]
	}
	return a.call(r)
}

const lena = `{"type":"MicrosoftCustomerAgreement","primaryContact":{"firstName":"Lena","lastName":"Larch","email":"lena@larch.example"},"dateAgreed":"2026-02-27"}`

func (a *api) attests(tenant string) {
	a.t.Helper()
	a.as(tenant, "POST", ofLarch+"/agreements", lena, "Idempotency-Key", "attested").is(201)
}

func TestAgreements(t *testing.T) {
	a := market(t)
	a.publish(terms.CustomerAgreement, "2026-01", "en", start.AddDate(0, -1, 0))
	texts := a.as(alder, "GET", "/v1/agreements?type=MicrosoftCustomerAgreement", "").is(200).object()["items"].([]any)
	if len(texts) != 1 || texts[0].(map[string]any)["version"] != "2026-01" || texts[0].(map[string]any)["type"] != "MicrosoftCustomerAgreement" {
		t.Errorf("%v", texts)
	}
	if all := a.as(alder, "GET", "/v1/agreements", "").is(200).object()["items"].([]any); len(all) != 3 {
		t.Errorf("%v", all)
	}
	a.as(alder, "GET", "/v1/agreements?type=poem", "").is(400, "malformed_request")

	if signed := a.as(alder, "GET", ofLarch, "").is(200).object()["customerAgreement"].(map[string]any)["signed"]; signed != false {
		t.Error("signed before anybody said so")
	}
	p := a.as(alder, "POST", ofLarch+"/agreements", strings.Replace(lena, `"lena@larch.example"`, `"lena@larch.example","phoneNumber":"+1 555 0100"`, 1), "Idempotency-Key", "k", "MS-CorrelationId", nobody).is(201)
	o := p.object()
	for name, want := range map[string]any{
		"type": "MicrosoftCustomerAgreement", "source": "partnerAttested", "textVersion": "2026-01", "language": "en", "dateAgreed": "2026-02-27T00:00:00Z", "recordedAt": "2026-03-01T09:00:00Z",
		"partnerTenantId": alder, "sha256": texts[0].(map[string]any)["sha256"],
		"primaryContact": map[string]any{"firstName": "Lena", "lastName": "Larch", "email": "lena@larch.example", "phoneNumber": "+1 555 0100"},
	} {
		if fmt.Sprint(o[name]) != fmt.Sprint(want) {
			t.Errorf("%s is %v, want %v", name, o[name], want)
		}
	}
	again := a.as(alder, "POST", ofLarch+"/agreements", strings.Replace(lena, `"lena@larch.example"`, `"lena@larch.example","phoneNumber":"+1 555 0100"`, 1), "Idempotency-Key", "k").is(201)
	if again.header.Get("Idempotency-Replayed") != "true" || again.str("id") != p.str("id") || p.header.Get("ETag") != `"1"` {
		t.Errorf("%v", again.header)
	}
	a.as(alder, "POST", ofLarch+"/agreements", lena, "Idempotency-Key", "k").is(422, "idempotency_key_reused")
	a.as(alder, "POST", ofLarch+"/agreements", strings.Replace(lena, "2026-02-27", "2026-02-27T08:30:00", 1), "Idempotency-Key", "k2").is(201)
	a.as(alder, "POST", ofLarch+"/agreements", strings.Replace(lena, "2026-02-27", "2026-02-27T09:30:00+01:00", 1), "Idempotency-Key", "k3").is(409, "agreement_already_confirmed")
	if list := a.as(alder, "GET", ofLarch+"/agreements", "").is(200).object()["items"].([]any); len(list) != 2 {
		t.Errorf("%v", list)
	}
	if list := a.as(birch, "GET", ofLarch+"/agreements", "").is(200).object()["items"].([]any); len(list) != 0 {
		t.Errorf("birch reads %v", list)
	}
	if a.as(alder, "GET", ofLarch+"/directSignedCustomerAgreementStatus", "").is(200).object()["isSigned"] != false {
		t.Error("what is attested is not signed directly")
	}
	for tenant, want := range map[string]bool{alder: true, birch: false} {
		if got := a.as(tenant, "GET", ofLarch, "").is(200).object()["customerAgreement"].(map[string]any)["signed"]; got != want {
			t.Errorf("%s reads signed %v", tenant, got)
		}
	}
	// What the customer signs itself, with whichever partner, everybody sees who deals with it.
	if err := a.store.AddAgreement(t.Context(), commerce.Agreement{
		ID: "agr_aaaaaaaaaaaaaaaaaaaaaaaaaa", Customer: larch, Source: commerce.DirectSigned, Partner: alder, Number: 1, Contact: commerce.Person{FirstName: "Lena"}, At: start, AgreedAt: start,
	}, nil); err != nil {
		t.Fatal(err)
	}
	list := a.as(birch, "GET", ofLarch+"/agreements", "").is(200).object()["items"].([]any)
	if len(list) != 1 || list[0].(map[string]any)["primaryContact"] != nil || list[0].(map[string]any)["partnerTenantId"] != nil {
		t.Errorf("%v", list)
	}
	if a.as(birch, "GET", ofLarch+"/directSignedCustomerAgreementStatus", "").is(200).object()["isSigned"] != true {
		t.Error("not signed")
	}
	a.as(dogwood, "POST", "/v1/invitations", `{"kind":"reseller","customerTenantId":"`+larch+`"}`, "Idempotency-Key", "k").is(201)
	for _, target := range []string{ofLarch + "/agreements", ofLarch + "/directSignedCustomerAgreementStatus"} {
		a.as(dogwood, "GET", target, "").is(404, "not_found")
	}
	known := a.as(dogwood, "GET", "/v1/customers?relationship=all", "").is(200).object()["items"].([]any)
	if len(known) != 1 || known[0].(map[string]any)["customerAgreement"].(map[string]any)["signed"] != false {
		t.Errorf("who asks only learns %v", known)
	}
	items := a.as(birch, "GET", "/v1/customers", "").is(200).object()["items"].([]any)
	if items[0].(map[string]any)["customerAgreement"].(map[string]any)["signed"] != true {
		t.Errorf("%v", items)
	}
}

func TestAttestationsRefused(t *testing.T) {
	a := market(t)
	post := func(tenant, body string) reply {
		t.Helper()
		return a.as(tenant, "POST", ofLarch+"/agreements", body, "Idempotency-Key", "k")
	}
	a.as(alder, "POST", ofLarch+"/agreements", lena).is(400, "idempotency_key_required")
	post(alder, `{"type":`).is(400, "malformed_request")
	post(cedar, lena).is(403, "role_not_permitted")
	post(alder, strings.Replace(lena, "2026-02-27", "2026-03-02", 1)).is(422, "agreement_date_in_future")
	post(alder, strings.Replace(lena, "lena@larch", "lena", 1)).is(422, "email_invalid")
	post(alder, strings.Replace(lena, "lena@", "léna@", 1)).is(422, "email_internationalised_local_part")
	post(alder, strings.Replace(lena, `"Lena"`, `"www.larch.example"`, 1)).is(422, "name_invalid")
	post(alder, strings.Replace(lena, `"type"`, `"kind":1,"type"`, 1)).is(422, "unknown_field")
	p := post(alder, `{"type":"Poem","primaryContact":{"firstName":1,"x":1},"dateAgreed":"yesterday"}`).is(422, "validation_failed")
	want := []string{
		"/dateAgreed validation_failed", "/primaryContact/email email_invalid", "/primaryContact/firstName validation_failed", "/primaryContact/firstName name_invalid",
		"/primaryContact/lastName name_invalid", "/primaryContact/x unknown_field", "/type validation_failed",
	}
	if !slices.Equal(p.findings(), want) {
		t.Errorf("%q", p.findings())
	}
	a.as(alder, "POST", "/v1/customers/"+maple+"/agreements", lena, "Idempotency-Key", "k").is(404, "not_found")
	a.relate(alder, func(r *relationship.Relationship) { r.Status = relationship.Removed })
	post(alder, lena).is(404, "relationship_not_found")
	a.revise(alder, func(p *partner.Account) { p.Status = partner.Suspended })
	post(alder, lena).is(403, "partner_not_active")
}

func (a *api) blockers(tenant, target string) (codes []string) {
	a.t.Helper()
	o := a.as(tenant, "GET", target, "").is(200).object()
	for _, b := range o["blockers"].([]any) {
		codes = append(codes, b.(map[string]any)["code"].(string))
	}
	if o["eligible"] != (len(codes) == 0) {
		a.t.Errorf("%v", o)
	}
	return codes
}

func TestEligibility(t *testing.T) {
	a := market(t)
	check := func(tenant, query string, want ...string) {
		t.Helper()
		if got := a.blockers(tenant, ofLarch+"/purchase-eligibility"+query); !slices.Equal(got, want) {
			t.Errorf("%s%s: %v, want %v", tenant, query, got, want)
		}
	}
	check(alder, "", "customer_agreement_required")
	check(cedar, "", "customer_agreement_required")
	a.attests(birch)
	check(birch, "")
	check(cedar, "")
	check(birch, "?onBehalfOfReseller="+cedar)
	check(birch, "?onBehalfOfReseller="+dogwood, "partnership_required")
	check(dogwood, "", "no_reseller_relationship", "customer_agreement_required")
	a.relate(dogwood, func(*relationship.Relationship) {})
	check(dogwood, "", "customer_agreement_required", "partnership_required")
	a.relate(birch, func(r *relationship.Relationship) { r.IdentityCheck = relationship.Unproven })
	check(birch, "", "customer_identity_unconfirmed")
	a.as(alder, "GET", ofLarch+"/purchase-eligibility?onBehalfOfReseller=cedar", "").is(400, "malformed_request")
	a.as(alder, "GET", "/v1/customers/larch/purchase-eligibility", "").is(404, "not_found")
	if got := a.blockers(alder, "/v1/customers/"+maple+"/purchase-eligibility"); !slices.Equal(got, []string{"no_reseller_relationship", "customer_agreement_required"}) {
		t.Errorf("%v", got)
	}
}

const basic = `{"lines":[{"offerId":"ofr-office-basic","quantity":25}]}`

func TestOrders(t *testing.T) {
	a := market(t)
	a.attests(alder)
	offers := a.as(alder, "GET", "/v1/offers", "").is(200).object()["items"].([]any)
	if len(offers) != len(commerce.ShippedOffers().Offers) {
		t.Errorf("%v", offers)
	}
	p := a.as(alder, "POST", ofLarch+"/orders", `{"lines":[{"offerId":"ofr-office-basic","quantity":25},{"offerId":"ofr-cloud-reserved","quantity":3,"term":"P3Y"}]}`, "Idempotency-Key", "k").is(201)
	o := p.object()
	lines := o["lines"].([]any)
	if o["status"] != "completed" || o["customerTenantId"] != larch || o["createdBy"] != "alder" || len(lines) != 2 || lines[0].(map[string]any)["term"] != "P1Y" || p.header.Get("ETag") != `"1"` {
		t.Errorf("%v", o)
	}
	read := a.as(alder, "GET", p.header.Get("Location"), "").is(200)
	if string(read.body) != string(p.body) {
		t.Errorf("read gives\n%s\nnot\n%s", read.body, p.body)
	}
	again := a.as(alder, "POST", ofLarch+"/orders", `{"lines":[{"quantity":25,"offerId":"ofr-office-basic"},{"offerId":"ofr-cloud-reserved","quantity":3,"term":"P3Y"}]}`, "Idempotency-Key", "k").is(201)
	if again.header.Get("Idempotency-Replayed") != "true" || again.str("id") != p.str("id") {
		t.Errorf("%v", again.header)
	}
	a.as(alder, "POST", ofLarch+"/orders", basic, "Idempotency-Key", "k").is(422, "idempotency_key_reused")
	a.now = a.now.Add(time.Minute)
	second := a.as(alder, "POST", ofLarch+"/orders", basic, "Idempotency-Key", "k2").is(201)
	page := a.as(alder, "GET", ofLarch+"/orders?limit=1", "").is(200)
	items := page.object()["items"].([]any)
	if len(items) != 1 || items[0].(map[string]any)["id"] != second.str("id") {
		t.Errorf("%s", page.body)
	}
	rest := a.as(alder, "GET", ofLarch+"/orders?limit=1&cursor="+page.str("nextCursor"), "").is(200).object()
	if items := rest["items"].([]any); len(items) != 1 || items[0].(map[string]any)["id"] != p.str("id") || rest["nextCursor"] != nil {
		t.Errorf("%v", rest)
	}
	a.as(alder, "GET", ofLarch+"/orders?limit=0", "").is(400, "malformed_request")
	a.as(alder, "GET", ofLarch+"/orders?cursor="+page.str("nextCursor")+"x", "").is(400, "malformed_request")
	a.as(alder, "GET", "/v1/customers/"+maple+"/orders", "").is(404, "not_found")
	a.as(birch, "GET", p.header.Get("Location"), "").is(404, "not_found")
	subs := a.as(alder, "GET", ofLarch+"/subscriptions?limit=2", "").is(200)
	if items := subs.object()["items"].([]any); len(items) != 2 || subs.str("nextCursor") == "" {
		t.Errorf("%s", subs.body)
	}
	a.as(alder, "GET", ofLarch+"/subscriptions?sort=up", "").is(400, "malformed_request")
	a.as(alder, "GET", "/v1/customers/"+maple+"/subscriptions", "").is(404, "not_found")

	// A relationship over active subscriptions does not end (0.6), and the customer resource says what selling Azure allows (P8).
	customer := a.as(alder, "GET", ofLarch, "").is(200)
	if customer.object()["administration"] != "azureOnly" {
		t.Errorf("%s", customer.body)
	}
	a.as(alder, "PATCH", ofLarch, `{"relationshipToPartner":"none","attestation":{"accepted":true,"textVersion":"sample-1"}}`, "If-Match", "*").is(409, "active_subscriptions_exist")
	a.tiers.granular = map[partner.TenantID]bool{alder: true}
	for _, sub := range a.as(alder, "GET", ofLarch+"/subscriptions", "").is(200).object()["items"].([]any) {
		a.as(alder, "PATCH", ofLarch+"/subscriptions/"+sub.(map[string]any)["id"].(string), `{"status":"suspended"}`, "If-Match", "*").is(200)
	}
	a.as(alder, "PATCH", ofLarch, `{"relationshipToPartner":"none","attestation":{"accepted":true,"textVersion":"sample-1"}}`, "If-Match", "*").is(200)
	a.as(alder, "POST", ofLarch+"/orders", basic, "Idempotency-Key", "k3").is(403, "no_reseller_relationship")
}

func TestOrdersRefused(t *testing.T) {
	order := func(a *api, tenant, body string) reply {
		a.t.Helper()
		return a.as(tenant, "POST", ofLarch+"/orders", body, "Idempotency-Key", "refused")
	}
	with := func(member string) string { return strings.TrimSuffix(basic, "}") + "," + member + "}" }
	sound := func(*api) {}
	for name, c := range map[string]struct {
		tenant, body string
		prepare      func(*api)
		status       int
		code         string
	}{
		"not JSON":        {birch, `{`, sound, 400, "malformed_request"},
		"reseller":        {cedar, basic, sound, 403, "reseller_cannot_order"}, // rule N13
		"not active":      {birch, basic, func(a *api) { a.revise(birch, func(p *partner.Account) { p.Status = partner.Suspended }) }, 403, "partner_not_active"},
		"MPA":             {birch, basic, func(a *api) { a.revise(birch, func(p *partner.Account) { p.MPA = nil }) }, 403, "mpa_not_signed"},
		"no relationship": {birch, basic, func(a *api) { a.relate(birch, func(r *relationship.Relationship) { r.Status = relationship.Removed }) }, 403, "no_reseller_relationship"},
		"agreement":       {alder, basic, sound, 403, "customer_agreement_required"},
		"MPA of the reseller": {birch, with(`"onBehalfOfReseller":"` + cedar + `"`), func(a *api) { a.revise(cedar, func(p *partner.Account) { p.MPA = nil }) },
			403, "reseller_mpa_not_signed"},
		"PartnerID deferred (P4)": {birch, basic, func(a *api) { a.revise(birch, func(p *partner.Account) { p.AssociatedPartnerID = "" }) }, 409, "partner_id_required"},
		"identity (0.25)": {birch, basic, func(a *api) {
			a.relate(birch, func(r *relationship.Relationship) { r.IdentityCheck = relationship.Unproven })
		},
			409, "customer_identity_unconfirmed"},
		"no partnership (P5)": {birch, with(`"onBehalfOfReseller":"` + dogwood + `"`), sound, 409, "partnership_required"},
		"reseller not active (P6)": {birch, with(`"onBehalfOfReseller":"` + cedar + `"`), func(a *api) { a.revise(cedar, func(p *partner.Account) { p.Status = partner.Pending }) },
			409, "reseller_not_enrolled"},
		"PartnerID unknown":       {birch, with(`"partnerIdOnRecord":"777"`), sound, 404, "partner_id_not_found"},
		"PartnerID of a stranger": {birch, with(`"partnerIdOnRecord":"4100004"`), sound, 409, "partnership_required"},
		"headquarters of a stranger": {birch, with(`"partnerIdOnRecord":"4100004H"`), func(a *api) {
			a.revise(dogwood, func(p *partner.Account) {
				p.PartnerIDs = append(p.PartnerIDs, partner.PartnerID{ID: "4100004H", Type: partner.Headquarters, Country: "US"})
			})
		}, 422, "partner_id_wrong_type"},
		"PartnerID of no reseller": {birch, with(`"partnerIdOnRecord":"4100001"`), sound, 422, "partner_id_not_indirect_reseller"},
		"PartnerID wrong, before what is to be done": {birch, with(`"partnerIdOnRecord":"4100003H"`), func(a *api) {
			a.relate(birch, func(r *relationship.Relationship) { r.IdentityCheck = relationship.Unproven })
		}, 422, "partner_id_wrong_type"},
		"headquarters":           {birch, with(`"partnerIdOnRecord":"4100003H"`), sound, 422, "partner_id_wrong_type"},
		"another market":         {birch, with(`"partnerIdOnRecord":"4100003F"`), sound, 422, "partner_id_wrong_country"},
		"another location":       {birch, with(`"partnerIdOnRecord":"4100003L"`), sound, 422, "partner_id_not_onboarding_location"},
		"unknown field":          {birch, with(`"colour":"red"`), sound, 422, "unknown_field"},
		"no lines":               {birch, `{"lines":[]}`, sound, 422, "validation_failed"},
		"lines of another type":  {birch, `{"lines":"many"}`, sound, 422, "validation_failed"},
		"a line of another type": {birch, `{"lines":["many"]}`, sound, 422, "validation_failed"},
		"half a licence":         {birch, `{"lines":[{"offerId":"ofr-office-basic","quantity":1.5}]}`, sound, 422, "validation_failed"},
	} {
		t.Run(name, func(t *testing.T) {
			a := market(t)
			a.attests(birch)
			c.prepare(a)
			order(a, c.tenant, c.body).is(c.status, c.code)
		})
	}
	a := market(t)
	a.as(alder, "POST", ofLarch+"/orders", basic).is(400, "idempotency_key_required")
	a.as(alder, "POST", "/v1/customers/larch/orders", basic, "Idempotency-Key", "k").is(404, "not_found")
	p := order(a, alder, with(`"onBehalfOfReseller":"`+cedar+`"`)).is(403, "customer_agreement_required")
	if want := []string{" customer_agreement_required", " partnership_required"}; !slices.Equal(p.findings(), want) {
		t.Errorf("%q", p.findings())
	}
}

// bought gives the path of a subscription that a partner sold to larch, with cedar on record where it is the provider.
func (a *api) bought(tenant, offer string, quantity int) string {
	a.t.Helper()
	more := ""
	if tenant == birch {
		more = `,"onBehalfOfReseller":"` + cedar + `"`
	}
	o := a.as(tenant, "POST", ofLarch+"/orders", fmt.Sprintf(`{"lines":[{"offerId":%q,"quantity":%d}]%s}`, offer, quantity, more), "Idempotency-Key", "bought "+offer).is(201).object()
	return ofLarch + "/subscriptions/" + o["lines"].([]any)[0].(map[string]any)["subscriptionId"].(string)
}

func TestSubscriptions(t *testing.T) {
	a := market(t)
	a.attests(birch)
	path := a.bought(birch, "ofr-office-basic", 5)
	p := a.as(birch, "GET", path, "").is(200)
	for name, want := range map[string]any{
		"offerId": "ofr-office-basic", "family": "other", "term": "P1Y", "quantity": 5.0, "status": "active", "sellerTenantId": birch, "partnerIdOfRecord": "4100003",
		"resellerTenantId": cedar, "customerContactTenantId": cedar, "supportContactTenantId": birch, "version": 1.0,
	} {
		if p.object()[name] != want {
			t.Errorf("%s is %v, want %v", name, p.object()[name], want)
		}
	}
	own := a.as(cedar, "GET", path, "").is(200).object()
	for name, want := range p.object() {
		if !strings.HasSuffix(name, "Actions") && fmt.Sprint(own[name]) != fmt.Sprint(want) {
			t.Errorf("the reseller reads %s as %v, want %v", name, own[name], want)
		}
	}
	for of, want := range map[*map[string]any]string{new(p.object()): "[suspend delete raiseQuantity setPartnerOfRecord setSupportContact]", &own: "[suspend lowerQuantity]"} {
		if got := fmt.Sprint((*of)["allowedActions"]); got != want || len((*of)["refusedActions"].([]any))+strings.Count(want, " ")+1 != len(commerce.Actions) {
			t.Errorf("%v may do %s, want %s", *of, got, want)
		}
	}
	a.as(dogwood, "GET", path, "").is(404, "not_found")
	patch := func(tenant, body string, header ...string) reply {
		t.Helper()
		return a.as(tenant, "PATCH", path, body, append([]string{"If-Match", "*"}, header...)...)
	}
	a.as(birch, "PATCH", path, `{"quantity":6}`).is(428, "precondition_required")
	a.as(birch, "PATCH", path, `{"quantity":6}`, "If-Match", `"7"`).is(412, "precondition_failed")
	more := a.as(birch, "PATCH", path, `{"quantity":6}`, "If-Match", `"1"`, "Idempotency-Key", "more").is(200)
	if more.object()["quantity"] != 6.0 || more.header.Get("ETag") != `"2"` {
		t.Errorf("%s", more.body)
	}
	if p := a.as(birch, "PATCH", path, `{"quantity":6}`, "If-Match", `"1"`, "Idempotency-Key", "more").is(200); p.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("%v", p.header)
	}
	patch(birch, `{"quantity":7}`, "Idempotency-Key", "more").is(422, "idempotency_key_reused")
	patch(birch, `{"quantity":400}`).is(422, "validation_failed")
	// What is wrong with the request comes before what is still to be done (domain, 2.5).
	a.relate(birch, func(r *relationship.Relationship) { r.IdentityCheck = relationship.Unproven })
	patch(birch, `{"quantity":400}`).is(422, "validation_failed")
	patch(birch, `{"quantity":7,"partnerIdOfRecord":"777"}`).is(404, "partner_id_not_found")
	patch(birch, `{"quantity":7,"partnerIdOfRecord":"4100001"}`).is(422, "partner_id_not_indirect_reseller")
	patch(birch, `{"quantity":7}`).is(409, "customer_identity_unconfirmed")
	a.relate(birch, func(r *relationship.Relationship) { r.IdentityCheck = relationship.NotNeeded })
	patch(birch, `{"size":6}`).is(422, "unknown_field")
	patch(birch, `{`).is(400, "malformed_request")
	patch(birch, `{"quantity":5}`).is(403, "delegated_admin_missing")
	patch(cedar, `{"status":"deleted"}`).is(403, "delegated_admin_missing")
	patch(cedar, `{"quantity":60}`).is(403, "reseller_cannot_order")
	patch(cedar, `{"partnerIdOfRecord":"4100004"}`).is(403, "role_not_permitted")
	patch(dogwood, `{"quantity":60}`).is(404, "not_found")

	for id, c := range map[string]struct {
		status int
		code   string
	}{
		"777": {404, "partner_id_not_found"}, "4100001": {422, "partner_id_not_indirect_reseller"}, "4100004H": {422, "partner_id_wrong_type"},
		"4100004F": {422, "partner_id_wrong_country"}, "4100004L": {422, "partner_id_not_onboarding_location"},
	} {
		patch(birch, `{"partnerIdOfRecord":"`+id+`"}`).is(c.status, c.code)
	}
	if o := patch(birch, `{"partnerIdOfRecord":"4100004"}`).is(200).object(); o["resellerTenantId"] != dogwood || o["customerContactTenantId"] != dogwood {
		t.Errorf("%v", o)
	}
	a.revise(cedar, func(p *partner.Account) { p.Status = partner.Suspended })
	patch(birch, `{"partnerIdOfRecord":"4100003"}`).is(409, "reseller_not_enrolled")
	a.revise(cedar, func(p *partner.Account) { p.Status, p.MPA = partner.Active, nil })
	patch(birch, `{"partnerIdOfRecord":"4100003"}`).is(403, "reseller_mpa_not_signed")
	if o := patch(birch, `{"partnerIdOfRecord":""}`).is(200).object(); o["partnerIdOfRecord"] != nil || o["customerContactTenantId"] != birch {
		t.Errorf("%v", o)
	}

	patch(birch, `{"status":"deleted"}`).is(200)
	patch(birch, `{"status":"active"}`).is(409, "invalid_transition")
}

// Buying more of a subscription asks for what an order asks for.
func TestMoreIsBought(t *testing.T) {
	for code, c := range map[string]struct {
		status  int
		prepare func(*api)
	}{
		"partner_not_active":       {403, func(a *api) { a.revise(alder, func(p *partner.Account) { p.Status = partner.Suspended }) }},
		"mpa_not_signed":           {403, func(a *api) { a.revise(alder, func(p *partner.Account) { p.MPA = nil }) }},
		"no_reseller_relationship": {403, func(a *api) { a.relate(alder, func(r *relationship.Relationship) { r.Status = relationship.Removed }) }},
		"partner_id_required":      {409, func(a *api) { a.revise(alder, func(p *partner.Account) { p.AssociatedPartnerID = "" }) }},
		"customer_identity_unconfirmed": {409, func(a *api) {
			a.relate(alder, func(r *relationship.Relationship) { r.IdentityCheck = relationship.Unproven })
		}},
	} {
		a := market(t)
		a.attests(alder)
		path := a.bought(alder, "ofr-office-basic", 5)
		c.prepare(a)
		a.as(alder, "PATCH", path, `{"quantity":6}`, "If-Match", "*").is(c.status, code)
	}
	// An agreement is never taken back; that it is missing happens to who got the subscription otherwise.
	a := market(t)
	sub := commerce.Subscription{ID: "sub_aaaaaaaaaaaaaaaaaaaaaaaaaa", Seller: alder, Customer: larch, Order: "ord_aaaaaaaaaaaaaaaaaaaaaaaaaa", Offer: "ofr-office-basic", Family: commerce.Other,
		Term: "P1Y", Quantity: 1, Status: commerce.SubscriptionActive, CreatedAt: start, UpdatedAt: start, Version: 1}
	r, err := a.store.Relationship(t.Context(), alder, larch)
	if err != nil {
		t.Fatal(err)
	}
	after := r
	after.Version++
	if err := a.store.PlaceOrder(t.Context(), commerce.Order{ID: sub.Order, Seller: alder, Customer: larch, Version: 1}, []commerce.Subscription{sub}, relationship.Change{Before: &r, After: after}); err != nil {
		t.Fatal(err)
	}
	a.as(alder, "PATCH", ofLarch+"/subscriptions/"+sub.ID, `{"quantity":6}`, "If-Match", "*").is(403, "customer_agreement_required")
}

func TestSupportContact(t *testing.T) {
	a := market(t)
	a.attests(birch)
	path := a.bought(birch, "ofr-office-basic", 5) + "/supportcontact"
	if o := a.as(birch, "GET", path, "").is(200).object(); o["supportTenantId"] != birch || o["isSeller"] != true || o["partnerId"] != "4100002" {
		t.Errorf("%v", o)
	}
	put := func(tenant, body string, header ...string) reply {
		t.Helper()
		return a.as(tenant, "PUT", path, body, append([]string{"If-Match", "*"}, header...)...)
	}
	toCedar := `{"supportTenantId":"` + cedar + `"}`
	a.as(birch, "PUT", path, toCedar).is(428, "precondition_required")
	a.as(birch, "PUT", path, toCedar, "If-Match", `"9"`).is(412, "precondition_failed")
	p := put(birch, toCedar, "Idempotency-Key", "k").is(200)
	if p.object()["supportTenantId"] != cedar || p.object()["isSeller"] != false || p.header.Get("ETag") != `"2"` {
		t.Errorf("%s", p.body)
	}
	if p := put(birch, toCedar, "Idempotency-Key", "k").is(200); p.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("%v", p.header)
	}
	put(birch, `{"supportTenantId":"`+birch+`"}`, "Idempotency-Key", "k").is(422, "idempotency_key_reused")
	put(birch, `{"supportTenantId":"`+dogwood+`"}`).is(422, "support_contact_not_eligible")
	put(birch, `{"supportTenantId":"`+alder+`"}`).is(422, "support_contact_not_eligible")
	put(birch, `{}`).is(422, "validation_failed")
	put(birch, strings.Replace(toCedar, "}", `,"x":1}`, 1)).is(422, "unknown_field")
	put(birch, `[`).is(400, "malformed_request")
	put(cedar, toCedar).is(403, "role_not_permitted")
	put(dogwood, toCedar).is(404, "not_found")
	a.as(dogwood, "GET", path, "").is(404, "not_found")
	a.relate(cedar, func(r *relationship.Relationship) { r.Status = relationship.Removed })
	if o := a.as(birch, "GET", path, "").is(200).object(); o["supportTenantId"] != birch { // 0.6
		t.Errorf("%v", o)
	}
	a.as(birch, "PATCH", strings.TrimSuffix(path, "/supportcontact"), `{"status":"deleted"}`, "If-Match", "*").is(200)
	a.relate(cedar, func(r *relationship.Relationship) { r.Status = relationship.Active })
	put(birch, toCedar).is(409, "invalid_transition")
	a.revise(birch, func(p *partner.Account) { p.Status = partner.Suspended })
	put(birch, toCedar).is(403, "partner_not_active")
}

func TestPartnerIDs(t *testing.T) {
	a := market(t)
	o := a.as(birch, "GET", "/v1/profiles/partnerids/4100003", "").is(200).object()
	for name, want := range map[string]any{"partnerId": "4100003", "country": "US", "type": "location", "isIndirectReseller": true, "mpaSigned": true, "eligible": true} {
		if o[name] != want {
			t.Errorf("%s is %v", name, o[name])
		}
	}
	a.revise(cedar, func(p *partner.Account) { p.Status, p.MPA = partner.Pending, nil })
	var codes []string
	o = a.as(birch, "GET", "/v1/profiles/partnerids/4100003F", "").is(200).object()
	for _, r := range o["reasons"].([]any) {
		codes = append(codes, r.(map[string]any)["code"].(string))
	}
	if o["eligible"] != false || !slices.Equal(codes, []string{"partner_id_wrong_country", "reseller_not_enrolled", "reseller_mpa_not_signed"}) {
		t.Errorf("%v", o)
	}
	a.as(birch, "GET", "/v1/profiles/partnerids/777", "").is(404, "partner_id_not_found")
	a.as(birch, "GET", "/v1/profiles/partnerids/4100003%23", "").is(404, "partner_id_not_found")

	for target, want := range map[string]any{"tenantId=" + alder: nil, "tenantId=" + birch: true, "partnerId=4100003": false, "tenantId=" + cedar: false, "partnerId=777": nil, "tenantId=" + dogwood: nil} {
		if p := a.as(birch, "GET", "/v1/compliance/csp/agreementstatus?"+target, ""); want == nil {
			p.is(404, "not_found")
		} else if got := p.is(200).object()["isAgreementSigned"]; got != want {
			t.Errorf("%s: %v", target, got)
		}
	}
	for _, query := range []string{"", "?tenantId=cedar", "?partnerId=1&tenantId=" + cedar} {
		a.as(birch, "GET", "/v1/compliance/csp/agreementstatus"+query, "").is(400, "malformed_request")
	}
	levels := a.as(birch, "GET", "/v1/access-levels", "").is(200).object()["items"].([]any)
	if len(levels) != 4 {
		t.Errorf("%v", levels)
	}
}

// counters are a call of every operation of function commerce.
func counters(a *api) map[string]request {
	sub := a.bought(alder, "ofr-office-basic", 5)
	all := map[string]request{}
	for _, target := range []string{
		"/v1/agreements", ofLarch + "/agreements", ofLarch + "/directSignedCustomerAgreementStatus", "/v1/compliance/csp/agreementstatus?tenantId=" + birch,
		"/v1/profiles/partnerids/4100003", "/v1/offers", "/v1/access-levels", ofLarch + "/purchase-eligibility", ofLarch + "/orders",
		ofLarch + "/orders/ord_aaaaaaaaaaaaaaaaaaaaaaaaaa", ofLarch + "/subscriptions",
		"/v1/subscriptions", sub, sub + "/supportcontact",
	} {
		all["GET "+target] = request{method: "GET", target: target}
	}
	with := map[string]string{"Idempotency-Key": "counter", "If-Match": "*"}
	all["attest"] = request{method: "POST", target: ofLarch + "/agreements", body: lena, header: with}
	all["order"] = request{method: "POST", target: ofLarch + "/orders", body: basic, header: with}
	all["amend"] = request{method: "PATCH", target: sub, body: `{"quantity":9}`, header: with}
	all["support"] = request{method: "PUT", target: sub + "/supportcontact", body: `{"supportTenantId":"` + cedar + `"}`, header: with}
	return all
}

func TestWhoMayBuy(t *testing.T) {
	a := market(t)
	a.attests(alder)
	for name, r := range counters(a) {
		for _, roles := range []string{"[operator]", "[]"} {
			r.roles = roles
			a.call(r).is(403, "role_not_permitted")
		}
		a.globalAdmin(r)
		r.roles, r.tenant = "", gorse
		if p := a.call(r).is(403, "role_not_permitted"); p.str("code") == "" {
			t.Errorf("%s: %s", name, p.body)
		}
	}
	for name, r := range counters(a) {
		if strings.HasPrefix(name, "GET") {
			for _, path := range []string{larch, maple} {
				if r.target = strings.Replace(r.target, larch, path, 1); path == maple && strings.HasPrefix(r.target, "/v1/customers/"+maple+"/") && !strings.HasSuffix(r.target, "eligibility") {
					a.call(r).is(404, "not_found")
				}
			}
		}
	}
}

func TestCommerceWithoutStore(t *testing.T) {
	a := market(t)
	a.attests(alder)
	all := counters(a)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		for code, err := range map[string]error{"internal": errors.New("the disk is full"), "unavailable": busy} {
			a.store.Inject(func(storetest.Operation) storetest.Fault { return storetest.Fault{Err: err} })
			if p := a.call(all[name]).is(map[string]int{"internal": 500, "unavailable": 503}[code], code); strings.Contains(string(p.body), "disk") {
				t.Errorf("%s: %s", name, p.body)
			}
		}
		// Half a reading is none.
		seen := map[storetest.Operation]bool{}
		for {
			var failed storetest.Operation
			a.store.Inject(func(op storetest.Operation) storetest.Fault {
				if failed != "" || seen[op] {
					return storetest.Fault{}
				}
				failed = op
				return storetest.Fault{Err: busy}
			})
			p := a.call(all[name])
			if failed == "" {
				break
			}
			seen[failed] = true
			p.is(503, "unavailable")
		}
		a.store.Inject(nil)
	}
}
