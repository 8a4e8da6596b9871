// Package relationships puts together the function that serves customers, granular administration, partnerships and audit of the calling
// partner, the operator's API, and the OpenAPI document.
package relationships

import (
	"errors"
	"net/http"

	"concord/internal/apigw"
	"concord/internal/app"
	"concord/internal/app/customers"
	"concord/internal/app/granting"
	"concord/internal/app/partnering"
	"concord/internal/app/registering"
	"concord/internal/dynamo"
	"concord/internal/emailaddr"
	"concord/internal/env"
	"concord/internal/keyring"
	"concord/internal/partner"
	"concord/internal/web"
)

// Config is what template.yaml sets.
type Config struct {
	env.Local
	app.Quotas
	customers.Rules
	Table  string `env:"TABLE_NAME"`  // the DynamoDB table of this deployment
	Secret string `env:"LINK_SECRET"` // ARN or name of the secret from which the keys of cursors are derived
	Clouds string `env:"CLOUDS"`      // JSON array of {id, portalName, baseUrl, administrationOptional}, in which partners are
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
	operator := registering.New(store, clouds, addresses, now)
	api := web.OperatorAPI{
		Limits: c.Limits(), Registry: operator.Registry, Reputation: operator.Reputation, Clearing: operator.Clearing,
		Suppressions: operator.Suppressions, Regions: partner.ShippedRegions(),
	}
	granted := granting.New(c.Quotas, store, clouds, addresses, now)
	related := web.Customers{
		Store: store, Texts: store, Agreed: customers.Agreed(store), Service: customers.New(c.Rules, store, clouds, addresses, now),
	}
	partners := partnering.New(store, now)
	if err := errors.Join(
		app.Whole(gate), app.Whole(api, registering.WithoutReputation), app.Whole(related), app.Whole(partners),
		app.Whole(granted, granting.Without...), // customers answer in functions/acceptance
	); err != nil {
		return nil, err
	}
	return web.Relationships(gate, related, granted, partners, store, api, now), nil
}
