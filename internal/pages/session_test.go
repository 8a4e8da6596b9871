package pages_test

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/relationship"
)

// forget has a browser forget whoever was signed in, as it does half an hour later.
func (b *browser) forget() {
	b.d.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		b.d.t.Fatal(err)
	}
	b.Jar = jar
}

// fields are those of the form that somebody fills in, as a browser would send them.
func (s seen) fields() url.Values {
	v := url.Values{}
	form := s.id("fill")
	if form == nil {
		return v
	}
	is := func(n *html.Node, name string) bool {
		return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
	}
	for _, in := range find(form, "input") {
		if kind := attr(in, "type"); kind != "checkbox" && kind != "radio" || is(in, "checked") {
			v.Set(attr(in, "name"), attr(in, "value"))
		}
	}
	for _, list := range find(form, "select") {
		for _, o := range find(list, "option") {
			if is(o, "selected") {
				v.Set(attr(list, "name"), attr(o, "value"))
			}
		}
	}
	for _, area := range find(form, "textarea") {
		if area.FirstChild == nil {
			continue
		}
		v.Set(attr(area, "name"), area.FirstChild.Data)
	}
	return v
}

// form is a form of the pages that only who is signed in may send.
type form struct {
	page      string
	path      string
	enter     func(*browser, map[string]any) seen // signs somebody in and gives the page
	typed     url.Values                          // what does not bind
	binds     url.Values                          // what does
	result    string
	colleague map[string]any // another Global admin of the same company
}

// forms are all of them.
func forms(d *deployment) []form {
	lou := claims("u-lou", "Lou Larch", "lou@larch.example", larch, "Larch Trading Ltd", "US", "public", "globalAdmin")
	_, token := d.invite()
	blocks, silenced := d.invite(func(p *invitation.Proposal) { p.RecipientEmail = to("pat@larch.example") })
	stopped(d, &blocks)
	_, ruledOut := d.invite(func(p *invitation.Proposal) { p.RecipientEmail = to("marie@maple.example") })
	_, request := d.propose()
	active, ended := d.propose(func(t *granular.Proposal) { t.DisplayName = to("Other desk") })
	d.store.PutGranular(active.Approved(relationship.Customer{Tenant: larch, CompanyName: "Larch Trading Ltd"}, "", granular.Given{Subject: "u-someone", Tenant: larch, At: d.service.Now()}, granular.Entry{At: d.service.Now(), By: "u-someone"}))
	_, applied := d.apply()
	d.serve(alder)
	at := func(path string) func(*browser, map[string]any) seen {
		return func(b *browser, who map[string]any) seen { return b.signInAt(path, who) }
	}
	confirm := url.Values{"confirm": {"on"}}
	typed := url.Values{"fullName": {"Lara O’Larch"}, "jobTitle": {"Head of IT"}}
	return []form{
		{"answer", "/i/" + token, at("/i/" + token), with(typed, "comment", "Two\nlines", "reason", "other"), url.Values{"answer": {"accept"}, "authorized": {"on"}}, "accepted", lou},
		{"region-not-allowed", "/i/" + ruledOut, at("/i/" + ruledOut), with(typed, "comment", "No", "reason", "no-need"), url.Values{"authorized": {"on"}}, "declined",
			claims("u-max", "Max Maple", "max@maple.example", maple, "Maple SARL", "FR", "public", "globalAdmin")},
		{"answer", request, at(request), typed, url.Values{"answer": {"accept"}, "authorized": {"on"}}, "accepted", lou},
		{"end", ended + "/end", func(b *browser, who map[string]any) seen {
			b.signInAt(ended, who)
			return b.get(ended + "/end")
		}, nil, confirm, "ended", lou},
		{"verification", "/e/" + applied, func(b *browser, who map[string]any) seen { return b.verifyAs(applied, who) }, nil, confirm, "verified", nil},
		{"allow", "/i/" + silenced + allow, func(b *browser, who map[string]any) seen {
			b.signIn(silenced, who)
			return b.get("/i/" + silenced + allow)
		}, nil, confirm, "allowed", lou},
		{"revoke", revoking, func(b *browser, who map[string]any) seen {
			b.signInAsCompany(who)
			return b.get(revoking)
		}, nil, confirm, "revoked", lou},
	}
}

func (f form) owner() map[string]any {
	switch f.page {
	case "region-not-allowed":
		return marie
	case "verification":
		return grace
	default:
		return lara
	}
}

// A session that ended in the middle of a form: nothing was recorded, what was typed is still there, choices that bind are not, and who
// signs in again in another tab sends the same form again. It is so for every form.
func TestSessionEndsInAForm(t *testing.T) {
	d := deploy(t)
	for _, f := range forms(d) {
		t.Run(f.path[:3]+" "+f.page, func(t *testing.T) {
			b := d.browser()
			sent := f.enter(b, f.owner()).fields()
			before := d.writes.Load()
			for _, values := range []url.Values{f.typed, f.binds} {
				for name, v := range values {
					sent[name] = v
				}
			}
			b.forget()
			again := b.post(f.path, sent)
			again.want(t, f.page, http.StatusUnauthorized)
			again.has(t, "Not saved yet", "Nothing was recorded", "another tab")
			if said := content(again.doc); strings.Contains(said, "Signed in as") || strings.Contains(said, f.owner()["email"].(string)) || strings.Contains(again.text, "switch=1") {
				t.Errorf("somebody is said to be signed in: %s", said)
			}
			if again.Header.Get("WWW-Authenticate") == "" {
				t.Error("401 without a challenge")
			}
			at := slices.IndexFunc(find(again.doc, "a"), func(a *html.Node) bool {
				return attr(a, "target") == "_blank" && strings.Contains(attr(a, "href"), "/sign-in")
			})
			if at < 0 {
				t.Error("no way to sign in beside the form")
			}
			kept := again.fields()
			for name, v := range f.typed {
				if kept.Get(name) != v[0] {
					t.Errorf("%s: %q is kept, not %q", name, kept.Get(name), v[0])
				}
			}
			for name := range f.binds {
				if kept.Get(name) != "" {
					t.Errorf("the choice %s is kept", name)
				}
			}
			b.post(f.path, kept).want(t, f.page, http.StatusUnauthorized) // once more, still nobody
			if d.writes.Load() != before {
				t.Fatal("something was recorded")
			}
			if f.colleague != nil { // somebody else sits down at the same browser
				other := d.browser()
				f.enter(other, f.colleague)
				empty := other.post(f.path, with(kept, "answer", "accept", "authorized", "on", "confirm", "on"))
				empty.want(t, f.page, http.StatusUnauthorized)
				empty.has(t, "someone else filled in this form")
				for name, v := range empty.fields() {
					if v[0] != "" && slices.Contains([]string{"fullName", "jobTitle", "comment", "reason", "authorized", "confirm"}, name) {
						t.Errorf("somebody else is shown %s: %q", name, v[0])
					}
				}
				if strings.Contains(empty.text, "O’Larch") || d.writes.Load() != before {
					t.Error("somebody else is shown what was typed, or has sent it")
				}
			}
			// The link above the form leads to a page that says where to go on, and not to another form that is empty.
			begin := b.get(attr(find(again.doc, "a")[at], "href"))
			back := b.get(d.idp.approve(begin.Header.Get("Location"), f.owner()))
			tab := b.get(back.Header.Get("Location"))
			tab.want(t, "signed-in", http.StatusOK)
			tab.has(t, "You’re signed in", "Go back to the tab with your form")
			here, _, _ := strings.Cut(back.Header.Get("Location"), "?")
			if len(find(tab.doc, "form")) > 0 || !slices.Contains(tab.links(), here) {
				t.Errorf("beside the form: %v", tab.links())
			}
			for name, v := range f.binds {
				kept[name] = v
			}
			done := b.post(f.path, kept)
			if done.page() != f.result || done.StatusCode != http.StatusSeeOther && done.StatusCode != http.StatusOK {
				if f.page != "end" || done.page() != "ended" {
					t.Errorf("sent again: %d %q", done.StatusCode, done.page())
				}
			}
			if d.writes.Load() == before && f.page != "revoke" && f.page != "verification" {
				t.Error("nothing was recorded in the end")
			}
		})
	}
	if r := d.between(alder); r.DelegatedAdmin != relationship.TerminatedDAP {
		t.Errorf("administration: %s", r.DelegatedAdmin)
	}
}

// What a form says of who fills it in gives nobody anything: without a session it shows that person's form and no result, and is no session.
func TestFillerIsNoSession(t *testing.T) {
	d := deploy(t)
	_, token := d.invite()
	b := d.browser()
	sent := b.signIn(token, lara).fields()
	b.post("/i/"+token, with(acceptance, "filledBy", sent.Get("filledBy"))).want(t, "accepted", http.StatusSeeOther)
	b.forget()
	over := b.post("/i/"+token, with(acceptance, "filledBy", sent.Get("filledBy")))
	over.want(t, "session-over", http.StatusUnauthorized)
	if strings.Contains(over.text, "Lara") || strings.Contains(over.text, "Larch Trading") {
		t.Error("the result is shown to who is not signed in")
	}
	u, err := url.Parse(d.URL)
	if err != nil {
		t.Fatal(err)
	}
	b.Jar.SetCookies(u, []*http.Cookie{{Name: "concord-session", Value: sent.Get("filledBy"), Path: "/"}})
	b.get("/customer").want(t, "customer-sign-in", http.StatusOK)
	for _, filler := range []string{"x", sent.Get("filledBy")[1:], strings.Repeat("A", 300)} {
		b.post("/i/"+token, with(acceptance, "filledBy", filler)).want(t, "session-over", http.StatusUnauthorized)
	}
}

// A language switch keeps what was typed, on every form, and asks for the choices that bind under the new words; it writes nothing, and what was
// typed is in no URL.
func TestLanguageSwitchKeepsWhatWasTyped(t *testing.T) {
	d := deploy(t)
	for _, f := range forms(d) {
		b := d.browser()
		page := f.enter(b, f.owner())
		before := d.writes.Load()
		at := slices.IndexFunc(find(page.doc, "button"), func(n *html.Node) bool {
			return attr(n, "name") == "lang" && attr(n, "value") == "fr" && attr(n, "form") == "fill"
		})
		if at < 0 {
			t.Errorf("%s: no button for another language", f.page)
			continue
		}
		// Enter sends the form itself, whose button comes first.
		if first := find(page.doc, "button")[0]; attr(first, "form") != "fill" || attr(first, "name") != "" {
			t.Errorf("%s: Enter chooses a language", f.page)
		}
		sent := page.fields()
		for _, values := range []url.Values{f.typed, f.binds, {"lang": {"fr"}}} {
			for name, v := range values {
				sent[name] = v
			}
		}
		french := b.post(f.path, sent)
		french.want(t, f.page, http.StatusOK)
		if lang := attr(find(french.doc, "html")[0], "lang"); lang != "fr" || attr(french.id("fill"), "action") != f.path+"?lang=fr" {
			t.Errorf("%s: in %s, to %s", f.page, lang, attr(french.id("fill"), "action"))
		}
		kept := french.fields()
		for name, v := range f.typed {
			if kept.Get(name) != v[0] {
				t.Errorf("%s: %s is lost", f.page, name)
			}
		}
		for name := range f.binds {
			if kept.Get(name) != "" {
				t.Errorf("%s: the choice %s was made under other words", f.page, name)
			}
		}
		if len(french.id("fill").Parent.Attr) > 0 && strings.Contains(strings.Join(french.links(), " "), "Larch") || d.writes.Load() != before {
			t.Errorf("%s: something was written, or is in a URL", f.page)
		}
	}
	// So do the forms for which nobody signs in.
	inv, _ := d.invite(func(p *invitation.Proposal) { p.RecipientEmail = to("kim@larch.example") })
	path := d.at('i', inv, 1, report)
	german := d.browser().post(path, url.Values{"reason": {"impersonation"}, "lang": {"de"}})
	german.want(t, "report", http.StatusOK)
	if got := german.fields().Get("reason"); got != "impersonation" {
		t.Errorf("the reason is %q", got)
	}
}

// A session slides, and ends by a button in this browser alone.
func TestSignOut(t *testing.T) {
	d := deploy(t)
	_, token := d.invite()
	b, other := d.browser(), d.browser()
	page := b.signIn(token, lara)
	other.signIn(token, lara)
	if !slices.Contains(page.links(), "/sign-out") {
		t.Errorf("no way to sign out: %v", page.links())
	}
	b.get("/sign-out").want(t, "sign-out", http.StatusOK)
	b.get("/i/"+token).want(t, "answer", http.StatusOK)
	out := b.post("/sign-out?lang=de", url.Values{})
	if out.StatusCode != http.StatusSeeOther || out.Header.Get("Location") != "/sign-out?lang=de" {
		t.Errorf("%d to %q", out.StatusCode, out.Header.Get("Location"))
	}
	b.get("/sign-out").want(t, "signed-out", http.StatusOK)
	b.get("/i/"+token).want(t, "review", http.StatusOK)
	other.get("/i/"+token).want(t, "answer", http.StatusOK)
	r := request(t, http.MethodPost, d.URL+"/sign-out", nil)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	other.do(r).want(t, "cross-origin", http.StatusForbidden)
	other.get("/i/"+token).want(t, "answer", http.StatusOK)
}

// The summary of what is wrong takes the focus without a script, and what only accepting asks for is not shown beside Decline.
func TestFormsWithoutScripts(t *testing.T) {
	d := deploy(t)
	_, token := d.invite()
	b := d.browser()
	page := b.signIn(token, lara)
	if strings.Contains(page.text, "autofocus") {
		t.Error("a form without a fault takes the focus")
	}
	amiss := b.post("/i/"+token, url.Values{})
	n := 0
	for e := range amiss.doc.Descendants() {
		if slices.ContainsFunc(e.Attr, func(a html.Attribute) bool { return a.Key == "autofocus" }) {
			n++
			if attr(e, "class") != "faults" || attr(e, "tabindex") != "-1" {
				t.Errorf("<%s> takes the focus", e.Data)
			}
		}
	}
	if n != 1 {
		t.Errorf("%d elements take the focus", n)
	}
	if !strings.Contains(page.text, "form:has(#f-decline:checked) .if-accept{display:none}") {
		t.Error("what accepting asks for stands beside Decline")
	}
}
