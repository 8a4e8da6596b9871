package events

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// bridge is EventBridge behind the SDK's own client: a script of answers, one per request, the last again and again. An answer
// is an error code for each entry, "" for one that is taken, or a status for the whole request. It speaks the wire protocol
// without a wire, so that it works on the clock of a synctest bubble.
type bridge struct {
	script []any
	asked  [][]string // ids, per request
}

func (b *bridge) Do(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	var in struct {
		Entries []struct{ EventBusName, Source, DetailType, Detail string }
	}
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if err := json.NewDecoder(bytes.NewReader(raw)).Decode(&in); err != nil {
		return nil, err
	}
	var ids []string
	for _, e := range in.Entries {
		var d Detail
		if err := json.Unmarshal([]byte(e.Detail), &d); err != nil {
			return nil, err
		}
		if e.EventBusName != "bus" || e.Source != "concord" || e.DetailType != string(InvitationCreated) {
			return nil, fmt.Errorf("entry %+v", e)
		}
		ids = append(ids, d.ID)
	}
	b.asked = append(b.asked, ids)
	answer := b.script[min(len(b.asked), len(b.script))-1]
	respond := func(status int, body string) (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	}
	switch answer := answer.(type) {
	case error:
		return nil, answer
	case int:
		return respond(answer, `{"__type":"InternalException"}`)
	case string:
		return respond(400, `{"__type":"`+answer+`"}`)
	case []string:
		var entries []string
		for n := range ids {
			if code := answer[min(n, len(answer)-1)]; code != "" {
				entries = append(entries, `{"ErrorCode":"`+code+`","ErrorMessage":"because"}`)
			} else {
				entries = append(entries, `{"EventId":"x"}`)
			}
		}
		return respond(200, `{"FailedEntryCount":0,"Entries":[`+strings.Join(entries, ",")+`]}`)
	}
	return respond(200, `{"FailedEntryCount":0,"Entries":[]}`)
}

func TestPut(t *testing.T) {
	const slow, broken, denied = "ThrottlingException", "InternalFailure", "AccessDeniedException"
	all := []string{"0", "1", "2", "3"}
	for _, c := range []struct {
		name      string
		script    []any
		delivered int // -1 when Put succeeds
		asked     [][]string
	}{
		{"taken", []any{[]string{""}}, -1, [][]string{all}},
		{"some later", []any{[]string{"", slow, "", broken}, []string{""}}, -1, [][]string{all, {"1", "3"}}},
		{"fewer each time", []any{[]string{slow}, []string{"", slow}, []string{""}}, -1, [][]string{all, all, {"1", "2", "3"}}},
		{"one never", []any{[]string{"", "", slow, ""}, []string{slow}}, 2, [][]string{all, {"2"}, {"2"}, {"2"}, {"2"}}},
		{"one refused", []any{[]string{"", denied, "", slow}}, 1, [][]string{all}},
		{"the last refused", []any{[]string{"", "", "", "MalformedDetail"}}, 3, [][]string{all}},
		{"a request throttled", []any{slow, []string{""}}, -1, [][]string{all, all}},
		{"a request failed", []any{500, 503, []string{""}}, -1, [][]string{all, all, all}},
		{"no connection", []any{errors.New("refused")}, 0, nil},
		{"requests fail", []any{500}, 0, [][]string{all, all, all, all, all}},
		{"a request refused", []any{"ValidationException"}, 0, [][]string{all}},
		{"an answer without entries", []any{nil}, 0, [][]string{all}},
		{"the rest cannot be asked for", []any{[]string{"", slow, ""}, "AccessDeniedException"}, 1, [][]string{all, {"1"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &bridge{script: c.script}
				cfg := credentials
				cfg.HTTPClient = b
				var group []Event
				for _, id := range all {
					group = append(group, Event{InvitationCreated, Detail{Version: Version, ID: id, OccurredAt: time.Now()}})
				}
				began := time.Now()
				delivered, err := NewBus(cfg, "bus").Put(t.Context(), group)
				if failed := c.delivered >= 0; failed != (err != nil) || failed && delivered != c.delivered || !failed && delivered != len(all) {
					t.Errorf("%d delivered, %v", delivered, err)
				}
				if c.asked != nil && !slices.EqualFunc(b.asked, c.asked, slices.Equal[[]string]) {
					t.Errorf("asked for %v, want %v", b.asked, c.asked)
				}
				if took := time.Since(began); took > PutTimeout {
					t.Errorf("it took %s", took)
				}
			})
		})
	}
	t.Run("until the deadline", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			cfg := credentials
			cfg.HTTPClient = &bridge{script: []any{[]string{slow}}}
			if n, err := NewBus(cfg, "bus").Put(ctx, []Event{{InvitationCreated, Detail{ID: "0"}}}); n != 0 || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%d, %v", n, err)
			}
		})
	})
}
