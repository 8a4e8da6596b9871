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

	"github.com/google/go-cmp/cmp"

	"concord/internal/command"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/recipient"
	"concord/internal/registry"
)

// objectionKey is what an objection is noted once for.
type objectionKey struct {
	kind registry.ObjectionKind
	by   string
	hour time.Time
}

// CreateAccount is that of [registry.Store].
func (m *Memory) CreateAccount(ctx context.Context, a partner.Account) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return m.do(CreateAccount, func() error {
		if _, found := m.accounts[a.Tenant]; found {
			return problem.New(problem.PartnerExists, "The tenant already has an account.")
		}
		if err := m.holds(a); err != nil {
			return err
		}
		set(&m.accounts, a.Tenant, copyAccount(a))
		m.verifiedBy(a.Tenant, a.VerifiedDomain)
		return nil
	})
}

// WriteAccount is that of [registry.Store].
func (m *Memory) WriteAccount(ctx context.Context, before, after partner.Account) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if after.Version != before.Version+1 || after.Tenant != before.Tenant || !after.CreatedAt.Equal(before.CreatedAt) {
		panic(fmt.Sprintf("storetest: version %d of account %s over version %d of %s", after.Version, after.Tenant, before.Version, before.Tenant))
	}
	return m.do(WriteAccount, func() error {
		if m.accounts[after.Tenant].Version != before.Version {
			return command.ErrConflict
		}
		if err := m.holds(after); err != nil {
			return err
		}
		set(&m.accounts, after.Tenant, copyAccount(after))
		m.verifiedBy(after.Tenant, after.VerifiedDomain)
		return nil
	})
}

func accountPlace(a partner.Account) string {
	return a.CreatedAt.UTC().Format(time.RFC3339) + "#" + string(a.Tenant)
}

// ListAccounts is that of [registry.Store].
func (m *Memory) ListAccounts(ctx context.Context, q registry.Query) (page registry.Page, err error) {
	if err := ctx.Err(); err != nil {
		return page, err
	}
	err = m.do(ListAccounts, func() error {
		at, tenant, _ := strings.Cut(q.After, "#")
		if _, ok := partner.ParseTenantID(tenant); q.After != "" && (!ok || !isTime(at)) {
			return malformed()
		}
		all := map[string]partner.Account{}
		for _, a := range m.accounts {
			all[accountPlace(a)] = a
		}
		keys := slices.Sorted(maps.Keys(all))
		slices.Reverse(keys)
		kept, next := walk(keys, q.Limit, func(k string) bool { return q.After == "" || k < q.After }, func(k string) bool { return q.Matches(all[k]) })
		for _, k := range kept {
			page.Accounts = append(page.Accounts, copyAccount(all[k]))
		}
		page.Next = next
		return nil
	})
	return page, err
}

// Object is that of [registry.ReputationStore].
func (m *Memory) Object(ctx context.Context, p partner.TenantID, o registry.Objection) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return m.do(Object, func() error {
		k := objectionKey{o.Kind, o.By, second(o.At).Truncate(time.Hour)}
		if m.objections[p] == nil {
			set(&m.objections, p, map[objectionKey]time.Time{})
		}
		if _, noted := m.objections[p][k]; !noted {
			m.objections[p][k] = second(o.At)
		}
		return nil
	})
}

// Week is that of [registry.ReputationStore].
func (m *Memory) Week(ctx context.Context, p partner.TenantID, from, to string) (w registry.Week, err error) {
	if err := ctx.Err(); err != nil {
		return w, err
	}
	err = m.do(Week, func() error {
		w.Mails = map[string]int{}
		for k, n := range m.counts {
			if k.partner == p && k.domain == "" && k.day >= from && k.day <= to {
				w.Mails[k.day] = n
			}
		}
		for k, at := range m.objections[p] {
			if d := at.Format(time.DateOnly); d >= from && d <= to {
				w.Objections = append(w.Objections, registry.Objection{Kind: k.kind, By: k.by, At: at})
			}
		}
		return nil
	})
	return w, err
}

// registered is an account with every field set.
func registered(edit ...func(*partner.Account)) partner.Account {
	location, headquarters := "1"+id()[4:14], "7"+id()[4:14]
	a := partner.Account{
		Tenant: tenant(), DisplayName: "Alder Inc", Role: partner.DirectBill, Cloud: "public", Country: "US",
		PartnerIDs:          []partner.PartnerID{{ID: location, Type: partner.Location, Country: "US", OnboardingLocation: true}, {ID: headquarters, Type: partner.Headquarters, Country: "US"}},
		AssociatedPartnerID: location, Status: partner.Active,
		MPA:     &partner.Agreement{SignedAt: second(noon), SignedBy: "Ann Alder", Version: "2025", Hash: "00ff"},
		Contact: partner.Contact{Email: "hello@alder.example", Phone: "+1 555 0100", Website: "https://alder.example"},
		Support: partner.SupportProfile{Email: "help@alder.example", Phone: "+1 555 0101", Name: "Alder's desk"}, VerifiedDomain: "alder.example",
		Locale: "en", ListedInDirectory: true, EachAcceptance: true, DailyMails: 1200, Paused: &partner.Pause{At: second(noon), Reason: partner.Complaints},
		CountedFrom: second(noon).Add(-time.Hour), CreatedAt: second(noon), Version: 1,
		History: []partner.Entry{{At: second(noon), By: "operator", CorrelationID: "6f1c9d3e-1111-4000-8000-000000000001", Key: "0123456789ab", Body: "ba9876543210", Why: "asked\tfor it"}},
	}
	for _, f := range edit {
		f(&a)
	}
	return a
}

func (s *suite) register(edit ...func(*partner.Account)) partner.Account {
	s.Helper()
	a := registered(edit...)
	if err := s.Accounts.CreateAccount(s.Context(), a); err != nil {
		s.Fatal(err)
	}
	return a
}

func (s *suite) isAccount(want partner.Account) {
	s.Helper()
	got, err := s.Accounts.Account(s.Context(), want.Tenant, true)
	if err != nil {
		s.Fatal(err)
	}
	s.same(want, got)
}

func (s *suite) account() {
	_, err := s.Accounts.Account(s.Context(), tenant(), true)
	s.code(err, problem.NotFound)
	a := s.register()
	s.isAccount(a)
	bare := partner.Account{Tenant: tenant(), DisplayName: "Bare", Role: partner.IndirectReseller, Cloud: "usGov", Status: partner.Pending, CreatedAt: second(noon), Version: 1}
	if err := s.Accounts.CreateAccount(s.Context(), bare); err != nil {
		s.Fatal(err)
	}
	s.isAccount(bare)
	other := bare
	other.Tenant, other.CreatedAt = a.Tenant, second(noon).Add(time.Hour)
	s.code(s.Accounts.CreateAccount(s.Context(), other), problem.PartnerExists)
	s.isAccount(a)
	s.eventually("the account", func() (any, bool) {
		got, err := s.Accounts.Account(context.WithoutCancel(s.Context()), a.Tenant, false)
		return err, err == nil && cmp.Equal(a, got)
	})
	// What goes away, and what comes.
	after := a
	after.Also, after.Support = []partner.ProgramRole{partner.IndirectReseller, partner.IndirectProvider}, partner.SupportProfile{}
	after.Paused, after.MPA, after.PartnerIDs, after.AssociatedPartnerID, after.CountedFrom = nil, nil, nil, "", second(noon).Add(time.Minute)
	after.Version, after.History = 2, append(slices.Clone(a.History), partner.Entry{At: second(noon).Add(time.Minute), By: "operator", Changed: []string{"partnerIds", "sending=active"}, Why: "顧客に謝罪した"})
	if err := s.Accounts.WriteAccount(s.Context(), a, after); err != nil {
		s.Fatal(err)
	}
	s.isAccount(after)
}

func (s *suite) accountOutdated() {
	a := s.register()
	b, c := a, a
	b.Version, b.DisplayName = 2, "Birch Inc"
	c.Version, c.DisplayName = 2, "Cedar Inc"
	if err := s.Accounts.WriteAccount(s.Context(), a, b); err != nil {
		s.Fatal(err)
	}
	s.refused(s.Accounts.WriteAccount(s.Context(), a, c), command.ErrConflict)
	s.isAccount(b)
	nothing := registered()
	next := nothing
	next.Version = 2
	s.refused(s.Accounts.WriteAccount(s.Context(), nothing, next), command.ErrConflict)
	_, err := s.Accounts.Account(s.Context(), nothing.Tenant, true)
	s.code(err, problem.NotFound)
}

func (s *suite) accountOnce() {
	made, written := tenant(), s.register()
	outcomes := make(chan error, 128)
	var wg sync.WaitGroup
	for n := range 64 {
		wg.Go(func() {
			outcomes <- s.Accounts.CreateAccount(s.Context(), registered(func(a *partner.Account) {
				a.Tenant, a.DisplayName, a.CreatedAt = made, fmt.Sprint("Alder ", n), a.CreatedAt.Add(time.Duration(n)*time.Second)
			}))
		})
		wg.Go(func() {
			after := written
			after.Version, after.DisplayName = 2, fmt.Sprint("Birch ", n)
			outcomes <- s.Accounts.WriteAccount(s.Context(), written, after)
		})
	}
	wg.Wait()
	close(outcomes)
	count := map[string]int{}
	for err := range outcomes {
		switch {
		case err == nil:
			count["done"]++
		case problem.Is(err, problem.PartnerExists), errors.Is(err, command.ErrConflict):
			count["refused"]++
		case !problem.Is(err, problem.Unavailable):
			s.Errorf("%v", err)
		}
	}
	if count["done"] != 2 {
		s.Errorf("%v", count)
	}
	lines := 0
	for _, a := range s.listAccounts(registry.Query{}, 100) {
		if a == made {
			lines++
		}
	}
	if lines != 1 {
		s.Errorf("%d lines of the registry name the account", lines)
	}
}

// listAccounts follows a list to its end.
func (s *suite) listAccounts(q registry.Query, limit int) (tenants []partner.TenantID) {
	s.Helper()
	q.Limit = limit
	for range 1000 {
		page, err := s.Accounts.ListAccounts(s.Context(), q)
		if err != nil {
			s.Fatal(err)
		}
		if len(page.Accounts) > limit {
			s.Fatalf("%d accounts on a page of %d", len(page.Accounts), limit)
		}
		for _, a := range page.Accounts {
			tenants = append(tenants, a.Tenant)
		}
		if page.Next == "" {
			return tenants
		}
		q.After = page.Next
	}
	s.Fatal("the list does not end")
	return nil
}

// among keeps those of a list that a test has made: other tests have made some too.
func among(list []partner.TenantID, all []partner.Account) (kept []partner.TenantID) {
	for _, t := range list {
		if slices.ContainsFunc(all, func(a partner.Account) bool { return a.Tenant == t }) {
			kept = append(kept, t)
		}
	}
	return kept
}

func (s *suite) accountsNewestFirst() {
	var all []partner.Account
	for n := range 9 {
		all = append(all, s.register(func(a *partner.Account) { a.CreatedAt = a.CreatedAt.Add(time.Duration(n/2) * time.Hour) }))
	}
	slices.SortFunc(all, func(a, b partner.Account) int { return -strings.Compare(accountPlace(a), accountPlace(b)) })
	var want []partner.TenantID
	for _, a := range all {
		want = append(want, a.Tenant)
	}
	for _, limit := range []int{1, 4, 100} {
		s.same(want, among(s.listAccounts(registry.Query{}, limit), all))
	}
}

func (s *suite) accountFilters() {
	all := []partner.Account{
		s.register(func(a *partner.Account) { a.Paused = nil }),
		s.register(func(a *partner.Account) { a.CreatedAt = a.CreatedAt.Add(-time.Hour) }),
		s.register(func(a *partner.Account) {
			a.Paused, a.Status, a.CreatedAt = nil, partner.Suspended, a.CreatedAt.Add(-2*time.Hour)
		}),
		s.register(func(a *partner.Account) {
			a.Role, a.CreatedAt = partner.IndirectReseller, a.CreatedAt.Add(-3*time.Hour)
		}),
	}
	for _, c := range []struct {
		q    registry.Query
		want []int
	}{
		{registry.Query{}, []int{0, 1, 2, 3}},
		{registry.Query{Sending: partner.SendingPaused}, []int{1, 3}},
		{registry.Query{Sending: partner.SendingActive}, []int{0, 2}},
		{registry.Query{Status: partner.Suspended}, []int{2}},
		{registry.Query{Role: partner.IndirectReseller}, []int{3}},
		{registry.Query{Role: partner.DirectBill, Status: partner.Active, Sending: partner.SendingPaused}, []int{1}},
		{registry.Query{Status: partner.Rejected}, nil},
	} {
		for _, limit := range []int{1, 3, 100} {
			var want []partner.TenantID
			for _, n := range c.want {
				want = append(want, all[n].Tenant)
			}
			if got := among(s.listAccounts(c.q, limit), all); !slices.Equal(got, want) {
				s.Errorf("%+v, %d a page: %v, want %v", c.q, limit, got, want)
			}
		}
	}
	for n := range 5 {
		s.register(func(a *partner.Account) { a.CreatedAt = a.CreatedAt.AddDate(1, 0, n) })
	}
	page, err := s.Accounts.ListAccounts(s.Context(), registry.Query{Status: partner.Rejected, Limit: 1})
	if err != nil || len(page.Accounts) != 0 || page.Next == "" {
		s.Errorf("a page that looks at a bounded number: %+v, %v", page, err)
	}
}

func (s *suite) accountsMalformedAfter() {
	for _, after := range []string{"x", "#", string(tenant()), "2025-03-01#" + string(tenant()), "2025-03-01T12:00:00Z#larch", "2025-03-01T12:00:00Z"} {
		_, err := s.Accounts.ListAccounts(s.Context(), registry.Query{Limit: 10, After: after})
		s.code(err, problem.MalformedRequest)
	}
}

func (s *suite) object(p partner.TenantID, kind registry.ObjectionKind, by string, at time.Time) registry.Objection {
	s.Helper()
	o := registry.Objection{Kind: kind, By: by, At: at}
	if err := s.Reputation.Object(s.Context(), p, o); err != nil {
		s.Fatal(err)
	}
	o.At = second(at)
	return o
}

func (s *suite) isWeek(p partner.TenantID, from, to string, want registry.Week) {
	s.Helper()
	got, err := s.Reputation.Week(s.Context(), p, from, to)
	if err != nil {
		s.Fatal(err)
	}
	for _, w := range []registry.Week{want, got} {
		slices.SortFunc(w.Objections, func(a, b registry.Objection) int {
			return strings.Compare(a.By+string(a.Kind)+a.At.String(), b.By+string(b.Kind)+b.At.String())
		})
	}
	if want.Mails == nil {
		want.Mails = map[string]int{}
	}
	s.same(want, got)
}

func (s *suite) week() {
	p, other, first, second := tenant(), tenant(), id(), id()
	s.isWeek(p, "2025-02-25", "2025-03-03", registry.Week{})
	for _, day := range []string{"2025-02-24", "2025-02-25", "2025-03-01", "2025-03-01", "2025-03-03", "2025-03-04"} {
		if _, err := s.Ledger.Count(s.Context(), p, recipient.Tally{Day: day}, 10); err != nil {
			s.Fatal(err)
		}
		if _, err := s.Ledger.Count(s.Context(), p, recipient.Tally{Day: day, Domain: "larch"}, 10); err != nil { // no mail of its own
			s.Fatal(err)
		}
	}
	early := s.object(p, registry.Complaint, first, noon.AddDate(0, 0, -4).Truncate(24*time.Hour))
	s.object(p, registry.Complaint, first, noon.AddDate(0, 0, -5))
	noted := s.object(p, registry.Complaint, first, noon)
	s.object(p, registry.Complaint, first, noon.Add(10*time.Minute)) // of the same hour: known
	bounced := s.object(p, registry.Bounce, first, noon.Add(10*time.Minute))
	again := s.object(p, registry.Complaint, first, noon.Add(2*time.Hour))
	late := s.object(p, registry.Complaint, second, noon.AddDate(0, 0, 2).Truncate(24*time.Hour).Add(24*time.Hour-time.Second))
	s.object(p, registry.Complaint, second, noon.AddDate(0, 0, 3).Truncate(24*time.Hour))
	s.object(other, registry.Complaint, second, noon)
	s.isWeek(p, "2025-02-25", "2025-03-03", registry.Week{
		Mails: map[string]int{"2025-02-25": 1, "2025-03-01": 2, "2025-03-03": 1}, Objections: []registry.Objection{early, noted, bounced, again, late},
	})
	s.isWeek(p, "2025-03-02", "2025-03-02", registry.Week{})
}

func (s *suite) weekOnce() {
	p, mails := tenant(), []string{id(), id(), id(), id()}
	var wg sync.WaitGroup
	for n := range 64 {
		wg.Go(func() {
			if err := s.Reputation.Object(s.Context(), p, registry.Objection{Kind: registry.Complaint, By: mails[n%4], At: noon}); err != nil {
				s.Error(err)
			}
		})
	}
	wg.Wait()
	var want []registry.Objection
	for _, m := range mails {
		want = append(want, registry.Objection{Kind: registry.Complaint, By: m, At: second(noon)})
	}
	s.isWeek(p, "2025-03-01", "2025-03-01", registry.Week{Objections: want})
}

// pausedOnce: of complaints that come at the same time, one pauses the partner, and none is lost.
func (s *suite) pausedOnce() {
	a := s.register(func(a *partner.Account) { a.Paused, a.CountedFrom = nil, time.Time{} })
	var mu sync.Mutex
	var pauses []partner.Pause
	r := registry.Reputation{
		Store: s.Reputation, Complaints: registry.Threshold{PerMille: 3, Least: 8}, Now: func() time.Time { return noon },
		Paused: func(_ context.Context, p partner.TenantID, why partner.Pause, _ registry.Score) {
			mu.Lock()
			defer mu.Unlock()
			if pauses = append(pauses, why); p != a.Tenant {
				s.Errorf("%s is paused", p)
			}
		},
	}
	var wg sync.WaitGroup
	for range 8 {
		mail := id()
		for range 4 {
			wg.Go(func() {
				if err := r.Complained(s.Context(), a.Tenant, mail); err != nil {
					s.Error(err)
				}
			})
		}
	}
	wg.Wait()
	got, err := s.Accounts.Account(s.Context(), a.Tenant, true)
	if err != nil {
		s.Fatal(err)
	}
	want := partner.Pause{At: second(noon), Reason: partner.Complaints}
	if got.Version != 2 || got.Paused == nil || *got.Paused != want || len(got.History) != 2 || !slices.Equal(pauses, []partner.Pause{want}) {
		s.Errorf("version %d, paused %v, told of %v, history %+v", got.Version, got.Paused, pauses, got.History)
	}
}
