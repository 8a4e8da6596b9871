package pages_test

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
	"golang.org/x/text/language"

	"concord/internal/invitation"
	"concord/internal/locale"
	"concord/internal/partner"
)

// everyPage gives each page in a language, by what it shows.
func everyPage(t *testing.T, lang string) map[string]seen {
	t.Helper()
	all := map[string]seen{}
	for name, c := range map[string]struct {
		who     map[string]any
		edit    func(*invitation.Proposal)
		prepare func(*deployment, *invitation.Invitation)
		form    url.Values
		headers map[string]string
	}{
		"review":                     {},
		"review with administration": {edit: func(p *invitation.Proposal) { p.RequestDelegatedAdmin = to(true) }},
		"answer":                     {who: lara},
		"answer with administration": {who: lara, edit: func(p *invitation.Proposal) { p.RequestDelegatedAdmin = to(true) }},
		"answer with everything":     {who: nowhere, edit: func(p *invitation.Proposal) { p.RequestDelegatedAdmin = to(true) }},
		"answer with everything amiss": {who: nowhere, edit: func(p *invitation.Proposal) { p.RequestDelegatedAdmin = to(true) }, form: url.Values{
			"fullName": {"https://evil.example"}, "reason": {"x"}, "country": {"x"}}},
		"wrong tenant": {who: owen, prepare: func(d *deployment, i *invitation.Invitation) {
			i.Bound, i.Customer = true, larch
			d.store.PutInvitation(*i)
		}},
		"not an admin":          {who: user},
		"another cloud":         {who: agent},
		"another region":        {who: marie},
		"another region, amiss": {who: marie, form: url.Values{"answer": {"decline"}}},
		"partner not active": {who: lara, prepare: func(d *deployment, _ *invitation.Invitation) {
			a := alderAccount()
			a.Status = partner.Suspended
			d.store.PutAccount(a)
		}},
		"expired":    {prepare: func(d *deployment, _ *invitation.Invitation) { d.clock.Store(int64(31 * 24 * time.Hour)) }},
		"superseded": {prepare: func(d *deployment, i *invitation.Invitation) { i.Generation++; d.store.PutInvitation(*i) }},
		"cancelled": {prepare: func(d *deployment, i *invitation.Invitation) {
			i.Status = invitation.Cancelled
			d.store.PutInvitation(*i)
		}},
		"answered": {prepare: answeredBy("u-owen", oak, invitation.Accepted)},
		"accepted": {who: lara, prepare: answeredBy("u-lara", larch, invitation.Accepted)},
		"declined": {who: lara, prepare: answeredBy("u-lara", larch, invitation.Declined)},
		"accepted by the wrong company": {who: lara, edit: func(p *invitation.Proposal) { p.RecipientEmail = to("jo@oak.example") },
			prepare: answeredBy("u-lara", larch, invitation.Accepted)},
		"accepted with two receipts": {who: lara, prepare: func(d *deployment, i *invitation.Invitation) {
			answeredBy("u-lara", larch, invitation.Accepted)(d, i)
			i.Answer.Email = "admin@larch.example"
			d.store.PutInvitation(*i)
		}},
		"review of a rehearsal": {edit: rehearse},
		"answer of a rehearsal": {who: lara, edit: rehearse},
		"accepted in a rehearsal": {who: lara, edit: rehearse, prepare: func(d *deployment, i *invitation.Invitation) {
			answeredBy("u-lara", larch, invitation.Accepted)(d, i)
			i.Answer.NoChange = true
			d.store.PutInvitation(*i)
		}},
		"from another site": {form: acceptance, headers: map[string]string{"Sec-Fetch-Site": "cross-site"}},
		"not a form":        {who: lara, form: acceptance, headers: map[string]string{"Content-Type": "text/plain"}},
	} {
		d := deploy(t)
		inv, token := d.invite(func(p *invitation.Proposal) {
			if c.edit != nil {
				c.edit(p)
			}
		})
		b := d.browser()
		if c.who != nil {
			b.signIn(token, c.who)
		}
		if c.prepare != nil {
			c.prepare(d, &inv)
		}
		path := "/i/" + token
		r := request(t, http.MethodGet, d.URL+path+"?lang="+lang, nil)
		if c.form != nil {
			r = request(t, http.MethodPost, d.URL+path+"?lang="+lang, strings.NewReader(c.form.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		for k, v := range c.headers {
			r.Header.Set(k, v)
		}
		all[name] = b.do(r)
	}
	maps.Copy(all, customerPages(t, lang))
	for n, c := range pleas {
		d := deploy(t)
		_, path := d.plead(n)
		all[c.name] = d.browser().get(path + "?lang=" + lang)
		if c.mayWrite {
			all[c.name+", amiss"] = d.browser().post(path+"?lang="+lang, url.Values{})
		}
	}
	return all
}

// structure is what programs rely on: the case, the status, and which elements and fields there are.
func structure(s seen) []string {
	out := []string{s.page(), s.Status}
	for n := range s.doc.Descendants() {
		if n.Type == html.ElementNode && n.Data != "nav" && n.Data != "option" && n.Data != "li" && n.Data != "a" && n.Data != "span" {
			out = append(out, n.Data+"#"+attr(n, "id")+" "+attr(n, "name"))
		}
	}
	return out
}

// TestEveryPageInEveryLanguage: the words differ and nothing else does, the weight included that sound checks.
func TestEveryPageInEveryLanguage(t *testing.T) {
	english := everyPage(t, "en")
	for _, tag := range locale.Tags {
		t.Run(tag.String(), func(t *testing.T) {
			if tag == language.English {
				return
			}
			for name, s := range everyPage(t, tag.String()) {
				if l := attr(find(s.doc, "html")[0], "lang"); l != tag.String() || s.Header.Get("Content-Language") != l {
					t.Errorf("%s: the page is in %q", name, l)
				}
				if got, want := structure(s), structure(english[name]); !slices.Equal(got, want) {
					t.Errorf("%s: %q, in English %q", name, got, want)
				}
				if title := content(find(s.doc, "h1")[0]); title == content(find(english[name].doc, "h1")[0]) {
					t.Errorf("%s: the title is %q in both", name, title)
				}
				if strings.ContainsAny(content(s.doc), "{}") {
					t.Errorf("%s: a placeholder is left", name)
				}
			}
		})
	}
}

// TestLanguageOfAVisitor: a region's readers get their language, and who has none of ours gets English.
func TestLanguageOfAVisitor(t *testing.T) {
	d := deploy(t)
	b := d.browser()
	for header, want := range map[string]string{
		"zh-CN,zh;q=0.9,en;q=0.8": "zh-Hans", "ja-JP": "ja", "hi-IN,en;q=0.9": "hi", "de-AT": "de", "es-MX,es;q=0.9": "es", "pt-BR,pt;q=0.9": "en",
	} {
		r := request(t, http.MethodGet, d.URL+"/i/x", nil)
		r.Header.Set("Accept-Language", header)
		if got := attr(find(b.do(r).doc, "html")[0], "lang"); got != want {
			t.Errorf("%s: %q, want %q", header, got, want)
		}
	}
	// The language switch leads to each language and names it in itself.
	_, token := d.invite()
	var names []string
	for _, nav := range find(b.get("/i/"+token).doc, "nav") {
		for _, a := range find(nav, "a") {
			names = append(names, attr(a, "lang")+" "+content(a))
			b.get("/i/"+token+attr(a, "href")).want(t, "review", http.StatusOK)
		}
	}
	want := map[string]bool{}
	for _, tag := range locale.Tags[1:] {
		want[tag.String()+" "+locale.For(tag).Name()] = true
	}
	if got := slices.Sorted(slices.Values(names)); !slices.Equal(got, slices.Sorted(maps.Keys(want))) {
		t.Errorf("the language switch has %q", got)
	}
}
