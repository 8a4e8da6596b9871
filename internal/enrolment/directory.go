package enrolment

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"concord/internal/country"
	"concord/internal/partner"
	"concord/internal/problem"
)

// Company is what a directory knows of a company by its D-U-N-S number (rule E8).
type Company struct {
	DUNS    string
	Name    string
	Address Address
}

// Directory finds companies. Company gives [problem.NotFound] for a number that it does not know.
type Directory interface {
	Company(ctx context.Context, duns string) (Company, error)
}

// Location is a PartnerID that somebody has (rule E6).
type Location = partner.Listing

// Locations finds PartnerIDs, also those that are held under other credentials than the account's (rule E6). Location gives
// [problem.NotFound] for one that it does not know.
type Locations interface {
	Location(ctx context.Context, partnerID string) (Location, error)
}

// Records is a directory of both kinds that a deployment ships as data.
type Records struct {
	companies map[string]Company
	locations map[string]Location
}

//go:embed records.json
var sampleRecords string

// Sample is the name of the records that come with the product: a few companies that do not exist, for trying it out.
const Sample = "sample"

var duns = regexp.MustCompile(`^[0-9]{9}$`)

// ParseRecords reads records: {"companies": [{duns, name, address}], "partnerIds": [{partnerId, name, type, country, tenantId?}]}, or those
// that are called [Sample].
func ParseRecords(text string) (Records, error) {
	if text == Sample {
		text = sampleRecords
	}
	// Names are read in any case.
	var file struct {
		Note       string
		Companies  []Company
		PartnerIDs []struct{ PartnerID, Name, Type, Country, TenantID string }
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&file); err != nil {
		return Records{}, fmt.Errorf("records: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Records{}, errors.New("records: something follows the records")
	}
	r := Records{map[string]Company{}, map[string]Location{}}
	for _, c := range file.Companies {
		if !duns.MatchString(c.DUNS) || c.Name == "" || !country.Valid(c.Address.Country) {
			return Records{}, fmt.Errorf("records: company %q needs nine digits, a name and an address", c.DUNS)
		}
		r.companies[c.DUNS] = c
	}
	for _, l := range file.PartnerIDs {
		tenant, ok := partner.ParseTenantID(l.TenantID)
		if l.PartnerID == "" || !country.Valid(l.Country) || !slices.Contains([]string{partner.Location, partner.Headquarters}, l.Type) || l.TenantID != "" && !ok {
			return Records{}, fmt.Errorf("records: PartnerID %q needs a type, a country and, if any, a tenant id", l.PartnerID)
		}
		if l.TenantID == "" {
			tenant = ""
		}
		r.locations[l.PartnerID] = Location{ID: l.PartnerID, Name: l.Name, Type: l.Type, Country: l.Country, Tenant: tenant}
	}
	return r, nil
}

// Company is that of [Directory].
func (r Records) Company(_ context.Context, number string) (Company, error) {
	c, ok := r.companies[number]
	if !ok {
		return Company{}, problem.New(problem.NotFound, "No company has this number.")
	}
	return c, nil
}

// Location is that of [Locations].
func (r Records) Location(_ context.Context, id string) (Location, error) {
	l, ok := r.locations[id]
	if !ok {
		return Location{}, problem.New(problem.NotFound, "There is no such PartnerID.")
	}
	return l, nil
}
