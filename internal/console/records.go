package console

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"concord/internal/enrolment"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/terms"
)

const recordsPath = operatorPath + "/records"

// kept is a kind of records: where its pages are, and how it is called.
type kept struct {
	kind             enrolment.RecordKind
	path, label, add string
	id               string // the field that has the id
}

// keptKinds are the kinds of which there are many records; the calendar is one.
var keptKinds = []kept{
	{enrolment.CompanyRecord, "/company", "console-operator.records.companies", "console-operator.records.company.new", "dunsId"},
	{enrolment.PartnerIDRecord, "/partner-id", "console-operator.records.partner-ids", "console-operator.records.partner-id.new", "partnerId"},
}

const calendarShown = "calendar"

// recordRoutes are the pages of what the operator keeps: companies, PartnerIDs, its days off, and the texts in force.
func (h *site) recordRoutes() []route {
	who := audience{operation: partner.OperatePartners}
	both := func(path, page string, shown func(*visit) (*page, error), do func(*visit) (string, string, error)) []route {
		return []route{
			{method: http.MethodGet, path: "/operator/records" + path, page: page, who: who, serve: shown},
			{method: http.MethodPost, path: "/operator/records" + path, page: page, who: who, serve: h.act(shown, do)},
		}
	}
	all := []route{{method: http.MethodGet, path: "/operator/records", page: "console-operator-records", who: who, serve: h.keptRecords}}
	for _, k := range keptKinds {
		shown := func(v *visit) (*page, error) { return h.keptRecord(v, k) }
		keep := func(v *visit) (string, string, error) { return h.keepRecord(v, k) }
		all = append(all, both(k.path+"/new", "console-operator-record-new", shown, keep)...)
		all = append(all, both(k.path+"/{id}", "console-operator-record", shown, keep)...)
	}
	return append(all, both("/calendar", "console-operator-calendar", h.keptCalendar, h.keepCalendar)...)
}

// keptRecords lists one kind of what the operator keeps.
func (h *site) keptRecords(v *visit) (*page, error) {
	kinds := []string{string(enrolment.CompanyRecord), string(enrolment.PartnerIDRecord), calendarShown, "texts"}
	show := v.chosen("kind", kinds...)
	labels := []string{keptKinds[0].label, keptKinds[1].label, "console-operator.records.calendar", "console-operator.records.texts"}
	f := filters{Printer: v.Printer, Action: recordsPath}
	for n, kind := range kinds {
		f.Tabs = append(f.Tabs, tab{v.T(labels[n]), v.query("kind", kind, cursorUse, "", "format", ""), kind == show})
	}
	p := v.page("console-operator.records")
	p.Template, p.Parent = "customers", &action{Label: v.T("console.menu.operator"), Href: operatorPath}
	var t table
	var err error
	switch show {
	case "texts":
		t, err = h.publishedTexts(v)
	case calendarShown:
		t, err = h.daysOff(v)
		p.Primary = &action{Label: v.T("console-operator.records.calendar.change"), Href: recordsPath + "/calendar"}
	default:
		k := keptKinds[slices.Index(kinds, show)]
		t, err = h.recordTable(v, k)
		p.Primary = &action{Label: v.T(k.add), Href: recordsPath + k.path + "/new"}
	}
	if err != nil {
		return nil, err
	}
	t.CSV = v.query("format", "csv")
	if v.exports() {
		v.export("records", t)
		return nil, nil
	}
	p.Content = listing{f, t}
	return p, nil
}

// recordTable lists records of a kind in the order of their ids; those out of use too.
func (h *site) recordTable(v *visit, k kept) (table, error) {
	found, pages, err := collect(v, func(after string, limit int) ([]enrolment.Record, string, error) {
		page, err := h.Records.List(v.ctx(), v.user, k.kind, limit, after)
		return page.Records, page.Next, err
	})
	t := table{Printer: v.Printer, Caption: v.T(k.label), Pager: pages, Empty: &empty{Title: v.T("console-operator.records.none"),
		Text: v.T("console-operator.records.none.text"), Next: &action{Label: v.T(k.add), Href: recordsPath + k.path + "/new"}}}
	if k.kind == enrolment.CompanyRecord {
		t.Columns = []column{{Label: v.T("console-enrol.duns")}, {Label: v.T("console.column.company")}, {Label: v.T("console.column.country")},
			{Label: v.T("console.column.status")}}
	} else {
		t.Columns = []column{{Label: v.T("console-partner.partner-id")}, {Label: v.T("console.column.company")},
			{Label: v.T("console.column.country")}, {Label: v.T("console.column.kind")}, {Label: v.T("console.column.status")}}
	}
	for _, r := range found {
		is := pill{good, v.T("console-operator.records.used")}
		if r.Retired {
			is = pill{plainState, v.T("console-operator.records.retired")}
		}
		cells := []cell{{Text: r.ID, Href: recordsPath + k.path + "/" + r.ID}}
		if k.kind == enrolment.CompanyRecord {
			cells = append(cells, cell{Text: r.Company.Name}, cell{Text: v.Country(r.Company.Address.Country)})
		} else {
			cells = append(cells, cell{Text: r.Location.Name}, cell{Text: v.Country(r.Location.Country)}, cell{Text: v.T(locationKeys[r.Location.Type])})
		}
		t.Rows = append(t.Rows, row{Cells: append(cells, cell{Pill: &is})})
	}
	return t, err
}

var locationKeys = map[string]string{partner.Location: "console-operator.records.location", partner.Headquarters: "console-operator.records.headquarters"}

// calendar gives that of the operator; an empty record of version 0 where it has not said anything yet.
func (h *site) calendar(v *visit) (enrolment.Record, error) {
	r, err := h.Records.Record(v.ctx(), v.user, enrolment.CalendarRecord, enrolment.VettingCalendar)
	if problem.Is(err, problem.NotFound) {
		return enrolment.Record{}, nil
	}
	return r, err
}

func (h *site) daysOff(v *visit) (table, error) {
	r, err := h.calendar(v)
	t := table{Printer: v.Printer, Caption: v.T("console-operator.records.calendar"),
		Columns: []column{{Label: v.T("console-operator.records.day")}, {Label: v.T("console.column.kind")}}}
	for _, day := range r.Calendar.Days() {
		t.Rows = append(t.Rows, row{Cells: []cell{{Text: v.weekday(day)}, {Text: v.T("console-operator.records.weekend")}}})
	}
	for _, day := range r.Calendar.Holidays {
		t.Rows = append(t.Rows, row{Cells: []cell{{Text: day}, {Text: v.T("console-operator.records.holiday")}}})
	}
	return t, err
}

// publishedTexts lists the versions of what people attest and sign. A version never changes, and new ones come with a
// deployment.
func (h *site) publishedTexts(v *visit) (table, error) {
	t := table{Printer: v.Printer, Caption: v.T("console-operator.records.texts"), Columns: []column{
		{Label: v.T("console.column.what")}, {Label: v.T("console-operator.records.version")}, {Label: v.T("console-operator.records.language")},
		{Label: v.T("console.column.country")}, {Label: v.T("console-operator.since")}},
		Empty: &empty{Title: v.T("console-operator.records.texts.none"), Text: v.T("console-operator.records.texts.none.text")}}
	for _, kind := range terms.Types {
		all, err := h.Customers.Texts.Texts(v.ctx(), kind)
		if err != nil {
			return t, err
		}
		slices.SortStableFunc(all, func(a, b terms.Text) int { return b.From.Compare(a.From) })
		for _, x := range all {
			countries := make([]string, 0, len(x.Countries))
			for _, c := range x.Countries {
				countries = append(countries, v.Country(c))
			}
			t.Rows = append(t.Rows, row{Cells: []cell{{Text: v.T(textKeys[kind]), Note: x.Title}, {Text: x.Version}, {Text: x.Language},
				{Text: cmp.Or(strings.Join(countries, " · "), v.T("console-operator.records.everywhere"))}, {Time: v.day(x.From)}}})
		}
	}
	return t, nil
}

var textKeys = map[terms.Type]string{
	terms.RelationshipRemoval: "console-operator.text.relationship-removal", terms.PartnershipRemoval: "console-operator.text.partnership-removal",
	terms.CustomerAgreement: "console-operator.text.customer-agreement", terms.PartnerAgreement: "console-operator.text.partner-agreement",
}

// keptRecord is the form of a record; of a new one for a path without an id.
func (h *site) keptRecord(v *visit, k kept) (*page, error) {
	var r enrolment.Record
	id := v.r.PathValue("id")
	title := k.add
	if id != "" {
		var err error
		if r, err = h.Records.Record(v.ctx(), v.user, k.kind, id); err != nil {
			return nil, err
		}
		title = k.label
	}
	p, a := v.page(title), &application{}
	if id != "" {
		p.Title = cmp.Or(r.Company.Name, r.Location.Name, r.ID)
	}
	p.Template, p.Content = "enrolment", a
	p.Parent = &action{Label: v.T(k.label), Href: recordsPath + "?kind=" + string(k.kind)}
	v.recordHistory(p, a, r)
	a.Form, a.Hidden = true, v.hiddenOf(r.Version)
	if id == "" {
		field := v.input("text", k.id, v.T(idLabels[k.kind]), "")
		a.Fields = append(a.Fields, field)
	} else {
		a.Facts = append([]fact{{Label: v.T(idLabels[k.kind]), Value: r.ID}}, a.Facts...)
	}
	name := v.input("text", "name", v.T("console.column.company"), cmp.Or(r.Company.Name, r.Location.Name))
	a.Fields = append(a.Fields, name)
	if k.kind == enrolment.CompanyRecord {
		a.Fields = append(a.Fields, v.addressFields("address-", r.Company.Address)...)
	} else {
		a.Fields = append(a.Fields, v.locationFields(r.Location)...)
	}
	if id != "" {
		out := v.input("check", "retired", v.T("console-operator.records.retire"), "")
		out.Hint, out.Checked = v.T("console-operator.records.retire.hint"), v.form.on("retired") || v.form.values == nil && r.Retired
		a.Fields = append(a.Fields, out)
	}
	why := v.reasoned()
	why.Optional = true
	a.Fields = append(a.Fields, why)
	a.Buttons = []action{{Label: v.T("console-operator.save"), Do: "save"}}
	return p, nil
}

var idLabels = map[enrolment.RecordKind]string{enrolment.CompanyRecord: "console-enrol.duns", enrolment.PartnerIDRecord: "console-partner.partner-id"}

func (v *visit) locationFields(l enrolment.Location) []field {
	kind := v.input("select", "type", v.T("console.column.kind"), cmp.Or(l.Type, partner.Location))
	for _, t := range []string{partner.Location, partner.Headquarters} {
		kind.Options = append(kind.Options, option{Value: t, Label: v.T(locationKeys[t]), Selected: t == kind.Value})
	}
	countries := v.input("select", "country", v.T("console.column.country"), l.Country)
	countries.Options = []option{{Value: "", Label: v.T("console-enrol.choose")}}
	for code, name := range v.Countries() {
		countries.Options = append(countries.Options, option{Value: code, Label: name, Selected: code == countries.Value})
	}
	tenant := v.input("text", "tenantId", v.T("console-operator.tenant"), string(l.Tenant))
	tenant.Optional, tenant.Hint = true, v.T("console-operator.records.tenant.hint")
	return []field{kind, countries, tenant}
}

// recordHistory says who changed a record last, and why.
func (v *visit) recordHistory(p *page, a *application, r enrolment.Record) {
	n := len(r.History)
	if n == 0 {
		return
	}
	last := r.History[n-1]
	p.Changed = &moment{Title: v.T("console-operator.records.changed"), Who: v.whoChanged(last.By), Time: v.at(last.At)}
	a.Facts = append(a.Facts, fact{Label: v.T("console-operator.records.changed"), Time: v.at(last.At)})
	if last.Why != "" {
		a.Facts = append(a.Facts, fact{Label: v.T("console-operator.last"), Value: last.Why})
	}
}

// whoChanged says who of the operator changed something.
func (v *visit) whoChanged(subject string) string {
	if subject == v.user.Subject {
		return v.T("console.actor.you")
	}
	return v.T("console.role.operator")
}

// keepRecord makes or changes a record, or takes it out of use.
func (h *site) keepRecord(v *visit, k kept) (to, said string, err error) {
	f, id := v.form, v.r.PathValue("id")
	st := enrolment.Statement{Name: f.text("name"), Retired: f.on("retired"), Why: f.text("reason")}
	if k.kind == enrolment.CompanyRecord {
		st.Address = f.address("address-")
	} else {
		st.Type, st.Country, st.Tenant = f.text("type"), f.text("country"), f.text("tenantId")
	}
	if id != "" {
		_, _, err = h.Records.Put(v.ctx(), v.command(), k.kind, id, st)
		return recordsPath + k.path + "/" + id, "console-operator.did.saved", flat(err)
	}
	id = f.text(k.id)
	if !enrolment.Possible(k.kind, id) {
		var findings problem.Findings
		findings.Add("/"+k.id, problem.ValidationFailed, "There can be no record of this id.")
		return "", "", findings.Err()
	}
	_, created, err := h.Records.Put(v.ctx(), v.command(), k.kind, id, st)
	if problem.Is(err, problem.PreconditionRequired) || err == nil && !created {
		// Somebody keeps it already: it is looked at before it is written over.
		return recordsPath + k.path + "/" + id, "console-operator.records.there", nil
	}
	return recordsPath + k.path + "/" + id, "console-operator.did.saved", flat(err)
}

// weekdays are the words of the days of the week, from Sunday on.
var weekdays = []string{"console-operator.day.sunday", "console-operator.day.monday", "console-operator.day.tuesday",
	"console-operator.day.wednesday", "console-operator.day.thursday", "console-operator.day.friday", "console-operator.day.saturday"}

func (v *visit) weekday(d time.Weekday) string { return v.T(weekdays[d]) }

// keptCalendar is the form of the days on which nobody decides about applications (rule E14).
func (h *site) keptCalendar(v *visit) (*page, error) {
	r, err := h.calendar(v)
	if err != nil {
		return nil, err
	}
	p, a := v.page("console-operator.records.calendar"), &application{}
	p.Template, p.Content = "enrolment", a
	p.Parent = &action{Label: v.T("console-operator.records"), Href: recordsPath + "?kind=" + calendarShown}
	v.recordHistory(p, a, r)
	a.Text = []string{v.T("console-operator.records.calendar.text")}
	a.Form, a.Hidden = true, v.hiddenOf(r.Version)
	off := r.Calendar.Days()
	for day, name := range enrolment.Weekdays {
		box := v.input("check", "weekend-"+name, v.weekday(time.Weekday(day)), "")
		box.Checked = v.form.on(box.Name) || v.form.values == nil && slices.Contains(off, time.Weekday(day))
		a.Fields = append(a.Fields, box)
	}
	if fault := v.fault("weekend"); fault != "" {
		a.Fields[0].Fault = fault
	}
	days := v.input("textarea", "holidays", v.T("console-operator.records.holidays"), strings.Join(r.Calendar.Holidays, "\n"))
	days.Rows, days.Optional, days.Hint = 8, true, v.T("console-operator.records.holidays.hint")
	why := v.reasoned()
	why.Optional = true
	a.Fields = append(a.Fields, days, why)
	a.Buttons = []action{{Label: v.T("console-operator.save"), Do: "save"}}
	return p, nil
}

func (h *site) keepCalendar(v *visit) (to, said string, err error) {
	st := enrolment.Statement{Holidays: strings.Fields(v.form.text("holidays")), Why: v.form.text("reason")}
	for _, name := range enrolment.Weekdays {
		if v.form.on("weekend-" + name) {
			st.Weekend = append(st.Weekend, name)
		}
	}
	_, _, err = h.Records.Put(v.ctx(), v.command(), enrolment.CalendarRecord, enrolment.VettingCalendar, st)
	return recordsPath + "?kind=" + calendarShown, "console-operator.did.saved", err
}
