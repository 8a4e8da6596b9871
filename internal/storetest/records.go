package storetest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"concord/internal/enrolment"
	"concord/internal/partner"
	"concord/internal/problem"
)

type keptKey struct {
	kind enrolment.RecordKind
	id   string
}

// KeptRecord is that of [enrolment.RecordStore].
func (m *Memory) KeptRecord(ctx context.Context, k enrolment.RecordKind, id string, _ bool) (r enrolment.Record, err error) {
	if err := ctx.Err(); err != nil {
		return r, err
	}
	err = m.do(KeptRecord, func() error {
		stored, found := m.kept[keptKey{k, id}]
		if !found {
			return problem.New(problem.NotFound, "There is no such record.")
		}
		r = copyRecord(stored)
		return nil
	})
	return r, err
}

// KeptRecords is that of [enrolment.RecordStore].
func (m *Memory) KeptRecords(ctx context.Context, k enrolment.RecordKind, limit int, after string) (
	page enrolment.RecordPage, err error,
) {
	if err := ctx.Err(); err != nil {
		return page, err
	}
	err = m.do(KeptRecords, func() error {
		var ids []string
		for key := range m.kept {
			if key.kind == k {
				ids = append(ids, key.id)
			}
		}
		slices.Sort(ids)
		found, next := walk(ids, limit, func(id string) bool { return id > after }, func(string) bool { return true })
		for _, id := range found {
			page.Records = append(page.Records, copyRecord(m.kept[keptKey{k, id}]))
		}
		page.Next = next
		return nil
	})
	return page, err
}

// KeepRecord is that of [enrolment.RecordStore].
func (m *Memory) KeepRecord(ctx context.Context, c enrolment.RecordChange) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.Before == nil && c.After.Version != 1 ||
		c.Before != nil && (c.After.Version != c.Before.Version+1 || c.After.ID != c.Before.ID || c.After.Kind != c.Before.Kind) {
		panic(fmt.Sprintf("storetest: version %d of record %s over %+v", c.After.Version, c.After.ID, c.Before))
	}
	return m.do(KeepRecord, func() error {
		key := keptKey{c.After.Kind, c.After.ID}
		if stored, found := m.kept[key]; found != (c.Before != nil) || found && stored.Version != c.Before.Version {
			return enrolment.ErrConflict
		}
		set(&m.kept, key, copyRecord(c.After))
		return nil
	})
}

func copyRecord(r enrolment.Record) enrolment.Record {
	r.Calendar.Weekend, r.Calendar.Holidays = slices.Clone(r.Calendar.Weekend), slices.Clone(r.Calendar.Holidays)
	r.History = slices.Clone(r.History)
	for n := range r.History {
		r.History[n].At, r.History[n].Changed = second(r.History[n].At), slices.Clone(r.History[n].Changed)
	}
	return r
}

// Samples are records of companies that do not exist, and of a PartnerID of one of them that no account has: as the
// local stack has them.
func Samples() enrolment.Records {
	m := &Memory{}
	company := func(duns, name string, a enrolment.Address) {
		set(&m.kept, keptKey{enrolment.CompanyRecord, duns}, enrolment.Record{
			Kind: enrolment.CompanyRecord, ID: duns, Company: enrolment.Company{DUNS: duns, Name: name, Address: a}, Version: 1,
		})
	}
	company("000000701", "Gorse Networks", enrolment.Address{Line1: "12 Heath Road", City: "Springfield", State: "OR",
		PostalCode: "97477", Country: "US"})
	company("000000702", "Hawthorn Informatique", enrolment.Address{Line1: "4 rue de l'Exemple", City: "Lyon",
		PostalCode: "69002", Country: "FR"})
	const gorse = partner.TenantID("9025e000-0000-4000-8000-000000000007")
	for _, l := range []enrolment.Location{
		{ID: "4100007", Name: "Gorse Networks, Springfield", Type: partner.Location, Country: "US", Tenant: gorse},
		{ID: "4100070", Name: "Gorse Networks", Type: partner.Headquarters, Country: "US", Tenant: gorse},
		{ID: "4100071", Name: "Gorse Networks, Lyon", Type: partner.Location, Country: "FR", Tenant: gorse},
		{ID: "4100072", Name: "Hawthorn Informatique, Lyon", Type: partner.Location, Country: "FR"},
	} {
		set(&m.kept, keptKey{enrolment.PartnerIDRecord, l.ID}, enrolment.Record{Kind: enrolment.PartnerIDRecord, ID: l.ID,
			Location: l, Version: 1})
	}
	return enrolment.Records{Store: m}
}

// records gives one of each kind, with every field set, under ids that no other test has.
func records() []enrolment.Record {
	id := rand.Text()[:16]
	line := partner.Entry{At: second(noon), By: "operator", CorrelationID: "c-1", Why: "as the register has it"}
	changed := partner.Entry{At: second(noon.Add(time.Hour)), By: "another", Changed: []string{"name", "retired"}}
	return []enrolment.Record{
		{
			Kind: enrolment.CompanyRecord, ID: id, Version: 1, Retired: true, History: []partner.Entry{line, changed},
			Company: enrolment.Company{DUNS: id, Name: "Grand Chêne", Address: enrolment.Address{Line1: "1", Line2: "2",
				City: "Lyon", State: "S", PostalCode: "69002", Country: "FR"}},
		},
		{
			Kind: enrolment.PartnerIDRecord, ID: id, Version: 1, History: []partner.Entry{line},
			Location: enrolment.Location{ID: id, Name: "Gorse", Type: partner.Location, Country: "US", Tenant: tenant()},
		},
		{
			Kind: enrolment.CalendarRecord, ID: id, Version: 1, History: []partner.Entry{line},
			Calendar: enrolment.Calendar{Weekend: []time.Weekday{time.Friday, time.Saturday}, Holidays: []string{"2026-12-25",
				"2027-01-01"}},
		},
	}
}

func (s *suite) recordRoundTrip() {
	for _, r := range records() {
		_, err := s.Kept.KeptRecord(s.Context(), r.Kind, r.ID, true)
		s.code(err, problem.NotFound)
		s.ok(s.Kept.KeepRecord(s.Context(), enrolment.RecordChange{After: r}))
		got, err := s.Kept.KeptRecord(s.Context(), r.Kind, r.ID, true)
		s.ok(err)
		same(s.T, string(r.Kind), got, r)
		// What a version no longer says goes away.
		after := enrolment.Record{Kind: r.Kind, ID: r.ID, Version: 2, History: r.History[:1]}
		switch r.Kind {
		case enrolment.CompanyRecord:
			after.Company = enrolment.Company{DUNS: r.ID, Name: "Chêne", Address: enrolment.Address{Line1: "1", Country: "FR"}}
		case enrolment.PartnerIDRecord:
			after.Location = enrolment.Location{ID: r.ID, Name: "Gorse", Type: partner.Headquarters, Country: "FR"}
		}
		s.ok(s.Kept.KeepRecord(s.Context(), enrolment.RecordChange{Before: &r, After: after}))
		got, err = s.Kept.KeptRecord(s.Context(), r.Kind, r.ID, true)
		s.ok(err)
		same(s.T, "changed "+string(r.Kind), got, after)
		err = s.Kept.KeepRecord(s.Context(), enrolment.RecordChange{Before: &r, After: after})
		if !errors.Is(err, enrolment.ErrConflict) {
			s.Errorf("an outdated change: %v", err)
		}
		if err := s.Kept.KeepRecord(s.Context(), enrolment.RecordChange{After: r}); !errors.Is(err, enrolment.ErrConflict) {
			s.Errorf("a new one over one that is there: %v", err)
		}
	}
	other := records()[1]
	next := other
	next.Version = 2
	err := s.Kept.KeepRecord(s.Context(), enrolment.RecordChange{Before: &other, After: next})
	if !errors.Is(err, enrolment.ErrConflict) {
		s.Errorf("a change of none: %v", err)
	}
}

func (s *suite) recordOnce() {
	r := records()[0]
	errs := make([]error, 16)
	var wg sync.WaitGroup
	for n := range errs {
		wg.Go(func() { errs[n] = s.Kept.KeepRecord(s.Context(), enrolment.RecordChange{After: r}) })
	}
	wg.Wait()
	stored := 0
	for _, err := range errs {
		switch {
		case err == nil:
			stored++
		case !errors.Is(err, enrolment.ErrConflict):
			s.Error(err)
		}
	}
	if stored != 1 {
		s.Errorf("%d were stored", stored)
	}
}

func (s *suite) recordPages() {
	var want []string
	for range 5 {
		r := records()[1]
		s.ok(s.Kept.KeepRecord(s.Context(), enrolment.RecordChange{After: r}))
		want = append(want, r.ID)
	}
	slices.Sort(want)
	for _, limit := range []int{1, 2, 100} {
		var got []string
		for after := ""; ; {
			page, err := s.Kept.KeptRecords(s.Context(), enrolment.PartnerIDRecord, limit, after)
			s.ok(err)
			if len(page.Records) > limit {
				s.Errorf("%d records on a page of %d", len(page.Records), limit)
			}
			for _, r := range page.Records {
				if slices.Contains(want, r.ID) {
					got = append(got, r.ID)
				}
			}
			if after = page.Next; after == "" {
				break
			}
		}
		same(s.T, fmt.Sprintf("by %d", limit), got, want)
	}
}
