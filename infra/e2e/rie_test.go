//go:build heavy

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"concord/infra/local/component"
	"concord/infra/local/stack"
)

// TestRuntimeInterfaceEmulator sends every file of events/ to the bootstrap of its function through AWS's own Runtime Interface
// Emulator, with the local stack behind it. No answer may be an error of the function, and none to a request one of the server.
// `make rie` builds the emulator and runs this.
func TestRuntimeInterfaceEmulator(t *testing.T) {
	s, err := stack.Start(t.Context(), stack.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	files, err := filepath.Glob("../../events/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no events: %v", err)
	}
	events := map[string][]string{} // by the function
	for _, file := range files {
		folder, _, _ := strings.Cut(filepath.Base(file), "-")
		events[folder] = append(events[folder], file)
	}
	sent := 0
	for _, f := range s.Template.Functions {
		folder := strings.ToLower(strings.TrimSuffix(f.LogicalID, "Function"))
		if len(events[folder]) == 0 {
			t.Errorf("events/ has none for %s", f.LogicalID)
			continue
		}
		environment := append(s.Functions().Environment(f.LogicalID), "AWS_LAMBDA_FUNCTION_TIMEOUT="+strconv.Itoa(int(f.Timeout.Seconds())))
		began := time.Now()
		emulate(t, f.LogicalID, environment, events[folder])
		sent += len(events[folder])
		t.Logf("%-24s %3d events, %s", f.LogicalID, len(events[folder]), time.Since(began).Round(time.Millisecond))
	}
	if sent != len(files) {
		t.Errorf("%d events sent, there are %d", sent, len(files))
	}
	if d := s.Guard.Denials(); len(d) > 0 {
		t.Errorf("denied: %v", d)
	}
}

// emulate runs an emulator with one function and sends it events, one after another.
func emulate(t *testing.T, function string, environment, files []string) {
	t.Helper()
	root, err := component.Root()
	if err != nil {
		t.Fatal(err)
	}
	rie := filepath.Join(root, ".build", "rie", "aws-lambda-rie")
	if err := component.Require("the Runtime Interface Emulator", rie, "make rie"); err != nil {
		t.Fatal(err)
	}
	var at [2]string // the emulator, and its Runtime API
	for n := range at {
		port, err := component.FreePort()
		if err != nil {
			t.Fatal(err)
		}
		at[n] = "127.0.0.1:" + strconv.Itoa(port)
	}
	child, err := component.Start(component.Program{
		Name: "the emulator of " + function, Path: rie, Env: environment,
		Args: []string{
			"--runtime-interface-emulator-address", at[0], "--runtime-api-address", at[1], "--log-level", "error",
			filepath.Join(root, ".build", function, "bootstrap"),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := child.Close(); err != nil {
			t.Error(err)
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := child.AwaitHTTP(ctx, "http://"+at[0]+"/"); err != nil {
		t.Fatal(err)
	}
	invocations := "http://" + at[0] + "/2015-03-31/functions/function/invocations"
	for _, file := range files {
		event, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if fault := invoke(ctx, invocations, event); fault != "" {
			t.Errorf("%s: %s", filepath.Base(file), fault)
		}
	}
	if function == "InvitationsFunction" { // what fails is seen to fail
		if fault := invoke(ctx, invocations, []byte(`{"rawPath":7}`)); !strings.HasPrefix(fault, "a function error") {
			t.Errorf("what is no event: %q", fault)
		}
	}
}

// invoke sends an event and says what is wrong with the answer.
func invoke(ctx context.Context, url string, event []byte) string {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(event))
	if err != nil {
		return err.Error()
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(res.Body); err != nil {
		return err.Error()
	}
	var said struct {
		ErrorType  *string
		StatusCode int
	}
	var asked struct {
		RequestContext struct{ HTTP *struct{} }
		Type           string
	}
	switch {
	case json.Unmarshal(event, &asked) != nil:
		return "the event is not JSON"
	case res.StatusCode != http.StatusOK:
		return "the emulator answers " + res.Status + ": " + text.String()
	case json.Unmarshal(text.Bytes(), &said) != nil && text.String() != "null":
		return "the answer is not JSON: " + text.String()
	case said.ErrorType != nil:
		return "a function error: " + text.String()
	case asked.RequestContext.HTTP != nil && asked.Type != "REQUEST" && (said.StatusCode < 200 || said.StatusCode >= 500):
		return "no answer to a request: " + text.String()
	}
	return ""
}
