package events

import (
	"testing"

	"concord/internal/invitation"
)

// TestOnlyWhatATimelineSaysIsTold: no event waits for an action that there is not.
func TestOnlyWhatATimelineSaysIsTold(t *testing.T) {
	for action := range told {
		if _, ok := invitation.Actions[action]; !ok {
			t.Errorf("no timeline says %q", action)
		}
	}
}
