package granular

import (
	"slices"
	"time"
)

// Notice is a kind of mail about a relationship.
type Notice string

// The notices.
const (
	// RequestNotice asks the customer for its approval, with the link.
	RequestNotice Notice = "granular"
	// ReceiptNotice goes to who has approved, where an address is known, with the link by which it can be ended.
	ReceiptNotice Notice = "granularReceipt"
	// AnswerNotice tells the partner's contact of the answer.
	AnswerNotice Notice = "granularAnswer"
	// EndingNotice goes to the partner's contact 30, 7 and 1 days before the end of what does not extend by itself.
	EndingNotice Notice = "granularEnding"
	// CustomerEndingNotice goes to who has approved, at the same moments, where an address is known.
	CustomerEndingNotice Notice = "customerGranularEnding"
)

// repeats reports whether a notice whose outcome nobody knows goes once more. A reminder goes once at most (domain, 2.2).
func (n Notice) repeats() bool { return n == RequestNotice || n == ReceiptNotice || n == AnswerNotice }

// ToPartner reports whether the notice goes to the contact of the partner. It then has no link: that is the customer's.
func (n Notice) ToPartner() bool { return n == AnswerNotice || n == EndingNotice }

// Address gives where a notice goes, apart from those that go to the partner's contact; empty for nowhere.
func (r Relationship) Address(n Notice) string {
	switch {
	case n == RequestNotice:
		return r.Mail.To
	case (n == CustomerEndingNotice || n == ReceiptNotice) && r.Answer != nil:
		return r.Answer.Email
	default:
		return ""
	}
}

// MailState is where mails stand, with the names of an invitation's.
type MailState string

// The states of the sender (reliability, "The mail sender"), and those that only the feedback of SES can tell.
const (
	MailNone    MailState = ""
	MailQueued  MailState = "queued"  // the word on which the stream wakes the mailer
	MailClaimed MailState = "claimed" // a mailer has it until its lease is over
	MailWaiting MailState = "waiting" // certainly not sent; to be tried again
	MailUnknown MailState = "unknown" // SES may have taken it; an outcome, never stored
	MailSent    MailState = "sent"
	MailFailed  MailState = "failed"

	MailDelayed    MailState = "delayed"
	MailDelivered  MailState = "delivered"
	MailRejected   MailState = "rejected"
	MailSuppressed MailState = "suppressed"
	MailBounced    MailState = "bounced"
	MailComplained MailState = "complained"
)

// How the sender tries: as for invitations.
const (
	MaxAttempts  = 8
	Lease        = 2 * time.Minute
	StreamGrace  = 5 * time.Minute
	UnknownGrace = 15 * time.Minute
	firstBackoff = 30 * time.Second
	maxBackoff   = time.Hour
)

// Mail is what became of the newest request that we mailed, or were asked to.
type Mail struct {
	To     string
	Locale string // BCP 47; of every mail about the relationship, and of its pages where the partner said it
	// LocaleAsked is the tag that the partner said, as typed; empty for none (0.39).
	LocaleAsked string
	State       MailState
	// MessageID is that of SES; SentAt is when SES took it.
	MessageID string
	SentAt    time.Time
	Reason    string // why it failed or did not arrive: one of the fixed words of the sender or of the feedback
}

// Delivery gives what the partner sees of the request's way: "notSent", "queued", "sending", or a state of [Mail].
func (r Relationship) Delivery() string {
	switch {
	case slices.Contains(r.Post.Owed, RequestNotice) && r.Post.State == MailQueued:
		return "queued"
	case slices.Contains(r.Post.Owed, RequestNotice):
		return "sending"
	case r.Mail.State == MailNone:
		return "notSent"
	default:
		return string(r.Mail.State)
	}
}

// Post is what a relationship owes of mails. It is empty when nothing is owed.
type Post struct {
	State    MailState // MailNone, MailQueued, MailClaimed or MailWaiting
	Owed     []Notice  // in the order in which they go
	Attempts int
	Owner    string
	At       time.Time // when the state is over
	Reason   string    // why it waits
}

// owe asks for notices, unless they are owed already: what nobody had time for is not made up for. A mailer that has a claim goes on with
// what it has claimed and leaves the rest.
func (r *Relationship) owe(now time.Time, notices ...Notice) {
	r.Post.Owed = slices.Clone(r.Post.Owed)
	for _, n := range notices {
		if !slices.Contains(r.Post.Owed, n) {
			r.Post.Owed = append(r.Post.Owed, n)
		}
	}
	if r.Post.State != MailClaimed && len(r.Post.Owed) > 0 {
		r.Post = Post{State: MailQueued, Owed: r.Post.Owed, At: now.Add(StreamGrace)}
	}
}

// unowe forgets what has lost its point. What a mailer holds is left to it.
func (r *Relationship) unowe(notices ...Notice) {
	if r.Post.State == MailClaimed {
		return
	}
	r.Post.Owed = slices.DeleteFunc(slices.Clone(r.Post.Owed), func(n Notice) bool { return slices.Contains(notices, n) })
	if len(r.Post.Owed) == 0 {
		r.Post = Post{}
	}
}

// pointless are the notices that say nothing true any more at a moment.
func (r Relationship) pointless(now time.Time) []Notice {
	switch at := r.At(now); {
	case at.Status == Pending:
		return []Notice{ReceiptNotice, EndingNotice, CustomerEndingNotice}
	case at.Status == Active && !at.AutoExtend:
		return []Notice{RequestNotice}
	case at.Status == Active:
		return []Notice{RequestNotice, EndingNotice, CustomerEndingNotice}
	default:
		return []Notice{RequestNotice, ReceiptNotice, EndingNotice, CustomerEndingNotice}
	}
}

// ClaimPost gives the relationship as a mailer holds it: all that is owed is claimed together. It gives false when there is nothing to
// send; when the attempts are used up all has failed, and that is given with send false.
func (r Relationship) ClaimPost(now time.Time, owner string) (claimed Relationship, changed, send bool) {
	if r.Post.State != MailQueued && (r.Post.State != MailClaimed || now.Before(r.Post.At)) {
		return r, false, false
	}
	n := r
	n.Version++
	n.lapse(now)
	n.unowe(n.pointless(now)...)
	switch {
	case len(n.Post.Owed) == 0:
		n.Post = Post{}
		return n, true, false
	case n.Post.Attempts >= MaxAttempts:
		for _, notice := range n.Post.Owed {
			n.undone(now, notice, "attempts_used_up")
		}
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

// lapse queues again what waited, and what was claimed and never settled but for reminders.
func (r *Relationship) lapse(now time.Time) {
	unsettled := r.Post.State == MailClaimed
	r.Post.State, r.Post.Owner = MailQueued, ""
	if !unsettled {
		return
	}
	for _, n := range r.Post.Owed {
		if !n.repeats() {
			r.unowe(n)
			r.undone(now, n, "outcome_unknown")
		}
	}
}

// MailOutcome is what became of one attempt at one notice.
type MailOutcome struct {
	State     MailState // MailSent, MailWaiting, MailUnknown or MailFailed
	MessageID string
	Reason    string
	Later     time.Duration // when not zero: for how long it waits for no fault of its own
}

// SettlePost gives the relationship after each of some claimed notices was tried, and false when the claim is no longer owner's. What
// waits is tried again, what was not tried too, and a request of which nobody knows after [UnknownGrace]: its link is the same.
func (r Relationship) SettlePost(now time.Time, owner string, outcomes map[Notice]MailOutcome) (Relationship, bool) {
	if r.Post.State != MailClaimed || r.Post.Owner != owner {
		return r, false
	}
	n := r
	n.Version++
	var left []Notice
	var wait time.Duration
	var reason string
	blameless := true
	for _, notice := range r.Post.Owed {
		o, tried := outcomes[notice]
		again := time.Duration(0)
		switch {
		case tried && o.State == MailSent:
			n.went(now, notice, o.MessageID)
			continue
		case tried && (o.State == MailFailed || o.State == MailUnknown && !notice.repeats()):
			n.undone(now, notice, o.Reason)
			continue
		case tried && o.State == MailUnknown:
			again, blameless = UnknownGrace, false
		case tried && o.Later > 0:
			again = o.Later
		case tried:
			again, blameless = min(firstBackoff<<(max(r.Post.Attempts, 1)-1), maxBackoff), false
		}
		left = append(left, notice)
		if again > 0 && (wait == 0 || again < wait) {
			wait, reason = again, o.Reason
		}
	}
	switch {
	case len(left) == 0:
		n.Post = Post{}
	case wait == 0: // they came to be owed since the claim
		n.Post = Post{State: MailQueued, Owed: left, At: now.Add(StreamGrace)}
	default:
		n.Post = Post{State: MailWaiting, Owed: left, Attempts: r.Post.Attempts, At: now.Add(wait), Reason: reason}
		if blameless {
			n.Post.Attempts--
		}
	}
	return n, true
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

// went notes that SES has a notice.
func (r *Relationship) went(now time.Time, n Notice, messageID string) {
	switch n {
	case RequestNotice:
		r.Mail.State, r.Mail.MessageID, r.Mail.SentAt, r.Mail.Reason = MailSent, messageID, now, ""
		r.note(Entry{At: now, Action: mailed, Actor: BySchedule, By: mailer})
	case EndingNotice:
		r.note(Entry{At: now, Action: reminded, Actor: BySchedule, By: mailer, Why: thresholdNames[max(0, min(r.Reminded, len(thresholds))-1)]})
	case ReceiptNotice, AnswerNotice, CustomerEndingNotice: // the answer, and one of the pair, are noted
	}
}

// undone notes that a notice is given up.
func (r *Relationship) undone(now time.Time, n Notice, reason string) {
	e := Entry{At: now, Action: noticeFailed, Actor: BySchedule, By: mailer, Why: string(n) + " " + reason}
	if n == RequestNotice {
		r.Mail.State, r.Mail.Reason = MailFailed, reason
		e.Action, e.Why = mailFailed, reason
	}
	r.note(e)
}

// order is how far a report of SES takes a mail; what is further is never undone, whichever report came first.
var order = []MailState{MailSent, MailDelayed, MailDelivered, MailRejected, MailSuppressed, MailBounced, MailComplained}

// Feedback gives the relationship after SES has said what became of the mail of a generation's request, and false when that says nothing
// new of the newest one.
func (r Relationship) Feedback(now time.Time, generation int, state MailState, reason, messageID string) (Relationship, bool) {
	current := messageID != "" && messageID == r.Mail.MessageID || r.Mail.MessageID == "" && generation == r.Generation && r.Mail.To != ""
	to, from := slices.Index(order, state), slices.Index(order, r.Mail.State)
	if !current || to < 0 || to <= from {
		return r, false
	}
	n := r
	n.Version++
	if from < 0 {
		n.Mail.MessageID, n.Mail.SentAt = messageID, now
		n.note(Entry{At: now, Action: mailed, Actor: BySchedule, By: "feedback"})
	}
	n.Mail.State, n.Mail.Reason = state, reason
	if state != MailSent {
		n.note(Entry{At: now, Action: string(state), Actor: BySchedule, By: "feedback", Why: reason})
	}
	return n, true
}

// ReportedBy gives the relationship after somebody who has the link of a generation has reported the mail. It changes no status.
func (r Relationship) ReportedBy(generation int, e Entry) Relationship {
	r.Version++
	r.Reported = generation
	r.unowe(RequestNotice)
	e.Action, e.Actor = reported, ByCustomer
	r.note(e)
	return r
}

// MailAllowed gives the relationship after its recipient has let the partner's mails through again. It changes no status; the mail can be
// reported again.
func (r Relationship) MailAllowed(e Entry) Relationship {
	r.Version++
	r.Reported = 0
	e.Action, e.Actor = mailAllowed, ByCustomer
	r.note(e)
	return r
}
