// Package customer is what a partner does with a customer beside asking it: it creates a new one, confirms whom it deals with, gives the
// administration back that it was granted, and ends the relationship.
package customer

import (
	"context"
	"slices"
	"time"

	"concord/internal/command"
	"concord/internal/emailaddr"
	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/problem"
	"concord/internal/relationship"
	"concord/internal/terms"
)

// Service is these use cases over a store.
type Service struct {
	Store    Store
	Accounts partner.Accounts
	// Texts has what is attested on removal (invariant 14).
	Texts     terms.Catalogue
	Register  Register
	Customers relationship.Store
	// Support hands what the partner supports back to the sellers when its relationship ends.
	Support   Support
	Directory Directory
	// Partnerships knows for whom a provider may act (rule P5).
	Partnerships interface {
		Partnership(ctx context.Context, of partner.TenantID, id string) (partnership.Partnership, error)
	}
	// AssociationGrants gives a reseller delegated administration of the customer that its provider creates for it, without asking the
	// customer: policy associationGrantsDelegatedAdmin (0.18).
	AssociationGrants bool
	Grants            GrantSource
	Regions           partner.Regions
	Clouds            partner.Clouds
	Addresses         emailaddr.Addresses
	// Webmail gives the name of the webmail service that an address is of, whose domain is nobody's company; nil for none known.
	Webmail func(address string) (name string, ok bool)
	// Daily is how many customers a partner creates on a day of UTC at most (domain, 0.29); 0 for any number.
	Daily int
	// SubscriptionsStay lets a relationship end over active subscriptions that the remover sold: policy removalNeedsNoActiveSubscription
	// (0.6) turned off.
	SubscriptionsStay bool
	// ResellersKeep denies indirect resellers the removal: policy resellerMayRemoveRelationship (0.7) turned off.
	ResellersKeep bool
	Now           func() time.Time
}

// Store is what the use cases need of a [relationship.Store] and an [invitation.Store], whose contracts it is.
//
// Occupants gives the ids of the invitations that took the slots of a customer last, read strongly, whether or not they have ended or left
// the slot since; none for a customer that no invitation has named by its tenant.
type Store interface {
	// Relationship is that of [relationship.Store].
	Relationship(ctx context.Context, p, customer partner.TenantID) (relationship.Relationship, error)
	// Invitation is that of [invitation.Store].
	Invitation(ctx context.Context, k invitation.Key, strong bool) (invitation.Invitation, error)
	// Occupants gives who took the slots of a customer last, strongly consistent; none is no error.
	Occupants(ctx context.Context, p, customer partner.TenantID) (ids []string, err error)
	// Commit is that of [invitation.Store].
	Commit(ctx context.Context, invitations []invitation.Change, relationships []relationship.Change) error
}

// Change is what is asked for, exactly one of it. Nil means "not said".
type Change struct {
	IdentityConfirmed     *bool              // true: the agent knows that the right company answered (domain, 0.25)
	AllowDelegatedAccess  *bool              // false: the partner's delegated administration ends
	RelationshipToPartner *string            // "none": the relationship ends
	Attestation           *terms.Attestation // what is attested with that
}

// Change carries out a change. What stands already is no error and no new version: a call can be repeated. A removal ends the
// partner's delegated administration and cancels what the partner still asks the customer for, in one step; granular
// administration stays, and nobody is told (rules X2 to X6). Codes: [problem.RoleNotPermitted]; [problem.RelationshipNotFound] for a
// customer with which no relationship is active, for a removal one with which there never was any; [problem.PreconditionRequired],
// [problem.PreconditionFailed]; [problem.ValidationFailed], [problem.AttestationRequired], [problem.AttestationOutdated];
// [problem.AgreementTextNotConfigured], [problem.ActiveSubscriptionsExist].
func (s Service) Change(ctx context.Context, c command.Command, tenant string, change Change) (relationship.Relationship, error) {
	var r relationship.Relationship
	err := command.Retry(func() (err error) {
		r, err = s.once(ctx, c, tenant, change)
		return err
	})
	return r, err
}

func (s Service) once(ctx context.Context, c command.Command, tenant string, change Change) (relationship.Relationship, error) {
	none := relationship.Relationship{}
	if err := c.User.Permit(partner.KeepRelationships); err != nil {
		return none, err
	}
	removes := change.RelationshipToPartner != nil
	var account partner.Account
	if removes {
		var err error
		if account, err = s.remover(ctx, c.User); err != nil {
			return none, err
		}
	}
	before, err := s.standing(ctx, c.User.Tenant, tenant, removes)
	if err != nil {
		return none, err
	}
	// A removal that was carried out is what was asked for, whichever version it was asked of (RFC 9110, 13.1.1; G14).
	gone := before.Status == relationship.Removed
	seen := before.Version
	if gone {
		seen = c.IfVersion
	}
	if err := c.Expects(seen, "customer"); err != nil {
		return none, err
	}
	if err := change.check(c.Findings).Err(); err != nil {
		return none, err
	}
	e := relationship.Entry{At: s.Now().UTC().Truncate(time.Second), By: c.User.Subject, CorrelationID: c.CorrelationID}
	if removes {
		if gone {
			return before, nil
		}
		if s.ResellersKeep && before.Role == relationship.IndirectReseller { // of a partner that sells to others
			return none, resellersKeep()
		}
		return s.remove(ctx, account, before, e, change.Attestation)
	}
	after, changed := before.EndAdministration(e)
	if change.IdentityConfirmed != nil {
		if before.Apart {
			return none, problem.New(problem.CustomerIdentityUnconfirmed, "The company's Global admin confirms this record, on its own page of the portal (/customer).")
		}
		after, changed = before.Confirm(e)
	}
	if !changed {
		return before, nil
	}
	return after, s.Store.Commit(ctx, nil, []relationship.Change{{Before: &before, After: after}})
}

// standing gives the relationship that a change is about.
func (s Service) standing(ctx context.Context, p partner.TenantID, tenant string, removed bool) (relationship.Relationship, error) {
	missing := problem.New(problem.RelationshipNotFound, "There is no active relationship with this customer.")
	id, ok := partner.ParseTenantID(tenant)
	if !ok {
		return relationship.Relationship{}, missing
	}
	r, err := s.Store.Relationship(ctx, p, id)
	if problem.Is(err, problem.NotFound) || err == nil && r.Status != relationship.Active && !removed {
		return relationship.Relationship{}, missing
	}
	return r, err
}

// remover gives the account of a partner that may end its relationships. Whether it is active plays no part: ending is always possible.
func (s Service) remover(ctx context.Context, u partner.User) (partner.Account, error) {
	account, err := s.Accounts.Account(ctx, u.Tenant, false)
	if problem.Is(err, problem.NotFound) {
		return account, partner.NoAccount()
	}
	if err == nil && s.ResellersKeep && !account.Sells() {
		return account, resellersKeep()
	}
	return account, err
}

func resellersKeep() error {
	return problem.New(problem.RoleNotPermitted, "Here an indirect reseller does not end a relationship; ask your provider.")
}

// remove ends a relationship. What was read is the condition of the write, so that nobody accepts in between.
func (s Service) remove(ctx context.Context, account partner.Account, before relationship.Relationship, e relationship.Entry, a *terms.Attestation) (relationship.Relationship, error) {
	none := relationship.Relationship{}
	text, err := a.Text(ctx, s.Texts, terms.RelationshipRemoval, account.Locale, account.Country, e.At)
	if err != nil {
		return none, err
	}
	// An order changes what was read here, so that none comes in between.
	if before.Sold.Active > 0 && !s.SubscriptionsStay {
		return none, problem.New(problem.ActiveSubscriptionsExist, "Suspend the active subscriptions that you sold to this customer first.")
	}
	after, _ := before.Remove(e, relationship.AttestedText{Version: text.Version, Language: text.Language, Hash: text.Hash})
	asked, err := open(ctx, s.Store, before, invitation.Entry{At: e.At, By: e.By, CorrelationID: e.CorrelationID, Why: withdrawn})
	if err != nil {
		return none, err
	}
	return after, end(ctx, s.Support, Ending{Relationship: relationship.Change{Before: &before, After: after}, Invitations: asked})
}

// withdrawn is why an invitation was cancelled, as its timeline says it.
const withdrawn = "relationship removed"

// open gives the ends of what the partner still asks this customer for by its tenant (domain, 2.2). Whom an invitation without a
// tenant is for is known to nobody before its answer.
func open(ctx context.Context, store Store, r relationship.Relationship, e invitation.Entry) (ends []invitation.Change, err error) {
	ids, err := store.Occupants(ctx, r.Partner, r.Customer.Tenant)
	if home := r.Customer.Home(); err == nil && home != "" && home != r.Customer.Tenant { // it was asked by its other id too
		var more []string
		more, err = store.Occupants(ctx, r.Partner, home)
		ids = append(ids, more...)
	}
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		inv, err := store.Invitation(ctx, invitation.Key{Inviter: r.Partner, ID: id}, true)
		switch {
		case problem.Is(err, problem.NotFound):
		case err != nil:
			return nil, err
		case inv.StatusAt(e.At).Open() && !inv.Kind.AsksPartner() && inv.Bound && slices.Contains([]partner.TenantID{r.Customer.Tenant, r.Customer.Home()}, inv.Customer):
			ends = append(ends, invitation.Change{Before: &inv, After: inv.Withdraw(e)})
		}
	}
	return ends, nil
}

func (c Change) check(f problem.Findings) problem.Findings {
	said := 0
	for _, is := range []bool{c.IdentityConfirmed != nil, c.AllowDelegatedAccess != nil, c.RelationshipToPartner != nil} {
		if is {
			said++
		}
	}
	switch {
	case len(f) > 0:
	case said != 1:
		f.Add("", problem.ValidationFailed, "Say one of identityConfirmed: true, allowDelegatedAccess: false and relationshipToPartner: \"none\".")
	case c.Attestation != nil && c.RelationshipToPartner == nil:
		f.Add("/attestation", problem.ValidationFailed, "Only the end of a relationship takes an attestation.")
	case c.IdentityConfirmed != nil && !*c.IdentityConfirmed:
		f.Add("/identityConfirmed", problem.ValidationFailed, "A confirmation cannot be taken back.")
	case c.AllowDelegatedAccess != nil && *c.AllowDelegatedAccess:
		f.Add("/allowDelegatedAccess", problem.ValidationFailed, "Only the customer can grant administration, by accepting a request for it.")
	case c.RelationshipToPartner != nil && *c.RelationshipToPartner != "none":
		f.Add("/relationshipToPartner", problem.ValidationFailed, "A relationship is ended with none; it begins when the customer accepts.")
	case c.RelationshipToPartner != nil:
		c.Attestation.Check(&f)
	}
	return f
}
