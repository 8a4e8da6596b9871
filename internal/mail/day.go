package mail

import (
	"context"
	"fmt"
	"time"

	"concord/internal/invitation"
	"concord/internal/letter"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/relationship"
)

// Relationships is what the daily mail needs of a [relationship.Store], whose contract it is.
type Relationships interface {
	Relationship(ctx context.Context, p, customer partner.TenantID) (relationship.Relationship, error)
	Relationships(ctx context.Context, p partner.TenantID, q relationship.Query) (relationship.Page, error)
}

// A day's acceptances are told of at one time (domain, 0.48). Those of the last minutes before it wait for the next day, so that the
// partner's list, which may be a moment behind, has all that belong to a day before anybody looks.
const (
	dayAt    = 6 * time.Hour // after midnight of UTC
	daySlack = 10 * time.Minute
	// dayPatience is how long the notice that speaks for a day waits for the others to go.
	dayPatience = time.Hour
	// dayMost is how many acceptances of a day are counted.
	dayMost = 100
)

// toldAt gives when the day's mail tells of an acceptance.
func toldAt(at time.Time) time.Time {
	t := at.UTC().Add(daySlack).Truncate(24 * time.Hour).Add(dayAt)
	if !t.After(at.Add(daySlack)) {
		t = t.Add(24 * time.Hour)
	}
	return t
}

// ofDay reports whether a notice tells of nothing but that a customer has accepted: what needs somebody is told of at once.
func ofDay(i invitation.Invitation) bool {
	return i.Status == invitation.Accepted && i.Answer != nil && i.Kind != invitation.Partnership && !i.Answer.NoChange && !i.Answer.Unproven
}

// daily reports whether a notice goes with those of its day. What has waited for the day goes with it even where the partner wants each
// by now: others of that day may rely on it.
func (d *Dispatcher) daily(i invitation.Invitation, k outbox.Kind, a partner.Account) bool {
	return d.Customers != nil && k == invitation.AnswerNotice && ofDay(i) && (!a.EachAcceptance || !d.now().Before(toldAt(i.Answer.At)))
}

// day says what becomes of the notice of an acceptance. It waits for its time; then the newest that is still owed speaks for all of
// the day, once the others have gone. An older one goes without a mail exactly as long as a newer one is owed, which will name
// it: so none is lost, whoever dies in between. One whose relationship does not stand in the list as made by this answer speaks for
// itself.
func (d *Dispatcher) day(ctx context.Context, l invitation.Letter) (letter.Content, *Outcome) {
	i, at := l.Invitation, toldAt(l.Invitation.Answer.At)
	left := at.Sub(d.now())
	r, err := d.Customers.Relationship(ctx, i.Inviter, i.Customer)
	listed := err == nil && r.Invitation == i.ID && r.EstablishedAt.Equal(i.Answer.At) && r.Twin == ""
	switch {
	case err != nil && !problem.Is(err, problem.NotFound):
		return letter.Content{}, new(unsent(outbox.Waiting, "store_unavailable"))
	case left > 0 && listed:
		return letter.Content{}, new(later("daily", left))
	case left > 0:
		return letter.Tell(invitation.AnswerNotice, l, d.Operator), nil
	}
	all, err := d.accepted(ctx, i.Inviter, at)
	var newer, older bool
	if err == nil {
		newer, older, err = d.owing(ctx, i, all)
	}
	switch {
	case err != nil:
		return letter.Content{}, new(unsent(outbox.Waiting, "store_unavailable"))
	case newer && listed:
		return letter.Content{}, &Outcome{Outcome: outbox.Outcome{State: outbox.Sent, Reason: "daily"}}
	case older && -left < dayPatience:
		return letter.Content{}, new(later("daily", time.Minute))
	case len(all) > 1 || len(all) == 1 && !listed:
		return letter.Day(l, all, d.Operator), nil
	}
	return letter.Tell(invitation.AnswerNotice, l, d.Operator), nil
}

// owing reports whether a newer notice of a day is still owed, and whether an older one is. On a newer one somebody relies, so that it
// is read strongly.
func (d *Dispatcher) owing(ctx context.Context, mine invitation.Invitation, all []relationship.Relationship) (newer, older bool, err error) {
	before := true // the list goes from the newest on
	for _, r := range all {
		if r.Invitation == mine.ID {
			before = false
			continue
		}
		i, err := d.Store.Invitation(ctx, invitation.Key{Inviter: mine.Inviter, ID: r.Invitation}, before)
		if problem.Is(err, problem.NotFound) { // of the other tier
			continue
		}
		if err != nil {
			return false, false, fmt.Errorf("mail: what else is told of on the day of %s: %w", mine.ID, err)
		}
		if !ofDay(i) || !i.Post.Owes(invitation.AnswerNotice) || !i.Answer.At.Equal(r.EstablishedAt) {
			continue
		}
		if before {
			return true, false, nil
		}
		return false, true, nil
	}
	return false, false, nil
}

// accepted gives the relationships that invitations established in the day which is told of at a moment, newest first.
func (d *Dispatcher) accepted(ctx context.Context, p partner.TenantID, at time.Time) (all []relationship.Relationship, err error) {
	before := at.Add(-daySlack)
	q := relationship.Query{Limit: dayMost, After: relationship.Place(before, partner.TenantID("00000000-0000-0000-0000-000000000000"))}
	for len(all) < dayMost {
		page, err := d.Customers.Relationships(ctx, p, q)
		if err != nil {
			return nil, fmt.Errorf("mail: accepted by customers of %s: %w", p, err)
		}
		for _, r := range page.Relationships {
			if r.EstablishedAt.Before(before.Add(-24 * time.Hour)) {
				return all, nil
			}
			if r.Origin == relationship.ByInvitation {
				all = append(all, r)
			}
		}
		if q.After = page.Next; q.After == "" {
			break
		}
	}
	return all, nil
}
