package e2e

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"golang.org/x/text/language"

	"concord/internal/locale"
)

// TestMailsInBrowser opens every mail of every kind in every language as a browser shows it: on a small and on a large screen, light and
// dark. Nothing is wider than the screen, nothing is loaded from anywhere, axe finds nothing in what a mail is made of, and every link
// is large enough for a thumb.
func TestMailsInBrowser(t *testing.T) {
	browser := newChromium(t)
	folder := t.TempDir()
	compose := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-run", "EveryLanguage", "concord/internal/mail", "-mails", folder)
	if out, err := compose.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, tag := range locale.Tags {
		files, err := filepath.Glob(filepath.Join(folder, "*."+tag.String()+".html"))
		if err != nil || len(files) < 10 {
			t.Fatalf("%v: %d mails, %v", tag, len(files), err)
		}
		t.Run(tag.String(), func(t *testing.T) {
			b := newTab(t, browser, true)
			for _, file := range files {
				name := strings.TrimSuffix(filepath.Base(file), ".html")
				b.do(chromedp.Navigate("file://"+file), chromedp.WaitReady("h1"))
				b.look("mail-" + name)
				schemes := []string{"light", "dark"}
				if tag != language.English { // the parts and colours of a mail are the same in every language
					schemes = nil
					if strings.HasPrefix(name, "reminder.") || strings.HasPrefix(name, "receipt.accepted.") {
						schemes = []string{"dark"}
					}
				}
				for _, scheme := range schemes {
					if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
						Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}); err != nil {
						t.Fatal(err)
					}
					for _, finding := range b.axe() {
						// A mail is shown within the page of a mail program, which has the landmarks.
						if !strings.HasPrefix(finding, "landmark-one-main:") && !strings.HasPrefix(finding, "region:") {
							t.Errorf("%s, %s: %s", name, scheme, finding)
						}
					}
				}
				small, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]string](
					`Array.from(document.querySelectorAll("a")).filter(e => e.getBoundingClientRect().height < 44).map(e => e.textContent)`))
				if err != nil || len(small) > 0 {
					t.Errorf("%s: small links %q (%v)", name, small, err)
				}
				loaded, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]string](`performance.getEntriesByType("resource").map(e => e.name).filter(n => !n.endsWith("/favicon.ico"))`))
				if err != nil || len(loaded) > 0 {
					t.Errorf("%s loads %q (%v)", name, loaded, err)
				}
			}
		})
	}
}
