package outbox

import "slices"

// Delivery is what partners see of a mail's way (domain, 2.2).
type Delivery string

// The states that partners see.
const (
	DeliveryNotSent Delivery = "notSent"
	DeliveryQueued  Delivery = "queued"
	DeliverySending Delivery = "sending"
	DeliverySent    Delivery = "sent"
	DeliveryFailed  Delivery = "failed"

	DeliveryDelayed    Delivery = "delayed"
	DeliveryDelivered  Delivery = "delivered"
	DeliveryBounced    Delivery = "bounced"
	DeliveryRejected   Delivery = "rejected"
	DeliverySuppressed Delivery = "suppressed"
	DeliveryComplained Delivery = "complained"
)

// Deliveries are all of them.
var Deliveries = []Delivery{
	DeliveryNotSent, DeliveryQueued, DeliverySending, DeliverySent, DeliveryDelayed, DeliveryDelivered, DeliveryBounced,
	DeliveryRejected,
	DeliverySuppressed, DeliveryComplained, DeliveryFailed,
}

// Delivery gives what partners see: how often it is tried is ours to know.
func (s State) Delivery() Delivery {
	switch {
	case s == Claimed, s == Waiting, s == Unknown:
		return DeliverySending
	case slices.Contains(Deliveries, Delivery(s)):
		return Delivery(s)
	default:
		return DeliveryNotSent
	}
}
