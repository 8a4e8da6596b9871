package pages

import (
	"concord/internal/invitation"
	"concord/internal/letter"
)

// right is the strongest right that the request asks for, or that its acceptance has given (0.33). Granular administration that an answer can no
// longer give is not asked for.
func (p *invitationPage) right() invitation.Right {
	l := p.letter
	if l.Invitation.Answer == nil && l.Asks(p.Now) == nil {
		l.Invitation.GranularID = ""
	}
	return l.Right(p.roles)
}

// heading says in one line what is asked for.
func (p *invitationPage) heading() string {
	return letter.Heading(p.Printer, p.letter, p.right(), p.partner(), true)
}

// gives says which right an acceptance would give, and given which it has given; empty for none.
func (p *invitationPage) gives() string { return letter.Gives(p.Printer, p.letter, p.right()) }
func (p *invitationPage) given() string { return letter.Given(p.Printer, p.letter, p.right()) }

// question is what the form asks.
func (p *invitationPage) question() string { return letter.Question(p.Printer, p.letter, p.right()) }

// right is that of the roles.
func (p *rolesPage) right() invitation.Right { return invitation.RightOf(p.roles, p.grant.Roles) }

// heading says in one line what is asked for.
func (p *rolesPage) heading() string {
	return letter.GranularHeading(p.Printer, p.partner(), p.right())
}

// gives says which right an approval would give, and given which it has given.
func (p *rolesPage) gives() string { return letter.GranularGives(p.Printer, p.partner(), p.right()) }
func (p *rolesPage) given() string { return letter.GranularGiven(p.Printer, p.partner(), p.right()) }

// question is what the form asks.
func (p *rolesPage) question() string {
	return letter.GranularQuestion(p.Printer, p.partner(), p.right())
}
