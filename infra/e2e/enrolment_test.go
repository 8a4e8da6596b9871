package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"concord/infra/local/lambda"
)

var verifyLink = regexp.MustCompile(`(?m)^(https?://\S+/e/\S+)$`)

// verification gives the link of a mail to a primary contact.
func verification(t testing.TB, m email) string {
	t.Helper()
	found := verifyLink.FindAllString(m.Body.Text, -1)
	if len(found) != 1 || m.Tags["kind"] != "verification" {
		t.Fatalf("%d links in the mail %q, want 1", len(found), m.Subject)
	}
	noteSecret(found[0])
	return found[0]
}

// A company without an account becomes an active indirect reseller: it applies, its contact confirms, the operator vets it over a weekend, it
// signs (rules E1 to E3, E6 to E18, R3, R4, P4; X-j; invariant 17).
func TestEnrolment(t *testing.T) {
	gorse, operator := newPartner(t, "gorse"), newPartner(t, "operator")
	tenant := tenantOf(t, "gorse.example")
	const form = `{"legal":{"entry":"manual","name":"Gorse Networks","address":{"line1":"12 Heath Road","city":"Springfield","state":"Oregon","postalCode":"97477","country":"US"}},
		"primaryContact":{"firstName":"Grace","lastName":"Gorse","email":"grace@gorse.example","phone":"+1 555 0107"},"supportContact":{"email":"help@gorse.example","phone":"+1 555 0108"}}`
	gorse.post("/v1/enrolments", strings.Replace(form, "grace@gorse.example", "grace@googlemail.com", 1)).code(t, 422, "webmail_not_allowed")
	path := gorse.post("/v1/enrolments", form).want(t, 201).Header.Get("Location")
	status := func() string { return gorse.do("GET", path, "").want(t, 200).json(t)["status"].(string) }

	// The address is suggested, and chosen (rule E9).
	gorse.do("POST", path+"/submit", "").code(t, 422, "address_not_validated")
	gorse.do("PATCH", path, `{"addressValidation":{"choice":"suggested"}}`, "If-Match", "*").want(t, 200)
	gorse.do("POST", path+"/submit", "").want(t, 202)
	link := verification(t, mailTo(t, "grace@gorse.example", 1)[0])
	eventually(t, "the mail has arrived", func() bool {
		return gorse.do("GET", path, "").want(t, 200).json(t)["verification"].(map[string]any)["delivery"] == "delivered"
	})
	if own := gorse.do("GET", "/v1/enrolments", "").want(t, 200); !strings.Contains(string(own.body), strings.TrimPrefix(path, "/v1/enrolments/")) {
		t.Errorf("the company does not find its own: %s", own.body)
	}

	// A link that nobody followed for a week is over, and a new one takes its place; who withdraws has none at all.
	person := newBrowser(t)
	advance(t, "P8D")
	if page := person.get(link).want(t, 410).page(t); page != "expired" {
		t.Errorf("page %q", page)
	}
	eventually(t, "the job has noted it", func() bool {
		return strings.Contains(string(gorse.do("GET", path, "").want(t, 200).body), "verificationExpired")
	})
	gorse.do("POST", path+"/resend-verification", "").want(t, 202)
	newer := verification(t, mailTo(t, "grace@gorse.example", 2)[1])
	person.get(link).want(t, 410)
	gorse.do("POST", path+"/resend-verification", "").code(t, 429, "resend_cooldown")
	gorse.do("POST", path+"/withdraw", "").want(t, 200)
	if page := person.get(newer).want(t, 404).page(t); page != "unknown" {
		t.Errorf("page %q", page)
	}

	// It starts again.
	first := path
	advance(t, "PT11M")
	path = gorse.post("/v1/enrolments", strings.Replace(form, "Oregon", "OR", 1)).want(t, 201).Header.Get("Location")
	gorse.post("/v1/enrolments", form).code(t, 409, "enrolment_state_conflict")
	operator.do("POST", path+"/decide", `{"decision":"approve"}`).code(t, 409, "enrolment_state_conflict")
	gorse.do("POST", path+"/submit", "").want(t, 202)
	operator.do("POST", path+"/decide", `{"decision":"approve"}`).code(t, 409, "email_not_verified")
	link = verification(t, mailTo(t, "grace@gorse.example", 3)[2])

	// Scanners follow the link; nothing happens.
	stands := func() string { return string(gorse.do("GET", path, "").want(t, 200).body) }
	eventually(t, "the mail has arrived", func() bool { return strings.Contains(stands(), `"delivery":"delivered"`) })
	before := stands()
	for _, method := range []string{"GET", "HEAD", "GET"} {
		req, err := http.NewRequestWithContext(t.Context(), method, link, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		read(t, res, err).want(t, 200)
	}
	if page := newBrowser(t).signIn(link, "admin@larch.example").want(t, 403).page(t); page != "wrong-tenant" {
		t.Errorf("page %q", page)
	}
	page := person.signIn(link, "admin@gorse.example").want(t, 200)
	if page.page(t) != "verification" || stands() != before {
		t.Errorf("page %q, or something was written", page.page(t))
	}
	person.submit(page, url.Values{}).want(t, 422)
	done := person.submit(page, url.Values{"confirm": {"on"}}).want(t, 200)
	if done.page(t) != "verified" || done.text(t, "reference") == "" || status() != "vetting" {
		t.Fatalf("page %q", done.page(t))
	}
	mailTo(t, "grace@gorse.example", 4)

	// Five business days are a week, whenever they begin: the weekend does not count (rule E14).
	seen := gorse.do("GET", path, "").want(t, 200).json(t)
	moment := func(name string, of map[string]any) time.Time {
		at, err := time.Parse(time.RFC3339, of[name].(string))
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	due, verified := moment("reviewDueAt", seen), moment("verifiedAt", seen["primaryContact"].(map[string]any))
	if week := due.Sub(verified); week < 7*24*time.Hour || week > 9*24*time.Hour {
		t.Errorf("due after %s", week)
	}
	advance(t, "P6D")
	if got := gorse.do("GET", path, "").want(t, 200).json(t); got["overdue"] != false {
		t.Error("overdue after six days")
	}
	advance(t, "P4D")
	if got := operator.do("GET", path, "").want(t, 200).json(t); got["overdue"] != true {
		t.Errorf("not overdue: %v", got)
	}
	eventually(t, "the operator is told", func() bool {
		return slices.ContainsFunc(local.Logs(), func(l lambda.Line) bool {
			return l.Function == "CleanupFunction" && strings.Contains(l.Text, `"EnrolmentOverdue":1`)
		})
	})
	if !strings.Contains(string(person.get(link).want(t, 200).body), "longer than five business days") {
		t.Error("the page does not say what to do")
	}
	var queue struct {
		Items []struct{ ID, Status string }
	}
	if err := json.Unmarshal(operator.do("GET", "/v1/enrolments?status=vetting", "").want(t, 200).body, &queue); err != nil || len(queue.Items) != 1 || "/v1/enrolments/"+queue.Items[0].ID != path {
		t.Errorf("the queue: %+v, %v", queue, err)
	}

	// More is needed, and given; then it is approved.
	operator.do("POST", path+"/decide", `{"decision":"needInformation","reason":"Which register is the company in?"}`).want(t, 200)
	asks := mailTo(t, "grace@gorse.example", 5)[4].Body.Text
	if !strings.Contains(asks, "> Which register is the company in?") || !strings.Contains(asks, "answer in a few words") {
		t.Errorf("%s", asks)
	}
	gorse.do("POST", path+"/submit", "").code(t, 422, "validation_failed")
	gorse.do("POST", path+"/submit", `{"answer":"The register of the county."}`).want(t, 202)
	operator.do("POST", path+"/decide", `{"decision":"approve"}`).want(t, 200)

	// Without a PartnerID nothing is signed (rule P4).
	const signature = `{"attestation":{"accepted":true,"textVersion":"sample-1"}}`
	gorse.do("POST", "/v1/partner/agreements/mpa/sign", signature).code(t, 409, "partner_id_required")
	gorse.do("POST", path+"/partner-id", `{"partnerId":"4100070"}`).code(t, 422, "partner_id_wrong_type")
	gorse.do("POST", path+"/partner-id", `{"partnerId":"4100071"}`).code(t, 422, "partner_id_wrong_country")
	gorse.do("POST", path+"/partner-id", `{"partnerId":"4100001"}`).code(t, 404, "partner_id_not_found") // alder's
	// One that the operator comes to know is found at once.
	gorse.do("POST", path+"/partner-id", `{"partnerId":"4100079"}`).code(t, 404, "partner_id_not_found")
	operator.do("PUT", "/v1/partner-id-records/4100079", `{"name":"Gorse Networks, Nantes","type":"location","country":"FR","reason":"by telephone"}`).want(t, 201)
	gorse.do("POST", path+"/partner-id", `{"partnerId":"4100079"}`).code(t, 422, "partner_id_wrong_country")
	gorse.do("POST", path+"/partner-id", `{"partnerId":"4100007"}`).want(t, 200)
	read := gorse.do("GET", "/v1/partner/agreements/mpa", "").want(t, 200).json(t)
	if text := read["text"].(map[string]any); read["signed"] != false || !strings.Contains(text["title"].(string), "no legal effect") {
		t.Errorf("%v", read)
	}
	if file := gorse.do("GET", "/v1/partner/agreements/mpa", "", "Accept", "text/plain").want(t, 200); !strings.HasPrefix(string(file.body), "Sample, no legal effect.") {
		t.Errorf("%s", file.body)
	}
	newPartner(t, "alder").do("GET", "/v1/partner/agreements/mpa", "").code(t, 403, "role_not_permitted")
	signed := gorse.do("POST", "/v1/partner/agreements/mpa/sign", signature).want(t, 200).json(t)
	if signed["signed"] != true || status() != "active" {
		t.Errorf("%v, %s", signed, status())
	}
	mails := mailTo(t, "grace@gorse.example", 8)
	var kinds []string
	for _, m := range mails {
		kinds = append(kinds, m.Tags["kind"])
	}
	if want := strings.Fields("verification verification verification vetting actionRequired vetting authorized active"); !slices.Equal(kinds, want) {
		t.Errorf("mails %v", kinds)
	}
	account := operator.do("GET", "/v1/partners/"+tenant, "").want(t, 200).json(t)
	if account["status"] != "active" || account["programRole"] != "indirectReseller" || account["associatedPartnerId"] != "4100007" || account["mpa"] == nil {
		t.Errorf("%v", account)
	}

	// Others are told, and the company's audit has every step (invariant 18).
	var told []string
	eventually(t, "the last event", func() bool {
		told = nil
		for _, e := range local.Bus.Events() {
			var d struct {
				Enrolment struct{ ID, Status string }
			}
			if e.DetailType == "enrolment-status-changed" && json.Unmarshal(e.Detail, &d) == nil && strings.HasSuffix(path, d.Enrolment.ID) && !slices.Contains(told, d.Enrolment.Status) {
				told = append(told, d.Enrolment.Status)
			}
		}
		return slices.Contains(told, "active")
	})
	if want := strings.Fields("draft emailVerification vetting actionRequired authorized active"); !slices.Equal(told, want) {
		t.Errorf("told %v", told)
	}
	var operations []string
	eventually(t, "the audit", func() bool {
		operations = nil
		for _, r := range slices.Backward(gorse.audit("resourceType=enrolment")) {
			if strings.HasSuffix(path, r.ResourceID) {
				operations = append(operations, strings.TrimPrefix(r.OperationType, "enrolment."))
			}
		}
		return slices.Contains(operations, "mpaSigned")
	})
	slices.Sort(operations) // much of it has happened within a second
	if want := strings.Fields("approved contactConfirmed informationNeeded mpaSigned partnerIdAssociated started submitted submitted vettingOverdue"); !slices.Equal(operations, want) {
		t.Errorf("audit %v", operations)
	}
	if got := gorse.do("GET", first, "").want(t, 200).json(t)["status"]; got != "withdrawn" {
		t.Errorf("the first application is %v", got)
	}
	newPartner(t, "alder-admin").do("GET", path, "").code(t, 404, "not_found")

	// The new reseller authorises a provider, which brings it a customer and orders on its behalf (rules N5, N9, P5, P6).
	birch := newPartner(t, "birch")
	_, asked := birch.invite(`{"kind":"partnership","recipientEmail":"partners@gorse.example"}`, "partners@gorse.example")
	reseller, box := newBrowser(t), accepting()
	box["authorizeProvider"] = []string{"on"}
	if page := reseller.submit(reseller.signIn(asked, "admin@gorse.example").want(t, 200), box).want(t, 200).page(t); page != "accepted" {
		t.Fatalf("page %q", page)
	}
	made := birch.post("/v1/customers", `{"companyName":"Rowan GmbH","domain":"rowan.example","country":"US","forReseller":"`+tenant+`"}`).want(t, 201).json(t)
	rowan := "/v1/customers/" + made["id"].(string)
	order := `{"lines":[{"offerId":"ofr-cloud-reserved","quantity":25}],"onBehalfOfReseller":"` + tenant + `"}`
	birch.post(rowan+"/orders", order).code(t, 403, "customer_agreement_required")
	birch.post(rowan+"/agreements", `{"type":"MicrosoftCustomerAgreement","primaryContact":{"firstName":"Rosa","lastName":"Rowan","email":"rosa@rowan.example"},"dateAgreed":"2026-01-15"}`).want(t, 201)
	if first := birch.post(rowan+"/orders", order).want(t, 201).json(t); first["status"] != "completed" {
		t.Errorf("the first order: %v", first)
	}
}
