package invitation

import (
	"context"
	"errors"
	"time"

	"concord/internal/contact"
	"concord/internal/granular"
	"concord/internal/problem"
)

// GranularFeedbackStore is what [Feedback] needs of a [granular.Store], whose contract it is.
type GranularFeedbackStore interface {
	WriteGranular(ctx context.Context, c granular.Change) error
	GranularRelationship(ctx context.Context, k granular.Key, strong bool) (granular.Relationship, error)
}

// recordGranular is [Feedback.Record] for a mail about granular administration, which the key names by the id of that. The address is the
// one that the report has.
func (f Feedback) recordGranular(ctx context.Context, k Key, r Report, now time.Time) (Invitation, Verdict, error) {
	request := granular.Notice(r.Notice) == granular.RequestNotice
	for range maxRounds {
		before, err := f.Granular.GranularRelationship(ctx, granular.Key{Partner: k.Inviter, ID: k.ID}, true)
		if problem.Is(err, problem.NotFound) {
			return Invitation{Key: k}, ReportUnknown, nil
		}
		if err != nil {
			return Invitation{}, "", err
		}
		after, verdict := before, ReportNotice
		if request {
			var changed bool
			verdict = ReportKnown
			if after, changed = before.Feedback(now, r.Generation, granular.MailState(r.State), r.Reason, r.MessageID); changed {
				verdict = ReportRecorded
				err = f.Granular.WriteGranular(ctx, granular.Change{Before: &before, After: after})
			}
		}
		if errors.Is(err, granular.ErrConflict) {
			continue
		}
		if err == nil && r.Undeliverable {
			err = f.suppress(ctx, r.To, Suppression{At: now, Reason: r.Reason})
		}
		if err == nil && request && f.Reputation != nil && !contact.Simulated(r.To) {
			err = f.countGranular(ctx, k, r)
		}
		return Invitation{Key: k, Mail: Mail{State: MailState(after.Mail.State)}}, verdict, err
	}
	return Invitation{}, "", ErrConflict
}

// countGranular holds what was said of a request against its partner.
func (f Feedback) countGranular(ctx context.Context, k Key, r Report) error {
	switch {
	case r.State == MailComplained:
		return f.Reputation.Complained(ctx, k.Inviter, k.ID)
	case r.State == MailBounced && r.Undeliverable:
		return f.Reputation.Bounced(ctx, k.Inviter, k.ID)
	}
	return nil
}
