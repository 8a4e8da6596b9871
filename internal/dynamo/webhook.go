package dynamo

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"concord/internal/command"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/webhook"
)

const (
	noEndpoint = "There is no such webhook endpoint."
	noDelivery = "There is no such delivery."
	// maxDelivery bounds what is looked up as the id of a delivery.
	maxDelivery = 200
)

// Endpoint is that of [webhook.Store].
func (s *Store) Endpoint(ctx context.Context, k webhook.Key) (e webhook.Endpoint, err error) {
	defer func() { wrap(&err, "webhook endpoint %.64q", k.ID) }()
	if !isID(k.ID) {
		return e, problem.New(problem.NotFound, noEndpoint)
	}
	stored, err := s.read(ctx, endpointKey(k), true, noEndpoint)
	if err != nil {
		return e, err
	}
	return EndpointFromImage(stored)
}

// Endpoints is that of [webhook.Store]: one query, of a few items.
func (s *Store) Endpoints(ctx context.Context, p partner.TenantID) (all []webhook.Endpoint, err error) {
	defer func() { wrap(&err, "webhook endpoints of %s", p) }()
	for each, err := range s.every(ctx, s.begins(partition(p), endpointPrefix, true)) {
		if err != nil {
			return nil, err
		}
		e, err := EndpointFromImage(each)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

// WriteEndpoint is that of [webhook.Store]. A new one is listed among those who are told, too.
func (s *Store) WriteEndpoint(ctx context.Context, before *webhook.Endpoint, after webhook.Endpoint) (err error) {
	defer func() { wrap(&err, "write webhook endpoint %s", after.ID) }()
	i := encodeEndpoint(after)
	if before != nil {
		return s.single(ctx, s.over(encodeEndpoint(*before), i, endpointKey(after.Key), before.Version), i)
	}
	return s.allOrNone(ctx, []types.TransactWriteItem{s.fresh(i), s.fresh(newItem(subscriberKey(after.Key), subscriberType))})
}

// RemoveEndpoint is that of [webhook.Store].
func (s *Store) RemoveEndpoint(ctx context.Context, e webhook.Endpoint) (err error) {
	defer func() { wrap(&err, "remove webhook endpoint %s", e.ID) }()
	refused, err := s.together(ctx, []types.TransactWriteItem{
		s.gone(endpointKey(e.Key), e.Version),
		{Delete: &types.Delete{TableName: s.table, Key: subscriberKey(e.Key), ConditionExpression: aws.String("attribute_exists(pk)")}},
	})
	if err == nil && refused != nil {
		return command.ErrConflict
	}
	return err
}

// Subscribers is that of [webhook.Fanout]: a query of short entries, read every few seconds and not for each event.
func (s *Store) Subscribers(ctx context.Context) (all map[partner.TenantID]bool, err error) {
	defer func() { wrap(&err, "webhook subscribers") }()
	all = map[partner.TenantID]bool{}
	for each, err := range s.every(ctx, s.all(subscribed)) {
		if err != nil {
			return nil, err
		}
		f := &fields{item: each}
		tenant, _, _ := strings.Cut(f.needText(skAttr), "#")
		if f.err != nil {
			return nil, f.err
		}
		all[partner.TenantID(tenant)] = true
	}
	return all, nil
}

// Enter is that of [webhook.Deliveries].
func (s *Store) Enter(ctx context.Context, d webhook.Delivery) (err error) {
	defer func() { wrap(&err, "delivery to %s", d.Endpoint.ID) }()
	i := encodeDelivery(d)
	err = s.single(ctx, s.fresh(i), i)
	if errors.Is(err, command.ErrConflict) {
		return nil // on its way already
	}
	return err
}

// KeepDelivery is that of [webhook.Deliveries]. One that ends is kept at its new place first and then removed from the old: a
// crash between the two has it sent once more, with the same id, and a transaction would cost twice as much for each.
func (s *Store) KeepDelivery(ctx context.Context, before, after webhook.Delivery) (err error) {
	defer func() { wrap(&err, "write delivery to %s", after.Endpoint.ID) }()
	i := encodeDelivery(after)
	switch was, is := before.Result == webhook.Pending, after.Result == webhook.Pending; {
	case was && is:
		k := deliveryKey(after.Endpoint, onItsWay, after.ID)
		return s.single(ctx, s.over(encodeDelivery(before), i, k, before.Version), i)
	case was:
		return s.ended(ctx, before, after, i)
	default:
		refused, err := s.together(ctx, []types.TransactWriteItem{
			s.gone(deliveryKey(before.Endpoint, hasEnded, before.ID), before.Version),
			s.fresh(i),
		})
		if err == nil && refused != nil {
			return command.ErrConflict
		}
		return err
	}
}

func (s *Store) ended(ctx context.Context, before, after webhook.Delivery, i item) error {
	at, known := i[aTried]
	if !known {
		at = num(0)
	}
	w := types.TransactWriteItem{Put: &types.Put{
		TableName: s.table, Item: i, ConditionExpression: aws.String(isNew + " OR #at <= :at"),
		ExpressionAttributeNames: map[string]string{"#at": aTried}, ExpressionAttributeValues: map[string]types.AttributeValue{":at": at},
	}}
	if err := s.single(ctx, w, i); err != nil {
		return err
	}
	gone := s.gone(deliveryKey(before.Endpoint, onItsWay, before.ID), before.Version).Delete
	_, err := s.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName: gone.TableName, Key: gone.Key, ConditionExpression: gone.ConditionExpression,
		ExpressionAttributeNames: gone.ExpressionAttributeNames, ExpressionAttributeValues: gone.ExpressionAttributeValues,
	})
	if _, failed := errors.AsType[*types.ConditionalCheckFailedException](err); failed {
		return command.ErrConflict
	}
	return err
}

// PendingDeliveries is that of [webhook.Deliveries].
func (s *Store) PendingDeliveries(ctx context.Context, k webhook.Key, after string, limit int) (all []webhook.Delivery, err error) {
	defer func() { wrap(&err, "deliveries to %s", k.ID) }()
	page, err := s.deliveries(ctx, k, onItsWay, limit, func(in *dynamodb.QueryInput) {
		if after != "" {
			in.ExclusiveStartKey = deliveryKey(k, onItsWay, after)
		}
	})
	return page.Deliveries, err
}

// deliveries reads a page of those to an endpoint.
func (s *Store) deliveries(ctx context.Context, k webhook.Key, place string, limit int, more func(*dynamodb.QueryInput)) (
	page webhook.DeliveryPage, err error,
) {
	in := s.begins(partition(k.Partner), deliveriesOf(k)+place, true)
	more(in)
	page.Deliveries, page.Next, err = paged(ctx, s, in, listing[webhook.Delivery]{
		limit: limit, attr: skAttr, prefix: deliveriesOf(k), place: placeOf,
		read: ofItems(func(i image) (webhook.Delivery, error) { return decodeDelivery(k, i) }),
	})
	return page, err
}

// placeOf says where among those of its endpoint a delivery is.
func placeOf(d webhook.Delivery) string {
	if d.Result == webhook.Pending {
		return onItsWay + d.ID
	}
	return hasEnded + d.ID
}

// Delivery is that of [webhook.Deliveries].
func (s *Store) Delivery(ctx context.Context, k webhook.Key, id string) (d webhook.Delivery, err error) {
	defer func() { wrap(&err, "delivery to %s", k.ID) }()
	if id == "" || len(id) > maxDelivery {
		return d, problem.New(problem.NotFound, noDelivery)
	}
	stored, err := s.read(ctx, deliveryKey(k, onItsWay, id), true, noDelivery)
	if problem.Is(err, problem.NotFound) {
		stored, err = s.read(ctx, deliveryKey(k, hasEnded, id), true, noDelivery)
	}
	if err != nil {
		return d, err
	}
	return decodeDelivery(k, stored)
}

// Deliveries is that of [webhook.Deliveries]. Places are sort keys without what is the endpoint's.
func (s *Store) Deliveries(ctx context.Context, k webhook.Key, after string, limit int) (page webhook.DeliveryPage, err error) {
	defer func() { wrap(&err, "deliveries to %s", k.ID) }()
	return s.deliveries(ctx, k, "", limit, func(in *dynamodb.QueryInput) {
		in.ScanIndexForward = aws.Bool(false)
		if after != "" {
			in.ExclusiveStartKey = deliveryKey(k, "", after)
		}
	})
}

// Attributes of endpoints and deliveries. The filter of the events' stream looks at aJob.
const (
	aURL         = "url"
	aDescription = "description"
	aWanted      = "events"
	aWhy         = "why"
	aSecrets     = "secrets"
	aSecretUntil = "secretUntil"
	aFailures    = "failures"
	aFailing     = "failing"
	aRests       = "rests"
	aChangedAt   = "changedAt"
	aRevision    = "revision"
	aEvent       = "event"
	aEventType   = "eventType"
	aEventAt     = "at"
	aEventBody   = "eventBody"
	aResult      = "result"
	aTried       = "tried"
	aAnswered    = "answered"
)

var endpointWaits = newWaiting(webhook.DueKind, endpointPrefix)

func encodeEndpoint(e webhook.Endpoint) item {
	i := newItem(endpointKey(e.Key), endpointType)
	at, waits := e.Due()
	endpointWaits.enter(i, e.ID, at, waits)
	return written(i, endpointFields, &e)
}

// EndpointFromImage gives the webhook endpoint of an item, also of a stream record's image. The error is that of
// [InvitationFromImage].
func EndpointFromImage(image map[string]types.AttributeValue) (e webhook.Endpoint, err error) {
	c, err := reading(image, endpointType)
	if err != nil {
		return e, err
	}
	e.Partner, e.ID = partner.TenantID(c.owner(partnerPrefix)), strings.TrimPrefix(c.needText(skAttr), endpointPrefix)
	endpointFields(&c, &e)
	return e, c.err
}

// endpointFields are those of an endpoint, apart from what its key says.
func endpointFields(c *coder, e *webhook.Endpoint) {
	need(c, aURL, &e.URL)
	text(c, aDescription, &e.Description)
	texts(c, aWanted, &e.Events)
	need(c, aStatus, &e.Status)
	text(c, aWhy, &e.Reason)
	secretFields(c, &e.Secrets)
	boxFields(c, aJob, &e.Box)
	number(c, aFailures, &e.Failures)
	moment(c, aFailing, &e.FailingSince)
	moment(c, aRests, &e.RestsUntil)
	text(c, aRequest, &e.Body)
	moment(c, aMadeAt, &e.CreatedAt)
	moment(c, aChangedAt, &e.ChangedAt)
	needNumber(c, aRevision, &e.Revision)
	needNumber(c, aVersion, &e.Version)
}

// secretFields are two lists in one: the keys, and until when the last of them signs. The newest has no end.
func secretFields(c *coder, secrets *[]webhook.Secret) {
	if c.writes {
		sealed := make([]string, len(*secrets))
		for n, each := range *secrets {
			sealed[n] = each.Sealed
			item(c.item).time(aSecretUntil, each.Until)
		}
		texts(c, aSecrets, &sealed)
		return
	}
	for n, each := range c.texts(aSecrets) {
		secret := webhook.Secret{Sealed: each}
		if n > 0 {
			secret.Until = c.time(aSecretUntil)
		}
		*secrets = append(*secrets, secret)
	}
}

func encodeDelivery(d webhook.Delivery) item {
	i := newItem(deliveryKey(d.Endpoint, placeOf(d), ""), deliveryType)
	i.time(ttlAttr, d.At.Add(webhook.Kept))
	return written(i, deliveryFields, &d)
}

func decodeDelivery(k webhook.Key, stored map[string]types.AttributeValue) (d webhook.Delivery, err error) {
	c, err := reading(stored, deliveryType)
	if err != nil {
		return d, err
	}
	place := strings.TrimPrefix(c.needText(skAttr), deliveriesOf(k))
	d.Endpoint, d.ID = k, strings.TrimPrefix(strings.TrimPrefix(place, onItsWay), hasEnded)
	deliveryFields(&c, &d)
	return d, c.err
}

// deliveryFields are those of a delivery, apart from what its key says.
func deliveryFields(c *coder, d *webhook.Delivery) {
	need(c, aEvent, &d.Event)
	need(c, aEventType, &d.Type)
	bytesField(c, aEventBody, &d.Body)
	moment(c, aEventAt, &d.At)
	text(c, aResult, &d.Result)
	boxFields(c, aJob, &d.Box)
	number(c, aTries, &d.Attempts)
	moment(c, aTried, &d.LastAt)
	number(c, aAnswered, &d.Status)
	text(c, aWhy, &d.Reason)
	needNumber(c, aVersion, &d.Version)
}
