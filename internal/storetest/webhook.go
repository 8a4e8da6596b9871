package storetest

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	godiff "github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"concord/internal/command"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/webhook"
)

// The operations of webhooks.
const (
	Endpoint          Operation = "Endpoint"
	Endpoints         Operation = "Endpoints"
	WriteEndpoint     Operation = "WriteEndpoint"
	RemoveEndpoint    Operation = "RemoveEndpoint"
	Subscribers       Operation = "Subscribers"
	Enter             Operation = "Enter"
	KeepDelivery      Operation = "KeepDelivery"
	PendingDeliveries Operation = "PendingDeliveries"
	ReadDelivery      Operation = "Delivery"
	Deliveries        Operation = "Deliveries"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// WebhookStore is what stores of webhooks give.
type WebhookStore interface {
	webhook.Store
	Subscribers(ctx context.Context) (map[partner.TenantID]bool, error)
}

func copyEndpoint(e webhook.Endpoint) webhook.Endpoint {
	e.Events, e.Secrets, e.Box.Owed = slices.Clone(e.Events), slices.Clone(e.Secrets), slices.Clone(e.Box.Owed)
	return e
}

func copyDelivery(d webhook.Delivery) webhook.Delivery {
	d.Body, d.Box.Owed = slices.Clone(d.Body), slices.Clone(d.Box.Owed)
	return d
}

// Endpoint is that of [webhook.Store].
func (m *Memory) Endpoint(ctx context.Context, k webhook.Key) (e webhook.Endpoint, err error) {
	if err := ctx.Err(); err != nil {
		return e, err
	}
	err = m.do(Endpoint, func() error {
		stored, found := m.endpoints[k]
		if !found {
			return problem.New(problem.NotFound, "There is no such webhook endpoint.")
		}
		e = copyEndpoint(stored)
		return nil
	})
	return e, err
}

// Endpoints is that of [webhook.Store].
func (m *Memory) Endpoints(ctx context.Context, p partner.TenantID) (all []webhook.Endpoint, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	err = m.do(Endpoints, func() error {
		for k, e := range m.endpoints {
			if k.Partner == p {
				all = append(all, copyEndpoint(e))
			}
		}
		slices.SortFunc(all, func(a, b webhook.Endpoint) int { return cmp.Compare(a.ID, b.ID) })
		return nil
	})
	return all, err
}

// WriteEndpoint is that of [webhook.Store].
func (m *Memory) WriteEndpoint(ctx context.Context, before *webhook.Endpoint, after webhook.Endpoint) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if before == nil && after.Version != 1 || before != nil && after.Version != before.Version+1 {
		panic("storetest: a version of an endpoint is left out")
	}
	return m.do(WriteEndpoint, func() error {
		stored, found := m.endpoints[after.Key]
		if found != (before != nil) || found && stored.Version != before.Version {
			return command.ErrConflict
		}
		set(&m.endpoints, after.Key, copyEndpoint(after))
		return nil
	})
}

// RemoveEndpoint is that of [webhook.Store].
func (m *Memory) RemoveEndpoint(ctx context.Context, e webhook.Endpoint) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return m.do(RemoveEndpoint, func() error {
		if stored, found := m.endpoints[e.Key]; !found || stored.Version != e.Version {
			return command.ErrConflict
		}
		delete(m.endpoints, e.Key)
		return nil
	})
}

// Subscribers is that of [webhook.Fanout].
func (m *Memory) Subscribers(ctx context.Context) (map[partner.TenantID]bool, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	all := map[partner.TenantID]bool{}
	err := m.do(Subscribers, func() error {
		for k := range m.endpoints {
			all[k.Partner] = true
		}
		return nil
	})
	return all, err
}

// Enter is that of [webhook.Deliveries].
func (m *Memory) Enter(ctx context.Context, d webhook.Delivery) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return m.do(Enter, func() error {
		if _, found := m.deliveries[d.Endpoint][d.ID]; !found {
			m.putDelivery(d)
		}
		return nil
	})
}

func (m *Memory) putDelivery(d webhook.Delivery) {
	if m.deliveries[d.Endpoint] == nil {
		set(&m.deliveries, d.Endpoint, map[string]webhook.Delivery{})
	}
	m.deliveries[d.Endpoint][d.ID] = copyDelivery(d)
}

// KeepDelivery is that of [webhook.Deliveries].
func (m *Memory) KeepDelivery(ctx context.Context, before, after webhook.Delivery) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return m.do(KeepDelivery, func() error {
		if stored, found := m.deliveries[before.Endpoint][before.ID]; !found || stored.Version != before.Version {
			return command.ErrConflict
		}
		m.putDelivery(after)
		return nil
	})
}

// listedDeliveries gives the ids of those that are wanted, in their order.
func (m *Memory) listedDeliveries(k webhook.Key, want func(webhook.Delivery) bool) []string {
	var ids []string
	for _, id := range slices.Sorted(maps.Keys(m.deliveries[k])) {
		if want(m.deliveries[k][id]) {
			ids = append(ids, id)
		}
	}
	return ids
}

// PendingDeliveries is that of [webhook.Deliveries].
func (m *Memory) PendingDeliveries(ctx context.Context, k webhook.Key, after string, limit int) (all []webhook.Delivery, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	err = m.do(PendingDeliveries, func() error {
		for _, id := range m.listedDeliveries(k, func(d webhook.Delivery) bool { return d.Result == webhook.Pending && d.ID > after }) {
			if len(all) < limit {
				all = append(all, copyDelivery(m.deliveries[k][id]))
			}
		}
		return nil
	})
	return all, err
}

// Delivery is that of [webhook.Deliveries].
func (m *Memory) Delivery(ctx context.Context, k webhook.Key, id string) (d webhook.Delivery, err error) {
	if err := ctx.Err(); err != nil {
		return d, err
	}
	err = m.do(ReadDelivery, func() error {
		stored, found := m.deliveries[k][id]
		if !found {
			return problem.New(problem.NotFound, "There is no such delivery.")
		}
		d = copyDelivery(stored)
		return nil
	})
	return d, err
}

// Deliveries is that of [webhook.Deliveries].
func (m *Memory) Deliveries(ctx context.Context, k webhook.Key, after string, limit int) (page webhook.DeliveryPage, err error) {
	if err := ctx.Err(); err != nil {
		return page, err
	}
	err = m.do(Deliveries, func() error {
		place := func(id string) string {
			if m.deliveries[k][id].Result == webhook.Pending {
				return "P#" + id
			}
			return "E#" + id
		}
		ids := m.listedDeliveries(k, func(d webhook.Delivery) bool { return after == "" || place(d.ID) < after })
		slices.SortFunc(ids, func(a, b string) int { return strings.Compare(place(b), place(a)) })
		for _, id := range ids[:min(limit, len(ids))] {
			page.Deliveries = append(page.Deliveries, copyDelivery(m.deliveries[k][id]))
		}
		if len(ids) > limit {
			page.Next = place(ids[limit-1])
		}
		return nil
	})
	return page, err
}

// Webhooks holds a store to the contracts of [webhook.Store] and of [webhook.Fanout].
func Webhooks(t *testing.T, s WebhookStore) {
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	k := webhook.Key{Partner: tenantOf(t), ID: "whe_aaaaaaaaaaaaaaaaaaaaaaaaaa"}
	e := webhook.Endpoint{
		Key: k, URL: "https://hooks.alder.example/x", Description: "Alder", Events: []string{"invitation-accepted"}, Status: webhook.Enabled,
		Secrets: []webhook.Secret{{Sealed: "new"}, {Sealed: "old", Until: at.Add(time.Hour)}}, Failures: 3, FailingSince: at, RestsUntil: at.Add(time.Minute),
		Reason: "x", Body: "b", CreatedAt: at, ChangedAt: at.Add(time.Second), Revision: 2, Version: 1,
	}
	e.Box.Enqueue(at, "deliver")
	same := func(what string, got, want any) {
		t.Helper()
		if d := godiff.Diff(want, got); d != "" {
			t.Errorf("%s: %s", what, d)
		}
	}
	if _, err := s.Endpoint(t.Context(), k); !problem.Is(err, problem.NotFound) {
		t.Errorf("none: %v", err)
	}
	must(t, s.WriteEndpoint(t.Context(), nil, e))
	if err := s.WriteEndpoint(t.Context(), nil, e); !errors.Is(err, command.ErrConflict) {
		t.Errorf("made twice: %v", err)
	}
	got, err := s.Endpoint(t.Context(), k)
	must(t, err)
	same("an endpoint", got, e)
	next := e
	next.Version, next.Box, next.Events, next.Secrets = 2, webhook.Endpoint{}.Box, nil, e.Secrets[:1]
	must(t, s.WriteEndpoint(t.Context(), &e, next))
	if err := s.WriteEndpoint(t.Context(), &e, next); !errors.Is(err, command.ErrConflict) {
		t.Errorf("written over another version: %v", err)
	}
	all, err := s.Endpoints(t.Context(), k.Partner)
	must(t, err)
	same("all", all, []webhook.Endpoint{next})
	some, err := s.Subscribers(t.Context())
	must(t, err)
	if !some[k.Partner] || some[tenantOf(t)] {
		t.Errorf("subscribers %v", some)
	}
	deliveriesOf(t, s, k, at)
	if err := s.RemoveEndpoint(t.Context(), e); !errors.Is(err, command.ErrConflict) {
		t.Errorf("removed at another version: %v", err)
	}
	must(t, s.RemoveEndpoint(t.Context(), next))
	if some, err := s.Subscribers(t.Context()); err != nil || some[k.Partner] {
		t.Errorf("subscribed still: %v %v", some, err)
	}
	if _, err := s.Endpoint(t.Context(), k); !problem.Is(err, problem.NotFound) {
		t.Errorf("removed: %v", err)
	}
}

// tenantOf is a tenant that no other test has.
func tenantOf(t *testing.T) partner.TenantID {
	t.Helper()
	id, ok := partner.ParseTenantID(uuid.NewString())
	if !ok {
		t.Fatal("no UUID")
	}
	return id
}

func deliveriesOf(t *testing.T, s WebhookStore, k webhook.Key, at time.Time) {
	t.Helper()
	var made []webhook.Delivery
	for n := range 5 {
		m := webhook.Message{ID: "inv_" + strings.Repeat("a", 26) + ".1.invitation-delivery-failed-and-longer", Type: "invitation-accepted", Partner: k.Partner, At: at.Add(time.Duration(n) * time.Second)}
		d := webhook.Delivery{Endpoint: k, ID: webhook.DeliveryID(m), Event: m.ID, Type: m.Type, Body: []byte(`{"n":1}`), At: m.At, Version: 1}
		d.Box.Enqueue(at, "deliver")
		must(t, s.Enter(t.Context(), d))
		again := d
		again.Attempts = 9
		must(t, s.Enter(t.Context(), again)) // it stays as it is
		made = append(made, d)
	}
	list, err := s.PendingDeliveries(t.Context(), k, "", 3)
	must(t, err)
	if d := godiff.Diff(made[:3], list); d != "" {
		t.Error(d)
	}
	list, err = s.PendingDeliveries(t.Context(), k, made[2].ID, 3)
	must(t, err)
	if d := godiff.Diff(made[3:], list); d != "" {
		t.Error(d)
	}
	ended := made[1]
	ended.Version, ended.Result, ended.Box, ended.Attempts, ended.Status, ended.LastAt = 2, webhook.Succeeded, webhook.Delivery{}.Box, 1, 204, at.Add(time.Minute)
	must(t, s.KeepDelivery(t.Context(), made[1], ended))
	if err := s.KeepDelivery(t.Context(), made[1], ended); !errors.Is(err, command.ErrConflict) {
		t.Errorf("ended twice: %v", err)
	}
	got, err := s.Delivery(t.Context(), k, ended.ID)
	must(t, err)
	if d := godiff.Diff(ended, got); d != "" {
		t.Error(d)
	}
	var ids []string
	for after := ""; ; {
		page, err := s.Deliveries(t.Context(), k, after, 2)
		must(t, err)
		for _, d := range page.Deliveries {
			ids = append(ids, d.ID)
		}
		if after = page.Next; after == "" {
			break
		}
	}
	if want := []string{made[4].ID, made[3].ID, made[2].ID, made[0].ID, made[1].ID}; !slices.Equal(ids, want) {
		t.Errorf("listed %v, want %v", ids, want)
	}
	again := made[1]
	again.Version = 3
	must(t, s.KeepDelivery(t.Context(), ended, again)) // asked for once more
	if got, err := s.Delivery(t.Context(), k, again.ID); err != nil || got.Result != webhook.Pending {
		t.Errorf("%+v %v", got, err)
	}
	if _, err := s.Delivery(t.Context(), k, "none"); !problem.Is(err, problem.NotFound) {
		t.Errorf("none: %v", err)
	}
}
