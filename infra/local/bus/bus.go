// Package bus is the local stack's stand-in for Amazon EventBridge: PutEvents over its real wire protocol (AWS JSON 1.1), and the
// events that came, as a rule's target would get them, to be read as JSON or followed. It refuses what EventBridge refuses, with
// its codes; an event for a bus that does not exist, which EventBridge drops without a word, is refused too. It fails on demand in
// the ways in which EventBridge fails. Signatures are not checked, only that a request is signed for EventBridge.
package bus

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"concord/infra/local/template"
)

// What EventBridge takes at most.
const (
	maxEntries = 10
	maxSize    = 256 << 10 // bytes of all entries of a request together
	maxBody    = 1 << 20   // bytes that are read of a request
)

// Event is an event as targets get it.
type Event struct {
	Version    string          `json:"version"`
	ID         string          `json:"id"`
	DetailType string          `json:"detail-type"`
	Source     string          `json:"source"`
	Account    string          `json:"account"`
	Time       time.Time       `json:"time"`
	Region     string          `json:"region"`
	Resources  []string        `json:"resources"`
	Detail     json.RawMessage `json:"detail"`
	// Bus is on which bus it came; targets do not get that.
	Bus string `json:"-"`
}

// The kinds of [Fault].
const (
	Throttle        = "throttle"        // ThrottlingException for the whole request
	Error5xx        = "error5xx"        // InternalException for the whole request
	ErrorAfterPut   = "errorAfterPut"   // the same, and the events are on the bus
	PartialThrottle = "partialThrottle" // every second entry, from the second on, fails with ThrottlingException
	PartialInternal = "partialInternal" // every second entry, from the first on, fails with InternalFailure
	Denied          = "denied"          // every entry fails with AccessDeniedException
)

// Fault makes the next requests fail. The SDK's own retries count.
type Fault struct {
	Kind  string
	Times int // at least 1
}

// Server takes events and keeps the newest. It is an http.Handler for the wire protocol.
type Server struct {
	buses []string
	keep  int

	mu      sync.Mutex
	events  []Event
	dropped int           // how many are no longer kept
	came    chan struct{} // closed when an event comes
	faults  []Fault
}

// New makes a server with the named buses, which keeps a number of events; 0 for 10,000.
func New(buses []string, keep int) *Server {
	if keep == 0 {
		keep = 10_000
	}
	return &Server{buses: buses, keep: keep, came: make(chan struct{})}
}

// Inject queues a fault behind those that are not used up. It refuses an unknown kind and a count below 1.
func (s *Server) Inject(f Fault) error {
	if !slices.Contains([]string{Throttle, Error5xx, ErrorAfterPut, PartialThrottle, PartialInternal, Denied}, f.Kind) || f.Times < 1 {
		return fmt.Errorf("no fault %q, %d times", f.Kind, f.Times)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, f)
	return nil
}

func (s *Server) nextFault() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.faults) == 0 {
		return ""
	}
	kind := s.faults[0].Kind
	if s.faults[0].Times--; s.faults[0].Times == 0 {
		s.faults = s.faults[1:]
	}
	return kind
}

// Events are those that are kept, oldest first.
func (s *Server) Events() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

// since gives the kept events from a count on, the count after them, and what is closed when more come.
func (s *Server) since(count int) (events []Event, next int, more <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events[max(0, count-s.dropped):]), s.dropped + len(s.events), s.came
}

// after gives the count behind the event of an id.
func (s *Server) after(id string) (count int, found bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.events, func(e Event) bool { return e.ID == id })
	return s.dropped + i + 1, i >= 0
}

func (s *Server) put(events []Event) {
	if len(events) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, events...)
	if over := len(s.events) - s.keep; over > 0 {
		s.events = slices.Delete(s.events, 0, over)
		s.dropped += over
	}
	close(s.came)
	s.came = make(chan struct{})
}

// entry is an entry of PutEvents. A missing field is nil.
type entry struct {
	Source, DetailType, Detail, EventBusName, TraceHeader *string
	Resources                                             []string
	Time                                                  *float64 // seconds since 1970
}

type result struct {
	EventID      string `json:"EventId,omitempty"`
	ErrorCode    string `json:",omitempty"`
	ErrorMessage string `json:",omitempty"`
}

// ServeHTTP answers AWSEvents.PutEvents.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	switch target := r.Header.Get("X-Amz-Target"); {
	case err != nil:
		refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLargeException", "the request is too large")
		return
	case r.Method != http.MethodPost || target != "AWSEvents.PutEvents":
		refuse(w, http.StatusBadRequest, "UnknownOperationException", "the local endpoint has PutEvents only, not "+target)
		return
	case r.Header.Get("Content-Type") != "application/x-amz-json-1.1":
		refuse(w, http.StatusBadRequest, "SerializationException", "the content type is application/x-amz-json-1.1")
		return
	case !strings.Contains(r.Header.Get("Authorization"), "/events/aws4_request"):
		refuse(w, http.StatusForbidden, "MissingAuthenticationTokenException", "the request is not signed for events")
		return
	}
	var in struct{ Entries []entry }
	if err := json.Unmarshal(body, &in); err != nil {
		refuse(w, http.StatusBadRequest, "SerializationException", err.Error())
		return
	}
	if n := len(in.Entries); n < 1 || n > maxEntries {
		refuse(w, http.StatusBadRequest, "ValidationException", fmt.Sprintf("1 validation error detected: Value at 'entries' failed to satisfy constraint: Member must have length between 1 and %d, not %d", maxEntries, n))
		return
	}
	total := 0
	for _, e := range in.Entries {
		total += e.size()
	}
	if total > maxSize {
		refuse(w, http.StatusBadRequest, "ValidationException", "Total size of the entries in the request is over the limit.")
		return
	}
	fault := s.nextFault()
	switch fault {
	case Throttle:
		refuse(w, http.StatusBadRequest, "ThrottlingException", "Rate exceeded")
		return
	case Error5xx:
		refuse(w, http.StatusInternalServerError, "InternalException", "Injected fault.")
		return
	}
	results, events, failed := make([]result, len(in.Entries)), []Event(nil), 0
	for i, e := range in.Entries {
		code, message := s.check(e)
		switch {
		case code != "":
		case fault == Denied:
			code, message = "AccessDeniedException", "Injected fault."
		case fault == PartialThrottle && i%2 == 1:
			code, message = "ThrottlingException", "Injected fault."
		case fault == PartialInternal && i%2 == 0:
			code, message = "InternalFailure", "Injected fault."
		}
		if code != "" {
			results[i] = result{ErrorCode: code, ErrorMessage: message}
			failed++
			continue
		}
		event := e.event()
		results[i] = result{EventID: event.ID}
		events = append(events, event)
	}
	s.put(events)
	if fault == ErrorAfterPut {
		refuse(w, http.StatusInternalServerError, "InternalException", "Injected fault.")
		return
	}
	answer(w, http.StatusOK, map[string]any{"FailedEntryCount": failed, "Entries": results})
}

// size is what EventBridge counts of an entry.
func (e entry) size() int {
	n := 0
	if e.Time != nil {
		n = 14
	}
	for _, s := range []*string{e.Source, e.DetailType, e.Detail} {
		if s != nil {
			n += len(*s)
		}
	}
	for _, r := range e.Resources {
		n += len(r)
	}
	return n
}

// check gives why an entry is refused.
func (s *Server) check(e entry) (code, message string) {
	for _, field := range []struct {
		name  string
		value *string
	}{{"Source", e.Source}, {"DetailType", e.DetailType}, {"Detail", e.Detail}} {
		if field.value == nil || *field.value == "" {
			return "InvalidArgument", fmt.Sprintf("Parameter %s is not valid. Reason: %s is a required argument.", field.name, field.name)
		}
	}
	if len(*e.DetailType) > 128 {
		return "InvalidArgument", "Parameter DetailType is not valid. Reason: it has more than 128 characters."
	}
	if strings.HasPrefix(*e.Source, "aws.") {
		return "NotAuthorizedForSourceException", "Not authorized for the source."
	}
	var object map[string]json.RawMessage
	if json.Unmarshal([]byte(*e.Detail), &object) != nil || object == nil {
		return "MalformedDetail", "Detail is malformed."
	}
	if name := e.bus(); !slices.Contains(s.buses, name) {
		return "ResourceNotFoundException", "Event bus " + name + " does not exist."
	}
	return "", ""
}

// bus is the name of the bus that an entry is for, which may be given as an ARN.
func (e entry) bus() string {
	if e.EventBusName == nil {
		return "default"
	}
	return strings.TrimPrefix(*e.EventBusName, "arn:aws:events:"+template.Region+":"+template.Account+":event-bus/")
}

func (e entry) event() Event {
	at := time.Now()
	if e.Time != nil {
		at = time.UnixMilli(int64(*e.Time * 1000))
	}
	return Event{
		Version: "0", ID: uuid.NewString(), DetailType: *e.DetailType, Source: *e.Source, Account: template.Account, Time: at.UTC().Truncate(time.Second),
		Region: template.Region, Resources: append([]string{}, e.Resources...), Detail: json.RawMessage(*e.Detail), Bus: e.bus(),
	}
}

// ServeEvents answers what is kept, oldest first: {"events":[…]}. The query may hold the detail type that is asked for (type)
// and the id of the event before the first one (after); one that is not kept is 404.
func (s *Server) ServeEvents(w http.ResponseWriter, r *http.Request) {
	events, _, _, ok := s.asked(w, r)
	if ok {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"events": events})
	}
}

// ServeFollow answers the same as one JSON document per line, and goes on as events come until the caller leaves.
func (s *Server) ServeFollow(w http.ResponseWriter, r *http.Request) {
	events, next, more, ok := s.asked(w, r)
	if !ok {
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := http.NewResponseController(w)
	for encoder := json.NewEncoder(w); ; {
		for _, e := range events {
			if encoder.Encode(e) != nil {
				return
			}
		}
		if out.Flush() != nil || wait(r.Context(), more) != nil {
			return
		}
		events, next, more = s.since(next)
		events = ofType(events, r)
	}
}

func wait(ctx context.Context, more <-chan struct{}) error {
	select {
	case <-more:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Server) asked(w http.ResponseWriter, r *http.Request) (events []Event, next int, more <-chan struct{}, ok bool) {
	start := 0
	if id := r.URL.Query().Get("after"); id != "" {
		if start, ok = s.after(id); !ok {
			answer(w, http.StatusNotFound, map[string]string{"message": "no event of that id is kept"})
			return nil, 0, nil, false
		}
	}
	events, next, more = s.since(start)
	return ofType(events, r), next, more, true
}

func ofType(events []Event, r *http.Request) []Event {
	if wanted := r.URL.Query().Get("type"); wanted != "" {
		events = slices.DeleteFunc(events, func(e Event) bool { return e.DetailType != wanted })
	}
	return append([]Event{}, events...)
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("X-Amzn-Requestid", uuid.NewString())
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	answer(w, status, map[string]string{"__type": code, "message": message})
}
