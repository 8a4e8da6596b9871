package emailaddr

import (
	_ "embed"
	"encoding/json"
	"strings"
	"sync"
)

//go:embed webmail.json
var webmailData []byte

// webmail gives the providers' names by domain, and by brand.
var webmail = sync.OnceValue(func() (list struct{ domains, brands map[string]string }) {
	var file struct {
		Providers []struct {
			Name            string
			Domains, Brands []string
		}
	}
	if err := json.Unmarshal(webmailData, &file); err != nil {
		panic("emailaddr: webmail.json: " + err.Error())
	}
	list.domains, list.brands = map[string]string{}, map[string]string{}
	for _, p := range file.Providers {
		for _, d := range p.Domains {
			list.domains[d] = p.Name
		}
		for _, b := range p.Brands {
			list.brands[b] = p.Name
		}
	}
	return list
})

// Webmail gives the name of the provider at which anybody can have an address, of an address or of a domain, and false for what may be a
// company's own (rule E11; domain, 0.29 and 0.37). It expects what [Addresses.Check] has taken, or the domain of it.
func Webmail(addressOrDomain string) (provider string, ok bool) {
	if !strings.Contains(addressOrDomain, "@") {
		addressOrDomain = "@" + addressOrDomain
	}
	domain := Registered(addressOrDomain)
	if provider, ok = webmail().domains[domain]; !ok {
		brand, _, _ := strings.Cut(domain, ".")
		provider, ok = webmail().brands[brand]
	}
	return provider, ok
}
