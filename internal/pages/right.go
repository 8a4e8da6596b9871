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
func (p *page) question() string { return letter.Question(p.Printer, p.letter, p.right()) }
