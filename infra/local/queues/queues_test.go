package queues

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"concord/infra/local/template"
)

const (
	topic   = "arn:aws:sns:us-east-1:000000000000:News"
	in      = "arn:aws:sqs:us-east-1:000000000000:In"
	letters = "arn:aws:sqs:us-east-1:000000000000:Letters"
)

// function takes batches in place of the sandboxes.
type function struct {
	mu      sync.Mutex
	batches [][]events.SQSMessage
	atOnce  int
	most    int
	answer  func(batch []events.SQSMessage) ([]byte, error)
	takes   time.Duration
}

func (f *function) Invoke(_ context.Context, name string, event []byte) ([]byte, error) {
	var e events.SQSEvent
	if err := json.Unmarshal(event, &e); err != nil || name != "F" {
		return nil, fmt.Errorf("%s, %w", name, err)
	}
	f.mu.Lock()
	f.batches = append(f.batches, e.Records)
	f.atOnce++
	f.most = max(f.most, f.atOnce)
	f.mu.Unlock()
	time.Sleep(f.takes)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.atOnce--
	if f.answer == nil {
		return []byte(`{"batchItemFailures":[]}`), nil
	}
	return f.answer(e.Records)
}

// bodies are the bodies of every message of every batch, in order.
func (f *function) bodies() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []string
	for _, b := range f.batches {
		for _, m := range b {
			all = append(all, m.Body)
		}
	}
	return all
}

func service(t *testing.T, raw bool) *Service {
	t.Helper()
	s, err := New(&template.Template{
		Queues: []template.Queue{
			{LogicalID: "In", ARN: in, Visibility: time.Minute, DeadLetters: letters, MaxReceives: 3},
			{LogicalID: "Letters", ARN: letters, Visibility: time.Minute},
		},
		Subscriptions: []template.Subscription{{Topic: topic, Queue: in, Raw: raw}},
	}, Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var source = template.QueueSource{Name: "E", Function: "F", Queue: in, BatchSize: 10, PartialFailures: true}

// naming answers that the messages with these bodies failed.
func naming(failed ...string) func([]events.SQSMessage) ([]byte, error) {
	return func(batch []events.SQSMessage) ([]byte, error) {
		r := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
		for _, m := range batch {
			if slices.Contains(failed, m.Body) {
				r.BatchItemFailures = append(r.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
			}
		}
		return json.Marshal(r)
	}
}

func texts(bodies [][]byte) []string {
	var all []string
	for _, b := range bodies {
		all = append(all, string(b))
	}
	return all
}

func TestPublished(t *testing.T) {
	for _, raw := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s, f := service(t, raw), &function{}
			defer s.Close()
			s.Map(source, f)
			s.Publish(topic, "a subject", "text\n")
			s.Publish(topic+"Other", "a subject", "other")
			synctest.Wait()
			if len(f.batches) != 1 || len(f.batches[0]) != 1 || len(s.Messages(in)) != 0 {
				t.Fatalf("batches %v, left %d", f.batches, len(s.Messages(in)))
			}
			m := f.batches[0][0]
			if m.EventSource != "aws:sqs" || m.EventSourceARN != in || m.MessageId == "" || m.Attributes["ApproximateReceiveCount"] != "1" || m.Attributes["SentTimestamp"] == "" || len(m.Md5OfBody) != 32 {
				t.Errorf("%+v", m)
			}
			if raw {
				if m.Body != "text\n" {
					t.Errorf("body %q", m.Body)
				}
				return
			}
			var n map[string]string
			if err := json.Unmarshal([]byte(m.Body), &n); err != nil || n["Type"] != "Notification" || n["Message"] != "text\n" || n["Subject"] != "a subject" || n["TopicArn"] != topic || n["MessageId"] == "" {
				t.Errorf("%v, %v", n, err)
			}
		})
	}
}

func TestOnlyWhatFailedComesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := service(t, true), &function{answer: naming("bad")}
		defer s.Close()
		for _, text := range []string{"a", "bad", "b"} {
			s.Publish(topic, "", text)
		}
		s.Map(source, f)
		synctest.Wait()
		if got := f.bodies(); !slices.Equal(got, []string{"a", "bad", "b"}) || len(f.batches) != 1 {
			t.Fatalf("%q", got)
		}
		time.Sleep(59 * time.Second)
		s.Publish(topic, "", "c") // what is hidden holds up nothing
		synctest.Wait()
		if got := f.bodies(); !slices.Equal(got[3:], []string{"c"}) {
			t.Fatalf("%q", got)
		}
		time.Sleep(2 * time.Second)
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := f.bodies(); !slices.Equal(got[4:], []string{"bad", "bad"}) || f.batches[3][0].Attributes["ApproximateReceiveCount"] != "3" {
			t.Fatalf("%q", got)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := f.bodies(); len(got) != 6 || !slices.Equal(texts(s.Messages(letters)), []string{"bad"}) || len(s.Messages(in)) != 0 {
			t.Fatalf("%q, dead letters %q, left %q", got, texts(s.Messages(letters)), texts(s.Messages(in)))
		}
	})
}

// On Lambda each of these fails the batch, but for an answer of nothing.
func TestAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		err    error
		left   int
	}{
		"nothing":           {"", nil, 0},
		"null":              {"null", nil, 0},
		"no failures":       {`{"batchItemFailures":[]}`, nil, 0},
		"no JSON":           {"done", nil, 2},
		"an unknown id":     {`{"batchItemFailures":[{"itemIdentifier":"x"}]}`, nil, 2},
		"no id":             {`{"batchItemFailures":[{}]}`, nil, 2},
		"a function error":  {"", errors.New("crash"), 2},
		"a later throttle":  {"", context.DeadlineExceeded, 2},
		"another JSON type": {`{"batchItemFailures":{}}`, nil, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, f := service(t, true), &function{answer: func([]events.SQSMessage) ([]byte, error) { return []byte(c.answer), c.err }}
				defer s.Close()
				s.Publish(topic, "", "a")
				s.Publish(topic, "", "b")
				s.Map(source, f)
				synctest.Wait()
				if n := len(s.Messages(in)); n != c.left || len(f.bodies()) != 2 {
					t.Errorf("%d left, %d tried", n, len(f.bodies()))
				}
			})
		})
	}
	t.Run("partial failures are not reported", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, f := service(t, true), &function{answer: naming("a")}
			defer s.Close()
			s.Publish(topic, "", "a")
			whole := source
			whole.PartialFailures = false
			s.Map(whole, f)
			synctest.Wait()
			if len(s.Messages(in)) != 0 {
				t.Error("the message is left")
			}
		})
	})
}

func TestBatchesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := service(t, true), &function{takes: time.Second}
		defer s.Close()
		for n := range 95 {
			s.Publish(topic, "", fmt.Sprint(n))
		}
		few := source
		few.Concurrency = 2
		s.Map(few, f)
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if seen := f.bodies(); len(seen) != 95 || f.most != 2 || len(f.batches) != 10 {
			t.Errorf("%d messages in %d batches, %d at once", len(seen), len(f.batches), f.most)
		}
	})
}

func TestBatchingWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, f := service(t, true), &function{}
		defer s.Close()
		patient := source
		patient.BatchingWindow = 5 * time.Second
		s.Map(patient, f)
		s.Publish(topic, "", "a")
		time.Sleep(time.Second)
		s.Publish(topic, "", "b")
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if len(f.batches) != 1 || strings.Join(f.bodies(), "") != "ab" {
			t.Errorf("%q in %d batches", f.bodies(), len(f.batches))
		}
	})
}

// The stack's clock decides when a message is visible again, also when it is moved.
func TestTheClockIsMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var offset time.Duration
		s, f := service(t, true), &function{answer: naming("bad")}
		s.o.Now = func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return time.Now().Add(offset)
		}
		defer s.Close()
		s.Map(source, f)
		s.Publish(topic, "", "bad")
		for n := range 3 {
			synctest.Wait()
			if len(f.bodies()) != n+1 {
				t.Fatalf("received %d times, want %d", len(f.bodies()), n+1)
			}
			mu.Lock()
			offset += time.Minute
			mu.Unlock()
			s.Moved()
		}
		synctest.Wait()
		if len(f.bodies()) != 3 || len(s.Messages(letters)) != 1 {
			t.Errorf("received %d times, %d dead letters", len(f.bodies()), len(s.Messages(letters)))
		}
	})
}

func TestWhatLeadsNowhere(t *testing.T) {
	if _, err := New(&template.Template{Queues: []template.Queue{{LogicalID: "In", ARN: in, DeadLetters: letters, MaxReceives: 1}}}, Options{Now: time.Now}); err == nil || !strings.Contains(err.Error(), "In") {
		t.Errorf("dead letters: %v", err)
	}
	if _, err := New(&template.Template{Subscriptions: []template.Subscription{{Topic: topic, Queue: in}}}, Options{Now: time.Now}); err == nil || !strings.Contains(err.Error(), in) {
		t.Errorf("a subscription: %v", err)
	}
	s := service(t, true)
	if s.Send("arn:aws:s3:::bucket", nil) || s.Messages("arn:aws:s3:::bucket") != nil || !s.Send(letters, []byte("x")) {
		t.Error("a queue is taken for another")
	}
}

// TestSendMessage: what SQS answers to what our functions ask of it.
func TestSendMessage(t *testing.T) {
	s, err := New(&template.Template{Queues: []template.Queue{{LogicalID: "In", ARN: in}}}, Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, c := range []struct {
		target, body string
		status       int
		says         string
	}{
		{"AmazonSQS.SendMessage", `{"QueueUrl":"https://sqs.us-east-1.amazonaws.com/000000000000/In","MessageBody":"hello"}`, 200, `"MD5OfMessageBody":"5d41402abc4b2a76b9719d911017c592"`},
		{"AmazonSQS.SendMessage", `{"QueueUrl":"https://sqs.us-east-1.amazonaws.com/000000000000/Out","MessageBody":"hello"}`, 400, "QueueDoesNotExist"},
		{"AmazonSQS.SendMessage", `{"QueueUrl":"https://sqs.us-east-1.amazonaws.com/000000000000/In"}`, 400, "InvalidMessageContents"},
		{"AmazonSQS.GetQueueAttributes", `{"QueueUrl":"https://sqs.us-east-1.amazonaws.com/000000000000/In","AttributeNames":["ApproximateNumberOfMessages"]}`, 200,
			`{"ApproximateNumberOfMessages":"1"}`},
		{"AmazonSQS.GetQueueAttributes", `{"QueueUrl":"https://sqs.us-east-1.amazonaws.com/000000000000/In","AttributeNames":["All"]}`, 400, "InvalidAttributeName"},
		{"AmazonSQS.PurgeQueue", `{}`, 400, "UnsupportedOperation"},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(c.body))
		r.Header.Set("X-Amz-Target", c.target)
		if s.ServeHTTP(w, r); w.Code != c.status || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s %s: %d %s", c.target, c.body, w.Code, w.Body)
		}
	}
	if got := s.Messages(in); len(got) != 1 || string(got[0]) != "hello" {
		t.Errorf("in the queue: %q", got)
	}
}

// TestInFlight: what a function could have now counts, what is hidden or among dead letters does not.
func TestInFlight(t *testing.T) {
	s, err := New(&template.Template{Queues: []template.Queue{{LogicalID: "In", ARN: in, Visibility: time.Hour}, {LogicalID: "Letters", ARN: letters}}}, Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	s.Send(letters, []byte("dead"))
	if n := s.InFlight(); n != 0 {
		t.Errorf("%d without a function", n)
	}
	entered, leave := make(chan struct{}), make(chan struct{})
	f := &function{answer: func(batch []events.SQSMessage) ([]byte, error) {
		close(entered)
		<-leave
		return json.Marshal(map[string]any{"batchItemFailures": []map[string]string{{"itemIdentifier": batch[0].MessageId}}})
	}}
	s.Send(in, []byte("hello"))
	s.Map(template.QueueSource{Function: "F", Queue: in, BatchSize: 1, PartialFailures: true}, f)
	<-entered
	if n := s.InFlight(); n != 1 {
		t.Errorf("%d while a function has it", n)
	}
	close(leave)
	for end := time.Now().Add(5 * time.Second); s.InFlight() != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it failed and is hidden, and counts still")
		}
	}
	s.Close()
}
