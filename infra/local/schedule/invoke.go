package schedule

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"concord/infra/local/lambda"
	"concord/infra/local/template"
)

// Lambda's own numbers for a function without an EventInvokeConfig.
var defaults = template.Asynchronous{MaximumRetries: 2, MaximumAge: 6 * time.Hour}

// Why an event is given up, in Lambda's words.
const (
	retriesExhausted = "RetriesExhausted"
	ageExceeded      = "EventAgeExceeded"
)

// invoke is an asynchronous invocation. Accepted is false when Lambda does not take the event: there is no such function, the
// event is too large, the service is gone. Of an accepted event the function's errors are retried as often as its
// EventInvokeConfig says, and throttles as long as it says; then a record of it goes to its on-failure queue, or it is
// gone. Lambda waits one and two minutes before the retries; here [Options.Backoff] says how long.
func (s *Scheduler) invoke(ctx context.Context, function string, event []byte) (accepted bool, err error) {
	o, ok := s.o.Invocations[function]
	if !ok {
		o = defaults
	}
	began := time.Now()
	failures := 0
	for attempt := 0; ; attempt++ {
		_, err = s.o.Functions.Invoke(ctx, function, event)
		failure, failed := errors.AsType[*lambda.FunctionError](err)
		switch {
		case err == nil:
			return true, nil
		case ctx.Err() != nil:
			return accepted, ctx.Err()
		case !failed && !errors.Is(err, lambda.ErrThrottled):
			return accepted, err
		}
		accepted = true
		s.o.Log("function %s: %v", function, err)
		pause := s.o.Backoff(attempt)
		condition := ""
		if failed {
			failures++
		}
		switch {
		case failures > o.MaximumRetries:
			condition = retriesExhausted
		case time.Since(began)+pause > o.MaximumAge:
			condition = ageExceeded
		}
		if condition != "" {
			if o.OnFailure != "" && s.o.DeadLetters != nil {
				s.o.DeadLetters(o.OnFailure, record(function, event, condition, attempt+1, failure))
			}
			return true, fmt.Errorf("given up, %s: %w", condition, err)
		}
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return true, ctx.Err()
		}
	}
}

// record is what Lambda sends to an on-failure destination. The failure is nil when the last attempt was throttled.
func record(function string, event []byte, condition string, attempts int, failure *lambda.FunctionError) []byte {
	r := map[string]any{
		"version": "1.0", "timestamp": time.Now().UTC().Format("2006-01-02T15:04:05.000Z"),
		"requestContext": map[string]any{
			"requestId": rand.Text(), "functionArn": "arn:aws:lambda:" + template.Region + ":" + template.Account + ":function:" + function + ":$LATEST",
			"condition": condition, "approximateInvokeCount": attempts,
		},
		"requestPayload": json.RawMessage(event),
	}
	if failure != nil {
		r["responseContext"] = map[string]any{"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}
		r["responsePayload"] = json.RawMessage(failure.Payload)
	}
	raw, err := json.Marshal(r)
	if err != nil { // an input that is no JSON
		r["requestPayload"] = string(event)
		delete(r, "responsePayload")
		raw, _ = json.Marshal(r)
	}
	return raw
}
