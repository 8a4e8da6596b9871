package batch

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"sync"
	"time"

	"concord/internal/command"
	"concord/internal/emailaddr"
	"concord/internal/invitation"
	"concord/internal/outbox"
	"concord/internal/problem"
)

// Worker works batches off.
type Worker struct {
	Store       Store
	Invitations interface {
		Invite(ctx context.Context, c command.Command, p invitation.Proposal) (invitation.Invitation, bool, error)
		SendWhenAllowed(ctx context.Context, c command.Command, id string, from time.Time) (invitation.Invitation, bool, error)
	}
	// Limiter returns from Wait when the next row may begin: all rows of a partner are in one partition of the table.
	Limiter interface {
		Wait(ctx context.Context) error
	}
	// Mails returns from Wait when the mail of the next row may be asked for, so that those of a batch leave room for the mails
	// of people, who wait for them; nil asks at once.
	Mails interface {
		Wait(ctx context.Context) error
	}
	// Lanes is how many rows are worked on at a time.
	Lanes int
	// Reserve is what one chunk may take. When less is left before the deadline, the rest is left to another worker.
	Reserve time.Duration
	Now     func() time.Time
}

// Work works off a batch as far as there is time. Without an error, either it is done, or somebody else has it, or another worker is asked for. After an error the
// rest is done when the lease is over: [Cleanup].
func (w *Worker) Work(ctx context.Context, k Key) (Batch, error) {
	b, err := w.claim(ctx, k)
	for err == nil && b.Job == JobClaimed {
		var after Batch
		var done *Chunk
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < w.Reserve {
			after = b.next()
			after.queue(w.now())
		} else if after, done, err = w.chunk(ctx, b); err != nil {
			return b, err
		}
		if err = w.Store.WriteBatch(ctx, Change{Before: &b, After: after}, done); err == nil {
			b = after
		}
	}
	if errors.Is(err, invitation.ErrConflict) || errors.Is(err, errTaken) {
		return b, nil // another worker has it
	}
	return b, err
}

var errTaken = errors.New("batch: taken by somebody else")

// claim takes the batch for the time of a lease.
func (w *Worker) claim(ctx context.Context, k Key) (Batch, error) {
	b, err := w.Store.Batch(ctx, k)
	if problem.Is(err, problem.NotFound) {
		return Batch{Key: k}, errTaken // forgotten meanwhile
	}
	if err != nil {
		return Batch{Key: k}, err
	}
	now := w.now()
	if b.Job == JobDone || b.Job == JobClaimed && now.Before(b.At) {
		return b, errTaken
	}
	after := b.next()
	after.Job, after.Owner, after.Attempts = JobClaimed, rand.Text(), b.Attempts+1
	// A time that is far enough away is left as it is: to move it would cost two writes of the due index.
	if lease := now.Add(Lease); after.At.Before(lease) {
		after.At = lease
	}
	return after, w.Store.WriteBatch(ctx, Change{Before: &b, After: after}, nil)
}

// queue asks for a worker.
func (b *Batch) queue(now time.Time) { b.Job, b.Owner, b.At = JobQueued, "", now.Add(StreamGrace) }

// chunk works off the next chunk and gives what is to be written.
func (w *Worker) chunk(ctx context.Context, b Batch) (Batch, *Chunk, error) {
	c, err := w.Store.Chunk(ctx, b, b.Next)
	if err != nil {
		return b, nil, err
	}
	s := &shift{w: w, b: b, day: b.From}
	if err := s.rows(ctx, c.Rows); err != nil {
		return b, nil, err
	}
	now := w.now()
	after := b.next()
	for n, r := range c.Rows {
		if r.Outcome.Created() {
			after.Created++
		} else {
			after.Failed++
		}
		c.Rows[n] = Row{Number: r.Number, Outcome: r.Outcome}
	}
	after.Delayed, after.From = after.Delayed+s.delayed, s.day
	if s.latest.After(after.ExpectedAt) {
		after.ExpectedAt = s.latest
	}
	after.Next, after.Attempts = b.Next+1, 0
	if after.Status() == Completed {
		after.Job, after.Owner, after.At, after.CompletedAt = JobDone, "", time.Time{}, now
	} else if after.At.Sub(now) < Lease/2 {
		after.At = now.Add(Lease)
	}
	c.ForgetAt = now.Add(Kept)
	return after, &c, nil
}

// shift is the work on one chunk.
type shift struct {
	w *Worker
	b Batch

	mu      sync.Mutex
	delayed int
	latest  time.Time // when the last mail that waits goes out
	day     time.Time // on which there was room in the quota; the days before are full
}

// rows gives every row its outcome. Rows that ask the same recipient or customer are worked on in their order, so that the first is the one
// that is made.
func (s *shift) rows(ctx context.Context, rows []Row) error {
	lanes := make([][]*Row, max(s.w.Lanes, 1))
	for n := range rows {
		lane := rows[n].lane(len(lanes))
		lanes[lane] = append(lanes[lane], &rows[n])
	}
	failures := make([]error, len(lanes))
	var all sync.WaitGroup
	for n, lane := range lanes {
		all.Go(func() {
			for _, r := range lane {
				if failures[n] = s.row(ctx, r); failures[n] != nil {
					return
				}
			}
		})
	}
	all.Wait()
	return errors.Join(failures...)
}

func (r Row) lane(of int) int {
	h := fnv.New32a()
	for _, s := range []*string{r.Proposal.CustomerTenantID, r.Proposal.RecipientEmail} {
		if s != nil { // as it is compared, however it is written
			_, _ = h.Write([]byte(emailaddr.Normalise(strings.TrimSpace(*s))))
			break
		}
	}
	return int(h.Sum32() % uint32(of))
}

// row gives one row its outcome. The error is that of what may work later.
func (s *shift) row(ctx context.Context, r *Row) error {
	if r.Outcome != nil {
		return nil
	}
	if err := s.w.Limiter.Wait(ctx); err != nil {
		return err
	}
	c := command.Command{
		User: s.b.By, CorrelationID: s.b.CorrelationID, Key: fmt.Sprintf("%s/%d", s.b.ID, r.Number), Lasting: true, Body: s.b.Body, Findings: r.Findings,
	}
	p := r.Proposal
	p.BatchID, p.Mailed = s.b.ID, s.b.Send
	inv, _, err := s.w.Invitations.Invite(ctx, c, p)
	if err != nil {
		r.Outcome, err = s.refused(ctx, "", err)
		return err
	}
	r.Outcome = &Outcome{InvitationID: inv.ID}
	if !s.b.Send {
		return nil
	}
	if s.w.Mails != nil {
		if err := s.w.Mails.Wait(ctx); err != nil {
			r.Outcome = nil // the same id, and then its mail, when the row is worked on again
			return err
		}
	}
	c.Findings = nil
	sent, _, err := s.w.Invitations.SendWhenAllowed(ctx, c, inv.ID, s.from())
	if err != nil {
		r.Outcome, err = s.refused(ctx, inv.ID, err)
		return err
	}
	if sent.Mail.State == outbox.Waiting {
		s.delay(sent.Mail.At)
	}
	return nil
}

// refused gives the outcome of a row that was refused, or whose mail was. The error is that of what may work later, unless that was tried
// often enough.
func (s *shift) refused(ctx context.Context, id string, err error) (*Outcome, error) {
	p, ok := errors.AsType[*problem.Error](err)
	passing := !ok || p.Code == problem.Internal || p.Code == problem.Unavailable
	switch {
	case passing && (s.b.Attempts <= MaxAttempts || ctx.Err() != nil):
		return nil, err
	case passing:
		return &Outcome{InvitationID: id, Code: problem.Internal, Detail: "This row could not be processed."}, nil
	default:
		return &Outcome{InvitationID: id, Code: p.Code, Detail: p.Detail, Findings: p.Findings, Resource: p.Resource}, nil
	}
}

// delay notes a mail that waits.
func (s *shift) delay(until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delayed++
	if until.After(s.latest) {
		s.latest = until
	}
	if day := until.Truncate(24 * time.Hour); until.Equal(day) && day.After(s.day) {
		s.day = day
	}
}

// from gives the first day whose quota may have room: looking at those before would cost a write each.
func (s *shift) from() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.day
}

func (w *Worker) now() time.Time { return w.Now().UTC().Truncate(time.Second) }
