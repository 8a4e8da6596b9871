package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"concord/internal/granular"
	"concord/internal/partner"
	"concord/internal/publicid"
)

// relationships are the partner's own granular relationships, newest first.
func (d *desk) relationships(p partner.TenantID) []granular.Relationship {
	d.t.Helper()
	page, err := d.store.GranularRelationships(d.t.Context(), p, granular.Query{Limit: 100, Now: time.Now()})
	if err != nil {
		d.t.Fatal(err)
	}
	return page.Relationships
}

// role gives the id of a role by its name.
func role(t *testing.T, name string) string {
	t.Helper()
	for _, r := range granular.ShippedRoles().Roles {
		if r.Name == name {
			return r.ID
		}
	}
	t.Fatalf("no role %s", name)
	return ""
}

// TestRolesForManyCustomers: one form asks many customers, each by itself, for the roles of a set and single ones; a
// line that fails stays, and what went well is not asked again.
func TestRolesForManyCustomers(t *testing.T) {
	d := open(t)
	b := d.browser()
	s := b.signIn("/console/administration/new", person(alder, partner.AdminAgent))
	s.want(t, "console-granular-new", http.StatusOK)
	s.has(t, `class="note wait"`, "Global Administrator", "Read only", "One email address per line")
	form := s.fields("send")
	form["roleSet"] = []string{"reading"}
	form["unifiedRoles"] = []string{role(t, "License Administrator")}
	form.Set("displayName", "Monthly care")
	form.Set("duration", "P180D")
	form.Set("autoExtendDuration", "P180D")
	form.Set("locale", "de")
	form.Set("recipientEmail", "it@larch.example, Larch Foods\nno address\nit@oak.example")
	s = b.post("/console/administration/new", form)
	s.want(t, "console-granular-new", http.StatusUnprocessableEntity)
	s.has(t, "Not made", "it@larch.example, Larch Foods", "Monthly care", `value="reading" checked`)
	if left := s.textOf("recipientEmail"); left != "no address" {
		t.Errorf("left in the form: %q", left)
	}
	all := d.relationships(alder)
	if len(all) != 2 || all[0].Status != granular.Pending || all[0].Mail.Locale != "de" || !all[0].AutoExtend ||
		len(all[0].Roles) != 5 {
		t.Fatalf("%d: %+v", len(all), all)
	}
	names := all[0].DisplayName + "|" + all[1].DisplayName
	if !strings.Contains(names, "Monthly care Larch Foods") || !strings.Contains(names, "Monthly care oak example") {
		t.Errorf("names %s", names)
	}
	form = s.fields("send")
	form["roleSet"] = []string{"reading"}
	form.Set("displayName", "Monthly care elm")
	form.Set("recipientEmail", "it@elm.example")
	form.Set("duration", "P90D")
	form.Set("autoExtendDuration", "P0D")
	form.Set("locale", "en")
	b.follow(b.post("/console/administration/new", form)).want(t, "console-granular-one", http.StatusOK)
	if n := len(d.relationships(alder)); n != 3 {
		t.Errorf("%d relationships", n)
	}
	b.get("/console/administration?status=approvalPending").has(t, "Monthly care elm", "it@elm.example")

	// What is wrong with the terms is at its field, and nothing is made.
	form.Set("key", "another")
	form["roleSet"], form["unifiedRoles"] = nil, []string{granular.ShippedRoles().GlobalAdministrator}
	form.Set("autoExtendDuration", "P180D")
	form.Set("displayName", "All of it")
	b.post("/console/administration/new", form).has(t, `href="#f-autoExtendDuration"`,
		`checked><span lang="en">Global Administrator`)
	form["unifiedRoles"] = nil
	b.post("/console/administration/new", form).has(t, `href="#f-unifiedRoles"`)
	if n := len(d.relationships(alder)); n != 3 {
		t.Errorf("%d relationships", n)
	}
}

// TestRolesOfACustomer: a draft is changed, locked, mailed and withdrawn; what is active is extended and ended, each
// end on its own page.
func TestRolesOfACustomer(t *testing.T) {
	d := open(t)
	b := d.browser()
	s := b.signIn("/console/administration/new", person(alder, partner.AdminAgent))
	form := s.fields("create")
	form["roleSet"] = []string{"helpdesk"}
	form.Set("displayName", "Helpdesk for Larch")
	form.Set("duration", "P1Y")
	form.Set("autoExtendDuration", "P0D")
	form.Set("customer-tenantId", string(larch))
	s = b.follow(b.post("/console/administration/new", form))
	s.want(t, "console-granular-one", http.StatusOK)
	s.has(t, "Helpdesk Administrator", "Lock for approval", string(larch), "Nobody has been asked yet")
	at := s.Request.URL.Path
	b.get("/console/administration?status=created").has(t, "Helpdesk for Larch")
	save := s.fields("save")
	save.Set("displayName", "Helpdesk of Larch")
	save.Set("duration", "P90D")
	save.Set("autoExtendDuration", "P0D")
	save.Set("do", "save")
	s = b.follow(b.post(at, save))
	s.has(t, "Saved.", "Helpdesk of Larch")
	save.Set("displayName", "Too late")
	save.Set("key", "late")
	b.post(at, save).has(t, "changed meanwhile", "Too late")
	b.follow(b.post(at, s.fields("lockForApproval"))).has(t, "Now send the request", "Terms locked")
	send := b.get(at).fields("send")
	send.Set("recipientEmail", "nobody")
	send.Set("locale", "en")
	b.post(at, send).has(t, `href="#f-recipientEmail"`, `value="nobody"`)
	send.Set("recipientEmail", "it@larch.example")
	send.Set("key", "send")
	b.follow(b.post(at, send)).has(t, "The email is on its way.", "it@larch.example")
	s = b.get(at + "/end")
	s.want(t, "console-granular-end", http.StatusOK)
	s.has(t, "Withdraw the request", "telling the customer is up to you")
	b.follow(b.post(at+"/end", s.fields("terminate"))).has(t, "Withdrawn", "Ended")
	b.get(at+"/end").has(t, "This has ended already.")
}

// TestActiveRoles: what ends first stands first, a Global administrator's strength in amber; it is made to go on, and
// ended.
func TestActiveRoles(t *testing.T) {
	d := open(t)
	now := time.Now().UTC().Truncate(time.Second)
	ids := map[string]string{"Later": publicid.Format(publicid.Granular, [16]byte{1}),
		"Sooner": publicid.Format(publicid.Granular, [16]byte{2})}
	for name, days := range map[string]int{"Later": 200, "Sooner": 20} {
		roles := []string{role(t, "Security Reader")}
		if name == "Later" {
			roles = []string{granular.ShippedRoles().GlobalAdministrator}
		}
		d.store.PutGranular(granular.Relationship{
			Key: granular.Key{Partner: alder, ID: ids[name]}, DisplayName: name, Customer: larch, CustomerName: "Larch Foods",
			Cloud: "public",
			Roles: roles, Duration: granular.Period{Days: days}, Status: granular.Active, Generation: 1, CreatedAt: now,
			ActivatedAt: now,
			EndAt:       now.AddDate(0, 0, days), Reminded: 3, Version: 1,
		})
	}
	b := d.browser()
	s := b.signIn("/console/administration", person(alder, partner.AdminAgent))
	s.want(t, "console-granular", http.StatusOK)
	s.has(t, `<span class="pill wait">Global administrator</span>`)
	if sooner, later := strings.Index(s.text, "Sooner"), strings.Index(s.text, "Later"); sooner < 0 || later < sooner {
		t.Errorf("sooner at %d, later at %d", sooner, later)
	}
	at := "/console/administration/" + ids["Sooner"]
	save := b.get(at).fields("save")
	save.Set("autoExtendDuration", "P180D")
	b.follow(b.post(at, save)).has(t, "Saved.", `value="P180D" selected`)
	s = b.get("/console/administration/" + ids["Later"])
	s.has(t, `class="note wait"`)
	save = s.fields("save")
	save.Set("autoExtendDuration", "P180D")
	b.post("/console/administration/"+ids["Later"], save).has(t, `href="#f-autoExtendDuration"`)
	end := b.get(at + "/end")
	end.has(t, "loses these roles at once", "The reseller relationship")
	b.follow(b.post(at+"/end", end.fields("terminate"))).has(t, "This has ended.")
	if r, err := d.store.GranularRelationship(t.Context(), granular.Key{Partner: alder, ID: ids["Sooner"]},
		true); err != nil || r.Status != granular.Terminated {
		t.Errorf("%v, %v", r.Status, err)
	}
	reader := d.browser()
	s = reader.signIn(at, person(alder, partner.GlobalAdmin))
	s.want(t, "console-granular-one", http.StatusOK)
	if s.fields("save") != nil {
		t.Error("who only reads can save")
	}
	reader.get("/console/administration").has(t, "This is for: Admin agent")
	reader.post(at, url.Values{"do": {"save"}}).want(t, "console-not-allowed", http.StatusForbidden)
}
