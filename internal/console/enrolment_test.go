package console_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
	"time"

	"concord/internal/command"
	"concord/internal/enrolment"
	"concord/internal/link"
	"concord/internal/partner"
	"concord/internal/relationship"
	"concord/internal/terms"
)

// step fills in the form of a page with a verb, and gives where that leads.
func (b *browser) step(path, do string, said map[string]string) seen {
	b.d.t.Helper()
	fields := b.get(path).fields(do)
	if fields == nil {
		b.d.t.Fatalf("%s has no button %q", path, do)
	}
	for name, value := range said {
		fields.Set(name, value)
	}
	return b.follow(b.post(path, fields))
}

// mpa publishes the agreement that partners sign.
func (d *desk) mpa() {
	d.t.Helper()
	body := "Partners behave."
	sum := sha256.Sum256([]byte(body))
	err := d.store.Publish(d.t.Context(), terms.Text{Type: terms.PartnerAgreement, Version: "3", Language: "en",
		Title: "Partner agreement of Grove", Body: body, Hash: hex.EncodeToString(sum[:]), From: time.Now().Add(-time.Hour)})
	if err != nil {
		d.t.Fatal(err)
	}
}

var gorseAddress = map[string]string{
	"legal-entry": "manual", "legal-name": "Gorse GmbH", "legal-address-country": "US", "legal-address-line1": "1 Main Street",
	"legal-address-city": "Redmond", "legal-address-state": "Washington", "legal-address-postalCode": "98052",
}

var gorseContact = map[string]string{
	"primaryContact-firstName": "Grace", "primaryContact-lastName": "Gorse", "primaryContact-email": "grace@gorse.example",
	"primaryContact-phone": "+1 555 0107",
}

// apply goes the way of a company from the first step to the email that its contact gets.
func (d *desk) apply(b *browser) enrolment.Enrolment {
	d.t.Helper()
	b.step("/console/enrolment", "start", nil).want(d.t, "console-enrolment-company", http.StatusOK)
	s := b.step("/console/enrolment/company", "save", gorseAddress)
	s.want(d.t, "console-enrolment-address", http.StatusOK)
	s.has(d.t, "As suggested (recommended)", "WA, 98052", "Washington, 98052")
	b.step("/console/enrolment/address", "save", map[string]string{"addressValidation-choice": "suggested"}).
		want(d.t, "console-enrolment-contact", http.StatusOK)
	b.step("/console/enrolment/contact", "save", gorseContact).want(d.t, "console-enrolment-support", http.StatusOK)
	b.step("/console/enrolment/support", "save", map[string]string{"supportContact-email": "help@gorse.example",
		"supportContact-phone": "+1 555 0108"}).want(d.t, "console-enrolment-partner-id", http.StatusOK)
	s = b.get("/console/enrolment/check")
	s.has(d.t, "Gorse GmbH", "grace@gorse.example", "help@gorse.example", "Associate it later", `href="/console/enrolment/contact"`)
	s = b.step("/console/enrolment/check", "submit", nil)
	s.want(d.t, "console-enrolment", http.StatusOK)
	s.has(d.t, "The application is submitted.", "Waiting for confirmation", "grace@gorse.example")
	return d.latest()
}

func (d *desk) latest() enrolment.Enrolment {
	d.t.Helper()
	e, err := d.store.LatestEnrolment(d.t.Context(), gorse)
	if err != nil {
		d.t.Fatal(err)
	}
	return e
}

// confirm has the primary contact confirm its address.
func (d *desk) confirm(e enrolment.Enrolment) {
	d.t.Helper()
	_, c, err := enrolment.Confirmation{Store: d.store, Now: time.Now}.Confirm(d.t.Context(),
		link.Link{Tenant: string(gorse), ID: e.ID, Generation: e.Verification.Generation},
		relationship.Person{Subject: "grace", Company: relationship.Customer{Tenant: gorse, Domains: []string{"gorse.example"}}}, "c")
	if err != nil || c != enrolment.Confirmed {
		d.t.Fatal(c, err)
	}
}

var operator = command.Command{User: partner.User{Subject: "op", Tenant: larch, Roles: []partner.Role{partner.Operator}},
	IfVersion: command.AnyVersion}

func (d *desk) decide(a enrolment.Action, why string) {
	d.t.Helper()
	_, _, err := d.enrolments.Decide(d.t.Context(), operator, d.latest().ID, enrolment.Decision{Action: a, Reason: why})
	if err != nil {
		d.t.Fatal(err)
	}
}

// TestEnrolment: a company becomes an indirect reseller without anybody who knows the API (rules E1 to E3, E8 to E16).
func TestEnrolment(t *testing.T) {
	d := open(t)
	d.mpa()
	b := d.browser()
	b.signIn("/console/enrolment", person(gorse, partner.GlobalAdmin)).has(t, "Have this at hand", "D-U-N-S", "five business days")
	d.apply(b)
	b.get("/console/enrolment/contact").has(t, "can’t be done at the present stage")
	refused := b.step("/console/enrolment", "resend-verification", nil)
	refused.want(t, "console-enrolment", http.StatusTooManyRequests)
	d.confirm(d.latest())
	b.get("/console/enrolment").has(t, "In review", "Decision due by")
	d.decide(enrolment.NeedInformation, "Which register?")
	b.get("/console/enrolment").has(t, "Information needed", "Which register?")
	s := b.step("/console/enrolment/check", "submit", nil)
	s.want(t, "console-enrolment-check", http.StatusUnprocessableEntity)
	b.step("/console/enrolment/check", "submit", map[string]string{"answer": "That of Berlin."}).has(t, "In review")
	if e := d.latest(); e.Questions[0].Answer != "That of Berlin." {
		t.Errorf("%+v", e.Questions)
	}
	d.decide(enrolment.Approve, "")
	b.get("/console/enrolment").has(t, "Approved", "Until a PartnerID is associated")
	b.get("/console/enrolment/agreement").has(t, "Until a PartnerID is associated", "Partners behave.")
	b.step("/console/enrolment/partner-id", "associate", map[string]string{"partnerId": "123"}).
		want(t, "console-enrolment-partner-id", http.StatusUnprocessableEntity)
	b.step("/console/enrolment/partner-id", "newLocation", nil).has(t, "The PartnerID is associated.", "View the partner agreement")
	if f := b.get("/console/enrolment/agreement?format=txt"); !strings.Contains(f.text, "Partners behave.") ||
		!strings.HasPrefix(f.Header.Get("Content-Disposition"), "attachment") {
		t.Errorf("%v %s", f.Header, f.text)
	}
	s = b.step("/console/enrolment/agreement", "sign", nil)
	s.want(t, "console-enrolment-agreement", http.StatusUnprocessableEntity)
	s.has(t, `href="#f-accepted"`)
	s = b.step("/console/enrolment/agreement", "sign", map[string]string{"accepted": "on"})
	s.want(t, "console-enrolment", http.StatusOK)
	s.has(t, "The partner agreement is signed.", "Signed", "Indirect reseller", "Active", "tick Admin agent")
}

// TestEnrolmentAgain: another address of the contact, by withdrawing and starting again; what was said is kept.
func TestEnrolmentAgain(t *testing.T) {
	d := open(t)
	b := d.browser()
	b.signIn("/console/enrolment", person(gorse, partner.GlobalAdmin))
	s := b.step("/console/enrolment/contact", "save", map[string]string{"primaryContact-firstName": "Grace",
		"primaryContact-email": "grace@gmail.com"})
	s.want(t, "console-enrolment-contact", http.StatusUnprocessableEntity)
	s.has(t, `href="#f-primaryContact-email"`, "Webmail addresses aren’t accepted: give", `value="grace@gmail.com"`)
	d.apply(b)
	b.step("/console/enrolment/withdraw", "withdraw", nil).has(t, "The application is withdrawn.", "Start the enrolment")
	s = b.step("/console/enrolment", "start", nil)
	s.want(t, "console-enrolment-partner-id", http.StatusOK)
	b.get("/console/enrolment/contact").has(t, `value="grace@gorse.example"`)
	fields := b.get("/console/enrolment/contact").fields("save")
	b.step("/console/enrolment/contact", "save", map[string]string{"primaryContact-email": "g@gorse.example"})
	b.post("/console/enrolment/contact", fields).want(t, "console-enrolment-contact", http.StatusPreconditionFailed)
}

// TestEnrolmentByDUNS: the profile is looked up, and an unknown number is said at its field (rule E8).
func TestEnrolmentByDUNS(t *testing.T) {
	d := open(t)
	_, _, err := enrolment.Records{Store: d.store, Now: time.Now}.Put(t.Context(), command.Command{User: operator.User},
		enrolment.CompanyRecord, "000000701",
		enrolment.Statement{Name: "Gorse Inc.", Address: enrolment.Address{Line1: "1 Main Street", City: "Redmond", State: "WA",
			PostalCode: "98052", Country: "US"}})
	if err != nil {
		t.Fatal(err)
	}
	b := d.browser()
	b.signIn("/console/enrolment", person(gorse, partner.GlobalAdmin))
	by := func(number string) seen {
		return b.step("/console/enrolment/company", "save", map[string]string{"legal-entry": "duns", "legal-dunsId": number})
	}
	s := by("000000799")
	s.want(t, "console-enrolment-company", http.StatusUnprocessableEntity)
	s.has(t, `href="#f-legal-dunsId"`)
	by("000000701").has(t, "Gorse Inc.", "1 Main Street, Redmond, WA, 98052, United States")
}

// TestFastTrack: who is a partner already gives the support contact alone (rule E2); a sales agent is told who applies.
func TestFastTrack(t *testing.T) {
	d := open(t)
	a, err := d.store.Account(t.Context(), cedar, true)
	if err != nil {
		t.Fatal(err)
	}
	a.PartnerIDs = []partner.PartnerID{{ID: "4100007", Type: partner.Location, Country: "US"},
		{ID: "4100008", Type: partner.Headquarters, Country: "US"}}
	d.store.PutAccount(a)
	d.mpa()
	b := d.browser()
	b.signIn("/console/enrolment", person(cedar, partner.GlobalAdmin)).has(t, "Only the support contact is needed")
	b.get("/console/enrolment/company").has(t, "Only the support contact is needed")
	b.step("/console/enrolment", "start", nil).want(t, "console-enrolment-support", http.StatusOK)
	b.step("/console/enrolment/support", "save", map[string]string{"supportContact-email": "help@cedar.example",
		"supportContact-phone": "+1 555 0109"}).has(t, "4100007", "headquarters")
	b.step("/console/enrolment/partner-id", "associate", map[string]string{"own": "4100007"}).
		want(t, "console-enrolment-check", http.StatusOK)
	b.step("/console/enrolment/check", "submit", nil).has(t, "Approved")
	b.step("/console/enrolment/agreement", "sign", map[string]string{"accepted": "on"}).has(t, "Signed", "Active")
	sales := d.browser()
	sales.signIn("/console/enrolment", person(alder, partner.SalesAgent)).want(t, "console-enrolment", http.StatusOK)
	sales.get("/console/enrolment/company").want(t, "console-not-allowed", http.StatusForbidden)
}
