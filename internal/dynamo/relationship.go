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
	in, err := s.customers(p, relationshipPrefix, q.After)
	if err != nil {
		return page, err
	}
	page.Relationships, page.Next, err = paged(ctx, s, in, listing[relationship.Relationship]{
		limit: q.Limit, read: s.relationshipsOf, fits: q.Matches, attr: listAtAttr, prefix: relationshipPrefix,
		place: relationship.Relationship.Place,
	})
	return page, err
}

// customers asks index list for a partner's customers of one kind, newest first, behind a place.
func (s *Store) customers(p partner.TenantID, kind, after string) (*dynamodb.QueryInput, error) {
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

// relationshipsOf reads the relationships of index entries, in their order. One that has moved is left out: it came back, and stands
// where it came back.
func (s *Store) relationshipsOf(ctx context.Context, entries []image) (list []relationship.Relationship, err error) {
	keys, err := keysOf(entries)
	if err != nil {
		return nil, err
	}
	items, err := s.batch(ctx, keys, false)
	if err != nil {
		return nil, err
	}
	for n, each := range items {
		if each == nil {
			continue
		}
		r, err := RelationshipFromImage(each)
		if err != nil {
			return nil, err
		}
		if f := (&fields{item: entries[n]}); f.text(listAtAttr) == relationshipPrefix+r.Place() {
			list = append(list, r)
		}
	}
	return list, nil
}

// related gives the write of a relationship, on condition that it is new or unchanged.
func (s *Store) related(c relationship.Change) types.TransactWriteItem {
	after := encodeRelationship(c.After)
	if c.Before == nil {
		return s.fresh(after)
	}
	return s.over(encodeRelationship(*c.Before), after, relationshipKey(c.After.Partner, c.After.Customer.Tenant), c.Before.Version)
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
	return invitation.Entry{At: e.At, Action: string(e.Action), By: e.By, CorrelationID: e.CorrelationID, Key: stoodAfter(e), Why: e.Why}
}

func readRelationshipEntry(e invitation.Entry) (relationship.Entry, error) {
	entry := relationship.Entry{At: e.At, Action: relationship.Action(e.Action), By: e.By, CorrelationID: e.CorrelationID, Why: e.Why}
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
