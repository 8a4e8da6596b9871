package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"

	"concord/infra/local/meter"
)

// Report is one run. What was not asked for is not in it.
type Report struct {
	Machine    Machine     `json:"machine"`
	Handlers   []Effort    `json:"handlers,omitempty"`
	Bootstraps []Bootstrap `json:"bootstraps,omitempty"`
	Completed  *Completed  `json:"completed,omitempty"`
	Loads      []Load      `json:"loads,omitempty"`
}

// Machine is where a run was made: figures of two machines, or of a busy one, are not to be compared.
type Machine struct {
	Go, OS, Arch, CPU string
	Cores             int
	LoadBefore        string // the averages of one, five and fifteen minutes
	LoadAfter         string
}

func machine() Machine {
	m := Machine{Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH, Cores: runtime.NumCPU(),
		LoadBefore: loadAverages()}
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(b)) {
		if name, model, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			m.CPU = strings.TrimSpace(model)
			break
		}
	}
	return m
}

func loadAverages() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(b))[:3], " ")
}

// Markdown writes the tables.
func (r Report) Markdown(out io.Writer) {
	p := func(format string, a ...any) { _, _ = fmt.Fprintf(out, format+"\n", a...) }
	m := r.Machine
	p("%s, %s/%s, %d cores (%s); load averages %s before, %s after.", m.Go, m.OS, m.Arch, m.Cores, m.CPU, m.LoadBefore,
		m.LoadAfter)
	p("Times of a machine that others use are noise: counts, allocations, sizes and ratios within one run are what can be compared.\n")
	if len(r.Handlers) > 0 {
		p("| In process, answers of AWS given at once | ÷ bare call | CPU µs | allocations | bytes | calls of AWS |\n|---|---|---|---|---|---|")
		for _, e := range r.Handlers {
			calls := 0
			for _, n := range e.Calls {
				calls += n
			}
			p("| %s | %.2f | %.0f | %.0f | %.0f | %d |", e.Name, e.Ratio, e.Microsecond, e.Allocations, e.Bytes, calls)
		}
		p("")
	}
	if len(r.Bootstraps) > 0 {
		p("| Bootstrap | MB | ready ÷ minimal | ready ms | first answer ms | CPU until then ÷ minimal |\n|---|---|---|---|---|---|")
		for _, b := range r.Bootstraps {
			first := "—"
			if b.First > 0 {
				first = fmt.Sprintf("%.1f", b.First)
			}
			p("| %s | %.1f | %.2f | %.1f | %s | %.2f |", b.Name, float64(b.Bytes)/1e6, b.ReadyRatio, b.Ready, first, b.CPURatio)
		}
		p("")
	}
	if r.Completed != nil {
		r.Completed.markdown(p)
	}
	if len(r.Loads) > 0 {
		p("Closed loop over the local stack with the real binaries; the database is a local engine in memory.\n")
		p("| Operation | callers | n | /s | p50 ms | p99 ms | CPU ms: functions | engine | stack and driver | identity provider | functions MB | engine MB |\n|---|---|---|---|---|---|---|---|---|---|---|---|")
		for _, l := range r.Loads {
			p("| %s | %d | %d | %.1f | %.1f | %.1f | %.2f | %.2f | %.2f | %.2f | %d | %d |", l.Operation, l.Callers, l.Count,
				l.Rate, l.P50, l.P99,
				l.CPU[functions], l.CPU[engines], l.CPU[driver], l.CPU[provider], l.Memory[functions]>>20, l.Memory[engines]>>20)
		}
		p("\nCPU of each function, ms for one operation:\n")
		for _, l := range r.Loads {
			var each []string
			for _, kind := range slices.Sorted(maps.Keys(l.CPU)) {
				if !slices.Contains([]string{functions, engines, driver, provider}, kind) && l.CPU[kind] >= 0.05 {
					each = append(each, fmt.Sprintf("%s %.2f", kind, l.CPU[kind]))
				}
			}
			p("- %s, %d callers: %s", l.Operation, l.Callers, strings.Join(each, ", "))
		}
	}
}

func (c Completed) markdown(p func(string, ...any)) {
	p("One completed invitation, counted at the engine until its last audit record, receipt and event:\n")
	p("| Function | requests | write units | read units |\n|---|---|---|---|")
	by := map[string][]meter.Row{}
	for _, r := range c.Rows {
		by[r.Function] = append(by[r.Function], r)
	}
	for _, f := range slices.Sorted(maps.Keys(by)) {
		n, w, r := meter.Total(by[f])
		p("| %s | %d | %v | %v |", f, n, w, r)
	}
	p("| **all** | **%d** | **%v** | **%v** |\n\n%d mails, %d bytes of log lines.\n", c.Requests, c.Writes, c.Reads,
		c.Mails, c.Logged)
}
