// Package jobs takes what waits for a worker from its queue: batches, and webhook endpoints.
//
// A message names one thing by its key and nothing else; the table is the truth. A message that comes twice, or for what another worker has, is
// done at once. One that fails comes again, and beside that the due index asks for another worker when a lease is over, so that nothing waits for
// a message.
package jobs

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/aws/aws-lambda-go/events"

	"concord/internal/batch"
	"concord/internal/observe"
	"concord/internal/webhook"
)

// Kind is what a queue is of: things with keys K, work on which gives a T.
type Kind[K fmt.Stringer, T any] struct {
	Name   string // in the log
	Failed string // the metric that counts work that failed
	Parse  func(message string) (K, bool)
	Log    func(K, T) []any
	Count  func(T) map[string]float64
}

// Batches is a queue of batches.
var Batches = Kind[batch.Key, batch.Batch]{
	Name: "batch", Failed: "BatchFailed", Parse: batch.ParseKey,
	Log: func(k batch.Key, b batch.Batch) []any {
		return []any{"tenant", k.Partner, "batch", k.ID, "status", b.Status(), "total", b.Total, "created", b.Created, "failed", b.Failed,
			"delayed", b.Delayed, "correlationId", b.CorrelationID}
	},
}

// Webhooks is a queue of endpoints.
var Webhooks = Kind[webhook.Key, webhook.Tally]{
	Name: "webhook", Failed: "WebhookRunFailed", Parse: webhook.ParseKey,
	Log: func(k webhook.Key, t webhook.Tally) []any {
		return []any{"tenant", k.Partner, "endpoint", k.ID, "delivered", t.Delivered, "retried", t.Retried, "givenUp", t.GivenUp, "disabled", t.Disabled}
	},
	Count: func(t webhook.Tally) map[string]float64 {
		all := map[string]float64{}
		for name, n := range map[string]int{"WebhooksDelivered": t.Delivered, "WebhooksRetried": t.Retried, "WebhooksGivenUp": t.GivenUp, "WebhooksDisabled": t.Disabled} {
			if n > 0 {
				all[name] = float64(n)
			}
		}
		return all
	},
}

// Queue works off messages.
type Queue[K fmt.Stringer, T any] struct {
	Of     Kind[K, T]
	Worker interface {
		Work(ctx context.Context, k K) (T, error)
	}
	Log     *slog.Logger
	Metrics *observe.Metrics
}

// Function is what Lambda calls for each group of messages.
type Function = func(context.Context, events.SQSEvent) (events.SQSEventResponse, error)

// Handle is the function that Lambda calls for each group of messages. It names those that are to come again.
func (q *Queue[K, T]) Handle(ctx context.Context, group events.SQSEvent) (events.SQSEventResponse, error) {
	out := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	for _, m := range group.Records {
		if err := q.one(ctx, m.Body); err != nil {
			q.Log.ErrorContext(ctx, q.Of.Name+" failed", "sqsMessage", m.MessageId, "received", m.Attributes["ApproximateReceiveCount"], "error", err)
			q.Metrics.Put(map[string]float64{q.Of.Failed: 1})
			out.BatchItemFailures = append(out.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
		}
	}
	return out, nil
}

func (q *Queue[K, T]) one(ctx context.Context, body string) error {
	k, ok := q.Of.Parse(body)
	if !ok {
		return fmt.Errorf("jobs: a message names no %s", q.Of.Name)
	}
	done, err := q.Worker.Work(ctx, k)
	if err != nil {
		return fmt.Errorf("jobs: %s: %w", k, err)
	}
	q.Log.InfoContext(ctx, q.Of.Name, q.Of.Log(k, done)...)
	if q.Of.Count != nil {
		if figures := q.Of.Count(done); len(figures) > 0 {
			q.Metrics.Put(figures)
		}
	}
	return nil
}
