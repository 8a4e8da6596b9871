package granular

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"concord/internal/emailaddr"
	"concord/internal/link"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/relationship"
)

// Request is what a page about a relationship is made of. The relationship is as it stands now.
type Request struct {
	Relationship
	Partner partner.Account
	Portal  partner.Cloud
}

// Case is what a link leads to, at a moment and for a person. Each has its page.
type Case string

// The cases, in the order in which they are looked at: those of the link, those of the person, those of the two companies, and then
// the answer.
const (
	Unknown    Case = "unknown" // no such relationship, deleted, withdrawn, or not to be approved yet; also every malformed link
	Superseded Case = "superseded"
	TooLate    Case = "expired"  // nobody has approved in time
	Answered   Case = "answered" // rejected by somebody else
	Over       Case = "ended"    // it was active and no longer is

	Review Case = "review" // nobody is signed in

	OtherTenant Case = "wrong-tenant"
	NotAdmin    Case = "not-admin"

	Standing Case = "active" // approved by somebody else of the customer, who may end it

	PartnerNotActive Case = "partner-not-active"
	OtherCloud       Case = "cloud-mismatch"
	OtherRegion      Case = "region-not-allowed" // of a company that would be claimed by the answer

	Form       Case = "answer"
	ApprovedBy Case = "accepted" // by this person, who may end it
	RejectedBy Case = "declined" // by this person
)

// MayReject reports whether a signed-in person can still reject: also where approving is ruled out by who the two companies are. Of
// [PartnerNotActive], which comes before the person is looked at, [Request.Rejects] says it.
func (c Case) MayReject() bool {
	return c == Form || c == PartnerNotActive || c == OtherCloud || c == OtherRegion
}

// MayEnd reports whether a signed-in person can end the relationship.
func (c Case) MayEnd() bool { return c == Standing || c == ApprovedBy }

// Look gives what a link leads to and writes nothing. Who is nil before sign-in. The Request is set in every case but [Unknown]. What
// leads on may rest on a reading that is a second old.
func (s *Service) Look(ctx context.Context, l link.Link, who *relationship.Person) (Request, Case, error) {
	q, c, err := s.look(ctx, l, who, false)
	if err == nil && c != Review && c != Form {
		return s.look(ctx, l, who, true) // a link that was made just now must not look dead, nor an answer lost
	}
	return q, c, err
}

func (s *Service) look(ctx context.Context, l link.Link, who *relationship.Person, strong bool) (Request, Case, error) {
	q, _, err := s.request(ctx, l, strong, strong)
	if problem.Is(err, problem.NotFound) {
		return Request{}, Unknown, nil
	}
	if err != nil {
		return Request{}, "", err
	}
	id, err := s.recognise(ctx, q.Relationship, who, relationship.Inquiry{Strong: strong})
	if err != nil {
		return Request{}, "", err
	}
	c := q.caseOf(l, who, id)
	if c == Unknown {
		q = Request{}
	}
	return q, c, nil
}

// recognise says whether who is signed in is of the company that a relationship names, which may be one that a partner created (domain,
// 0.30).
func (s *Service) recognise(ctx context.Context, r Relationship, who *relationship.Person, q relationship.Inquiry) (relationship.Identity, error) {
	if who == nil || r.Customer == "" || r.Customer == who.Company.Tenant {
		return relationship.Identity{}, nil
	}
	q.Refuses = r.Status != Pending
	return s.identify(ctx, r, *who, q)
}

// identify says which company answers.
func (s *Service) identify(ctx context.Context, r Relationship, who relationship.Person, q relationship.Inquiry) (relationship.Identity, error) {
	q.Company = who.Company
	q.Company.CountrySource = "token"
	q.Bound, q.Partners = r.Customer, []partner.TenantID{r.Key.Partner}
	return s.Recognition.Recognise(ctx, q)
}

// request reads the relationship and its partner, each as strongly as asked for, and gives the relationship as it is stored, too.
func (s *Service) request(ctx context.Context, l link.Link, strong, strongPartner bool) (Request, Relationship, error) {
	stored, err := s.Store.GranularRelationship(ctx, Key{partner.TenantID(l.Tenant), l.ID}, strong)
	if err != nil {
		return Request{}, stored, err
	}
	account, err := s.Accounts.Account(ctx, stored.Key.Partner, strongPartner)
	if err != nil {
		return Request{}, stored, err
	}
	portal, err := s.Clouds.Cloud(stored.Cloud)
	return Request{stored.At(s.now()), account, portal}, stored, err
}

func (q Request) caseOf(l link.Link, who *relationship.Person, id relationship.Identity) Case {
	r := q.Relationship
	approved := !r.ActivatedAt.IsZero()
	own := who != nil && r.Answer != nil && r.Answer.Subject == who.Subject && r.Answer.Tenant == who.Company.Tenant
	switch {
	case r.Status == Created || r.Status == Deleted || r.Reason == Withdrawn, l.Generation == AnyGeneration && !r.addressed(who, id):
		return Unknown
	case l.Generation != AnyGeneration && l.Generation != r.Generation:
		return Superseded
	case r.Status == Expired && !approved:
		return TooLate
	case r.Status == Terminated && !approved && own:
		return RejectedBy
	case r.Status == Terminated && !approved:
		return Answered
	case r.Status != Pending && r.Status != Active:
		return Over
	case r.Status == Pending && q.Partner.Status != partner.Active: // said before anybody signs in (0.43)
		return PartnerNotActive
	case who == nil:
		return Review
	case r.Status == Active && own:
		return ApprovedBy
	case q.bars(who, id) != "":
		return q.bars(who, id)
	case r.Status == Active:
		return Standing
	case who.Company.Cloud != r.Cloud, problem.Is(id.Barred, problem.CloudMismatch):
		return OtherCloud
	case id.Barred != nil:
		return OtherRegion
	default:
		return Form
	}
}

// bars says why somebody can neither answer nor end; empty for nothing.
func (q Request) bars(who *relationship.Person, id relationship.Identity) Case {
	switch {
	case who == nil:
		return Review
	case id.Foreign, who.Company.Tenant == q.Relationship.Key.Partner:
		return OtherTenant // invariants 8 and 9
	case !who.Has(partner.GlobalAdmin):
		return NotAdmin
	}
	return ""
}

// Rejects reports whether somebody can reject a request that nobody can approve because its partner is not active. A company that would
// claim what a partner created is asked when that is active again.
func (q Request) Rejects(who *relationship.Person) bool {
	foreign := who != nil && q.Customer != "" && q.Customer != who.Company.Tenant
	return q.Status == Pending && q.bars(who, relationship.Identity{Foreign: foreign}) == ""
}

// AnyGeneration is the generation of a link that was not mailed: it stands for a relationship that its customer has found on its own page, or by
// its id, which is no secret. No token has it.
const AnyGeneration = 0

// addressed reports whether somebody may see the relationship without its link: who is of the customer that it names, or has answered it. One that
// names nobody waits for whom its partner tells the id: whoever approves is bound by it, and its partner has to confirm the identity (0.25).
func (r Relationship) addressed(who *relationship.Person, id relationship.Identity) bool {
	switch {
	case who == nil:
		return false
	case r.Answer != nil && r.Answer.Tenant == who.Company.Tenant:
		return true
	case r.Customer == "":
		return r.Status == Pending
	default:
		return !id.Foreign
	}
}

// Response is what a person filled in.
type Response struct {
	Answer     string // "accept" or "decline"; nothing is preselected
	Authorized bool   // "I am authorised to act for …"
	FullName   string
	JobTitle   string
	Consent    ConsentText
	// CorrelationID ties the answer to its request.
	CorrelationID string
}

// Respond approves or rejects. An approval binds the relationship to the tenant of who gives it. The case is [ApprovedBy] or
// [RejectedBy] when the answer stands, also when the same person gave the same one before; with any other case nothing was written, and
// with an error neither: one with findings is about the form.
func (s *Service) Respond(ctx context.Context, l link.Link, who relationship.Person, r Response) (q Request, c Case, err error) {
	for range maxRounds {
		if q, c, err = s.respond(ctx, l, who, r); !errors.Is(err, ErrConflict) {
			break
		}
	}
	return q, c, unavailable(err)
}

func (s *Service) respond(ctx context.Context, l link.Link, who relationship.Person, r Response) (Request, Case, error) {
	q, before, err := s.request(ctx, l, true, true)
	if problem.Is(err, problem.NotFound) {
		return Request{}, Unknown, nil
	}
	if err != nil {
		return Request{}, "", err
	}
	id, err := s.recognise(ctx, q.Relationship, &who, relationship.Inquiry{Strong: true})
	if err != nil {
		return Request{}, "", err
	}
	c := q.caseOf(l, &who, id)
	switch {
	case c == Unknown:
		return Request{}, c, nil
	case c == ApprovedBy && r.Answer == "decline", c == RejectedBy && r.Answer == "accept":
		return q, Answered, nil
	case !c.MayReject(), c == PartnerNotActive && !q.Rejects(&who), r.Answer == "accept" && c != Form:
		return q, c, nil
	}
	now := s.now()
	given, err := s.check(who, r, now)
	if err != nil {
		return q, c, err
	}
	id, err = s.identify(ctx, q.Relationship, who, relationship.Inquiry{
		Refuses: r.Answer == "decline", Entry: relationship.Entry{At: now, By: who.Subject, CorrelationID: r.CorrelationID}, Strong: true,
	})
	if err != nil {
		return q, c, err
	}
	if c := q.caseOf(l, &who, id); r.Answer == "accept" && c != Form { // as what it claims
		return q, c, nil
	}
	after := q.Relationship
	after.Version++
	after.Answer = &given
	e := Entry{At: now, Actor: ByCustomer, By: who.Subject, CorrelationID: r.CorrelationID}
	after.Post.Abandon(RequestNotice)
	after.Post.Enqueue(now, AnswerNotice) // beside an invitation, that tells it
	if r.Answer == "accept" {
		kept, err := s.kept(ctx, id, q.Key.Partner)
		if err != nil {
			return q, c, err
		}
		after.identify(who.Company)
		after.approve(who.Company, kept, e)
		if err := s.Recognition.Reviewed(ctx, who, given.Consent.Language); err != nil {
			return q, c, err
		}
		c = ApprovedBy
	} else {
		after.EndAt, after.Reason, e.Why = now, Rejected, Rejected
		after.step(e, Terminated, terminating, string(Terminated))
		c = RejectedBy
	}
	// When the process dies before the write nothing has happened and the same form can be sent again; when it dies afterwards,
	// sending it again shows the result.
	if len(id.Learnt) > 0 {
		if learned, err := s.Recognition.Companies.Learn(ctx, id.Learnt); err != nil || !learned {
			return q, c, cmp.Or(err, ErrConflict)
		}
	}
	if err := s.Store.WriteGranular(ctx, Change{Before: &before, After: after, Discovery: id.Discovery, Relationships: id.Rows}); err != nil {
		return q, c, err
	}
	q.Relationship = after
	return q, c, nil
}

// identify has a partner confirm whom it deals with where the company that approves was neither named nor is at home at the address that was asked
// (0.25). An id that was passed on proves nothing.
func (r *Relationship) identify(who relationship.Customer) {
	asked := relationship.CheckIdentity(who, r.Mail.To)
	if r.Customer == "" && (r.Mail.To == "" || asked == relationship.Unproven) {
		r.IdentityCheck = relationship.Unproven
	}
}

// kept gives the id under which a partner has the company that answers.
func (s *Service) kept(ctx context.Context, id relationship.Identity, p partner.TenantID) (partner.TenantID, error) {
	if row, ok := id.Row(p); ok {
		return row.After.Customer.Tenant, nil
	}
	if !id.Known {
		return id.ID, nil
	}
	r, err := s.Recognition.Relationships.Relationship(ctx, p, id.ID)
	if problem.Is(err, problem.NotFound) {
		return id.ID, nil
	}
	return r.Customer.Tenant, err
}

// Approved gives the relationship after an approval by somebody of a company that was given together with another answer. It is open. Kept
// is the id under which the company is kept; empty for that of its tenant (domain, 0.30).
func (r Relationship) Approved(by relationship.Customer, kept partner.TenantID, g Given, e Entry) Relationship {
	r.answered(g, &e)
	r.approve(by, kept, e)
	return r
}

// Refused gives the relationship after a refusal that was given together with another answer. It is open.
func (r Relationship) Refused(g Given, e Entry) Relationship {
	r.answered(g, &e)
	r.EndAt, r.Reason, e.Why = e.At, Rejected, Rejected
	r.step(e, Terminated, terminating, string(Terminated))
	return r
}

// answered takes an answer; what was not locked before is locked by the partner's having asked.
func (r *Relationship) answered(g Given, e *Entry) {
	r.Version++
	r.Answer, e.Actor = &g, ByCustomer
	r.Post.Abandon(RequestNotice)
	if r.Status == Created {
		r.ApproveBy = e.At
		r.note(Entry{At: e.At, Action: string(Pending), Actor: ByPartner, By: r.CreatedBy, CorrelationID: e.CorrelationID})
	}
}

func (r *Relationship) approve(by relationship.Customer, kept partner.TenantID, e Entry) {
	r.Customer = cmp.Or(kept, by.Tenant)
	if name, err := emailaddr.Name(by.CompanyName); err == nil { // what a tenant calls itself is nobody's word but its own
		r.CustomerName = name
	}
	r.ActivatedAt, r.EndAt = e.At, r.Duration.From(e.At)
	r.step(e, Active, approved, activating, string(Active))
	if r.Answer.Email != "" {
		r.Post.Enqueue(e.At, ReceiptNotice)
	}
}

// check looks at the form, field by field.
func (s *Service) check(who relationship.Person, r Response, now time.Time) (Given, error) {
	var f problem.Findings
	g := Given{Subject: who.Subject, Tenant: who.Company.Tenant, At: now}
	if r.Answer != "accept" && r.Answer != "decline" {
		f.Add("/answer", problem.ValidationFailed, "Choose one of the answers.")
	}
	if !r.Authorized {
		f.Add("/authorized", problem.ValidationFailed, "Confirm that you are authorised to act for your company.")
	}
	var err error
	if g.FullName, err = emailaddr.Name(r.FullName); err != nil {
		add(&f, "/fullName", err)
	}
	if r.Answer != "decline" || strings.TrimSpace(r.JobTitle) != "" {
		if g.JobTitle, err = emailaddr.Name(r.JobTitle); err != nil {
			add(&f, "/jobTitle", err)
		}
	}
	if r.Answer != "decline" {
		g.Consent = r.Consent
	}
	if address, err := s.Addresses.Check(who.Email); err == nil {
		g.Email = address
	}
	return g, f.Err()
}

// End has a Global admin of the customer end an active relationship. The case is [Over] when it has ended, by this call or before; with
// any other case, and with an error, nothing was written. A link without a generation is no link that was mailed: it stands for a
// relationship that the customer knows by its own list.
func (s *Service) End(ctx context.Context, l link.Link, who relationship.Person, correlationID string) (q Request, c Case, err error) {
	for range maxRounds {
		if q, c, err = s.end(ctx, l, who, correlationID); !errors.Is(err, ErrConflict) {
			break
		}
	}
	return q, c, unavailable(err)
}

func (s *Service) end(ctx context.Context, l link.Link, who relationship.Person, correlationID string) (Request, Case, error) {
	q, before, err := s.request(ctx, l, true, false)
	if problem.Is(err, problem.NotFound) {
		return Request{}, Unknown, nil
	}
	if err != nil {
		return Request{}, "", err
	}
	id, err := s.recognise(ctx, q.Relationship, &who, relationship.Inquiry{Refuses: true, Strong: true})
	if err != nil {
		return Request{}, "", err
	}
	switch c := q.caseOf(l, &who, id); {
	case c == Unknown:
		return Request{}, c, nil
	case !c.MayEnd():
		return q, c, nil
	case !who.Has(partner.GlobalAdmin):
		return q, NotAdmin, nil // who has approved may since have lost the role
	}
	after := q.Relationship
	after.Version++
	after.terminate(Entry{At: s.now(), Actor: ByCustomer, By: who.Subject, CorrelationID: correlationID})
	if err := s.Store.WriteGranular(ctx, Change{Before: &before, After: after}); err != nil {
		return q, Over, err
	}
	q.Relationship = after
	return q, Over, nil
}
