package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestDocsInBrowser: who programs against Concord reads how, and who finds a weakness reads whom to tell, as the stack serves it.
func TestDocsInBrowser(t *testing.T) {
	b := newTab(t, newChromium(t), true)
	b.do(chromedp.Navigate(local.URL+"/docs"), chromedp.WaitReady(`#codes`))
	for _, finding := range b.axe() {
		t.Error(finding)
	}
	styled, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`getComputedStyle(document.querySelector("details")).borderTopStyle`))
	if err != nil || styled != "solid" {
		t.Errorf("the browser does not take the style: %q, %v", styled, err)
	}
	alder := newPartner(t, "alder")
	told := alder.do("GET", "/.well-known/security.txt", "").want(t, http.StatusOK)
	for _, field := range []string{"Contact: mailto:", "Expires: ", "Canonical: "} {
		if !strings.Contains(string(told.body), field) {
			t.Errorf("%q has no %q", told.body, field)
		}
	}
}
