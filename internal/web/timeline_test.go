package web_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"concord/internal/invitation"
	"concord/internal/outbox"
)

func (a *api) listed(query string) []string {
	a.t.Helper()
	var ids []string
	for _, item := range a.call(request{method: "GET", target: "/v1/invitations" + query}).is(200).object()["items"].([]any) {
		ids = append(ids, item.(map[string]any)["id"].(string))
	}
	return ids
}

// Who acted, without who it was at the customer's, without a link and without what an Idempotency-Key is known by.
func TestTimelineOfAnInvitation(t *testing.T) {
	a := newAPI(t)
	path := a.draft("admin@larch.example")
	a.stored(path, func(i *invitation.Invitation) {
		i.Status, i.Answer, i.EndedAt = invitation.Declined, &invitation.Given{Subject: "lena", FullName: "Lena Larch", At: start, Reason: "no-need"}, start
		i.History[0].Key, i.History[0].Body = "k-fingerprint", "b-fingerprint"
		for _, e := range []invitation.Entry{
			{Action: "changed", By: "cleanup"}, {Action: "sent", By: "alder"}, {Action: "mail failed", By: "mailer", Why: "rejected"}, {Action: "resent", By: "alder"},
			{Action: "mailed", By: "mailer"}, {Action: "bounced", By: "feedback", Why: "bounce_permanent"}, {Action: "declined", By: "lena", CorrelationID: "c-2"},
		} {
			e.At = start.Add(time.Hour)
			i.History = append(i.History, e)
		}
	})
	p := a.call(reads(path)["events"]).is(200)
	var got []string
	for _, item := range p.object()["items"].([]any) {
		e := item.(map[string]any)
		actor := e["actor"].(map[string]any)
		got = append(got, fmt.Sprint(e["at"], " ", e["action"], " ", actor["kind"], " ", actor["subject"], " ", e["reason"]))
	}
	if want := []string{
		"2026-03-01T09:00:00Z created user alder <nil>", "2026-03-01T10:00:00Z changed user cleanup <nil>", "2026-03-01T10:00:00Z sent user alder <nil>",
		"2026-03-01T10:00:00Z mailFailed system <nil> rejected", "2026-03-01T10:00:00Z resent user alder <nil>", "2026-03-01T10:00:00Z mailed system <nil> <nil>",
		"2026-03-01T10:00:00Z bounced system <nil> bounce_permanent", "2026-03-01T10:00:00Z declined customer <nil> no-need",
	}; !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for _, told := range []string{"lena", "Lena", "fingerprint", "/i/"} {
		if strings.Contains(string(p.body), told) {
			t.Errorf("%s is in %s", told, p.body)
		}
	}

	path = a.draft("it@larch.example")
	a.now = a.now.AddDate(0, 0, 31)
	items := a.call(reads(path)["events"]).is(200).object()["items"].([]any)
	if last := items[len(items)-1].(map[string]any); last["action"] != "expired" || last["at"] != "2026-03-31T09:00:00Z" || last["actor"].(map[string]any)["kind"] != "system" {
		t.Errorf("a time that is over: %v", last)
	}
}

// Decision 0.9: what has ended leaves the list that asks for no status, after 30 days.
func TestListsLeaveOutWhatEndedLongAgo(t *testing.T) {
	a := newAPI(t)
	declined, open := a.draft("admin@larch.example"), a.draft("it@larch.example")
	for path, change := range map[string]func(*invitation.Invitation){
		declined: func(i *invitation.Invitation) {
			i.Status, i.EndedAt = invitation.Declined, start
			i.Answer = &invitation.Given{FullName: "Lena Larch", At: start}
			i.Mail = invitation.Mail{State: outbox.Bounced, Reason: "bounce_permanent"}
		},
		open: func(i *invitation.Invitation) { i.ExpiresAt = start.AddDate(1, 0, 0) },
	} {
		a.stored(path, change)
	}
	id := func(path string) string { return strings.TrimPrefix(path, "/v1/invitations/") }
	a.now = start.AddDate(0, 0, 30).Add(-time.Second)
	if got := a.listed(""); len(got) != 2 {
		t.Errorf("a second before: %v", got)
	}
	a.now = start.AddDate(0, 0, 30)
	for query, want := range map[string][]string{
		"": {id(open)}, "?kind=reseller": {id(open)}, "?deliveryState=bounced": nil, "?status=declined": {id(declined)}, "?status=draft": {id(open)},
		"?status=all&deliveryState=bounced": {id(declined)}, "?status=declined&deliveryState=delivered": nil, "?status=all&recipientEmail=ADMIN@larch.example": {id(declined)},
		"?status=all&createdBefore=2026-03-01T09:00:00Z": nil,
	} {
		if got := a.listed(query); !slices.Equal(got, want) {
			t.Errorf("%q lists %v, want %v", query, got, want)
		}
	}
	if got := a.listed("?status=all"); len(got) != 2 {
		t.Errorf("all: %v", got)
	}
	a.call(request{method: "GET", target: "/v1/invitations?batch=x"}).is(400, "malformed_request")
}

func TestTheFileIsForWhoeverAsksForIt(t *testing.T) {
	a := newAPI(t)
	path := a.call(create("k", `{"kind":"reseller","recipientEmail":"admin@larch.example","recipientName":"Léna Larch","locale":"fr"}`)).is(201).header.Get("Location")
	for accept, file := range map[string]bool{
		"": false, "*/*": false, "application/json": false, "application/json, message/rfc822": false, "message/rfc822;q=0.5, application/*": false,
		"message/*": false, "message/rfc822;q=0": false, "message/rfc822;q=x": false, "text/html": false, ";": false,
		"message/rfc822": true, "Message/RFC822 ; q=0.9, application/json;q=0.5": true, "message/rfc822, */*;q=0.1": true, "text/html, message/rfc822, application/json;q=0": true,
	} {
		p := a.call(request{method: "GET", target: path + "/draft", header: map[string]string{"Accept": accept}}).is(200)
		contentType, disposition := "application/json", ""
		if file {
			contentType, disposition = "message/rfc822", `attachment; filename="invitation.eml"`
		}
		if h := p.header; h.Get("Content-Type") != contentType || h.Get("Content-Disposition") != disposition || !strings.HasPrefix(h.Get("Vary"), "Accept") || h.Get("ETag") != `"1"` {
			t.Errorf("%q: %v", accept, h)
		}
		if file && (!strings.Contains(string(p.body), "\r\nX-Unsent: 1\r\n") || !strings.HasPrefix(string(p.body), "To: =?utf-8?b?TMOpbmEgTGFyY2g=?= <admin@larch.example>\r\n")) {
			t.Errorf("%s", p.body)
		}
	}
}

// TestALongDraftHasNoMailtoLink (rule I7): then clipboard and file are left (0.16).
func TestALongDraftHasNoMailtoLink(t *testing.T) {
	a := newAPI(t)
	path := a.draft("admin@larch.example")
	long := strings.Repeat("é", 300) + "\n" + linkOf(path)
	if o := a.call(edit(path, `"1"`, "x", long)).is(200).object(); o["mailtoUri"] != nil || o["clipboardText"] != long {
		t.Errorf("%v", o)
	}
	if o := a.call(reads(path)["draft"]).is(200).object(); o["mailtoUri"] != nil || o["clipboardText"] != long || o["edited"] != true {
		t.Errorf("%v", o)
	}
	a.call(request{method: "POST", target: path + "/draft/reset"}).is(200)
	if o := a.call(reads(path)["draft"]).is(200).object(); o["mailtoUri"] == nil || o["edited"] != false {
		t.Errorf("%v", o)
	}
}
