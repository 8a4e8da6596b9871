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

	"concord/internal/audit"
	"concord/internal/command"
	"concord/internal/due"
	"concord/internal/invitation"
	"concord/internal/outbox"
	"concord/internal/oversight"
	"concord/internal/partner"
	"concord/internal/problem"
)

// AddReport is that of [oversight.ReportStore].
func (m *Memory) AddReport(ctx context.Context, r oversight.Report) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return m.do(AddReport, func() error {
		if _, there := m.reports[r.ID]; !there {
			set(&m.reports, r.ID, copyReport(r))
		}
		return nil
	})
}

// Report is that of [oversight.ReportStore].
func (m *Memory) Report(ctx context.Context, id string) (r oversight.Report, err error) {
	if err := ctx.Err(); err != nil {
		return r, err
	}
	err = m.do(AddReport, func() error {
		stored, found := m.reports[id]
		if !found {
			return problem.New(problem.NotFound, "There is no such report.")
		}
		r = copyReport(stored)
		return nil
	})
	return r, err
}

// Reports is that of [oversight.ReportStore].
func (m *Memory) Reports(ctx context.Context, q oversight.ReportQuery) (page oversight.ReportPage, err error) {
	if err := ctx.Err(); err != nil {
		return page, err
	}
	err = m.do(AddReport, func() error {
		ids := slices.Sorted(maps.Keys(m.reports))
		slices.Reverse(ids)
		found, next := walk(ids, q.Limit, func(id string) bool { return q.After == "" || id < q.After },
			func(id string) bool { return q.Matches(m.reports[id]) })
		for _, id := range found {
			page.Reports = append(page.Reports, copyReport(m.reports[id]))
		}
		page.Next = next
		return nil
	})
	return page, err
}

// SettleReport is that of [oversight.ReportStore].
func (m *Memory) SettleReport(ctx context.Context, before, after oversight.Report) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if after.ID != before.ID || after.Version != before.Version+1 {
		panic(fmt.Sprintf("storetest: version %d of report %s over %d", after.Version, after.ID, before.Version))
	}
	return m.do(SettleReport, func() error {
		if m.reports[after.ID].Version != before.Version {
			return command.ErrConflict
		}
		m.reports[after.ID] = copyReport(after)
		return nil
	})
}

func copyReport(r oversight.Report) oversight.Report {
	r.Record = copyAudit(r.Record)
	if s := r.Settlement; s != nil {
		r.Settlement = &oversight.Settlement{At: second(s.At), By: s.By, Note: s.Note}
	}
	return r
}

// Named is that of [oversight.ReadingStore].
func (m *Memory) Named(ctx context.Context, p partner.TenantID, prefix string) (ids []string, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	err = m.do(FindNamed, func() error {
		for k := range m.invitations {
			if k.Inviter == p && strings.HasPrefix(k.ID, prefix) {
				ids = append(ids, k.ID)
			}
		}
		for k := range m.granular {
			if k.Partner == p && strings.HasPrefix(k.ID, prefix) {
				ids = append(ids, k.ID)
			}
		}
		slices.Sort(ids)
		return nil
	})
	return ids, err
}

// Backlog is that of [oversight.HealthStore].
func (m *Memory) Backlog(ctx context.Context, now time.Time) (b oversight.Backlog, err error) {
	b.Kinds = map[due.Kind]oversight.Waiting{}
	for a, err := range m.Due(ctx, now) {
		if err != nil {
			return b, err
		}
		w := b.Kinds[a.Kind]
		if w.Due++; w.Oldest.IsZero() {
			w.Oldest = second(a.At)
		}
		b.Kinds[a.Kind] = w
	}
	err = m.do(ReadBacklog, func() error {
		count := func(states ...outbox.State) {
			for _, s := range states {
				if s.Owed() {
					b.Mails++
				}
				if s == outbox.Waiting {
					b.Retried++
				}
			}
		}
		soon := func(at time.Time, is bool) bool { return is && !at.After(now.Add(time.Hour)) }
		for _, i := range m.invitations {
			if soon(i.Due()) {
				count(i.Mail.State, i.Post.State)
			}
		}
		for _, g := range m.granular {
			if soon(g.Due()) {
				count(g.Mail.State, g.Post.State)
			}
		}
		for _, e := range m.enrolments {
			if soon(e.Due()) {
				count(e.Post.State)
			}
		}
		return nil
	})
	return b, err
}

// NoteRun is that of [oversight.HealthStore].
func (m *Memory) NoteRun(ctx context.Context, r oversight.Run) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return m.do(ReadBacklog, func() error {
		if r.At = second(r.At); !r.At.Before(m.run.At) {
			r.Done = maps.Clone(r.Done)
			m.run = r
		}
		return nil
	})
}

// LastRun is that of [oversight.HealthStore].
func (m *Memory) LastRun(ctx context.Context) (r oversight.Run, err error) {
	if err := ctx.Err(); err != nil {
		return r, err
	}
	err = m.do(ReadBacklog, func() error {
		r = m.run
		r.Done = maps.Clone(r.Done)
		return nil
	})
	return r, err
}

// reported is a report about a partner, n minutes after noon.
func (s *suite) reported(p partner.TenantID, n int) oversight.Report {
	s.Helper()
	a := audited(p, n)
	a.Operation, a.Reason, a.At = "invitation.disputed", "not-us", second(a.At)
	a.ID = "aud_" + strings.ReplaceAll(string(p), "-", "")[:26]
	r, ok := oversight.ReportOf(a)
	if !ok {
		s.Fatal("no report")
	}
	return r
}

func (s *suite) reportRoundTrip() {
	r := s.reported(tenant(), 1)
	r.Actor = audit.Actor{Kind: audit.Customer, Tenant: tenant()}
	r.Customer, r.CorrelationID, r.Until = r.Actor.Tenant, "c-1", second(noon.AddDate(7, 0, 0))
	r.Old, r.New = map[string]string{"status": "accepted"}, map[string]string{"status": "disputed"}
	_, err := s.Oversight.Report(s.Context(), r.ID)
	s.code(err, problem.NotFound)
	s.ok(s.Oversight.AddReport(s.Context(), r))
	again := r
	again.Reason = "another"
	s.ok(s.Oversight.AddReport(s.Context(), again)) // the first stays
	got, err := s.Oversight.Report(s.Context(), r.ID)
	s.ok(err)
	same(s.T, "report", got, r)
	after := r
	after.Version, after.Settlement = 2, &oversight.Settlement{At: second(noon), By: "operator", Note: "Called them"}
	s.ok(s.Oversight.SettleReport(s.Context(), r, after))
	got, err = s.Oversight.Report(s.Context(), r.ID)
	s.ok(err)
	same(s.T, "settled report", got, after)
	if err := s.Oversight.SettleReport(s.Context(), r, after); !errors.Is(err, command.ErrConflict) {
		s.Errorf("an outdated settlement: %v", err)
	}
}

func (s *suite) reportPages() {
	p := tenant()
	var want []string
	for n := range 7 {
		r := s.reported(p, n)
		s.ok(s.Oversight.AddReport(s.Context(), r))
		if n == 3 {
			after := r
			after.Version, after.Settlement = 2, &oversight.Settlement{At: second(noon), By: "operator", Note: "Nothing to do"}
			s.ok(s.Oversight.SettleReport(s.Context(), r, after))
		} else {
			want = append(want, r.ID)
		}
	}
	slices.Reverse(want)
	for _, limit := range []int{1, 3, 100} {
		var got []string
		q := oversight.ReportQuery{Open: true, Partner: p, Limit: limit}
		for pages := 0; pages < 1000; pages++ {
			page, err := s.Oversight.Reports(s.Context(), q)
			s.ok(err)
			if len(page.Reports) > limit {
				s.Errorf("%d reports on a page of %d", len(page.Reports), limit)
			}
			for _, r := range page.Reports {
				got = append(got, r.ID)
			}
			if q.After = page.Next; q.After == "" {
				break
			}
		}
		same(s.T, fmt.Sprintf("by %d", limit), got, want)
	}
}

func (s *suite) reportSettledOnce() {
	r := s.reported(tenant(), 2)
	s.ok(s.Oversight.AddReport(s.Context(), r))
	errs := make([]error, 16)
	var wg sync.WaitGroup
	for n := range errs {
		wg.Go(func() {
			after := r
			after.Version, after.Settlement = 2, &oversight.Settlement{At: second(noon), By: fmt.Sprint(n), Note: "Looked"}
			errs[n] = s.Oversight.SettleReport(s.Context(), r, after)
		})
	}
	wg.Wait()
	settled := 0
	for _, err := range errs {
		switch {
		case err == nil:
			settled++
		case !errors.Is(err, command.ErrConflict):
			s.Error(err)
		}
	}
	if settled != 1 {
		s.Errorf("%d settled it", settled)
	}
}

func (s *suite) namedByPrefix() {
	i := s.create(tenant())
	got, err := s.Oversight.Named(s.Context(), i.Inviter, i.ID[:len("inv_")+10])
	s.ok(err)
	same(s.T, "by reference", got, []string{i.ID})
	for _, none := range []struct {
		p      partner.TenantID
		prefix string
	}{{tenant(), i.ID}, {i.Inviter, "gdap_" + i.ID[4:14]}, {i.Inviter, "inv_22222222222222"}} {
		if got, err = s.Oversight.Named(s.Context(), none.p, none.prefix); err != nil || len(got) > 0 {
			s.Errorf("%s of %s: %v, %v", none.prefix, none.p, got, err)
		}
	}
}

func (s *suite) backlogAndRun() {
	first := oversight.Run{At: second(noon), Done: map[string]int{"Expired": 3}, Left: 1, Oldest: 90 * time.Second}
	s.ok(s.Oversight.NoteRun(s.Context(), first))
	later := oversight.Run{At: second(noon.Add(5 * time.Minute)), Complete: true}
	s.ok(s.Oversight.NoteRun(s.Context(), later))
	s.ok(s.Oversight.NoteRun(s.Context(), first)) // it came late
	got, err := s.Oversight.LastRun(s.Context())
	s.ok(err)
	same(s.T, "last run", got, later)
	s.ok(s.Oversight.NoteRun(s.Context(), oversight.Run{At: second(noon.Add(time.Hour)), Done: map[string]int{"Expired": 3}, Complete: true}))
	got, err = s.Oversight.LastRun(s.Context())
	s.ok(err)
	same(s.T, "done", got.Done, map[string]int{"Expired": 3})
	before, err := s.Oversight.Backlog(s.Context(), noon)
	s.ok(err)
	i := s.create(tenant())
	s.write(&i, next(i, func(n *invitation.Invitation) {
		n.Status, n.Mail = invitation.Pending, invitation.Mail{State: outbox.Waiting, Attempts: 1, At: second(noon.Add(time.Minute))}
	}))
	after, err := s.Oversight.Backlog(s.Context(), noon.Add(2*time.Minute))
	s.ok(err)
	if after.Mails <= before.Mails || after.Retried <= before.Retried || after.Kinds[invitation.DueKind].Due == 0 {
		s.Errorf("%+v, before %+v", after, before)
	}
}
