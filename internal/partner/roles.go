package partner

import (
	"cmp"
	"slices"
	"strings"

	"concord/internal/problem"
)

// ProgramRoles are all kinds of partner.
var ProgramRoles = []ProgramRole{DirectBill, IndirectProvider, IndirectReseller}

// Roles gives what the partner is in the programme: first as what it came, then what it has become beside that (domain, 0.34).
func (a Account) Roles() []ProgramRole { return append([]ProgramRole{a.Role}, a.Also...) }

// Has reports whether a role is one of the partner's.
func (a Account) Has(r ProgramRole) bool { return r == a.Role || slices.Contains(a.Also, r) }

// Sells reports whether the partner may order, attest agreements and bring customers along itself, in whichever of its roles: a partner that is
// an indirect reseller alone has a provider for that.
func (a Account) Sells() bool { return a.Has(DirectBill) || a.Has(IndirectProvider) }

// As gives the account as it stands to others while it acts in one role; empty is the first. What it gives is read, and never written.
func (a Account) As(r ProgramRole) Account {
	a.Role, a.Also = cmp.Or(r, a.Role), nil
	return a
}

// AsSeller gives the account as it acts in the first of its roles that sells, and as it is where none does.
func (a Account) AsSeller() Account {
	for _, r := range a.Roles() {
		if r != IndirectReseller {
			return a.As(r)
		}
	}
	return a
}

// Acting gives the role in which a partner acts, of those that fit what it does; none named stands for all. It is the one that was asked for, or
// else the only one that fits. Without a fitting one it is the first role, which whoever decides about it refuses. Findings at /actingRole:
// [problem.ValidationFailed] for a role that the partner does not have or that does not fit, [problem.ActingRoleRequired] where several fit and
// none was named (domain, 0.34).
func (a Account) Acting(f *problem.Findings, asked *ProgramRole, fit ...ProgramRole) ProgramRole {
	const pointer = "/actingRole"
	var may []ProgramRole
	for _, r := range a.Roles() {
		if len(fit) == 0 || slices.Contains(fit, r) {
			may = append(may, r)
		}
	}
	switch {
	case asked != nil && !a.Has(*asked):
		f.Add(pointer, problem.ValidationFailed, "Your company is no such partner: it is %s.", either(a.Roles()))
	case asked != nil && !slices.Contains(may, *asked):
		f.Add(pointer, problem.ValidationFailed, "This is done as %s.", either(fit))
	case asked != nil:
		return *asked
	case len(may) > 1:
		f.Add(pointer, problem.ActingRoleRequired, "Your company has several program roles; say in which one it does this: %s.", either(may))
	case len(may) == 1:
		return may[0]
	}
	return a.Role
}

// either names roles as a sentence does.
func either(roles []ProgramRole) string {
	words := make([]string, len(roles))
	for n, r := range roles {
		words[n] = string(r)
	}
	if n := len(words); n > 1 {
		return strings.Join(words[:n-1], ", ") + " or " + words[n-1]
	}
	return strings.Join(words, "")
}
