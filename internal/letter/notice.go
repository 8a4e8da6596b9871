package letter

import (
	"slices"
	"strconv"

	"concord/internal/emailaddr"
	"concord/internal/invitation"
	"concord/internal/locale"
	"concord/internal/outbox"
	"concord/internal/relationship"
)

// Links are those of one mail. All of them are bearer values: never log them.
type Links struct {
	Answer      string // to read the request and answer it
	Report      string // to say that the company is not known
	Unsubscribe string // to get no more mail; reminders only
	Dispute     string // to say that the answer was not one's own; receipts only
	Allow       string // to get the partner's mails again after they were stopped; to the recipient alone, and never in a draft
}

// Mail writes the mail of an invitation as we send it: the letter, what the partner adds where the deployment allows that, and
// a way to say that the company is not known. The kind is one that [Writes] knows.
func Mail(l invitation.Letter, links Links, operator emailaddr.Operator) Content {
	c := compose(l, links.Answer, operator)
	p := printer(l.Invitation.Locale)
	c.typed(p, about{l.Inviter, l.Cloud, l.Invitation.Sandbox})
	c.Quote = quote(p.T("mail.message", "name", c.name), l.Invitation.Message)
	c.Asides = []Aside{{p.T("mail.report"), links.Report}, {p.T("mail.allow"), links.Allow}}
	return c
}

// Remind writes a reminder: the mail once more, with a subject of its own and a way to get no more of the partner's mails.
func Remind(l invitation.Letter, links Links, operator emailaddr.Operator) Content {
	c := Mail(l, links, operator)
	p := printer(l.Invitation.Locale)
	c.entitle(func(subject string) string { return p.T("mail.reminder.subject", "subject", subject) })
	c.Asked = append([]string{c.Intro}, c.Asked...)
	c.Intro = p.T("mail.reminder.intro")
	c.Asides = append(c.Asides, Aside{p.T("mail.unsubscribe"), links.Unsubscribe})
	return c
}

// Receipt writes what was answered, for who was asked, in the invitation's language; what was agreed to is quoted in the language of the page
// that was answered (0.39). Without a link to dispute it, it is the copy for who answered. The invitation has an answer and a kind that [Writes] knows.
func Receipt(l invitation.Letter, links Links, operator emailaddr.Operator) Content {
	l = disarmed(l)
	i, name := l.Invitation, l.Inviter.DisplayName
	p := printer(i.Locale)
	var c Content
	if i.Status == invitation.Accepted {
		gave := invitation.NoRight
		if !i.Sandbox && !i.Answer.NoChange {
			gave = right(l)
		}
		c.subject = func(who string) string { return say(p, said[i.Kind].receipt[gave], who, "") }
		c.Intro, c.Care = p.T("mail.receipt.accepted.intro", "name", name), Given(p, l, gave)
		c.Quote = agreed(p, i.Answer.Consent.Language, func(page *locale.Printer) []string { return Consent(page, l, right(l), i.Answer.Company) })
	} else {
		c.subject = func(who string) string { return p.T("mail.receipt.declined.subject", "name", who) }
		c.Intro = p.T("mail.receipt.declined.intro", "name", name)
	}
	switch {
	case i.Status != invitation.Accepted, i.Sandbox:
		c.Asked = []string{p.T("mail.receipt.nothing", "name", name)}
	case i.Answer.NoChange:
		c.Asked = []string{p.T("mail.receipt.no-change", "name", name)}
	default:
		c.Asked = append(kinds[i.Kind].grants(p, l), p.T("mail.receipt.end.operator", "name", name, "operator", operator.Name))
	}
	c.Facts = answerFacts(p, i)
	c.give(p, declining(p, i.Answer.Reason))
	c.Facts = slices.Concat(c.Facts, whoAsks(p, l.Inviter, p.T("mail.fact.partner")), whoElse(p, l))
	if i.Answer.Granular {
		c.Facts = append(c.Facts, roleFacts(p, l)...)
	}
	c.overview(p, l.Cloud)
	if links.Dispute == "" {
		c.greet(p, i.Answer.FullName)
		c.Footer = []string{p.T("mail.receipt.why.answered")}
	} else {
		c.Action, c.Quiet, c.URL = p.T("mail.receipt.dispute.action"), true, links.Dispute
		c.LinkNote = p.T("mail.receipt.dispute.note", "time", p.DateTime(i.Answer.At.Add(invitation.DisputeWindow)))
		c.Footer = []string{p.T("mail.receipt.why.asked")}
		c.greet(p, i.RecipientName)
	}
	c.check(p, operator)
	c.finish(p, about{l.Inviter, l.Cloud, i.Sandbox}, operator, l.Inviter.Contact.Email != "")
	return c
}

// Tells reports whether there are words for a notice to a partner's contact.
func Tells(n outbox.Kind) bool { return notices[n] != nil }

// notices writes what differs between the notices to a partner's contact.
var notices = map[outbox.Kind]func(*locale.Printer, invitation.Letter) Content{
	invitation.AnswerNotice:  answerNotice,
	invitation.RenewalNotice: renewalNotice,
	invitation.DisputeNotice: disputeNotice,
}

// Tell writes a notice to the contact of the partner, in the partner's language and without any personal link. Of the customer it says
// what a person has typed or a tenant calls itself, in the facts and in a quote only. The notice is one that [Tells] knows.
func Tell(n outbox.Kind, l invitation.Letter, operator emailaddr.Operator) Content {
	l = disarmed(l)
	p := printer(l.Inviter.Locale)
	c := notices[n](p, l)
	if to := l.Invitation.RecipientEmail; to != "" {
		c.Facts = append(c.Facts, Fact{p.T("mail.fact.sent-to"), to})
	}
	c.Footer = []string{p.T("mail.partner.why", "name", l.Inviter.DisplayName)}
	c.finish(p, about{l.Inviter, l.Cloud, l.Invitation.Sandbox}, operator, false)
	return c
}

// dayListed is how many customers the day's mail names.
const dayListed = 25

// Day writes the mail that tells a partner of a day's acceptances at once: those of relationships, newest first. The letter is that of one of
// them.
func Day(l invitation.Letter, all []relationship.Relationship, operator emailaddr.Operator) Content {
	l = disarmed(l)
	p := printer(l.Inviter.Locale)
	c := Content{
		Intro:   p.T("mail.day.intro"),
		subject: func(string) string { return p.T("mail.day.subject", "count", strconv.Itoa(len(all))) },
	}
	for _, r := range all[:min(len(all), dayListed)] {
		c.Facts = append(c.Facts, Fact{p.DateTime(r.EstablishedAt), emailaddr.Disarm(r.Customer.CompanyName)})
	}
	if more := len(all) - dayListed; more > 0 {
		c.Asked = append(c.Asked, p.T("mail.day.more", "count", strconv.Itoa(more)))
	}
	c.Asked = append(c.Asked, p.T("mail.day.how"))
	c.Footer = []string{p.T("mail.partner.why", "name", l.Inviter.DisplayName)}
	c.finish(p, about{l.Inviter, l.Cloud, l.Invitation.Sandbox}, operator, false)
	return c
}

func answerNotice(p *locale.Printer, l invitation.Letter) Content {
	i := l.Invitation
	c := Content{Facts: answerFacts(p, i)}
	if i.Status != invitation.Accepted {
		c.subject = reference(p, "mail.answer.declined.subject", i)
		c.Intro = p.T(said[i.Kind].declined)
		c.give(p, declining(p, i.Answer.Reason))
		if emailaddr.Linkable(i.Answer.Comment) { // no mail of ours carries what a stranger would have others open
			c.Asked = []string{p.T("mail.answer.comment.held")}
		} else {
			c.Quote = quote(p.T("mail.answer.comment"), i.Answer.Comment)
		}
		return c
	}
	c.subject = reference(p, "mail.answer.accepted.subject", i)
	c.Intro = p.T(said[i.Kind].accepted)
	c.Asked = accepted(p, l)
	if i.Answer.Unproven {
		c.Asked = append(c.Asked, p.T("order.notice.identity"))
	}
	return c
}

func renewalNotice(p *locale.Printer, l invitation.Letter) Content {
	i := l.Invitation
	c := Content{
		subject: reference(p, "mail.renewal.subject", i), Intro: p.T("mail.renewal.intro"), Asked: []string{p.T("mail.renewal.how")},
		Facts: []Fact{{p.T("mail.fact.reference"), i.Reference()}},
	}
	c.give(p, why(p, i, "renewal requested"))
	return c
}

func disputeNotice(p *locale.Printer, l invitation.Letter) Content {
	i := l.Invitation
	c := Content{subject: reference(p, "mail.dispute.subject", i), Intro: p.T("mail.dispute.intro")}
	c.give(p, why(p, i, "disputed"))
	c.Facts = append(c.Facts, answerFacts(p, i)...)
	switch {
	case i.Status != invitation.Accepted, i.Sandbox, i.Answer.NoChange && i.Kind.AsksPartner():
		c.Asked = []string{p.T("mail.dispute.nothing")}
	case i.Kind.AsksPartner():
		c.Asked = []string{p.T("mail.dispute.partnership")}
	default:
		if i.RequestDelegatedAdmin && !i.Answer.NoChange {
			c.Asked = append(c.Asked, p.T("mail.dispute.administration"))
		}
		c.Asked = append(c.Asked, p.T("order.notice.dispute"), p.T("mail.dispute.end"))
	}
	return c
}

// reference gives a subject that names the request and nobody.
func reference(p *locale.Printer, key string, i invitation.Invitation) func(string) string {
	return func(string) string { return p.T(key, "reference", i.Reference()) }
}

// give adds the reason that somebody chose; empty for none.
func (c *Content) give(p *locale.Printer, reason string) {
	if reason != "" {
		c.Facts = append(c.Facts, Fact{p.T("mail.fact.reason"), reason})
	}
}

// answerFacts say what was answered, by whom, for which company and when, as the answer has it.
func answerFacts(p *locale.Printer, i invitation.Invitation) []Fact {
	a := i.Answer
	facts := []Fact{{p.T("mail.fact.reference"), i.Reference()}}
	for _, f := range []Fact{{p.T("mail.fact.by"), a.FullName}, {p.T("mail.fact.title"), a.JobTitle}, {p.T("mail.fact.for"), a.Company}} {
		if f.Value != "" {
			facts = append(facts, f)
		}
	}
	return append(facts, Fact{p.T("mail.fact.at"), p.DateTime(a.At)})
}

// declining says the reason of a declined request; empty for none. The words are those that were chosen from.
func declining(p *locale.Printer, reason string) string {
	switch reason {
	case "unknown-company":
		return p.T("page.reason.unknown-company")
	case "other-partner":
		return p.T("page.reason.other-partner")
	case "no-need":
		return p.T("page.reason.no-need")
	case "other":
		return p.T("page.reason.something-else")
	default:
		return ""
	}
}

// why says the reason of the newest entry of an action; empty for none.
func why(p *locale.Printer, i invitation.Invitation, action string) string {
	for _, e := range slices.Backward(i.History) {
		if e.Action != action {
			continue
		}
		switch action + " " + e.Why {
		case "renewal requested too-late":
			return p.T("mail.renewal.too-late")
		case "renewal requested mail-lost":
			return p.T("mail.renewal.mail-lost")
		case "renewal requested other":
			return p.T("mail.renewal.something-else")
		case "disputed not-us":
			return p.T("mail.dispute.not-us")
		case "disputed not-authorised":
			return p.T("mail.dispute.not-authorised")
		case "disputed mistake":
			return p.T("mail.dispute.mistake")
		}
		return ""
	}
	return ""
}
