// Package granting puts together granular administration as partners ask for it and use it: the API and the console have the same.
package granting

import (
	"time"

	"concord/internal/app"
	"concord/internal/dynamo"
	"concord/internal/emailaddr"
	"concord/internal/granular"
	"concord/internal/locale"
	"concord/internal/partner"
	"concord/internal/recipient"
)

// Without are the parts of the service that only who answers has: see [app.Whole].
var Without = []string{"Recognition"}

// New makes the service, with what it needs to mail requests.
func New(
	q app.Quotas, store *dynamo.Store, clouds partner.Clouds, addresses emailaddr.Addresses, now func() time.Time,
) *granular.Service {
	return &granular.Service{
		Store: store, Accounts: store, Clouds: clouds, Addresses: addresses, Roles: granular.ShippedRoles(),
		Locales: locale.Tags, Now: now, Quota: recipient.Quota{Ledger: store, Limits: q.Limits()},
	}
}
