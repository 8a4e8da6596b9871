// Package events puts together the function that follows the table's stream: what has happened becomes audit records, events on the bus,
// deliveries to webhook endpoints, and work for batches.
package events

import (
	"errors"
	"fmt"

	"concord/internal/app"
	"concord/internal/batch"
	"concord/internal/dynamo"
	"concord/internal/env"
	"concord/internal/events"
	"concord/internal/stream"
	"concord/internal/webhook"
)

// Config is what template.yaml sets.
type Config struct {
	env.Local
	Stack string `env:"STACK"`          // name of the stack; a dimension of every metric
	Table string `env:"TABLE_NAME"`     // the DynamoDB table of this deployment
	Bus   string `env:"EVENT_BUS"`      // name of the event bus
	Queue string `env:"BATCH_QUEUE"`    // URL of the queue of batches that wait for a worker
	Hooks string `env:"WEBHOOK_QUEUE"`  // URL of the queue of webhook endpoints that wait for a worker
	Years int    `env:"EVIDENCE_YEARS"` // how long audit records are kept, in years of 365 days
}

// New makes the function.
func New(c Config, given app.Given) (stream.Function, error) {
	store := dynamo.New(given.AWS, c.Table)
	fanout := &webhook.Fanout{Store: store, Now: c.Clock()}
	dispatcher := events.Dispatcher{
		Tell: events.NewBus(given.AWS, c.Bus).Put, Audit: store, Reports: store, Keep: app.Years(c.Years),
		Ask:  events.NewJobs[batch.Key](given.AWS, c.Queue).Send,
		Hook: fanout.Take, AskHooks: events.NewJobs[webhook.Key](given.AWS, c.Hooks).Send,
	}
	loop := stream.Loop{Log: given.Log, Metrics: given.Metrics(c.Stack, "events"), Reserve: events.DeliverTimeout}
	if err := errors.Join(app.Whole(dispatcher), app.Whole(loop)); err != nil {
		return nil, err
	}
	return stream.Gather(loop, events.MaxGroup, caused, dispatcher.Deliver), nil
}

// caused reads a record as what was written.
func caused(r stream.Record) ([]events.Consequence, error) {
	c, err := dynamo.ChangeOf(r.Old, r.New)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", stream.ErrPoison, err)
	}
	return events.Causes(events.Written(c)), nil
}
