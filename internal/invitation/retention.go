package invitation

import (
	"cmp"
	"slices"
	"time"

	"concord/internal/outbox"
)

// How long the data of people is kept (domain, 0.23).
const (
	// Unanswered is how long an invitation that nobody answered keeps whom it went to, from its end. A draft that nobody ended is
	// forgotten as a whole then.
	Unanswered = 180 * 24 * time.Hour
	// evidence is how long an answer keeps who gave it, unless the deployment says otherwise.
	evidence = 7 * 365 * 24 * time.Hour
)

func (s *Service) evidence() time.Duration { return cmp.Or(s.Evidence, evidence) }

// ForgetAt gives when an invitation may be forgotten as a whole: a draft has been shown to nobody by us and is no evidence. It is
// zero for every other.
func (i Invitation) ForgetAt() time.Time {
	if i.Status != Draft {
		return time.Time{}
	}
	return i.ExpiresAt.Add(Unanswered)
}

// Forget gives an ended invitation without what it says of a person, before its time (domain, 0.23), and false for one that is open, that
// was answered and is evidence until its time, that still owes a mail, or that names nobody any more.
func (i Invitation) Forget(now time.Time) (Invitation, bool) {
	if i.Status.Open() || i.Answer != nil || i.EraseAt.IsZero() || i.Mail.State.Owed() || i.Post.State != outbox.None {
		return i, false
	}
	n := i.next()
	n.erase(now)
	return n, true
}

// erased is what the timeline says of the erasure.
const erased = "erased"

// erase takes out of an ended invitation whatever says something of a person. What was asked, when, and what became of it stays.
func (i *Invitation) erase(now time.Time) {
	i.EraseAt = time.Time{}
	i.RecipientEmail, i.RecipientName, i.Message, i.Edited = "", "", "", false
	i.History = slices.Clone(i.History)
	for n := range i.History {
		e := &i.History[n]
		if e.Action == string(Cancelled) || e.Action == operatorCancelled {
			e.Why = "" // somebody typed it
		}
	}
	if i.Answer != nil {
		a := *i.Answer
		a.Subject, a.FullName, a.JobTitle, a.Email, a.Comment = "", "", "", "", ""
		i.Answer = &a
		i.CreatedBy = ""
		for n := range i.History {
			if actorOf(i.History[n].Action) != BySystem {
				i.History[n].By = ""
			}
		}
	}
	i.note(Entry{At: now, Action: erased, By: "cleanup"})
}
