package locale

import (
	"encoding/json"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/language"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		preferences []string
		want        language.Tag
	}{
		{nil, language.English},
		{[]string{""}, language.English},
		{[]string{"fr"}, language.French},
		{[]string{"fr-CA"}, language.French},
		{[]string{"", "fr"}, language.French},
		{[]string{"ko", "fr"}, language.French},
		{[]string{"en-GB", "fr"}, language.English},
		{[]string{"", "", "ko;q=0.9, fr-CH, fr;q=0.9, en;q=0.8, *;q=0.5"}, language.French},
		{[]string{"fr;q=0, en"}, language.English},
		{[]string{"--", "fr"}, language.French},
		{[]string{strings.Repeat("fr,", 1000)}, language.English},

		{[]string{"de-AT"}, language.German},
		{[]string{"de-CH, de;q=0.9, en;q=0.8"}, language.German},
		{[]string{"es-MX"}, language.Spanish},
		{[]string{"es-419, en;q=0.5"}, language.Spanish},
		{[]string{"hi-IN"}, language.Hindi},
		{[]string{"ja-JP"}, language.Japanese},
		{[]string{"zh"}, language.SimplifiedChinese},
		{[]string{"zh-CN"}, language.SimplifiedChinese},
		{[]string{"zh-SG"}, language.SimplifiedChinese},
		{[]string{"zh-Hans"}, language.SimplifiedChinese},
		// Readers of traditional characters (0.39).
		{[]string{"zh-TW"}, language.English},
		{[]string{"zh-Hant"}, language.English},
		{[]string{"zh-HK, zh;q=0.9, fr;q=0.8"}, language.English},
		{[]string{"ko, zh-Hant, fr"}, language.English},
		{[]string{"zh-TW, en;q=0.8"}, language.English},
		{[]string{"pt"}, language.English},
		{[]string{"pt-BR, pt;q=0.9"}, language.English},
		{[]string{"ko"}, language.English},
	} {
		if got := Match(c.preferences...); got != c.want {
			t.Errorf("Match(%.60q) = %v, want %v", c.preferences, got, c.want)
		}
	}
}

// Decision 0.39: tags are negotiated.
func TestNegotiate(t *testing.T) {
	for tag, want := range map[string]string{
		"en": "en", "en-GB": "en", "fr-CA": "fr", "FR-be": "fr", "de-AT": "de", "ja-JP": "ja", "zh": "zh-Hans", "zh-CN": "zh-Hans", "zh-Hans-SG": "zh-Hans", "es-419": "es",
		"hi-IN": "hi", "zh-Hant": "en", "zh-TW": "en", "fr-x-private": "fr", "fr_CA": "fr",
		"pt-BR": "unknown", "ko": "unknown", "xx-YY": "unknown", "tlh": "unknown", "und": "unknown",
		"": "none", "--": "none", "english please": "none", "français": "none", strings.Repeat("fr-x-", 20) + "fr": "none",
	} {
		got := "none"
		switch used, known, wellFormed := Negotiate(tag); {
		case known && wellFormed:
			got = used.String()
		case wellFormed:
			got = "unknown"
		}
		if got != want {
			t.Errorf("Negotiate(%q) = %s, want %s", tag, got, want)
		}
	}
}

func TestForAnotherTag(t *testing.T) {
	if got := For(language.CanadianFrench).Language(); got != "fr" {
		t.Errorf("Canadian French is written in %q", got)
	}
}

func TestDates(t *testing.T) {
	at := time.Date(2026, 12, 21, 23, 5, 0, 0, time.FixedZone("", -9*3600)) // the 22nd in UTC
	first := time.Date(2027, 8, 1, 9, 0, 0, 0, time.UTC)
	for tag, want := range map[language.Tag][3]string{
		language.English: {"22 December 2026", "22 December 2026, 08:05 UTC", "1 August 2027"},
		language.French:  {"22 décembre 2026", "22 décembre 2026 à 08:05 UTC", "1er août 2027"},
		language.German:  {"22. Dezember 2026", "22. Dezember 2026, 08:05 Uhr UTC", "1. August 2027"},
		language.Spanish: {"22 de diciembre de 2026", "22 de diciembre de 2026, 08:05 UTC", "1 de agosto de 2027"},
		language.Hindi:   {"22 दिसंबर 2026", "22 दिसंबर 2026, 08:05 UTC", "1 अगस्त 2027"},

		language.Japanese:          {"2026年12月22日", "2026年12月22日 08:05 UTC", "2027年8月1日"},
		language.SimplifiedChinese: {"2026年12月22日", "2026年12月22日 08:05 UTC", "2027年8月1日"},
	} {
		p := For(tag)
		if got := [3]string{p.Date(at), p.DateTime(at), p.Date(first)}; got != want {
			t.Errorf("%v: %q, want %q", tag, got, want)
		}
	}
}

// with gives a printer of one group of texts.
func with(tag language.Tag, texts map[string]string) *Printer {
	p := &Printer{tag, map[string]func() *group{}}
	for key := range texts {
		word, _, _ := strings.Cut(key, ".")
		p.groups[word] = func() *group { return newGroup(texts) }
	}
	return p
}

// The name of a language, which every page has for each, is to be had without its other texts.
func TestFilesAreReadWhenTheyAreAskedFor(t *testing.T) {
	p := open(language.Hindi)
	read := map[string]bool{}
	for word, load := range p.groups {
		p.groups[word] = func() *group { read[word] = true; return load() }
	}
	if p.Name() == "" || len(read) != 1 || !read["locale"] {
		t.Errorf("read for a name: %v", read)
	}
	if p.T("mail.greeting") == "" || len(read) != 2 {
		t.Errorf("read for a greeting: %v", read)
	}
	all, pages := 0, 0
	for range p.Texts("") {
		all++
	}
	for key := range p.Texts("page.form.") {
		if pages++; !strings.HasPrefix(key, "page.form.") {
			t.Errorf("%s among those of the form", key)
		}
	}
	if all < 500 || pages < 10 {
		t.Errorf("%d texts, %d of the form", all, pages)
	}
}

func TestPlural(t *testing.T) {
	texts := map[string]string{"x.one": "{n} day", "x.other": "{n} days"}
	for tag, want := range map[language.Tag]map[int]string{
		language.English: {0: "0 days", 1: "1 day", 2: "2 days"},
		language.French:  {0: "0 day", 1: "1 day", 2: "2 days", 1_000_000: "1000000 days"}, // "many" falls back
		language.German:  {0: "0 days", 1: "1 day", 2: "2 days"},
		language.Spanish: {0: "0 days", 1: "1 day", 2: "2 days"},
		language.Hindi:   {0: "0 day", 1: "1 day", 2: "2 days"},

		language.Japanese:          {0: "0 days", 1: "1 days", 2: "2 days"}, // one form, "other"
		language.SimplifiedChinese: {0: "0 days", 1: "1 days", 2: "2 days"},
	} {
		for n, text := range want {
			if got := with(tag, texts).T("x", "n", n); got != text {
				t.Errorf("%v: %q, want %q", tag, got, text)
			}
		}
	}
}

func TestPlaceholders(t *testing.T) {
	p := with(language.English, map[string]string{"x": "{a} asks {b}, says {a}."})
	odd := make([]any, 1)
	if got, want := p.T("x", "b", "{a}", "a", "Alder"), "Alder asks {a}, says Alder."; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for name, call := range map[string]func(){
		"missing key":      func() { p.T("y") },
		"missing argument": func() { p.T("x", "a", 1) },
		"missing value":    func() { p.T("x", odd...) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			call()
		}()
	}
}

var (
	placeholder = regexp.MustCompile(`\{(\w+)\}`)
	pluralForm  = regexp.MustCompile(`\.(zero|one|two|few|many|other)$`)
)

// files gives the keys and texts of each file, by group and language.
func files(t *testing.T) map[string]map[language.Tag]map[string]string {
	t.Helper()
	entries, err := filepath.Glob("messages/*.json") // of every function
	if err != nil {
		t.Fatal(err)
	}
	groups := map[string]map[language.Tag]map[string]string{}
	for _, e := range entries {
		name := filepath.Base(e)
		parts := strings.Split(name, ".")
		if len(parts) != 3 {
			t.Fatalf("%s: a file is called <group>.<language>.json", name)
		}
		content, err := os.ReadFile(e)
		if err != nil {
			t.Fatal(err)
		}
		texts := map[string]string{}
		if err := json.Unmarshal(content, &texts); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if n := strings.Count(string(content), `": "`); n != len(texts) {
			t.Errorf("%s: %d lines, %d keys: one is there twice", name, n, len(texts))
		}
		if groups[parts[0]] == nil {
			groups[parts[0]] = map[language.Tag]map[string]string{}
		}
		groups[parts[0]][language.MustParse(parts[1])] = texts
	}
	return groups
}

// bases are the keys without plural forms, each with the placeholders of its texts.
func bases(texts map[string]string) map[string][]string {
	out := map[string][]string{}
	for key, text := range texts {
		base := pluralForm.ReplaceAllString(key, "")
		for _, m := range placeholder.FindAllStringSubmatch(text, -1) {
			// "One day" may do without its number.
			if m[1] != "n" && !slices.Contains(out[base], m[1]) {
				out[base] = append(out[base], m[1])
			}
		}
		if out[base] == nil {
			out[base] = []string{}
		}
		slices.Sort(out[base])
	}
	return out
}

func TestEveryLanguageSaysEverything(t *testing.T) {
	for group, languages := range files(t) {
		english := bases(languages[language.English])
		for _, tag := range Tags {
			texts, ok := languages[tag]
			if !ok {
				t.Errorf("%s.%v.json is missing", group, tag)
				continue
			}
			own := bases(texts)
			for key, names := range english {
				if got, ok := own[key]; !ok {
					t.Errorf("%s.%v.json has no %s", group, tag, key)
				} else if !slices.Equal(got, names) {
					t.Errorf("%s.%v.json: %s has the placeholders %v, in English %v", group, tag, key, got, names)
				}
			}
			for key := range own {
				if _, ok := english[key]; !ok {
					t.Errorf("%s.%v.json has %s, which English has not", group, tag, key)
				}
			}
			for key, text := range texts {
				if !strings.HasPrefix(key, strings.TrimSuffix(group, "s")+".") {
					t.Errorf("%s.%v.json: %s belongs elsewhere", group, tag, key)
				}
				if strings.TrimSpace(text) == "" || strings.TrimSpace(text) != text {
					t.Errorf("%s.%v.json: %s is %q", group, tag, key, text)
				}
				if base := pluralForm.ReplaceAllString(key, ""); base != key {
					p := with(tag, texts)
					for n := range 1000 {
						if form := base + "." + p.form(n); texts[form] == "" {
							t.Errorf("%s.%v.json has no %s", group, tag, form)
							break
						}
					}
				}
			}
		}
		for tag := range languages {
			if !slices.Contains(Tags, tag) {
				t.Errorf("%s.%v.json: there is no locale.%v.json", group, tag, tag)
			}
		}
	}
}

// endsInName is a sentence that ends with a name and a full stop: many names have one themselves.
const endsInName = `\{(?:partner|provider|operator|name|company)\}(?:[。।]|\.(?:\s|$))`

// typography is what a text of a language must not hold: the marks of another one.
var typography = map[language.Tag]*regexp.Regexp{
	language.English:           regexp.MustCompile(`["'„«]|\.\.|` + endsInName),
	language.French:            regexp.MustCompile(`["'“„]|[^\x{a0}\x{202f}][:;!?»](?:[ \n]|$)|«[^\x{a0}\x{202f}]|` + endsInName),
	language.German:            regexp.MustCompile(`["'«]|”|„[^“”]*$|` + endsInName),
	language.Spanish:           regexp.MustCompile(`["'“„]|^[^¿]*\?|^[^¡]*!|` + endsInName),
	language.Hindi:             regexp.MustCompile(`["'„«]|\p{Devanagari}\.|[०-९]|` + endsInName),
	language.Japanese:          regexp.MustCompile(`["'“„]|[，．,!?]|\p{Katakana}[a-zA-Z]|[a-zA-Z0-9}]\p{Han}|[a-zA-Z0-9}][\p{Hiragana}\p{Katakana}]|` + endsInName),
	language.SimplifiedChinese: regexp.MustCompile(`["'„「]|[,;!?:]|\p{Han}\.|[a-zA-Z0-9}]\p{Han}|\p{Han}[a-zA-Z0-9{]|[｡、]$|` + endsInName),
}

// TestTypography: quotation marks and punctuation of the language, and a space between a Latin word or a name and Chinese
// characters or kana.
func TestTypography(t *testing.T) {
	for group, languages := range files(t) {
		for tag, texts := range languages {
			for key, text := range texts {
				if group == "country" || group == "locale" {
					continue
				}
				if m := typography[tag].FindString(text); m != "" {
					t.Errorf("%v: %s has %q: %s", tag, key, m, text)
				}
			}
		}
	}
}

// quoted finds what may be a key in a source file or a template.
var quoted = regexp.MustCompile("[\"`](" + `(?:page|mail|enrolment|order|right|operator|session|company|console|console-[a-z]+)\.[A-Za-z0-9_.-]*[A-Za-z0-9]` + ")[\"`]")

// TestKeysAndSourcesAgree refuses a key that no source names and a key in a source that no language has.
func TestKeysAndSourcesAgree(t *testing.T) {
	named := map[string]string{} // key → file
	root := "../.."
	for _, folder := range []string{"internal", "functions"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasSuffix(name, "_test.go") || strings.Contains(name, "testdata") {
				return err
			}
			switch filepath.Ext(name) {
			case ".go", ".html", ".txt", ".tmpl":
			default:
				return nil
			}
			if !writesForPeople(filepath.Dir(name)) {
				return nil
			}
			content, err := os.ReadFile(name)
			for _, m := range quoted.FindAllStringSubmatch(string(content), -1) {
				switch path.Ext(m[1]) {
				case ".html", ".txt", ".tmpl", ".css", ".json": // a file of that name
				default:
					named[m[1]] = name
				}
			}
			return err
		})
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	known := map[string]bool{}
	for group, languages := range files(t) {
		for key := range bases(languages[language.English]) {
			known[key] = true
			if _, ok := named[key]; !ok && group != "locale" && group != "country" {
				t.Errorf("%s: %s is used nowhere", group, key)
			}
		}
	}
	for key, file := range named {
		if !known[key] {
			t.Errorf("%s names %s, which no language has", file, key)
		}
	}
}

// writesForPeople reports whether the package of a file, or the one above a folder of templates, imports this one.
func writesForPeople(folder string) bool {
	for range 2 {
		sources, _ := filepath.Glob(filepath.Join(folder, "*.go"))
		for _, s := range sources {
			content, err := os.ReadFile(s)
			if err == nil && strings.Contains(string(content), `"concord/internal/locale"`) {
				return true
			}
		}
		folder = filepath.Dir(folder)
	}
	return false
}
