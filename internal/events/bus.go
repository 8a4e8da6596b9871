package events

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"concord/internal/awsenv"
)

// MaxGroup is how many events EventBridge takes at once. Ten of ours are far below its limit of 256 KB.
const MaxGroup = 10

// PutTimeout bounds one [Bus.Put] with all its attempts.
const PutTimeout = 10 * time.Second

const (
	attempts  = 5
	firstWait = 50 * time.Millisecond // doubled by each attempt
)

// Bus puts events on one event bus.
type Bus struct {
	client *eventbridge.Client
	name   string
}

// NewBus makes a Bus of the event bus of a name. AWS_ENDPOINT_URL_EVENTBRIDGE, when set, says where EventBridge is.
func NewBus(cfg aws.Config, name string) *Bus {
	return &Bus{name: name, client: eventbridge.NewFromConfig(cfg, func(o *eventbridge.Options) {
		if endpoint := awsenv.Endpoint("EVENTBRIDGE"); endpoint != nil {
			o.BaseEndpoint = endpoint
		}
		o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts = attempts
			o.Backoff = retry.BackoffDelayerFunc(func(attempt int, _ error) (time.Duration, error) { return backoff(attempt), nil })
			o.RateLimiter = ratelimit.None
		})
	})}
}

func backoff(attempt int) time.Duration {
	return rand.N(firstWait<<min(attempt, attempts)) + time.Millisecond //nolint:gosec // spreads callers, hides nothing
}

// refused are the codes of an entry that would be refused again. They speak of the bus or of the role, which somebody can put
// right: until then the record stays in the stream.
var refused = map[string]bool{
	"InvalidArgument": true, "MalformedDetail": true, "NotAuthorizedForSourceException": true, "NotAuthorizedForDetailTypeException": true,
	"AccessDeniedException": true, "ResourceNotFoundException": true,
}

// Put puts at most [MaxGroup] events on the bus and says how many of them, from the first on, are there for certain. Those
// that EventBridge could not take now are tried again, without the others. When an answer is lost, or Put fails and is called
// again, events come to the bus twice, with the same ids.
func (b *Bus) Put(ctx context.Context, group []Event) (delivered int, err error) {
	ctx, cancel := context.WithTimeout(ctx, PutTimeout)
	defer cancel()
	pending := make([]int, len(group)) // which of the group are not there yet
	entries := make([]types.PutEventsRequestEntry, len(group))
	for i, e := range group {
		detail, err := json.Marshal(e.Detail)
		if err != nil {
			return 0, fmt.Errorf("events: %s: %w", e.Detail.ID, err)
		}
		pending[i] = i
		entries[i] = types.PutEventsRequestEntry{
			EventBusName: &b.name, Source: aws.String(Source), DetailType: aws.String(string(e.Type)), Detail: aws.String(string(detail)),
			Time: aws.Time(e.Detail.OccurredAt),
		}
	}
	for attempt := 1; len(pending) > 0; attempt++ {
		asked := make([]types.PutEventsRequestEntry, len(pending))
		for n, i := range pending {
			asked[n] = entries[i]
		}
		out, err := b.client.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: asked})
		if err == nil && len(out.Entries) != len(asked) {
			err = errors.New("an answer of another length")
		}
		if err != nil {
			return pending[0], fmt.Errorf("events: put on %s: %w", b.name, err)
		}
		var failed []int
		final := attempt == attempts
		code := ""
		for n, e := range out.Entries {
			if e.ErrorCode == nil {
				continue
			}
			if len(failed) == 0 || refused[*e.ErrorCode] {
				code = *e.ErrorCode
			}
			failed = append(failed, pending[n])
			final = final || refused[*e.ErrorCode]
		}
		if pending = failed; len(pending) == 0 {
			break
		}
		if final {
			return pending[0], fmt.Errorf("events: %d of %d not put on %s: %s", len(pending), len(group), b.name, code)
		}
		if err := pause(ctx, backoff(attempt)); err != nil {
			return pending[0], err
		}
	}
	return len(group), nil
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("events: waiting to try again: %w", ctx.Err())
	}
}
