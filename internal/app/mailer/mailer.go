// Package mailer puts together the function that mails what a write to the table says is owed.
package mailer

import (
	"context"
	"errors"
	"fmt"

	"concord/internal/app"
	"concord/internal/dynamo"
	"concord/internal/env"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/keyring"
	"concord/internal/mail"
	"concord/internal/partner"
	"concord/internal/stream"
)

// Config is what template.yaml sets.
type Config struct {
	env.Local
	app.Operator
	Stack            string `env:"STACK"`                    // name of the stack; a dimension of every metric
	Table            string `env:"TABLE_NAME"`               // the one table
	LinkSecret       string `env:"LINK_SECRET"`              // ARN of the secret that keys of links are derived from
	Clouds           string `env:"CLOUDS"`                   // JSON list of the clouds, with the base URLs of their links
	From             string `env:"MAIL_FROM"`                // sender, as in: Concord <invitations@example.com>
	ConfigurationSet string `env:"MAIL_CONFIGURATION_SET"`   // of SES
	NoticeSet        string `env:"NOTICE_CONFIGURATION_SET"` // the same for mails of which it tells only what is said against them
	Rate             int    `env:"MAIL_RATE"`                // mails per second that the SES account may send
	Sandboxes        int    `env:"MAIL_SANDBOXES"`           // how many sandboxes share that rate: the reserved concurrency
}

// New makes the function.
func New(c Config, given app.Given) (stream.Function, error) {
	clouds, cloudsErr := partner.ParseClouds(c.Clouds)
	operator, operatorErr := c.Checked()
	ses, sesErr := mail.NewSES(given.AWS, c.From, mail.Sets{Followed: c.ConfigurationSet, Notices: c.NoticeSet})
	if err := errors.Join(cloudsErr, operatorErr, sesErr); err != nil {
		return nil, err
	}
	now, metrics, store := c.Clock(), given.Metrics(c.Stack, "mailer"), dynamo.New(given.AWS, c.Table)
	limiter := mail.Limiter(c.Rate, c.Sandboxes)
	dispatcher := &mail.Dispatcher{
		Store: store, Granular: store, Roles: granular.ShippedRoles(), Accounts: store, Enrolments: store, Reviews: store,
		Customers: store, Ledger: store, Clouds: clouds,
		Others: invitation.Sweep{
			Store: store, Relationships: store, Partnerships: store, Accounts: store, Granular: store, Now: now,
		},
		Links: keyring.New(given.AWS, c.LinkSecret), Sender: ses, Operator: operator, Now: now, Log: given.Log, Metrics: metrics,
		Limiter: limiter,
	}
	loop := stream.Loop{Log: given.Log, Metrics: metrics, Reserve: 3 * mail.SendTimeout}
	if err := errors.Join(app.Whole(dispatcher), app.Whole(loop)); err != nil {
		return nil, err
	}
	return stream.Lanes(loop, mail.Lanes(limiter), func(r stream.Record) (stream.Task, error) {
		g, err := dynamo.GranularFromImage(r.New)
		if err == nil {
			return stream.Task{Do: func(ctx context.Context) error { return dispatcher.DispatchGranular(ctx, g) }}, nil
		}
		e, err := dynamo.EnrolmentFromImage(r.New)
		if err == nil {
			return stream.Task{Do: func(ctx context.Context) error { return dispatcher.Enrol(ctx, e) }}, nil
		}
		asked, err := dynamo.ReviewFromImage(r.New)
		if err == nil {
			return stream.Task{Do: func(ctx context.Context) error { return dispatcher.Review(ctx, asked) }}, nil
		}
		i, err := dynamo.InvitationFromImage(r.New)
		if err != nil {
			return stream.Task{}, fmt.Errorf("%w: %w", stream.ErrPoison, err)
		}
		return stream.Task{
			Rank: mail.Rank(i), Do: func(ctx context.Context) error { return dispatcher.Dispatch(ctx, i) },
		}, nil
	}), nil
}
