package console_test

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"concord/internal/batch"
	"concord/internal/partner"
	"concord/internal/relationship"
)

// TestBatch: rows are checked before anything is made, then submitted, and shown by what became of each.
func TestBatch(t *testing.T) {
	d := open(t)
	open := d.invite(alder, "open@oak.example")
	d.store.PutRelationship(relationship.Relationship{
		ID: "rel_x", Partner: alder, Customer: relationship.Customer{Tenant: larch, CompanyName: "Larch Ltd", Domains: []string{"larch.example"}},
		Role: relationship.Direct, Status: relationship.Active, EstablishedAt: time.Now().UTC().Truncate(time.Second), Version: 1,
	})
	b := d.browser()
	s := b.signIn("/console/batches/new", person(alder, partner.AdminAgent))
	s.want(t, "console-batch-new", http.StatusOK)
	fields := s.fields("check")
	fields.Set("send", "false")
	rows := "kind,recipientEmail\nreseller,jo@spruce.example\nreseller,jo@spruce.example\nreseller,not an address\n" +
		"reseller,open@oak.example\nreseller,pat@larch.example\n"
	fields.Set("rows", rows)
	s = b.post("/console/batches/new", fields)
	s.want(t, "console-batch-new", http.StatusOK)
	s.has(
		t,
		"Ready",
		"The same as line 2",
		"Not readable",
		"/console/invitations/"+open.ID,
		"Larch Ltd",
		"jo@spruce.example",
		"Submit all rows",
	)
	if got := d.only(t); got.ID != open.ID {
		t.Error("checking makes something")
	}
	bad := s.fields("submit")
	bad.Set("rows", "kind,colour\nreseller,red\n")
	s2 := b.post("/console/batches/new", bad)
	s2.want(t, "console-batch-new", http.StatusUnprocessableEntity)
	s2.has(t, "Line 1, column 2", `href="#f-rows"`, "reseller,red")
	fields = s.fields("submit")
	fields.Set("rows", rows)
	to := b.post("/console/batches/new", fields)
	at := to.Header.Get("Location")
	s = b.follow(to)
	s.want(t, "console-batch", http.StatusOK)
	s.has(t, "Running", "<progress", "data-live=\"3\"")
	id := strings.TrimPrefix(at, "/console/batches/")
	w := &batch.Worker{
		Store:       d.store,
		Invitations: d.service,
		Limiter:     rate.NewLimiter(rate.Inf, 1),
		Lanes:       2,
		Now:         time.Now,
	}
	if _, err := w.Work(t.Context(), batch.Key{Partner: alder, ID: id}); err != nil {
		t.Fatal(err)
	}
	s = b.get(at + "?outcome=failed")
	s.has(t, "Completed", "open request to this recipient already")
	if strings.Contains(s.text, "data-live") {
		t.Error("it is fetched for ever")
	}
	if f := b.get(at + "?outcome=failed&format=csv"); f.Header.Get("Content-Type") != "text/csv; charset=utf-8" ||
		strings.Count(f.text, "\n") != 4 {
		t.Errorf("%v\n%s", f.Header, f.text)
	}
	b.get("/console/batches").has(t, at)
	b.get("/console/invitations?batchId="+id).has(t, "jo@spruce.example", "pat@larch.example")
	other := d.browser()
	other.signIn(at, person(birch, partner.AdminAgent)).want(t, "console-not-found", http.StatusNotFound)
}

// TestBatchFile: a file is read as a spreadsheet writes it, and what it says stays in the form.
func TestBatchFile(t *testing.T) {
	d := open(t)
	b := d.browser()
	b.signIn("/console/batches/new", person(alder, partner.SalesAgent))
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	_ = w.WriteField("do", "check")
	_ = w.WriteField("rows", "")
	part, err := w.CreateFormFile("file", "customers.csv")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = part.Write(
		[]byte(
			"\xff\xfek\x00i\x00n\x00d\x00;\x00r\x00e\x00c\x00i\x00p\x00i\x00e\x00n\x00t\x00E\x00m\x00a\x00i\x00l\x00\n\x00" +
				"r\x00e\x00s\x00e\x00l\x00l\x00e\x00r\x00;\x00a\x00@\x00b\x00.\x00e\x00x\x00a\x00m\x00p\x00l\x00e\x00\n\x00",
		),
	)
	_ = w.Close()
	r := b.request(http.MethodPost, "/console/batches/new", &body)
	r.Header.Set("Content-Type", w.FormDataContentType())
	s := b.do(r)
	s.want(t, "console-batch-new", http.StatusOK)
	s.has(t, "Ready", "a@b.example")
	if !strings.Contains(s.textOf("rows"), "reseller;a@b.example") {
		t.Errorf("%q", s.textOf("rows"))
	}
	empty := b.post("/console/batches/new", url.Values{"do": {"submit"}, "rows": {""}})
	empty.want(t, "console-batch-new", http.StatusUnprocessableEntity)
}
