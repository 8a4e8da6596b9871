// Function relationships serves the customers, granular administration and audit of the calling partner, the operator's desk, and the
// OpenAPI document, over the HTTP API.
package main

import (
	"errors"
	"os"

	"concord/internal/apigw"
	"concord/internal/awsenv"
	"concord/internal/commerce"
	"concord/internal/contact"
	"concord/internal/customer"
	"concord/internal/dynamo"
	"concord/internal/env"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/locale"
	"concord/internal/masterkey"
	"concord/internal/observe"
	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/recipient"
	"concord/internal/registry"
	"concord/internal/web"
)

type config struct {
	Table  string `env:"TABLE_NAME"`  // the DynamoDB table of this deployment
	Secret string `env:"LINK_SECRET"` // ARN or name of the secret from which the keys of cursors are derived
	Clouds string `env:"CLOUDS"`      // JSON array of {id, portalName, baseUrl, administrationOptional}, in which partners are

	// AssociationGrants gives a reseller administration of what its provider creates for it, without asking the customer (0.18).
	AssociationGrants bool `env:"ASSOCIATION_GRANTS_DELEGATED_ADMIN" default:"false"`
	// ResellersRemove says whether an indirect reseller may end a relationship (0.7).
	ResellersRemove bool `env:"RESELLER_MAY_REMOVE_RELATIONSHIP" default:"true"`
	// RemovalNeedsNone says whether a relationship ends only when no subscription that the remover sold is active (0.6).
	RemovalNeedsNone bool `env:"REMOVAL_NEEDS_NO_ACTIVE_SUBSCRIPTION" default:"true"`
	// How many mails that ask for something a partner may send, as for invitations, with which they count together.
	FirstMonth int `env:"FIRST_MONTH_QUOTA" default:"50"`
	Daily      int `env:"DAILY_QUOTA" default:"500"`
	Partners   int `env:"PARTNERS_PER_RECIPIENT" default:"3"`
	Domain     int `env:"DOMAIN_QUOTA" default:"50"`
	// CreatedDaily is how many customers a partner creates on a day of UTC at most; 0 for any number.
	CreatedDaily int `env:"CREATIONS_PER_DAY" default:"50"`
	// Only a local stack sets it: addresses below .example and .test are accepted.
	AllowReserved bool `env:"ALLOW_RESERVED_DOMAINS" default:"false"`
}

func main() {
	log := observe.Logger()
	var c config
	if err := env.Load(&c); err != nil {
		log.Error("cannot start", "error", err)
		os.Exit(1)
	}
	clock, err := env.Clock()
	clouds, fault := partner.ParseClouds(c.Clouds)
	if err := errors.Join(err, fault); err != nil {
		log.Error("cannot start", "error", err)
		os.Exit(1)
	}
	aws := awsenv.Config()
	store, keys := dynamo.New(aws, c.Table), masterkey.New(aws, c.Secret)
	gate := web.Gate{Accounts: store, Claims: apigw.Claims, RequestID: apigw.RequestID, Keys: keys.Keys, Customers: store, Log: log}
	addresses := contact.Addresses{AllowReserved: c.AllowReserved}
	limits := recipient.Limits{Partners: c.Partners, FirstMonth: c.FirstMonth, Daily: c.Daily, Domain: c.Domain}
	desk := web.Desk{
		Limits:     limits,
		Registry:   &registry.Service{Store: store, Clouds: clouds, Addresses: addresses, Locales: locale.Tags, Now: clock},
		Reputation: registry.Reputation{Store: store, Now: clock},
		Clearing:   invitation.Clearing{Store: store, Granular: store, Accounts: store, Now: clock},
		Pardon:     recipient.Pardon{Ledger: store, Addresses: addresses, Now: clock},
		Regions:    partner.ShippedRegions(),
	}
	granted := &granular.Service{
		Store: store, Accounts: store, Clouds: clouds, Addresses: addresses, Roles: granular.ShippedRoles(), Locales: locale.Tags, Now: clock,
		Quota: recipient.Quota{Ledger: store, Limits: limits},
	}
	agreed := commerce.Agreed{Signatures: store, Accounts: store, Partnerships: commerce.Tiers{Store: store}, Tiers: store}
	customers := web.Customers{Store: store, Agreed: agreed, Texts: store, Service: customer.Service{
		Store: store, Register: store, Support: store, Customers: store, Directory: store, Grants: store, Partnerships: store, Accounts: store, Texts: store, Regions: partner.ShippedRegions(), Clouds: clouds, Addresses: addresses,
		SubscriptionsStay: !c.RemovalNeedsNone, ResellersKeep: !c.ResellersRemove, AssociationGrants: c.AssociationGrants, Webmail: contact.Webmail, Daily: c.CreatedDaily, Now: clock,
	}}
	partners := partnership.Service{Store: store, Accounts: store, Tiers: store, Texts: store, Now: clock}
	apigw.Start(web.Relationships(gate, customers, granted, partners, store, desk, clock), "", log)
}
