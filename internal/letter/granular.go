package letter

import (
	"concord/internal/emailaddr"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/locale"
	"concord/internal/outbox"
)

// Granular writes a mail about granular administration: the request to approve it, or that it will end. The links are the customer's, and there
// are none in what goes to the partner; that to report the mail and to let mails through again stand in the request alone. The names of roles are those of the table, in English as the directory has them. It gives false for a notice
// without words.
func Granular(n outbox.Kind, q granular.Request, roles granular.Table, links Links, operator emailaddr.Operator) (Content, bool) {
	var c Content
	p := printer(q.Mail.Locale)
	q.Partner.DisplayName, q.CustomerName = emailaddr.Disarm(q.Partner.DisplayName), emailaddr.Disarm(q.CustomerName) // 0.38
	switch n {
	case granular.RequestNotice:
		c = granularRequest(p, q, roles)
	case granular.ReceiptNotice:
		c = granularReceipt(p, q, roles)
	case granular.NarrowedNotice:
		c = granularNarrowed(p, q)
	case granular.CustomerEndingNotice:
		c = granularEnding(p, q)
	case granular.AnswerNotice:
		p = printer(q.Partner.Locale)
		c = granularAnswer(p, q)
	case granular.EndingNotice:
		p = printer(q.Partner.Locale)
		c = granularEndingOfPartner(p, q)
	default:
		return c, false
	}
	if !granular.Mails.ToPartner(n) {
		c.Facts = whoAsks(p, q.Partner, p.T("mail.fact.company"))
	}
	c.Facts = append(c.Facts, granularFacts(p, q, roles)...)
	c.URL = links.Answer
	if n == granular.RequestNotice {
		c.Asides = []Aside{{p.T("mail.report"), links.Report}, {p.T("mail.allow"), links.Allow}}
		c.Preview = c.Terms[0]
		c.typed(p, about{cloud: q.Portal})
	}
	if n == granular.ReceiptNotice || n == granular.NarrowedNotice || n == granular.CustomerEndingNotice {
		c.overview(p, q.Portal)
	}
	if !granular.Mails.ToPartner(n) {
		c.check(p, operator)
	}
	c.finish(p, about{from: q.Partner, cloud: q.Portal}, operator, !granular.Mails.ToPartner(n) && q.Partner.Contact.Email != "")
	return c, true
}

func granularRequest(p *locale.Printer, q granular.Request, t granular.Table) Content {
	name, r := q.Partner.DisplayName, invitation.RightOf(t, q.Roles)
	c := Content{
		subject: func(who string) string { return GranularHeading(p, who, r) },
		Intro:   p.T("mail.granular.intro", "name", name),
		Care:    p.T("mail.granular.asked", "name", name), Asked: []string{p.T("mail.granular.apart")},
		Action: p.T("mail.reseller.action"), LinkNote: p.T("mail.link.note"),
		Terms: []string{
			p.T("mail.open.until", "time", p.DateTime(q.ApproveBy)),
			p.T("mail.reseller.who-answers", "portal", q.Portal.PortalName),
			p.T("mail.granular.answer", "name", name),
			p.T("mail.reseller.unknown-company", "name", name),
		},
		Footer: []string{p.T("mail.reseller.why", "name", name)},
	}
	if r == invitation.GlobalRight {
		c.Intro, c.Care, c.Asked = GranularHeading(p, name, r), GranularGives(p, name, r), []string{p.T("mail.granular.intro", "name", name), p.T("mail.granular.apart")}
	}
	return c
}

func granularReceipt(p *locale.Printer, q granular.Request, t granular.Table) Content {
	name, r := q.Partner.DisplayName, invitation.RightOf(t, q.Roles)
	lasts := p.T("mail.granular.ending.intro", "name", name, "time", p.DateTime(q.EndAt))
	if q.AutoExtend {
		lasts = p.T("mail.granular.receipt.extends", "name", name, "time", p.DateTime(q.EndAt))
	}
	language := ""
	if q.Answer != nil {
		language = q.Answer.Consent.Language
	}
	return Content{
		subject: func(who string) string { return say(p, granularPhrases.receipt[r], who, "") },
		Quote: agreed(p, language, func(page *locale.Printer) []string {
			return append(granularConsent(page, q.Relationship, name, q.CustomerName), GranularQuestion(page, name, r))
		}),
		Intro:  p.T("mail.granular.receipt.intro", "name", name),
		Care:   GranularGiven(p, name, r),
		Asked:  []string{lasts, p.T("mail.granular.apart")},
		Action: p.T("mail.granular.ending.action"), Quiet: true, LinkNote: p.T("mail.granular.ending.note"),
		Footer: []string{p.T("mail.granular.ending.why")},
	}
}

// granularNarrowed is the receipt for what the partner gave back (domain, 0.46).
func granularNarrowed(p *locale.Printer, q granular.Request) Content {
	return Content{
		subject: func(who string) string { return p.T("mail.granular.narrowed.subject", "name", who) },
		Intro:   p.T("mail.granular.narrowed.intro", "name", q.Partner.DisplayName),
		Action:  p.T("mail.granular.ending.action"), Quiet: true, LinkNote: p.T("mail.granular.ending.note"),
		Footer: []string{p.T("mail.granular.ending.why")},
	}
}

func granularEnding(p *locale.Printer, q granular.Request) Content {
	name, end := q.Partner.DisplayName, p.DateTime(q.EndAt)
	return Content{
		subject: func(who string) string {
			return p.T("mail.granular.ending.subject", "name", who, "date", p.Date(q.EndAt))
		},
		Intro:  p.T("mail.granular.ending.intro", "name", name, "time", end),
		Asked:  []string{p.T("mail.granular.ending.nothing", "name", name)},
		Action: p.T("mail.granular.ending.action"), Quiet: true, LinkNote: p.T("mail.granular.ending.note"),
		Footer: []string{p.T("mail.granular.ending.why")},
	}
}

func granularEndingOfPartner(p *locale.Printer, q granular.Request) Content {
	return Content{
		subject: func(string) string { return p.T("mail.granular.partner.subject", "date", p.Date(q.EndAt)) },
		Intro:   p.T("mail.granular.partner.intro", "time", p.DateTime(q.EndAt)),
		Asked:   []string{p.T("mail.granular.partner.how")},
		Footer:  []string{p.T("mail.partner.why", "name", q.Partner.DisplayName)},
	}
}

func granularAnswer(p *locale.Printer, q granular.Request) Content {
	c := Content{Footer: []string{p.T("mail.partner.why", "name", q.Partner.DisplayName)}}
	if q.Reason == granular.Rejected {
		c.subject = func(string) string { return p.T("mail.answer.declined.subject", "reference", q.Reference()) }
		c.Intro = p.T("mail.answer.declined.intro")
		return c
	}
	c.subject = func(string) string { return p.T("mail.answer.accepted.subject", "reference", q.Reference()) }
	c.Intro = p.T("mail.answer.accepted.intro")
	return c
}

// granularFacts say what it is about.
func granularFacts(p *locale.Printer, q granular.Request, roles granular.Table) []Fact {
	facts := []Fact{{p.T("mail.fact.granular"), q.DisplayName}}
	if q.CustomerName != "" {
		facts = append(facts, Fact{p.T("mail.fact.customer"), q.CustomerName})
	}
	facts = append(facts, Fact{p.T("mail.fact.roles"), Roles(roles, q.Roles)}, Fact{p.T("mail.fact.duration"), span(p, q.Duration)})
	if q.AutoExtend {
		facts = append(facts, Fact{p.T("mail.fact.extension"), p.T("mail.granular.extension")})
	}
	return append(facts, Fact{p.T("mail.fact.reference"), q.Reference()})
}

// roleFacts name the roles that an invitation asks for, or has brought, and how long they last.
func roleFacts(p *locale.Printer, l invitation.Letter) []Fact {
	g := l.Granular
	if g == nil {
		return nil
	}
	facts := []Fact{{p.T("mail.fact.roles"), Roles(granular.ShippedRoles(), g.Roles)}, {p.T("mail.fact.duration"), span(p, g.Duration)}}
	if !g.EndAt.IsZero() {
		facts = append(facts, Fact{p.T("right.fact.end"), p.DateTime(g.EndAt)})
	}
	return facts
}

// span says how long it lasts, in months where it was said so.
func span(p *locale.Printer, d granular.Period) string {
	if d.Months > 0 {
		return p.T("mail.granular.months", "n", d.Months)
	}
	return p.T("mail.granular.days", "n", d.Days)
}
