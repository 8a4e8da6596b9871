package e2e

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// finished waits until a batch is completed, with its mails out.
func (p *partner) finished(location string) map[string]any {
	p.t.Helper()
	var b map[string]any
	for end := time.Now().Add(5 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		if b = p.do("GET", location, "").want(p.t, 200).json(p.t); b["status"] == "completed" {
			return b
		}
		if time.Now().After(end) {
			p.t.Fatalf("still %v", b)
		}
	}
}

// outcomes gives the codes of the rows that failed, by row.
func (p *partner) outcomes(location string) map[int]string {
	p.t.Helper()
	codes := map[int]string{}
	for cursor := ""; ; {
		a := p.do("GET", location+"/rows?limit=100&outcome=failed"+cursor, "").want(p.t, 200).json(p.t)
		for _, each := range a["items"].([]any) {
			r := each.(map[string]any)
			codes[int(r["row"].(float64))], _ = r["code"].(string)
		}
		next, _ := a["nextCursor"].(string)
		if next == "" {
			return codes
		}
		cursor = "&cursor=" + url.QueryEscape(next)
	}
}

// TestBatch: rows with planted bad ones among them, through the queue and the worker. BATCH_ROWS says how many, up to 10,000.
func TestBatch(t *testing.T) {
	n := 500
	if text := os.Getenv("BATCH_ROWS"); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	alder := newPartner(t, "alder")
	var rows []map[string]any
	want := map[int]string{}
	for i := 1; i <= n; i++ {
		r := map[string]any{"kind": "reseller", "recipientEmail": fmt.Sprintf("row-%d@bulk.example", i), "tags": map[string]string{"fair": "spring"}}
		switch {
		case i%50 == 10:
			r["recipientEmail"], want[i] = "nobody", "email_invalid"
		case i%50 == 20:
			r["colour"], want[i] = "red", "unknown_field"
		case i%50 == 30:
			r["recipientEmail"], want[i] = fmt.Sprintf("ROW-%d@bulk.example", i-1), "duplicate_open_invitation"
		case i%50 == 40:
			r["expiresIn"], want[i] = "P91D", "validation_failed"
		}
		rows = append(rows, r)
	}
	body, err := json.Marshal(map[string]any{"send": false, "rows": rows})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	a := alder.post("/v1/invitation-batches", string(body)).want(t, 202)
	taken := time.Since(began)
	location := a.Header.Get("Location")
	b := alder.finished(location)
	t.Logf("%d rows (%d kB) taken in within %v, worked off within %v", n, len(body)>>10, taken.Round(time.Millisecond), time.Since(began).Round(100*time.Millisecond))
	if b["total"] != float64(n) || b["created"] != float64(n-len(want)) || b["failed"] != float64(len(want)) {
		t.Errorf("%v; planted %d", b, len(want))
	}
	got := alder.outcomes(location)
	for row, code := range want {
		if got[row] != code {
			t.Errorf("row %d: %q, want %q", row, got[row], code)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d rows failed, %d were planted", len(got), len(want))
	}
	list := alder.do("GET", "/v1/invitations?limit=100&batchId="+strings.TrimPrefix(location, "/v1/invitation-batches/"), "").want(t, 200).json(t)
	for _, each := range list["items"].([]any) {
		if i := each.(map[string]any); i["status"] != "draft" || i["delivery"].(map[string]any)["state"] != "notSent" {
			t.Fatalf("%v", i)
		}
	}
}

// TestBatchIsMailed: each row has its mail with a link of its own, and what a cooldown keeps back goes out when that is over.
func TestBatchIsMailed(t *testing.T) {
	alder := newPartner(t, "alder")
	id, _ := alder.invite(`{"kind":"reseller","recipientEmail":"cool@bulk.example"}`, "cool@bulk.example")
	alder.post("/v1/invitations/"+id+"/cancel", "").want(t, 200)
	csv := "kind,recipientEmail,recipientName,locale\r\nreseller,cool@bulk.example,,\r\nreseller,,,\r\n"
	for i := range 40 {
		csv += fmt.Sprintf("reseller,mailed-%d@bulk.example,\"Row %d, of many\",fr\r\n", i, i)
	}
	location := alder.do("POST", "/v1/invitation-batches?send=true", csv, "Content-Type", "text/csv", "Idempotency-Key", "bulk-mail").want(t, 202).Header.Get("Location")
	b := alder.finished(location)
	if b["created"] != 41.0 || b["failed"] != 1.0 || b["delayed"] != 1.0 || b["expectedAt"] == nil {
		t.Errorf("%v", b)
	}
	if got := alder.outcomes(location); got[3] != "recipient_email_required" || len(got) != 1 {
		t.Errorf("%v", got)
	}
	links := map[string]bool{}
	for i := range 40 {
		links[linkIn(t, mailTo(t, fmt.Sprintf("mailed-%d@bulk.example", i), 1)[0])] = true
	}
	if len(links) != 40 {
		t.Errorf("%d links for 40 mails", len(links))
	}
	if n := sentTo("cool@bulk.example"); n != 1 {
		t.Errorf("%d mails within the cooldown", n)
	}
	advance(t, "PT15M")
	mailTo(t, "cool@bulk.example", 2)
	again := alder.do("POST", "/v1/invitation-batches?send=true", csv, "Content-Type", "text/csv", "Idempotency-Key", "bulk-mail").want(t, 202)
	if again.Header.Get("Idempotency-Replayed") != "true" || again.Header.Get("Location") != location {
		t.Errorf("submitted again: %v %s", again.Header, again.body)
	}
}
