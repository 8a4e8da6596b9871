package dynamo

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"concord/internal/customer"
	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/partnership"
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
		{Put: &types.Put{TableName: s.table, Item: encodeRecord(c.Record), ConditionExpression: aws.String(isNew)}},
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
		return invitation.ErrConflict
	}
}

// counted gives the write that counts a creation, on condition that the day has room.
func (s *Store) counted(p partner.TenantID, at time.Time, limit int) types.TransactWriteItem {
	day := at.UTC().Truncate(24 * time.Hour)
	return types.TransactWriteItem{Update: &types.Update{
		TableName: s.table, Key: countKey(p, invitation.Tally{Day: day.Format(time.DateOnly)}), ConditionExpression: aws.String("attribute_not_exists(#n) OR #n < :limit"),
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
	out, err := s.client.Query(ctx, &dynamodb.QueryInput{
		TableName: s.table, IndexName: aws.String(servedIndex), KeyConditionExpression: aws.String("served = :tenant"), Limit: aws.Int32(maxServed),
		ExpressionAttributeValues: map[string]types.AttributeValue{":tenant": str(pack(string(tenant)))},
	})
	if err != nil {
		return err
	}
	for _, stored := range out.Items {
		f := &fields{item: stored}
		p, sort := partner.TenantID(strings.TrimPrefix(f.needText(pkAttr), partnerPrefix)), f.needText(skAttr)
		if f.err == nil && strings.HasPrefix(sort, kind) && !each(p, sort) {
			f.fault(skAttr, "is not what is served")
		}
		if f.err != nil {
			return f.err
		}
	}
	return nil
}

// Occupants is that of [customer.Store].
func (s *Store) Occupants(ctx context.Context, p, tenant partner.TenantID) (ids []string, err error) {
	defer func() { wrap(&err, "occupants of %s", p) }()
	from := slotPrefix + invitation.SlotsOf(tenant)
	stored, _, err := s.named(ctx, p, from, from+"~", 0)
	for _, each := range stored {
		ids = append(ids, each.id)
	}
	return ids, err
}

// Named is that of [customer.Directory]. A customer whose slots were not all read is left to the next page.
func (s *Store) Named(ctx context.Context, p, after partner.TenantID, limit int) (list []customer.Named, next partner.TenantID, err error) {
	defer func() { wrap(&err, "customers that %s has named", p) }()
	from, to := slotPrefix+invitation.SlotsOf(""), slotPrefix+invitation.SlotsOf("")+"~"
	if after != "" {
		from = slotPrefix + invitation.SlotsOf(after) + "~"
	}
	stored, more, err := s.named(ctx, p, from, to, bound(limit))
	if err != nil {
		return nil, "", err
	}
	for _, each := range stored {
		if n := len(list) - 1; n >= 0 && list[n].Customer == each.customer {
			list[n].Invitations = append(list[n].Invitations, each.id)
			continue
		}
		list = append(list, customer.Named{Customer: each.customer, Invitations: []string{each.id}})
	}
	if more && len(list) > 1 {
		list = list[:len(list)-1]
	}
	if len(list) > limit {
		list, more = list[:limit], true
	}
	if more && len(list) > 0 {
		next = list[len(list)-1].Customer
	}
	return list, next, nil
}

// occupied is a slot of a customer with who took it.
type occupied struct {
	customer partner.TenantID
	id       string
}

// named gives the slots between two keys, at most a number of them unless that is 0, and whether there may be more.
func (s *Store) named(ctx context.Context, p partner.TenantID, from, to string, limit int) (list []occupied, more bool, err error) {
	in := &dynamodb.QueryInput{
		TableName: s.table, ConsistentRead: aws.Bool(true), KeyConditionExpression: aws.String("pk = :pk AND sk BETWEEN :from AND :to"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":pk": str(partition(p)), ":from": str(from), ":to": str(to)},
	}
	for {
		if limit > 0 {
			in.Limit = aws.Int32(int32(limit - len(list)))
		}
		out, err := s.client.Query(ctx, in)
		if err != nil {
			return nil, false, err
		}
		for _, stored := range out.Items {
			f := &fields{item: stored}
			tenant, _, _ := strings.Cut(strings.TrimPrefix(f.needText(skAttr), slotPrefix+invitation.SlotsOf("")), "#")
			list = append(list, occupied{partner.TenantID(tenant), f.needText(aHolder)})
			if f.err != nil {
				return nil, false, f.err
			}
		}
		if in.ExclusiveStartKey = out.LastEvaluatedKey; in.ExclusiveStartKey == nil || limit > 0 && len(list) >= limit {
			return list, in.ExclusiveStartKey != nil, nil
		}
	}
}
