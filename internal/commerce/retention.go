package commerce

import (
	"context"
	"time"

	"concord/internal/due"
)

// evidence is for how long an agreement names who signed it, unless the deployment says otherwise (domain, 0.23).
const evidence = 7 * 365 * 24 * time.Hour

// DueKind is that of what [Cleanup] does.
const DueKind due.Kind = "agreement"

// Cleanup takes the names out of agreements whose time as evidence is over. That one was signed, and which words, stays.
type Cleanup struct{ Store AgreementStore }

// CountForgotten is what it counts.
const CountForgotten = "SignersForgotten"

// Counts is that of [due.Duty].
func (Cleanup) Counts() []string { return []string{CountForgotten} }

// Do is that of [due.Duty].
func (c Cleanup) Do(ctx context.Context, a due.Item, now time.Time, count func(string)) error {
	forgotten, err := c.Store.ForgetSigner(ctx, a.Partner, a.ID, now)
	if forgotten {
		count(CountForgotten)
	}
	return err
}
