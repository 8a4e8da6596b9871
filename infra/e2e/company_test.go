package e2e

import (
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"concord/infra/local/stack"
)

// alone has the rest of a test run on a stack of its own, with other parameters.
func alone(t testing.TB, parameters map[string]string) {
	t.Helper()
	s, err := stack.Start(t.Context(), stack.Options{Parameters: parameters})
	if err != nil {
		t.Fatal(err)
	}
	shared := local
	t.Cleanup(func() {
		local = shared
		for _, d := range s.Guard.Denials() {
			t.Error("the template's role:", d)
		}
		s.Close()
	})
	local.Stack, local.URL, local.MailboxURL, local.IDPURL = s, s.URL(), s.MailboxURL(), s.Issuer()
}

// The pages of a company: a record under its domain, every right that anybody holds and where each is taken back, the agreement, a form
// whose session has ended, and the end of a session.
func TestCompanyPagesInBrowser(t *testing.T) {
	browser := newChromium(t)
	alone(t, map[string]string{"CustomerMayEndRelationship": "true"})
	const admin = "admin@spruce.example"
	alder, birch, dogwood := newPartner(t, "alder"), newPartner(t, "birch"), newPartner(t, "dogwood")
	alder.post("/v1/customers", `{"companyName":"Spruce of Springfield","domain":"spruce.example","country":"US"}`).want(t, 201)

	var b *tab
	sound := func(page string) {
		t.Helper()
		b.do(chromedp.WaitReady(`main[data-page="` + page + `"]`))
		for _, finding := range append(b.axe(), b.smallTargets()...) {
			t.Errorf("%s: %s", page, finding)
		}
		b.look("company-" + page)
	}
	press := func(page string) { // a form without its choice
		t.Helper()
		b.do(chromedp.Click(`main form button[type=submit]`), chromedp.WaitReady(`[role=alert]`))
		for _, finding := range b.axe() {
			t.Errorf("%s, amiss: %s", page, finding)
		}
		b.look("company-" + page + "-errors")
	}
	taken := func(page, result string) {
		t.Helper()
		sound(page)
		press(page)
		b.do(chromedp.Click(`input[name=confirm]`), chromedp.Click(`main form button[type=submit]`))
		sound(result)
	}
	enter := func(who string) {
		t.Helper()
		b = newTab(t, browser, true)
		b.do(chromedp.Navigate(local.URL + "/customer"))
		sound("customer-sign-in")
		b.do(chromedp.Click(`main a[href$="/sign-in/public"]`), chromedp.SendKeys(`input[name=username]`, who), chromedp.SendKeys(`input[name=password]`, "x"),
			chromedp.Submit(`input[name=password]`))
		b.do(chromedp.WaitReady(`main[data-page=customer]`))
	}

	enter(admin)
	b.look("company-customer-record")
	b.do(chromedp.Click(`main a[href*="/records/"]`))
	sound("record")
	press("record")
	b.do(chromedp.Click(`input[value=not-ours]`), chromedp.Click(`main form button[type=submit]`))
	sound("record-ended")

	// A reseller that administers, one that has Global Administrator too, and one of the past.
	for _, p := range []*partner{alder, birch, dogwood} {
		_, link := p.invite(`{"kind":"reseller","recipientEmail":"`+admin+`","requestDelegatedAdmin":true}`, admin)
		person := newBrowser(t)
		if page := person.submit(person.signIn(link, admin).want(t, 200), accepting()).want(t, 200).page(t); page != "accepted" {
			t.Fatalf("page %q", page)
		}
	}
	desk := birch.post(granulars, `{"displayName":"Spruce desk","duration":"P90D","customer":{"tenantId":"`+tenantOf(t, "spruce.example")+`"},"accessDetails":{"unifiedRoles":[
		{"roleDefinitionId":"729827e3-9c14-49f7-bb1b-9608f156bbb8"},{"roleDefinitionId":"62e90394-69f5-4237-9190-012177145e10"}]}}`).want(t, 201).json(t)["id"].(string)
	birch.do("POST", granulars+"/"+desk+"/requests", `{"action":"lockForApproval"}`).want(t, 200)
	birch.post(granulars+"/"+desk+"/send", `{"recipientEmail":"desk@spruce.example"}`).want(t, 202)
	ask := granularLink(t, mailAbout(t, "desk@spruce.example", desk, "granular", 1))
	person := newBrowser(t)
	if page := person.submit(person.signIn(ask, admin).want(t, 200), accepting()).want(t, 200).page(t); page != "accepted" {
		t.Fatalf("page %q", page)
	}

	enter(admin)
	b.do(chromedp.Click(`main a[href$="` + tenantOf(t, "dogwood.example") + `/end"]`))
	taken("leave", "left")
	b.do(chromedp.Navigate(local.URL + "/customer"))
	sound("customer")
	said, err := chromedp.Run(b.ctx, chromedp.TextContent(`main`))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"You can take each of them back here", "can see and change most of", "Global Administrator", "Past partners", "Dogwood"} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q: %s", want, said)
		}
	}
	for _, lang := range []string{"de", "es", "fr", "hi", "ja", "zh-Hans"} {
		b.do(chromedp.Navigate(local.URL+"/customer?lang="+lang), chromedp.WaitReady(`main[data-page=customer]`))
		for _, finding := range append(b.axe(), b.smallTargets()...) {
			t.Errorf("in %s: %s", lang, finding)
		}
		b.look("company-customer-" + lang)
	}

	enter(admin)
	b.do(chromedp.Click(`main a[href$="/customer/agreement"]`))
	sound("agreement")
	press("agreement")
	// The session ends in the middle of the form.
	if _, err := chromedp.Call(b.ctx, network.ClearBrowserCookies, cdp.Empty{}); err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.Click(`main form button[type=submit]`), chromedp.WaitReady(`[role=alert] a[target=_blank]`))
	for _, finding := range append(b.axe(), b.smallTargets()...) {
		t.Errorf("401: %s", finding)
	}
	b.look("company-agreement-401")
	if said, err := chromedp.Run(b.ctx, chromedp.TextContent(`body`)); err != nil || strings.Contains(said, "Signed in as") || strings.Contains(said, "Sign out") {
		t.Errorf("somebody is said to be signed in (%v): %s", err, said)
	}

	enter(admin)
	b.do(chromedp.Click(`main a[href$="/roles/` + desk + `"]`))
	taken("end", "ended")
	b.do(chromedp.Navigate(local.URL + "/customer/partners/" + tenantOf(t, "alder.example")))
	taken("revoke", "revoked")
	b.do(chromedp.Click(`header a[href^="/sign-out"]`))
	sound("sign-out")
	b.do(chromedp.Click(`main form button[type=submit]`))
	sound("signed-out")
	b.do(chromedp.Navigate(local.URL + "/i/none"))
	sound("unknown")
	const stopped = "stopped@spruce.example" // who has reported a request, and wants mail again
	_, link := dogwood.invite(`{"kind":"reseller","recipientEmail":"`+stopped+`"}`, stopped)
	if page := person.submit(newBrowser(t).get(link+"/report").want(t, 200), because("impersonation")).want(t, 200).page(t); page != "reported" {
		t.Fatalf("page %q", page)
	}
	b.do(chromedp.Navigate(otherLink(t, mailTo(t, stopped, 1)[0], "m")))
	taken("allow", "allowed")

	// A reseller's own page has the provider in its account.
	enter("admin@cedar.example")
	b.look("company-customer-reseller")
	for _, finding := range append(b.axe(), b.smallTargets()...) {
		t.Errorf("of a reseller: %s", finding)
	}
	b.do(chromedp.Click(`main a[href*="/customer/providers/"]`))
	taken("revoke-access", "access-revoked")
}

// TestInboxInBrowser: a request stands on the company's own page, and is read, reported or accepted there without its email
// (console, "What customers see"), at both widths and in both themes, with nothing for axe to find.
func TestInboxInBrowser(t *testing.T) {
	browser := newChromium(t)
	fir := newPartner(t, "fir")
	id, _ := fir.invite(`{"kind":"reseller","recipientEmail":"inbox@maple.example","requestDelegatedAdmin":true}`, "inbox@maple.example")
	b := newTab(t, browser, true)
	b.do(chromedp.Navigate(local.URL+"/customer"), chromedp.Click(`main a[href$="/sign-in/public"]`),
		chromedp.SendKeys(`input[name=username]`, "admin@maple.example"), chromedp.SendKeys(`input[name=password]`, "x"),
		chromedp.Submit(`input[name=password]`), chromedp.WaitReady(`main[data-page=customer] a.button[href$="`+id+`"]`))
	sound := func(page string) {
		t.Helper()
		b.do(chromedp.WaitReady(`main[data-page="` + page + `"]`))
		for _, finding := range append(b.axe(), b.smallTargets()...) {
			t.Errorf("%s: %s", page, finding)
		}
		b.look("inbox-" + page)
	}
	sound("customer")
	b.do(chromedp.Navigate(local.URL + "/customer/requests/" + tenantOf(t, "fir.example") + "/" + id + "/report"))
	sound("report")
	b.do(chromedp.Navigate(local.URL+"/customer"), chromedp.Click(`main a.button[href$="`+id+`"]`))
	sound("answer")
	b.do(chromedp.Click(`input[name=answer][value=accept]`), chromedp.Click(`input[name=authorized]`),
		chromedp.SendKeys(`input[name=fullName]`, "Margaux Maple"), chromedp.SendKeys(`input[name=jobTitle]`, "DSI"),
		chromedp.Click(`main form button[type=submit]`))
	sound("accepted")
	if s := fir.do("GET", "/v1/invitations/"+id, "").want(t, 200).json(t)["status"]; s != "accepted" {
		t.Errorf("status %v", s)
	}
}
