package e2e

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"concord/infra/local/component"
	"concord/infra/local/headless"
)

// screenshots, when the variable names a directory, gets a picture of each page, size and colour scheme.
var screenshots = os.Getenv("SCREENSHOTS")

// tab is a tab of a real browser with cookies of its own.
type tab struct {
	t   testing.TB
	ctx context.Context
}

// chromium is a browser that runs.
type chromium struct{ ctx context.Context }

// newChromium starts the browser that the tool set-up unpacked. A missing one fails the test.
func newChromium(t testing.TB) chromium {
	t.Helper()
	ctx, end, err := headless.Start(context.Background(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(end)
	return chromium{ctx}
}

func newTab(t testing.TB, browser chromium, scripts bool) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 5*time.Minute)
	t.Cleanup(cancel)
	b := &tab{t, ctx}
	if !scripts {
		if _, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// at waits until the page of a case is there and looks at it.
func (b *tab) at(page string) {
	b.t.Helper()
	b.do(chromedp.WaitReady(`main[data-page="` + page + `"]`))
	b.look(page)
}

// look checks that a page fits a small screen and takes pictures of it.
func (b *tab) look(page string) {
	b.t.Helper()
	for _, width := range []int64{320, 1280} {
		for _, scheme := range []string{"light", "dark"} {
			_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
			if err != nil {
				b.t.Fatal(err)
			}
			b.do(chromedp.EmulateViewport(width, 800))
			if wide, err := chromedp.Run(b.ctx, chromedp.Evaluate[int64](`document.documentElement.scrollWidth`)); err != nil || wide > width {
				b.t.Errorf("%s at %d px is %d px wide (%v)", page, width, wide, err)
			}
			if screenshots == "" {
				continue
			}
			png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
			if err != nil {
				b.t.Fatal(err)
			}
			name := fmt.Sprintf("%s-%d-%s.png", page, width, scheme)
			if err := os.WriteFile(filepath.Join(screenshots, name), png, 0o600); err != nil {
				b.t.Fatal(err)
			}
		}
	}
}

// axe gives what the accessibility rules of WCAG 2.2 A and AA find on the page.
func (b *tab) axe() []string {
	b.t.Helper()
	root, err := component.Root()
	if err != nil {
		b.t.Fatal(err)
	}
	source, err := os.ReadFile(filepath.Join(root, "infra", "tools", "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](string(source)+";true")); err != nil {
		b.t.Fatal(err)
	}
	found, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]string](
		`axe.run({runOnly:["wcag2a","wcag2aa","wcag21a","wcag21aa","wcag22aa","best-practice"]}).then(r => r.violations.map(v => v.id+": "+v.nodes.map(n => n.html).join(" | ")))`,
		chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatal(err)
	}
	return found
}

// target reports every link and control that is smaller than 44 px in both directions, links within sentences apart.
func (b *tab) smallTargets() []string {
	b.t.Helper()
	found, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]string](`Array.from(document.querySelectorAll("button:not([aria-hidden=true]), input:not([type=hidden]):not([type=radio]):not([type=checkbox]), select, textarea, label:has(input[type=radio],input[type=checkbox]), a.button"))
		.filter(e => { const r = e.getBoundingClientRect(); return r.width > 0 && r.height < 44 }).map(e => e.outerHTML.slice(0, 120))`))
	if err != nil {
		b.t.Fatal(err)
	}
	return found
}

func TestAcceptInBrowser(t *testing.T) {
	browser := newChromium(t)
	alder := newPartner(t, "alder")
	for _, scripts := range []bool{true, false} {
		t.Run(fmt.Sprintf("scripts %t", scripts), func(t *testing.T) {
			recipient := fmt.Sprintf("browser-%t@larch.example", scripts)
			id, link := alder.invite(`{"kind":"reseller","requestDelegatedAdmin":true,"recipientEmail":"`+recipient+`"}`, recipient)
			b := newTab(t, browser, scripts)
			b.do(chromedp.Navigate(link))
			b.at("review")
			b.do(chromedp.Click(`main a[href$="/sign-in"]`),
				chromedp.WaitReady(`input[name=username]`),
				chromedp.SendKeys(`input[name=username]`, "admin@larch.example"),
				chromedp.SendKeys(`input[name=password]`, "anything"),
				chromedp.Submit(`input[name=password]`))
			b.at("answer")
			if n, err := chromedp.Run(b.ctx, chromedp.Evaluate[int](`document.querySelectorAll("input:checked, option[selected]").length`)); err != nil || n != 0 {
				t.Errorf("%d controls are preselected (%v)", n, err)
			}
			if scripts {
				for _, finding := range append(b.axe(), b.smallTargets()...) {
					t.Error(finding)
				}
			}
			// Nothing chosen: the browser or the server says what is missing, and nothing is written.
			b.do(chromedp.SetAttributeValue(`main form`, "novalidate", ""), chromedp.Click(`main form button[type=submit]`))
			b.do(chromedp.WaitReady(`[role=alert]`))
			b.look("answer-errors")
			if s := alder.do("GET", "/v1/invitations/"+id, "").json(t)["status"]; s != "pending" {
				t.Fatalf("an empty form made it %v", s)
			}
			b.do(chromedp.Click(`input[name=answer][value=accept]`),
				chromedp.Click(`input[name=authorized]`),
				chromedp.SendKeys(`input[name=fullName]`, "Lara Larch"),
				chromedp.SendKeys(`input[name=jobTitle]`, "Head of IT"),
				chromedp.Click(`main form button[type=submit]`))
			b.at("accepted")
			reference, err := chromedp.Run(b.ctx, chromedp.TextContent(`#reference`))
			if err != nil || strings.TrimSpace(reference) == "" {
				t.Errorf("reference %q (%v)", reference, err)
			}
			if s := alder.do("GET", "/v1/invitations/"+id, "").json(t)["status"]; s != "accepted" {
				t.Errorf("status %v", s)
			}
		})
	}
}

// The pages that a person meets when something is not as hoped.
func TestOtherPagesInBrowser(t *testing.T) {
	browser := newChromium(t)
	alder := newPartner(t, "alder")
	id, link := alder.invite(`{"kind":"reseller","recipientEmail":"pages@oak.example","locale":"fr"}`, "pages@oak.example")
	for _, c := range []struct{ page, person string }{
		{"review", ""}, {"not-admin", "user@larch.example"}, {"region-not-allowed", "admin@maple.example"}, {"cloud-mismatch", "admin@agency.example"},
	} {
		t.Run(c.page, func(t *testing.T) {
			b := newTab(t, browser, true)
			b.do(chromedp.Navigate(link))
			if c.person != "" {
				b.do(chromedp.Click(`main a[href$="/sign-in"]`),
					chromedp.SendKeys(`input[name=username]`, c.person),
					chromedp.SendKeys(`input[name=password]`, "x"), chromedp.Submit(`input[name=password]`))
			}
			b.do(chromedp.WaitReady(`main[data-page="` + c.page + `"]`))
			for _, finding := range append(b.axe(), b.smallTargets()...) {
				t.Error(finding)
			}
			b.look(c.page + "-fr")
		})
	}
	alder.post("/v1/invitations/"+id+"/cancel", "").want(t, 200)
	b := newTab(t, browser, true)
	b.do(chromedp.Navigate(link))
	b.at("unknown")
	for _, finding := range b.axe() {
		t.Error(finding)
	}
}

// The pages of requests with two tiers: both are named, and the explicit box of a partnership is a control like every other.
func TestTierPagesInBrowser(t *testing.T) {
	browser := newChromium(t)
	birch, cedar := newPartner(t, "birch"), newPartner(t, "cedar")
	_, both := cedar.invite(`{"kind":"dualReseller","recipientEmail":"tierpages@oak.example","locale":"de","providerTenantId":"`+tenantOf(t, "birch.example")+`"}`, "tierpages@oak.example")
	_, asked := birch.invite(`{"kind":"partnership","recipientEmail":"tierpages@dogwood.example","locale":"hi"}`, "tierpages@dogwood.example")
	for _, c := range []struct{ name, link, page, person string }{
		{"dual, review", both, "review", ""}, {"dual, answer", both, "answer", "admin@oak.example"}, {"partnership, review", asked, "review", ""},
		{"partnership, answer", asked, "answer", "admin@dogwood.example"}, {"partnership, of a customer", asked, "reseller-not-enrolled", "admin@oak.example"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newTab(t, browser, true)
			b.do(chromedp.Navigate(c.link))
			if c.person != "" {
				b.do(chromedp.Click(`main a[href$="/sign-in"]`), chromedp.SendKeys(`input[name=username]`, c.person),
					chromedp.SendKeys(`input[name=password]`, "x"), chromedp.Submit(`input[name=password]`))
			}
			b.do(chromedp.WaitReady(`main[data-page="` + c.page + `"]`))
			for _, finding := range append(b.axe(), b.smallTargets()...) {
				t.Error(finding)
			}
			b.look(strings.ReplaceAll(c.name, ", ", "-"))
		})
	}
}

// The pages beside the answer, as a recipient goes through them.
func TestRecipientPagesInBrowser(t *testing.T) {
	browser := newChromium(t)
	alder := newPartner(t, "alder")
	_, link := alder.invite(`{"kind":"reseller","recipientEmail":"aside@oak.example"}`, "aside@oak.example")
	b := newTab(t, browser, true)
	sound := func(page string) {
		t.Helper()
		b.at(page)
		for _, finding := range append(b.axe(), b.smallTargets()...) {
			t.Errorf("%s: %s", page, finding)
		}
	}
	send := func(page, reason, result string) {
		t.Helper()
		sound(page)
		b.do(chromedp.Click(`main form button[type=submit]`), chromedp.WaitReady(`[role=alert]`))
		for _, finding := range b.axe() {
			t.Errorf("%s, amiss: %s", page, finding)
		}
		b.look(page + "-errors")
		b.do(chromedp.Click(`input[value="`+reason+`"]`), chromedp.Click(`main form button[type=submit]`))
		sound(result)
	}
	languages := func(url, page string) {
		t.Helper()
		other := newTab(t, browser, true)
		for _, lang := range []string{"de", "es", "fr", "hi", "ja", "zh-Hans"} {
			other.do(chromedp.Navigate(url+"?lang="+lang), chromedp.WaitReady(`main[data-page="`+page+`"]`))
			for _, finding := range append(other.axe(), other.smallTargets()...) {
				t.Errorf("%s in %s: %s", page, lang, finding)
			}
			other.look(page + "-" + lang)
		}
	}
	b.do(chromedp.Navigate(link + "/renewal"))
	sound("no-renewal")
	b.do(chromedp.Click(`main a.button`))
	b.at("review")
	b.do(chromedp.Click(`main a[href$="/report"]`), chromedp.WaitReady(`main[data-page=report]`))
	languages(link+"/report", "report")
	send("report", "wrong-person", "reported")

	_, link = alder.invite(`{"kind":"reseller","recipientEmail":"left@oak.example"}`, "left@oak.example")
	advance(t, "P23DT1H")
	leave := otherLink(t, mailTo(t, "left@oak.example", 2)[1], "u")
	languages(leave, "unsubscribe")
	b.do(chromedp.Navigate(leave))
	send("unsubscribe", "on", "unsubscribed")
	advance(t, "P8D")
	b.do(chromedp.Navigate(link))
	sound("expired")
	b.do(chromedp.Click(`main a.button`))
	languages(link+"/renewal", "renewal")
	send("renewal", "mail-lost", "renewal-asked")

	birch := newPartner(t, "birch")
	_, link = birch.invite(`{"kind":"reseller","recipientEmail":"wasnotus@larch.example","requestDelegatedAdmin":true}`, "wasnotus@larch.example")
	person := newBrowser(t)
	person.submit(person.signIn(link, "admin@larch.example").want(t, 200), accepting()).want(t, 200)
	dispute := otherLink(t, mailTo(t, "wasnotus@larch.example", 2)[1], "r")
	languages(dispute, "dispute")
	b.do(chromedp.Navigate(dispute))
	send("dispute", "not-authorised", "disputed")

	_, link = birch.invite(`{"kind":"reseller","sandbox":true,"recipientEmail":"success+pages@simulator.amazonses.com"}`, "success+pages@simulator.amazonses.com")
	b.do(chromedp.Navigate(link))
	sound("review")
	b.look("review-rehearsal")
	b.do(chromedp.Click(`main a[href$="/sign-in"]`), chromedp.SendKeys(`input[name=username]`, "admin@oak.example"),
		chromedp.SendKeys(`input[name=password]`, "x"), chromedp.Submit(`input[name=password]`))
	sound("answer")
	b.do(chromedp.Click(`input[name=answer][value=accept]`), chromedp.Click(`input[name=authorized]`),
		chromedp.SendKeys(`input[name=fullName]`, "Owen Oak"), chromedp.SendKeys(`input[name=jobTitle]`, "Head of IT"),
		chromedp.Click(`main form button[type=submit]`))
	sound("accepted")
	b.look("accepted-rehearsal")
}

// What a mail scanner with a browser does: it opens the link with scripts, follows every link on the page and sends every
// form as it is. Nothing may change (reliability, promise 5).
func TestScannerWithBrowserChangesNothing(t *testing.T) {
	browser := newChromium(t)
	alder := newPartner(t, "alder")
	id, link := alder.invite(`{"kind":"reseller","recipientEmail":"scanned@oak.example"}`, "scanned@oak.example")
	alder.arrived(id)
	_, over := alder.invite(`{"kind":"reseller","expiresIn":"P2D","recipientEmail":"scanned-late@oak.example"}`, "scanned-late@oak.example")
	reminded, _ := alder.invite(`{"kind":"reseller","expiresIn":"P8D","recipientEmail":"scanned-again@oak.example"}`, "scanned-again@oak.example")
	_, answered := alder.invite(`{"kind":"reseller","recipientEmail":"scanned-done@oak.example"}`, "scanned-done@oak.example")
	alder.arrived(reminded)
	advance(t, "P2DT1H")
	person := newBrowser(t)
	person.submit(person.signIn(answered, "admin@oak.example").want(t, 200), url.Values{"answer": {"decline"}, "authorized": {"on"}, "fullName": {"Owen Oak"}}).want(t, 200)
	leave := otherLink(t, mailTo(t, "scanned-again@oak.example", 2)[1], "u")
	dispute := otherLink(t, mailTo(t, "scanned-done@oak.example", 2)[1], "r")
	before := dump(t)
	b := newTab(t, browser, true)
	followed := 0
	for _, start := range []string{link, link, over, leave, dispute} {
		b.do(chromedp.Navigate(start))
		links, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]string](`Array.from(document.links, a => a.href).filter(h => h.startsWith("http"))`))
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range append(links, start) {
			if !strings.HasPrefix(u, local.URL) {
				continue // another company's site
			}
			b.do(chromedp.Navigate(u))
			forms, err := chromedp.Run(b.ctx, chromedp.Evaluate[int](`Array.from(document.forms, f => f.submit()).length`))
			if err != nil {
				t.Fatal(err)
			}
			if forms > 0 {
				b.do(chromedp.Sleep(500 * time.Millisecond)) // the form is on its way; another navigation would stop it
			}
			followed++
		}
		// It presses every button too: languages of a form are some.
		b.do(chromedp.Navigate(start))
		buttons, err := chromedp.Run(b.ctx, chromedp.Evaluate[int](`document.querySelectorAll("button").length`))
		if err != nil {
			t.Fatal(err)
		}
		for n := range buttons {
			b.do(chromedp.Navigate(start))
			press := fmt.Sprintf(`document.querySelectorAll("button")[%d]?.click(), true`, n)
			if _, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](press)); err != nil {
				t.Fatal(err)
			}
			b.do(chromedp.Sleep(300 * time.Millisecond))
			followed++
		}
	}
	if followed < 40 {
		t.Errorf("there was little to follow: %d", followed)
	}
	if dump(t) != before {
		t.Error("the scanner changed something")
	}
	t.Logf("links followed and forms sent: %d; changes: 0", followed)
}
