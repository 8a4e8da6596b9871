package console

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"concord/internal/command"
	"concord/internal/emailaddr"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/iso8601"
	"concord/internal/letter/markup"
	"concord/internal/locale"
	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/problem"
)

func (h *site) newRoutes() []route {
	change := audience{operation: partner.InviteCustomers}
	return []route{
		{
			method: http.MethodGet,
			path:   "/invitations/new",
			page:   "console-new-relationship",
			who:    change,
			serve:  h.newRelationship,
		},
		{method: http.MethodPost, path: "/invitations/new", page: "console-new-relationship", who: change,
			serve: h.act(h.newRelationship, h.create)},
	}
}

const newPath = root + "/invitations/new"

// The fields of granular administration, of which the API has an object.
const (
	fieldGranularName     = "granularAdmin-displayName"
	fieldGranularDuration = "granularAdmin-duration"
	fieldGranularExtends  = "granularAdmin-autoExtendDuration"
	fieldGranularRoles    = "granularAdmin-roles"
)

// asking are the fields of a request, in the order of the form.
var asking = []string{
	"kind", "providerTenantId", "actingRole", "customerTenantId", "recipientEmail", "recipientName", "locale", "requestDelegatedAdmin", "expiresIn",
	"reminders", "source", "sandbox", fieldGranularName, fieldGranularDuration, fieldGranularExtends, fieldGranularRoles,
}

// newForm is what is asked for, and of whom.
type newForm struct {
	Fields    []field // whom
	Kind      choice
	Terms     []field
	Admin     *choice
	AdminText string // in place of the choice, where there is none
	Granular  *granularForm
	Hidden    *hidden
	Path      string
}

// granularForm asks for roles beside the relationship, the riskiest apart.
type granularForm struct {
	Title, Text string
	Blocked     string // why it cannot be asked for
	Open        bool
	Fault       string
	Fields      []field
	Groups      []roleGroup
}

type roleGroup struct {
	Legend, Hint string
	Warns        bool
	Roles        []option
}

// newRelationship is the form of a request or, behind it, what would come of what it says.
func (h *site) newRelationship(v *visit) (*page, error) {
	typed, err := v.typedBefore()
	if err != nil {
		return nil, err
	}
	q := v.r.URL.Query()
	if v.r.Method != http.MethodPost && q.Has("as") {
		switch {
		case q.Get("step") == "mail":
			return nil, h.showMail(v, typed)
		case q.Get("step") == "check":
			return h.checked(v, typed)
		}
	}
	p := v.page("console-invite.new.title")
	p.Parent = &action{Label: v.T("console.invitations.title"), Href: root + "/invitations"}
	content := newForm{Hidden: v.hiddenOf(0), Path: newPath}
	if content.Kind, err = h.kindChoice(v, typed); err != nil {
		return nil, err
	}
	providers, err := h.providerField(v, typed)
	if err != nil {
		return nil, err
	}
	content.Fields = v.whom(typed, providers)
	if invitation.Kind(strings.Join(v.chosenIn("kind", typed), "")).AsksPartner() { // no customer's rights are asked for
		content.AdminText = v.T("console-invite.new.admin.partnership")
	} else {
		content.Admin, content.AdminText = v.administrationChoice(typed)
		content.Granular = v.granularForm(typed)
	}
	content.Terms = v.termFields(typed)
	p.Content = content
	return p, nil
}

// typedBefore gives what a form is filled with before anybody types: what was sealed behind it, or what a link presets.
func (v *visit) typedBefore() (url.Values, error) {
	q := v.r.URL.Query()
	typed := url.Values{}
	if q.Has("as") {
		if _, err := v.h.room.Unseal(v.ctx(), v.askName(), v.h.room.Use, q.Get("as"), &typed); err != nil {
			return nil, err
		}
		return typed, nil
	}
	for _, name := range []string{"kind", "providerTenantId", "customerTenantId", "recipientEmail"} {
		if s := v.typed(name, emailaddr.MaxAddress); s != "" {
			typed.Set(name, s)
		}
	}
	return typed, nil
}

// askName ties what was typed to who typed it.
func (v *visit) askName() string { return "request\n" + string(v.user.Tenant) + "\n" + v.user.Subject }

// chosenIn gives which of a field's values are chosen.
func (v *visit) chosenIn(name string, before url.Values) []string {
	if v.form.values != nil {
		return v.form.values[name]
	}
	return before[name]
}

func (h *site) kindChoice(v *visit, typed url.Values) (choice, error) {
	c := choice{Printer: v.Printer, Name: "kind", Legend: v.T("console-invite.new.kind"), Fault: v.fault("kind")}
	chosen := cmp.Or(strings.Join(v.chosenIn("kind", typed), ""), string(invitation.Reseller))
	for _, k := range invitation.Kinds {
		row := kindWords[k]
		o := option{Value: string(k), Label: v.T(row.name), Hint: v.T(row.hint), Selected: chosen == string(k)}
		switch {
		case !k.FitsFor(*v.account):
			o.Blocked = v.T(row.only)
		case k.AsksPartner() && !h.Invitations.SalesAgentsRequestPartnerships && !v.permitted(partner.RequestPartnerships):
			o.Blocked = v.T("console.not-allowed.roles", "roles", v.role(partner.AdminAgent))
		}
		c.Options = append(c.Options, o)
	}
	return c, nil
}

// providerField offers the providers with which the reseller has an active partnership; nil for who is no reseller.
func (h *site) providerField(v *visit, typed url.Values) (*field, error) {
	if !v.account.Has(partner.IndirectReseller) {
		return nil, nil
	}
	found, err := h.Invitations.Partnerships.Partnerships(v.ctx(), v.user.Tenant,
		partnership.Query{Status: partnership.Active, Side: partnership.ResellerSide, Limit: atOnce})
	if err != nil {
		return nil, err
	}
	f := v.input("select", "providerTenantId", v.T("console-invite.new.provider"), typed.Get("providerTenantId"))
	f.Optional, f.Hint = true, v.T("console-invite.new.provider.hint")
	f.Options = []option{{Label: v.T("console-invite.new.no-provider")}}
	for _, p := range found.Partnerships {
		name := string(p.Provider)
		if a, err := h.Accounts.Account(v.ctx(), p.Provider, false); err == nil {
			name = a.DisplayName
		} else if !problem.Is(err, problem.NotFound) {
			return nil, err
		}
		f.Options = append(f.Options, option{Value: string(p.Provider), Label: name})
	}
	return &f, nil
}

// whom are the fields of who is asked, and by whom.
func (v *visit) whom(typed url.Values, provider *field) []field {
	email := v.input("email", "recipientEmail", v.T("console.filter.recipient"), typed.Get("recipientEmail"))
	email.Hint, email.Max, email.Autocomplete = v.T("console-invite.new.email.hint"), emailaddr.MaxAddress, "off"
	name := v.input("text", "recipientName", v.T("console-invite.new.name"), typed.Get("recipientName"))
	name.Optional, name.Hint, name.Autocomplete = true, v.T("console-invite.new.name.hint"), "off"
	language := v.input("select", "locale", v.T("console-invite.new.language"), typed.Get("locale"))
	language.Hint = v.T("console-invite.new.language.hint")
	language.Options = []option{
		{Label: v.T("console-invite.new.own-language", "language", locale.For(locale.Match(v.account.Locale)).Name())},
	}
	for _, tag := range locale.Tags {
		language.Options = append(language.Options, option{Value: tag.String(), Label: locale.For(tag).Name()})
	}
	var fields []field
	if provider != nil {
		fields = append(fields, *provider)
	}
	if roles := v.account.Roles(); len(roles) > 1 {
		f := v.input("select", "actingRole", v.T("console-invite.new.as"), typed.Get("actingRole"))
		f.Options = []option{{Label: v.T("console-invite.new.as.fitting")}}
		for _, r := range roles {
			f.Options = append(f.Options, option{Value: string(r), Label: v.program(r)})
		}
		fields = append(fields, f)
	}
	if id := strings.Join(v.chosenIn("customerTenantId", typed), ""); id != "" {
		f := v.input("text", "customerTenantId", v.T("console-invite.new.customer"), id)
		f.Optional, f.Hint, f.Value = true, v.T("console-invite.new.customer.hint"), id
		fields = append(fields, f)
	}
	return append(fields, email, name, language)
}

// administrationChoice asks whether the customer is to give delegated administration; where its cloud always asks for
// that, it says so.
func (v *visit) administrationChoice(typed url.Values) (*choice, string) {
	if !v.cloud.AdministrationOptional {
		return nil, v.T("console-invite.new.admin.always")
	}
	asks := strings.Join(v.chosenIn("requestDelegatedAdmin", typed), "") == "true"
	c := &choice{
		Printer: v.Printer, Name: "requestDelegatedAdmin", Legend: v.T("console.fact.administration"), Fault: v.fault("requestDelegatedAdmin"),
		Hint: v.T("console-invite.new.admin.hint"),
		Options: []option{
			{
				Value:    "false",
				Label:    v.T("console.no"),
				Hint:     v.T("console-invite.new.admin.no"),
				Selected: !asks,
			},
			{
				Value:    "true",
				Label:    v.T("console.yes"),
				Hint:     v.T("console-invite.new.admin.yes"),
				Selected: asks,
			},
		},
	}
	if v.h.Invitations.DelegatedAdminNeedsAdminAgent && !v.permitted(partner.RequestAdministration) {
		c.Options[1].Blocked = v.T("console.not-allowed.roles", "roles", v.role(partner.AdminAgent))
	}
	return c, ""
}

// spans are what the form offers of how long a request is open.
var spans = []string{"P7D", "P14D", "P30D", "P60D", "P90D"}

// termFields are how long it is open, whether there are reminders, and where the customer came from.
func (v *visit) termFields(typed url.Values) []field {
	open := v.input("select", "expiresIn", v.T("console-invite.new.open"), cmp.Or(typed.Get("expiresIn"), "P30D"))
	open.Hint = v.T("console-invite.new.open.hint")
	for _, s := range spans {
		open.Options = append(open.Options, option{Value: s, Label: v.span(s)})
	}
	remind := v.input(
		"select",
		"reminders",
		v.T("console-invite.new.reminders"),
		cmp.Or(typed.Get("reminders"), "true"),
	)
	remind.Hint = v.T("console-invite.new.reminders.hint")
	remind.Options = []option{{Value: "true", Label: v.T("console.yes")}, {Value: "false", Label: v.T("console.no")}}
	source := v.input("text", "source", v.T("console-invite.new.source"), typed.Get("source"))
	source.Optional, source.Max, source.Hint = true, invitation.MaxSource, v.T("console-invite.new.source.hint")
	return []field{open, remind, source}
}

// span says how long something lasts.
func (v *visit) span(s string) string {
	d, ok := iso8601.Parse(s)
	fixed, whole := d.Fixed()
	if !ok || !whole {
		return s
	}
	return v.T("console-invite.days", "n", int(fixed/(24*time.Hour)))
}

// riskRows are the groups of roles, the riskiest first.
var riskRows = []struct {
	risk         granular.Risk
	legend, hint string
}{
	{granular.GlobalRisk, "console-invite.risk.global", "console-invite.risk.global.hint"},
	{granular.PrivilegedRisk, "console-invite.risk.privileged", "console-invite.risk.privileged.hint"},
	{granular.ChangingRisk, "console-invite.risk.changing", "console-invite.risk.changing.hint"},
	{granular.ReadingRisk, "console-invite.risk.reading", "console-invite.risk.reading.hint"},
}

var granularSpans = []struct{ value, key string }{
	{
		"P90D",
		"console-invite.granular.90",
	}, {"P180D", "console-invite.granular.180"}, {"P1Y", "console-invite.granular.year"},
	{"P2Y", "console-invite.granular.years"},
}

// granularForm offers roles that the same answer can approve.
func (v *visit) granularForm(typed url.Values) *granularForm {
	g := &granularForm{Title: v.T("console-invite.granular.title"), Text: v.T("console-invite.granular.text")}
	if !v.permitted(partner.AdministerGranularly) {
		g.Blocked = v.T("console.not-allowed.roles", "roles", v.role(partner.AdminAgent))
		return g
	}
	chosen := v.chosenIn(fieldGranularRoles, typed)
	g.Open, g.Fault = len(chosen) > 0, v.fault("granularAdmin/roles")
	name := v.input("text", fieldGranularName, v.T("console-invite.granular.name"), typed.Get(fieldGranularName))
	name.Optional, name.Max, name.Fault = true, granular.MaxDisplayName, v.fault("granularAdmin/displayName")
	name.Hint = v.T("console-invite.granular.name.hint")
	lasts := v.input(
		"select",
		fieldGranularDuration,
		v.T("console-invite.granular.duration"),
		cmp.Or(typed.Get(fieldGranularDuration), "P180D"),
	)
	lasts.Fault = v.fault("granularAdmin/duration")
	for _, s := range granularSpans {
		lasts.Options = append(lasts.Options, option{Value: s.value, Label: v.T(s.key)})
	}
	extends := v.input(
		"select",
		fieldGranularExtends,
		v.T("console-invite.granular.extends"),
		cmp.Or(typed.Get(fieldGranularExtends), "P0D"),
	)
	extends.Hint, extends.Fault = v.T(
		"console-invite.granular.extends.hint",
	), v.fault(
		"granularAdmin/autoExtendDuration",
	)
	extends.Options = []option{{Value: "P0D", Label: v.T("console.no")}, {Value: "P180D", Label: v.T("console.yes")}}
	g.Fields = []field{name, lasts, extends}
	g.Groups = roleGroups(v, v.h.Invitations.GranularRoles, chosen)
	return g
}

// proposal reads what a form asks for. What is left empty is not said.
func proposal(f url.Values, name string) (p invitation.Proposal, findings problem.Findings) {
	text := func(name string) *string {
		if s := strings.TrimSpace(f.Get(name)); s != "" {
			return &s
		}
		return nil
	}
	flag := func(name string) *bool {
		switch f.Get(name) {
		case "true", "on":
			return new(true)
		case "false":
			return new(false)
		}
		return nil
	}
	p = invitation.Proposal{
		Kind: invitation.Kind(
			f.Get("kind"),
		), RecipientEmail: text("recipientEmail"), RecipientName: text("recipientName"),
		CustomerTenantID: text(
			"customerTenantId",
		), ProviderTenantID: text("providerTenantId"), ActingRole: (*partner.ProgramRole)(text("actingRole")),
		RequestDelegatedAdmin: flag(
			"requestDelegatedAdmin",
		), Locale: text("locale"), Source: text("source"), Reminders: flag("reminders"),
		Sandbox: flag("sandbox"),
	}
	if !p.Kind.NamesProvider() {
		p.ProviderTenantID = nil // it is chosen for the other kind
	}
	if p.Kind.AsksPartner() {
		p.RequestDelegatedAdmin = nil
	}
	if s := text("expiresIn"); s != nil {
		d, ok := iso8601.Parse(*s)
		fixed, whole := d.Fixed()
		if !ok || !whole {
			findings.Add("/expiresIn", problem.ValidationFailed, "This must be a duration of ISO 8601, such as P30D.")
		}
		p.Duration = &fixed
	}
	if roles := f[fieldGranularRoles]; len(roles) > 0 && !p.Kind.AsksPartner() {
		p.Granular = &granular.Proposal{
			DisplayName: text(
				fieldGranularName,
			), Duration: text(fieldGranularDuration), AutoExtendDuration: text(fieldGranularExtends), Roles: &roles,
		}
		if p.Granular.DisplayName == nil {
			p.Granular.DisplayName = &name
		}
	}
	return p, findings
}

// proposed reads what the form of a request asks for. Delegated administration is asked for only where somebody says so,
// or where the cloud always does; roles that have a name have to be chosen.
func (v *visit) proposed(f url.Values) (invitation.Proposal, problem.Findings) {
	p, findings := proposal(f, v.granularName())
	if p.RequestDelegatedAdmin == nil && v.cloud.AdministrationOptional && !p.Kind.AsksPartner() {
		p.RequestDelegatedAdmin = new(false)
	}
	if p.Granular == nil && !p.Kind.AsksPartner() && strings.TrimSpace(f.Get(fieldGranularName)) != "" {
		findings.Add("/granularAdmin/roles", problem.ValidationFailed, "%s", v.T("console-invite.granular.no-role"))
	}
	return p, findings
}

// granularName is what granular administration is called where nobody says: whom it is for, and when. No digits of it
// look like a phone number.
func (v *visit) granularName() string {
	to := cmp.Or(strings.TrimSpace(v.form.values.Get("recipientEmail")), "GDAP")
	_, domain, _ := strings.Cut(to, "@")
	bare := strings.ReplaceAll(domain, ".", " ")
	return "GDAP " + bare[:min(len(bare), 20)] + " " + v.now.Format("Jan 2 15h04")
}

// create makes the draft, or leads to what would come of it.
func (h *site) create(v *visit) (to, said string, err error) {
	c := v.command()
	p, findings := v.proposed(v.form.values)
	c.Findings = findings
	if v.form.do() == "check" {
		if _, err := h.Invitations.Check(v.ctx(), c, p); err != nil {
			return "", "", onForm(err)
		}
		kept := url.Values{}
		for _, name := range asking {
			if values := v.form.values[name]; len(values) > 0 {
				kept[name] = values
			}
		}
		as, err := h.room.Seal(v.ctx(), v.askName(), h.room.Use, kept, time.Hour)
		return newPath + "?step=check&as=" + as, "", err
	}
	i, _, err := h.Invitations.Invite(v.ctx(), c, p)
	return invitationPath(i.ID) + "/draft", "console-invite.did.drafted", onForm(err)
}

// onForm has the findings of an error at the fields of the form.
func onForm(err error) error {
	refusal, ok := err.(*problem.Error) //nolint:errorlint // use cases give it as it is
	if !ok {
		return err
	}
	n := *refusal
	n.Findings = slices.Clone(n.Findings)
	for i, f := range n.Findings {
		switch {
		case strings.HasPrefix(f.Pointer, "/granularAdmin/roles"):
			n.Findings[i].Pointer = "/granularAdmin/roles"
		case strings.HasPrefix(f.Pointer, "/tags"), f.Pointer == "/message", f.Pointer == "":
			n.Findings[i].Pointer = "/kind"
		}
	}
	return &n
}

// seenCheck is what would come of a request.
type seenCheck struct {
	Checks  checks
	Notes   []note
	Preview *preview
	Hidden  *hidden
	Kept    []field // what the form said
	Path    string
	Send    *action
	Change  string
}

func (h *site) checked(v *visit, typed url.Values) (*page, error) {
	v.form.values = typed
	c := command.Command{User: v.user, CorrelationID: correlationID()}
	asked, findings := v.proposed(typed)
	c.Findings = findings
	x, err := h.Invitations.Check(v.ctx(), c, asked)
	if err != nil {
		return nil, err
	}
	v.form.values = nil
	as := v.r.URL.Query().Get("as")
	p := v.page("console-invite.check.title")
	p.Template = "check-relationship"
	p.Parent = &action{Label: v.T("console-invite.new.title"), Href: newPath + "?as=" + as}
	content := seenCheck{Hidden: v.hiddenOf(0), Path: newPath, Change: newPath + "?as=" + as}
	content.Checks = checks{Printer: v.Printer, Rows: v.checkRows(x, content.Change)}
	content.Notes = v.checkNotes(x)
	for _, name := range asking {
		for _, value := range typed[name] {
			content.Kept = append(content.Kept, field{Kind: "hidden", Name: name, Value: value})
		}
	}
	content.Send = &action{Label: v.T("console-invite.new.create"), Do: "create"}
	if len(x.Against) > 0 {
		content.Send.Blocked = v.sentence(x.Against[0].Code, x.Against[0].Detail)
	}
	content.Preview = &preview{Title: v.T("console-invite.check.preview"), Source: newPath + "?step=mail&as=" + as}
	p.Content = content
	return p, nil
}

func (v *visit) checkRows(x invitation.Prospect, change string) (rows []check) {
	add := func(key, value string) {
		if value != "" {
			rows = append(rows, check{Label: v.T(key), Value: value, Change: change, About: v.T(key)})
		}
	}
	i := x.Letter.Invitation
	add("console.column.kind", v.T(kindWords[i.Kind].name))
	add("console-invite.new.provider", x.Letter.Provider.DisplayName)
	add("console.filter.recipient", cmp.Or(i.RecipientEmail, v.T("console-invite.check.nobody")))
	add("console-invite.new.name", i.RecipientName)
	add("console-invite.new.language", locale.For(locale.Match(i.Locale)).Name())
	add("console-invite.check.cloud", x.Letter.Cloud.PortalName)
	switch {
	case x.Country != "":
		add("console.column.country", v.Country(x.Country))
	case !i.Kind.AsksPartner():
		add("console.column.country", v.T("console-invite.check.country"))
	}
	add(v.administrationAsked(i))
	if g := x.Letter.Granular; g != nil {
		var names []string
		for _, id := range g.Roles {
			name, _ := v.h.Invitations.GranularRoles.Name(id)
			names = append(names, name)
		}
		add("console-invite.granular.title", strings.Join(names, ", "))
	}
	add("console-invite.new.open", v.T("console-invite.days", "n", int(i.Duration/(24*time.Hour))))
	reminders := v.T("console.no")
	if i.Reminders {
		reminders = v.T("console.yes")
	}
	add("console-invite.new.reminders", reminders)
	add("console-invite.new.source", i.Source)
	return rows
}

// administrationAsked says which administration a request asks for: a partnership asks a reseller for access to its own
// account, every other request a customer for delegated administration.
func (v *visit) administrationAsked(i invitation.Invitation) (key, value string) {
	switch {
	case i.Kind.AsksPartner():
		return "console.column.administration", v.T("console-invite.partnership.access")
	case i.RequestDelegatedAdmin:
		return "console.fact.administration", v.T("console.yes")
	}
	return "console.fact.administration", v.T("console.no")
}

// checkNotes say what stands against it, what is known of the company, and how strong it is.
func (v *visit) checkNotes(x invitation.Prospect) (all []note) {
	for _, r := range x.Against {
		n := note{State: stop, Title: v.T("console-invite.check.against"), Text: []string{v.sentence(r.Code, r.Detail)}}
		if r.Resource != "" {
			n.Next = &action{Label: v.T("console-invite.check.open-one"), Href: invitationPath(r.Resource)}
		}
		all = append(all, n)
	}
	for _, r := range x.Unmailed {
		all = append(
			all,
			note{
				State: wait,
				Title: v.T("console-invite.check.unmailed"),
				Text:  []string{v.sentence(r.Code, r.Detail)},
			},
		)
	}
	for _, r := range x.Related {
		all = append(
			all,
			note{
				State: info,
				Text: []string{
					v.T(
						"console-invite.check.related",
						"customer",
						v.companyName(r.Customer),
						"date",
						v.Date(r.EstablishedAt),
					),
				},
			},
		)
	}
	if x.Letter.Right(v.h.Invitations.GranularRoles) == invitation.GlobalRight {
		all = append(
			all,
			note{
				State: wait,
				Title: v.T("console-invite.risk.global"),
				Text:  []string{v.T("console-invite.risk.global.hint")},
			},
		)
	}
	if len(x.Against) == 0 {
		all = append(all, note{State: good, Text: []string{v.T("console-invite.check.ready")}})
	}
	return all
}

// showMail answers with the mail that the recipient would get, for a frame.
func (h *site) showMail(v *visit, typed url.Values) error {
	v.form.values = typed
	asked, findings := v.proposed(typed)
	x, err := h.Invitations.Check(v.ctx(), command.Command{User: v.user, Findings: findings}, asked)
	if err != nil {
		return err
	}
	return h.frameMail(v, x.Letter)
}

func (h *site) frameMail(v *visit, l invitation.Letter) error {
	text, err := markup.HTML(h.drafts.Mail(l))
	if err == nil {
		v.framed(text)
	}
	return err
}

// mails is how many mails went out today, and how many may.
func (h *site) mails(ctx context.Context, v *visit) (left, all int, err error) {
	day := v.now.Format(time.DateOnly)
	week, err := h.Week.Week(ctx, v.user.Tenant, day, day)
	all = h.Invitations.DailyMails(*v.account)
	return max(0, all-week.Mails[day]), all, err
}
