// Package registering puts together what the operator does with partners and addresses: the API and the console have the same.
package registering

import (
	"time"

	"concord/internal/dynamo"
	"concord/internal/emailaddr"
	"concord/internal/invitation"
	"concord/internal/locale"
	"concord/internal/partner"
	"concord/internal/recipient"
	"concord/internal/registry"
)

// WithoutReputation is what the reputation lacks of who counts complaints, and pauses mails: see [app.Whole].
const WithoutReputation = "Reputation.Paused"

// Services are all of them.
type Services struct {
	Registry     *registry.Service
	Reputation   registry.Reputation
	Clearing     invitation.Clearing
	Suppressions recipient.SuppressionRemoval
}

// New makes them.
func New(store *dynamo.Store, clouds partner.Clouds, addresses emailaddr.Addresses, now func() time.Time) Services {
	return Services{
		Registry:     &registry.Service{Store: store, Clouds: clouds, Addresses: addresses, Locales: locale.Tags, Now: now},
		Reputation:   registry.Reputation{Store: store, Now: now},
		Clearing:     invitation.Clearing{Store: store, Granular: store, Accounts: store, Now: now},
		Suppressions: recipient.SuppressionRemoval{Ledger: store, Addresses: addresses, Now: now},
	}
}
