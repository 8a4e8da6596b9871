package lambda

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/google/uuid"

	"concord/infra/local/component"
)

// runtimeAPI is the variable by which a function finds where its events come from.
const runtimeAPI = "AWS_LAMBDA_RUNTIME_API"

type state int

const (
	starting state = iota
	idle
	busy
	dead
)

// freezeAfter is how long a sandbox that asked for its next event runs on before it is frozen. A sandbox under load is
// thus never stopped and continued between two events, which would cost more than a short event itself.
const freezeAfter = 5 * time.Millisecond

// sandbox is one process of a function. Its fields are guarded by the pool's lock.
type sandbox struct {
	pool      *pool
	process   *exec.Cmd
	server    *http.Server
	state     state
	retired   bool
	frozen    bool
	current   *invocation
	finishing bool // answered its event and has not asked for the next yet
	next      chan *invocation
	gone      chan struct{} // closed when the process has been waited for
	timer     *time.Timer   // init, event or idle time-out, whichever the state calls for
	freezer   *time.Timer
	initError []byte
}

// forks starts processes from one OS thread that lives as long as the program: PR_SET_PDEATHSIG is tied to the thread
// that forked, and a Go thread may end before the program does.
var forks = sync.OnceValue(func() chan<- func() {
	c := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range c {
			f()
		}
	}()
	return c
})

func startProcess(c *exec.Cmd) error {
	result := make(chan error)
	forks() <- func() { result <- c.Start() }
	return <-result
}

// start, under the pool's lock, makes a sandbox.
func (p *pool) start() (*sandbox, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	f := p.function
	s := &sandbox{pool: p, next: make(chan *invocation, 1), gone: make(chan struct{})}
	s.process = exec.Command(filepath.Join(f.Root, "bootstrap"))
	s.process.Dir = f.Root
	s.process.Env = p.environment(listener.Addr().String())
	component.DieWithParent(s.process)
	s.process.WaitDelay = time.Second
	out := p.host.options.Logs.writer(p.id)
	s.process.Stdout, s.process.Stderr = out, out
	s.server = &http.Server{Handler: s.api(), ReadHeaderTimeout: time.Minute}
	go func() { _ = s.server.Serve(listener) }()
	if err := startProcess(s.process); err != nil {
		_ = s.server.Close()
		return nil, err
	}
	go s.wait()
	s.timer = time.AfterFunc(p.host.options.InitTimeout, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if s.state == starting {
			s.initError = newFunctionError("Sandbox.Timedout", "the function did not ask for an event in time").Payload
			s.kill()
		}
	})
	return s, nil
}

func (p *pool) environment(address string) []string {
	f := p.function
	env := map[string]string{
		"PATH": "/usr/local/bin:/usr/bin:/bin:/opt/bin", "LANG": "en_US.UTF-8", "TZ": ":UTC",
		"_HANDLER": "bootstrap", "LAMBDA_TASK_ROOT": f.Root, "LAMBDA_RUNTIME_DIR": "/var/runtime",
		runtimeAPI: address, "AWS_LAMBDA_FUNCTION_NAME": f.Name, "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(f.Memory), "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME":  "/aws/lambda/" + f.Name,
		"AWS_LAMBDA_LOG_STREAM_NAME": time.Now().UTC().Format("2006/01/02") + "/[$LATEST]" + strings.ReplaceAll(uuid.NewString(), "-", ""),
		"AWS_LAMBDA_LOG_FORMAT":      f.LogFormat,
	}
	if f.LogLevel != "" {
		env["AWS_LAMBDA_LOG_LEVEL"] = f.LogLevel
	}
	maps.Copy(env, f.Environment)
	maps.Copy(env, p.host.options.Environment)
	p.host.mu.Lock()
	maps.Copy(env, p.host.overlay)
	p.host.mu.Unlock()
	list := make([]string, 0, len(env))
	for _, k := range slices.Sorted(maps.Keys(env)) {
		list = append(list, k+"="+env[k])
	}
	return list
}

// wait outlives the process: whatever it was doing fails, and the events that still wait get another sandbox.
func (s *sandbox) wait() {
	err := s.process.Wait()
	_ = s.server.Close()
	p := s.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	was := s.state
	s.state = dead
	s.setFinishing(false)
	s.timer.Stop()
	delete(p.sandboxes, s)
	p.idle = slices.DeleteFunc(p.idle, func(o *sandbox) bool { return o == s })
	why := "Runtime exited without providing a reason"
	if err != nil {
		why = "Runtime exited with error: " + err.Error()
	}
	if s.current != nil {
		s.current.finish(nil, newFunctionError("Runtime.ExitError", "RequestId: "+s.current.id+" Error: "+why))
		s.current = nil
	}
	if was == starting {
		p.starting--
		if len(p.queue) > 0 && !s.retired && !p.closed {
			inv := p.queue[0]
			p.queue = p.queue[1:]
			if s.initError != nil {
				inv.finish(nil, reportedError(s.initError))
			} else {
				inv.finish(nil, newFunctionError("Runtime.ExitError", "RequestId: "+inv.id+" Error: "+why))
			}
		}
	}
	p.dispatch()
	close(s.gone)
}

// kill, under the lock, ends the process group; a frozen process dies of SIGKILL too.
func (s *sandbox) kill() {
	if s.state != dead {
		_ = syscall.Kill(-s.process.Process.Pid, syscall.SIGKILL)
	}
}

// assign, under the lock, thaws the sandbox and hands it an event.
func (s *sandbox) assign(inv *invocation) {
	s.timer.Stop()
	if s.freezer != nil {
		s.freezer.Stop()
	}
	s.state, s.current = busy, inv
	if s.frozen {
		s.frozen = false
		_ = syscall.Kill(-s.process.Process.Pid, syscall.SIGCONT)
	}
	timeout := s.pool.function.Timeout
	inv.deadline = time.Now().Add(timeout)
	s.timer = time.AfterFunc(timeout, func() { s.timedOut(inv, timeout) })
	s.next <- inv
}

func (s *sandbox) timedOut(inv *invocation, after time.Duration) {
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	// A sandbox that answered and never polls again is stuck, too: it is ended without an error to anyone.
	if s.state != busy || s.current != nil && s.current != inv {
		return
	}
	e := newFunctionError("Sandbox.Timedout", fmt.Sprintf("RequestId: %s Error: Task timed out after %.2f seconds", inv.id, after.Seconds()))
	e.TimedOut = true
	inv.finish(nil, e)
	s.current = nil
	s.kill()
}

// setFinishing, under the lock, keeps the pool's count of sandboxes that will ask for an event at once.
func (s *sandbox) setFinishing(yes bool) {
	if s.finishing != yes {
		s.finishing = yes
		if yes {
			s.pool.finishing++
		} else {
			s.pool.finishing--
		}
	}
}

// polled takes the sandbox back into the pool when it asks for its next event.
func (s *sandbox) polled() {
	p := s.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.state == dead {
		return
	}
	s.setFinishing(false)
	if s.current != nil {
		s.current.finish(nil, newFunctionError("Runtime.NoResponse", "the function asked for its next event without answering this one"))
		s.current = nil
	}
	s.timer.Stop()
	if s.state == starting {
		p.starting--
	}
	s.state = idle
	if s.retired || p.closed {
		s.kill()
		return
	}
	p.idle = append(p.idle, s)
	s.timer = time.AfterFunc(p.host.options.Idle, func() {
		p.retire(func(o *sandbox) bool { return o == s && o.state == idle })
	})
	s.freezer = time.AfterFunc(freezeAfter, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if s.state == idle && !s.frozen {
			s.frozen = true
			_ = syscall.Kill(-s.process.Process.Pid, syscall.SIGSTOP)
		}
	})
	p.dispatch()
}

// api is the Runtime API as the AWS documentation of custom runtimes has it, version 2018-06-01.
func (s *sandbox) api() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", s.serveNext)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", func(w http.ResponseWriter, r *http.Request) { s.serveAnswer(w, r, false) })
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", func(w http.ResponseWriter, r *http.Request) { s.serveAnswer(w, r, true) })
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(io.LimitReader(r.Body, MaxPayload))
		s.pool.mu.Lock()
		s.initError = body
		s.pool.mu.Unlock()
		accepted(w)
	})
	return mux
}

func (s *sandbox) serveNext(w http.ResponseWriter, r *http.Request) {
	s.polled()
	var inv *invocation
	select {
	case inv = <-s.next:
	case <-r.Context().Done():
		return
	}
	h := w.Header()
	h.Set("Lambda-Runtime-Aws-Request-Id", inv.id)
	h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(inv.deadline.UnixMilli(), 10))
	h.Set("Lambda-Runtime-Invoked-Function-Arn", s.pool.function.ARN)
	h.Set("Lambda-Runtime-Trace-Id", newTraceID(time.Now()))
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(inv.event)))
	_, _ = w.Write(inv.event)
}

func (s *sandbox) serveAnswer(w http.ResponseWriter, r *http.Request, failed bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxPayload))
	var tooLarge *http.MaxBytesError
	if err != nil && !errors.As(err, &tooLarge) {
		refuse(w, http.StatusBadRequest, "InvalidRequest", err.Error())
		return
	}
	s.pool.mu.Lock()
	defer s.pool.mu.Unlock()
	inv := s.current
	if inv == nil || inv.id != r.PathValue("id") {
		refuse(w, http.StatusBadRequest, "InvalidRequestID", "Invalid request ID")
		return
	}
	s.current = nil
	s.setFinishing(!s.retired)
	switch {
	case tooLarge != nil:
		inv.finish(nil, newFunctionError("Function.ResponseSizeTooLarge",
			fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", MaxPayload)))
		refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "Exceeded maximum allowed payload size")
		return
	case failed:
		inv.finish(nil, reportedError(body))
	case !valid(body):
		inv.finish(nil, newFunctionError("Runtime.MalformedResponse", "the answer is not JSON"))
	default:
		inv.finish(body, nil)
	}
	accepted(w)
}

func accepted(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"status":"OK"}`)
}

func refuse(w http.ResponseWriter, status int, kind, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"errorType":%q,"errorMessage":%q}`, kind, message)
}
