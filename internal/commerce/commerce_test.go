package commerce_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"concord/internal/command"
	"concord/internal/commerce"
	"concord/internal/due"
	"concord/internal/emailaddr"
	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/problem"
	"concord/internal/relationship"
	"concord/internal/storetest"
	"concord/internal/terms"
)

const (
	alderID   partner.TenantID = "a1de0000-0000-4000-8000-000000000001"
	birchID   partner.TenantID = "b12c0000-0000-4000-8000-000000000002"
	cedarID   partner.TenantID = "ceda0000-0000-4000-8000-000000000003"
	dogwoodID partner.TenantID = "d09d0000-0000-4000-8000-000000000004"
	larchID   partner.TenantID = "1a2c0000-0000-4000-8000-000000000011"
	oakID     partner.TenantID = "0a4c0000-0000-4000-8000-000000000013"
)

var start = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

// shop is the use cases over a store in memory: alder sells directly, birch is the provider of cedar, dogwood is nobody's reseller.
type shop struct {
	t     *testing.T
	store *storetest.Memory
	now   time.Time
	s     commerce.Service
	calls int
	pairs map[[2]partner.TenantID]bool
	gdap  map[[2]partner.TenantID]bool
}

func (s *shop) Partnered(_ context.Context, provider, reseller partner.TenantID) (bool, error) {
	return s.pairs[[2]partner.TenantID{provider, reseller}], nil
}

func (s *shop) Providers(_ context.Context, reseller partner.TenantID) (all []commerce.Tie, err error) {
	for pair, on := range s.pairs {
		if pair[1] == reseller {
			all = append(all, commerce.Tie{Provider: pair[0], Active: on})
		}
	}
	return all, nil
}

func (s *shop) CoversSubscriptions(_ context.Context, p, customer partner.TenantID) (bool, error) {
	return s.gdap[[2]partner.TenantID{p, customer}], nil
}

func (s *shop) CoveringSubscriptions(
	_ context.Context, p partner.TenantID, customers []partner.TenantID,
) (map[partner.TenantID]bool, error) {
	all := map[partner.TenantID]bool{}
	for _, customer := range customers {
		all[customer] = s.gdap[[2]partner.TenantID{p, customer}]
	}
	return all, nil
}

func open(t *testing.T) *shop {
	t.Helper()
	s := &shop{t: t, store: &storetest.Memory{}, now: start, pairs: map[[2]partner.TenantID]bool{{birchID, cedarID}: true}, gdap: map[[2]partner.TenantID]bool{}}
	for n, each := range []struct {
		id   partner.TenantID
		role partner.ProgramRole
	}{{alderID, partner.DirectBill}, {birchID, partner.IndirectProvider}, {cedarID, partner.IndirectReseller}, {dogwoodID, partner.IndirectReseller}} {
		pid := fmt.Sprint(4100001 + n)
		s.store.PutAccount(partner.Account{
			Tenant: each.id, DisplayName: pid, Role: each.role, Cloud: "public", Country: "US", Status: partner.Active, CreatedAt: start, Version: 1, AssociatedPartnerID: pid,
			PartnerIDs: []partner.PartnerID{{ID: pid, Type: partner.Location, Country: "US", OnboardingLocation: true}, {ID: pid + "9", Type: partner.Headquarters, Country: "US"}},
			MPA:        &partner.Agreement{SignedAt: start, Version: "2025"},
		})
	}
	s.s = commerce.Service{
		Accounts: s.store, Holders: s.store, Relationships: s.store, Agreements: s.store, Orders: s.store, Subscriptions: s.store, Partnerships: s, Granular: s, Texts: s.store,
		Regions: partner.ShippedRegions(), Offers: commerce.ShippedOffers(), Addresses: emailaddr.Addresses{AllowReserved: true}, Now: func() time.Time { return s.now },
	}
	return s
}

// relate gives a partner a relationship with a customer.
func (s *shop) relate(p, customer partner.TenantID, edit ...func(*relationship.Relationship)) relationship.Relationship {
	r := relationship.Relationship{
		ID: "rel_" + string(p[:8]) + string(customer[:8]), Partner: p, Customer: relationship.Customer{Tenant: customer, CompanyName: "Larch", Country: "US", Cloud: "public"},
		Status: relationship.Active, DelegatedAdmin: relationship.NoAdministration, IdentityCheck: relationship.NotNeeded, EstablishedAt: start, UpdatedAt: start, Version: 1,
	}
	for _, f := range edit {
		f(&r)
	}
	s.store.PutRelationship(r)
	return r
}

func (s *shop) user(p partner.TenantID, roles ...partner.Role) partner.User {
	if roles == nil {
		roles = []partner.Role{partner.SalesAgent}
	}
	return partner.User{Subject: "agent of " + string(p), Tenant: p, Roles: roles}
}

func (s *shop) command(p partner.TenantID) command.Command {
	s.calls++
	return command.Command{User: s.user(p), CorrelationID: fmt.Sprint("correlation ", s.calls), Key: fmt.Sprint("key ", s.calls), Body: fmt.Sprint("body ", s.calls), IfVersion: command.AnyVersion}
}

func (s *shop) attestation(edit ...func(*commerce.Attestation)) commerce.Attestation {
	a := commerce.Attestation{
		Type: new(commerce.CustomerAgreement), FirstName: new("Lena"), LastName: new("Larch"), Email: new("lena@larch.example"), AgreedAt: new(s.now.AddDate(0, 0, -3)),
	}
	for _, f := range edit {
		f(&a)
	}
	return a
}

func (s *shop) attest(p, customer partner.TenantID) {
	s.t.Helper()
	if _, _, err := s.s.Attest(s.t.Context(), s.command(p), string(customer), s.attestation()); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shop) relationship(p, customer partner.TenantID) relationship.Relationship {
	s.t.Helper()
	r, err := s.store.Relationship(s.t.Context(), p, customer)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

func (s *shop) code(err error, want problem.Code) {
	s.t.Helper()
	if got := problem.CodeOf(err); got != want {
		s.t.Fatalf("%q (%v), want %q", got, err, want)
	}
}

func wish(offer string, quantity int) commerce.Wish {
	return commerce.Wish{Lines: []commerce.WishedLine{{Offer: &offer, Quantity: &quantity}}}
}

// buy places an order of one line and gives its subscription.
func (s *shop) buy(p, customer partner.TenantID, w commerce.Wish) commerce.Subscription {
	s.t.Helper()
	o, _, err := s.s.Place(s.t.Context(), s.command(p), string(customer), w)
	if err != nil {
		s.t.Fatal(err)
	}
	sub, err := s.s.Subscription(s.t.Context(), s.user(p), string(customer), o.Lines[0].Subscription)
	if err != nil {
		s.t.Fatal(err)
	}
	return sub.Subscription
}

// TestRuleP1: an agreement that a partner attests is kept, opens that partner's purchases and nobody else's.
func TestRuleP1(t *testing.T) {
	s := open(t)
	s.relate(alderID, larchID)
	s.relate(birchID, larchID)
	blocked := func(p partner.TenantID, want ...problem.Code) {
		t.Helper()
		e, err := s.s.Eligibility(t.Context(), s.user(p), string(larchID), nil)
		if err != nil {
			t.Fatal(err)
		}
		var got []problem.Code
		for _, b := range e.Blockers {
			got = append(got, b.Code)
		}
		if !slices.Equal(got, want) || e.Seller != p {
			t.Fatalf("%v of %s, want %v", got, e.Seller, want)
		}
	}
	blocked(alderID, problem.CustomerAgreementRequired)
	c := s.command(alderID)
	a, replayed, err := s.s.Attest(t.Context(), c, string(larchID), s.attestation())
	if err != nil || replayed {
		t.Fatal(err)
	}
	if a.Number != 1 || a.Source != commerce.PartnerAttested || a.Partner != alderID || a.Contact.Email != "lena@larch.example" || a.By != c.User.Subject {
		t.Errorf("%+v", a)
	}
	if r := s.relationship(alderID, larchID); !r.AgreementSigned || r.Version != 2 || len(r.History) != 0 {
		t.Errorf("%+v", r)
	}
	blocked(alderID)
	blocked(birchID, problem.CustomerAgreementRequired)

	again, replayed, err := s.s.Attest(t.Context(), c, string(larchID), s.attestation())
	if err != nil || !replayed || again.ID != a.ID {
		t.Fatalf("%v %v %v", again, replayed, err)
	}
	c.Body = "another"
	_, _, err = s.s.Attest(t.Context(), c, string(larchID), s.attestation())
	s.code(err, problem.IdempotencyKeyReused)
	_, _, err = s.s.Attest(t.Context(), s.command(alderID), string(larchID), s.attestation())
	s.code(err, problem.AgreementAlreadyConfirmed)
	// A changed contact is a record of its own, and the one before stays.
	b, _, err := s.s.Attest(t.Context(), s.command(alderID), string(larchID), s.attestation(func(a *commerce.Attestation) { a.Phone = new("+1 555 0100") }))
	if err != nil || b.Number != 2 {
		t.Fatalf("%+v %v", b, err)
	}
	all, err := s.s.CustomerAgreements(t.Context(), s.user(alderID), string(larchID))
	if err != nil || len(all) != 2 {
		t.Fatalf("%v %v", all, err)
	}
	if all, err := s.s.CustomerAgreements(t.Context(), s.user(birchID), string(larchID)); err != nil || len(all) != 0 {
		t.Errorf("birch reads %v %v", all, err)
	}
	signed, err := s.s.DirectlySigned(t.Context(), s.user(alderID), string(larchID))
	if err != nil || signed {
		t.Errorf("%v %v", signed, err)
	}
}

// Test021: an attestation covers the words that were in force in the customer's country when it agreed, by version, language and hash
// (domain, 0.21); without any it stands all the same.
func Test021(t *testing.T) {
	s := open(t)
	s.relate(alderID, larchID)
	publish := func(version, language, country string, from time.Time) string {
		t.Helper()
		text := terms.Text{Type: terms.CustomerAgreement, Version: version, Language: language, Title: "Sample", Body: version + language, From: from}
		if country != "" {
			text.Countries = []string{country}
		}
		sum := sha256.Sum256([]byte(text.Body))
		text.Hash = hex.EncodeToString(sum[:])
		if err := s.store.Publish(t.Context(), text); err != nil {
			t.Fatal(err)
		}
		return text.Hash
	}
	hash := publish("1", "en", "", start.AddDate(0, -2, 0))
	publish("1", "fr", "", start.AddDate(0, -2, 0))
	publish("2", "en", "", start.AddDate(0, 0, -1))
	publish("1.fr", "en", "FR", start.AddDate(0, -1, 0))
	for _, each := range []struct {
		at   time.Time
		want relationship.AttestedText
	}{
		{start.AddDate(0, 0, -3), relationship.AttestedText{Version: "1", Language: "en", Hash: hash}},
		{start.AddDate(0, -3, 0), relationship.AttestedText{}},
	} {
		a, _, err := s.s.Attest(t.Context(), s.command(alderID), string(larchID), s.attestation(func(a *commerce.Attestation) { a.AgreedAt = &each.at }))
		if err != nil || a.Text != each.want {
			t.Errorf("%+v, %v; want %+v", a.Text, err, each.want)
		}
	}
}

// TestDirectlySigned: what the customer signed itself counts for every partner that deals with it, and only the partner whose invitation
// brought it learns who signed.
func TestDirectlySigned(t *testing.T) {
	s := open(t)
	s.relate(alderID, larchID)
	s.relate(birchID, larchID)
	if err := s.store.AddAgreement(t.Context(), commerce.Agreement{
		ID: "agr_a", Customer: larchID, Source: commerce.DirectSigned, Partner: birchID, Number: 1, Contact: commerce.Person{FirstName: "Lena"}, Invitation: "inv_a", At: start, AgreedAt: start,
	}, nil); err != nil {
		t.Fatal(err)
	}
	for _, p := range []partner.TenantID{alderID, birchID} {
		all, err := s.s.CustomerAgreements(t.Context(), s.user(p), string(larchID))
		if err != nil || len(all) != 1 || (all[0].Contact.FirstName == "") != (p == alderID) || (all[0].Invitation == "") != (p == alderID) {
			t.Errorf("%s reads %+v, %v", p, all, err)
		}
		if signed, err := s.s.DirectlySigned(t.Context(), s.user(p), string(larchID)); err != nil || !signed {
			t.Errorf("%v %v", signed, err)
		}
		if e, err := s.s.Eligibility(t.Context(), s.user(p), string(larchID), nil); err != nil || len(e.Blockers) != 0 {
			t.Errorf("%v %v", e, err)
		}
	}
	// Who never dealt with the customer does not learn that it has signed.
	_, err := s.s.CustomerAgreements(t.Context(), s.user(cedarID), string(larchID))
	s.code(err, problem.NotFound)
	s.store.PutAccount(partner.Account{Tenant: oakID, Role: partner.DirectBill, Status: partner.Active, MPA: &partner.Agreement{}, AssociatedPartnerID: "1", Version: 1})
	e, err := s.s.Eligibility(t.Context(), s.user(oakID), string(larchID), nil)
	if err != nil || len(e.Blockers) != 2 || e.Blockers[1].Code != problem.CustomerAgreementRequired {
		t.Errorf("%v %v", e, err)
	}
}

// TestAgreedThisSecond: who agrees now does not agree in the future, whatever fraction of the second it is.
func TestAgreedThisSecond(t *testing.T) {
	s := open(t)
	s.relate(alderID, larchID)
	s.now = start.Add(400 * time.Millisecond)
	a, _, err := s.s.Attest(t.Context(), s.command(alderID), string(larchID), s.attestation(func(a *commerce.Attestation) { a.AgreedAt = new(start.Add(900 * time.Millisecond)) }))
	if err != nil || !a.AgreedAt.Equal(start) {
		t.Errorf("%v, %v", a.AgreedAt, err)
	}
}

func TestAttestRefused(t *testing.T) {
	s := open(t)
	s.relate(alderID, larchID)
	s.relate(alderID, oakID, func(r *relationship.Relationship) { r.Status = relationship.Removed })
	s.relate(cedarID, larchID)
	for _, each := range []struct {
		name     string
		p        partner.TenantID
		customer string
		edit     func(*commerce.Attestation)
		want     problem.Code
	}{
		{"reseller", cedarID, string(larchID), nil, problem.RoleNotPermitted},
		{"no customer", alderID, string(dogwoodID), nil, problem.NotFound},
		{"no tenant id", alderID, "larch", nil, problem.NotFound},
		{"relationship removed", alderID, string(oakID), nil, problem.RelationshipNotFound},
		{"type", alderID, string(larchID), func(a *commerce.Attestation) { a.Type = new("Other") }, problem.ValidationFailed},
		{"in the future", alderID, string(larchID), func(a *commerce.Attestation) { a.AgreedAt = new(start.Add(time.Second)) }, problem.AgreementDateInFuture},
		{"no date", alderID, string(larchID), func(a *commerce.Attestation) { a.AgreedAt = nil }, problem.ValidationFailed},
		{"no name", alderID, string(larchID), func(a *commerce.Attestation) { a.LastName = nil }, problem.NameInvalid},
		{"address", alderID, string(larchID), func(a *commerce.Attestation) { a.Email = new("lena") }, problem.EmailInvalid},
		{"telephone", alderID, string(larchID), func(a *commerce.Attestation) { a.Phone = new("call me") }, problem.ValidationFailed},
	} {
		t.Run(each.name, func(t *testing.T) {
			a := s.attestation()
			if each.edit != nil {
				each.edit(&a)
			}
			_, _, err := s.s.Attest(t.Context(), s.command(each.p), each.customer, a)
			s.code(err, each.want)
		})
	}
	c := s.command(alderID)
	c.User.Roles = []partner.Role{partner.GlobalAdmin}
	_, _, err := s.s.Attest(t.Context(), c, string(larchID), s.attestation())
	s.code(err, problem.RoleNotPermitted)
}

// TestRule10: an order makes its subscriptions, and counts them with the relationship (invariant 10, domain 0.6).
func TestRule10(t *testing.T) {
	s := open(t)
	s.relate(alderID, larchID)
	c := s.command(alderID)
	w := commerce.Wish{Lines: []commerce.WishedLine{{Offer: new("ofr-cloud-plan"), Quantity: new(1)}, {Offer: new("ofr-office-basic"), Quantity: new(300), Term: new("P1M")}}}
	_, _, err := s.s.Place(t.Context(), c, string(larchID), w)
	s.code(err, problem.CustomerAgreementRequired)
	s.attest(alderID, larchID)
	o, replayed, err := s.s.Place(t.Context(), c, string(larchID), w)
	if err != nil || replayed || o.Status != commerce.OrderCompleted || len(o.Lines) != 2 || o.Lines[0].Term != "P1M" || o.For != "" {
		t.Fatalf("%+v %v %v", o, replayed, err)
	}
	if r := s.relationship(alderID, larchID); r.Sold != (relationship.Sold{Active: 2, Azure: 1}) || commerce.AdministrationOf(r, false) != commerce.AzureOnly {
		t.Errorf("%+v", r)
	}
	page, err := s.s.ListSubscriptions(t.Context(), s.user(alderID), string(larchID), commerce.Page{Limit: 10})
	if err != nil || len(page.Subscriptions) != 2 {
		t.Fatalf("%v %v", page, err)
	}
	for _, sub := range page.Subscriptions {
		if sub.Status != commerce.SubscriptionActive || sub.Order != o.ID || sub.Seller != alderID || sub.Reseller != "" || len(sub.History) != 1 {
			t.Errorf("%+v", sub)
		}
	}
	// The same key answers the same order; another body is refused; after its day the key orders anew.
	s.now = s.now.Add(23 * time.Hour)
	again, replayed, err := s.s.Place(t.Context(), c, string(larchID), w)
	if err != nil || !replayed || again.ID != o.ID {
		t.Fatalf("%v %v %v", again.ID, replayed, err)
	}
	other := c
	other.Body = "another"
	_, _, err = s.s.Place(t.Context(), other, string(larchID), w)
	s.code(err, problem.IdempotencyKeyReused)
	s.now = s.now.Add(2 * time.Hour)
	later, replayed, err := s.s.Place(t.Context(), c, string(larchID), w)
	if err != nil || replayed || later.ID == o.ID {
		t.Fatalf("%v %v %v", later.ID, replayed, err)
	}
	s.now = s.now.Add(14 * time.Hour) // across midnight
	again, replayed, err = s.s.Place(t.Context(), c, string(larchID), w)
	if err != nil || !replayed || again.ID != later.ID {
		t.Fatalf("%v %v %v", again.ID, replayed, err)
	}
	list, err := s.s.ListOrders(t.Context(), s.user(alderID), string(larchID), commerce.Page{Limit: 10})
	if err != nil || len(list.Orders) != 2 || list.Orders[0].ID != later.ID {
		t.Fatalf("%v %v", list, err)
	}
	if _, err := s.s.Order(t.Context(), s.user(birchID), string(larchID), o.ID); !problem.Is(err, problem.NotFound) {
		t.Errorf("birch reads alder's order: %v", err)
	}
}

// TestOrderOnce: however often an order is placed at once with one key, there is one.
func TestOrderOnce(t *testing.T) {
	s := open(t)
	s.relate(alderID, larchID)
	s.attest(alderID, larchID)
	c := s.command(alderID)
	var all sync.WaitGroup
	ids := make([]string, 16)
	for n := range ids {
		all.Go(func() {
			o, _, err := s.s.Place(t.Context(), c, string(larchID), wish("ofr-office-full", 10))
			if err != nil {
				t.Error(err)
			}
			ids[n] = o.ID
		})
	}
	all.Wait()
	if slices.Sort(ids); len(slices.Compact(ids)) != 1 || s.relationship(alderID, larchID).Sold.Active != 1 {
		t.Errorf("%v, %+v", ids, s.relationship(alderID, larchID).Sold)
	}
}

func TestOrderRefused(t *testing.T) {
	s := open(t)
	s.relate(birchID, larchID)
	s.attest(birchID, larchID)
	s.relate(cedarID, larchID, func(r *relationship.Relationship) { r.AgreementSigned = true })
	s.relate(birchID, oakID, func(r *relationship.Relationship) { r.AgreementSigned, r.IdentityCheck = true, relationship.Unproven })
	good := wish("ofr-office-basic", 5)
	with := func(f func(*commerce.Wish)) commerce.Wish {
		w := good
		w.Lines = slices.Clone(w.Lines)
		f(&w)
		return w
	}
	many := commerce.Wish{Lines: make([]commerce.WishedLine, commerce.MaxLines+1)}
	for _, each := range []struct {
		name     string
		p        partner.TenantID
		customer string
		w        commerce.Wish
		want     problem.Code
	}{
		{"a reseller orders (R8)", cedarID, string(larchID), good, problem.ResellerCannotOrder},
		{"nobody's customer (X-d)", birchID, string(dogwoodID), good, problem.NoResellerRelationship},
		{"no tenant id", birchID, "larch", good, problem.NotFound},
		{"the wrong company may have answered (0.25)", birchID, string(oakID), good, problem.CustomerIdentityUnconfirmed},
		{"no lines", birchID, string(larchID), commerce.Wish{}, problem.ValidationFailed},
		{"too many lines", birchID, string(larchID), many, problem.ValidationFailed},
		{"unknown offer", birchID, string(larchID), wish("ofr-moon", 1), problem.ValidationFailed},
		{"too few", birchID, string(larchID), wish("ofr-support-plan", 4), problem.ValidationFailed},
		{"too many", birchID, string(larchID), wish("ofr-office-basic", 301), problem.ValidationFailed},
		{"none", birchID, string(larchID), with(func(w *commerce.Wish) { w.Lines[0].Quantity = nil }), problem.ValidationFailed},
		{"another term", birchID, string(larchID), with(func(w *commerce.Wish) { w.Lines[0].Term = new("P3Y") }), problem.ValidationFailed},
		{"for no tenant", birchID, string(larchID), with(func(w *commerce.Wish) { w.OnBehalfOfReseller = new("cedar") }), problem.ValidationFailed},
		{"for a stranger (P5)", birchID, string(larchID), with(func(w *commerce.Wish) { w.OnBehalfOfReseller = new(string(dogwoodID)) }), problem.PartnershipRequired},
		{"a stranger on record (0.19)", birchID, string(larchID), with(func(w *commerce.Wish) { w.PartnerIDOnRecord = new("4100004") }), problem.PartnershipRequired},
		{"an unknown PartnerID", birchID, string(larchID), with(func(w *commerce.Wish) { w.PartnerIDOnRecord = new("777") }), problem.PartnerIDNotFound},
		{"another's PartnerID", birchID, string(larchID), with(func(w *commerce.Wish) {
			w.OnBehalfOfReseller, w.PartnerIDOnRecord = new(string(cedarID)), new("4100004")
		}), problem.PartnerIDNotOnboardingLocation},
		{"the headquarters", birchID, string(larchID), with(func(w *commerce.Wish) { w.PartnerIDOnRecord = new("41000039") }), problem.PartnerIDWrongType},
		{"an unknown PartnerID, without a relationship", birchID, string(dogwoodID), with(func(w *commerce.Wish) { w.PartnerIDOnRecord = new("777") }), problem.NoResellerRelationship},
	} {
		t.Run(each.name, func(t *testing.T) {
			before := s.relationship(birchID, larchID)
			_, _, err := s.s.Place(t.Context(), s.command(each.p), each.customer, each.w)
			s.code(err, each.want)
			if after := s.relationship(birchID, larchID); after.Version != before.Version {
				t.Errorf("the relationship changed: %+v", after)
			}
		})
	}
	// Everything that stands in the way is said at once.
	_, _, err := s.s.Place(t.Context(), s.command(birchID), string(dogwoodID), with(func(w *commerce.Wish) { w.OnBehalfOfReseller = new(string(dogwoodID)) }))
	p, _ := errors.AsType[*problem.Error](err)
	if p == nil || len(p.Findings) != 3 || p.Findings[2].Code != problem.PartnershipRequired {
		t.Errorf("%+v", p)
	}
}

// TestRuleB6: a provider orders for its reseller, whose PartnerID goes on record and which finds the subscription (rules B4, N9, 0.18).
func TestRuleB6(t *testing.T) {
	s := open(t)
	s.relate(birchID, larchID)
	s.attest(birchID, larchID)
	w := wish("ofr-office-basic", 5)
	w.OnBehalfOfReseller = new(string(cedarID))
	s.relate(cedarID, larchID)
	sub := s.buy(birchID, larchID, w)
	if sub.PartnerIDOfRecord != "4100003" || sub.Reseller != cedarID || len(sub.History) != 2 {
		t.Errorf("%+v", sub)
	}
	found, err := s.s.Subscription(t.Context(), s.user(cedarID), string(larchID), sub.ID)
	if err != nil || found.ID != sub.ID {
		t.Errorf("%v %v", found, err)
	}
	_, err = s.s.Subscription(t.Context(), s.user(dogwoodID), string(larchID), sub.ID)
	s.code(err, problem.NotFound)
	// The reseller's eligibility answers for its provider and the customer, where it has anything to do with the customer itself.
	e, err := s.s.Eligibility(t.Context(), s.user(dogwoodID), string(larchID), nil)
	if err != nil || len(e.Blockers) != 2 || e.Blockers[0].Code != problem.NoResellerRelationship || e.Seller != "" {
		t.Errorf("%v %v", e, err)
	}
	s.relate(dogwoodID, larchID)
	e, err = s.s.Eligibility(t.Context(), s.user(cedarID), string(larchID), nil)
	if err != nil || len(e.Blockers) != 0 || e.Seller != birchID {
		t.Errorf("%v %v", e, err)
	}
	e, err = s.s.Eligibility(t.Context(), s.user(dogwoodID), string(larchID), nil)
	if err != nil || len(e.Blockers) != 2 || e.Blockers[0].Code != problem.CustomerAgreementRequired || e.Blockers[1].Code != problem.PartnershipRequired {
		t.Errorf("%v %v", e, err)
	}
	w = wish("ofr-office-basic", 5)
	w.PartnerIDOnRecord = new("4100003")
	if sub := s.buy(birchID, larchID, w); sub.Reseller != cedarID {
		t.Errorf("%+v", sub)
	}
	o, err := s.s.ListOrders(t.Context(), s.user(birchID), string(larchID), commerce.Page{Limit: 5})
	if err != nil || len(o.Orders) != 2 {
		t.Fatalf("%v %v", o, err)
	}
	for _, each := range o.Orders {
		if each.PartnerIDOnRecord != "4100003" {
			t.Errorf("%+v", each)
		}
	}
}

func (s *shop) amend(p partner.TenantID, sub commerce.Subscription, a commerce.Amendment) (commerce.Subscription, error) {
	s.t.Helper()
	after, _, err := s.s.Amend(s.t.Context(), s.command(p), string(sub.Customer), sub.ID, a)
	return after.Subscription, err
}

func (s *shop) must(p partner.TenantID, sub commerce.Subscription, a commerce.Amendment) commerce.Subscription {
	s.t.Helper()
	after, err := s.amend(p, sub, a)
	if err != nil {
		s.t.Fatal(err)
	}
	return after
}

// TestRule11: whose PartnerID is on record for an existing subscription (rules B1 to B3); no partnership is asked for (0.19).
func TestRule11(t *testing.T) {
	s := open(t)
	s.relate(birchID, larchID)
	s.attest(birchID, larchID)
	sub := s.buy(birchID, larchID, wish("ofr-office-basic", 5))
	sub = s.must(birchID, sub, commerce.Amendment{PartnerIDOfRecord: new("4100004")})
	if sub.Reseller != dogwoodID || sub.Version != 2 {
		t.Errorf("%+v", sub)
	}
	if same := s.must(birchID, sub, commerce.Amendment{PartnerIDOfRecord: new("4100004")}); same.Version != 2 || len(same.History) != 2 {
		t.Errorf("%+v", same)
	}
	if _, err := s.s.Subscription(t.Context(), s.user(dogwoodID), string(larchID), sub.ID); err != nil {
		t.Error(err)
	}
	for id, want := range map[string]problem.Code{
		"777": problem.PartnerIDNotFound, "41000049": problem.PartnerIDWrongType, "4100002": problem.PartnerIDNotIndirectReseller, "4100001": problem.PartnerIDNotIndirectReseller,
	} {
		_, err := s.amend(birchID, sub, commerce.Amendment{PartnerIDOfRecord: &id})
		s.code(err, want)
	}
	_, err := s.amend(dogwoodID, sub, commerce.Amendment{PartnerIDOfRecord: new("4100003")})
	s.code(err, problem.RoleNotPermitted)
	sub = s.must(birchID, sub, commerce.Amendment{PartnerIDOfRecord: new("")})
	if sub.PartnerIDOfRecord != "" || sub.Reseller != "" {
		t.Errorf("%+v", sub)
	}
	_, err = s.s.Subscription(t.Context(), s.user(dogwoodID), string(larchID), sub.ID)
	s.code(err, problem.NotFound)
}

// TestRule12: who supports the customer (rule B5).
func TestRule12(t *testing.T) {
	s := open(t)
	s.relate(birchID, larchID)
	s.attest(birchID, larchID)
	s.relate(dogwoodID, larchID)
	sub := s.buy(birchID, larchID, wish("ofr-office-basic", 5))
	choose := func(who string) (commerce.Subscription, error) {
		return s.amend(birchID, sub, commerce.Amendment{SupportContact: &who})
	}
	for name, who := range map[string]string{"no relationship": string(cedarID), "no partnership": string(dogwoodID), "nobody": "cedar", "unknown": string(oakID)} {
		_, err := choose(who)
		if !problem.Is(err, problem.SupportContactNotEligible) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s.relate(cedarID, larchID)
	sub, err := choose(string(cedarID))
	if err != nil || sub.SupportContact != cedarID {
		t.Fatalf("%+v %v", sub, err)
	}
	// A support contact that ends its relationship hands back to the seller (0.6).
	s.relate(cedarID, larchID, func(r *relationship.Relationship) { r.Status = relationship.Removed })
	supporter := func(want partner.TenantID) {
		t.Helper()
		seen, err := s.s.Subscription(t.Context(), s.user(birchID), string(larchID), sub.ID)
		if err != nil || seen.SupportContact != want {
			t.Errorf("%+v %v", seen, err)
		}
	}
	supporter("")
	// It does not come back by itself when a new relationship begins; it is chosen again (0.44).
	s.now = s.now.Add(time.Hour)
	s.relate(cedarID, larchID, func(r *relationship.Relationship) { r.EstablishedAt = s.now })
	supporter("")
	if sub, err = choose(string(cedarID)); err != nil || sub.SupportContact != cedarID || sub.Version != 3 {
		t.Errorf("%+v %v", sub, err)
	}
	supporter(cedarID)
	if sub, err = choose(string(birchID)); err != nil || sub.SupportContact != "" || sub.Version != 4 {
		t.Errorf("%+v %v", sub, err)
	}
}

// TestRule20: managing needs administration, except of what the partner sold itself or is on record for (0.31, 0.32); buying more needs what
// buying needs (D5).
func TestRule20(t *testing.T) {
	s := open(t)
	s.relate(birchID, larchID)
	s.relate(cedarID, larchID)
	s.attest(birchID, larchID)
	w := wish("ofr-office-basic", 5)
	w.OnBehalfOfReseller = new(string(cedarID))
	sub := s.buy(birchID, larchID, w)
	suspend, fewer := commerce.Amendment{Status: new(commerce.SubscriptionSuspended)}, commerce.Amendment{Quantity: new(2)}
	again, gone := commerce.Amendment{Status: new(commerce.SubscriptionActive)}, commerce.Amendment{Status: new(commerce.SubscriptionDeleted)}
	_, err := s.amend(birchID, sub, fewer)
	s.code(err, problem.DelegatedAdminMissing)
	_, err = s.amend(cedarID, sub, gone)
	s.code(err, problem.DelegatedAdminMissing)
	if sub = s.must(birchID, sub, commerce.Amendment{Quantity: new(20)}); sub.Quantity != 20 {
		t.Errorf("%+v", sub)
	}
	_, err = s.amend(cedarID, sub, commerce.Amendment{Quantity: new(30)})
	s.code(err, problem.ResellerCannotOrder)
	_, err = s.amend(birchID, sub, commerce.Amendment{Quantity: new(301)})
	s.code(err, problem.ValidationFailed)

	// On record without administration it suspends and lowers; to reactivate is to order.
	sub = s.must(cedarID, sub, commerce.Amendment{Quantity: new(19)})
	sub = s.must(cedarID, sub, suspend)
	if sub.Status != commerce.SubscriptionSuspended || s.relationship(birchID, larchID).Sold.Active != 0 {
		t.Errorf("%+v", sub)
	}
	_, err = s.amend(cedarID, sub, again)
	s.code(err, problem.ResellerCannotOrder)
	sub = s.must(birchID, sub, again)
	if s.relationship(birchID, larchID).Sold.Active != 1 {
		t.Errorf("%+v", s.relationship(birchID, larchID).Sold)
	}
	s.gdap[[2]partner.TenantID{birchID, larchID}] = true
	sub = s.must(birchID, sub, fewer)
	s.relate(cedarID, larchID, func(r *relationship.Relationship) { r.DelegatedAdmin = relationship.ActiveDAP })
	if sub = s.must(cedarID, sub, gone); sub.Status != commerce.SubscriptionDeleted {
		t.Errorf("%+v", sub)
	}

	azure := s.buy(birchID, larchID, wish("ofr-cloud-plan", 1))
	s.gdap = map[[2]partner.TenantID]bool{}
	azure = s.must(birchID, azure, suspend)
	if got := s.relationship(birchID, larchID).Sold; got != (relationship.Sold{}) {
		t.Errorf("%+v", got)
	}
	azure = s.must(birchID, azure, gone)
	_, err = s.amend(birchID, azure, again)
	s.code(err, problem.InvalidTransition)
	_, err = s.amend(birchID, azure, commerce.Amendment{PartnerIDOfRecord: new("4100003")})
	s.code(err, problem.InvalidTransition)
}

// TestReactivation: what is suspended becomes active only under an active relationship.
func TestReactivation(t *testing.T) {
	s := open(t)
	s.relate(alderID, larchID, func(r *relationship.Relationship) { r.DelegatedAdmin = relationship.ActiveDAP })
	s.attest(alderID, larchID)
	sub := s.must(alderID, s.buy(alderID, larchID, wish("ofr-office-basic", 5)), commerce.Amendment{Status: new(commerce.SubscriptionSuspended)})
	r := s.relationship(alderID, larchID)
	r.Status, r.Version = relationship.Removed, r.Version+1
	s.store.PutRelationship(r)
	s.gdap[[2]partner.TenantID{alderID, larchID}] = true
	_, err := s.amend(alderID, sub, commerce.Amendment{Status: new(commerce.SubscriptionActive)})
	s.code(err, problem.NoResellerRelationship)
	if sub = s.must(alderID, sub, commerce.Amendment{Status: new(commerce.SubscriptionDeleted)}); sub.Status != commerce.SubscriptionDeleted {
		t.Errorf("%+v", sub)
	}
}

func TestAmendConditions(t *testing.T) {
	s := open(t)
	s.relate(alderID, larchID)
	s.attest(alderID, larchID)
	sub := s.buy(alderID, larchID, wish("ofr-cloud-reserved", 5))
	more := commerce.Amendment{Quantity: new(6)}
	c := s.command(alderID)
	c.IfVersion = 0
	_, _, err := s.s.Amend(t.Context(), c, string(larchID), sub.ID, more)
	s.code(err, problem.PreconditionRequired)
	c.IfVersion = 2
	_, _, err = s.s.Amend(t.Context(), c, string(larchID), sub.ID, more)
	s.code(err, problem.PreconditionFailed)
	c.IfVersion = 1
	if _, replayed, err := s.s.Amend(t.Context(), c, string(larchID), sub.ID, more); err != nil || replayed {
		t.Fatal(err)
	}
	after, replayed, err := s.s.Amend(t.Context(), c, string(larchID), sub.ID, more)
	if err != nil || !replayed || after.Version != 2 {
		t.Fatalf("%+v %v %v", after, replayed, err)
	}
	c.Body = "another"
	_, _, err = s.s.Amend(t.Context(), c, string(larchID), sub.ID, more)
	s.code(err, problem.IdempotencyKeyReused)
	_, err = s.amend(alderID, sub, commerce.Amendment{})
	s.code(err, problem.ValidationFailed)
	_, err = s.amend(alderID, sub, commerce.Amendment{Status: new(commerce.SubscriptionStatus("paused"))})
	s.code(err, problem.ValidationFailed)
	_, err = s.amend(birchID, sub, more)
	s.code(err, problem.NotFound)
	for range 30 {
		sub = s.must(alderID, sub, commerce.Amendment{Quantity: new(7)})
		sub = s.must(alderID, sub, commerce.Amendment{Quantity: new(6)})
	}
	if len(sub.History) != 20 || sub.History[0].Action != commerce.WasCreated {
		t.Errorf("%d entries, the first %q", len(sub.History), sub.History[0].Action)
	}
}

// TestRuleB3: every reason is told apart before a PartnerID is submitted.
func TestRuleB3(t *testing.T) {
	s := open(t)
	v, err := s.s.Validate(t.Context(), s.user(birchID), "4100003")
	if err != nil || len(v.Reasons) != 0 || v.Holder.Tenant != cedarID {
		t.Errorf("%+v %v", v, err)
	}
	v, err = s.s.Validate(t.Context(), s.user(birchID), "41000019")
	if err != nil || len(v.Reasons) != 2 || v.PartnerID.Type != partner.Headquarters {
		t.Errorf("%+v %v", v, err)
	}
	_, err = s.s.Validate(t.Context(), s.user(birchID), "777")
	s.code(err, problem.PartnerIDNotFound)
	_, err = s.s.Validate(t.Context(), s.user(birchID, partner.Operator), "4100003")
	s.code(err, problem.RoleNotPermitted)
}

// TestMPASigned: of the own company and of one's partners, and of nobody else.
func TestMPASigned(t *testing.T) {
	s := open(t)
	for _, each := range []struct {
		p      partner.TenantID
		tenant partner.TenantID
		id     string
		known  bool
	}{
		{birchID, birchID, "", true}, {birchID, cedarID, "", true}, {cedarID, birchID, "", true}, {birchID, "", "4100003", true}, {cedarID, "", "4100002", true},
		{birchID, dogwoodID, "", false}, {birchID, "", "4100004", false}, {birchID, "", "777", false}, {alderID, birchID, "", false},
	} {
		tenant, id := &each.tenant, &each.id
		if each.id != "" {
			tenant = nil
		} else {
			id = nil
		}
		signed, err := s.s.MPASigned(t.Context(), s.user(each.p), tenant, id)
		if each.known && (err != nil || !signed) || !each.known && !problem.Is(err, problem.NotFound) {
			t.Errorf("%+v: %v %v", each, signed, err)
		}
	}
}

// TestLostAnswers: an order whose answer was lost is found by the key that placed it, and not placed again.
func TestLostAnswers(t *testing.T) {
	lost := errors.New("lost")
	for name, stored := range map[string]bool{"not stored": false, "stored": true} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			s.relate(alderID, larchID)
			s.attest(alderID, larchID)
			s.store.Inject(func(op storetest.Operation) storetest.Fault {
				if op == storetest.PlaceOrder {
					return storetest.Fault{Err: lost, Stored: stored}
				}
				return storetest.Fault{}
			})
			c := s.command(alderID)
			if _, _, err := s.s.Place(t.Context(), c, string(larchID), wish("ofr-office-basic", 5)); !errors.Is(err, lost) {
				t.Fatal(err)
			}
			s.store.Inject(nil)
			_, replayed, err := s.s.Place(t.Context(), c, string(larchID), wish("ofr-office-basic", 5))
			if err != nil || replayed != stored || s.relationship(alderID, larchID).Sold.Active != 1 {
				t.Errorf("replayed %v, %v", replayed, err)
			}
		})
	}
}

// TestTiers: whether two work together is what the store of partnerships says.
func TestTiers(t *testing.T) {
	s := open(t)
	pair := partnership.Pair{Provider: birchID, Reseller: dogwoodID}
	p, _ := partnership.Establish(nil, partnership.Authorisation{Pair: pair, At: start, By: "who"})
	if err := s.store.WritePartnership(t.Context(), partnership.Change{After: p}); err != nil {
		t.Fatal(err)
	}
	tiers := commerce.Tiers{Store: s.store}
	works := func(want bool) {
		t.Helper()
		got, err := tiers.Partnered(t.Context(), birchID, dogwoodID)
		providers, fault := tiers.Providers(t.Context(), dogwoodID)
		if err != nil || fault != nil || got != want || !slices.Equal(providers, []commerce.Tie{{Provider: birchID, Active: want}}) {
			t.Errorf("%v, %v, %v, %v", got, err, providers, fault)
		}
	}
	works(true)
	for _, other := range [][2]partner.TenantID{{dogwoodID, birchID}, {birchID, cedarID}, {alderID, dogwoodID}} {
		if got, err := tiers.Partnered(t.Context(), other[0], other[1]); err != nil || got {
			t.Errorf("%v: %v, %v", other, got, err)
		}
	}
	if providers, err := tiers.Providers(t.Context(), birchID); err != nil || len(providers) != 0 {
		t.Errorf("a provider has %v, %v", providers, err)
	}
	ended, _ := p.Remove(partnership.Entry{At: start, Side: partnership.ProviderSide}, relationship.AttestedText{Version: "1"})
	if err := s.store.WritePartnership(t.Context(), partnership.Change{Before: &p, After: ended}); err != nil {
		t.Fatal(err)
	}
	works(false)
}

// TestRetention: after its years as evidence an agreement names nobody, and still says that it was signed (domain, 0.23).
func TestRetention(t *testing.T) {
	s := open(t)
	s.relate(alderID, larchID)
	s.s.Evidence = 3 * 365 * 24 * time.Hour
	s.attest(alderID, larchID)
	run := func(after time.Duration) (n int) {
		t.Helper()
		round := due.Round{
			Index: s.store, Duties: map[due.Kind]due.Duty{commerce.DueKind: commerce.Cleanup{Store: s.store}}, Now: func() time.Time { return start.Add(after) },
		}
		tally, err := round.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return tally.Done[commerce.CountForgotten]
	}
	if n := run(s.s.Evidence - time.Second); n != 0 {
		t.Errorf("%d too early", n)
	}
	if n := run(s.s.Evidence); n != 1 {
		t.Errorf("%d in time", n)
	}
	if n := run(2 * s.s.Evidence); n != 0 {
		t.Errorf("%d again", n)
	}
	all, err := s.s.CustomerAgreements(t.Context(), s.user(alderID), string(larchID))
	if err != nil || len(all) != 1 || all[0].Contact != (commerce.Person{}) || all[0].By != "" || all[0].AgreedAt.IsZero() {
		t.Errorf("%+v %v", all, err)
	}
	if e, err := s.s.Eligibility(t.Context(), s.user(alderID), string(larchID), nil); err != nil || len(e.Blockers) != 0 {
		t.Errorf("%v %v", e, err)
	}
}
