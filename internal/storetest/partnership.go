package storetest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"concord/internal/command"
	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/problem"
	"concord/internal/relationship"
)

var _ Tiers = (*Memory)(nil)

// Tiers is what knows who works with whom.
type Tiers interface {
	partnership.Store
	partnership.Tiers
	partnership.Accounts
}

// Operations of partnerships.
const (
	Partnership      Operation = "Partnership"
	Partnerships     Operation = "Partnerships"
	WritePartnership Operation = "WritePartnership"
	Settle           Operation = "Settle"
	Between          Operation = "Between"
	AccountsOf       Operation = "AccountsOf"
)

// Partnership is that of [partnership.Store].
func (m *Memory) Partnership(ctx context.Context, of partner.TenantID, id string) (p partnership.Partnership, err error) {
	if err := ctx.Err(); err != nil {
		return p, err
	}
	err = m.do(Partnership, func() error {
		for _, stored := range m.partnerships {
			if stored.ID() == id && stored.Side(of) != "" {
				p = copyPartnership(stored)
				return nil
			}
		}
		return problem.New(problem.NotFound, "There is no such partnership.")
	})
	return p, err
}

// Partnerships is that of [partnership.Store].
func (m *Memory) Partnerships(ctx context.Context, of partner.TenantID, q partnership.Query) (page partnership.Page, err error) {
	if err := ctx.Err(); err != nil {
		return page, err
	}
	err = m.do(Partnerships, func() error {
		if q.After != "" && !partnership.IsID(q.After) {
			return malformed()
		}
		all := map[string]partnership.Partnership{}
		for _, p := range m.partnerships {
			if p.Side(of) != "" {
				all[p.ID()] = p
			}
		}
		kept, next := walk(slices.Sorted(maps.Keys(all)), q.Limit, func(k string) bool { return k > q.After }, func(k string) bool { return q.Matches(all[k], of) })
		for _, k := range kept {
			page.Partnerships = append(page.Partnerships, copyPartnership(all[k]))
		}
		page.Next = next
		return nil
	})
	return page, err
}

// WritePartnership is that of [partnership.Store].
func (m *Memory) WritePartnership(ctx context.Context, c partnership.Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return m.do(WritePartnership, func() error {
		if !m.partners(c) {
			return command.ErrConflict
		}
		set(&m.partnerships, c.After.Pair, copyPartnership(c.After))
		return nil
	})
}

// Settle is that of [invitation.Store].
func (m *Memory) Settle(ctx context.Context, st invitation.Settlement) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c, stored := st.Invitation, false
	err := m.do(Settle, func() error {
		if err := m.committable([]invitation.Change{c}, st.Relationships); err != nil {
			return err
		}
		if st.Partnership != nil && !m.partners(*st.Partnership) || st.Stands != nil && m.partnerships[*st.Stands].Status != partnership.Active {
			return invitation.ErrConflict
		}
		if !m.discoverable(st.Discovery) {
			return invitation.ErrConflict
		}
		m.commit([]invitation.Change{c}, st.Relationships)
		m.discover(st.Discovery)
		if st.Partnership != nil {
			set(&m.partnerships, st.Partnership.After.Pair, copyPartnership(st.Partnership.After))
		}
		stored = true
		return nil
	})
	if stored {
		m.wake(c.After)
	}
	return err
}

// partners reports whether a change of a partnership is over what is stored.
func (m *Memory) partners(c partnership.Change) bool {
	was := 0
	if c.Before != nil {
		was = c.Before.Version
	}
	if c.After.Version != was+1 {
		panic(fmt.Sprintf("storetest: version %d of a partnership over version %d", c.After.Version, was))
	}
	return m.partnerships[c.After.Pair].Version == was
}

// PutPartnership stores a partnership over whatever was there.
func (m *Memory) PutPartnership(p partnership.Partnership) {
	m.mu.Lock()
	defer m.mu.Unlock()
	set(&m.partnerships, p.Pair, copyPartnership(p))
}

// Between is that of [partnership.Tiers].
func (m *Memory) Between(ctx context.Context, pairs []relationship.Pair) (list []relationship.Relationship, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	err = m.do(Between, func() error {
		for _, p := range pairs {
			if r, found := m.relationships[pair{p.Partner, p.Customer}]; found {
				list = append(list, copyRelationship(r))
			}
		}
		return nil
	})
	return list, err
}

// AccountsOf is that of [partnership.Accounts].
func (m *Memory) AccountsOf(ctx context.Context, tenants []partner.TenantID) (list []partner.Account, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	err = m.do(AccountsOf, func() error {
		for _, t := range tenants {
			if a, found := m.accounts[t]; found {
				list = append(list, copyAccount(a))
			}
		}
		return nil
	})
	return list, err
}

func copyPartnership(p partnership.Partnership) partnership.Partnership {
	p.EstablishedAt, p.UpdatedAt = second(p.EstablishedAt), second(p.UpdatedAt)
	p.History = slices.Clone(p.History)
	for n := range p.History {
		p.History[n].At = second(p.History[n].At)
	}
	if p.Removal != nil {
		removal := *p.Removal
		removal.At = second(removal.At)
		p.Removal = &removal
	}
	return p
}

// partnered is a new partnership between two companies.
func partnered(provider, reseller partner.TenantID) partnership.Partnership {
	p, _ := partnership.Establish(nil, partnership.Authorisation{
		Pair: partnership.Pair{Provider: provider, Reseller: reseller}, Invitation: id(), RegionTable: "2026-11-01", At: noon, By: "who",
		Consent: partnership.Consent{Version: "2026-11", Language: "en", Hash: rand.Text()}, CorrelationID: string(tenant()),
	})
	return p
}

func (s *suite) partner(before *partnership.Partnership, after partnership.Partnership) partnership.Partnership {
	s.Helper()
	if err := s.Tiers.WritePartnership(s.Context(), partnership.Change{Before: before, After: after}); err != nil {
		s.Fatal(err)
	}
	return copyPartnership(after)
}

// isPartnership holds both directories against what they have to say (rule N6).
func (s *suite) isPartnership(want partnership.Partnership) {
	s.Helper()
	for _, of := range []partner.TenantID{want.Provider, want.Reseller} {
		got, err := s.Tiers.Partnership(s.Context(), of, want.ID())
		if err != nil {
			s.Fatal(err)
		}
		s.same(want, got)
		page, err := s.Tiers.Partnerships(s.Context(), of, partnership.Query{Limit: 25})
		if err != nil {
			s.Fatal(err)
		}
		s.same([]partnership.Partnership{want}, page.Partnerships)
	}
}

func (s *suite) partnership() {
	first := s.partner(nil, partnered(tenant(), tenant()))
	s.isPartnership(first)
	_, err := s.Tiers.Partnership(s.Context(), tenant(), first.ID()) // another company's
	s.code(err, problem.NotFound)
	_, err = s.Tiers.Partnership(s.Context(), first.Provider, "pshp_none")
	s.code(err, problem.NotFound)
	e := partnership.Entry{At: noon.Add(time.Hour), Side: partnership.ResellerSide, By: "admin", CorrelationID: string(tenant())}
	revoked, _ := first.Revoke(e)
	second := s.partner(&first, revoked)
	e.Side = partnership.ProviderSide
	ended, _ := second.Remove(e, relationship.AttestedText{Version: "1", Language: "en", Hash: "ab"})
	third := s.partner(&second, ended)
	s.isPartnership(third)
	again, _ := partnership.Establish(&third, partnership.Authorisation{Pair: third.Pair, Invitation: id(), At: noon.Add(2 * time.Hour), By: "who"})
	s.isPartnership(s.partner(&third, again))
}

func (s *suite) partnershipOutdated() {
	first := s.partner(nil, partnered(tenant(), tenant()))
	s.refused(s.Tiers.WritePartnership(s.Context(), partnership.Change{After: partnered(first.Provider, first.Reseller)}), command.ErrConflict)
	revoked, _ := first.Revoke(partnership.Entry{At: noon, Side: partnership.ResellerSide})
	second := s.partner(&first, revoked)
	s.refused(s.Tiers.WritePartnership(s.Context(), partnership.Change{Before: &first, After: revoked}), command.ErrConflict)
	s.isPartnership(second)
}

// Invariant 2: one partnership per provider and reseller, however many are made at once.
func (s *suite) partnershipOnce() {
	provider, reseller := tenant(), tenant()
	made := make([]error, 64)
	var all sync.WaitGroup
	for n := range made {
		all.Go(func() {
			made[n] = s.Tiers.WritePartnership(s.Context(), partnership.Change{After: partnered(provider, reseller)})
		})
	}
	all.Wait()
	won := 0
	for _, err := range made {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, command.ErrConflict) && problem.CodeOf(err) != problem.Unavailable:
			s.Error(err)
		}
	}
	if won != 1 {
		s.Errorf("%d of 64 made the partnership", won)
	}
}

func (s *suite) partnershipList() {
	provider := tenant()
	var all []partnership.Partnership
	for n := range 7 {
		p := partnered(provider, tenant())
		if n == 6 {
			p = partnered(tenant(), provider) // once the other way round
		}
		p = s.partner(nil, p)
		if n%3 == 1 {
			ended, _ := p.Remove(partnership.Entry{At: noon, Side: partnership.ProviderSide}, relationship.AttestedText{Version: "1"})
			p = s.partner(&p, ended)
		}
		all = append(all, p)
	}
	for name, q := range map[string]partnership.Query{
		"all": {}, "active": {Status: partnership.Active}, "removed": {Status: partnership.Removed}, "resellers": {Side: partnership.ProviderSide},
		"providers": {Side: partnership.ResellerSide}, "no provider that was left": {Side: partnership.ResellerSide, Status: partnership.Removed},
	} {
		var want []string
		for _, p := range all {
			if q.Matches(p, provider) {
				want = append(want, p.ID())
			}
		}
		slices.Sort(want)
		for _, limit := range []int{1, 3, 25} {
			var got []string
			for q.Limit, q.After = limit, ""; ; {
				page, err := s.Tiers.Partnerships(s.Context(), provider, q)
				if err != nil {
					s.Fatal(err)
				}
				if len(page.Partnerships) > limit {
					s.Fatalf("%d partnerships in a page of %d", len(page.Partnerships), limit)
				}
				for _, p := range page.Partnerships {
					got = append(got, p.ID())
				}
				if q.After = page.Next; q.After == "" {
					break
				}
			}
			if !slices.Equal(want, got) {
				s.Errorf("%s, %d to a page: %v, want %v", name, limit, got, want)
			}
		}
	}
	_, err := s.Tiers.Partnerships(s.Context(), provider, partnership.Query{Limit: 25, After: "nowhere"})
	s.code(err, problem.MalformedRequest)
}

func (s *suite) tiers() {
	a, b, c := tenant(), tenant(), tenant()
	one := s.agree(a, func(*relationship.Relationship) {})
	two := s.agree(b, func(r *relationship.Relationship) { r.Status = relationship.Removed })
	got, err := s.Tiers.Between(s.Context(), []relationship.Pair{
		{Partner: a, Customer: one.Customer.Tenant}, {Partner: b, Customer: two.Customer.Tenant}, {Partner: c, Customer: one.Customer.Tenant},
		{Partner: a, Customer: two.Customer.Tenant},
	})
	if err != nil {
		s.Fatal(err)
	}
	if len(got) == 2 && got[0].Partner == b {
		slices.Reverse(got)
	}
	s.same([]relationship.Relationship{one, two}, got)
	first, second := s.register(), s.register()
	s.eventually("the accounts", func() (any, bool) {
		list, err := s.Tiers.AccountsOf(s.Context(), []partner.TenantID{first.Tenant, c, second.Tenant})
		if err != nil {
			s.Fatal(err)
		}
		return list, len(list) == 2
	})
	if got, err := s.Tiers.Between(s.Context(), nil); err != nil || len(got) != 0 {
		s.Errorf("%v, %v of no pairs", got, err)
	}
}

// settled gives an invitation that is open, and its acceptance.
func (s *suite) settled(p, customer partner.TenantID) invitation.Change {
	s.Helper()
	before := s.create(p)
	before = s.write(&before, pending(before))
	return invitation.Change{Before: &before, After: accepted(before, "who", customer)}
}

// Invariant 3: an answer and two relationships, all of it or nothing.
func (s *suite) settleTiers() {
	reseller, provider, customer := tenant(), tenant(), tenant()
	s.partner(nil, partnered(provider, reseller))
	c := s.settled(reseller, customer)
	mine, theirs := agreed(reseller, customer, c.After.ID), agreed(provider, customer, c.After.ID)
	mine.Via, theirs.Via = provider, reseller
	outdated := theirs
	outdated.Version = 2
	over := theirs
	stands := &partnership.Pair{Provider: provider, Reseller: reseller}
	s.refused(s.Invitations.Settle(s.Context(), invitation.Settlement{
		Invitation: c, Relationships: []relationship.Change{{After: mine}, {Before: &over, After: outdated}}, Stands: stands,
	}), invitation.ErrConflict)
	_, err := s.Relationships.Relationship(s.Context(), reseller, customer)
	s.code(err, problem.NotFound)
	s.same(*c.Before, s.stored(c.After.Key))
	if err := s.Invitations.Settle(s.Context(), invitation.Settlement{Invitation: c, Relationships: []relationship.Change{{After: mine}, {After: theirs}}, Stands: stands}); err != nil {
		s.Fatal(err)
	}
	s.same(c.After, s.stored(c.After.Key))
	for p, want := range map[partner.TenantID]relationship.Relationship{reseller: mine, provider: theirs} {
		got, err := s.Relationships.Relationship(s.Context(), p, customer)
		if err != nil {
			s.Fatal(err)
		}
		s.same(want, got)
	}
	s.refused(s.Invitations.Settle(s.Context(), invitation.Settlement{Invitation: c, Stands: stands}), invitation.ErrConflict)
}

// Invariant 4: a partnership that is none or has ended stops what needs it; what else happens to it does not.
func (s *suite) settleStands() {
	reseller, provider, customer := tenant(), tenant(), tenant()
	c := s.settled(reseller, customer)
	st := invitation.Settlement{
		Invitation: c, Relationships: []relationship.Change{{After: agreed(reseller, customer, c.After.ID)}}, Stands: &partnership.Pair{Provider: provider, Reseller: reseller},
	}
	s.refused(s.Invitations.Settle(s.Context(), st), invitation.ErrConflict)
	p := s.partner(nil, partnered(provider, reseller))
	ended, _ := p.Remove(partnership.Entry{At: noon, Side: partnership.ResellerSide}, relationship.AttestedText{Version: "1"})
	ended = s.partner(&p, ended)
	s.refused(s.Invitations.Settle(s.Context(), st), invitation.ErrConflict)
	_, err := s.Relationships.Relationship(s.Context(), reseller, customer)
	s.code(err, problem.NotFound)
	back, _ := partnership.Establish(&ended, partnership.Authorisation{Pair: p.Pair, At: noon})
	back = s.partner(&ended, back)
	revoked, _ := back.Revoke(partnership.Entry{At: noon, Side: partnership.ResellerSide})
	s.partner(&back, revoked)
	if err := s.Invitations.Settle(s.Context(), st); err != nil {
		s.Fatal(err)
	}
}

// Rule N6: the answer and both directories, all of it or nothing.
func (s *suite) settlePartnership() {
	provider, reseller := tenant(), tenant()
	c := s.settled(provider, reseller)
	p := partnered(provider, reseller)
	if err := s.Invitations.Settle(s.Context(), invitation.Settlement{Invitation: c, Partnership: &partnership.Change{After: p}}); err != nil {
		s.Fatal(err)
	}
	s.isPartnership(copyPartnership(p))
	s.same(c.After, s.stored(c.After.Key))
	other := s.settled(provider, reseller)
	s.refused(s.Invitations.Settle(s.Context(), invitation.Settlement{Invitation: other, Partnership: &partnership.Change{After: p}}), invitation.ErrConflict)
	s.same(*other.Before, s.stored(other.After.Key))
}
