package letter

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/language"

	"concord/internal/invitation"
	"concord/internal/locale"
	"concord/internal/partner"

	"pgregory.net/rapid"
)

const link = "https://portal.example/i/AQID-BAUG_BwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSYnKCkqKywtLi8wMTIzNA"

func request(tag language.Tag) invitation.Letter {
	return invitation.Letter{
		Invitation: invitation.Invitation{
			Kind: invitation.Reseller, Locale: tag.String(), Duration: invitation.DefaultDuration, RecipientName: "Ada Recipient",
		},
		Inviter: partner.Account{
			DisplayName: "Dogwood Cloud Services", VerifiedDomain: "dogwood.example", Country: "US",
			Contact: partner.Contact{Email: "hello@dogwood.example", Phone: "+1 555 0100", Website: "https://dogwood.example"},
		},
		Cloud: partner.Cloud{PortalName: "Concord Portal", BaseURL: "https://portal.example"},
	}
}

// every calls with a letter of every kind in every language, with and without administration.
func every(t *testing.T, check func(t *testing.T, l invitation.Letter)) {
	for kind := range kinds {
		for _, tag := range locale.Tags {
			for name, administration := range map[string]bool{"with administration": true, "without administration": false} {
				t.Run(string(kind)+" "+tag.String()+" "+name, func(t *testing.T) {
					l := request(tag)
					l.Invitation.Kind, l.Invitation.RequestDelegatedAdmin = kind, administration
					check(t, l)
				})
			}
		}
	}
}

// aloneOnce fails unless the link is a line of its own, once, and nothing else leads to the portal.
func aloneOnce(t interface{ Errorf(string, ...any) }, text, link string) {
	lines := 0
	for line := range strings.Lines(text) {
		if strings.TrimSuffix(line, "\n") == link {
			lines++
		}
	}
	if lines != 1 || strings.Count(text, "://") != 1 {
		t.Errorf("the link is %d lines of its own, and there are %d addresses", lines, strings.Count(text, "://"))
	}
}

func TestLinkStandsAloneOnce(t *testing.T) {
	every(t, func(t *testing.T, l invitation.Letter) {
		rapid.Check(t, func(t *rapid.T) {
			name := rapid.StringMatching(`[\p{L}{}%&'" -]{1,100}`)
			l := l
			l.Inviter.DisplayName = name.Draw(t, "name")
			l.Inviter.VerifiedDomain = rapid.SampledFrom([]string{"", "dogwood.example", strings.Repeat("a", 63) + ".example"}).Draw(t, "domain")
			l.Inviter.Contact.Phone = rapid.SampledFrom([]string{"", "+33 1 23 45 67 89"}).Draw(t, "phone")
			l.Inviter.Contact.Email = rapid.SampledFrom([]string{"", "a@dogwood.example"}).Draw(t, "email")
			l.Invitation.Duration = time.Duration(rapid.IntRange(24, 90*24).Draw(t, "hours")) * time.Hour
			c := Compose(l, link, name.Draw(t, "operator"))
			aloneOnce(t, c.Text(), link)
			aloneOnce(t, c.Short(), link)
		})
	})
}

func TestSaysWhatAStrangerNeedsToKnow(t *testing.T) {
	every(t, func(t *testing.T, l invitation.Letter) {
		c := Compose(l, link, "Example Operator")
		text := c.Text()
		for _, part := range []string{"Dogwood Cloud Services", "dogwood.example", locale.For(language.MustParse(l.Invitation.Locale)).Country("US"),
			"hello@dogwood.example", "+1 555 0100", "30", "Concord Portal", "Example Operator", "Microsoft"} {
			if !strings.Contains(text, part) {
				t.Errorf("the text does not say %q", part)
			}
		}
		if strings.Contains(text+c.Subject+c.Short(), "Recipient") {
			t.Error("the letter holds text that came with the invitation (0.17)")
		}
		if c.Language != l.Invitation.Locale || c.Dir != "ltr" {
			t.Errorf("language %q, direction %q", c.Language, c.Dir)
		}
		other := l
		other.Invitation.RequestDelegatedAdmin = !l.Invitation.RequestDelegatedAdmin
		o := Compose(other, link, "Example Operator")
		if o.Text() == text || o.Short() == c.Short() {
			t.Error("asking for administration makes no difference")
		}
	})
}

func TestHowLongItIsOpen(t *testing.T) {
	for _, c := range []struct {
		name     string
		tag      language.Tag
		duration time.Duration
		expires  time.Time
		want     string
	}{
		{"one day", language.English, 24 * time.Hour, time.Time{}, "for 1 day after"},
		{"part of a day", language.English, 47 * time.Hour, time.Time{}, "for 1 day after"},
		{"days", language.English, 30 * 24 * time.Hour, time.Time{}, "for 30 days after"},
		{"un jour", language.French, 24 * time.Hour, time.Time{}, "ouverte 1 jour à"},
		{"jours", language.French, 90 * 24 * time.Hour, time.Time{}, "ouverte 90 jours à"},
		{"known end", language.English, 24 * time.Hour, time.Date(2026, 12, 1, 9, 30, 0, 0, time.UTC), "until 1 December 2026, 09:30 UTC"},
		{"fin connue", language.French, 24 * time.Hour, time.Date(2026, 12, 1, 9, 30, 0, 0, time.UTC), "jusqu’au 1er décembre 2026 à 09:30 UTC"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := request(c.tag)
			l.Invitation.Duration, l.Invitation.ExpiresAt = c.duration, c.expires
			if text := Compose(l, link, "x").Text(); !strings.Contains(text, c.want) {
				t.Errorf("%q is not in\n%s", c.want, text)
			}
		})
	}
}

// TestShortFitsAMailto has the longest names, links and domains there can be (0.16).
func TestShortFitsAMailto(t *testing.T) {
	longest := "https://" + strings.Repeat("p", 200-len("https:///i/")-72) + "/i/" + strings.Repeat("A", 72)
	every(t, func(t *testing.T, l invitation.Letter) {
		for _, c := range []struct {
			letter, domain string
			whole          bool // nothing of the name may be lost
		}{
			{"a", strings.Repeat("a", 253), true},
			{"é", strings.Repeat("a", 253), true},
			{"社", strings.Repeat("a", 253), true},
			{"𠀀", strings.Repeat("a", 253), l.Invitation.Locale == "en"},
		} {
			l.Inviter.DisplayName, l.Inviter.VerifiedDomain = strings.Repeat(c.letter, 100), c.domain
			short := Compose(l, longest, "x").Short()
			escaped := url.PathEscape(strings.ReplaceAll(short, "\n", "\r\n"))
			if len(escaped) >= MaxShort {
				t.Errorf("%d characters with a name of %s", len(escaped), c.letter)
			}
			if n := strings.Count(short, c.letter); c.letter != "a" && c.whole && n < 100 {
				t.Errorf("%d of 100 %s are left", n, c.letter)
			}
			aloneOnce(t, short, longest)
		}
	})
}

func TestUnknownLocaleIsEnglish(t *testing.T) {
	l := request(language.English)
	l.Invitation.Locale = "tlh"
	if c := Compose(l, link, "x"); c.Language != "en" {
		t.Errorf("language %q", c.Language)
	}
}
