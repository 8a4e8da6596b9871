// Package file reads what the operator keeps of companies, PartnerIDs and its own days from a file, and puts it into a
// table.
package file

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"

	"concord/internal/command"
	"concord/internal/enrolment"
	"concord/internal/partner"
	"concord/internal/problem"
)

// Entry is one record of a file, as the API takes it.
type Entry struct {
	Kind      enrolment.RecordKind
	ID        string
	Statement enrolment.Statement
}

type company struct {
	DUNS    string            `json:"duns"`
	Name    string            `json:"name"`
	Address enrolment.Address `json:"address"`
	Retired bool              `json:"retired"`
}

type location struct {
	PartnerID string `json:"partnerId"`
	Name      string `json:"name"`
	Type      string `json:"type"`
	Country   string `json:"country"`
	TenantID  string `json:"tenantId"`
	Retired   bool   `json:"retired"`
}

// Load reads a file: {"companies":[{duns, name, address, retired?}], "partnerIds":[{partnerId, name, type, country,
// tenantId?, retired?}], "calendar":{weekend?, holidays?}}, each of them optional and without unknown members.
func Load(path string) ([]Entry, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var f struct {
		Note       string     `json:"note"`
		Companies  []company  `json:"companies"`
		PartnerIDs []location `json:"partnerIds"`
		Calendar   *struct {
			Weekend  []string `json:"weekend"`
			Holidays []string `json:"holidays"`
		} `json:"calendar"`
	}
	d := json.NewDecoder(bytes.NewReader(content))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if d.More() {
		return nil, fmt.Errorf("%s: something follows the records", path)
	}
	var entries []Entry
	for _, c := range f.Companies {
		entries = append(entries, Entry{enrolment.CompanyRecord, c.DUNS, enrolment.Statement{Name: c.Name, Address: c.Address,
			Retired: c.Retired}})
	}
	for _, l := range f.PartnerIDs {
		entries = append(entries, Entry{enrolment.PartnerIDRecord, l.PartnerID, enrolment.Statement{Name: l.Name,
			Type: l.Type, Country: l.Country, Tenant: l.TenantID, Retired: l.Retired}})
	}
	if c := f.Calendar; c != nil {
		entries = append(entries, Entry{enrolment.CalendarRecord, enrolment.VettingCalendar,
			enrolment.Statement{Weekend: c.Weekend, Holidays: c.Holidays}})
	}
	return entries, nil
}

// Outcome is what became of an entry.
type Outcome string

// The outcomes.
const (
	Made      Outcome = "made"
	Changed   Outcome = "changed"
	Unchanged Outcome = "unchanged"
)

// Put makes a record say what the file says, whatever it said before, unless somebody changes it at the same moment. By
// is who does it, for the record's history.
func Put(ctx context.Context, kept enrolment.Records, by, why string, e Entry) (Outcome, error) {
	c := command.Command{User: partner.User{Subject: by, Roles: []partner.Role{partner.Operator}}}
	st := e.Statement
	st.Why = why
	_, made, err := kept.Put(ctx, c, e.Kind, e.ID, st)
	outcome := Unchanged
	if made {
		outcome = Made
	}
	if problem.Is(err, problem.PreconditionRequired) {
		c.IfVersion, outcome = command.AnyVersion, Changed
		_, _, err = kept.Put(ctx, c, e.Kind, e.ID, st)
	}
	return outcome, err
}
