package enrolment

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"concord/internal/command"
	"concord/internal/partner"
	"concord/internal/problem"
)

// shelf keeps records in memory.
type shelf struct {
	kept map[RecordKind]map[string]Record
	err  error // of the next call
}

func (s *shelf) KeptRecord(_ context.Context, k RecordKind, id string, _ bool) (Record, error) {
	r, ok := s.kept[k][id]
	if s.err != nil {
		return r, s.err
	}
	if !ok {
		return r, noRecord()
	}
	return r, nil
}

func (s *shelf) KeptRecords(_ context.Context, k RecordKind, _ int, _ string) (page RecordPage, err error) {
	for _, r := range s.kept[k] {
		page.Records = append(page.Records, r)
	}
	return page, s.err
}

func (s *shelf) KeepRecord(_ context.Context, c RecordChange) error {
	if there, ok := s.kept[c.After.Kind][c.After.ID]; ok != (c.Before != nil) || ok && there.Version != c.Before.Version {
		return ErrConflict
	}
	if s.kept[c.After.Kind] == nil {
		s.kept[c.After.Kind] = map[string]Record{}
	}
	s.kept[c.After.Kind][c.After.ID] = c.After
	return s.err
}

// samples are records of companies that do not exist.
func samples() Records {
	company := func(duns, name string, a Address) Record {
		return Record{Kind: CompanyRecord, ID: duns, Company: Company{duns, name, a}, Version: 1}
	}
	id := func(id, name, kind, country string, tenant partner.TenantID) Record {
		return Record{Kind: PartnerIDRecord, ID: id, Location: Location{ID: id, Name: name, Type: kind, Country: country,
			Tenant: tenant}, Version: 1}
	}
	s := &shelf{kept: map[RecordKind]map[string]Record{CompanyRecord: {}, PartnerIDRecord: {}}}
	for _, r := range []Record{
		company("000000701", "Gorse Networks", Address{Line1: "12 Heath Road", City: "Springfield", State: "OR",
			PostalCode: "97477", Country: "US"}),
		company("000000702", "Hawthorn Informatique", Address{Line1: "4 rue de l'Exemple", City: "Lyon", PostalCode: "69002",
			Country: "FR"}),
		id("4100007", "Gorse Networks, Springfield", partner.Location, "US", gorse), id("4100070", "Gorse Networks",
			partner.Headquarters, "US", gorse),
		id("4100071", "Gorse Networks, Lyon", partner.Location, "FR", gorse), id("4100072", "Hawthorn Informatique, Lyon",
			partner.Location, "FR", ""),
	} {
		s.kept[r.Kind][r.ID] = r
	}
	return Records{Store: s, Now: func() time.Time { return monday }}
}

var sampleCompany = Statement{Name: "Juniper Data", Address: Address{Line1: "3 Sample Way", City: "Leeds",
	PostalCode: "LS1 1AA", Country: "GB"}, Why: "from the register"}

// A record is made, said again, changed over the version that was seen, and retired; each change is a line of its
// history (rules E6, E8, E14).
func TestRecords(t *testing.T) {
	s := samples()
	c := operator()
	c.IfVersion = 0
	r, created, err := s.Put(t.Context(), c, CompanyRecord, "000000704", sampleCompany)
	if err != nil || !created || r.Version != 1 || r.Company.Name != "Juniper Data" || len(r.History) != 1 ||
		r.History[0].Why != "from the register" || r.History[0].By != "olga" {
		t.Fatalf("%+v, %v", r, err)
	}
	if again, created, err := s.Put(t.Context(), c, CompanyRecord, "000000704", sampleCompany); err != nil || created ||
		again.Version != 1 {
		t.Errorf("said again: %+v, %v", again, err)
	}
	renamed := sampleCompany
	renamed.Name = "Juniper"
	_, _, err = s.Put(t.Context(), c, CompanyRecord, "000000704", renamed)
	wants(t, err, problem.PreconditionRequired)
	c.IfVersion = 2
	_, _, err = s.Put(t.Context(), c, CompanyRecord, "000000704", renamed)
	wants(t, err, problem.PreconditionFailed)
	_, _, err = s.Put(t.Context(), c, CompanyRecord, "000000705", renamed)
	wants(t, err, problem.PreconditionFailed)
	c.IfVersion = 1
	if r, _, err = s.Put(t.Context(), c, CompanyRecord, "000000704", renamed); err != nil || r.Version != 2 ||
		!slices.Equal(r.History[1].Changed, []string{"name"}) {
		t.Errorf("%+v, %v", r, err)
	}
	renamed.Retired, c.IfVersion = true, command.AnyVersion
	if r, _, err = s.Put(t.Context(), c, CompanyRecord, "000000704", renamed); err != nil || !r.Retired {
		t.Errorf("%+v, %v", r, err)
	}
	_, err = s.Company(t.Context(), "000000704")
	wants(t, err, problem.NotFound)
	if r, err = s.Record(t.Context(), c.User, CompanyRecord, "000000704"); err != nil || len(r.History) != 3 {
		t.Errorf("%+v, %v", r, err)
	}
	for n := range 20 {
		renamed.Retired = n%2 == 0
		if r, _, err = s.Put(t.Context(), c, CompanyRecord, "000000704", renamed); err != nil {
			t.Fatal(err)
		}
	}
	if len(r.History) != maxRecordHistory {
		t.Errorf("%d lines", len(r.History))
	}
	if page, err := s.List(t.Context(), c.User, CompanyRecord, 10, ""); err != nil || len(page.Records) != 3 {
		t.Errorf("%+v, %v", page, err)
	}
}

func wants(t *testing.T, err error, code problem.Code) {
	t.Helper()
	if !problem.Is(err, code) {
		t.Errorf("%v, want %s", err, code)
	}
}

// Somebody else who is quicker is no reason to write over what is there.
func TestRecordsAtOnce(t *testing.T) {
	s := samples()
	keep := s.Store.(*shelf)
	s.Store = quicker{keep, func() {
		keep.kept[CompanyRecord]["000000704"] = Record{Kind: CompanyRecord, ID: "000000704", Version: 7}
	}}
	c := operator()
	c.IfVersion = 0
	_, _, err := s.Put(t.Context(), c, CompanyRecord, "000000704", sampleCompany)
	wants(t, err, problem.PreconditionFailed)
	keep.err = errors.New("no answer")
	if _, _, err := s.Put(t.Context(), c, CompanyRecord, "000000704", sampleCompany); !errors.Is(err, keep.err) {
		t.Error(err)
	}
}

// quicker does something between a read and the write.
type quicker struct {
	*shelf
	between func()
}

func (q quicker) KeepRecord(ctx context.Context, c RecordChange) error {
	q.between()
	return q.shelf.KeepRecord(ctx, c)
}

func TestFaultsOfRecords(t *testing.T) {
	whole := sampleCompany
	for name, c := range map[string]struct {
		kind    RecordKind
		id      string
		change  func(*Statement)
		pointer string // empty where there can be no such record
	}{
		"a number of eight digits":     {CompanyRecord, "00000070", func(*Statement) {}, ""},
		"a PartnerID with a sign":      {PartnerIDRecord, "41-1", func(*Statement) {}, ""},
		"a PartnerID that is too long": {PartnerIDRecord, strings.Repeat("4", 21), func(*Statement) {}, ""},
		"another calendar":             {CalendarRecord, "mine", func(*Statement) {}, ""},
		"another kind":                 {"shop", "1", func(*Statement) {}, ""},
		"a company without a name":     {CompanyRecord, "000000704", func(s *Statement) { s.Name = "" }, "/name"},
		"a company nowhere": {CompanyRecord, "000000704", func(s *Statement) { s.Address.Country = "ZZ" },
			"/address/country"},
		"a company without a street": {CompanyRecord, "000000704", func(s *Statement) { s.Address.Line1 = "" },
			"/address/line1"},
		"a PartnerID of a shop": {PartnerIDRecord, "4100073", func(s *Statement) {
			s.Type, s.Country = "shop",
				"US"
		}, "/type"},
		"a PartnerID of nowhere": {PartnerIDRecord, "4100073", func(s *Statement) { s.Type = "location" }, "/country"},
		"a PartnerID of nobody's tenant": {PartnerIDRecord, "4100073", func(s *Statement) {
			s.Type, s.Country,
				s.Tenant = "location", "US", "me"
		}, "/tenantId"},
		"a reason of two lines": {CompanyRecord, "000000704", func(s *Statement) { s.Why = "a\nb" }, "/reason"},
		"a weekend of someday": {CalendarRecord, VettingCalendar,
			func(s *Statement) { s.Weekend = []string{"someday"} }, "/weekend"},
		"a week of weekends": {CalendarRecord, VettingCalendar, func(s *Statement) { s.Weekend = Weekdays },
			"/weekend"},
		"a holiday without a date": {CalendarRecord, VettingCalendar,
			func(s *Statement) { s.Holidays = []string{"Christmas"} }, "/holidays"},
		"more holidays than a calendar has": {CalendarRecord, VettingCalendar, func(s *Statement) {
			for n := range MaxHolidays + 1 {
				s.Holidays = append(s.Holidays, monday.AddDate(0, 0, n).Format(time.DateOnly))
			}
		}, "/holidays"},
	} {
		st := whole
		c.change(&st)
		s := samples()
		_, _, err := s.Put(t.Context(), operator(), c.kind, c.id, st)
		if c.pointer == "" {
			wants(t, err, problem.NotFound)
			continue
		}
		p, ok := errors.AsType[*problem.Error](err)
		if !ok || !slices.ContainsFunc(p.Findings, func(f problem.Finding) bool { return f.Pointer == c.pointer }) {
			t.Errorf("%s: %+v", name, err)
		}
	}
	_, _, err := samples().Put(t.Context(), admin(), CompanyRecord, "000000704", whole)
	wants(t, err, problem.RoleNotPermitted)
	_, err = samples().Record(t.Context(), admin().User, CompanyRecord, "000000701")
	wants(t, err, problem.RoleNotPermitted)
	_, err = samples().List(t.Context(), admin().User, CompanyRecord, 10, "")
	wants(t, err, problem.RoleNotPermitted)
	_, err = samples().Record(t.Context(), operator().User, CompanyRecord, "7")
	wants(t, err, problem.NotFound)
}

// A review that begins while the operator has days off is due after them (rule E14), and a calendar that cannot be read
// begins none.
func TestReviewByTheCalendar(t *testing.T) {
	d, s := open(t), samples()
	d.Calendar = s
	c := operator()
	c.IfVersion = 0
	gulf := Statement{Weekend: []string{"Saturday", "friday"}, Holidays: []string{"2026-11-18", "2026-11-17", "2026-11-18"}}
	r, _, err := s.Put(t.Context(), c, CalendarRecord, VettingCalendar, gulf)
	if err != nil || !slices.Equal(r.Calendar.Weekend, []time.Weekday{time.Friday, time.Saturday}) ||
		!slices.Equal(r.Calendar.Holidays, []string{"2026-11-17", "2026-11-18"}) {
		t.Fatalf("%+v, %v", r, err)
	}
	e := d.must(d.Start(t.Context(), admin(), whole()))
	e = d.must(d.Submit(t.Context(), admin(), e.ID, nil))
	confirmation := d.confirmation()
	confirmation.Calendar = s
	keep := s.Store.(*shelf)
	keep.err = errors.New("no answer")
	if _, _, err := confirmation.Confirm(t.Context(), linkOf(e), visitor(), ""); !errors.Is(err, keep.err) {
		t.Error(err)
	}
	keep.err = nil
	e, _, err = confirmation.Confirm(t.Context(), linkOf(e), visitor(), "")
	if err != nil || !e.ReviewDueAt.Equal(r.Calendar.Add(d.now, ReviewDays)) || e.ReviewDueAt.Equal((Calendar{}).Add(d.now,
		ReviewDays)) {
		t.Errorf("due at %s, %v", e.ReviewDueAt, err)
	}
	if got, err := samples().Calendar(t.Context()); err != nil || got.Weekend != nil || got.Holidays != nil {
		t.Errorf("%+v, %v", got, err)
	}
}
