package acceptance

import (
	"log/slog"
	"testing"

	"concord/internal/app"
)

// TestThePagesAreWhole: nothing is missing but what partners need to propose and to send, in functions/invitations and
// functions/relationships.
func TestThePagesAreWhole(t *testing.T) {
	c := Config{
		Operator:       app.Operator{Name: "Grove", Contact: "help@grove.example", Privacy: "https://grove.example/privacy"},
		Authorities:    `[{"cloud":"public","issuer":"https://id.example","clientId":"concord"}]`,
		Clouds:         `[{"id":"public","portalName":"Concord","baseUrl":"https://concord.example"}]`,
		AcceptingRoles: "billingAdmin",
	}
	site, base, err := parts(c, app.Given{Log: slog.New(slog.DiscardHandler)})
	if err != nil || base != "https://concord.example" {
		t.Fatalf("%q, %v", base, err)
	}
	if err := app.Whole(site, "Invitations.Slots", "Granular.Locales", "Granular.Quota"); err != nil {
		t.Error(err)
	}
	if site.Granular = nil; app.Whole(site, "Invitations.Slots") == nil {
		t.Error("pages without granular administration are taken")
	}
}
