package letter

import (
	"cmp"
	"slices"

	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/locale"
)

// Question is what a person is asked on the answer page.
func Question(p *locale.Printer, l invitation.Letter, r invitation.Right) string {
	names := []any{"partner", l.Inviter.DisplayName, "provider", l.Provider.DisplayName}
	kind := l.Invitation.Kind
	dual := kind == invitation.DualReseller
	switch {
	case kind == invitation.Partnership:
		return p.T("right.choice.partnership", names...)
	case kind == "" && r == invitation.GlobalRight:
		return p.T("right.choice.granular", names...)
	case kind == "":
		return p.T("page.granular.choice", names...)
	case dual && r == invitation.GlobalRight:
		return p.T("right.choice.dual.global", names...)
	case dual && r == invitation.AdministrationRight:
		return p.T("right.choice.dual.administration", names...)
	case dual && r == invitation.RoleRight:
		return p.T("right.choice.dual.roles", names...)
	case dual:
		return p.T("page.form.choice.dual", names...)
	case r == invitation.GlobalRight:
		return p.T("right.choice.global", names...)
	case r == invitation.AdministrationRight:
		return p.T("right.choice.administration", names...)
	case r == invitation.RoleRight:
		return p.T("right.choice.roles", names...)
	default:
		return p.T("page.form.choice", names...)
	}
}

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
	switch i.Kind {
	case "":
	case invitation.Partnership:
		add("page.consent.partnership", "page.consent.access", "page.consent.care")
	default:
		if add("page.consent.reseller"); !l.OrdersItself() {
			lines = append(lines, Orders(p, l))
		}
		if i.Kind == invitation.DualReseller {
			add("page.consent.provider")
		}
		if i.RequestDelegatedAdmin {
			add("page.consent.administration", "page.consent.care")
		}
	}
	g, table := l.Granular, granular.ShippedRoles()
	if g == nil || i.Kind != "" && (i.Answer == nil || !i.Answer.Granular) {
		return append(lines, Question(p, l, r))
	}
	add("page.consent.granular.give")
	lines = append(lines, Roles(table, g.Roles))
	if slices.Contains(g.Roles, table.GlobalAdministrator) {
		add("page.consent.granular.all")
	}
	lasts := "page.consent.granular.ends"
	if g.AutoExtend {
		lasts = "page.consent.granular.extends"
	}
	return append(lines, p.T(lasts, "duration", span(p, g.Duration), "partner", l.Inviter.DisplayName), Question(p, l, r))
}

// agreed quotes the consent in the language of the page that was answered (0.39), whatever language the mail around it has.
func agreed(p *locale.Printer, language string, l invitation.Letter, r invitation.Right, company string) *Quote {
	page := p
	if language != "" {
		page = printer(language)
	}
	return &Quote{By: p.T("mail.receipt.consent"), Lines: Consent(page, l, r, company), Language: page.Language()}
}
