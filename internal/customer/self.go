package customer

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"concord/internal/commerce"
	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/relationship"
)

// Self is what a Global admin of a customer does for the own company beside answering: it sees the partners, what they have sold and who
// supports it (rules B4, B5), and what was signed; and it takes delegated administration back (domain, 2.2 DAP, 2.4).
type Self struct {
	Store       SelfStore
	Register    Register
	Accounts    partner.Accounts
	Purchases   Purchases
	Recognition relationship.Recognition
	Now         func() time.Time
}

// Purchases says what a company has bought and signed. Its contracts are those of [commerce.SubscriptionStore] and
// [commerce.AgreementStore].
type Purchases interface {
	ListSubscriptions(ctx context.Context, v commerce.View, page commerce.Page) (commerce.SubscriptionPage, error)
	WriteSubscription(ctx context.Context, c commerce.SubscriptionChange, r *relationship.Change) error
	Agreements(ctx context.Context, customer, attestedBy partner.TenantID) ([]commerce.Agreement, error)
}

// SelfStore is what Self needs of a [relationship.Store] and an [invitation.Store], whose contracts it is.
type SelfStore interface {
	Relationship(ctx context.Context, p, customer partner.TenantID) (relationship.Relationship, error)
	Commit(ctx context.Context, invitations []invitation.Change, relationships []relationship.Change) error
}

// Partner is a partner of the company, with what stands between them.
type Partner struct {
	partner.Account
	Relationship relationship.Relationship
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
	// Signed is the newest customer agreement that the company has signed here itself; nil for none.
	Signed *commerce.Agreement
	// Found are records that partners created under a domain of the company, and that nobody has spoken for.
	Found []Found
}

// Administers reports whether the partner has delegated administration.
func (p Partner) Administers() bool { return p.Relationship.DelegatedAdmin == relationship.ActiveDAP }

// Overview gives the partners that have an active relationship with the company of who is signed in, by name, with what they sold, and what
// the company has signed. Code: [problem.RoleNotPermitted] for who is no Global admin of it.
func (s Self) Overview(ctx context.Context, who invitation.Person) (o Overview, err error) {
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
	names := names{s.Accounts, map[partner.TenantID]string{}}
	for _, tenant := range tenants {
		p, err := s.find(ctx, who, tenant)
		if problem.Is(err, problem.NotFound) {
			continue // it has ended
		}
		if err == nil {
			err = s.bought(ctx, &p, &o, names)
		}
		if err != nil {
			return o, err
		}
		o.Partners = append(o.Partners, p)
	}
	slices.SortFunc(o.Partners, func(a, b Partner) int {
		return cmp.Or(strings.Compare(a.DisplayName, b.DisplayName), strings.Compare(string(a.Tenant), string(b.Tenant)))
	})
	return o, nil
}

// bought adds what the company has bought of a partner, and signed.
func (s Self) bought(ctx context.Context, p *Partner, o *Overview, names names) error {
	customer := p.Relationship.Customer.Tenant
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
func (s Self) Partner(ctx context.Context, who invitation.Person, tenant string) (Partner, error) {
	if err := admin(who); err != nil {
		return Partner{}, err
	}
	id, ok := partner.ParseTenantID(tenant)
	if !ok {
		return Partner{}, notMine()
	}
	return s.find(ctx, who, id)
}

// Revoke ends the delegated administration of a partner; the relationship stays. What has ended stays so: it can be repeated. Codes:
// those of [Self.Partner].
func (s Self) Revoke(ctx context.Context, who invitation.Person, tenant, correlationID string) (Partner, error) {
	for range maxRounds {
		p, err := s.Partner(ctx, who, tenant)
		if err != nil {
			return p, err
		}
		before := p.Relationship
		after, changed := before.Revoke(relationship.Entry{At: s.Now().UTC().Truncate(time.Second), By: who.Subject, CorrelationID: correlationID})
		if !changed {
			return p, nil
		}
		p.Relationship = after
		err = s.Store.Commit(ctx, nil, []relationship.Change{{Before: &before, After: after}})
		if !errors.Is(err, invitation.ErrConflict) {
			return p, err
		}
	}
	return Partner{}, busy()
}

func admin(who invitation.Person) error {
	if who.Company.Tenant == "" || !slices.Contains(who.Roles, partner.GlobalAdmin) {
		return problem.New(problem.RoleNotPermitted, "Only a Global administrator can see the company's partners.")
	}
	return nil
}

func notMine() error { return problem.New(problem.NotFound, "There is no such partner.") }

func (s Self) find(ctx context.Context, who invitation.Person, id partner.TenantID) (Partner, error) {
	r, err := s.Store.Relationship(ctx, id, who.Company.Tenant)
	if err == nil && r.Status != relationship.Active {
		err = notMine()
	}
	if err != nil {
		return Partner{}, err
	}
	account, err := s.Accounts.Account(ctx, id, false)
	return Partner{Account: account, Relationship: r}, err
}
