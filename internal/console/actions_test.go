package console

import (
	"testing"

	"concord/internal/commerce"
	"concord/internal/partnership"
	"concord/internal/relationship"
)

// TestEveryActionHasWords: what a history can say, a page says in words.
func TestEveryActionHasWords(t *testing.T) {
	for _, a := range relationship.Actions {
		if relationshipEvents[a].Text == "" {
			t.Errorf("no words for %q of a relationship", a)
		}
	}
	for _, a := range partnership.Actions {
		if partnershipEvents[a].Text == "" {
			t.Errorf("no words for %q of a partnership", a)
		}
	}
	for _, c := range commerce.Changes {
		if subscriptionEvents[c] == "" {
			t.Errorf("no words for %q of a subscription", c)
		}
	}
}
