// Package cleanup puts together the function that does what is due.
package cleanup

import (
	"context"

	"concord/internal/app"
	"concord/internal/batch"
	"concord/internal/commerce"
	"concord/internal/due"
	"concord/internal/dynamo"
	"concord/internal/enrolment"
	"concord/internal/env"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/oversight"
	"concord/internal/review"
	"concord/internal/webhook"
)

// Config is what template.yaml sets.
type Config struct {
	env.Local
	Stack string `env:"STACK"`      // name of the stack; a dimension of every metric
	Table string `env:"TABLE_NAME"` // the one table
}

// New makes the function.
//
// What the schedule says of itself is of no interest: what is due is in the table. The scheduler only hands the event over; after an error
// Lambda calls again, as the function's EventInvokeConfig says.
func New(c Config, given app.Given) (func(context.Context) error, error) {
	metrics, store := given.Metrics(c.Stack, "cleanup"), dynamo.New(given.AWS, c.Table)
	round := due.Round{Index: store, Now: c.Clock(), Duties: map[due.Kind]due.Duty{
		invitation.DueKind: invitation.Cleanup{Store: store},
		batch.DueKind:      batch.Cleanup{Store: store},
		granular.DueKind:   granular.Cleanup{Store: store},
		commerce.DueKind:   commerce.Cleanup{Store: store},
		enrolment.DueKind:  enrolment.Cleanup{Store: store},
		review.DueKind:     review.Cleanup{Store: store, Rights: store},
		webhook.DueKind:    webhook.Cleanup{Store: store},
	}}
	if err := app.Whole(round); err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		t, err := round.Run(ctx)
		given.Log.InfoContext(ctx, "cleanup", "done", t.Done, "left", t.Left, "oldest", t.Oldest.String())
		metrics.Put(round.Figures(t))
		// The operator's console says when this was last there; that it cannot is no reason to do anything again.
		run := oversight.Run{At: round.Now(), Done: t.Done, Left: t.Left, Oldest: t.Oldest, Complete: t.Complete}
		if failed := store.NoteRun(ctx, run); failed != nil {
			given.Log.WarnContext(ctx, "run not noted", "error", failed.Error())
		}
		return err
	}, nil
}
