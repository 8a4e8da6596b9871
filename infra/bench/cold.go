package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Bootstrap is one function's program: its size, and its cold starts beside those of a program that does nothing.
type Bootstrap struct {
	Name  string  `json:"name"`
	Bytes int64   `json:"bytes"`
	Ready float64 `json:"readyMilliseconds"` // from the start of the process until it asks for its first event, median
	First float64 `json:"firstMilliseconds"` // until it has answered it; 0 where it was given none
	CPU   float64 `json:"cpuMilliseconds"`   // of the process until then
	// The ratios are to the minimal bootstrap, of processor time, which other programs disturb least.
	ReadyRatio float64 `json:"readyRatio"`
	CPURatio   float64 `json:"cpuRatio"`
}

// minimal is the program that the others are held against: aws-lambda-go and nothing else.
const minimal = "minimal aws-lambda-go"

// sizes gives the bootstraps that `make build` made, in the order of their names.
func sizes(root string) ([]Bootstrap, error) {
	found, err := filepath.Glob(filepath.Join(root, ".build", "*Function", "bootstrap"))
	if err != nil || len(found) == 0 {
		return nil, fmt.Errorf("bench: no bootstrap in .build, make build makes them: %w", err)
	}
	var all []Bootstrap
	for _, file := range found {
		info, err := os.Stat(file)
		if err != nil {
			return nil, err
		}
		all = append(all, Bootstrap{Name: strings.ToLower(strings.TrimSuffix(filepath.Base(filepath.Dir(file)), "Function")),
			Bytes: info.Size()})
	}
	return all, nil
}

// coldStarts starts every bootstrap some times, in turns, with an event for those that have one, before answers that do
// not change.
func (w *world) coldStarts(ctx context.Context, all []Bootstrap, times int,
	environment map[string]map[string]string) ([]Bootstrap, error) {
	folder, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	least := filepath.Join(folder, "bootstrap")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags", "lambda.norpc", "-ldflags", "-s -w", "-o",
		least, "./infra/bench/minimal")
	build.Dir, build.Env = w.root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("bench: %w: %s", err, out)
	}
	info, err := os.Stat(least)
	if err != nil {
		return nil, err
	}
	all = append([]Bootstrap{{Name: minimal, Bytes: info.Size()}}, all...)
	events := map[string]subject{}
	for _, s := range w.subjects {
		for function, name := range map[string]string{"invitations": "create", "acceptance": "open the page",
			"mailer": "mailer, one mail", minimal: "create"} {
			if s.name == name {
				events[function] = s
			}
		}
	}
	ready, first, cpu := make([][]float64, len(all)), make([][]float64, len(all)), make([][]float64, len(all))
	ratios, cpuRatios := make([][]float64, len(all)), make([][]float64, len(all))
	for range times {
		for n, b := range all {
			program := least
			if b.Name != minimal {
				program = filepath.Join(w.root, ".build", strings.ToUpper(b.Name[:1])+b.Name[1:]+"Function", "bootstrap")
			}
			took, err := w.start(ctx, program, events[b.Name], environment[b.Name])
			if err != nil {
				return nil, fmt.Errorf("bench: %s: %w", b.Name, err)
			}
			ready[n], first[n], cpu[n] = append(ready[n], took.ready), append(first[n], took.first), append(cpu[n], took.cpu)
			ratios[n], cpuRatios[n] = append(ratios[n], took.ready/ready[0][len(ready[0])-1]), append(cpuRatios[n],
				took.cpu/cpu[0][len(cpu[0])-1])
		}
	}
	for n := range all {
		all[n].Ready, all[n].First, all[n].CPU = median(ready[n]), median(first[n]), median(cpu[n])
		all[n].ReadyRatio, all[n].CPURatio = median(ratios[n]), median(cpuRatios[n])
	}
	return all, nil
}

type took struct{ ready, first, cpu float64 } // in milliseconds

// start runs one process until it has asked for its first event or, when there is one for it, answered it.
func (w *world) start(ctx context.Context, program string, s subject, environment map[string]string) (t took,
	err error) {
	answers := w.answers(s)
	polled, answered := make(chan time.Time, 1), make(chan []byte, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(h http.ResponseWriter, r *http.Request) {
		select {
		case polled <- time.Now():
		default: // it has had its event
			<-r.Context().Done()
			return
		}
		if s.event == nil {
			<-r.Context().Done()
			return
		}
		h.Header().Set("Lambda-Runtime-Aws-Request-Id", "6f1c9d3e-1111-4000-8000-000000000001")
		h.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(time.Minute).UnixMilli(), 10))
		_, _ = h.Write(s.event)
	})
	mux.HandleFunc("POST /2018-06-01/runtime/", func(h http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		h.WriteHeader(http.StatusAccepted)
		answered <- b
	})
	mux.HandleFunc("/", answers)
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return t, err
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(l) }()
	defer func() { _ = server.Close() }()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	p := exec.CommandContext(ctx, program)
	here := "http://" + l.Addr().String()
	p.Env = []string{
		"AWS_LAMBDA_RUNTIME_API=" + l.Addr().String(), "AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=id",
		"AWS_SECRET_ACCESS_KEY=key", "AWS_LAMBDA_LOG_FORMAT=JSON",
		"AWS_ENDPOINT_URL_DYNAMODB=" + here, "AWS_ENDPOINT_URL_SECRETS_MANAGER=" + here, "AWS_ENDPOINT_URL_SESV2=" + here,
		"AWS_ENDPOINT_URL_EVENTBRIDGE=" + here, "AWS_ENDPOINT_URL_SQS=" + here,
		"ALLOW_RESERVED_DOMAINS=true",
	}
	for k, v := range environment {
		p.Env = append(p.Env, k+"="+v)
	}
	var said strings.Builder
	p.Stdout, p.Stderr = &said, &said
	began := time.Now()
	if err := p.Start(); err != nil {
		return t, err
	}
	end := func() { _ = p.Process.Kill(); _ = p.Wait() }
	select {
	case at := <-polled:
		t.ready = at.Sub(began).Seconds() * 1000
	case <-ctx.Done():
		end()
		return t, errors.New(said.String())
	}
	if s.event != nil {
		select {
		case b := <-answered:
			t.first = time.Since(began).Seconds() * 1000
			if !json.Valid(b) || strings.Contains(string(b), "errorMessage") || strings.Contains(string(b), `"statusCode":5`) {
				end()
				return t, fmt.Errorf("%s: %s: %s", s.name, b, said.String())
			}
		case <-ctx.Done():
			end()
			return t, errors.New(said.String())
		}
	}
	end()
	u := p.ProcessState
	t.cpu = (u.UserTime() + u.SystemTime()).Seconds() * 1000
	return t, nil
}

// answers serves what was recorded, over a socket.
func (w *world) answers(s subject) http.HandlerFunc {
	return func(h http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		kind := kindOf(r, body)
		answer, ok := s.with[kind]
		if !ok {
			w.aws.mu.Lock()
			answer = string(w.aws.answers[kind])
			w.aws.mu.Unlock()
		}
		if answer == "" {
			http.Error(h, "no answer for "+kind, http.StatusNotImplemented)
			return
		}
		h.Header().Set("Content-Type", "application/x-amz-json-1.0")
		_, _ = io.WriteString(h, answer)
	}
}

// environment gives the variables of each function, as template.yaml sets them.
func (w *world) environment() (map[string]map[string]string, error) {
	t, err := w.template()
	if err != nil {
		return nil, err
	}
	all := map[string]map[string]string{}
	for _, f := range t.Functions {
		all[strings.ToLower(strings.TrimSuffix(f.LogicalID, "Function"))] = f.Environment
	}
	return all, nil
}
