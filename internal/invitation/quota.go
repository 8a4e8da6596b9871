package invitation

import (
	"context"
	"errors"
	"time"

	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/recipient"
)

// MaxWait is how long a mail waits for its quota at most.
const MaxWait = 366 * 24 * time.Hour

// slotFor gives when the mail of an invitation may go out: now, or for who is patient the first moment that the limits
// allow.
func (s *Service) slotFor(ctx context.Context, c task, account partner.Account, inv Invitation,
	now time.Time) (time.Time, error) {
	at := now
	if c.patient && c.from.After(now) {
		at = c.from
	}
	for {
		when, err := s.reserve(ctx, account, inv, now, at)
		var wait time.Duration
		if p, ok := errors.AsType[*problem.Error](err); ok {
			switch p.Code {
			case problem.ResendCooldown, problem.RecipientQuotaExceeded, problem.PartnerQuotaExceeded:
				wait = p.RetryAfter
			}
		}
		if !c.patient || wait <= 0 || at.Add(wait).Sub(now) > MaxWait {
			return when, err
		}
		at = at.Add(wait)
	}
}

// mailable says what stands against any mail of an invitation: [problem.SendingPaused], [problem.RecipientSuppressed].
func (s *Service) mailable(ctx context.Context, account partner.Account, inv Invitation) error {
	return recipient.Mailable(ctx, s.Ledger, account, inv.RecipientEmail)
}

// reserve allows the mail of an invitation at a moment that is not in the past, or says what stands against it, as
// [recipient.Quota] does. What was allowed is allowed again for the same moment.
func (s *Service) reserve(ctx context.Context, account partner.Account, inv Invitation, now,
	at time.Time) (time.Time, error) {
	one := recipient.Mailing{Partner: inv.Inviter, Invitation: inv.ID, Generation: inv.Generation, At: at}
	return recipient.Quota{Ledger: s.Ledger, Limits: s.Limits}.Reserve(ctx, account, inv.RecipientEmail, one,
		inv.Mail.SentAt, now)
}

// AllowReminder is [recipient.AllowReminder] for the reminder that the invitation owes.
func (i Invitation) AllowReminder(ctx context.Context, ledger recipient.Suppressions, now time.Time) error {
	one := recipient.Mailing{Partner: i.Inviter, Invitation: i.ID, Generation: i.Generation, Reminder: i.Reminded, At: now}
	return recipient.AllowReminder(ctx, ledger, i.RecipientEmail, one)
}
