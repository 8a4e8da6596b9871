package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"concord/internal/locale"
)

// signInToConsole goes from a page of the console to the provider and back.
func (b *tab) signInToConsole(path, person string) {
	b.t.Helper()
	b.do(chromedp.Navigate(local.URL+path), chromedp.WaitReady(`main[data-page=sign-in]`),
		chromedp.Click(`main a[href^="/console/sign-in/public"]`), chromedp.WaitReady(`input[name=username]`),
		chromedp.SendKeys(`input[name=username]`, person), chromedp.SendKeys(`input[name=password]`, "x"), chromedp.Submit(`input[name=password]`),
		chromedp.WaitReady(`main[data-page^=console-]`))
}

// lookEverywhere looks at a page at three widths in two themes: nothing is wider than the screen, and axe finds
// nothing.
func (b *tab) lookEverywhere(name string) {
	b.t.Helper()
	for _, scheme := range []string{"light", "dark"} {
		_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
		if err != nil {
			b.t.Fatal(err)
		}
		for _, width := range []int64{320, 768, 1280} {
			b.do(chromedp.EmulateViewport(width, 900))
			if wide, err := chromedp.Run(b.ctx, chromedp.Evaluate[int64](`document.documentElement.scrollWidth`)); err != nil || wide > width {
				b.t.Errorf("%s at %d px is %d px wide (%v)", name, width, wide, err)
			}
			for _, finding := range append(b.axe(), b.smallTargets()...) {
				b.t.Errorf("%s, %s, %d px: %s", name, scheme, width, finding)
			}
			if screenshots == "" {
				continue
			}
			png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
			if err != nil {
				b.t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(screenshots, fmt.Sprintf("%s-%d-%s.png", name, width, scheme)), png, 0o600); err != nil {
				b.t.Fatal(err)
			}
		}
	}
}

// weight fails for a page that loads more than three files, or more than 60 kB beside the two that are kept for good.
func (b *tab) weight(name string) {
	b.t.Helper()
	found, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]float64](`(() => { const own = performance.getEntriesByType("resource").filter(r => r.initiatorType != "iframe")
		return [own.length + 1, performance.getEntriesByType("navigation")[0].decodedBodySize] })()`))
	if err != nil || found[0] > 3 || found[1] > 60<<10 {
		b.t.Errorf("%s: %v requests and bytes (%v)", name, found, err)
	}
	b.t.Logf("%s: %.0f requests, %.0f bytes", name, found[0], found[1])
}

// The pages of the console as an agent goes through them.
func TestConsoleInBrowser(t *testing.T) {
	browser := newChromium(t)
	alder := newPartner(t, "alder")
	id, _ := alder.invite(`{"kind":"reseller","recipientEmail":"console@oak.example","recipientName":"Olivia Oak","requestDelegatedAdmin":true}`, "console@oak.example")
	_, link := alder.invite(`{"kind":"reseller","recipientEmail":"console@larch.example","requestDelegatedAdmin":true}`, "console@larch.example")
	who := newBrowser(t)
	who.submit(who.signIn(link, "admin@larch.example").want(t, 200), accepting()).want(t, 200)
	alder.post("/v1/invitations", `{"kind":"reseller","recipientEmail":"draft@spruce.example"}`).want(t, 201)

	b := newTab(t, browser, true)
	b.signInToConsole("/console/customers", "agent@alder.example")
	for _, page := range []struct{ name, path string }{
		{"console-today", "/console"}, {"console-customers", "/console/customers"}, {"console-invitations", "/console/invitations"},
		{"console-invitation", "/console/invitations/" + id}, {"console-new-relationship", "/console/invitations/new"},
		{"console-draft", "/console/invitations/" + id + "/draft"}, {"console-batches", "/console/batches"}, {"console-batch-new", "/console/batches/new"},
		{"console-invitations-several", "/console/invitations/several?do=cancel&id=" + id}, {"console-invitation-cancel", "/console/invitations/" + id + "/cancel"},
		{"console-kit", "/console/kit"}, {"console-kit", "/console/kit?errors"}, {"console-not-found", "/console/nothing"},
	} {
		name := page.name + strings.Repeat("-errors", strings.Count(page.path, "?"))
		b.do(chromedp.Navigate(local.URL+page.path), chromedp.WaitReady(`main[data-page="`+page.name+`"]`))
		b.weight(name)
		b.lookEverywhere(name)
	}
	for _, tag := range locale.Names(locale.Tags) {
		b.do(chromedp.EmulateViewport(320, 900), chromedp.Navigate(local.URL+"/console/invitations/"+id+"?lang="+tag), chromedp.WaitReady(`html[lang="`+tag+`"]`))
		if wide, err := chromedp.Run(b.ctx, chromedp.Evaluate[int64](`document.documentElement.scrollWidth`)); err != nil || wide > 320 {
			t.Errorf("%s is %d px wide (%v)", tag, wide, err)
		}
		for _, finding := range b.axe() {
			t.Errorf("%s: %s", tag, finding)
		}
	}
	b.do(chromedp.Navigate(local.URL+"/console/invitations/"+id+"/cancel?lang=en"), chromedp.SendKeys(`input[name=reason]`, "Wrong person"),
		chromedp.Click(`main button[value=cancel]`), chromedp.WaitReady(`main[data-page=console-invitation] > [role=status]`))
	if s := alder.do("GET", "/v1/invitations/"+id, "").json(t)["status"]; s != "cancelled" {
		t.Errorf("status %v", s)
	}
}

// Without script and with the keyboard alone the same is done.
func TestConsoleWithoutScript(t *testing.T) {
	browser := newChromium(t)
	alder := newPartner(t, "alder")
	id, _ := alder.invite(`{"kind":"reseller","recipientEmail":"noscript@oak.example"}`, "noscript@oak.example")
	b := newTab(t, browser, false)
	b.signInToConsole("/console/invitations/"+id, "sales@alder.example")
	b.do(chromedp.Click(`main a[href$="/cancel"]`), chromedp.WaitReady(`main[data-page=console-invitation-cancel]`),
		chromedp.Click(`main button[value=cancel]`), chromedp.WaitReady(`main[data-page=console-invitation] > [role=status]`))
	if s := alder.do("GET", "/v1/invitations/"+id, "").json(t)["status"]; s != "cancelled" {
		t.Errorf("status %v", s)
	}
}

// Another partner's request is not found, a company without an account is led to its enrolment, and the operator is
// let in.
func TestConsoleIsOnesOwn(t *testing.T) {
	browser := newChromium(t)
	alder := newPartner(t, "alder")
	id, _ := alder.invite(`{"kind":"reseller","recipientEmail":"own@oak.example"}`, "own@oak.example")
	for person, pages := range map[string][]string{
		"agent@birch.example": {"/console/invitations/" + id, "console-not-found"}, "admin@gorse.example": {"/console/customers", "console-enrolment"},
		"ops@concord.example": {"/console", "console-today"}, "admin@cedar.example": {"/console/invitations/" + id + "/cancel", "console-not-allowed"},
	} {
		b := newTab(t, browser, true)
		b.signInToConsole(pages[0], person)
		if got, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.querySelector("main").dataset.page`)); err != nil || got != pages[1] {
			t.Errorf("%s sees %q (%v)", person, got, err)
		}
		for _, finding := range slices.Concat(b.axe(), b.smallTargets()) {
			t.Errorf("%s: %s", person, finding)
		}
	}
}
