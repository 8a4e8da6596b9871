package partner

import (
	"context"
	"errors"
	"slices"

	"concord/internal/contact"
	"concord/internal/problem"
)

// SupportProfile is whom customers of a partner ask for help (rule E3).
type SupportProfile struct {
	Email string
	Phone string
	Name  string // of a person or a team; empty for none
}

// Check gives the profile as it is kept, and finds what is wrong with it at a pointer: an address that cannot be mailed to or is at a webmail
// provider ([problem.WebmailNotAllowed]; domain, 0.34), a phone number or a name that is none. What was not said is looked for elsewhere.
func (p SupportProfile) Check(f *problem.Findings, at string, addresses contact.Addresses) SupportProfile {
	if p.Email != "" {
		email, err := addresses.Check(p.Email)
		note(f, at+"/email", err)
		if name, ok := contact.Webmail(email); ok {
			f.Add(at+"/email", problem.WebmailNotAllowed, "Anybody can have an address at %s: give one at a domain that is a company's own.", name)
		}
		p.Email = email
	}
	if p.Phone != "" && !phone.MatchString(p.Phone) {
		f.Add(at+"/phone", problem.ValidationFailed, "A phone number has 3 to 30 digits, spaces and the signs + ( ) . - /, such as +1 555 0107.")
	}
	if p.Name != "" {
		name, err := contact.Name(p.Name)
		note(f, at+"/name", err)
		p.Name = name
	}
	return p
}

// Require finds what a profile lacks.
func (p SupportProfile) Require(f *problem.Findings, at string) {
	for _, each := range []struct{ name, value string }{{"email", p.Email}, {"phone", p.Phone}} {
		found := func(x problem.Finding) bool { return x.Pointer == at || x.Pointer == at+"/"+each.name }
		if each.value == "" && !slices.ContainsFunc(*f, found) {
			required(f, at+"/"+each.name)
		}
	}
}

// SupportChanged is what the history of an account says of a change of its [SupportProfile], which is the partner's own.
const SupportChanged = "supportProfile"

// Own gives a partner's account to its own people. Codes: [problem.RoleNotPermitted], also for a company without an account.
func (r *Registry) Own(ctx context.Context, u User) (Account, error) {
	if err := u.Permit(ReadCustomers); err != nil {
		return Account{}, err
	}
	return r.own(ctx, u)
}

func (r *Registry) own(ctx context.Context, u User) (Account, error) {
	a, err := r.Store.Account(ctx, u.Tenant, true)
	if problem.Is(err, problem.NotFound) {
		err = problem.New(problem.RoleNotPermitted, "Your company has no partner account.")
	}
	return a, err
}

// ChangeSupport changes whom a partner's customers ask for help; nil is what was not said, and a profile that says the same as before changes
// nothing. Replayed reports that the command's key had made the change. Codes: [problem.RoleNotPermitted], also for a company without an
// account; [problem.IdempotencyKeyReused]; [problem.PreconditionRequired] without a version; [problem.PreconditionFailed]; those of a field.
func (r *Registry) ChangeSupport(ctx context.Context, c Command, p *SupportProfile) (a Account, replayed bool, err error) {
	if err := c.User.Permit(KeepSupport); err != nil {
		return Account{}, false, err
	}
	before, err := r.own(ctx, c.User)
	if err != nil {
		return Account{}, false, err
	}
	now := r.now()
	if was, err := c.replays(now, before, false); was || err != nil {
		return before, was, err
	}
	if err := c.expects(before); err != nil {
		return Account{}, false, err
	}
	f := slices.Clone(c.Findings)
	after := before
	if p != nil {
		after.Support = p.Check(&f, "/supportProfile", r.Addresses)
		p.Require(&f, "/supportProfile")
	} else if len(f) == 0 {
		required(&f, "/supportProfile")
	}
	if err := f.Err(); err != nil || after.Support == before.Support {
		return before, false, err
	}
	after = after.Next(c.entry(now, "", SupportChanged))
	if err := r.Store.WriteAccount(ctx, before, after); err != nil {
		if errors.Is(err, ErrConflict) {
			err = outdated()
		}
		return Account{}, false, err
	}
	return after, false, nil
}
