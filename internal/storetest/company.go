package storetest

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/relationship"
)

// The operations on companies.
const (
	Companies Operation = "Companies"
	Learn     Operation = "Learn"
	Spoken    Operation = "Spoken"
)

// Companies is that of [relationship.Companies].
func (m *Memory) Companies(ctx context.Context, ids []partner.TenantID, domains []string, _ bool) (found relationship.Found, err error) {
	found = relationship.Found{
		Records: map[partner.TenantID]relationship.Record{}, Claims: map[partner.TenantID]relationship.Claims{}, Holders: map[string]relationship.Holder{},
	}
	if err := ctx.Err(); err != nil {
		return found, err
	}
	err = m.do(Companies, func() error {
		for _, id := range ids {
			if r, ok := m.companies.Records[id]; ok {
				found.Records[id] = r
			}
			if c, ok := m.companies.Claims[id]; ok {
				c.Records = slices.Clone(c.Records)
				found.Claims[id] = c
			}
		}
		for _, d := range domains {
			if h, ok := m.companies.Holders[d]; ok {
				found.Holders[d] = h
			}
		}
		return nil
	})
	return found, err
}

// Learn is that of [relationship.Companies].
func (m *Memory) Learn(ctx context.Context, domains []relationship.DomainChange) (learned bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	err = m.do(Learn, func() error {
		for _, c := range domains {
			told := relationship.Discovery{Domains: []relationship.DomainChange{c}}
			if !m.discoverable(told) {
				return nil
			}
			m.discover(told)
		}
		learned = true
		return nil
	})
	return learned, err
}

// Spoken is that of [customer.Register].
func (m *Memory) Spoken(ctx context.Context, d relationship.Discovery, relationships []relationship.Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return m.do(Spoken, func() error {
		if err := m.committable(nil, relationships); err != nil {
			return err
		}
		if !m.discoverable(d) {
			return invitation.ErrConflict
		}
		m.commit(nil, relationships)
		m.discover(d)
		return nil
	})
}

// discoverable reports whether what is told of companies is over what is stored.
func (m *Memory) discoverable(d relationship.Discovery) bool {
	for _, c := range d.Domains {
		if c.Is == c.Was || c.Is.Created && c.Is.Above {
			panic(fmt.Sprintf("storetest: %+v", c))
		}
		stored := m.companies.Holders[c.Name]
		if stored.ID != c.Was.ID || c.Is.Created && stored.Above {
			return false
		}
	}
	for _, c := range d.Records {
		if c.After.Version != c.Before.Version+1 || c.Before.Tenant != "" && c.After.Tenant != c.Before.Tenant {
			panic(fmt.Sprintf("storetest: %+v", c))
		}
		if m.companies.Records[c.After.ID] != c.Before {
			return false
		}
	}
	if c := d.Claims; c != nil {
		stored, ok := m.companies.Claims[c.After.Tenant]
		if ok != (c.Before != nil) || ok && !reflect.DeepEqual(stored, *c.Before) {
			return false
		}
	}
	return true
}

// discover stores what is discoverable.
func (m *Memory) discover(d relationship.Discovery) {
	for _, c := range d.Domains {
		is := c.Is
		is.Above = is.Above || m.companies.Holders[c.Name].Above
		set(&m.companies.Holders, c.Name, is)
	}
	for _, c := range d.Records {
		set(&m.companies.Records, c.After.ID, c.After)
	}
	if c := d.Claims; c != nil {
		after := c.After
		after.Records = slices.Clone(after.Records)
		set(&m.companies.Claims, after.Tenant, after)
	}
}

// verifiedBy makes a domain known as that of a partner's tenant.
func (m *Memory) verifiedBy(tenant partner.TenantID, domain string) {
	if domain != "" {
		m.discover(relationship.Discovery{Domains: relationship.Known(m.companies, tenant, domain)})
	}
}

// elsewhere finds a relationship by another id of its company. The lock is held.
func (m *Memory) elsewhere(p, customer partner.TenantID) (relationship.Relationship, bool) {
	home := customer
	if r, ok := m.companies.Records[customer]; ok {
		home = r.Tenant
	}
	for _, id := range append([]partner.TenantID{home}, m.companies.Claims[home].Records...) {
		if r, ok := m.relationships[pair{p, id}]; ok && home != "" {
			return r, true
		}
	}
	return relationship.Relationship{}, false
}

// Holders gives who has which domain: what a test looks at.
func (m *Memory) Holders() map[string]relationship.Holder {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.companies.Holders)
}
