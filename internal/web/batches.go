package web

import (
	"cmp"
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"concord/internal/batch"
	"concord/internal/problem"
)

// batchesPath is where batches are submitted.
const batchesPath = "/v1/invitation-batches"

// batches serves the bulk invitations of the calling partner.
type batches struct{ service *batch.Service }

type batchDocument struct {
	ID          string       `json:"id"`
	Status      batch.Status `json:"status"`
	Send        bool         `json:"send"`
	Total       int          `json:"total"`
	Created     int          `json:"created"`
	Failed      int          `json:"failed"`
	Delayed     int          `json:"delayed"`
	ExpectedAt  *time.Time   `json:"expectedAt,omitempty"`
	CreatedAt   time.Time    `json:"createdAt"`
	CompletedAt *time.Time   `json:"completedAt,omitempty"`
	Version     int          `json:"version"`
}

type rowDocument struct {
	Row          int               `json:"row"`
	Outcome      batch.Filter      `json:"outcome"`
	InvitationID string            `json:"invitationId,omitempty"`
	Code         problem.Code      `json:"code,omitempty"`
	Detail       string            `json:"detail,omitempty"`
	Errors       []findingDocument `json:"errors,omitempty"`
}

func (b batches) tagged(c *call, status int, x batch.Batch) error {
	return c.tagged(status, x.Version, documentOfBatch(x))
}

func documentOfBatch(x batch.Batch) batchDocument {
	return batchDocument{
		ID: x.ID, Status: x.Status(), Send: x.Send, Total: x.Total, Created: x.Created, Failed: x.Failed, Delayed: x.Delayed,
		ExpectedAt: moment(x.ExpectedAt), CreatedAt: x.CreatedAt.UTC(), CompletedAt: moment(x.CompletedAt), Version: x.Version,
	}
}

func (b batches) submit(c *call) error {
	read := c.jsonRows
	switch t, _, _ := mime.ParseMediaType(c.r.Header.Get("Content-Type")); t {
	case "text/csv":
		read = c.csvRows
	case "application/json":
	default: // what a spreadsheet or a browser calls CSV is none of these
		return c.unsupported()
	}
	only, err := c.checksOnly()
	if err != nil {
		return err
	}
	form, sub, err := read()
	if err != nil {
		return err
	}
	if only {
		return b.check(c, form, sub)
	}
	cmd, err := c.command(form, true)
	if err != nil {
		return err
	}
	cmd.Findings = form.end()
	x, replayed, err := b.service.Submit(c.r.Context(), cmd, sub)
	if err != nil {
		return err
	}
	if replayed {
		c.w.Header().Set("Idempotency-Replayed", "true")
	}
	c.w.Header().Set("Location", "/v1/invitation-batches/"+x.ID)
	return b.tagged(c, http.StatusAccepted, x)
}

// dryRun is the parameter of who wants to know what would become of the rows, and nothing made.
const dryRun = "dryRun"

func (c *call) checksOnly() (bool, error) {
	values, said := c.r.URL.Query()[dryRun]
	switch {
	case !said:
		return false, nil
	case len(values) != 1 || values[0] != "true" && values[0] != "false":
		return false, problem.New(problem.MalformedRequest, "The parameter dryRun is true or false, once.")
	}
	return values[0] == "true", nil
}

type forecastDocument struct {
	Row          int               `json:"row"`
	Verdict      batch.Verdict     `json:"verdict"`
	FirstRow     int               `json:"firstRow,omitempty"`
	InvitationID string            `json:"invitationId,omitempty"`
	Code         problem.Code      `json:"code,omitempty"`
	Detail       string            `json:"detail,omitempty"`
	Errors       []findingDocument `json:"errors,omitempty"`
}

type forecastsDocument struct {
	Total  int                   `json:"total"`
	Counts map[batch.Verdict]int `json:"counts"`
	// Items are the rows that are not ready.
	Items []forecastDocument `json:"items"`
}

// check answers with what would become of the rows.
func (b batches) check(c *call, form *body, sub batch.Submission) error {
	cmd, err := c.command(form, true)
	if err != nil {
		return err
	}
	cmd.Findings = form.end()
	all, err := b.service.Check(c.r.Context(), cmd, sub)
	if err != nil {
		return err
	}
	d := forecastsDocument{Total: len(all), Counts: batch.Sum(all), Items: []forecastDocument{}}
	for _, f := range all {
		if f.Verdict == batch.Ready {
			continue
		}
		row := forecastDocument{Row: f.Number, Verdict: f.Verdict, FirstRow: f.First}
		if o := f.Outcome; o != nil {
			row.InvitationID, row.Code, row.Detail = o.Resource, o.Code, o.Detail
			for _, one := range o.Findings {
				row.Errors = append(row.Errors, findingDocument(one))
			}
		}
		d.Items = append(d.Items, row)
	}
	return c.give(http.StatusOK, d)
}

func (b batches) list(c *call) error {
	l, err := c.list()
	if err != nil {
		return err
	}
	u, err := c.reader()
	if err != nil {
		return err
	}
	found, err := b.service.Batches(c.r.Context(), u, l.After, l.Limit)
	if err != nil {
		return err
	}
	answer := page[batchDocument]{Items: []batchDocument{}}
	for _, x := range found.Batches {
		answer.Items = append(answer.Items, documentOfBatch(x))
	}
	if answer.NextCursor, err = c.gate.seal(c.r.Context(), l.binding, found.Next); err != nil {
		return err
	}
	return c.give(http.StatusOK, answer)
}

// jsonRows reads a batch as JSON. What is wrong with a row is the row's affair.
func (c *call) jsonRows() (*body, batch.Submission, error) {
	b, err := c.bodyUpTo(maxBatch, true)
	if err != nil {
		return nil, batch.Submission{}, err
	}
	sub := batch.Submission{}
	if send := b.flag("send"); send != nil {
		sub.Send = *send
	}
	if rows := take[[]json.RawMessage](b, "rows", "a list of objects"); rows != nil && len(*rows) <= batch.MaxRows {
		for n, raw := range *rows {
			sub.Rows = append(sub.Rows, rowOf(n+1, raw))
		}
	} else if rows != nil {
		sub.Rows = make([]batch.Row, len(*rows)) // too many: the service says so
	}
	return b, sub, nil
}

// rowOf reads one row, whose members are canonical already.
func rowOf(number int, raw json.RawMessage) batch.Row {
	r := &body{}
	if json.Unmarshal(raw, &r.members) != nil || r.members == nil {
		return batch.Unreadable(number, "A row is an object, such as {\"kind\":\"reseller\",\"recipientEmail\":\"admin@example.com\"}.")
	}
	p := r.proposal()
	return batch.Row{Number: number, Proposal: p, Findings: r.end()}
}

// csvRows reads a batch as CSV. The first line names the fields as JSON does, tags as tags.<name>; an empty field is one that is not
// said.
func (c *call) csvRows() (*body, batch.Submission, error) {
	sub := batch.Submission{}
	text, err := c.bytes(maxBatch)
	if err != nil {
		return nil, sub, err
	}
	query, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return nil, sub, problem.New(problem.MalformedRequest, "The query cannot be read.")
	}
	for name, values := range query {
		if name == dryRun {
			continue // submit has read it
		}
		if name != "send" || len(values) != 1 || values[0] != "true" && values[0] != "false" {
			return nil, sub, problem.New(problem.MalformedRequest, "The query must say send=true, send=false, dryRun=true, or nothing.")
		}
		sub.Send = values[0] == "true"
	}
	_, parameters, _ := mime.ParseMediaType(c.r.Header.Get("Content-Type")) // submit has read it
	b := &body{fingerprint: fingerprint(c.r.Method, c.r.URL.Path, map[string]json.RawMessage{"csv": text, "send": json.RawMessage(strconv.FormatBool(sub.Send))})}
	sub.Rows, err = batch.Sheet(text, parameters["charset"])
	return b, sub, err
}

func (b batches) read(c *call) error {
	u, err := c.reader()
	if err != nil {
		return err
	}
	x, err := b.service.Batch(c.r.Context(), u, c.r.PathValue("id"))
	if err != nil {
		return err
	}
	return b.tagged(c, http.StatusOK, x)
}

func (b batches) rows(c *call) error {
	l, err := c.list("outcome")
	if err != nil {
		return err
	}
	filter := oneOf(l, "outcome", batch.CreatedRows, batch.FailedRows, batch.PendingRows)
	if l.err != nil {
		return l.err
	}
	u, err := c.reader()
	if err != nil {
		return err
	}
	after := 0
	if l.After != "" {
		if after, err = strconv.Atoi(l.After); err != nil {
			return problem.New(problem.MalformedRequest, "The list cannot be continued from there.")
		}
	}
	rows, next, err := b.service.Rows(c.r.Context(), u, c.r.PathValue("id"), filter, after, l.Limit)
	if err != nil {
		return err
	}
	answer := page[rowDocument]{Items: []rowDocument{}}
	for _, r := range rows {
		answer.Items = append(answer.Items, documentOfRow(r))
	}
	if next > 0 {
		if answer.NextCursor, err = c.gate.seal(c.r.Context(), l.binding, strconv.Itoa(next)); err != nil {
			return err
		}
	}
	return c.give(http.StatusOK, answer)
}

func documentOfRow(r batch.Row) rowDocument {
	d := rowDocument{Row: r.Number, Outcome: r.Is()}
	if o := r.Outcome; o != nil {
		d.InvitationID, d.Code, d.Detail = cmp.Or(o.InvitationID, o.Resource), o.Code, o.Detail
		for _, f := range o.Findings {
			d.Errors = append(d.Errors, findingDocument(f))
		}
	}
	return d
}
