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
