package invitation

import (
	"cmp"
	"context"
	"slices"
	"time"

	"concord/internal/granular"
	"concord/internal/partner"
)

// MailState is where the mail of an invitation stands with us (reliability, "The mail sender").
type MailState string

// The states of the sender. Only a person's action, or the job for what waited, writes MailQueued: the stream wakes the
// mailer on that word alone.
const (
	MailNone    MailState = ""
	MailQueued  MailState = "queued"
	MailClaimed MailState = "claimed" // a mailer has it until its lease is over
	MailWaiting MailState = "waiting" // certainly not sent; to be tried again
	MailUnknown MailState = "unknown" // SES may have taken it; nobody can tell yet
	MailSent    MailState = "sent"
	MailFailed  MailState = "failed" // not sent and not to be tried again
)

// What SES says of a mail that it took; see [Invitation.Feedback].
const (
	MailDelayed    MailState = "delayed"    // SES still tries
	MailDelivered  MailState = "delivered"  // the recipient's mail server has it
	MailBounced    MailState = "bounced"    // the recipient's mail server gave it back, at once or later
	MailRejected   MailState = "rejected"   // SES found something in it that it does not send
	MailSuppressed MailState = "suppressed" // SES sends nothing to this address
	MailComplained MailState = "complained" // the recipient called it unwanted
)

// Owed reports whether the mailer still has something to do.
func (s MailState) Owed() bool {
	switch s {
	case MailQueued, MailClaimed, MailWaiting, MailUnknown:
		return true
	}
	return false
}

// Delivery is what partners see of a mail's way (domain, 2.2).
type Delivery string

// The states that partners see.
const (
	DeliveryNotSent Delivery = "notSent"
	DeliveryQueued  Delivery = "queued"
	DeliverySending Delivery = "sending"
	DeliverySent    Delivery = "sent"
	DeliveryFailed  Delivery = "failed"

	DeliveryDelayed    Delivery = "delayed"
	DeliveryDelivered  Delivery = "delivered"
	DeliveryBounced    Delivery = "bounced"
	DeliveryRejected   Delivery = "rejected"
	DeliverySuppressed Delivery = "suppressed"
	DeliveryComplained Delivery = "complained"
)

// Deliveries are all of them.
var Deliveries = []Delivery{
	DeliveryNotSent, DeliveryQueued, DeliverySending, DeliverySent, DeliveryDelayed, DeliveryDelivered, DeliveryBounced, DeliveryRejected,
	DeliverySuppressed, DeliveryComplained, DeliveryFailed,
}

// Delivery gives what partners see.
func (s MailState) Delivery() Delivery {
	switch s {
	case MailQueued:
		return DeliveryQueued
	case MailClaimed, MailWaiting, MailUnknown:
		return DeliverySending
	case MailSent:
		return DeliverySent
	case MailFailed:
		return DeliveryFailed
	case MailDelayed:
		return DeliveryDelayed
	case MailDelivered:
		return DeliveryDelivered
	case MailBounced:
		return DeliveryBounced
	case MailRejected:
		return DeliveryRejected
	case MailSuppressed:
		return DeliverySuppressed
	case MailComplained:
		return DeliveryComplained
	default:
		return DeliveryNotSent
	}
}

// How the sender tries (reliability, promise 3).
const (
	MaxAttempts  = 8
	Lease        = 2 * time.Minute  // longer than one send with its time-outs
	StreamGrace  = 5 * time.Minute  // after which a queued mail that nobody claimed is queued again
	UnknownGrace = 15 * time.Minute // in which SES can still say that it took the mail
	firstBackoff = 30 * time.Second // doubled by each attempt
	maxBackoff   = time.Hour
)

// Mail is the one mail that an invitation owes or has sent.
type Mail struct {
	State MailState
	// Attempts counts claims since the mail was asked for; it is raised before the send.
	Attempts int
	Owner    string // who holds the claim
	// At is when the state is over: the end of a lease, the time of the next attempt.
	At        time.Time
	MessageID string // of SES
	SentAt    time.Time
	Reason    string // why it waits, failed, or did not arrive: one of the fixed words of the sender or of the feedback
}

// queue asks for the mail.
func (i *Invitation) queue(now time.Time) {
	i.Mail = Mail{State: MailQueued, At: now.Add(StreamGrace), SentAt: i.Mail.SentAt}
	i.ExpiresAt = time.Time{}
	i.Reminded, i.RemindedAt = 0, time.Time{}
	i.unowe(ReminderNotice)
}

// drop forgets a mail that is still owed when its invitation ends. One that a mailer holds is left to it: it may be
// on its way already.
func (i *Invitation) drop(now time.Time, reason string) {
	if i.Mail.State == MailClaimed && now.Before(i.Mail.At) {
		return
	}
	switch {
	case !i.Mail.State.Owed():
		return
	case i.Mail.State == MailUnknown || i.Mail.State == MailClaimed:
		i.Mail.State = MailUnknown // perhaps it went out; nobody sends it again
	case !i.Mail.SentAt.IsZero():
		i.Mail.State = MailSent // the one before it
	default:
		i.Mail.State = MailNone
	}
	i.Mail.Owner, i.Mail.At, i.Mail.Reason = "", time.Time{}, reason
}

// Claim gives the invitation as a mailer holds it, and false when there is nothing to send: it was sent, it ended, or
// another mailer holds it. When the attempts are used up the mail has failed, and Claim gives that with false.
func (i Invitation) Claim(now time.Time, owner string) (claimed Invitation, changed, send bool) {
	free := i.Mail.State == MailQueued || i.Mail.State == MailClaimed && !now.Before(i.Mail.At)
	if !free || i.StatusAt(now) != Pending || i.Moot != nil {
		return i, false, false
	}
	n := i.next()
	if n.Mail.Attempts >= MaxAttempts {
		n.fail(now, "attempts_used_up")
		return n, true, false
	}
	n.Mail.State, n.Mail.Owner = MailClaimed, owner
	// A time that is far enough away is left as it is: to move it would cost two writes of the due index.
	if lease := now.Add(Lease); n.Mail.At.Before(lease) {
		n.Mail.At = lease
	}
	n.Mail.Attempts++
	return n, true, true
}

// MailOutcome is what became of one attempt.
type MailOutcome struct {
	State     MailState // MailSent, MailWaiting, MailUnknown or MailFailed
	MessageID string
	Reason    string
	// Later, when a mail waits, is for how long although it is not at fault: rate or quota of the account are used up. Such an
	// attempt does not count, so that mail over the quota waits and is never given up (reliability, "The mail sender").
	Later time.Duration
}

// Settle gives the invitation after an attempt of owner, and false when the claim is no longer its own. The first mail that
// SES takes starts the time in which the customer can answer (domain, 0.9).
func (i Invitation) Settle(now time.Time, owner string, o MailOutcome) (Invitation, bool) {
	if i.Mail.State != MailClaimed || i.Mail.Owner != owner {
		return i, false
	}
	n := i.next()
	n.Mail.Owner, n.Mail.Reason = "", o.Reason
	switch o.State {
	case MailSent:
		n.taken(now, o.MessageID, "mailer")
	case MailFailed:
		n.fail(now, o.Reason)
	case MailUnknown:
		n.Mail.State, n.Mail.At = MailUnknown, now.Add(UnknownGrace)
	default:
		wait := backoff(n.Mail.Attempts)
		if o.Later > 0 {
			wait = o.Later
			n.Mail.Attempts--
		}
		n.Mail.State, n.Mail.At = MailWaiting, now.Add(wait)
	}
	return n, true
}

// taken notes that SES has the mail.
func (i *Invitation) taken(now time.Time, messageID, by string) {
	i.Mail.State, i.Mail.MessageID, i.Mail.SentAt, i.Mail.Owner, i.Mail.At, i.Mail.Reason = MailSent, messageID, now, "", time.Time{}, ""
	i.note(Entry{At: now, Action: "mailed", By: by})
	if i.Status.Open() {
		i.ExpiresAt = now.Add(i.Duration)
	}
}

func (i *Invitation) fail(now time.Time, reason string) {
	i.Mail.State, i.Mail.Owner, i.Mail.At, i.Mail.Reason = MailFailed, "", time.Time{}, reason
	i.note(Entry{At: now, Action: "mail failed", By: "mailer", Why: reason})
	if i.Status.Open() {
		i.ExpiresAt = now.Add(i.Duration) // it ends some day although no mail went out
	}
}

func backoff(attempt int) time.Duration {
	return min(firstBackoff<<(max(attempt, 1)-1), maxBackoff)
}

// Tick gives the invitation after what was due at a moment, and false when nothing is: it expires, it owes a reminder, its mail is
// queued again, or its people's data is erased.
func (i Invitation) Tick(now time.Time) (Invitation, bool) {
	at, ok := i.Due()
	if !ok || now.Before(at) {
		return i, false
	}
	n := i.next()
	over := func(at time.Time) bool { return !at.IsZero() && !now.Before(at) }
	if n.Mail.State.Owed() && over(n.Mail.At) {
		n.mailDue(now)
	}
	if n.Status == Pending && !n.Mail.State.Owed() && over(n.ExpiresAt) {
		n.expire(now)
	}
	if over(n.Post.At) {
		if n.lapse(now); n.Post.State != MailNone {
			n.Post.At = now.Add(StreamGrace)
		}
	}
	if at, _, ok := n.nextReminder(); ok && over(at) && !slices.Contains(n.Post.Owed, ReminderNotice) {
		n.remind(now)
	}
	if !n.Status.Open() && over(n.EraseAt) {
		n.erase(now)
	}
	return n, true
}

// mailDue does what is due for a mail that is owed.
func (i *Invitation) mailDue(now time.Time) {
	switch {
	case !i.Status.Open():
		i.drop(now, string(i.Status))
	case i.Moot != nil:
		i.fail(now, wasMoot) // a mailer had it when it came to be moot
	case i.Mail.Attempts >= MaxAttempts:
		i.fail(now, "attempts_used_up")
	default:
		i.Mail.State, i.Mail.Owner, i.Mail.At = MailQueued, "", now.Add(StreamGrace)
	}
}

func (i *Invitation) expire(now time.Time) {
	i.end(now, Expired, Unanswered)
	i.note(Entry{At: now, Action: "expired", By: "cleanup"})
}

// end ends an open invitation; what is known of people is kept for a while.
func (i *Invitation) end(now time.Time, status Status, keep time.Duration) {
	i.Status, i.EndedAt, i.EraseAt = status, now, now.Add(keep)
	i.drop(now, string(status))
	i.unowe(ReminderNotice)
}

// Letter is what a mail or a page says of a request.
type Letter struct {
	Invitation Invitation
	Inviter    partner.Account
	Provider   partner.Account // of a dual invitation; zero for every other
	Orderer    partner.Account // that of [Invitation.Orderer]; zero for none, and for one that is not active
	Cloud      partner.Cloud
	// Granular is the granular administration that the invitation asks for, as it is stored; nil for none, and where nobody has
	// looked for it.
	Granular *granular.Relationship
	// Stopped says, where somebody has looked, that the recipient has stopped the inviter's mails.
	Stopped bool
	// Declines says, of the case [InviterNotActive], that who is signed in can decline.
	Declines bool
	// Already says, where somebody is signed in, that an acceptance would grant nothing new.
	Already bool
}

// Right is how far a request reaches into what the customer has.
type Right int

// The rights, the strongest last.
const (
	NoRight             Right = iota
	RoleRight                 // named roles in the directory, for a time (granular delegated administration)
	AdministrationRight       // delegated administration, or the administration of a reseller's own account
	GlobalRight               // the role of a Global Administrator, which may do everything
)

// Right gives the strongest right that a request asks for, or that its acceptance has given (0.33).
func (l Letter) Right(t granular.Table) Right {
	asked := l.Invitation.GranularID != ""
	if a := l.Invitation.Answer; a != nil {
		asked = a.Granular
	}
	if l.Invitation.Kind == "" { // a request for granular administration alone
		asked = true
	}
	switch {
	case asked && l.Granular != nil && slices.Contains(l.Granular.Roles, t.GlobalAdministrator):
		return GlobalRight
	case l.Invitation.RequestDelegatedAdmin, l.Invitation.Kind == Partnership:
		return AdministrationRight
	case asked:
		return RoleRight
	default:
		return NoRight
	}
}

// OrdersItself reports whether who asks places the customer's orders. An indirect reseller never does: its provider does (invariant 10, 0.33).
func (l Letter) OrdersItself() bool {
	return l.Invitation.Kind != DualReseller && l.Inviter.Role != partner.IndirectReseller
}

// seller is who orders for the customer; empty where that is a provider that the request does not name.
func (l Letter) seller() partner.TenantID {
	if l.OrdersItself() {
		return l.Inviter.Tenant
	}
	return cmp.Or(l.Invitation.Provider, l.Orderer.Tenant)
}

// Provides gives the provider that places the orders which an indirect reseller takes; zero where the request names none and nobody knows it.
func (l Letter) Provides() partner.Account {
	if l.Invitation.Kind == DualReseller {
		return l.Provider
	}
	return l.Orderer
}

// Ordering has a letter say who orders, as the accounts are now: whoever is not active orders nothing.
func (l *Letter) Ordering(ctx context.Context, accounts partner.Accounts, strong bool) error {
	l.Orderer = partner.Account{}
	if l.Invitation.Orderer == "" {
		return nil
	}
	account, err := accounts.Account(ctx, l.Invitation.Orderer, strong)
	if err == nil && account.Status == partner.Active {
		l.Orderer = account.As(partner.IndirectProvider)
	}
	return err
}

// Asks gives the granular administration that the same answer can still give or refuse; nil for none. A rehearsal gives nothing.
func (l Letter) Asks(now time.Time) *granular.Relationship {
	if l.Granular == nil || l.Invitation.Sandbox || !l.Granular.At(now).Open() {
		return nil
	}
	return l.Granular
}
