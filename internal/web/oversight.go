package web

import (
	"net/http"
	"time"

	"concord/internal/invitation"
	"concord/internal/oversight"
	"concord/internal/partner"
)

// overseen serves what the operator sees of all partners.
type overseen struct {
	reports oversight.Reports
	reading oversight.Reading
}

type reportDocument struct {
	ID           string           `json:"id"`
	At           time.Time        `json:"occurredAt"`
	Operation    string           `json:"operationType"`
	Partner      partner.TenantID `json:"partnerTenantId"`
	ResourceType string           `json:"resourceType"`
	ResourceID   string           `json:"resourceId"`
	Customer     partner.TenantID `json:"customerTenantId,omitempty"`
	Reason       string           `json:"reason,omitempty"`
	SettledAt    *time.Time       `json:"settledAt,omitempty"`
	SettledBy    string           `json:"settledBy,omitempty"`
	Note         string           `json:"note,omitempty"`
	Version      int              `json:"version"`
}

func reportOf(r oversight.Report) reportDocument {
	d := reportDocument{
		ID: r.ID, At: r.At.UTC(), Operation: r.Operation, Partner: r.Partner, ResourceType: r.ResourceType, ResourceID: r.ResourceID,
		Customer: r.Customer, Reason: r.Reason, Version: r.Version,
	}
	if s := r.Settlement; s != nil {
		d.SettledAt, d.SettledBy, d.Note = moment(s.At), s.By, s.Note
	}
	return d
}

func (o overseen) list(c *call) error {
	l, err := c.list("open", "partnerTenantId")
	if err != nil {
		return err
	}
	q := oversight.ReportQuery{Open: oneOf(l, "open", "true", "false") == "true", Limit: l.Limit, After: l.After}
	q.Partner = l.tenant("partnerTenantId")
	if l.err != nil {
		return l.err
	}
	found, err := o.reports.List(c.r.Context(), c.user(), q)
	if err != nil {
		return err
	}
	answer := page[reportDocument]{Items: []reportDocument{}}
	for _, r := range found.Reports {
		answer.Items = append(answer.Items, reportOf(r))
	}
	if answer.NextCursor, err = c.gate.seal(c.r.Context(), l.binding, found.Next); err != nil {
		return err
	}
	return c.give(http.StatusOK, answer)
}

func (o overseen) read(c *call) error {
	r, err := o.reports.Report(c.r.Context(), c.user(), c.r.PathValue("id"))
	if err != nil {
		return err
	}
	return c.tagged(http.StatusOK, r.Version, reportOf(r))
}

func (o overseen) settle(c *call) error {
	b, cmd, err := c.change(true, false)
	if err != nil {
		return err
	}
	note := b.text("note")
	cmd.Findings = b.end()
	r, err := o.reports.Settle(c.r.Context(), cmd, c.r.PathValue("id"), note)
	if err != nil {
		return err
	}
	return c.tagged(http.StatusOK, r.Version, reportOf(r))
}

// readingDocument is what a reference leads to; one of its last four is there.
type readingDocument struct {
	Partner    partner.TenantID    `json:"partnerTenantId"`
	Invitation *invitationDocument `json:"invitation,omitempty"`
	Granular   *granularDocument   `json:"delegatedAdminRelationship,omitempty"`
	Enrolment  *referenceDocument  `json:"enrolment,omitempty"`
	Account    *referenceDocument  `json:"partner,omitempty"`
}

// referenceDocument names what has an operation of its own.
type referenceDocument struct {
	ID string `json:"id"`
}

// open answers a POST: what is read is entered in the partner's audit first.
func (o overseen) open(c *call) error {
	b, cmd, err := c.change(true, false)
	if err != nil {
		return err
	}
	q := oversight.Request{Reference: b.text("reference"), Reason: b.text("reason"), CorrelationID: cmd.CorrelationID}
	if after := b.text("after"); after != nil {
		q.After = *after
	}
	q.Findings = b.end()
	found, next, err := o.reading.Read(c.r.Context(), c.user(), q)
	if err != nil {
		return err
	}
	answer := struct {
		Items []readingDocument `json:"items"`
		After string            `json:"after,omitempty"`
	}{[]readingDocument{}, next}
	for _, one := range found {
		d := readingDocument{Partner: one.Partner}
		switch {
		case one.Invitation != nil:
			d.Invitation = new(invitations{service: &invitation.Service{Now: o.reading.Now}}.document(*one.Invitation))
		case one.Granular != nil:
			d.Granular = new(granulars{}.document(*one.Granular))
		case one.Enrolment != nil:
			d.Enrolment = &referenceDocument{one.Enrolment.ID}
		default:
			d.Account = &referenceDocument{string(one.Account.Tenant)}
		}
		answer.Items = append(answer.Items, d)
	}
	return c.give(http.StatusOK, answer)
}
