package invitation

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"concord/internal/contact"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/registry"
)

// Reputation is told what is said against the mails of a partner; see [registry.Reputation], whose contract it is.
type Reputation interface {
	Complained(ctx context.Context, p partner.TenantID, by string) error
	Bounced(ctx context.Context, p partner.TenantID, mail string) error
}

// voice says who complains: all addresses of one registrable domain are one voice, so that no organisation pauses a partner alone, and
// at a webmail provider each mailbox is (domain, 0.36). It holds no address in clear. Where nobody knows the address any more it is
// the mail that was complained about.
func voice(address, mail string) string {
	if address == "" {
		return mail
	}
	if _, webmail := contact.Webmail(address); webmail {
		return recipientOf(address)
	}
	return hashed(contact.Registered(address))
}

// HoldAgainst holds against a partner that a recipient has reported its mail, as with what SES says. With an error it is
// to be called again; it may be called any number of times for one invitation.
func HoldAgainst(ctx context.Context, r Reputation, i Invitation) error {
	if i.Sandbox {
		return nil
	}
	return Complain(ctx, r, i.Inviter, i.RecipientEmail, i.ID)
}

// Complain holds a complaint about a mail that went to an address against its partner.
func Complain(ctx context.Context, r Reputation, p partner.TenantID, address, mail string) error {
	if r == nil || contact.Simulated(address) {
		return nil
	}
	return r.Complained(ctx, p, voice(address, mail))
}

// HoldReport holds against a partner what SES has reported of a mail that went to an address: a complaint, or that it bounced for good.
func HoldReport(ctx context.Context, r Reputation, p partner.TenantID, address, mail string, report outbox.Report) error {
	switch {
	case report.State == outbox.Complained:
		return Complain(ctx, r, p, address, mail)
	case r == nil || contact.Simulated(address) || report.State != outbox.Bounced || !report.Undeliverable:
		return nil
	default:
		return r.Bounced(ctx, p, mail)
	}
}

// Scope says whose mails a suppression keeps from an address.
type Scope string

// A suppression is of everybody's mails or of one partner's.
const (
	AllPartners Scope = "all"
	OnePartner  Scope = "partner"
)

// Standing is one suppression of an address (domain, 2.1).
type Standing struct {
	Scope   Scope
	Partner partner.TenantID // of [OnePartner]
	Suppression
}

// Lifted says that the operator has ended a suppression.
type Lifted struct {
	At            time.Time
	Partner       partner.TenantID // empty for that of all partners
	By            string           // the subject of the operator
	CorrelationID string
	Why           string // the operator's words
}

// Limits of what the operator says when it ends a suppression.
const (
	MaxWhy = registry.MaxWhy
	// maxLifted bounds what is kept of a recipient.
	maxLifted = 5
)

// Pardon is what the operator does with suppressions (issue: "the operator can see and lift").
//
// SES keeps a list of its own for the whole account and says nothing of mail that it does not try because of it, but that the address
// is on it: an address that is there is suppressed again by its next mail, until the operator takes it off that list as well.
type Pardon struct {
	Ledger    Suppressions
	Addresses contact.Addresses
	Now       func() time.Time
}

// Suppressions gives what keeps mail from an address, that of all partners first. Codes: [problem.RoleNotPermitted], those of an address.
func (p Pardon) Suppressions(ctx context.Context, u partner.User, findings problem.Findings, address *string) ([]Standing, error) {
	if err := u.Permit(partner.OperatePartners); err != nil {
		return nil, err
	}
	findings = slices.Clone(findings)
	checked := p.address(&findings, address)
	if err := findings.Err(); err != nil {
		return nil, err
	}
	return p.standings(ctx, checked)
}

// standings gives what keeps mail from an address: from its mailbox, and from the address itself.
func (p Pardon) standings(ctx context.Context, address string) ([]Standing, error) {
	m, err := p.Ledger.Mailings(ctx, recipientOf(address), true)
	if err != nil {
		return nil, err
	}
	gone, err := bounced(ctx, p.Ledger, address, m, true)
	if err != nil {
		return nil, err
	}
	list := m.standings()
	if gone != nil {
		list = slices.Insert(list, 0, Standing{Scope: AllPartners, Suppression: *gone})
	}
	return list, nil
}

func (p Pardon) address(f *problem.Findings, address *string) string {
	if address == nil {
		f.Add("/address", problem.ValidationFailed, "This field is required.")
		return ""
	}
	checked, err := p.Addresses.Check(*address)
	if err != nil {
		add(f, "/address", err)
	}
	return checked
}

func (m Mailings) standings() (list []Standing) {
	for by, s := range m.Blocked {
		list = append(list, Standing{Scope: OnePartner, Partner: by, Suppression: s})
	}
	slices.SortFunc(list, func(a, b Standing) int {
		return cmp.Or(a.At.Compare(b.At), strings.Compare(string(a.Partner), string(b.Partner)))
	})
	if m.Suppressed != nil {
		list = slices.Insert(list, 0, Standing{Scope: AllPartners, Suppression: *m.Suppressed})
	}
	return list
}

// Lifting is which suppression is to end. Nil means "not said".
type Lifting struct {
	Address       *string
	Scope         *Scope
	Partner       *string // the tenant id, with [OnePartner]
	Why           *string
	CorrelationID string
	Findings      problem.Findings
}

// Lift ends a suppression and gives those that remain. One that is not there is no error: it may have been lifted by a call whose answer
// was lost. Codes: [problem.RoleNotPermitted], those of a field.
func (p Pardon) Lift(ctx context.Context, u partner.User, l Lifting) ([]Standing, error) {
	if err := u.Permit(partner.OperatePartners); err != nil {
		return nil, err
	}
	f := slices.Clone(l.Findings)
	address := p.address(&f, l.Address)
	by := l.partner(&f)
	if l.Why == nil {
		f.Add("/reason", problem.ValidationFailed, "Say why.")
	} else {
		plain(&f, "/reason", *l.Why, MaxWhy)
	}
	if err := f.Err(); err != nil {
		return nil, err
	}
	lifted := Lifted{At: p.Now().UTC().Truncate(time.Second), Partner: by, By: u.Subject, CorrelationID: l.CorrelationID, Why: *l.Why}
	if err := p.lift(ctx, recipientOf(address), address, lifted); err != nil {
		return nil, err
	}
	if exact := exactly(address); exact != recipientOf(address) {
		if err := p.lift(ctx, exact, address, lifted); err != nil {
			return nil, err
		}
	}
	return p.standings(ctx, address)
}

// lift ends what is suppressed under one hash of an address.
func (p Pardon) lift(ctx context.Context, recipient, address string, l Lifted) error {
	for range maxRounds {
		before, err := p.Ledger.Mailings(ctx, recipient, true)
		if err != nil {
			return err
		}
		after, was := before.lift(l, recipient == exactly(address))
		if !was {
			return nil
		}
		if err := p.Ledger.Record(ctx, after); !errors.Is(err, ErrConflict) {
			return err
		}
	}
	return unavailable(ErrConflict)
}

// partner gives whose suppression is meant, empty for that of all.
func (l Lifting) partner(f *problem.Findings) partner.TenantID {
	switch {
	case l.Scope == nil || *l.Scope != AllPartners && *l.Scope != OnePartner:
		f.Add("/scope", problem.ValidationFailed, "The scope must be all or partner.")
	case *l.Scope == AllPartners && l.Partner != nil:
		f.Add("/partnerTenantId", problem.ValidationFailed, "A suppression of all partners must not name one.")
	case *l.Scope == OnePartner && l.Partner == nil:
		f.Add("/partnerTenantId", problem.ValidationFailed, "Say whose emails.")
	case *l.Scope == OnePartner:
		tenant, ok := partner.ParseTenantID(*l.Partner)
		if !ok {
			f.Add("/partnerTenantId", problem.ValidationFailed, "A tenant id must be a UUID.")
		}
		return tenant
	}
	return ""
}

// lift gives the mailings without a suppression, one version on, and false when it is not there. Exact says that the mailings are of the
// very address that is meant: what bounced is lifted there alone.
func (m Mailings) lift(l Lifted, exact bool) (after Mailings, was bool) {
	after = m
	after.Version++
	if l.Partner == "" {
		was, after.Suppressed = m.Suppressed != nil, nil
		if exact {
			was, after.Bounced = was || m.Bounced != nil, nil
		}
	} else {
		after.Blocked = map[partner.TenantID]Suppression{}
		for by, s := range m.Blocked {
			if by == l.Partner {
				was = true
				continue
			}
			after.Blocked[by] = s
		}
	}
	after.Lifted = append(slices.Clone(m.Lifted), l)
	after.Lifted = after.Lifted[max(0, len(after.Lifted)-maxLifted):]
	return after, was
}
