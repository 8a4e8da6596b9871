// Function invitations serves the invitations and drafts of the calling partner over the HTTP API.
package main

import (
	"errors"
	"os"

	"concord/internal/apigw"
	"concord/internal/awsenv"
	"concord/internal/batch"
	"concord/internal/contact"
	"concord/internal/draft"
	"concord/internal/dynamo"
	"concord/internal/env"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/locale"
	"concord/internal/masterkey"
	"concord/internal/observe"
	"concord/internal/partner"
	"concord/internal/recipient"
	"concord/internal/relationship"
	"concord/internal/web"
)

type config struct {
	Table    string `env:"TABLE_NAME"`       // the DynamoDB table of this deployment
	Secret   string `env:"LINK_SECRET"`      // ARN or name of the secret from which keys of links and cursors are derived
	Operator string `env:"OPERATOR_NAME"`    // who operates this deployment, as drafts say it
	Contact  string `env:"OPERATOR_CONTACT"` // the email address where people ask the operator whether a mail is genuine
	Clouds   string `env:"CLOUDS"`           // JSON array of the clouds: id, portalName, baseUrl, administrationOptional
	// How many mails a partner may send per day of UTC, in its account's first 30 days and from then on, unless the account has a
	// number of its own; how many partners may mail one recipient in 24 hours, 0 for any number.
	FirstMonth int `env:"FIRST_MONTH_QUOTA" default:"50"`
	Daily      int `env:"DAILY_QUOTA" default:"500"`
	Partners   int `env:"PARTNERS_PER_RECIPIENT" default:"3"`
	Domain     int `env:"DOMAIN_QUOTA" default:"50"`
	// AllowMessage lets partners say something in our mail (0.17).
	AllowMessage bool `env:"ALLOW_MESSAGE" default:"false"`
	// SalesAgentsRequest lets sales agents request partnerships (0.1).
	SalesAgentsRequest bool `env:"SALES_AGENT_MAY_REQUEST_PARTNERSHIP" default:"false"`
	// AdminAgentsAsk keeps sales agents from requests for delegated administration (0.5).
	AdminAgentsAsk bool `env:"DELEGATED_ADMIN_NEEDS_ADMIN_AGENT" default:"false"`
	// AllowReserved accepts addresses under .example and .test, which only a local stack does.
	AllowReserved bool `env:"ALLOW_RESERVED_DOMAINS" default:"false"`
}

func main() {
	log := observe.Logger()
	var c config
	loadErr := env.Load(&c)
	clouds, cloudsErr := partner.ParseClouds(c.Clouds)
	now, clockErr := env.Clock()
	if err := errors.Join(loadErr, cloudsErr, clockErr); err != nil {
		log.Error("cannot start", "error", err)
		os.Exit(1)
	}
	aws := awsenv.Config()
	store, keys := dynamo.New(aws, c.Table), masterkey.New(aws, c.Secret)
	service := &invitation.Service{
		Store: store, Accounts: store, Relationships: store, Partnerships: store, SalesAgentsRequestPartnerships: c.SalesAgentsRequest, DelegatedAdminNeedsAdminAgent: c.AdminAgentsAsk, Granular: store, GranularRoles: granular.ShippedRoles(), Regions: partner.ShippedRegions(), Clouds: clouds,
		Recognition: relationship.Recognition{Companies: store}, Slots: store,
		Addresses: contact.Addresses{AllowReserved: c.AllowReserved}, Locales: locale.Tags, Now: now,
		Ledger: store, Limits: recipient.Limits{Partners: c.Partners, FirstMonth: c.FirstMonth, Daily: c.Daily, Domain: c.Domain},
		AllowMessage: c.AllowMessage,
	}
	bulk := &batch.Service{Store: store, Accounts: store, Invitations: service, Now: now}
	gate := web.Gate{Accounts: store, Claims: apigw.Claims, RequestID: apigw.RequestID, Keys: keys.Keys, Customers: store, Log: log}
	apigw.Start(web.Invitations(gate, service, draft.Desk{Invitations: service, Sign: keys.Sign, Operator: contact.Operator{Name: c.Operator, Contact: c.Contact}}, bulk), "", log)
}
