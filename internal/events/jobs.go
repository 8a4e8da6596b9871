package events

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"concord/internal/awsenv"
)

// Jobs is a queue of what waits for a worker: of batches, or of webhook endpoints, by their keys.
type Jobs[K fmt.Stringer] struct {
	client *sqs.Client
	queue  string
}

// NewJobs gives the queue of a URL. AWS_ENDPOINT_URL_SQS, when set, says where SQS is.
func NewJobs[K fmt.Stringer](cfg aws.Config, queue string) *Jobs[K] {
	return &Jobs[K]{queue: queue, client: sqs.NewFromConfig(awsenv.Prompt(cfg), func(o *sqs.Options) {
		o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = 3, time.Second })
		if endpoint := awsenv.Endpoint("SQS"); endpoint != nil {
			o.BaseEndpoint = endpoint
		}
	})}
}

// Send asks for a worker. What is asked for twice is worked off once.
func (j *Jobs[K]) Send(ctx context.Context, k K) error {
	if _, err := j.client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &j.queue, MessageBody: aws.String(k.String())}); err != nil {
		return fmt.Errorf("events: job %s: %w", k, err)
	}
	return nil
}
