package web

import (
	"context"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"concord/internal/batch"
	"concord/internal/command"
	"concord/internal/draft"
	"concord/internal/emailaddr"
	"concord/internal/invitation"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/webhook"
)

// Invitations serves the invitations, drafts, batches and webhook endpoints of the calling partner.
func Invitations(
	g Gate, s *invitation.Service, d draft.Service, bulk *batch.Service, h *webhook.Service,
) http.Handler {
	i, b := invitations{s, d}, batches{bulk}
	operations := map[string]func(*call) error{
		"POST /v1/invitations":                  i.create,
		"GET /v1/invitations":                   i.list,
		"GET /v1/invitations/{id}":              i.read,
		"PATCH /v1/invitations/{id}":            i.revise,
		"GET /v1/invitations/{id}/draft":        i.draft,
		"PUT /v1/invitations/{id}/draft":        i.edit,
		"POST /v1/invitations/{id}/draft/reset": i.reset,
		"POST /v1/invitations/{id}/done":        i.finish,
		"POST /v1/invitations/{id}/send":        i.send,
		"POST /v1/invitations/{id}/resend":      i.resend,
		"POST /v1/invitations/{id}/new-link":    i.relink,
		"POST /v1/invitations/{id}/extend":      i.extend,
		"POST /v1/invitations/{id}/correct":     i.correct,
		"POST /v1/invitations/{id}/cancel":      i.cancel,
		"POST /v1/invitations/{id}/renew":       i.renew,
		"GET /v1/invitations/{id}/events":       i.timeline,

		"POST /v1/invitations/check": i.check,
		"GET /v1/invitation-counts":  i.counts,

		"GET /v1/invitation-batches":           b.list,
		"POST /v1/invitation-batches":          b.submit,
		"GET /v1/invitation-batches/{id}":      b.read,
		"GET /v1/invitation-batches/{id}/rows": b.rows,
	}
	maps.Copy(operations, hooks{h}.operations())
	return g.routes(operations)
}

type invitations struct {
	service *invitation.Service
	drafts  draft.Service
}

type invitationDocument struct {
	ID                    string            `json:"id"`
	Reference             string            `json:"reference"`
	Kind                  invitation.Kind   `json:"kind"`
	Status                invitation.Status `json:"status"`
	RecipientEmail        *string           `json:"recipientEmail"`
	RecipientName         string            `json:"recipientName,omitempty"`
	Locale                string            `json:"locale"`
	RequestedLocale       string            `json:"requestedLocale,omitempty"`
	Cloud                 partner.CloudID   `json:"cloud"`
	RequestDelegatedAdmin bool              `json:"requestDelegatedAdmin"`
	CustomerTenantID      partner.TenantID  `json:"customerTenantId,omitempty"`
	ProviderTenantID      partner.TenantID  `json:"providerTenantId,omitempty"`
	// ActingRole is in which of its program roles the partner asks; of an invitation from before there were several it is not said.
	ActingRole    partner.ProgramRole `json:"actingRole,omitempty"`
	ExpiresIn     string              `json:"expiresIn"`
	ExpiresAt     *time.Time          `json:"expiresAt,omitempty"`
	CreatedAt     time.Time           `json:"createdAt"`
	Delivery      deliveryDocument    `json:"delivery"`
	Source        string              `json:"source,omitempty"`
	Message       string              `json:"message,omitempty"`
	Sandbox       bool                `json:"sandbox"`
	Reminders     bool                `json:"reminders"`
	RemindedAt    *time.Time          `json:"remindedAt,omitempty"`
	Tags          map[string]string   `json:"tags,omitempty"`
	Replaces      string              `json:"replaces,omitempty"`
	BatchID       string              `json:"batchId,omitempty"`
	GranularAdmin *besideDocument     `json:"granularAdmin,omitempty"`
	Moot          *mootDocument       `json:"moot,omitempty"`
	Answer        *answerDocument     `json:"answer,omitempty"`
	CreatedBy     string              `json:"createdBy,omitempty"`
	CancelReason  string              `json:"cancelReason,omitempty"`
	// CooldownUntil is until when the mail cannot be sent again.
	CooldownUntil      *time.Time `json:"cooldownUntil,omitempty"`
	RenewalRequestedAt *time.Time `json:"renewalRequestedAt,omitempty"`
	ReportedAt         *time.Time `json:"reportedAt,omitempty"`
	Version            int        `json:"version"`
}

type deliveryDocument struct {
	State  outbox.Delivery `json:"state"`
	Reason string          `json:"reason,omitempty"`
}

// mootDocument says that the company has agreed to all of it in another invitation.
type mootDocument struct {
	Reason problem.Code `json:"reason"`
	Since  time.Time    `json:"since"`
}

// besideDocument names the granular administration that an invitation asks for as well.
type besideDocument struct {
	ID string `json:"id"`
}

type answerDocument struct {
	FullName  string    `json:"fullName"`
	JobTitle  string    `json:"jobTitle,omitempty"`
	At        time.Time `json:"at"`
	Reason    string    `json:"reason,omitempty"`
	Comment   string    `json:"comment,omitempty"`
	NoChange  bool      `json:"noChange,omitempty"`
	Reference string    `json:"reference"`
	// DisputedAt is when the recipient said that the answer was not its own.
	DisputedAt *time.Time `json:"disputedAt,omitempty"`
}

func (i invitations) document(inv invitation.Invitation) invitationDocument {
	d := invitationDocument{
		ID: inv.ID, Reference: inv.Reference(), Kind: inv.Kind, Status: inv.StatusAt(i.service.Now()), RecipientName: inv.RecipientName, Locale: inv.Locale, RequestedLocale: inv.LocaleAsked, Cloud: inv.Cloud,
		RequestDelegatedAdmin: inv.RequestDelegatedAdmin, CustomerTenantID: inv.Customer, ProviderTenantID: inv.Provider, ActingRole: inv.ActingRole, ExpiresIn: formatDuration(inv.Duration),
		CreatedAt: inv.CreatedAt.UTC(), Delivery: deliveryDocument{inv.Mail.State.Delivery(), inv.Mail.Reason},
		Source: inv.Source, Message: inv.Message, Sandbox: inv.Sandbox, Reminders: inv.Reminders, RemindedAt: moment(inv.RemindedAt), Tags: inv.Tags, Replaces: inv.Replaces, BatchID: inv.BatchID, Version: inv.Version,
	}
	if inv.RecipientEmail != "" {
		d.RecipientEmail = &inv.RecipientEmail
	}
	d.ExpiresAt = moment(inv.ExpiresAt)
	d.CreatedBy, d.CancelReason, d.CooldownUntil = inv.CreatedBy, inv.CancelReason(), moment(inv.CooldownUntil(i.service.Now()))
	d.RenewalRequestedAt, d.ReportedAt = moment(inv.RenewalRequestedAt()), moment(inv.ReportedAt())
	if inv.GranularID != "" {
		d.GranularAdmin = &besideDocument{inv.GranularID}
	}
	if o := inv.Moot; o != nil {
		d.Moot = &mootDocument{o.Reason, o.Since.UTC()}
	}
	if a := inv.Answer; a != nil {
		d.Answer = &answerDocument{a.FullName, a.JobTitle, a.At.UTC(), a.Reason, a.Comment, a.NoChange, inv.Reference(), moment(inv.DisputedAt)}
	}
	return d
}

// moment gives a time as documents have it, and nil for none.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func invitationPath(id string) string { return "/v1/invitations/" + id }

// change reads the body and the headers of a change.
func (c *call) change(required, keyRequired bool) (*body, command.Command, error) {
	b, err := c.body(required)
	if err != nil {
		return nil, command.Command{}, err
	}
	cmd, err := c.command(b, keyRequired)
	return b, cmd, err
}

// command reads the headers of a change. Its error is one of the 400s.
func (c *call) command(b *body, keyRequired bool) (command.Command, error) {
	cmd := command.Command{User: c.user(), CorrelationID: c.correlationID, Body: b.fingerprint}
	keys := c.r.Header.Values("Idempotency-Key")
	switch {
	case len(keys) == 0 && keyRequired:
		return cmd, problem.New(problem.IdempotencyKeyRequired, "This request needs the header Idempotency-Key: a value of your own, such as a UUID, that a repetition of the request has again.")
	case len(keys) > 0:
		if k := keys[0]; k == "" || len(k) > maxKey || strings.ContainsFunc(k, func(r rune) bool { return r < ' ' || r > '~' }) {
			return cmd, problem.New(problem.MalformedRequest, "An Idempotency-Key has 1 to %d printable ASCII characters.", maxKey)
		}
		cmd.Key = keys[0]
	}
	if tag := c.r.Header.Get("If-Match"); tag != "" {
		var ok bool
		if cmd.IfVersion, ok = versionOf(tag); !ok {
			return cmd, problem.New(problem.MalformedRequest, "If-Match is one ETag in its quotes as a GET gives it, such as \"3\", or *.")
		}
	}
	return cmd, nil
}

// maxID is the length of the longest id that a filter takes.
const maxID = 64

// maxKey is the length of the longest Idempotency-Key.
const maxKey = 128

// versionOf gives the version that an entity tag stands for, and false for what is no strong one. A tag that was never given stands
// for a version that never is.
func versionOf(tag string) (int, bool) {
	if tag == "*" {
		return command.AnyVersion, true
	}
	text, opened := strings.CutPrefix(tag, `"`)
	text, closed := strings.CutSuffix(text, `"`)
	if !opened || !closed || strings.Contains(text, `"`) {
		return 0, false
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || strconv.Itoa(n) != text {
		return math.MaxInt, true
	}
	return n, true
}

func (i invitations) create(c *call) error {
	b, err := c.body(true)
	if err != nil {
		return err
	}
	cmd, err := c.command(b, true)
	if err != nil {
		return err
	}
	p := b.proposal()
	p.Granular = b.granularAdmin()
	cmd.Findings = b.end()
	inv, replayed, err := i.service.Invite(c.r.Context(), cmd, p)
	if err != nil {
		return err
	}
	c.w.Header().Set("Location", invitationPath(inv.ID))
	return i.done(c, http.StatusCreated, inv, replayed)
}

// proposal takes what a partner wants to ask out of the body.
func (b *body) proposal() invitation.Proposal {
	p := invitation.Proposal{Duration: b.span("expiresIn"), Tags: b.labels("tags")}
	for _, said := range p.Said() {
		if said.Text != nil {
			*said.Text = b.text(said.Name)
		} else {
			*said.Flag = b.flag(said.Name)
		}
	}
	p.ActingRole = b.actingRole()
	if _, said := b.members["kind"]; said {
		p.Kind = invitation.Reseller // so that a kind of the wrong type is found once
		if kind := b.text("kind"); kind != nil {
			p.Kind = invitation.Kind(*kind)
		}
	}
	return p
}

// actingRole takes in which of its program roles a partner does something.
func (b *body) actingRole() *partner.ProgramRole { return (*partner.ProgramRole)(b.text("actingRole")) }

// done answers a change: a replay has the status of the first time and the invitation as it is now.
func (i invitations) done(c *call, status int, inv invitation.Invitation, replayed bool) error {
	if replayed {
		c.w.Header().Set("Idempotency-Replayed", "true")
	}
	return c.tagged(status, inv.Version, i.document(inv))
}

func (i invitations) list(c *call) error {
	l, err := c.list("status", "kind", "recipientEmail", "customerTenantId", "deliveryState", "batchId", "createdAfter", "createdBefore",
		"reference", "providerTenantId", "tag", "createdBy")
	if err != nil {
		return err
	}
	states := severalOf(l, "status", invitation.Draft, invitation.Pending, invitation.Accepted, invitation.Declined, invitation.Cancelled,
		invitation.Expired, invitation.AnyStatus)
	q := invitation.Query{
		Kind: oneOf(l, "kind", invitation.Kinds...), DeliveryState: oneOf(l, "deliveryState", outbox.Deliveries...),
		RecipientEmail: l.text("recipientEmail", emailaddr.MaxAddress), Customer: l.tenant("customerTenantId"), BatchID: l.text("batchId", maxID),
		Reference: l.text("reference", maxID), Provider: l.tenant("providerTenantId"), Tag: l.text("tag", 4*2*invitation.MaxTag+1),
		CreatedBy: l.text("createdBy", 255), CreatedAfter: l.moment("createdAfter"), CreatedBefore: l.moment("createdBefore"),
		Limit: l.Limit, After: l.After,
	}
	if len(states) > 0 {
		q.Status, q.Others = states[0], states[1:]
	}
	if slices.Contains(states, invitation.AnyStatus) {
		q.Status, q.Others = invitation.AnyStatus, nil
	}
	if q.RecipientEmail != "" {
		if _, err := i.service.Addresses.Check(q.RecipientEmail); err != nil {
			l.refuse("recipientEmail", "a mail address, such as admin@example.com")
		}
	}
	if l.err != nil {
		return l.err
	}
	u, err := c.reader()
	if err != nil {
		return err
	}
	if q.Also, err = c.other(q.Customer); err != nil {
		return err
	}
	found, err := i.service.Invitations(c.r.Context(), u, q)
	if err != nil {
		return err
	}
	answer := page[invitationDocument]{Items: []invitationDocument{}}
	for _, inv := range found.Invitations {
		answer.Items = append(answer.Items, i.document(inv))
	}
	if answer.NextCursor, err = c.gate.seal(c.r.Context(), l.binding, found.Next); err != nil {
		return err
	}
	return c.give(http.StatusOK, answer)
}

func (i invitations) read(c *call) error {
	u, err := c.reader()
	if err != nil {
		return err
	}
	inv, err := i.service.Invitation(c.r.Context(), u, c.r.PathValue("id"))
	if err != nil {
		return err
	}
	return c.tagged(http.StatusOK, inv.Version, i.document(inv))
}

func (i invitations) revise(c *call) error {
	b, err := c.body(true)
	if err != nil {
		return err
	}
	cmd, err := c.command(b, false)
	if err != nil {
		return err
	}
	r := invitation.Revision{
		RecipientEmail: b.text("recipientEmail"), RecipientName: b.text("recipientName"), Locale: b.text("locale"),
		Duration: b.span("expiresIn"), Reminders: b.flag("reminders"),
	}
	cmd.Findings = b.end()
	inv, replayed, err := i.service.Revise(c.r.Context(), cmd, c.r.PathValue("id"), r)
	if err != nil {
		return err
	}
	return i.done(c, http.StatusOK, inv, replayed)
}

func (i invitations) send(c *call) error { return i.post(c, http.StatusAccepted, true, i.service.Send) }

func (i invitations) resend(c *call) error {
	return i.post(c, http.StatusAccepted, true, i.service.Resend)
}

func (i invitations) finish(c *call) error { return i.post(c, http.StatusOK, false, i.service.Done) }

func (i invitations) relink(c *call) error { return i.post(c, http.StatusOK, false, i.service.Relink) }

func (i invitations) extend(c *call) error {
	b, err := c.body(false)
	if err != nil {
		return err
	}
	cmd, err := c.command(b, false)
	if err != nil {
		return err
	}
	open := b.span("expiresIn")
	cmd.Findings = b.end()
	inv, replayed, err := i.service.Extend(c.r.Context(), cmd, c.r.PathValue("id"), open)
	if err != nil {
		return err
	}
	return i.done(c, http.StatusOK, inv, replayed)
}

// correct answers with the invitation that stands at the end, which Location names.
func (i invitations) correct(c *call) error {
	b, cmd, err := c.change(true, true)
	if err != nil {
		return err
	}
	r := invitation.Revision{RecipientEmail: b.text("recipientEmail"), RecipientName: b.text("recipientName")}
	cmd.Findings = b.end()
	inv, replayed, err := i.service.Correct(c.r.Context(), cmd, c.r.PathValue("id"), r)
	if err != nil {
		return err
	}
	c.w.Header().Set("Location", invitationPath(inv.ID))
	return i.done(c, http.StatusOK, inv, replayed)
}

func (i invitations) post(c *call, status int, keyRequired bool, do action) error {
	inv, replayed, err := c.act(keyRequired, do)
	if err != nil {
		return err
	}
	return i.done(c, status, inv, replayed)
}

// action is a use case that asks for nothing but an invitation's id.
type action func(context.Context, command.Command, string) (invitation.Invitation, bool, error)

// act carries out an action that has no fields.
func (c *call) act(keyRequired bool, do action) (inv invitation.Invitation, replayed bool, err error) {
	b, err := c.body(false)
	if err != nil {
		return inv, false, err
	}
	cmd, err := c.command(b, keyRequired)
	if err != nil {
		return inv, false, err
	}
	cmd.Findings = b.end()
	return do(c.r.Context(), cmd, c.r.PathValue("id"))
}

func (i invitations) renew(c *call) error {
	inv, replayed, err := c.act(true, i.service.Renew)
	if err != nil {
		return err
	}
	c.w.Header().Set("Location", invitationPath(inv.ID))
	return i.done(c, http.StatusCreated, inv, replayed)
}

func (i invitations) cancel(c *call) error {
	b, err := c.body(false)
	if err != nil {
		return err
	}
	cmd, err := c.command(b, false)
	if err != nil {
		return err
	}
	var reason string
	if r := b.text("reason"); r != nil {
		if reason = *r; reason == "" {
			b.findings.Add("/reason", problem.ValidationFailed, emailaddr.LineRule, invitation.MaxReason)
		}
	}
	cmd.Findings = b.end()
	inv, replayed, err := i.service.Cancel(c.r.Context(), cmd, c.r.PathValue("id"), reason)
	if err != nil {
		return err
	}
	return i.done(c, http.StatusOK, inv, replayed)
}
