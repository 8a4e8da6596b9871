package locale

// Country gives the name of a country or region by its ISO 3166-1 alpha-2 code, and the code itself when it is not one.
//
// The names are those of Unicode's CLDR; a test writes them from golang.org/x/text, whose own tables would cost every
// function half a millisecond at start and 2 MB.
func (p *Printer) Country(code string) string {
	if name, ok := p.texts["country."+code]; ok {
		return name
	}
	return code
}
