package app_test

import (
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"concord/internal/app"
	"concord/internal/app/acceptance"
	"concord/internal/app/authorizer"
	"concord/internal/app/batches"
	"concord/internal/app/cleanup"
	"concord/internal/app/commerce"
	"concord/internal/app/compat"
	"concord/internal/app/console"
	"concord/internal/app/enrolment"
	"concord/internal/app/events"
	"concord/internal/app/feedback"
	"concord/internal/app/invitations"
	"concord/internal/app/inviting"
	"concord/internal/app/mailer"
	"concord/internal/app/relationships"
	"concord/internal/app/webhooks"
	"concord/internal/dynamo"
	"concord/internal/emailaddr"
	"concord/internal/env"
	"concord/internal/partner"
)

// TestWholeNamesWhatIsMissing: a service without a part is refused, with the path of the part; a part that is left out on purpose, or
// something below it, is not; and who names a part that is there is told.
func TestWholeNamesWhatIsMissing(t *testing.T) {
	clouds := partner.Clouds{{ID: "public", PortalName: "Concord", BaseURL: "https://concord.example"}}
	c := env.Local{}
	whole := inviting.New(inviting.Config{}, dynamo.New(aws.Config{}, "table"), clouds, emailaddr.Addresses{}, c.Clock())
	if err := app.Whole(whole, inviting.Without...); err != nil {
		t.Errorf("what is whole: %v", err)
	}
	without := *whole
	without.Ledger, without.Now, without.Recognition.Companies, without.Clouds = nil, nil, nil, nil
	want := []string{
		"*invitation.Service lacks Clouds", "*invitation.Service lacks Ledger", "*invitation.Service lacks Now",
		"*invitation.Service lacks Recognition.Companies",
	}
	err := app.Whole(&without, inviting.Without...)
	if err == nil {
		t.Fatal("what lacks four parts is taken")
	}
	if got := strings.Split(err.Error(), "\n"); !slices.Equal(slices.Sorted(slices.Values(got)), want) {
		t.Errorf("%q, want %q", got, want)
	}
	if err := app.Whole(&without, append([]string{"Ledger", "Now", "Recognition", "Clouds"}, inviting.Without...)...); err != nil {
		t.Errorf("with its parts left out on purpose: %v", err)
	}
	err = app.Whole(whole, append([]string{"Ledger", "Lodger"}, inviting.Without...)...)
	if err == nil || err.Error() != "*invitation.Service does not lack Ledger\n*invitation.Service does not lack Lodger" {
		t.Errorf("with parts named that are there: %v", err)
	}
}

// TestEveryFunctionIsPutTogether by its constructor, as its main does it, from the variables of a deployment; without them it says what
// is missing.
func TestEveryFunctionIsPutTogether(t *testing.T) {
	functions := map[string]func(app.Given) error{
		"invitations": putTogether(invitations.New), "relationships": putTogether(relationships.New), "commerce": putTogether(commerce.New),
		"enrolment": putTogether(enrolment.New), "acceptance": putTogether(acceptance.New), "mailer": putTogether(mailer.New),
		"events": putTogether(events.New), "batches": putTogether(batches.New), "feedback": putTogether(feedback.New),
		"cleanup":  putTogether(cleanup.New),
		"webhooks": putTogether(webhooks.New),
		"console":  putTogether(console.New),
		"compat":   putTogether(compat.New),
		"authorizer": putTogether(func(c authorizer.Config, given app.Given) (any, error) {
			return authorizer.New(c, given.Log)
		}),
	}
	given := app.Given{Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	variables := map[string]string{
		"STACK": "concord", "TABLE_NAME": "table", "LINK_SECRET": "secret", "OPERATOR_NAME": "Grove", "OPERATOR_CONTACT": "help@grove.example",
		"PRIVACY_NOTICE_URL": "https://grove.example/privacy", "API_AUDIENCES": "concord",
		"AUTHORITIES": `[{"cloud":"public","issuer":"https://id.example","clientId":"concord"}]`,
		"CLOUDS":      `[{"id":"public","portalName":"Concord","baseUrl":"https://concord.example"}]`,
		"EVENT_BUS":   "bus", "BATCH_QUEUE": "https://queue.example", "WEBHOOK_QUEUE": "https://queue.example", "EVIDENCE_YEARS": "7", "BATCH_ROWS_PER_SECOND": "20",
		"MAIL_FROM": "Concord <invitations@concord.example>", "MAIL_CONFIGURATION_SET": "set", "NOTICE_CONFIGURATION_SET": "notices", "MAIL_RATE": "14", "MAIL_SANDBOXES": "2",
		"COMPLAINT_PAUSE_PER_MILLE": "3", "COMPLAINT_PAUSE_LEAST": "3", "BOUNCE_PAUSE_PER_MILLE": "50", "BOUNCE_PAUSE_LEAST": "10",
	}
	for name, put := range functions {
		t.Run(name, func(t *testing.T) {
			if err := put(given); err == nil || !strings.Contains(err.Error(), " is not set") {
				t.Errorf("without variables: %v", err)
			}
			for variable, value := range variables {
				t.Setenv(variable, value)
			}
			if err := put(given); err != nil {
				t.Error(err)
			}
		})
	}
}

// putTogether reads a configuration and makes a function of it.
func putTogether[C, F any](put func(C, app.Given) (F, error)) func(app.Given) error {
	return func(given app.Given) error {
		var c C
		if err := env.Load(&c); err != nil {
			return err
		}
		f, err := put(c, given)
		if err == nil && any(f) == nil {
			return errors.New("no function")
		}
		return err
	}
}
