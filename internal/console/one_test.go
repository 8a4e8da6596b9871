package console_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"concord/internal/command"
	"concord/internal/invitation"
	"concord/internal/outbox"
	"concord/internal/partner"
)

var agent = partner.User{Subject: "a", Tenant: alder, Cloud: "public", Roles: []partner.Role{partner.AdminAgent}}

// mailed has the mail of an invitation sent some time ago, as the mailer would.
func (d *desk) mailed(i invitation.Invitation, ago time.Duration) invitation.Invitation {
	d.t.Helper()
	i, _, err := d.service.Send(d.t.Context(), command.Command{User: agent}, i.ID)
	if err != nil {
		d.t.Fatal(err)
	}
	after := i
	after.Version++
	after.Mail.State, after.Mail.SentAt, after.ExpiresAt = outbox.Sent, time.Now().UTC().Truncate(
		time.Second,
	).Add(
		-ago,
	), time.Now().UTC().Truncate(
		time.Second,
	).Add(
		i.Duration,
	)
	if err := d.store.Write(d.t.Context(), invitation.Change{Before: &i, After: after}); err != nil {
		d.t.Fatal(err)
	}
	return after
}

// TestWhatCanBeDoneWithAnInvitation: extended, given another address and sent again in one step, renewed, with a new
// link; what cannot be done now is shown with its reason.
func TestWhatCanBeDoneWithAnInvitation(t *testing.T) {
	d := open(t)
	i := d.invite(alder, "jo@larch.example")
	at := "/console/invitations/" + i.ID
	b := d.browser()
	s := b.signIn(at, person(alder, partner.SalesAgent))
	s.has(t, "Open the draft", "Nobody has emailed this yet")
	to := b.post(at, s.fields("new-link"))
	if to.Header.Get("Location") != at+"/draft" {
		t.Fatalf("%d %s", to.StatusCode, to.page())
	}
	i, _ = d.store.Invitation(t.Context(), i.Key, true)
	i = d.mailed(i, time.Minute)
	s = b.get(at)
	s.has(t, "You can send again from", "Sent")
	if s.fields("resend") != nil {
		t.Error("it can be sent again at once")
	}
	f := s.fields("extend")
	f.Set("expiresIn", "P90D")
	b.follow(b.post(at, f)).has(t, "open for longer", "Extended")
	f = b.get(at).fields("correct")
	f.Set("recipientEmail", "not an address")
	bad := b.post(at, f)
	bad.want(t, "console-invitation", http.StatusUnprocessableEntity)
	bad.has(t, `value="not an address"`, `href="#f-recipientEmail"`)
	f = bad.fields("correct")
	f.Set("recipientEmail", "joe@larch.example")
	done := b.post(at, f)
	fresh := done.Header.Get("Location")
	if done.StatusCode != http.StatusSeeOther || fresh == at {
		t.Fatalf("%d %q %s", done.StatusCode, fresh, done.page())
	}
	b.follow(done).has(t, "joe@larch.example", "on its way to the corrected address", "The earlier request")
	s = b.get(at)
	s.has(t, "Cancelled", "recipient corrected", "Renew the request")
	// The same form once more makes nothing new.
	if again := b.post(at, f); again.Header.Get("Location") != fresh {
		t.Errorf("again %d %q", again.StatusCode, again.Header.Get("Location"))
	}
	renewed := b.post(at, s.fields("renew"))
	if renewed.StatusCode != http.StatusSeeOther || !strings.HasSuffix(renewed.Header.Get("Location"), "/draft") {
		t.Errorf("renewed %d %q", renewed.StatusCode, renewed.Header.Get("Location"))
	}
	// Who only reads sees what there is, and why it is not for them.
	reader := d.browser()
	s = reader.signIn(fresh, person(alder, partner.GlobalAdmin))
	s.has(t, "This is for: Admin agent · Sales agent")
	if s.fields("cancel") != nil || s.fields("extend") != nil {
		t.Error("a Global admin may change requests")
	}
}

// TestSeveral: boxes of the list lead to a page that says to whom, and then to what became of each.
func TestSeveral(t *testing.T) {
	d := open(t)
	one, two := d.invite(alder, "jo@larch.example"), d.invite(alder, "pat@oak.example")
	other := d.invite(birch, "secret@oak.example")
	b := d.browser()
	s := b.signIn("/console/invitations?status=draft&status=pending", person(alder, partner.AdminAgent))
	s.has(t, "jo@larch.example", "pat@oak.example", `name="id" value="`+one.ID)
	f := s.fields("cancel")
	f["id"] = []string{one.ID, two.ID}
	to := b.post("/console/invitations?status=draft", f)
	s = b.follow(to)
	s.want(t, "console-invitations-several", http.StatusOK)
	s.has(t, "Cancel 2 requests", "jo@larch.example", "pat@oak.example", "can’t undo")
	if _, _, err := d.service.Cancel(t.Context(), command.Command{User: agent}, two.ID, ""); err != nil {
		t.Fatal(err)
	}
	f = s.fields("cancel")
	f["id"] = []string{one.ID, two.ID}
	f.Set("reason", "Project stopped")
	s = b.follow(b.post("/console/invitations/several", f))
	s.want(t, "console-invitations-several", http.StatusOK)
	s.has(t, "Done: 1. Not done: 1.", "already been cancelled")
	if got, _ := d.store.Invitation(t.Context(), one.Key, true); got.CancelReason() != "Project stopped" {
		t.Errorf("%+v", got.History)
	}
	b.get("/console/invitations/several?do=cancel&id="+other.ID).want(t, "console-not-found", http.StatusNotFound)
	b.post(
		"/console/invitations/several",
		url.Values{"do": {"cancel"}, "id": {other.ID}},
	).want(
		t,
		"console-not-found",
		http.StatusNotFound,
	)
}

// TestFilters: each keeps what it asks for, and leaves the rest out.
func TestFilters(t *testing.T) {
	d := open(t)
	jo, pat := d.invite(alder, "jo@larch.example"), d.invite(alder, "pat@oak.example")
	if _, _, err := d.service.Cancel(t.Context(), command.Command{User: agent}, pat.ID, ""); err != nil {
		t.Fatal(err)
	}
	b := d.browser()
	b.signIn("/console", person(alder, partner.AdminAgent))
	for query, want := range map[string][2]bool{
		"status=draft": {true, false}, "status=cancelled": {false, true}, "status=draft&status=cancelled": {true, true}, "text=LARCH": {true, false},
		"reference=" + strings.ToLower(pat.Reference()): {false, true}, "mine=on": {false, false}, "waiting=on": {true, false},
		"kind=dualReseller": {false, false}, "deliveryState=notSent": {true, true}, "batchId=bat_x": {false, false}, "": {true, true},
	} {
		s := b.get("/console/invitations?" + query)
		s.want(t, "console-invitations", http.StatusOK)
		for n, id := range []string{jo.ID, pat.ID} {
			if got := strings.Contains(s.text, "/console/invitations/"+id); got != want[n] {
				t.Errorf("%s: %d is there: %v", query, n, got)
			}
		}
	}
}
