package audit

import (
	"concord/internal/commerce"
	"concord/internal/partner"
)

// OfAgreement gives the record of an agreement, in the audit of the partner who attests it or by whose invitation it was signed.
func OfAgreement(a commerce.Agreement) []Record {
	r := Record{
		Partner: a.Partner, At: a.At.UTC(), Actor: Actor{User, a.By, a.Partner}, Operation: "customerAgreement.attested", ResourceType: Agreement, ResourceID: a.ID,
		Customer: a.Customer, New: map[string]string{status: "signed"}, CorrelationID: a.CorrelationID,
	}
	if a.Source == commerce.DirectSigned {
		r.Actor, r.Operation = Actor{Kind: Customer, Tenant: a.Customer}, "customerAgreement.signed"
	}
	r.ID = identity{}.of(r, "")
	return []Record{r}
}

// OfOrder gives the record of an order.
func OfOrder(o commerce.Order) []Record {
	r := Record{
		Partner: o.Seller, At: o.PlacedAt.UTC(), Actor: Actor{User, o.PlacedBy, o.Seller}, Operation: "order." + string(o.Status), ResourceType: Order, ResourceID: o.ID,
		Customer: o.Customer, New: map[string]string{status: string(o.Status)}, CorrelationID: o.CorrelationID,
	}
	r.ID = identity{}.of(r, "")
	return []Record{r}
}

// traded says which field of a subscription an action changes, and which operation that is.
var traded = map[commerce.Change]struct{ field, operation string }{
	commerce.StatusChanged:   {status, "subscription.statusChanged"},
	commerce.QuantityChanged: {"quantity", "subscription.quantityChanged"},
	commerce.RecordChanged:   {"partnerIdOfRecord", "subscription.recordChanged"},
	commerce.SupportChanged:  {"supportContact", "subscription.supportChanged"},
	commerce.SupportFellBack: {"supportContact", "subscription.supportChanged"},
}

// OfSubscription gives the records of the entries that a write has added to a subscription's history, oldest first; with a nil before those
// of the whole history. They are in the audit of the seller, and what another partner does in that of the other too, which alone names
// the person. That the support contact fell back nobody did.
func OfSubscription(before *commerce.Subscription, after commerce.Subscription) (records []Record) {
	fresh := len(after.History)
	if before != nil {
		fresh = Added(before.History, after.History, func(a, b commerce.Entry) bool {
			return a.At.Equal(b.At) && a.Action == b.Action && a.Is == b.Is && a.CorrelationID == b.CorrelationID && a.Key == b.Key && a.Body == b.Body
		})
	}
	ids := identity{}
	stood := map[string]string{}
	for n, e := range after.History {
		r := Record{
			At: e.At.UTC(), Operation: "subscription.created", ResourceType: Subscription, ResourceID: after.ID, Customer: after.Customer,
			New: map[string]string{status: string(commerce.SubscriptionActive), "quantity": e.Is}, CorrelationID: e.CorrelationID,
		}
		if change, ok := traded[e.Action]; ok {
			r.Operation, r.New = change.operation, map[string]string{change.field: e.Is}
			if was := stood[change.field]; was != "" {
				r.Old = map[string]string{change.field: was}
			}
		}
		for field, is := range r.New {
			stood[field] = is
		}
		for _, whose := range sides(after, e.Tenant) {
			r.Partner, r.Actor = whose, Actor{Kind: User, Tenant: e.Tenant}
			switch {
			case e.Action == commerce.SupportFellBack:
				r.Actor, r.Reason = Actor{Kind: System}, string(e.Action)
			case e.Tenant == after.Customer: // who of its people did it is its own business
				r.Actor = Actor{Kind: Customer}
			case whose == e.Tenant:
				r.Actor.Subject = e.By
			}
			r.ID = ids.of(r, e.Key+"|"+e.Body+"|"+e.Is)
			if n >= len(after.History)-fresh {
				records = append(records, r)
			}
		}
	}
	return records
}

// sides are the seller and, where it is another partner, who acted.
func sides(s commerce.Subscription, actor partner.TenantID) []partner.TenantID {
	if actor == s.Seller || actor == s.Customer {
		return []partner.TenantID{s.Seller}
	}
	return []partner.TenantID{s.Seller, actor}
}
