package invitation

import (
	"cmp"
	"context"
	"slices"

	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/problem"
	"concord/internal/publicid"
	"concord/internal/relationship"
)

// pair gives who the partnership is between that a request is about: the one that a dual invitation needs, or the one that is asked for.
func (i Invitation) pair(answering partner.TenantID) partnership.Pair {
	if i.Kind.AsksPartner() {
		return partnership.Pair{Provider: i.Inviter, Reseller: answering}
	}
	return partnership.Pair{Provider: i.Provider, Reseller: i.Inviter}
}

// mayAsk checks whether a user may make or change an invitation of a kind, which may ask for delegated administration (domain, 0.1, 0.5). Code: [problem.RoleNotPermitted].
func (s *Service) mayAsk(u partner.User, k Kind, administration bool) error {
	if administration && s.DelegatedAdminNeedsAdminAgent {
		return u.Permit(partner.RequestAdministration)
	}
	if k.AsksPartner() && !s.SalesAgentsRequestPartnerships {
		return u.Permit(partner.RequestPartnerships)
	}
	return u.Permit(partner.InviteCustomers)
}

// tiers checks what a proposal says of the second tier, and fills in what was not said.
func (s *Service) tiers(f *problem.Findings, account partner.Account, inv *Invitation, p Proposal) {
	k := kinds[p.Kind]
	switch {
	case k.only != "" && !p.Kind.FitsFor(account):
		f.Add("/kind", problem.ValidationFailed, "%s", k.only)
	case k.partners && p.RequestDelegatedAdmin != nil && *p.RequestDelegatedAdmin:
		f.Add("/requestDelegatedAdmin", problem.ValidationFailed, "A partnership cannot ask for delegated administration.")
	case k.provider && p.ProviderTenantID == nil:
		f.Add("/providerTenantId", problem.ValidationFailed, "A dual invitation must name your indirect provider.")
	}
	if p.ProviderTenantID == nil {
		return
	}
	provider, ok := partner.ParseTenantID(*p.ProviderTenantID)
	switch {
	case !k.provider:
		f.Add("/providerTenantId", problem.ValidationFailed, "Only a dual invitation can name a provider.")
	case !ok:
		f.Add("/providerTenantId", problem.ValidationFailed, "A tenant id must be a UUID.")
	case provider == account.Tenant:
		f.Add("/providerTenantId", problem.SelfInvitation, "A partner cannot be its own provider.")
	case inv.Bound && provider == inv.Customer:
		f.Add("/customerTenantId", problem.SelfInvitation, "A provider cannot be invited to be its own customer.")
	default:
		inv.Provider = provider
	}
}

// standingPartnership gives the partnership of a pair, nil for none.
func (s *Service) standingPartnership(ctx context.Context, p partnership.Pair) (*partnership.Partnership, error) {
	found, err := s.Partnerships.Partnership(ctx, p.Provider, p.ID())
	if problem.Is(err, problem.NotFound) {
		return nil, nil
	}
	return &found, err
}

// partnered checks that the partnership which a dual invitation needs is active (invariant 4). Codes: [problem.PartnershipRequired],
// [problem.PartnerNotActive] for a provider that is not.
func (s *Service) partnered(ctx context.Context, inv Invitation) (provider partner.Account, err error) {
	required := problem.New(problem.PartnershipRequired, "You have no active partnership with this provider.")
	p, err := s.standingPartnership(ctx, inv.pair(""))
	switch {
	case err != nil:
		return provider, err
	case p == nil || p.Status != partnership.Active:
		return provider, required
	}
	provider, err = s.Accounts.Account(ctx, inv.Provider, false)
	switch {
	case problem.Is(err, problem.NotFound):
		return provider, required
	case err == nil && provider.Status != partner.Active:
		return provider, problem.New(problem.PartnerNotActive, "The account of your provider is not active.")
	}
	return provider, err
}

// dualTarget checks a dual invitation: the partnership, the regions of both where the customer is known, and that something new would be
// granted (invariants 3b, 4, 5).
func (s *Service) dualTarget(ctx context.Context, account partner.Account, inv *Invitation) error {
	provider, refused := s.partnered(ctx, *inv)
	if refused != nil && problem.CodeOf(refused) != problem.PartnershipRequired || !inv.Bound {
		return refused
	}
	own, err := s.standing(ctx, inv.Inviter, inv.Customer)
	if err == nil && own == nil && refused == nil {
		err = s.named(ctx, inv)
	}
	if err != nil || own == nil {
		return firstOf(err, refused)
	}
	inv.Customer = own.Customer.Tenant // by whichever id it was named
	if err := s.Regions.Check(account.Country, own.Customer.Country); err != nil {
		return err
	}
	if refused != nil {
		return refused
	}
	if err := s.Regions.Check(provider.Country, own.Customer.Country); err != nil { // one failure refuses the whole (0.11)
		return err
	}
	inv.RegionTable = s.Regions.Version
	theirs, err := s.standing(ctx, inv.Provider, inv.Customer)
	if err != nil {
		return err
	}
	if has(own, inv.RequestDelegatedAdmin, inv.ActingRole) && has(theirs, false, partner.IndirectProvider) {
		return errStands
	}
	return nil
}

// partnershipTarget checks a request for a partnership with a company that is named: clouds and regions where it is known as a partner
// (rule N12), and that something new would be granted. Whether it is enrolled is looked at when it answers: it can be until then.
func (s *Service) partnershipTarget(ctx context.Context, account partner.Account, inv *Invitation) error {
	if !inv.Bound {
		return nil
	}
	if err := s.named(ctx, inv); err != nil {
		return err
	}
	reseller, err := s.Accounts.Account(ctx, inv.Customer, false)
	if problem.Is(err, problem.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if reseller.Cloud != inv.Cloud {
		return problem.New(problem.CloudMismatch, "This company is in another cloud.")
	}
	if err := s.Regions.CheckPartnership(account.Country, reseller.Country); err != nil {
		return err
	}
	inv.RegionTable = s.Regions.Version
	p, err := s.standingPartnership(ctx, inv.pair(inv.Customer))
	if err != nil {
		return err
	}
	if p != nil && p.Status == partnership.Active && p.ProviderAccess == partnership.Granted {
		return problem.New(problem.PartnershipExists, "What this would ask for is already in place.")
	}
	return nil
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// has reports whether all that would be asked for in a role stands.
func has(r *relationship.Relationship, administration bool, as partner.ProgramRole) bool {
	return r != nil && r.Status == relationship.Active && (!administration || r.DelegatedAdmin == relationship.ActiveDAP) && !r.Rises(as)
}

var errStands = problem.New(problem.RelationshipExists, "What this would ask for is already in place.")

// backdrop is what a request with two tiers rests on beside itself and who signed in.
type backdrop struct {
	partnership *partnership.Partnership // that of [Invitation.pair]; nil for none
	reseller    partner.Account          // of a request for a partnership: who answers; zero without an account
	identity    relationship.Identity    // which company answers
}

// backdropOf reads it, where the case can depend on it.
func (s *Service) backdropOf(ctx context.Context, inv Invitation, who *relationship.Person, strong bool) (b backdrop, err error) {
	if who == nil || !inv.Status.Open() {
		return b, nil
	}
	if inv.Bound && inv.Customer != who.Company.Tenant {
		if b.identity, err = s.recognise(ctx, inv, *who, inquiry{strong: strong}); err != nil {
			return b, err
		}
	}
	if kinds[inv.Kind].lacks == nil {
		return b, nil
	}
	if b.partnership, err = s.standingPartnership(ctx, inv.pair(who.Company.Tenant)); err != nil || !inv.Kind.AsksPartner() {
		return b, err
	}
	b.reseller, err = s.Accounts.Account(ctx, who.Company.Tenant, strong)
	if problem.Is(err, problem.NotFound) {
		return b, nil
	}
	return b, err
}

// inquiry says for what somebody is recognised.
type inquiry struct {
	entry   relationship.Entry
	refuses bool
	strong  bool
}

// recognise says which company answers a request. What concerns partners alone is none of a customer's, and a rehearsal tells nothing.
func (s *Service) recognise(ctx context.Context, inv Invitation, who relationship.Person, q inquiry) (relationship.Identity, error) {
	asked := relationship.Inquiry{Company: who.Company, Refuses: q.refuses || inv.Sandbox, Entry: q.entry, Strong: q.strong}
	if inv.Bound {
		asked.Bound = inv.Customer
	}
	if asked.Partners = []partner.TenantID{inv.Inviter}; inv.Provider != "" {
		asked.Partners = append(asked.Partners, inv.Provider)
	}
	asked.Refuses = asked.Refuses || inv.Kind.AsksPartner()
	id, err := s.Recognition.Recognise(ctx, asked)
	if inv.Sandbox {
		id.Learnt = nil
	}
	return id, err
}

// barred gives the case of a company that may not claim what it is asked for; empty for one that may.
func (b backdrop) barred() Case {
	switch {
	case b.identity.Barred == nil:
		return ""
	case problem.Is(b.identity.Barred, problem.CloudMismatch):
		return OtherCloud
	default:
		return OtherRegion
	}
}

// lacks gives what a request with two tiers lacks; empty for nothing.
func (b backdrop) lacks(k Kind) Case {
	if lacks := kinds[k].lacks; lacks != nil {
		return lacks(b)
	}
	return ""
}

// sameRegion checks the countries of everybody (domain, 0.11).
func (s *Service) sameRegion(t Letter, country string) error {
	return kinds[t.Invitation.Kind].regions(s.Regions, t, country)
}

// Vouched reports whether everybody who asks may: the accounts of those who ask are active. Of others nothing is said that vouches for them
// (0.43).
func (t Letter) Vouched() bool { return t.Barred() == nil }

// Barred gives the account of who asks and is not active, the partner's before the provider's; nil for nobody.
func (t *Letter) Barred() *partner.Account {
	switch {
	case t.Inviter.Status != partner.Active:
		return &t.Inviter
	case t.Invitation.Kind.NamesProvider() && t.Provider.Status != partner.Active:
		return &t.Provider
	}
	return nil
}

// mayAnswer reports whether somebody may answer for the own company (domain, 0.2, 0.26).
func (s *Service) mayAnswer(inv Invitation, roles []partner.Role) bool {
	has := func(r partner.Role) bool { return slices.Contains(roles, r) }
	switch {
	case has(partner.GlobalAdmin):
		return true
	case inv.Kind.AsksPartner():
		return s.AdminAgentsAcceptPartnerships && has(partner.AdminAgent)
	default: // who is no Global admin gives nobody administration, and signs nothing
		return !inv.RequestDelegatedAdmin && inv.GranularID == "" && !s.NeedsAgreement && slices.ContainsFunc(s.AcceptingRoles, has)
	}
}

// acceptance is what an acceptance changes, and what became of it.
type acceptance struct {
	relationships []relationship.Change
	partnership   *partnership.Change
	stands        *partnership.Pair
	made          bool             // something new was granted
	unproven      bool             // of a relationship that was: the company does not own the domain that was invited
	customer      partner.TenantID // the id under which the company is kept; empty for none
	discovery     relationship.Discovery
	learnt        []relationship.DomainChange // is told before
}

// grant gives what the acceptance of a request changes. Standing are the relationships of those who get one, in the order of receivers.
func (s *Service) grant(t Letter, b backdrop, standing []*relationship.Relationship, who relationship.Person, g Given, signs *relationship.Signature, correlationID string) (is acceptance) {
	is.discovery, is.learnt = b.identity.Discovery, b.identity.Learnt
	if t.Invitation.Kind.AsksPartner() {
		s.grantPartnership(&is, t.Invitation, b, who, g, correlationID)
		return is
	}
	is.customer = kept(b.identity, standing, t.receivers())
	for n, to := range t.receivers() {
		s.grantRelationship(&is, t.Invitation, to, b, standing[n], who, g, signs, correlationID)
	}
	for _, row := range b.identity.Rows {
		if !slices.ContainsFunc(is.relationships, func(c relationship.Change) bool { return same(c.After, row.After) }) {
			is.relationships = append(is.relationships, row)
		}
	}
	if t.Invitation.Kind.NamesProvider() {
		pair := t.Invitation.pair("")
		is.stands = &pair
	}
	return is
}

// grantPartnership is [Service.grant] for who authorises its provider.
func (s *Service) grantPartnership(is *acceptance, inv Invitation, b backdrop, who relationship.Person, g Given, correlationID string) {
	after, granted := partnership.Establish(b.partnership, partnership.Authorisation{
		Pair: inv.pair(who.Company.Tenant), Consent: partnership.Consent(g.Consent), Invitation: inv.ID, RegionTable: s.Regions.Version, At: g.At,
		By: g.Subject, CorrelationID: correlationID,
	})
	if granted {
		is.partnership, is.made = &partnership.Change{Before: b.partnership, After: after}, true
	}
}

// grantRelationship is [Service.grant] for one partner that gets a relationship with a customer, which may claim a record by it. Standing is
// what the two have; nil for nothing.
func (s *Service) grantRelationship(
	is *acceptance, inv Invitation, to partner.Account, b backdrop, standing *relationship.Relationship, who relationship.Person, g Given, signs *relationship.Signature, correlationID string,
) {
	before, stands := standing, standing
	row, claimed := b.identity.Row(to.Tenant)
	if claimed {
		before, stands = row.Before, &row.After
	}
	kept := is.customer
	if stands != nil {
		kept = stands.Customer.Tenant
	}
	consent := relationship.Consent{
		Invitation: inv.ID, RelationshipID: publicid.Random("rel_"), Partner: to, Customer: who.Company.KeptAs(kept),
		DelegatedAdmin: inv.RequestDelegatedAdmin && to.Tenant == inv.Inviter, // the reseller only (0.14)
		IdentityCheck:  relationship.CheckIdentity(who.Company, inv.RecipientEmail),
		RegionTable:    s.Regions.Version, At: g.At, By: g.Subject, CorrelationID: correlationID,
	}
	if inv.Kind.NamesProvider() {
		consent.Via = inv.pair("").With(to.Tenant)
	}
	made, granted := relationship.Establish(stands, consent)
	change := relationship.Change{Before: before, After: made}
	if signs != nil && (granted || to.Tenant == inv.Inviter) {
		change.After.AgreementSigned = true
		if to.Tenant == inv.Inviter {
			change.Signed = signs
		}
		if !granted { // the relationship stands as it did, but for this
			change.After.Version++
		}
	}
	if claimed {
		change.After.Version = before.Version + 1 // one write, whatever it does
	}
	if granted || change.Signed != nil || claimed {
		is.relationships = append(is.relationships, change)
	}
	is.made, is.unproven = is.made || granted, is.unproven || granted && made.IdentityCheck == relationship.Unproven
}

func same(a, b relationship.Relationship) bool {
	return a.Partner == b.Partner && a.Customer.Tenant == b.Customer.Tenant
}

// kept gives the id under which the company gets new relationships: that of one with who asks, so that two tiers meet in one customer.
func kept(id relationship.Identity, standing []*relationship.Relationship, receivers []partner.Account) partner.TenantID {
	for n, to := range receivers {
		if row, ok := id.Row(to.Tenant); ok {
			return row.After.Customer.Tenant
		}
		if standing[n] != nil {
			return standing[n].Customer.Tenant
		}
	}
	return id.ID
}

// receivers are the partners that get a relationship with the customer who accepts.
func (t Letter) receivers() []partner.Account {
	switch k := t.Invitation.Kind; {
	case k.AsksPartner():
		return nil
	case k.NamesProvider():
		return []partner.Account{t.Inviter, t.Provider}
	default:
		return []partner.Account{t.Inviter}
	}
}

// settle stores an answer with all that it changes, and before it whose domains the answer told.
func (s *Service) settle(ctx context.Context, c Change, is acceptance) error {
	if len(is.learnt) > 0 {
		if learned, err := s.Recognition.Companies.Learn(ctx, is.learnt); err != nil || !learned {
			return cmp.Or(err, ErrConflict)
		}
	}
	switch {
	case is.partnership != nil || is.stands != nil || !is.discovery.Empty():
		return s.Store.Settle(ctx, Settlement{Invitation: c, Relationships: is.relationships, Partnership: is.partnership, Stands: is.stands, Discovery: is.discovery})
	case len(is.relationships) > 0:
		return s.Store.Commit(ctx, []Change{c}, is.relationships)
	default:
		return s.Store.Write(ctx, c)
	}
}
