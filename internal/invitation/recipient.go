package invitation

import (
	"context"
	"errors"
	"slices"
	"time"

	"concord/internal/link"
	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/problem"
	"concord/internal/recipient"
	"concord/internal/relationship"
)

// The cases of what a recipient can do beside answering. None of it needs a sign-in: the link says which request it is about, and
// nothing of it gives anybody anything.
const (
	RenewalForm  Case = "renewal"       // a new link can be asked for
	RenewalAsked Case = "renewal-asked" // it was asked for
	NoRenewal    Case = "no-renewal"    // the link works, or an answer was given: there is nothing to ask for

	ReportForm Case = "report"
	Reported   Case = "reported"

	DisputeForm Case = "dispute"
	Disputed    Case = "disputed"
	DisputeOver Case = "dispute-over" // its time is over

	UnsubscribeForm Case = "unsubscribe"
	Unsubscribed    Case = "unsubscribed"

	AllowForm Case = "allow"   // the partner's mails are stopped, and can be let through again
	Allowed   Case = "allowed" // nothing of the recipient's keeps them away
)

// Reasons that the pages offer, each for one of the requests. One has to be chosen.
var (
	RenewalReasons = []string{"too-late", "mail-lost", "other"}
	ReportReasons  = []string{"unknown-company", "not-asked-for", "impersonation", wrongPerson}
	DisputeReasons = []string{"not-us", "not-authorised", "mistake"}
)

const wrongPerson = "wrong-person"

// DisputeWindow is how long after an answer its recipient can say that it was not its own.
const DisputeWindow = 72 * time.Hour

// Plea is what a recipient asks for.
type Plea struct {
	Reason        string
	CorrelationID string
}

// AskAgain asks the inviter for a new link, by one that is over or was replaced (G3). With a nil plea it only looks. It is done once
// per link, and tells the inviter by mail. It ends no wish of the recipient for no mail: the partner knows the links of its drafts (0.36).
//
// The error has findings when no reason was chosen. The Letter is set in every case but [Unknown], and says whether the partner's mails
// are stopped.
func (s *Service) AskAgain(ctx context.Context, l link.Link, plea *Plea) (Letter, Case, error) {
	return s.plead(ctx, l, plea, RenewalReasons, func(t *Letter, now time.Time, p *Plea) (Case, error) {
		i := &t.Invitation
		status := i.StatusAt(now)
		if p == nil {
			var err error
			if t.Stopped, err = s.stopped(ctx, *i, false); err != nil {
				return "", err
			}
		}
		switch {
		case status == Accepted, status == Declined, status.Open() && l.Generation == i.Generation:
			return NoRenewal, nil
		case i.Asked >= l.Generation:
			return RenewalAsked, nil
		case !t.Vouched():
			return InviterNotActive, nil // it can send no new one
		case p == nil:
			return RenewalForm, nil
		}
		i.Asked = l.Generation
		i.note(Entry{At: now, Action: "renewal requested", By: byRecipient, CorrelationID: p.CorrelationID, Why: p.Reason})
		i.owe(now, RenewalNotice)
		return RenewalAsked, nil
	})
}

// Report says that the recipient does not want the request: it does not know the company, or worse (pages and mail). With a nil plea it
// only looks. The partner's mails to this address end with it, reminders included; the request itself stays, since who
// reports has only a link. The error is that of [Service.AskAgain].
func (s *Service) Report(ctx context.Context, l link.Link, plea *Plea) (Letter, Case, error) {
	return s.plead(ctx, l, plea, ReportReasons, func(t *Letter, now time.Time, p *Plea) (Case, error) {
		i := &t.Invitation
		switch {
		case i.Reported >= l.Generation:
			// What was let through since can be reported again.
			if stopped, err := s.stopped(ctx, *i, false); stopped || err != nil || i.RecipientEmail == "" {
				return Reported, err
			}
		}
		if p == nil {
			return ReportForm, nil
		}
		if err := s.block(ctx, *i, &recipient.Suppression{At: now, Reason: "reported"}); err != nil {
			return "", err
		}
		if p.Reason != wrongPerson { // who is at the right company and the wrong desk says nothing against the partner
			if err := i.HoldAgainst(ctx, s.Reputation); err != nil {
				return "", err
			}
		}
		i.Reported, i.Reminders = l.Generation, false
		i.Post.Abandon(ReminderNotice)
		i.note(Entry{At: now, Action: "reported", By: byRecipient, CorrelationID: p.CorrelationID, Why: p.Reason})
		return Reported, nil
	})
}

// Unsubscribe ends the partner's mails to the recipient (RFC 8058). With a nil plea it only looks; a reason is not asked for. It
// works by the link of any reminder, also of one that is long over.
func (s *Service) Unsubscribe(ctx context.Context, l link.Link, plea *Plea) (Letter, Case, error) {
	return s.plead(ctx, l, plea, nil, func(t *Letter, now time.Time, p *Plea) (Case, error) {
		i := &t.Invitation
		if slices.ContainsFunc(i.History, func(e Entry) bool { return e.Action == unsubscribed }) {
			// The wish may have been taken back, also by a mail about another invitation of the partner.
			if stopped, err := s.stopped(ctx, *i, false); stopped || err != nil || i.RecipientEmail == "" {
				return Unsubscribed, err
			}
		}
		if p == nil {
			return UnsubscribeForm, nil
		}
		if err := s.block(ctx, *i, &recipient.Suppression{At: now, Reason: "unsubscribed"}); err != nil {
			return "", err
		}
		i.Reminders = false
		i.Post.Abandon(ReminderNotice)
		i.note(Entry{At: now, Action: unsubscribed, By: byRecipient, CorrelationID: p.CorrelationID})
		return Unsubscribed, nil
	})
}

const (
	unsubscribed = "unsubscribed"
	mailAllowed  = "mail allowed"
)

// stopped reports whether the recipient of an invitation has stopped its inviter's mails.
func (s *Service) stopped(ctx context.Context, i Invitation, strong bool) (bool, error) {
	return recipient.Stopped(ctx, s.Ledger, i.RecipientEmail, i.Inviter, strong)
}

// Allow lets the partner's mails through to the recipient again, who has stopped them by a report or by [Service.Unsubscribe]. With a
// nil plea it only looks; a reason is not asked for. The link is of [link.Allow] or [link.AllowGranular], which the recipient's mailbox alone has seen; it works
// like that of Unsubscribe also when the request is long over. Nobody else's suppression ends by it, nor one that SES's reports have made.
func (s *Service) Allow(ctx context.Context, l link.Link, plea *Plea) (Letter, Case, error) {
	return s.allow(ctx, l, plea, nobodyBarred)
}

// AllowSignedIn is [Service.Allow] by any other link about the same mail, which the partner may know too, for who has signed in for the
// recipient's tenant: the identity provider vouches that the domain of the recipient's address is among those of the company. Who is nil
// before sign-in. The case is [Review] then, and [OtherTenant] for everybody else, the inviter's own people among them.
func (s *Service) AllowSignedIn(ctx context.Context, l link.Link, who *relationship.Person, plea *Plea) (Letter, Case, error) {
	return s.allow(ctx, l, plea, barredFrom(who))
}

// nobodyBarred lets whoever has the link of the recipient's mailbox let mails through.
func nobodyBarred(partner.TenantID, partner.TenantID, string) Case { return "" }

// barredFrom says why who has signed in may not let the mails through that partners have sent to an address; empty for nothing.
func barredFrom(who *relationship.Person) func(inviter, provider partner.TenantID, mailed string) Case {
	return func(inviter, provider partner.TenantID, mailed string) Case {
		switch {
		case mailed == "":
			return "" // there is nothing to let through
		case who == nil:
			return Review
		case who.Company.Tenant == inviter, who.Company.Tenant == provider,
			relationship.CheckIdentity(who.Company, mailed) != relationship.NotNeeded:
			return OtherTenant
		}
		return ""
	}
}

// allow lets mails through unless something bars it.
func (s *Service) allow(ctx context.Context, l link.Link, plea *Plea, bars func(inviter, provider partner.TenantID, mailed string) Case) (Letter, Case, error) {
	return s.plead(ctx, l, plea, nil, func(t *Letter, now time.Time, p *Plea) (Case, error) {
		i := &t.Invitation
		if c := bars(i.Inviter, i.Provider, i.RecipientEmail); c != "" {
			return c, nil
		}
		stopped, err := s.stopped(ctx, *i, p != nil)
		switch {
		case err != nil:
			return "", err
		case !stopped && p == nil:
			return Allowed, nil
		case p == nil:
			return AllowForm, nil
		}
		if err := s.block(ctx, *i, nil); err != nil {
			return "", err
		}
		i.Reported = 0 // who wants mail again may report it again
		i.note(Entry{At: now, Action: mailAllowed, By: byRecipient, CorrelationID: p.CorrelationID})
		return Allowed, nil
	})
}

// Dispute says that the answer was not the recipient's: "this wasn't us", for [DisputeWindow] after it, also of one that repeated what
// stood (0.42). With a nil plea it only looks. The administration that the answer gave ends at once, and the partner has to confirm whom it deals with before it can order
// again (0.25); the relationship itself is the partner's to end, and the inviter is told. The error is that of [Service.AskAgain].
func (s *Service) Dispute(ctx context.Context, l link.Link, plea *Plea) (Letter, Case, error) {
	var is acceptance
	write := func(ctx context.Context, c Change) error { return s.settle(ctx, c, is) }
	return s.pleadAnd(ctx, l, plea, DisputeReasons, write, func(t *Letter, now time.Time, p *Plea) (Case, error) {
		i := &t.Invitation
		switch {
		case i.Answer == nil:
			return Unknown, nil
		case !i.DisputedAt.IsZero():
			return Disputed, nil
		case !now.Before(i.Answer.At.Add(DisputeWindow)):
			return DisputeOver, nil
		case p == nil:
			return DisputeForm, nil
		}
		var err error
		if is, err = s.disputed(ctx, *t, now, p.CorrelationID); err != nil {
			return "", err
		}
		i.DisputedAt = now
		i.note(Entry{At: now, Action: "disputed", By: byRecipient, CorrelationID: p.CorrelationID, Why: p.Reason})
		i.owe(now, DisputeNotice)
		return Disputed, nil
	})
}

// disputed gives what an answer has granted as it is once the answer is disputed.
func (s *Service) disputed(ctx context.Context, t Letter, now time.Time, correlationID string) (is acceptance, err error) {
	i := t.Invitation
	if i.Status != Accepted || i.Sandbox {
		return is, nil
	}
	for _, to := range t.receivers() {
		standing, err := s.standing(ctx, to.Tenant, i.Answer.Tenant)
		if err != nil {
			return acceptance{}, err
		}
		if standing == nil {
			continue
		}
		if r, changed := standing.Dispute(i.ID, now, correlationID); changed {
			is.relationships = append(is.relationships, relationship.Change{Before: standing, After: r})
		}
	}
	if !i.Kind.AsksPartner() {
		return is, nil
	}
	standing, err := s.standingPartnership(ctx, i.pair(i.Answer.Tenant))
	if err != nil || standing == nil {
		return is, err
	}
	if p, changed := standing.Dispute(i.ID, now, correlationID); changed {
		is.partnership = &partnership.Change{Before: standing, After: p}
	}
	return is, nil
}

// byRecipient is who did what needs no sign-in.
const byRecipient = "recipient"

func (s *Service) plead(ctx context.Context, l link.Link, plea *Plea, reasons []string, decide func(*Letter, time.Time, *Plea) (Case, error)) (Letter, Case, error) {
	return s.pleadAnd(ctx, l, plea, reasons, s.Store.Write, decide)
}

// pleadAnd looks, and where something is asked for decides and writes until nobody else was quicker. Decide changes the invitation of
// the letter where the plea is granted, and is called again with a fresh one after a conflict; what it does elsewhere is harmless twice.
func (s *Service) pleadAnd(
	ctx context.Context, l link.Link, plea *Plea, reasons []string, write func(context.Context, Change) error, decide func(*Letter, time.Time, *Plea) (Case, error),
) (Letter, Case, error) {
	for range maxRounds {
		t, err := s.letterOf(ctx, l, true, false)
		if problem.Is(err, problem.NotFound) {
			return Letter{}, Unknown, nil
		}
		if err != nil {
			return Letter{}, "", err
		}
		now := s.now()
		// The link of a mail that was cancelled leads nowhere; only the wish for no more mail is heard for ever.
		if t.Invitation.Status == Cancelled && reasons != nil || l.Generation > t.Invitation.Generation {
			return Letter{}, Unknown, nil
		}
		c, err := decide(&t, now, nil)
		if c == Unknown {
			return Letter{}, Unknown, err
		}
		form := c == RenewalForm || c == ReportForm || c == DisputeForm || c == UnsubscribeForm || c == AllowForm
		if err != nil || plea == nil || !form {
			return t, c, err
		}
		if reasons != nil && !slices.Contains(reasons, plea.Reason) {
			var f problem.Findings
			f.Add("/reason", problem.ValidationFailed, "Choose one of the reasons.")
			return t, c, f.Err()
		}
		before := t.Invitation
		t.Invitation = before.next()
		if c, err = decide(&t, now, plea); err != nil {
			return t, "", err
		}
		err = write(ctx, Change{Before: &before, After: t.Invitation})
		if !errors.Is(err, ErrConflict) {
			return t, c, err
		}
	}
	return Letter{}, "", unavailable(ErrConflict)
}

// block keeps the inviter's mails from the recipient of an invitation, or with nil lets them through again.
func (s *Service) block(ctx context.Context, i Invitation, why *recipient.Suppression) error {
	return recipient.Block(ctx, s.Ledger, i.RecipientEmail, i.Inviter, why)
}

// HoldAgainst holds against the inviter that the recipient has reported its mail, as with what SES says; a rehearsal counts for nobody. With
// an error it is to be called again; it may be called any number of times for one invitation.
func (i Invitation) HoldAgainst(ctx context.Context, r recipient.Reputation) error {
	if i.Sandbox {
		return nil
	}
	return recipient.Complain(ctx, r, i.Inviter, i.RecipientEmail, i.ID)
}
