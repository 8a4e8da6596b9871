// Batches works bulk invitations off. It is woken by the queue of those that wait for a worker.
package main

import (
	"errors"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"golang.org/x/time/rate"

	"concord/internal/awsenv"
	"concord/internal/batch"
	"concord/internal/contact"
	"concord/internal/dynamo"
	"concord/internal/env"
	"concord/internal/invitation"
	"concord/internal/jobs"
	"concord/internal/locale"
	"concord/internal/observe"
	"concord/internal/partner"
	"concord/internal/recipient"
	"concord/internal/relationship"
)

// config is the operator's manual; template.yaml sets every variable.
type config struct {
	Stack  string `env:"STACK"`                   // name of the stack; a dimension of every metric
	Table  string `env:"TABLE_NAME"`              // the DynamoDB table of this deployment
	Clouds string `env:"CLOUDS"`                  // JSON array of the clouds: id, portalName, baseUrl, administrationOptional
	Rate   int    `env:"BATCH_ROWS_PER_SECOND"`   // how many rows of one batch begin in a second
	Lanes  int    `env:"BATCH_LANES" default:"8"` // how many rows are worked on at a time
	// The quotas are those of functions/invitations.
	FirstMonth   int  `env:"FIRST_MONTH_QUOTA" default:"50"`
	Daily        int  `env:"DAILY_QUOTA" default:"500"`
	Partners     int  `env:"PARTNERS_PER_RECIPIENT" default:"3"`
	Domain       int  `env:"DOMAIN_QUOTA" default:"50"`
	AllowMessage bool `env:"ALLOW_MESSAGE" default:"false"` // lets partners say something in our mail (0.17)
	// SalesAgentsRequest lets sales agents request partnerships (0.1).
	SalesAgentsRequest bool `env:"SALES_AGENT_MAY_REQUEST_PARTNERSHIP" default:"false"`
	// AdminAgentsAsk keeps sales agents from requests for delegated administration (0.5).
	AdminAgentsAsk bool `env:"DELEGATED_ADMIN_NEEDS_ADMIN_AGENT" default:"false"`
	AllowReserved  bool `env:"ALLOW_RESERVED_DOMAINS" default:"false"` // accepts addresses under .example and .test, which only a local stack does
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
	store := dynamo.New(awsenv.Config(), c.Table)
	service := &invitation.Service{
		Store: store, Accounts: store, Relationships: store, Partnerships: store, SalesAgentsRequestPartnerships: c.SalesAgentsRequest, DelegatedAdminNeedsAdminAgent: c.AdminAgentsAsk, Regions: partner.ShippedRegions(), Clouds: clouds,
		Recognition: relationship.Recognition{Companies: store}, Slots: store,
		Addresses: contact.Addresses{AllowReserved: c.AllowReserved}, Locales: locale.Tags, Now: now,
		Ledger: store, Limits: recipient.Limits{Partners: c.Partners, FirstMonth: c.FirstMonth, Daily: c.Daily, Domain: c.Domain},
		AllowMessage: c.AllowMessage,
	}
	worker := &batch.Worker{Store: store, Invitations: service, Limiter: rate.NewLimiter(rate.Limit(c.Rate), 1), Lanes: c.Lanes, Reserve: 30 * time.Second, Now: now}
	queue := &jobs.Queue{Worker: worker, Log: log, Metrics: &observe.Metrics{Stack: c.Stack, Function: "batches"}}
	lambda.Start(queue.Handle)
}
