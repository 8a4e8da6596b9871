package invitation

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"concord/internal/commerce"
	"concord/internal/country"
	"concord/internal/emailaddr"
	"concord/internal/granular"
	"concord/internal/link"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/publicid"
	"concord/internal/relationship"
)

// Case is what a link leads to, at a moment and for a person. Each has its page.
type Case string

// The cases, in the order in which they are looked at: those of the link, those of the person, those of the two
// companies, and then the answer.
const (
	Unknown    Case = "unknown" // no such invitation, or cancelled; also every malformed link
	Superseded Case = "superseded"
	TooLate    Case = "expired"
	Answered   Case = "answered" // by somebody else, or otherwise

	Review Case = "review" // nobody is signed in

	OtherTenant Case = "wrong-tenant"
	NotAdmin    Case = "not-admin"

	InviterNotActive Case = "partner-not-active"
	OtherCloud       Case = "cloud-mismatch"
	OtherRegion      Case = "region-not-allowed"
	NoPartnership    Case = "partnership-required"  // of the reseller and the provider that ask together
	NotEnrolled      Case = "reseller-not-enrolled" // the company that a provider asks; the same link works once it is

	Form       Case = "answer"
	AcceptedBy Case = "accepted" // by this person
	DeclinedBy Case = "declined" // by this person
)

// MayDecline reports whether a signed-in person can still decline: also where accepting is ruled out by who the two
// companies are. Of [InviterNotActive], which comes before the person is looked at, [Letter.Declines] says it.
func (c Case) MayDecline() bool {
	switch c {
	case Form, InviterNotActive, OtherCloud, OtherRegion, NoPartnership, NotEnrolled:
		return true
	}
	return false
}

// Look gives what a link leads to and writes nothing. Who is nil before sign-in. The Letter is set in every case but
// [Unknown]. A request to sign in or to answer may rest on a reading that is a second old, unless just is set: then the
// person has answered a moment ago.
func (s *Service) Look(ctx context.Context, l link.Link, who *relationship.Person, just bool) (Letter, Case, error) {
	letter, c, err := s.look(ctx, l, who, just)
	if err == nil && !just && c != Review && c != Form {
		return s.look(ctx, l, who, true) // a link that was made just now must not look dead
	}
	return letter, c, err
}

func (s *Service) look(ctx context.Context, l link.Link, who *relationship.Person, strong bool) (Letter, Case, error) {
	letter, err := s.letterOf(ctx, l, strong, strong)
	if problem.Is(err, problem.NotFound) {
		return Letter{}, Unknown, nil
	}
	if err != nil {
		return Letter{}, "", err
	}
	b, err := s.backdropOf(ctx, letter.Invitation, who, strong)
	if err != nil {
		return Letter{}, "", err
	}
	c := s.caseOf(letter, l, who, b)
	switch c {
	case Unknown:
		letter = Letter{}
	case AcceptedBy:
		if err = s.agreedSince(ctx, &letter, who.Company); err != nil {
			return Letter{}, "", err
		}
	case InviterNotActive:
		letter.Declines = s.bars(letter.Invitation, who, b) == ""
	case Form:
		if letter.Already, err = s.already(ctx, letter, cmp.Or(b.identity.ID, who.Company.Tenant)); err != nil {
			return Letter{}, "", err
		}
	}
	return letter, c, nil
}

// agreedSince has the result of an acceptance say that the agreement stands which was signed or attested after it (0.33).
func (s *Service) agreedSince(ctx context.Context, t *Letter, company relationship.Customer) error {
	if t.Invitation.Answer.Signed() || !s.Signs(t.Invitation) {
		return nil
	}
	stands, err := s.Agreements.Stands(ctx, company.KeptAs(t.Invitation.Customer), t.seller())
	if err == nil && stands {
		given := *t.Invitation.Answer
		given.AgreementStood = true
		t.Invitation.Answer = &given
	}
	return err
}

// letterOf reads the invitation and its partners, each as strongly as asked for.
func (s *Service) letterOf(ctx context.Context, l link.Link, strong, strongPartner bool) (Letter, error) {
	inv, err := s.Store.Invitation(ctx, Key{partner.TenantID(l.Tenant), l.ID}, strong)
	if err != nil {
		return Letter{}, err
	}
	letter, err := s.LetterOf(ctx, inv, strongPartner)
	if err == nil && inv.GranularID != "" {
		letter.Granular, err = s.beside(ctx, inv, strong)
	}
	return letter, err
}

// beside reads the granular administration that an invitation asks for; nil when its partner has deleted it since.
func (s *Service) beside(ctx context.Context, inv Invitation, strong bool) (*granular.Relationship, error) {
	r, err := s.Granular.GranularRelationship(ctx, granular.Key{Partner: inv.Inviter, ID: inv.GranularID}, strong)
	if problem.Is(err, problem.NotFound) || err == nil && r.Status == granular.Deleted {
		return nil, nil
	}
	return &r, err
}

// together gives what an answer does to the granular administration that was asked for with it; nil for nothing. Customer is the id under
// which the company is kept.
func (t Letter) together(who relationship.Person, customer partner.TenantID, g Given, accepted bool, correlationID string) *granular.Change {
	before := t.Asks(g.At)
	if before == nil {
		return nil
	}
	given := granular.Given{
		Subject: g.Subject, Tenant: g.Tenant, FullName: g.FullName, JobTitle: g.JobTitle, Email: g.Email, At: g.At, Consent: granular.ConsentText(g.Consent),
	}
	e := granular.Entry{At: g.At, By: g.Subject, CorrelationID: correlationID}
	after := before.Refused(given, e)
	if accepted {
		after = before.Approved(who.Company, customer, given, e)
	}
	return &granular.Change{Before: before, After: after}
}

// LetterOf gives what mails, drafts and pages say of an invitation. Strong asks for the accounts as they are at this moment.
func (s *Service) LetterOf(ctx context.Context, inv Invitation, strong bool) (Letter, error) {
	return ReadLetter(ctx, s.Accounts, s.Clouds, inv, strong)
}

// ReadLetter is [Service.LetterOf] for who has no service.
func ReadLetter(ctx context.Context, accounts partner.Accounts, clouds partner.Clouds, inv Invitation, strong bool) (t Letter, err error) {
	t.Invitation = inv
	if t.Inviter, err = accounts.Account(ctx, inv.Inviter, strong); err != nil {
		return Letter{}, err
	}
	t.Inviter = t.Inviter.As(inv.ActingRole)
	if inv.Provider != "" {
		if t.Provider, err = accounts.Account(ctx, inv.Provider, strong); err != nil {
			return Letter{}, err
		}
		t.Provider = t.Provider.As(partner.IndirectProvider)
	}
	if err = t.Ordering(ctx, accounts, strong); err != nil {
		return Letter{}, err
	}
	t.Cloud, err = clouds.Cloud(inv.Cloud)
	return t, err
}

// AnyGeneration is the generation of a link that was not mailed: it stands for a request that its company has found on its own page. No token
// has it.
const AnyGeneration = 0

// addressed reports whether somebody may see a request on the own company's page and answer it there, without its link. That proves less than the
// link does, so that more is asked: a Global admin; of the company that the request names or, where it names none, of one that has proven the domain
// of the address it went to (0.27); of a request that its partner has made, and no draft or rehearsal.
func (s *Service) addressed(inv Invitation, status Status, who *relationship.Person, b backdrop) bool {
	switch {
	case who == nil || !who.Has(partner.GlobalAdmin) || inv.Sandbox || status == Draft:
		return false
	case inv.Bound && inv.Customer == who.Company.Tenant:
		return true
	case inv.Bound && status.Open():
		return !b.identity.Foreign
	case inv.Bound:
		return inv.Answer != nil && inv.Answer.Tenant == who.Company.Tenant
	}
	_, domain, found := strings.Cut(emailaddr.Normalise(inv.RecipientEmail), "@")
	return found && slices.Contains(who.Company.Verified(), domain)
}

func (s *Service) caseOf(t Letter, l link.Link, who *relationship.Person, b backdrop) Case {
	inv := t.Invitation
	status := inv.StatusAt(s.now())
	switch {
	case status == Cancelled, l.Generation == AnyGeneration && !s.addressed(inv, status, who, b):
		return Unknown
	case l.Generation != inv.Generation && l.Generation != AnyGeneration:
		return Superseded
	case status == Expired:
		return TooLate
	case inv.Answer != nil:
		if who == nil || inv.Answer.Subject != who.Subject || inv.Answer.Tenant != who.Company.Tenant {
			return Answered
		}
		if status == Accepted {
			return AcceptedBy
		}
		return DeclinedBy
	case !t.Vouched(): // said before anybody signs in, and of nobody else first (0.43)
		return InviterNotActive
	case who == nil:
		return Review
	case s.bars(inv, who, b) != "":
		return s.bars(inv, who, b)
	case who.Company.Cloud != inv.Cloud:
		return OtherCloud
	case who.Company.Country != "" && s.sameRegion(t, who.Company.Country) != nil:
		return OtherRegion
	case b.barred() != "":
		return b.barred()
	case b.lacks(inv.Kind) != "":
		return b.lacks(inv.Kind)
	default:
		return Form
	}
}

// bars says why a person cannot answer a request at all; empty for nothing.
func (s *Service) bars(inv Invitation, who *relationship.Person, b backdrop) Case {
	switch {
	case who == nil:
		return Review
	case b.identity.Foreign, who.Company.Tenant == inv.Inviter, who.Company.Tenant == inv.Provider:
		return OtherTenant // invariants 8 and 9
	case !s.mayAnswer(inv, who.Roles):
		return NotAdmin
	}
	return ""
}

// Reasons for declining that the page offers.
var Reasons = []string{"unknown-company", "other-partner", "no-need", "other"}

// Response is what a person filled in.
type Response struct {
	Answer     string // "accept" or "decline"; nothing is preselected
	Authorized bool   // "I am authorised to act for …"
	// AuthorizeProvider is the explicit box of who accepts a partnership (rule N5).
	AuthorizeProvider bool
	FullName          string
	JobTitle          string
	Country           string // asked for only when the identity provider does not say it
	CompanyName       string // the same
	Reason            string // one of Reasons, on declining
	Comment           string // on declining
	Consent           ConsentText
	// Signs is which words of the customer agreement are signed with it, as they were read; nil for none.
	Signs *relationship.AttestedText
	// Signer is the contact of who signs, where the person says it; every part may be empty.
	Signer Signer
	// CorrelationID ties the answer to its request.
	CorrelationID string
}

// Signer is who signs the customer agreement. Without names they are those of the answer, and without an address it is that of the sign-in.
type Signer struct{ FirstName, LastName, Email, Phone string }

// signer checks a signer and fills in what was not said. Codes: those of a field.
func (s *Service) signer(who relationship.Person, said Signer) (Signer, error) {
	var f problem.Findings
	is := Signer{Email: who.Email}
	if said.FirstName != "" || said.LastName != "" { // one alone says nothing that the full name does not
		for _, each := range []struct {
			pointer, name string
			to            *string
		}{{"/firstName", said.FirstName, &is.FirstName}, {"/lastName", said.LastName, &is.LastName}} {
			name, err := emailaddr.Name(each.name)
			if err != nil {
				add(&f, each.pointer, err)
			}
			*each.to = name
		}
	}
	if said.Email != "" {
		address, err := s.Addresses.Check(said.Email)
		if err != nil {
			add(&f, "/email", err)
		}
		is.Email = address
	}
	if is.Phone = strings.TrimSpace(said.Phone); is.Phone != "" {
		f.Note("/phone", emailaddr.Phone(is.Phone))
	}
	return is, f.Err()
}

// Respond gives one answer to an invitation (rules I10 and I11). Accepting makes the relationship, and the delegated
// administration that was asked for, in one transaction with the answer (invariant 3). The case is [AcceptedBy] or
// [DeclinedBy] when the answer stands, also when the same person gave the same one before; with any other case nothing was
// written, and with an error neither: one with findings is about the form.
func (s *Service) Respond(ctx context.Context, l link.Link, who relationship.Person, r Response) (Letter, Case, error) {
	letter, c, err := s.respond(ctx, l, who, r, false)
	for round := 1; round < maxRounds; round++ {
		stands := err == nil && (c == AcceptedBy || c == DeclinedBy)
		if stands || round > 1 && !errors.Is(err, ErrConflict) {
			break
		}
		letter, c, err = s.respond(ctx, l, who, r, true)
	}
	return letter, c, unavailable(err)
}

// respond tries once. The first try rests on a reading that may be a second old, and on there being no relationship yet,
// which the condition of the write finds out; only what a strong one says is told to the person.
func (s *Service) respond(ctx context.Context, l link.Link, who relationship.Person, r Response, strong bool) (Letter, Case, error) {
	letter, err := s.letterOf(ctx, l, strong, true)
	if problem.Is(err, problem.NotFound) {
		return Letter{}, Unknown, nil
	}
	if err != nil {
		return Letter{}, "", err
	}
	now := s.now()
	b, err := s.backdropOf(ctx, letter.Invitation, &who, true)
	if err != nil {
		return Letter{}, "", err
	}
	c := s.caseOf(letter, l, &who, b)
	letter.Declines = s.bars(letter.Invitation, &who, b) == ""
	switch {
	case c == Unknown:
		return Letter{}, c, nil
	case c == AcceptedBy && r.Answer == "decline", c == DeclinedBy && r.Answer == "accept":
		return letter, Answered, nil
	case !c.MayDecline(), c == InviterNotActive && !letter.Declines, r.Answer == "accept" && c != Form:
		return letter, c, nil
	}
	given, err := check(&who, letter.Invitation.Kind, r, now)
	if err != nil {
		if already, failed := s.already(ctx, letter, cmp.Or(b.identity.ID, who.Company.Tenant)); failed == nil {
			letter.Already = already
		}
		return letter, c, err
	}
	if address, err := s.Addresses.Check(who.Email); err == nil {
		given.Email = address
	}
	if r.Answer == "decline" {
		entry := relationship.Entry{At: now, By: who.Subject, CorrelationID: r.CorrelationID}
		if b.identity, err = s.recognise(ctx, letter.Invitation, who, inquiry{entry, true, strong}); err != nil {
			return letter, c, err
		}
		err = s.decline(ctx, &letter, b, who, given, r.CorrelationID)
		return letter, DeclinedBy, err
	}
	return s.agree(ctx, l, letter, b, who, given, r, strong)
}

// agree is respond for who accepts, once the form is right: what it claims is looked at, what it signs, and what stands already.
func (s *Service) agree(
	ctx context.Context, l link.Link, letter Letter, b backdrop, who relationship.Person, given Given, r Response, strong bool,
) (Letter, Case, error) {
	if c := s.caseOf(letter, l, &who, b); c != Form { // with the country that was declared
		return letter, c, nil
	}
	var err error
	entry := relationship.Entry{At: given.At, By: who.Subject, CorrelationID: r.CorrelationID}
	if b.identity, err = s.recognise(ctx, letter.Invitation, who, inquiry{entry, false, strong}); err != nil {
		return letter, Form, err
	}
	if c := s.caseOf(letter, l, &who, b); c != Form { // as what it claims
		return letter, c, nil
	}
	signature, err := s.sign(ctx, given, letter.Invitation, who, r)
	if err != nil {
		return letter, Form, err
	}
	standing := make([]*relationship.Relationship, len(letter.receivers()))
	for n, to := range letter.receivers() {
		if !strong && !b.identity.Known {
			break
		}
		if standing[n], err = s.standing(ctx, to.Tenant, b.identity.ID); err != nil {
			return letter, Form, err
		}
	}
	if err = s.ordered(ctx, &letter, b, standing, strong); err != nil {
		return letter, Form, err
	}
	if signature == nil && s.Signs(letter.Invitation) {
		if given.AgreementStood, err = s.Agreements.Stands(ctx, who.Company.KeptAs(b.identity.ID), letter.seller()); err != nil {
			return letter, Form, err
		}
	}
	err = s.accept(ctx, &letter, b, standing, who, given, signature, r.CorrelationID)
	return letter, AcceptedBy, err
}

// standing gives the relationship that the partner has or had with a customer, nil for none.
func (s *Service) standing(ctx context.Context, p, customer partner.TenantID) (*relationship.Relationship, error) {
	rel, err := s.Relationships.Relationship(ctx, p, customer)
	if problem.Is(err, problem.NotFound) {
		return nil, nil
	}
	return &rel, err
}

// check looks at the form, field by field.
func check(who *relationship.Person, k Kind, r Response, now time.Time) (Given, error) {
	var f problem.Findings
	g := Given{Subject: who.Subject, Tenant: who.Company.Tenant, At: now}
	if name, err := emailaddr.Name(who.Company.CompanyName); err == nil { // what a tenant calls itself is nobody's word but its own
		g.Company = name
	}
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
	if r.Answer == "decline" {
		if g.Reason = r.Reason; r.Reason != "" && !slices.Contains(Reasons, r.Reason) {
			f.Add("/reason", problem.ValidationFailed, "The reason must be %s.", problem.Or(Reasons))
		}
		g.Comment = emailaddr.Clean(r.Comment)
		if utf8.RuneCountInString(g.Comment) > MaxComment || !utf8.ValidString(r.Comment) {
			f.Add("/comment", problem.ValidationFailed, "The comment has at most %d characters.", MaxComment)
		}
		return g, f.Err()
	}
	g.Consent = r.Consent
	if k.AsksPartner() && !r.AuthorizeProvider {
		f.Add("/authorizeProvider", problem.ValidationFailed, "Authorise the provider explicitly, or decline.")
	}
	if who.Company.Country == "" {
		if !country.Valid(r.Country) {
			f.Add("/country", problem.ValidationFailed, "Choose the country of your company.")
		}
		who.Company.Country, who.Company.CountrySource = r.Country, "declared"
	}
	if who.Company.CompanyName == "" && !k.AsksPartner() { // a reseller has an account that says its name
		name, err := emailaddr.Name(r.CompanyName)
		if err != nil {
			add(&f, "/companyName", err)
		}
		who.Company.CompanyName, who.Company.NameSource, g.Company = name, "declared", name
	}
	return g, f.Err()
}

// Signs reports whether the customer agreement can be signed with an acceptance of an invitation: what binds customers is none of a
// partnership's, and a rehearsal changes nothing.
func (s *Service) Signs(inv Invitation) bool {
	return s.Agreements != nil && !inv.Sandbox && !inv.Kind.AsksPartner()
}

// Offer gives what somebody may sign with an acceptance, in the language nearest to one; nil for nothing.
func (s *Service) Offer(ctx context.Context, who relationship.Person, lang string) (*commerce.Signable, error) {
	if s.Agreements == nil || !who.Has(partner.GlobalAdmin) {
		return nil, nil // a Global admin signs
	}
	o, err := s.Agreements.Offer(ctx, who.Company, lang, s.now())
	if commerce.IsMissing(err) {
		return nil, nil // the deployment has no text
	}
	return o, err
}

// sign gives what is signed with an acceptance, nil for nothing. Who has signed what is in force signs nothing again. Codes: a finding about
// /signAgreement where it is needed and missing, [problem.AgreementTextNotConfigured] where it is needed and there is none.
func (s *Service) sign(ctx context.Context, g Given, inv Invitation, who relationship.Person, r Response) (*relationship.Signature, error) {
	if !s.Signs(inv) || r.Signs == nil && !s.NeedsAgreement || !who.Has(partner.GlobalAdmin) {
		return nil, nil // nothing is signed
	}
	offer, err := s.Agreements.Offer(ctx, who.Company, "en", g.At)
	if err != nil || offer == nil {
		return nil, err
	}
	if r.Signs == nil {
		var f problem.Findings
		f.Add("/signAgreement", problem.CustomerAgreementRequired, "Sign the customer agreement with your acceptance.")
		return nil, f.Err()
	}
	by, err := s.signer(who, r.Signer)
	if err != nil {
		return nil, err
	}
	return &relationship.Signature{
		ID: publicid.Random("agr_"), Number: offer.Number, Text: *r.Signs, FullName: g.FullName, FirstName: by.FirstName, LastName: by.LastName, Email: by.Email,
		Phone: by.Phone, Invitation: inv.ID, At: g.At, By: g.Subject,
		CorrelationID: r.CorrelationID, EraseAt: g.At.Add(s.evidence()),
	}, nil
}

// accept stores the answer and what it grants, to one partner or to two. When the process dies before the write, nothing has happened and
// the same form can be sent again; when it dies afterwards, sending it again shows the result.
func (s *Service) accept(
	ctx context.Context, t *Letter, b backdrop, standing []*relationship.Relationship, who relationship.Person, g Given, signs *relationship.Signature, correlationID string,
) error {
	before := t.Invitation
	is := s.grant(*t, b, standing, who, g, signs, correlationID)
	if before.Sandbox {
		is = acceptance{} // a rehearsal changes nothing between anybody
	}
	beside := t.together(who, is.customer, g, true, correlationID)
	g.AgreementSigned, g.Granular = signs != nil, beside != nil
	g.NoChange, g.Unproven = !is.made && !g.Granular, is.unproven
	after := before.answer(Accepted, g, correlationID, s.evidence())
	switch {
	case before.Sandbox, before.Bound: // whom a request names stays named
	case is.customer != "":
		after.Customer = is.customer
	default:
		after.Customer = who.Company.Tenant
	}
	after.RegionTable, after.Orderer = s.Regions.Version, t.Orderer.Tenant
	change := Change{Before: &before, After: after, Granular: beside}
	if !before.Sandbox {
		if err := s.Recognition.Reviewed(ctx, who, g.Consent.Language); err != nil {
			return err
		}
	}
	err := s.settle(ctx, change, is)
	if err == nil {
		t.stands(change)
	}
	return err
}

// stands takes what was stored.
func (t *Letter) stands(c Change) {
	t.Invitation = c.After
	if c.Granular != nil {
		t.Granular = &c.Granular.After
	}
}

func (s *Service) decline(ctx context.Context, t *Letter, b backdrop, who relationship.Person, g Given, correlationID string) error {
	before := t.Invitation
	change := Change{Before: &before, After: before.answer(Declined, g, correlationID, s.evidence()), Granular: t.together(who, "", g, false, correlationID)}
	err := s.settle(ctx, change, acceptance{learnt: b.identity.Learnt})
	if err == nil {
		t.stands(change)
	}
	return err
}

// answer ends the invitation and owes the receipts (pages and mail: "receipt by mail to both").
func (i Invitation) answer(status Status, g Given, correlationID string, keep time.Duration) Invitation {
	n := i.next()
	if emailaddr.Normalise(g.Email) == emailaddr.Normalise(i.RecipientEmail) || i.Sandbox {
		g.Email = "" // a rehearsal mails the simulator alone
	}
	n.Answer = &g
	n.end(g.At, status, keep)
	n.note(Entry{At: g.At, Action: string(status), By: g.Subject, CorrelationID: correlationID})
	if n.RecipientEmail != "" {
		n.owe(g.At, ReceiptNotice)
	}
	if g.Email != "" {
		n.owe(g.At, CopyNotice)
	}
	n.owe(g.At, AnswerNotice)
	return n
}
