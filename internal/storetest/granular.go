package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/publicid"
	"concord/internal/relationship"
)

// The operations of [granular.Store].
const (
	WriteGranular         Operation = "WriteGranular"
	GranularRelationship  Operation = "GranularRelationship"
	GranularRelationships Operation = "GranularRelationships"
	Grants                Operation = "Grants"
	GrantsBy              Operation = "GrantsBy"
)

// WriteGranular is that of [granular.Store].
func (m *Memory) WriteGranular(ctx context.Context, c granular.Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	before := granular.Relationship{Key: c.After.Key}
	if c.Before != nil {
		before = *c.Before
	}
	if c.After.Version != before.Version+1 || c.After.Key != before.Key || c.After.ID == "" || c.After.Partner == "" {
		panic(fmt.Sprintf("storetest: version %d of %v over version %d of %v", c.After.Version, c.After.Key, before.Version, before.Key))
	}
	final := slices.Contains([]granular.Status{granular.Expired, granular.Terminated, granular.Deleted}, before.Status)
	if final && c.After.Status != before.Status {
		panic(fmt.Sprintf("storetest: %s after %s", c.After.Status, before.Status))
	}
	return m.do(WriteGranular, func() error {
		if err := m.fits(c); err != nil {
			return err
		}
		if !m.discoverable(c.Discovery) || m.committable(nil, c.Relationships) != nil {
			return granular.ErrConflict
		}
		m.putGranular(c)
		m.commit(nil, c.Relationships)
		m.discover(c.Discovery)
		return nil
	})
}

// fits says what stands in the way of a change.
func (m *Memory) fits(c granular.Change) error {
	was := 0
	if c.Before != nil {
		was = c.Before.Version
	}
	if m.granular[c.After.Key].Version != was {
		return granular.ErrConflict
	}
	slot := slotKey{c.After.Partner, c.After.Slot()}
	if c.Before == nil || c.Before.Slot() != slot.slot {
		by, held := m.slots[slot]
		displaced := c.Displaced != nil && c.Displaced.ID == by.id && (c.Displaced.Status == granular.Deleted || by.version <= c.Displaced.Version)
		if held && by.id != c.After.ID && !displaced {
			return &granular.SlotTaken{By: by.id}
		}
	}
	return nil
}

// grantable is fits for a change that goes with one of an invitation.
func (m *Memory) grantable(c granular.Change) error {
	err := m.fits(c)
	if errors.Is(err, granular.ErrConflict) {
		return invitation.ErrConflict
	}
	return err
}

// putGranular stores a change, and the grant that it makes or ends.
func (m *Memory) putGranular(c granular.Change) {
	if slot := c.After.Slot(); c.Before == nil || c.Before.Slot() != slot {
		set(&m.slots, slotKey{c.After.Partner, slot}, holder{c.After.ID, c.After.Version})
	}
	set(&m.granular, c.After.Key, copyGranular(c.After))
	if g, regranted := c.Regranted(); regranted {
		g.GivenAt, g.EndAt = second(g.GivenAt), second(g.EndAt)
		set(&m.grants, g.Key, g)
	}
}

// Grants is that of [granular.Store].
func (m *Memory) Grants(ctx context.Context, p, from, to partner.TenantID) (list []granular.Grant, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if from > to { // as the engines say of a range that ends before it begins
		return nil, fmt.Errorf("memory: grants from %s to %s", from, to)
	}
	err = m.do(Grants, func() error {
		for k, g := range m.grants {
			if k.Partner == p && g.Customer >= from && g.Customer <= to {
				list = append(list, g)
			}
		}
		slices.SortFunc(list, func(a, b granular.Grant) int {
			return cmp.Or(cmp.Compare(a.Customer, b.Customer), cmp.Compare(a.ID, b.ID))
		})
		return nil
	})
	return list, err
}

// GrantsBy is that of [granular.Store].
func (m *Memory) GrantsBy(ctx context.Context, customer partner.TenantID) (list []granular.Key, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	err = m.do(GrantsBy, func() error {
		for k, g := range m.grants {
			if g.Customer == customer {
				list = append(list, k)
			}
		}
		return nil
	})
	return list, err
}

// PutGranular stores a relationship over whatever was there, without its slot.
func (m *Memory) PutGranular(r granular.Relationship) {
	m.mu.Lock()
	defer m.mu.Unlock()
	set(&m.granular, r.Key, copyGranular(r))
}

// GranularRelationship is that of [granular.Store].
func (m *Memory) GranularRelationship(ctx context.Context, k granular.Key, _ bool) (r granular.Relationship, err error) {
	if err := ctx.Err(); err != nil {
		return r, err
	}
	err = m.do(GranularRelationship, func() error {
		stored, found := m.granular[k]
		if !found {
			return problem.New(problem.NotFound, "There is no such relationship.")
		}
		r = copyGranular(stored)
		return nil
	})
	return r, err
}

// GranularRelationships is that of [granular.Store].
func (m *Memory) GranularRelationships(ctx context.Context, p partner.TenantID, q granular.Query) (page granular.Page, err error) {
	if err := ctx.Err(); err != nil {
		return page, err
	}
	err = m.do(GranularRelationships, func() error {
		if at, _, _ := strings.Cut(q.After, "#"); q.After != "" && !isTime(at) {
			return malformed()
		}
		all := map[string]granular.Relationship{}
		for k, r := range m.granular {
			if k.Partner == p {
				all[r.CreatedAt.Format(time.RFC3339)+"#"+r.ID] = r
			}
		}
		keys := slices.Sorted(maps.Keys(all))
		slices.Reverse(keys)
		kept, next := walk(keys, q.Limit, func(k string) bool { return q.After == "" || k < q.After }, func(k string) bool { return q.Matches(all[k]) })
		for _, k := range kept {
			page.Relationships = append(page.Relationships, copyGranular(all[k]))
		}
		page.Next = next
		return nil
	})
	return page, err
}

func copyGranular(r granular.Relationship) granular.Relationship {
	r.Roles, r.Post.Owed, r.History = slices.Clone(r.Roles), slices.Clone(r.Post.Owed), slices.Clone(r.History)
	for n := range r.History {
		r.History[n].At = second(r.History[n].At)
	}
	r.Assignments = slices.Clone(r.Assignments)
	for n := range r.Assignments {
		a := &r.Assignments[n]
		a.Roles, a.CreatedAt, a.ModifiedAt = slices.Clone(a.Roles), second(a.CreatedAt), second(a.ModifiedAt)
	}
	if r.Answer != nil {
		a := *r.Answer
		a.At = second(a.At)
		r.Answer = &a
	}
	for _, t := range []*time.Time{&r.CreatedAt, &r.ModifiedAt, &r.ApproveBy, &r.ActivatedAt, &r.EndAt, &r.Mail.SentAt, &r.Post.At} {
		*t = second(*t)
	}
	return r
}

// The template ids of some roles.
const (
	globalReader      = "f2ef992c-3afb-46b9-b7cf-a126ee74c451"
	helpdeskAdmin     = "729827e3-9c14-49f7-bb1b-9608f156bbb8"
	grantedFor        = 90 * 24 * time.Hour
	granularCallers   = 64
	granularOfAPage   = 3
	granularOfPartner = 7
)

// granted is a relationship of version 1 with a name of its own.
func granted(p partner.TenantID, edit ...func(*granular.Relationship)) granular.Relationship {
	_, text, _ := strings.Cut(id(), "_")
	r := granular.Relationship{
		Key: granular.Key{Partner: p, ID: publicid.Granular + text}, DisplayName: "Support " + text, Customer: tenant(), Cloud: "public",
		Roles: []string{globalReader}, RoleTable: "1", Duration: granular.Period{Days: 90}, Status: granular.Created, Generation: 1,
		CreatedAt: second(noon), CreatedBy: "somebody", ModifiedAt: second(noon), Version: 1,
		History: []granular.Entry{{At: second(noon), Action: "created", Actor: granular.ByPartner, By: "somebody"}},
	}
	for _, f := range edit {
		f(&r)
	}
	return r
}

func nextGranular(r granular.Relationship, edit func(*granular.Relationship)) granular.Relationship {
	n := copyGranular(r)
	n.Version++
	edit(&n)
	return n
}

// locked and active are r after it was sent to its customer, and after the approval.
func locked(r granular.Relationship) granular.Relationship {
	return nextGranular(r, func(n *granular.Relationship) {
		n.Status, n.ApproveBy = granular.Pending, second(noon.Add(granular.ApprovalTime))
	})
}

func active(r granular.Relationship, who string) granular.Relationship {
	return nextGranular(r, func(n *granular.Relationship) {
		n.Status, n.ActivatedAt, n.EndAt = granular.Active, second(noon), second(noon.Add(grantedFor))
		n.Answer = &granular.Given{Subject: who, Tenant: n.Customer, FullName: "Ada Larch", At: second(noon)}
	})
}

func (s *suite) grant(before *granular.Relationship, after granular.Relationship) granular.Relationship {
	s.Helper()
	if err := s.Granular.WriteGranular(s.Context(), granular.Change{Before: before, After: after}); err != nil {
		s.Fatalf("WriteGranular: %v", err)
	}
	return after
}

func (s *suite) granted(k granular.Key) granular.Relationship {
	s.Helper()
	r, err := s.Granular.GranularRelationship(s.Context(), k, true)
	if err != nil {
		s.Fatalf("GranularRelationship: %v", err)
	}
	return r
}

// grantTaken takes a relationship through everything that is kept of one.
func (s *suite) granularRoundTrip() {
	sha := strings.Repeat("0123456789abcdef", 4)
	r := granted(tenant(), func(r *granular.Relationship) {
		r.CustomerName, r.AutoExtend, r.Duration = "Larch Ltd", true, granular.Period{Months: 24}
		r.Roles = []string{helpdeskAdmin, globalReader}
		r.History = []granular.Entry{
			{At: second(noon), Action: "created", Actor: granular.ByPartner, By: "somebody", CorrelationID: "6f1c9d3e-0000-4000-8000-0123456789ab", Key: "00aa11bb22cc", Body: "ff00ff00ff00"},
			{At: second(noon), Action: "changed", Actor: granular.ByPartner, By: "google|1|2", CorrelationID: "%not-a-uuid#", Why: "what\tever"},
			{At: second(noon), Action: "expired", Actor: granular.BySchedule},
			{At: second(noon), Action: "terminated", Actor: granular.ByOperator, By: "olga", Why: "suspended"},
		}
	})
	s.grant(nil, r)
	s.same(r, s.granted(r.Key))
	unbound := granted(r.Partner, func(r *granular.Relationship) { r.Customer = "" })
	s.grant(nil, unbound)
	s.same(unbound, s.granted(unbound.Key))
	for _, step := range []func(*granular.Relationship){
		func(n *granular.Relationship) {
			n.Status, n.ApproveBy, n.Generation, n.Reported = granular.Pending, second(noon.Add(time.Hour)), 2, 1
			n.Mail = granular.Mail{To: "ada@larch.example", Locale: "fr", LocaleAsked: "fr-CA"}
			n.Post = outbox.Box{State: outbox.Queued, Owed: []outbox.Kind{granular.RequestNotice}, At: second(noon.Add(time.Minute))}
		},
		func(n *granular.Relationship) {
			n.Post.State, n.Post.Owner, n.Post.Attempts, n.Post.Reason, n.Post.At = outbox.Claimed, "somebody", 3, "throttled", second(noon.Add(2*time.Minute))
		},
		func(n *granular.Relationship) {
			n.Mail.State, n.Mail.MessageID, n.Mail.SentAt, n.Mail.Reason, n.Post = outbox.Bounced, "0100-1", second(noon), "mailbox_full", outbox.Box{}
		},
		func(n *granular.Relationship) {
			n.Status, n.ActivatedAt, n.EndAt, n.Reminded = granular.Active, second(noon), second(noon.Add(grantedFor)), 2
			n.Answer = &granular.Given{
				Subject: "who", Tenant: n.Customer, FullName: "Ada Larch", JobTitle: "Head", Email: "head@larch.example", At: second(noon),
				Consent: granular.ConsentText{Version: "1", Language: "fr", Hash: sha},
			}
			n.Post = outbox.Box{State: outbox.Waiting, Owed: []outbox.Kind{granular.EndingNotice, granular.CustomerEndingNotice}, At: second(noon.Add(time.Hour))}
			n.History = append(n.History, granular.Entry{At: second(noon), Action: "approved", Actor: granular.ByCustomer, By: "who"})
		},
		func(n *granular.Relationship) {
			n.Assignments = []granular.Assignment{
				{
					ID: "asg_aaaaaaaaaaaaaaaaaaaaaaaaaa", Group: "3a91e000-0000-4000-8000-0000000000aa", Roles: []string{helpdeskAdmin, globalReader},
					Status: granular.Assigned, Key: "00aa11bb22cc", Body: "ff00ff00ff00", CreatedAt: second(noon), ModifiedAt: second(noon.Add(time.Minute)), Version: 3,
				},
				{ID: "asg_b", Group: "%Helpdesk:1", Roles: []string{globalReader}, Status: granular.Assigned, CreatedAt: second(noon), ModifiedAt: second(noon), Version: 1},
			}
		},
		func(n *granular.Relationship) {
			n.Roles, n.Assignments = n.Roles[:1], n.Assignments[:1]
			n.Assignments[0].Roles, n.Assignments[0].Status, n.Assignments[0].Version = []string{helpdeskAdmin}, granular.Unassigned, 4
			n.Post.Owed = append(n.Post.Owed, granular.NarrowedNotice)
		},
		func(n *granular.Relationship) {
			n.Status, n.Reason, n.Post, n.Reminded, n.AutoExtend = granular.Terminated, granular.Rejected, outbox.Box{}, 0, false
			n.ModifiedAt = second(noon.Add(time.Minute))
		},
	} {
		before := r
		r = s.grant(&before, nextGranular(before, step))
		s.same(r, s.granted(r.Key))
	}
}

func (s *suite) granularUnknown() {
	for _, k := range []string{publicid.Granular + "aaaaaaaaaaaaaaaaaaaaaaaaaa", "x", "A", strings.Repeat("x", 3000), "gdap_#", ""} {
		_, err := s.Granular.GranularRelationship(s.Context(), granular.Key{Partner: tenant(), ID: k}, true)
		s.code(err, problem.NotFound)
	}
	r := s.grant(nil, granted(tenant()))
	_, err := s.Granular.GranularRelationship(s.Context(), granular.Key{Partner: tenant(), ID: r.ID}, true)
	s.code(err, problem.NotFound)
}

func (s *suite) granularOutdated() {
	r := s.grant(nil, granted(tenant()))
	s.refused(s.Granular.WriteGranular(s.Context(), granular.Change{After: granted(r.Partner, func(n *granular.Relationship) { n.ID = r.ID })}), granular.ErrConflict)
	s.grant(&r, locked(r))
	s.refused(s.Granular.WriteGranular(s.Context(), granular.Change{Before: &r, After: locked(r)}), granular.ErrConflict)
	never := granted(r.Partner)
	s.refused(s.Granular.WriteGranular(s.Context(), granular.Change{Before: &never, After: locked(never)}), granular.ErrConflict)
	s.same(locked(r), s.granted(r.Key))
}

func (s *suite) granularNames() {
	p := tenant()
	first := s.grant(nil, granted(p, func(r *granular.Relationship) { r.DisplayName = "Larch support" }))
	taken := func(c granular.Change, by string) {
		s.Helper()
		err := s.Granular.WriteGranular(s.Context(), c)
		if t, ok := errors.AsType[*granular.SlotTaken](err); !ok || t.By != by {
			s.Fatalf("error %v, want the slot taken by %s", err, by)
		}
	}
	named := func(name string) func(*granular.Relationship) {
		return func(r *granular.Relationship) { r.DisplayName = name }
	}
	second := granted(p, named("LARCH Support"))
	taken(granular.Change{After: second}, first.ID)
	_, err := s.Granular.GranularRelationship(s.Context(), second.Key, true)
	s.code(err, problem.NotFound)
	s.grant(nil, granted(tenant(), named("Larch support"))) // of another partner

	other := s.grant(nil, granted(p, named("Maple support")))
	taken(granular.Change{Before: &other, After: nextGranular(other, named("larch support"))}, first.ID)
	s.same(other, s.granted(other.Key))

	// The holder has another name since, and the slot passes; it comes back, and then it does not.
	renamed := s.grant(&first, nextGranular(first, named("Birch support")))
	back := s.grant(&renamed, nextGranular(renamed, named("Larch support")))
	taken(granular.Change{After: second, Displaced: &renamed}, first.ID)
	renamed = s.grant(&back, nextGranular(back, named("Oak support")))
	if err := s.Granular.WriteGranular(s.Context(), granular.Change{After: second, Displaced: &renamed}); err != nil {
		s.Fatal(err)
	}
	taken(granular.Change{Before: &renamed, After: nextGranular(renamed, named("Larch support"))}, second.ID)

	// So it does from one that was deleted.
	gone := s.grant(&second, nextGranular(second, func(r *granular.Relationship) { r.Status = granular.Deleted }))
	third := granted(p, named("Larch support"))
	taken(granular.Change{After: third}, gone.ID)
	if err := s.Granular.WriteGranular(s.Context(), granular.Change{After: third, Displaced: &gone}); err != nil {
		s.Fatal(err)
	}
}

// once has many callers write over the same version and gives who won.
func (s *suite) granularOnce() {
	r := s.grant(nil, granted(tenant()))
	r = s.grant(&r, locked(r))
	var wg sync.WaitGroup
	errs := make([]error, granularCallers)
	for n := range granularCallers {
		wg.Go(func() {
			after := active(r, fmt.Sprint("who ", n))
			if n%2 == 1 {
				after.Status, after.Reason = granular.Terminated, granular.Rejected
			}
			errs[n] = s.Granular.WriteGranular(s.Context(), granular.Change{Before: &r, After: after})
		})
	}
	wg.Wait()
	won := -1
	for n, err := range errs {
		switch {
		case err == nil && won < 0:
			won = n
		case err == nil:
			s.Fatalf("%d and %d both won", won, n)
		case !errors.Is(err, granular.ErrConflict) && !problem.Is(err, problem.Unavailable):
			s.Fatalf("error %v", err)
		}
	}
	if won < 0 {
		s.Fatal("nobody won")
	}
	got := s.granted(r.Key)
	if got.Answer.Subject != fmt.Sprint("who ", won) || got.Version != r.Version+1 {
		s.Fatalf("%q is stored, %d was told", got.Answer.Subject, won)
	}
}

func (s *suite) granularNameOnce() {
	p := tenant()
	var wg sync.WaitGroup
	errs := make([]error, granularCallers)
	for n := range granularCallers {
		wg.Go(func() {
			errs[n] = s.Granular.WriteGranular(s.Context(), granular.Change{After: granted(p, func(r *granular.Relationship) { r.DisplayName = "One" })})
		})
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		_, taken := errors.AsType[*granular.SlotTaken](err)
		switch {
		case err == nil:
			won++
		case !taken && !problem.Is(err, problem.Unavailable):
			s.Fatalf("error %v", err)
		}
	}
	if won != 1 {
		s.Fatalf("%d have the name", won)
	}
}

func (s *suite) listGranular(p partner.TenantID, q granular.Query) (ids []string) {
	s.Helper()
	if q.Limit == 0 {
		q.Limit = granularOfAPage
	}
	for range 100 {
		page, err := s.Granular.GranularRelationships(s.Context(), p, q)
		if err != nil {
			s.Fatalf("GranularRelationships: %v", err)
		}
		if len(page.Relationships) > q.Limit {
			s.Fatalf("%d on a page of %d", len(page.Relationships), q.Limit)
		}
		for _, r := range page.Relationships {
			ids = append(ids, r.ID)
		}
		if q.After = page.Next; q.After == "" {
			return ids
		}
	}
	s.Fatal("the list does not end")
	return nil
}

func (s *suite) granularLists() {
	p, customer := tenant(), tenant()
	var all []granular.Relationship
	for n := range granularOfPartner {
		r := s.grant(nil, granted(p, func(r *granular.Relationship) {
			r.CreatedAt = second(noon.Add(time.Duration(n/2) * time.Minute)) // two in a second
			if n%3 == 0 {
				r.Customer = customer
			}
		}))
		all = append(all, r)
	}
	s.create(p) // an invitation is in another list
	s.grant(nil, granted(tenant()))
	slices.SortFunc(all, func(a, b granular.Relationship) int {
		return -strings.Compare(a.CreatedAt.Format(time.RFC3339)+a.ID, b.CreatedAt.Format(time.RFC3339)+b.ID)
	})
	ids := func(keep func(granular.Relationship) bool) (ids []string) {
		for _, r := range all {
			if keep(r) {
				ids = append(ids, r.ID)
			}
		}
		return ids
	}
	every := func(granular.Relationship) bool { return true }
	s.eventually("the list", func() (any, bool) {
		got := s.listGranular(p, granular.Query{Now: noon})
		return got, slices.Equal(got, ids(every))
	})
	if got := s.listInvitations(p); got != 1 {
		s.Fatalf("%d invitations", got)
	}

	// It is stable while others are added.
	first, err := s.Granular.GranularRelationships(s.Context(), p, granular.Query{Limit: granularOfAPage, Now: noon})
	if err != nil || first.Next == "" {
		s.Fatal(first.Next, err)
	}
	newer := s.grant(nil, granted(p, func(r *granular.Relationship) { r.CreatedAt = second(noon.Add(time.Hour)) }))
	s.eventually("the newer one", func() (any, bool) {
		got := s.listGranular(p, granular.Query{Now: noon})
		return got, len(got) > 0 && got[0] == newer.ID
	})
	s.same(ids(every)[granularOfAPage:], s.listGranular(p, granular.Query{Now: noon, After: first.Next}))

	all = slices.Insert(all, 0, newer)
	change := func(n int, edit func(granular.Relationship) granular.Relationship) {
		before := all[n]
		all[n] = s.grant(&before, edit(before))
	}
	change(1, func(r granular.Relationship) granular.Relationship {
		return nextGranular(r, func(n *granular.Relationship) { n.Status = granular.Deleted })
	})
	change(2, locked)
	change(3, locked)
	change(3, func(r granular.Relationship) granular.Relationship { return active(r, "who") })
	later := noon.Add(grantedFor + time.Hour) // what is stored as active or pending is expired then
	for name, q := range map[string]struct {
		granular.Query
		keep func(granular.Relationship) bool
	}{
		"every one":   {granular.Query{Now: noon}, func(r granular.Relationship) bool { return r.Status != granular.Deleted }},
		"created":     {granular.Query{Now: noon, Status: granular.Created}, func(r granular.Relationship) bool { return r.Status == granular.Created }},
		"active":      {granular.Query{Now: noon, Status: granular.Active}, func(r granular.Relationship) bool { return r.ID == all[3].ID }},
		"expired":     {granular.Query{Now: later, Status: granular.Expired}, func(r granular.Relationship) bool { return r.ID == all[2].ID || r.ID == all[3].ID }},
		"none active": {granular.Query{Now: later, Status: granular.Active}, func(granular.Relationship) bool { return false }},
		"a customer": {granular.Query{Now: noon, Customer: customer}, func(r granular.Relationship) bool {
			return r.Customer == customer && r.Status != granular.Deleted
		}},
	} {
		if got, want := s.listGranular(p, q.Query), ids(q.keep); !slices.Equal(got, want) {
			s.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	for _, after := range []string{"x", "#", "I#", "2025-03-01T12:00:00#"} {
		if page, err := s.Granular.GranularRelationships(s.Context(), tenant(), granular.Query{Limit: 1, After: after}); err == nil && len(page.Relationships) == 0 {
			continue
		} else if !problem.Is(err, problem.MalformedRequest) {
			s.Errorf("after %q: %v", after, err)
		}
	}
}

func (s *suite) listInvitations(p partner.TenantID) int {
	s.Helper()
	page, err := s.Invitations.Invitations(s.Context(), p, invitation.Query{Status: invitation.AnyStatus, Limit: 100, Now: noon})
	if err != nil {
		s.Fatal(err)
	}
	return len(page.Invitations)
}

// granularKept: whatever becomes of the reseller relationship, and of the delegated administration that goes with it, granular
// administration of the same customer stays as it is (rule X4, invariant 13).
func (s *suite) granularKept() {
	p, customer := tenant(), tenant()
	r := s.grant(nil, granted(p, func(r *granular.Relationship) { r.Customer = customer }))
	r = s.grant(&r, locked(r))
	r = s.grant(&r, active(r, "who"))
	i := s.create(p)
	made := agreed(p, customer, i.ID)
	made.DelegatedAdmin = relationship.ActiveDAP
	if err := s.accepts(invitation.Change{Before: &i, After: accepted(i, "who", customer)}, made); err != nil {
		s.Fatal(err)
	}
	commit := func(before, after relationship.Relationship) {
		s.Helper()
		if err := s.Invitations.Commit(s.Context(), nil, []relationship.Change{{Before: &before, After: after}}); err != nil {
			s.Fatal(err)
		}
		s.same(r, s.granted(r.Key))
	}
	e := relationship.Entry{At: second(noon), By: "somebody"}
	removed, ok := made.Remove(e, relationship.AttestedText{Version: "1", Language: "en", Hash: strings.Repeat("0", 64)})
	if !ok || removed.DelegatedAdmin != relationship.TerminatedDAP {
		s.Fatalf("%+v", removed)
	}
	commit(made, removed)
	again, _ := relationship.Establish(&removed, relationship.Consent{Invitation: i.ID, Partner: partner.Account{Tenant: p}, Customer: made.Customer, DelegatedAdmin: true, At: second(noon)})
	commit(removed, again)
	ended, _ := again.EndAdministration(e)
	commit(again, ended)
	if due, ok := s.granted(r.Key).Due(); !ok || !due.Equal(second(noon.Add(grantedFor-30*24*time.Hour))) {
		s.Fatalf("due %s", due)
	}
}

// granularGrants: what a customer has given is found by the customer, from the approval on, and as it ends.
func (s *suite) granularGrants() {
	p := tenant()
	customers := []partner.TenantID{tenant(), tenant(), tenant()}
	slices.Sort(customers)
	of := func(customer partner.TenantID, edit ...func(*granular.Relationship)) granular.Relationship {
		r := s.grant(nil, granted(p, append(edit, func(r *granular.Relationship) { r.Customer = customer })...))
		return s.grant(&r, locked(r))
	}
	found := func(from, to partner.TenantID) []granular.Grant {
		s.Helper()
		list, err := s.Granular.Grants(s.Context(), p, from, to)
		if err != nil {
			s.Fatal(err)
		}
		return list
	}
	want := func(r granular.Relationship) granular.Grant {
		g, ok := r.Grant()
		if !ok {
			s.Fatalf("nothing is given by %+v", r)
		}
		return g
	}
	all := func(customer partner.TenantID) []granular.Key {
		s.Helper()
		list, err := s.Granular.GrantsBy(s.Context(), customer)
		if err != nil {
			s.Fatal(err)
		}
		slices.SortFunc(list, func(a, b granular.Key) int {
			return cmp.Or(cmp.Compare(a.Partner, b.Partner), cmp.Compare(a.ID, b.ID))
		})
		return list
	}
	first, second, third := of(customers[0]), of(customers[1], func(r *granular.Relationship) { r.AutoExtend = true }), of(customers[2])
	if list := found(customers[0], customers[2]); len(list) > 0 {
		s.Fatalf("given before the approval: %v", list)
	}
	first, second, third = s.grant(&first, active(first, "who")), s.grant(&second, active(second, "who")), s.grant(&third, active(third, "who"))
	s.same([]granular.Grant{want(first), want(second), want(third)}, found(customers[0], customers[2]))
	s.same([]granular.Grant{want(second)}, found(customers[1], customers[1]))

	// The customer finds what it has given to whichever partner, and a relationship is none of it.
	abroad := granted(tenant(), func(r *granular.Relationship) { r.Customer = customers[1] })
	abroad = s.grant(nil, abroad)
	abroad = s.grant(&abroad, locked(abroad))
	s.same([]granular.Key{second.Key}, all(customers[1]))
	abroad = s.grant(&abroad, active(abroad, "who"))
	both := []granular.Key{second.Key, abroad.Key}
	slices.SortFunc(both, func(a, b granular.Key) int { return cmp.Compare(a.Partner, b.Partner) })
	s.same(both, all(customers[1]))
	if partners, err := s.Register.Partners(s.Context(), customers[1]); err != nil || len(partners) > 0 {
		s.Fatalf("what was given counts as a relationship: %v, %v", partners, err)
	}
	if list := all(tenant()); len(list) > 0 {
		s.Fatalf("of nobody: %v", list)
	}
	if g := want(second); !g.EndAt.IsZero() || !g.Live(noon.Add(100*grantedFor)) || want(first).Live(noon.Add(grantedFor)) {
		s.Fatalf("%+v", g)
	}

	// What changes nothing of it leaves it alone; it no longer extends; it ends.
	first = s.grant(&first, nextGranular(first, func(r *granular.Relationship) { r.Reminded = 1 }))
	s.same([]granular.Grant{want(third)}, found(customers[2], customers[2]))
	if g := found(customers[0], customers[0]); len(g) != 1 || g[0].Version != first.Version-1 {
		s.Fatalf("%+v", g)
	}
	second = s.grant(&second, nextGranular(second, func(r *granular.Relationship) { r.AutoExtend = false }))
	s.same([]granular.Grant{want(second)}, found(customers[1], customers[1]))
	third = s.grant(&third, nextGranular(third, func(r *granular.Relationship) {
		r.Status, r.EndAt = granular.Terminated, noon.Add(time.Minute).UTC().Truncate(time.Second)
	}))
	s.same([]granular.Grant{want(third)}, found(customers[2], customers[2]))
	if want(third).Live(noon.Add(time.Minute)) {
		s.Fatal("it lasts after its end")
	}
	if list, err := s.Granular.Grants(s.Context(), tenant(), customers[0], customers[2]); err != nil || len(list) > 0 {
		s.Fatalf("another partner sees %v, %v", list, err)
	}
}

// granularBeside: granular administration that an invitation asks for is made and answered in one step with it, or neither is (domain, 0.28;
// invariant 3).
func (s *suite) granularBeside() {
	p, customer := tenant(), tenant()
	asked := granted(p, func(r *granular.Relationship) { r.Customer = customer })
	i := draft(p)
	i.GranularID = asked.ID
	write := func(c invitation.Change) error { return s.Invitations.Write(s.Context(), c) }
	s.ok(write(invitation.Change{After: i, Granular: &granular.Change{After: asked}}))
	s.same(asked, s.granted(asked.Key))
	if got := s.stored(i.Key); got.GranularID != asked.ID {
		s.Fatalf("%+v", got)
	}

	// A taken name, and a taken id, leave neither.
	other := draft(p)
	named := granted(p, func(r *granular.Relationship) { r.DisplayName = asked.DisplayName })
	err := write(invitation.Change{After: other, Granular: &granular.Change{After: named}})
	if taken, ok := errors.AsType[*granular.SlotTaken](err); !ok || taken.By != asked.ID {
		s.Fatalf("error %v", err)
	}
	s.refused(write(invitation.Change{After: other, Granular: &granular.Change{After: granted(p, func(r *granular.Relationship) { r.ID = asked.ID })}}), invitation.ErrConflict)
	s.refused(write(invitation.Change{After: i, Granular: &granular.Change{After: named}}), invitation.ErrConflict)
	_, err = s.Invitations.Invitation(s.Context(), other.Key, true)
	s.code(err, problem.NotFound)
	_, err = s.Granular.GranularRelationship(s.Context(), named.Key, true)
	s.code(err, problem.NotFound)

	// The answer is one over both, in a commit with the relationship and without it.
	answer := func(i invitation.Invitation, asked granular.Relationship) invitation.Change {
		approved := active(locked(asked), "who")
		approved.Version = asked.Version + 1
		return invitation.Change{Before: &i, After: accepted(i, "who", customer), Granular: &granular.Change{Before: &asked, After: approved}}
	}
	c := answer(i, asked)
	stale := c
	stale.Granular = &granular.Change{Before: new(locked(asked)), After: nextGranular(locked(asked), func(*granular.Relationship) {})}
	made := agreed(p, customer, i.ID)
	s.refused(s.accepts(stale, made), invitation.ErrConflict)
	s.refused(write(stale), invitation.ErrConflict)
	s.same(asked, s.granted(asked.Key))
	s.ok(s.accepts(c, made))
	s.same(c.Granular.After, s.granted(asked.Key))
	if grants, err := s.Granular.Grants(s.Context(), p, customer, customer); err != nil || len(grants) != 1 || grants[0].ID != asked.ID {
		s.Fatalf("%v, %v", grants, err)
	}
	again, second := draft(p), granted(p, func(r *granular.Relationship) { r.Customer = customer })
	s.ok(write(invitation.Change{After: again, Granular: &granular.Change{After: second}}))
	c = answer(again, second)
	s.ok(write(c))
	s.same(c.Granular.After, s.granted(second.Key))
}
