package batch

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"concord/internal/command"
	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/problem"
)

// Verdict is what would become of a row.
type Verdict string

// The verdicts. What is unchecked has a form that can be read; what stands against it is seen once it is its turn.
const (
	Ready     Verdict = "ready"
	Malformed Verdict = "malformed" // a field cannot be read, or is not what it has to be
	Twice     Verdict = "twice"     // a row before it asks the same of the same
	Invited   Verdict = "invited"   // an open invitation asks for it already
	Customer  Verdict = "customer"  // what it asks for stands, or a company of the recipient's domain is a customer
	Refused   Verdict = "refused"   // something else stands against it
	Unchecked Verdict = "unchecked"
)

// Verdicts are all of them.
var Verdicts = []Verdict{Ready, Malformed, Twice, Invited, Customer, Refused, Unchecked}

// Forecast is a row with what would become of it.
type Forecast struct {
	Row
	Verdict Verdict
	// Outcome of the row has the reason, but for a row that is twice: then First is the number of the one before.
	First int
	// Company is the customer of the recipient's domain; empty for none.
	Company string
}

// MaxChecked is how many rows of a submission are looked at in the table: each costs a few reads.
const MaxChecked = 500

// foreseer is who says what would come of a row.
type foreseer interface {
	Foresee(ctx context.Context, c command.Command, p invitation.Proposal) ([]*problem.Error, error)
	CustomerDomains(ctx context.Context, u partner.User) (map[string]string, error)
}

// Check says what would become of each row of a submission, and makes nothing. Codes: [problem.RoleNotPermitted],
// [problem.PartnerNotActive]; [problem.ValidationFailed] for too few or too many rows.
func (s *Service) Check(ctx context.Context, c command.Command, sub Submission) ([]Forecast, error) {
	if err := s.permitted(ctx, c.User); err != nil {
		return nil, err
	}
	if n := len(sub.Rows); n < 1 || n > MaxRows {
		c.Findings.Add("/rows", problem.ValidationFailed, "A batch has 1 to %d rows.", MaxRows)
	}
	if err := c.Findings.Err(); err != nil {
		return nil, err
	}
	domains, err := s.Invitations.CustomerDomains(ctx, c.User)
	if err != nil {
		return nil, err
	}
	all := make([]Forecast, len(sub.Rows))
	failures := make([]error, len(sub.Rows))
	seen := map[string]int{}
	free := make(chan struct{}, writers)
	var lanes sync.WaitGroup
	checked := 0
	for n, r := range sub.Rows {
		f := &all[n]
		if *f = formOf(r, seen); f.Verdict != Unchecked || checked == MaxChecked {
			continue
		}
		checked++
		free <- struct{}{}
		lanes.Go(func() {
			defer func() { <-free }()
			p := r.Proposal
			p.Mailed = sub.Send
			refusals, err := s.Invitations.Foresee(ctx, command.Command{User: c.User}, p)
			failures[n] = err
			f.judge(refusals, err, domains)
			if f.Verdict == Malformed {
				failures[n] = nil
			}
		})
	}
	lanes.Wait()
	return all, errors.Join(failures...)
}

// formOf looks at a row without the table.
func formOf(r Row, seen map[string]int) Forecast {
	f := Forecast{Row: r, Verdict: Unchecked}
	switch {
	case r.Outcome != nil:
		f.Verdict = Malformed
		return f
	case len(r.Findings) > 0:
		f.Verdict, f.Outcome = Malformed, &Outcome{
			Code:     r.Findings[0].Code,
			Detail:   r.Findings[0].Detail,
			Findings: r.Findings,
		}
		return f
	}
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return strings.ToLower(*s)
	}
	p := r.Proposal
	if p.RecipientEmail == nil && p.CustomerTenantID == nil {
		return f
	}
	key := fmt.Sprint(p.Kind, "|", text(p.ProviderTenantID), "|", text(p.CustomerTenantID), "|", text(p.RecipientEmail))
	if first, twice := seen[key]; twice {
		f.Verdict, f.First = Twice, first
		return f
	}
	seen[key] = r.Number
	return f
}

// judge sorts what was found.
func (f *Forecast) judge(refusals []*problem.Error, err error, domains map[string]string) {
	if refusal, ok := errors.AsType[*problem.Error](err); ok && len(refusal.Findings) > 0 {
		f.Verdict = Malformed
		f.Outcome = &Outcome{Code: refusal.Code, Detail: refusal.Findings[0].Detail, Findings: refusal.Findings}
		return
	}
	if err != nil {
		return
	}
	if len(refusals) > 0 {
		r := refusals[0]
		f.Outcome = &Outcome{Code: r.Code, Detail: r.Detail, Resource: r.Resource}
		switch r.Code {
		case problem.DuplicateOpenInvitation:
			f.Verdict = Invited
		case problem.RelationshipExists, problem.PartnershipExists:
			f.Verdict = Customer
		default:
			f.Verdict = Refused
		}
		return
	}
	f.Verdict = Ready
	if p := f.Proposal; !p.Kind.AsksPartner() && p.CustomerTenantID == nil && p.RecipientEmail != nil {
		_, domain, _ := strings.Cut(strings.ToLower(*p.RecipientEmail), "@")
		if name, is := domains[domain]; is {
			f.Verdict, f.Company = Customer, name
			f.Outcome = &Outcome{
				Code:   problem.RelationshipExists,
				Detail: "You already have a relationship with " + name + ", of this domain.",
			}
		}
	}
}

// Sum counts the verdicts.
func Sum(all []Forecast) map[Verdict]int {
	n := map[Verdict]int{}
	for _, f := range all {
		n[f.Verdict]++
	}
	return n
}

// Page is a list of batches, newest first.
type Page struct {
	Batches []Batch
	Next    string // where the next page begins; empty for nowhere
}

// Batches gives a page of the partner's own batches, newest first. Code: [problem.RoleNotPermitted].
func (s *Service) Batches(ctx context.Context, u partner.User, after string, limit int) (Page, error) {
	if err := u.Permit(partner.ReadCustomers); err != nil {
		return Page{}, err
	}
	return s.Store.Batches(ctx, u.Tenant, after, limit)
}
