// Package webhooks puts together the function that delivers events to the endpoints of partners.
package webhooks

import (
	"errors"

	"concord/internal/app"
	"concord/internal/app/notifying"
	"concord/internal/dynamo"
	"concord/internal/env"
	"concord/internal/hooks"
	"concord/internal/jobs"
	"concord/internal/keyring"
	"concord/internal/webhook"
)

// Config is what template.yaml sets.
type Config struct {
	env.Local
	notifying.Endpoints
	Stack  string `env:"STACK"`       // name of the stack; a dimension of every metric
	Table  string `env:"TABLE_NAME"`  // the DynamoDB table of this deployment
	Secret string `env:"LINK_SECRET"` // ARN or name of the secret from which the keys are derived that seal endpoints' secrets
}

// New makes the function.
func New(c Config, given app.Given) (jobs.Function, error) {
	worker := &webhook.Worker{
		Store: dynamo.New(given.AWS, c.Table), Seals: webhook.Seals{Keys: keyring.New(given.AWS, c.Secret).Keys},
		Sender: hooks.NewSender(notifying.Addresses(c.Endpoints), nil), Now: c.Clock(),
	}
	queue := &jobs.Queue[webhook.Key, webhook.Tally]{
		Of: jobs.Webhooks, Worker: worker, Log: given.Log, Metrics: given.Metrics(c.Stack, "webhooks"),
	}
	if err := errors.Join(app.Whole(worker), app.Whole(queue)); err != nil {
		return nil, err
	}
	return queue.Handle, nil
}
