package registry_test

import (
	"testing"

	"concord/internal/partner"
	"concord/internal/registry"
)

// Domain, 0.34: a partner is found by each of its roles.
func TestQueryByRole(t *testing.T) {
	both := partner.Account{Role: partner.DirectBill, Also: []partner.ProgramRole{partner.IndirectReseller}}
	if !(registry.Query{Role: partner.IndirectReseller}).Matches(both) || !(registry.Query{Role: partner.DirectBill}).Matches(both) || (registry.Query{Role: partner.IndirectProvider}).Matches(both) {
		t.Error("the filter of roles looks at one of them")
	}
}
