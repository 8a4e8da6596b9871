package partner

import (
	"slices"

	"concord/internal/emailaddr"
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
func (p SupportProfile) Check(f *problem.Findings, at string, addresses emailaddr.Addresses) SupportProfile {
	if p.Email != "" {
		email, err := addresses.Check(p.Email)
		f.Note(at+"/email", err)
		if name, ok := emailaddr.Webmail(email); ok {
			f.Add(at+"/email", problem.WebmailNotAllowed,
				"Anybody can have an address at %s: give one at a domain that is a company's own.", name)
		}
		p.Email = email
	}
	if p.Phone != "" {
		f.Note(at+"/phone", emailaddr.Phone(p.Phone))
	}
	if p.Name != "" {
		name, err := emailaddr.Name(p.Name)
		f.Note(at+"/name", err)
		p.Name = name
	}
	return p
}

// Require finds what a profile lacks.
func (p SupportProfile) Require(f *problem.Findings, at string) {
	for _, each := range []struct{ name, value string }{{"email", p.Email}, {"phone", p.Phone}} {
		found := func(x problem.Finding) bool { return x.Pointer == at || x.Pointer == at+"/"+each.name }
		if each.value == "" && !slices.ContainsFunc(*f, found) {
			f.Require(at + "/" + each.name)
		}
	}
}

// SupportChanged is what the history of an account says of a change of its [SupportProfile], which is the partner's own.
const SupportChanged = "supportProfile"

// AcceptancesChanged is the same of [Account.EachAcceptance].
const AcceptancesChanged = "acceptanceMails"

// How a partner's contact is told of acceptances (domain, 0.48).
const (
	AcceptancesDaily = "daily"
	AcceptancesEach  = "each"
)

// AcceptanceMails says how the contact is told of acceptances.
func (a Account) AcceptanceMails() string {
	if a.EachAcceptance {
		return AcceptancesEach
	}
	return AcceptancesDaily
}
