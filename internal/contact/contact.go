// Package contact says which mail addresses and names of people are accepted, for everything that takes one.
//
// It is stricter than net/mail, which takes display names, IP literals, domains without a dot and characters that
// reorder text: what is accepted here can be mailed to, shown in a page and logged as a hash without surprise.
package contact

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
	"golang.org/x/text/unicode/norm"

	"concord/internal/problem"
)

// Limits of RFC 5321 and of our pages.
const (
	MaxAddress = 254 // bytes
	maxLocal   = 64  // bytes
	MaxName    = 100 // characters
)

// Addresses checks mail addresses.
type Addresses struct {
	// AllowReserved accepts the reserved top-level domains example and test, which only a local stack does.
	AllowReserved bool
}

// Check gives the address as it was typed, without surrounding space, or [problem.EmailInvalid] or
// [problem.EmailInternationalisedLocal].
func (a Addresses) Check(s string) (string, error) {
	s = strings.TrimSpace(s)
	local, domain, ok := cutLast(s)
	if !ok || len(s) > MaxAddress || local == "" || len(local) > maxLocal {
		return "", problem.New(problem.EmailInvalid, "This is not a mail address that can be used.")
	}
	if strings.ContainsFunc(local, func(r rune) bool { return r >= utf8.RuneSelf }) {
		if !utf8.ValidString(local) {
			return "", problem.New(problem.EmailInvalid, "This is not a mail address that can be used.")
		}
		return "", problem.New(problem.EmailInternationalisedLocal, "Only ASCII is possible before the @ of a mail address.")
	}
	if !isDotAtom(local) || !a.checkDomain(domain) {
		return "", problem.New(problem.EmailInvalid, "This is not a mail address that can be used.")
	}
	return s, nil
}

func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, '@')
	if i < 0 {
		return "", "", false
	}
	return s[:i], s[i+1:], true
}

func isDotAtom(local string) bool {
	for atom := range strings.SplitSeq(local, ".") {
		if atom == "" {
			return false
		}
		for _, r := range atom {
			if !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r)) {
				return false
			}
		}
	}
	return true
}

func (a Addresses) checkDomain(domain string) bool {
	ascii, err := idna.Lookup.ToASCII(domain)
	if err != nil || len(ascii) > 253 {
		return false
	}
	labels := strings.Split(ascii, ".")
	if len(labels) < 2 {
		return false
	}
	for _, l := range labels {
		if l == "" || len(l) > 63 || strings.HasPrefix(l, "-") || strings.HasSuffix(l, "-") {
			return false
		}
	}
	last := labels[len(labels)-1]
	if last == "example" || last == "test" {
		return a.AllowReserved
	}
	suffix, icann := publicsuffix.PublicSuffix(ascii)
	// A privately managed suffix ends in one of the ICANN list; an unlisted one is its own last label.
	return ascii != suffix && (icann || strings.Contains(suffix, "."))
}

// Normalise gives the form under which addresses are compared: in lower case, the domain in its ASCII form. It expects
// an address that was checked.
func Normalise(address string) string {
	local, domain, _ := cutLast(address)
	if ascii, err := idna.Lookup.ToASCII(domain); err == nil {
		domain = ascii
	}
	return strings.ToLower(local + "@" + domain)
}

// Name gives a person's name or title in composed form (NFC), without surrounding space, or [problem.NameInvalid]. It
// refuses control, direction and zero-width characters, words that mix Latin, Cyrillic and Greek letters, and whatever
// a mail program would turn into a link.
func Name(s string) (string, error) {
	s = norm.NFC.String(strings.TrimSpace(s))
	if s == "" || !utf8.ValidString(s) || utf8.RuneCountInString(s) > MaxName {
		return "", problem.New(problem.NameInvalid, "A name has 1 to %d characters.", MaxName)
	}
	for _, r := range s {
		// Cf holds the direction and zero-width characters; Co and Cn would show as boxes.
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs, unicode.Zl, unicode.Zp) || !unicode.IsGraphic(r) {
			return "", problem.New(problem.NameInvalid, "A name has no control or invisible characters.")
		}
	}
	for word := range strings.FieldsSeq(s) {
		if mixesScripts(word) {
			return "", problem.New(problem.NameInvalid, "A word of a name is written in one alphabet.")
		}
	}
	if linkable(s) {
		return "", problem.New(problem.NameInvalid, "A name holds no address and no link.")
	}
	return s, nil
}

func mixesScripts(word string) bool {
	var latin, cyrillic, greek int
	for _, r := range word {
		switch {
		case unicode.Is(unicode.Latin, r):
			latin = 1
		case unicode.Is(unicode.Cyrillic, r):
			cyrillic = 1
		case unicode.Is(unicode.Greek, r):
			greek = 1
		}
	}
	return latin+cyrillic+greek > 1
}

// linkable reports what mail programs make links of although the HTML is escaped: addresses, URLs and domain names.
func linkable(s string) bool {
	lower := strings.ToLower(s)
	if strings.ContainsAny(lower, "@<>") || strings.Contains(lower, "://") || strings.Contains(lower, "www.") {
		return true
	}
	for word := range strings.FieldsSeq(lower) {
		word = strings.Trim(word, `.,;:!?()[]"'/`)
		if !strings.Contains(word, ".") {
			continue
		}
		host, _, _ := strings.Cut(word, "/")
		suffix, icann := publicsuffix.PublicSuffix(host)
		if icann && suffix != host && strings.IndexFunc(host, unicode.IsDigit) != 0 {
			return true
		}
	}
	return false
}
