package dynamo

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"concord/internal/customer"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/partner"
)

// sought is where a customer finds a request for granular administration in index served; empty for nowhere.
func sought(r granular.Relationship) string {
	who, domain, open := r.Sought()
	switch {
	case !open:
		return ""
	case who != "":
		return pack(string(who))
	case domain != "":
		return soughtAt(domain)
	default:
		return r.ID
	}
}

// soughtAt is where a company finds what was mailed to addresses of a domain. It holds no domain in clear, and no
// tenant looks like it.
func soughtAt(domain string) string { return strings.TrimSuffix(invitation.SlotsAt(domain), "#") }

// AskedOf is that of [customer.Requests]: index served has the slots of the requests that name a company, and
// granular ones themselves.
func (s *Store) AskedOf(ctx context.Context, company partner.TenantID) (asked customer.Asked, err error) {
	defer func() { wrap(&err, "asked of %s", company) }()
	entries, err := s.served(ctx, pack(string(company)))
	if err != nil {
		return asked, err
	}
	var slots []map[string]types.AttributeValue
	for _, e := range entries {
		switch {
		case strings.HasPrefix(e.sort, granularPrefix):
			asked.Granular = append(asked.Granular, granularIn(e))
		case strings.HasPrefix(e.sort, slotPrefix):
			slots = append(slots, keyOf(partition(e.partner), e.sort))
		}
	}
	for len(slots) > 0 {
		some := slots[:min(len(slots), 100)]
		slots = slots[len(some):]
		found, err := s.batch(ctx, some, false)
		if err != nil {
			return asked, err
		}
		for _, stored := range found {
			f := &fields{item: stored}
			k := invitation.Key{Inviter: partner.TenantID(strings.TrimPrefix(f.needText(pkAttr), partnerPrefix)), ID: f.needText(aHolder)}
			if f.err != nil {
				return asked, f.err
			}
			asked.Invitations = append(asked.Invitations, k)
		}
	}
	return asked, nil
}

// AskedAt is that of [customer.Requests]: one query of the slots in the domain's partition, one of index served.
func (s *Store) AskedAt(ctx context.Context, domain string) (asked customer.Asked, err error) {
	defer func() { wrap(&err, "asked at a domain") }()
	out, err := s.client.Query(ctx, &dynamodb.QueryInput{
		TableName: s.table, KeyConditionExpression: aws.String("pk = :pk AND begins_with(sk, :slot)"), Limit: aws.Int32(customer.MaxAsked),
		ExpressionAttributeValues: key{":pk": str(askedPartition(invitation.SlotsAt(domain))), ":slot": str(slotPrefix)},
	})
	if err != nil {
		return asked, err
	}
	for _, stored := range out.Items {
		f := &fields{item: stored}
		inviter, _, cut := strings.Cut(strings.TrimPrefix(f.needText(skAttr), slotPrefix), "#")
		if !cut {
			f.fault(skAttr, "is not what a slot has there")
		}
		k := invitation.Key{Inviter: partner.TenantID(inviter), ID: f.needText(aHolder)}
		if f.err != nil {
			return asked, f.err
		}
		asked.Invitations = append(asked.Invitations, k)
	}
	entries, err := s.served(ctx, soughtAt(domain))
	for _, e := range entries {
		asked.Granular = append(asked.Granular, granularIn(e))
	}
	return asked, err
}

// AskedAs is that of [customer.Requests].
func (s *Store) AskedAs(ctx context.Context, id string) (keys []granular.Key, err error) {
	defer func() { wrap(&err, "asked as %.64q", id) }()
	if !isID(id) || !strings.Contains(id, "_") { // nothing else that is served is looked for by what people type
		return nil, nil
	}
	entries, err := s.served(ctx, id)
	for _, e := range entries {
		keys = append(keys, granularIn(e))
	}
	return keys, err
}

// granularIn gives the key of a request for granular administration that an entry of index served is of.
func granularIn(e serving) granular.Key {
	return granular.Key{Partner: e.partner, ID: strings.TrimPrefix(e.sort, granularPrefix)}
}

// serving is an entry of index served: in whose partition it is, and its sort key.
type serving struct {
	partner partner.TenantID
	sort    string
}

// served gives what index served has at a place, at most [maxServed].
func (s *Store) served(ctx context.Context, place string) (entries []serving, err error) {
	out, err := s.client.Query(ctx, &dynamodb.QueryInput{
		TableName: s.table, IndexName: aws.String(servedIndex), KeyConditionExpression: aws.String("served = :place"), Limit: aws.Int32(maxServed),
		ExpressionAttributeValues: key{":place": str(place)},
	})
	if err != nil {
		return nil, err
	}
	for _, stored := range out.Items {
		f := &fields{item: stored}
		e := serving{partner.TenantID(strings.TrimPrefix(f.needText(pkAttr), partnerPrefix)), f.needText(skAttr)}
		if f.err != nil {
			return nil, f.err
		}
		entries = append(entries, e)
	}
	return entries, nil
}
