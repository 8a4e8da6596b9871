package emailaddr

import (
	_ "embed"
	"encoding/json"
	"slices"
	"strings"
	"sync"
)

//go:embed shared.json
var sharedData []byte

// shared gives the suffixes below which tenants have names, the longest first.
var shared = sync.OnceValue(func() []string {
	var file struct{ Suffixes []string }
	if err := json.Unmarshal(sharedData, &file); err != nil {
		panic("emailaddr: shared.json: " + err.Error())
	}
	slices.SortFunc(file.Suffixes, func(a, b string) int { return len(b) - len(a) })
	return file.Suffixes
})

// TenantSuffix gives the suffix below which the tenants of a cloud have names, of a name below it in its ASCII form: onmicrosoft.com for
// larch.onmicrosoft.com. Such a name shows that a tenant exists (domain, 0.29). It is false for any other domain, the suffix itself included.
func TenantSuffix(domain string) (suffix string, ok bool) {
	for _, s := range shared() {
		if strings.HasSuffix(domain, "."+s) {
			return s, true
		}
	}
	return "", false
}

// holdsTenants reports whether a domain is a suffix below which tenants have names, or is above one.
func holdsTenants(domain string) bool {
	return slices.ContainsFunc(shared(), func(s string) bool { return s == domain || strings.HasSuffix(s, "."+domain) })
}
