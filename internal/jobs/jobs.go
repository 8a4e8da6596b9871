// Package jobs takes batches from the queue in which they wait for a worker.
//
// A message names a batch and nothing else; the table is the truth. A message that comes twice, or for a batch that another worker has, is done at
// once. One that fails comes again, and beside that the due index asks for another worker when a lease is over, so that no batch waits for
// a message.
package jobs

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/aws/aws-lambda-go/events"

	"concord/internal/batch"
	"concord/internal/observe"
)

// Queue works off messages.
type Queue struct {
	Worker interface {
		Work(ctx context.Context, k batch.Key) (batch.Batch, error)
	}
	Log     *slog.Logger
	Metrics *observe.Metrics
}

// Function is what Lambda calls for each group of messages.
type Function = func(context.Context, events.SQSEvent) (events.SQSEventResponse, error)

// Handle is the function that Lambda calls for each group of messages. It names those that are to come again.
func (q *Queue) Handle(ctx context.Context, group events.SQSEvent) (events.SQSEventResponse, error) {
	out := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	for _, m := range group.Records {
		if err := q.one(ctx, m.Body); err != nil {
			q.Log.ErrorContext(ctx, "batch failed", "sqsMessage", m.MessageId, "received", m.Attributes["ApproximateReceiveCount"], "error", err)
			q.Metrics.Put(map[string]float64{"BatchFailed": 1})
			out.BatchItemFailures = append(out.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
		}
	}
	return out, nil
}

func (q *Queue) one(ctx context.Context, body string) error {
	k, ok := batch.ParseKey(body)
	if !ok {
		return fmt.Errorf("jobs: a message names no batch")
	}
	b, err := q.Worker.Work(ctx, k)
	if err != nil {
		return fmt.Errorf("jobs: %s: %w", k.ID, err)
	}
	q.Log.InfoContext(ctx, "batch", "tenant", k.Partner, "batch", k.ID, "status", b.Status(), "total", b.Total, "created", b.Created, "failed", b.Failed,
		"delayed", b.Delayed, "correlationId", b.CorrelationID)
	return nil
}
