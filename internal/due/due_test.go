package due_test

import (
	"context"
	"errors"
	"iter"
	"testing"
	"time"

	"concord/internal/due"
)

// book lists items and then fails, if it has an error.
type book struct {
	items []due.Item
	err   error
}

func (a book) Due(context.Context, time.Time) iter.Seq2[due.Item, error] {
	return func(yield func(due.Item, error) bool) {
		for _, r := range a.items {
			if !yield(r, nil) {
				return
			}
		}
		if a.err != nil {
			yield(due.Item{}, a.err)
		}
	}
}

// duty does what it is told, and counts it.
type duty struct{ err error }

func (d duty) Counts() []string { return []string{"Done", "Undone"} }

func (d duty) Do(_ context.Context, _ due.Item, _ time.Time, count func(string)) error {
	if d.err == nil {
		count("Done")
	}
	return d.err
}

// TestOldestDueIsSaidOnlyWhenItIsKnown: a figure of zero after a failure would keep the alarm quiet.
func TestOldestDueIsSaidOnlyWhenItIsKnown(t *testing.T) {
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	hour := []due.Item{{Kind: "invitation", Partner: "a", ID: "b", At: now.Add(-time.Hour)}}
	stranger := []due.Item{{Kind: "stranger", Partner: "a", ID: "b", At: now.Add(-time.Hour)}}
	down := errors.New("throttled")
	for _, c := range []struct {
		name   string
		index  book
		duty   error
		left   time.Duration // before the deadline
		oldest any           // nil for silence
		failed bool
	}{
		{"nothing is due", book{}, nil, time.Minute, 0.0, false},
		{"an hour", book{items: hour}, nil, time.Minute, 3600.0, false},
		{"the items fail", book{items: hour}, down, time.Minute, 3600.0, true},
		{"the first query fails", book{err: down}, nil, time.Minute, nil, true},
		{"a later query fails", book{items: hour, err: down}, nil, time.Minute, nil, true},
		{"nobody does it", book{items: stranger}, nil, time.Minute, 3600.0, true},
		{"no time", book{items: hour}, nil, time.Second, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), c.left)
			defer cancel()
			round := due.Round{Index: c.index, Duties: map[due.Kind]due.Duty{"invitation": duty{c.duty}}, Now: func() time.Time { return now }}
			tally, err := round.Run(ctx)
			if (err != nil) != c.failed {
				t.Errorf("error %v", err)
			}
			figures := round.Figures(tally)
			oldest, said := figures["OldestDueSeconds"]
			if said != (c.oldest != nil) || said && oldest != c.oldest {
				t.Errorf("figures %v", figures)
			}
			// What did not happen is not written: it would cost all the same.
			for name, n := range map[string]int{"Left": tally.Left, "Done": tally.Done["Done"], "Undone": 0} {
				if value, said := figures[name]; said != (n > 0) || value != float64(n) {
					t.Errorf("%s is %v (%t) for %d: %v", name, value, said, n, figures)
				}
			}
			if did := figures["Done"] == 1; did != (tally.Complete && tally.Oldest > 0 && tally.Left == 0 || c.name == "a later query fails") {
				t.Errorf("figures %v, tally %+v", figures, tally)
			}
		})
	}
}

// TestTheOldestIsTheOldest: whichever is listed last, and however young.
func TestTheOldestIsTheOldest(t *testing.T) {
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	waiting := func(ago ...time.Duration) (list []due.Item) {
		for _, d := range ago {
			list = append(list, due.Item{Kind: "invitation", Partner: "a", ID: "b", At: now.Add(-d)})
		}
		return list
	}
	for _, order := range [][]time.Duration{{3 * time.Hour, time.Minute}, {time.Minute, 3 * time.Hour}, {time.Minute, 3 * time.Hour, time.Hour}} {
		duties := map[due.Kind]due.Duty{"invitation": duty{}}
		round := due.Round{Index: book{items: waiting(order...)}, Duties: duties, Now: func() time.Time { return now }}
		if tally, err := round.Run(t.Context()); err != nil || tally.Oldest != 3*time.Hour {
			t.Errorf("%v: the oldest is %s, %v", order, tally.Oldest, err)
		}
	}
}
