// Package customers puts together the use cases of a partner with its customers: the API and the console have the same.
package customers

import (
	"time"

	"concord/internal/commerce"
	"concord/internal/customer"
	"concord/internal/dynamo"
	"concord/internal/emailaddr"
	"concord/internal/partner"
)

// Rules decide who creates and removes customers.
type Rules struct {
	// AssociationGrants gives a reseller administration of what its provider creates for it, without asking the customer (0.18).
	AssociationGrants bool `env:"ASSOCIATION_GRANTS_DELEGATED_ADMIN" default:"false"`
	// ResellersRemove says whether an indirect reseller may end a relationship (0.7).
	ResellersRemove bool `env:"RESELLER_MAY_REMOVE_RELATIONSHIP" default:"true"`
	// RemovalNeedsNone says whether a relationship ends only when no subscription that the remover sold is active (0.6).
	RemovalNeedsNone bool `env:"REMOVAL_NEEDS_NO_ACTIVE_SUBSCRIPTION" default:"true"`
	// CreatedDaily is how many customers a partner creates on a day of UTC at most; 0 for any number.
	CreatedDaily int `env:"CREATIONS_PER_DAY" default:"50"`
}

// New makes the service.
func New(
	r Rules, store *dynamo.Store, clouds partner.Clouds, addresses emailaddr.Addresses, now func() time.Time,
) customer.Service {
	return customer.Service{
		Store: store, Register: store, Support: store, Customers: store, Directory: store, Grants: store, Partnerships: store,
		Accounts: store, Texts: store, Regions: partner.ShippedRegions(), Clouds: clouds, Addresses: addresses,
		Webmail: emailaddr.Webmail, Daily: r.CreatedDaily, Now: now,
		SubscriptionsStay: !r.RemovalNeedsNone, ResellersKeep: !r.ResellersRemove, AssociationGrants: r.AssociationGrants,
	}
}

// Agreed makes what tells which customers have signed the customer agreement.
func Agreed(store *dynamo.Store) commerce.Agreed {
	return commerce.Agreed{Signatures: store, Accounts: store, Partnerships: commerce.Tiers{Store: store}, Tiers: store}
}
