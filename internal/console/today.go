package console

import (
	"net/http"
	"slices"
	"time"

	"concord/internal/invitation"
	"concord/internal/outbox"
	"concord/internal/partner"
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
		Columns: []column{{Label: v.T("console.column.what")}, {Label: v.T("console.column.with")}, {Label: v.T("console.column.since")}},
	}}
	content.Needs.Empty = &empty{Title: v.T("console.today.empty.title"), Text: v.T("console.today.empty.text")}
	p.Content = &content
	if may := v.user.Permit(partner.ReadCustomers) == nil; !may || v.account == nil {
		return p, nil
	}
	found, err := h.Invitations.Invitations(v.ctx(), v.user, invitation.Query{Limit: looked})
	if err != nil {
		return nil, err
	}
	all := slices.DeleteFunc(found.Invitations, func(i invitation.Invitation) bool { return i.Sandbox })
	for _, i := range all {
		if need := v.need(i); need != nil {
			content.Needs.Rows = append(content.Needs.Rows, v.needed(need, i))
		}
	}
	related, err := h.Relationships.Relationships(v.ctx(), v.user.Tenant, relationship.Query{Status: relationship.Active, Limit: looked})
	if err != nil {
		return nil, err
	}
	for _, r := range related.Relationships {
		if r.IdentityCheck == relationship.Unproven {
			content.Needs.Rows = append(content.Needs.Rows, row{Cells: []cell{
				{Pill: &pill{wait, v.T("console.need.identity")}}, {Text: v.companyName(r.Customer)}, {Time: v.day(r.EstablishedAt)},
			}})
		}
	}
	content.Funnel = v.funnel(all)
	return p, nil
}

// need says why an invitation needs somebody; nil for not.
func (v *visit) need(i invitation.Invitation) *pill {
	status := i.StatusAt(v.now)
	switch {
	case !i.DisputedAt.IsZero():
		return &pill{stop, v.T("console.need.disputed")}
	case status == invitation.Expired && i.Asked == i.Generation && i.Asked > 0:
		return &pill{wait, v.T("console.need.renewal")}
	case status == invitation.Declined:
		return &pill{stop, v.T("console.need.declined")}
	case status == invitation.Pending && deliveryStates[i.Mail.State.Delivery()] == stop:
		return &pill{stop, v.T("console.need.undelivered")}
	case status == invitation.Draft:
		return &pill{wait, v.T("console.need.draft")}
	}
	return nil
}

func (v *visit) needed(why *pill, i invitation.Invitation) row {
	since := i.CreatedAt
	if n := len(i.History); n > 0 {
		since = i.History[n-1].At
	}
	return row{Cells: []cell{{Pill: why}, {Text: v.recipient(i), Href: invitationPath(i.ID)}, {Time: v.day(since)}}}
}

// funnel counts how far the requests of thirty days have come; nil for none.
func (v *visit) funnel(all []invitation.Invitation) *chart {
	var created, mailed, delivered, answered, accepted int
	for _, i := range all {
		if v.now.Sub(i.CreatedAt) > month {
			continue
		}
		created++
		count := func(n *int, is bool) {
			if is {
				*n++
			}
		}
		count(&mailed, !i.Mail.SentAt.IsZero() || i.Answer != nil)
		count(&delivered, i.Mail.State.Delivery() == outbox.DeliveryDelivered || i.Answer != nil)
		count(&answered, i.Answer != nil)
		count(&accepted, i.Status == invitation.Accepted)
	}
	if created == 0 {
		return nil
	}
	return &chart{
		Printer: v.Printer, Funnel: true, Title: v.T("console.today.funnel"), Unit: v.T("console.column.requests"),
		Bars: []bar{
			{v.T("console.funnel.created"), created, info}, {v.T("console.funnel.mailed"), mailed, info}, {v.T("console.funnel.delivered"), delivered, info},
			{v.T("console.funnel.answered"), answered, wait}, {v.T("console.funnel.accepted"), accepted, good},
		},
	}
}
