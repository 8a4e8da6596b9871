package pages_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"concord/internal/command"
	"concord/internal/invitation"
	"concord/internal/locale"
	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/relationship"
)

const cedar = partner.TenantID("ceda0000-0000-4000-8000-000000000003") // indirect reseller

// carla is the Global admin of cedar.
var carla = map[string]any{
	"sub": "carla", "name": "Carla Cedar", "email": "carla@cedar.example", "tid": string(cedar), "tenant_name": "Cedar Solutions",
	"tenant_domains": []string{"cedar.example"}, "tenant_country": "US", "cloud": "public", "roles": []string{"globalAdmin"},
}

// tiers makes birch a provider and cedar its reseller, enrolled or not.
func (d *deployment) tiers(enrolled bool) partnership.Partnership {
	p, _ := partnership.Establish(nil, partnership.Authorisation{Pair: partnership.Pair{Provider: birch, Reseller: cedar}, At: time.Now()})
	for tenant, role := range map[partner.TenantID]partner.ProgramRole{birch: partner.IndirectProvider, cedar: partner.IndirectReseller} {
		a := alderAccount()
		a.Tenant, a.Role, a.DisplayName, a.VerifiedDomain = tenant, role, "Company "+string(tenant[:4]), string(tenant[:4])+".example"
		if enrolled {
			a.MPA = &partner.Agreement{Version: "1"}
		}
		d.store.PutAccount(a)
	}
	return p
}

func (d *deployment) ask(tenant partner.TenantID, p invitation.Proposal) (invitation.Invitation, string) {
	d.t.Helper()
	inv, _, err := d.service.Invite(d.t.Context(), command.Command{User: partner.User{Subject: "a", Tenant: tenant, Roles: []partner.Role{partner.AdminAgent}}}, p)
	if err != nil {
		d.t.Fatal(err)
	}
	return inv, d.token(inv, inv.Generation)
}

func (d *deployment) dual(administration bool) (invitation.Invitation, string) {
	d.t.Helper()
	return d.ask(cedar, invitation.Proposal{Kind: invitation.DualReseller, RecipientEmail: to("jo@larch.example"), ProviderTenantID: to(string(birch)), RequestDelegatedAdmin: &administration})
}

func says(t *testing.T, s seen, page string, status int, parts ...string) {
	t.Helper()
	if s.page() != page || s.StatusCode != status {
		t.Fatalf("%d %s, want %d %s:\n%.3000s", s.StatusCode, s.page(), status, page, s.text)
	}
	for _, part := range parts {
		if !strings.Contains(s.text, part) {
			t.Errorf("%s does not say %q", page, part)
		}
	}
}

// Rules D1, D3 to D5: both partners are named on every page, each with what it may do, and one answer gives both.
func TestDual(t *testing.T) {
	for _, administration := range []bool{true, false} {
		d := deploy(t)
		d.store.PutPartnership(d.tiers(true))
		inv, token := d.dual(administration)
		b := d.browser()
		says(t, b.get("/i/"+token), "review", http.StatusOK, "Company ceda and Company b12c", "b12c.example", "ceda.example")
		form := b.signIn(token, lara)
		says(t, form, "answer", http.StatusOK, "What Company ceda may do", "What Company b12c may do", `id="provider"`, "Place the orders that you ask Company ceda for",
			"Company b12c as its provider", "Company ceda and Company b12c may do what is listed")
		if strings.Contains(form.text, "authorizeProvider") {
			t.Error("the box of a partnership stands on another form")
		}
		result := b.post("/i/"+token, acceptance)
		says(t, result, "accepted", http.StatusSeeOther, "Company b12c may place the orders", "id=reference")
		for _, p := range []partner.TenantID{cedar, birch} {
			r, err := d.store.Relationship(t.Context(), p, larch)
			if err != nil || r.Invitation != inv.ID || (r.DelegatedAdmin == relationship.ActiveDAP) != (administration && p == cedar) {
				t.Errorf("%s: %v, %+v", p, err, r)
			}
		}
		says(t, b.get("/i/"+token), "accepted", http.StatusOK, "Company ceda and Company b12c")
	}
}

// Invariant 4: without the partnership the page says so, with the status of it, and can still decline.
func TestPartnershipRequired(t *testing.T) {
	d := deploy(t)
	p := d.tiers(true)
	d.store.PutPartnership(p)
	inv, token := d.dual(true)
	removed, _ := p.Remove(partnership.Entry{At: time.Now(), Side: partnership.ProviderSide}, relationship.AttestedText{Version: "1"})
	d.store.PutPartnership(removed)
	b := d.browser()
	says(t, b.signIn(token, lara), "partnership-required", http.StatusConflict, "Company ceda", "Company b12c", "value=decline")
	says(t, b.post("/i/"+token, acceptance), "partnership-required", http.StatusConflict)
	if d.stored(inv).Status != invitation.Draft {
		t.Error("something was used up")
	}
	says(t, b.post("/i/"+token, url.Values{"answer": {"decline"}, "authorized": {"on"}, "fullName": {"Jo"}}), "declined", http.StatusSeeOther)
}

// Rules N5, N7 and N8: the form of a partnership says what the provider gets, the administration of the reseller's account apart, and is
// accepted with the explicit box only.
func TestPartnership(t *testing.T) {
	d := deploy(t)
	d.tiers(true)
	inv, token := d.ask(birch, invitation.Proposal{Kind: invitation.Partnership, RecipientEmail: to("carla@cedar.example")})
	b := d.browser()
	says(t, b.get("/i/"+token), "review", http.StatusOK, "Company b12c wants to become your indirect provider")
	says(t, b.signIn(token, carla), "answer", http.StatusOK, "name=authorizeProvider", "Cedar Solutions’s own work account", "Place orders and add subscriptions for your customers",
		"remove the administrator access at any time", "Do you authorise Company b12c")
	missing := b.post("/i/"+token, acceptance)
	says(t, missing, "answer", http.StatusUnprocessableEntity, `href="#f-provider"`, "Tick the box that authorises Company b12c", `id="f-provider-fault"`)
	box := url.Values{"authorizeProvider": {"on"}}
	for name, values := range acceptance {
		box[name] = values
	}
	if again := b.post("/i/"+token, url.Values{"answer": {"accept"}, "authorizeProvider": {"on"}}); attr(again.id("f-provider"), "checked") == "" && !strings.Contains(again.text, `value="on" checked`) {
		t.Error("the ticked box is not kept")
	}
	says(t, b.post("/i/"+token, box), "accepted", http.StatusSeeOther, "Company b12c is now an indirect provider of Cedar Solutions")
	p, err := d.store.Partnership(t.Context(), cedar, partnership.Pair{Provider: birch, Reseller: cedar}.ID())
	if err != nil || p.Status != partnership.Active || p.ProviderAccess != partnership.Granted || p.Consent.Hash == "" || p.Invitation != inv.ID {
		t.Errorf("%v, %+v", err, p)
	}
}

// Rules P6 and X-e: who is not enrolled is offered that, and the same link works afterwards.
func TestNotEnrolled(t *testing.T) {
	d := deploy(t)
	d.tiers(false)
	_, token := d.ask(birch, invitation.Proposal{Kind: invitation.Partnership, RecipientEmail: to("carla@cedar.example")})
	b := d.browser()
	says(t, b.signIn(token, carla), "reseller-not-enrolled", http.StatusConflict, "Enrol your company as an indirect reseller with Grove Marketplace Ltd", `href="/i/`+token, "value=decline")
	d.tiers(true)
	says(t, b.get("/i/"+token), "answer", http.StatusOK)
}

// Every page of the two kinds in every language: under 30 kB, and in the language that it says.
func TestTiersInEveryLanguage(t *testing.T) {
	d := deploy(t)
	p := d.tiers(true)
	d.store.PutPartnership(p)
	for _, tag := range locale.Tags {
		_, both := d.ask(cedar, invitation.Proposal{Kind: invitation.DualReseller, RecipientEmail: to("jo@larch.example"), ProviderTenantID: to(string(birch)), Locale: to(tag.String()), CustomerTenantID: nil})
		_, alone := d.ask(birch, invitation.Proposal{Kind: invitation.Partnership, RecipientEmail: to("carla@cedar.example"), Locale: to(tag.String())})
		for token, who := range map[string]map[string]any{both: lara, alone: carla} {
			b := d.browser()
			for _, s := range []seen{b.get("/i/" + token), b.signIn(token, who), b.post("/i/"+token, url.Values{"answer": {"accept"}})} {
				if attr(find(s.doc, "html")[0], "lang") != tag.String() || len(s.text) > 30_000 {
					t.Errorf("%s %s: %d bytes in %s", tag, s.page(), len(s.text), attr(find(s.doc, "html")[0], "lang"))
				}
			}
			says(t, b.post("/i/"+token, url.Values{"answer": {"decline"}, "authorized": {"on"}, "fullName": {"Jo"}}), "declined", http.StatusSeeOther)
		}
	}
}

// 0.43: the links of a partner that is suspended say so before sign-in, on every page that asks for something, name the right one of two
// that ask together, and nothing on them vouches for it. Who may answer can still decline.
func TestNothingVouchesForASuspendedPartner(t *testing.T) {
	for _, c := range []struct {
		name, says string
		suspended  partner.TenantID
	}{
		{"the partner", "Company ceda", cedar},
		{"its provider", "Company b12c", birch},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := deploy(t)
			d.store.PutPartnership(d.tiers(true))
			inv, token := d.dual(true)
			a, err := d.store.Account(t.Context(), c.suspended, true)
			if err != nil {
				t.Fatal(err)
			}
			a.Status = partner.Suspended
			d.store.PutAccount(a)
			before := d.writes.Load()
			b := d.browser()
			for page, aside := range map[string]string{"partner-not-active": "", "report": report} {
				got := b.get("/i/" + token + aside)
				says(t, got, page, map[string]int{"": http.StatusForbidden, report: http.StatusOK}[aside])
				for _, vouching := range []string{"ceda.example", "b12c.example", "partners@alder.example", "+1 206 555 0100", "Verified"} {
					if strings.Contains(content(got.doc), vouching) {
						t.Errorf("%s says %q", page, vouching)
					}
				}
			}
			got := b.get("/i/" + token)
			says(t, got, "partner-not-active", http.StatusForbidden, "The account of "+c.says, "have to do anything")
			if len(find(got.doc, "form")) != 0 {
				t.Error("there is something to fill in")
			}
			b.signIn(token, owen)
			says(t, b.get("/i/"+token), "partner-not-active", http.StatusForbidden, "The account of "+c.says, "Decline")
			b = d.browser()
			b.signIn(token, user) // may not answer
			if got := b.get("/i/" + token); len(find(got.doc, "form")) != 0 {
				t.Error("who may not answer can decline")
			}
			b.post("/i/"+token, url.Values{"answer": {"decline"}, "authorized": {"on"}, "fullName": {"Uma Larch"}}).want(t, "partner-not-active", http.StatusForbidden)
			if d.writes.Load() != before {
				t.Error("something was written")
			}
			d.clock.Store(int64(31 * 24 * time.Hour))
			says(t, b.get("/i/"+token+renewal), "partner-not-active", http.StatusForbidden)
			if d.stored(inv).Version != inv.Version {
				t.Error("it was changed")
			}
		})
	}
}
