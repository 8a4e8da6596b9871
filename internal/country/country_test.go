package country

import (
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
		"":    "A country has two capital letters, as in ISO 3166-1.",
		"EU":  "A country has two capital letters, as in ISO 3166-1.",
		"IC":  "A country has two capital letters, as in ISO 3166-1.",
		"UN":  "A country has two capital letters, as in ISO 3166-1.",
		"ZZ":  "A country has two capital letters, as in ISO 3166-1.",
		"AA":  "A country has two capital letters, as in ISO 3166-1.",
		"XX":  "A country has two capital letters, as in ISO 3166-1.",
		"150": "A country has two capital letters, as in ISO 3166-1.",
		"G":   "A country has two capital letters, as in ISO 3166-1.",
		" GB": "A country has two capital letters, as in ISO 3166-1.",
		"GB ": "A country has two capital letters, as in ISO 3166-1.",
		"Ü":   "A country has two capital letters, as in ISO 3166-1.",
	} {
		err := Check(code)
		if (want == "") != (err == nil) || want != "" && (!problem.Is(err, problem.ValidationFailed) || err.(*problem.Error).Detail != want) {
			t.Errorf("%q: %v", code, err)
		}
		if Valid(code) != (want == "") {
			t.Errorf("%q is valid: %v", code, Valid(code))
		}
	}
}
