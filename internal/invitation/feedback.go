package invitation

import (
	"time"

	"concord/internal/outbox"
)

// Feedback gives the invitation after a report about one of its mails, when that is [outbox.Recorded]. Whatever SES
// reports proves that it took the mail: one of which nobody knew, or that was to be tried again, is sent from then on,
// and the time to answer begins (domain, 0.9). A report changes no status of an invitation, and nothing of a mail
// other than the newest. Of the notices only a reminder counts, which goes to the same address: that it came back, or
// was called unwanted, is said of the invitation as well.
func (i Invitation) Feedback(now time.Time, r outbox.Report) (Invitation, outbox.Verdict) {
	if r.Kind != "" {
		return i.feedbackOnNotice(now, r)
	}
	// A mail is known by its id. As long as that was not learnt, its link tells: with an attempt made, nothing else can
	// have it.
	current := r.MessageID != "" && r.MessageID == i.Mail.MessageID
	if i.Mail.MessageID == "" {
		current = r.Generation == i.Generation && i.Mail.Attempts > 0
	}
	if !current || !r.Speaks() {
		return i, outbox.Stale
	}
	n := i.next()
	if !n.Mail.State.Taken() {
		n.taken(now, r.MessageID, "feedback")
	}
	n.reported(now, r)
	if n.Mail == i.Mail {
		return i, outbox.Known
	}
	return n, outbox.Recorded
}

// Passes reports whether a report is of no consequence whatever the invitation is: it tells of a notice, and nothing
// against the address or who had it mailed. Then nobody has to read the invitation.
func Passes(r outbox.Report) bool { return r.Kind != "" && !r.Undeliverable && !against(r) }

// against reports whether a report is one that says something against a mail.
func against(r outbox.Report) bool {
	return r.State == outbox.Bounced || r.State == outbox.Suppressed || r.State == outbox.Complained
}

// feedbackOnNotice is [Invitation.Feedback] for a notice.
func (i Invitation) feedbackOnNotice(now time.Time, r outbox.Report) (Invitation, outbox.Verdict) {
	if r.Kind != ReminderNotice || !against(r) || r.Generation != i.Generation || !i.Mail.State.Taken() {
		return i, outbox.OfNotice
	}
	n := i.next()
	if n.reported(now, r); n.Mail == i.Mail {
		return i, outbox.Known
	}
	return n, outbox.Recorded
}

// reported notes what SES says, where that goes further than what is known.
func (i *Invitation) reported(now time.Time, r outbox.Report) {
	if r.Takes(i.Mail.State, i.Mail.Reason) {
		i.Mail.State, i.Mail.Reason = r.State, r.Reason
		i.note(Entry{At: now, Action: string(r.State), By: "feedback", Why: r.Reason})
	}
}

// WentTo gives the address that a report speaks of; empty when nobody knows it any more.
func (i Invitation) WentTo(r outbox.Report) string {
	switch {
	case r.Kind == "":
		return i.RecipientEmail
	case Notices.ToPartner(r.Kind):
		return r.To
	default:
		return Notices.Address(i, r.Kind)
	}
}
