package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v3"
)

// print writes what a command found: as JSON whole, as CSV and as a table the columns.
func print(c *cli.Command, whole any, head []string, rows [][]string) error {
	out := c.Root().Writer
	switch c.String("output") {
	case "json":
		e := json.NewEncoder(out)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(whole)
	case "csv":
		w := csv.NewWriter(out)
		for n := range head {
			head[n] = strings.ToLower(strings.ReplaceAll(head[n], " ", "_"))
		}
		_ = w.Write(head)
		for _, r := range rows {
			for n := range r {
				r[n] = harmless(r[n])
			}
			_ = w.Write(r)
		}
		w.Flush()
		return w.Error()
	default:
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprintln(w, strings.Join(head, "\t"))
		for _, r := range rows {
			_, _ = fmt.Fprintln(w, strings.Join(r, "\t"))
		}
		return w.Flush()
	}
}

// harmless keeps a spreadsheet from taking a text for a formula.
func harmless(s string) string {
	if s != "" && strings.ContainsAny(s[:1], "=+-@\t\r") {
		return "'" + s
	}
	return s
}

// text is what a pointer points to, and empty for nil.
func text[T ~string](p *T) string {
	if p == nil {
		return ""
	}
	return string(*p)
}

// day is a moment's day, and empty for none.
func day(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.DateOnly)
}

// moment is a moment in UTC.
func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }
