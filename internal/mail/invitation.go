package mail

import (
	"context"
	"errors"
	"fmt"
	"time"

	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/letter"
	"concord/internal/link"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/recipient"
)

// Dispatch sends the mail of an invitation as it was when the mail was queued, and the notices about it, with the
// steps and the error of [deliver]. The notices are a queue of their own: they are looked at whatever became of the
// mail.
func (d *Dispatcher) Dispatch(ctx context.Context, queued invitation.Invitation) error {
	return errors.Join(deliver(ctx, d, ofInvites{invitations{d}}, queued), d.notify(ctx, queued))
}

func (d *Dispatcher) notify(ctx context.Context, queued invitation.Invitation) error {
	if queued.Post.State != outbox.Queued {
		return nil
	}
	s := ofNotices{invitations{d}}
	if queued.Mail.State == outbox.Queued { // the mail has been dealt with since the record
		fresh, err := s.read(ctx, queued)
		if problem.Is(err, problem.NotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("mail: claim the notices of %s: %w", queued.ID, err)
		}
		queued = fresh
	}
	return deliver(ctx, d, s, queued)
}

// invitations is what the two boxes of an invitation have in common.
type invitations struct{ *Dispatcher }

func (s invitations) about(i invitation.Invitation) about {
	return about{what: "invitation", id: i.ID, tenant: i.Inviter, generation: i.Generation}
}

func (s invitations) read(ctx context.Context, i invitation.Invitation) (invitation.Invitation, error) {
	return s.Store.Invitation(ctx, i.Key, true)
}

func (s invitations) write(ctx context.Context, before, after invitation.Invitation) error {
	return s.Store.Write(ctx, invitation.Change{Before: &before, After: after})
}

// ofInvites is the mail that invites.
type ofInvites struct{ invitations }

func (ofInvites) table() outbox.Table[invitation.Invitation] { return invitation.Invites }

func (s ofInvites) about(i invitation.Invitation) about {
	a := s.invitations.about(i)
	a.figures = "Mail"
	return a
}

func (ofInvites) took(i invitation.Invitation, messageID string) bool {
	return i.Mail.MessageID == messageID
}

func (s ofInvites) compose(ctx context.Context, inv invitation.Invitation, _ outbox.Kind) (letter.Content, Message,
	*Outcome) {
	if !letter.Writes(inv.Kind) {
		// Written by a version of us that knows more kinds, in the middle of a deployment.
		return stop(unsent(outbox.Waiting, "kind_not_known"))
	}
	account, err := s.Accounts.Account(ctx, inv.Inviter, false)
	switch {
	case problem.Is(err, problem.NotFound), err == nil && account.Status != partner.Active:
		return stop(unsent(outbox.Failed, "partner_not_active"))
	case err != nil:
		return stop(unsent(outbox.Waiting, "store_unavailable"))
	case account.Paused != nil:
		return stop(later("partner_paused", pausedFor))
	}
	cloud, err := s.Clouds.Cloud(inv.Cloud)
	if err != nil {
		return stop(unsent(outbox.Waiting, "cloud_not_served"))
	}
	about := link.Link{Tenant: string(inv.Inviter), ID: inv.ID, Generation: inv.Generation}
	token, err := s.Links.Sign(ctx, link.Answer, about)
	allow, failed := s.Links.Sign(ctx, link.Allow, about)
	if err = errors.Join(err, failed); err != nil {
		s.Log.ErrorContext(ctx, "no link", "invitation", inv.ID, "error", err)
		return stop(unsent(outbox.Waiting, "link_unavailable"))
	}
	links := answerLinks(cloud.BaseURL + link.Answer.Path(token))
	links.Allow = cloud.BaseURL + link.Allow.Path(allow)
	l, err := s.letter(ctx, inv, account, cloud)
	if err != nil {
		return stop(unsent(outbox.Waiting, "store_unavailable"))
	}
	if !l.Vouched() { // the provider of a dual invitation
		return stop(unsent(outbox.Failed, "partner_not_active"))
	}
	if l.Invitation.ExpiresAt.IsZero() { // the time runs from when SES takes the mail, which is no sooner than now (0.9)
		l.Invitation.ExpiresAt = s.now().Add(inv.Duration)
	}
	return letter.Mail(l, links, s.Operator), Message{To: inv.RecipientEmail, ReplyTo: account.Contact.Email}, nil
}

// ofNotices is the mails about an invitation, but for the one that invites.
type ofNotices struct{ invitations }

func (ofNotices) table() outbox.Table[invitation.Invitation] { return invitation.Notices }

func (ofNotices) took(invitation.Invitation, string) bool { return false }

func (s ofNotices) compose(ctx context.Context, inv invitation.Invitation, k outbox.Kind) (letter.Content, Message,
	*Outcome) {
	if o, waits := s.sweep(ctx, inv, k); waits {
		return stop(o)
	}
	account, err := s.Accounts.Account(ctx, inv.Inviter, false)
	if problem.Is(err, problem.NotFound) {
		return stop(unsent(outbox.Failed, "partner_not_active"))
	}
	if err != nil {
		return stop(unsent(outbox.Waiting, "store_unavailable"))
	}
	m := Message{To: invitation.Notices.Address(inv, k), ReplyTo: account.Contact.Email, Automatic: true, Notice: true}
	if invitation.Notices.ToPartner(k) {
		m = Message{To: account.Contact.Email, Automatic: true, Notice: true}
	}
	if o, stopped := s.stopped(ctx, inv, k, account, m.To); stopped {
		return stop(o)
	}
	cloud, err := s.Clouds.Cloud(inv.Cloud)
	if err != nil {
		return stop(unsent(outbox.Waiting, "cloud_not_served"))
	}
	l, err := s.letter(ctx, inv, account, cloud)
	if err != nil {
		return stop(unsent(outbox.Waiting, "store_unavailable"))
	}
	if k == invitation.ReminderNotice && !l.Vouched() {
		return stop(unsent(outbox.Failed, "partner_not_active"))
	}
	if s.daily(inv, k, account) {
		c, stopped := s.day(ctx, l)
		return c, m, stopped
	}
	c, err := s.words(ctx, k, l, &m)
	switch {
	case errors.Is(err, errNoWords):
		// Written by a version of us that knows more, in the middle of a deployment.
		return stop(unsent(outbox.Waiting, "kind_not_known"))
	case err != nil:
		s.Log.ErrorContext(ctx, "no link", "invitation", inv.ID, "kind", k, "error", err)
		return stop(unsent(outbox.Waiting, "link_unavailable"))
	}
	return c, m, nil
}

// letter gives what a mail says of an invitation; of a dual one that is the provider's account too, and of one that
// asks for granular administration its roles.
func (d *Dispatcher) letter(ctx context.Context, inv invitation.Invitation, account partner.Account,
	cloud partner.Cloud) (invitation.Letter, error) {
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

// sweep deals with what an acceptance has made moot before the partner is told of it, and gives true when that is not
// done yet: the notice waits, and is what brings the rest home.
func (d *Dispatcher) sweep(ctx context.Context, inv invitation.Invitation, k outbox.Kind) (Outcome, bool) {
	if k != invitation.AnswerNotice || d.Others == nil {
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

// errNoWords is a notice, or one about a kind of invitation, for which there is no letter.
var errNoWords = errors.New("mail: no such letter")

// words writes the letter of a notice with its links, each of the purpose that the notice has and of no other.
func (d *Dispatcher) words(ctx context.Context, n outbox.Kind, l invitation.Letter, m *Message) (letter.Content,
	error) {
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

// stopped says what keeps a notice from going now, or for ever. What a customer has agreed to reaches it even where
// the partner may not mail any more, and even where it wants no mail of the partner: it is its own evidence.
func (d *Dispatcher) stopped(ctx context.Context, inv invitation.Invitation, n outbox.Kind, account partner.Account,
	to string) (Outcome, bool) {
	switch {
	case to == "" && invitation.Notices.ToPartner(n):
		return unsent(outbox.Failed, "no_contact"), true
	case to == "": // erased meanwhile
		return unsent(outbox.Failed, "no_address"), true
	case n == invitation.ReminderNotice:
		return d.mayRemind(ctx, inv, account)
	}
	why, err := recipient.Undeliverable(ctx, d.Ledger, to)
	switch {
	case err != nil:
		return unsent(outbox.Waiting, "store_unavailable"), true
	case why != nil:
		return unsent(outbox.Failed, string(problem.RecipientSuppressed)), true
	}
	return Outcome{}, false
}

func (d *Dispatcher) mayRemind(ctx context.Context, inv invitation.Invitation, account partner.Account) (Outcome,
	bool) {
	switch {
	case account.Status != partner.Active:
		return unsent(outbox.Failed, "partner_not_active"), true
	case account.Paused != nil:
		return later("partner_paused", pausedFor), true
	}
	err := inv.AllowReminder(ctx, d.Ledger, d.now())
	p, refused := errors.AsType[*problem.Error](err)
	switch {
	case err == nil:
		return Outcome{}, false
	case refused && p.RetryAfter > 0:
		return later(string(p.Code), p.RetryAfter), true
	case refused && p.Code == problem.RecipientSuppressed:
		return unsent(outbox.Failed, string(p.Code)), true
	default:
		return unsent(outbox.Waiting, "store_unavailable"), true
	}
}
