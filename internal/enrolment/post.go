package enrolment

import (
	"maps"
	"slices"
	"time"
)

// Notice is a kind of mail about an enrolment. All of them go to the primary contact.
type Notice string

// The notices: one that asks the contact to confirm its address, and one for each state that is reached afterwards (rule E13).
const (
	VerificationNotice   Notice = "verification"
	VettingNotice        Notice = "vetting"
	ActionRequiredNotice Notice = "actionRequired"
	AuthorizedNotice     Notice = "authorized"
	ActiveNotice         Notice = "active"
	RejectedNotice       Notice = "rejected"
	WithdrawnNotice      Notice = "withdrawn"
)

var notices = map[Status]Notice{
	InVetting: VettingNotice, ActionRequired: ActionRequiredNotice, Authorized: AuthorizedNotice, Active: ActiveNotice,
	Rejected: RejectedNotice, Withdrawn: WithdrawnNotice,
}

// PostState is where the mails of an enrolment stand with us. The words are those of the sender of invitations (reliability).
type PostState string

// The states. Only what a person does, or the job for what waited, writes PostQueued: the stream wakes the mailer on that word.
const (
	PostNone    PostState = ""
	PostQueued  PostState = "queued"
	PostClaimed PostState = "claimed"
	PostWaiting PostState = "waiting"
)

// How mails are tried; the same as for invitations.
const (
	maxAttempts = 8
	lease       = 2 * time.Minute
	streamGrace = 5 * time.Minute
)

// Post is what an enrolment owes of mails. It is empty when nothing is owed.
type Post struct {
	State PostState
	Owed  []Notice // in the order in which they go
	// Steps is what was true when a notice came to be owed, where its words depend on that: the enrolment may be on before it goes.
	Steps    map[Notice]Step
	Attempts int
	Owner    string
	At       time.Time // when the state is over
	Reason   string    // why it waits
}

// Step is what a mail about a step says of it.
type Step struct {
	Reason string // of the operator
	// Located says that the company had a PartnerID.
	Located bool
}

// steps are the notices whose words depend on more than their kind.
var steps = []Notice{ActionRequiredNotice, AuthorizedNotice, RejectedNotice}

// AtStep gives the enrolment as the mail of a notice that is owed speaks of it.
func (e Enrolment) AtStep(n Notice) Enrolment {
	step, ok := e.Post.Steps[n]
	if !ok {
		return e
	}
	if e.Reason = step.Reason; !step.Located {
		e.Location = nil
	}
	return e
}

// Sent is what became of one notice that was tried.
type Sent struct {
	// Done says that it went, or never will; otherwise it is tried again.
	Done bool
	// Failed says that it never will, for this reason.
	Failed bool
	Reason string
	// Later, when not zero, is how long to wait for something that is no fault of the mail.
	Later time.Duration
}

// owe asks for a mail. A mailer that has a claim goes on with what it has claimed and leaves the rest.
func (e *Enrolment) owe(now time.Time, n Notice) {
	e.Post.Owed = append(slices.DeleteFunc(slices.Clone(e.Post.Owed), func(o Notice) bool { return o == n }), n)
	if slices.Contains(steps, n) {
		e.Post.Steps = maps.Clone(e.Post.Steps)
		if e.Post.Steps == nil {
			e.Post.Steps = map[Notice]Step{}
		}
		e.Post.Steps[n] = Step{e.Reason, e.Location != nil}
	}
	if e.Post.State != PostClaimed {
		e.Post = Post{State: PostQueued, Owed: e.Post.Owed, Steps: e.Post.Steps, At: now.Add(streamGrace)}
	}
}

// of gives the steps of some notices, nil for none.
func (p Post) of(owed []Notice) map[Notice]Step {
	var left map[Notice]Step
	for n, s := range p.Steps {
		if slices.Contains(owed, n) {
			if left == nil {
				left = map[Notice]Step{}
			}
			left[n] = s
		}
	}
	return left
}

// pointless are the notices that have lost their point: the link of one that is not waited for any more, and what would reach an address that
// was changed and nobody has confirmed (rule E13).
func (e Enrolment) pointless(n Notice) bool {
	if n == VerificationNotice {
		return e.Status != EmailVerification || e.Verification.Lapsed
	}
	for _, known := range notices { // what a later version may owe waits for that
		if n == known {
			return e.Verification.VerifiedAt.IsZero()
		}
	}
	return false
}

// ClaimPost has an owner take all the mails that are owed, for the length of a lease. Changed reports that the enrolment given is to be
// written, and send that there is something to send then.
func (e Enrolment) ClaimPost(now time.Time, owner string) (claimed Enrolment, changed, send bool) {
	free := e.Post.State == PostQueued || e.Post.State == PostClaimed && !now.Before(e.Post.At)
	if !free {
		return e, false, false
	}
	n := e.next()
	n.Post.Owed = slices.DeleteFunc(n.Post.Owed, n.pointless)
	n.Post.Steps = n.Post.of(n.Post.Owed)
	switch {
	case len(n.Post.Owed) == 0:
		n.Post = Post{}
		return n, true, false
	case n.Post.Attempts >= maxAttempts:
		n.undone(now, "attempts_used_up", n.Post.Owed...)
		n.Post = Post{}
		return n, true, false
	}
	n.Post.State, n.Post.Owner, n.Post.Reason, n.Post.At = PostClaimed, owner, "", now.Add(lease)
	n.Post.Attempts++
	return n, true, true
}

// SettlePost gives the enrolment after some claimed notices were tried, and false when the claim is no longer owner's. What was not tried
// waits with what is tried again. A second mail of a kind carries the same link and the same words, so that an unknown outcome is a retry.
func (e Enrolment) SettlePost(now time.Time, owner string, outcomes map[Notice]Sent) (Enrolment, bool) {
	if e.Post.State != PostClaimed || e.Post.Owner != owner {
		return e, false
	}
	n := e.next()
	var left []Notice
	var wait time.Duration
	var reason string
	blameless := true
	for _, notice := range e.Post.Owed {
		o, tried := outcomes[notice]
		if tried && o.Done {
			n.went(now, notice, o)
			continue
		}
		left = append(left, notice)
		if !tried {
			continue
		}
		again := o.Later
		if again == 0 {
			again, blameless = backoff(e.Post.Attempts), false
		}
		if wait == 0 || again < wait {
			wait, reason = again, o.Reason
		}
	}
	switch {
	case len(left) == 0:
		n.Post = Post{}
	case wait == 0: // they came to be owed since the claim
		n.Post = Post{State: PostQueued, Owed: left, Steps: e.Post.of(left), At: now.Add(streamGrace)}
	default:
		attempts := e.Post.Attempts
		if blameless {
			attempts--
		}
		n.Post = Post{State: PostWaiting, Owed: left, Steps: e.Post.of(left), Attempts: attempts, At: now.Add(wait), Reason: reason}
	}
	return n, true
}

// went notes that SES has a mail, or that it is given up.
func (e *Enrolment) went(now time.Time, n Notice, o Sent) {
	if o.Failed {
		e.undone(now, o.Reason, n)
	}
	switch {
	case n != VerificationNotice:
	case o.Failed:
		e.Verification.Delivery, e.Verification.DeliveryReason = "failed", o.Reason
	case e.Verification.Delivery == "":
		e.Verification.Delivery = "sent"
	}
}

// undone notes that mails are given up.
func (e *Enrolment) undone(now time.Time, reason string, given ...Notice) {
	for _, n := range given {
		e.note(HistoryEntry{At: now, Action: MailFailed, By: "mailer", Why: string(n) + " " + reason})
	}
}

// MailFailed is the line of the history for a mail that was given up.
const MailFailed Action = "mail failed"

// backoff is a minute at first and doubles up to an hour.
func backoff(attempt int) time.Duration {
	return min(time.Minute<<max(0, min(attempt-1, 10)), time.Hour)
}
