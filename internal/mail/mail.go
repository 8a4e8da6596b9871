// Package mail sends what a write to the table says is owed: it claims the mail, derives the link, writes the letter
// as text and HTML, hands it to Amazon SES and records what became of it.
//
// The state in the table is the truth, and the stream record only the hint that wakes the sender. Each step is one
// write over the version before it, so of several senders that are woken for one mail one sends. The only step that
// cannot be undone is the send itself. A mail is sent twice when its sender dies, or cannot reach the table, between
// SES taking it and the table knowing, or when SES answers that it does not know itself; both carry the same link. It
// is never lost: whatever stops here is due again at the end of the lease, and cleanup queues it (reliability, promise
// 3).
//
// SES is waited for, so that a sandbox has some mails under way at once, as many as its share of the account's rate needs, and
// the records of one item still go one after another. What somebody waits for goes before the rows of a batch and reminders.
//
// Acceptances that need nobody are told of together, once a day (domain, 0.48).
//
// The notices about an invitation are a queue beside its mail, with the same steps: all that are owed are claimed
// together, sent one by one and settled together. When a sender dies in between, those that had gone go a second time,
// receipts and notices to the inviter alike. A reminder does not: it goes once at most, and one whose claim was never
// settled, or of which SES does not know itself, is given up, which the timeline says.
package mail

import (
	"context"
	"log/slog"
	"time"

	"golang.org/x/time/rate"

	"concord/internal/emailaddr"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/letter"
	"concord/internal/letter/markup"
	"concord/internal/link"
	"concord/internal/observe"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/recipient"
)

// Dispatcher sends the mail of invitations and of granular administration, and the notices about them.
type Dispatcher struct {
	Store    Store
	Granular GranularStore
	Roles    granular.Table // by which mails call the roles of granular administration
	Accounts Accounts
	// Enrolments are where the mails of enrolments are owed.
	Enrolments Enrolments
	// Reviews are where the mails are owed that ask companies to look at who holds rights.
	Reviews Reviews
	// Others marks what an acceptance has made moot; nil for nobody.
	Others Others
	// Customers are the partner's, by which a day's acceptances are told of together; nil tells of each at once.
	Customers Relationships
	// Ledger says which recipients get no mail, and counts reminders.
	Ledger   recipient.Suppressions
	Clouds   partner.Clouds
	Links    Links
	Sender   Sender
	Limiter  *rate.Limiter
	Operator emailaddr.Operator // who operates the service, as the mail says it
	Now      func() time.Time
	Log      *slog.Logger
	Metrics  *observe.Metrics
}

// Store is what the sender needs of an [invitation.Store], whose contract it is.
type Store interface {
	Write(ctx context.Context, c invitation.Change) error
	Invitation(ctx context.Context, k invitation.Key, strong bool) (invitation.Invitation, error)
}

// Accounts is what the sender needs of [partner.Accounts], whose contract it is.
type Accounts interface {
	Account(ctx context.Context, tenant partner.TenantID, strong bool) (partner.Account, error)
}

// Others is what the sender needs of an [invitation.Sweep], whose contract it is.
type Others interface {
	After(ctx context.Context, accepted invitation.Invitation) (more bool, err error)
}

// Links makes the tokens of links. It gives the same token for the same link as long as the secret is not rotated.
type Links interface {
	Sign(ctx context.Context, p link.Purpose, l link.Link) (link.Secret, error)
}

// Sender hands a mail over once and says what became of it; see [SES].
type Sender interface {
	Send(ctx context.Context, m Message) Outcome
}

// pausedFor is how long a mail waits before it is looked at again while the partner's sending is paused.
const pausedFor = time.Hour

func unsent(state outbox.State, reason string) Outcome {
	return Outcome{Outcome: outbox.Outcome{State: state, Reason: reason}}
}

// later is an attempt that was none: the mail waits for something else than itself.
func later(reason string, wait time.Duration) Outcome {
	return Outcome{Outcome: outbox.Outcome{State: outbox.Waiting, Reason: reason, Later: wait}}
}

// stop is a mail that was not composed, and why.
func stop(o Outcome) (letter.Content, Message, *Outcome) { return letter.Content{}, Message{}, &o }

// hand sends a letter under a claim that is good until a moment. Up to the last line nothing has left.
func (d *Dispatcher) hand(ctx context.Context, c letter.Content, m Message, until time.Time) Outcome {
	html, err := markup.HTML(c)
	if err != nil {
		return unsent(outbox.Failed, "message_invalid")
	}
	if err := d.Limiter.Wait(ctx); err != nil {
		return unsent(outbox.Waiting, "out_of_time")
	}
	// Who was held up until the lease is nearly over might send beside the one who claims next.
	if d.now().After(until.Add(-SendTimeout)) {
		return unsent(outbox.Waiting, "out_of_time")
	}
	m.Subject, m.Text, m.HTML = c.Subject, c.Text(), html
	return d.Sender.Send(ctx, m)
}

// now gives the time as it is stored: in UTC, to the second.
func (d *Dispatcher) now() time.Time { return d.Now().UTC().Truncate(time.Second) }
