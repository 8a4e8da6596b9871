package customer

import (
	"context"
	"slices"
	"time"

	"concord/internal/command"
	"concord/internal/commerce"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/relationship"
)

// Found is a record that a partner created under a domain of the company that is signed in, before anybody could say whether it is meant
// (domain, 0.30).
type Found struct {
	relationship.Record
	CompanyName string // as the partner calls it
	// Serving are those who got a relationship with it, who created it first.
	Serving []partner.Account
	Since   time.Time
	Active  int // how many subscriptions are active
}

// found gives the records that the company may claim, in the order of their ids.
func (s Portal) found(ctx context.Context, who relationship.Person) (list []Found, err error) {
	domains := who.Company.Verified()
	if len(domains) == 0 || s.Register == nil {
		return nil, nil
	}
	held, err := s.Register.Companies(ctx, nil, domains, true)
	if err != nil {
		return nil, err
	}
	var ids []partner.TenantID
	for _, h := range held.Holders {
		if h.Created {
			ids = append(ids, h.ID)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	slices.Sort(ids)
	known, err := s.Register.Companies(ctx, ids, nil, true)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		r, ok := known.Records[id]
		if !ok || !r.Claimable(who.Company) {
			continue
		}
		f, rows, err := s.describe(ctx, r)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(rows, func(r relationship.Relationship) bool { return r.Status == relationship.Active }) {
			list = append(list, f) // what its partners have ended needs nobody's word
		}
	}
	return list, nil
}

// describe reads who serves a record, and the relationships that stand with it.
func (s Portal) describe(ctx context.Context, r relationship.Record) (f Found, rows []relationship.Relationship, err error) {
	f = Found{Record: r}
	for _, p := range r.Partners() {
		row, err := s.Store.Relationship(ctx, p, r.ID)
		if problem.Is(err, problem.NotFound) {
			continue
		}
		if err != nil {
			return f, nil, err
		}
		account, err := s.Accounts.Account(ctx, p, false)
		if err != nil {
			return f, nil, err
		}
		f.Serving, f.CompanyName, f.Active = append(f.Serving, account), row.Customer.CompanyName, f.Active+row.Sold.Active
		if f.Since.IsZero() {
			f.Since = row.History[0].At
		}
		rows = append(rows, row)
	}
	return f, rows, nil
}

// Record gives one of the records that partners created under a domain of the company. Codes: [problem.RoleNotPermitted],
// [problem.NotFound] for a record that the company cannot claim, or that somebody has spoken for.
func (s Portal) Record(ctx context.Context, who relationship.Person, id string) (Found, error) {
	r, err := s.record(ctx, who, id)
	if err != nil {
		return Found{}, err
	}
	f, _, err := s.describe(ctx, r)
	return f, err
}

func (s Portal) record(ctx context.Context, who relationship.Person, id string) (r relationship.Record, err error) {
	if err := admin(who); err != nil {
		return r, err
	}
	missing := problem.New(problem.NotFound, "There is no such record of your company.")
	tenant, ok := partner.ParseTenantID(id)
	if !ok {
		return r, missing
	}
	known, err := s.Register.Companies(ctx, []partner.TenantID{tenant}, nil, true)
	if err != nil {
		return r, err
	}
	if r, ok = known.Records[tenant]; !ok || !r.Claimable(who.Company) {
		return r, missing
	}
	return r, nil
}

// Claim says that a record is of the company: it is its partners' customer from then on, under both ids (domain, 0.30). Codes: those of
// [Portal.Record]; [problem.RegionNotAllowed], [problem.CloudMismatch] for a company that may not be their customer.
func (s Portal) Claim(ctx context.Context, who relationship.Person, id, correlationID string) (Found, error) {
	var f Found
	err := command.Retry(func() error {
		r, err := s.record(ctx, who, id)
		if err != nil {
			return err
		}
		if f, _, err = s.describe(ctx, r); err != nil {
			return err
		}
		is, err := s.Recognition.Recognise(ctx, relationship.Inquiry{Company: who.Company, Meant: r.ID, Entry: s.entry(who, correlationID), Strong: true})
		if err == nil {
			err = is.Barred
		}
		if err != nil {
			return err
		}
		told := is.Discovery
		told.Domains = append(told.Domains, is.Learnt...)
		return s.Register.Spoken(ctx, told, is.Rows)
	})
	return f, err
}

func (s Portal) entry(who relationship.Person, correlationID string) relationship.Entry {
	return relationship.Entry{At: s.Now().UTC().Truncate(time.Second), By: who.Subject, CorrelationID: correlationID}
}

// Disown says that a record is not of the company: what was sold is suspended, its partners' support falls back (0.44), the relationships end,
// and the domain is the company's. When the process dies in between, the record is still there, and the same can be said again. Codes: those of [Portal.Record].
func (s Portal) Disown(ctx context.Context, who relationship.Person, id, correlationID string) (Found, error) {
	var f Found
	err := command.Retry(func() error {
		r, err := s.record(ctx, who, id)
		if err != nil {
			return err
		}
		var rows []relationship.Relationship
		if f, rows, err = s.describe(ctx, r); err != nil {
			return err
		}
		return s.disown(ctx, who, r, rows, s.entry(who, correlationID))
	})
	return f, err
}

func (s Portal) disown(ctx context.Context, who relationship.Person, r relationship.Record, rows []relationship.Relationship, e relationship.Entry) error {
	told, err := r.Disown(who.Company)
	if err != nil {
		return err
	}
	var ends []relationship.Change
	for _, row := range rows {
		if row, err = s.suspend(ctx, row, e); err != nil {
			return err
		}
		if after, ended := row.Disown(e); ended {
			if _, err := fallBack(ctx, s.Support, after, 0); err != nil { // just before, as what was sold is suspended
				return err
			}
			ends = append(ends, relationship.Change{Before: &row, After: after})
		}
	}
	return s.Register.Spoken(ctx, told, ends)
}

// suspend suspends what a partner has sold, one at a time, and gives the relationship as it is then.
func (s Portal) suspend(ctx context.Context, row relationship.Relationship, e relationship.Entry) (relationship.Relationship, error) {
	for page := (commerce.Page{Limit: MaxSubscriptions}); row.Sold.Active > 0; {
		found, err := s.Purchases.ListSubscriptions(ctx, commerce.View{Partner: row.Partner, Customer: row.Customer.Tenant}, page)
		if err != nil {
			return row, err
		}
		for _, sub := range found.Subscriptions {
			if sub.Seller != row.Partner || sub.Status != commerce.SubscriptionActive {
				continue
			}
			after := row
			after.Sold = after.Sold.With(sub.Family == commerce.Azure, -1)
			after.Version++
			change := commerce.SubscriptionChange{Before: &sub, After: sub.SuspendedByCustomer(e.At, e.By, e.CorrelationID)}
			if err := s.Purchases.WriteSubscription(ctx, change, &relationship.Change{Before: &row, After: after}); err != nil {
				return row, err
			}
			row = after
		}
		if page.After = found.Next; page.After == "" {
			break // what is not in the list yet is suspended when it is said again
		}
	}
	return row, nil
}
