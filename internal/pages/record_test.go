package pages_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"concord/internal/customer"
	"concord/internal/partner"
	"concord/internal/relationship"
)

// created has alder create a company under a domain.
func (d *deployment) created(domain, country string) relationship.Record {
	d.t.Helper()
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	record := relationship.Record{ID: "5b2c0000-0000-4000-8000-0000000000aa", Domain: domain, Country: country, Cloud: "public", By: alder, Version: 1}
	r := relationship.Create(relationship.Founding{
		RelationshipID: "rel_aaaaaaaaaaaaaaaaaaaaaaaaaa", Partner: alderAccount(), At: at, By: "agent",
		Customer: relationship.Customer{Tenant: record.ID, Created: true, CompanyName: "Larch of Springfield", Domains: []string{domain}, Country: country, CountrySource: "partner", Cloud: "public"},
	})
	err := d.store.Create(d.t.Context(), customer.Creation{
		Record: record, Relationships: []relationship.Change{{After: r}}, Key: "k", Made: customer.Made{Customer: record.ID, At: at},
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return record
}

func (d *deployment) recorded(r relationship.Record) relationship.Relationship {
	d.t.Helper()
	row, err := d.store.Relationship(d.t.Context(), alder, r.ID)
	if err != nil {
		d.t.Fatal(err)
	}
	return row
}

// 0.30: a company is asked on its own page about a record that a partner created under its domain; it says that it is its own, or ends it.
func TestCompanySpeaksForItsRecord(t *testing.T) {
	for answer, want := range map[string]struct {
		page   string
		status relationship.Status
		claims partner.TenantID
	}{
		"ours":     {"record-confirmed", relationship.Active, larch},
		"not-ours": {"record-ended", relationship.Removed, ""},
	} {
		t.Run(answer, func(t *testing.T) {
			d := deploy(t)
			record := d.created("larch.example", "US")
			at := "/customer/records/" + string(record.ID)
			b := d.browser()
			list := b.signInAsCompany(lara)
			list.want(t, "customer", http.StatusOK)
			list.has(t, "Larch of Springfield", "Alder Cloud Services Inc. created this customer under your domain larch.example")
			if !slices.Contains(list.links(), at) {
				t.Fatalf("nothing leads to it: %v", list.links())
			}
			form := b.get(at)
			form.want(t, "record", http.StatusOK)
			form.has(t, "Larch of Springfield", "larch.example", "Alder Cloud Services Inc.", "1 March 2026")
			if strings.Contains(form.text, " checked") {
				t.Error("an answer is chosen already")
			}
			b.post(at, url.Values{}).want(t, "record", http.StatusUnprocessableEntity)
			b.post(at, url.Values{"reason": {"perhaps"}}).want(t, "record", http.StatusUnprocessableEntity)
			if r := d.recorded(record); r.Version != 1 {
				t.Fatalf("looking has changed %+v", r)
			}
			b.post(at, url.Values{"reason": {answer}}).want(t, want.page, http.StatusOK)
			if r := d.recorded(record); r.Status != want.status || r.Customer.ClaimedBy != want.claims || r.Version != 2 {
				t.Errorf("it is %+v", r)
			}
			// What was said stays said.
			for _, again := range []seen{b.get(at), b.post(at, url.Values{"reason": {"ours"}}), b.post(at, url.Values{"reason": {"not-ours"}})} {
				if again.StatusCode != http.StatusSeeOther || again.Header.Get("Location") != "/customer" {
					t.Errorf("once more: %d %s", again.StatusCode, again.Header.Get("Location"))
				}
			}
			if r := d.recorded(record); r.Version != 2 {
				t.Errorf("once more has changed %+v", r)
			}
			if page := b.get("/customer"); slices.Contains(page.links(), at) || strings.Contains(page.text, "Alder Cloud Services Inc.") != (answer == "ours") {
				t.Errorf("the page has %v", page.links())
			}
		})
	}
}

// 0.30: who is not of that domain does not see a record, and who may not be the partner's customer can only end it.
func TestWhoSpeaksForARecord(t *testing.T) {
	d := deploy(t)
	record := d.created("larch.example", "US")
	at := "/customer/records/" + string(record.ID)
	if r := d.browser().get(at); r.StatusCode != http.StatusSeeOther {
		t.Errorf("nobody is signed in: %d", r.StatusCode)
	}
	other := d.browser()
	if list := other.signInAsCompany(owen); slices.Contains(list.links(), at) {
		t.Error("another company is asked")
	}
	for _, r := range []seen{other.get(at), other.post(at, url.Values{"reason": {"ours"}}), other.post(at, url.Values{"reason": {"not-ours"}})} {
		if r.StatusCode != http.StatusSeeOther {
			t.Errorf("another company: %d %s", r.StatusCode, r.page())
		}
	}
	staff := d.browser()
	staff.signInAsCompany(user).want(t, "not-admin", http.StatusForbidden)
	staff.post(at, url.Values{"reason": {"ours"}}).want(t, "not-admin", http.StatusForbidden)
	foreign := d.browser()
	foreign.signInAsCompany(claims("u-loic", "Loïc", "admin@larch.example", larch, "Larch Trading Ltd", "FR", "public", "globalAdmin"))
	foreign.post(at, url.Values{"reason": {"ours"}}).want(t, "record-not-allowed", http.StatusForbidden)
	if r := d.recorded(record); r.Version != 1 {
		t.Fatalf("it is %+v", r)
	}
	foreign.post(at, url.Values{"reason": {"not-ours"}}).want(t, "record-ended", http.StatusOK)
}
