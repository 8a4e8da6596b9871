package invitation_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"concord/internal/feedback"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/outbox"
	"concord/internal/recipient"
	"concord/internal/storetest"
)

// TestGranularFeedback: what SES says of a request for granular administration is seen with it, and keeps and counts what it does for an
// invitation.
func TestGranularFeedback(t *testing.T) {
	start := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	k := invitation.Key{Inviter: "a1de0000-0000-4000-8000-000000000001", ID: "gdap_qmzx3vjl2a5c7hpkywtr4e6n2u"}
	memory := &storetest.Memory{}
	memory.PutGranular(granular.Relationship{
		Key: granular.Key{Partner: k.Inviter, ID: k.ID}, Status: granular.Pending, Generation: 1, CreatedAt: start, ApproveBy: start.Add(granular.ApprovalTime), Version: 4,
		Mail: granular.Mail{To: "ada@larch.example", State: outbox.Sent, MessageID: "0100-1", SentAt: start},
	})
	against := &counted{}
	f := feedback.Recorder{Invitations: memory, Granular: memory, Ledger: memory, Reputation: against, Now: func() time.Time { return start }}
	request := granular.RequestNotice
	bounced, complained := "bounced a1de0000-0000-4000-8000-000000000001 gdap_qmzx3vjl2a5c7hpkywtr4e6n2u", "complained a1de0000-0000-4000-8000-000000000001 "+voiceOfLarch
	for _, c := range []struct {
		report   outbox.Report
		verdict  outbox.Verdict
		delivery string
		counts   []string
	}{
		{outbox.Report{State: outbox.Delivered, MessageID: "0100-1", Generation: 1, Kind: request, To: "ada@larch.example"}, outbox.Recorded, "delivered", nil},
		{outbox.Report{State: outbox.Delivered, MessageID: "0100-1", Generation: 1, Kind: request, To: "ada@larch.example"}, outbox.Known, "delivered", nil},
		{outbox.Report{State: outbox.Bounced, MessageID: "0100-2", Generation: 1, Kind: granular.CustomerEndingNotice, To: "x@larch.example", Undeliverable: true},
			outbox.OfNotice, "delivered", nil},
		{outbox.Report{State: outbox.Bounced, Reason: "address_unknown", MessageID: "0100-1", Generation: 1, Kind: request, To: "ada@larch.example", Undeliverable: true},
			outbox.Recorded, "bounced", []string{bounced}},
		{outbox.Report{State: outbox.Complained, Reason: "complaint", MessageID: "0100-1", Generation: 1, Kind: request, To: "ada@larch.example", Undeliverable: true},
			outbox.Recorded, "complained", []string{bounced, complained}},
	} {
		_, verdict, err := f.Record(t.Context(), feedback.Key{Tenant: k.Inviter, ID: k.ID}, c.report)
		if err != nil || verdict != c.verdict {
			t.Errorf("%s: %s, %v", c.report.State, verdict, err)
		}
		r, err := memory.GranularRelationship(t.Context(), granular.Key{Partner: k.Inviter, ID: k.ID}, true)
		if err != nil || r.Delivery() != c.delivery || !slices.Equal(against.lines, c.counts) {
			t.Errorf("%s: %s, %v, %v", c.report.State, r.Delivery(), against.lines, err)
		}
	}
	for _, address := range []string{"Ada@larch.example", "x@larch.example"} {
		if why, err := recipient.Undeliverable(t.Context(), memory, address); err != nil || why == nil {
			t.Errorf("%s: %v, %v", address, why, err)
		}
	}
	if _, verdict, err := f.Record(t.Context(), feedback.Key{Tenant: k.Inviter, ID: "gdap_aaaaaaaaaaaaaaaaaaaaaaaaaa"}, outbox.Report{Kind: request}); verdict != outbox.OfNobody || err != nil {
		t.Error(verdict, err)
	}
	memory.Inject(func(op storetest.Operation) storetest.Fault {
		if op == storetest.GranularRelationship {
			return storetest.Fault{Err: errors.New("lost")}
		}
		return storetest.Fault{}
	})
	if _, _, err := f.Record(t.Context(), feedback.Key{Tenant: k.Inviter, ID: k.ID}, outbox.Report{Kind: request}); err == nil {
		t.Error("a report is lost")
	}
}
