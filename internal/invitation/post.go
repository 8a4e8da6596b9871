package invitation

import (
	"slices"
	"time"
)

// Notice is a kind of mail about an invitation, other than the mail that invites.
type Notice string

// The notices. None of them changes what partners see as the delivery of the invitation, but for what SES reports about the
// address of a reminded recipient.
const (
	// ReminderNotice goes to the recipient 7 days and 1 day before the end, with the same link (G3).
	ReminderNotice Notice = "reminder"
	// ReceiptNotice goes to the recipient after the answer, with the link by which it can say that this was not its answer.
	ReceiptNotice Notice = "receipt"
	// CopyNotice is the receipt for who answered, where that is another address.
	CopyNotice Notice = "copy"
	// AnswerNotice tells the inviter's contact of the answer.
	AnswerNotice Notice = "answer"
	// RenewalNotice tells the inviter's contact that a new link was asked for.
	RenewalNotice Notice = "renewal"
	// DisputeNotice tells the inviter's contact that the answer was disputed.
	DisputeNotice Notice = "dispute"
)

// ToInviter reports whether the notice goes to the contact of the partner.
func (n Notice) ToInviter() bool {
	return n == AnswerNotice || n == RenewalNotice || n == DisputeNotice
}

// Address gives where a notice goes, apart from those that go to the inviter; empty for nowhere.
func (i Invitation) Address(n Notice) string {
	switch n {
	case ReminderNotice, ReceiptNotice:
		return i.RecipientEmail
	case CopyNotice:
		if i.Answer != nil {
			return i.Answer.Email
		}
	}
	return ""
}

// Post is what an invitation owes of notices, apart from the mail that invites: another queue of the same sender, with the same
// states. It is empty when nothing is owed.
type Post struct {
	State    MailState // MailNone, MailQueued, MailClaimed or MailWaiting
	Owed     []Notice  // in the order in which they go
	Attempts int
	Owner    string
	At       time.Time // when the state is over
	Reason   string    // why it waits
}

// owe asks for a notice, unless it is owed already. A mailer that has a claim goes on with what it has claimed and leaves the rest.
func (i *Invitation) owe(now time.Time, notices ...Notice) {
	i.Post.Owed = slices.Clone(i.Post.Owed)
	for _, n := range notices {
		// A rehearsal mails the simulator alone.
		if !slices.Contains(i.Post.Owed, n) && (!i.Sandbox || !n.ToInviter()) {
			i.Post.Owed = append(i.Post.Owed, n)
		}
	}
	if i.Post.State != MailClaimed && len(i.Post.Owed) > 0 {
		i.Post = Post{State: MailQueued, Owed: i.Post.Owed, At: now.Add(StreamGrace)}
	}
}

// unowe forgets a notice that has lost its point. One that a mailer holds is left to it.
func (i *Invitation) unowe(notice Notice) {
	if i.Post.State == MailClaimed || !slices.Contains(i.Post.Owed, notice) {
		return
	}
	i.Post.Owed = slices.DeleteFunc(slices.Clone(i.Post.Owed), func(n Notice) bool { return n == notice })
	if len(i.Post.Owed) == 0 {
		i.Post = Post{}
	}
}

// ClaimPost is [Invitation.Claim] for the notices: all that are owed are claimed together. A reminder whose invitation has ended
// is forgotten, and one of a claim that nobody settled is given up.
func (i Invitation) ClaimPost(now time.Time, owner string) (claimed Invitation, changed, send bool) {
	free := i.Post.State == MailQueued || i.Post.State == MailClaimed && !now.Before(i.Post.At)
	if !free {
		return i, false, false
	}
	n := i.next()
	n.lapse(now)
	if n.StatusAt(now) != Pending || n.Moot != nil {
		n.unowe(ReminderNotice)
	}
	switch {
	case len(n.Post.Owed) == 0:
		n.Post = Post{}
		return n, true, false
	case n.Post.Attempts >= MaxAttempts:
		n.undone(now, "attempts_used_up", n.Post.Owed...)
		n.Post = Post{}
		return n, true, false
	}
	n.Post.State, n.Post.Owner, n.Post.Reason = MailClaimed, owner, ""
	if lease := now.Add(Lease); n.Post.At.Before(lease) {
		n.Post.At = lease
	}
	n.Post.Attempts++
	return n, true, true
}

// lapse ends a claim that nobody settled in its time: what it had claimed is queued again, but for a reminder. It may have gone, and
// goes once at most (domain, 2.2).
func (i *Invitation) lapse(now time.Time) {
	unsettled := i.Post.State == MailClaimed
	i.Post.State, i.Post.Owner = MailQueued, ""
	if unsettled && slices.Contains(i.Post.Owed, ReminderNotice) {
		i.unowe(ReminderNotice)
		i.undone(now, "outcome_unknown", ReminderNotice)
	}
}

// SettlePost gives the invitation after each of some claimed notices was tried, and false when the claim is no longer owner's.
// What waits is tried again, what was not tried too; an unknown outcome is a retry after [UnknownGrace], since a second receipt does
// no harm, but for a reminder, which never goes twice (domain, 2.2).
func (i Invitation) SettlePost(now time.Time, owner string, outcomes map[Notice]MailOutcome) (Invitation, bool) {
	if i.Post.State != MailClaimed || i.Post.Owner != owner {
		return i, false
	}
	n := i.next()
	var left []Notice
	var wait time.Duration
	var reason string
	blameless := true // every one that is left waits for no fault of its own
	for _, notice := range i.Post.Owed {
		o, tried := outcomes[notice]
		again := time.Duration(0)
		switch {
		case tried && o.State == MailSent:
			n.went(now, notice)
			continue
		case tried && (o.State == MailFailed || o.State == MailUnknown && notice == ReminderNotice):
			n.undone(now, o.Reason, notice)
			continue
		case tried && o.State == MailUnknown:
			again, blameless = UnknownGrace, false
		case tried && o.Later > 0:
			again = o.Later
		case tried:
			again, blameless = backoff(i.Post.Attempts), false
		}
		left = append(left, notice)
		if again > 0 && (wait == 0 || again < wait) {
			wait, reason = again, o.Reason
		}
	}
	if len(left) == 0 {
		n.Post = Post{}
		return n, true
	}
	if wait == 0 { // they came to be owed since the claim
		n.Post = Post{State: MailQueued, Owed: left, At: now.Add(StreamGrace)}
		return n, true
	}
	attempts := i.Post.Attempts
	if blameless {
		attempts--
	}
	n.Post = Post{State: MailWaiting, Owed: left, Attempts: attempts, At: now.Add(wait), Reason: reason}
	return n, true
}

// went notes that SES has a notice.
func (i *Invitation) went(now time.Time, n Notice) {
	if n != ReminderNotice {
		return
	}
	i.RemindedAt = now
	i.note(Entry{At: now, Action: reminded, By: "mailer", Why: thresholds[max(0, min(i.Reminded, len(thresholds))-1)].name})
}

const reminded = "reminded"

// undone notes that notices are given up.
func (i *Invitation) undone(now time.Time, reason string, notices ...Notice) {
	for _, n := range notices {
		i.note(Entry{At: now, Action: "notice failed", By: "mailer", Why: string(n) + " " + reason})
	}
}

// thresholds are how long before the end a reminder goes (G3).
var thresholds = []struct {
	name   string
	before time.Duration
}{{"7d", 7 * 24 * time.Hour}, {"1d", 24 * time.Hour}}

// leastApart is how long after the mail that invites, and before the end, no reminder goes: an invitation that is open for a week
// has no reminder in its first hours.
const (
	leastAfter  = 12 * time.Hour
	leastBefore = time.Hour
)

// nextReminder gives when a reminder is due and how many thresholds are behind the invitation then; false when none will be. Only
// what we mailed ourselves and what was not given back is reminded of.
func (i Invitation) nextReminder() (at time.Time, passed int, ok bool) {
	if !i.Reminders || i.Moot != nil || i.Status != Pending || i.ExpiresAt.IsZero() || i.Mail.SentAt.IsZero() {
		return time.Time{}, 0, false
	}
	switch i.Mail.State {
	case MailSent, MailDelayed, MailDelivered:
	default:
		return time.Time{}, 0, false
	}
	for n := i.Reminded; n < len(thresholds); n++ {
		at := i.ExpiresAt.Add(-thresholds[n].before)
		if !at.Before(i.Mail.SentAt.Add(leastAfter)) {
			return at, n + 1, true
		}
	}
	return time.Time{}, 0, false
}

// remind asks for the reminder that is due, the nearest to the end where several are: what nobody had time for is not made up for.
func (i *Invitation) remind(now time.Time) {
	for {
		at, passed, ok := i.nextReminder()
		if !ok || now.Before(at) {
			break
		}
		i.Reminded = passed
	}
	if i.ExpiresAt.Sub(now) >= leastBefore {
		i.owe(now, ReminderNotice)
	}
}
