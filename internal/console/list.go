package console

import (
	"bytes"
	"encoding/csv"
	"net/http"
	"slices"
	"strings"
	"time"
)

// How many rows a page has, how many an export has at most, and how often a page asks the store for more: a filter may
// leave nothing of what was read while there is more.
const (
	pageRows   = 25
	exportRows = 1000
	rounds     = 4
)

const cursorUse = "cursor"

// cursor reads where the page before ended; empty for the first page, and for what is no cursor of this list with
// these filters.
func (v *visit) cursor() (string, error) {
	var after string
	_, err := v.h.room.Unseal(v.ctx(), v.cursorName(), v.h.room.Use, v.r.URL.Query().Get(cursorUse), &after)
	return after, err
}

// cursorName ties a cursor to a company, a list and its filters.
func (v *visit) cursorName() string {
	return "cursor\n" + string(v.user.Tenant) + "\n" + v.query(cursorUse, "", "format", "")
}

// exports reports whether the list is asked for as a file.
func (v *visit) exports() bool {
	return v.r.URL.Query().Get("format") == "csv" || strings.HasPrefix(v.r.Header.Get("Accept"), "text/csv")
}

// collect reads a page of a list, or as much as an export has, and gives where the next one begins; nil for nowhere.
func collect[T any](v *visit, fetch func(after string, limit int) ([]T, string, error)) ([]T, *pager, error) {
	after, err := v.cursor()
	if err != nil {
		return nil, nil, err
	}
	begins := after
	wanted, most := pageRows, rounds
	if v.exports() {
		wanted, most = exportRows, exportRows/100+rounds
	}
	var all []T
	for round := 0; ; round++ {
		some, next, err := fetch(after, min(100, wanted-len(all)))
		if err != nil {
			return nil, nil, err
		}
		all, after = append(all, some...), next
		if after == "" || len(all) >= wanted || round+1 >= most {
			break
		}
	}
	var p pager
	if begins != "" {
		p.First = v.query(cursorUse, "", "format", "")
	}
	if after != "" {
		text, err := v.h.room.Seal(v.ctx(), v.cursorName(), v.h.room.Use, after, 10*365*24*time.Hour)
		if err != nil {
			return nil, nil, err
		}
		p.Next = v.query(cursorUse, text, "format", "")
	}
	if p == (pager{}) {
		return all, nil, nil
	}
	return all, &p, nil
}

// export answers with exactly what a list shows, as a file that a spreadsheet opens.
func (v *visit) export(name string, t table) {
	var b bytes.Buffer
	b.WriteString("\uFEFF") // so that spreadsheets read it as UTF-8
	w := csv.NewWriter(&b)
	var head []string
	for _, c := range t.Columns {
		if !c.Quiet {
			head = append(head, c.Label)
		}
	}
	_ = w.Write(head)
	for _, r := range t.Rows {
		var line []string
		for n, c := range r.Cells {
			if n < len(t.Columns) && !t.Columns[n].Quiet {
				line = append(line, harmless(c.plain()))
			}
		}
		_ = w.Write(line)
	}
	w.Flush()
	v.headers(policy)
	v.w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	v.w.Header().Set("Content-Disposition", `attachment; filename="`+name+`.csv"`)
	v.w.WriteHeader(http.StatusOK)
	if v.r.Method != http.MethodHead {
		_, _ = v.w.Write(b.Bytes())
	}
}

// harmless keeps a spreadsheet from taking what a customer wrote for a formula.
func harmless(s string) string {
	if s != "" && strings.ContainsAny(s[:1], "=+-@\t\r") {
		return "'" + s
	}
	return s
}

// chosen gives a parameter of the query that has one of some values, and the first of them for any other.
func (v *visit) chosen(name string, values ...string) string {
	if got := v.r.URL.Query().Get(name); slices.Contains(values, got) {
		return got
	}
	return values[0]
}

// typed gives a parameter of free text of the query, of at most some bytes.
func (v *visit) typed(name string, most int) string {
	got := strings.TrimSpace(v.r.URL.Query().Get(name))
	return strings.ToValidUTF8(got[:min(len(got), most)], "")
}
