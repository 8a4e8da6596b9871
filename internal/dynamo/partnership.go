package dynamo

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/problem"
	"concord/internal/relationship"
)

var (
	_ partnership.Store    = (*Store)(nil)
	_ partnership.Tiers    = (*Store)(nil)
	_ partnership.Accounts = (*Store)(nil)
)

// Partnership is that of [partnership.Store].
func (s *Store) Partnership(ctx context.Context, of partner.TenantID, id string) (p partnership.Partnership, err error) {
	defer func() { wrap(&err, "partnership %.64q", id) }()
	const missing = "There is no such partnership."
	if !isID(id) {
		return p, problem.New(problem.NotFound, missing)
	}
	stored, err := s.read(ctx, partnershipKey(of, id), true, missing)
	if err != nil {
		return p, err
	}
	p, _, err = PartnershipFromImage(stored)
	return p, err
}

// Partnerships is that of [partnership.Store]. It reads the table itself: an index would be a moment behind.
func (s *Store) Partnerships(ctx context.Context, of partner.TenantID, q partnership.Query) (page partnership.Page, err error) {
	defer func() { wrap(&err, "partnerships of %s", of) }()
	in := s.begins(partition(of), partnershipPrefix, true)
	if q.After != "" {
		if !partnership.IsID(q.After) {
			return page, errAfter()
		}
		in.ExclusiveStartKey = partnershipKey(of, q.After)
	}
	page.Partnerships, page.Next, err = paged(ctx, s, in, listing[partnership.Partnership]{
		limit: q.Limit, attr: skAttr, prefix: partnershipPrefix,
		read: ofItems(func(i image) (partnership.Partnership, error) {
			p, _, err := PartnershipFromImage(i)
			return p, err
		}),
		fits:  func(p partnership.Partnership) bool { return q.Matches(p, of) },
		place: partnership.Partnership.ID,
	})
	return page, err
}

// WritePartnership is that of [partnership.Store].
func (s *Store) WritePartnership(ctx context.Context, c partnership.Change) (err error) {
	defer func() { wrap(&err, "write %s", c.After.ID()) }()
	return s.allOrNone(ctx, s.partnered(c))
}

// Settle is that of [invitation.Store].
func (s *Store) Settle(ctx context.Context, st invitation.Settlement) (err error) {
	defer func() { wrap(&err, "settle %s", st.Invitation.After.ID) }()
	items := s.committed([]invitation.Change{st.Invitation}, st.Relationships)
	if st.Partnership != nil {
		items = append(items, s.partnered(*st.Partnership)...)
	}
	if st.Stands != nil {
		items = append(items, s.stands(*st.Stands))
	}
	items = append(items, s.discovered(st.Discovery)...)
	return s.allOrNone(ctx, items)
}

// stands gives the condition that a partnership is active. Both directories say the same, so that one of them is asked.
func (s *Store) stands(p partnership.Pair) types.TransactWriteItem {
	return types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
		TableName: s.table, Key: partnershipKey(p.Reseller, p.ID()), ConditionExpression: aws.String("#status = :active"),
		ExpressionAttributeNames:  map[string]string{"#status": "status"},
		ExpressionAttributeValues: map[string]types.AttributeValue{":active": str(string(partnership.Active))},
	}}
}

// partnered gives the writes of a partnership, one for the directory of each side, on condition that it is new or unchanged there.
func (s *Store) partnered(c partnership.Change) []types.TransactWriteItem {
	items := make([]types.TransactWriteItem, 0, 2)
	for _, of := range []partner.TenantID{c.After.Provider, c.After.Reseller} {
		after := encodePartnership(c.After, of)
		if c.Before == nil {
			items = append(items, s.fresh(after))
			continue
		}
		items = append(items, s.over(encodePartnership(*c.Before, of), after, partnershipKey(of, c.After.ID()), c.Before.Version))
	}
	return items
}

func encodePartnership(p partnership.Partnership, of partner.TenantID) item {
	i := newItem(partnershipKey(of, p.ID()), partnershipType)
	i.text("side", string(p.Side(of)))
	i.text("with", string(p.With(of)))
	return written(i, partnershipFields, &p)
}

// PartnershipFromImage gives the partnership of an item, also of a stream record's image, and in whose directory it stands. The error is
// [ErrOtherItem] for an item of another type, and names the attribute that is missing or of the wrong type.
func PartnershipFromImage(stored map[string]types.AttributeValue) (p partnership.Partnership, of partner.TenantID, err error) {
	c, err := reading(stored, partnershipType)
	if err != nil {
		return p, "", err
	}
	of = partner.TenantID(c.owner(partnerPrefix))
	p.Pair = partnership.Pair{Provider: of, Reseller: partner.TenantID(c.needText("with"))}
	if partnership.Side(c.needText("side")) == partnership.ResellerSide {
		p.Pair = partnership.Pair{Provider: p.Reseller, Reseller: of}
	}
	if c.needText(skAttr) != partnershipPrefix+p.ID() {
		c.fault(skAttr, "is not the key of the partnership")
	}
	if partnershipFields(&c, &p); c.err != nil {
		return partnership.Partnership{}, "", c.err
	}
	return p, of, nil
}

// partnershipFields are those of a partnership, apart from whose it is.
func partnershipFields(c *coder, p *partnership.Partnership) {
	need(c, "status", &p.Status)
	need(c, "access", &p.ProviderAccess)
	text(c, "invitation", &p.Invitation)
	text(c, "regions", &p.RegionTable)
	moment(c, "established", &p.EstablishedAt)
	moment(c, "updated", &p.UpdatedAt)
	correlation(c, "correlation", &p.CorrelationID)
	if g, there := c.group("consent"); there {
		text(&g, "version", &p.Consent.Version)
		text(&g, "language", &p.Consent.Language)
		text(&g, "hash", &p.Consent.Hash)
		c.leave("consent", &g)
	}
	if g, there := part(c, "removal", &p.Removal); there {
		moment(&g, "at", &p.Removal.At)
		text(&g, "by", &p.Removal.By)
		text(&g, "side", &p.Removal.Side)
		attestedFields(&g, &p.Removal.Attestation)
		c.leave("removal", &g)
	}
	timeline(c, aRelated, &p.History, "", "", writePartnershipEntry, readPartnershipEntry)
	needNumber(c, "v", &p.Version)
}

func writePartnershipEntry(e partnership.Entry) invitation.Entry {
	return invitation.Entry{
		At: e.At, Action: string(e.Action), By: e.By, CorrelationID: e.CorrelationID, Key: string(e.Status) + "," + string(e.ProviderAccess), Body: string(e.Side),
	}
}

func readPartnershipEntry(e invitation.Entry) (partnership.Entry, error) {
	status, access, ok := strings.Cut(e.Key, ",")
	if !ok {
		return partnership.Entry{}, errors.New("dynamo: an entry of a partnership does not say how things stood after it")
	}
	return partnership.Entry{
		At: e.At, Action: partnership.Action(e.Action), Side: partnership.Side(e.Body), By: e.By, CorrelationID: e.CorrelationID,
		Status: partnership.Status(status), ProviderAccess: partnership.Access(access),
	}, nil
}

// Between is that of [partnership.Tiers].
func (s *Store) Between(ctx context.Context, pairs []relationship.Pair) (list []relationship.Relationship, err error) {
	defer func() { wrap(&err, "relationships of %d pairs", len(pairs)) }()
	keys := make([]map[string]types.AttributeValue, len(pairs))
	for n, p := range pairs {
		keys[n] = relationshipKey(p.Partner, p.Customer)
	}
	return decoded(ctx, s, keys, true, RelationshipFromImage)
}

// AccountsOf is that of [partnership.Accounts].
func (s *Store) AccountsOf(ctx context.Context, tenants []partner.TenantID) (list []partner.Account, err error) {
	defer func() { wrap(&err, "%d accounts", len(tenants)) }()
	keys := make([]map[string]types.AttributeValue, len(tenants))
	for n, t := range tenants {
		keys[n] = accountKey(t)
	}
	return decoded(ctx, s, keys, false, AccountFromImage)
}
