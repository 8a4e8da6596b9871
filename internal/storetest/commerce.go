package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"concord/internal/command"
	"concord/internal/commerce"
	"concord/internal/customer"
	"concord/internal/due"
	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/relationship"
)

// Trade is what package commerce keeps, and whose a PartnerID is.
type Trade interface {
	partner.Holders
	commerce.AgreementStore
	commerce.OrderStore
	commerce.SubscriptionStore
}

// The operations of buying.
const (
	Holder            Operation = "Holder"
	Agreements        Operation = "Agreements"
	SignedDirectly    Operation = "SignedDirectly"
	AddAgreement      Operation = "AddAgreement"
	ForgetSigner      Operation = "ForgetSigner"
	PlaceOrder        Operation = "PlaceOrder"
	Order             Operation = "Order"
	ListOrders        Operation = "ListOrders"
	Subscription      Operation = "Subscription"
	ListSubscriptions Operation = "ListSubscriptions"
	SubscriptionsOf   Operation = "SubscriptionsOf"
	WriteSubscription Operation = "WriteSubscription"
	Supported         Operation = "Supported"
	EndRelationship   Operation = "End"
)

// trade names an order of a seller for a customer.
type trade struct {
	seller, customer partner.TenantID
	id               string
}

// holds gives nil when no other account has a PartnerID of this one.
func (m *Memory) holds(a partner.Account) error {
	for _, p := range a.PartnerIDs {
		if tenant, ok := m.holder(p.ID); ok && tenant != a.Tenant {
			return problem.New(problem.PartnerIDInUse, "Another account already has this PartnerID.")
		}
	}
	return nil
}

func (m *Memory) holder(partnerID string) (partner.TenantID, bool) {
	for tenant, a := range m.accounts {
		if slices.ContainsFunc(a.PartnerIDs, func(p partner.PartnerID) bool { return p.ID == partnerID }) {
			return tenant, true
		}
	}
	return "", false
}

// Holder is that of [partner.Holders].
func (m *Memory) Holder(ctx context.Context, partnerID string) (tenant partner.TenantID, err error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	err = m.do(Holder, func() error {
		var ok bool
		if tenant, ok = m.holder(partnerID); !ok {
			return problem.New(problem.NotFound, "There is no such PartnerID.")
		}
		return nil
	})
	return tenant, err
}

// Agreements is that of [commerce.AgreementStore].
func (m *Memory) Agreements(ctx context.Context, customer, attestedBy partner.TenantID) (all []commerce.Agreement, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	err = m.do(Agreements, func() error {
		for _, source := range []commerce.Source{commerce.DirectSigned, commerce.PartnerAttested} {
			for _, a := range m.agreements[customer] {
				if a.Source == source && (source == commerce.DirectSigned || a.Partner == attestedBy) {
					all = append(all, a)
				}
			}
		}
		return nil
	})
	return all, err
}

// SignedDirectly is that of [commerce.Signatures].
func (m *Memory) SignedDirectly(ctx context.Context, customers []partner.TenantID) (signed map[partner.TenantID]bool, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	err = m.do(SignedDirectly, func() error {
		signed = map[partner.TenantID]bool{}
		for _, customer := range customers {
			if slices.ContainsFunc(m.agreements[customer], func(a commerce.Agreement) bool { return a.Source == commerce.DirectSigned }) {
				signed[customer] = true
			}
		}
		return nil
	})
	return signed, err
}

// AddAgreement is that of [commerce.AgreementStore].
func (m *Memory) AddAgreement(ctx context.Context, a commerce.Agreement, r *relationship.Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return m.do(AddAgreement, func() error {
		if !m.numbered(a) || r != nil && !m.unchanged(*r) {
			return command.ErrConflict
		}
		m.agree(a)
		if r != nil {
			set(&m.relationships, pair{r.After.Partner, r.After.Customer.Tenant}, copyRelationship(r.After))
		}
		return nil
	})
}

// agreementRef is what the due index lists an agreement by.
func agreementRef(a commerce.Agreement) string {
	by := "-"
	if a.Source == commerce.PartnerAttested {
		by = string(a.Partner)
	}
	return fmt.Sprintf("%s#%04d", by, a.Number)
}

// ForgetSigner is that of [commerce.AgreementStore].
func (m *Memory) ForgetSigner(ctx context.Context, customer partner.TenantID, ref string, now time.Time) (forgotten bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	err = m.do(ForgetSigner, func() error {
		for n, a := range m.agreements[customer] {
			if agreementRef(a) == ref && !a.EraseAt.IsZero() && !a.EraseAt.After(now) {
				a.Contact, a.By, a.EraseAt = commerce.Person{}, "", time.Time{}
				m.agreements[customer][n], forgotten = a, true
			}
		}
		return nil
	})
	return forgotten && err == nil, err
}

// numbered reports whether the number of an agreement is free.
func (m *Memory) numbered(a commerce.Agreement) bool {
	return !slices.ContainsFunc(m.agreements[a.Customer], func(b commerce.Agreement) bool {
		return a.Source == b.Source && a.Number == b.Number && (a.Source == commerce.DirectSigned || a.Partner == b.Partner)
	})
}

func (m *Memory) agree(a commerce.Agreement) {
	a.At, a.AgreedAt, a.EraseAt = second(a.At), second(a.AgreedAt), second(a.EraseAt)
	set(&m.agreements, a.Customer, append(slices.Clone(m.agreements[a.Customer]), a))
}

// unchanged reports whether a relationship is as it was before a change. It panics on a change that is none.
func (m *Memory) unchanged(c relationship.Change) bool {
	if c.Before == nil || c.After.Version != c.Before.Version+1 {
		panic(fmt.Sprintf("storetest: version %d of a relationship over %v", c.After.Version, c.Before))
	}
	return m.relationships[pair{c.After.Partner, c.After.Customer.Tenant}].Version == c.Before.Version
}

// PlaceOrder is that of [commerce.OrderStore].
func (m *Memory) PlaceOrder(ctx context.Context, o commerce.Order, subscriptions []commerce.Subscription, r relationship.Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return m.do(PlaceOrder, func() error {
		_, taken := m.orders[trade{o.Seller, o.Customer, o.ID}]
		if taken || !m.unchanged(r) {
			return command.ErrConflict
		}
		o.PlacedAt, o.Lines = second(o.PlacedAt), slices.Clone(o.Lines)
		set(&m.orders, trade{o.Seller, o.Customer, o.ID}, o)
		for _, sub := range subscriptions {
			set(&m.subscriptions, sub.ID, copySubscription(sub))
		}
		set(&m.relationships, pair{r.After.Partner, r.After.Customer.Tenant}, copyRelationship(r.After))
		return nil
	})
}

func copySubscription(s commerce.Subscription) commerce.Subscription {
	s.CreatedAt, s.UpdatedAt, s.SupportedSince = second(s.CreatedAt), second(s.UpdatedAt), second(s.SupportedSince)
	s.History = slices.Clone(s.History)
	for n := range s.History {
		s.History[n].At = second(s.History[n].At)
	}
	return s
}

// Order is that of [commerce.OrderStore].
func (m *Memory) Order(ctx context.Context, p, customer partner.TenantID, id string) (o commerce.Order, err error) {
	if err := ctx.Err(); err != nil {
		return o, err
	}
	err = m.do(Order, func() error {
		for k, each := range m.orders {
			if k.id == id && k.customer == customer && (each.Seller == p || each.For == p) {
				o = each
				o.Lines = slices.Clone(o.Lines)
				return nil
			}
		}
		return problem.New(problem.NotFound, "There is no such order.")
	})
	return o, err
}

func tradePlace(at time.Time, id string) string { return at.UTC().Format(time.RFC3339) + "#" + id }

// newest gives the keys of a page out of places of orders or subscriptions.
func newest[T any](all map[string]T, p commerce.Page) (kept []string, next string, err error) {
	if at, _, ok := strings.Cut(p.After, "#"); p.After != "" && (!ok || !isTime(at)) {
		return nil, "", malformed()
	}
	places := slices.Sorted(maps.Keys(all))
	slices.Reverse(places)
	kept, next = walk(places, p.Limit, func(k string) bool { return p.After == "" || k < p.After }, func(string) bool { return true })
	return kept, next, nil
}

// ListOrders is that of [commerce.OrderStore].
func (m *Memory) ListOrders(ctx context.Context, of, customer partner.TenantID, p commerce.Page) (page commerce.OrderPage, err error) {
	if err := ctx.Err(); err != nil {
		return page, err
	}
	err = m.do(ListOrders, func() error {
		all := map[string]commerce.Order{}
		for k, o := range m.orders {
			if (o.Seller == of || o.For == of) && k.customer == customer {
				all[tradePlace(o.PlacedAt, o.ID)] = o
			}
		}
		kept, next, err := newest(all, p)
		for _, k := range kept {
			page.Orders = append(page.Orders, all[k])
		}
		page.Next = next
		return err
	})
	return page, err
}

// Subscription is that of [commerce.SubscriptionStore].
func (m *Memory) Subscription(ctx context.Context, v commerce.View, id string) (s commerce.Subscription, err error) {
	if err := ctx.Err(); err != nil {
		return s, err
	}
	err = m.do(Subscription, func() error {
		stored, found := m.subscriptions[id]
		if !found || !v.Has(stored) {
			return problem.New(problem.NotFound, "There is no such subscription.")
		}
		s = copySubscription(stored)
		return nil
	})
	return s, err
}

// ListSubscriptions is that of [commerce.SubscriptionStore].
func (m *Memory) ListSubscriptions(ctx context.Context, v commerce.View, q commerce.Page) (page commerce.SubscriptionPage, err error) {
	if err := ctx.Err(); err != nil {
		return page, err
	}
	err = m.do(ListSubscriptions, func() error {
		all := map[string]commerce.Subscription{}
		for _, s := range m.subscriptions {
			if v.Has(s) {
				all[tradePlace(s.CreatedAt, s.ID)] = s
			}
		}
		kept, next, err := newest(all, q)
		for _, k := range kept {
			page.Subscriptions = append(page.Subscriptions, copySubscription(all[k]))
		}
		page.Next = next
		return err
	})
	return page, err
}

// SubscriptionsOf is that of [commerce.SubscriptionStore].
func (m *Memory) SubscriptionsOf(
	ctx context.Context, p partner.TenantID, q commerce.SubscriptionQuery,
) (page commerce.SubscriptionPage, err error) {
	if err := ctx.Err(); err != nil {
		return page, err
	}
	err = m.do(SubscriptionsOf, func() error {
		all := map[string]commerce.Subscription{}
		for _, s := range m.subscriptions {
			if q.Fits(p, s) {
				all[string(s.Customer)+"#"+tradePlace(s.CreatedAt, s.ID)] = s
			}
		}
		tenant, rest, _ := strings.Cut(q.After, "#")
		at, _, placed := strings.Cut(rest, "#")
		of, known := partner.ParseTenantID(tenant)
		if q.After != "" && (!placed || !known || !isTime(at) || q.Customer != "" && of != q.Customer) {
			return malformed()
		}
		places := slices.Sorted(maps.Keys(all))
		slices.Reverse(places)
		behind := func(place string) bool { return q.After == "" || place < q.After }
		kept, next := walk(places, q.Limit, behind, func(string) bool { return true })
		for _, k := range kept {
			page.Subscriptions = append(page.Subscriptions, copySubscription(all[k]))
		}
		page.Next = next
		return nil
	})
	return page, err
}

// WriteSubscription is that of [commerce.SubscriptionStore].
func (m *Memory) WriteSubscription(ctx context.Context, c commerce.SubscriptionChange, r *relationship.Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.Before == nil || c.After.Version != c.Before.Version+1 || c.After.ID != c.Before.ID {
		panic(fmt.Sprintf("storetest: version %d of subscription %s over %v", c.After.Version, c.After.ID, c.Before))
	}
	return m.do(WriteSubscription, func() error {
		if m.subscriptions[c.After.ID].Version != c.Before.Version || r != nil && !m.unchanged(*r) {
			return command.ErrConflict
		}
		set(&m.subscriptions, c.After.ID, copySubscription(c.After))
		if r != nil {
			set(&m.relationships, pair{r.After.Partner, r.After.Customer.Tenant}, copyRelationship(r.After))
		}
		return nil
	})
}

// Supported is that of [customer.Support].
func (m *Memory) Supported(ctx context.Context, p, of partner.TenantID) (all []commerce.Subscription, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	err = m.do(Supported, func() error {
		for _, id := range slices.Sorted(maps.Keys(m.subscriptions)) {
			if sub := m.subscriptions[id]; sub.Customer == of && sub.SupportContact == p {
				all = append(all, copySubscription(sub))
			}
		}
		return nil
	})
	return all, err
}

// End is that of [customer.Support].
func (m *Memory) End(ctx context.Context, e customer.Ending) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return m.do(EndRelationship, func() error {
		relationships := []relationship.Change{e.Relationship}
		if err := m.committable(e.Invitations, relationships); err != nil {
			return err
		}
		for _, c := range e.Subscriptions {
			if c.After.Version != c.Before.Version+1 {
				panic(fmt.Sprintf("storetest: version %d of subscription %s over %d", c.After.Version, c.After.ID, c.Before.Version))
			}
			if m.subscriptions[c.After.ID].Version != c.Before.Version {
				return invitation.ErrConflict
			}
		}
		m.commit(e.Invitations, relationships)
		for _, c := range e.Subscriptions {
			m.subscriptions[c.After.ID] = copySubscription(c.After)
		}
		return nil
	})
}

func (s *suite) partnerIDs() {
	a, b := registered(), registered()
	a.AssociatedPartnerID, b.AssociatedPartnerID = "", ""
	first, second, third := "A"+id()[4:15], "B"+id()[4:15], "C"+id()[4:15]
	location := func(ids ...string) (list []partner.PartnerID) {
		for _, each := range ids {
			list = append(list, partner.PartnerID{ID: each, Type: partner.Location, Country: "US"})
		}
		return list
	}
	a.PartnerIDs, b.PartnerIDs = location(first, second), location(second)
	holder := func(partnerID string, want partner.TenantID) {
		s.Helper()
		got, err := s.Trade.Holder(s.Context(), partnerID)
		if want == "" {
			s.code(err, problem.NotFound)
			return
		}
		if err != nil || got != want {
			s.Fatalf("%s is of %s (%v), want %s", partnerID, got, err, want)
		}
	}
	holder(first, "")
	if err := s.Accounts.CreateAccount(s.Context(), a); err != nil {
		s.Fatal(err)
	}
	holder(second, a.Tenant)
	s.code(s.Accounts.CreateAccount(s.Context(), b), problem.PartnerIDInUse)
	s.code(s.Accounts.CreateAccount(s.Context(), a), problem.PartnerExists)
	if _, err := s.Accounts.Account(s.Context(), b.Tenant, true); !problem.Is(err, problem.NotFound) {
		s.Fatalf("an account with another's PartnerID is there: %v", err)
	}
	b.PartnerIDs = nil
	if err := s.Accounts.CreateAccount(s.Context(), b); err != nil {
		s.Fatal(err)
	}
	taking := b
	taking.PartnerIDs, taking.Version = location(third, first), 2
	s.code(s.Accounts.WriteAccount(s.Context(), b, taking), problem.PartnerIDInUse)
	holder(third, "")

	given := a
	given.PartnerIDs, given.Version = location(second), 2
	if err := s.Accounts.WriteAccount(s.Context(), a, given); err != nil {
		s.Fatal(err)
	}
	holder(first, "")
	if err := s.Accounts.WriteAccount(s.Context(), b, taking); err != nil {
		s.Fatal(err)
	}
	holder(first, b.Tenant)
	holder(third, b.Tenant)
	s.refused(s.Accounts.WriteAccount(s.Context(), b, taking), command.ErrConflict)
	holder("", "")
	holder(strings.Repeat("9", 2000), "")
}

func attested(p, customer partner.TenantID, n int) commerce.Agreement {
	return commerce.Agreement{
		ID: "agr_" + id()[4:], Customer: customer, Source: commerce.PartnerAttested, Partner: p, Number: n,
		Text:    relationship.AttestedText{Version: "2026-01", Language: "en", Hash: strings.Repeat("0f", 32)},
		Contact: commerce.Person{FirstName: "Lena", LastName: "Larch", Email: "lena@larch.example", Phone: "+1 555 0100"}, AgreedAt: second(noon).AddDate(0, 0, -9),
		At: second(noon), By: "50000000-0000-4000-8000-000000000001", CorrelationID: "6f1c9d3e-1111-4000-8000-000000000001", Key: "0102030405ff", Body: "0a0b0c0d0e0f",
		EraseAt: second(noon).AddDate(7, 0, 0),
	}
}

// agreementForgets: what names somebody goes when its time has come, once, and nothing else (domain, 0.23).
func (s *suite) agreementForgets() {
	p, customer := tenant(), tenant()
	a := attested(p, customer, 1)
	if err := s.Trade.AddAgreement(s.Context(), a, nil); err != nil {
		s.Fatal(err)
	}
	ref := agreementRef(a)
	forgets := func(ref string, now time.Time, want bool) {
		s.Helper()
		if got, err := s.Trade.ForgetSigner(s.Context(), customer, ref, now); err != nil || got != want {
			s.Fatalf("forgotten %v (%v), want %v", got, err, want)
		}
	}
	s.eventually("it is due", func() (any, bool) {
		items := s.dueOf(customer, a.EraseAt)
		return items, slices.Contains(items, due.Item{Kind: commerce.DueKind, Partner: customer, ID: ref, At: a.EraseAt})
	})
	forgets(ref, a.EraseAt.Add(-time.Second), false)
	forgets(agreementRef(attested(p, customer, 2)), a.EraseAt, false)
	forgets(ref, a.EraseAt, true)
	forgets(ref, a.EraseAt, false)
	a.Contact, a.By, a.EraseAt = commerce.Person{}, "", time.Time{}
	all, err := s.Trade.Agreements(s.Context(), customer, p)
	if err != nil {
		s.Fatal(err)
	}
	s.same([]commerce.Agreement{a}, all)
	s.eventually("it is no longer due", func() (any, bool) {
		items := s.dueOf(customer, noon.AddDate(50, 0, 0))
		return items, len(items) == 0
	})
}

func (s *suite) agreements() {
	p, other, customer := tenant(), tenant(), tenant()
	r := s.agree(p, func(r *relationship.Relationship) { r.Customer.Tenant = customer })
	add := func(a commerce.Agreement, c *relationship.Change) {
		s.Helper()
		if err := s.Trade.AddAgreement(s.Context(), a, c); err != nil {
			s.Fatal(err)
		}
	}
	has := func(by partner.TenantID, want ...commerce.Agreement) {
		s.Helper()
		got, err := s.Trade.Agreements(s.Context(), customer, by)
		if err != nil {
			s.Fatal(err)
		}
		s.same(want, got)
	}
	has(p)
	first, second, foreign := attested(p, customer, 1), attested(p, customer, 2), attested(other, customer, 1)
	second.Contact.Phone, second.Text = "", relationship.AttestedText{}
	signed := attested(other, customer, 1)
	signed.Source, signed.Invitation, signed.Key = commerce.DirectSigned, id(), ""

	change := relationship.Change{Before: &r, After: r}
	change.After.AgreementSigned, change.After.Version = true, r.Version+1
	add(first, &change)
	if now, err := s.Relationships.Relationship(s.Context(), p, customer); err != nil || !now.AgreementSigned {
		s.Fatalf("the relationship says %v, %v", now.AgreementSigned, err)
	}
	add(foreign, nil)
	has(p, first)
	// Neither without the other.
	s.refused(s.Trade.AddAgreement(s.Context(), second, &change), command.ErrConflict)
	s.refused(s.Trade.AddAgreement(s.Context(), first, nil), command.ErrConflict)
	has(p, first)
	add(second, nil)
	add(signed, nil)
	has(p, signed, first, second)
	has(other, signed, foreign)
	has(tenant(), signed)
	s.eventually("signatures", func() (any, bool) {
		got, err := s.Trade.SignedDirectly(s.Context(), []partner.TenantID{tenant(), customer, tenant()})
		if err != nil {
			s.Fatal(err)
		}
		return got, len(got) == 1 && got[customer]
	})
}

func (s *suite) agreementOnce() {
	p, customer := tenant(), tenant()
	var all sync.WaitGroup
	refused := make([]error, 64)
	for n := range refused {
		all.Go(func() { refused[n] = s.Trade.AddAgreement(s.Context(), attested(p, customer, 1), nil) })
	}
	all.Wait()
	if n := countNil(refused); n != 1 {
		s.Fatalf("%d of 64 were stored", n)
	}
	for _, err := range refused {
		if err != nil && !errors.Is(err, command.ErrConflict) && !problem.Is(err, problem.Unavailable) {
			s.Fatal(err)
		}
	}
}

// agreementSigned: what is signed with an answer stands with it or not at all (invariant 3).
func (s *suite) agreementSigned() {
	p, customer := tenant(), tenant()
	signs := func(number int) (invitation.Change, relationship.Change) {
		before := s.create(p)
		c := invitation.Change{Before: &before, After: accepted(before, "who", customer)}
		r := relationship.Change{After: agreed(p, customer, before.ID), Signed: &relationship.Signature{
			ID: "agr_" + id()[4:], Number: number, Text: relationship.AttestedText{Version: "2026-01", Language: "ja", Hash: strings.Repeat("0f", 32)},
			FullName: "Lena von Larch", Email: "lena@larch.example", Invitation: before.ID, At: second(noon), By: "who", CorrelationID: "6f1c9d3e-1111-4000-8000-000000000001",
			EraseAt: second(noon).AddDate(7, 0, 0),
		}}
		r.After.AgreementSigned = true
		return c, r
	}
	c, r := signs(1)
	if err := s.Invitations.Commit(s.Context(), []invitation.Change{c}, []relationship.Change{r}); err != nil {
		s.Fatal(err)
	}
	all, err := s.Trade.Agreements(s.Context(), customer, "")
	if err != nil {
		s.Fatal(err)
	}
	want := commerce.Signed(r.After, *r.Signed)
	s.same([]commerce.Agreement{want}, all)
	if want.Contact != (commerce.Person{FirstName: "Lena von", LastName: "Larch", Email: "lena@larch.example"}) || want.Source != commerce.DirectSigned || want.Partner != p {
		s.Fatalf("%+v", want)
	}
	// The number is taken: nothing of the answer is stored.
	other := tenant()
	before := s.create(other)
	late := relationship.Change{After: agreed(other, customer, before.ID), Signed: r.Signed}
	s.refused(s.Invitations.Commit(s.Context(), []invitation.Change{{Before: &before, After: accepted(before, "who", customer)}}, []relationship.Change{late}), invitation.ErrConflict)
	if s.stored(before.Key).Status != before.Status {
		s.Fatal("the answer was stored without the signature")
	}
	_, err = s.Relationships.Relationship(s.Context(), other, customer)
	s.code(err, problem.NotFound)
}

func countNil(errs []error) (n int) {
	for _, err := range errs {
		if err == nil {
			n++
		}
	}
	return n
}

// bought is an order of one subscription, placed some minutes after noon.
func bought(r relationship.Relationship, minutes int) (commerce.Order, commerce.Subscription, relationship.Change) {
	at := second(noon).Add(time.Duration(minutes) * time.Minute)
	sub := commerce.Subscription{
		ID: "sub_" + id()[4:], Seller: r.Partner, Customer: r.Customer.Tenant, Order: "ord_" + id()[4:], Offer: "ofr-office-basic", OfferName: "Sample office suite, basic",
		Family: commerce.Other, Term: "P1Y", Quantity: 7, Status: commerce.SubscriptionActive, CreatedAt: at, UpdatedAt: at, Version: 1,
		History: []commerce.Entry{{At: at, Action: commerce.WasCreated, Is: "7", By: "agent", Tenant: r.Partner, CorrelationID: "6f1c9d3e-1111-4000-8000-000000000001", Key: "0102030405ff", Body: "0a0b0c0d0e0f"}},
	}
	o := commerce.Order{
		ID: sub.Order, Seller: r.Partner, Customer: r.Customer.Tenant, Status: commerce.OrderCompleted, PlacedAt: at, PlacedBy: "agent", Version: 1,
		ActingRole:    partner.DirectBill,
		Lines:         []commerce.Line{{Offer: sub.Offer, Quantity: 7, Term: "P1Y", Subscription: sub.ID}},
		CorrelationID: "6f1c9d3e-1111-4000-8000-000000000001", Key: "0102030405ff", Body: "0a0b0c0d0e0f",
	}
	c := relationship.Change{Before: &r, After: r}
	c.After.Version, c.After.Sold = r.Version+1, r.Sold.With(false, 1)
	return o, sub, c
}

func (s *suite) place(o commerce.Order, sub commerce.Subscription, c relationship.Change) {
	s.Helper()
	if err := s.Trade.PlaceOrder(s.Context(), o, []commerce.Subscription{sub}, c); err != nil {
		s.Fatal(err)
	}
}

func (s *suite) orders() {
	r := s.agree(tenant(), func(*relationship.Relationship) {})
	o, sub, c := bought(r, 0)
	o.For, o.PartnerIDOnRecord = tenant(), "4100003"
	s.place(o, sub, c)
	got, err := s.Trade.Order(s.Context(), o.Seller, o.Customer, o.ID)
	if err != nil {
		s.Fatal(err)
	}
	s.same(o, got)
	now, err := s.Relationships.Relationship(s.Context(), r.Partner, r.Customer.Tenant)
	if err != nil {
		s.Fatal(err)
	}
	s.same(c.After, now)
	if got, err = s.Trade.Order(s.Context(), o.For, o.Customer, o.ID); err != nil {
		s.Fatalf("the reseller that it was placed for: %v", err)
	}
	s.same(o, got)
	s.eventually("orders on its behalf", func() (any, bool) {
		page, err := s.Trade.ListOrders(s.Context(), o.For, o.Customer, commerce.Page{Limit: 25})
		if err != nil {
			s.Fatal(err)
		}
		return page, len(page.Orders) == 1 && page.Orders[0].ID == o.ID
	})
	for _, each := range []struct {
		seller, customer partner.TenantID
		id               string
	}{{tenant(), o.Customer, o.ID}, {o.Seller, tenant(), o.ID}, {o.Seller, o.Customer, "ord_" + id()[4:]}, {o.Seller, o.Customer, ""}, {o.Seller, o.Customer, strings.Repeat("x", 2000)}} {
		_, err := s.Trade.Order(s.Context(), each.seller, each.customer, each.id)
		s.code(err, problem.NotFound)
	}
	// The id is taken: nothing of a second order is stored, its subscription included.
	_, again, c2 := bought(c.After, 1)
	s.refused(s.Trade.PlaceOrder(s.Context(), o, []commerce.Subscription{again}, c2), command.ErrConflict)
	_, err = s.Trade.Subscription(s.Context(), commerce.View{Partner: o.Seller, Customer: o.Customer}, again.ID)
	s.code(err, problem.NotFound)
}

func (s *suite) orderOutdated() {
	r := s.agree(tenant(), func(*relationship.Relationship) {})
	o, sub, c := bought(r, 0)
	s.place(o, sub, c)
	late, lateSub, _ := bought(r, 1)
	s.refused(s.Trade.PlaceOrder(s.Context(), late, []commerce.Subscription{lateSub}, c), command.ErrConflict)
	_, err := s.Trade.Order(s.Context(), late.Seller, late.Customer, late.ID)
	s.code(err, problem.NotFound)
}

func (s *suite) ordersNewestFirst() {
	r := s.agree(tenant(), func(*relationship.Relationship) {})
	var want, wantSubs []string
	for n := range 7 {
		o, sub, c := bought(r, n)
		s.place(o, sub, c)
		r = c.After
		want, wantSubs = append([]string{o.ID}, want...), append([]string{sub.ID}, wantSubs...)
	}
	elsewhere := s.agree(r.Partner, func(x *relationship.Relationship) { x.Customer.Tenant = tenant() })
	o, sub, c := bought(elsewhere, 9)
	s.place(o, sub, c)
	for _, limit := range []int{1, 3, 7, 25} {
		s.eventually("orders", func() (any, bool) {
			var got []string
			for page := (commerce.Page{Limit: limit}); ; {
				found, err := s.Trade.ListOrders(s.Context(), r.Partner, r.Customer.Tenant, page)
				if err != nil {
					s.Fatal(err)
				}
				for _, o := range found.Orders {
					got = append(got, o.ID)
				}
				if page.After = found.Next; page.After == "" {
					return got, slices.Equal(got, want)
				}
			}
		})
		s.eventually("subscriptions", func() (any, bool) {
			got := s.subscribed(r.Partner, r.Customer.Tenant, limit)
			return got, slices.Equal(got, wantSubs)
		})
	}
	for _, after := range []string{"x", "2025-03-01#", "yesterday#ord_a"} {
		_, err := s.Trade.ListOrders(s.Context(), r.Partner, r.Customer.Tenant, commerce.Page{Limit: 2, After: after})
		s.code(err, problem.MalformedRequest)
		_, err = s.Trade.ListSubscriptions(s.Context(), commerce.View{Partner: r.Partner, Customer: r.Customer.Tenant}, commerce.Page{Limit: 2, After: after})
		s.code(err, problem.MalformedRequest)
	}
}

// subscribed lists what a partner sold, is on record for or supports to the end, in pages.
func (s *suite) subscribed(p, customer partner.TenantID, limit int) (ids []string) {
	s.Helper()
	return s.viewed(commerce.View{Partner: p, Customer: customer}, limit)
}

// viewed lists the subscriptions of a view to the end, in pages.
func (s *suite) viewed(v commerce.View, limit int) (ids []string) {
	s.Helper()
	for page := (commerce.Page{Limit: limit}); ; {
		found, err := s.Trade.ListSubscriptions(s.Context(), v, page)
		if err != nil {
			s.Fatal(err)
		}
		if len(found.Subscriptions) > limit {
			s.Fatalf("%d in a page of %d", len(found.Subscriptions), limit)
		}
		for _, sub := range found.Subscriptions {
			ids = append(ids, sub.ID)
		}
		if page.After = found.Next; page.After == "" {
			return ids
		}
	}
}

func (s *suite) subscriptions() {
	r := s.agree(tenant(), func(*relationship.Relationship) {})
	o, sub, c := bought(r, 0)
	s.place(o, sub, c)
	has := func(want commerce.Subscription) {
		s.Helper()
		got, err := s.Trade.Subscription(s.Context(), commerce.View{Partner: r.Partner, Customer: r.Customer.Tenant}, sub.ID)
		if err != nil {
			s.Fatal(err)
		}
		s.same(want, got)
	}
	has(sub)
	after := sub
	after.Status, after.SupportContact, after.Quantity, after.UpdatedAt, after.Version = commerce.SubscriptionSuspended, tenant(), 9, sub.UpdatedAt.Add(time.Hour), 2
	after.SupportedSince = after.UpdatedAt
	after.History = append(slices.Clone(sub.History), commerce.Entry{At: after.UpdatedAt, Action: commerce.SupportChanged, Is: string(after.SupportContact), By: "agent", Tenant: tenant()},
		commerce.Entry{At: after.UpdatedAt, Action: commerce.RecordChanged, By: "agent", Tenant: r.Partner})
	change := relationship.Change{Before: &c.After, After: c.After}
	change.After.Version, change.After.Sold = c.After.Version+1, relationship.Sold{}
	if err := s.Trade.WriteSubscription(s.Context(), commerce.SubscriptionChange{Before: &sub, After: after}, &change); err != nil {
		s.Fatal(err)
	}
	has(after)
	s.refused(s.Trade.WriteSubscription(s.Context(), commerce.SubscriptionChange{Before: &sub, After: after}, nil), command.ErrConflict)
	third := after
	third.Status, third.SupportContact, third.SupportedSince, third.Version = commerce.SubscriptionActive, "", time.Time{}, 3
	s.refused(s.Trade.WriteSubscription(s.Context(), commerce.SubscriptionChange{Before: &after, After: third}, &change), command.ErrConflict)
	has(after)
	if err := s.Trade.WriteSubscription(s.Context(), commerce.SubscriptionChange{Before: &after, After: third}, nil); err != nil {
		s.Fatal(err)
	}
	has(third)
	_, err := s.Trade.Subscription(s.Context(), commerce.View{Partner: tenant(), Customer: r.Customer.Tenant}, sub.ID)
	s.code(err, problem.NotFound)
	_, err = s.Trade.Subscription(s.Context(), commerce.View{Partner: r.Partner, Customer: tenant()}, sub.ID)
	s.code(err, problem.NotFound)
}

func (s *suite) onRecord() {
	r := s.agree(tenant(), func(*relationship.Relationship) {})
	first, second := tenant(), tenant()
	o, sub, c := bought(r, 0)
	sub.Reseller, sub.PartnerIDOfRecord = first, "4100003"
	s.place(o, sub, c)
	finds := func(p partner.TenantID, want bool) {
		s.Helper()
		_, err := s.Trade.Subscription(s.Context(), commerce.View{Partner: p, Customer: r.Customer.Tenant}, sub.ID)
		if found := err == nil; found != want || err != nil && !problem.Is(err, problem.NotFound) {
			s.Fatalf("found %v (%v), want %v", found, err, want)
		}
		s.eventually("subscriptions", func() (any, bool) {
			ids := s.subscribed(p, r.Customer.Tenant, 25)
			return ids, slices.Contains(ids, sub.ID) == want
		})
	}
	becomes := func(reseller partner.TenantID) {
		s.Helper()
		after := sub
		after.Reseller, after.Version = reseller, sub.Version+1
		if err := s.Trade.WriteSubscription(s.Context(), commerce.SubscriptionChange{Before: &sub, After: after}, nil); err != nil {
			s.Fatal(err)
		}
		sub = after
	}
	finds(first, true)
	finds(second, false)
	becomes(second)
	finds(first, false)
	finds(second, true)
	becomes("")
	finds(second, false)
	becomes(first)
	finds(first, true)
	finds(r.Partner, true)
}

// supports: who supports a subscription finds it as long as it does, also one that is on record too.
func (s *suite) supports() {
	r := s.agree(tenant(), func(*relationship.Relationship) {})
	who := tenant()
	o, sub, c := bought(r, 0)
	s.place(o, sub, c)
	changes := func(edit func(*commerce.Subscription), found bool) {
		s.Helper()
		after := sub
		edit(&after)
		after.Version++
		if err := s.Trade.WriteSubscription(s.Context(), commerce.SubscriptionChange{Before: &sub, After: after}, nil); err != nil {
			s.Fatal(err)
		}
		sub = after
		_, err := s.Trade.Subscription(s.Context(), commerce.View{Partner: who, Customer: r.Customer.Tenant}, sub.ID)
		if is := err == nil; is != found || err != nil && !problem.Is(err, problem.NotFound) {
			s.Fatalf("found %v (%v), want %v", is, err, found)
		}
		s.eventually("subscriptions", func() (any, bool) {
			ids := s.subscribed(who, r.Customer.Tenant, 25)
			return ids, slices.Contains(ids, sub.ID) == found
		})
	}
	changes(func(s *commerce.Subscription) { s.SupportContact, s.SupportedSince = who, s.CreatedAt }, true)
	changes(func(s *commerce.Subscription) { s.SupportContact, s.SupportedSince = "", time.Time{} }, false)
	changes(func(s *commerce.Subscription) { s.Reseller, s.SupportContact, s.SupportedSince = who, who, s.CreatedAt }, true)
	changes(func(s *commerce.Subscription) { s.SupportContact, s.SupportedSince = "", time.Time{} }, true)
	changes(func(s *commerce.Subscription) { s.Reseller, s.SupportContact = "", r.Partner }, false)
}

// overAllCustomers: what a partner sold, is on record for or supports is listed over all customers, those of one together,
// newest first.
func (s *suite) overAllCustomers() {
	who, other := tenant(), tenant()
	places := map[string]commerce.Subscription{}
	for n := range 9 {
		seller := who
		if n%3 > 0 {
			seller = other
		}
		r := s.agree(seller, func(r *relationship.Relationship) { r.Customer.Tenant = tenant() })
		for m := range 2 {
			o, sub, c := bought(r, 10*n+m)
			switch n % 3 {
			case 1:
				sub.Reseller, sub.PartnerIDOfRecord = who, "4100003"
			case 2:
				sub.SupportContact, sub.SupportedSince = who, sub.CreatedAt
			}
			if m == 1 {
				sub.Status = commerce.SubscriptionSuspended
			}
			s.place(o, sub, c)
			r, places[string(sub.Customer)+"#"+tradePlace(sub.CreatedAt, sub.ID)] = c.After, sub
		}
	}
	stranger := s.agree(tenant(), func(*relationship.Relationship) {})
	o, sub, c := bought(stranger, 99)
	s.place(o, sub, c)
	order := slices.Sorted(maps.Keys(places))
	slices.Reverse(order)
	one := places[order[4]].Customer
	for _, q := range []commerce.SubscriptionQuery{
		{}, {Capacity: commerce.Sold}, {Capacity: commerce.OnRecord}, {Capacity: commerce.Supporting},
		{Customer: one}, {Customer: tenant()}, {Statuses: []commerce.SubscriptionStatus{commerce.SubscriptionSuspended}},
		{
			Statuses: []commerce.SubscriptionStatus{commerce.SubscriptionActive, commerce.SubscriptionDeleted},
			Capacity: commerce.OnRecord,
		},
	} {
		want := []string{}
		for _, place := range order {
			if q.Fits(who, places[place]) {
				want = append(want, places[place].ID)
			}
		}
		for _, q.Limit = range []int{1, 4, 25} {
			s.eventually(fmt.Sprintf("%+v", q), func() (any, bool) {
				got := []string{}
				for q := q; ; {
					found, err := s.Trade.SubscriptionsOf(s.Context(), who, q)
					if err != nil {
						s.Fatal(err)
					}
					for _, sub := range found.Subscriptions {
						s.same(places[string(sub.Customer)+"#"+tradePlace(sub.CreatedAt, sub.ID)], sub)
						got = append(got, sub.ID)
					}
					if q.After = found.Next; q.After == "" {
						return got, slices.Equal(got, want)
					}
				}
			})
		}
	}
	for _, after := range []string{"x", string(one), string(one) + "#2025-03-01#", tradePlace(noon, sub.ID)} {
		_, err := s.Trade.SubscriptionsOf(s.Context(), who, commerce.SubscriptionQuery{Limit: 2, After: after})
		s.code(err, problem.MalformedRequest)
	}
	_, err := s.Trade.SubscriptionsOf(s.Context(), who, commerce.SubscriptionQuery{Limit: 2, After: order[0], Customer: one})
	s.code(err, problem.MalformedRequest)
}

// salesOfOthers: a view that has sellers has everything that they sold to the customer, in one order, each subscription once.
func (s *suite) salesOfOthers() {
	customer, who := tenant(), tenant()
	sells := func() relationship.Relationship {
		return s.agree(tenant(), func(r *relationship.Relationship) { r.Customer.Tenant = customer })
	}
	first, second, stranger := sells(), sells(), sells()
	var want []string
	for n := range 11 {
		r := &first
		if n%3 == 1 {
			r = &second
		}
		if n == 10 {
			r = &stranger
		}
		o, sub, c := bought(*r, n)
		if n%4 == 0 {
			sub.Reseller, sub.PartnerIDOfRecord = who, "4100003"
		}
		if n == 9 {
			sub.Reseller, sub.PartnerIDOfRecord = second.Partner, "4100004" // which sold it not
		}
		s.place(o, sub, c)
		*r = c.After
		if n < 10 {
			want = append([]string{sub.ID}, want...)
		}
	}
	v := commerce.View{Partner: who, Customer: customer, Sellers: []partner.TenantID{first.Partner, second.Partner}}
	for _, limit := range []int{1, 2, 3, 10, 25} {
		s.eventually(fmt.Sprint("pages of ", limit), func() (any, bool) {
			got := s.viewed(v, limit)
			return got, slices.Equal(got, want)
		})
	}
	for _, id := range want {
		if _, err := s.Trade.Subscription(s.Context(), v, id); err != nil {
			s.Fatal(err)
		}
	}
	s.eventually("of one of them", func() (any, bool) {
		got := s.viewed(commerce.View{Partner: tenant(), Customer: customer, Sellers: []partner.TenantID{second.Partner}}, 25)
		return got, len(got) == 3
	})
	v.Customer = tenant()
	_, err := s.Trade.Subscription(s.Context(), v, want[0])
	s.code(err, problem.NotFound)
}

// ends: a relationship ends together with what the partner supports, or neither does.
func (s *suite) ends() {
	customers := tenant()
	who := s.agree(tenant(), func(r *relationship.Relationship) { r.Customer.Tenant = customers })
	seller := s.agree(tenant(), func(r *relationship.Relationship) { r.Customer.Tenant = customers })
	supports := func(of partner.TenantID, want ...string) (all []commerce.Subscription) {
		s.Helper()
		all, err := s.Support.Supported(s.Context(), of, customers)
		if err != nil {
			s.Fatal(err)
		}
		var ids []string
		for _, sub := range all {
			ids = append(ids, sub.ID)
		}
		if slices.Sort(ids); !slices.Equal(ids, slices.Sorted(slices.Values(want))) {
			s.Fatalf("supports %v, want %v", ids, want)
		}
		return all
	}
	supports(who.Partner)
	var ids []string
	for n := range 4 {
		o, sub, c := bought(seller, n)
		switch n {
		case 0: // on record alone
			sub.Reseller, sub.PartnerIDOfRecord = who.Partner, "4100003"
		case 1:
			sub.SupportContact, sub.SupportedSince = who.Partner, sub.CreatedAt
		case 2:
			sub.Reseller, sub.SupportContact, sub.SupportedSince = who.Partner, who.Partner, sub.CreatedAt
		}
		if n == 1 || n == 2 {
			ids = append(ids, sub.ID)
		}
		s.place(o, sub, c)
		seller = c.After
	}
	all := supports(who.Partner, ids...)
	supports(seller.Partner)
	e := customer.Ending{Relationship: relationship.Change{Before: &who, After: who}}
	e.Relationship.After.Status, e.Relationship.After.Version = relationship.Removed, who.Version+1
	for n := range all {
		e.Subscriptions = append(e.Subscriptions, commerce.SubscriptionChange{Before: &all[n], After: all[n].FallBack(second(noon).Add(time.Hour), "6f1c9d3e-1111-4000-8000-000000000001")})
	}
	// One of them has changed since: nothing is stored.
	other := all[0]
	other.Quantity, other.Version = 8, other.Version+1
	if err := s.Trade.WriteSubscription(s.Context(), commerce.SubscriptionChange{Before: &all[0], After: other}, nil); err != nil {
		s.Fatal(err)
	}
	s.refused(s.Support.End(s.Context(), e), invitation.ErrConflict)
	supports(who.Partner, ids...)
	e.Subscriptions[0] = commerce.SubscriptionChange{Before: &other, After: other.FallBack(second(noon).Add(time.Hour), "6f1c9d3e-1111-4000-8000-000000000001")}
	if err := s.Support.End(s.Context(), e); err != nil {
		s.Fatal(err)
	}
	supports(who.Partner)
	for _, c := range e.Subscriptions {
		got, err := s.Trade.Subscription(s.Context(), commerce.View{Partner: seller.Partner, Customer: customers}, c.After.ID)
		if err != nil {
			s.Fatal(err)
		}
		s.same(c.After, got)
	}
	if now, err := s.Relationships.Relationship(s.Context(), who.Partner, customers); err != nil || now.Status != relationship.Removed {
		s.Fatalf("%v, %v", now.Status, err)
	}
	s.refused(s.Support.End(s.Context(), e), invitation.ErrConflict)
}
