package commerce

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"concord/internal/command"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/relationship"
)

// SubscriptionStatus is where a subscription stands.
type SubscriptionStatus string

// What is deleted stays so.
const (
	SubscriptionPending   SubscriptionStatus = "pending"
	SubscriptionActive    SubscriptionStatus = "active"
	SubscriptionSuspended SubscriptionStatus = "suspended"
	SubscriptionDeleted   SubscriptionStatus = "deleted"
)

// transitions are the states that each leads to.
var transitions = map[SubscriptionStatus][]SubscriptionStatus{
	SubscriptionPending:   {SubscriptionActive, SubscriptionDeleted},
	SubscriptionActive:    {SubscriptionSuspended, SubscriptionDeleted},
	SubscriptionSuspended: {SubscriptionActive, SubscriptionDeleted},
}

// Subscription is what a customer has of an order's line.
type Subscription struct {
	ID        string // "sub_" and 26 letters and digits
	Seller    partner.TenantID
	Customer  partner.TenantID
	Order     string
	Offer     string
	OfferName string // as it was called when it was bought
	Family    Family
	Term      string // ISO 8601
	Quantity  int
	Status    SubscriptionStatus
	// PartnerIDOfRecord gets the incentive credit, and its company, Reseller, is what the customer sees as its contact (rule B4). Empty
	// for none: then it is the seller.
	PartnerIDOfRecord string
	Reseller          partner.TenantID
	// SupportContact is who supports the customer, since SupportedSince; empty for the seller (invariant 12).
	SupportContact partner.TenantID
	SupportedSince time.Time
	CreatedAt      time.Time
	UpdatedAt      time.Time
	History        []Entry
	Version        int
}

// Supporter is who supports the customer.
func (s Subscription) Supporter() partner.TenantID { return cmp.Or(s.SupportContact, s.Seller) }

// CustomerContact is whom the customer sees as its contact (rule B4).
func (s Subscription) CustomerContact() partner.TenantID { return cmp.Or(s.Reseller, s.Seller) }

// Entry is one line of a subscription's history: what changed, and what it is since.
type Entry struct {
	At            time.Time
	Action        Change
	Is            string // the new value; empty for none
	By            string // the subject of the user
	Tenant        partner.TenantID
	CorrelationID string
	Key, Body     string // fingerprints of the Idempotency-Key and of the request
}

// Change is what happened to a subscription, as its history has it; what may be done with one is an [Action].
type Change string

// The changes of the history. What a subscription was created with is its quantity; its first status is active.
const (
	WasCreated      Change = "created"
	StatusChanged   Change = "status"
	QuantityChanged Change = "quantity"
	RecordChanged   Change = "partner of record"
	SupportChanged  Change = "support contact"
	// SupportFellBack is that the support contact's relationship with the customer ended, and that the seller supports again (0.44). Its
	// tenant is who it was; nobody is said to have done it.
	SupportFellBack Change = "support contact fell back"
)

// Changes is the one list of them: audit and events are held to it by tests.
var Changes = []Change{WasCreated, StatusChanged, QuantityChanged, RecordChanged, SupportChanged, SupportFellBack}

// maxHistory bounds the history: the first entry says how it began, and the newest are kept.
const maxHistory = 20

func entryOf(c command.Command, at time.Time) Entry {
	return Entry{At: at, By: c.User.Subject, Tenant: c.User.Tenant, CorrelationID: c.CorrelationID, Key: command.Fingerprint(c.Key), Body: c.Body}
}

func (e Entry) of(action Change, is string) Entry {
	e.Action, e.Is = action, is
	return e
}

func (s *Subscription) note(e Entry) {
	s.History = append(slices.Clone(s.History), e)
	if len(s.History) > maxHistory {
		s.History = slices.Delete(s.History, 1, 2)
	}
	s.UpdatedAt = e.At
}

// SuspendedByCustomer gives an active subscription after the customer has it suspended, whatever its seller says. The entry names the
// customer for who did it.
func (s Subscription) SuspendedByCustomer(at time.Time, by, correlationID string) Subscription {
	s.Status = SubscriptionSuspended
	s.note(Entry{At: at, By: by, Tenant: s.Customer, CorrelationID: correlationID}.of(StatusChanged, string(SubscriptionSuspended)))
	s.Version++
	return s
}

func digest(text string) (b [16]byte) {
	sum := sha256.Sum256([]byte(text))
	copy(b[:], sum[:])
	return b
}

// SubscriptionChange is one version of a subscription over another; Before is nil for a new one.
type SubscriptionChange struct {
	Before *Subscription
	After  Subscription
}

// SubscriptionPage is an answer to a [Page] of subscriptions. It may hold fewer than the limit, even none, while Next is set.
type SubscriptionPage struct {
	Subscriptions []Subscription
	Next          string
}

// View says which subscriptions of a customer a partner sees.
type View struct {
	Partner, Customer partner.TenantID
	// Sellers are others of whose sales to the customer the partner sees every one.
	Sellers []partner.TenantID
}

// Has reports whether a subscription is in the view: the partner sold it, is on record for it or supports it, or one of the sellers
// sold it.
func (v View) Has(s Subscription) bool {
	return s.Customer == v.Customer &&
		(v.Partner == s.Seller || v.Partner == s.Reseller || v.Partner == s.SupportContact || slices.Contains(v.Sellers, s.Seller))
}

// Capacity is what a partner has to do with a subscription.
type Capacity string

// The capacities, by their names in the API.
const (
	Sold       Capacity = "sold"      // it is the seller
	OnRecord   Capacity = "onRecord"  // its PartnerID is on record (rule B4)
	Supporting Capacity = "supported" // it is the support contact, and not the seller (invariant 12)
)

// Capacities are all that there are.
var Capacities = []Capacity{Sold, OnRecord, Supporting}

// SubscriptionStatuses are all that there are.
var SubscriptionStatuses = []SubscriptionStatus{
	SubscriptionPending, SubscriptionActive, SubscriptionSuspended, SubscriptionDeleted,
}

// SubscriptionQuery asks for a page of a partner's subscriptions over all of its customers. Zero values do not filter.
type SubscriptionQuery struct {
	Capacity Capacity
	Statuses []SubscriptionStatus // one of these
	Customer partner.TenantID
	Limit    int
	After    string // where the page before ended; empty for the first page
}

// Fits reports whether a partner sold a subscription, is on record for it or supports it, and whether the filters keep it.
func (q SubscriptionQuery) Fits(p partner.TenantID, s Subscription) bool {
	is := map[Capacity]bool{Sold: s.Seller == p, OnRecord: s.Reseller == p, Supporting: s.SupportContact == p && s.Seller != p}
	return (is[Sold] || is[OnRecord] || is[Supporting]) && (q.Capacity == "" || is[q.Capacity]) &&
		(len(q.Statuses) == 0 || slices.Contains(q.Statuses, s.Status)) && (q.Customer == "" || q.Customer == s.Customer)
}

// SubscriptionStore keeps subscriptions.
//
// Subscription reads strongly and gives [problem.NotFound] for what is not in the view. WriteSubscription stores a version over the one
// before and beside it, when not nil, a change of the seller's relationship: both, or neither and [command.ErrConflict]. A page of
// ListSubscriptions has each subscription of the view once, newest first; it, and one of SubscriptionsOf, may be a second
// behind in which there are, never in what it says of one.
type SubscriptionStore interface {
	// Subscription gives one of the view, strongly consistent, or [problem.NotFound].
	Subscription(ctx context.Context, v View, id string) (Subscription, error)
	// ListSubscriptions gives a page of the view, newest first; [problem.MalformedRequest] for a place where no page
	// ended.
	ListSubscriptions(ctx context.Context, v View, page Page) (SubscriptionPage, error)
	// SubscriptionsOf gives a page of what fits a query, whoever the customer: those of one customer together, newest first.
	// [problem.MalformedRequest] for a place where no page ended.
	SubscriptionsOf(ctx context.Context, p partner.TenantID, q SubscriptionQuery) (SubscriptionPage, error)
	// WriteSubscription stores a change over its version, and that of the relationship over its own, or
	// [command.ErrConflict].
	WriteSubscription(ctx context.Context, c SubscriptionChange, r *relationship.Change) error
}

// Administration is how far a partner administers a customer (invariant 20).
type Administration string

// The ways. Who has both DAP and GDAP has all of it.
const (
	NoAdministration Administration = "none"
	AzureOnly        Administration = "azureOnly"
	DAP              Administration = "dap"
	GDAP             Administration = "gdap"
)

// AdministrationOf gives how far the partner of a relationship administers the customer.
func AdministrationOf(r relationship.Relationship, granular bool) Administration {
	switch related := r.Status == relationship.Active; {
	case related && r.DelegatedAdmin == relationship.ActiveDAP:
		return DAP
	case granular:
		return GDAP
	case related && r.Sold.Azure > 0:
		return AzureOnly
	}
	return NoAdministration
}

// Subscription gives a subscription that the caller sees, with what it may do with it. Codes: [problem.RoleNotPermitted],
// [problem.NotFound].
func (s *Service) Subscription(ctx context.Context, u partner.User, tenant, id string) (Seen, error) {
	account, customer, err := s.reader(ctx, u, tenant)
	if err != nil {
		return Seen{}, err
	}
	st, err := s.standing(ctx, account, customer)
	if err != nil {
		return Seen{}, err
	}
	_, sub, err := s.found(ctx, st, customer, id)
	if err != nil {
		return Seen{}, err
	}
	return st.seen(sub), nil
}

// found reads a subscription that a partner sees, as it is stored and as it is today.
func (s *Service) found(ctx context.Context, st Standing, customer partner.TenantID, id string) (stored, sub Subscription, err error) {
	stored, err = s.Subscriptions.Subscription(ctx, st.View(customer), id)
	if err == nil {
		sub, err = s.supported(ctx, stored, related{})
	}
	if err == nil && !st.Sees(sub) {
		err = problem.New(problem.NotFound, "There is no such subscription.")
	}
	return stored, sub, err
}

// supported gives a subscription with the support contact that it has today: one whose relationship with the customer has ended since has
// handed it back to the seller, also where a new one began (domain, 0.6 and 0.44).
func (s *Service) supported(ctx context.Context, sub Subscription, known related) (Subscription, error) {
	if sub.SupportContact == "" {
		return sub, nil
	}
	pair := relationship.Pair{Partner: sub.SupportContact, Customer: sub.Customer}
	r, ok := known[pair]
	if !ok {
		var err error
		if r, err = s.Relationships.Relationship(ctx, sub.SupportContact, sub.Customer); err != nil && !problem.Is(err, problem.NotFound) {
			return Subscription{}, err
		}
		known[pair] = r
	}
	if r.Status != relationship.Active || r.EstablishedAt.After(sub.SupportedSince) {
		sub.SupportContact, sub.SupportedSince = "", time.Time{}
	}
	return sub, nil
}

// FallBack gives the next version of a subscription whose support contact ends its relationship with the customer: the seller supports again
// (domain, 0.6 and 0.44).
func (s Subscription) FallBack(at time.Time, correlationID string) Subscription {
	s.fallsBack(s.SupportContact, at, correlationID)
	s.Version++
	return s
}

func (s *Subscription) fallsBack(from partner.TenantID, at time.Time, correlationID string) {
	s.SupportContact, s.SupportedSince = "", time.Time{}
	s.note(Entry{At: at, Action: SupportFellBack, Tenant: from, CorrelationID: correlationID})
}

// related reports whether a partner has an active relationship with a customer.
func (s *Service) related(ctx context.Context, p, customer partner.TenantID) (bool, error) {
	r, err := s.Relationships.Relationship(ctx, p, customer)
	if problem.Is(err, problem.NotFound) {
		return false, nil
	}
	return r.Status == relationship.Active, err
}

// ListSubscriptions gives a page of what the caller sees of a customer's subscriptions, with what it may do with each. Codes:
// [problem.RoleNotPermitted], [problem.NotFound] for what is no tenant id, [problem.MalformedRequest].
func (s *Service) ListSubscriptions(ctx context.Context, u partner.User, tenant string, p Page) (SeenPage, error) {
	account, customer, err := s.reader(ctx, u, tenant)
	if err != nil {
		return SeenPage{}, err
	}
	st, err := s.standing(ctx, account, customer)
	if err != nil {
		return SeenPage{}, err
	}
	page, err := s.Subscriptions.ListSubscriptions(ctx, st.View(customer), p)
	if err != nil {
		return SeenPage{}, err
	}
	if len(page.Subscriptions) == 0 && page.Next == "" && st.Relationship == nil {
		// Of a customer that it never had a partner learns what it does of one that there is not.
		return SeenPage{}, problem.New(problem.NotFound, "There is no such customer.")
	}
	known := related{}
	list := SeenPage{Next: page.Next}
	for _, sub := range page.Subscriptions {
		if sub, err = s.supported(ctx, sub, known); err != nil {
			return SeenPage{}, err
		}
		if st.Sees(sub) {
			list.Subscriptions = append(list.Subscriptions, st.seen(sub))
		}
	}
	return list, nil
}

// Amendment is what is to change of a subscription. Nil means "not said".
type Amendment struct {
	Status   *SubscriptionStatus
	Quantity *int
	// PartnerIDOfRecord is the PartnerID that goes on record; empty takes it off.
	PartnerIDOfRecord *string
	// SupportContact is the tenant id of who is to support the customer.
	SupportContact *string
}

// Amend changes a subscription. What is so already changes nothing. Replayed reports that the command's key had made the change. Who may do
// what is [Standing.Refuses]: the seller always suspends and deletes (0.31); to raise the quantity and to reactivate is to buy (invariant
// 10); the rest of managing needs administration, or less where the caller is on record (0.32, invariant 20). Whose PartnerID is on record
// and who supports the customer is the seller's to say (invariants 11, 12).
//
// Codes: [problem.RoleNotPermitted], [problem.PartnerNotActive], [problem.DelegatedAdminMissing], those of [Blockers], [problem.NotFound],
// [problem.PartnerIDNotFound], [problem.PreconditionRequired], [problem.PreconditionFailed], those of a field and of [RecordReasons],
// [problem.SupportContactNotEligible], [problem.InvalidTransition], [problem.IdempotencyKeyReused].
func (s *Service) Amend(ctx context.Context, c command.Command, tenant, id string, a Amendment) (sub Seen, replayed bool, err error) {
	account, err := s.account(ctx, c.User, partner.Trade, true)
	if err != nil {
		return sub, false, err
	}
	customer, ok := partner.ParseTenantID(tenant)
	if !ok {
		return sub, false, problem.New(problem.NotFound, "There is no such customer.")
	}
	err = command.Retry(func() (err error) {
		sub, replayed, err = s.amend(ctx, c, account, customer, id, a)
		return err
	})
	return sub, replayed, err
}

func (s *Service) amend(ctx context.Context, c command.Command, account partner.Account, customer partner.TenantID, id string, a Amendment) (Seen, bool, error) {
	st, err := s.standing(ctx, account, customer)
	if err != nil {
		return Seen{}, false, err
	}
	stored, before, err := s.found(ctx, st, customer, id)
	if err != nil {
		return Seen{}, false, err
	}
	now := s.now()
	if stored.SupportContact != before.SupportContact { // nobody has written that yet
		before.fallsBack(stored.SupportContact, now, c.CorrelationID)
	}
	for _, e := range before.History {
		if e.Action == WasCreated || e.Tenant != account.Tenant {
			continue
		}
		if was, err := c.Replays(now, e.At, e.Key, e.Body); was || err != nil {
			return st.seen(before), was, err
		}
	}
	var hindered error // by what is still to be done, which is said after what is wrong with the request (domain, 2.5)
	for _, action := range a.asks(before) {
		all := st.denies(action, before)
		if len(all) > 0 && isConflict(all[0].Code) {
			hindered = cmp.Or(hindered, refusal(all))
		} else if err := refusal(all); err != nil {
			return Seen{}, false, err
		}
	}
	record, missing := s.recorded(ctx, account, a)
	if missing != nil {
		return Seen{}, false, missing
	}
	if err := c.Expects(before.Version, "resource"); err != nil {
		return Seen{}, false, err
	}
	after, err := s.amended(ctx, c, before, a, record, now)
	if err != nil {
		return Seen{}, false, err
	}
	if hindered != nil {
		return Seen{}, false, hindered
	}
	if after.Version == before.Version {
		return st.seen(before), false, nil
	}
	r, err := s.counted(ctx, before, after)
	if err != nil {
		return Seen{}, false, err
	}
	return st.seen(after), false, s.Subscriptions.WriteSubscription(ctx, SubscriptionChange{&stored, after}, r)
}

// recorded looks up the PartnerID that is to go on record; nil where none is.
func (s *Service) recorded(ctx context.Context, seller partner.Account, a Amendment) (*Validation, error) {
	if say(a.PartnerIDOfRecord) == "" {
		return nil, nil // none is asked for
	}
	v, err := s.validate(ctx, seller, *a.PartnerIDOfRecord)
	return &v, err
}

// amended gives the subscription after a change, of the same version when nothing changes.
func (s *Service) amended(ctx context.Context, c command.Command, before Subscription, a Amendment, record *Validation, now time.Time) (Subscription, error) {
	f := slices.Clone(c.Findings)
	after, e := before, entryOf(c, now)
	change := func(action Change, was, is string, to *string) {
		if was != is {
			*to = is
			after.note(e.of(action, is))
			after.Version = before.Version + 1
		}
	}
	if a.PartnerIDOfRecord != nil {
		var reseller partner.TenantID
		if record != nil {
			reseller = record.Holder.Tenant
			for _, b := range record.Reasons {
				f.Add("/partnerIdOfRecord", b.Code, "%s", b.Detail)
			}
		}
		change(RecordChanged, before.PartnerIDOfRecord, *a.PartnerIDOfRecord, &after.PartnerIDOfRecord)
		after.Reseller = reseller
	}
	if a.SupportContact != nil {
		contact, err := s.supporter(ctx, before, *a.SupportContact)
		if problem.CodeOf(err) == problem.Internal {
			return Subscription{}, err
		}
		if err != nil {
			f.Note("/supportTenantId", err)
		}
		change(SupportChanged, string(before.SupportContact), string(contact), (*string)(&after.SupportContact))
		if after.SupportContact != before.SupportContact {
			after.SupportedSince = time.Time{}
			if contact != "" {
				after.SupportedSince = now
			}
		}
	}
	if a.Quantity != nil {
		if offer, ok := s.Offers.Find(before.Offer); !ok && *a.Quantity != before.Quantity || ok && !offer.sells(*a.Quantity) {
			f.Add("/quantity", problem.ValidationFailed, "This offer is sold in quantities of %d to %d.", offer.MinQuantity, offer.MaxQuantity)
		}
		if *a.Quantity != before.Quantity {
			after.Quantity = *a.Quantity
			var is string
			change(QuantityChanged, fmt.Sprint(before.Quantity), fmt.Sprint(after.Quantity), &is)
		}
	}
	if a.Status != nil {
		if _, known := transitions[*a.Status]; !known && *a.Status != SubscriptionDeleted || *a.Status == SubscriptionPending {
			f.Add("/status", problem.ValidationFailed, "The status must be active, suspended or deleted.")
		}
		change(StatusChanged, string(before.Status), string(*a.Status), (*string)(&after.Status))
	}
	if len(f) == 0 && a.PartnerIDOfRecord == nil && a.SupportContact == nil && a.Quantity == nil && a.Status == nil {
		f.Add("", problem.ValidationFailed, "Say what should change: status, quantity or partnerIdOfRecord.")
	}
	if err := singular(f); err != nil {
		return Subscription{}, err
	}
	if err := before.leadsTo(after, a.asks(before)); err != nil {
		return Subscription{}, err
	}
	return after, nil
}

// singular is [problem.Findings.Err], but gives what keeps a PartnerID off record the code of its first reason: the others are among the
// findings.
func singular(f problem.Findings) error {
	err := f.Err()
	if p, ok := errors.AsType[*problem.Error](err); ok && !slices.ContainsFunc(f, func(x problem.Finding) bool { return x.Pointer != f[0].Pointer }) {
		p.Code, p.Detail = f[0].Code, f[0].Detail
	}
	return err
}

// leadsTo gives nil when a subscription can become what it is after a change.
func (s Subscription) leadsTo(after Subscription, actions []Action) error {
	if s.Version == after.Version {
		return nil
	}
	for _, a := range actions {
		if err := s.takes(a); err != nil {
			return err
		}
	}
	return nil
}

// supporter checks who is to support the customer (invariant 12), and gives empty for the seller. A partner that is not the seller's
// is refused like one that does not serve the customer (domain, 0.19).
func (s *Service) supporter(ctx context.Context, sub Subscription, tenant string) (partner.TenantID, error) {
	id, ok := partner.ParseTenantID(tenant)
	if ok && id == sub.Seller {
		return "", nil
	}
	partnered := false
	if ok && s.Partnerships != nil {
		var err error
		if partnered, err = s.Partnerships.Partnered(ctx, sub.Seller, id); err != nil {
			return "", err
		}
	}
	if partnered {
		related, err := s.related(ctx, id, sub.Customer)
		if err != nil || related {
			return id, err
		}
	}
	return "", problem.New(problem.SupportContactNotEligible, "The support contact must be the seller, or a partner of the seller with an active relationship with the customer.")
}

// counted gives the change of the seller's relationship that goes with one of a subscription; nil where the number of active ones stays.
func (s *Service) counted(ctx context.Context, before, after Subscription) (*relationship.Change, error) {
	by := 0
	if before.Status == SubscriptionActive {
		by--
	}
	if after.Status == SubscriptionActive {
		by++
	}
	if by == 0 {
		return nil, nil // nothing to count
	}
	r, err := s.Relationships.Relationship(ctx, before.Seller, before.Customer)
	if err != nil {
		return nil, err
	}
	if by > 0 && r.Status != relationship.Active {
		return nil, problem.New(problem.NoResellerRelationship, "The seller has no active reseller relationship with the customer.")
	}
	now := r
	now.Sold = now.Sold.With(after.Family == Azure, by)
	now.Version++
	return &relationship.Change{Before: &r, After: now}, nil
}
