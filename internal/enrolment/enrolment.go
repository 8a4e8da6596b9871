// Package enrolment is how a company becomes an indirect reseller (rules E1 to E18): who it is, where it is, whom to ask, that this person
// can be reached, that the operator has looked at it, which PartnerID it has and that it has signed the agreement.
//
// An [Enrolment] rests in one of eight states, and [Allowed] is the table of what can be done in which (domain, 2.2). Nothing that a
// validator or a directory says forces anybody: addresses are suggested, never put in place of what was typed (rule E9), and what is down
// stands in nobody's way. Before the primary contact has confirmed its address, one kind of mail goes to it: the one that asks for that.
package enrolment

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"concord/internal/command"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/registry"
)

// Path is how much a company has to say.
type Path string

// A company that has a partner account already says whom customers reach, and no more (rule E2).
const (
	Full      Path = "full"
	FastTrack Path = "fastTrack"
)

// Status is where an enrolment stands.
type Status string

// The states (domain, 2.2). Rejected and withdrawn ones end; active ones go on as a partner account.
const (
	Draft             Status = "draft"
	EmailVerification Status = "emailVerification"
	InVetting         Status = "vetting"
	ActionRequired    Status = "actionRequired"
	Authorized        Status = "authorized"
	Active            Status = "active"
	Rejected          Status = "rejected"
	Withdrawn         Status = "withdrawn"
)

// Statuses are all of them, in the order in which they are reached.
var Statuses = []Status{Draft, EmailVerification, InVetting, ActionRequired, Authorized, Active, Rejected, Withdrawn}

// Open reports whether the company cannot start another one.
func (s Status) Open() bool { return s != Rejected && s != Withdrawn }

// Action is what somebody does, or what time does.
type Action string

// The actions. They are the words of the history.
const (
	Start           Action = "started"
	Save            Action = "changed"
	Associate       Action = "partnerId associated"
	Submit          Action = "submitted"
	Resend          Action = "verification resent"
	Confirm         Action = "contact confirmed"
	NeedInformation Action = "information needed"
	Approve         Action = "approved"
	Reject          Action = "rejected"
	Sign            Action = "mpa signed"
	Withdraw        Action = "withdrawn"

	Lapse   Action = "verification expired"
	Overdue Action = "vetting overdue"
	Erase   Action = "erased"
)

// allowed is the table of section 2.2: in which states an action is possible.
var allowed = map[Action][]Status{
	Save:            {Draft, ActionRequired},
	Associate:       {Draft, EmailVerification, InVetting, ActionRequired, Authorized},
	Submit:          {Draft, ActionRequired},
	Resend:          {EmailVerification},
	Confirm:         {EmailVerification},
	NeedInformation: {InVetting},
	Approve:         {InVetting, ActionRequired},
	Reject:          {InVetting, ActionRequired},
	Sign:            {Authorized},
	Withdraw:        {Draft, EmailVerification, InVetting, ActionRequired, Authorized},
	Lapse:           {EmailVerification},
	Overdue:         {InVetting},
}

// Allowed gives nil when an action is possible in a state. Else the code is [problem.EmailNotVerified] for a decision about a contact that
// has not confirmed (rule E13), and [problem.EnrolmentStateConflict] for anything else.
func Allowed(s Status, a Action) error {
	if slices.Contains(allowed[a], s) {
		return nil
	}
	if s == EmailVerification && (a == Approve || a == Reject || a == NeedInformation) {
		return problem.New(problem.EmailNotVerified, "The primary contact has not confirmed its address yet.")
	}
	if s == EmailVerification && a == Save {
		return problem.New(problem.EnrolmentStateConflict,
			"Nothing can be changed while the contact's confirmation is awaited. To change the contact or the company, withdraw the enrolment (POST …/withdraw) and start again.")
	}
	return problem.New(problem.EnrolmentStateConflict, "This is not possible while the enrolment is %s.", s)
}

// Entry says how the company's profile was found.
type Entry string

// The two ways of rule E8.
const (
	ByDUNS   Entry = "duns"
	Manually Entry = "manual"
)

// Legal is who the company is.
type Legal struct {
	Entry   Entry
	Name    string
	DUNS    string // nine digits; empty when entered by hand
	Address Address
}

// Choice is which form of its address a company has chosen; empty for none yet.
type Choice string

// The two forms.
const (
	Original  Choice = "original"
	Suggested Choice = "suggested"
)

// AddressCheck is what was found about the address, and what was chosen.
type AddressCheck struct {
	Validation
	Choice Choice
}

// Person is somebody who can be asked about the application (rule E10).
type Person struct {
	FirstName, LastName string
	Email, Phone        string
}

// Verification is how far the primary contact is with confirming its address (rule E12).
type Verification struct {
	// Generation is that of the link that works; 0 before the first.
	Generation int
	// Asked is when mails with a link were asked for, the newest last. A company that starts again takes them along.
	Asked []Asking
	// Domain is the one of the company's own that the sign-in proved, and the address is of where there is such a one; empty before.
	Domain    string
	ExpiresAt time.Time
	// Lapsed says that the job has noted the end of the link.
	Lapsed     bool
	VerifiedAt time.Time
	VerifiedBy string // the subject who signed in
	// Delivery is what became of the newest mail with a link, and why; empty before it went.
	Delivery       outbox.State
	DeliveryReason string
}

// Asking is one mail with a link that was asked for.
type Asking struct {
	At time.Time
	// To stands for the address without saying it; empty in those from before it was kept, which stand for any.
	To string
}

// Result is what came out of one part of vetting.
type Result string

// The results. Flagged is for the operator to look at, and rules nothing out (invariant 19).
const (
	NotLooked Result = "pending"
	Flagged   Result = "flagged"
	Passed    Result = "passed"
	Failed    Result = "failed"
)

// Vetting is what is checked (rules E12, E18).
type Vetting struct {
	EmailOwnership Result // the address is the contact's
	Employment     Result // the person may act for the company
	Business       Result // the company has a profile
}

// HistoryEntry is one line of what has happened.
type HistoryEntry struct {
	At            time.Time
	Action        Action
	By            string // a subject, or "cleanup"
	CorrelationID string
	Key, Body     string // hashes of the Idempotency-Key and of the request that it came with
	Why           string // the state that was reached
}

// Enrolment is one application.
type Enrolment struct {
	ID     string // enr_…
	Tenant partner.TenantID
	// Previous is the id of the company's application before this one; empty for none.
	Previous string
	Cloud    partner.CloudID
	Path     Path
	Status   Status
	Locale   string // BCP 47; of the mails to the primary contact
	// LocaleAsked is the tag that was said, as typed; empty for none (0.39).
	LocaleAsked string

	Legal   Legal
	Address AddressCheck
	Contact Person
	Support partner.SupportProfile // whom customers will ask for help (rule E3)
	// Country is that of the account of a fast track; the full path has it from the legal address.
	Country string

	Location     *Location // the associated PartnerID (rules E6, E7); nil until then
	Verification Verification
	Vetting      Vetting
	SubmittedAt  time.Time
	ReviewDueAt  time.Time // when five business days of vetting are over (rule E14); zero outside of vetting
	Overdue      bool      // the job has noted it
	Reason       string    // of the operator's last decision
	// Questions are what the operator needed to know, and what it was answered: the newest last.
	Questions   []Question
	MPA         *partner.Agreement
	MPALanguage string // of the text that was signed, BCP 47

	Post outbox.Box
	// Steps is what was true when a mail came to be owed, where its words depend on that: the enrolment may be on before it goes.
	Steps     map[outbox.Kind]Step
	CreatedAt time.Time
	CreatedBy string
	History   []HistoryEntry // oldest first
	Version   int
}

// Question is what the operator needs to know, and what the company says to that.
type Question struct {
	At         time.Time
	Text       string
	Answer     string    // empty while there is none, or where the company changed what it says of itself instead
	AnsweredAt time.Time // when it was handed in again; zero until then
}

// Limits of an enrolment.
const (
	maxQuestions = 20
	maxHistory   = 60
	MaxReason    = 500  // characters of the operator's words
	MaxAnswer    = 2000 // characters of the company's answer
)

// Reference is what the primary contact quotes when it asks about the application.
func (e Enrolment) Reference() string {
	id := strings.TrimPrefix(e.ID, Prefix)
	return strings.ToUpper(id[:min(5, len(id))] + "-" + id[min(5, len(id)):min(10, len(id))])
}

// OverdueAt reports whether vetting takes too long (rule E14), whether or not the job has come by.
func (e Enrolment) OverdueAt(now time.Time) bool {
	return e.Status == InVetting && !e.ReviewDueAt.IsZero() && !now.Before(e.ReviewDueAt)
}

// ExpiredAt reports whether the link of the verification is over.
func (e Enrolment) ExpiredAt(now time.Time) bool {
	return e.Status == EmailVerification && !e.Verification.ExpiresAt.IsZero() && !now.Before(e.Verification.ExpiresAt)
}

// Home is the country in which the company is, as far as it is known (rule E6).
func (e Enrolment) Home() string {
	if e.Legal.Address.Country != "" {
		return e.Legal.Address.Country
	}
	return e.Country
}

// Chosen is the address in the form that the company has chosen.
func (e Enrolment) Chosen() Address {
	if e.Address.Choice == Suggested && len(e.Address.Suggested) > 0 {
		return e.Address.Suggested[0]
	}
	return e.Legal.Address
}

// next gives a copy one version on.
func (e Enrolment) next() Enrolment {
	e.Version++
	e.History = slices.Clone(e.History)
	e.Post.Owed = slices.Clone(e.Post.Owed)
	e.Verification.Asked = slices.Clone(e.Verification.Asked)
	e.Questions = slices.Clone(e.Questions)
	e.Steps = maps.Clone(e.Steps)
	return e
}

// Answered reports whether the company has submitted what the operator last needed to know: the review then goes on.
func (e Enrolment) Answered() bool {
	n := len(e.Questions)
	return n > 0 && !e.Questions[n-1].AnsweredAt.IsZero()
}

// note adds a line to the history.
func (e *Enrolment) note(h HistoryEntry) {
	e.History = append(e.History, h)
	e.History = e.History[max(0, len(e.History)-maxHistory):]
}

// reach moves to a state and owes the mail about it, once the contact has confirmed (domain, 2.2).
func (e *Enrolment) reach(now time.Time, s Status) {
	e.Status = s
	if s != InVetting {
		e.ReviewDueAt, e.Overdue = time.Time{}, false
	}
	if e.Verification.VerifiedAt.IsZero() {
		return
	}
	if n, ok := notices[s]; ok {
		e.owe(now, n)
	}
}

// Change is a write. Before is nil for the first one of an enrolment.
type Change struct {
	Before *Enrolment
	After  Enrolment
	// Account is written with it, or neither is.
	Account *registry.Change
}

// Query asks for a page of enrolments, newest first. An empty status lets all through.
type Query struct {
	Status Status
	Limit  int
	After  string // where the page before ended; empty for the first page
	// Text is part of the company's name, in any case, or the whole reference or tenant id; empty for all.
	Text string
	// OverdueAt, when it is not zero, lets only those through whose review takes too long at that moment (rule E14).
	OverdueAt time.Time
}

// Matches reports whether an enrolment is among those asked for.
func (q Query) Matches(e Enrolment) bool {
	text := strings.ToLower(q.Text)
	return (q.Status == "" || q.Status == e.Status) && (q.OverdueAt.IsZero() || e.OverdueAt(q.OverdueAt)) &&
		(text == "" || strings.Contains(strings.ToLower(e.Legal.Name), text) || strings.ToLower(e.Reference()) == text ||
			string(e.Tenant) == text)
}

// Page is an answer to a [Query]. It may hold fewer than the limit, even none, while Next is set.
type Page struct {
	Enrolments []Enrolment
	Next       string
}

// ErrConflict means that somebody else was quicker: read again and decide again.
var ErrConflict = command.ErrConflict

// Store keeps enrolments.
//
// WriteEnrolment stores After over Before, one version on, together with the account: all of it, or nothing and [ErrConflict]. A new
// enrolment, of version 1, is stored only while the company's latest one is its previous one, so that of several that start at once one
// does. Where a new account has a PartnerID that another one has, the code is that of [registry.Store]. Enrolment and LatestEnrolment
// (the newest one of a company) include every write that was acknowledged before the call; [problem.NotFound] when there is none. Whatever
// was acknowledged is in every list that begins later; a page looks at a bounded number of enrolments, and its code is
// [problem.MalformedRequest] for a place where no page ended.
type Store interface {
	// WriteEnrolment stores a change over its version, a new one behind its previous one, or [ErrConflict], or
	// [problem.PartnerIDInUse].
	WriteEnrolment(ctx context.Context, c Change) error
	// Enrolment gives one, strongly consistent, or [problem.NotFound].
	Enrolment(ctx context.Context, id string) (Enrolment, error)
	// LatestEnrolment gives the newest of a company, strongly consistent, or [problem.NotFound].
	LatestEnrolment(ctx context.Context, tenant partner.TenantID) (Enrolment, error)
	// ListEnrolments gives a page, newest first, strongly consistent; [problem.MalformedRequest] for a place where no
	// page ended.
	ListEnrolments(ctx context.Context, q Query) (Page, error)
}
