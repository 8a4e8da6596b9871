package pages_test

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"concord/internal/audit"
	"concord/internal/commerce"
	"concord/internal/granular"
	"concord/internal/partner"
	"concord/internal/relationship"
	"concord/internal/storetest"
)

const birch = partner.TenantID("b12c0000-0000-4000-8000-000000000006")

// serve has partners serve larch, the first of them with administration.
func (d *deployment) serve(partners ...partner.TenantID) {
	d.t.Helper()
	for n, p := range partners {
		account := alderAccount()
		if p != alder {
			account.Tenant, account.DisplayName = p, "Birch Distribution"
		}
		d.store.PutAccount(account)
		r := relationship.Relationship{
			ID: "rel_aaaaaaaaaaaaaaaaaaaaaaaaaa", Partner: p, Customer: relationship.Customer{Tenant: larch, CompanyName: "Larch Trading Ltd", Country: "US", Cloud: "public"},
			Role: relationship.Direct, Status: relationship.Active, Origin: relationship.ByInvitation, DelegatedAdmin: relationship.NoAdministration,
			IdentityCheck: relationship.NotNeeded, EstablishedAt: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC), Version: 1,
		}
		if n == 0 {
			r.DelegatedAdmin = relationship.ActiveDAP
		}
		d.store.PutRelationship(r)
	}
}

func (d *deployment) between(p partner.TenantID) relationship.Relationship {
	d.t.Helper()
	r, err := d.store.Relationship(d.t.Context(), p, larch)
	if err != nil {
		d.t.Fatal(err)
	}
	return r
}

// signInAsCompany goes the whole way to the page of the company.
func (b *browser) signInAsCompany(who map[string]any) seen {
	t := b.d.t
	t.Helper()
	start := b.get("/customer")
	start.want(t, "customer-sign-in", http.StatusOK)
	at := slices.IndexFunc(start.links(), func(l string) bool { return strings.HasSuffix(l, "/customer/sign-in/public") })
	if at < 0 {
		t.Fatalf("no way to sign in: %v", start.links())
	}
	begin := b.get(strings.TrimPrefix(start.links()[at], b.d.URL))
	back := b.get(b.d.idp.approve(begin.Header.Get("Location"), who))
	if back.StatusCode != http.StatusSeeOther || back.Header.Get("Location") != "/customer" {
		t.Fatalf("callback: %d %s to %q", back.StatusCode, back.page(), back.Header.Get("Location"))
	}
	return b.get("/customer")
}

const revoking = "/customer/partners/" + string(alder)

// 2.2 DAP and 2.4: the customer's Global admin sees its partners and takes administration back from one; the relationship stays (P7), and
// nothing of the other partner changes.
func TestAdministrationIsTakenBack(t *testing.T) {
	d := deploy(t)
	d.serve(alder, birch)
	b := d.browser()
	list := b.signInAsCompany(lara)
	list.want(t, "customer", http.StatusOK)
	list.has(t, "Alder Cloud Services Inc.", "Birch Distribution", "Larch Trading Ltd", "1 March 2026")
	if n := strings.Count(strings.Join(list.links(), " "), "/customer/partners/"); n != 1 || !slices.Contains(list.links(), revoking) {
		t.Errorf("administration can be taken back at %v", list.links())
	}
	form := b.get(revoking)
	form.want(t, "revoke", http.StatusOK)
	b.post(revoking, url.Values{}).want(t, "revoke", http.StatusUnprocessableEntity)
	b.post(revoking, url.Values{"confirm": {"yes"}}).want(t, "revoke", http.StatusUnprocessableEntity)
	if d.writes.Load() != 0 || d.between(alder).DelegatedAdmin != relationship.ActiveDAP {
		t.Fatal("looking has changed something")
	}
	b.post(revoking, url.Values{"confirm": {"on"}}).want(t, "revoked", http.StatusOK)
	b.get(revoking).want(t, "revoked", http.StatusOK)
	b.post(revoking, url.Values{"confirm": {"on"}}).want(t, "revoked", http.StatusOK) // once more changes nothing
	r := d.between(alder)
	if d.writes.Load() != 1 || r.Status != relationship.Active || r.DelegatedAdmin != relationship.TerminatedDAP || r.Version != 2 {
		t.Errorf("%d writes, %+v", d.writes.Load(), r)
	}
	if e := r.History[0]; e.Action != relationship.AdministrationTaken || e.By != "u-lara" || e.CorrelationID == "" {
		t.Errorf("its history says %+v", e)
	}
	// The partner's audit says that the customer did it, and not who there.
	if all := audit.OfRelationship(nil, r); len(all) == 0 || all[len(all)-1].Operation != "delegatedAdmin.terminated" || all[len(all)-1].Actor != (audit.Actor{Kind: audit.Customer, Tenant: larch}) {
		t.Errorf("audit: %+v", all)
	}
	if other := d.between(birch); other.Version != 1 {
		t.Errorf("the other partner's: %+v", other)
	}
	if again := b.get("/customer"); strings.Contains(strings.Join(again.links(), " "), "/customer/partners/") {
		t.Errorf("it can be taken back again: %v", again.links())
	}
}

// B4, B5: a company sees what it has bought, whom it turns to and who supports it, and what was signed. Nobody else's is there.
func TestWhatACompanyHasBought(t *testing.T) {
	d := deploy(t)
	d.serve(alder, birch)
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	sold := func(id string, seller partner.TenantID, edit func(*commerce.Subscription)) {
		before := d.between(seller)
		after := before
		after.Version++
		after.Sold.Active++
		sub := commerce.Subscription{
			ID: "sub_" + strings.Repeat(id, 26), Seller: seller, Customer: larch, Order: "ord_" + strings.Repeat(id, 26), Offer: "o", OfferName: "Plan " + id, Family: commerce.Other,
			Term: "P1Y", Quantity: 12, Status: commerce.SubscriptionActive, CreatedAt: at, UpdatedAt: at, Version: 1,
		}
		edit(&sub)
		order := commerce.Order{ID: sub.Order, Seller: seller, Customer: larch, PlacedAt: at, Version: 1}
		if err := d.store.PlaceOrder(t.Context(), order, []commerce.Subscription{sub}, relationship.Change{Before: &before, After: after}); err != nil {
			t.Fatal(err)
		}
	}
	b := d.browser()
	b.signInAsCompany(lara).has(t, "hasn’t signed the customer agreement here")
	sold("a", alder, func(*commerce.Subscription) {})
	sold("b", alder, func(s *commerce.Subscription) { s.SupportContact, s.Status = birch, commerce.SubscriptionSuspended })
	sold("c", birch, func(s *commerce.Subscription) { s.Status = commerce.SubscriptionDeleted })
	for n, source := range []commerce.Source{commerce.PartnerAttested, commerce.DirectSigned} {
		if err := d.store.AddAgreement(t.Context(), commerce.Agreement{
			ID: "agr_" + strings.Repeat("a", 25) + string(rune('a'+n)), Customer: larch, Source: source, Partner: alder, Number: 1, AgreedAt: at.AddDate(0, 0, n), At: at, By: "x",
		}, nil); err != nil {
			t.Fatal(err)
		}
	}
	page := b.get("/customer")
	page.has(t, "Plan a", "Plan b", "12", "Active", "Suspended", "Larch Trading Ltd signed the customer agreement here on 3 March 2026", "as declared by the partner", "2 March 2026")
	if text := content(page.doc); strings.Contains(text, "Plan c") || strings.Count(text, "Birch Distribution") != 2 || strings.Contains(text, "hasn’t signed") {
		t.Errorf("%s", text)
	}
	b.get("/customer?lang=ja").has(t, "停止中", "2026年3月3日")
	if d.writes.Load() != 0 {
		t.Errorf("looking wrote %d times", d.writes.Load())
	}
}

// Who may not: nobody who is not signed in as a Global admin of the company, whatever they know.
func TestWhoSeesACompany(t *testing.T) {
	d := deploy(t)
	d.serve(alder)
	nobody := d.browser()
	if got := nobody.get(revoking); got.StatusCode != http.StatusSeeOther || got.Header.Get("Location") != "/customer" {
		t.Errorf("not signed in: %d to %q", got.StatusCode, got.Header.Get("Location"))
	}
	nobody.post(revoking, url.Values{"confirm": {"on"}}).want(t, "session-over", http.StatusUnauthorized)
	uma := d.browser()
	uma.signInAsCompany(user).want(t, "not-admin", http.StatusForbidden)
	uma.get(revoking).want(t, "not-admin", http.StatusForbidden)
	uma.post(revoking, url.Values{"confirm": {"on"}}).want(t, "not-admin", http.StatusForbidden)
	other := d.browser()
	other.signInAsCompany(owen).want(t, "customer", http.StatusOK) // Oak's own page, without partners
	for _, path := range []string{revoking, "/customer/partners/x", "/customer/partners/" + string(birch)} {
		for _, got := range []seen{other.get(path), other.post(path, url.Values{"confirm": {"on"}})} {
			if got.StatusCode != http.StatusSeeOther || got.Header.Get("Location") != "/customer" {
				t.Errorf("%s of another company: %d %s", path, got.StatusCode, got.page())
			}
		}
	}
	r := request(t, http.MethodPost, d.URL+revoking, strings.NewReader("confirm=on"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	admin := d.browser()
	admin.signInAsCompany(lara)
	admin.do(r).want(t, "cross-origin", http.StatusForbidden)
	admin.get("/customer/sign-in/moon").want(t, "unknown", http.StatusNotFound)
	if d.writes.Load() != 0 {
		t.Errorf("%d writes", d.writes.Load())
	}
	ended := d.between(alder)
	ended.Status = relationship.Removed
	d.store.PutRelationship(ended)
	if got := admin.get(revoking); got.StatusCode != http.StatusSeeOther {
		t.Errorf("of a relationship that has ended: %d %s", got.StatusCode, got.page())
	}
	admin.get("/customer").has(t, "No partner")
}

func TestCompanyInTrouble(t *testing.T) {
	d := deploy(t)
	d.serve(alder)
	b := d.browser()
	b.signInAsCompany(lara)
	d.fault.Store(&storetest.Fault{Err: errors.New("down")})
	for _, got := range []seen{b.get("/customer"), b.get(revoking), b.post(revoking, url.Values{}), b.post(revoking, url.Values{"confirm": {"on"}})} {
		got.want(t, "service-trouble", http.StatusServiceUnavailable)
	}
	d.fault.Store(nil)
	r := request(t, http.MethodPost, d.URL+revoking, strings.NewReader("x"))
	r.Header.Set("Content-Type", "text/plain")
	b.do(r).want(t, "malformed", http.StatusBadRequest)
	d.keys.set(errors.New("no keys"), "k1")
	b.get("/customer").want(t, "service-trouble", http.StatusServiceUnavailable)
	b.get(revoking).want(t, "service-trouble", http.StatusServiceUnavailable)
}

// customerPages gives the pages of a company in a language.
func customerPages(t *testing.T, lang string) map[string]seen {
	t.Helper()
	d := deploy(t, func(d *deployment) { d.mayLeave = true })
	d.serve(alder, birch)
	desk := d.administer(alder, "desk", func(r *granular.Relationship) {
		r.Roles, r.AutoExtend = []string{helpdesk, granular.ShippedRoles().GlobalAdministrator}, true
	})
	d.store.PutPartnership(d.tiers(true))
	d.publish("sample-1", "en", "Sample, no legal effect.\nThe company agrees.")
	b, other, user1, reseller := d.browser(), d.browser(), d.browser(), d.browser()
	q := "?lang=" + lang
	all := map[string]seen{"company, not signed in": b.get("/customer" + q)}
	b.signInAsCompany(lara)
	other.signInAsCompany(owen)
	user1.signInAsCompany(user)
	reseller.signInAsCompany(carla)
	roles, leave, provider, confirmed := "/customer/partners/"+string(alder)+"/roles/"+desk.ID, revoking+"/end", "/customer/providers/"+string(birch), url.Values{"confirm": {"on"}}
	for name, s := range map[string]func() seen{
		"end roles": func() seen { return b.get(roles + q) }, "leave": func() seen { return b.get(leave + q) }, "leave, amiss": func() seen { return b.post(leave+q, url.Values{}) },
		"reseller": func() seen { return reseller.get("/customer" + q) }, "revoke access": func() seen { return reseller.get(provider + q) },
		"revoke access, amiss": func() seen { return reseller.post(provider+q, url.Values{}) },
		"agreement":            func() seen { return b.get("/customer/agreement" + q) }, "agreement, amiss": func() seen { return b.post("/customer/agreement"+q, b.get("/customer/agreement"+q).fields()) },
		"sign out": func() seen { return b.get("/sign-out" + q) }, "signed out": func() seen { return d.browser().get("/sign-out" + q) },
		"session over":              func() seen { return d.browser().post(revoking+q, confirmed) },
		"company":                   func() seen { return b.get("/customer" + q) },
		"company without a partner": func() seen { return other.get("/customer" + q) },
		"company, not an admin":     func() seen { return user1.get("/customer" + q) },
		"revoke":                    func() seen { return b.get(revoking + q) },
		"revoke, amiss":             func() seen { return b.post(revoking+q, url.Values{}) },
	} {
		all[name] = s()
	}
	all["revoked"] = b.post(revoking+q, confirmed)
	all["signed"] = b.post("/customer/agreement"+q, with(b.get("/customer/agreement"+q).fields(), "signAgreement", "on", "authorized", "on"))
	all["left"] = b.post(leave+q, confirmed)
	all["roles ended"] = b.post(roles+q, confirmed)
	all["access revoked"] = reseller.post(provider+q, confirmed)
	for name, s := range all {
		for _, l := range s.links() {
			if lang != "en" && strings.HasPrefix(l, "/customer") && !strings.Contains(l, "lang="+lang) && !strings.Contains(l, "lang=") {
				t.Errorf("%s: %s loses the language", name, l)
			}
		}
	}
	return all
}
