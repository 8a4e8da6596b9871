package emailaddr

import (
	"slices"
	"testing"
)

// 0.29: a suffix below which tenants have names is no company's, and a name below it is that of one tenant.
func TestSuffixesOfTenants(t *testing.T) {
	for _, s := range shared() {
		if _, ok := (Addresses{}).Domain(s); ok {
			t.Errorf("%s is taken for a company's domain", s)
		}
		larch := "larch." + s
		if got, ok := TenantSuffix("it." + larch); !ok || got != s {
			t.Errorf("it.%s is below %q, %v", larch, got, ok)
		}
		if got, ok := (Addresses{}).Domain(larch); !ok || got != larch {
			t.Errorf("%s: %q, %v", larch, got, ok)
		}
		if got := Above("it." + larch); !slices.Equal(got, []string{larch}) {
			t.Errorf("above it.%s: %v", larch, got)
		}
		if got := Registered("nora@it." + larch); got != larch {
			t.Errorf("nora@it.%s is at %s", larch, got)
		}
	}
	if s, ok := TenantSuffix("larchonmicrosoft.com"); ok {
		t.Errorf("a name that only ends alike is below %s", s)
	}
	if got := Above("it.larch.com"); !slices.Equal(got, []string{"larch.com"}) {
		t.Errorf("above it.larch.com: %v", got)
	}
}
