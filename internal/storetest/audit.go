package storetest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"concord/internal/audit"
	"concord/internal/partner"
	"concord/internal/problem"
)

// The operations of the audit.
const (
	AddAudit     Operation = "AddAudit"
	AuditRecords Operation = "AuditRecords"
)

func auditPlace(at time.Time, id string) string { return at.UTC().Format(time.RFC3339) + "#" + id }

// AddAudit is that of [audit.Log].
func (m *Memory) AddAudit(ctx context.Context, r audit.Record) (added bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	err = m.do(AddAudit, func() error {
		r = copyAudit(r)
		place := auditPlace(r.At, r.ID)
		if _, there := m.audit[r.Partner][place]; there {
			return nil
		}
		if m.audit[r.Partner] == nil {
			set(&m.audit, r.Partner, map[string]audit.Record{})
		}
		m.audit[r.Partner][place] = r
		added = true
		return nil
	})
	return added && err == nil, err
}

// AuditRecords is that of [audit.Log].
func (m *Memory) AuditRecords(ctx context.Context, p partner.TenantID, q audit.Query) (page audit.Page, err error) {
	if err := ctx.Err(); err != nil {
		return page, err
	}
	err = m.do(AuditRecords, func() error {
		moment, id, ok := strings.Cut(q.After, "#")
		at, fault := time.Parse(time.RFC3339, moment)
		if q.After != "" && (!ok || fault != nil || auditPlace(at, id) != q.After || id == "" || !at.Before(whole(q.Before))) {
			return malformed()
		}
		all := m.audit[p]
		var places []string
		for _, place := range slices.Backward(slices.Sorted(maps.Keys(all))) {
			if r := all[place]; !r.At.Before(whole(q.From)) && r.At.Before(whole(q.Before)) {
				places = append(places, place)
			}
		}
		kept, next := walk(places, q.Limit, func(place string) bool { return q.After == "" || place < q.After },
			func(place string) bool { return q.Matches(all[place]) })
		for _, place := range kept {
			page.Records = append(page.Records, copyAudit(all[place]))
		}
		page.Next = next
		return nil
	})
	return page, err
}

// whole gives the next whole second.
func whole(t time.Time) time.Time { return t.Add(time.Second - time.Nanosecond).Truncate(time.Second) }

func copyAudit(r audit.Record) audit.Record {
	r.At, r.Until = second(r.At), second(r.Until)
	r.Old, r.New = maps.Clone(r.Old), maps.Clone(r.New)
	return r
}

// audited is an audit record of a partner, n minutes after noon.
func audited(p partner.TenantID, n int) audit.Record {
	return audit.Record{
		ID: fmt.Sprintf("aud_%026d", n), Partner: p, At: noon.Add(time.Duration(n) * time.Minute), Actor: audit.Actor{Kind: audit.Schedule},
		Operation: "invitation.expired", ResourceType: audit.Invitation, ResourceID: id(),
	}
}

func (s *suite) trail(p partner.TenantID, q audit.Query, limit int) (ids []string) {
	s.Helper()
	q.Limit = limit
	if q.Before.IsZero() {
		q.Before = noon.AddDate(1, 0, 0)
	}
	for pages := 0; ; pages++ {
		page, err := s.Audit.AuditRecords(s.Context(), p, q)
		if err != nil {
			s.Fatal(err)
		}
		if len(page.Records) > limit || pages > 100 {
			s.Fatalf("page %d of %d records, limit %d", pages, len(page.Records), limit)
		}
		for _, r := range page.Records {
			ids = append(ids, r.ID)
		}
		if q.After = page.Next; q.After == "" {
			return ids
		}
	}
}

// add adds records, all of which are new.
func (s *suite) add(records ...audit.Record) {
	s.Helper()
	for _, r := range records {
		if added, err := s.Audit.AddAudit(s.Context(), r); err != nil || !added {
			s.Fatal(added, err)
		}
	}
}

func (s *suite) auditRoundTrip() {
	p := tenant()
	full := audit.Record{
		ID: "aud_0123456789abcdefghijklmnop", Partner: p, At: second(noon), Actor: audit.Actor{Kind: audit.User, Subject: "3f8e3a52-6d0c-4f55-9a4e-0d4bb1f1a001", Tenant: p},
		Operation: "relationship.removed", ResourceType: audit.Relationship, ResourceID: "rel_aaaaaaaaaaaaaaaaaaaaaaaaaa", Customer: tenant(),
		Old: map[string]string{"status": "active", "delegatedAdmin": "active"}, New: map[string]string{"status": "removed", "delegatedAdmin": "terminated"},
		CorrelationID: "6f1c9d3e-1111-4000-8000-000000000001", Reason: "a_word", Until: second(noon.AddDate(7, 0, 0)),
	}
	bare := audited(p, 1)
	bare.At = second(bare.At)
	s.add(full, bare)
	page, err := s.Audit.AuditRecords(s.Context(), p, audit.Query{Before: noon.AddDate(1, 0, 0), Limit: 25})
	if err != nil {
		s.Fatal(err)
	}
	s.same(audit.Page{Records: []audit.Record{bare, full}}, page)

	// The first stays as it is.
	again := full
	again.Reason, again.Actor.Kind = "another", audit.System
	if added, err := s.Audit.AddAudit(s.Context(), again); added || err != nil {
		s.Fatal(added, err)
	}
	if page, err = s.Audit.AuditRecords(s.Context(), p, audit.Query{Before: noon.AddDate(1, 0, 0), Limit: 25}); err != nil {
		s.Fatal(err)
	}
	s.same(audit.Page{Records: []audit.Record{bare, full}}, page)
	s.same([]string(nil), s.trail(tenant(), audit.Query{}, 25)) // of another partner
}

func (s *suite) auditFilters() {
	p, larch, oak := tenant(), tenant(), tenant()
	var all []audit.Record
	for n := range 9 {
		r := audited(p, n)
		switch {
		case n%3 == 1:
			r.Customer, r.ResourceType, r.Operation = larch, audit.Relationship, "relationship.established"
		case n%3 == 2:
			r.Customer = oak
		}
		all = append(all, r)
	}
	twin := audited(p, 100) // at the same second as another
	twin.At = all[4].At
	s.add(append(slices.Clone(all), twin)...)
	pick := func(numbers ...int) (ids []string) {
		for _, n := range numbers {
			if n == 100 {
				ids = append(ids, twin.ID)
			} else {
				ids = append(ids, all[n].ID)
			}
		}
		return ids
	}
	for name, c := range map[string]struct {
		q    audit.Query
		want []string
	}{
		"all":                     {audit.Query{}, pick(8, 7, 6, 5, 100, 4, 3, 2, 1, 0)},
		"from":                    {audit.Query{From: second(all[5].At)}, pick(8, 7, 6, 5)},
		"from a part of a second": {audit.Query{From: second(all[5].At).Add(time.Millisecond)}, pick(8, 7, 6)},
		"before":                  {audit.Query{Before: second(all[2].At)}, pick(1, 0)},
		"from and before":         {audit.Query{From: second(all[1].At), Before: second(all[3].At)}, pick(2, 1)},
		"nothing between":         {audit.Query{From: second(all[3].At), Before: second(all[3].At)}, nil},
		"the wrong way round":     {audit.Query{From: second(all[3].At), Before: second(all[1].At)}, nil},
		"customer":                {audit.Query{Customer: larch}, pick(7, 4, 1)},
		"another's customer":      {audit.Query{Customer: tenant()}, nil},
		"resource type":           {audit.Query{ResourceType: audit.Relationship}, pick(7, 4, 1)},
		"operation":               {audit.Query{Operation: "invitation.expired"}, pick(8, 6, 5, 100, 3, 2, 0)},
		"customer and time":       {audit.Query{Customer: oak, From: second(all[3].At)}, pick(8, 5)},
	} {
		for _, limit := range []int{1, 3, 25} {
			if got := s.trail(p, c.q, limit); !slices.Equal(c.want, got) {
				s.Errorf("%s, %d to a page: %v, want %v", name, limit, got, c.want)
			}
		}
	}
	for _, after := range []string{"x", "2025-03-01T12:00:00Z", "2025-03-01T12:00:00Z#", "2025-03-01 12:00:00#" + twin.ID, "2099-03-01T12:00:00Z#" + twin.ID} {
		_, err := s.Audit.AuditRecords(s.Context(), p, audit.Query{Before: noon.AddDate(1, 0, 0), Limit: 5, After: after})
		s.code(err, problem.MalformedRequest)
	}
	// The beginning has moved past where the page before ended.
	page, err := s.Audit.AuditRecords(s.Context(), p, audit.Query{From: second(all[5].At), Before: noon.AddDate(1, 0, 0), Limit: 5, After: auditPlace(all[2].At, all[2].ID)})
	if err != nil || len(page.Records) > 0 || page.Next != "" {
		s.Errorf("%+v, %v", page, err)
	}
}

// auditBounded: a page that finds nothing ends all the same.
func (s *suite) auditBounded() {
	p := tenant()
	for n := range 30 {
		s.add(audited(p, n))
	}
	page, err := s.Audit.AuditRecords(s.Context(), p, audit.Query{Before: noon.AddDate(1, 0, 0), Limit: 2, Operation: "invitation.created"})
	if err != nil || len(page.Records) != 0 || page.Next == "" {
		s.Errorf("%d records, next %q, %v", len(page.Records), page.Next, err)
	}
	s.same([]string(nil), s.trail(p, audit.Query{Operation: "invitation.created"}, 2))
}
