package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"concord/internal/command"
	"concord/internal/due"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/review"
)

// Review is that of [review.Store].
func (m *Memory) Review(ctx context.Context, tenant partner.TenantID, _ bool) (r review.Review, err error) {
	if err := ctx.Err(); err != nil {
		return r, err
	}
	err = m.do(ReadReview, func() error {
		stored, found := m.reviews[tenant]
		if !found {
			return problem.New(problem.NotFound, "Nobody of this company is asked.")
		}
		r = copyReview(stored)
		return nil
	})
	return r, err
}

// WriteReview is that of [review.Store].
func (m *Memory) WriteReview(ctx context.Context, c review.Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b := c.Before
	if b == nil && c.After.Version != 1 || b != nil && (c.After.Version != b.Version+1 || c.After.Tenant != b.Tenant) {
		panic(fmt.Sprintf("storetest: version %d of the review of %s over %+v", c.After.Version, c.After.Tenant, c.Before))
	}
	return m.do(WriteReview, func() error {
		stored, found := m.reviews[c.After.Tenant]
		if found != (c.Before != nil) || found && stored.Version != c.Before.Version {
			return command.ErrConflict
		}
		set(&m.reviews, c.After.Tenant, copyReview(c.After))
		return nil
	})
}

func copyReview(r review.Review) review.Review {
	r.Next, r.Post.At, r.Post.Owed = second(r.Next), second(r.Post.At), slices.Clone(r.Post.Owed)
	return r
}

func noted() review.Review {
	return review.Review{
		Tenant: tenant(), Cloud: "public", To: "ada@larch.example", Locale: "fr", Next: time.Date(2025, 8, 30, 12, 0, 0, 0, time.UTC),
		Post: outbox.Box{State: outbox.Waiting, Owed: []outbox.Kind{review.Notice}, Attempts: 2, Owner: "x",
			At: time.Date(2025, 3, 1, 12, 1, 0, 0, time.UTC), Reason: "throttled"},
		Version: 1,
	}
}

func (s *suite) reviewRoundTrip() {
	r := noted()
	_, err := s.Reviews.Review(s.Context(), r.Tenant, true)
	s.code(err, problem.NotFound)
	s.ok(s.Reviews.WriteReview(s.Context(), review.Change{After: r}))
	got, err := s.Reviews.Review(s.Context(), r.Tenant, true)
	s.ok(err)
	same(s.T, "review", got, r)

	bare := review.Review{Tenant: r.Tenant, Cloud: r.Cloud, Version: 2}
	s.ok(s.Reviews.WriteReview(s.Context(), review.Change{Before: &r, After: bare}))
	got, err = s.Reviews.Review(s.Context(), r.Tenant, true)
	s.ok(err)
	same(s.T, "what was taken away", got, bare)
	late := r
	late.Version = 2
	if err := s.Reviews.WriteReview(s.Context(), review.Change{Before: &r, After: late}); !errors.Is(err, command.ErrConflict) {
		s.Errorf("over a version that is gone: %v", err)
	}
}

// One is noted for a tenant: of many that answer at once one.
func (s *suite) reviewOnce() {
	r := noted()
	errs := make([]error, 16)
	var all sync.WaitGroup
	for n := range errs {
		all.Go(func() {
			mine := r
			mine.To = fmt.Sprintf("admin-%d@larch.example", n)
			errs[n] = s.Reviews.WriteReview(s.Context(), review.Change{After: mine})
		})
	}
	all.Wait()
	stored := 0
	for _, err := range errs {
		if err == nil {
			stored++
		} else if !errors.Is(err, command.ErrConflict) {
			s.Error(err)
		}
	}
	if stored != 1 {
		s.Errorf("%d were noted", stored)
	}
}

// What is owed is due before what is to come, and what is forgotten never.
func (s *suite) reviewDue() {
	r := noted()
	s.ok(s.Reviews.WriteReview(s.Context(), review.Change{After: r}))
	listed := func(at time.Time) (found []due.Item) {
		for each, err := range s.DueIndex.Due(s.Context(), at) {
			s.ok(err)
			if each.Partner == r.Tenant {
				found = append(found, each)
			}
		}
		return found
	}
	want := []due.Item{{Kind: review.DueKind, Partner: r.Tenant, At: r.Post.At}}
	s.eventually("it is due", func() (any, bool) { got := listed(r.Post.At); return got, slices.Equal(got, want) })
	after := r
	after.Post, after.Version = outbox.Box{}, 2
	s.ok(s.Reviews.WriteReview(s.Context(), review.Change{Before: &r, After: after}))
	want[0].At = r.Next
	s.eventually("it is due when the next one is", func() (any, bool) {
		got := listed(r.Next)
		return got, len(listed(r.Next.Add(-time.Second))) == 0 && slices.Equal(got, want)
	})
	gone := review.Review{Tenant: r.Tenant, Cloud: r.Cloud, Version: 3}
	s.ok(s.Reviews.WriteReview(s.Context(), review.Change{Before: &after, After: gone}))
	s.eventually("nothing is due", func() (any, bool) { got := listed(r.Next); return got, len(got) == 0 })
}
