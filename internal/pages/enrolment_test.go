package pages_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"concord/internal/enrolment"
	"concord/internal/link"
	"concord/internal/locale"
	"concord/internal/partner"
	"concord/internal/storetest"
)

const applicant = partner.TenantID("9025e000-0000-4000-8000-000000000007")

var (
	grace = claims("u-grace", "Grace Gorse", "admin@gorse.example", applicant, "Gorse Networks", "US", "public", "globalAdmin")
	gus   = claims("u-gus", "Gus Gorse", "gus@gorse.example", applicant, "Gorse Networks", "US", "public")
)

// apply stores an application that waits for its contact, and gives it with the token of its link.
func (d *deployment) apply(edit ...func(*enrolment.Enrolment)) (enrolment.Enrolment, string) {
	d.t.Helper()
	now := d.service.Now().UTC().Truncate(time.Second)
	e := enrolment.Enrolment{
		ID: "enr_aaaaaaaaaaaaaaaaaaaaaaaaaa", Tenant: applicant, Cloud: "public", Path: enrolment.Full, Status: enrolment.EmailVerification, Locale: "en",
		Legal: enrolment.Legal{Entry: enrolment.Manually, Name: "Gorse Networks"}, Contact: enrolment.Person{Email: "grace@gorse.example"},
		Verification: enrolment.Verification{Generation: 1, Asked: []enrolment.Asking{{At: now}}, ExpiresAt: now.Add(enrolment.LinkTime)},
		CreatedAt:    now, CreatedBy: "somebody", Version: 1,
	}
	for _, f := range edit {
		f(&e)
	}
	if err := d.store.WriteEnrolment(d.t.Context(), enrolment.Change{After: e}); err != nil {
		d.t.Fatal(err)
	}
	token, err := d.keys.Sign(d.t.Context(), link.Verify, link.Link{Tenant: string(e.Tenant), ID: e.ID, Generation: 1})
	if err != nil {
		d.t.Fatal(err)
	}
	d.secrets = append(d.secrets, token.Reveal(), token.Reveal()[:40], "gorse.example", "Gorse")
	return e, token.Reveal()
}

func (d *deployment) application() enrolment.Enrolment {
	d.t.Helper()
	e, err := d.store.Enrolment(d.t.Context(), "enr_aaaaaaaaaaaaaaaaaaaaaaaaaa")
	if err != nil {
		d.t.Fatal(err)
	}
	return e
}

// verifyAs signs in by the link of an enrolment.
func (b *browser) verifyAs(token string, who map[string]any) seen {
	b.d.t.Helper()
	begin := b.get("/e/" + token + "/sign-in")
	if begin.StatusCode != http.StatusSeeOther {
		b.d.t.Fatalf("sign-in: %d %s", begin.StatusCode, begin.page())
	}
	back := b.get(b.d.idp.approve(begin.Header.Get("Location"), who))
	if back.StatusCode != http.StatusSeeOther || back.Header.Get("Location") != "/e/"+token {
		b.d.t.Fatalf("callback: %d %s to %q", back.StatusCode, back.page(), back.Header.Get("Location"))
	}
	return b.get(back.Header.Get("Location"))
}

var ticked = url.Values{"confirm": {"on"}}

// Rules E12, E13: whoever follows the link signs in for the company and confirms by a form; looking changes nothing (invariant 17).
func TestConfirmAnAddress(t *testing.T) {
	d := deploy(t)
	e, token := d.apply()
	b := d.browser()
	first := b.get("/e/" + token)
	first.want(t, "review", 200)
	first.has(t, "Gorse Networks", e.Reference(), "g•••@gorse.example")
	if !slices.Contains(first.links(), "/e/"+token+"/sign-in") || strings.Contains(first.text, "grace@") {
		t.Errorf("links %q", first.links())
	}
	b.do(request(t, http.MethodHead, d.URL+"/e/"+token, nil))
	b.post("/e/"+token, ticked).want(t, "session-over", http.StatusUnauthorized)
	form := b.verifyAs(token, grace)
	form.want(t, "verification", 200)
	form.has(t, "grace@gorse.example")
	for _, in := range find(form.doc, "input") {
		if slices.ContainsFunc(in.Attr, func(a html.Attribute) bool { return a.Key == "checked" }) {
			t.Error("the box is ticked before anybody ticked it")
		}
	}
	unticked := b.post("/e/"+token, url.Values{})
	unticked.want(t, "verification", 422)
	unticked.has(t, "Tick the box to confirm the address")
	if d.application().Version != 1 {
		t.Fatal("something was written")
	}
	for range 2 { // and once more
		answer := b.post("/e/"+token, ticked)
		if answer.page() != "verified" || d.application().Version != 2 {
			t.Fatalf("%d %s", answer.StatusCode, answer.page())
		}
	}
	done := b.get("/e/" + token)
	done.want(t, "verified", 200)
	if ref := done.id("reference"); ref == nil || content(ref) != e.Reference() {
		t.Error("no reference")
	}
	got := d.application()
	if got.Status != enrolment.InVetting || got.Verification.VerifiedBy != "u-grace" || got.Vetting.EmailOwnership != enrolment.Passed || got.Vetting.Employment != enrolment.NotLooked {
		t.Errorf("%+v", got)
	}
	// X-j, rule E14: a review that takes too long says what to do.
	d.clock.Store(int64(9 * 24 * time.Hour))
	b.get("/e/"+token).has(t, "longer than five business days", "Grove Marketplace Ltd has been alerted")
	d.clock.Store(0)

	// To everybody else the link is used.
	other := d.browser()
	other.get("/e/"+token).want(t, "answered", 410)
	other.verifyAs(token, gus).want(t, "answered", 410)
	other.post("/e/"+token, ticked).want(t, "answered", 410)
	if d.application().Version != 2 {
		t.Error("written again")
	}
}

// Each case of the link has its page and its status, the same before and after sign-in.
func TestVerificationCases(t *testing.T) {
	for name, c := range map[string]struct {
		edit   func(*enrolment.Enrolment)
		page   string
		status int
	}{
		"resent":              {func(e *enrolment.Enrolment) { e.Verification.Generation = 2 }, "superseded", 410},
		"another address":     {func(e *enrolment.Enrolment) { e.Status = enrolment.ActionRequired }, "superseded", 410},
		"seven days later":    {func(e *enrolment.Enrolment) { e.Verification.ExpiresAt = time.Now().Add(-time.Minute) }, "expired", 410},
		"withdrawn":           {func(e *enrolment.Enrolment) { e.Status = enrolment.Withdrawn }, "unknown", 404},
		"of another company":  {func(e *enrolment.Enrolment) { e.Tenant = oak }, "unknown", 404},
		"a cloud not served":  {func(e *enrolment.Enrolment) { e.Cloud = "moon" }, "service-trouble", 503},
		"confirmed by others": {func(e *enrolment.Enrolment) { e.Status, e.Verification.VerifiedAt = enrolment.InVetting, time.Now() }, "answered", 410},
	} {
		t.Run(name, func(t *testing.T) {
			d := deploy(t)
			_, token := d.apply()
			stored := d.application()
			edited := stored
			c.edit(&edited)
			if name == "of another company" {
				token2, err := d.keys.Sign(t.Context(), link.Verify, link.Link{Tenant: string(oak), ID: stored.ID, Generation: 1})
				if err != nil {
					t.Fatal(err)
				}
				token = token2.Reveal()
			} else {
				edited.Version++
				if err := d.store.WriteEnrolment(t.Context(), enrolment.Change{Before: &stored, After: edited}); err != nil {
					t.Fatal(err)
				}
			}
			version := d.application().Version
			b := d.browser()
			b.get("/e/"+token).want(t, c.page, c.status)
			if c.page != "answered" {
				b.get("/e/"+token+"/sign-in").want(t, c.page, c.status)
			}
			b.post("/e/"+token, ticked).want(t, c.page, c.status)
			if d.application().Version != version {
				t.Error("something was written")
			}
		})
	}
}

// Who signs in for another company cannot confirm, and uses nothing up.
func TestVerificationFromElsewhere(t *testing.T) {
	d := deploy(t)
	_, token := d.apply()
	b := d.browser()
	page := b.verifyAs(token, owen)
	page.want(t, "wrong-tenant", 403)
	if !slices.ContainsFunc(page.links(), func(h string) bool { return strings.HasSuffix(h, "/sign-in?switch=1") }) {
		t.Errorf("no way to another account: %q", page.links())
	}
	b.post("/e/"+token, ticked).want(t, "wrong-tenant", 403)
	b.get("/i/"+token).want(t, "unknown", 404)
	_, invited := d.invite()
	b.get("/e/"+invited).want(t, "unknown", 404)
	r := request(t, http.MethodPost, d.URL+"/e/"+token, strings.NewReader(ticked.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	b.do(r).want(t, "cross-origin", 403)
	r = request(t, http.MethodPost, d.URL+"/e/"+token, strings.NewReader("{}"))
	r.Header.Set("Content-Type", "application/json")
	b.do(r).want(t, "malformed", 400)
	if d.application().Version != 1 {
		t.Error("something was written")
	}
}

// What we depend on may be down, and then the link is as good as before.
func TestVerificationInTrouble(t *testing.T) {
	d := deploy(t)
	_, token := d.apply()
	b := d.browser()
	b.verifyAs(token, grace)
	d.store.Inject(func(op storetest.Operation) storetest.Fault {
		if op == storetest.WriteEnrolment {
			return storetest.Fault{Err: http.ErrHandlerTimeout}
		}
		return storetest.Fault{}
	})
	b.post("/e/"+token, ticked).want(t, "service-trouble", 503)
	d.store.Inject(nil)
	b.get("/e/"+token).want(t, "verification", 200)
}

// Every page of it in every language, each under the limit and in the language that it says.
func TestVerificationInEveryLanguage(t *testing.T) {
	for _, tag := range locale.Tags {
		d := deploy(t)
		_, token := d.apply(func(e *enrolment.Enrolment) { e.Locale = tag.String() })
		b := d.browser()
		pages := []seen{b.get("/e/" + token), b.verifyAs(token, owen), b.verifyAs(token, grace), b.post("/e/"+token, url.Values{})}
		b.post("/e/"+token, ticked)
		pages = append(pages, b.get("/e/"+token), d.browser().get("/e/"+token))
		d.clock.Store(int64(9 * 24 * time.Hour))
		pages = append(pages, b.get("/e/"+token))
		for n, page := range pages {
			if lang := attr(find(page.doc, "html")[0], "lang"); lang != tag.String() || len(page.text) > 17_000 {
				t.Errorf("page %d is in %q, with %d bytes", n, lang, len(page.text))
			}
		}
		d2 := deploy(t)
		_, token = d2.apply(func(e *enrolment.Enrolment) {
			e.Locale, e.Verification.ExpiresAt = tag.String(), time.Now().Add(-time.Hour)
		})
		d2.browser().get("/e/"+token).want(t, "expired", 410)
	}
}
