package granular

import (
	"time"

	"concord/internal/outbox"
)

// The kinds of mail about a relationship.
const (
	// RequestNotice asks the customer for its approval, with the link.
	RequestNotice outbox.Kind = "granular"
	// ReceiptNotice goes to who has approved, where an address is known, with the link by which it can be ended.
	ReceiptNotice outbox.Kind = "granularReceipt"
	// NarrowedNotice tells who has approved, where an address is known, that the partner has fewer roles now (domain, 0.46).
	NarrowedNotice outbox.Kind = "granularNarrowed"
	// AnswerNotice tells the partner's contact of the answer.
	AnswerNotice outbox.Kind = "granularAnswer"
	// EndingNotice goes to the partner's contact 30, 7 and 1 days before the end of what does not extend by itself.
	EndingNotice outbox.Kind = "granularEnding"
	// CustomerEndingNotice goes to who has approved, at the same moments, where an address is known.
	CustomerEndingNotice outbox.Kind = "customerGranularEnding"
)

// Mails is what there is to know of each kind of mail about a relationship.
var Mails = outbox.Table[Relationship]{
	Kinds: []outbox.Mail[Relationship]{
		{Kind: RequestNotice, To: recipient, Pointless: unless(Pending), Sent: requested, GivenUp: notRequested},
		{Kind: ReceiptNotice, To: approver, Pointless: unless(Active)},
		{Kind: NarrowedNotice, To: approver, Pointless: unless(Active)},
		{Kind: AnswerNotice, ToPartner: true},
		{Kind: EndingNotice, ToPartner: true, Once: true, Pointless: notEnding, Sent: remindedOf},
		{Kind: CustomerEndingNotice, To: approver, Once: true, Pointless: notEnding}, // one of the pair is noted
	},
	Load: func(r Relationship) outbox.Box { return r.Post },
	Save: func(r *Relationship, b outbox.Box) { r.Post = b },
	Next: func(r Relationship) Relationship { r.Version++; return r },
	GivenUp: func(r *Relationship, now time.Time, k outbox.Kind, reason string) {
		r.note(Entry{At: now, Action: noticeFailed, Actor: BySchedule, By: mailer, Why: string(k) + " " + reason})
	},
}

func recipient(r Relationship) string { return r.Mail.To }

func approver(r Relationship) string {
	if r.Answer == nil {
		return ""
	}
	return r.Answer.Email
}

func unless(s Status) func(Relationship, time.Time) bool {
	return func(r Relationship, now time.Time) bool { return r.StatusAt(now) != s }
}

// notEnding says that nothing ends, or that it extends by itself.
func notEnding(r Relationship, now time.Time) bool {
	at := r.At(now)
	return at.Status != Active || at.AutoExtend
}

// Mail is what became of the newest request that we mailed, or were asked to.
type Mail struct {
	To     string
	Locale string // BCP 47; of every mail about the relationship, and of its pages where the partner said it
	// LocaleAsked is the tag that the partner said, as typed; empty for none (0.39).
	LocaleAsked string
	State       outbox.State
	// MessageID is that of SES; SentAt is when SES took it.
	MessageID string
	SentAt    time.Time
	Reason    string // why it failed or did not arrive: one of the fixed words of the sender or of the feedback
}

// Delivery gives what the partner sees of the request's way: "notSent", "queued", "sending", or a state of [Mail].
func (r Relationship) Delivery() string {
	switch {
	case r.Post.Owes(RequestNotice) && r.Post.State == outbox.Queued:
		return "queued"
	case r.Post.Owes(RequestNotice):
		return "sending"
	case r.Mail.State == outbox.None:
		return "notSent"
	default:
		return string(r.Mail.State)
	}
}

// ClaimPost is [outbox.Table.Claim] for what the relationship owes.
func (r Relationship) ClaimPost(now time.Time, owner string) (Relationship, outbox.Claim) {
	return Mails.Claim(r, now, owner)
}

// SettlePost is [outbox.Table.Settle] for what the relationship owes.
func (r Relationship) SettlePost(now time.Time, owner string, outcomes map[outbox.Kind]outbox.Outcome) (Relationship,
	bool) {
	return Mails.Settle(r, now, owner, outcomes)
}

// mailer is who acts when a mail goes out or does not.
const mailer = "mailer"

// The steps of a history that mails are.
const (
	asked        = "sent" // the partner had us mail the request
	mailed       = "mailed"
	mailFailed   = "mailFailed"
	reminded     = "reminded"
	noticeFailed = "noticeFailed"
	reported     = "reported"
	mailAllowed  = "mailAllowed"
)

// requested notes that SES has the request.
func requested(r *Relationship, now time.Time, messageID string) {
	r.Mail.State, r.Mail.MessageID, r.Mail.SentAt, r.Mail.Reason = outbox.Sent, messageID, now, ""
	r.note(Entry{At: now, Action: mailed, Actor: BySchedule, By: mailer})
}

func notRequested(r *Relationship, now time.Time, reason string) {
	r.Mail.State, r.Mail.Reason = outbox.Failed, reason
	r.note(Entry{At: now, Action: mailFailed, Actor: BySchedule, By: mailer, Why: reason})
}

func remindedOf(r *Relationship, now time.Time, _ string) {
	r.note(Entry{At: now, Action: reminded, Actor: BySchedule, By: mailer, Why: thresholdNames[max(0, min(r.Reminded,
		len(thresholds))-1)]})
}

// Feedback gives the relationship after a report about one of its mails, when that is [outbox.Recorded]. Only that of
// the request is followed, and only the newest.
func (r Relationship) Feedback(now time.Time, report outbox.Report) (Relationship, outbox.Verdict) {
	if report.Kind != RequestNotice {
		return r, outbox.OfNotice
	}
	current := report.MessageID != "" && report.MessageID == r.Mail.MessageID
	if r.Mail.MessageID == "" {
		current = report.Generation == r.Generation && r.Mail.To != ""
	}
	switch {
	case !current || !report.Speaks():
		return r, outbox.Stale
	case !report.Takes(r.Mail.State, r.Mail.Reason):
		return r, outbox.Known
	}
	n := Mails.Next(r)
	if !n.Mail.State.Taken() {
		n.Mail.MessageID, n.Mail.SentAt = report.MessageID, now
		n.Post.Took(RequestNotice)
		n.note(Entry{At: now, Action: mailed, Actor: BySchedule, By: "feedback"})
	}
	n.Mail.State, n.Mail.Reason = report.State, report.Reason
	if report.State != outbox.Sent {
		n.note(Entry{At: now, Action: string(report.State), Actor: BySchedule, By: "feedback", Why: report.Reason})
	}
	return n, outbox.Recorded
}

// ReportedBy gives the relationship after somebody who has the link of a generation has reported the mail. It changes
// no status.
func (r Relationship) ReportedBy(generation int, e Entry) Relationship {
	r.Version++
	r.Reported = generation
	r.Post.Abandon(RequestNotice)
	e.Action, e.Actor = reported, ByCustomer
	r.note(e)
	return r
}

// MailAllowed gives the relationship after its recipient has let the partner's mails through again. It changes no
// status; the mail can be reported again.
func (r Relationship) MailAllowed(e Entry) Relationship {
	r.Version++
	r.Reported = 0
	e.Action, e.Actor = mailAllowed, ByCustomer
	r.note(e)
	return r
}
