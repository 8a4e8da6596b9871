// Package hooks sends deliveries to the endpoints of partners: signed by the Standard Webhooks specification, over https, to
// public addresses alone.
package hooks

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"concord/internal/webhook"
)

// Timeout bounds one attempt: dialling, TLS, the answer and what is read of it.
const Timeout = 10 * time.Second

// maxAnswer is how much is read of an answer, so that its connection can serve the next delivery. It is not looked at, and
// written nowhere.
const maxAnswer = 16 << 10

// maxHeader bounds the header of an answer.
const maxHeader = 16 << 10

// Reasons why an attempt has no answer.
const (
	AddressRefused  = "address_not_public"
	NameUnknown     = "name_not_found"
	CertificateFail = "certificate_invalid"
	TimedOut        = "timed_out"
	Unreachable     = "unreachable"
	RedirectRefused = "redirect_not_followed"
	StatusRefused   = "status_not_2xx"
	SecretInvalid   = "secret_invalid"
)

// errAddress means that a name leads to an address that deliveries do not go to.
var errAddress = errors.New("hooks: not a public address")

// Sender makes attempts at deliveries.
type Sender struct{ client *http.Client }

// NewSender makes a sender to addresses that are allowed. Each address is looked at when it is dialled, after its name was
// resolved: a name that leads elsewhere the second time is refused then. No proxy is used, and no redirect is followed.
func NewSender(allowed webhook.Addresses, roots *x509.CertPool) *Sender {
	dialer := net.Dialer{Timeout: Timeout, Control: func(network, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil || !strings.HasPrefix(network, "tcp") || !allowed.Allows(to) {
			return errAddress
		}
		return nil
	}}
	return &Sender{client: &http.Client{
		Timeout:       Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSHandshakeTimeout: Timeout, ResponseHeaderTimeout: Timeout, ForceAttemptHTTP2: true,
			MaxResponseHeaderBytes: maxHeader, MaxIdleConnsPerHost: webhook.InFlight, IdleConnTimeout: webhook.Slice, DisableCompression: true,
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		},
	}}
}

// Send makes one attempt. No error holds anything that was answered, nor where it went.
func (s *Sender) Send(ctx context.Context, p webhook.Request) webhook.Answer {
	signed, err := signatures(p)
	if err != nil {
		return webhook.Answer{Reason: SecretInvalid}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL, bytes.NewReader(p.Body))
	if err != nil {
		return webhook.Answer{Reason: Unreachable}
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "Concord-Webhooks/1")
	r.Header.Set(standardwebhooks.HeaderWebhookID, p.ID)
	r.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(p.At.Unix(), 10))
	r.Header.Set(standardwebhooks.HeaderWebhookSignature, signed)
	answer, err := s.client.Do(r)
	if err != nil {
		return webhook.Answer{Reason: reason(err)}
	}
	_, _ = io.CopyN(io.Discard, answer.Body, maxAnswer)
	_ = answer.Body.Close()
	switch a := (webhook.Answer{Status: answer.StatusCode}); {
	case a.Taken():
		return a
	case a.Status >= 300 && a.Status < 400:
		a.Reason = RedirectRefused
		return a
	default:
		a.Reason = StatusRefused
		return a
	}
}

// signatures signs with each of the secrets.
func signatures(p webhook.Request) (string, error) {
	all := make([]string, len(p.Secrets))
	for n, secret := range p.Secrets {
		w, err := standardwebhooks.NewWebhook(secret)
		if err != nil {
			return "", fmt.Errorf("hooks: secret: %w", err)
		}
		if all[n], err = w.Sign(p.ID, p.At, p.Body); err != nil {
			return "", fmt.Errorf("hooks: sign: %w", err)
		}
	}
	return strings.Join(all, " "), nil
}

// reason says in a word why there is no answer.
func reason(err error) string {
	if errors.Is(err, errAddress) {
		return AddressRefused
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return NameUnknown
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return CertificateFail
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return TimedOut
	}
	return Unreachable
}
