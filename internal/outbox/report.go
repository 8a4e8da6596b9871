package outbox

import "slices"

// Report is what SES says became of one mail. Reports come late, twice and in any order.
type Report struct {
	// State is Sent for nothing but that SES took it, or one of the states that only SES can tell.
	State      State
	Reason     string // a fixed word that partners see; empty for mail that was taken or delivered
	MessageID  string // of SES
	Generation int    // of the link in the mail
	Kind       Kind   // of the mail; empty for the one that invites
	// To is where the mail went, as SES writes it; empty where only we may know it.
	To string
	// Undeliverable says that no further mail is to go to this address: it bounced for good, or its owner complained.
	Undeliverable bool
}

// TransientBounce is the reason of a bounce for which the recipient's mail server gave no lasting cause. SES reports
// automatic answers ("I am out of the office") so as well.
const TransientBounce = "bounce_transient"

// order is how far a report takes a mail; what is further is never undone, whichever report came first.
//
// A delivery is what SES's own attempts end with. A bounce stands behind it, because a mail server may take a mail
// first and give it back later, and no delivery ever follows a bounce; but a [TransientBounce] beside a delivery is an
// automatic answer of somebody who has the mail. A complaint stands last: it can only be about a mail that arrived.
var order = []State{Sent, Delayed, transient, Delivered, Rejected, Suppressed, Bounced, Complained}

// transient is the place of a TransientBounce in the order; it is no state.
const transient State = "transient"

// place gives the place in the order, and -1 for a state of the sender.
func place(s State, reason string) int {
	if s == Bounced && reason == TransientBounce {
		s = transient
	}
	return slices.Index(order, s)
}

// Taken reports whether SES is known to have taken the mail of a state.
func (s State) Taken() bool { return place(s, "") >= 0 }

// Speaks reports whether a report says anything of a mail: its state is one that only SES can tell.
func (r Report) Speaks() bool { return place(r.State, r.Reason) >= 0 }

// Takes reports whether a report takes a mail further than a state that has a reason.
func (r Report) Takes(s State, reason string) bool {
	return place(r.State, r.Reason) > place(s, reason)
}

// Verdict is what a report came to.
type Verdict string

// What a report can come to.
const (
	Recorded Verdict = "recorded"
	Known    Verdict = "known"   // it says nothing new
	Stale    Verdict = "stale"   // it is about a mail before the newest
	OfNotice Verdict = "notice"  // it is about a mail of a kind whose way nobody follows
	OfNobody Verdict = "unknown" // there is nothing with such an id
)
