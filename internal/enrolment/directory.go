package enrolment

import (
	"context"

	"concord/internal/partner"
	"concord/internal/problem"
)

// Company is what a directory knows of a company by its D-U-N-S number (rule E8).
type Company struct {
	DUNS    string
	Name    string
	Address Address
}

// Directory finds companies. Company gives [problem.NotFound] for a number that it does not know.
type Directory interface {
	Company(ctx context.Context, duns string) (Company, error)
}

// Location is a PartnerID that somebody has (rule E6).
type Location = partner.Listing

// Locations finds PartnerIDs, also those that are held under other credentials than the account's (rule E6). Location
// gives [problem.NotFound] for one that it does not know.
type Locations interface {
	Location(ctx context.Context, partnerID string) (Location, error)
}

// Calendars gives the calendar by which the operator works (rule E14).
type Calendars interface {
	Calendar(ctx context.Context) (Calendar, error)
}

// Company is that of [Directory]: of the records that the operator keeps.
func (s Records) Company(ctx context.Context, duns string) (Company, error) {
	r, err := s.standing(ctx, CompanyRecord, duns)
	return r.Company, err
}

// Location is that of [Locations].
func (s Records) Location(ctx context.Context, partnerID string) (Location, error) {
	r, err := s.standing(ctx, PartnerIDRecord, partnerID)
	return r.Location, err
}

// Calendar is that of [Calendars]: Monday to Friday until the operator says otherwise.
func (s Records) Calendar(ctx context.Context) (Calendar, error) {
	r, err := s.standing(ctx, CalendarRecord, VettingCalendar)
	if problem.Is(err, problem.NotFound) {
		return Calendar{}, nil
	}
	return r.Calendar, err
}

// standing reads one record that is not retired.
func (s Records) standing(ctx context.Context, k RecordKind, id string) (Record, error) {
	if !Possible(k, id) {
		return Record{}, noRecord()
	}
	r, err := s.Store.KeptRecord(ctx, k, id, false)
	if err == nil && r.Retired {
		err = noRecord()
	}
	if err != nil {
		return Record{}, err
	}
	return r, nil
}

func noRecord() error { return problem.New(problem.NotFound, "There is no such record.") }
