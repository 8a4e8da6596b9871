package storetest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"concord/internal/enrolment"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/publicid"
	"concord/internal/registry"
)

// WriteEnrolment is that of [enrolment.Store].
func (m *Memory) WriteEnrolment(ctx context.Context, c enrolment.Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.Before == nil && c.After.Version != 1 || c.Before != nil && (c.After.Version != c.Before.Version+1 || c.After.ID != c.Before.ID || c.After.Tenant != c.Before.Tenant) {
		panic(fmt.Sprintf("storetest: version %d of enrolment %s over %+v", c.After.Version, c.After.ID, c.Before))
	}
	return m.do(WriteEnrolment, func() error {
		stored, found := m.enrolments[c.After.ID]
		switch {
		case c.Before == nil && (found || m.latest[c.After.Tenant] != c.After.Previous), c.Before != nil && (!found || stored.Version != c.Before.Version):
			return enrolment.ErrConflict
		}
		if a := c.Account; a != nil {
			there, exists := m.accounts[a.After.Tenant]
			if exists != (a.Before != nil) || exists && there.Version != a.Before.Version {
				return enrolment.ErrConflict
			}
			if err := m.holds(a.After); err != nil {
				return err
			}
			set(&m.accounts, a.After.Tenant, copyAccount(a.After))
			m.verifiedBy(a.After.Tenant, a.After.VerifiedDomain)
		}
		set(&m.enrolments, c.After.ID, copyEnrolment(c.After))
		if c.Before == nil {
			set(&m.latest, c.After.Tenant, c.After.ID)
		}
		return nil
	})
}

// Enrolment is that of [enrolment.Store].
func (m *Memory) Enrolment(ctx context.Context, id string) (e enrolment.Enrolment, err error) {
	if err := ctx.Err(); err != nil {
		return e, err
	}
	err = m.do(Enrolment, func() error {
		stored, found := m.enrolments[id]
		if !found {
			return problem.New(problem.NotFound, "There is no such enrolment.")
		}
		e = copyEnrolment(stored)
		return nil
	})
	return e, err
}

// LatestEnrolment is that of [enrolment.Store].
func (m *Memory) LatestEnrolment(ctx context.Context, tenant partner.TenantID) (e enrolment.Enrolment, err error) {
	if err := ctx.Err(); err != nil {
		return e, err
	}
	err = m.do(LatestEnrolment, func() error {
		id, found := m.latest[tenant]
		if !found {
			return problem.New(problem.NotFound, "The company has no enrolment.")
		}
		e = copyEnrolment(m.enrolments[id])
		return nil
	})
	return e, err
}

func enrolmentPlace(e enrolment.Enrolment) string {
	return e.CreatedAt.UTC().Format(time.RFC3339) + "#" + e.ID
}

// ListEnrolments is that of [enrolment.Store].
func (m *Memory) ListEnrolments(ctx context.Context, q enrolment.Query) (page enrolment.Page, err error) {
	if err := ctx.Err(); err != nil {
		return page, err
	}
	err = m.do(ListEnrolments, func() error {
		at, id, _ := strings.Cut(q.After, "#")
		if q.After != "" && (!isTime(at) || !publicid.Is(enrolment.Prefix, id)) {
			return malformed()
		}
		all := map[string]enrolment.Enrolment{}
		var keys []string
		for _, e := range m.enrolments {
			all[enrolmentPlace(e)] = e
			keys = append(keys, enrolmentPlace(e))
		}
		slices.Sort(keys)
		slices.Reverse(keys)
		kept, next := walk(keys, q.Limit, func(k string) bool { return q.After == "" || k < q.After },
			func(k string) bool { return q.Matches(all[k]) })
		for _, k := range kept {
			page.Enrolments = append(page.Enrolments, copyEnrolment(all[k]))
		}
		page.Next = next
		return nil
	})
	return page, err
}

func copyEnrolment(e enrolment.Enrolment) enrolment.Enrolment {
	e.Address.Suggested, e.Address.Doubtful = slices.Clone(e.Address.Suggested), slices.Clone(e.Address.Doubtful)
	if e.Location != nil {
		l := *e.Location
		e.Location = &l
	}
	if e.MPA != nil {
		mpa := *e.MPA
		mpa.SignedAt = second(mpa.SignedAt)
		e.MPA = &mpa
	}
	e.Post.Owed = slices.Clone(e.Post.Owed)
	e.Verification.Asked = slices.Clone(e.Verification.Asked)
	for n := range e.Verification.Asked {
		e.Verification.Asked[n].At = second(e.Verification.Asked[n].At)
	}
	e.Steps = maps.Clone(e.Steps)
	e.Questions = slices.Clone(e.Questions)
	for n, q := range e.Questions {
		e.Questions[n].At, e.Questions[n].AnsweredAt = second(q.At), second(q.AnsweredAt)
	}
	for _, t := range []*time.Time{&e.Verification.ExpiresAt, &e.Verification.VerifiedAt, &e.SubmittedAt, &e.ReviewDueAt, &e.Post.At, &e.CreatedAt} {
		*t = second(*t)
	}
	e.History = slices.Clone(e.History)
	for n := range e.History {
		e.History[n].At = second(e.History[n].At)
	}
	return e
}

// applied is an enrolment with every field set.
func applied(p partner.TenantID) enrolment.Enrolment {
	var b [16]byte
	_, _ = rand.Read(b[:])
	at := second(noon)
	address := enrolment.Address{Line1: "12 Heath Road", Line2: "Floor 2", City: "Springfield", State: "or", PostalCode: "97477", Country: "US"}
	suggested := address
	suggested.State = "OR"
	return enrolment.Enrolment{
		ID: publicid.Format(enrolment.Prefix, b), Tenant: p, Cloud: "public", Path: enrolment.Full, Status: enrolment.InVetting, Locale: "fr", LocaleAsked: "fr-CA", Country: "US",
		Legal: enrolment.Legal{Entry: enrolment.ByDUNS, Name: "Gorse Networks", DUNS: "000000701", Address: address},
		Address: enrolment.AddressCheck{
			Validation: enrolment.Validation{Status: enrolment.AddressSuggestion, Suggested: []enrolment.Address{suggested}, Doubtful: []string{"state"}}, Choice: enrolment.Suggested,
		},
		Contact:  enrolment.Person{FirstName: "Grace", LastName: "Gorse", Email: "grace@gorse.example", Phone: "+1 555 0107"},
		Support:  partner.SupportProfile{Email: "help@gorse.example", Phone: "+1 555 0108", Name: "Gorse's desk"},
		Location: &enrolment.Location{ID: "4100007", Name: "Gorse", Type: partner.Location, Country: "US", Tenant: p},
		Verification: enrolment.Verification{
			Generation: 2, Asked: []enrolment.Asking{{At: at}, {At: at.Add(time.Hour), To: "0123456789ab"}}, Domain: "gorse.example", ExpiresAt: at.Add(time.Hour), Lapsed: true, VerifiedAt: at.Add(time.Minute), VerifiedBy: "someone",
			Delivery: "bounced", DeliveryReason: "mailbox_full",
		},
		Vetting:     enrolment.Vetting{EmailOwnership: enrolment.Passed, Employment: enrolment.Flagged, Business: enrolment.NotLooked},
		SubmittedAt: at, ReviewDueAt: at.Add(time.Hour), Overdue: true, Reason: "which street?", MPALanguage: "fr",
		Questions: []enrolment.Question{{At: at, Text: "which street?", Answer: "the one\nbehind the church", AnsweredAt: at.Add(time.Hour)}, {At: at.Add(2 * time.Hour), Text: "which church?"}},
		MPA:       &partner.Agreement{SignedAt: at, SignedBy: "someone", Version: "1", Hash: "00ff"},
		Post:      outbox.Box{State: outbox.Waiting, Owed: []outbox.Kind{enrolment.VettingNotice, enrolment.ActiveNotice}, Attempts: 2, Owner: "x", At: at.Add(time.Minute), Reason: "throttled"},
		Steps:     map[outbox.Kind]enrolment.Step{enrolment.ActionRequiredNotice: {Reason: "which street?", Located: true}, enrolment.AuthorizedNotice: {}},
		CreatedAt: at, CreatedBy: "creator", Version: 1,
		History: []enrolment.HistoryEntry{
			{At: at, Action: enrolment.Start, By: "creator", CorrelationID: "6f1c9d3e-1111-4000-8000-000000000001", Key: "0123456789ab", Body: "ba9876543210", Why: "draft"},
			{At: at, Action: enrolment.Confirm, By: "someone", Why: "vetting"},
		},
	}
}

func (s *suite) enrolled(e enrolment.Enrolment) {
	s.Helper()
	s.ok(s.Enrolments.WriteEnrolment(s.Context(), enrolment.Change{After: e}))
}

func (s *suite) enrolmentRoundTrip() {
	p := tenant()
	_, err := s.Enrolments.LatestEnrolment(s.Context(), p)
	s.code(err, problem.NotFound)
	e := applied(p)
	_, err = s.Enrolments.Enrolment(s.Context(), e.ID)
	s.code(err, problem.NotFound)
	s.enrolled(e)
	got, err := s.Enrolments.Enrolment(s.Context(), e.ID)
	s.ok(err)
	same(s.T, "enrolment", got, e)
	got, err = s.Enrolments.LatestEnrolment(s.Context(), p)
	s.ok(err)
	same(s.T, "latest", got, e)

	bare := enrolment.Enrolment{
		ID: e.ID, Tenant: p, Cloud: "public", Path: enrolment.Full, Status: enrolment.Draft, CreatedAt: e.CreatedAt, CreatedBy: e.CreatedBy, Version: 2,
	}
	s.ok(s.Enrolments.WriteEnrolment(s.Context(), enrolment.Change{Before: &e, After: bare}))
	got, err = s.Enrolments.Enrolment(s.Context(), e.ID)
	s.ok(err)
	same(s.T, "what was taken away", got, bare)
}

// One application of a company is open: of many that start at once one does.
func (s *suite) enrolmentOnce() {
	p := tenant()
	errs := make([]error, 64)
	var wg sync.WaitGroup
	for n := range errs {
		wg.Go(func() { errs[n] = s.Enrolments.WriteEnrolment(s.Context(), enrolment.Change{After: applied(p)}) })
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

func (s *suite) enrolmentFollows() {
	p := tenant()
	first, second := applied(p), applied(p)
	s.enrolled(first)
	second.Previous = "enr_other"
	if err := s.Enrolments.WriteEnrolment(s.Context(), enrolment.Change{After: second}); !errors.Is(err, enrolment.ErrConflict) {
		s.Errorf("follows another: %v", err)
	}
	second.Previous = first.ID
	s.enrolled(second)
	got, err := s.Enrolments.LatestEnrolment(s.Context(), p)
	s.ok(err)
	same(s.T, "latest", got, second)
}

func (s *suite) enrolmentOutdated() {
	e := applied(tenant())
	s.enrolled(e)
	after := e
	after.Version, after.Status = 2, enrolment.Authorized
	s.ok(s.Enrolments.WriteEnrolment(s.Context(), enrolment.Change{Before: &e, After: after}))
	late := e
	late.Version, late.Status = 2, enrolment.Rejected
	if err := s.Enrolments.WriteEnrolment(s.Context(), enrolment.Change{Before: &e, After: late}); !errors.Is(err, enrolment.ErrConflict) {
		s.Errorf("lost update: %v", err)
	}
	got, err := s.Enrolments.Enrolment(s.Context(), e.ID)
	s.ok(err)
	same(s.T, "what was first", got, after)
}

// The account of an active enrolment is there with it, or neither is.
func (s *suite) enrolmentAccount() {
	e := applied(tenant())
	s.enrolled(e)
	active := e
	active.Version, active.Status = 2, enrolment.Active
	id := "9" + strings.ReplaceAll(string(e.Tenant), "-", "")[:12]
	made := registered(func(a *partner.Account) {
		a.Tenant, a.PartnerIDs, a.AssociatedPartnerID = e.Tenant, []partner.PartnerID{{ID: id, Type: partner.Location, Country: "US"}}, id
	})
	other := made
	other.Tenant = tenant()
	s.ok(s.Accounts.CreateAccount(s.Context(), other))
	s.code(s.Enrolments.WriteEnrolment(s.Context(), enrolment.Change{Before: &e, After: active, Account: &registry.Change{After: made}}), problem.PartnerIDInUse)
	free := other
	free.Version, free.PartnerIDs = 2, nil
	s.ok(s.Accounts.WriteAccount(s.Context(), other, free))
	s.ok(s.Enrolments.WriteEnrolment(s.Context(), enrolment.Change{Before: &e, After: active, Account: &registry.Change{After: made}}))
	got, err := s.Accounts.Account(s.Context(), e.Tenant, true)
	s.ok(err)
	same(s.T, "account", got, made)

	again := active
	again.Version = 3
	if err := s.Enrolments.WriteEnrolment(s.Context(), enrolment.Change{Before: &active, After: again, Account: &registry.Change{After: made}}); !errors.Is(err, enrolment.ErrConflict) {
		s.Errorf("a second account: %v", err)
	}
	stored, err := s.Enrolments.Enrolment(s.Context(), e.ID)
	s.ok(err)
	same(s.T, "enrolment without its account", stored, active)

	changed := made
	changed.Version, changed.Locale = 2, "de"
	s.ok(s.Enrolments.WriteEnrolment(s.Context(), enrolment.Change{Before: &active, After: again, Account: &registry.Change{Before: &made, After: changed}}))
	got, err = s.Accounts.Account(s.Context(), e.Tenant, true)
	s.ok(err)
	same(s.T, "changed account", got, changed)
}

func (s *suite) enrolmentsNewestFirst() {
	var all []enrolment.Enrolment
	for n := range 7 {
		e := applied(tenant())
		// In a year of their own, for the list is that of all companies.
		e.CreatedAt = second(noon).AddDate(20, 0, n/2)
		if n%3 == 0 {
			e.Status = enrolment.Authorized
		}
		s.enrolled(e)
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b enrolment.Enrolment) int { return -strings.Compare(enrolmentPlace(a), enrolmentPlace(b)) })
	for _, status := range []enrolment.Status{"", enrolment.Authorized, enrolment.InVetting} {
		var want []string
		for _, e := range all {
			if status == "" || e.Status == status {
				want = append(want, e.ID)
			}
		}
		for _, limit := range []int{1, 3, 100} {
			var got []string
			for after := ""; ; {
				page, err := s.Enrolments.ListEnrolments(s.Context(), enrolment.Query{Status: status, Limit: limit, After: after})
				s.ok(err)
				for _, e := range page.Enrolments {
					if slices.ContainsFunc(all, func(o enrolment.Enrolment) bool { return o.ID == e.ID }) {
						got = append(got, e.ID)
					}
				}
				if after = page.Next; after == "" {
					break
				}
			}
			same(s.T, fmt.Sprintf("%q by %d", status, limit), got, want)
		}
	}
	_, err := s.Enrolments.ListEnrolments(s.Context(), enrolment.Query{Limit: 1, After: "nowhere"})
	s.code(err, problem.MalformedRequest)
}

func (s *suite) enrolmentDue() {
	e := applied(tenant())
	e.Post, e.Overdue, e.Verification.Lapsed = outbox.Box{}, false, false
	s.enrolled(e)
	listed := func(at time.Time) bool {
		for a, err := range s.DueIndex.Due(s.Context(), at) {
			s.ok(err)
			if a.Kind == enrolment.DueKind && a.ID == e.ID {
				if !a.At.Equal(e.ReviewDueAt) {
					s.Errorf("due at %s", a.At)
				}
				return true
			}
		}
		return false
	}
	if listed(e.ReviewDueAt.Add(-time.Second)) || !listed(e.ReviewDueAt) {
		s.Error("not due when the review is")
	}
	done := e
	done.Version, done.Overdue = 2, true
	s.ok(s.Enrolments.WriteEnrolment(s.Context(), enrolment.Change{Before: &e, After: done}))
	if listed(e.ReviewDueAt.Add(time.Hour)) {
		s.Error("still due")
	}
}
