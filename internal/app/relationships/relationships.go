// Package relationships puts together the function that serves customers, granular administration, partnerships and audit of the calling
// partner, the operator's API, and the OpenAPI document.
package relationships

import (
	"errors"
	"net/http"

	"concord/internal/apigw"
	"concord/internal/app"
	"concord/internal/commerce"
	"concord/internal/customer"
	"concord/internal/dynamo"
	"concord/internal/emailaddr"
	"concord/internal/env"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/keyring"
	"concord/internal/locale"
	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/recipient"
	"concord/internal/registry"
	"concord/internal/web"
)

// Config is what template.yaml sets.
type Config struct {
	env.Local
	app.Quotas
	Table  string `env:"TABLE_NAME"`  // the DynamoDB table of this deployment
	Secret string `env:"LINK_SECRET"` // ARN or name of the secret from which the keys of cursors are derived
	Clouds string `env:"CLOUDS"`      // JSON array of {id, portalName, baseUrl, administrationOptional}, in which partners are

	// AssociationGrants gives a reseller administration of what its provider creates for it, without asking the customer (0.18).
	AssociationGrants bool `env:"ASSOCIATION_GRANTS_DELEGATED_ADMIN" default:"false"`
	// ResellersRemove says whether an indirect reseller may end a relationship (0.7).
	ResellersRemove bool `env:"RESELLER_MAY_REMOVE_RELATIONSHIP" default:"true"`
	// RemovalNeedsNone says whether a relationship ends only when no subscription that the remover sold is active (0.6).
	RemovalNeedsNone bool `env:"REMOVAL_NEEDS_NO_ACTIVE_SUBSCRIPTION" default:"true"`
	// CreatedDaily is how many customers a partner creates on a day of UTC at most; 0 for any number.
	CreatedDaily int `env:"CREATIONS_PER_DAY" default:"50"`
}

// New makes the function.
func New(c Config, given app.Given) (apigw.Function, error) {
	h, err := Handler(c, given)
	if err != nil {
		return nil, err
	}
	return apigw.Handler(h, "", given.Log), nil
}

// Handler makes what the function answers with.
func Handler(c Config, given app.Given) (http.Handler, error) {
	clouds, err := partner.ParseClouds(c.Clouds)
	if err != nil {
		return nil, err
	}
	now, store, keys := c.Clock(), dynamo.New(given.AWS, c.Table), keyring.New(given.AWS, c.Secret)
	addresses := emailaddr.Addresses{AllowReserved: c.AllowReserved}
	gate := web.Gate{
		Accounts: store, Claims: apigw.Claims, RequestID: apigw.RequestID, Keys: keys.Keys, Customers: store, Log: given.Log,
	}
	api := web.OperatorAPI{
		Limits:       c.Limits(),
		Registry:     &registry.Service{Store: store, Clouds: clouds, Addresses: addresses, Locales: locale.Tags, Now: now},
		Reputation:   registry.Reputation{Store: store, Now: now},
		Clearing:     invitation.Clearing{Store: store, Granular: store, Accounts: store, Now: now},
		Suppressions: recipient.SuppressionRemoval{Ledger: store, Addresses: addresses, Now: now},
		Regions:      partner.ShippedRegions(),
	}
	granted := &granular.Service{
		Store: store, Accounts: store, Clouds: clouds, Addresses: addresses, Roles: granular.ShippedRoles(), Locales: locale.Tags, Now: now,
		Quota: recipient.Quota{Ledger: store, Limits: c.Limits()},
	}
	customers := web.Customers{
		Store: store, Texts: store,
		Agreed: commerce.Agreed{Signatures: store, Accounts: store, Partnerships: commerce.Tiers{Store: store}, Tiers: store},
		Service: customer.Service{
			Store: store, Register: store, Support: store, Customers: store, Directory: store, Grants: store, Partnerships: store,
			Accounts: store, Texts: store, Regions: partner.ShippedRegions(), Clouds: clouds, Addresses: addresses,
			Webmail: emailaddr.Webmail, Daily: c.CreatedDaily, Now: now,
			SubscriptionsStay: !c.RemovalNeedsNone, ResellersKeep: !c.ResellersRemove, AssociationGrants: c.AssociationGrants,
		},
	}
	partners := partnership.Service{Store: store, Accounts: store, Tiers: store, Texts: store, Now: now}
	if err := errors.Join(
		app.Whole(gate), app.Whole(api, "Reputation.Paused"), app.Whole(customers), app.Whole(partners),
		app.Whole(granted, "Recognition"), // customers answer in functions/acceptance
	); err != nil {
		return nil, err
	}
	return web.Relationships(gate, customers, granted, partners, store, api, now), nil
}
