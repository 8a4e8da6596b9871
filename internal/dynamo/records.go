package dynamo

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"concord/internal/enrolment"
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
	in := s.all(recordsPrefix + string(k))
	if after != "" {
		if !isID(after) {
			return page, errAfter()
		}
		in.ExclusiveStartKey = recordKey(k, after)
	}
	page.Records, page.Next, err = paged(ctx, s, in, listing[enrolment.Record]{
		limit: limit, read: ofItems(decodeKept), attr: skAttr, place: func(r enrolment.Record) string { return r.ID },
	})
	return page, err
}

// KeepRecord is that of [enrolment.RecordStore].
func (s *Store) KeepRecord(ctx context.Context, c enrolment.RecordChange) (err error) {
	defer func() { wrap(&err, "write a record of a %s", c.After.Kind) }()
	after := encodeKept(c.After)
	w := s.fresh(after)
	if c.Before != nil {
		w = s.over(encodeKept(*c.Before), after, recordKey(c.After.Kind, c.After.ID), c.Before.Version)
	}
	return s.single(ctx, w, after)
}

func encodeKept(r enrolment.Record) item {
	return written(newItem(recordKey(r.Kind, r.ID), keptType), keptFields, &r)
}

func decodeKept(stored map[string]types.AttributeValue) (r enrolment.Record, err error) {
	c, err := reading(stored, keptType)
	if err != nil {
		return r, err
	}
	r.Kind, r.ID = enrolment.RecordKind(c.owner(recordsPrefix)), c.needText(skAttr)
	keptFields(&c, &r)
	return r, c.err
}

// keptFields are those of a record of the operator, of which each kind has some of its own.
func keptFields(c *coder, r *enrolment.Record) {
	switch r.Kind {
	case enrolment.CompanyRecord:
		r.Company.DUNS = r.ID
		need(c, "name", &r.Company.Name)
		addressFields(c, "address", &r.Company.Address)
	case enrolment.PartnerIDRecord:
		r.Location.ID = r.ID
		need(c, "name", &r.Location.Name)
		need(c, "kind", &r.Location.Type)
		need(c, "country", &r.Location.Country)
		text(c, "tenant", &r.Location.Tenant)
	case enrolment.CalendarRecord:
		weekdays(c, "weekend", &r.Calendar.Weekend)
		texts(c, "holidays", &r.Calendar.Holidays)
	default:
		c.fault(pkAttr, "is of no kind of record")
	}
	flag(c, "retired", &r.Retired)
	timeline(c, "history", &r.History, "", "", writeAccountEntry, readAccountEntry)
	needNumber(c, aVersion, &r.Version)
}

// weekdays are days of the week by their names.
func weekdays(c *coder, name string, days *[]time.Weekday) {
	if c.writes {
		names := make([]string, len(*days))
		for n, d := range *days {
			names[n] = enrolment.Weekdays[d]
		}
		texts(c, name, &names)
		return
	}
	*days = mapped(c, name, func(s string) (time.Weekday, error) {
		n := slices.Index(enrolment.Weekdays, s)
		if n < 0 {
			return 0, errors.New("dynamo: no day of the week")
		}
		return time.Weekday(n), nil
	})
}
