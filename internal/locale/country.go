package locale

import (
	"iter"
	"strings"
)

// The names of countries are those of Unicode's CLDR. A test writes them, and their order, from golang.org/x/text, whose
// own tables would cost every function half a millisecond at start and 2 MB.

// Country gives the name of a country or region by its ISO 3166-1 alpha-2 code, and the code itself when it is not one.
func (p *Printer) Country(code string) string {
	if name, ok := p.text("country." + code); ok && code != orderOfCountries {
		return name
	}
	return code
}

// orderOfCountries is in the place of a code where a file says in which order the language lists them.
const orderOfCountries = "order"

// Countries gives the codes and names of where a company can be, in the order in which a reader of the language looks for
// them.
func (p *Printer) Countries() iter.Seq2[string, string] {
	return func(yield func(code, name string) bool) {
		order, _ := p.text("country." + orderOfCountries)
		for code := range strings.FieldsSeq(order) {
			if !yield(code, p.Country(code)) {
				return
			}
		}
	}
}
