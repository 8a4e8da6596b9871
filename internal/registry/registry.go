// Package registry keeps the accounts of partners: what the operator decides about them, what they keep of themselves, and what their
// mails earn them.
package registry

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/text/language"

	"concord/internal/command"
	"concord/internal/country"
	"concord/internal/emailaddr"
	"concord/internal/locale"
	"concord/internal/partner"
	"concord/internal/problem"
)

// Change is a write of an account. Before is nil for a new one.
type Change struct {
	Before *partner.Account
	After  partner.Account
}

// Limits of an account.
const (
	MaxWhy        = 100 // characters of why something was changed
	MaxPartnerIDs = 20
	MaxDailyMails = 100_000
)

// paused returns the account with its sending paused.
func paused(a partner.Account, why partner.Pause, e partner.Entry) partner.Account {
	a.Paused = &why
	return a.Next(e)
}

// Query asks for a page of accounts, newest first. Empty filters let everything through.
type Query struct {
	Status  partner.ProgramStatus
	Role    partner.ProgramRole
	Sending partner.Sending
	Cloud   partner.CloudID
	Listed  bool // only who is listed in the directory
	// Text is part of a name or a domain, in any case, or a whole PartnerID or tenant id; empty for all.
	Text  string
	Limit int
	After string // where the page before ended; empty for the first page
}

// Matches reports whether an account is among those asked for.
func (q Query) Matches(a partner.Account) bool {
	return (q.Status == "" || q.Status == a.Status) && (q.Role == "" || a.Has(q.Role)) && (q.Sending == "" || q.Sending == a.Sending()) &&
		(q.Cloud == "" || q.Cloud == a.Cloud) && (!q.Listed || a.ListedInDirectory) && (q.Text == "" || q.names(a))
}

// names reports whether an account is called what is asked for.
func (q Query) names(a partner.Account) bool {
	text := strings.ToLower(q.Text)
	return strings.Contains(strings.ToLower(a.DisplayName), text) || strings.Contains(a.VerifiedDomain, text) ||
		string(a.Tenant) == text ||
		slices.ContainsFunc(a.PartnerIDs, func(p partner.PartnerID) bool { return strings.EqualFold(p.ID, text) })
}

// Page is an answer to an [Query]. It may hold fewer than the limit, even none, while Next is set.
type Page struct {
	Accounts []partner.Account
	Next     string
}

// Store keeps accounts.
//
// CreateAccount adds one of version 1, and gives [problem.PartnerExists] when the tenant has one. WriteAccount stores after over before,
// one version on, or nothing and [command.ErrConflict]; tenant and creation stay as they are. Both give [problem.PartnerIDInUse] when another
// account has one of the PartnerIDs that are new to this one; one that is given up is free. Whatever was acknowledged is in every list that
// begins later. A page of ListAccounts looks at a bounded number of accounts; its code is [problem.MalformedRequest] for a place
// where no page ended.
type Store interface {
	partner.Accounts
	// CreateAccount stores a new one, or [problem.PartnerExists], or [problem.PartnerIDInUse].
	CreateAccount(ctx context.Context, a partner.Account) error
	// WriteAccount stores one over its version, or [command.ErrConflict], or [problem.PartnerIDInUse].
	WriteAccount(ctx context.Context, before, after partner.Account) error
	// ListAccounts gives a page, newest first, strongly consistent; [problem.MalformedRequest] for a place where no
	// page ended.
	ListAccounts(ctx context.Context, q Query) (Page, error)
}

// Service is what the operator does with partner accounts (api, Operations; domain, 2.1 and 2.4).
type Service struct {
	Store     Store
	Clouds    partner.Clouds
	Addresses emailaddr.Addresses
	// Locales are the languages that mails and pages are written in.
	Locales []language.Tag
	Now     func() time.Time
}

func entryOf(c command.Command, now time.Time, why string, changed ...string) partner.Entry {
	return partner.Entry{
		At: now, Changed: changed, By: c.User.Subject, CorrelationID: c.CorrelationID, Key: command.Fingerprint(c.Key), Body: c.Body, Why: why,
	}
}

// replays reports whether the account shows that the command was carried out before. A key that was used for the same kind of change with
// another body is [problem.IdempotencyKeyReused].
func replays(c command.Command, now time.Time, a partner.Account, creation bool) (bool, error) {
	for _, e := range a.History {
		if (len(e.Changed) == 0) != creation {
			continue
		}
		if was, err := c.Replays(now, e.At, e.Key, e.Body); was || err != nil {
			return was, err
		}
	}
	return false, nil
}

// Particulars are what the operator says of an account. Nil leaves a field as it is, or as it is by default.
type Particulars struct {
	DisplayName         *string
	Contact             *partner.Contact
	VerifiedDomain      *string
	Locale              *string
	PartnerIDs          *[]partner.PartnerID
	AssociatedPartnerID *string // empty for none
	ListedInDirectory   *bool
	DailyMails          *int // 0 for the deployment's number
	Status              *partner.ProgramStatus
	Sending             *partner.Sending
	Why                 *string
}

// Founding is what is said once, when an account is made. Nil means "not said", which is possible of none.
type Founding struct {
	Tenant  *string
	Role    *partner.ProgramRole
	Cloud   *partner.CloudID
	Country *string // ISO 3166-1 alpha-2
}

// Create makes an account, active unless the particulars say pending. Replayed reports that the command's key had made it. Codes:
// [problem.RoleNotPermitted]; those of a field; [problem.PartnerExists]; [problem.PartnerIDInUse]; [problem.IdempotencyKeyReused].
func (r *Service) Create(ctx context.Context, c command.Command, of Founding, p Particulars) (a partner.Account, replayed bool, err error) {
	if err := c.User.Permit(partner.OperatePartners); err != nil {
		return a, false, err
	}
	f := slices.Clone(c.Findings)
	now := r.now()
	a = partner.Account{Status: partner.Active, Locale: "en", CreatedAt: now, Version: 1}
	r.found(&f, &a, of)
	for pointer, missing := range map[string]bool{"/displayName": p.DisplayName == nil, "/contact": p.Contact == nil, "/verifiedDomain": p.VerifiedDomain == nil} {
		if missing {
			f.Require(pointer)
		}
	}
	if p.Status != nil && *p.Status != partner.Active && *p.Status != partner.Pending {
		f.Add("/status", problem.ValidationFailed, "A new account must be active or pending.")
	}
	r.apply(&f, &a, p)
	a.Status = *cmp.Or(p.Status, &a.Status)
	if err := f.Err(); err != nil {
		return partner.Account{}, false, err
	}
	why := ""
	if p.Why != nil {
		why = *p.Why
	}
	a.History = []partner.Entry{entryOf(c, now, why)}
	err = r.Store.CreateAccount(ctx, a)
	if !problem.Is(err, problem.PartnerExists) {
		return a, false, err
	}
	there, readErr := r.Store.Account(ctx, a.Tenant, true)
	if readErr != nil {
		return partner.Account{}, false, readErr
	}
	if was, reuse := replays(c, now, there, true); was || reuse != nil {
		return there, was, reuse
	}
	return partner.Account{}, false, err
}

// found checks what is said once.
func (r *Service) found(f *problem.Findings, a *partner.Account, of Founding) {
	if of.Tenant == nil {
		f.Require("/tenantId")
	} else {
		var ok bool
		if a.Tenant, ok = partner.ParseTenantID(*of.Tenant); !ok {
			f.Add("/tenantId", problem.ValidationFailed, "A tenant id must be a UUID.")
		}
	}
	if of.Role == nil {
		f.Require("/programRole")
	} else if a.Role = *of.Role; a.Role != partner.DirectBill && a.Role != partner.IndirectProvider && a.Role != partner.IndirectReseller {
		f.Add("/programRole", problem.ValidationFailed, "The role is directBill, indirectProvider or indirectReseller.")
	}
	if of.Cloud == nil {
		f.Require("/cloud")
	} else if a.Cloud = *of.Cloud; a.Cloud == "" {
		f.Add("/cloud", problem.ValidationFailed, "A cloud must have a name.")
	} else if _, err := r.Clouds.Cloud(a.Cloud); err != nil {
		f.Note("/cloud", err)
	}
	if of.Country == nil {
		f.Require("/country")
	} else {
		a.Country = *of.Country
		f.Note("/country", country.Check(a.Country))
	}
}

// apply checks the particulars and puts them into the account, apart from its states.
func (r *Service) apply(f *problem.Findings, a *partner.Account, p Particulars) {
	if p.DisplayName != nil {
		name, err := emailaddr.Name(*p.DisplayName)
		if err != nil {
			f.Note("/displayName", err)
		}
		a.DisplayName = name
	}
	if p.Contact != nil {
		a.Contact = r.contact(f, *p.Contact)
	}
	if p.VerifiedDomain != nil {
		a.VerifiedDomain = strings.ToLower(*p.VerifiedDomain)
		if _, err := r.Addresses.Check("postmaster@" + a.VerifiedDomain); err != nil || strings.ContainsAny(a.VerifiedDomain, " \t@") {
			f.Add("/verifiedDomain", problem.ValidationFailed, "This is no domain that mail can be sent to; one is written as example.com, without www. or @.")
		}
	}
	if p.Locale != nil {
		used, _ := locale.Choose(r.Locales, *p.Locale, "")
		if used == "" {
			f.Add("/locale", problem.ValidationFailed, locale.Rule+" Mails and pages are written in %s.", problem.Or(locale.Names(r.Locales)))
		}
		a.Locale = used
	}
	if p.DailyMails != nil {
		if a.DailyMails = *p.DailyMails; a.DailyMails < 0 || a.DailyMails > MaxDailyMails {
			f.Add("/dailyMails", problem.ValidationFailed, "The emails of a day are 0 to %d; 0 stands for the deployment's number.", MaxDailyMails)
		}
	}
	if p.Why != nil && !emailaddr.Line(*p.Why, MaxWhy) {
		f.Add("/reason", problem.ValidationFailed, emailaddr.LineRule, MaxWhy)
	}
	a.ListedInDirectory = *cmp.Or(p.ListedInDirectory, &a.ListedInDirectory)
	if p.PartnerIDs != nil {
		a.PartnerIDs = slices.Clone(*p.PartnerIDs)
		checkPartnerIDs(f, a.PartnerIDs)
	}
	a.AssociatedPartnerID = *cmp.Or(p.AssociatedPartnerID, &a.AssociatedPartnerID)
	if p.PartnerIDs != nil || p.AssociatedPartnerID != nil {
		checkAssociated(f, *a)
	}
}

// contact checks whom a partner's customers reach.
func (r *Service) contact(f *problem.Findings, c partner.Contact) partner.Contact {
	email, err := r.Addresses.Check(c.Email)
	if err != nil {
		f.Note("/contact/email", err)
	}
	c.Email = email
	if c.Phone != "" {
		f.Note("/contact/phone", emailaddr.Phone(c.Phone))
	}
	if c.Website != "" {
		u, err := url.Parse(c.Website)
		if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || !emailaddr.Line(c.Website, 200) || strings.ContainsAny(c.Website, " <>\"'") {
			f.Add("/contact/website", problem.ValidationFailed, "A website is an https URL of at most 200 characters, such as https://www.example.com.")
		}
	}
	return c
}

// checkPartnerIDs looks at each PartnerID by itself, and that none is there twice.
func checkPartnerIDs(f *problem.Findings, ids []partner.PartnerID) {
	if len(ids) > MaxPartnerIDs {
		f.Add("/partnerIds", problem.ValidationFailed, "An account has at most %d PartnerIDs.", MaxPartnerIDs)
	}
	for n, p := range ids {
		switch twice := slices.ContainsFunc(ids[:n], func(o partner.PartnerID) bool { return o.ID == p.ID }); {
		case !partnerID().MatchString(p.ID), p.Type != partner.Location && p.Type != partner.Headquarters, !country.Valid(p.Country), twice:
			f.Add("/partnerIds", problem.ValidationFailed, "A PartnerID has 1 to 20 letters and digits, a type (location or headquarters) and a country, and is there once.")
			return
		}
	}
}

var partnerID = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9A-Za-z]{1,20}$`) })

// checkAssociated holds the associated PartnerID against rule E6: of type location, in the country of the account.
func checkAssociated(f *problem.Findings, a partner.Account) {
	if a.AssociatedPartnerID == "" {
		return
	}
	n := slices.IndexFunc(a.PartnerIDs, func(p partner.PartnerID) bool { return p.ID == a.AssociatedPartnerID })
	switch {
	case n < 0:
		f.Add("/associatedPartnerId", problem.ValidationFailed, "The associated PartnerID must be one of partnerIds.")
	case a.PartnerIDs[n].Type != partner.Location:
		f.Add("/associatedPartnerId", problem.PartnerIDWrongType, "The associated PartnerID must be a location.")
	case a.PartnerIDs[n].Country != a.Country:
		f.Add("/associatedPartnerId", problem.PartnerIDWrongCountry, "The associated PartnerID must be in the country or region of the account.")
	}
}

// Account gives one account. Codes: [problem.RoleNotPermitted], [problem.NotFound].
func (r *Service) Account(ctx context.Context, u partner.User, tenant string) (partner.Account, error) {
	if err := u.Permit(partner.OperatePartners); err != nil {
		return partner.Account{}, err
	}
	return r.find(ctx, tenant)
}

func (r *Service) find(ctx context.Context, tenant string) (partner.Account, error) {
	id, ok := partner.ParseTenantID(tenant)
	if !ok {
		return partner.Account{}, problem.New(problem.NotFound, "There is no such partner.")
	}
	return r.Store.Account(ctx, id, true)
}

// Accounts gives a page of accounts. Code: [problem.RoleNotPermitted].
func (r *Service) Accounts(ctx context.Context, u partner.User, q Query) (Page, error) {
	if err := u.Permit(partner.OperatePartners); err != nil {
		return Page{}, err
	}
	return r.Store.ListAccounts(ctx, q)
}

// Directory gives a page of the indirect providers that are listed, active and in the caller's cloud (rule N10); with a country those that
// may work with an indirect reseller there (N12). A company without an account may look as well, whoever signs in for it: who wants to enrol
// chooses a provider first (0.35). Code: [problem.RoleNotPermitted].
func (r *Service) Directory(ctx context.Context, u partner.User, regions partner.Regions, country string, limit int, after string) (Page, error) {
	if u.Tenant == "" {
		return Page{}, problem.New(problem.RoleNotPermitted, "The token names no tenant.")
	}
	cloud := u.Cloud
	switch own, err := r.Store.Account(ctx, u.Tenant, false); {
	case err == nil:
		cloud = own.Cloud
		if err := u.Permit(partner.ReadCustomers); err != nil {
			return Page{}, err
		}
	case !problem.Is(err, problem.NotFound):
		return Page{}, err
	}
	if cloud == "" {
		return Page{}, nil // of a token that names none nobody is in the cloud
	}
	page, err := r.Store.ListAccounts(ctx, Query{Status: partner.Active, Role: partner.IndirectProvider, Cloud: cloud, Listed: true, Limit: limit, After: after})
	page.Accounts = slices.DeleteFunc(page.Accounts, func(a partner.Account) bool {
		return country != "" && regions.CheckPartnership(a.Country, country) != nil
	})
	return page, err
}

// Change changes an account; what says the same as before changes nothing. Suspending, reinstating, pausing and letting on again need a
// reason. Replayed reports that the command's key had made the change. Codes: [problem.RoleNotPermitted], [problem.NotFound],
// [problem.IdempotencyKeyReused], [problem.PreconditionRequired] without a version, [problem.PreconditionFailed], those of a
// field, [problem.PartnerIDInUse], [problem.InvalidTransition] for the status of an account that is neither active nor suspended.
func (r *Service) Change(ctx context.Context, c command.Command, tenant string, p Particulars) (a partner.Account, replayed bool, err error) {
	if err := c.User.Permit(partner.OperatePartners); err != nil {
		return partner.Account{}, false, err
	}
	before, err := r.find(ctx, tenant)
	if err != nil {
		return partner.Account{}, false, err
	}
	now := r.now()
	if was, err := replays(c, now, before, false); was || err != nil {
		return before, was, err
	}
	if err := c.Expects(before.Version, "account"); err != nil {
		return partner.Account{}, false, err
	}
	after, err := r.changed(c, before, p, now)
	if err != nil || after.Version == before.Version {
		return after, false, err
	}
	if err := r.Store.WriteAccount(ctx, before, after); err != nil {
		if errors.Is(err, command.ErrConflict) {
			err = command.Outdated("account")
		}
		return partner.Account{}, false, err
	}
	return after, false, nil
}

// changed gives the account after a change, of the same version when nothing changes.
func (r *Service) changed(c command.Command, before partner.Account, p Particulars, now time.Time) (partner.Account, error) {
	f := slices.Clone(c.Findings)
	after := before
	r.apply(&f, &after, p)
	if p.Status != nil && *p.Status != partner.Active && *p.Status != partner.Suspended {
		f.Add("/status", problem.ValidationFailed, "The operator can make an account active or suspended.")
	}
	if p.Sending != nil && *p.Sending != partner.SendingActive && *p.Sending != partner.SendingPaused {
		f.Add("/sending", problem.ValidationFailed, "Sending must be active or paused.")
	}
	if (p.Status != nil || p.Sending != nil) && p.Why == nil {
		f.Add("/reason", problem.ValidationFailed, "Say why.")
	}
	if err := f.Err(); err != nil {
		return partner.Account{}, err
	}
	what := differences(before, after)
	if p.Status != nil && *p.Status != before.Status {
		if before.Status != partner.Active && before.Status != partner.Suspended {
			return partner.Account{}, problem.New(problem.InvalidTransition, "Only an account that was active can be suspended and reinstated.")
		}
		after.Status = *p.Status
		what = append(what, "status="+string(after.Status))
	}
	if p.Sending != nil && *p.Sending != before.Sending() {
		if after.Paused = nil; *p.Sending == partner.SendingPaused {
			after.Paused = &partner.Pause{At: now, Reason: partner.ByOperator}
		} else {
			after.CountedFrom = now
		}
		what = append(what, "sending="+string(*p.Sending))
	}
	if len(what) == 0 {
		return before, nil
	}
	why := ""
	if p.Why != nil {
		why = *p.Why
	}
	return after.Next(entryOf(c, now, why, what...)), nil
}

// differences names the particulars in which two versions differ.
func differences(a, b partner.Account) (names []string) {
	for _, each := range []struct {
		name  string
		other bool
	}{
		{"displayName", a.DisplayName != b.DisplayName},
		{"contact", a.Contact != b.Contact},
		{"verifiedDomain", a.VerifiedDomain != b.VerifiedDomain},
		{"locale", a.Locale != b.Locale},
		{"partnerIds", !slices.Equal(a.PartnerIDs, b.PartnerIDs)},
		{"associatedPartnerId", a.AssociatedPartnerID != b.AssociatedPartnerID},
		{"listedInDirectory", a.ListedInDirectory != b.ListedInDirectory},
		{"dailyMails", a.DailyMails != b.DailyMails},
	} {
		if each.other {
			names = append(names, each.name)
		}
	}
	return names
}

// now gives the time as it is stored: in UTC, to the second.
func (r *Service) now() time.Time { return r.Now().UTC().Truncate(time.Second) }
