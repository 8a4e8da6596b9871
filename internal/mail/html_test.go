package mail

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/text/language"

	"concord/internal/invitation"
	"concord/internal/letter"
	"concord/internal/locale"
	"concord/internal/partner"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

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

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
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

var address = regexp.MustCompile(`[a-z]+://[^\s"<]+`)

func TestEveryKindInEveryLanguage(t *testing.T) {
	for _, kind := range invitation.Kinds {
		for _, tag := range locale.Tags {
			for name, administration := range map[string]bool{"administration": true, "plain": false} {
				if kind == invitation.Partnership && administration {
					continue // it has none (0.14)
				}
				name = string(kind) + "." + name + "." + tag.String()
				t.Run(name, func(t *testing.T) {
					l := example(tag, administration)
					l.Invitation.Kind = kind
					draft := letter.Compose(l, url, "Example Operator, Ltd.")
					golden(t, name+".draft.txt", "Subject: "+draft.Subject+"\n\n"+draft.Text())
					golden(t, name+".short.txt", draft.Short())
					if got := address.FindAllString(draft.Text(), -1); !cmp.Equal(got, []string{url}) {
						t.Errorf("a draft has one link (invariant 15), this one %q", got)
					}
					c := letter.Mail(l, links, "Example Operator, Ltd.")
					html, err := HTML(c)
					if err != nil {
						t.Fatal(err)
					}
					golden(t, name+".txt", "Subject: "+c.Subject+"\n\n"+c.Text())
					golden(t, name+".html", html)

					if got, want := address.FindAllString(html, -1), []string{url, url, url + "/report"}; !cmp.Equal(got, want) {
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
		html, err := HTML(letter.Compose(l, url, strings.Repeat("&", 100)))
		if err != nil || len(html) >= maxHTML {
			t.Errorf("%v: %d bytes, %v", tag, len(html), err)
		}
	}
}

func TestNamesAreText(t *testing.T) {
	l := example(language.English, true)
	l.Inviter.DisplayName = `</td><a href="https://evil.example">x</a>`
	html, err := HTML(letter.Compose(l, url, `<img src=x>`))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(html, "<a href=\"https://evil") || strings.Contains(html, "<img") {
		t.Error("a name is markup")
	}
}
