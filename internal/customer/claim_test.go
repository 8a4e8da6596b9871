package customer_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/text/language"

	"concord/internal/command"
	"concord/internal/commerce"
	"concord/internal/customer"
	"concord/internal/emailaddr"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/link"
	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/problem"
	"concord/internal/relationship"
	"concord/internal/storetest"
)

// The partners of these tests: birch provides, cedar resells with it, alder and fir sell themselves.
const (
	birch  partner.TenantID = "0a000000-0000-4000-8000-00000000000b"
	cedar  partner.TenantID = "0a000000-0000-4000-8000-00000000000c"
	fir    partner.TenantID = "0a000000-0000-4000-8000-00000000000f"
	spruce partner.TenantID = "0e000000-0000-4000-8000-000000000001"
)

// town is everything that creates, asks and answers, over one store.
type town struct {
	*testing.T
	store   *storetest.Memory
	create  customer.Service
	ask     *invitation.Service
	self    customer.Portal
	grants  *granular.Service
	shop    *commerce.Service
	calls   int
	perhaps sync.Mutex
}

func newTown(t *testing.T) *town {
	store := &storetest.Memory{}
	for tenant, a := range map[partner.TenantID]partner.Account{
		alder: {DisplayName: "Alder", Role: partner.DirectBill, Country: "US"}, birch: {DisplayName: "Birch", Role: partner.IndirectProvider, Country: "US"},
		cedar: {DisplayName: "Cedar", Role: partner.IndirectReseller, Country: "US"}, fir: {DisplayName: "Fir", Role: partner.DirectBill, Country: "FR"},
	} {
		id := "41" + string(tenant[34:])
		a.Tenant, a.Cloud, a.Status, a.Locale, a.Version = tenant, "public", partner.Active, "en", 1
		a.PartnerIDs = []partner.PartnerID{{ID: id, Type: partner.Location, Country: a.Country, OnboardingLocation: true}}
		a.AssociatedPartnerID, a.MPA = id, &partner.Agreement{Version: "1"}
		store.PutAccount(a)
	}
	p, _ := partnership.Establish(nil, partnership.Authorisation{Pair: partnership.Pair{Provider: birch, Reseller: cedar}, At: time.Now()})
	store.PutPartnership(p)
	recognition := relationship.Recognition{Companies: store, Relationships: store, Accounts: store, Regions: partner.ShippedRegions(), Register: store}
	clouds := partner.Clouds{{ID: "public", PortalName: "Concord", BaseURL: "https://portal.example", AdministrationOptional: true}}
	addresses := emailaddr.Addresses{AllowReserved: true}
	return &town{
		T: t, store: store,
		create: customer.Service{
			Store: store, Register: store, Customers: store, Directory: store, Grants: store, Partnerships: store, Accounts: store, Texts: store,
			Regions: partner.ShippedRegions(), Clouds: clouds, Addresses: addresses, Now: time.Now,
		},
		ask: &invitation.Service{
			Store: store, Accounts: store, Relationships: store, Partnerships: store, Granular: store, GranularRoles: granular.ShippedRoles(), Recognition: recognition, Slots: store,
			Regions: partner.ShippedRegions(), Clouds: clouds, Addresses: addresses, Locales: []language.Tag{language.English}, Ledger: store, Now: time.Now,
		},
		self:   selfOver(store, func(s *customer.Portal) { s.Recognition = recognition }),
		grants: &granular.Service{Store: store, Accounts: store, Clouds: clouds, Addresses: addresses, Roles: granular.ShippedRoles(), Recognition: recognition, Now: time.Now},
		shop: &commerce.Service{
			Accounts: store, Holders: store, Relationships: store, Agreements: store, Orders: store, Subscriptions: store, Regions: partner.ShippedRegions(),
			Offers: commerce.ShippedOffers(), Addresses: addresses, Texts: store, Granular: &granular.Service{Store: store, Now: time.Now}, Now: time.Now,
		},
	}
}

func user(p partner.TenantID) partner.User {
	return partner.User{Subject: "agent", Tenant: p, Roles: []partner.Role{partner.AdminAgent}, Cloud: "public"}
}

// person is a Global admin of a company.
func person(tenant partner.TenantID, country string, domains ...string) relationship.Person {
	return relationship.Person{
		Subject: "admin of " + string(tenant), Name: "Sam Spruce", Email: "admin@" + domains[0], Roles: []partner.Role{partner.GlobalAdmin},
		Company: relationship.Customer{Tenant: tenant, CompanyName: "Spruce Inc", Domains: domains, Country: country, CountrySource: "token", Cloud: "public"},
	}
}

func (w *town) key() string {
	w.perhaps.Lock()
	defer w.perhaps.Unlock()
	w.calls++
	return fmt.Sprint("key-", w.calls)
}

// made has a partner create a company.
func (w *town) made(p partner.TenantID, domain, country string, reseller ...partner.TenantID) (partner.TenantID, error) {
	name := "Spruce as created"
	n := customer.New{CompanyName: &name, Domain: &domain, Country: &country}
	for _, r := range reseller {
		n.Reseller = new(string(r))
	}
	r, _, err := w.create.Create(w.Context(), command.Command{User: user(p), CorrelationID: "corr", Key: w.key(), Body: "body"}, n)
	return r.Customer.Tenant, err
}

func (w *town) creates(p partner.TenantID, domain, country string, reseller ...partner.TenantID) partner.TenantID {
	w.Helper()
	id, err := w.made(p, domain, country, reseller...)
	if err != nil {
		w.Fatal(err)
	}
	return id
}

// asks has a partner ask somebody, by its id or, with an empty one, whoever answers.
func (w *town) asks(p, bound partner.TenantID, edit ...func(*invitation.Proposal)) link.Link {
	w.Helper()
	q := invitation.Proposal{Kind: invitation.Reseller, RecipientEmail: new("it-" + w.key() + "@spruce.example"), RequestDelegatedAdmin: new(true)}
	if bound != "" {
		q.CustomerTenantID = new(string(bound))
	}
	for _, f := range edit {
		f(&q)
	}
	i, _, err := w.ask.Invite(w.Context(), command.Command{User: user(p), CorrelationID: "corr", Key: w.key(), Body: "body"}, q)
	if err != nil {
		w.Fatal(err)
	}
	return link.Link{Tenant: string(i.Inviter), ID: i.ID, Generation: i.Generation}
}

func response(answer string) invitation.Response {
	return invitation.Response{Answer: answer, Authorized: true, FullName: "Sam Spruce", JobTitle: "Director", CorrelationID: "corr"}
}

func (w *town) answers(l link.Link, who relationship.Person, answer string, want invitation.Case) {
	w.Helper()
	if _, c, err := w.ask.Respond(w.Context(), l, who, response(answer)); err != nil || c != want {
		w.Errorf("%s by %s is %q (%v), want %q", answer, who.Company.Tenant, c, err, want)
	}
}

// row gives a partner's relationship by an id.
func (w *town) row(p, id partner.TenantID) relationship.Relationship {
	w.Helper()
	r, err := w.store.Relationship(w.Context(), p, id)
	if err != nil {
		w.Fatalf("%s by %s: %v", p, id, err)
	}
	return r
}

// lists gives the ids under which a partner has customers.
func (w *town) lists(p partner.TenantID) (ids []partner.TenantID) {
	w.Helper()
	known, err := w.create.Known(w.Context(), p, relationship.Query{Limit: 100}, true)
	if err != nil {
		w.Fatal(err)
	}
	for _, k := range known.Customers {
		ids = append(ids, k.Customer.Tenant)
	}
	return ids
}

func (w *town) record(id partner.TenantID) relationship.Record {
	w.Helper()
	found, err := w.store.Companies(w.Context(), []partner.TenantID{id}, nil, true)
	if err != nil {
		w.Fatal(err)
	}
	return found.Records[id]
}

func (w *town) attests(p, id partner.TenantID) {
	w.Helper()
	at := time.Now().Add(-time.Hour)
	_, _, err := w.shop.Attest(w.Context(), command.Command{User: user(p), Key: w.key(), Body: "body"}, string(id), commerce.Attestation{
		Type: new("MicrosoftCustomerAgreement"), FirstName: new("A"), LastName: new("B"), Email: new("a@b.example"), AgreedAt: &at,
	})
	if err != nil {
		w.Fatal(err)
	}
}

func (w *town) orders(p, id partner.TenantID) error {
	_, _, err := w.shop.Place(w.Context(), command.Command{User: user(p), Key: w.key(), Body: "body"}, string(id), commerce.Wish{
		Lines: []commerce.WishedLine{{Offer: new("ofr-office-basic"), Quantity: new(5)}},
	})
	return err
}

// 0.30: the Global admin of the created domain claims the company by its answer; it is one customer of everybody afterwards, under both ids.
func TestCreatedCompanyIsClaimed(t *testing.T) {
	w := newTown(t)
	id := w.creates(birch, "spruce.example", "US", cedar)
	ids, err := w.store.Occupants(t.Context(), cedar, id)
	if err != nil || len(ids) != 1 {
		t.Fatalf("the reseller's draft: %v, %v", ids, err)
	}
	draft := link.Link{Tenant: string(cedar), ID: ids[0], Generation: 1}
	if r := w.row(birch, id); r.Customer.Home() != "" || !r.Customer.Created {
		t.Errorf("before: %+v", r.Customer)
	}

	other, admin := person(oak, "US", "oak.example"), person(spruce, "US", "mail.spruce.example", "Spruce.example")
	_, c, err := w.ask.Look(t.Context(), draft, &other, true)
	if err != nil || c != invitation.OtherTenant {
		t.Errorf("another company sees %q, %v", c, err)
	}
	w.answers(draft, other, "accept", invitation.OtherTenant)
	w.answers(draft, other, "decline", invitation.OtherTenant)
	if _, c, err := w.ask.Look(t.Context(), draft, &admin, false); err != nil || c != invitation.Form {
		t.Errorf("the company sees %q, %v", c, err)
	}
	w.answers(draft, admin, "accept", invitation.AcceptedBy)
	w.answers(draft, admin, "accept", invitation.AcceptedBy) // once more changes nothing

	for _, p := range []partner.TenantID{birch, cedar} {
		r := w.row(p, id)
		if r.Customer.Tenant != id || r.Customer.ClaimedBy != spruce || r.Customer.CompanyName != "Spruce Inc" || r.Customer.CountrySource != "token" || r.IdentityCheck != relationship.NotNeeded {
			t.Errorf("%s has %+v", p, r)
		}
		if !slices.Equal(r.Customer.Domains, []string{"spruce.example", "mail.spruce.example"}) {
			t.Errorf("%s knows the domains %v", p, r.Customer.Domains)
		}
		if again := w.row(p, spruce); again.ID != r.ID {
			t.Errorf("by the tenant %s has %+v", p, again)
		}
		if got := w.lists(p); !slices.Equal(got, []partner.TenantID{id}) {
			t.Errorf("%s lists %v", p, got)
		}
	}
	if r := w.row(cedar, id); r.DelegatedAdmin != relationship.ActiveDAP || r.Version != 2 || len(r.History) != 3 {
		t.Errorf("the one who asked: %+v", r)
	}

	// Whoever else asks, by its tenant or not, asks the same customer.
	w.answers(w.asks(alder, ""), admin, "accept", invitation.AcceptedBy)
	if r := w.row(alder, spruce); r.Customer.Tenant != id || r.Customer.ClaimedBy != spruce || r.Origin != relationship.ByInvitation {
		t.Errorf("another partner has %+v", r.Customer)
	}
	if got := w.lists(alder); !slices.Equal(got, []partner.TenantID{id}) {
		t.Errorf("alder lists %v", got)
	}
	admins := person(spruce, "US", "mail.spruce.example") // a domain went: the company is the same
	w.answers(w.asks(alder, spruce, func(q *invitation.Proposal) { q.Granular = desk() }), admins, "accept", invitation.AcceptedBy)
	if got := w.lists(alder); !slices.Equal(got, []partner.TenantID{id}) {
		t.Errorf("after a second request by the tenant alder lists %v", got)
	}
	o, err := w.self.Overview(t.Context(), admin)
	if err != nil || len(o.Partners) != 3 || len(o.Found) != 0 {
		t.Errorf("the company sees %+v, %v", o, err)
	}
	for _, named := range []partner.TenantID{id, spruce} {
		k, err := w.create.KnownCustomer(t.Context(), alder, named)
		if err != nil || k.Customer.Tenant != id || k.Home() != spruce {
			t.Errorf("by %s alder knows %+v, %v", named, k, err)
		}
	}
}

// Invariant 1: a claimed company with which nothing stands is asked once, whichever of its ids a request names (0.30).
func TestClaimedCompanyIsAskedOnce(t *testing.T) {
	w := newTown(t)
	id := w.creates(birch, "spruce.example", "US")
	w.answers(w.asks(birch, ""), person(spruce, "US", "spruce.example"), "accept", invitation.AcceptedBy)
	ask := func(p, named partner.TenantID) (invitation.Invitation, error) {
		i, _, err := w.ask.Invite(t.Context(), command.Command{User: user(p), CorrelationID: "corr", Key: w.key(), Body: "body"},
			invitation.Proposal{Kind: invitation.Reseller, CustomerTenantID: new(string(named)), RequestDelegatedAdmin: new(true)})
		return i, err
	}
	for p, order := range map[partner.TenantID][]partner.TenantID{alder: {id, spruce}, fir: {spruce, id}} {
		first, err := ask(p, order[0])
		if err != nil || first.Customer != id {
			t.Fatalf("by %s %s asks %s, %v", order[0], p, first.Customer, err)
		}
		for _, named := range order {
			if _, err := ask(p, named); !problem.Is(err, problem.DuplicateOpenInvitation) {
				t.Errorf("%s asks once more, by %s: %v", p, named, err)
			}
		}
	}
	first, err := w.store.Occupants(t.Context(), alder, id)
	if err != nil || len(first) != 1 {
		t.Fatalf("%v, %v", first, err)
	}
	w.answers(link.Link{Tenant: string(alder), ID: first[0], Generation: 1}, person(spruce, "US", "spruce.example"), "accept", invitation.AcceptedBy)
	if r := w.row(alder, spruce); r.Customer.Tenant != id || r.Status != relationship.Active {
		t.Errorf("once it is answered alder has %+v", r)
	}
}

// Invariant 1, 0.30: what was asked by the company's tenant before it was claimed by another partner's request is in
// the way of the same request afterwards, although the company is kept under the id of its record from then on; once it
// has ended it no longer is.
func TestClaimedCompanyWasAskedBefore(t *testing.T) {
	w := newTown(t)
	id := w.creates(birch, "spruce.example", "US")
	before := w.asks(alder, spruce)
	w.answers(w.asks(birch, ""), person(spruce, "US", "spruce.example"), "accept", invitation.AcceptedBy)
	ask := func() (invitation.Invitation, error) {
		i, _, err := w.ask.Invite(t.Context(), command.Command{User: user(alder), CorrelationID: "corr", Key: w.key(), Body: "body"},
			invitation.Proposal{Kind: invitation.Reseller, CustomerTenantID: new(string(spruce)), RequestDelegatedAdmin: new(true)})
		return i, err
	}
	_, err := ask()
	if p, ok := errors.AsType[*problem.Error](err); !ok || p.Code != problem.DuplicateOpenInvitation || p.Resource != before.ID {
		t.Errorf("while it is open: %v", err)
	}
	if _, _, err := w.ask.Cancel(t.Context(), command.Command{User: user(alder), CorrelationID: "corr", Key: w.key(), Body: "body"}, before.ID, ""); err != nil {
		t.Fatal(err)
	}
	if i, err := ask(); err != nil || i.Customer != id {
		t.Errorf("afterwards: %+v, %v", i, err)
	}
}

func desk() *granular.Proposal {
	return &granular.Proposal{DisplayName: new("Desk"), Duration: new("P90D"), Roles: &[]string{"729827e3-9c14-49f7-bb1b-9608f156bbb8"}}
}

// 0.30: country, region and cloud are judged anew from the token of who claims.
func TestClaimIsJudgedAnew(t *testing.T) {
	w := newTown(t)
	id := w.creates(fir, "spruce.example", "FR")
	l := w.asks(fir, id)
	american := person(spruce, "US", "spruce.example") // barred by region
	w.answers(l, american, "accept", invitation.OtherRegion)
	official := person(spruce, "FR", "spruce.example")
	official.Company.Cloud = "usGov"
	w.answers(l, official, "accept", invitation.OtherCloud)
	if r := w.record(id); r.Tenant != "" || w.row(fir, id).Version != 1 {
		t.Fatalf("who was refused has claimed: %+v", r)
	}
	if _, err := w.store.Relationship(t.Context(), fir, spruce); !problem.Is(err, problem.NotFound) {
		t.Errorf("by the tenant: %v", err)
	}
	german := person(spruce, "DE", "spruce.example")
	w.answers(l, german, "accept", invitation.AcceptedBy)
	r := w.row(fir, id)
	if r.Customer.Country != "DE" || r.IdentityCheck != relationship.Unproven || r.Apart {
		t.Errorf("another country that is allowed: %+v", r)
	}
	w.attests(fir, id)
	if err := w.orders(fir, id); !problem.Is(err, problem.CustomerIdentityUnconfirmed) {
		t.Errorf("an order before the agent confirms: %v", err)
	}
	yes := true
	if _, err := w.create.Change(t.Context(), command.Command{User: user(fir), IfVersion: command.AnyVersion}, string(spruce), customer.Change{IdentityConfirmed: &yes}); err != nil {
		t.Error(err)
	}
	if err := w.orders(fir, id); err != nil {
		t.Errorf("an order afterwards: %v", err)
	}
}

// 0.30: where the company comes to be known by another partner first, its record stays apart until the company speaks.
func TestRecordStaysApart(t *testing.T) {
	w := newTown(t)
	id := w.creates(alder, "spruce.example", "US")
	w.attests(alder, id)
	if err := w.orders(alder, id); err != nil {
		t.Fatal(err) // P1 holds before
	}
	admin := person(spruce, "US", "spruce.example")
	w.answers(w.asks(birch, ""), admin, "accept", invitation.AcceptedBy)
	if r := w.row(birch, spruce); r.Customer.Tenant != spruce || r.Customer.Created {
		t.Errorf("who asked has %+v", r.Customer)
	}
	r := w.row(alder, id)
	if !r.Apart || r.IdentityCheck != relationship.Unproven || r.Customer.ClaimedBy != "" || r.Customer.CompanyName != "Spruce as created" {
		t.Errorf("the record is %+v", r)
	}
	if _, err := w.store.Relationship(t.Context(), alder, spruce); !problem.Is(err, problem.NotFound) {
		t.Errorf("alder finds it by the tenant: %v", err)
	}
	if err := w.orders(alder, id); !problem.Is(err, problem.CustomerIdentityUnconfirmed) || !strings.Contains(err.Error(), "/customer") {
		t.Errorf("an order while it is apart: %v", err)
	}
	yes, agent := true, command.Command{User: user(alder), IfVersion: command.AnyVersion}
	if _, err := w.create.Change(t.Context(), agent, string(id), customer.Change{IdentityConfirmed: &yes}); !problem.Is(err, problem.CustomerIdentityUnconfirmed) {
		t.Errorf("the agent confirms it: %v", err)
	}
	o, err := w.self.Overview(t.Context(), admin)
	if err != nil || len(o.Partners) != 1 || len(o.Found) != 1 || o.Found[0].ID != id || o.Found[0].Active != 1 || o.Found[0].Serving[0].Tenant != alder {
		t.Fatalf("the company sees %+v, %v", o, err)
	}
	for _, other := range []relationship.Person{person(oak, "US", "oak.example"), {Subject: "u", Company: admin.Company}} {
		if _, err := w.self.Claim(t.Context(), other, string(id), "corr"); !problem.Is(err, problem.NotFound) && !problem.Is(err, problem.RoleNotPermitted) {
			t.Errorf("%+v claims it: %v", other, err)
		}
	}
	if _, err := w.self.Claim(t.Context(), admin, string(id), "corr"); err != nil {
		t.Fatal(err)
	}
	if r := w.row(alder, spruce); r.Customer.Tenant != id || r.Customer.ClaimedBy != spruce || r.Apart || r.IdentityCheck != relationship.NotNeeded {
		t.Errorf("confirmed: %+v", r)
	}
	if err := w.orders(alder, id); err != nil {
		t.Errorf("an order afterwards: %v", err)
	}
	if got := w.lists(alder); !slices.Equal(got, []partner.TenantID{id}) {
		t.Errorf("alder lists %v", got)
	}
	if o, err = w.self.Overview(t.Context(), admin); err != nil || len(o.Partners) != 2 || len(o.Found) != 0 {
		t.Errorf("the company sees %+v, %v", o, err)
	}
	// The next request is about the same company; two tiers meet under one id.
	w.answers(w.asks(cedar, "", func(q *invitation.Proposal) { q.Kind, q.ProviderTenantID = invitation.DualReseller, new(string(birch)) }), admin, "accept", invitation.AcceptedBy)
	if a, b := w.row(cedar, id), w.row(birch, id); a.Customer.Tenant != b.Customer.Tenant || b.Customer.Tenant != spruce {
		t.Errorf("cedar has it as %s, birch as %s", a.Customer.Tenant, b.Customer.Tenant)
	}
}

// 0.30: "not us" ends the record and suspends what was sold; the domain is the company's.
func TestRecordIsDisowned(t *testing.T) {
	w := newTown(t)
	id := w.creates(birch, "spruce.example", "US", cedar)
	w.attests(birch, id)
	for range 3 {
		if err := w.orders(birch, id); err != nil {
			t.Fatal(err)
		}
	}
	// One of them is supported by the reseller; support falls back with its relationship, and is told (0.44).
	supported, err := w.store.ListSubscriptions(t.Context(), commerce.View{Partner: birch, Customer: id}, commerce.Page{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	before := supported.Subscriptions[0]
	after := before
	after.SupportContact, after.SupportedSince = cedar, time.Now()
	after.Version++
	if err := w.store.WriteSubscription(t.Context(), commerce.SubscriptionChange{Before: &before, After: after}, nil); err != nil {
		t.Fatal(err)
	}
	// Somebody is quicker once.
	quicker := true
	w.store.Inject(func(op storetest.Operation) storetest.Fault {
		if op == storetest.Spoken && quicker {
			quicker = false
			return storetest.Fault{Err: command.ErrConflict}
		}
		return storetest.Fault{}
	})
	admin := person(spruce, "US", "spruce.example")
	if _, err := w.self.Disown(t.Context(), admin, string(id), "corr"); err != nil {
		t.Fatal(err)
	}
	fell, err := w.store.Subscription(t.Context(), commerce.View{Partner: birch, Customer: id}, before.ID)
	if err != nil || fell.SupportContact != "" || fell.Supporter() != birch {
		t.Errorf("%+v, %v", fell, err)
	}
	if n := slices.IndexFunc(fell.History, func(e commerce.Entry) bool { return e.Action == commerce.SupportFellBack }); n < 0 || fell.History[n].Tenant != cedar {
		t.Errorf("nobody is told: %+v", fell.History)
	}
	for _, p := range []partner.TenantID{birch, cedar} {
		if r := w.row(p, id); r.Status != relationship.Removed || r.Sold.Active != 0 || r.History[len(r.History)-1].Action != relationship.WasDisowned {
			t.Errorf("%s has %+v", p, r)
		}
	}
	subs, err := w.store.ListSubscriptions(t.Context(), commerce.View{Partner: birch, Customer: id}, commerce.Page{Limit: 100})
	if err != nil || len(subs.Subscriptions) != 3 {
		t.Fatalf("%+v, %v", subs, err)
	}
	for _, s := range subs.Subscriptions {
		if s.Status != commerce.SubscriptionSuspended {
			t.Errorf("%s is %s", s.ID, s.Status)
		}
	}
	if _, err := w.self.Disown(t.Context(), admin, string(id), "corr"); !problem.Is(err, problem.NotFound) {
		t.Errorf("once more: %v", err)
	}
	ids, _ := w.store.Occupants(t.Context(), cedar, id)
	w.answers(link.Link{Tenant: string(cedar), ID: ids[0], Generation: 1}, admin, "accept", invitation.OtherTenant)
	for _, p := range []partner.TenantID{birch, alder} {
		if _, err := w.made(p, "spruce.example", "US"); !problem.Is(err, problem.InvitationRequired) {
			t.Errorf("%s creates it again: %v", p, err)
		}
	}
}

// What its partner has ended is asked of nobody, and is claimed all the same by who answers the next request of that partner.
func TestRecordThatHasEnded(t *testing.T) {
	w := newTown(t)
	id := w.creates(alder, "spruce.example", "US")
	before := w.row(alder, id)
	removed, _ := before.Remove(relationship.Entry{At: time.Now()}, relationship.AttestedText{Version: "1"})
	if err := w.store.Commit(t.Context(), nil, []relationship.Change{{Before: &before, After: removed}}); err != nil {
		t.Fatal(err)
	}
	admin := person(spruce, "US", "spruce.example")
	if o, err := w.self.Overview(t.Context(), admin); err != nil || len(o.Found) != 0 {
		t.Errorf("the company is asked about %+v, %v", o.Found, err)
	}
	w.answers(w.asks(alder, ""), admin, "accept", invitation.AcceptedBy)
	if r := w.row(alder, spruce); r.Customer.Tenant != id || r.Customer.ClaimedBy != spruce || r.Status != relationship.Active || r.DelegatedAdmin != relationship.ActiveDAP {
		t.Errorf("%+v", r)
	}
	if got := w.lists(alder); !slices.Equal(got, []partner.TenantID{id}) {
		t.Errorf("alder lists %v", got)
	}
}

// 0.29: whoever answers makes its domains known, also by declining and also by granular administration; a rehearsal does not.
func TestAnswersMakeDomainsKnown(t *testing.T) {
	w := newTown(t)
	w.answers(w.asks(alder, ""), person(spruce, "US", "one.example", "a.b.example"), "decline", invitation.DeclinedBy)
	l := w.granular("")
	if _, c, err := w.grants.Respond(t.Context(), l, person(oak, "US", "two.example"), granular.Response{Answer: "accept", Authorized: true, FullName: "O", JobTitle: "D"}); err != nil || c != granular.ApprovedBy {
		t.Fatalf("%q, %v", c, err)
	}
	for _, domain := range []string{"one.example", "a.b.example", "b.example", "two.example", "x.two.example"} {
		if _, err := w.made(birch, domain, "US"); !problem.Is(err, problem.InvitationRequired) {
			t.Errorf("%s: %v", domain, err)
		}
	}
	w.answers(w.asks(alder, "", func(q *invitation.Proposal) {
		q.Sandbox, q.RecipientEmail = new(true), new("success@simulator.amazonses.com")
	}), person(larch, "US", "three.example"), "accept", invitation.AcceptedBy)
	w.creates(birch, "three.example", "US")
}

// granular has alder propose administration to a company, or to whoever approves.
func (w *town) granular(bound partner.TenantID) link.Link {
	w.Helper()
	terms := *desk()
	terms.DisplayName = new("Desk " + w.key())
	if bound != "" {
		terms.Customer = new(string(bound))
	}
	r, _, err := w.grants.Create(w.Context(), command.Command{User: user(alder), Key: w.key(), Body: "body"}, terms)
	if err == nil {
		_, _, err = w.grants.Lock(w.Context(), command.Command{User: user(alder), Key: w.key(), Body: "body"}, r.ID)
	}
	if err != nil {
		w.Fatal(err)
	}
	return link.Link{Tenant: string(alder), ID: r.ID, Generation: r.Generation}
}

// 0.30 for granular administration: its approval claims too, and stays with the one customer.
func TestGranularApprovalClaims(t *testing.T) {
	for name, bound := range map[string]bool{"named by its id": true, "named by nobody": false} {
		t.Run(name, func(t *testing.T) {
			w := newTown(t)
			id := w.creates(alder, "spruce.example", "US")
			l := w.granular("")
			if bound {
				l = w.granular(id)
			}
			accept := granular.Response{Answer: "accept", Authorized: true, FullName: "Sam Spruce", JobTitle: "Director"}
			if bound {
				if _, c, err := w.grants.Respond(t.Context(), l, person(oak, "US", "oak.example"), accept); err != nil || c != granular.OtherTenant {
					t.Errorf("another company: %q, %v", c, err)
				}
				if _, c, err := w.grants.Respond(t.Context(), l, person(spruce, "FR", "spruce.example"), accept); err != nil || c != granular.OtherRegion {
					t.Errorf("from elsewhere: %q, %v", c, err)
				}
			}
			admin := person(spruce, "US", "spruce.example")
			who := admin
			if _, c, err := w.grants.Look(t.Context(), l, &who); err != nil || c != granular.Form {
				t.Errorf("sees %q, %v", c, err)
			}
			if _, c, err := w.grants.Respond(t.Context(), l, who, accept); err != nil || c != granular.ApprovedBy {
				t.Fatalf("%q, %v", c, err)
			}
			if r := w.row(alder, spruce); r.Customer.Tenant != id || r.Customer.ClaimedBy != spruce {
				t.Errorf("%+v", r.Customer)
			}
			granted, err := w.grants.Granted(t.Context(), user(alder), id)
			if err != nil || len(granted) != 1 || granted[0].Customer != id {
				t.Errorf("granted %+v, %v", granted, err)
			}
			if got := w.lists(alder); !slices.Equal(got, []partner.TenantID{id}) {
				t.Errorf("alder lists %v", got)
			}
			colleague := who
			colleague.Subject = "another admin"
			if _, c, err := w.grants.End(t.Context(), l, colleague, "corr"); err != nil || c != granular.Over {
				t.Errorf("its end: %q, %v", c, err)
			}
		})
	}
}

// One company that was created under two of its domains by the same partner is listed once; both ids stay.
func TestOneCompanyIsListedOnce(t *testing.T) {
	w := newTown(t)
	one, two := w.creates(alder, "spruce.example", "US"), w.creates(alder, "spruce.test", "US")
	admin := person(spruce, "US", "spruce.example", "spruce.test")
	w.answers(w.asks(alder, one), admin, "accept", invitation.AcceptedBy)
	if got := w.lists(alder); len(got) != 1 {
		t.Errorf("alder lists %v", got)
	}
	for _, id := range []partner.TenantID{one, two} {
		if r := w.row(alder, id); r.Customer.ClaimedBy != spruce {
			t.Errorf("%s is %+v", id, r.Customer)
		}
	}
}

// Many at once: of all who create a company one does; of all its admins and requests each finds the same customer; and another
// partner's request that is answered at the same moment never makes it two.
func TestManyClaimAtOnce(t *testing.T) {
	for round := range 20 {
		w := newTown(t)
		partners := []partner.TenantID{alder, birch}
		made := make([]partner.TenantID, 12)
		var wg sync.WaitGroup
		for n := range made {
			wg.Go(func() {
				id, err := w.made(partners[n%2], "spruce.example", "US")
				if err != nil && !problem.Is(err, problem.InvitationRequired) && !problem.Is(err, problem.RelationshipExists) {
					t.Error(err)
				}
				if err == nil {
					made[n] = id
				}
			})
		}
		wg.Wait()
		made = slices.DeleteFunc(made, func(id partner.TenantID) bool { return id == "" })
		if len(made) != 1 {
			t.Fatalf("%d were made", len(made))
		}
		id := made[0]
		by := w.record(id).By
		other := alder
		if by == alder {
			other = birch
		}
		links := []link.Link{w.asks(by, id), w.asks(by, ""), w.asks(other, ""), w.asks(by, "")}
		errs := make([]error, len(links))
		for n, l := range links {
			wg.Go(func() {
				admin := person(spruce, "US", "spruce.example")
				admin.Subject = fmt.Sprint("admin ", n)
				_, c, err := w.ask.Respond(t.Context(), l, admin, response("accept"))
				if err == nil && c != invitation.AcceptedBy {
					err = fmt.Errorf("the case is %s", c)
				}
				errs[n] = err
			})
		}
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if r := w.record(id); r.Tenant != spruce || r.Apart != "" {
			t.Errorf("the record is %+v", r)
		}
		for _, p := range partners {
			a, b := w.row(p, id), w.row(p, spruce)
			if a.ID != b.ID || a.Apart || a.IdentityCheck != relationship.NotNeeded || a.DelegatedAdmin != relationship.ActiveDAP {
				t.Errorf("%s has %+v and %+v", p, a, b)
			}
			if got := w.lists(p); len(got) != 1 {
				t.Errorf("%s lists %v", p, got)
			}
		}
		if holder := w.store.Holders()["spruce.example"]; holder.ID != id {
			t.Errorf("the domain is of %+v", holder)
		}
	}
}
