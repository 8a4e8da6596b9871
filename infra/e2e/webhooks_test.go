package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"concord/internal/events/schematest"
)

// TestWebhooks goes the whole way: an endpoint, an invitation, its events signed at the endpoint; and one that was refused
// comes again from the due index, with the same id.
func TestWebhooks(t *testing.T) {
	type got struct {
		id, kind string
		data     json.RawMessage
	}
	var mu sync.Mutex
	var all []got
	var faults []error
	secret, refuse := "", 0
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		body, _ := io.ReadAll(r.Body)
		hook, err := standardwebhooks.NewWebhook(secret)
		if err == nil {
			err = hook.VerifyIgnoringTimestamp(body, r.Header) // the stack's clock is ahead after other tests
		}
		var e struct {
			Type string
			Data json.RawMessage
		}
		if err == nil {
			err = json.Unmarshal(body, &e)
		}
		if err != nil {
			faults = append(faults, err)
		}
		if refuse > 0 {
			refuse--
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		all = append(all, got{r.Header.Get("webhook-id"), e.Type, e.Data})
	}))
	t.Cleanup(receiver.Close)
	types := func() (types []string) {
		mu.Lock()
		defer mu.Unlock()
		for _, g := range all {
			types = append(types, g.kind)
		}
		slices.Sort(types)
		return slices.Compact(types)
	}
	dogwood := newPartner(t, "dogwood")
	made := dogwood.post("/v1/webhook-endpoints", `{"url":"`+receiver.URL+`","description":"e2e"}`).want(t, 201).json(t)
	id := made["id"].(string)
	mu.Lock()
	secret = made["secret"].(string)
	mu.Unlock()
	parts := strings.Split(secret, "/")
	noteSecret(slices.MaxFunc(parts, func(a, b string) int { return len(a) - len(b) }))
	path := "/v1/webhook-endpoints/" + id
	defer func() { dogwood.do("DELETE", path, "", "If-Match", "*").want(t, 204) }()
	dogwood.do("POST", path+"/test", "").want(t, 202)
	eventually(t, "the test event came", func() bool { return slices.Contains(types(), "webhook-test") })

	time.Sleep(5 * time.Second) // webhook.Fresh
	began := time.Now()
	dogwood.invite(`{"kind":"reseller","recipientEmail":"hooks@larch.example"}`, "hooks@larch.example")
	eventually(t, "the events came", func() bool {
		return slices.Contains(types(), "invitation-sent") && slices.Contains(types(), "invitation-created")
	})
	t.Logf("delivered %s after the invitation", time.Since(began).Round(time.Millisecond))

	mu.Lock()
	refuse = 1
	mu.Unlock()
	dogwood.invite(`{"kind":"reseller","recipientEmail":"hooks2@larch.example"}`, "hooks2@larch.example")
	eventually(t, "one waits", func() bool {
		return strings.Contains(string(dogwood.do("GET", path+"/deliveries", "").want(t, 200).body), "status_not_2xx")
	})
	advance(t, "PT10M")
	eventually(t, "it came again", func() bool {
		text := string(dogwood.do("GET", path+"/deliveries", "").want(t, 200).body)
		return !strings.Contains(text, "pending")
	})
	mu.Lock()
	defer mu.Unlock()
	schemas := schematest.Load(t)
	ids := map[string]bool{}
	for _, g := range all {
		ids[g.id] = true
		if g.kind == "webhook-test" {
			continue
		}
		if err := schemas.Check(g.kind, g.data); err != nil {
			t.Error(err)
		}
	}
	if len(faults) > 0 || len(ids) < 5 {
		t.Errorf("%v; %d events", faults, len(ids))
	}
}
