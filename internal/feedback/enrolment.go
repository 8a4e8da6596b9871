package feedback

import (
	"context"
	"errors"
	"fmt"

	"concord/internal/enrolment"
	"concord/internal/invitation"
	"concord/internal/problem"
	"concord/internal/publicid"
)

// Enrolments records what becomes of the mails to primary contacts, and hands every other report on.
type Enrolments struct {
	Recorder
	Store    EnrolmentStore
	Suppress func(ctx context.Context, address string, r invitation.Report) error // as [invitation.Feedback] does
}

// EnrolmentStore is what [Enrolments] needs of an [enrolment.Store], whose contract it is.
type EnrolmentStore interface {
	WriteEnrolment(ctx context.Context, c enrolment.Change) error
	Enrolment(ctx context.Context, id string) (enrolment.Enrolment, error)
}

// maxRounds bounds how often a report is recorded anew after somebody else was quicker.
const maxRounds = 8

// Record is that of [Recorder]. An address that no mail reaches gets none any more, whichever mail told of it.
func (f Enrolments) Record(ctx context.Context, k invitation.Key, r invitation.Report) (invitation.Invitation, invitation.Verdict, error) {
	none := invitation.Invitation{}
	if !publicid.Is(enrolment.Prefix, k.ID) {
		return f.Recorder.Record(ctx, k, r)
	}
	for range maxRounds {
		before, err := f.Store.Enrolment(ctx, k.ID)
		if problem.Is(err, problem.NotFound) || err == nil && before.Tenant != k.Inviter {
			return none, invitation.ReportUnknown, nil
		}
		if err != nil {
			return none, "", err
		}
		verdict := invitation.ReportKnown
		after, changed := before.Reported(enrolment.Notice(r.Notice), r.Generation, string(r.State), r.Reason)
		if changed {
			verdict = invitation.ReportRecorded
			err = f.Store.WriteEnrolment(ctx, enrolment.Change{Before: &before, After: after})
		}
		if errors.Is(err, enrolment.ErrConflict) {
			continue
		}
		// A crash here leaves the report with its queue: it comes again, is known, and the address is suppressed then.
		if err == nil && r.Undeliverable {
			err = f.Suppress(ctx, r.To, r)
		}
		return none, verdict, err
	}
	return none, "", fmt.Errorf("feedback: %s: %w", k.ID, enrolment.ErrConflict)
}
