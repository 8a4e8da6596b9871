// Package emailaddr says which mail addresses and names of people are accepted, for everything that takes one.
//
// It is stricter than net/mail, which takes display names, IP literals, domains without a dot and characters that
// reorder text: what is accepted here can be mailed to, shown in a page and logged as a hash without surprise.
package emailaddr

import (
	"iter"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
	"golang.org/x/text/unicode/norm"

	"concord/internal/link"
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
		return "", problem.New(problem.EmailInvalid, "This is not an email address that can be used; one is written as name@example.com.")
	}
	if strings.ContainsFunc(local, func(r rune) bool { return r >= utf8.RuneSelf }) {
		if !utf8.ValidString(local) {
			return "", problem.New(problem.EmailInvalid, "This is not an email address that can be used; one is written as name@example.com.")
		}
		return "", problem.New(problem.EmailInternationalisedLocal, "Only ASCII is possible before the @ of an email address.")
	}
	ascii, ok := a.checkDomain(domain)
	if !ok || !isDotAtom(local) || len(local)+1+len(ascii) > MaxAddress {
		return "", problem.New(problem.EmailInvalid, "This is not an email address that can be used; one is written as name@example.com.")
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

// Domain gives the ASCII form of a domain that one company can have, in lower case, and false for any other text: a suffix below which
// anybody can have names is nobody's, whether a registry or a company runs it, and so is one below which tenants have them.
func (a Addresses) Domain(s string) (ascii string, ok bool) {
	if ascii, ok = a.checkDomain(strings.TrimSpace(s)); !ok {
		return "", false
	}
	suffix, _ := publicsuffix.PublicSuffix(ascii)
	return ascii, ascii != suffix && !holdsTenants(ascii)
}

// Above gives the domains above one in its ASCII form, nearest first, as far as somebody can have them for himself.
func Above(domain string) (list []string) {
	top, err := publicsuffix.EffectiveTLDPlusOne(domain)
	if err != nil {
		return nil
	}
	for domain != top {
		_, parent, found := strings.Cut(domain, ".")
		if !found || holdsTenants(parent) {
			break
		}
		domain = parent
		list = append(list, domain)
	}
	return list
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

// Mailbox gives the form by which it is told whether two addresses are of one mailbox (domain, 0.37): that of [Normalise], without a tag.
// The simulator's own tags tell rehearsals apart and stay. It expects an address that was checked.
func Mailbox(address string) string {
	address = Normalise(address)
	at := strings.LastIndexByte(address, '@')
	if tag := strings.IndexByte(address, '+'); tag > 0 && tag < at && !strings.HasSuffix(address, simulator) {
		return address[:tag] + address[at:]
	}
	return address
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

// Name gives the name or title of a person or a company in composed form (NFC), without surrounding space, or
// [problem.NameInvalid]. It refuses control, direction and other characters that do not show, words that mix Latin, Cyrillic and
// Greek letters, mail addresses, what begins as a link does or goes on as one, and telephone numbers.
//
// A company may be called like a domain (domain, 0.38): whatever shows a name in a mail or a draft writes it with [Disarm].
//
// Two kinds of invisible characters are letters' parts and stay: the joiners of Indic scripts and of Arabic, where the
// script needs them (RFC 5892, A.1 and A.2: Sinhala and Persian names are misspelt without), and the selector of a
// variant after a Han character, which tells some Japanese names apart.
func Name(s string) (string, error) {
	s = norm.NFC.String(strings.TrimSpace(s))
	switch {
	case s == "" || !utf8.ValidString(s) || utf8.RuneCountInString(s) > MaxName:
		return "", problem.New(problem.NameInvalid, "A name has 1 to %d characters.", MaxName)
	case !visible(s):
		return "", problem.New(problem.NameInvalid, "A name must not contain control or invisible characters.")
	case !strings.ContainsFunc(s, unicode.IsLetter):
		return "", problem.New(problem.NameInvalid, "A name must contain at least one letter.")
	case slices.ContainsFunc(strings.Fields(s), mixesScripts):
		return "", problem.New(problem.NameInvalid, "Each word of a name must be written in one alphabet.")
	case addressed(fold(s)) || located(fold(s)) || link.Holds(s):
		return "", problem.New(problem.NameInvalid, "A name holds no email address and no link, with http:// or www. or a path; a company may be called like a domain, such as Rowan.com.")
	case dialable(s):
		return "", problem.New(problem.NameInvalid, "A name holds no phone number: %d digits or more without a letter between them are one.", leastNumber)
	}
	return s, nil
}

// Addressee is [Name] for what a partner types of whom it writes to, and a stranger reads in our mail. Nothing of it looks like a
// domain either (0.38).
func Addressee(s string) (string, error) {
	s, err := Name(s)
	if err == nil && Linkable(s) {
		return "", problem.New(problem.NameInvalid, "This name holds no address, no link and no domain.")
	}
	return s, err
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
		return "", problem.New(problem.ValidationFailed, "A message has 1 to %d characters on one line, all of which show.", MaxNote)
	case slices.ContainsFunc(strings.Fields(s), mixesScripts):
		return "", problem.New(problem.ValidationFailed, "Each word of a message must be written in one alphabet.")
	case Linkable(s) || dialable(s) || link.Holds(s):
		return "", problem.New(problem.ValidationFailed, "A message must not contain an address, a link or a phone number.")
	}
	return s, nil
}

// Line reports whether a text can be kept that nobody but its own side reads: 1 to limit characters on one line, all of which show
// (0.38), and no token of a link of ours.
func Line(s string, limit int) bool {
	return s != "" && utf8.RuneCountInString(s) <= limit && utf8.ValidString(s) && visible(s) && !link.Holds(s)
}

var phone = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[+0-9 ().\-/]{3,30}$`) })

// Phone returns nil for a phone number as people write it, else [problem.ValidationFailed].
func Phone(s string) error {
	if phone().MatchString(s) {
		return nil
	}
	return problem.New(problem.ValidationFailed, "A phone number has 3 to 30 digits, spaces and the signs + ( ) . - /, such as +1 555 0107.")
}

// LineRule says what [Line] wants, for a limit.
const LineRule = "The text has 1 to %d characters on one line, all of which show: no control, direction or invisible characters, and no personal link."

// Clean gives what a person has typed into a field of several lines without whatever does not show: what nobody can see, nobody can
// be asked to take out. The token of a link of ours is left out too.
func Clean(s string) string {
	s = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u2028", "\n", "\u2029", "\n", "\t", " ").Replace(strings.ToValidUTF8(s, ""))
	lines := strings.Split(norm.NFC.String(s), "\n")
	for n, line := range lines {
		lines[n] = strings.TrimSpace(link.Without(shown(line)))
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

// Hidden gives the first character of a text that does not show, with its place counted from 1, and false when there is none. Line
// ends and tabs are no such characters, and the joiner with which [Disarm] keeps a name together is none.
func Hidden(s string) (r rune, place int, found bool) {
	for _, r := range s {
		place++
		if r == '\n' || r == '\r' || r == '\t' || r == joiner {
			continue
		}
		if !unicode.IsGraphic(r) && r != zwj && r != zwnj || blank(r) && !unicode.Is(unicode.Variation_Selector, r) {
			return r, place, true
		}
	}
	// What is wrong with a joiner or a selector is what stands around it.
	kept := strings.NewReplacer("\n", " ", "\r", " ", "\t", " ").Replace(strings.ReplaceAll(s, string(joiner), ""))
	if n := firstHidden(kept); n >= 0 {
		r, _ := utf8.DecodeRuneInString(kept[n:])
		return r, utf8.RuneCountInString(kept[:n]) + 1, true
	}
	return 0, 0, false
}

// joiner keeps what stands around it together, and shows as nothing (WORD JOINER).
const joiner = '\u2060'

// Disarm gives a name as mails and drafts show it: a dot that could be one of a domain has a joiner behind it, so that no program
// makes a link of what a company is called (0.38).
func Disarm(name string) string {
	var b strings.Builder
	runes := []rune(name)
	word := func(n int) bool {
		return n >= 0 && n < len(runes) && (unicode.In(runes[n], unicode.Letter, unicode.Mark, unicode.Digit) || runes[n] == '-')
	}
	for n, r := range runes {
		b.WriteRune(r)
		if strings.ContainsRune(".\u3002\uff0e\uff61", r) && word(n-1) && word(n+1) && word(n+2) {
			b.WriteRune(joiner)
		}
	}
	return b.String()
}

// leastNumber is how many digits a telephone number has at least, or whatever else could be dialled. A year or a price has fewer in a
// row.
const leastNumber = 7

// dialable reports what a person could dial: digits of any script with no letter between them (0.38).
func dialable(s string) bool {
	digits := 0
	for _, r := range norm.NFKC.String(s) {
		switch {
		case unicode.IsDigit(r):
			if digits++; digits >= leastNumber {
				return true
			}
		case unicode.IsLetter(r):
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
func visible(s string) bool { return firstHidden(s) < 0 }

// firstHidden gives where the first character is that does not show, and -1 when there is none.
func firstHidden(s string) int {
	var before rune
	for i, r := range s {
		after, _ := utf8.DecodeRuneInString(s[i+utf8.RuneLen(r):])
		if r == utf8.RuneError || !shows(before, r, after) {
			return i
		}
		before = r
	}
	return -1
}

// shown gives a text without the characters that do not show.
func shown(s string) string {
	for i := firstHidden(s); i >= 0; i = firstHidden(s) {
		_, size := utf8.DecodeRuneInString(s[i:])
		s = s[:i] + s[i+size:]
	}
	return s
}

func shows(before, r, after rune) bool {
	switch {
	case r == zwnj || r == zwj:
		return joins(before, r, after)
	case unicode.Is(unicode.Variation_Selector, r):
		// Symbols have one form as text and one in colour.
		return unicode.Is(unicode.Han, before) || (r == '\ufe0e' || r == '\ufe0f') && symbol(before)
	default:
		return unicode.IsGraphic(r) && !blank(r)
	}
}

// blank reports what is graphic by its class and shows nothing: fillers are letters without a shape. Cf, which is not graphic, holds the
// direction and zero-width characters; Co and Cn would show as boxes.
func blank(r rune) bool {
	return unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) || r == '\u2800' // a cell of braille without a dot
}

func symbol(r rune) bool { return unicode.In(r, unicode.So, unicode.Sm, unicode.Sk) }

// joins reports whether a joiner may stand between two characters: after a virama (combining class 9) and within a picture, and the one
// that separates also between two Arabic letters.
func joins(before, joiner, after rune) bool {
	if norm.NFC.PropertiesString(string(before)).CCC() == 9 {
		return true
	}
	if joiner == zwj && (symbol(before) || before == '\ufe0f') && symbol(after) {
		return true // one picture made of several
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
var scheme = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`\b(https?|mailto|tel|sms|ftp|javascript|data):\S`)
})

// fold gives a text as programs compare it.
func fold(s string) string {
	return strings.ReplaceAll(strings.ToLower(norm.NFKC.String(s)), "。", ".")
}

// addressed reports mail addresses, markup, and whatever names the scheme of a link. It expects a folded text.
func addressed(lower string) bool {
	return strings.ContainsAny(lower, "@<>") || strings.Contains(lower, "://") || strings.Contains(lower, "www.") || strings.Contains(lower, ":") && scheme().MatchString(lower)
}

// Linkable reports what mail programs make links of although the HTML is escaped: addresses, URLs and domain names.
func Linkable(s string) bool {
	lower := fold(s)
	if addressed(lower) {
		return true
	}
	for range hosts(lower) {
		return true
	}
	return false
}

// located reports a domain that goes on as a link does, with a path, a port or a question. It expects a folded text.
func located(lower string) bool {
	for end := range hosts(lower) {
		rest := lower[end:]
		if strings.HasPrefix(rest, ":") {
			return len(rest) > 1 && '0' <= rest[1] && rest[1] <= '9'
		}
		if rest != "" && strings.ContainsRune("/\\?#", rune(rest[0])) {
			return true
		}
	}
	return false
}

// hosts gives where each domain name ends that stands in a folded text.
func hosts(lower string) iter.Seq[int] {
	part := func(r rune) bool {
		return unicode.In(r, unicode.Letter, unicode.Mark, unicode.Digit) || r == '.' || r == '-'
	}
	return func(yield func(int) bool) {
		for at := 0; at < len(lower); {
			n := strings.IndexFunc(lower[at:], part)
			if n < 0 {
				return
			}
			at += n
			size := strings.IndexFunc(lower[at:], func(r rune) bool { return !part(r) })
			if size < 0 {
				size = len(lower) - at
			}
			word := lower[at : at+size]
			at += size
			host := strings.Trim(word, ".-")
			if !strings.Contains(host, ".") {
				continue
			}
			if ascii, err := idna.Lookup.ToASCII(host); err == nil {
				host = ascii
			}
			if _, ok := registrySuffix(host); ok && !yield(at) {
				return
			}
		}
	}
}

// Registered gives the domain of an address as it was registered, in ASCII: what is below a suffix of the ICANN list, such as
// larch.co.uk for nora@mail.larch.co.uk, or below one of [TenantSuffix]. It expects an address that was checked.
func Registered(address string) string {
	_, domain, _ := cutLast(Normalise(address))
	suffix, ok := TenantSuffix(domain)
	if !ok {
		suffix, ok = registrySuffix(domain)
	}
	if !ok { // one that is reserved
		suffix = domain[strings.LastIndexByte(domain, '.')+1:]
	}
	rest := strings.TrimSuffix(domain, "."+suffix)
	return rest[strings.LastIndexByte(rest, '.')+1:] + "." + suffix
}
