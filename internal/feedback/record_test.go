package feedback

import (
	"context"
	"fmt"
	"testing"
	"time"

	"concord/internal/command"
	"concord/internal/invitation"
	"concord/internal/outbox"
	"concord/internal/problem"
)

// replicas are an invitation as it is, and as a read that may be old gives it; nil for not there.
type replicas struct {
	now    invitation.Invitation
	behind *invitation.Invitation
	strong int
}

func (r *replicas) Invitation(_ context.Context, _ invitation.Key, strong bool) (invitation.Invitation, error) {
	switch {
	case strong:
		r.strong++
		return r.now, nil
	case r.behind == nil:
		return invitation.Invitation{}, problem.New(problem.NotFound, "There is no such invitation.")
	}
	return *r.behind, nil
}

func (r *replicas) Write(_ context.Context, c invitation.Change) error {
	if c.Before.Version != r.now.Version {
		return command.ErrConflict
	}
	r.now = c.After
	return nil
}

// TestAReadThatIsBehind: whatever a read that may be old says, a report is recorded as if it were not, and once.
func TestAReadThatIsBehind(t *testing.T) {
	queued := invitation.Invitation{Key: invitation.Key{Inviter: key.Tenant, ID: key.ID}, Kind: invitation.Reseller, Status: invitation.Pending,
		Generation: 2, Version: 3, Mail: invitation.Mail{State: outbox.Queued}}
	claimed, sent, delivered := queued, queued, queued
	claimed.Version, claimed.Mail = 4, invitation.Mail{State: outbox.Claimed, Attempts: 1, Owner: "o"}
	sent.Version, sent.Mail = 5, invitation.Mail{State: outbox.Sent, Attempts: 1, MessageID: messageID}
	delivered.Version, delivered.Mail = 6, sent.Mail
	delivered.Mail.State = outbox.Delivered
	former := sent
	former.Version, former.Generation, former.Mail.MessageID = 2, 1, "0100-before"
	for name, behind := range map[string]*invitation.Invitation{
		"not there": nil, "queued": &queued, "claimed": &claimed, "sent": &sent, "the mail before": &former,
	} {
		for _, c := range []struct {
			now   invitation.Invitation
			said  outbox.State
			state outbox.State
			want  outbox.Verdict
		}{
			{sent, outbox.Delivered, outbox.Delivered, outbox.Recorded}, {sent, outbox.Sent, outbox.Sent, outbox.Known},
			{claimed, outbox.Sent, outbox.Sent, outbox.Recorded}, {delivered, outbox.Delivered, outbox.Delivered, outbox.Known},
		} {
			if behind != nil && behind.Version > c.now.Version {
				continue
			}
			t.Run(fmt.Sprint(name, ", ", c.now.Mail.State, ", ", c.said), func(t *testing.T) {
				r := &replicas{now: c.now, behind: behind}
				f := Recorder{Invitations: r, Now: func() time.Time { return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) }}
				state, verdict, err := f.Record(t.Context(), key, outbox.Report{State: c.said, MessageID: messageID, Generation: 2})
				if err != nil || state != c.state || verdict != c.want || r.now.Mail.State != c.state {
					t.Errorf("%s, %s, %v; it is %s", state, verdict, err, r.now.Mail.State)
				}
			})
		}
	}
	r := &replicas{now: sent, behind: &sent}
	f := Recorder{Invitations: r, Now: time.Now}
	if _, verdict, err := f.Record(t.Context(), key, outbox.Report{State: outbox.Delivered, MessageID: messageID, Generation: 2}); err != nil ||
		verdict != outbox.Recorded || r.strong != 0 {
		t.Errorf("%s, %v, %d strong reads", verdict, err, r.strong)
	}
}
