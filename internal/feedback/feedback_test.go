package feedback

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"concord/internal/invitation"
	"concord/internal/observe"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/registry"
)

var key = Key{Tenant: partner.TenantID("11111111-1111-4111-8111-111111111111"), ID: "inv_jyedebystj55lcqjojbu43wh4u"}

const messageID = "0100019523ab4c5d-5f0f2a1e-7c1d-4b5e-9d0a-3c2b1a0f9e8d-000000"

// recorder takes reports.
type recorder struct {
	keys    []Key
	reports []outbox.Report
	fail    error
}

func (r *recorder) Record(_ context.Context, k Key, report outbox.Report) (outbox.State, outbox.Verdict, error) {
	if r.fail != nil {
		return outbox.None, "", r.fail
	}
	r.keys, r.reports = append(r.keys, k), append(r.reports, report)
	return outbox.None, outbox.Recorded, nil
}

// desk is a queue whose output is kept.
func desk(r *recorder) (*Queue, *bytes.Buffer) {
	var out bytes.Buffer
	return &Queue{Recorder: r, Log: slog.New(slog.NewJSONHandler(&out, nil)), Metrics: &observe.Metrics{Function: "feedback", Out: &out}, Reserve: time.Second}, &out
}

func file(t testing.TB, name string) events.SQSEvent {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "events", name))
	if err != nil {
		t.Fatal(err)
	}
	var e events.SQSEvent
	if err := json.Unmarshal(raw, &e); err != nil {
		t.Fatal(err)
	}
	return e
}

func TestEvents(t *testing.T) {
	for name, want := range map[string]outbox.Report{
		"send":              {State: outbox.Sent},
		"delivery":          {State: outbox.Delivered},
		"delay":             {State: outbox.Delayed, Reason: "recipient_server_unreachable"},
		"reject":            {State: outbox.Rejected, Reason: "bad_content"},
		"bounce-permanent":  {State: outbox.Bounced, Reason: "address_unknown", Undeliverable: true},
		"bounce-transient":  {State: outbox.Bounced, Reason: "mailbox_full"},
		"bounce-suppressed": {State: outbox.Suppressed, Reason: "bounced_before", Undeliverable: true},
		"complaint":         {State: outbox.Complained, Reason: "complaint_abuse", Undeliverable: true},
	} {
		t.Run(name, func(t *testing.T) {
			want.MessageID, want.Generation = messageID, 1
			r := &recorder{}
			q, out := desk(r)
			answer, err := q.Handle(t.Context(), file(t, "feedback-"+name+".json"))
			if err != nil || len(answer.BatchItemFailures) != 0 {
				t.Fatalf("%v, %v", err, answer)
			}
			if d := cmp.Diff([]outbox.Report{want}, r.reports); d != "" || r.keys[0] != key {
				t.Errorf("%v: %s", r.keys, d)
			}
			quiet(t, out.String())
		})
	}
}

// What became of a mail about granular administration is told by its own tag, with the address.
func TestGranularEvent(t *testing.T) {
	const id = "gdap_jyedebystj55lcqjojbu43wh4u"
	b := file(t, "feedback-bounce-permanent.json")
	b.Records[0].Body = strings.ReplaceAll(strings.ReplaceAll(b.Records[0].Body, key.ID, id), `\"invitation\"`, `\"granular\"`)
	r := &recorder{}
	q, out := desk(r)
	answer, err := q.Handle(t.Context(), b)
	if err != nil || len(answer.BatchItemFailures) != 0 || len(r.reports) != 1 {
		t.Fatalf("%v, %v, %v", err, answer, r.reports)
	}
	if got := r.reports[0]; r.keys[0] != (Key{Tenant: key.Tenant, ID: id}) || got.State != outbox.Bounced || !got.Undeliverable || !strings.Contains(got.To, "@") {
		t.Errorf("%v %+v", r.keys, got)
	}
	quiet(t, out.String())
}

// quiet fails the test when a line repeats an address, a name or a subject of an event.
func quiet(t *testing.T, lines string) {
	t.Helper()
	if lines == "" {
		t.Error("nothing was written")
	}
	for _, personal := range []string{"@", "larch", "Alder Cloud", "smtp"} {
		if strings.Contains(lines, personal) {
			t.Errorf("%q is among the lines: %s", personal, lines)
		}
	}
}

// A batch with what is not ours, what nobody can read and what came twice: only the unreadable come again.
func TestBatch(t *testing.T) {
	b := file(t, "feedback-batch.json")
	r := &recorder{}
	q, out := desk(r)
	answer, err := q.Handle(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	var again []string
	for _, f := range answer.BatchItemFailures {
		again = append(again, f.ItemIdentifier)
	}
	if d := cmp.Diff([]string{b.Records[3].MessageId, b.Records[4].MessageId}, again); d != "" {
		t.Error(d)
	}
	if len(r.reports) != 3 || r.reports[0].State != outbox.Sent || r.reports[1].State != outbox.Delivered || r.reports[2] != r.reports[1] {
		t.Errorf("recorded %+v", r.reports)
	}
	if n := strings.Count(out.String(), `"FeedbackIgnored":1`); n != 3 {
		t.Errorf("%d ignored, want 3", n)
	}
	quiet(t, out.String())
}

func TestAFailureIsOfOneMessage(t *testing.T) {
	b := file(t, "feedback-batch.json")
	b.Records = b.Records[5:]
	r := &recorder{fail: errors.New("the table is away")}
	q, out := desk(r)
	answer, err := q.Handle(t.Context(), b)
	if err != nil || len(answer.BatchItemFailures) != 3 || strings.Count(out.String(), `"FeedbackFailed":1`) != 3 {
		t.Errorf("%v, %v: %s", err, answer, out)
	}
	quiet(t, out.String())
	r.fail = nil
	if answer, err := q.Handle(t.Context(), b); err != nil || len(answer.BatchItemFailures) != 0 || len(r.reports) != 3 {
		t.Errorf("again: %v, %v", err, answer)
	}
	if text, err := json.Marshal(events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}); err != nil || string(text) != `{"batchItemFailures":[]}` {
		t.Errorf("nothing failed: %s, %v", text, err)
	}
}

func TestNoTimeLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		b := file(t, "feedback-batch.json")
		r := &recorder{}
		q, _ := desk(r)
		if answer, err := q.Handle(ctx, b); err != nil || len(answer.BatchItemFailures) != len(b.Records) || len(r.reports) != 0 {
			t.Errorf("%v, %v", err, answer)
		}
	})
}

// body wraps an event of SES as SNS does.
func body(t testing.TB, message string) []byte {
	t.Helper()
	raw, err := json.Marshal(map[string]string{"Type": "Notification", "Message": message})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

const tags = `"mail":{"messageId":"m","tags":{"invitation":["inv_a"],"tenant":["11111111-1111-4111-8111-111111111111"],"generation":["3"]}}`

// Every kind and sort that SES documents, and one that it may add.
func TestWords(t *testing.T) {
	type want = outbox.Report
	bounced := func(reason string) want { return want{State: outbox.Bounced, Reason: reason} }
	gone := func(reason string) want {
		return want{State: outbox.Bounced, Reason: reason, Undeliverable: true}
	}
	listed := func(reason string) want {
		return want{State: outbox.Suppressed, Reason: reason, Undeliverable: true}
	}
	delayed := func(reason string) want { return want{State: outbox.Delayed, Reason: reason} }
	complained := func(reason string) want {
		return want{State: outbox.Complained, Reason: reason, Undeliverable: true}
	}
	for said, want := range map[string]outbox.Report{
		"Bounce Permanent General": gone("bounce_permanent"), "Bounce Permanent NoEmail": gone("address_unknown"), "Bounce Permanent Novel": gone("bounce_permanent"),
		"Bounce Permanent Suppressed": listed("bounced_before"), "Bounce Permanent OnAccountSuppressionList": listed("bounced_before"),
		"Bounce Permanent UnsubscribedRecipient": listed("unsubscribed"),
		"Bounce Transient General":               bounced("bounce_transient"), "Bounce Transient MailboxFull": bounced("mailbox_full"), "Bounce Transient Novel": bounced("bounce_transient"),
		"Bounce Transient MessageTooLarge": bounced("message_too_large"), "Bounce Transient CustomTimeoutExceeded": bounced("not_delivered_in_time"),
		"Bounce Transient ContentRejected": bounced("content_refused"), "Bounce Transient AttachmentRejected": bounced("attachment_refused"),
		"Bounce Undetermined Undetermined": bounced("bounce_undetermined"), "Bounce Novel General": bounced("bounce_undetermined"),
		"DeliveryDelay InternalFailure": delayed("sender_trouble"), "DeliveryDelay General": delayed("delayed"), "DeliveryDelay MailboxFull": delayed("mailbox_full"),
		"DeliveryDelay SpamDetected": delayed("taken_for_spam"), "DeliveryDelay RecipientServerError": delayed("recipient_server_error"),
		"DeliveryDelay IPFailure": delayed("sender_blocked"), "DeliveryDelay TransientCommunicationFailure": delayed("recipient_server_unreachable"),
		"DeliveryDelay BYOIPHostNameLookupUnavailable": delayed("sender_trouble"), "DeliveryDelay Undetermined": delayed("delayed"),
		"DeliveryDelay SendingDeferral": delayed("sending_deferred"), "DeliveryDelay Novel": delayed("delayed"),
		"Complaint abuse": complained("complaint_abuse"), "Complaint auth-failure": complained("complaint_authentication"), "Complaint fraud": complained("complaint_fraud"),
		"Complaint virus": complained("complaint_virus"), "Complaint other": complained("complaint"), "Complaint ": complained("complaint"),
		"Complaint not-spam":                       {State: outbox.Delivered},
		"Complaint abuse OnAccountSuppressionList": listed("complained_before"),
		"Send": {State: outbox.Sent}, "Delivery": {State: outbox.Delivered}, "Reject": {State: outbox.Rejected, Reason: "bad_content"},
	} {
		f := append(strings.Split(said, " "), "", "")
		message := fmt.Sprintf(`{"eventType":%q,%s,"bounce":{"bounceType":%q,"bounceSubType":%q},"deliveryDelay":{"delayType":%q},"complaint":{"complaintFeedbackType":%q,"complaintSubType":%q}}`,
			f[0], tags, f[1], f[2], f[1], f[1], f[2])
		want.MessageID, want.Generation = "m", 3
		k, got, ours, err := Parse(body(t, message))
		if err != nil || !ours || got != want || k.ID != "inv_a" || k.Tenant != key.Tenant {
			t.Errorf("%s: %+v, %v, %v, %v", said, got, ours, err, k)
		}
	}
}

// A report says of which mail it is. Where it went is read of the mails to a partner's contact alone.
func TestKindsOfMail(t *testing.T) {
	for kind, want := range map[string]outbox.Report{
		``:                        {},
		`,"kind":["invitation"]`:  {},
		`,"kind":["reminder"]`:    {Kind: invitation.ReminderNotice},
		`,"kind":["receipt"]`:     {Kind: invitation.ReceiptNotice},
		`,"kind":["copy"]`:        {Kind: invitation.CopyNotice},
		`,"kind":["answer"]`:      {Kind: invitation.AnswerNotice, To: "hello@alder.example"},
		`,"kind":["renewal"]`:     {Kind: invitation.RenewalNotice, To: "hello@alder.example"},
		`,"kind":["dispute"]`:     {Kind: invitation.DisputeNotice, To: "hello@alder.example"},
		`,"kind":["of tomorrow"]`: {Kind: "of tomorrow"},
	} {
		mail := strings.Replace(strings.Replace(tags, `["3"]`, `["3"]`+kind, 1), `"messageId":"m",`, `"messageId":"m","destination":["hello@alder.example"],`, 1)
		want.State, want.Reason, want.Undeliverable, want.MessageID, want.Generation = outbox.Bounced, "address_unknown", true, "m", 3
		_, got, ours, err := Parse(body(t, `{"eventType":"Bounce",`+mail+`,"bounce":{"bounceType":"Permanent","bounceSubType":"NoEmail"}}`))
		if err != nil || !ours || got != want {
			t.Errorf("%s: %+v, want %+v, %v, %v", kind, got, want, ours, err)
		}
	}
}

func TestUnreadableAndNotOurs(t *testing.T) {
	mail := func(s string) string { return string(body(t, `{"eventType":"Delivery","mail":`+s+`}`)) }
	for name, c := range map[string]struct {
		body       string
		unreadable bool
	}{
		"empty":                {"", true},
		"not JSON":             {"{", true},
		"another JSON":         {"[]", true},
		"a bare event":         {`{"eventType":"Delivery",` + tags + `}`, true},
		"no message":           {`{"Type":"Notification"}`, true},
		"a confirmation":       {`{"Type":"SubscriptionConfirmation","Message":"x"}`, true},
		"a cut event":          {string(body(t, `{"eventType":"Deli`)), true},
		"no type":              {string(body(t, `{`+tags+`}`)), true},
		"no message id":        {mail(`{"tags":{}}`), true},
		"tags of another kind": {mail(`{"messageId":"m","tags":["a"]}`), true},
		"a greeting":           {string(body(t, "Successfully validated SNS topic for Amazon SES event publishing.")), false},
		"another kind":         {string(body(t, `{"eventType":"Click",`+tags+`}`)), false},
		"no tags":              {mail(`{"messageId":"m"}`), false},
		"no such tenant":       {mail(`{"messageId":"m","tags":{"invitation":["inv_a"],"tenant":["alder"],"generation":["1"]}}`), false},
		"two generations":      {mail(`{"messageId":"m","tags":{"invitation":["inv_a"],"tenant":["11111111-1111-4111-8111-111111111111"],"generation":["1","2"]}}`), false},
		"no invitation":        {mail(`{"messageId":"m","tags":{"invitation":["bat_a"],"tenant":["11111111-1111-4111-8111-111111111111"],"generation":["1"]}}`), false},
	} {
		_, _, ours, err := Parse([]byte(c.body))
		if ours || errors.Is(err, ErrUnreadable) != c.unreadable {
			t.Errorf("%s: %v, %v", name, ours, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"batch", "bounce-permanent", "complaint", "delay", "send"} {
		for _, m := range file(f, "feedback-"+name+".json").Records {
			f.Add([]byte(m.Body))
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		k, r, ours, err := Parse(raw)
		if err != nil && !errors.Is(err, ErrUnreadable) {
			t.Errorf("%v", err)
		}
		if !ours {
			return
		}
		if err != nil || r.MessageID == "" || figures[r.State] == "" || !strings.HasPrefix(k.ID, "inv_") {
			t.Errorf("%v, %+v, %v", k, r, err)
		}
		if _, ok := partner.ParseTenantID(string(k.Tenant)); !ok {
			t.Errorf("tenant %q", k.Tenant)
		}
	})
}

func TestPausedIsTold(t *testing.T) {
	var out bytes.Buffer
	tell := Paused(slog.New(slog.NewJSONHandler(&out, nil)), &observe.Metrics{Stack: "s", Function: "feedback", Out: &out})
	tell(t.Context(), key.Tenant, partner.Pause{At: time.Unix(0, 0), Reason: partner.Complaints}, registry.Score{Mails: 640, Complaints: 3})
	for _, part := range []string{`"msg":"sending paused"`, `"level":"WARN"`, `"tenant":"` + string(key.Tenant) + `"`, `"reason":"complaints"`, `"mails":640`, `"complaints":3`, `"SendingPaused":1`, `"Function":"feedback"`} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("no %s in %s", part, &out)
		}
	}
	quiet(t, out.String())
}
