package commerce

import (
	_ "embed"
	"encoding/json"
	"slices"
	"sync"
)

// Family is what kind of thing an offer is.
type Family string

// The families. Who sold an Azure subscription manages it without administration (rule P8).
const (
	Azure Family = "azure"
	Other Family = "other"
)

// Offer is what can be bought.
type Offer struct {
	ID                       string
	Name                     string
	Family                   Family
	MinQuantity, MaxQuantity int
	// Terms are the durations that it can be bought for, ISO 8601; the first is meant when none is said.
	Terms []string
}

// Offers is a catalogue of offers. It is data with a version, and a deployment has its own.
type Offers struct {
	Version string
	Offers  []Offer
}

//go:embed offers.json
var offersJSON []byte

// ShippedOffers gives the catalogue that ships with the product: samples.
var ShippedOffers = sync.OnceValue(func() Offers {
	var o Offers
	if err := json.Unmarshal(offersJSON, &o); err != nil {
		panic("commerce: offers.json: " + err.Error())
	}
	return o
})

// Find gives an offer.
func (o Offers) Find(id string) (Offer, bool) {
	n := slices.IndexFunc(o.Offers, func(x Offer) bool { return x.ID == id })
	if n < 0 {
		return Offer{}, false
	}
	return o.Offers[n], true
}
