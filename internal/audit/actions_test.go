package audit

import (
	"testing"

	"concord/internal/invitation"
)

// TestDeliveriesAreActions: no state of a mail is derived from an action that there is not, and each action has an operation of its own.
func TestDeliveriesAreActions(t *testing.T) {
	for action := range delivered {
		if _, ok := invitation.Actions[action]; !ok {
			t.Errorf("no timeline says %q", action)
		}
	}
	operations := map[string]string{}
	for action := range invitation.Actions {
		if other, ok := operations[camel(action)]; ok {
			t.Errorf("%q and %q are one operation", action, other)
		}
		operations[camel(action)] = action
	}
}
