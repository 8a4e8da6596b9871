package customer

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"concord/internal/command"
	"concord/internal/commerce"
	"concord/internal/emailaddr"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/link"
	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/problem"
	"concord/internal/publicid"
	"concord/internal/relationship"
)

// Portal is what a Global admin of a company does for it beside answering. It sees every right that anybody holds over the company: as its
// partner, in its directory by roles, and where it is an indirect reseller in its own account; it takes each of them back, also where
// the relationship is gone (domain, 2.2, 2.4; rules N8, X4). It sees what was sold and who supports it (rules B4, B5), and what was
// signed, and signs.
type Portal struct {
	Store       Store
	Register    Register
	Accounts    partner.Accounts
	Purchases   Purchases
	Recognition relationship.Recognition
	Granular    Granular
	Tiers       Tiers
	// Requests finds what the company is asked, and Answers shows it; both are nil where nothing is answered.
	Requests Requests
	Answers  Answers
	// Signing is the customer agreement; nil where nothing is signed here.
	Signing   *commerce.Signing
	Addresses emailaddr.Addresses
	// Evidence is for how long a signature is kept with the names of who gave it (0.23).
	Evidence time.Duration
	// Support has what the end of a relationship falls back to (0.44).
	Support Support
	// MayLeave lets the customer end the relationship itself, too: policy customerMayEndRelationship (0.45).
	MayLeave bool
	Now      func() time.Time
}

// Granular is granular administration as the customer has it. Its contract is that of [granular.Service].
type Granular interface {
	Given(ctx context.Context, customer partner.TenantID) ([]granular.Relationship, error)
	Look(ctx context.Context, l link.Link, who *relationship.Person) (granular.Request, granular.Case, error)
	End(ctx context.Context, l link.Link, who relationship.Person, correlationID string) (granular.Request, granular.Case, error)
}

// Tiers are the partnerships of a company that is an indirect reseller. Its contract is that of [partnership.Service].
type Tiers interface {
	Partnership(ctx context.Context, u partner.User, id string) (partnership.Seen, error)
	Partnerships(ctx context.Context, u partner.User, q partnership.Query) (list []partnership.Seen, next string, err error)
	RevokeAccess(ctx context.Context, c command.Command, id string) (partnership.Seen, error)
}

// Purchases says what a company has bought and signed. Its contracts are those of [commerce.SubscriptionStore] and
// [commerce.AgreementStore].
type Purchases interface {
	ListSubscriptions(ctx context.Context, v commerce.View, page commerce.Page) (commerce.SubscriptionPage, error)
	WriteSubscription(ctx context.Context, c commerce.SubscriptionChange, r *relationship.Change) error
	Agreements(ctx context.Context, customer, attestedBy partner.TenantID) ([]commerce.Agreement, error)
}

// Partner is a partner of the company, with what stands between them.
type Partner struct {
	partner.Account
	// Relationship is the zero one where there never was any, and may have ended.
	Relationship relationship.Relationship
	// Granular is what the partner administers by roles, now.
	Granular []granular.Relationship
	// Subscriptions are the newest that the partner has sold, at most [MaxSubscriptions], and More says that there are others.
	Subscriptions []Subscription
	More          bool
	// Attested is the newest customer agreement that the partner says the company has signed; nil for none.
	Attested *commerce.Agreement
}

// MaxSubscriptions is how many subscriptions of one partner are shown.
const MaxSubscriptions = 100

// Subscription is something that the company has bought.
type Subscription struct {
	commerce.Subscription
	// Contact is the name of whom the company turns to (rule B4), and Supporter of who supports it (rule B5).
	Contact, Supporter string
}

// Overview is what a company has here.
type Overview struct {
	Partners []Partner
	// Past are those whose relationship has ended and that hold nothing any more.
	Past []Partner
	// Providers are the indirect providers that administer the company's own account (rule N7), in partnership with it or not any more.
	Providers []partnership.Seen
	// Signed is the newest customer agreement that the company has signed here itself; nil for none.
	Signed *commerce.Agreement
	// Found are records that partners created under a domain of the company, and that nobody has spoken for.
	Found []Found
	// Offered says that there is a customer agreement to sign.
	Offered bool
	// Asked are the requests that wait for an answer, and those whose answer can still be disputed.
	Asked []Request
}

// Administers reports whether the partner has delegated administration.
func (p Partner) Administers() bool { return p.Relationship.DelegatedAdmin == relationship.ActiveDAP }

// Serves reports whether the partner has an active relationship with the company.
func (p Partner) Serves() bool { return p.Relationship.Status == relationship.Active }

// Overview gives, by name, the partners that have an active relationship with the company of who is signed in or administer something of
// it, with what they sold; those of the past; the providers in its own account; and what the company has signed. Code: [problem.RoleNotPermitted] for who
// is no Global admin of it.
func (s Portal) Overview(ctx context.Context, who relationship.Person) (o Overview, err error) {
	if err := admin(who); err != nil {
		return o, err
	}
	if o.Found, err = s.found(ctx, who); err != nil {
		return o, err
	}
	tenants, err := s.Register.Partners(ctx, who.Company.Tenant)
	if err != nil {
		return o, err
	}
	ids, err := s.knownIDs(ctx, who, tenants...)
	if err != nil {
		return o, err
	}
	given, err := s.givenAs(ctx, ids)
	if err != nil {
		return o, err
	}
	for _, f := range o.Found { // whose answer would claim it
		ids = append(ids, f.ID)
	}
	o.Asked, err = s.asked(ctx, who, ids)
	if err != nil {
		return o, err
	}
	for _, g := range given {
		tenants = append(tenants, g.Partner)
	}
	slices.Sort(tenants)
	names := names{s.Accounts, map[partner.TenantID]string{}}
	for _, tenant := range slices.Compact(tenants) {
		p, err := s.find(ctx, who, tenant, given)
		if problem.Is(err, problem.NotFound) {
			p, err := s.former(ctx, who, tenant)
			if problem.Is(err, problem.NotFound) {
				continue
			}
			if err != nil {
				return o, err
			}
			o.Past = append(o.Past, p)
			continue
		}
		if err == nil {
			err = s.bought(ctx, &p, &o, names)
		}
		if err != nil {
			return o, err
		}
		o.Partners = append(o.Partners, p)
	}
	for _, list := range [][]Partner{o.Partners, o.Past} {
		slices.SortFunc(list, func(a, b Partner) int {
			return cmp.Or(strings.Compare(a.DisplayName, b.DisplayName), strings.Compare(string(a.Tenant), string(b.Tenant)))
		})
	}
	if o.Providers, err = s.providers(ctx, who); err != nil {
		return o, err
	}
	if slices.ContainsFunc(o.Partners, Partner.Serves) {
		offer, err := s.Offer(ctx, who, "")
		if err != nil && !commerce.IsMissing(err) {
			return o, err
		}
		o.Offered = offer != nil
	}
	return o, nil
}

// providers gives those that administer the company's own account.
func (s Portal) providers(ctx context.Context, who relationship.Person) (all []partnership.Seen, err error) {
	for q := (partnership.Query{Side: partnership.ResellerSide, Limit: MaxSubscriptions}); ; {
		list, next, err := s.Tiers.Partnerships(ctx, user(who), q)
		if err != nil {
			return nil, err
		}
		for _, p := range list {
			if p.ProviderAccess == partnership.Granted {
				all = append(all, p)
			}
		}
		if q.After = next; next == "" {
			return all, nil
		}
	}
}

// user is who is signed in, as a partner's own people are.
func user(who relationship.Person) partner.User {
	return partner.User{Subject: who.Subject, Tenant: who.Company.Tenant, Roles: who.Roles, Cloud: who.Company.Cloud}
}

// bought adds what the company has bought of a partner, and signed.
func (s Portal) bought(ctx context.Context, p *Partner, o *Overview, names names) error {
	customer := p.Relationship.Customer.Tenant
	if customer == "" {
		return nil // it has nothing but roles
	}
	agreements, err := commerce.AgreementsOf(ctx, s.Purchases, p.Relationship)
	if err != nil {
		return err
	}
	for n, a := range agreements { // of either source the newest comes last
		if a.Source == commerce.DirectSigned {
			o.Signed = &agreements[n]
		} else {
			p.Attested = &agreements[n]
		}
	}
	page, err := s.Purchases.ListSubscriptions(ctx, commerce.View{Partner: p.Tenant, Customer: customer}, commerce.Page{Limit: MaxSubscriptions})
	if err != nil {
		return err
	}
	p.More = page.Next != ""
	for _, sub := range page.Subscriptions {
		if sub.Seller != p.Tenant || sub.Status == commerce.SubscriptionDeleted {
			continue // who is on record for it finds it too; it is shown once
		}
		one := Subscription{Subscription: sub}
		if one.Contact, err = names.of(ctx, sub.CustomerContact()); err != nil {
			return err
		}
		if one.Supporter, err = names.of(ctx, sub.Supporter()); err != nil {
			return err
		}
		p.Subscriptions = append(p.Subscriptions, one)
	}
	return nil
}

// names remembers the names of partners that it was asked for.
type names struct {
	accounts partner.Accounts
	known    map[partner.TenantID]string
}

func (n names) of(ctx context.Context, tenant partner.TenantID) (string, error) {
	if name, ok := n.known[tenant]; ok {
		return name, nil
	}
	a, err := n.accounts.Account(ctx, tenant, false)
	if err != nil {
		return "", err
	}
	n.known[tenant] = a.DisplayName
	return a.DisplayName, nil
}

// Partner gives one of them. Codes: [problem.RoleNotPermitted], [problem.NotFound].
func (s Portal) Partner(ctx context.Context, who relationship.Person, tenant string) (Partner, error) {
	if err := admin(who); err != nil {
		return Partner{}, err
	}
	id, ok := partner.ParseTenantID(tenant)
	if !ok {
		return Partner{}, notMine()
	}
	given, err := s.given(ctx, who, id)
	if err != nil {
		return Partner{}, err
	}
	return s.find(ctx, who, id, given)
}

// Revoke ends the delegated administration of a partner; the relationship stays. What has ended stays so: it can be repeated. Codes:
// those of [Portal.Partner].
func (s Portal) Revoke(ctx context.Context, who relationship.Person, tenant, correlationID string) (Partner, error) {
	return s.change(ctx, who, tenant, correlationID, func(before relationship.Relationship, e relationship.Entry) error {
		after, changed := before.Revoke(e)
		if !changed {
			return nil
		}
		return s.Store.Commit(ctx, nil, []relationship.Change{{Before: &before, After: after}})
	})
}

// Leave ends the relationship with a partner, and its delegated administration with it; granular administration stays (rule X4), and what
// the partner sold stays the partner's to suspend (0.31). The partner is told as of any end. Codes: those of [Portal.Partner];
// [problem.RoleNotPermitted] where the deployment does not allow it.
func (s Portal) Leave(ctx context.Context, who relationship.Person, tenant, correlationID string) (Partner, error) {
	if !s.MayLeave {
		return Partner{}, problem.New(problem.RoleNotPermitted, "Here the partner ends the relationship; ask it.")
	}
	id, ok := partner.ParseTenantID(tenant)
	if !ok {
		return Partner{}, notMine()
	}
	p, err := s.change(ctx, who, tenant, correlationID, func(before relationship.Relationship, e relationship.Entry) error {
		after, changed := before.Leave(e)
		if !changed {
			return nil
		}
		asked, err := open(ctx, s.Store, before, invitation.Entry{At: e.At, CorrelationID: e.CorrelationID, Why: withdrawn})
		if err != nil {
			return err
		}
		return end(ctx, s.Support, Ending{Relationship: relationship.Change{Before: &before, After: after}, Invitations: asked})
	})
	if problem.Is(err, problem.NotFound) && admin(who) == nil { // that is what was asked for
		return s.former(ctx, who, id)
	}
	return p, err
}

// former gives a partner whose relationship with the company has ended, and [problem.NotFound] for any other.
func (s Portal) former(ctx context.Context, who relationship.Person, id partner.TenantID) (Partner, error) {
	r, err := s.Store.Relationship(ctx, id, who.Company.Tenant)
	if err != nil {
		return Partner{}, err
	}
	account, err := s.Accounts.Account(ctx, id, false)
	return Partner{Account: account, Relationship: r}, err
}

// change reads, decides and writes until nobody else was quicker, and gives how things stand then.
func (s Portal) change(
	ctx context.Context, who relationship.Person, tenant, correlationID string, do func(before relationship.Relationship, e relationship.Entry) error,
) (Partner, error) {
	var p Partner
	err := command.Retry(func() (err error) {
		if p, err = s.Partner(ctx, who, tenant); err != nil {
			return err
		}
		return do(p.Relationship, s.entry(who, correlationID))
	})
	if err != nil {
		return p, err
	}
	return s.Partner(ctx, who, tenant)
}

// Roles gives one granular administration of a partner, and whether it still stands. Codes: [problem.RoleNotPermitted], [problem.NotFound].
func (s Portal) Roles(ctx context.Context, who relationship.Person, tenant, id string) (Partner, granular.Relationship, bool, error) {
	return s.roles(ctx, who, tenant, id, func(l link.Link, p relationship.Person) (granular.Request, granular.Case, error) {
		return s.Granular.Look(ctx, l, &p)
	})
}

// EndRoles ends one granular administration, whether or not there is a relationship. It can be repeated. Codes: those of [Portal.Roles].
func (s Portal) EndRoles(ctx context.Context, who relationship.Person, tenant, id, correlationID string) (Partner, granular.Relationship, error) {
	p, g, _, err := s.roles(ctx, who, tenant, id, func(l link.Link, p relationship.Person) (granular.Request, granular.Case, error) {
		return s.Granular.End(ctx, l, p, correlationID)
	})
	return p, g, err
}

func (s Portal) roles(
	ctx context.Context, who relationship.Person, tenant, id string, do func(link.Link, relationship.Person) (granular.Request, granular.Case, error),
) (p Partner, g granular.Relationship, stands bool, err error) {
	if err := admin(who); err != nil {
		return p, g, false, err
	}
	of, ok := partner.ParseTenantID(tenant)
	if !ok || !publicid.Is(publicid.Granular, id) {
		return p, g, false, notMine()
	}
	q, c, err := do(link.Link{Tenant: string(of), ID: id, Generation: granular.AnyGeneration}, who)
	if err != nil {
		return p, g, false, err
	}
	own := q.Customer == who.Company.Tenant
	if !own {
		id, err := s.knownAs(ctx, who, of)
		if err != nil {
			return p, g, false, err
		}
		own = q.Customer == id
	}
	if !own || c != granular.Over && !c.MayEnd() {
		return p, g, false, notMine() // nobody's, another company's, or nothing that was ever given
	}
	given, err := s.given(ctx, who, of)
	if err == nil {
		p, err = s.find(ctx, who, of, given)
	}
	if problem.Is(err, problem.NotFound) { // that was all it had
		p, err = Partner{Account: q.Partner}, nil
	}
	return p, q.Relationship, c.MayEnd(), err
}

// Provider gives what stands with one of the company's indirect providers. Codes: [problem.RoleNotPermitted], [problem.NotFound].
func (s Portal) Provider(ctx context.Context, who relationship.Person, tenant string) (partnership.Seen, error) {
	id, err := with(who, tenant)
	if err != nil {
		return partnership.Seen{}, err
	}
	return s.Tiers.Partnership(ctx, user(who), id)
}

// RevokeAccess ends a provider's administration of the company's own account; the partnership stays as it is, active or removed (rules N8,
// X9). It can be repeated. Codes: those of [Portal.Provider].
func (s Portal) RevokeAccess(ctx context.Context, who relationship.Person, tenant, correlationID string) (partnership.Seen, error) {
	id, err := with(who, tenant)
	if err != nil {
		return partnership.Seen{}, err
	}
	return s.Tiers.RevokeAccess(ctx, command.Command{User: user(who), CorrelationID: correlationID}, id)
}

// with gives the id of a company's partnership with a provider.
func with(who relationship.Person, provider string) (string, error) {
	if err := admin(who); err != nil {
		return "", err
	}
	id, ok := partner.ParseTenantID(provider)
	if !ok {
		return "", notMine()
	}
	return partnership.Pair{Provider: id, Reseller: who.Company.Tenant}.ID(), nil
}

// Offer gives the customer agreement that the company can sign, in the language nearest to one; nil when it has signed that here itself, or
// has no partner. Codes: [problem.RoleNotPermitted], [problem.AgreementTextNotConfigured].
func (s Portal) Offer(ctx context.Context, who relationship.Person, lang string) (*commerce.Signable, error) {
	if err := admin(who); err != nil || s.Signing == nil {
		return nil, err
	}
	return s.Signing.Offer(ctx, who.Company, lang, s.Now())
}

// ErrReworded means that other words are in force than those that were read (invariant 14).
var ErrReworded = errors.New("customer: other words are in force")

// Sign signs the customer agreement whose words were read (rule P1). Codes: [problem.RoleNotPermitted]; [problem.NotFound] for a company
// without a partner, or that has signed; [problem.AgreementTextNotConfigured]; those of a field. [ErrReworded].
func (s Portal) Sign(ctx context.Context, who relationship.Person, lang string, read relationship.AttestedText, by commerce.Signer, correlationID string) (commerce.Agreement, error) {
	var a commerce.Agreement
	err := command.Retry(func() error {
		offer, err := s.Offer(ctx, who, lang)
		switch {
		case err != nil:
			return err
		case offer == nil:
			return notMine()
		case offer.Words() != read:
			return ErrReworded
		}
		r, err := s.told(ctx, who)
		if err != nil {
			return err
		}
		now := command.Now(s.Now)
		a, err = s.Signing.Sign(ctx, r, *offer, by, s.Addresses, commerce.Agreement{
			ID: publicid.Random("agr_"), At: now, By: who.Subject, CorrelationID: correlationID, EraseAt: now.Add(s.Evidence),
		})
		return err
	})
	return a, err
}

// told gives the relationship whose partner is told of a signature: of those that wait for one the newest.
func (s Portal) told(ctx context.Context, who relationship.Person) (newest relationship.Relationship, err error) {
	tenants, err := s.Register.Partners(ctx, who.Company.Tenant)
	if err != nil {
		return newest, err
	}
	var serving []relationship.Relationship
	for _, tenant := range tenants {
		r, err := s.Store.Relationship(ctx, tenant, who.Company.Tenant)
		if err != nil && !problem.Is(err, problem.NotFound) {
			return newest, err
		}
		if err == nil && r.Status == relationship.Active {
			serving = append(serving, r)
		}
	}
	if len(serving) == 0 {
		return newest, notMine()
	}
	return slices.MaxFunc(serving, func(a, b relationship.Relationship) int {
		switch {
		case a.AgreementSigned == b.AgreementSigned:
			return a.EstablishedAt.Compare(b.EstablishedAt)
		case b.AgreementSigned:
			return 1
		default:
			return -1
		}
	}), nil
}

func admin(who relationship.Person) error {
	if who.Company.Tenant == "" || !slices.Contains(who.Roles, partner.GlobalAdmin) {
		return problem.New(problem.RoleNotPermitted, "Only a Global administrator can see the company's partners.")
	}
	return nil
}

func notMine() error { return problem.New(problem.NotFound, "There is no such partner.") }

// given is what the company has given by roles: under the id of its tenant, and under those by which some of its partners know it (0.30).
func (s Portal) given(ctx context.Context, who relationship.Person, partners ...partner.TenantID) ([]granular.Relationship, error) {
	ids, err := s.knownIDs(ctx, who, partners...)
	if err != nil {
		return nil, err
	}
	return s.givenAs(ctx, ids)
}

// givenAs is what was given under some ids.
func (s Portal) givenAs(ctx context.Context, ids []partner.TenantID) (all []granular.Relationship, err error) {
	for _, id := range ids {
		list, err := s.Granular.Given(ctx, id)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	return all, nil
}

// knownIDs are the id of the company's tenant, and those by which some of its partners know it (0.30).
func (s Portal) knownIDs(ctx context.Context, who relationship.Person, partners ...partner.TenantID) ([]partner.TenantID, error) {
	ids := []partner.TenantID{who.Company.Tenant}
	for _, p := range partners {
		id, err := s.knownAs(ctx, who, p)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// knownAs gives the id by which a partner knows the company.
func (s Portal) knownAs(ctx context.Context, who relationship.Person, p partner.TenantID) (partner.TenantID, error) {
	r, err := s.Store.Relationship(ctx, p, who.Company.Tenant)
	if problem.Is(err, problem.NotFound) {
		return who.Company.Tenant, nil
	}
	return r.Customer.Tenant, err
}

// find gives a partner with what it holds, of what the company has given. One that holds nothing is [problem.NotFound].
func (s Portal) find(ctx context.Context, who relationship.Person, id partner.TenantID, given []granular.Relationship) (p Partner, err error) {
	p.Relationship, err = s.Store.Relationship(ctx, id, who.Company.Tenant)
	if err != nil && !problem.Is(err, problem.NotFound) {
		return Partner{}, err
	}
	for _, g := range given {
		if g.Partner == id {
			p.Granular = append(p.Granular, g)
		}
	}
	if !p.Serves() && len(p.Granular) == 0 {
		return Partner{}, notMine()
	}
	p.Account, err = s.Accounts.Account(ctx, id, false)
	return p, err
}
