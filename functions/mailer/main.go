// Mailer mails what a write to the table says is owed. It is woken by the table's stream, for items whose mail is queued.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"golang.org/x/time/rate"

	"concord/internal/awsenv"
	"concord/internal/contact"
	"concord/internal/dynamo"
	"concord/internal/env"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/mail"
	"concord/internal/masterkey"
	"concord/internal/observe"
	"concord/internal/partner"
	"concord/internal/stream"
)

// config is the operator's manual; template.yaml sets every variable.
type config struct {
	Stack            string `env:"STACK"`                  // name of the stack; a dimension of every metric
	Table            string `env:"TABLE_NAME"`             // the one table
	LinkSecret       string `env:"LINK_SECRET"`            // ARN of the secret that keys of links are derived from
	Operator         string `env:"OPERATOR_NAME"`          // who operates this deployment; every mail says so
	Contact          string `env:"OPERATOR_CONTACT"`       // the email address where people ask the operator
	Privacy          string `env:"PRIVACY_NOTICE_URL"`     // the operator's privacy notice
	Imprint          string `env:"IMPRINT_URL" default:""` // who is legally responsible; empty where the law asks for none
	Clouds           string `env:"CLOUDS"`                 // JSON list of the clouds, with the base URLs of their links
	From             string `env:"MAIL_FROM"`              // sender, as in: Concord <invitations@example.com>
	ConfigurationSet string `env:"MAIL_CONFIGURATION_SET"` // of SES
	Rate             int    `env:"MAIL_RATE"`              // mails per second that the SES account may send
	Sandboxes        int    `env:"MAIL_SANDBOXES"`         // how many sandboxes share that rate: the reserved concurrency
}

func main() {
	log, aws := observe.Logger(), awsenv.Config()
	var c config
	loadErr := env.Load(&c)
	clouds, cloudsErr := partner.ParseClouds(c.Clouds)
	now, clockErr := env.Clock()
	operator := contact.Operator{Name: c.Operator, Contact: c.Contact, Privacy: c.Privacy, Imprint: c.Imprint}
	ses, sesErr := mail.NewSES(aws, c.From, c.ConfigurationSet)
	if err := errors.Join(loadErr, cloudsErr, clockErr, sesErr, operator.Check()); err != nil {
		log.Error("cannot start", "error", err)
		os.Exit(1)
	}
	metrics := &observe.Metrics{Stack: c.Stack, Function: "mailer"}
	store := dynamo.New(aws, c.Table)
	dispatcher := &mail.Dispatcher{
		Store: store, Granular: store, Roles: granular.ShippedRoles(), Accounts: store, Enrolments: store,
		Others: invitation.Sweep{Store: store, Relationships: store, Partnerships: store, Accounts: store, Granular: store, Now: now}, Ledger: store, Clouds: clouds, Links: masterkey.New(aws, c.LinkSecret), Sender: ses,
		Limiter: rate.NewLimiter(rate.Limit(c.Rate)/rate.Limit(max(c.Sandboxes, 1)), 1), Operator: operator, Now: now, Log: log, Metrics: metrics,
	}
	loop := stream.Loop{Log: log, Metrics: metrics, Reserve: 3 * mail.SendTimeout}
	lambda.Start(loop.Handler(func(ctx context.Context, r stream.Record) error {
		g, err := dynamo.GranularFromImage(r.New)
		if err == nil {
			return dispatcher.DispatchGranular(ctx, g)
		}
		e, err := dynamo.EnrolmentFromImage(r.New)
		if err == nil {
			return dispatcher.Enrol(ctx, e)
		}
		inv, err := dynamo.InvitationFromImage(r.New)
		if err != nil {
			return fmt.Errorf("%w: %w", stream.ErrPoison, err)
		}
		return dispatcher.Dispatch(ctx, inv)
	}))
}
