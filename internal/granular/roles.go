package granular

import (
	_ "embed"
	"encoding/json"
	"slices"
	"strings"
	"sync"
)

//go:embed roles.json
var rolesJSON []byte

// Role is one built-in role of a customer's directory, as a template: its id is the same in every directory.
type Role struct {
	ID   string // a UUID in lower case
	Name string // in English
	// Subscriptions says that who has the role manages what was sold to the customer (domain, 0.32).
	Subscriptions bool
	// Privileged says that who has the role can change who signs in or what others may do, or read everybody's mail and files.
	Privileged bool
}

// Risk is how much harm can be done with a role.
type Risk int

// The risks, the least first.
const (
	ReadingRisk    Risk = iota // it reads
	ChangingRisk               // it changes what it is for
	PrivilegedRisk             // it leads to other rights, or to everybody's mail and files
	GlobalRisk                 // it may do everything
)

// Risk gives that of a role.
func (t Table) Risk(r Role) Risk {
	switch {
	case r.ID == t.GlobalAdministrator:
		return GlobalRisk
	case r.Privileged:
		return PrivilegedRisk
	case strings.HasSuffix(r.Name, "Reader"), strings.HasSuffix(r.Name, "Readers"):
		return ReadingRisk
	default:
		return ChangingRisk
	}
}

// Table lists the roles that a partner can ask for. It is data with a version, and a relationship keeps the version that its roles were
// checked by.
type Table struct {
	Version string
	// GlobalAdministrator is the id of the role with which nothing extends by itself.
	GlobalAdministrator string
	Roles               []Role
}

// ShippedRoles gives the table that ships with the product.
var ShippedRoles = sync.OnceValue(func() Table {
	var t Table
	if err := json.Unmarshal(rolesJSON, &t); err != nil {
		panic("granular: roles.json: " + err.Error())
	}
	return t
})

// Name gives the name of a role, and false for an id that is none.
func (t Table) Name(id string) (string, bool) {
	i := slices.IndexFunc(t.Roles, func(r Role) bool { return r.ID == id })
	if i < 0 {
		return "", false
	}
	return t.Roles[i].Name, true
}

// CoverSubscriptions reports whether one of some roles covers what was sold to the customer (domain, 0.32).
func (t Table) CoverSubscriptions(ids []string) bool {
	return slices.ContainsFunc(t.Roles, func(r Role) bool { return r.Subscriptions && slices.Contains(ids, r.ID) })
}
