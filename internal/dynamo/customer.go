package dynamo

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"concord/internal/customer"
	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/partnership"
)

// Attributes of a customer's claim and of a command's key.
const (
	aClaimedBy = "claimedBy"
	aMadeAt    = "madeAt"
)

// Create is that of [customer.Register].
func (s *Store) Create(ctx context.Context, c customer.Creation) (err error) {
	defer func() { wrap(&err, "create customer of %s", c.By) }()
	claim := newItem(customerKey(c.Customer), customerType)
	claim.text(aClaimedBy, string(c.By))
	key := newItem(commandKey(c.By, c.Key), commandType)
	key.text("customer", string(c.Made.Customer))
	key.text("body", c.Made.Body)
	key.time(aMadeAt, c.Made.At)
	key.time(ttlAttr, c.Made.At.Add(2*customer.KeyWindow))
	items := []types.TransactWriteItem{
		{Put: &types.Put{
			TableName: s.table, Item: claim, ConditionExpression: aws.String(isNew + " OR claimedBy = :by"),
			ExpressionAttributeValues: map[string]types.AttributeValue{":by": str(string(c.By))},
		}},
		{Put: &types.Put{
			TableName: s.table, Item: key, ConditionExpression: aws.String(isNew + " OR madeAt <= :over"),
			ExpressionAttributeValues: map[string]types.AttributeValue{":over": num(c.Made.At.Add(-customer.KeyWindow).Unix())},
		}},
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
	case refused[0] != nil && refused[1] == nil:
		return customer.ErrClaimed
	default:
		return invitation.ErrConflict
	}
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

// maxServed bounds how many partners of a customer are looked at: many times what any customer has.
const maxServed = 200

// Partners is that of [customer.Register].
func (s *Store) Partners(ctx context.Context, tenant partner.TenantID) (all []partner.TenantID, err error) {
	defer func() { wrap(&err, "partners of %s", tenant) }()
	out, err := s.client.Query(ctx, &dynamodb.QueryInput{
		TableName: s.table, IndexName: aws.String(servedIndex), KeyConditionExpression: aws.String("served = :tenant"), Limit: aws.Int32(maxServed),
		ExpressionAttributeValues: map[string]types.AttributeValue{":tenant": str(pack(string(tenant)))},
	})
	if err != nil {
		return nil, err
	}
	for _, stored := range out.Items {
		f := &fields{item: stored}
		all = append(all, partner.TenantID(strings.TrimPrefix(f.needText(pkAttr), partnerPrefix)))
		if f.err != nil {
			return nil, f.err
		}
	}
	return all, nil
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
