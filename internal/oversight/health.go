package oversight

import (
	"context"
	"time"

	"concord/internal/due"
	"concord/internal/partner"
)

// Waiting is what waits for a machine of one kind.
type Waiting struct {
	Due    int       // whose time has come
	Oldest time.Time // since when; zero for nothing
}

// Backlog is what waits for machines.
type Backlog struct {
	Kinds map[due.Kind]Waiting
	// Mails are those that are owed and not sent, and Retried those of them of which an attempt has failed.
	Mails, Retried int
	More           bool // there is more than was looked at: every number is the least that it can be
}

// Run is what a schedule did when it was last there.
type Run struct {
	At       time.Time
	Done     map[string]int // by the names of the duties
	Left     int            // what could not be done, or had no time
	Oldest   time.Duration  // for how long the oldest thing had been due
	Complete bool           // what is due was read to its end
}

// Queue is a queue of the deployment, and how many messages are in it.
type Queue struct {
	Name   QueueName
	Queued int
	// Dead are those that were given up and wait for somebody.
	Dead int
}

// QueueName is what a queue is for.
type QueueName string

// The queues of the deployment. Of the schedules and of what cleanup failed on there are dead letters alone.
const (
	MailEvents QueueName = "mailEvents"
	Batches    QueueName = "batches"
	Webhooks   QueueName = "webhooks"
	Schedules  QueueName = "schedules"
	Cleanup    QueueName = "cleanup"
)

// HealthStore is what [Health] and the schedules need of a store.
//
// Backlog gives what is due at a moment, and the mails that are owed then or within the next hour, of a bounded number
// of items. NoteRun keeps the run of a schedule over an older one. LastRun gives it; the zero one for none.
type HealthStore interface {
	Backlog(ctx context.Context, now time.Time) (Backlog, error)
	NoteRun(ctx context.Context, r Run) error
	LastRun(ctx context.Context) (Run, error)
}

// Health says whether the machines do their work.
type Health struct {
	Store HealthStore
	// Queues gives what is in the queues of the deployment.
	Queues func(ctx context.Context) ([]Queue, error)
	Now    func() time.Time
}

// Condition is how the machines are.
type Condition struct {
	Backlog Backlog
	Run     Run
	Queues  []Queue
}

// Condition gives it. Code: [problem.RoleNotPermitted].
func (h Health) Condition(ctx context.Context, u partner.User) (c Condition, err error) {
	if err := u.Permit(partner.OperatePartners); err != nil {
		return c, err
	}
	if c.Backlog, err = h.Store.Backlog(ctx, h.Now()); err != nil {
		return c, err
	}
	if c.Run, err = h.Store.LastRun(ctx); err != nil {
		return c, err
	}
	c.Queues, err = h.Queues(ctx)
	return c, err
}
