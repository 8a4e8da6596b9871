package console

import (
	"cmp"
	"net/http"
	"time"

	"concord/internal/customer"
	"concord/internal/enrolment"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/oversight"
	"concord/internal/partner"
	"concord/internal/registry"
	"concord/internal/relationship"
)

func (h *site) todayRoutes() []route {
	return []route{{method: http.MethodGet, page: "console-today", section: "console.menu.today", serve: h.today}}
}

// today is what needs somebody, and how the requests of thirty days went.
type today struct {
	Needs  table
	Funnel *chart
}

// looked is how many of the newest invitations and customers today's page looks at: one page of each, whatever there
// is.
const looked = 100

const month = 30 * 24 * time.Hour

// today reads one page of each list that can hold something which waits for somebody.
func (h *site) today(v *visit) (*page, error) {
	p := v.page("console.today.title")
	content := today{Needs: table{
		Printer: v.Printer, Caption: v.T("console.today.needs"),
		Columns: []column{{Label: v.T("console.column.what")}, {Label: v.T("console.column.with")}, {Label: v.T("console.column.date")}},
	}}
	content.Needs.Empty = &empty{Title: v.T("console.today.empty.title"), Text: v.T("console.today.empty.text")}
	p.Content = &content
	if v.permitted(partner.OperatePartners) {
		content.Needs.Empty.Text = v.T("console-operator.today.text")
		if err := h.operatorNeeds(v, &content.Needs); err != nil {
			return nil, err
		}
	}
	if !v.permitted(partner.ReadCustomers) || v.account == nil {
		return p, nil
	}
	found, err := h.Invitations.Invitations(v.ctx(), v.user, invitation.Query{Limit: looked})
	if err != nil {
		return nil, err
	}
	for _, i := range found.Invitations {
		if need := v.need(i); need != nil {
			content.Needs.Rows = append(content.Needs.Rows, v.needed(need, i))
		}
	}
	if err := h.customerNeeds(v, &content.Needs); err != nil {
		return nil, err
	}
	if err := h.endingNeeds(v, &content.Needs); err != nil {
		return nil, err
	}
	f, _, _, err := h.Invitations.Funnel(v.ctx(), v.user, time.Time{})
	content.Funnel = v.funnel(f)
	return p, err
}

// operatorNeeds are applications to decide on, those first that are overdue, what recipients have disputed and reported,
// and partners whose sending is paused.
func (h *site) operatorNeeds(v *visit, t *table) error {
	add := func(why *pill, what, at string, since time.Time) {
		t.Rows = append(t.Rows, row{Cells: []cell{{Pill: why}, {Text: what, Href: at}, {Time: v.day(since)}}})
	}
	waiting, err := h.Enrolments.Enrolments(v.ctx(), v.user, enrolment.Query{Status: enrolment.InVetting, Limit: looked})
	if err != nil {
		return err
	}
	for _, overdue := range []bool{true, false} {
		for _, e := range waiting.Enrolments {
			why := v.worded(enrolmentStates[e.Status])
			if overdue {
				why = &pill{stop, v.T("console-operator.overdue")}
			}
			if e.OverdueAt(v.now) == overdue {
				add(why, cmp.Or(e.Legal.Name, e.Reference()), vettingPath+"/"+e.ID, e.SubmittedAt)
			}
		}
	}
	open, err := h.Reports.List(v.ctx(), v.user, oversight.ReportQuery{Open: true, Limit: looked})
	if err != nil {
		return err
	}
	var ids []partner.TenantID
	for _, r := range open.Reports {
		ids = append(ids, r.Partner)
	}
	names, err := h.manyNames(v, ids)
	if err != nil {
		return err
	}
	for _, r := range open.Reports {
		add(v.worded(reportKeys[r.Operation]), names[r.Partner], reportsPath+"/"+r.ID, r.At)
	}
	paused, err := h.Registry.Accounts(v.ctx(), v.user, registry.Query{Sending: partner.SendingPaused, Limit: looked})
	if err != nil {
		return err
	}
	for _, a := range paused.Accounts {
		if a.Paused != nil {
			add(&pill{wait, v.T("console-operator.paused.state")}, a.DisplayName, partnersPath+"/"+string(a.Tenant), a.Paused.At)
		}
	}
	return nil
}

// customerNeeds are customers whose identity is to be confirmed, and how many of the newest have not signed the customer agreement.
func (h *site) customerNeeds(v *visit, t *table) error {
	related, err := h.Relationships.Relationships(v.ctx(), v.user.Tenant, relationship.Query{Status: relationship.Active, Limit: looked})
	if err != nil {
		return err
	}
	var known []customer.Known
	for n := range related.Relationships {
		r := &related.Relationships[n]
		known = append(known, customer.Known{Customer: r.Customer, Relationship: r})
		if r.IdentityCheck == relationship.Unproven {
			t.Rows = append(t.Rows, row{Cells: []cell{
				{Pill: &pill{wait, v.T("console.need.identity")}}, {Text: v.companyName(r.Customer)}, {Time: v.day(r.EstablishedAt)},
			}})
		}
	}
	stands, err := h.standings().Of(v.ctx(), v.user.Tenant, known)
	if err != nil {
		return err
	}
	unsigned, first := 0, time.Time{}
	for _, k := range known {
		if !stands[k.Tenant].Signed {
			unsigned++
			first = k.Relationship.EstablishedAt // the list is newest first
		}
	}
	if unsigned > 0 {
		t.Rows = append(t.Rows, row{Cells: []cell{
			{Pill: &pill{wait, v.T("console-invite.need.agreement")}},
			{Text: v.T("console-invite.customers", "n", unsigned), Href: root + "/customers"}, {Time: v.day(first)},
		}})
	}
	return nil
}

// endingNeeds is granular administration that ends within a month and is not extended by itself.
func (h *site) endingNeeds(v *visit, t *table) error {
	if !v.permitted(partner.ReadGranular) {
		return nil
	}
	found, err := h.Granular.Relationships(v.ctx(), v.user, granular.Query{Status: granular.Active, Limit: looked})
	if err != nil {
		return err
	}
	for _, g := range found.Relationships {
		if g.AutoExtend || g.EndAt.IsZero() || g.EndAt.Sub(v.now) > month {
			continue
		}
		t.Rows = append(t.Rows, row{Cells: []cell{
			{Pill: &pill{wait, v.T("console-invite.need.ending")}}, {Text: g.DisplayName, Href: root + "/administration/" + g.ID}, {Time: v.day(g.EndAt)},
		}})
	}
	return nil
}

// needPills are the words of what an invitation waits for.
var needPills = map[invitation.Need]pill{
	invitation.NeedDisputed: {stop, "console.need.disputed"}, invitation.NeedRenewal: {wait, "console.need.renewal"},
	invitation.NeedDeclined: {stop, "console.need.declined"}, invitation.NeedUndelivered: {stop, "console.need.undelivered"},
	invitation.NeedDraft: {wait, "console.need.draft"},
}

// need says why an invitation needs somebody; nil for not.
func (v *visit) need(i invitation.Invitation) *pill {
	p, waits := needPills[i.Need(v.now)]
	if !waits {
		return nil
	}
	return &pill{p.State, v.T(p.Text)}
}

func (v *visit) needed(why *pill, i invitation.Invitation) row {
	since := i.CreatedAt
	if n := len(i.History); n > 0 {
		since = i.History[n-1].At
	}
	return row{Cells: []cell{{Pill: why}, {Text: v.recipient(i), Href: invitationPath(i.ID)}, {Time: v.day(since)}}}
}

// funnel draws how far the requests of thirty days have come; nil for none.
func (v *visit) funnel(f invitation.Funnel) *chart {
	if f.Created == 0 {
		return nil
	}
	return &chart{
		Printer: v.Printer, Funnel: true, Title: v.T("console.today.funnel"), Unit: v.T("console.column.requests"),
		Bars: []bar{
			{v.T("console.funnel.created"), f.Created, info}, {v.T("console.funnel.mailed"), f.Mailed, info}, {v.T("console.funnel.delivered"), f.Delivered, info},
			{v.T("console.funnel.answered"), f.Answered, wait}, {v.T("console.funnel.accepted"), f.Accepted, good},
		},
	}
}
