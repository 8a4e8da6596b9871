package dynamo

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"concord/internal/commerce"
	"concord/internal/customer"
	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/relationship"
)

// Agreements is that of [commerce.AgreementStore]. Both sources are one query, since even an empty one has its price: what another partner
// attested lies between them and is left out here. There is one such item for each partner that ever attested one, and they are few.
func (s *Store) Agreements(ctx context.Context, customer, attestedBy partner.TenantID) (all []commerce.Agreement, err error) {
	defer func() { wrap(&err, "agreements of %s", customer) }()
	own, prefix := agreementsOf(itself), agreementPrefix
	theirs := agreementsOf(string(attestedBy))
	if attestedBy == "" {
		prefix, theirs = own, own
	}
	for each, err := range s.every(ctx, s.begins(customerPrefix+string(customer), prefix, true)) {
		if err != nil {
			return nil, err
		}
		if sk := (&fields{item: each}).text(skAttr); !strings.HasPrefix(sk, own) && !strings.HasPrefix(sk, theirs) {
			continue
		}
		a, err := AgreementFromImage(each)
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, nil
}

// SignedDirectly is that of [commerce.Signatures]: the first signature of each, at most a hundred.
func (s *Store) SignedDirectly(ctx context.Context, customers []partner.TenantID) (signed map[partner.TenantID]bool, err error) {
	defer func() { wrap(&err, "signatures of customers") }()
	keys := make([]map[string]types.AttributeValue, len(customers))
	for n, customer := range customers {
		keys[n] = agreementKey(customer, itself, 1)
	}
	found, err := s.batch(ctx, keys, false)
	signed = map[partner.TenantID]bool{}
	for n, each := range found {
		if each != nil {
			signed[customers[n]] = true
		}
	}
	return signed, err
}

// AddAgreement is that of [commerce.AgreementStore].
func (s *Store) AddAgreement(ctx context.Context, a commerce.Agreement, r *relationship.Change) (err error) {
	defer func() { wrap(&err, "agreement of %s", a.Customer) }()
	put := s.agreed(a)
	if r == nil {
		return s.single(ctx, put, put.Put.Item)
	}
	return s.allOrNone(ctx, []types.TransactWriteItem{put, s.related(*r)})
}

// agreed gives the write of an agreement, on condition that its number is free.
func (s *Store) agreed(a commerce.Agreement) types.TransactWriteItem {
	return s.fresh(encodeAgreement(a))
}

// What of an agreement names somebody.
const (
	aSignedBy = "contact"
	aSigner   = "by" // who recorded it
)

// ForgetSigner is that of [commerce.AgreementStore].
func (s *Store) ForgetSigner(ctx context.Context, customer partner.TenantID, ref string, now time.Time) (forgotten bool, err error) {
	defer func() { wrap(&err, "forget who signed for %s", customer) }()
	_, err = s.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: s.table, Key: keyOf(customerPrefix+string(customer), agreementPrefix+ref), ConditionExpression: aws.String("#at <= :now"),
		UpdateExpression:          aws.String("REMOVE #contact, #by, #due, #at"),
		ExpressionAttributeNames:  map[string]string{"#contact": aSignedBy, "#by": aSigner, "#due": dueAttr, "#at": dueAtAttr},
		ExpressionAttributeValues: map[string]types.AttributeValue{":now": num(now.Unix())},
	})
	if _, early := errors.AsType[*types.ConditionalCheckFailedException](err); early {
		return false, nil
	}
	return err == nil, err
}

// sourceOf says whose number an agreement has.
func sourceOf(a commerce.Agreement) string {
	if a.Source == commerce.DirectSigned {
		return itself
	}
	return string(a.Partner)
}

var agreementWaits = newWaiting(commerce.DueKind, agreementPrefix)

func encodeAgreement(a commerce.Agreement) item {
	i := newItem(agreementKey(a.Customer, sourceOf(a), a.Number), agreementType)
	agreementWaits.enter(i, a.ID, a.EraseAt, !a.EraseAt.IsZero())
	return written(i, agreementFields, &a)
}

// AgreementFromImage gives the agreement of an item, also of a stream record's image. The error is [ErrOtherItem] for an item of
// another type, and names the attribute that is missing or of the wrong type.
func AgreementFromImage(stored map[string]types.AttributeValue) (a commerce.Agreement, err error) {
	c, err := reading(stored, agreementType)
	if err != nil {
		return a, err
	}
	a.Customer, a.EraseAt = partner.TenantID(c.owner(customerPrefix)), c.time(dueAtAttr)
	agreementFields(&c, &a)
	return a, c.err
}

// agreementFields are those of an agreement, apart from whose it is and until when its signer is named.
func agreementFields(c *coder, a *commerce.Agreement) {
	need(c, "id", &a.ID)
	need(c, "source", &a.Source)
	packed(c, "partner", &a.Partner)
	needNumber(c, "n", &a.Number)
	if g, there := c.group("text"); there {
		text(&g, "version", &a.Text.Version)
		text(&g, "language", &a.Text.Language)
		packed(&g, "hash", &a.Text.Hash)
		c.leave("text", &g)
	}
	if g, there := c.group(aSignedBy); there {
		text(&g, "first", &a.Contact.FirstName)
		text(&g, "last", &a.Contact.LastName)
		text(&g, "email", &a.Contact.Email)
		text(&g, "phone", &a.Contact.Phone)
		c.leave(aSignedBy, &g)
	}
	moment(c, "agreedAt", &a.AgreedAt)
	text(c, "invitation", &a.Invitation)
	packed(c, aSigner, &a.By)
	e := invitation.Entry{At: a.At, Action: "signed", CorrelationID: a.CorrelationID, Key: a.Key, Body: a.Body}
	onlyEntry(c, &e)
	a.At, a.CorrelationID, a.Key, a.Body = e.At, e.CorrelationID, e.Key, e.Body
}

// onlyEntry is a history that has one entry.
func onlyEntry(c *coder, e *invitation.Entry) {
	if c.writes {
		item(c.item).texts(aHistory, []string{encodeEntry(*e, "", "")})
		return
	}
	history := c.texts(aHistory)
	if len(history) != 1 {
		c.fault(aHistory, "has not one entry")
		return
	}
	var err error
	if *e, err = decodeEntry(history[0], "", ""); err != nil && c.err == nil {
		c.err = err
	}
}

// unpacked gives a text that was packed.
func (f *fields) unpacked(name string) string {
	text, err := unpack(f.text(name))
	if err != nil && f.err == nil {
		f.err = err
	}
	return text
}

// PlaceOrder is that of [commerce.OrderStore].
func (s *Store) PlaceOrder(ctx context.Context, o commerce.Order, subscriptions []commerce.Subscription, r relationship.Change) (err error) {
	defer func() { wrap(&err, "place order %s", o.ID) }()
	items := []types.TransactWriteItem{
		s.fresh(encodeOrder(o)), s.related(r),
	}
	if o.For != "" && o.For != o.Seller {
		items = append(items, s.pointer(orderKey(o.For, o.Customer, o.ID), tradePrefix(orderPrefix, o.Customer)+tradePlace(o.PlacedAt, o.ID), o.Seller))
	}
	for _, sub := range subscriptions {
		items = append(items, s.fresh(encodeSubscription(sub)))
		items = append(items, s.followed(nil, sub)...)
	}
	return s.allOrNone(ctx, items)
}

// followed gives the writes that let those find a subscription who are new on record for it or support it. Whether they still do, the
// subscription says.
func (s *Store) followed(before *commerce.Subscription, after commerce.Subscription) (items []types.TransactWriteItem) {
	var known []partner.TenantID
	if before != nil {
		known = []partner.TenantID{before.Reseller, before.SupportContact}
	}
	known = append(known, after.Seller, "")
	for _, p := range []partner.TenantID{after.Reseller, after.SupportContact} {
		if slices.Contains(known, p) {
			continue
		}
		known = append(known, p)
		place := tradePrefix(subscriptionPrefix, after.Customer) + tradePlace(after.CreatedAt, after.ID)
		items = append(items, s.pointer(subscriptionKey(p, after.Customer, after.ID), place, after.Seller))
	}
	return items
}

// pointer gives the write of an item that says in which seller's partition an order or a subscription is.
func (s *Store) pointer(k key, place string, seller partner.TenantID) types.TransactWriteItem {
	i := newItem(k, elsewhereType)
	i[listAtAttr] = str(place)
	i.text("seller", pack(string(seller)))
	return types.TransactWriteItem{Put: &types.Put{
		TableName: s.table, Item: i, ConditionExpression: aws.String(isNew + " OR #type = :type"), ExpressionAttributeNames: map[string]string{"#type": typeAttr},
		ExpressionAttributeValues: map[string]types.AttributeValue{":type": str(elsewhereType)},
	}}
}

// whereElse gives the key of what is elsewhere, and false for an item that is where it belongs.
func whereElse(stored map[string]types.AttributeValue) (k key, is bool, err error) {
	f := &fields{item: stored}
	if f.text(typeAttr) != elsewhereType {
		return nil, false, nil
	}
	return keyOf(partition(partner.TenantID(f.unpacked("seller"))), f.needText(skAttr)), true, f.err
}

// tradeItem reads an order or a subscription, wherever it is.
func (s *Store) tradeItem(ctx context.Context, k key, missing string) (map[string]types.AttributeValue, error) {
	stored, err := s.read(ctx, k, true, missing)
	if err != nil {
		return nil, err
	}
	there, is, err := whereElse(stored)
	if err == nil && is {
		stored, err = s.read(ctx, there, true, missing)
	}
	return stored, err
}

// fetched gives items in their order, with what is elsewhere in the place of what says so.
func (s *Store) fetched(ctx context.Context, items []image) (all []image, err error) {
	var keys []key
	var places []int
	for n, each := range items {
		k, is, err := whereElse(each)
		if err != nil {
			return nil, err
		}
		if is {
			keys, places = append(keys, k), append(places, n)
		}
	}
	found, err := s.batch(ctx, keys, true)
	if err != nil {
		return nil, err
	}
	all = slices.Clone(items)
	for n, place := range places {
		all[place] = found[n]
	}
	return slices.DeleteFunc(all, func(i image) bool { return i == nil }), nil
}

// Order is that of [commerce.OrderStore].
func (s *Store) Order(ctx context.Context, p, customer partner.TenantID, id string) (o commerce.Order, err error) {
	defer func() { wrap(&err, "order %.64q", id) }()
	const missing = "There is no such order."
	if !isID(id) {
		return o, problem.New(problem.NotFound, missing)
	}
	stored, err := s.tradeItem(ctx, orderKey(p, customer, id), missing)
	if err != nil {
		return o, err
	}
	return OrderFromImage(stored)
}

// ListOrders is that of [commerce.OrderStore].
func (s *Store) ListOrders(ctx context.Context, p, customer partner.TenantID, q commerce.Page) (page commerce.OrderPage, err error) {
	defer func() { wrap(&err, "orders of %s", p) }()
	stored, next, err := s.newest(ctx, p, orderPrefix, customer, q)
	if err == nil {
		stored, err = s.fetched(ctx, stored)
	}
	if err != nil {
		return page, err
	}
	page.Next = next
	for _, each := range stored {
		o, err := OrderFromImage(each)
		if err != nil {
			return page, err
		}
		page.Orders = append(page.Orders, o)
	}
	return page, nil
}

// newest reads a page of the orders or subscriptions of a partner and a customer. The index gives the order, and the items are read from
// the table.
func (s *Store) newest(ctx context.Context, p partner.TenantID, prefix string, customer partner.TenantID, page commerce.Page) (
	items []image, next string, err error,
) {
	begin := tradePrefix(prefix, customer)
	in := s.newestFirst(partition(p), begin)
	if page.After != "" {
		id, ok := parseTradePlace(page.After)
		if !ok {
			return nil, "", errAfter()
		}
		in.ExclusiveStartKey = startAt(keyOf(partition(p), begin+id), begin+page.After)
	}
	place := func(i image) string { return strings.TrimPrefix((&fields{item: i}).text(listAtAttr), begin) }
	return paged(ctx, s, in, listing[image]{
		limit: min(page.Limit, maxBatch), attr: listAtAttr, prefix: begin, place: place,
		read: ofEntries(s, true, func(i image) (image, error) { return i, nil }),
	})
}

func encodeOrder(o commerce.Order) item {
	i := newItem(orderKey(o.Seller, o.Customer, o.ID), orderType)
	i[listAtAttr] = str(tradePrefix(orderPrefix, o.Customer) + tradePlace(o.PlacedAt, o.ID))
	return written(i, orderFields, &o)
}

// OrderFromImage gives the order of an item, also of a stream record's image. The error is [ErrOtherItem] for an item of another type,
// and names the attribute that is missing or of the wrong type.
func OrderFromImage(stored map[string]types.AttributeValue) (o commerce.Order, err error) {
	c, err := reading(stored, orderType)
	if err != nil {
		return o, err
	}
	var ok bool
	if o.Customer, o.ID, ok = parseTradeSort(orderPrefix, c.needText(skAttr)); !ok {
		c.fault(skAttr, "is not the key of an order")
	}
	o.Seller = partner.TenantID(c.owner(partnerPrefix))
	orderFields(&c, &o)
	return o, c.err
}

// orderFields are those of an order, apart from what its key says.
func orderFields(c *coder, o *commerce.Order) {
	orderLines(c, "lines", &o.Lines)
	need(c, "status", &o.Status)
	packed(c, "for", &o.For)
	text(c, "record", &o.PartnerIDOnRecord)
	text(c, "as", &o.ActingRole)
	e := invitation.Entry{At: o.PlacedAt, Action: "placed", By: o.PlacedBy, CorrelationID: o.CorrelationID, Key: o.Key, Body: o.Body}
	onlyEntry(c, &e)
	o.PlacedAt, o.PlacedBy, o.CorrelationID, o.Key, o.Body = e.At, e.By, e.CorrelationID, e.Key, e.Body
	needNumber(c, aVersion, &o.Version)
}

// orderLines are texts of four fields between tabs.
func orderLines(c *coder, name string, lines *[]commerce.Line) {
	if c.writes {
		list := make([]string, len(*lines))
		for n, l := range *lines {
			list[n] = strings.Join([]string{l.Offer, strconv.Itoa(l.Quantity), l.Term, l.Subscription}, "\t")
		}
		texts(c, name, &list)
		return
	}
	*lines = mapped(c, name, func(s string) (commerce.Line, error) {
		f := strings.Split(s, "\t")
		if len(f) != 4 {
			return commerce.Line{}, errors.New("dynamo: a line of an order has not four fields")
		}
		quantity, err := strconv.Atoi(f[1])
		if err != nil {
			return commerce.Line{}, errors.New("dynamo: a line of an order has no quantity")
		}
		return commerce.Line{Offer: f[0], Quantity: quantity, Term: f[2], Subscription: f[3]}, nil
	})
}

// Subscription is that of [commerce.SubscriptionStore].
func (s *Store) Subscription(ctx context.Context, v commerce.View, id string) (sub commerce.Subscription, err error) {
	defer func() { wrap(&err, "subscription %.64q", id) }()
	const missing = "There is no such subscription."
	if !isID(id) {
		return sub, problem.New(problem.NotFound, missing)
	}
	for _, p := range append([]partner.TenantID{v.Partner}, v.Sellers...) {
		stored, err := s.tradeItem(ctx, subscriptionKey(p, v.Customer, id), missing)
		if problem.Is(err, problem.NotFound) {
			continue
		}
		if err != nil {
			return sub, err
		}
		if sub, err = SubscriptionFromImage(stored); err != nil || v.Has(sub) {
			return sub, err
		}
	}
	return commerce.Subscription{}, problem.New(problem.NotFound, missing)
}

// ListSubscriptions is that of [commerce.SubscriptionStore]: a query for the partner and one for each of the sellers. What all of them have
// read is known as far back as the one that came least far.
func (s *Store) ListSubscriptions(ctx context.Context, v commerce.View, q commerce.Page) (page commerce.SubscriptionPage, err error) {
	defer func() { wrap(&err, "subscriptions of %s", v.Partner) }()
	places := map[string]commerce.Subscription{}
	for _, p := range append([]partner.TenantID{v.Partner}, v.Sellers...) {
		stored, next, err := s.newest(ctx, p, subscriptionPrefix, v.Customer, q)
		if err == nil {
			stored, err = s.fetched(ctx, stored)
		}
		if err != nil {
			return page, err
		}
		page.Next = max(page.Next, next)
		for _, each := range stored {
			sub, err := SubscriptionFromImage(each)
			if err != nil {
				return page, err
			}
			// A seller's partition also says what it is on record for with others.
			if v.Has(sub) && (p == v.Partner || p == sub.Seller) {
				places[tradePlace(sub.CreatedAt, sub.ID)] = sub
			}
		}
	}
	known := slices.DeleteFunc(slices.Sorted(maps.Keys(places)), func(place string) bool { return place < page.Next })
	slices.Reverse(known)
	if len(known) > q.Limit {
		known = known[:q.Limit]
		page.Next = known[q.Limit-1]
	}
	for _, place := range known {
		page.Subscriptions = append(page.Subscriptions, places[place])
	}
	return page, nil
}

// SubscriptionsOf is that of [commerce.SubscriptionStore]: one query, and a batch each of what is here and of what is elsewhere.
func (s *Store) SubscriptionsOf(
	ctx context.Context, p partner.TenantID, q commerce.SubscriptionQuery,
) (page commerce.SubscriptionPage, err error) {
	defer func() { wrap(&err, "all subscriptions of %s", p) }()
	begin := subscriptionPrefix
	if q.Customer != "" {
		begin = tradePrefix(subscriptionPrefix, q.Customer)
	}
	in := s.newestFirst(partition(p), begin)
	if q.After != "" {
		customer, id, ok := parseSubscriptionPlace(q.After)
		if !ok || q.Customer != "" && customer != q.Customer {
			return page, errAfter()
		}
		in.ExclusiveStartKey = startAt(subscriptionKey(p, customer, id), subscriptionPrefix+q.After)
	}
	page.Subscriptions, page.Next, err = paged(ctx, s, in, listing[commerce.Subscription]{
		limit: min(q.Limit, maxBatch), attr: listAtAttr, prefix: subscriptionPrefix,
		place: func(sub commerce.Subscription) string { return subscriptionPlace(sub.Customer, sub.CreatedAt, sub.ID) },
		fits:  func(sub commerce.Subscription) bool { return q.Fits(p, sub) },
		read: func(ctx context.Context, entries []image) ([]commerce.Subscription, error) {
			items, err := ofEntries(s, true, func(i image) (image, error) { return i, nil })(ctx, entries)
			if err != nil {
				return nil, err
			}
			if items, err = s.fetched(ctx, items); err != nil {
				return nil, err
			}
			return ofItems(SubscriptionFromImage)(ctx, items)
		},
	})
	return page, err
}

// WriteSubscription is that of [commerce.SubscriptionStore].
func (s *Store) WriteSubscription(ctx context.Context, c commerce.SubscriptionChange, r *relationship.Change) (err error) {
	defer func() { wrap(&err, "write subscription %s", c.After.ID) }()
	items := append([]types.TransactWriteItem{s.subscribed(c)}, s.followed(c.Before, c.After)...)
	if r != nil {
		items = append(items, s.related(*r))
	}
	if len(items) > 1 {
		return s.allOrNone(ctx, items)
	}
	return s.single(ctx, items[0], encodeSubscription(c.After))
}

// subscribed gives the write of a subscription, on condition that it is unchanged.
func (s *Store) subscribed(c commerce.SubscriptionChange) types.TransactWriteItem {
	return s.over(encodeSubscription(*c.Before), encodeSubscription(c.After), subscriptionKey(c.After.Seller, c.After.Customer, c.After.ID), c.Before.Version)
}

// Supported is that of [customer.Support]: what says where the subscriptions are that the partner has to do with is read from the table itself.
func (s *Store) Supported(ctx context.Context, p, of partner.TenantID) (all []commerce.Subscription, err error) {
	defer func() { wrap(&err, "what %s supports", p) }()
	in := s.begins(partition(p), tradePrefix(subscriptionPrefix, of), true)
	in.FilterExpression, in.ExpressionAttributeNames = aws.String("#type = :type"), map[string]string{"#type": typeAttr}
	in.ExpressionAttributeValues[":type"] = str(elsewhereType)
	for out, err := range s.pages(ctx, in) {
		if err != nil {
			return nil, err
		}
		found, err := s.fetched(ctx, out.Items)
		if err != nil {
			return nil, err
		}
		for _, each := range found {
			sub, err := SubscriptionFromImage(each)
			if err != nil {
				return nil, err
			}
			if sub.SupportContact == p {
				all = append(all, sub)
			}
		}
	}
	return all, nil
}

// End is that of [customer.Support].
func (s *Store) End(ctx context.Context, e customer.Ending) (err error) {
	defer func() { wrap(&err, "end of %s", e.Relationship.After.ID) }()
	if len(e.Subscriptions) == 0 {
		return s.Commit(ctx, e.Invitations, []relationship.Change{e.Relationship})
	}
	items := s.committed(e.Invitations, []relationship.Change{e.Relationship})
	for _, c := range e.Subscriptions {
		items = append(items, s.subscribed(c))
	}
	return s.allOrNone(ctx, items)
}

func encodeSubscription(sub commerce.Subscription) item {
	i := newItem(subscriptionKey(sub.Seller, sub.Customer, sub.ID), subscriptionType)
	i[listAtAttr] = str(tradePrefix(subscriptionPrefix, sub.Customer) + tradePlace(sub.CreatedAt, sub.ID))
	return written(i, subscriptionFields, &sub)
}

// SubscriptionFromImage gives the subscription of an item, also of a stream record's image. The error is [ErrOtherItem] for an item of
// another type, and names the attribute that is missing or of the wrong type.
func SubscriptionFromImage(stored map[string]types.AttributeValue) (sub commerce.Subscription, err error) {
	c, err := reading(stored, subscriptionType)
	if err != nil {
		return sub, err
	}
	var ok bool
	if sub.Customer, sub.ID, ok = parseTradeSort(subscriptionPrefix, c.needText(skAttr)); !ok {
		c.fault(skAttr, "is not the key of a subscription")
	}
	sub.Seller = partner.TenantID(c.owner(partnerPrefix))
	subscriptionFields(&c, &sub)
	return sub, c.err
}

// subscriptionFields are those of a subscription, apart from what its key says.
func subscriptionFields(c *coder, sub *commerce.Subscription) {
	need(c, "order", &sub.Order)
	need(c, "offer", &sub.Offer)
	text(c, "name", &sub.OfferName)
	need(c, "family", &sub.Family)
	text(c, "term", &sub.Term)
	number(c, "quantity", &sub.Quantity)
	need(c, "status", &sub.Status)
	text(c, "record", &sub.PartnerIDOfRecord)
	packed(c, "reseller", &sub.Reseller)
	packed(c, "support", &sub.SupportContact)
	moment(c, "supported", &sub.SupportedSince)
	moment(c, "created", &sub.CreatedAt)
	moment(c, "updated", &sub.UpdatedAt)
	timeline(c, aHistory, &sub.History, "", "", func(e commerce.Entry) invitation.Entry {
		who := "" // the seller
		if e.Tenant != sub.Seller {
			who = pack(string(e.Tenant))
		}
		return invitation.Entry{
			At: e.At, Action: string(e.Action), By: e.By, CorrelationID: e.CorrelationID, Key: e.Key, Body: e.Body, Why: who + "\t" + pack(e.Is),
		}
	}, func(e invitation.Entry) (commerce.Entry, error) {
		who, is, _ := strings.Cut(e.Why, "\t")
		tenant, err1 := unpack(who)
		value, err2 := unpack(is)
		return commerce.Entry{
			At: e.At, Action: commerce.Change(e.Action), Is: value, By: e.By, Tenant: cmp.Or(partner.TenantID(tenant), sub.Seller), CorrelationID: e.CorrelationID,
			Key: e.Key, Body: e.Body,
		}, errors.Join(err1, err2)
	})
	needNumber(c, aVersion, &sub.Version)
}
