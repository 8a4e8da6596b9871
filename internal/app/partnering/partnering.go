// Package partnering puts together the partnerships of indirect providers and resellers: the API, the console and the pages of who signed
// in by a link have the same.
package partnering

import (
	"time"

	"concord/internal/dynamo"
	"concord/internal/partnership"
)

// New makes the service.
func New(store *dynamo.Store, now func() time.Time) partnership.Service {
	return partnership.Service{Store: store, Accounts: store, Tiers: store, Texts: store, Now: now}
}
