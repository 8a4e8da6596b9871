package mail

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	xhtml "golang.org/x/net/html"
	"golang.org/x/text/language"

	"concord/internal/emailaddr"
	"concord/internal/invitation"
	"concord/internal/letter"
	"concord/internal/letter/markup"
	"concord/internal/locale"
	"concord/internal/palette"
	"concord/internal/partner"

	"github.com/google/go-cmp/cmp"
)

const url = "https://portal.example/i/AQID-BAUG_BwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSYnKCkqKywtLi8wMTIzNA"

func example(tag language.Tag, administration bool) invitation.Letter {
	return invitation.Letter{
		Invitation: invitation.Invitation{
			Kind: invitation.Reseller, Locale: tag.String(), Duration: invitation.DefaultDuration, RequestDelegatedAdmin: administration,
		},
		Inviter: partner.Account{
			DisplayName: "Dogwood & Sons Cloud Services", VerifiedDomain: "dogwood.example", Country: "US", Status: partner.Active,
			Contact: partner.Contact{Email: "hello@dogwood.example", Phone: "+1 555 0100"},
		},
		Provider: partner.Account{DisplayName: "Birch Distribution", VerifiedDomain: "birch.example", Country: "FR", Status: partner.Active},
		Cloud:    partner.Cloud{ID: "public", PortalName: "Concord Portal", BaseURL: "https://portal.example"},
	}
}

var address = regexp.MustCompile(`[a-z]+://[^\s"<]+`)

func TestEveryKindInEveryLanguage(t *testing.T) {
	for _, kind := range invitation.Kinds {
		for _, tag := range locale.Tags {
			for name, administration := range map[string]bool{"administration": true, "plain": false} {
				if kind == invitation.Partnership && administration {
					continue // it has none (0.14)
				}
				name = string(kind) + "." + name
				t.Run(name+"."+tag.String(), func(t *testing.T) {
					l := example(tag, administration)
					l.Invitation.Kind = kind
					draft := letter.Compose(l, url, operator)
					golden(t, tag, name+".draft.txt", "Subject: "+draft.Subject+"\n\n"+draft.Text())
					golden(t, tag, name+".short.txt", draft.Short())
					if got := address.FindAllString(draft.Text(), -1); !cmp.Equal(got, []string{url}) {
						t.Errorf("a draft has one link (invariant 15), this one %q", got)
					}
					c := letter.Mail(l, links, operator)
					html, err := markup.HTML(c)
					if err != nil {
						t.Fatal(err)
					}
					goldenMail(t, tag, name, c, html)

					if got, want := address.FindAllString(html, -1), []string{url, url, overview, url + "/report", links.Allow, operator.Privacy, operator.Imprint}; !cmp.Equal(got, want) {
						t.Errorf("addresses in the HTML: %q", got)
					}
					if n := strings.Count(html, `href="`+url+`"`); n != 1 {
						t.Errorf("%d buttons", n)
					}
					for _, forbidden := range []string{"<img", "url(", "<link", "<script", "@import", "<form"} {
						if strings.Contains(html, forbidden) {
							t.Errorf("the HTML has %s", forbidden)
						}
					}
					for _, needed := range []string{`<html lang="` + tag.String() + `" dir="ltr">`, "prefers-color-scheme: dark", "Dogwood &amp; Sons"} {
						if !strings.Contains(html, needed) {
							t.Errorf("the HTML has no %s", needed)
						}
					}
				})
			}
		}
	}
}

// maxHTML is where the first mail programs cut a mail off, in bytes.
const maxHTML = 102 << 10

func TestLongestNames(t *testing.T) {
	for _, tag := range locale.Tags {
		l := example(tag, true)
		l.Inviter.DisplayName = strings.Repeat("&", 100)
		l.Inviter.VerifiedDomain = strings.Repeat("a", 253)
		l.Inviter.Contact = partner.Contact{Email: strings.Repeat("'", 254), Phone: strings.Repeat("0", 100)}
		html, err := markup.HTML(letter.Compose(l, url, emailaddr.Operator{Name: strings.Repeat("&", 100)}))
		if err != nil || len(html) >= maxHTML {
			t.Errorf("%v: %d bytes, %v", tag, len(html), err)
		}
	}
}

func TestNamesAreText(t *testing.T) {
	l := example(language.English, true)
	l.Inviter.DisplayName = `</td><a href="https://evil.example">x</a>`
	html, err := markup.HTML(letter.Compose(l, url, emailaddr.Operator{Name: `<img src=x>`}))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(html, "<a href=\"https://evil") || strings.Contains(html, "<img") {
		t.Error("a name is markup")
	}
}

// hostile are what somebody might put into a name, a note or an address, to end what it stands in.
var hostile = []string{
	`</p><script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onmouseover='alert(1)`, `<!--`, `-->`, `]]>`, `<![endif]-->`, `</title><h1>x`, `</style>`, `{{url}}`, `{{part end}}`,
	"\x00<b>", `&lt;script&gt;`, `&quot;&gt;<a href="https://evil.example">`, "+ADw-script+AD4-", "a\u2028<b>", "\xff<b>",
}

// every gives a letter that says the same everywhere.
func every(word string, quiet bool) letter.Content {
	asides := []letter.Aside{{Label: word, URL: "https://portal.example/" + word}}
	return letter.Content{
		Language: word, Dir: word, Subject: word, Preview: word, Portal: word, Greeting: word, Banner: word, Intro: word, Facts: []letter.Fact{{Label: word, Value: word}},
		Quote: &letter.Quote{By: word, Lines: []string{word, word}, Language: word}, Care: word, Asked: []string{word}, Action: word, Quiet: quiet, LinkNote: word,
		URL: "https://portal.example/" + word, Terms: []string{word}, Asides: asides, Footer: []string{word}, Legal: asides,
	}
}

// skeleton gives the elements of a document with the names of their attributes, and its comments: all that words must not change.
func skeleton(t *testing.T, document string) (out []string) {
	t.Helper()
	root, err := xhtml.Parse(strings.NewReader(document))
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		switch n.Type {
		case xhtml.ElementNode:
			names := ""
			for _, a := range n.Attr {
				names += " " + a.Key
			}
			out = append(out, n.Data+names)
		case xhtml.CommentNode:
			out = append(out, "<!--"+n.Data)
		}
	}
	return out
}

// TestWordsAreNeverMarkup: whatever a letter says in whatever place, the document has the elements, attributes and comments that it has with plain
// words, and says the words as they are.
func TestWordsAreNeverMarkup(t *testing.T) {
	for _, quiet := range []bool{false, true} {
		plain, err := markup.HTML(every("word", quiet))
		if err != nil {
			t.Fatal(err)
		}
		want := skeleton(t, plain)
		if len(want) < 60 {
			t.Fatalf("%d parts", len(want))
		}
		for _, word := range hostile {
			got, err := markup.HTML(every(word, quiet))
			if err != nil {
				t.Errorf("%q: %v", word, err)
				continue
			}
			if d := cmp.Diff(want, skeleton(t, got)); d != "" {
				t.Errorf("%q changes the document\n%s", word, d)
			}
			root, err := xhtml.Parse(strings.NewReader(got))
			if err != nil {
				t.Fatal(err)
			}
			said := strings.NewReplacer("\x00", "\uFFFD").Replace(word)
			for n := range root.Descendants() {
				if n.Type == xhtml.ElementNode && n.Data == "h1" && n.FirstChild.Data != said {
					t.Errorf("%q is said as %q", word, n.FirstChild.Data)
				}
			}
		}
	}
}

// TestLinksAreOfTheWebOrAMailbox: a letter with another link is not set, and the error does not show it.
func TestLinksAreOfTheWebOrAMailbox(t *testing.T) {
	for _, u := range []string{"javascript:alert(1)", " https://x.example", "JAVASCRIPT:alert(1)", "data:text/html,x", "//evil.example", "vbscript:x", "x"} {
		c := every("word", false)
		c.Asides[0].URL = u
		if got, err := markup.HTML(c); err == nil || got != "" || strings.Contains(err.Error(), u) {
			t.Errorf("%q: %v", u, err)
		}
	}
	c := every("word", false)
	c.Asides[0].URL = `mailto:help@operator.example?subject=a"b c`
	if got, err := markup.HTML(c); err != nil || !strings.Contains(got, `href="mailto:help@operator.example?subject=a%22b%20c"`) {
		t.Errorf("%v", err)
	}
}

// operator is who operates the service.
var operator = emailaddr.Operator{
	Name: "Example Operator, Ltd.", Contact: "help@operator.example", Privacy: "https://operator.example/privacy", Imprint: "https://operator.example/imprint",
}

var colours = regexp.MustCompile(`#[0-9a-f]{3,6}\b`)

// TestOnePalette: mail looks like the site. Every colour of a letter is one of the palette's, of the same light.
func TestOnePalette(t *testing.T) {
	layout, err := os.ReadFile("../letter/markup/letter.html")
	if err != nil {
		t.Fatal(err)
	}
	long := func(c string) string { // #fff is #ffffff
		if len(c) == 4 {
			c = string([]byte{'#', c[1], c[1], c[2], c[2], c[3], c[3]})
		}
		return c
	}
	colour := func(sheet string) (all []string) {
		sheet, _, _ = strings.Cut(sheet, "}")
		for _, c := range colours.FindAllString(sheet, -1) {
			all = append(all, long(c))
		}
		return all
	}
	light, dark, _ := strings.Cut(palette.CSS, "prefers-color-scheme: dark")
	_, queries, _ := strings.Cut(string(layout), "prefers-color-scheme: dark")
	queries, plain, _ := strings.Cut(queries, "</style>")
	for where, c := range map[string]struct {
		text    string
		palette []string
	}{"light": {strings.ReplaceAll(plain, "&#9679;", ""), colour(light)}, "dark": {queries, colour(dark)}} {
		used := colours.FindAllString(c.text, -1)
		for _, colour := range used {
			if !slices.Contains(c.palette, long(colour)) {
				t.Errorf("%s: %s is no colour of the pages: %v", where, colour, c.palette)
			}
		}
		if len(used) < 8 {
			t.Errorf("%s: %d colours", where, len(used))
		}
	}
}

// Classic Outlook knows no largest width and no padding of links: it gets a table of fixed width, and the padding where it keeps it. The first
// thing that is read is the portal's name, and beside the subject a mail program shows more than the subject says.
func TestWhatOutlookKeeps(t *testing.T) {
	c := letter.Mail(example(language.English, true), links, operator)
	html, err := markup.HTML(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		`<!--[if mso]><table role="presentation" cellpadding="0" cellspacing="0" border="0" width="600" align="center"><tr><td width="600"><![endif]-->`,
		`<!--[if mso]></td></tr></table><![endif]-->`, `mso-padding-alt:13px 24px`, `bgcolor="#0e5a4c"`, `mso-hide:all`,
	} {
		if strings.Count(html, part) != 1 {
			t.Errorf("%d times %s", strings.Count(html, part), part)
		}
	}
	_, body, _ := strings.Cut(html, "<body")
	portal, greeting, preview := strings.Index(body, "Concord Portal"), strings.Index(body, c.Greeting), strings.Index(body, c.Preview)
	if preview < 0 || portal < preview || greeting < portal || c.Preview == c.Subject || !strings.HasPrefix(c.Text(), "Concord Portal\n") {
		t.Errorf("preview at %d, portal at %d, greeting at %d", preview, portal, greeting)
	}
}

// Who is written to is greeted by name where we have one, as it stands in no subject and nowhere else.
func TestGreetedByName(t *testing.T) {
	for _, tag := range locale.Tags {
		l := answered(tag, invitation.Accepted, func(i *invitation.Invitation) { i.RecipientName = "Ada Larch" })
		for name, c := range map[string]letter.Content{
			"draft": letter.Compose(l, url, operator), "mail": letter.Mail(l, links, operator), "reminder": letter.Remind(l, links, operator), "receipt": letter.Receipt(l, links, operator),
		} {
			if !strings.Contains(c.Greeting, "Ada Larch") || strings.Contains(c.Subject+c.Preview+c.Intro, "Ada Larch") {
				t.Errorf("%v, %s: %q", tag, name, c.Greeting)
			}
		}
		if c := letter.Receipt(l, letter.Links{}, operator); !strings.Contains(c.Greeting, "Nora Berg") {
			t.Errorf("%v: who answered is greeted as %q", tag, c.Greeting)
		}
		l.Invitation.RecipientName = "call www.evil.example"
		if c := letter.Mail(l, links, operator); strings.Contains(c.Greeting, "evil") {
			t.Errorf("%v: a greeting with an address: %q", tag, c.Greeting)
		}
	}
}
