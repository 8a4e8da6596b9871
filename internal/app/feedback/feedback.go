// Package feedback puts together the function that records what SES says became of mails.
package feedback

import (
	"errors"
	"time"

	"concord/internal/app"
	"concord/internal/dynamo"
	"concord/internal/env"
	"concord/internal/feedback"
	"concord/internal/registry"
)

// Config is what template.yaml sets.
type Config struct {
	env.Local
	Stack string `env:"STACK"`      // name of the stack; a dimension of every metric
	Table string `env:"TABLE_NAME"` // the one table

	// How much may be said against the mails of a partner in seven days before they wait: of a thousand mails, and at least.
	ComplaintsPerMille int `env:"COMPLAINT_PAUSE_PER_MILLE"`
	ComplaintsLeast    int `env:"COMPLAINT_PAUSE_LEAST"`
	BouncesPerMille    int `env:"BOUNCE_PAUSE_PER_MILLE"`
	BouncesLeast       int `env:"BOUNCE_PAUSE_LEAST"`
}

// New makes the function.
func New(c Config, given app.Given) (feedback.Function, error) {
	now, metrics, store := c.Clock(), given.Metrics(c.Stack, "feedback"), dynamo.New(given.AWS, c.Table)
	recorder := feedback.Recorder{
		Invitations: store, Granular: store, Enrolments: store, Ledger: store, Now: now,
		Reputation: registry.Reputation{
			Store: store, Now: now, Paused: feedback.Paused(given.Log, metrics),
			Complaints: registry.Threshold{PerMille: c.ComplaintsPerMille, Least: c.ComplaintsLeast},
			Bounces:    registry.Threshold{PerMille: c.BouncesPerMille, Least: c.BouncesLeast},
		},
	}
	queue := &feedback.Queue{Recorder: recorder, Log: given.Log, Metrics: metrics, Reserve: 5 * time.Second}
	if err := errors.Join(app.Whole(recorder), app.Whole(queue)); err != nil {
		return nil, err
	}
	return queue.Handle, nil
}
