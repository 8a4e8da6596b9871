package web_test

import (
	"strings"
	"testing"
)

// Errors say what would be right and who may.
func TestErrorsNameTheNextStep(t *testing.T) {
	a := newAPI(t)
	for name, c := range map[string]struct {
		r    request
		says []string
	}{
		"a role":            {request{method: "POST", target: "/v1/invitations", roles: "[operator]", body: `{"kind":"reseller"}`, header: key("r")}, []string{"Admin agent (adminAgent) or Sales agent (salesAgent)"}},
		"an account":        {request{method: "GET", target: "/v1/invitations", tenant: "9025e000-0000-4000-8000-000000000007"}, []string{"POST /v1/enrolments"}},
		"a time":            {request{method: "GET", target: "/v1/invitations?createdAfter=yesterday"}, []string{"createdAfter", "2026-03-01T09:00:00Z"}},
		"a status":          {request{method: "GET", target: "/v1/invitations?status=open"}, []string{"draft, pending, accepted, declined, cancelled, expired or all"}},
		"a tenant":          {request{method: "GET", target: "/v1/invitations?customerTenantId=larch"}, []string{"UUID"}},
		"a parameter":       {request{method: "GET", target: "/v1/invitations?state=draft"}, []string{"limit, cursor, status"}},
		"a kind":            {request{method: "POST", target: "/v1/invitations", body: `{"kind":"friend"}`, header: key("k")}, []string{"reseller, dualReseller or partnership"}},
		"a field":           {request{method: "POST", target: "/v1/invitations", body: `{"kind":"reseller","email":"a@b.example"}`, header: key("f")}, []string{"recipientEmail"}},
		"a key":             {request{method: "POST", target: "/v1/invitations", body: `{"kind":"reseller"}`}, []string{"Idempotency-Key", "UUID"}},
		"a field of none":   {request{method: "POST", target: "/v1/invitations/inv_x/done", body: `{"x":1}`}, nil},
		"a row of a sheet":  {csv("s", "/v1/invitation-batches", "reseller;a@b.example\n"), []string{"first line", "recipientEmail"}},
		"a locale, a tag":   {request{method: "POST", target: "/v1/invitations", body: `{"kind":"reseller","locale":"in French"}`, header: key("l")}, []string{"fr-CA"}},
		"an address, typed": {request{method: "POST", target: "/v1/invitations", body: `{"kind":"reseller","recipientEmail":"nobody"}`, header: key("e")}, []string{"name@example.com"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := a.call(c.r)
			detail := p.str("detail")
			for _, says := range c.says {
				if !strings.Contains(detail, says) {
					t.Errorf("%q does not say %q", detail, says)
				}
			}
			if strings.ContainsAny(detail, "[]") || detail == "" {
				t.Errorf("%q", detail)
			}
		})
	}
}
