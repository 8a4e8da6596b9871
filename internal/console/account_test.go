package console_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"concord/internal/audit"
	"concord/internal/partner"
)

// TestAccount: a partner sees its account, changes whom its customers ask for help, and learns how a program gets in.
func TestAccount(t *testing.T) {
	d := open(t)
	b := d.browser()
	s := b.signIn("/console/account", person(alder, partner.AdminAgent))
	s.want(t, "console-account", http.StatusOK)
	s.has(t, "Alder Cloud Services Inc.", "Direct-bill partner", "Emails left today: 1000 of 1000",
		"grant_type=client_credentials", d.idp.URL,
		"concord-api/.default", d.URL+"/v1", "No PartnerID yet", "partners@alder.example")
	s.has(t, `<option value="daily" selected>One a day</option>`)
	form := s.fields("save")
	form.Set("acceptanceMails", partner.AcceptancesEach)
	form.Set("supportProfile-email", "help@gmail.com")
	form.Set("supportProfile-phone", "+1 555 0101")
	form.Set("supportProfile-name", "The desk")
	s = b.post("/console/account", form)
	s.want(t, "console-account", http.StatusUnprocessableEntity)
	s.has(t, `href="#f-supportProfile-email"`, "The desk", "Webmail addresses aren’t accepted")
	form = s.fields("save")
	form.Set("supportProfile-email", "help@alder.example")
	form.Set("acceptanceMails", partner.AcceptancesEach)
	s = b.follow(b.post("/console/account", form))
	s.has(t, "Saved.", `value="help@alder.example"`)
	form.Set("supportProfile-name", "Another desk")
	form.Set("key", "late")
	late := b.post("/console/account", form)
	late.want(t, "console-account", http.StatusPreconditionFailed)
	late.has(t, "changed meanwhile", "Another desk")
	a, err := d.store.Account(t.Context(), alder, true)
	if err != nil || a.Support.Name != "The desk" || !a.EachAcceptance {
		t.Fatalf("%+v, %v", a.Support, err)
	}
	a.Paused = &partner.Pause{At: time.Now(), Reason: partner.Bounces}
	d.store.PutAccount(a)
	b.get("/console/account").has(t, "Paused", "addresses that don’t exist")
	sales := d.browser()
	s = sales.signIn("/console/account", person(alder, partner.SalesAgent))
	s.has(t, "This is for: Admin agent · Global administrator")
	if s.fields("save") != nil {
		t.Error("a sales agent can save")
	}
	provider := d.browser()
	provider.signIn("/console/account", person(birch, partner.GlobalAdmin)).has(t,
		"Your entry in the provider directory")
}

// TestAudit: who did what, by day, person, customer and action, and as a file; another partner's is not there.
func TestAudit(t *testing.T) {
	d := open(t)
	now := time.Now().UTC().Truncate(time.Second)
	for n, r := range []audit.Record{
		{ID: "aud_1", Operation: "invitation.renewalRequested", ResourceType: audit.Invitation, ResourceID: "inv_1",
			Actor: audit.Actor{Kind: audit.Customer},
			New:   map[string]string{"status": "expired"}, Customer: larch},
		{ID: "aud_2", Operation: "granularAdmin.approvalPending", ResourceType: audit.Granular, ResourceID: "gdap_1",
			Actor: audit.Actor{Kind: audit.User, Subject: "u-jo", Tenant: alder}, Old: map[string]string{"status": "created"},
			New: map[string]string{"status": "approvalPending"}},
		{ID: "aud_3", Operation: "relationship.removed", ResourceType: audit.Relationship, ResourceID: "rel_1",
			Actor: audit.Actor{Kind: audit.User, Subject: "u-pat", Tenant: alder}, Customer: larch},
	} {
		r.Partner, r.At = alder, now.AddDate(0, 0, -n*5)
		if _, err := d.store.AddAudit(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	b := d.browser()
	s := b.signIn("/console/audit", person(alder, partner.GlobalAdmin))
	s.want(t, "console-audit", http.StatusOK)
	s.has(t, "The customer wants a new link", "Terms locked", "Reseller relationship removed",
		"status: created → approvalPending",
		"/console/invitations/inv_1", "actor=u-jo")
	for query, want := range map[string]string{
		"actor=u-pat": "rel_1", "customerId=" + string(larch) + "&resourceType=invitation": "inv_1",
		"operationType=granularAdmin.approvalPending": "gdap_1", "startDate=" + now.AddDate(0, 0,
			-3).Format(time.DateOnly): "inv_1",
		"endDate=" + now.AddDate(0, 0, -8).Format(time.DateOnly): "rel_1",
	} {
		s := b.get("/console/audit?" + query)
		for _, id := range []string{"rel_1", "inv_1", "gdap_1"} {
			if strings.Contains(s.text, id) != (id == want) {
				t.Errorf("%s: %s is there: %v", query, id, id != want)
			}
		}
	}
	b.get("/console/audit?actor=nobody").has(t, "Nothing matches", "Clear filters")
	if f := b.get("/console/audit?format=csv"); strings.Count(f.text, "\n") != 4 || !strings.Contains(f.text, "rel_1") {
		t.Errorf("%s", f.text)
	}
	other := d.browser()
	if s := other.signIn("/console/audit", person(birch, partner.AdminAgent)); strings.Contains(s.text, "rel_1") {
		t.Error("another partner's audit")
	}
	sales := d.browser()
	sales.signIn("/console/audit", person(alder, partner.SalesAgent)).want(t, "console-not-allowed",
		http.StatusForbidden)
}
