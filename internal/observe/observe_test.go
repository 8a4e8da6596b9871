package observe

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

// What CloudWatch asks of a line in the embedded metric format.
type line struct {
	AWS struct {
		Timestamp         int64
		CloudWatchMetrics []struct {
			Namespace  string
			Dimensions [][]string
			Metrics    []struct{ Name string }
		}
	} `json:"_aws"`
	Stack, Function string
}

func TestMetricLine(t *testing.T) {
	var out bytes.Buffer
	m := Metrics{Stack: "concord", Function: "cleanup", Out: &out}
	before := time.Now().UnixMilli()
	m.Put(map[string]float64{"OldestDueSeconds": 1.5, "Expired": 3})
	if strings.Count(out.String(), "\n") != 1 || !strings.HasSuffix(out.String(), "\n") {
		t.Fatalf("not one line: %q", out.String())
	}
	var got line
	var figures map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out.Bytes(), &figures); err != nil {
		t.Fatal(err)
	}
	if at := got.AWS.Timestamp; at < before || at > time.Now().UnixMilli() {
		t.Errorf("timestamp %d is not now in milliseconds", at)
	}
	if len(got.AWS.CloudWatchMetrics) != 1 {
		t.Fatalf("%d directives", len(got.AWS.CloudWatchMetrics))
	}
	d := got.AWS.CloudWatchMetrics[0]
	if d.Namespace != "Concord" || !reflect.DeepEqual(d.Dimensions, [][]string{{"Stack", "Function"}}) || got.Stack != "concord" || got.Function != "cleanup" {
		t.Errorf("directive %+v of stack %q and function %q", d, got.Stack, got.Function)
	}
	if want := []struct{ Name string }{{"Expired"}, {"OldestDueSeconds"}}; !reflect.DeepEqual(d.Metrics, want) {
		t.Errorf("metrics %+v", d.Metrics)
	}
	if figures["Expired"] != 3.0 || figures["OldestDueSeconds"] != 1.5 {
		t.Errorf("figures %v", figures)
	}
}

func TestNoLineThatCannotBeRead(t *testing.T) {
	var out bytes.Buffer
	m := Metrics{Function: "mailer", Out: &out}
	m.Put(map[string]float64{"Rate": math.NaN()})
	m.Put(map[string]float64{"Rate": math.Inf(1)})
	m.Put(map[string]float64{})
	m.Put(nil)
	if out.Len() != 0 {
		t.Errorf("written: %q", out.String())
	}
}

func TestLinesOfManyGoroutinesStayWhole(t *testing.T) {
	var out bytes.Buffer
	m := Metrics{Function: "mailer", Out: &out}
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() { m.Put(map[string]float64{fmt.Sprintf("Sent%d", i): float64(i)}) })
	}
	wg.Wait()
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	for _, l := range lines {
		if !json.Valid([]byte(l)) {
			t.Errorf("torn line %q", l)
		}
	}
	if len(lines) != 50 {
		t.Errorf("%d lines", len(lines))
	}
}

func TestStandardOutput(t *testing.T) {
	if os.Getenv("OBSERVE_WRITES") != "" {
		(&Metrics{Function: "mailer"}).Put(map[string]float64{"Sent": 1})
		Logger().Info("settled", slog.String("invitation", "inv_1"))
		Logger().Debug("not at this level")
		return
	}
	// The format is read when a program starts.
	command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestStandardOutput$")
	command.Env = append(os.Environ(), "OBSERVE_WRITES=1", "AWS_LAMBDA_LOG_FORMAT=JSON", "AWS_LAMBDA_LOG_LEVEL=INFO")
	out, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(out), "\n")
	stdout := os.Stdout
	file, err := os.Create(filepath.Join(t.TempDir(), "stdout"))
	if err != nil {
		t.Fatal(err)
	}
	os.Stdout = file
	(&Metrics{Function: "mailer"}).Put(map[string]float64{"Sent": 1})
	os.Stdout = stdout
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if here, err := os.ReadFile(file.Name()); err != nil || !json.Valid(here) {
		t.Errorf("written: %q, %v", here, err)
	}
	if len(lines) < 3 || !strings.HasPrefix(lines[2], "PASS") {
		t.Fatalf("written: %q", out)
	}
	var figures, entry map[string]any
	if err := json.Unmarshal([]byte(lines[0]), &figures); err != nil || figures["Sent"] != 1.0 {
		t.Errorf("metrics: %q, %v", lines[0], err)
	}
	if err := json.Unmarshal([]byte(lines[1]), &entry); err != nil || entry["invitation"] != "inv_1" || entry["message"] != "settled" {
		t.Errorf("log: %q, %v", lines[1], err)
	}
}
