package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// paused names the partners whose sending is paused, as the operator sees them.
func (p *partner) paused() (tenants []string) {
	p.t.Helper()
	for _, i := range p.do("GET", "/v1/partners?sending=paused&limit=100", "").want(p.t, 200).json(p.t)["items"].([]any) {
		tenants = append(tenants, i.(map[string]any)["tenantId"].(string))
	}
	return tenants
}

// Recipients complain until the partner's sending pauses; the operator sees it, and lets it and an address on again.
func TestComplaintsPauseAPartner(t *testing.T) {
	operator, dogwood := newPartner(t, "operator"), newPartner(t, "dogwood")
	tenant := tenantOf(t, "dogwood.example")
	least := 10 // of the local stack
	reputation := func() map[string]any {
		return operator.do("GET", "/v1/partners/"+tenant, "").want(t, 200).json(t)["reputation"].(map[string]any)
	}
	before := int(reputation()["complaints"].(float64))
	for n := before; n < least-1; n++ {
		recipient := fmt.Sprintf("angry@complaints%d.example", n) // one organisation counts once
		fate(t, "complains:abuse", recipient)
		dogwood.becomes(dogwood.mails(recipient), "complained", "complaint_abuse")
	}
	eventually(t, "the complaints are counted", func() bool { return int(reputation()["complaints"].(float64)) == least-1 })
	// The simulator's do not count.
	dogwood.becomes(dogwood.mails("complaint+reputation@simulator.amazonses.com"), "complained", "complaint_abuse")
	waiting := dogwood.post("/v1/invitations", `{"kind":"reseller","recipientEmail":"calm@complaints.example"}`).want(t, 201).json(t)["id"].(string)
	if list := operator.paused(); slices.Contains(list, tenant) {
		t.Fatalf("paused: %v", list)
	}
	const last = "angry-last@complaints.example"
	fate(t, "complains:abuse", last)
	lastID := dogwood.mails(last)
	eventually(t, "paused", func() bool { return slices.Contains(operator.paused(), tenant) })
	dogwood.post("/v1/invitations/"+waiting+"/send", "").code(t, 409, "sending_paused")
	told := func() (n int) {
		for _, l := range local.Logs() {
			if strings.Contains(l.Text, `"sending paused"`) && strings.Contains(l.Text, tenant) {
				n++
			}
		}
		return n
	}
	eventually(t, "the log tells of it", func() bool { return told() == 1 })

	account := operator.do("GET", "/v1/partners/"+tenant, "").want(t, 200)
	operator.do("PATCH", "/v1/partners/"+tenant, `{"sending":"active"}`, "If-Match", account.Header.Get("ETag")).code(t, 422, "validation_failed")
	got := operator.do("PATCH", "/v1/partners/"+tenant, `{"sending":"active","reason":"they have apologised"}`, "If-Match", account.Header.Get("ETag")).want(t, 200).json(t)
	history := got["history"].([]any)
	if line := history[len(history)-1].(map[string]any); got["sending"] != "active" || line["reason"] != "they have apologised" || line["by"] != "operator" {
		t.Errorf("%v", got)
	}
	operator.do("PATCH", "/v1/partners/"+tenant, `{"dailyMails":5}`, "If-Match", account.Header.Get("ETag")).code(t, 412, "precondition_failed")
	dogwood.post("/v1/invitations/"+waiting+"/send", "").want(t, 202)
	dogwood.arrived(waiting)
	if n := int(reputation()["complaints"].(float64)); n != 0 {
		t.Errorf("%d complaints count after the pardon", n)
	}

	// The partner's audit has both, and says that the one was the operator and the other nobody.
	eventually(t, "in the audit", func() bool {
		records := dogwood.audit("resourceType=partnerAccount")
		var lines []string
		for _, r := range records {
			lines = append(lines, fmt.Sprint(r.OperationType, " ", r.Actor.Kind, " ", r.NewValue))
		}
		return slices.Contains(lines, "partnerAccount.changed operator map[sending:active]") && slices.Contains(lines, "partnerAccount.changed system map[sending:paused]")
	})

	advance(t, "PT11M")
	dogwood.post("/v1/invitations/"+lastID+"/resend", "").code(t, 409, "recipient_suppressed")
	found := operator.do("POST", "/v1/suppressions/search", `{"address":"`+last+`"}`).want(t, 200)
	if !strings.Contains(string(found.body), `{"scope":"all","reason":"complaint_abuse"`) {
		t.Errorf("%s", found.body)
	}
	left := operator.do("POST", "/v1/suppressions/lift", `{"address":"`+last+`","scope":"all","reason":"the owner pressed the wrong button"}`).want(t, 200)
	if strings.TrimSpace(string(left.body)) != `{"suppressed":[]}` {
		t.Errorf("%s", left.body)
	}
	dogwood.post("/v1/invitations/"+lastID+"/resend", "").want(t, 202)
	dogwood.arrived(lastID)
	for _, who := range []*partner{dogwood, newPartner(t, "dogwood-admin")} {
		who.do("GET", "/v1/partners", "").code(t, 403, "role_not_permitted")
	}
}

// The operator makes an account, and every account of the local stack is in its list.
func TestOperatorMakesAPartner(t *testing.T) {
	operator := newPartner(t, "operator")
	const tenant = "4a2e1000-0000-4000-8000-000000000021"
	body := `{"tenantId":"` + tenant + `","displayName":"Hazel Hosting","programRole":"indirectReseller","cloud":"public","country":"US","contact":{"email":"partners@hazel.example"},"verifiedDomain":"hazel.example"}`
	made := operator.post("/v1/partners", body).want(t, 201)
	if at := made.Header.Get("Location"); at != "/v1/partners/"+tenant {
		t.Errorf("Location %s", at)
	}
	operator.post("/v1/partners", body).code(t, 409, "partner_exists")
	var all []string
	cursor := ""
	for {
		page := operator.do("GET", "/v1/partners?limit=3"+cursor, "").want(t, 200).json(t)
		for _, i := range page["items"].([]any) {
			all = append(all, i.(map[string]any)["tenantId"].(string))
		}
		next, more := page["nextCursor"].(string)
		if !more {
			break
		}
		cursor = "&cursor=" + next
	}
	if len(all) < 7 || all[0] != tenant || !slices.Contains(all, tenantOf(t, "alder.example")) || !slices.Contains(all, tenantOf(t, "fir.example")) {
		t.Errorf("%v", all)
	}
	suspended := operator.do("PATCH", "/v1/partners/"+tenant, `{"status":"suspended","reason":"not a company"}`, "If-Match", made.Header.Get("ETag")).want(t, 200).json(t)
	if suspended["status"] != "suspended" {
		t.Errorf("%v", suspended)
	}
}
