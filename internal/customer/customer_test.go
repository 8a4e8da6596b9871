package customer_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"sync"
	"testing"
	"time"

	"concord/internal/customer"
	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/relationship"
	"concord/internal/storetest"
	"concord/internal/terms"
)

const (
	alder partner.TenantID = "0a000000-0000-4000-8000-000000000001"
	larch partner.TenantID = "0b000000-0000-4000-8000-000000000001"
)

func open() (*storetest.Memory, customer.Service, customer.Command) {
	store := &storetest.Memory{}
	store.PutRelationship(relationship.Relationship{
		ID: "rel_1", Partner: alder, Customer: relationship.Customer{Tenant: larch}, Status: relationship.Active,
		DelegatedAdmin: relationship.ActiveDAP, IdentityCheck: relationship.Unproven, Version: 1,
	})
	user := partner.User{Subject: "agent", Tenant: alder, Roles: []partner.Role{partner.SalesAgent}}
	return store, customer.Service{Store: store, Now: time.Now}, customer.Command{User: user, CorrelationID: "corr", IfVersion: invitation.AnyVersion}
}

func said(b bool) *bool { return &b }

// Many at once confirm and revoke: each is done once, and neither undoes the other.
func TestManyAtOnce(t *testing.T) {
	store, s, c := open()
	var wg sync.WaitGroup
	errs := make([]error, 32)
	for n := range errs {
		wg.Go(func() {
			change := customer.Change{IdentityConfirmed: said(true)}
			if n%2 == 0 {
				change = customer.Change{AllowDelegatedAccess: said(false)}
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
	_, err := s.Change(t.Context(), c, string(larch), customer.Change{IdentityConfirmed: said(true)})
	if p, ok := errors.AsType[*problem.Error](err); !ok || p.Code != problem.Unavailable || p.RetryAfter <= 0 {
		t.Error(err)
	}
}

const oak partner.TenantID = "0c000000-0000-4000-8000-000000000001"

// removal gives a service with a text to attest, a relationship with oak of which nothing was granted, and the attestation.
func removal(t *testing.T, role partner.ProgramRole) (*storetest.Memory, customer.Service, customer.Command, customer.Change) {
	t.Helper()
	store, s, c := open()
	store.PutAccount(partner.Account{Tenant: alder, Role: role, Locale: "en", Country: "US", Status: partner.Suspended, Version: 1})
	store.PutRelationship(relationship.Relationship{ID: "rel_2", Partner: alder, Customer: relationship.Customer{Tenant: oak}, Status: relationship.Active, DelegatedAdmin: relationship.NoAdministration, Version: 1})
	sum := sha256.Sum256([]byte("words"))
	if err := store.Publish(t.Context(), terms.Text{
		Type: terms.RelationshipRemoval, Version: "1", Language: "en", Title: "T", Body: "words", Hash: hex.EncodeToString(sum[:]), From: time.Now().Add(-time.Hour),
	}); err != nil {
		t.Fatal(err)
	}
	s.Accounts, s.Texts = store, store
	none, version := "none", "1"
	return store, s, c, customer.Change{RelationshipToPartner: &none, Attestation: &terms.Attestation{Accepted: said(true), Version: &version}}
}

// 0.6: what the remover sold and is active is in the way; 0.7: an indirect reseller ends its relationships unless the deployment says no.
func TestWhoEndsARelationship(t *testing.T) {
	store, s, c, change := removal(t, partner.DirectBill)
	sold, err := store.Relationship(t.Context(), alder, larch)
	if err != nil {
		t.Fatal(err)
	}
	sold.Sold.Active = 1
	store.PutRelationship(sold)
	if _, err := s.Change(t.Context(), c, string(larch), change); !problem.Is(err, problem.ActiveSubscriptionsExist) {
		t.Errorf("with an active subscription: %v", err)
	}
	if r, err := s.Change(t.Context(), c, string(oak), change); err != nil || r.Status != relationship.Removed {
		t.Errorf("without: %+v, %v", r, err)
	}
	s.SubscriptionsStay = true
	if r, err := s.Change(t.Context(), c, string(larch), change); err != nil || r.Status != relationship.Removed || r.Sold.Active != 1 {
		t.Errorf("where the policy is off: %+v, %v", r, err)
	}
	_, s, c, change = removal(t, partner.IndirectReseller)
	s.ResellersKeep = true
	if _, err := s.Change(t.Context(), c, string(larch), change); !problem.Is(err, problem.RoleNotPermitted) {
		t.Errorf("of a reseller that may not: %v", err)
	}
	if _, err := s.Change(t.Context(), c, string(larch), customer.Change{AllowDelegatedAccess: said(false)}); err != nil {
		t.Errorf("it gives administration back all the same: %v", err)
	}
	s.ResellersKeep = false
	if r, err := s.Change(t.Context(), c, string(larch), change); err != nil || r.Status != relationship.Removed {
		t.Errorf("of a reseller that may: %+v, %v", r, err)
	}
	c.User.Tenant = oak // a company without an account
	if _, err := s.Change(t.Context(), c, string(larch), change); !problem.Is(err, problem.RoleNotPermitted) {
		t.Errorf("of a company without an account: %v", err)
	}
}

// Many at once remove and confirm: the relationship ends once, with one line in its history.
func TestManyRemoveAtOnce(t *testing.T) {
	store, s, c, change := removal(t, partner.DirectBill)
	var wg sync.WaitGroup
	errs := make([]error, 32)
	for n := range errs {
		wg.Go(func() { _, errs[n] = s.Change(t.Context(), c, string(larch), change) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	if r, err := store.Relationship(t.Context(), alder, larch); err != nil || r.Version != 2 || len(r.History) != 1 || r.Status != relationship.Removed {
		t.Errorf("%+v, %v", r, err)
	}
}
