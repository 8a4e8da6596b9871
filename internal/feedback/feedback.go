// Package feedback reads what Amazon SES says became of our mails: events that come through a topic of SNS and a queue of SQS.
//
// An event names the mail by its message id and by the tags that the mail was sent with: invitation, granular, enrolment or review,
// tenant, generation, kind.
// The address that it repeats is read of a notice to a partner's contact, of mails about granular administration and enrolment, and of
// those that ask a company, alone, the headers never. Events come at least once, in no order,
// as late as a day or more; what they come to is the domain's ([outbox.Report]), and each can be given to it again.
//
// A message of a batch that fails stays in the queue and comes again by itself; the others are done. One that nobody can ever read
// fails each time, until the queue moves it to its dead letters: there a person can see it, and it holds up nothing.
package feedback

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"concord/internal/enrolment"
	"concord/internal/invitation"
	"concord/internal/observe"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/publicid"
)

// Queue works off batches of messages.
type Queue struct {
	// Recorder records reports; see [Recorder.Record], whose contract it is.
	Recorder interface {
		Record(ctx context.Context, k Key, r outbox.Report) (outbox.State, outbox.Verdict, error)
	}
	Log     *slog.Logger
	Metrics *observe.Metrics
	// Reserve is what one message may take. When less is left before the deadline, the rest is left to the next batch.
	Reserve time.Duration
}

// ErrUnreadable is a message that is no event of SES in a notification of SNS.
var ErrUnreadable = errors.New("feedback: unreadable")

// Function is what Lambda calls for each group of messages.
type Function = func(context.Context, events.SQSEvent) (events.SQSEventResponse, error)

// Handle is the function that Lambda calls for each batch. It names the messages that are to come again.
func (q *Queue) Handle(ctx context.Context, b events.SQSEvent) (events.SQSEventResponse, error) {
	out := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	for n, m := range b.Records {
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < q.Reserve {
			q.Log.WarnContext(ctx, "out of time", "left", len(b.Records)-n)
			for _, left := range b.Records[n:] {
				out.BatchItemFailures = append(out.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: left.MessageId})
			}
			return out, nil
		}
		if err := q.one(ctx, m); err != nil {
			q.Log.ErrorContext(ctx, "feedback failed", "sqsMessage", m.MessageId, "received", m.Attributes["ApproximateReceiveCount"], "error", err)
			q.Metrics.Put(map[string]float64{"FeedbackFailed": 1})
			out.BatchItemFailures = append(out.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
		}
	}
	return out, nil
}

func (q *Queue) one(ctx context.Context, m events.SQSMessage) error {
	key, report, ours, err := Parse([]byte(m.Body))
	if err != nil {
		return err
	}
	if !ours {
		q.Metrics.Put(map[string]float64{"FeedbackIgnored": 1})
		return nil
	}
	state, verdict, err := q.Recorder.Record(ctx, key, report)
	if err != nil {
		return fmt.Errorf("feedback: record %s: %w", key.ID, err)
	}
	q.Log.InfoContext(ctx, "feedback", "invitation", key.ID, "tenant", key.Tenant, "said", report.State, "reason", report.Reason,
		"verdict", verdict, "delivery", state, "messageId", report.MessageID)
	q.Metrics.Put(map[string]float64{figures[report.State]: 1, verdicts[verdict]: 1})
	return nil
}

// figures are the metrics of what SES says, verdicts those of what it came to. Together in one line they tell the rate of
// either.
var (
	figures = map[outbox.State]string{
		outbox.Sent: "SaidSent", outbox.Delayed: "SaidDelayed", outbox.Delivered: "SaidDelivered", outbox.Bounced: "SaidBounced",
		outbox.Rejected: "SaidRejected", outbox.Suppressed: "SaidSuppressed", outbox.Complained: "SaidComplained",
	}
	verdicts = map[outbox.Verdict]string{
		outbox.Recorded: "FeedbackRecorded", outbox.Known: "FeedbackKnown", outbox.Stale: "FeedbackStale",
		outbox.OfNobody: "FeedbackUnknown", outbox.OfNotice: "FeedbackOfNotice",
	}
)

// notification is what SNS puts into a queue that did not ask for raw messages.
type notification struct {
	Type    string
	Message *string
}

// validation is how the text begins that SES publishes to a topic which becomes its destination.
const validation = "Successfully validated SNS topic"

// event is what is read of an event of SES.
type event struct {
	EventType string `json:"eventType"`
	Mail      struct {
		MessageID   string              `json:"messageId"`
		Destination []string            `json:"destination"`
		Tags        map[string][]string `json:"tags"`
	} `json:"mail"`
	Bounce struct {
		Type    string `json:"bounceType"`
		SubType string `json:"bounceSubType"`
	} `json:"bounce"`
	Complaint struct {
		Type    string `json:"complaintFeedbackType"`
		SubType string `json:"complaintSubType"`
	} `json:"complaint"`
	Delay struct {
		Type string `json:"delayType"`
	} `json:"deliveryDelay"`
}

// Parse reads the body of a message. Ours is false for what says nothing of a mail of ours: a kind of event that was not asked for, a mail
// without our tags, the words with which SES greets a new topic. The error is [ErrUnreadable] and repeats nothing of the body.
func Parse(body []byte) (k Key, r outbox.Report, ours bool, err error) {
	unreadable := func(what string) (Key, outbox.Report, bool, error) {
		return Key{}, outbox.Report{}, false, fmt.Errorf("%w: %s", ErrUnreadable, what)
	}
	var n notification
	if json.Unmarshal(body, &n) != nil || n.Type != "Notification" || n.Message == nil {
		return unreadable("no notification of SNS")
	}
	if strings.HasPrefix(*n.Message, validation) {
		return k, r, false, nil
	}
	var e event
	if json.Unmarshal([]byte(*n.Message), &e) != nil || e.EventType == "" || e.Mail.MessageID == "" {
		return unreadable("no event of SES")
	}
	report, known := e.report()
	tag := func(name string) string {
		if values := e.Mail.Tags[name]; len(values) == 1 {
			return values[0]
		}
		return ""
	}
	tenant, isTenant := partner.ParseTenantID(tag("tenant"))
	generation, notNumber := strconv.Atoi(tag("generation"))
	id, isGranular := tag("invitation"), publicid.Is(publicid.Granular, tag("granular"))
	if isGranular {
		id = tag("granular")
	}
	isEnrolment := publicid.Is(enrolment.Prefix, tag("enrolment"))
	if isEnrolment {
		id = tag("enrolment")
	}
	isReview := isTenant && tag("review") == string(tenant)
	if isReview {
		id = string(tenant)
	}
	if !known || !isTenant || notNumber != nil || !isGranular && !isEnrolment && !isReview && !strings.HasPrefix(id, "inv_") {
		return k, r, false, nil //nolint:nilerr // a mail that somebody else sent is no error
	}
	report.MessageID, report.Generation, report.Kind = e.Mail.MessageID, generation, notice(tag("kind"))
	if (isGranular || isEnrolment || isReview || invitation.Notices.ToPartner(report.Kind)) && len(e.Mail.Destination) == 1 {
		report.To = e.Mail.Destination[0]
	}
	return Key{Tenant: tenant, ID: id}, report, true, nil
}

// notice gives what a mail's tag says of its kind: empty for the mail that invites, the older ones of which have no such tag.
func notice(kind string) outbox.Kind {
	if kind == "invitation" {
		return ""
	}
	return outbox.Kind(kind)
}

// report says what an event means, and false for a kind of event that says nothing about the delivery.
func (e event) report() (outbox.Report, bool) {
	switch e.EventType {
	case "Send":
		return outbox.Report{State: outbox.Sent}, true
	case "Delivery":
		return outbox.Report{State: outbox.Delivered}, true
	case "DeliveryDelay":
		return outbox.Report{State: outbox.Delayed, Reason: word(delays, e.Delay.Type, "delayed")}, true
	case "Reject":
		return outbox.Report{State: outbox.Rejected, Reason: "bad_content"}, true
	case "Bounce":
		return e.bounce(), true
	case "Complaint":
		switch {
		case e.Complaint.SubType == onList:
			return outbox.Report{State: outbox.Suppressed, Reason: "complained_before", Undeliverable: true}, true
		case e.Complaint.Type == "not-spam":
			// Somebody took it out of the unwanted mail: the opposite of a complaint, and proof that it arrived.
			return outbox.Report{State: outbox.Delivered}, true
		}
		return outbox.Report{State: outbox.Complained, Reason: word(complaints, e.Complaint.Type, "complaint"), Undeliverable: true}, true
	}
	return outbox.Report{}, false
}

func (e event) bounce() outbox.Report {
	r := outbox.Report{State: outbox.Bounced}
	switch e.Bounce.Type {
	case "Permanent":
		if reason, listed := lists[e.Bounce.SubType]; listed {
			r.State, r.Reason = outbox.Suppressed, reason
		} else {
			r.Reason = word(permanent, e.Bounce.SubType, "bounce_permanent")
		}
		r.Undeliverable = true
	case "Transient":
		r.Reason = word(temporary, e.Bounce.SubType, outbox.TransientBounce)
	default:
		r.Reason = "bounce_undetermined"
	}
	return r
}

const onList = "OnAccountSuppressionList"

// The words that partners see for what SES says. SES adds to its own from time to time: one that is not here gets the general
// word of its kind.
var (
	permanent = map[string]string{"General": "bounce_permanent", "NoEmail": "address_unknown"}
	// SES did not try, because of what happened to earlier mail to the address.
	lists     = map[string]string{"Suppressed": "bounced_before", onList: "bounced_before", "UnsubscribedRecipient": "unsubscribed"}
	temporary = map[string]string{
		"General": outbox.TransientBounce, "MailboxFull": "mailbox_full", "MessageTooLarge": "message_too_large",
		"CustomTimeoutExceeded": "not_delivered_in_time", "ContentRejected": "content_refused", "AttachmentRejected": "attachment_refused",
	}
	delays = map[string]string{
		"InternalFailure": "sender_trouble", "General": "delayed", "MailboxFull": "mailbox_full", "SpamDetected": "taken_for_spam",
		"RecipientServerError": "recipient_server_error", "IPFailure": "sender_blocked", "TransientCommunicationFailure": "recipient_server_unreachable",
		"BYOIPHostNameLookupUnavailable": "sender_trouble", "Undetermined": "delayed", "SendingDeferral": "sending_deferred",
	}
	complaints = map[string]string{
		"abuse": "complaint_abuse", "auth-failure": "complaint_authentication", "fraud": "complaint_fraud", "virus": "complaint_virus", "other": "complaint",
	}
)

func word(of map[string]string, said, general string) string {
	if w, ok := of[said]; ok {
		return w
	}
	return general
}
