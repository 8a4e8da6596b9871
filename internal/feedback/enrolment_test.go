package feedback

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"concord/internal/enrolment"
	"concord/internal/outbox"
	"concord/internal/publicid"
	"concord/internal/storetest"
)

// both records reports about enrolments, and takes every other.
type both struct {
	rest       *recorder
	enrolments Recorder
}

func (b both) Record(ctx context.Context, k Key, r outbox.Report) (outbox.State, outbox.Verdict, error) {
	if publicid.Is(publicid.Enrolment, k.ID) {
		return b.enrolments.Record(ctx, k, r)
	}
	return b.rest.Record(ctx, k, r)
}

// What SES says of the mail with a link is said with the enrolment, and an address that does not exist gets no more of them (G8).
func TestEnrolmentFeedback(t *testing.T) {
	const id = "enr_jyedebystj55lcqjojbu43wh4u"
	store := &storetest.Memory{}
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	if err := store.WriteEnrolment(t.Context(), enrolment.Change{After: enrolment.Enrolment{
		ID: id, Tenant: key.Tenant, Path: enrolment.Full, Status: enrolment.EmailVerification, CreatedAt: at, Version: 1,
		Verification: enrolment.Verification{Generation: 1, Delivery: "sent"},
	}}); err != nil {
		t.Fatal(err)
	}
	rest := &recorder{}
	conflicts := 1
	store.Inject(func(op storetest.Operation) storetest.Fault {
		if op == storetest.WriteEnrolment && conflicts > 0 {
			conflicts--
			return storetest.Fault{Err: enrolment.ErrConflict}
		}
		return storetest.Fault{}
	})
	q, out := desk(rest)
	q.Recorder = both{rest, Recorder{Enrolments: store, Ledger: store, Now: func() time.Time { return at }}}
	for _, name := range []string{"delivery", "bounce-permanent", "delivery", "complaint"} {
		b := file(t, "feedback-"+name+".json")
		b.Records[0].Body = strings.ReplaceAll(strings.ReplaceAll(b.Records[0].Body, key.ID, id), `\"invitation\"`, `\"enrolment\"`)
		b.Records[0].Body = strings.Replace(b.Records[0].Body, `\"tags\": {`, `\"tags\": {\"kind\": [\"verification\"], `, 1)
		answer, err := q.Handle(t.Context(), b)
		if err != nil || len(answer.BatchItemFailures) != 0 {
			t.Fatalf("%s: %v, %v\n%s", name, err, answer, out)
		}
	}
	e, err := store.Enrolment(t.Context(), id)
	if err != nil || e.Verification.Delivery != "complained" || e.Verification.DeliveryReason != "complaint_abuse" || e.Version != 4 || len(rest.reports) != 0 {
		t.Errorf("%+v, %v", e, err)
	}
	quiet(t, out.String())
	// Everything else goes on, and what is nobody's is nothing.
	if answer, err := q.Handle(t.Context(), file(t, "feedback-delivery.json")); err != nil || len(answer.BatchItemFailures) != 0 || len(rest.reports) != 1 {
		t.Errorf("%v, %v", answer, err)
	}
	recorder := q.Recorder
	for name, k := range map[string]Key{"no such": {Tenant: key.Tenant, ID: "enr_aaaaaaaaaaaaaaaaaaaaaaaaaa"}, "of another company": {Tenant: "x", ID: id}} {
		if _, verdict, err := recorder.Record(t.Context(), k, outbox.Report{State: outbox.Delivered}); err != nil || verdict != outbox.OfNobody {
			t.Errorf("%s: %s, %v", name, verdict, err)
		}
	}
	down := errors.New("down")
	store.Inject(func(storetest.Operation) storetest.Fault { return storetest.Fault{Err: down} })
	if _, _, err := recorder.Record(context.Background(), Key{Tenant: key.Tenant, ID: id}, outbox.Report{}); !errors.Is(err, down) {
		t.Error(err)
	}
}
