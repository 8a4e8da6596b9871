package letter

import (
	"cmp"
	"slices"

	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/locale"
)

// Consent gives the words that were agreed to, as they stand on the answer page in the language of the printer: what each partner is
// authorised to do, every right that is given, the roles by name, and below them the question, which may point to what is above. The company
// is as the answer has it; empty where it has no name.
func Consent(p *locale.Printer, l invitation.Letter, r invitation.Right, company string) []string {
	i, names := l.Invitation, []any{"company", cmp.Or(company, p.T("page.company")), "partner", l.Inviter.DisplayName, "provider", l.Provider.DisplayName}
	var lines []string
	add := func(keys ...string) {
		for _, key := range keys {
			lines = append(lines, p.T(key, names...))
		}
	}
	if i.Kind.AsksPartner() {
		add("page.consent.partnership", "page.consent.access", "page.consent.care")
		return append(lines, Question(p, l, r))
	}
	if add("page.consent.reseller"); !l.OrdersItself() {
		lines = append(lines, Orders(p, l))
	}
	if i.Kind.NamesProvider() {
		add("page.consent.provider")
	}
	if i.RequestDelegatedAdmin {
		add("page.consent.administration", "page.consent.care")
	}
	if l.Granular != nil && i.Answer != nil && i.Answer.Granular {
		lines = append(lines, granularConsent(p, *l.Granular, l.Inviter.DisplayName, company)...)
	}
	return append(lines, Question(p, l, r))
}

// granularConsent gives the words of granular administration that were agreed to, with the roles by name.
func granularConsent(p *locale.Printer, g granular.Relationship, partner, company string) []string {
	table, names := granular.ShippedRoles(), []any{"company", cmp.Or(company, p.T("page.company")), "partner", partner}
	lines := []string{p.T("page.consent.granular.give", names...), Roles(table, g.Roles)}
	if slices.Contains(g.Roles, table.GlobalAdministrator) {
		lines = append(lines, p.T("page.consent.granular.all", names...))
	}
	lasts := "page.consent.granular.ends"
	if g.AutoExtend {
		lasts = "page.consent.granular.extends"
	}
	return append(lines, p.T(lasts, "duration", span(p, g.Duration), "partner", partner))
}

// agreed quotes the consent in the language of the page that was answered (0.39), whatever language the mail around it has.
func agreed(p *locale.Printer, language string, consent func(page *locale.Printer) []string) *Quote {
	page := p
	if language != "" {
		page = printer(language)
	}
	return &Quote{By: p.T("mail.receipt.consent"), Lines: consent(page), Language: page.Language()}
}
