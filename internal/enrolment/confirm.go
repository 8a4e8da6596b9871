package enrolment

import (
	"context"
	"strings"
	"time"

	"concord/internal/command"
	"concord/internal/emailaddr"
	"concord/internal/link"
	"concord/internal/problem"
	"concord/internal/relationship"
)

// Case is what a link leads to, at a moment and for a person. Each has its page.
type Case string

// The cases, in the order in which they are looked at: those of the link, those of the person, those of the enrolment. Confirmed is
// for the person who confirmed; to everybody else the link is used.
const (
	Unknown     Case = "enrolment unknown"
	Superseded  Case = "enrolment superseded"
	TooLate     Case = "enrolment expired"
	Used        Case = "enrolment used"
	SignInFirst Case = "enrolment review"
	OtherTenant Case = "enrolment wrong-tenant"
	Form        Case = "enrolment form"
	Confirmed   Case = "enrolment confirmed"
)

// Confirmation is how the primary contact confirms its address (rule E12), with the same discipline as an invitation: looking writes nothing
// (invariant 17), the link says which application and signing in says who.
type Confirmation struct {
	Store    Store
	Calendar Calendars // nil for Monday to Friday
	Now      func() time.Time
}

// Look gives what a link leads to and writes nothing. Who is nil before sign-in.
func (s Confirmation) Look(ctx context.Context, l link.Link, who *relationship.Person) (Enrolment, Case, error) {
	e, err := s.Store.Enrolment(ctx, l.ID)
	if problem.Is(err, problem.NotFound) || err == nil && string(e.Tenant) != l.Tenant {
		return Enrolment{}, Unknown, nil
	}
	if err != nil {
		return Enrolment{}, "", err
	}
	c := caseOf(e, l, who, s.now())
	if c == Unknown {
		e = Enrolment{}
	}
	return e, c, nil
}

// caseOf follows the order of link outcomes (domain, 2.2).
func caseOf(e Enrolment, l link.Link, who *relationship.Person, now time.Time) Case {
	switch {
	case e.Status == Withdrawn:
		return Unknown
	case l.Generation != e.Verification.Generation:
		return Superseded
	case !e.Verification.VerifiedAt.IsZero():
		if who != nil && who.Subject == e.Verification.VerifiedBy && who.Company.Tenant == e.Tenant {
			return Confirmed
		}
		return Used
	case e.ExpiredAt(now):
		return TooLate
	case e.Status != EmailVerification:
		return Superseded // the address was changed, and no new link was asked for yet
	case who == nil:
		return SignInFirst
	case who.Company.Tenant != e.Tenant:
		return OtherTenant
	}
	return Form
}

// Confirm notes that the address is the contact's, which begins the review (rule E13). Whether the person may act for the company is for
// the operator to look at when the address is of none of its domains (invariant 19). Saying it again changes nothing.
func (s Confirmation) Confirm(ctx context.Context, l link.Link, who relationship.Person, correlationID string) (Enrolment, Case, error) {
	var e Enrolment
	var c Case
	err := command.Retry(func() (err error) {
		e, c, err = s.confirm(ctx, l, who, correlationID)
		return err
	})
	return e, c, err
}

func (s Confirmation) confirm(ctx context.Context, l link.Link, who relationship.Person, correlationID string) (Enrolment, Case, error) {
	before, c, err := s.Look(ctx, l, &who)
	if err != nil || c != Form {
		return before, c, err
	}
	now := s.now()
	after := before.next()
	after.Verification.VerifiedAt, after.Verification.VerifiedBy = now, who.Subject
	after.Vetting = Vetting{EmailOwnership: Passed, Employment: NotLooked, Business: NotLooked}
	domain, own := ownDomain(after.Contact.Email, who.Company.Domains)
	if after.Verification.Domain = domain; !own {
		after.Vetting.Employment = Flagged
	}
	if err := after.review(ctx, s.Calendar, now); err != nil {
		return Enrolment{}, "", err
	}
	after.note(HistoryEntry{At: now, Action: Confirm, By: who.Subject, CorrelationID: correlationID, Why: string(after.Status)})
	if err := s.Store.WriteEnrolment(ctx, Change{Before: &before, After: after}); err != nil {
		return Enrolment{}, "", err
	}
	return after, Confirmed, nil
}

// ownDomain gives the one of a company's proven domains that an address is of, or below, and whether there is such a one; else the first. An
// address that only ends with the same letters is another company's, and so is one of the same registry.
func ownDomain(address string, domains []string) (domain string, own bool) {
	_, of, _ := strings.Cut(emailaddr.Normalise(address), "@")
	for n, d := range domains {
		_, d, _ = strings.Cut(emailaddr.Normalise("x@"+d), "@")
		below := strings.HasSuffix(of, "."+d) && emailaddr.Registered("x@"+of) == emailaddr.Registered("x@"+d)
		if d != "" && (of == d || below) {
			return d, true
		}
		if n == 0 {
			domain = d
		}
	}
	return domain, false
}

func (s Confirmation) now() time.Time { return s.Now().UTC().Truncate(time.Second) }
