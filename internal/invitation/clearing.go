package invitation

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"concord/internal/granular"
	"concord/internal/partner"
	"concord/internal/problem"
)

// Clearing is what the operator does with the open requests of a partner, most often of one that it has suspended (domain, 0.43).
type Clearing struct {
	Store    ClearingStore
	Granular GranularClearingStore
	Accounts partner.Accounts
	Now      func() time.Time
}

// ClearingStore is what [Clearing] needs of a [Store], whose contract it is.
type ClearingStore interface {
	Write(ctx context.Context, c Change) error
	Invitation(ctx context.Context, k Key, strong bool) (Invitation, error)
	Invitations(ctx context.Context, p partner.TenantID, q Query) (Page, error)
}

// GranularClearingStore is what [Clearing] needs of a [granular.Store], whose contract it is.
type GranularClearingStore interface {
	WriteGranular(ctx context.Context, c granular.Change) error
	GranularRelationship(ctx context.Context, k granular.Key, strong bool) (granular.Relationship, error)
	GranularRelationships(ctx context.Context, p partner.TenantID, q granular.Query) (granular.Page, error)
}

// operatorCancelled is what the timeline says of a request that the operator has cancelled.
const operatorCancelled = "operator cancelled"

// Sweeping is which open requests are to be cancelled, and why. Nil means "not said".
type Sweeping struct {
	Partner       string // the tenant id
	Why           *string
	Limit         int    // how many requests of each kind are looked at, open or not
	After         string // where the call before ended; empty for the first
	CorrelationID string
	Findings      problem.Findings
}

// afterInvitations begins the place to go on at after the last invitation: among the requests for granular
// administration. No place among invitations begins so.
const afterInvitations = "granular|"

// Cancel cancels the open requests among the next ones of a partner, invitations newest first and then those for
// granular administration, and gives how many that were and where to go on, empty at the end. Their links then lead
// nowhere, whoever mailed them. What an answer has ended meanwhile stays as it was answered. Codes:
// [problem.RoleNotPermitted], [problem.NotFound], those of a field.
func (c Clearing) Cancel(ctx context.Context, u partner.User, s Sweeping) (cancelled int, next string, err error) {
	if err := u.Permit(partner.OperatePartners); err != nil {
		return 0, "", err
	}
	tenant, ok := partner.ParseTenantID(s.Partner)
	if !ok {
		return 0, "", problem.New(problem.NotFound, "There is no such partner.")
	}
	if _, err := c.Accounts.Account(ctx, tenant, false); err != nil {
		return 0, "", err
	}
	f := slices.Clone(s.Findings)
	if s.Why == nil {
		f.Add("/reason", problem.ValidationFailed, "Say why.")
	} else {
		plain(&f, "/reason", *s.Why, MaxReason)
	}
	if err := f.Err(); err != nil {
		return 0, "", err
	}
	e := Entry{At: c.Now().UTC().Truncate(time.Second), By: u.Subject, CorrelationID: s.CorrelationID, Why: *s.Why}
	place, granularly := strings.CutPrefix(s.After, afterInvitations)
	if !granularly {
		if cancelled, next, err = c.sweep(ctx, tenant, s, e); err != nil || next != "" {
			return cancelled, next, unavailable(err) // the same call does the rest
		}
		place = ""
	}
	withdrawn, next, err := c.sweepGranular(ctx, tenant, s.Limit, place, e)
	return cancelled + withdrawn, next, unavailable(err)
}

// sweep cancels the open invitations among the next ones.
func (c Clearing) sweep(ctx context.Context, p partner.TenantID, s Sweeping, e Entry) (cancelled int, next string, err error) {
	page, err := c.Store.Invitations(ctx, p, Query{Status: AnyStatus, Limit: s.Limit, After: s.After, Now: e.At})
	if err != nil {
		return 0, "", err
	}
	for _, i := range page.Invitations {
		was, err := c.cancel(ctx, i, e)
		if err != nil {
			return cancelled, "", err
		}
		if was {
			cancelled++
		}
	}
	return cancelled, page.Next, nil
}

// sweepGranular withdraws the open requests for granular administration among the next ones.
func (c Clearing) sweepGranular(ctx context.Context, p partner.TenantID, limit int, after string, e Entry) (withdrawn int, next string, err error) {
	page, err := c.Granular.GranularRelationships(ctx, p, granular.Query{Status: granular.Pending, Limit: limit, After: after, Now: e.At})
	if err != nil {
		return 0, "", err
	}
	for _, r := range page.Relationships {
		was, err := c.withdraw(ctx, r, e)
		if err != nil {
			return withdrawn, "", err
		}
		if was {
			withdrawn++
		}
	}
	if page.Next != "" {
		next = afterInvitations + page.Next
	}
	return withdrawn, next, nil
}

// withdraw withdraws one request, if it is open.
func (c Clearing) withdraw(ctx context.Context, r granular.Relationship, e Entry) (was bool, err error) {
	for range maxRounds {
		after, open := r.Cancelled(granular.Entry{At: e.At, By: e.By, CorrelationID: e.CorrelationID, Why: e.Why})
		if !open {
			return false, nil
		}
		err := c.Granular.WriteGranular(ctx, granular.Change{Before: &r, After: after})
		if !errors.Is(err, granular.ErrConflict) {
			return err == nil, err
		}
		if r, err = c.Granular.GranularRelationship(ctx, r.Key, true); err != nil {
			return false, ignoreMissing(err)
		}
	}
	return false, ErrConflict
}

// cancel cancels one request, if it is open.
func (c Clearing) cancel(ctx context.Context, i Invitation, e Entry) (was bool, err error) {
	for range maxRounds {
		if !i.StatusAt(e.At).Open() {
			return false, nil
		}
		err := c.Store.Write(ctx, Change{Before: &i, After: i.withdraw(operatorCancelled, e)})
		if !errors.Is(err, ErrConflict) {
			return err == nil, err
		}
		if i, err = c.Store.Invitation(ctx, i.Key, true); err != nil {
			return false, ignoreMissing(err)
		}
	}
	return false, ErrConflict
}
