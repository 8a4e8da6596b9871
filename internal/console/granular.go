package console

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"concord/internal/command"
	"concord/internal/emailaddr"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/locale"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/problem"
)

func (h *site) granularRoutes() []route {
	read, change := audience{operation: partner.ReadGranular}, audience{operation: partner.AdministerGranularly}
	return []route{
		{method: http.MethodGet, path: "/administration", page: "console-granular", section: "console.menu.administration",
			who: read, serve: h.granulars},
		{method: http.MethodGet, path: "/administration/new", page: "console-granular-new", who: change,
			serve: func(v *visit) (*page, error) { return h.granularNew(v, nil) }},
		{method: http.MethodPost, path: "/administration/new", page: "console-granular-new", who: change,
			serve: h.askGranular},
		{method: http.MethodGet, path: "/administration/{id}", page: "console-granular-one", who: read,
			serve: h.granularOne},
		{method: http.MethodPost, path: "/administration/{id}", page: "console-granular-one", who: change,
			serve: h.act(h.granularOne, h.changeGranular)},
		{method: http.MethodGet, path: "/administration/{id}/end", page: "console-granular-end", who: change,
			serve: h.endingGranular},
		{method: http.MethodPost, path: "/administration/{id}/end", page: "console-granular-end", who: change,
			serve: h.act(h.endingGranular, h.endGranular)},
	}
}

const granularRoot = root + "/administration"

func granularPath(id string) string { return granularRoot + "/" + id }

var (
	granularStates = map[granular.Status]pill{
		granular.Created: {plainState, "console.status.draft"}, granular.Pending: {wait, "console.status.pending"},
		granular.Active: {good, "console.relationship.active"}, granular.Expired: {plainState, "console.status.expired"},
		granular.Terminated: {plainState, "console.relationship.removed"},
	}
	granularEvents = map[string]pill{
		"created": {plainState, "console.event.created"}, "changed": {plainState, "console.event.changed"},
		"approvalPending": {wait, "console-granular.event.locked"}, "approved": {good, "console-granular.event.approved"},
		"active": {good, "console-granular.event.active"}, "extended": {info, "console.event.extended"},
		"expired": {plainState, "console.event.expired"}, "terminated": {plainState, "console-granular.event.ended"},
		"deleted": {plainState, "console.event.cancelled"}, "sent": {wait, "console.event.sent"}, "mailed": {info,
			"console.event.mailed"},
		"mailFailed": {stop, "console.event.failed"}, "reminded": {plainState, "console.event.reminded"},
		"noticeFailed": {stop, "console.event.notice-failed"}, "reported": {stop, "console.event.reported"},
		"mailAllowed": {plainState, "console.event.allowed"}, "delivered": {good, "console.event.delivered"},
		"delayed": {wait, "console.event.delayed"}, "bounced": {stop, "console.event.bounced"}, "rejected": {stop,
			"console.event.rejected"},
		"suppressed": {stop, "console.event.suppressed"}, "complained": {stop, "console.event.complained"},
		"narrowed": {plainState, "console-granular.event.narrowed"},
		"assigned": {plainState, "console-granular.event.assigned"}, "assignmentChanged": {plainState, "console-granular.event.assigned"},
		"assignmentDeleted": {plainState, "console-granular.event.assigned"},
	}
	granularReasons = map[string]string{
		granular.Rejected: "console-granular.reason.rejected", granular.Withdrawn: "console-granular.reason.withdrawn",
		"not approved": "console-granular.reason.unanswered",
	}
	// granularPassing are steps of a history that are never rested in.
	granularPassing = []string{"activating", "expiring", "terminationRequested", "terminating"}
)

// The tabs of the list: the status that each asks for.
var granularTabs = []struct {
	value, key, caption string
	status              granular.Status
}{
	{"active", "console.customers.tab.active", "console-granular.caption.active", granular.Active},
	{"approvalPending", "console.status.pending", "console-granular.caption.pending", granular.Pending},
	{"created", "console.status.draft", "console-granular.caption.created", granular.Created},
	{"all", "console.customers.tab.all", "console-granular.caption.all", ""},
}

// sortedAtMost is how many active relationships are read to put what ends first at the top.
const sortedAtMost = 400

// granulars lists granular administration: what is active by its end, and everything else with the newest first.
func (h *site) granulars(v *visit) (*page, error) {
	show := granularTabs[slices.Index([]string{"active", "approvalPending", "created", "all"}, v.chosen("status",
		"active", "approvalPending", "created", "all"))]
	q := granular.Query{Status: show.status}
	var err error
	if q.Customer, q.Also, err = h.customerFilter(v, "customerTenantId"); err != nil {
		return nil, err
	}
	read, more := h.granularReader(v, q)
	found, pages, err := collect(v, read)
	if err != nil {
		return nil, err
	}
	t := table{
		Printer: v.Printer, Caption: v.T(show.caption), Pager: pages, CSV: v.query("format", "csv"),
		Columns: []column{
			{Label: v.T("console.fact.name")}, {Label: v.T("console-granular.customer")},
			{Label: v.T("console-granular.roles")},
			{Label: v.T("console.column.status")}, {Label: v.T("console.column.delivery")},
			{Label: v.T("console-granular.ends")},
			{Label: v.T("console-invite.granular.extends")},
		},
		Empty: &empty{Title: v.T("console-granular.empty"), Text: v.T("console-granular.empty.text")},
	}
	for _, r := range found {
		t.Rows = append(t.Rows, h.granularRow(v, r))
	}
	if v.exports() {
		v.export("administration", t)
		return nil, nil
	}
	f := filters{Printer: v.Printer, Action: granularRoot}
	for _, one := range granularTabs {
		f.Tabs = append(f.Tabs, tab{v.T(one.key), v.query("status", one.value, cursorUse, "", "format", ""),
			one.value == show.value})
	}
	p := v.page("console.menu.administration")
	p.Primary = &action{Label: v.T("console-granular.new"), Href: granularRoot + "/new"}
	if !v.permitted(partner.AdministerGranularly) {
		p.Primary.Blocked = v.T("console.not-allowed.roles", "roles", v.role(partner.AdminAgent))
	}
	if *more {
		p.Notes = append(p.Notes, note{State: info, Text: []string{v.T("console-granular.over", "count",
			strconv.Itoa(sortedAtMost))}})
	}
	p.Content = listing{f, t}
	return p, nil
}

// granularReader gives pages of a list. What is active is read first, up to a bound, and given by its end; more tells
// that there was more.
func (h *site) granularReader(v *visit, q granular.Query) (read func(string, int) ([]granular.Relationship, string,
	error), more *bool) {
	more = new(bool)
	if q.Status != granular.Active {
		return func(after string, limit int) ([]granular.Relationship, string, error) {
			q.After, q.Limit = after, limit
			page, err := h.Granular.Relationships(v.ctx(), v.user, q)
			return page.Relationships, page.Next, err
		}, more
	}
	var sorted []granular.Relationship
	return func(after string, limit int) ([]granular.Relationship, string, error) {
		for q.Limit = atOnce; sorted == nil || q.After != "" && len(sorted) < sortedAtMost; {
			page, err := h.Granular.Relationships(v.ctx(), v.user, q)
			if err != nil {
				return nil, "", err
			}
			sorted, q.After = append(slices.Grow(sorted, 1), page.Relationships...), page.Next
		}
		*more = q.After != ""
		slices.SortFunc(sorted, func(a, b granular.Relationship) int {
			return cmp.Or(a.EndAt.Compare(b.EndAt),
				strings.Compare(a.ID, b.ID))
		})
		from, _ := strconv.Atoi(after)
		from = max(0, min(from, len(sorted)))
		to := min(len(sorted), from+limit)
		if to == len(sorted) {
			return sorted[from:], "", nil
		}
		return sorted[from:to], strconv.Itoa(to), nil
	}, more
}

func (h *site) granularRow(v *visit, r granular.Relationship) row {
	name := cmp.Or(r.CustomerName, r.Mail.To, string(r.Customer), v.T("console.none"))
	ends := cell{Text: v.T("console.none")}
	switch {
	case !r.EndAt.IsZero():
		ends = cell{Time: v.day(r.EndAt)}
	case r.Status == granular.Pending:
		ends = cell{Time: v.day(r.ApproveBy), Note: v.T("console-granular.answer-by")}
	}
	extends := v.T("console.no")
	if r.AutoExtend {
		extends = v.T("console.yes")
	}
	return row{Cells: []cell{
		{Text: r.DisplayName, Href: granularPath(r.ID)}, {Text: name}, h.rolesCell(v, r),
		{Pill: v.worded(granularStates[r.Status])},
		{Pill: v.granularDelivery(r)}, ends, {Text: extends},
	}}
}

// rolesCell says how many roles there are, in amber what is as strong as a Global administrator.
func (h *site) rolesCell(v *visit, r granular.Relationship) cell {
	if slices.Contains(r.Roles, h.Granular.Roles.GlobalAdministrator) {
		return cell{Pill: &pill{wait, v.role(partner.GlobalAdmin)}}
	}
	return cell{Text: strconv.Itoa(len(r.Roles))}
}

func (v *visit) granularDelivery(r granular.Relationship) *pill {
	d := outbox.Delivery(r.Delivery())
	key, ok := deliveryKeys[d]
	if !ok {
		return &pill{plainState, string(d)}
	}
	return &pill{deliveryStates[d], v.T(key)}
}

// roleGroups are all roles by what harm can be done with them, the riskiest first.
func roleGroups(v *visit, of granular.Table, chosen []string) (groups []roleGroup) {
	for _, one := range riskRows {
		group := roleGroup{Legend: v.T(one.legend), Hint: v.T(one.hint), Warns: one.risk == granular.GlobalRisk}
		for _, r := range of.Roles {
			if of.Risk(r) == one.risk {
				group.Roles = append(group.Roles, option{Value: r.ID, Label: r.Name, Selected: slices.Contains(chosen, r.ID)})
			}
		}
		groups = append(groups, group)
	}
	return groups
}

// roleSets are roles that a kind of work needs, by the names of the table.
var roleSets = []struct {
	value, key, hint string
	roles            []string
}{
	{"reading", "console-granular.set.reading", "console-granular.set.reading.hint",
		[]string{"Global Reader", "Security Reader", "Reports Reader", "Message Center Reader"}},
	{"helpdesk", "console-granular.set.helpdesk", "console-granular.set.helpdesk.hint",
		[]string{"Helpdesk Administrator", "Service Support Administrator", "Directory Readers", "Message Center Reader"}},
	{"users", "console-granular.set.users", "console-granular.set.users.hint",
		[]string{"User Administrator", "License Administrator", "Groups Administrator", "Directory Readers"}},
	{"workplace", "console-granular.set.workplace", "console-granular.set.workplace.hint",
		[]string{"Exchange Administrator", "SharePoint Administrator", "Teams Administrator", "Office Apps Administrator"}},
	{"devices", "console-granular.set.devices", "console-granular.set.devices.hint",
		[]string{"Intune Administrator", "Cloud Device Administrator"}},
	{"security", "console-granular.set.security", "console-granular.set.security.hint",
		[]string{"Security Administrator", "Compliance Administrator", "Security Reader"}},
	{"licensing", "console-granular.set.licensing", "console-granular.set.licensing.hint",
		[]string{"Billing Administrator", "License Administrator", "Service Support Administrator"}},
}

// inSets gives the ids of the roles of some sets and of some chosen one by one, each once.
func inSets(of granular.Table, sets, ids []string) []string {
	all := slices.Clone(ids)
	for _, set := range roleSets {
		if !slices.Contains(sets, set.value) {
			continue
		}
		for _, r := range of.Roles {
			if slices.Contains(set.roles, r.Name) {
				all = append(all, r.ID)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// askedAtOnce bounds how many customers one form asks: each takes a few reads and writes.
const askedAtOnce = 25

// fieldRoles are the boxes of accessDetails.unifiedRoles.
const fieldRoles = "unifiedRoles"

// seenAsking is the form of new granular administration.
type seenAsking struct {
	Path      string
	Hidden    *hidden
	Whom      []field
	Terms     []field
	Sets      []option
	Groups    []roleGroup
	RoleFault string
	Outcomes  *table // what became of each line of the form that was sent
	Blocked   string
}

func (h *site) granularNew(v *visit, done []result) (*page, error) {
	p := v.page("console-granular.new")
	p.Parent = &action{Label: v.T("console.menu.administration"), Href: granularRoot}
	c := seenAsking{Path: granularRoot + "/new", Hidden: v.hiddenOf(0)}
	if v.account.Status != partner.Active {
		c.Blocked = v.T("console.problem.partner-not-active")
	}
	customer := v.typed("customerTenantId", 36)
	whom := v.input("textarea", "recipientEmail", v.T("console-granular.whom"), v.typed("recipientEmail",
		emailaddr.MaxAddress))
	whom.Rows, whom.Hint, whom.Optional = 4, v.T("console-granular.whom.hint", "count", strconv.Itoa(askedAtOnce)), true
	tenant := v.input("text", "customer-tenantId", v.T("console-granular.tenant"), customer)
	tenant.Optional, tenant.Hint = true, v.T("console-granular.tenant.hint")
	tenant.Fault = v.fault("customer/tenantId")
	language := v.input("select", "locale", v.T("console-invite.new.language"), v.account.Locale)
	for _, tag := range locale.Tags {
		language.Options = append(language.Options, option{Value: tag.String(), Label: locale.For(tag).Name()})
	}
	c.Whom = []field{whom, tenant, language}
	name := v.input("text", "displayName", v.T("console-invite.granular.name"), "")
	name.Max, name.Hint = granular.MaxDisplayName, v.T("console-granular.name.hint")
	c.Terms = append([]field{name}, v.granularTerms("P180D", "P0D")...)
	sets := v.chosenIn("roleSet", nil)
	for _, set := range roleSets {
		c.Sets = append(c.Sets, option{Value: set.value, Label: v.T(set.key), Hint: v.T(set.hint),
			Selected: slices.Contains(sets, set.value)})
	}
	c.Groups = roleGroups(v, h.Granular.Roles, v.chosenIn(fieldRoles, nil))
	c.RoleFault = v.fault(fieldRoles)
	c.Outcomes = v.outcomes(done)
	p.Content = c
	return p, nil
}

// granularTerms are how long the roles last and whether they go on by themselves.
func (v *visit) granularTerms(lasting, extending string) []field {
	lasts := v.input("select", "duration", v.T("console-invite.granular.duration"), lasting)
	for _, s := range granularSpans {
		lasts.Options = append(lasts.Options, option{Value: s.value, Label: v.T(s.key)})
	}
	if !slices.ContainsFunc(lasts.Options, func(o option) bool { return o.Value == lasting }) {
		label := lasting
		if p, ok := granular.ParsePeriod(lasting); ok {
			label = v.period(p)
		}
		lasts.Options = append([]option{{Value: lasting, Label: label}}, lasts.Options...)
	}
	return []field{lasts, v.extending(extending)}
}

func (v *visit) extending(before string) field {
	f := v.input("select", "autoExtendDuration", v.T("console-invite.granular.extends"), before)
	f.Hint = v.T("console-invite.granular.extends.hint")
	f.Options = []option{{Value: "P0D", Label: v.T("console.no")}, {Value: "P180D", Label: v.T("console.yes")}}
	return f
}

// result is what became of one line of the form.
type result struct {
	to, why string
	made    granular.Relationship
	kept    bool // the line stays in the form
}

func (v *visit) outcomes(done []result) *table {
	if len(done) == 0 {
		return nil
	}
	t := &table{Printer: v.Printer, Caption: v.T("console-granular.outcome"), Columns: []column{
		{Label: v.T("console.column.recipient")}, {Label: v.T("console.column.status")},
		{Label: v.T("console.fact.reason")},
	}}
	for _, o := range done {
		status, at := &pill{stop, v.T("console-granular.outcome.not")}, ""
		if o.made.ID != "" {
			status, at = v.worded(granularStates[o.made.Status]), granularPath(o.made.ID)
		}
		t.Rows = append(t.Rows, row{Cells: []cell{{Text: o.to, Href: at}, {Pill: status}, {Text: cmp.Or(o.why,
			v.T("console.none"))}}})
	}
	return t
}

// asked is one line of the form: an address, and what the company is called.
type asked struct{ line, email, company string }

// askedOf reads the lines of the form; one empty one where it says nobody.
func askedOf(text string) (all []asked) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		parts := strings.FieldsFunc(line, func(r rune) bool { return r == ',' || r == ';' || r == '\t' })
		a := asked{line: line, email: strings.TrimSpace(strings.Join(parts[:min(1, len(parts))], ""))}
		if len(parts) > 1 {
			a.company = strings.TrimSpace(parts[1])
		}
		all = append(all, a)
	}
	if all == nil {
		all = []asked{{}}
	}
	return all
}

// askGranular carries out the form of new administration, for each customer by itself: what went well is not sent
// again, and the lines that did not stay in the form.
func (h *site) askGranular(v *visit) (*page, error) {
	var done []result
	shown := func(v *visit) (*page, error) { return h.granularNew(v, done) }
	return h.act(shown, func(v *visit) (to, said string, err error) {
		done, err = h.ask(v)
		if err != nil {
			return "", "", err
		}
		var left []string
		for _, o := range done {
			if o.kept {
				left = append(left, o.to)
			}
		}
		if failed := slices.ContainsFunc(done, func(o result) bool { return o.why != "" }); failed {
			v.form.values.Set("recipientEmail", strings.Join(left, "\n"))
			var f problem.Findings
			f.Add("/recipientEmail", problem.ValidationFailed, "%s", v.T("console-granular.some", "count",
				strconv.Itoa(len(left))))
			return "", "", f.Err()
		}
		if len(done) == 1 {
			return granularPath(done[0].made.ID), "console-granular.did.asked", nil
		}
		return granularRoot + "?status=approvalPending", "console-granular.did.asked", nil
	})(v)
}

// ask makes, locks and mails what each line asks for. What is wrong with the terms is wrong for all, and an error.
func (h *site) ask(v *visit) (done []result, err error) {
	f := v.form
	roles := inSets(h.Granular.Roles, f.values["roleSet"], f.values[fieldRoles])
	lines := askedOf(v.value("recipientEmail", ""))
	if len(lines) > askedAtOnce {
		var wrong problem.Findings
		wrong.Add("/recipientEmail", problem.ValidationFailed, "%s", v.T("console-granular.too-many", "count",
			strconv.Itoa(askedAtOnce)))
		return nil, wrong.Err()
	}
	for n, one := range lines {
		terms := granular.Proposal{DisplayName: f.said("displayName"), Duration: f.said("duration"),
			AutoExtendDuration: f.said("autoExtendDuration"), Roles: &roles}
		if len(lines) > 1 {
			terms.DisplayName = new(nameFor(*cmp.Or(f.said("displayName"), new(string)), one))
		}
		if tenant := f.said("customer-tenantId"); tenant != nil && *tenant != "" && len(lines) == 1 {
			terms.Customer = tenant
			if one.company != "" {
				terms.CustomerName = &one.company
			}
		}
		o, err := h.askOne(v, n, one, terms)
		if err != nil && n == 0 && !onLine(err) {
			return nil, v.reworded(moved(err, "/accessDetails", "", "/"+fieldRoles), granularFaults)
		}
		if err != nil {
			o.why = v.why(v.reworded(err, granularFaults))
			o.kept = o.made.ID == ""
			if problem.CodeOf(err) == "" || statusOf(problem.CodeOf(err)) >= http.StatusInternalServerError {
				return nil, err
			}
		}
		done = append(done, o)
	}
	return done, nil
}

// granularFaults are the sentences about fields that are wrong.
var granularFaults = map[string]string{
	"/displayName": "console-granular.problem.name", "/autoExtendDuration": "console-granular.problem.extend",
	"/" + fieldRoles: "console-granular.problem.roles", "/customer/tenantId": "console-granular.problem.tenant",
}

// onLine reports whether an error is about a recipient rather than about what all are asked for.
func onLine(err error) bool {
	refusal, ok := err.(*problem.Error) //nolint:errorlint // use cases give it as it is
	return ok && (len(refusal.Findings) == 0 && refusal.Code != problem.PartnerNotActive &&
		refusal.Code != problem.RoleNotPermitted ||
		slices.ContainsFunc(refusal.Findings, func(f problem.Finding) bool { return f.Pointer == "/recipientEmail" }))
}

// why says what stands against one line.
func (v *visit) why(err error) string {
	refusal, ok := err.(*problem.Error) //nolint:errorlint // use cases give it as it is
	switch {
	case !ok:
		return ""
	case len(refusal.Findings) > 0:
		return v.sentence(refusal.Findings[0].Code, refusal.Findings[0].Detail)
	}
	return v.refused(refusal)
}

// askOne makes one relationship and, where the form says so, has the customer asked. An address is looked at before
// anything is made.
func (h *site) askOne(v *visit, n int, one asked, terms granular.Proposal) (o result, err error) {
	o.to = cmp.Or(one.line, v.T("console.none"))
	c := v.command()
	c.IfVersion = 0
	sends := v.form.do() == "send"
	if one.email != "" || sends {
		if _, err := h.Granular.Addresses.Check(one.email); err != nil {
			var f problem.Findings
			f.Note("/recipientEmail", err)
			return o, f.Err()
		}
	}
	step := func(name string) command.Command {
		c := c
		if c.Key != "" {
			c.Key += "-" + name + "-" + strconv.Itoa(n)
		}
		c.Body += one.line
		return c
	}
	r, _, err := h.Granular.Create(v.ctx(), step("new"), terms)
	if err != nil {
		return o, err
	}
	if o.made = r; !sends {
		return o, nil
	}
	if r, _, err = h.Granular.Lock(v.ctx(), step("lock"), r.ID); err != nil {
		return o, err
	}
	o.made = r
	r, _, err = h.Granular.Send(v.ctx(), step("send"), r.ID, granular.Addressee{RecipientEmail: &one.email,
		Locale: v.form.said("locale")})
	if err == nil {
		o.made = r
	}
	return o, err
}

// nameFor makes the name of one of several relationships: each of a partner's has its own.
func nameFor(name string, one asked) string {
	_, domain, _ := strings.Cut(one.email, "@")
	whose := cmp.Or(one.company, strings.ReplaceAll(domain, ".", " "))
	whole := []rune(strings.TrimSpace(name) + " " + whose)
	return strings.TrimSpace(string(whole[:min(len(whole), granular.MaxDisplayName)]))
}

// seenGranular is one relationship.
type seenGranular struct {
	Path     string
	Hidden   *hidden
	Facts    []fact
	Groups   []roleGroup // what was asked for
	Timeline []moment
	Form     []field
	Title    string // of the form
	Text     string
	Buttons  []action
	End      *action
}

func (h *site) granularOne(v *visit) (*page, error) {
	r, err := h.Granular.Relationship(v.ctx(), v.user, v.r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	p := v.page("console-granular.title", "name", r.DisplayName)
	p.Parent = &action{Label: v.T("console.menu.administration"), Href: granularRoot}
	p.Pill = v.worded(granularStates[r.Status])
	c := seenGranular{Path: granularPath(r.ID), Hidden: v.hiddenOf(r.Version), Facts: v.granularFacts(r)}
	for _, g := range roleGroups(v, h.Granular.Roles, r.Roles) {
		g.Roles = slices.DeleteFunc(g.Roles, func(o option) bool { return !o.Selected })
		if len(g.Roles) > 0 {
			c.Groups = append(c.Groups, g)
		}
	}
	for _, e := range r.History {
		if !slices.Contains(granularPassing, e.Action) {
			c.Timeline = append([]moment{v.granularMoment(e)}, c.Timeline...)
		}
	}
	if len(c.Timeline) > 0 {
		p.Changed = &c.Timeline[0]
	}
	v.granularActions(r, &c)
	p.Content = c
	return p, nil
}

func (v *visit) granularFacts(r granular.Relationship) []fact {
	facts := []fact{{Label: v.T("console.column.status"), Pill: v.worded(granularStates[r.Status])}}
	add := func(key, value string) {
		if value != "" {
			facts = append(facts, fact{Label: v.T(key), Value: value})
		}
	}
	if key := granularReasons[r.Reason]; key != "" {
		add("console.fact.reason", v.T(key))
	}
	add("console-granular.customer", r.CustomerName)
	add("console-granular.tenant", string(r.Customer))
	add("console.column.recipient", r.Mail.To)
	if r.Mail.To != "" {
		facts = append(facts, fact{Label: v.T("console.column.delivery"), Pill: v.granularDelivery(r)})
	}
	add("console-invite.granular.duration", v.period(r.Duration))
	extends := v.T("console.no")
	if r.AutoExtend {
		extends = v.T("console.yes")
	}
	add("console-invite.granular.extends", extends)
	add("console.column.reference", r.Reference())
	for _, one := range []fact{
		{Label: v.T("console.column.created"), Time: v.at(r.CreatedAt)}, {Label: v.T("console-granular.answer-by"),
			Time: v.at(r.ApproveBy)},
		{Label: v.T("console-granular.event.approved"), Time: v.at(r.ActivatedAt)}, {Label: v.T("console-granular.ends"),
			Time: v.at(r.EndAt)},
	} {
		if one.Time != nil {
			facts = append(facts, one)
		}
	}
	if r.Invitation != "" {
		facts = append(facts, fact{Label: v.T("console-partner.invitation"), Value: v.T("console-partner.invitation.look"),
			Link: invitationPath(r.Invitation)})
	}
	return facts
}

// period says how long roles last, in the words of the page on which they are granted.
func (v *visit) period(p granular.Period) string {
	if p.Months > 0 {
		return v.T("page.granular.months", "n", p.Months)
	}
	return v.T("page.granular.days", "n", p.Days)
}

func (v *visit) granularMoment(e granular.Entry) moment {
	m := moment{Title: v.event(e.Action), Time: v.at(e.At), State: plainState}
	if known, ok := granularEvents[e.Action]; ok {
		m.Title, m.State = v.T(known.Text), known.State
	}
	m.Who = v.whoDid(map[granular.Actor]invitation.ActorKind{
		granular.ByPartner: invitation.ByUser, granular.ByCustomer: invitation.ByCustomer,
		granular.ByOperator: invitation.ByOperator,
		granular.BySchedule: invitation.BySystem,
	}[e.Actor], e.By)
	if key := granularReasons[e.Why]; key != "" {
		m.Note = v.T(key)
	}
	return m
}

// granularActions are what can be done in the state that there is, or why not.
func (v *visit) granularActions(r granular.Relationship, c *seenGranular) {
	var blocked string
	switch {
	case !v.permitted(partner.AdministerGranularly):
		blocked = v.T("console.not-allowed.roles", "roles", v.role(partner.AdminAgent))
	case v.account.Status != partner.Active:
		blocked = v.T("console.problem.partner-not-active")
	case r.Status == granular.Created && r.Invitation != "":
		blocked = v.T("console-granular.of-invitation")
	}
	button := func(key, do string, quiet bool) {
		c.Buttons = append(c.Buttons, action{Label: v.T(key), Do: do,
			Quiet: quiet, Blocked: blocked})
	}
	extending := map[bool]string{true: "P180D", false: "P0D"}[r.AutoExtend]
	ends := "console-granular.end"
	switch r.Status {
	case granular.Created:
		c.Title, c.Text, ends = v.T("console-granular.draft"), v.T("console-granular.draft.text"), "console-granular.delete"
		name := v.input("text", "displayName", v.T("console-invite.granular.name"), r.DisplayName)
		name.Max = granular.MaxDisplayName
		c.Form = append([]field{name}, v.granularTerms(r.Duration.String(), extending)...)
		button("console-granular.lock", "lockForApproval", false)
		button("console-invite.draft.save", "save", true)
	case granular.Pending:
		c.Title, c.Text, ends = v.T("console-granular.send.title"), v.T("console-granular.send.text"),
			"console-granular.withdraw"
		email := v.input("email", "recipientEmail", v.T("console.filter.recipient"), r.Mail.To)
		email.Max, email.Autocomplete = emailaddr.MaxAddress, "off"
		language := v.input("select", "locale", v.T("console-invite.new.language"), cmp.Or(r.Mail.Locale, v.account.Locale))
		for _, tag := range locale.Tags {
			language.Options = append(language.Options, option{Value: tag.String(), Label: locale.For(tag).Name()})
		}
		c.Form = []field{email, language}
		button("console-granular.send", "send", false)
	case granular.Active:
		c.Title, c.Text = v.T("console-granular.extend"), v.T("console-granular.extend.text")
		c.Form = []field{v.extending(extending)}
		button("console-invite.draft.save", "save", false)
	default:
		return
	}
	if blocked != "" {
		c.Form = nil
	}
	c.End = &action{Label: v.T(ends), Href: granularPath(r.ID) + "/end", Quiet: true}
	if !v.permitted(partner.AdministerGranularly) {
		c.End.Blocked = blocked
	}
}

// changeGranular does what the button says: it locks, mails, or saves other terms.
func (h *site) changeGranular(v *visit) (to, said string, err error) {
	id, c := v.r.PathValue("id"), v.command()
	switch v.form.do() {
	case "lockForApproval":
		_, _, err = h.Granular.Lock(v.ctx(), c, id)
		said = "console-granular.did.locked"
	case "send":
		_, _, err = h.Granular.Send(v.ctx(), c, id, granular.Addressee{RecipientEmail: v.form.said("recipientEmail"),
			Locale: v.form.said("locale")})
		said = "console-invite.did.sent"
	default:
		_, _, err = h.Granular.Revise(v.ctx(), c, id, granular.Proposal{
			DisplayName: v.form.said("displayName"), Duration: v.form.said("duration"),
			AutoExtendDuration: v.form.said("autoExtendDuration"),
		})
		said = "console.did.saved"
	}
	return granularPath(id), said, v.reworded(err, granularFaults)
}

// endingGranular asks whether roles are to end, an open request is to be withdrawn, or a draft deleted.
func (h *site) endingGranular(v *visit) (*page, error) {
	r, err := h.Granular.Relationship(v.ctx(), v.user, v.r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	p := v.page("console-granular.end.title", "name", r.DisplayName)
	p.Template = "confirm"
	p.Parent = &action{Label: v.T("console-granular.title", "name", r.DisplayName), Href: granularPath(r.ID)}
	if n := len(r.History); n > 0 {
		p.Changed = new(v.granularMoment(r.History[n-1]))
	}
	c := confirmation{
		Printer: v.Printer, Action: granularPath(r.ID) + "/end", Back: granularPath(r.ID), Danger: true,
		Facts: v.granularFacts(r), Hidden: v.hiddenOf(r.Version),
		Do: "terminate", Label: v.T("console-granular.end"), Text: []string{v.T("console-granular.end.text"),
			v.T("console-granular.end.stays")},
	}
	switch r.Status {
	case granular.Created:
		c.Do, c.Label, c.Text = "delete", v.T("console-granular.delete"), []string{v.T("console-granular.delete.text")}
	case granular.Pending:
		c.Label, c.Text = v.T("console-granular.withdraw"), []string{v.T("console-granular.withdraw.text")}
	case granular.Active:
	default:
		c.Blocked = []note{{State: info, Text: []string{v.T("console-granular.ended")}}}
	}
	p.Content = c
	return p, nil
}

func (h *site) endGranular(v *visit) (to, said string, err error) {
	id := v.r.PathValue("id")
	if v.form.do() == "delete" {
		_, err = h.Granular.Delete(v.ctx(), v.command(), id)
		return granularRoot + "?status=created", "console-granular.did.deleted", err
	}
	_, _, err = h.Granular.Terminate(v.ctx(), v.command(), id)
	return granularPath(id), "console-granular.did.ended", err
}
