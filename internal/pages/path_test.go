package pages_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"concord/internal/invitation"
	"concord/internal/link"
	"concord/internal/locale"
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
			if path == "/" && method == http.MethodGet {
				got.want(t, "start", http.StatusOK)
			} else {
				got.want(t, "unknown", http.StatusNotFound)
			}
			if got.Header.Get("Location") != "" {
				t.Errorf("%s %s redirects to %s", method, path, got.Header.Get("Location"))
			}
		}
	}
	for path, says := range map[string][]string{
		"/i/x":     {"This link doesn’t work", "open the email again", "ask whoever sent it for a new one"},
		"/g/":      {"This link doesn’t work"},
		"/nothing": {"There’s nothing at this address", "open the email again", "A Global administrator can see"},
		"/income":  {"There’s nothing at this address"},
	} {
		help := b.get(path)
		help.want(t, "unknown", http.StatusNotFound)
		help.has(t, says...)
		if text := help.text; strings.HasPrefix(says[0], "There’s") && strings.Contains(text, "This link") {
			t.Errorf("%s speaks of a link", path)
		}
		if !strings.Contains(strings.Join(help.links(), " "), "/customer") {
			t.Errorf("%s leads to %v", path, help.links())
		}
	}
}

// Every page that needs no link is found with litter behind its path, as a link is; what says something else is another
// page.
func TestWhatIsBehindAPlace(t *testing.T) {
	d := deploy(t)
	b := d.browser()
	for _, place := range []string{
		"/customer", "/customer/agreement", "/customer/partners/" + string(alder),
		"/customer/partners/" + string(alder) + "/roles/gdap_aaaaaaaaaaaaaaaaaaaaaaaaaa", "/customer/providers/" + string(alder), "/customer/records/" + string(alder), "/sign-out",
		"/sign-in/callback",
	} {
		plain := b.get(place)
		if plain.page() == "unknown" {
			t.Errorf("%s is no page", place)
		}
		for _, tail := range []string{"/", "//", "/.", ".", ")", "%3E", "&gt;", "%20", "%253E"} {
			if got := b.get(place + tail); got.StatusCode != plain.StatusCode || got.page() != plain.page() || got.text != plain.text {
				t.Errorf("%s and %q: %d %q, not %d %q", place, tail, got.StatusCode, got.page(), plain.StatusCode, plain.page())
			}
		}
		if !strings.Contains(place, string(alder)) {
			b.get(place+"/no/x").want(t, "unknown", http.StatusNotFound)
		}
	}
	if to := b.get("/customer/sign-in/public/").Header.Get("Location"); !strings.HasPrefix(to, d.idp.URL) {
		t.Errorf("the sign-in with a slash behind it leads to %q", to)
	}
}

// The start leads people on, in every language, and programs to the document of the API.
func TestStart(t *testing.T) {
	d := deploy(t)
	b := d.browser()
	for _, tag := range locale.Tags {
		page := b.get("/?lang=" + tag.String())
		page.want(t, "start", http.StatusOK)
		if lang := attr(find(page.doc, "html")[0], "lang"); lang != tag.String() || !strings.Contains(page.text, "help@grove.example") ||
			!strings.Contains(strings.Join(page.links(), " "), "/customer?lang="+tag.String()) {
			t.Errorf("%s: in %s, leads to %v", tag, lang, page.links())
		}
	}
	for accept, json := range map[string]bool{
		"": false, "*/*": false, "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8": false, "application/json": true, "application/problem+json, */*;q=0.1": true,
		"text/html, application/json": false,
	} {
		r := request(t, http.MethodGet, d.URL+"/", nil)
		r.Header.Set("Accept", accept)
		got, err := b.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(got.Body)
		if is := got.Header.Get("Content-Type") == "application/json"; err != nil || is != json || got.StatusCode != http.StatusOK || got.Header.Get("Vary") != "Accept" ||
			got.Header.Get("X-Content-Type-Options") != "nosniff" || json && !strings.Contains(string(body), `"openapi":"/openapi.json"`) {
			t.Errorf("%q: %v %d %s %s", accept, err, got.StatusCode, got.Header.Get("Content-Type"), body)
		}
		_ = got.Body.Close()
	}
}
