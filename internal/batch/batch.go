// Package batch works off bulk invitations (G5): thousands of rows, each of which is one request of the invitations' API and has an outcome
// with the codes of that request.
//
// A batch is submitted whole: its rows in chunks first, its head last, and what has no head was never submitted. A [Worker] claims the head,
// takes chunk after chunk and writes the outcomes of each together with the progress, in one transaction. It may die at any
// point: every row has an Idempotency-Key of its own that is remembered for good, so that who takes over makes nothing twice.
package batch

import (
	"context"
	"slices"
	"strings"
	"time"

	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/publicid"
)

// Limits of a batch.
const (
	MaxRows = 10_000
	// ChunkRows is how many rows are worked off between two writes of the progress.
	ChunkRows = 100
	// ChunkSize bounds what the rows of a chunk take in bytes, about: an item of the table has 400 kB.
	ChunkSize = 200_000
)

// How long a batch is kept.
const (
	// Kept is for how long what became of a batch can be read, from its last change on.
	Kept = 365 * 24 * time.Hour
	// Unclaimed is for how long the rows of a submission wait for somebody to work on them.
	Unclaimed = 30 * 24 * time.Hour
)

// Key names a batch.
type Key struct {
	Partner partner.TenantID
	ID      string
}

// String gives the key as messages have it; [ParseKey] is the reverse.
func (k Key) String() string { return string(k.Partner) + "/" + k.ID }

// ParseKey reads a key of a message, and gives false for what is none.
func ParseKey(s string) (Key, bool) {
	tenant, id, _ := strings.Cut(s, "/")
	p, ok := partner.ParseTenantID(tenant)
	return Key{p, id}, ok && publicid.Is(prefix, id) && string(p) == tenant
}

// Status is what partners see.
type Status string

// A batch is completed when every row has an outcome; mails may still wait for their quota.
const (
	Running   Status = "running"
	Completed Status = "completed"
)

// Job is where the work stands.
type Job string

// The states of the work. A queued job wakes a worker through the table's stream.
const (
	JobQueued  Job = "queued"
	JobClaimed Job = "claimed"
	JobDone    Job = ""
)

// How the work is kept going.
const (
	Lease       = 2 * time.Minute // longer than one chunk; renewed when half of it is over
	StreamGrace = 5 * time.Minute // after which a queued job that nobody claimed is queued again
	MaxAttempts = 8               // after so many claims without a finished chunk, rows that cannot be worked off fail
)

// Batch is the head: what was asked and how far it is.
type Batch struct {
	Key
	// Send has each invitation mailed.
	Send bool
	// Starts are the numbers of the first row of each chunk.
	Starts []int
	Total  int
	// Created and Failed count rows with an outcome.
	Created, Failed int
	// Delayed counts rows whose mail had to wait for a quota, and ExpectedAt is when the last of them goes out.
	Delayed    int
	ExpectedAt time.Time
	// From is the first day of UTC whose quota may have room; the days before are full.
	From time.Time

	// By is who submitted: the rows are this user's doing.
	By            partner.User
	CorrelationID string
	// Body is a fingerprint of the request.
	Body                   string
	CreatedAt, CompletedAt time.Time

	Job   Job
	Owner string // who holds the claim
	// At is when the state of the work is over: the end of a lease.
	At time.Time
	// Next is the first chunk without outcomes, from 0; Attempts counts claims since the one before it was finished.
	Next, Attempts int
	Version        int
}

// Status gives what partners see.
func (b Batch) Status() Status {
	if b.Next == len(b.Starts) {
		return Completed
	}
	return Running
}

// Due gives when the work is looked after, and false when nothing is left of it.
func (b Batch) Due() (time.Time, bool) { return b.At, b.Job != JobDone }

// Row is one row as it was submitted: what could be read of it, and what is wrong with its form.
type Row struct {
	// Number is that of the row where it came from: the line of a file, or else its place in the list, both from 1. It rises from row to row.
	Number   int
	Proposal invitation.Proposal
	Findings problem.Findings
	// Outcome is nil until the row was worked off.
	Outcome *Outcome
}

// Outcome is what became of a row.
type Outcome struct {
	// InvitationID is set when there is an invitation.
	InvitationID string
	// Code says why there is none, or why the one that there is was not mailed; empty when all is well.
	Code     problem.Code
	Detail   string
	Findings problem.Findings
	// Resource is the id of what stands in the way, such as the open invitation of a duplicate.
	Resource string
}

// Created reports whether the row has an invitation.
func (o Outcome) Created() bool { return o.InvitationID != "" }

// Chunk is some rows of a batch. Once they have outcomes, what they asked for is not kept.
type Chunk struct {
	Key
	// Body is that of the batch: the rows of two submissions never mix.
	Body     string
	Rows     []Row
	ForgetAt time.Time
}

// First is the number of the first row.
func (c Chunk) First() int { return c.Rows[0].Number }

// Change is a write of a head. Before is nil for the first.
type Change struct {
	Before *Batch
	After  Batch
}

// Store keeps batches.
//
// AddChunk stores rows of a batch to come; the same rows may be stored already. WriteBatch writes a head over the version before it, and
// with it, when done is not nil, the outcomes of a chunk: all of it, or nothing and [invitation.ErrConflict]. Batch and Chunk include every write that
// was acknowledged before the call; [problem.NotFound] when there is none. Batches lists the heads of a partner, newest first, at most limit of
// them; a write may take a second to appear.
type Store interface {
	// Batches gives a page of heads, newest first, a second behind; [problem.MalformedRequest] for a place where no
	// page ended.
	Batches(ctx context.Context, p partner.TenantID, after string, limit int) (Page, error)
	// AddChunk stores rows, on condition that there are none there; the same rows once more are no error.
	AddChunk(ctx context.Context, c Chunk) error
	// WriteBatch stores a head, new or over the version before, and with it the outcomes of a chunk that is there, or
	// [command.ErrConflict].
	WriteBatch(ctx context.Context, c Change, done *Chunk) error
	// Batch gives a head, strongly consistent, or [problem.NotFound].
	Batch(ctx context.Context, k Key) (Batch, error)
	// Chunk gives the rows from the n-th start on, strongly consistent, or [problem.NotFound] when they are no longer
	// kept.
	Chunk(ctx context.Context, b Batch, n int) (Chunk, error)
}

// next gives a copy that may be changed, one version on.
func (b Batch) next() Batch {
	b.Version++
	return b
}

// chunkOf gives the chunk that holds a row, or the first one behind it where the number is of none.
func (b Batch) chunkOf(row int) int {
	n, found := slices.BinarySearch(b.Starts, row)
	if found || n == 0 {
		return n
	}
	return n - 1
}
