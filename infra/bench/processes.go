package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// The kinds of processes of a local stack. What drives it and the stack's own parts are one process, this one.
const (
	functions = "functions"
	engines   = "engine"
	provider  = "identity provider"
	driver    = "stack and driver"
)

// processes gives the processor's time and the resident memory, in bytes, of this process and its children by kind;
// each function is there
// again under its own name. It reads /proc, so that it is empty elsewhere than on Linux.
func processes() (cpu map[string]time.Duration, memory map[string]int64) {
	cpu, memory = map[string]time.Duration{}, map[string]int64{}
	parents := map[int]int{}
	type usage struct {
		cpu    time.Duration
		memory int64
	}
	used := map[int]usage{}
	found, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range found {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended meanwhile
		}
		id, _ := strconv.Atoi(strings.Split(file, "/")[2])
		// Behind the name in parentheses: state, parent, and from the twelfth on user and system time in hundredths; the 22nd
		// is resident pages.
		f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		number := func(n int) int64 { v, _ := strconv.ParseInt(f[n], 10, 64); return v }
		parents[id] = int(number(1))
		used[id] = usage{time.Duration(number(11)+number(12)) * 10 * time.Millisecond, number(21) * int64(os.Getpagesize())}
	}
	for id, u := range used {
		above := id
		for above > 1 && above != os.Getpid() {
			above = parents[above]
		}
		if above != os.Getpid() {
			continue
		}
		for _, kind := range kindsOf(id) {
			cpu[kind] += u.cpu
			memory[kind] += u.memory
		}
	}
	return cpu, memory
}

func kindsOf(id int) []string {
	if id == os.Getpid() {
		return []string{driver}
	}
	b, _ := os.ReadFile("/proc/" + strconv.Itoa(id) + "/cmdline")
	line := string(b)
	if before, _, ok := strings.Cut(line, "Function/bootstrap"); ok {
		return []string{functions, strings.ToLower(before[strings.LastIndex(before, "/")+1:])}
	}
	switch {
	case strings.Contains(line, "server.mjs"):
		return []string{provider}
	case strings.Contains(line, "dynoxide"), strings.Contains(line, "LoopbackServer"):
		return []string{engines}
	}
	return []string{driver}
}
