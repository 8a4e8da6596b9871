package dynamo

import (
	"context"
	"errors"
	"fmt"
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
	for left := bound(q.Limit); left > 0; {
		chunk := min(left, q.Limit)
		left -= chunk
		in.Limit = aws.Int32(int32(chunk))
		out, err := s.client.Query(ctx, in)
		if err != nil {
			return page, err
		}
		for n, stored := range out.Items {
			r, err := decodeAudit(p, stored)
			if err != nil {
				return page, err
			}
			if !q.Matches(r) {
				continue
			}
			page.Records = append(page.Records, r)
			if len(page.Records) == q.Limit {
				if n < len(out.Items)-1 || out.LastEvaluatedKey != nil {
					page.Next = strings.TrimPrefix(auditSort(r.At, r.ID), auditPrefix)
				}
				return page, nil
			}
		}
		if out.LastEvaluatedKey == nil {
			return page, nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
	last := &fields{item: in.ExclusiveStartKey}
	page.Next = strings.TrimPrefix(last.needText(skAttr), auditPrefix)
	return page, last.err
}

func encodeAudit(r audit.Record) item {
	i := newItem(keyOf(partition(r.Partner), auditSort(r.At, r.ID)), auditType)
	i.text("actor", string(r.Actor.Kind))
	i.text("by", pack(r.Actor.Subject))
	i.text("of", pack(string(r.Actor.Tenant)))
	i.text("op", r.Operation)
	i.text("rtype", r.ResourceType)
	i.text("rid", r.ResourceID)
	i.text("customer", pack(string(r.Customer)))
	i.texts("was", states(r.Old))
	i.texts("is", states(r.New))
	i.text("correlation", pack(r.CorrelationID))
	i.text("why", r.Reason)
	i.time(ttlAttr, r.Until)
	return i
}

// states writes fields and their values, such as "status=pending", in order.
func states(m map[string]string) []string {
	var list []string
	for name, value := range m {
		list = append(list, name+"="+value)
	}
	slices.Sort(list)
	return list
}

func (f *fields) states(name string) map[string]string {
	var m map[string]string
	for _, text := range f.texts(name) {
		field, value, ok := strings.Cut(text, "=")
		if !ok {
			f.fault(name, "is no state")
		}
		if m == nil {
			m = map[string]string{}
		}
		m[field] = value
	}
	return m
}

func decodeAudit(p partner.TenantID, stored map[string]types.AttributeValue) (audit.Record, error) {
	f := &fields{item: stored}
	if err := f.expect(auditType); err != nil {
		return audit.Record{}, err
	}
	at, id, ok := parseAuditSort(f.needText(skAttr))
	if !ok {
		f.fault(skAttr, "is not the key of an audit record")
	}
	r := audit.Record{
		ID: id, Partner: p, At: at, Actor: audit.Actor{Kind: audit.ActorKind(f.needText("actor"))}, Operation: f.needText("op"), ResourceType: f.needText("rtype"),
		ResourceID: f.needText("rid"), Old: f.states("was"), New: f.states("is"), Reason: f.text("why"), Until: f.time(ttlAttr),
	}
	var tenant, customer string
	for name, to := range map[string]*string{"by": &r.Actor.Subject, "of": &tenant, "customer": &customer, "correlation": &r.CorrelationID} {
		text, err := unpack(f.text(name))
		if *to = text; err != nil && f.err == nil {
			f.err = fmt.Errorf("dynamo: attribute %s: %w", name, err)
		}
	}
	r.Actor.Tenant, r.Customer = partner.TenantID(tenant), partner.TenantID(customer)
	return r, f.err
}
