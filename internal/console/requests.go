package console

import (
	"net/url"
	"slices"

	"concord/internal/emailaddr"
	"concord/internal/invitation"
	"concord/internal/outbox"
	"concord/internal/partner"
)

// maxID is the length of the longest id that a filter takes.
const maxID = 64

// sought reads which requests are asked for. Without a status it is what is open or ended less than 30 days ago.
func (v *visit) sought() invitation.Query {
	q := invitation.Query{
		Kind:          invitation.Kind(v.chosen("kind", append([]string{""}, texts(invitation.Kinds)...)...)),
		DeliveryState: outbox.Delivery(v.chosen("deliveryState", append([]string{""}, texts(outbox.Deliveries)...)...)),
		BatchID: v.typed(
			"batchId",
			maxID,
		), Reference: v.typed("reference", maxID), Text: v.typed("text", 200), Tag: v.typed("tag", 200),
		Waiting: v.chosen("waiting", "", "on") == "on",
	}
	if v.chosen("mine", "", "on") == "on" {
		q.CreatedBy = v.user.Subject
	}
	if p, ok := partner.ParseTenantID(v.typed("providerTenantId", maxID)); ok {
		q.Provider = p
	}
	if to := v.typed("recipientEmail", emailaddr.MaxAddress); to != "" {
		if _, err := v.h.Invitations.Addresses.Check(to); err == nil {
			q.RecipientEmail = to
		}
	}
	var states []invitation.Status
	for _, s := range v.r.URL.Query()["status"] {
		if slices.Contains(shownStates, invitation.Status(s)) {
			states = append(states, invitation.Status(s))
		}
	}
	if len(states) > 0 {
		q.Status, q.Others = states[0], states[1:]
	} else if q.Reference != "" || q.BatchID != "" { // who looks for one that is known wants it whenever it ended
		q.Status = invitation.AnyStatus
	}
	if slices.Contains(states, invitation.AnyStatus) {
		q.Status, q.Others = invitation.AnyStatus, nil
	}
	return q
}

var shownStates = []invitation.Status{
	invitation.Draft, invitation.Pending, invitation.Accepted, invitation.Declined, invitation.Cancelled, invitation.Expired, invitation.AnyStatus,
}

func texts[T ~string](list []T) (all []string) {
	for _, s := range list {
		all = append(all, string(s))
	}
	return all
}

// invitations is the list of the partner's own, newest first.
func (h *site) invitations(v *visit) (*page, error) {
	q := v.sought()
	found, pages, err := collect(v, func(after string, limit int) ([]invitation.Invitation, string, error) {
		q.After, q.Limit = after, limit
		page, err := h.Invitations.Invitations(v.ctx(), v.user, q)
		return page.Invitations, page.Next, err
	})
	if err != nil {
		return nil, err
	}
	t := v.requestTable(found)
	t.Pager, t.CSV = pages, v.query("format", "csv")
	if v.exports() {
		v.export("invitations", t)
		return nil, nil
	}
	f, err := h.requestFilters(v, q)
	if err != nil {
		return nil, err
	}
	p := v.page("console.invitations.title")
	if v.permitted(partner.InviteCustomers) {
		t.Pick, t.Hidden = "id", v.hiddenOf(0)
		t.Bulk = []action{
			{
				Label: v.T("console.invitation.resend"),
				Do:    "resend",
				Quiet: true,
			}, {Label: v.T("console.invitation.cancel"), Do: "cancel", Quiet: true},
		}
		p.Primary = &action{Label: v.T("console-invite.new.title"), Href: newPath}
	}
	t.Empty = &empty{v.T("console.invitations.empty"), v.T("console.invitations.empty.text"), nil}
	if f.Clear != "" {
		t.Empty = &empty{
			v.T("console.empty.filtered"),
			v.T("console.empty.filtered.text"),
			&action{Label: v.T("console.filter.clear"), Href: f.Clear},
		}
	}
	p.Content = listing{f, t}
	return p, nil
}

func (v *visit) requestTable(found []invitation.Invitation) table {
	t := table{
		Printer: v.Printer, Caption: v.T("console.invitations.caption"),
		Columns: []column{
			{
				Label: v.T("console.column.recipient"),
			}, {Label: v.T("console.column.kind")}, {Label: v.T("console.column.status")},
			{
				Label: v.T("console.column.delivery"),
			}, {Label: v.T("console.column.created")}, {Label: v.T("console.column.expires")},
			{Label: v.T("console.column.reference")},
		},
	}
	for _, i := range found {
		t.Rows = append(t.Rows, row{Value: i.ID, Name: v.recipient(i), Cells: []cell{
			{
				Text: v.recipient(i),
				Href: invitationPath(i.ID),
			}, {Text: v.T(kindWords[i.Kind].name)}, {Pill: v.status(i)}, {Pill: v.delivery(i)},
			{Time: v.day(i.CreatedAt)}, {Time: v.day(i.ExpiresAt)}, {Text: i.Reference()},
		}})
	}
	return t
}

// requestFilters keep what is asked for in the URL.
func (h *site) requestFilters(v *visit, q invitation.Query) (filters, error) {
	f := filters{Printer: v.Printer, Action: root + "/invitations"}
	asked := v.r.URL.Query()
	status := field{
		Printer:  v.Printer,
		Kind:     "select",
		Name:     "status",
		Label:    v.T("console.column.status"),
		Multiple: true,
	}
	status.Options = []option{{Label: v.T("console.filter.recent"), Selected: q.Status == ""}}
	for _, s := range shownStates {
		o := option{
			Value:    string(s),
			Selected: slices.Contains(asked["status"], string(s)),
			Label:    v.T("console.filter.all"),
		}
		if key, ok := statusKeys[s]; ok {
			o.Label = v.T(key)
		}
		status.Options = append(status.Options, o)
	}
	f.Fields = []field{
		{Printer: v.Printer, Kind: "search", Name: "text", Label: v.T("console-invite.filter.text"), Value: q.Text},
		{
			Printer: v.Printer,
			Kind:    "search",
			Name:    "recipientEmail",
			Label:   v.T("console.filter.recipient"),
			Value:   v.typed("recipientEmail", emailaddr.MaxAddress),
		},
		{
			Printer: v.Printer,
			Kind:    "search",
			Name:    "reference",
			Label:   v.T("console.column.reference"),
			Value:   q.Reference,
		},
		status,
		choices(
			v,
			"kind",
			"console.column.kind",
			string(q.Kind),
			texts(invitation.Kinds),
			func(s string) string { return kindWords[invitation.Kind(s)].name },
		),
		choices(v, "deliveryState", "console.column.delivery", string(q.DeliveryState), texts(outbox.Deliveries),
			func(s string) string { return deliveryKeys[outbox.Delivery(s)] }),
	}
	providers, err := h.providerField(v, url.Values{"providerTenantId": {string(q.Provider)}})
	if err != nil {
		return f, err
	}
	if providers != nil {
		providers.Hint, providers.Optional = "", false
		providers.Options[0].Label = v.T("console.filter.any")
		f.Fields = append(f.Fields, *providers)
	}
	if q.BatchID != "" {
		f.Fields = append(
			f.Fields,
			field{
				Printer: v.Printer,
				Kind:    "search",
				Name:    "batchId",
				Label:   v.T("console-invite.batch"),
				Value:   q.BatchID,
			},
		)
	}
	f.Fields = append(
		f.Fields,
		field{
			Printer: v.Printer,
			Kind:    "check",
			Name:    "mine",
			Label:   v.T("console-invite.filter.mine"),
			Checked: q.CreatedBy != "",
		},
		field{
			Printer: v.Printer,
			Kind:    "check",
			Name:    "waiting",
			Label:   v.T("console-invite.filter.waiting"),
			Checked: q.Waiting,
		},
	)
	for name, values := range asked {
		if name != "lang" && name != cursorUse && name != "format" &&
			slices.ContainsFunc(values, func(s string) bool { return s != "" }) {
			f.Clear = root + "/invitations"
		}
	}
	return f, nil
}

// choices is a filter with a fixed set of values, of which none is any.
func choices(v *visit, name, label, now string, values []string, key func(string) string) field {
	f := field{Printer: v.Printer, Kind: "select", Name: name, Label: v.T(label)}
	f.Options = []option{{Label: v.T("console.filter.any"), Selected: now == ""}}
	for _, s := range values {
		f.Options = append(f.Options, option{Value: s, Label: v.T(key(s)), Selected: s == now})
	}
	return f
}
