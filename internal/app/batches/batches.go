// Package batches puts together the function that works bulk invitations off.
package batches

import (
	"errors"
	"time"

	"golang.org/x/time/rate"

	"concord/internal/app"
	"concord/internal/app/inviting"
	"concord/internal/batch"
	"concord/internal/dynamo"
	"concord/internal/emailaddr"
	"concord/internal/env"
	"concord/internal/jobs"
	"concord/internal/partner"
)

// Config is what template.yaml sets; the quotas are those of functions/invitations.
type Config struct {
	env.Local
	inviting.Config
	Stack    string `env:"STACK"`                   // name of the stack; a dimension of every metric
	Table    string `env:"TABLE_NAME"`              // the DynamoDB table of this deployment
	Clouds   string `env:"CLOUDS"`                  // JSON array of the clouds: id, portalName, baseUrl, administrationOptional
	Rate     int    `env:"BATCH_ROWS_PER_SECOND"`   // how many rows of one batch begin in a second
	MailRate int    `env:"MAIL_RATE"`               // mails per second that the SES account may send
	Lanes    int    `env:"BATCH_LANES" default:"8"` // how many rows are worked on at a time
}

// New makes the function.
func New(c Config, given app.Given) (jobs.Function, error) {
	clouds, err := partner.ParseClouds(c.Clouds)
	if err != nil {
		return nil, err
	}
	now, store := c.Clock(), dynamo.New(given.AWS, c.Table)
	service := inviting.New(c.Config, store, clouds, emailaddr.Addresses{AllowReserved: c.AllowReserved}, now)
	worker := &batch.Worker{
		Store: store, Invitations: service, Limiter: rate.NewLimiter(rate.Limit(c.Rate), 1),
		// Two batches at once leave a fifth of the rate to the mails of people: what is queued in the stream goes in its order.
		Mails: rate.NewLimiter(rate.Limit(c.MailRate)*2/5, 1),
		Lanes: c.Lanes, Reserve: 30 * time.Second, Now: now,
	}
	queue := &jobs.Queue[batch.Key, batch.Batch]{
		Of: jobs.Batches, Worker: worker, Log: given.Log, Metrics: given.Metrics(c.Stack, "batches"),
	}
	if err := errors.Join(app.Whole(service, inviting.Without...), app.Whole(worker), app.Whole(queue, "Of.Count")); err != nil {
		return nil, err
	}
	return queue.Handle, nil
}
