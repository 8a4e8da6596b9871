// Package granular holds granular delegated administration (GDAP): named roles in a customer's directory, for a time that is
// known from the beginning, which the customer approves by an emailed link (domain, 2.2).
//
// A relationship goes created → approvalPending → active → expired or terminated, with the names of Microsoft Graph. The states in
// between (approved, activating, expiring, terminationRequested, terminating) are said by its history and never rested in. What a moment
// does to a relationship is computed on every read and by every write ([Relationship.At]); the scheduled job only makes it visible.
//
// It is apart from the reseller relationship: neither makes, changes or ends the other (rule X4, invariant 13).
package granular

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"concord/internal/command"
	"concord/internal/emailaddr"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/relationship"
)

// Status is where a relationship stands.
type Status string

// The states that are rested in. The last three are final.
const (
	Created    Status = "created"
	Pending    Status = "approvalPending"
	Active     Status = "active"
	Expired    Status = "expired"
	Terminated Status = "terminated"
	// Deleted is a relationship that nobody was ever asked to approve and that its partner took back. It answers as one that never
	// was, and its item says for a while who did it.
	Deleted Status = "deleted"
)

// Statuses are those that a partner sees.
var Statuses = []Status{Created, Pending, Active, Expired, Terminated}

// The steps of a history that are no state.
const (
	changed              = "changed"
	approved             = "approved"
	activating           = "activating"
	extended             = "extended"
	expiring             = "expiring"
	terminationRequested = "terminationRequested"
	terminating          = "terminating"
	narrowedTo           = "narrowed"
	assigned             = "assigned"
	reassigned           = "assignmentChanged"
	unassigned           = "assignmentDeleted"
)

// Why a relationship was terminated that nobody has approved: by the customer's answer, or because who asked, or the
// operator for it, took the request back (0.43).
const (
	Rejected  = "rejected"
	Withdrawn = "withdrawn"
)

// notApproved is why a relationship expired that the customer did not answer.
const notApproved = "not approved"

// Limits (domain, 2.1 and 2.2).
const (
	MaxDisplayName = 50 // characters
	// ApprovalTime is how long the customer has for its approval.
	ApprovalTime = 90 * 24 * time.Hour
	// Extension is by how long a relationship goes on that extends by itself.
	Extension = 180 * 24 * time.Hour
	// Forgotten is how long a deleted relationship is remembered.
	Forgotten  = 30 * 24 * time.Hour
	maxHistory = 20
)

// Key finds a relationship.
type Key struct {
	Partner partner.TenantID
	ID      string // "gdap_" and 26 letters and digits
}

// Relationship is one partner's granular administration of one customer. There can be several.
type Relationship struct {
	Key
	DisplayName string // one of its partner's own; the customer reads it
	// Customer is the tenant that may approve; empty until somebody's approval binds it.
	Customer     partner.TenantID
	CustomerName string // as the partner said, and from the approval on as the customer's identity provider says
	Cloud        partner.CloudID
	Roles        []string     // ids of role templates, sorted
	Assignments  []Assignment // to groups of the partner, the oldest first
	RoleTable    string       // the version of the table that knew them
	Duration     Period
	AutoExtend   bool // goes on by [Extension] at each end
	// Invitation is the id of the invitation whose acceptance approves it as well (domain, 0.28); empty for none. Its terms are
	// what was asked for there, and stay.
	Invitation string
	// IdentityCheck is [relationship.Unproven] when a company has approved that nobody had named and that does not own the domain that was asked,
	// until an agent confirms that it is the right one (0.25); empty where there is nothing to confirm.
	IdentityCheck relationship.IdentityCheck

	Status Status
	Reason string // why it ended: [Rejected], [Withdrawn], or empty
	// Generation is that of the only link that works.
	Generation  int
	CreatedAt   time.Time
	CreatedBy   string // the subject of the user
	ModifiedAt  time.Time
	ApproveBy   time.Time // when the time for the approval is over; zero until it is asked for
	ActivatedAt time.Time // zero until approved
	EndAt       time.Time // when it ends or has ended; zero while that is open
	Answer      *Given
	Mail        Mail
	Post        outbox.Box
	Reported    int // the newest generation by whose link the mail was reported
	Reminded    int // how many of the moments for a reminder are behind the end of now
	Version     int // 1 for a new one, raised by each write
	History     []Entry
}

// Actor is on which side somebody acts.
type Actor string

// The sides.
const (
	ByPartner  Actor = "partner"
	ByCustomer Actor = "customer"
	BySchedule Actor = "schedule"
	ByOperator Actor = "operator"
)

// Entry is one line of the history.
type Entry struct {
	At            time.Time
	Action        string // a [Status], or a step that is none
	Actor         Actor
	By            string // the subject of the user or person; empty for the schedule
	CorrelationID string
	// Key and Body are fingerprints of the Idempotency-Key and of the request under which a user acted.
	Key, Body string
	Why       string
}

// Given is a customer's answer.
type Given struct {
	Subject  string // who answered, as the identity provider names the person
	Tenant   partner.TenantID
	FullName string
	JobTitle string
	Email    string // of who answered; empty when it is none to mail to
	At       time.Time
	Consent  ConsentText
}

// ConsentText says which words were agreed to (invariant 14).
type ConsentText struct {
	Version  string
	Language string
	Hash     string // SHA-256 of the words, hexadecimal
}

// Slot names what only one relationship of a partner may have, its display name in any case. It holds no name in clear.
func (r Relationship) Slot() string {
	sum := sha256.Sum256([]byte("granular|" + strings.ToLower(r.DisplayName)))
	return hex.EncodeToString(sum[:16])
}

// Reference is by what people on both sides call the relationship: short, and no secret.
func (r Relationship) Reference() string {
	_, id, _ := strings.Cut(r.ID, "_")
	return strings.ToUpper(id[:min(5, len(id))] + "-" + id[min(5, len(id)):min(10, len(id))])
}

// StatusAt gives the status at a moment, whatever was written.
func (r Relationship) StatusAt(now time.Time) Status { return r.At(now).Status }

// At gives the relationship as a moment finds it: expired or extended when its time has come.
func (r Relationship) At(now time.Time) Relationship {
	r.elapse(now)
	return r
}

// Tick gives the relationship after what a moment does to it, as its next version, and false when that is nothing.
func (r Relationship) Tick(now time.Time) (Relationship, bool) {
	n, _, changed := r.tick(now)
	return n, changed
}

// tick is Tick, and gives which mails were given up.
func (r Relationship) tick(now time.Time) (n Relationship, given []outbox.Loss, changed bool) {
	n = Mails.Next(r)
	given, resumed := Mails.Resume(&n, now)
	if !n.elapse(now) && !resumed {
		return r, nil, false
	}
	return n, given, true
}

// Open reports whether the customer can still give or refuse it.
func (r Relationship) Open() bool { return r.Status == Created || r.Status == Pending }

// Sought says by what its customer finds a request that it has not approved: the customer that it names, the domain of the address that it was
// mailed to, or neither, and then by its id. It is not sought before it is asked for, nor when that was taken back or an invitation asks for it.
func (r Relationship) Sought() (customer partner.TenantID, domain string, sought bool) {
	if r.Status == Created || r.Status == Deleted || r.Reason == Withdrawn || r.Invitation != "" || !r.ActivatedAt.IsZero() {
		return "", "", false
	}
	if r.Customer == "" {
		_, domain, _ = strings.Cut(emailaddr.Normalise(r.Mail.To), "@")
	}
	return r.Customer, domain, true
}

// elapse has time go by until now. What it notes happened when its time came, not when it was noticed.
func (r *Relationship) elapse(now time.Time) (happened bool) {
	if r.Status == Pending && !now.Before(r.ApproveBy) {
		r.EndAt = r.ApproveBy
		r.step(Entry{At: r.EndAt, Actor: BySchedule, Why: notApproved}, Expired, expiring, string(Expired))
		r.Post.Abandon(RequestNotice)
		return true
	}
	if r.Status != Active {
		return false
	}
	for r.AutoExtend && !now.Before(r.EndAt) {
		r.note(Entry{At: r.EndAt, Action: extended, Actor: BySchedule})
		r.EndAt, r.Reminded, happened = r.EndAt.Add(Extension), 0, true
	}
	if !now.Before(r.EndAt) {
		r.step(Entry{At: r.EndAt, Actor: BySchedule}, Expired, expiring, string(Expired))
		r.Post.Abandon(ReceiptNotice, NarrowedNotice, EndingNotice, CustomerEndingNotice)
		return true
	}
	for {
		at, passed, ok := r.nextReminder()
		if !ok || now.Before(at) {
			return happened
		}
		r.Reminded, happened = passed, true
		r.Post.Enqueue(now, EndingNotice)
		if r.Answer != nil && r.Answer.Email != "" {
			r.Post.Enqueue(now, CustomerEndingNotice)
		}
	}
}

// thresholds are how long before the end a reminder goes, and thresholdNames how the history calls them.
var (
	thresholds     = []time.Duration{30 * 24 * time.Hour, 7 * 24 * time.Hour, 24 * time.Hour}
	thresholdNames = []string{"30d", "7d", "1d"}
)

// leastAfter is how long after the approval no reminder goes: who approves a week has no reminder with it.
const leastAfter = 12 * time.Hour

// nextReminder gives when a reminder is due and how many thresholds are behind the relationship then; false when none will be.
func (r Relationship) nextReminder() (at time.Time, passed int, ok bool) {
	if r.Status != Active || r.AutoExtend {
		return time.Time{}, 0, false
	}
	for n := r.Reminded; n < len(thresholds); n++ {
		if at := r.EndAt.Add(-thresholds[n]); !at.Before(r.ActivatedAt.Add(leastAfter)) {
			return at, n + 1, true
		}
	}
	return time.Time{}, 0, false
}

// Due gives when a machine has to look at the relationship next, and false when it never has to.
func (r Relationship) Due() (at time.Time, waits bool) {
	switch r.Status {
	case Pending:
		at, waits = r.ApproveBy, true
	case Active:
		var ok bool
		if at, _, ok = r.nextReminder(); !ok {
			at = r.EndAt
		}
		waits = true
	}
	if r.Post.State != outbox.None && (!waits || r.Post.At.Before(at)) {
		at, waits = r.Post.At, true
	}
	return at, waits
}

// ForgetAt gives when a deleted relationship may be forgotten; it is zero for every other.
func (r Relationship) ForgetAt() time.Time {
	if r.Status != Deleted {
		return time.Time{}
	}
	return r.EndAt.Add(Forgotten)
}

// step notes what is gone through, all at one moment, and rests in a state. Only the first entry has the key of a command.
func (r *Relationship) step(e Entry, rest Status, through ...string) {
	for n, action := range through {
		e.Action = action
		if n > 0 {
			e.Key, e.Body = "", ""
		}
		r.note(e)
	}
	r.Status = rest
	if rest == Expired || rest == Terminated {
		r.unassign(e.At)
	}
}

// note appends to the history. When it is full an entry in the middle goes, for the first says how it began: the oldest that no
// repetition of its command has to find any more.
func (r *Relationship) note(e Entry) {
	e.At = e.At.UTC().Truncate(time.Second)
	r.ModifiedAt = e.At
	r.History = append(slices.Clone(r.History), e)
	if len(r.History) <= maxHistory {
		return
	}
	old := slices.IndexFunc(r.History[1:], func(o Entry) bool { return o.Key == "" || e.At.Sub(o.At) >= command.Window })
	if first := slices.IndexFunc(r.History[1:], assigns); first >= 0 && r.assignedSteps() > maxAssignedSteps {
		old = first // what it made knows its own key
	}
	r.History = slices.Delete(r.History, 1+max(old, 0), 2+max(old, 0))
}

func assigns(e Entry) bool {
	return e.Action == assigned || e.Action == reassigned || e.Action == unassigned
}

func (r Relationship) assignedSteps() (n int) {
	for _, e := range r.History {
		if assigns(e) {
			n++
		}
	}
	return n
}

// Grant is administration that a customer has given.
type Grant struct {
	Key
	Customer partner.TenantID
	GivenAt  time.Time // when the customer approved
	EndAt    time.Time // when it ends or has ended; zero while it extends by itself
	Version  int       // of the relationship that says so
}

// Grant gives what the customer has given, and false for a relationship that it has not approved.
func (r Relationship) Grant() (Grant, bool) {
	g := Grant{Key: r.Key, Customer: r.Customer, GivenAt: r.ActivatedAt, EndAt: r.EndAt, Version: r.Version}
	if r.Status == Active && r.AutoExtend {
		g.EndAt = time.Time{}
	}
	return g, !r.ActivatedAt.IsZero()
}

// Live reports whether it lasts at a moment.
func (g Grant) Live(now time.Time) bool { return g.EndAt.IsZero() || now.Before(g.EndAt) }

// Regranted gives the grant of After where that of Before was another one, and false where nothing is to be noted.
func (c Change) Regranted() (Grant, bool) {
	after, given := c.After.Grant()
	if given && c.Before != nil {
		if before, was := c.Before.Grant(); was && before.EndAt.Equal(after.EndAt) {
			return after, false
		}
	}
	return after, given
}

// Query asks for a page of one partner's relationships, newest first.
type Query struct {
	Status   Status // of the moment Now; empty for every one
	Customer partner.TenantID
	Also     []partner.TenantID // the other ids of that customer
	Limit    int
	After    string // where the page before ended; empty for the first page
	Now      time.Time
}

// Matches reports whether a relationship is among those asked for.
func (q Query) Matches(r Relationship) bool {
	return r.Status != Deleted && (q.Customer == "" || q.Customer == r.Customer || slices.Contains(q.Also, r.Customer)) && (q.Status == "" || q.Status == r.StatusAt(q.Now))
}

// Page is an answer to a [Query]. It may hold fewer than the limit, even none, while Next is set.
type Page struct {
	Relationships []Relationship
	Next          string
}

// Change is one version of a relationship over another.
type Change struct {
	// Before is what was read; nil for a new relationship.
	Before *Relationship
	After  Relationship
	// Displaced is the relationship that holds the slot of After and no longer has the name, if a [SlotTaken] named one.
	Displaced *Relationship
	// Discovery and Relationships are what the customer's answer tells of companies, and the reseller relationships that change with it
	// (domain, 0.29, 0.30).
	Discovery     relationship.Discovery
	Relationships []relationship.Change
}

// Store keeps granular relationships. Times are kept to the second.
//
// WriteGranular is compare-and-swap: it stores After when what is stored is still the version of Before, and otherwise stores nothing
// and gives [ErrConflict]; for a new relationship whose id is taken too. A new relationship, and one whose slot changes, takes its
// slot in the same atomic step, or the whole fails with a [SlotTaken]. A slot whose holder is Displaced, and has not taken it again
// since it was read, passes to After. What the change tells of companies, and the reseller relationships that change with it, are stored in
// the same step, each over the version before, or the whole fails with ErrConflict.
//
// GranularRelationship gives an error with code [problem.NotFound] for a key without an item. With strong set the answer includes every
// write that was acknowledged before the call. GranularRelationships lists newest first; a write may take a second to appear.
//
// Grants gives what customers have given, in the order of the customers' tenants from one to another, both included. What was acknowledged
// before the call is there; what ended may stay for a month. GrantsBy finds those of one customer over all partners, in no order; it may be
// a second behind, and finds a customer's first 400.
type Store interface {
	// WriteGranular stores a change over its version, with its slot, or [ErrConflict], or a [SlotTaken] for a name
	// that another has.
	WriteGranular(ctx context.Context, c Change) error
	// GranularRelationship gives one, with strong set strongly consistent, or [problem.NotFound].
	GranularRelationship(ctx context.Context, k Key, strong bool) (Relationship, error)
	// GranularRelationships gives a page, newest first, a second behind; [problem.MalformedRequest] for a place where
	// no page ended.
	GranularRelationships(ctx context.Context, p partner.TenantID, q Query) (Page, error)
	// Grants gives those of a range of customers, by customer, strongly consistent; none is no error.
	Grants(ctx context.Context, p, from, to partner.TenantID) ([]Grant, error)
	// GrantsBy gives at most 400 of a customer, a second behind and in no order; none is no error.
	GrantsBy(ctx context.Context, customer partner.TenantID) ([]Key, error)
}

// ErrConflict means that somebody else was quicker: read again and decide again.
var ErrConflict = command.ErrConflict

// SlotTaken means that another relationship holds the slot. It may have another name since: holders do not give a slot back.
type SlotTaken struct{ By string }

// Error names the holder.
func (e *SlotTaken) Error() string { return fmt.Sprintf("granular: slot held by %s", e.By) }
