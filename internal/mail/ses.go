package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	netmail "net/mail"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"github.com/aws/smithy-go"
	"golang.org/x/net/idna"

	"concord/internal/awsenv"
	"concord/internal/outbox"
)

// SendTimeout bounds one send, connection included. It is far shorter than a claim's lease.
const SendTimeout = 10 * time.Second

// Connections idle for longer are not used again: what the other side has closed while the sandbox was frozen would turn
// a send into one of unknown outcome.
const idle = 5 * time.Second

// SES sends through Amazon SES, API version 2. Nothing is sent twice by it: the SDK's own retries are off.
type SES struct {
	client *sesv2.Client
	from   string
	sets   Sets
}

// Sets are the configuration sets of SES, which say what it tells of a mail.
type Sets struct {
	Followed string // each step
	Notices  string // what is said against it
}

// NewSES makes a sender from an address such as "Concord <invitations@example.com>". It fails when that is no address.
func NewSES(cfg aws.Config, from string, sets Sets) (*SES, error) {
	address, err := netmail.ParseAddress(from)
	if err != nil {
		return nil, fmt.Errorf("mail: sender: %w", err)
	}
	if cfg.HTTPClient == nil {
		cfg.HTTPClient = awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
			t.IdleConnTimeout, t.MaxIdleConnsPerHost = idle, mostAway
		})
	}
	return &SES{
		client: sesv2.NewFromConfig(cfg, func(o *sesv2.Options) {
			o.BaseEndpoint = awsenv.Endpoint("SESV2")
			o.Retryer = aws.NopRetryer{}
		}),
		from: address.String(), // encodes what is not ASCII
		sets: sets,
	}, nil
}

// Message is one mail to one recipient.
type Message struct {
	To, ReplyTo         string // bare addresses; ReplyTo may be empty
	Subject, Text, HTML string
	// Unsubscribe, when not empty, is where one click ends such mail (RFC 8058): an https URL, and a bearer value.
	Unsubscribe string
	// Automatic says that no person has asked for this mail now, so that nobody's automatic answer is wanted (RFC 3834).
	Automatic bool
	// Notice says that nobody follows its way: SES tells what is said against it, and nothing else.
	Notice bool
	// Tags come back with the events that SES sends about the mail. ASCII letters, digits, hyphen and underscore only.
	Tags map[string]string
}

// Send hands a mail to SES and gives what became of it. It never fails: that nobody can tell is an outcome too.
func (s *SES) Send(ctx context.Context, m Message) Outcome {
	ctx, cancel := context.WithTimeout(ctx, SendTimeout)
	defer cancel()
	// Before there is a connection SES cannot have got anything; after it, it may have.
	var connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }})
	set := s.sets.Followed
	if m.Notice {
		set = s.sets.Notices
	}
	in := &sesv2.SendEmailInput{
		FromEmailAddress:     &s.from,
		Destination:          &types.Destination{ToAddresses: []string{wire(m.To)}},
		ConfigurationSetName: &set,
		Content: &types.EmailContent{Simple: &types.Message{
			Subject: utf8(m.Subject),
			Body:    &types.Body{Text: utf8(m.Text), Html: utf8(m.HTML)},
		}},
	}
	if m.ReplyTo != "" {
		in.ReplyToAddresses = []string{wire(m.ReplyTo)}
	}
	header := func(name, value string) {
		in.Content.Simple.Headers = append(in.Content.Simple.Headers, types.MessageHeader{Name: &name, Value: &value})
	}
	if m.Unsubscribe != "" {
		header("List-Unsubscribe", "<"+m.Unsubscribe+">")
		header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")
	}
	if m.Automatic {
		header("Auto-Submitted", "auto-generated")
	}
	for name, value := range m.Tags {
		in.EmailTags = append(in.EmailTags, types.MessageTag{Name: aws.String(name), Value: aws.String(value)})
	}
	out, err := s.client.SendEmail(ctx, in)
	if err != nil {
		return classify(err, connected.Load())
	}
	return Outcome{Outcome: outbox.Outcome{State: outbox.Sent, MessageID: aws.ToString(out.MessageId)}}
}

func utf8(s string) *types.Content { return &types.Content{Data: &s, Charset: aws.String("UTF-8")} }

// wire gives an address as SES takes it: an international domain in its ASCII form, everything else as it was typed.
func wire(address string) string {
	i := strings.LastIndexByte(address, '@')
	if domain, err := idna.Lookup.ToASCII(address[i+1:]); err == nil && i > 0 && !isASCII(address) {
		return address[:i+1] + domain
	}
	return address
}

func isASCII(s string) bool { return !strings.ContainsFunc(s, func(r rune) bool { return r > 0x7e }) }

// Outcome is what became of one attempt. Reasons are words that partners see and that never change.
type Outcome struct {
	outbox.Outcome
	// Code is what SES or the network called it, for the log; it holds nothing of the mail.
	Code string
}

// What an answer of SES means for the mail. Permanent is what would be answered again to the same mail; over the rate or the
// quota, while the account is paused, until the sender's DNS records are seen and while the role does not allow to send, mail waits and no attempt
// counts; what else
// an operator can put right is tried for the hour that the attempts last. The first row that fits counts.
var verdicts = []struct {
	code  string // of the error; SES and the API in front of it have different ones for the same
	says  string // part of the message that tells this row from another with its code; usually empty
	state outbox.State
	word  string
	later time.Duration
}{
	{"TooManyRequestsException", "", outbox.Waiting, "rate_exceeded", time.Minute},
	{"ThrottlingException", "", outbox.Waiting, "rate_exceeded", time.Minute},
	{"Throttling", "", outbox.Waiting, "rate_exceeded", time.Minute},
	{"LimitExceededException", "", outbox.Waiting, "quota_exceeded", 15 * time.Minute},
	{"SendingPausedException", "", outbox.Waiting, "sending_paused", 15 * time.Minute},
	{"AccountSuspendedException", "", outbox.Failed, "sender_suspended", 0},
	{"MailFromDomainNotVerifiedException", "", outbox.Waiting, "sender_not_verified", 15 * time.Minute},
	{"NotFoundException", "", outbox.Waiting, "sender_misconfigured", 0}, // no such configuration set
	// SES has no code of its own for a sender whose DKIM records it has not seen, nor for a recipient while the account is in
	// the sandbox: both are "Email address is not verified", and the mail itself is as good as before.
	{"MessageRejected", "not verified", outbox.Waiting, "sender_not_verified", 15 * time.Minute},
	// The role of the mailer does not allow it: in the sandbox, where SES asks for the recipient's identity too, or by somebody's hand.
	{"AccessDeniedException", "", outbox.Waiting, "sender_refused", 15 * time.Minute},
	{"AccessDenied", "", outbox.Waiting, "sender_refused", 15 * time.Minute},
	{"MessageRejected", "", outbox.Failed, "message_rejected", 0},
	{"BadRequestException", "", outbox.Failed, "message_invalid", 0},
}

// blocked are the reasons for which no mail leaves, or soon none will, until an operator puts something right.
var blocked = []string{"quota_exceeded", "sending_paused", "sender_suspended", "sender_not_verified", "sender_misconfigured", "sender_refused"}

// classify says what an error means. Connected tells whether SES can have received anything.
func classify(err error, connected bool) Outcome {
	verdict := func(state outbox.State, word, code string, later time.Duration) Outcome {
		return Outcome{outbox.Outcome{State: state, Reason: word, Later: later}, code}
	}
	status := 0
	if r, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		status = r.HTTPStatusCode()
	}
	api, answered := errors.AsType[smithy.APIError](err)
	switch {
	case status >= http.StatusInternalServerError:
		// SES may have taken the mail and failed afterwards.
		return verdict(outbox.Unknown, "sender_unavailable", "HTTP "+strconv.Itoa(status), 0)
	case answered && status >= http.StatusBadRequest:
		for _, v := range verdicts {
			if v.code == api.ErrorCode() && strings.Contains(strings.ToLower(api.ErrorMessage()), v.says) {
				return verdict(v.state, v.word, v.code, v.later)
			}
		}
		if status == http.StatusTooManyRequests {
			return verdict(outbox.Waiting, "rate_exceeded", api.ErrorCode(), time.Minute)
		}
		return verdict(outbox.Waiting, "sender_refused", api.ErrorCode(), 0) // credentials and the like
	case !connected:
		return verdict(outbox.Waiting, "sender_unreachable", cause(err), 0)
	default:
		return verdict(outbox.Unknown, "sender_silent", cause(err), 0)
	}
}

// cause names the kind of a failure without the text of the error, which could quote the mail.
func cause(err error) string {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "cancelled"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "certificate"
	}
	return "connection"
}
