package console

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"concord/internal/emailaddr"
	"concord/internal/locale"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/registry"
)

func (h *site) accountRoutes() []route {
	return []route{
		{method: http.MethodGet, path: "/account", page: "console-account", section: "console.menu.account",
			who: audience{operation: partner.ReadCustomers}, serve: h.ownAccount},
		{method: http.MethodPost, path: "/account", page: "console-account",
			who: audience{operation: partner.KeepSupport}, serve: h.act(h.ownAccount, h.changeSupport)},
	}
}

const accountPath = root + "/account"

// seenAccount is what a partner may know of its own account.
type seenAccount struct {
	Path       string
	Facts      []fact
	Contact    []fact
	Ask        string // whom to ask to change what the partner cannot
	PartnerIDs *table
	Support    []field
	Save       action
	Hidden     *hidden
	Entry      []fact
	Change     string
	Mails      progress
	MailFacts  []fact
	Programs   []fact
	Webhooks   *action
	Curl       copyable
}

// ownAccount shows the own account (0.34), what may still be mailed today, and how a program gets in.
func (h *site) ownAccount(v *visit) (*page, error) {
	a, err := h.Registry.Own(v.ctx(), v.user)
	if err != nil {
		return nil, err
	}
	p := v.page("console.menu.account")
	p.Pill = v.worded(programStates[a.Status])
	c := seenAccount{
		Path: accountPath, Facts: v.accountFacts(a), Contact: v.contactFacts(a.Contact), Hidden: v.hiddenOf(a.Version),
		Ask:        v.T("console-account.ask", "operator", h.Operator.Name, "contact", h.Operator.Contact),
		PartnerIDs: v.partnerIDs(a),
		Support:    v.supportFields(a), Save: action{Label: v.T("console-account.support.save"), Do: "save"},
	}
	if !v.permitted(partner.KeepSupport) {
		c.Save.Blocked = v.T("console.not-allowed.roles", "roles",
			v.role(partner.AdminAgent)+" · "+v.role(partner.GlobalAdmin))
	}
	if a.Has(partner.IndirectProvider) {
		c.Entry, c.Change = v.directoryEntry()
	}
	left, all, err := h.mails(v.ctx(), v)
	if err != nil {
		return nil, err
	}
	c.Mails = progress{Label: v.T("console-invite.draft.left", "left", strconv.Itoa(left), "all", strconv.Itoa(all)),
		Done: all - left, All: max(all, 1)}
	c.MailFacts = v.mailFacts(a, left)
	h.programs(v, &c)
	c.Webhooks = &action{Label: v.T("console-hook.title"), Href: hooksPath, Quiet: true}
	if !v.permitted(partner.KeepWebhooks) {
		c.Webhooks.Blocked = v.T("console.not-allowed.roles", "roles", v.role(partner.AdminAgent)+" · "+v.role(partner.GlobalAdmin))
	}
	if n := len(a.History); n > 0 {
		e := a.History[n-1]
		p.Changed = &moment{Title: v.T("console-account.changed"), Time: v.at(e.At)}
	}
	p.Content = c
	return p, nil
}

var programStates = map[partner.ProgramStatus]pill{
	partner.Pending: {wait, "console-account.status.pending"}, partner.Active: {good, "console.relationship.active"},
	partner.Suspended: {stop, "console-account.status.suspended"}, partner.Rejected: {stop,
		"console-account.status.rejected"},
}

var pauseKeys = map[string]string{
	partner.Complaints: "console-account.pause.complaints", partner.Bounces: "console-account.pause.bounces",
	partner.ByOperator: "console-account.pause.operator",
}

func (v *visit) accountFacts(a partner.Account) []fact {
	var roles []string
	for _, r := range a.Roles() {
		roles = append(roles, v.program(r))
	}
	facts := []fact{
		{Label: v.T("console.fact.name"), Value: a.DisplayName}, {Label: v.T("console.column.status"),
			Pill: v.worded(programStates[a.Status])},
		{Label: v.T("console-account.program"), Value: strings.Join(roles, " · ")}, {Label: v.T("console.column.country"),
			Value: v.Country(a.Country)},
		{Label: v.T("console.column.domain"), Value: a.VerifiedDomain}, {Label: v.T("console-account.tenant"),
			Value: string(a.Tenant)},
		{Label: v.T("console-account.language"), Value: locale.For(locale.Match(a.Locale)).Name()},
	}
	if m := a.MPA; m != nil {
		facts = append(facts, fact{Label: v.T("console-account.mpa"), Pill: &pill{good, v.T("console.agreement.signed")}},
			fact{Label: v.T("console-account.mpa.signed"), Time: v.at(m.SignedAt)},
			fact{Label: v.T("console-account.mpa.version"), Value: m.Version})
	} else {
		facts = append(facts, fact{Label: v.T("console-account.mpa"), Pill: &pill{wait, v.T("console.agreement.missing")}},
			fact{Label: v.T("console.menu.enrolment"), Value: v.T("console-account.mpa.sign"), Link: enrolmentPath})
	}
	return append(facts, fact{Label: v.T("console.column.since"), Time: v.day(a.CreatedAt)})
}

// partnerIDs are those of the account, the one that purchases count for marked (rule P4); nil for none.
func (v *visit) partnerIDs(a partner.Account) *table {
	t := &table{Printer: v.Printer, Caption: v.T("console-account.partner-ids"), Columns: []column{
		{Label: v.T("console-partner.partner-id")}, {Label: v.T("console.column.kind")},
		{Label: v.T("console.column.country")},
		{Label: v.T("console-account.associated")},
	}, Empty: &empty{Title: v.T("console-account.partner-ids.empty"), Text: v.T("console.banner.partner-id"),
		Next: &action{Label: v.T("console.menu.enrolment"), Href: enrolmentPath}}}
	for _, id := range a.PartnerIDs {
		kind := v.T("console-account.location")
		if id.Type == partner.Headquarters {
			kind = v.T("console-account.headquarters")
		}
		counts := v.T("console.no")
		if id.ID == a.AssociatedPartnerID {
			counts = v.T("console.yes")
		}
		t.Rows = append(t.Rows, row{Cells: []cell{{Text: id.ID}, {Text: kind}, {Text: v.Country(id.Country)},
			{Text: counts}}})
	}
	return t
}

// supportFields are whom the partner's customers ask for help (rule E3), and how the partner is told of acceptances.
func (v *visit) supportFields(a partner.Account) []field {
	var all []field
	for _, one := range []struct{ kind, name, key, before, complete string }{
		{"email", "email", "console-partner.email", a.Support.Email, "email"}, {"tel", "phone", "console-partner.phone",
			a.Support.Phone, "tel"},
		{"text", "name", "console.fact.name", a.Support.Name, "off"},
	} {
		f := v.input(one.kind, "supportProfile-"+one.name, v.T(one.key), one.before)
		f.Fault, f.Autocomplete, f.Optional = v.fault("supportProfile/"+one.name), one.complete, one.name == "name"
		f.Max = emailaddr.MaxAddress
		all = append(all, f)
	}
	mails := v.input("select", "acceptanceMails", v.T("console-account.acceptances"), a.AcceptanceMails())
	for value, label := range map[string]string{
		partner.AcceptancesDaily: v.T("console-account.acceptances.daily"), partner.AcceptancesEach: v.T("console-account.acceptances.each"),
	} {
		mails.Options = append(mails.Options, option{Value: value, Label: label, Selected: value == mails.Value})
	}
	slices.SortFunc(mails.Options, func(a, b option) int { return strings.Compare(a.Value, b.Value) })
	return append(all, mails)
}

// mailFacts say what stands in the way of mails.
func (v *visit) mailFacts(a partner.Account, left int) (facts []fact) {
	if a.Paused == nil {
		facts = append(facts, fact{Label: v.T("console-account.sending"), Pill: &pill{good,
			v.T("console-account.sending.active")}})
	} else {
		facts = append(facts, fact{Label: v.T("console-account.sending"), Pill: &pill{stop,
			v.T("console-account.sending.paused")}},
			fact{Label: v.T("console.column.since"), Time: v.at(a.Paused.At)})
		if key := pauseKeys[a.Paused.Reason]; key != "" {
			facts = append(facts, fact{Label: v.T("console.fact.reason"), Value: v.T(key)})
		}
	}
	if left == 0 {
		facts = append(facts, fact{Label: v.T("console-account.again"),
			Time: v.at(v.now.Truncate(24 * time.Hour).Add(24 * time.Hour))})
	}
	return facts
}

// programs tells how a program of the partner gets a token and calls the API.
func (h *site) programs(v *visit, c *seenAccount) {
	address, err := h.Authorities.TokenURL(v.cloud.ID)
	if err != nil {
		h.Log.WarnContext(v.ctx(), "token URL unknown", "cloud", v.cloud.ID, "error", err.Error())
		address = "$TOKEN_URL"
	}
	scope := "$SCOPE"
	if audience, _, _ := strings.Cut(h.Audiences, ","); audience != "" {
		scope = strings.TrimSpace(audience) + "/.default"
	}
	base := v.cloud.BaseURL + "/v1"
	c.Programs = []fact{
		{Label: v.T("console-account.api.token"), Value: address}, {Label: v.T("console-account.api.scope"), Value: scope},
		{Label: v.T("console-account.api.base"), Value: base},
	}
	c.Curl = copyable{Printer: v.Printer, ID: "curl", Label: v.T("console-account.api.example"), Rows: 6,
		Text: strings.Join([]string{
			`TOKEN=$(curl -s -u "$CLIENT_ID:$CLIENT_SECRET" \`, `  -d grant_type=client_credentials -d scope=` + scope + ` \`,
			`  ` + address + ` \`,
			`  | sed -n 's/.*"access_token" *: *"\([^"]*\)".*/\1/p')`, `curl -H "Authorization: Bearer $TOKEN" ` + base +
				`/account`,
		}, "\n")}
}

// changeSupport is the use case of PATCH /v1/account.
func (h *site) changeSupport(v *visit) (to, said string, err error) {
	text := func(name string) string {
		s := v.form.said("supportProfile-" + name)
		if s == nil {
			return ""
		}
		return *s
	}
	c := v.command()
	if v.form.do() != "save" {
		return "", "", problem.New(problem.MalformedRequest, "There is no such button.")
	}
	_, _, err = h.Registry.ChangeOwn(v.ctx(), c, registry.OwnChange{Support: &partner.SupportProfile{Email: text("email"), Phone: text("phone"),
		Name: text("name")}, AcceptanceMails: v.form.said("acceptanceMails")})
	if refusal, ok := errors.AsType[*problem.Error](err); ok && refusal.Code == problem.PreconditionRequired {
		refusal.Code = problem.PreconditionFailed // the form is as old as one that says an old version
	}
	return accountPath, "console.did.saved", v.reworded(err, map[string]string{
		"/supportProfile/phone": "console-account.problem.phone", "/supportProfile/email": "console.problem.email-invalid",
	})
}
