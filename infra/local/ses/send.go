package ses

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"time"
)

// statuses maps the codes of SendEmail to HTTP statuses.
var statuses = map[string]int{
	"AccountSuspendedException":          http.StatusBadRequest,
	"BadRequestException":                http.StatusBadRequest,
	"LimitExceededException":             http.StatusBadRequest,
	"MailFromDomainNotVerifiedException": http.StatusBadRequest,
	"MessageRejected":                    http.StatusBadRequest,
	"NotFoundException":                  http.StatusNotFound,
	"SendingPausedException":             http.StatusBadRequest,
	"TooManyRequestsException":           http.StatusTooManyRequests,
}

// refusal is an answer of SES other than success.
type refusal struct {
	status  int
	code    string
	message string
}

func (r *refusal) Error() string { return r.code + ": " + r.message }

func refuse(code, format string, args ...any) error {
	return &refusal{statuses[code], code, fmt.Sprintf(format, args...)}
}

// What SES takes at most.
const (
	maxRecipients = 50
	maxSize       = 40 << 20 // bytes of the request
	maxTags       = 50
	maxHeaders    = 15
	waitAtMost    = 2 * time.Minute // longer than any caller of SES waits for an answer
)

func (s *Server) api() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v2/email/outbound-emails", s.sendEmail)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		answerRefusal(w, &refusal{http.StatusNotFound, "UnknownOperationException", "the local endpoint has SendEmail of SES v2 only"})
	})
	return mux
}

func (s *Server) sendEmail(w http.ResponseWriter, r *http.Request) {
	// The whole body is read first: a server that answers early breaks the connection under a caller that still writes.
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxSize))
	kind, code := s.nextFault(ofAnswers, "")
	switch kind {
	case Throttle:
		answerRefusal(w, refuse("TooManyRequestsException", "Maximum sending rate exceeded."))
		return
	case Error4xx:
		answerRefusal(w, refuse(code, "Injected fault."))
		return
	case Error5xx:
		answerRefusal(w, unavailable)
		return
	case Timeout:
		s.hang(r)
		panic(http.ErrAbortHandler)
	}

	m, err := s.check(r, body, err)
	if err != nil {
		answerRefusal(w, err)
		return
	}
	m.MessageID, m.At = messageID(), time.Now().UTC().Truncate(time.Millisecond)
	s.accept(m)

	switch kind {
	case Error5xxAfterAccept:
		answerRefusal(w, unavailable)
		return
	case TimeoutAfterAccept:
		s.hang(r)
		panic(http.ErrAbortHandler)
	case CloseAfterAccept:
		panic(http.ErrAbortHandler)
	}
	answer(w, http.StatusOK, struct{ MessageId string }{m.MessageID})
}

var unavailable = &refusal{http.StatusInternalServerError, "InternalFailure", "Injected fault."}

// hang waits until the caller gives up or the server closes.
func (s *Server) hang(r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-s.closing:
	case <-time.After(waitAtMost):
	}
}

// messageID looks like SES's own.
func messageID() string {
	var random [18]byte
	rand.Read(random[:])
	x := hex.EncodeToString(random[:])
	return fmt.Sprintf("0100%012x-%s-%s-%s-%s-%s-000000", time.Now().UnixMilli(), x[:8], x[8:12], x[12:16], x[16:20], x[20:32])
}

func answer(w http.ResponseWriter, status int, value any) {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // strings only
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-Requestid", rand.Text())
	w.WriteHeader(status)
	_, _ = w.Write(text)
}

func answerRefusal(w http.ResponseWriter, err error) {
	r, ok := errors.AsType[*refusal](err)
	if !ok {
		r = &refusal{http.StatusInternalServerError, "InternalFailure", err.Error()}
	}
	w.Header().Set("X-Amzn-Errortype", r.code)
	answer(w, r.status, map[string]string{"message": r.message})
}

type content struct {
	Data    *string
	Charset string
}

// sendEmailRequest has the members of SendEmail that are understood here; the others are refused, not ignored.
type sendEmailRequest struct {
	FromEmailAddress string
	Destination      struct{ ToAddresses, CcAddresses, BccAddresses []string }
	ReplyToAddresses []string
	Content          struct {
		Simple *struct {
			Subject *content
			Body    struct{ Text, Html *content }
			Headers []Header
		}
	}
	EmailTags            []struct{ Name, Value string }
	ConfigurationSetName *string
}

var (
	credential = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=[^/]+/[0-9]{8}/[^/]+/ses/aws4_request, ?SignedHeaders=[^,]+, ?Signature=[0-9a-f]{64}$`)
	tagText    = regexp.MustCompile(`^[A-Za-z0-9_-]{1,256}$`)
	headerName = regexp.MustCompile(`^[!-9;-~]{1,126}$`)
	headerText = regexp.MustCompile(`^[ -~]{1,870}$`)
)

// reserved are the headers that SES writes itself from other members of the request, as its list has them.
var reserved = []string{"bcc", "cc", "content-disposition", "content-type", "date", "from", "message-id", "mime-version", "reply-to", "return-path", "subject", "to"}

// repeatable are the headers that may stand in a mail more than once; of those that SES knows, few may.
func repeatable(name string) bool { return strings.HasPrefix(name, "x-") }

// check returns the mail that a request asks for, or the refusal that SES would answer.
func (s *Server) check(r *http.Request, body []byte, readError error) (*Mail, error) {
	if readError != nil {
		return nil, refuse("MessageRejected", "Message length is more than %d bytes long.", maxSize)
	}
	if !credential.MatchString(r.Header.Get("Authorization")) {
		return nil, &refusal{http.StatusForbidden, "MissingAuthenticationTokenException", "Missing Authentication Token"}
	}
	var in sendEmailRequest
	decoder := json.NewDecoder(strings.NewReader(string(body)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&in); err != nil {
		return nil, &refusal{http.StatusBadRequest, "SerializationException", err.Error()}
	}
	m := &Mail{From: in.FromEmailAddress}
	for _, step := range []func(*sendEmailRequest, *Mail) error{s.checkSender, checkRecipients, s.checkSandbox, checkContent, checkHeaders, checkTags, s.checkConfigurationSet} {
		if err := step(&in, m); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (s *Server) checkSender(in *sendEmailRequest, m *Mail) error {
	sender, err := address(in.FromEmailAddress)
	if err != nil {
		return err
	}
	sender = strings.ToLower(sender)
	if !s.verified(sender) {
		return refuse("MessageRejected", "Email address is not verified. The following identities failed the check in region US-EAST-1: %s", m.From)
	}
	return nil
}

// verified reports whether an address, in small letters, is an identity or of one.
func (s *Server) verified(address string) bool {
	_, domain, _ := strings.Cut(address, "@")
	return slices.ContainsFunc(s.options.Identities, func(identity string) bool {
		identity = strings.ToLower(identity)
		return identity == address || identity == domain || strings.HasSuffix(domain, "."+identity)
	})
}

// checkSandbox refuses recipients whom nobody has verified, while the account is new.
func (s *Server) checkSandbox(_ *sendEmailRequest, m *Mail) error {
	if !s.options.Sandbox {
		return nil
	}
	for _, to := range slices.Concat(m.Destination.To, m.Destination.Cc, m.Destination.Bcc) {
		if to := strings.ToLower(to); !s.verified(to) && !strings.HasSuffix(to, "@simulator.amazonses.com") {
			return refuse("MessageRejected", "Email address is not verified. The following identities failed the check in region US-EAST-1: %s", to)
		}
	}
	return nil
}

func checkRecipients(in *sendEmailRequest, m *Mail) error {
	d := in.Destination
	switch count := len(d.ToAddresses) + len(d.CcAddresses) + len(d.BccAddresses); {
	case count == 0:
		return refuse("BadRequestException", "At least one recipient is required.")
	case count > maxRecipients:
		return refuse("MessageRejected", "Recipient count exceeds %d.", maxRecipients)
	}
	m.Destination.To = []string{}
	for _, list := range []struct {
		from []string
		to   *[]string
	}{
		{d.ToAddresses, &m.Destination.To}, {d.CcAddresses, &m.Destination.Cc}, {d.BccAddresses, &m.Destination.Bcc},
	} {
		for _, given := range list.from {
			bare, err := address(given)
			if err != nil {
				return err
			}
			*list.to = append(*list.to, bare)
		}
	}
	for _, given := range in.ReplyToAddresses {
		if _, err := address(given); err != nil {
			return err
		}
	}
	m.ReplyTo = in.ReplyToAddresses
	return nil
}

// address returns the bare address of one with or without a display name, or the refusal of what SES cannot mail to: SES has no
// internationalised mail, so a name must be a MIME encoded-word and a domain in its ASCII form.
func address(given string) (string, error) {
	for _, r := range given {
		if r > '~' || r < ' ' {
			return "", refuse("BadRequestException", "Address contains a character outside printable ASCII.")
		}
	}
	parsed, err := mail.ParseAddress(given)
	if err != nil {
		return "", refuse("BadRequestException", "Illegal address")
	}
	local, domain, _ := strings.Cut(parsed.Address, "@")
	switch {
	case strings.Contains(domain, "@") || strings.ContainsAny(local, " \t"):
		return "", refuse("BadRequestException", "Local address contains control or whitespace")
	case len(local) > 64:
		return "", refuse("BadRequestException", "Local part is longer than 64 characters")
	case len(parsed.Address) > 254:
		return "", refuse("BadRequestException", "Address is longer than 254 characters")
	case !hostname.MatchString(domain):
		return "", refuse("BadRequestException", "Domain contains illegal character")
	}
	return parsed.Address, nil
}

var hostname = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])$`)

func checkContent(in *sendEmailRequest, m *Mail) error {
	simple := in.Content.Simple
	if simple == nil {
		return refuse("BadRequestException", "Content must have one of Simple, Raw, Template; the local endpoint takes Simple.")
	}
	if simple.Subject == nil || simple.Subject.Data == nil {
		return refuse("BadRequestException", "Subject is required.")
	}
	m.Subject = *simple.Subject.Data
	if strings.ContainsAny(m.Subject, "\r\n") {
		return refuse("BadRequestException", "Subject contains a line break.")
	}
	if simple.Body.Text == nil && simple.Body.Html == nil {
		return refuse("BadRequestException", "Body must have Text or Html.")
	}
	for _, part := range []struct {
		from *content
		to   *string
	}{{simple.Subject, &m.Subject}, {simple.Body.Text, &m.Body.Text}, {simple.Body.Html, &m.Body.HTML}} {
		if part.from == nil {
			continue
		}
		if part.from.Data == nil {
			return refuse("BadRequestException", "Data is required.")
		}
		*part.to = *part.from.Data
		// Without a charset SES takes text for 7-bit ASCII.
		if !strings.EqualFold(part.from.Charset, "UTF-8") && strings.ContainsFunc(*part.to, func(r rune) bool { return r > 0x7f }) {
			return refuse("BadRequestException", "Data is not in the charset %q; give UTF-8.", part.from.Charset)
		}
	}
	return nil
}

func checkHeaders(in *sendEmailRequest, m *Mail) error {
	headers := in.Content.Simple.Headers
	if len(headers) > maxHeaders {
		return refuse("BadRequestException", "More than %d headers.", maxHeaders)
	}
	seen := map[string]bool{}
	for _, h := range headers {
		name := strings.ToLower(h.Name)
		switch {
		case !headerName.MatchString(h.Name) || !headerText.MatchString(h.Value):
			return refuse("BadRequestException", "Header is malformed or too long: %.126q", h.Name)
		case slices.Contains(reserved, name) || strings.HasPrefix(name, "x-ses-"):
			return refuse("BadRequestException", "Header not allowed: %s", h.Name)
		case seen[name] && !repeatable(name):
			return refuse("BadRequestException", "Duplicate header: %s", h.Name)
		}
		seen[name] = true
	}
	m.Headers = headers
	return nil
}

func checkTags(in *sendEmailRequest, m *Mail) error {
	if len(in.EmailTags) > maxTags {
		return refuse("BadRequestException", "More than %d tags.", maxTags)
	}
	for _, tag := range in.EmailTags {
		if !tagText.MatchString(tag.Name) || !tagText.MatchString(tag.Value) {
			return refuse("BadRequestException", "Tag name or value is not of letters, digits, underscores and dashes: %.256q", tag.Name)
		}
		if _, twice := m.Tags[tag.Name]; twice {
			return refuse("BadRequestException", "Duplicate tag: %s", tag.Name)
		}
		if m.Tags == nil {
			m.Tags = map[string]string{}
		}
		m.Tags[tag.Name] = tag.Value
	}
	return nil
}

func (s *Server) checkConfigurationSet(in *sendEmailRequest, m *Mail) error {
	if in.ConfigurationSetName == nil {
		return nil
	}
	m.ConfigurationSet = *in.ConfigurationSetName
	if !slices.Contains(s.options.ConfigurationSets, m.ConfigurationSet) {
		return refuse("NotFoundException", "Configuration set <%s> does not exist.", m.ConfigurationSet)
	}
	return nil
}
