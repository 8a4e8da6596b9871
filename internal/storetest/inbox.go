package storetest

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"concord/internal/customer"
	"concord/internal/emailaddr"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/outbox"
	"concord/internal/partner"
)

// The operations of [customer.Requests].
const (
	AskedOf Operation = "AskedOf"
	AskedAt Operation = "AskedAt"
	AskedAs Operation = "AskedAs"
)

// AskedOf is that of [customer.Requests].
func (m *Memory) AskedOf(ctx context.Context, company partner.TenantID) (customer.Asked, error) {
	return m.asked(ctx, AskedOf, invitation.SlotsOf(company), func(of partner.TenantID, _ string) bool { return of == company })
}

// AskedAt is that of [customer.Requests].
func (m *Memory) AskedAt(ctx context.Context, domain string) (customer.Asked, error) {
	return m.asked(ctx, AskedAt, invitation.SlotsAt(domain), func(of partner.TenantID, at string) bool { return of == "" && at == domain })
}

func (m *Memory) asked(ctx context.Context, op Operation, slots string, is func(of partner.TenantID, at string) bool) (asked customer.Asked, err error) {
	if err := ctx.Err(); err != nil {
		return asked, err
	}
	err = m.do(op, func() error {
		for k, by := range m.slots {
			if strings.HasPrefix(k.slot, slots) {
				asked.Invitations = append(asked.Invitations, invitation.Key{Inviter: k.inviter, ID: by.id})
			}
		}
		for k, r := range m.granular {
			if of, at, sought := r.Sought(); sought && is(of, at) {
				asked.Granular = append(asked.Granular, k)
			}
		}
		return nil
	})
	sortAsked(asked)
	return asked, err
}

func sortAsked(a customer.Asked) {
	slices.SortFunc(a.Invitations, func(a, b invitation.Key) int {
		return cmp.Or(cmp.Compare(a.Inviter, b.Inviter), cmp.Compare(a.ID, b.ID))
	})
	slices.SortFunc(a.Granular, func(a, b granular.Key) int {
		return cmp.Or(cmp.Compare(a.Partner, b.Partner), cmp.Compare(a.ID, b.ID))
	})
}

// AskedAs is that of [customer.Requests].
func (m *Memory) AskedAs(ctx context.Context, id string) (keys []granular.Key, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	err = m.do(AskedAs, func() error {
		for k, r := range m.granular {
			if of, at, sought := r.Sought(); sought && of == "" && at == "" && r.ID == id {
				keys = append(keys, k)
			}
		}
		return nil
	})
	return keys, err
}

// requestsFound: a company finds what it is asked by its tenant and by its domains, whoever asks, until it has
// approved it, and nobody else does.
func (s *suite) requestsFound() {
	p, q, customers := tenant(), tenant(), []partner.TenantID{tenant(), tenant()}
	domain := strings.ToLower(string(p)[:8]) + ".example"
	addressed := func(of partner.TenantID, to string, bound partner.TenantID) invitation.Key {
		i := draft(of)
		i.RecipientEmail, i.Customer, i.Bound = to, bound, bound != ""
		s.ok(s.Invitations.Write(s.Context(), invitation.Change{After: i}))
		return i.Key
	}
	at := []invitation.Key{addressed(p, "Ada@"+strings.ToUpper(domain), ""), addressed(p, "bo@"+domain, ""), addressed(q, "ada@"+domain, "")}
	named := []invitation.Key{addressed(p, "ada@"+domain, customers[0]), addressed(q, "", customers[0])}
	addressed(p, "ada@sub."+domain, "")
	addressed(p, "ada@"+domain, customers[1])
	rehearsal := draft(p)
	rehearsal.RecipientEmail, rehearsal.Sandbox = "success@"+domain, true
	s.ok(s.Invitations.Write(s.Context(), invitation.Change{After: rehearsal}))

	ask := func(of partner.TenantID, edit func(*granular.Relationship)) granular.Relationship {
		r := s.grant(nil, granted(of, func(r *granular.Relationship) { r.Customer = "" }, edit))
		return s.grant(&r, locked(r))
	}
	bound := ask(p, func(r *granular.Relationship) { r.Customer = customers[0] })
	mailed := ask(q, func(r *granular.Relationship) {
		r.Mail = granular.Mail{To: "cy@" + domain, Locale: "en", State: outbox.Sent}
	})
	open := ask(p, func(*granular.Relationship) {})
	s.grant(nil, granted(p, func(r *granular.Relationship) { r.Customer = customers[0] })) // nobody was asked yet

	of := func(c partner.TenantID) customer.Asked {
		s.Helper()
		found, err := s.Requests.AskedOf(s.Context(), c)
		s.ok(err)
		sortAsked(found)
		return found
	}
	to := func(d string) customer.Asked {
		s.Helper()
		found, err := s.Requests.AskedAt(s.Context(), d)
		s.ok(err)
		sortAsked(found)
		return found
	}
	as := func(id string) []granular.Key {
		s.Helper()
		found, err := s.Requests.AskedAs(s.Context(), id)
		s.ok(err)
		return found
	}
	want := customer.Asked{Invitations: at, Granular: []granular.Key{mailed.Key}}
	sortAsked(want)
	s.eventually("at the domain", func() (any, bool) { got := to(domain); return got, len(got.Invitations)+len(got.Granular) == 4 })
	s.same(want, to(domain))
	want = customer.Asked{Invitations: named, Granular: []granular.Key{bound.Key}}
	sortAsked(want)
	s.eventually("of the company", func() (any, bool) { got := of(customers[0]); return got, len(got.Invitations)+len(got.Granular) == 3 })
	s.same(want, of(customers[0]))
	s.eventually("by its id", func() (any, bool) { got := as(open.ID); return got, len(got) == 1 && got[0] == open.Key })
	for _, id := range []string{bound.ID, mailed.ID, string(customers[0]), emailaddr.Normalise("@" + domain), "gdap_x", ""} {
		if got := as(id); len(got) > 0 {
			s.Errorf("as %q: %v", id, got)
		}
	}
	if got := of(tenant()); len(got.Invitations)+len(got.Granular) > 0 {
		s.Errorf("of nobody: %v", got)
	}
	if partners, err := s.Register.Partners(s.Context(), customers[0]); err != nil || len(partners) > 0 {
		s.Fatalf("what is asked counts as a relationship: %v, %v", partners, err)
	}
	if list, err := s.Granular.GrantsBy(s.Context(), customers[0]); err != nil || len(list) > 0 {
		s.Fatalf("what is asked counts as given: %v, %v", list, err)
	}

	// What was approved is found among what was given; what was refused is still there for who has refused.
	s.grant(&bound, active(bound, "who"))
	s.eventually("approved", func() (any, bool) { got := of(customers[0]); return got, len(got.Granular) == 0 })
	refused := nextGranular(open, func(r *granular.Relationship) {
		r.Status, r.Reason, r.EndAt = granular.Terminated, granular.Rejected, second(noon)
		r.Answer = &granular.Given{Subject: "who", Tenant: customers[1], FullName: "Ada Larch", At: second(noon)}
	})
	s.grant(&open, refused)
	s.eventually("refused", func() (any, bool) { got := as(open.ID); return got, len(got) == 1 })
}
