package pages_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"concord/internal/audit"
	"concord/internal/commerce"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/relationship"
)

// administer has a partner administer larch by roles.
func (d *deployment) administer(p partner.TenantID, name string, edit ...func(*granular.Relationship)) granular.Relationship {
	d.t.Helper()
	now := d.service.Now()
	r := granular.Relationship{
		Key: granular.Key{Partner: p, ID: "gdap_" + name[:1] + strings.Repeat("a", 25)}, DisplayName: name, Cloud: "public", Roles: []string{helpdesk}, Duration: granular.Period{Days: 90},
		Status: granular.Pending, Generation: 3, CreatedAt: now, ApproveBy: now.Add(time.Hour), Version: 1,
	}
	for _, e := range edit {
		e(&r)
	}
	after := r.Approved(relationship.Customer{Tenant: larch, CompanyName: "Larch Trading Ltd"}, "", granular.Given{Subject: "u-lara", Tenant: larch, At: now}, granular.Entry{At: now, By: "u-lara"})
	r.Version = 0
	after.Version = 1
	if err := d.store.WriteGranular(d.t.Context(), granular.Change{After: after}); err != nil {
		d.t.Fatal(err)
	}
	return after
}

// 0.45, X4, R3: the page of a company shows every right that anybody holds over it, of partners whose relationship is gone too, and each is
// ended there, once however often it is sent.
func TestEveryRightOfEverybody(t *testing.T) {
	d := deploy(t)
	d.serve(alder, birch)
	desk := d.administer(alder, "desk")
	global := d.administer(birch, "global", func(r *granular.Relationship) {
		r.Roles, r.Duration = []string{granular.ShippedRoles().GlobalAdministrator}, granular.Period{Months: 12}
	})
	ended := d.between(birch)
	ended.Status, ended.Removal = relationship.Removed, &relationship.Removal{At: time.Date(2026, 4, 2, 9, 0, 0, 0, time.UTC)}
	d.store.PutRelationship(ended)
	before := d.writes.Load()
	b := d.browser()
	page := b.signInAsCompany(lara)
	page.want(t, "customer", http.StatusOK)
	page.has(t, "Alder Cloud Services Inc.", "1 March 2026", "can see and change most of your company’s data", "Helpdesk Administrator", "Birch Distribution", "is no longer a reseller of your company, but still has",
		"Global Administrator", "can do everything in your directory")
	roles := func(g granular.Relationship) string {
		return "/customer/partners/" + string(g.Partner) + "/roles/" + g.ID
	}
	for _, path := range []string{revoking, roles(desk), roles(global)} {
		if !slices.Contains(page.links(), path) {
			t.Errorf("nothing leads to %s: %v", path, page.links())
		}
	}
	if strings.Contains(strings.Join(page.links(), " "), "/end") {
		t.Error("the relationship itself can be ended")
	}
	b.get("/customer/partners/"+string(alder)+"/end").want(t, "unknown", http.StatusNotFound)
	if d.writes.Load() != before {
		t.Error("looking has written")
	}
	// What cannot be ended here is not said to be (0.45), and the strongest rights warn (0.33).
	page.has(t, "Administrator rights can be taken back here", "To end a reseller relationship, ask the partner")
	classes := map[string]int{}
	for _, text := range find(page.doc, "p") {
		classes[attr(text, "class")]++
	}
	if classes["care"] != 2 || classes["calm"] != 0 {
		t.Errorf("%v", classes)
	}

	// Revoked says what remains, and so does each that follows.
	b.post(revoking, url.Values{"confirm": {"on"}}).has(t, "still has at your company", "the reseller relationship, since 1 March 2026", "Helpdesk Administrator")
	b.get(roles(desk)).want(t, "end", http.StatusOK)
	b.post(roles(desk), url.Values{}).want(t, "end", http.StatusUnprocessableEntity)
	for range 2 {
		over := b.post(roles(desk), url.Values{"confirm": {"on"}})
		over.want(t, "ended", http.StatusOK)
		over.has(t, "the reseller relationship, since 1 March 2026")
		if strings.Contains(content(over.doc), "delegated administration (DAP)") {
			t.Error("what was revoked is said to remain")
		}
	}
	b.post(roles(global), url.Values{"confirm": {"on"}}).has(t, "Birch Distribution has no rights at your company any more")
	b.get(roles(global)).want(t, "ended", http.StatusOK)
	for _, g := range []granular.Relationship{desk, global} {
		after := d.storedGranular(g)
		if e := after.History[len(after.History)-1]; after.Status != granular.Terminated || after.Version != 2 || e.Actor != granular.ByCustomer {
			t.Errorf("%+v", after)
		}
	}
	again := b.get("/customer")
	if again.id("p-"+string(birch)) != nil || strings.Contains(content(again.doc), "Helpdesk") {
		t.Errorf("%s", content(again.doc))
	}
	again.has(t, "Past partners", "Birch Distribution: reseller until 2 April 2026, without any rights today")

	// Another company learns nothing of it, nor does who is no Global admin.
	other, uma := d.browser(), d.browser()
	other.signInAsCompany(owen)
	uma.signInAsCompany(user)
	for _, path := range []string{roles(desk), roles(global), "/customer/partners/" + string(alder) + "/roles/x"} {
		if got := other.post(path, url.Values{"confirm": {"on"}}); got.StatusCode != http.StatusSeeOther || got.Header.Get("Location") != "/customer" {
			t.Errorf("%s: %d %s", path, got.StatusCode, got.page())
		}
		uma.post(path, url.Values{"confirm": {"on"}}).want(t, "not-admin", http.StatusForbidden)
	}
}

// N8, X9: a reseller's Global admin finds its providers' access to the own account there, and revokes it, in partnership or not any more.
func TestProvidersAccessIsRevoked(t *testing.T) {
	for _, removed := range []bool{false, true} {
		d := deploy(t)
		d.store.PutPartnership(d.tiers(true))
		pair := partnership.Pair{Provider: birch, Reseller: cedar}
		stands := func() partnership.Partnership {
			p, err := d.store.Partnership(t.Context(), cedar, pair.ID())
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		if removed {
			p, _ := stands().Remove(partnership.Entry{At: d.service.Now(), By: "b", Side: partnership.ProviderSide}, relationship.AttestedText{Version: "1", Language: "en", Hash: "x"})
			d.store.PutPartnership(p)
		}
		b := d.browser()
		page := b.signInAsCompany(carla)
		page.has(t, "Providers with access to your own account", "Company b12c")
		path := "/customer/providers/" + string(birch)
		if !slices.Contains(page.links(), path) {
			t.Fatalf("nothing leads to it: %v", page.links())
		}
		was := stands()
		b.get(path).want(t, "revoke-access", http.StatusOK)
		b.post(path, url.Values{}).want(t, "revoke-access", http.StatusUnprocessableEntity)
		b.post(path, url.Values{"confirm": {"on"}}).want(t, "access-revoked", http.StatusOK)
		done := b.post(path, url.Values{"confirm": {"on"}})
		done.want(t, "access-revoked", http.StatusOK)
		if removed {
			done.has(t, "The partnership has ended as well")
		} else {
			done.has(t, "The partnership stays")
		}
		if is := stands(); is.ProviderAccess != partnership.Revoked || is.Status != was.Status || is.Version != was.Version+1 {
			t.Errorf("%+v", is)
		}
		if again := b.get("/customer"); strings.Contains(content(again.doc), "Providers with access") {
			t.Error("it is still there")
		}
		other := d.browser()
		other.signInAsCompany(owen)
		if got := other.get(path); got.StatusCode != http.StatusSeeOther {
			t.Errorf("another company: %d %s", got.StatusCode, got.page())
		}
	}
}

// 0.45: with policy customerMayEndRelationship the customer ends the relationship itself, and its administration with it; what was given by
// roles stays (X4), what the partner still asks for is cancelled, and nobody is mailed (X6).
func TestCustomerEndsTheRelationship(t *testing.T) {
	d := deploy(t, func(d *deployment) { d.mayLeave = true })
	asked, _ := d.invite(func(p *invitation.Proposal) {
		p.RecipientEmail, p.CustomerTenantID, p.RequestDelegatedAdmin = nil, to(string(larch)), to(true)
	})
	d.serve(alder, birch)
	desk := d.administer(alder, "desk")
	b := d.browser()
	path := "/customer/partners/" + string(birch) + "/end"
	page := b.signInAsCompany(lara)
	if !slices.Contains(page.links(), path) {
		t.Fatalf("nothing leads to it: %v", page.links())
	}
	page.has(t, "You can take each of them back here")
	path = "/customer/partners/" + string(alder) + "/end"
	b.get(path).has(t, "Administrator roles (GDAP) stay")
	b.post(path, url.Values{}).want(t, "leave", http.StatusUnprocessableEntity)
	left := b.post(path, url.Values{"confirm": {"on"}})
	left.want(t, "left", http.StatusOK)
	left.has(t, "still has at your company", "Helpdesk Administrator")
	b.post(path, url.Values{"confirm": {"on"}}).want(t, "left", http.StatusOK)
	r := d.between(alder)
	if r.Status != relationship.Removed || r.DelegatedAdmin != relationship.TerminatedDAP || r.Removal == nil || r.Removal.By != "" || r.Version != 2 {
		t.Errorf("%+v", r)
	}
	if d.storedGranular(desk).Status != granular.Active || d.between(birch).Version != 1 {
		t.Error("something else has ended")
	}
	if inv := d.stored(asked); inv.Status != invitation.Cancelled {
		t.Errorf("the request that named the company is %s", inv.Status)
	}
	if all := audit.OfRelationship(nil, r); all[len(all)-1].Actor != (audit.Actor{Kind: audit.Customer, Tenant: larch}) {
		t.Errorf("audit: %+v", all[len(all)-1])
	}
	// One without anything left is over, too, and repeats.
	gone := "/customer/partners/" + string(birch) + "/end"
	for range 2 {
		b.post(gone, url.Values{"confirm": {"on"}}).want(t, "left", http.StatusOK)
	}
}

// P1, 0.8: the customer agreement can be signed later, on the company's own page, once; it counts for every partner.
func TestAgreementIsSignedLater(t *testing.T) {
	d := offering(t)
	d.serve(alder, birch)
	b := d.browser()
	if page := b.signInAsCompany(lara); !slices.Contains(page.links(), "/customer/agreement") {
		t.Fatalf("nothing leads to it: %v", page.links())
	}
	form := b.get("/customer/agreement")
	form.want(t, "agreement", http.StatusOK)
	form.has(t, "Sample, no legal effect.", "Larch Trading Ltd")
	sent := form.fields()
	if sent.Get("firstName") != "Lara" || sent.Get("lastName") != "Larch" || sent.Get("email") != "admin@larch.example" || sent.Get("signAgreement") != "" || sent.Get("authorized") != "" {
		t.Errorf("%v", sent)
	}
	amiss := b.post("/customer/agreement", with(sent, "email", "nobody", "phone", "call me"))
	amiss.want(t, "agreement", http.StatusUnprocessableEntity)
	for _, id := range []string{"f-agreement-fault", "f-email-fault", "f-phone-fault", "f-confirm-fault"} {
		if amiss.id(id) == nil {
			t.Errorf("nothing at %s", id)
		}
	}
	full := with(sent, "signAgreement", "on", "authorized", "on", "phone", "+1 206 555 0100")
	// The session ends in this form as in any other.
	b.forget()
	over := b.post("/customer/agreement", full)
	over.want(t, "agreement", http.StatusUnauthorized)
	if kept := over.fields(); kept.Get("phone") != "+1 206 555 0100" || kept.Get("signAgreement") != "" || kept.Get("authorized") != "" {
		t.Errorf("%v", kept)
	}
	b.signInAsCompany(lara)
	b.post("/customer/agreement", with(full, "agreementRead", "other words")).want(t, "agreement", http.StatusUnprocessableEntity)
	if all, err := d.store.Agreements(t.Context(), larch, ""); err != nil || len(all) != 0 {
		t.Fatalf("%v %v", all, err)
	}
	done := b.post("/customer/agreement", full)
	done.want(t, "signed", http.StatusOK)
	all, err := d.store.Agreements(t.Context(), larch, "")
	if err != nil || len(all) != 1 {
		t.Fatalf("%v %v", all, err)
	}
	if a := all[0]; a.Source != commerce.DirectSigned || a.Invitation != "" || a.Contact != (commerce.Person{FirstName: "Lara", LastName: "Larch", Email: "admin@larch.example", Phone: "+1 206 555 0100"}) ||
		a.Text.Version != "sample-1" || a.By != "u-lara" || a.Partner != alder && a.Partner != birch || a.EraseAt.IsZero() || done.id("reference") == nil {
		t.Errorf("%+v", a)
	}
	again := b.post("/customer/agreement", full)
	if again.StatusCode != http.StatusSeeOther || again.Header.Get("Location") != "/customer" {
		t.Errorf("once more: %d %s", again.StatusCode, again.page())
	}
	if page := b.get("/customer"); slices.Contains(page.links(), "/customer/agreement") || !strings.Contains(content(page.doc), "signed the customer agreement here on") {
		t.Errorf("%s", content(page.doc))
	}
	other := d.browser() // a company without a partner has nothing to sign for
	if page := other.signInAsCompany(owen); slices.Contains(page.links(), "/customer/agreement") {
		t.Error("it is offered to a company without a partner")
	}
}
