package lambda_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"concord/infra/local/lambda"
)

var root string // holds the test function's bootstrap

func TestMain(m *testing.M) {
	var err error
	if root, err = os.MkdirTemp("", "sandbox"); err != nil {
		log.Fatal(err)
	}
	build := exec.Command("go", "build", "-tags", "lambda.norpc", "-o", filepath.Join(root, "bootstrap"), "./testdata/bootstrap")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		log.Fatalf("build: %v\n%s", err, out)
	}
	code := m.Run()
	_ = os.RemoveAll(root)
	os.Exit(code)
}

// start runs the test function as "f"; the function's fields that are zero get values that fit.
func start(t *testing.T, o lambda.Options, f lambda.Function) *lambda.Host {
	t.Helper()
	h := lambda.New(o)
	t.Cleanup(h.Close)
	f.Name, f.ARN, f.Root, f.Memory, f.LogFormat = "f", "arn:aws:lambda:us-east-1:000000000000:function:f", root, 256, "JSON"
	if f.Timeout == 0 {
		f.Timeout = 10 * time.Second
	}
	h.Add("f", f)
	return h
}

func invoke(t *testing.T, h *lambda.Host, event string) ([]byte, error) {
	t.Helper()
	return h.Invoke(t.Context(), "f", []byte(event))
}

type state struct {
	PID, Handled, Ticks, Left int
	Request, ARN, Trace       string
}

func stateOf(t *testing.T, h *lambda.Host) state {
	t.Helper()
	raw, err := invoke(t, h, `{"do":"state"}`)
	if err != nil {
		t.Fatal(err)
	}
	var s state
	if err := json.Unmarshal(raw, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

// processState is the letter that the kernel gives a process: T for stopped.
func processState(pid int) string {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, after, _ := strings.Cut(string(raw), ") ")
	return after[:1]
}

func eventually(t *testing.T, what string, test func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !test(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 5 s: %s", what)
		}
	}
}

func TestEventReachesTheFunctionAndItsAnswerComesBack(t *testing.T) {
	h := start(t, lambda.Options{}, lambda.Function{})
	got, err := invoke(t, h, `{"do":"echo","value":{"é":[1,"<&>"]}}`)
	if err != nil || string(got) != `{"é":[1,"<&>"]}` {
		t.Fatalf("got %s, %v", got, err)
	}
}

func TestContextOfAnEvent(t *testing.T) {
	h := start(t, lambda.Options{}, lambda.Function{Timeout: 4 * time.Second})
	first, second := stateOf(t, h), stateOf(t, h)
	if first.Left < 3000 || first.Left > 4000 {
		t.Errorf("the deadline is %d ms away, not the time-out of 4 s", first.Left)
	}
	if first.Request == "" || first.Request == second.Request {
		t.Errorf("request ids %q and %q", first.Request, second.Request)
	}
	if first.ARN != "arn:aws:lambda:us-east-1:000000000000:function:f" || !strings.HasPrefix(first.Trace, "Root=1-") {
		t.Errorf("arn %q, trace %q", first.ARN, first.Trace)
	}
	if first.PID != second.PID || second.Handled != 2 {
		t.Errorf("the sandbox was not used again: %+v, %+v", first, second)
	}
}

func TestEnvironmentIsLambdasAndTheFunctionsAndNothingElse(t *testing.T) {
	t.Setenv("SECRET_OF_THE_PARENT", "x")
	h := start(t, lambda.Options{Environment: map[string]string{"AWS_REGION": "us-east-1"}}, lambda.Function{Environment: map[string]string{"TABLE_NAME": "T"}})
	h.Setenv("CLOCK_OFFSET", "1h0m0s")
	raw, err := invoke(t, h, `{"do":"environment"}`)
	if err != nil {
		t.Fatal(err)
	}
	var env []string
	if err := json.Unmarshal(raw, &env); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"TABLE_NAME=T", "AWS_REGION=us-east-1", "CLOCK_OFFSET=1h0m0s", "AWS_LAMBDA_FUNCTION_NAME=f", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256",
		"AWS_LAMBDA_FUNCTION_VERSION=$LATEST", "AWS_LAMBDA_LOG_FORMAT=JSON", "LAMBDA_TASK_ROOT=" + root, "TZ=:UTC",
	} {
		if !slices.Contains(env, want) {
			t.Errorf("%s is missing", want)
		}
	}
	for _, e := range env {
		if name, _, _ := strings.Cut(e, "="); name == "SECRET_OF_THE_PARENT" || name == "HOME" || name == "USER" {
			t.Errorf("%s comes from the parent", name)
		}
	}
}

func TestFunctionErrors(t *testing.T) {
	for name, test := range map[string]struct{ event, kind string }{
		"returned error": {`{"do":"error"}`, "errorString"},
		"panic":          {`{"do":"panic"}`, "string"},
		"exit":           {`{"do":"exit"}`, "Runtime.ExitError"},
		"too large":      {`{"do":"big","size":7000000}`, "Function.ResponseSizeTooLarge"},
	} {
		t.Run(name, func(t *testing.T) {
			h := start(t, lambda.Options{}, lambda.Function{})
			_, err := invoke(t, h, test.event)
			e, ok := errors.AsType[*lambda.FunctionError](err)
			if !ok || e.Type != test.kind || e.TimedOut {
				t.Fatalf("got %v, want a function error of type %s", err, test.kind)
			}
			var document struct{ ErrorType, ErrorMessage string }
			if err := json.Unmarshal(e.Payload, &document); err != nil || document.ErrorType != test.kind || document.ErrorMessage == "" {
				t.Errorf("payload %s", e.Payload)
			}
			if got, err := invoke(t, h, `{"do":"echo","value":1}`); err != nil || string(got) != "1" {
				t.Errorf("the next event: %s, %v", got, err)
			}
		})
	}
}

func TestAnswerOfSixMegabytesPasses(t *testing.T) {
	h := start(t, lambda.Options{}, lambda.Function{})
	got, err := invoke(t, h, `{"do":"big","size":6000000}`)
	if err != nil || len(got) != 6000002 {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
}

func TestEventOverSixMegabytesIsRefused(t *testing.T) {
	h := start(t, lambda.Options{}, lambda.Function{})
	_, err := h.Invoke(t.Context(), "f", bytes.Repeat([]byte(" "), lambda.MaxPayload+1))
	if !errors.Is(err, lambda.ErrPayloadTooLarge) {
		t.Fatal(err)
	}
}

func TestTimeoutEndsTheSandbox(t *testing.T) {
	h := start(t, lambda.Options{}, lambda.Function{Timeout: 300 * time.Millisecond})
	before := stateOf(t, h).PID
	_, err := invoke(t, h, `{"do":"sleep","ms":60000}`)
	e, ok := errors.AsType[*lambda.FunctionError](err)
	if !ok || !e.TimedOut || !strings.HasSuffix(e.Message, "Task timed out after 0.30 seconds") {
		t.Fatalf("got %v", err)
	}
	if after := stateOf(t, h).PID; after == before {
		t.Error("the sandbox that timed out was used again")
	}
	eventually(t, "the process that timed out is gone", func() bool { return !alive(before) })
}

func TestInitFailures(t *testing.T) {
	for name, test := range map[string]struct{ init, kind string }{
		"exits":              {"exit", "Runtime.ExitError"},
		"never asks for one": {"slow", "Sandbox.Timedout"},
	} {
		t.Run(name, func(t *testing.T) {
			h := start(t, lambda.Options{InitTimeout: 300 * time.Millisecond}, lambda.Function{Environment: map[string]string{"INIT": test.init}})
			_, err := invoke(t, h, `{"do":"echo","value":1}`)
			if e, ok := errors.AsType[*lambda.FunctionError](err); !ok || e.Type != test.kind {
				t.Fatalf("got %v", err)
			}
		})
	}
}

func TestMissingBinaryIsAnError(t *testing.T) {
	h := lambda.New(lambda.Options{})
	t.Cleanup(h.Close)
	h.Add("g", lambda.Function{Name: "g", Root: t.TempDir(), Timeout: time.Second})
	if _, err := h.Invoke(t.Context(), "g", []byte("{}")); err == nil || !strings.Contains(err.Error(), "bootstrap") {
		t.Fatalf("got %v", err)
	}
	if _, err := h.Invoke(t.Context(), "nobody", []byte("{}")); !errors.Is(err, lambda.ErrUnknownFunction) {
		t.Fatalf("got %v", err)
	}
}

func TestSandboxIsFrozenBetweenEvents(t *testing.T) {
	h := start(t, lambda.Options{}, lambda.Function{})
	before := stateOf(t, h)
	eventually(t, "the process is stopped", func() bool { return processState(before.PID) == "T" })
	time.Sleep(300 * time.Millisecond)
	after := stateOf(t, h)
	if after.PID != before.PID {
		t.Fatal("another sandbox")
	}
	// A running process would have counted about 300.
	if n := after.Ticks - before.Ticks; n > 100 {
		t.Errorf("the sandbox ran between its events: %d ticks", n)
	}
}

func TestOneEventAtATimeInEachSandboxAndNoMoreThanTheConcurrency(t *testing.T) {
	h := start(t, lambda.Options{}, lambda.Function{Concurrency: 3})
	var mu sync.Mutex
	pids := map[int]int{}
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			raw, err := h.Invoke(context.Background(), "f", []byte(`{"do":"sleep","ms":60}`))
			var s state
			if err == nil {
				err = json.Unmarshal(raw, &s)
			}
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			pids[s.PID]++
		})
	}
	wg.Wait()
	if len(pids) != 3 {
		t.Errorf("%d sandboxes took part, want 3", len(pids))
	}
}

func TestEventThatWaitsTooLongIsThrottled(t *testing.T) {
	h := start(t, lambda.Options{QueueWait: 100 * time.Millisecond}, lambda.Function{Concurrency: 1})
	stateOf(t, h)
	slow := make(chan error)
	go func() { _, err := h.Invoke(context.Background(), "f", []byte(`{"do":"sleep","ms":600}`)); slow <- err }()
	time.Sleep(50 * time.Millisecond)
	if _, err := invoke(t, h, `{"do":"echo","value":1}`); !errors.Is(err, lambda.ErrThrottled) {
		t.Errorf("got %v", err)
	}
	if err := <-slow; err != nil {
		t.Errorf("the event that was there first: %v", err)
	}
}

func TestCallerThatLeavesDoesNotEndTheEvent(t *testing.T) {
	h := start(t, lambda.Options{}, lambda.Function{Concurrency: 1})
	pid := stateOf(t, h).PID
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := h.Invoke(ctx, "f", []byte(`{"do":"sleep","ms":300}`)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
	after := stateOf(t, h)
	if after.PID != pid || after.Handled != 3 {
		t.Errorf("got %+v, want the same sandbox after its third event", after)
	}
}

func TestRetireEndsSandboxesAndTheNextHaveTheNewEnvironment(t *testing.T) {
	h := start(t, lambda.Options{}, lambda.Function{})
	before := stateOf(t, h).PID
	h.Setenv("CLOCK_OFFSET", "744h0m0s")
	h.Retire()
	raw, err := invoke(t, h, `{"do":"environment"}`)
	if err != nil || !strings.Contains(string(raw), "CLOCK_OFFSET=744h0m0s") {
		t.Fatalf("%s, %v", raw, err)
	}
	eventually(t, "the retired process is gone", func() bool { return !alive(before) })
}

func TestBusySandboxIsRetiredAfterItsEvent(t *testing.T) {
	h := start(t, lambda.Options{}, lambda.Function{Concurrency: 1})
	before := stateOf(t, h).PID
	done := make(chan error)
	go func() { _, err := h.Invoke(context.Background(), "f", []byte(`{"do":"sleep","ms":200}`)); done <- err }()
	time.Sleep(50 * time.Millisecond)
	h.Retire()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if after := stateOf(t, h).PID; after == before {
		t.Error("the retired sandbox was used again")
	}
}

func TestIdleSandboxIsRetired(t *testing.T) {
	h := start(t, lambda.Options{Idle: 50 * time.Millisecond}, lambda.Function{})
	pid := stateOf(t, h).PID
	eventually(t, "no sandbox is left", func() bool { return h.Sandboxes("f") == 0 && !alive(pid) })
}

func TestCloseLeavesNoProcess(t *testing.T) {
	h := start(t, lambda.Options{}, lambda.Function{})
	pid := stateOf(t, h).PID
	h.Close()
	if alive(pid) {
		t.Error("a process is left")
	}
	if _, err := invoke(t, h, `{}`); !errors.Is(err, lambda.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestOutputIsLogged(t *testing.T) {
	var also bytes.Buffer
	logs := lambda.NewLogs(0, &also)
	h := start(t, lambda.Options{Logs: logs}, lambda.Function{})
	if _, err := invoke(t, h, `{"do":"print"}`); err != nil {
		t.Fatal(err)
	}
	has := func(text string) bool {
		return slices.ContainsFunc(logs.Lines(), func(l lambda.Line) bool { return l.Function == "f" && l.Text == text })
	}
	eventually(t, "both lines are there", func() bool { return has("a line on standard output") && has("a line on standard error") })
	h.Close()
	if !strings.Contains(also.String(), "f a line on standard output\n") {
		t.Errorf("the writer got %q", also.String())
	}
}

func TestLogsKeepTheLastLines(t *testing.T) {
	logs := lambda.NewLogs(2, nil)
	h := start(t, lambda.Options{Logs: logs}, lambda.Function{})
	for range 3 {
		if _, err := invoke(t, h, `{"do":"print"}`); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "two lines are kept", func() bool { return len(logs.Lines()) == 2 })
}

func BenchmarkInvoke(b *testing.B) {
	h := lambda.New(lambda.Options{})
	defer h.Close()
	h.Add("f", lambda.Function{Name: "f", Root: root, Timeout: 10 * time.Second, Concurrency: 16})
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := h.Invoke(b.Context(), "f", []byte(`{"do":"echo","value":1}`)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func TestOneCallerAfterAnotherUsesOneSandbox(t *testing.T) {
	h := start(t, lambda.Options{}, lambda.Function{})
	for range 200 {
		if _, err := invoke(t, h, `{"do":"echo","value":1}`); err != nil {
			t.Fatal(err)
		}
	}
	if n := h.Sandboxes("f"); n != 1 {
		t.Errorf("%d sandboxes for one event at a time", n)
	}
}
