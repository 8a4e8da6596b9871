// Package relationship holds what stands between a partner and a customer once the customer has agreed: the reseller
// relationship and, apart from it, the administration that the customer granted (rule P7).
package relationship

import (
	"context"
	"slices"
	"strings"
	"time"

	"concord/internal/emailaddr"
	"concord/internal/partner"
)

// Customer is a company as its own identity provider describes it, at the time when one of its people answered
// (domain, 0.27). It is never taken from an invitation.
type Customer struct {
	// Tenant is the id under which the company is kept: that of its tenant or, for one that a partner created, the id of its [Record].
	Tenant partner.TenantID
	// Created says that a partner created the company, and ClaimedBy which tenant has claimed it; empty for none yet (domain, 0.30).
	Created     bool
	ClaimedBy   partner.TenantID
	CompanyName string
	Domains     []string
	Country     string // ISO 3166-1 alpha-2
	// CountrySource is "token", or "declared" when the sign-in did not say and the signer was asked, or "partner" for a customer that a
	// partner created.
	CountrySource string
	// NameSource is "declared" when the sign-in did not say what the company is called and the signer was asked; such a name proves nothing.
	NameSource string
	Cloud      partner.CloudID
}

// Home gives the company's tenant; empty for one that a partner created and no tenant has claimed.
func (c Customer) Home() partner.TenantID {
	if c.Created {
		return c.ClaimedBy
	}
	return c.Tenant
}

// KeptAs gives the company of a tenant as it is kept under an id: its own, or that of a record that it has claimed.
func (c Customer) KeptAs(id partner.TenantID) Customer {
	if id != c.Tenant {
		c.Tenant, c.Created, c.ClaimedBy = id, true, c.Tenant
	}
	return c
}

// Role is in which capacity the partner serves the customer.
type Role string

// The capacities.
const (
	Direct           Role = "direct"
	IndirectReseller Role = "indirectReseller"
	IndirectProvider Role = "indirectProvider"
)

// RoleOf gives the capacity of a partner of a programme role.
func RoleOf(r partner.ProgramRole) Role {
	switch r {
	case partner.IndirectProvider:
		return IndirectProvider
	case partner.IndirectReseller:
		return IndirectReseller
	default:
		return Direct
	}
}

// Status of a relationship.
type Status string

// A relationship that never was has no record.
const (
	Active  Status = "active"
	Removed Status = "removed"
)

// Administration is the state of delegated administration privileges (DAP).
type Administration string

// DAP becomes active only with an accepted request that asked for it, and ends with the relationship (rule X3).
const (
	NoAdministration Administration = "none"
	ActiveDAP        Administration = "active"
	TerminatedDAP    Administration = "terminated"
)

// IdentityCheck says whether the partner still has to confirm that the right company answered (domain, 0.25).
type IdentityCheck string

// Orders wait while a check is pending.
const (
	NotNeeded IdentityCheck = "none"
	Unproven  IdentityCheck = "pending"
	Confirmed IdentityCheck = "confirmed"
)

// Relationship is one partner's reseller relationship with one customer; there is at most one (invariant 2).
type Relationship struct {
	ID         string // "rel_" and 26 letters and digits
	Partner    partner.TenantID
	Customer   Customer
	Role       Role
	Status     Status
	Origin     string // [ByInvitation] or [CustomerCreation]
	Invitation string // the id of the invitation that last granted something
	// Via is the other tier, of a relationship that a dual invitation made, or a provider for its reseller: the provider of a reseller, the
	// reseller of a provider.
	Via            partner.TenantID
	DelegatedAdmin Administration
	IdentityCheck  IdentityCheck
	// Apart says that a company with the domain of this record is known beside it. Only its Global admin ends the check then.
	Apart bool
	// Twin is the id under which the same partner has this company already; it is listed by that alone. Empty for none.
	Twin          partner.TenantID
	RegionTable   string // the version of the region table that allowed it
	EstablishedAt time.Time
	UpdatedAt     time.Time
	CorrelationID string // of the request that last changed it
	Removal       *Removal
	// Sold counts the active subscriptions that the partner has sold to the customer.
	Sold Sold
	// AgreementSigned says that the customer signed the customer agreement with this partner, or that the partner attests it. What it
	// signed with another partner is recorded with the customer alone (package commerce).
	AgreementSigned bool
	History         []Entry
	Version         int // 1 for a new one, raised by each write
}

// Sold counts active subscriptions. It is part of the relationship, so that ending the one and activating the other meet in one item
// (domain, 0.6).
type Sold struct {
	Active int
	Azure  int // how many of them are Azure subscriptions
}

// With gives the counts after some more have become active, or fewer.
func (s Sold) With(azure bool, by int) Sold {
	s.Active += by
	if azure {
		s.Azure += by
	}
	return s
}

// Removal says who ended a relationship, and what was attested (invariant 14).
type Removal struct {
	At          time.Time
	By          string // the subject of the user
	Attestation AttestedText
}

// AttestedText says which words were attested.
type AttestedText struct {
	Version  string
	Language string
	Hash     string // SHA-256 of the words, hexadecimal
}

// Entry is one line of a relationship's history, and how things stood after it.
type Entry struct {
	At             time.Time
	Action         Action
	By             string // the subject of a user or person
	CorrelationID  string
	Why            string
	Status         Status
	DelegatedAdmin Administration
	IdentityCheck  IdentityCheck
}

// How a relationship came about.
const (
	ByInvitation     = "invitation"
	CustomerCreation = "customerCreation"
)

// Action is what happened to a relationship, as its history has it.
type Action string

// The actions of the history.
const (
	WasCreated          Action = "created"             // by the partner, together with the customer
	WasAssociated       Action = "created by provider" // by the partner's indirect provider, whose tenant stands for who did it
	Established         Action = "established"
	AdministrationGiven Action = "administration granted"
	AdministrationEnded Action = "administration ended"
	AdministrationTaken Action = "administration revoked" // by the customer
	IdentityConfirmed   Action = "identity confirmed"
	WasDisputed         Action = "disputed"
	WasRemoved          Action = "removed"
	WasLeft             Action = "ended by customer"
	WasClaimed          Action = "claimed"   // by the company that a partner had created
	WasSetApart         Action = "set apart" // a company with its domain came to be known beside it
	WasDisowned         Action = "disowned"  // the company of the domain has said that it is another
)

// Actions is the one list of them: audit is held to it by a test.
var Actions = []Action{
	WasCreated, WasAssociated, Established, AdministrationGiven, AdministrationEnded, AdministrationTaken, IdentityConfirmed,
	WasDisputed, WasRemoved, WasLeft, WasClaimed, WasSetApart, WasDisowned,
}

// maxHistory bounds the history: the first entry says how it began, and the newest are kept.
const maxHistory = 20

func (r *Relationship) note(e Entry) {
	e.Status, e.DelegatedAdmin, e.IdentityCheck = r.Status, r.DelegatedAdmin, r.IdentityCheck
	r.History = append(slices.Clone(r.History), e)
	if len(r.History) > maxHistory {
		r.History = slices.Delete(r.History, 1, 2)
	}
	r.UpdatedAt, r.CorrelationID = e.At, e.CorrelationID
	r.Version++
}

// Change is one version of a relationship over another; Before is nil for a new one.
type Change struct {
	Before *Relationship
	After  Relationship
	// Signed is the customer agreement that the customer signs with it, stored with the change or not at all; nil for none. A
	// change whose signature has a number that is taken conflicts.
	Signed *Signature
}

// Signature is that a customer signed the customer agreement with its answer (package commerce has the rules).
type Signature struct {
	ID       string // "agr_" and 26 letters and digits
	Number   int    // of the customer's own signatures, from 1
	Text     AttestedText
	FullName string // of who signed, as typed
	// FirstName and LastName are there where the person said them apart.
	FirstName, LastName string
	Email               string // as the person or else the identity provider says it; empty for none
	Phone               string // empty where the person said none
	Invitation          string
	At                  time.Time
	By                  string // the subject of who signed
	CorrelationID       string
	EraseAt             time.Time // when the names are taken out (domain, 0.23)
}

// Pair says between whom a relationship is.
type Pair struct{ Partner, Customer partner.TenantID }

// Consent is what an accepted invitation grants.
type Consent struct {
	Invitation     string
	RelationshipID string // used when there is no relationship yet
	Partner        partner.Account
	Customer       Customer
	Via            partner.TenantID // the other tier, of a dual invitation
	DelegatedAdmin bool
	IdentityCheck  IdentityCheck
	RegionTable    string
	At             time.Time
	By             string // the subject of who agreed
	CorrelationID  string // of the request
}

// Establish gives the relationship that stands after the customer agreed, from the one that stood before (nil for
// none), and whether anything new was granted (invariant 3b). What stood is kept: a consent never takes away.
func Establish(before *Relationship, c Consent) (after Relationship, granted bool) {
	if before == nil {
		after = Relationship{ID: c.RelationshipID, Partner: c.Partner.Tenant, DelegatedAdmin: NoAdministration, IdentityCheck: NotNeeded}
	} else {
		after = *before
		if after.Status == Active && (!c.DelegatedAdmin || after.DelegatedAdmin == ActiveDAP) && !after.Rises(c.Partner.Role) {
			return after, false
		}
	}
	fresh := after.Status != Active || after.Rises(c.Partner.Role)
	if fresh {
		after.Status, after.Origin, after.EstablishedAt = Active, ByInvitation, c.At
		after.Role, after.Customer, after.RegionTable = RoleOf(c.Partner.Role), c.Customer, c.RegionTable
	}
	action := AdministrationGiven
	if fresh {
		action, after.Removal = Established, nil
	}
	if c.DelegatedAdmin {
		after.DelegatedAdmin = ActiveDAP
	}
	// What an agent has confirmed is known. Beside that a doubt about whom the partner meant stays: also where the relationship
	// stood already and administration is what was granted to the wrong company.
	if after.IdentityCheck != Confirmed && (fresh || c.IdentityCheck == Unproven) {
		after.IdentityCheck = c.IdentityCheck
	}
	after.Invitation = c.Invitation
	if c.Via != "" || fresh {
		after.Via = c.Via
	}
	after.note(Entry{At: c.At, Action: action, By: c.By, CorrelationID: c.CorrelationID})
	return after, true
}

// Rises reports whether a consent to a partner in a program role grants more than stands in the one of the relationship: the sale of what an
// indirect reseller leaves to its provider (domain, 0.34). The other way round nothing is given, and what stood is kept.
func (r Relationship) Rises(to partner.ProgramRole) bool {
	return r.Role == IndirectReseller && to != "" && RoleOf(to) != IndirectReseller
}

// Founding is a customer that a partner brings along.
type Founding struct {
	RelationshipID string // used when there is no relationship yet
	Partner        partner.Account
	Customer       Customer
	RegionTable    string
	// Provider is the indirect provider that brings the customer along for the partner, its reseller (rule N9); empty for a partner's own.
	Provider partner.TenantID
	Via      partner.TenantID // the other tier, where there is one
	// DelegatedAdmin grants administration at once: policy associationGrantsDelegatedAdmin (0.18).
	DelegatedAdmin bool
	At             time.Time
	By             string // the subject of the user
	CorrelationID  string // of the request
}

// Create gives the relationship that stands with a company which the partner creates. It
// grants no administration unless the deployment says so: only the customer does (rule P7).
func Create(f Founding) Relationship {
	after := Relationship{
		ID: f.RelationshipID, Partner: f.Partner.Tenant, Customer: f.Customer, Role: RoleOf(f.Partner.Role), Status: Active, Origin: CustomerCreation, Via: f.Via,
		DelegatedAdmin: NoAdministration, IdentityCheck: NotNeeded, RegionTable: f.RegionTable, EstablishedAt: f.At,
	}
	if f.DelegatedAdmin {
		after.DelegatedAdmin = ActiveDAP
	}
	e := Entry{At: f.At, Action: WasCreated, By: f.By, CorrelationID: f.CorrelationID}
	if f.Provider != "" {
		e.Action, e.By = WasAssociated, string(f.Provider)
	}
	after.note(e)
	return after
}

// Dispute gives the relationship after the recipient of an invitation has said that its answer was not its own, and false when nothing
// changes, because the relationship has ended or has been disputed already. Whom the partner deals with has to be confirmed, whichever
// invitation made the relationship and also when the answer repeated another (domain, 0.25, 0.42). Administration ends where the
// invitation is the one that granted last.
func (r Relationship) Dispute(invitation string, at time.Time, correlationID string) (Relationship, bool) {
	granted := r.Invitation == invitation
	if r.Status != Active || !granted && r.IdentityCheck == Unproven {
		return r, false
	}
	r.IdentityCheck = Unproven
	if granted && r.DelegatedAdmin == ActiveDAP {
		r.DelegatedAdmin = TerminatedDAP
	}
	r.note(Entry{At: at, Action: WasDisputed, CorrelationID: correlationID})
	return r, true
}

// Confirm gives the relationship after an agent has confirmed whom the partner deals with (domain, 0.25), and false when
// nothing was open.
func (r Relationship) Confirm(e Entry) (Relationship, bool) {
	if r.Status != Active || r.IdentityCheck != Unproven || r.Apart {
		return r, false
	}
	r.IdentityCheck = Confirmed
	e.Action = IdentityConfirmed
	r.note(e)
	return r, true
}

// EndAdministration gives the relationship without the delegated administration of the partner, and false when there was none.
func (r Relationship) EndAdministration(e Entry) (Relationship, bool) {
	if r.DelegatedAdmin != ActiveDAP {
		return r, false
	}
	r.DelegatedAdmin = TerminatedDAP
	e.Action = AdministrationEnded
	r.note(e)
	return r, true
}

// Revoke is [Relationship.EndAdministration] by the customer.
func (r Relationship) Revoke(e Entry) (Relationship, bool) {
	if r.DelegatedAdmin != ActiveDAP {
		return r, false
	}
	r.DelegatedAdmin = TerminatedDAP
	e.Action = AdministrationTaken
	r.note(e)
	return r, true
}

// Claim gives the relationship after the company has claimed the record that it was created with. What its identity provider says counts
// from then on; a country that is another than the partner said has the partner confirm whom it deals with (domain, 0.30).
func (r Relationship) Claim(c Customer, record Record, e Entry) Relationship {
	was := r.Customer
	r.Customer = c
	r.Customer.Tenant, r.Customer.Created, r.Customer.ClaimedBy = record.ID, true, c.Tenant
	r.Customer.Domains = []string{record.Domain}
	for _, d := range verified(c.Domains) {
		if d != record.Domain {
			r.Customer.Domains = append(r.Customer.Domains, d)
		}
	}
	if c.CompanyName == "" {
		r.Customer.CompanyName, r.Customer.NameSource = was.CompanyName, was.NameSource
	}
	if c.Country == "" {
		r.Customer.Country, r.Customer.CountrySource = was.Country, was.CountrySource
	}
	r.Apart, r.IdentityCheck = false, NotNeeded
	if r.Customer.Country != was.Country {
		r.IdentityCheck = Unproven
	}
	e.Action = WasClaimed
	r.note(e)
	return r
}

// SetApart gives the relationship after a company with the domain of its record came to be known by another partner's request, and false
// where it has ended. Orders wait until that company has spoken (domain, 0.30).
func (r Relationship) SetApart(e Entry) (Relationship, bool) {
	if r.Status != Active {
		return r, false
	}
	r.Apart, r.IdentityCheck = true, Unproven
	e.Action, e.By = WasSetApart, ""
	r.note(e)
	return r, true
}

// Disown gives the relationship after the company of the domain has said that it is another, and false when it had ended.
func (r Relationship) Disown(e Entry) (Relationship, bool) {
	if r.Status != Active {
		return r, false
	}
	r.Status, r.Apart = Removed, false
	if r.DelegatedAdmin == ActiveDAP {
		r.DelegatedAdmin = TerminatedDAP
	}
	e.Action = WasDisowned
	r.note(e)
	return r, true
}

// Remove gives the relationship after the partner has ended it, and false when it had ended. The partner's delegated administration
// ends with it (rule X3, 0.13); granular administration is no part of it and stays (rule X4).
func (r Relationship) Remove(e Entry, attested AttestedText) (Relationship, bool) {
	if r.Status != Active {
		return r, false
	}
	r.Status = Removed
	if r.DelegatedAdmin == ActiveDAP {
		r.DelegatedAdmin = TerminatedDAP
	}
	r.Removal = &Removal{At: e.At, By: e.By, Attestation: attested}
	e.Action = WasRemoved
	r.note(e)
	return r, true
}

// Leave is [Relationship.Remove] by the customer, which attests nothing (domain, 0.45). Who of it did so is not for the partner.
func (r Relationship) Leave(e Entry) (Relationship, bool) {
	after, changed := r.Remove(e, AttestedText{})
	if changed {
		after.Removal.By = ""
		after.History[len(after.History)-1].Action = WasLeft
	}
	return after, changed
}

// EndedAt is when a relationship that has ended did so.
func (r Relationship) EndedAt() time.Time {
	if r.Removal != nil {
		return r.Removal.At
	}
	return r.UpdatedAt
}

// CheckIdentity says whether a customer that answered owns the domain of the address that was invited. When it does
// not, the answer stands and the partner has to confirm (domain, 0.25).
func CheckIdentity(c Customer, invited string) IdentityCheck {
	_, domain, ok := strings.Cut(emailaddr.Normalise(invited), "@")
	if !ok || slices.ContainsFunc(c.Domains, func(d string) bool { return emailaddr.Normalise("@"+d) == "@"+domain }) {
		return NotNeeded
	}
	return Unproven
}

// Place is where a customer stands in a partner's lists, which are newest first: a customer of a later moment comes before one of an earlier
// and, within a second, the one of the higher id. Places compare as strings do, so that the later one is the greater.
func Place(at time.Time, customer partner.TenantID) string {
	return at.UTC().Format(time.RFC3339) + "#" + string(customer)
}

// ParsePlace is the reverse of [Place], and gives false for what is none.
func ParsePlace(s string) (at time.Time, customer partner.TenantID, ok bool) {
	moment, id, _ := strings.Cut(s, "#")
	at, err := time.Parse(time.RFC3339, moment)
	customer, ok = partner.ParseTenantID(id)
	return at, customer, ok && err == nil && Place(at, customer) == s
}

// Place is where the customer stands in the partner's lists: at the moment that its resource shows, when the relationship was established. One
// that ended and came back stands where it came back.
func (r Relationship) Place() string { return Place(r.EstablishedAt, r.Customer.Tenant) }

// Query asks for a page of one partner's customers, newest first ([Relationship.Place]).
type Query struct {
	Status Status // empty for every status
	Name   string // part of the company's name, in any case; empty for every name
	Domain string // one of the company's domains; empty for every domain
	Limit  int    // how many to give at most
	After  string // the place where the page before ended; empty for the first page
}

// Matches reports whether a relationship is among those asked for.
func (q Query) Matches(r Relationship) bool {
	return (q.Status == "" || q.Status == r.Status) && r.Twin == "" &&
		(q.Name == "" || strings.Contains(strings.ToLower(r.Customer.CompanyName), strings.ToLower(q.Name))) &&
		(q.Domain == "" || slices.ContainsFunc(r.Customer.Domains, func(d string) bool { return strings.EqualFold(d, q.Domain) }))
}

// Page is an answer to a [Query]. It may hold fewer than the limit, even none, while Next is set.
type Page struct {
	Relationships []Relationship
	Next          string // a place
}

// Store reads relationships. Relationship includes every write that was acknowledged before the call; Relationships may be a moment behind,
// and leaves out what it is not sure of yet. One that comes back while it is listed page by page is listed where it stands then, or in the
// next listing. The error for what cannot be an After has code [problem.MalformedRequest].
//
// Relationship gives an error with code [problem.NotFound] when the partner never had one with the customer. A company that a partner
// created and a tenant has claimed is found by either id (domain, 0.30); by the one that its item does not have, a second later. A
// relationship is written only together with the answer that made it (package invitation).
type Store interface {
	// Relationship gives one, strongly consistent, or [problem.NotFound].
	Relationship(ctx context.Context, p, customer partner.TenantID) (Relationship, error)
	// Relationships gives a page, newest first, a second behind; [problem.MalformedRequest] for a place where no page
	// ended.
	Relationships(ctx context.Context, p partner.TenantID, q Query) (Page, error)
}
