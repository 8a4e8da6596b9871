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
	// Sandbox takes mail to verified identities and the simulator alone, as SES does in a new account.
	Sandbox bool
	// ConfigurationSets are the names of those that exist.
	ConfigurationSets []string
	// Keep is how many mails, and how many events, are kept; the oldest go first. Default 50,000.
	Keep int
	// Publish takes what SES says of mails, event by event; it may be nil.
	Publish func(Event)
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
	// waiting is what is said when the clock moves.
	waiting []func()
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

// The kinds of [Fault], of three sorts. Each sort is a row of its own: one send can meet a fault of each.
const (
	// How SES answers. Error4xx takes SES's code behind a colon.
	Throttle            = "throttle"            // TooManyRequestsException; not accepted
	Error4xx            = "error4xx"            // "error4xx:SendingPausedException"; not accepted
	Error5xx            = "error5xx"            // 500; not accepted
	Error5xxAfterAccept = "error5xxAfterAccept" // 500, and the mail goes out
	Timeout             = "timeout"             // no answer until the caller gives up; not accepted
	TimeoutAfterAccept  = "timeoutAfterAccept"  // no answer, and the mail goes out
	CloseAfterAccept    = "closeAfterAccept"    // the connection breaks, and the mail goes out

	// What becomes of a mail that was accepted, as with the simulator's addresses. Behind a colon stands what SES says.
	Bounces      = "bounces"      // "bounces:Permanent/General", "bounces:Transient/MailboxFull"
	BouncesLater = "bouncesLater" // the same, after the mail was delivered
	Complains    = "complains"    // "complains:abuse", after the mail was delivered
	Rejects      = "rejects"
	Delays       = "delays" // "delays:MailboxFull"; delivered when the clock moves

	// What becomes of the events about a mail.
	EventsLost      = "eventsLost"
	EventsDoubled   = "eventsDoubled"
	EventsReordered = "eventsReordered"
	EventsLate      = "eventsLate"  // they come when the clock moves
	EventsEarly     = "eventsEarly" // they come before SES has answered the sender
)

// The sorts of faults.
type sort int

const (
	ofAnswers sort = iota
	ofFate
	ofEvents
)

// kinds say of which sort a fault is, and whether it takes something behind a colon.
var kinds = map[string]struct {
	sort   sort
	detail bool
}{
	Throttle: {ofAnswers, false}, Error4xx: {ofAnswers, true}, Error5xx: {ofAnswers, false}, Error5xxAfterAccept: {ofAnswers, false},
	Timeout: {ofAnswers, false}, TimeoutAfterAccept: {ofAnswers, false}, CloseAfterAccept: {ofAnswers, false},
	Bounces: {ofFate, true}, BouncesLater: {ofFate, true}, Complains: {ofFate, true}, Rejects: {ofFate, false}, Delays: {ofFate, true},
	EventsLost: {ofEvents, false}, EventsDoubled: {ofEvents, false}, EventsReordered: {ofEvents, false}, EventsLate: {ofEvents, false}, EventsEarly: {ofEvents, false},
}

// Fault makes the next sends go wrong. A send is one HTTP request: the SDK's own retries count.
type Fault struct {
	Kind  string `json:"kind"`
	Times int    `json:"times"` // at least 1
	// To, when not empty, has only mail to this address meet the fault; not for faults of answers.
	To string `json:"to,omitempty"`
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
			_ = s.Close()
			return nil, fmt.Errorf(part.name, part.port, err)
		}
		*part.url = "http://" + listener.Addr().String()
		server := &http.Server{Handler: part.handler, ReadHeaderTimeout: 10 * time.Second}
		s.servers = append(s.servers, server)
		go func() { _ = server.Serve(listener) }()
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
	name, detail, _ := strings.Cut(f.Kind, ":")
	kind, known := kinds[name]
	switch {
	case !known:
		return fmt.Errorf("unknown kind of fault %q", f.Kind)
	case detail != "" && !kind.detail:
		return fmt.Errorf("the fault %s takes nothing behind a colon", name)
	case detail == "" && kind.detail:
		return fmt.Errorf("the fault %s says behind a colon what SES says", name)
	case f.To != "" && kind.sort == ofAnswers:
		return fmt.Errorf("the fault %s meets every mail", name)
	}
	if _, known := statuses[detail]; name == Error4xx && !known {
		return fmt.Errorf("%q is no error code of SendEmail", detail)
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

// nextFault uses up one time of the first fault of a sort that a mail to the address meets and returns its kind and what stands behind
// its colon; empty when there is none.
func (s *Server) nextFault(of sort, to string) (kind, detail string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.faults {
		f := &s.faults[i]
		name, detail, _ := strings.Cut(f.Kind, ":")
		if kinds[name].sort != of || f.To != "" && !strings.EqualFold(f.To, to) {
			continue
		}
		if f.Times--; f.Times == 0 {
			s.faults = slices.Delete(s.faults, i, i+1)
		}
		return name, detail
	}
	return "", ""
}

// keep puts a mail into the mailbox; s.mu is held.
func (s *Server) keep(m *Mail) {
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
