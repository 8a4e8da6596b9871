package web

import (
	"net/http"

	"concord/internal/partner"
	"concord/internal/problem"
)

type rolesDocument struct {
	TenantID     partner.TenantID      `json:"tenantId"`
	Roles        []partner.Role        `json:"roles"`
	ProgramRole  partner.ProgramRole   `json:"programRole,omitempty"`
	ProgramRoles []partner.ProgramRole `json:"programRoles,omitempty"`
	Cloud        partner.CloudID       `json:"cloud"`
	Country      string                `json:"country,omitempty"`
}

// roles says who the token is for. A company without a partner account, such as one that wants to enrol, gets what the token says.
func roles(c *call) error {
	u := c.user()
	if u.Tenant == "" {
		return problem.New(problem.RoleNotPermitted, "The token names no tenant.")
	}
	d := rolesDocument{TenantID: u.Tenant, Roles: u.Roles, Cloud: u.Cloud}
	if d.Roles == nil {
		d.Roles = []partner.Role{}
	}
	account, err := c.gate.Accounts.Account(c.r.Context(), u.Tenant, false)
	switch {
	case err == nil:
		d.ProgramRole, d.ProgramRoles, d.Cloud, d.Country = account.Role, account.Roles(), account.Cloud, account.Country
	case !problem.Is(err, problem.NotFound):
		return err
	}
	return c.give(http.StatusOK, d)
}
