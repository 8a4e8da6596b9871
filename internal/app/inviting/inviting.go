// Package inviting puts together the use cases of who invites: the API, its batches and the console have the same.
package inviting

import (
	"time"

	"concord/internal/app"
	"concord/internal/batch"
	"concord/internal/dynamo"
	"concord/internal/emailaddr"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/locale"
	"concord/internal/partner"
	"concord/internal/relationship"
)

// Config is what decides who may invite whom.
type Config struct {
	app.Quotas
	// SalesAgentsRequest lets sales agents request partnerships (0.1).
	SalesAgentsRequest bool `env:"SALES_AGENT_MAY_REQUEST_PARTNERSHIP" default:"false"`
	// AdminAgentsAsk keeps sales agents from requests for delegated administration (0.5).
	AdminAgentsAsk bool `env:"DELEGATED_ADMIN_NEEDS_ADMIN_AGENT" default:"false"`
	// AllowMessage lets partners say something in our mail (0.17).
	AllowMessage bool `env:"ALLOW_MESSAGE" default:"false"`
}

// Without are the parts of the service that only who answers has: see [app.Whole].
var Without = []string{
	"Recognition.Relationships", "Recognition.Accounts", "Recognition.Regions", "Recognition.Register", "Recognition.Reviews", "Reputation", "Agreements",
	"AcceptingRoles",
}

// New makes the service.
func New(c Config, store *dynamo.Store, clouds partner.Clouds, addresses emailaddr.Addresses, now func() time.Time) *invitation.Service {
	return &invitation.Service{
		Store: store, Accounts: store, Relationships: store, Partnerships: store, Granular: store, Ledger: store, Slots: store,
		Recognition: relationship.Recognition{Companies: store}, GranularRoles: granular.ShippedRoles(),
		Regions: partner.ShippedRegions(), Clouds: clouds, Addresses: addresses, Locales: locale.Tags, Limits: c.Limits(), Now: now,
		SalesAgentsRequestPartnerships: c.SalesAgentsRequest, DelegatedAdminNeedsAdminAgent: c.AdminAgentsAsk,
		AllowMessage: c.AllowMessage,
	}
}

// Bulk makes what takes batches of them.
func Bulk(store *dynamo.Store, invitations *invitation.Service, now func() time.Time) *batch.Service {
	return &batch.Service{Store: store, Accounts: store, Invitations: invitations, Now: now}
}
