package dynamo

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"concord/internal/partner"
	"concord/internal/problem"
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

// CreateAccount adds an account. It fails with [problem.PreconditionFailed] when the tenant has one.
func (s *Store) CreateAccount(ctx context.Context, a partner.Account) (err error) {
	defer func() { wrap(&err, "create account %s", a.Tenant) }()
	in := encodeAccount(a)
	d := doubt{RetryerV2: s.retryer}
	_, err = s.client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: s.table, Item: in, ConditionExpression: aws.String(isNew),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}, d.apply)
	if failed, ok := errors.AsType[*types.ConditionalCheckFailedException](err); ok {
		if d.exists && holds(failed.Item, in) {
			return nil
		}
		return problem.New(problem.PreconditionFailed, "The tenant has an account.")
	}
	return err
}

func encodeAccount(a partner.Account) item {
	i := newItem(accountKey(a.Tenant), accountType)
	i.text("name", a.DisplayName)
	i.text("role", string(a.Role))
	i.text("cloud", string(a.Cloud))
	i.text("country", a.Country)
	var ids []types.AttributeValue
	for _, p := range a.PartnerIDs {
		g := item{}
		g.text("id", p.ID)
		g.text("kind", p.Type)
		g.text("country", p.Country)
		g.flag("onboarding", p.OnboardingLocation)
		ids = append(ids, &types.AttributeValueMemberM{Value: g})
	}
	if ids != nil {
		i["partnerIds"] = &types.AttributeValueMemberL{Value: ids}
	}
	i.text("associated", a.AssociatedPartnerID)
	i.text("status", string(a.Status))
	if a.MPA != nil {
		g := item{}
		g.time("at", a.MPA.SignedAt)
		g.text("by", a.MPA.SignedBy)
		g.text("version", a.MPA.Version)
		g.text("hash", a.MPA.Hash)
		i["mpa"] = &types.AttributeValueMemberM{Value: g}
	}
	contact := item{}
	contact.text("email", a.Contact.Email)
	contact.text("phone", a.Contact.Phone)
	contact.text("website", a.Contact.Website)
	i.group("contact", contact)
	i.text("domain", a.VerifiedDomain)
	i.text("locale", a.Locale)
	i.flag("listed", a.ListedInDirectory)
	i.number("dailyMails", a.DailyMails)
	i.time("created", a.CreatedAt)
	i.number("v", a.Version)
	return i
}

func decodeAccount(tenant partner.TenantID, stored map[string]types.AttributeValue) (partner.Account, error) {
	f := &fields{item: stored}
	if err := f.expect(accountType); err != nil {
		return partner.Account{}, err
	}
	a := partner.Account{
		Tenant: tenant, DisplayName: f.text("name"), Role: partner.ProgramRole(f.needText("role")), Cloud: partner.CloudID(f.needText("cloud")),
		Country: f.text("country"), AssociatedPartnerID: f.text("associated"), Status: partner.ProgramStatus(f.needText("status")),
		VerifiedDomain: f.text("domain"), Locale: f.text("locale"), ListedInDirectory: f.flag("listed"), DailyMails: f.number("dailyMails"), CreatedAt: f.time("created"),
		Version: f.number("v"),
	}
	if l, ok := get[*types.AttributeValueMemberL](f, "partnerIds", false); ok {
		for _, each := range l.Value {
			m, ok := each.(*types.AttributeValueMemberM)
			if !ok {
				f.fault("partnerIds", "does not hold maps")
				break
			}
			g := &fields{item: m.Value}
			a.PartnerIDs = append(a.PartnerIDs, partner.PartnerID{
				ID: g.text("id"), Type: g.text("kind"), Country: g.text("country"), OnboardingLocation: g.flag("onboarding"),
			})
			f.join("partnerIds", g)
		}
	}
	if g := f.group("mpa"); g != nil {
		a.MPA = &partner.Agreement{SignedAt: g.time("at"), SignedBy: g.text("by"), Version: g.text("version"), Hash: g.text("hash")}
		f.join("mpa", g)
	}
	if g := f.group("contact"); g != nil {
		a.Contact = partner.Contact{Email: g.text("email"), Phone: g.text("phone"), Website: g.text("website")}
		f.join("contact", g)
	}
	return a, f.err
}
