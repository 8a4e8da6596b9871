package console

import (
	"log/slog"
	"testing"

	"concord/internal/app"
	"concord/internal/app/inviting"
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
	without := []string{"Granular.Recognition", "Reputation.Paused"}
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
