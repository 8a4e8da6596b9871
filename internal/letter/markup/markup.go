// Package markup sets a letter as HTML: the mailer mails it, and the console shows it before anything is mailed.
package markup

import (
	_ "embed"
	"fmt"
	"strings"
	"sync"

	"concord/internal/letter"
)

// The layout of letters, in parts: each begins with a line {{part name}} and has {{holes}} for the words of a letter.
// It is no template of html/template: that package finds methods by their names when it runs, so that the linker keeps
// every method of every client of the AWS SDK, 7 MB of a mailer's 18, and each cold start loads them.
//
//go:embed letter.html
var layoutFile string

// layout is cut up for the first mail: a sandbox that is woken for nothing does not pay for it.
var layout = sync.OnceValue(func() map[string][]piece { return cut(layoutFile) })

// piece is a hole of a part with the layout before it. The last one of a part has no hole.
type piece struct {
	before, hole string
	address      bool // the hole is all of an href
}

const partMark = "{{part "

// cut takes a layout apart.
func cut(file string) map[string][]piece {
	parts := map[string][]piece{}
	for n, part := range strings.Split(file, partMark)[1:] {
		name, text, _ := strings.Cut(part, "}}\n")
		text = strings.TrimSuffix(text, "\n")
		if n > 0 {
			text = "\n" + text
		}
		var pieces []piece
		for {
			before, rest, more := strings.Cut(text, "{{")
			if !more {
				parts[name] = append(pieces, piece{before: before})
				break
			}
			hole, after, _ := strings.Cut(rest, "}}")
			pieces = append(pieces, piece{before, hole, strings.HasSuffix(before, ` href="`)})
			text = after
		}
	}
	return parts
}

// escapes are what HTML would read as markup, in text and between the quotes of an attribute alike.
var escapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;", "+", "&#43;",
	"\x00", "\uFFFD")

// setter sets the parts of one letter, one after another.
type setter struct {
	strings.Builder
	err error
}

// part adds a part of the layout. Words alternate the name of a hole and what stands there, which is escaped whatever
// it is; what stands in an href is an address of the web or of a mailbox, or the letter is not set.
func (s *setter) part(name string, words ...string) {
	pieces, ok := layout()[name]
	if !ok {
		s.fail("no part %s", name)
	}
	for _, p := range pieces {
		s.WriteString(p.before)
		if p.hole == "" {
			continue
		}
		n := 0
		for ; n+1 < len(words) && words[n] != p.hole; n += 2 {
		}
		if n+1 >= len(words) {
			s.fail("nothing for %s in %s", p.hole, name)
			return
		}
		word := words[n+1]
		if p.address {
			if word, ok = reference(word); !ok {
				s.fail("no address in %s", name)
				return
			}
		}
		_, _ = escapes.WriteString(s, word)
	}
}

// fail keeps the first failure. It never quotes what the letter says.
func (s *setter) fail(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf("markup: "+format, args...)
	}
}

// reference gives an address with what a URL cannot hold in percent-encoding, and false for one of another scheme than
// a link of ours has.
func reference(address string) (string, bool) {
	scheme, _, _ := strings.Cut(address, ":")
	switch scheme {
	case "https", "http", "mailto":
	default:
		return "", false
	}
	var b strings.Builder
	for n := range len(address) {
		switch c := address[n]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("!#$%&*+,-./:;=?@[]_~", c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	return b.String(), true
}

// start gives the side where lines begin: the engines of mail programs know no logical one.
func start(c letter.Content) string {
	if c.Dir == "rtl" {
		return "right"
	}
	return "left"
}

// HTML sets a letter as the HTML part of a mail. It loads nothing from anywhere; its links are the letter's, in its
// order. It fails for a link that is none of the web or of a mailbox.
func HTML(c letter.Content) (string, error) {
	var s setter
	s.Grow(2 * len(layoutFile))
	side := start(c)
	s.part("head", "language", c.Language, "dir", c.Dir, "subject", c.Subject, "preview", c.Preview)
	if c.Portal != "" {
		s.part("portal", "start", side, "portal", c.Portal)
	}
	s.part("sheet", "start", side, "greeting", c.Greeting)
	if c.Banner != "" {
		s.part("banner", "banner", c.Banner)
	}
	s.part("intro", "intro", c.Intro)
	for _, f := range c.Facts {
		s.part("fact", "label", f.Label, "value", f.Value)
	}
	s.part("afterFacts")
	s.quote(c.Quote, side)
	if c.Care != "" {
		s.part("care", "start", side, "care", c.Care)
	}
	s.each("paragraph", c.Asked)
	s.link(c)
	s.each("paragraph", c.Terms)
	for _, a := range c.Asides {
		s.part("aside", "url", a.URL, "label", a.Label)
	}
	s.part("footer", "start", side)
	s.each("footerLine", c.Footer)
	for _, a := range c.Legal {
		s.part("legal", "url", a.URL, "label", a.Label)
	}
	s.part("end")
	s.WriteByte('\n')
	if s.err != nil {
		return "", s.err
	}
	return s.String(), nil
}

func (s *setter) each(part string, texts []string) {
	for _, t := range texts {
		s.part(part, "text", t)
	}
}

func (s *setter) quote(q *letter.Quote, side string) {
	if q == nil {
		return
	}
	if q.Language == "" {
		s.part("quote", "by", q.By, "start", side)
	} else {
		s.part("quoteIn", "by", q.By, "start", side, "language", q.Language)
	}
	for _, line := range q.Lines {
		s.part("quoteLine", "line", line)
	}
	s.part("afterQuote")
}

// link sets the letter's own link: as a button, or quietly where it is for few readers; and in clear.
func (s *setter) link(c letter.Content) {
	if c.URL == "" {
		return
	}
	if c.Quiet {
		s.part("quietNote", "note", c.LinkNote)
		s.part("link")
		s.part("quietLink", "url", c.URL, "action", c.Action)
		s.part("afterLink")
		s.part("quietAddress", "url", c.URL)
		return
	}
	s.part("link")
	s.part("button", "url", c.URL, "action", c.Action)
	s.part("afterLink")
	s.part("address", "note", c.LinkNote, "url", c.URL)
}
