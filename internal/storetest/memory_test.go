package storetest_test

import (
	"errors"
	"testing"

	"concord/internal/invitation"
	"concord/internal/outbox"
	"concord/internal/problem"
	"concord/internal/storetest"
)

func TestMemory(t *testing.T) {
	storetest.Conformance(t, func(*testing.T) storetest.Stores { return storetest.Of(new(storetest.Memory)) })
}

func TestFaults(t *testing.T) {
	lost := errors.New("lost")
	inv := invitation.Invitation{
		Key: invitation.Key{Inviter: "p", ID: "inv_a"}, Version: 1, Status: invitation.Pending, Mail: invitation.Mail{State: outbox.Queued},
	}
	for name, stored := range map[string]bool{"not stored": false, "stored": true} {
		t.Run(name, func(t *testing.T) {
			var m storetest.Memory
			queued := 0
			m.OnQueued(func(i invitation.Invitation) {
				if _, err := m.Invitation(t.Context(), i.Key, true); err != nil {
					t.Error(err)
				}
				queued++
			})
			m.Inject(func(op storetest.Operation) storetest.Fault {
				if op == storetest.Write {
					return storetest.Fault{Err: lost, Stored: stored}
				}
				return storetest.Fault{}
			})
			if err := m.Write(t.Context(), invitation.Change{After: inv}); !errors.Is(err, lost) {
				t.Fatalf("error %v, want the fault", err)
			}
			_, err := m.Invitation(t.Context(), inv.Key, true)
			if found := !problem.Is(err, problem.NotFound); found != stored || queued == 1 != stored {
				t.Fatalf("stored %v, queued %d times, want stored %v", found, queued, stored)
			}
		})
	}
}
