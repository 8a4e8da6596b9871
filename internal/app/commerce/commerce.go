// Package commerce puts together the function that serves agreements, PartnerIDs, offers, orders and subscriptions of the calling partner.
package commerce

import (
	"errors"
	"net/http"

	"concord/internal/apigw"
	"concord/internal/app"
	"concord/internal/app/trading"
	"concord/internal/dynamo"
	"concord/internal/emailaddr"
	"concord/internal/env"
	"concord/internal/keyring"
	"concord/internal/web"
)

// Config is what template.yaml sets.
type Config struct {
	env.Local
	Table  string `env:"TABLE_NAME"`  // the DynamoDB table of this deployment
	Secret string `env:"LINK_SECRET"` // ARN or name of the secret from which the keys of cursors are derived
	// EvidenceYears is for how long agreements are kept with the names of who signed them (domain, 0.23).
	EvidenceYears int `env:"EVIDENCE_YEARS" default:"7"`
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
	now, store, keys := c.Clock(), dynamo.New(given.AWS, c.Table), keyring.New(given.AWS, c.Secret)
	gate := web.Gate{
		Accounts: store, Claims: apigw.Claims, RequestID: apigw.RequestID, Keys: keys.Keys, Customers: store, Log: given.Log,
	}
	service, granted := trading.New(app.Years(c.EvidenceYears), store, emailaddr.Addresses{AllowReserved: c.AllowReserved}, now)
	if err := errors.Join(app.Whole(gate), app.Whole(service), app.Whole(granted, trading.WithoutToGrant...)); err != nil {
		return nil, err
	}
	return web.Commerce(gate, service, granted, store), nil
}
