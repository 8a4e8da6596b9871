// Package invitations puts together the function that serves invitations, drafts, batches and webhook endpoints of the calling partner.
package invitations

import (
	"errors"

	"concord/internal/apigw"
	"concord/internal/app"
	"concord/internal/app/inviting"
	"concord/internal/app/notifying"
	"concord/internal/draft"
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
	inviting.Config
	notifying.Endpoints
	Table    string `env:"TABLE_NAME"`       // the DynamoDB table of this deployment
	Secret   string `env:"LINK_SECRET"`      // ARN or name of the secret from which keys of links and cursors are derived
	Operator string `env:"OPERATOR_NAME"`    // who operates this deployment, as drafts say it
	Contact  string `env:"OPERATOR_CONTACT"` // the email address where people ask the operator whether a mail is genuine
	Clouds   string `env:"CLOUDS"`           // JSON array of the clouds: id, portalName, baseUrl, administrationOptional
}

// New makes the function.
func New(c Config, given app.Given) (apigw.Function, error) {
	clouds, err := partner.ParseClouds(c.Clouds)
	if err != nil {
		return nil, err
	}
	now, store, keys := c.Clock(), dynamo.New(given.AWS, c.Table), keyring.New(given.AWS, c.Secret)
	service := inviting.New(c.Config, store, clouds, emailaddr.Addresses{AllowReserved: c.AllowReserved}, now)
	bulk := inviting.Bulk(store, service, now)
	gate := web.Gate{
		Accounts: store, Claims: apigw.Claims, RequestID: apigw.RequestID, Keys: keys.Keys, Customers: store, Log: given.Log,
	}
	drafts := draft.Service{
		Invitations: service, Sign: keys.Sign, Operator: emailaddr.Operator{Name: c.Operator, Contact: c.Contact},
	}
	hooks := notifying.New(c.Endpoints, store, keys, now)
	if err := errors.Join(app.Whole(hooks), app.Whole(service, inviting.Without...), app.Whole(bulk), app.Whole(gate)); err != nil {
		return nil, err
	}
	return apigw.Handler(web.Invitations(gate, service, drafts, bulk, hooks), "", given.Log), nil
}
