// Package commerce is buying for a customer: the agreement that has to be there before, who may buy, orders, the subscriptions that
// come of them, whose PartnerID is credited and who supports the customer.
//
// Buying and administering are two rights (rule P7). Whether something may be bought is [Blockers] and nothing else; what a partner sees
// of a customer's subscriptions and may do with them is [Standing]. Concord is the record of the platform that deploys it and orders nothing elsewhere (domain,
// 0.20): an order is completed when it is recorded, and whoever provisions it follows the events.
package commerce

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"concord/internal/contact"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/publicid"
	"concord/internal/relationship"
	"concord/internal/terms"
)

// Service is what partners do with agreements, orders and subscriptions.
type Service struct {
	Accounts partner.Accounts
	// Holders says whose a PartnerID is.
	Holders partner.Holders
	// Records knows PartnerIDs of companies that have not joined with them; nil where there is no such directory.
	Records       Records
	Relationships Relationships
	Agreements    AgreementStore
	Orders        OrderStore
	Subscriptions SubscriptionStore
	// Partnerships says who works with whom; nil where there are none, and then no provider orders for a reseller.
	Partnerships Partnerships
	// Granular says who was granted granular administration; nil where nobody is.
	Granular Granular
	Texts    terms.Catalogue
	// Evidence is for how long agreements name who signed them (domain, 0.23); zero for seven years.
	Evidence  time.Duration
	Regions   partner.Regions
	Offers    Offers
	Addresses contact.Addresses
	Now       func() time.Time
}

// Relationships is what is needed of a [relationship.Store], whose contract it is.
type Relationships interface {
	Relationship(ctx context.Context, p, customer partner.TenantID) (relationship.Relationship, error)
}

// Records finds PartnerIDs in the directory of company records. Location gives [problem.NotFound] for one that it does not know.
type Records interface {
	Location(ctx context.Context, partnerID string) (partner.Listing, error)
}

// Partnerships reads partnerships of providers with resellers, strongly.
//
// Partnered reports whether an active one is between the two. Providers gives the providers of all of a reseller's, those that have ended
// among them.
type Partnerships interface {
	Partnered(ctx context.Context, provider, reseller partner.TenantID) (bool, error)
	Providers(ctx context.Context, reseller partner.TenantID) ([]Tie, error)
}

// Tie is a provider that a reseller works with or has worked with.
type Tie struct {
	Provider partner.TenantID
	Active   bool // the partnership lasts
}

// Granular says whether a customer has granted a partner, until now, a role of granular administration that covers subscriptions (0.32).
type Granular interface {
	CoversSubscriptions(ctx context.Context, p, customer partner.TenantID) (bool, error)
}

// ErrConflict means that somebody else was quicker: read again and decide again.
var ErrConflict = errors.New("commerce: changed by somebody else")

// Command is who asks for a change, and under which condition.
type Command struct {
	User          partner.User
	CorrelationID string
	// Key is the Idempotency-Key, empty for none; Body is a fingerprint of the method, the path and the body.
	Key, Body string
	// IfVersion is the version that the caller has seen (If-Match), or [AnyVersion]; zero for none.
	IfVersion int
	// Findings is what is wrong with the form of the request already.
	Findings problem.Findings
}

// AnyVersion is a condition that every version fulfils.
const AnyVersion = -1

// idempotencyWindow is how long an Idempotency-Key is remembered (api, Norms).
const idempotencyWindow = 24 * time.Hour

// maxRounds bounds how often a decision is made anew after somebody else was quicker.
const maxRounds = 8

func fingerprint(s string) string {
	if s == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:6])
}

// replays reports whether what was done at a moment with a key and a body was this command. The same key with another body is
// [problem.IdempotencyKeyReused].
func (c Command) replays(now, at time.Time, key, body string) (bool, error) {
	if c.Key == "" || key != fingerprint(c.Key) || now.Sub(at) >= idempotencyWindow {
		return false, nil
	}
	if body != c.Body {
		return false, problem.New(problem.IdempotencyKeyReused, "This Idempotency-Key was used with another request.")
	}
	return true, nil
}

// newID derives an id from the Idempotency-Key, so that the same command finds what it made; without a key it is random.
func (c Command) newID(prefix, scope, day string) string {
	var b [16]byte
	if c.Key == "" {
		_, _ = rand.Read(b[:])
	} else {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s|%s|%s|%s", scope, c.User.Tenant, day, c.Key))
		copy(b[:], sum[:])
	}
	return publicid.Format(prefix, b)
}

// keyDays gives the days for which a key can have an id: none, for the first time that it is used, and for one that comes back
// after its 24 hours the day on which it does, which for a replay can be the day before.
func keyDays(now time.Time) []string {
	return []string{"", now.Add(-idempotencyWindow).Format(time.DateOnly), now.Format(time.DateOnly)}
}

// busy is what a conflict comes to after [maxRounds].
func busy(err error) error {
	if errors.Is(err, ErrConflict) {
		return &problem.Error{Code: problem.Unavailable, Detail: "Too many changes at once; try again.", RetryAfter: time.Second}
	}
	return err
}

// now gives the time as it is stored: in UTC, to the second.
func (s *Service) now() time.Time { return s.Now().UTC().Truncate(time.Second) }

// account gives the account of a user whose role allows an operation.
func (s *Service) account(ctx context.Context, u partner.User, op partner.Operation, strong bool) (partner.Account, error) {
	if err := u.Permit(op); err != nil {
		return partner.Account{}, err
	}
	a, err := s.Accounts.Account(ctx, u.Tenant, strong)
	if problem.Is(err, problem.NotFound) {
		err = partner.NoAccount()
	}
	return a, err
}

// active is account, of a partner that may act.
func (s *Service) active(ctx context.Context, u partner.User, op partner.Operation) (partner.Account, error) {
	a, err := s.account(ctx, u, op, true)
	if err == nil && a.Status != partner.Active {
		err = partner.NotActive()
	}
	return a, err
}

// customer reads the relationship of a partner with the customer of a path, whatever its state. One that never was, and what is no tenant
// id, is [problem.NotFound].
func (s *Service) customer(ctx context.Context, p partner.TenantID, tenant string) (relationship.Relationship, error) {
	id, ok := partner.ParseTenantID(tenant)
	if !ok {
		return relationship.Relationship{}, problem.New(problem.NotFound, "There is no such customer.")
	}
	return s.Relationships.Relationship(ctx, p, id)
}

// expects gives nil when a version is the one that the command is about.
func (c Command) expects(version int) error {
	switch c.IfVersion {
	case 0:
		return problem.New(problem.PreconditionRequired, "Say which version you change, with If-Match: the ETag that GET gives, or * for any.")
	case AnyVersion, version:
		return nil
	}
	return problem.New(problem.PreconditionFailed, "The resource was changed since you read it.")
}

// Page asks for a page of a list, newest first.
type Page struct {
	Limit int
	After string // where the page before ended; empty for the first page
}

// say gives the text that a pointer is to, empty for nil.
func say(s *string) string { return *cmp.Or(s, new(string)) }
