package events

import (
	"slices"
	"time"

	"concord/internal/audit"
	"concord/internal/commerce"
)

// The types of events about buying.
const (
	CustomerAgreementSigned Type = "customer-agreement-signed" // by the customer itself, or as a partner attests
	OrderCompleted          Type = "order-completed"
	SubscriptionChanged     Type = "subscription-changed"
)

// Agreement is a customer agreement that was recorded.
type Agreement struct {
	ID               string    `json:"id"`
	CustomerTenantID string    `json:"customerTenantId"`
	Source           string    `json:"source"`
	TextVersion      string    `json:"textVersion,omitempty"` // absent when the deployment had no text
	InvitationID     string    `json:"invitationId,omitempty"`
	AgreedAt         time.Time `json:"agreedAt"`
}

// Order is an order that was placed.
type Order struct {
	ID                 string      `json:"id"`
	Version            int         `json:"version"`
	CustomerTenantID   string      `json:"customerTenantId"`
	Status             string      `json:"status"`
	OnBehalfOfReseller string      `json:"onBehalfOfReseller,omitempty"`
	PartnerIDOnRecord  string      `json:"partnerIdOnRecord,omitempty"`
	Lines              []OrderLine `json:"lines"`
}

// OrderLine is one thing that was bought, and the subscription that came of it.
type OrderLine struct {
	OfferID        string `json:"offerId"`
	Quantity       int    `json:"quantity"`
	Term           string `json:"term"`
	SubscriptionID string `json:"subscriptionId"`
}

// Subscription is a subscription as it is after the write.
type Subscription struct {
	ID                     string   `json:"id"`
	Version                int      `json:"version"`
	CustomerTenantID       string   `json:"customerTenantId"`
	OrderID                string   `json:"orderId"`
	OfferID                string   `json:"offerId"`
	Status                 string   `json:"status"`
	Quantity               int      `json:"quantity"`
	PartnerIDOfRecord      string   `json:"partnerIdOfRecord,omitempty"`
	ResellerTenantID       string   `json:"resellerTenantId,omitempty"`
	SupportContactTenantID string   `json:"supportContactTenantId"`
	Changed                []string `json:"changed"`
}

// OfAgreement gives what an agreement that was recorded tells.
func OfAgreement(a commerce.Agreement) []Event {
	return []Event{{CustomerAgreementSigned, Detail{
		Version: Version, ID: id(a.ID, 1, CustomerAgreementSigned), OccurredAt: a.At.UTC(), CorrelationID: a.CorrelationID, PartnerTenantID: string(a.Partner),
		Agreement: &Agreement{a.ID, string(a.Customer), string(a.Source), a.Text.Version, a.Invitation, a.AgreedAt.UTC()},
	}}}
}

// OfOrder gives what a new order tells.
func OfOrder(o commerce.Order) []Event {
	d := Detail{
		Version: Version, ID: id(o.ID, o.Version, OrderCompleted), OccurredAt: o.PlacedAt.UTC(), CorrelationID: o.CorrelationID, PartnerTenantID: string(o.Seller),
		Order: &Order{ID: o.ID, Version: o.Version, CustomerTenantID: string(o.Customer), Status: string(o.Status), OnBehalfOfReseller: string(o.For), PartnerIDOnRecord: o.PartnerIDOnRecord},
	}
	for _, l := range o.Lines {
		d.Order.Lines = append(d.Order.Lines, OrderLine{l.Offer, l.Quantity, l.Term, l.Subscription})
	}
	return []Event{{OrderCompleted, d}}
}

// changedFields are the fields that the actions of a subscription's history change, as the API names them.
var changedFields = map[commerce.Change]string{
	commerce.StatusChanged: "status", commerce.QuantityChanged: "quantity", commerce.RecordChanged: "partnerIdOfRecord", commerce.SupportChanged: "supportContactTenantId",
	commerce.SupportFellBack: "supportContactTenantId",
}

// OfSubscription gives what a write of a subscription tells; of a new one its order tells.
func OfSubscription(before *commerce.Subscription, after commerce.Subscription) []Event {
	if before == nil {
		return nil
	}
	added := audit.Added(before.History, after.History, func(a, b commerce.Entry) bool {
		return a.At.Equal(b.At) && a.Action == b.Action && a.Is == b.Is && a.CorrelationID == b.CorrelationID && a.Key == b.Key && a.Body == b.Body
	})
	if added == 0 {
		return nil
	}
	last := after.History[len(after.History)-1]
	s := &Subscription{
		ID: after.ID, Version: after.Version, CustomerTenantID: string(after.Customer), OrderID: after.Order, OfferID: after.Offer, Status: string(after.Status),
		Quantity: after.Quantity, PartnerIDOfRecord: after.PartnerIDOfRecord, ResellerTenantID: string(after.Reseller), SupportContactTenantID: string(after.Supporter()),
	}
	for _, e := range after.History[len(after.History)-added:] {
		if field := changedFields[e.Action]; !slices.Contains(s.Changed, field) {
			s.Changed = append(s.Changed, field)
		}
	}
	return []Event{{SubscriptionChanged, Detail{
		Version: Version, ID: id(after.ID, after.Version, SubscriptionChanged), OccurredAt: last.At.UTC(), CorrelationID: last.CorrelationID,
		PartnerTenantID: string(after.Seller), Subscription: s,
	}}}
}
