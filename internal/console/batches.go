package console

import (
	"io"
	"net/http"
	"slices"
	"strconv"

	"concord/internal/batch"
	"concord/internal/command"
	"concord/internal/partner"
	"concord/internal/problem"
)

func (h *site) batchRoutes() []route {
	read, change := audience{operation: partner.ReadCustomers}, audience{operation: partner.InviteCustomers}
	return []route{
		{
			method:  http.MethodGet,
			path:    "/batches",
			page:    "console-batches",
			section: "console.menu.batches",
			who:     read,
			serve:   h.batches,
		},
		{method: http.MethodGet, path: "/batches/new", page: "console-batch-new", who: change, serve: h.newBatch},
		{method: http.MethodPost, path: "/batches/new", page: "console-batch-new", who: change, serve: h.sentBatch},
		{method: http.MethodGet, path: "/batches/{id}", page: "console-batch", who: read, serve: h.batchPage},
	}
}

func (v *visit) batchState(b batch.Batch) *pill {
	if b.Status() == batch.Completed {
		return &pill{good, v.T("console-invite.batch.completed")}
	}
	return &pill{wait, v.T("console-invite.batch.running")}
}

// batches is the list of what was submitted at once, newest first.
func (h *site) batches(v *visit) (*page, error) {
	found, pages, err := collect(v, func(after string, limit int) ([]batch.Batch, string, error) {
		page, err := h.Batches.Batches(v.ctx(), v.user, after, limit)
		return page.Batches, page.Next, err
	})
	if err != nil {
		return nil, err
	}
	t := table{
		Printer: v.Printer, Caption: v.T("console-invite.batches.caption"), Pager: pages, CSV: v.query("format", "csv"),
		Columns: []column{
			{
				Label: v.T("console.column.created"),
			}, {Label: v.T("console.column.status")}, {Label: v.T("console-invite.batch.rows"), Numeric: true},
			{
				Label:   v.T("console-invite.row.created"),
				Numeric: true,
			}, {Label: v.T("console-invite.row.failed"), Numeric: true},
		},
	}
	for _, b := range found {
		t.Rows = append(t.Rows, row{Cells: []cell{
			{
				Text: v.DateTime(b.CreatedAt),
				Href: batchPath(b.ID),
			}, {Pill: v.batchState(b)}, {Text: strconv.Itoa(b.Total)},
			{Text: strconv.Itoa(b.Created)}, {Text: strconv.Itoa(b.Failed)},
		}})
	}
	if v.exports() {
		v.export("batches", t)
		return nil, nil
	}
	t.Empty = &empty{v.T("console-invite.batches.empty"), v.T("console-invite.batches.empty.text"), nil}
	p := v.page("console.menu.batches")
	p.Template, p.Content = "listed", t
	if v.permitted(partner.InviteCustomers) {
		p.Primary = &action{Label: v.T("console-invite.batch.new"), Href: root + "/batches/new"}
		t.Empty.Next = p.Primary
	}
	return p, nil
}

// newBatch is the form of many requests and, once it was checked, what would become of each row.
type seenBatchForm struct {
	Hidden  *hidden
	Path    string
	Rows    field
	File    string
	Fault   string
	Send    field
	Columns string
	Sums    []fact
	Table   *table
	Submit  *action
}

func (h *site) newBatch(v *visit) (*page, error) { return h.batchForm(v, nil) }

func (h *site) batchForm(v *visit, checked []batch.Forecast) (*page, error) {
	p := v.page("console-invite.batch.new")
	p.Parent = &action{Label: v.T("console.menu.batches"), Href: root + "/batches"}
	c := seenBatchForm{Hidden: v.hiddenOf(0), Path: root + "/batches/new", File: v.T("console-invite.batch.file")}
	c.Rows = v.input("textarea", "rows", v.T("console-invite.batch.paste"), "kind,recipientEmail,recipientName\n")
	c.Rows.Rows, c.Rows.Hint = 10, v.T("console-invite.batch.paste.hint")
	c.Send = v.input("select", "send", v.T("console-invite.batch.send"), "false")
	c.Send.Options = []option{
		{
			Value: "false",
			Label: v.T("console-invite.batch.send.no"),
		}, {Value: "true", Label: v.T("console-invite.batch.send.yes")},
	}
	if checked != nil {
		sum := batch.Sum(checked)
		for _, verdict := range batch.Verdicts {
			if sum[verdict] > 0 {
				c.Sums = append(c.Sums, fact{Label: v.T(verdictKeys[verdict].Text), Value: strconv.Itoa(sum[verdict])})
			}
		}
		t := v.forecasts(checked)
		c.Table = &t
		c.Submit = &action{Label: v.T("console-invite.batch.submit"), Do: "submit"}
		if sum[batch.Ready]+sum[batch.Unchecked] == 0 {
			c.Submit.Blocked = v.T("console-invite.batch.nothing")
		}
	}
	p.Content = c
	return p, nil
}

// verdictKeys are the words of what would become of a row.
var verdictKeys = map[batch.Verdict]pill{
	batch.Ready: {good, "console-invite.verdict.ready"}, batch.Malformed: {stop, "console-invite.verdict.malformed"},
	batch.Twice: {wait, "console-invite.verdict.twice"}, batch.Invited: {wait, "console-invite.verdict.invited"},
	batch.Customer: {wait, "console-invite.verdict.customer"}, batch.Refused: {stop, "console-invite.verdict.refused"},
	batch.Unchecked: {plainState, "console-invite.verdict.unchecked"},
}

// forecasts list the rows that are not ready first.
func (v *visit) forecasts(all []batch.Forecast) table {
	t := table{Printer: v.Printer, Caption: v.T("console-invite.batch.checked"), Columns: []column{
		{
			Label:   v.T("console-invite.batch.line"),
			Numeric: true,
		}, {Label: v.T("console.column.recipient")}, {Label: v.T("console-invite.batch.verdict")},
		{Label: v.T("console.fact.reason")},
	}}
	sorted := slices.Clone(all)
	slices.SortStableFunc(sorted, func(a, b batch.Forecast) int { return order(a.Verdict) - order(b.Verdict) })
	for _, f := range sorted[:min(len(sorted), exportRows/10)] {
		words := verdictKeys[f.Verdict]
		c := []cell{
			{Text: strconv.Itoa(f.Number)},
			{Text: v.T("console.none")},
			{Pill: &pill{words.State, v.T(words.Text)}},
			v.whyRow(f.Outcome),
		}
		if f.Proposal.RecipientEmail != nil {
			c[1].Text = *f.Proposal.RecipientEmail
		}
		switch {
		case f.Verdict == batch.Twice:
			c[3] = cell{Text: v.T("console-invite.batch.first", "line", f.First)}
		case f.Company != "":
			c[3] = cell{Text: v.T("console-invite.batch.customer", "customer", f.Company)}
		}
		t.Rows = append(t.Rows, row{Cells: c})
	}
	return t
}

func order(x batch.Verdict) int {
	if x == batch.Ready || x == batch.Unchecked {
		return 1
	}
	return 0
}

// whyRow says why a row has no request, or what there is of it.
func (v *visit) whyRow(o *batch.Outcome) cell {
	switch {
	case o == nil:
		return cell{Text: v.T("console.none")}
	case o.Resource != "":
		return cell{Text: v.sentence(o.Code, o.Detail), Href: invitationPath(o.Resource)}
	case len(o.Findings) > 0:
		f := o.Findings[0]
		return cell{Text: v.sentence(f.Code, f.Detail), Note: f.Pointer}
	case o.Code != "":
		return cell{Text: v.sentence(o.Code, o.Detail)}
	}
	return cell{Text: v.T("console.none")}
}

// sentBatch checks rows, or submits them. What was checked is shown above the same form: nothing is made by it.
func (h *site) sentBatch(v *visit) (*page, error) {
	if v.form.obstacle != "" || v.form.do() == "submit" {
		return h.act(h.newBatch, h.submitBatch)(v)
	}
	var checked []batch.Forecast
	p, err := h.act(h.newBatch, func(v *visit) (string, string, error) {
		sub, err := v.submission()
		if err == nil {
			checked, err = h.Batches.Check(v.ctx(), command.Command{User: v.user, CorrelationID: correlationID()}, sub)
		}
		if err == nil {
			err = errShown
		}
		return "", "", err
	})(v)
	if checked == nil {
		return p, err
	}
	v.form.refusal = nil
	return h.batchForm(v, checked)
}

// errShown has the form come back, for what was found is on it.
var errShown = problem.New(problem.ValidationFailed, "This was checked only.")

// submission reads what was pasted, or the file that was sent.
func (v *visit) submission() (batch.Submission, error) {
	sub := batch.Submission{Send: v.form.values.Get("send") == "true"}
	text := []byte(v.value("rows", ""))
	if v.r.MultipartForm != nil {
		if file, head, err := v.r.FormFile("file"); err == nil && head.Size > 0 {
			defer file.Close()
			sent, err := io.ReadAll(io.LimitReader(file, maxBody))
			if err != nil {
				return sub, err
			}
			read, err := batch.Text(sent, "")
			if err != nil {
				return sub, onRows(err)
			}
			v.form.values.Set("rows", read)
			text = []byte(read)
		}
	}
	var err error
	sub.Rows, err = batch.Sheet(text, "utf-8")
	return sub, onRows(err)
}

// onRows has what is wrong with the text at its field.
func onRows(err error) error {
	refusal, ok := err.(*problem.Error) //nolint:errorlint // it is given as it is
	if !ok || len(refusal.Findings) > 0 {
		return err
	}
	var f problem.Findings
	f.Add("/rows", problem.ValidationFailed, "%s", refusal.Detail)
	return f.Err()
}

func (h *site) submitBatch(v *visit) (to, said string, err error) {
	sub, err := v.submission()
	if err != nil {
		return "", "", err
	}
	b, _, err := h.Batches.Submit(v.ctx(), v.command(), sub)
	return batchPath(b.ID), "console-invite.did.submitted", err
}

// seenBatch is one batch and how far it is.
type seenBatch struct {
	Facts    []fact
	Progress *progress
	Tabs     filters
	Table    table
}

var rowKeys = map[batch.Filter]pill{
	batch.CreatedRows: {good, "console-invite.row.created"}, batch.FailedRows: {stop, "console-invite.row.failed"},
	batch.PendingRows: {wait, "console-invite.row.pending"},
}

// batchPage shows how far a batch is, and its rows by outcome. While it runs the script fetches it again.
func (h *site) batchPage(v *visit) (*page, error) {
	b, err := h.Batches.Batch(v.ctx(), v.user, v.r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	show := batch.Filter(
		v.chosen("outcome", "", string(batch.CreatedRows), string(batch.FailedRows), string(batch.PendingRows)),
	)
	rows, pages, err := collect(v, func(after string, limit int) ([]batch.Row, string, error) {
		n, _ := strconv.Atoi(after)
		rows, next, err := h.Batches.Rows(v.ctx(), v.user, b.ID, show, n, limit)
		if next == 0 {
			return rows, "", err
		}
		return rows, strconv.Itoa(next), err
	})
	if err != nil {
		return nil, err
	}
	t := table{
		Printer: v.Printer,
		Caption: v.T("console-invite.batch.rows"),
		Pager:   pages,
		CSV:     v.query("format", "csv"),
		Columns: []column{
			{
				Label:   v.T("console-invite.batch.line"),
				Numeric: true,
			}, {Label: v.T("console.column.status")}, {Label: v.T("console.fact.reason")},
		},
	}
	for _, r := range rows {
		words := rowKeys[r.Is()]
		state := cell{Pill: &pill{words.State, v.T(words.Text)}}
		if r.Outcome != nil && r.Outcome.Created() {
			state.Href = invitationPath(r.Outcome.InvitationID)
		}
		t.Rows = append(t.Rows, row{Cells: []cell{{Text: strconv.Itoa(r.Number)}, state, v.whyRow(r.Outcome)}})
	}
	if v.exports() {
		v.export("batch-rows", t)
		return nil, nil
	}
	t.Empty = &empty{v.T("console.empty.filtered"), v.T("console.empty.filtered.text"), nil}
	p := v.page("console-invite.batch.title", "date", v.DateTime(b.CreatedAt))
	p.Parent = &action{Label: v.T("console.menu.batches"), Href: root + "/batches"}
	p.Pill = v.batchState(b)
	content := seenBatch{Facts: v.batchFacts(b), Table: t, Tabs: filters{Printer: v.Printer}}
	if b.Status() == batch.Running {
		p.Live = 3
		content.Progress = &progress{v.T("console-invite.batch.progress"), b.Created + b.Failed, b.Total}
	}
	content.Tabs.Tabs = []tab{{v.T("console.filter.all"), v.query("outcome", "", cursorUse, ""), show == batch.AllRows}}
	for _, f := range []batch.Filter{batch.CreatedRows, batch.FailedRows, batch.PendingRows} {
		content.Tabs.Tabs = append(
			content.Tabs.Tabs,
			tab{v.T(rowKeys[f].Text), v.query("outcome", string(f), cursorUse, ""), show == f},
		)
	}
	p.Content = content
	return p, nil
}

func (v *visit) batchFacts(b batch.Batch) []fact {
	send := v.T("console-invite.batch.send.no")
	if b.Send {
		send = v.T("console-invite.batch.send.yes")
	}
	facts := []fact{
		{
			Label: v.T("console-invite.batch.rows"),
			Value: strconv.Itoa(b.Total),
		}, {Label: v.T("console-invite.row.created"), Value: strconv.Itoa(b.Created),
			Link: root + "/invitations?batchId=" + b.ID}, {Label: v.T("console-invite.row.failed"), Value: strconv.Itoa(b.Failed)},
		{Label: v.T("console-invite.batch.send"), Value: send},
	}
	if b.Delayed > 0 {
		facts = append(facts, fact{Label: v.T("console-invite.batch.delayed"), Value: strconv.Itoa(b.Delayed)},
			fact{Label: v.T("console-invite.batch.expected"), Time: v.at(b.ExpectedAt)})
	}
	if !b.CompletedAt.IsZero() {
		facts = append(facts, fact{Label: v.T("console-invite.batch.completed"), Time: v.at(b.CompletedAt)})
	}
	return facts
}
