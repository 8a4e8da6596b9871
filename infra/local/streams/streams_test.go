package streams_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	streamtypes "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"concord/infra/local/engine"
	"concord/infra/local/lambda"
	"concord/infra/local/streams"
	"concord/infra/local/template"
)

var credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
})

// table is a table with a stream on the real engine.
type table struct {
	t      *testing.T
	name   string
	db     *dynamodb.Client
	stream *dynamodbstreams.Client
	arn    string
}

var tables atomic.Int64

func newTable(t *testing.T) *table {
	t.Helper()
	endpoint := engine.StartForTest(t)
	x := &table{t: t, name: fmt.Sprintf("streams-%d-%d", time.Now().UnixNano(), tables.Add(1))}
	x.db = dynamodb.New(dynamodb.Options{Region: template.Region, BaseEndpoint: &endpoint, Credentials: credentials})
	x.stream = dynamodbstreams.New(dynamodbstreams.Options{Region: template.Region, BaseEndpoint: &endpoint,
		Credentials: credentials})
	out, err := x.db.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: &x.name, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("pk"),
			AttributeType: types.ScalarAttributeTypeS}, {AttributeName: aws.String("sk"), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema: []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash},
			{AttributeName: aws.String("sk"), KeyType: types.KeyTypeRange}},
		StreamSpecification: &types.StreamSpecification{StreamEnabled: aws.Bool(true),
			StreamViewType: types.StreamViewTypeNewAndOldImages},
	})
	if err != nil {
		t.Fatal(err)
	}
	x.arn = aws.ToString(out.TableDescription.LatestStreamArn)
	return x
}

func (x *table) put(pk, sk string, n int) {
	x.t.Helper()
	if _, err := x.db.PutItem(x.t.Context(), &dynamodb.PutItemInput{TableName: &x.name,
		Item: map[string]types.AttributeValue{
			"pk": &types.AttributeValueMemberS{Value: pk}, "sk": &types.AttributeValueMemberS{Value: sk},
			"n": &types.AttributeValueMemberN{Value: strconv.Itoa(n)},
		}}); err != nil {
		x.t.Fatal(err)
	}
}

func (x *table) remove(pk, sk string) {
	x.t.Helper()
	if _, err := x.db.DeleteItem(x.t.Context(), &dynamodb.DeleteItemInput{TableName: &x.name,
		Key: map[string]types.AttributeValue{
			"pk": &types.AttributeValueMemberS{Value: pk}, "sk": &types.AttributeValueMemberS{Value: sk},
		}}); err != nil {
		x.t.Fatal(err)
	}
}

// function takes batches in place of the sandboxes.
type function struct {
	mu      sync.Mutex
	batches [][]events.DynamoDBEventRecord
	raw     [][]byte
	answer  func(call int, batch []events.DynamoDBEventRecord) ([]byte, error)
}

func (f *function) Invoke(_ context.Context, _ string, event []byte) ([]byte, error) {
	var e events.DynamoDBEvent
	if err := json.Unmarshal(event, &e); err != nil {
		return nil, err
	}
	f.mu.Lock()
	call := len(f.batches)
	f.batches, f.raw = append(f.batches, e.Records), append(f.raw, event)
	f.mu.Unlock()
	if f.answer == nil {
		return []byte(`{"batchItemFailures":[]}`), nil
	}
	return f.answer(call, e.Records)
}

// ns is the n of each record of each batch.
func (f *function) ns() [][]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out [][]string
	for _, b := range f.batches {
		out = append(out, nsOf(b))
	}
	return out
}

func nsOf(batch []events.DynamoDBEventRecord) []string {
	var line []string
	for _, r := range batch {
		n := "-"
		if v, ok := r.Change.NewImage["n"]; ok {
			n = v.Number()
		}
		line = append(line, n)
	}
	return line
}

func (f *function) count() int {
	n := 0
	for _, b := range f.ns() {
		n += len(b)
	}
	return n
}

func follow(t *testing.T, x *table, f *function, source template.StreamSource,
	change ...func(*streams.Options)) *streams.Mapping {
	t.Helper()
	source.Name, source.Function, source.Table, source.StreamARN = "Changed", "F", "Table",
		"arn:aws:dynamodb:us-east-1:000000000000:table/T/stream/local"
	if source.BatchSize == 0 {
		source.BatchSize = 100
	}
	if source.StartingPosition == "" {
		source.StartingPosition = "TRIM_HORIZON"
	}
	o := streams.Options{
		Client: x.stream, Functions: f, StreamARN: x.arn, Poll: 5 * time.Millisecond, Log: t.Logf,
		Backoff: func(int) time.Duration { return time.Millisecond },
	}
	for _, c := range change {
		c(&o)
	}
	m, err := streams.Start(t.Context(), source, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

func eventually(t *testing.T, what string, test func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !test(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

func want(t *testing.T, f *function, batches ...string) {
	t.Helper()
	var got []string
	eventually(t, strings.Join(batches, " | "), func() bool {
		got = got[:0]
		for _, b := range f.ns() {
			got = append(got, strings.Join(b, " "))
		}
		return len(got) >= len(batches)
	})
	if !slices.Equal(got, batches) {
		t.Errorf("got %q, want %q", got, batches)
	}
}

// wrote writes n items of one partition before the mapping starts, so that they come in one piece.
func wrote(t *testing.T, n int) *table {
	x := newTable(t)
	for i := range n {
		x.put("p", fmt.Sprintf("%03d", i), i)
	}
	return x
}

func TestRecordHasLambdasShape(t *testing.T) {
	x, f := newTable(t), &function{}
	follow(t, x, f, template.StreamSource{})
	x.put("p", "s", 1)
	x.put("p", "s", 2)
	x.remove("p", "s")
	eventually(t, "three records", func() bool { return f.count() == 3 })
	var records []events.DynamoDBEventRecord
	for _, b := range f.batches {
		records = append(records, b...)
	}
	for i, name := range []string{"INSERT", "MODIFY", "REMOVE"} {
		r := records[i]
		if r.EventName != name || r.EventSource != "aws:dynamodb" || r.EventVersion != "1.1" ||
			r.AWSRegion != "us-east-1" || r.EventID == "" ||
			r.EventSourceArn != "arn:aws:dynamodb:us-east-1:000000000000:table/T/stream/local" || r.UserIdentity != nil {
			t.Errorf("record %d: %+v", i, r)
		}
		c := r.Change
		if c.Keys["pk"].String() != "p" || c.Keys["sk"].String() != "s" || c.SequenceNumber == "" ||
			c.StreamViewType != "NEW_AND_OLD_IMAGES" || c.SizeBytes == 0 ||
			time.Since(c.ApproximateCreationDateTime.Time) > time.Minute {
			t.Errorf("change %d: %+v", i, c)
		}
		if (c.OldImage == nil) != (name == "INSERT") || (c.NewImage == nil) != (name == "REMOVE") {
			t.Errorf("images %d: %v, %v", i, c.OldImage, c.NewImage)
		}
	}
	if raw := string(f.raw[0]); !strings.Contains(raw, `"ApproximateCreationDateTime":`) || !strings.Contains(raw,
		`"n":{"N":"1"}`) {
		t.Errorf("event %s", raw)
	}
}

func TestEveryAttributeTypeArrives(t *testing.T) {
	x, f := newTable(t), &function{}
	follow(t, x, f, template.StreamSource{})
	if _, err := x.db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &x.name,
		Item: map[string]types.AttributeValue{
			"pk": &types.AttributeValueMemberS{Value: "p"}, "sk": &types.AttributeValueMemberS{Value: "s"},
			"b": &types.AttributeValueMemberB{Value: []byte{0, 255}}, "yes": &types.AttributeValueMemberBOOL{Value: true},
			"nil": &types.AttributeValueMemberNULL{Value: true},
			"ss":  &types.AttributeValueMemberSS{Value: []string{"a"}},
			"ns":  &types.AttributeValueMemberNS{Value: []string{"1"}}, "bs": &types.AttributeValueMemberBS{Value: [][]byte{{1}}},
			"m": &types.AttributeValueMemberM{Value: map[string]types.AttributeValue{"l": &types.AttributeValueMemberL{Value: []types.AttributeValue{&types.AttributeValueMemberS{Value: "x"}}}}},
		}}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the record", func() bool { return f.count() == 1 })
	i := f.batches[0][0].Change.NewImage
	if string(i["b"].Binary()) != "\x00\xff" || !i["yes"].Boolean() || !i["nil"].IsNull() ||
		i["ss"].StringSet()[0] != "a" || i["ns"].NumberSet()[0] != "1" ||
		i["bs"].BinarySet()[0][0] != 1 || i["m"].Map()["l"].List()[0].String() != "x" {
		t.Errorf("image %v", i)
	}
}

func TestOnlyWhatPassesTheFilterArrives(t *testing.T) {
	x, f := newTable(t), &function{}
	follow(t, x, f, template.StreamSource{Patterns: []string{`{"dynamodb":{"NewImage":{"n":{"N":["2"]}}}}`}})
	for n := range 4 {
		x.put("p", "s", n)
	}
	want(t, f, "2")
}

func TestBatchSize(t *testing.T) {
	f := &function{}
	follow(t, wrote(t, 7), f, template.StreamSource{BatchSize: 3})
	want(t, f, "0 1 2", "3 4 5", "6")
}

func TestBatchingWindowCollects(t *testing.T) {
	x, f := newTable(t), &function{}
	follow(t, x, f, template.StreamSource{BatchingWindow: time.Second})
	for n := range 3 {
		x.put("p", "s", n)
		time.Sleep(20 * time.Millisecond)
	}
	want(t, f, "0 1 2")
}

func TestLatestSkipsWhatWasThereAndNothingElse(t *testing.T) {
	x, f := wrote(t, 3), &function{}
	follow(t, x, f, template.StreamSource{StartingPosition: "LATEST"})
	x.put("p", "new", 99)
	want(t, f, "99")
}

func report(batch []events.DynamoDBEventRecord, ns ...string) ([]byte, error) {
	var out events.DynamoDBEventResponse
	for _, r := range batch {
		if slices.Contains(ns, r.Change.NewImage["n"].Number()) {
			out.BatchItemFailures = append(out.BatchItemFailures,
				events.DynamoDBBatchItemFailure{ItemIdentifier: r.Change.SequenceNumber})
		}
	}
	return json.Marshal(out)
}

func TestPartialFailureIsDeliveredAgainFromTheFirst(t *testing.T) {
	f := &function{answer: func(call int, b []events.DynamoDBEventRecord) ([]byte, error) {
		if call == 0 {
			return report(b, "3", "2") // in any order
		}
		return nil, nil
	}}
	x := wrote(t, 5)
	follow(t, x, f, template.StreamSource{PartialFailures: true, MaximumRetries: -1})
	want(t, f, "0 1 2 3 4", "2 3 4")
}

func TestAnswerIsIgnoredWithoutReportBatchItemFailures(t *testing.T) {
	f := &function{answer: func(_ int, b []events.DynamoDBEventRecord) ([]byte, error) { return report(b, "0") }}
	x := wrote(t, 2)
	m := follow(t, x, f, template.StreamSource{MaximumRetries: -1})
	want(t, f, "0 1")
	eventually(t, "nothing is in flight", func() bool { return m.InFlight() == 0 })
	if n := len(f.ns()); n != 1 {
		t.Errorf("%d calls", n)
	}
}

func TestAnswerThatNamesNoRecordMeansTheWholeBatch(t *testing.T) {
	for name, answer := range map[string]string{
		"unknown number": `{"batchItemFailures":[{"itemIdentifier":"nope"}]}`,
		"null":           `{"batchItemFailures":[{"itemIdentifier":null}]}`,
		"no identifier":  `{"batchItemFailures":[{}]}`,
		"not the shape":  `"done"`,
	} {
		t.Run(name, func(t *testing.T) {
			f := &function{answer: func(call int, _ []events.DynamoDBEventRecord) ([]byte, error) {
				if call == 0 {
					return []byte(answer), nil
				}
				return []byte(`{}`), nil
			}}
			follow(t, wrote(t, 2), f, template.StreamSource{PartialFailures: true, MaximumRetries: -1})
			want(t, f, "0 1", "0 1")
		})
	}
}

func TestErrorIsRetriedAndThenDiscarded(t *testing.T) {
	for destination, whole := range map[string]bool{"arn:aws:sqs:::q": false, "arn:aws:s3:::b": true} {
		t.Run(destination, func(t *testing.T) { discards(t, destination, whole) })
	}
}

func discards(t *testing.T, destination string, whole bool) {
	discarded := make(chan []byte, 1)
	f := &function{answer: func(_ int, b []events.DynamoDBEventRecord) ([]byte, error) {
		if len(b) == 2 {
			return nil, &lambda.FunctionError{Type: "errorString"}
		}
		return nil, nil
	}}
	x := wrote(t, 2)
	follow(t, x, f, template.StreamSource{MaximumRetries: 2, OnFailure: destination}, func(o *streams.Options) {
		o.OnFailure = func(to string, message []byte) {
			if to == destination {
				discarded <- message
			}
		}
	})
	want(t, f, "0 1", "0 1", "0 1")
	x.put("p", "later", 9)
	want(t, f, "0 1", "0 1", "0 1", "9")
	var message struct {
		RequestContext     struct{ Condition string }
		DDBStreamBatchInfo struct {
			ShardID, StartSequenceNumber, EndSequenceNumber string
			BatchSize                                       int
		}
		Payload string
	}
	raw := <-discarded
	if err := json.Unmarshal(raw, &message); err != nil {
		t.Fatal(err)
	}
	first, last := f.batches[0][0].Change.SequenceNumber, f.batches[0][1].Change.SequenceNumber
	if i := message.DDBStreamBatchInfo; message.RequestContext.Condition != "RetryAttemptsExhausted" ||
		i.StartSequenceNumber != first || i.EndSequenceNumber != last || i.BatchSize != 2 || i.ShardID == "" {
		t.Errorf("message %s", raw)
	}
	var payload events.DynamoDBEvent
	if err := json.Unmarshal([]byte(message.Payload), &payload); (err == nil) != whole || whole &&
		len(payload.Records) != 2 {
		t.Errorf("payload %q, %v", message.Payload, err)
	}
}

func TestBisectionFindsThePoison(t *testing.T) {
	f := &function{answer: func(_ int, b []events.DynamoDBEventRecord) ([]byte, error) {
		if slices.Contains(nsOf(b), "2") {
			return nil, errors.New("poison")
		}
		return nil, nil
	}}
	x := wrote(t, 4)
	follow(t, x, f, template.StreamSource{Bisect: true, PartialFailures: true, MaximumRetries: 1})
	// Splitting uses no retry; the half before the poison is done first, so the order stays.
	want(t, f, "0 1 2 3", "0 1", "2 3", "2", "2", "3")
}

func TestThrottleUsesNoRetry(t *testing.T) {
	f := &function{answer: func(call int, _ []events.DynamoDBEventRecord) ([]byte, error) {
		if call < 5 {
			return nil, lambda.ErrThrottled
		}
		return nil, nil
	}}
	follow(t, wrote(t, 1), f, template.StreamSource{MaximumRetries: 0})
	want(t, f, "0", "0", "0", "0", "0", "0")
}

// dated gives each record the age that its n says, in minutes: an engine may round the time of creation to the minute.
type dated struct{ streams.Client }

func (c dated) GetRecords(ctx context.Context, in *dynamodbstreams.GetRecordsInput,
	o ...func(*dynamodbstreams.Options)) (*dynamodbstreams.GetRecordsOutput, error) {
	out, err := c.Client.GetRecords(ctx, in, o...)
	if err != nil {
		return nil, err
	}
	for _, r := range out.Records {
		minutes, err := strconv.Atoi(r.Dynamodb.NewImage["n"].(*streamtypes.AttributeValueMemberN).Value)
		if err != nil {
			return nil, err
		}
		r.Dynamodb.ApproximateCreationDateTime = aws.Time(time.Now().Add(-time.Duration(minutes) * time.Minute))
	}
	return out, nil
}

func TestRecordThatIsTooOldIsDiscarded(t *testing.T) {
	x, f := newTable(t), &function{}
	for i, minutes := range []int{90, 61, 58, 0} {
		x.put("p", strconv.Itoa(i), minutes)
	}
	follow(t, x, f, template.StreamSource{MaximumAge: time.Hour, MaximumRetries: -1},
		func(o *streams.Options) { o.Client = dated{x.stream} })
	want(t, f, "58 0")
}

func TestOrderIsKeptPerItemWithParallelization(t *testing.T) {
	x := newTable(t)
	for n := range 20 {
		for item := range 5 {
			x.put("p", strconv.Itoa(item), n)
		}
	}
	var running, most atomic.Int64
	f := &function{answer: func(int, []events.DynamoDBEventRecord) ([]byte, error) {
		most.Store(max(most.Load(), running.Add(1)))
		time.Sleep(5 * time.Millisecond)
		running.Add(-1)
		return nil, nil
	}}
	follow(t, x, f, template.StreamSource{Parallelization: 4, BatchSize: 3})
	eventually(t, "100 records", func() bool { return f.count() == 100 })
	if most.Load() < 2 {
		t.Error("the lanes did not run side by side")
	}
	last := map[string]int{}
	for _, b := range f.batches {
		for _, r := range b {
			n, _ := strconv.Atoi(r.Change.NewImage["n"].Number())
			item := r.Change.Keys["sk"].String()
			if before, seen := last[item]; seen && n != before+1 || !seen && n != 0 {
				t.Errorf("item %s: %d after %d", item, n, before)
			}
			last[item] = n
		}
	}
}

func TestDeletionByTTLCarriesTheServicesIdentity(t *testing.T) {
	x, f := newTable(t), &function{}
	follow(t, x, f, template.StreamSource{Patterns: []string{`{"eventName":["REMOVE"]}`}}, func(o *streams.Options) {
		o.DeletedByTTL = func(table string, key map[string]any) bool {
			raw, _ := json.Marshal(key)
			return table == "Table" && string(raw) == `{"pk":{"S":"p"},"sk":{"S":"old"}}`
		}
	})
	for _, sk := range []string{"old", "other"} {
		x.put("p", sk, 1)
		x.remove("p", sk)
	}
	eventually(t, "two records", func() bool { return f.count() == 2 })
	for _, b := range f.batches {
		for _, r := range b {
			byService := r.UserIdentity != nil && r.UserIdentity.Type == "Service" &&
				r.UserIdentity.PrincipalID == "dynamodb.amazonaws.com"
			if byService != (r.Change.Keys["sk"].String() == "old") {
				t.Errorf("%s: identity %+v", r.Change.Keys["sk"].String(), r.UserIdentity)
			}
		}
	}
}

// faulty fails reads as told.
type faulty struct {
	streams.Client
	mu    sync.Mutex
	reads int
	fault func(read int) error
}

func (c *faulty) GetRecords(ctx context.Context, in *dynamodbstreams.GetRecordsInput,
	o ...func(*dynamodbstreams.Options)) (*dynamodbstreams.GetRecordsOutput, error) {
	c.mu.Lock()
	c.reads++
	err := c.fault(c.reads)
	c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	in.Limit = aws.Int32(2)
	return c.Client.GetRecords(ctx, in, o...)
}

func TestReadFaultsLoseAndRepeatNothing(t *testing.T) {
	for name, fault := range map[string]error{
		"expired iterator": &streamtypes.ExpiredIteratorException{Message: aws.String("old")},
		"server trouble":   errors.New("500"),
	} {
		t.Run(name, func(t *testing.T) {
			f := &function{}
			x := wrote(t, 9)
			follow(t, x, f, template.StreamSource{}, func(o *streams.Options) {
				o.Client = &faulty{Client: x.stream, fault: func(read int) error {
					if read%2 == 0 {
						return fault
					}
					return nil
				}}
			})
			eventually(t, "nine records", func() bool { return f.count() >= 9 })
			if got := slices.Concat(f.ns()...); !slices.Equal(got, strings.Fields("0 1 2 3 4 5 6 7 8")) {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestFollowsPastTheEndOfAShard(t *testing.T) {
	// More writes than an engine keeps in one shard when it closes shards early.
	x, f := newTable(t), &function{}
	follow(t, x, f, template.StreamSource{})
	for n := range 300 {
		x.put("p", strconv.Itoa(n%7), n)
	}
	eventually(t, "300 records", func() bool { return f.count() >= 300 })
	for i, n := range slices.Concat(f.ns()...) {
		if n != strconv.Itoa(i) {
			t.Fatalf("record %d is %s", i, n)
		}
	}
}

func TestLatencyOfOneRecord(t *testing.T) {
	x, f := newTable(t), &function{}
	follow(t, x, f, template.StreamSource{}, func(o *streams.Options) { o.Poll = 0 })
	time.Sleep(200 * time.Millisecond)
	began := time.Now()
	x.put("p", "s", 1)
	eventually(t, "the record", func() bool { return f.count() == 1 })
	if d := time.Since(began); d > time.Second {
		t.Errorf("it took %s", d)
	}
}

func TestStartNamesAWrongPattern(t *testing.T) {
	_, err := streams.Start(t.Context(), template.StreamSource{Patterns: []string{`{"a":"b"}`}}, streams.Options{})
	if err == nil || !strings.Contains(err.Error(), `{"a":"b"}`) {
		t.Errorf("got %v", err)
	}
}

// counting is a client that counts reads of a stream with one shard in which there is nothing.
type counting struct {
	streams.Client
	reads atomic.Int64
}

func (c *counting) DescribeStream(context.Context, *dynamodbstreams.DescribeStreamInput,
	...func(*dynamodbstreams.Options)) (*dynamodbstreams.DescribeStreamOutput, error) {
	return &dynamodbstreams.DescribeStreamOutput{StreamDescription: &streamtypes.StreamDescription{Shards: []streamtypes.Shard{{ShardId: aws.String("one")}}}}, nil
}

func (c *counting) GetShardIterator(context.Context, *dynamodbstreams.GetShardIteratorInput,
	...func(*dynamodbstreams.Options)) (*dynamodbstreams.GetShardIteratorOutput, error) {
	return &dynamodbstreams.GetShardIteratorOutput{ShardIterator: aws.String("i")}, nil
}

func (c *counting) GetRecords(context.Context, *dynamodbstreams.GetRecordsInput,
	...func(*dynamodbstreams.Options)) (*dynamodbstreams.GetRecordsOutput, error) {
	c.reads.Add(1)
	return &dynamodbstreams.GetRecordsOutput{NextShardIterator: aws.String("i")}, nil
}

// A stream in which nothing comes is read about twice a second, and at once when somebody says that there was a write.
func TestAQuietStreamIsReadSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &counting{}
		m, err := streams.Start(t.Context(), template.StreamSource{Name: "s", Function: "f", BatchSize: 10,
			StartingPosition: "LATEST"}, streams.Options{Client: c})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		time.Sleep(5 * time.Second)
		before := c.reads.Load()
		time.Sleep(10 * time.Second)
		if n := c.reads.Load() - before; n < 15 || n > 25 {
			t.Errorf("%d reads in ten quiet seconds", n)
		}
		time.Sleep(100 * time.Millisecond)
		before = c.reads.Load()
		m.Wake()
		time.Sleep(30 * time.Millisecond)
		if n := c.reads.Load() - before; n < 1 {
			t.Error("no read after a write")
		}
	})
}
