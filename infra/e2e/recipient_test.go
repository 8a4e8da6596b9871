package e2e

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// otherLink gives the link of a purpose other than answering that a mail holds.
func otherLink(t testing.TB, m email, purpose string) string {
	t.Helper()
	found := regexp.MustCompile(`https?://[^\s<>"]+/`+purpose+`/[A-Za-z0-9_-]+`).FindAllString(m.Body.Text, -1)
	slices.Sort(found)
	if found = slices.Compact(found); len(found) != 1 {
		t.Fatalf("%d links of purpose %s in the mail, want 1:\n%s", len(found), purpose, m.Subject)
	}
	noteSecret(found[0])
	return found[0]
}

// because is the form of a reason.
func because(reason string) url.Values { return url.Values{"reason": {reason}} }

// leads reports whether a page has a link to a place.
func (a answer) leads(t testing.TB, to string) bool {
	t.Helper()
	for n := range a.nodes(t) {
		if n.Data == "a" && attribute(n, "href") == strings.TrimPrefix(to, local.URL) {
			return true
		}
	}
	return false
}

// Who reports a request gets no more mail of the partner; asking for a new link, once the old one is over, lets it through again.
func TestRecipientReportsAndAsksAgain(t *testing.T) {
	alder := newPartner(t, "alder")
	const recipient = "again@oak.example"
	id, link := alder.invite(`{"kind":"reseller","recipientEmail":"`+recipient+`"}`, recipient)
	alder.arrived(id)
	path := "/v1/invitations/" + id
	b := newBrowser(t)
	if !b.get(link).want(t, 200).leads(t, link+"/report") {
		t.Error("the page of the request does not lead to reporting it")
	}
	if page := b.get(link+"/renewal").want(t, 200).page(t); page != "no-renewal" {
		t.Errorf("a new link for one that works: %s", page)
	}
	before := dump(t)
	form := b.get(link+"/report").want(t, 200)
	if page := b.submit(form, nil).want(t, 422).page(t); page != "report" || dump(t) != before {
		t.Errorf("without a reason: %s, or something was written", page)
	}
	for range 2 {
		if page := b.submit(form, because("impersonation")).want(t, 200).page(t); page != "reported" {
			t.Fatalf("reported: %s", page)
		}
	}
	if got := alder.timeline(path); slices.Index(got, "reported customer") != len(got)-1 {
		t.Errorf("timeline %q", got)
	}
	alder.post(path+"/resend", "").code(t, 409, "recipient_suppressed")
	if page := b.get(link).want(t, 200).page(t); page != "review" {
		t.Errorf("the request itself: %s", page)
	}

	advance(t, "P31D")
	if !b.get(link).want(t, 410).leads(t, link+"/renewal") {
		t.Error("the page of an expired request does not lead to asking for a new link")
	}
	renewed := alder.post(path+"/renew", "").want(t, 201).json(t)["id"].(string)
	alder.post("/v1/invitations/"+renewed+"/send", "").code(t, 409, "recipient_suppressed")
	form = b.get(link+"/renewal").want(t, 200)
	b.submit(form, because("because")).want(t, 422)
	for range 2 {
		if page := b.submit(form, because("too-late")).want(t, 200).page(t); page != "renewal-asked" {
			t.Fatalf("asked: %s", page)
		}
	}
	asked := slices.DeleteFunc(alder.timeline(path), func(action string) bool { return action != "renewalRequested customer" })
	if len(asked) != 1 {
		t.Errorf("timeline: %q", asked)
	}
	// The partner has the link of the request too: only what stands in our mails alone lets its mail through again (domain, 0.36).
	alder.post("/v1/invitations/"+renewed+"/send", "").code(t, 409, "recipient_suppressed")
	again := b.get(otherLink(t, mailTo(t, recipient, 1)[0], "m")).want(t, 200)
	if page := b.submit(again, url.Values{"confirm": {"on"}}).want(t, 200).page(t); page != "allowed" {
		t.Fatalf("let through: %s", page)
	}
	alder.post("/v1/invitations/"+renewed+"/send", "").want(t, 202)
	if fresh := linkIn(t, mailTo(t, recipient, 2)[1]); fresh == link || b.get(fresh).want(t, 200).page(t) != "review" {
		t.Error("the new mail has no new link")
	}
}

// "This wasn't us" within 72 hours ends the administration that an acceptance gave, and the partner has to confirm whom it deals with.
func TestRecipientDisputesAnAnswer(t *testing.T) {
	cedar := newPartner(t, "cedar")
	const recipient = "ours@larch.example"
	customer := "/v1/customers/" + tenantOf(t, "larch.example")
	cedar.do("PATCH", customer, `{"allowDelegatedAccess":false}`, "If-Match", "*") // so that it is this answer that grants it
	id, link := cedar.invite(`{"kind":"reseller","requestDelegatedAdmin":true,"recipientEmail":"`+recipient+`"}`, recipient)
	person := newBrowser(t)
	accepted := person.submit(person.signIn(link, "admin@larch.example").want(t, 200), accepting()).want(t, 200)
	if accepted.page(t) != "accepted" || !strings.Contains(string(accepted.body), "o•••@larch.example") {
		t.Errorf("page %s, or it does not say where the receipt goes", accepted.page(t))
	}
	if c := cedar.do("GET", customer, "").want(t, 200).json(t); c["identityCheck"] == "pending" || c["administration"] != "dap" || c["allowDelegatedAccess"] != true {
		t.Fatalf("customer: %v", c)
	}
	dispute := otherLink(t, mailTo(t, recipient, 2)[1], "r")
	for _, elsewhere := range []string{"i", "u"} {
		if page := newBrowser(t).get(strings.Replace(dispute, "/r/", "/"+elsewhere+"/", 1)).want(t, 404).page(t); page != "unknown" {
			t.Errorf("the receipt's link at /%s/: %s", elsewhere, page)
		}
	}
	b := newBrowser(t)
	form := b.get(dispute).want(t, 200)
	if page := b.submit(form, nil).want(t, 422).page(t); page != "dispute" {
		t.Errorf("without a reason: %s", page)
	}
	for range 2 {
		if page := b.submit(form, because("not-us")).want(t, 200).page(t); page != "disputed" {
			t.Fatalf("disputed: %s", page)
		}
	}
	if c := cedar.do("GET", customer, "").want(t, 200).json(t); c["identityCheck"] != "pending" || c["administration"] != "none" || c["allowDelegatedAccess"] != false || c["relationshipToPartner"] != "reseller" {
		t.Errorf("customer: %v", c)
	}
	// An agent has spoken to the customer and confirms it.
	change := cedar.do("PATCH", customer, `{"identityConfirmed":true}`, "If-Match", cedar.do("GET", customer, "").want(t, 200).Header.Get("ETag"))
	if c := change.want(t, 200).json(t); c["identityCheck"] != "confirmed" || c["administration"] != "none" {
		t.Errorf("confirmed: %v", c)
	}
	if got := cedar.timeline("/v1/invitations/" + id); !slices.Contains(got, "disputed customer") {
		t.Errorf("timeline %q", got)
	}
}

// After 72 hours an answer can be disputed no more.
func TestDisputeTooLate(t *testing.T) {
	cedar := newPartner(t, "cedar")
	const recipient = "toolate@oak.example"
	id, link := cedar.invite(`{"kind":"reseller","recipientEmail":"`+recipient+`"}`, recipient)
	person := newBrowser(t)
	form := person.signIn(link, "admin@oak.example").want(t, 200)
	person.submit(form, url.Values{"answer": {"decline"}, "authorized": {"on"}, "fullName": {"Owen Oak"}}).want(t, 200)
	dispute := otherLink(t, mailTo(t, recipient, 2)[1], "r")
	if page := newBrowser(t).get(dispute).want(t, 200).page(t); page != "dispute" {
		t.Errorf("page %s", page)
	}
	advance(t, "PT73H")
	before := dump(t)
	if page := newBrowser(t).get(dispute).want(t, 410).page(t); page != "dispute-over" {
		t.Errorf("after 72 hours: %s", page)
	}
	res, err := http.PostForm(dispute, because("not-us"))
	if page := read(t, res, err).want(t, 410).page(t); page != "dispute-over" || dump(t) != before {
		t.Errorf("after 72 hours: %s, or something was written", page)
	}
	if s := cedar.status("/v1/invitations/" + id); s != "declined" {
		t.Errorf("status %v", s)
	}
}

// One click of a mail program ends a partner's mails, and looking at the page ends nothing.
func TestRecipientUnsubscribes(t *testing.T) {
	alder := newPartner(t, "alder")
	const recipient = "enough@oak.example"
	id, _ := alder.invite(`{"kind":"reseller","recipientEmail":"`+recipient+`"}`, recipient)
	alder.arrived(id)
	advance(t, "P23DT1H")
	leave := otherLink(t, mailTo(t, recipient, 2)[1], "u")
	alder.arrived(id)
	before := dump(t)
	b := newBrowser(t)
	form := b.get(leave).want(t, 200)
	if page := b.submit(form, nil).want(t, 422).page(t); page != "unsubscribe" || dump(t) != before {
		t.Errorf("with the box not ticked: %s, or something was written", page)
	}
	for range 2 {
		res, err := http.PostForm(leave, url.Values{"List-Unsubscribe": {"One-Click"}})
		if page := read(t, res, err).want(t, 200).page(t); page != "unsubscribed" {
			t.Fatalf("one click: %s", page)
		}
	}
	if got := alder.timeline("/v1/invitations/" + id); slices.Index(got, "unsubscribed customer") != len(got)-1 {
		t.Errorf("timeline %q", got)
	}
	alder.post("/v1/invitations/"+id+"/resend", "").code(t, 409, "recipient_suppressed")
	advance(t, "P6D")
	if n := len(mailTo(t, recipient, 2)); n != 2 {
		t.Errorf("%d mails", n)
	}
}
