package commerce

import (
	"context"
	"fmt"
	"slices"
	"time"

	"concord/internal/command"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/publicid"
	"concord/internal/relationship"
)

// OrderStatus is where an order stands.
type OrderStatus string

// An order is recorded whole or not at all, so it is completed at once; the other states are for whoever provisions.
const (
	OrderPending   OrderStatus = "pending"
	OrderCompleted OrderStatus = "completed"
	OrderFailed    OrderStatus = "failed"
	OrderCancelled OrderStatus = "cancelled"
)

// MaxLines is how many lines an order has at most.
const MaxLines = 25

// Order is what a seller bought for a customer at one time. It is not changed afterwards: its subscriptions are.
type Order struct {
	ID       string // "ord_" and 26 letters and digits
	Seller   partner.TenantID
	Customer partner.TenantID
	// ActingRole is in which of its program roles the seller ordered (domain, 0.34); empty in orders from before there were several.
	ActingRole partner.ProgramRole
	Lines      []Line
	Status     OrderStatus
	// For is the reseller on whose behalf it was placed; empty for none.
	For partner.TenantID
	// PartnerIDOnRecord is credited with the subscriptions; empty for none.
	PartnerIDOnRecord string
	PlacedAt          time.Time
	PlacedBy          string // the subject of the user
	// CorrelationID is of the request; Key and Body are fingerprints of its Idempotency-Key and of itself.
	CorrelationID string
	Key, Body     string
	Version       int
}

// Line is one thing that was bought.
type Line struct {
	Offer        string // id
	Quantity     int
	Term         string // ISO 8601
	Subscription string // the id of what came of it
}

// OrderPage is an answer to a [Page] of orders. It may hold fewer than the limit, even none, while Next is set.
type OrderPage struct {
	Orders []Order
	Next   string
}

// OrderStore keeps orders.
//
// PlaceOrder stores an order, its subscriptions and the change of the seller's relationship: all, or nothing and [command.ErrConflict] when an id
// is taken or the relationship is not as it was before. A partner finds the orders that it placed and those that were placed on its
// behalf: Order reads strongly and gives [problem.NotFound] for any other. A page of ListOrders may miss what was placed within the last
// second.
type OrderStore interface {
	// PlaceOrder stores all of it: ids that are new, and the relationship over its version, or [command.ErrConflict].
	PlaceOrder(ctx context.Context, o Order, subscriptions []Subscription, r relationship.Change) error
	// Order gives one, strongly consistent, or [problem.NotFound] when the partner has nothing to do with it.
	Order(ctx context.Context, p, customer partner.TenantID, id string) (Order, error)
	// ListOrders gives a page, newest first, a second behind; [problem.MalformedRequest] for a place where no page
	// ended.
	ListOrders(ctx context.Context, p, customer partner.TenantID, page Page) (OrderPage, error)
}

// Wish is what a seller wants to buy, before it was checked. Nil means "not said".
type Wish struct {
	Lines              []WishedLine
	OnBehalfOfReseller *string
	PartnerIDOnRecord  *string
	// ActingRole is in which of its program roles the seller orders; it may stay unsaid where only one sells.
	ActingRole *partner.ProgramRole
}

// WishedLine is one thing that is wanted.
type WishedLine struct {
	Offer    *string
	Quantity *int
	Term     *string
}

// Place records an order on behalf of a customer, with a subscription for each line. Replayed reports that the command's key had placed
// it.
//
// Codes: [problem.RoleNotPermitted]; those of [Blockers], all of them as findings; [problem.PartnerIDNotFound]; those of a field and of
// [RecordReasons]; [problem.IdempotencyKeyReused]; [problem.NotFound] for what is no tenant id.
func (s *Service) Place(ctx context.Context, c command.Command, tenant string, w Wish) (o Order, replayed bool, err error) {
	seller, err := s.account(ctx, c.User, partner.Trade, true)
	if err != nil {
		return o, false, err
	}
	customer, ok := partner.ParseTenantID(tenant)
	if !ok {
		return o, false, problem.New(problem.NotFound, "There is no such customer.")
	}
	err = command.Retry(func() (err error) {
		o, replayed, err = s.place(ctx, c, seller, customer, w)
		return err
	})
	return o, replayed, err
}

func (s *Service) place(ctx context.Context, c command.Command, seller partner.Account, customer partner.TenantID, w Wish) (Order, bool, error) {
	now := s.now()
	id, before, err := s.orderID(ctx, c, seller.Tenant, customer, now)
	if err != nil || before != nil {
		if before == nil {
			before = &Order{}
		}
		return *before, err == nil, err
	}
	p, findings, err := s.wished(ctx, c, seller, customer, w)
	if err != nil {
		return Order{}, false, err
	}
	all := Blockers(p, s.Regions)
	if len(all) > 0 && forbids(all[0].Code) {
		return Order{}, false, refusal(all)
	}
	if w.PartnerIDOnRecord != nil { // what is wrong with that is among the findings
		all = slices.DeleteFunc(all, func(b Blocker) bool { return faultsPartnerID(b.Code) })
	}
	lines := s.lines(&findings, w.Lines)
	if err := singular(findings); err != nil {
		return Order{}, false, err
	}
	if len(all) > 0 {
		return Order{}, false, refusal(all)
	}
	o := Order{
		ID: id, Seller: seller.Tenant, Customer: customer, ActingRole: p.Seller.Role, Status: OrderCompleted, PlacedAt: now, PlacedBy: c.User.Subject,
		CorrelationID: c.CorrelationID, Key: command.Fingerprint(c.Key), Body: c.Body, Version: 1,
	}
	if p.For != nil {
		o.PartnerIDOnRecord = p.For.PartnerID
		if w.OnBehalfOfReseller != nil {
			o.For = p.For.Tenant
		}
	}
	subscriptions := s.subscribe(&o, lines, p, c)
	after := *p.Relationship
	for _, sub := range subscriptions {
		after.Sold = after.Sold.With(sub.Family == Azure, 1)
	}
	after.Version++
	return o, false, s.Orders.PlaceOrder(ctx, o, subscriptions, relationship.Change{Before: p.Relationship, After: after})
}

// isConflict reports whether a blocker says what is still to be done, which comes after the request was looked at
// (domain, 2.5).
func isConflict(code problem.Code) bool {
	return slices.Index(severity, code) >= slices.Index(severity, problem.PartnerIDRequired)
}

// faultsPartnerID reports whether a blocker says what is wrong with a PartnerID, whoever asks for it to go on record
// (invariant 11).
func faultsPartnerID(code problem.Code) bool {
	return slices.Contains([]problem.Code{
		problem.PartnerIDNotIndirectReseller, problem.PartnerIDWrongType, problem.PartnerIDWrongCountry, problem.PartnerIDNotOnboardingLocation,
	}, code)
}

// forbids reports whether a blocker is a refusal of who asks, which comes before the request is looked at (domain, 2.5).
func forbids(code problem.Code) bool {
	return slices.Index(severity, code) <= slices.Index(severity, problem.ResellerMPANotSigned)
}

// orderID gives the id for a new order, or the order that the command's key has placed.
func (s *Service) orderID(ctx context.Context, c command.Command, seller, customer partner.TenantID, now time.Time) (id string, before *Order, err error) {
	days := c.Days(now)
	for n, day := range days {
		id = c.ID("ord_", "order|"+string(customer), day)
		if c.Key == "" {
			return id, nil, nil
		}
		o, err := s.Orders.Order(ctx, seller, customer, id)
		if problem.Is(err, problem.NotFound) {
			if n == 1 { // yesterday's is looked for only
				continue
			}
			return id, nil, nil
		}
		if err != nil {
			return "", nil, err
		}
		if was, err := c.Replays(now, o.PlacedAt, o.Key, o.Body); was || err != nil {
			return "", &o, err
		}
	}
	return "", nil, command.ErrConflict
}

// wished reads what decides about an order, and whose PartnerID goes on record.
func (s *Service) wished(ctx context.Context, c command.Command, seller partner.Account, customer partner.TenantID, w Wish) (Purchase, problem.Findings, error) {
	f := slices.Clone(c.Findings)
	if as := w.ActingRole; as != nil && seller.Has(*as) { // one that does not order is refused as such
		seller = seller.As(*as)
	} else {
		seller = seller.As(seller.Acting(&f, as, partner.DirectBill, partner.IndirectProvider))
	}
	var reseller *partner.TenantID
	if w.OnBehalfOfReseller != nil {
		id, ok := partner.ParseTenantID(*w.OnBehalfOfReseller)
		if !ok {
			f.Add("/onBehalfOfReseller", problem.ValidationFailed, "A tenant id must be a UUID.")
		} else {
			reseller = &id
		}
	}
	partnerID := say(w.PartnerIDOnRecord)
	var missing error
	if w.PartnerIDOnRecord != nil {
		v, err := s.validate(ctx, seller, partnerID)
		switch {
		case problem.Is(err, problem.PartnerIDNotFound):
			missing = err
		case err != nil:
			return Purchase{}, nil, err
		case reseller != nil && *reseller != v.Holder.Tenant:
			f.Add("/partnerIdOnRecord", problem.PartnerIDNotOnboardingLocation, "The PartnerID does not belong to the reseller that the order is for.")
		case w.OnBehalfOfReseller == nil:
			reseller = &v.Holder.Tenant
		}
		for _, b := range v.Reasons { // none in what could not be looked up
			if faultsPartnerID(b.Code) && !slices.ContainsFunc(f, func(x problem.Finding) bool { return x.Code == b.Code }) {
				f.Add("/partnerIdOnRecord", b.Code, "%s", b.Detail)
			}
		}
	}
	p, err := s.purchase(ctx, seller, customer, reseller, partnerID)
	if p.For != nil && w.OnBehalfOfReseller == nil {
		p.For.Unrelated = false // it goes on record and is not ordered for (B6, 0.19)
	}
	if err == nil && missing != nil {
		// Who may not buy at all learns that first.
		if all := Blockers(p, s.Regions); len(all) == 0 || !forbids(all[0].Code) {
			err = missing
		}
	}
	return p, f, err
}

// Faults gives what is wrong with the lines of an order, at pointers below /lines, before anybody places it; nil for
// nothing.
func (s *Service) Faults(wished []WishedLine) (f problem.Findings) {
	s.lines(&f, wished)
	return f
}

// lines checks what is wanted against the catalogue.
func (s *Service) lines(f *problem.Findings, wished []WishedLine) []Line {
	if len(wished) == 0 || len(wished) > MaxLines {
		if len(*f) == 0 || len(wished) > 0 {
			f.Add("/lines", problem.ValidationFailed, "An order has 1 to %d lines.", MaxLines)
		}
		return nil
	}
	lines := make([]Line, 0, len(wished))
	for n, w := range wished {
		at := fmt.Sprintf("/lines/%d", n)
		offer, ok := s.Offers.Find(say(w.Offer))
		if !ok {
			f.Add(at+"/offerId", problem.ValidationFailed, "There is no such offer: GET /v1/offers has them.")
			continue
		}
		l := Line{Offer: offer.ID, Term: offer.Terms[0]}
		if w.Quantity == nil {
			f.Add(at+"/quantity", problem.ValidationFailed, "This field is required.")
		} else if l.Quantity = *w.Quantity; !offer.sells(l.Quantity) {
			f.Add(at+"/quantity", problem.ValidationFailed, "This offer is sold in quantities of %d to %d.", offer.MinQuantity, offer.MaxQuantity)
		}
		if w.Term != nil {
			if l.Term = *w.Term; !slices.Contains(offer.Terms, l.Term) {
				f.Add(at+"/term", problem.ValidationFailed, "This offer is sold for a term of %s.", problem.Or(offer.Terms))
			}
		}
		lines = append(lines, l)
	}
	return lines
}

func (o Offer) sells(quantity int) bool {
	return quantity >= o.MinQuantity && quantity <= o.MaxQuantity
}

// subscribe gives the order its lines, and the subscriptions that come of them, whose ids are made of the order's.
func (s *Service) subscribe(o *Order, lines []Line, p Purchase, c command.Command) []Subscription {
	subscriptions := make([]Subscription, len(lines))
	for n := range lines {
		offer, _ := s.Offers.Find(lines[n].Offer)
		lines[n].Subscription = publicid.Format("sub_", digest(fmt.Sprintf("%s|%d", o.ID, n)))
		sub := Subscription{
			ID: lines[n].Subscription, Seller: o.Seller, Customer: o.Customer, Order: o.ID, Offer: offer.ID, OfferName: offer.Name, Family: offer.Family,
			Term: lines[n].Term, Quantity: lines[n].Quantity, Status: SubscriptionActive, CreatedAt: o.PlacedAt,
		}
		e := entryOf(c, o.PlacedAt)
		sub.note(e.of(WasCreated, fmt.Sprint(sub.Quantity)))
		if p.For != nil {
			sub.PartnerIDOfRecord, sub.Reseller = p.For.PartnerID, p.For.Tenant
			sub.note(e.of(RecordChanged, sub.PartnerIDOfRecord))
		}
		sub.Version = 1
		subscriptions[n] = sub
	}
	o.Lines = lines
	return subscriptions
}

// Order gives one order that the caller placed or that was placed on its behalf (0.32). Who placed it at another company's is left out.
// Codes: [problem.RoleNotPermitted], [problem.NotFound].
func (s *Service) Order(ctx context.Context, u partner.User, tenant, id string) (Order, error) {
	_, customer, err := s.reader(ctx, u, tenant)
	if err != nil {
		return Order{}, err
	}
	o, err := s.Orders.Order(ctx, u.Tenant, customer, id)
	return o.shownTo(u.Tenant), err
}

// shownTo gives an order as a partner may read it.
func (o Order) shownTo(p partner.TenantID) Order {
	if o.Seller != p {
		o.PlacedBy = ""
	}
	return o
}

// ListOrders gives a page of what the caller ordered for a customer, and what was ordered on its behalf. Codes: [problem.RoleNotPermitted],
// [problem.NotFound] for a customer that the caller never had, [problem.MalformedRequest].
func (s *Service) ListOrders(ctx context.Context, u partner.User, tenant string, p Page) (OrderPage, error) {
	_, customer, err := s.reader(ctx, u, tenant)
	if err != nil {
		return OrderPage{}, err
	}
	if _, err := s.customer(ctx, u.Tenant, tenant); err != nil {
		return OrderPage{}, err
	}
	page, err := s.Orders.ListOrders(ctx, u.Tenant, customer, p)
	for n, o := range page.Orders {
		page.Orders[n] = o.shownTo(u.Tenant)
	}
	return page, err
}

// reader checks who reads, and gives its account and the customer of a path.
func (s *Service) reader(ctx context.Context, u partner.User, tenant string) (partner.Account, partner.TenantID, error) {
	account, err := s.account(ctx, u, partner.ReadCustomers, false)
	if err != nil {
		return account, "", err
	}
	customer, ok := partner.ParseTenantID(tenant)
	if !ok {
		return account, "", problem.New(problem.NotFound, "There is no such customer.")
	}
	return account, customer, nil
}
