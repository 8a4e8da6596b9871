package enrolment

import (
	"maps"
	"slices"
	"time"

	"concord/internal/outbox"
)

// The kinds of mail about an enrolment: one that asks the contact to confirm its address, and one for each state that
// is reached afterwards (rule E13).
const (
	VerificationNotice   outbox.Kind = "verification"
	VettingNotice        outbox.Kind = "vetting"
	ActionRequiredNotice outbox.Kind = "actionRequired"
	AuthorizedNotice     outbox.Kind = "authorized"
	ActiveNotice         outbox.Kind = "active"
	RejectedNotice       outbox.Kind = "rejected"
	WithdrawnNotice      outbox.Kind = "withdrawn"
)

var notices = map[Status]outbox.Kind{
	InVetting: VettingNotice, ActionRequired: ActionRequiredNotice, Authorized: AuthorizedNotice, Active: ActiveNotice,
	Rejected: RejectedNotice, Withdrawn: WithdrawnNotice,
}

// Mails is what there is to know of each kind of mail about an enrolment. All of them go to the primary contact, and
// all may go twice: the second one has the same link and the same words.
var Mails = outbox.Table[Enrolment]{
	Kinds: []outbox.Mail[Enrolment]{
		{Kind: VerificationNotice, To: primary, Pointless: notAwaited, Sent: asked, GivenUp: notAsked},
		{Kind: VettingNotice, To: primary, Pointless: unconfirmed},
		{Kind: ActionRequiredNotice, To: primary, Pointless: unconfirmed},
		{Kind: AuthorizedNotice, To: primary, Pointless: unconfirmed},
		{Kind: ActiveNotice, To: primary, Pointless: unconfirmed},
		{Kind: RejectedNotice, To: primary, Pointless: unconfirmed},
		{Kind: WithdrawnNotice, To: primary, Pointless: unconfirmed},
	},
	Load: func(e Enrolment) outbox.Box { return e.Post },
	Save: func(e *Enrolment, b outbox.Box) { e.Post, e.Steps = b, stepsOf(e.Steps, b.Owed) },
	Next: Enrolment.next,
	GivenUp: func(e *Enrolment, now time.Time, k outbox.Kind, reason string) {
		e.note(HistoryEntry{At: now, Action: MailFailed, By: "mailer", Why: string(k) + " " + reason})
	},
}

func primary(e Enrolment) string { return e.Contact.Email }

// notAwaited says that the link of the mail is not waited for any more.
func notAwaited(e Enrolment, _ time.Time) bool {
	return e.Status != EmailVerification || e.Verification.Lapsed
}

// unconfirmed says that the mail would reach an address that was changed and nobody has confirmed (rule E13).
func unconfirmed(e Enrolment, _ time.Time) bool { return e.Verification.VerifiedAt.IsZero() }

// Step is what a mail about a step says of it.
type Step struct {
	Reason string // of the operator
	// Located says that the company had a PartnerID.
	Located bool
}

// steps are the kinds of mail whose words depend on more than their kind.
var steps = []outbox.Kind{ActionRequiredNotice, AuthorizedNotice, RejectedNotice}

// AtStep gives the enrolment as the mail of a kind that is owed speaks of it.
func (e Enrolment) AtStep(k outbox.Kind) Enrolment {
	step, ok := e.Steps[k]
	if !ok {
		return e
	}
	if e.Reason = step.Reason; !step.Located {
		e.Location = nil
	}
	return e
}

// owe asks for a mail, and keeps what it will say.
func (e *Enrolment) owe(now time.Time, k outbox.Kind) {
	if slices.Contains(steps, k) {
		if e.Steps = maps.Clone(e.Steps); e.Steps == nil {
			e.Steps = map[outbox.Kind]Step{}
		}
		e.Steps[k] = Step{e.Reason, e.Location != nil}
	}
	e.Post.Enqueue(now, k)
}

// stepsOf gives the steps of some kinds, nil for none.
func stepsOf(all map[outbox.Kind]Step, owed []outbox.Kind) map[outbox.Kind]Step {
	var left map[outbox.Kind]Step
	for k, s := range all {
		if slices.Contains(owed, k) {
			if left == nil {
				left = map[outbox.Kind]Step{}
			}
			left[k] = s
		}
	}
	return left
}

// ClaimPost is [outbox.Table.Claim] for what the enrolment owes.
func (e Enrolment) ClaimPost(now time.Time, owner string) (Enrolment, outbox.Claim) {
	return Mails.Claim(e, now, owner)
}

// SettlePost is [outbox.Table.Settle] for what the enrolment owes.
func (e Enrolment) SettlePost(now time.Time, owner string, outcomes map[outbox.Kind]outbox.Outcome) (Enrolment, bool) {
	return Mails.Settle(e, now, owner, outcomes)
}

// asked notes that SES has the mail with the link.
func asked(e *Enrolment, _ time.Time, _ string) {
	if !e.Verification.Delivery.Taken() {
		e.Verification.Delivery, e.Verification.DeliveryReason = outbox.Sent, ""
	}
}

func notAsked(e *Enrolment, now time.Time, reason string) {
	e.Verification.Delivery, e.Verification.DeliveryReason = outbox.Failed, reason
	e.note(HistoryEntry{At: now, Action: MailFailed, By: "mailer", Why: string(VerificationNotice) + " " + reason})
}

// MailFailed is the line of the history for a mail that was given up.
const MailFailed Action = "mail failed"

// Feedback gives the enrolment after a report about one of its mails, when that is [outbox.Recorded]. Only the mail
// with the link of now is followed: that SES says anything of it proves that SES took it.
func (e Enrolment) Feedback(_ time.Time, r outbox.Report) (Enrolment, outbox.Verdict) {
	v := e.Verification
	switch {
	case r.Kind != VerificationNotice:
		return e, outbox.OfNotice
	case r.Generation != v.Generation || !r.Speaks():
		return e, outbox.Stale
	case !r.Takes(v.Delivery, v.DeliveryReason):
		return e, outbox.Known
	}
	n := e.next()
	n.Verification.Delivery, n.Verification.DeliveryReason = r.State, r.Reason
	n.Post.Took(VerificationNotice)
	return n, outbox.Recorded
}
