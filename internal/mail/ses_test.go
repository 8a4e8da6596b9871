package mail

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"

	"concord/internal/invitation"
	"concord/internal/observe"
	"concord/internal/outbox"
)

// credentials are those of nobody.
var credentials = aws.Config{
	Region: "us-east-1",
	Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b"}, nil
	}),
}

func sender(t *testing.T, endpoint string) *SES {
	t.Helper()
	t.Setenv("AWS_ENDPOINT_URL_SESV2", endpoint)
	s, err := NewSES(credentials, `Concord <invitations@mail.example>`, Sets{Followed: "concord-set", Notices: "concord-notices"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var message = Message{
	To: "ada@larch.example", ReplyTo: "hello@dogwood.example", Subject: "Sujet é", Text: "text", HTML: "<p>html",
	Tags: map[string]string{"invitation": "inv_a"},
}

func TestClassification(t *testing.T) {
	const (
		waiting = outbox.Waiting
		unknown = outbox.Unknown
		failed  = outbox.Failed
	)
	// What SES says of a sender whose DKIM records it has not seen.
	const notVerified = "Email address is not verified. The following identities failed the check in region US-EAST-1:"
	rows := []struct {
		code   string
		status int
		want   outbox.Outcome
		says   string
	}{
		{"TooManyRequestsException", 429, outbox.Outcome{State: waiting, Reason: "rate_exceeded", Later: time.Minute}, ""},
		{"ThrottlingException", 400, outbox.Outcome{State: waiting, Reason: "rate_exceeded", Later: time.Minute}, ""},
		{"Throttling", 400, outbox.Outcome{State: waiting, Reason: "rate_exceeded", Later: time.Minute}, ""},
		{"SomethingElse", 429, outbox.Outcome{State: waiting, Reason: "rate_exceeded", Later: time.Minute}, ""},
		{"LimitExceededException", 400, outbox.Outcome{State: waiting, Reason: "quota_exceeded", Later: 15 * time.Minute}, ""},
		{"SendingPausedException", 400, outbox.Outcome{State: waiting, Reason: "sending_paused", Later: 15 * time.Minute}, ""},
		{"AccountSuspendedException", 400, outbox.Outcome{State: failed, Reason: "sender_suspended"}, ""},
		{"MailFromDomainNotVerifiedException", 400, outbox.Outcome{State: waiting, Reason: "sender_not_verified", Later: 15 * time.Minute}, ""},
		{"NotFoundException", 404, outbox.Outcome{State: waiting, Reason: "sender_misconfigured"}, ""},
		{"MessageRejected", 400, outbox.Outcome{State: failed, Reason: "message_rejected"}, "Email contains a virus."},
		{"MessageRejected", 400, outbox.Outcome{State: waiting, Reason: "sender_not_verified", Later: 15 * time.Minute}, notVerified},
		{"BadRequestException", 400, outbox.Outcome{State: failed, Reason: "message_invalid"}, ""},
		{"AccessDeniedException", 403, outbox.Outcome{State: waiting, Reason: "sender_refused", Later: 15 * time.Minute}, ""},
		{"AccessDenied", 403, outbox.Outcome{State: waiting, Reason: "sender_refused", Later: 15 * time.Minute}, ""},
		{"ExpiredTokenException", 403, outbox.Outcome{State: waiting, Reason: "sender_refused"}, ""},
		{"InternalServiceErrorException", 500, outbox.Outcome{State: unknown, Reason: "sender_unavailable"}, ""},
		{"TooManyRequestsException", 503, outbox.Outcome{State: unknown, Reason: "sender_unavailable"}, ""},
		{"", 502, outbox.Outcome{State: unknown, Reason: "sender_unavailable"}, ""},
	}
	seen := map[string]bool{}
	for _, row := range rows {
		seen[row.code+" "+row.want.Reason] = true
		t.Run(row.code+" "+row.want.Reason, func(t *testing.T) {
			var requests atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				requests.Add(1)
				w.Header().Set("X-Amzn-Errortype", row.code)
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(row.status)
				_ = json.NewEncoder(w).Encode(map[string]string{"message": row.says + " ada@larch.example"})
			}))
			defer server.Close()
			got := sender(t, server.URL).Send(t.Context(), message)
			if d := cmp.Diff(row.want, got.Outcome); d != "" {
				t.Error(d)
			}
			if got.Code == "" || strings.Contains(got.Code, "ada") {
				t.Errorf("code for the log: %q", got.Code)
			}
			if n := requests.Load(); n != 1 {
				t.Errorf("%d requests", n)
			}
		})
	}
	for _, v := range verdicts {
		if !seen[v.code+" "+v.word] {
			t.Errorf("%s %s is not tested", v.code, v.word)
		}
	}
}

func TestWhatAnOperatorHasToPutRightIsCounted(t *testing.T) {
	figures := func(o Outcome) map[string]any {
		var out bytes.Buffer
		d := Dispatcher{Log: slog.New(slog.DiscardHandler), Metrics: &observe.Metrics{Stack: "concord", Function: "mailer", Out: &out}}
		d.count(t.Context(), about{what: "invitation", figures: "Mail"}, invitation.InviteMail, 1, o, o.State == outbox.Failed)
		var line map[string]any
		if err := json.Unmarshal(out.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		return line
	}
	words := map[string]bool{"sender_refused": true}
	for _, v := range verdicts {
		words[v.word] = true
		line := figures(Outcome{Outcome: outbox.Outcome{State: v.state, Reason: v.word}})
		if want := slices.Contains(blocked, v.word); (line["MailBlocked"] == 1.0) != want || line["MailRetried"] == line["MailFailed"] {
			t.Errorf("%s: %v", v.word, line)
		}
	}
	for _, word := range blocked {
		if !words[word] {
			t.Errorf("no outcome has the reason %s", word)
		}
	}
	if line := figures(Outcome{Outcome: outbox.Outcome{State: outbox.Sent}}); line["MailBlocked"] != nil || line["MailSent"] != 1.0 {
		t.Errorf("sent: %v", line)
	}
	if line := figures(Outcome{Outcome: outbox.Outcome{State: outbox.Waiting, Reason: "sending_paused"}}); line["MailBlocked"] != 1.0 {
		t.Errorf("paused: %v", line)
	}
}

func TestWithoutAnAnswer(t *testing.T) {
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc // nil for a server that is not there
		want    outbox.Outcome
		code    string
	}{
		{"nobody listens", nil, outbox.Outcome{State: outbox.Waiting, Reason: "sender_unreachable"}, "connection"},
		{"time-out after accept", func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		}, outbox.Outcome{State: outbox.Unknown, Reason: "sender_silent"}, "timeout"},
		{"hangs up after accept", func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			panic(http.ErrAbortHandler)
		}, outbox.Outcome{State: outbox.Unknown, Reason: "sender_silent"}, "connection"},
		{"answer is garbled", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"MessageId":`) },
			outbox.Outcome{State: outbox.Unknown, Reason: "sender_silent"}, "connection"},
	} {
		t.Run(c.name, func(t *testing.T) {
			handler := c.handler
			if handler == nil {
				handler = func(http.ResponseWriter, *http.Request) {}
			}
			server := httptest.NewServer(handler)
			defer server.Close()
			s := sender(t, server.URL)
			if c.handler == nil {
				server.Close()
			}
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			got := s.Send(ctx, message)
			if d := cmp.Diff(Outcome{c.want, c.code}, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestRequest(t *testing.T) {
	var got map[string]any
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != "/v2/email/outbound-emails" {
			t.Errorf("%s %s", r.Method, r.URL.Path)
		}
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
		_, _ = io.WriteString(w, `{"MessageId":"0100"}`)
	}))
	defer server.Close()
	m := message
	m.To = "Ada+x@lärche.example"
	m.Unsubscribe, m.Automatic = "https://portal.example/u/AQID", true
	o := sender(t, server.URL).Send(t.Context(), m)
	if d := cmp.Diff(Outcome{Outcome: outbox.Outcome{State: outbox.Sent, MessageID: "0100"}}, o); d != "" {
		t.Error(d)
	}
	part := func(s string) any { return map[string]any{"Data": s, "Charset": "UTF-8"} }
	want := map[string]any{
		"FromEmailAddress":     `"Concord" <invitations@mail.example>`,
		"ReplyToAddresses":     []any{"hello@dogwood.example"},
		"Destination":          map[string]any{"ToAddresses": []any{"Ada+x@xn--lrche-gra.example"}},
		"ConfigurationSetName": "concord-set",
		"EmailTags":            []any{map[string]any{"Name": "invitation", "Value": "inv_a"}},
		"Content": map[string]any{"Simple": map[string]any{
			"Subject": part("Sujet é"), "Body": map[string]any{"Text": part("text"), "Html": part("<p>html")},
			"Headers": []any{
				map[string]any{"Name": "List-Unsubscribe", "Value": "<https://portal.example/u/AQID>"},
				map[string]any{"Name": "List-Unsubscribe-Post", "Value": "List-Unsubscribe=One-Click"},
				map[string]any{"Name": "Auto-Submitted", "Value": "auto-generated"},
			},
		}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	m.Notice = true
	sender(t, server.URL).Send(t.Context(), m)
	if got["ConfigurationSetName"] != "concord-notices" {
		t.Errorf("a notice goes by the set %v", got["ConfigurationSetName"])
	}
	got = nil
	sender(t, server.URL).Send(t.Context(), message)
	if content, _ := got["Content"].(map[string]any)["Simple"].(map[string]any); content == nil || content["Headers"] != nil {
		t.Errorf("the mail that invites has headers of its own: %v", content)
	}
}

func TestSenderAddress(t *testing.T) {
	for from, want := range map[string]string{
		"a@mail.example":           "<a@mail.example>",
		"Éclair <a@mail.example>":  "=?utf-8?q?=C3=89clair?= <a@mail.example>",
		"Concord <a@mail.example>": `"Concord" <a@mail.example>`,
	} {
		if s, err := NewSES(credentials, from, Sets{Followed: "set", Notices: "notices"}); err != nil || s.from != want {
			t.Errorf("%q: %v, %v", from, s, err)
		}
	}
	if _, err := NewSES(credentials, "Concord", Sets{}); err == nil {
		t.Error("a sender without an address")
	}
}

func TestLease(t *testing.T) {
	if SendTimeout*3 > outbox.Lease {
		t.Error("a lease has to be longer than a send")
	}
}
