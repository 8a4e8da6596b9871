package dynamo_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"concord/internal/command"
	"concord/internal/dynamo"
	"concord/internal/link"
	"concord/internal/partner"
	"concord/internal/storetest"
	"concord/internal/webhook"
)

func TestWebhooks(t *testing.T) {
	t.Parallel()
	storetest.Webhooks(t, dynamo.New(config(t), newTable(t)))
}

// taken is a receiver that takes everything.
type taken struct{}

func (taken) Send(context.Context, webhook.Request) webhook.Answer {
	return webhook.Answer{Status: 204}
}

// TestCostOfWebhooks prints what an event costs a partner with endpoints, and that it costs one without them nothing.
func TestCostOfWebhooks(t *testing.T) {
	t.Parallel()
	m := &meter{use: nothing()}
	cfg := config(t)
	cfg.APIOptions = append(cfg.APIOptions, m.add)
	store := dynamo.New(cfg, newTable(t))
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	seals := webhook.Seals{Keys: func(context.Context, string, ...uint16) ([]link.Key, error) {
		return []link.Key{{ID: 1, Secret: []byte(strings.Repeat("k", 32))}}, nil
	}}
	with, without := randomTenant(), randomTenant()
	service := webhook.Service{Store: store, Accounts: accounts{}, Seals: seals, Now: clock}
	worker := webhook.Worker{Store: store, Seals: seals, Sender: taken{}, Now: clock}
	url := "https://hooks.alder.example/concord"
	c := command.Command{User: partner.User{Tenant: with, Roles: []partner.Role{partner.AdminAgent}}, Body: "b"}
	e, _, _, err := service.Create(t.Context(), c, webhook.Settings{URL: &url})
	if err != nil {
		t.Fatal(err)
	}
	fanout := &webhook.Fanout{Store: store, Now: clock}
	take := func(p partner.TenantID, n int) {
		m := webhook.Message{ID: fmt.Sprintf("inv_qmzx3vjl2a5c7hpkywtr4e6n2u.%d.invitation-accepted", n), Type: "invitation-accepted", Partner: p, At: now, Body: []byte(strings.Repeat("x", 600))}
		if err := fanout.Take(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	take(without, 1) // who is subscribed is read once in five seconds
	if u := m.during(func() { take(without, 2) }); len(u.requests) != 0 {
		t.Errorf("an event of a partner without endpoints: %v", u)
	}
	deliver := func(events int) use {
		return m.during(func() {
			for n := range events {
				take(with, events*100+n)
			}
			if tally, err := worker.Work(t.Context(), e.Key); err != nil || tally.Delivered != events {
				t.Fatalf("%+v %v", tally, err)
			}
		})
	}
	t.Logf("| use case | requests | writes: table | list | due | all | reads: table | list | due | all |")
	one, many := deliver(1), deliver(40)
	t.Logf("| an event alone, to one endpoint | %s |", one)
	t.Logf("| 40 events together, to one endpoint | %s |", many)
	if w := total(one.writes); w > 12 {
		t.Errorf("one event writes %v units", w)
	}
	if w := total(many.writes) / 40; w > 4 {
		t.Errorf("one of many events writes %v units", w)
	}
}

type accounts struct{}

func (accounts) Account(_ context.Context, p partner.TenantID, _ bool) (partner.Account, error) {
	return partner.Account{Tenant: p, Status: partner.Active}, nil
}
