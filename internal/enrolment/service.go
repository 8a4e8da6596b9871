package enrolment

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/language"

	"concord/internal/command"
	"concord/internal/country"
	"concord/internal/emailaddr"
	"concord/internal/locale"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/publicid"
	"concord/internal/recipient"
	"concord/internal/terms"
)

// Accounts is what the service needs of a [registry.Store], whose contract it is.
type Accounts interface {
	partner.Accounts
	WriteAccount(ctx context.Context, before, after partner.Account) error
}

// Service is what an applicant does (rule R3), and what the operator does with applications.
type Service struct {
	Store     Store
	Accounts  Accounts
	Directory Directory
	Validator Validator
	Locations Locations
	// Holders says whose PartnerIDs are.
	Holders partner.Holders
	// Calendar says which days the operator works (rule E14); nil for Monday to Friday.
	Calendar Calendars
	// Texts has the agreement that partners sign (0.21).
	Texts     terms.Catalogue
	Addresses emailaddr.Addresses
	Clouds    partner.Clouds
	// Locales are the languages that mails and pages are written in.
	Locales []language.Tag
	Now     func() time.Time
}

// LinkTime is how long a link works. How often one is mailed is as for invitations (api, "Quotas").
const LinkTime = 7 * 24 * time.Hour

func entryOf(c command.Command, now time.Time, a Action, why string) HistoryEntry {
	return HistoryEntry{
		At: now, Action: a, By: c.User.Subject, CorrelationID: c.CorrelationID, Key: command.Fingerprint(c.Key), Body: c.Body, Why: why,
	}
}

// replays reports whether the enrolment shows that the command was carried out before. The same key with another body is
// [problem.IdempotencyKeyReused].
func replays(c command.Command, now time.Time, e Enrolment, a Action) (bool, error) {
	for _, h := range e.History {
		if h.Action != a {
			continue
		}
		if was, err := c.Replays(now, h.At, h.Key, h.Body); was || err != nil {
			return was, err
		}
	}
	return false, nil
}

// Particulars are what a company says of itself. Nil leaves a field as it is.
type Particulars struct {
	Legal     *LegalForm
	Contact   *Person
	Support   *partner.SupportProfile
	Choice    *Choice
	PartnerID *string
	Locale    *string
}

// LegalForm is a legal profile as it was sent. Nil means "not said".
type LegalForm struct {
	Entry      *string
	Name, DUNS *string
	Address    *Address
}

// Start begins an application: in full, or on the fast track for a company that has an account (rules E1, E2). What was said is checked, and
// may be incomplete until it is submitted. Replayed reports that the command's key had started it. Codes: [problem.RoleNotPermitted];
// [problem.PartnerNotActive] for an account that was suspended or rejected; [problem.CloudMismatch]; those of a field, such as
// [problem.WebmailNotAllowed] (rule E11) and those of [Service.Associate]; [problem.EnrolmentStateConflict] while
// another one is open, and where the account is already what the enrolment would make it.
func (s *Service) Start(ctx context.Context, c command.Command, p Particulars) (e Enrolment, replayed bool, err error) {
	if err := c.User.Permit(partner.Enrol); err != nil {
		return e, false, err
	}
	now := s.now()
	e = Enrolment{Tenant: c.User.Tenant, Cloud: c.User.Cloud, Path: Full, Status: Draft, Locale: "en", CreatedAt: now, CreatedBy: c.User.Subject, Version: 1}
	account, err := s.Accounts.Account(ctx, e.Tenant, true)
	switch {
	case problem.Is(err, problem.NotFound):
	case err != nil:
		return Enrolment{}, false, err
	case account.Status == partner.Suspended || account.Status == partner.Rejected:
		return Enrolment{}, false, problem.New(problem.PartnerNotActive, "The partner account is %s.", account.Status)
	default:
		e.fast(account)
	}
	if _, err := s.Clouds.Cloud(e.Cloud); err != nil {
		return Enrolment{}, false, err
	}
	latest, err := s.Store.LatestEnrolment(ctx, e.Tenant)
	if err != nil && !problem.Is(err, problem.NotFound) {
		return Enrolment{}, false, err
	}
	first := err != nil
	if !first {
		if was, err := replays(c, now, latest, Start); was || err != nil {
			return latest, was, err
		}
	}
	if err := s.apply(ctx, c.Findings, &e, p); err != nil {
		return Enrolment{}, false, err
	}
	if !first && latest.Status.Open() {
		return Enrolment{}, false, another()
	}
	if enrolled(account) {
		return Enrolment{}, false, problem.New(problem.EnrolmentStateConflict,
			"Your company is an active indirect reseller already: its support contact is changed with PATCH /v1/account (supportProfile).")
	}
	e.ID, e.Previous = publicid.Random(Prefix), latest.ID
	e.Verification.Asked = latest.Verification.Asked // so that starting again mails nobody more often
	e.note(entryOf(c, now, Start, string(Draft)))
	err = s.Store.WriteEnrolment(ctx, Change{After: e})
	if errors.Is(err, ErrConflict) {
		return s.startedBeside(ctx, c, now)
	}
	return e, false, err
}

// startedBeside gives what somebody started at the same moment, when that was the same command.
func (s *Service) startedBeside(ctx context.Context, c command.Command, now time.Time) (Enrolment, bool, error) {
	there, err := s.Store.LatestEnrolment(ctx, c.User.Tenant)
	if err != nil {
		return Enrolment{}, false, err
	}
	if was, err := replays(c, now, there, Start); was || err != nil {
		return there, was, err
	}
	return Enrolment{}, false, another()
}

// enrolled reports whether an account has all that an enrolment could give it.
func enrolled(a partner.Account) bool {
	return a.Has(partner.IndirectReseller) && a.Status == partner.Active && a.MPA != nil && a.AssociatedPartnerID != ""
}

func another() error {
	return problem.New(problem.EnrolmentStateConflict, "Your company already has an open enrolment.")
}

// Prefix is that of the ids of enrolments.
const Prefix = "enr_"

// fast takes over what an account says already (rule E2).
func (e *Enrolment) fast(a partner.Account) {
	e.Path, e.Cloud, e.Country, e.Locale, e.Legal.Name = FastTrack, a.Cloud, a.Country, a.Locale, a.DisplayName
	for _, p := range a.PartnerIDs {
		if p.ID == a.AssociatedPartnerID {
			e.Location = &Location{ID: p.ID, Name: a.DisplayName, Type: p.Type, Country: p.Country, Tenant: a.Tenant}
		}
	}
	if a.MPA != nil {
		signed := *a.MPA
		e.MPA = &signed
	}
}

// Enrolment gives an application of the caller's company, or any one to the operator. Codes: [problem.RoleNotPermitted],
// [problem.NotFound].
func (s *Service) Enrolment(ctx context.Context, u partner.User, id string) (Enrolment, error) {
	operator := u.Permit(partner.OperatePartners) == nil
	if err := u.Permit(partner.Enrol); err != nil && !operator {
		return Enrolment{}, err
	}
	e, err := s.find(ctx, id)
	if err == nil && e.Tenant != u.Tenant && !operator {
		return Enrolment{}, missing()
	}
	return e, err
}

// Latest gives the newest application of the caller's company, whatever has become of it. Codes:
// [problem.RoleNotPermitted]; [problem.NotFound] for none.
func (s *Service) Latest(ctx context.Context, u partner.User) (Enrolment, error) {
	if err := u.Permit(partner.Enrol); err != nil {
		return Enrolment{}, err
	}
	return s.Store.LatestEnrolment(ctx, u.Tenant)
}

func missing() error { return problem.New(problem.NotFound, "There is no such enrolment.") }

func (s *Service) find(ctx context.Context, id string) (Enrolment, error) {
	if !publicid.Is(Prefix, id) {
		return Enrolment{}, missing()
	}
	return s.Store.Enrolment(ctx, id)
}

// Enrolments gives the operator a page of applications, and a Global admin those of the own company. Code: [problem.RoleNotPermitted];
// [problem.MalformedRequest] for a place where no page ended.
func (s *Service) Enrolments(ctx context.Context, u partner.User, q Query) (Page, error) {
	if u.Permit(partner.OperatePartners) == nil {
		return s.Store.ListEnrolments(ctx, q)
	}
	if err := u.Permit(partner.Enrol); err != nil {
		return Page{}, err
	}
	page, err := s.own(ctx, u.Tenant, q)
	if problem.Is(err, problem.NotFound) {
		err = nil // the company has none
	}
	return page, err
}

// own gives a company's applications, newest first: each names the one before it.
func (s *Service) own(ctx context.Context, tenant partner.TenantID, q Query) (page Page, err error) {
	e, err := s.Store.LatestEnrolment(ctx, tenant)
	if q.After != "" {
		if !publicid.Is(Prefix, q.After) {
			return page, problem.New(problem.MalformedRequest, "The list cannot be continued from there.")
		}
		e, err = s.Store.Enrolment(ctx, q.After)
	}
	for ; err == nil && e.Tenant == tenant; e, err = s.Store.Enrolment(ctx, e.Previous) {
		if len(page.Enrolments) == q.Limit {
			page.Next = e.ID
			return page, nil
		}
		if q.Matches(e) {
			page.Enrolments = append(page.Enrolments, e)
		}
		if e.Previous == "" {
			break
		}
	}
	return page, err
}

// Save changes what a company says, while it is a draft or while information is needed. The command names the version that it changes.
// Codes: [problem.RoleNotPermitted], [problem.NotFound], [problem.PreconditionRequired], [problem.PreconditionFailed], those of a field,
// [problem.EnrolmentStateConflict].
func (s *Service) Save(ctx context.Context, c command.Command, id string, p Particulars) (e Enrolment, replayed bool, err error) {
	return s.change(ctx, c, id, Save, func(e *Enrolment, now time.Time) error {
		before := *e
		if err := s.apply(ctx, c.Findings, e, p); err != nil {
			return err
		}
		if !strings.EqualFold(before.Contact.Email, e.Contact.Email) {
			e.Verification.VerifiedAt, e.Verification.VerifiedBy, e.Verification.Domain = time.Time{}, "", ""
		}
		e.note(entryOf(c, now, Save, string(e.Status)))
		return nil
	})
}

// Associate gives the company its PartnerID: a location in its country (rule E6), at any time before it is active (rule E7). Without an
// id a new location is made, as for a company that has none. Codes: those of [Service.Save]; [problem.PartnerIDNotFound],
// [problem.PartnerIDWrongType], [problem.PartnerIDWrongCountry].
func (s *Service) Associate(ctx context.Context, c command.Command, id string, partnerID *string) (e Enrolment, replayed bool, err error) {
	return s.change(ctx, c, id, Associate, func(e *Enrolment, now time.Time) error {
		f := slices.Clone(c.Findings)
		if partnerID != nil {
			s.associate(ctx, &f, e, *partnerID)
		} else if e.Home() == "" {
			f.Add("/newLocation", problem.ValidationFailed, "A new location must be in the country or region of the legal address: give that first.")
		} else {
			e.Location = &Location{ID: newPartnerID(), Name: e.Legal.Name, Type: partner.Location, Country: e.Home(), Tenant: e.Tenant}
		}
		if err := f.Err(); err != nil {
			return err
		}
		e.note(entryOf(c, now, Associate, e.Location.ID))
		return nil
	})
}

// newPartnerID gives a PartnerID of a location that is added. That no other account has it is a condition of the activation.
func newPartnerID() string {
	var b [9]byte
	_, _ = rand.Read(b[:])
	for n := range b {
		b[n] = '0' + b[n]%10
	}
	return "9" + string(b[:])
}

func (s *Service) associate(ctx context.Context, f *problem.Findings, e *Enrolment, id string) {
	l, err := s.location(ctx, *e, id)
	switch {
	case problem.Is(err, problem.NotFound), err == nil && l.Tenant != "" && l.Tenant != e.Tenant:
		f.Add("/partnerId", problem.PartnerIDNotFound, "Your company has no such PartnerID; a new location can be added instead.")
	case err != nil:
		f.Add("/partnerId", problem.PartnerIDNotFound, "PartnerIDs cannot be looked up at the moment; associate it later.")
	case l.Type != partner.Location:
		f.Add("/partnerId", problem.PartnerIDWrongType, "Associate the PartnerID of a location, not that of the headquarters.")
	case e.Home() != "" && l.Country != e.Home():
		f.Add("/partnerId", problem.PartnerIDWrongCountry, "The PartnerID must be one of the country or region that the company is in.")
	default:
		e.Location = &l
	}
}

// location finds a PartnerID among those of the company's own account, and then among all.
func (s *Service) location(ctx context.Context, e Enrolment, id string) (Location, error) {
	if e.Path == FastTrack {
		a, err := s.Accounts.Account(ctx, e.Tenant, false)
		if err != nil {
			return Location{}, err
		}
		if n := slices.IndexFunc(a.PartnerIDs, func(p partner.PartnerID) bool { return p.ID == id }); n >= 0 {
			p := a.PartnerIDs[n]
			return Location{ID: p.ID, Name: a.DisplayName, Type: p.Type, Country: p.Country, Tenant: a.Tenant}, nil
		}
	}
	holder, err := s.Holders.Holder(ctx, id)
	if err == nil && holder != e.Tenant {
		return Location{}, problem.New(problem.NotFound, "Another account already has this PartnerID.")
	}
	if err != nil && !problem.Is(err, problem.NotFound) {
		return Location{}, err
	}
	return s.Locations.Location(ctx, id)
}

// Submit hands the application in: for verification of the contact, or, when nothing is left to verify, for vetting again. On the fast track
// it is approved at once (rule E2). What the operator needed to know can be answered in words. Codes: those of [Service.Save] without the version; [problem.AddressNotValidated] while no form of the
// address was chosen; the limits of [Service.ResendVerification].
func (s *Service) Submit(ctx context.Context, c command.Command, id string, answer *string) (e Enrolment, replayed bool, err error) {
	return s.change(ctx, c, id, Submit, func(e *Enrolment, now time.Time) error {
		f := slices.Clone(c.Findings)
		e.answer(&f, now, answer)
		e.complete(&f)
		if err := f.Err(); err != nil {
			return err
		}
		if err := Allowed(e.Status, Submit); err != nil {
			return err
		}
		e.SubmittedAt, e.Reason = now, ""
		switch {
		case e.Path == FastTrack:
			e.reach(now, Authorized)
		case e.Verification.VerifiedAt.IsZero():
			if err := e.verify(now); err != nil {
				return err
			}
			e.reach(now, EmailVerification)
		default:
			if err := e.review(ctx, s.Calendar, now); err != nil {
				return err
			}
		}
		e.note(entryOf(c, now, Submit, string(e.Status)))
		return nil
	})
}

// answer keeps what a company says to what the operator needed to know.
func (e *Enrolment) answer(f *problem.Findings, now time.Time, said *string) {
	n := len(e.Questions) - 1
	asked := e.Status == ActionRequired && n >= 0
	if asked {
		e.Questions[n].AnsweredAt = now
	}
	if said == nil {
		if asked && !e.changedSince(e.Questions[n].At) && len(*f) == 0 {
			f.Add("/answer", problem.ValidationFailed,
				"Information is needed: answer in words (answer), or first change what was said (PATCH /v1/enrolments/{id}).")
		}
		return
	}
	text := emailaddr.Clean(*said)
	switch {
	case text == "" || utf8.RuneCountInString(text) > MaxAnswer:
		f.Add("/answer", problem.ValidationFailed, "An answer has 1 to %d characters.", MaxAnswer)
	case !asked:
		f.Add("/answer", problem.ValidationFailed, "Nothing was asked: an answer goes with an enrolment that needs information.")
	default:
		e.Questions[n].Answer = text
	}
}

// changedSince reports whether the company has changed anything since it was asked.
func (e Enrolment) changedSince(asked time.Time) bool {
	for _, h := range slices.Backward(e.History) {
		if h.Action == NeedInformation || h.At.Before(asked) {
			return false
		}
		if h.Action == Save || h.Action == Associate {
			return true
		}
	}
	return false
}

// review begins a review (rules E13, E14).
func (e *Enrolment) review(ctx context.Context, of Calendars, now time.Time) (err error) {
	var c Calendar
	if of != nil {
		if c, err = of.Calendar(ctx); err != nil {
			return err
		}
	}
	e.reach(now, InVetting)
	e.ReviewDueAt, e.Overdue = c.Add(now, ReviewDays), false
	return nil
}

// complete checks that all is said that a submission needs (rules E2, E3, E6, E9).
func (e Enrolment) complete(f *problem.Findings) {
	required := func(pointer, value string) {
		if value == "" {
			f.Add(pointer, problem.ValidationFailed, "This field is required.")
		}
	}
	e.Support.Require(f, "/supportContact") // on both paths (rules E2, E3)
	if e.Path == FastTrack {
		return
	}
	required("/legal/entry", string(e.Legal.Entry))
	required("/legal/name", e.Legal.Name)
	required("/legal/address/line1", e.Legal.Address.Line1)
	required("/legal/address/country", e.Legal.Address.Country)
	required("/primaryContact/firstName", e.Contact.FirstName)
	required("/primaryContact/lastName", e.Contact.LastName)
	required("/primaryContact/email", e.Contact.Email)
	required("/primaryContact/phone", e.Contact.Phone)
	if e.Legal.Address.Country != "" && e.Address.Choice == "" {
		f.Add("/addressValidation/choice", problem.AddressNotValidated, "Choose the address as you wrote it, or as it is suggested.")
	}
	if l := e.Location; l != nil && l.Country != e.Home() {
		f.Add("/partnerId", problem.PartnerIDWrongCountry, "The PartnerID must be one of the country or region that the company is in.")
	}
}

// verify asks for a mail with a new link; the one before no longer works.
func (e *Enrolment) verify(now time.Time) error {
	var recent []Asking
	var all, same []time.Time
	to := command.Fingerprint(emailaddr.Mailbox(e.Contact.Email))
	for _, a := range e.Verification.Asked {
		if now.Sub(a.At) >= recipient.Window {
			continue
		}
		recent, all = append(recent, a), append(all, a.At)
		if a.To == "" || a.To == to { // an address that was corrected does not wait for the wrong one
			same = append(same, a.At)
		}
	}
	cool, _ := recipient.Spacing(same, now)
	_, full := recipient.Spacing(all, now)
	wait := max(cool, full)
	if wait > 0 {
		return &problem.Error{Code: problem.ResendCooldown, RetryAfter: wait,
			Detail: "A link was emailed to this address a short time ago, or five times in 24 hours."}
	}
	e.Verification = Verification{Generation: e.Verification.Generation + 1, Asked: append(recent, Asking{now, to}), ExpiresAt: now.Add(LinkTime)}
	e.owe(now, VerificationNotice)
	return nil
}

// ResendVerification mails the primary contact a new link. Codes: [problem.RoleNotPermitted], [problem.NotFound],
// [problem.EnrolmentStateConflict], [problem.ResendCooldown].
func (s *Service) ResendVerification(ctx context.Context, c command.Command, id string) (e Enrolment, replayed bool, err error) {
	return s.change(ctx, c, id, Resend, func(e *Enrolment, now time.Time) error {
		if err := c.Findings.Err(); err != nil {
			return err
		}
		if err := Allowed(e.Status, Resend); err != nil {
			return err
		}
		if err := e.verify(now); err != nil {
			return err
		}
		e.note(entryOf(c, now, Resend, string(e.Status)))
		return nil
	})
}

// Withdraw ends an application that is not active. Codes: [problem.RoleNotPermitted], [problem.NotFound], [problem.EnrolmentStateConflict].
func (s *Service) Withdraw(ctx context.Context, c command.Command, id string) (e Enrolment, replayed bool, err error) {
	return s.change(ctx, c, id, Withdraw, func(e *Enrolment, now time.Time) error {
		if err := c.Findings.Err(); err != nil {
			return err
		}
		e.reach(now, Withdrawn)
		e.note(entryOf(c, now, Withdraw, string(e.Status)))
		return nil
	})
}

// Decision is what the operator says of an application in vetting.
type Decision struct {
	Action Action // Approve, Reject or NeedInformation
	Reason string // why, to be read by the primary contact; not needed to approve
}

// Decide approves, rejects, or asks for more (rules E13, E14, E18). Codes: [problem.RoleNotPermitted], [problem.NotFound], those of a field,
// [problem.EmailNotVerified] before the contact has confirmed, [problem.EnrolmentStateConflict].
func (s *Service) Decide(ctx context.Context, c command.Command, id string, d Decision) (e Enrolment, replayed bool, err error) {
	return s.change(ctx, c, id, d.Action, func(e *Enrolment, now time.Time) error {
		f := slices.Clone(c.Findings)
		if d.Action != Approve && d.Reason == "" && len(f) == 0 {
			f.Add("/reason", problem.ValidationFailed, "Say why, for the primary contact.")
		}
		if d.Reason != "" && !emailaddr.Line(d.Reason, MaxReason) {
			f.Add("/reason", problem.ValidationFailed, emailaddr.LineRule, MaxReason)
		}
		if err := f.Err(); err != nil {
			return err
		}
		e.Reason = d.Reason
		switch d.Action {
		case Approve:
			e.Vetting = Vetting{Passed, Passed, Passed}
			e.reach(now, Authorized)
		case Reject:
			e.reach(now, Rejected)
		case NeedInformation:
			e.Questions = append(e.Questions, Question{At: now, Text: d.Reason})
			e.Questions = e.Questions[max(0, len(e.Questions)-maxQuestions):]
			e.reach(now, ActionRequired)
		}
		e.note(entryOf(c, now, d.Action, string(e.Status)))
		return nil
	})
}

// change reads, decides and writes until nobody else was quicker.
func (s *Service) change(ctx context.Context, c command.Command, id string, a Action, do func(*Enrolment, time.Time) error) (Enrolment, bool, error) {
	op := partner.Enrol
	if a == Approve || a == Reject || a == NeedInformation {
		op = partner.OperatePartners
	}
	if err := c.User.Permit(op); err != nil {
		return Enrolment{}, false, err
	}
	var e Enrolment
	replayed := false
	err := command.Retry(func() (err error) {
		e, replayed, err = s.once(ctx, c, id, a, op, do)
		return err
	})
	return e, replayed, err
}

// once checks in the order of the domain (2.5): 404, 428, 412, 422, 409.
func (s *Service) once(ctx context.Context, c command.Command, id string, a Action, op partner.Operation, do func(*Enrolment, time.Time) error) (Enrolment, bool, error) {
	before, err := s.find(ctx, id)
	if err != nil {
		return Enrolment{}, false, err
	}
	if op == partner.Enrol && before.Tenant != c.User.Tenant {
		return Enrolment{}, false, missing()
	}
	now := s.now()
	if was, err := replays(c, now, before, a); was || err != nil {
		return before, was, err
	}
	expects := c.Allows
	if a == Save {
		expects = c.Expects
	}
	if err := expects(before.Version, "enrolment"); err != nil {
		return Enrolment{}, false, err
	}
	after := before.next()
	err = do(&after, now)
	// Fields are looked at first: 422 comes before 409.
	if p, ok := errors.AsType[*problem.Error](err); err != nil && (!ok || len(p.Findings) > 0) {
		return Enrolment{}, false, err
	}
	if err := Allowed(before.Status, a); err != nil {
		return Enrolment{}, false, err
	}
	if err != nil {
		return Enrolment{}, false, err
	}
	change := Change{Before: &before, After: after}
	// Where all else stands, what was missing makes it active: the support contact on the fast track, or the PartnerID.
	if a == Submit && after.Path == FastTrack || a == Associate && after.Status == Authorized {
		if err := s.activateStanding(ctx, c, &change, now); err != nil {
			return Enrolment{}, false, err
		}
	}
	if err := s.Store.WriteEnrolment(ctx, change); err != nil {
		return Enrolment{}, false, err
	}
	return change.After, false, nil
}

// apply checks what a company says and puts it into the enrolment.
func (s *Service) apply(ctx context.Context, given problem.Findings, e *Enrolment, p Particulars) error {
	f := slices.Clone(given)
	if p.Legal != nil {
		if err := s.legal(ctx, &f, e, *p.Legal); err != nil {
			return err
		}
	}
	if p.Choice != nil {
		e.choose(&f, *p.Choice)
	}
	if p.Contact != nil {
		e.Contact = s.person(&f, "/primaryContact", *p.Contact)
		if name, ok := emailaddr.Webmail(e.Contact.Email); ok {
			f.Add("/primaryContact/email", problem.WebmailNotAllowed,
				"Anybody can have an address at %s: give one at a domain that is a company's own.", name)
		}
	}
	if p.Support != nil {
		e.Support = p.Support.Check(&f, "/supportContact", s.Addresses)
	}
	if p.PartnerID != nil {
		s.associate(ctx, &f, e, *p.PartnerID)
	}
	if p.Locale != nil {
		used, ok := locale.Choose(s.Locales, *p.Locale, e.Locale)
		if !ok {
			f.Add("/locale", problem.ValidationFailed, locale.Rule)
		}
		e.Locale, e.LocaleAsked = used, *p.Locale
	}
	return f.Err()
}

// legal takes the profile from the directory, or as it was typed (rule E8), and has the address looked at (rule E9).
func (s *Service) legal(ctx context.Context, f *problem.Findings, e *Enrolment, form LegalForm) error {
	if form.Entry != nil {
		e.Legal.Entry = Entry(*form.Entry)
	}
	switch {
	case e.Path == FastTrack:
		f.Add("/legal", problem.ValidationFailed, "The account already says who the company is: only the support contact is needed.")
		return nil
	case e.Legal.Entry != ByDUNS && e.Legal.Entry != Manually:
		f.Add("/legal/entry", problem.ValidationFailed, "The entry must be duns or manual.")
		return nil
	case e.Legal.Entry == ByDUNS:
		return s.profile(ctx, f, e, form)
	}
	e.Legal.DUNS = ""
	if form.DUNS != nil {
		f.Add("/legal/dunsId", problem.ValidationFailed, "With a D-U-N-S number, the entry must be duns.")
	}
	if form.Name != nil {
		name, err := emailaddr.Name(*form.Name)
		f.Note("/legal/name", err)
		e.Legal.Name = name
	}
	if form.Address != nil {
		n := len(*f)
		e.Legal.Address = checked(f, "/legal/address", *form.Address)
		if len(*f) == n {
			e.Address = s.look(ctx, e.Legal.Address)
		}
	}
	return nil
}

// profile takes a company as its directory has it. What the request says of name and address does not count.
func (s *Service) profile(ctx context.Context, f *problem.Findings, e *Enrolment, form LegalForm) error {
	if form.DUNS == nil {
		if e.Legal.DUNS == "" {
			f.Add("/legal/dunsId", problem.ValidationFailed, "This field is required.")
		}
		return nil
	}
	number := strings.ReplaceAll(strings.TrimSpace(*form.DUNS), "-", "")
	if !isDUNS(number) {
		f.Add("/legal/dunsId", problem.ValidationFailed, "A D-U-N-S number has nine digits.")
		return nil
	}
	found, err := s.Directory.Company(ctx, number)
	if problem.Is(err, problem.NotFound) {
		f.Add("/legal/dunsId", problem.ValidationFailed, "We know no company with this number; enter the profile by hand.")
		return nil
	}
	if err != nil {
		return &problem.Error{Code: problem.Unavailable, Detail: "The directory of companies is not answering; try again, or enter the profile by hand.", RetryAfter: 30 * time.Second}
	}
	e.Legal = Legal{Entry: ByDUNS, Name: found.Name, DUNS: number, Address: found.Address}
	e.Address = AddressCheck{Validation{Status: AddressValid}, Original}
	return nil
}

// look has an address validated. Where there is nothing to choose from, what was typed is chosen: also when the validator is down.
func (s *Service) look(ctx context.Context, a Address) AddressCheck {
	v, err := s.Validator.Validate(ctx, a)
	if err != nil {
		v = Validation{Status: AddressNotValidated}
	}
	if v.Status == AddressValid || v.Status == AddressNotValidated {
		return AddressCheck{v, Original}
	}
	return AddressCheck{Validation: v}
}

// ValidateAddress says how an address is written in its country; it stores nothing. Codes: those of a field.
func (s *Service) ValidateAddress(ctx context.Context, f problem.Findings, a Address) (Address, Validation, error) {
	a = checked(&f, "", a)
	if err := f.Err(); err != nil {
		return Address{}, Validation{}, err
	}
	return a, s.look(ctx, a).Validation, nil
}

func (e *Enrolment) choose(f *problem.Findings, c Choice) {
	switch {
	case c != Original && c != Suggested:
		f.Add("/addressValidation/choice", problem.ValidationFailed, "The choice must be original or suggested.")
	case c == Suggested && len(e.Address.Suggested) == 0, e.Legal.Address.Country == "":
		f.Add("/addressValidation/choice", problem.ValidationFailed, "There is no such address to choose.")
	default:
		e.Address.Choice = c
	}
}

// checked looks at what has to be so of every address: that it can be kept and shown.
func checked(f *problem.Findings, at string, a Address) Address {
	for _, each := range []struct {
		name     string
		value    *string
		limit    int
		required bool
	}{
		{"line1", &a.Line1, 100, true}, {"line2", &a.Line2, 100, false}, {"city", &a.City, 100, false}, {"state", &a.State, 100, false},
		{"postalCode", &a.PostalCode, 20, false},
	} {
		*each.value = strings.TrimSpace(*each.value)
		if each.required && *each.value == "" || *each.value != "" && !emailaddr.Line(*each.value, each.limit) {
			f.Add(at+"/"+each.name, problem.ValidationFailed, emailaddr.LineRule, each.limit)
		}
	}
	f.Note(at+"/country", country.Check(a.Country))
	return a
}

func (s *Service) person(f *problem.Findings, at string, p Person) Person {
	for name, value := range map[string]*string{"firstName": &p.FirstName, "lastName": &p.LastName} {
		if *value != "" {
			n, err := emailaddr.Name(*value)
			f.Note(at+"/"+name, err)
			*value = n
		}
	}
	if p.Email != "" {
		email, err := s.Addresses.Check(p.Email)
		f.Note(at+"/email", err)
		p.Email = email
	}
	if p.Phone != "" {
		f.Note(at+"/phone", emailaddr.Phone(p.Phone))
	}
	return p
}

// now gives the time as it is stored: in UTC, to the second.
func (s *Service) now() time.Time { return s.Now().UTC().Truncate(time.Second) }
