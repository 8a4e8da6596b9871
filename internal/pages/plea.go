package pages

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"

	"concord/internal/invitation"
	"concord/internal/link"
	"concord/internal/problem"
)

// What follows the token in the path of a page beside the answer.
const (
	asideRenewal = "/renewal"
	asideReport  = "/report"
)

// pleading is what a recipient can do beside answering. Nobody signs in for it: it gives nobody anything.
type pleading struct {
	*site
	purpose link.Purpose
	aside   string
	plead   func(context.Context, link.Link, *invitation.Plea) (invitation.Letter, invitation.Case, error)
	// confirmed, where no reason is asked for, reports whether a form says that it is meant.
	confirmed func(field func(string) string) bool
}

func (h *site) pleadings() []pleading {
	return []pleading{
		{site: h, purpose: link.Answer, aside: asideRenewal, plead: h.Invitations.AskAgain},
		{site: h, purpose: link.Answer, aside: asideReport, plead: h.Invitations.Report},
		{site: h, purpose: link.Granular, aside: asideReport, plead: h.Invitations.ReportGranular},
		{site: h, purpose: link.Receipt, plead: h.Invitations.Dispute},
		{site: h, purpose: link.Unsubscribe, plead: h.Invitations.Unsubscribe, confirmed: leaving},
		{site: h, purpose: link.Allow, plead: h.Invitations.Allow, confirmed: ticked},
		{site: h, purpose: link.AllowGranular, plead: h.Invitations.Allow, confirmed: ticked},
	}
}

// leaving recognises our own form with its box ticked, and the one click of a mail program (RFC 8058), which comes from its
// provider's server without having looked at the page.
func leaving(field func(string) string) bool {
	return field("confirm") == "on" || field("List-Unsubscribe") == "One-Click"
}

// ticked recognises our own form with its box ticked.
func ticked(field func(string) string) bool { return field("confirm") == "on" }

func (p pleading) pattern() string { return "/" + string(rune(p.purpose)) + "/{token}" + p.aside }

// look shows what can be asked for, and what was.
func (p pleading) look(w http.ResponseWriter, r *http.Request) {
	if v, ok := p.enter(w, r, p.purpose, p.aside); ok {
		p.tell(w, r, v, nil, nil)
	}
}

// ask carries it out. It is done once however often it is sent, so that the answer shows the result itself and a reload is
// harmless.
func (p pleading) ask(w http.ResponseWriter, r *http.Request) {
	v, ok := p.enter(w, r, p.purpose, p.aside)
	if !ok {
		return
	}
	field, err := formOf(w, r, urlEncoded, multipart)
	if err != nil {
		p.show(w, r, v, unreadable(err))
		return
	}
	v.form = filled(field)
	if translated(r, field) {
		p.tell(w, r, v, nil, nil)
		return
	}
	plea := &invitation.Plea{Reason: field("reason"), CorrelationID: rand.Text()}
	if p.confirmed != nil && !p.confirmed(field) {
		p.tell(w, r, v, nil, []problem.Finding{{Pointer: "/confirm", Code: problem.ValidationFailed}})
		return
	}
	p.tell(w, r, v, plea, nil)
}

// tell shows what a plea came to, or with nil what there is to see. Amiss is what is wrong with the form already.
func (p pleading) tell(w http.ResponseWriter, r *http.Request, v *visit, plea *invitation.Plea, amiss problem.Findings) {
	letter, c, err := p.plead(r.Context(), v.link, plea)
	v.letter = letter
	if refused, ok := errors.AsType[*problem.Error](err); ok && len(refused.Findings) > 0 {
		amiss, err = refused.Findings, nil
	}
	if err != nil {
		p.trouble(w, r, v, err)
		return
	}
	o := outcomes[c]
	switch {
	case len(amiss) > 0 && o.template == pleaTemplate:
		v.invalid, o.status = amiss, http.StatusUnprocessableEntity
	case plea != nil:
		p.Log.InfoContext(r.Context(), "pleaded", "invitation", v.link.ID, "case", string(c))
	}
	p.show(w, r, v, o)
}

// pleaTemplate is the form of everything that a recipient can do beside answering.
const pleaTemplate = "plea"

// plea is what its template gets.
type plea struct {
	Text    []string
	Facts   []fact
	Why     string // above the reasons
	Reasons []option
	Confirm string // instead of reasons: the label of the box to tick
	Send    string
	Fault   mark   // what is wrong with the reasons, or with the box
	Link    string // where else to go; empty for nowhere
	Label   string
}

// complete adds what is wrong with the form.
func (p *page) complete(content plea) plea {
	if len(p.invalid) == 0 {
		return content
	}
	anchor, text := anchors["reason"], p.T("page.error.reason")
	if content.Confirm != "" {
		anchor, text = anchors["confirm"], p.T("page.error.confirm")
	}
	content.Fault = mark{text, anchor, p.T("page.error.prefix")}
	p.Summary = []fault{{anchor, text}}
	return content
}

// to is the address that the invitation went to, as whoever opens the link may see it; empty for none.
func (p *page) to() string { return mask(p.letter.Invitation.RecipientEmail) }

// asker are the facts by which a recipient knows who asked.
func (p *page) asker() []fact {
	facts := []fact{{p.T("page.fact.name"), p.partner()}}
	if p.letter.Vouched() {
		facts = append(facts, fact{p.T("page.fact.domain"), p.letter.Inviter.VerifiedDomain})
	}
	if to := p.to(); to != "" {
		facts = append(facts, fact{p.T("page.fact.to"), to})
	}
	return facts
}

// choices are reasons with their texts.
func (p *page) choices(reasons []string, texts map[string]string) []option {
	var all []option
	for _, r := range reasons {
		all = append(all, option{r, p.T(texts[r]), r == p.form.Reason})
	}
	return all
}

var renewalTexts = map[string]string{
	"too-late":  "page.renewal.reason.too-late",
	"mail-lost": "page.renewal.reason.mail-lost",
	"other":     "page.reason.something-else",
}

func renewal(p *page) any {
	p.Title = p.T("page.renewal.title")
	content := plea{
		Text: []string{p.T("page.renewal.text", "partner", p.partner())}, Facts: p.asker(),
		Why: p.T("page.renewal.why"), Reasons: p.choices(invitation.RenewalReasons, renewalTexts), Send: p.T("page.renewal.title"),
	}
	content.Text = append(content.Text, p.stopped()...)
	if p.letter.Stopped {
		content.Link, content.Label = p.allowing()
	}
	return p.complete(content)
}

// stopped says that the partner's mails have been stopped, that asking for a link does not change that, and what does (domain, 0.36).
func (p *page) stopped() []string {
	if !p.letter.Stopped {
		return nil
	}
	return []string{p.T("page.renewal.stopped", "partner", p.partner()), p.T("page.reported.again", "partner", p.partner(), "operator", p.Operator)}
}

func renewalAsked(p *page) any {
	p.Title = p.T("page.renewal-asked.title")
	told := p.T("page.renewal-asked.told", "partner", p.partner())
	if to := p.to(); to != "" {
		told = p.T("page.renewal-asked.to", "partner", p.partner(), "to", to)
	}
	n := notice{Text: append([]string{told, p.T("page.renewal-asked.once", "partner", p.partner())}, p.stopped()...),
		Facts: append([]fact{{p.T("page.fact.name"), p.partner()}}, p.contact()...)}
	if p.letter.Stopped {
		n.Link, n.Label = p.allowing()
	}
	return n
}

func noRenewal(p *page) any {
	if p.letter.Invitation.Answer != nil {
		p.Title = p.T("page.answered.title")
		return notice{Text: []string{p.T("page.answered.text", "partner", p.partner())}}
	}
	p.Title = p.T("page.no-renewal.title")
	return notice{Text: []string{p.T("page.no-renewal.text", "partner", p.partner())}, Link: p.Request, Label: p.T("page.no-renewal.open")}
}

var reportTexts = map[string]string{
	"unknown-company": "page.reason.unknown-company",
	"not-asked-for":   "page.report.reason.not-asked-for",
	"impersonation":   "page.report.reason.impersonation",
	"wrong-person":    "page.report.reason.wrong-person",
}

func report(p *page) any {
	p.Title = p.T("page.report.title")
	content := plea{
		Text: p.ignore(), Facts: p.asker(),
		Why: p.T("page.report.why"), Reasons: p.choices(invitation.ReportReasons, reportTexts), Send: p.T("page.report.send"),
	}
	if to := p.to(); to != "" {
		content.Text = append(content.Text, p.T("page.report.stops", "partner", p.partner(), "to", to))
	}
	content.Text = append(content.Text, p.seen())
	return p.complete(content)
}

// ignore says that a request needs no answer, unless it has one.
func (p *page) ignore() []string {
	if p.letter.Invitation.Answer != nil {
		return nil
	}
	return []string{p.T("page.report.ignore")}
}

// seen says who learns of a report.
func (p *page) seen() string {
	return p.T("page.report.seen", "partner", p.partner(), "operator", p.Operator)
}

func reported(p *page) any {
	p.Title = p.T("page.reported.title")
	n := notice{Text: append(append(p.silence(), p.ignore()...), p.seen())}
	n.Link, n.Label = p.allowing()
	return n
}

// silence says that the partner's mails have ended, and how to get them again.
func (p *page) silence() []string {
	to := p.to()
	if to == "" {
		return nil
	}
	return []string{p.T("page.reported.text", "partner", p.partner(), "to", to), p.T("page.reported.again", "partner", p.partner(), "operator", p.Operator)}
}

var disputeTexts = map[string]string{
	"not-us":         "page.dispute.reason.not-us",
	"not-authorised": "page.dispute.reason.not-authorised",
	"mistake":        "page.dispute.reason.mistake",
}

// disputable is what was answered. The name of who answered is not for whoever holds the link.
func (p *page) disputable() []fact {
	inv := p.letter.Invitation
	return []fact{
		{p.T("page.fact.partner"), p.partner()},
		{p.T("page.fact.at"), p.DateTime(inv.Answer.At)},
		{p.T("page.result.reference"), inv.Reference()},
	}
}

// granted reports what a dispute of the answer is about: a relationship, also one that the answer has only confirmed, and administration or
// a partnership that it gave.
func (p *page) granted() (relationship, administration bool) {
	inv := p.letter.Invitation
	gave := !inv.Answer.NoChange
	relationship = inv.Status == invitation.Accepted && !inv.Sandbox && (gave || inv.Kind != invitation.Partnership)
	return relationship, relationship && gave && inv.RequestDelegatedAdmin
}

// disputeEnd is when the time for a dispute is over.
func (p *page) disputeEnd() string {
	return p.DateTime(p.letter.Invitation.Answer.At.Add(invitation.DisputeWindow))
}

func dispute(p *page) any {
	p.Title = p.T("page.dispute.title")
	said := p.T("page.dispute.declined", "partner", p.partner())
	if p.letter.Invitation.Status == invitation.Accepted {
		said = p.T("page.dispute.accepted", "partner", p.partner())
	}
	content := plea{
		Text:  []string{said, p.T("page.dispute.tell", "partner", p.partner(), "date", p.disputeEnd())},
		Facts: p.disputable(), Why: p.T("page.dispute.why"), Reasons: p.choices(invitation.DisputeReasons, disputeTexts), Send: p.T("page.dispute.send"),
	}
	relationship, administration := p.granted()
	if relationship && p.kind() == invitation.Partnership {
		content.Text = append(content.Text, p.T("page.dispute.partnership"))
		return p.complete(content)
	}
	if administration {
		content.Text = append(content.Text, p.T("page.dispute.administration", "partner", p.partner()))
	}
	if relationship {
		content.Text = append(content.Text, p.T("order.dispute", "partner", p.partner()))
	}
	return p.complete(content)
}

func disputed(p *page) any {
	p.Title = p.T("page.disputed.title")
	n := notice{Text: []string{p.T("page.disputed.text", "partner", p.partner())}, Facts: append(p.disputable(), p.contact()...)}
	relationship, administration := p.granted()
	if relationship && p.kind() == invitation.Partnership {
		n.Text, relationship = append(n.Text, p.T("page.disputed.partnership")), false
	}
	if administration {
		n.Text = append(n.Text, p.T("page.disputed.administration", "partner", p.partner()))
	}
	if relationship {
		n.Text = append(n.Text, p.T("order.dispute", "partner", p.partner()))
	}
	n.Text = append(n.Text, p.T("page.dispute.turn", "partner", p.partner(), "operator", p.Operator))
	return n
}

func disputeOver(p *page) any {
	p.Title = p.T("page.dispute-over.title")
	return notice{Facts: append(p.disputable(), p.contact()...), Text: []string{
		p.T("page.dispute-over.text", "date", p.disputeEnd()), p.T("page.dispute.turn", "partner", p.partner(), "operator", p.Operator)}}
}

func unsubscribe(p *page) any {
	p.Title = p.T("page.unsubscribe.title", "partner", p.partner())
	content := plea{Confirm: p.T("page.unsubscribe.confirm", "partner", p.partner()), Send: p.T("page.unsubscribe.send")}
	if to := p.to(); to != "" {
		content.Text = []string{p.T("page.unsubscribe.text", "partner", p.partner(), "to", to), p.T("page.unsubscribe.stays")}
	} else {
		content.Text = []string{p.T("page.unsubscribe.erased", "partner", p.partner())}
	}
	return p.complete(content)
}

func unsubscribed(p *page) any {
	p.Title = p.T("page.unsubscribed.title")
	if p.to() == "" { // there was nothing to keep mail from
		p.Title = p.T("page.unsubscribe.title", "partner", p.partner())
		return notice{Text: []string{p.T("page.unsubscribe.erased", "partner", p.partner())}}
	}
	return notice{
		Text: append(p.silence(), p.T("page.unsubscribe.stays")), Link: customerPath + p.chosen, Label: p.T("page.customer.all"),
	}
}

func allow(p *page) any {
	p.Title = p.T("page.allow.title", "partner", p.partner())
	return p.complete(plea{
		Text:    []string{p.T("page.allow.text", "partner", p.partner(), "to", p.to())},
		Confirm: p.T("page.allow.confirm", "partner", p.partner()), Send: p.T("page.allow.send"),
	})
}

func allowed(p *page) any {
	p.Title = p.T("page.allowed.title", "partner", p.partner())
	if p.to() == "" {
		p.Title = p.T("page.allow.title", "partner", p.partner())
		return notice{Text: []string{p.T("page.unsubscribe.erased", "partner", p.partner())}}
	}
	return notice{Text: []string{p.T("page.allowed.text", "partner", p.partner(), "to", p.to())}}
}
