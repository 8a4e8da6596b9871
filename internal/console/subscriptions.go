package console

import (
	"cmp"
	"slices"

	"concord/internal/commerce"
	"concord/internal/partner"
)

// subscriptionTab is a tab of the list over all customers: what the reader's company has to do with a subscription.
type subscriptionTab struct {
	capacity           commerce.Capacity
	key, caption, none string
}

var subscriptionTabs = []subscriptionTab{
	{"", "console-trade.all", "console-trade.all.caption", "console-trade.all.none"},
	{commerce.Sold, "console-trade.as.sold", "console-trade.all.sold", "console-trade.all.sold.none"},
	{commerce.OnRecord, "console-trade.as.record", "console-trade.all.record", "console-trade.all.record.none"},
	{commerce.Supporting, "console-trade.as.support", "console-trade.all.support", "console-trade.all.support.none"},
}

// allSubscriptions are what the company sold, is on record for and supports, whoever the customer.
func (h *site) allSubscriptions(v *visit) (*page, error) {
	show := v.chosen("role", "", string(commerce.Sold), string(commerce.OnRecord), string(commerce.Supporting))
	at := subscriptionTabs[slices.IndexFunc(subscriptionTabs, func(t subscriptionTab) bool { return string(t.capacity) == show })]
	status := v.chosen("status", "", "active", "suspended", "deleted", "pending")
	q := commerce.SubscriptionQuery{Capacity: at.capacity}
	if status != "" {
		q.Statuses = []commerce.SubscriptionStatus{commerce.SubscriptionStatus(status)}
	}
	list, pages, err := collect(v, func(after string, limit int) ([]commerce.Seen, string, error) {
		q.After, q.Limit = after, limit
		found, err := h.Commerce.AllSubscriptions(v.ctx(), v.user, q)
		return found.Subscriptions, found.Next, err
	})
	if err != nil {
		return nil, err
	}
	t := v.subscriptionTable(nil)
	t.Columns = slices.Insert(t.Columns, 1, column{Label: v.T("console-granular.customer")})
	for _, s := range list {
		company := cell{Text: cmp.Or(s.Company, string(s.Customer))}
		if s.Company != "" { // else it is no customer of theirs
			company.Href = customerPath(s.Customer)
		}
		t.Rows = append(t.Rows, row{Cells: slices.Insert(v.subscriptionCells(s.Subscription), 1, company)})
	}
	t.Caption, t.Pager, t.CSV = v.T(at.caption), pages, v.query("format", "csv")
	if v.exports() {
		v.export("subscriptions", t)
		return nil, nil
	}
	p := v.page("console.menu.subscriptions")
	if v.account.Sells() {
		p.Primary = &action{Label: v.T("console-trade.order"), Href: orderPath}
		if !v.permitted(partner.Trade) {
			p.Primary.Blocked = v.agents()
		}
	}
	t.Empty = &empty{Title: v.T("console-trade.none"), Text: v.T(at.none), Next: v.towardsSubscriptions()}
	if status != "" {
		t.Empty = &empty{v.T("console.empty.filtered"), v.T("console.empty.filtered.text"),
			&action{Label: v.T("console.filter.clear"), Href: v.query("status", "", cursorUse, "", "format", "")}}
	}
	f, err := h.subscriptionFilters(v, show, status)
	p.Content = listing{f, t}
	return p, err
}

// towardsSubscriptions leads from an empty list to where a subscription begins: to the customers of who sells, to the
// providers of who resells.
func (v *visit) towardsSubscriptions() *action {
	if v.account.Sells() {
		return &action{Label: v.T("console.menu.customers"), Href: root + "/customers"}
	}
	return &action{Label: v.T("console.menu.providers"), Href: root + "/providers"}
}

// subscriptionFilters are those of the list over all customers. One customer has a list of its own, where what its
// providers sold is too.
func (h *site) subscriptionFilters(v *visit, show, status string) (filters, error) {
	f := filters{Printer: v.Printer, Action: subscriptionsPath}
	for _, one := range subscriptionTabs {
		f.Tabs = append(f.Tabs, tab{v.T(one.key), v.query("role", string(one.capacity), cursorUse, "", "format", ""),
			string(one.capacity) == show})
	}
	customers, err := h.customerField(v)
	customers.Label = v.T("console-granular.customer")
	customers.Options = slices.Insert(customers.Options, 0, option{Label: v.T("console.filter.any"), Selected: true})
	f.Fields = []field{
		v.one("status", "console.column.status", status, [][2]string{
			{"active", "console-trade.status.active"}, {"suspended", "console-trade.status.suspended"},
			{"deleted", "console-trade.status.deleted"}, {"pending", "console-trade.status.pending"}}),
		customers,
	}
	if show != "" {
		f.Fields = append(f.Fields, field{Kind: "hidden", Name: "role", Value: show})
	}
	if status != "" {
		f.Clear = v.query("status", "", cursorUse, "", "format", "")
	}
	return f, err
}
