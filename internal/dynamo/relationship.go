package dynamo

import (
	"cmp"
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/relationship"
)

// aRelated is what has happened to a relationship, and aRecorded that its customer is a record that a partner created.
const (
	aRelated  = "history"
	aRecorded = "recorded"
)

// Relationship is that of [relationship.Store].
func (s *Store) Relationship(ctx context.Context, p, customer partner.TenantID) (r relationship.Relationship, err error) {
	defer func() { wrap(&err, "relationship of %s with %s", p, customer) }()
	stored, err := s.read(ctx, relationshipKey(p, customer), true, "There is no such customer.")
	if problem.Is(err, problem.NotFound) {
		stored, err = s.elsewhere(ctx, p, customer)
	}
	if err != nil {
		return r, err
	}
	return RelationshipFromImage(stored)
}

// Relationships is that of [relationship.Store]. As with invitations, the index gives the order and the table the items.
func (s *Store) Relationships(ctx context.Context, p partner.TenantID, q relationship.Query) (page relationship.Page, err error) {
	defer func() { wrap(&err, "relationships of %s", p) }()
	in, err := s.listing(p, relationshipPrefix, q.After)
	if err != nil {
		return page, err
	}
	for left := bound(q.Limit); left > 0; {
		chunk := min(left, q.Limit)
		left -= chunk
		in.Limit = aws.Int32(int32(chunk))
		out, err := s.client.Query(ctx, in)
		if err != nil {
			return page, err
		}
		found, err := s.relationshipsOf(ctx, out.Items)
		if err != nil {
			return page, err
		}
		for n, r := range found {
			if !q.Matches(r) {
				continue
			}
			page.Relationships = append(page.Relationships, r)
			if len(page.Relationships) == q.Limit {
				if n < len(found)-1 || out.LastEvaluatedKey != nil {
					page.Next = r.Place()
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
	page.Next = strings.TrimPrefix(last.needText(listAtAttr), relationshipPrefix)
	return page, last.err
}

// listing asks index list for a partner's customers of one kind, newest first, behind a place.
func (s *Store) listing(p partner.TenantID, kind, after string) (*dynamodb.QueryInput, error) {
	if _, _, ok := relationship.ParsePlace(after); after != "" && !ok {
		return nil, errAfter()
	}
	low, high := placed(kind, after)
	return &dynamodb.QueryInput{
		TableName: s.table, IndexName: aws.String(listIndex), ScanIndexForward: aws.Bool(false),
		KeyConditionExpression:    aws.String("pk = :pk AND listAt BETWEEN :low AND :high"),
		ExpressionAttributeValues: key{":pk": str(partition(p)), ":low": str(low), ":high": str(high)},
	}, nil
}

// relationshipsOf reads the relationships of index entries, in their order. One that the read does not find yet is left out, and one that has
// moved: it came back, and stands where it came back.
func (s *Store) relationshipsOf(ctx context.Context, entries []map[string]types.AttributeValue) (list []relationship.Relationship, err error) {
	if len(entries) == 0 {
		return nil, nil
	}
	keys := make([]map[string]types.AttributeValue, len(entries))
	places := make([]string, len(entries))
	for n, e := range entries {
		f := &fields{item: e}
		keys[n], places[n] = keyOf(f.needText(pkAttr), f.needText(skAttr)), strings.TrimPrefix(f.needText(listAtAttr), relationshipPrefix)
		if f.err != nil {
			return nil, f.err
		}
	}
	stored, err := s.batch(ctx, keys, false)
	if err != nil {
		return nil, err
	}
	found := map[string]relationship.Relationship{}
	for _, each := range stored {
		r, err := RelationshipFromImage(each)
		if err != nil {
			return nil, err
		}
		found[r.Place()] = r
	}
	for _, place := range places {
		if r, ok := found[place]; ok {
			list = append(list, r)
		}
	}
	return list, nil
}

func errAfter() error {
	return problem.New(problem.MalformedRequest, "The list cannot be continued from there.")
}

// related gives the write of a relationship, on condition that it is new or unchanged.
func (s *Store) related(c relationship.Change) types.TransactWriteItem {
	after := encodeRelationship(c.After)
	if c.Before == nil {
		return types.TransactWriteItem{Put: &types.Put{TableName: s.table, Item: after, ConditionExpression: aws.String(isNew)}}
	}
	expression, names, values := update(encodeRelationship(*c.Before), after)
	values[":was"] = num(int64(c.Before.Version))
	return types.TransactWriteItem{Update: &types.Update{
		TableName: s.table, Key: relationshipKey(c.After.Partner, c.After.Customer.Tenant), UpdateExpression: &expression,
		ConditionExpression: aws.String(isUnchanged), ExpressionAttributeNames: names, ExpressionAttributeValues: values,
	}}
}

func encodeRelationship(r relationship.Relationship) item {
	i := newItem(relationshipKey(r.Partner, r.Customer.Tenant), relationshipType)
	i[listAtAttr] = str(relationshipPrefix + r.Place())
	i[servedAttr] = str(pack(string(cmp.Or(r.Customer.Home(), r.Customer.Tenant))))
	return written(i, relationshipFields, &r)
}

// RelationshipFromImage gives the relationship of an item, also of a stream record's image. The error is [ErrOtherItem] for an
// item of another type, and names the attribute that is missing or of the wrong type.
func RelationshipFromImage(stored map[string]types.AttributeValue) (r relationship.Relationship, err error) {
	c, err := reading(stored, relationshipType)
	if err != nil {
		return r, err
	}
	r.Partner = partner.TenantID(c.owner(partnerPrefix))
	r.Customer.Tenant = partner.TenantID(strings.TrimPrefix(c.needText(skAttr), relationshipPrefix))
	relationshipFields(&c, &r)
	if r.Customer.Created {
		if home := partner.TenantID(c.unpacked(servedAttr)); home != r.Customer.Tenant {
			r.Customer.ClaimedBy = home
		}
	}
	if c.err != nil {
		return relationship.Relationship{}, c.err
	}
	return r, nil
}

// relationshipFields are those of a relationship, apart from what its key and its place in index served say.
func relationshipFields(c *coder, r *relationship.Relationship) {
	flag(c, aRecorded, &r.Customer.Created)
	flag(c, "apart", &r.Apart)
	packed(c, "twin", &r.Twin)
	need(c, "id", &r.ID)
	text(c, "name", &r.Customer.CompanyName)
	texts(c, "domains", &r.Customer.Domains)
	text(c, "nameFrom", &r.Customer.NameSource)
	text(c, "country", &r.Customer.Country)
	text(c, "countryFrom", &r.Customer.CountrySource)
	text(c, "cloud", &r.Customer.Cloud)
	need(c, "role", &r.Role)
	need(c, "status", &r.Status)
	text(c, "origin", &r.Origin)
	text(c, "invitation", &r.Invitation)
	text(c, "via", &r.Via)
	need(c, "dap", &r.DelegatedAdmin)
	need(c, "identity", &r.IdentityCheck)
	text(c, "regions", &r.RegionTable)
	moment(c, "established", &r.EstablishedAt)
	moment(c, "updated", &r.UpdatedAt)
	correlation(c, "correlation", &r.CorrelationID)
	number(c, "sold", &r.Sold.Active)
	number(c, "soldAzure", &r.Sold.Azure)
	flag(c, "agreed", &r.AgreementSigned)
	if g, there := part(c, "removal", &r.Removal); there {
		moment(&g, "at", &r.Removal.At)
		text(&g, "by", &r.Removal.By)
		attestedFields(&g, &r.Removal.Attestation)
		c.leave("removal", &g)
	}
	timeline(c, aRelated, &r.History, "", "", writeRelationshipEntry, readRelationshipEntry)
	needNumber(c, "v", &r.Version)
}

// correlation is the id of a request, as far as it is kept.
func correlation(c *coder, name string, id *string) {
	if c.writes {
		item(c.item).text(name, pack(shortened(*id)))
		return
	}
	*id = c.unpacked(name)
}

// attestedFields say which text was attested.
func attestedFields(c *coder, a *relationship.AttestedText) {
	text(c, "version", &a.Version)
	text(c, "language", &a.Language)
	text(c, "hash", &a.Hash)
}

func writeRelationshipEntry(e relationship.Entry) invitation.Entry {
	return invitation.Entry{At: e.At, Action: e.Action, By: e.By, CorrelationID: e.CorrelationID, Key: stoodAfter(e), Why: e.Why}
}

func readRelationshipEntry(e invitation.Entry) (relationship.Entry, error) {
	entry := relationship.Entry{At: e.At, Action: e.Action, By: e.By, CorrelationID: e.CorrelationID, Why: e.Why}
	entry.Status, entry.DelegatedAdmin, entry.IdentityCheck = standing(e.Key)
	return entry, nil
}

// How things stood after an entry of a relationship's history is kept where an invitation's has its key, as the first letters of the
// three states.
func stoodAfter(e relationship.Entry) string {
	letters := ""
	for _, state := range []string{string(e.Status), string(e.DelegatedAdmin), string(e.IdentityCheck)} {
		if state == "" {
			return ""
		}
		letters += state[:1]
	}
	return letters
}

func standing(letters string) (status relationship.Status, dap relationship.Administration, check relationship.IdentityCheck) {
	if len(letters) != 3 {
		return "", "", ""
	}
	return map[byte]relationship.Status{'a': relationship.Active, 'r': relationship.Removed}[letters[0]],
		map[byte]relationship.Administration{'n': relationship.NoAdministration, 'a': relationship.ActiveDAP, 't': relationship.TerminatedDAP}[letters[1]],
		map[byte]relationship.IdentityCheck{'n': relationship.NotNeeded, 'p': relationship.Unproven, 'c': relationship.Confirmed}[letters[2]]
}
