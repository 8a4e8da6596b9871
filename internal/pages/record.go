package pages

import (
	"context"
	"crypto/rand"
	"net/http"
	"strconv"

	"concord/internal/customer"
	"concord/internal/problem"
)

// The routes of a record that a partner created under a domain of the company (domain, 0.30).
const (
	recordsPath = customerPath + "/records/"

	routeRecord = "GET " + recordsPath + "{record}" // and HEAD
	routeSpeak  = "POST " + recordsPath + "{record}"
)

// The pages of a record.
var (
	recordForm     = outcome{"record", http.StatusOK, pleaTemplate, recordQuestion}
	recordClaimed  = outcome{"record-confirmed", http.StatusOK, "notice", recordIsOurs}
	recordDisowned = outcome{"record-ended", http.StatusOK, "notice", recordIsNotOurs}
	recordBarred   = outcome{"record-not-allowed", http.StatusForbidden, "notice", recordCannotBe}
)

// The answers of the form.
const (
	isOurs    = "ours"
	isNotOurs = "not-ours"
)

// openRecord asks whether a record is of the company.
func (h *site) openRecord(w http.ResponseWriter, r *http.Request) {
	v, ok := h.company(w, r)
	if !ok {
		return
	}
	v.at(r)
	if v.person == nil {
		h.redirect(w, r, v, customerPath+chosen(r.URL.Query().Get("lang")))
		return
	}
	o, _, err := h.lookRecord(r)(r.Context(), v)
	if err != nil {
		h.notTold(w, r, v, err)
		return
	}
	h.show(w, r, v, o)
}

// lookRecord is [looking] for a record.
func (h *site) lookRecord(r *http.Request) looking {
	return func(ctx context.Context, v *visit) (outcome, bool, error) {
		f, err := h.Customers.Record(ctx, *v.person, r.PathValue("record"))
		v.records = []customer.Found{f}
		return recordForm, true, err
	}
}

// speak takes the answer. What was said stays said: sent again, it leads to the company's page.
func (h *site) speak(w http.ResponseWriter, r *http.Request) {
	v, ok := h.company(w, r)
	if !ok {
		return
	}
	v.at(r)
	field, ok := h.sent(w, r, v, h.lookRecord(r))
	if !ok {
		return
	}
	var err error
	id, o := r.PathValue("record"), recordForm
	var f customer.Found
	switch field("reason") {
	case isOurs:
		f, err = h.Customers.Claim(r.Context(), *v.person, id, rand.Text())
		if o = recordClaimed; problem.Is(err, problem.RegionNotAllowed) || problem.Is(err, problem.CloudMismatch) {
			o, err = recordBarred, nil
		}
	case isNotOurs:
		f, err = h.Customers.Disown(r.Context(), *v.person, id, rand.Text())
		o = recordDisowned
	default:
		f, err = h.Customers.Record(r.Context(), *v.person, id)
		v.invalid, o.status = []problem.Finding{{Pointer: "/reason", Code: problem.ValidationFailed}}, http.StatusUnprocessableEntity
	}
	if err != nil {
		h.notTold(w, r, v, err)
		return
	}
	v.records = []customer.Found{f}
	h.Log.InfoContext(r.Context(), "record answered", "record", id, "page", o.name)
	h.show(w, r, v, o)
}

// recordCard is a record on the page of the company.
type recordCard struct {
	ID, Title, Text string
	Link, Label     string
}

func (p *page) recordCards() (cards []recordCard) {
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

func recordQuestion(p *page) any {
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

func recordIsOurs(p *page) any {
	f := p.records[0]
	p.Title = p.T("page.record.confirmed.title")
	return p.recordNotice(p.T("page.record.confirmed.text", "company", p.company(), "partner", p.creator(f)))
}

func recordIsNotOurs(p *page) any {
	f := p.records[0]
	p.Title = p.T("page.record.ended.title")
	return p.recordNotice(p.T("page.record.ended.text", "company", f.CompanyName, "partner", p.creator(f)))
}

func recordCannotBe(p *page) any {
	p.Title = p.T("page.record.barred.title")
	return p.recordNotice(p.T("page.record.barred.text", "partner", p.creator(p.records[0])))
}

func (p *page) recordNotice(text string) any {
	return notice{Text: []string{text}, Link: customerPath + p.chosen, Label: p.T("page.customer.all")}
}
