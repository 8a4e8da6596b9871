package console_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"concord/internal/enrolment"
	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/recipient"
)

// operates signs the operator in.
func (d *desk) operates(path string) (*browser, seen) {
	d.t.Helper()
	b := d.browser()
	return b, b.signIn(path, person(larch, partner.Operator))
}

// TestVetting: the operator finds an application, looks at its evidence, asks, and decides (rules E13, E14, E18).
func TestVetting(t *testing.T) {
	d := open(t)
	applicant := d.browser()
	applicant.signIn("/console/enrolment", person(gorse, partner.GlobalAdmin))
	e := d.apply(applicant)
	b, s := d.operates("/console/operator")
	s.want(t, "console-operator", http.StatusOK)
	s.has(t, "No application here", "No partner’s sending is paused")
	b.get("/console/operator/vetting/"+e.ID).has(t, "Gorse GmbH", "can’t be done at the present stage")
	b.post("/console/operator/vetting/"+e.ID, map[string][]string{"do": {"decide"}, "decision": {"approve"}}).
		want(t, "console-operator-vetting-one", http.StatusConflict)
	d.confirm(e)
	b.get("/console/operator").has(t, "Gorse GmbH", "In review")
	for search, found := range map[string]bool{"gorse": true, e.Reference(): true, string(gorse): true, "willow": false} {
		if s := b.get("/console/operator/vetting?search=" + search); strings.Contains(s.text, e.ID) != found {
			t.Errorf("%q finds it: %v", search, !found)
		}
	}
	at := "/console/operator/vetting/" + e.ID
	b.step(at, "decide", nil).want(t, "console-operator-vetting-one", http.StatusUnprocessableEntity)
	s = b.step(at, "decide", map[string]string{"decision": "reject"})
	s.want(t, "console-operator-vetting-one", http.StatusUnprocessableEntity)
	s.has(t, `href="#f-reason"`)
	b.step(at, "decide", map[string]string{"decision": "needInformation", "reason": "Which register?"}).
		want(t, "console-operator-vetting", http.StatusOK)
	applicant.step("/console/enrolment/check", "submit", map[string]string{"answer": "That of Berlin."})
	b.get(at).has(t, "Which register?", "That of Berlin.", "gorse.example")
	b.step(at, "decide", map[string]string{"decision": "approve"}).has(t, "The decision is sent.")
	if got := d.latest().Status; got != enrolment.Authorized {
		t.Error(got)
	}
}

// TestOverdueLeads: what is overdue is said and stands first (rule E14).
func TestOverdueLeads(t *testing.T) {
	d := open(t)
	applicant := d.browser()
	applicant.signIn("/console/enrolment", person(gorse, partner.GlobalAdmin))
	d.confirm(d.apply(applicant))
	before := d.latest()
	late := before
	late.ReviewDueAt, late.Version = time.Now().UTC().Truncate(time.Second).Add(-time.Hour), before.Version+1
	if err := d.store.WriteEnrolment(t.Context(), enrolment.Change{Before: &before, After: late}); err != nil {
		t.Fatal(err)
	}
	b, _ := d.operates("/console/operator")
	b.get("/console/operator/vetting").has(t, "Overdue")
	today := b.get("/console")
	today.want(t, "console-today", http.StatusOK)
	today.has(t, "Overdue", "Gorse GmbH", "/console/operator/vetting/"+late.ID)
	applicant.get("/console/enrolment").has(t, "taking longer than five business days", "Grove Ltd", late.Reference())
}

// TestPartnerAccounts: the operator finds an account, makes one, gives it a quota, suspends it and cancels its links,
// each with a reason that the history keeps.
func TestPartnerAccounts(t *testing.T) {
	d := open(t)
	i := d.invite(alder, "jo@oak.example")
	b, s := d.operates("/console/operator/partners?search=alder+cloud")
	s.want(t, "console-operator-partners", http.StatusOK)
	s.has(t, "Alder Cloud Services Inc.")
	if strings.Contains(s.text, "Birch") {
		t.Error("the search finds others")
	}
	at := "/console/operator/partners/" + string(alder)
	s = b.step(at, "save", map[string]string{"dailyMails": "many", "reason": "Busy season"})
	s.want(t, "console-operator-partner", http.StatusUnprocessableEntity)
	s.has(t, `href="#f-dailyMails"`)
	b.step(at, "save", map[string]string{"dailyMails": "700", "reason": "Busy season"}).
		has(t, "Saved.", "Busy season", `value="700"`)
	b.get(at+"/reinstate").has(t, "is not in a state")
	b.step(at+"/suspend", "suspend", nil).want(t, "console-operator-partner-suspend", http.StatusUnprocessableEntity)
	b.step(at+"/suspend", "suspend", map[string]string{"reason": "Spam"}).has(t, "Suspended", "/cancel-links", "/reinstate")
	b.step(at+"/cancel-links", "cancel-links", map[string]string{"reason": "Spam"}).has(t, "The open requests are cancelled.")
	if got, err := d.store.Invitation(t.Context(), i.Key, true); err != nil || got.Status != invitation.Cancelled {
		t.Error(got.Status, err)
	}
	b.step(at+"/pause", "pause", map[string]string{"reason": "Spam"}).has(t, "Paused", "By the operator")
	b.step(at+"/resume", "resume", map[string]string{"reason": "Mended"}).has(t, "Mended")
	b.step(at+"/reinstate", "reinstate", map[string]string{"reason": "Mended"}).has(t, "Active")

	s = b.step("/console/operator/partners/new", "create", nil)
	s.want(t, "console-operator-partner-new", http.StatusUnprocessableEntity)
	s.has(t, `href="#f-tenantId"`, `href="#f-contact-email"`)
	s = b.step("/console/operator/partners/new", "create", map[string]string{"tenantId": string(larch), "programRole": "directBill",
		"displayName": "Larch Partners", "cloud": "public", "country": "US", "verifiedDomain": "larch.example",
		"contact-email": "partners@larch.example"})
	s.want(t, "console-operator-partner", http.StatusOK)
	s.has(t, "Larch Partners")
}

// TestSuppressions: what keeps mail from an address is found by it, and lifted with a reason.
func TestSuppressions(t *testing.T) {
	d := open(t)
	const address = "jo@oak.example"
	err := d.store.Record(t.Context(), recipient.Mailings{Recipient: recipient.Of(address), Version: 1,
		Suppressed: &recipient.Suppression{At: time.Now().UTC().Truncate(time.Second), Reason: "bounce"}})
	if err != nil {
		t.Fatal(err)
	}
	b, _ := d.operates("/console/operator/suppressions")
	at := "/console/operator/suppressions"
	b.step(at, "search", map[string]string{"address": "nobody"}).
		want(t, "console-operator-suppressions", http.StatusUnprocessableEntity)
	b.step(at, "search", map[string]string{"address": "pat@oak.example"}).has(t, "Nothing keeps emails from this address.")
	s := b.step(at, "search", map[string]string{"address": address})
	s.want(t, "console-operator-suppressions", http.StatusOK)
	s.has(t, "All partners", "bounce")
	fields := s.fields("lift")
	s = b.post(at, fields)
	s.want(t, "console-operator-suppressions", http.StatusUnprocessableEntity)
	s.has(t, `href="#f-reason"`)
	fields = s.fields("lift")
	fields.Set("reason", "They asked")
	b.follow(b.post(at, fields)).has(t, "allowed again")
	b.step(at, "search", map[string]string{"address": address}).has(t, "Nothing keeps emails from this address.")
}

// TestPausedPartnersNeedTheOperator: the operator's page of today leads to a partner whose sending is paused.
func TestPausedPartnersNeedTheOperator(t *testing.T) {
	d := open(t)
	b, s := d.operates("/console")
	s.has(t, "Nothing needs you")
	a, err := d.store.Account(t.Context(), alder, true)
	if err != nil {
		t.Fatal(err)
	}
	a.Paused = &partner.Pause{At: time.Now(), Reason: partner.Complaints}
	d.store.PutAccount(a)
	s = b.get("/console")
	s.has(t, "Paused", "Alder Cloud Services Inc.")
	if s.href("/console/operator/partners/"+string(alder)) == "" {
		t.Error("the partner’s page is not linked")
	}
}
