// Package outbox is the way of a mail from the write that owes it to what became of it (reliability, "The mail
// sender").
//
// An aggregate (an invitation, a granular relationship, an enrolment) has a [Box] of what it owes, and a [Table] that
// says of each kind of mail what there is to know. What is owed is claimed together under a lease: the attempt is
// counted before the send and settled after it. What certainly did not go is tried again with a growing pause; what
// may have gone waits for SES to say so, and then goes once more, but for a kind that goes once at most. After
// [MaxAttempts] a mail is given up, visibly.
//
// Webhooks go the same way: an endpoint owes its deliveries as others owe a mail, and each delivery is tried by a table
// with pauses of its own.
//
// Everything here is a function of values: who reads, writes and sends is elsewhere.
package outbox

import (
	"cmp"
	"slices"
	"time"
)

// State is where a mail stands.
type State string

// The states of the sender. Only a person's action, or the job for what waited, writes Queued: the stream wakes the
// mailer on that word alone (architecture, decision 11).
const (
	None    State = ""
	Queued  State = "queued"
	Claimed State = "claimed" // a mailer has it until its lease is over
	Waiting State = "waiting" // certainly not sent; to be tried again
	Unknown State = "unknown" // SES may have taken it; nobody can tell yet
	Sent    State = "sent"
	Failed  State = "failed" // not sent and not to be tried again
)

// What SES says of a mail that it took; see [Report].
const (
	Delayed    State = "delayed"    // SES still tries
	Delivered  State = "delivered"  // the recipient's mail server has it
	Bounced    State = "bounced"    // the recipient's mail server gave it back, at once or later
	Rejected   State = "rejected"   // SES found something in it that it does not send
	Suppressed State = "suppressed" // SES sends nothing to this address
	Complained State = "complained" // the recipient called it unwanted
)

// Owed reports whether the mailer still has something to do.
func (s State) Owed() bool { return s == Queued || s == Claimed || s == Waiting || s == Unknown }

// How the sender tries (reliability, promise 3).
const (
	MaxAttempts  = 8
	Lease        = 2 * time.Minute  // longer than one send with its time-outs
	StreamGrace  = 5 * time.Minute  // after which queued mail that nobody claimed is queued again
	UnknownGrace = 15 * time.Minute // in which SES can still say that it took a mail
	firstPause   = 30 * time.Second // doubled by each attempt
	longestPause = time.Hour
)

// Reasons of mails that are given up by this package.
const (
	AttemptsUsedUp = "attempts_used_up"
	OutcomeUnknown = "outcome_unknown" // of a kind that goes once at most
)

// Pause is how long a mail waits after an attempt that certainly did not send it.
func Pause(attempt int) time.Duration { return min(firstPause<<(max(attempt, 1)-1), longestPause) }

// Kind is a kind of mail. It is the word of the tag by which SES's events name it, and of what is stored.
type Kind string

// Box is what an aggregate owes of mails. It is empty when nothing is owed.
type Box struct {
	State State // None, Queued, Claimed, Waiting or Unknown
	// Owed are the kinds in the order in which they go. One that was asked for anew while a mailer held it is there twice.
	Owed []Kind
	// Attempts counts claims since something was asked for last; it is raised before the send.
	Attempts int
	Owner    string    // who holds the claim
	At       time.Time // when the state is over: the end of a lease, the time of the next attempt
	Reason   string    // why it waits
}

// Owes reports whether a kind is owed.
func (b Box) Owes(k Kind) bool { return slices.Contains(b.Owed, k) }

// Enqueue asks for mails; of each kind one goes, the newest. A mailer that has a claim goes on with what it has
// claimed and leaves the rest: what it may have sent already says what was true before, so the same kind goes once
// more.
func (b *Box) Enqueue(now time.Time, kinds ...Kind) {
	owed := slices.Clone(b.Owed)
	for _, k := range kinds {
		of := func(o Kind) bool { return o == k }
		if first := slices.IndexFunc(owed, of); first >= 0 && b.State == Claimed {
			owed = append(owed[:first+1], slices.DeleteFunc(owed[first+1:], of)...)
		} else {
			owed = slices.DeleteFunc(owed, of)
		}
		owed = append(owed, k)
	}
	if b.Owed = owed; b.State != Claimed && len(owed) > 0 {
		*b = Box{State: Queued, Owed: owed, At: now.Add(StreamGrace)}
	}
}

// Abandon forgets mails that have lost their point. What a mailer holds is left to it.
func (b *Box) Abandon(kinds ...Kind) {
	if b.State != Claimed {
		b.drop(func(k Kind) bool { return slices.Contains(kinds, k) })
	}
}

// Took takes a mail out of which SES has said that it took it, by the link of now: an attempt whose outcome nobody
// knew was none too few. What a mailer holds is left to it.
func (b *Box) Took(k Kind) {
	if b.Attempts > 0 {
		b.Abandon(k)
	}
}

func (b *Box) drop(pointless func(Kind) bool) {
	b.Owed = slices.DeleteFunc(slices.Clone(b.Owed), pointless)
	if len(b.Owed) == 0 {
		*b = Box{}
	}
}

// Mail is what there is to know of one kind of mail of aggregates of type T. What is nil is not so, or not done.
type Mail[T any] struct {
	Kind Kind
	// Once says that it goes once at most: where its outcome is not known it is given up (domain, 2.2, "remind").
	Once bool
	// ToPartner says that it goes to the contact of the partner. It then has no link: that is the customer's.
	ToPartner bool
	// To gives where it goes, empty for nowhere; nil where that is the partner's contact.
	To func(t T) string
	// Pointless says that at a moment it would say nothing true or wanted any more.
	Pointless func(t T, now time.Time) bool
	// Sent and GivenUp note what became of it.
	Sent    func(t *T, now time.Time, messageID string)
	GivenUp func(t *T, now time.Time, reason string)
}

// Table is the kinds of mail that aggregates of type T owe in one box.
type Table[T any] struct {
	Kinds []Mail[T]
	// Load and Save are where the box is; Next gives a copy of the aggregate to change, one version on.
	Load func(t T) Box
	Save func(t *T, b Box)
	Next func(t T) T
	// Goes reports whether anything goes at a moment, where that is not always so. Otherwise nothing is claimed, and
	// nothing forgotten.
	Goes func(t T, now time.Time) bool
	// GivenUp notes that a mail is given up whose kind has no GivenUp of its own.
	GivenUp func(t *T, now time.Time, k Kind, reason string)
	// Attempts is how often it is tried, [MaxAttempts] where it is 0; Pause says how long it waits after each attempt,
	// [Pause] where it is nil.
	Attempts int
	Pause    func(attempt int) time.Duration
}

func (m Table[T]) attempts() int { return cmp.Or(m.Attempts, MaxAttempts) }

func (m Table[T]) pause(attempt int) time.Duration {
	if m.Pause != nil {
		return m.Pause(attempt)
	}
	return Pause(attempt)
}

// Of gives what there is to know of a kind, and false for none of the table's: a later version of us may owe it, in
// the middle of a deployment.
func (m Table[T]) Of(k Kind) (Mail[T], bool) {
	n := slices.IndexFunc(m.Kinds, func(each Mail[T]) bool { return each.Kind == k })
	if n < 0 {
		return Mail[T]{Kind: k}, false
	}
	return m.Kinds[n], true
}

// Address gives where a mail goes, apart from those to the partner's contact; empty for nowhere.
func (m Table[T]) Address(t T, k Kind) string {
	if of, _ := m.Of(k); of.To != nil {
		return of.To(t)
	}
	return ""
}

// ToPartner reports whether a kind goes to the partner's contact.
func (m Table[T]) ToPartner(k Kind) bool {
	of, _ := m.Of(k)
	return of.ToPartner
}

func (m Table[T]) giveUp(t *T, now time.Time, k Kind, reason string) {
	if of, _ := m.Of(k); of.GivenUp != nil {
		of.GivenUp(t, now, reason)
	} else if m.GivenUp != nil {
		m.GivenUp(t, now, k, reason)
	}
}

// Claim is what came of asking for what is owed.
type Claim struct {
	Changed bool   // the aggregate is to be written
	Send    bool   // and then there is something to send
	GivenUp []Loss // what was given up instead
}

// Loss is a mail that was given up without an attempt.
type Loss struct {
	Kind   Kind
	Reason string // [AttemptsUsedUp] or [OutcomeUnknown]
}

// Claim gives the aggregate as a mailer holds it: all that is owed is claimed together, for the length of a lease, and
// the attempt is counted. What has lost its point is forgotten, and when the attempts are used up all is given up.
func (m Table[T]) Claim(t T, now time.Time, owner string) (T, Claim) {
	b := m.Load(t)
	if b.State != Queued && (b.State != Claimed || now.Before(b.At)) || m.Goes != nil && !m.Goes(t, now) {
		return t, Claim{}
	}
	n, c := m.Next(t), Claim{Changed: true}
	c.GivenUp = m.lapse(&n, now)
	b = m.Load(n)
	seen := map[Kind]bool{}
	b.drop(func(k Kind) bool {
		of, _ := m.Of(k)
		again := seen[k]
		seen[k] = true
		return again || of.Pointless != nil && of.Pointless(n, now)
	})
	switch {
	case len(b.Owed) == 0:
		m.Save(&n, Box{})
	case b.Attempts >= m.attempts():
		m.Save(&n, Box{})
		for _, k := range b.Owed {
			m.giveUp(&n, now, k, AttemptsUsedUp)
			c.GivenUp = append(c.GivenUp, Loss{k, AttemptsUsedUp})
		}
	default:
		c.Send = true
		b.State, b.Owner, b.Reason = Claimed, owner, ""
		b.Attempts++
		// A time that is far enough away is left as it is: to move it would cost two writes of the due index.
		if lease := now.Add(Lease); b.At.Before(lease) {
			b.At = lease
		}
		m.Save(&n, b)
	}
	return n, c
}

// lapse queues again what waited, and what was claimed and never settled: that may have gone, so a kind that goes once
// is given up.
func (m Table[T]) lapse(t *T, now time.Time) (given []Loss) {
	b := m.Load(*t)
	unsettled := b.State == Claimed
	b.State, b.Owner = Queued, ""
	if unsettled {
		b.drop(func(k Kind) bool {
			of, _ := m.Of(k)
			if of.Once {
				given = append(given, Loss{k, OutcomeUnknown})
			}
			return of.Once
		})
	}
	m.Save(t, b)
	for _, l := range given {
		m.giveUp(t, now, l.Kind, l.Reason)
	}
	return given
}

// Resume queues again what waited, or what nobody has sent in its time, and false where nothing is due. It gives what
// was given up for it.
func (m Table[T]) Resume(t *T, now time.Time) (given []Loss, due bool) {
	if b := m.Load(*t); b.State == None || now.Before(b.At) {
		return nil, false
	}
	given = m.lapse(t, now)
	if b := m.Load(*t); b.State != None {
		b.At = now.Add(StreamGrace)
		m.Save(t, b)
	}
	return given, true
}

// Outcome is what became of one attempt at one mail.
type Outcome struct {
	State     State // Sent, Waiting, Unknown or Failed
	MessageID string
	Reason    string
	// Later, when a mail waits, is for how long although it is not at fault: rate or quota of the account are used up.
	// Such an attempt does not count, so that mail over the quota waits and is never given up (reliability, "The mail
	// sender").
	Later time.Duration
}

// GivesUp reports whether an outcome is the end of a mail that did not go.
func (m Table[T]) GivesUp(k Kind, o Outcome) bool {
	of, _ := m.Of(k)
	return o.State == Failed || o.State == Unknown && of.Once
}

// Settle gives the aggregate after each of some claimed mails was tried, and false when the claim is no longer
// owner's. What waits is tried again, what was not tried too, and after [UnknownGrace] what may have gone: it carries
// the same link and the same words, so that a second one does no harm.
func (m Table[T]) Settle(t T, now time.Time, owner string, outcomes map[Kind]Outcome) (T, bool) {
	claimed := m.Load(t)
	if claimed.State != Claimed || claimed.Owner != owner {
		return t, false
	}
	n := m.Next(t)
	var tried, ended []Kind
	left := remainder{blameless: true, unknown: true}
	for _, k := range claimed.Owed {
		o, known := outcomes[k]
		switch {
		case !known || slices.Contains(tried, k): // it came to be owed since the claim, or there was no time for it
			left.owed = append(left.owed, k)
			continue
		case o.State == Sent || m.GivesUp(k, o):
			ended = append(ended, k)
		default:
			left.wait(k, o, m.pause(claimed.Attempts))
		}
		tried = append(tried, k)
	}
	m.Save(&n, left.box(now, claimed.Attempts))
	for _, k := range ended {
		if o := outcomes[k]; o.State != Sent {
			m.giveUp(&n, now, k, o.Reason)
		} else if of, _ := m.Of(k); of.Sent != nil {
			of.Sent(&n, now, o.MessageID)
		}
	}
	return n, true
}

// remainder is what an attempt leaves in a box.
type remainder struct {
	owed      []Kind
	pause     time.Duration // the shortest of those that wait; 0 where none does
	reason    string
	blameless bool // each waits for no fault of its own
	unknown   bool // of each nobody knows whether it went
}

// wait keeps a kind that is tried again.
func (r *remainder) wait(k Kind, o Outcome, again time.Duration) {
	switch {
	case o.State == Unknown:
		again, r.blameless = UnknownGrace, false
	case o.Later > 0:
		again, r.unknown = o.Later, false
	default:
		r.blameless, r.unknown = false, false
	}
	r.owed = append(r.owed, k)
	if r.pause == 0 || again < r.pause {
		r.pause, r.reason = again, o.Reason
	}
}

func (r *remainder) box(now time.Time, attempts int) Box {
	switch {
	case len(r.owed) == 0:
		return Box{}
	case r.pause == 0:
		return Box{State: Queued, Owed: r.owed, At: now.Add(StreamGrace)}
	case r.unknown:
		return Box{State: Unknown, Owed: r.owed, Attempts: attempts, At: now.Add(r.pause), Reason: r.reason}
	case r.blameless:
		attempts--
	}
	return Box{State: Waiting, Owed: r.owed, Attempts: attempts, At: now.Add(r.pause), Reason: r.reason}
}
