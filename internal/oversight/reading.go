package oversight

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"concord/internal/audit"
	"concord/internal/enrolment"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/publicid"
	"concord/internal/registry"
)

// ReadingReasons are why the operator may look at what is a partner's own. The partner finds the reason in its audit.
var ReadingReasons = []string{"recipient-asked", "partner-asked", "report", "fault", "authority"}

// Found is what a reference leads to. One of its fields beside Partner is set.
type Found struct {
	Partner    partner.TenantID // whose it is; of an enrolment the company
	Invitation *invitation.Invitation
	Granular   *granular.Relationship
	Enrolment  *enrolment.Enrolment
	Account    *partner.Account
}

// Request asks for what a reference leads to.
type Request struct {
	// Reference is a whole id, the ten letters and digits that people quote ("ABCDE-FGHIJ"), or the tenant id of an
	// account.
	Reference     *string
	Reason        *string // one of [ReadingReasons]
	After         string  // where the search before ended; empty for the first
	CorrelationID string
	Findings      problem.Findings
}

// ReadingStore is what [Reading] needs of stores, whose contracts it is, beside their own: Named gives the ids of the
// invitations or granular relationships of a partner that begin with something.
type ReadingStore interface {
	Named(ctx context.Context, p partner.TenantID, prefix string) (ids []string, err error)
	Invitation(ctx context.Context, k invitation.Key, strong bool) (invitation.Invitation, error)
	GranularRelationship(ctx context.Context, k granular.Key, strong bool) (granular.Relationship, error)
	ListAccounts(ctx context.Context, q registry.Query) (registry.Page, error)
	ListEnrolments(ctx context.Context, q enrolment.Query) (enrolment.Page, error)
}

// Reading is how the operator looks at what is a partner's own, to support somebody: found by its reference over all
// partners, with a reason that is in the partner's audit before anything is shown.
type Reading struct {
	Store    ReadingStore
	Accounts partner.Accounts
	Audit    interface {
		AddAudit(ctx context.Context, r audit.Record) (added bool, err error)
	}
	Keep time.Duration // for how long audit records are kept (domain, 0.23)
	Now  func() time.Time
}

// How many accounts one search goes through, how many of them at once, and how many pages of enrolments.
const (
	searchAccounts = 2000
	searchAtOnce   = 16
	searchPages    = 40
)

// Read gives what a reference leads to, each after the partner's audit has it, and where a search that has not gone
// through all partners goes on. What is an enrolment's or an account's is the operator's own and in nobody's audit.
// Codes: [problem.RoleNotPermitted], those of a field, [problem.NotFound].
func (r Reading) Read(ctx context.Context, u partner.User, q Request) (all []Found, next string, err error) {
	if err := u.Permit(partner.OperatePartners); err != nil {
		return nil, "", err
	}
	f := slices.Clone(q.Findings)
	kinds, name := referred(q.Reference)
	switch {
	case q.Reference == nil || *q.Reference == "":
		f.Require("/reference")
	case len(kinds) == 0:
		f.Add("/reference", problem.ValidationFailed, "A reference is an id, a tenant id, or ten letters and digits such as ABCDE-FGHIJ.")
	}
	if q.Reason == nil || !slices.Contains(ReadingReasons, *q.Reason) {
		f.Add("/reason", problem.ValidationFailed, "The reason is one of %s.", problem.Or(ReadingReasons))
	}
	if err := f.Err(); err != nil {
		return nil, "", err
	}
	for _, kind := range kinds {
		var some []Found
		switch kind {
		case "":
			some, err = r.account(ctx, name)
		case publicid.Enrolment:
			if q.After == "" {
				some, err = r.enrolments(ctx, name)
			}
		}
		if err != nil {
			return nil, "", err
		}
		all = append(all, some...)
	}
	kinds = slices.DeleteFunc(kinds, func(k string) bool { return k == "" || k == publicid.Enrolment })
	if len(kinds) > 0 && len(all) == 0 {
		if all, next, err = r.search(ctx, kinds, name, q.After); err != nil {
			return nil, "", err
		}
	}
	if len(all) == 0 && next == "" {
		return nil, "", problem.New(problem.NotFound, "Nothing has this reference.")
	}
	for _, one := range all {
		if err := r.note(ctx, u, one, q); err != nil {
			return nil, "", err
		}
	}
	return all, next, nil
}

// referred says which kinds a reference can be of, as prefixes of ids, and what the rest of such an id begins with. An
// account has no prefix.
func referred(reference *string) (kinds []string, name string) {
	if reference == nil {
		return nil, ""
	}
	text := strings.ToLower(strings.TrimSpace(*reference))
	if id, ok := partner.ParseTenantID(text); ok {
		return []string{""}, string(id)
	}
	every := []string{publicid.Invitation, publicid.Granular, publicid.Enrolment}
	for _, prefix := range every {
		if rest, ok := strings.CutPrefix(text, prefix); ok && named(rest) {
			return []string{prefix}, rest
		}
	}
	if rest := strings.ReplaceAll(text, "-", ""); len(rest) == 10 && named(rest) {
		return every, rest
	}
	return nil, ""
}

// named reports whether an id could begin so behind its prefix: with as much as a reference shows.
func named(s string) bool {
	return len(s) >= 10 && len(s) <= 26 && !strings.ContainsFunc(s, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '2' || r > '7') })
}

func (r Reading) account(ctx context.Context, id string) ([]Found, error) {
	a, err := r.Accounts.Account(ctx, partner.TenantID(id), false)
	if problem.Is(err, problem.NotFound) {
		return nil, nil
	}
	return []Found{{Partner: a.Tenant, Account: &a}}, err
}

func (r Reading) enrolments(ctx context.Context, name string) ([]Found, error) {
	reference := strings.ToUpper(name[:5] + "-" + name[5:10])
	q := enrolment.Query{Text: reference, Limit: 100}
	for range searchPages {
		page, err := r.Store.ListEnrolments(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, e := range page.Enrolments {
			if strings.HasPrefix(e.ID, publicid.Enrolment+name) {
				return []Found{{Partner: e.Tenant, Enrolment: &e}}, nil
			}
		}
		if q.After = page.Next; q.After == "" {
			break
		}
	}
	return nil, nil
}

// search asks each partner's own partition, page by page of all accounts: a few hundred small questions, and no index
// that every request would pay for.
func (r Reading) search(ctx context.Context, kinds []string, name, after string) (all []Found, next string, err error) {
	q := registry.Query{Limit: 100, After: after}
	for range searchAccounts / 100 {
		page, err := r.Store.ListAccounts(ctx, q)
		if err != nil {
			return nil, "", err
		}
		some, err := r.among(ctx, page.Accounts, kinds, name)
		if err != nil || len(some) > 0 {
			return some, "", err
		}
		if q.After = page.Next; q.After == "" {
			return nil, "", nil
		}
	}
	return nil, q.After, nil
}

func (r Reading) among(ctx context.Context, accounts []partner.Account, kinds []string, name string) (all []Found, err error) {
	found, errs := make([][]Found, len(accounts)), make([]error, len(accounts))
	turns := make(chan struct{}, searchAtOnce)
	var wg sync.WaitGroup
	for n, a := range accounts {
		turns <- struct{}{}
		wg.Go(func() {
			found[n], errs[n] = r.of(ctx, a.Tenant, kinds, name)
			<-turns
		})
	}
	wg.Wait()
	return slices.Concat(found...), errors.Join(errs...)
}

func (r Reading) of(ctx context.Context, p partner.TenantID, kinds []string, name string) (all []Found, err error) {
	for _, kind := range kinds {
		ids, err := r.Store.Named(ctx, p, kind+name)
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			one := Found{Partner: p}
			if kind == publicid.Invitation {
				i, err := r.Store.Invitation(ctx, invitation.Key{Inviter: p, ID: id}, true)
				if err != nil {
					return nil, err
				}
				one.Invitation = &i
			} else {
				g, err := r.Store.GranularRelationship(ctx, granular.Key{Partner: p, ID: id}, true)
				if err != nil {
					return nil, err
				}
				one.Granular = &g
			}
			all = append(all, one)
		}
	}
	return all, nil
}

// note has the partner's audit say who looks at what, and why.
func (r Reading) note(ctx context.Context, u partner.User, of Found, q Request) error {
	a := audit.Record{Partner: of.Partner, At: r.Now().UTC().Truncate(time.Second), Actor: audit.Actor{Kind: audit.Operator, Subject: u.Subject},
		CorrelationID: q.CorrelationID, Reason: *q.Reason}
	switch {
	case of.Invitation != nil:
		a.ResourceType, a.ResourceID, a.Operation = audit.Invitation, of.Invitation.ID, audit.InvitationRead
	case of.Granular != nil:
		a.ResourceType, a.ResourceID, a.Operation = audit.Granular, of.Granular.ID, audit.GranularRead
	default:
		return nil
	}
	_, err := r.Audit.AddAudit(ctx, audit.Alone(a).Kept(r.Keep))
	return err
}
