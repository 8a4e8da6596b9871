package invitation_test

import (
	"context"
	"errors"
	"iter"
	"testing"
	"time"

	"concord/internal/invitation"
	"concord/internal/problem"
)

// agenda lists reminders and then fails, if it has an error.
type agenda struct {
	reminders []invitation.Appointment
	err       error
}

func (a agenda) Due(context.Context, time.Time) iter.Seq2[invitation.Appointment, error] {
	return func(yield func(invitation.Appointment, error) bool) {
		for _, r := range a.reminders {
			if !yield(r, nil) {
				return
			}
		}
		if a.err != nil {
			yield(invitation.Appointment{}, a.err)
		}
	}
}

// broken answers every question with one error.
type broken struct {
	invitation.Store
	err error
}

func (b broken) Invitation(context.Context, invitation.Key, bool) (invitation.Invitation, error) {
	return invitation.Invitation{}, b.err
}

// TestOldestDueIsSaidOnlyWhenItIsKnown: a figure of zero after a failure would keep the alarm quiet.
func TestOldestDueIsSaidOnlyWhenItIsKnown(t *testing.T) {
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	hour := []invitation.Appointment{{Key: invitation.Key{Inviter: "a", ID: "b"}, At: now.Add(-time.Hour)}}
	gone, down := problem.New(problem.NotFound, "gone"), errors.New("throttled")
	for _, c := range []struct {
		name   string
		agenda agenda
		store  error
		left   time.Duration // before the deadline
		oldest any           // nil for silence
		failed bool
	}{
		{"nothing is due", agenda{}, gone, time.Minute, 0.0, false},
		{"an hour", agenda{reminders: hour}, gone, time.Minute, 3600.0, false},
		{"the items fail", agenda{reminders: hour}, down, time.Minute, 3600.0, true},
		{"the first query fails", agenda{err: down}, gone, time.Minute, nil, true},
		{"a later query fails", agenda{reminders: hour, err: down}, gone, time.Minute, nil, true},
		{"no time", agenda{reminders: hour}, gone, time.Second, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), c.left)
			defer cancel()
			cleanup := invitation.Cleanup{Store: broken{err: c.store}, Agenda: c.agenda, Now: func() time.Time { return now }}
			tally, err := cleanup.Run(ctx)
			if (err != nil) != c.failed {
				t.Errorf("error %v", err)
			}
			figures := tally.Figures()
			oldest, said := figures["OldestDueSeconds"]
			if said != (c.oldest != nil) || said && oldest != c.oldest {
				t.Errorf("figures %v", figures)
			}
			if _, said := figures["Left"]; !said {
				t.Errorf("the other figures are missing: %v", figures)
			}
		})
	}
}
