// Package mail sends what a write to the table says is owed: it claims the mail, derives the link, writes the letter as text
// and HTML, hands it to Amazon SES and records what became of it.
//
// The state in the table is the truth, and the stream record only the hint that wakes the sender. Each step is one write
// over the version before it, so of several senders that are woken for one mail one sends. The only step that cannot be
// undone is the send itself. A mail is sent twice when its sender dies, or cannot reach the table, between SES taking it
// and the table knowing, or when SES answers that it does not know itself; both carry the same link. It is never lost: whatever
// stops here is due again at the end of the lease, and cleanup queues it (reliability, promise 3).
//
// The notices about an invitation are a queue beside its mail, with the same steps: all that are owed are claimed together, sent one
// by one and settled together. When a sender dies in between, those that had gone go a second time, receipts and notices to the
// inviter alike. A reminder does not: it goes once at most, and one whose claim was never settled, or of which SES does not know
// itself, is given up, which the timeline says.
package mail

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"concord/internal/contact"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/letter"
	"concord/internal/link"
	"concord/internal/observe"
	"concord/internal/partner"
	"concord/internal/problem"
)

// Dispatcher sends the mail of invitations and of granular administration, and the notices about them.
type Dispatcher struct {
	Store    Store
	Granular GranularStore
	Roles    granular.Table // by which mails call the roles of granular administration
	Accounts Accounts
	// Enrolments are where the mails of enrolments are owed.
	Enrolments Enrolments
	// Others marks what an acceptance has made moot; nil for nobody.
	Others Others
	// Ledger says which recipients get no mail, and counts reminders.
	Ledger   invitation.Suppressions
	Clouds   partner.Clouds
	Links    Links
	Sender   Sender
	Limiter  *rate.Limiter
	Operator contact.Operator // who operates the service, as the mail says it
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

// maxRounds bounds how often a decision is made anew after somebody else was quicker.
const maxRounds = 8

// Dispatch sends the mail of an invitation as it was when the mail was queued, if it still is to be sent. An error means that
// the table could not be reached and that the same call is to be made again; everything else is recorded in the table.
//
// The notices are a queue of their own: they are looked at whatever became of the mail.
func (d *Dispatcher) Dispatch(ctx context.Context, queued invitation.Invitation) error {
	return errors.Join(d.invite(ctx, queued), d.notify(ctx, queued))
}

func (d *Dispatcher) invite(ctx context.Context, queued invitation.Invitation) error {
	owner := rand.Text()[:10]
	inv, err := d.claim(ctx, queued, owner)
	if err != nil || inv == nil {
		// A crash before the claim leaves the mail queued: the record comes again, and the due index holds it too. A claim
		// that was stored although the answer was lost is over at the end of its lease, and nothing was sent under it.
		return err
	}
	o := d.send(ctx, *inv)
	// A crash between claim and send leaves the mail unsent until the lease is over; one between send and the write below
	// sends it once more after that, with the same link.
	return d.settle(ctx, *inv, owner, o)
}

// claim gives the invitation as it was claimed, or nil when there is nothing to send.
func (d *Dispatcher) claim(ctx context.Context, inv invitation.Invitation, owner string) (*invitation.Invitation, error) {
	for range maxRounds {
		claimed, changed, send := inv.Claim(d.now(), owner)
		if !changed {
			return nil, nil
		}
		err := d.Store.Write(ctx, invitation.Change{Before: &inv, After: claimed})
		switch {
		case err == nil && send:
			return &claimed, nil
		case err == nil:
			d.count(ctx, claimed, kindInvitation, claimed.Mail.Attempts, unsent(claimed.Mail.State, claimed.Mail.Reason))
			return nil, nil
		case !errors.Is(err, invitation.ErrConflict):
			return nil, fmt.Errorf("mail: claim %s: %w", inv.ID, err)
		}
		// The record was older than the table.
		key := inv.Key
		inv, err = d.Store.Invitation(ctx, key, true)
		if problem.Is(err, problem.NotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("mail: claim %s: %w", key.ID, err)
		}
	}
	return nil, fmt.Errorf("mail: claim %s: %w", inv.ID, invitation.ErrConflict)
}

// send composes and sends under a claim. Up to the last line nothing has left.
func (d *Dispatcher) send(ctx context.Context, inv invitation.Invitation) Outcome {
	if !letter.Writes(inv.Kind) {
		// Written by a version of us that knows more kinds, in the middle of a deployment.
		return unsent(invitation.MailWaiting, "kind_not_known")
	}
	account, err := d.Accounts.Account(ctx, inv.Inviter, false)
	switch {
	case problem.Is(err, problem.NotFound), err == nil && account.Status != partner.Active:
		return unsent(invitation.MailFailed, "partner_not_active")
	case err != nil:
		return unsent(invitation.MailWaiting, "store_unavailable")
	case account.Paused != nil:
		return later("partner_paused", pausedFor)
	}
	cloud, err := d.Clouds.Cloud(inv.Cloud)
	if err != nil {
		return unsent(invitation.MailWaiting, "cloud_not_served")
	}
	about := link.Link{Tenant: string(inv.Inviter), ID: inv.ID, Generation: inv.Generation}
	token, err := d.Links.Sign(ctx, link.Answer, about)
	allow, failed := d.Links.Sign(ctx, link.Allow, about)
	if err = errors.Join(err, failed); err != nil {
		d.Log.ErrorContext(ctx, "no link", "invitation", inv.ID, "error", err)
		return unsent(invitation.MailWaiting, "link_unavailable")
	}
	links := answerLinks(cloud.BaseURL + link.Answer.Path(token))
	links.Allow = cloud.BaseURL + link.Allow.Path(allow)
	l, err := d.letter(ctx, inv, account, cloud)
	if err != nil {
		return unsent(invitation.MailWaiting, "store_unavailable")
	}
	if !l.Vouched() { // the provider of a dual invitation
		return unsent(invitation.MailFailed, "partner_not_active")
	}
	if l.Invitation.ExpiresAt.IsZero() { // the time runs from when SES takes the mail, which is no sooner than now (0.9)
		l.Invitation.ExpiresAt = d.now().Add(inv.Duration)
	}
	c := letter.Mail(l, links, d.Operator)
	return d.post(ctx, inv, c, Message{To: inv.RecipientEmail, ReplyTo: account.Contact.Email}, kindInvitation, inv.Mail.At)
}

// letter gives what a mail says of an invitation; of a dual one that is the provider's account too, and of one that asks for granular
// administration its roles.
func (d *Dispatcher) letter(ctx context.Context, inv invitation.Invitation, account partner.Account, cloud partner.Cloud) (invitation.Letter, error) {
	l := invitation.Letter{Invitation: inv, Inviter: account.As(inv.ActingRole), Cloud: cloud} // who orders depends on the role (0.33, 0.34)
	if inv.GranularID != "" {
		g, err := d.Granular.GranularRelationship(ctx, granular.Key{Partner: inv.Inviter, ID: inv.GranularID}, false)
		switch {
		case err == nil && g.Status != granular.Deleted:
			l.Granular = &g
		case err != nil && !problem.Is(err, problem.NotFound):
			return l, fmt.Errorf("mail: administration of %s: %w", inv.ID, err)
		}
	}
	if err := l.Ordering(ctx, d.Accounts, false); err != nil {
		return l, fmt.Errorf("mail: orderer of %s: %w", inv.ID, err)
	}
	if inv.Provider == "" {
		return l, nil
	}
	provider, err := d.Accounts.Account(ctx, inv.Provider, false)
	if err != nil {
		return l, fmt.Errorf("mail: provider of %s: %w", inv.ID, err)
	}
	l.Provider = provider.As(partner.IndirectProvider)
	return l, nil
}

// kindInvitation is the kind of the mail that invites, as its tag says it; notices are called by their name.
const kindInvitation = "invitation"

// pausedFor is how long a mail waits before it is looked at again while the partner's sending is paused.
const pausedFor = time.Hour

func unsent(state invitation.MailState, reason string) Outcome {
	return Outcome{MailOutcome: invitation.MailOutcome{State: state, Reason: reason}}
}

// later is an attempt that was none: the mail waits for something else than itself.
func later(reason string, wait time.Duration) Outcome {
	return Outcome{MailOutcome: invitation.MailOutcome{State: invitation.MailWaiting, Reason: reason, Later: wait}}
}

// post sends a letter about an invitation under a claim that is good until a moment.
func (d *Dispatcher) post(ctx context.Context, inv invitation.Invitation, c letter.Content, m Message, kind string, until time.Time) Outcome {
	m.Tags = map[string]string{
		"invitation": inv.ID, "tenant": string(inv.Inviter), "generation": strconv.Itoa(inv.Generation), "kind": kind,
	}
	return d.hand(ctx, c, m, until)
}

// hand sends a letter under a claim that is good until a moment. Up to the last line nothing has left.
func (d *Dispatcher) hand(ctx context.Context, c letter.Content, m Message, until time.Time) Outcome {
	html, err := HTML(c)
	if err != nil {
		return unsent(invitation.MailFailed, "message_invalid")
	}
	if err := d.Limiter.Wait(ctx); err != nil {
		return unsent(invitation.MailWaiting, "out_of_time")
	}
	// Who was held up until the lease is nearly over might send beside the one who claims next.
	if d.now().After(until.Add(-SendTimeout)) {
		return unsent(invitation.MailWaiting, "out_of_time")
	}
	m.Subject, m.Text, m.HTML = c.Subject, c.Text(), html
	return d.Sender.Send(ctx, m)
}

// settle records what became of the send, over whatever happened to the invitation meanwhile: a cancelled one still says
// that its mail went out.
func (d *Dispatcher) settle(ctx context.Context, inv invitation.Invitation, owner string, o Outcome) error {
	for range maxRounds {
		settled, mine := inv.Settle(d.now(), owner, o.MailOutcome)
		if !mine && o.MessageID != "" && o.MessageID == inv.Mail.MessageID {
			// SES's own event was quicker to say that it took the mail.
			d.count(ctx, inv, kindInvitation, inv.Mail.Attempts, o)
			return nil
		}
		if !mine {
			d.Log.WarnContext(ctx, "claim lost", "invitation", inv.ID, "outcome", o.State, "reason", o.Reason)
			d.Metrics.Put(map[string]float64{"MailClaimLost": 1})
			return nil
		}
		err := d.Store.Write(ctx, invitation.Change{Before: &inv, After: settled})
		if err == nil {
			d.count(ctx, settled, kindInvitation, settled.Mail.Attempts, o)
			return nil
		}
		if !errors.Is(err, invitation.ErrConflict) {
			return fmt.Errorf("mail: settle %s: %w", inv.ID, err)
		}
		key := inv.Key
		inv, err = d.Store.Invitation(ctx, key, true)
		if problem.Is(err, problem.NotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("mail: settle %s: %w", key.ID, err)
		}
	}
	return fmt.Errorf("mail: settle %s: %w", inv.ID, invitation.ErrConflict)
}

// figures are the metrics of the outcomes, each behind "Mail" or, for a notice, its kind: ReminderSent.
var figures = map[invitation.MailState]string{
	invitation.MailSent:    "Sent",
	invitation.MailWaiting: "Retried",
	invitation.MailUnknown: "Unknown",
	invitation.MailFailed:  "Failed",
}

func figure(kind string, s invitation.MailState) string {
	if kind == kindInvitation {
		kind = "mail"
	}
	return strings.ToUpper(kind[:1]) + kind[1:] + figures[s]
}

// count says what became of one attempt.
func (d *Dispatcher) count(ctx context.Context, inv invitation.Invitation, kind string, attempt int, o Outcome) {
	d.Log.InfoContext(ctx, "mail", "invitation", inv.ID, "tenant", inv.Inviter, "kind", kind, "outcome", o.State, "reason", o.Reason,
		"code", o.Code, "attempt", attempt, "messageId", o.MessageID)
	d.Metrics.Put(d.figures(kind, o))
}

func (*Dispatcher) figures(kind string, o Outcome) map[string]float64 {
	f := map[string]float64{figure(kind, o.State): 1}
	if slices.Contains(blocked, o.Reason) {
		f["MailBlocked"] = 1
	}
	return f
}

// now gives the time as it is stored: in UTC, to the second.
func (d *Dispatcher) now() time.Time { return d.Now().UTC().Truncate(time.Second) }
