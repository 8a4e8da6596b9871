package hooks_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"concord/internal/command"
	"concord/internal/due"
	"concord/internal/hooks"
	"concord/internal/link"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/storetest"
	"concord/internal/webhook"
)

const alder = partner.TenantID("a1de0000-0000-4000-8000-000000000001")

var invited = "invitation-accepted"

// office is a partner with webhooks over a store in memory, and a clock.
type office struct {
	*testing.T
	store   *storetest.Memory
	service *webhook.Service
	worker  *webhook.Worker
	fanout  *webhook.Fanout
	mu      sync.Mutex
	now     time.Time
	keys    []link.Key
	calls   int
}

func (o *office) clock() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.now
}

func open(t *testing.T) *office {
	t.Helper()
	o := &office{T: t, store: &storetest.Memory{}, now: time.Now(), keys: []link.Key{{ID: 1, Secret: []byte(strings.Repeat("k", 32))}}}
	o.store.PutAccount(partner.Account{Tenant: alder, Status: partner.Active, Version: 1})
	seals := webhook.Seals{Keys: func(context.Context, string, ...uint16) ([]link.Key, error) { return o.keys, nil }}
	local := webhook.Addresses{Local: true}
	o.service = &webhook.Service{Store: o.store, Accounts: o.store, Seals: seals, Addresses: local, Types: []string{invited, "invitation-sent"}, Now: o.clock}
	o.worker = &webhook.Worker{Store: o.store, Seals: seals, Sender: hooks.NewSender(local, nil), Now: o.clock}
	o.fanout = &webhook.Fanout{Store: o.store, Now: o.clock}
	return o
}

func (o *office) command() command.Command {
	o.calls++
	return command.Command{
		User: partner.User{Tenant: alder, Subject: "someone", Roles: []partner.Role{partner.AdminAgent}}, Key: fmt.Sprint("key ", o.calls),
		IfVersion: command.AnyVersion, Body: "body",
	}
}

func (o *office) create(url string, events ...string) (webhook.Endpoint, string) {
	o.Helper()
	e, secret, _, err := o.service.Create(o.Context(), o.command(), webhook.Settings{URL: &url, Events: &events})
	if err != nil {
		o.Fatal(err)
	}
	return e, secret
}

func (o *office) message(n int) webhook.Message {
	return webhook.Message{
		ID: fmt.Sprintf("inv_x.%d.%s", n, invited), Type: invited, Partner: alder, At: o.clock().UTC().Truncate(time.Second), Body: fmt.Appendf(nil, `{"n":%d}`, n),
	}
}

func (o *office) take(n int) {
	o.Helper()
	if err := o.fanout.Take(o.Context(), o.message(n)); err != nil {
		o.Fatal(err)
	}
}

// due lets time go on, and does what the job and then a worker would do.
func (o *office) due(d time.Duration) {
	o.Helper()
	o.mu.Lock()
	o.now = o.now.Add(d)
	o.mu.Unlock()
	o.work()
}

func (o *office) work() {
	o.Helper()
	all, err := o.store.Endpoints(o.Context(), alder)
	if err != nil {
		o.Fatal(err)
	}
	for _, e := range all {
		duty := webhook.Cleanup{Store: o.store}
		if err := duty.Do(o.Context(), due.Item{Kind: webhook.DueKind, Partner: alder, ID: e.ID}, command.Now(o.clock), func(string) {}); err != nil {
			o.Fatal(err)
		}
		for range 10 {
			now, err := o.store.Endpoint(o.Context(), e.Key)
			if err != nil || !now.Queued() {
				break
			}
			_, _ = o.worker.Work(o.Context(), e.Key)
		}
	}
}

// receiver takes deliveries and counts them by their ids.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	got    map[string]int
	status int
	header http.Header
	bodies map[string]string
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{got: map[string]int{}, bodies: map[string]string{}, status: http.StatusNoContent}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		body, _ := io.ReadAll(q.Body)
		r.header, r.bodies[q.Header.Get("webhook-id")] = q.Header.Clone(), string(body)
		if r.status < 300 {
			r.got[q.Header.Get("webhook-id")]++
		}
		w.WriteHeader(r.status)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) answers(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

// TestSignature: the library of the specification says that deliveries are signed, with each secret during a rotation.
func TestSignature(t *testing.T) {
	o, r := open(t), newReceiver(t)
	e, first := o.create(r.URL)
	if raw := strings.TrimPrefix(first, webhook.SecretPrefix); raw == first || len(raw) < 32 {
		t.Errorf("secret of %d characters", len(first))
	}
	verify := func(secret string) error {
		w, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		return w.Verify([]byte(r.bodies[r.header.Get("webhook-id")]), r.header)
	}
	o.take(1)
	// Rotated while the delivery is on its way.
	_, second, err := o.service.Rotate(t.Context(), o.command(), e.ID)
	if err != nil {
		t.Fatal(err)
	}
	o.work()
	if verify(first) != nil || verify(second) != nil {
		t.Errorf("with the first: %v, the second: %v", verify(first), verify(second))
	}
	o.now = o.now.Add(webhook.Overlap + time.Second)
	o.take(2)
	o.work()
	w, _ := standardwebhooks.NewWebhook(second)
	if err := w.VerifyIgnoringTimestamp([]byte(`{"n":2}`), r.header); err != nil {
		t.Error(err)
	}
	old, _ := standardwebhooks.NewWebhook(first)
	if err := old.VerifyIgnoringTimestamp([]byte(`{"n":2}`), r.header); !errors.Is(err, standardwebhooks.ErrNoMatchingSignature) {
		t.Errorf("the old secret signs a day later: %v", err)
	}
	stored, _ := o.store.Endpoint(t.Context(), e.Key)
	if text := fmt.Sprintf("%+v", stored); strings.Contains(text, first[8:]) || strings.Contains(text, second[8:]) || len(stored.Secrets) != 1 {
		t.Errorf("stored %s", text)
	}
	// The master secret is replaced: what is used is sealed again, and once more.
	for n := range 3 {
		o.keys = append([]link.Key{{ID: uint16(n + 2), Secret: []byte(strings.Repeat(string(rune('l'+n)), 32))}}, o.keys[0])
		o.take(10 + n)
		o.work()
	}
	if len(r.got) != 5 {
		t.Errorf("delivered %v", r.got)
	}
}

// TestDownForTwoDays: everything is delivered afterwards, and what comes twice has the same id.
func TestDownForTwoDays(t *testing.T) {
	o, r := open(t), newReceiver(t)
	e, _ := o.create(r.URL)
	r.answers(http.StatusServiceUnavailable)
	const events = 40
	for n := range events {
		o.take(n)
		o.due(72 * time.Minute) // 48 hours
	}
	if len(r.got) != 0 {
		t.Fatalf("taken: %v", r.got)
	}
	r.answers(http.StatusOK)
	for hours := 0; len(r.got) < events && hours < 24*12; hours++ {
		o.due(5 * time.Minute)
	}
	for n := range events {
		if got := r.got[o.message(n).ID]; got < 1 {
			t.Errorf("%d came %d times", n, got)
		}
	}
	if stands, err := o.service.Endpoint(t.Context(), o.command().User, e.ID); err != nil || stands.Status != webhook.Enabled || stands.Box.State != outbox.None {
		t.Errorf("%+v %v", stands, err)
	}
	page, err := o.service.Deliveries(t.Context(), o.command().User, e.ID, "", 100)
	if err != nil || len(page.Deliveries) != events {
		t.Fatalf("%d listed, %v", len(page.Deliveries), err)
	}
	for _, d := range page.Deliveries {
		if d.Result != webhook.Succeeded || d.Status != http.StatusOK || d.Attempts < 1 {
			t.Errorf("%+v", d)
		}
	}
	// Asked for once more, it has the same id.
	d := page.Deliveries[0]
	if _, err := o.service.Redeliver(t.Context(), o.command(), e.ID, d.ID); err != nil {
		t.Fatal(err)
	}
	before := r.got[d.Event]
	o.work()
	if r.got[d.Event] != before+1 {
		t.Errorf("redelivered: %v", r.got[d.Event])
	}
}

// TestGoneAndFailing: 410 disables at once, days of failure in the end; a delivery is given up after three days.
func TestGoneAndFailing(t *testing.T) {
	o, r := open(t), newReceiver(t)
	gone, _ := o.create(r.URL)
	r.answers(http.StatusGone)
	o.take(1)
	o.work()
	if e, _ := o.store.Endpoint(t.Context(), gone.Key); e.Status != webhook.Disabled || e.Reason != webhook.Gone || e.Queued() {
		t.Errorf("%+v", e)
	}
	o.take(2) // nothing
	if _, err := o.service.Test(t.Context(), o.command(), gone.ID); !problem.Is(err, problem.InvalidTransition) {
		t.Errorf("a test of a disabled one: %v", err)
	}
	r.answers(http.StatusOK)
	on := webhook.Enabled
	if _, err := o.service.Change(t.Context(), o.command(), gone.ID, webhook.Settings{Status: &on}); err != nil {
		t.Fatal(err)
	}
	o.work()
	o.due(time.Hour)
	if len(r.got) != 1 {
		t.Errorf("enabled again: %v", r.got)
	}
	r.answers(http.StatusInternalServerError)
	o.take(3)
	for range 6 * 24 {
		o.due(time.Hour)
	}
	e, _ := o.store.Endpoint(t.Context(), gone.Key)
	page, _ := o.store.Deliveries(t.Context(), gone.Key, "", 10)
	failed := slices.ContainsFunc(page.Deliveries, func(d webhook.Delivery) bool {
		return d.Result == webhook.Failed && d.Reason == outbox.AttemptsUsedUp && d.Attempts == len(webhook.Pauses)+1
	})
	if !failed {
		t.Errorf("%+v", page)
	}
	for n := range 3 * 24 {
		o.take(100 + n)
		o.due(time.Hour)
	}
	if e, _ = o.store.Endpoint(t.Context(), gone.Key); e.Status != webhook.Disabled || e.Reason != webhook.Failing {
		t.Errorf("after days of failure: %+v", e)
	}
}

// TestSlowReceiver: at most a few deliveries to an endpoint are on their way at a time, so that others have theirs at once.
func TestSlowReceiver(t *testing.T) {
	o, fast := open(t), newReceiver(t)
	var mu sync.Mutex
	now, most := 0, 0
	release, busy := make(chan struct{}), make(chan struct{})
	var began sync.Once
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		mu.Lock()
		now++
		most = max(most, now)
		mu.Unlock()
		began.Do(func() { close(busy) })
		<-release
		mu.Lock()
		now--
		mu.Unlock()
	}))
	t.Cleanup(slow.Close)
	a, _ := o.create(slow.URL)
	b, _ := o.create(fast.URL)
	for n := range 20 {
		o.take(n)
	}
	done := make(chan error, 1)
	go func() {
		_, err := o.worker.Work(t.Context(), a.Key)
		done <- err
	}()
	<-busy
	if tally, err := o.worker.Work(t.Context(), b.Key); err != nil || tally.Delivered != 20 {
		t.Errorf("%+v %v", tally, err)
	}
	// A second worker for the slow one has nothing to do.
	if tally, err := o.worker.Work(t.Context(), a.Key); err != nil || tally != (webhook.Tally{}) {
		t.Errorf("%+v %v", tally, err)
	}
	close(release)
	if err := <-done; err != nil || most > webhook.InFlight || most == 0 {
		t.Errorf("%d in flight, %v", most, err)
	}
}

// TestAddresses: no redirect, no private address, none that a name leads to only when it is dialled.
func TestAddresses(t *testing.T) {
	inner := newReceiver(t)
	redirect := httptest.NewServer(http.RedirectHandler(inner.URL, http.StatusTemporaryRedirect))
	t.Cleanup(redirect.Close)
	post := func(url string) webhook.Request {
		return webhook.Request{URL: url, ID: "x", At: time.Now(), Body: []byte("{}"), Secrets: []string{webhook.SecretPrefix + "c2VjcmV0"}}
	}
	if a := hooks.NewSender(webhook.Addresses{Local: true}, nil).Send(t.Context(), post(redirect.URL)); a.Reason != hooks.RedirectRefused || len(inner.got) != 0 {
		t.Errorf("a redirect: %+v", a)
	}
	strict := hooks.NewSender(webhook.Addresses{}, nil)
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(inner.URL, "http://"))
	// What a name resolves to at the moment of dialling is what counts: localhost stands for one that was public a moment ago.
	for _, url := range []string{inner.URL, "http://localhost:" + port, "https://localhost", "https://10.0.0.1", "https://[::1]", "https://169.254.169.254"} {
		if a := strict.Send(t.Context(), post(url)); a.Reason != hooks.AddressRefused || a.Status != 0 {
			t.Errorf("%s: %+v", url, a)
		}
	}
	if len(inner.got) != 0 {
		t.Errorf("reached: %v", inner.got)
	}
}

// TestCrashes: whatever call to the store fails, before or after it was carried out, nothing is lost in the end.
func TestCrashes(t *testing.T) {
	operations := []storetest.Operation{
		storetest.Endpoint, storetest.Endpoints, storetest.WriteEndpoint, storetest.Enter, storetest.KeepDelivery, storetest.PendingDeliveries,
	}
	worlds, twice := 0, 0
	for _, op := range operations {
		for nth := range 8 {
			for _, after := range []bool{false, true} {
				worlds++
				twice += crash(t, op, nth, after)
			}
		}
	}
	t.Logf("%d worlds, %d deliveries twice, 0 lost", worlds, twice)
}

func crash(t *testing.T, op storetest.Operation, nth int, after bool) (twice int) {
	t.Helper()
	o, r := open(t), newReceiver(t)
	o.create(r.URL)
	seen := 0
	o.store.Inject(func(each storetest.Operation) storetest.Fault {
		if each != op {
			return storetest.Fault{}
		}
		if seen++; seen-1 != nth {
			return storetest.Fault{}
		}
		return storetest.Fault{Err: errors.New("crash"), Stored: after}
	})
	const events = 6
	for n := range events {
		for range 3 { // the stream brings a record again until it was taken
			if o.fanout.Take(t.Context(), o.message(n)) == nil {
				break
			}
		}
		if n%2 == 0 {
			o.tryWork()
		}
	}
	for range 6 {
		o.mu.Lock()
		o.now = o.now.Add(6 * time.Minute)
		o.mu.Unlock()
		o.tryWork()
	}
	for _, count := range slices.Collect(maps.Values(r.got)) {
		twice += count - 1
	}
	if len(r.got) != events {
		t.Errorf("%s, call %d, after %t: %d of %d delivered", op, nth, after, len(r.got), events)
	}
	return twice
}

// tryWork is [office.work] where something may fail.
func (o *office) tryWork() {
	all, err := o.store.Endpoints(o.Context(), alder)
	if err != nil {
		return
	}
	for _, e := range all {
		_ = webhook.Cleanup{Store: o.store}.Do(o.Context(), due.Item{Kind: webhook.DueKind, Partner: alder, ID: e.ID}, command.Now(o.clock), func(string) {})
		_, _ = o.worker.Work(o.Context(), e.Key)
	}
}
