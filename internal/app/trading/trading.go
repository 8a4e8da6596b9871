// Package trading puts together agreements, orders and subscriptions as partners have them: the API and the console have the same.
package trading

import (
	"time"

	"concord/internal/commerce"
	"concord/internal/dynamo"
	"concord/internal/emailaddr"
	"concord/internal/enrolment"
	"concord/internal/granular"
	"concord/internal/partner"
)

// WithoutToGrant are the parts that the second service which [New] returns lacks: it gives access where administration was granted, and
// asks nobody for any. See [app.Whole].
var WithoutToGrant = []string{"Clouds", "Recognition", "Locales", "Quota"}

// New makes the service, and granular administration as far as it has to do with trade: who has access to what a customer
// bought. Evidence is for how long agreements name who signed them (domain, 0.23).
func New(
	evidence time.Duration, store *dynamo.Store, addresses emailaddr.Addresses, now func() time.Time,
) (*commerce.Service, *granular.Service) {
	granted := &granular.Service{Store: store, Accounts: store, Roles: granular.ShippedRoles(), Now: now}
	return &commerce.Service{
		Accounts: store, Holders: store, Records: enrolment.Records{Store: store}, Relationships: store, Agreements: store, Orders: store,
		Subscriptions: store, Partnerships: commerce.Tiers{Store: store}, Granular: granted, Texts: store, Evidence: evidence,
		Regions: partner.ShippedRegions(), Offers: commerce.ShippedOffers(), Addresses: addresses, Now: now,
	}, granted
}
