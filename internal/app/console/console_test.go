package console

import (
	"log/slog"
	"testing"
	"time"

	"concord/internal/app"
	"concord/internal/app/granting"
	"concord/internal/app/inviting"
	"concord/internal/app/registering"
	"concord/internal/env"
	"concord/internal/recipient"
)

// TestTheConsoleIsWhole: nothing is missing but what only who answers has.
func TestTheConsoleIsWhole(t *testing.T) {
	c := Config{
		Operator:    app.Operator{Name: "Grove", Contact: "help@grove.example", Privacy: "https://grove.example/privacy"},
		Authorities: `[{"cloud":"public","issuer":"https://id.example","clientId":"concord"}]`,
		Clouds:      `[{"id":"public","portalName":"Concord","baseUrl":"https://concord.example"}]`,
	}
	c.Queues = `[{"name":"batches","work":"https://queue.example/1","dead":"https://queue.example/2"}]`
	console, base, err := parts(c, app.Given{Log: slog.New(slog.DiscardHandler)})
	if err != nil || base != "https://concord.example" {
		t.Fatalf("%q, %v", base, err)
	}
	without := []string{registering.WithoutReputation}
	for _, part := range granting.Without {
		without = append(without, "Granular."+part)
	}
	for _, part := range inviting.Without {
		without = append(without, "Invitations."+part)
	}
	if err := app.Whole(console, without...); err != nil {
		t.Error(err)
	}
	if console.Week = nil; app.Whole(console, without...) == nil {
		t.Error("a console that counts no mails is taken")
	}
}

// TestTheConsoleHasTheRulesOfTheAPI: whatever a deployment decides holds in the console as it does in the API. Rows of a sheet that
// have a message were malformed in the console alone, which was never told that a deployment allows them (0.17).
func TestTheConsoleHasTheRulesOfTheAPI(t *testing.T) {
	for name, value := range map[string]string{
		"TABLE_NAME": "table", "LINK_SECRET": "secret", "OPERATOR_NAME": "Grove", "OPERATOR_CONTACT": "help@grove.example",
		"PRIVACY_NOTICE_URL": "https://grove.example/privacy", "EVIDENCE_YEARS": "9", "CREATIONS_PER_DAY": "7", "DAILY_QUOTA": "11",
		"FIRST_MONTH_QUOTA": "5", "PARTNERS_PER_RECIPIENT": "2", "DOMAIN_QUOTA": "3",
		"AUTHORITIES":                          `[{"cloud":"public","issuer":"https://id.example","clientId":"concord"}]`,
		"CLOUDS":                               `[{"id":"public","portalName":"Concord","baseUrl":"https://concord.example"}]`,
		"ALLOW_MESSAGE":                        "true",
		"SALES_AGENT_MAY_REQUEST_PARTNERSHIP":  "true",
		"DELEGATED_ADMIN_NEEDS_ADMIN_AGENT":    "true",
		"ASSOCIATION_GRANTS_DELEGATED_ADMIN":   "true",
		"RESELLER_MAY_REMOVE_RELATIONSHIP":     "false",
		"REMOVAL_NEEDS_NO_ACTIVE_SUBSCRIPTION": "false",
	} {
		t.Setenv(name, value)
	}
	var c Config
	if err := env.Load(&c); err != nil {
		t.Fatal(err)
	}
	got, _, err := parts(c, app.Given{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	limits := recipient.Limits{Partners: 2, FirstMonth: 5, Daily: 11, Domain: 3}
	quota, _ := got.Granular.Quota.(recipient.Quota)
	const kept = 9 * 365 * 24 * time.Hour
	for rule, holds := range map[string]bool{
		"messages":                     got.Invitations.AllowMessage,
		"who requests partnerships":    got.Invitations.SalesAgentsRequestPartnerships,
		"who asks for administration":  got.Invitations.DelegatedAdminNeedsAdminAgent,
		"quotas":                       got.Invitations.Limits == limits,
		"quotas of administration":     quota.Limits == limits,
		"association gives more":       got.Customers.AssociationGrants,
		"who removes":                  got.Customers.ResellersKeep,
		"over active subscriptions":    got.Customers.SubscriptionsStay,
		"customers created on a day":   got.Customers.Daily == 7,
		"how long agreements are kept": got.Commerce.Evidence == kept,
		"how long records are kept":    got.Reading.Keep == kept,
	} {
		if !holds {
			t.Errorf("the console does not have the rule of the API: %s", rule)
		}
	}
}
