package console_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"concord/internal/command"
	"concord/internal/enrolment"
	"concord/internal/partner"
	"concord/internal/problem"
)

// TestRecords: the operator adds a company and a PartnerID, changes them against a conflict, takes one out of use, and
// keeps its days off (rules E6, E8, E14).
func TestRecords(t *testing.T) {
	d := open(t)
	b, s := d.operates("/console/operator/records")
	s.want(t, "console-operator-records", http.StatusOK)
	s.has(t, "No record here", `href="/console/operator/records/company/new"`)
	at := "/console/operator/records/company/new"
	s = b.step(at, "save", map[string]string{"dunsId": "12"})
	s.want(t, "console-operator-record-new", http.StatusUnprocessableEntity)
	s.has(t, `href="#f-dunsId"`)
	b.step(at, "save", map[string]string{"dunsId": "123456789"}).has(t, `href="#f-name"`, `href="#f-address-line1"`, `value="123456789"`)
	oak := map[string]string{"dunsId": "123456789", "name": "Oak Ltd", "address-line1": "1 Main Street", "address-city": "Reno",
		"address-state": "NV", "address-postalCode": "89501", "address-country": "US"}
	s = b.step(at, "save", oak)
	s.want(t, "console-operator-record", http.StatusOK)
	s.has(t, "Oak Ltd", "123456789", "Saved.")
	oak["name"] = "Oak Limited"
	b.step(at, "save", oak).has(t, "There is a record of this id already", `value="Oak Ltd"`)

	one := "/console/operator/records/company/123456789"
	fields := b.get(one).fields("save")
	operator := command.Command{User: partner.User{Subject: "else", Tenant: larch, Roles: []partner.Role{partner.Operator}}, IfVersion: command.AnyVersion}
	records := enrolment.Records{Store: d.store, Now: time.Now}
	r, err := records.Record(t.Context(), operator.User, enrolment.CompanyRecord, "123456789")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := records.Put(t.Context(), operator, r.Kind, r.ID, enrolment.Statement{Name: "Oak GmbH", Address: r.Company.Address}); err != nil {
		t.Fatal(err)
	}
	fields.Set("name", "Oak LLC")
	fields.Set("address-country", "US")
	s = b.post(one, fields)
	s.want(t, "console-operator-record", http.StatusPreconditionFailed)
	s.has(t, "Last changed", `value="Oak LLC"`)
	b.step(one, "save", map[string]string{"retired": "on", "address-country": "US", "reason": "Closed"}).has(t, "Saved.", "Closed")
	b.get("/console/operator/records").has(t, "Out of use", "Oak GmbH")
	if _, err := records.Company(t.Context(), "123456789"); !problem.Is(err, problem.NotFound) {
		t.Errorf("a company that is out of use is found: %v", err)
	}
	b.get("/console/operator/records/company/987654321").want(t, "console-not-found", http.StatusNotFound)

	b.step("/console/operator/records/partner-id/new", "save", map[string]string{"partnerId": "PL-1", "name": "Oak", "type": "location", "country": "US"}).
		has(t, `href="#f-partnerId"`)
	b.step("/console/operator/records/partner-id/new", "save",
		map[string]string{"partnerId": "PL1", "name": "Oak", "type": "location", "country": "US", "tenantId": string(larch)}).
		want(t, "console-operator-record", http.StatusOK)
	s = b.get("/console/operator/records?kind=partnerId")
	s.has(t, "PL1", "Location", "In use")
	if file := b.get("/console/operator/records?kind=partnerId&format=csv"); !strings.Contains(file.text, "PL1,Oak") {
		t.Error(file.text)
	}
}

// TestDaysOff: the calendar is the usual one until the operator says something else (rule E14).
func TestDaysOff(t *testing.T) {
	d := open(t)
	b, s := d.operates("/console/operator/records?kind=calendar")
	s.has(t, "Saturday", "Sunday", "Change the days off")
	at := "/console/operator/records/calendar"
	if text := b.get(at).text; strings.Count(text, " checked") != 2 {
		t.Error("the usual weekend is not shown")
	}
	s = b.step(at, "save", map[string]string{"weekend-friday": "on", "holidays": "2026-12-25\nsoon"})
	s.want(t, "console-operator-calendar", http.StatusUnprocessableEntity)
	s.has(t, `href="#f-holidays"`, "soon")
	s = b.step(at, "save", map[string]string{"weekend-friday": "on", "holidays": "2026-12-25\r\n2026-12-24"})
	s.want(t, "console-operator-records", http.StatusOK)
	s.has(t, "Friday", "2026-12-24", "2026-12-25")
	if strings.Contains(s.text, "Saturday") {
		t.Error("the former weekend is still there")
	}
	b.get("/console/operator/records?kind=texts").want(t, "console-operator-records", http.StatusOK)
}
