// Package notifying puts together the webhook endpoints of partners: the API, the console and who delivers have the same.
package notifying

import (
	"time"

	"concord/internal/dynamo"
	"concord/internal/keyring"
	"concord/internal/webhook"
)

// Endpoints are what decides which endpoints are taken.
type Endpoints struct {
	// LocalWebhooks also takes endpoints at http://127.0.0.1, and delivers there, which only a local stack does.
	LocalWebhooks bool `env:"ALLOW_LOCAL_WEBHOOKS" default:"false"`
}

// Addresses are those that endpoints may have.
func Addresses(e Endpoints) webhook.Addresses { return webhook.Addresses{Local: e.LocalWebhooks} }

// New makes the service.
func New(e Endpoints, store *dynamo.Store, keys *keyring.Source, now func() time.Time) *webhook.Service {
	return &webhook.Service{
		Store: store, Accounts: store, Seals: webhook.Seals{Keys: keys.Keys}, Addresses: Addresses(e), Types: webhook.Types(), Now: now,
	}
}
