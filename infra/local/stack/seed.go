package stack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"golang.org/x/sync/errgroup"

	"concord/infra/local/accounts"
	"concord/infra/local/template"
	recordfile "concord/infra/records/file"
	"concord/infra/texts/catalogue"
	"concord/internal/dynamo"
	"concord/internal/enrolment"
	"concord/internal/partner"
	"concord/internal/partnership"
)

// seed writes the partner accounts and partnerships that always exist and samples of the texts to attest and of
// the operator's records, through the product's own store.
func (s *Stack) seed(ctx context.Context) error {
	if len(s.Template.Tables) == 0 {
		return nil
	}
	path, err := accounts.Path()
	if err != nil {
		return err
	}
	file, err := accounts.Load(path)
	if err != nil {
		return err
	}
	store := dynamo.New(aws.Config{Region: template.Region, BaseEndpoint: aws.String(s.engine.Endpoint()), Credentials: credentials}, s.Template.Tables[0].Name)
	g, ctx := errgroup.WithContext(ctx)
	for _, p := range file.Partners {
		tenant, ok := file.Tenant(p.TenantID)
		if !ok {
			return fmt.Errorf("accounts: partner %s has no tenant", p.PartnerID)
		}
		g.Go(func() error { return store.CreateAccount(ctx, account(p, tenant)) })
	}
	for _, p := range file.Partners {
		for _, provider := range p.Providers {
			g.Go(func() error {
				return store.WritePartnership(ctx, partnership.Change{After: partnered(partner.TenantID(provider), partner.TenantID(p.TenantID))})
			})
		}
	}
	texts, err := catalogue.Load(filepath.Join(s.root, "infra", "local", "texts.json"))
	if err != nil {
		return err
	}
	for _, t := range texts {
		g.Go(func() error { return store.Publish(ctx, t) })
	}
	records, err := recordfile.Load(filepath.Join(s.root, "infra", "local", "records.json"))
	if err != nil {
		return err
	}
	kept := enrolment.Records{Store: store, Now: func() time.Time { return joined }}
	for _, r := range records {
		g.Go(func() error {
			_, err := recordfile.Put(ctx, kept, "infra/local", "sample", r)
			return err
		})
	}
	return g.Wait()
}

// partnered is a partnership that is as old as the accounts, and of which there is nothing to tell.
func partnered(provider, reseller partner.TenantID) partnership.Partnership {
	p, _ := partnership.Establish(nil, partnership.Authorisation{Pair: partnership.Pair{Provider: provider, Reseller: reseller}, At: joined})
	p.History = nil
	return p
}

// joined is when: before the stack's clock can be, and the same at every start.
var joined = time.Date(2024, time.January, 15, 9, 0, 0, 0, time.UTC)

// account is one of accounts.json as the product keeps it: Active, its MPA signed, its PartnerID associated.
func account(p accounts.Partner, t accounts.Tenant) partner.Account {
	text := sha256.Sum256([]byte("Microsoft Partner Agreement (local)"))
	return partner.Account{
		Tenant: partner.TenantID(t.ID), DisplayName: t.Name, Role: partner.ProgramRole(p.ProgramRole), Cloud: partner.CloudID(t.Cloud), Country: t.Country,
		PartnerIDs:          []partner.PartnerID{{ID: p.PartnerID, Type: "location", Country: p.Location, OnboardingLocation: true}},
		AssociatedPartnerID: p.PartnerID, Status: partner.Active,
		MPA:     &partner.Agreement{SignedAt: joined, SignedBy: p.Contact.Name, Version: "2024-01", Hash: hex.EncodeToString(text[:])},
		Contact: partner.Contact{Email: p.Contact.Email, Website: "https://" + t.Domains[0]}, VerifiedDomain: t.Domains[0], Locale: p.Locale,
		ListedInDirectory: partner.ProgramRole(p.ProgramRole) == partner.IndirectProvider,
		CreatedAt:         joined, Version: 1,
	}
}
