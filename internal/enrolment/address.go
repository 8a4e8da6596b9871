package enrolment

import (
	"context"
	_ "embed"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"sync"

	"golang.org/x/text/unicode/norm"
)

// Address is a postal address. What a country does not use is empty.
type Address struct {
	Line1, Line2 string
	City, State  string
	PostalCode   string
	Country      string // ISO 3166-1 alpha-2
}

// AddressStatus is what a validator says of an address.
type AddressStatus string

// The statuses. None of them keeps anybody from anything (rule E9).
const (
	AddressValid        AddressStatus = "valid"        // as the country writes it
	AddressSuggestion   AddressStatus = "suggestion"   // written otherwise than the country does
	AddressInvalid      AddressStatus = "invalid"      // something is missing or is none
	AddressNotValidated AddressStatus = "notValidated" // nobody could say
)

// Validation is what a validator says.
type Validation struct {
	Status    AddressStatus
	Suggested []Address // the best first
	// Doubtful names the fields that are missing or wrong, as the API calls them.
	Doubtful []string
}

// Validator looks at addresses. An error means that it could not: then nothing is known of the address, and nobody waits for it.
type Validator interface {
	Validate(ctx context.Context, a Address) (Validation, error)
}

// Formats validates by how countries write their addresses: what is required, how a postal code and a state look. It does not know which
// streets there are. Its data is addresses.json.
type Formats struct{}

//go:embed addresses.json
var formatData []byte

// format is how a country writes addresses. The letters are those of the data: A street, C city, S state, Z postal code.
type format struct {
	Require, Fmt, Prefix string
	Zip                  string
	ZipEx                []string
	States               [][]string // each with its names; the first one is written

	pattern *regexp.Regexp
	masks   []string
}

var formats = sync.OnceValue(func() map[string]*format {
	var file struct{ Countries map[string]*format }
	if err := json.Unmarshal(formatData, &file); err != nil {
		panic("enrolment: addresses.json: " + err.Error())
	}
	return file.Countries
})

// parse makes what is made of the data of a country when the first address of it comes.
var parse sync.Mutex

func formatOf(country string) *format {
	f := formats()[country]
	if f == nil {
		return nil
	}
	parse.Lock()
	defer parse.Unlock()
	if f.Zip != "" && f.pattern == nil {
		f.pattern = regexp.MustCompile("^(?:" + f.Zip + ")$")
		for _, example := range f.ZipEx {
			if m := mask(example); !slices.Contains(f.masks, m) {
				f.masks = append(f.masks, m)
			}
		}
	}
	return f
}

// mask gives the shape of a postal code: 9 for digits, A for letters, everything else as it is.
func mask(code string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case '0' <= r && r <= '9':
			return '9'
		case 'A' <= r && r <= 'Z':
			return 'A'
		}
		return r
	}, code)
}

// bare drops what stands between the letters and digits of a postal code.
func bare(code string) string {
	return strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' || 'A' <= r && r <= 'Z' {
			return r
		}
		return -1
	}, code)
}

// Validate is that of [Validator]. It never fails.
func (Formats) Validate(_ context.Context, a Address) (Validation, error) {
	f := formatOf(a.Country)
	if f == nil {
		return Validation{Status: AddressNotValidated}, nil
	}
	tidied := Address{
		Line1: tidy(a.Line1), Line2: tidy(a.Line2), City: tidy(a.City), State: tidy(a.State), PostalCode: tidy(a.PostalCode), Country: a.Country,
	}
	var doubtful []string
	for _, each := range []struct{ letter, name, value string }{
		{"A", "line1", tidied.Line1}, {"C", "city", tidied.City}, {"S", "state", tidied.State}, {"Z", "postalCode", tidied.PostalCode},
	} {
		if each.value == "" && strings.Contains(f.Require, each.letter) {
			doubtful = append(doubtful, each.name)
		}
	}
	state, ok := f.state(tidied.State)
	if tidied.State = state; !ok {
		doubtful = append(doubtful, "state")
	}
	code, ok := f.code(tidied.PostalCode)
	if tidied.PostalCode = code; !ok {
		doubtful = append(doubtful, "postalCode")
	}
	v := Validation{Status: AddressValid, Doubtful: doubtful}
	if len(doubtful) > 0 {
		v.Status = AddressInvalid
	}
	if tidied != a {
		v.Suggested = []Address{tidied}
		if len(doubtful) == 0 {
			v.Status = AddressSuggestion
		}
	}
	return v, nil
}

// tidy writes a line with single spaces, without a comma at its end.
func tidy(s string) string {
	return strings.TrimRight(strings.Join(strings.Fields(norm.NFC.String(s)), " "), ", ")
}

// state gives a state as it is written, and false for one that the country does not have. Where states are written in a script that
// was not typed, what was typed stays.
func (f *format) state(typed string) (string, bool) {
	if typed == "" || len(f.States) == 0 {
		return typed, true
	}
	for _, names := range f.States {
		for _, name := range names {
			if !strings.EqualFold(strings.ReplaceAll(typed, ".", ""), strings.ReplaceAll(name, ".", "")) {
				continue
			}
			if ascii(names[0]) || !ascii(typed) {
				return names[0], true
			}
			return typed, true
		}
	}
	return typed, false
}

func ascii(s string) bool { return !strings.ContainsFunc(s, func(r rune) bool { return r > 0x7e }) }

// code gives a postal code as it is written, and false for what is none.
func (f *format) code(typed string) (string, bool) {
	if typed == "" || f.pattern == nil {
		return typed, true
	}
	// Digits of full width are digits, and 〒 stands before one in Japan.
	upper := strings.TrimSpace(strings.TrimPrefix(strings.ToUpper(norm.NFKC.String(typed)), "〒"))
	plain := bare(strings.TrimPrefix(upper, f.Prefix))
	for _, m := range f.masks {
		if bare9 := bare(strings.ReplaceAll(m, "9", "0")); len(bare9) != len(plain) {
			continue
		}
		if code, ok := fill(m, plain); ok && f.pattern.MatchString(code) {
			return code, true
		}
	}
	for _, c := range []string{upper, plain} {
		if f.pattern.MatchString(c) {
			return c, true
		}
	}
	return typed, false
}

// fill writes letters and digits in a shape.
func fill(mask, plain string) (string, bool) {
	var b strings.Builder
	n := 0
	for _, r := range mask {
		if r != '9' && r != 'A' {
			b.WriteRune(r)
			continue
		}
		if (r == '9') != ('0' <= plain[n] && plain[n] <= '9') {
			return "", false
		}
		b.WriteByte(plain[n])
		n++
	}
	return b.String(), true
}
