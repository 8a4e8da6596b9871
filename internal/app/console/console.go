// Package console puts the console together: its main starts what this makes, and tests make the same.
package console

import (
	"encoding/json"
	"errors"

	"concord/internal/apigw"
	"concord/internal/app"
	"concord/internal/app/inviting"
	"concord/internal/batch"
	"concord/internal/commerce"
	pages "concord/internal/console"
	"concord/internal/customer"
	"concord/internal/dynamo"
	"concord/internal/emailaddr"
	"concord/internal/enrolment"
	"concord/internal/env"
	"concord/internal/granular"
	"concord/internal/identity"
	"concord/internal/invitation"
	"concord/internal/keyring"
	"concord/internal/locale"
	"concord/internal/oversight"
	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/queues"
	"concord/internal/recipient"
	"concord/internal/registry"
	"concord/internal/webhook"
)

// Config is what template.yaml sets.
type Config struct {
	env.Local
	app.Operator
	inviting.Config
	Table  string `env:"TABLE_NAME"`  // the DynamoDB table of this deployment
	Secret string `env:"LINK_SECRET"` // ARN or name of the secret from which the keys of cookies are derived
	// Authorities are the clouds with their identity providers, as identity.Parse reads them, and Clouds their portals.
	Authorities string `env:"AUTHORITIES"`
	Clouds      string `env:"CLOUDS"`
	// Audiences are those of the tokens that the API takes, separated by commas: what a program asks its provider for.
	Audiences string `env:"API_AUDIENCES" default:""`
	// LocalWebhooks also takes endpoints at http://127.0.0.1, which only a local stack does.
	LocalWebhooks bool `env:"ALLOW_LOCAL_WEBHOOKS" default:"false"`
	// AssociationGrants, ResellersRemove, RemovalNeedsNone, CreatedDaily and EvidenceYears are those of the API's functions: whether a
	// reseller administers what its provider creates for it (0.18), who may end a relationship (0.7) and when (0.6), how many customers are
	// created on a day, and for how long agreements name who signed them (0.23).
	AssociationGrants bool `env:"ASSOCIATION_GRANTS_DELEGATED_ADMIN" default:"false"`
	ResellersRemove   bool `env:"RESELLER_MAY_REMOVE_RELATIONSHIP" default:"true"`
	RemovalNeedsNone  bool `env:"REMOVAL_NEEDS_NO_ACTIVE_SUBSCRIPTION" default:"true"`
	CreatedDaily      int  `env:"CREATIONS_PER_DAY" default:"50"`
	EvidenceYears     int  `env:"EVIDENCE_YEARS" default:"7"`
	// Queues are those of the deployment, as JSON: name, and the URLs of the queue and of the one of its dead letters.
	Queues string `env:"QUEUES" default:"[]"`
}

// New makes the function.
func New(c Config, given app.Given) (apigw.Function, error) {
	console, base, err := parts(c, given)
	if err != nil {
		return nil, err
	}
	handler, err := console.Handler()
	if err != nil {
		return nil, err
	}
	return apigw.Handler(handler, base, given.Log), nil
}

// parts gives what the pages consist of, and the URL at which they are reached.
func parts(c Config, given app.Given) (console pages.Console, base string, err error) {
	clouds, cloudsErr := partner.ParseClouds(c.Clouds)
	authorities, authoritiesErr := identity.Parse(c.Authorities)
	operator, operatorErr := c.Checked()
	var watched []queues.Pair
	watchedErr := json.Unmarshal([]byte(c.Queues), &watched)
	if err := errors.Join(watchedErr, authoritiesErr, cloudsErr, operatorErr); err != nil {
		return console, "", err
	}
	now, store, keys := c.Clock(), dynamo.New(given.AWS, c.Table), keyring.New(given.AWS, c.Secret)
	addresses := emailaddr.Addresses{AllowReserved: c.AllowReserved}
	records := enrolment.Records{Store: store, Now: now}
	invitations := inviting.New(c.Config, store, clouds, addresses, now)
	console = pages.Console{
		Invitations: invitations,
		Batches:     &batch.Service{Store: store, Accounts: store, Invitations: invitations, Now: now},
		Customers: customer.Service{
			Store: store, Register: store, Support: store, Customers: store, Directory: store, Grants: store, Partnerships: store, Accounts: store,
			Texts: store, Regions: partner.ShippedRegions(), Clouds: clouds, Addresses: addresses, Webmail: emailaddr.Webmail, Now: now,
			SubscriptionsStay: !c.RemovalNeedsNone, ResellersKeep: !c.ResellersRemove, AssociationGrants: c.AssociationGrants, Daily: c.CreatedDaily,
		},
		Relationships: store, Week: store, Audit: store, Audiences: c.Audiences,
		Partnerships: partnership.Service{Store: store, Accounts: store, Tiers: store, Texts: store, Now: now},
		Registry:     &registry.Service{Store: store, Clouds: clouds, Addresses: addresses, Locales: locale.Tags, Now: now},
		Regions:      partner.ShippedRegions(),
		Reputation:   registry.Reputation{Store: store, Now: now},
		Suppressions: recipient.SuppressionRemoval{Ledger: store, Addresses: addresses, Now: now},
		Clearing:     invitation.Clearing{Store: store, Granular: store, Accounts: store, Now: now},
		Enrolments: &enrolment.Service{
			Store: store, Accounts: store, Directory: records, Validator: enrolment.Formats{}, Locations: records, Holders: store,
			Calendar: records, Texts: store, Addresses: addresses, Clouds: clouds, Locales: locale.Tags, Now: now,
		},
		Records: records,
		Webhooks: &webhook.Service{
			Store: store, Accounts: store, Seals: webhook.Seals{Keys: keys.Keys}, Addresses: webhook.Addresses{Local: c.LocalWebhooks},
			Types: webhook.Types(), Now: now,
		},
		Reports: oversight.Reports{Store: store, Now: now},
		Reading: oversight.Reading{Store: store, Accounts: store, Audit: store, Keep: app.Years(c.EvidenceYears), Now: now},
		Health:  oversight.Health{Store: store, Queues: queues.New(given.AWS, watched).Read, Now: now},
		Granular: &granular.Service{
			Store: store, Accounts: store, Clouds: clouds, Addresses: addresses, Roles: granular.ShippedRoles(), Locales: locale.Tags, Now: now,
			Quota: recipient.Quota{Ledger: store, Limits: c.Limits()},
		},
		Commerce: &commerce.Service{
			Accounts: store, Holders: store, Records: enrolment.Records{Store: store}, Relationships: store, Agreements: store, Orders: store,
			Subscriptions: store, Partnerships: commerce.Tiers{Store: store},
			Granular: &granular.Service{Store: store, Roles: granular.ShippedRoles(), Now: now}, Texts: store,
			Evidence: app.Years(c.EvidenceYears), Regions: partner.ShippedRegions(), Offers: commerce.ShippedOffers(),
			Addresses: addresses, Now: now,
		},
		Agreed:   commerce.Agreed{Signatures: store, Accounts: store, Partnerships: commerce.Tiers{Store: store}, Tiers: store},
		Accounts: store, Clouds: clouds, Keys: keys, Operator: operator, Authorities: authorities, Kit: c.AllowReserved, Log: given.Log, Now: now,
	}
	return console, clouds[0].BaseURL, nil
}
