// Package publicid makes and reads the ids that people and programs see: a prefix that says what kind of thing it is of, and 128 bits in
// 26 letters and digits of base 32 (RFC 4648, 6) in lower case.
package publicid

import (
	"crypto/rand"
	"encoding/base32"
	"strings"
)

// Size is how many bytes an id holds beside its prefix.
const Size = 16

// The prefixes that more than one package knows.
const (
	Invitation = "inv_"
	Granular   = "gdap_" // granular administration
	Enrolment  = "enr_"
)

var encoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Format returns the public id of a prefix and 128 bits.
func Format(prefix string, b [Size]byte) string { return prefix + encoding.EncodeToString(b[:]) }

// Random returns a new public id, whose bits nobody can guess.
func Random(prefix string) string {
	var b [Size]byte
	_, _ = rand.Read(b[:]) // never fails
	return Format(prefix, b)
}

// Parse returns the bits of a public id with a prefix. It returns false for anything that Format would not have written.
func Parse(prefix, s string) (b [Size]byte, ok bool) {
	text, ok := strings.CutPrefix(s, prefix)
	if !ok || len(text) != encoding.EncodedLen(Size) {
		return b, false
	}
	n, err := encoding.Decode(b[:], []byte(text))
	return b, err == nil && n == Size && Format(prefix, b) == s
}

// Is reports whether s has the form of a public id with a prefix.
func Is(prefix, s string) bool {
	_, ok := Parse(prefix, s)
	return ok
}
