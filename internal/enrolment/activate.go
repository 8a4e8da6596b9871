package enrolment

import (
	"context"
	"slices"
	"time"

	"concord/internal/contact"
	"concord/internal/partner"
	"concord/internal/problem"
)

// activateStanding makes a fast track active at once where PartnerID and agreement stand already (domain, 2.2).
func (s *Service) activateStanding(ctx context.Context, c Command, ch *Change, now time.Time) error {
	if ch.After.Location == nil || ch.After.MPA == nil {
		return nil
	}
	account, err := s.account(ctx, c, ch.After, now)
	if err != nil {
		return err
	}
	ch.Account = account
	ch.After.reach(now, Active)
	ch.After.History[len(ch.After.History)-1].Why = string(Active)
	return nil
}

// account gives what an active enrolment makes of the partner account: a new one of an indirect reseller, or the one that there is, which
// keeps its role and becomes active.
func (s *Service) account(ctx context.Context, c Command, e Enrolment, now time.Time) (*partner.AccountChange, error) {
	id := partner.PartnerID{ID: e.Location.ID, Type: e.Location.Type, Country: e.Location.Country, OnboardingLocation: true}
	line := partner.Entry{At: now, By: c.User.Subject, CorrelationID: c.CorrelationID, Why: e.ID}
	before, err := s.Accounts.Account(ctx, e.Tenant, true)
	if problem.Is(err, problem.NotFound) {
		a := partner.Account{
			Tenant: e.Tenant, DisplayName: e.Legal.Name, Role: partner.IndirectReseller, Cloud: e.Cloud, Country: e.Home(),
			PartnerIDs: []partner.PartnerID{id}, AssociatedPartnerID: id.ID, Status: partner.Active, MPA: e.MPA, Contact: e.reached(),
			VerifiedDomain: contact.Registered(e.Contact.Email), Locale: e.Locale, CreatedAt: now, History: []partner.Entry{line}, Version: 1,
		}
		return &partner.AccountChange{After: a}, nil
	}
	if err != nil {
		return nil, err
	}
	if before.Status == partner.Suspended || before.Status == partner.Rejected {
		return nil, problem.New(problem.PartnerNotActive, "The partner account is %s.", before.Status)
	}
	after := before
	if !slices.ContainsFunc(before.PartnerIDs, func(p partner.PartnerID) bool { return p.ID == id.ID }) {
		after.PartnerIDs = append(slices.Clone(before.PartnerIDs), id)
		line.Changed = append(line.Changed, "partnerIds")
	}
	if after.AssociatedPartnerID != id.ID {
		after.AssociatedPartnerID = id.ID
		line.Changed = append(line.Changed, "associatedPartnerId")
	}
	if after.MPA == nil {
		after.MPA = e.MPA
		line.Changed = append(line.Changed, "mpa")
	}
	if after.Status != partner.Active {
		after.Status = partner.Active
		line.Changed = append(line.Changed, "status="+string(partner.Active))
	}
	if len(line.Changed) == 0 {
		return nil, nil
	}
	return &partner.AccountChange{Before: &before, After: after.Next(line)}, nil
}

// reached is how the customers of a new reseller reach it: the support contact, or else the primary contact.
func (e Enrolment) reached() partner.Contact {
	if e.Support.Email != "" {
		return partner.Contact{Email: e.Support.Email, Phone: e.Support.Phone, Website: e.Support.Website}
	}
	return partner.Contact{Email: e.Contact.Email, Phone: e.Contact.Phone}
}
