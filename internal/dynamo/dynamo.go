package dynamo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"concord/internal/audit"
	"concord/internal/awsenv"
	"concord/internal/batch"
	"concord/internal/commerce"
	"concord/internal/customer"
	"concord/internal/due"
	"concord/internal/enrolment"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/recipient"
	"concord/internal/registry"
	"concord/internal/relationship"
	"concord/internal/terms"
	"concord/internal/webhook"
)

// Store keeps everything in one table.
type Store struct {
	client  *dynamodb.Client
	table   *string
	retryer aws.RetryerV2
}

var (
	_ invitation.Store         = (*Store)(nil)
	_ due.Index                = (*Store)(nil)
	_ recipient.Ledger         = (*Store)(nil)
	_ relationship.Store       = (*Store)(nil)
	_ granular.Store           = (*Store)(nil)
	_ registry.Store           = (*Store)(nil)
	_ registry.ReputationStore = (*Store)(nil)
	_ audit.Log                = (*Store)(nil)
	_ partner.Holders          = (*Store)(nil)
	_ batch.Store              = (*Store)(nil)
	_ terms.Catalogue          = (*Store)(nil)
	_ customer.Store           = (*Store)(nil)
	_ customer.Register        = (*Store)(nil)
	_ customer.Directory       = (*Store)(nil)

	_ commerce.AgreementStore    = (*Store)(nil)
	_ commerce.OrderStore        = (*Store)(nil)
	_ commerce.SubscriptionStore = (*Store)(nil)
	_ enrolment.Store            = (*Store)(nil)
	_ enrolment.RecordStore      = (*Store)(nil)
	_ webhook.Store              = (*Store)(nil)
)

// New makes a store over the table of a name. AWS_ENDPOINT_URL_DYNAMODB, when set, says where DynamoDB is.
func New(cfg aws.Config, table string) *Store {
	s := &Store{table: &table, retryer: retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = attempts
		o.Backoff = retry.BackoffDelayerFunc(backoff)
		o.RateLimiter = ratelimit.None
		o.Retryables = append(o.Retryables, retry.IsErrorRetryableFunc(contended))
	})}
	s.client = dynamodb.NewFromConfig(awsenv.Prompt(cfg), func(o *dynamodb.Options) {
		o.Retryer = s.retryer
		if endpoint := awsenv.Endpoint("DYNAMODB"); endpoint != nil {
			o.BaseEndpoint = endpoint
		}
	})
	return s
}

// How a request is tried: each wait is random and at most twice as long as the one before.
const (
	attempts  = 6
	firstWait = 25 * time.Millisecond
)

func backoff(attempt int, _ error) (time.Duration, error) {
	return rand.N(firstWait<<(min(max(attempt, 1), attempts)-1)) + time.Millisecond, nil //nolint:gosec // spreads callers, hides nothing
}

// contended has a request tried again that failed only because somebody else wrote the same items or because of throttling.
// A transaction in which a condition failed as well would fail again.
func contended(err error) aws.Ternary {
	if _, ok := errors.AsType[*types.TransactionConflictException](err); ok {
		return aws.TrueTernary
	}
	cancelled, ok := errors.AsType[*types.TransactionCanceledException](err)
	if !ok {
		return aws.UnknownTernary
	}
	again := aws.FalseTernary
	for _, reason := range cancelled.CancellationReasons {
		switch aws.ToString(reason.Code) {
		case "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded":
			again = aws.TrueTernary
		case "None":
		default:
			return aws.FalseTernary
		}
	}
	return again
}

// doubt wraps the retryer of one request and remembers whether an attempt before the last may have been carried out.
type doubt struct {
	aws.RetryerV2
	exists bool
}

func (d *doubt) IsErrorRetryable(err error) bool {
	again := d.RetryerV2.IsErrorRetryable(err)
	api, answered := errors.AsType[smithy.APIError](err)
	if again && (!answered || api.ErrorFault() != smithy.FaultClient) {
		d.exists = true
	}
	return again
}

func (d *doubt) apply(o *dynamodb.Options) { o.Retryer = d }

// refusals gives, for each item of a cancelled transaction, the item that failed its condition: nil for one that did not
// fail. It gives false for any other error.
func refusals(err error) ([]map[string]types.AttributeValue, bool) {
	cancelled, ok := errors.AsType[*types.TransactionCanceledException](err)
	if !ok {
		return nil, false
	}
	stored := make([]map[string]types.AttributeValue, len(cancelled.CancellationReasons))
	failed := false
	for n, reason := range cancelled.CancellationReasons {
		if aws.ToString(reason.Code) == "ConditionalCheckFailed" {
			failed = true
			stored[n] = reason.Item
			if stored[n] == nil {
				stored[n] = map[string]types.AttributeValue{}
			}
		}
	}
	return stored, failed
}

// wrap names the operation. What was tried as often as it may be is [problem.Unavailable].
func wrap(err *error, format string, args ...any) {
	if *err == nil {
		return
	}
	if _, refused := errors.AsType[*problem.Error](*err); refused {
		return
	}
	busy := contended(*err) == aws.TrueTernary
	if api, ok := errors.AsType[smithy.APIError](*err); ok {
		busy = busy || slices.Contains([]string{
			"ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded", "TransactionInProgressException",
		}, api.ErrorCode())
	}
	named := fmt.Errorf("dynamo: "+format+": %w", append(args, *err)...)
	if busy {
		*err = errors.Join(&problem.Error{Code: problem.Unavailable, Detail: "The store is busy; try again.", RetryAfter: time.Second}, named)
		return
	}
	*err = named
}

// read gets one item, or an error with code NotFound and the sentence.
func (s *Store) read(ctx context.Context, k key, strong bool, missing string) (map[string]types.AttributeValue, error) {
	out, err := s.client.GetItem(ctx, &dynamodb.GetItemInput{TableName: s.table, Key: k, ConsistentRead: &strong})
	if err != nil {
		return nil, err
	}
	if len(out.Item) == 0 {
		return nil, problem.New(problem.NotFound, "%s", missing)
	}
	return out.Item, nil
}
