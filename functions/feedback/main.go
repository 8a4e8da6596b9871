// Feedback records what SES says became of mails. It is woken by the queue of those events.
package main

import (
	"errors"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"concord/internal/awsenv"
	"concord/internal/dynamo"
	"concord/internal/env"
	"concord/internal/feedback"
	"concord/internal/observe"
	"concord/internal/registry"
)

// config is the operator's manual; template.yaml sets every variable.
type config struct {
	Stack string `env:"STACK"`      // name of the stack; a dimension of every metric
	Table string `env:"TABLE_NAME"` // the one table

	// How much may be said against the mails of a partner in seven days before they wait: of a thousand mails, and at least.
	ComplaintsPerMille int `env:"COMPLAINT_PAUSE_PER_MILLE"`
	ComplaintsLeast    int `env:"COMPLAINT_PAUSE_LEAST"`
	BouncesPerMille    int `env:"BOUNCE_PAUSE_PER_MILLE"`
	BouncesLeast       int `env:"BOUNCE_PAUSE_LEAST"`
}

func main() {
	log, aws := observe.Logger(), awsenv.Config()
	var c config
	loadErr := env.Load(&c)
	now, clockErr := env.Clock()
	if err := errors.Join(loadErr, clockErr); err != nil {
		log.Error("cannot start", "error", err)
		os.Exit(1)
	}
	metrics := &observe.Metrics{Stack: c.Stack, Function: "feedback"}
	store := dynamo.New(aws, c.Table)
	reputation := registry.Reputation{
		Store: store, Now: now, Paused: feedback.Paused(log, metrics),
		Complaints: registry.Threshold{PerMille: c.ComplaintsPerMille, Least: c.ComplaintsLeast},
		Bounces:    registry.Threshold{PerMille: c.BouncesPerMille, Least: c.BouncesLeast},
	}
	recorder := feedback.Recorder{Invitations: store, Granular: store, Enrolments: store, Ledger: store, Reputation: reputation, Now: now}
	queue := &feedback.Queue{Recorder: recorder, Log: log, Metrics: metrics, Reserve: 5 * time.Second}
	lambda.Start(queue.Handle)
}
