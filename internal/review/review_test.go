package review_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"concord/internal/due"
	"concord/internal/granular"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/problem"
	"concord/internal/relationship"
	"concord/internal/review"
	"concord/internal/storetest"
)

const (
	larch = partner.TenantID("0a000000-0000-4000-8000-000000000001")
	alder = partner.TenantID("0a000000-0000-4000-8000-000000000002")
)

var began = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// ada is a Global admin at a domain of the company.
func ada() relationship.Person {
	return relationship.Person{
		Subject: "ada", Email: "Ada@larch.example", Roles: []partner.Role{partner.GlobalAdmin},
		Company: relationship.Customer{Tenant: larch, Domains: []string{"larch.example"}, Cloud: "public"},
	}
}

// house is a company and our side of it.
type house struct {
	*testing.T
	store *storetest.Memory
	now   time.Time
}

func newHouse(t *testing.T) *house { return &house{t, &storetest.Memory{}, began} }

func (h *house) note(who relationship.Person) error {
	return review.Notes{Store: h.store, Now: func() time.Time { return h.now }}.Note(h.Context(), who, "fr")
}

// stored is what is noted; the zero one for nothing.
func (h *house) stored() review.Review {
	h.Helper()
	r, err := h.store.Review(h.Context(), larch, true)
	if err != nil && !problem.Is(err, problem.NotFound) {
		h.Fatal(err)
	}
	return r
}

// serves has a partner in a relationship with the company.
func (h *house) serves(s relationship.Status) {
	h.store.PutRelationship(relationship.Relationship{
		ID: "rel_1", Partner: alder, Customer: relationship.Customer{Tenant: larch}, Status: s, Version: 1,
	})
}

// clean runs cleanup once, and gives what it counted.
func (h *house) clean() (did []string, failed error) {
	c := review.Cleanup{Store: h.store, Rights: h.store}
	for a, err := range h.store.Due(h.Context(), h.now) {
		if err != nil {
			return did, err
		}
		failed = errors.Join(failed, c.Do(h.Context(), a, h.now, func(name string) { did = append(did, name) }))
	}
	return did, failed
}

// Whom a company is asked by: a Global admin at a proven domain, and nobody else (0.27, 0.49).
func TestWhoIsNoted(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(*relationship.Person)
		to   string
	}{
		"a Global admin":            {func(*relationship.Person) {}, "Ada@larch.example"},
		"in another case":           {func(p *relationship.Person) { p.Company.Domains = []string{"LARCH.example"} }, "Ada@larch.example"},
		"another role":              {func(p *relationship.Person) { p.Roles = []partner.Role{partner.AdminAgent} }, ""},
		"a domain of somebody else": {func(p *relationship.Person) { p.Email = "ada@elm.example" }, ""},
		"below a domain":            {func(p *relationship.Person) { p.Email = "ada@mail.larch.example" }, ""},
		"no domain is proven":       {func(p *relationship.Person) { p.Company.Domains = nil }, ""},
		"no address":                {func(p *relationship.Person) { p.Email = "" }, ""},
		"no tenant":                 {func(p *relationship.Person) { p.Company.Tenant = "" }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h, who := newHouse(t), ada()
			c.edit(&who)
			if err := h.note(who); err != nil {
				t.Fatal(err)
			}
			r, next := h.stored(), began.Add(review.Period)
			if r.To != c.to || c.to != "" && (!r.Next.Equal(next) || r.Locale != "fr" || r.Cloud != "public") {
				t.Errorf("%+v", r)
			}
		})
	}
}

// One is noted for a tenant, also where two answer at once; a store that is down is an error, and nothing is answered then.
func TestOneIsNoted(t *testing.T) {
	h, other := newHouse(t), ada()
	other.Email = "bea@larch.example"
	err := errors.Join(h.note(ada()), h.note(other))
	if r := h.stored(); err != nil || r.To != "Ada@larch.example" || r.Version != 1 {
		t.Errorf("%+v, %v", h.stored(), err)
	}
	h = newHouse(t)
	first := true
	h.store.Inject(func(op storetest.Operation) storetest.Fault {
		if op == storetest.WriteReview && first {
			first = false
			return storetest.Fault{Err: review.ErrConflict}
		}
		return storetest.Fault{}
	})
	if err := h.note(ada()); err != nil {
		t.Errorf("somebody else was quicker: %v", err)
	}
	down := errors.New("down")
	for _, op := range []storetest.Operation{storetest.ReadReview, storetest.WriteReview} {
		h.store.Inject(func(is storetest.Operation) storetest.Fault {
			if is == op {
				return storetest.Fault{Err: down}
			}
			return storetest.Fault{}
		})
		if err := h.note(ada()); !errors.Is(err, down) {
			t.Errorf("%s: %v", op, err)
		}
	}
}

// A company is asked while anybody holds rights over it, each half year once; otherwise nobody is noted any more.
func TestWhoHoldsRights(t *testing.T) {
	for name, c := range map[string]struct {
		give func(*house)
		held bool
	}{
		"nobody":               {func(*house) {}, false},
		"a reseller":           {func(h *house) { h.serves(relationship.Active) }, true},
		"a reseller that was":  {func(h *house) { h.serves(relationship.Removed) }, false},
		"roles":                {func(h *house) { h.gives(began.AddDate(2, 0, 0)) }, true},
		"roles that are over":  {func(h *house) { h.gives(began.AddDate(0, 1, 0)) }, false},
		"a provider":           {func(h *house) { h.store.PutPartnership(provides(partnership.Granted)) }, true},
		"a provider that was":  {func(h *house) { h.store.PutPartnership(provides(partnership.Revoked)) }, false},
		"roles beside the end": {func(h *house) { h.serves(relationship.Removed); h.gives(began.AddDate(2, 0, 0)) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			c.give(h)
			if err := h.note(ada()); err != nil {
				t.Fatal(err)
			}
			h.now = began.Add(review.Period - time.Second)
			if did, err := h.clean(); len(did) != 0 || err != nil {
				t.Fatal("too early:", did, err)
			}
			h.now = began.Add(review.Period)
			want := []string{review.CountForgotten}
			if c.held {
				want[0] = review.CountAsked
			}
			did, err := h.clean()
			if !slices.Equal(did, want) || err != nil {
				t.Fatal(did, err)
			}
			if did, err := h.clean(); len(did) != 0 || err != nil {
				t.Error("again at once:", did, err)
			}
			r := h.stored()
			if !c.held {
				if _, waits := r.Due(); waits || r.To != "" || r.Locale != "" {
					t.Errorf("%+v", r)
				}
				if err := h.note(ada()); err != nil || h.stored().To == "" || !h.stored().Next.Equal(h.now.Add(review.Period)) {
					t.Errorf("who answers next is not noted: %+v, %v", h.stored(), err)
				}
				return
			}
			owed := r.Post.State == outbox.Queued && slices.Equal(r.Post.Owed, []outbox.Kind{review.Notice})
			if !owed || !r.Next.Equal(h.now.Add(review.Period)) {
				t.Errorf("%+v", r)
			}
		})
	}
}

// gives has the company give roles until an end.
func (h *house) gives(end time.Time) {
	h.Helper()
	if err := h.store.WriteGranular(h.Context(), granular.Change{After: granular.Relationship{
		Key: granular.Key{Partner: alder, ID: "gdr_aaaaaaaaaaaaaaaaaaaaaaaaaa"}, Customer: larch, Status: granular.Active,
		ActivatedAt: began, EndAt: end, Version: 1,
	}}); err != nil {
		h.Fatal(err)
	}
}

func provides(a partnership.Access) partnership.Partnership {
	return partnership.Partnership{
		Pair: partnership.Pair{Provider: alder, Reseller: larch}, Status: partnership.Removed, ProviderAccess: a, Version: 1,
	}
}

// Cleanup dies before and after its one write: what is due is done once.
func TestCleanupDies(t *testing.T) {
	for _, stored := range []bool{false, true} {
		h := newHouse(t)
		h.serves(relationship.Active)
		if err := h.note(ada()); err != nil {
			t.Fatal(err)
		}
		h.now = began.Add(review.Period)
		h.store.Inject(func(op storetest.Operation) storetest.Fault {
			if op == storetest.WriteReview {
				return storetest.Fault{Err: errors.New("killed"), Stored: stored}
			}
			return storetest.Fault{}
		})
		if _, err := h.clean(); err == nil {
			t.Fatal("nobody died")
		}
		h.store.Inject(nil)
		did, err := h.clean()
		if asked := slices.Contains(did, review.CountAsked); err != nil || asked == stored {
			t.Errorf("stored %v: %v, %v", stored, did, err)
		}
		if r := h.stored(); len(r.Post.Owed) != 1 || r.Version != 2 {
			t.Errorf("stored %v: %+v", stored, r)
		}
	}
}

// With the store down anywhere what is due stays due.
func TestCleanupWithoutStore(t *testing.T) {
	down := errors.New("down")
	for _, op := range []storetest.Operation{storetest.ReadReview, storetest.Relationship} {
		h := newHouse(t)
		h.serves(relationship.Active)
		if err := h.note(ada()); err != nil {
			t.Fatal(err)
		}
		h.now = began.Add(review.Period)
		h.store.Inject(func(is storetest.Operation) storetest.Fault {
			if is == op {
				return storetest.Fault{Err: down}
			}
			return storetest.Fault{}
		})
		if did, err := h.clean(); len(did) != 0 || !errors.Is(err, down) {
			t.Errorf("%s: %v, %v", op, did, err)
		}
		h.store.Inject(nil)
		if r := h.stored(); r.Version != 1 {
			t.Errorf("%s: %+v", op, r)
		}
	}
	gone := review.Cleanup{Store: &storetest.Memory{}, Rights: &storetest.Memory{}}
	if err := gone.Do(t.Context(), due.Item{Partner: larch}, began, func(string) {}); err != nil {
		t.Errorf("what is not there: %v", err)
	}
}
