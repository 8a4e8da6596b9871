package letter

import (
	"strings"
	"testing"

	"concord/internal/emailaddr"
	"concord/internal/invitation"
	"concord/internal/locale"
	"concord/internal/partner"
)

// 0.33: the letters of an indirect reseller name the provider that is known to order, in every language, and no link is made of its name.
func TestKnownOrderer(t *testing.T) {
	for _, tag := range locale.Tags {
		l := invitation.Letter{
			Invitation: invitation.Invitation{Kind: invitation.Reseller, Locale: tag.String(), RequestDelegatedAdmin: true, Duration: invitation.DefaultDuration},
			Inviter:    partner.Account{DisplayName: "Cedar Solutions", Role: partner.IndirectReseller, Locale: tag.String()},
			Orderer:    partner.Account{DisplayName: "birch.example", Role: partner.IndirectProvider},
		}
		p := locale.For(tag)
		c := Compose(l, "https://portal.example/i/x", emailaddr.Operator{Name: "Operator"})
		if text := c.Text(); !strings.Contains(text, emailaddr.Disarm("birch.example")) || strings.Contains(text, p.T("order.indirect", "partner", "Cedar Solutions")) {
			t.Errorf("%v: %s", tag, text)
		}
		if told := toldOrders(p, l); !strings.Contains(told, "birch.example") {
			t.Errorf("%v: %s", tag, told)
		}
	}
}
