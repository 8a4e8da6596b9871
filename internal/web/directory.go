package web

import (
	"errors"
	"maps"
	"net/http"
	"slices"

	"concord/internal/country"
	"concord/internal/partner"
	"concord/internal/problem"
)

// providerDocument is what everybody may know of an indirect provider that is listed (rule N10).
type providerDocument struct {
	ID             partner.TenantID `json:"id"`
	Name           string           `json:"name"`
	Country        string           `json:"country"`
	Market         string           `json:"market"`
	VerifiedDomain string           `json:"verifiedDomain"`
	Contact        contactDocument  `json:"contact"`
}

func (d OperatorAPI) directory(c *call) error {
	l, err := c.list("country")
	if err != nil {
		return err
	}
	where := l.country("country")
	if l.err != nil {
		return l.err
	}
	found, err := d.Registry.Directory(c.r.Context(), c.user(), d.Regions, where, l.Limit, l.After)
	if err != nil {
		return err
	}
	answer := page[providerDocument]{Items: []providerDocument{}}
	for _, a := range found.Accounts {
		answer.Items = append(answer.Items, providerDocument{a.Tenant, a.DisplayName, a.Country, d.Regions.Market(a.Country), a.VerifiedDomain, contactDocument(a.Contact)})
	}
	if answer.NextCursor, err = c.gate.seal(c.r.Context(), l.binding, found.Next); err != nil {
		return err
	}
	return c.give(http.StatusOK, answer)
}

// country takes a country out of the query; empty for none.
func (l *list) country(name string) string {
	v, ok := l.has(name)
	if !ok || l.err != nil {
		return v
	}
	if p, wrong := errors.AsType[*problem.Error](country.Check(v)); wrong {
		l.err = problem.New(problem.MalformedRequest, "%s", p.Detail)
	}
	return v
}

type regionsDocument struct {
	Version string           `json:"version"`
	Markets []marketDocument `json:"markets"`
	// Market is that of the caller's account, where there is one.
	Market string `json:"market,omitempty"`
	// Whose partners may resell everywhere, and whom everybody may serve.
	AnyMarket struct {
		Partners  []string `json:"partners"`
		Customers []string `json:"customers"`
	} `json:"anyMarket"`
}

type marketDocument struct {
	Market    string   `json:"market"`
	Countries []string `json:"countries"`
	// Providers are the other markets in which indirect providers of this market's resellers may be.
	Providers []string `json:"providers"`
}

// regions gives the table by which countries are checked (rules I16 and N12). A country that is in no market is one of its own.
func (d OperatorAPI) regions(c *call) error {
	u := c.user()
	if u.Tenant == "" {
		return problem.New(problem.RoleNotPermitted, "The token names no tenant.")
	}
	r := d.Regions
	answer := regionsDocument{Version: r.Version, Markets: []marketDocument{}}
	switch account, err := c.gate.Accounts.Account(c.r.Context(), u.Tenant, false); {
	case err == nil:
		answer.Market = r.Market(account.Country)
	case !problem.Is(err, problem.NotFound):
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(r.Markets)) {
		answer.Markets = append(answer.Markets, marketDocument{name, r.Markets[name], append([]string{}, r.Providers[name]...)})
	}
	answer.AnyMarket.Partners, answer.AnyMarket.Customers = append([]string{}, r.AnyMarket.Partners...), append([]string{}, r.AnyMarket.Customers...)
	return c.give(http.StatusOK, answer)
}
