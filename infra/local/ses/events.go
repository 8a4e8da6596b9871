package ses

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Event is what SES publishes through the configuration set about one mail to one recipient. Mail without a configuration set has
// none.
type Event struct {
	Type string // "Send", "Delivery", "DeliveryDelay", "Bounce", "Complaint" or "Reject"
	// Reason is the kind of a bounce with its sort ("Permanent/General"), of a delay ("MailboxFull") or of a complaint ("abuse").
	Reason           string
	MessageID        string
	Recipient        string
	Tags             map[string]string
	ConfigurationSet string
	At               time.Time
	mail             *Mail
}

// Subject is that of the message in which SES publishes an event to a topic.
const Subject = "Amazon SES Email Event Notification"

// Destined gives the event's type as an event destination names it: "send", "deliveryDelay".
func (e Event) Destined() string { return strings.ToLower(e.Type[:1]) + e.Type[1:] }

// JSON gives the event as SES publishes it, with its line break.
func (e Event) JSON() []byte {
	at, sent := timestamp(e.At), timestamp(e.mail.At)
	type object = map[string]any
	tags := map[string][]string{
		"ses:configuration-set": {e.ConfigurationSet}, "ses:operation": {"SendEmail"}, "ses:source-ip": {"127.0.0.1"}, "ses:caller-identity": {"local"},
		"ses:from-domain": {e.mail.From[strings.LastIndexByte(e.mail.From, '@')+1 : len(strings.TrimSuffix(e.mail.From, ">"))]},
	}
	for name, value := range e.Tags {
		tags[name] = []string{value}
	}
	header := func(name, value string) object { return object{"name": name, "value": value} }
	all := object{"eventType": e.Type, "mail": object{
		"timestamp": sent, "source": e.mail.From, "sendingAccountId": account, "messageId": e.MessageID, "destination": []string{e.Recipient},
		"headersTruncated": false,
		"headers":          []object{header("From", e.mail.From), header("To", e.Recipient), header("Subject", e.mail.Subject), header("MIME-Version", "1.0")},
		"commonHeaders":    object{"from": []string{e.mail.From}, "to": []string{e.Recipient}, "messageId": e.MessageID, "subject": e.mail.Subject},
		"tags":             tags,
	}}
	recipient := object{"emailAddress": e.Recipient}
	kind, sort, _ := strings.Cut(e.Reason, "/")
	switch e.Type {
	case "Send":
		all["send"] = object{}
	case "Delivery":
		all["delivery"] = object{
			"timestamp": at, "processingTimeMillis": max(1, e.At.Sub(e.mail.At).Milliseconds()), "recipients": []string{e.Recipient}, "smtpResponse": "250 ok",
			"remoteMtaIp": "127.0.0.2", "reportingMTA": "mta.local",
		}
	case "DeliveryDelay":
		recipient["status"], recipient["diagnosticCode"] = "4.2.2", "smtp; 452 4.2.2 try again"
		all["deliveryDelay"] = object{
			"timestamp": at, "delayType": kind, "expirationTime": timestamp(e.mail.At.Add(14 * time.Hour)), "delayedRecipients": []object{recipient},
		}
	case "Bounce":
		recipient["action"], recipient["status"], recipient["diagnosticCode"] = "failed", "5.1.1", "smtp; 550 5.1.1 no such user"
		all["bounce"] = object{
			"bounceType": kind, "bounceSubType": sort, "bouncedRecipients": []object{recipient}, "timestamp": at, "feedbackId": feedbackID(e.At),
			"reportingMTA": "dsn; mta.local",
		}
	case "Complaint":
		all["complaint"] = object{
			"complainedRecipients": []object{recipient}, "timestamp": at, "feedbackId": feedbackID(e.At), "complaintSubType": nil, "userAgent": "local",
			"complaintFeedbackType": kind, "arrivalDate": at,
		}
	case "Reject":
		all["reject"] = object{"reason": "Bad content"}
	}
	text, err := json.Marshal(all)
	if err != nil {
		panic(err) // texts and numbers only
	}
	return append(text, '\n')
}

const account = "000000000000"

func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func feedbackID(at time.Time) string {
	var random [16]byte
	_, _ = rand.Read(random[:])
	return "0100" + hex.EncodeToString([]byte(at.Format("150405"))) + "-" + hex.EncodeToString(random[:]) + "-000000"
}

// usualDelay is how long after its answer SES publishes what it says of a mail; a sender that is told at once is told before it
// knows that the mail was taken ([EventsEarly]).
const usualDelay = 50 * time.Millisecond

// course is what becomes of one mail: what is said at once, and what waits for the next move of the clock.
type course struct {
	now, later                   []Event
	mailbox, mailboxLater, early bool
}

// accept takes a mail and decides what becomes of it.
func (s *Server) accept(m *Mail) {
	c := s.decide(m)
	s.mu.Lock()
	if c.mailbox {
		s.keep(m)
	}
	if c.mailboxLater || len(c.later) > 0 {
		s.waiting = append(s.waiting, func() {
			if c.mailboxLater {
				s.mu.Lock()
				s.keep(m)
				s.mu.Unlock()
			}
			s.publish(c.later)
		})
	}
	s.mu.Unlock()
	if c.early {
		s.publish(c.now)
		return
	}
	s.note(c.now)
	time.AfterFunc(usualDelay, func() { s.tell(c.now) })
}

// decide uses up the faults about the fate of a mail and about its events.
func (s *Server) decide(m *Mail) course {
	var c course
	event := func(recipient, kind, reason string) Event {
		return Event{Type: kind, Reason: reason, MessageID: m.MessageID, Recipient: recipient, Tags: m.Tags, ConfigurationSet: m.ConfigurationSet, At: m.At, mail: m}
	}
	for _, recipient := range slices.Concat(m.Destination.To, m.Destination.Cc, m.Destination.Bcc) {
		events, inbox := fate(recipient)
		var later []Event
		laterBox := false
		switch kind, detail := s.nextFault(ofFate, recipient); kind {
		case Bounces:
			events, inbox = []Event{{Type: "Bounce", Reason: detail}}, false
		case BouncesLater:
			events, inbox = []Event{{Type: "Delivery"}, {Type: "Bounce", Reason: detail}}, true
		case Complains:
			events, inbox = []Event{{Type: "Delivery"}, {Type: "Complaint", Reason: detail}}, true
		case Rejects:
			events, inbox = []Event{{Type: "Reject"}}, false
		case Delays:
			events, later, inbox, laterBox = []Event{{Type: "DeliveryDelay", Reason: detail}}, events, false, inbox
		}
		c.mailbox, c.mailboxLater = c.mailbox || inbox, c.mailboxLater || laterBox
		if m.ConfigurationSet == "" {
			continue
		}
		c.now = append(c.now, event(recipient, "Send", ""))
		for _, e := range events {
			c.now = append(c.now, event(recipient, e.Type, e.Reason))
		}
		for _, e := range later {
			c.later = append(c.later, event(recipient, e.Type, e.Reason))
		}
	}
	switch kind, _ := s.nextFault(ofEvents, m.Destination.first()); kind {
	case EventsLost:
		c.now, c.later = nil, nil
	case EventsDoubled:
		c.now = append(c.now, c.now...)
	case EventsReordered:
		slices.Reverse(c.now)
	case EventsLate:
		c.now, c.later = nil, append(c.now, c.later...)
	case EventsEarly:
		c.early = true
	}
	c.mailboxLater = c.mailboxLater && !c.mailbox
	return c
}

func (d Destination) first() string {
	if len(d.To) == 0 {
		return ""
	}
	return d.To[0]
}

// Moved says everything that was kept until the clock moved.
func (s *Server) Moved() {
	s.mu.Lock()
	waiting := s.waiting
	s.waiting = nil
	s.mu.Unlock()
	for _, f := range waiting {
		f()
	}
}

func (s *Server) publish(events []Event) {
	s.note(events)
	s.tell(events)
}

func (s *Server) note(events []Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = newest(append(s.events, events...), s.options.Keep)
}

func (s *Server) tell(events []Event) {
	select {
	case <-s.closing:
		return
	default:
	}
	if s.options.Publish == nil {
		return
	}
	for _, e := range events {
		s.options.Publish(e)
	}
}
