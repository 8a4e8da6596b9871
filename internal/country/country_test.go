package country

import (
	"errors"
	"testing"

	"concord/internal/problem"
)

func TestUKIsNoCountryCode(t *testing.T) {
	for code, want := range map[string]string{
		"GB": "", "US": "", "DE": "", "XK": "", "SS": "",
		"UK":  "A country has two capital letters, as in ISO 3166-1: write GB.",
		"gb":  "A country has two capital letters, as in ISO 3166-1: write GB.",
		"uk":  "A country has two capital letters, as in ISO 3166-1: write GB.",
		"GBR": "A country has two capital letters, as in ISO 3166-1: write GB.",
		"de":  "A country has two capital letters, as in ISO 3166-1: write DE.",
		"DD":  "A country has two capital letters, as in ISO 3166-1: write DE.",
		"BU":  "A country has two capital letters, as in ISO 3166-1: write MM.",
		"":    "A country has the two capital letters of ISO 3166-1, such as US, FR or GB.",
		"EU":  "A country has the two capital letters of ISO 3166-1, such as US, FR or GB.",
		"IC":  "A country has the two capital letters of ISO 3166-1, such as US, FR or GB.",
		"UN":  "A country has the two capital letters of ISO 3166-1, such as US, FR or GB.",
		"ZZ":  "A country has the two capital letters of ISO 3166-1, such as US, FR or GB.",
		"AA":  "A country has the two capital letters of ISO 3166-1, such as US, FR or GB.",
		"XX":  "A country has the two capital letters of ISO 3166-1, such as US, FR or GB.",
		"150": "A country has the two capital letters of ISO 3166-1, such as US, FR or GB.",
		"G":   "A country has the two capital letters of ISO 3166-1, such as US, FR or GB.",
		" GB": "A country has the two capital letters of ISO 3166-1, such as US, FR or GB.",
		"GB ": "A country has the two capital letters of ISO 3166-1, such as US, FR or GB.",
		"Ü":   "A country has the two capital letters of ISO 3166-1, such as US, FR or GB.",
	} {
		err := Check(code)
		if (want == "") != (err == nil) || want != "" && (!problem.Is(err, problem.ValidationFailed) || detail(err) != want) {
			t.Errorf("%q: %v", code, err)
		}
		if Valid(code) != (want == "") {
			t.Errorf("%q is valid: %v", code, Valid(code))
		}
	}
}

func detail(err error) string {
	p, _ := errors.AsType[*problem.Error](err)
	return p.Detail
}
