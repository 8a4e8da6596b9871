package emailaddr

import (
	"errors"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"concord/internal/problem"
)

// longDomain is a domain of n bytes under com, of labels of at most 63.
func longDomain(n int) string {
	d := "com"
	for len(d) < n {
		d = strings.Repeat("d", min(63, n-len(d)-1)) + "." + d
		if n-len(d) == 1 { // no room for a dot and a letter: lengthen the first label instead
			d = "d" + d
		}
	}
	return d
}

func TestAcceptedAddresses(t *testing.T) {
	for _, c := range []struct {
		name, address, normal string
		reserved              bool
	}{
		{"plain", "Nora.Berg@Example.com", "nora.berg@example.com", false},
		{"surrounding space goes", " \tnora@larch.com\n", "nora@larch.com", false},
		{"every character of an atom", "a!#$%&'*+-/=?^_`{|}~9@larch.com", "a!#$%&'*+-/=?^_`{|}~9@larch.com", false},
		{"a subdomain", "a@mail.eu.larch.com", "a@mail.eu.larch.com", false},
		{"a registry of two labels", "a@larch.co.uk", "a@larch.co.uk", false},
		{"below a suffix that a company manages", "a@larch.github.io", "a@larch.github.io", false},
		{"a suffix that a company manages", "a@github.io", "a@github.io", false},
		{"a local part of 64", strings.Repeat("l", 64) + "@larch.com", strings.Repeat("l", 64) + "@larch.com", false},
		{"254 in all", strings.Repeat("l", 64) + "@" + longDomain(189), strings.Repeat("l", 64) + "@" + longDomain(189), false},
		{"an international domain", "a@Müller.de", "a@xn--mller-kva.de", false},
		{"the same, decomposed", "a@Mu\u0308ller.de", "a@xn--mller-kva.de", false},
		{"the same in ASCII", "a@XN--mller-kva.de", "a@xn--mller-kva.de", false},
		{"an international top level", "a@उदाहरण.भारत", "a@xn--p1b6ci4b4b3a.xn--h2brj9c", false},
		{"a domain that is written right to left", "a@דוגמה.ישראל", "a@xn--6dbbec0c.xn--4dbrk0ce", false},
		{"a joiner where Persian needs it", "a@نامه\u200cای.com", "a@xn--mgba3gch31f060k.com", false},
		{"the reserved example, where allowed", "admin@larch.example", "admin@larch.example", true},
		{"the reserved test, where allowed", "admin@larch.test", "admin@larch.test", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Addresses{AllowReserved: c.reserved}.Check(c.address)
			if err != nil {
				t.Fatalf("refused: %v", err)
			}
			if got != strings.TrimSpace(c.address) {
				t.Errorf("Check changed the address to %q", got)
			}
			if n := Normalise(got); n != c.normal {
				t.Errorf("Normalise = %q, want %q", n, c.normal)
			}
		})
	}
}

func TestRefusedAddresses(t *testing.T) {
	const invalid, international = problem.EmailInvalid, problem.EmailInternationalisedLocal
	for _, c := range []struct {
		name, address string
		want          problem.Code
	}{
		{"empty", "", invalid},
		{"space", "   ", invalid},
		{"no @", "larch.com", invalid},
		{"nothing before the @", "@larch.com", invalid},
		{"nothing after the @", "nora@", invalid},
		{"two @", "a@b@larch.com", invalid},
		{"a display name", "Nora Berg <nora@larch.com>", invalid},
		{"angle brackets", "<nora@larch.com>", invalid},
		{"two addresses", "a@larch.com,b@larch.com", invalid},
		{"a comment", "nora(home)@larch.com", invalid},
		{"a quoted local part", `"nora berg"@larch.com`, invalid},
		{"a space", "nora berg@larch.com", invalid},
		{"a line break for another header", "nora\r\nBcc: x@larch.com", invalid},
		{"a line break inside", "no\nra@larch.com", invalid},
		{"a dot in front", ".nora@larch.com", invalid},
		{"a dot behind", "nora.@larch.com", invalid},
		{"two dots", "nora..berg@larch.com", invalid},
		{"a local part of 65", strings.Repeat("l", 65) + "@larch.com", invalid},
		{"255 in all", strings.Repeat("l", 64) + "@" + longDomain(190), invalid},
		{"short as typed, over 254 as sent", strings.Repeat("l", 64) + "@" + strings.Repeat("ü.", 40) + longDomain(60), invalid},
		{"a label of 64", "a@" + strings.Repeat("l", 64) + ".com", invalid},
		{"an empty label", "a@larch..com", invalid},
		{"a dot after the domain", "a@larch.com.", invalid},
		{"a hyphen in front of a label", "a@-larch.com", invalid},
		{"a hyphen behind a label", "a@larch-.com", invalid},
		{"an underscore in the domain", "a@la_rch.com", invalid},
		{"an address of the network", "a@127.0.0.1", invalid},
		{"a literal", "a@[127.0.0.1]", invalid},
		{"a literal of version 6", "a@[IPv6:::1]", invalid},
		{"no dot", "a@localhost", invalid},
		{"a top level alone", "a@com", invalid},
		{"a registry's own suffix", "a@co.uk", invalid},
		{"an unknown top level", "a@larch.internal", invalid},
		{"an unknown top level in ASCII", "a@larch.xn--p1b6ci4b4b3a", invalid},
		{"no punycode", "a@xn--a.com", invalid},
		{"the reserved example", "admin@larch.example", invalid},
		{"the reserved test", "admin@larch.test", invalid},
		{"the reserved invalid", "admin@larch.invalid", invalid},
		{"text that turns round in the domain", "a@larch\u202ecom.evil.com", invalid},
		{"text that turns round before the @", "a\u202eb@larch.com", international},
		{"a character without width in the domain", "a@la\u200brch.com", invalid},
		{"a soft hyphen in the domain", "a@la\u00adrch.com", invalid},
		{"a joiner that Latin does not need", "a@la\u200drch.com", invalid},
		{"wide letters in the domain", "a@ｌarch.com", invalid},
		{"a wide dot in the domain", "a@larch。com", invalid},
		{"letters beyond ASCII before the @", "müller@larch.com", international},
		{"Hindi before the @", "नोरा@larch.com", international},
		{"no UTF-8 before the @", "\xff@larch.com", invalid},
		{"no UTF-8 in the domain", "a@\xff.com", invalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Addresses{}.Check(c.address)
			if problem.CodeOf(err) != c.want || got != "" {
				t.Errorf("Check = %q, %v; want %s", got, err, c.want)
			}
			if typed := strings.TrimSpace(c.address); err != nil && typed != "" && strings.Contains(err.Error(), typed) {
				t.Error("the error repeats the address")
			}
		})
	}
	t.Run("a suffix is none where reserved domains are allowed", func(t *testing.T) {
		for _, a := range []string{"a@example", "a@co.uk", "a@127.0.0.1", "a@larch.invalid"} {
			if _, err := (Addresses{AllowReserved: true}).Check(a); err == nil {
				t.Errorf("%s is accepted", a)
			}
		}
	})
}

func TestNormaliseKeepsWhatIsNoAddress(t *testing.T) {
	for in, want := range map[string]string{"": "", "Larch": "larch", "A@La_rch": "a@la_rch"} {
		if got := Normalise(in); got != want {
			t.Errorf("Normalise(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestAcceptedNames(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"plain", "Nora Berg", "Nora Berg"},
		{"surrounding space goes", " \tNora Berg\n", "Nora Berg"},
		{"decomposed letters are composed", "Zoe\u0308 Mu\u0308ller", "Zoë Müller"},
		{"an apostrophe", "Siobhán O'Brien", "Siobhán O'Brien"},
		{"a typographic apostrophe", "Siobhán O’Brien", "Siobhán O’Brien"},
		{"a hyphen", "Anne-Marie Le-Gall", "Anne-Marie Le-Gall"},
		{"initials", "J. R. R. Tolkien, Ph.D.", "J. R. R. Tolkien, Ph.D."},
		{"initials without space", "J.R.R. Tolkien", "J.R.R. Tolkien"},
		{"a title with figures", "Head of Office 2.0 (EMEA) & Cloud", "Head of Office 2.0 (EMEA) & Cloud"},
		{"one letter", "O", "O"},
		{"Chinese", "王小明", "王小明"},
		{"Japanese with an ideographic space", "山田　太郎", "山田　太郎"},
		{"a variant of a Han character", "葛\U000e0100城", "葛\U000e0100城"},
		{"Hindi", "नोरा शर्मा", "नोरा शर्मा"},
		{"Hindi with a joiner", "क्\u200dष", "क्\u200dष"},
		{"Hindi with a separator", "श्\u200cयाम", "श्\u200cयाम"},
		{"Sinhala, which needs the joiner", "ශ්\u200dරී", "ශ්\u200dරී"},
		{"Persian, which needs the separator", "علی\u200cرضا", "علی\u200cرضا"},
		{"Hebrew", "נורה ברג", "נורה ברג"},
		{"Greek", "Νόρα Μπεργκ", "Νόρα Μπεργκ"},
		{"Cyrillic and Latin in different words", "Нора Berg", "Нора Berg"},
		{"100 characters", strings.Repeat("é", 100), strings.Repeat("é", 100)},
		{"100 characters once composed", strings.Repeat("e\u0301", 100), strings.Repeat("é", 100)},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Name(c.in)
			if err != nil || got != c.want {
				t.Errorf("Name(%q) = %q, %v; want %q", c.in, got, err, c.want)
			}
		})
	}
}

func TestRefusedNames(t *testing.T) {
	for _, c := range []struct{ name, in string }{
		{"empty", ""},
		{"space", " \u3000 "},
		{"101 characters", strings.Repeat("é", 101)},
		{"no UTF-8", "Nora\xff"},
		{"no letter", "42 - 7"},
		{"a shape without a letter", "🙂"},
		{"a tab", "Nora\tBerg"},
		{"a line break", "Nora\nBerg"},
		{"a line separator", "Nora\u2028Berg"},
		{"a null", "Nora\x00"},
		{"text that turns round", "Nora\u202egreB"},
		{"an isolate", "\u2066Nora\u2069"},
		{"a mark of direction", "Nora\u200fBerg"},
		{"a space without width", "Nora\u200bBerg"},
		{"a byte order mark", "\ufeffNora"},
		{"a soft hyphen", "No\u00adra"},
		{"a joiner in Latin", "No\u200dra"},
		{"a separator in Latin", "No\u200cra"},
		{"a joiner in front", "\u200dनोरा"},
		{"a joiner in Arabic", "علی\u200dرضا"},
		{"a separator behind Arabic", "علی\u200c"},
		{"a letter without shape", "\u3164"},
		{"a letter without shape inside", "No\u115fra"},
		{"a selector after Latin", "Nora\ufe0f"},
		{"a private character", "Nora\ue000"},
		{"an unassigned character", "Nora\u0378"},
		{"a Cyrillic letter in a Latin word", "Nоra"},
		{"a Greek letter in a Latin word", "Nοra"},
		{"a Greek letter in a Cyrillic word", "Нοра"},
		{"an address", "nora@larch.com"},
		{"an address with a wide @", "nora＠larch"},
		{"a link", "https://larch"},
		{"a www name", "www.larch"},
		{"a domain with a path", "larch.com/pay"},
		{"a domain with a port", "larch.com:8080"},
		{"a domain with a question", "larch.com?a=b"},
		{"markup", "<b>Nora</b>"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, err := Name(c.in); problem.CodeOf(err) != problem.NameInvalid || got != "" {
				t.Errorf("Name(%q) = %q, %v", c.in, got, err)
			}
		})
	}
}

// Decision 0.38: a name may look like a domain, and free words that a stranger reads may not.
func TestNamesThatLookLikeDomains(t *testing.T) {
	for _, c := range []struct{ name, in string }{
		{"a domain", "Larch.com"},
		{"a domain at the end of a sentence", "Visit larch.com."},
		{"a domain in brackets", "Nora (larch.com)"},
		{"a domain in typographic quotes", "Nora “larch.com”"},
		{"a domain before a dash", "larch.com—pay now"},
		{"a domain after a figure", "Visit 1und1.de"},
		{"a domain below a company's suffix", "larch.github.io"},
		{"a company's suffix", "github.io"},
		{"an international domain", "müller.de"},
		{"an international top level", "उदाहरण.भारत"},
		{"a wide dot", "larch．com"},
		{"an ideographic dot", "larch。com"},
		{"a company", "Rowanberry.com Holdings"},
		{"a company with an umlaut", "Zwölftanne.de GmbH"},
		{"a company with figures", "37-rowans.net"},
		{"a degree", "Dipl.Ing. Nora Berg"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, err := Name(c.in); err != nil || got != norm.NFC.String(c.in) {
				t.Errorf("Name(%q) = %q, %v", c.in, got, err)
			}
			if Linkable(Disarm(c.in)) {
				t.Errorf("programs make a link of %q", Disarm(c.in))
			}
			if got, err := Addressee(c.in); problem.CodeOf(err) != problem.NameInvalid || got != "" {
				t.Errorf("Addressee(%q) = %q, %v", c.in, got, err)
			}
		})
	}
	for _, same := range []string{"Nora Berg", "J.R.R. Tolkien, Ph.D.", "Office 2.0 (EMEA)", "Alder Inc.", "山田　太郎"} {
		if got := Disarm(same); got != same {
			t.Errorf("Disarm(%q) = %q", same, got)
		}
		if got, err := Addressee(same); err != nil || got != same {
			t.Errorf("Addressee(%q) = %q, %v", same, got, err)
		}
	}
}

// Decision 0.38: seven or more digits of any script, whatever stands between them but letters, are a telephone number.
func TestTelephoneNumbers(t *testing.T) {
	for _, in := range []string{
		"Urgent: your account is locked, call +1 900 555 0100", "Call 5550100", "Call 555-0100", "Call (1)9.0.0/5,5;5", "Call 1·900·555", "Call 1|9|0|0|5|5|5",
		"Call ٠١٢٣٤٥٦", "Call १२३४५६७", "Call １２３４５６７", "Call ①②③④⑤⑥⑦", "Call 1_900_555", "Call 1👍900👍555",
	} {
		if got, err := Name(in); problem.CodeOf(err) != problem.NameInvalid {
			t.Errorf("Name(%q) = %q, %v", in, got, err)
		}
		if got, err := Note(in); problem.CodeOf(err) != problem.ValidationFailed {
			t.Errorf("Note(%q) = %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"Studio 54", "1-800-FLOWERS", "Class of 1999 and 2001", "3M", "Building 12, Suite 345", "Head of Office 2.0"} {
		if got, err := Name(in); err != nil || got != in {
			t.Errorf("Name(%q) = %q, %v", in, got, err)
		}
	}
}

// hidden are characters that do not show, each in a text.
var hidden = map[string]string{
	"a control character": "a\x01b", "a null": "a\x00b", "an escape": "a\x1bb", "a C1 control": "a\u0085b", "text that turns round": "a\u202eb", "an isolate": "\u2066a\u2069",
	"a mark of direction": "a\u200fb", "an Arabic mark": "a\u061cb", "no width": "a\u200bb", "a word joiner": "a\u2060b", "a byte order mark": "\ufeffa", "a soft hyphen": "a\u00adb",
	"a joiner in Latin": "a\u200db", "a filler": "a\u3164b", "an empty cell of braille": "a\u2800b", "a tag": "a\U000e0041b", "a selector after Latin": "a\ufe0fb",
	"a grapheme joiner": "a\u034fb", "an invisible times": "a\u2062b", "a private character": "a\ue000b", "a line separator": "a\u2028b",
}

// Decision 0.38: what does not show goes nowhere.
func TestWhatDoesNotShow(t *testing.T) {
	for name, in := range hidden {
		t.Run(name, func(t *testing.T) {
			if Line(in, 100) {
				t.Error("Line takes it")
			}
			if _, err := Note(in); err == nil {
				t.Error("Note takes it")
			}
			if got := Clean(in); !Line(strings.ReplaceAll(got, "\n", " "), 100) || !strings.Contains(got, "a") {
				t.Errorf("Clean leaves %q", got)
			}
			if _, _, found := Hidden(in); found == (name == "a word joiner") && name != "a line separator" {
				t.Errorf("Hidden: %v", found)
			}
		})
	}
	for _, in := range []string{"a plain text", "Zoë", "Thanks ❤️", "👩\u200d💻 at work", "क्\u200dष", "علی\u200cرضا", "葛\U000e0100城", "x ≤ 3", "50 % – “quoted”", "a\u00a0b"} {
		if got := Clean(in); !Line(in, 100) || got != norm.NFC.String(in) {
			t.Errorf("%q: Line %v, Clean %q", in, Line(in, 100), got)
		}
		if r, at, found := Hidden("\r\n\t" + Disarm("Rowan.com ") + in); found {
			t.Errorf("%q: %U at %d", in, r, at)
		}
	}
	if _, at, found := Hidden("né\u202e"); !found || at != 3 {
		t.Errorf("found %v at %d", found, at)
	}
	if got := Clean(" one\r\n\ttwo \r three\u2028four\xff "); got != "one\ntwo\nthree\nfour" {
		t.Errorf("Clean: %q", got)
	}
	if Line("", 3) || !Line("abc", 3) || Line("abcd", 3) || Line("a\nb", 3) || Line("\xff", 3) {
		t.Error("the limits of a line")
	}
}

func FuzzAddress(f *testing.F) {
	for _, s := range []string{"nora@larch.com", "a@Müller.de", "a@نامه\u200cای.com", `"a b"@c.de`, "a@[::1]", "a@x。com", "a@xn--mller-kva.de", "a@K\u212a.com"} {
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, s string, reserved bool) {
		got, err := Addresses{AllowReserved: reserved}.Check(s)
		if err != nil {
			refusal, ok := errors.AsType[*problem.Error](err)
			if !ok || got != "" || refusal.Code != problem.EmailInvalid && refusal.Code != problem.EmailInternationalisedLocal {
				t.Fatalf("%q: %q, %v", s, got, err)
			}
			return
		}
		local, domain, _ := strings.Cut(got, "@")
		switch {
		case got != strings.TrimSpace(s):
			t.Errorf("%q became %q", s, got)
		case len(got) > MaxAddress, len(local) > 64, local == "", strings.Contains(domain, "@"), !strings.Contains(domain, "."):
			t.Errorf("%q is accepted", got)
		case strings.ContainsFunc(local, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"(),:;<>@[\]`, r) }):
			t.Errorf("%q has another local part than an atom", got)
		case strings.ContainsFunc(domain, func(r rune) bool { return r != zwj && r != zwnj && !unicode.IsGraphic(r) || unicode.IsSpace(r) }):
			t.Errorf("%q has an invisible domain", got)
		}
		normal := Normalise(got)
		if strings.ContainsFunc(normal, func(r rune) bool { return r > '~' || 'A' <= r && r <= 'Z' }) || len(normal) > MaxAddress {
			t.Errorf("Normalise(%q) = %q", got, normal)
		}
		if again := Normalise(normal); again != normal {
			t.Errorf("Normalise twice: %q, then %q", normal, again)
		}
		if _, err := (Addresses{AllowReserved: reserved}).Check(normal); err != nil {
			t.Errorf("the normal form %q of %q is refused", normal, got)
		}
	})
}

func FuzzName(f *testing.F) {
	for _, s := range []string{"Nora Berg", "Zoe\u0308", "क्\u200dष", "علی\u200cرضا", "葛\U000e0100城", "larch.com", "\u202e", "Nоra"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := Name(s)
		if err != nil {
			if got != "" || !problem.Is(err, problem.NameInvalid) {
				t.Fatalf("%q: %q, %v", s, got, err)
			}
			return
		}
		if n := utf8.RuneCountInString(got); n < 1 || n > MaxName || !utf8.ValidString(got) || !norm.NFC.IsNormalString(got) {
			t.Errorf("Name(%q) = %q", s, got)
		}
		if strings.ContainsFunc(got, func(r rune) bool {
			return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '@' || r == '<'
		}) {
			t.Errorf("Name(%q) = %q", s, got)
		}
		if again, err := Name(got); err != nil || again != got {
			t.Errorf("Name(%q) = %q, %v", got, again, err)
		}
	})
}
