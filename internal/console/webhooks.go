package console

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"time"

	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/webhook"
)

const hooksPath = accountPath + "/webhooks"

// hookRoutes are the pages of webhook endpoints: what programs of the partner are told, and what came of it.
func (h *site) hookRoutes() []route {
	who := audience{operation: partner.KeepWebhooks}
	one, removal := "/account/webhooks/{id}", "/account/webhooks/{id}/remove"
	return []route{
		{method: http.MethodGet, path: "/account/webhooks", page: "console-webhooks", who: who, serve: h.hooks},
		{method: http.MethodGet, path: "/account/webhooks/new", page: "console-webhook-new", who: who, serve: h.newHook},
		{method: http.MethodPost, path: "/account/webhooks/new", page: "console-webhook-new", who: who, serve: h.act(h.newHook, h.makeHook)},
		{method: http.MethodGet, path: one, page: "console-webhook", who: who, serve: h.hook},
		{method: http.MethodPost, path: one, page: "console-webhook", who: who, serve: h.act(h.hook, h.keepHook)},
		{method: http.MethodGet, path: removal, page: "console-webhook-remove", who: who, serve: h.removingHook},
		{method: http.MethodPost, path: removal, page: "console-webhook-remove", who: who, serve: h.act(h.removingHook, h.removeHook)},
	}
}

var hookStates = map[webhook.Status]pill{
	webhook.Enabled: {good, "console-hook.enabled"}, webhook.Disabled: {stop, "console-hook.disabled"},
}

// hookReasons say why an endpoint is disabled.
var hookReasons = map[string]string{
	webhook.ByPartner: "console-hook.why.partner", webhook.Gone: "console-hook.why.gone", webhook.Failing: "console-hook.why.failing",
}

func (h *site) hooks(v *visit) (*page, error) {
	all, err := h.Webhooks.Endpoints(v.ctx(), v.user)
	if err != nil {
		return nil, err
	}
	p := v.page("console-hook.title")
	p.Parent = &action{Label: v.T("console.menu.account"), Href: accountPath}
	p.Template, p.Primary = "listed", &action{Label: v.T("console-hook.new"), Href: hooksPath + "/new"}
	if len(all) >= webhook.MaxEndpoints {
		p.Primary.Blocked = v.T("console-hook.limit", "n", strconv.Itoa(webhook.MaxEndpoints))
	}
	t := table{Printer: v.Printer, Caption: v.T("console-hook.caption"), Columns: []column{
		{Label: v.T("console-hook.url")}, {Label: v.T("console.column.status")}, {Label: v.T("console-hook.events")},
		{Label: v.T("console-hook.failing")}, {Label: v.T("console.column.created")}},
		Empty: &empty{Title: v.T("console-hook.none"), Text: v.T("console-hook.none.text"), Next: p.Primary}}
	for _, e := range all {
		events := v.T("console-hook.every")
		if n := len(e.Events); n > 0 {
			events = strconv.Itoa(n)
		}
		t.Rows = append(t.Rows, row{Cells: []cell{{Text: e.URL, Href: hooksPath + "/" + e.ID, Note: e.Description},
			{Pill: v.worded(hookStates[e.Status])}, {Text: events}, {Time: v.at(e.FailingSince)}, {Time: v.day(e.CreatedAt)}}})
	}
	p.Content = t
	return p, nil
}

// seenHook is an endpoint with its form, and its deliveries.
type seenHook struct {
	Secret     *copyable // once, after it was made
	Facts      []fact
	Text       []string
	Hidden     *hidden
	Fields     []field
	Events     []option
	Open       bool
	Fault      string
	Verbs      []action
	Remove     *action
	Deliveries *table
}

// hookForm is the part of the page in which an endpoint is described.
func (v *visit) hookForm(e webhook.Endpoint) seenHook {
	address := v.input("url", "url", v.T("console-hook.url"), e.URL)
	address.Hint, address.Max, address.Autocomplete = v.T("console-hook.url.hint"), webhook.MaxURL, "off"
	name := v.input("text", "description", v.T("console-hook.description"), e.Description)
	name.Optional, name.Max = true, webhook.MaxDescription
	c := seenHook{Hidden: v.hiddenOf(e.Revision), Fields: []field{address, name}, Fault: v.fault("events")}
	chosen := v.chosenIn("events", map[string][]string{"events": e.Events})
	c.Open = len(chosen) > 0 || c.Fault != ""
	for _, t := range webhook.Types() {
		c.Events = append(c.Events, option{Value: t, Label: t, Selected: slices.Contains(chosen, t)})
	}
	return c
}

// hookSettings are what the form says. No box ticked is every event, as the API has it.
func (v *visit) hookSettings() webhook.Settings {
	events := append([]string{}, v.form.values["events"]...)
	return webhook.Settings{URL: v.form.said("url"), Description: v.form.said("description"), Events: &events}
}

func (h *site) newHook(v *visit) (*page, error) {
	p := v.page("console-hook.new")
	p.Template, p.Parent = "webhook", &action{Label: v.T("console-hook.title"), Href: hooksPath}
	c := v.hookForm(webhook.Endpoint{})
	c.Text = []string{v.T("console-hook.text"), v.T("console-hook.answer")}
	c.Verbs = []action{{Label: v.T("console-hook.add"), Do: "create"}}
	p.Content = c
	return p, nil
}

func (h *site) makeHook(v *visit) (to, said string, err error) {
	e, secret, _, err := h.Webhooks.Create(v.ctx(), v.command(), v.hookSettings())
	v.once = secret
	return hooksPath + "/" + e.ID, "console-hook.did.created", h.hookError(v, err)
}

// hookError says in the reader's words what is wrong with the address.
func (h *site) hookError(v *visit, err error) error {
	return v.reworded(err, map[string]string{"/url": "console-hook.problem.url", "/description": "console-hook.problem.description"})
}

// hook shows an endpoint, what it was told and how it answered.
func (h *site) hook(v *visit) (*page, error) {
	e, err := h.Webhooks.Endpoint(v.ctx(), v.user, v.r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	p := v.page("console-hook.heading", "name", cmp.Or(e.Description, e.URL))
	p.Template, p.Parent = "webhook", &action{Label: v.T("console-hook.title"), Href: hooksPath}
	p.Pill = v.worded(hookStates[e.Status])
	c := v.hookForm(e)
	if secret := v.secret(); secret != "" {
		c.Secret = &copyable{Printer: v.Printer, ID: "secret", Label: v.T("console-hook.secret"), Text: secret, Rows: 2}
	}
	c.Facts = v.hookFacts(e)
	c.Verbs = []action{{Label: v.T("console-hook.save"), Do: "save"}}
	if e.Status == webhook.Enabled {
		c.Verbs = append(c.Verbs, action{Label: v.T("console-hook.test"), Do: "test", Quiet: true},
			action{Label: v.T("console-hook.disable"), Do: "disable", Quiet: true})
	} else {
		c.Verbs = append(c.Verbs, action{Label: v.T("console-hook.enable"), Do: "enable", Quiet: true})
	}
	c.Verbs = append(c.Verbs, action{Label: v.T("console-hook.rotate"), Do: "rotate-secret", Quiet: true})
	c.Remove = &action{Label: v.T("console-hook.remove"), Href: hooksPath + "/" + e.ID + "/remove", Quiet: true}
	if c.Deliveries, err = h.hookDeliveries(v, e); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(c.Deliveries.Rows, func(r row) bool { return r.Cells[1].Pill.State == wait }) {
		p.Live = 5
	}
	p.Content = c
	return p, nil
}

func (v *visit) hookFacts(e webhook.Endpoint) []fact {
	facts := []fact{{Label: v.T("console.column.created"), Time: v.at(e.CreatedAt)}}
	if key := hookReasons[e.Reason]; key != "" {
		facts = append(facts, fact{Label: v.T("console.fact.reason"), Value: v.T(key)})
	}
	if !e.FailingSince.IsZero() {
		facts = append(facts, fact{Label: v.T("console-hook.failing"), Time: v.at(e.FailingSince)})
	}
	if len(e.Secrets) > 1 && v.now.Before(e.Secrets[1].Until) {
		facts = append(facts, fact{Label: v.T("console-hook.secret.old"), Time: v.at(e.Secrets[1].Until)})
	}
	return facts
}

// hookResults are the results, and the keys of their words.
var hookResults = map[webhook.Result]pill{
	webhook.Pending: {wait, "console-hook.pending"}, webhook.Succeeded: {good, "console-hook.taken"}, webhook.Failed: {stop, "console-hook.failed"},
}

// hookDeliveries lists what was told lately; what is chosen is told again.
func (h *site) hookDeliveries(v *visit, e webhook.Endpoint) (*table, error) {
	found, pages, err := collect(v, func(after string, limit int) ([]webhook.Delivery, string, error) {
		some, err := h.Webhooks.Deliveries(v.ctx(), v.user, e.ID, after, limit)
		return some.Deliveries, some.Next, err
	})
	if err != nil {
		return nil, err
	}
	t := &table{Printer: v.Printer, Caption: v.T("console-hook.deliveries"), Pager: pages, Columns: []column{
		{Label: v.T("console-hook.event")}, {Label: v.T("console.column.status")}, {Label: v.T("console-hook.answered")},
		{Label: v.T("console-hook.attempts"), Numeric: true}, {Label: v.T("console-hook.happened")}, {Label: v.T("console-hook.next")}},
		Empty: &empty{Title: v.T("console-hook.deliveries.none"), Text: v.T("console-hook.deliveries.none.text")}}
	if e.Status == webhook.Enabled {
		t.Pick, t.Hidden = "delivery", v.hiddenOf(e.Revision)
		t.Bulk = []action{{Label: v.T("console-hook.again"), Do: "redeliver", Quiet: true}}
	}
	for _, d := range found {
		answered := ""
		if d.Status > 0 {
			answered = strconv.Itoa(d.Status)
		} else if d.Reason != "" {
			answered = v.T("console-hook.no-answer")
		}
		var next time.Time
		if d.Result == webhook.Pending && d.Attempts > 0 {
			next = d.Box.At
		}
		t.Rows = append(t.Rows, row{Value: d.ID, Name: d.Type + " " + v.DateTime(d.At), Cells: []cell{{Text: d.Type, Note: d.Event},
			{Pill: v.worded(hookResults[d.Result])}, {Text: answered, Note: d.Reason}, {Text: strconv.Itoa(d.Attempts)},
			{Time: v.at(d.At)}, {Time: v.at(next)}}})
	}
	return t, nil
}

// keepHook carries out what a button of the page says.
func (h *site) keepHook(v *visit) (to, said string, err error) {
	id := v.r.PathValue("id")
	to = hooksPath + "/" + id
	switch v.form.do() {
	case "save":
		_, err = h.Webhooks.Change(v.ctx(), v.command(), id, v.hookSettings())
		return to, "console.did.saved", h.hookError(v, err)
	case "enable":
		_, err = h.Webhooks.Change(v.ctx(), v.command(), id, webhook.Settings{Status: new(webhook.Enabled)})
		return to, "console-hook.did.enabled", err
	case "disable":
		_, err = h.Webhooks.Change(v.ctx(), v.command(), id, webhook.Settings{Status: new(webhook.Disabled)})
		return to, "console-hook.did.disabled", err
	case "rotate-secret":
		_, v.once, err = h.Webhooks.Rotate(v.ctx(), v.command(), id)
		return to, "console-hook.did.rotated", err
	case "test":
		_, err = h.Webhooks.Test(v.ctx(), v.command(), id)
		return to, "console-hook.did.test", err
	case "redeliver":
		return to, "console-hook.did.again", h.redeliver(v, id)
	default:
		return "", "", problem.New(problem.MalformedRequest, "There is no such button.")
	}
}

// redeliver has each chosen delivery go once more.
func (h *site) redeliver(v *visit, id string) error {
	chosen := v.form.values["delivery"]
	if len(chosen) == 0 {
		return problem.New(problem.ValidationFailed, "%s", v.T("console-hook.problem.choose"))
	}
	for _, d := range chosen[:min(len(chosen), pageRows)] {
		if _, err := h.Webhooks.Redeliver(v.ctx(), v.command(), id, d); err != nil {
			return err
		}
	}
	return nil
}

func (h *site) removingHook(v *visit) (*page, error) {
	e, err := h.Webhooks.Endpoint(v.ctx(), v.user, v.r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	p := v.page("console-hook.remove")
	at := hooksPath + "/" + e.ID
	p.Template, p.Parent = "confirm", &action{Label: v.T("console-hook.heading", "name", cmp.Or(e.Description, e.URL)), Href: at}
	p.Content = confirmation{Printer: v.Printer, Action: v.r.URL.Path, Back: at, Do: "remove", Label: v.T("console-hook.remove"),
		Text:   []string{v.T("console-hook.remove.text")},
		Facts:  []fact{{Label: v.T("console-hook.url"), Value: e.URL}, {Label: v.T("console.column.created"), Time: v.at(e.CreatedAt)}},
		Hidden: v.hiddenOf(e.Revision), Danger: true}
	return p, nil
}

func (h *site) removeHook(v *visit) (to, said string, err error) {
	return hooksPath, "console-hook.did.removed", h.Webhooks.Remove(v.ctx(), v.command(), v.r.PathValue("id"))
}
