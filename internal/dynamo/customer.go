package dynamo

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"concord/internal/command"
	"concord/internal/customer"
	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/recipient"
	"concord/internal/relationship"
)

// aMadeAt is when a command made something, and aCreations how many customers a partner created on a day.
const (
	aMadeAt    = "madeAt"
	aCreations = "made"
)

// Create is that of [customer.Register].
func (s *Store) Create(ctx context.Context, c customer.Creation) (err error) {
	by := c.Record.By
	defer func() { wrap(&err, "create customer of %s", by) }()
	key := newItem(commandKey(by, c.Key), commandType)
	key.text("customer", string(c.Made.Customer))
	key.text("body", c.Made.Body)
	key.time(aMadeAt, c.Made.At)
	key.time(ttlAttr, c.Made.At.Add(2*customer.KeyWindow))
	items := []types.TransactWriteItem{
		s.fresh(encodeRecord(c.Record)),
		{Put: &types.Put{
			TableName: s.table, Item: key, ConditionExpression: aws.String(isNew + " OR madeAt <= :over"),
			ExpressionAttributeValues: map[string]types.AttributeValue{":over": num(c.Made.At.Add(-customer.KeyWindow).Unix())},
		}},
		s.domained(relationship.DomainChange{Name: c.Record.Domain, Is: relationship.Holder{ID: c.Record.ID, Created: true}}),
	}
	for _, above := range c.Above {
		items = append(items, s.noted(above))
	}
	counted := len(items)
	if c.Daily > 0 {
		items = append(items, s.counted(by, c.Made.At, c.Daily))
	}
	for _, r := range c.Relationships {
		items = append(items, s.related(r))
	}
	if i := c.Invitation; i != nil {
		change := invitation.Change{After: *i}
		items = append(items, s.changed(change), s.taken(change, i.Slot()))
	}
	if c.Stands != nil {
		items = append(items, types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
			TableName: s.table, Key: partnershipKey(c.Stands.Provider, c.Stands.ID()), ConditionExpression: aws.String("#status = :active"),
			ExpressionAttributeNames: map[string]string{"#status": "status"}, ExpressionAttributeValues: map[string]types.AttributeValue{":active": str(string(partnership.Active))},
		}})
	}
	refused, err := s.together(ctx, items)
	switch {
	case err != nil || refused == nil:
		return err
	case c.Daily > 0 && refused[counted] != nil && !slices.ContainsFunc(refused[:counted], stood):
		return customer.ErrManyCreated
	default:
		return command.ErrConflict
	}
}

// counted gives the write that counts a creation, on condition that the day has room.
func (s *Store) counted(p partner.TenantID, at time.Time, limit int) types.TransactWriteItem {
	day := at.UTC().Truncate(24 * time.Hour)
	return types.TransactWriteItem{Update: &types.Update{
		TableName: s.table, Key: countKey(p, recipient.Tally{Day: day.Format(time.DateOnly)}), ConditionExpression: aws.String("attribute_not_exists(#n) OR #n < :limit"),
		UpdateExpression:         aws.String("SET #type = :type, #ttl = :ttl ADD #n :one"),
		ExpressionAttributeNames: map[string]string{"#type": typeAttr, "#ttl": ttlAttr, "#n": aCreations},
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":type": str(countType), ":ttl": num(day.Add(24*time.Hour + countRemembered).Unix()), ":one": num(1), ":limit": num(int64(limit)),
		},
	}}
}

// Created is that of [customer.Register].
func (s *Store) Created(ctx context.Context, p partner.TenantID, key string) (m customer.Made, err error) {
	defer func() { wrap(&err, "what a command of %s made", p) }()
	stored, err := s.read(ctx, commandKey(p, key), true, "This key was not used.")
	if err != nil {
		return m, err
	}
	f := &fields{item: stored}
	if err := f.expect(commandType); err != nil {
		return m, err
	}
	m = customer.Made{Customer: partner.TenantID(f.needText("customer")), Body: f.text("body"), At: f.time(aMadeAt)}
	return m, f.err
}

// maxServed bounds how many relationships and grants of a customer are looked at: many times what any customer has.
const maxServed = 400

// Partners is that of [customer.Register].
func (s *Store) Partners(ctx context.Context, tenant partner.TenantID) (all []partner.TenantID, err error) {
	defer func() { wrap(&err, "partners of %s", tenant) }()
	err = s.servedBy(ctx, tenant, relationshipPrefix, func(p partner.TenantID, _ string) bool {
		all = append(all, p)
		return true
	})
	return all, err
}

// servedBy goes over what index served has of a customer and one kind: relationships, or what the customer has given. It names the
// partner and the sort key of each; what gives false is a fault.
func (s *Store) servedBy(ctx context.Context, tenant partner.TenantID, kind string, each func(p partner.TenantID, sort string) bool) error {
	entries, err := s.served(ctx, pack(string(tenant)))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.sort, kind) && !each(e.partner, e.sort) {
			f := &fields{}
			f.fault(skAttr, "is not what is served")
			return f.err
		}
	}
	return nil
}

// Occupants is that of [customer.Store].
func (s *Store) Occupants(ctx context.Context, p, tenant partner.TenantID) (ids []string, err error) {
	defer func() { wrap(&err, "occupants of %s", p) }()
	for each, err := range s.every(ctx, s.begins(partition(p), slotPrefix+invitation.SlotsOf(tenant), true)) {
		if err != nil {
			return nil, err
		}
		f := &fields{item: each}
		if ids = append(ids, f.needText(aHolder)); f.err != nil {
			return nil, f.err
		}
	}
	return ids, nil
}

// Traces is that of [customer.Directory]: one query of index entries, which say it all.
func (s *Store) Traces(ctx context.Context, p partner.TenantID, after string, limit int) (places []string, next string, err error) {
	defer func() { wrap(&err, "traces of customers of %s", p) }()
	in, err := s.customers(p, tracePrefix, after)
	if err != nil {
		return nil, "", err
	}
	in.Limit = aws.Int32(int32(limit))
	out, err := s.client.Query(ctx, in)
	if err != nil {
		return nil, "", err
	}
	for _, entry := range out.Items {
		f := &fields{item: entry}
		place := strings.TrimPrefix(f.needText(listAtAttr), tracePrefix)
		if _, _, ok := relationship.ParsePlace(place); f.err == nil && !ok {
			f.fault(listAtAttr, "is not a place")
		}
		if f.err != nil {
			return nil, "", f.err
		}
		if len(places) == 0 || places[len(places)-1] != place {
			places = append(places, place)
		}
	}
	if out.LastEvaluatedKey != nil {
		next = places[len(places)-1]
	}
	return places, next, nil
}
