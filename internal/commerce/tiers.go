package commerce

import (
	"context"

	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/problem"
)

// Tiers is [Partnerships] as the store of partnerships has them.
type Tiers struct{ Store partnership.Store }

// Partnered is that of [Partnerships].
func (t Tiers) Partnered(ctx context.Context, provider, reseller partner.TenantID) (bool, error) {
	p, err := t.Store.Partnership(ctx, provider, partnership.Pair{Provider: provider, Reseller: reseller}.ID())
	if problem.Is(err, problem.NotFound) {
		return false, nil
	}
	return p.Status == partnership.Active, err
}

// Providers is that of [Partnerships].
func (t Tiers) Providers(ctx context.Context, reseller partner.TenantID) (all []Tie, err error) {
	const atOnce = 100
	for q := (partnership.Query{Side: partnership.ResellerSide, Limit: atOnce}); ; {
		page, err := t.Store.Partnerships(ctx, reseller, q)
		if err != nil {
			return nil, err
		}
		for _, p := range page.Partnerships {
			all = append(all, Tie{p.Provider, p.Status == partnership.Active})
		}
		if q.After = page.Next; q.After == "" {
			return all, nil
		}
	}
}
