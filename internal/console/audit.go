package console

import (
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"

	"concord/internal/audit"
	"concord/internal/partner"
	"concord/internal/relationship"
)

func (h *site) auditRoutes() []route {
	return []route{{
		method: http.MethodGet, path: "/audit", page: "console-audit", section: "console.menu.audit",
		who: audience{operation: partner.ReadAudit}, serve: h.audit,
	}}
}

// lookBack is what the list covers when no day is chosen.
const lookBack = 30 * 24 * time.Hour

// maxSubject bounds the filter by person, in bytes.
const maxSubject = 256

// audit lists who did what to the partner's own (invariant 18), newest first.
func (h *site) audit(v *visit) (*page, error) {
	q := audit.Query{
		ResourceType: v.chosen("resourceType", append([]string{""}, audit.ResourceTypes...)...),
		Operation:    v.chosen("operationType", append([]string{""}, audit.Operations()...)...), Actor: v.typed("actor",
			maxSubject),
	}
	q.From, _ = time.Parse(time.DateOnly, v.typed("startDate", 10))
	ends, err := time.Parse(time.DateOnly, v.typed("endDate", 10))
	q.Before = ends.AddDate(0, 0, 1)
	if err != nil {
		q.Before = v.now.Add(time.Minute) // clocks differ
	}
	if q.From.IsZero() {
		q.From = q.Before.Add(-lookBack)
	}
	if q.Customer, q.Also, err = h.customerFilter(v, "customerId"); err != nil {
		return nil, err
	}
	found, pages, err := collect(v, func(after string, limit int) ([]audit.Record, string, error) {
		q.After, q.Limit = after, limit
		page, err := h.Audit.AuditRecords(v.ctx(), v.user.Tenant, q)
		return page.Records, page.Next, err
	})
	if err != nil {
		return nil, err
	}
	t := v.auditTable(found)
	t.Pager = pages
	if v.exports() {
		v.export("audit", t)
		return nil, nil
	}
	f := v.auditFilters(q)
	if f.Clear != "" {
		t.Empty = &empty{v.T("console.empty.filtered"), v.T("console-account.audit.empty.filtered"),
			&action{Label: v.T("console.filter.clear"), Href: f.Clear}}
	}
	p := v.page("console.menu.audit")
	p.Content = listing{f, t}
	return p, nil
}

// customerFilter gives the customer that a filter names, and its other ids; none for what is no id.
func (h *site) customerFilter(v *visit, name string) (customer partner.TenantID, also []partner.TenantID, err error) {
	customer, ok := partner.ParseTenantID(v.typed(name, 36))
	if !ok {
		return "", nil, nil
	}
	ids, err := relationship.IDs(v.ctx(), h.Invitations.Recognition.Companies, customer)
	if err != nil {
		return "", nil, err
	}
	return customer, ids[1:], nil
}

func (v *visit) auditTable(found []audit.Record) table {
	t := table{
		Printer: v.Printer, Caption: v.T("console-account.audit.caption"), CSV: v.query("format", "csv"),
		Columns: []column{
			{Label: v.T("console-account.audit.when")}, {Label: v.T("console.column.what")},
			{Label: v.T("console-account.audit.about")},
			{Label: v.T("console.column.with")}, {Label: v.T("console-account.audit.change")},
			{Label: v.T("console.fact.reason")},
			{Label: v.T("console-account.audit.correlation")},
		},
		Empty: &empty{Title: v.T("console-account.audit.empty"), Text: v.T("console-account.audit.empty.text")},
	}
	for _, r := range found {
		who := cell{Text: v.actor(r.Actor)}
		if r.Actor.Subject != "" {
			who.Href, who.Note = v.query("actor", r.Actor.Subject, cursorUse, "", "format", ""), r.Actor.Subject
		}
		about := cell{Text: v.T(resourceKeys[r.ResourceType]), Note: r.ResourceID, Href: resourcePath(r)}
		t.Rows = append(t.Rows, row{Cells: []cell{
			{Time: v.at(r.At)}, {Text: v.operation(r.Operation), Note: r.Operation}, about, who, {Text: changeOf(r)},
			{Text: r.Reason},
			{Text: r.CorrelationID},
		}})
	}
	return t
}

var resourceKeys = map[string]string{
	audit.Invitation: "console-partner.invitation", audit.Relationship: "console.column.relationship",
	audit.Account:   "console.menu.account",
	audit.Agreement: "console.column.agreement", audit.Order: "console-account.resource.order",
	audit.Subscription: "console-account.resource.subscription", audit.Granular: "console.menu.administration",
	audit.Partnership: "console.kind.partnership", audit.Enrolment: "console.menu.enrolment",
}

// resourcePath is where the console shows what a record is about; empty for nowhere.
func resourcePath(r audit.Record) string {
	switch r.ResourceType {
	case audit.Invitation:
		return invitationPath(r.ResourceID)
	case audit.Granular:
		return granularPath(r.ResourceID)
	case audit.Account:
		return accountPath
	case audit.Enrolment:
		return enrolmentPath
	}
	return ""
}

// operation gives the words of an operation: those of the timeline for what happened to a request or to roles.
func (v *visit) operation(code string) string {
	if key, ok := operationKeys[code]; ok {
		return v.T(key)
	}
	kind, action, _ := strings.Cut(code, ".")
	if known, ok := granularEvents[action]; ok && kind == audit.Granular {
		return v.T(known.Text)
	}
	return v.event(words(action))
}

// words writes a code as a timeline does: renewalRequested is "renewal requested".
func words(code string) string {
	var b strings.Builder
	for _, r := range code {
		if unicode.IsUpper(r) {
			b.WriteByte(' ')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// operationKeys are the operations that no timeline of the console has.
var operationKeys = map[string]string{
	"relationship.established": "console-account.did.related", "relationship.removed": "console-account.did.unrelated",
	"delegatedAdmin.granted": "console-account.did.dap", "delegatedAdmin.terminated": "console-account.did.dap-ended",
	"identityCheck.changed": "console-account.did.identity", "customer.claimed": "console-account.did.claimed",
	"partnerAccount.created": "console-account.did.account", "partnerAccount.changed": "console-account.changed",
	"customerAgreement.attested":   "console-account.did.attested",
	"customerAgreement.signed":     "console-account.did.signed",
	audit.Order + ".completed":     "console-account.did.ordered",
	"subscription.created":         "console-account.did.subscribed",
	"subscription.statusChanged":   "console-account.did.status",
	"subscription.quantityChanged": "console-account.did.quantity",
	"subscription.recordChanged":   "console-account.did.record",
	"subscription.supportChanged":  "console-account.did.support",
	"partnership.established":      "console-partner.event.established",
	"partnership.removed":          "console-partner.event.removed",
	"providerAccess.granted":       "console-partner.event.granted",
	"providerAccess.revoked":       "console-partner.event.revoked",
	audit.Enrolment + ".approved":  "console-granular.event.approved", audit.Enrolment +
		".mpaSigned": "console-account.did.mpa",
}

// actor is who did something: the reader, somebody of the company, or on the other side.
func (v *visit) actor(a audit.Actor) string {
	if a.Subject != "" && a.Subject == v.user.Subject {
		return v.T("console.actor.you")
	}
	return v.T(map[audit.ActorKind]string{
		audit.User: "console.actor.user", audit.Customer: "console.actor.customer", audit.System: "console.actor.system",
		audit.Schedule: "console.actor.system", audit.Operator: "console.actor.operator",
	}[a.Kind])
}

// changeOf says which states changed: "status: pending → accepted".
func changeOf(r audit.Record) string {
	var all []string
	for name, is := range r.New {
		if was := r.Old[name]; was != "" {
			is = was + " → " + is
		}
		all = append(all, name+": "+is)
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

func (v *visit) auditFilters(q audit.Query) filters {
	f := filters{Printer: v.Printer, Action: root + "/audit"}
	kinds := []option{{Label: v.T("console.filter.any"), Selected: q.ResourceType == ""}}
	for _, r := range audit.ResourceTypes {
		kinds = append(kinds, option{Value: r, Label: v.T(resourceKeys[r]), Selected: q.ResourceType == r})
	}
	operations := []option{{Label: v.T("console.filter.any"), Selected: q.Operation == ""}}
	for _, o := range slices.Sorted(slices.Values(audit.Operations())) {
		kind, _, _ := strings.Cut(o, ".")
		if q.ResourceType == "" || q.ResourceType == kind || q.Operation == o || resourceKeys[kind] == "" {
			operations = append(operations, option{Value: o, Label: v.operation(o) + " (" + o + ")",
				Selected: q.Operation == o})
		}
	}
	if v.Language() == "ja" || v.Language() == "zh-Hans" {
		for n := range operations[1:] {
			operations[n+1].Label = v.operation(operations[n+1].Value) + "（" + operations[n+1].Value + "）"
		}
	}
	text := func(kind, name, key string, most int) field {
		return field{Printer: v.Printer, Kind: kind, Name: name, Label: v.T(key), Value: v.typed(name, most)}
	}
	f.Fields = []field{
		{Printer: v.Printer, Kind: "select", Name: "resourceType", Label: v.T("console-account.audit.about"),
			Options: kinds},
		{Printer: v.Printer, Kind: "select", Name: "operationType", Label: v.T("console.column.what"), Options: operations},
		text("date", "startDate", "console-account.audit.from", 10), text("date", "endDate", "console-account.audit.to",
			10),
		text("search", "customerId", "console-granular.tenant", 36), text("search", "actor",
			"console-account.audit.person", maxSubject),
	}
	for _, one := range f.Fields {
		if v.r.URL.Query().Get(one.Name) != "" {
			f.Clear = root + "/audit"
		}
	}
	return f
}
