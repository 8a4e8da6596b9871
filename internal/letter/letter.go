// Package letter holds what a mail or a draft says: subject and words, in the recipient's language.
//
// It knows no HTML, no sender and no storage. Package mail sets a [Content] as a mail of ours; the API gives the plain text of
// [Compose] as the draft that a partner mails itself. What others have typed stands apart, as a [Quote] or as the value of a
// [Fact]; of the partner every sentence names the verified legal name and nothing else (0.17).
package letter

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode"

	"concord/internal/emailaddr"
	"concord/internal/invitation"
	"concord/internal/locale"
	"concord/internal/partner"
)

// Content is one letter, part by part, in the order in which it is read. Every part is plain text.
type Content struct {
	Language string // BCP 47
	Dir      string // "ltr" or "rtl"
	Subject  string
	Preview  string // what mail programs show beside the subject; empty in a draft
	Portal   string // where it comes from, as the customer knows the place; empty in a draft, which comes from the partner

	Greeting string
	Banner   string   // what has to be known before anything else; empty for nothing
	Intro    string   // who asks for what, or what has happened, in one sentence
	Facts    []Fact   // who asks, or who answered
	Quote    *Quote   // nil for none
	Care     string   // the strongest right that is asked for or was given; empty for none
	Asked    []string // what is asked, and what not
	Action   string   // label of the link
	Quiet    bool     // the link is for few readers: it is no invitation to press it
	LinkNote string   // introduces the link in clear
	URL      string   // a bearer value: never log it; empty in a letter without a link
	Terms    []string // how long it is open, who can answer, what an answer does
	Asides   []Aside  // further links, always behind the first
	Footer   []string // why you get this, who operates the service
	Legal    []Aside  // how to reach the operator, its privacy notice and imprint; none in a draft

	aside        func(Aside) string
	name, domain string
	subject      func(who string) string
	request      func(who string) string // what the short body says of the request
	note         string                  // what the short body says below the link
}

// Fact is one thing that is known about who asks or who answered.
type Fact struct{ Label, Value string }

// Gap stands between the label and the value: nothing behind a full-width colon, which is as wide as both together.
func (f Fact) Gap() string {
	if strings.HasSuffix(f.Label, "：") {
		return ""
	}
	return " "
}

// Quote is what somebody else says. By says who, as a line that introduces it; Lines are its lines, without anything that does not
// show.
type Quote struct {
	By       string
	Lines    []string
	Language string // BCP 47, of the lines; empty where nobody knows
}

// Aside is a further link of a mail. It never stands alone on its line: that place is the first link's.
type Aside struct{ Label, URL string }

// Compose writes the draft of an invitation with its link, in the invitation's language: the partner mails it as its own. The kind is one that
// [Writes] knows.
func Compose(l invitation.Letter, url string, operator emailaddr.Operator) Content {
	c := compose(l, url, operator)
	c.Portal, c.Preview, c.Legal = "", "", nil
	return c
}

// compose writes the letter of an invitation as we send it.
func compose(l invitation.Letter, url string, operator emailaddr.Operator) Content {
	l = disarmed(l)
	p := printer(l.Invitation.Locale)
	c := kinds[l.Invitation.Kind].asks(p, l)
	c.Facts = slices.Concat(whoAsks(p, l.Inviter, p.T("mail.fact.company")), whoElse(p, l), roleFacts(p, l))
	c.LinkNote, c.URL = p.T("mail.link.note"), url
	if l.Invitation.ID != "" {
		c.Facts = append(c.Facts, Fact{p.T("mail.fact.reference"), l.Invitation.Reference()})
	}
	c.Terms = append([]string{open(p, l.Invitation)}, c.Terms...)
	c.Preview = c.Terms[0]
	c.greet(p, l.Invitation.RecipientName)
	c.check(p, operator)
	c.finish(p, about{l.Inviter, l.Cloud, l.Invitation.Sandbox}, operator, l.Inviter.Contact.Email != "")
	return c
}

// disarmed gives what a letter is made of with every name so that no mail program makes a link of it (0.38).
func disarmed(l invitation.Letter) invitation.Letter {
	l.Orderer.DisplayName = emailaddr.Disarm(l.Orderer.DisplayName)
	l.Inviter.DisplayName, l.Provider.DisplayName = emailaddr.Disarm(l.Inviter.DisplayName), emailaddr.Disarm(l.Provider.DisplayName)
	l.Invitation.RecipientName = emailaddr.Disarm(l.Invitation.RecipientName)
	if l.Invitation.Answer != nil {
		a := *l.Invitation.Answer
		a.FullName, a.JobTitle, a.Company = emailaddr.Disarm(a.FullName), emailaddr.Disarm(a.JobTitle), emailaddr.Disarm(a.Company)
		l.Invitation.Answer = &a
	}
	return l
}

// about is whom a letter is about: who asks, or whom the operator writes to, and the place that it comes from.
type about struct {
	from      partner.Account
	cloud     partner.Cloud
	rehearsal bool
}

// finish sets what every letter has; its own parts are there. Answered says that replies go to the partner.
func (c *Content) finish(p *locale.Printer, a about, operator emailaddr.Operator, answered bool) {
	c.Language, c.Dir, c.Greeting = p.Language(), p.Dir(), cmp.Or(c.Greeting, p.T("mail.greeting"))
	c.Preview, c.Portal = cmp.Or(c.Preview, c.Intro), a.cloud.PortalName
	c.name, c.domain = a.from.DisplayName, a.from.VerifiedDomain
	c.aside = func(a Aside) string { return p.T("mail.aside", "label", a.Label, "url", a.URL) }
	if a.rehearsal {
		c.Banner = p.T("mail.sandbox")
		c.entitle(func(subject string) string { return p.T("mail.sandbox.subject", "subject", subject) })
	}
	c.Subject = c.subject(c.name)
	if answered {
		c.Footer = append(c.Footer, p.T("mail.footer.reply", "name", c.name))
	}
	c.Footer = append(c.Footer, p.T("mail.footer.operator", "operator", operator.Name))
	c.Legal = Legal(p, operator)
}

// greet greets somebody by name, if that is one which no mail program makes a link of.
func (c *Content) greet(p *locale.Printer, name string) {
	if name != "" && !emailaddr.Linkable(name) {
		c.Greeting = p.T("operator.greeting", "name", name)
	}
}

// check says how to find out whether the mail is genuine without its link.
func (c *Content) check(p *locale.Printer, operator emailaddr.Operator) {
	if operator.Contact != "" {
		c.Terms = append(c.Terms, p.T("operator.check", "operator", operator.Name, "contact", operator.Contact))
	}
}

// typed says where a company finds the request without the link, behind how long it is open. It stands in our mails alone: a draft holds no other
// address of ours (invariant 15), and a rehearsal is on nobody's page.
func (c *Content) typed(p *locale.Printer, a about) {
	if !a.rehearsal {
		c.Terms = slices.Insert(c.Terms, 1, p.T("mail.link.type", "address", a.cloud.BaseURL+"/customer"))
	}
}

// overview leads to where a customer sees and ends what its partners may do, in every receipt.
func (c *Content) overview(p *locale.Printer, cloud partner.Cloud) {
	c.Asides = append(c.Asides, Aside{p.T("operator.customer"), cloud.BaseURL + "/customer"})
}

// Legal gives how the operator is reached, its privacy notice and its imprint, as far as it has them.
func Legal(p *locale.Printer, o emailaddr.Operator) (all []Aside) {
	if o.Contact != "" {
		all = append(all, Aside{p.T("operator.contact"), mailto + o.Contact})
	}
	if o.Privacy != "" {
		all = append(all, Aside{p.T("operator.privacy"), o.Privacy})
	}
	if o.Imprint != "" {
		all = append(all, Aside{p.T("operator.imprint"), o.Imprint})
	}
	return all
}

const mailto = "mailto:"

// entitle changes the subject, whatever of the name is in it.
func (c *Content) entitle(change func(subject string) string) {
	before := c.subject
	c.subject = func(who string) string { return change(before(who)) }
	c.Subject = c.subject(c.name)
}

func reseller(p *locale.Printer, l invitation.Letter) Content {
	name, r := l.Inviter.DisplayName, right(l)
	c := Content{
		subject: func(who string) string { return Heading(p, l, r, who, false) },
		Intro:   Heading(p, l, r, name, false),
		Action:  p.T("mail.reseller.action"),
		Terms: []string{
			p.T("mail.reseller.who-answers", "portal", l.Cloud.PortalName),
			p.T("mail.reseller.answer", "name", name),
			p.T("mail.reseller.unknown-company", "name", name),
		},
		Footer: []string{p.T("mail.reseller.why", "name", name)},
		note:   p.T("mail.reseller.short.note"),
	}
	c.Asked = []string{p.T("order.sells", "partner", name), Orders(p, l)}
	c.asksFor(p, l, r)
	switch r {
	case invitation.GlobalRight:
		c.request = func(who string) string { return p.T("right.short.global", "partner", who) }
	case invitation.AdministrationRight: // rule I14
		c.Intro = p.T("mail.reseller.intro.administration", "name", name)
		c.request = func(who string) string { return p.T("mail.reseller.short.administration", "name", who) }
	case invitation.RoleRight: // 0.28
		c.request = func(who string) string { return p.T("mail.granular.beside.short", "name", who) }
	default:
		c.Intro = p.T("mail.reseller.intro", "name", name)
		c.request = func(who string) string { return p.T("mail.reseller.short", "name", who) }
	}
	return c
}

// asksFor says which rights are asked for, the strongest apart (0.33), and what stays as it is.
func (c *Content) asksFor(p *locale.Printer, l invitation.Letter, r invitation.Right) {
	name, roles := l.Inviter.DisplayName, l.Invitation.GranularID != ""
	administration, beside := p.T("mail.reseller.administration", "name", name), p.T("mail.granular.beside", "name", name)
	switch r {
	case invitation.GlobalRight:
		c.Care = Gives(p, l, r)
	case invitation.AdministrationRight:
		c.Care = administration
	case invitation.RoleRight:
		c.Care = beside
	default:
		c.Asked = append(c.Asked, p.T("mail.reseller.no-administration", "name", name))
	}
	if l.Invitation.RequestDelegatedAdmin && r != invitation.AdministrationRight {
		c.Asked = append(c.Asked, administration)
	}
	if roles && r != invitation.RoleRight {
		c.Asked = append(c.Asked, beside)
	}
	if l.Provider.DisplayName != "" && l.Invitation.Kind.NamesProvider() {
		c.Asked = append(c.Asked, p.T("mail.dual.provider", "provider", l.Provider.DisplayName))
	}
	c.Asked = append(c.Asked, p.T("order.unchanged"))
}

func resellerGrants(p *locale.Printer, l invitation.Letter) []string {
	name := l.Inviter.DisplayName
	if a := l.Invitation.Answer; a != nil && a.Granular && !l.Invitation.RequestDelegatedAdmin {
		return []string{p.T("mail.granular.granted", "name", name), Orders(p, l), p.T("mail.receipt.end", "name", name), p.T("mail.granular.granted.end")}
	}
	if l.Invitation.RequestDelegatedAdmin {
		return []string{p.T("order.granted.administration", "partner", name), Orders(p, l), p.T("mail.receipt.end", "name", name), p.T("mail.receipt.end.administration")}
	}
	return []string{p.T("order.granted", "partner", name), Orders(p, l), p.T("mail.receipt.end", "name", name)}
}

// whoAsks says who the partner is; the label is that of its name.
func whoAsks(p *locale.Printer, a partner.Account, label string) []Fact {
	var facts []Fact
	add := func(label, value string) {
		if value != "" {
			facts = append(facts, Fact{label, value})
		}
	}
	add(label, a.DisplayName)
	add(p.T("mail.fact.domain"), a.VerifiedDomain)
	add(p.T("mail.fact.country"), p.Country(a.Country))
	add(p.T("mail.fact.email"), a.Contact.Email)
	add(p.T("mail.fact.phone"), a.Contact.Phone)
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

// quote takes what somebody has typed apart into lines that show what they hold: without control characters, and without those that
// turn the direction of the text around them. It gives nil for nothing.
func quote(by, text string) *Quote {
	q := Quote{By: by}
	for line := range strings.Lines(strings.ReplaceAll(text, "\r", "\n")) {
		line = strings.Map(func(r rune) rune {
			switch {
			case r == '\t':
				return ' '
			case unicode.Is(unicode.Bidi_Control, r), unicode.IsControl(r):
				return -1
			}
			return r
		}, line)
		if line = strings.TrimSpace(line); line != "" {
			q.Lines = append(q.Lines, line)
		}
	}
	if q.Lines == nil {
		return nil
	}
	return &q
}

// printer gives that of a language, or the next best.
func printer(tag string) *locale.Printer { return locale.For(locale.Match(tag)) }

// Text gives the letter as plain text. Its link stands alone on its line, once, before every other; what somebody else says has a mark
// before each line.
func (c Content) Text() string {
	var b strings.Builder
	paragraph := func(lines ...string) {
		for _, l := range lines {
			b.WriteString(l + "\n")
		}
		b.WriteString("\n")
	}
	if c.Portal != "" {
		paragraph(c.Portal)
	}
	paragraph(c.Greeting)
	if c.Banner != "" {
		paragraph(c.Banner)
	}
	paragraph(c.Intro)
	facts := make([]string, 0, len(c.Facts))
	for _, f := range c.Facts {
		facts = append(facts, f.Label+f.Gap()+f.Value)
	}
	paragraph(facts...)
	if c.Quote != nil {
		paragraph(c.Quote.By, "> "+strings.Join(c.Quote.Lines, "\n> "))
	}
	if c.Care != "" {
		paragraph(c.Care)
	}
	for _, a := range c.Asked {
		paragraph(a)
	}
	if c.URL != "" {
		paragraph(c.LinkNote)
		paragraph(c.URL)
	}
	for _, t := range c.Terms {
		paragraph(t)
	}
	for _, a := range c.Asides {
		paragraph(c.aside(a))
	}
	footer := slices.Clone(c.Footer)
	for _, a := range c.Legal {
		footer = append(footer, c.aside(Aside{a.Label, strings.TrimPrefix(a.URL, mailto)}))
	}
	paragraph(footer...)
	return strings.TrimSuffix(b.String(), "\n")
}
