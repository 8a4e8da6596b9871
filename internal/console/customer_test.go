package console_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"concord/internal/commerce"
	"concord/internal/partner"
	"concord/internal/relationship"
	"concord/internal/terms"
)

// stand has a customer in a relationship that a test shapes.
func (d *desk) stand(p, customer partner.TenantID, shape func(*relationship.Relationship)) {
	r := relationship.Relationship{
		ID: "rel_" + string(p[:8]), Partner: p, Role: relationship.Direct, Status: relationship.Active, Version: 1,
		Customer: relationship.Customer{
			Tenant: customer, CompanyName: "Larch Foods", Domains: []string{"larch.example"}, Country: "US", Cloud: "public",
		},
		IdentityCheck: relationship.NotNeeded, DelegatedAdmin: relationship.NoAdministration,
		EstablishedAt: time.Now().UTC().Truncate(time.Second),
	}
	if p == birch {
		r.Role = relationship.IndirectProvider
	} else if p == cedar {
		r.Role = relationship.IndirectReseller
	}
	shape(&r)
	d.store.PutRelationship(r)
}

// removable publishes the text that is confirmed when a relationship ends.
func (d *desk) removable() {
	d.t.Helper()
	sum := sha256.Sum256([]byte("We have told the customer."))
	err := d.store.Publish(d.t.Context(), terms.Text{
		Type: terms.RelationshipRemoval, Version: "3", Language: "en", Title: "Ending it", Body: "We have told the customer.",
		Hash: hex.EncodeToString(sum[:]), From: time.Now().Add(-time.Hour),
	})
	if err != nil {
		d.t.Fatal(err)
	}
}

// tradesAs lets a partner sell: it has a PartnerID and has signed the MPA.
func (d *desk) tradesAs(p partner.TenantID, id string) {
	d.t.Helper()
	a, err := d.store.Account(d.t.Context(), p, true)
	if err != nil {
		d.t.Fatal(err)
	}
	a.MPA, a.AssociatedPartnerID = &partner.Agreement{}, id
	a.PartnerIDs = []partner.PartnerID{{ID: id, Type: partner.Location, Country: "US", OnboardingLocation: true}}
	d.store.PutAccount(a)
}

// TestCustomers: filters are in the URL and in the export, each row leads to its customer, and who is known but not
// served is asked again.
func TestCustomers(t *testing.T) {
	d := open(t)
	d.stand(alder, larch, func(*relationship.Relationship) {})
	d.stand(alder, "0a400000-0000-4000-8000-000000000012", func(r *relationship.Relationship) {
		r.Customer.CompanyName, r.Customer.Country, r.ID = "Oak Mills", "DE", "rel_oak"
		r.IdentityCheck, r.DelegatedAdmin = relationship.Unproven, relationship.ActiveDAP
	})
	d.stand(alder, "0a500000-0000-4000-8000-000000000013", func(r *relationship.Relationship) {
		r.Customer.CompanyName, r.ID, r.Status, r.AgreementSigned = "Pine Past", "rel_pine", relationship.Removed, true
	})
	b := d.browser()
	s := b.signIn("/console/customers", person(alder, partner.SalesAgent))
	s.want(t, "console-customers", http.StatusOK)
	s.has(t, "Larch Foods", "Oak Mills", "/console/customers/"+string(larch), "New relationship", "/console/customers/new")
	for query, want := range map[string]string{
		"country=DE": "Oak Mills", "administration=dap": "Oak Mills", "administration=none": "Larch Foods",
		"identityCheck=pending":                     "Oak Mills",
		"relationship=all&customerAgreement=signed": "Pine Past", "country=FR": "",
		"country=XX&administration=none": "Larch Foods",
	} {
		for _, format := range []string{"", "&format=csv"} {
			s := b.get("/console/customers?" + query + format)
			for _, name := range []string{"Larch Foods", "Oak Mills", "Pine Past"} {
				if strings.Contains(s.text, name) != (name == want) {
					t.Errorf("%s%s: %s", query, format, name)
				}
			}
		}
	}
	s = b.get("/console/customers?relationship=none")
	s.has(t, "Request reseller relationship", "customerTenantId=0a500000-0000-4000-8000-000000000013")
}

// TestCustomer: one customer with what stands with it, what blocks an order with the way out, and the ends of its
// administration and of the check of its identity.
func TestCustomer(t *testing.T) {
	d := open(t)
	d.tradesAs(alder, "4455667")
	d.stand(alder, larch, func(r *relationship.Relationship) {
		r.IdentityCheck, r.DelegatedAdmin = relationship.Unproven, relationship.ActiveDAP
		r.History = []relationship.Entry{{At: r.EstablishedAt, Action: relationship.Established,
			DelegatedAdmin: relationship.ActiveDAP}}
	})
	at := "/console/customers/" + string(larch)
	b := d.browser()
	s := b.signIn(at, person(alder, partner.AdminAgent))
	s.want(t, "console-customer", http.StatusOK)
	s.has(t, "Relationship established", "All (DAP)", at+"/administration", at+"/agreement", at+"/identity", at+"/remove",
		"First confirm that the right company answered.", "hasn’t signed the customer agreement", d.URL+"/customer",
		"/console/orders/new?customerTenantId="+string(larch), "No subscriptions here yet", "No orders here yet",
		"No requests yet")
	for _, one := range []struct{ page, verb, path, said string }{
		{"console-confirm-identity", "confirm", "/identity", "identity is confirmed"},
		{"console-end-administration", "end", "/administration", "no longer has delegated administration"},
	} {
		form := b.get(at + one.path)
		form.want(t, one.page, http.StatusOK)
		b.follow(b.post(at+one.path, form.fields(one.verb))).has(t, one.said)
		again := b.get(at + one.path)
		if again.want(t, one.page, http.StatusOK); again.fields(one.verb) != nil {
			t.Errorf("%s can be done twice", one.verb)
		}
	}
	form := b.get(at + "/agreement")
	form.want(t, "console-attest", http.StatusOK)
	fields := form.fields("attest")
	refused := b.post(at+"/agreement", fields)
	refused.want(t, "console-attest", http.StatusUnprocessableEntity)
	refused.has(t, `href="#f-firstName"`, `href="#f-email"`)
	fields = refused.fields("attest")
	fields.Set("firstName", "Lara")
	fields.Set("lastName", "Larch")
	fields.Set("email", "lara@larch.example")
	s = b.follow(b.post(at+"/agreement", fields))
	s.has(t, "is recorded that the customer agreement is signed", "Nothing stands in the way of an order")
	if strings.Contains(s.text, "/identity") {
		t.Error("there is nothing to confirm any more")
	}
	if s.href(at+"/agreement") != "" {
		t.Error("an agreement that is signed can be confirmed again")
	}
	d.browser().signIn(at, person(birch, partner.AdminAgent)).want(t, "console-not-found", http.StatusNotFound)
}

// TestRemoveCustomer: what blocks it, the text with its box, and the end, of which nobody is told (rules X6, X10).
func TestRemoveCustomer(t *testing.T) {
	d := open(t)
	d.stand(alder, larch, func(r *relationship.Relationship) { r.Sold.Active = 1 })
	at := "/console/customers/" + string(larch)
	b := d.browser()
	s := b.signIn(at+"/remove", person(alder, partner.SalesAgent))
	s.want(t, "console-remove", http.StatusOK)
	s.has(t, "Suspend the active subscriptions", "/console/subscriptions?customerTenantId="+string(larch),
		"No notification is sent", "Consider telling")
	if s.fields("remove") != nil {
		t.Error("what is blocked can be sent")
	}
	d.stand(alder, larch, func(*relationship.Relationship) {})
	b.get(at+"/remove").has(t, "isn’t available yet")
	d.removable()
	s = b.get(at + "/remove")
	s.has(t, "We have told the customer.")
	fields := s.fields("remove")
	refused := b.post(at+"/remove", fields)
	refused.want(t, "console-remove", http.StatusUnprocessableEntity)
	refused.has(t, `href="#f-accepted"`)
	fields = refused.fields("remove")
	fields.Set("accepted", "on")
	done := b.follow(b.post(at+"/remove", fields))
	done.want(t, "console-customer", http.StatusOK)
	done.has(t, "The relationship has ended.", "Request reseller relationship", "customerTenantId="+string(larch))
	b.get(at+"/remove").has(t, "This relationship has ended.")
	b.get("/console/customers").has(t, "No customers here yet")
}

// TestAddCustomer: a new company is a customer at once; one that is known leads to a request.
func TestAddCustomer(t *testing.T) {
	d := open(t)
	d.ally()
	d.tradesAs(birch, "1234567")
	b := d.browser()
	s := b.signIn("/console/customers/new", person(birch, partner.AdminAgent))
	s.want(t, "console-add-customer", http.StatusOK)
	s.has(t, "Cedar IT", "The reseller manages the customer", "Microsoft Entra")
	fields := s.fields("create")
	fields.Set("companyName", "Maple Ltd")
	fields.Set("domain", "maple.example")
	fields.Set("country", "US")
	fields.Set("forReseller", string(cedar))
	done := b.follow(b.post("/console/customers/new", fields))
	done.want(t, "console-customer", http.StatusOK)
	done.has(t, "The customer is in your list.", "Maple Ltd", "Cedar IT", "Customer added")
	fields = b.get("/console/customers/new").fields("create")
	fields.Set("companyName", "Maple Ltd")
	fields.Set("domain", "www.maple.example")
	fields.Set("country", "US")
	again := b.post("/console/customers/new", fields)
	again.want(t, "console-add-customer", http.StatusConflict)
	again.has(t, "/console/invitations/new", "www.maple.example")
	d.browser().signIn("/console/customers/new", person(cedar, partner.AdminAgent)).want(t, "console-not-allowed",
		http.StatusForbidden)
}

// TestOrder: blockers come first; a PartnerID that is not in the list is looked up and its reasons are said; an order
// gives a subscription.
func TestOrder(t *testing.T) {
	d := open(t)
	d.ally()
	d.tradesAs(birch, "1234567")
	d.stand(birch, larch, func(*relationship.Relationship) {})
	b := d.browser()
	s := b.signIn("/console/orders/new", person(birch, partner.SalesAgent))
	s.want(t, "console-order", http.StatusOK)
	s.has(t, "Larch Foods")
	at := "/console/orders/new?customerTenantId=" + string(larch)
	s = b.get(at)
	s.has(t, "hasn’t signed the customer agreement", "Sample office suite, basic", "Cedar IT", "Not in the list? PartnerID")
	fields := s.fields("check")
	fields.Set("do", "submit") // as a machine does, which needs no check
	fields.Set("offerId", "ofr-office-basic")
	fields.Set("term", "P1Y")
	fields.Set("quantity", "3")
	refused := b.post("/console/orders/new", fields)
	refused.want(t, "console-order", http.StatusConflict)
	d.stand(birch, larch, func(r *relationship.Relationship) { r.AgreementSigned = true })
	d.signed(birch, larch)
	fields.Set("do", "validate")
	fields.Set("partnerIdOnRecord", "7654321")
	b.follow(b.post("/console/orders/new", fields)).has(t, "There is no such PartnerID.", `value="7654321"`, `value="3"`)
	d.tradesAs(cedar, "7654321")
	valid := b.follow(b.post("/console/orders/new", fields))
	valid.has(t, "This PartnerID can be used.", "Cedar IT")
	fields = valid.fields("check")
	fields.Set("offerId", "ofr-office-basic")
	fields.Set("quantity", "3.5")
	wrong := b.post("/console/orders/new", fields)
	wrong.want(t, "console-order", http.StatusUnprocessableEntity)
	wrong.has(t, `href="#f-quantity"`, `value="3.5"`)
	fields = wrong.fields("check")
	fields.Set("offerId", "ofr-office-basic")
	fields.Set("quantity", "0")
	b.post("/console/orders/new", fields).has(t, `href="#f-quantity"`)
	fields.Set("quantity", "3")
	check := b.follow(b.post("/console/orders/new", fields))
	check.want(t, "console-order", http.StatusOK)
	check.has(t, "Check the order for Larch Foods", "Nothing is ordered yet", "Place the order")
	for _, row := range []string{"Offer: Sample office suite, basic", "Quantity: 3", "Company: Cedar IT"} {
		if !slices.ContainsFunc(check.rows(), func(s string) bool { return strings.HasPrefix(s, row) }) {
			t.Errorf("no %q in %q", row, check.rows())
		}
	}
	if s := b.get("/console/customers/" + string(larch)); !strings.Contains(s.text, "No orders here yet") {
		t.Error("a check orders")
	}
	done := b.follow(b.post("/console/orders/new", check.fields("submit")))
	done.want(t, "console-customer", http.StatusOK)
	done.has(t, "The order is placed.", "3 × Sample office suite, basic", "7654321",
		"/console/subscriptions/"+string(larch)+"/sub_")
	d.browser().signIn("/console/orders/new", person(cedar, partner.AdminAgent)).want(t, "console-not-allowed",
		http.StatusForbidden)
}

// signed has a partner attest that a customer signed.
func (d *desk) signed(p, customer partner.TenantID) {
	d.t.Helper()
	err := d.store.AddAgreement(d.t.Context(), commerce.Agreement{
		ID: "agr_x", Customer: customer, Source: commerce.PartnerAttested, Partner: p, Number: 1, AgreedAt: time.Now(),
		At: time.Now(),
	}, nil)
	if err != nil {
		d.t.Fatal(err)
	}
}

// bought has Birch sell Larch something, and gives where it is.
func (d *desk) bought(b *browser) string {
	d.t.Helper()
	d.ally()
	d.tradesAs(birch, "1234567")
	d.tradesAs(cedar, "7654321")
	d.stand(birch, larch, func(r *relationship.Relationship) { r.AgreementSigned = true })
	d.signed(birch, larch)
	s := b.signIn("/console/orders/new?customerTenantId="+string(larch), person(birch, partner.AdminAgent))
	fields := s.fields("check")
	fields.Set("do", "submit")
	fields.Set("offerId", "ofr-office-basic")
	fields.Set("quantity", "3")
	return b.follow(b.post("/console/orders/new", fields)).href("/console/subscriptions/")
}

// TestSubscription: who is on record by list or PartnerID, who supports, the quantity, the status and the end; each
// action that is refused says why.
func TestSubscription(t *testing.T) {
	d := open(t)
	b := d.browser()
	at := d.bought(b)
	s := b.get("/console/subscriptions?customerTenantId=" + string(larch))
	s.want(t, "console-subscriptions", http.StatusOK)
	s.has(t, at, "Sample office suite, basic", "Sold")
	s = b.get(at)
	s.want(t, "console-subscription", http.StatusOK)
	s.has(t, "Reseller (PartnerID, MPN ID)", "Cedar IT · 7654321", "Assigned support contact",
		"The reseller gets the incentive credit",
		"You can’t lower it.", "hasn’t granted the administrator rights")
	fields := s.fields("validate")
	fields.Set("reseller", "other")
	fields.Set("partnerIdOfRecord", "1234567")
	b.follow(b.post(at, fields)).has(t, "isn’t that of another company that is an indirect reseller", `value="other" selected`)
	fields.Set("do", "submit")
	refused := b.post(at, fields)
	refused.want(t, "console-subscription", http.StatusUnprocessableEntity)
	refused.has(t, `href="#f-partnerIdOfRecord"`)
	fields = b.get(at).fields("submit")
	fields.Set("reseller", "7654321")
	b.follow(b.post(at, fields)).has(t, "Saved.", "Cedar IT · 7654321", "Reseller changed")

	fields = b.get(at).fields("support")
	fields.Set("supportTenantId", string(cedar))
	b.post(at, fields).has(t, "a reseller of yours that has a relationship with this customer", `href="#f-supportTenantId"`)
	d.stand(cedar, larch, func(r *relationship.Relationship) { r.EstablishedAt = r.EstablishedAt.Add(-time.Hour) })
	s = b.get(at)
	fields = s.fields("support")
	fields.Set("supportTenantId", string(cedar))
	b.follow(b.post(at, fields)).has(t, "Saved.", "Support contact changed")

	fields = b.get(at).fields("quantity")
	fields.Set("quantity", "5")
	b.follow(b.post(at, fields)).has(t, "Quantity changed")
	stale := fields
	stale.Set("quantity", "6")
	stale.Set("key", "another")
	b.post(at, stale).want(t, "console-subscription", http.StatusPreconditionFailed)
	b.follow(b.post(at, b.get(at).fields("suspend"))).has(t, "Suspended", "Reactivate")
	b.follow(b.post(at, b.get(at).fields("reactivate"))).has(t, "Suspend")
	s = b.get(at + "/cancel")
	s.want(t, "console-subscription-cancel", http.StatusOK)
	b.follow(b.post(at+"/cancel", s.fields("cancel"))).has(t, "The subscription has ended.", "Cancelled")

	reseller := d.browser()
	s = reseller.signIn(at, person(cedar, partner.SalesAgent))
	s.want(t, "console-subscription", http.StatusOK)
	if s.fields("submit") != nil || s.fields("suspend") != nil {
		t.Error("a reseller changes what its provider sold")
	}
	d.browser().signIn(at, person(alder, partner.AdminAgent)).want(t, "console-not-found", http.StatusNotFound)
}

// TestRemovalLeadsToTheSubscription: where one active subscription stands in the way, its own page is the way out.
func TestRemovalLeadsToTheSubscription(t *testing.T) {
	d := open(t)
	b := d.browser()
	one := d.bought(b)
	d.stand(birch, larch, func(r *relationship.Relationship) { r.AgreementSigned, r.Sold.Active = true, 1 })
	s := b.get("/console/customers/" + string(larch) + "/remove")
	s.want(t, "console-remove", http.StatusOK)
	if at := s.href("/console/subscriptions"); at != one && s.href(one) != one {
		t.Errorf("the way out is %q, not %q", at, one)
	}
}
