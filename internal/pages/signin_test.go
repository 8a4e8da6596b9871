package pages_test

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"concord/internal/invitation"
	"concord/internal/relationship"
)

// begin starts a sign-in and gives where the provider would send the browser.
func (b *browser) begin(token string, who map[string]any) string {
	b.d.t.Helper()
	return b.d.idp.approve(b.get("/i/"+token+"/sign-in").Header.Get("Location"), who)
}

func edited(t *testing.T, target string, edit func(url.Values)) string {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	edit(q)
	u.RawQuery = q.Encode()
	return u.String()
}

func TestSignInRequest(t *testing.T) {
	d := deploy(t)
	_, token := d.invite()
	b := d.browser()
	for path, prompt := range map[string]string{"/sign-in": "", "/sign-in?switch=1": "login"} {
		u, err := url.Parse(b.get("/i/" + token + path).Header.Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		if q.Get("prompt") != prompt || q.Get("redirect_uri") != d.URL+"/sign-in/callback" || len(q.Get("state")) < 20 || len(q.Get("nonce")) < 20 ||
			len(q.Get("code_challenge")) != 43 {
			t.Errorf("%s: %v", path, q)
		}
		if strings.Contains(u.String(), token) {
			t.Error("the provider is told the link")
		}
	}
	if n := d.idp.called("/.well-known/openid-configuration"); n != 1 {
		t.Errorf("%d discoveries for two sign-ins", n)
	}
	if d.writes.Load() != 1 {
		t.Error("signing in wrote")
	}
}

func TestCookies(t *testing.T) {
	d := deploy(t)
	_, token := d.invite()
	b := d.browser()
	begin := b.get("/i/" + token + "/sign-in")
	back := b.get(d.idp.approve(begin.Header.Get("Location"), lara))
	check := func(c *http.Cookie, age int) {
		t.Helper()
		if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || c.MaxAge != age || c.Secure || len(c.Value) > 3900 {
			t.Errorf("%s: %d bytes, %+v", c.Name, len(c.Value), c)
		}
		if strings.Contains(c.Value, token[:40]) {
			t.Error("the link is in a cookie")
		}
	}
	check(begin.Cookies()[0], 600)
	if n := len(back.Cookies()); n != 2 {
		t.Fatalf("%d cookies", n)
	}
	check(back.Cookies()[0], 1800)
	if c := back.Cookies()[1]; c.Name != begin.Cookies()[0].Name || c.MaxAge != -1 {
		t.Errorf("the attempt is not dropped: %+v", c)
	}
}

func TestSessionOfACompanyWithManyDomains(t *testing.T) {
	d := deploy(t)
	_, token := d.invite()
	who := maps.Clone(lara)
	domains := []string{"larch.example"}
	for range 400 {
		domains = append(domains, strings.Repeat("long", 12)+".larch.example")
	}
	who["tenant_domains"] = domains
	d.browser().signIn(token, who).want(t, "answer", 200)
}

// TestParallelSignIns finishes two attempts of one browser in the other order.
func TestParallelSignIns(t *testing.T) {
	d := deploy(t)
	_, one := d.invite()
	_, two := d.invite(func(p *invitation.Proposal) { p.RecipientEmail = nil })
	b := d.browser()
	first, second := b.begin(one, lara), b.begin(two, lara)
	for _, c := range []struct{ target, token string }{{second, two}, {first, one}} {
		if to := b.get(c.target).Header.Get("Location"); to != "/i/"+c.token {
			t.Errorf("back to %q", to)
		}
	}
	// A browser that begins often keeps the youngest.
	for range 12 {
		b.begin(one, lara)
	}
	u, _ := url.Parse(d.URL)
	if n := len(b.Jar.Cookies(u)); n > 6 {
		t.Errorf("%d cookies", n)
	}
	if to := b.get(b.begin(one, lara)).Header.Get("Location"); to != "/i/"+one {
		t.Errorf("the last attempt leads to %q", to)
	}
}

func TestSignInIsOver(t *testing.T) {
	for name, c := range map[string]func(t *testing.T, d *deployment, b *browser, target string) (*browser, string){
		"in another browser": func(_ *testing.T, d *deployment, _ *browser, target string) (*browser, string) {
			return d.browser(), target
		},
		"with another state": func(t *testing.T, _ *deployment, b *browser, target string) (*browser, string) {
			return b, edited(t, target, func(q url.Values) { q.Set("state", q.Get("state")[:20]+"ABCDEF") })
		},
		"without a state": func(t *testing.T, _ *deployment, b *browser, target string) (*browser, string) {
			return b, edited(t, target, func(q url.Values) { q.Del("state") })
		},
		"without a code": func(t *testing.T, _ *deployment, b *browser, target string) (*browser, string) {
			return b, edited(t, target, func(q url.Values) { q.Del("code") })
		},
		"with another code": func(t *testing.T, _ *deployment, b *browser, target string) (*browser, string) {
			return b, edited(t, target, func(q url.Values) { q.Set("code", "stolen") })
		},
		"from another issuer": func(t *testing.T, _ *deployment, b *browser, target string) (*browser, string) {
			return b, edited(t, target, func(q url.Values) { q.Set("iss", "https://evil.example") })
		},
		"twice": func(_ *testing.T, _ *deployment, b *browser, target string) (*browser, string) {
			b.get(target)
			return b, target
		},
		"login_required": func(t *testing.T, _ *deployment, b *browser, target string) (*browser, string) {
			return b, edited(t, target, func(q url.Values) { q.Del("code"); q.Set("error", "login_required") })
		},
		"by a key that is gone": func(_ *testing.T, d *deployment, b *browser, target string) (*browser, string) {
			d.keys.set(nil, "z9")
			return b, target
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := deploy(t)
			_, token := d.invite()
			b, target := d.browser(), ""
			target = b.begin(token, lara)
			b, target = c(t, d, b, target)
			got := b.get(target)
			got.want(t, "sign-in-over", 400)
			for _, cookie := range got.Cookies() {
				if strings.HasSuffix(cookie.Name, "session") {
					t.Error("a session")
				}
			}
		})
	}
}

// TestIDTokens gives tokens that prove nothing, each for its own reason.
func TestIDTokens(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, p *identityProvider){
		"another audience": func(_ *testing.T, p *identityProvider) {
			p.change = func(c map[string]any) { c["aud"] = "concord-api" }
		},
		"another issuer": func(_ *testing.T, p *identityProvider) {
			p.change = func(c map[string]any) { c["iss"] = "https://evil.example" }
		},
		"another nonce": func(_ *testing.T, p *identityProvider) { p.change = func(c map[string]any) { c["nonce"] = "x" } },
		"no nonce":      func(_ *testing.T, p *identityProvider) { p.change = func(c map[string]any) { delete(c, "nonce") } },
		"expired": func(_ *testing.T, p *identityProvider) {
			p.change = func(c map[string]any) { c["exp"] = time.Now().Add(-time.Hour).Unix() }
		},
		"HS256 with the public client id": func(t *testing.T, p *identityProvider) {
			p.sign = func(c map[string]any) string { return signed(t, jose.HS256, []byte(strings.Repeat(clientID, 8)), c) }
		},
		"another algorithm": func(t *testing.T, p *identityProvider) {
			p.sign = func(c map[string]any) string { return signed(t, jose.PS256, signingKey(), c) }
		},
		"alg none": func(t *testing.T, p *identityProvider) {
			p.sign = func(c map[string]any) string {
				parts := strings.Split(signed(t, jose.RS256, signingKey(), c), ".")
				return "eyJhbGciOiJub25lIn0." + parts[1] + "."
			}
		},
		"no token": func(_ *testing.T, p *identityProvider) { p.sign = func(map[string]any) string { return "" } },
	} {
		t.Run(name, func(t *testing.T) {
			d := deploy(t)
			_, token := d.invite()
			b := d.browser()
			target := b.begin(token, lara)
			spoil(t, d.idp)
			b.get(target).want(t, "sign-in-over", 400)
			b.get("/i/"+token).want(t, "review", 200)
		})
	}
}

func TestAccountsWithoutACompany(t *testing.T) {
	for _, tenant := range []any{nil, "", "consumers", 7, []string{string(larch)}} {
		d := deploy(t)
		_, token := d.invite()
		who := maps.Clone(lara)
		who["tid"] = tenant
		b := d.browser()
		got := b.get(b.begin(token, who))
		got.want(t, "no-company", 403)
		if got.links()[len(got.links())-1] != "/i/"+token+"/sign-in?switch=1" {
			t.Errorf("links: %q", got.links())
		}
	}
}

// TestClaims reads what a provider leaves out or gives in another shape.
func TestClaims(t *testing.T) {
	for name, c := range map[string]struct {
		change map[string]any
		page   string
	}{
		"roles as text":         {map[string]any{"roles": "globalAdmin adminAgent"}, "answer"},
		"unknown roles":         {map[string]any{"roles": []string{"GlobalAdmin", "root"}}, "not-admin"},
		"roles of another type": {map[string]any{"roles": map[string]any{"globalAdmin": true}}, "not-admin"},
		"no cloud":              {map[string]any{"cloud": nil}, "cloud-mismatch"},
		"tenant in capitals":    {map[string]any{"tid": strings.ToUpper(string(larch))}, "answer"},
		"country in small":      {map[string]any{"tenant_country": "us"}, "answer"},
		"UK, which is GB":       {map[string]any{"tenant_country": "UK"}, "answer"}, // the country is asked for: it is not known
		"a long name":           {map[string]any{"tenant_name": strings.Repeat("é", 5000)}, "answer"},
	} {
		d := deploy(t)
		_, token := d.invite()
		who := maps.Clone(lara)
		maps.Copy(who, c.change)
		if got := d.browser().signIn(token, who); got.page() != c.page {
			t.Errorf("%s: %s, want %s", name, got.page(), c.page)
		}
	}
}

func TestRefusedByTheProvider(t *testing.T) {
	d := deploy(t)
	_, token := d.invite()
	for code, c := range map[string]struct {
		page   string
		status int
	}{
		"access_denied": {"sign-in-refused", 403}, "consent_required": {"sign-in-refused", 403}, "interaction_required": {"sign-in-refused", 403},
		"server_error": {"service-trouble", 503}, "temporarily_unavailable": {"service-trouble", 503},
	} {
		b := d.browser()
		got := b.get(edited(t, b.begin(token, lara), func(q url.Values) {
			q.Del("code")
			q.Set("error", code)
			q.Set("error_description", "admin@larch.example")
		}))
		got.want(t, c.page, c.status)
		if c.page == "sign-in-refused" {
			got.has(t, "organisation blocks", "openid, profile and email")
		}
	}
}

func TestProviderIsDown(t *testing.T) {
	d := deploy(t)
	_, token := d.invite()
	b := d.browser()
	target := b.begin(token, lara)
	d.idp.mu.Lock()
	d.idp.status = http.StatusBadGateway
	d.idp.mu.Unlock()
	b.get(target).want(t, "service-trouble", 503)
	d.idp.mu.Lock()
	d.idp.status = 0
	d.idp.mu.Unlock()
	// The attempt is still there, and so is the code.
	if s := b.get(target); s.StatusCode != http.StatusSeeOther {
		t.Errorf("%d %s", s.StatusCode, s.page())
	}

	late := deploy(t)
	_, token = late.invite()
	late.idp.Close()
	got := late.browser().get("/i/" + token + "/sign-in")
	got.want(t, "service-trouble", 503)
	if got.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

// TestSignInOnlyWhereItHelps shows the case of a link that leads to no answer any more instead.
func TestSignInOnlyWhereItHelps(t *testing.T) {
	d := deploy(t)
	inv, token := d.invite()
	b := d.browser()
	d.clock.Store(int64(31 * 24 * time.Hour))
	b.get("/i/"+token+"/sign-in").want(t, "expired", 410)
	d.clock.Store(0)
	inv.Status = invitation.Cancelled
	d.store.PutInvitation(inv)
	b.get("/i/"+token+"/sign-in").want(t, "unknown", 404)
}

// TestSessionsUseRealTime moves the domain's clock, which leaves sessions alone.
func TestSessionsUseRealTime(t *testing.T) {
	d := deploy(t)
	_, token := d.invite()
	b := d.browser()
	b.signIn(token, lara).want(t, "answer", 200)
	d.clock.Store(int64(5 * 24 * time.Hour))
	b.get("/i/"+token).want(t, "answer", 200)
}

func TestKeyRotation(t *testing.T) {
	d := deploy(t)
	_, token := d.invite()
	b := d.browser()
	b.signIn(token, lara).want(t, "answer", 200)
	d.keys.set(nil, "n2", "k1")
	b.get("/i/"+token).want(t, "answer", 200)
	d.keys.set(nil, "n2")
	b.get("/i/"+token).want(t, "unknown", 404)
}

// TestCallbackLeadsNowhereElse gives the callback what a caller could name.
func TestCallbackLeadsNowhereElse(t *testing.T) {
	d := deploy(t)
	_, token := d.invite()
	b := d.browser()
	target := edited(t, b.begin(token, lara), func(q url.Values) {
		for _, name := range []string{"redirect", "redirect_uri", "return", "next", "lang"} {
			q.Set(name, "https://evil.example/")
		}
	})
	if to := b.get(target).Header.Get("Location"); to != "/i/"+token {
		t.Errorf("leads to %q", to)
	}
}

// TestCompanyWithoutAName: a provider such as Entra says neither what a company is called nor its domains. Who accepts is asked for the name, which
// is recorded as declared and proves nothing (domain, 0.27).
func TestCompanyWithoutAName(t *testing.T) {
	d := deploy(t)
	inv, token := d.invite()
	who := maps.Clone(lara)
	maps.Copy(who, map[string]any{"tenant_name": nil, "tenant_domains": nil})
	b := d.browser()
	form := b.signIn(token, who)
	says(t, form, "answer", http.StatusOK, "name=companyName", "your company")
	if strings.Contains(form.text, string(larch)) {
		t.Error("the company is called by the id of its directory")
	}
	says(t, b.post("/i/"+token, acceptance), "answer", http.StatusUnprocessableEntity, `href="#f-company"`, `id="f-company-fault"`)
	says(t, b.post("/i/"+token, with(acceptance, "companyName", "Larch Industries")), "accepted", http.StatusSeeOther, "Larch Industries")
	r, err := d.store.Relationship(t.Context(), inv.Inviter, larch)
	if err != nil || r.Customer.CompanyName != "Larch Industries" || r.Customer.NameSource != "declared" || r.IdentityCheck != relationship.Unproven {
		t.Errorf("%+v, %v", r, err)
	}
	if named := d.browser().signIn(token, lara); named.id("f-company") != nil {
		t.Error("a company with a name is asked for it")
	}
}
