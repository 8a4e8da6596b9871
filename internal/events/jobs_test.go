package events

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"concord/internal/awsenv"
	"concord/internal/batch"
)

var jobKey = batch.Key{Partner: "a1de0000-0000-4000-8000-000000000001", ID: "bat_qmzx3vjl2a5c7hpkywtr4e6n2u"}

func TestABatchThatIsQueuedAsksForAWorker(t *testing.T) {
	queued, claimed := batch.Batch{Key: jobKey, Job: batch.JobQueued}, batch.Batch{Key: jobKey, Job: batch.JobClaimed}
	for name, c := range map[string]struct {
		change batch.Change
		asked  int
	}{
		"submitted": {batch.Change{After: queued}, 1},
		"again":     {batch.Change{Before: &claimed, After: queued}, 1},
		"claimed":   {batch.Change{Before: &queued, After: claimed}, 0},
		"done":      {batch.Change{Before: &claimed, After: batch.Batch{Key: jobKey}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var asked []batch.Key
			desk := Dispatcher{Tell: func(_ context.Context, group []Event) (int, error) { return len(group), nil }, Ask: func(_ context.Context, k batch.Key) error {
				asked = append(asked, k)
				return nil
			}}
			all := Causes(Written{Batch: &c.change})
			if n, err := desk.Deliver(t.Context(), all); err != nil || n != len(all) || len(asked) != c.asked || c.asked == 1 && asked[0] != jobKey {
				t.Errorf("%d of %v delivered, %v, asked for %v", n, all, err, asked)
			}
			desk.Ask = nil // the due index asks
			if n, err := desk.Deliver(t.Context(), all); err != nil || n != len(all) {
				t.Errorf("without a queue: %d, %v", n, err)
			}
		})
	}
	broken := errors.New("no queue")
	desk := Dispatcher{Ask: func(context.Context, batch.Key) error { return broken }}
	if n, err := desk.Deliver(t.Context(), []Consequence{{}, {Job: &jobKey}}); n != 1 || !errors.Is(err, broken) {
		t.Errorf("a queue that fails: %d, %v", n, err)
	}
}

func TestJobsAreSent(t *testing.T) {
	var got []string
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct{ QueueUrl, MessageBody string } //nolint:staticcheck // as SQS has it
		_ = json.NewDecoder(r.Body).Decode(&in)
		got = append(got, r.Header.Get("X-Amz-Target"), in.QueueUrl, in.MessageBody)
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(`{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"no"}`))
	}))
	defer server.Close()
	t.Setenv("AWS_ENDPOINT_URL_SQS", server.URL)
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
		t.Setenv(name, "local")
	}
	t.Setenv("AWS_REGION", "us-east-1")
	j := NewJobs[batch.Key](awsenv.Config(), "https://sqs.example/1/jobs")
	if err := j.Send(t.Context(), jobKey); err != nil {
		t.Fatal(err)
	}
	if want := []string{"AmazonSQS.SendMessage", "https://sqs.example/1/jobs", jobKey.String()}; !slices.Equal(got, want) {
		t.Errorf("sent %q", got)
	}
	if status = http.StatusBadRequest; j.Send(t.Context(), jobKey) == nil {
		t.Error("a queue that does not exist took it")
	}
}
