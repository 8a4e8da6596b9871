package dynamo

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"concord/internal/command"
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
	items, err := s.batch(ctx, keys, strong)
	if err != nil {
		return found, err
	}
	for _, each := range items {
		if each == nil {
			continue
		}
		if err := known(&found, each); err != nil {
			return found, err
		}
	}
	return found, nil
}

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
	return written(newItem(customerKey(r.ID), customerType), recordFields, &r)
}

func decodeRecord(f *fields) (r relationship.Record) {
	r.ID = partner.TenantID(f.owner(customerPrefix))
	return readFields(f, recordFields, r)
}

// recordFields are those of the record of a company, apart from its id.
func recordFields(c *coder, r *relationship.Record) {
	need(c, "domain", &r.Domain)
	text(c, "country", &r.Country)
	text(c, "cloud", &r.Cloud)
	packed(c, "by", &r.By)
	packed(c, "for", &r.Reseller)
	packed(c, "tenant", &r.Tenant)
	packed(c, "apart", &r.Apart)
	flag(c, "disowned", &r.Disowned)
	needNumber(c, aVersion, &r.Version)
}

func encodeClaims(c relationship.Claims) item {
	return written(newItem(customerKey(c.Tenant), claimsType), claimFields, &c)
}

func decodeClaims(f *fields) (c relationship.Claims) {
	c.Tenant = partner.TenantID(f.owner(customerPrefix))
	return readFields(f, claimFields, c)
}

// claimFields are those of what a tenant has claimed, apart from the tenant.
func claimFields(c *coder, of *relationship.Claims) {
	packed(c, "home", &of.Home)
	packedList(c, "records", &of.Records)
	needNumber(c, aVersion, &of.Version)
}

// packedList is a list of texts in their shorter form.
func packedList[S ~string](c *coder, name string, list *[]S) {
	if c.writes {
		all := make([]string, len(*list))
		for n, s := range *list {
			all[n] = pack(string(s))
		}
		texts(c, name, &all)
		return
	}
	*list = mapped(c, name, func(s string) (S, error) {
		id, err := unpack(s)
		return S(id), err
	})
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
			return append(items, s.fresh(after))
		}
		items = append(items, s.over(encodeClaims(*c.Before), after, customerKey(c.After.Tenant), c.Before.Version))
	}
	return items
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
		if err := s.single(ctx, w, told); errors.Is(err, command.ErrConflict) {
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
	return s.allOrNone(ctx, append(s.discovered(d), s.committed(nil, relationships)...))
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
