// Package queues is what Amazon SNS and SQS do in the local stack: topics hand what is published to the queues that subscribe to them,
// and Lambda's event source mapping takes batches from a queue to a function. Messages are hidden while they are worked on, come again when
// they failed, and go to the dead letters after as many receives as the queue's redrive policy says, all of it by the
// stack's clock.
package queues

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // SQS says the MD5 of a body
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/uuid"

	"concord/infra/local/template"
)

// Invoker gives an event to a function; the errors are those of lambda.Host.Invoke.
type Invoker interface {
	Invoke(ctx context.Context, function string, event []byte) ([]byte, error)
}

// Options are the surroundings.
type Options struct {
	Now func() time.Time                      // the stack's clock
	Log func(format string, arguments ...any) // trouble, in one line; may be nil
}

// Service has the queues and the topics of a template.
type Service struct {
	o             Options
	subscriptions []template.Subscription
	ctx           context.Context
	cancel        context.CancelFunc
	running       sync.WaitGroup

	mu     sync.Mutex
	queues map[string]*queue // by ARN
	mapped map[string]bool   // the ARNs of those that lead to a function
}

type queue struct {
	template.Queue
	messages []*message // oldest first
	arrived  chan struct{}
}

type message struct {
	id       string
	body     string
	sent     time.Time
	first    time.Time // received
	visible  time.Time
	held     bool // a batch has it; Lambda's timeout is shorter than the queue's, so it cannot become visible meanwhile
	receives int
}

// New makes the queues, empty. The error names a subscription or a redrive policy that leads nowhere.
func New(t *template.Template, o Options) (*Service, error) {
	if o.Log == nil {
		o.Log = func(string, ...any) {}
	}
	s := &Service{o: o, subscriptions: t.Subscriptions, queues: map[string]*queue{}, mapped: map[string]bool{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	for _, q := range t.Queues {
		s.queues[q.ARN] = &queue{Queue: q, arrived: make(chan struct{}, 1)}
	}
	for _, q := range t.Queues {
		if q.DeadLetters != "" && s.queues[q.DeadLetters] == nil {
			return nil, fmt.Errorf("queue %s: there is no queue %s for its dead letters", q.LogicalID, q.DeadLetters)
		}
	}
	for _, one := range t.Subscriptions {
		if s.queues[one.Queue] == nil {
			return nil, fmt.Errorf("a subscription of %s leads to %s, which is no queue of the template", one.Topic, one.Queue)
		}
	}
	return s, nil
}

// Close ends every mapping and returns when nothing of them runs. A batch in flight is given up.
func (s *Service) Close() {
	s.cancel()
	s.running.Wait()
}

// Publish gives a message to every queue that subscribes to a topic (ARN).
func (s *Service) Publish(topic, subject, text string) {
	for _, one := range s.subscriptions {
		if one.Topic != topic {
			continue
		}
		if one.Raw {
			s.Send(one.Queue, []byte(text))
			continue
		}
		id := uuid.NewString()
		body, _ := json.Marshal(struct {
			Type, MessageId, TopicArn                                                       string
			Subject                                                                         string `json:",omitempty"`
			Message, Timestamp, SignatureVersion, Signature, SigningCertURL, UnsubscribeURL string
		}{
			Type: "Notification", MessageId: id, TopicArn: topic, Subject: subject, Message: text,
			Timestamp: s.o.Now().UTC().Format("2006-01-02T15:04:05.000Z"), SignatureVersion: "1",
			Signature:      base64.StdEncoding.EncodeToString([]byte("not signed by the local stack " + id)),
			SigningCertURL: "https://sns." + template.Region + ".amazonaws.com/local.pem",
			UnsubscribeURL: "https://sns." + template.Region + ".amazonaws.com/?Action=Unsubscribe&SubscriptionArn=" + topic + ":local",
		})
		s.Send(one.Queue, body)
	}
}

// Send puts a message into a queue (ARN). It gives false when there is no such queue.
func (s *Service) Send(arn string, body []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[arn]
	if q == nil {
		return false
	}
	now := s.o.Now()
	q.add(&message{id: uuid.NewString(), body: string(body), sent: now, visible: now})
	return true
}

// ServeHTTP is SendMessage and GetQueueAttributes of SQS, the calls of it that our functions make.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := func(status int, document any) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(document)
	}
	refuse := func(what, message string) {
		answer(http.StatusBadRequest, map[string]string{"__type": "com.amazonaws.sqs#" + what, "message": message})
	}
	target := r.Header.Get("X-Amz-Target")
	reads := target == "AmazonSQS.GetQueueAttributes"
	if r.Method != http.MethodPost || target != "AmazonSQS.SendMessage" && !reads {
		refuse("UnsupportedOperation", "the local stack knows SendMessage and GetQueueAttributes alone, not "+target)
		return
	}
	var in struct {
		QueueUrl, MessageBody string //nolint:staticcheck // as SQS has it
		AttributeNames        []string
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&in); err != nil || in.MessageBody == "" && !reads {
		refuse("InvalidMessageContents", "no message")
		return
	}
	for arn, q := range s.queues {
		if arn[strings.LastIndex(arn, ":")+1:] != path.Base(in.QueueUrl) {
			continue
		}
		if reads {
			attributes, unknown := s.attributes(q, in.AttributeNames)
			if unknown != "" {
				refuse("InvalidAttributeName", "the local stack does not know the attribute "+unknown)
				return
			}
			answer(http.StatusOK, map[string]any{"Attributes": attributes})
			return
		}
		s.mu.Lock()
		now := s.o.Now()
		id := uuid.NewString()
		q.add(&message{id: id, body: in.MessageBody, sent: now, visible: now})
		s.mu.Unlock()
		sum := md5.Sum([]byte(in.MessageBody)) //nolint:gosec // as above
		answer(http.StatusOK, map[string]string{"MessageId": id, "MD5OfMessageBody": hex.EncodeToString(sum[:])})
		return
	}
	refuse("QueueDoesNotExist", "there is no queue "+in.QueueUrl)
}

// attributes gives those of a queue that are asked for: how many messages can be received, a worker has, and are to come.
func (s *Service) attributes(q *queue, names []string) (all map[string]string, unknown string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Now()
	var visible, hidden, delayed int
	for _, m := range q.messages {
		switch {
		case m.receives == 0 && m.visible.After(now):
			delayed++
		case m.held || m.visible.After(now):
			hidden++
		default:
			visible++
		}
	}
	all = map[string]string{}
	for _, name := range names {
		n, known := map[string]int{"ApproximateNumberOfMessages": visible, "ApproximateNumberOfMessagesNotVisible": hidden,
			"ApproximateNumberOfMessagesDelayed": delayed}[name]
		if !known {
			return nil, name
		}
		all[name] = strconv.Itoa(n)
	}
	return all, ""
}

func (q *queue) add(m *message) {
	q.messages = append(q.messages, m)
	q.wake()
}

func (q *queue) wake() {
	select {
	case q.arrived <- struct{}{}:
	default:
	}
}

// Messages are the bodies of what is in a queue (ARN), hidden or not, oldest first.
func (s *Service) Messages(arn string) [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[arn]
	if q == nil {
		return nil
	}
	var all [][]byte
	for _, m := range q.messages {
		all = append(all, []byte(m.body))
	}
	return all
}

// InFlight is how many messages a function has or could have now: of the queues that lead to one.
func (s *Service) InFlight() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, now := 0, s.o.Now()
	for arn := range s.mapped {
		for _, m := range s.queues[arn].messages {
			if m.held || !m.visible.After(now) {
				n++
			}
		}
	}
	return n
}

// Moved looks again at what is visible, after the clock was moved.
func (s *Service) Moved() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, q := range s.queues {
		q.wake()
	}
}

// usualConcurrency is with how many batches at once Lambda begins.
const usualConcurrency = 5

// Map takes the messages of a queue to a function until the service closes.
func (s *Service) Map(source template.QueueSource, functions Invoker) {
	free := make(chan struct{}, max(source.Concurrency, 0))
	if source.Concurrency == 0 {
		free = make(chan struct{}, usualConcurrency)
	}
	q := s.queues[source.Queue]
	s.mu.Lock()
	s.mapped[source.Queue] = true
	s.mu.Unlock()
	s.running.Go(func() {
		for {
			select {
			case free <- struct{}{}:
			case <-s.ctx.Done():
				return
			}
			batch := s.next(q, source)
			if batch == nil {
				return
			}
			s.running.Go(func() {
				defer func() { <-free }()
				s.work(q, source, functions, batch)
			})
		}
	})
}

// next waits for messages and receives a batch; nil when the service closes.
func (s *Service) next(q *queue, source template.QueueSource) []*message {
	for {
		batch, wait := s.receive(q, source.BatchSize)
		if len(batch) > 0 && len(batch) < source.BatchSize && source.BatchingWindow > 0 {
			pause(s.ctx, source.BatchingWindow)
			more, _ := s.receive(q, source.BatchSize-len(batch))
			batch = append(batch, more...)
		}
		if len(batch) > 0 {
			return batch
		}
		t := time.NewTimer(wait)
		select {
		case <-q.arrived:
		case <-t.C:
		case <-s.ctx.Done():
			t.Stop()
			return nil
		}
		t.Stop()
	}
}

// receive takes up to n visible messages, and says how long it is until the next one becomes visible. One that was received
// too often goes to the dead letters instead.
func (s *Service) receive(q *queue, n int) ([]*message, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, wait := s.o.Now(), time.Hour
	var batch []*message
	left := q.messages[:0]
	for _, m := range q.messages {
		switch {
		case m.held:
		case m.visible.After(now):
			wait = min(wait, m.visible.Sub(now))
		case q.MaxReceives > 0 && m.receives >= q.MaxReceives:
			s.o.Log("queue %s: message %s goes to the dead letters after %d receives", q.LogicalID, m.id, m.receives)
			s.queues[q.DeadLetters].add(&message{id: m.id, body: m.body, sent: m.sent, visible: now})
			continue
		case len(batch) < n:
			m.held = true
			m.receives++
			if m.first.IsZero() {
				m.first = now
			}
			m.visible = now.Add(q.Visibility)
			batch = append(batch, m)
		}
		left = append(left, m)
	}
	clear(q.messages[len(left):])
	q.messages = left
	return batch, wait
}

// work gives a batch to the function and removes what was handled; the rest becomes visible again when its time is over.
func (s *Service) work(q *queue, source template.QueueSource, functions Invoker, batch []*message) {
	answer, err := functions.Invoke(s.ctx, source.Function, event(q.ARN, batch))
	failed := map[string]bool{}
	if err == nil && source.PartialFailures {
		failed, err = failures(answer, batch)
	}
	if err != nil && s.ctx.Err() == nil {
		s.o.Log("queue %s of %s: %v", q.LogicalID, source.Function, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	done := map[*message]bool{}
	for _, m := range batch {
		m.held = false
		done[m] = err == nil && !failed[m.id]
	}
	left := q.messages[:0]
	for _, m := range q.messages {
		if !done[m] {
			left = append(left, m)
		}
	}
	clear(q.messages[len(left):])
	q.messages = left
	q.wake()
}

// failures reads which messages a function names. Whatever names none of the batch means the whole batch, as on Lambda.
func failures(answer []byte, batch []*message) (map[string]bool, error) {
	failed := map[string]bool{}
	if len(bytes.TrimSpace(answer)) == 0 {
		return failed, nil
	}
	var document struct {
		BatchItemFailures []struct {
			ItemIdentifier *string `json:"itemIdentifier"`
		} `json:"batchItemFailures"`
	}
	if err := json.Unmarshal(answer, &document); err != nil {
		return nil, fmt.Errorf("the answer says no partial failures: %w", err)
	}
	known := map[string]bool{}
	for _, m := range batch {
		known[m.id] = true
	}
	for _, f := range document.BatchItemFailures {
		if f.ItemIdentifier == nil || !known[*f.ItemIdentifier] {
			return nil, fmt.Errorf("the answer names a message that is not in the batch")
		}
		failed[*f.ItemIdentifier] = true
	}
	return failed, nil
}

func event(arn string, batch []*message) []byte {
	e := events.SQSEvent{}
	millis := func(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }
	for _, m := range batch {
		sum := md5.Sum([]byte(m.body)) //nolint:gosec // as above
		e.Records = append(e.Records, events.SQSMessage{
			MessageId: m.id, ReceiptHandle: base64.StdEncoding.EncodeToString([]byte(m.id + " " + strconv.Itoa(m.receives))), Body: m.body,
			Md5OfBody: hex.EncodeToString(sum[:]),
			Attributes: map[string]string{
				"ApproximateReceiveCount": strconv.Itoa(m.receives), "SentTimestamp": millis(m.sent), "SenderId": "AIDALOCALSNS",
				"ApproximateFirstReceiveTimestamp": millis(m.first),
			},
			MessageAttributes: map[string]events.SQSMessageAttribute{}, EventSource: "aws:sqs", EventSourceARN: arn, AWSRegion: template.Region,
		})
	}
	raw, _ := json.Marshal(e)
	return raw
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
