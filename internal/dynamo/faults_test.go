package dynamo_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"concord/internal/dynamo"
	"concord/internal/invitation"
	"concord/internal/problem"
	"concord/internal/relationship"
)

// network stands between a client and the engine and spoils answers.
type network struct {
	spoil    func(operation string, nth int) (fault, bool)
	requests map[string]int
}

// fault is what becomes of a request: with a body, the engine does not see it; without, it is carried out and the
// connection breaks before the answer.
type fault struct {
	status int
	body   string
}

var errBroken = errors.New("connection reset by peer")

func (n *network) Do(r *http.Request) (*http.Response, error) {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	n.requests[operation]++
	f, spoilt := n.spoil(operation, n.requests[operation])
	if spoilt && f.body != "" {
		return &http.Response{StatusCode: f.status, Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}},
			Body: io.NopCloser(bytes.NewReader([]byte(f.body))), Request: r}, nil
	}
	answer, err := http.DefaultClient.Do(r)
	if err == nil && spoilt {
		_ = answer.Body.Close()
		return nil, errBroken
	}
	return answer, err
}

const (
	throttled = `{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException","message":"slow down"}`
	broken    = `{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"sorry"}`
	busy      = `{"__type":"com.amazonaws.dynamodb.v20120810#TransactionConflictException","message":"busy"}`
	cancelled = `{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","Message":"cancelled","CancellationReasons":[{"Code":"None"},{"Code":"TransactionConflict","Message":"busy"}]}`
)

func TestFaults(t *testing.T) {
	t.Parallel()
	table := newTable(t)
	lost, first := fault{}, func(f fault, times int) func(string, int) (fault, bool) {
		return func(operation string, nth int) (fault, bool) { return f, operation != "GetItem" && nth <= times }
	}
	const always = 100
	for _, each := range []struct {
		name     string
		spoil    func(string, int) (fault, bool)
		code     problem.Code // "" for success
		tries    int
		isStored bool
	}{
		{"answer lost", first(lost, 1), "", 2, true},
		{"answer lost twice", first(lost, 2), "", 3, true},
		{"answer always lost", first(lost, always), problem.Internal, 6, true},
		{"broken once", first(fault{500, broken}, 1), "", 2, true},
		{"throttled three times", first(fault{400, throttled}, 3), "", 4, true},
		{"throttled always", first(fault{400, throttled}, always), problem.Unavailable, 6, false},
		{"in conflict with a transaction", first(fault{400, busy}, 2), "", 3, true},
		{"transaction in conflict", first(fault{400, cancelled}, 2), "", 3, true},
		{"transaction always in conflict", first(fault{400, cancelled}, always), problem.Unavailable, 6, false},
	} {
		for _, kind := range []string{"PutItem", "UpdateItem", "TransactWriteItems"} {
			t.Run(each.name+", "+kind, func(t *testing.T) {
				t.Parallel()
				n := &network{requests: map[string]int{}, spoil: func(string, int) (fault, bool) { return fault{}, false }}
				cfg := config(t)
				cfg.HTTPClient = n
				s := newSetting(t, dynamo.New(cfg, table))
				before := invitation.Invitation{
					Key: invitation.Key{Inviter: s.user.Tenant, ID: "inv_a"}, Kind: invitation.Reseller, Cloud: "public", Status: invitation.Draft,
					Generation: 1, Duration: invitation.DefaultDuration, CreatedAt: s.now, Version: 1,
				}
				write := func() error { return s.store.Write(t.Context(), invitation.Change{After: before}) }
				if kind != "PutItem" {
					if err := write(); err != nil {
						t.Fatal(err)
					}
					after := before
					after.Version, after.Locale = 2, "fr"
					write = func() error {
						return s.store.Write(t.Context(), invitation.Change{Before: &before, After: after})
					}
					if kind == "TransactWriteItems" {
						write = func() error {
							return s.store.Commit(t.Context(), []invitation.Change{{Before: &before, After: after}}, []relationship.Change{{After: relationship.Relationship{
								ID: "rel_a", Partner: s.user.Tenant, Customer: relationship.Customer{Tenant: randomTenant()}, Role: relationship.Direct,
								Status: relationship.Active, DelegatedAdmin: relationship.NoAdministration, IdentityCheck: relationship.NotNeeded, Version: 1,
							}}})
						}
					}
				}
				n.requests, n.spoil = map[string]int{}, each.spoil
				err := write()
				if problem.CodeOf(err) != each.code {
					t.Errorf("error %v, want the code %q", err, each.code)
				}
				if errors.Is(err, invitation.ErrConflict) {
					t.Errorf("error %v: nobody else was there", err)
				}
				if n.requests[kind] != each.tries || len(n.requests) != 1 {
					t.Errorf("requests %v, want %d", n.requests, each.tries)
				}
				stored, err := s.store.Invitation(t.Context(), before.Key, true)
				if found := err == nil && (kind == "PutItem" || stored.Version == 2); found != each.isStored {
					t.Errorf("stored %v (version %d, error %v), want %v", found, stored.Version, err, each.isStored)
				}
			})
		}
	}
}

// TestLostAnswerOfAnother has an answer lost and the item changed before the next attempt: the outcome is a conflict, not
// a success.
func TestLostAnswerOfAnother(t *testing.T) {
	t.Parallel()
	table := newTable(t)
	s := newSetting(t, dynamo.New(config(t), table))
	inv, _, err := s.service.Invite(t.Context(), s.command(), s.proposal())
	if err != nil {
		t.Fatal(err)
	}
	mine, theirs := inv, inv
	mine.Version, mine.Locale = 2, "fr"
	theirs.Version, theirs.Locale = 2, "de"
	cfg := config(t)
	cfg.HTTPClient = &network{requests: map[string]int{}, spoil: func(operation string, nth int) (fault, bool) {
		if operation == "UpdateItem" && nth == 1 {
			if err := s.store.Write(t.Context(), invitation.Change{Before: &inv, After: theirs}); err != nil {
				t.Error(err)
			}
			return fault{500, broken}, true
		}
		return fault{}, false
	}}
	err = dynamo.New(cfg, table).Write(t.Context(), invitation.Change{Before: &inv, After: mine})
	if !errors.Is(err, invitation.ErrConflict) {
		t.Errorf("error %v, want a conflict", err)
	}
}
