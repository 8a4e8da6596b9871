package pages_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"concord/internal/invitation"
	"concord/internal/link"
)

// litter is what mail programs and hands leave behind a link.
var litter = []string{
	"/", "//", ".", "..", ")", ").", "]", "],", ",", ";", ":", "!", "?", "*", "_", "-", "'", "’", "\"", "”", "»", "」", "。", "、", "›", "…", " ", "\u00a0", "|", "=",
	"%3E", "%22", "%29", "%2C", "%2F", "%0D%0A", "%E2%80%8B", "%253E", "&gt;", "%26gt%3B", "%26quot;", "/.", "/)", ">,",
}

// A link is found whatever a mail program has taken for a part of it, for every purpose and every page below it, and leads on as if
// nothing had been there.
func TestWhatIsBehindALink(t *testing.T) {
	d := deploy(t)
	inv, _ := d.invite()
	of := inv
	accepted(d, &of)
	open, _ := d.invite(func(p *invitation.Proposal) { p.RecipientEmail = to("other@larch.example") })
	g, _ := d.propose()
	_, applied := d.apply()
	b := d.browser()
	tried := 0
	for path, page := range map[string]string{
		d.at(link.Answer, open, 1, ""): "review", d.at(link.Answer, open, 1, report): "report", d.at(link.Receipt, inv, 1, ""): "dispute", d.at(link.Unsubscribe, inv, 1, ""): "unsubscribe",
		d.granularPath(g, 1): "review", "/e/" + applied: "review", "/customer": "customer-sign-in",
	} {
		plain := b.get(path)
		plain.want(t, page, http.StatusOK)
		for _, tail := range litter {
			tried++
			crooked := strings.NewReplacer(" ", "%20", "\u00a0", "%C2%A0", "\"", "%22").Replace(path + tail)
			if got := b.get(crooked); got.page() != page || got.StatusCode != http.StatusOK || got.text != plain.text {
				t.Errorf("%s… and %q: %d %q, or another page than without", path[:3], tail, got.StatusCode, got.page())
			}
			if head := b.do(request(t, http.MethodHead, d.URL+crooked, nil)); head.StatusCode != http.StatusOK {
				t.Errorf("HEAD with %q: %d", tail, head.StatusCode)
			}
		}
		if path == "/customer" {
			continue
		}
		for _, more := range []string{"A", "AAAA", "/x", "%41", "&amp;x"} { // that says something else
			b.get(path+more).want(t, "unknown", http.StatusNotFound)
		}
	}
	if to := b.get(d.at(link.Answer, open, 1, "") + "/sign-in)").Header.Get("Location"); !strings.HasPrefix(to, d.idp.URL) {
		t.Errorf("the sign-in with a bracket behind it leads to %q", to)
	}
	// A mail provider's one click works as well.
	b.post(d.at(link.Unsubscribe, inv, 1, ">"), url.Values{"List-Unsubscribe": {"One-Click"}}).want(t, "unsubscribed", http.StatusOK)
	t.Logf("%d paths", tried)
}

// A path that leads nowhere has the page that helps, whatever it looks like: never a redirect, which somebody else could point elsewhere.
func TestCrookedPaths(t *testing.T) {
	d := deploy(t)
	b := d.browser()
	for _, path := range []string{
		"/", "/nothing", "//evil.example", "/i/..%2f..%2f%2fevil.example", "/i/../../evil.example", "/i//x", "/i/x/", "/./i/x", "/i/x/../y", "/customer/../x", "/%2e%2e/x",
		"/i/%5C%5Cevil.example", "/customers", "/customer/x", "/i/", "/i", "/v1/customers", "/favicon.ico",
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
			r := request(t, method, d.URL+"/", nil)
			r.URL.Path, r.URL.RawPath, r.URL.Opaque = "", "", path
			if strings.HasPrefix(path, "//") {
				r.URL.Opaque = "http://" + d.Listener.Addr().String() + path
			}
			got := b.do(r)
			got.want(t, "unknown", http.StatusNotFound)
			if got.Header.Get("Location") != "" {
				t.Errorf("%s %s redirects to %s", method, path, got.Header.Get("Location"))
			}
		}
	}
	help := b.get("/nothing")
	help.has(t, "open the email again", "ask whoever sent it for a new one")
	if !strings.Contains(strings.Join(help.links(), " "), "/customer") {
		t.Errorf("it leads to %v", help.links())
	}
}
