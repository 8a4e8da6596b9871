package console

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"concord/internal/emailaddr"
	"concord/internal/enrolment"
	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/recipient"
	"concord/internal/registry"
)

const (
	operatorPath = root + "/operator"
	vettingPath  = operatorPath + "/vetting"
	partnersPath = operatorPath + "/partners"
)

func (h *site) operatorRoutes() []route {
	who := audience{operation: partner.OperatePartners}
	get := func(path, name string, serve func(*visit) (*page, error)) route {
		return route{method: http.MethodGet, path: "/operator" + path, page: "console-operator" + name, who: who, serve: serve}
	}
	post := func(path, name string, serve func(*visit) (*page, error)) route {
		return route{method: http.MethodPost, path: "/operator" + path, page: "console-operator" + name, who: who, serve: serve}
	}
	front := get("", "", h.operatorFront)
	front.section = "console.menu.operator"
	all := []route{
		front,
		get("/vetting", "-vetting", h.vettingQueue),
		get("/vetting/{id}", "-vetting-one", h.vettingOne),
		post("/vetting/{id}", "-vetting-one", h.act(h.vettingOne, h.decideVetting)),
		get("/partners", "-partners", h.partnerAccounts),
		get("/partners/new", "-partner-new", h.newPartner),
		post("/partners/new", "-partner-new", h.act(h.newPartner, h.createPartner)),
		get("/partners/{id}", "-partner", h.partnerAccount),
		post("/partners/{id}", "-partner", h.act(h.partnerAccount, h.changeQuota)),
		get("/suppressions", "-suppressions", h.suppressions),
		post("/suppressions", "-suppressions", h.findSuppressions),
	}
	for _, c := range accountChanges {
		shown := func(v *visit) (*page, error) { return h.changing(v, c) }
		all = append(all, get("/partners/{id}/"+c.do, "-partner-"+c.do, shown),
			post("/partners/{id}/"+c.do, "-partner-"+c.do,
				h.act(shown, func(v *visit) (string, string, error) { return h.changeAccount(v, c) })))
	}
	return all
}

// operatorFront says what waits for the operator: applications by when a decision is due, and partners whose sending is
// paused. Each is one page of a list, so that looking is cheap.
func (h *site) operatorFront(v *visit) (*page, error) {
	p, a := v.page("console.menu.operator"), &application{}
	p.Template, p.Content = "enrolment", a
	waiting, err := h.Enrolments.Enrolments(v.ctx(), v.user, enrolment.Query{Status: enrolment.InVetting, Limit: pageRows})
	if err != nil {
		return nil, err
	}
	paused, err := h.Registry.Accounts(v.ctx(), v.user, registry.Query{Sending: partner.SendingPaused, Limit: pageRows})
	if err != nil {
		return nil, err
	}
	queue := v.vettingTable(waiting.Enrolments)
	queue.Caption = v.T("console-operator.waiting")
	accounts := v.accountTable(paused.Accounts)
	accounts.Caption, accounts.Empty.Title = v.T("console-operator.paused"), v.T("console-operator.paused.none")
	accounts.Empty.Text, accounts.Empty.Next = v.T("console-operator.paused.none.text"), nil
	a.Tables = []table{queue, accounts}
	a.Links = []action{{Label: v.T("console-operator.vetting"), Href: vettingPath},
		{Label: v.T("console-operator.partners"), Href: partnersPath},
		{Label: v.T("console-operator.suppressions"), Href: operatorPath + "/suppressions"},
		{Label: v.T("console-operator.reports"), Href: reportsPath}, {Label: v.T("console-operator.find.title"), Href: findPath},
		{Label: v.T("console-operator.records"), Href: recordsPath}, {Label: v.T("console-operator.health"), Href: healthPath}}
	return p, nil
}

// vettingTable lists applications, those first whose decision is due first: what is overdue leads (rule E14).
func (v *visit) vettingTable(found []enrolment.Enrolment) table {
	slices.SortStableFunc(found, func(x, y enrolment.Enrolment) int {
		switch {
		case x.ReviewDueAt.IsZero() != y.ReviewDueAt.IsZero():
			return cmp.Compare(y.ReviewDueAt.Unix(), x.ReviewDueAt.Unix()) // those with a date lead
		default:
			return x.ReviewDueAt.Compare(y.ReviewDueAt)
		}
	})
	t := table{Printer: v.Printer, Caption: v.T("console-operator.vetting"), Columns: []column{
		{Label: v.T("console.column.company")}, {Label: v.T("console-enrol.fact.reference")}, {Label: v.T("console.column.country")},
		{Label: v.T("console.column.status")}, {Label: v.T("console-enrol.fact.due")}},
		Empty: &empty{Title: v.T("console-operator.vetting.none"), Text: v.T("console-operator.vetting.none.text")}}
	for _, e := range found {
		where := v.T("console.none")
		if e.Home() != "" {
			where = v.Country(e.Home())
		}
		due := cell{Time: v.day(e.ReviewDueAt), Text: v.T("console.none")}
		if e.OverdueAt(v.now) {
			due.Note = v.T("console-operator.overdue")
		}
		t.Rows = append(t.Rows, row{Cells: []cell{
			{Text: cmp.Or(e.Legal.Name, e.Reference()), Href: vettingPath + "/" + e.ID}, {Text: e.Reference()}, {Text: where},
			{Pill: v.worded(enrolmentStates[e.Status])}, due}})
	}
	return t
}

// vettingQueue lists applications by status, name and reference.
func (h *site) vettingQueue(v *visit) (*page, error) {
	statuses := []string{string(enrolment.InVetting), "all"}
	for _, s := range enrolment.Statuses {
		statuses = append(statuses, string(s))
	}
	show, search := v.chosen("status", statuses...), v.typed("search", 100)
	q := enrolment.Query{Text: search}
	if show != "all" {
		q.Status = enrolment.Status(show)
	}
	found, pages, err := collect(v, func(after string, limit int) ([]enrolment.Enrolment, string, error) {
		q.After, q.Limit = after, limit
		page, err := h.Enrolments.Enrolments(v.ctx(), v.user, q)
		return page.Enrolments, page.Next, err
	})
	if err != nil {
		return nil, err
	}
	t := v.vettingTable(found)
	t.Pager, t.CSV = pages, v.query("format", "csv")
	if v.exports() {
		v.export("vetting", t)
		return nil, nil
	}
	p := v.page("console-operator.vetting")
	p.Template, p.Parent = "list", &action{Label: v.T("console.menu.operator"), Href: operatorPath}
	states := v.input("select", "status", v.T("console.column.status"), show)
	states.Value, states.Options = show, []option{{Value: "all", Label: v.T("console.filter.any"), Selected: show == "all"}}
	for _, s := range enrolment.Statuses {
		states.Options = append(states.Options, option{Value: string(s), Label: v.T(enrolmentStates[s].Text),
			Selected: string(s) == show})
	}
	find := v.input("search", "search", v.T("console-operator.search.vetting"), search)
	find.Value = search
	f := filters{Printer: v.Printer, Action: vettingPath, Fields: []field{find, states}}
	if v.r.URL.RawQuery != "" {
		f.Clear = vettingPath
	}
	p.Template, p.Content = "customers", listing{f, t}
	return p, nil
}

var resultKeys = map[enrolment.Result]pill{
	enrolment.NotLooked: {wait, "console-operator.result.pending"}, enrolment.Flagged: {wait, "console-operator.result.flagged"},
	enrolment.Passed: {good, "console-operator.result.passed"}, enrolment.Failed: {stop, "console-operator.result.failed"},
}

// vettingOne shows the evidence of one application, and asks for the decision (rules E13, E14, E18).
func (h *site) vettingOne(v *visit) (*page, error) {
	e, err := h.Enrolments.Enrolment(v.ctx(), v.user, v.r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	p, a := v.page("console-operator.vetting.title", "company", cmp.Or(e.Legal.Name, e.Reference())), &application{}
	p.Template, p.Content = "enrolment", a
	p.Parent = &action{Label: v.T("console-operator.vetting"), Href: vettingPath}
	p.Pill = v.worded(enrolmentStates[e.Status])
	if e.OverdueAt(v.now) {
		p.Notes = append(p.Notes, note{State: stop, Text: []string{v.T("console-operator.overdue")}})
	}
	a.Facts = v.evidence(e)
	if n := len(e.Questions); n > 0 {
		q := e.Questions[n-1]
		a.Facts = append(a.Facts, fact{Label: v.T("console-enrol.asked"), Value: q.Text},
			fact{Label: v.T("console-operator.answered"), Value: cmp.Or(q.Answer, v.T("console.none"))})
	}
	if decidable := enrolment.Allowed(e.Status, enrolment.Approve) == nil; !decidable {
		a.Text = []string{v.T("console-enrol.not-now")}
		return p, nil
	}
	a.Form, a.Hidden = true, v.hiddenOf(e.Version)
	c := choice{Printer: v.Printer, Name: "decision", Legend: v.T("console-operator.decision"), Fault: v.fault("decision"),
		Options: []option{{Value: "approve", Label: v.T("console-operator.approve")},
			{Value: "reject", Label: v.T("console-operator.reject")},
			{Value: "needInformation", Label: v.T("console-operator.ask"), Hint: v.T("console-operator.ask.text")}}}
	for n, o := range c.Options {
		c.Options[n].Selected = v.value("decision", "") == o.Value
		if o.Value == "needInformation" && enrolment.Allowed(e.Status, enrolment.NeedInformation) != nil {
			c.Options[n].Blocked = v.T("console-enrol.not-now")
		}
	}
	why := v.input("textarea", "reason", v.T("console-operator.reason.contact"), "")
	why.Rows, why.Max, why.Optional = 3, enrolment.MaxReason, true
	a.Choices, a.Fields = []choice{c}, []field{why}
	a.Buttons = []action{{Label: v.T("console-operator.decide"), Do: "decide"}}
	return p, nil
}

// evidence is what is known of who applies.
func (v *visit) evidence(e enrolment.Enrolment) []fact {
	or := func(s string) string { return cmp.Or(s, v.T("console.none")) }
	id := ""
	if e.Location != nil {
		id = e.Location.ID
	}
	facts := []fact{{Label: v.T("console-enrol.fact.reference"), Value: e.Reference()},
		{Label: v.T("console-operator.tenant"), Value: string(e.Tenant)}, {Label: v.T("console-enrol.name"), Value: or(e.Legal.Name)},
		{Label: v.T("console-enrol.duns"), Value: or(e.Legal.DUNS)},
		{Label: v.T("console-enrol.step.address"), Value: or(v.written(e.Chosen()))},
		{Label: v.T("console-enrol.fact.contact"), Value: or(strings.TrimSpace(e.Contact.FirstName + " " + e.Contact.LastName))},
		{Label: v.T("console-enrol.email"), Value: or(e.Contact.Email)},
		{Label: v.T("console-enrol.phone"), Value: or(e.Contact.Phone)},
		{Label: v.T("console-partner.partner-id"), Value: or(id)}}
	if !e.ReviewDueAt.IsZero() {
		facts = append(facts, fact{Label: v.T("console-enrol.fact.due"), Time: v.at(e.ReviewDueAt)})
	}
	for _, r := range []struct {
		key string
		is  enrolment.Result
	}{{"console-operator.ownership", e.Vetting.EmailOwnership}, {"console-operator.employment", e.Vetting.Employment},
		{"console-operator.business", e.Vetting.Business}} {
		if r.is != "" {
			facts = append(facts, fact{Label: v.T(r.key), Pill: v.worded(resultKeys[r.is])})
		}
	}
	return facts
}

var decisions = map[string]enrolment.Action{"approve": enrolment.Approve, "reject": enrolment.Reject,
	"needInformation": enrolment.NeedInformation}

func (h *site) decideVetting(v *visit) (to, said string, err error) {
	id := v.r.PathValue("id")
	e, err := h.Enrolments.Enrolment(v.ctx(), v.user, id)
	if err != nil {
		return "", "", err
	}
	if err := enrolment.Allowed(e.Status, enrolment.Approve); err != nil {
		return "", "", err
	}
	decision, ok := decisions[v.form.text("decision")]
	if !ok {
		var f problem.Findings
		f.Add("/decision", problem.ValidationFailed, "The decision must be approve, reject or needInformation.")
		return "", "", f.Err()
	}
	_, _, err = h.Enrolments.Decide(v.ctx(), v.command(), id, enrolment.Decision{Action: decision,
		Reason: emailaddr.Clean(v.form.text("reason"))})
	return vettingPath, "console-operator.did.decided", err
}

var accountStates = map[partner.ProgramStatus]pill{
	partner.Pending: {wait, "console-operator.status.pending"}, partner.Active: {good, "console-enrol.status.active"},
	partner.Suspended: {stop, "console-operator.status.suspended"}, partner.Rejected: {plainState, "console-enrol.status.rejected"},
}

var operatorPauseKeys = map[string]string{partner.Complaints: "console-operator.pause.complaints",
	partner.Bounces: "console-operator.pause.bounces", partner.ByOperator: "console-operator.pause.operator"}

// pausedFor says why the sending of an account is paused.
func (v *visit) pausedFor(a partner.Account) string {
	if key, ok := operatorPauseKeys[a.Paused.Reason]; ok {
		return v.T(key)
	}
	return a.Paused.Reason
}

func (v *visit) accountTable(found []partner.Account) table {
	t := table{Printer: v.Printer, Caption: v.T("console-operator.partners"), Columns: []column{
		{Label: v.T("console.column.company")}, {Label: v.T("console.column.domain")}, {Label: v.T("console-partner.partner-id")},
		{Label: v.T("console.column.country")}, {Label: v.T("console.column.status")}, {Label: v.T("console-operator.sending")}},
		Empty: &empty{Title: v.T("console-operator.partners.none"), Text: v.T("console-operator.partners.none.text"),
			Next: &action{Label: v.T("console-operator.new"), Href: partnersPath + "/new"}}}
	for _, a := range found {
		sending := cell{Pill: &pill{good, v.T("console-enrol.status.active")}}
		if a.Paused != nil {
			sending = cell{Pill: &pill{wait, v.T("console-operator.paused.state")}, Note: v.pausedFor(a)}
		}
		t.Rows = append(t.Rows, row{Cells: []cell{{Text: a.DisplayName, Href: partnersPath + "/" + string(a.Tenant)},
			{Text: a.VerifiedDomain}, {Text: cmp.Or(a.AssociatedPartnerID, v.T("console.none"))}, {Text: v.Country(a.Country)},
			{Pill: v.worded(accountStates[a.Status])}, sending}})
	}
	return t
}

// partnerAccounts finds accounts by name, domain, PartnerID and tenant.
func (h *site) partnerAccounts(v *visit) (*page, error) {
	search := v.typed("search", 100)
	found, pages, err := collect(v, func(after string, limit int) ([]partner.Account, string, error) {
		page, err := h.Registry.Accounts(v.ctx(), v.user, registry.Query{Text: search, After: after, Limit: limit})
		return page.Accounts, page.Next, err
	})
	if err != nil {
		return nil, err
	}
	t := v.accountTable(found)
	t.Pager, t.CSV = pages, v.query("format", "csv")
	if v.exports() {
		v.export("partners", t)
		return nil, nil
	}
	p := v.page("console-operator.partners")
	p.Parent = &action{Label: v.T("console.menu.operator"), Href: operatorPath}
	p.Primary = &action{Label: v.T("console-operator.new"), Href: partnersPath + "/new"}
	find := v.input("search", "search", v.T("console-operator.search.partners"), search)
	find.Value = search
	f := filters{Printer: v.Printer, Action: partnersPath, Fields: []field{find}}
	if search != "" {
		f.Clear = partnersPath
	}
	p.Template, p.Content = "customers", listing{f, t}
	return p, nil
}

// partnerAccount is one account: what it is, how its mails are taken, and what the operator can do.
func (h *site) partnerAccount(v *visit) (*page, error) {
	x, err := h.Registry.Account(v.ctx(), v.user, v.r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	week, err := h.Reputation.Score(v.ctx(), x)
	if err != nil {
		return nil, err
	}
	p, a := v.page("console-operator.partner", "company", x.DisplayName), &application{}
	p.Template, p.Content = "enrolment", a
	p.Parent = &action{Label: v.T("console-operator.partners"), Href: partnersPath}
	p.Pill = v.worded(accountStates[x.Status])
	var roles []string
	for _, r := range x.Roles() {
		roles = append(roles, v.program(r))
	}
	a.Facts = []fact{{Label: v.T("console-operator.tenant"), Value: string(x.Tenant)},
		{Label: v.T("console-operator.role"), Value: strings.Join(roles, " · ")},
		{Label: v.T("console.column.country"), Value: v.Country(x.Country)},
		{Label: v.T("console.column.domain"), Value: x.VerifiedDomain}, {Label: v.T("console-enrol.email"), Value: x.Contact.Email},
		{Label: v.T("console-partner.partner-id"), Value: cmp.Or(x.AssociatedPartnerID, v.T("console.none"))},
		{Label: v.T("console-operator.week"), Value: v.T("console-operator.week.text", "sent", strconv.Itoa(week.Mails), "complaints",
			strconv.Itoa(week.Complaints), "bounces", strconv.Itoa(week.Bounces))}}
	if x.Paused != nil {
		p.Notes = append(p.Notes, note{State: wait, Title: v.T("console-operator.paused.state"), Text: []string{v.pausedFor(x)}})
	}
	if n := len(x.History); n > 0 && x.History[n-1].Why != "" {
		a.Facts = append(a.Facts, fact{Label: v.T("console-operator.last"), Value: x.History[n-1].Why})
	}
	for _, c := range accountChanges {
		if c.possible(x) {
			a.Links = append(a.Links, action{Label: v.T(c.label), Href: partnersPath + "/" + string(x.Tenant) + "/" + c.do})
		}
	}
	quota := v.input("number", "dailyMails", v.T("console-operator.quota"), strconv.Itoa(x.DailyMails))
	quota.Hint = v.T("console-operator.quota.hint")
	a.Form, a.Hidden, a.Fields = true, v.hiddenOf(x.Version), []field{quota, v.reasoned()}
	a.Buttons = []action{{Label: v.T("console-operator.save"), Do: "save"}}
	return p, nil
}

// reasoned asks for the reason of a change, which its history keeps.
func (v *visit) reasoned() field {
	f := v.input("text", "reason", v.T("console-operator.reason"), "")
	f.Max, f.Hint = registry.MaxWhy, v.T("console-operator.reason.hint")
	return f
}

func (h *site) changeQuota(v *visit) (to, said string, err error) {
	id := v.r.PathValue("id")
	n, err := strconv.Atoi(v.form.text("dailyMails"))
	if err != nil {
		n = -1 // no number is refused like a negative one
	}
	_, _, err = h.Registry.Change(v.ctx(), v.command(), id, registry.Particulars{DailyMails: &n, Why: v.form.said("reason")})
	return partnersPath + "/" + id, "console-operator.did.saved", err
}

// accountChange is something that stops a partner or lets it go on, on a page of its own and with a reason.
type accountChange struct {
	do, label, text string
	possible        func(partner.Account) bool
	status          partner.ProgramStatus
	sending         partner.Sending
}

var accountChanges = []accountChange{
	{"suspend", "console-operator.suspend", "console-operator.suspend.text",
		func(a partner.Account) bool { return a.Status == partner.Active }, partner.Suspended, ""},
	{"reinstate", "console-operator.reinstate", "console-operator.reinstate.text",
		func(a partner.Account) bool { return a.Status == partner.Suspended }, partner.Active, ""},
	{"pause", "console-operator.pause", "console-operator.pause.text", func(a partner.Account) bool { return a.Paused == nil }, "",
		partner.SendingPaused},
	{"resume", "console-operator.resume", "console-operator.resume.text",
		func(a partner.Account) bool { return a.Paused != nil }, "",
		partner.SendingActive},
	{"cancel-links", "console-operator.cancel", "console-operator.cancel.text",
		func(a partner.Account) bool { return a.Status == partner.Suspended }, "", ""},
}

func (h *site) changing(v *visit, c accountChange) (*page, error) {
	x, err := h.Registry.Account(v.ctx(), v.user, v.r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	back := partnersPath + "/" + string(x.Tenant)
	p := v.page(c.label)
	p.Template, p.Parent = "confirm", &action{Label: x.DisplayName, Href: back}
	f := confirmation{Printer: v.Printer, Action: v.r.URL.Path, Back: back, Do: c.do, Label: v.T(c.label),
		Text:  []string{v.T(c.text)},
		Facts: []fact{{Label: v.T("console.column.company"), Value: x.DisplayName}}, Hidden: v.hiddenOf(x.Version),
		Danger: c.do != "reinstate" && c.do != "resume"}
	if c.possible(x) {
		f.Fields = []field{v.reasoned()}
		if c.do == "cancel-links" {
			if err := h.sweeping(v, p, &f); err != nil {
				return nil, err
			}
		}
	} else {
		f.Blocked = []note{{State: info, Text: []string{v.T("console-operator.not-now")}}}
	}
	p.Content = f
	return p, nil
}

func (h *site) changeAccount(v *visit, c accountChange) (to, said string, err error) {
	id := v.r.PathValue("id")
	x, err := h.Registry.Account(v.ctx(), v.user, id)
	if err != nil {
		return "", "", err
	}
	if !c.possible(x) {
		return "", "", problem.New(problem.InvalidTransition, "The account is not in a state in which this could be done.")
	}
	why := v.form.said("reason")
	if why != nil && *why == "" {
		why = nil
	}
	to = partnersPath + "/" + id
	if c.do == "cancel-links" {
		return h.cancelLinks(v, id, why, to)
	}
	p := registry.Particulars{Why: why}
	if c.status != "" {
		p.Status = &c.status
	} else {
		p.Sending = &c.sending
	}
	_, _, err = h.Registry.Change(v.ctx(), v.command(), id, p)
	return to, "console-operator.did.saved", err
}

// sweep is how far the cancelling of a partner's open requests has come. The form that goes on brings it along.
type sweep struct {
	After, Why string
	Done       int
}

const sweepUse = "sweep"

func (v *visit) sweepName() string { return "sweep\n" + v.user.Subject + "\n" + v.r.PathValue("id") }

// How many requests one form looks at, and for how long it goes on at most: a page is answered within seconds.
const (
	sweepRows = 1000
	sweepTime = 15 * time.Second
)

// cancelLinks cancels the open requests of a suspended partner (domain, 0.43): as many as a page has time for. The page
// then says how many that were, and its form goes on from there.
func (h *site) cancelLinks(v *visit, id string, why *string, to string) (string, string, error) {
	var s sweep
	if _, err := h.room.Unseal(v.ctx(), v.sweepName(), h.room.Use, v.form.values.Get(sweepUse), &s); err != nil {
		return "", "", err
	}
	if s.After != "" {
		why = &s.Why
	}
	begun := time.Now()
	for range sweepRows / 100 {
		n, next, err := h.Clearing.Cancel(v.ctx(), v.user, invitation.Sweeping{Partner: id, Why: why, Limit: 100, After: s.After,
			CorrelationID: correlationID()})
		if err != nil {
			return "", "", err
		}
		s.Done, s.After = s.Done+n, next
		if next == "" {
			return to, "console-operator.did.cancelled", nil
		}
		if time.Since(begun) > sweepTime {
			break
		}
	}
	s.Why = *why
	text, err := h.room.Seal(v.ctx(), v.sweepName(), h.room.Use, s, 24*time.Hour)
	return to + "/cancel-links?" + sweepUse + "=" + url.QueryEscape(text), "", err
}

// sweeping has the page of a sweep that is not at its end say how far it is, and go on.
func (h *site) sweeping(v *visit, p *page, f *confirmation) error {
	text := v.r.URL.Query().Get(sweepUse)
	var s sweep
	if ok, err := h.room.Unseal(v.ctx(), v.sweepName(), h.room.Use, text, &s); !ok || err != nil {
		return err
	}
	p.Notes = append(p.Notes, note{State: info, Text: []string{v.T("console-operator.did.cancelled.some", "n", s.Done)}})
	f.Label = v.T("console-operator.cancel.on")
	f.Facts = append(f.Facts, fact{Label: v.T("console-operator.reason"), Value: s.Why})
	f.Fields = []field{{Kind: "hidden", Name: sweepUse, Value: text}}
	return nil
}

// newPartner asks for what an account needs at least; the rest is said later.
func (h *site) newPartner(v *visit) (*page, error) {
	p, a := v.page("console-operator.new"), &application{}
	p.Template, p.Content = "enrolment", a
	p.Parent = &action{Label: v.T("console-operator.partners"), Href: partnersPath}
	role := choice{Printer: v.Printer, Name: "programRole", Legend: v.T("console-operator.role"), Fault: v.fault("programRole")}
	for _, r := range []partner.ProgramRole{partner.DirectBill, partner.IndirectProvider, partner.IndirectReseller} {
		role.Options = append(role.Options, option{Value: string(r), Label: v.program(r),
			Selected: v.value("programRole", "") == string(r)})
	}
	cloud := v.input("select", "cloud", v.T("console-operator.cloud"), string(h.Clouds[0].ID))
	for _, c := range h.Clouds {
		cloud.Options = append(cloud.Options, option{Value: string(c.ID), Label: c.PortalName, Selected: cloud.Value == string(c.ID)})
	}
	countries := v.input("select", "country", v.T("console.column.country"), "")
	countries.Options = []option{{Value: "", Label: v.T("console-enrol.choose")}}
	for code, name := range v.Countries() {
		countries.Options = append(countries.Options, option{Value: code, Label: name, Selected: code == countries.Value})
	}
	a.Form, a.Hidden, a.Choices = true, v.hiddenOf(0), []choice{role}
	a.Fields = []field{v.input("text", "tenantId", v.T("console-operator.tenant"), ""),
		v.input("text", "displayName", v.T("console.column.company"), ""), cloud, countries,
		v.input("text", "verifiedDomain", v.T("console.column.domain"), ""),
		v.input("email", "contact-email", v.T("console-enrol.email"), "")}
	a.Buttons = []action{{Label: v.T("console-operator.new"), Do: "create"}}
	return p, nil
}

func (h *site) createPartner(v *visit) (to, said string, err error) {
	f := v.form
	a, _, err := h.Registry.Create(v.ctx(), v.command(), registry.Founding{Tenant: f.said("tenantId"),
		Role: new(partner.ProgramRole(f.text("programRole"))), Cloud: new(partner.CloudID(f.text("cloud"))),
		Country: f.said("country")},
		registry.Particulars{DisplayName: f.said("displayName"), VerifiedDomain: f.said("verifiedDomain"),
			Contact: &partner.Contact{Email: f.text("contact-email")}})
	return partnersPath + "/" + string(a.Tenant), "console-operator.did.saved", flat(err)
}

// suppressions asks for an address. It is sent in a form: what is in a URL ends in logs.
func (h *site) suppressions(v *visit) (*page, error) {
	p, a := v.page("console-operator.suppressions"), &application{}
	p.Template, p.Content = "enrolment", a
	p.Parent = &action{Label: v.T("console.menu.operator"), Href: operatorPath}
	a.Text = []string{v.T("console-operator.suppressions.text")}
	a.Form, a.Hidden = true, v.hiddenOf(0)
	a.Fields = []field{v.input("email", "address", v.T("console-enrol.email"), "")}
	a.Buttons = []action{{Label: v.T("console-operator.find"), Do: "search"}}
	return p, nil
}

// findSuppressions shows what keeps mail from an address, and lifts it where that is asked for.
func (h *site) findSuppressions(v *visit) (*page, error) {
	var found []recipient.ScopedSuppression
	shown := func(v *visit) (*page, error) {
		p, err := h.suppressions(v)
		if err != nil || v.form.obstacle != "" {
			return p, err
		}
		if v.form.refusal != nil && v.form.do() == "lift" {
			found, _ = h.Suppressions.Suppressions(v.ctx(), v.user, nil, v.form.said("address"))
		}
		if v.form.refusal == nil || len(found) > 0 {
			v.suppressed(p.Content.(*application), found)
		}
		return p, err
	}
	var refused error
	p, err := h.act(shown, func(v *visit) (string, string, error) {
		if v.form.do() == "lift" {
			scope, by := recipient.AllPartners, v.form.said("partnerTenantId")
			if by != nil && *by != "" {
				scope = recipient.OnePartner
			} else {
				by = nil
			}
			_, err := h.Suppressions.Remove(v.ctx(), v.user, recipient.Removal{Address: v.form.said("address"), Scope: &scope, Partner: by,
				Why: v.form.said("reason"), CorrelationID: correlationID()})
			return operatorPath + "/suppressions", "console-operator.did.lifted", err
		}
		if found, refused = h.Suppressions.Suppressions(v.ctx(), v.user, nil, v.form.said("address")); refused != nil {
			return "", "", refused
		}
		return "", "", errFound
	})(v)
	if err == errFound { //nolint:errorlint // it is the value of here
		return shown(v)
	}
	return p, err
}

// errFound says that a form is answered with its page: an address is not led to by a URL.
var errFound = problem.New(problem.NotFound, "The page is shown.")

// suppressed says what keeps mail from the address that was asked for, and offers to lift it.
func (v *visit) suppressed(a *application, found []recipient.ScopedSuppression) {
	if len(found) == 0 {
		a.Text = []string{v.T("console-operator.suppressions.none")}
		return
	}
	s := found[0]
	a.Facts = []fact{{Label: v.T("console-operator.since"), Time: v.at(s.At)},
		{Label: v.T("console-operator.cause"), Value: s.Reason}}
	whose := v.T("console-operator.scope.all")
	if s.Scope == recipient.OnePartner {
		whose = string(s.Partner)
	}
	a.Facts = append(a.Facts, fact{Label: v.T("console-operator.scope"), Value: whose})
	a.Fields = append(a.Fields, field{Kind: "hidden", Name: "partnerTenantId", Value: string(s.Partner)}, v.reasoned())
	a.Buttons = append([]action{{Label: v.T("console-operator.lift"), Do: "lift"}}, action{
		Label: v.T("console-operator.find"), Do: "search", Quiet: true})
}
