package e2e

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

type auditRecord struct {
	ID, OccurredAt, OperationType, ResourceType, ResourceID, CustomerTenantID, CorrelationID string
	Actor                                                                                    struct{ Kind, Sub, TenantID string }
	OldValue, NewValue                                                                       map[string]string
}

// audit gives the partner's audit as far as a query asks for it, newest first.
func (p *partner) audit(query string) (records []auditRecord) {
	p.t.Helper()
	for cursor := ""; ; {
		var page struct {
			Items      []auditRecord
			NextCursor string
		}
		if err := json.Unmarshal(p.do("GET", "/v1/auditrecords?"+query+cursor, "").want(p.t, 200).body, &page); err != nil {
			p.t.Fatal(err)
		}
		records = append(records, page.Items...)
		if page.NextCursor == "" {
			return records
		}
		cursor = "&cursor=" + url.QueryEscape(page.NextCursor)
	}
}

// What a partner and its customer do is in the partner's audit within five seconds, as the timeline of the item has it, and in
// nobody else's.
func TestAudit(t *testing.T) {
	elm, admin, other := newPartner(t, "elm"), newPartner(t, "elm-admin"), newPartner(t, "fir")
	id, link := elm.invite(`{"kind":"reseller","recipientEmail":"audit@agency.example","recipientName":"Alex Agency"}`, "audit@agency.example")
	of := func(p *partner, query string) (operations []string) {
		for _, r := range slices.Backward(p.audit(query)) {
			if r.ResourceID == id || r.ResourceType == "relationship" {
				operations = append(operations, r.OperationType)
			}
		}
		return operations
	}
	eventually(t, "the mail is delivered", func() bool { return slices.Contains(of(elm, ""), "invitation.delivered") })
	person := newBrowser(t)
	if page := person.submit(person.signIn(link, "admin@agency.example").want(t, 200), accepting()).want(t, 200).page(t); page != "accepted" {
		t.Fatalf("page %q", page)
	}
	answered := time.Now()
	agency := tenantOf(t, "agency.example")
	want := []string{"invitation.accepted", "relationship.established", "delegatedAdmin.granted"}
	for got := []string(nil); !slices.Equal(got, want); got = of(elm, "limit=2&customerId="+agency) {
		if time.Since(answered) > 5*time.Second {
			t.Fatalf("after five seconds: %v", got)
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Logf("in the audit %s after the answer", time.Since(answered).Round(time.Millisecond))

	var timeline struct {
		Items []struct {
			At, Action string
			Actor      struct{ Kind string }
		}
	}
	var records []auditRecord
	eventually(t, "the audit says what the timeline says", func() bool {
		if err := json.Unmarshal(elm.do("GET", "/v1/invitations/"+id+"/events", "").want(t, 200).body, &timeline); err != nil {
			t.Fatal(err)
		}
		records = slices.DeleteFunc(elm.audit(""), func(r auditRecord) bool { return r.ResourceID != id })
		slices.Reverse(records)
		return len(records) == len(timeline.Items)
	})
	state := ""
	for n, r := range records {
		if e := timeline.Items[n]; r.OperationType != "invitation."+e.Action || r.OccurredAt != e.At || r.Actor.Kind != e.Actor.Kind {
			t.Errorf("%+v is not %+v", r, e)
		}
		if now := r.NewValue["status"]; now != "" {
			if r.OldValue["status"] != state {
				t.Errorf("%+v does not follow %q", r, state)
			}
			state = now
		}
	}
	if state != "accepted" {
		t.Errorf("it ends %q", state)
	}
	for _, r := range elm.audit("operationType=invitation.accepted&customerId=" + agency) {
		if r.Actor.Kind != "customer" || r.Actor.TenantID != agency || r.Actor.Sub != "" || r.CorrelationID == "" {
			t.Errorf("%+v", r)
		}
	}
	raw := string(elm.do("GET", "/v1/auditrecords?limit=100", "").want(t, 200).body)
	for _, personal := range []string{"@", "/i/", "Alex", "Lara", "Agency", "Elm Federal"} {
		if strings.Contains(raw, personal) {
			t.Errorf("%q stands in the audit", personal)
		}
	}

	// Global admins read it, too; sales agents and other partners do not.
	if got := of(admin, "customerId="+agency); !slices.Equal(got, want) {
		t.Errorf("a Global admin sees %v", got)
	}
	if strings.Contains(string(other.do("GET", "/v1/auditrecords?customerId="+agency, "").want(t, 200).body), "aud_") {
		t.Error("another partner sees it")
	}
	newPartner(t, "alder-sales").do("GET", "/v1/auditrecords", "").code(t, 403, "role_not_permitted")

	// It is written once, and what is written wakes nobody.
	eventually(t, "the stream is read", func() bool { return local.InFlight() == 0 })
	advance(t, "P31D")
	if got := of(elm, ""); len(got) > 0 {
		t.Errorf("after a month a list without dates has %v", got)
	}
	if got := of(elm, "startDate=2020-01-01&resourceType=relationship"); len(got) != 2 {
		t.Errorf("of the relationship there are %v", got)
	}
}
