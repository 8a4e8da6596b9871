package identity

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"concord/internal/partner"
)

const (
	// patience is how long a provider may take to answer; a function has seconds only.
	patience = 2500 * time.Millisecond
	// A document of a provider is fetched so often within a window, then its last copy answers: a key that is new is found at once, and a
	// flood of tokens with made-up key ids does not become a flood of requests.
	maxFetches = 3
	window     = 30 * time.Second
	// maxDocument bounds what is read of a provider's answer, in bytes.
	maxDocument = 1 << 20
)

// provider is one issuer, discovered on first use.
type provider struct {
	issuer string
	http   *http.Client
	source *source

	mu    sync.Mutex
	found *discovered
}

func newProvider(issuer string) *provider {
	s := &source{next: http.DefaultTransport, last: map[string]copied{}}
	return &provider{issuer: issuer, source: s, http: &http.Client{Timeout: patience, Transport: s}}
}

// discovered is what a provider says of itself.
type discovered struct {
	*oidc.Provider
	issuer   string // as its tokens name it, perhaps with [directory] in it
	verifier *oidc.IDTokenVerifier
}

// directory stands in the issuer of a provider that signs for each company under an issuer of its own.
const directory = "{tenantid}"

func (f *discovered) multiple() bool { return strings.Contains(f.issuer, directory) }

// issuerOf returns the issuer of the tokens of a company. A directory that is no id gives one that no token has.
func (f *discovered) issuerOf(tenant string) string {
	if !f.multiple() {
		return f.issuer
	}
	if _, ok := partner.ParseTenantID(tenant); !ok {
		return ""
	}
	return strings.ReplaceAll(f.issuer, directory, tenant)
}

// could reports whether an answer may come from an issuer, before anything of it is known but what it says itself (RFC 9207).
func (f *discovered) could(issuer string) bool {
	if issuer == "" || issuer == f.issuer {
		return true
	}
	before, after, open := strings.Cut(f.issuer, directory)
	rest, ok := strings.CutPrefix(issuer, before)
	rest, matches := strings.CutSuffix(rest, after)
	_, id := partner.ParseTenantID(rest)
	return open && ok && matches && id
}

// discover reads the provider's discovery document once.
func (p *provider) discover() (*discovered, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found != nil {
		return p.found, nil
	}
	// The key set outlives this request, so it must not have its context. The issuer is compared below, where one that stands for many
	// is understood.
	ctx := oidc.InsecureIssuerURLContext(oidc.ClientContext(context.Background(), p.http), p.issuer)
	found, err := oidc.NewProvider(ctx, p.issuer)
	if err != nil {
		return nil, fmt.Errorf("identity: discovery: %w", err)
	}
	var said struct {
		Issuer string `json:"issuer"`
	}
	if err := found.Claims(&said); err != nil {
		return nil, fmt.Errorf("identity: discovery: %w", err)
	}
	if !names(said.Issuer, p.issuer) {
		return nil, errors.New("identity: the discovery document is of another issuer than the one that is configured")
	}
	// Which client and which issuer a token has to name is checked by who verifies it.
	verifier := found.VerifierContext(ctx, &oidc.Config{SkipClientIDCheck: true, SkipIssuerCheck: true, SupportedSigningAlgs: algorithms})
	p.found = &discovered{found, said.Issuer, verifier}
	return p.found, nil
}

// names reports whether what a discovery document calls its issuer is the one that is configured, or that with its directory left open:
// https://login.example/{tenantid}/v2.0 for https://login.example/organizations/v2.0.
func names(said, configured string) bool {
	if said == configured {
		return true
	}
	a, err := url.Parse(said)
	b, fault := url.Parse(configured)
	if err != nil || fault != nil || a.Scheme != b.Scheme || a.Host != b.Host || a.RawQuery != "" || a.Fragment != "" {
		return false
	}
	left, right := strings.Split(a.Path, "/"), strings.Split(b.Path, "/")
	if len(left) != len(right) {
		return false
	}
	open := 0
	for i := range left {
		switch {
		case left[i] == directory:
			open++
		case left[i] != right[i]:
			return false
		}
	}
	return open == 1
}

// verify checks signature, time and issuer of a token. The error is [ErrRefused] when the token is at fault.
func (p *provider) verify(ctx context.Context, found *discovered, token string) (*oidc.IDToken, error) {
	before := p.source.failures.Load()
	verified, err := found.verifier.Verify(ctx, token)
	if err != nil && p.source.failures.Load() > before {
		return nil, fmt.Errorf("identity: keys: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	d, err := body(verified)
	if err != nil {
		return nil, err
	}
	if want := found.issuerOf(d.text("tid")); want == "" || verified.Issuer != want {
		return nil, fmt.Errorf("%w: the token is of another issuer", ErrRefused)
	}
	return verified, nil
}

// source fetches a provider's documents. It counts failures, since the libraries tell a key that is missing and a key set that cannot
// be had by text alone, and it answers again from its last copy for a while.
type source struct {
	next     http.RoundTripper
	failures atomic.Int64

	mu   sync.Mutex
	last map[string]copied
}

// copied is the last copy of a document, with how often it was fetched since when.
type copied struct {
	since   time.Time
	fetches int
	header  http.Header
	body    []byte
}

func (s *source) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet {
		return s.next.RoundTrip(r)
	}
	s.mu.Lock()
	defer s.mu.Unlock() // who asks for the same at once waits for one answer
	last := s.last[r.URL.String()]
	if time.Since(last.since) >= window {
		last.since, last.fetches = time.Now(), 0
	}
	if last.fetches >= maxFetches {
		return last.response(r), nil
	}
	res, err := s.next.RoundTrip(r)
	if err != nil {
		s.failures.Add(1)
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		if res.StatusCode >= http.StatusInternalServerError {
			s.failures.Add(1)
		}
		return res, nil
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxDocument))
	if err != nil {
		s.failures.Add(1)
		return nil, err
	}
	last = copied{last.since, last.fetches + 1, res.Header, text}
	s.last[r.URL.String()] = last
	return last.response(r), nil
}

func (c copied) response(r *http.Request) *http.Response {
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: c.header.Clone(),
		Body: io.NopCloser(bytes.NewReader(c.body)), ContentLength: int64(len(c.body)), Request: r,
	}
}
