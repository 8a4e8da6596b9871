package stream

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// of is a record of an item.
func of(item string, number int) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"eventName":"MODIFY","dynamodb":{"SequenceNumber":"%d","Keys":{"pk":{"S":"p"},"sk":{"S":%q}},"NewImage":{"pk":{"S":"p"}}}}`,
		number, item))
}

// worked is what was worked on, in the order in which it began, and how many items were at once.
type worked struct {
	mu       sync.Mutex
	began    []string
	under    map[string]bool
	most     int
	overtook bool
}

// task takes a tenth of a second for a record.
func (w *worked) task(r Record, item string, rank int, fails error) Task {
	return Task{Rank: rank, Do: func(context.Context) error {
		w.mu.Lock()
		w.began = append(w.began, r.SequenceNumber)
		w.overtook = w.overtook || w.under[item]
		if w.under == nil {
			w.under = map[string]bool{}
		}
		w.under[item] = true
		w.most = max(w.most, len(w.under))
		w.mu.Unlock()
		time.Sleep(100 * time.Millisecond)
		w.mu.Lock()
		delete(w.under, item)
		w.mu.Unlock()
		return fails
	}}
}

func TestLanes(t *testing.T) {
	store, poison := errors.New("the store is down"), fmt.Errorf("%w: version 9", ErrPoison)
	for _, c := range []struct {
		name     string
		items    string // of the records 1, 2 and so on, by a letter; a capital goes before the others
		lanes    int
		fails    map[string]error
		began    []string // in their order; nil for any
		reported string
		most     int
		took     time.Duration
		poisoned int
	}{
		{name: "nothing", lanes: 4},
		{name: "one after another", items: "abc", lanes: 1, began: []string{"1", "2", "3"}, most: 1, took: 300 * time.Millisecond},
		{name: "at once", items: "abcd", lanes: 4, most: 4, took: 100 * time.Millisecond},
		{name: "no more than lanes", items: "abcdef", lanes: 3, most: 3, took: 200 * time.Millisecond},
		{name: "an item keeps its order", items: "aaaa", lanes: 4, began: []string{"1", "2", "3", "4"}, most: 1, took: 400 * time.Millisecond},
		{name: "what somebody waits for", items: "abcX", lanes: 1, began: []string{"4", "1", "2", "3"}, most: 1, took: 400 * time.Millisecond},
		{name: "an item of both kinds", items: "abxX", lanes: 1, began: []string{"3", "4", "1", "2"}, most: 1, took: 400 * time.Millisecond},
		{name: "poison", items: "abc", lanes: 1, fails: map[string]error{"2": poison}, began: []string{"1", "2", "3"}, most: 1,
			took: 300 * time.Millisecond, poisoned: 1},
		{name: "the lowest failure", items: "abcd", lanes: 4, fails: map[string]error{"2": store, "4": store}, reported: "2", most: 4},
		{name: "nothing begins after a failure", items: "abcd", lanes: 1, fails: map[string]error{"2": store}, began: []string{"1", "2"},
			reported: "2", most: 1, took: 200 * time.Millisecond},
		{name: "what was not begun is lower than what failed", items: "abC", lanes: 1, fails: map[string]error{"3": store},
			began: []string{"3"}, reported: "1", most: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var w worked
				var metrics bytes.Buffer
				var batch Batch
				for n, item := range c.items {
					batch.Records = append(batch.Records, of(strings.ToLower(string(item)), n+1))
				}
				start := time.Now()
				answer, err := Lanes(loop(&metrics), c.lanes, func(r Record) (Task, error) {
					n := slices.IndexFunc(batch.Records, func(raw json.RawMessage) bool {
						return strings.Contains(string(raw), `"SequenceNumber":"`+r.SequenceNumber+`"`)
					})
					rank := 1
					if c.items[n] < 'a' {
						rank = 0
					}
					return w.task(r, strings.ToLower(c.items[n:n+1]), rank, c.fails[r.SequenceNumber]), nil
				})(t.Context(), batch)
				if err != nil {
					t.Fatal(err)
				}
				reported := ""
				for _, f := range answer.BatchItemFailures {
					reported += f.ItemIdentifier
				}
				if reported != c.reported || answer.BatchItemFailures == nil {
					t.Errorf("reported %q, want %q", reported, c.reported)
				}
				if c.began != nil && !slices.Equal(w.began, c.began) {
					t.Errorf("began %v, want %v", w.began, c.began)
				}
				if w.overtook || w.most > c.lanes || w.most < c.most {
					t.Errorf("%d items at once, want %d; one item twice at once: %v", w.most, c.most, w.overtook)
				}
				if c.took > 0 && time.Since(start) != c.took {
					t.Errorf("it took %v, want %v", time.Since(start), c.took)
				}
				if n := strings.Count(metrics.String(), `"RecordPoisoned":1`); n != c.poisoned {
					t.Errorf("%d records counted as poison, want %d", n, c.poisoned)
				}
			})
		})
	}
}

// TestLanesOutOfTime: what was not begun is delivered again, from its lowest number on.
func TestLanesOutOfTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second+150*time.Millisecond)
		defer cancel()
		var w worked
		answer, err := Lanes(loop(&bytes.Buffer{}), 2, func(r Record) (Task, error) {
			return w.task(r, r.SequenceNumber, 0, nil), nil
		})(ctx, Batch{Records: []json.RawMessage{of("a", 1), of("b", 2), of("c", 3), of("d", 4), of("e", 5), of("f", 6)}})
		if err != nil {
			t.Fatal(err)
		}
		if f := answer.BatchItemFailures; len(w.began) != 4 || len(f) != 1 || f[0].ItemIdentifier != "5" {
			t.Errorf("began %v, reported %v", w.began, f)
		}
	})
}
