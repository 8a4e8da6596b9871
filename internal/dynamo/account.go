package dynamo

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"concord/internal/command"
	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/registry"
	"concord/internal/relationship"
)

// Account is that of [partner.Accounts].
func (s *Store) Account(ctx context.Context, tenant partner.TenantID, strong bool) (a partner.Account, err error) {
	defer func() { wrap(&err, "account %s", tenant) }()
	stored, err := s.read(ctx, accountKey(tenant), strong, "There is no such partner.")
	if err != nil {
		return a, err
	}
	return decodeAccount(tenant, stored)
}

// AccountFromImage gives the account of an item, also of a stream record's image. The error is that of [InvitationFromImage].
func AccountFromImage(image map[string]types.AttributeValue) (partner.Account, error) {
	f := &fields{item: image}
	if err := f.expect(accountType); err != nil {
		return partner.Account{}, err
	}
	tenant, ok := partner.ParseTenantID(strings.TrimPrefix(f.needText(pkAttr), partnerPrefix))
	if !ok {
		f.fault(pkAttr, "is not the key of an account")
		return partner.Account{}, f.err
	}
	return decodeAccount(tenant, image)
}

// Holder is that of [partner.Holders].
func (s *Store) Holder(ctx context.Context, partnerID string) (tenant partner.TenantID, err error) {
	defer func() { wrap(&err, "holder of a PartnerID") }()
	const missing = "There is no such PartnerID."
	if !isID(partnerID) {
		return "", problem.New(problem.NotFound, missing)
	}
	stored, err := s.read(ctx, holderKey(partnerID), true, missing)
	if err != nil {
		return "", err
	}
	f := &fields{item: stored}
	if err := f.expect(holderType); err != nil {
		return "", err
	}
	if tenant = partner.TenantID(f.text(aOf)); tenant == "" && f.err == nil {
		return "", problem.New(problem.NotFound, missing)
	}
	return tenant, f.err
}

// aOf is whose a PartnerID is; one that was given up has none.
const aOf = "of"

// held gives the writes with which an account takes PartnerIDs and gives others up. One that was given up leaves an empty item: to write
// over it asks for fewer permissions than to delete it.
func (s *Store) held(tenant partner.TenantID, before, after []partner.PartnerID) (writes []types.TransactWriteItem) {
	has := func(list []partner.PartnerID, id string) bool {
		return slices.ContainsFunc(list, func(p partner.PartnerID) bool { return p.ID == id })
	}
	for _, p := range after {
		if !has(before, p.ID) {
			i := newItem(holderKey(p.ID), holderType)
			i.text(aOf, string(tenant))
			writes = append(writes, types.TransactWriteItem{Put: &types.Put{
				TableName: s.table, Item: i, ConditionExpression: aws.String("attribute_not_exists(#of)"), ExpressionAttributeNames: map[string]string{"#of": aOf},
			}})
		}
	}
	for _, p := range before {
		if !has(after, p.ID) {
			writes = append(writes, types.TransactWriteItem{Update: &types.Update{
				TableName: s.table, Key: holderKey(p.ID), UpdateExpression: aws.String("REMOVE #of"), ConditionExpression: aws.String("#of = :of"),
				ExpressionAttributeNames: map[string]string{"#of": aOf}, ExpressionAttributeValues: map[string]types.AttributeValue{":of": str(string(tenant))},
			}})
		}
	}
	return writes
}

func errInUse() error {
	return problem.New(problem.PartnerIDInUse, "Another account already has this PartnerID.")
}

// CreateAccount is that of [registry.Store]. The account, its line of the registry, its PartnerIDs and its domain are one transaction.
func (s *Store) CreateAccount(ctx context.Context, a partner.Account) (err error) {
	defer func() { wrap(&err, "create account %s", a.Tenant) }()
	for range attempts {
		domain, err := s.verifiedBy(ctx, a.Tenant, "", a.VerifiedDomain)
		if err != nil {
			return err
		}
		writes := append(s.accounted(nil, a), s.held(a.Tenant, nil, a.PartnerIDs)...)
		held := len(writes)
		refused, err := s.together(ctx, append(writes, domain...))
		switch {
		case refused == nil:
			return err
		case refused[0] != nil || refused[1] != nil:
			return problem.New(problem.PartnerExists, "The tenant has an account.")
		case slices.ContainsFunc(refused[:held], stood):
			return errInUse()
		}
	}
	return command.ErrConflict
}

// verifiedBy gives the writes that make a domain known as that of a partner's tenant, where it was another one before. A domain that has a
// holder keeps it.
func (s *Store) verifiedBy(ctx context.Context, tenant partner.TenantID, was, is string) ([]types.TransactWriteItem, error) {
	if was == is || is == "" {
		return nil, nil
	}
	found := relationship.Found{Holders: map[string]relationship.Holder{}}
	for _, domain := range relationship.Around(is) { // one, save for a name below a company's own
		stored, err := s.read(ctx, domainKey(domain), true, "Nobody has this domain.")
		if err == nil {
			err = known(&found, stored)
		}
		if err != nil && !problem.Is(err, problem.NotFound) {
			return nil, err
		}
	}
	return s.discovered(relationship.Discovery{Domains: relationship.Known(found, tenant, is)}), nil
}

// WriteAccount is that of [registry.Store].
func (s *Store) WriteAccount(ctx context.Context, before, after partner.Account) (err error) {
	defer func() { wrap(&err, "write account %s", after.Tenant) }()
	i := encodeAccount(after)
	write := s.accounted(&before, after)[0]
	held := s.held(after.Tenant, before.PartnerIDs, after.PartnerIDs)
	domain, err := s.verifiedBy(ctx, after.Tenant, before.VerifiedDomain, after.VerifiedDomain)
	if err != nil {
		return err
	}
	if len(held)+len(domain) > 0 {
		own := 1 + len(held)
		refused, err := s.together(ctx, append(append([]types.TransactWriteItem{write}, held...), domain...))
		switch {
		case refused == nil:
			return err
		case refused[0] != nil || slices.ContainsFunc(refused[own:], stood):
			return command.ErrConflict
		}
		return errInUse()
	}
	return s.single(ctx, write, i)
}

// ListAccounts is that of [registry.Store]. The registry gives the order; the accounts are read from where everybody reads them.
func (s *Store) ListAccounts(ctx context.Context, q registry.Query) (page registry.Page, err error) {
	defer func() { wrap(&err, "list accounts") }()
	in := s.all(registryPartition)
	in.ScanIndexForward = aws.Bool(false)
	if q.After != "" {
		if _, ok := parseRegistrySort(q.After); !ok {
			return page, errAfter()
		}
		in.ExclusiveStartKey = keyOf(registryPartition, q.After)
	}
	page.Accounts, page.Next, err = paged(ctx, s, in, listing[partner.Account]{
		limit: q.Limit, read: s.accounts, fits: q.Matches, attr: skAttr,
		place: func(a partner.Account) string {
			return (&fields{item: registryKey(a.CreatedAt, a.Tenant)}).text(skAttr)
		},
	})
	return page, err
}

// accounts reads the accounts of lines of the registry, in their order.
func (s *Store) accounts(ctx context.Context, lines []image) ([]partner.Account, error) {
	keys := make([]key, len(lines))
	for n, line := range lines {
		tenant, ok := parseRegistrySort((&fields{item: line}).text(skAttr))
		if !ok {
			return nil, errors.New("dynamo: a line of the registry names no tenant")
		}
		keys[n] = accountKey(tenant)
	}
	return decoded(ctx, s, keys, true, AccountFromImage)
}

func encodeAccount(a partner.Account) item {
	return written(newItem(accountKey(a.Tenant), accountType), accountFields, &a)
}

func decodeAccount(tenant partner.TenantID, stored map[string]types.AttributeValue) (a partner.Account, err error) {
	c, err := reading(stored, accountType)
	if err != nil {
		return a, err
	}
	a.Tenant = tenant
	accountFields(&c, &a)
	return a, c.err
}

// accountFields are those of an account, apart from its tenant.
func accountFields(c *coder, a *partner.Account) {
	text(c, "name", &a.DisplayName)
	need(c, "role", &a.Role)
	texts(c, "also", &a.Also)
	need(c, "cloud", &a.Cloud)
	text(c, "country", &a.Country)
	groups(c, "partnerIds", &a.PartnerIDs, partnerIDFields)
	text(c, "associated", &a.AssociatedPartnerID)
	need(c, "status", &a.Status)
	if g, there := part(c, "mpa", &a.MPA); there {
		mpaFields(&g, a.MPA)
		c.leave("mpa", &g)
	}
	if g, there := c.group("contact"); there {
		text(&g, "email", &a.Contact.Email)
		text(&g, "phone", &a.Contact.Phone)
		text(&g, "website", &a.Contact.Website)
		c.leave("contact", &g)
	}
	supportFields(c, "support", &a.Support)
	text(c, "domain", &a.VerifiedDomain)
	text(c, "locale", &a.Locale)
	flag(c, "listed", &a.ListedInDirectory)
	flag(c, "each", &a.EachAcceptance)
	number(c, "dailyMails", &a.DailyMails)
	if g, there := part(c, "paused", &a.Paused); there {
		moment(&g, "at", &a.Paused.At)
		text(&g, "reason", &a.Paused.Reason)
		c.leave("paused", &g)
	}
	moment(c, "countedFrom", &a.CountedFrom)
	moment(c, "created", &a.CreatedAt)
	timeline(c, "history", &a.History, "", "", writeAccountEntry, readAccountEntry)
	number(c, "v", &a.Version)
}

func partnerIDFields(c *coder, p *partner.PartnerID) {
	text(c, "id", &p.ID)
	text(c, "kind", &p.Type)
	text(c, "country", &p.Country)
	flag(c, "onboarding", &p.OnboardingLocation)
}

// A line of what the operator changes has the fields that changed in the place of an action.
func writeAccountEntry(e partner.Entry) invitation.Entry {
	return invitation.Entry{
		At: e.At, Action: strings.Join(e.Changed, ","), By: e.By, CorrelationID: e.CorrelationID, Key: e.Key, Body: e.Body, Why: e.Why,
	}
}

func readAccountEntry(e invitation.Entry) (partner.Entry, error) {
	line := partner.Entry{At: e.At, By: e.By, CorrelationID: e.CorrelationID, Key: e.Key, Body: e.Body, Why: e.Why}
	if e.Action != "" {
		line.Changed = strings.Split(e.Action, ",")
	}
	return line, nil
}
