package relationship

import (
	"slices"

	"concord/internal/partner"
)

// Person is who has signed in: whoever follows a link, of whatever kind, and whoever looks at the own company's page. All
// of it comes from the identity provider (domain, 0.27).
type Person struct {
	Subject string
	Name    string
	Email   string
	// Company is the person's tenant; its Country is empty when the identity provider does not say it.
	Company Customer
	Roles   []partner.Role
}

// Has reports whether a person has a role in the own tenant.
func (p Person) Has(r partner.Role) bool { return slices.Contains(p.Roles, r) }
