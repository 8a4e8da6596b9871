// Package stream reads batches of a DynamoDB stream as Lambda hands them over.
//
// Lambda goes on behind the last record that was done: of all failures that a batch reports it takes the lowest sequence
// number and delivers everything from there again, whatever became of the records behind it. So [Loop.Handler] stops at the
// first failure: to go on would do the rest twice, and a record of an item would overtake an earlier one of the same item.
// [Lanes] has several items worked on at once, for work that waits for somebody else and does no harm when it is done again.
// What fails here is a store or a key that cannot be reached, which the next record would meet as well. A record that nobody
// will ever be able to read is no failure: it is logged, counted and passed over, so that it blocks no shard.
//
// Records of one item come in order and, with a parallelization factor, still to one invocation at a time. Every record can
// come again.
package stream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"concord/internal/observe"
)

// Batch is one event. A record is decoded by itself: a malformed one leaves the others readable.
type Batch struct {
	Records []json.RawMessage `json:"Records"`
}

// Record is one change of an item.
type Record struct {
	SequenceNumber string
	Event          string                          // INSERT, MODIFY or REMOVE
	Keys           map[string]types.AttributeValue // of the item
	Old, New       map[string]types.AttributeValue // nil when there is none
}

// ErrPoison marks what cannot be read now and never will be. An error of a handler that wraps it is passed over.
var ErrPoison = errors.New("stream: unreadable record")

// Loop hands the records of a batch over, one after another.
type Loop struct {
	Log     *slog.Logger
	Metrics *observe.Metrics
	// Reserve is what one record may take. When less is left before the deadline, the rest is left to the next invocation.
	Reserve time.Duration
}

// Function is what Lambda calls for each batch.
type Function = func(context.Context, Batch) (events.DynamoDBEventResponse, error)

// Handler gives the function that Lambda calls for each batch.
func (l Loop) Handler(each func(context.Context, Record) error) Function {
	return func(ctx context.Context, b Batch) (events.DynamoDBEventResponse, error) {
		for i, raw := range b.Records {
			r, err := decode(raw)
			if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < l.Reserve && r.SequenceNumber != "" {
				l.Log.WarnContext(ctx, "out of time", "left", len(b.Records)-i)
				return from(r), nil
			}
			if err == nil {
				err = each(ctx, r)
			}
			if err != nil && !l.passOver(ctx, r, err) {
				l.Log.ErrorContext(ctx, "record failed", "sequenceNumber", r.SequenceNumber, "left", len(b.Records)-i, "error", err)
				return from(r), nil
			}
		}
		return events.DynamoDBEventResponse{BatchItemFailures: []events.DynamoDBBatchItemFailure{}}, nil
	}
}

// passOver logs and counts a record that nobody will ever be able to read, and reports whether an error says that it is one.
func (l Loop) passOver(ctx context.Context, r Record, err error) bool {
	if !errors.Is(err, ErrPoison) {
		return false
	}
	l.Log.ErrorContext(ctx, "record passed over", "sequenceNumber", r.SequenceNumber, "event", r.Event, "error", err)
	l.Metrics.Put(map[string]float64{"RecordPoisoned": 1})
	return true
}

// Gather gives the function that Lambda calls for each batch, for what is delivered in groups: read says what a record
// causes, often nothing, and put delivers at most n of it at once and says how many, from the first on, are delivered. A record
// is done when everything that it caused is. Poison and failures are as with [Loop.Handler]; Reserve is what one put may take.
func Gather[T any](l Loop, n int, read func(Record) ([]T, error), put func(context.Context, []T) (delivered int, err error)) Function {
	return func(ctx context.Context, b Batch) (events.DynamoDBEventResponse, error) {
		var caused []T
		var causes []Record
		// Reading fails for good or not at all, so that the loop reports nothing here.
		out, err := Loop{Log: l.Log, Metrics: l.Metrics}.Handler(func(_ context.Context, r Record) error {
			values, err := read(r)
			if err != nil {
				return err
			}
			for _, v := range values {
				caused, causes = append(caused, v), append(causes, r)
			}
			return nil
		})(ctx, b)
		for len(caused) > 0 && err == nil {
			if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < l.Reserve {
				l.Log.WarnContext(ctx, "out of time", "left", len(caused))
				return from(causes[0]), nil
			}
			group := caused[:min(n, len(caused))]
			delivered, err := put(ctx, group)
			if err != nil {
				failed := causes[min(delivered, len(group)-1)]
				l.Log.ErrorContext(ctx, "record failed", "sequenceNumber", failed.SequenceNumber, "left", len(caused)-delivered, "error", err)
				return from(failed), nil
			}
			caused, causes = caused[len(group):], causes[len(group):]
		}
		return out, err
	}
}

// Pair reads both images of a record; before is nil when there was no item. What cannot be read is [ErrPoison].
func Pair[T any](r Record, read func(map[string]types.AttributeValue) (T, error)) (before *T, after T, err error) {
	if after, err = read(r.New); err != nil {
		return nil, after, fmt.Errorf("%w: %w", ErrPoison, err)
	}
	if r.Old == nil {
		return nil, after, nil
	}
	old, err := read(r.Old)
	if err != nil {
		return nil, after, fmt.Errorf("%w: what was before: %w", ErrPoison, err)
	}
	return &old, after, nil
}

func from(r Record) events.DynamoDBEventResponse {
	return events.DynamoDBEventResponse{BatchItemFailures: []events.DynamoDBBatchItemFailure{{ItemIdentifier: r.SequenceNumber}}}
}

// decode reads a record, once. What it cannot read is [ErrPoison]; the record then holds at most its number and kind of event.
func decode(raw json.RawMessage) (Record, error) {
	var in struct {
		EventName string `json:"eventName"`
		Change    struct {
			SequenceNumber           string
			Keys, NewImage, OldImage map[string]attribute
		} `json:"dynamodb"`
	}
	err := json.Unmarshal(raw, &in) // which goes on behind what does not fit
	r := Record{SequenceNumber: in.Change.SequenceNumber, Event: in.EventName}
	switch {
	case err != nil && r.SequenceNumber == "":
		return r, fmt.Errorf("%w: not a stream record", ErrPoison)
	case r.SequenceNumber == "":
		return r, fmt.Errorf("%w: no sequence number", ErrPoison)
	case err != nil:
		return r, fmt.Errorf("%w: attributes of no known form", ErrPoison)
	}
	if r.Keys, err = image(in.Change.Keys); err != nil {
		return r, err
	}
	if r.New, err = image(in.Change.NewImage); err != nil {
		return r, err
	}
	r.Old, err = image(in.Change.OldImage)
	return r, err
}

// image gives an item of a stream record as the SDK knows items, and nil for none. It fails with [ErrPoison] on a value that
// has no content, or two.
func image(in map[string]attribute) (map[string]types.AttributeValue, error) {
	if in == nil {
		return nil, nil
	}
	item := make(map[string]types.AttributeValue, len(in))
	for name, v := range in {
		value, err := v.value()
		if err != nil {
			return nil, fmt.Errorf("attribute %q: %w", name, err)
		}
		item[name] = value
	}
	return item, nil
}

// attribute is a value as a stream record has it: one of these is there. The library's own type is not read: it decodes each value into a
// map first, and its accessors panic, or print, for what is not there.
type attribute struct {
	S, N       *string
	B          []byte
	BOOL, NULL *bool
	SS, NS     []string
	BS         [][]byte
	M          map[string]attribute
	L          []attribute
}

func (a attribute) value() (types.AttributeValue, error) {
	var found []types.AttributeValue
	add := func(is bool, v types.AttributeValue) {
		if is {
			found = append(found, v)
		}
	}
	if a.S != nil {
		add(true, &types.AttributeValueMemberS{Value: *a.S})
	}
	if a.N != nil {
		add(true, &types.AttributeValueMemberN{Value: *a.N})
	}
	if a.BOOL != nil {
		add(true, &types.AttributeValueMemberBOOL{Value: *a.BOOL})
	}
	add(a.NULL != nil && *a.NULL, &types.AttributeValueMemberNULL{Value: true})
	add(a.B != nil, &types.AttributeValueMemberB{Value: a.B})
	add(a.SS != nil, &types.AttributeValueMemberSS{Value: a.SS})
	add(a.NS != nil, &types.AttributeValueMemberNS{Value: a.NS})
	add(a.BS != nil, &types.AttributeValueMemberBS{Value: a.BS})
	if a.M != nil {
		m, err := image(a.M)
		if err != nil {
			return nil, err
		}
		add(true, &types.AttributeValueMemberM{Value: m})
	}
	if a.L != nil {
		list := make([]types.AttributeValue, len(a.L))
		for n, e := range a.L {
			var err error
			if list[n], err = e.value(); err != nil {
				return nil, err
			}
		}
		add(true, &types.AttributeValueMemberL{Value: list})
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("%w: %d contents", ErrPoison, len(found))
	}
	return found[0], nil
}
