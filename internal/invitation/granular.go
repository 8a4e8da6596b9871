package invitation

import (
	"context"
	"errors"
	"slices"

	"concord/internal/granular"
	"concord/internal/link"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/recipient"
)

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
		if err := s.block(ctx, t.Invitation, &recipient.Suppression{At: now, Reason: "reported"}); err != nil {
			return t, "", err
		}
		if plea.Reason != wrongPerson {
			if err := t.Invitation.HoldAgainst(ctx, s.Reputation); err != nil {
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
