package client

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// Credentials are those of a program at the identity provider of its company.
type Credentials struct {
	TokenURL, ID, Secret string
	// Scope is asked for where the provider wants one, as Microsoft Entra ID does; empty for none.
	Scope string
}

// Concord is a client with what is around it.
type Concord struct{ *ClientWithResponses }

// Refusal is an answer of 400 or more.
type Refusal struct {
	Problem
	// RetryAfter is when the same may be asked again; zero where the API does not say.
	RetryAfter time.Duration
}

// Error says what is wrong, and what is wrong with each field.
func (r *Refusal) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s: %s", r.Status, r.Code, r.Detail)
	if r.Errors != nil {
		for _, f := range *r.Errors {
			if f.Detail == r.Detail {
				fmt.Fprintf(&b, " (%s)", cmp.Or(f.Pointer, "/"))
				continue
			}
			fmt.Fprintf(&b, "\n  %s: %s", cmp.Or(f.Pointer, "/"), f.Detail)
		}
	}
	if r.InvitationId != nil {
		fmt.Fprintf(&b, " It is %s.", *r.InvitationId)
	}
	if r.RetryAfter > 0 {
		fmt.Fprintf(&b, "\n  Try again in %s.", r.RetryAfter)
	}
	return b.String()
}

// maxWait bounds how long a call waits before it asks again: what the API asks for beyond it is the caller's to decide.
const maxWait = 15 * time.Second

// New makes a client of the API at a base URL, such as https://concord.example. The token is fetched with the first call and
// again before it ends.
func New(base string, c Credentials) (*Concord, error) {
	config := clientcredentials.Config{ClientID: c.ID, ClientSecret: c.Secret, TokenURL: c.TokenURL}
	if c.Scope != "" {
		config.Scopes = []string{c.Scope}
	}
	return NewWithTokens(base, config.TokenSource(context.Background()))
}

// NewWithTokens makes a client that takes its tokens from a source.
func NewWithTokens(base string, tokens oauth2.TokenSource) (*Concord, error) {
	c, err := NewClientWithResponses(strings.TrimSuffix(base, "/"), WithHTTPClient(&caller{
		http: &http.Client{Timeout: time.Minute}, tokens: tokens,
	}))
	return &Concord{c}, err
}

// NewKey returns an Idempotency-Key that nobody has used: the same key with the same body does once what is asked for twice.
func NewKey() string { return uuid.NewString() }

// caller puts the token on, asks again where that is safe, and makes errors of refusals.
type caller struct {
	http   *http.Client
	tokens oauth2.TokenSource
}

// Do is what the generated client calls.
func (c *caller) Do(r *http.Request) (*http.Response, error) {
	token, err := c.tokens.Token()
	if err != nil {
		return nil, fmt.Errorf("no token: %w", err)
	}
	token.SetAuthHeader(r)
	for attempt := 1; ; attempt++ {
		response, err := c.http.Do(r)
		if err != nil {
			return nil, err
		}
		if response.StatusCode < http.StatusBadRequest {
			return response, nil
		}
		refusal := refused(response)
		wait := cmp.Or(refusal.RetryAfter, time.Second)
		if attempt == 4 || !again(r, response.StatusCode) || wait > maxWait {
			return nil, refusal
		}
		select {
		case <-r.Context().Done():
			return nil, r.Context().Err()
		case <-time.After(wait):
		}
		if r.GetBody != nil {
			if r.Body, err = r.GetBody(); err != nil {
				return nil, err
			}
		}
	}
}

// again reports whether the same request may be made once more: it reads, or has a key, and the answer was passing.
func again(r *http.Request, status int) bool {
	safe := r.Method == http.MethodGet || r.Header.Get("Idempotency-Key") != ""
	return safe && (status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable || status == http.StatusBadGateway ||
		status == http.StatusGatewayTimeout)
}

// refused reads a refusal; what stands before the API answers in forms of its own.
func refused(response *http.Response) *Refusal {
	defer func() { _ = response.Body.Close() }()
	body, _ := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	var r Refusal
	var gateway struct{ Message string }
	if json.Unmarshal(body, &r.Problem) != nil || r.Code == "" {
		_ = json.Unmarshal(body, &gateway)
		r.Problem = Problem{Code: "http", Detail: cmp.Or(gateway.Message, http.StatusText(response.StatusCode))}
	}
	r.Status = response.StatusCode
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil {
		r.RetryAfter = time.Duration(seconds) * time.Second
	}
	return &r
}

// IsRefused reports whether an error is a refusal with a code.
func IsRefused(err error, code string) bool {
	r, ok := errors.AsType[*Refusal](err)
	return ok && r.Code == code
}

// list goes through the pages of a list, one after another, as long as its reader wants more.
func list[T any](fetch func(cursor *string) ([]T, *string, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var cursor *string
		for {
			items, next, err := fetch(cursor)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, one := range items {
				if !yield(one, nil) {
					return
				}
			}
			if next == nil || *next == "" {
				return
			}
			cursor = next
		}
	}
}

// Invitations are all that a query finds, newest first. Its cursor is set here.
func (c *Concord) Invitations(ctx context.Context, q ListInvitationsParams) iter.Seq2[Invitation, error] {
	return list(func(cursor *string) ([]Invitation, *string, error) {
		q.Cursor = cursor
		r, err := c.ListInvitationsWithResponse(ctx, &q)
		if err != nil {
			return nil, nil, err
		}
		return r.JSON200.Items, r.JSON200.NextCursor, nil
	})
}

// Customers are all that a query finds, newest first.
func (c *Concord) Customers(ctx context.Context, q ListCustomersParams) iter.Seq2[Customer, error] {
	return list(func(cursor *string) ([]Customer, *string, error) {
		q.Cursor = cursor
		r, err := c.ListCustomersWithResponse(ctx, &q)
		if err != nil {
			return nil, nil, err
		}
		return r.JSON200.Items, r.JSON200.NextCursor, nil
	})
}

// GranularAdmins are all relationships of granular administration that a query finds.
func (c *Concord) GranularAdmins(ctx context.Context, q ListGranularAdminsParams) iter.Seq2[GranularAdmin, error] {
	return list(func(cursor *string) ([]GranularAdmin, *string, error) {
		q.Cursor = cursor
		r, err := c.ListGranularAdminsWithResponse(ctx, &q)
		if err != nil {
			return nil, nil, err
		}
		return r.JSON200.Items, r.JSON200.NextCursor, nil
	})
}

// BatchRows are all rows of a batch, with an outcome or, where the query has none, in the order of the file.
func (c *Concord) BatchRows(ctx context.Context, id BatchId, q ListInvitationBatchRowsParams) iter.Seq2[BatchRow, error] {
	return list(func(cursor *string) ([]BatchRow, *string, error) {
		q.Cursor = cursor
		r, err := c.ListInvitationBatchRowsWithResponse(ctx, id, &q)
		if err != nil {
			return nil, nil, err
		}
		return r.JSON200.Items, r.JSON200.NextCursor, nil
	})
}

// AuditRecords are all that a query finds.
func (c *Concord) AuditRecords(ctx context.Context, q ListAuditRecordsParams) iter.Seq2[AuditRecord, error] {
	return list(func(cursor *string) ([]AuditRecord, *string, error) {
		q.Cursor = cursor
		r, err := c.ListAuditRecordsWithResponse(ctx, &q)
		if err != nil {
			return nil, nil, err
		}
		return r.JSON200.Items, r.JSON200.NextCursor, nil
	})
}
