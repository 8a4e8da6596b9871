// Smoke tries a deployment from outside as a partner's program meets it: the health check, the OpenAPI document, and a test invitation that
// goes to the simulator of Amazon SES, is delivered there, and is cancelled again. It leaves nothing but that cancelled test behind.
//
//	URL=https://portal.… TOKEN=… go run ./infra/smoke
//
// The token is an access token of a partner that may invite; it is written nowhere. KIND (reseller) says what the partner invites to, WAIT (3m)
// for how long a mail may be on its way.
package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	wait, err := time.ParseDuration(cmp.Or(os.Getenv("WAIT"), "3m"))
	t := trial{
		url: strings.TrimSuffix(os.Getenv("URL"), "/"), token: os.Getenv("TOKEN"), kind: cmp.Or(os.Getenv("KIND"), "reseller"),
		wait: wait, pause: time.Second, out: os.Stdout,
	}
	if err != nil || t.url == "" || t.token == "" {
		fmt.Fprintln(os.Stderr, "usage: URL=https://portal.example TOKEN=<access token of a partner> go run ./infra/smoke; KIND and WAIT=3m if others are wanted")
		os.Exit(2)
	}
	if err := t.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "FAILED", err)
		os.Exit(1)
	}
}

// trial is one try of a deployment.
type trial struct {
	url, token, kind string
	wait, pause      time.Duration // at most for the delivery, and between two looks
	out              io.Writer
}

// invitation is what the trial reads of one.
type invitation struct {
	ID, Status string
	Delivery   struct{ State, Reason string }
}

// ended are the states of a mail after which no delivery comes.
var ended = map[string]bool{"failed": true, "bounced": true, "rejected": true, "suppressed": true, "complained": true}

// run names the step that failed.
func (t trial) run(ctx context.Context) error {
	if err := t.step("health", func() error { return t.do(ctx, "GET", "/healthz", "", http.StatusOK, nil) }); err != nil {
		return err
	}
	if err := t.step("document", func() error {
		var document struct{ OpenAPI string }
		if err := t.do(ctx, "GET", "/openapi.json", "", http.StatusOK, &document); err != nil || document.OpenAPI != "" {
			return err
		}
		return errors.New("what is at /openapi.json is no OpenAPI document")
	}); err != nil {
		return err
	}
	var made invitation
	if err := t.step("test invitation", func() error {
		body, err := json.Marshal(map[string]any{"kind": t.kind, "recipientEmail": "success+smoke@simulator.amazonses.com", "sandbox": true})
		if err != nil {
			return err
		}
		return t.do(ctx, "POST", "/v1/invitations", string(body), http.StatusCreated, &made)
	}); err != nil {
		return err
	}
	at := "/v1/invitations/" + made.ID
	err := t.step("sent", func() error { return t.do(ctx, "POST", at+"/send", "", http.StatusAccepted, nil) })
	if err == nil {
		err = t.step("delivered", func() error { return t.delivered(ctx, at) })
	}
	// Whatever became of it: no test stays open.
	return errors.Join(err, t.step("cancelled", func() error {
		var now invitation
		if err := t.do(context.WithoutCancel(ctx), "POST", at+"/cancel", `{"reason":"smoke"}`, http.StatusOK, &now); err != nil || now.Status == "cancelled" {
			return err
		}
		return fmt.Errorf("the invitation is %s", now.Status)
	}))
}

func (t trial) step(name string, do func() error) error {
	start := time.Now()
	if err := do(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	_, _ = fmt.Fprintf(t.out, "%-16s %s\n", name, time.Since(start).Round(time.Millisecond))
	return nil
}

// delivered waits until SES has said that the mail arrived.
func (t trial) delivered(ctx context.Context, at string) error {
	over := time.After(t.wait) // which ends no request on its way: the last answer says what is the matter
	for {
		var now invitation
		if err := t.do(ctx, "GET", at, "", http.StatusOK, &now); err != nil {
			return err
		}
		state := strings.TrimSpace(now.Delivery.State + " " + now.Delivery.Reason)
		switch {
		case now.Delivery.State == "delivered":
			return nil
		case ended[now.Delivery.State]:
			return fmt.Errorf("the mail is %s", state)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-over:
			return fmt.Errorf("after %s the mail is still %s", t.wait, state)
		case <-time.After(t.pause):
		}
	}
}

// do calls the deployment and reads its answer, which has to have a status; a problem document is said by its code and its words.
func (t trial) do(ctx context.Context, method, path, body string, status int, into any) error {
	request, err := http.NewRequestWithContext(ctx, method, t.url+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	if strings.HasPrefix(path, "/v1/") {
		request.Header.Set("Authorization", "Bearer "+t.token)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if method == http.MethodPost {
		request.Header.Set("Idempotency-Key", "smoke-"+rand.Text())
	}
	client := http.Client{Timeout: 40 * time.Second}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(response.Body, 8<<20))
	if err != nil {
		return err
	}
	if response.StatusCode != status {
		var problem struct{ Code, Detail string }
		_ = json.Unmarshal(raw, &problem)
		return fmt.Errorf("%s %s answers %d %s, correlation id %s: %s", method, path, response.StatusCode, problem.Code,
			response.Header.Get("MS-CorrelationId"), cmp.Or(problem.Detail, string(raw[:min(len(raw), 200)])))
	}
	if into == nil {
		return nil
	}
	if err := json.NewDecoder(bytes.NewReader(raw)).Decode(into); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}
