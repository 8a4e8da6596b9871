// Package invitations puts together the function that serves invitations, drafts, batches and webhook endpoints of the calling partner.
package invitations

import (
	"errors"

	"concord/internal/apigw"
	"concord/internal/app"
	"concord/internal/app/inviting"
	"concord/internal/batch"
	"concord/internal/draft"
	"concord/internal/dynamo"
	"concord/internal/emailaddr"
	"concord/internal/env"
	"concord/internal/keyring"
	"concord/internal/partner"
	"concord/internal/web"
	"concord/internal/webhook"
)

// Config is what template.yaml sets.
type Config struct {
	env.Local
	inviting.Config
	Table    string `env:"TABLE_NAME"`       // the DynamoDB table of this deployment
	Secret   string `env:"LINK_SECRET"`      // ARN or name of the secret from which keys of links and cursors are derived
	Operator string `env:"OPERATOR_NAME"`    // who operates this deployment, as drafts say it
	Contact  string `env:"OPERATOR_CONTACT"` // the email address where people ask the operator whether a mail is genuine
	Clouds   string `env:"CLOUDS"`           // JSON array of the clouds: id, portalName, baseUrl, administrationOptional
	// AllowMessage lets partners say something in our mail (0.17).
	AllowMessage bool `env:"ALLOW_MESSAGE" default:"false"`
	// LocalWebhooks also takes endpoints at http://127.0.0.1, which only a local stack does.
	LocalWebhooks bool `env:"ALLOW_LOCAL_WEBHOOKS" default:"false"`
}

// New makes the function.
func New(c Config, given app.Given) (apigw.Function, error) {
	clouds, err := partner.ParseClouds(c.Clouds)
	if err != nil {
		return nil, err
	}
	now, store, keys := c.Clock(), dynamo.New(given.AWS, c.Table), keyring.New(given.AWS, c.Secret)
	service := inviting.New(c.Config, store, clouds, emailaddr.Addresses{AllowReserved: c.AllowReserved}, now)
	service.AllowMessage = c.AllowMessage
	bulk := &batch.Service{Store: store, Accounts: store, Invitations: service, Now: now}
	gate := web.Gate{
		Accounts: store, Claims: apigw.Claims, RequestID: apigw.RequestID, Keys: keys.Keys, Customers: store, Log: given.Log,
	}
	drafts := draft.Service{
		Invitations: service, Sign: keys.Sign, Operator: emailaddr.Operator{Name: c.Operator, Contact: c.Contact},
	}
	hooks := &webhook.Service{
		Store: store, Accounts: store, Seals: webhook.Seals{Keys: keys.Keys}, Addresses: webhook.Addresses{Local: c.LocalWebhooks},
		Types: webhook.Types(), Now: now,
	}
	if err := errors.Join(app.Whole(hooks), app.Whole(service, inviting.Without...), app.Whole(bulk), app.Whole(gate)); err != nil {
		return nil, err
	}
	return apigw.Handler(web.Invitations(gate, service, drafts, bulk, hooks), "", given.Log), nil
}
