// Package locale writes for people in their language.
//
// A text has a key; its words in each language are in messages/<group>.<language>.json, flat, and are embedded. A language
// is added by adding its files, nothing else: [Tags] is what is there. The files of the group "locale" say what a language
// does with dates. A text that depends on a number has one key per plural form of its language, such as x.one and x.other.
package locale

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
)

// Every group but those that only one function carries: see package messages below this one.
//
//go:embed messages/[a-bd-z]*.json messages/company.*.json messages/country.*.json
var messages embed.FS

// Tags are the languages that everything is written in, English first and the others by their tags.
var Tags = written()

func written() []language.Tag {
	files, err := fs.Glob(messages, "messages/locale.*.json")
	if err != nil {
		panic("locale: " + err.Error())
	}
	tags := []language.Tag{language.English}
	for _, file := range files {
		tag := language.MustParse(strings.Split(path.Base(file), ".")[1])
		if tag != language.English {
			tags = append(tags, tag)
		}
	}
	return tags
}

// maxPreference bounds what is parsed of a header, in bytes.
const maxPreference = 200

// Match gives the language of the first preference that can be matched, and English when there is none. A preference
// is a BCP 47 tag or an Accept-Language header; one that is empty, too long or malformed is passed over.
func Match(preferences ...string) language.Tag {
	for _, p := range preferences {
		if p == "" || len(p) > maxPreference {
			continue
		}
		wanted, _, err := language.ParseAcceptLanguage(p)
		if err != nil || len(wanted) == 0 {
			continue
		}
		for _, tag := range wanted {
			if used, ok := nearest(tag); ok {
				return used
			}
		}
	}
	return language.English
}

// nearest gives the language of [Tags] that a tag is written in here, whatever its region: one in another script is English, which more of
// its readers read (domain, 0.39). It gives false for a language that nothing is written in.
func nearest(tag language.Tag) (language.Tag, bool) {
	base, _ := tag.Base()
	script, _ := tag.Script()
	spoken := false
	for _, t := range Tags {
		if b, _ := t.Base(); b != base {
			continue
		}
		if s, _ := t.Script(); s == script {
			return t, true
		}
		spoken = true
	}
	return language.English, spoken
}

// maxTag bounds what is parsed of a tag, in bytes: none that is in use is longer.
const maxTag = 35

// Negotiate gives the language of [Tags] for a BCP 47 tag of whatever region or script, such as fr for fr-CA (0.39). Known is false for a
// language that nothing is written in, and wellFormed for what is no tag.
func Negotiate(tag string) (used language.Tag, known, wellFormed bool) {
	wanted, err := language.Parse(tag)
	if _, unknown := errors.AsType[language.ValueError](err); err != nil && !unknown || tag == "" || len(tag) > maxTag {
		return language.English, false, false
	}
	if err != nil || wanted == language.Und {
		return language.English, false, true
	}
	used, known = nearest(wanted)
	return used, known, true
}

// Said gives the language that is used where a tag was asked for in which something is written, and is empty where none was: who reads then
// has its own (0.39).
func Said(used, asked string) string {
	if _, known, _ := Negotiate(asked); known {
		return used
	}
	return ""
}

// Choose gives the language, one of some, in which whoever asks for a tag is written to, and the fallback where nothing is written in what is
// asked for (0.39). It gives false for what is no tag.
func Choose(among []language.Tag, asked, fallback string) (used string, ok bool) {
	tag, known, wellFormed := Negotiate(asked)
	if known && slices.Contains(among, tag) {
		return tag.String(), true
	}
	return fallback, wellFormed
}

// Names gives tags as they are written.
func Names(tags []language.Tag) []string {
	names := make([]string, len(tags))
	for n, t := range tags {
		names[n] = t.String()
	}
	return names
}

// Rule says what a locale is, to who sent something else.
const Rule = "A locale is a language tag of BCP 47, such as fr, fr-CA or zh-Hans."

// Printer writes in one language. It is safe for concurrent use.
type Printer struct {
	tag    language.Tag
	groups map[string]func() *group // by the word that their keys begin with
}

// group is what one file holds.
type group struct {
	texts map[string]string
	keys  func() []string // in order
}

func newGroup(texts map[string]string) *group {
	return &group{texts, sync.OnceValue(func() []string { return slices.Sorted(maps.Keys(texts)) })}
}

var printers sync.Map // language.Tag → func() *Printer

// For gives the printer of a language of [Tags], and for another tag that of the language that [Match] finds for it. A file is read when
// the first of its texts is asked for.
func For(tag language.Tag) *Printer {
	if !slices.Contains(Tags, tag) {
		tag = Match(tag.String())
	}
	load, _ := printers.LoadOrStore(tag, sync.OnceValue(func() *Printer { return open(tag) }))
	return load.(func() *Printer)()
}

func open(tag language.Tag) *Printer {
	p := &Printer{tag, map[string]func() *group{}}
	p.load(messages, "messages")
	return p
}

func (p *Printer) load(from fs.FS, folder string) {
	files, err := fs.ReadDir(from, folder)
	if err != nil {
		panic("locale: " + err.Error())
	}
	for _, file := range files {
		if name, ok := strings.CutSuffix(file.Name(), "."+p.tag.String()+".json"); ok {
			file := path.Join(folder, file.Name())
			p.groups[strings.TrimSuffix(name, "s")] = sync.OnceValue(func() *group { return read(from, file) })
		}
	}
}

// With gives a printer that also has the texts of files <group>.<language>.json, which one function carries for itself; of a group that there
// is already it has those alone.
func (p *Printer) With(files fs.FS) *Printer {
	n := &Printer{p.tag, maps.Clone(p.groups)}
	n.load(files, ".")
	return n
}

func read(from fs.FS, file string) *group {
	texts := map[string]string{}
	content, err := fs.ReadFile(from, file)
	if err == nil {
		err = json.Unmarshal(content, &texts)
	}
	if err != nil {
		panic("locale: " + file + ": " + err.Error())
	}
	return newGroup(texts)
}

// text gives the words of a key as they are written.
func (p *Printer) text(key string) (string, bool) {
	word, _, _ := strings.Cut(key, ".")
	g, ok := p.groups[word]
	if !ok {
		return "", false
	}
	text, ok := g().texts[key]
	return text, ok
}

// T gives the text of a key. Args alternate the name of a {placeholder} and its value. An argument named "n" is an int that
// chooses the plural form: the key is then one without the form at its end.
//
// It panics when the language has no such key or a placeholder has no argument. A test finds the former.
func (p *Printer) T(key string, args ...any) string {
	if len(args)%2 != 0 {
		panic("locale: " + key + ": an argument without its value")
	}
	text, ok := p.text(key)
	if i := slices.Index(args, any("n")); !ok && i >= 0 && i%2 == 0 {
		n, isInt := args[i+1].(int)
		if !isInt {
			panic("locale: " + key + ": n is an int")
		}
		if text, ok = p.text(key + "." + p.form(n)); !ok {
			text, ok = p.text(key + ".other")
		}
	}
	if !ok {
		panic("locale: " + p.Language() + " has no " + key)
	}
	return fill(key, text, args)
}

// fill replaces the placeholders in one pass, so that a value with braces stays what it is.
func fill(key, text string, args []any) string {
	if !strings.Contains(text, "{") {
		return text
	}
	var b strings.Builder
	for {
		before, after, ok := strings.Cut(text, "{")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		name, rest, _ := strings.Cut(after, "}")
		i := 0
		for ; i < len(args) && args[i] != any(name); i += 2 {
		}
		if i >= len(args) {
			panic("locale: " + key + " needs " + name)
		}
		fmt.Fprint(&b, args[i+1])
		text = rest
	}
}

var forms = map[plural.Form]string{
	plural.Zero: "zero", plural.One: "one", plural.Two: "two", plural.Few: "few", plural.Many: "many", plural.Other: "other",
}

func (p *Printer) form(n int) string {
	return forms[plural.Cardinal.MatchPlural(p.tag, n, 0, 0, 0, 0)]
}

// Texts gives the keys that begin with a prefix and their texts as they are written, by key. The prefix is empty or begins with the whole
// word of a group.
func (p *Printer) Texts(prefix string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		word, _, _ := strings.Cut(prefix, ".")
		for _, name := range slices.Sorted(maps.Keys(p.groups)) {
			if prefix != "" && name != word {
				continue
			}
			g := p.groups[name]()
			keys := g.keys()
			n, _ := slices.BinarySearch(keys, prefix)
			for ; n < len(keys) && strings.HasPrefix(keys[n], prefix); n++ {
				if !yield(keys[n], g.texts[keys[n]]) {
					return
				}
			}
		}
	}
}

// Date gives the day in UTC with the month in words, such as "21 December 2026".
func (p *Printer) Date(t time.Time) string {
	t = t.UTC()
	day := strconv.Itoa(t.Day())
	if t.Day() == 1 {
		day = p.T("locale.firstDay")
	}
	return p.T("locale.date", "day", day, "month", p.T("locale.month."+strconv.Itoa(int(t.Month()))), "year", t.Year())
}

// DateTime gives the day and the time in UTC, such as "21 December 2026, 14:05 UTC".
func (p *Printer) DateTime(t time.Time) string {
	return p.T("locale.dateTime", "date", p.Date(t), "time", t.UTC().Format("15:04"))
}

// Language gives the BCP 47 tag, for lang attributes.
func (p *Printer) Language() string { return p.tag.String() }

// Name gives the language's own name of itself.
func (p *Printer) Name() string { return p.T("locale.name") }

// Dir gives the direction of writing, "ltr" or "rtl", for dir attributes.
func (p *Printer) Dir() string { return p.T("locale.dir") }
