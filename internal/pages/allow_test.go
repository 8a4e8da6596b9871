package pages_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/link"
	"concord/internal/locale"
)

const allow = "/allow"

// blocked reports whether alder's mails are kept from an address.
func (d *deployment) blocked(address string) bool {
	d.t.Helper()
	sum := sha256.Sum256([]byte(address))
	m, err := d.store.Mailings(d.t.Context(), hex.EncodeToString(sum[:16]), true)
	if err != nil {
		d.t.Fatal(err)
	}
	_, is := m.Blocked[alder]
	return is
}

// stoppedRequests are requests whose recipient has reported them: an invitation and one for granular administration, each by the path of the link
// that its partner has in a draft.
func stoppedRequests(d *deployment) map[string]string {
	inv, token := d.invite()
	stopped(d, &inv)
	r, path := d.propose()
	if _, _, err := d.granted.Send(d.t.Context(), granularCommand(), r.ID, granular.Addressee{RecipientEmail: to("ann@larch.example")}); err != nil {
		d.t.Fatal(err)
	}
	d.browser().post(path+report, url.Values{"reason": {"impersonation"}}).want(d.t, "reported", 200)
	return map[string]string{"jo@larch.example": "/i/" + token, "ann@larch.example": path}
}

// TestDecision036 (0.36): who is signed in for a tenant that has proven the recipient's domain lifts the block, by a ticked box. The link, which
// the partner knows from its draft, does nothing alone, nor for anybody else; looking writes nothing.
func TestDecision036(t *testing.T) {
	confirm := url.Values{"confirm": {"on"}}
	for address := range stoppedRequests(deploy(t)) {
		t.Run(address, func(t *testing.T) {
			d := deploy(t)
			path := stoppedRequests(d)[address]
			before := d.writes.Load()
			nobody := d.browser()
			got := nobody.get(path + allow)
			got.want(t, "allow-sign-in", 200)
			got.has(t, "larch.example", "Signing in alone changes nothing")
			if !slices.Contains(got.links(), path+"/sign-in?to=allow") || len(find(got.doc, "form")) > 0 {
				t.Errorf("%q", got.links())
			}
			nobody.post(path+allow, confirm).want(t, "session-over", 401)
			nobody.do(request(t, http.MethodHead, d.URL+path+allow, nil))
			liar := claims("u-liar", "Lia", "admin@larch.example", oak, "Oak & Sons", "US", "public", "globalAdmin")
			liar["tenant_domains"] = []string{"oak.example", "evil-larch.example", "mail.larch.example", "larch.example.oak.example"}
			unproven := claims("u-unproven", "Una", "una@larch.example", maple, "Larch Trading Ltd", "US", "public", "globalAdmin")
			delete(unproven, "tenant_domains")
			owner := claims("u-alder", "Al Alder", "admin@alder.example", alder, "Alder Inc.", "US", "public", "globalAdmin")
			owner["tenant_domains"] = []string{"alder.example", "larch.example"}
			for name, who := range map[string]map[string]any{
				"another tenant": owen, "the partner": insider, "the partner that says the domain is its own": owner, "who has an address alone": liar, "no domain": unproven,
			} {
				b := d.browser()
				b.signInAt(path, who)
				b.get(path+allow).want(t, "allow-other", 403)
				other := b.post(path+allow, confirm)
				other.want(t, "allow-other", 403)
				if len(find(other.doc, "form")) > 0 || !slices.Contains(other.links(), path+"/sign-in?to=allow&switch=1") {
					t.Errorf("%s: %q", name, other.links())
				}
			}
			b := d.browser()
			form := b.signInTo(path+allow, path+"/sign-in?to=allow", user) // whatever its role
			form.want(t, "allow", 200)
			form.has(t, "Let emails from Alder Cloud Services Inc. reach "+address[:1]+"•••@larch.example again")
			form.nothingUnasked(t, path+allow)
			for _, without := range []url.Values{{}, {"confirm": {"yes"}}, {"confirm": {"on", "on"}}, {"List-Unsubscribe": {"One-Click"}}} {
				b.post(path+allow, without).want(t, "allow", 422)
			}
			fill := form.fields()
			d.browser().post(path+allow, with(fill, "confirm", "on")).want(t, "allow", 401) // a form proves nothing
			if !d.blocked(address) || d.writes.Load() != before {
				t.Fatalf("%d writes", d.writes.Load()-before)
			}
			b.post(path+allow, with(fill, "confirm", "on")).want(t, "allowed", 200)
			if d.blocked(address) || d.writes.Load() != before+2 { // the block, and the entry
				t.Errorf("%d writes", d.writes.Load()-before)
			}
			b.post(path+allow, confirm).want(t, "allowed", 200)
			b.get(path+allow).want(t, "allowed", 200)
			if d.writes.Load() != before+2 {
				t.Error("it was done twice")
			}
			d.browser().get(path+report).want(t, "report", 200) // and can be undone
		})
	}
}

// signInTo goes from a page through a sign-in that begins at a path.
func (b *browser) signInTo(page, begin string, who map[string]any) seen {
	b.d.t.Helper()
	there := b.get(b.d.idp.approve(b.get(begin).Header.Get("Location"), who))
	if got := there.Header.Get("Location"); got != page {
		b.d.t.Fatalf("it leads to %q", got)
	}
	return b.get(page)
}

// nothingUnasked checks that the one form goes to a page and that nothing in it is chosen.
func (s seen) nothingUnasked(t *testing.T, path string) {
	t.Helper()
	if forms := find(s.doc, "form"); len(forms) != 1 || attr(forms[0], "action") != path || s.fields().Get("confirm") != "" {
		t.Errorf("%d forms, %v", len(forms), s.fields())
	}
}

// TestAllowIsNoted: the partner reads in the timeline, and in the history of granular administration, that its mails are let through again.
func TestAllowIsNoted(t *testing.T) {
	d := deploy(t)
	inv, token := d.invite()
	stopped(d, &inv)
	b := d.browser()
	b.signIn(token, user)
	b.post("/i/"+token+allow, url.Values{"confirm": {"on"}}).want(t, "allowed", 200)
	if h := d.stored(inv).History; h[len(h)-1].Action != "mail allowed" || h[len(h)-1].By != "recipient" || h[len(h)-1].CorrelationID == "" {
		t.Errorf("%+v", h[len(h)-1])
	}
	r, path := d.propose()
	if _, _, err := d.granted.Send(t.Context(), granularCommand(), r.ID, granular.Addressee{RecipientEmail: to("ann@larch.example")}); err != nil {
		t.Fatal(err)
	}
	// By the link at the end of the mail, nobody signs in.
	mailed, err := d.keys.Sign(t.Context(), link.AllowGranular, link.Link{Tenant: string(alder), ID: r.ID, Generation: r.Generation})
	if err != nil {
		t.Fatal(err)
	}
	d.browser().get(link.AllowGranular.Path(mailed)).want(t, "allowed", 200)
	d.browser().post(path+report, url.Values{"reason": {"impersonation"}}).want(t, "reported", 200)
	d.browser().get(link.AllowGranular.Path(mailed)).want(t, "allow", 200)
	if !d.blocked("ann@larch.example") {
		t.Error("looking let the mails through")
	}
	for range 2 {
		d.browser().post(link.AllowGranular.Path(mailed), url.Values{"confirm": {"on"}}).want(t, "allowed", 200)
	}
	now := d.storedGranular(r)
	if e := now.History[len(now.History)-1]; d.blocked("ann@larch.example") || e.Action != "mailAllowed" || e.Actor != granular.ByCustomer || e.CorrelationID == "" || now.Reported != 0 {
		t.Errorf("%+v", e)
	}
	d.browser().post(path+report, url.Values{"reason": {"impersonation"}}).want(t, "reported", 200)
	if !d.blocked("ann@larch.example") {
		t.Error("who allowed mails cannot report them again")
	}
}

// TestWhereToAllow: pages that say that mails are stopped lead to it, in every language, and no other page does.
func TestWhereToAllow(t *testing.T) {
	for _, tag := range locale.Tags {
		lang := "?lang=" + tag.String()
		d := deploy(t)
		for address, path := range stoppedRequests(d) {
			b := d.browser()
			if got := b.get(path + report + lang); got.page() != "reported" || !slices.Contains(got.links(), path+allow+lang) {
				t.Errorf("%s: %s: %q", tag, got.page(), got.links())
			}
			got := b.get(path + allow + lang)
			got.want(t, "allow-sign-in", 200)
			begin := path + "/sign-in" + lang + "&to=allow"
			if !slices.Contains(got.links(), begin) || strings.Contains(got.text, address) {
				t.Errorf("%s: %q", tag, got.links())
			}
			b.signInTo(path+allow+lang, begin, lara).want(t, "allow", 200)
		}
		inv, token := d.invite(func(p *invitation.Proposal) { p.RecipientEmail = to("kim@larch.example") })
		b := d.browser()
		if got := b.get("/i/" + token + report + lang); slices.Contains(got.links(), "/i/"+token+allow+lang) {
			t.Errorf("%s: nothing is stopped", tag)
		}
		stopped(d, &inv)
		over(d, &inv)
		if got := b.get("/i/" + token + renewal + lang); got.page() != "renewal" || !slices.Contains(got.links(), "/i/"+token+allow+lang) {
			t.Errorf("%s: %s: %q", tag, got.page(), got.links())
		}
	}
}
