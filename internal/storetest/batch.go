package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"concord/internal/batch"
	"concord/internal/due"
	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/problem"
)

type chunkKey struct {
	batch.Key
	body  string
	first int
}

// AddChunk is that of [batch.Store].
func (m *Memory) AddChunk(ctx context.Context, c batch.Chunk) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return m.do(AddChunk, func() error {
		k := chunkKey{c.Key, c.Body, c.First()}
		if _, found := m.chunks[k]; !found {
			set(&m.chunks, k, copyChunk(c))
		}
		return nil
	})
}

// WriteBatch is that of [batch.Store].
func (m *Memory) WriteBatch(ctx context.Context, c batch.Change, done *batch.Chunk) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return m.do(WriteBatch, func() error {
		stored, found := m.batches[c.After.Key]
		if c.Before == nil && found || c.Before != nil && (!found || stored.Version != c.Before.Version) {
			return invitation.ErrConflict
		}
		if done != nil {
			k := chunkKey{done.Key, done.Body, done.First()}
			if _, found := m.chunks[k]; !found {
				return invitation.ErrConflict
			}
			set(&m.chunks, k, copyChunk(*done))
		}
		c.After.Starts = slices.Clone(c.After.Starts)
		set(&m.batches, c.After.Key, c.After)
		return nil
	})
}

// Batch is that of [batch.Store].
func (m *Memory) Batch(ctx context.Context, k batch.Key) (b batch.Batch, err error) {
	if err := ctx.Err(); err != nil {
		return b, err
	}
	err = m.do(Batch, func() error {
		var found bool
		if b, found = m.batches[k]; !found {
			return problem.New(problem.NotFound, "There is no such batch.")
		}
		b.Starts = slices.Clone(b.Starts)
		return nil
	})
	return b, err
}

// Batches is that of [batch.Store].
func (m *Memory) Batches(ctx context.Context, p partner.TenantID, after string, limit int) (page batch.Page, err error) {
	if err := ctx.Err(); err != nil {
		return page, err
	}
	place := func(b batch.Batch) string { return b.CreatedAt.UTC().Format(time.RFC3339) + "#" + b.ID }
	err = m.do(Batch, func() error {
		for k, b := range m.batches {
			if k.Partner == p && (after == "" || place(b) < after) {
				page.Batches = append(page.Batches, b)
			}
		}
		slices.SortFunc(page.Batches, func(a, b batch.Batch) int { return strings.Compare(place(b), place(a)) })
		if len(page.Batches) > limit {
			page.Batches = page.Batches[:limit]
			page.Next = place(page.Batches[limit-1])
		}
		return nil
	})
	return page, err
}

// Chunk is that of [batch.Store].
func (m *Memory) Chunk(ctx context.Context, b batch.Batch, n int) (c batch.Chunk, err error) {
	if err := ctx.Err(); err != nil {
		return c, err
	}
	err = m.do(Chunk, func() error {
		stored, found := m.chunks[chunkKey{b.Key, b.Body, b.Starts[n]}]
		if !found {
			return problem.New(problem.NotFound, "The rows are no longer kept.")
		}
		c = copyChunk(stored)
		return nil
	})
	return c, err
}

func copyChunk(c batch.Chunk) batch.Chunk {
	c.Rows = slices.Clone(c.Rows)
	for n, r := range c.Rows {
		if r.Outcome != nil {
			o := *r.Outcome
			c.Rows[n].Outcome = &o
		}
	}
	return c
}

// newBatch gives the head and the rows of a small batch with everything that can be said.
func newBatch(p partner.TenantID) (batch.Batch, []batch.Chunk) {
	at := second(noon)
	k := batch.Key{Partner: p, ID: "bat_" + string(p)[:8]}
	b := batch.Batch{
		Key: k, Send: true, Starts: []int{1, 3}, Total: 3, CorrelationID: "c-1", Body: "b0d1", CreatedAt: at, Job: batch.JobQueued, At: at.Add(batch.StreamGrace), Version: 1,
		By: partner.User{Subject: "someone", Tenant: p, Roles: []partner.Role{partner.AdminAgent, partner.SalesAgent}, Cloud: "public"},
	}
	rows := []batch.Row{
		{Number: 1, Proposal: invitation.Proposal{
			Kind: invitation.Reseller, RecipientEmail: new("nora@larch.example"), RecipientName: new("Nora"), CustomerTenantID: new(""), ProviderTenantID: new("b12c"), RequestDelegatedAdmin: new(false),
			ActingRole: new(partner.IndirectReseller),
			Locale:     new("fr"), Duration: new(72 * time.Hour), Source: new("fair"), Message: new("hello"), Sandbox: new(true), Reminders: new(false), Tags: map[string]string{"a": "b"},
		}},
		{Number: 2, Findings: problem.Findings{{Pointer: "/kind", Code: problem.ValidationFailed, Detail: "no"}}},
		{Number: 3, Proposal: invitation.Proposal{Kind: "odd"}},
	}
	for n, said := range rows[0].Proposal.Said() { // what came to be said since
		switch {
		case said.Text != nil && *said.Text == nil:
			*said.Text = new("said " + strconv.Itoa(n))
		case said.Flag != nil && *said.Flag == nil:
			*said.Flag = new(true)
		}
	}
	chunk := func(rows []batch.Row) batch.Chunk {
		return batch.Chunk{Key: k, Body: b.Body, Rows: rows, ForgetAt: at.Add(batch.Unclaimed)}
	}
	return b, []batch.Chunk{chunk(rows[:2]), chunk(rows[2:])}
}

func (s *suite) batch(b batch.Batch, chunks []batch.Chunk) {
	s.Helper()
	for _, c := range chunks {
		s.ok(s.Batches.AddChunk(s.Context(), c))
	}
	s.ok(s.Batches.WriteBatch(s.Context(), batch.Change{After: b}, nil))
}

func (s *suite) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func same[T any](t testing.TB, what string, got, want T) {
	t.Helper()
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func (s *suite) batchRoundTrip() {
	b, chunks := newBatch(tenant())
	// What a row can say comes back: no API gives granular administration to rows, and the batch itself adds the rest.
	for p, n := reflect.ValueOf(chunks[0].Rows[0].Proposal), 0; n < p.NumField(); n++ {
		if name := p.Type().Field(n).Name; p.Field(n).IsZero() != slices.Contains([]string{"Granular", "BatchID", "Mailed"}, name) {
			s.Errorf("the row of this test says nothing of %s", name)
		}
	}
	_, err := s.Batches.Batch(s.Context(), b.Key)
	s.code(err, problem.NotFound)
	s.batch(b, chunks)
	changed := chunks[0]
	changed.Rows = slices.Clone(changed.Rows)[:1]
	s.ok(s.Batches.AddChunk(s.Context(), changed)) // rows that are stored stay as they are
	got, err := s.Batches.Batch(s.Context(), b.Key)
	s.ok(err)
	same(s, "the head", got, b)
	for n, want := range chunks {
		got, err := s.Batches.Chunk(s.Context(), b, n)
		s.ok(err)
		same(s, "the rows", got, want)
	}
	if err := s.Batches.WriteBatch(s.Context(), batch.Change{After: b}, nil); !errors.Is(err, invitation.ErrConflict) {
		s.Errorf("a second head: %v", err)
	}
	_, err = s.Batches.Batch(s.Context(), batch.Key{Partner: tenant(), ID: b.ID})
	s.code(err, problem.NotFound)
}

func (s *suite) batchList() {
	p := tenant()
	var want []string
	for n := range 3 {
		b, chunks := newBatch(p)
		b.ID, b.CreatedAt = fmt.Sprintf("bat_list%d", n), b.CreatedAt.Add(time.Duration(n)*time.Minute)
		for i := range chunks {
			chunks[i].Key = b.Key
		}
		s.batch(b, chunks)
		want = append([]string{b.ID}, want...)
	}
	s.eventually("the list", func() (any, bool) {
		var got []string
		after := ""
		for {
			page, err := s.Batches.Batches(s.Context(), p, after, 2)
			s.ok(err)
			for _, b := range page.Batches {
				got = append(got, b.ID)
			}
			if after = page.Next; after == "" {
				return got, slices.Equal(got, want)
			}
		}
	})
	others, err := s.Batches.Batches(s.Context(), tenant(), "", 10)
	s.ok(err)
	if len(others.Batches) > 0 {
		s.Errorf("another partner's: %v", others.Batches)
	}
}

func (s *suite) batchProgress() {
	b, chunks := newBatch(tenant())
	s.batch(b, chunks)
	done := chunks[0]
	done.Rows = []batch.Row{
		{Number: 1, Outcome: &batch.Outcome{InvitationID: "inv_1", Code: problem.RecipientSuppressed, Detail: "no mail"}},
		{Number: 2, Outcome: &batch.Outcome{Code: problem.DuplicateOpenInvitation, Detail: "no", Resource: "inv_2", Findings: problem.Findings{{Code: "x", Detail: "y"}}}},
	}
	after := b
	after.Created, after.Failed, after.Next, after.Version = 1, 1, 1, 2
	after.Delayed, after.ExpectedAt, after.From = 1, second(noon).Add(time.Hour), second(noon)
	after.Job, after.Owner, after.Attempts = batch.JobClaimed, "me", 3
	s.ok(s.Batches.WriteBatch(s.Context(), batch.Change{Before: &b, After: after}, &done))
	late := b
	late.Version, late.Failed = 2, 9
	if err := s.Batches.WriteBatch(s.Context(), batch.Change{Before: &b, After: late}, &chunks[1]); !errors.Is(err, invitation.ErrConflict) {
		s.Errorf("an outdated write: %v", err)
	}
	got, err := s.Batches.Batch(s.Context(), b.Key)
	s.ok(err)
	same(s, "the head", got, after)
	rows, err := s.Batches.Chunk(s.Context(), b, 0)
	s.ok(err)
	same(s, "the rows", rows, done)
	s.eventually("the due index", func() (any, bool) {
		items := s.dueOf(b.Partner, after.At)
		return items, slices.Contains(items, due.Item{Kind: batch.DueKind, Partner: b.Partner, ID: b.ID, At: after.At})
	})
	if len(s.dueOf(b.Partner, after.At.Add(-time.Second))) != 0 {
		s.Error("due too early")
	}
	ended := after
	ended.Job, ended.Owner, ended.At, ended.Next, ended.CompletedAt, ended.Version = batch.JobDone, "", time.Time{}, 2, second(noon), 3
	s.ok(s.Batches.WriteBatch(s.Context(), batch.Change{Before: &after, After: ended}, nil))
	s.notDue(b.Partner, after.At.Add(time.Hour), b.ID)
	got, err = s.Batches.Batch(s.Context(), b.Key)
	s.ok(err)
	same(s, "the head", got, ended)
}
