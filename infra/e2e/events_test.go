package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"concord/infra/local/bus"
	"concord/internal/events/schematest"
)

// told waits until the bus has as many different events of an invitation, the relationship that it made included, and gives
// their types in the order in which they came first. Each event is held against its schema and searched for secrets.
func told(t testing.TB, schemas *schematest.Schemas, invitation string, n int, within time.Duration) []string {
	t.Helper()
	var ids, types []string
	look := func() {
		ids, types = nil, nil
		var answer struct{ Events []bus.Event }
		res, err := http.Get(local.URL + "/_local/events")
		if err := json.Unmarshal(read(t, res, err).want(t, 200).body, &answer); err != nil {
			t.Fatal(err)
		}
		for _, e := range answer.Events {
			var d struct {
				ID           string
				Relationship struct{ InvitationID string }
			}
			if err := json.Unmarshal(e.Detail, &d); err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(d.ID, invitation+".") && d.Relationship.InvitationID != invitation || slices.Contains(ids, d.ID) {
				continue
			}
			ids, types = append(ids, d.ID), append(types, e.DetailType)
			if err := schemas.Check(e.DetailType, e.Detail); err != nil {
				t.Errorf("%s: %v", e.Detail, err)
			}
			if e.Source != "concord" {
				t.Errorf("source %s", e.Source)
			}
			for _, personal := range []string{"@", "http", "/i/", "Larch", "Lara", "Dogwood", ".example"} {
				if strings.Contains(string(e.Detail), personal) {
					t.Errorf("%q stands in %s", personal, e.Detail)
				}
			}
		}
	}
	for deadline := time.Now().Add(within); len(types) < n; time.Sleep(20 * time.Millisecond) {
		if look(); time.Now().After(deadline) && len(types) < n {
			t.Fatalf("after %s: %v", within, types)
		}
	}
	eventually(t, "the stream is read", func() bool { return local.InFlight() == 0 })
	look()
	return types
}

func TestEventsOfTheWholeWay(t *testing.T) {
	schemas := schematest.Load(t)
	dogwood := newPartner(t, "dogwood")
	id, link := dogwood.invite(`{"kind":"reseller","recipientEmail":"admin@larch.example","recipientName":"Lara Larch"}`, "admin@larch.example")
	if got := told(t, schemas, id, 2, 5*time.Second); !slices.Equal(got, []string{"invitation-created", "invitation-sent"}) {
		t.Fatalf("before the answer: %v", got)
	}
	person := newBrowser(t)
	if page := person.submit(person.signIn(link, "admin@larch.example").want(t, 200), accepting()).want(t, 200).page(t); page != "accepted" {
		t.Fatalf("page %q", page)
	}
	answered := time.Now()
	got := told(t, schemas, id, 4, 5*time.Second)
	t.Logf("told %s after the answer", time.Since(answered).Round(time.Millisecond))
	slices.Sort(got[2:]) // the two were one write
	if !slices.Equal(got, []string{"invitation-created", "invitation-sent", "invitation-accepted", "relationship-established"}) {
		t.Errorf("%v", got)
	}

	t.Run("followed from a terminal", func(t *testing.T) {
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		r, err := http.NewRequestWithContext(ctx, "GET", local.URL+"/_local/events/follow?type=invitation-cancelled", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		another := dogwood.post("/v1/invitations", `{"kind":"reseller"}`).want(t, 201).json(t)["id"].(string)
		dogwood.post("/v1/invitations/"+another+"/cancel", `{"reason":"Lara Larch asked for it"}`).want(t, 200)
		for lines := bufio.NewScanner(res.Body); ; {
			if !lines.Scan() {
				t.Fatal(lines.Err())
			}
			if strings.Contains(lines.Text(), another) {
				return
			}
		}
	})
}

func TestEventsOfEveryEnd(t *testing.T) {
	schemas := schematest.Load(t)
	dogwood := newPartner(t, "dogwood")
	t.Run("declined", func(t *testing.T) {
		id, link := dogwood.invite(`{"kind":"reseller","recipientEmail":"decline@oak.example"}`, "decline@oak.example")
		form := accepting()
		form.Set("answer", "decline")
		person := newBrowser(t)
		person.submit(person.signIn(link, "admin@oak.example").want(t, 200), form).want(t, 200)
		if got := told(t, schemas, id, 3, 5*time.Second); !slices.Equal(got, []string{"invitation-created", "invitation-sent", "invitation-declined"}) {
			t.Errorf("%v", got)
		}
	})
	t.Run("not delivered, then cancelled", func(t *testing.T) {
		fault(t, "error4xx:MessageRejected", 1)
		id := dogwood.post("/v1/invitations", `{"kind":"reseller","recipientEmail":"refused@oak.example"}`).want(t, 201).json(t)["id"].(string)
		dogwood.post("/v1/invitations/"+id+"/send", "").want(t, 202)
		if got := told(t, schemas, id, 2, 10*time.Second); !slices.Equal(got, []string{"invitation-created", "invitation-delivery-failed"}) {
			t.Fatalf("%v", got)
		}
		dogwood.post("/v1/invitations/"+id+"/cancel", "").want(t, 200)
		if got := told(t, schemas, id, 3, 5*time.Second); got[2] != "invitation-cancelled" {
			t.Errorf("%v", got)
		}
	})
	t.Run("expired", func(t *testing.T) {
		id, _ := dogwood.invite(`{"kind":"reseller","recipientEmail":"late@oak.example","expiresIn":"P1D"}`, "late@oak.example")
		told(t, schemas, id, 2, 5*time.Second)
		advance(t, "P2D")
		if got := told(t, schemas, id, 3, 5*time.Second); !slices.Equal(got, []string{"invitation-created", "invitation-sent", "invitation-expired"}) {
			t.Errorf("%v", got)
		}
	})
}

// However EventBridge fails, each event comes, and what comes twice has the same id.
func TestEventsComeThroughFaults(t *testing.T) {
	schemas := schematest.Load(t)
	dogwood := newPartner(t, "dogwood")
	for _, f := range []bus.Fault{
		{Kind: bus.Throttle, Times: 2}, {Kind: bus.Denied, Times: 2}, {Kind: bus.ErrorAfterPut, Times: 1}, {Kind: bus.PartialInternal, Times: 6},
		{Kind: bus.PartialThrottle, Times: 1}, {Kind: bus.Error5xx, Times: 6},
	} {
		if err := local.Bus.Inject(f); err != nil {
			t.Fatal(err)
		}
	}
	var ids []string
	for range 12 {
		ids = append(ids, dogwood.post("/v1/invitations", `{"kind":"reseller"}`).want(t, 201).json(t)["id"].(string))
	}
	for _, id := range ids {
		if got := told(t, schemas, id, 1, 20*time.Second); !slices.Equal(got, []string{"invitation-created"}) {
			t.Errorf("%v", got)
		}
	}
	twice := 0
	for _, id := range ids {
		n := 0
		for _, e := range local.Bus.Events() {
			if strings.Contains(string(e.Detail), `"`+id+`.1.invitation-created"`) {
				n++
			}
		}
		twice += min(n-1, 1)
	}
	if twice == 0 {
		t.Error("an answer was lost, and nothing came twice")
	}
}
