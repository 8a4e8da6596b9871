package mail

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"concord/internal/invitation"
	"concord/internal/letter"
	"concord/internal/link"
	"concord/internal/partner"
	"concord/internal/problem"
)

// notify sends the notices that an invitation owes: one claim for all, one send each, one write for what became of them.
func (d *Dispatcher) notify(ctx context.Context, queued invitation.Invitation) error {
	owner := rand.Text()[:10]
	inv, err := d.claimPost(ctx, queued, owner)
	if err != nil || inv == nil {
		// A crash before the claim leaves the notices queued, as with the mail.
		return err
	}
	outcomes := map[invitation.Notice]Outcome{}
	for n, notice := range inv.Post.Owed {
		if n > 0 && !timeFor(ctx) {
			break // what was not tried is queued again
		}
		if o, waits := d.sweep(ctx, *inv, notice); waits {
			outcomes[notice] = o
			continue
		}
		outcomes[notice] = d.notice(ctx, *inv, notice)
		// A crash here sends again, at the end of the lease, what has gone: with the same links, and but for a reminder.
	}
	return d.settlePost(ctx, *inv, owner, outcomes)
}

// sweep deals with what an acceptance has made moot before the partner is told of it, and gives true when that is not done yet: the notice
// waits, and is what brings the rest home.
func (d *Dispatcher) sweep(ctx context.Context, inv invitation.Invitation, n invitation.Notice) (Outcome, bool) {
	if n != invitation.AnswerNotice || d.Others == nil {
		return Outcome{}, false
	}
	more, err := d.Others.After(ctx, inv)
	switch {
	case err != nil:
		d.Log.ErrorContext(ctx, "what is moot is not marked", "invitation", inv.ID, "error", err.Error())
		return later("store_unavailable", time.Minute), true // no fault of the notice, which is not given up for it
	case more:
		return later("others_moot", time.Minute), true
	}
	return Outcome{}, false
}

// timeFor reports whether one more send and the write after it fit before the deadline of the invocation.
func timeFor(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return !ok || time.Until(deadline) >= 2*SendTimeout
}

// claimPost gives the invitation as its notices were claimed, or nil when there is nothing to send.
func (d *Dispatcher) claimPost(ctx context.Context, inv invitation.Invitation, owner string) (*invitation.Invitation, error) {
	if inv.Post.State != invitation.MailQueued {
		return nil, nil
	}
	stale := inv.Mail.State == invitation.MailQueued // the mail has been dealt with since the record
	for range maxRounds {
		if stale {
			fresh, err := d.Store.Invitation(ctx, inv.Key, true)
			if problem.Is(err, problem.NotFound) {
				return nil, nil
			}
			if err != nil {
				return nil, fmt.Errorf("mail: claim the notices of %s: %w", inv.ID, err)
			}
			inv = fresh
		}
		stale = true
		claimed, changed, send := inv.ClaimPost(d.now(), owner)
		if !changed {
			return nil, nil
		}
		err := d.Store.Write(ctx, invitation.Change{Before: &inv, After: claimed})
		switch {
		case err == nil && send:
			return &claimed, nil
		case err == nil:
			d.givenUp(ctx, inv, claimed)
			return nil, nil
		case !errors.Is(err, invitation.ErrConflict):
			return nil, fmt.Errorf("mail: claim the notices of %s: %w", inv.ID, err)
		}
	}
	return nil, fmt.Errorf("mail: claim the notices of %s: %w", inv.ID, invitation.ErrConflict)
}

// givenUp counts the notices that a claim has given up, as the timeline has them. Those that had only lost their point are none.
func (d *Dispatcher) givenUp(ctx context.Context, before, after invitation.Invitation) {
	if before.Post.Attempts < invitation.MaxAttempts {
		return
	}
	for _, n := range before.Post.Owed {
		d.count(ctx, after, string(n), before.Post.Attempts, unsent(invitation.MailFailed, "attempts_used_up"))
	}
}

// settlePost records what became of the notices that were tried, over whatever happened to the invitation meanwhile.
func (d *Dispatcher) settlePost(ctx context.Context, inv invitation.Invitation, owner string, outcomes map[invitation.Notice]Outcome) error {
	attempt := inv.Post.Attempts
	for _, n := range inv.Post.Owed {
		if o, tried := outcomes[n]; tried {
			d.count(ctx, inv, string(n), attempt, o)
		}
	}
	became := make(map[invitation.Notice]invitation.MailOutcome, len(outcomes))
	for n, o := range outcomes {
		became[n] = o.MailOutcome
	}
	for range maxRounds {
		settled, mine := inv.SettlePost(d.now(), owner, became)
		if !mine {
			d.Log.WarnContext(ctx, "claim of notices lost", "invitation", inv.ID)
			d.Metrics.Put(map[string]float64{"MailClaimLost": 1})
			return nil
		}
		err := d.Store.Write(ctx, invitation.Change{Before: &inv, After: settled})
		if err == nil {
			return nil
		}
		if !errors.Is(err, invitation.ErrConflict) {
			return fmt.Errorf("mail: settle the notices of %s: %w", inv.ID, err)
		}
		key := inv.Key
		inv, err = d.Store.Invitation(ctx, key, true)
		if problem.Is(err, problem.NotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("mail: settle the notices of %s: %w", key.ID, err)
		}
	}
	return fmt.Errorf("mail: settle the notices of %s: %w", inv.ID, invitation.ErrConflict)
}

// notice composes and sends one notice under a claim.
func (d *Dispatcher) notice(ctx context.Context, inv invitation.Invitation, n invitation.Notice) Outcome {
	account, err := d.Accounts.Account(ctx, inv.Inviter, false)
	if problem.Is(err, problem.NotFound) {
		return unsent(invitation.MailFailed, "partner_not_active")
	}
	if err != nil {
		return unsent(invitation.MailWaiting, "store_unavailable")
	}
	m := Message{To: inv.Address(n), ReplyTo: account.Contact.Email, Automatic: true}
	if n.ToInviter() {
		m = Message{To: account.Contact.Email, Automatic: true}
	}
	if o, stopped := d.stopped(ctx, inv, n, account, m.To); stopped {
		return o
	}
	cloud, err := d.Clouds.Cloud(inv.Cloud)
	if err != nil {
		return unsent(invitation.MailWaiting, "cloud_not_served")
	}
	l, err := d.letter(ctx, inv, account, cloud)
	if err != nil {
		return unsent(invitation.MailWaiting, "store_unavailable")
	}
	if n == invitation.ReminderNotice && !l.Vouched() {
		return unsent(invitation.MailFailed, "partner_not_active")
	}
	c, err := d.compose(ctx, n, l, &m)
	switch {
	case errors.Is(err, errNoWords):
		// Written by a version of us that knows more, in the middle of a deployment.
		return unsent(invitation.MailWaiting, "kind_not_known")
	case err != nil:
		d.Log.ErrorContext(ctx, "no link", "invitation", inv.ID, "kind", n, "error", err)
		return unsent(invitation.MailWaiting, "link_unavailable")
	}
	return d.post(ctx, inv, c, m, string(n), inv.Post.At)
}

// errNoWords is a notice, or one about a kind of invitation, for which there is no letter.
var errNoWords = errors.New("mail: no such letter")

// compose writes the letter of a notice with its links, each of the purpose that the notice has and of no other.
func (d *Dispatcher) compose(ctx context.Context, n invitation.Notice, l invitation.Letter, m *Message) (letter.Content, error) {
	inv := l.Invitation
	if !letter.Writes(inv.Kind) || inv.Answer == nil && n != invitation.ReminderNotice && n != invitation.RenewalNotice {
		return letter.Content{}, errNoWords
	}
	var failed error
	to := func(p link.Purpose) string {
		token, err := d.Links.Sign(ctx, p, link.Link{Tenant: string(inv.Inviter), ID: inv.ID, Generation: inv.Generation})
		failed = errors.Join(failed, err)
		return l.Cloud.BaseURL + p.Path(token)
	}
	var c letter.Content
	switch {
	case n == invitation.ReminderNotice:
		links := answerLinks(to(link.Answer))
		links.Unsubscribe, links.Allow = to(link.Unsubscribe), to(link.Allow)
		m.Unsubscribe = links.Unsubscribe
		c = letter.Remind(l, links, d.Operator)
	case n == invitation.ReceiptNotice:
		c = letter.Receipt(l, letter.Links{Dispute: to(link.Receipt)}, d.Operator)
	case n == invitation.CopyNotice:
		c = letter.Receipt(l, letter.Links{}, d.Operator)
	case letter.Tells(n):
		c = letter.Tell(n, l, d.Operator)
	default:
		return c, errNoWords
	}
	return c, failed
}

// answerLinks are those of a mail that asks for an answer.
func answerLinks(answer string) letter.Links {
	return letter.Links{Answer: answer, Report: answer + "/report"}
}

// stopped says what keeps a notice from going now, or for ever. What a customer has agreed to reaches it even where the partner may not
// mail any more, and even where it wants no mail of the partner: it is its own evidence.
func (d *Dispatcher) stopped(ctx context.Context, inv invitation.Invitation, n invitation.Notice, account partner.Account, to string) (Outcome, bool) {
	switch {
	case to == "" && n.ToInviter():
		return unsent(invitation.MailFailed, "no_contact"), true
	case to == "": // erased meanwhile
		return unsent(invitation.MailFailed, "no_address"), true
	case n == invitation.ReminderNotice:
		return d.mayRemind(ctx, inv, account)
	}
	why, err := invitation.Undeliverable(ctx, d.Ledger, to)
	switch {
	case err != nil:
		return unsent(invitation.MailWaiting, "store_unavailable"), true
	case why != nil:
		return unsent(invitation.MailFailed, string(problem.RecipientSuppressed)), true
	}
	return Outcome{}, false
}

func (d *Dispatcher) mayRemind(ctx context.Context, inv invitation.Invitation, account partner.Account) (Outcome, bool) {
	switch {
	case account.Status != partner.Active:
		return unsent(invitation.MailFailed, "partner_not_active"), true
	case account.Paused != nil:
		return later("partner_paused", pausedFor), true
	}
	err := invitation.AllowReminder(ctx, d.Ledger, inv, d.now())
	p, refused := errors.AsType[*problem.Error](err)
	switch {
	case err == nil:
		return Outcome{}, false
	case refused && p.RetryAfter > 0:
		return later(string(p.Code), p.RetryAfter), true
	case refused && p.Code == problem.RecipientSuppressed:
		return unsent(invitation.MailFailed, string(p.Code)), true
	default:
		return unsent(invitation.MailWaiting, "store_unavailable"), true
	}
}
