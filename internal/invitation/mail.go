package invitation

import (
	"cmp"
	"context"
	"slices"
	"time"

	"concord/internal/granular"
	"concord/internal/outbox"
	"concord/internal/partner"
)

// InviteMail is the mail that invites; its box is apart from that of the notices.
const InviteMail outbox.Kind = "invitation"

// Invites is what there is to know of the mail that invites.
var Invites = outbox.Table[Invitation]{
	Kinds: []outbox.Mail[Invitation]{{
		Kind: InviteMail, To: recipientAddress,
		Sent:    func(i *Invitation, now time.Time, messageID string) { i.taken(now, messageID, "mailer") },
		GivenUp: (*Invitation).fail,
	}},
	Load: func(i Invitation) outbox.Box { return i.Mail.box() },
	Save: func(i *Invitation, b outbox.Box) { i.Mail.put(b) },
	Next: Invitation.next,
	Goes: func(i Invitation, now time.Time) bool { return i.StatusAt(now) == Pending && i.Moot == nil },
}

// Mail is the one mail that an invitation owes or has sent.
type Mail struct {
	State outbox.State
	// Attempts counts claims since the mail was asked for; it is raised before the send.
	Attempts int
	Owner    string // who holds the claim
	// At is when the state is over: the end of a lease, the time of the next attempt.
	At        time.Time
	MessageID string // of SES
	SentAt    time.Time
	Reason    string // why it waits, failed, or did not arrive: one of the fixed words of the sender or of the feedback
}

// box is what the invitation owes of the mail that invites.
func (m Mail) box() outbox.Box {
	if !m.State.Owed() {
		return outbox.Box{}
	}
	return outbox.Box{State: m.State, Owed: []outbox.Kind{InviteMail}, Attempts: m.Attempts, Owner: m.Owner, At: m.At,
		Reason: m.Reason}
}

// put takes a box over. Of an empty one the mail itself says what became of it, and how often it was tried.
func (m *Mail) put(b outbox.Box) {
	if m.Owner, m.At, m.Reason = b.Owner, b.At, b.Reason; len(b.Owed) > 0 {
		m.State, m.Attempts = b.State, b.Attempts
	}
}

// queue asks for the mail.
func (i *Invitation) queue(now time.Time) {
	i.Mail = Mail{State: outbox.Queued, At: now.Add(outbox.StreamGrace), SentAt: i.Mail.SentAt}
	i.ExpiresAt = time.Time{}
	i.Reminded, i.RemindedAt = 0, time.Time{}
	i.Post.Abandon(ReminderNotice)
}

// drop forgets a mail that is still owed when its invitation ends. One that a mailer holds is left to it: it may be
// on its way already.
func (i *Invitation) drop(now time.Time, reason string) {
	if i.Mail.State == outbox.Claimed && now.Before(i.Mail.At) {
		return
	}
	switch {
	case !i.Mail.State.Owed():
		return
	case i.Mail.State == outbox.Unknown || i.Mail.State == outbox.Claimed:
		i.Mail.State = outbox.Unknown // perhaps it went out; nobody sends it again
	case !i.Mail.SentAt.IsZero():
		i.Mail.State = outbox.Sent // the one before it
	default:
		i.Mail.State = outbox.None
	}
	i.Mail.Owner, i.Mail.At, i.Mail.Reason = "", time.Time{}, reason
}

// Claim is [outbox.Table.Claim] for the mail that invites: there is nothing to send once the invitation has ended or
// is moot.
func (i Invitation) Claim(now time.Time, owner string) (Invitation, outbox.Claim) {
	return Invites.Claim(i, now, owner)
}

// Settle is [outbox.Table.Settle] for the mail that invites. The first mail that SES takes starts the time in which
// the customer can answer (domain, 0.9).
func (i Invitation) Settle(now time.Time, owner string, o outbox.Outcome) (Invitation, bool) {
	return Invites.Settle(i, now, owner, map[outbox.Kind]outbox.Outcome{InviteMail: o})
}

// taken notes that SES has the mail.
func (i *Invitation) taken(now time.Time, messageID, by string) {
	i.Mail.State, i.Mail.MessageID, i.Mail.SentAt, i.Mail.Owner, i.Mail.At, i.Mail.Reason = outbox.Sent, messageID, now,
		"", time.Time{}, ""
	i.note(Entry{At: now, Action: "mailed", By: by})
	if i.Status.Open() {
		i.ExpiresAt = now.Add(i.Duration)
	}
}

func (i *Invitation) fail(now time.Time, reason string) {
	i.Mail.State, i.Mail.Owner, i.Mail.At, i.Mail.Reason = outbox.Failed, "", time.Time{}, reason
	i.note(Entry{At: now, Action: "mail failed", By: "mailer", Why: reason})
	if i.Status.Open() {
		i.ExpiresAt = now.Add(i.Duration) // it ends some day although no mail went out
	}
}

// Tick gives the invitation after what was due at a moment, and false when nothing is: it expires, it owes a reminder,
// its mail is queued again, or its people's data is erased.
func (i Invitation) Tick(now time.Time) (Invitation, bool) {
	n, _, changed := i.tick(now)
	return n, changed
}

// tick is Tick, and gives which notices were given up.
func (i Invitation) tick(now time.Time) (n Invitation, given []outbox.Loss, changed bool) {
	at, ok := i.Due()
	if !ok || now.Before(at) {
		return i, nil, false
	}
	n = i.next()
	over := func(at time.Time) bool { return !at.IsZero() && !now.Before(at) }
	if n.Mail.State.Owed() && over(n.Mail.At) {
		n.mailDue(now)
	}
	if n.Status == Pending && !n.Mail.State.Owed() && over(n.ExpiresAt) {
		n.expire(now)
	}
	given, _ = Notices.Resume(&n, now)
	if at, _, ok := n.nextReminder(); ok && over(at) && !n.Post.Owes(ReminderNotice) {
		n.remind(now)
	}
	if !n.Status.Open() && over(n.EraseAt) {
		n.erase(now)
	}
	return n, given, true
}

// mailDue does what is due for a mail that is owed.
func (i *Invitation) mailDue(now time.Time) {
	switch {
	case !i.Status.Open():
		i.drop(now, string(i.Status))
	case i.Moot != nil:
		i.fail(now, wasMoot) // a mailer had it when it came to be moot
	case i.Mail.Attempts >= outbox.MaxAttempts:
		i.fail(now, outbox.AttemptsUsedUp)
	default:
		i.Mail.State, i.Mail.Owner, i.Mail.At = outbox.Queued, "", now.Add(outbox.StreamGrace)
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
	i.Post.Abandon(ReminderNotice)
}

// Letter is what a mail or a page says of a request.
type Letter struct {
	Invitation Invitation
	Inviter    partner.Account
	Provider   partner.Account // of a dual invitation; zero for every other
	Orderer    partner.Account // that of [Invitation.Orderer]; zero for none, and for one that is not active
	Cloud      partner.Cloud
	// Granular is the granular administration that the invitation asks for, as it is stored; nil for none, and where
	// nobody has looked for it.
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
	switch {
	case asked && l.Granular != nil && RightOf(t, l.Granular.Roles) == GlobalRight:
		return GlobalRight
	case l.Invitation.RequestDelegatedAdmin, l.Invitation.Kind.AsksPartner():
		return AdministrationRight
	case asked:
		return RoleRight
	default:
		return NoRight
	}
}

// RightOf gives the right that roles of the directory are.
func RightOf(t granular.Table, roles []string) Right {
	if slices.Contains(roles, t.GlobalAdministrator) {
		return GlobalRight
	}
	return RoleRight
}

// OrdersItself reports whether who asks places the customer's orders. An indirect reseller never does: its provider
// does (invariant 10, 0.33).
func (l Letter) OrdersItself() bool {
	return !l.Invitation.Kind.NamesProvider() && l.Inviter.Role != partner.IndirectReseller
}

// seller is who orders for the customer; empty where that is a provider that the request does not name.
func (l Letter) seller() partner.TenantID {
	if l.OrdersItself() {
		return l.Inviter.Tenant
	}
	return cmp.Or(l.Invitation.Provider, l.Orderer.Tenant)
}

// Provides gives the provider that places the orders which an indirect reseller takes; zero where the request names
// none and nobody knows it.
func (l Letter) Provides() partner.Account {
	if l.Invitation.Kind.NamesProvider() {
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

// Asks gives the granular administration that the same answer can still give or refuse; nil for none. A rehearsal
// gives nothing.
func (l Letter) Asks(now time.Time) *granular.Relationship {
	if l.Granular == nil || l.Invitation.Sandbox || !l.Granular.At(now).Open() {
		return nil
	}
	return l.Granular
}
