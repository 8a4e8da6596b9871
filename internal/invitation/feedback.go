package invitation

import (
	"context"
	"errors"
	"slices"
	"time"

	"concord/internal/contact"
	"concord/internal/problem"
	"concord/internal/publicid"
)

// Report is what SES says became of one mail. Reports come late, twice and in any order.
type Report struct {
	// State is MailSent for nothing but that SES took it, or one of the states that only SES can tell.
	State      MailState
	Reason     string // a fixed word that partners see; empty for mail that was taken or delivered
	MessageID  string // of SES
	Generation int    // of the link in the mail
	// Notice says which notice the report is about; empty for the mail that invites.
	Notice Notice
	// To is where the mail went, as SES writes it. Only for a notice to the inviter, whose contact may be another one by now, and for
	// mails about granular administration.
	To string
	// Undeliverable says that no further mail is to go to this address: it bounced for good, or its owner complained.
	Undeliverable bool
}

// TransientBounce is the reason of a bounce for which the recipient's mail server gave no lasting cause. SES reports automatic
// answers ("I am out of the office") so as well.
const TransientBounce = "bounce_transient"

// order is how far a report takes a mail; what is further is never undone, whichever report came first.
//
// A delivery is what SES's own attempts end with. A bounce stands behind it, because a mail server may take a mail first and give it back
// later, and no delivery ever follows a bounce; but a [TransientBounce] beside a delivery is an automatic answer of somebody who
// has the mail. A complaint stands last: it can only be about a mail that arrived.
var order = []MailState{MailSent, MailDelayed, transient, MailDelivered, MailRejected, MailSuppressed, MailBounced, MailComplained}

// transient is the place of a TransientBounce in the order; it is no state.
const transient MailState = "transient"

// place gives the place in the order, and -1 for a state of the sender.
func place(s MailState, reason string) int {
	if s == MailBounced && reason == TransientBounce {
		s = transient
	}
	return slices.Index(order, s)
}

// Verdict is what a report came to.
type Verdict string

// What a report can come to.
const (
	ReportRecorded Verdict = "recorded"
	ReportKnown    Verdict = "known"   // it says nothing new
	ReportStale    Verdict = "stale"   // it is about a mail before the newest
	ReportNotice   Verdict = "notice"  // it is about another mail than the one that invites, and says nothing of that
	ReportUnknown  Verdict = "unknown" // there is no such invitation
)

// Feedback gives the invitation after a report, when that is [ReportRecorded]. Whatever SES reports proves that it took the mail: one
// of which nobody knew, or that was to be tried again, is sent from then on, and the time to answer begins (domain, 0.9). A
// report changes no status of an invitation, and nothing of a mail other than the newest. Of the notices only a reminder counts, which
// goes to the same address: that it came back, or was called unwanted, is said of the invitation as well.
func (i Invitation) Feedback(now time.Time, r Report) (Invitation, Verdict) {
	if r.Notice != "" {
		return i.feedbackOnNotice(now, r)
	}
	to := place(r.State, r.Reason)
	// A mail is known by its id. As long as that was not learnt, its link tells: with an attempt made, nothing else can have it.
	current := r.MessageID != "" && r.MessageID == i.Mail.MessageID
	if i.Mail.MessageID == "" {
		current = r.Generation == i.Generation && i.Mail.Attempts > 0
	}
	if to < 0 || !current {
		return i, ReportStale
	}
	n := i.next()
	if place(n.Mail.State, n.Mail.Reason) < 0 {
		n.taken(now, r.MessageID, "feedback")
	}
	if to > place(n.Mail.State, n.Mail.Reason) {
		n.Mail.State, n.Mail.Reason = r.State, r.Reason
		n.note(Entry{At: now, Action: string(r.State), By: "feedback", Why: r.Reason})
	}
	if n.Mail == i.Mail {
		return i, ReportKnown
	}
	return n, ReportRecorded
}

// feedbackOnNotice is [Invitation.Feedback] for a notice.
func (i Invitation) feedbackOnNotice(now time.Time, r Report) (Invitation, Verdict) {
	if r.Notice != ReminderNotice {
		return i, ReportNotice
	}
	before := place(i.Mail.State, i.Mail.Reason)
	switch r.State {
	case MailBounced, MailSuppressed, MailComplained:
	default:
		return i, ReportNotice
	}
	if before < 0 || r.Generation != i.Generation {
		return i, ReportNotice
	}
	if place(r.State, r.Reason) <= before {
		return i, ReportKnown
	}
	n := i.next()
	n.Mail.State, n.Mail.Reason = r.State, r.Reason
	n.note(Entry{At: now, Action: string(r.State), By: "feedback", Why: r.Reason})
	return n, ReportRecorded
}

// wentTo gives the address that a report speaks of; empty when nobody knows it any more.
func (i Invitation) wentTo(r Report) string {
	switch {
	case r.Notice == "":
		return i.RecipientEmail
	case r.Notice.ToInviter():
		return r.To
	default:
		return i.Address(r.Notice)
	}
}

// Feedback records what SES reports.
type Feedback struct {
	Store      FeedbackStore
	Granular   GranularFeedbackStore
	Ledger     Suppressions
	Reputation Reputation // nil where nobody counts
	Now        func() time.Time
}

// FeedbackStore is what [Feedback] needs of a [Store], whose contract it is.
type FeedbackStore interface {
	Write(ctx context.Context, c Change) error
	Invitation(ctx context.Context, k Key, strong bool) (Invitation, error)
}

// Suppressions is what [Feedback] needs of a [Ledger], whose contract it is.
type Suppressions interface {
	Mailings(ctx context.Context, recipient string, strong bool) (Mailings, error)
	Record(ctx context.Context, m Mailings) error
}

// Record records a report about a mail of an invitation, or of granular administration by its id. With an error nothing is lost: the same call is to be made again, and what it
// had done it does not do twice.
func (f Feedback) Record(ctx context.Context, k Key, r Report) (Invitation, Verdict, error) {
	now := f.Now().UTC().Truncate(time.Second)
	if publicid.Is(publicid.Granular, k.ID) {
		return f.recordGranular(ctx, k, r, now)
	}
	for range maxRounds {
		before, err := f.Store.Invitation(ctx, k, true)
		if problem.Is(err, problem.NotFound) {
			return Invitation{}, ReportUnknown, nil
		}
		if err != nil {
			return Invitation{}, "", err
		}
		after, verdict := before.Feedback(now, r)
		if verdict == ReportRecorded {
			err = f.Store.Write(ctx, Change{Before: &before, After: after})
		}
		if errors.Is(err, ErrConflict) {
			continue
		}
		// A crash here leaves the report with its queue: it comes again, is known, and the address is suppressed then. An older mail tells
		// as much about the address as the newest.
		if err == nil && r.Undeliverable {
			err = f.Suppress(ctx, before.wentTo(r), r)
		}
		// Whatever the verdict: an older mail was mailed too, and what is known may not have been counted.
		if err == nil {
			err = f.count(ctx, before, r)
		}
		return after, verdict, err
	}
	return Invitation{}, "", ErrConflict
}

// count holds what was said of a mail to a recipient against its partner.
func (f Feedback) count(ctx context.Context, i Invitation, r Report) error {
	switch {
	case f.Reputation == nil || r.Notice.ToInviter() || !i.reputable(i.wentTo(r)):
		return nil
	case r.State == MailComplained:
		return f.Reputation.Complained(ctx, i.Inviter, voice(i.wentTo(r), i.ID))
	case r.State == MailBounced && r.Undeliverable:
		return f.Reputation.Bounced(ctx, i.Inviter, i.ID)
	}
	return nil
}

// Suppression says since when and why a recipient gets no mail of anybody.
type Suppression struct {
	At     time.Time
	Reason string
}

// Suppress keeps all mail of anybody from where a mail went that was reported to be undeliverable: from the whole mailbox when its owner
// complained, and otherwise from the exact address alone (domain, 0.37).
func (f Feedback) Suppress(ctx context.Context, address string, r Report) error {
	// Neither SES nor we remember what the simulator answers: a rehearsal can be repeated.
	if address == "" || contact.Simulated(address) {
		return nil
	}
	s := &Suppression{At: f.Now().UTC().Truncate(time.Second), Reason: r.Reason}
	complained := r.State == MailComplained
	recipient := exactly(address)
	if complained {
		recipient = recipientOf(address)
	}
	for range maxRounds {
		m, err := f.Ledger.Mailings(ctx, recipient, true)
		if err != nil {
			return err
		}
		known := &m.Bounced
		if complained {
			known = &m.Suppressed
		}
		if *known != nil {
			return nil
		}
		m.Version++
		*known = s
		if err := f.Ledger.Record(ctx, m); !errors.Is(err, ErrConflict) {
			return err
		}
	}
	return ErrConflict
}
