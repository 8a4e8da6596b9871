package mail

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"concord/internal/dynamo"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/observe"
	"concord/internal/stream"
)

// images keeps the items that are put into DynamoDB, and answers that all went well.
type images struct{ items []json.RawMessage }

func (i *images) Do(r *http.Request) (*http.Response, error) {
	var in struct {
		Item          json.RawMessage
		TransactItems []struct {
			Put *struct{ Item json.RawMessage }
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return nil, err
	}
	if in.Item != nil {
		i.items = append(i.items, in.Item)
	}
	for _, t := range in.TransactItems {
		if t.Put != nil {
			i.items = append(i.items, t.Put.Item)
		}
	}
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("{}")), Request: r}, nil
}

// queuedImage gives an invitation whose mail is queued, or its notices after an answer, and its item as the store encodes it.
func queuedImage(t *testing.T, answered bool) (invitation.Invitation, json.RawMessage) {
	t.Helper()
	w := newWorld(t)
	inv := w.get(w.invite(1))
	if answered {
		w.deliver()
		w.accept(w.get(inv.ID))
		inv = w.get(inv.ID)
		inv.Answer.Consent = invitation.ConsentText{Version: "1", Language: "en"}
	}
	seen := &images{}
	cfg := credentials
	cfg.HTTPClient = seen
	if err := dynamo.New(cfg, "table").Write(t.Context(), invitation.Change{After: inv}); err != nil {
		t.Fatal(err)
	}
	for _, item := range seen.items {
		if strings.Contains(string(item), `"queued"`) {
			return inv, item
		}
	}
	t.Fatal("the store put no invitation")
	return inv, nil
}

const sequence = "8210000000000000000%04d"

// record makes a record of the table's stream, with the fields that Lambda hands over.
func record(n int, id, image string) string {
	return fmt.Sprintf(`{"eventID":"c4ca4238a0b923820dcc509a6f75849%d","eventName":"MODIFY","eventVersion":"1.1","eventSource":"aws:dynamodb",
"awsRegion":"us-east-1","dynamodb":{"ApproximateCreationDateTime":946684800,"Keys":{"pk":{"S":"P#%s"},"sk":{"S":"I#%s"}},"NewImage":%s,
"SequenceNumber":"`+sequence+`","SizeBytes":512,"StreamViewType":"NEW_AND_OLD_IMAGES"},
"eventSourceARN":"arn:aws:dynamodb:us-east-1:123456789012:table/concord/stream/2026-01-01T00:00:00.000"}`, n, alder, id, image, n)
}

// event compares a file of events/ with what it should be, and reads it as Lambda hands it over.
func event(t *testing.T, name string, records ...string) stream.Batch {
	t.Helper()
	var want bytes.Buffer
	if err := json.Indent(&want, []byte(`{"Records":[`+strings.Join(records, ",")+`]}`), "", "  "); err != nil {
		t.Fatal(err)
	}
	want.WriteByte('\n')
	file := filepath.Join("..", "..", "events", name)
	if *update {
		if err := os.WriteFile(file, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want.String(), string(content)); d != "" {
		t.Errorf("%s is not what the store writes; if it is meant, run the test with -update\n%s", name, d)
	}
	var b stream.Batch
	if err := json.Unmarshal(content, &b); err != nil {
		t.Fatal(err)
	}
	return b
}

// mailer does what functions/mailer does with a batch, and gives what it dispatched.
func mailer(t *testing.T, b stream.Batch, dispatch func(invitation.Invitation) error) events.DynamoDBEventResponse {
	t.Helper()
	loop := stream.Loop{Log: slog.New(slog.DiscardHandler), Metrics: &observe.Metrics{Out: io.Discard}}
	answer, err := loop.Handler(func(_ context.Context, r stream.Record) error {
		inv, err := dynamo.InvitationFromImage(r.New)
		if err != nil {
			return fmt.Errorf("%w: %w", stream.ErrPoison, err)
		}
		return dispatch(inv)
	})(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// TestEvents reads the events of events/ for the mailer: they are what the store writes, and what is read back is the
// invitation that was written.
func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inv, image := queuedImage(t, false)
		mutilated := func(change func(map[string]json.RawMessage)) string {
			var item map[string]json.RawMessage
			if err := json.Unmarshal(image, &item); err != nil {
				t.Fatal(err)
			}
			change(item)
			b, err := json.Marshal(item)
			if err != nil {
				t.Fatal(err)
			}
			return string(b)
		}
		sort := func(image json.RawMessage) string {
			var item any
			if err := json.Unmarshal(image, &item); err != nil {
				t.Fatal(err)
			}
			b, err := json.Marshal(item)
			if err != nil {
				t.Fatal(err)
			}
			return string(b)
		}
		sorted := sort(image)

		var got []invitation.Invitation
		take := func(i invitation.Invitation) error { got = append(got, i); return nil }
		answer := mailer(t, event(t, "mailer-queued.json", record(1, inv.ID, sorted)), take)
		if d := cmp.Diff([]invitation.Invitation{inv}, got); d != "" || len(answer.BatchItemFailures) != 0 {
			t.Errorf("%v\n%s", answer, d)
		}

		got = nil
		owing, owed := queuedImage(t, true)
		answer = mailer(t, event(t, "mailer-notices.json", record(1, owing.ID, sort(owed))), take)
		if d := cmp.Diff([]invitation.Invitation{owing}, got); d != "" || len(answer.BatchItemFailures) != 0 || len(owing.Post.Owed) != 3 {
			t.Errorf("%v\n%s", answer, d)
		}

		// What granular administration owes is told by the item's type, and is no invitation's.
		d := newDesk(t)
		seen := &images{}
		cfg := credentials
		cfg.HTTPClient = seen
		asked := d.stored()
		asked.Version = 1
		if err := dynamo.New(cfg, "table").WriteGranular(t.Context(), granular.Change{After: asked}); err != nil {
			t.Fatal(err)
		}
		line := strings.Replace(record(1, asked.ID, sort(seen.items[0])), `"S":"I#`, `"S":"G#`, 1)
		granted := event(t, "mailer-granular.json", line)
		loop := stream.Loop{Log: slog.New(slog.DiscardHandler), Metrics: &observe.Metrics{Out: io.Discard}}
		if _, err := loop.Handler(func(_ context.Context, r stream.Record) error {
			read, err := dynamo.GranularFromImage(r.New)
			if d := cmp.Diff(asked, read, cmpopts.EquateEmpty()); d != "" || err != nil {
				t.Errorf("%v\n%s", err, d)
			}
			_, err = dynamo.InvitationFromImage(r.New)
			if !errors.Is(err, dynamo.ErrOtherItem) {
				t.Error(err)
			}
			return nil
		})(t.Context(), granted); err != nil {
			t.Error(err)
		}

		got = nil
		answer = mailer(t, event(t, "mailer-poison.json",
			record(1, inv.ID, mutilated(func(i map[string]json.RawMessage) { i["v"] = json.RawMessage(`{"S":"many"}`) })),
			record(2, inv.ID, mutilated(func(i map[string]json.RawMessage) { delete(i, "ki") })),
			record(3, inv.ID, `{"pk":{"S":"P#x"},"mail":{"S":"queued"}}`),
			record(4, inv.ID, `{"pk":{"X":"no such type"}}`),
			record(5, inv.ID, sorted)), take)
		if len(got) != 1 || got[0].ID != inv.ID || len(answer.BatchItemFailures) != 0 {
			t.Errorf("behind poison: %d invitations, %v", len(got), answer)
		}

		batch := event(t, "mailer-batch.json", record(1, inv.ID, sorted), record(2, inv.ID, sorted), record(3, inv.ID, sorted))
		n := 0
		answer = mailer(t, batch, func(invitation.Invitation) error {
			if n++; n == 2 {
				return errors.New("the table cannot be reached")
			}
			return nil
		})
		if f := answer.BatchItemFailures; n != 2 || len(f) != 1 || f[0].ItemIdentifier != fmt.Sprintf(sequence, 2) {
			t.Errorf("partial failure: %d records, %v", n, f)
		}
	})
}
