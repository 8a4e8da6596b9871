package invitation

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"time"

	"concord/internal/contact"
	"concord/internal/partner"
	"concord/internal/problem"
)

// Limits are how much mail partners may cause (api, "Quotas"; domain, 0.17). [Cooldown] and [PerRecipient] are the same in
// every deployment.
type Limits struct {
	// Partners is how many partners may mail one recipient in 24 hours; 0 for any number.
	Partners int
	// FirstMonth and Daily are how many mails a partner may send per day of UTC: in the 30 days after its account was made, and
	// from then on. An account can have a number of its own.
	FirstMonth, Daily int
	// Domain is how many mails a partner may send per day of UTC to all addresses of one registrable domain, but for those of webmail;
	// 0 for any number (domain, 0.37).
	Domain int
}

// Limits of every deployment.
const (
	// Cooldown is the least time between two mails of one partner to one recipient, over all its invitations.
	Cooldown = 10 * time.Minute
	// PerRecipient is how many mails one partner may send to one recipient in 24 hours.
	PerRecipient = 5

	window     = 24 * time.Hour
	firstMonth = 30 * 24 * time.Hour
	// maxMailings bounds what is stored for a recipient where any number of partners may mail it.
	maxMailings = 200
)

// Mailing is one mail that was allowed.
type Mailing struct {
	Partner    partner.TenantID
	Invitation string
	Generation int
	// Reminder is which reminder of the generation it was, from 1; 0 for the mail that invites.
	Reminder int
	At       time.Time
}

// Mailings are what was allowed to one recipient in the last 24 hours. The recipient is a mailbox, whatever tag an address of it has, and
// known by a hash (domain, 0.37).
type Mailings struct {
	Recipient string
	List      []Mailing
	// Suppressed, when not nil, says why the recipient gets no mail of anybody. What holds it is kept for good.
	Suppressed *Suppression
	// Bounced, when not nil, says why nothing goes to the one address whose hash the recipient is: there is no such address. Others of the
	// mailbox are not touched, and have what is known of them under hashes of their own. What holds it is kept for good.
	Bounced *Suppression
	// Blocked are the partners whose mails the recipient does not want, and why. What holds any is kept for good.
	Blocked map[partner.TenantID]Suppression
	// Lifted are the newest suppressions that the operator has ended. What holds any is kept for good.
	Lifted  []Lifted
	Version int // 0 when nothing is stored
}

// recipientOf gives the hash under which a recipient is known: that of the mailbox.
func recipientOf(address string) string { return hashed(contact.Mailbox(address)) }

// exactly gives the hash of an address with its tag. Without one it is that of the mailbox.
func exactly(address string) string { return hashed(contact.Normalise(address)) }

func hashed(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:16])
}

// bounced says why nothing goes to an address itself, nil when there is nothing against it. The mailings are those of its mailbox.
func bounced(ctx context.Context, ledger Suppressions, address string, m Mailings, strong bool) (*Suppression, error) {
	exact := exactly(address)
	if exact == m.Recipient {
		return m.Bounced, nil
	}
	own, err := ledger.Mailings(ctx, exact, strong)
	return own.Bounced, err
}

// Ledger keeps count of mails.
//
// Mailings gives what is stored for a recipient, and empty ones of version 0 for nothing. With strong set the answer includes
// every write that was acknowledged before the call; without, it may be a second old.
// Record stores mailings of one version over the version before it, or nothing and [ErrConflict]. Count counts one more mail of
// a partner, unless limit was reached: then it counts nothing and reports false.
type Ledger interface {
	Mailings(ctx context.Context, recipient string, strong bool) (Mailings, error)
	Record(ctx context.Context, m Mailings) error
	Count(ctx context.Context, p partner.TenantID, of Tally, limit int) (bool, error)
}

// Tally says which mails of a partner are counted together.
type Tally struct {
	Day string // of UTC: "2026-11-21"
	// Domain is the hash of the registrable domain that they go to; empty for all mails of the day.
	Domain string
}

// MaxWait is how long a mail waits for its quota at most.
const MaxWait = 366 * 24 * time.Hour

// slotFor gives when the mail of an invitation may go out: now, or for who is patient the first moment that the limits allow.
func (s *Service) slotFor(ctx context.Context, c task, account partner.Account, inv Invitation, now time.Time) (time.Time, error) {
	at := now
	if c.patient && c.from.After(now) {
		at = c.from
	}
	for {
		when, err := s.reserve(ctx, account, inv, now, at)
		var wait time.Duration
		if p, ok := errors.AsType[*problem.Error](err); ok {
			switch p.Code {
			case problem.ResendCooldown, problem.RecipientQuotaExceeded, problem.PartnerQuotaExceeded:
				wait = p.RetryAfter
			}
		}
		if !c.patient || wait <= 0 || at.Add(wait).Sub(now) > MaxWait {
			return when, err
		}
		at = at.Add(wait)
	}
}

// mailable says what stands against any mail of an invitation: [problem.SendingPaused], [problem.RecipientSuppressed].
func (s *Service) mailable(ctx context.Context, account partner.Account, inv Invitation) error {
	if account.Paused != nil {
		return errPaused
	}
	m, err := s.Ledger.Mailings(ctx, recipientOf(inv.RecipientEmail), false)
	if err != nil {
		return err
	}
	return m.refuse(ctx, s.Ledger, inv.RecipientEmail, inv.Inviter, false)
}

var errPaused = problem.New(problem.SendingPaused, "Your sending is paused. The operator can lift it.")

// reserve allows the mail of an invitation at a moment that is not in the past, or says what stands against it, as [Quota] does. What was
// allowed is allowed again for the same moment.
func (s *Service) reserve(ctx context.Context, account partner.Account, inv Invitation, now, at time.Time) (time.Time, error) {
	one := Mailing{Partner: inv.Inviter, Invitation: inv.ID, Generation: inv.Generation, At: at}
	return Quota{s.Ledger, s.Limits}.reserve(ctx, account, inv.RecipientEmail, one, inv.Mail.SentAt, now)
}

// Quota allows mails that ask a recipient for something: invitations, and requests of other kinds, which all count together.
type Quota struct {
	Ledger Ledger
	Limits Limits
}

// Allow allows one mail now, or says what stands against it: [problem.SendingPaused], [problem.RecipientSuppressed],
// [problem.ResendCooldown], [problem.RecipientQuotaExceeded], [problem.PartnerQuotaExceeded]. What was allowed is allowed again at no cost,
// so that a change can be tried again. It is known by the id of what it asks about and by the generation of its link.
func (q Quota) Allow(ctx context.Context, account partner.Account, recipient, id string, generation int, now time.Time) error {
	_, err := q.reserve(ctx, account, recipient, Mailing{Partner: account.Tenant, Invitation: id, Generation: generation, At: now}, time.Time{}, now)
	return err
}

// reserve is Allow for the moment of one mailing; the mail before it went out at sent. A crash after it has used up one mail of the
// quotas and nothing else.
func (q Quota) reserve(ctx context.Context, account partner.Account, address string, one Mailing, sent, now time.Time) (time.Time, error) {
	at := one.At
	if account.Paused != nil {
		return at, errPaused
	}
	recipient := recipientOf(address)
	counted := false
	for round := range maxRounds {
		before, err := q.Ledger.Mailings(ctx, recipient, round > 0)
		if err != nil {
			return at, err
		}
		if err := before.refuse(ctx, q.Ledger, address, one.Partner, round > 0); err != nil {
			return at, err
		}
		// A mail that waited went out after it was allowed.
		if err := cooldown(sent, at); err != nil {
			return at, err
		}
		after, allowed := before.with(one, now)
		if allowed {
			return after.when(one), nil
		}
		if err := q.Limits.allow(recent(after.List[:len(after.List)-1], at), one.Partner, at); err != nil {
			return at, err
		}
		if !counted {
			if err := q.count(ctx, account, address, at); err != nil {
				return at, err
			}
			counted = true
		}
		if err := q.Ledger.Record(ctx, after); !errors.Is(err, ErrConflict) {
			return at, err
		}
	}
	return at, ErrConflict
}

// count takes one of a partner's mails of a day, and one of those to the company that the address is of. When the second is refused, the
// first is used up: that day has one mail less for that company.
func (q Quota) count(ctx context.Context, account partner.Account, address string, at time.Time) error {
	day, tomorrow := at.Format(time.DateOnly), at.Truncate(window).Add(window).Sub(at)
	if _, webmail := contact.Webmail(address); q.Limits.Domain > 0 && !webmail {
		ok, err := q.Ledger.Count(ctx, account.Tenant, Tally{day, hashed(contact.Registered(address))}, q.Limits.Domain)
		if err == nil && !ok {
			err = &problem.Error{Code: problem.RecipientQuotaExceeded, RetryAfter: tomorrow,
				Detail: "You have sent as many emails to this company as you may in one day."}
		}
		if err != nil {
			return err
		}
	}
	ok, err := q.Ledger.Count(ctx, account.Tenant, Tally{Day: day}, q.Limits.daily(account, at))
	if err == nil && !ok {
		err = &problem.Error{Code: problem.PartnerQuotaExceeded, RetryAfter: tomorrow, Detail: "You have sent as many emails as you may in one day."}
	}
	return err
}

// recent leaves out what is a day old at a moment to come.
func recent(list []Mailing, at time.Time) []Mailing {
	return slices.DeleteFunc(slices.Clone(list), func(m Mailing) bool { return at.Sub(m.At) >= window })
}

// refuse says why a partner's mail does not go to an address of the recipient, whenever it is tried.
func (m Mailings) refuse(ctx context.Context, ledger Suppressions, address string, p partner.TenantID, strong bool) error {
	gone, err := bounced(ctx, ledger, address, m, strong)
	blocked, isBlocked := m.Blocked[p]
	switch {
	case err != nil:
		return err
	case m.Suppressed != nil, gone != nil:
		return problem.New(problem.RecipientSuppressed, "This address gets no more email: an email to it bounced permanently, or its owner complained about one.")
	case isBlocked && blocked.Reason == "reported":
		return problem.New(problem.RecipientSuppressed, "The owner of this address has reported an email of yours and gets no more of them.")
	case isBlocked:
		return problem.New(problem.RecipientSuppressed, "The owner of this address has unsubscribed from your emails.")
	default:
		return nil
	}
}

// with gives the mailings of the last 24 hours with one more, one version on, and true when that one is among them already.
func (m Mailings) with(one Mailing, now time.Time) (after Mailings, known bool) {
	after = m
	after.Version, after.List = m.Version+1, nil
	for _, each := range m.List {
		if each.same(one) {
			return m, true
		}
		if now.Sub(each.At) < window {
			after.List = append(after.List, each)
		}
	}
	after.List = append(after.List, one)
	return after, false
}

// same reports whether two entries are of one mail.
func (m Mailing) same(one Mailing) bool {
	one.At = m.At
	return m == one
}

// when gives for which moment a mail among the mailings was allowed.
func (m Mailings) when(one Mailing) time.Time {
	return m.List[slices.IndexFunc(m.List, one.same)].At
}

// AllowReminder allows the reminder that an invitation owes, and records it so that the cooldown counts it. It is not counted among
// the mails of a day: those are invitations. What was allowed is allowed again. Codes: [problem.RecipientSuppressed],
// [problem.ResendCooldown], [problem.RecipientQuotaExceeded].
func AllowReminder(ctx context.Context, ledger Suppressions, inv Invitation, now time.Time) error {
	recipient := recipientOf(inv.RecipientEmail)
	for range maxRounds {
		before, err := ledger.Mailings(ctx, recipient, true)
		if err != nil {
			return err
		}
		if err := before.refuse(ctx, ledger, inv.RecipientEmail, inv.Inviter, true); err != nil {
			return err
		}
		one := Mailing{Partner: inv.Inviter, Invitation: inv.ID, Generation: inv.Generation, Reminder: inv.Reminded, At: now}
		after, allowed := before.with(one, now)
		if allowed {
			return nil
		}
		if err := (Limits{}).allow(after.List[:len(after.List)-1], inv.Inviter, now); err != nil {
			return err
		}
		if err := ledger.Record(ctx, after); !errors.Is(err, ErrConflict) {
			return err
		}
	}
	return ErrConflict
}

// allow looks at the mails of the last 24 hours to one recipient.
func (l Limits) allow(list []Mailing, p partner.TenantID, now time.Time) error {
	own := slices.DeleteFunc(slices.Clone(list), func(m Mailing) bool { return m.Partner != p })
	others := map[partner.TenantID]time.Time{} // by when the last mail of each is forgotten
	for _, m := range list {
		if m.Partner != p && m.At.After(others[m.Partner]) {
			others[m.Partner] = m.At
		}
	}
	slices.SortFunc(own, func(a, b Mailing) int { return a.At.Compare(b.At) })
	if n := len(own); n > 0 {
		if err := cooldown(own[n-1].At, now); err != nil {
			return err
		}
	}
	if n := len(own); n >= PerRecipient {
		return &problem.Error{Code: problem.RecipientQuotaExceeded, RetryAfter: own[n-PerRecipient].At.Add(window).Sub(now),
			Detail: "The recipient gets no more of your emails today."}
	}
	if len(list) >= maxMailings {
		return &problem.Error{Code: problem.RecipientQuotaExceeded, RetryAfter: oldest(list).Add(window).Sub(now), Detail: "The recipient gets no more emails today."}
	}
	if l.Partners > 0 && len(own) == 0 && len(others) >= l.Partners {
		free := now.Add(window)
		for _, at := range others {
			if at.Add(window).Before(free) {
				free = at.Add(window)
			}
		}
		return &problem.Error{Code: problem.RecipientQuotaExceeded, RetryAfter: free.Sub(now), Detail: "The recipient gets no more emails from new partners today."}
	}
	return nil
}

func oldest(list []Mailing) time.Time {
	return slices.MinFunc(list, func(a, b Mailing) int { return a.At.Compare(b.At) }).At
}

// cooldown refuses a mail soon after the one before.
func cooldown(last, now time.Time) error {
	if wait := last.Add(Cooldown).Sub(now); wait > 0 {
		return &problem.Error{Code: problem.ResendCooldown, RetryAfter: wait, Detail: "Wait ten minutes between two emails to a recipient."}
	}
	return nil
}

func (l Limits) daily(a partner.Account, now time.Time) int {
	switch {
	case a.DailyMails > 0:
		return a.DailyMails
	case now.Sub(a.CreatedAt) < firstMonth:
		return l.FirstMonth
	default:
		return l.Daily
	}
}

// Undeliverable says why no mail of anybody goes to an address, nil when there is nothing against it.
func Undeliverable(ctx context.Context, ledger Suppressions, address string) (*Suppression, error) {
	m, err := ledger.Mailings(ctx, recipientOf(address), false)
	if err != nil || m.Suppressed != nil {
		return m.Suppressed, err
	}
	return bounced(ctx, ledger, address, m, false)
}
