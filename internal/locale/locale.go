// Package locale writes for people in their language.
//
// A text has a key; its words in each language are in messages/<group>.<language>.json, flat, and are embedded. A language
// is added by adding its files, nothing else: [Tags] is what is there. The files of the group "locale" say what a language
// does with dates. A text that depends on a number has one key per plural form of its language, such as x.one and x.other.
package locale

import (
	"embed"
	"encoding/json"
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

//go:embed messages
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

// Building a matcher costs more than the rest of a request's choice of language, so it waits for the first one.
var matcher = sync.OnceValue(func() language.Matcher { return language.NewMatcher(Tags) })

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
		if _, i, confidence := matcher().Match(wanted...); confidence != language.No {
			return Tags[i]
		}
	}
	return language.English
}

// Printer writes in one language. It is safe for concurrent use.
type Printer struct {
	tag   language.Tag
	texts map[string]string
}

var printers sync.Map // language.Tag → func() *Printer

// For gives the printer of a language of [Tags], and for another tag that of the language that [Match] finds for it.
func For(tag language.Tag) *Printer {
	if !slices.Contains(Tags, tag) {
		tag = Match(tag.String())
	}
	load, _ := printers.LoadOrStore(tag, sync.OnceValue(func() *Printer { return read(tag) }))
	return load.(func() *Printer)()
}

func read(tag language.Tag) *Printer {
	p := &Printer{tag, map[string]string{}}
	files, err := fs.Glob(messages, "messages/*."+tag.String()+".json")
	if err != nil {
		panic("locale: " + err.Error())
	}
	for _, file := range files {
		content, err := messages.ReadFile(file)
		if err != nil {
			panic("locale: " + err.Error())
		}
		if err := json.Unmarshal(content, &p.texts); err != nil {
			panic("locale: " + file + ": " + err.Error())
		}
	}
	return p
}

// T gives the text of a key. Args alternate the name of a {placeholder} and its value. An argument named "n" is an int that
// chooses the plural form: the key is then one without the form at its end.
//
// It panics when the language has no such key or a placeholder has no argument. A test finds the former.
func (p *Printer) T(key string, args ...any) string {
	if len(args)%2 != 0 {
		panic("locale: " + key + ": an argument without its value")
	}
	text, ok := p.texts[key]
	if i := slices.Index(args, any("n")); !ok && i >= 0 && i%2 == 0 {
		n, isInt := args[i+1].(int)
		if !isInt {
			panic("locale: " + key + ": n is an int")
		}
		if text, ok = p.texts[key+"."+p.form(n)]; !ok {
			text, ok = p.texts[key+".other"]
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

// Texts gives the keys that begin with a prefix and their texts as they are written, by key.
func (p *Printer) Texts(prefix string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, key := range slices.Sorted(maps.Keys(p.texts)) {
			if strings.HasPrefix(key, prefix) && !yield(key, p.texts[key]) {
				return
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
