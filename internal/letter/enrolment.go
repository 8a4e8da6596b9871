package letter

import (
	"strings"

	"concord/internal/emailaddr"
	"concord/internal/enrolment"
	"concord/internal/locale"
	"concord/internal/outbox"
	"concord/internal/partner"
)

// applications writes what differs between the mails about an enrolment; all of them go to its primary contact.
var applications = map[outbox.Kind]func(*locale.Printer, enrolment.Enrolment, string) Content{
	enrolment.VerificationNotice:   verify,
	enrolment.VettingNotice:        vetting,
	enrolment.ActionRequiredNotice: needed,
	enrolment.AuthorizedNotice:     authorized,
	enrolment.ActiveNotice:         activated,
	enrolment.RejectedNotice:       rejected,
	enrolment.WithdrawnNotice:      withdrawn,
}

// WritesEnrolment reports whether there are words for a notice about an enrolment.
func WritesEnrolment(n outbox.Kind) bool { return applications[n] != nil }

// Enrol writes a mail about an enrolment, in its language. Link is where the address is confirmed, empty for every other notice. What the
// company says of itself stands in the facts alone, for nobody has checked it; what the operator wrote is quoted. The notice is one that
// [WritesEnrolment] knows.
func Enrol(n outbox.Kind, e enrolment.Enrolment, link string, cloud partner.Cloud, operator emailaddr.Operator) Content {
	p := printer(e.Locale)
	e.Legal.Name = emailaddr.Disarm(e.Legal.Name) // 0.38
	c := applications[n](p, e, operator.Name)
	c.Facts = []Fact{{p.T("mail.fact.company"), e.Legal.Name}, {p.T("mail.fact.reference"), e.Reference()}}
	c.URL = link
	c.Footer = []string{p.T("enrolment.mail.why")}
	if n == enrolment.VerificationNotice { // nobody knows yet whether the person behind the address is the one that was named
		c.check(p, operator)
	} else {
		c.greet(p, emailaddr.Disarm(strings.TrimSpace(e.Contact.FirstName+" "+e.Contact.LastName)))
	}
	c.finish(p, about{from: partner.Account{DisplayName: e.Legal.Name}, cloud: cloud}, operator, false)
	return c
}

// headed begins a mail about a state: a subject that names the application and nobody.
func headed(p *locale.Printer, e enrolment.Enrolment, subject, intro string, asked ...string) Content {
	c := Content{subject: func(string) string { return p.T(subject, "reference", e.Reference()) }, Intro: p.T(intro)}
	for _, key := range asked {
		c.Asked = append(c.Asked, p.T(key))
	}
	return c
}

func verify(p *locale.Printer, e enrolment.Enrolment, _ string) Content {
	c := headed(p, e, "enrolment.mail.verification.subject", "enrolment.mail.verification.intro", "enrolment.mail.verification.asked")
	c.Action, c.LinkNote = p.T("enrolment.mail.verification.action"), p.T("enrolment.mail.verification.note")
	c.Terms = []string{p.T("enrolment.mail.verification.until", "time", p.DateTime(e.Verification.ExpiresAt)), p.T("enrolment.mail.verification.unknown")}
	return c
}

func vetting(p *locale.Printer, e enrolment.Enrolment, _ string) Content {
	if e.Answered() {
		return headed(p, e, "enrolment.mail.resumed.subject", "enrolment.mail.resumed.intro", "enrolment.mail.vetting.next")
	}
	return headed(p, e, "enrolment.mail.vetting.subject", "enrolment.mail.vetting.intro", "enrolment.mail.vetting.next")
}

func needed(p *locale.Printer, e enrolment.Enrolment, operator string) Content {
	c := headed(p, e, "enrolment.mail.needed.subject", "enrolment.mail.needed.intro", "enrolment.mail.needed.next")
	c.Quote = quote(p.T("enrolment.mail.says", "operator", operator), e.Reason)
	return c
}

func authorized(p *locale.Printer, e enrolment.Enrolment, _ string) Content {
	c := headed(p, e, "enrolment.mail.authorized.subject", "enrolment.mail.authorized.intro", "enrolment.mail.authorized.next")
	if e.Location == nil { // rule P4
		c.Asked = append(c.Asked, p.T("enrolment.mail.authorized.location"))
	}
	return c
}

// activated says also who finishes the set-up (rules R5, E17).
func activated(p *locale.Printer, e enrolment.Enrolment, _ string) Content {
	return headed(p, e, "enrolment.mail.active.subject", "enrolment.mail.active.intro", "enrolment.mail.active.next")
}

func rejected(p *locale.Printer, e enrolment.Enrolment, operator string) Content {
	c := headed(p, e, "enrolment.mail.rejected.subject", "enrolment.mail.rejected.intro", "enrolment.mail.again")
	c.Quote = quote(p.T("enrolment.mail.says", "operator", operator), e.Reason)
	return c
}

func withdrawn(p *locale.Printer, e enrolment.Enrolment, _ string) Content {
	return headed(p, e, "enrolment.mail.withdrawn.subject", "enrolment.mail.withdrawn.intro", "enrolment.mail.again")
}
