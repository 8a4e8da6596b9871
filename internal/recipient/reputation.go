package recipient

import (
	"context"

	"concord/internal/emailaddr"
	"concord/internal/outbox"
	"concord/internal/partner"
)

// Reputation is told what is said against the mails of a partner; see [registry.Reputation], whose contract it is.
type Reputation interface {
	Complained(ctx context.Context, p partner.TenantID, by string) error
	Bounced(ctx context.Context, p partner.TenantID, mail string) error
}

// voice says who complains: all addresses of one registrable domain are one voice, so that no organisation pauses a
// partner alone, and at a webmail provider each mailbox is (domain, 0.36). It holds no address in clear. Where nobody
// knows the address any more it is the mail that was complained about.
func voice(address, mail string) string {
	if address == "" {
		return mail
	}
	if _, webmail := emailaddr.Webmail(address); webmail {
		return Of(address)
	}
	return Hash(emailaddr.Registered(address))
}

// Complain holds a complaint about a mail that went to an address against its partner.
func Complain(ctx context.Context, r Reputation, p partner.TenantID, address, mail string) error {
	if r == nil || emailaddr.Simulated(address) {
		return nil
	}
	return r.Complained(ctx, p, voice(address, mail))
}

// HoldReport holds against a partner what SES has reported of a mail that went to an address: a complaint, or that it
// bounced for good.
func HoldReport(ctx context.Context, r Reputation, p partner.TenantID, address, mail string,
	report outbox.Report) error {
	switch {
	case report.State == outbox.Complained:
		return Complain(ctx, r, p, address, mail)
	case r == nil || emailaddr.Simulated(address) || report.State != outbox.Bounced || !report.Undeliverable:
		return nil
	default:
		return r.Bounced(ctx, p, mail)
	}
}
