package recipient

import (
	"errors"
	"testing"
	"time"

	"concord/internal/partner"
	"concord/internal/problem"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// mailed gives mails of partners, each some time before noon.
func mailed(of map[partner.TenantID][]time.Duration) (list []Mailing) {
	for p, ago := range of {
		for _, d := range ago {
			list = append(list, Mailing{Partner: p, At: noon.Add(-d)})
		}
	}
	return list
}

// How many partners may mail one recipient in a day is a limit for those that have not mailed it: who has mailed it
// before the others did may go on, whatever reminders of others stand beside.
func TestWhoHasMailedBeforeIsNoNewPartner(t *testing.T) {
	three := map[partner.TenantID][]time.Duration{"b": {3 * time.Hour}, "c": {2 * time.Hour}, "d": {time.Hour}}
	limits := Limits{Partners: 3}
	err := limits.allow(mailed(three), "a", noon)
	if p, ok := errors.AsType[*problem.Error](err); !ok || p.Code != problem.RecipientQuotaExceeded || p.RetryAfter != 21*time.Hour {
		t.Errorf("a fourth partner: %v", err)
	}
	three["a"] = []time.Duration{4 * time.Hour}
	if err := limits.allow(mailed(three), "a", noon); err != nil {
		t.Errorf("who had mailed before them: %v", err)
	}
	three["a"] = []time.Duration{5 * time.Hour, 9 * time.Minute}
	err = limits.allow(mailed(three), "a", noon)
	if p, ok := errors.AsType[*problem.Error](err); !ok || p.Code != problem.ResendCooldown || p.RetryAfter != time.Minute {
		t.Errorf("the newest of its own counts: %v", err)
	}
}

// Five mails of one sender in 24 hours, ten minutes apart; the wait is for the oldest of the last five.
func TestSpacing(t *testing.T) {
	ago := func(list ...time.Duration) (at []time.Time) {
		for _, d := range list {
			at = append(at, noon.Add(-d))
		}
		return at
	}
	for name, c := range map[string]struct {
		own        []time.Time
		cool, full time.Duration
	}{
		"none":          {nil, 0, 0},
		"one, just now": {ago(0), Cooldown, 0},
		"one, before":   {ago(Cooldown), 0, 0},
		"four":          {ago(4*time.Hour, 3*time.Hour, 2*time.Hour, time.Hour), -50 * time.Minute, 0},
		"five": {ago(5*time.Hour, 4*time.Hour, 3*time.Hour, 2*time.Hour, time.Hour), -50 * time.Minute,
			19 * time.Hour},
		"six, of another": {ago(6*time.Hour, 5*time.Hour, 4*time.Hour, 3*time.Hour, 2*time.Hour, time.Hour),
			-50 * time.Minute, 19 * time.Hour},
	} {
		if cool, full := Spacing(c.own, noon); cool != c.cool || full != c.full {
			t.Errorf("%s: %s, %s", name, cool, full)
		}
	}
}

// One mailbox is one recipient, whatever its tag; the address itself is another hash, and neither says the address.
func TestOf(t *testing.T) {
	if Of("Nora+one@Larch.example") != Of("nora@larch.example") ||
		exactly("nora+one@larch.example") == Of("nora@larch.example") {
		t.Error("tags")
	}
	if h := Of("nora@larch.example"); len(h) != 32 || h == Of("paul@larch.example") {
		t.Error(h)
	}
}
