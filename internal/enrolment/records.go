package enrolment

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"concord/internal/command"
	"concord/internal/country"
	"concord/internal/emailaddr"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/registry"
)

// RecordKind is what a record of the operator is about.
type RecordKind string

// The kinds of records.
const (
	CompanyRecord   RecordKind = "company"   // a company by its D-U-N-S number (rule E8)
	PartnerIDRecord RecordKind = "partnerId" // a PartnerID, also one that no account has (rule E6)
	CalendarRecord  RecordKind = "calendar"  // which days the operator works (rule E14)
)

// VettingCalendar is the id of the only record of its kind.
const VettingCalendar = "vetting"

// Record is what the operator keeps of companies, PartnerIDs and its own days. One that was retired stays, with its
// history, and counts no more.
type Record struct {
	Kind     RecordKind
	ID       string   // the D-U-N-S number, the PartnerID, or [VettingCalendar]
	Company  Company  // of a [CompanyRecord]
	Location Location // of a [PartnerIDRecord]
	Calendar Calendar // of a [CalendarRecord]
	Retired  bool
	Version  int
	History  []partner.Entry // the newest lines; the first line of all says nothing that changed
}

// says reports whether two records say the same, whichever their versions are.
func (r Record) says(o Record) bool {
	return r.Company == o.Company && r.Location == o.Location && r.Retired == o.Retired &&
		slices.Equal(r.Calendar.Weekend, o.Calendar.Weekend) && slices.Equal(r.Calendar.Holidays, o.Calendar.Holidays)
}

// RecordChange is a write of a record. Before is nil for a new one.
type RecordChange struct {
	Before *Record
	After  Record
}

// RecordPage is an answer of [RecordStore].KeptRecords, in the order of the ids. Next is where it ended, empty for the
// last.
type RecordPage struct {
	Records []Record
	Next    string
}

// RecordStore keeps records.
//
// KeptRecord gives one, retired ones too, or [problem.NotFound]; with strong set, every write included that was
// acknowledged before the call. KeptRecords gives a page of one kind, with everything that was acknowledged before the
// call. KeepRecord stores after over before, one version on, or a new one of version 1, or nothing and [ErrConflict].
type RecordStore interface {
	// KeptRecord gives one, with strong set strongly consistent, or [problem.NotFound].
	KeptRecord(ctx context.Context, k RecordKind, id string, strong bool) (Record, error)
	// KeptRecords gives a page by id, strongly consistent; [problem.MalformedRequest] for what cannot be an id.
	KeptRecords(ctx context.Context, k RecordKind, limit int, after string) (RecordPage, error)
	// KeepRecord stores a change over its version, or a new one, or [ErrConflict].
	KeepRecord(ctx context.Context, c RecordChange) error
}

// Records are what the operator keeps: companies by their D-U-N-S numbers, PartnerIDs beside those of accounts, and its
// calendar.
type Records struct {
	Store RecordStore
	Now   func() time.Time // needed to change records alone
}

// Statement is all that the operator says of a record: what is left out is empty.
type Statement struct {
	Name              string // of a company, or of who has a PartnerID
	Address           Address
	Type, Country     string // of a PartnerID
	Tenant            string // whose PartnerID it is; empty where anybody may say that it is theirs
	Weekend, Holidays []string
	Retired           bool
	Why               string
}

func isDUNS(s string) bool {
	return len(s) == 9 && !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

const (
	maxRecordName    = 100
	maxRecordHistory = 15
	maxPartnerID     = 20
)

// record checks a statement.
func (st Statement) record(f *problem.Findings, k RecordKind, id string) Record {
	r := Record{Kind: k, ID: id, Retired: st.Retired}
	switch k {
	case CompanyRecord:
		r.Company = Company{DUNS: id, Name: st.named(f), Address: checked(f, "/address", st.Address)}
	case PartnerIDRecord:
		r.Location = Location{ID: id, Name: st.named(f), Type: st.Type, Country: st.Country}
		if st.Type != partner.Location && st.Type != partner.Headquarters {
			f.Add("/type", problem.ValidationFailed, "The type is location or headquarters.")
		}
		f.Note("/country", country.Check(st.Country))
		if st.Tenant != "" {
			var ok bool
			if r.Location.Tenant, ok = partner.ParseTenantID(st.Tenant); !ok {
				f.Add("/tenantId", problem.ValidationFailed, "A tenant id must be a UUID.")
			}
		}
	case CalendarRecord:
		r.Calendar = days(f, st.Weekend, st.Holidays)
	}
	if st.Why != "" && !emailaddr.Line(st.Why, registry.MaxWhy) {
		f.Add("/reason", problem.ValidationFailed, emailaddr.LineRule, registry.MaxWhy)
	}
	return r
}

func (st Statement) named(f *problem.Findings) string {
	if !emailaddr.Line(st.Name, maxRecordName) {
		f.Add("/name", problem.ValidationFailed, emailaddr.LineRule, maxRecordName)
	}
	return st.Name
}

// Possible reports whether there can be a record of that id.
func Possible(k RecordKind, id string) bool {
	switch k {
	case CompanyRecord:
		return isDUNS(id)
	case PartnerIDRecord:
		other := func(r rune) bool { return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') }
		return id != "" && len(id) <= maxPartnerID && !strings.ContainsFunc(id, other)
	}
	return k == CalendarRecord && id == VettingCalendar
}

// Put makes a record, or writes over one; what says the same as before changes nothing. Created reports that there was
// none. Codes: [problem.RoleNotPermitted]; [problem.NotFound] for an id that none can have; those of a field;
// [problem.PreconditionRequired] without a version where there is a record that says something else;
// [problem.PreconditionFailed].
func (s Records) Put(ctx context.Context, c command.Command, k RecordKind, id string, st Statement) (
	r Record, created bool, err error,
) {
	if err := c.User.Permit(partner.OperatePartners); err != nil {
		return r, false, err
	}
	if !Possible(k, id) {
		return r, false, noRecord()
	}
	f := slices.Clone(c.Findings)
	after := st.record(&f, k, id)
	if err := f.Err(); err != nil {
		return r, false, err
	}
	change := RecordChange{After: after}
	before, err := s.Store.KeptRecord(ctx, k, id, true)
	switch {
	case err == nil && before.says(after):
		return before, false, nil
	case err == nil:
		change.Before = &before
		err = over(c, before.Version)
	case problem.Is(err, problem.NotFound):
		if err = nil; c.IfVersion != 0 {
			err = outdatedRecord()
		}
	}
	if err != nil {
		return r, false, err
	}
	e := partner.Entry{At: s.Now().UTC().Truncate(time.Second), By: c.User.Subject, CorrelationID: c.CorrelationID, Why: st.Why}
	change.After.Version = 1
	if change.Before != nil {
		e.Changed = changedIn(before, after)
		change.After.Version, change.After.History = before.Version+1, before.History
	}
	change.After.History = append(slices.Clone(change.After.History), e)
	change.After.History = change.After.History[max(0, len(change.After.History)-maxRecordHistory):]
	if err := s.Store.KeepRecord(ctx, change); errors.Is(err, ErrConflict) {
		return r, false, outdatedRecord()
	} else if err != nil {
		return r, false, err
	}
	return change.After, change.Before == nil, nil
}

// changedIn names what differs between two versions of a record.
func changedIn(a, b Record) (names []string) {
	for _, each := range []struct {
		name  string
		other bool
	}{
		{"name", a.Company.Name != b.Company.Name || a.Location.Name != b.Location.Name},
		{"address", a.Company.Address != b.Company.Address},
		{"type", a.Location.Type != b.Location.Type},
		{"country", a.Location.Country != b.Location.Country},
		{"tenantId", a.Location.Tenant != b.Location.Tenant},
		{"weekend", !slices.Equal(a.Calendar.Weekend, b.Calendar.Weekend)},
		{"holidays", !slices.Equal(a.Calendar.Holidays, b.Calendar.Holidays)},
		{"retired", a.Retired != b.Retired},
	} {
		if each.other {
			names = append(names, each.name)
		}
	}
	return names
}

// over gives nil when a record has the version that the command is about.
func over(c command.Command, version int) error {
	switch c.IfVersion {
	case 0:
		return problem.New(problem.PreconditionRequired,
			"There is a record that says something else. "+
				"Say which version you change, with If-Match: the ETag that GET gives, or * for any.")
	case command.AnyVersion, version:
		return nil
	}
	return outdatedRecord()
}

func outdatedRecord() error {
	return problem.New(problem.PreconditionFailed, "The record was changed since you read it, or there is none.")
}

// Record gives one record with its history, for the operator. Codes: [problem.RoleNotPermitted], [problem.NotFound].
func (s Records) Record(ctx context.Context, u partner.User, k RecordKind, id string) (Record, error) {
	if err := u.Permit(partner.OperatePartners); err != nil {
		return Record{}, err
	}
	if !Possible(k, id) {
		return Record{}, noRecord()
	}
	return s.Store.KeptRecord(ctx, k, id, true)
}

// List gives a page of records of a kind, for the operator. Code: [problem.RoleNotPermitted].
func (s Records) List(ctx context.Context, u partner.User, k RecordKind, limit int, after string) (RecordPage, error) {
	if err := u.Permit(partner.OperatePartners); err != nil {
		return RecordPage{}, err
	}
	return s.Store.KeptRecords(ctx, k, limit, after)
}
