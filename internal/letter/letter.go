// Package letter holds what a mail or a draft says: subject and words, in the recipient's language.
//
// It knows no HTML, no sender and no storage. Package mail sets a [Content] as a mail of ours; the API gives its plain text
// as the draft that a partner mails itself. Partners write nothing in it: of theirs it shows the verified legal name, the
// verified domain, the country and the contact of their account, and nothing that came with the invitation (0.17).
package letter

import (
	"strings"
	"time"

	"concord/internal/invitation"
	"concord/internal/locale"
)

// Content is one letter, part by part, in the order in which it is read. Every part is plain text.
type Content struct {
	Language string // BCP 47
	Dir      string // "ltr" or "rtl"
	Subject  string

	Greeting string
	Intro    string   // who asks for what, in one sentence
	Facts    []Fact   // who asks
	Asked    []string // what is asked, and what not
	Action   string   // label of the link
	LinkNote string   // introduces the link in clear
	URL      string   // a bearer value: never log it
	Terms    []string // how long it is open, who can answer, what an answer does
	Footer   []string // why you get this, who operates the service

	name, domain string
	subject      func(who string) string
	request      func(who string) string // what the short body says of the request
	note         string                  // what the short body says below the link
}

// Fact is one thing that is known about who asks.
type Fact struct{ Label, Value string }

// Compose writes the letter of an invitation with its link, in the invitation's language. Operator is the name of who operates
// the service. The kind is one that [Writes] knows.
func Compose(l invitation.Letter, url, operator string) Content {
	p := locale.For(locale.Match(l.Invitation.Locale))
	c := kinds[l.Invitation.Kind](p, l)
	c.Language, c.Dir, c.URL = p.Language(), p.Dir(), url
	c.name, c.domain = l.Inviter.DisplayName, l.Inviter.VerifiedDomain
	c.Subject = c.subject(c.name)
	c.Greeting = p.T("mail.greeting")
	c.Facts = whoAsks(p, l)
	c.LinkNote = p.T("mail.link.note")
	c.Terms = append([]string{open(p, l.Invitation)}, c.Terms...)
	if l.Inviter.Contact.Email != "" {
		c.Footer = append(c.Footer, p.T("mail.footer.reply", "name", l.Inviter.DisplayName))
	}
	c.Footer = append(c.Footer, p.T("mail.footer.operator", "operator", operator))
	return c
}

// kinds writes what differs between the kinds of invitation.
var kinds = map[invitation.Kind]func(*locale.Printer, invitation.Letter) Content{
	invitation.Reseller: reseller,
}

// Writes reports whether there are words for a kind.
func Writes(k invitation.Kind) bool { return kinds[k] != nil }

func reseller(p *locale.Printer, l invitation.Letter) Content {
	name := l.Inviter.DisplayName
	c := Content{
		subject: func(who string) string { return p.T("mail.reseller.subject", "name", who) },
		Action:  p.T("mail.reseller.action"),
		Terms: []string{
			p.T("mail.reseller.who-answers", "portal", l.Cloud.PortalName),
			p.T("mail.reseller.answer", "name", name),
			p.T("mail.reseller.unknown-company", "name", name),
		},
		Footer: []string{p.T("mail.reseller.why", "name", name)},
		note:   p.T("mail.reseller.short.note"),
	}
	purchase := p.T("mail.reseller.purchase", "name", name)
	if l.Invitation.RequestDelegatedAdmin { // rule I14
		c.Intro = p.T("mail.reseller.intro.administration", "name", name)
		c.Asked = []string{purchase, p.T("mail.reseller.administration", "name", name)}
		c.request = func(who string) string { return p.T("mail.reseller.short.administration", "name", who) }
	} else {
		c.Intro = p.T("mail.reseller.intro", "name", name)
		c.Asked = []string{purchase, p.T("mail.reseller.no-administration", "name", name)}
		c.request = func(who string) string { return p.T("mail.reseller.short", "name", who) }
	}
	return c
}

func whoAsks(p *locale.Printer, l invitation.Letter) []Fact {
	var facts []Fact
	add := func(label, value string) {
		if value != "" {
			facts = append(facts, Fact{label, value})
		}
	}
	add(p.T("mail.fact.company"), l.Inviter.DisplayName)
	add(p.T("mail.fact.domain"), l.Inviter.VerifiedDomain)
	add(p.T("mail.fact.country"), p.Country(l.Inviter.Country))
	add(p.T("mail.fact.email"), l.Inviter.Contact.Email)
	add(p.T("mail.fact.phone"), l.Inviter.Contact.Phone)
	return facts
}

// open says how long an answer is possible. The time runs from the moment that the first mail is taken (0.9), which is not
// known while that mail is written: then it says for how long, in whole days.
func open(p *locale.Printer, i invitation.Invitation) string {
	if i.ExpiresAt.IsZero() {
		return p.T("mail.open.for", "n", int(i.Duration/(24*time.Hour)))
	}
	return p.T("mail.open.until", "time", p.DateTime(i.ExpiresAt))
}

// Text gives the letter as plain text. The link stands alone on its line, once.
func (c Content) Text() string {
	var b strings.Builder
	paragraph := func(lines ...string) {
		for _, l := range lines {
			b.WriteString(l + "\n")
		}
		b.WriteString("\n")
	}
	paragraph(c.Greeting)
	paragraph(c.Intro)
	facts := make([]string, 0, len(c.Facts))
	for _, f := range c.Facts {
		facts = append(facts, f.Label+" "+f.Value)
	}
	paragraph(facts...)
	for _, a := range c.Asked {
		paragraph(a)
	}
	paragraph(c.LinkNote)
	paragraph(c.URL)
	for _, t := range c.Terms {
		paragraph(t)
	}
	paragraph(c.Footer...)
	return strings.TrimSuffix(b.String(), "\n")
}
