// Package invitation is the agreement with the business about invitations: a partner asks, a personal link is mailed,
// and one answer of the customer changes what stands between them.
//
// An invitation goes draft → pending → accepted, declined, cancelled or expired; what has ended never changes again
// (domain, 2.2). Expiry is a matter of the clock: [Invitation.StatusAt] computes it on every read, every write has it as a
// condition, and the scheduled job only makes it visible.
//
// [Service] holds what a partner does and what a customer does. Each of its writes is one conditional write of one
// version over the version before it; a mail that a change owes is part of the same write.
package invitation

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"concord/internal/command"
	"concord/internal/emailaddr"
	"concord/internal/granular"
	"concord/internal/locale"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/problem"
	"concord/internal/relationship"
)

// Status is where an invitation stands.
type Status string

// The states. The last four are final.
const (
	Draft     Status = "draft"
	Pending   Status = "pending"
	Accepted  Status = "accepted"
	Declined  Status = "declined"
	Cancelled Status = "cancelled"
	Expired   Status = "expired"
)

// Open reports whether an answer is still possible.
func (s Status) Open() bool { return s == Draft || s == Pending }

// ended gives why nothing can be done any more with an invitation, and nil for an open one.
func (s Status) ended() error {
	switch s {
	case Accepted:
		return problem.New(problem.InvitationAlreadyAccepted, "The customer has already accepted this invitation.")
	case Declined:
		return problem.New(problem.InvitationAlreadyDeclined, "The customer has already declined this invitation.")
	case Cancelled:
		return problem.New(problem.InvitationAlreadyCancelled, "This invitation was cancelled.")
	case Expired:
		return problem.New(problem.InvitationExpired, "This invitation has expired.")
	default:
		return nil
	}
}

// Limits (domain, 0.9; api).
const (
	DefaultDuration = 30 * 24 * time.Hour
	MinDuration     = 24 * time.Hour
	MaxDuration     = 90 * 24 * time.Hour
	MaxTags         = 10
	MaxTag          = 64  // characters of a tag's name or value
	MaxSource       = 64  // characters
	MaxReason       = 100 // characters of why an invitation was cancelled
	MaxComment      = 500 // characters of a customer's comment on declining
	maxHistory      = 20
)

// Key finds an invitation.
type Key struct {
	Inviter partner.TenantID
	ID      string // "inv_" and 26 letters and digits
}

// Invitation is one request to one recipient.
type Invitation struct {
	Key
	Kind Kind
	// Customer is the tenant that may answer; empty until somebody's acceptance binds it (invariant 8).
	Customer partner.TenantID
	// Bound reports whether the inviter named the customer.
	Bound bool
	// ActingRole is in which of its roles the inviter asks (domain, 0.34); empty, in those made before there were several, for its first.
	ActingRole partner.ProgramRole
	// Provider is the inviter's indirect provider, of a dual invitation; empty for every other.
	Provider partner.TenantID
	// Orderer is the provider that orders for the customer of an indirect reseller's request that names none, as things stood when the request
	// was made or answered (domain, 0.33); empty where nobody knows.
	Orderer        partner.TenantID
	RecipientEmail string // as typed; empty for a link that the partner passes on
	RecipientName  string
	Locale         string // BCP 47; one that mails and pages are written in
	// LocaleAsked is the tag that the inviter said, as typed; empty when it said none (0.39).
	LocaleAsked string
	Cloud       partner.CloudID
	// RequestDelegatedAdmin asks for DAP together with the relationship (rule I14).
	RequestDelegatedAdmin bool
	// GranularID is that of the granular administration which the same answer approves (domain, 0.28); empty for none.
	GranularID string
	Source     string // where the customer came from (rule D11)
	Tags       map[string]string
	BatchID    string // the batch that it came with, empty for none
	// Message is what the partner has our mail say in its name (0.17); empty for nothing.
	Message string
	// Sandbox marks a rehearsal: its mail goes to SES's simulator, and accepting it makes no relationship.
	Sandbox     bool
	Reminders   bool
	RegionTable string // the version that allowed it at creation, empty when the country was unknown

	Status Status
	// Generation is that of the only link that works; resending and cancelling raise it.
	Generation int
	Mail       Mail
	Duration   time.Duration // how long it stays open, counted from the first mail
	// ExpiresAt is zero while a mail waits to be taken by SES (domain, 0.9).
	ExpiresAt time.Time
	CreatedAt time.Time
	CreatedBy string // the subject of the user
	Edited    bool   // the partner has words of its own for the draft
	Replaces  string // the id of the ended invitation that this one renews
	Answer    *Given
	Post      outbox.Box
	// Reminded counts the moments for a reminder that are behind the link of now, and RemindedAt is when the last one went.
	Reminded   int
	RemindedAt time.Time
	// Asked is the newest generation by whose link a new one was asked for, and Reported the one by whose link the mail was
	// reported: either is done once per link.
	Asked, Reported int
	DisputedAt      time.Time // when the recipient said that the answer was not its own
	// Moot, when not nil, says that the company has agreed to all of it in another request of the partner.
	Moot *Moot
	// EraseAt is when the people's data in an ended invitation is erased (domain, 0.23); zero once it was.
	EraseAt time.Time
	EndedAt time.Time // when it was cancelled or noticed to be expired
	Version int       // 1 for a new one, raised by each write
	History []Entry
}

// Entry is one line of the timeline.
type Entry struct {
	At            time.Time
	Action        string
	By            string // the subject of a user or person, or the name of a function
	CorrelationID string
	// Key and Body are fingerprints of the Idempotency-Key and of the request under which a user acted.
	Key, Body string
	Why       string
}

// Given is a customer's answer.
type Given struct {
	Subject  string // who answered, as the identity provider names the person
	Tenant   partner.TenantID
	Company  string // its name as the identity provider has it; empty when that is no name to mail
	FullName string
	JobTitle string
	At       time.Time
	Email    string // of who answered, when it is not the address that was invited
	Consent  ConsentText
	Reason   string
	Comment  string
	NoChange bool // accepted, but everything asked for stood already (invariant 3b)
	Granular bool // the granular administration that was asked for was approved with it
	Unproven bool // the company that accepted does not own the domain that was invited (domain, 0.25)
	// AgreementSigned says that the customer agreement was signed in the same step (0.8), AgreementStood that whoever orders had it before.
	AgreementSigned, AgreementStood bool
}

// Signed reports whether whoever orders for the customer had its customer agreement once the answer was given. Nil is no answer yet.
func (g *Given) Signed() bool { return g != nil && (g.AgreementSigned || g.AgreementStood) }

// ConsentText says which words were agreed to (invariant 14).
type ConsentText struct {
	Version  string
	Language string
	Hash     string // SHA-256 of the words, hexadecimal
}

// StatusAt gives the status at a moment: an open invitation whose time is over is expired, whatever was written.
func (i Invitation) StatusAt(now time.Time) Status {
	if i.Status.Open() && !i.ExpiresAt.IsZero() && !now.Before(i.ExpiresAt) {
		return Expired
	}
	return i.Status
}

// LocaleSaid is the language of the invitation where the inviter chose it, and empty where it said none, or one that nothing is written in:
// pages then follow the reader's browser (0.39).
func (i Invitation) LocaleSaid() string { return locale.Said(i.Locale, i.LocaleAsked) }

// Slot names what only one open invitation may occupy: the kind, the provider, and the named customer or else the recipient
// (invariant 1). It is empty when the invitation names neither, and holds no address in clear.
func (i Invitation) Slot() string {
	var who string
	switch {
	case i.Bound:
		who = string(i.Customer)
	case i.RecipientEmail != "":
		who = emailaddr.Normalise(i.RecipientEmail)
	default:
		return ""
	}
	if i.Sandbox {
		who = "sandbox|" + who // a rehearsal is in nobody's way
	}
	if i.Provider != "" {
		who = string(i.Provider) + "|" + who
	}
	sum := sha256.Sum256([]byte(string(i.Kind) + "|" + who))
	slot := hex.EncodeToString(sum[:16])
	switch _, domain, _ := strings.Cut(i.RecipientEmail, "@"); {
	case i.Sandbox:
		return slot
	case i.Bound:
		return SlotsOf(i.Customer) + slot
	default:
		return SlotsAt(domain) + slot
	}
}

// SlotsOf is what the slots of all requests begin with that name one customer by its tenant: so they are found together. Of no customer it
// is what all of those begin with. A rehearsal is not among them.
func SlotsOf(customer partner.TenantID) string {
	if customer == "" {
		return "C#"
	}
	return "C#" + string(customer) + "#"
}

// Proposed gives the draft in which an indirect reseller asks a customer for delegated administration that its provider has created for it
// (0.18). It names no recipient: the reseller adds one, or passes the link on.
func Proposed(id string, reseller partner.Account, customer partner.TenantID, regionTable string, e Entry) Invitation {
	i := Invitation{
		Key: Key{reseller.Tenant, id}, Kind: Reseller, Customer: customer, Bound: true, Locale: reseller.Locale, Cloud: reseller.Cloud,
		ActingRole: reseller.Role, RequestDelegatedAdmin: true, Reminders: true, RegionTable: regionTable, Status: Draft, Generation: 1, Duration: DefaultDuration,
		ExpiresAt: e.At.Add(DefaultDuration), CreatedAt: e.At, CreatedBy: e.By, Version: 1,
	}
	e.Action = "created"
	i.note(e)
	return i
}

// Withdraw gives an open invitation cancelled: what it asks for is not wanted any more. Its link then leads nowhere.
func (i Invitation) Withdraw(e Entry) Invitation { return i.withdraw(string(Cancelled), e) }

func (i Invitation) withdraw(action string, e Entry) Invitation {
	n := i.next()
	n.Generation++
	n.end(e.At, Cancelled, Unanswered)
	e.Action = action
	n.note(e)
	return n
}

// Reference is what a customer quotes when it asks about its answer.
func (i Invitation) Reference() string {
	_, id, _ := strings.Cut(i.ID, "_")
	return strings.ToUpper(id[:min(5, len(id))] + "-" + id[min(5, len(id)):min(10, len(id))])
}

// Due gives when a machine has to look at the invitation next, and false when it never has to.
func (i Invitation) Due() (time.Time, bool) {
	var due time.Time
	add := func(at time.Time) {
		if !at.IsZero() && (due.IsZero() || at.Before(due)) {
			due = at
		}
	}
	if i.Mail.State.Owed() {
		add(i.Mail.At)
	}
	add(i.Post.At)
	if i.Status == Pending && !i.Mail.State.Owed() {
		add(i.ExpiresAt)
		// The next one waits for the one that is owed.
		if at, _, ok := i.nextReminder(); ok && !slices.Contains(i.Post.Owed, ReminderNotice) {
			add(at)
		}
	}
	if !i.Status.Open() {
		add(i.EraseAt)
	}
	return due, !due.IsZero()
}

// note appends to the timeline. When it is full an entry in the middle goes, for the first says how it began: the oldest that no
// repetition of its command has to find any more, because it has no key, its key's time is over, or the version that the command
// named is gone.
func (i *Invitation) note(e Entry) {
	e.At = e.At.UTC().Truncate(time.Second)
	i.History = append(slices.Clone(i.History), e)
	if len(i.History) <= maxHistory {
		return
	}
	old := slices.IndexFunc(i.History[1:], func(o Entry) bool {
		return o.Key == "" || e.At.Sub(o.At) >= command.Window || o.Action == revised || o.Action == edited
	})
	i.History = slices.Delete(i.History, 1+max(old, 0), 2+max(old, 0))
}

// next gives a copy to change, one version on.
func (i Invitation) next() Invitation {
	i.Version++
	i.Tags = maps.Clone(i.Tags)
	i.Post.Owed = slices.Clone(i.Post.Owed)
	return i
}

// Query asks for a page of one partner's invitations, newest first.
type Query struct {
	// Status is that of the moment Now, or AnyStatus. Empty, it asks for whatever is open or ended less than 30 days ago (domain, 0.9).
	Status Status
	// Others are further states: whatever has one of them is listed too.
	Others         []Status
	Kind           Kind
	RecipientEmail string
	Customer       partner.TenantID
	Also           []partner.TenantID // the other ids of that customer
	DeliveryState  outbox.Delivery
	BatchID        string
	Provider       partner.TenantID
	CreatedBy      string // the subject of who made it
	Reference      string // as [Invitation.Reference] has it; in any case, with or without its hyphen
	Tag            string // the name of a tag, or name=value
	// Text is looked for in the recipient, the source and the tags, in any case.
	Text string
	// Waiting keeps what needs somebody of the partner.
	Waiting       bool
	CreatedAfter  time.Time // inclusive
	CreatedBefore time.Time // exclusive
	Limit         int
	After         string // where the page before ended; empty for the first page
	Now           time.Time
}

// Matches reports whether an invitation is among those asked for.
func (q Query) Matches(i Invitation) bool {
	return q.status(i) &&
		(q.Kind == "" || q.Kind == i.Kind) &&
		(q.RecipientEmail == "" || strings.EqualFold(emailaddr.Normalise(q.RecipientEmail), emailaddr.Normalise(i.RecipientEmail))) &&
		(q.Customer == "" || q.Customer == i.Customer || slices.Contains(q.Also, i.Customer)) &&
		(q.BatchID == "" || q.BatchID == i.BatchID) &&
		(q.Provider == "" || q.Provider == i.Provider) &&
		(q.CreatedBy == "" || q.CreatedBy == i.CreatedBy) &&
		(q.Reference == "" || quoted(q.Reference) == quoted(i.Reference())) &&
		(q.Tag == "" || i.tagged(q.Tag)) && (q.Text == "" || i.says(q.Text)) &&
		(!q.Waiting || i.Need(q.Now) != NoNeed) &&
		(q.DeliveryState == "" || q.DeliveryState == i.Mail.State.Delivery()) &&
		(q.CreatedAfter.IsZero() || !i.CreatedAt.Before(q.CreatedAfter)) &&
		(q.CreatedBefore.IsZero() || i.CreatedAt.Before(q.CreatedBefore))
}

// AnyStatus asks for invitations whatever their status, and however long ago they ended.
const AnyStatus Status = "all"

// listed is how long an invitation that has ended stays in a list that asks for no status.
const listed = 30 * 24 * time.Hour

func (q Query) status(i Invitation) bool {
	switch q.Status {
	case AnyStatus:
		return true
	case "":
		at, ended := i.ended(q.Now)
		return !ended || q.Now.Sub(at) < listed
	default:
		status := i.StatusAt(q.Now)
		return q.Status == status || slices.Contains(q.Others, status)
	}
}

// quoted gives a reference as people copy it.
func quoted(reference string) string {
	return strings.ToUpper(strings.ReplaceAll(strings.TrimSpace(reference), "-", ""))
}

func (i Invitation) tagged(tag string) bool {
	name, value, valued := strings.Cut(tag, "=")
	has, ok := i.Tags[name]
	return ok && (!valued || has == value)
}

func (i Invitation) says(text string) bool {
	text = strings.ToLower(text)
	in := func(s string) bool { return strings.Contains(strings.ToLower(s), text) }
	if in(i.RecipientEmail) || in(i.RecipientName) || in(i.Source) {
		return true
	}
	for name, value := range i.Tags {
		if in(name) || in(value) {
			return true
		}
	}
	return false
}

// ended gives since when nothing can be done any more with the invitation, and false for an open one. One whose time is over has
// ended then, whenever that was noticed.
func (i Invitation) ended(now time.Time) (time.Time, bool) {
	switch status := i.StatusAt(now); {
	case status.Open():
		return time.Time{}, false
	case status == Expired && !i.ExpiresAt.IsZero():
		return i.ExpiresAt, true
	default:
		return i.EndedAt, true
	}
}

// Page is an answer to a [Query]. It may hold fewer than the limit, even none, while Next is set.
type Page struct {
	Invitations []Invitation
	Next        string
}

// Change is one version of an invitation over another.
type Change struct {
	// Before is what was read; nil for a new invitation.
	Before *Invitation
	After  Invitation
	// Displaced is the ended invitation that holds the slot of After, if a [SlotTaken] named one.
	Displaced *Invitation
	// Words, when not nil, replace the edited words of the draft; empty ones remove them.
	Words *Words
	// Granular, when not nil, is a change of granular administration in the same step: it is made with a new invitation, and answered
	// with it.
	Granular *granular.Change
}

// Lapsed gives what Displaced becomes in the same step, and false when it stays as it is: its time was over at the newest
// entry of After, and nobody has written so yet.
func (c Change) Lapsed() (Invitation, bool) {
	if c.Displaced == nil || len(c.After.History) == 0 {
		return Invitation{}, false
	}
	at := c.After.History[len(c.After.History)-1].At
	if !c.Displaced.Status.Open() || c.Displaced.StatusAt(at) != Expired {
		return Invitation{}, false
	}
	n := c.Displaced.next()
	n.expire(at)
	return n, true
}

// Settlement is the answer to an invitation with what it changes between providers and resellers.
type Settlement struct {
	Invitation    Change
	Relationships []relationship.Change
	Partnership   *partnership.Change
	// Stands, when not nil, is a partnership that has to be active at the moment of storing (invariant 4).
	Stands *partnership.Pair
	// Discovery is what the answer tells of companies (domain, 0.29, 0.30).
	Discovery relationship.Discovery
}

// Store keeps invitations. Times are kept to the second.
//
// Write is compare-and-swap: it stores After when what is stored is still the version of Before, and otherwise stores
// nothing and gives [ErrConflict]. For a new invitation whose id is taken it gives [ErrConflict] too. A new invitation, and
// one whose slot changes, takes its slot in the same atomic step, or the whole fails with a [SlotTaken]. A slot whose
// holder is Displaced, and has been since it was read, passes to After; a Displaced that has lapsed ([Change.Lapsed])
// becomes expired in the same step. The words of a draft change in the same step as its version. ErrConflict speaks of After's own item only.
// A [Change.Granular] is stored in the same step too, under the conditions of a [granular.Store]: a name that another has is a
// [granular.SlotTaken], and one that was changed by somebody else an ErrConflict.
//
// Commit stores versions of invitations and of relationships together: all of them, each over the version that it was derived from,
// or with [ErrConflict] none. An invitation of it takes no slot and leaves its words alone.
//
// Settle stores a settlement: all of it, each over the version that it was derived from and while what has to stand is active, or with
// [ErrConflict] none. The invitation takes no slot and leaves its words alone.
//
// Invitation gives an error with code [problem.NotFound] for a key without an item, and so does Words for a draft that was not
// edited; Words reads strongly. With strong set the answer includes every
// write that was acknowledged before the call. Invitations lists newest first; a write may take a second to appear.
type Store interface {
	// Write stores a change over its version, with its slot, or [ErrConflict], or a [SlotTaken] when another holds the
	// slot.
	Write(ctx context.Context, c Change) error
	// Commit stores changes, each over its version, or [ErrConflict] and none.
	Commit(ctx context.Context, invitations []Change, relationships []relationship.Change) error
	// Settle stores an answer and what it brings, each over its version, or [ErrConflict] and none.
	Settle(ctx context.Context, s Settlement) error
	// Invitation gives one, with strong set strongly consistent, or [problem.NotFound].
	Invitation(ctx context.Context, k Key, strong bool) (Invitation, error)
	// Invitations gives a page, newest first, a second behind; [problem.MalformedRequest] for a place where no page
	// ended.
	Invitations(ctx context.Context, p partner.TenantID, q Query) (Page, error)
	// Words gives those of an edited draft, strongly consistent, or [problem.NotFound].
	Words(ctx context.Context, k Key) (Words, error)
}

// Slots knows who holds a slot.
//
// Occupant gives the id of the invitation of a partner that took a slot last, whether or not it has ended or left the
// slot since, and empty for none. Every write that was acknowledged before the call is included.
type Slots interface {
	// Occupant gives who took a slot last, strongly consistent, and empty for nobody.
	Occupant(ctx context.Context, p partner.TenantID, slot string) (id string, err error)
}

// ErrConflict means that somebody else was quicker: read again and decide again.
var ErrConflict = command.ErrConflict

// SlotTaken means that another invitation holds the slot. It may have ended since: holders do not give a slot back.
type SlotTaken struct{ By string }

// Error names the holder.
func (e *SlotTaken) Error() string { return fmt.Sprintf("invitation: slot held by %s", e.By) }
