package letter

import (
	"cmp"
	"slices"
	"strings"

	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/locale"
)

// Heading says in one line what is asked for, with the strongest right in it (0.33). Who is how the partner is called, which a subject may
// have to shorten; a subject names no provider beside it.
func Heading(p *locale.Printer, l invitation.Letter, r invitation.Right, who string, provider bool) string {
	names := []any{"partner", who, "provider", l.Provider.DisplayName}
	dual := provider && l.Invitation.Kind == invitation.DualReseller
	switch {
	case l.Invitation.Kind == invitation.Partnership:
		return p.T("right.title.partnership", names...)
	case l.Invitation.Kind == "" && r == invitation.GlobalRight:
		return p.T("right.title.granular", names...)
	case l.Invitation.Kind == "":
		return p.T("page.granular.title", names...)
	case dual && r == invitation.GlobalRight:
		return p.T("right.title.dual.global", names...)
	case dual && r == invitation.AdministrationRight:
		return p.T("right.title.dual.administration", names...)
	case dual && r == invitation.RoleRight:
		return p.T("right.title.dual.roles", names...)
	case dual:
		return p.T("page.review.title.dual", names...)
	case r == invitation.GlobalRight:
		return p.T("right.title.global", names...)
	case r == invitation.AdministrationRight:
		return p.T("right.title.administration", names...)
	case r == invitation.RoleRight:
		return p.T("right.title.roles", names...)
	default:
		return p.T("page.review.title", names...)
	}
}

// Gives says which right an acceptance would give; empty for none.
func Gives(p *locale.Printer, l invitation.Letter, r invitation.Right) string {
	partner := l.Inviter.DisplayName
	switch {
	case r == invitation.GlobalRight:
		return p.T("right.gives.global", "partner", partner)
	case l.Invitation.Kind == invitation.Partnership:
		return p.T("right.gives.partnership", "partner", partner)
	case r == invitation.AdministrationRight:
		return p.T("right.gives.administration", "partner", partner)
	case r == invitation.RoleRight:
		return p.T("right.gives.roles", "partner", partner)
	default:
		return ""
	}
}

// Given says which right the partner has by the acceptance; empty for none.
func Given(p *locale.Printer, l invitation.Letter, r invitation.Right) string {
	partner := l.Inviter.DisplayName
	switch {
	case r == invitation.GlobalRight:
		return p.T("right.given.global", "partner", partner)
	case r == invitation.AdministrationRight && l.Invitation.Kind == invitation.Partnership:
		return p.T("right.given.partnership", "partner", partner)
	case r == invitation.AdministrationRight:
		return p.T("right.given.administration", "partner", partner)
	case r == invitation.RoleRight:
		return p.T("right.given.roles", "partner", partner)
	default:
		return ""
	}
}

// right gives the strongest right of a request.
func right(l invitation.Letter) invitation.Right { return l.Right(granular.ShippedRoles()) }

// receiptOf gives the subject of the receipt of an acceptance.
func receiptOf(p *locale.Printer, l invitation.Letter, r invitation.Right, who string) string {
	switch {
	case r == invitation.GlobalRight:
		return p.T("right.receipt.global", "partner", who)
	case r == invitation.AdministrationRight && l.Invitation.Kind == invitation.Partnership:
		return p.T("right.receipt.partnership", "partner", who)
	case r == invitation.AdministrationRight:
		return p.T("right.receipt.administration", "partner", who)
	case r == invitation.RoleRight:
		return p.T("mail.granular.receipt.subject", "name", who)
	default:
		return p.T("mail.receipt.accepted.subject", "name", who)
	}
}

// Roles are the names of roles, in English as the directory has them, the strongest first.
func Roles(t granular.Table, ids []string) string {
	names := make([]string, 0, len(ids))
	for _, id := range ids {
		name, _ := t.Name(id)
		name = cmp.Or(name, id)
		if id == t.GlobalAdministrator {
			names = slices.Insert(names, 0, name)
		} else {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}
