package events

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"concord/internal/awsenv"
	"concord/internal/batch"
)

// Jobs is the queue of batches that wait for a worker.
type Jobs struct {
	client *sqs.Client
	queue  string
}

// NewJobs gives the queue of a URL. AWS_ENDPOINT_URL_SQS, when set, says where SQS is.
func NewJobs(cfg aws.Config, queue string) *Jobs {
	return &Jobs{queue: queue, client: sqs.NewFromConfig(awsenv.Prompt(cfg), func(o *sqs.Options) {
		o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = 3, time.Second })
		if endpoint := awsenv.Endpoint("SQS"); endpoint != nil {
			o.BaseEndpoint = endpoint
		}
	})}
}

// Send asks for a worker. A batch that is asked for twice is worked off once.
func (j *Jobs) Send(ctx context.Context, k batch.Key) error {
	if _, err := j.client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &j.queue, MessageBody: aws.String(k.String())}); err != nil {
		return fmt.Errorf("events: job %s: %w", k.ID, err)
	}
	return nil
}
