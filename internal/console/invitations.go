package console

import (
	"maps"
	"net/http"
	"slices"
	"time"

	"concord/internal/invitation"
	"concord/internal/partner"
)

func (h *site) invitationRoutes() []route {
	read, change := audience{operation: partner.ReadCustomers}, audience{operation: partner.InviteCustomers}
	return []route{
		{method: http.MethodGet, path: "/invitations", page: "console-invitations",
			section: "console.menu.invitations", who: read, serve: h.invitations},
		{method: http.MethodGet, path: "/invitations/{id}", page: "console-invitation", who: read, serve: h.invitation},
		{method: http.MethodPost, path: "/invitations/{id}", page: "console-invitation", who: change, serve: h.act(h.invitation, h.change)},
		{method: http.MethodPost, path: "/invitations", page: "console-invitations", who: change, serve: h.act(h.invitations, h.several)},
		{method: http.MethodGet, path: "/invitations/several", page: "console-invitations-several", who: change, serve: h.severalPage},
		{method: http.MethodPost, path: "/invitations/several", page: "console-invitations-several", who: change,
			serve: h.act(h.severalPage, h.doSeveral)},
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
	add("console.column.kind", v.T(kindWords[i.Kind].name))
	add(v.administrationAsked(i))
	add("console.column.reference", i.Reference())
	add("console-invite.new.source", i.Source)
	for _, name := range slices.Sorted(maps.Keys(i.Tags)) {
		facts = append(facts, fact{Label: name, Value: i.Tags[name]})
	}
	if i.BatchID != "" {
		facts = append(facts, fact{Label: v.T("console-invite.batch"), Value: i.BatchID, Link: batchPath(i.BatchID)})
	}
	if i.Replaces != "" {
		facts = append(facts, fact{Label: v.T("console-invite.replaces"), Value: v.T("console-invite.replaces.look"), Link: invitationPath(i.Replaces)})
	}
	add("console-invite.cancelled-why", i.CancelReason())
	facts = append(facts, fact{Label: v.T("console.column.created"), Time: v.at(i.CreatedAt)})
	for _, one := range []struct {
		key string
		at  time.Time
	}{{"console.event.renewal", i.RenewalRequestedAt()}, {"console.event.reported", i.ReportedAt()}} {
		if !one.at.IsZero() {
			facts = append(facts, fact{Label: v.T(one.key), Time: v.at(one.at)})
		}
	}
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
		{"console.fact.comment", a.Comment}, {"console.column.reference", i.Reference()},
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
	p.Changed = v.newest(i)
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
