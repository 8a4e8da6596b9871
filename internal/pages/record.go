package pages

import (
	"crypto/rand"
	"net/http"
	"strconv"

	"concord/internal/customer"
	"concord/internal/problem"
)

// recordsPath is where the pages of the records are that partners created under a domain of the company (domain, 0.30).
const recordsPath = customerPath + "/records/"

// The pages of a record.
var (
	recordForm     = outcome{"record", http.StatusOK, pleaTemplate, ofCompany(recordQuestion)}
	recordClaimed  = outcome{"record-confirmed", http.StatusOK, "notice", ofCompany(recordIsOurs)}
	recordDisowned = outcome{"record-ended", http.StatusOK, "notice", ofCompany(recordIsNotOurs)}
	recordBarred   = outcome{"record-not-allowed", http.StatusForbidden, "notice", ofCompany(recordCannotBe)}
)

// The answers of the form.
const (
	isOurs    = "ours"
	isNotOurs = "not-ours"
)

// lookRecord is [looking] for a record, which asks whether it is of the company.
func (h *site) lookRecord(r *http.Request, v *visit) (outcome, bool, error) {
	f, err := h.Customers.Record(r.Context(), *v.person, r.PathValue("record"))
	v.own().records = []customer.Found{f}
	return recordForm, true, err
}

// speak takes the answer. What was said stays said: sent again, it leads to the company's page.
func (h *site) speak(r *http.Request, v *visit, field func(string) string) (s step, err error) {
	id, amiss := r.PathValue("record"), problem.Findings(nil)
	s = step{outcome: recordForm, form: true}
	var f customer.Found
	switch field("reason") {
	case isOurs:
		f, err = h.Customers.Claim(r.Context(), *v.person, id, rand.Text())
		if s.outcome = recordClaimed; problem.Is(err, problem.RegionNotAllowed) || problem.Is(err, problem.CloudMismatch) {
			s.outcome, err = recordBarred, nil
		}
	case isNotOurs:
		f, err = h.Customers.Disown(r.Context(), *v.person, id, rand.Text())
		s.outcome = recordDisowned
	default:
		f, err = h.Customers.Record(r.Context(), *v.person, id)
		amiss = problem.Findings{{Pointer: "/reason", Code: problem.ValidationFailed}}
	}
	if err != nil {
		return step{}, err
	}
	v.own().records = []customer.Found{f}
	h.Log.InfoContext(r.Context(), "record answered", "record", id, "page", s.name)
	return s, amiss.Err()
}

// recordCard is a record on the page of the company.
type recordCard struct {
	ID, Title, Text string
	Link, Label     string
}

func (p *companyPage) recordCards() (cards []recordCard) {
	for _, f := range p.records {
		cards = append(cards, recordCard{
			ID: "c-" + string(f.ID), Title: p.T("page.record.title", "company", f.CompanyName), Text: p.T("page.record.card", "partner", p.creator(f), "domain", f.Domain),
			Link: recordsPath + string(f.ID) + p.chosen, Label: p.T("page.record.open"),
		})
	}
	return cards
}

// creator is the name of who created a record.
func (p *page) creator(f customer.Found) string {
	if len(f.Serving) == 0 {
		return ""
	}
	return f.Serving[0].DisplayName
}

func (p *page) recordFacts(f customer.Found) []fact {
	facts := []fact{{p.T("page.record.name"), f.CompanyName}, {p.T("page.fact.domain"), f.Domain}, {p.T("page.fact.country"), p.Country(f.Country)}}
	for _, each := range f.Serving {
		facts = append(facts, fact{p.T("page.record.partner"), each.DisplayName})
	}
	return append(facts, fact{p.T("page.customer.since"), p.DateTime(f.Since)}, fact{p.T("page.record.active"), strconv.Itoa(f.Active)})
}

func recordQuestion(p *companyPage) any {
	f := p.records[0]
	p.Title = p.T("page.record.title", "company", f.CompanyName)
	content := plea{
		Text: []string{p.T("page.record.card", "partner", p.creator(f), "domain", f.Domain), p.T("page.record.text")}, Facts: p.recordFacts(f),
		Why: p.T("page.record.why"), Send: p.T("page.record.send"),
		Reasons: []option{{Value: isOurs, Label: p.T("page.record.ours", "company", p.company())}, {Value: isNotOurs, Label: p.T("page.record.not-ours")}},
	}
	if len(p.invalid) > 0 {
		text := p.T("page.record.error")
		content.Fault = mark{text, anchors["reason"], p.T("page.error.prefix")}
		p.Summary = []fault{{anchors["reason"], text}}
	}
	return content
}

func recordIsOurs(p *companyPage) any {
	f := p.records[0]
	p.Title = p.T("page.record.confirmed.title")
	return p.recordNotice(p.T("page.record.confirmed.text", "company", p.company(), "partner", p.creator(f)))
}

func recordIsNotOurs(p *companyPage) any {
	f := p.records[0]
	p.Title = p.T("page.record.ended.title")
	return p.recordNotice(p.T("page.record.ended.text", "company", f.CompanyName, "partner", p.creator(f)))
}

func recordCannotBe(p *companyPage) any {
	p.Title = p.T("page.record.barred.title")
	return p.recordNotice(p.T("page.record.barred.text", "partner", p.creator(p.records[0])))
}

func (p *page) recordNotice(text string) any {
	return notice{Text: []string{text}, Link: customerPath + p.chosen, Label: p.T("page.customer.all")}
}
