package web

import (
	"context"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"concord/internal/contact"
	"concord/internal/invitation"
	"concord/internal/letter"
	"concord/internal/link"
	"concord/internal/partner"
	"concord/internal/problem"
)

// Drafts is what the draft of an invitation is made with.
type Drafts struct {
	// Sign makes the token of a link.
	Sign func(context.Context, link.Purpose, link.Link) (link.Secret, error)
	// Operator is the name of who operates the service.
	Operator string
}

// Invitations serves the invitations and drafts of the calling partner.
func Invitations(g Gate, s *invitation.Service, d Drafts) http.Handler {
	i := invitations{s, d}
	return g.routes(map[string]func(*call) error{
		"POST /v1/invitations":             i.create,
		"GET /v1/invitations":              i.list,
		"GET /v1/invitations/{id}":         i.read,
		"PATCH /v1/invitations/{id}":       i.revise,
		"GET /v1/invitations/{id}/draft":   i.draft,
		"POST /v1/invitations/{id}/send":   i.send,
		"POST /v1/invitations/{id}/resend": i.resend,
		"POST /v1/invitations/{id}/cancel": i.cancel,
	})
}

type invitations struct {
	service *invitation.Service
	drafts  Drafts
}

type invitationDocument struct {
	ID                    string            `json:"id"`
	Kind                  invitation.Kind   `json:"kind"`
	Status                invitation.Status `json:"status"`
	RecipientEmail        *string           `json:"recipientEmail"`
	RecipientName         string            `json:"recipientName,omitempty"`
	Locale                string            `json:"locale"`
	Cloud                 partner.CloudID   `json:"cloud"`
	RequestDelegatedAdmin bool              `json:"requestDelegatedAdmin"`
	CustomerTenantID      partner.TenantID  `json:"customerTenantId,omitempty"`
	ExpiresIn             string            `json:"expiresIn"`
	ExpiresAt             *time.Time        `json:"expiresAt,omitempty"`
	CreatedAt             time.Time         `json:"createdAt"`
	Delivery              deliveryDocument  `json:"delivery"`
	Source                string            `json:"source,omitempty"`
	Reminders             bool              `json:"reminders"`
	Tags                  map[string]string `json:"tags,omitempty"`
	Answer                *answerDocument   `json:"answer,omitempty"`
	Version               int               `json:"version"`
}

type deliveryDocument struct {
	State  invitation.Delivery `json:"state"`
	Reason string              `json:"reason,omitempty"`
}

type answerDocument struct {
	FullName  string    `json:"fullName"`
	JobTitle  string    `json:"jobTitle,omitempty"`
	At        time.Time `json:"at"`
	Reason    string    `json:"reason,omitempty"`
	Comment   string    `json:"comment,omitempty"`
	NoChange  bool      `json:"noChange,omitempty"`
	Reference string    `json:"reference"`
}

func (i invitations) document(inv invitation.Invitation) invitationDocument {
	d := invitationDocument{
		ID: inv.ID, Kind: inv.Kind, Status: inv.StatusAt(i.service.Now()), RecipientName: inv.RecipientName, Locale: inv.Locale, Cloud: inv.Cloud,
		RequestDelegatedAdmin: inv.RequestDelegatedAdmin, CustomerTenantID: inv.Customer, ExpiresIn: formatDuration(inv.Duration),
		CreatedAt: inv.CreatedAt.UTC(), Delivery: deliveryDocument{inv.Mail.State.Delivery(), inv.Mail.Reason},
		Source: inv.Source, Reminders: inv.Reminders, Tags: inv.Tags, Version: inv.Version,
	}
	if inv.RecipientEmail != "" {
		d.RecipientEmail = &inv.RecipientEmail
	}
	if !inv.ExpiresAt.IsZero() {
		at := inv.ExpiresAt.UTC()
		d.ExpiresAt = &at
	}
	if a := inv.Answer; a != nil {
		d.Answer = &answerDocument{a.FullName, a.JobTitle, a.At.UTC(), a.Reason, a.Comment, a.NoChange, inv.Reference()}
	}
	return d
}

func invitationPath(id string) string { return "/v1/invitations/" + id }

// command reads the headers of a change. Its error is one of the 400s.
func (c *call) command(b *body, keyRequired bool) (invitation.Command, error) {
	cmd := invitation.Command{User: c.user(), CorrelationID: c.correlationID, Body: b.fingerprint}
	keys := c.r.Header.Values("Idempotency-Key")
	switch {
	case len(keys) == 0 && keyRequired:
		return cmd, problem.New(problem.IdempotencyKeyRequired, "This request needs an Idempotency-Key.")
	case len(keys) > 0:
		if !printable.MatchString(keys[0]) {
			return cmd, problem.New(problem.MalformedRequest, "An Idempotency-Key has 1 to 128 printable ASCII characters.")
		}
		cmd.Key = keys[0]
	}
	if tag := c.r.Header.Get("If-Match"); tag != "" {
		if !entityTag.MatchString(tag) {
			return cmd, problem.New(problem.MalformedRequest, "If-Match is one ETag in its quotes, or *.")
		}
		cmd.IfVersion = versionOf(tag)
	}
	return cmd, nil
}

var (
	printable = regexp.MustCompile(`^[ -~]{1,128}$`)
	entityTag = regexp.MustCompile(`^(\*|"[!#-~]*")$`)
)

// versionOf gives the version that an entity tag stands for; a tag that was never given stands for one that never is.
func versionOf(tag string) int {
	if tag == "*" {
		return invitation.AnyVersion
	}
	n, err := strconv.Atoi(strings.Trim(tag, `"`))
	if err != nil || n < 1 {
		return math.MaxInt
	}
	return n
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
	p := invitation.Proposal{
		RecipientEmail: b.text("recipientEmail"), RecipientName: b.text("recipientName"), CustomerTenantID: b.text("customerTenantId"),
		RequestDelegatedAdmin: b.flag("requestDelegatedAdmin"), Locale: b.text("locale"), Duration: b.span("expiresIn"),
		Source: b.text("source"), Reminders: b.flag("reminders"), Tags: b.labels("tags"),
	}
	if _, said := b.members["kind"]; said {
		p.Kind = invitation.Reseller // so that a kind of the wrong type is found once
		if kind := b.text("kind"); kind != nil {
			p.Kind = invitation.Kind(*kind)
		}
	}
	cmd.Findings = b.end()
	inv, replayed, err := i.service.Invite(c.r.Context(), cmd, p)
	if err != nil {
		return err
	}
	c.w.Header().Set("Location", invitationPath(inv.ID))
	return i.done(c, http.StatusCreated, inv, replayed)
}

// done answers a change: a replay has the status of the first time and the invitation as it is now.
func (i invitations) done(c *call, status int, inv invitation.Invitation, replayed bool) error {
	if replayed {
		c.w.Header().Set("Idempotency-Replayed", "true")
	}
	return c.tagged(status, inv.Version, i.document(inv))
}

func (i invitations) list(c *call) error {
	l, err := c.list("status", "kind", "recipientEmail", "customerTenantId", "deliveryState", "createdAfter", "createdBefore")
	if err != nil {
		return err
	}
	q := invitation.Query{
		Status: oneOf(l, "status", invitation.Draft, invitation.Pending, invitation.Accepted, invitation.Declined, invitation.Cancelled, invitation.Expired),
		Kind:   oneOf(l, "kind", invitation.Reseller),
		DeliveryState: oneOf(l, "deliveryState", invitation.DeliveryNotSent, invitation.DeliveryQueued, invitation.DeliverySending,
			invitation.DeliverySent, invitation.DeliveryFailed),
		RecipientEmail: l.text("recipientEmail", contact.MaxAddress), Customer: l.tenant("customerTenantId"),
		CreatedAfter: l.moment("createdAfter"), CreatedBefore: l.moment("createdBefore"), Limit: l.Limit, After: l.After,
	}
	if q.RecipientEmail != "" {
		if _, err := i.service.Addresses.Check(q.RecipientEmail); err != nil {
			l.refuse("recipientEmail")
		}
	}
	if l.err != nil {
		return l.err
	}
	u, err := c.reader()
	if err != nil {
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

type draftDocument struct {
	Subject       string `json:"subject"`
	Body          string `json:"body"`
	Edited        bool   `json:"edited"`
	MailtoURI     string `json:"mailtoUri,omitempty"`
	ClipboardText string `json:"clipboardText"`
}

// draft is the one place of the API that gives the link.
func (i invitations) draft(c *call) error {
	u, err := c.reader()
	if err != nil {
		return err
	}
	l, err := i.service.Letter(c.r.Context(), u, c.r.PathValue("id"))
	if err != nil {
		return err
	}
	inv := l.Invitation
	token, err := i.drafts.Sign(c.r.Context(), link.Answer, link.Link{Tenant: string(inv.Inviter), ID: inv.ID, Generation: inv.Generation})
	if err != nil {
		return err
	}
	content := letter.Compose(l, l.Cloud.BaseURL+link.Answer.Path(token), i.drafts.Operator)
	d := draftDocument{Subject: content.Subject, Body: content.Text(), ClipboardText: content.Text()}
	// What is longer does not reach every mail program whole.
	if uri := mailto(inv.RecipientEmail, content.Subject, content.Short()); len(uri) < maxMailto {
		d.MailtoURI = uri
	}
	return c.tagged(http.StatusOK, inv.Version, d)
}

const maxMailto = 1900 // characters

// mailto writes a mail as a URI (RFC 6068): UTF-8 in percent-encoding, lines end in CR LF.
func mailto(address, subject, body string) string {
	encode := func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
	lines := strings.ReplaceAll(strings.ReplaceAll(body, "\r\n", "\n"), "\n", "\r\n")
	return "mailto:" + strings.ReplaceAll(encode(address), "%40", "@") + "?subject=" + encode(subject) + "&body=" + encode(lines)
}

func (i invitations) send(c *call) error { return i.post(c, i.service.Send) }

func (i invitations) resend(c *call) error { return i.post(c, i.service.Resend) }

func (i invitations) post(c *call, do func(context.Context, invitation.Command, string) (invitation.Invitation, bool, error)) error {
	b, err := c.body(false)
	if err != nil {
		return err
	}
	cmd, err := c.command(b, true)
	if err != nil {
		return err
	}
	cmd.Findings = b.end()
	inv, replayed, err := do(c.r.Context(), cmd, c.r.PathValue("id"))
	if err != nil {
		return err
	}
	return i.done(c, http.StatusAccepted, inv, replayed)
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
			b.findings.Add("/reason", problem.ValidationFailed, "The text has 1 to %d characters, without control characters.", invitation.MaxReason)
		}
	}
	cmd.Findings = b.end()
	inv, replayed, err := i.service.Cancel(c.r.Context(), cmd, c.r.PathValue("id"), reason)
	if err != nil {
		return err
	}
	return i.done(c, http.StatusOK, inv, replayed)
}
