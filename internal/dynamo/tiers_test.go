package dynamo_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"concord/infra/local/engine"
	"concord/internal/command"
	"concord/internal/dynamo"
	"concord/internal/emailaddr"
	"concord/internal/invitation"
	"concord/internal/locale"
	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/problem"
	"concord/internal/relationship"
)

// together is a reseller and its provider over the real store.
type together struct {
	store              *dynamo.Store
	service            *invitation.Service
	provider, reseller partner.TenantID
	now                time.Time
	people             []relationship.Person
}

func newTogether(t testing.TB, store *dynamo.Store) *together {
	t.Helper()
	s := &together{store: store, provider: randomTenant(), reseller: randomTenant(), now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
	for tenant, role := range map[partner.TenantID]partner.ProgramRole{s.provider: partner.IndirectProvider, s.reseller: partner.IndirectReseller} {
		err := store.CreateAccount(t.Context(), partner.Account{
			Tenant: tenant, DisplayName: "Partner", Role: role, Cloud: "public", Country: "US", Status: partner.Active, Locale: "en",
			MPA: &partner.Agreement{SignedAt: s.now, Version: "1"}, CreatedAt: s.now, Version: 1,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	s.service = &invitation.Service{
		Store: store, Accounts: store, Relationships: store, Partnerships: store, Regions: partner.ShippedRegions(),
		Clouds:    partner.Clouds{{ID: "public", PortalName: "Concord", BaseURL: "https://portal.example", AdministrationOptional: true}},
		Addresses: emailaddr.Addresses{AllowReserved: true}, Locales: locale.Tags, Ledger: store, Now: func() time.Time { return s.now },
	}
	for n := range 3 {
		p := person()
		p.Subject = fmt.Sprint("who", n)
		s.people = append(s.people, p)
	}
	return s
}

func (s *together) pair() partnership.Pair {
	return partnership.Pair{Provider: s.provider, Reseller: s.reseller}
}

func (s *together) command(tenant partner.TenantID) command.Command {
	return command.Command{User: partner.User{Subject: "agent", Tenant: tenant, Roles: []partner.Role{partner.AdminAgent}}, CorrelationID: "c"}
}

// turn makes the partnership active, or ends it; true when that was a change.
func (s *together) turn(ctx context.Context, active bool) (bool, error) {
	for {
		before, err := s.store.Partnership(ctx, s.provider, s.pair().ID())
		if err != nil && !problem.Is(err, problem.NotFound) {
			return false, err
		}
		c := partnership.Change{Before: &before}
		changed := false
		switch {
		case err != nil:
			c.Before = nil
			c.After, changed = partnership.Establish(nil, partnership.Authorisation{Pair: s.pair(), At: s.now, By: "who"})
		case active:
			c.After, changed = partnership.Establish(&before, partnership.Authorisation{Pair: s.pair(), At: s.now, By: "who"})
		default:
			c.After, changed = before.Remove(partnership.Entry{At: s.now, Side: partnership.ProviderSide}, relationship.AttestedText{Version: "1"})
		}
		if !changed {
			return false, nil
		}
		if err := s.store.WritePartnership(ctx, c); !errors.Is(err, command.ErrConflict) {
			return err == nil, err
		}
	}
}

// truth is what is true of one dual invitation and the partnership that it needs.
type truth struct {
	partnered, accepted bool
	by                  int
}

type deed struct {
	do  string // accept, remove, establish
	who int
}

// step says whether a result is right, and what is true afterwards. That a partnership is missing may be said of an invitation that
// somebody else has just accepted: it is read after the invitation.
func (s truth) step(d deed, result string) (bool, truth) {
	if result == string(problem.Unavailable) {
		return true, s
	}
	switch d.do {
	case "remove", "establish":
		active := d.do == "establish"
		changes := s.partnered != active
		s.partnered = active
		return result == fmt.Sprint(changes), s
	case "accept":
		switch {
		case result == string(invitation.NoPartnership):
			return !s.partnered, s
		case s.accepted && s.by == d.who:
			return result == string(invitation.AcceptedBy), s
		case s.accepted:
			return result == string(invitation.Answered), s
		case !s.partnered:
			return false, s
		}
		s.accepted, s.by = true, d.who
		return result == string(invitation.AcceptedBy), s
	}
	return false, s
}

// TestDualLinearizable has people of several companies accept one dual invitation while the partnership that it needs ends and comes back.
// What they are told is what one after the other could have been told, and there are two relationships, of the one who accepted, or
// none (invariants 2, 3 and 4).
func TestDualLinearizable(t *testing.T) {
	t.Parallel()
	const callers, each = 5, 4
	store := dynamo.New(config(t), newTable(t))
	check := porcupine.Model{
		Init: func() any { return truth{partnered: true} },
		Step: func(state, input, output any) (bool, any) { return state.(truth).step(input.(deed), output.(string)) },
	}
	outcomes := map[string]int{}
	var mu sync.Mutex
	limit := make(chan struct{}, 4)
	var wg sync.WaitGroup
	for h := *firstHistory; h < *firstHistory+*histories; h++ {
		limit <- struct{}{}
		wg.Go(func() {
			defer func() { <-limit }()
			history, s := dualHistory(t, store, uint64(h), callers, each)
			result := porcupine.CheckOperationsTimeout(check, history, 10*time.Second)
			mu.Lock()
			defer mu.Unlock()
			if result != porcupine.Ok {
				t.Errorf("history %d is not linearizable (%v)", h, result)
			}
			winner := -1
			for _, o := range history {
				d, got := o.Input.(deed), o.Output.(string)
				outcomes[d.do+" "+got]++
				if result != porcupine.Ok {
					t.Logf("%d: %8d to %8d: %+v gives %s", o.ClientId, o.Call, o.Return, d, got)
				}
				if d.do == "accept" && got == string(invitation.AcceptedBy) {
					winner = d.who
				}
			}
			s.heldTogether(t, winner)
		})
	}
	wg.Wait()
	t.Logf("%d histories: %v", *histories, outcomes)
	for _, must := range []string{"accept accepted", "accept answered", "accept partnership-required", "remove true", "establish true"} {
		if outcomes[must] == 0 && *histories > 1 {
			t.Errorf("%q never happened: the histories prove little", must)
		}
	}
}

// heldTogether fails unless both tiers have a relationship with the company that accepted, and neither with anybody else.
func (s *together) heldTogether(t *testing.T, winner int) {
	t.Helper()
	for n, who := range s.people {
		for _, p := range []partner.TenantID{s.provider, s.reseller} {
			r, err := s.store.Relationship(t.Context(), p, who.Company.Tenant)
			switch {
			case n == winner && (err != nil || r.Version != 1 || r.Status != relationship.Active || r.Via != s.pair().With(p)):
				t.Errorf("the relationship of %s: %+v, %v", p, r, err)
			case n != winner && !problem.Is(err, problem.NotFound):
				t.Errorf("%s has a relationship with who did not accept: %+v, %v", p, r, err)
			}
		}
	}
}

func dualHistory(t *testing.T, store *dynamo.Store, seed uint64, callers, each int) ([]porcupine.Operation, *together) {
	t.Helper()
	s := newTogether(t, store)
	if _, err := s.turn(t.Context(), true); err != nil {
		t.Error(err)
		return nil, s
	}
	provider := string(s.provider)
	inv, _, err := s.service.Invite(t.Context(), s.command(s.reseller), invitation.Proposal{Kind: invitation.DualReseller, ProviderTenantID: &provider})
	if err != nil {
		t.Error(err)
		return nil, s
	}
	var lock sync.Mutex
	var history []porcupine.Operation
	began := time.Now()
	random := rand.New(rand.NewPCG(seed, 7))
	var all sync.WaitGroup
	for client := range callers {
		plan := make([]deed, each)
		for n := range plan {
			plan[n] = deed{do: []string{"accept", "accept", "remove", "establish"}[random.IntN(4)], who: random.IntN(len(s.people))}
		}
		all.Go(func() {
			for _, d := range plan {
				call := time.Since(began)
				got := s.carryOut(t.Context(), d, inv)
				ret := time.Since(began)
				lock.Lock()
				history = append(history, porcupine.Operation{ClientId: client, Input: d, Call: int64(call), Output: got, Return: int64(ret)})
				lock.Unlock()
			}
		})
	}
	all.Wait()
	return history, s
}

func (s *together) carryOut(ctx context.Context, d deed, inv invitation.Invitation) string {
	if d.do != "accept" {
		changed, err := s.turn(ctx, d.do == "establish")
		if err != nil {
			return said(err).result
		}
		return fmt.Sprint(changed)
	}
	_, c, err := s.service.Respond(ctx, linkOf(inv), s.people[d.who], response("accept"))
	if err != nil {
		return said(err).result
	}
	return string(c)
}

// Invariants 1, 2 and 3b on the real store: many ask the same at once, and one request is open; many requests for one partnership are
// accepted at once, and there is one partnership, granted once.
func TestTiersAtOnce(t *testing.T) {
	t.Parallel()
	s := newTogether(t, dynamo.New(config(t), newTable(t)))
	if _, err := s.turn(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	const n = 24
	results := func(do func(int) string) map[string]int {
		got := map[string]int{}
		var mu sync.Mutex
		var all sync.WaitGroup
		for i := range n {
			all.Go(func() {
				r := do(i)
				mu.Lock()
				defer mu.Unlock()
				got[r]++
			})
		}
		all.Wait()
		return got
	}
	provider, mail := string(s.provider), "lena@larch.example"
	if got := results(func(int) string {
		_, _, err := s.service.Invite(t.Context(), s.command(s.reseller), invitation.Proposal{Kind: invitation.DualReseller, ProviderTenantID: &provider, RecipientEmail: &mail})
		return said(err).result
	}); got["ok"] != 1 || got["ok"]+got[string(problem.DuplicateOpenInvitation)]+got[string(problem.Unavailable)] != n {
		t.Errorf("the same at once: %v", got)
	}
	// Every request of its own, of another provider that the reseller does not know yet.
	other := newTogether(t, s.store)
	asked := make([]invitation.Invitation, n)
	for i := range asked {
		var err error
		if asked[i], _, err = other.service.Invite(t.Context(), other.command(other.provider), invitation.Proposal{Kind: invitation.Partnership}); err != nil {
			t.Fatal(err)
		}
	}
	reseller := person()
	reseller.Company.Tenant = other.reseller
	accept := response("accept")
	accept.AuthorizeProvider = true
	if got := results(func(i int) string {
		_, c, err := other.service.Respond(t.Context(), linkOf(asked[i]), reseller, accept)
		if err != nil {
			return said(err).result
		}
		return string(c)
	}); got[string(invitation.AcceptedBy)]+got[string(problem.Unavailable)] != n || got[string(invitation.AcceptedBy)] == 0 {
		t.Errorf("accepted at once: %v", got)
	}
	p, err := s.store.Partnership(t.Context(), other.reseller, other.pair().ID())
	if err != nil || p.Version != 1 || p.Status != partnership.Active || p.ProviderAccess != partnership.Granted {
		t.Errorf("%+v, %v", p, err)
	}
	granted := 0
	for _, i := range asked {
		stored, err := s.store.Invitation(t.Context(), i.Key, true)
		if err != nil {
			t.Fatal(err)
		}
		if stored.Status == invitation.Accepted && !stored.Answer.NoChange {
			granted++
		}
	}
	if granted != 1 {
		t.Errorf("%d answers granted the one partnership", granted)
	}
}

// TestCostOfTiers pins what the use cases of two tiers cost beside those of one (see TestCost).
func TestCostOfTiers(t *testing.T) {
	t.Parallel()
	exact := slices.Contains([]string{"", engine.Dynoxide}, os.Getenv("ENGINE")) && os.Getenv("AWS_ENDPOINT_URL_DYNAMODB") == ""
	m := &meter{use: nothing()}
	cfg := config(t)
	cfg.APIOptions = append(cfg.APIOptions, m.add)
	store := dynamo.New(cfg, newTable(t))
	s := newTogether(t, store)
	ctx := t.Context()
	measure := func(name, want string, f func() error) {
		t.Helper()
		var err error
		u := m.during(func() { err = f() })
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		t.Logf("| %s | %s |", name, u)
		if exact && u.String() != want {
			t.Errorf("%s costs\n     %s\nwant %s", name, u, want)
		}
	}
	answer := func(i invitation.Invitation, who relationship.Person, r invitation.Response) error {
		_, c, err := s.service.Respond(ctx, linkOf(i), who, r)
		if err == nil && c != invitation.AcceptedBy {
			err = fmt.Errorf("the page is %s", c)
		}
		return err
	}
	var asked, both invitation.Invitation
	measure("ask for a partnership", "1 GetItem, 1 PutItem | 1 | 1 | 0 | **2** | 0.5 | 0 | 0 | **0.5**", func() (err error) {
		asked, _, err = s.service.Invite(ctx, s.command(s.provider), invitation.Proposal{Kind: invitation.Partnership})
		return err
	})
	reseller, accept := person(), response("accept")
	reseller.Company.Tenant, accept.AuthorizeProvider = s.reseller, true
	measure("authorise the provider", "4 GetItem, 1 TransactWriteItems | 6 | 0 | 1 | **7** | 3.5 | 0 | 0 | **3.5**", func() error { return answer(asked, reseller, accept) })
	provider := string(s.provider)
	measure("ask for both tiers", "3 GetItem, 1 PutItem | 1 | 1 | 0 | **2** | 2 | 0 | 0 | **2**", func() (err error) {
		both, _, err = s.service.Invite(ctx, s.command(s.reseller), invitation.Proposal{Kind: invitation.DualReseller, ProviderTenantID: &provider})
		return err
	})
	measure("accept both tiers", "4 GetItem, 1 TransactWriteItems | 8 | 2 | 1 | **13** | 3.5 | 0 | 0 | **3.5**", func() error { return answer(both, s.people[0], response("accept")) })
	use := partnership.Service{Store: store, Accounts: store, Tiers: store, Now: func() time.Time { return s.now }}
	user := s.command(s.provider).User
	measure("my resellers", "1 BatchGetItem, 1 Query | 0 | 0 | 0 | **0** | 1.5 | 0 | 0 | **1.5**", func() error {
		list, _, err := use.Partnerships(ctx, user, partnership.Query{Status: partnership.Active, Side: partnership.ProviderSide, Limit: 25})
		if err == nil && len(list) != 1 {
			err = fmt.Errorf("%d resellers", len(list))
		}
		return err
	})
	measure("customers in common", "2 BatchGetItem, 1 GetItem, 1 Query | 0 | 0 | 0 | **0** | 2.5 | 0.5 | 0 | **3**", func() error {
		page, err := use.Shared(ctx, user, s.pair().ID(), relationship.Query{Limit: 25})
		if err == nil && len(page.Relationships) != 1 {
			err = fmt.Errorf("%d customers", len(page.Relationships))
		}
		return err
	})
	measure("resellers of a customer", "2 BatchGetItem, 1 GetItem, 1 Query | 0 | 0 | 0 | **0** | 3.5 | 0 | 0 | **3.5**", func() error {
		list, _, err := use.ResellersOf(ctx, user, string(s.people[0].Company.Tenant), partnership.Query{Limit: 25})
		if err == nil && len(list) != 1 {
			err = fmt.Errorf("%d resellers", len(list))
		}
		return err
	})
	measure("revoke the provider's administration", "1 BatchGetItem, 1 GetItem, 1 TransactWriteItems | 4 | 0 | 0 | **4** | 1.5 | 0 | 0 | **1.5**", func() error {
		admin := partner.User{Subject: "admin", Tenant: s.reseller, Roles: []partner.Role{partner.GlobalAdmin}}
		_, err := use.RevokeAccess(ctx, command.Command{User: admin}, s.pair().ID())
		return err
	})
}
