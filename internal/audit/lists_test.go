package audit

import (
	"testing"
	"time"

	"concord/internal/commerce"
	"concord/internal/partnership"
	"concord/internal/relationship"
)

// TestEveryChangeOfASubscriptionIsAudited: each has an operation, which only what a subscription began with shares with its order.
func TestEveryChangeOfASubscriptionIsAudited(t *testing.T) {
	for _, c := range commerce.Changes {
		if _, ok := traded[c]; ok == (c == commerce.WasCreated) {
			t.Errorf("%q: in the table of operations: %t", c, ok)
		}
	}
	if len(traded) != len(commerce.Changes)-1 {
		t.Errorf("%d operations for %d changes", len(traded), len(commerce.Changes)-1)
	}
}

// TestEveryActionOfARelationshipHasWhoDidIt: an action that the table of actors does not know is the partner's own, which only these are.
func TestEveryActionOfARelationshipHasWhoDidIt(t *testing.T) {
	own := map[relationship.Action]bool{
		relationship.WasCreated: true, relationship.AdministrationEnded: true, relationship.IdentityConfirmed: true,
		relationship.WasRemoved: true,
	}
	r := relationship.Relationship{Partner: "alder"}
	for _, a := range relationship.Actions {
		who := actorOf(relationship.Entry{Action: a, By: "agent"}, r)
		if got := who.Kind == User && who.Tenant == "alder" && who.Subject == "agent"; got != own[a] {
			t.Errorf("%q is said to be of %+v", a, who)
		}
	}
}

// TestEveryActionOfAPartnershipIsAudited: each leaves a record with the side that did it, whatever it changed.
func TestEveryActionOfAPartnershipIsAudited(t *testing.T) {
	stood := map[partnership.Action]partnership.Entry{
		partnership.Established:   {Status: partnership.Active, ProviderAccess: partnership.Granted},
		partnership.AccessGranted: {Status: partnership.Active, ProviderAccess: partnership.Granted},
		partnership.AccessRevoked: {Status: partnership.Active, ProviderAccess: partnership.Revoked},
		partnership.WasDisputed:   {Status: partnership.Active, ProviderAccess: partnership.Revoked},
		partnership.WasRemoved:    {Status: partnership.Removed, ProviderAccess: partnership.Granted},
	}
	for _, a := range partnership.Actions {
		e, ok := stood[a]
		if !ok {
			t.Errorf("how things stand after %q is not said here", a)
			continue
		}
		e.Action, e.At, e.Side = a, time.Unix(0, 0), partnership.ResellerSide
		p := partnership.Partnership{Pair: partnership.Pair{Provider: "grove", Reseller: "alder"}, History: []partnership.Entry{e}}
		if len(OfPartnership(partnership.Entered{Of: "alder", Change: partnership.Change{After: p}})) == 0 {
			t.Errorf("%q leaves no record", a)
		}
	}
}
