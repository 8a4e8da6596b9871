package dynamo

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/uuid"

	"concord/internal/command"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/relationship"
)

// Attributes of granular administration that an invitation does not have; its history is where a relationship has its own.
const (
	aRoleIDs     = "ro" // 16 bytes each
	aRoleTable   = "tb"
	aMonths      = "mo"
	aDays        = "dy"
	aAutoExtend  = "ax"
	aWhyEnded    = "wy"
	aModified    = "md"
	aApproveBy   = "ap"
	aActivated   = "ac"
	aEnds        = "en"
	aDisplayName = "dn"
	aAskedWith   = "iv" // the id of the invitation
	aAssigned    = "ag"
	aIdentity    = "ic" // empty for [relationship.NotNeeded]
)

// WriteGranular is that of [granular.Store]. A change that takes no slot and gives nothing is one conditional write of one item.
func (s *Store) WriteGranular(ctx context.Context, c granular.Change) (err error) {
	defer func() { wrap(&err, "write %s", c.After.ID) }()
	items := s.granularItems(c)
	if len(items) == 1 && c.Discovery.Empty() && len(c.Relationships) == 0 {
		return s.single(ctx, items[0], encodeGranular(c.After))
	}
	own := len(items)
	items = append(items, s.discovered(c.Discovery)...)
	items = append(items, s.committed(nil, c.Relationships)...)
	refused, err := s.together(ctx, items)
	if err != nil || refused == nil {
		return err
	}
	if slices.ContainsFunc(refused[own:], stood) {
		return command.ErrConflict
	}
	return granularRefusal(c, refused[:own])
}

// takesName reports whether a change takes the slot of a name.
func takesName(c granular.Change) bool { return c.Before == nil || c.Before.Slot() != c.After.Slot() }

// granularItems gives the writes of a change, that of a slot last.
func (s *Store) granularItems(c granular.Change) []types.TransactWriteItem {
	items := s.granularWrites(c)
	if !takesName(c) {
		return items
	}
	held := holding{after: holder{c.After.ID, c.After.Version}}
	if c.Displaced != nil {
		held.displaced, held.left = &holder{c.Displaced.ID, c.Displaced.Version}, c.Displaced.Status != granular.Deleted
	}
	return append(items, s.takenBy(slotKey(c.After.Partner, c.After.Slot()), held))
}

// granularRefusal says what has stood in the way of some of granularItems.
func granularRefusal(c granular.Change, refused []map[string]types.AttributeValue) error {
	last := len(refused) - 1
	if !takesName(c) || slices.ContainsFunc(refused[:last], stood) {
		return command.ErrConflict
	}
	f := &fields{item: refused[last]}
	by := f.needText(aHolder)
	if f.err != nil {
		return f.err
	}
	return &granular.SlotTaken{By: by}
}

// granularWrites gives the writes of a change apart from that of a slot: of the relationship and, where that is given or ends, of its grant.
func (s *Store) granularWrites(c granular.Change) []types.TransactWriteItem {
	items := []types.TransactWriteItem{s.granularChanged(c)}
	if g, regranted := c.Regranted(); regranted {
		i := newItem(grantKey(g), grantType)
		i[listAtAttr] = str(tracePrefix + relationship.Place(g.GivenAt, g.Customer))
		i.time(aEnds, g.EndAt)
		i.number(aVersion, g.Version)
		i[servedAttr] = str(pack(string(g.Customer)))
		if !g.EndAt.IsZero() {
			i.time(ttlAttr, g.EndAt.Add(granular.Forgotten))
		}
		items = append(items, types.TransactWriteItem{Put: &types.Put{
			TableName: s.table, Item: i, ConditionExpression: aws.String(isNew + " OR v < :v"), ExpressionAttributeValues: key{":v": num(int64(g.Version))},
		}})
	}
	return items
}

// Grants is that of [granular.Store]: one query, of small items.
func (s *Store) Grants(ctx context.Context, p, from, to partner.TenantID) (list []granular.Grant, err error) {
	defer func() { wrap(&err, "grants of %s", p) }()
	in := &dynamodb.QueryInput{
		TableName: s.table, ConsistentRead: aws.Bool(true), KeyConditionExpression: aws.String("pk = :pk AND sk BETWEEN :low AND :high"),
		ExpressionAttributeValues: key{
			":pk": str(partition(p)), ":low": str(grantPrefix + string(from) + "#"), ":high": str(grantPrefix + string(to) + "#~"),
		},
	}
	for each, err := range s.every(ctx, in) {
		if err != nil {
			return nil, err
		}
		f := &fields{item: each}
		customer, id, ok := parseGrantSort(f.needText(skAttr))
		if !ok {
			f.fault(skAttr, "is not what a grant has there")
		}
		given, _, placed := relationship.ParsePlace(strings.TrimPrefix(f.needText(listAtAttr), tracePrefix))
		if !placed {
			f.fault(listAtAttr, "is not what a grant has there")
		}
		g := granular.Grant{
			Key: granular.Key{Partner: p, ID: id}, Customer: customer, GivenAt: given, EndAt: f.time(aEnds), Version: f.needNumber(aVersion),
		}
		if f.err != nil {
			return nil, f.err
		}
		list = append(list, g)
	}
	return list, nil
}

// GrantsBy is that of [granular.Store].
func (s *Store) GrantsBy(ctx context.Context, customer partner.TenantID) (list []granular.Key, err error) {
	defer func() { wrap(&err, "grants by %s", customer) }()
	err = s.servedBy(ctx, customer, grantPrefix, func(p partner.TenantID, sort string) bool {
		given, id, ok := parseGrantSort(sort)
		list = append(list, granular.Key{Partner: p, ID: id})
		return ok && given == customer
	})
	return list, err
}

// granularChanged gives the write of a relationship, on condition that it is new or unchanged.
func (s *Store) granularChanged(c granular.Change) types.TransactWriteItem {
	after := encodeGranular(c.After)
	if c.Before == nil {
		return s.fresh(after)
	}
	return s.over(encodeGranular(*c.Before), after, granularKey(c.After.Key), c.Before.Version)
}

// GranularRelationship is that of [granular.Store].
func (s *Store) GranularRelationship(ctx context.Context, k granular.Key, strong bool) (r granular.Relationship, err error) {
	defer func() { wrap(&err, "granular relationship %.64q", k.ID) }()
	const missing = "There is no such relationship."
	if !isID(k.ID) {
		return r, problem.New(problem.NotFound, missing)
	}
	stored, err := s.read(ctx, granularKey(k), strong, missing)
	if err != nil {
		return r, err
	}
	return GranularFromImage(stored)
}

// GranularRelationships is that of [granular.Store]. As with invitations, the index gives the order and the table the items.
func (s *Store) GranularRelationships(ctx context.Context, p partner.TenantID, q granular.Query) (page granular.Page, err error) {
	defer func() { wrap(&err, "granular relationships of %s", p) }()
	in := s.newestFirst(partition(p), granularPrefix)
	if q.After != "" {
		_, id, ok := parseListed(granularPrefix, q.After)
		if !ok {
			return page, errAfter()
		}
		in.ExclusiveStartKey = startAt(granularKey(granular.Key{Partner: p, ID: id}), q.After)
	}
	page.Relationships, page.Next, err = paged(ctx, s, in, listing[granular.Relationship]{
		limit: q.Limit, read: ofEntries(s, false, GranularFromImage), fits: q.Matches, attr: listAtAttr,
		place: func(r granular.Relationship) string { return listed(granularPrefix, r.CreatedAt, r.ID) },
	})
	return page, err
}

var granularWaits = newWaiting(granular.DueKind, granularPrefix)

func encodeGranular(r granular.Relationship) item {
	i := newItem(granularKey(r.Key), granularType)
	i[listAtAttr] = str(listed(granularPrefix, r.CreatedAt, r.ID))
	at, waits := r.Due()
	granularWaits.enter(i, r.ID, at, waits)
	i.time(ttlAttr, r.ForgetAt())
	if at := sought(r); at != "" {
		i[servedAttr] = str(at)
	}
	return written(i, granularFields, &r)
}

// GranularFromImage gives the granular relationship of an item, also of a stream record's image. The error is [ErrOtherItem] for an item of
// another type, and names the attribute that is missing or of the wrong type.
func GranularFromImage(image map[string]types.AttributeValue) (r granular.Relationship, err error) {
	c, err := reading(image, granularType)
	if err != nil {
		return r, err
	}
	var ok bool
	if r.CreatedAt, r.ID, ok = parseListed(granularPrefix, c.needText(listAtAttr)); !ok || c.needText(skAttr) != granularPrefix+r.ID {
		c.fault(listAtAttr, "is not what a granular relationship has there")
	}
	r.Partner = partner.TenantID(c.owner(partnerPrefix))
	if granularFields(&c, &r); c.err != nil {
		return granular.Relationship{}, c.err
	}
	return r, nil
}

// granularFields are those of a granular relationship, apart from what its key and its place in index list say.
func granularFields(c *coder, r *granular.Relationship) {
	needNumber(c, aVersion, &r.Version)
	need(c, aDisplayName, &r.DisplayName)
	text(c, aCustomer, &r.Customer)
	text(c, aName, &r.CustomerName)
	need(c, aCloud, &r.Cloud)
	ids(c, aRoleIDs, &r.Roles)
	groups(c, aAssigned, &r.Assignments, assignmentFields)
	text(c, aRoleTable, &r.RoleTable)
	number(c, aMonths, &r.Duration.Months)
	number(c, aDays, &r.Duration.Days)
	flag(c, aAutoExtend, &r.AutoExtend)
	need(c, aStatus, &r.Status)
	text(c, aWhyEnded, &r.Reason)
	text(c, aAskedWith, &r.Invitation)
	text(c, aIdentity, &r.IdentityCheck)
	needNumber(c, aGeneration, &r.Generation)
	text(c, aCreatedBy, &r.CreatedBy)
	moment(c, aModified, &r.ModifiedAt)
	moment(c, aApproveBy, &r.ApproveBy)
	moment(c, aActivated, &r.ActivatedAt)
	moment(c, aEnds, &r.EndAt)
	number(c, aReminded, &r.Reminded)
	number(c, aReported, &r.Reported)
	text(c, aEmail, &r.Mail.To)
	text(c, aLocale, &r.Mail.Locale)
	text(c, aTongue, &r.Mail.LocaleAsked)
	text(c, aMail, &r.Mail.State)
	text(c, aMessageID, &r.Mail.MessageID)
	moment(c, aMailSent, &r.Mail.SentAt)
	text(c, aReason, &r.Mail.Reason)
	boxFields(c, aPost, &r.Post)
	answeredBy := ""
	if g, there := part(c, aAnswer, &r.Answer); there {
		givenFields(&g, r.Answer)
		answeredBy = r.Answer.Subject
		c.leave(aAnswer, &g)
	}
	timeline(c, aRelated, &r.History, r.CreatedBy, answeredBy, writeGranularEntry, readGranularEntry)
}

// assignmentFields are those of what a group of the partner has.
func assignmentFields(c *coder, a *granular.Assignment) {
	need(c, "id", &a.ID)
	packed(c, "g", &a.Group)
	ids(c, aRoleIDs, &a.Roles)
	need(c, aStatus, &a.Status)
	packed(c, "k", &a.Key)
	packed(c, "b", &a.Body)
	moment(c, "at", &a.CreatedAt)
	moment(c, aModified, &a.ModifiedAt)
	needNumber(c, aVersion, &a.Version)
}

// givenFields are those of an answer, where those of an invitation's stand.
func givenFields(c *coder, g *granular.Given) {
	text(c, gSubject, &g.Subject)
	need(c, gTenant, &g.Tenant)
	text(c, gFullName, &g.FullName)
	text(c, gJobTitle, &g.JobTitle)
	text(c, gEmail, &g.Email)
	moment(c, gAt, &g.At)
	text(c, gVersion, &g.Consent.Version)
	text(c, gLanguage, &g.Consent.Language)
	hash(c, gHash, &g.Consent.Hash)
}

func writeGranularEntry(e granular.Entry) invitation.Entry {
	return invitation.Entry{
		At: e.At, Action: sides[e.Actor] + e.Action, By: e.By, CorrelationID: e.CorrelationID, Key: e.Key, Body: e.Body, Why: e.Why,
	}
}

func readGranularEntry(e invitation.Entry) (granular.Entry, error) {
	actor, action := sideOf(e.Action)
	return granular.Entry{
		At: e.At, Action: action, Actor: actor, By: e.By, CorrelationID: e.CorrelationID, Key: e.Key, Body: e.Body, Why: e.Why,
	}, nil
}

// sides are kept before the action of an entry.
var sides = map[granular.Actor]string{granular.ByPartner: "p.", granular.ByCustomer: "c.", granular.BySchedule: "s.", granular.ByOperator: "o."}

func sideOf(action string) (granular.Actor, string) {
	for actor, side := range sides {
		if rest, ok := strings.CutPrefix(action, side); ok {
			return actor, rest
		}
	}
	return "", action
}

const idSize = 16

// ids are UUIDs put together, which have to be there: a third of the room that they take as texts.
func ids(c *coder, name string, list *[]string) {
	if c.writes {
		all := make([]byte, 0, idSize*len(*list))
		for _, id := range *list {
			b, err := bytesOf(id)
			if err != nil {
				panic(fmt.Sprintf("dynamo: %q is no UUID", id)) // the table of roles has no other
			}
			all = append(all, b[:]...)
		}
		c.item[name] = &types.AttributeValueMemberB{Value: all}
		return
	}
	v, ok := get[*types.AttributeValueMemberB](&c.fields, name, true)
	if ok && len(v.Value)%idSize != 0 {
		c.fault(name, "is not whole ids")
		return
	}
	for n := 0; ok && n < len(v.Value); n += idSize {
		*list = append(*list, uuid.UUID(v.Value[n:n+idSize]).String())
	}
}
