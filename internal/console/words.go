package console

import (
	"slices"
	"strings"

	"concord/internal/invitation"
	"concord/internal/outbox"
)

// The words of what the use cases name, by key.
var (
	statusKeys = map[invitation.Status]string{
		invitation.Draft: "console.status.draft", invitation.Pending: "console.status.pending", invitation.Accepted: "console.status.accepted",
		invitation.Declined: "console.status.declined", invitation.Cancelled: "console.status.cancelled", invitation.Expired: "console.status.expired",
	}
	statusStates = map[invitation.Status]state{
		invitation.Draft: plainState, invitation.Pending: wait, invitation.Accepted: good, invitation.Declined: stop, invitation.Cancelled: plainState,
		invitation.Expired: plainState,
	}
	deliveryKeys = map[outbox.Delivery]string{
		outbox.DeliveryNotSent: "console.delivery.not-sent", outbox.DeliveryQueued: "console.delivery.queued",
		outbox.DeliverySending: "console.delivery.sending", outbox.DeliverySent: "console.delivery.sent",
		outbox.DeliveryDelayed: "console.delivery.delayed", outbox.DeliveryDelivered: "console.delivery.delivered",
		outbox.DeliveryBounced: "console.delivery.bounced", outbox.DeliveryRejected: "console.delivery.rejected",
		outbox.DeliverySuppressed: "console.delivery.suppressed", outbox.DeliveryComplained: "console.delivery.complained",
		outbox.DeliveryFailed: "console.delivery.failed",
	}
	deliveryStates = map[outbox.Delivery]state{
		outbox.DeliveryNotSent: plainState, outbox.DeliveryQueued: wait, outbox.DeliverySending: wait, outbox.DeliverySent: info,
		outbox.DeliveryDelayed: wait, outbox.DeliveryDelivered: good, outbox.DeliveryBounced: stop, outbox.DeliveryRejected: stop,
		outbox.DeliverySuppressed: stop, outbox.DeliveryComplained: stop, outbox.DeliveryFailed: stop,
	}
	// kindWords are what the kinds of invitation are called, what each asks, and who alone can ask it.
	kindWords = map[invitation.Kind]struct{ name, hint, only string }{
		invitation.Reseller:     {"console.kind.reseller", "console-invite.kind.reseller", ""},
		invitation.DualReseller: {"console.kind.dual", "console-invite.kind.dual", "console-invite.kind.dual.only"},
		invitation.Partnership: {
			"console.kind.partnership", "console-invite.kind.partnership", "console-invite.kind.partnership.only",
		},
	}
	// eventKeys are the actions of an invitation's timeline.
	eventKeys = map[string]string{
		"created": "console.event.created", "changed": "console.event.changed", "edited": "console.event.edited", "reset": "console.event.reset",
		"done": "console.event.done", "sent": "console.event.sent", "resent": "console.event.resent", "relinked": "console.event.relinked",
		"extended": "console.event.extended", "cancelled": "console.event.cancelled", "operator cancelled": "console.event.cancelled",
		"accepted": "console.event.accepted", "declined": "console.event.declined", "expired": "console.event.expired",
		"mailed": "console.event.mailed", "mail failed": "console.event.failed", "notice failed": "console.event.notice-failed",
		"delivered": "console.event.delivered", "delayed": "console.event.delayed", "bounced": "console.event.bounced",
		"rejected": "console.event.rejected", "suppressed": "console.event.suppressed", "complained": "console.event.complained",
		"reminded": "console.event.reminded", "renewal requested": "console.event.renewal", "reported": "console.event.reported",
		"disputed": "console.event.disputed", "unsubscribed": "console.event.unsubscribed", "mail allowed": "console.event.allowed",
		"moot": "console.event.moot", "erased": "console.event.erased",
	}
	actorKeys = map[invitation.ActorKind]string{
		invitation.ByUser: "console.actor.user", invitation.ByCustomer: "console.actor.customer", invitation.BySystem: "console.actor.system",
		invitation.ByOperator: "console.actor.operator",
	}
)

func (v *visit) status(i invitation.Invitation) *pill {
	s := i.StatusAt(v.now)
	return &pill{statusStates[s], v.T(statusKeys[s])}
}

func (v *visit) delivery(i invitation.Invitation) *pill {
	d := i.Mail.State.Delivery()
	if d == outbox.DeliveryNotSent && slices.ContainsFunc(i.History, func(e invitation.Entry) bool { return e.Action == "done" }) {
		return &pill{info, v.T("console.event.done")}
	}
	return &pill{deliveryStates[d], v.T(deliveryKeys[d])}
}

// event gives the words of an action; one that has none yet is told as it is stored.
func (v *visit) event(action string) string {
	if key, ok := eventKeys[action]; ok {
		return v.T(key)
	}
	return strings.ToUpper(action[:min(1, len(action))]) + action[min(1, len(action)):]
}

// whoDid says who did something: a person of the own company by name where it is the reader.
func (v *visit) whoDid(kind invitation.ActorKind, subject string) string {
	if subject != "" && subject == v.user.Subject {
		return v.T("console.actor.you")
	}
	return v.T(actorKeys[kind])
}
