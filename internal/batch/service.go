package batch

import (
	"context"
	"errors"
	"sync"
	"time"

	"concord/internal/command"
	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/publicid"
)

// prefix is that of the ids of batches.
const prefix = "bat_"

// Service is what partners do with batches.
type Service struct {
	Store    Store
	Accounts partner.Accounts
	// Invitations says what would come of a row; nil where nobody asks.
	Invitations foreseer
	Now         func() time.Time
}

// Submission is what a partner wants done.
type Submission struct {
	Send bool
	Rows []Row // in the order of their numbers
}

// Submit takes a batch in. Replayed reports that the command's key had submitted it before. Codes: [problem.RoleNotPermitted],
// [problem.PartnerNotActive]; [problem.ValidationFailed] for too few or too many rows; [problem.IdempotencyKeyReused].
func (s *Service) Submit(ctx context.Context, c command.Command, sub Submission) (b Batch, replayed bool, err error) {
	if err := s.permitted(ctx, c.User); err != nil {
		return Batch{}, false, err
	}
	if n := len(sub.Rows); n < 1 || n > MaxRows {
		c.Findings.Add("/rows", problem.ValidationFailed, "A batch has 1 to %d rows.", MaxRows)
	}
	if err := c.Findings.Err(); err != nil {
		return Batch{}, false, err
	}
	now := s.Now().UTC().Truncate(time.Second)
	for _, day := range c.Days(now) {
		k := Key{c.User.Tenant, c.ID(prefix, "batch", day)}
		b, err := s.Store.Batch(ctx, k)
		if problem.Is(err, problem.NotFound) {
			return s.take(ctx, c, k, sub, now)
		}
		if err != nil {
			return Batch{}, false, err
		}
		if now.Sub(b.CreatedAt) < command.Window {
			return replay(c, b)
		}
	}
	return Batch{}, false, command.Reused()
}

func replay(c command.Command, b Batch) (Batch, bool, error) {
	if b.Body != c.Body {
		return Batch{}, false, command.Reused()
	}
	return b, true, nil
}

// take stores the rows and then the head. A crash in between leaves rows that nobody sees; they are forgotten by themselves.
func (s *Service) take(ctx context.Context, c command.Command, k Key, sub Submission, now time.Time) (Batch, bool, error) {
	b := Batch{
		Key: k, Send: sub.Send, Total: len(sub.Rows), By: c.User, CorrelationID: c.CorrelationID, Body: c.Body, CreatedAt: now,
		Job: JobQueued, At: now.Add(StreamGrace), Version: 1,
	}
	chunks := split(sub.Rows)
	for _, rows := range chunks {
		b.Starts = append(b.Starts, rows[0].Number)
	}
	if err := s.store(ctx, b, chunks, now); err != nil {
		return Batch{}, false, err
	}
	err := s.Store.WriteBatch(ctx, Change{After: b}, nil)
	if errors.Is(err, invitation.ErrConflict) { // the same command, at the same moment
		before, err := s.Store.Batch(ctx, k)
		if err != nil {
			return Batch{}, false, err
		}
		return replay(c, before)
	}
	return b, false, err
}

// writers is how many chunks are stored at a time.
const writers = 8

func (s *Service) store(ctx context.Context, b Batch, chunks [][]Row, now time.Time) error {
	failures := make([]error, len(chunks))
	free := make(chan struct{}, writers)
	var all sync.WaitGroup
	for n, rows := range chunks {
		free <- struct{}{}
		all.Go(func() {
			failures[n] = s.Store.AddChunk(ctx, Chunk{Key: b.Key, Body: b.Body, Rows: rows, ForgetAt: now.Add(Unclaimed)})
			<-free
		})
	}
	all.Wait()
	return errors.Join(failures...)
}

// split cuts rows into chunks that fit into items.
func split(rows []Row) (chunks [][]Row) {
	first, size := 0, 0
	for n, r := range rows {
		if each := r.size(); n > first && (n-first == ChunkRows || size+each > ChunkSize) {
			chunks, first, size = append(chunks, rows[first:n]), n, each
		} else {
			size += each
		}
	}
	return append(chunks, rows[first:])
}

// size is about how many bytes a row takes.
func (r Row) size() int {
	n := 200
	for _, said := range r.Proposal.Said() {
		if said.Text != nil && *said.Text != nil {
			n += len(**said.Text)
		}
	}
	for k, v := range r.Proposal.Tags {
		n += len(k) + len(v) + 8
	}
	for _, f := range r.Findings {
		n += len(f.Pointer) + len(f.Detail) + 64
	}
	return n
}

func (s *Service) permitted(ctx context.Context, u partner.User) error {
	if err := u.Permit(partner.InviteCustomers); err != nil {
		return err
	}
	account, err := s.Accounts.Account(ctx, u.Tenant, false)
	if problem.Is(err, problem.NotFound) {
		return partner.NoAccount()
	}
	if err == nil && account.Status != partner.Active {
		return partner.NotActive()
	}
	return err
}

// Batch gives one of the partner's own batches. Codes: [problem.RoleNotPermitted], [problem.NotFound].
func (s *Service) Batch(ctx context.Context, u partner.User, id string) (Batch, error) {
	if err := u.Permit(partner.ReadCustomers); err != nil {
		return Batch{}, err
	}
	if !publicid.Is(prefix, id) {
		return Batch{}, problem.New(problem.NotFound, "There is no such batch.")
	}
	return s.Store.Batch(ctx, Key{u.Tenant, id})
}

// Filter is which rows are wanted.
type Filter string

// The filters.
const (
	AllRows     Filter = ""
	CreatedRows Filter = "created"
	FailedRows  Filter = "failed"
	PendingRows Filter = "pending"
)

// Is gives what a filter would find a row under.
func (r Row) Is() Filter {
	switch {
	case r.Outcome == nil:
		return PendingRows
	case r.Outcome.Created():
		return CreatedRows
	default:
		return FailedRows
	}
}

// maxChunks is how many chunks one page of a filtered list looks at.
const maxChunks = 4

// Rows gives the rows after one, at most limit, and the number after which to go on, 0 at the end. Where few rows fit the filter, a page has
// fewer than the limit. Codes: those of [Service.Batch].
func (s *Service) Rows(ctx context.Context, u partner.User, id string, f Filter, after, limit int) (rows []Row, next int, err error) {
	b, err := s.Batch(ctx, u, id)
	if err != nil {
		return nil, 0, err
	}
	for n, read := b.chunkOf(after+1), 0; n < len(b.Starts); n, read = n+1, read+1 {
		if read == maxChunks {
			return rows, b.Starts[n] - 1, nil
		}
		c, err := s.Store.Chunk(ctx, b, n)
		if err != nil {
			return nil, 0, err
		}
		for _, r := range c.Rows {
			if r.Number <= after || f != AllRows && r.Is() != f {
				continue
			}
			if len(rows) == limit {
				return rows, rows[limit-1].Number, nil
			}
			rows = append(rows, r)
		}
	}
	return rows, 0, nil
}
