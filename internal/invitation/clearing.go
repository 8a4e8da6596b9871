package invitation

import (
	"context"
	"errors"
	"slices"
	"time"

	"concord/internal/partner"
	"concord/internal/problem"
)

// Clearing is what the operator does with the open requests of a partner, most often of one that it has suspended (domain, 0.43).
type Clearing struct {
	Store    ClearingStore
	Accounts partner.Accounts
	Now      func() time.Time
}

// ClearingStore is what [Clearing] needs of a [Store], whose contract it is.
type ClearingStore interface {
	Write(ctx context.Context, c Change) error
	Invitation(ctx context.Context, k Key, strong bool) (Invitation, error)
	Invitations(ctx context.Context, p partner.TenantID, q Query) (Page, error)
}

// operatorCancelled is what the timeline says of a request that the operator has cancelled.
const operatorCancelled = "operator cancelled"

// Sweeping is which open requests are to be cancelled, and why. Nil means "not said".
type Sweeping struct {
	Partner       string // the tenant id
	Why           *string
	Limit         int    // how many requests are looked at, open or not
	After         string // where the call before ended; empty for the first
	CorrelationID string
	Findings      problem.Findings
}

// Cancel cancels the open requests among the next ones of a partner, newest first, and gives how many that were and where to go on, empty at
// the end. Their links then lead nowhere, whoever mailed them. What an answer has ended meanwhile stays as it was answered. Codes:
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
	now := c.Now().UTC().Truncate(time.Second)
	page, err := c.Store.Invitations(ctx, tenant, Query{Status: AnyStatus, Limit: s.Limit, After: s.After, Now: now})
	if err != nil {
		return 0, "", err
	}
	e := Entry{At: now, By: u.Subject, CorrelationID: s.CorrelationID, Why: *s.Why}
	for _, i := range page.Invitations {
		was, err := c.cancel(ctx, i, e)
		if err != nil {
			return cancelled, "", unavailable(err) // the same call does the rest
		}
		if was {
			cancelled++
		}
	}
	return cancelled, page.Next, nil
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
