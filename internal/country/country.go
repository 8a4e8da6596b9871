// Package country says what a code of a country is, for everything that takes one: a field, a claim of a token, a file of data.
package country

import (
	"slices"
	"strings"

	"golang.org/x/text/language"

	"concord/internal/problem"
)

// reserved are codes that Unicode knows beside those of countries: parts of countries, groups of them, and organisations.
var reserved = strings.Fields("AC CP CQ DG EA EU EZ IC QO TA UN")

// Valid reports whether a code is one of ISO 3166-1 alpha-2 that is assigned today, in capital letters, or XK for Kosovo, which has none there.
// UK is not: the United Kingdom is GB.
func Valid(code string) bool {
	right, ok := meant(code)
	return ok && code == right
}

// Check gives nil for a code that is [Valid], else [problem.ValidationFailed] with the code that was probably meant, such as GB for UK, gb and GBR.
func Check(code string) error {
	switch right, ok := meant(code); {
	case !ok:
		return problem.New(problem.ValidationFailed, "A country has the two capital letters of ISO 3166-1, such as US, FR or GB.")
	case code != right:
		return problem.New(problem.ValidationFailed, "A country has two capital letters, as in ISO 3166-1: write %s.", right)
	}
	return nil
}

// meant gives the valid code of a country that is written in some other way: in lower case, with three letters, or as it was or is also called.
func meant(code string) (string, bool) {
	region, err := language.ParseRegion(code)
	if err != nil {
		return "", false
	}
	region = region.Canonicalize()
	right := region.String()
	return right, len(right) == 2 && region.IsCountry() && !slices.Contains(reserved, right)
}
