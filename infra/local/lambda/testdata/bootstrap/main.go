// A function that does what its event asks, for the tests of the sandbox.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type event struct {
	Do    string          `json:"do"`
	Value json.RawMessage `json:"value"`
	Ms    int             `json:"ms"`
	Size  int             `json:"size"`
}

var (
	handled int
	ticks   atomic.Int64
)

func main() {
	switch os.Getenv("INIT") {
	case "exit":
		fmt.Fprintln(os.Stderr, "cannot start")
		os.Exit(3)
	case "slow":
		time.Sleep(time.Minute)
	}
	go func() {
		for range time.Tick(time.Millisecond) {
			ticks.Add(1)
		}
	}()
	lambda.Start(handle)
}

func handle(ctx context.Context, e event) (any, error) {
	handled++
	switch e.Do {
	case "echo":
		return e.Value, nil
	case "error":
		return nil, errors.New("it is wrong")
	case "panic":
		panic("out of order")
	case "exit":
		os.Exit(7)
	case "sleep":
		time.Sleep(time.Duration(e.Ms) * time.Millisecond)
		return map[string]any{"pid": os.Getpid()}, nil
	case "big":
		return strings.Repeat("x", e.Size), nil
	case "print":
		fmt.Println("a line on standard output")
		fmt.Fprintln(os.Stderr, "a line on standard error")
		return nil, nil
	case "environment":
		return os.Environ(), nil
	case "state":
		deadline, _ := ctx.Deadline()
		lc, _ := lambdacontext.FromContext(ctx)
		return map[string]any{
			"pid": os.Getpid(), "handled": handled, "ticks": ticks.Load(), "left": time.Until(deadline).Milliseconds(),
			"request": lc.AwsRequestID, "arn": lc.InvokedFunctionArn, "trace": os.Getenv("_X_AMZN_TRACE_ID"),
		}, nil
	}
	return nil, fmt.Errorf("unknown: %s", e.Do)
}
