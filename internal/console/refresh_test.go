package console_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"concord/internal/partner"
	"concord/internal/relationship"
	"concord/internal/session"
)

// TestRolesAreFetchedAgain: a page asks the provider for roles older than half an hour, without a question to the person, and goes on with
// what it says now; a form is not done by who has roles older than an hour.
func TestRolesAreFetchedAgain(t *testing.T) {
	d := open(t)
	cloud := partner.Cloud{ID: "public", BaseURL: d.URL}
	room := &session.Room{Cookie: "concord-console", Use: "console", Keys: keys{}, Clouds: partner.Clouds{cloud}}
	w := httptest.NewRecorder()
	err := room.Keep(t.Context(), w, cloud, session.Session{
		Since: time.Now().Add(-2 * time.Hour).Unix(),
		Person: relationship.Person{
			Subject: "u-alder", Roles: []partner.Role{partner.AdminAgent}, Company: relationship.Customer{Tenant: alder, Cloud: "public"},
		},
	}, "")
	if err != nil {
		t.Fatal(err)
	}
	at, err := url.Parse(d.URL)
	if err != nil {
		t.Fatal(err)
	}
	b := d.browser()
	b.Jar.SetCookies(at, w.Result().Cookies())
	b.post("/console/kit", url.Values{"fullName": {"Lara"}}).want(t, "session-over", http.StatusUnauthorized)
	d.idp.Person(person(alder, partner.GlobalAdmin)) // no agent any more
	s := b.get("/console/invitations")
	if to := s.Header.Get("Location"); s.StatusCode != http.StatusSeeOther || !strings.Contains(to, "prompt=none") {
		t.Fatalf("%d to %q", s.StatusCode, to)
	}
	s = b.follow(s)
	s.want(t, "console-invitations", http.StatusOK)
	s.has(t, "only agents can send")
	b.post("/console/invitations/inv_x", url.Values{"do": {"resend"}}).want(t, "console-not-allowed", http.StatusForbidden)
}
