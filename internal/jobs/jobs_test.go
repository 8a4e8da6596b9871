package jobs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"concord/internal/batch"
	"concord/internal/jobs"
	"concord/internal/observe"
	"concord/internal/webhook"
)

type worker func(batch.Key) (batch.Batch, error)

func (w worker) Work(_ context.Context, k batch.Key) (batch.Batch, error) { return w(k) }

func file(t *testing.T, name string) events.SQSEvent {
	t.Helper()
	text, err := os.ReadFile("../../events/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var e events.SQSEvent
	if err := json.Unmarshal(text, &e); err != nil || len(e.Records) != 1 {
		t.Fatal(err)
	}
	return e
}

func TestMessages(t *testing.T) {
	for _, c := range []struct {
		name, body string // of the fixture when empty
		err        error
		failed     bool
		log        string
	}{
		{"a batch", "", nil, false, `"msg":"batch"`},
		{"a batch that fails", "", errors.New("throttled"), true, "throttled"},
		{"no batch", "hello", nil, true, "names no batch"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := file(t, "batches-job.json")
			if c.body != "" {
				e.Records[0].Body = c.body
			}
			var log, metrics bytes.Buffer
			worked := 0
			q := jobs.Queue[batch.Key, batch.Batch]{Of: jobs.Batches, Log: slog.New(slog.NewJSONHandler(&log, nil)), Metrics: &observe.Metrics{Stack: "s", Function: "batches", Out: &metrics}, Worker: worker(func(k batch.Key) (batch.Batch, error) {
				worked++
				if k.String() != e.Records[0].Body {
					t.Errorf("works on %v", k)
				}
				return batch.Batch{Key: k}, c.err
			})}
			answer, err := q.Handle(t.Context(), e)
			if err != nil || len(answer.BatchItemFailures) != map[bool]int{true: 1}[c.failed] || c.failed && answer.BatchItemFailures[0].ItemIdentifier != e.Records[0].MessageId {
				t.Errorf("%+v, %v", answer, err)
			}
			if worked != map[bool]int{true: 1}[c.body == ""] || !strings.Contains(log.String(), c.log) || c.failed != strings.Contains(metrics.String(), "BatchFailed") {
				t.Errorf("worked %d times, logged %s, measured %s", worked, log.String(), metrics.String())
			}
		})
	}
}

type endpoints func(webhook.Key) (webhook.Tally, error)

func (w endpoints) Work(_ context.Context, k webhook.Key) (webhook.Tally, error) { return w(k) }

// What a run did is counted; what did not happen is not.
func TestWebhooksAreCounted(t *testing.T) {
	var log, metrics bytes.Buffer
	e := file(t, "webhooks-owed.json")
	q := jobs.Queue[webhook.Key, webhook.Tally]{
		Of: jobs.Webhooks, Log: slog.New(slog.NewJSONHandler(&log, nil)), Metrics: &observe.Metrics{Stack: "s", Function: "webhooks", Out: &metrics},
		Worker: endpoints(func(k webhook.Key) (webhook.Tally, error) {
			if k.String() != e.Records[0].Body {
				t.Errorf("works on %v", k)
			}
			return webhook.Tally{Delivered: 3}, nil
		}),
	}
	answer, err := q.Handle(t.Context(), e)
	if err != nil || len(answer.BatchItemFailures) != 0 || !strings.Contains(log.String(), `"delivered":3`) {
		t.Errorf("%+v %v %s", answer, err, log.String())
	}
	if text := metrics.String(); !strings.Contains(text, "WebhooksDelivered") || strings.Contains(text, "WebhooksRetried") {
		t.Error(text)
	}
}
