package feedback

import (
	"context"
	"errors"
	"fmt"
	"time"

	"concord/internal/command"
	"concord/internal/enrolment"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/publicid"
	"concord/internal/recipient"
	"concord/internal/review"
)

// Key names what a mail was about: an invitation, granular administration or an enrolment, by its id, or a company, by its own,
// that was asked to look at who holds rights.
type Key struct {
	Tenant partner.TenantID // the partner; of an enrolment the company
	ID     string
}

// Recorder records what SES reports.
type Recorder struct {
	Invitations Invitations
	Granular    Granular
	Enrolments  Enrolments
	Ledger      recipient.Suppressions
	Reputation  recipient.Reputation // nil where nobody counts
	Now         func() time.Time
}

// Invitations is what [Recorder] needs of an [invitation.Store], whose contract it is.
type Invitations interface {
	Write(ctx context.Context, c invitation.Change) error
	Invitation(ctx context.Context, k invitation.Key, strong bool) (invitation.Invitation, error)
}

// Granular is what [Recorder] needs of a [granular.Store], whose contract it is.
type Granular interface {
	WriteGranular(ctx context.Context, c granular.Change) error
	GranularRelationship(ctx context.Context, k granular.Key, strong bool) (granular.Relationship, error)
}

// Enrolments is what [Recorder] needs of an [enrolment.Store], whose contract it is.
type Enrolments interface {
	WriteEnrolment(ctx context.Context, c enrolment.Change) error
	Enrolment(ctx context.Context, id string) (enrolment.Enrolment, error)
}

// Record records a report about a mail and gives where the mail stands then. With an error nothing is lost: the same
// call is to be made again, and what it had done it does not do twice.
func (f Recorder) Record(ctx context.Context, k Key, r outbox.Report) (outbox.State, outbox.Verdict, error) {
	switch {
	case publicid.Is(publicid.Granular, k.ID):
		return record(ctx, f, ofGranular{f.Granular}, k, r)
	case publicid.Is(publicid.Enrolment, k.ID):
		return record(ctx, f, ofEnrolments{f.Enrolments}, k, r)
	case k.ID == string(k.Tenant):
		return record(ctx, f, ofReviews{}, k, r)
	case invitation.Passes(r): // two of three mails of a completed invitation are such
		return outbox.None, outbox.OfNotice, nil
	default:
		return record(ctx, f, ofInvitations{f.Invitations}, k, r)
	}
}

// source is where mails of one kind of aggregate are owed.
type source[T any] interface {
	// read gives the aggregate as it is stored; without strong it may be a second old, or not be there yet.
	read(ctx context.Context, k Key, strong bool) (T, error)
	write(ctx context.Context, before, after T) error
	// report gives the aggregate after a report, and where the mail stands that partners see.
	report(t T, now time.Time, r outbox.Report) (T, outbox.Verdict, outbox.State)
	// wentTo gives the address that a report speaks of; empty when nobody knows it any more.
	wentTo(t T, r outbox.Report) string
	// speaksOf says of which partner a mail to a customer speaks, empty where it is none's to answer for.
	speaksOf(t T, r outbox.Report) partner.TenantID
}

// maxRounds bounds how often a report is recorded anew after somebody else was quicker.
const maxRounds = 8

func record[T any](ctx context.Context, f Recorder, s source[T], k Key, r outbox.Report) (outbox.State,
	outbox.Verdict, error) {
	now := f.Now().UTC().Truncate(time.Second)
	var busy error
	for round := range maxRounds {
		// What stands against a mail, and what a read that may be old does not settle, is read strongly.
		strong := round > 0 || r.Undeliverable
		before, err := s.read(ctx, k, strong)
		if problem.Is(err, problem.NotFound) {
			if !strong {
				continue
			}
			return outbox.None, outbox.OfNobody, nil
		}
		if err != nil {
			return outbox.None, "", err
		}
		after, verdict, state := s.report(before, now, r)
		if !strong && verdict != outbox.Recorded && verdict != outbox.Known {
			continue // perhaps of a mail that this read does not know yet
		}
		if verdict == outbox.Recorded {
			err = s.write(ctx, before, after)
		}
		if errors.Is(err, command.ErrConflict) {
			busy = err
			continue
		}
		// A crash here leaves the report with its queue: it comes again, is known, and the address is suppressed then. An
		// older mail tells as much about the address as the newest, whichever mail told of it.
		address := s.wentTo(before, r)
		if err == nil && r.Undeliverable {
			err = recipient.Suppress(ctx, f.Ledger, address, r, now)
		}
		// Whatever the verdict: an older mail was mailed too, and what is known may not have been counted.
		if p := s.speaksOf(before, r); err == nil && p != "" {
			err = recipient.HoldReport(ctx, f.Reputation, p, address, k.ID, r)
		}
		return state, verdict, err
	}
	return outbox.None, "", fmt.Errorf("feedback: %s: %w", k.ID, busy)
}

// ofInvitations is the mail that invites and the notices. A rehearsal counts for nobody.
type ofInvitations struct{ Invitations }

func (s ofInvitations) read(ctx context.Context, k Key, strong bool) (invitation.Invitation, error) {
	return s.Invitation(ctx, invitation.Key{Inviter: k.Tenant, ID: k.ID}, strong)
}

func (s ofInvitations) write(ctx context.Context, before, after invitation.Invitation) error {
	return s.Write(ctx, invitation.Change{Before: &before, After: after})
}

func (ofInvitations) report(i invitation.Invitation, now time.Time, r outbox.Report) (invitation.Invitation,
	outbox.Verdict, outbox.State) {
	after, verdict := i.Feedback(now, r)
	return after, verdict, after.Mail.State
}

func (ofInvitations) wentTo(i invitation.Invitation, r outbox.Report) string { return i.WentTo(r) }

func (ofInvitations) speaksOf(i invitation.Invitation, r outbox.Report) partner.TenantID {
	if i.Sandbox || invitation.Notices.ToPartner(r.Kind) {
		return ""
	}
	return i.Inviter
}

// ofGranular is the mails about granular administration.
type ofGranular struct{ Granular }

func (s ofGranular) read(ctx context.Context, k Key, strong bool) (granular.Relationship, error) {
	return s.GranularRelationship(ctx, granular.Key{Partner: k.Tenant, ID: k.ID}, strong)
}

func (s ofGranular) write(ctx context.Context, before, after granular.Relationship) error {
	return s.WriteGranular(ctx, granular.Change{Before: &before, After: after})
}

func (ofGranular) report(g granular.Relationship, now time.Time, r outbox.Report) (granular.Relationship,
	outbox.Verdict, outbox.State) {
	after, verdict := g.Feedback(now, r)
	return after, verdict, after.Mail.State
}

func (ofGranular) wentTo(_ granular.Relationship, r outbox.Report) string { return r.To }

func (ofGranular) speaksOf(g granular.Relationship, r outbox.Report) partner.TenantID {
	if r.Kind != granular.RequestNotice {
		return ""
	}
	return g.Partner
}

// ofEnrolments is the mails to primary contacts: no partner mails them.
type ofEnrolments struct{ Enrolments }

func (s ofEnrolments) read(ctx context.Context, k Key, _ bool) (enrolment.Enrolment, error) {
	e, err := s.Enrolment(ctx, k.ID)
	if err == nil && e.Tenant != k.Tenant {
		return e, problem.New(problem.NotFound, "There is no such enrolment.")
	}
	return e, err
}

func (s ofEnrolments) write(ctx context.Context, before, after enrolment.Enrolment) error {
	return s.WriteEnrolment(ctx, enrolment.Change{Before: &before, After: after})
}

func (ofEnrolments) report(e enrolment.Enrolment, now time.Time, r outbox.Report) (enrolment.Enrolment,
	outbox.Verdict, outbox.State) {
	after, verdict := e.Feedback(now, r)
	return after, verdict, after.Verification.Delivery
}

func (ofEnrolments) wentTo(_ enrolment.Enrolment, r outbox.Report) string { return r.To }

func (ofEnrolments) speaksOf(enrolment.Enrolment, outbox.Report) partner.TenantID { return "" }

// ofReviews is the mails that ask companies to look at who holds rights. Nobody follows them; only what SES says against an
// address is kept, and is found there when the next one is due.
type ofReviews struct{}

func (ofReviews) read(_ context.Context, k Key, _ bool) (review.Review, error) {
	return review.Review{Tenant: k.Tenant}, nil
}

func (ofReviews) write(context.Context, review.Review, review.Review) error { return nil }

func (ofReviews) report(r review.Review, _ time.Time, _ outbox.Report) (review.Review, outbox.Verdict, outbox.State) {
	return r, outbox.OfNotice, outbox.None
}

func (ofReviews) wentTo(_ review.Review, r outbox.Report) string { return r.To }

func (ofReviews) speaksOf(review.Review, outbox.Report) partner.TenantID { return "" }
