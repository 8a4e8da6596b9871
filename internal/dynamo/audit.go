package dynamo

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"concord/internal/audit"
	"concord/internal/partner"
)

// AddAudit is that of [audit.Log]: one conditional write of one item, which is never changed.
func (s *Store) AddAudit(ctx context.Context, r audit.Record) (added bool, err error) {
	defer func() { wrap(&err, "audit record %s", r.ID) }()
	_, err = s.client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: s.table, Item: encodeAudit(r), ConditionExpression: aws.String(isNew),
	})
	if _, there := errors.AsType[*types.ConditionalCheckFailedException](err); there {
		return false, nil
	}
	return err == nil, err
}

// AuditRecords is that of [audit.Log]. The time is in the key, so that what lies outside of the query's is not read; what the other
// filters leave out is, within a bound.
func (s *Store) AuditRecords(ctx context.Context, p partner.TenantID, q audit.Query) (page audit.Page, err error) {
	defer func() { wrap(&err, "audit of %s", p) }()
	low, high := auditSort(ceiling(q.From), ""), auditSort(ceiling(q.Before), "")
	in := &dynamodb.QueryInput{
		TableName: s.table, ConsistentRead: aws.Bool(true), ScanIndexForward: aws.Bool(false), KeyConditionExpression: aws.String("pk = :pk AND sk BETWEEN :low AND :high"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":pk": str(partition(p)), ":low": str(low), ":high": str(high)},
	}
	if q.After != "" {
		last := auditPrefix + q.After
		if _, _, ok := parseAuditSort(last); !ok || last > high {
			return page, errAfter()
		}
		if last < low { // the time of a query that names none has gone on since the page before
			return page, nil
		}
		in.ExclusiveStartKey = keyOf(partition(p), last)
	}
	if low >= high {
		return page, nil
	}
	page.Records, page.Next, err = paged(ctx, s, in, listing[audit.Record]{
		limit: q.Limit, fits: q.Matches, attr: skAttr, prefix: auditPrefix,
		read:  ofItems(func(i image) (audit.Record, error) { return decodeAudit(p, i) }),
		place: func(r audit.Record) string { return strings.TrimPrefix(auditSort(r.At, r.ID), auditPrefix) },
	})
	return page, err
}

func encodeAudit(r audit.Record) item {
	return written(newItem(keyOf(partition(r.Partner), auditSort(r.At, r.ID)), auditType), auditFields, &r)
}

func decodeAudit(p partner.TenantID, stored map[string]types.AttributeValue) (r audit.Record, err error) {
	c, err := reading(stored, auditType)
	if err != nil {
		return r, err
	}
	r.Partner = p
	var ok bool
	if r.At, r.ID, ok = parseAuditSort(c.needText(skAttr)); !ok {
		c.fault(skAttr, "is not the key of an audit record")
	}
	auditFields(&c, &r)
	return r, c.err
}

// auditFields are those of an audit record, apart from what its key says.
func auditFields(c *coder, r *audit.Record) {
	need(c, "actor", &r.Actor.Kind)
	packed(c, "by", &r.Actor.Subject)
	packed(c, "of", &r.Actor.Tenant)
	need(c, "op", &r.Operation)
	need(c, "rtype", &r.ResourceType)
	need(c, "rid", &r.ResourceID)
	packed(c, "customer", &r.Customer)
	states(c, "was", &r.Old)
	states(c, "is", &r.New)
	packed(c, "correlation", &r.CorrelationID)
	text(c, "why", &r.Reason)
	moment(c, ttlAttr, &r.Until)
}

// states are fields and their values, such as "status=pending", in order.
func states(c *coder, name string, m *map[string]string) {
	if c.writes {
		list := make([]string, 0, len(*m))
		for field, value := range *m {
			list = append(list, field+"="+value)
		}
		slices.Sort(list)
		texts(c, name, &list)
		return
	}
	for _, state := range c.texts(name) {
		field, value, ok := strings.Cut(state, "=")
		if !ok {
			c.fault(name, "is no state")
		}
		if *m == nil {
			*m = map[string]string{}
		}
		(*m)[field] = value
	}
}
