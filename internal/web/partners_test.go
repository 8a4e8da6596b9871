package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"concord/internal/command"
	"concord/internal/emailaddr"
	"concord/internal/feedback"
	"concord/internal/invitation"
	"concord/internal/locale"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/recipient"
	"concord/internal/registry"
	"concord/internal/storetest"
	"concord/internal/web"
)

// The operator's own company, which is no partner, and the partner that the tests make.
const (
	office = "0be20000-0000-4000-8000-000000000008"
	hazel  = "4a2e1000-0000-4000-8000-000000000021"
)

func (a *api) desk() web.OperatorAPI {
	now := func() time.Time { return a.now }
	addresses := emailaddr.Addresses{AllowReserved: true}
	return web.OperatorAPI{
		Registry: &registry.Service{
			Store: a.store, Addresses: addresses, Locales: locale.Tags, Now: now,
			Clouds: partner.Clouds{{ID: "public", PortalName: "Concord", BaseURL: "https://portal.example"}, {ID: "usGov", PortalName: "Concord", BaseURL: "https://gov.portal.example"}},
		},
		Reputation:   registry.Reputation{Store: a.store, Now: now},
		Clearing:     invitation.Clearing{Store: a.store, Granular: a.store, Accounts: a.store, Now: now},
		Limits:       recipient.Limits{FirstMonth: 50, Daily: 500},
		Suppressions: recipient.SuppressionRemoval{Ledger: a.store, Addresses: addresses, Now: now},
		Regions:      partner.ShippedRegions(),
	}
}

// operate calls as the operator.
func (a *api) operate(method, target, body string, header ...string) reply {
	a.t.Helper()
	r := request{method: method, target: target, body: body, tenant: office, roles: "[operator]", header: map[string]string{}}
	for i := 0; i+1 < len(header); i += 2 {
		r.header[header[i]] = header[i+1]
	}
	return a.call(r)
}

// hazelAs is the body that makes an account, with members put in, and taken out where they are "".
func hazelAs(members map[string]string) string {
	all := map[string]string{
		"tenantId": `"` + hazel + `"`, "displayName": `"Hazel Hosting"`, "programRole": `"indirectReseller"`, "cloud": `"public"`, "country": `"FR"`,
		"contact": `{"email":"partners@hazel.example","phone":"+33 1 23 45 67 89","website":"https://hazel.example/partners"}`, "verifiedDomain": `"Hazel.example"`,
	}
	for name, value := range members {
		all[name] = value
	}
	var b []string
	for name, value := range all {
		if value != "" {
			b = append(b, fmt.Sprintf("%q:%s", name, value))
		}
	}
	return "{" + strings.Join(b, ",") + "}"
}

func TestPartnerIsMade(t *testing.T) {
	a := newAPI(t)
	whole := hazelAs(map[string]string{
		"tenantId": `"` + strings.ToUpper(hazel) + `"`, "locale": `"fr"`, "listedInDirectory": "true", "dailyMails": "200", "status": `"pending"`, "reason": `"by telephone"`, "associatedPartnerId": `"4100021"`,
		"partnerIds": `[{"partnerId":"4100021","type":"location","country":"FR","isOnboardingLocation":true},{"partnerId":"H1","type":"headquarters","country":"DE"}]`,
	})
	p := a.operate("POST", "/v1/partners", whole, "Idempotency-Key", "k", "MS-CorrelationId", nobody).is(201)
	if p.header.Get("Location") != "/v1/partners/"+hazel || p.header.Get("ETag") != `"1"` {
		t.Errorf("%v", p.header)
	}
	o := p.object()
	for name, want := range map[string]any{
		"tenantId": hazel, "displayName": "Hazel Hosting", "programRole": "indirectReseller", "status": "pending", "cloud": "public", "country": "FR", "market": partner.ShippedRegions().Market("FR"),
		"associatedPartnerId": "4100021", "verifiedDomain": "hazel.example", "locale": "fr", "listedInDirectory": true, "dailyMails": 200.0, "sending": "active",
		"createdAt": "2026-03-01T09:00:00Z", "version": 1.0,
		"contact":    map[string]any{"email": "partners@hazel.example", "phone": "+33 1 23 45 67 89", "website": "https://hazel.example/partners"},
		"partnerIds": []any{map[string]any{"partnerId": "4100021", "type": "location", "country": "FR", "isOnboardingLocation": true}, map[string]any{"partnerId": "H1", "type": "headquarters", "country": "DE", "isOnboardingLocation": false}},
		"history":    []any{map[string]any{"at": "2026-03-01T09:00:00Z", "changed": []any{}, "by": "alder", "correlationId": nobody, "reason": "by telephone"}},
	} {
		if fmt.Sprint(o[name]) != fmt.Sprint(want) {
			t.Errorf("%s is %v, want %v", name, o[name], want)
		}
	}

	t.Run("again with its key", func(t *testing.T) {
		a.now = start.Add(23 * time.Hour)
		p := a.operate("POST", "/v1/partners", whole, "Idempotency-Key", "k").is(201)
		if p.header.Get("Idempotency-Replayed") != "true" || p.str("tenantId") != hazel {
			t.Errorf("%v", p.header)
		}
		a.operate("POST", "/v1/partners", hazelAs(nil), "Idempotency-Key", "k").is(422, "idempotency_key_reused")
		a.now = start.Add(24 * time.Hour)
		a.operate("POST", "/v1/partners", whole, "Idempotency-Key", "k").is(409, "partner_exists")
	})
	t.Run("a tenant has one", func(t *testing.T) {
		a.operate("POST", "/v1/partners", hazelAs(nil)).is(409, "partner_exists")
		a.operate("POST", "/v1/partners", hazelAs(map[string]string{"tenantId": `"` + alder + `"`})).is(409, "partner_exists")
	})
	t.Run("a PartnerID is one account's", func(t *testing.T) {
		taken := `[{"partnerId":"4100021","type":"location","country":"US","isOnboardingLocation":true}]`
		a.operate("POST", "/v1/partners", hazelAs(map[string]string{"tenantId": `"` + nobody + `"`, "partnerIds": taken})).is(409, "partner_id_in_use")
		a.operate("PATCH", "/v1/partners/"+alder, `{"partnerIds":`+taken+`}`, "If-Match", "*").is(409, "partner_id_in_use")
	})
	t.Run("what is left out", func(t *testing.T) {
		a := newAPI(t)
		o := a.operate("POST", "/v1/partners", hazelAs(map[string]string{"contact": `{"email":"p@hazel.example"}`})).is(201).object()
		if o["status"] != "active" || o["locale"] != "en" || o["dailyMails"] != 0.0 || o["listedInDirectory"] != false || o["associatedPartnerId"] != nil || fmt.Sprint(o["partnerIds"]) != "[]" {
			t.Errorf("%v", o)
		}
	})
	t.Run("it may act", func(t *testing.T) {
		a := newAPI(t)
		a.operate("POST", "/v1/partners", hazelAs(nil)).is(201)
		r := create("k", plain)
		r.tenant = hazel
		a.call(r).is(201)
	})
}

// findings of a partner, made and changed. Each case is one fault and what is said of it.
var partnerFaults = map[string]struct {
	name, value, status, finding string
	creationOnly                 bool
}{
	"no display name":            {"displayName", "", "validation_failed", "/displayName validation_failed", true},
	"no contact":                 {"contact", "", "validation_failed", "/contact validation_failed", true},
	"no domain":                  {"verifiedDomain", "", "validation_failed", "/verifiedDomain validation_failed", true},
	"no tenant":                  {"tenantId", "", "validation_failed", "/tenantId validation_failed", true},
	"no role":                    {"programRole", "", "validation_failed", "/programRole validation_failed", true},
	"no cloud":                   {"cloud", "", "validation_failed", "/cloud validation_failed", true},
	"no country":                 {"country", "", "validation_failed", "/country validation_failed", true},
	"a tenant that is no UUID":   {"tenantId", `"hazel"`, "validation_failed", "/tenantId validation_failed", true},
	"another role":               {"programRole", `"distributor"`, "validation_failed", "/programRole validation_failed", true},
	"a cloud without a name":     {"cloud", `""`, "validation_failed", "/cloud validation_failed", true},
	"a cloud that is not here":   {"cloud", `"moon"`, "cloud_mismatch", "/cloud cloud_mismatch", true},
	"no country at all":          {"country", `"ZZ"`, "validation_failed", "/country validation_failed", true},
	"a country in small":         {"country", `"fr"`, "validation_failed", "/country validation_failed", true},
	"a continent":                {"country", `"150"`, "validation_failed", "/country validation_failed", true},
	"another country's old code": {"country", `"UK"`, "validation_failed", "/country validation_failed", true},
	"rejected from the start":    {"status", `"rejected"`, "validation_failed", "/status validation_failed", false},
	"paused from the start":      {"sending", `"paused"`, "unknown_field", "/sending unknown_field", true},
	"a link for a name":          {"displayName", `"www.hazel.com"`, "name_invalid", "/displayName name_invalid", false},
	"a name of another type":     {"displayName", "7", "validation_failed", "/displayName validation_failed", false},
	"null":                       {"displayName", "null", "validation_failed", "/displayName validation_failed", false},
	"no address":                 {"contact", `{}`, "email_invalid", "/contact/email email_invalid", false},
	"a faulty address":           {"contact", `{"email":"hazel"}`, "email_invalid", "/contact/email email_invalid", false},
	"an address not in ASCII":    {"contact", `{"email":"hazël@hazel.example"}`, "email_internationalised_local_part", "/contact/email email_internationalised_local_part", false},
	"a number with letters":      {"contact", `{"email":"p@hazel.example","phone":"call me"}`, "validation_failed", "/contact/phone validation_failed", false},
	"a website without TLS":      {"contact", `{"email":"p@hazel.example","website":"http://hazel.example"}`, "validation_failed", "/contact/website validation_failed", false},
	"a script for a website":     {"contact", `{"email":"p@hazel.example","website":"javascript:alert(1)"}`, "validation_failed", "/contact/website validation_failed", false},
	"a password in a website":    {"contact", `{"email":"p@hazel.example","website":"https://a:b@hazel.example"}`, "validation_failed", "/contact/website validation_failed", false},
	"a contact with more":        {"contact", `{"email":"p@hazel.example","fax":"1"}`, "unknown_field", "/contact/fax unknown_field", false},
	"a contact that is a text":   {"contact", `"p@hazel.example"`, "validation_failed", "/contact validation_failed", false},
	"a domain that is none":      {"verifiedDomain", `"hazel"`, "validation_failed", "/verifiedDomain validation_failed", false},
	"a domain with an address":   {"verifiedDomain", `"x@hazel.example"`, "validation_failed", "/verifiedDomain validation_failed", false},
	"another language":           {"locale", `"tlh"`, "validation_failed", "/locale validation_failed", false},
	"no language":                {"locale", `"-"`, "validation_failed", "/locale validation_failed", false},
	"fewer mails than none":      {"dailyMails", "-1", "validation_failed", "/dailyMails validation_failed", false},
	"too many mails":             {"dailyMails", "100001", "validation_failed", "/dailyMails validation_failed", false},
	"half a mail":                {"dailyMails", "0.5", "validation_failed", "/dailyMails validation_failed", false},
	"a reason of no length":      {"reason", `""`, "validation_failed", "/reason validation_failed", false},
	"a reason that is too long":  {"reason", `"` + strings.Repeat("x", 101) + `"`, "validation_failed", "/reason validation_failed", false},
	"a list that is none":        {"partnerIds", `{}`, "validation_failed", "/partnerIds validation_failed", false},
	"a PartnerID that is a text": {"partnerIds", `["4100021"]`, "validation_failed", "/partnerIds/0 validation_failed", false},
	"a PartnerID of nothing":     {"partnerIds", `[{}]`, "validation_failed", "/partnerIds validation_failed", false},
	"a PartnerID with more":      {"partnerIds", `[{"partnerId":"1","type":"location","country":"FR","name":"x"}]`, "unknown_field", "/partnerIds/0/name unknown_field", false},
	"a PartnerID of no type":     {"partnerIds", `[{"partnerId":"1","type":"shop","country":"FR"}]`, "validation_failed", "/partnerIds validation_failed", false},
	"a PartnerID twice":          {"partnerIds", `[{"partnerId":"1","type":"location","country":"FR"},{"partnerId":"1","type":"location","country":"FR"}]`, "validation_failed", "/partnerIds validation_failed", false},
	"too many PartnerIDs":        {"partnerIds", "[" + strings.TrimSuffix(strings.Repeat(`{"partnerId":"1","type":"location","country":"FR"},`, 21), ",") + "]", "validation_failed", "/partnerIds validation_failed", false},
	"a PartnerID of others":      {"associatedPartnerId", `"999"`, "validation_failed", "/associatedPartnerId validation_failed", false},
	"another field":              {"market", `"EU"`, "unknown_field", "/market unknown_field", false},
}

func TestPartnerFaults(t *testing.T) {
	a := newAPI(t)
	a.operate("POST", "/v1/partners", hazelAs(map[string]string{"tenantId": `"` + nobody + `"`})).is(201)
	for name, c := range partnerFaults {
		t.Run(name, func(t *testing.T) {
			p := a.operate("POST", "/v1/partners", hazelAs(map[string]string{c.name: c.value})).is(422, c.status)
			if !slices.Contains(p.findings(), c.finding) {
				t.Errorf("made: %v", p.findings())
			}
			if c.creationOnly {
				return
			}
			p = a.operate("PATCH", "/v1/partners/"+nobody, fmt.Sprintf("{%q:%s}", c.name, c.value), "If-Match", "*")
			if c.name == "status" { // says also why
				p.is(422)
			} else {
				p.is(422, c.status)
			}
			if !slices.Contains(p.findings(), c.finding) {
				t.Errorf("changed: %v", p.findings())
			}
		})
	}
	// Rule E6.
	for code, id := range map[string]string{"partner_id_wrong_type": `{"partnerId":"1","type":"headquarters","country":"FR"}`, "partner_id_wrong_country": `{"partnerId":"1","type":"location","country":"DE"}`} {
		a.operate("POST", "/v1/partners", hazelAs(map[string]string{"partnerIds": "[" + id + "]", "associatedPartnerId": `"1"`})).is(422, code)
		a.operate("PATCH", "/v1/partners/"+nobody, `{"associatedPartnerId":"1","partnerIds":[`+id+`]}`, "If-Match", "*").is(422, code)
	}
	a.operate("POST", "/v1/partners", hazelAs(map[string]string{"country": `"DE"`, "locale": `"xx"`, "displayName": `"a@b.example"`})).is(422, "validation_failed")
	if p := a.operate("GET", "/v1/partners/"+nobody, "").is(200); p.header.Get("ETag") != `"1"` {
		t.Errorf("a refused change has changed something: %s", p.body)
	}
	a.operate("GET", "/v1/partners/"+hazel, "").is(404, "not_found")
	for _, method := range []struct{ method, target string }{{"POST", "/v1/partners"}, {"PATCH", "/v1/partners/" + alder}, {"POST", "/v1/partners/" + alder + "/cancel-invitations"}, {"POST", "/v1/suppressions/search"}, {"POST", "/v1/suppressions/lift"}} {
		a.operate(method.method, method.target, `{"a":`, "If-Match", "*").is(400, "malformed_request")
		a.operate(method.method, method.target, `[]`, "If-Match", "*").is(400, "malformed_request")
	}
	a.operate("POST", "/v1/partners", hazelAs(nil), "Idempotency-Key", strings.Repeat("x", 129)).is(400, "malformed_request")
}

func TestPartnerIsChanged(t *testing.T) {
	a := newAPI(t)
	a.operate("POST", "/v1/partners", hazelAs(nil)).is(201)
	target := "/v1/partners/" + hazel
	a.now = start.Add(time.Hour)
	a.operate("PATCH", target, `{"dailyMails":1}`).is(428, "precondition_required")
	a.operate("PATCH", target, `{"dailyMails":1}`, "If-Match", `"2"`).is(412, "precondition_failed")
	a.operate("PATCH", target, `{"dailyMails":1}`, "If-Match", `2`).is(400, "malformed_request")
	p := a.operate("PATCH", target, `{"displayName":"Hazel SARL","contact":{"email":"hi@hazel.example"},"verifiedDomain":"hazel.test","locale":"fr","listedInDirectory":true,"dailyMails":7,
		"partnerIds":[{"partnerId":"1","type":"location","country":"FR"}],"associatedPartnerId":"1"}`, "If-Match", `"1"`, "Idempotency-Key", "all").is(200)
	o := p.object()
	if o["displayName"] != "Hazel SARL" || fmt.Sprint(o["contact"]) != "map[email:hi@hazel.example]" || o["verifiedDomain"] != "hazel.test" || o["locale"] != "fr" || o["listedInDirectory"] != true ||
		o["dailyMails"] != 7.0 || o["associatedPartnerId"] != "1" || o["version"] != 2.0 || p.header.Get("ETag") != `"2"` {
		t.Errorf("%s", p.body)
	}
	lines := o["history"].([]any)
	if len(lines) != 2 || fmt.Sprint(lines[1].(map[string]any)["changed"]) != "[displayName contact verifiedDomain locale partnerIds associatedPartnerId listedInDirectory dailyMails]" {
		t.Errorf("%v", lines)
	}
	if again := a.operate("PATCH", target, `{"displayName":"Hazel SARL","contact":{"email":"hi@hazel.example"},"verifiedDomain":"hazel.test","locale":"fr","listedInDirectory":true,"dailyMails":7,
		"partnerIds":[{"partnerId":"1","type":"location","country":"FR"}],"associatedPartnerId":"1"}`, "If-Match", `"1"`, "Idempotency-Key", "all").is(200); again.header.Get("Idempotency-Replayed") != "true" {
		t.Error("not replayed")
	}
	a.operate("PATCH", target, `{"dailyMails":8}`, "If-Match", `"2"`, "Idempotency-Key", "all").is(422, "idempotency_key_reused")
	// Nothing new is nothing written.
	if p := a.operate("PATCH", target, `{"dailyMails":7,"sending":"active","status":"active","reason":"as it is"}`, "If-Match", "*").is(200); p.header.Get("ETag") != `"2"` {
		t.Errorf("%s", p.body)
	}
	a.operate("PATCH", target, `{"associatedPartnerId":"","partnerIds":[]}`, "If-Match", `"2"`).is(200)

	t.Run("suspended", func(t *testing.T) {
		for _, body := range []string{`{"status":"suspended"}`, `{"sending":"paused"}`} {
			if p := a.operate("PATCH", target, body, "If-Match", "*").is(422, "validation_failed"); !slices.Contains(p.findings(), "/reason validation_failed") {
				t.Errorf("%v", p.findings())
			}
		}
		a.operate("PATCH", target, `{"sending":"later","reason":"x"}`, "If-Match", "*").is(422, "validation_failed")
		a.operate("PATCH", target, `{"status":"suspended","reason":"bought addresses"}`, "If-Match", "*").is(200)
		r := create("k", plain)
		r.tenant = hazel
		a.call(r).is(403, "partner_not_active")
		o := a.operate("PATCH", target, `{"status":"active","reason":"sorted out"}`, "If-Match", "*").is(200).object()
		lines := o["history"].([]any)
		if last := lines[len(lines)-1].(map[string]any); fmt.Sprint(last["changed"]) != "[status=active]" || last["reason"] != "sorted out" || o["status"] != "active" {
			t.Errorf("%v", last)
		}
		a.call(r).is(201)
	})
	t.Run("that was never active", func(t *testing.T) {
		pending := account(gorse, "public")
		pending.Status = partner.Pending
		a.store.PutAccount(pending)
		a.operate("PATCH", "/v1/partners/"+gorse, `{"status":"active","reason":"hurry"}`, "If-Match", "*").is(409, "invalid_transition")
		a.operate("PATCH", "/v1/partners/"+gorse, `{"dailyMails":5}`, "If-Match", "*").is(200)
	})
	t.Run("by two at once", func(t *testing.T) {
		b := newAPI(t)
		first := true
		b.store.Inject(func(op storetest.Operation) storetest.Fault {
			if op == storetest.WriteAccount && first {
				first = false
				return storetest.Fault{Err: command.ErrConflict}
			}
			return storetest.Fault{}
		})
		b.operate("PATCH", "/v1/partners/"+alder, `{"dailyMails":5}`, "If-Match", `"1"`).is(412, "precondition_failed")
	})
	t.Run("the history is bounded", func(t *testing.T) {
		for n := range 20 {
			a.operate("PATCH", target, fmt.Sprintf(`{"dailyMails":%d}`, n+100), "If-Match", "*").is(200)
		}
		if lines := a.operate("GET", target, "").is(200).object()["history"].([]any); len(lines) != 15 {
			t.Errorf("%d lines", len(lines))
		}
	})
}

func TestSendingIsPaused(t *testing.T) {
	a := newAPI(t)
	target := "/v1/partners/" + alder
	path := a.draft("admin@larch.example")
	r := registry.Reputation{Store: a.store, Complaints: registry.Threshold{PerMille: 3, Least: 2}, Now: func() time.Time { return a.now }}
	complain := func(id string) {
		t.Helper()
		for range 2 { // what comes twice counts once
			if err := r.Complained(t.Context(), alder, id); err != nil {
				t.Fatal(err)
			}
		}
	}
	a.call(mailing(path, "send", "first")).is(202)
	complain("inv_aaaaaaaaaaaaaaaaaaaaaaaaaa")
	if o := a.operate("GET", target, "").is(200).object(); o["sending"] != "active" || fmt.Sprint(o["reputation"]) != "map[bounces:0 complaints:1 from:2026-02-23T00:00:00Z mails:1]" {
		t.Errorf("%v", o)
	}
	complain("inv_baaaaaaaaaaaaaaaaaaaaaaaaa")
	o := a.operate("GET", target, "").is(200).object()
	if o["sending"] != "paused" || fmt.Sprint(o["pause"]) != "map[at:2026-03-01T09:00:00Z reason:complaints]" || o["version"] != 2.0 {
		t.Errorf("%v", o)
	}
	other := a.draft("admin@maple.example")
	a.call(mailing(other, "send", "s")).is(409, "sending_paused")
	a.now = start.Add(recipient.Cooldown)
	a.call(mailing(path, "resend", "r")).is(409, "sending_paused")
	if items := a.partners("sending=paused"); !slices.Equal(items, []string{alder}) {
		t.Errorf("%v", items)
	}

	a.operate("PATCH", target, `{"sending":"active","reason":"apologised"}`, "If-Match", `"2"`).is(200)
	a.now = a.now.Add(time.Second)
	complain("inv_aaaaaaaaaaaaaaaaaaaaaaaaaa") // what was pardoned
	complain("inv_caaaaaaaaaaaaaaaaaaaaaaaaa")
	if o := a.operate("GET", target, "").is(200).object(); o["sending"] != "active" || o["pause"] != nil || fmt.Sprint(o["reputation"]) != "map[bounces:0 complaints:1 from:2026-03-01T09:10:00Z mails:1]" {
		t.Errorf("%v", o)
	}
	a.call(mailing(other, "send", "s")).is(202)
	complain("inv_daaaaaaaaaaaaaaaaaaaaaaaaa")
	a.call(mailing(a.draft("admin@oak.example"), "send", "t")).is(409, "sending_paused")
	a.operate("PATCH", target, `{"sending":"active","reason":"once more"}`, "If-Match", "*").is(200)
	if o := a.operate("PATCH", target, `{"sending":"paused","reason":"we look into it"}`, "If-Match", "*").is(200).object(); fmt.Sprint(o["pause"]) != "map[at:2026-03-01T09:10:01Z reason:operator]" {
		t.Errorf("%v", o)
	}
}

// mailing asks for the mail of an invitation.
func mailing(path, action, k string) request {
	return request{method: "POST", target: path + "/" + action, header: key(k)}
}

// partners follows the list of accounts to its end.
func (a *api) partners(query string) (tenants []string) {
	a.t.Helper()
	cursor := ""
	for range 50 {
		var page struct {
			Items      []struct{ TenantID string }
			NextCursor string
		}
		if err := json.Unmarshal(a.operate("GET", "/v1/partners?"+strings.Trim(query+cursor, "&"), "").is(200).body, &page); err != nil {
			a.t.Fatal(err)
		}
		for _, i := range page.Items {
			tenants = append(tenants, i.TenantID)
		}
		if page.NextCursor == "" {
			return tenants
		}
		cursor = "&cursor=" + url.QueryEscape(page.NextCursor)
	}
	a.t.Fatal("the list does not end")
	return nil
}

func TestPartnersAreListed(t *testing.T) {
	a := newAPI(t)
	a.now = start.Add(time.Hour)
	a.operate("POST", "/v1/partners", hazelAs(nil)).is(201)
	a.operate("PATCH", "/v1/partners/"+elm, `{"status":"suspended","reason":"x"}`, "If-Match", "*").is(200)
	for query, want := range map[string][]string{
		"":                                     {hazel, elm, birch, alder},
		"limit=1":                              {hazel, elm, birch, alder},
		"limit=3":                              {hazel, elm, birch, alder},
		"status=suspended":                     {elm},
		"status=rejected":                      nil,
		"programRole=directBill&status=active": {birch, alder},
		"programRole=indirectReseller":         {hazel},
		"sending=active&limit=2":               {hazel, elm, birch, alder},
		"sending=paused":                       nil,
	} {
		if got := a.partners(query); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", query, got, want)
		}
	}
	for _, query := range []string{"status=gone", "programRole=x", "sending=maybe", "limit=0", "cursor=AAAA", "displayName=Alder"} {
		a.operate("GET", "/v1/partners?"+query, "").is(400, "malformed_request")
	}
	next := url.QueryEscape(a.operate("GET", "/v1/partners?limit=1", "").is(200).str("nextCursor"))
	a.operate("GET", "/v1/partners?status=active&cursor="+next, "").is(400, "malformed_request")
	a.operate("GET", "/v1/partners/"+strings.ToUpper(hazel), "").is(200)
	a.operate("GET", "/v1/partners/hazel", "").is(404, "not_found")
	a.operate("PATCH", "/v1/partners/"+larch, `{"dailyMails":5}`, "If-Match", "*").is(404, "not_found")
}

func desks() map[string]request {
	return map[string]request{
		"create": {method: "POST", target: "/v1/partners", body: hazelAs(nil)},
		"list":   {method: "GET", target: "/v1/partners"},
		"read":   {method: "GET", target: "/v1/partners/" + alder},
		"change": {method: "PATCH", target: "/v1/partners/" + alder, body: `{"dailyMails":5}`, header: map[string]string{"If-Match": "*"}},
		"clear":  {method: "POST", target: "/v1/partners/" + alder + "/cancel-invitations", body: `{"reason":"suspended"}`},
		"search": {method: "POST", target: "/v1/suppressions/search", body: `{"address":"admin@larch.example"}`},
		"lift":   {method: "POST", target: "/v1/suppressions/lift", body: `{"address":"admin@larch.example","scope":"all","reason":"x"}`},
	}
}

func TestWhoMayOperate(t *testing.T) {
	a := newAPI(t)
	for name, r := range desks() {
		for _, roles := range []string{"[]", "[adminAgent]", "[salesAgent globalAdmin]", "[Operator]"} {
			r.roles = roles
			a.call(r).is(403, "role_not_permitted")
		}
		r.roles, r.tenant = "[operator]", "no tenant"
		a.call(r).is(403, "role_not_permitted")
		// The operator has no account, and roles add up.
		r.roles, r.tenant = "[adminAgent operator]", office
		if p := a.call(r); p.status/100 != 2 {
			t.Errorf("%s by the operator: %d", name, p.status)
		}
	}
}

func TestSuppressionsAreSeenAndLifted(t *testing.T) {
	a := newAPI(t)
	path := a.draft("Admin@Larch.example")
	inv := "inv_" + strings.TrimPrefix(path, "/v1/invitations/inv_")
	find := func(address string) string {
		t.Helper()
		return strings.TrimSpace(string(a.operate("POST", "/v1/suppressions/search", `{"address":"`+address+`"}`).is(200).body))
	}
	const none = `{"suppressed":[]}`
	if got := find("admin@larch.example"); got != none {
		t.Errorf("%s", got)
	}
	a.call(mailing(path, "send", "s")).is(202)
	a.stored(path, func(i *invitation.Invitation) {
		i.Mail.Attempts, i.Mail.State, i.Mail.MessageID = 1, outbox.Sent, "m-1"
	})
	f := feedback.Recorder{Invitations: a.store, Ledger: a.store, Now: func() time.Time { return a.now }}
	report := outbox.Report{State: outbox.Complained, Reason: "complaint_abuse", MessageID: "m-1", Generation: 1, Undeliverable: true}
	if _, _, err := f.Record(t.Context(), feedback.Key{Tenant: alder, ID: inv}, report); err != nil {
		t.Fatal(err)
	}
	all := `{"scope":"all","reason":"complaint_abuse","at":"2026-03-01T09:00:00Z"}`
	if got := find("ADMIN@larch.example"); got != `{"suppressed":[`+all+`]}` {
		t.Errorf("%s", got)
	}
	// Two partners are blocked as well.
	a.block(t, "admin@larch.example", map[partner.TenantID]recipient.Suppression{
		birch: {At: start.Add(time.Minute), Reason: "unsubscribed"}, alder: {At: start, Reason: "reported"},
	})
	ofAlder, ofBirch := `{"scope":"partner","partnerTenantId":"`+alder+`","reason":"reported","at":"2026-03-01T09:00:00Z"}`, `{"scope":"partner","partnerTenantId":"`+birch+`","reason":"unsubscribed","at":"2026-03-01T09:01:00Z"}`
	if got := find("admin@larch.example"); got != `{"suppressed":[`+all+","+ofAlder+","+ofBirch+`]}` {
		t.Errorf("%s", got)
	}
	a.now = start.Add(time.Hour)
	a.call(mailing(path, "resend", "r")).is(409, "recipient_suppressed")
	for _, step := range []struct{ which, left string }{
		{`"scope":"all"`, `{"suppressed":[` + ofAlder + "," + ofBirch + `]}`},
		{`"scope":"all"`, `{"suppressed":[` + ofAlder + "," + ofBirch + `]}`}, // again
		{`"scope":"partner","partnerTenantId":"` + nobody + `"`, `{"suppressed":[` + ofAlder + "," + ofBirch + `]}`},
		{`"scope":"partner","partnerTenantId":"` + strings.ToUpper(alder) + `"`, `{"suppressed":[` + ofBirch + `]}`},
	} {
		p := a.operate("POST", "/v1/suppressions/lift", `{"address":"Admin@larch.example","reason":"the owner wrote to us",`+step.which+`}`).is(200)
		if got := strings.TrimSpace(string(p.body)); got != step.left {
			t.Errorf("%s: %s", step.which, got)
		}
	}
	a.call(mailing(path, "resend", "r")).is(202)
	if strings.Contains(a.log.String(), "larch") {
		t.Errorf("the log names the address: %s", &a.log)
	}

	for body, finding := range map[string]string{
		`{"scope":"all","reason":"x"}`:                                                               "/address validation_failed",
		`{"address":7,"scope":"all","reason":"x"}`:                                                   "/address validation_failed",
		`{"address":"larch","scope":"all","reason":"x"}`:                                             "/address email_invalid",
		`{"address":"lärch@larch.example","scope":"all","reason":"x"}`:                               "/address email_internationalised_local_part",
		`{"address":"a@larch.example","scope":"all","reason":"x","until":"x"}`:                       "/until unknown_field",
		`{"address":"a@larch.example","reason":"x"}`:                                                 "/scope validation_failed",
		`{"address":"a@larch.example","scope":"some","reason":"x"}`:                                  "/scope validation_failed",
		`{"address":"a@larch.example","scope":"all","reason":"x","partnerTenantId":"` + alder + `"}`: "/partnerTenantId validation_failed",
		`{"address":"a@larch.example","scope":"partner","reason":"x"}`:                               "/partnerTenantId validation_failed",
		`{"address":"a@larch.example","scope":"partner","reason":"x","partnerTenantId":"alder"}`:     "/partnerTenantId validation_failed",
		`{"address":"a@larch.example","scope":"all"}`:                                                "/reason validation_failed",
		`{"address":"a@larch.example","scope":"all","reason":"` + strings.Repeat("x", 101) + `"}`:    "/reason validation_failed",
		`{"address":"a@larch.example","scope":"all","reason":""}`:                                    "/reason validation_failed",
	} {
		if p := a.operate("POST", "/v1/suppressions/lift", body).is(422); !slices.Contains(p.findings(), finding) {
			t.Errorf("%s: %v", body, p.findings())
		}
	}
	for body, code := range map[string]string{
		`{}`: "validation_failed", `{"address":"larch"}`: "email_invalid", `{"address":"lärch@larch.example"}`: "email_internationalised_local_part",
		`{"address":"a@larch.example","scope":"all"}`: "unknown_field",
	} {
		a.operate("POST", "/v1/suppressions/search", body).is(422, code)
	}
	a.operate("POST", "/v1/suppressions/lift", `{"address":"larch","scope":"all","reason":"x"}`).is(422, "email_invalid")
	a.operate("POST", "/v1/suppressions/lift", `{"address":"lärch@larch.example","scope":"all","reason":"x"}`).is(422, "email_internationalised_local_part")
	a.operate("POST", "/v1/suppressions/lift", `{"address":"a@larch.example","scope":"all","reason":"x","a":1}`).is(422, "unknown_field")
	a.operate("POST", "/v1/suppressions/lift", `{"address":"a@larch.example","scope":"all"}`).is(422, "validation_failed")
}

// block has partners' mails kept from an address.
func (a *api) block(t *testing.T, address string, by map[partner.TenantID]recipient.Suppression) {
	t.Helper()
	seen := &watched{Memory: a.store}
	if _, err := (recipient.SuppressionRemoval{Ledger: seen, Addresses: emailaddr.Addresses{AllowReserved: true}}).Suppressions(t.Context(), partner.User{Roles: []partner.Role{partner.Operator}}, nil, &address); err != nil {
		t.Fatal(err)
	}
	m, err := a.store.Mailings(t.Context(), seen.recipient, true)
	if err != nil {
		t.Fatal(err)
	}
	m.Version, m.Blocked = m.Version+1, by
	if err := a.store.Record(t.Context(), m); err != nil {
		t.Fatal(err)
	}
}

// watched remembers under which name a recipient is looked up.
type watched struct {
	*storetest.Memory
	recipient string
}

func (w *watched) Mailings(ctx context.Context, recipient string, strong bool) (recipient.Mailings, error) {
	w.recipient = recipient
	return w.Memory.Mailings(ctx, recipient, strong)
}

func TestDeskWithoutStore(t *testing.T) {
	for name, r := range desks() {
		for code, err := range map[string]error{"internal": errors.New("the disk is full"), "unavailable": busy} {
			a := newAPI(t)
			a.store.Inject(func(storetest.Operation) storetest.Fault { return storetest.Fault{Err: err} })
			r.tenant, r.roles = office, "[operator]"
			if p := a.call(r).is(map[string]int{"internal": 500, "unavailable": 503}[code], code); strings.Contains(string(p.body), "disk") {
				t.Errorf("%s: %s", name, p.body)
			}
		}
	}
	// Half a reading is none.
	a := newAPI(t)
	a.store.Inject(func(op storetest.Operation) storetest.Fault {
		if op == storetest.Week {
			return storetest.Fault{Err: busy}
		}
		return storetest.Fault{}
	})
	a.operate("GET", "/v1/partners/"+alder, "").is(503, "unavailable")
}

// 0.43: a partner that is suspended takes back what it has asked for, and so does the operator, page by page. What was answered stays.
func TestTheOperatorCancelsOpenInvitations(t *testing.T) {
	a := newAPI(t)
	var paths []string
	for n := range 5 {
		p := a.call(create(strconv.Itoa(n), `{"kind":"reseller","recipientEmail":"n`+strconv.Itoa(n)+`@larch.example"}`)).is(201)
		paths = append(paths, p.header.Get("Location"))
		a.now = a.now.Add(time.Second)
	}
	a.stored(paths[1], func(i *invitation.Invitation) { i.Status = invitation.Declined })
	suspended := account(alder, "public")
	suspended.Status = partner.Suspended
	a.store.PutAccount(suspended)
	a.call(request{method: "POST", target: paths[4] + "/cancel", body: `{}`}).is(200)
	a.call(mailing(paths[3], "send", "s")).is(403, "partner_not_active")
	const clear = "/v1/partners/" + alder + "/cancel-invitations"
	cancelled, calls := 0, 0
	for cursor := ""; ; calls++ {
		var answer struct {
			Cancelled  int
			NextCursor string
		}
		got := a.operate("POST", clear+"?limit=2"+cursor, `{"reason":"suspended for fraud"}`).is(200)
		if err := json.Unmarshal(got.body, &answer); err != nil {
			t.Fatal(err)
		}
		cancelled += answer.Cancelled
		if answer.NextCursor == "" {
			break
		}
		cursor = "&cursor=" + answer.NextCursor
	}
	if cancelled != 3 || calls < 2 {
		t.Errorf("%d cancelled by %d calls", cancelled, calls)
	}
	if got := a.operate("POST", clear, `{"reason":"again"}`).is(200); strings.TrimSpace(string(got.body)) != `{"cancelled":0}` {
		t.Errorf("%s", got.body)
	}
	for n, path := range paths {
		want := map[int]string{1: "declined"}[n]
		if want == "" {
			want = "cancelled"
		}
		if got := a.call(request{method: "GET", target: path}).is(200); !strings.Contains(string(got.body), `"status":"`+want+`"`) {
			t.Errorf("%d: %s", n, got.body)
		}
	}
	timeline := string(a.call(request{method: "GET", target: paths[0] + "/events"}).is(200).body)
	if !strings.Contains(timeline, `"action":"operatorCancelled","actor":{"kind":"operator"}`) || !strings.Contains(timeline, `"reason":"suspended for fraud"`) {
		t.Errorf("%s", timeline)
	}
	a.operate("POST", clear, `{}`).is(422, "validation_failed")
	a.operate("POST", clear, `{"reason":"x","a":1}`).is(422, "unknown_field")
	a.operate("POST", clear+"?cursor=x", `{"reason":"x"}`).is(400, "malformed_request")
	a.operate("POST", "/v1/partners/"+larch+"/cancel-invitations", `{"reason":"x"}`).is(404, "not_found")
	a.operate("POST", "/v1/partners/x/cancel-invitations", `{"reason":"x"}`).is(404, "not_found")
}

// 0.43: what a suspended partner asks for with granular administration ends by its own hand or the operator's, and
// stays ended when it is active again; what a customer has given stays until who may end it does.
func TestTheOperatorCancelsOpenGranularRequests(t *testing.T) {
	a := newAPI(t)
	paths := map[string]string{}
	for _, name := range []string{"Withdrawn", "Created", "Active", "Open", "Other"} {
		paths[name] = a.proposed(name)
		if name != "Created" {
			a.call(ask(paths[name], "lockForApproval")).is(200)
		}
		a.now = a.now.Add(time.Second)
	}
	a.answers(paths["Active"], "accept")
	invited := a.call(create("k", `{"kind":"reseller","recipientEmail":"n@larch.example"}`)).is(201).header.Get("Location")
	suspended := account(alder, "public")
	suspended.Status = partner.Suspended
	a.store.PutAccount(suspended)
	if o := a.call(ask(paths["Withdrawn"], "terminate")).is(200).object(); o["status"] != "terminated" || o["reason"] != "withdrawn" {
		t.Errorf("%v", o)
	}
	clear := "/v1/partners/" + alder + "/cancel-invitations"
	cancelled := 0
	for cursor := ""; ; {
		var answer struct {
			Cancelled  int
			NextCursor string
		}
		got := a.operate("POST", clear+"?limit=1"+cursor, `{"reason":"suspended for fraud"}`).is(200)
		if err := json.Unmarshal(got.body, &answer); err != nil {
			t.Fatal(err)
		}
		cancelled += answer.Cancelled
		if answer.NextCursor == "" {
			break
		}
		cursor = "&cursor=" + answer.NextCursor
	}
	if cancelled != 3 {
		t.Errorf("%d cancelled", cancelled)
	}
	a.operate("POST", clear, `{"reason":"again"}`).is(200).holds(`{"cancelled":0}`)
	a.call(request{method: "GET", target: invited}).is(200).holds(`"status":"cancelled"`)
	for name, want := range map[string]string{"Withdrawn": "terminated", "Created": "created", "Active": "active", "Open": "terminated", "Other": "terminated"} {
		got := a.call(request{method: "GET", target: paths[name]}).is(200)
		if o := got.object(); o["status"] != want {
			t.Errorf("%s: %s", name, got.body)
		}
		if name == "Open" || name == "Other" {
			got.holds(`"reason":"withdrawn"`, `"action":"terminated","actor":"operator"`, `"reason":"suspended for fraud"`)
		}
	}
	a.store.PutAccount(account(alder, "public"))
	a.call(ask(paths["Open"], "terminate")).is(409, "invalid_transition")
	a.call(request{method: "POST", target: paths["Open"] + "/send", body: `{"recipientEmail":"n@larch.example"}`, header: key("s")}).is(409, "invalid_transition")
	a.call(ask(paths["Created"], "terminate")).is(409, "invalid_transition")
}
