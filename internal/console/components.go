package console

import (
	"fmt"
	"html/template"
	"net/url"
	"slices"
	"strings"
	"time"

	"concord/internal/locale"
)

// The views of the blocks in components.html. What they say is said already: only labels that are the same everywhere
// come from the block.

// state is how good or bad something is; it chooses colours and icon of a pill, a notice, a bar.
type state string

// The states. Amber is also whatever is as strong as a Global administrator.
const (
	plainState state = "plain"
	wait       state = "wait"
	good       state = "good"
	stop       state = "stop"
	info       state = "info"
)

// pill is a state with its word.
type pill struct {
	State state
	Text  string
}

// action is a link or, with Do set, a button. Blocked, when not empty, is the reason why it cannot be done and the way
// out: it is shown in its place.
type action struct {
	Label, Href, Do string
	Quiet           bool
	Blocked         string
}

// fact is a row of a fact list. Value, Pill, Time and Link are alternatives.
type fact struct {
	Label, Value, Link string
	Pill               *pill
	Time               *stamp
	Lang               string // of the value; empty for the page's
}

// stamp is a moment that the script shows in the reader's time zone, and UTC without it.
type stamp struct {
	ISO, Text string
	Day       bool // the time of day does not matter, as in a list
}

// day gives the stamp of a moment's day.
func (v *visit) day(t time.Time) *stamp {
	if t.IsZero() {
		return nil
	}
	return &stamp{t.UTC().Format(time.RFC3339), v.Date(t), true}
}

// at gives the stamp of a moment.
func (v *visit) at(t time.Time) *stamp {
	if t.IsZero() {
		return nil
	}
	return &stamp{t.UTC().Format(time.RFC3339), v.DateTime(t), false}
}

// cell is a cell of a table.
type cell struct {
	Text, Href, Note string
	Pill             *pill
	Time             *stamp
	Buttons          []action
}

// plain is what an export says of the cell.
func (c cell) plain() string {
	switch {
	case c.Pill != nil:
		return c.Pill.Text
	case c.Time != nil:
		return c.Time.ISO
	case c.Note != "":
		return c.Text + " · " + c.Note
	default:
		return c.Text
	}
}

type column struct {
	Label   string
	Numeric bool
	Quiet   bool // its label is for those who do not see, and no export has it
}

// row is a row of a table: its first cell heads it. Value is what its box says where several can be chosen.
type row struct {
	Cells []cell
	Value string
	Name  string // what the box is called for those who do not see it
}

// table is a list: rows of cells, cards on a small screen.
type table struct {
	*locale.Printer
	Caption string
	Count   string // how many there are, where that is cheap
	Columns []column
	Rows    []row
	Empty   *empty // in the place of no rows
	CSV     string // where the same list is a file; empty for nowhere
	Pick    string // the name of boxes with which rows are chosen; empty for none
	Bulk    []action
	Hidden  *hidden // of the form around the boxes
	Pager   *pager
}

// empty says why a list has nothing, and the one next step.
type empty struct {
	Title, Text string
	Next        *action
}

// pager leads on; the way back is the browser's, and the first page.
type pager struct{ First, Next string }

// filters is a form that changes the URL.
type filters struct {
	*locale.Printer
	Action string
	Fields []field
	Tabs   []tab // the one choice that is made most
	Clear  string
}

// leading is how many filters stand by themselves; the others fold away until one of them is needed.
const leading = 2

// Lead are the filters that are used most.
func (f filters) Lead() []field { return f.Fields[:f.fold()] }

// Rest are the other ones.
func (f filters) Rest() []field { return f.Fields[f.fold():] }

// fold is where the filters that fold away begin: not for one alone, and what is hidden does not count.
func (f filters) fold() int {
	var shown []int
	for n, one := range f.Fields {
		if one.Kind != "hidden" {
			shown = append(shown, n)
		}
	}
	if len(shown) <= leading+1 {
		return len(f.Fields)
	}
	return shown[leading]
}

type tab struct {
	Label, Href string
	Current     bool
}

// field is a control of a form.
type field struct {
	*locale.Printer
	Kind                 string // text, email, search, date, number, textarea, select, check, hidden
	Name, Label, Hint    string
	Value, Fault         string
	Autocomplete         string
	Max                  int // characters; 0 for any number
	Rows                 int
	Optional, Checked    bool
	ReadOnly, Multiple   bool
	Options              []option
	Lang                 string
	Describes, ErrorMark string
}

// ID is that of the control, where the summary of errors leads.
func (f field) ID() string { return "f-" + f.Name }

// option is one of several. Blocked, when not empty, is why it cannot be chosen, and the way out.
type option struct {
	Value, Label, Hint string
	Selected           bool
	Blocked            string
}

// choice is a group of cards of which one is chosen.
type choice struct {
	*locale.Printer
	Name, Legend, Hint, Fault string
	Options                   []option
}

// ID is where the summary of errors leads.
func (c choice) ID() string { return "f-" + c.Name }

// fault is an entry of the summary of errors.
type fault struct {
	Anchor, Text string
	Next         *action // the way out; nil for none
}

// moment is an entry of a timeline.
type moment struct {
	Title, Who, Note string
	Time             *stamp
	State            state
}

// step is one of a stepper.
type step struct {
	Label, Href string
	Done        bool
	Current     bool
}

// check is a row of the page on which answers are looked at before they are sent.
type check struct {
	Label, Value, Change string // where it is changed
	About                string // what is changed, for those who do not see the row
	ID                   string // where the summary of errors leads; empty for nowhere
}

// checks are all rows of such a page.
type checks struct {
	*locale.Printer
	Rows []check
}

// note is a notice on a page.
type note struct {
	State state
	Title string
	Text  []string
	Next  *action
}

// confirmation is a page of its own for what cannot be undone.
type confirmation struct {
	*locale.Printer
	Action, Do, Label, Back string
	Text                    []string
	Words                   *quotation // what is confirmed
	Facts                   []fact
	Fields                  []field
	Hidden                  *hidden
	Danger                  bool
	Blocked                 []note // instead of the form
}

// hidden are the fields that every form that changes something carries.
type hidden struct {
	Version int
	Key     string
	Filler  string
}

// preview is a mail as its recipient sees it, in a frame that may do nothing.
type preview struct{ Title, Source string }

// copyable is a text to copy.
type copyable struct {
	*locale.Printer
	ID, Label, Text string
	Rows            int
}

// progress is how far something has come.
type progress struct {
	Label     string
	Done, All int
}

// bar is one of a chart.
type bar struct {
	Label string
	Value int
	State state
}

// chart is a picture of numbers with the same numbers as a table.
type chart struct {
	*locale.Printer
	Title, Unit string
	Bars        []bar
	Funnel      bool
}

// The measures of a chart, in the units of its picture.
const (
	chartWidth = 480
	barHeight  = 26
	barGap     = 10
)

// SVG draws the chart. It is decoration: the table beside it says the same.
func (c chart) SVG() template.HTML {
	most := 1
	for _, b := range c.Bars {
		most = max(most, b.Value)
	}
	var s strings.Builder
	fmt.Fprintf(&s, `<svg class=chart viewBox="0 0 %d %d" aria-hidden=true focusable=false>`, chartWidth, len(c.Bars)*(barHeight+barGap))
	for n, b := range c.Bars {
		width := max(2, b.Value*chartWidth/most)
		left := 0
		if c.Funnel {
			left = (chartWidth - width) / 2
		}
		fmt.Fprintf(&s, `<rect class="bar %s" x=%d y=%d width=%d height=%d rx=4 />`, b.State, left, n*(barHeight+barGap), width, barHeight)
	}
	s.WriteString("</svg>")
	return template.HTML(s.String()) //nolint:gosec // numbers and words of ours
}

// query gives the URL of a page with some parameters of its query changed; an empty value takes one out.
func (v *visit) query(pairs ...string) string {
	q := v.r.URL.Query()
	q.Del("lang")
	for n := 0; n+1 < len(pairs); n += 2 {
		if q.Del(pairs[n]); pairs[n+1] != "" {
			q.Set(pairs[n], pairs[n+1])
		}
	}
	for name, values := range q {
		if q[name] = slices.DeleteFunc(values, func(s string) bool { return s == "" }); len(q[name]) == 0 {
			delete(q, name)
		}
	}
	return (&url.URL{Path: v.r.URL.Path, RawQuery: q.Encode()}).String()
}

// input makes a control with what was typed, and what is wrong with it.
func (v *visit) input(kind, name, label, before string) field {
	return field{Printer: v.Printer, Kind: kind, Name: name, Label: label, Value: v.value(name, before), Fault: v.fault(name)}
}

// hiddenOf makes the fields that every form carries.
func (v *visit) hiddenOf(version int) *hidden {
	filler := v.form.values.Get(fieldFiller)
	if v.form.obstacle != sessionIsOver {
		var err error
		if filler, err = v.h.room.Filler(v.ctx(), *v.person, ""); err != nil {
			v.h.Log.ErrorContext(v.ctx(), "form without a name", "route", v.r.Pattern, "error", err.Error())
		}
	}
	key := v.form.values.Get(fieldKey)
	if key == "" || v.form.refusal != nil {
		key = correlationID() // what is sent after a refusal is something else
	}
	return &hidden{version, key, filler}
}
