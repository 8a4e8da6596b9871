package letter

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/language"
	"pgregory.net/rapid"

	"concord/internal/emailaddr"
	"concord/internal/invitation"
	"concord/internal/locale"
	"concord/internal/partner"
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
		Provider: partner.Account{DisplayName: "Birch Distribution", VerifiedDomain: "birch.example", Country: "FR"},
		Cloud:    partner.Cloud{PortalName: "Concord Portal", BaseURL: "https://portal.example"},
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
			c := Compose(l, link, emailaddr.Operator{Name: name.Draw(t, "operator")})
			aloneOnce(t, c.Text(), link)
			aloneOnce(t, c.Short(), link)
		})
	})
}

func TestSaysWhatAStrangerNeedsToKnow(t *testing.T) {
	every(t, func(t *testing.T, l invitation.Letter) {
		c := Compose(l, link, operator)
		text := c.Text()
		for _, part := range []string{"Dogwood Cloud Services", "dogwood.example", locale.For(language.MustParse(l.Invitation.Locale)).Country("US"),
			"hello@dogwood.example", "+1 555 0100", "30", "Concord Portal", "Example Operator", "Microsoft"} {
			if !strings.Contains(text, part) {
				t.Errorf("the text does not say %q", part)
			}
		}
		for _, part := range []string{"Birch Distribution", "birch.example"} { // rule D3: both are named
			if strings.Contains(text, part) != (l.Invitation.Kind == invitation.DualReseller) {
				t.Errorf("the text and %q", part)
			}
		}
		if !strings.Contains(c.Greeting, "Ada Recipient") || strings.Contains(strings.Replace(text, c.Greeting, "", 1)+c.Subject+c.Short(), "Recipient") {
			t.Error("the name of the recipient stands in the greeting, and nothing else that came with the invitation anywhere (0.17)")
		}
		if c.Language != l.Invitation.Locale || c.Dir != "ltr" {
			t.Errorf("language %q, direction %q", c.Language, c.Dir)
		}
		other := l
		other.Invitation.RequestDelegatedAdmin = !l.Invitation.RequestDelegatedAdmin
		o := Compose(other, link, operator)
		if l.Invitation.Kind != invitation.Partnership && (o.Text() == text || o.Short() == c.Short()) { // which has none (0.14)
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
		{"ein Tag", language.German, 24 * time.Hour, time.Time{}, "1 Tag lang"},
		{"Tage", language.German, 30 * 24 * time.Hour, time.Time{}, "30 Tage lang"},
		{"un día", language.Spanish, 24 * time.Hour, time.Time{}, "abierta 1 día a"},
		{"días", language.Spanish, 30 * 24 * time.Hour, time.Time{}, "abierta 30 días a"},
		{"एक दिन", language.Hindi, 24 * time.Hour, time.Time{}, "1 दिन तक"},
		{"दिन", language.Hindi, 30 * 24 * time.Hour, time.Time{}, "30 दिनों तक"},
		{"一日", language.Japanese, 24 * time.Hour, time.Time{}, "1 日間"},
		{"一天", language.SimplifiedChinese, 24 * time.Hour, time.Time{}, "1 天内"},
		{"known end", language.English, 24 * time.Hour, time.Date(2026, 12, 1, 9, 30, 0, 0, time.UTC), "until 1 December 2026, 09:30 UTC"},
		{"fin connue", language.French, 24 * time.Hour, time.Date(2026, 12, 1, 9, 30, 0, 0, time.UTC), "jusqu’au 1er décembre 2026 à 09:30 UTC"},
		{"bekanntes Ende", language.German, 24 * time.Hour, time.Date(2026, 12, 1, 9, 30, 0, 0, time.UTC), "bis zum 1. Dezember 2026, 09:30 Uhr UTC beantwortet"},
		{"fin conocido", language.Spanish, 24 * time.Hour, time.Date(2026, 12, 1, 9, 30, 0, 0, time.UTC), "hasta el 1 de diciembre de 2026, 09:30 UTC."},
		{"ज्ञात अंत", language.Hindi, 24 * time.Hour, time.Date(2026, 12, 1, 9, 30, 0, 0, time.UTC), "1 दिसंबर 2026, 09:30 UTC तक"},
		{"既知の期限", language.Japanese, 24 * time.Hour, time.Date(2026, 12, 1, 9, 30, 0, 0, time.UTC), "回答期限は 2026年12月1日 09:30 UTC です"},
		{"已知期限", language.SimplifiedChinese, 24 * time.Hour, time.Date(2026, 12, 1, 9, 30, 0, 0, time.UTC), "截止时间为 2026年12月1日 09:30 UTC。"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := request(c.tag)
			l.Invitation.Duration, l.Invitation.ExpiresAt = c.duration, c.expires
			if text := Compose(l, link, operator).Text(); !strings.Contains(text, c.want) {
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
			left           int // at least so many of the name's 100 letters
		}{
			{"a", strings.Repeat("a", 253), 100},
			{"é", strings.Repeat("a", 253), 90},
			{"社", strings.Repeat("a", 253), 60},
			{"क", strings.Repeat("a", 253), 60},
			{"𠀀", strings.Repeat("a", 253), 45},
		} {
			l.Inviter.DisplayName, l.Inviter.VerifiedDomain = strings.Repeat(c.letter, 100), c.domain
			l.Provider.DisplayName = "Birch " + strings.Repeat("क", 94)
			short := Compose(l, longest, operator).Short()
			escaped := url.PathEscape(strings.ReplaceAll(short, "\n", "\r\n"))
			if len(escaped) >= MaxShort {
				t.Errorf("%d characters with a name of %s", len(escaped), c.letter)
			}
			if longest := strings.Repeat(c.letter, c.left); !strings.Contains(short, longest) {
				t.Errorf("less than %d of 100 %s are left:\n%s", c.left, c.letter, short)
			}
			aloneOnce(t, short, longest)
		}
	})
}

// TestMailtoFitsInEveryLanguage: a usual name is whole in the subject and in the text, and there is a link at all for the longest
// address.
func TestMailtoFitsInEveryLanguage(t *testing.T) {
	longest := "https://" + strings.Repeat("p", 200-len("https:///i/")-72) + "/i/" + strings.Repeat("A", 72)
	every(t, func(t *testing.T, l invitation.Letter) {
		l.Inviter.VerifiedDomain = strings.Repeat("a", 253)
		for _, c := range []struct {
			name, address string
			whole         bool
		}{
			{"Dogwood Cloud Services", "administrator@dogwood.example", true},
			{"山茱萸云服务有限公司", "administrator@dogwood.example", true},
			{strings.Repeat("a", 100), strings.Repeat("a", 254), false},
			{strings.Repeat("𠀀", 100), strings.Repeat("a", 254), false},
		} {
			l.Inviter.DisplayName = c.name
			if !c.whole {
				l.Provider.DisplayName = c.name
			}
			uri, ok := Compose(l, longest, operator).Mailto(c.address)
			if !ok || len(uri) >= MaxMailto || strings.Count(uri, url.QueryEscape(longest)) != 1 {
				t.Errorf("%d characters for %.20s", len(uri), c.name)
			}
			if n := strings.Count(uri, url.PathEscape(c.name)); c.whole && n != 2 {
				t.Errorf("%s is there %d times", c.name, n)
			}
		}
	})
}

func TestUnknownLocaleIsEnglish(t *testing.T) {
	l := request(language.English)
	l.Invitation.Locale = "tlh"
	if c := Compose(l, link, operator); c.Language != "en" {
		t.Errorf("language %q", c.Language)
	}
}

// operator is who operates the service.
var operator = emailaddr.Operator{
	Name: "Example Operator", Contact: "help@operator.example", Privacy: "https://operator.example/privacy", Imprint: "https://operator.example/imprint",
}
