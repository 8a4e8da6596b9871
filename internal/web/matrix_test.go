package web_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"concord/internal/partner"
	"concord/internal/web/contracttest"
)

// matrix is the role matrix (domain, 2.4; rules R1, R2, R6 to R10) over the operations of the document, each in one row. An operation
// without a row has no rule about who may do it: add it here with the operation.
var matrix = []struct {
	row        string
	roles      []partner.Role
	operations []string
}{
	{"read customers, invitations, partnerships, directories", []partner.Role{partner.AdminAgent, partner.SalesAgent, partner.GlobalAdmin}, []string{
		"GET /v1/customers", "GET /v1/customers/{tenantId}", "GET /v1/invitations", "GET /v1/invitations/{id}", "GET /v1/invitations/{id}/draft",
		"GET /v1/invitations/{id}/events", "GET /v1/invitation-counts", "GET /v1/invitation-batches", "GET /v1/invitation-batches/{id}", "GET /v1/invitation-batches/{id}/rows", "GET /v1/directory/providers",
		"GET /v1/account", "GET /v1/partnerships", "GET /v1/partnerships/{id}", "GET /v1/partnerships/{id}/customers", "GET /v1/relationships", "GET /v1/customers/{tenantId}/relationships",
		"GET /v1/agreements", "GET /v1/customers/{tenantId}/agreements", "GET /v1/customers/{tenantId}/directSignedCustomerAgreementStatus",
		"GET /v1/compliance/csp/agreementstatus", "GET /v1/profiles/partnerids/{partnerId}", "GET /v1/offers", "GET /v1/access-levels",
		"GET /v1/customers/{tenantId}/purchase-eligibility", "GET /v1/customers/{tenantId}/orders", "GET /v1/customers/{tenantId}/orders/{orderId}",
		"GET /v1/customers/{tenantId}/subscriptions", "GET /v1/customers/{tenantId}/subscriptions/{subscriptionId}",
		"GET /v1/customers/{tenantId}/subscriptions/{subscriptionId}/supportcontact", "GET /v1/subscriptions",
	}},
	{"create, edit, send, resend, cancel, renew customer invitations; batches", []partner.Role{partner.AdminAgent, partner.SalesAgent}, []string{
		"POST /v1/invitations", "POST /v1/invitations/check", "PATCH /v1/invitations/{id}", "PUT /v1/invitations/{id}/draft", "POST /v1/invitations/{id}/draft/reset",
		"POST /v1/invitations/{id}/done", "POST /v1/invitations/{id}/new-link", "POST /v1/invitations/{id}/extend", "POST /v1/invitations/{id}/correct",
		"POST /v1/invitations/{id}/send", "POST /v1/invitations/{id}/resend", "POST /v1/invitations/{id}/cancel",
		"POST /v1/invitations/{id}/renew", "POST /v1/invitation-batches",
	}},
	{"create customer, orders, attest agreement, reseller of record, support contact", []partner.Role{partner.AdminAgent, partner.SalesAgent}, []string{
		"POST /v1/customers", "POST /v1/customers/{tenantId}/agreements", "POST /v1/customers/{tenantId}/orders",
		"PATCH /v1/customers/{tenantId}/subscriptions/{subscriptionId}", "PUT /v1/customers/{tenantId}/subscriptions/{subscriptionId}/supportcontact",
	}},
	{"remove relationship, remove partnership, end own DAP", []partner.Role{partner.AdminAgent, partner.SalesAgent}, []string{
		"PATCH /v1/customers/{tenantId}", "POST /v1/partnerships/{id}/remove",
	}},
	{"revoke provider's administration of the own account", []partner.Role{partner.GlobalAdmin}, []string{"POST /v1/partnerships/{id}/revoke-provider-access"}},
	{"read GDAP", []partner.Role{partner.AdminAgent, partner.GlobalAdmin}, []string{
		"GET /v1/delegated-admin-relationships", "GET /v1/delegated-admin-relationships/{id}", "GET /v1/customers/{tenantId}/delegated-admin-grants",
		"GET /v1/delegated-admin-relationships/{id}/access-assignments", "GET /v1/delegated-admin-relationships/{id}/access-assignments/{assignmentId}",
	}},
	{"support profile of the own account", []partner.Role{partner.AdminAgent, partner.GlobalAdmin}, []string{"PATCH /v1/account"}},
	{"GDAP create, lock, narrow, assign to groups, end", []partner.Role{partner.AdminAgent}, []string{
		"POST /v1/delegated-admin-relationships", "PATCH /v1/delegated-admin-relationships/{id}", "DELETE /v1/delegated-admin-relationships/{id}",
		"POST /v1/delegated-admin-relationships/{id}/requests", "POST /v1/delegated-admin-relationships/{id}/send",
		"POST /v1/delegated-admin-relationships/{id}/access-assignments",
		"PATCH /v1/delegated-admin-relationships/{id}/access-assignments/{assignmentId}",
		"DELETE /v1/delegated-admin-relationships/{id}/access-assignments/{assignmentId}",
	}},
	{"audit", []partner.Role{partner.AdminAgent, partner.GlobalAdmin}, []string{"GET /v1/auditrecords"}},
	{"event registration", []partner.Role{partner.AdminAgent, partner.GlobalAdmin}, []string{
		"POST /v1/webhook-endpoints", "GET /v1/webhook-endpoints", "GET /v1/webhook-endpoints/{id}", "PATCH /v1/webhook-endpoints/{id}",
		"DELETE /v1/webhook-endpoints/{id}", "POST /v1/webhook-endpoints/{id}/rotate-secret", "POST /v1/webhook-endpoints/{id}/test",
		"GET /v1/webhook-endpoints/{id}/deliveries", "POST /v1/webhook-endpoints/{id}/deliveries/{deliveryId}/redeliver",
	}},
	{"partner accounts, vetting, suspend, quotas", []partner.Role{partner.Operator}, []string{
		"POST /v1/partners", "GET /v1/partners", "GET /v1/partners/{tenantId}", "PATCH /v1/partners/{tenantId}", "POST /v1/partners/{tenantId}/cancel-invitations", "POST /v1/suppressions/search", "POST /v1/suppressions/lift",
		"POST /v1/enrolments/{id}/decide", "GET /v1/company-records", "GET /v1/company-records/{dunsId}", "PUT /v1/company-records/{dunsId}",
		"GET /v1/partner-id-records", "GET /v1/partner-id-records/{partnerId}", "PUT /v1/partner-id-records/{partnerId}", "GET /v1/vetting-calendar",
		"PUT /v1/vetting-calendar", "GET /v1/reports", "GET /v1/reports/{id}", "POST /v1/reports/{id}/settle", "POST /v1/support-readings",
	}},
	{"enrolment, PartnerID, MPA", []partner.Role{partner.GlobalAdmin}, []string{
		"POST /v1/enrolments", "PATCH /v1/enrolments/{id}", "POST /v1/enrolments/{id}/submit", "POST /v1/enrolments/{id}/resend-verification",
		"POST /v1/enrolments/{id}/partner-id", "POST /v1/enrolments/{id}/withdraw", "GET /v1/partner/agreements/mpa", "POST /v1/partner/agreements/mpa/sign",
	}},
	{"enrolment and vetting both", []partner.Role{partner.GlobalAdmin, partner.Operator}, []string{"GET /v1/enrolments", "GET /v1/enrolments/{id}"}},
	{"anybody with a token", []partner.Role{partner.AdminAgent, partner.SalesAgent, partner.GlobalAdmin, partner.Operator, ""}, []string{
		"GET /v1/roles/me", "GET /v1/regions", "GET /v1/attestations/{type}", "POST /v1/validations/address",
	}},
}

// public needs no token.
var public = []string{"GET /openapi.json", "GET /healthz"}

// parts are what stands in a path: nothing that exists, so that a permitted role is told so.
var parts = strings.NewReplacer("{tenantId}", nobody, "{type}", "relationshipRemoval", "{partnerId}", "4100001", "{dunsId}", "000000701", "{id}", "x", "{deliveryId}", "x", "{assignmentId}", "x", "{orderId}", "x", "{subscriptionId}", "x")

// Every row, every role: allowed or role_not_permitted, whatever else would be wrong. Roles add up. A Global admin reads all that an agent
// reads (rule R3, 0.35).
func TestRoleMatrix(t *testing.T) {
	a := newAPI(t)
	rows := slices.Clone(public)
	cells := 0
	for _, m := range matrix {
		for _, operation := range m.operations {
			rows = append(rows, operation)
			method, path, _ := strings.Cut(operation, " ")
			for _, roles := range [][]partner.Role{
				{}, {partner.AdminAgent}, {partner.SalesAgent}, {partner.GlobalAdmin}, {partner.Operator},
				{partner.GlobalAdmin, partner.SalesAgent}, {partner.SalesAgent, partner.Operator}, {partner.AdminAgent, partner.GlobalAdmin},
			} {
				cells++
				allowed := slices.Contains(m.roles, "") || slices.ContainsFunc(roles, func(r partner.Role) bool { return slices.Contains(m.roles, r) })
				r := request{method: method, target: parts.Replace(path), roles: fmt.Sprint(roles)}
				if method != "GET" {
					r.header = map[string]string{"Idempotency-Key": fmt.Sprint("cell ", cells), "If-Match": "*"}
				}
				if method != "GET" && method != "DELETE" {
					r.body = "{}"
				}
				if operation == "GET /v1/compliance/csp/agreementstatus" {
					r.target += "?tenantId=" + alder
				}
				if operation == "GET /v1/relationships" {
					r.target += "?relationship_type=IsIndirectResellerOf"
				}
				p := a.call(r)
				var code string
				if p.status == 403 {
					code = p.str("code")
				}
				if refused := code == "role_not_permitted"; refused == allowed {
					t.Errorf("%s: %s as %v: %d %s", m.row, operation, roles, p.status, code)
				}
			}
		}
	}
	slices.Sort(rows)
	for _, operation := range contracttest.New(t).Routes() {
		if _, found := slices.BinarySearch(rows, operation); !found {
			t.Errorf("%s is in no row of the matrix: say who may do it", operation)
		}
	}
	if n := len(slices.Compact(slices.Clone(rows))); n != len(rows) {
		t.Error("an operation stands in two rows")
	}
	t.Logf("%d operations, %d cells", len(rows), cells)
}
