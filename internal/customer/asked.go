package customer

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/link"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/publicid"
	"concord/internal/relationship"
)

// Asked are requests to a company, of any state: who finds them reads how each of them stands.
type Asked struct {
	Invitations []invitation.Key
	Granular    []granular.Key // asked for by themselves, and not with an invitation; none that was approved
}

// Requests finds what companies are asked, whichever partner asks. What it gives is no permission to see it.
//
// AskedOf gives the requests that name a company by its tenant, or by the id of a record. AskedAt gives those that name
// nobody and go to addresses of one domain, in ASCII and lower case; who else holds the address plays no part. AskedAs
// gives the requests for granular administration of one id that name nobody and were mailed to nobody; there is one at
// most. An answer may be a second behind, and has at most [MaxAsked] requests of each kind. Rehearsals are in none.
type Requests interface {
	AskedOf(ctx context.Context, company partner.TenantID) (Asked, error)
	AskedAt(ctx context.Context, domain string) (Asked, error)
	AskedAs(ctx context.Context, id string) ([]granular.Key, error)
}

// MaxAsked bounds how many requests are looked at together.
const MaxAsked = 400

// Answers shows a request as who is signed in may see and answer it: part of an [invitation.Service], whose contract
// it is.
type Answers interface {
	Look(ctx context.Context, l link.Link, who *relationship.Person, just bool) (invitation.Letter, invitation.Case, error)
}

// Request is what a partner asks the company, or has asked.
type Request struct {
	// Letter is that of an invitation. Of a request for granular administration alone it is nil, and Granular is set.
	Letter   *invitation.Letter
	Granular *granular.Request
	// Answered says that it has an answer, which can be disputed for [invitation.DisputeWindow] (0.42).
	Answered bool
}

// asked gives the requests that wait for the company: by its tenant, by the ids of records that it has claimed or can
// claim (0.30), and by the domains that it has proven, and of them alone (0.27); and those whose answer can still be
// disputed. The newest come first, at most [maxShown].
func (s Portal) asked(ctx context.Context, who relationship.Person, known []partner.TenantID) (list []Request, err error) {
	if s.Requests == nil {
		return nil, nil
	}
	var all Asked
	take := func(a Asked, err error) error {
		for _, k := range a.Invitations {
			if !slices.Contains(all.Invitations, k) {
				all.Invitations = append(all.Invitations, k)
			}
		}
		for _, k := range a.Granular {
			if !slices.Contains(all.Granular, k) {
				all.Granular = append(all.Granular, k)
			}
		}
		return err
	}
	for _, id := range slices.Compact(slices.Sorted(slices.Values(append(known, who.Company.Tenant)))) {
		if err := take(s.Requests.AskedOf(ctx, id)); err != nil {
			return nil, err
		}
	}
	for _, domain := range who.Company.Verified() {
		if err := take(s.Requests.AskedAt(ctx, domain)); err != nil {
			return nil, err
		}
	}
	if list, err = s.invited(ctx, who, all.Invitations); err != nil {
		return nil, err
	}
	more, err := s.askedGranularly(ctx, who, all.Granular)
	return append(list, more...), err
}

// maxShown is how many requests of a kind are shown.
const maxShown = 50

// invited gives those of some invitations that wait, or whose answer can be disputed. What has ended is sorted out
// first, since a slot tells its last holder for ever.
func (s Portal) invited(ctx context.Context, who relationship.Person, keys []invitation.Key) (list []Request, err error) {
	found, err := every(keys, func(k invitation.Key) (i invitation.Invitation, err error) {
		i, err = s.Store.Invitation(ctx, k, false)
		if problem.Is(err, problem.NotFound) {
			err = nil
		}
		return i, err
	})
	if err != nil {
		return nil, err
	}
	now := s.Now()
	waiting := slices.DeleteFunc(found, func(i invitation.Invitation) bool {
		return !(i.StatusAt(now) == invitation.Pending && i.Moot == nil) && !disputable(i, now)
	})
	slices.SortFunc(waiting, func(a, b invitation.Invitation) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	all, err := every(waiting[:min(len(waiting), maxShown)], func(i invitation.Invitation) (*Request, error) {
		letter, c, err := s.Answers.Look(ctx, link.Link{Tenant: string(i.Inviter), ID: i.ID, Generation: invitation.AnyGeneration}, &who, false)
		switch {
		case err != nil:
			return nil, err
		case c.MayDecline() && c != invitation.InviterNotActive:
			return &Request{Letter: &letter}, nil
		case letter.Invitation.Answer != nil && disputable(letter.Invitation, now):
			return &Request{Letter: &letter, Answered: true}, nil
		}
		return nil, nil
	})
	for _, r := range all {
		if r != nil {
			list = append(list, *r)
		}
	}
	return list, err
}

func disputable(i invitation.Invitation, now time.Time) bool {
	return i.Answer != nil && i.DisputedAt.IsZero() && !i.Sandbox && now.Before(i.Answer.At.Add(invitation.DisputeWindow))
}

// askedGranularly gives those of some requests for granular administration that wait.
func (s Portal) askedGranularly(ctx context.Context, who relationship.Person, keys []granular.Key) (list []Request, err error) {
	all, err := every(keys, func(k granular.Key) (*Request, error) {
		q, c, err := s.Granular.Look(ctx, link.Link{Tenant: string(k.Partner), ID: k.ID, Generation: granular.AnyGeneration}, &who)
		if err != nil || !c.MayReject() || c == granular.PartnerNotActive {
			return nil, err
		}
		return &Request{Granular: &q}, nil
	})
	for _, r := range all {
		if r != nil {
			list = append(list, *r)
		}
	}
	slices.SortFunc(list, func(a, b Request) int {
		return cmp.Or(b.Granular.CreatedAt.Compare(a.Granular.CreatedAt), cmp.Compare(a.Granular.ID, b.Granular.ID))
	})
	return list[:min(len(list), maxShown)], err
}

// every does something for each of a list, some at once, and gives what came of it in the order of the list, or the
// first error.
func every[T, R any](list []T, do func(T) (R, error)) ([]R, error) {
	results, faults := make([]R, len(list)), make([]error, len(list))
	var all sync.WaitGroup
	for lane := range min(lanes, len(list)) {
		all.Go(func() {
			for n := lane; n < len(list); n += lanes {
				results[n], faults[n] = do(list[n])
			}
		})
	}
	all.Wait()
	return results, cmp.Or(faults...)
}

// Wanted gives the key of a request for granular administration by its id alone, which is no secret: one that names
// the company, or that was mailed to one of its domains, or that names nobody (a program leads its customer to it).
// Codes: [problem.RoleNotPermitted], [problem.NotFound].
func (s Portal) Wanted(ctx context.Context, who relationship.Person, id string) (granular.Key, error) {
	none := problem.New(problem.NotFound, "There is no such request.")
	if err := admin(who); err != nil {
		return granular.Key{}, err
	}
	if !publicid.Is(publicid.Granular, id) || s.Requests == nil {
		return granular.Key{}, none
	}
	keys, err := s.Requests.AskedAs(ctx, id)
	if err != nil {
		return granular.Key{}, err
	}
	known, err := s.Register.Partners(ctx, who.Company.Tenant)
	if err != nil {
		return granular.Key{}, err
	}
	ids, err := s.knownIDs(ctx, who, known...)
	if err != nil {
		return granular.Key{}, err
	}
	for _, of := range ids {
		asked, err := s.Requests.AskedOf(ctx, of)
		if err != nil {
			return granular.Key{}, err
		}
		keys = append(keys, asked.Granular...)
	}
	for _, domain := range who.Company.Verified() {
		asked, err := s.Requests.AskedAt(ctx, domain)
		if err != nil {
			return granular.Key{}, err
		}
		keys = append(keys, asked.Granular...)
	}
	given, err := s.given(ctx, who, known...)
	for _, g := range given {
		keys = append(keys, g.Key)
	}
	if n := slices.IndexFunc(keys, func(k granular.Key) bool { return k.ID == id }); err == nil && n >= 0 {
		return keys[n], nil
	}
	if err == nil {
		err = none
	}
	return granular.Key{}, err
}
