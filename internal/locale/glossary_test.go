package locale

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/language"
)

// glossary is what GLOSSARY.md says, by language.
type glossary struct {
	terms    map[language.Tag]map[string][]string // English term → the terms of the language
	refused  map[language.Tag][]refusal
	document []refusal // what no document of ours says
}

// refusal is what no message of a language matches, and what is said instead.
type refusal struct {
	not *regexp.Regexp
	but string
}

// columns are the languages as the headings of the glossary call them.
var columns = map[string]language.Tag{
	"English": language.English, "French": language.French, "German": language.German, "Spanish": language.Spanish,
	"Japanese": language.Japanese, "Simplified Chinese": language.SimplifiedChinese, "Hindi": language.Hindi,
}

var (
	// aCell is a cell of a table with the bar behind it; a bar of the cell itself has a backslash before it.
	aCell = regexp.MustCompile(`((?:[^|\\]|\\.)*)\|`)
	// detail is a sentence in a source file, as the details of errors are.
	detail = regexp.MustCompile(`"[A-Z][^"\n]+ [^"\n]+\."`)
	aQuote = regexp.MustCompile("`([^`]+)`")
)

// cells takes a row of a table apart.
func cells(line string) []string {
	var out []string
	for _, m := range aCell.FindAllStringSubmatch(strings.TrimPrefix(line, "|"), -1) {
		out = append(out, strings.TrimSpace(strings.ReplaceAll(m[1], `\|`, "|")))
	}
	return out
}

// quotes gives what stands in backticks.
func quotes(cell string) []string {
	var out []string
	for _, m := range aQuote.FindAllStringSubmatch(cell, -1) {
		out = append(out, m[1])
	}
	return out
}

func readGlossary(t *testing.T) glossary {
	t.Helper()
	content, err := os.ReadFile("GLOSSARY.md")
	if err != nil {
		t.Fatal(err)
	}
	g := glossary{terms: map[language.Tag]map[string][]string{}, refused: map[language.Tag][]refusal{}}
	var head []string // of the table that is being read; nil between tables
	for line := range strings.Lines(string(content)) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "|") {
			head = nil
			continue
		}
		row := cells(line)
		switch {
		case head == nil:
			head = row
		case strings.HasPrefix(line, "|---"):
		case len(row) != len(head):
			t.Fatalf("a row of %d cells below %q: %s", len(row), head, line)
		case head[0] == "Language":
			tag, ok := columns[row[0]]
			if !ok && row[0] != "Document" || len(quotes(row[1])) == 0 || row[2] == "" {
				t.Fatalf("this refuses nothing, or says nothing instead: %s", line)
			}
			for _, not := range quotes(row[1]) {
				if r := (refusal{regexp.MustCompile(not), row[2]}); ok {
					g.refused[tag] = append(g.refused[tag], r)
				} else {
					g.document = append(g.document, r)
				}
			}
		default:
			english := strings.Join(quotes(row[0]), ", ")
			for n, name := range head {
				tag, ok := columns[name]
				if !ok {
					t.Fatalf("%q is no language", name)
				}
				if g.terms[tag] == nil {
					g.terms[tag] = map[string][]string{}
				}
				if english == "" || n > 0 && g.terms[tag][english] != nil {
					t.Errorf("%v: %q has two rows, or none", tag, english)
				}
				g.terms[tag][english] = quotes(row[n])
			}
		}
	}
	return g
}

// TestGlossary: the messages say the terms of GLOSSARY.md, each language one for a thing, and none of the words that it refuses.
func TestGlossary(t *testing.T) {
	g := readGlossary(t)
	said := map[language.Tag]map[string]string{} // key → text
	for group, languages := range files(t) {
		if group == "country" || group == "locale" {
			continue
		}
		for tag, texts := range languages {
			if said[tag] == nil {
				said[tag] = map[string]string{}
			}
			for key, text := range texts {
				said[tag][key] = text
			}
		}
	}
	for _, tag := range Tags {
		if len(g.terms[tag]) < 30 || len(g.terms[tag]) != len(g.terms[language.English]) || len(g.refused[tag]) < 5 {
			t.Fatalf("%v: %d terms, %d refusals", tag, len(g.terms[tag]), len(g.refused[tag]))
		}
		var all strings.Builder
		for _, key := range slices.Sorted(maps.Keys(said[tag])) {
			all.WriteString(strings.ToLower(said[tag][key]) + "\n")
			for _, r := range g.refused[tag] {
				if m := r.not.FindString(said[tag][key]); m != "" {
					t.Errorf("%v: %s says %q (%v), where it is: %s\n\t%s", tag, key, m, r.not, r.but, said[tag][key])
				}
			}
		}
		for english, terms := range g.terms[tag] {
			if len(terms) == 0 {
				t.Errorf("%v: no term for %q", tag, english)
			}
			for _, term := range terms {
				if !strings.Contains(all.String(), strings.ToLower(term)) {
					t.Errorf("%v: no message says %q, the term for %q", tag, term, english)
				}
				for _, r := range g.refused[tag] {
					if tag != language.English && r.not.MatchString(term) && !strings.HasPrefix(term, "(") {
						t.Errorf("%v: %q is a term and refused by %v", tag, term, r.not)
					}
				}
			}
		}
	}
}

// TestDocumentsKeepToTheGlossary: what is read first and the API, its errors included, say what the mails and pages say.
func TestDocumentsKeepToTheGlossary(t *testing.T) {
	refused := readGlossary(t).document
	if len(refused) == 0 {
		t.Fatal("nothing is refused")
	}
	check := func(where, text string) {
		for _, r := range refused {
			if m := r.not.FindString(text); m != "" {
				t.Errorf("%s says %q (%v), where it is: %s\n\t%.200s", where, m, r.not, r.but, text)
			}
		}
	}
	for _, name := range []string{"../../README.md", "../../docs/walk.md", "../../infra/local/README.md", "../web/openapi.json"} {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(content)) {
			check(name, strings.TrimSpace(line))
		}
	}
	sources, err := filepath.Glob("../*/*.go")
	if err != nil || len(sources) < 100 {
		t.Fatal(len(sources), err)
	}
	for _, name := range sources {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range detail.FindAllString(string(content), -1) {
			check(name, m)
		}
	}
}
