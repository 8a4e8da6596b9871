package registry

import (
	"context"
	"errors"
	"slices"

	"concord/internal/command"
	"concord/internal/partner"
	"concord/internal/problem"
)

// Own gives a partner's account to its own people. Codes: [problem.RoleNotPermitted], also for a company without an account.
func (r *Service) Own(ctx context.Context, u partner.User) (partner.Account, error) {
	if err := u.Permit(partner.ReadCustomers); err != nil {
		return partner.Account{}, err
	}
	return r.own(ctx, u)
}

func (r *Service) own(ctx context.Context, u partner.User) (partner.Account, error) {
	a, err := r.Store.Account(ctx, u.Tenant, true)
	if problem.Is(err, problem.NotFound) {
		err = problem.New(problem.RoleNotPermitted, "Your company has no partner account.")
	}
	return a, err
}

// ChangeSupport changes whom a partner's customers ask for help; nil is what was not said, and a profile that says the same as before changes
// nothing. Replayed reports that the command's key had made the change. Codes: [problem.RoleNotPermitted], also for a company without an
// account; [problem.IdempotencyKeyReused]; [problem.PreconditionRequired] without a version; [problem.PreconditionFailed]; those of a field.
func (r *Service) ChangeSupport(ctx context.Context, c command.Command, p *partner.SupportProfile) (a partner.Account, replayed bool, err error) {
	if err := c.User.Permit(partner.KeepSupport); err != nil {
		return partner.Account{}, false, err
	}
	before, err := r.own(ctx, c.User)
	if err != nil {
		return partner.Account{}, false, err
	}
	now := r.now()
	if was, err := replays(c, now, before, false); was || err != nil {
		return before, was, err
	}
	if err := c.Expects(before.Version, "account"); err != nil {
		return partner.Account{}, false, err
	}
	f := slices.Clone(c.Findings)
	after := before
	if p != nil {
		after.Support = p.Check(&f, "/supportProfile", r.Addresses)
		p.Require(&f, "/supportProfile")
	} else if len(f) == 0 {
		f.Require("/supportProfile")
	}
	if err := f.Err(); err != nil || after.Support == before.Support {
		return before, false, err
	}
	after = after.Next(entryOf(c, now, "", partner.SupportChanged))
	if err := r.Store.WriteAccount(ctx, before, after); err != nil {
		if errors.Is(err, command.ErrConflict) {
			err = command.Outdated("account")
		}
		return partner.Account{}, false, err
	}
	return after, false, nil
}
