// Package recipient is how much mail a person gets, and who may stop it (api, "Quotas"; domain, 0.17, 0.36, 0.37): the
// time between two mails, how many a day, what bounced, complaints and who does not want a partner's mail any more,
// and who removes that. Whatever is mailed, by whichever aggregate, counts for the same person here.
//
// A recipient is a mailbox, whatever tag an address of it has, and known by a hash.
package recipient

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"time"

	"concord/internal/command"
	"concord/internal/emailaddr"
	"concord/internal/partner"
	"concord/internal/problem"
)

// Limits are how much mail partners may cause (api, "Quotas"; domain, 0.17). [Cooldown] and [PerRecipient] are the
// same in every deployment.
type Limits struct {
	// Partners is how many partners may mail one recipient in 24 hours; 0 for any number.
	Partners int
	// FirstMonth and Daily are how many mails a partner may send per day of UTC: in the 30 days after its account was
	// made, and from then on. An account can have a number of its own.
	FirstMonth, Daily int
	// Domain is how many mails a partner may send per day of UTC to all addresses of one registrable domain, but for
	// those of webmail; 0 for any number (domain, 0.37).
	Domain int
}

// Limits of every deployment.
const (
	// Cooldown is the least time between two mails of one partner to one recipient, over all its invitations.
	Cooldown = 10 * time.Minute
	// PerRecipient is how many mails one partner may send to one recipient in 24 hours.
	PerRecipient = 5
	// Window is for how long a mail counts.
	Window = 24 * time.Hour

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

// Mailings are what was allowed to one recipient in the last 24 hours. The recipient is a mailbox, whatever tag an
// address of it has, and known by a hash (domain, 0.37).
type Mailings struct {
	Recipient string
	List      []Mailing
	// Suppressed, when not nil, says why the recipient gets no mail of anybody. What holds it is kept for good.
	Suppressed *Suppression
	// Bounced, when not nil, says why nothing goes to the one address whose hash the recipient is: there is no such
	// address. Others of the mailbox are not touched, and have what is known of them under hashes of their own. What
	// holds it is kept for good.
	Bounced *Suppression
	// Blocked are the partners whose mails the recipient does not want, and why. What holds any is kept for good.
	Blocked map[partner.TenantID]Suppression
	// Removed are the newest suppressions that the operator has ended. What holds any is kept for good.
	Removed []RemovedSuppression
	Version int // 0 when nothing is stored
}

// Of gives the hash under which a recipient is known: that of the mailbox.
func Of(address string) string { return Hash(emailaddr.Mailbox(address)) }

// exactly gives the hash of an address with its tag. Without one it is that of the mailbox.
func exactly(address string) string { return Hash(emailaddr.Normalise(address)) }

// Hash gives what stands for an address, a mailbox or a domain and does not say it: 32 hexadecimal digits.
func Hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:16])
}

// bounced says why nothing goes to an address itself, nil when there is nothing against it. The mailings are those of
// its mailbox.
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
// Mailings gives what is stored for a recipient, and empty ones of version 0 for nothing. With strong set the answer
// includes every write that was acknowledged before the call; without, it may be a second old. Record stores mailings
// of one version over the version before it, or nothing and [ErrConflict]. Count counts one more mail of a partner,
// unless limit was reached: then it counts nothing and reports false.
type Ledger interface {
	// Mailings gives what is stored, with strong set strongly consistent, and version 0 for nothing.
	Mailings(ctx context.Context, recipient string, strong bool) (Mailings, error)
	// Record stores a version over the one before, or [ErrConflict].
	Record(ctx context.Context, m Mailings) error
	// Count adds one on condition that the limit is not reached, and gives false when it is; an answer that was lost
	// may have counted.
	Count(ctx context.Context, p partner.TenantID, of Tally, limit int) (bool, error)
}

// Tally says which mails of a partner are counted together.
type Tally struct {
	Day string // of UTC: "2026-11-21"
	// Domain is the hash of the registrable domain that they go to; empty for all mails of the day.
	Domain string
}

// Quota allows mails that ask a recipient for something: invitations, and requests of other kinds, which all count
// together.
type Quota struct {
	Ledger Ledger
	Limits Limits
}

// Allow allows one mail now, or says what stands against it: [problem.SendingPaused], [problem.RecipientSuppressed],
// [problem.ResendCooldown], [problem.RecipientQuotaExceeded], [problem.PartnerQuotaExceeded]. What was allowed is
// allowed again at no cost, so that a change can be tried again. It is known by the id of what it asks about and by
// the generation of its link.
func (q Quota) Allow(ctx context.Context, account partner.Account, recipient, id string, generation int,
	now time.Time) error {
	_, err := q.Reserve(ctx, account, recipient, Mailing{Partner: account.Tenant, Invitation: id,
		Generation: generation, At: now}, time.Time{}, now)
	return err
}

// Reserve is [Quota.Allow] for the moment of one mailing; the mail before it went out at sent. A crash after it has
// used up one mail of the quotas and nothing else.
func (q Quota) Reserve(ctx context.Context, account partner.Account, address string, one Mailing, sent,
	now time.Time) (time.Time, error) {
	at := one.At
	if account.Paused != nil {
		return at, ErrPaused
	}
	known := Of(address)
	counted := false
	for round := range maxRounds {
		before, err := q.Ledger.Mailings(ctx, known, round > 0)
		if err != nil {
			return at, err
		}
		if err := before.refuse(ctx, q.Ledger, address, one.Partner, round > 0); err != nil {
			return at, err
		}
		// A mail that waited went out after it was allowed.
		if wait, _ := Spacing([]time.Time{sent}, at); wait > 0 {
			return at, tooSoon(wait)
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

// count takes one of a partner's mails of a day, and one of those to the company that the address is of. When the
// second is refused, the first is used up: that day has one mail less for that company.
func (q Quota) count(ctx context.Context, account partner.Account, address string, at time.Time) error {
	day, tomorrow := at.Format(time.DateOnly), at.Truncate(Window).Add(Window).Sub(at)
	if _, webmail := emailaddr.Webmail(address); q.Limits.Domain > 0 && !webmail {
		ok, err := q.Ledger.Count(ctx, account.Tenant, Tally{day, Hash(emailaddr.Registered(address))}, q.Limits.Domain)
		if err == nil && !ok {
			err = &problem.Error{Code: problem.RecipientQuotaExceeded, RetryAfter: tomorrow,
				Detail: "You have sent as many emails to this company as you may in one day."}
		}
		if err != nil {
			return err
		}
	}
	ok, err := q.Ledger.Count(ctx, account.Tenant, Tally{Day: day}, q.Limits.Of(account, at))
	if err == nil && !ok {
		err = &problem.Error{Code: problem.PartnerQuotaExceeded, RetryAfter: tomorrow,
			Detail: "You have sent as many emails as you may in one day."}
	}
	return err
}

// recent leaves out what is a day old at a moment to come.
func recent(list []Mailing, at time.Time) []Mailing {
	return slices.DeleteFunc(slices.Clone(list), func(m Mailing) bool { return at.Sub(m.At) >= Window })
}

// refuse says why a partner's mail does not go to an address of the recipient, whenever it is tried.
func (m Mailings) refuse(ctx context.Context, ledger Suppressions, address string, p partner.TenantID,
	strong bool) error {
	gone, err := bounced(ctx, ledger, address, m, strong)
	blocked, isBlocked := m.Blocked[p]
	switch {
	case err != nil:
		return err
	case m.Suppressed != nil, gone != nil:
		return problem.New(problem.RecipientSuppressed,
			"This address gets no more email: an email to it bounced permanently, or its owner complained about one.")
	case isBlocked && blocked.Reason == "reported":
		return problem.New(problem.RecipientSuppressed,
			"The owner of this address has reported an email of yours and gets no more of them.")
	case isBlocked:
		return problem.New(problem.RecipientSuppressed, "The owner of this address has unsubscribed from your emails.")
	default:
		return nil
	}
}

// with gives the mailings of the last 24 hours with one more, one version on, and true when that one is among them
// already.
func (m Mailings) with(one Mailing, now time.Time) (after Mailings, known bool) {
	after = m
	after.Version, after.List = m.Version+1, nil
	for _, each := range m.List {
		if each.same(one) {
			return m, true
		}
		if now.Sub(each.At) < Window {
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

// AllowReminder allows one reminder, of which it is the first or a later one, and records it so that the cooldown
// counts it. It is not counted among the mails of a day: those are invitations. What was allowed is allowed again.
// Codes: [problem.RecipientSuppressed], [problem.ResendCooldown], [problem.RecipientQuotaExceeded].
func AllowReminder(ctx context.Context, ledger Suppressions, address string, one Mailing) error {
	known, now := Of(address), one.At
	for range maxRounds {
		before, err := ledger.Mailings(ctx, known, true)
		if err != nil {
			return err
		}
		if err := before.refuse(ctx, ledger, address, one.Partner, true); err != nil {
			return err
		}
		after, allowed := before.with(one, now)
		if allowed {
			return nil
		}
		if err := (Limits{}).allow(after.List[:len(after.List)-1], one.Partner, now); err != nil {
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
	var own []time.Time
	others := map[partner.TenantID]time.Time{} // by when the last mail of each is forgotten
	for _, m := range list {
		if m.Partner == p {
			own = append(own, m.At)
		} else if m.At.After(others[m.Partner]) {
			others[m.Partner] = m.At
		}
	}
	slices.SortFunc(own, time.Time.Compare)
	cool, full := Spacing(own, now)
	switch {
	case cool > 0:
		return tooSoon(cool)
	case full > 0:
		return &problem.Error{Code: problem.RecipientQuotaExceeded, RetryAfter: full,
			Detail: "The recipient gets no more of your emails today."}
	}
	if len(list) >= maxMailings {
		return &problem.Error{Code: problem.RecipientQuotaExceeded, RetryAfter: oldest(list).Add(Window).Sub(now),
			Detail: "The recipient gets no more emails today."}
	}
	if l.Partners > 0 && len(own) == 0 && len(others) >= l.Partners {
		free := now.Add(Window)
		for _, at := range others {
			if at.Add(Window).Before(free) {
				free = at.Add(Window)
			}
		}
		return &problem.Error{Code: problem.RecipientQuotaExceeded, RetryAfter: free.Sub(now),
			Detail: "The recipient gets no more emails from new partners today."}
	}
	return nil
}

func oldest(list []Mailing) time.Time {
	return slices.MinFunc(list, func(a, b Mailing) int { return a.At.Compare(b.At) }).At
}

// Spacing gives how long one more mail waits after those of the same sender, oldest first, that still count: until the
// cooldown is over, and until there are fewer than [PerRecipient]. It is 0, or less, for a mail that need not wait.
func Spacing(own []time.Time, now time.Time) (cool, full time.Duration) {
	if n := len(own); n > 0 {
		cool = own[n-1].Add(Cooldown).Sub(now)
	}
	if n := len(own); n >= PerRecipient {
		full = own[n-PerRecipient].Add(Window).Sub(now)
	}
	return cool, full
}

func tooSoon(wait time.Duration) error {
	return &problem.Error{Code: problem.ResendCooldown, RetryAfter: wait,
		Detail: "Wait ten minutes between two emails to a recipient."}
}

// Of gives how many mails a partner may send on the day of UTC of a moment.
func (l Limits) Of(a partner.Account, now time.Time) int {
	switch {
	case a.DailyMails > 0:
		return a.DailyMails
	case now.Sub(a.CreatedAt) < firstMonth:
		return l.FirstMonth
	default:
		return l.Daily
	}
}

// ErrPaused is what a partner is told whose sending is paused.
var ErrPaused = problem.New(problem.SendingPaused, "Your sending is paused. The operator can lift it.")

// ErrConflict means that somebody else was quicker: read again and decide again.
var ErrConflict = command.ErrConflict

// maxRounds bounds how often a decision is made anew after somebody else was quicker.
const maxRounds = 8

// Mailable says what stands against any mail of a partner to an address: [problem.SendingPaused],
// [problem.RecipientSuppressed].
func Mailable(ctx context.Context, ledger Suppressions, account partner.Account, address string) error {
	if account.Paused != nil {
		return ErrPaused
	}
	m, err := ledger.Mailings(ctx, Of(address), false)
	if err != nil {
		return err
	}
	return m.refuse(ctx, ledger, address, account.Tenant, false)
}

// Undeliverable says why no mail of anybody goes to an address, nil when there is nothing against it.
func Undeliverable(ctx context.Context, ledger Suppressions, address string) (*Suppression, error) {
	m, err := ledger.Mailings(ctx, Of(address), false)
	if err != nil || m.Suppressed != nil {
		return m.Suppressed, err
	}
	return bounced(ctx, ledger, address, m, false)
}
