// Package queues says how many messages are in the queues of the deployment, for who operates it.
package queues

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"concord/internal/awsenv"
	"concord/internal/oversight"
)

// Pair is a queue and the one of its dead letters, by their URLs; either may be empty.
type Pair struct {
	Name oversight.QueueName `json:"name"`
	Work string              `json:"work"`
	Dead string              `json:"dead"`
}

// Reader reads how full queues are.
type Reader struct {
	client *sqs.Client
	pairs  []Pair
}

// New makes a reader of some queues. AWS_ENDPOINT_URL_SQS, when set, says where SQS is.
func New(cfg aws.Config, pairs []Pair) *Reader {
	return &Reader{pairs: pairs, client: sqs.NewFromConfig(awsenv.Prompt(cfg), func(o *sqs.Options) {
		o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = 2, time.Second })
		if endpoint := awsenv.Endpoint("SQS"); endpoint != nil {
			o.BaseEndpoint = endpoint
		}
	})}
}

// Read gives all of them, as SQS knows them: approximately, and messages that a worker has included.
func (r *Reader) Read(ctx context.Context) ([]oversight.Queue, error) {
	all, errs := make([]oversight.Queue, len(r.pairs)), make([]error, 2*len(r.pairs))
	var wg sync.WaitGroup
	for n, p := range r.pairs {
		all[n].Name = p.Name
		wg.Go(func() { all[n].Queued, errs[2*n] = r.depth(ctx, p.Work) })
		wg.Go(func() { all[n].Dead, errs[2*n+1] = r.depth(ctx, p.Dead) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (r *Reader) depth(ctx context.Context, queue string) (n int, err error) {
	if queue == "" {
		return 0, nil
	}
	counts := []types.QueueAttributeName{types.QueueAttributeNameApproximateNumberOfMessages,
		types.QueueAttributeNameApproximateNumberOfMessagesNotVisible, types.QueueAttributeNameApproximateNumberOfMessagesDelayed}
	out, err := r.client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &queue, AttributeNames: counts})
	if err != nil {
		return 0, fmt.Errorf("queues: how full one is: %w", err)
	}
	for _, name := range counts {
		one, err := strconv.Atoi(out.Attributes[string(name)])
		if err != nil {
			return 0, fmt.Errorf("queues: how full one is: %w", err)
		}
		n += one
	}
	return n, nil
}
