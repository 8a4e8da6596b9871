package schedule

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"concord/infra/local/lambda"
	"concord/infra/local/template"
)

func TestRates(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"rate(5 minutes)": 5 * time.Minute, "rate(1 minute)": time.Minute, "rate(1 hour)": time.Hour, "rate(2 days)": 48 * time.Hour,
	} {
		if every, err := parse(text); err != nil || every != want {
			t.Errorf("%s is %s, %v", text, every, err)
		}
	}
	for _, text := range []string{
		"", "5 minutes", "rate(0 minutes)", "rate(5 weeks)", "rate(5)", "rate(99999999999999999999 days)", "cron(0 5 * * ? *)", "at(2030-06-01T12:00:00)",
	} {
		if _, err := parse(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

// target counts invocations in place of the sandboxes.
type target struct {
	mu     sync.Mutex
	events map[string][]string
	fail   func(function string, attempt int) error
	takes  time.Duration
}

func (x *target) Invoke(ctx context.Context, function string, event []byte) ([]byte, error) {
	x.mu.Lock()
	if x.events == nil {
		x.events = map[string][]string{}
	}
	attempt := len(x.events[function])
	x.events[function] = append(x.events[function], string(event))
	x.mu.Unlock()
	select {
	case <-time.After(x.takes):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if x.fail != nil {
		return nil, x.fail(function, attempt)
	}
	return nil, nil
}

func (x *target) count(function string) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.events[function])
}

func scheduler(t *testing.T, x *target, schedules []template.Schedule, change ...func(*Options)) (*Scheduler, *Clock) {
	t.Helper()
	clock := &Clock{}
	o := Options{Clock: clock, Functions: x}
	for _, c := range change {
		c(&o)
	}
	s, err := New(schedules, o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(s.Close)
	return s, clock
}

func every(function, expression string) template.Schedule {
	return template.Schedule{Name: function + "Due", Function: function, ARN: "arn:" + function, Expression: expression, MaximumAge: time.Hour}
}

func TestSchedulesFireInRealTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := &target{}
		scheduler(t, x, []template.Schedule{every("A", "rate(5 minutes)"), every("B", "rate(1 hour)")})
		time.Sleep(61 * time.Minute)
		if a, b := x.count("A"), x.count("B"); a != 12 || b != 1 {
			t.Errorf("A fired %d times, B %d", a, b)
		}
	})
}

func TestAdvanceFiresEachDueScheduleOnceAndWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := &target{takes: 3 * time.Second}
		var moved []time.Duration
		s, clock := scheduler(t, x, []template.Schedule{every("A", "rate(5 minutes)"), every("B", "rate(1 day)"), every("C", "rate(60 days)")},
			func(o *Options) { o.Moved = func(d time.Duration) { moved = append(moved, d) } })
		before := time.Now()
		if err := s.Advance(t.Context(), 31*24*time.Hour); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(before); took != 3*time.Second {
			t.Errorf("it returned after %s, not when the invocations had ended", took)
		}
		if a, b, c := x.count("A"), x.count("B"), x.count("C"); a != 1 || b != 1 || c != 0 {
			t.Errorf("A fired %d times, B %d, C %d", a, b, c)
		}
		if len(moved) != 1 || moved[0] != 744*time.Hour || clock.Offset() != 744*time.Hour {
			t.Errorf("moved %v, offset %s", moved, clock.Offset())
		}
		// The next time is counted from the new time.
		time.Sleep(5*time.Minute + time.Second)
		if a := x.count("A"); a != 2 {
			t.Errorf("A fired %d times after five more minutes", a)
		}
		if err := s.Advance(t.Context(), time.Minute); err != nil || x.count("A") != 2 {
			t.Errorf("a minute later A fired %d times, %v", x.count("A"), err)
		}
	})
}

func TestClockDoesNotGoBack(t *testing.T) {
	s, clock := scheduler(t, &target{}, nil)
	if err := s.Advance(t.Context(), -time.Second); err == nil || clock.Offset() != 0 {
		t.Errorf("got %v, offset %s", err, clock.Offset())
	}
}

func TestRunFiresNow(t *testing.T) {
	x := &target{}
	s, _ := scheduler(t, x, []template.Schedule{every("A", "rate(1 hour)"), {Name: "ADaily", Function: "A", Expression: "rate(1 day)", Disabled: true}})
	names, err := s.Run(t.Context(), "A")
	if err != nil || strings.Join(names, " ") != "ADue ADaily" || x.count("A") != 2 {
		t.Errorf("%v, %v, %d", names, err, x.count("A"))
	}
	if _, err := s.Run(t.Context(), "B"); !errors.Is(err, ErrNoSchedule) {
		t.Errorf("got %v", err)
	}
}

func TestDisabledScheduleDoesNotFireByItself(t *testing.T) {
	x := &target{}
	s, _ := scheduler(t, x, []template.Schedule{{Name: "A", Function: "A", Expression: "rate(1 day)", Disabled: true}})
	if err := s.Advance(t.Context(), 48*time.Hour); err != nil || x.count("A") != 0 {
		t.Errorf("fired %d times, %v", x.count("A"), err)
	}
}

// TestOnlyDeliveryIsTheSchedules: what Lambda does not accept is retried and put aside as the schedule says.
func TestOnlyDeliveryIsTheSchedules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := &target{fail: func(f string, attempt int) error {
			if f == "Recovers" && attempt == 2 {
				return nil
			}
			return lambda.ErrClosed
		}}
		letters := map[string][]byte{}
		s, _ := scheduler(t, x, []template.Schedule{
			{Name: "R", Function: "Recovers", Expression: "rate(1 day)", MaximumRetries: 3, MaximumAge: time.Hour, DeadLetterTarget: "arn:r"},
			{Name: "F", Function: "Fails", Expression: "rate(1 day)", MaximumRetries: 3, MaximumAge: time.Hour, DeadLetterTarget: "arn:f", Input: `{"n":1}`},
			{Name: "O", Function: "Old", Expression: "rate(1 day)", MaximumRetries: 185, MaximumAge: 10 * time.Second},
		}, func(o *Options) { o.DeadLetters = func(arn string, m []byte) { letters[arn] = m } })
		if _, err := s.Run(t.Context(), "Recovers"); err != nil || x.count("Recovers") != 3 {
			t.Errorf("%d, %v", x.count("Recovers"), err)
		}
		if _, err := s.Run(t.Context(), "Fails"); err == nil || x.count("Fails") != 4 {
			t.Errorf("%d, %v", x.count("Fails"), err)
		}
		if _, err := s.Run(t.Context(), "Old"); err == nil || x.count("Old") < 3 || x.count("Old") > 10 {
			t.Errorf("%d, %v", x.count("Old"), err)
		}
		if string(letters["arn:f"]) != `{"n":1}` || len(letters) != 1 {
			t.Errorf("dead letters %s", letters)
		}
	})
}

// TestErrorsOfTheFunctionAreLambdas: the schedule has done its part when the event is accepted, and neither its retries nor its
// dead letters know of what the function did.
func TestErrorsOfTheFunctionAreLambdas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failure := &lambda.FunctionError{Type: "errorString", Message: "down", Payload: []byte(`{"errorMessage":"down"}`)}
		x := &target{fail: func(f string, attempt int) error {
			switch {
			case f == "Recovers" && attempt == 1:
				return nil
			case f == "Throttled":
				return lambda.ErrThrottled
			}
			return failure
		}}
		var letters []string
		records := map[string]map[string]any{}
		var schedules []template.Schedule
		for _, f := range []string{"Recovers", "Fails", "Unconfigured", "Never", "Throttled"} {
			schedules = append(schedules, template.Schedule{
				Name: f, Function: f, Expression: "rate(1 day)", MaximumRetries: 50, MaximumAge: time.Hour, DeadLetterTarget: "arn:schedule", Input: `{"n":1}`,
			})
		}
		s, _ := scheduler(t, x, schedules, func(o *Options) {
			o.Invocations = map[string]template.Asynchronous{
				"Recovers":  {MaximumRetries: 2, MaximumAge: time.Hour, OnFailure: "arn:recovers"},
				"Fails":     {MaximumRetries: 1, MaximumAge: time.Hour, OnFailure: "arn:fails"},
				"Never":     {MaximumRetries: 0, MaximumAge: time.Hour},
				"Throttled": {MaximumRetries: 0, MaximumAge: 10 * time.Second, OnFailure: "arn:throttled"},
			}
			o.DeadLetters = func(arn string, m []byte) {
				letters = append(letters, arn)
				var r map[string]any
				if err := json.Unmarshal(m, &r); err != nil {
					t.Error(err)
				}
				records[arn] = r
			}
		})
		for _, c := range []struct {
			function string
			calls    int
			ok       bool
		}{{"Recovers", 2, true}, {"Fails", 2, false}, {"Unconfigured", 3, false}, {"Never", 1, false}} {
			if _, err := s.Run(t.Context(), c.function); (err == nil) != c.ok || x.count(c.function) != c.calls {
				t.Errorf("%s: called %d times, %v", c.function, x.count(c.function), err)
			}
		}
		if _, err := s.Run(t.Context(), "Throttled"); !errors.Is(err, lambda.ErrThrottled) || x.count("Throttled") < 3 {
			t.Errorf("throttled: called %d times, %v", x.count("Throttled"), err)
		}
		if strings.Join(letters, " ") != "arn:fails arn:throttled" {
			t.Errorf("records went to %v", letters)
		}
		context := func(arn string) map[string]any { return records[arn]["requestContext"].(map[string]any) }
		if c := context("arn:fails"); c["condition"] != "RetriesExhausted" || c["approximateInvokeCount"] != 2.0 {
			t.Errorf("record %v", records["arn:fails"])
		}
		if payload, _ := records["arn:fails"]["requestPayload"].(map[string]any); payload["n"] != 1.0 {
			t.Errorf("record %v", records["arn:fails"])
		}
		if payload, _ := records["arn:fails"]["responsePayload"].(map[string]any); payload["errorMessage"] != "down" {
			t.Errorf("record %v", records["arn:fails"])
		}
		if c := context("arn:throttled"); c["condition"] != "EventAgeExceeded" || records["arn:throttled"]["responsePayload"] != nil {
			t.Errorf("record %v", records["arn:throttled"])
		}
	})
}

func TestAdvanceWaitsForTheLastRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := &target{takes: time.Second, fail: func(string, int) error { return &lambda.FunctionError{Type: "errorString", Payload: []byte(`{}`)} }}
		s, _ := scheduler(t, x, []template.Schedule{every("A", "rate(5 minutes)")}, func(o *Options) {
			o.Backoff = func(int) time.Duration { return time.Second }
		})
		began := time.Now()
		err := s.Advance(t.Context(), 6*time.Minute)
		if _, failed := errors.AsType[*lambda.FunctionError](err); !failed || x.count("A") != 3 || time.Since(began) != 5*time.Second {
			t.Errorf("it returned %v after %s and %d calls", err, time.Since(began), x.count("A"))
		}
	})
}

func TestEvents(t *testing.T) {
	x := &target{}
	s, _ := scheduler(t, x, []template.Schedule{
		every("Own", "rate(1 day)"),
		{Name: "I", Function: "Input", ARN: "arn:i", Expression: "rate(1 day)", Input: `{"at":"<aws.scheduler.scheduled-time>","of":"<aws.scheduler.schedule-arn>","try":"<aws.scheduler.attempt-number>"}`},
	})
	for _, f := range []string{"Own", "Input"} {
		if _, err := s.Run(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	var own struct {
		Source, DetailType, Detail, Time string
		Resources                        []string
	}
	if err := json.Unmarshal([]byte(strings.ReplaceAll(x.events["Own"][0], "detail-type", "DetailType")), &own); err != nil {
		t.Fatal(err)
	}
	if own.Source != "aws.scheduler" || own.DetailType != "Scheduled Event" || own.Detail != "{}" || len(own.Resources) != 1 || own.Resources[0] != "arn:Own" {
		t.Errorf("event %s", x.events["Own"][0])
	}
	var input struct{ At, Of, Try string }
	if err := json.Unmarshal([]byte(x.events["Input"][0]), &input); err != nil || input.Of != "arn:i" || input.Try != "1" {
		t.Errorf("event %s, %v", x.events["Input"][0], err)
	}
	if _, err := time.Parse(time.RFC3339, input.At); err != nil {
		t.Error(err)
	}
}
