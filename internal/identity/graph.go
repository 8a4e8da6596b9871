package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"concord/internal/country"
	"concord/internal/partner"
)

const (
	// graphPatience is for the whole answer of a directory: who signs in waits for it, and can do without.
	graphPatience = 1500 * time.Millisecond
	// maxDirectory bounds what is read of that answer, in bytes: about two thousand domains. One that is longer is not
	// read at all.
	maxDirectory = 256 << 10
)

// graph is what directories are read with. The token is for the configured address alone, so that no redirect is
// followed.
var graph = &http.Client{
	Timeout:       graphPatience,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// graphScope is the delegated permission that reads name and domains of one's own company: User.Read at the host of the
// authority's Graph.
func (one Authority) graphScope() string {
	u, err := url.Parse(one.Graph)
	if err != nil {
		return "" // New has looked at it
	}
	return u.Scheme + "://" + u.Host + "/User.Read"
}

// organisation is what Microsoft Graph says of a company (resource type organization). With User.Read alone the country
// is null.
type organisation struct {
	ID                string
	DisplayName       string
	CountryLetterCode string
	VerifiedDomains   []struct {
		Name      string
		IsDefault bool
	}
}

// directory adds what the company's directory says to what a token says of who signs in. What a token says counts
// before it.
func (one Authority) directory(ctx context.Context, token string, who *Holder) error {
	own, err := one.organisation(ctx, token, who.Tenant)
	if err != nil {
		return fmt.Errorf("identity: directory: %w", err)
	}
	if who.Company == "" {
		who.Company = bounded(own.DisplayName)
	}
	if code := strings.ToUpper(own.CountryLetterCode); who.Country == "" && country.Valid(code) {
		who.Country = code
	}
	if who.Domains != nil {
		return nil
	}
	for _, d := range own.VerifiedDomains {
		name, ok := domain(d.Name)
		switch {
		case !ok || slices.Contains(who.Domains, name):
		case d.IsDefault: // the one that is shown
			who.Domains = slices.Insert(who.Domains, 0, name)
		default:
			who.Domains = append(who.Domains, name)
		}
	}
	return nil
}

// organisation asks for the company of who holds the token, which has to be the one that the ID token names.
func (one Authority) organisation(ctx context.Context, token string, tenant partner.TenantID) (organisation, error) {
	var none organisation
	where := one.Graph + "/organization?$select=id,displayName,verifiedDomains,countryLetterCode"
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
	if err != nil {
		return none, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Accept", "application/json")
	res, err := graph.Do(r)
	if err != nil {
		return none, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return none, fmt.Errorf("it answers %d", res.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, maxDirectory+1))
	if err != nil {
		return none, err
	}
	if len(text) > maxDirectory {
		return none, fmt.Errorf("its answer has more than %d bytes", maxDirectory)
	}
	var said struct{ Value []organisation }
	if err := json.Unmarshal(text, &said); err != nil {
		return none, errors.New("its answer is no list of organizations")
	}
	for _, own := range said.Value {
		if id, ok := partner.ParseTenantID(own.ID); ok && id == tenant {
			return own, nil
		}
	}
	return none, errors.New("its answer is not about the company that the token names")
}
