package console_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"concord/internal/audit"
	"concord/internal/invitation"
	"concord/internal/outbox"
	"concord/internal/oversight"
	"concord/internal/partner"
)

// TestReports: what a recipient disputes or reports is in a list of all partners, leads to what can be done, and is
// settled with a note.
func TestReports(t *testing.T) {
	d := open(t)
	i := d.invite(alder, "jo@oak.example")
	r, ok := oversight.ReportOf(audit.Alone(audit.Record{Partner: alder, At: time.Now().UTC().Truncate(time.Second), Actor: audit.Actor{Kind: audit.Customer},
		Operation: "invitation.disputed", ResourceType: audit.Invitation, ResourceID: i.ID, Reason: "not-authorised"}))
	if !ok {
		t.Fatal("no report")
	}
	b, s := d.operates("/console/operator/reports")
	s.want(t, "console-operator-reports", http.StatusOK)
	s.has(t, "Nothing is disputed or reported")
	b.get("/console").has(t, "Nothing needs you", "Applications in review, open disputes and reports")
	if err := d.store.AddReport(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	today := b.get("/console")
	today.has(t, "Answer disputed", "Alder Cloud Services Inc.", "/console/operator/reports/"+r.ID)
	s = b.get("/console/operator/reports")
	s.has(t, "Answer disputed", "Alder Cloud Services Inc.", "The person who answered isn’t authorised", "/console/operator/reports/"+r.ID)
	if file := b.get("/console/operator/reports?format=csv"); !strings.Contains(file.text, "Answer disputed,") {
		t.Error(file.text)
	}
	at := "/console/operator/reports/" + r.ID
	s = b.get(at)
	s.want(t, "console-operator-report", http.StatusOK)
	s.has(t, i.ID, "/console/operator/find?reference="+i.ID, "/console/operator/partners/"+string(alder)+"/suspend")
	if strings.Contains(s.text, "jo@oak") {
		t.Error("what is the partner’s is shown without a reason")
	}
	s = b.step(at, "settle", nil)
	s.want(t, "console-operator-report", http.StatusUnprocessableEntity)
	s.has(t, `href="#f-note"`)
	b.step(at, "settle", map[string]string{"note": "Called both"}).has(t, "The report is settled.", "Nothing is disputed")
	b.get("/console/operator/reports?show=all").has(t, "Settled")
	b.get("/console").has(t, "Nothing needs you")
	b.get(at).has(t, "Called both")
	b.get("/console/operator/reports/rep_x").want(t, "console-not-found", http.StatusNotFound)
}

// TestFindByReference: a reference leads to what it is of, whichever partner's; what is a partner's own opens with a
// reason that its audit has before, for who has opened it alone.
func TestFindByReference(t *testing.T) {
	d := open(t)
	i := d.invite(alder, "jo@oak.example")
	b, s := d.operates("/console/operator/find?reference=" + i.Reference())
	s.want(t, "console-operator-find", http.StatusOK)
	s.has(t, i.Reference())
	at := "/console/operator/find"
	s = b.step(at, "read", map[string]string{"reference": i.Reference()})
	s.want(t, "console-operator-find", http.StatusUnprocessableEntity)
	s.has(t, `href="#f-reason"`, i.Reference())
	trail := func() []audit.Record {
		page, err := d.store.AuditRecords(t.Context(), alder, audit.Query{Before: time.Now().Add(time.Hour), Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		return page.Records
	}
	if len(trail()) > 0 {
		t.Error("what was not opened is in the audit")
	}
	b.step(at, "read", map[string]string{"reference": "ABCDE-FGHIJ", "reason": "fault"}).
		want(t, "console-operator-find", http.StatusUnprocessableEntity)
	b.step(at, "read", map[string]string{"reference": "nonsense!", "reason": "fault"}).has(t, `href="#f-reference"`)
	s = b.step(at, "read", map[string]string{"reference": strings.ToLower(i.Reference()), "reason": "recipient-asked"})
	s.want(t, "console-operator-opened", http.StatusOK)
	s.has(t, "jo@oak.example", "Alder Cloud Services Inc.", "Opened for 15 minutes")
	if got := trail(); len(got) != 1 || got[0].Operation != audit.InvitationRead || got[0].Reason != "recipient-asked" || got[0].Actor.Kind != audit.Operator {
		t.Errorf("%+v", got)
	}
	opened := s.Request.URL.RequestURI()
	other := d.browser()
	p := person(larch, partner.Operator)
	p["sub"] = "another"
	other.signIn("/console/operator", p)
	if s := other.get(opened); strings.Contains(s.text, "jo@oak") {
		t.Error("another operator sees it without a reason")
	}
	b.step(at, "read", map[string]string{"reference": string(alder), "reason": "fault"}).want(t, "console-operator-partner", http.StatusOK)

	applicant := d.browser()
	applicant.signIn("/console/enrolment", person(gorse, partner.GlobalAdmin))
	e := d.apply(applicant)
	b.step(at, "read", map[string]string{"reference": e.Reference(), "reason": "partner-asked"}).want(t, "console-operator-vetting-one", http.StatusOK)
}

// TestHealth: the page says what waits, and what it does not know.
func TestHealth(t *testing.T) {
	d := open(t)
	b, s := d.operates("/console/operator/health")
	s.want(t, "console-operator-health", http.StatusOK)
	s.has(t, "Not known", "has not noted a run", "What became of emails", "To be looked at", "Nothing to do")
	i := d.invite(alder, "jo@oak.example")
	after := i
	after.Version, after.Status = i.Version+1, invitation.Pending
	after.Mail = invitation.Mail{State: outbox.Waiting, Attempts: 1, At: time.Now().UTC().Add(-time.Minute).Truncate(time.Second)}
	if err := d.store.Write(t.Context(), invitation.Change{Before: &i, After: after}); err != nil {
		t.Fatal(err)
	}
	if err := d.store.NoteRun(t.Context(), oversight.Run{At: time.Now().Add(-time.Hour), Left: 4, Complete: true}); err != nil {
		t.Fatal(err)
	}
	b.get("/console/operator/health").has(t, "<dd>1</dd>", "<dd>4</dd>", "has not run for more than 15 minutes")
}

// TestCancelAllLinks: more open requests than a page has time for are cancelled step by step, each looked at once.
func TestCancelAllLinks(t *testing.T) {
	d := open(t)
	const all = 1100
	for n := range all {
		d.invite(alder, fmt.Sprintf("jo%d@oak.example", n))
	}
	b, _ := d.operates("/console/operator")
	at := "/console/operator/partners/" + string(alder)
	b.step(at+"/suspend", "suspend", map[string]string{"reason": "Spam"})
	s := b.step(at+"/cancel-links", "cancel-links", map[string]string{"reason": "Spam"})
	s.want(t, "console-operator-partner-cancel-links", http.StatusOK)
	s.has(t, "So far 1000 requests are cancelled", "Go on", "Spam")
	s = b.follow(b.post(at+"/cancel-links", s.fields("cancel-links")))
	s.want(t, "console-operator-partner", http.StatusOK)
	s.has(t, "The open requests are cancelled.")
	after, open := "", 0
	for {
		page, err := d.store.Invitations(t.Context(), alder, invitation.Query{Status: invitation.AnyStatus, Limit: 100, After: after, Now: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range page.Invitations {
			if i.StatusAt(time.Now()).Open() {
				open++
			}
		}
		if after = page.Next; after == "" {
			break
		}
	}
	if open > 0 {
		t.Errorf("%d are still open", open)
	}
}
