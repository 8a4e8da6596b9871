package feedback

import (
	"strings"
	"testing"
	"time"

	"concord/internal/outbox"
	"concord/internal/recipient"
	"concord/internal/storetest"
)

// A mail that asked a company to look at who holds rights is followed by nobody; an address that does not exist, or whose owner
// complains, gets no more (domain, 0.49).
func TestReviewFeedback(t *testing.T) {
	for name, suppressed := range map[string]bool{"delivery": false, "bounce-permanent": true, "complaint": true} {
		store := &storetest.Memory{}
		q, out := desk(&recorder{})
		q.Recorder = Recorder{Ledger: store, Now: func() time.Time { return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) }}
		b := file(t, "feedback-"+name+".json")
		body := strings.ReplaceAll(b.Records[0].Body, key.ID, string(key.Tenant))
		body = strings.ReplaceAll(body, `\"invitation\"`, `\"review\"`)
		b.Records[0].Body = strings.Replace(body, `\"tags\": {`, `\"tags\": {\"kind\": [\"review\"], `, 1)
		k, r, ours, err := Parse([]byte(b.Records[0].Body))
		if err != nil || !ours || k.ID != string(k.Tenant) || r.To == "" {
			t.Fatalf("%s: %+v, %+v, %v, %v", name, k, r, ours, err)
		}
		answer, err := q.Handle(t.Context(), b)
		if err != nil || len(answer.BatchItemFailures) != 0 {
			t.Fatalf("%s: %v, %v\n%s", name, err, answer, out)
		}
		why, err := recipient.Undeliverable(t.Context(), store, r.To)
		if err != nil || (why != nil) != suppressed {
			t.Errorf("%s: %+v, %v", name, why, err)
		}
		_, verdict, err := q.Recorder.Record(t.Context(), k, outbox.Report{State: outbox.Delivered})
		if err != nil || verdict != outbox.OfNotice {
			t.Errorf("%s: %s, %v", name, verdict, err)
		}
		quiet(t, out.String())
	}
}
