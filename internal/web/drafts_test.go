package web_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	"concord/internal/invitation"
	"concord/internal/recipient"
	"concord/internal/relationship"
)

// The partner's own words (rules I6 to I9, X-a).
func TestOwnWords(t *testing.T) {
	a := newAPI(t)
	path := a.draft("admin@larch.example")
	link := linkOf(path)
	act := func(action, k, body string) request {
		r := request{method: "POST", target: path + "/" + action, body: body, header: map[string]string{}}
		if k != "" {
			r.header = key(k)
		}
		return r
	}
	for name, c := range map[string]struct {
		subject, body, code string
	}{
		"no link":         {"x", "Please answer.", "invitation_link_missing"},
		"an altered link": {"x", link + "A", "invitation_link_altered"},
		"two links":       {"x", link + "\n" + link, "invitation_link_altered"},
		"no subject":      {"", link, "validation_failed"},
		"a long subject":  {strings.Repeat("x", 201), link, "validation_failed"},
		"two lines":       {"x\ny", link, "validation_failed"},
		"a long body":     {"x", link + strings.Repeat(" x", 10_000), "validation_failed"},
	} {
		t.Run(name, func(t *testing.T) { a.call(edit(path, "*", c.subject, c.body)).is(422, c.code) })
	}
	unknown := edit(path, "*", "x", link)
	unknown.body = strings.Replace(unknown.body, "{", `{"x":1,`, 1)
	a.call(unknown).is(422, "unknown_field")
	broken := unknown
	broken.body = "{"
	a.call(broken).is(400, "malformed_request")

	mine := edit(path, `"1"`, "Join us, Lena", "Dear Lena,\n"+link+"\nAlder")
	mine.header["Idempotency-Key"] = "words"
	p := a.call(mine).is(200)
	if o := p.object(); o["edited"] != true || o["body"] != "Dear Lena,\n"+link+"\nAlder" || o["clipboardText"] != o["body"] || !strings.HasPrefix(o["mailtoUri"].(string), "mailto:admin@larch.example?subject=Join%20us") {
		t.Errorf("%s", p.body)
	}
	if a.call(mine).is(200).header.Get("Idempotency-Replayed") != "true" {
		t.Error("not replayed")
	}
	mine.body = edit(path, "", "Other", link).body
	a.call(mine).is(422, "idempotency_key_reused")
	if o := a.call(reads(path)["draft"]).is(200).object(); o["subject"] != "Join us, Lena" || !strings.Contains(o["body"].(string), link) {
		t.Errorf("%v", o)
	}

	eml := reads(path)["draft"]
	eml.header = map[string]string{"Accept": "message/rfc822"}
	m, err := mail.ReadMessage(strings.NewReader(string(a.call(eml).is(200).body)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(m.Body); err != nil || m.Header.Get("Subject") != "Join us, Lena" || !strings.Contains(m.Header.Get("To"), "admin@larch.example") {
		t.Errorf("%v, %v", m.Header, err)
	}

	a.call(act("send", "s", "")).is(409, "draft_edited")
	a.call(act("draft/reset", "", `{"x":1}`)).is(422, "unknown_field")
	a.call(act("draft/reset", "", `{`)).is(400, "malformed_request")
	if o := a.call(act("draft/reset", "r", "")).is(200).object(); o["edited"] != false || o["subject"] == "Join us, Lena" {
		t.Errorf("%v", o)
	}
	if a.call(act("draft/reset", "r", "")).is(200).header.Get("Idempotency-Replayed") != "true" {
		t.Error("not replayed")
	}
	a.call(act("draft/reset", "r", `{"x":1}`)).is(422, "idempotency_key_reused")

	a.call(act("done", "", `{"x":1}`)).is(422, "unknown_field")
	a.call(act("done", "", `{`)).is(400, "malformed_request")
	if p := a.call(act("done", "d", "")).is(200); p.str("status") != "pending" || p.str("expiresAt") == "" {
		t.Errorf("%s", p.body)
	}
	if a.call(act("done", "d", "")).is(200).header.Get("Idempotency-Replayed") != "true" {
		t.Error("not replayed")
	}
	a.call(act("done", "d", `{"x":1}`)).is(422, "idempotency_key_reused")
	a.call(act("done", "", "")).is(409, "invalid_transition")
	// After Done, as long as we have mailed nothing (0.41).
	if p := a.call(act("new-link", "n", "")).is(200); p.str("status") != "pending" {
		t.Errorf("%s", p.body)
	}
	if a.call(act("new-link", "n", "")).is(200).header.Get("Idempotency-Replayed") != "true" {
		t.Error("not replayed")
	}
	a.call(edit(path, "*", "x", link)).is(422, "invitation_link_altered") // the older one
	body := a.call(reads(path)["draft"]).is(200).str("body")
	if strings.Contains(body, link) {
		t.Error("the older link is still in the draft")
	}
	a.call(edit(path, "*", "x", body)).is(200)
	a.call(act("draft/reset", "", "")).is(200)
	a.call(act("extend", "", `{"expiresIn":"P91D"}`)).is(422, "validation_failed")
	a.call(act("extend", "", `{"expiresAt":"2026-04-01T00:00:00Z"}`)).is(422, "unknown_field")
	if p := a.call(act("extend", "", `{"expiresIn":"P60D"}`)).is(200); p.str("expiresAt") != "2026-04-30T09:00:00Z" || p.str("status") != "pending" {
		t.Errorf("%s", p.body)
	}
	a.call(act("extend", "", "")).is(422, "validation_failed") // it would end sooner
	a.call(act("extend", "x", `{"expiresIn":"P61D"}`)).is(200)
	a.call(act("extend", "x", `{"expiresIn":"P62D"}`)).is(422, "idempotency_key_reused")
	a.call(act("extend", "", `{`)).is(400, "malformed_request")
	a.call(act("new-link", "n", `{"x":1}`)).is(422, "idempotency_key_reused")
	a.call(act("new-link", "", `{"x":1}`)).is(422, "unknown_field")
	a.call(act("new-link", "", `{`)).is(400, "malformed_request")
	for _, action := range []string{"new-link", "extend"} {
		a.call(request{method: "POST", target: path + "/" + action, header: map[string]string{"If-Match": `"1"`}}).is(412, "precondition_failed")
	}
	mailed := a.draft("mailed@larch.example")
	a.call(request{method: "POST", target: mailed + "/send", header: key("mailed")}).is(202)
	for _, r := range []request{{method: "POST", target: mailed + "/new-link"}, {method: "POST", target: mailed + "/draft/reset"}, edit(mailed, "*", "x", linkOf(mailed))} {
		a.call(r).is(409, "invalid_transition")
	}

	var actions []string
	for _, e := range a.call(reads(path)["events"]).is(200).object()["items"].([]any) {
		event := e.(map[string]any)
		actions = append(actions, event["action"].(string))
		if actor := event["actor"].(map[string]any); actor["kind"] != "user" || actor["subject"] == "" {
			t.Errorf("%v", event)
		}
	}
	if !slices.Equal(actions, []string{"created", "edited", "reset", "done", "relinked", "edited", "reset", "extended", "extended"}) {
		t.Errorf("timeline: %q", actions)
	}

	other := a.draft("other@larch.example")
	a.stored(other, func(i *invitation.Invitation) { i.Cloud = "gone" })
	a.call(edit(other, "*", "x", linkOf(other))).is(422, "cloud_mismatch")
	a.call(request{method: "POST", target: other + "/draft/reset"}).is(422, "cloud_mismatch")
}

func TestRenew(t *testing.T) {
	a := newAPI(t)
	path := a.draft("admin@larch.example")
	renew := func(k, body string) request {
		r := request{method: "POST", target: path + "/renew", body: body, header: map[string]string{}}
		if k != "" {
			r.header = key(k)
		}
		return r
	}
	a.call(renew("1", "")).is(409, "invalid_transition")
	a.call(renew("", "")).is(400, "idempotency_key_required")
	a.call(renew("1", "{")).is(400, "malformed_request")
	a.call(renew("1", `{"x":1}`)).is(422, "unknown_field")
	a.stored(path, func(i *invitation.Invitation) { i.ExpiresAt = start })
	p := a.call(renew("2", "")).is(201)
	id := strings.TrimPrefix(path, "/v1/invitations/")
	if o := p.object(); o["replaces"] != id || o["status"] != "draft" || o["id"] == id || p.header.Get("Location") != "/v1/invitations/"+o["id"].(string) {
		t.Errorf("%s", p.body)
	}
	if again := a.call(renew("2", "")).is(201); again.header.Get("Idempotency-Replayed") != "true" || again.str("id") != p.str("id") {
		t.Errorf("%s", again.body)
	}
	if q := a.call(renew("3", "")).is(409, "duplicate_open_invitation"); q.str("invitationId") != p.str("id") {
		t.Errorf("%s", q.body)
	}
	a.call(renew("2", "{ }")).is(201)

	path = a.call(create("bound", fmt.Sprintf(`{"kind":"reseller","customerTenantId":%q}`, larch))).is(201).header.Get("Location")
	a.stored(path, func(i *invitation.Invitation) { i.Status = invitation.Declined })
	a.customer(larch, relationship.Active, "US")
	a.call(renew("4", "")).is(409, "relationship_exists")
	a.customer(larch, relationship.Removed, "JP")
	a.call(renew("5", "")).is(422, "region_not_allowed")
}

// Quotas (api, "Quotas") and suppression, as the API says them.
func TestLimitsOfMail(t *testing.T) {
	a := newAPI(t)
	post := func(path, action, k string) request {
		return request{method: "POST", target: path + "/" + action, header: key(k)}
	}
	again := func(n int) string {
		return a.call(create(fmt.Sprint("c", n), `{"kind":"reseller","recipientEmail":"admin@larch.example"}`)).is(201).header.Get("Location")
	}
	first := again(0)
	a.call(post(first, "send", "s")).is(202)
	a.call(post(first, "cancel", "c")).is(200)
	second := again(1)
	if p := a.call(post(second, "send", "s")).is(429, "resend_cooldown"); p.header.Get("Retry-After") != "600" {
		t.Errorf("Retry-After %s", p.header.Get("Retry-After"))
	}
	a.now = a.now.Add(10 * time.Minute)
	a.call(post(second, "send", "s")).is(202)
	for n := range 3 {
		a.now = a.now.Add(10 * time.Minute)
		a.call(post(second, "resend", fmt.Sprint("r", n))).is(202)
	}
	a.now = a.now.Add(10 * time.Minute)
	if p := a.call(post(second, "resend", "r9")).is(429, "recipient_quota_exceeded"); p.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	a.call(post(second, "cancel", "c")).is(200)
	third := again(2)
	a.call(post(third, "send", "s")).is(429, "recipient_quota_exceeded")

	one := account(alder, "public")
	one.DailyMails = 6
	a.store.PutAccount(one)
	other := a.draft("it@larch.example")
	a.call(post(other, "send", "s")).is(202)
	a.now = a.now.Add(10 * time.Minute)
	a.call(post(other, "resend", "r")).is(429, "partner_quota_exceeded")
	a.call(post(a.draft("cto@larch.example"), "send", "s")).is(429, "partner_quota_exceeded")

	a.now = a.now.Add(48 * time.Hour)
	for n, address := range []string{"it@larch.example", "cfo@larch.example"} {
		sum := sha256.Sum256([]byte(address))
		hash := hex.EncodeToString(sum[:16])
		m, err := a.store.Mailings(t.Context(), hash, true)
		if err == nil {
			m.Suppressed = &recipient.Suppression{Reason: "bounced", At: a.now}
			m.Version++
			err = a.store.Record(t.Context(), m)
		}
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			a.call(post(other, "resend", "late")).is(409, "recipient_suppressed")
		} else {
			a.call(post(a.draft(address), "send", "s")).is(409, "recipient_suppressed")
		}
	}
}

// One mistake is found once, also where a default would be wrong as well.
func TestExtensionThatIsNoLengthOfTime(t *testing.T) {
	a := newAPI(t)
	at := a.call(create("k", `{"kind":"reseller","recipientEmail":"admin@larch.example"}`)).is(201).header.Get("Location")
	for _, wrong := range []string{`"30"`, `30`, `"P0D"`} {
		p := a.call(request{method: "POST", target: at + "/extend", body: `{"expiresIn":` + wrong + `}`}).is(422, "validation_failed")
		if got := p.findings(); len(got) != 1 {
			t.Errorf("expiresIn %s: %v", wrong, got)
		}
	}
}
