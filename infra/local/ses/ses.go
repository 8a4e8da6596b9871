// Package ses is the local stack's stand-in for Amazon SES: a strict endpoint for SendEmail of SES v2 over its real wire protocol,
// and a mailbox that shows what recipients would have received. It refuses what SES refuses, with SES's codes and messages, and
// fails on demand in the ways in which SES fails. Signatures are not checked, only that a request is signed for SES.
package ses

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Options says what the account may send. The zero value verifies nobody, so that nothing can be sent.
type Options struct {
	// Port of the SES API and MailboxPort of the mailbox, both on 127.0.0.1; 0 picks a free one.
	Port, MailboxPort int
	// Identities are the verified senders: addresses, or domains, which include their subdomains.
	Identities []string
	// ConfigurationSets are the names of those that exist.
	ConfigurationSets []string
	// Keep is how many mails, and how many events, are kept; the oldest go first. Default 50,000.
	Keep int
}

// Server is a running endpoint with its mailbox.
type Server struct {
	options           Options
	endpoint, mailbox string
	servers           []*http.Server
	closing           chan struct{}
	closeOnce         sync.Once

	mu     sync.Mutex
	mails  []*Mail
	byID   map[string]*Mail
	events []Event
	faults []Fault
}

// Mail is one message in the mailbox, in the form of GET /store.
type Mail struct {
	From        string            `json:"from"` // as it was given, with the display name
	Destination Destination       `json:"destination"`
	Subject     string            `json:"subject"`
	Body        Body              `json:"body"`
	ReplyTo     []string          `json:"replyTo,omitempty"`
	Headers     []Header          `json:"headers,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
	// ConfigurationSet is empty when none was named.
	ConfigurationSet string    `json:"configurationSet,omitempty"`
	MessageID        string    `json:"messageId"`
	At               time.Time `json:"at"` // when SES accepted it, real time
}

// Destination holds bare addresses.
type Destination struct {
	To  []string `json:"to"`
	Cc  []string `json:"cc,omitempty"`
	Bcc []string `json:"bcc,omitempty"`
}

// Body holds the two parts; one of them may be empty.
type Body struct {
	HTML string `json:"html"`
	Text string `json:"text"`
}

// Header is a header that the sender added.
type Header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Event is what SES would publish through the configuration set about one recipient. Mail without a configuration set has none.
type Event struct {
	Type             string // "Delivery", "Bounce" or "Complaint"
	Reason           string // "Permanent/General" or "Permanent/OnAccountSuppressionList" for a bounce, "abuse" for a complaint
	MessageID        string
	Recipient        string
	Tags             map[string]string
	ConfigurationSet string
	At               time.Time
}

// The kinds of [Fault]. Error4xx takes SES's code behind a colon.
const (
	Throttle            = "throttle"            // TooManyRequestsException; not accepted
	Error4xx            = "error4xx"            // "error4xx:SendingPausedException"; not accepted
	Error5xx            = "error5xx"            // 500; not accepted
	Error5xxAfterAccept = "error5xxAfterAccept" // 500, and the mail goes out
	Timeout             = "timeout"             // no answer until the caller gives up; not accepted
	TimeoutAfterAccept  = "timeoutAfterAccept"  // no answer, and the mail goes out
	CloseAfterAccept    = "closeAfterAccept"    // the connection breaks, and the mail goes out
)

// Fault makes the next sends fail. A send is one HTTP request: the SDK's own retries count.
type Fault struct {
	Kind  string `json:"kind"`
	Times int    `json:"times"` // at least 1
}

// Start starts both servers. The error for a port that is taken says which variable changes it.
func Start(ctx context.Context, o Options) (*Server, error) {
	if o.Keep == 0 {
		o.Keep = 50_000
	}
	s := &Server{options: o, closing: make(chan struct{}), byID: map[string]*Mail{}}
	for _, part := range []struct {
		name    string
		port    int
		handler http.Handler
		url     *string
	}{
		{"the SES endpoint cannot have port %d: %w", o.Port, s.api(), &s.endpoint},
		{"the mailbox cannot have port %d (MAILBOX_PORT changes it): %w", o.MailboxPort, s.mailboxPages(), &s.mailbox},
	} {
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", "127.0.0.1:"+strconv.Itoa(part.port))
		if err != nil {
			s.Close()
			return nil, fmt.Errorf(part.name, part.port, err)
		}
		*part.url = "http://" + listener.Addr().String()
		server := &http.Server{Handler: part.handler, ReadHeaderTimeout: 10 * time.Second}
		s.servers = append(s.servers, server)
		go server.Serve(listener)
	}
	return s, nil
}

// Endpoint is the URL of the SES API, for the SDK's BaseEndpoint.
func (s *Server) Endpoint() string { return s.endpoint }

// MailboxURL is the URL of the mailbox.
func (s *Server) MailboxURL() string { return s.mailbox }

// Close ends both servers and every request that a fault keeps waiting.
func (s *Server) Close() error {
	s.closeOnce.Do(func() { close(s.closing) })
	var all error
	for _, server := range s.servers {
		all = errors.Join(all, server.Close())
	}
	return all
}

// Mails returns what is in the mailbox, oldest first.
func (s *Server) Mails() []*Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mails)
}

// Events returns what SES would have published, oldest first.
func (s *Server) Events() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

// Inject queues a fault behind those that are not used up. It refuses an unknown kind and a count below 1.
func (s *Server) Inject(f Fault) error {
	kind, code, _ := strings.Cut(f.Kind, ":")
	switch kind {
	case Throttle, Error5xx, Error5xxAfterAccept, Timeout, TimeoutAfterAccept, CloseAfterAccept:
		if code != "" {
			return fmt.Errorf("the fault %s takes no code", kind)
		}
	case Error4xx:
		if _, known := statuses[code]; !known {
			return fmt.Errorf("%q is no error code of SendEmail", code)
		}
	default:
		return fmt.Errorf("unknown kind of fault %q", f.Kind)
	}
	if f.Times < 1 {
		return errors.New("times must be at least 1")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, f)
	return nil
}

// ClearFaults forgets the faults that are not used up.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// nextFault uses up one time of the first fault and returns its kind and code; empty when there is none.
func (s *Server) nextFault() (kind, code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.faults) == 0 {
		return "", ""
	}
	kind, code, _ = strings.Cut(s.faults[0].Kind, ":")
	if s.faults[0].Times--; s.faults[0].Times == 0 {
		s.faults = s.faults[1:]
	}
	return kind, code
}

// accept puts the mail where its recipients are: an event for each, and the mailbox for those that are not the simulator's.
func (s *Server) accept(m *Mail) {
	s.mu.Lock()
	defer s.mu.Unlock()
	inbox := false
	for _, recipient := range slices.Concat(m.Destination.To, m.Destination.Cc, m.Destination.Bcc) {
		events, delivered := fate(recipient)
		inbox = inbox || delivered
		if m.ConfigurationSet == "" {
			continue
		}
		for _, e := range events {
			e.MessageID, e.Recipient, e.Tags, e.ConfigurationSet, e.At = m.MessageID, recipient, m.Tags, m.ConfigurationSet, m.At
			s.events = append(s.events, e)
		}
	}
	s.events = newest(s.events, s.options.Keep)
	if !inbox {
		return
	}
	s.mails = append(s.mails, m)
	s.byID[m.MessageID] = m
	for _, gone := range s.mails[:max(0, len(s.mails)-s.options.Keep)] {
		delete(s.byID, gone.MessageID)
	}
	s.mails = newest(s.mails, s.options.Keep)
}

// newest returns the last n. The cleared head lets dropped values go before append moves the rest.
func newest[T any](all []T, n int) []T {
	over := max(0, len(all)-n)
	clear(all[:over])
	return all[over:]
}

// fate tells what happens to mail for a recipient: the mailbox simulator's addresses, with or without a label, have theirs.
func fate(recipient string) (events []Event, mailbox bool) {
	local, domain, _ := strings.Cut(strings.ToLower(recipient), "@")
	delivery := Event{Type: "Delivery"}
	if domain != "simulator.amazonses.com" {
		return []Event{delivery}, true
	}
	local, _, _ = strings.Cut(local, "+")
	switch local {
	case "bounce":
		return []Event{{Type: "Bounce", Reason: "Permanent/General"}}, false
	case "suppressionlist":
		return []Event{{Type: "Bounce", Reason: "Permanent/OnAccountSuppressionList"}}, false
	case "complaint":
		return []Event{delivery, {Type: "Complaint", Reason: "abuse"}}, false
	case "ooto":
		return []Event{delivery}, false
	}
	return []Event{delivery}, true
}
