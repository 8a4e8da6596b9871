// Package overseeing puts together what the operator reads of all partners: the API and the console have the same.
package overseeing

import (
	"time"

	"concord/internal/dynamo"
	"concord/internal/oversight"
)

// New makes reports, and what a reference leads to. Evidence is for how long audit records are kept (domain, 0.23).
func New(evidence time.Duration, store *dynamo.Store, now func() time.Time) (oversight.Reports, oversight.Reading) {
	return oversight.Reports{Store: store, Now: now},
		oversight.Reading{Store: store, Accounts: store, Audit: store, Keep: evidence, Now: now}
}
