package invitation

import (
	"context"
	"slices"

	"concord/internal/command"
	"concord/internal/problem"
)

// Correct gives an open invitation another recipient. What nobody was asked to mail yet is changed; of what was mailed
// by us the link ends, and a renewed one goes to the new recipient at once. Every step has the command's key, so that
// who repeats it after a crash makes nothing twice. Given is the invitation that stands at the end, which may be a new
// one.
//
// Codes: those of [Service.Revise], [Service.Cancel], [Service.Renew] and [Service.Send]. The new recipient is looked
// at before anything ends: [problem.EmailInvalid], [problem.RecipientSuppressed], [problem.SendingPaused].
func (s *Service) Correct(
	ctx context.Context,
	c command.Command,
	id string,
	r Revision,
) (inv Invitation, replayed bool, err error) {
	account, err := s.inviter(ctx, c.User)
	if err != nil {
		return Invitation{}, false, err
	}
	old, err := s.own(ctx, c.User, id, true)
	if err != nil {
		return Invitation{}, false, err
	}
	f := slices.Clone(c.Findings)
	next := old
	s.recipient(&f, &next, r.RecipientEmail, r.RecipientName)
	if r.RecipientEmail == nil {
		f.Add("/recipientEmail", problem.RecipientEmailRequired, "Say who the invitation is to go to.")
	}
	if err := f.Err(); err != nil {
		return Invitation{}, false, err
	}
	if old.Malleable() {
		return s.Revise(ctx, c, id, Revision{RecipientEmail: r.RecipientEmail, RecipientName: r.RecipientName})
	}
	if err := s.mailable(ctx, account, next); err != nil {
		return Invitation{}, false, err
	}
	step := c
	step.IfVersion = command.AnyVersion
	if ended := old.StatusAt(s.now()); ended != Cancelled {
		if _, _, err := s.Cancel(ctx, c, id, corrected); err != nil {
			return Invitation{}, false, err
		}
	} else if old.CancelReason() != corrected {
		return Invitation{}, false, ended.ended()
	}
	if inv, replayed, err = s.Renew(ctx, step, id); err != nil {
		return inv, replayed, err
	}
	if _, _, err := s.Revise(ctx, step, inv.ID, Revision{RecipientEmail: r.RecipientEmail, RecipientName: r.RecipientName}); err != nil {
		return inv, replayed, err
	}
	sent, _, err := s.Send(ctx, step, inv.ID)
	if err != nil {
		return inv, replayed, err
	}
	return sent, replayed, nil
}

// corrected is why the one before was cancelled.
const corrected = "recipient corrected"

// CheckReason says what is wrong with why an invitation is cancelled; nil for nothing.
func CheckReason(reason string) error {
	var f problem.Findings
	plain(&f, "/reason", reason, MaxReason)
	return f.Err()
}
