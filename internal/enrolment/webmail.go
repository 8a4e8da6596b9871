package enrolment

import (
	_ "embed"
	"encoding/json"
	"slices"
	"strings"
	"sync"

	"concord/internal/contact"
)

//go:embed webmail.json
var webmailData []byte

var webmail = sync.OnceValue(func() (list struct {
	Providers []struct {
		Name            string
		Domains, Brands []string
	}
}) {
	if err := json.Unmarshal(webmailData, &list); err != nil {
		panic("enrolment: webmail.json: " + err.Error())
	}
	return list
})

// Webmail gives the name of the webmail service that an address is of, and false for any other address (rule E11). The address is one
// that [contact.Addresses] has checked.
func Webmail(address string) (provider string, ok bool) {
	domain := contact.Registered(address)
	label, _, _ := strings.Cut(domain, ".")
	for _, p := range webmail().Providers {
		if slices.Contains(p.Domains, domain) || slices.Contains(p.Brands, label) {
			return p.Name, true
		}
	}
	return "", false
}
