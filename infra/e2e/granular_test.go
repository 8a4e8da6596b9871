package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"concord/infra/local/bus"
	"concord/internal/events/schematest"
)

const granulars = "/v1/delegated-admin-relationships"

var granularAlone = regexp.MustCompile(`(?m)^(https?://\S+/g/\S+)$`)

// granularLink gives the link of a mail about granular administration, which stands alone on its line.
func granularLink(t testing.TB, m email) string {
	t.Helper()
	found := granularAlone.FindAllString(m.Body.Text, -1)
	if len(found) != 1 {
		t.Fatalf("%d links in the mail %q, want 1", len(found), m.Subject)
	}
	noteSecret(found[0])
	return found[0]
}

// mailAbout waits for the nth mail of a kind about a relationship to a recipient.
func mailAbout(t testing.TB, recipient, id, kind string, n int) email {
	t.Helper()
	var found []email
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		found = slices.DeleteFunc(mailTo(t, recipient, 1), func(m email) bool { return m.Tags["granular"] != id || m.Tags["kind"] != kind })
		if len(found) >= n {
			return found[n-1]
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d mails %s, want %d", len(found), kind, n)
		}
	}
}

// granted waits until the bus has told an event of a relationship, and holds each of its events against its schema.
func granted(t testing.TB, schemas *schematest.Schemas, id, last string) (types []string) {
	t.Helper()
	eventually(t, last, func() bool {
		types = nil
		var answer struct{ Events []bus.Event }
		res, err := http.Get(local.URL + "/_local/events")
		if err := json.Unmarshal(read(t, res, err).want(t, 200).body, &answer); err != nil {
			t.Fatal(err)
		}
		for _, e := range answer.Events {
			var d struct{ GranularAdmin struct{ ID string } }
			if err := json.Unmarshal(e.Detail, &d); err != nil {
				t.Fatal(err)
			}
			if d.GranularAdmin.ID != id || slices.Contains(types, e.DetailType) {
				continue
			}
			types = append(types, e.DetailType)
			if err := schemas.Check(e.DetailType, e.Detail); err != nil {
				t.Errorf("%s: %v", e.Detail, err)
			}
		}
		return slices.Contains(types, last)
	})
	return types
}

// TestGranularAdministration goes the whole way of granular administration (domain, 2.2: GDAP): proposed, locked, mailed, approved by the
// customer's Global admin, reminded of, over; extended by itself and ended by the customer; and asked for with an invitation, after which it
// stays whatever becomes of the relationship (0.4, 0.28, rule X4, invariant 13).
func TestGranularAdministration(t *testing.T) {
	elm := newPartner(t, "elm")
	schemas := schematest.Load(t)
	agency := tenantOf(t, "agency.example")
	const recipient, admin = "gdap@agency.example", "admin@agency.example"
	propose := func(name, duration, extend string) (id, path string) {
		t.Helper()
		made := elm.post(granulars, fmt.Sprintf(`{"displayName":%q,"customer":{"tenantId":%q},"duration":%q,"autoExtendDuration":%q,
			"accessDetails":{"unifiedRoles":[{"roleDefinitionId":"729827e3-9c14-49f7-bb1b-9608f156bbb8"}]}}`, name, agency, duration, extend)).want(t, 201)
		id = made.json(t)["id"].(string)
		path = granulars + "/" + id
		elm.do("POST", path+"/requests", `{"action":"lockForApproval"}`).want(t, 200)
		elm.post(path+"/send", `{"recipientEmail":"`+recipient+`"}`).want(t, 202)
		return id, path
	}
	state := func(path string) string { return elm.do("GET", path, "").want(t, 200).json(t)["status"].(string) }

	t.Run("approved, reminded and over", func(t *testing.T) {
		id, path := propose("Agency desk", "P90D", "P0D")
		link := granularLink(t, mailAbout(t, recipient, id, "granular", 1))
		eventually(t, "the mail is known to have arrived", func() bool {
			return elm.do("GET", path, "").want(t, 200).json(t)["delivery"].(map[string]any)["state"] == "delivered"
		})
		before := dump(t)
		b := newBrowser(t)
		if page := b.get(link).want(t, 200).page(t); page != "review" {
			t.Fatalf("page %s", page)
		}
		for _, elsewhere := range []string{"i", "r", "u"} {
			if page := b.get(strings.Replace(link, "/g/", "/"+elsewhere+"/", 1)).want(t, 404).page(t); page != "unknown" {
				t.Errorf("the link at /%s/: %s", elsewhere, page)
			}
		}
		other := newBrowser(t)
		if page := other.signIn(link, "admin@oak.example").want(t, 403).page(t); page != "wrong-tenant" {
			t.Errorf("another company: %s", page)
		}
		form := b.signIn(link, admin).want(t, 200)
		if form.page(t) != "answer" || !strings.Contains(string(form.body), "Helpdesk Administrator") {
			t.Fatalf("page %s", form.page(t))
		}
		if after := dump(t); after != before {
			t.Errorf("looking and signing in have written (invariant 17):\n%s", differ(before, after))
		}
		result := b.submit(form, accepting()).want(t, 200)
		if result.page(t) != "accepted" || result.text(t, "reference") == "" {
			t.Fatalf("page %s", result.page(t))
		}
		if again := b.submit(form, accepting()).want(t, 200); again.text(t, "reference") != result.text(t, "reference") {
			t.Error("the same answer shows another result")
		}
		if s := state(path); s != "active" {
			t.Fatal(s)
		}
		if receipt := granularLink(t, mailAbout(t, admin, id, "granularReceipt", 1)); receipt != link {
			t.Error("the receipt has another link")
		}
		for n, by := range []string{"P60D", "P23D", "P6D"} {
			advance(t, by)
			if got := granularLink(t, mailAbout(t, admin, id, "customerGranularEnding", n+1)); got != link {
				t.Error("the reminder has another link")
			}
		}
		advance(t, "P1D")
		if s := state(path); s != "expired" {
			t.Error(s)
		}
		if page := b.get(link).want(t, 410).page(t); page != "ended" {
			t.Errorf("page %s", page)
		}
		want := []string{"granular-admin-created", "granular-admin-locked", "granular-admin-sent", "granular-admin-activated", "granular-admin-ending", "granular-admin-expired"}
		if got := granted(t, schemas, id, "granular-admin-expired"); !slices.Equal(got, want) {
			t.Errorf("told %v", got)
		}
		var operations []string
		eventually(t, "the audit", func() bool {
			operations = nil
			for next := "/v1/auditrecords?resourceType=granularAdmin&limit=100&startDate=2020-01-01"; next != ""; {
				page := elm.do("GET", next, "").want(t, 200).json(t)
				for _, each := range page["items"].([]any) {
					if r := each.(map[string]any); r["resourceId"] == id {
						operations = append(operations, strings.TrimPrefix(r["operationType"].(string), "granularAdmin."))
					}
				}
				cursor, more := page["nextCursor"].(string)
				if next = ""; more {
					next = "/v1/auditrecords?resourceType=granularAdmin&limit=100&startDate=2020-01-01&cursor=" + cursor
				}
			}
			return slices.Contains(operations, "expired")
		})
		slices.Reverse(operations)
		kept := []string{"created", "approvalPending", "sent", "mailed", "delivered", "approved", "activating", "active", "reminded", "reminded", "reminded", "expiring", "expired"}
		if !slices.Equal(operations, kept) {
			t.Errorf("the audit has %v", operations)
		}
	})

	t.Run("extended, and ended by the customer", func(t *testing.T) {
		id, path := propose("Agency devices", "P1D", "P180D")
		link := granularLink(t, mailAbout(t, recipient, id, "granular", 1))
		b := newBrowser(t)
		b.submit(b.signIn(link, admin).want(t, 200), accepting()).want(t, 200)
		advance(t, "P1DT1H")
		granted(t, schemas, id, "granular-admin-extended")
		if s := state(path); s != "active" {
			t.Fatal(s)
		}
		if got := elm.do("GET", "/v1/delegated-admin-relationships?status=active&customerTenantId="+agency, "").want(t, 200).json(t)["items"].([]any); len(got) != 1 {
			t.Errorf("%v", got)
		}
		form := b.get(link+"/end").want(t, 200)
		if page := b.submit(form, nil).want(t, 422).page(t); page != "end" {
			t.Errorf("without a tick: %s", page)
		}
		if page := b.submit(form, url.Values{"confirm": {"on"}}).want(t, 200).page(t); page != "ended" {
			t.Errorf("page %s", page)
		}
		if s := state(path); s != "terminated" {
			t.Error(s)
		}
	})

	t.Run("nobody approves", func(t *testing.T) {
		id, path := propose("Agency nobody", "P1D", "P0D")
		link := granularLink(t, mailAbout(t, recipient, id, "granular", 1))
		report := newBrowser(t).get(link+"/report").want(t, 200)
		if page := newBrowser(t).submit(report, because("wrong-person")).want(t, 200).page(t); page != "reported" {
			t.Errorf("page %s", page)
		}
		elm.post(path+"/send", "").code(t, 409, "recipient_suppressed")
		advance(t, "P90D")
		granted(t, schemas, id, "granular-admin-expired")
		if s := state(path); s != "expired" {
			t.Error(s)
		}
		if page := newBrowser(t).get(link).want(t, 410).page(t); page != "expired" {
			t.Errorf("page %s", page)
		}
	})

	t.Run("with an invitation, and after the relationship", func(t *testing.T) {
		const both = "both@agency.example"
		id, link := elm.invite(`{"kind":"reseller","recipientEmail":"`+both+`","granularAdmin":{"displayName":"Agency both","roles":["729827e3-9c14-49f7-bb1b-9608f156bbb8"],"duration":"P1Y"}}`, both)
		beside := elm.do("GET", "/v1/invitations/"+id, "").want(t, 200).json(t)["granularAdmin"].(map[string]any)["id"].(string)
		b := newBrowser(t)
		form := b.signIn(link, admin).want(t, 200)
		if !strings.Contains(string(form.body), "Helpdesk Administrator") {
			t.Error("the page does not say what is asked for")
		}
		if page := b.submit(form, accepting()).want(t, 200).page(t); page != "accepted" {
			t.Fatalf("page %s", page)
		}
		if s := state(granulars + "/" + beside); s != "active" {
			t.Fatal(s)
		}
		customer := "/v1/customers/" + agency
		types := func() (all []string) {
			for _, each := range elm.do("GET", customer+"/delegated-admin-grants", "").want(t, 200).json(t)["items"].([]any) {
				all = append(all, each.(map[string]any)["type"].(string))
			}
			return all
		}
		if got := types(); !slices.Equal(got, []string{"dap", "gdap"}) {
			t.Errorf("granted: %v", got)
		}
		text := elm.do("GET", "/v1/attestations/relationshipRemoval", "").want(t, 200).json(t)
		removal := fmt.Sprintf(`{"relationshipToPartner":"none","attestation":{"accepted":true,"textVersion":%q}}`, text["textVersion"])
		elm.do("PATCH", customer, removal, "If-Match", elm.do("GET", customer, "").want(t, 200).Header.Get("ETag")).want(t, 200)
		c := elm.do("GET", customer, "").want(t, 200).json(t)
		if c["relationshipToPartner"] != "none" || c["administration"] != "gdap" || c["allowDelegatedAccess"] != false {
			t.Errorf("after the removal: %v", c)
		}
		if got := types(); !slices.Equal(got, []string{"gdap"}) {
			t.Errorf("after the removal: %v", got)
		}
		if page := b.get(granularLink(t, mailAbout(t, admin, beside, "granularReceipt", 1))).want(t, 200).page(t); page != "accepted" {
			t.Errorf("page %s", page)
		}
		elm.do("POST", granulars+"/"+beside+"/requests", `{"action":"terminate"}`).want(t, 200)
		if got := elm.do("GET", customer, "").want(t, 200).json(t)["administration"]; got != "none" {
			t.Errorf("after its end: %v", got)
		}
	})
}

// The pages of granular administration, in a real browser and in every language: no finding of axe, no target that is too small.
func TestGranularPagesInBrowser(t *testing.T) {
	browser := newChromium(t)
	fir := newPartner(t, "fir")
	path := granulars + "/" + fir.post(granulars, `{"displayName":"Maple desk","duration":"P30D","accessDetails":{"unifiedRoles":[
		{"roleDefinitionId":"729827e3-9c14-49f7-bb1b-9608f156bbb8"},{"roleDefinitionId":"f2ef992c-3afb-46b9-b7cf-a126ee74c451"}]}}`).want(t, 201).json(t)["id"].(string)
	fir.do("POST", path+"/requests", `{"action":"lockForApproval"}`).want(t, 200)
	fir.post(path+"/send", `{"recipientEmail":"desk@maple.example"}`).want(t, 202)
	link := granularLink(t, mailAbout(t, "desk@maple.example", strings.TrimPrefix(path, granulars+"/"), "granular", 1))
	b := newTab(t, browser, true)
	sound := func(page string) {
		t.Helper()
		b.at(page)
		for _, finding := range append(b.axe(), b.smallTargets()...) {
			t.Errorf("%s: %s", page, finding)
		}
		b.look("granular-" + page)
	}
	b.do(chromedp.Navigate(link))
	sound("review")
	b.do(chromedp.Click(`main a[href$="/sign-in"]`), chromedp.SendKeys(`input[name=username]`, "admin@maple.example"),
		chromedp.SendKeys(`input[name=password]`, "x"), chromedp.Submit(`input[name=password]`))
	sound("answer")
	for _, lang := range []string{"de", "es", "fr", "hi", "ja", "zh-Hans", "en"} {
		b.do(chromedp.Navigate(link+"?lang="+lang), chromedp.WaitReady(`html[lang="`+lang+`"] main[data-page="answer"]`))
		sound("answer")
	}
	b.do(chromedp.SetAttributeValue(`main form`, "novalidate", ""), chromedp.Click(`main form button[type=submit]`), chromedp.WaitReady(`[role=alert]`))
	sound("answer")
	b.do(chromedp.Click(`input[name=answer][value=accept]`), chromedp.Click(`input[name=authorized]`),
		chromedp.SendKeys(`input[name=fullName]`, "Marie Maple"), chromedp.SendKeys(`input[name=jobTitle]`, "CIO"), chromedp.Click(`main form button[type=submit]`))
	sound("accepted")
	b.do(chromedp.Click(`main a.button`))
	sound("end")
	b.do(chromedp.Click(`main form button[type=submit]`), chromedp.WaitReady(`[role=alert]`))
	sound("end")
	b.do(chromedp.Click(`input[name=confirm]`), chromedp.Click(`main form button[type=submit]`))
	sound("ended")
	if s := fir.do("GET", path, "").want(t, 200).json(t)["status"]; s != "terminated" {
		t.Errorf("it is %v", s)
	}
}
