// Package e2e goes the whole way of an invitation through the local stack: the functions' real binaries behind the routes,
// stream mappings and schedules of template.yaml, a real DynamoDB engine, a real identity provider, and SES's wire protocol.
package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestCustomerAcceptsAndIsListed(t *testing.T) {
	alder := newPartner(t, "alder")
	roles := alder.do("GET", "/v1/roles/me", "").want(t, 200).json(t)
	if roles["programRole"] != "directBill" || roles["country"] != "US" || roles["cloud"] != "public" {
		t.Fatalf("roles/me: %v", roles)
	}

	created := alder.post("/v1/invitations", `{"kind":"reseller","recipientEmail":"First@Larch.example","recipientName":"Lara Larch","requestDelegatedAdmin":true}`).want(t, 201)
	inv := created.json(t)
	id := inv["id"].(string)
	if inv["status"] != "draft" || inv["locale"] != "en" || inv["recipientEmail"] != "First@Larch.example" {
		t.Fatalf("created: %s", created.body)
	}
	draft := alder.do("GET", "/v1/invitations/"+id+"/draft", "").want(t, 200).json(t)
	draftLink := aloneOnLine.FindString(draft["body"].(string))
	noteSecret(draftLink)
	if draft["edited"] != false || !strings.HasPrefix(draft["mailtoUri"].(string), "mailto:") || draftLink == "" {
		t.Fatal("an unedited draft has a mailto URI, and the link alone on a line")
	}

	sent := alder.post("/v1/invitations/"+id+"/send", "").want(t, 202).json(t)
	if sent["status"] != "pending" {
		t.Fatalf("sent: %v", sent)
	}
	mail := mailTo(t, "first@larch.example", 1)[0]
	link := linkIn(t, mail)
	if link != draftLink || !strings.Contains(mail.Body.HTML, link) || mail.Subject != draft["subject"] {
		t.Error("the mail says what the draft said, with the same link")
	}
	if len(link) >= 200 {
		t.Errorf("the link has %d characters", len(link))
	}

	alder.arrived(id)
	before := dump(t)
	person := newBrowser(t)
	for range 20 {
		page := person.get(link).want(t, 200)
		if page.page(t) != "review" {
			t.Fatalf("page %q", page.page(t))
		}
		head, err := http.Head(link)
		if h := read(t, head, err).want(t, 200); len(h.body) != 0 {
			t.Fatal("HEAD has a body")
		}
	}
	form := person.signIn(link, "admin@larch.example").want(t, 200)
	if form.page(t) != "answer" || form.Request.URL.Path != strings.TrimPrefix(link, local.URL) {
		t.Fatalf("after sign-in: page %q at another place", form.page(t))
	}
	if after := dump(t); before != after {
		t.Errorf("reading and signing in changed the table:\n%s", differ(before, after))
	}
	if page := person.submit(form, url.Values{"answer": {"accept"}}).want(t, 422); page.page(t) != "answer" {
		t.Fatalf("an incomplete form: page %q", page.page(t))
	}
	if dump(t) != before {
		t.Error("an incomplete form changed the table")
	}
	result := person.submit(form, accepting()).want(t, 200)
	reference := result.text(t, "reference")
	if result.page(t) != "accepted" || reference == "" {
		t.Fatalf("result: page %q, reference %q", result.page(t), reference)
	}
	stood := dump(t)
	if again := person.submit(form, accepting()).want(t, 200); again.text(t, "reference") != reference {
		t.Error("the same answer shows the same result")
	}
	if dump(t) != stood {
		t.Error("a repeated answer changed the table")
	}
	if page := newBrowser(t).get(link).want(t, 410).page(t); page != "answered" {
		t.Errorf("a used link: page %q", page)
	}

	customers := alder.do("GET", "/v1/customers", "").want(t, 200).json(t)["items"].([]any)
	at := slices.IndexFunc(customers, func(c any) bool { return c.(map[string]any)["id"] == tenantOf(t, "larch.example") })
	if at < 0 {
		t.Fatalf("not among %d customers", len(customers))
	}
	customer := customers[at].(map[string]any)
	if customer["relationshipToPartner"] != "reseller" || customer["domain"] != "larch.example" || customer["country"] != "US" ||
		customer["allowDelegatedAccess"] != true || customer["administration"] != "dap" {
		t.Errorf("customer: %v", customer)
	}
	one := alder.do("GET", "/v1/customers/"+customer["id"].(string), "").want(t, 200)
	if one.json(t)["id"] != customer["id"] || one.Header.Get("ETag") == "" {
		t.Errorf("one customer: %s", one.body)
	}
	got := alder.do("GET", "/v1/invitations/"+id, "").want(t, 200).json(t)
	if got["status"] != "accepted" || got["customerTenantId"] != customer["id"] {
		t.Errorf("accepted: %v", got)
	}
}

// 64 answers at once: one transaction wins, the same person sees the same result, everybody else "answered".
func TestManyAnswerAtOnce(t *testing.T) {
	fir := newPartner(t, "fir") // a French partner: Maple may accept, the Americans may not
	alder := newPartner(t, "alder")
	t.Run("one person", func(t *testing.T) {
		_, link := fir.invite(`{"kind":"reseller","recipientEmail":"one@maple.example"}`, "one@maple.example")
		b := newBrowser(t)
		form := b.signIn(link, "admin@maple.example").want(t, 200)
		var mu sync.Mutex
		references := map[string]int{}
		atOnce(64, func(int) {
			a := b.submit(form, accepting())
			mu.Lock()
			defer mu.Unlock()
			references[fmt.Sprint(a.StatusCode, " ", a.page(t), " ", a.text(t, "reference"))]++
		})
		if len(references) != 1 {
			t.Errorf("results: %v", references)
		}
		for r, n := range references {
			if !strings.HasPrefix(r, "200 accepted ") || n != 64 {
				t.Errorf("%d results %q", n, r)
			}
		}
	})
	t.Run("people of several companies", func(t *testing.T) {
		id, link := alder.invite(`{"kind":"reseller","recipientEmail":"several@oak.example"}`, "several@oak.example")
		people := []string{"admin@oak.example", "admin@cedar.example", "admin@dogwood.example", "admin@gorse.example"}
		browsers := make([]*browser, len(people))
		forms := make([]answer, len(people))
		for i, p := range people {
			browsers[i] = newBrowser(t)
			forms[i] = browsers[i].signIn(link, p).want(t, 200)
		}
		var mu sync.Mutex
		pages := make([]map[string]int, len(people))
		for i := range pages {
			pages[i] = map[string]int{}
		}
		atOnce(64, func(i int) {
			who := i % len(people)
			a := browsers[who].submit(forms[who], accepting())
			mu.Lock()
			defer mu.Unlock()
			pages[who][fmt.Sprint(a.StatusCode, " ", a.page(t))]++
		})
		winners := 0
		for i, p := range pages {
			switch {
			case p["200 accepted"] == 16:
				winners++
			case p["410 answered"] == 16:
			default:
				t.Errorf("%s saw %v", people[i], p)
			}
		}
		if winners != 1 {
			t.Errorf("%d companies have accepted: %v", winners, pages)
		}
		if n := len(entries(alder.do("GET", "/v1/invitations/"+id, "").want(t, 200).json(t), "answer")); n == 0 {
			t.Error("the invitation shows no answer")
		}
	})
}

func TestCustomerDeclines(t *testing.T) {
	alder := newPartner(t, "alder")
	id, link := alder.invite(`{"kind":"reseller","recipientEmail":"no@oak.example","locale":"fr"}`, "no@oak.example")
	b := newBrowser(t)
	form := b.signIn(link, "admin@oak.example").want(t, 200)
	page := b.submit(form, url.Values{"answer": {"decline"}, "authorized": {"on"}, "fullName": {"Olga Oak"}, "jobTitle": {"CIO"}, "reason": {"other-partner"}, "comment": {"Not now."}}).want(t, 200)
	if page.page(t) != "declined" || page.text(t, "reference") == "" {
		t.Fatalf("page %q", page.page(t))
	}
	got := alder.do("GET", "/v1/invitations/"+id, "").want(t, 200).json(t)
	if got["status"] != "declined" || got["answer"].(map[string]any)["reason"] != "other-partner" {
		t.Errorf("declined: %v", got)
	}
}

func TestLinkLeadsToItsCase(t *testing.T) {
	alder := newPartner(t, "alder")
	id, link := alder.invite(`{"kind":"reseller","recipientEmail":"cases@oak.example"}`, "cases@oak.example")
	for person, want := range map[string]struct {
		status int
		page   string
	}{
		"user@larch.example":   {403, "not-admin"},
		"admin@maple.example":  {403, "region-not-allowed"},
		"admin@agency.example": {403, "cloud-mismatch"},
		"admin@oak.example":    {200, "answer"},
	} {
		if a := newBrowser(t).signIn(link, person); a.StatusCode != want.status || a.page(t) != want.page {
			t.Errorf("%s: %d %q, want %d %q", person, a.StatusCode, a.page(t), want.status, want.page)
		}
	}

	garbled := link[:len(link)-1] + map[bool]string{true: "B", false: "A"}[strings.HasSuffix(link, "A")]
	for _, u := range []string{garbled, local.URL + "/i/x", link + "AAAA"} {
		if a := newBrowser(t).get(u); a.StatusCode != 404 || a.page(t) != "unknown" {
			t.Errorf("garbled: %d %q", a.StatusCode, a.page(t))
		}
	}

	alder.post("/v1/invitations/"+id+"/resend", "").code(t, 429, "resend_cooldown")
	advance(t, "PT10M")
	alder.post("/v1/invitations/"+id+"/resend", "").want(t, 202)
	newer := linkIn(t, mailTo(t, "cases@oak.example", 2)[1])
	if a := newBrowser(t).get(link); a.StatusCode != 410 || a.page(t) != "superseded" {
		t.Errorf("older link: %d %q", a.StatusCode, a.page(t))
	}
	if a := newBrowser(t).get(newer); a.StatusCode != 200 || a.page(t) != "review" {
		t.Errorf("newer link: %d %q", a.StatusCode, a.page(t))
	}
	alder.post("/v1/invitations/"+id+"/cancel", `{"reason":"wrong person"}`).want(t, 200)
	for _, u := range []string{link, newer} {
		if a := newBrowser(t).get(u); a.StatusCode != 404 || a.page(t) != "unknown" {
			t.Errorf("cancelled: %d %q", a.StatusCode, a.page(t))
		}
	}

	birch := newPartner(t, "birch")
	bound := `{"kind":"reseller","recipientEmail":"bound@oak.example","customerTenantId":"` + tenantOf(t, "oak.example") + `"}`
	_, link = birch.invite(bound, "bound@oak.example")
	if a := newBrowser(t).signIn(link, "admin@cedar.example"); a.StatusCode != 403 || a.page(t) != "wrong-tenant" {
		t.Errorf("another company: %d %q", a.StatusCode, a.page(t))
	}
}

func TestNobodyAnsweredForAMonth(t *testing.T) {
	alder := newPartner(t, "alder")
	id, link := alder.invite(`{"kind":"reseller","recipientEmail":"late@oak.example"}`, "late@oak.example")
	eventually(t, "sent", func() bool {
		return alder.do("GET", "/v1/invitations/"+id, "").want(t, 200).json(t)["expiresAt"] != nil
	})
	advance(t, "P31D")
	if a := newBrowser(t).get(link); a.StatusCode != 410 || a.page(t) != "expired" {
		t.Errorf("%d %q", a.StatusCode, a.page(t))
	}
	if got := alder.do("GET", "/v1/invitations/"+id, "").want(t, 200).json(t); got["status"] != "expired" {
		t.Errorf("status %v", got["status"])
	}
	listed := alder.do("GET", "/v1/invitations?status=expired", "").want(t, 200).json(t)["items"].([]any)
	if !slices.ContainsFunc(listed, func(i any) bool { return i.(map[string]any)["id"] == id }) {
		t.Error("the expired invitation is not listed")
	}
	alder.post("/v1/invitations/"+id+"/resend", "").code(t, 409, "invitation_expired")
	if !strings.Contains(dump(t), `"expired"`) {
		t.Error("the job made nothing visible")
	}
}

func TestPartnersSeeOnlyTheirOwn(t *testing.T) {
	alder, fir := newPartner(t, "alder"), newPartner(t, "fir")
	id := alder.post("/v1/invitations", `{"kind":"reseller","recipientEmail":"own@oak.example"}`).want(t, 201).json(t)["id"].(string)
	for _, call := range [][2]string{
		{"GET", "/v1/invitations/" + id}, {"GET", "/v1/invitations/" + id + "/draft"},
		{"POST", "/v1/invitations/" + id + "/send"}, {"POST", "/v1/invitations/" + id + "/cancel"}, {"POST", "/v1/invitations/" + id + "/resend"},
	} {
		const correlation = "11111111-2222-4333-8444-555555555555"
		unknown := strings.Replace(call[1], id, "inv_aaaaaaaaaaaaaaaaaaaaaaaaaa", 1)
		foreign := fir.do(call[0], call[1], "", "Idempotency-Key", "k", "MS-CorrelationId", correlation).code(t, 404, "not_found")
		none := fir.do(call[0], unknown, "", "Idempotency-Key", "k", "MS-CorrelationId", correlation).code(t, 404, "not_found")
		if string(foreign.body) != string(none.body) {
			t.Errorf("%s: a foreign id and an unknown one differ:\n%s\n%s", call[1], foreign.body, none.body)
		}
	}
	if s := string(fir.do("GET", "/v1/invitations", "").want(t, 200).body); strings.Contains(s, id) {
		t.Error("a foreign invitation is listed")
	}
	newPartner(t, "alder-admin").post("/v1/invitations", `{"kind":"reseller"}`).code(t, 403, "role_not_permitted")
	newPartner(t, "gorse").post("/v1/invitations", `{"kind":"reseller"}`).code(t, 403, "role_not_permitted")
	newPartner(t, "alder-sales").do("GET", "/v1/invitations/"+id, "").want(t, 200)
	elm := newPartner(t, "elm")
	elm.post("/v1/invitations", `{"kind":"reseller","requestDelegatedAdmin":false}`).code(t, 422, "delegated_admin_required")
	_, link := elm.invite(`{"kind":"reseller","recipientEmail":"it@agency.example"}`, "it@agency.example")
	if a := newBrowser(t).signIn(link, "admin@agency.example").want(t, 200); a.page(t) != "answer" {
		t.Errorf("US government: %q", a.page(t))
	}
}

func TestMailThatCannotBeSentIsVisible(t *testing.T) {
	alder := newPartner(t, "alder")
	create := func(recipient string) string {
		id := alder.post("/v1/invitations", `{"kind":"reseller","recipientEmail":"`+recipient+`"}`).want(t, 201).json(t)["id"].(string)
		alder.post("/v1/invitations/"+id+"/send", "").want(t, 202)
		return id
	}
	delivery := func(id string) map[string]any {
		return alder.do("GET", "/v1/invitations/"+id, "").want(t, 200).json(t)["delivery"].(map[string]any)
	}
	t.Run("throttled and later sent", func(t *testing.T) {
		fault(t, "throttle", 1)
		id := create("throttled@oak.example")
		eventually(t, "waiting", func() bool { d := delivery(id); return d["state"] == "sending" && d["reason"] != nil })
		advance(t, "PT6M")
		mailTo(t, "throttled@oak.example", 1)
		alder.arrived(id)
	})
	t.Run("rejected", func(t *testing.T) {
		fault(t, "error4xx:MessageRejected", 1)
		id := create("rejected@oak.example")
		eventually(t, "failed", func() bool { d := delivery(id); return d["state"] == "failed" && d["reason"] != nil })
	})
	t.Run("taken, but the answer and the events are lost", func(t *testing.T) {
		fault(t, "error5xxAfterAccept", 1)
		fault(t, "eventsLost", 1)
		id := create("lost@oak.example")
		first := linkIn(t, mailTo(t, "lost@oak.example", 1)[0])
		eventually(t, "sending", func() bool { return delivery(id)["state"] == "sending" })
		advance(t, "PT20M")
		mails := mailTo(t, "lost@oak.example", 2)
		if linkIn(t, mails[1]) != first {
			t.Error("a repeated mail carries the same link")
		}
		alder.arrived(id)
	})
}

func entries(m map[string]any, key string) map[string]any {
	v, _ := m[key].(map[string]any)
	return v
}

func atOnce(n int, do func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			do(i)
		})
	}
	close(start)
	wg.Wait()
}
