package letter

import (
	"strings"

	"concord/internal/emailaddr"
	"concord/internal/partner"
	"concord/internal/review"
)

// Review writes the mail that asks a Global admin, twice a year, to look at who holds rights over the company (domain, 0.49). It
// names the company by the domain of the address and no partner, and its one link is the address of the company's page.
func Review(r review.Review, cloud partner.Cloud, operator emailaddr.Operator) Content {
	p := printer(r.Locale)
	_, domain, _ := strings.Cut(emailaddr.Normalise(r.To), "@")
	subject := p.T("mail.review.subject", "portal", cloud.PortalName)
	c := Content{
		subject: func(string) string { return subject }, Intro: p.T("mail.review.intro", "portal", cloud.PortalName),
		Facts:  []Fact{{p.T("mail.fact.domain"), domain}},
		Asked:  []string{p.T("mail.review.look"), p.T("mail.review.nothing")},
		Action: p.T("mail.review.action"), LinkNote: p.T("mail.review.note"), URL: cloud.BaseURL + "/customer",
		Footer: []string{p.T("mail.review.why", "portal", cloud.PortalName)},
	}
	c.finish(p, about{cloud: cloud}, operator, false)
	return c
}
