package letter

import (
	"concord/internal/invitation"
	"concord/internal/locale"
)

// maxProvider is how much of the second name the short body takes, in characters after percent-encoding: the first has to fit beside it
// (0.16). A name of Latin letters is whole.
const maxProvider = 120

// shortened gives a name with an end that a short body can hold.
func shortened(name string) string {
	r := []rune(name)
	if encoded(name) <= maxProvider {
		return name
	}
	for encoded(string(r)+"…") > maxProvider {
		r = r[:len(r)-1]
	}
	return string(r) + "…"
}

// dual writes what a reseller asks for together with its indirect provider (rules D1 to D5).
func dual(p *locale.Printer, l invitation.Letter) Content {
	name, provider := l.Inviter.DisplayName, l.Provider.DisplayName
	c := reseller(p, l)
	c.Intro = p.T("mail.dual.intro", "name", name, "provider", provider)
	administration, short := p.T("mail.reseller.no-administration", "name", name), "mail.dual.short"
	if l.Invitation.RequestDelegatedAdmin {
		administration, short = p.T("mail.reseller.administration", "name", name), "mail.dual.short.administration"
	}
	c.Asked = []string{p.T("order.sells", "partner", name), Orders(p, l), administration, p.T("mail.dual.provider", "provider", provider), p.T("order.unchanged")}
	c.request = func(who string) string { return p.T(short, "name", who, "provider", shortened(provider)) }
	return c
}

func dualGrants(p *locale.Printer, l invitation.Letter) []string {
	name, provider := l.Inviter.DisplayName, l.Provider.DisplayName
	granted := []string{p.T("order.granted", "partner", name)}
	if l.Invitation.RequestDelegatedAdmin {
		granted[0] = p.T("order.granted.administration", "partner", name)
	}
	granted = append(granted, Orders(p, l), p.T("order.granted.provider", "provider", provider),
		p.T("mail.receipt.end", "name", name), p.T("mail.receipt.end", "name", provider))
	if l.Invitation.RequestDelegatedAdmin {
		granted = append(granted, p.T("mail.receipt.end.administration"))
	}
	return granted
}

// partnership writes what an indirect provider asks of a reseller (rules N5 and N7).
func partnership(p *locale.Printer, l invitation.Letter) Content {
	name := l.Inviter.DisplayName
	return Content{
		subject: func(who string) string { return p.T("mail.partnership.subject", "name", who) },
		Intro:   p.T("mail.partnership.intro", "name", name),
		Asked:   []string{p.T("mail.partnership.order", "name", name), p.T("mail.partnership.administration", "name", name), p.T("mail.partnership.enrolled")},
		Action:  p.T("mail.reseller.action"),
		Terms: []string{
			p.T("mail.reseller.who-answers", "portal", l.Cloud.PortalName), p.T("mail.partnership.answer", "name", name),
			p.T("mail.reseller.unknown-company", "name", name),
		},
		Footer:  []string{p.T("mail.reseller.why", "name", name)},
		request: func(who string) string { return p.T("mail.partnership.short", "name", who) },
		note:    p.T("mail.reseller.short.note"),
	}
}

func partnershipGrants(p *locale.Printer, l invitation.Letter) []string {
	name := l.Inviter.DisplayName
	return []string{p.T("mail.partnership.granted", "name", name), p.T("mail.partnership.granted.administration", "name", name), p.T("mail.partnership.end")}
}

// whoElse says who the provider of a dual invitation is; nothing of every other.
func whoElse(p *locale.Printer, l invitation.Letter) []Fact {
	if l.Invitation.Kind != invitation.DualReseller {
		return nil
	}
	return []Fact{
		{p.T("mail.fact.provider"), l.Provider.DisplayName}, {p.T("mail.fact.domain"), l.Provider.VerifiedDomain},
		{p.T("mail.fact.country"), p.Country(l.Provider.Country)},
	}
}

// accepted says in a notice to the inviter what an acceptance has given.
func accepted(p *locale.Printer, l invitation.Letter) []string {
	i := l.Invitation
	if i.Answer.NoChange {
		return []string{p.T("mail.answer.no-change")}
	}
	listed, administration := p.T("order.notice.listed"), p.T("mail.answer.no-administration")
	switch i.Kind {
	case invitation.Partnership:
		return []string{p.T("mail.answer.partnership.listed")}
	case invitation.DualReseller:
		listed = p.T("order.notice.listed.provider", "provider", l.Provider.DisplayName)
	}
	if i.RequestDelegatedAdmin {
		administration = p.T("mail.answer.administration")
	}
	return []string{listed, toldOrders(p, l), administration}
}
