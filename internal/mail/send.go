package mail

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"concord/internal/command"
	"concord/internal/letter"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/problem"
)

// source is where mails are owed: a box of one kind of aggregate, and what the sender needs to know of it.
type source[T any] interface {
	// table says of each kind what there is to know, and where the box is.
	table() outbox.Table[T]
	// about says what the mails are about.
	about(t T) about
	// read gives the aggregate as it is stored now, and write stores one version over the one before it, or gives the
	// store's conflict.
	read(ctx context.Context, t T) (T, error)
	write(ctx context.Context, before, after T) error
	// compose writes one mail under a claim, or gives what keeps it from going now, or for ever. Nothing has left then.
	compose(ctx context.Context, t T, k outbox.Kind) (letter.Content, Message, *Outcome)
	// took reports whether SES's own event was quicker to say that it took a mail.
	took(t T, messageID string) bool
}

// about is what a mail is about, as its tags and the log say it.
type about struct {
	what, id   string // "invitation" and its id, and the like: the name of the tag is what SES's events are sorted by
	tenant     partner.TenantID
	generation int
	figures    string // what the names of its metrics begin with; empty for the kind of the mail
}

// maxRounds bounds how often a decision is made anew after somebody else was quicker.
const maxRounds = 8

// deliver sends what is owed, as it was when it was queued, if it still is to be sent: one claim for all, one send
// each, one write for what became of them. An error means that the table could not be reached and that the same call
// is to be made again; everything else is recorded in the table.
func deliver[T any](ctx context.Context, d *Dispatcher, s source[T], queued T) error {
	owner := rand.Text()[:10]
	t, err := claim(ctx, d, s, queued, owner)
	if err != nil || t == nil {
		// A crash before the claim leaves the mail queued: the record comes again, and the due index holds it too. A claim
		// that was stored although the answer was lost is over at the end of its lease, and nothing was sent under it.
		return err
	}
	box, outcomes := s.table().Load(*t), map[outbox.Kind]outbox.Outcome{}
	for n, k := range box.Owed {
		if n > 0 && !timeFor(ctx) {
			break // what was not tried is queued again
		}
		o := attempt(ctx, d, s, *t, k, box.At)
		d.count(ctx, s.about(*t), k, box.Attempts, o, s.table().GivesUp(k, o.Outcome))
		outcomes[k] = o.Outcome
		// A crash between claim and send leaves the mail unsent until the lease is over; one here, or before the write
		// below, sends it once more after that, with the same link and the same words, but for a kind that goes once at
		// most.
	}
	return settle(ctx, d, s, *t, owner, outcomes)
}

// timeFor reports whether one more send and the write after it fit before the deadline of the invocation.
func timeFor(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return !ok || time.Until(deadline) >= 2*SendTimeout
}

// claim gives the aggregate as its mails were claimed, or nil when there is nothing to send.
func claim[T any](ctx context.Context, d *Dispatcher, s source[T], t T, owner string) (*T, error) {
	id := s.about(t).id
	var busy error
	for range maxRounds {
		claimed, c := s.table().Claim(t, d.now(), owner)
		if !c.Changed {
			return nil, nil
		}
		err := s.write(ctx, t, claimed)
		switch {
		case err == nil && c.Send:
			return &claimed, nil
		case err == nil:
			for _, l := range c.GivenUp {
				d.count(ctx, s.about(t), l.Kind, s.table().Load(t).Attempts, unsent(outbox.Failed, l.Reason), true)
			}
			return nil, nil
		case !errors.Is(err, command.ErrConflict):
			return nil, fmt.Errorf("mail: claim %s: %w", id, err)
		}
		busy = err
		t, err = s.read(ctx, t) // the record was older than the table
		if problem.Is(err, problem.NotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("mail: claim %s: %w", id, err)
		}
	}
	return nil, fmt.Errorf("mail: claim %s: %w", id, busy)
}

// attempt composes and sends one mail under a claim that is good until a moment.
func attempt[T any](ctx context.Context, d *Dispatcher, s source[T], t T, k outbox.Kind, until time.Time) Outcome {
	c, m, stopped := s.compose(ctx, t, k)
	if stopped != nil {
		return *stopped
	}
	a := s.about(t)
	m.Tags = map[string]string{a.what: a.id, "tenant": string(a.tenant), "generation": strconv.Itoa(a.generation),
		"kind": string(k)}
	return d.hand(ctx, c, m, until)
}

// settle records what became of the mails that were tried, over whatever happened meanwhile: a cancelled invitation
// still says that its mail went out.
func settle[T any](ctx context.Context, d *Dispatcher, s source[T], t T, owner string,
	outcomes map[outbox.Kind]outbox.Outcome) error {
	a := s.about(t)
	var busy error
	for range maxRounds {
		settled, mine := s.table().Settle(t, d.now(), owner, outcomes)
		if !mine {
			known := func(o outbox.Outcome) bool { return o.MessageID != "" && s.took(t, o.MessageID) }
			if !slices.ContainsFunc(slices.Collect(maps.Values(outcomes)), known) {
				d.Log.WarnContext(ctx, "claim lost", a.what, a.id, "outcomes", len(outcomes))
				d.Metrics.Put(map[string]float64{"MailClaimLost": 1})
			}
			return nil
		}
		err := s.write(ctx, t, settled)
		if err == nil {
			return nil
		}
		if !errors.Is(err, command.ErrConflict) {
			return fmt.Errorf("mail: settle %s: %w", a.id, err)
		}
		busy = err
		t, err = s.read(ctx, t)
		if problem.Is(err, problem.NotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("mail: settle %s: %w", a.id, err)
		}
	}
	return fmt.Errorf("mail: settle %s: %w", a.id, busy)
}

// figures are the metrics of the outcomes, each behind the kind of the mail: ReminderSent. The mail that invites is
// MailSent.
var figures = map[outbox.State]string{outbox.Sent: "Sent", outbox.Waiting: "Retried", outbox.Unknown: "Unknown",
	outbox.Failed: "Failed"}

// unwanted are the reasons of mails that are given up because nobody is there to get them: no operator can put that
// right.
var unwanted = []string{string(problem.RecipientSuppressed), "no_address", "no_contact"}

// count says what became of one attempt, and of a mail that is given up that it was: MailFailed counts those of every
// kind, and an alarm watches it.
func (d *Dispatcher) count(ctx context.Context, a about, k outbox.Kind, attempt int, o Outcome, givenUp bool) {
	d.Log.InfoContext(ctx, "mail", a.what, a.id, "tenant", a.tenant, "kind", k, "outcome", o.State, "reason", o.Reason,
		"code", o.Code,
		"attempt", attempt, "messageId", o.MessageID)
	name := a.figures
	if name == "" {
		name = strings.ToUpper(string(k[:1])) + string(k[1:])
	}
	f := map[string]float64{name + figures[o.State]: 1}
	if givenUp && !slices.Contains(unwanted, o.Reason) {
		f["MailFailed"] = 1
	}
	if slices.Contains(blocked, o.Reason) {
		f["MailBlocked"] = 1
	}
	d.Metrics.Put(f)
}
