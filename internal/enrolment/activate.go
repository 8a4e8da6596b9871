package enrolment

import (
	"cmp"
	"context"
	"slices"
	"time"

	"golang.org/x/text/language"

	"concord/internal/command"
	"concord/internal/emailaddr"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/registry"
	"concord/internal/terms"
)

// activateStanding makes a fast track active at once where PartnerID and agreement stand already (domain, 2.2).
func (s *Service) activateStanding(ctx context.Context, c command.Command, ch *Change, now time.Time) error {
	if ch.After.Location == nil || ch.After.MPA == nil {
		return nil
	}
	account, err := s.account(ctx, c, ch.After, now)
	if err != nil {
		return err
	}
	ch.Account = account
	ch.After.reach(now, Active)
	ch.After.History[len(ch.After.History)-1].Why = string(Active)
	return nil
}

// account gives what an active enrolment makes of the partner account: a new one of an indirect reseller, or the one that there is, which
// becomes active and an indirect reseller beside what it was (domain, 0.34).
func (s *Service) account(ctx context.Context, c command.Command, e Enrolment, now time.Time) (*registry.Change, error) {
	id := partner.PartnerID{ID: e.Location.ID, Type: e.Location.Type, Country: e.Location.Country, OnboardingLocation: true}
	line := partner.Entry{At: now, By: c.User.Subject, CorrelationID: c.CorrelationID, Why: e.ID}
	before, err := s.Accounts.Account(ctx, e.Tenant, true)
	if problem.Is(err, problem.NotFound) {
		a := partner.Account{
			Tenant: e.Tenant, DisplayName: e.Legal.Name, Role: partner.IndirectReseller, Cloud: e.Cloud, Country: e.Home(),
			PartnerIDs: []partner.PartnerID{id}, AssociatedPartnerID: id.ID, Status: partner.Active, MPA: e.MPA, Contact: e.reached(),
			Support: e.Support, VerifiedDomain: cmp.Or(e.Verification.Domain, emailaddr.Registered(e.Contact.Email)), Locale: e.Locale, CreatedAt: now, History: []partner.Entry{line}, Version: 1,
		}
		return &registry.Change{After: a}, nil
	}
	if err != nil {
		return nil, err
	}
	if before.Status == partner.Suspended || before.Status == partner.Rejected {
		return nil, problem.New(problem.PartnerNotActive, "The partner account is %s.", before.Status)
	}
	after := before
	if !before.Has(partner.IndirectReseller) {
		after.Also = append(slices.Clone(before.Also), partner.IndirectReseller)
		line.Changed = append(line.Changed, "programRoles")
	}
	if !slices.ContainsFunc(before.PartnerIDs, func(p partner.PartnerID) bool { return p.ID == id.ID }) {
		after.PartnerIDs = append(slices.Clone(before.PartnerIDs), id)
		line.Changed = append(line.Changed, "partnerIds")
	} else if n := joined(before.PartnerIDs, id.ID); n >= 0 {
		after.PartnerIDs = slices.Clone(before.PartnerIDs)
		after.PartnerIDs[n].OnboardingLocation = true
		line.Changed = append(line.Changed, "partnerIds")
	}
	if after.AssociatedPartnerID != id.ID {
		after.AssociatedPartnerID = id.ID
		line.Changed = append(line.Changed, "associatedPartnerId")
	}
	if after.MPA == nil || e.MPA != nil && *after.MPA != *e.MPA {
		after.MPA = e.MPA
		line.Changed = append(line.Changed, "mpa")
	}
	if e.Support.Email != "" && after.Support != e.Support {
		after.Support = e.Support
		line.Changed = append(line.Changed, partner.SupportChanged)
	}
	if after.Status != partner.Active {
		after.Status = partner.Active
		line.Changed = append(line.Changed, "status="+string(partner.Active))
	}
	if len(line.Changed) == 0 {
		return nil, nil
	}
	return &registry.Change{Before: &before, After: after.Next(line)}, nil
}

// joined gives the place of the PartnerID with which an account joins as a reseller (rule B2), and -1 where it has joined with one before.
func joined(ids []partner.PartnerID, id string) int {
	if slices.ContainsFunc(ids, func(p partner.PartnerID) bool { return p.OnboardingLocation }) {
		return -1
	}
	return slices.IndexFunc(ids, func(p partner.PartnerID) bool { return p.ID == id && p.Type == partner.Location })
}

// reached is how the customers of a new reseller reach it: the support contact, or else the primary contact.
func (e Enrolment) reached() partner.Contact {
	if e.Support.Email != "" {
		return partner.Contact{Email: e.Support.Email, Phone: e.Support.Phone}
	}
	return partner.Contact{Email: e.Contact.Email, Phone: e.Contact.Phone}
}

// Signing is the agreement as a company sees it: the signature, when there is one, and the text in force.
type Signing struct {
	Signed *partner.Agreement // nil until signed
	Text   *terms.Text        // nil when the deployment has none in force
	// Enrolment is the application that signing makes active; nil where an account signs by itself.
	Enrolment *Enrolment
	account   *partner.Account
	country   string
	locale    string
}

// Agreement gives the agreement to read before and after it is signed (rules R4, E15, E16), in the language
// nearest to one that is asked for, or to that of the company. Code:
// [problem.RoleNotPermitted].
func (s *Service) Agreement(ctx context.Context, u partner.User, lang string) (Signing, error) {
	if err := u.Permit(partner.Enrol); err != nil {
		return Signing{}, err
	}
	g, err := s.signing(ctx, u.Tenant)
	if err != nil {
		return Signing{}, err
	}
	text, err := terms.Current(ctx, s.Texts, terms.PartnerAgreement, g.language(lang), g.country, s.now())
	switch {
	case problem.Is(err, problem.AgreementTextNotConfigured):
	case err != nil:
		return Signing{}, err
	default:
		g.Text = &text
	}
	return g, nil
}

// language is the one that somebody asks for, as an Accept-Language header says it, or that of the company.
func (g Signing) language(asked string) string {
	if wanted, _, err := language.ParseAcceptLanguage(asked); err == nil && len(wanted) > 0 && len(asked) <= maxPreference {
		return wanted[0].String()
	}
	return g.locale
}

// maxPreference bounds what is parsed of a header, in bytes.
const maxPreference = 200

// signing gives what there is to sign for: the open application, or else the account.
func (s *Service) signing(ctx context.Context, tenant partner.TenantID) (Signing, error) {
	var g Signing
	account, err := s.Accounts.Account(ctx, tenant, true)
	switch {
	case problem.Is(err, problem.NotFound):
	case err != nil:
		return Signing{}, err
	default:
		g.account, g.country, g.locale, g.Signed = &account, account.Country, account.Locale, account.MPA
	}
	e, err := s.Store.LatestEnrolment(ctx, tenant)
	switch {
	case problem.Is(err, problem.NotFound):
	case err != nil:
		return Signing{}, err
	case e.Status.Open() && e.Status != Active:
		g.Enrolment, g.country, g.locale = &e, e.Home(), e.Locale
		if e.MPA != nil {
			g.Signed = e.MPA
		}
	}
	return g, nil
}

// SignAgreement signs the text in force, as it was read, for the company (rule R4). An approved application is active by it (rules E15, E16),
// and has its partner account; both are written together. A partner whose account somebody else made signs for that. Replayed reports that
// the command's key had signed. Codes: [problem.RoleNotPermitted], [problem.AttestationRequired], [problem.AttestationOutdated],
// [problem.AgreementTextNotConfigured], [problem.PartnerIDRequired] (rule P4), [problem.PartnerIDWrongCountry],
// [problem.EnrolmentStateConflict], [problem.PartnerIDInUse].
func (s *Service) SignAgreement(ctx context.Context, c command.Command, lang string, a *terms.Attestation) (Signing, bool, error) {
	if err := c.User.Permit(partner.Enrol); err != nil {
		return Signing{}, false, err
	}
	var g Signing
	replayed := false
	err := command.Retry(func() (err error) {
		g, replayed, err = s.signOnce(ctx, c, lang, a)
		return err
	})
	return g, replayed, err
}

func (s *Service) signOnce(ctx context.Context, c command.Command, lang string, a *terms.Attestation) (Signing, bool, error) {
	now := s.now()
	g, err := s.signing(ctx, c.User.Tenant)
	if err != nil {
		return Signing{}, false, err
	}
	if was, err := s.signedBefore(ctx, c, g, now); was || err != nil {
		return g, was, err
	}
	f := slices.Clone(c.Findings)
	a.Check(&f)
	if err := f.Err(); err != nil {
		return Signing{}, false, err
	}
	text, err := a.Text(ctx, s.Texts, terms.PartnerAgreement, g.language(lang), g.country, now)
	if err != nil {
		return Signing{}, false, err
	}
	signed := partner.Agreement{SignedAt: now, SignedBy: c.User.Subject, Version: text.Version, Hash: text.Hash}
	if g.Enrolment == nil {
		return s.signAccount(ctx, c, g, text, signed)
	}
	if err := Allowed(g.Enrolment.Status, Sign); err != nil {
		return Signing{}, false, err
	}
	after := g.Enrolment.next()
	switch {
	case after.Location == nil:
		return Signing{}, false, partnerIDFirst()
	case after.Location.Country != after.Home():
		f.Add("/partnerId", problem.PartnerIDWrongCountry, "The PartnerID must be one of the country or region that the company is in: associate another one.")
		return Signing{}, false, f.Err()
	}
	after.MPA, after.MPALanguage = &signed, text.Language
	change := Change{Before: g.Enrolment, After: after}
	if change.Account, err = s.account(ctx, c, after, now); err != nil {
		return Signing{}, false, err
	}
	change.After.reach(now, Active)
	change.After.note(entryOf(c, now, Sign, string(Active)))
	if err := s.Store.WriteEnrolment(ctx, change); err != nil {
		return Signing{}, false, err
	}
	return Signing{Signed: &signed, Text: &text, Enrolment: &change.After}, false, nil
}

// signedBefore reports whether the command's key has signed already: then the application is active, and no more the one to sign for.
func (s *Service) signedBefore(ctx context.Context, c command.Command, g Signing, now time.Time) (bool, error) {
	e, err := s.Store.LatestEnrolment(ctx, c.User.Tenant)
	if err != nil && !problem.Is(err, problem.NotFound) {
		return false, err
	}
	if err == nil {
		if was, err := replays(c, now, e, Sign); was || err != nil {
			return was, err
		}
	}
	if g.account == nil || c.Key == "" {
		return false, nil
	}
	for _, h := range g.account.History {
		if !slices.Equal(h.Changed, []string{"mpa"}) {
			continue
		}
		if was, err := c.Replays(now, h.At, h.Key, h.Body); was || err != nil {
			return was, err
		}
	}
	return false, nil
}

// signAccount signs for an account that has not.
func (s *Service) signAccount(ctx context.Context, c command.Command, g Signing, text terms.Text, signed partner.Agreement) (Signing, bool, error) {
	switch a := g.account; {
	case a == nil:
		return Signing{}, false, problem.New(problem.EnrolmentStateConflict, "Your company has no enrolment to sign for.")
	case a.MPA != nil:
		return Signing{}, false, problem.New(problem.EnrolmentStateConflict, "Your company has already signed the agreement.")
	case a.AssociatedPartnerID == "":
		return Signing{}, false, partnerIDFirst()
	}
	line := partner.Entry{At: signed.SignedAt, Changed: []string{"mpa"}, By: c.User.Subject, CorrelationID: c.CorrelationID, Body: c.Body}
	if c.Key != "" {
		line.Key = command.Fingerprint(c.Key)
	}
	after := *g.account
	after.MPA = &signed
	after = after.Next(line)
	if err := s.Accounts.WriteAccount(ctx, *g.account, after); err != nil {
		return Signing{}, false, err
	}
	return Signing{Signed: &signed, Text: &text}, false, nil
}

// partnerIDFirst is the consequence of rule P4.
func partnerIDFirst() error {
	return problem.New(problem.PartnerIDRequired, "Associate a PartnerID first: the agreement cannot be signed without one.")
}
