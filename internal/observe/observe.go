// Package observe writes what an operator sees: log lines and metrics, both as JSON on standard output.
//
// Neither ever holds a link, a token, a mail address or a name of a person. Ids of invitations and tenants may be logged.
package observe

import (
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
)

// Logger gives the function's logger: lines with the request id, in the format (JSON, says template.yaml) and at the level
// that Lambda is configured for.
func Logger() *slog.Logger { return lambdacontext.NewLogger() }

// Metrics writes figures in CloudWatch's embedded metric format, which costs no call. Stack and Function are their dimensions:
// two stacks of one account and region do not mix their figures.
type Metrics struct {
	Stack    string // the CloudFormation stack's name
	Function string // the folder below functions/
	// Out is where the lines go; nil means standard output.
	Out io.Writer

	mu sync.Mutex
}

// Put writes figures of one moment. The names end in their unit when it is not a count, such as OldestDueSeconds.
func (m *Metrics) Put(figures map[string]float64) {
	type metric struct{ Name string }
	line := map[string]any{"Stack": m.Stack, "Function": m.Function}
	var names []metric
	for _, name := range slices.Sorted(maps.Keys(figures)) {
		names = append(names, metric{name})
		line[name] = figures[name]
	}
	line["_aws"] = map[string]any{
		"Timestamp": time.Now().UnixMilli(),
		"CloudWatchMetrics": []any{map[string]any{
			"Namespace": "Concord", "Dimensions": [][]string{{"Stack", "Function"}}, "Metrics": names,
		}},
	}
	b, err := json.Marshal(line)
	if err != nil || len(names) == 0 { // a NaN; and a line without a figure is no metric
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	out := m.Out
	if out == nil {
		out = os.Stdout
	}
	_, _ = out.Write(append(b, '\n'))
}
