package web_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"concord/internal/audit"
	"concord/internal/storetest"
	"concord/internal/web"
)

// done adds a record of alder's audit, n days after the start.
func (a *api) done(n int, change func(*audit.Record)) audit.Record {
	a.t.Helper()
	r := audit.Record{
		ID: fmt.Sprintf("aud_%026d", n), Partner: alder, At: start.AddDate(0, 0, n), Actor: audit.Actor{Kind: audit.User, Subject: "alder", Tenant: alder},
		Operation: "invitation.cancelled", ResourceType: audit.Invitation, ResourceID: "inv_aaaaaaaaaaaaaaaaaaaaaaaaaa",
		Old: map[string]string{"status": "pending"}, New: map[string]string{"status": "cancelled"}, CorrelationID: "6f1c9d3e-1111-4000-8000-000000000001",
	}
	if change != nil {
		change(&r)
	}
	if added, err := a.store.AddAudit(a.t.Context(), r); err != nil || !added {
		a.t.Fatal(added, err)
	}
	return r
}

func (a *api) trail(query string) (ids []string) {
	a.t.Helper()
	cursor := ""
	for range 20 {
		var page struct {
			Items      []struct{ ID string }
			NextCursor string
		}
		if err := json.Unmarshal(a.call(request{method: "GET", target: "/v1/auditrecords?" + strings.Trim(query+cursor, "&")}).is(200).body, &page); err != nil {
			a.t.Fatal(err)
		}
		for _, i := range page.Items {
			ids = append(ids, i.ID)
		}
		if page.NextCursor == "" {
			return ids
		}
		cursor = "&cursor=" + url.QueryEscape(page.NextCursor)
	}
	a.t.Fatal("the list does not end")
	return nil
}

func TestAuditRecords(t *testing.T) {
	a := newAPI(t)
	if body := strings.TrimSpace(string(a.call(request{method: "GET", target: "/v1/auditrecords"}).is(200).body)); body != `{"items":[]}` {
		t.Errorf("%s", body)
	}
	var all []audit.Record
	for n := range 6 {
		all = append(all, a.done(n*10, func(r *audit.Record) {
			switch n {
			case 1:
				*r = audit.Record{ID: r.ID, Partner: alder, At: r.At, Actor: audit.Actor{Kind: audit.Schedule}, Operation: "invitation.erased", ResourceType: r.ResourceType, ResourceID: r.ResourceID}
			case 2:
				r.Actor, r.Customer, r.Operation = audit.Actor{Kind: audit.Customer, Tenant: larch}, larch, "delegatedAdmin.granted"
				r.ResourceType, r.ResourceID, r.Old, r.New = audit.Relationship, "rel_aaaaaaaaaaaaaaaaaaaaaaaaaa", map[string]string{"delegatedAdmin": "none"}, map[string]string{"delegatedAdmin": "active"}
			case 3:
				r.Operation, r.Old, r.New, r.Reason = "invitation.declined", map[string]string{"status": "pending"}, map[string]string{"status": "declined"}, "no-need"
			}
		}))
	}
	a.now = start.AddDate(0, 0, 55)
	pick := func(numbers ...int) (ids []string) {
		for _, n := range numbers {
			ids = append(ids, all[n].ID)
		}
		return ids
	}
	for query, want := range map[string][]string{
		"":                               pick(5, 4, 3),
		"limit=1":                        pick(5, 4, 3),
		"startDate=2026-03-01":           pick(5, 4, 3, 2, 1, 0),
		"startDate=2026-03-01&limit=2":   pick(5, 4, 3, 2, 1, 0),
		"startDate=2026-03-01T09:00:01Z": pick(5, 4, 3, 2, 1),
		"endDate=2026-03-21":             pick(2, 1, 0), // the day belongs to it
		"endDate=2026-03-21T09:00:00Z":   pick(1, 0),    // the moment does not
		"startDate=2026-03-11&endDate=2026-03-11":                 pick(1),
		"startDate=2026-03-12&endDate=2026-03-11":                 nil,
		"startDate=2026-03-01&customerId=" + larch:                pick(2),
		"startDate=2026-03-01&customerId=" + nobody:               nil,
		"startDate=2026-03-01&resourceType=relationship":          pick(2),
		"startDate=2026-03-01&operationType=invitation.declined":  pick(3),
		"startDate=2026-03-01&operationType=invitation.forgotten": nil,
		"startDate=2026-03-01&actor=alder":                        pick(5, 4, 3, 0),
		"startDate=2026-03-01&actor=pat":                          nil,
	} {
		if got := a.trail(query); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", query, got, want)
		}
	}

	t.Run("shape", func(t *testing.T) {
		var page struct{ Items []map[string]any }
		if err := json.Unmarshal(a.call(request{method: "GET", target: "/v1/auditrecords?startDate=2026-03-01"}).is(200).body, &page); err != nil {
			t.Fatal(err)
		}
		for n, want := range map[int]string{
			1: `{"correlationId":"6f1c9d3e-1111-4000-8000-000000000001","actor":{"kind":"user","sub":"alder","tenantId":"` + alder + `"},"newValue":{"status":"cancelled"},"oldValue":{"status":"pending"}}`,
			4: `{"actor":{"kind":"schedule"},"newValue":null,"oldValue":null}`,
			3: `{"customerTenantId":"` + larch + `","actor":{"kind":"customer","tenantId":"` + larch + `"},"newValue":{"delegatedAdmin":"active"},"oldValue":{"delegatedAdmin":"none"}}`,
		} {
			var fields map[string]any
			if err := json.Unmarshal([]byte(want), &fields); err != nil {
				t.Fatal(err)
			}
			for name, value := range fields {
				if got := page.Items[n][name]; fmt.Sprint(got) != fmt.Sprint(value) {
					t.Errorf("item %d: %s is %v, want %v", n, name, got, value)
				}
			}
		}
	})
	t.Run("what cannot be read", func(t *testing.T) {
		for _, query := range []string{
			"startDate=yesterday", "endDate=2026-3-1", "startDate=1969-12-31", "customerId=larch", "resourceType=invoice", "operationType=" + strings.Repeat("x", 65), "endDate=2026-03-01T10:00",
			"cursor=AAAA", "person=alder", "actor=" + strings.Repeat("x", 257),
		} {
			a.call(request{method: "GET", target: "/v1/auditrecords?" + query}).is(400, "malformed_request")
		}
	})
	t.Run("a cursor is for its partner and filters", func(t *testing.T) {
		next := a.call(request{method: "GET", target: "/v1/auditrecords?limit=1"}).is(200).str("nextCursor")
		cursor := url.QueryEscape(next)
		a.call(request{method: "GET", target: "/v1/auditrecords?limit=2&cursor=" + cursor}).is(200)
		a.call(request{method: "GET", target: "/v1/auditrecords?customerId=" + larch + "&cursor=" + cursor}).is(400, "malformed_request")
		a.call(request{method: "GET", target: "/v1/auditrecords?cursor=" + cursor, tenant: birch}).is(400, "malformed_request")
	})
	t.Run("who may", func(t *testing.T) {
		for roles, status := range map[string]int{"[adminAgent]": 200, "[globalAdmin]": 200, "[salesAgent globalAdmin]": 200, "[salesAgent]": 403, "[operator]": 403, "[]": 403} {
			a.call(request{method: "GET", target: "/v1/auditrecords", roles: roles}).is(status)
		}
		a.call(request{method: "GET", target: "/v1/auditrecords", tenant: gorse, roles: "[globalAdmin]"}).is(403, "role_not_permitted")
	})
	t.Run("of another partner", func(t *testing.T) {
		p := a.call(request{method: "GET", target: "/v1/auditrecords?startDate=2026-01-01", tenant: birch}).is(200)
		if strings.Contains(string(p.body), "aud_") {
			t.Errorf("%s", p.body)
		}
	})
	t.Run("the store fails", func(t *testing.T) {
		for code, err := range map[string]error{"internal": errors.New("the disk is full"), "unavailable": busy} {
			a.store.Inject(func(op storetest.Operation) storetest.Fault {
				if op != storetest.AuditRecords {
					return storetest.Fault{}
				}
				return storetest.Fault{Err: err}
			})
			a.call(request{method: "GET", target: "/v1/auditrecords"}).is(map[string]int{"internal": 500, "unavailable": 503}[code], code)
		}
		a.store.Inject(nil)
	})
}

// TestAuditOfTheDocument: what the domain derives is what the document says.
func TestAuditOfTheDocument(t *testing.T) {
	type enum struct{ Enum []string }
	var d struct {
		Components struct {
			Schemas struct {
				AuditedResource enum
				AuditRecord     struct{ Properties struct{ OperationType enum } }
				TimelineEvent   struct{ Properties struct{ Action enum } }
			}
		}
	}
	if err := json.Unmarshal(web.Document(), &d); err != nil {
		t.Fatal(err)
	}
	s := d.Components.Schemas
	if !slices.Equal(s.AuditedResource.Enum, audit.ResourceTypes) {
		t.Errorf("the document has %v, audited are %v", s.AuditedResource.Enum, audit.ResourceTypes)
	}
	if !slices.Equal(s.AuditRecord.Properties.OperationType.Enum, audit.Operations()) {
		t.Errorf("the document has %v, operations are %v", s.AuditRecord.Properties.OperationType.Enum, audit.Operations())
	}
	for _, action := range s.TimelineEvent.Properties.Action.Enum {
		if !slices.Contains(audit.Operations(), "invitation."+action) {
			t.Errorf("%s is in the timeline and not in the audit", action)
		}
	}
}
