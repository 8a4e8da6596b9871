package bus_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"concord/infra/local/bus"
	"concord/internal/events"
)

func start(t *testing.T, keep int) (*bus.Server, string) {
	t.Helper()
	s := bus.New([]string{"concord"}, keep)
	mux := http.NewServeMux()
	mux.Handle("/", s)
	mux.HandleFunc("GET /events", s.ServeEvents)
	mux.HandleFunc("GET /follow", s.ServeFollow)
	h := httptest.NewServer(mux)
	t.Cleanup(func() { h.CloseClientConnections(); h.Close() })
	return s, h.URL
}

var credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "local", SecretAccessKey: "local"}, nil
})

func client(url string) *eventbridge.Client {
	return eventbridge.New(eventbridge.Options{Region: "us-east-1", BaseEndpoint: &url, Credentials: credentials, Retryer: aws.NopRetryer{}})
}

func entry(detailType string) types.PutEventsRequestEntry {
	return types.PutEventsRequestEntry{
		EventBusName: aws.String("concord"), Source: aws.String("concord"), DetailType: &detailType, Detail: aws.String(`{"n":1}`),
		Time: aws.Time(time.Unix(1_700_000_000, 0)),
	}
}

func TestPutEvents(t *testing.T) {
	const arn = "arn:aws:events:us-east-1:000000000000:event-bus/concord"
	long := strings.Repeat("x", 256<<10)
	for _, c := range []struct {
		name   string
		change func(*types.PutEventsRequestEntry)
		code   string // of the entry
		whole  string // of the request
	}{
		{name: "sound", change: func(*types.PutEventsRequestEntry) {}},
		{name: "by ARN", change: func(e *types.PutEventsRequestEntry) { e.EventBusName = aws.String(arn) }},
		{name: "no source", change: func(e *types.PutEventsRequestEntry) { e.Source = nil }, code: "InvalidArgument"},
		{name: "no detail type", change: func(e *types.PutEventsRequestEntry) { e.DetailType = nil }, code: "InvalidArgument"},
		{name: "long detail type", change: func(e *types.PutEventsRequestEntry) { e.DetailType = aws.String(long[:129]) }, code: "InvalidArgument"},
		{name: "no detail", change: func(e *types.PutEventsRequestEntry) { e.Detail = nil }, code: "InvalidArgument"},
		{name: "detail is no JSON", change: func(e *types.PutEventsRequestEntry) { e.Detail = aws.String("{") }, code: "MalformedDetail"},
		{name: "detail is no object", change: func(e *types.PutEventsRequestEntry) { e.Detail = aws.String("[1]") }, code: "MalformedDetail"},
		{name: "detail is null", change: func(e *types.PutEventsRequestEntry) { e.Detail = aws.String("null") }, code: "MalformedDetail"},
		{name: "AWS's own source", change: func(e *types.PutEventsRequestEntry) { e.Source = aws.String("aws.s3") }, code: "NotAuthorizedForSourceException"},
		{name: "another bus", change: func(e *types.PutEventsRequestEntry) { e.EventBusName = aws.String("other") }, code: "ResourceNotFoundException"},
		{name: "no bus", change: func(e *types.PutEventsRequestEntry) { e.EventBusName = nil }, code: "ResourceNotFoundException"},
		{name: "too large", change: func(e *types.PutEventsRequestEntry) { e.Detail = aws.String(`{"x":"` + long + `"}`) }, whole: "ValidationException"},
		{name: "almost too large", change: func(e *types.PutEventsRequestEntry) { e.Detail = aws.String(`{"x":"` + long[:len(long)-100] + `"}`) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, url := start(t, 0)
			e := entry("a-b")
			c.change(&e)
			out, err := client(url).PutEvents(t.Context(), &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{e}})
			if c.whole != "" {
				if err == nil || !strings.Contains(err.Error(), c.whole) || len(s.Events()) != 0 {
					t.Errorf("%v, %d events", err, len(s.Events()))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := aws.ToString(out.Entries[0].ErrorCode); got != c.code || out.FailedEntryCount != int32(min(1, len(c.code))) {
				t.Errorf("%s, %d failed", got, out.FailedEntryCount)
			}
			kept := s.Events()
			if c.code != "" {
				if len(kept) != 0 {
					t.Error("it is on the bus")
				}
				return
			}
			if len(kept) != 1 || kept[0].ID != *out.Entries[0].EventId || kept[0].DetailType != "a-b" || kept[0].Bus != "concord" || kept[0].Time.Unix() != 1_700_000_000 {
				t.Errorf("%.300v", kept)
			}
		})
	}
	t.Run("none and eleven", func(t *testing.T) {
		_, url := start(t, 0)
		for _, n := range []int{0, 11} {
			in := &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{}}
			for range n {
				in.Entries = append(in.Entries, entry("a-b"))
			}
			if _, err := client(url).PutEvents(t.Context(), in); err == nil || !strings.Contains(err.Error(), "ValidationException") {
				t.Errorf("%d entries: %v", n, err)
			}
		}
	})
	t.Run("what is no request of the SDK", func(t *testing.T) {
		_, url := start(t, 0)
		for want, change := range map[string]func(*http.Request){
			"UnknownOperationException":           func(r *http.Request) { r.Header.Set("X-Amz-Target", "AWSEvents.PutRule") },
			"SerializationException":              func(r *http.Request) { r.Header.Set("Content-Type", "application/json") },
			"MissingAuthenticationTokenException": func(r *http.Request) { r.Header.Del("Authorization") },
			"application/x-amz-json-1.1":          func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("{")); r.Header.Del("Content-Type") },
		} {
			r, err := http.NewRequestWithContext(t.Context(), "POST", url, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header = http.Header{"X-Amz-Target": {"AWSEvents.PutEvents"}, "Content-Type": {"application/x-amz-json-1.1"}, "Authorization": {"AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/events/aws4_request"}}
			change(r)
			response, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(response.Body)
			response.Body.Close()
			if response.StatusCode < 400 || !strings.Contains(string(body), want) {
				t.Errorf("%d %s, want %s", response.StatusCode, body, want)
			}
		}
	})
}

// The product's own sender meets each way to fail: every event is there in the end, or its absence is said.
func TestFaults(t *testing.T) {
	group := make([]events.Event, events.MaxGroup)
	for n := range group {
		group[n] = events.Event{Type: events.InvitationCreated, Detail: events.Detail{Version: "1", ID: strconv.Itoa(n)}}
	}
	for _, c := range []struct {
		kind      string
		times     int
		delivered int
		kept      int
	}{
		{bus.Throttle, 2, 10, 10},
		{bus.Error5xx, 2, 10, 10},
		{bus.ErrorAfterPut, 1, 10, 20},
		{bus.PartialThrottle, 2, 10, 10},
		{bus.PartialInternal, 2, 10, 10},
		{bus.PartialInternal, 100, 0, 9},
		{bus.Denied, 1, 0, 0},
	} {
		t.Run(c.kind+strconv.Itoa(c.times), func(t *testing.T) {
			s, url := start(t, 0)
			if err := s.Inject(bus.Fault{Kind: c.kind, Times: c.times}); err != nil {
				t.Fatal(err)
			}
			t.Setenv("AWS_ENDPOINT_URL_EVENTBRIDGE", url)
			delivered, err := events.NewBus(aws.Config{Region: "us-east-1", Credentials: credentials}, "concord").Put(t.Context(), group)
			if delivered != c.delivered || (err == nil) != (c.delivered == len(group)) {
				t.Errorf("%d delivered, %v", delivered, err)
			}
			if got := len(s.Events()); got != c.kept {
				t.Errorf("%d events on the bus, want %d", got, c.kept)
			}
		})
	}
	s, _ := start(t, 0)
	for _, f := range []bus.Fault{{Kind: "earthquake", Times: 1}, {Kind: bus.Throttle}} {
		if s.Inject(f) == nil {
			t.Errorf("%v is no fault", f)
		}
	}
}

func put(t *testing.T, url string, kinds ...string) {
	t.Helper()
	for _, detailType := range kinds {
		out, err := client(url).PutEvents(t.Context(), &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{entry(detailType)}})
		if err != nil || out.FailedEntryCount != 0 {
			t.Fatal(err)
		}
	}
}

func TestReading(t *testing.T) {
	s, url := start(t, 3)
	get := func(query string) (status int, types string) {
		response, err := http.Get(url + "/events" + query)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		var out struct{ Events []map[string]any }
		if err := json.NewDecoder(response.Body).Decode(&out); err != nil || out.Events == nil && response.StatusCode == 200 {
			t.Fatal(err)
		}
		for _, e := range out.Events {
			types += e["detail-type"].(string) + " "
		}
		return response.StatusCode, strings.TrimSpace(types)
	}
	if status, got := get(""); status != 200 || got != "" {
		t.Errorf("at first: %d %s", status, got)
	}
	put(t, url, "a", "b", "c")
	first := s.Events()[0].ID
	put(t, url, "a", "d")
	for query, want := range map[string]string{"": "c a d", "?type=a": "a", "?type=x": "", "?after=" + s.Events()[0].ID: "a d", "?type=d&after=" + s.Events()[1].ID: "d"} {
		if status, got := get(query); status != 200 || got != want {
			t.Errorf("%s: %d %s, want %s", query, status, got, want)
		}
	}
	if status, _ := get("?after=" + first); status != 404 {
		t.Errorf("after one that is gone: %d", status)
	}
}

func TestFollowing(t *testing.T) {
	_, url := start(t, 2)
	put(t, url, "a", "b")
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	r, err := http.NewRequestWithContext(ctx, "GET", url+"/follow", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for n, want := range []string{"a", "b", "c", "d", "e", "f"} {
		if n >= 2 {
			put(t, url, want)
		}
		if !lines.Scan() {
			t.Fatal(lines.Err())
		}
		var e bus.Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil || e.DetailType != want {
			t.Errorf("line %d is %s, %v, want %s", n, lines.Text(), err, want)
		}
	}
}
