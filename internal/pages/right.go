package pages

import (
	"concord/internal/invitation"
	"concord/internal/letter"
)

// right is the strongest right that the request asks for, or that its acceptance has given (0.33). Granular administration that an answer can no
// longer give is not asked for.
func (p *page) right() invitation.Right {
	l := p.letter
	if l.Invitation.Kind != "" && l.Invitation.Answer == nil && l.Asks(p.Now) == nil {
		l.Invitation.GranularID = ""
	}
	return l.Right(p.roles)
}

// heading says in one line what is asked for.
func (p *page) heading() string {
	return letter.Heading(p.Printer, p.letter, p.right(), p.partner(), true)
}

// gives says which right an acceptance would give, and given which it has given; empty for none.
func (p *page) gives() string { return letter.Gives(p.Printer, p.letter, p.right()) }
func (p *page) given() string { return letter.Given(p.Printer, p.letter, p.right()) }

// question is what the form asks.
func (p *page) question() string {
	r, names := p.right(), []any{"partner", p.partner(), "provider", p.provider()}
	dual := p.kind() == invitation.DualReseller
	switch {
	case p.kind() == invitation.Partnership:
		return p.T("right.choice.partnership", names...)
	case p.kind() == "" && r == invitation.GlobalRight:
		return p.T("right.choice.granular", names...)
	case p.kind() == "":
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
