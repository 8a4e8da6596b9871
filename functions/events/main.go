// Events tells other systems what has happened, keeps the partners' audit and asks workers for batches. It is woken by the table's stream, for writes of which
// there is something to tell.
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"concord/internal/awsenv"
	"concord/internal/dynamo"
	"concord/internal/env"
	"concord/internal/events"
	"concord/internal/observe"
	"concord/internal/stream"
)

// config is the operator's manual; template.yaml sets every variable.
type config struct {
	Stack string `env:"STACK"`          // name of the stack; a dimension of every metric
	Table string `env:"TABLE_NAME"`     // the DynamoDB table of this deployment
	Bus   string `env:"EVENT_BUS"`      // name of the event bus
	Queue string `env:"BATCH_QUEUE"`    // URL of the queue of batches that wait for a worker
	Years int    `env:"EVIDENCE_YEARS"` // how long audit records are kept, in years of 365 days
}

func main() {
	log := observe.Logger()
	var c config
	if err := env.Load(&c); err != nil {
		log.Error("cannot start", "error", err)
		os.Exit(1)
	}
	aws := awsenv.Config()
	desk := events.Desk{
		Tell: events.NewBus(aws, c.Bus).Put, Audit: dynamo.New(aws, c.Table), Keep: time.Duration(c.Years) * 365 * 24 * time.Hour,
		Ask: events.NewJobs(aws, c.Queue).Send,
	}
	metrics := &observe.Metrics{Stack: c.Stack, Function: "events"}
	loop := stream.Loop{Log: log, Metrics: metrics, Reserve: events.DeliverTimeout}
	lambda.Start(stream.Gather(loop, events.MaxGroup, caused, desk.Deliver))
}

// caused reads a record as what was written.
func caused(r stream.Record) ([]events.Consequence, error) {
	c, err := dynamo.ChangeOf(r.Old, r.New)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", stream.ErrPoison, err)
	}
	return events.Causes(events.Written(c)), nil
}
