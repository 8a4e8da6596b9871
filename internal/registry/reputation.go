package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"concord/internal/command"
	"concord/internal/partner"
	"concord/internal/problem"
)

// The rule looks at the last seven days of UTC, today included.
const (
	reputationDays = 7
	maxRounds      = 5
)

// Threshold is how much may be said against a partner's mails of a week before its sending pauses. The zero value never pauses.
//
// Both have to be reached: one complaint among the first ten mails says little about a partner.
type Threshold struct {
	PerMille int // of the mails of the week
	Least    int // objections, however few mails there were
}

func (t Threshold) reached(said, mails int) bool {
	return t.Least > 0 && said >= t.Least && said*1000 >= t.PerMille*mails
}

// ObjectionKind is what was said against a mail.
type ObjectionKind string

// What can be said against a mail.
const (
	Complaint ObjectionKind = "complaint" // the recipient does not want it
	Bounce    ObjectionKind = "bounce"    // there is no such recipient
)

// Objection is something said against the mails of a partner. What the same voice says again counts once, at the first time.
type Objection struct {
	Kind ObjectionKind
	// By is whose voice it is: of a complaint who complained (domain, 0.36), as package invitation says it, and of a bounce the id of what
	// was mailed. It holds no #.
	By string
	At time.Time
}

// Week is what is known of a partner's mails of some days.
type Week struct {
	Mails      map[string]int // how many were allowed, by day of UTC ("2026-11-21")
	Objections []Objection    // in any order; one voice may be there twice
}

// Score is what counts for or against a partner now.
type Score struct {
	From                       time.Time // since when it is counted
	Mails, Complaints, Bounces int
}

// ReputationStore keeps what is said against the mails of partners.
//
// Object notes an objection. What is noted for the same kind, voice and hour stays as it was first noted. Week gives what is known of
// the days from one to another, both included; it includes every objection that was acknowledged before the call. Account and
// WriteAccount are those of [AccountStore].
type ReputationStore interface {
	partner.Accounts
	WriteAccount(ctx context.Context, before, after partner.Account) error
	Object(ctx context.Context, p partner.TenantID, o Objection) error
	Week(ctx context.Context, p partner.TenantID, from, to string) (Week, error)
}

// Reputation pauses the sending of partners whose mails are complained about, or come back, too often: what one partner does would
// otherwise end the sending of all (SES judges the account as a whole).
type Reputation struct {
	Store               ReputationStore
	Complaints, Bounces Threshold
	Now                 func() time.Time
	// Paused is told of a pause that this call has begun; nil for nobody.
	Paused func(ctx context.Context, p partner.TenantID, why partner.Pause, s Score)
}

// Complained notes that somebody called a mail unwanted, and pauses the partner's sending when that was one voice too many. With
// an error it is to be called again; it may be called any number of times for one voice.
func (r Reputation) Complained(ctx context.Context, p partner.TenantID, by string) error {
	return r.object(ctx, p, Complaint, by)
}

// Bounced is [Reputation.Complained] for a mail, by its id, to an address that does not exist.
func (r Reputation) Bounced(ctx context.Context, p partner.TenantID, mail string) error {
	return r.object(ctx, p, Bounce, mail)
}

// object notes first and looks afterwards: of calls at the same time the last to look sees what all have noted, and a crash in between
// is made good by the call that comes again, which looks too.
func (r Reputation) object(ctx context.Context, p partner.TenantID, kind ObjectionKind, by string) error {
	now := r.Now().UTC().Truncate(time.Second)
	if err := r.Store.Object(ctx, p, Objection{Kind: kind, By: by, At: now}); err != nil {
		return fmt.Errorf("registry: note a %s: %w", kind, err)
	}
	for range maxRounds {
		before, err := r.Store.Account(ctx, p, true)
		if problem.Is(err, problem.NotFound) || err == nil && before.Paused != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("registry: reputation: %w", err)
		}
		s, err := r.Score(ctx, before)
		if err != nil {
			return err
		}
		why := partner.Pause{At: now}
		switch {
		case kind == Complaint && r.Complaints.reached(s.Complaints, s.Mails):
			why.Reason = partner.Complaints
		case kind == Bounce && r.Bounces.reached(s.Bounces, s.Mails):
			why.Reason = partner.Bounces
		default:
			return nil
		}
		after := paused(before, why, partner.Entry{At: now, Changed: []string{"sending=" + string(partner.SendingPaused)}, By: partner.ByReputation, Why: why.Reason})
		err = r.Store.WriteAccount(ctx, before, after)
		if err == nil && r.Paused != nil {
			r.Paused(ctx, p, why, s)
		}
		if !errors.Is(err, command.ErrConflict) {
			return err
		}
	}
	return command.ErrConflict
}

// Score gives what counts for or against a partner: the last seven days, but nothing from before its sending was last let on
// again, so that the same complaints do not pause it twice. Of that day all mails count, which is in the partner's favour.
func (r Reputation) Score(ctx context.Context, a partner.Account) (Score, error) {
	now := r.Now().UTC().Truncate(time.Second)
	today := now.Truncate(24 * time.Hour)
	s := Score{From: today.AddDate(0, 0, 1-reputationDays)}
	first := s.From
	if a.CountedFrom.After(s.From) {
		s.From, first = a.CountedFrom, a.CountedFrom.Truncate(24*time.Hour)
	}
	// Clocks differ: what another one noted early tomorrow counts.
	week, err := r.Store.Week(ctx, a.Tenant, today.AddDate(0, 0, 1-reputationDays).Format(time.DateOnly), today.AddDate(0, 0, 1).Format(time.DateOnly))
	if err != nil {
		return s, fmt.Errorf("registry: what is said against mails: %w", err)
	}
	for day, n := range week.Mails {
		if day >= first.Format(time.DateOnly) {
			s.Mails += n
		}
	}
	type voice struct {
		kind ObjectionKind
		by   string
	}
	said := map[voice]bool{}
	slices.SortFunc(week.Objections, func(a, b Objection) int { return a.At.Compare(b.At) })
	for _, o := range week.Objections {
		v := voice{o.Kind, o.By}
		if said[v] {
			continue
		}
		said[v] = true
		switch {
		case o.At.Before(s.From), !o.At.After(a.CountedFrom): // what came within the second in which the operator let it send again does not count
		case o.Kind == Complaint:
			s.Complaints++
		case o.Kind == Bounce:
			s.Bounces++
		}
	}
	return s, nil
}
