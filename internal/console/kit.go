package console

import (
	"io"
	"net/http"
	"time"

	"concord/internal/problem"
)

// kitRoutes are those of the page that shows every component in every state: for tests and pictures, and on a local
// stack only.
func (h *site) kitRoutes() []route {
	if !h.Kit {
		return nil
	}
	all := audience{anybody: true}
	return []route{
		{method: http.MethodGet, path: "/kit", page: "console-kit", who: all, serve: h.kit},
		{method: http.MethodPost, path: "/kit", page: "console-kit", who: all, serve: h.act(h.kit, h.kitSent)},
		{method: http.MethodGet, path: "/kit/mail", page: "console-kit", who: all, serve: h.kitMail},
	}
}

// kit holds one of everything. Its words are samples, in English whatever the reader's language.
type kit struct {
	Pills    []pill
	Notes    []note
	Facts    []fact
	Table    table
	Nothing  table
	Filters  filters
	Timeline []moment
	Steps    []step
	Checks   checks
	Fields   []field
	Choice   choice
	Confirm  confirmation
	Preview  preview
	Copy     copyable
	Progress progress
	Bars     chart
	Funnel   chart
	Actions  []action
	Hidden   *hidden
}

func (h *site) kit(v *visit) (*page, error) {
	p := v.page("console.kit.title")
	p.Parent = &action{Label: v.T("console.today.title"), Href: root}
	p.Primary = &action{Label: "Primary action", Href: root + "/kit"}
	p.Pill = &pill{wait, "Waiting"}
	long := "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"
	k := kit{
		Pills:    []pill{{plainState, "Draft"}, {wait, "Waiting"}, {good, "Accepted"}, {stop, "Declined"}, {info, "Sent"}},
		Actions:  []action{{Label: "Do it", Do: "kit"}, {Label: "Quiet", Do: "kit", Quiet: true}, {Label: "Resend", Do: "kit", Blocked: "Wait until 14:10 UTC."}},
		Hidden:   v.hiddenOf(1),
		Copy:     copyable{Printer: v.Printer, ID: "kit-copy", Label: "Link", Text: "https://concord.example/i/sample", Rows: 1},
		Preview:  preview{Title: "Mail as the recipient sees it", Source: root + "/kit/mail"},
		Progress: progress{Label: "120 of 300 rows", Done: 120, All: 300},
	}
	for _, s := range []state{wait, good, stop, info} {
		k.Notes = append(k.Notes, note{State: s, Title: "A notice", Text: []string{"It says what is so, and the way out."}, Next: &action{Label: "The way out", Href: root}})
	}
	k.Facts = []fact{
		{Label: "Company", Value: long + " & Sons"}, {Label: "Status", Pill: &k.Pills[2]}, {Label: "Since", Time: v.at(v.now)},
		{Label: "Website", Value: "alder.example", Link: root},
	}
	k.tables(v, long)
	k.Timeline = []moment{
		{Title: "Accepted", Who: "The customer", Note: "A note about it", Time: v.at(v.now), State: good},
		{Title: "Bounced", Who: "Automatically", Time: v.at(v.now.Add(-time.Hour)), State: stop},
		{Title: "Created", Who: "You", Time: v.at(v.now.Add(-2 * time.Hour)), State: plainState},
	}
	k.Steps = []step{{"Profile", root, true, false}, {"Contact", root, false, true}, {"Check", "", false, false}}
	k.Checks = checks{v.Printer, []check{{"Recipient", "jo@larch.example", root, "the recipient", ""}, {"Administration", "Yes", root, "administration", ""}}}
	k.controls(v)
	bars := []bar{{"Created", 120, info}, {"Emailed", 110, info}, {"Answered", 40, wait}, {"Accepted", 31, good}, {"Declined", 9, stop}}
	k.Bars = chart{Printer: v.Printer, Title: "Bars", Unit: "Requests", Bars: bars}
	k.Funnel = chart{Printer: v.Printer, Title: "Funnel", Unit: "Requests", Bars: bars[:4], Funnel: true}
	p.Content = k
	if v.r.URL.Query().Has("errors") {
		v.form.refusal = &problem.Error{Code: problem.ValidationFailed, Findings: []problem.Finding{
			{Pointer: "/fullName", Code: problem.NameInvalid}, {Pointer: "/recipientEmail", Code: problem.EmailInvalid},
		}}
		k.controls(v)
		p.Content = k
	}
	return p, nil
}

func (k *kit) tables(v *visit, long string) {
	columns := []column{{Label: "Company"}, {Label: "Status"}, {Label: "Seats", Numeric: true}, {Label: "Since"}}
	k.Table = table{
		Printer: v.Printer, Caption: "Customers", Count: "3", Columns: columns, CSV: root + "/kit?format=csv", Pick: "row",
		Bulk: []action{{Label: "Cancel those chosen", Do: "kit", Quiet: true}}, Hidden: v.hiddenOf(0), Pager: &pager{First: root + "/kit", Next: root + "/kit"},
		Rows: []row{
			{[]cell{{Text: "Larch Industries", Href: root + "/kit", Note: "larch.example"}, {Pill: &k.Pills[2]}, {Text: "1,200"}, {Time: v.day(v.now)}}, "1", "Larch Industries"},
			{[]cell{{Text: long, Href: root + "/kit"}, {Pill: &k.Pills[1]}, {Text: "8"}, {Time: v.day(v.now)}}, "2", "The long one"},
			{[]cell{{Text: "株式会社カラマツ"}, {Pill: &k.Pills[3]}, {Text: "0"}, {Text: "–"}}, "3", "株式会社カラマツ"},
		},
	}
	k.Nothing = table{Printer: v.Printer, Caption: "Nothing", Columns: columns, Empty: &empty{"Nothing here yet", "This says why, and the next step.", &action{Label: "The next step", Href: root}}}
	k.Filters = filters{
		Printer: v.Printer, Action: root + "/kit", Clear: root + "/kit",
		Tabs: []tab{{"Active", root + "/kit", true}, {"Known", root + "/kit", false}, {"All", root + "/kit", false}},
		Fields: []field{
			{Printer: v.Printer, Kind: "search", Name: "q", Label: "Name"},
			{Printer: v.Printer, Kind: "select", Name: "s", Label: "Status", Options: []option{{Value: "", Label: "Any"}, {Value: "a", Label: "Accepted"}}},
		},
	}
}

func (k *kit) controls(v *visit) {
	name := v.input("text", "fullName", "Full name", "")
	name.Autocomplete, name.Max = "name", 100
	mail := v.input("email", "recipientEmail", "Recipient’s email", "jo@larch.example")
	mail.Hint = "Where the request goes."
	text := v.input("textarea", "comment", "Comment", "")
	text.Rows, text.Optional = 3, true
	list := v.input("select", "country", "Country or region", "")
	list.Options = []option{{Value: "", Label: ""}, {Value: "US", Label: "United States"}}
	box := v.input("check", "accepted", "I confirm that this is so", "")
	box.Checked = v.form.on("accepted")
	k.Fields = []field{name, mail, text, list, box}
	k.Choice = choice{Printer: v.Printer, Name: "kind", Legend: "What do you ask for?", Options: []option{
		{Value: "reseller", Label: "A reseller relationship", Hint: "You sell to the customer and bill it."},
		{Value: "dualReseller", Label: "With your provider", Hint: "Your provider orders.", Blocked: "Only indirect resellers can."},
	}}
	reason := v.input("text", "reason", "Reason", "")
	k.Confirm = confirmation{
		Printer: v.Printer, Action: root + "/kit", Do: "kit", Label: "Remove", Back: root + "/kit", Danger: true, Text: []string{"This says what will happen, and to whom."},
		Facts: k.Facts[:2], Fields: []field{reason}, Hidden: v.hiddenOf(1),
	}
}

// kitSent does nothing, or is refused as the form says.
func (h *site) kitSent(v *visit) (to, said string, err error) {
	if v.form.values.Get("fullName") == "" {
		return "", "", &problem.Error{Code: problem.ValidationFailed, Findings: []problem.Finding{{Pointer: "/fullName", Code: problem.NameInvalid}}}
	}
	if v.form.version() > 1 {
		return "", "", problem.New(problem.PreconditionFailed, "")
	}
	return root + "/kit", "console.did.saved", nil
}

// kitMail is a sample of what is shown in a frame.
func (h *site) kitMail(v *visit) (*page, error) {
	v.framed(`<!doctype html><html lang=en><title>Sample</title><body style="font-family:sans-serif;margin:16px"><p>A mail as its recipient sees it.</p></body></html>`)
	return nil, nil
}

// framed answers with a document for a frame of a page, in which nothing runs.
func (v *visit) framed(document string) {
	v.headers(framed)
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = io.WriteString(v.w, document)
}
