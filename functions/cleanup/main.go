// Cleanup does what is due: invitations and granular administration expire, and mail that waits is queued again. It is woken by a schedule.
package main

import (
	"context"
	"errors"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"concord/internal/agenda"
	"concord/internal/awsenv"
	"concord/internal/batch"
	"concord/internal/commerce"
	"concord/internal/dynamo"
	"concord/internal/enrolment"
	"concord/internal/env"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/observe"
)

// config is the operator's manual; template.yaml sets every variable.
type config struct {
	Stack string `env:"STACK"`      // name of the stack; a dimension of every metric
	Table string `env:"TABLE_NAME"` // the one table
}

func main() {
	log := observe.Logger()
	var c config
	loadErr := env.Load(&c)
	now, clockErr := env.Clock()
	if err := errors.Join(loadErr, clockErr); err != nil {
		log.Error("cannot start", "error", err)
		os.Exit(1)
	}
	metrics := &observe.Metrics{Stack: c.Stack, Function: "cleanup"}
	store := dynamo.New(awsenv.Config(), c.Table)
	round := agenda.Round{Agenda: store, Now: now, Duties: map[agenda.Kind]agenda.Duty{
		agenda.Invitation: invitation.Cleanup{Store: store},
		agenda.Batch:      batch.Cleanup{Store: store},
		agenda.Granular:   granular.Cleanup{Store: store},
		agenda.Agreement:  commerce.Cleanup{Store: store},
		agenda.Enrolment:  enrolment.Cleanup{Store: store},
	}}
	// What the schedule says of itself is of no interest: what is due is in the table. The scheduler only hands the event over; after
	// an error Lambda calls again, as the function's EventInvokeConfig says.
	lambda.Start(func(ctx context.Context) error {
		t, err := round.Run(ctx)
		log.InfoContext(ctx, "cleanup", "done", t.Done, "left", t.Left, "oldest", t.Oldest.String())
		metrics.Put(round.Figures(t))
		return err
	})
}
