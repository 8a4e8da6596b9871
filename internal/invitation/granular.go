package invitation

import (
	"context"
	"errors"
	"slices"
	"time"

	"concord/internal/contact"
	"concord/internal/granular"
	"concord/internal/link"
	"concord/internal/partner"
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
			err = f.Suppress(ctx, r.To, r)
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
		return f.Reputation.Complained(ctx, k.Inviter, voice(r.To, k.ID))
	case r.State == MailBounced && r.Undeliverable:
		return f.Reputation.Bounced(ctx, k.Inviter, k.ID)
	}
	return nil
}

// ReportGranular is [Service.Report] for a request of granular administration: who has its link need not be who may answer it. The partner's
// mails to this address end with it; the request itself stays.
func (s *Service) ReportGranular(ctx context.Context, l link.Link, plea *Plea) (Letter, Case, error) {
	for range maxRounds {
		before, t, err := s.granularLetter(ctx, l)
		if err != nil || t.Inviter.Tenant == "" {
			return Letter{}, Unknown, err
		}
		if before.Reported >= l.Generation {
			// What was let through since can be reported again.
			if stopped, err := s.stopped(ctx, t.Invitation, false); stopped || err != nil {
				return t, Reported, err
			}
		}
		switch {
		case plea == nil:
			return t, ReportForm, nil
		case !slices.Contains(ReportReasons, plea.Reason):
			var f problem.Findings
			f.Add("/reason", problem.ValidationFailed, "Choose one of the reasons.")
			return t, ReportForm, f.Err()
		}
		now := s.now()
		if err := s.block(ctx, t.Invitation, &Suppression{At: now, Reason: "reported"}); err != nil {
			return t, "", err
		}
		if plea.Reason != wrongPerson {
			if err := HoldAgainst(ctx, s.Reputation, t.Invitation); err != nil {
				return t, "", err
			}
		}
		// A crash before the write leaves the mails ended and the report to be sent again.
		after := before.ReportedBy(l.Generation, granular.Entry{At: now, CorrelationID: plea.CorrelationID, Why: plea.Reason})
		err = s.Granular.WriteGranular(ctx, granular.Change{Before: &before, After: after})
		if !errors.Is(err, granular.ErrConflict) {
			return t, Reported, err
		}
	}
	return Letter{}, "", unavailable(ErrConflict)
}

// allowGranular is [Service.allow] for the mail of a request for granular administration. That changes no status.
func (s *Service) allowGranular(ctx context.Context, l link.Link, plea *Plea, bars func(Invitation) Case) (Letter, Case, error) {
	for range maxRounds {
		before, t, err := s.granularLetter(ctx, l)
		if err != nil || t.Inviter.Tenant == "" {
			return Letter{}, Unknown, err
		}
		if c := bars(t.Invitation); c != "" {
			return t, c, nil
		}
		stopped, err := s.stopped(ctx, t.Invitation, plea != nil)
		switch {
		case err != nil:
			return t, "", err
		case !stopped && (plea == nil || before.Reported == 0):
			return t, Allowed, nil
		case plea == nil:
			return t, AllowForm, nil
		}
		if err := s.block(ctx, t.Invitation, nil); err != nil {
			return t, "", err
		}
		// A crash before the write lets the mails through, and sending the form again writes it down.
		after := before.MailAllowed(granular.Entry{At: s.now(), CorrelationID: plea.CorrelationID})
		err = s.Granular.WriteGranular(ctx, granular.Change{Before: &before, After: after})
		if !errors.Is(err, granular.ErrConflict) {
			return t, Allowed, err
		}
	}
	return Letter{}, "", unavailable(ErrConflict)
}

// granularLetter reads a relationship and says what its pages say of its partner; of one that nobody was asked for the letter is empty.
func (s *Service) granularLetter(ctx context.Context, l link.Link) (r granular.Relationship, t Letter, err error) {
	r, err = s.Granular.GranularRelationship(ctx, granular.Key{Partner: partner.TenantID(l.Tenant), ID: l.ID}, true)
	if problem.Is(err, problem.NotFound) || err == nil && (r.Mail.To == "" || r.Status == granular.Deleted || l.Generation > r.Generation) {
		return r, Letter{}, nil
	}
	if err != nil {
		return r, Letter{}, err
	}
	account, err := s.Accounts.Account(ctx, r.Partner, false)
	if err != nil {
		return r, Letter{}, err
	}
	cloud, err := s.Clouds.Cloud(r.Cloud)
	return r, Letter{Inviter: account, Cloud: cloud, Invitation: Invitation{
		Key: Key{Inviter: r.Partner, ID: r.ID}, RecipientEmail: r.Mail.To, Locale: r.Mail.Locale, LocaleAsked: r.Mail.LocaleAsked, Cloud: r.Cloud,
	}}, err
}
