package web

import (
	"net/http"

	"concord/internal/enrolment"
	"concord/internal/partner"
)

// records serves what the operator keeps of companies, PartnerIDs and its own days.
type records struct{ kept enrolment.Records }

type keptDocument struct {
	DUNS      string           `json:"dunsId,omitempty"`
	PartnerID string           `json:"partnerId,omitempty"`
	Name      string           `json:"name,omitempty"`
	Address   *addressDocument `json:"address,omitempty"`
	Type      string           `json:"type,omitempty"`
	Country   string           `json:"country,omitempty"`
	TenantID  partner.TenantID `json:"tenantId,omitempty"`
	Weekend   []string         `json:"weekend,omitempty"`
	Holidays  []string         `json:"holidays,omitempty"`
	Retired   bool             `json:"retired"`
	History   []changeDocument `json:"history,omitempty"`
	Version   int              `json:"version"`
}

// row gives a record as it stands in lists.
func (records) row(r enrolment.Record) keptDocument {
	d := keptDocument{Retired: r.Retired, Version: r.Version}
	switch r.Kind {
	case enrolment.CompanyRecord:
		d.DUNS, d.Name, d.Address = r.ID, r.Company.Name, new(addressOf(r.Company.Address))
	case enrolment.PartnerIDRecord:
		l := r.Location
		d.PartnerID, d.Name, d.Type, d.Country, d.TenantID = r.ID, l.Name, l.Type, l.Country, l.Tenant
	case enrolment.CalendarRecord:
		for _, day := range r.Calendar.Weekend {
			d.Weekend = append(d.Weekend, enrolment.Weekdays[day])
		}
		d.Holidays = r.Calendar.Holidays
	}
	return d
}

// document gives a record with its history.
func (s records) document(r enrolment.Record) keptDocument {
	d := s.row(r)
	d.History = changes(r.History)
	return d
}

// record is which record of a kind a path names.
func (c *call) record(k enrolment.RecordKind) string {
	switch k {
	case enrolment.CompanyRecord:
		return c.r.PathValue("dunsId")
	case enrolment.PartnerIDRecord:
		return c.r.PathValue("partnerId")
	}
	return enrolment.VettingCalendar
}

func (s records) list(k enrolment.RecordKind) func(*call) error {
	return func(c *call) error {
		l, err := c.list()
		if err != nil {
			return err
		}
		found, err := s.kept.List(c.r.Context(), c.user(), k, l.Limit, l.After)
		if err != nil {
			return err
		}
		answer := page[keptDocument]{Items: []keptDocument{}}
		for _, r := range found.Records {
			answer.Items = append(answer.Items, s.row(r))
		}
		if answer.NextCursor, err = c.gate.seal(c.r.Context(), l.binding, found.Next); err != nil {
			return err
		}
		return c.give(http.StatusOK, answer)
	}
}

func (s records) read(k enrolment.RecordKind) func(*call) error {
	return func(c *call) error {
		r, err := s.kept.Record(c.r.Context(), c.user(), k, c.record(k))
		if err != nil {
			return err
		}
		return c.tagged(http.StatusOK, r.Version, s.document(r))
	}
}

func (s records) put(k enrolment.RecordKind) func(*call) error {
	return func(c *call) error {
		b, cmd, err := c.change(true, false)
		if err != nil {
			return err
		}
		st := statement(b, k)
		cmd.Findings = b.end()
		r, created, err := s.kept.Put(c.r.Context(), cmd, k, c.record(k), st)
		if err != nil {
			return err
		}
		status := http.StatusOK
		if created {
			status = http.StatusCreated
		}
		return c.tagged(status, r.Version, s.document(r))
	}
}

// statement takes what is said of a record out of a body.
func statement(b *body, k enrolment.RecordKind) enrolment.Statement {
	st := enrolment.Statement{Why: said(b.text("reason"))}
	if k == enrolment.CalendarRecord {
		st.Weekend = several(take[[]string](b, "weekend", "a list of days"))
		st.Holidays = several(take[[]string](b, "holidays", "a list of dates"))
		return st
	}
	st.Name = said(b.text("name"))
	if retired := b.flag("retired"); retired != nil {
		st.Retired = *retired
	}
	if k == enrolment.PartnerIDRecord {
		st.Type, st.Country, st.Tenant = said(b.text("type")), said(b.text("country")), said(b.text("tenantId"))
	} else if a := b.group("address"); a != nil {
		st.Address = addressIn(a)
		b.join("/address", a)
	}
	return st
}

func several(list *[]string) []string {
	if list == nil {
		return nil
	}
	return *list
}
