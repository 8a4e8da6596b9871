package commerce

import (
	"context"
	"slices"

	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/relationship"
)

// Action is something that is done with a subscription, beside reading it.
type Action string

// The actions, by their names in the API.
const (
	Suspend       Action = "suspend"
	Reactivate    Action = "reactivate"
	Delete        Action = "delete"
	LowerQuantity Action = "lowerQuantity"
	RaiseQuantity Action = "raiseQuantity"
	SetRecord     Action = "setPartnerOfRecord"
	SetSupport    Action = "setSupportContact"
)

// Actions are all that there are.
var Actions = []Action{Suspend, Reactivate, Delete, LowerQuantity, RaiseQuantity, SetRecord, SetSupport}

// Standing is everything that decides what a partner sees of a customer's subscriptions and what it may do with them (domain, 0.31 and
// 0.32; rules P7, P8, D4, N9; invariant 20). Whoever lists, reads, changes or shows a subscription asks it and nothing else.
type Standing struct {
	Partner partner.TenantID
	// Acts says that the partner's account is active. One that is not still reads, suspends and deletes what it sold (0.43).
	Acts bool
	// Relationship is the partner's with the customer; nil when there never was one.
	Relationship *relationship.Relationship
	// Granular says that the customer has granted a role that covers subscriptions, and that this lasts.
	Granular bool
	// Providers are the indirect providers that are or were in partnership with the partner, whether or not that lasts (0.32).
	Providers []partner.TenantID
	// Purchase is why the partner may not buy for the customer; it is asked about what the partner sells itself alone.
	Purchase []Blocker
}

func (st Standing) related() bool {
	return st.Relationship != nil && st.Relationship.Status == relationship.Active
}

// Administers reports whether the customer has granted an administration that covers subscriptions (rule P7).
func (st Standing) Administers() bool {
	return st.Granular || st.related() && st.Relationship.DelegatedAdmin == relationship.ActiveDAP
}

// View says where to look for what the partner sees of a customer's subscriptions.
func (st Standing) View(customer partner.TenantID) View {
	v := View{Partner: st.Partner, Customer: customer}
	if st.related() && st.Administers() {
		v.Sellers = st.Providers
	}
	return v
}

// Sees reports whether the partner sees a subscription of the customer: what it sold, what it is on record for, what it supports, and with
// an active relationship and administration what its providers sold (0.32).
func (st Standing) Sees(s Subscription) bool {
	return st.View(s.Customer).Has(s)
}

// Refuses gives every reason why the partner may not do something with a subscription that it sees, the gravest first; none when it may.
func (st Standing) Refuses(a Action, s Subscription) []Blocker {
	if all := st.denies(a, s); len(all) > 0 {
		return all
	}
	if err := s.takes(a); err != nil {
		return []Blocker{{problem.InvalidTransition, err.Detail}}
	}
	return nil
}

// denies gives why the partner may not do something, wherever the subscription stands.
func (st Standing) denies(a Action, s Subscription) []Blocker {
	one := func(code problem.Code, detail string) []Blocker { return []Blocker{{code, detail}} }
	sells := s.Seller == st.Partner
	switch {
	case sells && (a == Suspend || a == Delete):
		return nil // nobody is locked in with what it sold (0.31)
	case sells && (a == Reactivate || a == RaiseQuantity):
		return st.Purchase
	case !st.Acts:
		return one(problem.PartnerNotActive, "The partner account is not active.")
	case a == Reactivate || a == RaiseQuantity:
		return one(problem.ResellerCannotOrder, "To raise the quantity or to reactivate is to order, which the seller does.")
	case a == SetRecord || a == SetSupport:
		if !sells {
			return one(problem.RoleNotPermitted, "The seller says who is on record and who supports the customer.")
		}
		return nil
	case st.Administers():
		return nil
	case sells && s.Family == Azure && st.related(): // rule P8
		return nil
	case s.Reseller == st.Partner && (a == Suspend || a == LowerQuantity):
		return nil
	}
	return one(problem.DelegatedAdminMissing, "The customer has not granted the administration that this needs.")
}

// Permission is whether a partner may do something with a subscription.
type Permission struct {
	Action  Action
	Refused []Blocker // none when it may
}

// Seen is a subscription as a partner sees it: with what it may do with it.
type Seen struct {
	Subscription
	Company     string       // the customer's name, where the partner has or had a relationship with it
	Permissions []Permission // one for each of [Actions]
}

func (st Standing) seen(s Subscription) Seen {
	seen := Seen{Subscription: s, Permissions: make([]Permission, len(Actions))}
	if st.Relationship != nil {
		seen.Company = st.Relationship.Customer.CompanyName
	}
	for n, a := range Actions {
		seen.Permissions[n] = Permission{a, st.Refuses(a, s)}
	}
	return seen
}

// SeenPage is a page of a list of what a partner sees. It may hold fewer than the limit, even none, while Next is set.
type SeenPage struct {
	Subscriptions []Seen
	Next          string
}

// becomes are the states that actions lead to.
var becomes = map[Action]SubscriptionStatus{Suspend: SubscriptionSuspended, Reactivate: SubscriptionActive, Delete: SubscriptionDeleted}

// takes gives nil when something can be done with a subscription as it stands, else [problem.InvalidTransition].
func (s Subscription) takes(a Action) *problem.Error {
	to, moves := becomes[a]
	switch {
	case s.Status == SubscriptionDeleted:
		return problem.New(problem.InvalidTransition, "The subscription is deleted.")
	case moves && !slices.Contains(transitions[s.Status], to):
		return problem.New(problem.InvalidTransition, "A subscription that is %s cannot become %s.", s.Status, to)
	}
	return nil
}

// asks gives the actions that a change of a subscription is made of. What is so already is none.
func (a Amendment) asks(s Subscription) (actions []Action) {
	add := func(when bool, action Action) {
		if when {
			actions = append(actions, action)
		}
	}
	add(a.PartnerIDOfRecord != nil, SetRecord)
	add(a.SupportContact != nil, SetSupport)
	add(a.Quantity != nil && *a.Quantity > s.Quantity, RaiseQuantity)
	add(a.Quantity != nil && *a.Quantity < s.Quantity, LowerQuantity)
	for action, to := range becomes {
		add(a.Status != nil && *a.Status == to && s.Status != to, action)
	}
	return actions
}

// standing reads how a partner stands with a customer.
func (s *Service) standing(ctx context.Context, account partner.Account, customer partner.TenantID) (Standing, error) {
	st := Standing{Partner: account.Tenant, Acts: account.Status == partner.Active}
	p := Purchase{Seller: account}
	r, err := s.Relationships.Relationship(ctx, account.Tenant, customer)
	switch {
	case err == nil:
		st.Relationship, p.Relationship = &r, &r
	case !problem.Is(err, problem.NotFound):
		return st, err
	}
	if s.Granular != nil && !st.Administers() {
		if st.Granular, err = s.Granular.CoversSubscriptions(ctx, account.Tenant, customer); err != nil {
			return st, err
		}
	}
	if account.Has(partner.IndirectReseller) && st.related() && st.Administers() && s.Partnerships != nil {
		ties, err := s.Partnerships.Providers(ctx, account.Tenant)
		if err != nil {
			return st, err
		}
		for _, t := range ties {
			st.Providers = append(st.Providers, t.Provider)
		}
	}
	if account.Sells() && p.Relationship != nil {
		if p.AgreementSigned, err = s.signed(ctx, r); err != nil {
			return st, err
		}
	}
	st.Purchase = Blockers(p, s.Regions)
	return st, nil
}
