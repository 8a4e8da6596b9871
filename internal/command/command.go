// Package command is what every change of something with a version has in common: who asks, under which key and condition; how a repetition is
// known again (api, Norms); which id a key makes; and how often a decision is made anew when somebody else was quicker.
package command

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/publicid"
)

// Command is who asks for a change, and under which condition.
type Command struct {
	User          partner.User
	CorrelationID string
	// Key is the Idempotency-Key, empty for none; Body is a fingerprint of the method, the path and the body.
	Key, Body string
	// IfVersion is the version that the caller has seen (If-Match), or [AnyVersion]; zero for none.
	IfVersion int
	// Findings is what is wrong with the form of the request already: a service adds its own and refuses, in the order of checks (domain, 2.5).
	Findings problem.Findings
	// Generation, when not zero, is that of the link that the command is about: with another one it changes nothing.
	Generation int
	// Lasting has the key remembered for good, not for its [Window]: for machines that may come back to a task later than that. Its key makes one
	// thing, ever.
	Lasting bool
}

// AnyVersion is a condition that every version fulfils (If-Match: *).
const AnyVersion = -1

// Window is how long an Idempotency-Key is remembered (api, Norms).
const Window = 24 * time.Hour

// rounds bounds how often a decision is made anew after somebody else was quicker.
const rounds = 8

// ErrConflict means that somebody else was quicker: read again and decide again. Every store gives it for a version that is not the one before.
var ErrConflict = errors.New("changed by somebody else")

// Now returns the time as it is stored: in UTC, to the second.
func Now(clock func() time.Time) time.Time { return clock().UTC().Truncate(time.Second) }

// Fingerprint is by what a key is known again in a history: 48 bits of its hash. That of no key is empty.
func Fingerprint(key string) string {
	if key == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:6])
}

// Replays reports whether what was done at a moment, with the fingerprint of a key and a body, was this command. The same key with another body
// is [problem.IdempotencyKeyReused].
func (c Command) Replays(now, at time.Time, key, body string) (bool, error) {
	if c.Key == "" || key != Fingerprint(c.Key) || now.Sub(at) >= Window && !c.Lasting {
		return false, nil
	}
	if body != c.Body {
		return false, Reused()
	}
	return true, nil
}

// Reused refuses a key that was used with another request.
func Reused() error {
	return problem.New(problem.IdempotencyKeyReused, "This Idempotency-Key was used with another request.")
}

// Expects returns nil when a version is the one that the command is about, else [problem.PreconditionRequired] when it names none, or
// [problem.PreconditionFailed], which says what was changed: "account", "resource".
func (c Command) Expects(version int, what string) error {
	if c.IfVersion == 0 {
		return problem.New(problem.PreconditionRequired, "Say which version you change, with If-Match: the ETag that GET gives, or * for any.")
	}
	return c.Allows(version, what)
}

// Allows is [Command.Expects] where no version need be named.
func (c Command) Allows(version int, what string) error {
	if c.IfVersion == 0 || c.IfVersion == AnyVersion || c.IfVersion == version {
		return nil
	}
	return Outdated(what)
}

// Outdated refuses a change of what was changed since it was read.
func Outdated(what string) error {
	return problem.New(problem.PreconditionFailed, "The %s was changed since you read it.", what)
}

// ID derives a public id from the Idempotency-Key, so that the same command finds what it made and no item for the key is needed; without
// a key the id is random. The scope says of what kind the id is, the day is one of [Command.Days].
func (c Command) ID(prefix, scope, day string) string {
	if c.Key == "" {
		return publicid.Random(prefix)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s|%s|%s|%s", scope, c.User.Tenant, day, c.Key))
	return publicid.Format(prefix, [publicid.Size]byte(sum[:publicid.Size]))
}

// Days are the days for which the key can have an id: none, for the first time that it is used, and for one that comes back after its window
// the day on which it does, which for a replay can be the day before. A lasting key has the first alone.
func (c Command) Days(now time.Time) []string {
	if c.Lasting {
		return []string{""}
	}
	return []string{"", now.Add(-Window).Format(time.DateOnly), now.Format(time.DateOnly)}
}

// Retry does what reads, decides and writes until nobody else was quicker. What conflicts each time is [problem.Unavailable].
func Retry(do func() error) error {
	for range rounds {
		if err := do(); !errors.Is(err, ErrConflict) {
			return err
		}
	}
	return Busy()
}

// Busy refuses what others were quicker with each time.
func Busy() error {
	return &problem.Error{Code: problem.Unavailable, Detail: "Too many changes at once; try again.", RetryAfter: time.Second}
}
