package stream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"concord/internal/observe"
)

func record(number string, image string) json.RawMessage {
	return json.RawMessage(`{"eventName":"MODIFY","dynamodb":{"SequenceNumber":"` + number + `","NewImage":` + image + `}}`)
}

func loop(metrics io.Writer) Loop {
	return Loop{Log: slog.New(slog.DiscardHandler), Metrics: &observe.Metrics{Function: "test", Out: metrics}, Reserve: 10 * time.Second}
}

const item = `{"pk":{"S":"a"}}`

func TestBatch(t *testing.T) {
	store := errors.New("the store is down")
	poison := fmt.Errorf("%w: version 9", ErrPoison)
	for _, c := range []struct {
		name     string
		records  []json.RawMessage
		fails    map[string]error
		seen     []string
		reported []string
		poisoned int
	}{
		{name: "empty"},
		{name: "all done", records: []json.RawMessage{record("1", item), record("2", item)}, seen: []string{"1", "2"}},
		{name: "stops at the first failure", records: []json.RawMessage{record("1", item), record("2", item), record("3", item)},
			fails: map[string]error{"2": store}, seen: []string{"1", "2"}, reported: []string{"2"}},
		{name: "first fails", records: []json.RawMessage{record("1", item), record("2", item)},
			fails: map[string]error{"1": store}, seen: []string{"1"}, reported: []string{"1"}},
		{name: "poison for the handler", records: []json.RawMessage{record("1", item), record("2", item)},
			fails: map[string]error{"1": poison}, seen: []string{"1", "2"}, poisoned: 1},
		{name: "poison before a failure", records: []json.RawMessage{record("1", item), record("2", item), record("3", item)},
			fails: map[string]error{"1": poison, "2": store}, seen: []string{"1", "2"}, reported: []string{"2"}, poisoned: 1},
		{name: "unknown type", records: []json.RawMessage{record("1", `{"pk":{"X":"a"}}`), record("2", item)}, seen: []string{"2"}, poisoned: 1},
		{name: "no type", records: []json.RawMessage{record("1", `{"pk":{}}`), record("2", item)}, seen: []string{"2"}, poisoned: 1},
		{name: "wrong content", records: []json.RawMessage{record("1", `{"pk":{"S":{"S":"a"}}}`), record("2", item)}, seen: []string{"2"}, poisoned: 1},
		{name: "malformed set", records: []json.RawMessage{record("1", `{"pk":{"BS":[7]}}`), record("2", item)}, seen: []string{"2"}, poisoned: 1},
		{name: "not an object", records: []json.RawMessage{json.RawMessage(`"text"`), record("2", item)}, seen: []string{"2"}, poisoned: 1},
		{name: "without number", records: []json.RawMessage{json.RawMessage(`{"eventName":"MODIFY"}`), record("2", item)}, seen: []string{"2"}, poisoned: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			var metrics bytes.Buffer
			var seen []string
			answer, err := loop(&metrics).Handler(func(_ context.Context, r Record) error {
				seen = append(seen, r.SequenceNumber)
				return c.fails[r.SequenceNumber]
			})(t.Context(), Batch{Records: c.records})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(seen, c.seen) {
				t.Errorf("handled %v, want %v", seen, c.seen)
			}
			var reported []string
			for _, f := range answer.BatchItemFailures {
				reported = append(reported, f.ItemIdentifier)
			}
			if !slices.Equal(reported, c.reported) {
				t.Errorf("reported %v, want %v", reported, c.reported)
			}
			if n := strings.Count(metrics.String(), `"RecordPoisoned":1`); n != c.poisoned {
				t.Errorf("%d records counted as poison, want %d", n, c.poisoned)
			}
			// Lambda takes null for a malformed answer in some runtimes; an empty list is success.
			if b, err := json.Marshal(answer); err != nil || strings.Contains(string(b), "null") {
				t.Errorf("answer %s, %v", b, err)
			}
		})
	}
}

func TestOutOfTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
		defer cancel()
		var seen []string
		answer, err := loop(io.Discard).Handler(func(_ context.Context, r Record) error {
			seen = append(seen, r.SequenceNumber)
			time.Sleep(9 * time.Second)
			return nil
		})(ctx, Batch{Records: []json.RawMessage{record("1", item), record("2", item), record("3", item), record("4", item)}})
		if err != nil {
			t.Fatal(err)
		}
		if want := []string{"1", "2"}; !slices.Equal(seen, want) {
			t.Errorf("handled %v, want %v", seen, want)
		}
		if f := answer.BatchItemFailures; len(f) != 1 || f[0].ItemIdentifier != "3" {
			t.Errorf("reported %v, want the third", f)
		}
	})
}

func TestImageHasEveryType(t *testing.T) {
	raw := record("1", `{"s":{"S":"a"},"n":{"N":"1.50"},"b":{"B":"AQI="},"t":{"BOOL":true},"z":{"NULL":true},"ss":{"SS":["a","b"]},
		"ns":{"NS":["1","2"]},"bs":{"BS":["AQI="]},"m":{"M":{"x":{"S":"y"},"e":{"M":{}}}},"l":{"L":[{"N":"7"},{"L":[]}]},"empty":{"S":""}}`)
	r, err := decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]types.AttributeValue{
		"s": &types.AttributeValueMemberS{Value: "a"}, "n": &types.AttributeValueMemberN{Value: "1.50"},
		"b": &types.AttributeValueMemberB{Value: []byte{1, 2}}, "t": &types.AttributeValueMemberBOOL{Value: true},
		"z": &types.AttributeValueMemberNULL{Value: true}, "ss": &types.AttributeValueMemberSS{Value: []string{"a", "b"}},
		"ns": &types.AttributeValueMemberNS{Value: []string{"1", "2"}}, "bs": &types.AttributeValueMemberBS{Value: [][]byte{{1, 2}}},
		"m": &types.AttributeValueMemberM{Value: map[string]types.AttributeValue{
			"x": &types.AttributeValueMemberS{Value: "y"}, "e": &types.AttributeValueMemberM{Value: map[string]types.AttributeValue{}}}},
		"l": &types.AttributeValueMemberL{Value: []types.AttributeValue{
			&types.AttributeValueMemberN{Value: "7"}, &types.AttributeValueMemberL{Value: []types.AttributeValue{}}}},
		"empty": &types.AttributeValueMemberS{Value: ""},
	}
	ignore := cmpopts.IgnoreUnexported(types.AttributeValueMemberS{}, types.AttributeValueMemberN{}, types.AttributeValueMemberB{},
		types.AttributeValueMemberBOOL{}, types.AttributeValueMemberNULL{}, types.AttributeValueMemberSS{}, types.AttributeValueMemberNS{},
		types.AttributeValueMemberBS{}, types.AttributeValueMemberM{}, types.AttributeValueMemberL{})
	if d := cmp.Diff(want, r.New, ignore); d != "" {
		t.Error(d)
	}
	if r.Old != nil || r.Event != "MODIFY" {
		t.Errorf("old image %v, event %q", r.Old, r.Event)
	}
	for _, broken := range []string{`{}`, `{"S":null}`, `{"S":"a","N":"1"}`, `{"NULL":false}`, `{"L":[{}]}`, `{"M":{"x":{}}}`, `{"B":"%"}`, `{"N":7}`} {
		r, err := decode(record("1", `{"a":`+broken+`}`))
		if !errors.Is(err, ErrPoison) || r.SequenceNumber != "1" || r.Event != "MODIFY" {
			t.Errorf("%s gives %v, record %q", broken, err, r.SequenceNumber)
		}
	}
}

// FuzzRecord finds a record that makes the loop panic, stop, or report what has no number.
func FuzzRecord(f *testing.F) {
	f.Add([]byte(record("1", item)))
	f.Add([]byte(record("2", `{"a":{"BS":[7]}}`)))
	f.Add([]byte(`{"dynamodb":{"SequenceNumber":7}}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		last := false
		answer, err := loop(io.Discard).Handler(func(_ context.Context, r Record) error {
			last = last || r.SequenceNumber == "last"
			return nil
		})(t.Context(), Batch{Records: []json.RawMessage{raw, record("last", item)}})
		if err != nil || len(answer.BatchItemFailures) != 0 || !last {
			t.Errorf("answer %v, error %v, went on: %v", answer, err, last)
		}
	})
}

func TestGather(t *testing.T) {
	down := errors.New("the bus is down")
	three := `{"n":{"N":"3"}}`
	for _, c := range []struct {
		name     string
		images   []string // n is how many values the record causes; poison is no attribute
		fail     string   // value that cannot be delivered
		groups   string
		reported string
		poisoned int
	}{
		{name: "empty"},
		{name: "nothing caused", images: []string{item, item}},
		{name: "groups over records", images: []string{three, three, item, three}, groups: "0a0b 0c1a 1b1c 3a3b 3c"},
		{name: "the first value fails", images: []string{three, three}, fail: "0a", groups: "0a0b", reported: "0"},
		{name: "the last of a group fails", images: []string{three, three}, fail: "1a", groups: "0a0b 0c1a", reported: "1"},
		{name: "the first of a group that goes on", images: []string{three, three}, fail: "0c", groups: "0a0b 0c1a", reported: "0"},
		{name: "poison", images: []string{`{"n":{"S":"many"}}`, three, `{"n":{"X":1}}`}, groups: "1a1b 1c", poisoned: 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			var metrics bytes.Buffer
			var groups []string
			var b Batch
			for n, image := range c.images {
				b.Records = append(b.Records, record(fmt.Sprint(n), image))
			}
			read := func(r Record) ([]string, error) {
				_, n, err := Pair(r, func(image map[string]types.AttributeValue) (int, error) {
					switch v := image["n"].(type) {
					case nil:
						return 0, nil
					case *types.AttributeValueMemberN:
						return int(v.Value[0] - '0'), nil
					}
					return 0, errors.New("n is no number")
				})
				var values []string
				for i := range n {
					values = append(values, r.SequenceNumber+string(rune('a'+i)))
				}
				return values, err
			}
			answer, err := Gather(loop(&metrics), 2, read, func(_ context.Context, group []string) (int, error) {
				groups = append(groups, strings.Join(group, ""))
				if at := slices.Index(group, c.fail); at >= 0 {
					return at, down
				}
				return len(group), nil
			})(t.Context(), b)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(groups, " "); got != c.groups {
				t.Errorf("groups %s, want %s", got, c.groups)
			}
			reported := ""
			for _, f := range answer.BatchItemFailures {
				reported += f.ItemIdentifier
			}
			if reported != c.reported {
				t.Errorf("reported %s, want %s", reported, c.reported)
			}
			if n := strings.Count(metrics.String(), `"RecordPoisoned":1`); n != c.poisoned {
				t.Errorf("%d records counted as poison, want %d", n, c.poisoned)
			}
			if b, err := json.Marshal(answer); err != nil || strings.Contains(string(b), "null") {
				t.Errorf("answer %s, %v", b, err)
			}
		})
	}
	t.Run("out of time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
			defer cancel()
			answer, err := Gather(loop(io.Discard), 1, func(r Record) ([]string, error) { return []string{r.SequenceNumber}, nil },
				func(context.Context, []string) (int, error) { time.Sleep(9 * time.Second); return 1, nil },
			)(ctx, Batch{Records: []json.RawMessage{record("1", item), record("2", item), record("3", item)}})
			if f := answer.BatchItemFailures; err != nil || len(f) != 1 || f[0].ItemIdentifier != "3" {
				t.Errorf("reported %v, want the third; %v", f, err)
			}
		})
	})
}

func TestPair(t *testing.T) {
	read := func(image map[string]types.AttributeValue) (string, error) {
		if s, ok := image["s"].(*types.AttributeValueMemberS); ok {
			return s.Value, nil
		}
		return "", errors.New("no s")
	}
	image := func(s string) map[string]types.AttributeValue {
		return map[string]types.AttributeValue{"s": &types.AttributeValueMemberS{Value: s}}
	}
	if before, after, err := Pair(Record{New: image("a")}, read); before != nil || after != "a" || err != nil {
		t.Errorf("new: %v %q %v", before, after, err)
	}
	if before, after, err := Pair(Record{Old: image("a"), New: image("b")}, read); err != nil || *before != "a" || after != "b" {
		t.Errorf("changed: %v %q %v", before, after, err)
	}
	for _, r := range []Record{{}, {Old: image("a")}, {Old: map[string]types.AttributeValue{}, New: image("b")}} {
		if _, _, err := Pair(r, read); !errors.Is(err, ErrPoison) {
			t.Errorf("%v: %v", r, err)
		}
	}
}
