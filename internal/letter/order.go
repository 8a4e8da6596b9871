package letter

import (
	"concord/internal/invitation"
	"concord/internal/locale"
)

// Orders says who places the customer's orders, and what has to be signed first and who asks for that. An indirect reseller never orders; its
// provider does, and is named where it is known (0.33). Before there is an answer nobody knows what is signed.
func Orders(p *locale.Printer, l invitation.Letter) string {
	partner, provider, signed := l.Inviter.DisplayName, l.Provides().DisplayName, l.Invitation.Answer.Signed()
	switch {
	case provider != "" && signed:
		return p.T("order.provider.signed", "partner", partner, "provider", provider)
	case provider != "":
		return p.T("order.provider", "partner", partner, "provider", provider)
	case l.OrdersItself() && signed:
		return p.T("order.self.signed", "partner", partner)
	case l.OrdersItself():
		return p.T("order.self", "partner", partner)
	case signed:
		return p.T("order.indirect.signed", "partner", partner)
	default:
		return p.T("order.indirect", "partner", partner)
	}
}

// toldOrders is [Orders] for the partner itself, in a notice.
func toldOrders(p *locale.Printer, l invitation.Letter) string {
	provider, signed := l.Provides().DisplayName, l.Invitation.Answer.Signed()
	switch {
	case provider != "" && signed:
		return p.T("order.notice.provider.signed", "provider", provider)
	case provider != "":
		return p.T("order.notice.provider", "provider", provider)
	case l.OrdersItself() && signed:
		return p.T("order.notice.self.signed")
	case l.OrdersItself():
		return p.T("order.notice.self")
	case signed:
		return p.T("order.notice.indirect.signed")
	default:
		return p.T("order.notice.indirect")
	}
}
