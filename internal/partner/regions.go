package partner

import (
	_ "embed"
	"encoding/json"
	"maps"
	"slices"
	"sync"

	"concord/internal/problem"
)

//go:embed regions.json
var regionsJSON []byte

// Regions says between which countries reselling relationships may be established (rule I16). It is data with a
// version, and records keep the version that decided.
type Regions struct {
	Version string
	// Markets holds the countries of each market. Within a market every country may resell to every other.
	Markets map[string][]string
	// Providers says, by the market of an indirect reseller, in which other markets its indirect providers may be (rule N12).
	Providers map[string][]string
	// AnyMarket lists countries whose partners may resell everywhere, and customers that everyone may serve.
	AnyMarket struct{ Partners, Customers []string }
}

// ShippedRegions gives the table that ships with the product.
var ShippedRegions = sync.OnceValue(func() Regions {
	var r Regions
	if err := json.Unmarshal(regionsJSON, &r); err != nil {
		panic("partner: regions.json: " + err.Error())
	}
	return r
})

// Market gives the market of a country; a country that is in none is a market of its own.
func (r Regions) Market(country string) string {
	for _, m := range slices.Sorted(maps.Keys(r.Markets)) {
		if slices.Contains(r.Markets[m], country) {
			return m
		}
	}
	return country
}

// Check gives nil when a partner of one country may resell to a customer of another, else
// [problem.RegionNotAllowed] (rule I16). A country that is not known is in no market, not even that of another such.
func (r Regions) Check(partnerCountry, customerCountry string) error {
	switch {
	case partnerCountry == "" || customerCountry == "":
	case r.Market(partnerCountry) == r.Market(customerCountry),
		slices.Contains(r.AnyMarket.Partners, partnerCountry),
		slices.Contains(r.AnyMarket.Customers, customerCountry):
		return nil
	}
	return problem.New(problem.RegionNotAllowed, "A partner in %s may not establish a reseller relationship with a customer in %s.", partnerCountry, customerCountry)
}

// CheckPartnership gives nil when an indirect provider of one country may work with an indirect reseller of another, else
// [problem.RegionNotAllowed]: within a market, and where the table says more for the market of the reseller (rule N12).
func (r Regions) CheckPartnership(provider, reseller string) error {
	market := r.Market(reseller)
	if provider != "" && reseller != "" && (r.Market(provider) == market || slices.Contains(r.Providers[market], r.Market(provider))) {
		return nil
	}
	return problem.New(problem.RegionNotAllowed, "An indirect provider in %s may not work with an indirect reseller in %s.", provider, reseller)
}
