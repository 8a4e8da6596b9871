package customer

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/relationship"
	"concord/internal/storetest"
)

const (
	alder partner.TenantID = "0a000000-0000-4000-8000-000000000001"
	larch partner.TenantID = "0b000000-0000-4000-8000-000000000001"
)

func open() (*storetest.Memory, Service, Command) {
	store := &storetest.Memory{}
	store.PutRelationship(relationship.Relationship{
		ID: "rel_1", Partner: alder, Customer: relationship.Customer{Tenant: larch}, Status: relationship.Active,
		DelegatedAdmin: relationship.ActiveDAP, IdentityCheck: relationship.Unproven, Version: 1,
	})
	user := partner.User{Subject: "agent", Tenant: alder, Roles: []partner.Role{partner.SalesAgent}}
	return store, Service{Store: store, Now: time.Now}, Command{User: user, CorrelationID: "corr", IfVersion: invitation.AnyVersion}
}

func said(b bool) *bool { return &b }

// Many at once confirm and revoke: each is done once, and neither undoes the other.
func TestManyAtOnce(t *testing.T) {
	store, s, c := open()
	var wg sync.WaitGroup
	errs := make([]error, 32)
	for n := range errs {
		wg.Go(func() {
			change := Change{IdentityConfirmed: said(true)}
			if n%2 == 0 {
				change = Change{AllowDelegatedAccess: said(false)}
			}
			_, errs[n] = s.Change(t.Context(), c, string(larch), change)
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	r, err := store.Relationship(t.Context(), alder, larch)
	if err != nil || r.Version != 3 || r.IdentityCheck != relationship.Confirmed || r.DelegatedAdmin != relationship.TerminatedDAP || len(r.History) != 2 || r.Status != relationship.Active {
		t.Errorf("%+v, %v", r, err)
	}
}

// contested is a store in which somebody else is always quicker.
type contested struct{ *storetest.Memory }

func (contested) Commit(context.Context, []invitation.Change, []relationship.Change) error {
	return invitation.ErrConflict
}

func TestAStormIsToldAsOne(t *testing.T) {
	store, s, c := open()
	s.Store = contested{store}
	_, err := s.Change(t.Context(), c, string(larch), Change{IdentityConfirmed: said(true)})
	if p, ok := errors.AsType[*problem.Error](err); !ok || p.Code != problem.Unavailable || p.RetryAfter <= 0 {
		t.Error(err)
	}
}
