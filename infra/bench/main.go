// Bench measures what Concord costs, and prints Markdown and, with -json, the same as JSON from the same run:
//
//   - in one process, each handler beside a bare call of the AWS SDK: CPU, allocations, calls of AWS
//   - each bootstrap: its size, and its cold starts beside the least that a function in Go can be
//   - over the local stack, everything that one completed invitation asks of the database
//   - with -load, rate, latency and CPU by kind of process, with 1, 16 and 64 callers
//
// Run it with `make bench` and `make load`, which build first.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"concord/infra/local/component"
)

// options are the flags.
type options struct {
	json    string
	rounds  int
	starts  int
	load    bool
	callers string
	each    int
	profile string
}

func main() {
	var o options
	flag.StringVar(&o.json, "json", "", "write the report as JSON into this `file` as well")
	flag.IntVar(&o.rounds, "rounds", 7, "how often each handler is measured, in turns")
	flag.IntVar(&o.starts, "starts", 21, "how often each bootstrap is started, in turns")
	flag.BoolVar(&o.load, "load", false, "load the local stack instead of measuring parts")
	flag.StringVar(&o.callers, "callers", "1,16,64", "with -load: how many callers, one number after another")
	flag.IntVar(&o.each, "each", 192, "with -load: how many invitations for each number of callers (at most 60 for one)")
	flag.StringVar(&o.profile, "profile", "",
		"write a CPU profile of one handler, by its `name` in the table, into .build/bench.pprof and measure nothing else")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	root, err := component.Root()
	if err != nil {
		return err
	}
	r := Report{Machine: machine()}
	if o.load {
		err = r.load(ctx, o)
	} else {
		err = r.parts(ctx, root, o)
	}
	if err != nil || o.profile != "" {
		return err
	}
	r.Machine.LoadAfter = loadAverages()
	r.Markdown(os.Stdout)
	if o.json == "" {
		return nil
	}
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(o.json, append(b, '\n'), 0o644)
}

func (r *Report) load(ctx context.Context, o options) error {
	var callers []int
	for s := range strings.SplitSeq(o.callers, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return fmt.Errorf("bench: -callers %s: numbers with commas", o.callers)
		}
		callers = append(callers, n)
	}
	return load(ctx, callers, o.each, func(l Load) { r.Loads = append(r.Loads, l) })
}

func (r *Report) parts(ctx context.Context, root string, o options) error {
	w, err := newWorld(ctx, root)
	if err != nil {
		return err
	}
	if o.profile != "" {
		return w.profile(ctx, o.profile, 5*time.Second)
	}
	if r.Handlers, err = w.measure(ctx, o.rounds, 200*time.Millisecond); err != nil {
		return err
	}
	if r.Bootstraps, err = sizes(root); err != nil {
		return err
	}
	environment, err := w.environment()
	if err != nil {
		return err
	}
	if r.Bootstraps, err = w.coldStarts(ctx, r.Bootstraps, o.starts, environment); err != nil {
		return err
	}
	// The world's own addresses are not those of a stack.
	for _, name := range []string{"AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_SECRETS_MANAGER",
		"AWS_ENDPOINT_URL_SESV2"} {
		if err := os.Unsetenv(name); err != nil {
			return err
		}
	}
	c, err := complete(ctx)
	r.Completed = &c
	return err
}
