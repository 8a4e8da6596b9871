package invitation

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/language"

	"concord/internal/command"
	"concord/internal/commerce"
	"concord/internal/emailaddr"
	"concord/internal/granular"
	"concord/internal/locale"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/problem"
	"concord/internal/publicid"
	"concord/internal/recipient"
	"concord/internal/relationship"
)

// Service is what partners and customers do with invitations.
type Service struct {
	Store         Store
	Accounts      partner.Accounts
	Relationships relationship.Store
	Partnerships  partnership.Store
	// Recognition tells which company answers (domain, 0.30).
	Recognition relationship.Recognition
	// Slots finds what was asked of a company by the id that it had before it was claimed; nil where nobody creates
	// companies.
	Slots Slots
	// Granular and GranularRoles are for invitations that ask for granular administration as well.
	Granular      granular.Store
	GranularRoles granular.Table
	Regions       partner.Regions
	Clouds        partner.Clouds
	Addresses     emailaddr.Addresses
	// Locales are the languages that mails and pages are written in.
	Locales []language.Tag
	Limits  recipient.Limits
	Ledger  recipient.Ledger
	// Reputation is told what recipients report; nil for nobody.
	Reputation recipient.Reputation
	// Agreements has what can be signed with an acceptance; nil where nothing can. NeedsAgreement makes it a condition: policy
	// acceptanceNeedsAgreement (0.8).
	Agreements     *commerce.Signing
	NeedsAgreement bool
	// Evidence is for how long answers are kept with the names of who gave them (domain, 0.23); zero for seven years.
	Evidence time.Duration
	// AllowMessage lets partners say something in our mail (0.17).
	AllowMessage bool
	// SalesAgentsRequestPartnerships and AdminAgentsAcceptPartnerships turn the policies on that let them (domain, 0.1, 0.2).
	SalesAgentsRequestPartnerships, AdminAgentsAcceptPartnerships bool
	// DelegatedAdminNeedsAdminAgent keeps sales agents from requests for delegated administration (0.5).
	DelegatedAdminNeedsAdminAgent bool
	// AcceptingRoles may answer beside a Global admin where neither administration nor a signature is asked for (0.26).
	AcceptingRoles []partner.Role
	Now            func() time.Time
}

// task is a command with what its service makes of it.
type task struct {
	command.Command
	why   string // what the entry says of the reason
	words *Words // what the draft says from now on, empty to forget what was edited
	ends  bool   // the change only ends something, which a partner that is suspended may as well (0.43)
	scope string // what the key is for; empty for creating
	// granular is what a new invitation asks for beside its own; nil for nothing.
	granular *granular.Relationship
	mails    bool // the change asks for a mail
	// patient has a mail wait that may not go out now; it is not tried before from.
	patient bool
	from    time.Time
}

func (c task) entry(now time.Time, action string) Entry {
	return Entry{
		At: now, Action: action, By: c.User.Subject, CorrelationID: c.CorrelationID, Key: command.Fingerprint(c.Key), Body: c.Body, Why: c.why,
	}
}

// id is that of what the command makes for a day of its key.
func (c task) id(day string) string {
	return c.ID(publicid.Invitation, cmp.Or(c.scope, "invitation"), day)
}

// replays reports whether the invitation shows that the command was carried out before: the same key for the same
// action and body, within 24 hours. The same key with another body is [problem.IdempotencyKeyReused].
func (c task) replays(now time.Time, i Invitation, action string) (bool, error) {
	for _, e := range i.History {
		if e.Action != action {
			continue
		}
		if was, err := c.Replays(now, e.At, e.Key, e.Body); was || err != nil {
			return was, err
		}
	}
	return false, nil
}

// Proposal is what a partner wants to ask, before it was checked. Nil means "not said".
type Proposal struct {
	Kind             Kind
	RecipientEmail   *string
	RecipientName    *string
	CustomerTenantID *string
	ProviderTenantID *string // of a dual invitation
	// ActingRole is in which of its program roles the partner asks; it may stay unsaid where only one fits.
	ActingRole            *partner.ProgramRole
	RequestDelegatedAdmin *bool
	// Granular is granular administration that the same answer is to approve (domain, 0.28).
	Granular  *granular.Proposal
	Locale    *string
	Duration  *time.Duration
	Source    *string
	Message   *string
	Sandbox   *bool
	Reminders *bool
	Tags      map[string]string
	// BatchID is the batch of which the proposal is a row. No caller says it: the batch does.
	BatchID string
	// Mailed says that the mail is asked for at once: what can never be mailed is not made.
	Mailed bool
}

// Said is something that a proposal can say in one word or with yes or no, by its name in the API. Sheets, batches and their rows go
// by this list: what is added to it they can have, too.
type Said struct {
	Name string
	// One of the two is not nil.
	Text **string
	Flag **bool
}

// Said lists what the proposal can say, and where it does.
func (p *Proposal) Said() []Said {
	return []Said{
		{Name: "recipientEmail", Text: &p.RecipientEmail}, {Name: "recipientName", Text: &p.RecipientName},
		{Name: "customerTenantId", Text: &p.CustomerTenantID}, {Name: "providerTenantId", Text: &p.ProviderTenantID},
		{Name: "requestDelegatedAdmin", Flag: &p.RequestDelegatedAdmin}, {Name: "locale", Text: &p.Locale}, {Name: "source", Text: &p.Source},
		{Name: "message", Text: &p.Message}, {Name: "sandbox", Flag: &p.Sandbox}, {Name: "reminders", Flag: &p.Reminders},
	}
}

// Invite makes a draft (rules I3, I5, R1). Replayed reports that the command's key had made it before; the draft is then
// given as it is now.
//
// Codes: [problem.RoleNotPermitted], [problem.PartnerNotActive]; those of a field; [problem.DelegatedAdminRequired] (I15);
// [problem.RegionNotAllowed] (I16); [problem.SelfInvitation] (invariant 9); [problem.RelationshipExists] (invariant 3b);
// [problem.DuplicateOpenInvitation] with the open one as resource (invariant 1); [problem.IdempotencyKeyReused]; of a dual one
// [problem.PartnershipRequired] (invariant 4), of a partnership [problem.PartnershipExists]; of one that is mailed also [problem.RecipientEmailRequired], [problem.SendingPaused] and [problem.RecipientSuppressed].
func (s *Service) Invite(ctx context.Context, by command.Command, p Proposal) (inv Invitation, replayed bool, err error) {
	c := task{Command: by}
	account, inv, err := s.formed(ctx, &c, p)
	if problem.Is(err, problem.RoleNotPermitted) || problem.Is(err, problem.PartnerNotActive) {
		return Invitation{}, false, err
	}
	now := s.now()
	if err == nil {
		err = s.grounded(ctx, account, &inv, c.granular != nil)
	}
	if err == nil && p.Mailed {
		err = s.mailable(ctx, account, inv)
	}
	if err == nil {
		inv, replayed, err = s.create(ctx, c, inv, now)
	}
	return s.unlessMadeBefore(ctx, c, inv, replayed, err, now)
}

// unlessMadeBefore gives what a new invitation came to, and instead of a refusal what the same command had made before.
func (s *Service) unlessMadeBefore(ctx context.Context, c task, inv Invitation, replayed bool, err error, now time.Time) (Invitation, bool, error) {
	if err == nil {
		return inv, replayed, nil
	}
	// What stands in the way may be what the same command has made. Looking for that only now spares every new
	// invitation a read; a faulty request was faulty before.
	if c.Key != "" && problem.CodeOf(err) != problem.Internal && len(asFindings(err)) == 0 {
		if before, was, rerr := s.invitedBefore(ctx, c, now); rerr != nil || was {
			return before, was, rerr
		}
	}
	return Invitation{}, false, err
}

// create stores a checked draft under the id that the command's key gives.
func (s *Service) create(ctx context.Context, c task, inv Invitation, now time.Time) (made Invitation, replayed bool, err error) {
	inv.Status, inv.Generation, inv.Version = Draft, 1, 1
	inv.CreatedAt, inv.CreatedBy = now, c.User.Subject
	inv.ExpiresAt = now.Add(inv.Duration)
	inv.note(c.entry(now, "created"))

	days := c.Days(now)
	for range maxRounds {
		inv.ID = c.id(days[0])
		change := Change{After: inv}
		if c.granular != nil {
			made := c.granular.For(inv.ID, c.CorrelationID, now)
			inv.GranularID = made.ID
			change = Change{After: inv, Granular: &granular.Change{After: made}}
		}
		err = ErrConflict
		if len(days) != 2 { // the id of yesterday is looked for only
			err = s.occupy(ctx, change, now)
		}
		if !errors.Is(err, ErrConflict) {
			break
		}
		// The id is taken: by the same command, carried out at the same moment or before, or by a key of another day.
		before, was, rerr := s.replayOf(ctx, c, inv.Key, now)
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
		return Invitation{}, false, unavailable(err)
	}
	return inv, false, nil
}

// maxRounds bounds how often a decision is made anew after somebody else was quicker.
const maxRounds = 8

func unavailable(err error) error {
	if errors.Is(err, ErrConflict) {
		return command.Busy()
	}
	return err
}

// invitedBefore finds the invitation that the command's key made within its 24 hours.
func (s *Service) invitedBefore(ctx context.Context, c task, now time.Time) (Invitation, bool, error) {
	for _, day := range c.Days(now) {
		inv, was, err := s.replayOf(ctx, c, Key{c.User.Tenant, c.id(day)}, now)
		if problem.Is(err, problem.NotFound) {
			if day == "" {
				break // the key was never used
			}
			continue
		}
		if err != nil || was {
			return inv, was, err
		}
	}
	return Invitation{}, false, nil
}

func (s *Service) replayOf(ctx context.Context, c task, k Key, now time.Time) (Invitation, bool, error) {
	inv, err := s.Store.Invitation(ctx, k, true)
	if err != nil {
		return Invitation{}, false, err
	}
	was, err := c.replays(now, inv, "created")
	return inv, was, err
}

// occupy writes a change that takes a slot. A holder that has ended is displaced; one that is open is the duplicate.
func (s *Service) occupy(ctx context.Context, ch Change, now time.Time) error {
	for range maxRounds {
		err := s.Store.Write(ctx, ch)
		if named, ok := errors.AsType[*granular.SlotTaken](err); ok {
			if err := s.displaceName(ctx, ch.Granular, named.By); err != nil {
				return err
			}
			continue
		}
		taken, ok := errors.AsType[*SlotTaken](err)
		if !ok {
			return err
		}
		holder, err := s.Store.Invitation(ctx, Key{ch.After.Inviter, taken.By}, true)
		if err != nil && !problem.Is(err, problem.NotFound) {
			return err
		}
		if err == nil && holder.StatusAt(now).Open() && holder.Slot() == ch.After.Slot() {
			return duplicates(holder)
		}
		if err != nil {
			holder = Invitation{Key: Key{ch.After.Inviter, taken.By}, Status: Cancelled}
		}
		ch.Displaced = &holder
	}
	return ErrConflict
}

// displaceName looks at who holds the name of granular administration, and displaces it where that has the name no longer.
func (s *Service) displaceName(ctx context.Context, ch *granular.Change, by string) error {
	holder, err := s.Granular.GranularRelationship(ctx, granular.Key{Partner: ch.After.Partner, ID: by}, true)
	switch {
	case problem.Is(err, problem.NotFound):
		holder = granular.Relationship{Key: granular.Key{Partner: ch.After.Partner, ID: by}, Status: granular.Deleted}
	case err != nil:
		return err
	case holder.Status != granular.Deleted && holder.Slot() == ch.After.Slot():
		var f problem.Findings
		f.Add("/granularAdmin/displayName", problem.ValidationFailed, "You already have another relationship with this name.")
		return f.Err()
	}
	ch.Displaced = &holder
	return nil
}

// inviter gives the account of a user who may invite, and checks that it is active.
func (s *Service) inviter(ctx context.Context, u partner.User) (partner.Account, error) {
	account, err := s.account(ctx, u)
	if err == nil && account.Status != partner.Active {
		return partner.Account{}, partner.NotActive()
	}
	return account, err
}

// account gives the account of a user whose role lets it invite.
func (s *Service) account(ctx context.Context, u partner.User) (partner.Account, error) {
	if err := u.Permit(partner.InviteCustomers); err != nil {
		return partner.Account{}, err
	}
	account, err := s.Accounts.Account(ctx, u.Tenant, false)
	if problem.Is(err, problem.NotFound) {
		return partner.Account{}, partner.NoAccount()
	}
	return account, err
}

// draft checks a proposal field by field and fills in what was not said.
func (s *Service) draft(account partner.Account, c task, p Proposal) (Invitation, *granular.Relationship, error) {
	f := slices.Clone(c.Findings)
	inv := Invitation{
		Key: Key{Inviter: account.Tenant}, Kind: p.Kind, Cloud: account.Cloud, Locale: account.Locale,
		Reminders: true, Duration: DefaultDuration, BatchID: p.BatchID,
	}
	k := kinds[p.Kind]
	if !k.known() {
		f.Add("/kind", problem.ValidationFailed, "The kind must be %s.", problem.Or(Kinds))
	}
	cloud, err := s.Clouds.Cloud(account.Cloud)
	if err != nil {
		f = append(f, problem.Finding{Code: problem.CloudMismatch, Detail: "The cloud of your account is not served here."})
	}
	inv.Sandbox = p.Sandbox != nil && *p.Sandbox
	s.recipient(&f, &inv, p.RecipientEmail, p.RecipientName)
	if p.Mailed && p.RecipientEmail == nil && !slices.ContainsFunc(f, func(x problem.Finding) bool { return x.Pointer == "/recipientEmail" }) {
		f.Add("/recipientEmail", problem.RecipientEmailRequired, "An invitation that we email needs a recipient: give recipientEmail.")
	}
	s.message(&f, &inv, p.Message)
	whom(&f, &inv, p.CustomerTenantID)
	if k.known() {
		inv.ActingRole = account.Acting(&f, p.ActingRole, k.as...)
	}
	s.tiers(&f, account, &inv, p)
	inv.RequestDelegatedAdmin = k.asksFor(&f, p.RequestDelegatedAdmin, err == nil && !cloud.AdministrationOptional)
	s.terms(&f, &inv, account.Locale, p.Locale, p.Duration, p.Reminders)
	if p.Source != nil {
		inv.Source = plain(&f, "/source", *p.Source, MaxSource)
	}
	inv.Tags = tags(&f, p.Tags)
	var asked *granular.Relationship
	if p.Granular != nil {
		if k.partners {
			f.Add("/granularAdmin", problem.ValidationFailed, "A partnership cannot ask for granular administration.")
		}
		if inv.Sandbox {
			f.Add("/granularAdmin", problem.ValidationFailed, "With `sandbox: true` nothing is given, so no roles can be asked for.")
		}
		asked = new(granular.Beside(s.GranularRoles, account, c.User, inv.Customer, *p.Granular, &f, "/granularAdmin"))
	}
	return inv, asked, f.Err()
}

// whom takes the tenant of who is asked; nil for nobody in particular.
func whom(f *problem.Findings, inv *Invitation, id *string) {
	if id == nil {
		return
	}
	tenant, ok := partner.ParseTenantID(*id)
	switch {
	case !ok:
		f.Add("/customerTenantId", problem.ValidationFailed, "A tenant id must be a UUID, such as 1a2c0000-0000-4000-8000-000000000011.")
	case tenant == inv.Inviter:
		f.Add("/customerTenantId", problem.SelfInvitation, "A partner cannot invite itself.")
	default:
		inv.Customer, inv.Bound = tenant, true
	}
}

// tags takes the partner's own labels, and gives a copy.
func tags(f *problem.Findings, said map[string]string) map[string]string {
	if len(said) > MaxTags {
		f.Add("/tags", problem.ValidationFailed, "There can be at most %d tags.", MaxTags)
	}
	for _, k := range slices.Sorted(maps.Keys(said)) {
		at := "/tags/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(k)
		plain(f, at, k, MaxTag)
		plain(f, at, said[k], MaxTag)
	}
	return maps.Clone(said)
}

func (s *Service) recipient(f *problem.Findings, inv *Invitation, email, name *string) {
	if email != nil {
		address, err := s.Addresses.Check(*email)
		switch {
		case err != nil:
			add(f, "/recipientEmail", err)
		case inv.Sandbox && !emailaddr.Simulated(address):
			f.Add("/recipientEmail", problem.EmailInvalid, "With sandbox: true, recipientEmail is an address of the SES mailbox simulator, such as success@simulator.amazonses.com.")
		case !inv.Sandbox && emailaddr.Simulated(address) && !s.Addresses.AllowReserved:
			f.Add("/recipientEmail", problem.EmailInvalid, "An address of the SES mailbox simulator needs sandbox: true.")
		}
		inv.RecipientEmail = address
	}
	if name != nil {
		n, err := emailaddr.Addressee(*name)
		if err != nil {
			add(f, "/recipientName", err)
		}
		inv.RecipientName = n
	}
}

// message takes the partner's words for our mail where the deployment allows any (0.17).
func (s *Service) message(f *problem.Findings, inv *Invitation, message *string) {
	switch {
	case message == nil:
	case !s.AllowMessage:
		f.Add("/message", problem.ValidationFailed, "This deployment does not send partner messages. Leave out message.")
	default:
		m, err := emailaddr.Note(*message)
		if err != nil {
			add(f, "/message", err)
		}
		inv.Message = m
	}
}

func (s *Service) terms(f *problem.Findings, inv *Invitation, account string, tag *string, duration *time.Duration, reminders *bool) {
	if tag != nil {
		used, ok := locale.Choose(s.Locales, *tag, account)
		if !ok {
			f.Add("/locale", problem.ValidationFailed, locale.Rule)
		}
		inv.Locale, inv.LocaleAsked = used, *tag
	}
	if duration != nil {
		inv.Duration = *duration
		if *duration < MinDuration || *duration > MaxDuration {
			f.Add("/expiresIn", problem.ValidationFailed, "An invitation can be open for P1D to P90D.")
		}
	}
	inv.Reminders = *cmp.Or(reminders, &inv.Reminders)
}

func add(f *problem.Findings, pointer string, err error) {
	if p, ok := errors.AsType[*problem.Error](err); ok {
		f.Add(pointer, p.Code, "%s", p.Detail)
	}
}

// plain checks text that is kept for the partner and never shown to a customer.
func plain(f *problem.Findings, pointer, s string, limit int) string {
	if !emailaddr.Line(s, limit) {
		f.Add(pointer, problem.ValidationFailed, emailaddr.LineRule, limit)
	}
	return s
}

// resellerTarget is [Service.target] for a request of one partner alone.
func (s *Service) resellerTarget(ctx context.Context, account partner.Account, inv *Invitation) error {
	if !inv.Bound {
		return nil
	}
	rel, err := s.standing(ctx, inv.Inviter, inv.Customer)
	if err != nil {
		return err
	}
	if rel == nil {
		return s.named(ctx, inv)
	}
	inv.Customer = rel.Customer.Tenant // by whichever id it was named
	if inv.Orderer, err = s.orderer(ctx, account.As(inv.ActingRole), *rel); err != nil {
		return err
	}
	if err := s.Regions.Check(account.Country, rel.Customer.Country); err != nil {
		return err
	}
	inv.RegionTable = s.Regions.Version
	if has(rel, inv.RequestDelegatedAdmin, inv.ActingRole) {
		return errStands
	}
	return nil
}

// orderer gives the provider that orders for the customer of an indirect reseller: the one that made the relationship with it, while it has one
// itself (0.33). Empty for none, and for who orders itself.
func (s *Service) orderer(ctx context.Context, account partner.Account, own relationship.Relationship) (partner.TenantID, error) {
	if account.Role != partner.IndirectReseller || own.Via == "" || own.Status != relationship.Active {
		return "", nil
	}
	theirs, err := s.standing(ctx, own.Via, own.Customer.Tenant)
	if err != nil || theirs == nil || theirs.Status != relationship.Active {
		return "", err
	}
	return own.Via, nil
}

// ordered looks again at who orders, once it is known which customer answers. Standing are the relationships of [Letter.receivers]; nil
// where there is none, or where nobody has looked.
func (s *Service) ordered(ctx context.Context, t *Letter, b backdrop, standing []*relationship.Relationship, strong bool) (err error) {
	if k := t.Invitation.Kind; k.AsksPartner() || k.NamesProvider() || t.Invitation.Sandbox {
		return nil
	}
	own := standing[0]
	if row, claimed := b.identity.Row(t.Inviter.Tenant); claimed && row.Before != nil {
		own = row.Before
	}
	if own == nil {
		return nil
	}
	now := Letter{}
	if now.Invitation.Orderer, err = s.orderer(ctx, t.Inviter, *own); err != nil || now.Invitation.Orderer == t.Invitation.Orderer {
		return err
	}
	err = now.Ordering(ctx, s.Accounts, strong)
	t.Orderer = now.Orderer
	return err
}

// named has a request name its company, with which nothing stands, by the one id under which the company would be its partner's customer:
// whoever is asked once by its tenant and once by a record that the tenant has claimed is asked twice (invariant 1; domain, 0.30). Whoever is
// asked to be a reseller is its tenant. Code: [problem.SelfInvitation] for a record of the partner's own company.
func (s *Service) named(ctx context.Context, inv *Invitation) error {
	if s.Recognition.Companies == nil { // nobody creates companies
		return nil
	}
	claims, claimed, err := relationship.ClaimsOf(ctx, s.Recognition.Companies, inv.Customer)
	switch {
	case err != nil || !claimed:
		return err
	case claims.Tenant == inv.Inviter || claims.Tenant == inv.Provider:
		var f problem.Findings
		f.Add("/customerTenantId", problem.SelfInvitation, "This is a record of your own company, or of your provider.")
		return f.Err()
	case inv.Kind.AsksPartner():
		inv.Customer = claims.Tenant
	default:
		inv.Customer = claims.Home
	}
	return nil
}

// askedBefore refuses a request for a company that is kept under another id than it was named by, where an open one
// that was made before the company was claimed asks by that for the same: that one keeps the slot of its time
// (invariant 1; domain, 0.30).
func (s *Service) askedBefore(ctx context.Context, inv Invitation, named partner.TenantID, now time.Time) error {
	if s.Slots == nil || !inv.Bound || named == inv.Customer {
		return nil
	}
	inv.Customer = named
	by, err := s.Slots.Occupant(ctx, inv.Inviter, inv.Slot())
	if err != nil || by == "" {
		return err
	}
	holder, err := s.Store.Invitation(ctx, Key{inv.Inviter, by}, true)
	if err == nil && holder.StatusAt(now).Open() && holder.Slot() == inv.Slot() {
		return duplicates(holder)
	}
	return ignoreMissing(err)
}

// duplicates says that an open request asks for the same.
func duplicates(holder Invitation) error {
	return &problem.Error{
		Code: problem.DuplicateOpenInvitation, Resource: holder.ID, Detail: "An open invitation already asks this recipient for the same.",
	}
}

// Invitation gives one of the partner's own invitations. Codes: [problem.RoleNotPermitted], [problem.NotFound].
func (s *Service) Invitation(ctx context.Context, u partner.User, id string) (Invitation, error) {
	if err := u.Permit(partner.ReadCustomers); err != nil {
		return Invitation{}, err
	}
	return s.own(ctx, u, id, true)
}

// own reads one of the user's company's invitations. What cannot be an id is not looked for.
func (s *Service) own(ctx context.Context, u partner.User, id string, strong bool) (Invitation, error) {
	if !publicid.Is("inv_", id) {
		return Invitation{}, problem.New(problem.NotFound, "There is no such invitation.")
	}
	return s.Store.Invitation(ctx, Key{u.Tenant, id}, strong)
}

// Invitations gives a page of the partner's own invitations. Code: [problem.RoleNotPermitted].
func (s *Service) Invitations(ctx context.Context, u partner.User, q Query) (Page, error) {
	if err := u.Permit(partner.ReadCustomers); err != nil {
		return Page{}, err
	}
	q.Now = s.now()
	return s.Store.Invitations(ctx, u.Tenant, q)
}

// Letter gives what the mail and the draft of an invitation say. Codes: [problem.RoleNotPermitted], [problem.NotFound], and
// those of an ended invitation, which has no draft any more.
func (s *Service) Letter(ctx context.Context, u partner.User, id string) (Letter, error) {
	inv, err := s.Invitation(ctx, u, id)
	if err != nil {
		return Letter{}, err
	}
	if err := inv.StatusAt(s.now()).ended(); err != nil {
		return Letter{}, err
	}
	l, err := s.LetterOf(ctx, inv, false)
	if err == nil && inv.GranularID != "" { // its roles are named
		l.Granular, err = s.beside(ctx, inv, false)
	}
	return l, err
}

// Revision is what may be changed of a draft, and of what is done and not mailed by us (0.41). Nil leaves a field as it is.
type Revision struct {
	RecipientEmail *string
	RecipientName  *string
	Locale         *string
	Duration       *time.Duration
	Reminders      *bool
}

// Revise changes a draft, or what is done and not mailed by us. The command names the version that it changes. Replayed reports that the command's key had
// changed it before. Codes: [problem.RoleNotPermitted], [problem.PartnerNotActive], [problem.NotFound],
// [problem.PreconditionRequired] without a version, [problem.PreconditionFailed], those of a field,
// [problem.DuplicateOpenInvitation], those of an ended invitation, [problem.InvalidTransition] for one that we were asked to mail.
func (s *Service) Revise(ctx context.Context, by command.Command, id string, r Revision) (inv Invitation, replayed bool, err error) {
	c := task{Command: by}
	// What nothing is written in falls back to the partner's language (0.39); whoever may not change it is refused below.
	own := ""
	if r.Locale != nil {
		if _, known, _ := locale.Negotiate(*r.Locale); !known {
			account, err := s.Accounts.Account(ctx, c.User.Tenant, false)
			if err != nil && !problem.Is(err, problem.NotFound) {
				return Invitation{}, false, err
			}
			own = account.Locale
		}
	}
	return s.post(ctx, c, id, revised, func(inv *Invitation, now time.Time) error {
		f := slices.Clone(c.Findings)
		s.recipient(&f, inv, r.RecipientEmail, r.RecipientName)
		if r.RecipientEmail != nil {
			inv.Moot = nil // it may be another company
		}
		s.terms(&f, inv, own, r.Locale, r.Duration, r.Reminders)
		if r.Duration != nil {
			inv.ExpiresAt = now.Add(inv.Duration) // from now, so that a shorter time does not end an older draft
		}
		if len(f) == 0 && !inv.Malleable() {
			return errMailed
		}
		return f.Err()
	})
}

// revised is the action of which the version is a required condition.
const revised = "changed"

// Send asks for the mail of a draft. Replayed reports that the command's key had asked before. Codes:
// [problem.RoleNotPermitted], [problem.PartnerNotActive], [problem.NotFound], [problem.RecipientEmailRequired] (X-g), those of
// an ended invitation, [problem.InvalidTransition] when the mail was asked for before: then it is resent; [problem.RelationshipExists] or
// [problem.PartnershipExists] for one that is moot;
// [problem.DraftEdited] (0.17); the limits of [Service.reserve].
func (s *Service) Send(ctx context.Context, by command.Command, id string) (inv Invitation, replayed bool, err error) {
	return s.send(ctx, task{Command: by}, id)
}

func (s *Service) send(ctx context.Context, c task, id string) (Invitation, bool, error) {
	c.mails = true
	return s.post(ctx, c, id, "sent", func(inv *Invitation, now time.Time) error {
		if err := c.Findings.Err(); err != nil {
			return err
		}
		if inv.Status != Draft && inv.mailed() {
			return problem.New(problem.InvalidTransition, "The email was asked for before: send it again with POST …/resend.")
		}
		return inv.mailAgain(now)
	})
}

// SendWhenAllowed is [Service.Send] for who can wait: where a limit of mails stands against it now, the mail is asked for as soon
// as it does not, at the earliest at from, and its room in the quota of that day is taken. What stands against it for good is refused, and so is
// a mail that would wait for longer than [MaxWait].
func (s *Service) SendWhenAllowed(ctx context.Context, by command.Command, id string, from time.Time) (inv Invitation, replayed bool, err error) {
	return s.send(ctx, task{Command: by, patient: true, from: from}, id)
}

// Resend asks for the mail once more, with a new link; the older one no longer works (G2). Codes: those of [Service.Send];
// [problem.InvalidTransition] for one that we were not asked to mail yet.
func (s *Service) Resend(ctx context.Context, by command.Command, id string) (inv Invitation, replayed bool, err error) {
	c := task{Command: by}
	c.mails = true
	return s.post(ctx, c, id, "resent", func(inv *Invitation, now time.Time) error {
		if err := c.Findings.Err(); err != nil {
			return err
		}
		if inv.Status != Pending || !inv.mailed() {
			return problem.New(problem.InvalidTransition, "The first email is asked for with POST …/send.")
		}
		inv.Generation++
		return inv.mailAgain(now)
	})
}

func (i *Invitation) mailAgain(now time.Time) error {
	if i.RecipientEmail == "" {
		return problem.New(problem.RecipientEmailRequired, "The invitation has no recipient: add recipientEmail with PATCH first.")
	}
	if i.Edited {
		return problem.New(problem.DraftEdited, "Our email is always the template: reset the draft with POST …/draft/reset, or email it yourself and say so with POST …/done.")
	}
	i.Status = Pending
	i.queue(now)
	return nil
}

// mailed reports whether we were ever asked to mail the invitation. One that is done, the partner mails.
func (i Invitation) mailed() bool { return i.Mail.State != outbox.None || !i.Mail.SentAt.IsZero() }

// Cancel ends an open invitation; its link then leads nowhere. A partner that is suspended may do so too (0.43). Replayed reports that the
// command's key had ended it. Codes: [problem.RoleNotPermitted], [problem.NotFound], those of an ended invitation.
func (s *Service) Cancel(ctx context.Context, by command.Command, id, reason string) (inv Invitation, replayed bool, err error) {
	c := task{Command: by}
	c.why, c.ends = reason, true
	return s.post(ctx, c, id, "cancelled", func(inv *Invitation, now time.Time) error {
		f := slices.Clone(c.Findings)
		if reason != "" {
			plain(&f, "/reason", reason, MaxReason)
		}
		inv.Generation++
		inv.end(now, Cancelled, Unanswered)
		return f.Err()
	})
}

// post carries out an action once per Idempotency-Key.
func (s *Service) post(ctx context.Context, c task, id, action string, do func(*Invitation, time.Time) error) (inv Invitation, replayed bool, err error) {
	inv, err = s.change(ctx, c, id, action, do)
	if errors.Is(err, errReplayed) {
		return inv, true, nil
	}
	return inv, false, err
}

// errReplayed ends a change that was made before.
var errReplayed = errors.New("invitation: replayed")

// change reads, decides and writes until nobody else was quicker. The first reading may be a second old, which the write's
// condition finds out, and costs half; a refusal rests on a strong one only.
func (s *Service) change(ctx context.Context, c task, id, action string, do func(*Invitation, time.Time) error) (Invitation, error) {
	find := s.inviter
	if c.ends {
		find = s.account
	}
	account, err := find(ctx, c.User)
	if err != nil {
		return Invitation{}, err
	}
	inv, err := s.changeOnce(ctx, c, account, id, action, do, false)
	for round := 1; err != nil && (round == 1 || errors.Is(err, ErrConflict) && round < maxRounds); round++ {
		inv, err = s.changeOnce(ctx, c, account, id, action, do, true)
	}
	return inv, unavailable(err)
}

// changeOnce checks in the order of the domain (2.5).
func (s *Service) changeOnce(ctx context.Context, c task, account partner.Account, id, action string, do func(*Invitation, time.Time) error, strong bool) (Invitation, error) {
	before, err := s.own(ctx, c.User, id, strong)
	if err == nil {
		err = s.mayAsk(c.User, before.Kind, before.RequestDelegatedAdmin)
	}
	if err != nil {
		return Invitation{}, err
	}
	now := s.now()
	if was, err := c.replays(now, before, action); err != nil {
		return Invitation{}, err
	} else if was {
		return before, errReplayed
	}
	expects := c.Allows
	if action == revised || action == edited {
		expects = c.Expects
	}
	if err := expects(before.Version, "invitation"); err != nil {
		return Invitation{}, err
	}
	if c.Generation != 0 && c.Generation != before.Generation {
		return Invitation{}, command.Outdated("invitation")
	}
	ended := before.StatusAt(now).ended()
	after := before.next()
	// Fields are looked at first: 422 comes before 409.
	if err := do(&after, now); err != nil && (ended == nil || len(asFindings(err)) > 0) {
		return Invitation{}, err
	}
	if ended != nil {
		return Invitation{}, ended
	}
	if c.mails {
		if err := s.revive(ctx, account, &after); err != nil {
			return Invitation{}, err
		}
		at, err := s.slotFor(ctx, c, account, after, now)
		if err != nil {
			return Invitation{}, err
		}
		if at.After(now) {
			after.Mail.State, after.Mail.At, after.Mail.Reason = outbox.Waiting, at, "quota"
		}
	}
	after.note(c.entry(now, action))
	words := c.words
	if words != nil && *words == (Words{}) && !before.Edited {
		words = nil // there is nothing to forget
	}
	if err := s.occupy(ctx, Change{Before: &before, After: after, Words: words}, now); err != nil {
		return Invitation{}, err
	}
	return after, nil
}

func asFindings(err error) []problem.Finding {
	if p, ok := errors.AsType[*problem.Error](err); ok {
		return p.Findings
	}
	return nil
}

// now gives the time as it is stored: in UTC, to the second.
func (s *Service) now() time.Time { return s.Now().UTC().Truncate(time.Second) }
