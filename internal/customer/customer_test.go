package customer_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"concord/internal/command"
	"concord/internal/commerce"
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

func open() (*storetest.Memory, customer.Service, command.Command) {
	store := &storetest.Memory{}
	store.PutRelationship(relationship.Relationship{
		ID: "rel_1", Partner: alder, Customer: relationship.Customer{Tenant: larch}, Status: relationship.Active,
		DelegatedAdmin: relationship.ActiveDAP, IdentityCheck: relationship.Unproven, Version: 1,
	})
	user := partner.User{Subject: "agent", Tenant: alder, Roles: []partner.Role{partner.SalesAgent}}
	return store, customer.Service{Store: store, Support: store, Now: time.Now}, command.Command{User: user, CorrelationID: "corr", IfVersion: command.AnyVersion}
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
	return command.ErrConflict
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
func removal(t *testing.T, role partner.ProgramRole) (*storetest.Memory, customer.Service, command.Command, customer.Change) {
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

// 0.44, 0.6: what a partner supports falls back to the seller with its relationship, in the same write and with an entry, however many there
// are; it does not come back by itself with a new relationship.
func TestSupportFallsBack(t *testing.T) {
	const birch partner.TenantID = "0d000000-0000-4000-8000-000000000001"
	for _, count := range []int{0, 1, 3, 70} {
		store, s, c, change := removal(t, partner.IndirectReseller)
		sold := relationship.Relationship{ID: "rel_3", Partner: birch, Customer: relationship.Customer{Tenant: larch}, Status: relationship.Active, Version: 1}
		store.PutRelationship(sold)
		order := commerce.Order{ID: "ord_1", Seller: birch, Customer: larch, Version: 1}
		var subs []commerce.Subscription
		for n := range count + 1 {
			sub := commerce.Subscription{ID: fmt.Sprintf("sub_%03d", n), Seller: birch, Customer: larch, Status: commerce.SubscriptionActive, Version: 1}
			if n < count {
				sub.SupportContact, sub.SupportedSince = alder, time.Now()
			} else {
				sub.Reseller = alder // on record, which stays
			}
			subs = append(subs, sub)
		}
		after := sold
		after.Version++
		if err := store.PlaceOrder(t.Context(), order, subs, relationship.Change{Before: &sold, After: after}); err != nil {
			t.Fatal(err)
		}
		// Somebody is quicker once.
		once := true
		store.Inject(func(op storetest.Operation) storetest.Fault {
			if op == storetest.EndRelationship && once {
				once = false
				return storetest.Fault{Err: command.ErrConflict}
			}
			return storetest.Fault{}
		})
		r, err := s.Change(t.Context(), c, string(larch), change)
		if err != nil || r.Status != relationship.Removed {
			t.Fatalf("%d: %+v, %v", count, r, err)
		}
		store.Inject(nil)
		for n, sub := range subs {
			now, err := store.Subscription(t.Context(), commerce.View{Partner: birch, Customer: larch}, sub.ID)
			if err != nil {
				t.Fatal(err)
			}
			if n == count {
				if now.Version != 1 || now.Reseller != alder {
					t.Errorf("what it is on record for has changed: %+v", now)
				}
				continue
			}
			if now.SupportContact != "" || now.Supporter() != birch || now.Version != 2 || len(now.History) != 1 {
				t.Fatalf("%d: %+v", count, now)
			}
			if e := now.History[0]; e.Action != commerce.SupportFellBack || e.Tenant != alder || e.By != "" || e.CorrelationID != "corr" {
				t.Errorf("%+v", e)
			}
		}
		if left, err := store.Supported(t.Context(), alder, larch); err != nil || len(left) > 0 {
			t.Errorf("%d are left, %v", len(left), err)
		}
		again, err := s.Change(t.Context(), c, string(larch), change)
		if err != nil || again.Version != r.Version {
			t.Errorf("again: %+v, %v", again, err)
		}
	}
}

// 0.44: what is more than fits into the write of the end falls back before it. So whenever the process dies, before a
// write or after it, no ended relationship leaves a support contact behind: until the last write the relationship
// stands, and with it the contacts that have not fallen back; the same call goes on where it was cut off and tells of
// each once.
func TestSupportFallsBackThroughACrash(t *testing.T) {
	const birch partner.TenantID = "0d000000-0000-4000-8000-000000000001"
	const count, before = 54, 4 // of which so many fall back before the end
	for kill := range before + 1 {
		for _, stored := range []bool{false, true} {
			store, s, c, change := removal(t, partner.IndirectReseller)
			sold := relationship.Relationship{ID: "rel_3", Partner: birch, Customer: relationship.Customer{Tenant: larch}, Status: relationship.Active, Version: 1}
			store.PutRelationship(sold)
			var subs []commerce.Subscription
			for n := range count {
				subs = append(subs, commerce.Subscription{
					ID: fmt.Sprintf("sub_%03d", n), Seller: birch, Customer: larch, Status: commerce.SubscriptionActive, SupportContact: alder, SupportedSince: time.Now(), Version: 1,
				})
			}
			after := sold
			after.Version++
			if err := store.PlaceOrder(t.Context(), commerce.Order{ID: "ord_1", Seller: birch, Customer: larch, Version: 1}, subs, relationship.Change{Before: &sold, After: after}); err != nil {
				t.Fatal(err)
			}
			dead, writes := errors.New("the process has died"), 0
			store.Inject(func(op storetest.Operation) storetest.Fault {
				if op != storetest.WriteSubscription && op != storetest.EndRelationship || writes > kill {
					return storetest.Fault{}
				}
				if writes++; writes <= kill {
					return storetest.Fault{}
				}
				return storetest.Fault{Err: dead, Stored: stored}
			})
			if _, err := s.Change(t.Context(), c, string(larch), change); !errors.Is(err, dead) {
				t.Fatalf("%d: %v", kill, err)
			}
			store.Inject(nil)
			r, err := store.Relationship(t.Context(), alder, larch)
			left, lerr := store.Supported(t.Context(), alder, larch)
			if err := errors.Join(err, lerr); err != nil {
				t.Fatal(err)
			}
			if ended := kill == before && stored; ended != (r.Status == relationship.Removed) || ended != (len(left) == 0) {
				t.Errorf("killed at write %d, stored %v: %s with %d left", kill, stored, r.Status, len(left))
			}
			if r, err = s.Change(t.Context(), c, string(larch), change); err != nil || r.Status != relationship.Removed {
				t.Fatalf("once more: %+v, %v", r, err)
			}
			if left, err = store.Supported(t.Context(), alder, larch); err != nil || len(left) > 0 {
				t.Errorf("%d are left, %v", len(left), err)
			}
			for _, sub := range subs {
				if now, err := store.Subscription(t.Context(), commerce.View{Partner: birch, Customer: larch}, sub.ID); err != nil || now.Supporter() != birch || len(now.History) != 1 {
					t.Fatalf("%+v, %v", now, err)
				}
			}
		}
	}
}
