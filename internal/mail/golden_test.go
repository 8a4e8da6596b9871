package mail

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
	"golang.org/x/text/language"
	"golang.org/x/tools/txtar"
	"pgregory.net/rapid"

	"concord/internal/letter"
	"concord/internal/letter/markup"

	"github.com/google/go-cmp/cmp"
)

var (
	update = flag.Bool("update", false, "write the golden files")
	mails  = flag.String("mails", "", "a folder for the HTML of each mail, as <name>.<language>.html")
)

// book holds what every mail says in one language, as text: testdata/<language>.txtar, one file of the archive for each mail.
type book struct {
	file string
	kept map[string]string // as the file has it
	seen map[string]string // what this run has composed
}

// shelf holds the books of this run, and the shapes that it has met.
var shelf = struct {
	sync.Mutex
	books  map[language.Tag]*book
	shapes map[string]bool
}{books: map[language.Tag]*book{}, shapes: map[string]bool{}}

// open returns the book of a language, which is read with the first mail of it.
func open(tag language.Tag) (*book, error) {
	if b := shelf.books[tag]; b != nil {
		return b, nil
	}
	b := &book{file: filepath.Join("testdata", tag.String()+".txtar"), kept: map[string]string{}, seen: map[string]string{}}
	archive, err := txtar.ParseFile(b.file)
	switch {
	case err == nil:
		for _, f := range archive.Files {
			b.kept[f.Name] = string(f.Data)
		}
	case !*update || !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	shelf.books[tag] = b
	return b, nil
}

// write stores what this run has composed; of a whole run nothing else stays.
func (b *book) write(whole bool) error {
	all := b.seen
	if !whole {
		all = maps.Clone(b.kept)
		maps.Copy(all, b.seen)
	}
	archive := &txtar.Archive{Comment: []byte("What the mails say. Written by: go test ./internal/mail -update\n\n")}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		archive.Files = append(archive.Files, txtar.File{Name: name, Data: []byte(all[name])})
	}
	return os.WriteFile(b.file, txtar.Format(archive), 0o644)
}

// golden compares a text with the one of that name in the book of a language.
func golden(t *testing.T, tag language.Tag, name, got string) {
	t.Helper()
	got = strings.TrimSuffix(got, "\n") + "\n" // as the archive keeps it
	shelf.Lock()
	defer shelf.Unlock()
	b, err := open(tag)
	if err != nil {
		t.Fatal(err)
	}
	b.seen[name] = got
	want, found := b.kept[name]
	if *update {
		return
	}
	if d := cmp.Diff(want, got); !found || d != "" {
		t.Errorf("%s, %s; if it is meant, run the test with -update\n%s", b.file, name, d)
	}
}

// goldenMail compares what a mail says with the book of its language, its HTML with its text, and the form of its HTML with that of its shape.
func goldenMail(t *testing.T, tag language.Tag, name string, c letter.Content, page string) {
	t.Helper()
	golden(t, tag, name+".txt", "Subject: "+c.Subject+"\n\n"+c.Text())
	if *mails != "" {
		if err := os.WriteFile(filepath.Join(*mails, name+"."+tag.String()+".html"), []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff(spoken(c), read(t, page)); d != "" {
		t.Errorf("HTML and text differ: %s", d)
	}
	shape, model := shapeOf(c)
	file := filepath.Join("testdata", "shapes", shape+".html")
	got, err := markup.HTML(model)
	if err != nil {
		t.Fatal(err)
	}
	shelf.Lock()
	defer shelf.Unlock()
	if shelf.shapes[file] {
		return
	}
	shelf.shapes[file] = true
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s; if it is meant, run the test with -update\n%s", file, d)
	}
}

// TestMain writes the golden files where it is asked to, and holds a whole run against what is there: a mail that nothing composes any more
// is in no book.
func TestMain(m *testing.M) {
	code := m.Run()
	whole := flag.Lookup("test.run").Value.String() == "" && flag.Lookup("test.skip").Value.String() == "" && flag.Lookup("test.fuzz").Value.String() == "" &&
		flag.Lookup("test.list").Value.String() == ""
	if code == 0 || *update {
		code = max(code, shelve(whole))
	}
	os.Exit(code)
}

func shelve(whole bool) (code int) {
	complain := func(what string) {
		code = 1
		fmt.Println(what)
	}
	for _, b := range shelf.books {
		if *update {
			if err := b.write(whole); err != nil {
				complain(err.Error())
			}
			continue
		}
		for name := range b.kept {
			if _, found := b.seen[name]; whole && !found {
				complain(b.file + " has " + name + ", which no test composes: run with -update")
			}
		}
	}
	files, err := filepath.Glob("testdata/shapes/*.html")
	if err != nil {
		complain(err.Error())
	}
	for _, f := range files {
		switch {
		case !whole || shelf.shapes[f]:
		case *update:
			if err := os.Remove(f); err != nil {
				complain(err.Error())
			}
		default:
			complain("no mail has the shape " + f + ": run with -update")
		}
	}
	return code
}

// shapeOf returns the parts that a mail has, as the name of its shape, and a mail of that shape whose parts say only which they are.
func shapeOf(c letter.Content) (string, letter.Content) {
	model := letter.Content{Language: "en", Dir: "ltr", Subject: "Subject", Greeting: "Greeting", Intro: "Intro"}
	var parts []string
	has := func(part string, there bool) bool {
		if there {
			parts = append(parts, part)
		}
		return there
	}
	text := func(part, value string) string {
		if has(strings.ToLower(part), value != "") {
			return part
		}
		return ""
	}
	texts := func(part string, values []string) []string {
		if has(strings.ToLower(part), len(values) > 0) {
			return []string{part + " 1", part + " 2"}
		}
		return nil
	}
	model.Preview, model.Portal, model.Banner = text("Preview", c.Preview), text("Portal", c.Portal), text("Banner", c.Banner)
	if has("facts", len(c.Facts) > 0) {
		model.Facts = []letter.Fact{{Label: "Label 1:", Value: "Value 1"}, {Label: "Label 2:", Value: "Value 2"}}
	}
	if has("quote", c.Quote != nil) {
		model.Quote = &letter.Quote{By: "Somebody says:", Lines: []string{"Line 1", "Line 2"}}
		if has("language", c.Quote.Language != "") {
			model.Quote.Language = "fr"
		}
	}
	model.Care, model.Asked = text("Care", c.Care), texts("Asked", c.Asked)
	if has("link", c.URL != "") {
		model.Action, model.LinkNote, model.URL, model.Quiet = "Action", "Note of the link:", url, has("quiet", c.Quiet)
	}
	model.Terms = texts("Terms", c.Terms)
	if has("asides", len(c.Asides) > 0) {
		model.Asides = []letter.Aside{{Label: "Aside", URL: url + "/aside"}}
	}
	model.Footer = texts("Footer", c.Footer)
	if has("legal", len(c.Legal) > 0) {
		model.Legal = []letter.Aside{{Label: "Contact", URL: "mailto:help@operator.example"}, {Label: "Privacy", URL: operator.Privacy}}
	}
	return strings.Join(parts, "-"), model
}

// bare leaves of a text what both parts of a mail say: spaces, the colons before addresses and the marks of quoted lines are layout.
func bare(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == ':' || r == '：' || r == '>' {
			return -1
		}
		return r
	}, s)
}

// spoken is the text of a mail, below its subject.
func spoken(c letter.Content) string { return bare(c.Subject + c.Text()) }

// read is what the HTML of a mail says to who sees it, with the addresses of its links: those of the text. The label of the one that is a
// button, the spot before the portal's name and what only a list of mails shows are of the HTML alone.
func read(t interface{ Fatal(...any) }, page string) string {
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	attribute := func(n *html.Node, key string) string {
		for _, a := range n.Attr {
			if a.Key == key {
				return a.Val
			}
		}
		return ""
	}
	var b strings.Builder
	var walk func(n *html.Node)
	walk = func(n *html.Node) {
		switch {
		case n.Type == html.TextNode:
			b.WriteString(n.Data)
		case n.Type == html.CommentNode, n.DataAtom == atom.Style, strings.Contains(attribute(n, "style"), "display:none"):
			return
		case n.DataAtom == atom.A && (attribute(n.Parent, "class") == "button" || attribute(n.Parent, "class") == "quiet"):
			return
		}
		for child := range n.ChildNodes() {
			walk(child)
		}
		if n.DataAtom == atom.A {
			b.WriteString(strings.TrimPrefix(attribute(n, "href"), "mailto:"))
		}
	}
	walk(root)
	return strings.Replace(bare(b.String()), "●", "", 1)
}

// Whatever a mail has to say, its HTML and its text say the same in the same order: each part, of any words, in any shape.
func TestHTMLAndTextSayTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.StringMatching(`[ -~éß‘’日本語हिन्दी«»]{1,40}`)
		some := rapid.SliceOfN(words, 0, 3)
		maybe := func(name string) string {
			return rapid.OneOf(rapid.Just(""), words).Draw(t, name)
		}
		c := letter.Mail(example(language.English, true), links, operator)
		c.Subject, c.Greeting, c.Intro = words.Draw(t, "subject"), words.Draw(t, "greeting"), words.Draw(t, "intro")
		c.Preview, c.Portal, c.Banner, c.Care = maybe("preview"), maybe("portal"), maybe("banner"), maybe("care")
		c.Asked, c.Terms, c.Footer = some.Draw(t, "asked"), some.Draw(t, "terms"), some.Draw(t, "footer")
		c.Quiet = rapid.Bool().Draw(t, "quiet")
		c.LinkNote, c.Action = words.Draw(t, "note"), words.Draw(t, "action")
		if rapid.Bool().Draw(t, "no link") {
			c.URL = ""
		}
		for n := range c.Facts {
			c.Facts[n] = letter.Fact{Label: words.Draw(t, "label"), Value: words.Draw(t, "value")}
		}
		if rapid.Bool().Draw(t, "quoted") {
			c.Quote = &letter.Quote{By: words.Draw(t, "by"), Lines: rapid.SliceOfN(words, 1, 3).Draw(t, "lines"), Language: "fr"}
		}
		page, err := markup.HTML(c)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(spoken(c), read(t, page)); d != "" {
			t.Error(d)
		}
	})
}
