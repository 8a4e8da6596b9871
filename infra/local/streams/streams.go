// Package streams is Lambda's event source mapping for DynamoDB streams: it follows every shard of a table's stream, drops
// the records that no filter pattern matches, and hands the rest to a function in batches, in order per shard (and per item
// with a parallelization factor), with the retries, partial failures, bisection and discards that the template asks for.
package streams

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"concord/infra/local/lambda"
	"concord/infra/local/template"
)

// Client is what a mapping needs of the DynamoDB Streams API; *dynamodbstreams.Client is one.
type Client interface {
	DescribeStream(context.Context, *dynamodbstreams.DescribeStreamInput, ...func(*dynamodbstreams.Options)) (*dynamodbstreams.DescribeStreamOutput, error)
	GetShardIterator(context.Context, *dynamodbstreams.GetShardIteratorInput, ...func(*dynamodbstreams.Options)) (*dynamodbstreams.GetShardIteratorOutput, error)
	GetRecords(context.Context, *dynamodbstreams.GetRecordsInput, ...func(*dynamodbstreams.Options)) (*dynamodbstreams.GetRecordsOutput, error)
}

// Invoker gives an event to a function; the errors are those of lambda.Host.Invoke.
type Invoker interface {
	Invoke(ctx context.Context, function string, event []byte) ([]byte, error)
}

// Options are a mapping's surroundings.
type Options struct {
	Client       Client
	Functions    Invoker
	StreamARN    string                                      // of the engine; the source has the template's
	DeletedByTTL func(table string, key map[string]any) bool // whether the TTL sweep deleted this item; may be nil
	OnFailure    func(destination string, message []byte)    // takes what is discarded, if the source has a destination
	Log          func(format string, arguments ...any)       // trouble, in one line; may be nil
	Poll         time.Duration                               // least pause between two reads of a shard; 0 for 25 ms
	Backoff      func(attempt int) time.Duration             // pause before a retry; nil for 100 ms doubling up to 5 s
}

// Mapping is an event source mapping that runs.
type Mapping struct {
	source   template.StreamSource
	o        Options
	pass     filter
	cancel   context.CancelFunc
	ended    chan struct{}
	inFlight atomic.Int64
	empty    atomic.Int64 // reads that found nothing

	waking sync.Mutex
	woken  chan struct{} // closed by Wake
}

// rest is the longest pause between two reads of a shard in which nothing comes: the engine looks through all that a stream holds for each.
const rest = 500 * time.Millisecond

// Wake has every shard read soon: whoever knows of a write says so. A write that nobody speaks of is seen half a second later.
func (m *Mapping) Wake() {
	m.waking.Lock()
	defer m.waking.Unlock()
	close(m.woken)
	m.woken = make(chan struct{})
}

func (m *Mapping) waker() <-chan struct{} {
	m.waking.Lock()
	defer m.waking.Unlock()
	return m.woken
}

// Start begins to follow a stream and returns when an iterator of every shard that is there is open: a record written
// after that is seen, whatever the starting position. End it with Close.
func Start(ctx context.Context, source template.StreamSource, o Options) (*Mapping, error) {
	if o.Poll == 0 {
		o.Poll = 25 * time.Millisecond
	}
	if o.Log == nil {
		o.Log = func(string, ...any) {}
	}
	if o.Backoff == nil {
		o.Backoff = func(attempt int) time.Duration { return min(100*time.Millisecond<<min(attempt, 10), 5*time.Second) }
	}
	m := &Mapping{source: source, o: o, ended: make(chan struct{}), woken: make(chan struct{})}
	var err error
	if m.pass, err = parsePatterns(source.Patterns); err != nil {
		return nil, err
	}
	shards, err := m.shards(ctx)
	if err != nil {
		return nil, fmt.Errorf("event source %s of %s: %w", source.Name, source.Function, err)
	}
	first := map[string]string{}
	for _, s := range shards {
		id := aws.ToString(s.ShardId)
		if first[id], err = m.open(ctx, id, types.ShardIteratorType(source.StartingPosition), ""); err != nil {
			return nil, fmt.Errorf("event source %s of %s: %w", source.Name, source.Function, err)
		}
	}
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	m.cancel = cancel
	go m.follow(running, shards, first)
	return m, nil
}

// Close ends the mapping and returns when nothing of it runs any more. A batch in flight is given up.
func (m *Mapping) Close() {
	m.cancel()
	<-m.ended
}

// InFlight counts the records that were read for the function and are neither handled nor discarded yet.
func (m *Mapping) InFlight() int { return int(m.inFlight.Load()) }

// Reads counts the reads that found nothing new: when two more have ended since a write, its record was read before them.
func (m *Mapping) Reads() int64 { return m.empty.Load() }

func (m *Mapping) shards(ctx context.Context) ([]types.Shard, error) {
	var all []types.Shard
	in := &dynamodbstreams.DescribeStreamInput{StreamArn: &m.o.StreamARN}
	for {
		out, err := m.o.Client.DescribeStream(ctx, in)
		if err != nil {
			return nil, err
		}
		all = append(all, out.StreamDescription.Shards...)
		if out.StreamDescription.LastEvaluatedShardId == nil {
			return all, nil
		}
		in.ExclusiveStartShardId = out.StreamDescription.LastEvaluatedShardId
	}
}

func (m *Mapping) open(ctx context.Context, shard string, from types.ShardIteratorType, after string) (string, error) {
	in := &dynamodbstreams.GetShardIteratorInput{StreamArn: &m.o.StreamARN, ShardId: &shard, ShardIteratorType: from}
	if after != "" {
		in.ShardIteratorType, in.SequenceNumber = types.ShardIteratorTypeAfterSequenceNumber, &after
	}
	out, err := m.o.Client.GetShardIterator(ctx, in)
	if err != nil {
		return "", err
	}
	return aws.ToString(out.ShardIterator), nil
}

// follow starts a reader for each shard once its parent has been read to the end. Whether a shard is closed is learnt
// from its iterators alone: an engine may give an open shard an EndingSequenceNumber.
func (m *Mapping) follow(ctx context.Context, shards []types.Shard, iterators map[string]string) {
	defer close(m.ended)
	var readers sync.WaitGroup
	defer readers.Wait()
	known, done := map[string]bool{}, map[string]bool{}
	finished := make(chan string)
	again := time.NewTicker(time.Second)
	defer again.Stop()
	for {
		listed := map[string]bool{}
		for _, s := range shards {
			listed[aws.ToString(s.ShardId)] = true
		}
		for _, s := range shards {
			id, parent := aws.ToString(s.ShardId), aws.ToString(s.ParentShardId)
			if known[id] || listed[parent] && !done[parent] {
				continue
			}
			known[id] = true
			iterator := iterators[id]
			readers.Go(func() {
				m.read(ctx, id, iterator)
				select {
				case finished <- id:
				case <-ctx.Done():
				}
			})
		}
		select {
		case <-ctx.Done():
			return
		case id := <-finished:
			done[id] = true
		case <-again.C:
		}
		if now, err := m.shards(ctx); err == nil {
			shards = now
		} else if ctx.Err() == nil {
			m.o.Log("stream of %s: %v", m.source.Function, err)
		}
	}
}

// read follows one shard to its end and returns when every record of it is handled. Without an iterator it begins with
// the shard's oldest record, as for every shard that appears later.
func (m *Mapping) read(ctx context.Context, shard, iterator string) {
	lanes := make([]chan []record, max(1, m.source.Parallelization))
	var working sync.WaitGroup
	for i := range lanes {
		lanes[i] = make(chan []record, 2)
		working.Go(func() { m.work(ctx, shard, lanes[i]) })
	}
	defer working.Wait()
	defer func() {
		for _, l := range lanes {
			close(l)
		}
	}()
	last, idle := "", m.o.Poll
	for ctx.Err() == nil {
		woken := m.waker() // before the read: a write during it counts
		if iterator == "" {
			from := types.ShardIteratorTypeTrimHorizon
			it, err := m.open(ctx, shard, from, last)
			if _, trimmed := errors.AsType[*types.TrimmedDataAccessException](err); trimmed {
				last = "" // what came after it is gone after 24 hours: go on with the oldest that is left
				continue
			}
			if err != nil {
				if _, gone := errors.AsType[*types.ResourceNotFoundException](err); gone {
					return
				}
				m.o.Log("stream of %s: %v", m.source.Function, err)
				pause(ctx, time.Second)
				continue
			}
			iterator = it
		}
		out, err := m.o.Client.GetRecords(ctx, &dynamodbstreams.GetRecordsInput{ShardIterator: &iterator, Limit: aws.Int32(most)})
		if err != nil {
			if ctx.Err() == nil {
				m.o.Log("stream of %s: %v", m.source.Function, err)
			}
			_, expired := errors.AsType[*types.ExpiredIteratorException](err)
			_, trimmed := errors.AsType[*types.TrimmedDataAccessException](err)
			// An iterator that failed before the first record is kept: a new one could begin elsewhere.
			if expired || trimmed || last != "" {
				iterator = ""
			}
			if !expired {
				pause(ctx, 200*time.Millisecond)
			}
			continue
		}
		if idle *= 2; len(out.Records) > 0 {
			idle = m.o.Poll
		} else {
			m.empty.Add(1)
		}
		groups := make([][]record, len(lanes))
		for _, r := range out.Records {
			c := convert(r, m.source.StreamARN, m.o.DeletedByTTL, m.source.Table)
			last = c.sequence
			if !m.pass(c.fields) {
				continue
			}
			if c.json, err = json.Marshal(c.fields); err != nil {
				m.o.Log("stream of %s: record %s: %v", m.source.Function, c.sequence, err)
				continue
			}
			i := c.lane % uint32(len(lanes))
			groups[i] = append(groups[i], c)
		}
		for i, group := range groups {
			if len(group) == 0 {
				continue
			}
			m.inFlight.Add(int64(len(group)))
			select {
			case lanes[i] <- group:
			case <-ctx.Done():
				return
			}
		}
		if out.NextShardIterator == nil {
			return
		}
		iterator = *out.NextShardIterator
		// While records come one by one, reading after each of them would keep the engine from its work: it looks through all that the stream
		// holds.
		if len(out.Records) < most {
			pause(ctx, m.o.Poll)
			idle = min(idle, max(rest, m.o.Poll))
			if await(ctx, woken, idle-m.o.Poll) {
				idle = m.o.Poll
			}
		}
	}
}

// await pauses until somebody wakes, and reports whether somebody did.
func await(ctx context.Context, woken <-chan struct{}, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-woken:
		return true
	case <-t.C:
	case <-ctx.Done():
	}
	return false
}

// most is how many records one read of a shard gives at most.
const most = 1000

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// work handles the records of one lane of a shard, one batch at a time. What was read together goes together.
func (m *Mapping) work(ctx context.Context, shard string, in <-chan []record) {
	var waiting []record
	for ctx.Err() == nil {
		if len(waiting) == 0 {
			group, open := <-in
			if !open {
				return
			}
			waiting = group
		}
		waiting = append(waiting, m.collect(ctx, in, m.source.BatchSize-len(waiting))...)
		n := min(m.source.BatchSize, len(waiting))
		m.process(ctx, shard, waiting[:n:n], 0)
		m.inFlight.Add(-int64(n))
		waiting = waiting[n:]
	}
}

// collect takes what has been read meanwhile, and waits for more during the batching window, until it has n records.
func (m *Mapping) collect(ctx context.Context, in <-chan []record, n int) []record {
	var more []record
	window := time.NewTimer(m.source.BatchingWindow)
	defer window.Stop()
	for len(more) < n {
		select {
		case group, open := <-in:
			if !open {
				return more
			}
			more = append(more, group...)
			continue
		default:
		}
		if m.source.BatchingWindow == 0 {
			return more
		}
		select {
		case group, open := <-in:
			if !open {
				return more
			}
			more = append(more, group...)
		case <-window.C:
			return more
		case <-ctx.Done():
			return more
		}
	}
	return more
}

// process brings a batch to its end: handled, or discarded by age or retries. attempt is how many retries were used up;
// splitting a batch uses none.
func (m *Mapping) process(ctx context.Context, shard string, batch []record, attempt int) {
	for ctx.Err() == nil {
		if m.source.MaximumAge > 0 {
			old := 0
			for old < len(batch) && !batch[old].created.IsZero() && time.Since(batch[old].created) > m.source.MaximumAge {
				old++
			}
			if old > 0 {
				m.discard(shard, batch[:old], "RecordAgeExceeded", attempt+1)
				batch = batch[old:]
			}
		}
		if len(batch) == 0 {
			return
		}
		event := encode(batch)
		if len(event) > lambda.MaxPayload && len(batch) > 1 {
			m.process(ctx, shard, batch[:len(batch)/2], attempt)
			m.process(ctx, shard, batch[len(batch)/2:], attempt)
			return
		}
		answer, err := m.o.Functions.Invoke(ctx, m.source.Function, event)
		if errors.Is(err, lambda.ErrThrottled) {
			pause(ctx, m.o.Backoff(0))
			continue
		}
		failed := 0
		if err == nil {
			failed = m.firstFailure(answer, batch)
		}
		if failed == len(batch) || ctx.Err() != nil {
			return
		}
		if err != nil {
			m.o.Log("stream of %s: %v", m.source.Function, err)
		}
		batch = batch[failed:]
		if m.source.MaximumRetries >= 0 && attempt >= m.source.MaximumRetries {
			m.discard(shard, batch, "RetryAttemptsExhausted", attempt+1)
			return
		}
		if m.source.Bisect && failed == 0 && len(batch) > 1 {
			m.process(ctx, shard, batch[:len(batch)/2], attempt)
			m.process(ctx, shard, batch[len(batch)/2:], attempt)
			return
		}
		pause(ctx, m.o.Backoff(attempt))
		attempt++
	}
}

// firstFailure gives the index from which a batch is delivered again; its length when all is well. Whatever does not
// name a record of the batch means the whole batch, as on Lambda.
func (m *Mapping) firstFailure(answer []byte, batch []record) int {
	if !m.source.PartialFailures || len(bytes.TrimSpace(answer)) == 0 {
		return len(batch)
	}
	var document struct {
		BatchItemFailures []struct {
			ItemIdentifier *string `json:"itemIdentifier"`
		} `json:"batchItemFailures"`
	}
	if err := json.Unmarshal(answer, &document); err != nil {
		return 0
	}
	first := len(batch)
	for _, f := range document.BatchItemFailures {
		if f.ItemIdentifier == nil {
			return 0
		}
		i := slices.IndexFunc(batch, func(r record) bool { return r.sequence == *f.ItemIdentifier })
		if i < 0 {
			return 0
		}
		first = min(first, i)
	}
	return first
}

func encode(batch []record) []byte {
	var b bytes.Buffer
	b.WriteString(`{"Records":[`)
	for i, r := range batch {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(r.json)
	}
	b.WriteString(`]}`)
	return b.Bytes()
}

// discard gives up records and tells the destination on failure, in the shape that Lambda sends: where the records stood in
// the stream and, to a bucket, the records themselves.
func (m *Mapping) discard(shard string, batch []record, why string, tries int) {
	m.o.Log("stream of %s: %d records discarded: %s", m.source.Function, len(batch), why)
	if m.source.OnFailure == "" || m.o.OnFailure == nil {
		return
	}
	at := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	first, last := batch[0], batch[len(batch)-1]
	document := map[string]any{
		"version": "1.0", "timestamp": time.Now().UTC().Format("2006-01-02T15:04:05.000Z"),
		"requestContext":  map[string]any{"functionArn": m.source.Function, "condition": why, "approximateInvokeCount": tries},
		"responseContext": map[string]any{"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
		"DDBStreamBatchInfo": map[string]any{
			"shardId": shard, "startSequenceNumber": first.sequence, "endSequenceNumber": last.sequence,
			"approximateArrivalOfFirstRecord": at(first.created), "approximateArrivalOfLastRecord": at(last.created),
			"batchSize": len(batch), "streamArn": m.source.StreamARN,
		},
	}
	if strings.HasPrefix(m.source.OnFailure, "arn:aws:s3:::") {
		document["payload"] = string(encode(batch))
	}
	message, _ := json.Marshal(document)
	m.o.OnFailure(m.source.OnFailure, message)
}
