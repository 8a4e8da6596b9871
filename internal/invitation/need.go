package invitation

import (
	"context"
	"time"

	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/recipient"
)

// Need is why an invitation waits for somebody of the partner.
type Need string

// What can be needed. Of several, an invitation has the first.
const (
	NoNeed          Need = ""
	NeedDisputed    Need = "disputed"    // the recipient says that the answer was not its own
	NeedRenewal     Need = "renewal"     // the recipient wants a new link
	NeedDeclined    Need = "declined"    // the customer does not want it
	NeedUndelivered Need = "undelivered" // the mail did not arrive, and will not
	NeedDraft       Need = "draft"       // nobody has mailed it yet
)

// Need says why an invitation waits for somebody at a moment. What has ended for longer than lists show it needs
// nobody.
func (i Invitation) Need(now time.Time) Need {
	if at, ended := i.ended(now); ended && now.Sub(at) >= listed {
		return NoNeed
	}
	status := i.StatusAt(now)
	switch {
	case i.Sandbox:
		return NoNeed
	case !i.DisputedAt.IsZero():
		return NeedDisputed
	case status == Expired && i.Asked == i.Generation && i.Asked > 0:
		return NeedRenewal
	case status == Declined:
		return NeedDeclined
	case status == Pending && i.Undelivered():
		return NeedUndelivered
	case status == Draft:
		return NeedDraft
	}
	return NoNeed
}

// Undelivered reports whether the mail did not reach the recipient, and will not unless it is sent again.
func (i Invitation) Undelivered() bool {
	switch i.Mail.State.Delivery() {
	case outbox.DeliveryBounced,
		outbox.DeliveryRejected,
		outbox.DeliverySuppressed,
		outbox.DeliveryComplained,
		outbox.DeliveryFailed:
		return true
	}
	return false
}

// CooldownUntil gives until when the mail cannot be sent again; zero where nothing stands against it. Another
// invitation to the same recipient may (domain, 0.37).
func (i Invitation) CooldownUntil(now time.Time) time.Time {
	if until := i.Mail.SentAt.Add(recipient.Cooldown); i.StatusAt(now).Open() && !i.Mail.SentAt.IsZero() &&
		until.After(now) {
		return until
	}
	return time.Time{}
}

// CancelReason is why the partner cancelled the invitation, empty where it did not say.
func (i Invitation) CancelReason() string { return i.last(string(Cancelled)).Why }

// RenewalRequestedAt is when the recipient asked for a new link by the one of now; zero where it did not.
func (i Invitation) RenewalRequestedAt() time.Time {
	if i.Asked == 0 || i.Asked != i.Generation {
		return time.Time{}
	}
	return i.last("renewal requested").At
}

// ReportedAt is when the recipient reported the request; zero where it did not, or lets mails through again.
func (i Invitation) ReportedAt() time.Time {
	if i.Reported == 0 {
		return time.Time{}
	}
	return i.last("reported").At
}

// last gives the newest entry of an action; the zero one for none that is still kept.
func (i Invitation) last(action string) (e Entry) {
	for _, each := range i.History {
		if each.Action == action {
			e = each
		}
	}
	return e
}

// Funnel counts how far invitations have come.
type Funnel struct{ Created, Mailed, Delivered, Answered, Accepted int }

// Add counts one more. A rehearsal does not count. What was answered had been mailed and delivered, by whoever mailed
// it.
func (f *Funnel) Add(i Invitation) {
	if i.Sandbox {
		return
	}
	count := func(n *int, is bool) {
		if is {
			*n++
		}
	}
	answered := i.Answer != nil
	f.Created++
	count(&f.Mailed, !i.Mail.SentAt.IsZero() || answered)
	count(&f.Delivered, i.Mail.State.Delivery() == outbox.DeliveryDelivered || answered)
	count(&f.Answered, answered)
	count(&f.Accepted, i.Status == Accepted)
}

// The funnel looks at the newest invitations of thirty days, at most so many.
const (
	funnelDays  = 30 * 24 * time.Hour
	funnelRows  = 500
	funnelPages = 100
)

// Funnel counts how far the invitations since a moment have come; of the last thirty days for the zero moment. Where
// there are more than the newest 500 it counts those, and gives false. Code: [problem.RoleNotPermitted].
func (s *Service) Funnel(
	ctx context.Context,
	u partner.User,
	since time.Time,
) (f Funnel, from time.Time, complete bool, err error) {
	if since.IsZero() {
		since = s.now().Add(-funnelDays)
	}
	q := Query{Status: AnyStatus, CreatedAfter: since, Limit: funnelPages}
	for range funnelRows / funnelPages {
		page, err := s.Invitations(ctx, u, q)
		if err != nil {
			return f, since, false, err
		}
		for _, i := range page.Invitations {
			f.Add(i)
		}
		if q.After = page.Next; q.After == "" {
			return f, since, true, nil
		}
	}
	return f, since, false, nil
}
