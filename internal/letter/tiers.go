package letter

import (
	"concord/internal/granular"
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
	name, provider, r := l.Inviter.DisplayName, l.Provider.DisplayName, right(l)
	c := reseller(p, l)
	c.Intro = Heading(p, l, r, name, true)
	short := func(key string) {
		c.request = func(who string) string { return p.T(key, "name", who, "partner", who, "provider", shortened(provider)) }
	}
	switch r {
	case invitation.GlobalRight:
		short("right.short.dual.global")
	case invitation.AdministrationRight:
		short("mail.dual.short.administration")
	case invitation.RoleRight:
		short("right.short.dual.roles")
	default:
		c.Intro = p.T("mail.dual.intro", "name", name, "provider", provider)
		short("mail.dual.short")
	}
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
		subject: func(who string) string { return Heading(p, l, right(l), who, false) },
		Intro:   Heading(p, l, right(l), name, false),
		Care:    p.T("mail.partnership.administration", "name", name),
		Asked:   []string{p.T("mail.partnership.order", "name", name), p.T("mail.partnership.enrolled")},
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
	if !l.Invitation.Kind.NamesProvider() {
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
	switch {
	case i.Kind.AsksPartner():
		return []string{p.T("mail.answer.partnership.listed")}
	case i.Kind.NamesProvider():
		listed = p.T("order.notice.listed.provider", "provider", l.Provider.DisplayName)
	}
	if i.RequestDelegatedAdmin {
		administration = p.T("mail.answer.administration")
	}
	told := []string{listed, toldOrders(p, l)}
	if !i.Answer.Granular || i.RequestDelegatedAdmin {
		told = append(told, administration)
	}
	if i.Answer.Granular && l.Granular != nil {
		told = append(told, p.T("right.notice.roles", "roles", Roles(granular.ShippedRoles(), l.Granular.Roles)))
	}
	return told
}
