package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"syscall"
	"time"
)

// Effort is what one subject takes of a processor and of memory, once.
type Effort struct {
	Name        string  `json:"name"`
	Microsecond float64 `json:"cpuMicroseconds"`
	Allocations float64 `json:"allocations"`
	Bytes       float64 `json:"bytes"`
	// Ratio is the median of the ratios to the bare call, each taken within one round.
	Ratio float64        `json:"ratio"`
	Calls map[string]int `json:"calls"` // of AWS, by what was asked
}

// measure takes the subjects in turns, so that what else the machine does meets all of them, and keeps of each the
// median round.
func (w *world) measure(ctx context.Context, rounds int, each time.Duration) ([]Effort, error) {
	// Collections are part of what a handler costs; those of what was set up before are not.
	runtime.GC()
	all, ratios := make([][]Effort, len(w.subjects)), make([][]float64, len(w.subjects))
	for range rounds {
		var base float64
		for n, s := range w.subjects {
			e, err := w.one(ctx, s, each)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			if s.name == bare {
				base = e.Microsecond
			}
			all[n], ratios[n] = append(all[n], e), append(ratios[n], e.Microsecond/base)
		}
	}
	out := make([]Effort, len(all))
	for n, es := range all {
		out[n] = Effort{
			Name: es[0].Name, Calls: es[0].Calls, Ratio: median(ratios[n]), Microsecond: median(collect(es,
				func(e Effort) float64 { return e.Microsecond })),
			Allocations: median(collect(es, func(e Effort) float64 { return e.Allocations })), Bytes: median(collect(es,
				func(e Effort) float64 { return e.Bytes })),
		}
	}
	return out, nil
}

func (w *world) one(ctx context.Context, s subject, d time.Duration) (Effort, error) {
	before := maps.Clone(w.aws.answers)
	for k, v := range s.with {
		w.aws.put(k, v)
	}
	defer func() { w.aws.answers = before }()
	w.aws.calls()
	if err := s.invoke(ctx); err != nil {
		return Effort{}, err
	}
	e := Effort{Name: s.name, Calls: w.aws.calls()}
	var m0, m1 runtime.MemStats
	runtime.ReadMemStats(&m0)
	began, c0 := time.Now(), processor()
	n := 0
	for ; time.Since(began) < d; n++ {
		if err := s.invoke(ctx); err != nil {
			return e, err
		}
	}
	c1 := processor()
	runtime.ReadMemStats(&m1)
	of := float64(n)
	e.Microsecond, e.Allocations, e.Bytes = float64(c1-c0)/float64(time.Microsecond)/of, float64(m1.Mallocs-m0.Mallocs)/of, float64(m1.TotalAlloc-m0.TotalAlloc)/of
	return e, nil
}

// processor is the processor's time of this program so far: on a busy machine the time on the wall says nothing.
func processor() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func collect(es []Effort, f func(Effort) float64) (out []float64) {
	for _, e := range es {
		out = append(out, f(e))
	}
	return out
}

func median(all []float64) float64 {
	if len(all) == 0 {
		return 0
	}
	all = slices.Sorted(slices.Values(all))
	return all[len(all)/2]
}

// profile writes where one handler spends its time.
func (w *world) profile(ctx context.Context, name string, d time.Duration) error {
	for _, s := range w.subjects {
		if s.name != name {
			continue
		}
		file, err := os.Create(filepath.Join(w.root, ".build", "bench.pprof"))
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }()
		if err := pprof.StartCPUProfile(file); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
		_, err = w.one(ctx, s, d)
		return err
	}
	return fmt.Errorf("bench: nothing is called %s", name)
}
