package console_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
	"time"

	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/relationship"
	"concord/internal/terms"
)

// ally makes a partnership of Birch and Cedar, in which the provider administers the reseller's account, and gives
// its id.
func (d *desk) ally() string {
	pair := partnership.Pair{Provider: birch, Reseller: cedar}
	p, _ := partnership.Establish(nil, partnership.Authorisation{
		Pair: pair, Consent: partnership.Consent{Version: "1", Language: "en"}, At: time.Now().UTC().Truncate(time.Second),
		By: "u-cedar",
	})
	d.store.PutPartnership(p)
	return pair.ID()
}

// serve has a customer stand in a relationship with each of some partners.
func (d *desk) serve(customer partner.TenantID, name string, partners ...partner.TenantID) {
	for _, p := range partners {
		d.store.PutRelationship(relationship.Relationship{
			ID: "rel_" + string(p), Partner: p, Customer: relationship.Customer{Tenant: customer, CompanyName: name,
				Country: "US", Cloud: "public"},
			Role: relationship.Direct, Status: relationship.Active, EstablishedAt: time.Now().UTC().Truncate(time.Second),
			Version: 1,
		})
	}
}

// attestable publishes the text that is confirmed when a partnership ends.
func (d *desk) attestable() {
	d.t.Helper()
	body := "We end this in good faith."
	sum := sha256.Sum256([]byte(body))
	err := d.store.Publish(d.t.Context(), terms.Text{
		Type: terms.PartnershipRemoval, Version: "7", Language: "en", Title: "Ending it", Body: body,
		Hash: hex.EncodeToString(sum[:]),
		From: time.Now().Add(-time.Hour),
	})
	if err != nil {
		d.t.Fatal(err)
	}
}

// TestResellers: a provider sees its resellers, requests a partnership, sees which customers both serve, and ends a
// partnership with the text confirmed.
func TestResellers(t *testing.T) {
	d := open(t)
	id := d.ally()
	d.serve(larch, "Larch Foods", birch, cedar)
	d.serve("0a400000-0000-4000-8000-000000000012", "Oak only", birch)
	b := d.browser()
	s := b.signIn("/console/resellers", person(birch, partner.AdminAgent))
	s.want(t, "console-resellers", http.StatusOK)
	s.has(t, "Cedar IT", "Administrator", "Your entry in the provider directory", "help@grove.example",
		"/console/resellers/"+id)
	if at := s.href("/console/invitations/new"); at != "/console/invitations/new?kind=partnership" {
		t.Errorf("Request partnership leads to %q", at)
	}
	b.get("/console/invitations/new?kind=partnership").want(t, "console-new-relationship", http.StatusOK)
	if f := b.get("/console/resellers?format=csv"); !strings.Contains(f.text, "Cedar IT") ||
		f.Header.Get("Content-Type") != "text/csv; charset=utf-8" {
		t.Errorf("%v: %s", f.Header, f.text)
	}
	s = b.get("/console/resellers/" + id)
	s.want(t, "console-reseller", http.StatusOK)
	s.has(t, "Larch Foods", "Partnership established", "until the reseller revokes it")
	if strings.Contains(s.text, "Oak only") || strings.Contains(s.text, "/revoke") {
		t.Error("what is not shared is shown, or the provider can revoke")
	}
	at := "/console/resellers/" + id + "/remove"
	b.get(at).has(t, "isn’t available yet")
	d.attestable()
	s = b.get(at)
	s.want(t, "console-reseller-remove", http.StatusOK)
	s.has(t, "We end this in good faith.", "stay as they are", "No notification is sent")
	refused := b.post(at, s.fields("remove"))
	refused.want(t, "console-reseller-remove", http.StatusUnprocessableEntity)
	refused.has(t, `href="#f-accepted"`, "Tick the box")
	fields := refused.fields("remove")
	fields.Set("accepted", "on")
	b.follow(b.post(at, fields)).has(t, "The partnership has ended.", "Ended", "Partnership removed")
	b.get("/console/resellers").has(t, "No resellers here yet")
	b.get("/console/resellers?show=removed").has(t, "Cedar IT")
	b.get(at).has(t, "This partnership has ended.")
}

// TestProviders: a reseller sees its providers and the customers that it shares, invites new ones with the provider
// chosen, and its Global administrator revokes the provider's access, after the partnership has ended too.
func TestProviders(t *testing.T) {
	d := open(t)
	id := d.ally()
	d.attestable()
	d.serve(larch, "Larch Foods", birch, cedar)
	agent := d.browser()
	s := agent.signIn("/console/providers", person(cedar, partner.SalesAgent))
	s.want(t, "console-providers", http.StatusOK)
	s.has(t, "Birch Distribution", "View customers", "/console/providers/"+id+"#customers")
	s = agent.get("/console/providers/" + id)
	s.has(t, "Larch Foods", "Revoke access", "This is for: Global administrator")
	invite := s.href("/console/invitations/new")
	if !strings.Contains(invite, "kind=dualReseller") || !strings.Contains(invite, "providerTenantId="+string(birch)) {
		t.Errorf("Invite new customers leads to %q", invite)
	}
	form := agent.get(invite)
	form.want(t, "console-new-relationship", http.StatusOK)
	form.has(t, `value="`+string(birch)+`" selected`)
	remove := agent.get("/console/providers/" + id + "/remove").fields("remove")
	remove.Set("accepted", "on")
	agent.follow(agent.post("/console/providers/"+id+"/remove", remove)).has(t, "The partnership has ended.")
	agent.get("/console/providers/"+id+"/revoke").want(t, "console-not-allowed", http.StatusForbidden)

	admin := d.browser()
	s = admin.signIn("/console/providers/"+id, person(cedar, partner.GlobalAdmin))
	s.has(t, "/console/providers/"+id+"/revoke", "This partnership has ended.")
	s = admin.get("/console/providers/" + id + "/revoke")
	s.want(t, "console-provider-revoke", http.StatusOK)
	admin.follow(admin.post("/console/providers/"+id+"/revoke", s.fields("revoke"))).has(t, "no longer has access")
	p, err := d.store.Partnership(t.Context(), cedar, id)
	if err != nil || p.ProviderAccess != partnership.Revoked || p.Status != partnership.Removed {
		t.Errorf("%v %v, %v", p.Status, p.ProviderAccess, err)
	}
	admin.get("/console/providers/"+id+"/revoke").has(t, "no access that could be revoked")
}

// TestProviderDirectory: listed providers are found by the country of the reseller.
func TestProviderDirectory(t *testing.T) {
	d := open(t)
	a, err := d.store.Account(t.Context(), birch, true)
	if err != nil {
		t.Fatal(err)
	}
	a.ListedInDirectory, a.Contact.Website = true, "https://birch.example"
	d.store.PutAccount(a)
	b := d.browser()
	s := b.signIn("/console/providers?show=directory", person(cedar, partner.SalesAgent))
	s.want(t, "console-providers", http.StatusOK)
	s.has(t, "Birch Distribution", "https://birch.example", "Agree on terms with a provider first")
	b.get("/console/providers?show=directory&country=US").has(t, "Birch Distribution")
	b.get("/console/providers?show=directory&country=JP").has(t, "No providers here")
}
