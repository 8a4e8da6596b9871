package invitation

import (
	"context"
	"errors"
	"strings"

	"concord/internal/command"
	"concord/internal/emailaddr"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/relationship"
)

// Prospect is what would come of a request that nobody has made yet.
type Prospect struct {
	// Letter is what the request would say: its invitation has no id, and its granular administration neither.
	Letter Letter
	// Against is why the request would be refused; empty where it would be made. Each has a code of [Service.Invite].
	Against []*problem.Error
	// Unmailed is why nothing would be mailed to its recipient at the moment; empty where a mail would go out, as far
	// as the quotas let it.
	Unmailed []*problem.Error
	// Country is that of the customer where the partner knows it: then Region says whether the table allows it.
	// Otherwise that is looked at when the customer answers (I16).
	Country string
	Region  bool
	// Related are active relationships with companies of the recipient's domain: the same company may be asked again.
	Related []relationship.Relationship
}

// related is how many companies of a domain a [Prospect] names.
const related = 5

// Check says what would come of a proposal, and makes nothing. Codes: [problem.RoleNotPermitted],
// [problem.PartnerNotActive], and those of a field, as of [Service.Invite]; what else that would refuse is in the
// answer.
func (s *Service) Check(ctx context.Context, by command.Command, p Proposal) (x Prospect, err error) {
	c := task{Command: by}
	account, inv, err := s.formed(ctx, &c, p)
	if err != nil {
		return Prospect{}, err
	}
	now := s.now()
	inv.Status, inv.CreatedAt, inv.CreatedBy, inv.ExpiresAt = Draft, now, c.User.Subject, now.Add(inv.Duration)
	if err := note(&x.Against, s.grounded(ctx, account, &inv, c.granular != nil)); err != nil {
		return Prospect{}, err
	}
	if len(x.Against) == 0 {
		if err := note(&x.Against, s.askedAlready(ctx, inv)); err != nil {
			return Prospect{}, err
		}
	}
	if inv.RecipientEmail != "" {
		if err := note(&x.Unmailed, s.mailable(ctx, account, inv)); err != nil {
			return Prospect{}, err
		}
	}
	if err := s.known(ctx, &x, inv); err != nil {
		return Prospect{}, err
	}
	x.Letter, err = s.LetterOf(ctx, inv, false)
	if problem.Is(err, problem.NotFound) { // the provider that it names has no account: that is against it already
		inv.Provider = ""
		x.Letter, err = s.LetterOf(ctx, inv, false)
	}
	if c.granular != nil {
		x.Letter.Granular, x.Letter.Invitation.GranularID = c.granular, asked
	}
	return x, err
}

// asked stands for the id of granular administration that nobody has made yet.
const asked = "-"

// note keeps a refusal, and gives back what is none.
func note(list *[]*problem.Error, err error) error {
	refusal, ok := errors.AsType[*problem.Error](err)
	if !ok || refusal.Code == problem.Internal || refusal.Code == problem.Unavailable {
		return err
	}
	*list = append(*list, refusal)
	return nil
}

// known says what the partner knows of whom it asks.
func (s *Service) known(ctx context.Context, x *Prospect, inv Invitation) error {
	if inv.Kind.AsksPartner() {
		return nil
	}
	if inv.Bound {
		r, err := s.standing(ctx, inv.Inviter, inv.Customer)
		if err == nil && r != nil {
			x.Country, x.Region = r.Customer.Country, inv.RegionTable != ""
		}
		return err
	}
	if inv.RecipientEmail == "" {
		return nil
	}
	if _, webmail := emailaddr.Webmail(inv.RecipientEmail); webmail {
		return nil
	}
	_, domain, _ := strings.Cut(emailaddr.Normalise(inv.RecipientEmail), "@")
	found, err := s.Relationships.Relationships(
		ctx,
		inv.Inviter,
		relationship.Query{Status: relationship.Active, Domain: domain, Limit: related},
	)
	x.Related = found.Relationships
	return err
}

// askedAlready finds the open request that asks for the same (invariant 1), where slots can be looked into.
func (s *Service) askedAlready(ctx context.Context, inv Invitation) error {
	slot := inv.Slot()
	if s.Slots == nil || slot == "" {
		return nil
	}
	by, err := s.Slots.Occupant(ctx, inv.Inviter, slot)
	if err != nil || by == "" {
		return err
	}
	holder, err := s.Store.Invitation(ctx, Key{inv.Inviter, by}, true)
	if err == nil && holder.StatusAt(s.now()).Open() && holder.Slot() == slot {
		return duplicates(holder)
	}
	return ignoreMissing(err)
}

// formed checks who asks and what the proposal says, field by field; what it asks for beside its own is then in the
// command.
func (s *Service) formed(
	ctx context.Context,
	c *task,
	p Proposal,
) (account partner.Account, inv Invitation, err error) {
	account, err = s.inviter(ctx, c.User)
	if err == nil {
		err = s.mayAsk(c.User, p.Kind, p.RequestDelegatedAdmin != nil && *p.RequestDelegatedAdmin)
	}
	if err == nil && p.Granular != nil {
		err = c.User.Permit(partner.AdministerGranularly)
	}
	if err != nil {
		return account, inv, err
	}
	inv, c.granular, err = s.draft(account, *c, p)
	if err == nil { // it may ask for administration although nobody said so (0.14)
		err = s.mayAsk(c.User, inv.Kind, inv.RequestDelegatedAdmin)
	}
	return account, inv, err
}

// grounded looks at what stands between the two companies. With something more to ask for, a relationship that stands
// already is not in its way.
func (s *Service) grounded(ctx context.Context, account partner.Account, inv *Invitation, more bool) error {
	named := inv.Customer
	err := s.target(ctx, account, inv)
	if err == nil {
		err = s.askedBefore(ctx, *inv, named, s.now())
	}
	if more && problem.Is(err, problem.RelationshipExists) {
		err = nil
	}
	return err
}

// DailyMails is how many mails a partner may send on a day of UTC.
func (s *Service) DailyMails(account partner.Account) int { return s.Limits.Of(account, s.now()) }

// Foresee says what stands against a proposal, most important first, and makes nothing: [Service.Check] without the
// letter. Codes of its error: those of a field, [problem.RoleNotPermitted], [problem.PartnerNotActive].
func (s *Service) Foresee(ctx context.Context, by command.Command, p Proposal) (against []*problem.Error, err error) {
	c := task{Command: by}
	account, inv, err := s.formed(ctx, &c, p)
	if err != nil {
		return nil, err
	}
	if err := note(&against, s.grounded(ctx, account, &inv, c.granular != nil)); err != nil || len(against) > 0 {
		return against, err
	}
	if err := note(&against, s.askedAlready(ctx, inv)); err != nil || len(against) > 0 || !p.Mailed {
		return against, err
	}
	err = note(&against, s.mailable(ctx, account, inv))
	return against, err
}

// maxDomains bounds how many customers [Service.CustomerDomains] looks at.
const maxDomains = 1000

// CustomerDomains names the newest customers of active relationships by their domains, but for those of webmail.
func (s *Service) CustomerDomains(ctx context.Context, u partner.User) (map[string]string, error) {
	names := map[string]string{}
	q := relationship.Query{Status: relationship.Active, Limit: 100}
	for range maxDomains / q.Limit {
		found, err := s.Relationships.Relationships(ctx, u.Tenant, q)
		if err != nil {
			return nil, err
		}
		for _, r := range found.Relationships {
			for _, d := range r.Customer.Domains {
				if _, webmail := emailaddr.Webmail(d); !webmail {
					names[strings.ToLower(d)] = r.Customer.CompanyName
				}
			}
		}
		if q.After = found.Next; q.After == "" {
			break
		}
	}
	return names, nil
}
