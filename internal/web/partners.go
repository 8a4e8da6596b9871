package web

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/recipient"
	"concord/internal/registry"
)

// OperatorAPI is what the platform's operator works with: the accounts of partners, what is said against their mails, and the addresses that
// get none.
type OperatorAPI struct {
	Registry     *registry.Service
	Reputation   registry.Reputation
	Suppressions recipient.SuppressionRemoval
	Clearing     invitation.Clearing
	Limits       recipient.Limits // how many mails a partner may send
	Regions      partner.Regions
}

// maxSearch bounds what a list is searched for, in bytes.
const maxSearch = 100

type partnerDocument struct {
	TenantID            partner.TenantID      `json:"tenantId"`
	DisplayName         string                `json:"displayName"`
	ProgramRole         partner.ProgramRole   `json:"programRole"`
	ProgramRoles        []partner.ProgramRole `json:"programRoles"`
	Status              partner.ProgramStatus `json:"status"`
	Cloud               partner.CloudID       `json:"cloud"`
	Country             string                `json:"country"`
	Market              string                `json:"market"`
	PartnerIDs          []partnerIDDocument   `json:"partnerIds"`
	AssociatedPartnerID string                `json:"associatedPartnerId,omitempty"`
	MPA                 *mpaDocument          `json:"mpa,omitempty"`
	Contact             contactDocument       `json:"contact"`
	SupportProfile      *supportDocument      `json:"supportProfile,omitempty"`
	VerifiedDomain      string                `json:"verifiedDomain"`
	Locale              string                `json:"locale"`
	ListedInDirectory   bool                  `json:"listedInDirectory"`
	AcceptanceMails     string                `json:"acceptanceMails"`
	DailyMails          int                   `json:"dailyMails"`
	Sending             partner.Sending       `json:"sending"`
	Pause               *pauseDocument        `json:"pause,omitempty"`
	CreatedAt           time.Time             `json:"createdAt"`
	Quota               *quotaDocument        `json:"quota,omitempty"`
	Reputation          *reputationDocument   `json:"reputation,omitempty"`
	History             []changeDocument      `json:"history,omitempty"`
	Version             int                   `json:"version"`
}

type partnerIDDocument struct {
	PartnerID            string `json:"partnerId"`
	Type                 string `json:"type"`
	Country              string `json:"country"`
	IsOnboardingLocation bool   `json:"isOnboardingLocation"`
}

type mpaDocument struct {
	SignedAt time.Time `json:"signedAt"`
	SignedBy string    `json:"signedBy"`
	Version  string    `json:"version"`
}

type contactDocument struct {
	Email   string `json:"email"`
	Phone   string `json:"phone,omitempty"`
	Website string `json:"website,omitempty"`
}

type supportDocument struct {
	Email string `json:"email"`
	Phone string `json:"phone,omitempty"`
	Name  string `json:"name,omitempty"`
}

// supportOf gives whom customers ask for help, nil until the partner has said it.
func supportOf(p partner.SupportProfile) *supportDocument {
	if p == (partner.SupportProfile{}) {
		return nil
	}
	return &supportDocument{p.Email, p.Phone, p.Name}
}

type pauseDocument struct {
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
}

// quotaDocument is how many mails a partner may still send on a day of UTC.
type quotaDocument struct {
	PerDay   int       `json:"perDay"`
	Used     int       `json:"used"`
	Left     int       `json:"left"`
	ResetsAt time.Time `json:"resetsAt"`
}

type reputationDocument struct {
	From       time.Time `json:"from"`
	Mails      int       `json:"mails"`
	Complaints int       `json:"complaints"`
	Bounces    int       `json:"bounces"`
}

// changeDocument is a line of an account's history. The line of its creation names nothing that changed.
type changeDocument struct {
	At            time.Time `json:"at"`
	Changed       []string  `json:"changed"`
	By            string    `json:"by"`
	CorrelationID string    `json:"correlationId,omitempty"`
	Reason        string    `json:"reason,omitempty"`
}

// row gives an account as it stands in lists.
func (d OperatorAPI) row(a partner.Account) partnerDocument {
	p := partnerDocument{
		TenantID: a.Tenant, DisplayName: a.DisplayName, ProgramRole: a.Role, ProgramRoles: a.Roles(), Status: a.Status, Cloud: a.Cloud, Country: a.Country, Market: d.Regions.Market(a.Country),
		PartnerIDs: []partnerIDDocument{}, AssociatedPartnerID: a.AssociatedPartnerID, Contact: contactDocument(a.Contact),
		SupportProfile: supportOf(a.Support), VerifiedDomain: a.VerifiedDomain,
		Locale: a.Locale, ListedInDirectory: a.ListedInDirectory, AcceptanceMails: a.AcceptanceMails(), DailyMails: a.DailyMails, Sending: a.Sending(), CreatedAt: a.CreatedAt.UTC(), Version: a.Version,
	}
	for _, id := range a.PartnerIDs {
		p.PartnerIDs = append(p.PartnerIDs, partnerIDDocument{id.ID, id.Type, id.Country, id.OnboardingLocation})
	}
	if a.MPA != nil {
		p.MPA = &mpaDocument{a.MPA.SignedAt.UTC(), a.MPA.SignedBy, a.MPA.Version}
	}
	if a.Paused != nil {
		p.Pause = &pauseDocument{a.Paused.At.UTC(), a.Paused.Reason}
	}
	return p
}

// document gives an account with its history.
func (d OperatorAPI) document(a partner.Account) partnerDocument {
	p := d.row(a)
	p.History = changes(a.History)
	return p
}

// changes gives the lines of what the operator changed.
func changes(history []partner.Entry) (lines []changeDocument) {
	for _, e := range history {
		line := changeDocument{e.At.UTC(), e.Changed, e.By, e.CorrelationID, e.Why}
		if line.Changed == nil {
			line.Changed = []string{}
		}
		lines = append(lines, line)
	}
	return lines
}

func (d OperatorAPI) create(c *call) error {
	b, cmd, err := c.change(true, false)
	if err != nil {
		return err
	}
	founding := registry.Founding{Tenant: b.text("tenantId"), Country: b.text("country")}
	if v := b.text("programRole"); v != nil {
		founding.Role = new(partner.ProgramRole(*v))
	}
	if v := b.text("cloud"); v != nil {
		founding.Cloud = new(partner.CloudID(*v))
	}
	p := particulars(b)
	cmd.Findings = b.end()
	a, replayed, err := d.Registry.Create(c.r.Context(), cmd, founding, p)
	if err != nil {
		return err
	}
	c.w.Header().Set("Location", "/v1/partners/"+string(a.Tenant))
	return d.done(c, http.StatusCreated, a, replayed)
}

// particulars takes what can be said of an account at any time out of a body.
func particulars(b *body) registry.Particulars {
	p := registry.Particulars{
		DisplayName: b.text("displayName"), VerifiedDomain: b.text("verifiedDomain"), Locale: b.text("locale"), AssociatedPartnerID: b.text("associatedPartnerId"),
		ListedInDirectory: b.flag("listedInDirectory"), DailyMails: take[int](b, "dailyMails", "a whole number"), Why: b.text("reason"),
	}
	if v := b.text("status"); v != nil {
		p.Status = new(partner.ProgramStatus(*v))
	}
	if g := b.group("contact"); g != nil {
		p.Contact = &partner.Contact{Email: said(g.text("email")), Phone: said(g.text("phone")), Website: said(g.text("website"))}
		b.join("/contact", g)
	}
	if list := take[[]json.RawMessage](b, "partnerIds", "a list"); list != nil {
		ids := make([]partner.PartnerID, 0, len(*list))
		for n, raw := range *list {
			pointer := "/partnerIds/" + strconv.Itoa(n)
			var g body
			if json.Unmarshal(raw, &g.members) != nil || g.members == nil {
				b.findings.Add(pointer, problem.ValidationFailed, "This must be an object.")
				continue
			}
			id := partner.PartnerID{ID: said(g.text("partnerId")), Type: said(g.text("type")), Country: said(g.text("country"))}
			if f := g.flag("isOnboardingLocation"); f != nil {
				id.OnboardingLocation = *f
			}
			b.join(pointer, &g)
			ids = append(ids, id)
		}
		p.PartnerIDs = &ids
	}
	return p
}

func said(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (d OperatorAPI) done(c *call, status int, a partner.Account, replayed bool) error {
	if replayed {
		c.w.Header().Set("Idempotency-Replayed", "true")
	}
	return c.tagged(status, a.Version, d.document(a))
}

func (d OperatorAPI) list(c *call) error {
	l, err := c.list("status", "programRole", "sending", "search")
	if err != nil {
		return err
	}
	q := registry.Query{
		Status:  oneOf(l, "status", partner.Pending, partner.Active, partner.Suspended, partner.Rejected),
		Role:    oneOf(l, "programRole", partner.DirectBill, partner.IndirectProvider, partner.IndirectReseller),
		Sending: oneOf(l, "sending", partner.SendingActive, partner.SendingPaused), Limit: l.Limit, After: l.After,
		Text: l.text("search", maxSearch),
	}
	if l.err != nil {
		return l.err
	}
	found, err := d.Registry.Accounts(c.r.Context(), c.user(), q)
	if err != nil {
		return err
	}
	answer := page[partnerDocument]{Items: []partnerDocument{}}
	for _, a := range found.Accounts {
		answer.Items = append(answer.Items, d.row(a))
	}
	if answer.NextCursor, err = c.gate.seal(c.r.Context(), l.binding, found.Next); err != nil {
		return err
	}
	return c.give(http.StatusOK, answer)
}

func (d OperatorAPI) read(c *call) error {
	a, err := d.Registry.Account(c.r.Context(), c.user(), c.r.PathValue("tenantId"))
	if err != nil {
		return err
	}
	s, err := d.Reputation.Score(c.r.Context(), a)
	if err != nil {
		return err
	}
	p := d.document(a)
	p.Reputation = &reputationDocument{s.From.UTC(), s.Mails, s.Complaints, s.Bounces}
	return c.tagged(http.StatusOK, a.Version, p)
}

func (d OperatorAPI) change(c *call) error {
	b, cmd, err := c.change(true, false)
	if err != nil {
		return err
	}
	p := particulars(b)
	if v := b.text("sending"); v != nil {
		p.Sending = new(partner.Sending(*v))
	}
	cmd.Findings = b.end()
	a, replayed, err := d.Registry.Change(c.r.Context(), cmd, c.r.PathValue("tenantId"), p)
	if err != nil {
		return err
	}
	return d.done(c, http.StatusOK, a, replayed)
}

type clearedDocument struct {
	Cancelled  int    `json:"cancelled"`
	NextCursor string `json:"nextCursor,omitempty"`
}

// clear cancels the open invitations of a partner, a bounded number with each call.
func (d OperatorAPI) clear(c *call) error {
	l, err := c.list()
	if err != nil {
		return err
	}
	b, err := c.body(true)
	if err != nil {
		return err
	}
	s := invitation.Sweeping{Partner: c.r.PathValue("tenantId"), Why: b.text("reason"), Limit: l.Limit, After: l.After, CorrelationID: c.correlationID}
	s.Findings = b.end()
	var answer clearedDocument
	var next string
	if answer.Cancelled, next, err = d.Clearing.Cancel(c.r.Context(), c.user(), s); err != nil {
		return err
	}
	if answer.NextCursor, err = c.gate.seal(c.r.Context(), l.binding, next); err != nil {
		return err
	}
	return c.give(http.StatusOK, answer)
}

// own gives a partner its own account. What the operator wrote about it is not part of that.
func (d OperatorAPI) own(c *call) error {
	a, err := d.Registry.Own(c.r.Context(), c.user())
	if err != nil {
		return err
	}
	p := d.row(a)
	if p.Quota, err = d.quota(c.r.Context(), a); err != nil {
		return err
	}
	return c.tagged(http.StatusOK, a.Version, p)
}

// quota says how many mails a partner may still send today (0.17).
func (d OperatorAPI) quota(ctx context.Context, a partner.Account) (*quotaDocument, error) {
	now := d.Registry.Now().UTC()
	day := now.Format(time.DateOnly)
	week, err := d.Reputation.Store.Week(ctx, a.Tenant, day, day)
	if err != nil {
		return nil, err
	}
	all, used := d.Limits.Of(a, now), week.Mails[day]
	return &quotaDocument{all, used, max(0, all-used), now.Truncate(24 * time.Hour).Add(24 * time.Hour)}, nil
}

func (d OperatorAPI) changeOwn(c *call) error {
	b, cmd, err := c.change(true, false)
	if err != nil {
		return err
	}
	o := registry.OwnChange{Support: b.support("supportProfile"), AcceptanceMails: b.text("acceptanceMails")}
	cmd.Findings = b.end()
	a, replayed, err := d.Registry.ChangeOwn(c.r.Context(), cmd, o)
	if err != nil {
		return err
	}
	if replayed {
		c.w.Header().Set("Idempotency-Replayed", "true")
	}
	return c.tagged(http.StatusOK, a.Version, d.row(a))
}

// support takes whom customers ask for help out of a body.
func (b *body) support(name string) *partner.SupportProfile {
	g := b.group(name)
	if g == nil {
		return nil
	}
	p := &partner.SupportProfile{Email: said(g.text("email")), Phone: said(g.text("phone")), Name: said(g.text("name"))}
	b.join("/"+name, g)
	return p
}

type suppressedDocument struct {
	Scope           recipient.Scope  `json:"scope"`
	PartnerTenantID partner.TenantID `json:"partnerTenantId,omitempty"`
	Reason          string           `json:"reason"`
	At              time.Time        `json:"at"`
}

type suppressionsDocument struct {
	Suppressed []suppressedDocument `json:"suppressed"`
}

// The address is in the body: what is in a URL ends in logs.
func (d OperatorAPI) search(c *call) error {
	b, err := c.body(true)
	if err != nil {
		return err
	}
	address := b.text("address")
	found, err := d.Suppressions.Suppressions(c.r.Context(), c.user(), b.end(), address)
	return c.suppressed(found, err)
}

func (d OperatorAPI) removeSuppression(c *call) error {
	b, err := c.body(true)
	if err != nil {
		return err
	}
	l := recipient.Removal{Address: b.text("address"), Partner: b.text("partnerTenantId"), Why: b.text("reason"), CorrelationID: c.correlationID}
	if v := b.text("scope"); v != nil {
		l.Scope = new(recipient.Scope(*v))
	}
	l.Findings = b.end()
	left, err := d.Suppressions.Remove(c.r.Context(), c.user(), l)
	return c.suppressed(left, err)
}

func (c *call) suppressed(list []recipient.ScopedSuppression, err error) error {
	if err != nil {
		return err
	}
	answer := suppressionsDocument{Suppressed: []suppressedDocument{}}
	for _, s := range list {
		answer.Suppressed = append(answer.Suppressed, suppressedDocument{s.Scope, s.Partner, s.Reason, s.At.UTC()})
	}
	return c.give(http.StatusOK, answer)
}
