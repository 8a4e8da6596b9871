// Package contact says which mail addresses and names of people are accepted, for everything that takes one.
//
// It is stricter than net/mail, which takes display names, IP literals, domains without a dot and characters that
// reorder text: what is accepted here can be mailed to, shown in a page and logged as a hash without surprise.
package contact

import (
	"regexp"
	"slices"
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
	ascii, ok := a.checkDomain(domain)
	if !ok || !isDotAtom(local) || len(local)+1+len(ascii) > MaxAddress {
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

// checkDomain gives the ASCII form of a domain. What was typed has to be one of its two written forms, in any case: mapping
// for look-up also drops invisible characters, and the address is shown as it was typed.
func (a Addresses) checkDomain(domain string) (ascii string, ok bool) {
	ascii, err := idna.Lookup.ToASCII(domain)
	if err != nil || len(ascii) > 253 {
		return "", false
	}
	typed := norm.NFC.String(strings.ToLower(domain))
	if written, err := idna.Lookup.ToUnicode(ascii); err != nil || typed != ascii && typed != written {
		return "", false
	}
	labels := strings.Split(ascii, ".")
	if len(labels) < 2 {
		return "", false
	}
	for _, l := range labels {
		if l == "" || len(l) > 63 || strings.HasPrefix(l, "-") || strings.HasSuffix(l, "-") {
			return "", false
		}
	}
	if last := labels[len(labels)-1]; last == "example" || last == "test" {
		return ascii, a.AllowReserved
	}
	suffix, ok := registrySuffix(ascii)
	return ascii, ok && ascii != suffix
}

// registrySuffix gives the suffix of an ASCII domain on the ICANN list, below which a registry sells names. The list also
// has suffixes that companies manage, such as github.io; those are domains as any other here.
func registrySuffix(domain string) (suffix string, ok bool) {
	suffix, ok = publicsuffix.PublicSuffix(domain)
	for !ok {
		_, parent, more := strings.Cut(suffix, ".")
		if !more {
			return "", false
		}
		suffix, ok = publicsuffix.PublicSuffix(parent)
	}
	return suffix, true
}

// Normalise gives the form under which addresses are compared: in lower case, the domain in its ASCII form. It expects
// an address that was checked.
func Normalise(address string) string {
	local, domain, ok := cutLast(address)
	if !ok {
		return strings.ToLower(address)
	}
	if ascii, err := idna.Lookup.ToASCII(domain); err == nil {
		domain = ascii
	}
	return strings.ToLower(local + "@" + domain)
}

// simulator is where SES answers in place of a person: deliveries, bounces and complaints on purpose.
const simulator = "@simulator.amazonses.com"

// Simulated reports whether an address is one of SES's mailbox simulator.
func Simulated(address string) bool { return strings.HasSuffix(Normalise(address), simulator) }

// ASCII gives an address as it stands in a mail: an international domain in its ASCII form, everything else as it was typed.
func ASCII(address string) string {
	local, domain, ok := cutLast(address)
	if ascii, err := idna.Lookup.ToASCII(domain); ok && err == nil && strings.ContainsFunc(domain, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return local + "@" + ascii
	}
	return address
}

// Name gives a person's name or title in composed form (NFC), without surrounding space, or [problem.NameInvalid]. It
// refuses control, direction and zero-width characters, words that mix Latin, Cyrillic and Greek letters, and whatever
// a mail program would turn into a link.
//
// Two kinds of invisible characters are letters' parts and stay: the joiners of Indic scripts and of Arabic, where the
// script needs them (RFC 5892, A.1 and A.2: Sinhala and Persian names are misspelt without), and the selector of a
// variant after a Han character, which tells some Japanese names apart.
func Name(s string) (string, error) {
	s = norm.NFC.String(strings.TrimSpace(s))
	if s == "" || !utf8.ValidString(s) || utf8.RuneCountInString(s) > MaxName {
		return "", problem.New(problem.NameInvalid, "A name has 1 to %d characters.", MaxName)
	}
	if !visible(s) {
		return "", problem.New(problem.NameInvalid, "A name has no control or invisible characters.")
	}
	if !strings.ContainsFunc(s, unicode.IsLetter) {
		return "", problem.New(problem.NameInvalid, "A name has at least one letter.")
	}
	for word := range strings.FieldsSeq(s) {
		if mixesScripts(word) {
			return "", problem.New(problem.NameInvalid, "A word of a name is written in one alphabet.")
		}
	}
	if Linkable(s) {
		return "", problem.New(problem.NameInvalid, "A name holds no address and no link.")
	}
	return s, nil
}

// MaxNote is how long a note may be, in characters (domain, 0.17).
const MaxNote = 280

// Note gives a sentence that a stranger will read in our mail, in composed form (NFC), without surrounding space, or
// [problem.ValidationFailed]. It is one line of text that nothing makes a link of: no address, no URL, no domain and no telephone
// number, and no characters that a name could not have either.
func Note(s string) (string, error) {
	s = norm.NFC.String(strings.TrimSpace(s))
	switch {
	case s == "" || !utf8.ValidString(s) || utf8.RuneCountInString(s) > MaxNote || !visible(s):
		return "", problem.New(problem.ValidationFailed, "A message has 1 to %d characters on one line.", MaxNote)
	case slices.ContainsFunc(strings.Fields(s), mixesScripts):
		return "", problem.New(problem.ValidationFailed, "A word of a message is written in one alphabet.")
	case Linkable(s) || dialable(s):
		return "", problem.New(problem.ValidationFailed, "A message holds no address, no link and no telephone number.")
	}
	return s, nil
}

// leastNumber is how many digits a telephone number has at least, or whatever else could be dialled. A year, a price or a date has fewer
// in a row.
const leastNumber = 7

// dialable reports what telephones make a number of: digits of any script with nothing between them but what numbers are
// written with.
func dialable(s string) bool {
	digits := 0
	for _, r := range norm.NFKC.String(s) {
		switch {
		case unicode.IsDigit(r):
			if digits++; digits >= leastNumber {
				return true
			}
		case !strings.ContainsRune(" .-/()+\u00a0\u2010\u2011\u2013", r):
			digits = 0
		}
	}
	return false
}

const (
	zwnj = '\u200c'
	zwj  = '\u200d'
)

// visible reports whether every character shows, or is part of one that does.
func visible(s string) bool {
	var before rune
	for i, r := range s {
		switch {
		case r == zwnj || r == zwj:
			after, _ := utf8.DecodeRuneInString(s[i+utf8.RuneLen(r):])
			if !joins(before, r, after) {
				return false
			}
		case unicode.Is(unicode.Variation_Selector, r):
			if !unicode.Is(unicode.Han, before) {
				return false
			}
		// Cf holds the direction and zero-width characters, fillers are letters without a shape; Co and Cn would show as boxes.
		case !unicode.IsGraphic(r), unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r):
			return false
		}
		before = r
	}
	return true
}

// joins reports whether a joiner may stand between two characters: after a virama (combining class 9), and the one that
// separates also between two Arabic letters.
func joins(before, joiner, after rune) bool {
	if norm.NFC.PropertiesString(string(before)).CCC() == 9 {
		return true
	}
	return joiner == zwnj && unicode.Is(unicode.Arabic, before) && unicode.Is(unicode.Arabic, after)
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

// scheme is what programs take for the beginning of a link without any slash.
var scheme = regexp.MustCompile(`\b(https?|mailto|tel|sms|ftp|javascript|data):`)

// Linkable reports what mail programs make links of although the HTML is escaped: addresses, URLs and domain names.
func Linkable(s string) bool {
	lower := strings.ToLower(norm.NFKC.String(s))
	if strings.ContainsAny(lower, "@<>") || strings.Contains(lower, "://") || strings.Contains(lower, "www.") || scheme.MatchString(lower) {
		return true
	}
	words := strings.FieldsFuncSeq(strings.ReplaceAll(lower, "。", "."), func(r rune) bool {
		return !unicode.In(r, unicode.Letter, unicode.Mark, unicode.Digit) && r != '.' && r != '-'
	})
	for word := range words {
		host := strings.Trim(word, ".-")
		if !strings.Contains(host, ".") {
			continue
		}
		if ascii, err := idna.Lookup.ToASCII(host); err == nil {
			host = ascii
		}
		if _, ok := registrySuffix(host); ok {
			return true
		}
	}
	return false
}

// Registered gives the domain of an address as it was registered, in ASCII: what is below a suffix of the ICANN list, such as
// larch.co.uk for nora@mail.larch.co.uk. It expects an address that was checked.
func Registered(address string) string {
	_, domain, _ := cutLast(Normalise(address))
	suffix, ok := registrySuffix(domain)
	if !ok { // one that is reserved
		suffix = domain[strings.LastIndexByte(domain, '.')+1:]
	}
	rest := strings.TrimSuffix(domain, "."+suffix)
	return rest[strings.LastIndexByte(rest, '.')+1:] + "." + suffix
}
