package granular

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/text/language"

	"concord/internal/command"
	"concord/internal/emailaddr"
	"concord/internal/locale"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/publicid"
	"concord/internal/relationship"
)

// Service is what partners and customers do with granular relationships.
type Service struct {
	Store     Store
	Accounts  partner.Accounts
	Clouds    partner.Clouds
	Addresses emailaddr.Addresses
	Roles     Table
	// Recognition tells which company answers (domain, 0.30).
	Recognition relationship.Recognition
	// Locales are the languages that mails are written in, and Quota allows them; both are needed to send.
	Locales []language.Tag
	Quota   Quota
	Now     func() time.Time
}

// Quota allows mails. Allow allows the request of one generation of a relationship to one recipient, or says what stands against it:
// [problem.SendingPaused], [problem.RecipientSuppressed], [problem.ResendCooldown], [problem.RecipientQuotaExceeded],
// [problem.PartnerQuotaExceeded]. What was allowed is allowed again at no cost.
type Quota interface {
	Allow(ctx context.Context, account partner.Account, recipient, id string, generation int, now time.Time) error
}

// maxRounds bounds how often a slot whose holder has ended is taken anew.
const maxRounds = 8

func entryOf(c command.Command, now time.Time) Entry {
	e := Entry{At: now, Actor: ByPartner, By: c.User.Subject, CorrelationID: c.CorrelationID}
	if c.Key != "" {
		e.Key, e.Body = command.Fingerprint(c.Key), c.Body
	}
	return e
}

// replays reports whether the relationship shows that the command was carried out before: the same key for one of the actions and the same body,
// within 24 hours. The same key with another body is [problem.IdempotencyKeyReused].
func replays(c command.Command, now time.Time, r Relationship, actions ...string) (bool, error) {
	for _, e := range r.History {
		if !slices.Contains(actions, e.Action) {
			continue
		}
		if was, err := c.Replays(now, e.At, e.Key, e.Body); was || err != nil {
			return was, err
		}
	}
	return false, nil
}

// Proposal is what a partner says of a relationship, before it was checked. Nil means "not said".
type Proposal struct {
	DisplayName        *string
	Duration           *string // ISO 8601, P1D to P2Y
	AutoExtendDuration *string // P0D, PT0S or P180D
	// Roles are ids of role templates.
	Roles *[]string
	// Customer is the tenant that is to approve; CustomerName is what the partner calls it.
	Customer, CustomerName *string
	// IdentityConfirmed is true when an agent knows that the right company has approved (0.25). It cannot be taken back.
	IdentityConfirmed *bool
}

// beyond reports whether more is said than an active relationship can change.
func (t Proposal) beyond() bool {
	return t.DisplayName != nil || t.Duration != nil || t.Customer != nil || t.CustomerName != nil
}

// narrows reports whether roles are all that is said.
func (t Proposal) narrows() bool {
	return t.Roles != nil && !t.beyond() && t.AutoExtendDuration == nil && t.IdentityConfirmed == nil
}

// Create makes a relationship that nobody was asked to approve yet. Without a customer, the first that approves is bound by it. Replayed
// reports that the command's key had made it before; it is then given as it is now.
//
// Codes: [problem.RoleNotPermitted], [problem.PartnerNotActive]; [problem.ValidationFailed], [problem.NameInvalid],
// [problem.SelfInvitation] (invariant 9); [problem.IdempotencyKeyReused]; [problem.InvalidTransition] when what the key made was deleted.
func (s *Service) Create(ctx context.Context, c command.Command, t Proposal) (r Relationship, replayed bool, err error) {
	account, err := s.partner(ctx, c.User)
	if err != nil {
		return Relationship{}, false, err
	}
	r = Relationship{Key: Key{Partner: account.Tenant}, Cloud: account.Cloud, Status: Created, Generation: 1, Version: 1}
	f := slices.Clone(c.Findings)
	for _, field := range []struct {
		pointer string
		missing bool
	}{{"/displayName", t.DisplayName == nil}, {"/duration", t.Duration == nil}, {"/accessDetails", t.Roles == nil}} {
		if field.missing && !slices.ContainsFunc(f, func(x problem.Finding) bool { return strings.HasPrefix(x.Pointer, field.pointer) }) {
			f.Add(field.pointer, problem.ValidationFailed, "This is required.")
		}
	}
	s.apply(&f, &r, t)
	now := s.now()
	if err := f.Err(); err != nil {
		return Relationship{}, false, err
	}
	r.CreatedAt, r.CreatedBy = now, c.User.Subject
	e := entryOf(c, now)
	e.Action = string(Created)
	r.note(e)
	return s.create(ctx, c, r, now)
}

// Beside gives the relationship that an invitation asks for together with its own (domain, 0.28), without its id. What is wrong with the
// terms is found below the pointer, under the names of the invitation's field.
func Beside(roles Table, account partner.Account, u partner.User, customer partner.TenantID, t Proposal, f *problem.Findings, pointer string) Relationship {
	r := Relationship{Key: Key{Partner: account.Tenant}, Customer: customer, Cloud: account.Cloud, Status: Created, Generation: 1, CreatedBy: u.Subject, Version: 1}
	var own problem.Findings
	for _, field := range []struct {
		name    string
		missing bool
	}{{"/displayName", t.DisplayName == nil}, {"/duration", t.Duration == nil}, {"/roles", t.Roles == nil}} {
		at := func(x problem.Finding) bool { return strings.HasPrefix(x.Pointer, pointer+field.name) }
		if field.missing && !slices.ContainsFunc(*f, at) {
			own.Add(field.name, problem.ValidationFailed, "This is required.")
		}
	}
	(&Service{Roles: roles}).apply(&own, &r, t)
	for _, x := range own {
		x.Pointer = pointer + strings.TrimSuffix(strings.Replace(x.Pointer, "/accessDetails/unifiedRoles", "/roles", 1), "/roleDefinitionId")
		*f = append(*f, x)
	}
	return r
}

// For gives the relationship as it comes to be with an invitation. Its id is made of the invitation's.
func (r Relationship) For(invitation, correlationID string, now time.Time) Relationship {
	sum := sha256.Sum256([]byte("granular|" + invitation))
	r.ID, r.Invitation, r.CreatedAt = publicid.Format(publicid.Granular, [16]byte(sum[:16])), invitation, now
	r.note(Entry{At: now, Action: string(Created), Actor: ByPartner, By: r.CreatedBy, CorrelationID: correlationID})
	return r
}

// create stores a checked relationship under the id that the command's key gives.
func (s *Service) create(ctx context.Context, c command.Command, r Relationship, now time.Time) (made Relationship, replayed bool, err error) {
	days := c.Days(now)
	for range maxRounds {
		r.ID = c.ID(publicid.Granular, "granular", days[0])
		err = ErrConflict
		if len(days) != 2 { // the id of yesterday is looked for only
			err = s.occupy(ctx, Change{After: r})
		}
		if !errors.Is(err, ErrConflict) {
			break
		}
		// The id is taken: by the same command, carried out at the same moment or before, or by a key of another day.
		before, was, rerr := s.replayOf(ctx, c, r.Key, now)
		absent := problem.Is(rerr, problem.NotFound)
		if !absent && rerr != nil || was {
			return before, was, rerr
		}
		// Where two writes met and neither was stored the same id is tried again: with another one both could be.
		if len(days) > 1 && (len(days) == 2 || !absent) {
			days = days[1:]
		}
	}
	if err != nil {
		return Relationship{}, false, unavailable(err)
	}
	return r, false, nil
}

func (s *Service) replayOf(ctx context.Context, c command.Command, k Key, now time.Time) (Relationship, bool, error) {
	r, err := s.Store.GranularRelationship(ctx, k, true)
	if err != nil {
		return Relationship{}, false, err
	}
	was, err := replays(c, now, r, string(Created))
	if err == nil && was && r.Status == Deleted {
		return Relationship{}, false, problem.New(problem.InvalidTransition, "What this request made was deleted since; use another Idempotency-Key.")
	}
	return r.At(now), was, err
}

// occupy writes a change that may take a slot. A holder that no longer has the name is displaced.
func (s *Service) occupy(ctx context.Context, ch Change) error {
	for range maxRounds {
		err := s.Store.WriteGranular(ctx, ch)
		taken, ok := errors.AsType[*SlotTaken](err)
		if !ok {
			return err
		}
		holder, err := s.Store.GranularRelationship(ctx, Key{ch.After.Partner, taken.By}, true)
		if err != nil && !problem.Is(err, problem.NotFound) {
			return err
		}
		if err == nil && holder.Status != Deleted && holder.Slot() == ch.After.Slot() {
			var f problem.Findings
			f.Add("/displayName", problem.ValidationFailed, "You already have another relationship with this name.")
			return f.Err()
		}
		if err != nil {
			holder = Relationship{Key: Key{ch.After.Partner, taken.By}, Status: Deleted}
		}
		ch.Displaced = &holder
	}
	return ErrConflict
}

// partner gives the account of a user who may ask for administration, and checks that it is active.
func (s *Service) partner(ctx context.Context, u partner.User) (partner.Account, error) {
	if err := u.Permit(partner.AdministerGranularly); err != nil {
		return partner.Account{}, err
	}
	account, err := s.Accounts.Account(ctx, u.Tenant, false)
	if problem.Is(err, problem.NotFound) {
		return partner.Account{}, partner.NoAccount()
	}
	if err != nil {
		return partner.Account{}, err
	}
	if account.Status != partner.Active {
		return partner.Account{}, partner.NotActive()
	}
	return account, nil
}

// apply checks terms field by field and takes what was said.
func (s *Service) apply(f *problem.Findings, r *Relationship, t Proposal) {
	if t.DisplayName != nil {
		name, err := emailaddr.Addressee(*t.DisplayName)
		switch {
		case err != nil:
			add(f, "/displayName", err)
		case utf8.RuneCountInString(name) > MaxDisplayName:
			f.Add("/displayName", problem.NameInvalid, "The name has 1 to %d characters.", MaxDisplayName)
		}
		r.DisplayName = name
	}
	if t.Duration != nil {
		d, ok := ParsePeriod(*t.Duration)
		if !ok {
			f.Add("/duration", problem.ValidationFailed, "The duration must be P1D to P2Y, in days, in weeks, or in years and months.")
		}
		r.Duration = d
	}
	if t.Roles != nil {
		s.roles(f, r, *t.Roles)
	}
	if t.AutoExtendDuration != nil {
		r.AutoExtend = *t.AutoExtendDuration == "P180D"
		if !slices.Contains([]string{"P180D", "P0D", "PT0S"}, *t.AutoExtendDuration) {
			f.Add("/autoExtendDuration", problem.ValidationFailed, "The duration must be P0D or P180D.")
		}
	}
	if t.IdentityConfirmed != nil && !*t.IdentityConfirmed {
		f.Add("/identityConfirmed", problem.ValidationFailed, "A confirmation cannot be taken back.")
	}
	if r.AutoExtend && slices.Contains(r.Roles, s.Roles.GlobalAdministrator) {
		f.Add("/autoExtendDuration", problem.ValidationFailed, "A relationship with the Global Administrator role cannot be extended automatically.")
	}
	if t.Customer != nil {
		tenant, ok := partner.ParseTenantID(*t.Customer)
		switch {
		case !ok:
			f.Add("/customer/tenantId", problem.ValidationFailed, "A tenant id must be a UUID.")
		case tenant == r.Partner:
			f.Add("/customer/tenantId", problem.SelfInvitation, "A partner cannot ask itself.")
		}
		if tenant != r.Customer && t.CustomerName == nil {
			r.CustomerName = "" // that of another
		}
		r.Customer = tenant
	}
	if t.CustomerName != nil {
		name, err := emailaddr.Name(*t.CustomerName)
		if err != nil {
			add(f, "/customer/displayName", err)
		}
		r.CustomerName = name
	}
}

func (s *Service) roles(f *problem.Findings, r *Relationship, ids []string) {
	r.Roles, r.RoleTable = nil, s.Roles.Version
	if len(ids) == 0 {
		f.Add("/accessDetails/unifiedRoles", problem.ValidationFailed, "There must be at least one role.")
	}
	for n, id := range ids {
		id = strings.ToLower(id)
		pointer := fmt.Sprintf("/accessDetails/unifiedRoles/%d/roleDefinitionId", n)
		switch _, known := s.Roles.Name(id); {
		case !known:
			f.Add(pointer, problem.ValidationFailed, "This is not the template id of a built-in role (table of %s).", s.Roles.Version)
		case slices.Contains(r.Roles, id):
			f.Add(pointer, problem.ValidationFailed, "This role is there twice.")
		default:
			r.Roles = append(r.Roles, id)
		}
	}
	slices.Sort(r.Roles)
}

func add(f *problem.Findings, pointer string, err error) {
	if p, ok := errors.AsType[*problem.Error](err); ok {
		f.Add(pointer, p.Code, "%s", p.Detail)
	}
}

// Relationship gives one of the partner's own, as it stands now. Codes: [problem.RoleNotPermitted], [problem.NotFound].
func (s *Service) Relationship(ctx context.Context, u partner.User, id string) (Relationship, error) {
	if err := u.Permit(partner.ReadGranular); err != nil {
		return Relationship{}, err
	}
	r, err := s.own(ctx, u, id)
	if err == nil && r.Status == Deleted {
		return Relationship{}, missing()
	}
	return r.At(s.now()), err
}

// own reads one of the user's company's relationships, deleted ones too. What cannot be an id is not looked for.
func (s *Service) own(ctx context.Context, u partner.User, id string) (Relationship, error) {
	if !publicid.Is(publicid.Granular, id) {
		return Relationship{}, missing()
	}
	return s.Store.GranularRelationship(ctx, Key{u.Tenant, id}, true)
}

func missing() error { return problem.New(problem.NotFound, "There is no such relationship.") }

// Relationships gives a page of the partner's own, as they stand now. Code: [problem.RoleNotPermitted].
func (s *Service) Relationships(ctx context.Context, u partner.User, q Query) (Page, error) {
	if err := u.Permit(partner.ReadGranular); err != nil {
		return Page{}, err
	}
	q.Now = s.now()
	page, err := s.Store.GranularRelationships(ctx, u.Tenant, q)
	for n, r := range page.Relationships {
		page.Relationships[n] = r.At(q.Now)
	}
	return page, err
}

// Granted gives the live relationships that one customer has approved. Code: [problem.RoleNotPermitted].
func (s *Service) Granted(ctx context.Context, u partner.User, customer partner.TenantID) (list []Relationship, err error) {
	if err := u.Permit(partner.ReadGranular); err != nil {
		return nil, err
	}
	return s.granted(ctx, u.Tenant, customer)
}

// granted gives the live relationships of a partner that one customer has approved.
func (s *Service) granted(ctx context.Context, p, customer partner.TenantID) (list []Relationship, err error) {
	now := s.now()
	grants, err := s.Store.Grants(ctx, p, customer, customer)
	if err != nil {
		return nil, err
	}
	for _, g := range grants {
		if !g.Live(now) {
			continue
		}
		r, err := s.Store.GranularRelationship(ctx, g.Key, true)
		if err != nil {
			return nil, err
		}
		if r = r.At(now); r.Status == Active {
			list = append(list, r)
		}
	}
	return list, nil
}

// CoversSubscriptions reports whether a customer has granted a partner, until now, a role that covers what was sold to it (domain, 0.32).
func (s *Service) CoversSubscriptions(ctx context.Context, p, customer partner.TenantID) (bool, error) {
	live, err := s.granted(ctx, p, customer)
	return slices.ContainsFunc(live, func(r Relationship) bool {
		return r.IdentityCheck != relationship.Unproven && s.Roles.CoverSubscriptions(r.Roles)
	}), err
}

// Given gives what a customer has approved and still stands, whoever the partner is, for the customer itself: what begins first comes first.
func (s *Service) Given(ctx context.Context, customer partner.TenantID) (list []Relationship, err error) {
	keys, err := s.Store.GrantsBy(ctx, customer)
	if err != nil {
		return nil, err
	}
	now := s.now()
	for _, k := range keys {
		r, err := s.Store.GranularRelationship(ctx, k, true)
		if problem.Is(err, problem.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if r = r.At(now); r.Status == Active && r.Customer == customer {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b Relationship) int {
		return cmp.Or(a.ActivatedAt.Compare(b.ActivatedAt), strings.Compare(a.ID, b.ID))
	})
	return list, nil
}

// lanes is how many customers are asked about at once.
const lanes = 8

// Administered says which of some customers a partner administers granularly now. Each is asked about by itself: what lies between the ids of
// a page may be all that the partner has.
func (s *Service) Administered(ctx context.Context, p partner.TenantID, customers []partner.TenantID) (map[partner.TenantID]bool, error) {
	now := s.now()
	return each(customers, func(customer partner.TenantID) (bool, error) {
		grants, err := s.Store.Grants(ctx, p, customer, customer)
		return slices.ContainsFunc(grants, func(g Grant) bool { return g.Live(now) }), err
	})
}

// CoveringSubscriptions is [Service.CoversSubscriptions] of many customers.
func (s *Service) CoveringSubscriptions(
	ctx context.Context, p partner.TenantID, customers []partner.TenantID,
) (map[partner.TenantID]bool, error) {
	return each(customers, func(customer partner.TenantID) (bool, error) { return s.CoversSubscriptions(ctx, p, customer) })
}

// each asks about every customer, about some at once.
func each(customers []partner.TenantID, ask func(partner.TenantID) (bool, error)) (map[partner.TenantID]bool, error) {
	failures, found := make([]error, len(customers)), make([]bool, len(customers))
	var all sync.WaitGroup
	for lane := range min(lanes, len(customers)) {
		all.Go(func() {
			for n := lane; n < len(customers); n += lanes {
				found[n], failures[n] = ask(customers[n])
			}
		})
	}
	all.Wait()
	answers := map[partner.TenantID]bool{}
	for n, customer := range customers {
		answers[customer] = found[n]
	}
	return answers, errors.Join(failures...)
}

// Revise changes the terms: all of them until the customer is asked, and while it is active whether it extends by itself and, to fewer,
// the roles (domain, 0.46): narrowing needs no active partner (0.43). The command names the version that it changes. Replayed reports that
// the command's key had changed it before. Codes: [problem.RoleNotPermitted], [problem.PartnerNotActive], [problem.NotFound],
// [problem.PreconditionRequired] without a version, [problem.PreconditionFailed], those of a field, [problem.InvalidTransition].
func (s *Service) Revise(ctx context.Context, c command.Command, id string, t Proposal) (r Relationship, replayed bool, err error) {
	_, inactive := s.partner(ctx, c.User)
	if inactive != nil && !(problem.Is(inactive, problem.PartnerNotActive) && t.narrows()) {
		return Relationship{}, false, inactive
	}
	return s.change(ctx, c, id, action{names: []string{changed, narrowedTo}, versioned: true, do: func(r *Relationship, f *problem.Findings, e Entry) error {
		if r.Status == Active {
			return s.reviseActive(r, f, t, e)
		}
		if inactive != nil {
			return inactive
		}
		s.apply(f, r, t)
		switch {
		case len(*f) > 0:
			return nil
		case r.Status != Created:
			return problem.New(problem.InvalidTransition, "This relationship can no longer be changed.")
		case r.Invitation != "":
			return problem.New(problem.InvalidTransition, "An invitation asks for this: delete it, or cancel the invitation.")
		case t.IdentityConfirmed != nil:
			return problem.New(problem.InvalidTransition, "Nobody has approved this relationship yet.")
		}
		r.note(e)
		return nil
	}})
}

// reviseActive changes what the customer has approved: it can only become less, or go on as it is.
func (s *Service) reviseActive(r *Relationship, f *problem.Findings, t Proposal, e Entry) error {
	extended, narrowed := r.AutoExtend, false
	if t.Roles != nil {
		narrowed = r.narrow(f, *t.Roles, e)
		t.Roles = nil // they need not be in the table of today
	}
	s.apply(f, r, t)
	switch {
	case len(*f) > 0:
		return nil
	case t.beyond():
		return problem.New(problem.InvalidTransition,
			"Of an active relationship autoExtendDuration can be changed, and the roles can be made fewer; for more, the customer is asked anew.")
	case t.IdentityConfirmed != nil && r.IdentityCheck == "":
		return problem.New(problem.InvalidTransition, "Who has approved this relationship needs no confirmation.")
	case t.IdentityConfirmed != nil:
		r.IdentityCheck = relationship.Confirmed
	}
	if r.AutoExtend != extended {
		r.Reminded = 0 // what was said of its end no longer holds
		r.Post.Abandon(EndingNotice, CustomerEndingNotice)
	}
	if narrowed && r.AutoExtend == extended && t.IdentityConfirmed == nil {
		return nil
	}
	if narrowed {
		e.Key, e.Body = "", "" // the first entry has them
	}
	r.note(e)
	return nil
}

// Lock ends the partner's part: the terms stand, and the customer may approve for 90 days. Codes: [problem.RoleNotPermitted],
// [problem.PartnerNotActive], [problem.NotFound], [problem.PreconditionFailed], [problem.InvalidTransition].
func (s *Service) Lock(ctx context.Context, c command.Command, id string) (r Relationship, replayed bool, err error) {
	if _, err := s.partner(ctx, c.User); err != nil {
		return Relationship{}, false, err
	}
	return s.change(ctx, c, id, action{names: []string{string(Pending)}, do: func(r *Relationship, f *problem.Findings, e Entry) error {
		switch {
		case len(*f) > 0:
			return nil
		case r.Status != Created:
			return problem.New(problem.InvalidTransition, "The customer has already been asked.")
		}
		r.Status, r.ApproveBy = Pending, e.At.Add(ApprovalTime)
		r.note(e)
		return nil
	}})
}

// Addressee is to whom a request goes, and in which language. Nil means "as before", and at first the partner's language.
type Addressee struct{ RecipientEmail, Locale *string }

// Send mails the request to approve to somebody at the customer's, with a link of its own: one that was mailed before no longer works.
// Codes: [problem.RoleNotPermitted], [problem.PartnerNotActive], [problem.NotFound], [problem.PreconditionFailed];
// [problem.RecipientEmailRequired], those of an address, [problem.ValidationFailed]; [problem.InvalidTransition] unless the approval is
// waited for; those of [Quota].
func (s *Service) Send(ctx context.Context, c command.Command, id string, to Addressee) (r Relationship, replayed bool, err error) {
	account, err := s.partner(ctx, c.User)
	if err != nil {
		return Relationship{}, false, err
	}
	return s.change(ctx, c, id, action{names: []string{asked}, do: func(r *Relationship, f *problem.Findings, e Entry) error {
		before := r.Mail.To
		s.address(f, r, to, account)
		switch {
		case len(*f) > 0:
			return nil
		case r.Status != Pending:
			return problem.New(problem.InvalidTransition, "Only a relationship that is locked for approval, and waiting for it, can be sent.")
		case before != "":
			r.Generation++
		}
		if err := s.Quota.Allow(ctx, account, r.Mail.To, r.ID, r.Generation, e.At); err != nil {
			return err
		}
		r.Mail = Mail{To: r.Mail.To, Locale: r.Mail.Locale, LocaleAsked: r.Mail.LocaleAsked}
		r.note(e)
		r.Post.Enqueue(e.At, RequestNotice)
		return nil
	}})
}

func (s *Service) address(f *problem.Findings, r *Relationship, to Addressee, account partner.Account) {
	if r.Mail.Locale == "" {
		r.Mail.Locale = account.Locale
	}
	if to.Locale != nil {
		used, ok := locale.Choose(s.Locales, *to.Locale, account.Locale)
		if !ok {
			f.Add("/locale", problem.ValidationFailed, locale.Rule)
		}
		r.Mail.Locale, r.Mail.LocaleAsked = used, *to.Locale
	}
	switch {
	case to.RecipientEmail != nil:
		address, err := s.Addresses.Check(*to.RecipientEmail)
		if err != nil {
			add(f, "/recipientEmail", err)
		}
		r.Mail.To = address
	case r.Mail.To == "" && !slices.ContainsFunc(*f, func(x problem.Finding) bool { return x.Pointer == "/recipientEmail" }):
		f.Add("/recipientEmail", problem.RecipientEmailRequired, "Say who the request goes to.")
	}
}

// Terminate ends an active relationship, or withdraws a request that waits for its answer: its link then leads nowhere.
// What gives administration back, or no longer asks for it, needs no active partner (0.43). Codes:
// [problem.RoleNotPermitted], [problem.NotFound], [problem.PreconditionFailed], [problem.InvalidTransition].
func (s *Service) Terminate(ctx context.Context, c command.Command, id string) (r Relationship, replayed bool, err error) {
	if err := c.User.Permit(partner.AdministerGranularly); err != nil {
		return Relationship{}, false, err
	}
	return s.change(ctx, c, id, action{names: []string{terminationRequested}, do: func(r *Relationship, f *problem.Findings, e Entry) error {
		switch {
		case len(*f) > 0:
			return nil
		case r.Status == Pending:
			e.Why = Withdrawn
			r.withdraw(e)
			return nil
		case r.Status == Created:
			return problem.New(problem.InvalidTransition, "Nobody has been asked to approve this relationship: delete it.")
		case r.Status != Active:
			return problem.New(problem.InvalidTransition, "This relationship has ended already.")
		}
		r.terminate(e)
		return nil
	}})
}

func (r *Relationship) terminate(e Entry) {
	r.EndAt = e.At
	r.Post.Abandon(ReceiptNotice, NarrowedNotice, EndingNotice, CustomerEndingNotice)
	r.step(e, Terminated, terminationRequested, terminating, string(Terminated))
}

// withdraw ends a request that nobody has answered. The entry says in the last step alone why.
func (r *Relationship) withdraw(e Entry) {
	r.EndAt, r.Reason = e.At, Withdrawn
	r.Post.Abandon(RequestNotice)
	last := e
	e.Why = ""
	r.step(e, Terminated, terminationRequested, terminating)
	last.Action, last.Key, last.Body = string(Terminated), "", ""
	r.note(last)
}

// Cancelled gives the relationship after the operator has withdrawn an open request of its partner, and false when it
// is none (0.43). The entry says why.
func (r Relationship) Cancelled(e Entry) (Relationship, bool) {
	n := r.At(e.At)
	if n.Status != Pending {
		return r, false
	}
	n.Version++
	e.Actor = ByOperator
	n.withdraw(e)
	return n, true
}

// Delete takes a relationship back that nobody was asked to approve. The command names the version that it deletes. Codes:
// [problem.RoleNotPermitted], [problem.NotFound], [problem.PreconditionRequired], [problem.PreconditionFailed],
// [problem.InvalidTransition].
func (s *Service) Delete(ctx context.Context, c command.Command, id string) (replayed bool, err error) {
	if err := c.User.Permit(partner.AdministerGranularly); err != nil {
		return false, err
	}
	_, replayed, err = s.change(ctx, c, id, action{names: []string{string(Deleted)}, versioned: true, do: func(r *Relationship, f *problem.Findings, e Entry) error {
		switch {
		case len(*f) > 0:
			return nil
		case r.Status != Created:
			return problem.New(problem.InvalidTransition,
				"A relationship can be deleted only while nobody has been asked to approve it; a request that is open, or what is active, you terminate.")
		}
		r.Status, r.EndAt = Deleted, e.At
		r.note(e)
		return nil
	}})
	return replayed, err
}

// action is what a command does. Its entry has the first of the names; by one of them a repetition finds it.
type action struct {
	names     []string
	versioned bool // the version is a required condition
	// version returns the version that the condition is about, and of what, where that is not the relationship.
	version func(Relationship) (int, string, error)
	// replayed finds a repetition where the names alone do not.
	replayed func(r Relationship, now time.Time) (bool, error)
	do       func(r *Relationship, f *problem.Findings, e Entry) error
}

// change carries out an action once per Idempotency-Key, anew until nobody else was quicker.
func (s *Service) change(ctx context.Context, c command.Command, id string, a action) (r Relationship, replayed bool, err error) {
	err = command.Retry(func() (err error) {
		r, replayed, err = s.changeOnce(ctx, c, id, a)
		return err
	})
	if err != nil {
		return Relationship{}, false, err
	}
	return r, replayed, nil
}

// changeOnce checks in the order of the domain (2.5).
func (s *Service) changeOnce(ctx context.Context, c command.Command, id string, a action) (r Relationship, replayed bool, err error) {
	before, err := s.own(ctx, c.User, id)
	if err != nil {
		return Relationship{}, false, err
	}
	now := s.now()
	was, err := replays(c, now, before, a.names...)
	if a.replayed != nil {
		was, err = a.replayed(before.At(now), now)
	}
	if err != nil || was {
		return before.At(now), was, err
	}
	if before.Status == Deleted {
		return Relationship{}, false, missing()
	}
	after := before.At(now) // so that what time has done is written with it
	if err := a.expects(c, before.Version, after); err != nil {
		return Relationship{}, false, err
	}
	after.Version++
	f := slices.Clone(c.Findings)
	e := entryOf(c, now)
	e.Action = a.names[0]
	if err := a.do(&after, &f, e); err != nil {
		return Relationship{}, false, err
	}
	if err := f.Err(); err != nil {
		return Relationship{}, false, err
	}
	if err := s.occupy(ctx, Change{Before: &before, After: after}); err != nil {
		return Relationship{}, false, err
	}
	return after, false, nil
}

// expects checks the condition of a command on what it is about.
func (a action) expects(c command.Command, version int, r Relationship) (err error) {
	what := "relationship"
	if a.version != nil {
		if version, what, err = a.version(r); err != nil {
			return err
		}
	}
	if a.versioned {
		return c.Expects(version, what)
	}
	return c.Allows(version, what)
}

func unavailable(err error) error {
	if errors.Is(err, ErrConflict) {
		return &problem.Error{Code: problem.Unavailable, Detail: "Too many changes at once; try again.", RetryAfter: time.Second}
	}
	return err
}

// now gives the time as it is stored: in UTC, to the second.
func (s *Service) now() time.Time { return s.Now().UTC().Truncate(time.Second) }
