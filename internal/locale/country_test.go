package locale

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"
)

var update = flag.Bool("update", false, "write the files of country names")

// TestCountriesAreThoseOfCLDR compares country.<language>.json with the names in x/text; -update writes them.
func TestCountriesAreThoseOfCLDR(t *testing.T) {
	for _, tag := range Tags {
		names := map[string]string{}
		for a := 'A'; a <= 'Z'; a++ {
			for b := 'A'; b <= 'Z'; b++ {
				code := string([]rune{a, b})
				region, err := language.ParseRegion(code)
				if err != nil || !region.IsCountry() || region.String() != code || region.Canonicalize() != region {
					continue
				}
				if name := display.Regions(tag).Name(region); name != "" && name != code {
					names["country."+code] = name
				}
			}
		}
		if len(names) < 240 {
			t.Fatalf("%v: %d countries", tag, len(names))
		}
		var want bytes.Buffer
		e := json.NewEncoder(&want)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		if err := e.Encode(names); err != nil {
			t.Fatal(err)
		}
		file := "messages/country." + tag.String() + ".json"
		if *update {
			if err := os.WriteFile(file, want.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want.Bytes()) {
			t.Errorf("%s is not what CLDR says; go test -update writes it", file)
		}
	}
}

func TestCountry(t *testing.T) {
	for tag, want := range map[language.Tag]string{language.English: "Germany", language.French: "Allemagne"} {
		if got := For(tag).Country("DE"); got != want {
			t.Errorf("%v: %q, want %q", tag, got, want)
		}
		if got := For(tag).Country("??"); got != "??" {
			t.Errorf("%v: an unknown code gives %q", tag, got)
		}
	}
}
