package invitation_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"concord/internal/invitation"
	"concord/internal/link"
	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/problem"
	"concord/internal/relationship"
	"concord/internal/storetest"
)

// The two tiers of these tests: birch provides, cedar resells.
const (
	birch   partner.TenantID = "0a000000-0000-4000-8000-00000000000b"
	dogwood partner.TenantID = "0a000000-0000-4000-8000-00000000000d"
)

// tiers opens an office with a provider, birch, in partnership with the reseller cedar, and with dogwood, a reseller in none.
func tiers(t *testing.T) *office {
	o := open(t)
	o.store.PutAccount(partner.Account{Tenant: birch, Country: "US", Cloud: "public", Role: partner.IndirectProvider, Status: partner.Active, Locale: "en", DisplayName: "Birch"})
	o.enrol(cedar)
	o.enrol(dogwood)
	o.partner(cedar)
	return o
}

func (o *office) enrol(tenant partner.TenantID, change ...func(*partner.Account)) {
	a := partner.Account{
		Tenant: tenant, Country: "US", Cloud: "public", Role: partner.IndirectReseller, Status: partner.Active, Locale: "en", DisplayName: "Reseller",
		MPA: &partner.Agreement{Version: "1"},
	}
	for _, f := range change {
		f(&a)
	}
	o.store.PutAccount(a)
}

func (o *office) partner(reseller partner.TenantID) partnership.Partnership {
	p, _ := partnership.Establish(nil, partnership.Authorisation{Pair: partnership.Pair{Provider: birch, Reseller: reseller}, At: start})
	o.store.PutPartnership(p)
	return p
}

func (o *office) unpartner() {
	p := o.partner(cedar)
	p, _ = p.Remove(partnership.Entry{At: o.clock, Side: partnership.ProviderSide}, relationship.AttestedText{Version: "1"})
	o.store.PutPartnership(p)
}

func (o *office) partnership(t *testing.T, reseller partner.TenantID) *partnership.Partnership {
	t.Helper()
	p, err := o.store.Partnership(t.Context(), birch, partnership.Pair{Provider: birch, Reseller: reseller}.ID())
	if problem.Is(err, problem.NotFound) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return &p
}

func dual(email string) invitation.Proposal {
	p := to(email)
	p.Kind, p.ProviderTenantID = invitation.DualReseller, new(string(birch))
	return p
}

func partnerWith(email string) invitation.Proposal {
	p := to(email)
	p.Kind = invitation.Partnership
	return p
}

var authorisation = func() invitation.Response {
	r := acceptance
	r.AuthorizeProvider = true
	return r
}()

// Rules D1, D4, D5, D10 and decision 0.14: one link and one answer make two relationships, and the administration goes to the reseller
// alone. Invariant 3: together with the answer.
func TestDualAcceptance(t *testing.T) {
	for name, asks := range map[string]*bool{"by default with administration": nil, "without": new(false)} {
		t.Run(name, func(t *testing.T) {
			o := tiers(t)
			p := dual("lena@larch.example")
			p.RequestDelegatedAdmin = asks
			inv := o.invite(t, by(cedar), p)
			if inv.Provider != birch || inv.RequestDelegatedAdmin != (asks == nil) {
				t.Fatalf("%+v", inv)
			}
			if letter, c := o.look(t, linkOf(inv), nil); c != invitation.Review || letter.Provider.DisplayName != "Birch" {
				t.Fatalf("%s, %+v", c, letter.Provider)
			}
			if _, c := o.answer(t, linkOf(inv), admin(larch), acceptance); c != invitation.AcceptedBy {
				t.Fatal(c)
			}
			reseller, provider := o.relationship(t, cedar, larch.Tenant), o.relationship(t, birch, larch.Tenant)
			if reseller == nil || provider == nil {
				t.Fatalf("%v, %v", reseller, provider)
			}
			dap := map[bool]relationship.Administration{true: relationship.ActiveDAP, false: relationship.NoAdministration}[asks == nil]
			if reseller.Role != relationship.IndirectReseller || reseller.Via != birch || reseller.DelegatedAdmin != dap || reseller.Status != relationship.Active {
				t.Errorf("the reseller's: %+v", reseller)
			}
			if provider.Role != relationship.IndirectProvider || provider.Via != cedar || provider.DelegatedAdmin != relationship.NoAdministration || provider.Status != relationship.Active {
				t.Errorf("the provider's: %+v", provider)
			}
			if reseller.ID == provider.ID || reseller.Invitation != inv.ID || provider.Invitation != inv.ID {
				t.Errorf("ids %s, %s", reseller.ID, provider.ID)
			}
			// Invariant 2: the same answer again makes nothing more.
			if _, c := o.answer(t, linkOf(inv), admin(larch), acceptance); c != invitation.AcceptedBy || o.relationship(t, birch, larch.Tenant).Version != 1 {
				t.Error("answered twice", c)
			}
		})
	}
}

// Invariant 3b: existing rows are kept, and only what is missing is made.
func TestDualCreatesWhatIsMissing(t *testing.T) {
	o := tiers(t)
	kept, _ := relationship.Establish(nil, relationship.Consent{
		Invitation: "inv_before", RelationshipID: "rel_before", Partner: partner.Account{Tenant: birch, Role: partner.IndirectProvider}, Customer: larch, At: start, IdentityCheck: relationship.NotNeeded,
	})
	o.store.PutRelationship(kept)
	inv := o.invite(t, by(cedar), dual("lena@larch.example"))
	if _, c := o.answer(t, linkOf(inv), admin(larch), acceptance); c != invitation.AcceptedBy {
		t.Fatal(c)
	}
	if r := o.relationship(t, birch, larch.Tenant); r.ID != "rel_before" || r.Version != kept.Version || r.Via != "" {
		t.Errorf("the provider's was changed: %+v", r)
	}
	if r := o.relationship(t, cedar, larch.Tenant); r == nil || r.DelegatedAdmin != relationship.ActiveDAP {
		t.Errorf("the reseller's: %+v", r)
	}
	if o.stored(t, inv.Key).Answer.NoChange {
		t.Error("something was granted")
	}
	// All of it stands: the same request for a named customer is refused, an unnamed one succeeds and changes nothing.
	named := dual("lena@larch.example")
	named.CustomerTenantID = new(string(larch.Tenant))
	_, _, err := o.Invite(t.Context(), by(cedar), named)
	code(t, err, problem.RelationshipExists)
	again := o.invite(t, by(cedar), dual("lena@larch.example"))
	if _, c := o.answer(t, linkOf(again), admin(larch), acceptance); c != invitation.AcceptedBy || !o.stored(t, again.Key).Answer.NoChange {
		t.Error("nothing new was granted", c)
	}
	// The administration that was ended is asked for again.
	r := o.relationship(t, cedar, larch.Tenant)
	ended, _ := r.EndAdministration(relationship.Entry{At: o.clock})
	o.store.PutRelationship(ended)
	o.invite(t, by(cedar), named)
}

// Invariant 4: the partnership is looked at when the invitation is made and when it is accepted; a dual invitation that was open when the
// partnership ended is refused, and can still be declined.
func TestDualNeedsThePartnership(t *testing.T) {
	o := tiers(t)
	for name, c := range map[string]struct {
		by   partner.TenantID
		with partner.TenantID
	}{"no partnership": {dogwood, birch}, "the other way round": {birch, cedar}, "no provider at all": {cedar, alder}, "a direct-bill partner": {alder, birch}} {
		p := dual("lena@larch.example")
		p.ProviderTenantID = new(string(c.with))
		_, _, err := o.Invite(t.Context(), by(c.by), p)
		t.Log(name)
		code(t, err, problem.PartnershipRequired)
	}
	inv := o.invite(t, by(cedar), dual("lena@larch.example"))
	o.unpartner()
	if _, c := o.answer(t, linkOf(inv), admin(larch), acceptance); c != invitation.NoPartnership {
		t.Errorf("accepted without a partnership: %s", c)
	}
	if _, c := o.look(t, linkOf(inv), new(admin(larch))); c != invitation.NoPartnership || !c.MayDecline() {
		t.Errorf("shown: %s", c)
	}
	if o.relationship(t, cedar, larch.Tenant) != nil || o.stored(t, inv.Key).Status != invitation.Draft {
		t.Error("something was written")
	}
	_, _, err := o.Renew(t.Context(), by(cedar), inv.ID)
	code(t, err, problem.InvalidTransition)
	o.partner(cedar)
	if _, c := o.answer(t, linkOf(inv), admin(larch), acceptance); c != invitation.AcceptedBy {
		t.Errorf("with the partnership back: %s", c)
	}
}

// hasty ends a partnership right before an answer is stored.
type hasty struct {
	*storetest.Memory
	end func()
}

func (h hasty) Settle(ctx context.Context, s invitation.Settlement) error {
	h.end()
	return h.Memory.Settle(ctx, s)
}

// Invariant 4 at the moment of storing: a partnership that ends between the reading and the writing stops the answer.
func TestPartnershipEndsWhileSomebodyAccepts(t *testing.T) {
	o := tiers(t)
	inv := o.invite(t, by(cedar), dual("lena@larch.example"))
	o.Store = hasty{o.store, o.unpartner}
	if _, c := o.answer(t, linkOf(inv), admin(larch), acceptance); c != invitation.NoPartnership {
		t.Error(c)
	}
	if o.relationship(t, cedar, larch.Tenant) != nil || o.relationship(t, birch, larch.Tenant) != nil || o.stored(t, inv.Key).Status != invitation.Draft {
		t.Error("something was written")
	}
}

// Decision 0.11: reseller and provider must each be allowed, and one failure refuses the whole. Invariant 6, invariant 9.
func TestDualRegionsAndCompanies(t *testing.T) {
	o := tiers(t)
	inv := o.invite(t, by(cedar), dual("marie@maple.example"))
	if _, c := o.answer(t, linkOf(inv), admin(maple), acceptance); c != invitation.OtherRegion {
		t.Errorf("neither is allowed: %s", c)
	}
	abroad := partner.Account{Tenant: birch, Country: "FR", Cloud: "public", Role: partner.IndirectProvider, Status: partner.Active, Locale: "en", DisplayName: "Birch"}
	o.store.PutAccount(abroad)
	other := o.invite(t, by(cedar), dual("lena@larch.example"))
	if _, c := o.answer(t, linkOf(other), admin(larch), acceptance); c != invitation.OtherRegion {
		t.Errorf("the provider is not allowed: %s", c)
	}
	// At creation, where the customer is known.
	known, _ := relationship.Establish(nil, relationship.Consent{RelationshipID: "rel_1", Partner: partner.Account{Tenant: cedar, Role: partner.IndirectReseller}, Customer: larch, At: start, IdentityCheck: relationship.NotNeeded})
	o.store.PutRelationship(known)
	p := dual("lara@larch.example")
	p.CustomerTenantID = new(string(larch.Tenant))
	_, _, err := o.Invite(t.Context(), by(cedar), p)
	code(t, err, problem.RegionNotAllowed)
	abroad.Country, abroad.Status = "US", partner.Suspended
	o.store.PutAccount(abroad)
	_, _, err = o.Invite(t.Context(), by(cedar), p)
	code(t, err, problem.PartnerNotActive)
	if _, c := o.answer(t, linkOf(other), admin(larch), acceptance); c != invitation.InviterNotActive {
		t.Errorf("the provider is suspended: %s", c)
	}
	abroad.Status = partner.Active
	o.store.PutAccount(abroad)
	us := relationship.Customer{Tenant: birch, Domains: []string{"birch.example"}, Country: "US", Cloud: "public"}
	if _, c := o.answer(t, linkOf(other), admin(us), acceptance); c != invitation.OtherTenant {
		t.Errorf("the provider itself: %s", c) // invariant 9
	}
	if _, c := o.answer(t, linkOf(other), admin(agency), acceptance); c != invitation.OtherCloud {
		t.Errorf("another cloud: %s", c)
	}
}

// Invariant 1: one open invitation per inviter, kind, provider and recipient.
func TestSlotsOfKinds(t *testing.T) {
	o := tiers(t)
	o.store.PutAccount(partner.Account{Tenant: elm, Country: "US", Cloud: "public", Role: partner.IndirectProvider, Status: partner.Active, Locale: "en"})
	p, _ := partnership.Establish(nil, partnership.Authorisation{Pair: partnership.Pair{Provider: elm, Reseller: cedar}, At: start})
	o.store.PutPartnership(p)
	first := o.invite(t, by(cedar), dual("lena@larch.example"))
	_, _, err := o.Invite(t.Context(), by(cedar), dual("Lena@larch.example"))
	code(t, err, problem.DuplicateOpenInvitation)
	o.invite(t, by(cedar), to("lena@larch.example"))
	second := dual("lena@larch.example")
	second.ProviderTenantID = new(string(elm))
	o.invite(t, by(cedar), second)
	bound := invitation.Invitation{Kind: invitation.DualReseller, Provider: birch, Customer: larch.Tenant, Bound: true}
	if !strings.HasPrefix(bound.Slot(), invitation.SlotsOf(larch.Tenant)) { // what ends with the relationship (domain, 2.2)
		t.Error(bound.Slot())
	}
	if first.Slot() == "" || first.Slot() == bound.Slot() {
		t.Error("slots")
	}
}

func TestProposalsOfTiers(t *testing.T) {
	for name, c := range map[string]struct {
		by    partner.TenantID
		edit  func(*invitation.Proposal)
		where string
		code  problem.Code
	}{
		"dual without a provider":          {cedar, func(p *invitation.Proposal) { p.ProviderTenantID = nil }, "/providerTenantId", problem.ValidationFailed},
		"dual with no tenant":              {cedar, func(p *invitation.Proposal) { p.ProviderTenantID = new("birch") }, "/providerTenantId", problem.ValidationFailed},
		"its own provider":                 {cedar, func(p *invitation.Proposal) { p.ProviderTenantID = new(string(cedar)) }, "/providerTenantId", problem.SelfInvitation},
		"the provider as the customer":     {cedar, func(p *invitation.Proposal) { p.CustomerTenantID = new(string(birch)) }, "/customerTenantId", problem.SelfInvitation},
		"a provider beside one":            {cedar, func(p *invitation.Proposal) { p.Kind = invitation.Reseller }, "/providerTenantId", problem.ValidationFailed},
		"a partnership with a provider":    {birch, func(p *invitation.Proposal) { p.Kind = invitation.Partnership }, "/providerTenantId", problem.ValidationFailed},
		"a partnership by a reseller (N1)": {cedar, func(p *invitation.Proposal) { p.Kind, p.ProviderTenantID = invitation.Partnership, nil }, "/kind", problem.ValidationFailed},
		"a partnership with administration": {birch, func(p *invitation.Proposal) {
			p.Kind, p.ProviderTenantID, p.RequestDelegatedAdmin = invitation.Partnership, nil, new(true)
		}, "/requestDelegatedAdmin", problem.ValidationFailed},
		"a partnership with oneself (inv. 9)": {birch, func(p *invitation.Proposal) {
			p.Kind, p.ProviderTenantID, p.CustomerTenantID = invitation.Partnership, nil, new(string(birch))
		}, "/customerTenantId", problem.SelfInvitation},
		"a kind that there is not": {cedar, func(p *invitation.Proposal) { p.Kind, p.ProviderTenantID = "friendship", nil }, "/kind", problem.ValidationFailed},
	} {
		t.Run(name, func(t *testing.T) {
			o := tiers(t)
			p := dual("lena@larch.example")
			c.edit(&p)
			_, _, err := o.Invite(t.Context(), by(c.by), p)
			found := findings(err)
			if !slices.ContainsFunc(found, func(f problem.Finding) bool { return f.Pointer == c.where && f.Code == c.code }) {
				t.Errorf("%v: %+v", err, found)
			}
		})
	}
}

func (o *office) look(t *testing.T, l link.Link, who *relationship.Person) (invitation.Letter, invitation.Case) {
	t.Helper()
	letter, c, err := o.Look(t.Context(), l, who, false)
	if err != nil {
		t.Fatal(err)
	}
	return letter, c
}

func code(t *testing.T, err error, want problem.Code) {
	t.Helper()
	if !problem.Is(err, want) {
		t.Errorf("%v, want %s", err, want)
	}
}

func findings(err error) []problem.Finding {
	if p, ok := err.(*problem.Error); ok { //nolint:errorlint // the service gives it as it is
		return p.Findings
	}
	return nil
}

// Rules N1, N4 to N7, R11: an indirect provider asks, the reseller's Global admin accepts with the explicit box, and both directories have
// the partnership with the consent. Rule R7: an admin agent asks (0.1).
func TestPartnershipAcceptance(t *testing.T) {
	o := tiers(t)
	reseller := relationship.Customer{Tenant: dogwood, CompanyName: "Dogwood", Domains: []string{"dogwood.example"}, Country: "US", Cloud: "public"}
	inv := o.invite(t, by(birch), partnerWith("admin@dogwood.example"))
	_, _, err := o.Respond(t.Context(), linkOf(inv), admin(reseller), acceptance)
	if f := findings(err); len(f) != 1 || f[0].Pointer != "/authorizeProvider" || o.partnership(t, dogwood) != nil {
		t.Fatalf("without the box: %v %+v", err, f)
	}
	agent := admin(reseller)
	agent.Roles = []partner.Role{partner.AdminAgent}
	if _, c := o.answer(t, linkOf(inv), agent, authorisation); c != invitation.NotAdmin { // 0.2
		t.Errorf("an admin agent: %s", c)
	}
	if _, c := o.answer(t, linkOf(inv), admin(reseller), authorisation); c != invitation.AcceptedBy {
		t.Fatal(c)
	}
	p := o.partnership(t, dogwood)
	if p == nil || p.Status != partnership.Active || p.ProviderAccess != partnership.Granted || p.Invitation != inv.ID || p.Consent.Hash != acceptance.Consent.Hash || p.History[0].Side != partnership.ResellerSide {
		t.Fatalf("%+v", p)
	}
	if mine, err := o.store.Partnership(t.Context(), dogwood, p.ID()); err != nil || mine.Version != p.Version {
		t.Errorf("the reseller's directory: %+v, %v", mine, err)
	}
	if o.relationship(t, birch, dogwood) != nil {
		t.Error("a partnership is no customer relationship")
	}
	if i := o.stored(t, inv.Key); i.Status != invitation.Accepted || i.Customer != dogwood || i.Answer.NoChange {
		t.Errorf("%+v", i)
	}
	// Named again, nothing new would be granted; unnamed, an acceptance changes nothing (invariant 3b). What the reseller revoked is asked for again (rule N8).
	named := partnerWith("admin@dogwood.example")
	named.CustomerTenantID = new(string(dogwood))
	_, _, err = o.Invite(t.Context(), by(birch), named)
	code(t, err, problem.PartnershipExists)
	again := o.invite(t, by(birch), partnerWith("admin@dogwood.example"))
	if _, c := o.answer(t, linkOf(again), admin(reseller), authorisation); c != invitation.AcceptedBy || !o.stored(t, again.Key).Answer.NoChange || o.partnership(t, dogwood).Version != 1 {
		t.Error("nothing new", c)
	}
	revoked, _ := p.Revoke(partnership.Entry{At: o.clock, Side: partnership.ResellerSide})
	o.store.PutPartnership(revoked)
	third := o.invite(t, by(birch), named)
	if _, c := o.answer(t, linkOf(third), admin(reseller), authorisation); c != invitation.AcceptedBy || o.partnership(t, dogwood).ProviderAccess != partnership.Granted {
		t.Error("asked for again", c)
	}
}

// Rules P6, N12 and X-e: the reseller has to be enrolled, Active and under the MPA; once it is, the same link works.
func TestPartnershipNeedsAnEnrolledReseller(t *testing.T) {
	o := tiers(t)
	gorse := relationship.Customer{Tenant: "0c000000-0000-4000-8000-000000000001", Domains: []string{"gorse.example"}, Country: "US", Cloud: "public"}
	inv := o.invite(t, by(birch), partnerWith("admin@gorse.example"))
	refused := func(why string) {
		t.Helper()
		if _, c := o.answer(t, linkOf(inv), admin(gorse), authorisation); c != invitation.NotEnrolled {
			t.Errorf("%s: %s", why, c)
		}
		if _, c := o.look(t, linkOf(inv), new(admin(gorse))); c != invitation.NotEnrolled || !c.MayDecline() {
			t.Errorf("%s shows %s", why, c)
		}
	}
	refused("no account")
	o.enrol(gorse.Tenant, func(a *partner.Account) { a.MPA = nil })
	refused("MPA unsigned")
	o.enrol(gorse.Tenant, func(a *partner.Account) { a.Status = partner.Pending })
	refused("not active")
	o.enrol(gorse.Tenant, func(a *partner.Account) { a.Role = partner.DirectBill })
	refused("no indirect reseller")
	o.enrol(gorse.Tenant)
	if _, c := o.answer(t, linkOf(inv), admin(gorse), authorisation); c != invitation.AcceptedBy {
		t.Errorf("enrolled: %s", c)
	}
}

// Rule N12 and decision 0.11: where the reseller operates decides which providers it may work with. Invariant 6.
func TestPartnershipRegionsAndClouds(t *testing.T) {
	o := tiers(t)
	o.enrol(dogwood, func(a *partner.Account) { a.Country = "FR" })
	named := partnerWith("admin@dogwood.example")
	named.CustomerTenantID = new(string(dogwood))
	_, _, err := o.Invite(t.Context(), by(birch), named)
	code(t, err, problem.RegionNotAllowed)
	o.enrol(dogwood, func(a *partner.Account) { a.Cloud = "usGov" })
	_, _, err = o.Invite(t.Context(), by(birch), named)
	code(t, err, problem.CloudMismatch)
	inv := o.invite(t, by(birch), partnerWith("admin@dogwood.example"))
	french := relationship.Customer{Tenant: dogwood, Domains: []string{"dogwood.example"}, Country: "FR", Cloud: "public"}
	if _, c := o.answer(t, linkOf(inv), admin(french), authorisation); c != invitation.OtherRegion {
		t.Errorf("another region: %s", c)
	}
	if _, c := o.answer(t, linkOf(inv), admin(relationship.Customer{Tenant: birch, Domains: []string{"birch.example"}, Country: "US", Cloud: "public"}), authorisation); c != invitation.OtherTenant {
		t.Errorf("the provider itself: %s", c)
	}
}

// Decisions 0.1 and 0.2, rule R7: who requests and who accepts a partnership, and the policies that say otherwise.
func TestRolesOfPartnerships(t *testing.T) {
	o := tiers(t)
	_, _, err := o.Invite(t.Context(), by(birch, partner.SalesAgent), partnerWith("admin@dogwood.example"))
	code(t, err, problem.RoleNotPermitted)
	inv := o.invite(t, by(birch), partnerWith("admin@dogwood.example"))
	_, _, err = o.Cancel(t.Context(), by(birch, partner.SalesAgent), inv.ID, "")
	code(t, err, problem.RoleNotPermitted)
	_, _, err = o.Renew(t.Context(), by(birch, partner.SalesAgent), inv.ID)
	code(t, err, problem.RoleNotPermitted)
	o.SalesAgentsRequestPartnerships, o.AdminAgentsAcceptPartnerships = true, true
	if _, _, err := o.Invite(t.Context(), by(birch, partner.SalesAgent), partnerWith("it@dogwood.example")); err != nil {
		t.Error(err)
	}
	agent := admin(relationship.Customer{Tenant: dogwood, Domains: []string{"dogwood.example"}, Country: "US", Cloud: "public"})
	agent.Roles = []partner.Role{partner.AdminAgent}
	if _, c := o.answer(t, linkOf(inv), agent, authorisation); c != invitation.AcceptedBy {
		t.Errorf("with the policy: %s", c)
	}
}

// What was disputed ends for both tiers: the administration of the reseller, and of a partnership the provider's (0.25).
func TestDisputesOfTiers(t *testing.T) {
	o := tiers(t)
	inv := o.invite(t, by(cedar), dual("lena@larch.example"))
	if _, c := o.answer(t, linkOf(inv), admin(larch), acceptance); c != invitation.AcceptedBy {
		t.Fatal(c)
	}
	if _, c, err := o.Dispute(t.Context(), linkOf(inv), &invitation.Plea{Reason: "not-us"}); c != invitation.Disputed || err != nil {
		t.Fatal(c, err)
	}
	for _, p := range []partner.TenantID{cedar, birch} {
		if r := o.relationship(t, p, larch.Tenant); r.IdentityCheck != relationship.Unproven || r.DelegatedAdmin == relationship.ActiveDAP || r.Status != relationship.Active {
			t.Errorf("%s: %+v", p, r)
		}
	}
	reseller := relationship.Customer{Tenant: dogwood, Domains: []string{"dogwood.example"}, Country: "US", Cloud: "public"}
	asked := o.invite(t, by(birch), partnerWith("admin@dogwood.example"))
	if _, c := o.answer(t, linkOf(asked), admin(reseller), authorisation); c != invitation.AcceptedBy {
		t.Fatal(c)
	}
	if _, c, err := o.Dispute(t.Context(), linkOf(asked), &invitation.Plea{Reason: "not-us"}); c != invitation.Disputed || err != nil {
		t.Fatal(c, err)
	}
	if p := o.partnership(t, dogwood); p.Status != partnership.Active || p.ProviderAccess != partnership.Revoked {
		t.Errorf("%+v", p)
	}
}

// G3: an invitation with two tiers is renewed with its terms, and an accepted one where something of it does not stand any more.
func TestRenewalOfTiers(t *testing.T) {
	o := tiers(t)
	inv := o.invite(t, by(cedar), dual("lena@larch.example"))
	o.answer(t, linkOf(inv), admin(larch), acceptance)
	_, _, err := o.Renew(t.Context(), by(cedar), inv.ID)
	code(t, err, problem.RelationshipExists)
	r := o.relationship(t, birch, larch.Tenant)
	removed, _ := r.Remove(relationship.Entry{At: o.clock}, relationship.AttestedText{Version: "1"})
	o.store.PutRelationship(removed)
	again, _, err := o.Renew(t.Context(), by(cedar), inv.ID)
	if err != nil || again.Kind != invitation.DualReseller || again.Provider != birch || !again.RequestDelegatedAdmin {
		t.Fatalf("%v, %+v", err, again)
	}
	o.pass(time.Minute)
	if _, c := o.answer(t, linkOf(again), admin(larch), acceptance); c != invitation.AcceptedBy || o.relationship(t, birch, larch.Tenant).Status != relationship.Active {
		t.Error("renewed", c)
	}
	asked := o.invite(t, by(birch), partnerWith("admin@cedar.example"))
	own := relationship.Customer{Tenant: cedar, Domains: []string{"cedar.example"}, Country: "US", Cloud: "public"}
	o.answer(t, linkOf(asked), admin(own), authorisation)
	_, _, err = o.Renew(t.Context(), by(birch), asked.ID)
	code(t, err, problem.PartnershipExists)
}

// A rehearsal goes the whole way and makes nothing, of either kind.
func TestRehearsalsOfTiers(t *testing.T) {
	o := tiers(t)
	p := dual("success@simulator.amazonses.com")
	p.Sandbox = new(true)
	inv := o.invite(t, by(cedar), p)
	if _, c := o.answer(t, linkOf(inv), admin(larch), acceptance); c != invitation.AcceptedBy || o.relationship(t, birch, larch.Tenant) != nil {
		t.Error("dual", c)
	}
	q := partnerWith("success@simulator.amazonses.com")
	q.Sandbox = new(true)
	asked := o.invite(t, by(birch), q)
	reseller := relationship.Customer{Tenant: dogwood, Domains: []string{"dogwood.example"}, Country: "US", Cloud: "public"}
	if _, c := o.answer(t, linkOf(asked), admin(reseller), authorisation); c != invitation.AcceptedBy || o.partnership(t, dogwood) != nil {
		t.Error("partnership", c)
	}
}

// Decision 0.5, policy delegatedAdminNeedsAdminAgent: off by default, and on for every change of such a request.
func TestDelegatedAdministrationMayNeedAnAdminAgent(t *testing.T) {
	o := open(t)
	p := to("nora@larch.example")
	p.RequestDelegatedAdmin = ptr(true)
	inv, _, err := o.Invite(t.Context(), by(alder, partner.SalesAgent), p)
	if err != nil {
		t.Fatal(err)
	}
	o.DelegatedAdminNeedsAdminAgent = true
	_, _, err = o.Done(t.Context(), by(alder, partner.SalesAgent), inv.ID)
	wantCode(t, err, problem.RoleNotPermitted)
	p.RecipientEmail = ptr("lena@larch.example")
	_, _, err = o.Invite(t.Context(), by(alder, partner.SalesAgent), p)
	wantCode(t, err, problem.RoleNotPermitted)
	if _, _, err = o.Invite(t.Context(), by(alder, partner.AdminAgent), p); err != nil {
		t.Error(err)
	}
	if _, _, err = o.Invite(t.Context(), by(alder, partner.SalesAgent), to("other@larch.example")); err != nil {
		t.Errorf("without administration: %v", err)
	}
}

// Decision 0.26, policy acceptingRoles: off by default, and never for administration.
func TestAcceptingRoles(t *testing.T) {
	for _, c := range []struct {
		on, administration bool
		want               invitation.Case
	}{{false, false, invitation.NotAdmin}, {true, false, invitation.AcceptedBy}, {true, true, invitation.NotAdmin}} {
		o := open(t)
		if c.on {
			o.AcceptingRoles = []partner.Role{partner.AdminAgent}
		}
		p := to("nora@larch.example")
		p.RequestDelegatedAdmin = &c.administration
		inv := o.invite(t, by(alder), p)
		who := admin(larch)
		who.Roles = []partner.Role{partner.AdminAgent}
		if _, got := o.answer(t, linkOf(inv), who, acceptance); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}
