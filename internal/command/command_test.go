package command

import (
	"errors"
	"testing"
	"time"

	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/publicid"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestReplays(t *testing.T) {
	c := Command{Key: "key", Body: "body"}
	for name, each := range map[string]struct {
		c         Command
		at        time.Time
		key, body string
		was       bool
		code      problem.Code
	}{
		"the same":              {c, noon, Fingerprint("key"), "body", true, ""},
		"another body":          {c, noon, Fingerprint("key"), "other", false, problem.IdempotencyKeyReused},
		"another key":           {c, noon, Fingerprint("other"), "body", false, ""},
		"no key":                {Command{Body: "body"}, noon, "", "body", false, ""},
		"a second before a day": {c, noon.Add(time.Second - Window), Fingerprint("key"), "body", true, ""},
		"a day later":           {c, noon.Add(-Window), Fingerprint("key"), "other", false, ""},
		"a lasting key":         {Command{Key: "key", Body: "body", Lasting: true}, noon.Add(-9 * Window), Fingerprint("key"), "body", true, ""},
	} {
		was, err := each.c.Replays(noon, each.at, each.key, each.body)
		if was != each.was || (err != nil) != (each.code != "") || err != nil && !problem.Is(err, each.code) {
			t.Errorf("%s: %v, %v", name, was, err)
		}
	}
}

func TestVersions(t *testing.T) {
	for _, each := range []struct {
		asked, is       int
		expects, allows problem.Code
	}{
		{0, 3, problem.PreconditionRequired, ""}, {AnyVersion, 3, "", ""}, {3, 3, "", ""},
		{2, 3, problem.PreconditionFailed, problem.PreconditionFailed}, {4, 3, problem.PreconditionFailed, problem.PreconditionFailed},
	} {
		c := Command{IfVersion: each.asked}
		for what, got := range map[problem.Code]error{each.expects: c.Expects(each.is, "account"), each.allows: c.Allows(each.is, "account")} {
			if (got != nil) != (what != "") && each.expects == each.allows || got != nil && !problem.Is(got, what) {
				t.Errorf("%d asked of %d: %v, want %q", each.asked, each.is, got, what)
			}
		}
	}
}

func TestIDs(t *testing.T) {
	c := Command{User: partner.User{Tenant: "a"}, Key: "key"}
	id := c.ID("ord_", "order", "")
	if !publicid.Is("ord_", id) || id != c.ID("ord_", "order", "") {
		t.Error(id)
	}
	other, foreign := c, c
	other.Key, foreign.User.Tenant = "other", "b"
	for n, x := range []string{c.ID("ord_", "order", "2026-03-01"), c.ID("ord_", "else", ""), other.ID("ord_", "order", ""), foreign.ID("ord_", "order", "")} {
		if x == id {
			t.Errorf("%d is %s too", n, x)
		}
	}
	c.Key = ""
	if first := c.ID("ord_", "order", ""); first == c.ID("ord_", "order", "") {
		t.Error("without a key an id is made twice")
	}
	if days := c.Days(noon); len(days) != 3 || days[0] != "" || days[1] != "2026-02-28" || days[2] != "2026-03-01" {
		t.Error(days)
	}
}

func TestRetry(t *testing.T) {
	calls, other := 0, errors.New("other")
	again := func(times int, last error) func() error {
		calls = 0
		return func() error {
			if calls++; calls <= times {
				return ErrConflict
			}
			return last
		}
	}
	if err := Retry(again(rounds-1, nil)); err != nil || calls != rounds {
		t.Error(calls, err)
	}
	if err := Retry(again(1, other)); !errors.Is(err, other) || calls != 2 {
		t.Error(calls, err)
	}
	if err := Retry(again(rounds, nil)); !problem.Is(err, problem.Unavailable) || calls != rounds {
		t.Error(calls, err)
	}
}
