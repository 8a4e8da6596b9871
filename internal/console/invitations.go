package console

import (
	"net/http"
	"strings"
	"time"

	"concord/internal/contact"
	"concord/internal/invitation"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/recipient"
)

func (h *site) invitationRoutes() []route {
	read, change := audience{operation: partner.ReadCustomers}, audience{operation: partner.InviteCustomers}
	return []route{
		{method: http.MethodGet, path: "/invitations", page: "console-invitations",
			section: "console.menu.invitations", who: read, serve: h.invitations},
		{method: http.MethodGet, path: "/invitations/{id}", page: "console-invitation", who: read, serve: h.invitation},
		{method: http.MethodPost, path: "/invitations/{id}", page: "console-invitation", who: change, serve: h.act(h.invitation, h.resend)},
		{method: http.MethodGet, path: "/invitations/{id}/cancel", page: "console-invitation-cancel", who: change, serve: h.cancelling},
		{method: http.MethodPost, path: "/invitations/{id}/cancel", page: "console-invitation-cancel", who: change,
			serve: h.act(h.cancelling, h.cancel)},
	}
}

func invitationPath(id string) string { return root + "/invitations/" + id }

// recipient is whom an invitation goes to.
func (v *visit) recipient(i invitation.Invitation) string {
	switch {
	case i.RecipientEmail != "":
		return i.RecipientEmail
	case i.RecipientName != "":
		return i.RecipientName
	}
	return v.T("console.invitation.no-recipient", "reference", i.Reference())
}

// invitations is the list of the partner's own, newest first: what is open or ended less than 30 days ago, or whatever
// has a status.
func (h *site) invitations(v *visit) (*page, error) {
	q := invitation.Query{
		Status: invitation.Status(v.chosen("status", "", "draft", "pending", "accepted", "declined", "cancelled", "expired", "all")),
		Kind:   invitation.Kind(v.chosen("kind", "", "reseller", "dualReseller", "partnership")),
	}
	deliveries := []string{""}
	for _, d := range outbox.Deliveries {
		deliveries = append(deliveries, string(d))
	}
	q.DeliveryState = outbox.Delivery(v.chosen("deliveryState", deliveries...))
	if to := v.typed("recipientEmail", contact.MaxAddress); to != "" {
		if _, err := h.Invitations.Addresses.Check(to); err == nil {
			q.RecipientEmail = to
		}
	}
	found, pages, err := collect(v, func(after string, limit int) ([]invitation.Invitation, string, error) {
		q.After, q.Limit = after, limit
		page, err := h.Invitations.Invitations(v.ctx(), v.user, q)
		return page.Invitations, page.Next, err
	})
	if err != nil {
		return nil, err
	}
	t := table{
		Printer: v.Printer, Caption: v.T("console.invitations.caption"), Pager: pages, CSV: v.query("format", "csv"),
		Columns: []column{
			{Label: v.T("console.column.recipient")}, {Label: v.T("console.column.kind")}, {Label: v.T("console.column.status")},
			{Label: v.T("console.column.delivery")}, {Label: v.T("console.column.created")}, {Label: v.T("console.column.expires")},
			{Label: v.T("console.column.reference")},
		},
	}
	for _, i := range found {
		t.Rows = append(t.Rows, row{Cells: []cell{
			{Text: v.recipient(i), Href: invitationPath(i.ID)}, {Text: v.T(kindKeys[i.Kind])}, {Pill: v.status(i)}, {Pill: v.delivery(i)},
			{Time: v.day(i.CreatedAt)}, {Time: v.day(i.ExpiresAt)}, {Text: i.Reference()},
		}})
	}
	if v.exports() {
		v.export("invitations", t)
		return nil, nil
	}
	f := v.invitationFilters(q)
	t.Empty = &empty{Title: v.T("console.invitations.empty"), Text: v.T("console.invitations.empty.text")}
	if f.Clear != "" {
		t.Empty = &empty{v.T("console.empty.filtered"), v.T("console.empty.filtered.text"), &action{Label: v.T("console.filter.clear"), Href: f.Clear}}
	}
	p := v.page("console.invitations.title")
	p.Content = listing{f, t}
	return p, nil
}

func (v *visit) invitationFilters(q invitation.Query) filters {
	f := filters{Printer: v.Printer, Action: root + "/invitations"}
	status := []option{{Value: "", Label: v.T("console.filter.recent"), Selected: q.Status == ""}}
	for _, s := range []invitation.Status{
		invitation.Draft, invitation.Pending, invitation.Accepted, invitation.Declined, invitation.Cancelled, invitation.Expired,
	} {
		status = append(status, option{Value: string(s), Label: v.T(statusKeys[s]), Selected: q.Status == s})
	}
	status = append(status, option{Value: string(invitation.AnyStatus), Label: v.T("console.filter.all"), Selected: q.Status == invitation.AnyStatus})
	kinds := []option{{Value: "", Label: v.T("console.filter.any"), Selected: q.Kind == ""}}
	for _, k := range invitation.Kinds {
		kinds = append(kinds, option{Value: string(k), Label: v.T(kindKeys[k]), Selected: q.Kind == k})
	}
	deliveries := []option{{Value: "", Label: v.T("console.filter.any"), Selected: q.DeliveryState == ""}}
	for _, d := range outbox.Deliveries {
		deliveries = append(deliveries, option{Value: string(d), Label: v.T(deliveryKeys[d]), Selected: q.DeliveryState == d})
	}
	f.Fields = []field{
		{Printer: v.Printer, Kind: "select", Name: "status", Label: v.T("console.column.status"), Options: status},
		{Printer: v.Printer, Kind: "select", Name: "kind", Label: v.T("console.column.kind"), Options: kinds},
		{Printer: v.Printer, Kind: "select", Name: "deliveryState", Label: v.T("console.column.delivery"), Options: deliveries},
		{Printer: v.Printer, Kind: "search", Name: "recipientEmail", Label: v.T("console.filter.recipient"), Value: v.typed("recipientEmail", contact.MaxAddress)},
	}
	if q.Status != "" || q.Kind != "" || q.DeliveryState != "" || v.typed("recipientEmail", contact.MaxAddress) != "" {
		f.Clear = root + "/invitations"
	}
	return f
}

// seenInvitation is one invitation with its way.
type seenInvitation struct {
	Facts, Answer []fact
	Timeline      []moment
	Resend        *action
	Cancel        *action
	Hidden        *hidden
	Path          string
}

func (h *site) invitation(v *visit) (*page, error) {
	i, err := h.Invitations.Invitation(v.ctx(), v.user, v.r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	p := v.page("console.invitation.title", "recipient", v.recipient(i))
	p.Parent = &action{Label: v.T("console.invitations.title"), Href: root + "/invitations"}
	p.Pill = v.status(i)
	content := seenInvitation{Facts: v.invitationFacts(i), Answer: v.answerFacts(i), Hidden: v.hiddenOf(i.Version), Path: invitationPath(i.ID)}
	for _, e := range i.Timeline(v.now) {
		m := moment{Title: v.event(e.Action), Who: v.whoDid(e.Actor, e.Subject), Note: e.Reason, Time: v.at(e.At), State: eventState(e.Action)}
		content.Timeline = append([]moment{m}, content.Timeline...)
	}
	if len(content.Timeline) > 0 {
		p.Changed = &content.Timeline[0]
	}
	content.Resend, content.Cancel = v.invitationActions(i)
	p.Content = content
	return p, nil
}

// eventState is how an event looks in a timeline.
func eventState(action string) state {
	switch action {
	case "accepted", "delivered":
		return good
	case "declined", "bounced", "complained", "disputed", "reported", "mail failed", "rejected", "suppressed":
		return stop
	case "renewal requested", "delayed", "expired":
		return wait
	}
	return plainState
}

func (v *visit) invitationFacts(i invitation.Invitation) []fact {
	facts := []fact{{Label: v.T("console.column.status"), Pill: v.status(i)}, {Label: v.T("console.column.delivery"), Pill: v.delivery(i)}}
	add := func(key, value string) {
		if value != "" {
			facts = append(facts, fact{Label: v.T(key), Value: value})
		}
	}
	add("console.column.recipient", i.RecipientEmail)
	add("console.fact.name", i.RecipientName)
	add("console.column.kind", v.T(kindKeys[i.Kind]))
	administration := v.T("console.no")
	if i.RequestDelegatedAdmin {
		administration = v.T("console.yes")
	}
	add("console.fact.administration", administration)
	add("console.column.reference", i.Reference())
	facts = append(facts, fact{Label: v.T("console.column.created"), Time: v.at(i.CreatedAt)})
	if !i.ExpiresAt.IsZero() {
		facts = append(facts, fact{Label: v.T("console.column.expires"), Time: v.at(i.ExpiresAt)})
	}
	return facts
}

// answerFacts is what the customer has said; nil for nothing.
func (v *visit) answerFacts(i invitation.Invitation) []fact {
	a := i.Answer
	if a == nil {
		return nil
	}
	facts := []fact{{Label: v.T("console.fact.answered"), Time: v.at(a.At)}}
	for _, one := range []struct{ key, value string }{
		{"console.fact.by", a.FullName}, {"console.fact.job", a.JobTitle}, {"console.column.company", a.Company}, {"console.fact.reason", a.Reason},
		{"console.fact.comment", a.Comment},
	} {
		if one.value != "" {
			facts = append(facts, fact{Label: v.T(one.key), Value: one.value})
		}
	}
	if !i.DisputedAt.IsZero() {
		facts = append(facts, fact{Label: v.T("console.fact.disputed"), Time: v.at(i.DisputedAt)})
	}
	return facts
}

// invitationActions are what can be done with an invitation, or why not now.
func (v *visit) invitationActions(i invitation.Invitation) (resend, cancel *action) {
	if !i.StatusAt(v.now).Open() {
		return nil, nil
	}
	cancel = &action{Label: v.T("console.invitation.cancel"), Href: invitationPath(i.ID) + "/cancel", Quiet: true}
	if i.Status == invitation.Pending && (i.Mail.State != outbox.None || !i.Mail.SentAt.IsZero()) {
		resend = &action{Label: v.T("console.invitation.resend"), Do: "resend"}
		if until := i.Mail.SentAt.Add(recipient.Cooldown); until.After(v.now) {
			resend.Blocked = v.T("console.invitation.cooldown", "date", v.DateTime(until.Add(time.Minute).Truncate(time.Minute)))
		}
	}
	if err := v.user.Permit(partner.InviteCustomers); err != nil {
		cancel.Blocked = strings.TrimSpace(v.T("console.not-allowed.roles", "roles", v.role(partner.AdminAgent)+" · "+v.role(partner.SalesAgent)))
		if resend != nil {
			resend.Blocked = cancel.Blocked
		}
	}
	return resend, cancel
}

// resend mails an invitation once more, with a new link (G2).
func (h *site) resend(v *visit) (to, said string, err error) {
	i, _, err := h.Invitations.Resend(v.ctx(), v.command(), v.r.PathValue("id"))
	return invitationPath(i.ID), "console.did.resent", err
}

func (h *site) cancelling(v *visit) (*page, error) {
	i, err := h.Invitations.Invitation(v.ctx(), v.user, v.r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	p := v.page("console.cancel.title", "recipient", v.recipient(i))
	p.Template = "confirm"
	p.Parent = &action{Label: v.T("console.invitation.title", "recipient", v.recipient(i)), Href: invitationPath(i.ID)}
	reason := v.input("text", "reason", v.T("console.cancel.reason"), "")
	reason.Optional, reason.Max, reason.Hint = true, invitation.MaxReason, v.T("console.cancel.reason.hint")
	c := confirmation{
		Printer: v.Printer, Action: invitationPath(i.ID) + "/cancel", Do: "cancel", Label: v.T("console.invitation.cancel"), Back: invitationPath(i.ID),
		Danger: true,
		Text:   []string{v.T("console.cancel.text"), v.T("console.cancel.nobody")}, Facts: v.invitationFacts(i)[2:], Fields: []field{reason},
		Hidden: v.hiddenOf(i.Version),
	}
	if !i.StatusAt(v.now).Open() {
		c.Blocked = []note{{State: info, Text: []string{v.T("console.cancel.ended")}}}
	}
	if n := len(i.History); n > 0 {
		e := i.Timeline(v.now)[n-1]
		p.Changed = &moment{Title: v.event(e.Action), Who: v.whoDid(e.Actor, e.Subject), Time: v.at(e.At)}
	}
	p.Content = c
	return p, nil
}

// cancel ends an open invitation. Nobody is told; its link then leads nowhere (G3).
func (h *site) cancel(v *visit) (to, said string, err error) {
	reason := ""
	if r := v.form.said("reason"); r != nil {
		reason = *r
	}
	i, _, err := h.Invitations.Cancel(v.ctx(), v.command(), v.r.PathValue("id"), reason)
	return invitationPath(i.ID), "console.did.cancelled", err
}
