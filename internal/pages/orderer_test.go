package pages_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"concord/internal/commerce"
	"concord/internal/customer"
	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/relationship"
)

// 0.33: of a customer that a provider created for its reseller every text names that provider as who orders: it becomes active with the claim.
func TestProviderOfARecordOrders(t *testing.T) {
	for _, attested := range []bool{false, true} {
		d := offering(t)
		d.tiers(true)
		at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
		record := relationship.Record{ID: "5b2c0000-0000-4000-8000-0000000000aa", Domain: "larch.example", Country: "US", Cloud: "public", By: birch, Version: 1}
		who := relationship.Customer{Tenant: record.ID, Created: true, CompanyName: "Larch", Domains: []string{record.Domain}, Country: "US", CountrySource: "partner", Cloud: "public"}
		creation := customer.Creation{Record: record, Key: "k", Made: customer.Made{Customer: record.ID, At: at}}
		for p, f := range map[partner.TenantID]relationship.Founding{
			birch: {RelationshipID: "rel_aaaaaaaaaaaaaaaaaaaaaaaaaa", Via: cedar}, cedar: {RelationshipID: "rel_bbbbbbbbbbbbbbbbbbbbbbbbbb", Via: birch, Provider: birch},
		} {
			account, err := d.store.Account(t.Context(), p, true)
			if err != nil {
				t.Fatal(err)
			}
			f.Partner, f.Customer, f.At, f.By = account, who, at, "agent"
			creation.Relationships = append(creation.Relationships, relationship.Change{After: relationship.Create(f)})
		}
		if err := d.store.Create(t.Context(), creation); err != nil {
			t.Fatal(err)
		}
		if attested {
			a := commerce.Agreement{ID: "agr_aaaaaaaaaaaaaaaaaaaaaaaaaa", Customer: record.ID, Source: commerce.PartnerAttested, Partner: birch, Number: 1, AgreedAt: at, At: at, By: "x"}
			if err := d.store.AddAgreement(t.Context(), a, nil); err != nil {
				t.Fatal(err)
			}
		}
		inv, token := d.ask(cedar, invitation.Proposal{
			Kind: invitation.Reseller, RecipientEmail: to("jo@larch.example"), CustomerTenantID: to(string(record.ID)), RequestDelegatedAdmin: to(true),
		})
		if inv.Orderer != birch {
			t.Fatalf("%q orders", inv.Orderer)
		}
		b := d.browser()
		form := b.signIn(token, lara)
		form.has(t, "its indirect provider Company b12c does, once your company has signed the customer agreement")
		if answer := b.post("/i/"+token, acceptance); answer.StatusCode != http.StatusSeeOther {
			t.Fatalf("%d\n%s", answer.StatusCode, answer.text)
		}
		result, want := b.get("/i/"+token), "its indirect provider Company b12c does, once your company has signed"
		if attested {
			want = "The customer agreement is signed. Company ced0 doesn’t place orders: its indirect provider Company b12c places those you ask for."
		}
		result.has(t, strings.ReplaceAll(want, "ced0", string(cedar[:4])))
		for _, page := range []seen{form, result} {
			if strings.Contains(page.text, "also has a relationship") || strings.Contains(page.text, "will ask for it") {
				t.Errorf("the provider is said to lack something: %s", page.text)
			}
		}
		if got := d.stored(inv); got.Orderer != birch || got.Answer.AgreementStood != attested {
			t.Errorf("%q orders, the agreement stands: %v", got.Orderer, got.Answer.AgreementStood)
		}
	}
}

// 0.33: where the partner attests the agreement, the result of an acceptance and the company's page say that it orders.
func TestAttestedAgreement(t *testing.T) {
	d := offering(t)
	d.serve(alder)
	before := d.between(alder)
	after := before
	after.DelegatedAdmin, after.AgreementSigned, after.Version = relationship.TerminatedDAP, true, 2
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	a := commerce.Agreement{ID: "agr_aaaaaaaaaaaaaaaaaaaaaaaaaa", Customer: larch, Source: commerce.PartnerAttested, Partner: alder, Number: 1, AgreedAt: at, At: at, By: "x"}
	if err := d.store.AddAgreement(t.Context(), a, &relationship.Change{Before: &before, After: after}); err != nil {
		t.Fatal(err)
	}
	_, token := d.invite(func(p *invitation.Proposal) { p.RequestDelegatedAdmin = to(true) })
	b := d.browser()
	b.signIn(token, lara)
	if answer := b.post("/i/"+token, acceptance); answer.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d\n%s", answer.StatusCode, answer.text)
	}
	b.get("/i/"+token).has(t, "The customer agreement is signed. Alder Cloud Services Inc. places the orders you ask for.")
	page := b.get("/customer")
	page.has(t, "Alder Cloud Services Inc. has declared that the customer agreement was signed elsewhere, and places the orders you ask for.")
	if strings.Contains(page.text, "No orders are placed") {
		t.Error("it says that nothing is ordered")
	}
}

// 0.43: of a partner that is suspended the company's page says so, and vouches for nothing; its rights can still be taken back.
func TestSuspendedPartnerOfACompany(t *testing.T) {
	d := offering(t)
	d.serve(alder)
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	a := commerce.Agreement{ID: "agr_aaaaaaaaaaaaaaaaaaaaaaaaaa", Customer: larch, Source: commerce.PartnerAttested, Partner: alder, Number: 1, AgreedAt: at, At: at, By: "x"}
	if err := d.store.AddAgreement(t.Context(), a, nil); err != nil {
		t.Fatal(err)
	}
	suspended := alderAccount()
	suspended.Status = partner.Suspended
	d.store.PutAccount(suspended)
	b := d.browser()
	for _, page := range []seen{b.signInAsCompany(lara), b.get(revoking)} {
		page.has(t, "Alder Cloud Services Inc.", "Not active with Grove Marketplace Ltd at the moment")
		for _, vouches := range []string{suspended.VerifiedDomain, suspended.Contact.Email, "places the orders"} {
			if strings.Contains(content(page.doc), vouches) {
				t.Errorf("%s says %q", page.page(), vouches)
			}
		}
	}
	if !strings.Contains(strings.Join(b.get("/customer").links(), " "), revoking) {
		t.Error("administration cannot be taken back")
	}
}

// 0.30, 0.33: what a partner attests of a customer that it created stands when the company claims it, whether the request named it or not.
func TestAttestedAgreementOfARecord(t *testing.T) {
	for _, bound := range []bool{false, true} {
		d := offering(t)
		record := d.created("larch.example", "US")
		at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
		a := commerce.Agreement{ID: "agr_aaaaaaaaaaaaaaaaaaaaaaaaaa", Customer: record.ID, Source: commerce.PartnerAttested, Partner: alder, Number: 1, AgreedAt: at, At: at, By: "x"}
		if err := d.store.AddAgreement(t.Context(), a, nil); err != nil {
			t.Fatal(err)
		}
		_, token := d.invite(func(p *invitation.Proposal) {
			if p.RequestDelegatedAdmin = to(true); bound {
				p.CustomerTenantID = to(string(record.ID))
			}
		})
		b := d.browser()
		b.signIn(token, lara)
		if answer := b.post("/i/"+token, acceptance); answer.StatusCode != http.StatusSeeOther {
			t.Fatalf("%d\n%s", answer.StatusCode, answer.text)
		}
		b.get("/i/"+token).has(t, "The customer agreement is signed. Alder Cloud Services Inc. places the orders you ask for.")
		b.get("/customer").has(t, "Alder Cloud Services Inc. has declared that the customer agreement was signed elsewhere")
	}
}

// 0.33: an agreement that is attested after the answer is on the page of the result.
func TestAgreementAfterTheAnswer(t *testing.T) {
	d := offering(t)
	inv, token := d.invite()
	b := d.browser()
	b.signIn(token, lara)
	if answer := b.post("/i/"+token, acceptance); answer.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d\n%s", answer.StatusCode, answer.text)
	}
	b.get("/i/"+token).has(t, "once your company has signed the customer agreement")
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	a := commerce.Agreement{ID: "agr_aaaaaaaaaaaaaaaaaaaaaaaaaa", Customer: larch, Source: commerce.PartnerAttested, Partner: alder, Number: 1, AgreedAt: at, At: at, By: "x"}
	if err := d.store.AddAgreement(t.Context(), a, nil); err != nil {
		t.Fatal(err)
	}
	b.get("/i/"+token).has(t, "The customer agreement is signed. Alder Cloud Services Inc. places the orders you ask for.")
	if d.stored(inv).Answer.Signed() {
		t.Error("looking has written")
	}
}
