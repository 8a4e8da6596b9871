package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"mime/quotedprintable"
	"net/mail"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// drafted creates an invitation that nobody mails; it gives its path, and the link and the ETag of its draft.
func (p *partner) drafted(body string) (path, link, tag string) {
	p.t.Helper()
	path = "/v1/invitations/" + p.post("/v1/invitations", body).want(p.t, 201).json(p.t)["id"].(string)
	draft := p.do("GET", path+"/draft", "").want(p.t, 200)
	link = aloneOnLine.FindString(draft.json(p.t)["body"].(string))
	if link == "" {
		p.t.Fatal("the draft has no link alone on a line")
	}
	noteSecret(link)
	return path, link, draft.Header.Get("ETag")
}

// edit gives a draft words of the partner's own.
func (p *partner) edit(path, tag, subject, body string) answer {
	p.t.Helper()
	words, err := json.Marshal(map[string]string{"subject": subject, "body": body})
	if err != nil {
		p.t.Fatal(err)
	}
	var header []string
	if tag != "" {
		header = []string{"If-Match", tag}
	}
	return p.do("PUT", path+"/draft", string(words), header...)
}

// timeline gives action and kind of actor of everything that has happened to an invitation.
func (p *partner) timeline(path string) []string {
	p.t.Helper()
	var all []string
	for _, item := range p.do("GET", path+"/events", "").want(p.t, 200).json(p.t)["items"].([]any) {
		e := item.(map[string]any)
		all = append(all, fmt.Sprint(e["action"], " ", e["actor"].(map[string]any)["kind"]))
	}
	return all
}

func (p *partner) status(path string) any {
	p.t.Helper()
	return p.do("GET", path, "").want(p.t, 200).json(p.t)["status"]
}

// A partner mails its own words; the customer answers by the link that stands in them.
func TestPartnerMailsItsOwnWords(t *testing.T) {
	alder := newPartner(t, "alder")
	path, link, tag := alder.drafted(`{"kind":"reseller","recipientEmail":"own-words@oak.example","recipientName":"Olga Oak"}`)

	for name, c := range map[string]struct{ body, code string }{
		"no link":         {"Dear Olga", "invitation_link_missing"},
		"an altered link": {link[:len(link)-1], "invitation_link_altered"},
		"a longer link":   {link + "/sign-in", "invitation_link_altered"},
		"two links":       {link + "\n" + link, "invitation_link_altered"},
		"the token alone": {link + "\n" + link[strings.LastIndex(link, "/")+1:], "invitation_link_altered"},
	} {
		refused := alder.edit(path, tag, "x", c.body).code(t, 422, c.code)
		if found := refused.json(t)["errors"].([]any)[0].(map[string]any); found["pointer"] != "/body" {
			t.Errorf("%s: %v", name, found)
		}
	}
	alder.edit(path, "", "x", link).code(t, 428, "precondition_required")
	alder.edit(path, `"99"`, "x", link).code(t, 412, "precondition_failed")

	const subject = "Oak et Alder: la suite"
	body := "Dear Olga,\n\nas we said:\n\n" + link + "\n\nYours, Ada"
	edited := alder.edit(path, tag, subject, body).want(t, 200)
	alder.edit(path, tag, "late", link).code(t, 412, "precondition_failed")
	shown := alder.do("GET", path+"/draft", "").want(t, 200)
	if d := shown.json(t); d["edited"] != true || d["subject"] != subject || d["body"] != body || d["clipboardText"] != body || string(shown.body) != string(edited.body) ||
		shown.Header.Get("ETag") != edited.Header.Get("ETag") || shown.Header.Get("ETag") == tag {
		t.Errorf("the edited draft is not what was written")
	}

	file := alder.do("GET", path+"/draft", "", "Accept", "message/rfc822").want(t, 200)
	message, err := mail.ReadMessage(strings.NewReader(string(file.body)))
	if err != nil {
		t.Fatal(err)
	}
	said, err := io.ReadAll(quotedprintable.NewReader(message.Body))
	if err != nil || strings.ReplaceAll(string(said), "\r\n", "\n") != body || message.Header.Get("Subject") != subject || message.Header.Get("X-Unsent") != "1" ||
		!strings.Contains(file.Header.Get("Content-Disposition"), `"invitation.eml"`) {
		t.Errorf("the file: %v, %v", message.Header, err)
	}
	if to, err := message.Header.AddressList("To"); err != nil || len(to) != 1 || to[0].Address != "own-words@oak.example" {
		t.Errorf("the file goes to %v, %v", to, err)
	}

	alder.post(path+"/send", "").code(t, 409, "draft_edited")
	done := alder.post(path+"/done", "").want(t, 200).json(t)
	if done["status"] != "pending" || done["expiresAt"] == nil || done["delivery"].(map[string]any)["state"] != "notSent" {
		t.Errorf("done: %v", done)
	}
	alder.post(path+"/send", "").code(t, 409, "draft_edited")
	alder.edit(path, "*", "Still my own words", "Hello\n\n"+link).want(t, 200) // 0.41: we have mailed nothing

	person := newBrowser(t)
	if page := person.get(link).want(t, 200).page(t); page != "review" {
		t.Fatalf("the link leads to %q", page)
	}
	if page := person.submit(person.signIn(link, "admin@oak.example").want(t, 200), accepting()).want(t, 200).page(t); page != "accepted" {
		t.Fatalf("page %q", page)
	}
	if got := alder.timeline(path); !slices.Equal(got, []string{"created user", "edited user", "done user", "edited user", "accepted customer"}) {
		t.Errorf("timeline: %q", got)
	}
	if events := string(alder.do("GET", path+"/events", "").want(t, 200).body); strings.Contains(events, "/i/") || strings.Contains(events, "oak.example") {
		t.Error("the timeline says too much")
	}
	alder.do("GET", path+"/draft", "").code(t, 409, "invitation_already_accepted")
}

// 0.15: the link of a draft works from the start, and its answer ends it.
func TestDraftIsAnsweredBeforeDone(t *testing.T) {
	alder := newPartner(t, "alder")
	path, link, _ := alder.drafted(`{"kind":"reseller","recipientEmail":"early@oak.example"}`)
	b := newBrowser(t)
	declining := url.Values{"answer": {"decline"}, "authorized": {"on"}, "fullName": {"Olga Oak"}, "jobTitle": {"CIO"}, "reason": {"no-need"}}
	if page := b.submit(b.signIn(link, "admin@oak.example").want(t, 200), declining).want(t, 200).page(t); page != "declined" || alder.status(path) != "declined" {
		t.Errorf("page %q, status %v", page, alder.status(path))
	}
	alder.post(path+"/done", "").code(t, 409, "invitation_already_declined")

	// Renewed, it is another invitation with a link of its own; the old one stays as it is.
	again := alder.post(path+"/renew", "").want(t, 201)
	renewed := again.Header.Get("Location")
	if d := again.json(t); "/v1/invitations/"+d["replaces"].(string) != path || d["status"] != "draft" || d["recipientEmail"] != "early@oak.example" || alder.status(path) != "declined" {
		t.Errorf("renewed: %s", again.body)
	}
	newer := aloneOnLine.FindString(alder.do("GET", renewed+"/draft", "").want(t, 200).json(t)["body"].(string))
	noteSecret(newer)
	if newer == link || newBrowser(t).get(newer).want(t, 200).page(t) != "review" {
		t.Error("the renewed invitation has no link of its own")
	}
	duplicate := alder.post(path+"/renew", "").code(t, 409, "duplicate_open_invitation")
	if "/v1/invitations/"+duplicate.json(t)["invitationId"].(string) != renewed {
		t.Errorf("duplicate: %s", duplicate.body)
	}
	alder.post(renewed+"/renew", "").code(t, 409, "invalid_transition")
	alder.post(renewed+"/cancel", "").want(t, 200)
}

func TestResetGivesTheTemplateBack(t *testing.T) {
	alder := newPartner(t, "alder")
	path, link, tag := alder.drafted(`{"kind":"reseller","recipientEmail":"reset@oak.example","locale":"fr"}`)
	before := alder.do("GET", path+"/draft", "").want(t, 200).json(t)
	alder.edit(path, tag, "Other words", "see "+link).want(t, 200)
	alder.post(path+"/send", "").code(t, 409, "draft_edited")
	reset := alder.post(path+"/draft/reset", "").want(t, 200).json(t)
	for name, was := range before {
		if reset[name] != was {
			t.Errorf("%s is not what it was before", name)
		}
	}
	if strings.Contains(dump(t), "Other words") {
		t.Error("words that were taken back are still in the table")
	}
	alder.post(path+"/send", "").want(t, 202)
	if m := mailTo(t, "reset@oak.example", 1)[0]; m.Subject != before["subject"] || linkIn(t, m) != link {
		t.Error("the mail is not the template with the link of the draft")
	}
}

func TestRenewAfterExpiry(t *testing.T) {
	alder := newPartner(t, "alder")
	path, link, _ := alder.drafted(`{"kind":"reseller","recipientEmail":"renew@oak.example","tags":{"campaign":"spring"}}`)
	alder.post(path+"/renew", "").code(t, 409, "invalid_transition")
	alder.post(path+"/done", "").want(t, 200)
	advance(t, "P31D")
	if got := alder.timeline(path); alder.status(path) != "expired" || !slices.Equal(got, []string{"created user", "done user", "expired system"}) {
		t.Errorf("%v, %q", alder.status(path), got)
	}
	again := alder.post(path+"/renew", "").want(t, 201)
	if d := again.json(t); "/v1/invitations/"+d["replaces"].(string) != path || d["tags"].(map[string]any)["campaign"] != "spring" {
		t.Errorf("renewed: %s", again.body)
	}
	alder.post(again.Header.Get("Location")+"/send", "").want(t, 202)
	if newer := linkIn(t, mailTo(t, "renew@oak.example", 1)[0]); newer == link || newBrowser(t).get(newer).want(t, 200).page(t) != "review" {
		t.Error("the renewed invitation is not mailed with a link of its own")
	}
	if page := newBrowser(t).get(link).want(t, 410).page(t); page != "expired" {
		t.Errorf("the older link leads to %q", page)
	}

	// 30 days after it ended it leaves the list that asks for no status.
	lists := func(query string) bool {
		for {
			page := alder.do("GET", "/v1/invitations?limit=100"+query, "").want(t, 200).json(t)
			if slices.ContainsFunc(page["items"].([]any), func(i any) bool { return "/v1/invitations/"+i.(map[string]any)["id"].(string) == path }) {
				return true
			}
			next, more := page["nextCursor"].(string)
			if !more {
				return false
			}
			query = query[:len(query)-len(cursorIn(query))] + "&cursor=" + url.QueryEscape(next)
		}
	}
	if !lists("") {
		t.Error("it has just expired, and is not listed")
	}
	advance(t, "P30D")
	if lists("") || !lists("&status=expired") || !lists("&status=all") {
		t.Error("it expired a month ago: who asks for no status does not see it, who asks for it does")
	}
}

// cursorIn gives the end of a query that holds the cursor.
func cursorIn(query string) string {
	if i := strings.Index(query, "&cursor="); i >= 0 {
		return query[i:]
	}
	return ""
}

// Ten minutes between two mails to a recipient, whichever invitation they are about.
func TestCooldownIsTheRecipients(t *testing.T) {
	alder := newPartner(t, "alder")
	first, _ := alder.invite(`{"kind":"reseller","recipientEmail":"cooldown@oak.example"}`, "cooldown@oak.example")
	alder.post("/v1/invitations/"+first+"/cancel", "").want(t, 200)
	second, _, _ := alder.drafted(`{"kind":"reseller","recipientEmail":"COOLDOWN@oak.example"}`)
	refused := alder.post(second+"/send", "").code(t, 429, "resend_cooldown")
	if wait, err := strconv.Atoi(refused.Header.Get("Retry-After")); err != nil || wait < 1 || wait > 600 {
		t.Errorf("Retry-After %q", refused.Header.Get("Retry-After"))
	}
	if alder.status(second) != "draft" {
		t.Errorf("refused, and yet %v", alder.status(second))
	}
	newPartner(t, "birch").invite(`{"kind":"reseller","recipientEmail":"cooldown@oak.example"}`, "cooldown@oak.example") // its own cooldown
	advance(t, "PT10M")
	alder.post(second+"/send", "").want(t, 202)
	mailTo(t, "cooldown@oak.example", 3)
}
