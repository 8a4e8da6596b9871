package pages

import (
	"context"
	"crypto/rand"
	"net/http"

	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/link"
)

// What follows the token in the path of a page beside the answer.
const (
	asideRenewal = "/renewal"
	asideReport  = "/report"
)

// pleading asks for something, or with nil only looks, and has the visit know what it is about.
type pleading func(ctx context.Context, v *visit, plea *invitation.Plea) (invitation.Case, error)

// pleadings are what a recipient can do beside answering. Nobody signs in for it: it gives nobody anything.
func (h *site) pleadings() []door {
	about := func(plead func(context.Context, link.Link, *invitation.Plea) (invitation.Letter, invitation.Case, error)) pleading {
		return func(ctx context.Context, v *visit, plea *invitation.Plea) (invitation.Case, error) {
			t, c, err := plead(ctx, v.link, plea)
			v.invited(t)
			return c, err
		}
	}
	aboutRoles := func(plead func(context.Context, link.Link, *invitation.Plea) (granular.Request, invitation.Case, error)) pleading {
		return func(ctx context.Context, v *visit, plea *invitation.Plea) (invitation.Case, error) {
			q, c, err := plead(ctx, v.link, plea)
			v.reported(q)
			return c, err
		}
	}
	i := h.Invitations
	return []door{
		h.plea(link.Answer, asideRenewal, nil, about(i.AskAgain)),
		h.plea(link.Answer, asideReport, nil, about(i.Report)),
		h.plea(link.Granular, asideReport, nil, aboutRoles(i.ReportGranular)),
		h.plea(link.Receipt, "", nil, about(i.Dispute)),
		h.plea(link.Unsubscribe, "", leaving, about(i.Unsubscribe)),
		h.plea(link.Allow, "", confirmed, about(i.Allow)),
		h.plea(link.AllowGranular, "", confirmed, aboutRoles(i.AllowGranular)),
	}
}

// plea is the page of one. It is done once however often it is sent, so that the answer shows the result itself and a reload is harmless.
func (h *site) plea(p link.Purpose, aside string, ticked func(func(string) string) bool, plead pleading) door {
	return door{
		site: h, path: pattern(p, aside), free: true, ticked: ticked,
		enter: func(w http.ResponseWriter, r *http.Request) (*visit, bool) { return h.enter(w, r, p, aside) },
		look: func(r *http.Request, v *visit) (outcome, bool, error) {
			c, err := plead(r.Context(), v, nil)
			return outcomes[c], outcomes[c].template == pleaTemplate, err
		},
		act: func(r *http.Request, v *visit, field func(string) string) (step, error) {
			c, err := plead(r.Context(), v, &invitation.Plea{Reason: field("reason"), CorrelationID: rand.Text()})
			if err == nil {
				h.Log.InfoContext(r.Context(), "pleaded", "invitation", v.link.ID, "case", string(c))
			}
			return step{outcome: outcomes[c], form: outcomes[c].template == pleaTemplate}, err
		},
	}
}

// leaving recognises our own form with its box ticked, and the one click of a mail program (RFC 8058), which comes from its
// provider's server without having looked at the page.
func leaving(field func(string) string) bool {
	return field("confirm") == "on" || field("List-Unsubscribe") == "One-Click"
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
func (p *page) to() string { return mask(p.mailed) }

// asker are the facts by which a recipient knows who asked.
func (p *page) asker() []fact {
	facts := []fact{{p.T("page.fact.name"), p.partner()}}
	if p.vouched {
		facts = append(facts, fact{p.T("page.fact.domain"), p.from.VerifiedDomain})
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

func renewal(p *invitationPage) any {
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
func (p *invitationPage) stopped() []string {
	if !p.letter.Stopped {
		return nil
	}
	return []string{p.T("page.renewal.stopped", "partner", p.partner()), p.T("page.reported.again", "partner", p.partner(), "operator", p.Operator)}
}

func renewalAsked(p *invitationPage) any {
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
	if p.answer != nil {
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
	if p.answer != nil {
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
func (p *invitationPage) disputable() []fact {
	inv := p.letter.Invitation
	return []fact{
		{p.T("page.fact.partner"), p.partner()},
		{p.T("page.fact.at"), p.DateTime(inv.Answer.At)},
		{p.T("page.result.reference"), inv.Reference()},
	}
}

// granted reports what a dispute of the answer is about: a relationship, also one that the answer has only confirmed, and administration or
// a partnership that it gave.
func (p *invitationPage) granted() (relationship, administration bool) {
	inv := p.letter.Invitation
	gave := !inv.Answer.NoChange
	relationship = inv.Status == invitation.Accepted && !inv.Sandbox && (gave || !inv.Kind.AsksPartner())
	return relationship, relationship && gave && inv.RequestDelegatedAdmin
}

// disputeEnd is when the time for a dispute is over.
func (p *invitationPage) disputeEnd() string {
	return p.DateTime(p.letter.Invitation.Answer.At.Add(invitation.DisputeWindow))
}

func dispute(p *invitationPage) any {
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
	if relationship && p.letter.Invitation.Kind.AsksPartner() {
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

func disputed(p *invitationPage) any {
	p.Title = p.T("page.disputed.title")
	n := notice{Text: []string{p.T("page.disputed.text", "partner", p.partner())}, Facts: append(p.disputable(), p.contact()...)}
	relationship, administration := p.granted()
	if relationship && p.letter.Invitation.Kind.AsksPartner() {
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

func disputeOver(p *invitationPage) any {
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
