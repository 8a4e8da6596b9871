// Package lambda runs functions as AWS Lambda does: each sandbox is one process of the function's real bootstrap binary that
// speaks the Lambda Runtime API over loopback HTTP, handles one event at a time and is frozen between events. Sandboxes are
// made on demand up to the function's concurrency, used again, and retired when idle.
package lambda

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
)

// MaxPayload is Lambda's limit for an event and for a response of a synchronous invocation, in bytes.
const MaxPayload = 6 << 20

// Function is what a sandbox is made from.
type Function struct {
	Name        string // AWS_LAMBDA_FUNCTION_NAME
	ARN         string
	Root        string            // directory that holds the binary bootstrap; LAMBDA_TASK_ROOT
	Environment map[string]string // the function's own
	Timeout     time.Duration     // of one event, from its delivery to the sandbox
	Memory      int               // MB; told to the function, not enforced
	Concurrency int               // most sandboxes at a time; 0 for 16
	LogFormat   string            // JSON or Text
	LogLevel    string            // empty for Lambda's default
}

// Options are the host's; the zero value serves.
type Options struct {
	Environment map[string]string // what every sandbox gets besides its own: region, credentials, endpoints
	Logs        *Logs             // where standard output and error of the sandboxes go; nil drops them
	QueueWait   time.Duration     // how long an event waits for a sandbox before it is throttled; 0 for 10 s
	Idle        time.Duration     // after which a sandbox is retired; 0 for 5 minutes
	InitTimeout time.Duration     // from the start of a process to its first poll; 0 for 10 s
}

// Errors of Invoke besides *FunctionError and those of the context.
var (
	ErrUnknownFunction = errors.New("lambda: unknown function")
	ErrThrottled       = errors.New("lambda: rate exceeded, no sandbox became free")
	ErrPayloadTooLarge = errors.New("lambda: event exceeds 6 MB")
	ErrClosed          = errors.New("lambda: host is closed")
)

// FunctionError is an event that reached the function and failed there: an error that it returned, a crash, a time-out.
type FunctionError struct {
	Type     string // such as errorString, Runtime.ExitError, Sandbox.Timedout
	Message  string
	Payload  []byte // the error document, as Lambda answers it
	TimedOut bool
}

func (e *FunctionError) Error() string { return fmt.Sprintf("lambda: %s: %s", e.Type, e.Message) }

func newFunctionError(kind, message string) *FunctionError {
	payload, _ := json.Marshal(map[string]string{"errorType": kind, "errorMessage": message})
	return &FunctionError{Type: kind, Message: message, Payload: payload}
}

func reportedError(payload []byte) *FunctionError {
	var document struct{ ErrorType, ErrorMessage string }
	if err := json.Unmarshal(payload, &document); err != nil || document.ErrorType == "" {
		document.ErrorType = "Unhandled"
	}
	return &FunctionError{Type: document.ErrorType, Message: document.ErrorMessage, Payload: payload}
}

// Host runs functions. Its methods are safe for concurrent use.
type Host struct {
	options   Options
	mu        sync.Mutex
	functions map[string]*pool
	overlay   map[string]string
	closed    bool
}

// New makes a host without functions.
func New(o Options) *Host {
	if o.QueueWait == 0 {
		o.QueueWait = 10 * time.Second
	}
	if o.Idle == 0 {
		o.Idle = 5 * time.Minute
	}
	if o.InitTimeout == 0 {
		o.InitTimeout = 10 * time.Second
	}
	if o.Logs == nil {
		o.Logs = NewLogs(0, nil)
	}
	return &Host{options: o, functions: map[string]*pool{}, overlay: map[string]string{}}
}

// Add makes a function known under an id; no sandbox starts before its first event.
func (h *Host) Add(id string, f Function) {
	if f.Concurrency <= 0 {
		f.Concurrency = 16
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.functions[id] = &pool{host: h, id: id, function: f, sandboxes: map[*sandbox]struct{}{}}
}

// Setenv sets a variable for the sandboxes that start from now on; an empty value removes it. Retire ends the others.
func (h *Host) Setenv(name, value string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if value == "" {
		delete(h.overlay, name)
		return
	}
	h.overlay[name] = value
}

// Environment is what a sandbox of a function gets, but for AWS_LAMBDA_RUNTIME_API, as NAME=value; nil for an unknown function.
func (h *Host) Environment(id string) []string {
	h.mu.Lock()
	p := h.functions[id]
	h.mu.Unlock()
	if p == nil {
		return nil
	}
	return slices.DeleteFunc(p.environment(""), func(s string) bool { return s == runtimeAPI+"=" })
}

// Retire ends every sandbox: an idle one now, a busy one after its event. The next event finds a new one.
func (h *Host) Retire() {
	for _, p := range h.pools() {
		p.retire(func(*sandbox) bool { return true })
	}
}

// Sandboxes counts the processes of a function that are there now.
func (h *Host) Sandboxes(id string) int {
	h.mu.Lock()
	p := h.functions[id]
	h.mu.Unlock()
	if p == nil {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.sandboxes)
}

// Close kills every sandbox and returns when the processes are gone. Events in flight fail.
func (h *Host) Close() {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	for _, p := range h.pools() {
		p.close()
	}
}

func (h *Host) pools() []*pool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Collect(maps.Values(h.functions))
}

// Invoke gives an event to a function and waits for its answer, which is JSON. An event whose context ends while it is
// handled goes on in its sandbox, as on Lambda; one that still waits for a sandbox is taken back.
//
// Errors: *FunctionError, ErrThrottled, ErrPayloadTooLarge, ErrUnknownFunction, ErrClosed, the context's.
func (h *Host) Invoke(ctx context.Context, id string, event []byte) ([]byte, error) {
	if len(event) > MaxPayload {
		return nil, ErrPayloadTooLarge
	}
	h.mu.Lock()
	p, closed := h.functions[id], h.closed
	h.mu.Unlock()
	if closed {
		return nil, ErrClosed
	}
	if p == nil {
		return nil, fmt.Errorf("%w %q", ErrUnknownFunction, id)
	}
	inv := &invocation{id: uuid.NewString(), event: event, done: make(chan outcome, 1)}
	p.enqueue(inv)
	throttle := time.NewTimer(h.options.QueueWait)
	defer throttle.Stop()
	for {
		select {
		case o := <-inv.done:
			return o.answer, o.err
		case <-throttle.C:
			if p.withdraw(inv) {
				return nil, ErrThrottled
			}
		case <-ctx.Done():
			p.withdraw(inv)
			return nil, ctx.Err()
		}
	}
}

type outcome struct {
	answer []byte
	err    error
}

// invocation is one event on its way; done is answered once, under the pool's lock.
type invocation struct {
	id       string
	event    []byte
	deadline time.Time
	answered bool
	done     chan outcome
}

func (i *invocation) finish(answer []byte, err error) {
	if !i.answered {
		i.answered = true
		i.done <- outcome{answer, err}
	}
}

// pool is the sandboxes of one function and the events that wait for one.
type pool struct {
	host      *Host
	id        string
	function  Function
	mu        sync.Mutex
	queue     []*invocation
	idle      []*sandbox // the last used one at the end, which is taken first
	starting  int
	finishing int
	sandboxes map[*sandbox]struct{}
	closed    bool
}

func (p *pool) enqueue(inv *invocation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		inv.finish(nil, ErrClosed)
		return
	}
	p.queue = append(p.queue, inv)
	p.dispatch()
}

// withdraw takes an event back and says whether it still waited.
func (p *pool) withdraw(inv *invocation) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.Index(p.queue, inv)
	if i >= 0 {
		p.queue = slices.Delete(p.queue, i, i+1)
	}
	return i >= 0
}

// dispatch, under the lock, gives waiting events to idle sandboxes and starts sandboxes for those that no other sandbox
// is about to ask for.
func (p *pool) dispatch() {
	for len(p.queue) > 0 && len(p.idle) > 0 {
		last := len(p.idle) - 1
		s, inv := p.idle[last], p.queue[0]
		p.idle, p.queue = p.idle[:last], p.queue[1:]
		s.assign(inv)
	}
	for len(p.queue) > p.starting+p.finishing && len(p.sandboxes) < p.function.Concurrency && !p.closed {
		s, err := p.start()
		if err != nil {
			inv := p.queue[0]
			p.queue = p.queue[1:]
			inv.finish(nil, newFunctionError("Runtime.InvalidEntrypoint", err.Error()))
			continue
		}
		p.starting++
		p.sandboxes[s] = struct{}{}
	}
}

func (p *pool) retire(which func(*sandbox) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for s := range p.sandboxes {
		if which(s) {
			s.retired = true
			s.setFinishing(false)
			if s.state == idle {
				s.kill()
			}
		}
	}
	p.idle = slices.DeleteFunc(p.idle, func(s *sandbox) bool { return s.retired })
}

func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	var all []*sandbox
	for s := range p.sandboxes {
		s.kill()
		all = append(all, s)
	}
	for _, inv := range p.queue {
		inv.finish(nil, ErrClosed)
	}
	p.queue, p.idle = nil, nil
	p.mu.Unlock()
	for _, s := range all {
		<-s.gone
	}
}

func newTraceID(now time.Time) string {
	var b [12]byte
	_, _ = rand.Read(b[:])
	return fmt.Sprintf("Root=1-%08x-%s;Sampled=0", now.Unix(), hex.EncodeToString(b[:]))
}

// valid says whether an answer is one that Lambda accepts: JSON, or nothing.
func valid(answer []byte) bool {
	return len(bytes.TrimSpace(answer)) == 0 || json.Valid(answer)
}
