package commerce

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"concord/internal/command"
	"concord/internal/emailaddr"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/relationship"
	"concord/internal/terms"
)

// CustomerAgreement is the type of the customer agreement, by its name in the API.
const CustomerAgreement = "MicrosoftCustomerAgreement"

// Source says how it is known that a customer has signed.
type Source string

// A partner says so, or the customer signed here.
const (
	PartnerAttested Source = "partnerAttested"
	DirectSigned    Source = "directSigned"
)

// Person is who signed an agreement for a customer.
type Person struct {
	FirstName, LastName string
	Email               string
	Phone               string // empty for none
}

// Agreement records that a customer has signed the customer agreement (domain, 2.1). It is evidence: it is never changed and never
// deleted, and what changed is a record of its own.
type Agreement struct {
	ID       string // "agr_" and 26 letters and digits
	Customer partner.TenantID
	Source   Source
	// Partner is who attests it, by whose invitation it was signed, or whom a signature apart from any is told to. What a partner attests counts for that partner's purchases, and
	// what the customer signed itself for everybody's.
	Partner partner.TenantID
	// Number counts the records of the same customer and source, and of the same partner where one attests; from 1.
	Number int
	// Text says which words were signed, as far as the deployment has them (domain, 0.21).
	Text       relationship.AttestedText
	Contact    Person
	AgreedAt   time.Time // when the customer agreed, as it is said; to the second
	Invitation string    // in whose answer it was signed; empty where it is attested
	At         time.Time // when it was recorded
	By         string    // the subject of who attested or signed it
	// CorrelationID is of the request; Key and Body are fingerprints of its Idempotency-Key and of itself.
	CorrelationID string
	Key, Body     string
	// EraseAt is when the names of who signed and who recorded it are taken out (domain, 0.23); zero when they were.
	EraseAt time.Time
}

// AgreementStore keeps agreements.
//
// Agreements gives what a customer has signed itself and what a partner attests of it (empty for nobody), of either oldest first, every
// write included that was acknowledged before the call.
//
// AddAgreement stores a record and, beside it, a change of the partner's relationship: both, or neither and [command.ErrConflict] when the
// number is taken or the relationship is not as it was before.
//
// ForgetSigner takes the contact and who recorded it out of an agreement whose time for that has come at a moment, and gives false for
// any other. Ref is what the due index lists it by.
type AgreementStore interface {
	Signatures
	// Agreements gives all of the two sources, oldest first, strongly consistent; none is no error.
	Agreements(ctx context.Context, customer, attestedBy partner.TenantID) ([]Agreement, error)
	// AddAgreement stores one whose number is free, and the change of the relationship over its version, or
	// [command.ErrConflict].
	AddAgreement(ctx context.Context, a Agreement, r *relationship.Change) error
	// ForgetSigner takes names out, on condition that the time for that has come; false when it has not, or nothing is
	// there.
	ForgetSigner(ctx context.Context, customer partner.TenantID, ref string, now time.Time) (forgotten bool, err error)
}

// Signatures says of customers which have signed the customer agreement here themselves, with whichever partner. The answer may be a second
// old.
type Signatures interface {
	// SignedDirectly gives those of the customers that have, a second behind; who is missing has not.
	SignedDirectly(ctx context.Context, customers []partner.TenantID) (map[partner.TenantID]bool, error)
}

// signed reports whether the customer of a relationship has signed, as far as the partner's purchases are concerned.
func (s *Service) signed(ctx context.Context, r relationship.Relationship) (bool, error) {
	if r.AgreementSigned {
		return true, nil
	}
	all, err := AgreementsOf(ctx, s.Agreements, r)
	return len(all) > 0, err
}

// AgreementsOf gives what the customer of a relationship has signed itself and what the partner attests of it, of either oldest first. What
// a company signs itself is kept by its tenant, also where a partner created it (domain, 0.30).
func AgreementsOf(ctx context.Context, store interface {
	Agreements(ctx context.Context, customer, attestedBy partner.TenantID) ([]Agreement, error)
}, r relationship.Relationship) ([]Agreement, error) {
	all, err := store.Agreements(ctx, r.Customer.Tenant, r.Partner)
	if home := r.Customer.Home(); err == nil && home != "" && home != r.Customer.Tenant {
		var own []Agreement
		own, err = store.Agreements(ctx, home, "")
		all = append(own, all...)
	}
	return all, err
}

// Agreed says of many customers at once what [Service.Eligibility] says of one: whether the customer agreement is there.
type Agreed struct {
	Signatures
	Accounts     partner.Accounts
	Partnerships Partnerships
	// Tiers reads relationships across partners. Between gives those of the pairs that there are, in any order.
	Tiers interface {
		Between(ctx context.Context, pairs []relationship.Pair) ([]relationship.Relationship, error)
	}
}

// maxPairs bounds how many relationships are read at once.
const maxPairs = 100

// Signed says which customers of a partner have signed, of some (at most 100) whose relationships with the partner do not say so. For an
// indirect reseller, whose providers order, that is also what one of them attests. The answer may be a second old.
func (a Agreed) Signed(ctx context.Context, p partner.TenantID, customers []partner.TenantID) (map[partner.TenantID]bool, error) {
	if len(customers) == 0 {
		return nil, nil
	}
	signed, err := a.SignedDirectly(ctx, customers)
	if err != nil {
		return nil, err
	}
	open := slices.DeleteFunc(slices.Clone(customers), func(c partner.TenantID) bool { return signed[c] })
	if len(open) == 0 {
		return signed, nil
	}
	account, err := a.Accounts.Account(ctx, p, false)
	if err != nil || !account.Has(partner.IndirectReseller) {
		return signed, err
	}
	if account.Sells() { // only those count that accepted it as their reseller (0.34)
		if open, err = a.resold(ctx, p, open); err != nil || len(open) == 0 {
			return signed, err
		}
	}
	ties, err := a.Partnerships.Providers(ctx, p)
	if err != nil {
		return nil, err
	}
	var pairs []relationship.Pair
	for _, tie := range ties {
		for _, c := range open {
			if tie.Active {
				pairs = append(pairs, relationship.Pair{Partner: tie.Provider, Customer: c})
			}
		}
	}
	for some := range slices.Chunk(pairs, maxPairs) {
		found, err := a.Tiers.Between(ctx, some)
		if err != nil {
			return nil, err
		}
		for _, r := range found {
			signed[r.Customer.Tenant] = signed[r.Customer.Tenant] || r.AgreementSigned
		}
	}
	return signed, nil
}

// resold gives those of some customers that have accepted a partner as their indirect reseller.
func (a Agreed) resold(ctx context.Context, p partner.TenantID, customers []partner.TenantID) (all []partner.TenantID, err error) {
	pairs := make([]relationship.Pair, len(customers))
	for n, c := range customers {
		pairs[n] = relationship.Pair{Partner: p, Customer: c}
	}
	found, err := a.Tiers.Between(ctx, pairs)
	for n := range found {
		if (Purchase{Relationship: &found[n]}).resold() {
			all = append(all, found[n].Customer.Tenant)
		}
	}
	return all, err
}

// CustomerAgreements gives what a customer of the caller has signed, newest first. Who signed is left out of what another partner's
// invitation brought. Codes: [problem.RoleNotPermitted], [problem.NotFound].
func (s *Service) CustomerAgreements(ctx context.Context, u partner.User, tenant string) ([]Agreement, error) {
	if _, err := s.account(ctx, u, partner.ReadCustomers, false); err != nil {
		return nil, err
	}
	r, err := s.customer(ctx, u.Tenant, tenant)
	if err != nil {
		return nil, err
	}
	all, err := AgreementsOf(ctx, s.Agreements, r)
	if err != nil {
		return nil, err
	}
	for n := range all {
		if all[n].Partner != u.Tenant {
			all[n].Contact, all[n].Invitation = Person{}, ""
		}
	}
	slices.SortStableFunc(all, func(a, b Agreement) int { return b.At.Compare(a.At) })
	return all, nil
}

// DirectlySigned reports whether a customer of the caller has signed here itself. Codes as for [Service.CustomerAgreements].
func (s *Service) DirectlySigned(ctx context.Context, u partner.User, tenant string) (bool, error) {
	all, err := s.CustomerAgreements(ctx, u, tenant)
	return slices.ContainsFunc(all, func(a Agreement) bool { return a.Source == DirectSigned }), err
}

// Attestation is what a partner says of an agreement, before it was checked. Nil means "not said".
type Attestation struct {
	Type      *string
	FirstName *string
	LastName  *string
	Email     *string
	Phone     *string
	AgreedAt  *time.Time
}

// Attest records that a customer has signed elsewhere (rule P1). Replayed reports that the command's key had recorded it.
//
// Codes: [problem.RoleNotPermitted], also for a reseller, which attests nothing; [problem.PartnerNotActive]; [problem.NotFound],
// [problem.RelationshipNotFound] for a customer with which no relationship is active; those of a field;
// [problem.AgreementDateInFuture]; [problem.AgreementAlreadyConfirmed] for what is recorded already; [problem.IdempotencyKeyReused].
func (s *Service) Attest(ctx context.Context, c command.Command, tenant string, said Attestation) (a Agreement, replayed bool, err error) {
	account, err := s.active(ctx, c.User, partner.Trade)
	if err != nil {
		return a, false, err
	}
	if !account.Sells() {
		return a, false, problem.New(problem.RoleNotPermitted, "An indirect reseller attests no customer agreement; its provider does.")
	}
	err = command.Retry(func() (err error) {
		a, replayed, err = s.attest(ctx, c, account, tenant, said)
		return err
	})
	return a, replayed, err
}

func (s *Service) attest(ctx context.Context, c command.Command, account partner.Account, tenant string, said Attestation) (a Agreement, replayed bool, err error) {
	r, err := s.customer(ctx, account.Tenant, tenant)
	if err != nil {
		return a, false, err
	}
	all, err := AgreementsOf(ctx, s.Agreements, r)
	if err != nil {
		return a, false, err
	}
	now := s.now()
	for _, before := range all {
		if before.Partner != account.Tenant || before.Source != PartnerAttested {
			continue
		}
		if was, err := c.Replays(now, before.At, before.Key, before.Body); was || err != nil {
			return before, was, err
		}
	}
	if r.Status != relationship.Active {
		return a, false, problem.New(problem.RelationshipNotFound, "There is no active relationship with this customer.")
	}
	a, err = s.attested(now, c.Findings, said)
	if err != nil {
		return Agreement{}, false, err
	}
	if a.Text, err = s.words(ctx, account, r, a.AgreedAt); err != nil {
		return Agreement{}, false, err
	}
	a.ID, a.Customer, a.Partner, a.By = c.ID("agr_", "agreement|"+string(r.Customer.Tenant), now.Format(time.DateOnly)), r.Customer.Tenant, account.Tenant, c.User.Subject
	a.At, a.CorrelationID, a.Key, a.Body = now, c.CorrelationID, command.Fingerprint(c.Key), c.Body
	a.Number, a.EraseAt = 1, now.Add(cmp.Or(s.Evidence, evidence))
	for _, before := range all {
		if before.Source != PartnerAttested {
			continue
		}
		if a.Number = max(a.Number, before.Number+1); a.Number > MaxAgreements {
			return Agreement{}, false, problem.New(problem.AgreementAlreadyConfirmed, "The agreement has already been confirmed %d times.", MaxAgreements)
		}
		if a.says(before) {
			return Agreement{}, false, problem.New(problem.AgreementAlreadyConfirmed, "This has already been confirmed.")
		}
	}
	return a, false, s.Agreements.AddAgreement(ctx, a, agreed(r))
}

// words says which text was in force in the customer's country when it agreed; none where the deployment has none of that time.
func (s *Service) words(ctx context.Context, account partner.Account, r relationship.Relationship, at time.Time) (relationship.AttestedText, error) {
	text, err := terms.Current(ctx, s.Texts, terms.CustomerAgreement, account.Locale, r.Customer.Country, at)
	if problem.Is(err, problem.AgreementTextNotConfigured) {
		return relationship.AttestedText{}, nil
	}
	return relationship.AttestedText{Version: text.Version, Language: text.Language, Hash: text.Hash}, err
}

// MaxAgreements is how many agreements a partner attests of one customer: contacts and versions change, and not every day.
const MaxAgreements = 100

// agreed gives the change of a relationship whose customer has signed, nil where that is said already.
func agreed(r relationship.Relationship) *relationship.Change {
	if r.AgreementSigned {
		return nil
	}
	after := r
	after.AgreementSigned = true
	after.Version++
	return &relationship.Change{Before: &r, After: after}
}

// says reports whether two records say the same of the same words.
func (a Agreement) says(b Agreement) bool {
	return a.Text == b.Text && a.Contact == b.Contact && a.AgreedAt.Equal(b.AgreedAt)
}

// attested checks what is said of an agreement.
func (s *Service) attested(now time.Time, f problem.Findings, said Attestation) (Agreement, error) {
	f = slices.Clone(f)
	a := Agreement{Source: PartnerAttested}
	if say(said.Type) != CustomerAgreement {
		f.Add("/type", problem.ValidationFailed, "The type must be %s.", CustomerAgreement)
	}
	for pointer, name := range map[string]struct {
		from *string
		to   *string
	}{
		"/primaryContact/firstName": {said.FirstName, &a.Contact.FirstName}, "/primaryContact/lastName": {said.LastName, &a.Contact.LastName},
	} {
		var err error
		if *name.to, err = emailaddr.Name(say(name.from)); err != nil {
			f.Note(pointer, err)
		}
	}
	var err error
	if a.Contact.Email, err = s.Addresses.Check(say(said.Email)); err != nil {
		f.Note("/primaryContact/email", err)
	}
	if a.Contact.Phone = say(said.Phone); said.Phone != nil {
		f.Note("/primaryContact/phoneNumber", emailaddr.Phone(*said.Phone))
	}
	switch {
	case said.AgreedAt == nil:
		if !slices.ContainsFunc(f, func(x problem.Finding) bool { return x.Pointer == "/dateAgreed" }) {
			f.Add("/dateAgreed", problem.ValidationFailed, "This field is required.")
		}
	case said.AgreedAt.Truncate(time.Second).After(now): // now has no fraction
		f.Add("/dateAgreed", problem.AgreementDateInFuture, "The date of agreement cannot be in the future.")
	default:
		a.AgreedAt = said.AgreedAt.UTC().Truncate(time.Second)
	}
	slices.SortStableFunc(f, func(x, y problem.Finding) int { return strings.Compare(x.Pointer, y.Pointer) })
	return a, f.Err()
}
