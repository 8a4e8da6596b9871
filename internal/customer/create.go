package customer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"concord/internal/command"
	"concord/internal/country"
	"concord/internal/emailaddr"
	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/problem"
	"concord/internal/publicid"
	"concord/internal/relationship"
)

// Register keeps which companies were created, and by which command.
//
// Create stores all of a creation or nothing: [command.ErrConflict] when a relationship is not as it was before, the domain, one above or
// one below it has a holder, the key was used meanwhile, the invitation's slot is taken or what has to stand is not active; [ErrManyCreated]
// when the partner has created as many that day as it may.
//
// Created gives what a key made last, every write included that was acknowledged before the call, or an error with code
// [problem.NotFound]. Partners gives everybody that has or had a relationship with a customer, by the id of its tenant or of a record that
// no tenant has claimed; it may be a second behind.
//
// Spoken stores what a company says of records, with the relationships that change with it, all of it over the version before, or nothing:
// [command.ErrConflict].
type Register interface {
	// Create stores a creation while nothing stands in its way, or [command.ErrConflict], or [ErrManyCreated] for a
	// day that is full.
	Create(ctx context.Context, c Creation) error
	// Created gives what a key made, strongly consistent, or [problem.NotFound].
	Created(ctx context.Context, p partner.TenantID, key string) (Made, error)
	// Partners gives whoever has or had the customer, at most 400 and a second behind; none is no error.
	Partners(ctx context.Context, customer partner.TenantID) ([]partner.TenantID, error)
	// Spoken stores what a company says, each over its version, or [command.ErrConflict].
	Spoken(ctx context.Context, d relationship.Discovery, relationships []relationship.Change) error
	relationship.Companies
}

// ErrManyCreated means that a partner may create no more customers on a day.
var ErrManyCreated = errors.New("customer: as many created as a day allows")

// Creation is a company that is new to the platform, and what stands with it from the first moment.
type Creation struct {
	Record        relationship.Record
	Above         []string // the domains above that of the record
	Relationships []relationship.Change
	// Invitation, when not nil, is new and takes its slot, which nobody has held.
	Invitation *invitation.Invitation
	// Stands, when not nil, is a partnership that has to be active at the moment of storing (rule P5).
	Stands *partnership.Pair
	Key    string // fingerprint of the Idempotency-Key
	Made   Made
	Daily  int // how many the partner may create on the day of Made; 0 for any number
}

// Made is what an Idempotency-Key stands for.
type Made struct {
	Customer partner.TenantID
	Body     string // fingerprint of the request
	At       time.Time
}

// KeyWindow is how long an Idempotency-Key is remembered (api, Norms).
const KeyWindow = 24 * time.Hour

// New is a customer that a partner brings along. Nil means "not said".
type New struct {
	CompanyName *string
	Domain      *string
	Country     *string // ISO 3166-1 alpha-2
	// Tenant is refused, whichever it is: a company that has one is asked (domain, 0.29).
	Tenant   *string
	Reseller *string // the indirect reseller for which an indirect provider creates it; nil for none
}

// Create makes a company that is new to the platform: the relationship is active at once, without an invitation (rule I1). A company that
// has a tenant, as a domain such as larch.onmicrosoft.com shows, is asked by an invitation (rule I2), and so is one whose domain is known: verified for a tenant or a partner, brought by an
// answer, or created before (domain, 0.29). The company is claimed by its own Global admin later (0.30). Replayed reports that the
// command's key had made it; the relationship is then given as it is now.
//
// For a reseller that is in partnership with the calling provider both get a relationship (rule N9). That gives the reseller no
// administration: it gets a draft that asks the customer for it, unless the deployment grants it at once (0.18). In a cloud where
// administration is always asked for, whoever creates for itself gets that draft (rule I15).
//
// Codes: [problem.RoleNotPermitted], also for an indirect reseller; [problem.PartnershipRequired]; [problem.PartnerNotActive]; those of a field;
// [problem.WebmailNotAllowed]; [problem.RegionNotAllowed] (I16), [problem.CloudMismatch]; [problem.RelationshipExists];
// [problem.InvitationRequired]; [problem.IdempotencyKeyReused]; [problem.PartnerQuotaExceeded].
func (s Service) Create(ctx context.Context, c command.Command, n New) (r relationship.Relationship, replayed bool, err error) {
	account, err := s.seller(ctx, c.User)
	if err != nil {
		return r, false, err
	}
	err = command.Retry(func() (err error) {
		r, replayed, err = s.create(ctx, c, account, n)
		return err
	})
	return r, replayed, err
}

// seller gives the account of a partner that may have customers of its own: an indirect reseller has them with its provider alone.
func (s Service) seller(ctx context.Context, u partner.User) (partner.Account, error) {
	if err := u.Permit(partner.Trade); err != nil {
		return partner.Account{}, err
	}
	account, err := s.Accounts.Account(ctx, u.Tenant, false)
	switch {
	case problem.Is(err, problem.NotFound):
		return account, partner.NoAccount()
	case err != nil:
		return account, err
	case !account.Sells():
		return account, problem.New(problem.RoleNotPermitted, "An indirect reseller's provider creates its customers.")
	case account.Status != partner.Active:
		return account, partner.NotActive()
	}
	return account, nil
}

func (s Service) create(ctx context.Context, c command.Command, account partner.Account, n New) (relationship.Relationship, bool, error) {
	none := relationship.Relationship{}
	now := s.Now().UTC().Truncate(time.Second)
	key := fingerprint(c.Key)
	made, err := s.Register.Created(ctx, account.Tenant, key)
	switch {
	case problem.Is(err, problem.NotFound), err == nil && now.Sub(made.At) >= KeyWindow:
	case err != nil:
		return none, false, err
	case made.Body != c.Body && len(c.Findings) == 0:
		return none, false, problem.New(problem.IdempotencyKeyReused, "This Idempotency-Key was used with another request.")
	case made.Body == c.Body:
		r, err := s.Store.Relationship(ctx, account.Tenant, made.Customer)
		return r, true, err
	}
	reseller, refused := s.reseller(ctx, account, n.Reseller, &c.Findings)
	who, err := s.check(account, reseller, c.Findings, n)
	if err == nil { // what is wrong with a field comes first (domain, 2.5)
		err = refused
	}
	if err != nil {
		return none, false, err
	}
	if n.Tenant != nil {
		return none, false, asked("A company that has a tenant is asked with an invitation; a new one is created without one.")
	}
	if suffix, ok := emailaddr.TenantSuffix(who.Domains[0]); ok {
		return none, false, asked(fmt.Sprintf("A domain below %s shows that the company has a tenant; ask it with an invitation.", suffix))
	}
	record := relationship.Record{ID: partner.TenantID(uuid.NewString()), Domain: who.Domains[0], Country: who.Country, Cloud: who.Cloud, By: account.Tenant, Version: 1}
	if reseller != nil {
		record.Reseller = reseller.Tenant
	}
	who.Tenant, who.Created = record.ID, true
	creation := Creation{
		Record: record, Above: emailaddr.Above(record.Domain), Key: key, Made: Made{record.ID, c.Body, now}, Daily: s.Daily,
	}
	if err := s.unknown(ctx, account, creation); err != nil {
		// What makes the domain known may be the same command, carried out since its key was looked for.
		if made, merr := s.Register.Created(ctx, account.Tenant, key); merr == nil && now.Sub(made.At) < KeyWindow {
			err = command.ErrConflict
		}
		return none, false, err
	}
	found := relationship.Founding{Partner: account.AsSeller(), Customer: who, RegionTable: s.Regions.Version, At: now, By: c.User.Subject, CorrelationID: c.CorrelationID}
	if reseller != nil {
		found.Partner, found.Via = account.As(partner.IndirectProvider), reseller.Tenant
	}
	after := s.founded(&creation, found)
	if reseller != nil {
		s.associate(&creation, *reseller, found)
	} else if cloud, err := s.Clouds.Cloud(account.Cloud); err == nil && !cloud.AdministrationOptional {
		s.ask(&creation, found.Partner, found, found.By)
	}
	err = s.Register.Create(ctx, creation)
	if errors.Is(err, ErrManyCreated) {
		day := now.Truncate(24 * time.Hour).Add(24 * time.Hour)
		err = &problem.Error{
			Code: problem.PartnerQuotaExceeded, RetryAfter: day.Sub(now),
			Detail: fmt.Sprintf("You have created %d customers today, as many as a day allows; go on tomorrow, or invite the company.", s.Daily),
		}
	}
	return after, false, err
}

// founded adds a relationship to a creation.
func (s Service) founded(c *Creation, f relationship.Founding) relationship.Relationship {
	f.RelationshipID = publicid.Random("rel_")
	after := relationship.Create(f)
	c.Relationships = append(c.Relationships, relationship.Change{After: after})
	return after
}

// reseller gives the account of the reseller that a customer is created for, nil for none. Without an active partnership a provider
// learns nothing of it.
func (s Service) reseller(ctx context.Context, account partner.Account, named *string, f *problem.Findings) (*partner.Account, error) {
	if named == nil {
		return nil, nil
	}
	*f = slices.Clone(*f)
	tenant, ok := partner.ParseTenantID(*named)
	switch {
	case !ok:
		f.Add("/forReseller", problem.ValidationFailed, "A tenant id is a UUID.")
	case !account.Has(partner.IndirectProvider):
		f.Add("/forReseller", problem.ValidationFailed, "Only an indirect provider creates customers for a reseller.")
	}
	if len(*f) > 0 {
		return nil, nil
	}
	missing := problem.New(problem.PartnershipRequired, "You have no active partnership with this reseller.")
	p, err := s.Partnerships.Partnership(ctx, account.Tenant, partnership.Pair{Provider: account.Tenant, Reseller: tenant}.ID())
	if problem.Is(err, problem.NotFound) || err == nil && p.Status != partnership.Active {
		return nil, missing
	}
	if err != nil {
		return nil, err
	}
	reseller, err := s.Accounts.Account(ctx, tenant, true)
	if problem.Is(err, problem.NotFound) || err == nil && reseller.Status != partner.Active {
		return nil, problem.New(problem.PartnerNotActive, "The reseller's account is not active.")
	}
	if err != nil {
		return nil, err
	}
	return &reseller, nil
}

// associate adds what a reseller gets to a creation (rule N9, 0.18).
func (s Service) associate(c *Creation, reseller partner.Account, f relationship.Founding) {
	by := c.Record.By
	c.Stands = &partnership.Pair{Provider: by, Reseller: reseller.Tenant}
	f.Partner, f.Provider, f.Via, f.DelegatedAdmin = reseller.As(partner.IndirectReseller), by, by, s.AssociationGrants
	s.founded(c, f)
	if !s.AssociationGrants {
		s.ask(c, f.Partner, f, string(by))
	}
}

// ask adds a draft that asks the company for administration.
func (s Service) ask(c *Creation, account partner.Account, f relationship.Founding, by string) {
	e := invitation.Entry{At: f.At, By: by, CorrelationID: f.CorrelationID}
	i := invitation.Proposed(publicid.Random("inv_"), account, c.Record.ID, f.RegionTable, e)
	if account.Role == partner.IndirectReseller {
		i.Orderer = f.Via
	}
	c.Invitation = &i
}

func asked(why string) error { return problem.New(problem.InvitationRequired, "%s", why) }

func fingerprint(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:16])
}

// check looks at a new customer field by field, and at the two countries and clouds (0.11, 0.12).
func (s Service) check(account partner.Account, reseller *partner.Account, f problem.Findings, n New) (relationship.Customer, error) {
	f = slices.Clone(f)
	who := relationship.Customer{CountrySource: "partner", Cloud: account.Cloud}
	for pointer, field := range map[string]*string{"/companyName": n.CompanyName, "/domain": n.Domain, "/country": n.Country} {
		// One of the wrong type was found already.
		if field == nil && !slices.ContainsFunc(f, func(x problem.Finding) bool { return x.Pointer == pointer }) {
			f.Add(pointer, problem.ValidationFailed, "This field is required.")
		}
	}
	if n.CompanyName != nil {
		name, err := emailaddr.Name(*n.CompanyName)
		f.Note("/companyName", err)
		who.CompanyName = name
	}
	if n.Domain != nil {
		domain, ok := s.Addresses.Domain(*n.Domain)
		if !ok {
			f.Add("/domain", problem.ValidationFailed, "This is not a domain of one company. Write it as in larch.com.")
		} else if name, ok := s.webmail(domain); ok {
			f.Add("/domain", problem.WebmailNotAllowed, "This is a domain of %s, which many people share; write the company's own.", name)
		}
		who.Domains = []string{domain}
	}
	if n.Country != nil {
		who.Country = *n.Country
		if err := country.Check(who.Country); err != nil {
			f.Note("/country", err)
		} else {
			err := s.Regions.Check(account.Country, who.Country)
			if err == nil && reseller != nil { // one failure refuses the whole (0.11)
				err = s.Regions.Check(reseller.Country, who.Country)
			}
			f.Note("/country", err)
		}
	}
	if _, err := s.Clouds.Cloud(account.Cloud); err != nil || reseller != nil && reseller.Cloud != account.Cloud {
		f.Add("", problem.CloudMismatch, "The cloud of your account is not served here, or not the reseller's.")
	}
	return who, f.Err()
}

// unknown refuses a company whose domain, or one above or below it, is known (domain, 0.29).
func (s Service) unknown(ctx context.Context, account partner.Account, c Creation) error {
	found, err := s.Register.Companies(ctx, nil, append([]string{c.Record.Domain}, c.Above...), true)
	if err != nil {
		return err
	}
	own := found.Holders[c.Record.Domain]
	for _, d := range append([]string{c.Record.Domain}, c.Above...) {
		holder := found.Holders[d].ID
		if holder == "" {
			continue
		}
		r, err := s.Store.Relationship(ctx, account.Tenant, holder)
		switch {
		case err != nil && !problem.Is(err, problem.NotFound):
			return err
		case err == nil && r.Status == relationship.Active:
			return problem.New(problem.RelationshipExists, "The domain %s is of a customer of yours already, %s.", d, r.Customer.Tenant)
		case err == nil:
			return asked(fmt.Sprintf("The domain %s is of a company that was your customer; ask it with an invitation whose customerTenantId is %s.", d, r.Customer.Tenant))
		}
		return asked(fmt.Sprintf("The domain %s is of a company that is known here already; ask it with an invitation.", d))
	}
	if own.Above {
		return asked("A domain below this one is of a company that is known here already; ask it with an invitation.")
	}
	return nil
}

func (s Service) webmail(domain string) (name string, ok bool) {
	if s.Webmail == nil {
		return "", false
	}
	return s.Webmail("postmaster@" + domain)
}
