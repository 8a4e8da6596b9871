package dynamo

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/relationship"
)

// Attributes of a domain: whose it is, whether that is a record's, and whether one below it is somebody's.
const (
	aHeldBy  = "of"
	aCreated = "created"
	aBelow   = "below"
)

// Companies is that of [relationship.Companies]: one request for everything.
func (s *Store) Companies(ctx context.Context, ids []partner.TenantID, domains []string, strong bool) (found relationship.Found, err error) {
	defer func() { wrap(&err, "companies") }()
	found = relationship.Found{
		Records: map[partner.TenantID]relationship.Record{}, Claims: map[partner.TenantID]relationship.Claims{}, Holders: map[string]relationship.Holder{},
	}
	var keys []map[string]types.AttributeValue
	for _, id := range ids {
		keys = append(keys, customerKey(id))
	}
	for _, d := range domains {
		keys = append(keys, domainKey(d))
	}
	for len(keys) > 0 {
		chunk := keys[:min(len(keys), maxBatch)]
		keys = keys[len(chunk):]
		stored, err := s.batch(ctx, chunk, strong)
		if err != nil {
			return found, err
		}
		for _, each := range stored {
			if err := known(&found, each); err != nil {
				return found, err
			}
		}
	}
	return found, nil
}

// maxBatch is how many items one request reads at most.
const maxBatch = 100

// known adds an item to what was found.
func known(found *relationship.Found, stored map[string]types.AttributeValue) error {
	f := &fields{item: stored}
	pk := f.needText(pkAttr)
	switch f.needText(typeAttr) {
	case customerType:
		r := decodeRecord(f)
		found.Records[r.ID] = r
	case claimsType:
		c := decodeClaims(f)
		found.Claims[c.Tenant] = c
	case domainType:
		found.Holders[strings.TrimPrefix(pk, domainPrefix)] = relationship.Holder{ID: partner.TenantID(f.unpacked(aHeldBy)), Created: f.flag(aCreated), Above: f.flag(aBelow)}
	}
	return f.err
}

func encodeRecord(r relationship.Record) item {
	i := newItem(customerKey(r.ID), customerType)
	i.text("domain", r.Domain)
	i.text("country", r.Country)
	i.text("cloud", string(r.Cloud))
	i.text("by", pack(string(r.By)))
	i.text("for", pack(string(r.Reseller)))
	i.text("tenant", pack(string(r.Tenant)))
	i.text("apart", pack(string(r.Apart)))
	i.flag("disowned", r.Disowned)
	i.number(aVersion, r.Version)
	return i
}

func decodeRecord(f *fields) relationship.Record {
	return relationship.Record{
		ID: partner.TenantID(strings.TrimPrefix(f.needText(pkAttr), customerPrefix)), Domain: f.needText("domain"), Country: f.text("country"), Cloud: partner.CloudID(f.text("cloud")),
		By: partner.TenantID(f.unpacked("by")), Reseller: partner.TenantID(f.unpacked("for")), Tenant: partner.TenantID(f.unpacked("tenant")),
		Apart: partner.TenantID(f.unpacked("apart")), Disowned: f.flag("disowned"), Version: f.needNumber(aVersion),
	}
}

func encodeClaims(c relationship.Claims) item {
	i := newItem(customerKey(c.Tenant), claimsType)
	i.text("home", pack(string(c.Home)))
	records := make([]string, len(c.Records))
	for n, r := range c.Records {
		records[n] = pack(string(r))
	}
	i.texts("records", records)
	i.number(aVersion, c.Version)
	return i
}

func decodeClaims(f *fields) relationship.Claims {
	c := relationship.Claims{
		Tenant: partner.TenantID(strings.TrimPrefix(f.needText(pkAttr), customerPrefix)), Home: partner.TenantID(f.unpacked("home")), Version: f.needNumber(aVersion),
	}
	for _, packed := range f.texts("records") {
		id, err := unpack(packed)
		if err != nil && f.err == nil {
			f.err = err
		}
		c.Records = append(c.Records, partner.TenantID(id))
	}
	return c
}

// discovered gives the writes of what an answer tells of companies.
func (s *Store) discovered(d relationship.Discovery) (items []types.TransactWriteItem) {
	for _, c := range d.Domains {
		items = append(items, s.domained(c))
	}
	for _, c := range d.Records {
		items = append(items, s.over(encodeRecord(c.Before), encodeRecord(c.After), customerKey(c.After.ID), c.Before.Version))
	}
	if c := d.Claims; c != nil {
		after := encodeClaims(c.After)
		if c.Before == nil {
			return append(items, types.TransactWriteItem{Put: &types.Put{TableName: s.table, Item: after, ConditionExpression: aws.String(isNew)}})
		}
		items = append(items, s.over(encodeClaims(*c.Before), after, customerKey(c.After.Tenant), c.Before.Version))
	}
	return items
}

// over gives the write of an item over one of its versions.
func (s *Store) over(before, after item, k key, version int) types.TransactWriteItem {
	expression, names, values := update(before, after)
	values[":was"] = num(int64(version))
	return types.TransactWriteItem{Update: &types.Update{
		TableName: s.table, Key: k, UpdateExpression: &expression, ConditionExpression: aws.String(isUnchanged),
		ExpressionAttributeNames: names, ExpressionAttributeValues: values,
	}}
}

// domained gives the write of a domain, while it is as it was. A domain that a record takes has none below it: what Was says of that is
// its condition, too. That one below has a holder may be noted by several at once.
func (s *Store) domained(c relationship.DomainChange) types.TransactWriteItem {
	if c.Was.ID == c.Is.ID {
		return s.noted(c.Name)
	}
	names := map[string]string{"#type": typeAttr, "#of": aHeldBy, "#created": aCreated}
	values := map[string]types.AttributeValue{":type": str(domainType), ":of": str(pack(string(c.Is.ID)))}
	condition, expression := "attribute_not_exists(#of)", "SET #type = :type, #of = :of REMOVE #created"
	if c.Was.ID != "" {
		condition, values[":was"] = "#of = :was", str(pack(string(c.Was.ID)))
	}
	if c.Is.Created {
		expression, values[":created"] = "SET #type = :type, #of = :of, #created = :created", &types.AttributeValueMemberBOOL{Value: true}
		condition, names["#below"] = condition+" AND attribute_not_exists(#below)", aBelow
	}
	return types.TransactWriteItem{Update: &types.Update{
		TableName: s.table, Key: domainKey(c.Name), UpdateExpression: &expression, ConditionExpression: &condition,
		ExpressionAttributeNames: names, ExpressionAttributeValues: values,
	}}
}

// noted gives the write that notes on a domain that one below it is somebody's, while nobody has the domain itself.
func (s *Store) noted(domain string) types.TransactWriteItem {
	return types.TransactWriteItem{Update: &types.Update{
		TableName: s.table, Key: domainKey(domain), UpdateExpression: aws.String("SET #type = :type, #below = :below"),
		ConditionExpression:       aws.String("attribute_not_exists(#of)"),
		ExpressionAttributeNames:  map[string]string{"#type": typeAttr, "#of": aHeldBy, "#below": aBelow},
		ExpressionAttributeValues: map[string]types.AttributeValue{":type": str(domainType), ":below": &types.AttributeValueMemberBOOL{Value: true}},
	}}
}

// Learn is that of [relationship.Companies]. What says the same as is stored is no conflict: it was told twice.
func (s *Store) Learn(ctx context.Context, domains []relationship.DomainChange) (learned bool, err error) {
	defer func() { wrap(&err, "learn domains") }()
	for _, c := range domains {
		w := s.domained(c)
		told := newItem(domainKey(c.Name), domainType)
		told.text(aHeldBy, pack(string(c.Is.ID)))
		if err := s.single(ctx, w, told); errors.Is(err, invitation.ErrConflict) {
			return false, nil
		} else if err != nil {
			return false, err
		}
	}
	return true, nil
}

// Spoken is that of [customer.Register].
func (s *Store) Spoken(ctx context.Context, d relationship.Discovery, relationships []relationship.Change) (err error) {
	defer func() { wrap(&err, "what a company says of records") }()
	refused, err := s.together(ctx, append(s.discovered(d), s.committed(nil, relationships)...))
	if err == nil && refused != nil {
		return invitation.ErrConflict
	}
	return err
}

// elsewhere looks for a partner's relationship with a company under the other ids of it, once there is none under one.
func (s *Store) elsewhere(ctx context.Context, p, customer partner.TenantID) (map[string]types.AttributeValue, error) {
	const missing = "There is no such customer."
	found := relationship.Found{Records: map[partner.TenantID]relationship.Record{}, Claims: map[partner.TenantID]relationship.Claims{}}
	home := customer
	for {
		stored, err := s.read(ctx, customerKey(home), false, missing)
		if err == nil {
			err = known(&found, stored)
		}
		if err != nil {
			return nil, err
		}
		r, created := found.Records[home]
		if !created {
			break
		}
		if home = r.Tenant; home == "" {
			return nil, problem.New(problem.NotFound, missing)
		}
	}
	for _, id := range append([]partner.TenantID{home}, found.Claims[home].Records...) {
		if id == customer {
			continue
		}
		if stored, err := s.read(ctx, relationshipKey(p, id), true, missing); !problem.Is(err, problem.NotFound) {
			return stored, err
		}
	}
	return nil, problem.New(problem.NotFound, missing)
}
