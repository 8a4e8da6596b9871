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
	"concord/internal/relationship"
)

// ReportGranular is [Service.Report] for a request of granular administration: who has its link need not be who may answer it. The partner's
// mails to this address end with it; the request itself stays.
func (s *Service) ReportGranular(ctx context.Context, l link.Link, plea *Plea) (granular.Request, Case, error) {
	for range maxRounds {
		q, err := s.granularRequest(ctx, l)
		if err != nil || q.Partner.Tenant == "" {
			return granular.Request{}, Unknown, err
		}
		if q.Reported >= l.Generation {
			// What was let through since can be reported again.
			if stopped, err := recipient.Stopped(ctx, s.Ledger, q.Mail.To, q.Partner.Tenant, false); stopped || err != nil {
				return q, Reported, err
			}
		}
		switch {
		case plea == nil:
			return q, ReportForm, nil
		case !slices.Contains(ReportReasons, plea.Reason):
			var f problem.Findings
			f.Add("/reason", problem.ValidationFailed, "Choose one of the reasons.")
			return q, ReportForm, f.Err()
		}
		now := s.now()
		if err := recipient.Block(ctx, s.Ledger, q.Mail.To, q.Partner.Tenant, &recipient.Suppression{At: now, Reason: "reported"}); err != nil {
			return q, "", err
		}
		if plea.Reason != wrongPerson {
			if err := recipient.Complain(ctx, s.Reputation, q.Partner.Tenant, q.Mail.To, q.ID); err != nil {
				return q, "", err
			}
		}
		// A crash before the write leaves the mails ended and the report to be sent again.
		after := q.ReportedBy(l.Generation, granular.Entry{At: now, CorrelationID: plea.CorrelationID, Why: plea.Reason})
		err = s.Granular.WriteGranular(ctx, granular.Change{Before: &q.Relationship, After: after})
		if !errors.Is(err, granular.ErrConflict) {
			return q, Reported, err
		}
	}
	return granular.Request{}, "", unavailable(ErrConflict)
}

// AllowGranular is [Service.Allow] for the mail of a request for granular administration. That changes no status.
func (s *Service) AllowGranular(ctx context.Context, l link.Link, plea *Plea) (granular.Request, Case, error) {
	return s.allowGranular(ctx, l, plea, nobodyBarred)
}

// AllowGranularSignedIn is [Service.AllowSignedIn] for it.
func (s *Service) AllowGranularSignedIn(ctx context.Context, l link.Link, who *relationship.Person, plea *Plea) (granular.Request, Case, error) {
	return s.allowGranular(ctx, l, plea, barredFrom(who))
}

func (s *Service) allowGranular(ctx context.Context, l link.Link, plea *Plea, bars func(inviter, provider partner.TenantID, mailed string) Case) (granular.Request, Case, error) {
	for range maxRounds {
		q, err := s.granularRequest(ctx, l)
		if err != nil || q.Partner.Tenant == "" {
			return granular.Request{}, Unknown, err
		}
		if c := bars(q.Partner.Tenant, "", q.Mail.To); c != "" {
			return q, c, nil
		}
		stopped, err := recipient.Stopped(ctx, s.Ledger, q.Mail.To, q.Partner.Tenant, plea != nil)
		switch {
		case err != nil:
			return q, "", err
		case !stopped && (plea == nil || q.Reported == 0):
			return q, Allowed, nil
		case plea == nil:
			return q, AllowForm, nil
		}
		if err := recipient.Block(ctx, s.Ledger, q.Mail.To, q.Partner.Tenant, nil); err != nil {
			return q, "", err
		}
		// A crash before the write lets the mails through, and sending the form again writes it down.
		after := q.MailAllowed(granular.Entry{At: s.now(), CorrelationID: plea.CorrelationID})
		err = s.Granular.WriteGranular(ctx, granular.Change{Before: &q.Relationship, After: after})
		if !errors.Is(err, granular.ErrConflict) {
			return q, Allowed, err
		}
	}
	return granular.Request{}, "", unavailable(ErrConflict)
}

// granularRequest reads what pages say of a relationship and its partner, as it is stored; of one that nobody was asked for it is empty.
func (s *Service) granularRequest(ctx context.Context, l link.Link) (q granular.Request, err error) {
	r, err := s.Granular.GranularRelationship(ctx, granular.Key{Partner: partner.TenantID(l.Tenant), ID: l.ID}, true)
	if problem.Is(err, problem.NotFound) || err == nil && (r.Mail.To == "" || r.Status == granular.Deleted || l.Generation > r.Generation) {
		return q, nil
	}
	if err != nil {
		return q, err
	}
	account, err := s.Accounts.Account(ctx, r.Key.Partner, false)
	if err != nil {
		return q, err
	}
	cloud, err := s.Clouds.Cloud(r.Cloud)
	return granular.Request{Relationship: r, Partner: account, Portal: cloud}, err
}
