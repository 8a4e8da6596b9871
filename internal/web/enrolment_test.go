package web_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"concord/internal/emailaddr"
	"concord/internal/enrolment"
	"concord/internal/link"
	"concord/internal/locale"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/relationship"
	"concord/internal/storetest"
	"concord/internal/terms"
)

// applications is the domain of enrolments over the store of an API.
func (a *api) applications() *enrolment.Service {
	a.t.Helper()
	records := storetest.Samples()
	return &enrolment.Service{
		Store: a.store, Accounts: a.store, Directory: records, Validator: enrolment.Formats{}, Locations: records, Holders: a.store, Texts: a.store,
		Addresses: emailaddr.Addresses{AllowReserved: true}, Clouds: a.service.Clouds, Locales: locale.Tags, Now: func() time.Time { return a.now },
	}
}

// publish puts a partner agreement in force.
func (a *api) publishMPA(version string) {
	a.t.Helper()
	words := "Sample " + version
	sum := sha256.Sum256([]byte(words))
	if err := a.store.Publish(a.t.Context(), terms.Text{
		Type: terms.PartnerAgreement, Version: version, Language: "en", Title: "Sample agreement", Body: words, Hash: hex.EncodeToString(sum[:]), From: a.now,
	}); err != nil {
		a.t.Fatal(err)
	}
}

const wholeForm = `{"legal":{"entry":"manual","name":"Gorse Networks","address":{"line1":"12 Heath Road","city":"Springfield","state":"OR","postalCode":"97477","country":"US"}},
"primaryContact":{"firstName":"Grace","lastName":"Gorse","email":"grace@gorse.example","phone":"+1 555 0107"},
"supportContact":{"email":"help@gorse.example","phone":"+1 555 0108","name":"The desk"}}`

// admin is a call of a Global admin of a company without an account.
func admin(method, target, body string, header ...string) request {
	r := request{method: method, target: target, body: body, tenant: gorse, roles: "[globalAdmin]", header: map[string]string{}}
	for n := 0; n+1 < len(header); n += 2 {
		r.header[header[n]] = header[n+1]
	}
	return r
}

func operate(target, body string, header ...string) request {
	r := admin("POST", target, body, header...)
	r.tenant, r.roles = birch, "[operator]"
	return r
}

// begin starts an application, and gives its path.
func (a *api) begin(form string) string {
	a.t.Helper()
	return a.call(admin("POST", "/v1/enrolments", form, "Idempotency-Key", fmt.Sprint("begin ", a.now.UnixNano()))).is(201).header.Get("Location")
}

// confirm does what the page of the link does.
func (a *api) confirm(path string) {
	a.t.Helper()
	e := a.enrolment(path)
	_, c, err := enrolment.Confirmation{Store: a.store, Now: func() time.Time { return a.now }}.Confirm(a.t.Context(),
		link.Link{Tenant: string(e.Tenant), ID: e.ID, Generation: e.Verification.Generation}, relationship.Person{Subject: "grace", Company: relationship.Customer{Tenant: e.Tenant, Domains: []string{"gorse.example"}}}, "c")
	if err != nil || c != enrolment.Confirmed {
		a.t.Fatal(c, err)
	}
}

func (a *api) enrolment(path string) enrolment.Enrolment {
	a.t.Helper()
	e, err := a.store.Enrolment(a.t.Context(), strings.TrimPrefix(path, "/v1/enrolments/"))
	if err != nil {
		a.t.Fatal(err)
	}
	return e
}

// A company without an account goes from its first word to an active indirect reseller (rules E1, E3, E12 to E16, R3, R4, P4).
func TestEnrol(t *testing.T) {
	a := newAPI(t)
	a.publishMPA("sample-1")
	a.call(admin("GET", "/v1/partner/agreements/mpa", "")).is(200)
	first := a.call(admin("POST", "/v1/enrolments", wholeForm, "Idempotency-Key", "k1")).is(201)
	path := first.header.Get("Location")
	if first.str("path") != "full" || first.str("status") != "draft" || first.header.Get("ETag") != `"1"` {
		t.Errorf("%s", first.body)
	}
	again := a.call(admin("POST", "/v1/enrolments", wholeForm, "Idempotency-Key", "k1")).is(201)
	if again.str("id") != first.str("id") || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("%s", again.body)
	}
	a.call(admin("POST", "/v1/enrolments", `{}`, "Idempotency-Key", "k1")).is(422, "idempotency_key_reused")
	a.call(admin("POST", "/v1/enrolments", wholeForm, "Idempotency-Key", "k2")).is(409, "enrolment_state_conflict")
	saved := a.call(admin("PATCH", path, `{"locale":"fr"}`, "If-Match", `"1"`)).is(200)
	if saved.str("locale") != "fr" {
		t.Errorf("%s", saved.body)
	}

	sent := a.call(admin("POST", path+"/submit", "", "Idempotency-Key", "s1")).is(202)
	if sent.str("status") != "emailVerification" {
		t.Errorf("%s", sent.body)
	}
	waits := a.call(admin("PATCH", path, `{"locale":"fr"}`, "If-Match", "*")).is(409, "enrolment_state_conflict")
	if !strings.Contains(waits.str("detail"), "/withdraw") {
		t.Errorf("who wants to change the contact now is told %s", waits.body)
	}
	if again := a.call(admin("POST", path+"/submit", "", "Idempotency-Key", "s1")).is(202); again.header.Get("Idempotency-Replayed") != "true" {
		t.Error("not replayed")
	}
	a.call(admin("POST", path+"/resend-verification", "")).is(429, "resend_cooldown")
	a.call(operate(path+"/decide", `{"decision":"approve"}`)).is(409, "email_not_verified")
	a.now = a.now.Add(time.Hour)
	a.call(admin("POST", path+"/resend-verification", `{}`)).is(202)
	a.confirm(path)
	if got := a.call(admin("GET", path, "")).is(200); got.str("status") != "vetting" || got.object()["overdue"] != false || got.object()["vetting"].(map[string]any)["emailOwnership"] != "passed" {
		t.Errorf("%s", got.body)
	}
	queue := a.call(request{method: "GET", target: "/v1/enrolments?status=vetting", tenant: birch, roles: "[operator]"}).is(200)
	if !strings.Contains(string(queue.body), first.str("id")) {
		t.Errorf("%s", queue.body)
	}
	if own := a.call(admin("GET", "/v1/enrolments", "")).is(200); !strings.Contains(string(own.body), first.str("id")) {
		t.Errorf("%s", own.body)
	}
	stranger := admin("GET", "/v1/enrolments", "")
	stranger.tenant = alder
	if others := a.call(stranger).is(200); strings.TrimSpace(string(others.body)) != `{"items":[]}` {
		t.Errorf("%s", others.body)
	}
	a.now = a.now.AddDate(0, 0, 10)
	if got := a.call(request{method: "GET", target: path, tenant: birch, roles: "[operator]"}).is(200); got.object()["overdue"] != true {
		t.Errorf("%s", got.body)
	}
	a.call(operate(path+"/decide", `{"decision":"needInformation","reason":"Which register?"}`)).is(200)
	if p := a.call(admin("POST", path+"/submit", `{"answer":" "}`)).is(422, "validation_failed"); fmt.Sprint(p.findings()) != "[/answer validation_failed]" {
		t.Errorf("%s", p.body)
	}
	a.call(admin("POST", path+"/submit", `{"answer":"That of the county.\nIt is new."}`)).is(202)
	asked := a.call(request{method: "GET", target: path, tenant: birch, roles: "[operator]"}).is(200).object()["informationRequests"].([]any)
	if q := asked[0].(map[string]any); len(asked) != 1 || q["question"] != "Which register?" || q["answer"] != "That of the county.\nIt is new." || q["answeredAt"] == nil {
		t.Errorf("the operator reads %v", asked)
	}
	a.call(operate(path+"/decide", `{"decision":"approve"}`)).is(200)
	a.call(admin("POST", "/v1/partner/agreements/mpa/sign", `{"attestation":{"accepted":true,"textVersion":"sample-1"}}`)).is(409, "partner_id_required")
	if got := a.call(admin("POST", path+"/partner-id", `{"partnerId":"4100007"}`)).is(200); got.str("partnerId") != "4100007" {
		t.Errorf("%s", got.body)
	}
	read := a.call(admin("GET", "/v1/partner/agreements/mpa", "")).is(200)
	text := read.object()["text"].(map[string]any)
	if read.object()["signed"] != false || text["textVersion"] != "sample-1" || len(text["sha256"].(string)) != 64 {
		t.Errorf("%s", read.body)
	}
	file := a.call(admin("GET", "/v1/partner/agreements/mpa", "", "Accept", "text/plain")).is(200)
	if string(file.body) != "Sample sample-1" || !strings.HasPrefix(file.header.Get("Content-Disposition"), "attachment") {
		t.Errorf("%s", file.body)
	}
	signed := a.call(admin("POST", "/v1/partner/agreements/mpa/sign", `{"attestation":{"accepted":true,"textVersion":"sample-1"}}`, "Idempotency-Key", "m1")).is(200)
	if signed.object()["signed"] != true || signed.object()["enrolment"].(map[string]any)["status"] != "active" {
		t.Errorf("%s", signed.body)
	}
	if again := a.call(admin("POST", "/v1/partner/agreements/mpa/sign", `{"attestation":{"accepted":true,"textVersion":"sample-1"}}`, "Idempotency-Key", "m1")).is(200); again.header.Get("Idempotency-Replayed") != "true" {
		t.Error("not replayed")
	}
	got, err := a.store.Account(t.Context(), gorse, true)
	if err != nil || got.Role != partner.IndirectReseller || got.Status != partner.Active || got.AssociatedPartnerID != "4100007" || got.Contact.Email != "help@gorse.example" {
		t.Errorf("%+v, %v", got, err)
	}
	var actions []string
	for _, h := range a.call(admin("GET", path, "")).is(200).object()["history"].([]any) {
		actions = append(actions, h.(map[string]any)["action"].(string))
	}
	if want := strings.Fields("started changed submitted verificationResent contactConfirmed informationNeeded submitted approved partnerIdAssociated mpaSigned"); !slices.Equal(actions, want) {
		t.Errorf("history %v", actions)
	}
	if strings.Contains(a.log.String(), "gorse.example") || strings.Contains(a.log.String(), "Grace") {
		t.Errorf("the log: %s", a.log.String())
	}
}

// Rule E9: a suggestion is chosen or not, and both are as good.
func TestChooseAnAddress(t *testing.T) {
	a := newAPI(t)
	path := a.begin(strings.Replace(wholeForm, `"OR"`, `"Oregon"`, 1))
	a.call(admin("POST", path+"/submit", "")).is(422, "address_not_validated")
	got := a.call(admin("PATCH", path, `{"addressValidation":{"choice":"suggested"}}`, "If-Match", "*")).is(200)
	check := got.object()["addressValidation"].(map[string]any)
	if check["choice"] != "suggested" || check["suggestedAddresses"].([]any)[0].(map[string]any)["state"] != "OR" {
		t.Errorf("%s", got.body)
	}
	a.call(admin("POST", path+"/submit", "")).is(202)

	// Anybody may ask how an address is written.
	checked := a.call(request{method: "POST", target: "/v1/validations/address", body: `{"line1":"9 Sample St","city":"London","postalCode":"sw1a1aa","country":"GB"}`}).is(200)
	if checked.str("status") != "suggestion" || checked.object()["suggestedAddresses"].([]any)[0].(map[string]any)["postalCode"] != "SW1A 1AA" {
		t.Errorf("%s", checked.body)
	}
	if bad := a.call(request{method: "POST", target: "/v1/validations/address", body: `{"line1":"9 Sample St","country":"US"}`}).is(200); bad.str("status") != "invalid" || len(bad.object()["doubtful"].([]any)) != 3 {
		t.Errorf("%s", bad.body)
	}
}

// Rule E2: a partner needs to say how customers reach it, and no more.
func TestFastTrack(t *testing.T) {
	a := newAPI(t)
	a.publishMPA("sample-1")
	reseller := account(gorse, "public")
	reseller.Role, reseller.Status = partner.IndirectReseller, partner.Pending
	reseller.PartnerIDs = []partner.PartnerID{{ID: "77", Type: partner.Location, Country: "US"}}
	a.store.PutAccount(reseller)
	path := a.begin(`{"supportContact":{"email":"help@gorse.example","phone":"+1 555 0108"}}`)
	if got := a.call(admin("POST", path+"/submit", "")).is(202); got.str("status") != "authorized" || got.str("path") != "fastTrack" {
		t.Errorf("%s", got.body)
	}
	a.call(admin("POST", path+"/partner-id", `{"newLocation":true}`)).is(200)
	a.call(admin("POST", "/v1/partner/agreements/mpa/sign", `{"attestation":{"accepted":true,"textVersion":"sample-1"}}`)).is(200)
	if got, err := a.store.Account(t.Context(), gorse, true); err != nil || got.Status != partner.Active || got.MPA == nil || len(got.PartnerIDs) != 2 {
		t.Errorf("%+v, %v", got, err)
	}
}

// Every operation of a company is a Global admin's of that company alone, and the desk's is the operator's (rule R3, 2.4).
func TestEnrolmentRoles(t *testing.T) {
	a := newAPI(t)
	path := a.begin(wholeForm)
	for _, r := range []request{
		admin("POST", "/v1/enrolments", `{}`, "Idempotency-Key", "k"), admin("GET", path, ""), admin("PATCH", path, `{}`, "If-Match", "*"),
		admin("POST", path+"/submit", ""), admin("POST", path+"/resend-verification", ""), admin("POST", path+"/partner-id", `{"partnerId":"1"}`),
		admin("POST", path+"/withdraw", ""), admin("GET", "/v1/partner/agreements/mpa", ""), admin("POST", "/v1/partner/agreements/mpa/sign", `{}`),
		operate(path+"/decide", `{"decision":"approve"}`), {method: "GET", target: "/v1/enrolments", tenant: birch},
	} {
		own := r
		for _, roles := range []string{"[adminAgent salesAgent]", "[]"} {
			r.roles = roles
			a.call(r).is(403, "role_not_permitted")
		}
		if own.roles == "[globalAdmin]" && strings.HasPrefix(own.target, path) {
			own.tenant = birch
			a.call(own).is(404, "not_found")
			own.tenant, own.target = gorse, strings.Replace(own.target, path, "/v1/enrolments/enr_aaaaaaaaaaaaaaaaaaaaaaaaaa", 1)
			a.call(own).is(404, "not_found")
		}
	}
	desk := operate("/v1/enrolments/enr_aaaaaaaaaaaaaaaaaaaaaaaaaa/decide", `{"decision":"approve"}`)
	a.call(desk).is(404, "not_found")
	nameless := request{method: "POST", target: "/v1/validations/address", body: `{"line1":"x","country":"US"}`, tenant: "none"}
	a.call(nameless).is(403, "role_not_permitted")
}

// Every code that the document has for these operations, each by what causes it.
func TestEnrolmentRefusals(t *testing.T) {
	a := newAPI(t)
	start := func(body string, code string, status int) {
		t.Helper()
		a.call(admin("POST", "/v1/enrolments", body, "Idempotency-Key", "x"+code)).is(status, code)
	}
	refused := map[string]struct {
		body   string
		status int
	}{
		"validation_failed":                  {`{"locale":"-"}`, 422},
		"unknown_field":                      {`{"name":"x"}`, 422},
		"name_invalid":                       {`{"primaryContact":{"firstName":"www.evil.com"}}`, 422},
		"email_invalid":                      {`{"primaryContact":{"email":"grace"}}`, 422},
		"email_internationalised_local_part": {`{"primaryContact":{"email":"gräce@gorse.example"}}`, 422},
		"webmail_not_allowed":                {`{"primaryContact":{"email":"grace@yahoo.fr"}}`, 422},
		"partner_id_not_found":               {`{"partnerId":"1"}`, 404},
		"partner_id_wrong_type":              {`{"partnerId":"4100070"}`, 422},
		"partner_id_wrong_country":           {`{"partnerId":"4100071","legal":{"entry":"duns","dunsId":"000000701"}}`, 422},
	}
	for _, code := range slices.Sorted(maps.Keys(refused)) {
		start(refused[code].body, code, refused[code].status)
	}
	start(`[]`, "malformed_request", 400)
	a.call(admin("POST", "/v1/enrolments", `{}`)).is(400, "idempotency_key_required")
	suspended := account(gorse, "public")
	suspended.Status = partner.Suspended
	a.store.PutAccount(suspended)
	start(`{}`, "partner_not_active", 403)
	elsewhere := event(t, "enrolment-start")
	elsewhere.RequestContext.Authorizer.Lambda["tenantId"], elsewhere.RequestContext.Authorizer.Lambda["cloud"] = nobody, "moon"
	a.send(elsewhere).is(422, "cloud_mismatch")

	a = newAPI(t)
	path := a.begin(`{"legal":{"entry":"duns","dunsId":"000000701"}}`)
	save := func(body string, header ...string) reply { return a.call(admin("PATCH", path, body, header...)) }
	for _, code := range slices.Sorted(maps.Keys(refused)) {
		save(refused[code].body, "If-Match", "*").is(refused[code].status, code)
	}
	save(`[]`, "If-Match", "*").is(400, "malformed_request")
	save(`{}`).is(428, "precondition_required")
	save(`{}`, "If-Match", `"9"`).is(412, "precondition_failed")
	save(`{"locale":"de"}`, "If-Match", "*", "Idempotency-Key", "p").is(200)
	save(`{"locale":"es"}`, "If-Match", "*", "Idempotency-Key", "p").is(422, "idempotency_key_reused")

	associate := func(body string, header ...string) reply {
		return a.call(admin("POST", path+"/partner-id", body, header...))
	}
	for body, code := range map[string]string{`{}`: "validation_failed", `{"x":1}`: "unknown_field", `{"partnerId":"4100070"}`: "partner_id_wrong_type", `{"partnerId":"4100071"}`: "partner_id_wrong_country"} {
		associate(body).is(422, code)
	}
	associate(`{"partnerId":"1"}`).is(404, "partner_id_not_found")
	associate(`{"partnerId":"4100007"}`, "If-Match", `"9"`).is(412, "precondition_failed")
	associate(`[]`).is(400, "malformed_request")
	associate(`{"partnerId":"4100007"}`, "Idempotency-Key", "p").is(200)
	associate(`{"newLocation":true}`, "Idempotency-Key", "p").is(422, "idempotency_key_reused")

	submit := func(body string, header ...string) reply {
		return a.call(admin("POST", path+"/submit", body, header...))
	}
	submit("").is(422, "validation_failed")
	submit(`{"x":1}`).is(422)
	submit("", "If-Match", `"9"`).is(412, "precondition_failed")
	submit(`[]`).is(400, "malformed_request")
	save(`{"primaryContact":{"firstName":"Grace","lastName":"Gorse","email":"grace@gorse.example","phone":"+1 555 0107"},"supportContact":{"email":"help@gorse.example","phone":"+1 555 0108"}}`, "If-Match", "*").is(200)
	submit(`{"x":1}`).is(422, "unknown_field")
	save(`{"legal":{"entry":"duns","dunsId":"000000702"}}`, "If-Match", "*").is(200)
	submit("").is(422, "partner_id_wrong_country")
	save(`{"legal":{"entry":"duns","dunsId":"000000701"}}`, "If-Match", "*").is(200)
	submit("", "Idempotency-Key", "s").is(202)
	submit(`{}`, "Idempotency-Key", "s").is(202)
	submit(`{"x":1}`, "Idempotency-Key", "s").is(422, "idempotency_key_reused")
	submit("").is(409, "enrolment_state_conflict")
	save(`{}`, "If-Match", "*").is(409, "enrolment_state_conflict")

	resend := func(body string, header ...string) reply {
		return a.call(admin("POST", path+"/resend-verification", body, header...))
	}
	resend(`{"x":1}`).is(422, "unknown_field")
	resend(`[]`).is(400, "malformed_request")
	resend("", "If-Match", `"1"`).is(412, "precondition_failed")
	a.confirm(path)
	resend("").is(409, "enrolment_state_conflict")

	decide := func(body string, header ...string) reply { return a.call(operate(path+"/decide", body, header...)) }
	decide(`{"decision":"wait"}`).is(422, "validation_failed")
	decide(`{"decision":"reject"}`).is(422, "validation_failed")
	decide(`{"decision":"approve","x":1}`).is(422, "unknown_field")
	decide(`[]`).is(400, "malformed_request")
	decide(`{"decision":"approve"}`, "If-Match", `"1"`).is(412, "precondition_failed")
	decide(`{"decision":"approve"}`, "Idempotency-Key", "d").is(200)
	decide(`{"decision":"approve","reason":"fine"}`, "Idempotency-Key", "d").is(422, "idempotency_key_reused")
	decide(`{"decision":"approve"}`).is(409, "enrolment_state_conflict")

	sign := func(body string, header ...string) reply {
		return a.call(admin("POST", "/v1/partner/agreements/mpa/sign", body, header...))
	}
	const signature = `{"attestation":{"accepted":true,"textVersion":"sample-1"}}`
	sign(signature).is(409, "agreement_text_not_configured")
	if got := a.call(admin("GET", "/v1/partner/agreements/mpa", "")).is(200); got.object()["text"] != nil {
		t.Errorf("%s", got.body)
	}
	a.publishMPA("sample-1")
	sign(`[]`).is(400, "malformed_request")
	sign(`{}`).is(422, "attestation_required")
	sign(`{"attestation":{"accepted":true,"textVersion":"old"}}`).is(422, "attestation_outdated")
	sign(`{"attestation":{"accepted":1,"textVersion":"sample-1"}}`).is(422, "validation_failed")
	sign(`{"attestation":{"accepted":true,"textVersion":"sample-1"},"x":1}`).is(422, "unknown_field")
	rival := account(nobody, "public")
	rival.PartnerIDs = []partner.PartnerID{{ID: "4100007", Type: partner.Location, Country: "US"}}
	a.store.PutAccount(rival)
	sign(signature).is(409, "partner_id_in_use")
	rival.PartnerIDs = nil
	a.store.PutAccount(rival)
	before := a.enrolment(path)
	abroad := before
	abroad.Location, abroad.Version = &enrolment.Location{ID: "1", Type: partner.Location, Country: "FR"}, before.Version+1
	a.write(before, abroad)
	sign(signature).is(422, "partner_id_wrong_country")
	home := before
	home.Version = abroad.Version + 1
	a.write(abroad, home)
	sign(signature, "Idempotency-Key", "m").is(200)
	sign(`{"attestation":{"accepted":true,"textVersion":"sample-2"}}`, "Idempotency-Key", "m").is(422, "idempotency_key_reused")
	sign(signature).is(409, "enrolment_state_conflict")
	associate(`{"partnerId":"4100007"}`).is(409, "enrolment_state_conflict")

	withdraw := func(body string, header ...string) reply {
		return a.call(admin("POST", path+"/withdraw", body, header...))
	}
	withdraw("").is(409, "enrolment_state_conflict")
	a = newAPI(t)
	path = a.begin(wholeForm)
	submit("", "Idempotency-Key", "s").is(202)
	a.now = a.now.Add(time.Hour)
	resend("", "Idempotency-Key", "r").is(202)
	resend(`{"x":1}`, "Idempotency-Key", "r").is(422, "idempotency_key_reused")
	withdraw(`{"x":1}`).is(422, "unknown_field")
	withdraw(`[]`).is(400, "malformed_request")
	withdraw("", "If-Match", `"9"`).is(412, "precondition_failed")
	withdraw("", "Idempotency-Key", "w").is(200)
	withdraw(`{"x":1}`, "Idempotency-Key", "w").is(422, "idempotency_key_reused")
	next := a.begin(wholeForm)
	a.now = a.now.Add(time.Minute)
	a.call(admin("POST", next+"/submit", "")).is(429, "resend_cooldown")

	a.call(request{method: "POST", target: "/v1/validations/address", body: `[]`}).is(400, "malformed_request")
	a.call(request{method: "POST", target: "/v1/validations/address", body: `{"line1":"x","country":"us"}`}).is(422, "validation_failed")
	a.call(request{method: "POST", target: "/v1/validations/address", body: `{"line1":"x","country":"US","street":"y"}`}).is(422, "unknown_field")
	a.call(request{method: "GET", target: "/v1/enrolments?status=waiting", tenant: birch, roles: "[operator]"}).is(400, "malformed_request")
}

func (a *api) write(before, after enrolment.Enrolment) {
	a.t.Helper()
	if err := a.store.WriteEnrolment(a.t.Context(), enrolment.Change{Before: &before, After: after}); err != nil {
		a.t.Fatal(err)
	}
}

// The events of events/ for the function are answered as they should be.
func TestEnrolmentEvents(t *testing.T) {
	a := newAPI(t)
	made := a.send(event(t, "enrolment-start")).is(201)
	read := event(t, "enrolment-read")
	read.RawPath = strings.Replace(read.RawPath, "enr_qmzx3vjl2a5c7hpkywtr4e6n2u", made.str("id"), 1)
	read.RequestContext.HTTP.Path = read.RawPath
	got := a.send(read).is(200)
	var one, other any
	if json.Unmarshal(made.body, &one) != nil || json.Unmarshal(got.body, &other) != nil || fmt.Sprint(one) != fmt.Sprint(other) {
		t.Errorf("%s\n%s", made.body, got.body)
	}
	decide := event(t, "enrolment-decide")
	decide.RawPath = strings.Replace(decide.RawPath, "enr_qmzx3vjl2a5c7hpkywtr4e6n2u", made.str("id"), 1)
	decide.RequestContext.HTTP.Path = decide.RawPath
	a.send(decide).is(409, "enrolment_state_conflict")
	a.send(event(t, "enrolment-company-record")).is(201)
}

// What fails below is told as such, and a busy store as one that is.
func TestEnrolmentTrouble(t *testing.T) {
	a := newAPI(t)
	a.publishMPA("sample-1")
	path := a.begin(wholeForm)
	calls := []request{
		admin("POST", "/v1/enrolments", `{}`, "Idempotency-Key", "k"), admin("GET", path, ""), admin("PATCH", path, `{}`, "If-Match", "*"),
		admin("POST", path+"/submit", ""), admin("POST", path+"/resend-verification", ""), admin("POST", path+"/partner-id", `{"partnerId":"1"}`),
		admin("POST", path+"/withdraw", ""), admin("GET", "/v1/partner/agreements/mpa", ""),
		admin("POST", "/v1/partner/agreements/mpa/sign", `{"attestation":{"accepted":true,"textVersion":"sample-1"}}`),
		operate(path+"/decide", `{"decision":"approve"}`), {method: "GET", target: "/v1/enrolments", tenant: birch, roles: "[operator]"},
	}
	for status, fault := range map[int]error{500: errors.New("disk on fire"), 503: &problem.Error{Code: problem.Unavailable, RetryAfter: time.Second}} {
		a.store.Inject(func(storetest.Operation) storetest.Fault { return storetest.Fault{Err: fault} })
		for _, r := range calls {
			if got := a.call(r).is(status); strings.Contains(string(got.body), "fire") {
				t.Errorf("%s", got.body)
			}
		}
	}
}

// The operator finds enrolments by name, reference and tenant, and those that are overdue (rule E14).
func TestEnrolmentsAreFound(t *testing.T) {
	a := newAPI(t)
	path := a.begin(wholeForm)
	a.call(admin("POST", path+"/submit", "")).is(202)
	a.confirm(path)
	e := a.enrolment(path)
	find := func(query string) int {
		got := a.call(request{method: "GET", target: "/v1/enrolments?" + query, tenant: birch, roles: "[operator]"}).is(200)
		items, _ := got.object()["items"].([]any)
		return len(items)
	}
	for query, want := range map[string]int{
		"search=" + e.Reference(): 1, "search=" + string(e.Tenant): 1, "search=" + strings.ToUpper(e.Legal.Name[:4]): 1,
		"search=willow": 0,
		"overdue=true":  0, "status=vetting": 1,
	} {
		if n := find(query); n != want {
			t.Errorf("%s finds %d, want %d", query, n, want)
		}
	}
	a.now = e.ReviewDueAt.Add(time.Second)
	if n := find("overdue=true&status=vetting"); n != 1 {
		t.Errorf("%d overdue", n)
	}
	a.call(request{method: "GET", target: "/v1/enrolments?overdue=no", tenant: birch, roles: "[operator]"}).is(400, "malformed_request")
}

// The operator finds accounts by name, domain, PartnerID and tenant.
func TestPartnersAreFound(t *testing.T) {
	a := newAPI(t)
	found := account(nobody, "public")
	found.DisplayName, found.VerifiedDomain = "Willow Works", "willow.example"
	found.PartnerIDs = []partner.PartnerID{{ID: "4100099", Type: partner.Location, Country: "US"}}
	a.store.PutAccount(found)
	for _, search := range []string{"wILLOW", "willow.ex", "4100099", string(nobody)} {
		got := a.call(request{method: "GET", target: "/v1/partners?search=" + search, tenant: birch, roles: "[operator]"}).is(200)
		if items, _ := got.object()["items"].([]any); len(items) != 1 {
			t.Errorf("%q: %s", search, got.body)
		}
	}
}
