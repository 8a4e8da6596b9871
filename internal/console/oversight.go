package console

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"concord/internal/batch"
	"concord/internal/commerce"
	"concord/internal/due"
	"concord/internal/enrolment"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/oversight"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/registry"
	"concord/internal/webhook"
)

const (
	reportsPath = operatorPath + "/reports"
	findPath    = operatorPath + "/find"
	openedPath  = operatorPath + "/opened"
	healthPath  = operatorPath + "/health"
)

// oversightRoutes are the pages of what the operator sees of all partners.
func (h *site) oversightRoutes() []route {
	who := audience{operation: partner.OperatePartners}
	get := func(path, name string, serve func(*visit) (*page, error)) route {
		return route{method: http.MethodGet, path: "/operator" + path, page: "console-operator" + name, who: who, serve: serve}
	}
	post := func(path, name string, shown func(*visit) (*page, error), do func(*visit) (string, string, error)) route {
		return route{method: http.MethodPost, path: "/operator" + path, page: "console-operator" + name, who: who, serve: h.act(shown, do)}
	}
	return []route{
		get("/reports", "-reports", h.reports),
		get("/reports/{id}", "-report", h.report), post("/reports/{id}", "-report", h.report, h.settleReport),
		get("/find", "-find", h.finding), post("/find", "-find", h.finding, h.find),
		get("/opened", "-opened", h.opened),
		get("/health", "-health", h.health),
	}
}

// reportKeys are what recipients say, and its reasons, in words.
var reportKeys = map[string]pill{
	"invitation.disputed":    {stop, "console-operator.report.disputed"},
	"invitation.reported":    {wait, "console-operator.report.reported"},
	"granularAdmin.reported": {wait, "console-operator.report.reported-roles"},
}

var reportReasons = map[string]string{
	"not-us": "page.dispute.reason.not-us", "not-authorised": "page.dispute.reason.not-authorised", "mistake": "page.dispute.reason.mistake",
	"unknown-company": "page.reason.unknown-company", "not-asked-for": "page.report.reason.not-asked-for",
	"impersonation": "page.report.reason.impersonation", "wrong-person": "page.report.reason.wrong-person",
}

func (v *visit) reportReason(word string) string {
	if key, ok := reportReasons[word]; ok {
		return v.T(key)
	}
	return cmp.Or(word, v.T("console.none"))
}

func (v *visit) settled(r oversight.Report) *pill {
	if r.Settlement != nil {
		return &pill{good, v.T("console-operator.report.settled")}
	}
	return &pill{wait, v.T("console-operator.report.open")}
}

// reports lists what recipients have disputed and reported, newest first.
func (h *site) reports(v *visit) (*page, error) {
	show := v.chosen("show", "open", "all")
	q := oversight.ReportQuery{Open: show == "open"}
	q.Partner, _ = partner.ParseTenantID(v.typed("partnerTenantId", 36))
	found, pages, err := collect(v, func(after string, limit int) ([]oversight.Report, string, error) {
		q.After, q.Limit = after, limit
		page, err := h.Reports.List(v.ctx(), v.user, q)
		return page.Reports, page.Next, err
	})
	if err != nil {
		return nil, err
	}
	t, err := h.reportTable(v, found)
	if err != nil {
		return nil, err
	}
	t.Pager, t.CSV = pages, v.query("format", "csv")
	if v.exports() {
		v.export("reports", t)
		return nil, nil
	}
	p := v.page("console-operator.reports")
	p.Template, p.Parent = "customers", &action{Label: v.T("console.menu.operator"), Href: operatorPath}
	f := filters{Printer: v.Printer, Action: reportsPath, Tabs: []tab{
		{v.T("console-operator.report.tab.open"), v.query("show", "", cursorUse, ""), show == "open"},
		{v.T("console.filter.all"), v.query("show", "all", cursorUse, ""), show == "all"}}}
	p.Content = listing{f, t}
	return p, nil
}

func (h *site) reportTable(v *visit, found []oversight.Report) (table, error) {
	t := table{Printer: v.Printer, Caption: v.T("console-operator.reports"), Columns: []column{
		{Label: v.T("console.column.what")}, {Label: v.T("console-operator.report.when")}, {Label: v.T("console-operator.report.about")},
		{Label: v.T("console.fact.reason")}, {Label: v.T("console.column.status")}},
		Empty: &empty{Title: v.T("console-operator.report.none"), Text: v.T("console-operator.report.none.text")}}
	var ids []partner.TenantID
	for _, r := range found {
		ids = append(ids, r.Partner)
	}
	names, err := h.manyNames(v, ids)
	for _, r := range found {
		what := reportKeys[r.Operation]
		t.Rows = append(t.Rows, row{Cells: []cell{{Pill: v.worded(what), Href: reportsPath + "/" + r.ID}, {Time: v.at(r.At)},
			{Text: names[r.Partner], Href: partnersPath + "/" + string(r.Partner)}, {Text: v.reportReason(r.Reason)}, {Pill: v.settled(r)}}})
	}
	return t, err
}

// manyNames gives what companies are called, read a hundred at once.
func (h *site) manyNames(v *visit, ids []partner.TenantID) (map[partner.TenantID]string, error) {
	names := map[partner.TenantID]string{}
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	for some := range slices.Chunk(ids, 100) {
		found, err := h.Partnerships.Accounts.AccountsOf(v.ctx(), some)
		if err != nil {
			return nil, err
		}
		for _, a := range found {
			names[a.Tenant] = a.DisplayName
		}
	}
	for _, id := range ids {
		names[id] = cmp.Or(names[id], string(id))
	}
	return names, nil
}

// report says what was disputed or reported, leads to what can be done, and asks what came of it.
func (h *site) report(v *visit) (*page, error) {
	r, err := h.Reports.Report(v.ctx(), v.user, v.r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	account, err := h.Accounts.Account(v.ctx(), r.Partner, false)
	if err != nil && !problem.Is(err, problem.NotFound) {
		return nil, err
	}
	p, a := v.page(reportKeys[r.Operation].Text), &application{}
	p.Template, p.Content = "enrolment", a
	p.Parent = &action{Label: v.T("console-operator.reports"), Href: reportsPath}
	p.Pill = v.settled(r)
	at := partnersPath + "/" + string(r.Partner)
	a.Facts = []fact{
		{Label: v.T("console-operator.report.when"), Time: v.at(r.At)},
		{Label: v.T("console-operator.report.about"), Value: cmp.Or(account.DisplayName, string(r.Partner)), Link: at},
		{Label: v.T("console.fact.reason"), Value: v.reportReason(r.Reason)},
		{Label: v.T("console-operator.report.request"), Value: r.ResourceID, Link: findPath + "?reference=" + url.QueryEscape(r.ResourceID)},
	}
	if r.Customer != "" {
		a.Facts = append(a.Facts, fact{Label: v.T("console.actor.customer"), Value: string(r.Customer)})
	}
	a.Links = []action{{Label: v.T("console-operator.find.open"), Href: findPath + "?reference=" + url.QueryEscape(r.ResourceID)}}
	for _, c := range accountChanges {
		if (c.do == "suspend" || c.do == "pause") && c.possible(account) {
			a.Links = append(a.Links, action{Label: v.T(c.label), Href: at + "/" + c.do})
		}
	}
	if s := r.Settlement; s != nil {
		a.Facts = append(a.Facts, fact{Label: v.T("console-operator.report.settled-at"), Time: v.at(s.At)},
			fact{Label: v.T("console-operator.report.note"), Value: s.Note})
		return p, nil
	}
	note := v.input("text", "note", v.T("console-operator.report.note"), "")
	note.Max, note.Hint = registry.MaxWhy, v.T("console-operator.report.note.hint")
	a.Form, a.Hidden, a.Fields = true, v.hiddenOf(r.Version), []field{note}
	a.Buttons = []action{{Label: v.T("console-operator.report.settle"), Do: "settle"}}
	return p, nil
}

func (h *site) settleReport(v *visit) (to, said string, err error) {
	_, err = h.Reports.Settle(v.ctx(), v.command(), v.r.PathValue("id"), v.form.said("note"))
	return reportsPath, "console-operator.report.did", err
}

var readingReasons = map[string]string{
	"recipient-asked": "console-operator.find.recipient-asked", "partner-asked": "console-operator.find.partner-asked",
	"report": "console-operator.find.report", "fault": "console-operator.find.fault", "authority": "console-operator.find.authority",
}

// seenElsewhere is what the operator has opened, as it is told from the form to the page; only who opened it reads it.
type seenElsewhere struct {
	Partner partner.TenantID
	ID      string
	After   string // where a search goes on that has found nothing yet
}

func (v *visit) openedName() string { return "opened\n" + v.user.Subject }

// finding asks for a reference, and why what it leads to is to be read.
func (h *site) finding(v *visit) (*page, error) {
	p, a := v.page("console-operator.find.title"), &application{}
	p.Template, p.Content = "enrolment", a
	p.Parent = &action{Label: v.T("console.menu.operator"), Href: operatorPath}
	a.Text = []string{v.T("console-operator.find.text")}
	var on seenElsewhere
	if _, err := h.room.Unseal(v.ctx(), v.openedName(), h.room.Use, v.r.URL.Query().Get("on"), &on); err != nil {
		return nil, err
	}
	reference := v.input("search", "reference", v.T("console.column.reference"), v.typed("reference", 64))
	reference.Hint = v.T("console-operator.find.hint")
	reason := choice{Printer: v.Printer, Name: "reason", Legend: v.T("console-operator.find.reason"), Hint: v.T("console-operator.find.audited"),
		Fault: v.fault("reason")}
	for _, word := range oversight.ReadingReasons {
		reason.Options = append(reason.Options, option{Value: word, Label: v.T(readingReasons[word]), Selected: v.value("reason", "") == word})
	}
	a.Form, a.Hidden, a.Choices = true, v.hiddenOf(0), []choice{reason}
	a.Fields = []field{reference}
	if on.After != "" {
		p.Notes = []note{{State: info, Text: []string{v.T("console-operator.find.on")}}}
		a.Fields = append(a.Fields, field{Kind: "hidden", Name: "on", Value: v.r.URL.Query().Get("on")})
	}
	a.Buttons = []action{{Label: v.T("console-operator.find.do"), Do: "read"}}
	return p, nil
}

// find leads to what a reference is of. What is a partner's own is opened after its audit says so.
func (h *site) find(v *visit) (to, said string, err error) {
	var on seenElsewhere
	if _, err := h.room.Unseal(v.ctx(), v.openedName(), h.room.Use, v.form.values.Get("on"), &on); err != nil {
		return "", "", err
	}
	found, next, err := h.Reading.Read(v.ctx(), v.user, oversight.Request{Reference: v.form.said("reference"), Reason: v.form.said("reason"),
		After: on.After, CorrelationID: correlationID()})
	if problem.Is(err, problem.NotFound) {
		var f problem.Findings
		f.Add("/reference", problem.ValidationFailed, "Nothing has this reference.")
		return "", "", f.Err()
	}
	if err != nil {
		return "", "", err
	}
	if len(found) == 0 {
		text, err := h.room.Seal(v.ctx(), v.openedName(), h.room.Use, seenElsewhere{After: next}, time.Hour)
		return findPath + "?" + url.Values{"reference": {v.form.text("reference")}, "on": {text}}.Encode(), "", err
	}
	switch one := found[0]; {
	case one.Enrolment != nil:
		return vettingPath + "/" + one.Enrolment.ID, "", nil
	case one.Account != nil:
		return partnersPath + "/" + string(one.Partner), "", nil
	}
	opened := make([]seenElsewhere, 0, len(found))
	for _, one := range found {
		o := seenElsewhere{Partner: one.Partner}
		if one.Invitation != nil {
			o.ID = one.Invitation.ID
		} else {
			o.ID = one.Granular.ID
		}
		opened = append(opened, o)
	}
	text, err := h.room.Seal(v.ctx(), v.openedName(), h.room.Use, opened, openFor)
	return openedPath + "?what=" + text, "console-operator.find.did", err
}

// openFor is how long what was opened can be looked at.
const openFor = 15 * time.Minute

// opened shows what was opened, which changes nothing and cannot be acted upon.
func (h *site) opened(v *visit) (*page, error) {
	var all []seenElsewhere
	if _, err := h.room.Unseal(v.ctx(), v.openedName(), h.room.Use, v.r.URL.Query().Get("what"), &all); err != nil {
		return nil, err
	}
	p := v.page("console-operator.opened")
	p.Parent = &action{Label: v.T("console-operator.find.title"), Href: findPath}
	if len(all) == 0 {
		p.Template, p.Content = "notice", []string{v.T("console-operator.opened.over")}
		return p, nil
	}
	var shown []seenForSupport
	for _, o := range all {
		one := seenForSupport{Partner: string(o.Partner), Path: partnersPath + "/" + string(o.Partner)}
		account, err := h.Accounts.Account(v.ctx(), o.Partner, false)
		if err == nil {
			one.Partner = account.DisplayName
		}
		i, err := h.Reading.Store.Invitation(v.ctx(), invitation.Key{Inviter: o.Partner, ID: o.ID}, false)
		if err == nil {
			v.openInvitation(&one, i)
		} else if g, err := h.Reading.Store.GranularRelationship(v.ctx(), granular.Key{Partner: o.Partner, ID: o.ID}, false); err == nil {
			v.openGranular(&one, g)
		} else {
			return nil, err
		}
		shown = append(shown, one)
	}
	p.Content = shown
	return p, nil
}

// seenForSupport is a request of a partner as the operator sees it.
type seenForSupport struct {
	Partner, Path, Title, ID string
	State                    *pill
	Facts                    []fact
	Timeline                 []moment
}

func (v *visit) openInvitation(one *seenForSupport, i invitation.Invitation) {
	one.Title, one.State, one.ID = v.T(kindWords[i.Kind].name), v.status(i), i.ID
	one.Facts = append(v.invitationFacts(i), v.answerFacts(i)...)
	for n := range one.Facts {
		one.Facts[n].Link = "" // they lead to pages of the partner
	}
	for _, e := range slices.Backward(i.Timeline(v.now)) {
		one.Timeline = append(one.Timeline, moment{Title: v.event(e.Action), Who: v.whoDid(e.Actor, ""), Note: e.Reason, Time: v.at(e.At),
			State: eventState(e.Action)})
	}
}

func (v *visit) openGranular(one *seenForSupport, g granular.Relationship) {
	one.Title, one.State, one.ID = g.DisplayName, v.worded(granularStates[g.Status]), g.ID
	one.Facts = v.granularFacts(g)
	for n := range one.Facts {
		one.Facts[n].Link = ""
	}
	for _, e := range slices.Backward(g.History) {
		one.Timeline = append(one.Timeline, v.granularMoment(e))
	}
}

var (
	dueKeys = map[due.Kind]string{
		invitation.DueKind: "console.invitations.title", granular.DueKind: "console.menu.administration", enrolment.DueKind: "console-operator.vetting",
		batch.DueKind: "console.menu.batches", commerce.DueKind: "console-operator.health.agreements", webhook.DueKind: "console-operator.health.webhooks",
	}
	queueKeys = map[oversight.QueueName]string{
		oversight.MailEvents: "console-operator.health.mail-events", oversight.Batches: "console.menu.batches",
		oversight.Webhooks: "console-operator.health.webhooks", oversight.Schedules: "console-operator.health.schedules",
		oversight.Cleanup: "console-operator.health.cleanup",
	}
)

// late is for how long something may be due before somebody should look: the schedule comes every five minutes.
const late = 15 * time.Minute

// health says whether the machines do their work: as much as is known, and nothing that is not.
func (h *site) health(v *visit) (*page, error) {
	c, err := h.Health.Condition(v.ctx(), v.user)
	if err != nil {
		return nil, err
	}
	p, a := v.page("console-operator.health"), &application{}
	p.Template, p.Content = "enrolment", a
	p.Parent = &action{Label: v.T("console.menu.operator"), Href: operatorPath}
	number := func(n int) string {
		if c.Backlog.More {
			return v.T("console-operator.health.least", "number", strconv.Itoa(n))
		}
		return strconv.Itoa(n)
	}
	a.Facts = []fact{{Label: v.T("console-operator.health.mails"), Value: number(c.Backlog.Mails)},
		{Label: v.T("console-operator.health.retried"), Value: number(c.Backlog.Retried)}}
	if c.Run.At.IsZero() {
		a.Facts = append(a.Facts, fact{Label: v.T("console-operator.health.run"), Value: v.T("console-operator.health.never")})
		p.Notes = append(p.Notes, note{State: wait, Text: []string{v.T("console-operator.health.never.text")}})
	} else {
		a.Facts = append(a.Facts, fact{Label: v.T("console-operator.health.run"), Time: v.at(c.Run.At)},
			fact{Label: v.T("console-operator.health.left"), Value: strconv.Itoa(c.Run.Left)})
		if v.now.Sub(c.Run.At) > late {
			p.Notes = append(p.Notes, note{State: stop, Text: []string{v.T("console-operator.health.late")}})
		}
	}
	waiting := table{Printer: v.Printer, Caption: v.T("console-operator.health.due"), Columns: []column{
		{Label: v.T("console.column.kind")}, {Label: v.T("console-operator.health.due.now"), Numeric: true}, {Label: v.T("console-operator.health.oldest")}}}
	for _, kind := range []due.Kind{invitation.DueKind, granular.DueKind, enrolment.DueKind, batch.DueKind, webhook.DueKind, commerce.DueKind} {
		w := c.Backlog.Kinds[kind]
		oldest := cell{Text: v.T("console.none")}
		if w.Due > 0 {
			oldest = cell{Time: v.at(w.Oldest)}
		}
		waiting.Rows = append(waiting.Rows, row{Cells: []cell{{Text: v.T(dueKeys[kind])}, {Text: number(w.Due)}, oldest}})
	}
	in := table{Printer: v.Printer, Caption: v.T("console-operator.health.queues"), Columns: []column{{Label: v.T("console-operator.health.queue")},
		{Label: v.T("console-operator.health.queued"), Numeric: true}, {Label: v.T("console-operator.health.dead"), Numeric: true},
		{Label: v.T("console.column.status")}}}
	for _, q := range c.Queues {
		is := pill{good, v.T("console-operator.health.fine")}
		if q.Dead > 0 {
			is = pill{stop, v.T("console-operator.health.look")}
		}
		in.Rows = append(in.Rows, row{Cells: []cell{{Text: v.T(queueKeys[q.Name])}, {Text: strconv.Itoa(q.Queued)}, {Text: strconv.Itoa(q.Dead)}, {Pill: &is}}})
	}
	a.Tables = []table{waiting, in}
	a.Links = []action{{Label: v.T("console-operator.suppressions"), Href: operatorPath + "/suppressions"},
		{Label: v.T("console-operator.reports"), Href: reportsPath}}
	p.Live = 30
	return p, nil
}
