package lambda

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"time"
)

// Line is one line that a function wrote.
type Line struct {
	At       time.Time
	Function string
	Text     string
}

// Logs keeps the last lines of every function and repeats them to a writer.
type Logs struct {
	mu    sync.Mutex
	limit int
	lines []Line // a ring once it is full
	first int
	also  io.Writer
}

// NewLogs keeps at most limit lines (0 for 20,000) and writes each to also, if that is not nil, behind the function's name.
func NewLogs(limit int, also io.Writer) *Logs {
	if limit <= 0 {
		limit = 20_000
	}
	return &Logs{limit: limit, also: also}
}

// Lines returns what is kept, oldest first.
func (l *Logs) Lines() []Line {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]Line, 0, len(l.lines))
	out = append(out, l.lines[l.first:]...)
	return append(out, l.lines[:l.first]...)
}

func (l *Logs) add(function, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	line := Line{time.Now(), function, text}
	if len(l.lines) < l.limit {
		l.lines = append(l.lines, line)
	} else {
		l.lines[l.first] = line
		l.first = (l.first + 1) % l.limit
	}
	if l.also != nil {
		_, _ = fmt.Fprintf(l.also, "%s %s\n", function, text)
	}
}

func (l *Logs) writer(function string) io.Writer { return &lineWriter{logs: l, function: function} }

// lineWriter cuts what one process writes into lines.
type lineWriter struct {
	logs     *Logs
	function string
	mu       sync.Mutex
	partial  []byte
}

func (w *lineWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.partial = append(w.partial, b...)
	for {
		line, rest, found := bytes.Cut(w.partial, []byte("\n"))
		if !found {
			return len(b), nil
		}
		w.logs.add(w.function, string(line))
		w.partial = append([]byte(nil), rest...)
	}
}
