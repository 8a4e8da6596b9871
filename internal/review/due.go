package review

import (
	"context"
	"time"

	"concord/internal/command"
	"concord/internal/due"
	"concord/internal/granular"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/problem"
	"concord/internal/relationship"
)

// DueKind is that of what [Cleanup] does.
const DueKind due.Kind = "review"

// Rights is where it stands who holds rights over a company.
type Rights interface {
	// Partners is that of [relationship.Recognition.Register].
	Partners(ctx context.Context, customer partner.TenantID) ([]partner.TenantID, error)
	// Relationship is that of [relationship.Store].
	Relationship(ctx context.Context, p, customer partner.TenantID) (relationship.Relationship, error)
	// GrantsBy and GranularRelationship are those of [granular.Store].
	GrantsBy(ctx context.Context, customer partner.TenantID) ([]granular.Key, error)
	GranularRelationship(ctx context.Context, k granular.Key, strong bool) (granular.Relationship, error)
	// Partnerships is that of [partnership.Store].
	Partnerships(ctx context.Context, of partner.TenantID, q partnership.Query) (partnership.Page, error)
}

// Cleanup has a company asked when it is time, if anybody holds rights over it; otherwise it forgets whom to ask.
type Cleanup struct {
	Store  Store
	Rights Rights
}

// What it counts.
const (
	CountAsked     = "ReviewsAsked"
	CountForgotten = "ReviewsForgotten"
	CountRequeued  = "ReviewsRequeued"
	// CountMailFailed counts what any kind gives up, whatever it is about.
	CountMailFailed = "MailFailed"
)

// Counts is that of [due.Duty].
func (Cleanup) Counts() []string {
	return []string{CountAsked, CountForgotten, CountRequeued, CountMailFailed}
}

// Do is that of [due.Duty]. One write does all of it: a death before it leaves the item due, and after it nothing is due.
func (c Cleanup) Do(ctx context.Context, a due.Item, now time.Time, count func(string)) error {
	return command.Retry(func() error {
		before, err := c.Store.Review(ctx, a.Partner, true)
		if problem.Is(err, problem.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if at, waits := before.Due(); !waits || now.Before(at) {
			return nil
		}
		after, did, err := c.tick(ctx, before, now)
		if err == nil {
			err = c.Store.WriteReview(ctx, Change{Before: &before, After: after})
		}
		if err == nil {
			for _, name := range did {
				count(name)
			}
		}
		return err
	})
}

// tick gives what is due, and what it counts as.
func (c Cleanup) tick(ctx context.Context, r Review, now time.Time) (_ Review, did []string, err error) {
	r.Version++
	if r.Post.State != outbox.None {
		given, _ := Mails.Resume(&r, now)
		for range given {
			did = append(did, CountMailFailed)
		}
		if r.Post.State == outbox.Queued {
			did = append(did, CountRequeued)
		}
		return r, did, nil
	}
	held, err := c.held(ctx, r.Tenant, now)
	if err != nil {
		return r, nil, err
	}
	if !held {
		r.forget()
		return r, []string{CountForgotten}, nil
	}
	r.Next = now.Add(Period)
	r.Post.Enqueue(now, Notice)
	return r, []string{CountAsked}, nil
}

// held reports whether anybody holds rights over the company of a tenant: by a relationship, by roles, also of records that it
// has claimed (0.30), or over its own account (rule N7).
func (c Cleanup) held(ctx context.Context, tenant partner.TenantID, now time.Time) (bool, error) {
	partners, err := c.Rights.Partners(ctx, tenant)
	if err != nil {
		return false, err
	}
	ids := map[partner.TenantID]bool{tenant: true}
	for _, p := range partners {
		r, err := c.Rights.Relationship(ctx, p, tenant)
		switch {
		case problem.Is(err, problem.NotFound):
			continue
		case err != nil:
			return false, err
		case r.Status == relationship.Active:
			return true, nil
		}
		ids[r.Customer.Tenant] = true
	}
	for id := range ids {
		if held, err := c.roles(ctx, id, now); held || err != nil {
			return held, err
		}
	}
	return c.provided(ctx, tenant)
}

// roles reports whether roles stand that were given under an id.
func (c Cleanup) roles(ctx context.Context, customer partner.TenantID, now time.Time) (bool, error) {
	keys, err := c.Rights.GrantsBy(ctx, customer)
	if err != nil {
		return false, err
	}
	for _, k := range keys {
		g, err := c.Rights.GranularRelationship(ctx, k, true)
		switch {
		case problem.Is(err, problem.NotFound):
		case err != nil:
			return false, err
		case g.At(now).Status == granular.Active && g.Customer == customer:
			return true, nil
		}
	}
	return false, nil
}

// provided reports whether a provider administers the company's own account.
func (c Cleanup) provided(ctx context.Context, tenant partner.TenantID) (bool, error) {
	for q := (partnership.Query{Side: partnership.ResellerSide, Limit: 100}); ; {
		page, err := c.Rights.Partnerships(ctx, tenant, q)
		if err != nil {
			return false, err
		}
		for _, p := range page.Partnerships {
			if p.ProviderAccess == partnership.Granted {
				return true, nil
			}
		}
		if q.After = page.Next; page.Next == "" {
			return false, nil
		}
	}
}
