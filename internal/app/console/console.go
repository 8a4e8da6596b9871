// Package console puts the console together: its main starts what this makes, and tests make the same.
package console

import (
	"encoding/json"
	"errors"

	"concord/internal/apigw"
	"concord/internal/app"
	"concord/internal/app/customers"
	"concord/internal/app/enrolling"
	"concord/internal/app/granting"
	"concord/internal/app/inviting"
	"concord/internal/app/notifying"
	"concord/internal/app/overseeing"
	"concord/internal/app/partnering"
	"concord/internal/app/registering"
	"concord/internal/app/trading"
	pages "concord/internal/console"
	"concord/internal/dynamo"
	"concord/internal/emailaddr"
	"concord/internal/env"
	"concord/internal/identity"
	"concord/internal/keyring"
	"concord/internal/oversight"
	"concord/internal/partner"
	"concord/internal/queues"
)

// Config is what template.yaml sets.
type Config struct {
	env.Local
	app.Operator
	inviting.Config
	customers.Rules
	notifying.Endpoints
	Table  string `env:"TABLE_NAME"`  // the DynamoDB table of this deployment
	Secret string `env:"LINK_SECRET"` // ARN or name of the secret from which the keys of cookies are derived
	// Authorities are the clouds with their identity providers, as identity.Parse reads them, and Clouds their portals.
	Authorities string `env:"AUTHORITIES"`
	Clouds      string `env:"CLOUDS"`
	// Audiences are those of the tokens that the API takes, separated by commas: what a program asks its provider for.
	Audiences string `env:"API_AUDIENCES" default:""`
	// EvidenceYears is for how long agreements name who signed them, and audit records are kept (domain, 0.23).
	EvidenceYears int `env:"EVIDENCE_YEARS" default:"7"`
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
	invitations := inviting.New(c.Config, store, clouds, addresses, now)
	enrolments, records := enrolling.New(store, clouds, addresses, now)
	trade, _ := trading.New(app.Years(c.EvidenceYears), store, addresses, now)
	reports, reading := overseeing.New(app.Years(c.EvidenceYears), store, now)
	operated := registering.New(store, clouds, addresses, now)
	console = pages.Console{
		Invitations: invitations, Batches: inviting.Bulk(store, invitations, now),
		Customers: customers.New(c.Rules, store, clouds, addresses, now), Agreed: customers.Agreed(store),
		Partnerships: partnering.New(store, now), Granular: granting.New(c.Quotas, store, clouds, addresses, now), Commerce: trade,
		Enrolments: enrolments, Records: records, Webhooks: notifying.New(c.Endpoints, store, keys, now),
		Registry: operated.Registry, Reputation: operated.Reputation, Suppressions: operated.Suppressions, Clearing: operated.Clearing,
		Reports: reports, Reading: reading, Health: oversight.Health{Store: store, Queues: queues.New(given.AWS, watched).Read, Now: now},
		Relationships: store, Week: store, Audit: store, Audiences: c.Audiences, Accounts: store, Regions: partner.ShippedRegions(),
		Clouds: clouds, Keys: keys, Operator: operator, Authorities: authorities, Kit: c.AllowReserved, Log: given.Log, Now: now,
	}
	return console, clouds[0].BaseURL, nil
}
