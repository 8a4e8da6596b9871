package web_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"concord/internal/apigw"
	"concord/internal/batch"
	"concord/internal/draft"
	"concord/internal/emailaddr"
	"concord/internal/enrolment"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/link"
	"concord/internal/locale"
	"concord/internal/outbox"
	"concord/internal/oversight"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/recipient"
	"concord/internal/relationship"
	"concord/internal/storetest"
	"concord/internal/web"
	"concord/internal/web/contracttest"
)

// The companies of the tests.
const (
	alder  = "a1de0000-0000-4000-8000-000000000001" // direct-bill, US, public
	birch  = "b12c0000-0000-4000-8000-000000000002" // another partner
	elm    = "e1e10000-0000-4000-8000-000000000005" // US government cloud
	gorse  = "9025e000-0000-4000-8000-000000000007" // no account
	larch  = "1a2c0000-0000-4000-8000-000000000011" // customer, US
	maple  = "3a91e000-0000-4000-8000-000000000012" // customer, France
	nobody = "00000000-0000-4000-8000-000000000099"
)

var start = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

// contract sees every answer of every test of this package.
var contract struct {
	once sync.Once
	*contracttest.Contract
}

func TestMain(m *testing.M) {
	code := m.Run()
	whole := flag.Lookup("test.run").Value.String() == "" && flag.Lookup("test.skip").Value.String() == "" && flag.Lookup("test.fuzz").Value.String() == ""
	if code == 0 && whole && contract.Contract != nil {
		operations, codes := contract.Reached()
		fmt.Printf("contract: %d operations and %d documented codes reached\n", operations, codes)
		if left := contract.Unreached(); len(left) > 0 {
			fmt.Printf("FAIL: the document says what no test has reached:\n  %s\n", strings.Join(left, "\n  "))
			code = 1
		}
	}
	os.Exit(code)
}

// api is the API over a store in memory, called by events of API Gateway.
type api struct {
	t             *testing.T
	store         *storetest.Memory
	now           time.Time
	log           bytes.Buffer
	service       *invitation.Service
	invitations   func(context.Context, apigw.Request) (apigw.Response, error)
	relationships func(context.Context, apigw.Request) (apigw.Response, error)
	enrolments    func(context.Context, apigw.Request) (apigw.Response, error)
	commerce      func(context.Context, apigw.Request) (apigw.Response, error)
	tiers         tiers
}

func newAPI(t *testing.T) *api {
	t.Helper()
	contract.once.Do(func() { contract.Contract = contracttest.New(t) })
	a := &api{t: t, store: &storetest.Memory{}, now: start}
	for tenant, cloud := range map[partner.TenantID]partner.CloudID{alder: "public", birch: "public", elm: "usGov"} {
		a.store.PutAccount(account(tenant, cloud))
	}
	service := &invitation.Service{
		Store: a.store, Accounts: a.store, Relationships: a.store, Partnerships: a.store, Granular: a.store, GranularRoles: granular.ShippedRoles(), Regions: partner.ShippedRegions(),
		Clouds: partner.Clouds{
			{ID: "public", PortalName: "Concord", BaseURL: "https://portal.example", AdministrationOptional: true},
			{ID: "usGov", PortalName: "Concord for US Government", BaseURL: "https://gov.portal.example"},
		},
		Addresses: emailaddr.Addresses{AllowReserved: true}, Locales: locale.Tags, Now: func() time.Time { return a.now },
		Ledger: a.store, Limits: recipient.Limits{Partners: 3, FirstMonth: 50, Daily: 500}, Recognition: a.recognition(),
	}
	log := slog.New(slog.NewJSONHandler(&a.log, nil))
	gate := web.Gate{
		Accounts: a.store, Claims: apigw.Claims, RequestID: apigw.RequestID, Customers: a.store, Log: log,
		Keys: func(_ context.Context, use string, _ ...uint16) ([]link.Key, error) {
			return []link.Key{{ID: 7, Secret: []byte("key of " + use)}}, nil
		},
	}
	drafts := draft.Service{Invitations: service, Operator: emailaddr.Operator{Name: "Concord Operations"}, Sign: func(_ context.Context, p link.Purpose, l link.Link) (link.Secret, error) { return signer.Sign(p, l) }}
	a.invitations = apigw.Handler(web.Invitations(gate, service, drafts, &batch.Service{Store: a.store, Accounts: a.store, Invitations: service, Now: service.Now}, a.hooks()), "", log)
	a.service = service
	a.relationships = apigw.Handler(web.Relationships(gate, a.customers(), a.granted(), a.partnerships(), a.store, a.desk(), func() time.Time { return a.now }), "", log)
	a.commerce = apigw.Handler(web.Commerce(gate, a.shop(), a.granted(), a.store), "", log)
	a.enrolments = apigw.Handler(web.Enrolments(gate, a.applications(), enrolment.Records{Store: a.store, Now: func() time.Time { return a.now }},
		oversight.Reports{Store: a.store, Now: service.Now},
		oversight.Reading{Store: a.store, Accounts: a.store, Audit: a.store, Keep: time.Hour, Now: service.Now}), "", log)
	return a
}

func (a *api) recognition() relationship.Recognition {
	return relationship.Recognition{Companies: a.store, Relationships: a.store, Accounts: a.store, Regions: partner.ShippedRegions(), Register: a.store}
}

func account(tenant partner.TenantID, cloud partner.CloudID) partner.Account {
	return partner.Account{
		Tenant: tenant, DisplayName: "Alder Cloud Services", Role: partner.DirectBill, Cloud: cloud, Country: "US", Status: partner.Active,
		Contact: partner.Contact{Email: "hello@alder.example"}, VerifiedDomain: "alder.example", Locale: "en", CreatedAt: start, Version: 1,
	}
}

// request is a call as a client makes it.
type request struct {
	method, target, body string
	header               map[string]string
	tenant               string // alder when empty
	roles                string // [adminAgent] when empty
	public               bool
}

type reply struct {
	t      *testing.T
	status int
	header http.Header
	body   []byte
}

func (a *api) call(r request) reply {
	a.t.Helper()
	u, err := url.Parse("https://portal.example" + r.target)
	if err != nil {
		a.t.Fatal(err)
	}
	e := event(a.t, "invitations-read")
	e.RawPath, e.RawQueryString = u.EscapedPath(), u.RawQuery
	e.RequestContext.HTTP.Method, e.RequestContext.HTTP.Path = r.method, u.Path
	e.Body = r.body
	if r.body != "" {
		e.Headers["content-type"] = "application/json"
	}
	for name, value := range r.header {
		if value == "" {
			delete(e.Headers, strings.ToLower(name))
			continue
		}
		e.Headers[strings.ToLower(name)] = value
	}
	claims := e.RequestContext.Authorizer.Lambda
	if r.tenant != "" {
		claims["tenantId"] = r.tenant
	}
	if r.roles != "" {
		claims["roles"] = strings.Trim(r.roles, "[]") // as fmt prints them
	}
	if r.public {
		e.RequestContext.Authorizer = nil
	}
	return a.send(e)
}

// send gives an event to the function that serves it and holds the answer against the contract.
func (a *api) send(e apigw.Request) reply {
	a.t.Helper()
	function := a.relationships
	if trades(e.RawPath) {
		function = a.commerce
	}
	if strings.HasPrefix(e.RawPath, "/v1/invitation") || strings.HasPrefix(e.RawPath, hooksPath) {
		function = a.invitations
	}
	for _, part := range []string{"/v1/enrolments", "/v1/validations", "/v1/partner/", "/v1/company-records", "/v1/partner-id-records", "/v1/vetting-calendar", "/v1/reports", "/v1/support-readings"} {
		if strings.HasPrefix(e.RawPath, part) {
			function = a.enrolments
		}
	}
	answer, err := function(a.t.Context(), e)
	if err != nil {
		a.t.Fatal(err)
	}
	body := []byte(answer.Body)
	if answer.IsBase64Encoded {
		if body, err = base64.StdEncoding.DecodeString(answer.Body); err != nil {
			a.t.Fatal(err)
		}
	}
	p := reply{a.t, answer.StatusCode, http.Header{}, body}
	for name, value := range answer.Headers {
		p.header.Set(name, value)
	}
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "Content-Security-Policy": policyOf(e.RawPath), "X-Frame-Options": "DENY",
		"Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin", "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
	} {
		if got := p.header.Get(name); got != want {
			a.t.Errorf("%s %s: %s is %q, want %q", e.RequestContext.HTTP.Method, e.RawPath, name, got, want)
		}
	}
	target := e.RawPath
	if e.RawQueryString != "" {
		target += "?" + e.RawQueryString
	}
	r, err := http.NewRequestWithContext(a.t.Context(), e.RequestContext.HTTP.Method, "https://portal.example"+target, nil)
	if err != nil {
		a.t.Fatal(err)
	}
	for name, value := range e.Headers {
		r.Header.Set(name, value)
	}
	sent := []byte(e.Body)
	if e.IsBase64Encoded {
		sent, _ = base64.StdEncoding.DecodeString(e.Body)
	}
	response := &http.Response{StatusCode: p.status, Header: p.header.Clone(), Body: io.NopCloser(bytes.NewReader(body)), Request: r}
	for _, fault := range contract.Check(r, sent, response, body) {
		a.t.Errorf("%s\n%.600s", fault, body)
	}
	return p
}

func event(t *testing.T, name string) apigw.Request {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "events", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var e events.APIGatewayV2HTTPRequest
	if err := json.Unmarshal(text, &e); err != nil {
		t.Fatal(err)
	}
	return e
}

// is fails the test unless the reply has a status and, for a problem, its code.
func (p reply) is(status int, code ...string) reply {
	p.t.Helper()
	var d struct{ Code string }
	_ = json.Unmarshal(p.body, &d)
	if p.status != status || len(code) > 0 && d.Code != code[0] {
		p.t.Fatalf("got %d %s, want %d %v\n%s", p.status, d.Code, status, code, p.body)
	}
	return p
}

func (p reply) object() map[string]any {
	p.t.Helper()
	var o map[string]any
	if err := json.Unmarshal(p.body, &o); err != nil {
		p.t.Fatalf("%v: %s", err, p.body)
	}
	return o
}

// holds checks that the body has some texts.
func (p reply) holds(texts ...string) reply {
	p.t.Helper()
	for _, text := range texts {
		if !strings.Contains(string(p.body), text) {
			p.t.Errorf("%s is not in %s", text, p.body)
		}
	}
	return p
}

func (p reply) str(name string) string { s, _ := p.object()[name].(string); return s }

// findings gives the pointers and codes of a problem's errors.
func (p reply) findings() []string {
	var d struct {
		Errors []struct{ Pointer, Code string }
	}
	_ = json.Unmarshal(p.body, &d)
	var lines []string
	for _, e := range d.Errors {
		lines = append(lines, e.Pointer+" "+e.Code)
	}
	return lines
}

func key(k string) map[string]string { return map[string]string{"Idempotency-Key": k} }

func create(k, body string) request {
	return request{method: "POST", target: "/v1/invitations", body: body, header: key(k)}
}

const plain = `{"kind":"reseller","recipientEmail":"admin@larch.example"}`

// draft creates an invitation and gives its path.
func (a *api) draft(recipient string) string {
	a.t.Helper()
	p := a.call(create("draft for "+recipient, `{"kind":"reseller","recipientEmail":"`+recipient+`"}`)).is(201)
	return p.header.Get("Location")
}

// stored gives an invitation to change as only time and other functions can.
func (a *api) stored(path string, change func(*invitation.Invitation)) {
	a.t.Helper()
	k := invitation.Key{Inviter: alder, ID: strings.TrimPrefix(path, "/v1/invitations/")}
	inv, err := a.store.Invitation(a.t.Context(), k, true)
	if err != nil {
		a.t.Fatal(err)
	}
	change(&inv)
	a.store.PutInvitation(inv)
}

func (a *api) customer(tenant partner.TenantID, status relationship.Status, country string) {
	a.store.PutRelationship(relationship.Relationship{
		ID: "rel_aaaaaaaaaaaaaaaaaaaaaaaaaa", Partner: alder, Role: relationship.Direct, Status: status, Origin: "invitation",
		Customer:       relationship.Customer{Tenant: tenant, CompanyName: "Larch Ltd", Domains: []string{"larch.example", "larch.test"}, Country: country, Cloud: "public"},
		DelegatedAdmin: relationship.NoAdministration, IdentityCheck: relationship.NotNeeded, EstablishedAt: start, UpdatedAt: start, Version: 3,
	})
}

func TestEveryEventOfTheFolder(t *testing.T) {
	want := map[string]int{
		"relationships-partnerships": 200, "relationships-partnership": 404, "relationships-partnership-customers": 404, "relationships-partnership-remove": 404,
		"relationships-partnership-revoke": 404, "relationships-relations": 200, "relationships-customer-relations": 404,
		"invitations-create": 201, "invitations-create-base64": 409, "invitations-list": 200, "invitations-read": 404, "invitations-draft": 404,
		"invitations-send": 404, "invitations-edit": 404, "invitations-draft-file": 404, "invitations-reset": 404, "invitations-done": 404, "invitations-renew": 404,
		"invitations-events": 404, "invitations-batch": 202, "invitations-batch-csv": 202, "invitations-batch-read": 404, "invitations-batch-rows": 404, "relationships-customers": 200, "relationships-customer-change": 404, "relationships-customer-remove": 404, "relationships-customer-create": 201, "relationships-attestation": 200, "relationships-directory": 200, "relationships-regions": 200, "relationships-audit": 200, "relationships-roles": 200, "relationships-openapi": 200, "relationships-docs": 200,
		"relationships-partners-create": 201, "relationships-partners-list": 200, "relationships-partners-read": 200, "relationships-partners-change": 200,
		"relationships-granular-create": 201, "relationships-granular-list": 200, "relationships-granular-read": 404, "relationships-granular-change": 404,
		"relationships-granular-delete": 404, "relationships-granular-lock": 404, "relationships-granular-send": 404, "relationships-grants": 404,
		"relationships-partners-suppressions": 200, "relationships-partners-lift": 200, "relationships-partners-cancel": 200,
		"commerce-attest": 404, "commerce-texts": 200, "commerce-eligibility": 200, "commerce-order": 403, "commerce-orders": 404, "commerce-subscription-change": 404,
		"commerce-supportcontact": 404, "commerce-partnerid": 404,
	}
	found, err := filepath.Glob(filepath.Join("..", "..", "events", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	a := newAPI(t)
	a.send(event(t, "invitations-create")).is(201)
	delete(want, "invitations-create")
	for _, path := range found {
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		function, _, _ := strings.Cut(name, "-")
		if function != "invitations" && function != "relationships" && function != "commerce" || name == "invitations-create" {
			continue
		}
		a.send(event(t, name)).is(want[name])
		delete(want, name)
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
}

// Rules I3 to I5, and D11: where the customer came from is kept.
func TestCreate(t *testing.T) {
	a := newAPI(t)
	p := a.call(create("k", `{"kind":"reseller","recipientEmail":" Admin@Larch.example ","recipientName":"Lena Larch","customerTenantId":"`+strings.ToUpper(larch)+
		`","requestDelegatedAdmin":true,"locale":"fr","expiresIn":"P1W1DT1H","source":"fair","reminders":false,"tags":{"a/b":"c"}}`)).is(201)
	o := p.object()
	for name, want := range map[string]any{
		"kind": "reseller", "status": "draft", "recipientEmail": "Admin@Larch.example", "recipientName": "Lena Larch", "customerTenantId": larch,
		"requestDelegatedAdmin": true, "locale": "fr", "expiresIn": "P8DT3600S", "expiresAt": "2026-03-09T10:00:00Z", "createdAt": "2026-03-01T09:00:00Z",
		"source": "fair", "reminders": false, "version": 1.0, "cloud": "public",
	} {
		if o[name] != want {
			t.Errorf("%s is %v, want %v", name, o[name], want)
		}
	}
	if p.header.Get("ETag") != `"1"` || p.header.Get("Location") != "/v1/invitations/"+p.str("id") || p.header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers: %v", p.header)
	}
	if bytes.Contains(p.body, []byte("/i/")) {
		t.Error("the answer holds a link")
	}
	read := a.call(request{method: "GET", target: p.header.Get("Location")}).is(200)
	if !bytes.Equal(read.body, p.body) {
		t.Errorf("read gives\n%s\nnot\n%s", read.body, p.body)
	}
	if without := a.call(create("k2", `{"kind":"reseller"}`)).is(201).object(); without["recipientEmail"] != nil {
		t.Errorf("recipientEmail is %v, want null", without["recipientEmail"])
	}
}

func TestRefusedBodies(t *testing.T) {
	deep := strings.Repeat("[", 30000) + strings.Repeat("]", 30000)
	for name, c := range map[string]struct {
		body, contentType, code string
		findings                []string
	}{
		"no body":                 {body: "", code: "malformed_request"},
		"not JSON":                {body: `{"kind":`, code: "malformed_request"},
		"trailing data":           {body: plain + `x`, code: "malformed_request"},
		"two values":              {body: plain + plain, code: "malformed_request"},
		"a name twice":            {body: `{"kind":"reseller","kind":"reseller"}`, code: "malformed_request"},
		"a name twice, escaped":   {body: `{"kind":"reseller","\u006bind":"reseller"}`, code: "malformed_request"},
		"an array":                {body: `[]`, code: "malformed_request"},
		"null":                    {body: `null`, code: "malformed_request"},
		"invalid UTF-8":           {body: "{\"kind\":\"\xff\"}", code: "malformed_request"},
		"half a surrogate":        {body: `{"kind":"\ud800"}`, code: "malformed_request"},
		"nested too deeply":       {body: `{"kind":` + deep + `}`, code: "malformed_request"},
		"too large":               {body: `{"source":"` + strings.Repeat("x", 64<<10) + `"}`, code: "malformed_request"},
		"another type":            {body: plain, contentType: "text/plain", code: "unsupported_media_type"},
		"empty object":            {body: `{}`, code: "validation_failed", findings: []string{"/kind validation_failed"}},
		"unknown fields":          {body: `{"kind":"reseller","x":1,"a/b~c":null}`, code: "unknown_field", findings: []string{"/a~1b~0c unknown_field", "/x unknown_field"}},
		"a field of another case": {body: `{"Kind":"reseller"}`, code: "validation_failed", findings: []string{"/Kind unknown_field", "/kind validation_failed"}},
		"null is no value":        {body: `{"kind":"reseller","recipientEmail":null}`, code: "validation_failed", findings: []string{"/recipientEmail validation_failed"}},
		"kind of another type":    {body: `{"kind":1}`, code: "validation_failed", findings: []string{"/kind validation_failed"}},
		"kind unknown":            {body: `{"kind":"partnership"}`, code: "validation_failed", findings: []string{"/kind validation_failed"}},
		"address":                 {body: `{"kind":"reseller","recipientEmail":"larch"}`, code: "email_invalid", findings: []string{"/recipientEmail email_invalid"}},
		"address not ASCII":       {body: `{"kind":"reseller","recipientEmail":"é@larch.example"}`, code: "email_internationalised_local_part", findings: []string{"/recipientEmail email_internationalised_local_part"}},
		"name":                    {body: `{"kind":"reseller","recipientName":"see www.larch.example"}`, code: "name_invalid", findings: []string{"/recipientName name_invalid"}},
		"own company":             {body: `{"kind":"reseller","customerTenantId":"` + alder + `"}`, code: "self_invitation", findings: []string{"/customerTenantId self_invitation"}},
		"tenant no UUID":          {body: `{"kind":"reseller","customerTenantId":"larch"}`, code: "validation_failed", findings: []string{"/customerTenantId validation_failed"}},
		"locale":                  {body: `{"kind":"reseller","locale":"-"}`, code: "validation_failed", findings: []string{"/locale validation_failed"}},
		"too short":               {body: `{"kind":"reseller","expiresIn":"PT23H"}`, code: "validation_failed", findings: []string{"/expiresIn validation_failed"}},
		"too long":                {body: `{"kind":"reseller","expiresIn":"P91D"}`, code: "validation_failed", findings: []string{"/expiresIn validation_failed"}},
		"months":                  {body: `{"kind":"reseller","expiresIn":"P1M"}`, code: "validation_failed", findings: []string{"/expiresIn validation_failed"}},
		"fraction":                {body: `{"kind":"reseller","expiresIn":"P1.5D"}`, code: "validation_failed", findings: []string{"/expiresIn validation_failed"}},
		"no duration":             {body: `{"kind":"reseller","expiresIn":"P"}`, code: "validation_failed", findings: []string{"/expiresIn validation_failed"}},
		"no time after T":         {body: `{"kind":"reseller","expiresIn":"P1DT"}`, code: "validation_failed", findings: []string{"/expiresIn validation_failed"}},
		"source empty":            {body: `{"kind":"reseller","source":""}`, code: "validation_failed", findings: []string{"/source validation_failed"}},
		"tag of another type":     {body: `{"kind":"reseller","tags":{"a":1,"b":""}}`, code: "validation_failed", findings: []string{"/tags/a validation_failed", "/tags/b validation_failed"}},
		"tags of another type":    {body: `{"kind":"reseller","tags":[]}`, code: "validation_failed", findings: []string{"/tags validation_failed"}},
		"flags of another type":   {body: `{"kind":"reseller","reminders":"no","requestDelegatedAdmin":0}`, code: "validation_failed", findings: []string{"/requestDelegatedAdmin validation_failed", "/reminders validation_failed"}},
		"form, names and addresses": {body: `{"kind":"reseller","recipientEmail":"x","recipientName":"","locale":5,"extra":true}`, code: "validation_failed",
			findings: []string{"/locale validation_failed", "/extra unknown_field", "/recipientEmail email_invalid", "/recipientName name_invalid"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAPI(t)
			r := create("k", c.body)
			if c.contentType != "" {
				r.header["Content-Type"] = c.contentType
			}
			status := 422
			switch c.code {
			case "malformed_request":
				status = 400
			case "unsupported_media_type":
				status = 415
			}
			p := a.call(r).is(status, c.code)
			if !slices.Equal(p.findings(), c.findings) {
				t.Errorf("found %q, want %q", p.findings(), c.findings)
			}
			if left := a.call(request{method: "GET", target: "/v1/invitations"}).object()["items"].([]any); len(left) != 0 {
				t.Errorf("written: %v", left)
			}
		})
	}
}

func TestWhatTheInviterMayNotAsk(t *testing.T) {
	a := newAPI(t)
	a.call(request{method: "POST", target: "/v1/invitations", body: `{"kind":"reseller","requestDelegatedAdmin":false}`, tenant: elm, header: key("1")}).is(422, "delegated_admin_required")
	a.customer(maple, relationship.Removed, "FR")
	a.call(create("2", `{"kind":"reseller","customerTenantId":"`+maple+`"}`)).is(422, "region_not_allowed")
	a.customer(larch, relationship.Active, "US")
	a.call(create("3", `{"kind":"reseller","customerTenantId":"`+larch+`"}`)).is(409, "relationship_exists")
	a.call(create("4", `{"kind":"reseller","customerTenantId":"`+larch+`","requestDelegatedAdmin":true}`)).is(201)
	path := a.draft("admin@oak.example")
	a.store.PutAccount(account(alder, "moon"))
	if f := a.call(create("5", plain)).is(422, "cloud_mismatch").findings(); !slices.Equal(f, []string{" cloud_mismatch"}) {
		t.Errorf("findings: %q", f)
	}
	a.stored(path, func(i *invitation.Invitation) { i.Cloud = "moon" })
	a.call(request{method: "GET", target: path + "/draft"}).is(422, "cloud_mismatch")
}

func TestDuplicateNamesTheOpenOne(t *testing.T) {
	a := newAPI(t)
	path := a.draft("admin@larch.example")
	p := a.call(create("other", `{"kind":"reseller","recipientEmail":"ADMIN@larch.example"}`)).is(409, "duplicate_open_invitation")
	if p.str("invitationId") != strings.TrimPrefix(path, "/v1/invitations/") || p.header.Get("Link") != "<"+path+`>; rel="related"` {
		t.Errorf("invitationId %s, Link %s", p.str("invitationId"), p.header.Get("Link"))
	}
	second := a.draft("it@larch.example")
	a.call(request{method: "PATCH", target: second, body: `{"recipientEmail":"admin@larch.example"}`, header: map[string]string{"If-Match": "*"}}).is(409, "duplicate_open_invitation")
}

// mutations are the operations that change something, each with a request that could succeed.
func mutations(path string) map[string]request {
	return map[string]request{
		"create": create("m", `{"kind":"reseller","recipientEmail":"new@larch.example"}`),
		"revise": {method: "PATCH", target: path, body: `{"locale":"fr"}`, header: map[string]string{"If-Match": "*", "Idempotency-Key": "m"}},
		"send":   {method: "POST", target: path + "/send", header: key("m")},
		"resend": {method: "POST", target: path + "/resend", header: key("m")},
		"cancel": {method: "POST", target: path + "/cancel", header: key("m")},
		"edit":   edit(path, "*", "Join us", "Please answer:\n"+linkOf(path)+"\n"),
		"reset":  {method: "POST", target: path + "/draft/reset"},
		"done":   {method: "POST", target: path + "/done"},
		"relink": {method: "POST", target: path + "/new-link"},
		"extend": {method: "POST", target: path + "/extend"},
		"correct": {
			method: "POST", target: path + "/correct", body: `{"recipientEmail":"it@larch.example"}`,
			header: map[string]string{"If-Match": "*", "Idempotency-Key": "m"},
		},
		"renew": {method: "POST", target: path + "/renew", header: key("m")},
	}
}

// edit is a request that gives a draft words of the partner's own.
func edit(path, tag, subject, body string) request {
	text, _ := json.Marshal(map[string]string{"subject": subject, "body": body})
	r := request{method: "PUT", target: path + "/draft", body: string(text), header: map[string]string{}}
	if tag != "" {
		r.header["If-Match"] = tag
	}
	return r
}

// signer makes the links of every API of these tests.
var signer = link.NewSigner(link.Key{ID: 7, Secret: []byte("a key of thirty-two bytes, or so")})

// linkOf gives the first link of an invitation, and nothing for what is none.
func linkOf(path string) string {
	token, err := signer.Sign(link.Answer, link.Link{Tenant: string(alder), ID: strings.TrimPrefix(path, "/v1/invitations/"), Generation: 1})
	if err != nil {
		return ""
	}
	return "https://portal.example" + link.Answer.Path(token)
}

func reads(path string) map[string]request {
	return map[string]request{
		"list":      {method: "GET", target: "/v1/invitations"},
		"read":      {method: "GET", target: path},
		"draft":     {method: "GET", target: path + "/draft"},
		"events":    {method: "GET", target: path + "/events"},
		"customers": {method: "GET", target: "/v1/customers"},
		"customer":  {method: "GET", target: "/v1/customers/" + larch},
	}
}

// globalAdmin has a Global admin call what agents may: it reads, and changes nothing (rule R3, 0.35).
func (a *api) globalAdmin(r request) {
	a.t.Helper()
	r.roles = "[globalAdmin]"
	p := a.call(r)
	if r.method != "GET" {
		p.is(403, "role_not_permitted")
	} else if p.status == 403 {
		a.t.Errorf("a Global admin may not read %s", r.target)
	}
}

func TestWhoMayNot(t *testing.T) {
	a := newAPI(t)
	path := a.draft("admin@larch.example")
	all := mutations(path)
	maps.Copy(all, reads(path))
	for name, r := range all {
		for _, roles := range []string{"[]", "operator", "adminagent"} {
			r.roles = roles
			a.call(r).is(403, "role_not_permitted")
		}
		a.globalAdmin(r)
		r.roles, r.tenant = "[adminAgent]", gorse
		a.call(r).is(403, "role_not_permitted")
		r.tenant = "no tenant"
		if p := a.call(r); p.status != 403 {
			t.Errorf("%s without a tenant: %d", name, p.status)
		}
	}
	suspended := account(alder, "public")
	suspended.Status = partner.Suspended
	a.store.PutAccount(suspended)
	for name, r := range mutations(path) {
		if strings.HasSuffix(r.target, "/cancel") { // what it has asked for it may take back (0.43)
			continue
		}
		if p := a.call(r); p.status != 403 {
			t.Errorf("%v: %d", name, p.status)
		}
	}
	a.call(reads(path)["read"]).is(200)
	a.call(request{method: "POST", target: path + "/cancel", body: `{}`}).is(200)
}

// Rules R5, E17: who is an agent, the identity provider says in the token; nothing here makes anybody one.
func TestRolesAreThoseOfTheToken(t *testing.T) {
	a := newAPI(t)
	me := a.call(request{method: "GET", target: "/v1/roles/me", roles: "salesAgent adminAgent"}).is(200).object()
	if fmt.Sprint(me["roles"]) != "[salesAgent adminAgent]" || me["tenantId"] != alder || me["programRole"] != "directBill" || me["cloud"] != "public" || me["country"] != "US" {
		t.Errorf("%v", me)
	}
	o := a.call(request{method: "GET", target: "/v1/roles/me", tenant: gorse, roles: "[globalAdmin]"}).is(200).object()
	if o["programRole"] != nil || o["country"] != nil || o["cloud"] != "public" || fmt.Sprint(o["roles"]) != "[globalAdmin]" {
		t.Errorf("without an account: %v", o)
	}
	if o = a.call(request{method: "GET", target: "/v1/roles/me", roles: "[]"}).is(200).object(); fmt.Sprint(o["roles"]) != "[]" {
		t.Errorf("without roles: %v", o)
	}
	a.call(request{method: "GET", target: "/v1/roles/me", tenant: "none"}).is(403, "role_not_permitted")
}

// TestTokensEnd: API Gateway keeps what its authorizer said for minutes; a token that has ended meanwhile opens nothing.
func TestTokensEnd(t *testing.T) {
	a := newAPI(t)
	for exp, status := range map[string]int{
		strconv.FormatInt(time.Now().Add(time.Minute).Unix(), 10): 200, strconv.FormatInt(time.Now().Add(-time.Second).Unix(), 10): 401, "": 401, "soon": 401,
	} {
		e := event(t, "relationships-roles")
		e.RequestContext.Authorizer.Lambda["exp"] = exp
		got := a.send(e)
		if got.status != status || status == 401 && strings.TrimSpace(string(got.body)) != `{"message":"Unauthorized"}` {
			t.Errorf("exp %q: %d %s", exp, got.status, got.body)
		}
	}
}

// TestForeignIsUnknown: no answer tells another partner's id from one that does not exist or cannot exist.
func TestForeignIsUnknown(t *testing.T) {
	a := newAPI(t)
	path := a.draft("admin@larch.example")
	a.customer(larch, relationship.Active, "US")
	correlation := map[string]string{"MS-CorrelationId": "0b0f6f2e-3f55-4b1a-9c9e-6f9a3f0f7a11"}
	ids := []string{
		strings.TrimPrefix(path, "/v1/invitations/"), "inv_aaaaaaaaaaaaaaaaaaaaaaaaaa", "inv_", "INV_aaaaaaaaaaaaaaaaaaaaaaaaaa", "x", "%2e%2e", "a%2Fb", "inv_aaaaaaaaaaaaaaaaaaaaaaaaab",
		"%00", strings.Repeat("x", 3000), "%F0%9F%98%80",
	}
	for _, operation := range []string{"read", "draft", "events", "revise", "send", "resend", "cancel", "edit", "reset", "done", "renew"} {
		var first []byte
		for _, id := range ids {
			r := mutations("/v1/invitations/" + id)[operation]
			if r.method == "" {
				r = reads("/v1/invitations/" + id)[operation]
			}
			r.tenant = birch
			r.header = maps.Clone(r.header)
			if r.header == nil {
				r.header = map[string]string{}
			}
			maps.Copy(r.header, correlation)
			p := a.call(r).is(404, "not_found")
			if first == nil {
				first = p.body
			}
			if !bytes.Equal(first, p.body) {
				t.Errorf("%s of %s answers\n%s\nnot\n%s", operation, id, p.body, first)
			}
		}
	}
	var first []byte
	for _, id := range []string{larch, nobody, "larch", "%2e%2e", strings.Repeat("x", 3000)} {
		p := a.call(request{method: "GET", target: "/v1/customers/" + id, tenant: birch, header: correlation}).is(404, "not_found")
		if first == nil {
			first = p.body
		}
		if !bytes.Equal(first, p.body) {
			t.Errorf("customer %s answers %s", id, p.body)
		}
	}
	for _, target := range []string{"/v1/invitations?customerTenantId=" + larch, "/v1/invitations?recipientEmail=admin@larch.example", "/v1/customers", "/v1/customers?domain=larch.example"} {
		if items := a.call(request{method: "GET", target: target, tenant: birch}).is(200).object()["items"].([]any); len(items) != 0 {
			t.Errorf("%s shows %v", target, items)
		}
	}
	for _, target := range []string{"/v1/invitations/../customers", "/v1//invitations", "/v1/invitations/", "/v1/nothing", "/"} {
		a.call(request{method: "GET", target: target}).is(404, "not_found")
	}
}

func TestIdempotencyKeys(t *testing.T) {
	a := newAPI(t)
	for name, r := range map[string]request{"create": create("", plain), "send": {method: "POST", target: a.draft("a@larch.example") + "/send"}, "resend": {method: "POST", target: a.draft("b@larch.example") + "/resend"}} {
		r.header = nil
		if p := a.call(r).is(400, "idempotency_key_required"); p.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %s", name, p.header.Get("Content-Type"))
		}
		r.header = key(strings.Repeat("k", 129))
		a.call(r).is(400, "malformed_request")
		r.header = key("é")
		a.call(r).is(400, "malformed_request")
	}

	first := a.call(create("once", `{"kind":"reseller","recipientEmail":"admin@larch.example"}`)).is(201)
	again := a.call(create("once", `{ "recipientEmail":"admin@larch.example", "kind":"\u0072eseller" }`)).is(201)
	if first.header.Get("Idempotency-Replayed") != "" || again.header.Get("Idempotency-Replayed") != "true" || !bytes.Equal(first.body, again.body) {
		t.Errorf("replayed %q: %s", again.header.Get("Idempotency-Replayed"), again.body)
	}
	a.call(create("once", `{"kind":"reseller","recipientEmail":"it@larch.example"}`)).is(422, "idempotency_key_reused")
	other := create("once", plain)
	other.tenant = birch
	if p := a.call(other).is(201); p.header.Get("Idempotency-Replayed") != "" {
		t.Error("a key reaches into another partner")
	}

	path := first.header.Get("Location")
	for _, step := range []struct {
		action, reuse string
		status        int
	}{{"send", `{"x":1}`, 202}, {"resend", `{"x":1}`, 202}, {"cancel", `{"reason":"other"}`, 200}} {
		r := request{method: "POST", target: path + "/" + step.action, header: key("step " + step.action)}
		done := a.call(r).is(step.status)
		a.now = a.now.Add(11 * time.Minute)
		replay := a.call(r).is(step.status)
		if replay.header.Get("Idempotency-Replayed") != "true" || replay.header.Get("ETag") != done.header.Get("ETag") {
			t.Errorf("%s: %v", step.action, replay.header)
		}
		r.body = step.reuse
		a.call(r).is(422, "idempotency_key_reused")
	}
	revised := request{method: "PATCH", target: a.draft("c@larch.example"), body: `{"locale":"fr"}`, header: map[string]string{"If-Match": `"1"`, "Idempotency-Key": "p"}}
	a.call(revised).is(200)
	if a.call(revised).is(200).header.Get("Idempotency-Replayed") != "true" {
		t.Error("a change is not replayed")
	}
	revised.body = `{"locale":"en"}`
	a.call(revised).is(422, "idempotency_key_reused")
	if p := a.call(create("once", plain)); p.status != 201 || p.str("status") != "cancelled" {
		t.Errorf("a replay shows the resource as it is now: %s", p.body)
	}
}

func TestPreconditions(t *testing.T) {
	a := newAPI(t)
	path := a.draft("admin@larch.example")
	patch := func(tag string) request {
		return request{method: "PATCH", target: path, body: `{"recipientName":"Lena","expiresIn":"P10D","reminders":false,"recipientEmail":"it@larch.example"}`, header: map[string]string{"If-Match": tag}}
	}
	a.call(patch("")).is(428, "precondition_required")
	for _, tag := range []string{`"2"`, `"0"`, `"01"`, `"+1"`, `"x"`, `""`, `"99999999999999999999"`} {
		a.call(patch(tag)).is(412, "precondition_failed")
	}
	for _, tag := range []string{`W/"1"`, `1`, `"1", "2"`, `"`} {
		a.call(patch(tag)).is(400, "malformed_request")
	}
	p := a.call(patch(`"1"`)).is(200)
	if o := p.object(); p.header.Get("ETag") != `"2"` || o["expiresAt"] != "2026-03-11T09:00:00Z" || o["recipientEmail"] != "it@larch.example" || o["reminders"] != false {
		t.Errorf("revised: %s", p.body)
	}
	a.call(patch("*")).is(200)
	for _, action := range []string{"send", "resend", "cancel", "draft/reset", "done", "renew"} {
		r := request{method: "POST", target: path + "/" + action, header: map[string]string{"Idempotency-Key": "k", "If-Match": `"1"`}}
		a.call(r).is(412, "precondition_failed")
	}
	a.call(edit(path, `"1"`, "x", linkOf(path))).is(412, "precondition_failed")
	a.call(edit(path, "", "x", linkOf(path))).is(428, "precondition_required")
	// 404 comes before 428, 428 before 422.
	r := patch("")
	r.target = "/v1/invitations/inv_aaaaaaaaaaaaaaaaaaaaaaaaaa"
	a.call(r).is(404, "not_found")
	r = patch("")
	r.body = `{"x":1}`
	a.call(r).is(428, "precondition_required")
	r = patch("*")
	for body, want := range map[string][]string{
		`{"x":1,"recipientEmail":"x","recipientName":""}`: {"/x unknown_field", "/recipientEmail email_invalid", "/recipientName name_invalid"},
		`{"x":1}`:                       {"/x unknown_field"},
		`{"kind":"reseller"}`:           {"/kind unknown_field"},
		`{"recipientEmail":"é@x.test"}`: {"/recipientEmail email_internationalised_local_part"},
		`{"recipientEmail":"x"}`:        {"/recipientEmail email_invalid"},
		`{"recipientName":"a@b.test"}`:  {"/recipientName name_invalid"},
	} {
		r.body = body
		if p := a.call(r).is(422); !slices.Equal(p.findings(), want) {
			t.Errorf("%s: %q", body, p.findings())
		}
	}
}

func TestEndedInvitations(t *testing.T) {
	answered := &invitation.Given{FullName: "Lena Larch", JobTitle: "CIO", At: start, Reason: "other", Comment: "no, thank you", NoChange: true}
	for code, end := range map[string]func(*invitation.Invitation){
		"invitation_already_accepted": func(i *invitation.Invitation) {
			i.Status, i.Answer, i.Customer = invitation.Accepted, answered, larch
		},
		"invitation_already_declined":  func(i *invitation.Invitation) { i.Status, i.Answer = invitation.Declined, answered },
		"invitation_already_cancelled": func(i *invitation.Invitation) { i.Status = invitation.Cancelled },
		"invitation_expired":           func(i *invitation.Invitation) { i.ExpiresAt = start },
	} {
		t.Run(code, func(t *testing.T) {
			a := newAPI(t)
			path := a.draft("admin@larch.example")
			a.stored(path, end)
			for name, r := range mutations(path) {
				if name != "create" && name != "renew" {
					a.call(r).is(409, code)
				}
			}
			a.call(reads(path)["draft"]).is(409, code)
			p := a.call(reads(path)["read"]).is(200)
			if answer, ok := p.object()["answer"].(map[string]any); ok && (answer["fullName"] != "Lena Larch" || answer["reference"] == "" || answer["at"] != "2026-03-01T09:00:00Z") {
				t.Errorf("answer: %v", answer)
			} else if !ok && strings.Contains(string(p.body), "Lena") {
				t.Errorf("no answer: %s", p.body)
			}
			status := strings.TrimPrefix(strings.TrimPrefix(code, "invitation_already_"), "invitation_")
			if p.str("status") != status {
				t.Errorf("status %s", p.str("status"))
			}
			// 422 comes before 409.
			r := mutations(path)["revise"]
			r.body = `{"x":1}`
			a.call(r).is(422, "unknown_field")
		})
	}
}

func TestSendResendCancel(t *testing.T) {
	a := newAPI(t)
	path := a.draft("admin@larch.example")
	post := func(action, k, body string) request {
		return request{method: "POST", target: path + "/" + action, header: key(k), body: body}
	}
	a.call(post("resend", "1", "")).is(409, "invalid_transition")
	a.call(post("send", "2", `{"x":1}`)).is(422, "unknown_field")
	a.call(post("resend", "2", `{"x":1}`)).is(422, "unknown_field")
	a.call(post("send", "2", `{`)).is(400, "malformed_request")
	p := a.call(post("send", "3", "")).is(202)
	if o := p.object(); o["status"] != "pending" || o["expiresAt"] != nil || o["delivery"].(map[string]any)["state"] != "queued" {
		t.Errorf("sent: %s", p.body)
	}
	a.call(post("send", "4", "{}")).is(409, "invalid_transition")
	a.call(mutations(path)["revise"]).is(409, "invalid_transition")
	a.now = a.now.Add(9*time.Minute + 500*time.Millisecond)
	if wait := a.call(post("resend", "5", "")).is(429, "resend_cooldown").header.Get("Retry-After"); wait != "60" {
		t.Errorf("Retry-After is %s", wait)
	}
	a.now = a.now.Add(time.Minute)
	a.call(post("resend", "6", "")).is(202)
	a.stored(path, func(i *invitation.Invitation) {
		i.Mail = invitation.Mail{State: outbox.Failed, Reason: "rejected"}
	})
	if d := a.call(reads(path)["read"]).object()["delivery"]; fmt.Sprint(d) != "map[reason:rejected state:failed]" {
		t.Errorf("delivery: %v", d)
	}
	for _, body := range []string{`{"reason":""}`, `{"reason":5}`, `{"reason":"` + strings.Repeat("x", 101) + `"}`, `{"reason":"a\nb"}`} {
		if f := a.call(post("cancel", "7", body)).is(422, "validation_failed").findings(); !slices.Equal(f, []string{"/reason validation_failed"}) {
			t.Errorf("%s: %q", body, f)
		}
	}
	a.call(post("cancel", "7", `{"why":"x"}`)).is(422, "unknown_field")
	a.call(post("cancel", "7", `[]`)).is(400, "malformed_request")
	if s := a.call(post("cancel", "8", `{"reason":"wrong company"}`)).is(200).str("status"); s != "cancelled" {
		t.Errorf("status %s", s)
	}

	path = a.call(create("no recipient", `{"kind":"reseller"}`)).is(201).header.Get("Location")
	a.call(post("send", "1", "")).is(422, "recipient_email_required") // rule I13
	a.stored(path, func(i *invitation.Invitation) { i.Status = invitation.Pending })
	a.now = a.now.Add(time.Hour)
	a.call(post("resend", "1", "")).is(409, "invalid_transition") // we were never asked to mail it
}

func TestDraft(t *testing.T) {
	a := newAPI(t)
	path := a.draft("o'neil+x@larch.example")
	p := a.call(request{method: "GET", target: path + "/draft"}).is(200)
	o := p.object()
	body, uri := o["body"].(string), o["mailtoUri"].(string)
	var address string
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, "https://portal.example/i/") {
			address = strings.TrimRight(line, "\r\n")
		}
	}
	if address == "" || strings.Contains(address, " ") || p.header.Get("ETag") != `"1"` || o["edited"] != false || o["subject"] == "" || !strings.Contains(o["clipboardText"].(string), address) {
		t.Fatalf("draft: %s", p.body)
	}
	u, err := url.Parse(uri)
	if err != nil || u.Opaque != "o%27neil%2Bx@larch.example" || len(uri) >= 1900 || strings.Contains(uri, "+") {
		t.Fatalf("mailto: %v %q", err, uri)
	}
	q := u.Query()
	if q.Get("subject") != o["subject"] || !strings.Contains(q.Get("body"), address) || strings.Contains(strings.ReplaceAll(q.Get("body"), "\r\n", ""), "\n") {
		t.Errorf("mailto: %q", q)
	}
	if again := a.call(request{method: "GET", target: path + "/draft"}); !bytes.Equal(again.body, p.body) {
		t.Error("the draft changes by itself")
	}
	a.call(request{method: "POST", target: path + "/send", header: key("s")}).is(202)
	a.now = a.now.Add(11 * time.Minute)
	a.call(request{method: "POST", target: path + "/resend", header: key("r")}).is(202)
	if after := a.call(request{method: "GET", target: path + "/draft"}).is(200); strings.Contains(string(after.body), address) {
		t.Error("a resend keeps the link")
	}
	token := strings.TrimPrefix(address, "https://portal.example/i/")
	for _, target := range []string{path, "/v1/invitations"} {
		if strings.Contains(string(a.call(request{method: "GET", target: target}).body), token) {
			t.Errorf("%s holds the link", target)
		}
	}
	if strings.Contains(a.log.String(), token) {
		t.Error("the log holds the link")
	}
	path = a.call(create("nobody", `{"kind":"reseller"}`)).is(201).header.Get("Location")
	if uri := a.call(request{method: "GET", target: path + "/draft"}).is(200).str("mailtoUri"); !strings.HasPrefix(uri, "mailto:?subject=") {
		t.Errorf("mailto: %s", uri)
	}
}

func TestInvitationPages(t *testing.T) {
	a := newAPI(t)
	var made []string
	for i := range 7 {
		made = append(made, strings.TrimPrefix(a.draft(fmt.Sprintf("p%d@larch.example", i)), "/v1/invitations/"))
		a.now = a.now.Add(time.Minute)
	}
	slices.Reverse(made)
	get := func(target string) reply { return a.call(request{method: "GET", target: target}) }
	var listed []string
	target, pages := "/v1/invitations?limit=3", 0
	for {
		p := get(target).is(200)
		for _, item := range p.object()["items"].([]any) {
			listed = append(listed, item.(map[string]any)["id"].(string))
		}
		pages++
		next := p.str("nextCursor")
		if next == "" {
			break
		}
		target = "/v1/invitations?limit=2&cursor=" + url.QueryEscape(next)
	}
	if !slices.Equal(listed, made) || pages < 3 {
		t.Errorf("%d pages of %v, want %v", pages, listed, made)
	}

	cursor := get("/v1/invitations?limit=2&status=draft").is(200).str("nextCursor")
	garbled := []byte(cursor)
	garbled[len(garbled)/2] ^= 1
	for name, target := range map[string]string{
		"other filters": "/v1/invitations?cursor=" + cursor, "another filter": "/v1/invitations?status=pending&cursor=" + cursor, "another list": "/v1/customers?cursor=" + cursor,
		"garbled": "/v1/invitations?status=draft&cursor=" + url.QueryEscape(string(garbled)), "no base64": "/v1/invitations?cursor=%25", "short": "/v1/invitations?cursor=AAAA",
	} {
		if p := get(target); p.status != 400 {
			t.Errorf("%s: %d", name, p.status)
		}
	}
	a.call(request{method: "GET", target: "/v1/invitations?status=draft&cursor=" + cursor, tenant: birch}).is(400, "malformed_request")
	get("/v1/invitations?limit=100&status=draft&cursor=" + cursor).is(200)

	for target, count := range map[string]int{
		"?status=draft": 7, "?status=draft&status=expired": 7, "?tag=fair": 0, "?createdBy=nobody": 0, "?reference=AAAAA-AAAAA": 0, "?providerTenantId=" + larch: 0, "?status=expired": 0, "?kind=reseller": 7, "?recipientEmail=P3@larch.example": 1, "?deliveryState=notSent": 7, "?deliveryState=sent": 0,
		"?customerTenantId=" + larch: 0, "?createdAfter=2026-03-01T09:05:00Z": 2, "?createdBefore=2026-03-01T09:05:00Z": 5, "?createdAfter=2026-03-01T09:04:59.5Z": 2,
		"?createdBefore=2026-03-01T10:05:00.1%2B01:00&createdAfter=2026-03-01T09:05:00Z": 1,
	} {
		if n := len(get("/v1/invitations" + target).is(200).object()["items"].([]any)); n != count {
			t.Errorf("%s lists %d, want %d", target, n, count)
		}
	}
	for _, query := range []string{
		"limit=0", "limit=101", "limit=x", "limit=%2B5", "limit=05", "limit=", "limit=1&limit=2", "status=gone", "status=", "status=draft&status=gone", "kind=reseller&kind=reseller", "kind=dual", "color=red", "customerTenantId=larch",
		"recipientEmail=larch", "deliveryState=lost", "createdAfter=yesterday", "createdBefore=2026-03-01", "createdAfter=0001-01-01T00:00:00Z", "a=%zz", "a;b", "recipientEmail=" + strings.Repeat("x", 300),
	} {
		get("/v1/invitations?"+query).is(400, "malformed_request")
	}
	a.now = a.now.AddDate(0, 0, 31)
	if n := len(get("/v1/invitations?status=expired").is(200).object()["items"].([]any)); n != 7 {
		t.Errorf("%d expired", n)
	}
}

func TestCustomers(t *testing.T) {
	a := newAPI(t)
	a.customer(larch, relationship.Active, "US")
	a.customer(maple, relationship.Removed, "FR")
	dap, err := a.store.Relationship(t.Context(), alder, larch)
	if err != nil {
		t.Fatal(err)
	}
	dap.Customer.Tenant, dap.DelegatedAdmin, dap.Customer.Domains, dap.IdentityCheck = nobody, relationship.ActiveDAP, nil, relationship.Unproven
	a.store.PutRelationship(dap)

	p := a.call(request{method: "GET", target: "/v1/customers/" + strings.ToUpper(larch)}).is(200)
	want := `{"id":"` + larch + `","tenantId":"` + larch + `","claimed":true,"companyName":"Larch Ltd","domain":"larch.example","country":"US","cloud":"public","relationshipToPartner":"reseller",` +
		`"allowDelegatedAccess":false,"administration":"none","customerAgreement":{"signed":false},"identityCheck":"none","establishedAt":"2026-03-01T09:00:00Z","updatedAt":"2026-03-01T09:00:00Z","version":3}`
	if strings.TrimSpace(string(p.body)) != want || p.header.Get("ETag") != `"3"` {
		t.Errorf("got %s\nwant %s", p.body, want)
	}
	if o := a.call(request{method: "GET", target: "/v1/customers/" + nobody}).is(200).object(); o["administration"] != "dap" || o["allowDelegatedAccess"] != true || o["domain"] != nil || o["identityCheck"] != "pending" {
		t.Errorf("with administration: %v", o)
	}
	if o := a.call(request{method: "GET", target: "/v1/customers/" + maple}).is(200).object(); o["relationshipToPartner"] != "none" {
		t.Errorf("removed: %v", o)
	}
	for query, count := range map[string]int{"": 2, "?relationship=active": 2, "?relationship=none": 1, "?relationship=all": 3, "?name=LARCH": 2, "?name=oak": 0, "?domain=larch.test": 1} {
		if n := len(a.call(request{method: "GET", target: "/v1/customers" + query}).is(200).object()["items"].([]any)); n != count {
			t.Errorf("%q lists %d, want %d", query, n, count)
		}
	}
	for _, query := range []string{"relationship=some", "limit=0", "status=active", "name=" + strings.Repeat("x", 401), "domain=" + strings.Repeat("x", 254), "cursor=x"} {
		a.call(request{method: "GET", target: "/v1/customers?" + query}).is(400, "malformed_request")
	}
	first := a.call(request{method: "GET", target: "/v1/customers?limit=1"}).is(200)
	second := a.call(request{method: "GET", target: "/v1/customers?limit=1&cursor=" + first.str("nextCursor")}).is(200)
	if bytes.Equal(first.body, second.body) {
		t.Error("the second page is the first")
	}
}

// An agent confirms whom it deals with and gives administration back; either can be said again.
func TestCustomerIsChanged(t *testing.T) {
	a := newAPI(t)
	a.customer(larch, relationship.Active, "US")
	r, err := a.store.Relationship(t.Context(), alder, larch)
	if err != nil {
		t.Fatal(err)
	}
	r.IdentityCheck, r.DelegatedAdmin = relationship.Unproven, relationship.ActiveDAP
	a.store.PutRelationship(r)
	a.customer(maple, relationship.Removed, "FR")
	path := "/v1/customers/" + larch
	tag := a.call(request{method: "GET", target: path}).is(200).header.Get("ETag")
	change := func(body string, header map[string]string) reply {
		return a.call(request{method: "PATCH", target: path, body: body, header: header})
	}
	confirm, revoke := `{"identityConfirmed":true}`, `{"allowDelegatedAccess":false}`
	change(confirm, nil).is(428, "precondition_required")
	change(confirm, map[string]string{"If-Match": `"77"`}).is(412, "precondition_failed")
	current := map[string]string{"If-Match": tag}
	change(`[]`, current).is(400, "malformed_request")
	for body, code := range map[string]string{
		`{}`: "validation_failed", `{"identityConfirmed":false}`: "validation_failed", `{"allowDelegatedAccess":true}`: "validation_failed",
		`{"identityConfirmed":true,"allowDelegatedAccess":false}`: "validation_failed", `{"identityConfirmed":true,"name":"x"}`: "unknown_field",
	} {
		change(body, current).is(422, code)
	}
	confirmed := change(confirm, current).is(200)
	if o := confirmed.object(); o["identityCheck"] != "confirmed" || o["allowDelegatedAccess"] != true || confirmed.header.Get("ETag") == tag {
		t.Errorf("%v", o)
	}
	change(revoke, current).is(412, "precondition_failed")
	revoked := change(revoke, map[string]string{"If-Match": confirmed.header.Get("ETag")}).is(200)
	if o := revoked.object(); o["administration"] != "none" || o["allowDelegatedAccess"] != false || o["relationshipToPartner"] != "reseller" {
		t.Errorf("%v", o)
	}
	for _, body := range []string{confirm, revoke} {
		if again := change(body, map[string]string{"If-Match": "*"}).is(200); again.header.Get("ETag") != revoked.header.Get("ETag") {
			t.Errorf("%s once more: %s", body, again.body)
		}
	}
	any := map[string]string{"If-Match": "*"}
	for _, target := range []string{maple, nobody, "x"} {
		a.call(request{method: "PATCH", target: "/v1/customers/" + target, body: confirm, header: any}).is(404, "relationship_not_found")
	}
	a.call(request{method: "PATCH", target: path, body: confirm, tenant: birch, header: any}).is(404, "relationship_not_found")
	a.call(request{method: "PATCH", target: path, body: confirm, roles: "[globalAdmin]", header: any}).is(403, "role_not_permitted")
	stored, err := a.store.Relationship(t.Context(), alder, larch)
	if err != nil || len(stored.History) < 2 || stored.History[len(stored.History)-1].Action != relationship.AdministrationEnded || stored.Version != r.Version+2 {
		t.Errorf("%v, %+v", err, stored)
	}
}

var busy = &problem.Error{Code: problem.Unavailable, Detail: "Too many changes at once; try again.", RetryAfter: 1001 * time.Millisecond}

func TestFaultsTellNothing(t *testing.T) {
	a := newAPI(t)
	path := a.draft("admin@larch.example")
	all := mutations(path)
	maps.Copy(all, reads(path))
	all["roles"] = request{method: "GET", target: "/v1/roles/me"}
	batch := a.call(submit("b", `{"rows":[{}]}`)).is(202).header.Get("Location")
	all["batch"], all["rows of a batch"] = request{method: "GET", target: batch}, request{method: "GET", target: batch + "/rows"}
	all["submit a batch"] = submit("c", `{"rows":[{}]}`)
	all["change a customer"] = request{method: "PATCH", target: "/v1/customers/" + larch, body: `{"identityConfirmed":true}`, header: map[string]string{"If-Match": "*"}}
	all["create a customer"] = newCustomer("f", "")
	all["directory"] = request{method: "GET", target: "/v1/directory/providers"}
	all["regions"] = request{method: "GET", target: "/v1/regions"}
	maps.Copy(all, partnershipReads("pshp_mfzxe2lomruw4zzanfzsa5dpnu"))
	all["attestation"] = request{method: "GET", target: "/v1/attestations/relationshipRemoval"}
	for name, r := range all {
		a.log.Reset()
		a.store.Inject(func(storetest.Operation) storetest.Fault {
			return storetest.Fault{Err: errors.New("secret of the store")}
		})
		p := a.call(r).is(500, "internal")
		if strings.Contains(string(p.body), "secret") || !strings.Contains(a.log.String(), "secret of the store") || !strings.Contains(a.log.String(), p.str("correlationId")) {
			t.Errorf("%s: %s, logged %s", name, p.body, a.log.String())
		}
		if strings.Contains(a.log.String(), "larch.example") {
			t.Errorf("%s: the log holds an address: %s", name, a.log.String())
		}
		a.store.Inject(func(storetest.Operation) storetest.Fault {
			return storetest.Fault{Err: fmt.Errorf("GetItem: %w", context.DeadlineExceeded)}
		})
		if p := a.call(r).is(503, "unavailable"); p.header.Get("Retry-After") != "5" {
			t.Errorf("%s: Retry-After is %q", name, p.header.Get("Retry-After"))
		}
		a.store.Inject(func(storetest.Operation) storetest.Fault { return storetest.Fault{Err: busy} })
		if p := a.call(r).is(503, "unavailable"); p.header.Get("Retry-After") != "2" {
			t.Errorf("%s: Retry-After is %q", name, p.header.Get("Retry-After"))
		}
	}
}

func TestCorrelation(t *testing.T) {
	a := newAPI(t)
	const mine = "0B0F6F2E-3f55-4b1a-9c9e-6f9a3f0f7a11"
	for given, taken := range map[string]bool{mine: true, "x": false, "": false, mine + "0": false} {
		p := a.call(request{method: "GET", target: "/v1/invitations/x", header: map[string]string{"MS-CorrelationId": given}}).is(404)
		got := p.header.Get("MS-CorrelationId")
		if (got == given) != taken || len(got) != len(mine) || p.str("correlationId") != got || p.header.Get("MS-RequestId") != "Zk3vXjPvoAMEPZQ=" {
			t.Errorf("%q gives %q, %v", given, got, p.header)
		}
	}
}

func TestPublic(t *testing.T) {
	a := newAPI(t)
	a.call(request{method: "GET", target: "/healthz", public: true}).is(200)
	p := a.call(request{method: "GET", target: "/openapi.json", public: true}).is(200)
	if !bytes.Equal(p.body, web.Document()) || p.header.Get("ETag") == "" {
		t.Errorf("headers %v", p.header)
	}
	a.call(request{method: "GET", target: "/openapi.json", public: true, header: map[string]string{"If-None-Match": p.header.Get("ETag")}}).is(304)
	for name, r := range reads("/v1/invitations/x") {
		r.public = true
		if p := a.call(r); p.status != 403 {
			t.Errorf("%s without a token: %d", name, p.status)
		}
	}
}
