package invitation

import (
	"time"

	"concord/internal/outbox"
)

// The kinds of mail about an invitation, other than the one that invites. None of them changes what partners see as
// the delivery of the invitation, but for what SES reports about the address of a reminded recipient.
const (
	// ReminderNotice goes to the recipient 7 days and 1 day before the end, with the same link (G3).
	ReminderNotice outbox.Kind = "reminder"
	// ReceiptNotice goes to the recipient after the answer, with the link by which it can say that this was not its
	// answer.
	ReceiptNotice outbox.Kind = "receipt"
	// CopyNotice is the receipt for who answered, where that is another address.
	CopyNotice outbox.Kind = "copy"
	// AnswerNotice tells the inviter's contact of the answer.
	AnswerNotice outbox.Kind = "answer"
	// RenewalNotice tells the inviter's contact that a new link was asked for.
	RenewalNotice outbox.Kind = "renewal"
	// DisputeNotice tells the inviter's contact that the answer was disputed.
	DisputeNotice outbox.Kind = "dispute"
)

// Notices is what there is to know of each of them.
var Notices = outbox.Table[Invitation]{
	Kinds: []outbox.Mail[Invitation]{
		{Kind: ReminderNotice, To: recipientAddress, Once: true, Pointless: notPending, Sent: remindedOf},
		{Kind: ReceiptNotice, To: recipientAddress},
		{Kind: CopyNotice, To: answerer},
		{Kind: AnswerNotice, ToPartner: true},
		{Kind: RenewalNotice, ToPartner: true},
		{Kind: DisputeNotice, ToPartner: true},
	},
	Load: func(i Invitation) outbox.Box { return i.Post },
	Save: func(i *Invitation, b outbox.Box) { i.Post = b },
	Next: Invitation.next,
	GivenUp: func(i *Invitation, now time.Time, k outbox.Kind, reason string) {
		i.note(Entry{At: now, Action: "notice failed", By: "mailer", Why: string(k) + " " + reason})
	},
}

func recipientAddress(i Invitation) string { return i.RecipientEmail }

func answerer(i Invitation) string {
	if i.Answer == nil {
		return ""
	}
	return i.Answer.Email
}

func notPending(i Invitation, now time.Time) bool { return i.StatusAt(now) != Pending || i.Moot != nil }

func remindedOf(i *Invitation, now time.Time, _ string) {
	i.RemindedAt = now
	i.note(Entry{At: now, Action: reminded, By: "mailer", Why: thresholds[max(0, min(i.Reminded,
		len(thresholds))-1)].name})
}

const reminded = "reminded"

// owe asks for notices. A rehearsal mails the simulator alone.
func (i *Invitation) owe(now time.Time, notices ...outbox.Kind) {
	for _, k := range notices {
		if !i.Sandbox || !Notices.ToPartner(k) {
			i.Post.Enqueue(now, k)
		}
	}
}

// ClaimPost is [outbox.Table.Claim] for the notices.
func (i Invitation) ClaimPost(now time.Time, owner string) (Invitation, outbox.Claim) {
	return Notices.Claim(i, now, owner)
}

// SettlePost is [outbox.Table.Settle] for the notices.
func (i Invitation) SettlePost(now time.Time, owner string, outcomes map[outbox.Kind]outbox.Outcome) (Invitation,
	bool) {
	return Notices.Settle(i, now, owner, outcomes)
}

// thresholds are how long before the end a reminder goes (G3).
var thresholds = []struct {
	name   string
	before time.Duration
}{{"7d", 7 * 24 * time.Hour}, {"1d", 24 * time.Hour}}

// leastApart is how long after the mail that invites, and before the end, no reminder goes: an invitation that is open
// for a week has no reminder in its first hours.
const (
	leastAfter  = 12 * time.Hour
	leastBefore = time.Hour
)

// nextReminder gives when a reminder is due and how many thresholds are behind the invitation then; false when none
// will be. Only what we mailed ourselves and what was not given back is reminded of.
func (i Invitation) nextReminder() (at time.Time, passed int, ok bool) {
	if !i.Reminders || i.Moot != nil || i.Status != Pending || i.ExpiresAt.IsZero() || i.Mail.SentAt.IsZero() {
		return time.Time{}, 0, false
	}
	switch i.Mail.State {
	case outbox.Sent, outbox.Delayed, outbox.Delivered:
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

// remind asks for the reminder that is due, the nearest to the end where several are: what nobody had time for is not
// made up for.
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
