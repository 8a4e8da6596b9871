// Package app holds what the functions' constructors have in common. Each function is put together in a package below this one, whose
// New its main starts and tests call: nothing else knows which parts a function consists of.
package app

import (
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"

	"concord/internal/awsenv"
	"concord/internal/emailaddr"
	"concord/internal/env"
	"concord/internal/observe"
	"concord/internal/recipient"
)

// Given is what a function is put together with beside its configuration.
type Given struct {
	AWS aws.Config
	Log *slog.Logger
	// Figures is where metrics go; nil means standard output.
	Figures io.Writer
}

// Metrics are those of a function, by the name of its folder.
func (g Given) Metrics(stack, function string) *observe.Metrics {
	out := g.Figures
	if out == nil {
		out = os.Stdout
	}
	return &observe.Metrics{Stack: stack, Function: function, Out: out}
}

// Start reads the configuration, has the function put together, and serves Lambda's events with it. It ends the program, with a line of
// log that names every fault, when something is missing.
func Start[C, F any](put func(C, Given) (F, error)) {
	log := observe.Logger()
	function, err := assemble(put, log)
	if err != nil {
		log.Error("cannot start", "error", err)
		os.Exit(1)
	}
	lambda.Start(function)
}

func assemble[C, F any](put func(C, Given) (F, error), log *slog.Logger) (function F, err error) {
	var c C
	if err := env.Load(&c); err != nil {
		return function, err
	}
	return put(c, Given{AWS: awsenv.Config(), Log: log})
}

// Quotas are how many mails that ask for something a partner may send; all functions count together.
type Quotas struct {
	// Per day of UTC, in its account's first 30 days and from then on, unless the account has a number of its own.
	FirstMonth int `env:"FIRST_MONTH_QUOTA" default:"50"`
	Daily      int `env:"DAILY_QUOTA" default:"500"`
	// Partners is how many partners may mail one recipient in 24 hours, 0 for any number, and Domain how many mails go to one domain.
	Partners int `env:"PARTNERS_PER_RECIPIENT" default:"3"`
	Domain   int `env:"DOMAIN_QUOTA" default:"50"`
}

// Limits are the quotas as services take them.
func (q Quotas) Limits() recipient.Limits {
	return recipient.Limits{Partners: q.Partners, FirstMonth: q.FirstMonth, Daily: q.Daily, Domain: q.Domain}
}

// Operator is who operates this deployment, as every page and mail says.
type Operator struct {
	Name    string `env:"OPERATOR_NAME"`
	Contact string `env:"OPERATOR_CONTACT"`       // the email address where people ask
	Privacy string `env:"PRIVACY_NOTICE_URL"`     // its privacy notice
	Imprint string `env:"IMPRINT_URL" default:""` // who is legally responsible; empty where the law asks for none
}

// Checked gives the operator, and what is wrong with its addresses.
func (o Operator) Checked() (emailaddr.Operator, error) {
	out := emailaddr.Operator{Name: o.Name, Contact: o.Contact, Privacy: o.Privacy, Imprint: o.Imprint}
	return out, out.Check()
}

// Years is a number of years of 365 days, by which evidence is kept (domain, 0.23).
func Years(n int) time.Duration { return time.Duration(n) * 365 * 24 * time.Hour }
