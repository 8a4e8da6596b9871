package pages

import (
	"cmp"
	"strings"
	"time"

	"concord/internal/link"
)

type fact struct{ Label, Value string }

// partner is the legal name of who asks.
func (p *page) partner() string { return p.from.DisplayName }

// whoAsks is what the operator knows about the partner.
func (p *page) whoAsks() []fact {
	a := p.from
	facts := []fact{
		{p.T("page.fact.name"), a.DisplayName},
		{p.T("page.fact.domain"), a.VerifiedDomain},
		{p.T("page.fact.country"), p.Country(a.Country)},
	}
	return append(facts, p.contact()...)
}

// contact is how to reach the partner; nothing of one that is not vouched for (domain, 0.43).
func (p *page) contact() []fact {
	if !p.vouched {
		return nil
	}
	c := p.from.Contact
	var facts []fact
	for _, f := range []fact{{p.T("page.fact.mail"), c.Email}, {p.T("page.fact.phone"), c.Phone}, {p.T("page.fact.website"), c.Website}} {
		if f.Value != "" {
			facts = append(facts, f)
		}
	}
	return facts
}

// mask hides who an address belongs to from whoever else opens the link.
func mask(address string) string {
	at := strings.LastIndexByte(address, '@')
	if at < 1 {
		return ""
	}
	return address[:1] + "•••" + address[at:]
}

// open says how long the invitation stays open; empty while its mail has not left.
func (p *page) open() string {
	until := p.until
	if until.IsZero() {
		return ""
	}
	left, date := until.Sub(p.Now), p.DateTime(until)
	if left >= 24*time.Hour {
		return p.T("page.open.days", "n", int((left+12*time.Hour)/(24*time.Hour)), "date", date)
	}
	return p.T("page.open.hours", "n", max(1, int(left/time.Hour)), "date", date)
}

// company is the name of the company of who is signed in.
func (p *page) company() string {
	of, declared := p.person.Company, ""
	if a := p.answer; a != nil && a.tenant == of.Tenant {
		declared = a.company
	}
	return cmp.Or(of.CompanyName, declared, strings.Join(of.Domains[:min(1, len(of.Domains))], ""), p.T("page.company"))
}

// account says who is signed in.
func (p *page) account() string { return cmp.Or(p.person.Email, p.person.Name, p.person.Subject) }

// IsResult reports whether the page is one that says what an answer came to.
func (p *page) IsResult() bool {
	_, is := p.Content.(result)
	return is
}

// result is the last page: what was answered, when, and what happens next.
type result struct {
	Lead, Reference string
	Strong          string // the strongest right that was given; empty for none
	Accepted        bool
	Facts           []fact
	Next            []string
	Link, Label     string // of a button; empty for none
}

func (p *page) answerFacts() []fact {
	return []fact{
		{p.T("page.fact.at"), p.DateTime(p.answer.at)},
		{p.T("page.fact.by"), p.answer.name},
		{p.T("page.fact.company"), p.company()},
		{p.T("page.fact.partner"), p.partner()},
	}
}

// receipts says who is told of the answer by mail, and what can be done with that.
func (p *page) receipts() []string {
	to, own := p.to(), mask(p.answer.email)
	switch {
	case to == "" && own == "":
		return nil
	case to == "":
		return []string{p.T("page.result.receipt", "to", own, "partner", p.partner())}
	case own == "":
		return []string{p.T("page.result.receipt", "to", to, "partner", p.partner()), p.T("page.result.dispute", "to", to)}
	default:
		return []string{p.T("page.result.receipts", "to", to, "own", own, "partner", p.partner()), p.T("page.result.dispute", "to", to)}
	}
}

// notice is a page that says what stands in the way and what can be done.
type notice struct {
	Text  []string
	Facts []fact
	// List is what remains, below its title.
	ListTitle string
	List      []string
	Link      string // where the button leads; empty for none
	Label     string
	Also      []doorway // other ways, less used
	Stranger  string    // where who does not know the partner says so; empty for nowhere
	Copy      string    // a text to copy; empty for none
	CopyHint  string
	Decline   *fields
}

// doorway leads to another part of the service.
type doorway struct{ Link, Label string }

func unknownLink(p *page) any {
	p.Title = p.T("page.unknown.title")
	return notice{
		Text: []string{p.T("page.unknown.text"), p.T("page.unknown.cut"), p.T("page.unknown.ask")},
		Link: customerPath + p.chosen, Label: p.T("page.customer.all"),
	}
}

func answered(p *page) any {
	p.Title = p.T("page.answered.title")
	n := notice{Text: []string{p.T("page.answered.text", "partner", p.partner())}}
	if p.person == nil {
		n.Text = append(n.Text, p.T("page.answered.own"))
		n.Link, n.Label = p.SignIn, p.T("page.answered.sign-in")
	}
	return n
}

// otherAccount is where a person signs in as somebody else.
func (p *page) otherAccount() string {
	if strings.Contains(p.SignIn, "?") {
		return p.SignIn + "&switch=1"
	}
	return p.SignIn + "?switch=1"
}

// SignedIn says who is signed in; empty for nobody, also on a form whose session has ended.
func (p *page) SignedIn() string {
	if p.person == nil || p.obstacle == sessionIsOver {
		return ""
	}
	return p.T("page.answer.account", "account", p.account(), "company", p.company())
}

// signedIn is SignedIn as facts.
func (p *page) signedIn() []fact {
	if p.obstacle == sessionIsOver {
		return nil
	}
	return []fact{{p.T("page.fact.account"), p.account()}, {p.T("page.fact.company"), p.company()}}
}

func wrongTenant(p *page) any {
	p.Title = p.T("page.wrong-tenant.title")
	return notice{Facts: p.signedIn(), Link: p.otherAccount(), Label: p.T("page.switch"), Stranger: p.Report,
		Text: []string{p.T("page.wrong-tenant.text", "partner", p.partner()), p.T("page.nothing-used")}}
}

// ruledOut is a page of a request that cannot be accepted but can be declined.
func (p *page) ruledOut(title string, text ...string) any {
	p.Title = title
	decline := p.fields(false, "")
	n := notice{Facts: p.signedIn(), Link: p.otherAccount(), Label: p.T("page.switch"), Text: text, Decline: &decline}
	if p.obstacle == sessionIsOver {
		n.Link = "" // where to sign in stands above
	}
	return n
}

// partnerNotActive names whose account is not active, of two that ask together, and says nothing that vouches for it. Who may answer can
// decline; who is not signed in need not do anything.
func partnerNotActive(p *page) any {
	title, text := p.T("page.partner-not-active.title"), p.T("page.partner-not-active.text", "partner", cmp.Or(p.barred, p.partner()), "operator", p.Operator)
	if p.person != nil && p.declines {
		return p.ruledOut(title, text)
	}
	p.Title = title
	n := notice{Text: append([]string{text}, p.ignore()...), Stranger: p.Report}
	if p.person != nil {
		n.Facts, n.Link, n.Label = p.signedIn(), p.otherAccount(), p.T("page.switch")
	}
	return n
}

// otherRegion says that a partner and the company are in regions that do not go together.
func (p *page) otherRegion(key, partner, theirs string) any {
	return p.ruledOut(p.T("page.region-not-allowed.title"), p.T(key, "partner", partner, "theirs", p.Country(theirs), "yours", p.Country(p.country())))
}

// country is the one that was chosen in the form, or that of the sign-in.
func (p *page) country() string { return cmp.Or(p.person.Company.Country, p.form.Country) }

// forwarding has who may not answer forward a text to who may.
func (p *page) forwarding(text string) any {
	p.Title = p.T("page.not-admin.title")
	return notice{
		Facts: p.signedIn(), Link: p.otherAccount(), Label: p.T("page.switch"), Stranger: p.Report,
		Text: []string{p.T("page.not-admin.text"), p.T("page.nothing-used")}, CopyHint: p.T("page.not-admin.forward"), Copy: text,
	}
}

func troubled(p *page) any {
	p.Title = p.T("page.service-trouble.title")
	n := notice{Text: []string{p.T("page.service-trouble.text")}}
	if (p.purpose == link.Answer || p.purpose == link.Granular || p.purpose == link.Verify) && p.aside == "" { // a link that is over does not work when all is well again
		n.Text = append(n.Text, p.T("page.link-works"))
	}
	return n
}

func notUnderstood(p *page) any {
	p.Title = p.T("page.malformed.title")
	return notice{Text: []string{p.T("page.malformed.text")}, Link: p.Here, Label: p.T("page.back")}
}

func fromElsewhere(p *page) any {
	p.Title = p.T("page.cross-origin.title")
	return notice{Text: []string{p.T("page.cross-origin.text")}}
}

func attemptOver(p *page) any {
	p.Title = p.T("page.sign-in-over.title")
	return notice{Text: []string{p.T("page.sign-in-over.text"), p.T("page.nothing-used")}, Link: p.Here, Label: p.T("page.back")}
}

func refused(p *page) any {
	p.Title = p.T("page.sign-in-refused.title")
	return notice{Link: p.Here, Label: p.T("page.back"),
		Text:     []string{p.T("page.sign-in-refused.text"), p.T("page.nothing-used")},
		CopyHint: p.T("page.sign-in-refused.forward"),
		Copy:     p.T("page.sign-in-refused.copy", "portal", p.Portal, "operator", p.Operator)}
}

func personalAccount(p *page) any {
	p.Title = p.T("page.no-company.title")
	return notice{Text: []string{p.T("page.no-company.text"), p.T("page.nothing-used")},
		Link: p.otherAccount(), Label: p.T("page.switch")}
}
