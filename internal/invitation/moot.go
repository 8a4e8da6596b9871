package invitation

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"concord/internal/emailaddr"
	"concord/internal/granular"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/problem"
	"concord/internal/recipient"
	"concord/internal/relationship"
)

// Moot says that a request is not needed any more (domain, 0.40): its company has agreed to all that it asks for in another one. It is no
// status: whoever has the link can still answer, and reads that before. It is not mailed any more.
type Moot struct {
	// Reason is the code with which a mail of it is refused: [problem.RelationshipExists] or [problem.PartnershipExists].
	Reason problem.Code
	Since  time.Time // when the other one was accepted
	// Customer is the tenant that accepted it.
	Customer partner.TenantID
}

// wasMoot is what the timeline says of it.
const wasMoot = "moot"

// made gives an open request as moot. A mail that is owed is not sent any more; one that a mailer holds may be on its way, and is not
// tried again.
func (i Invitation) made(m Moot, now time.Time) Invitation {
	n := i.next()
	n.Moot = &m
	n.Post.Abandon(ReminderNotice)
	if n.Mail.State == outbox.Queued || n.Mail.State == outbox.Waiting {
		n.Mail.State, n.Mail.Owner, n.Mail.At, n.Mail.Reason = outbox.None, "", time.Time{}, wasMoot
		if !n.Mail.SentAt.IsZero() {
			n.Mail.State = outbox.Sent // the one before it
		}
	}
	if n.ExpiresAt.IsZero() && !n.Mail.State.Owed() {
		n.ExpiresAt = now.Add(n.Duration) // the time that its mail would have begun
	}
	n.note(Entry{At: now, Action: wasMoot, By: "mailer", Why: string(m.Reason)})
	return n
}

// Sweep finds what an acceptance has made moot. It is part of what an accepted invitation owes, before the partner is told: so it is done
// however often a process dies on the way, at the latest by cleanup, and costs the answer itself nothing.
type Sweep struct {
	Store         SweepStore
	Relationships interface {
		Relationship(ctx context.Context, p, customer partner.TenantID) (relationship.Relationship, error)
	}
	Partnerships interface {
		Partnership(ctx context.Context, of partner.TenantID, id string) (partnership.Partnership, error)
	}
	Accounts interface {
		Account(ctx context.Context, tenant partner.TenantID, strong bool) (partner.Account, error)
	}
	Granular interface {
		GranularRelationship(ctx context.Context, k granular.Key, strong bool) (granular.Relationship, error)
	}
	Now func() time.Time
}

// SweepStore is what [Sweep] needs of a [Store], whose contract it is.
//
// SlotHolders gives the ids of the invitations that took the slots last whose names begin with a prefix, at most limit of them, whether or not
// they have ended or left the slot since, and where to go on, empty at the end. A slot may take a second to appear.
type SweepStore interface {
	Write(ctx context.Context, c Change) error
	Invitation(ctx context.Context, k Key, strong bool) (Invitation, error)
	SlotHolders(ctx context.Context, p partner.TenantID, prefix, after string, limit int) (ids []string, next string, err error)
}

// How much one call of [Sweep.After] does: so many slots are looked at together, and after so many changes it leaves the rest to the next
// call, which looks anew and writes nothing twice.
const (
	sweepPage = 100
	MaxSwept  = 200
)

// After marks every open request of the partners of an acceptance that it has made moot: by the tenant that is named, and by the domains
// that the company has proven. It gives true when there may be more; then, and with an error, the same call is to be made again. What was
// asked after the acceptance is left alone, and so is what would still grant something (invariant 3b).
func (s Sweep) After(ctx context.Context, accepted Invitation) (more bool, err error) {
	a := accepted.Answer
	if accepted.Status != Accepted || accepted.Sandbox || a == nil {
		return false, nil
	}
	left := MaxSwept
	for _, p := range []partner.TenantID{accepted.Inviter, accepted.Provider} {
		if p == "" {
			continue
		}
		domains, err := s.proven(ctx, p, accepted)
		if err != nil {
			return false, err
		}
		prefixes := []string{SlotsOf(a.Tenant)}
		if accepted.Customer != a.Tenant { // it was created before it had a tenant (0.30)
			prefixes = append(prefixes, SlotsOf(accepted.Customer))
		}
		for _, d := range domains {
			prefixes = append(prefixes, SlotsAt(d))
		}
		for _, prefix := range prefixes {
			if more, err := s.under(ctx, p, prefix, accepted, &left); more || err != nil {
				return more, err
			}
		}
	}
	return false, nil
}

// proven gives the domains that the company of an acceptance has proven to a partner: none where the two have nothing.
func (s Sweep) proven(ctx context.Context, p partner.TenantID, accepted Invitation) ([]string, error) {
	if accepted.Kind.AsksPartner() {
		account, err := s.Accounts.Account(ctx, accepted.Answer.Tenant, false)
		if err != nil || account.VerifiedDomain == "" {
			return nil, ignoreMissing(err)
		}
		return []string{account.VerifiedDomain}, nil
	}
	r, err := s.Relationships.Relationship(ctx, p, accepted.Customer)
	if err != nil || r.Customer.CountrySource == declared && r.Customer.ClaimedBy == "" {
		return nil, ignoreMissing(err)
	}
	return r.Customer.Domains, nil
}

// declared is the source of what a partner has said of a company that it created: that proves nothing (domain, 0.27).
const declared = "partner"

func ignoreMissing(err error) error {
	if problem.Is(err, problem.NotFound) {
		return nil
	}
	return err
}

// under looks at what holds the slots with one prefix.
func (s Sweep) under(ctx context.Context, p partner.TenantID, prefix string, accepted Invitation, left *int) (more bool, err error) {
	for after := ""; ; {
		ids, next, err := s.Store.SlotHolders(ctx, p, prefix, after, sweepPage)
		if err != nil {
			return false, err
		}
		for _, id := range ids {
			if id == accepted.ID {
				continue
			}
			if *left == 0 {
				return true, nil
			}
			changed, err := s.mark(ctx, Key{p, id}, accepted)
			if err != nil {
				return false, err
			}
			if changed {
				*left--
			}
		}
		if after = next; after == "" {
			return false, nil
		}
	}
}

// mark marks one request, if the acceptance has made it moot.
func (s Sweep) mark(ctx context.Context, k Key, accepted Invitation) (changed bool, err error) {
	for round := range maxRounds {
		before, err := s.Store.Invitation(ctx, k, round > 0)
		if err != nil {
			return false, ignoreMissing(err)
		}
		now := s.Now().UTC().Truncate(time.Second)
		if before.Moot != nil || !before.StatusAt(now).Open() || before.Sandbox || before.CreatedAt.After(accepted.Answer.At) {
			return false, nil
		}
		reason, err := s.reason(ctx, before, accepted)
		if err != nil || reason == "" {
			return false, err
		}
		after := before.made(Moot{Reason: reason, Since: accepted.Answer.At, Customer: accepted.Customer}, now)
		if err = s.Store.Write(ctx, Change{Before: &before, After: after}); !errors.Is(err, ErrConflict) {
			return err == nil, err
		}
	}
	return false, ErrConflict
}

// reason says why a request is moot for a company, and is empty where it would still grant something.
func (s Sweep) reason(ctx context.Context, i, accepted Invitation) (problem.Code, error) {
	customer := accepted.Customer
	if i.Bound && i.Customer != customer && i.Customer != accepted.Answer.Tenant {
		return "", nil // it left the slot
	}
	if i.GranularID != "" {
		g, err := s.Granular.GranularRelationship(ctx, granular.Key{Partner: i.Inviter, ID: i.GranularID}, false)
		if err == nil && g.At(s.Now()).Open() || ignoreMissing(err) != nil {
			return "", ignoreMissing(err)
		}
	}
	if i.Kind.AsksPartner() {
		pair := i.pair(customer)
		p, err := s.Partnerships.Partnership(ctx, pair.Provider, pair.ID())
		if err == nil && p.Status == partnership.Active && p.ProviderAccess == partnership.Granted {
			return problem.PartnershipExists, nil
		}
		return "", ignoreMissing(err)
	}
	for _, p := range slices.DeleteFunc([]partner.TenantID{i.Inviter, i.Provider}, func(p partner.TenantID) bool { return p == "" }) {
		r, err := s.Relationships.Relationship(ctx, p, customer)
		if err != nil || !has(&r, i.RequestDelegatedAdmin && p == i.Inviter, i.roleOf(p)) {
			return "", ignoreMissing(err)
		}
	}
	return problem.RelationshipExists, nil
}

// revive lets a request be mailed again that was moot, where what made it so has ended since; otherwise the error has the code of the reason.
func (s *Service) revive(ctx context.Context, account partner.Account, inv *Invitation) error {
	if inv.Moot == nil {
		return nil
	}
	named := *inv
	named.Customer, named.Bound = inv.Moot.Customer, true
	if err := s.target(ctx, account, &named); err != nil {
		return err
	}
	inv.Moot = nil
	return nil
}

// already reports whether an acceptance by a company would grant nothing new: then the page says so before it is asked (0.40).
func (s *Service) already(ctx context.Context, t Letter, tenant partner.TenantID) (bool, error) {
	inv := t.Invitation
	if inv.Sandbox || t.Asks(s.now()) != nil {
		return false, nil
	}
	if inv.Kind.AsksPartner() {
		p, err := s.standingPartnership(ctx, inv.pair(tenant))
		return p != nil && p.Status == partnership.Active && p.ProviderAccess == partnership.Granted, err
	}
	for _, to := range t.receivers() {
		standing, err := s.standing(ctx, to.Tenant, tenant)
		if err != nil || !has(standing, inv.RequestDelegatedAdmin && to.Tenant == inv.Inviter, inv.roleOf(to.Tenant)) {
			return false, err
		}
	}
	return true, nil
}

// SlotsAt is what the slots of all requests begin with that name no customer by its tenant and go to addresses of one domain, which they do
// not hold in clear.
func SlotsAt(domain string) string {
	_, domain, _ = strings.Cut(emailaddr.Normalise("@"+domain), "@")
	return "D#" + recipient.Hash(domain)[:16] + "#"
}

// roleOf gives in which role a partner of a request gets its relationship.
func (i Invitation) roleOf(p partner.TenantID) partner.ProgramRole {
	if p == i.Provider {
		return partner.IndirectProvider
	}
	return i.ActingRole
}
