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

// OwnChange is what a partner changes of its own account. Nil is what is not said.
type OwnChange struct {
	Support         *partner.SupportProfile // whom its customers ask for help
	AcceptanceMails *string                 // [partner.AcceptancesDaily] or [partner.AcceptancesEach]
}

// ChangeOwn changes a partner's account as its own people may; what says the same as before changes nothing. Replayed reports that the command's key had made the change. Codes: [problem.RoleNotPermitted], also for a company without an
// account; [problem.IdempotencyKeyReused]; [problem.PreconditionRequired] without a version; [problem.PreconditionFailed]; those of a field.
func (r *Service) ChangeOwn(ctx context.Context, c command.Command, o OwnChange) (a partner.Account, replayed bool, err error) {
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
	after, changed := r.ownChanged(&f, before, o)
	if err := f.Err(); err != nil || len(changed) == 0 {
		return before, false, err
	}
	after = after.Next(entryOf(c, now, "", changed...))
	if err := r.Store.WriteAccount(ctx, before, after); err != nil {
		if errors.Is(err, command.ErrConflict) {
			err = command.Outdated("account")
		}
		return partner.Account{}, false, err
	}
	return after, false, nil
}

// ownChanged gives an account with what is said of it, and the names of what differs.
func (r *Service) ownChanged(f *problem.Findings, a partner.Account, o OwnChange) (after partner.Account, changed []string) {
	after = a
	if p := o.Support; p != nil {
		after.Support = p.Check(f, "/supportProfile", r.Addresses)
		p.Require(f, "/supportProfile")
	}
	if m := o.AcceptanceMails; m != nil {
		after.EachAcceptance = *m == partner.AcceptancesEach
		if *m != after.AcceptanceMails() {
			f.Add("/acceptanceMails", problem.ValidationFailed, "How you are told of acceptances is %s or %s.", partner.AcceptancesDaily,
				partner.AcceptancesEach)
		}
	}
	if o == (OwnChange{}) && len(*f) == 0 {
		f.Require("/supportProfile")
	}
	if after.Support != a.Support {
		changed = append(changed, partner.SupportChanged)
	}
	if after.EachAcceptance != a.EachAcceptance {
		changed = append(changed, partner.AcceptancesChanged)
	}
	return after, changed
}
