package customer

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	"concord/internal/contact"
	"concord/internal/country"
	"concord/internal/invitation"
	"concord/internal/link"
	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/problem"
	"concord/internal/relationship"
)

// Register keeps which customers were created, and by which command.
//
// Create stores all of a creation or nothing: [invitation.ErrConflict] when a relationship is not as it was before, the key was used
// meanwhile, the invitation's slot is taken or what has to stand is not active, [ErrClaimed] when another partner has created this customer.
//
// Created gives what a key made last, every write included that was acknowledged before the call, or an error with code
// [problem.NotFound]. Partners gives everybody that has or had a relationship with a customer; it may be a second behind.
type Register interface {
	Create(ctx context.Context, c Creation) error
	Created(ctx context.Context, p partner.TenantID, key string) (Made, error)
	Partners(ctx context.Context, customer partner.TenantID) ([]partner.TenantID, error)
}

// ErrClaimed means that another partner has created the customer.
var ErrClaimed = errors.New("customer: created by another partner")

// Creation is a customer that is new to the platform, and what stands with it from the first moment.
type Creation struct {
	By            partner.TenantID // who creates it
	Customer      partner.TenantID
	Relationships []relationship.Change
	// Invitation, when not nil, is new and takes its slot, which nobody has held.
	Invitation *invitation.Invitation
	// Stands, when not nil, is a partnership that has to be active at the moment of storing (rule P5).
	Stands *partnership.Pair
	Key    string // fingerprint of the Idempotency-Key
	Made   Made
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
	Tenant      *string // the directory that was made for it; nil for a new id
	Reseller    *string // the indirect reseller for which an indirect provider creates it; nil for none
}

// Create makes a customer that is new to the platform: the relationship is active at once, without an invitation (rule I1). A company that
// the platform knows already is asked by an invitation (rule I2): one that has or had a relationship with anybody, or is a
// partner. The one exception is a customer that the caller itself created and nobody else came to know. Replayed reports that the
// command's key had made it; the relationship is then given as it is now.
//
// For a reseller that is in partnership with the calling provider both get a relationship (rule N9). That gives the reseller no
// administration: it gets a draft that asks the customer for it, unless the deployment grants it at once (0.18).
//
// Codes: [problem.RoleNotPermitted], also for an indirect reseller; [problem.PartnershipRequired]; [problem.PartnerNotActive]; those of a field;
// [problem.RegionNotAllowed] (I16), [problem.CloudMismatch]; [problem.SelfInvitation]; [problem.RelationshipExists];
// [problem.InvitationRequired]; [problem.IdempotencyKeyReused].
func (s Service) Create(ctx context.Context, c Command, n New) (r relationship.Relationship, replayed bool, err error) {
	account, err := s.seller(ctx, c.User)
	if err != nil {
		return r, false, err
	}
	for range maxRounds {
		r, replayed, err = s.create(ctx, c, account, n)
		if !errors.Is(err, invitation.ErrConflict) {
			return r, replayed, err
		}
	}
	return relationship.Relationship{}, false, busy()
}

// seller gives the account of a partner that may have customers of its own: an indirect reseller has them with its provider alone.
func (s Service) seller(ctx context.Context, u partner.User) (partner.Account, error) {
	if err := u.Permit(partner.Trade); err != nil {
		return partner.Account{}, err
	}
	account, err := s.Accounts.Account(ctx, u.Tenant, false)
	switch {
	case problem.Is(err, problem.NotFound):
		return account, problem.New(problem.RoleNotPermitted, "Your company has no partner account.")
	case err != nil:
		return account, err
	case account.Role == partner.IndirectReseller:
		return account, problem.New(problem.RoleNotPermitted, "An indirect reseller's provider creates its customers.")
	case account.Status != partner.Active:
		return account, problem.New(problem.PartnerNotActive, "The partner account is not active.")
	}
	return account, nil
}

func (s Service) create(ctx context.Context, c Command, account partner.Account, n New) (relationship.Relationship, bool, error) {
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
	creation := Creation{By: account.Tenant, Key: key}
	before, err := s.known(ctx, account, reseller, &who)
	if err != nil {
		return none, false, err
	}
	found := relationship.Founding{Partner: account, Customer: who, RegionTable: s.Regions.Version, At: now, By: c.User.Subject, CorrelationID: c.CorrelationID}
	if reseller != nil {
		found.Via = reseller.Tenant
	}
	after := s.founded(&creation, before, found)
	if reseller != nil {
		if err := s.associate(ctx, &creation, *reseller, found); err != nil {
			return none, false, err
		}
	}
	creation.Customer, creation.Made = who.Tenant, Made{who.Tenant, c.Body, now}
	err = s.Register.Create(ctx, creation)
	if errors.Is(err, ErrClaimed) {
		err = inviteIt()
	}
	return after, false, err
}

// founded adds a relationship to a creation.
func (s Service) founded(c *Creation, before *relationship.Relationship, f relationship.Founding) relationship.Relationship {
	f.RelationshipID = newID("rel_")
	after := relationship.Create(before, f)
	c.Relationships = append(c.Relationships, relationship.Change{Before: before, After: after})
	return after
}

func newID(prefix string) string {
	var id [16]byte
	_, _ = rand.Read(id[:])
	return link.FormatID(prefix, id)
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
	case account.Role != partner.IndirectProvider:
		f.Add("/forReseller", problem.ValidationFailed, "Only an indirect provider creates customers for a reseller.")
	}
	if len(*f) > 0 {
		return nil, nil
	}
	missing := problem.New(problem.PartnershipRequired, "You are in no active partnership with this reseller.")
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
func (s Service) associate(ctx context.Context, c *Creation, reseller partner.Account, f relationship.Founding) error {
	c.Stands = &partnership.Pair{Provider: c.By, Reseller: reseller.Tenant}
	f.Partner, f.Provider, f.Via, f.DelegatedAdmin = reseller, c.By, c.By, s.AssociationGrants
	before, err := s.Store.Relationship(ctx, reseller.Tenant, f.Customer.Tenant)
	switch {
	case problem.Is(err, problem.NotFound):
		s.founded(c, nil, f)
	case err != nil:
		return err
	case before.Status != relationship.Active:
		s.founded(c, &before, f)
	}
	if s.AssociationGrants {
		return nil
	}
	asked, err := s.Store.Occupants(ctx, reseller.Tenant, f.Customer.Tenant)
	if err != nil || len(asked) > 0 {
		return err // the reseller has asked this customer itself, and can again
	}
	e := invitation.Entry{At: f.At, By: string(c.By), CorrelationID: f.CorrelationID}
	i := invitation.Proposed(newID("inv_"), reseller, f.Customer.Tenant, f.RegionTable, e)
	c.Invitation = &i
	return nil
}

func inviteIt() error {
	return problem.New(problem.InvitationRequired, "This company is known here already: ask it with an invitation that names its tenant.")
}

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
		name, err := contact.Name(*n.CompanyName)
		note(&f, "/companyName", err)
		who.CompanyName = name
	}
	if n.Domain != nil {
		domain := strings.ToLower(*n.Domain)
		if _, err := s.Addresses.Check("postmaster@" + domain); err != nil || strings.ContainsAny(domain, " \t@") {
			f.Add("/domain", problem.ValidationFailed, "This is no domain that mail can be sent to.")
		}
		who.Domains = []string{domain}
	}
	if n.Country != nil {
		who.Country = *n.Country
		if err := country.Check(who.Country); err != nil {
			note(&f, "/country", err)
		} else {
			err := s.Regions.Check(account.Country, who.Country)
			if err == nil && reseller != nil { // one failure refuses the whole (0.11)
				err = s.Regions.Check(reseller.Country, who.Country)
			}
			note(&f, "/country", err)
		}
	}
	if n.Tenant != nil {
		tenant, ok := partner.ParseTenantID(*n.Tenant)
		switch {
		case !ok:
			f.Add("/tenantId", problem.ValidationFailed, "A tenant id is a UUID.")
		case tenant == account.Tenant:
			f.Add("/tenantId", problem.SelfInvitation, "A partner is no customer of its own.")
		}
		who.Tenant = tenant
	}
	if _, err := s.Clouds.Cloud(account.Cloud); err != nil || reseller != nil && reseller.Cloud != account.Cloud {
		f.Add("", problem.CloudMismatch, "The cloud of your account is not served here, or not the reseller's.")
	}
	return who, f.Err()
}

func note(f *problem.Findings, pointer string, err error) {
	if p, ok := errors.AsType[*problem.Error](err); ok {
		f.Add(pointer, p.Code, "%s", p.Detail)
	}
}

// known gives the relationship that the caller had with a customer of its own making, and gives a customer without an id a new one.
func (s Service) known(ctx context.Context, account partner.Account, reseller *partner.Account, who *relationship.Customer) (*relationship.Relationship, error) {
	if who.Tenant == "" {
		who.Tenant = newTenant()
		return nil, nil
	}
	before, err := s.Store.Relationship(ctx, account.Tenant, who.Tenant)
	if err != nil && !problem.Is(err, problem.NotFound) {
		return nil, err
	}
	mine := err == nil
	if mine && before.Status == relationship.Active {
		return nil, problem.New(problem.RelationshipExists, "You have a relationship with this customer.")
	}
	if mine && before.Origin != relationship.CustomerCreation {
		return nil, inviteIt()
	}
	all, err := s.Register.Partners(ctx, who.Tenant)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(all, func(p partner.TenantID) bool { return p != account.Tenant && (reseller == nil || p != reseller.Tenant) }) {
		return nil, inviteIt()
	}
	switch _, err = s.Accounts.Account(ctx, who.Tenant, false); {
	case err == nil:
		return nil, inviteIt()
	case !problem.Is(err, problem.NotFound):
		return nil, err
	case mine:
		return &before, nil
	}
	return nil, nil
}

// newTenant makes a UUID (RFC 9562, version 4).
func newTenant() partner.TenantID {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return partner.TenantID(h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:])
}
