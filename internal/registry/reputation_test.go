package registry_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"concord/internal/command"
	"concord/internal/partner"
	"concord/internal/recipient"
	"concord/internal/registry"
	"concord/internal/storetest"
)

const alder = partner.TenantID("a1de0000-0000-4000-8000-000000000001")

// noon is in the middle of a day, so that days can be told from hours.
var noon = time.Date(2026, 3, 20, 12, 0, 0, 0, time.UTC)

// bench is a reputation over a store in memory, with one partner.
type bench struct {
	t      *testing.T
	store  *storetest.Memory
	now    time.Time
	rule   registry.Reputation
	paused []registry.Score
}

func newBench(t *testing.T) *bench {
	b := &bench{t: t, store: &storetest.Memory{}, now: noon}
	b.store.PutAccount(partner.Account{Tenant: alder, Role: partner.DirectBill, Cloud: "public", Status: partner.Active, CreatedAt: noon.AddDate(-1, 0, 0), Version: 1})
	b.rule = registry.Reputation{
		Store: b.store, Complaints: registry.Threshold{PerMille: 3, Least: 3}, Bounces: registry.Threshold{PerMille: 100, Least: 20}, Now: func() time.Time { return b.now },
		Paused: func(_ context.Context, p partner.TenantID, _ partner.Pause, s registry.Score) {
			if p != alder {
				t.Errorf("%s is paused", p)
			}
			b.paused = append(b.paused, s)
		},
	}
	return b
}

// mails counts mails of a day, so many days before now.
func (b *bench) mails(n, daysAgo int) {
	b.t.Helper()
	for range n {
		if ok, err := b.store.Count(b.t.Context(), alder, recipient.Tally{Day: b.now.AddDate(0, 0, -daysAgo).Format(time.DateOnly)}, 1<<20); err != nil || !ok {
			b.t.Fatal(ok, err)
		}
	}
}

func (b *bench) complain(ids ...int) {
	b.t.Helper()
	for _, id := range ids {
		if err := b.rule.Complained(b.t.Context(), alder, fmt.Sprintf("inv_%026d", id)); err != nil {
			b.t.Fatal(err)
		}
	}
}

func (b *bench) bounce(from, to int) {
	b.t.Helper()
	for id := from; id < to; id++ {
		if err := b.rule.Bounced(b.t.Context(), alder, fmt.Sprintf("inv_%026d", id)); err != nil {
			b.t.Fatal(err)
		}
	}
}

// is fails the test unless the partner is paused for a reason, "" for none.
func (b *bench) is(reason string) partner.Account {
	b.t.Helper()
	a, err := b.store.Account(b.t.Context(), alder, true)
	if err != nil {
		b.t.Fatal(err)
	}
	got := ""
	if a.Paused != nil {
		got = a.Paused.Reason
	}
	if got != reason {
		b.t.Fatalf("paused for %q, want %q", got, reason)
	}
	return a
}

func TestComplaintsPause(t *testing.T) {
	t.Run("at the least number", func(t *testing.T) {
		b := newBench(t)
		b.mails(3, 0)
		b.complain(1, 2, 2, 1)
		b.is("")
		b.complain(3)
		a := b.is(partner.Complaints)
		if !a.Paused.At.Equal(noon) || a.Version != 2 || len(a.History) != 1 || a.History[0].By != "reputation" || a.History[0].Why != partner.Complaints || fmt.Sprint(a.History[0].Changed) != "[sending=paused]" {
			t.Errorf("%+v", a)
		}
		want := registry.Score{From: time.Date(2026, 3, 14, 0, 0, 0, 0, time.UTC), Mails: 3, Complaints: 3}
		if len(b.paused) != 1 || b.paused[0] != want {
			t.Errorf("%+v", b.paused)
		}
		b.complain(4, 5, 1)
		if got := b.is(partner.Complaints); got.Version != 2 || len(b.paused) != 1 {
			t.Errorf("paused again: %+v", got)
		}
	})
	t.Run("at three of a thousand", func(t *testing.T) {
		b := newBench(t)
		b.mails(667, 0)
		b.mails(667, 3)
		b.complain(1, 2, 3, 4)
		b.is("")
		b.complain(5)
		b.is(partner.Complaints)
	})
	t.Run("not those of a week ago", func(t *testing.T) {
		b := newBench(t)
		b.complain(1, 2)
		b.now = noon.AddDate(0, 0, 6)
		b.mails(1, 0)
		if s, err := b.rule.Score(t.Context(), b.is("")); err != nil || s.Complaints != 2 {
			t.Errorf("%+v, %v", s, err)
		}
		b.now = noon.AddDate(0, 0, 7)
		b.complain(3)
		if s, err := b.rule.Score(t.Context(), b.is("")); err != nil || s.Complaints != 1 || s.Mails != 1 {
			t.Errorf("%+v, %v", s, err)
		}
	})
	t.Run("one that comes again the next day counts at its first", func(t *testing.T) {
		b := newBench(t)
		b.complain(1, 2)
		b.now = noon.Add(13 * time.Hour)
		b.complain(1, 2)
		b.is("")
		b.complain(3)
		b.is(partner.Complaints)
	})
	t.Run("of nobody", func(t *testing.T) {
		b := newBench(t)
		b.rule.Complaints.Least = 1
		if err := b.rule.Complained(t.Context(), "b12c0000-0000-4000-8000-000000000002", "inv_1"); err != nil {
			t.Error(err)
		}
	})
	t.Run("never without a threshold", func(t *testing.T) {
		b := newBench(t)
		b.rule.Complaints, b.rule.Bounces = registry.Threshold{}, registry.Threshold{}
		b.complain(1, 2, 3, 4, 5)
		b.bounce(0, 50)
		b.is("")
	})
}

func TestBouncesPause(t *testing.T) {
	b := newBench(t)
	b.mails(210, 1)
	b.bounce(0, 20)
	b.is("")
	b.bounce(19, 20)
	b.is("")
	b.bounce(20, 21)
	b.is(partner.Bounces)

	few := newBench(t)
	few.mails(20, 0)
	few.bounce(0, 19)
	few.is("")
	few.bounce(19, 20)
	few.is(partner.Bounces)

	// A bounce does not judge complaints, nor count as one.
	mixed := newBench(t)
	mixed.bounce(0, 19)
	mixed.complain(1, 2)
	mixed.is("")
}

// Lifted, only what is said from then on counts, and of the day all mails.
func TestCountedFromTheLifting(t *testing.T) {
	b := newBench(t)
	b.mails(10, 1)
	b.mails(5, 0)
	b.complain(1, 2, 3)
	a := b.is(partner.Complaints)
	b.now = noon.Add(time.Hour)
	a.Paused, a.CountedFrom, a.Version = nil, b.now, a.Version+1
	b.store.PutAccount(a)
	b.complain(9) // within the second of the pardon
	b.now = b.now.Add(time.Second)
	b.complain(1, 2, 3, 4, 5) // three of them again, in another hour
	s, err := b.rule.Score(t.Context(), b.is(""))
	if want := (registry.Score{From: noon.Add(time.Hour), Mails: 5, Complaints: 2}); err != nil || s != want {
		t.Errorf("%+v, %v", s, err)
	}
	b.complain(6)
	b.is(partner.Complaints)
}

// With an error the call is made again, and comes to the same.
func TestComplaintsSurviveFaults(t *testing.T) {
	for _, op := range []storetest.Operation{storetest.Object, storetest.Account, storetest.Week, storetest.WriteAccount} {
		for _, stored := range []bool{false, true} {
			b := newBench(t)
			b.complain(1, 2)
			lost := errors.New("no answer")
			once := true
			b.store.Inject(func(o storetest.Operation) storetest.Fault {
				if o == op && once {
					once = false
					return storetest.Fault{Err: lost, Stored: stored}
				}
				return storetest.Fault{}
			})
			if err := b.rule.Complained(t.Context(), alder, "inv_3"); !errors.Is(err, lost) {
				t.Errorf("%s: %v", op, err)
			}
			if err := b.rule.Complained(t.Context(), alder, "inv_3"); err != nil {
				t.Errorf("%s: %v", op, err)
			}
			if a := b.is(partner.Complaints); a.Version != 2 {
				t.Errorf("%s: version %d", op, a.Version)
			}
		}
	}
	// Somebody else changes the account meanwhile.
	b := newBench(t)
	b.complain(1, 2)
	rounds := 0
	b.store.Inject(func(o storetest.Operation) storetest.Fault {
		if o == storetest.WriteAccount {
			if rounds++; rounds < 3 {
				return storetest.Fault{Err: command.ErrConflict}
			}
		}
		return storetest.Fault{}
	})
	b.complain(3)
	b.is(partner.Complaints)
	b = newBench(t)
	b.complain(1, 2)
	b.store.Inject(func(o storetest.Operation) storetest.Fault {
		if o == storetest.WriteAccount {
			return storetest.Fault{Err: command.ErrConflict}
		}
		return storetest.Fault{}
	})
	if err := b.rule.Complained(t.Context(), alder, "inv_3"); !errors.Is(err, command.ErrConflict) {
		t.Errorf("%v", err)
	}
}
