// Package enrolment puts together the function that serves how companies become indirect resellers, to their Global admins and to the
// operator.
package enrolment

import (
	"errors"
	"net/http"

	"concord/internal/apigw"
	"concord/internal/app"
	"concord/internal/app/enrolling"
	"concord/internal/app/overseeing"
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
	Table  string `env:"TABLE_NAME"`  // the DynamoDB table of this deployment
	Secret string `env:"LINK_SECRET"` // ARN or name of the secret from which the keys of cursors are derived
	Clouds string `env:"CLOUDS"`      // JSON array of {id, portalName, baseUrl, administrationOptional}, in which companies are
	// EvidenceYears is for how long audit records are kept (domain, 0.23).
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
	clouds, err := partner.ParseClouds(c.Clouds)
	if err != nil {
		return nil, err
	}
	now, store, keys := c.Clock(), dynamo.New(given.AWS, c.Table), keyring.New(given.AWS, c.Secret)
	service, records := enrolling.New(store, clouds, emailaddr.Addresses{AllowReserved: c.AllowReserved}, now)
	reports, reading := overseeing.New(app.Years(c.EvidenceYears), store, now)
	gate := web.Gate{Accounts: store, Claims: apigw.Claims, RequestID: apigw.RequestID, Keys: keys.Keys, Log: given.Log}
	if err := errors.Join(app.Whole(gate, "Customers"), app.Whole(service), app.Whole(records), app.Whole(reports), app.Whole(reading)); err != nil {
		return nil, err
	}
	return web.Enrolments(gate, service, records, reports, reading), nil
}
