package recipient

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"concord/internal/command"
	"concord/internal/emailaddr"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/registry"
)

// Suppressions is what suppresses and counts reminders needs of a [Ledger], whose contract it is.
type Suppressions interface {
	Mailings(ctx context.Context, recipient string, strong bool) (Mailings, error)
	Record(ctx context.Context, m Mailings) error
}

// Suppression says since when and why a recipient gets no mail of anybody.
type Suppression struct {
	At     time.Time
	Reason string
}

// Suppress keeps all mail of anybody from where a mail went that was reported to be undeliverable: from the whole
// mailbox when its owner complained, and otherwise from the exact address alone (domain, 0.37).
func Suppress(ctx context.Context, ledger Suppressions, address string, r outbox.Report, now time.Time) error {
	// Neither SES nor we remember what the simulator answers: a rehearsal can be repeated.
	if address == "" || emailaddr.Simulated(address) {
		return nil
	}
	s := &Suppression{At: now.UTC().Truncate(time.Second), Reason: r.Reason}
	complained := r.State == outbox.Complained
	known := exactly(address)
	if complained {
		known = Of(address)
	}
	for range maxRounds {
		m, err := ledger.Mailings(ctx, known, true)
		if err != nil {
			return err
		}
		known := &m.Bounced
		if complained {
			known = &m.Suppressed
		}
		if *known != nil {
			return nil
		}
		m.Version++
		*known = s
		if err := ledger.Record(ctx, m); !errors.Is(err, ErrConflict) {
			return err
		}
	}
	return ErrConflict
}

// Stopped reports whether who has an address has stopped a partner's mails.
func Stopped(ctx context.Context, ledger Suppressions, address string, p partner.TenantID, strong bool) (bool, error) {
	if address == "" {
		return false, nil
	}
	m, err := ledger.Mailings(ctx, Of(address), strong)
	_, blocked := m.Blocked[p]
	return blocked, err
}

// Block keeps a partner's mails from who has an address, or with nil lets them through again. Nobody else's mails are
// touched, and nothing that SES's own reports have ended comes back by this.
func Block(ctx context.Context, ledger Suppressions, address string, p partner.TenantID, why *Suppression) error {
	if address == "" {
		return nil
	}
	for range maxRounds {
		m, err := ledger.Mailings(ctx, Of(address), true)
		if err != nil {
			return err
		}
		if _, blocked := m.Blocked[p]; blocked == (why != nil) {
			return nil
		}
		m.Version++
		m.Blocked = without(m.Blocked, p)
		if why != nil {
			m.Blocked[p] = *why
		}
		if err := ledger.Record(ctx, m); !errors.Is(err, ErrConflict) {
			return err
		}
	}
	return ErrConflict
}

func without(m map[partner.TenantID]Suppression, p partner.TenantID) map[partner.TenantID]Suppression {
	kept := make(map[partner.TenantID]Suppression, len(m)+1)
	for k, v := range m {
		if k != p {
			kept[k] = v
		}
	}
	return kept
}

// Scope says whose mails a suppression keeps from an address.
type Scope string

// A suppression is of everybody's mails or of one partner's.
const (
	AllPartners Scope = "all"
	OnePartner  Scope = "partner"
)

// ScopedSuppression is one suppression of an address (domain, 2.1).
type ScopedSuppression struct {
	Scope   Scope
	Partner partner.TenantID // of [OnePartner]
	Suppression
}

// RemovedSuppression says that the operator has ended a suppression.
type RemovedSuppression struct {
	At            time.Time
	Partner       partner.TenantID // empty for that of all partners
	By            string           // the subject of the operator
	CorrelationID string
	Why           string // the operator's words
}

// Limits of what the operator says when it ends a suppression.
const (
	MaxWhy = registry.MaxWhy
	// maxRemoved bounds what is kept of a recipient.
	maxRemoved = 5
)

// SuppressionRemoval is what the operator does with suppressions.
//
// SES keeps a list of its own for the whole account and says nothing of mail that it does not try because of it, but
// that the address is on it: an address that is there is suppressed again by its next mail, until the operator takes
// it off that list as well.
type SuppressionRemoval struct {
	Ledger    Suppressions
	Addresses emailaddr.Addresses
	Now       func() time.Time
}

// Suppressions gives what keeps mail from an address, that of all partners first. Codes: [problem.RoleNotPermitted],
// those of an address.
func (p SuppressionRemoval) Suppressions(ctx context.Context, u partner.User, findings problem.Findings,
	address *string) ([]ScopedSuppression, error) {
	if err := u.Permit(partner.OperatePartners); err != nil {
		return nil, err
	}
	findings = slices.Clone(findings)
	checked := p.address(&findings, address)
	if err := findings.Err(); err != nil {
		return nil, err
	}
	return p.suppressions(ctx, checked)
}

// suppressions gives what keeps mail from an address: from its mailbox, and from the address itself.
func (p SuppressionRemoval) suppressions(ctx context.Context, address string) ([]ScopedSuppression, error) {
	m, err := p.Ledger.Mailings(ctx, Of(address), true)
	if err != nil {
		return nil, err
	}
	gone, err := bounced(ctx, p.Ledger, address, m, true)
	if err != nil {
		return nil, err
	}
	list := m.suppressions()
	if gone != nil {
		list = slices.Insert(list, 0, ScopedSuppression{Scope: AllPartners, Suppression: *gone})
	}
	return list, nil
}

func (p SuppressionRemoval) address(f *problem.Findings, address *string) string {
	if address == nil {
		f.Add("/address", problem.ValidationFailed, "This field is required.")
		return ""
	}
	checked, err := p.Addresses.Check(*address)
	if err != nil {
		if e, ok := errors.AsType[*problem.Error](err); ok {
			f.Add("/address", e.Code, "%s", e.Detail)
		}
	}
	return checked
}

func (m Mailings) suppressions() (list []ScopedSuppression) {
	for by, s := range m.Blocked {
		list = append(list, ScopedSuppression{Scope: OnePartner, Partner: by, Suppression: s})
	}
	slices.SortFunc(list, func(a, b ScopedSuppression) int {
		return cmp.Or(a.At.Compare(b.At), strings.Compare(string(a.Partner), string(b.Partner)))
	})
	if m.Suppressed != nil {
		list = slices.Insert(list, 0, ScopedSuppression{Scope: AllPartners, Suppression: *m.Suppressed})
	}
	return list
}

// Removal is which suppression is to end. Nil means "not said".
type Removal struct {
	Address       *string
	Scope         *Scope
	Partner       *string // the tenant id, with [OnePartner]
	Why           *string
	CorrelationID string
	Findings      problem.Findings
}

// Remove ends a suppression and gives those that remain. One that is not there is no error: it may have been removed by a
// call whose answer was lost. Codes: [problem.RoleNotPermitted], those of a field.
func (p SuppressionRemoval) Remove(ctx context.Context, u partner.User, l Removal) ([]ScopedSuppression, error) {
	if err := u.Permit(partner.OperatePartners); err != nil {
		return nil, err
	}
	f := slices.Clone(l.Findings)
	address := p.address(&f, l.Address)
	by := l.partner(&f)
	if l.Why == nil {
		f.Add("/reason", problem.ValidationFailed, "Say why.")
	} else if !emailaddr.Line(*l.Why, MaxWhy) {
		f.Add("/reason", problem.ValidationFailed, emailaddr.LineRule, MaxWhy)
	}
	if err := f.Err(); err != nil {
		return nil, err
	}
	removed := RemovedSuppression{At: p.Now().UTC().Truncate(time.Second), Partner: by, By: u.Subject,
		CorrelationID: l.CorrelationID, Why: *l.Why}
	if err := p.remove(ctx, Of(address), address, removed); err != nil {
		return nil, err
	}
	if exact := exactly(address); exact != Of(address) {
		if err := p.remove(ctx, exact, address, removed); err != nil {
			return nil, err
		}
	}
	return p.suppressions(ctx, address)
}

// remove ends what is suppressed under one hash of an address.
func (p SuppressionRemoval) remove(ctx context.Context, known, address string, l RemovedSuppression) error {
	for range maxRounds {
		before, err := p.Ledger.Mailings(ctx, known, true)
		if err != nil {
			return err
		}
		after, was := before.remove(l, known == exactly(address))
		if !was {
			return nil
		}
		if err := p.Ledger.Record(ctx, after); !errors.Is(err, ErrConflict) {
			return err
		}
	}
	return command.Busy()
}

// partner gives whose suppression is meant, empty for that of all.
func (l Removal) partner(f *problem.Findings) partner.TenantID {
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

// remove gives the mailings without a suppression, one version on, and false when it is not there. Exact says that the
// mailings are of the very address that is meant: what bounced is removed there alone.
func (m Mailings) remove(l RemovedSuppression, exact bool) (after Mailings, was bool) {
	after = m
	after.Version++
	if l.Partner == "" {
		was, after.Suppressed = m.Suppressed != nil, nil
		if exact {
			was, after.Bounced = was || m.Bounced != nil, nil
		}
	} else {
		_, was = m.Blocked[l.Partner]
		after.Blocked = without(m.Blocked, l.Partner)
	}
	after.Removed = append(slices.Clone(m.Removed), l)
	after.Removed = after.Removed[max(0, len(after.Removed)-maxRemoved):]
	return after, was
}
