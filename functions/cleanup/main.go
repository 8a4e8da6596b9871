// Cleanup does what is due: invitations expire, and mail that waits is queued again. It is woken by a schedule.
package main

import (
	"context"
	"errors"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"concord/internal/awsenv"
	"concord/internal/dynamo"
	"concord/internal/env"
	"concord/internal/invitation"
	"concord/internal/observe"
)

// config is the operator's manual; template.yaml sets every variable.
type config struct {
	Table string `env:"TABLE_NAME"` // the one table
}

func main() {
	log, metrics := observe.Logger(), &observe.Metrics{Function: "cleanup"}
	var c config
	loadErr := env.Load(&c)
	now, clockErr := env.Clock()
	if err := errors.Join(loadErr, clockErr); err != nil {
		log.Error("cannot start", "error", err)
		os.Exit(1)
	}
	store := dynamo.New(awsenv.Config(), c.Table)
	cleanup := invitation.Cleanup{Store: store, Agenda: store, Now: now}
	// What the schedule says of itself is of no interest: what is due is in the table. An error has the scheduler call again.
	lambda.Start(func(ctx context.Context) error {
		t, err := cleanup.Run(ctx)
		log.InfoContext(ctx, "cleanup", "expired", t.Expired, "requeued", t.Queued, "mailFailed", t.Failed, "left", t.Left, "oldest", t.Oldest.String())
		metrics.Put(map[string]float64{
			"OldestDueSeconds": t.Oldest.Seconds(), "Expired": float64(t.Expired), "Requeued": float64(t.Queued),
			"MailFailed": float64(t.Failed), "Left": float64(t.Left),
		})
		return err
	})
}
