package dynamo

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"concord/internal/enrolment"
	"concord/internal/invitation"
	"concord/internal/partner"
)

// KeptRecord is that of [enrolment.RecordStore]: one item.
func (s *Store) KeptRecord(ctx context.Context, k enrolment.RecordKind, id string, strong bool) (
	r enrolment.Record, err error,
) {
	defer func() { wrap(&err, "record of a %s", k) }()
	stored, err := s.read(ctx, recordKey(k, id), strong, "There is no such record.")
	if err != nil {
		return r, err
	}
	return decodeKept(stored)
}

// KeptRecords is that of [enrolment.RecordStore].
func (s *Store) KeptRecords(ctx context.Context, k enrolment.RecordKind, limit int, after string) (
	page enrolment.RecordPage, err error,
) {
	defer func() { wrap(&err, "records of %s", k) }()
	in := &dynamodb.QueryInput{
		TableName: s.table, ConsistentRead: aws.Bool(true), Limit: aws.Int32(int32(limit)),
		KeyConditionExpression:    aws.String("pk = :pk"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":pk": str(recordsPrefix + string(k))},
	}
	if after != "" {
		if !isID(after) {
			return page, errAfter()
		}
		in.ExclusiveStartKey = recordKey(k, after)
	}
	out, err := s.client.Query(ctx, in)
	if err != nil {
		return page, err
	}
	for _, stored := range out.Items {
		r, err := decodeKept(stored)
		if err != nil {
			return page, err
		}
		page.Records = append(page.Records, r)
	}
	if out.LastEvaluatedKey != nil {
		last := &fields{item: out.LastEvaluatedKey}
		page.Next, err = last.needText(skAttr), last.err
	}
	return page, err
}

// KeepRecord is that of [enrolment.RecordStore].
func (s *Store) KeepRecord(ctx context.Context, c enrolment.RecordChange) (err error) {
	defer func() { wrap(&err, "write a record of a %s", c.After.Kind) }()
	after := encodeKept(c.After)
	w := types.TransactWriteItem{Put: &types.Put{TableName: s.table, Item: after, ConditionExpression: aws.String(isNew)}}
	if c.Before != nil {
		w = s.over(encodeKept(*c.Before), after, recordKey(c.After.Kind, c.After.ID), c.Before.Version)
	}
	if err = s.single(ctx, w, after); errors.Is(err, invitation.ErrConflict) {
		err = enrolment.ErrConflict
	}
	return err
}

func encodeKept(r enrolment.Record) item {
	i := newItem(recordKey(r.Kind, r.ID), keptType)
	switch r.Kind {
	case enrolment.CompanyRecord:
		i.text("name", r.Company.Name)
		i.group("address", encodeAddress(r.Company.Address))
	case enrolment.PartnerIDRecord:
		i.text("name", r.Location.Name)
		i.text("kind", r.Location.Type)
		i.text("country", r.Location.Country)
		i.text("tenant", string(r.Location.Tenant))
	case enrolment.CalendarRecord:
		weekend := make([]string, len(r.Calendar.Weekend))
		for n, d := range r.Calendar.Weekend {
			weekend[n] = enrolment.Weekdays[d]
		}
		i.texts("weekend", weekend)
		i.texts("holidays", r.Calendar.Holidays)
	}
	i.flag("retired", r.Retired)
	i.history(r.History)
	i.number(aVersion, r.Version)
	return i
}

func decodeKept(stored map[string]types.AttributeValue) (enrolment.Record, error) {
	f := &fields{item: stored}
	if err := f.expect(keptType); err != nil {
		return enrolment.Record{}, err
	}
	r := enrolment.Record{
		Kind: enrolment.RecordKind(strings.TrimPrefix(f.needText(pkAttr), recordsPrefix)),
		ID:   f.needText(skAttr), Retired: f.flag("retired"), Version: f.needNumber(aVersion), History: f.history(),
	}
	switch r.Kind {
	case enrolment.CompanyRecord:
		r.Company = enrolment.Company{DUNS: r.ID, Name: f.needText("name"), Address: f.address("address")}
	case enrolment.PartnerIDRecord:
		r.Location = enrolment.Location{
			ID: r.ID, Name: f.needText("name"), Type: f.needText("kind"), Country: f.needText("country"),
			Tenant: partner.TenantID(f.text("tenant")),
		}
	case enrolment.CalendarRecord:
		for _, name := range f.texts("weekend") {
			n := slices.Index(enrolment.Weekdays, name)
			if n < 0 {
				f.fault("weekend", "names no day of the week")
				break
			}
			r.Calendar.Weekend = append(r.Calendar.Weekend, time.Weekday(n))
		}
		r.Calendar.Holidays = f.texts("holidays")
	default:
		f.fault(pkAttr, "is of no kind of record")
	}
	return r, f.err
}
