package enrolment

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"testing"
	"time"

	"golang.org/x/text/language"

	"concord/internal/command"
	"concord/internal/due"
	"concord/internal/emailaddr"
	"concord/internal/link"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/publicid"
	"concord/internal/recipient"
	"concord/internal/relationship"
	"concord/internal/terms"
)

const (
	gorse partner.TenantID = "9025e000-0000-4000-8000-000000000007"
	alder partner.TenantID = "a1de0000-0000-4000-8000-000000000001"
)

// monday is the beginning of most of what the tests do.
var monday = time.Date(2026, 11, 16, 9, 30, 0, 0, time.UTC)

// memory keeps enrolments for tests of this package; the contract of the store has its own suite, in package storetest.
type memory struct {
	enrolments map[string]Enrolment
	latest     map[partner.TenantID]string
	accounts   map[partner.TenantID]partner.Account
	conflicts  int // how many writes are refused, as if somebody else had been quicker
	writes     int
	texts      []terms.Text
}

func newMemory() *memory {
	return &memory{enrolments: map[string]Enrolment{}, latest: map[partner.TenantID]string{}, accounts: map[partner.TenantID]partner.Account{}}
}

func (m *memory) WriteEnrolment(_ context.Context, c Change) error {
	stored, found := m.enrolments[c.After.ID]
	if m.conflicts > 0 {
		m.conflicts--
		return ErrConflict
	}
	if c.Before == nil && (found || m.latest[c.After.Tenant] != c.After.Previous) || c.Before != nil && stored.Version != c.Before.Version {
		return ErrConflict
	}
	m.writes++
	m.enrolments[c.After.ID] = c.After
	if c.Before == nil {
		m.latest[c.After.Tenant] = c.After.ID
	}
	if c.Account != nil {
		m.accounts[c.After.Tenant] = c.Account.After
	}
	return nil
}

func (m *memory) Enrolment(_ context.Context, id string) (Enrolment, error) {
	e, ok := m.enrolments[id]
	if !ok {
		return e, problem.New(problem.NotFound, "")
	}
	return e, nil
}

func (m *memory) LatestEnrolment(ctx context.Context, tenant partner.TenantID) (Enrolment, error) {
	return m.Enrolment(ctx, m.latest[tenant])
}

func (m *memory) ListEnrolments(context.Context, Query) (Page, error) {
	return Page{}, errors.New("not for these tests")
}

func (m *memory) Holder(_ context.Context, id string) (partner.TenantID, error) {
	for _, a := range m.accounts {
		if slices.ContainsFunc(a.PartnerIDs, func(p partner.PartnerID) bool { return p.ID == id }) {
			return a.Tenant, nil
		}
	}
	return "", problem.New(problem.NotFound, "")
}

func (m *memory) WriteAccount(_ context.Context, before, after partner.Account) error {
	if m.accounts[after.Tenant].Version != before.Version {
		return command.ErrConflict
	}
	m.accounts[after.Tenant] = after
	return nil
}

func (m *memory) Texts(context.Context, terms.Type) ([]terms.Text, error) { return m.texts, nil }

func (m *memory) Account(_ context.Context, tenant partner.TenantID, _ bool) (partner.Account, error) {
	a, ok := m.accounts[tenant]
	if !ok {
		return a, problem.New(problem.NotFound, "")
	}
	return a, nil
}

// desk is a service over a memory, with a clock that tests move.
type desk struct {
	*testing.T
	*memory
	*Service
	now time.Time
}

func open(t *testing.T) *desk {
	records := samples()
	d := &desk{T: t, memory: newMemory(), now: monday}
	sum := sha256.Sum256([]byte("words"))
	d.texts = []terms.Text{{Type: terms.PartnerAgreement, Version: "1", Language: "en", Title: "Sample", Body: "words", Hash: hex.EncodeToString(sum[:]), From: monday.AddDate(-1, 0, 0)}}
	d.Service = &Service{
		Store: d.memory, Accounts: d.memory, Directory: records, Validator: Formats{}, Locations: records, Holders: d.memory, Texts: d.memory,
		Addresses: emailaddr.Addresses{AllowReserved: true}, Clouds: partner.Clouds{{ID: "public", PortalName: "Concord", BaseURL: "https://x.example"}},
		Locales: []language.Tag{language.English, language.French}, Now: func() time.Time { return d.now },
	}
	return d
}

func admin() command.Command {
	return command.Command{User: partner.User{Subject: "grace", Tenant: gorse, Roles: []partner.Role{partner.GlobalAdmin}, Cloud: "public"}, CorrelationID: "c-1", IfVersion: command.AnyVersion}
}

func operator() command.Command {
	return command.Command{User: partner.User{Subject: "olga", Tenant: alder, Roles: []partner.Role{partner.Operator}}, IfVersion: command.AnyVersion}
}

// whole is all that a full application needs.
func whole() Particulars {
	return Particulars{
		Legal: &LegalForm{Entry: new("manual"), Name: new("Gorse Networks"), Address: &Address{
			Line1: "12 Heath Road", City: "Springfield", State: "OR", PostalCode: "97477", Country: "US"}},
		Contact: &Person{FirstName: "Grace", LastName: "Gorse", Email: "grace@gorse.example", Phone: "+1 555 0107"},
		Support: help(),
	}
}

// help is the support contact of the applicant.
func help() *partner.SupportProfile {
	return &partner.SupportProfile{Email: "help@gorse.example", Phone: "+1 555 0108", Name: "The desk"}
}

func (d *desk) must(e Enrolment, _ bool, err error) Enrolment {
	d.Helper()
	if err != nil {
		d.Fatal(err)
	}
	return e
}

func (d *desk) code(err error, want problem.Code) {
	d.Helper()
	if problem.CodeOf(err) != want {
		d.Errorf("%v, want the code %s", err, want)
	}
}

func (d *desk) confirmation() Confirmation { return Confirmation{Store: d.memory, Now: d.Service.Now} }

func linkOf(e Enrolment) link.Link {
	return link.Link{Tenant: string(e.Tenant), ID: e.ID, Generation: e.Verification.Generation}
}

func visitor() relationship.Person {
	return relationship.Person{Subject: "grace", Company: relationship.Customer{Tenant: gorse, Domains: []string{"gorse.example"}}}
}

// act does an action with everything right about it.
func (d *desk) act(a Action, id string) (Enrolment, error) {
	ctx := d.Context()
	var e Enrolment
	var err error
	switch a {
	case Save:
		e, _, err = d.Save(ctx, admin(), id, Particulars{Locale: new("fr")})
	case Associate:
		e, _, err = d.Associate(ctx, admin(), id, new("4100007"))
	case Submit:
		var answer *string
		if d.enrolments[id].Status == ActionRequired {
			answer = new("We moved.")
		}
		e, _, err = d.Submit(ctx, admin(), id, answer)
	case Resend:
		e, _, err = d.ResendVerification(ctx, admin(), id)
	case NeedInformation, Approve, Reject:
		e, _, err = d.Decide(ctx, operator(), id, Decision{Action: a, Reason: "because"})
	case Withdraw:
		e, _, err = d.Withdraw(ctx, admin(), id)
	case Sign:
		if d.enrolments[id].Location == nil && d.enrolments[id].Status == Authorized {
			_, _, err := d.SignAgreement(ctx, admin(), "en", attested("1"))
			d.code(err, problem.PartnerIDRequired) // rule P4
			if e, err = d.act(Associate, id); err != nil {
				return e, err
			}
		}
		_, _, err = d.SignAgreement(ctx, admin(), "en", attested("1"))
		e = d.enrolments[id]
	default:
		d.Fatalf("nobody does %q", a)
	}
	return e, err
}

func attested(version string) *terms.Attestation {
	return &terms.Attestation{Accepted: new(true), Version: &version}
}

// at brings an application into a state by the way that leads there.
func (d *desk) at(s Status) Enrolment {
	d.Helper()
	e := d.must(d.Start(d.Context(), admin(), whole()))
	steps := map[Status][]Action{
		Draft: {}, EmailVerification: {Submit}, InVetting: {Submit, Confirm}, ActionRequired: {Submit, Confirm, NeedInformation},
		Authorized: {Submit, Confirm, Approve}, Rejected: {Submit, Confirm, Reject}, Withdrawn: {Withdraw}, Active: {Submit, Confirm, Approve, Sign},
	}
	for _, a := range steps[s] {
		var err error
		if a == Confirm {
			e, _, err = d.confirmation().Confirm(d.Context(), linkOf(e), visitor(), "c-2")
		} else {
			e, err = d.act(a, e.ID)
		}
		if err != nil {
			d.Fatalf("%s on the way to %s: %v", a, s, err)
		}
		d.now = d.now.Add(time.Hour)
	}
	if d.enrolments[e.ID].Status != s {
		d.Fatalf("%s, want %s", d.enrolments[e.ID].Status, s)
	}
	return d.enrolments[e.ID]
}

// The table of domain 2.2, cell by cell: where an action leads from each state, or the code that refuses it.
func TestEveryStateAndAction(t *testing.T) {
	const no, early = problem.EnrolmentStateConflict, problem.EmailNotVerified
	actions := []Action{Save, Associate, Submit, Resend, NeedInformation, Approve, Reject, Withdraw, Sign}
	table := map[Status][]any{
		Draft:             {Draft, Draft, EmailVerification, no, no, no, no, Withdrawn, no},
		EmailVerification: {no, EmailVerification, no, EmailVerification, early, early, early, Withdrawn, no},
		InVetting:         {no, InVetting, no, no, ActionRequired, Authorized, Rejected, Withdrawn, no},
		ActionRequired:    {ActionRequired, ActionRequired, InVetting, no, no, Authorized, Rejected, Withdrawn, no},
		Authorized:        {no, Authorized, no, no, no, no, no, Withdrawn, Active},
		Active:            {no, no, no, no, no, no, no, no, no},
		Rejected:          {no, no, no, no, no, no, no, no, no},
		Withdrawn:         {no, no, no, no, no, no, no, no, no},
	}
	cells := 0
	for _, s := range Statuses {
		for n, a := range actions {
			cells++
			t.Run(string(s)+", "+string(a), func(t *testing.T) {
				d := open(t)
				before := d.at(s)
				writes := d.writes
				e, err := d.act(a, before.ID)
				switch want := table[s][n].(type) {
				case problem.Code:
					d.code(err, want)
					if d.writes != writes {
						t.Error("something was written")
					}
				case Status:
					steps := 1
					if a == Sign { // and the PartnerID before it
						steps = 2
					}
					if err != nil || e.Status != want || e.Version != before.Version+steps || e.History[len(e.History)-1].Action != a {
						t.Errorf("%+v, %v", e, err)
					}
				}
			})
		}
	}
	if cells != 72 {
		t.Errorf("%d cells", cells)
	}
}

// Rules E12, E13: mails go to the contact once it has confirmed, one for each state; before, the one with the link alone.
func TestMailsOfEveryState(t *testing.T) {
	for s, want := range map[Status][]outbox.Kind{
		Draft: nil, EmailVerification: {VerificationNotice}, InVetting: {VerificationNotice, VettingNotice},
		ActionRequired: {VerificationNotice, VettingNotice, ActionRequiredNotice}, Authorized: {VerificationNotice, VettingNotice, AuthorizedNotice},
		Rejected: {VerificationNotice, VettingNotice, RejectedNotice}, Withdrawn: nil,
	} {
		d := open(t)
		if e := d.at(s); !slices.Equal(e.Post.Owed, want) || (e.Post.State == outbox.Queued) != (want != nil) {
			t.Errorf("%s owes %v", s, e.Post)
		}
	}
	d := open(t)
	e := d.at(EmailVerification)
	e, err := d.act(Withdraw, e.ID)
	if err != nil || slices.Contains(e.Post.Owed, WithdrawnNotice) {
		t.Errorf("withdrawn before anybody confirmed: %v, %v", e.Post, err)
	}
	e, did := e.ClaimPost(d.now, "m")
	if !did.Changed || did.Send || e.Post.State != outbox.None {
		t.Errorf("a link that leads nowhere is mailed: %+v", e.Post)
	}
}

// Rules E1, E2, E3, E8, E11 and invariant 19: what is said is checked where it is said.
func TestWhatIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(*Particulars)
		want problem.Code
		at   string
	}{
		"Gmail (E11)":                     {func(p *Particulars) { p.Contact.Email = "grace@gmail.com" }, problem.WebmailNotAllowed, "/primaryContact/email"},
		"Yahoo! Mail of a region":         {func(p *Particulars) { p.Contact.Email = "grace@yahoo.co.jp" }, problem.WebmailNotAllowed, "/primaryContact/email"},
		"iCloud Mail":                     {func(p *Particulars) { p.Contact.Email = "grace@ME.com" }, problem.WebmailNotAllowed, "/primaryContact/email"},
		"AOL Mail":                        {func(p *Particulars) { p.Contact.Email = "grace@aol.de" }, problem.WebmailNotAllowed, "/primaryContact/email"},
		"Outlook Mail, older name":        {func(p *Particulars) { p.Contact.Email = "grace@hotmail.com.tr" }, problem.WebmailNotAllowed, "/primaryContact/email"},
		"below a webmail domain":          {func(p *Particulars) { p.Contact.Email = "grace@mail.outlook.fr" }, problem.WebmailNotAllowed, "/primaryContact/email"},
		"webmail of Germany":              {func(p *Particulars) { p.Contact.Email = "grace@web.de" }, problem.WebmailNotAllowed, "/primaryContact/email"},
		"webmail of China":                {func(p *Particulars) { p.Contact.Email = "grace@vip.163.com" }, problem.WebmailNotAllowed, "/primaryContact/email"},
		"webmail for support (0.34)":      {func(p *Particulars) { p.Support.Email = "gorse.help@gmail.com" }, problem.WebmailNotAllowed, "/supportContact/email"},
		"no address":                      {func(p *Particulars) { p.Contact.Email = "grace" }, problem.EmailInvalid, "/primaryContact/email"},
		"a name with a link":              {func(p *Particulars) { p.Contact.LastName = "www.gorse.com" }, problem.NameInvalid, "/primaryContact/lastName"},
		"a telephone number of words":     {func(p *Particulars) { p.Contact.Phone = "call me" }, problem.ValidationFailed, "/primaryContact/phone"},
		"a company without a name":        {func(p *Particulars) { p.Legal.Name = new(" ") }, problem.NameInvalid, "/legal/name"},
		"an unknown country":              {func(p *Particulars) { p.Legal.Address.Country = "XX" }, problem.ValidationFailed, "/legal/address/country"},
		"UK, which is GB":                 {func(p *Particulars) { p.Legal.Address.Country = "UK" }, problem.ValidationFailed, "/legal/address/country"},
		"no street":                       {func(p *Particulars) { p.Legal.Address.Line1 = "" }, problem.ValidationFailed, "/legal/address/line1"},
		"an entry of another kind":        {func(p *Particulars) { p.Legal.Entry = new("guessed") }, problem.ValidationFailed, "/legal/entry"},
		"a number of eight digits":        {func(p *Particulars) { p.Legal = &LegalForm{Entry: new("duns"), DUNS: new("00000070")} }, problem.ValidationFailed, "/legal/dunsId"},
		"a number that nobody has":        {func(p *Particulars) { p.Legal = &LegalForm{Entry: new("duns"), DUNS: new("000000799")} }, problem.ValidationFailed, "/legal/dunsId"},
		"a number entered by hand":        {func(p *Particulars) { p.Legal.DUNS = new("000000701") }, problem.ValidationFailed, "/legal/dunsId"},
		"a PartnerID of nobody (E6)":      {func(p *Particulars) { p.PartnerID = new("999") }, problem.PartnerIDNotFound, "/partnerId"},
		"the headquarters (E6)":           {func(p *Particulars) { p.PartnerID = new("4100070") }, problem.PartnerIDWrongType, "/partnerId"},
		"another country (E6, X-f)":       {func(p *Particulars) { p.PartnerID = new("4100071") }, problem.PartnerIDWrongCountry, "/partnerId"},
		"a choice without a form":         {func(p *Particulars) { p.Choice = new(Choice("suggested")) }, problem.ValidationFailed, "/addressValidation/choice"},
		"a language that is no tag":       {func(p *Particulars) { p.Locale = new("-") }, problem.ValidationFailed, "/locale"},
		"support by a telephone of words": {func(p *Particulars) { p.Support.Phone = "call" }, problem.ValidationFailed, "/supportContact/phone"},
		"support called like a link":      {func(p *Particulars) { p.Support.Name = "www.gorse.com" }, problem.NameInvalid, "/supportContact/name"},
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t)
			p := whole()
			c.edit(&p)
			_, _, err := d.Start(t.Context(), admin(), p)
			refused, ok := errors.AsType[*problem.Error](err)
			if !ok || refused.Code != c.want || len(refused.Findings) != 1 || refused.Findings[0].Pointer != c.at || d.writes != 0 {
				t.Errorf("%v", err)
			}
		})
	}
}

// Rule E9: what differs is suggested, one of the two is chosen, and neither is forced; what nobody can validate is in nobody's way.
func TestAddressIsSuggested(t *testing.T) {
	d := open(t)
	p := whole()
	p.Legal.Address.State, p.Legal.Address.PostalCode = "Oregon", "97477 1234"
	e := d.must(d.Start(t.Context(), admin(), p))
	if e.Address.Status != AddressSuggestion || e.Address.Choice != "" || e.Address.Suggested[0].State != "OR" || e.Address.Suggested[0].PostalCode != "97477-1234" {
		t.Fatalf("%+v", e.Address)
	}
	_, _, err := d.Submit(t.Context(), admin(), e.ID, nil)
	d.code(err, problem.AddressNotValidated)
	for choice, want := range map[Choice]string{Original: "Oregon", Suggested: "OR"} {
		e = d.must(d.Save(t.Context(), admin(), e.ID, Particulars{Choice: &choice}))
		if e.Chosen().State != want || e.Legal.Address.State != "Oregon" {
			t.Errorf("%s: %+v", choice, e.Chosen())
		}
	}
	if _, _, err := d.Submit(t.Context(), admin(), e.ID, nil); err != nil {
		t.Error(err)
	}

	d = open(t)
	d.Validator = down{}
	e = d.must(d.Start(t.Context(), admin(), p))
	if _, _, err := d.Submit(t.Context(), admin(), e.ID, nil); err != nil || e.Address.Status != AddressNotValidated {
		t.Errorf("a validator that is down: %+v, %v", e.Address, err)
	}
}

type down struct{}

func (down) Validate(context.Context, Address) (Validation, error) {
	return Validation{}, errors.New("down")
}

func TestFormats(t *testing.T) {
	for name, c := range map[string]struct {
		typed  Address
		status AddressStatus
		want   Address // zero when nothing is suggested
	}{
		"as it is written":       {Address{"1 Main St", "", "Seattle", "WA", "98101", "US"}, AddressValid, Address{}},
		"a state by its name":    {Address{"1 Main St", "", "Seattle", "washington", "98101", "US"}, AddressSuggestion, Address{"1 Main St", "", "Seattle", "WA", "98101", "US"}},
		"spaces and a comma":     {Address{"1  Main St,", "", "Seattle", "WA", "98101", "US"}, AddressSuggestion, Address{"1 Main St", "", "Seattle", "WA", "98101", "US"}},
		"no state":               {Address{"1 Main St", "", "Seattle", "", "98101", "US"}, AddressInvalid, Address{}},
		"no such state":          {Address{"1 Main St", "", "Seattle", "Bavaria", "98101", "US"}, AddressInvalid, Address{}},
		"a code of four digits":  {Address{"1 Main St", "", "Seattle", "WA", "9810", "US"}, AddressInvalid, Address{}},
		"a British code":         {Address{"9 Sample St", "", "London", "", "sw1a1aa", "GB"}, AddressSuggestion, Address{"9 Sample St", "", "London", "", "SW1A 1AA", "GB"}},
		"a Canadian code":        {Address{"9 Sample St", "", "Ottawa", "Ontario", "k1a-0b1", "CA"}, AddressSuggestion, Address{"9 Sample St", "", "Ottawa", "ON", "K1A 0B1", "CA"}},
		"a Dutch code":           {Address{"Weg 9", "", "Delft", "", "2611ab", "NL"}, AddressSuggestion, Address{"Weg 9", "", "Delft", "", "2611 AB", "NL"}},
		"a Swedish code":         {Address{"Vägen 9", "", "Lund", "", "SE-22100", "SE"}, AddressSuggestion, Address{"Vägen 9", "", "Lund", "", "221 00", "SE"}},
		"a Swedish code, right":  {Address{"Vägen 9", "", "Lund", "", "221 00", "SE"}, AddressValid, Address{}},
		"a Japanese code":        {Address{"丸の内1-1", "", "千代田区", "東京都", "〒１０００００５", "JP"}, AddressSuggestion, Address{"丸の内1-1", "", "千代田区", "東京都", "100-0005", "JP"}},
		"a Japanese town abroad": {Address{"1-1 Marunouchi", "", "Chiyoda", "Tokyo", "100-0005", "JP"}, AddressValid, Address{}},
		"a country without code": {Address{"9 Sample St", "", "", "Kowloon", "", "HK"}, AddressValid, Address{}},
		"nothing known":          {Address{"9 Sample St", "", "Town", "", "", "QQ"}, AddressNotValidated, Address{}},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := Formats{}.Validate(t.Context(), c.typed)
			if err != nil || v.Status != c.status || (c.want != Address{}) != (len(v.Suggested) == 1) || len(v.Suggested) == 1 && v.Suggested[0] != c.want {
				t.Errorf("%+v, %v", v, err)
			}
			if len(v.Suggested) == 1 {
				if again, _ := (Formats{}).Validate(t.Context(), v.Suggested[0]); again.Status != AddressValid {
					t.Errorf("what is suggested is %+v", again)
				}
			}
		})
	}
}

// Every pattern and every example of the data fits: a postal code that a country gives as its own is taken as it is written.
func TestFormatData(t *testing.T) {
	examples := 0
	for country := range formats() {
		f := formatOf(country)
		for _, example := range f.ZipEx {
			if f.pattern == nil || !f.pattern.MatchString(example) {
				continue // a few of the data do not fit their own pattern
			}
			examples++
			if code, ok := f.code(example); !ok || code != example {
				t.Errorf("%s: %q becomes %q", country, example, code)
			}
		}
	}
	if len(formats()) < 240 || examples < 300 {
		t.Errorf("%d countries, %d examples", len(formats()), examples)
	}
}

// Rule E14: five business days, over a weekend and over holidays.
func TestCalendar(t *testing.T) {
	holidays := Calendar{Holidays: []string{"2026-11-18", "2026-11-19"}}
	gulf := Calendar{Weekend: []time.Weekday{time.Friday, time.Saturday}}
	at := func(day, hour int) time.Time { return time.Date(2026, 11, day, hour, 0, 0, 0, time.UTC) }
	for name, c := range map[string]struct {
		calendar Calendar
		from, to time.Time
	}{
		"from Monday to Monday":        {Calendar{}, at(16, 9), at(23, 9)},
		"from Friday to Friday":        {Calendar{}, at(20, 15), at(27, 15)},
		"from Saturday":                {Calendar{}, at(21, 15), at(30, 0)},
		"from Sunday":                  {Calendar{}, at(22, 23), at(30, 0)},
		"over two holidays":            {holidays, at(16, 9), at(25, 9)},
		"where Sunday is a day's work": {gulf, at(16, 9), at(23, 9)},
		"from a Friday there":          {gulf, at(20, 9), at(29, 0)},
	} {
		if got := c.calendar.Add(c.from, ReviewDays); !got.Equal(c.to) {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// Rules E12, E13, X-j: the link, in the order in which its outcomes are looked at.
func TestWhatALinkLeadsTo(t *testing.T) {
	other := relationship.Person{Subject: "mallory", Company: relationship.Customer{Tenant: alder}}
	for name, c := range map[string]struct {
		bring func(*desk) (link.Link, *relationship.Person)
		want  Case
	}{
		"nobody signed in": {func(d *desk) (link.Link, *relationship.Person) { return linkOf(d.at(EmailVerification)), nil }, SignInFirst},
		"of this account": {func(d *desk) (link.Link, *relationship.Person) {
			return linkOf(d.at(EmailVerification)), new(visitor())
		}, Form},
		"of another one": {func(d *desk) (link.Link, *relationship.Person) { return linkOf(d.at(EmailVerification)), &other }, OtherTenant},
		"of no enrolment": {func(*desk) (link.Link, *relationship.Person) {
			return link.Link{Tenant: string(gorse), ID: publicid.Random(Prefix), Generation: 1}, new(visitor())
		}, Unknown},
		"of another company's": {func(d *desk) (link.Link, *relationship.Person) {
			l := linkOf(d.at(EmailVerification))
			l.Tenant = string(alder)
			return l, new(visitor())
		}, Unknown},
		"withdrawn": {func(d *desk) (link.Link, *relationship.Person) {
			e := d.at(EmailVerification)
			_, _ = d.act(Withdraw, e.ID)
			return linkOf(e), new(visitor())
		}, Unknown},
		"resent": {func(d *desk) (link.Link, *relationship.Person) {
			e := d.at(EmailVerification)
			_, _ = d.act(Resend, e.ID)
			return linkOf(e), new(visitor())
		}, Superseded},
		"seven days old": {func(d *desk) (link.Link, *relationship.Person) {
			e := d.at(EmailVerification)
			d.now = e.Verification.ExpiresAt
			return linkOf(e), new(visitor())
		}, TooLate},
		"confirmed by the same person": {func(d *desk) (link.Link, *relationship.Person) { return linkOf(d.at(InVetting)), new(visitor()) }, Confirmed},
		"confirmed by somebody else": {func(d *desk) (link.Link, *relationship.Person) {
			return linkOf(d.at(InVetting)), &relationship.Person{Subject: "gus", Company: relationship.Customer{Tenant: gorse}}
		}, Used},
		"confirmed, long ago": {func(d *desk) (link.Link, *relationship.Person) {
			e := d.at(Authorized)
			d.now = d.now.AddDate(1, 0, 0)
			return linkOf(e), nil
		}, Used},
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t)
			l, who := c.bring(d)
			writes := d.writes
			e, got, err := d.confirmation().Look(t.Context(), l, who)
			if err != nil || got != c.want || d.writes != writes || (e.ID == "") != (got == Unknown) {
				t.Errorf("%s, %v", got, err)
			}
			if who == nil {
				return
			}
			// Confirming where there is no form is looking.
			if _, again, err := d.confirmation().Confirm(t.Context(), l, *who, ""); err != nil || again != c.want && c.want != Form || c.want != Form && d.writes != writes {
				t.Errorf("confirmed: %s, %v", again, err)
			}
		})
	}
}

// Invariant 19, rules E12, E18: an address of another domain than the company's is flagged for whoever vets.
func TestVettingFlags(t *testing.T) {
	for domain, want := range map[string]Result{"gorse.example": NotLooked, "GORSE.example": NotLooked, "example": Flagged, "other.example": Flagged, "evil-gorse.example": Flagged} {
		d := open(t)
		e := d.at(EmailVerification)
		who := visitor()
		who.Company.Domains = []string{domain}
		e, c, err := d.confirmation().Confirm(t.Context(), linkOf(e), who, "")
		if err != nil || c != Confirmed || e.Vetting != (Vetting{Passed, want, NotLooked}) || e.Verification.VerifiedBy != "grace" {
			t.Errorf("%s: %s, %+v, %v", domain, c, e.Vetting, err)
		}
		if e, err = d.act(Approve, e.ID); err != nil || e.Vetting != (Vetting{Passed, Passed, Passed}) {
			t.Errorf("%+v, %v", e.Vetting, err)
		}
	}
}

// Resending has a cooldown and five in a day, also for a company that starts again and again.
func TestResendCooldown(t *testing.T) {
	d := open(t)
	e := d.must(d.Start(t.Context(), admin(), whole()))
	e = d.must(d.Submit(t.Context(), admin(), e.ID, nil))
	_, err := d.act(Resend, e.ID)
	d.code(err, problem.ResendCooldown)
	if p, _ := errors.AsType[*problem.Error](err); p.RetryAfter != recipient.Cooldown {
		t.Errorf("wait %s", p.RetryAfter)
	}
	for n := range 4 {
		d.now = d.now.Add(recipient.Cooldown)
		if e, err = d.act(Resend, e.ID); err != nil || e.Verification.Generation != n+2 || !e.Verification.ExpiresAt.Equal(d.now.Add(LinkTime)) {
			t.Fatalf("%+v, %v", e.Verification, err)
		}
	}
	d.now = d.now.Add(recipient.Cooldown)
	_, err = d.act(Resend, e.ID)
	d.code(err, problem.ResendCooldown)
	_, _ = d.act(Withdraw, e.ID)
	next := d.must(d.Start(t.Context(), admin(), whole()))
	_, err = d.act(Submit, next.ID)
	d.code(err, problem.ResendCooldown)
	d.now = d.now.Add(24 * time.Hour)
	if _, err := d.act(Submit, next.ID); err != nil {
		t.Error(err)
	}
}

// Rule E10, vetting: another contact confirms anew, before the review goes on.
func TestAnotherContact(t *testing.T) {
	d := open(t)
	e := d.at(ActionRequired)
	p := whole()
	p.Contact.Email = "gus@gorse.example"
	e = d.must(d.Save(t.Context(), admin(), e.ID, Particulars{Contact: p.Contact}))
	old := linkOf(e)
	e = d.must(d.Submit(t.Context(), admin(), e.ID, nil))
	if e.Status != EmailVerification || e.Verification.Generation != 2 || !e.Verification.VerifiedAt.IsZero() {
		t.Fatalf("%+v", e)
	}
	if _, c, err := d.confirmation().Look(t.Context(), old, new(visitor())); err != nil || c != Superseded {
		t.Errorf("the first contact's link: %s, %v", c, err)
	}
	e, _, err := d.confirmation().Confirm(t.Context(), linkOf(e), visitor(), "")
	if err != nil || e.Status != InVetting {
		t.Errorf("%+v, %v", e, err)
	}
}

// Rules E6, E7: the PartnerID can wait, and one can be made.
func TestNewLocation(t *testing.T) {
	d := open(t)
	e := d.at(Authorized)
	e = d.must(d.Associate(t.Context(), admin(), e.ID, nil))
	if e.Location == nil || e.Location.Country != "US" || e.Location.Type != partner.Location || len(e.Location.ID) != 10 || e.Location.Tenant != gorse {
		t.Errorf("%+v", e.Location)
	}
	d = open(t)
	d.accounts[alder] = partner.Account{Tenant: alder, PartnerIDs: []partner.PartnerID{{ID: "4100072", Type: partner.Location, Country: "FR"}}}
	e = d.must(d.Start(t.Context(), admin(), Particulars{}))
	_, _, err := d.Associate(t.Context(), admin(), e.ID, new("4100072"))
	d.code(err, problem.PartnerIDNotFound) // it is another's
	_, _, err = d.Associate(t.Context(), admin(), e.ID, nil)
	d.code(err, problem.ValidationFailed)
	// The country may be said later, and be another one.
	e = d.must(d.Associate(t.Context(), admin(), e.ID, new("4100071")))
	e = d.must(d.Save(t.Context(), admin(), e.ID, whole()))
	_, _, err = d.Submit(t.Context(), admin(), e.ID, nil)
	d.code(err, problem.PartnerIDWrongCountry)
}

// Rule E8: a profile by its number, whatever else is said.
func TestByDUNS(t *testing.T) {
	d := open(t)
	p := whole()
	p.Legal = &LegalForm{Entry: new("duns"), DUNS: new("00-000-0701"), Name: new("Something else")}
	e := d.must(d.Start(t.Context(), admin(), p))
	if e.Legal.Name != "Gorse Networks" || e.Legal.DUNS != "000000701" || e.Legal.Address.City != "Springfield" || e.Address.Choice != Original {
		t.Errorf("%+v", e.Legal)
	}
	d.Directory = absent{}
	_, _, err := d.Save(t.Context(), admin(), e.ID, Particulars{Legal: p.Legal})
	d.code(err, problem.Unavailable)
}

type absent struct{}

func (absent) Company(context.Context, string) (Company, error) {
	return Company{}, errors.New("no answer")
}

// Who may: the Global admin of the own company (rule R3), and the operator what is the operator's.
func TestRoles(t *testing.T) {
	d := open(t)
	e := d.at(InVetting)
	agent := admin()
	agent.User.Roles = []partner.Role{partner.AdminAgent, partner.SalesAgent}
	stranger := admin()
	stranger.User.Tenant = alder
	_, _, err := d.Start(t.Context(), agent, whole())
	d.code(err, problem.RoleNotPermitted)
	_, err = d.Service.Enrolment(t.Context(), agent.User, e.ID)
	d.code(err, problem.RoleNotPermitted)
	_, err = d.Service.Enrolment(t.Context(), stranger.User, e.ID)
	d.code(err, problem.NotFound)
	_, _, err = d.Withdraw(t.Context(), stranger, e.ID)
	d.code(err, problem.NotFound)
	_, _, err = d.Withdraw(t.Context(), operator(), e.ID)
	d.code(err, problem.RoleNotPermitted)
	_, _, err = d.Decide(t.Context(), admin(), e.ID, Decision{Action: Approve})
	d.code(err, problem.RoleNotPermitted)
	_, err = d.Enrolments(t.Context(), agent.User, Query{Limit: 1})
	d.code(err, problem.RoleNotPermitted)
	_, err = d.Service.Enrolment(t.Context(), operator().User, e.ID)
	if err != nil {
		t.Error(err)
	}
	_, _, err = d.Decide(t.Context(), operator(), e.ID, Decision{Action: Reject})
	d.code(err, problem.ValidationFailed)
	_, _, err = d.Withdraw(t.Context(), admin(), "inv_x")
	d.code(err, problem.NotFound)
}

// One application is open at a time; one that ended makes room, and a key that comes back gives what it made.
func TestStartAgain(t *testing.T) {
	d := open(t)
	c := admin()
	c.Key, c.Body = "key-1", "body-1"
	e := d.must(d.Start(t.Context(), c, whole()))
	again, replayed, err := d.Start(t.Context(), c, whole())
	if err != nil || !replayed || again.ID != e.ID {
		t.Errorf("%s, %t, %v", again.ID, replayed, err)
	}
	c.Body = "body-2"
	_, _, err = d.Start(t.Context(), c, whole())
	d.code(err, problem.IdempotencyKeyReused)
	_, _, err = d.Start(t.Context(), admin(), whole())
	d.code(err, problem.EnrolmentStateConflict)
	_, _ = d.act(Withdraw, e.ID)
	next := d.must(d.Start(t.Context(), admin(), whole()))
	if next.ID == e.ID || next.Status != Draft {
		t.Errorf("%+v", next)
	}
}

func TestVersions(t *testing.T) {
	d := open(t)
	e := d.must(d.Start(t.Context(), admin(), whole()))
	c := admin()
	c.IfVersion = 0
	_, _, err := d.Save(t.Context(), c, e.ID, Particulars{})
	d.code(err, problem.PreconditionRequired)
	c.IfVersion = 7
	_, _, err = d.Save(t.Context(), c, e.ID, Particulars{})
	d.code(err, problem.PreconditionFailed)
	d.conflicts = 2
	if e, _, err = d.Save(t.Context(), admin(), e.ID, Particulars{Locale: new("fr")}); err != nil || e.Version != 2 {
		t.Errorf("%+v, %v", e, err)
	}
	d.conflicts = 100
	_, _, err = d.Save(t.Context(), admin(), e.ID, Particulars{Locale: new("en")})
	d.code(err, problem.Unavailable)
}

// Rule E2: who has an account already says whom its customers reach. Where all else stands, that is all.
func TestFastTrack(t *testing.T) {
	account := partner.Account{
		Tenant: gorse, DisplayName: "Gorse Networks", Role: partner.IndirectReseller, Cloud: "public", Country: "US", Status: partner.Pending, Locale: "fr",
		PartnerIDs: []partner.PartnerID{{ID: "1", Type: partner.Location, Country: "US"}, {ID: "2", Type: partner.Headquarters, Country: "US"}}, Version: 3,
	}
	d := open(t)
	d.accounts[gorse] = account
	e := d.must(d.Start(t.Context(), admin(), Particulars{}))
	if e.Path != FastTrack || e.Locale != "fr" || e.Location != nil || e.Home() != "US" {
		t.Fatalf("%+v", e)
	}
	_, _, err := d.Submit(t.Context(), admin(), e.ID, nil)
	d.code(err, problem.ValidationFailed)
	_, _, err = d.Save(t.Context(), admin(), e.ID, Particulars{Legal: whole().Legal})
	d.code(err, problem.ValidationFailed)
	support := Particulars{Support: help()}
	e = d.must(d.Save(t.Context(), admin(), e.ID, support))
	_, _, err = d.Associate(t.Context(), admin(), e.ID, new("2"))
	d.code(err, problem.PartnerIDWrongType)
	e = d.must(d.Submit(t.Context(), admin(), e.ID, nil))
	if e.Status != Authorized || d.accounts[gorse].Version != 3 {
		t.Errorf("%s", e.Status)
	}

	d = open(t)
	account.AssociatedPartnerID, account.MPA = "1", &partner.Agreement{Version: "1"}
	d.accounts[gorse] = account
	e = d.must(d.Start(t.Context(), admin(), support))
	e = d.must(d.Submit(t.Context(), admin(), e.ID, nil))
	if a := d.accounts[gorse]; e.Status != Active || a.Status != partner.Active || a.Version != 4 || a.Support != *help() || e.Post.State != outbox.None {
		t.Errorf("%s, %+v", e.Status, a)
	}

	for _, s := range []partner.ProgramStatus{partner.Suspended, partner.Rejected} {
		d = open(t)
		account.Status = s
		d.accounts[gorse] = account
		_, _, err := d.Start(t.Context(), admin(), support)
		d.code(err, problem.PartnerNotActive)
	}
	d = open(t)
	_, _, err = d.Start(t.Context(), command.Command{User: partner.User{Tenant: gorse, Roles: []partner.Role{partner.GlobalAdmin}, Cloud: "moon"}}, Particulars{})
	d.code(err, problem.CloudMismatch)
}

// X-j, rule E14: what nobody answers in time is seen: a link that ends, a review that takes longer than five business days.
func TestCleanup(t *testing.T) {
	d := open(t)
	e := d.at(EmailVerification)
	cleanup := Cleanup{Store: d.memory}
	did := map[string]int{}
	run := func(at time.Time) {
		t.Helper()
		d.now = at
		if err := cleanup.Do(t.Context(), due.Item{Kind: DueKind, ID: e.ID}, at, func(name string) { did[name]++ }); err != nil {
			t.Fatal(err)
		}
	}
	run(e.Post.At) // the mailer never came
	run(e.Verification.ExpiresAt.Add(-time.Second))
	run(e.Verification.ExpiresAt)
	run(e.Verification.ExpiresAt)
	stored := d.enrolments[e.ID]
	if did[CountLapsed] != 1 || !stored.Verification.Lapsed || stored.Status != EmailVerification || did[CountQueued] == 0 {
		t.Errorf("%v, %+v", did, stored.Verification)
	}
	e, err := d.act(Resend, e.ID)
	if err != nil || e.Verification.Lapsed {
		t.Fatalf("%+v, %v", e.Verification, err)
	}
	e, _, err = d.confirmation().Confirm(t.Context(), linkOf(e), visitor(), "")
	if err != nil {
		t.Fatal(err)
	}
	if due := (Calendar{}).Add(d.now, 5); !e.ReviewDueAt.Equal(due) || e.OverdueAt(due.Add(-time.Second)) || !e.OverdueAt(due) {
		t.Errorf("due at %s", e.ReviewDueAt)
	}
	run(e.ReviewDueAt)
	run(e.ReviewDueAt)
	if stored := d.enrolments[e.ID]; did[CountOverdue] != 1 || !stored.Overdue {
		t.Errorf("%v", did)
	}
	if e, err = d.act(Approve, e.ID); err != nil || e.Overdue || !e.ReviewDueAt.IsZero() {
		t.Errorf("%+v, %v", e, err)
	}
	if err := cleanup.Do(t.Context(), due.Item{ID: "enr_none"}, d.now, nil); err != nil {
		t.Error(err)
	}
	if !slices.Equal(cleanup.Counts(), []string{CountLapsed, CountOverdue, CountQueued, CountErased, CountMailFailed}) {
		t.Error(cleanup.Counts())
	}
}

// The mails are claimed together, and settled together; what fails for good is noted, what may have gone goes again.
func TestPost(t *testing.T) {
	d := open(t)
	e := d.at(InVetting)
	claimed, did := e.ClaimPost(d.now, "m")
	if !did.Changed || !did.Send || !slices.Equal(claimed.Post.Owed, []outbox.Kind{VettingNotice}) || claimed.Post.Attempts != 1 {
		t.Fatalf("%+v", claimed.Post)
	}
	if _, did := claimed.ClaimPost(d.now.Add(outbox.Lease-time.Second), "n"); did.Changed {
		t.Error("claimed twice")
	}
	if taken, did := claimed.ClaimPost(d.now.Add(outbox.Lease), "n"); !did.Changed || !did.Send || taken.Post.Owner != "n" {
		t.Error("not free at the end of the outbox.Lease")
	}
	if _, mine := claimed.SettlePost(d.now, "n", nil); mine {
		t.Error("settled by somebody else")
	}
	waiting, _ := claimed.SettlePost(d.now, "m", map[outbox.Kind]outbox.Outcome{VettingNotice: {State: outbox.Waiting, Reason: "throttled"}})
	if waiting.Post.State != outbox.Waiting || !waiting.Post.At.Equal(d.now.Add(30*time.Second)) || waiting.Post.Attempts != 1 || waiting.Post.Reason != "throttled" {
		t.Errorf("%+v", waiting.Post)
	}
	later, _ := claimed.SettlePost(d.now, "m", map[outbox.Kind]outbox.Outcome{VettingNotice: {State: outbox.Waiting, Later: time.Hour}})
	if later.Post.Attempts != 0 || !later.Post.At.Equal(d.now.Add(time.Hour)) {
		t.Errorf("%+v", later.Post)
	}
	failed, _ := claimed.SettlePost(d.now, "m", map[outbox.Kind]outbox.Outcome{VettingNotice: {State: outbox.Failed, Reason: "recipient_suppressed"}})
	if last := failed.History[len(failed.History)-1]; failed.Post.State != outbox.None || last.Action != MailFailed || last.Why != "vetting recipient_suppressed" {
		t.Errorf("%+v", last)
	}
	// What comes to be owed under a claim goes with the next.
	claimed.Status = ActionRequired
	claimed.owe(d.now, ActionRequiredNotice)
	left, _ := claimed.SettlePost(d.now, "m", map[outbox.Kind]outbox.Outcome{VettingNotice: {State: outbox.Sent}})
	if left.Post.State != outbox.Queued || !slices.Equal(left.Post.Owed, []outbox.Kind{ActionRequiredNotice}) {
		t.Errorf("%+v", left.Post)
	}
	e.Post.Attempts = outbox.MaxAttempts
	if given, did := e.ClaimPost(d.now, "m"); !did.Changed || did.Send || given.Post.State != outbox.None {
		t.Errorf("%+v", given.Post)
	}
}

// Rules P4, R4, E15, E16: what is signed is the text in force, and with it there is a partner account.
func TestSign(t *testing.T) {
	d := open(t)
	e := d.at(Authorized)
	if e.Location != nil || e.MPA != nil {
		t.Fatal("more stands than should")
	}
	c := admin()
	c.Key, c.Body = "key", "body"
	sign := func(a *terms.Attestation) error {
		_, _, err := d.SignAgreement(t.Context(), c, "en", a)
		return err
	}
	d.code(sign(nil), problem.AttestationRequired)
	d.code(sign(&terms.Attestation{Accepted: new(false), Version: new("1")}), problem.AttestationRequired)
	d.code(sign(attested("0")), problem.AttestationOutdated)
	d.code(sign(attested("1")), problem.PartnerIDRequired)
	texts := d.texts
	d.texts = nil
	d.code(sign(attested("1")), problem.AgreementTextNotConfigured)
	if g, err := d.Agreement(t.Context(), c.User, "en"); err != nil || g.Text != nil || g.Signed != nil || g.Enrolment == nil {
		t.Errorf("%+v, %v", g, err)
	}
	d.texts = texts
	e = d.must(d.Associate(t.Context(), admin(), e.ID, new("4100007")))
	if e.Status != Authorized {
		t.Errorf("%s without a signature", e.Status)
	}
	if g, err := d.Agreement(t.Context(), c.User, "fr"); err != nil || g.Text == nil || g.Text.Version != "1" {
		t.Errorf("%+v, %v", g, err)
	}
	g, replayed, err := d.SignAgreement(t.Context(), c, "en", attested("1"))
	if err != nil || replayed || g.Signed.Version != "1" || g.Signed.Hash != texts[0].Hash || g.Enrolment.Status != Active || g.Enrolment.MPALanguage != "en" {
		t.Fatalf("%+v, %v", g, err)
	}
	a := d.accounts[gorse]
	if a.Role != partner.IndirectReseller || a.Status != partner.Active || a.AssociatedPartnerID != "4100007" || !a.PartnerIDs[0].OnboardingLocation ||
		a.MPA == nil || a.MPA.Version != "1" || a.Country != "US" || a.Contact.Email != "help@gorse.example" || a.Support != *help() || a.VerifiedDomain != "gorse.example" || a.DisplayName != "Gorse Networks" {
		t.Errorf("%+v", a)
	}
	if _, replayed, err := d.SignAgreement(t.Context(), c, "en", attested("1")); err != nil || !replayed {
		t.Errorf("%t, %v", replayed, err)
	}
	c.Key = "another"
	d.code(sign(attested("1")), problem.EnrolmentStateConflict)
	if g, err := d.Agreement(t.Context(), c.User, "en"); err != nil || g.Signed == nil || g.Enrolment != nil {
		t.Errorf("%+v, %v", g, err)
	}
	_, err = d.Agreement(t.Context(), operator().User, "en")
	d.code(err, problem.RoleNotPermitted)
	_, _, err = d.SignAgreement(t.Context(), operator(), "en", attested("1"))
	d.code(err, problem.RoleNotPermitted)
}

// A partner whose account the operator made signs for that; a PartnerID that comes last makes a fast track active.
func TestSignForAnAccount(t *testing.T) {
	d := open(t)
	c := admin()
	c.Key, c.Body = "key", "body"
	sign := func() error {
		_, _, err := d.SignAgreement(t.Context(), c, "en", attested("1"))
		return err
	}
	d.code(sign(), problem.EnrolmentStateConflict)
	d.accounts[gorse] = partner.Account{Tenant: gorse, Role: partner.DirectBill, Cloud: "public", Country: "US", Status: partner.Active, Version: 1}
	d.code(sign(), problem.PartnerIDRequired)
	a := d.accounts[gorse]
	a.PartnerIDs, a.AssociatedPartnerID = []partner.PartnerID{{ID: "1", Type: partner.Location, Country: "US"}}, "1"
	d.accounts[gorse] = a
	if err := sign(); err != nil || d.accounts[gorse].MPA == nil || d.accounts[gorse].Version != 2 {
		t.Errorf("%+v, %v", d.accounts[gorse], err)
	}
	if _, replayed, err := d.SignAgreement(t.Context(), c, "en", attested("1")); err != nil || !replayed {
		t.Errorf("%t, %v", replayed, err)
	}
	c.Body = "other"
	d.code(sign(), problem.IdempotencyKeyReused)
	c.Key = ""
	d.code(sign(), problem.EnrolmentStateConflict)

	a = d.accounts[gorse]
	a.AssociatedPartnerID, a.Role, a.Status = "", partner.IndirectReseller, partner.Pending
	d.accounts[gorse] = a
	e := d.must(d.Start(t.Context(), admin(), Particulars{Support: help()}))
	e = d.must(d.Submit(t.Context(), admin(), e.ID, nil))
	if e.Status != Authorized {
		t.Errorf("%s", e.Status)
	}
	e = d.must(d.Associate(t.Context(), admin(), e.ID, new("1")))
	if a := d.accounts[gorse]; e.Status != Active || a.Status != partner.Active || a.AssociatedPartnerID != "1" {
		t.Errorf("%s, %+v", e.Status, a)
	}
}

// A Global admin finds the applications of the own company, and no others.
func TestOwnEnrolments(t *testing.T) {
	d := open(t)
	if page, err := d.Enrolments(t.Context(), admin().User, Query{Limit: 1}); err != nil || len(page.Enrolments) != 0 || page.Next != "" {
		t.Errorf("%+v, %v", page, err)
	}
	first := d.at(Rejected)
	second := d.at(Withdrawn)
	third := d.at(Draft)
	list := func(limit int, status Status) (ids []string) {
		for q := (Query{Limit: limit, Status: status}); ; {
			page, err := d.Enrolments(t.Context(), admin().User, q)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range page.Enrolments {
				ids = append(ids, e.ID)
			}
			if q.After = page.Next; q.After == "" {
				return ids
			}
		}
	}
	for _, limit := range []int{1, 2, 3, 100} {
		if got := list(limit, ""); !slices.Equal(got, []string{third.ID, second.ID, first.ID}) {
			t.Errorf("%d at a time: %v", limit, got)
		}
		if got := list(limit, Withdrawn); !slices.Equal(got, []string{second.ID}) {
			t.Errorf("withdrawn: %v", got)
		}
	}
	_, err := d.Enrolments(t.Context(), admin().User, Query{Limit: 1, After: "nowhere"})
	d.code(err, problem.MalformedRequest)
	stranger := admin().User
	stranger.Tenant = alder
	if page, err := d.Enrolments(t.Context(), stranger, Query{Limit: 9, After: second.ID}); err != nil || len(page.Enrolments) != 0 {
		t.Errorf("another company's: %+v, %v", page, err)
	}
}

// 0.23: half a year after an application came to nothing, the people in it are forgotten; its skeleton stays.
func TestForgottenPeople(t *testing.T) {
	for _, s := range []Status{Rejected, Withdrawn} {
		d := open(t)
		e := d.at(s)
		e.Post = outbox.Box{}
		d.enrolments[e.ID] = e
		ended := e.History[len(e.History)-1].At
		if at, waits := e.Due(); !waits || !at.Equal(ended.Add(Forgotten)) {
			t.Errorf("%s: due %s, %t", s, at, waits)
		}
		count := 0
		for _, at := range []time.Time{ended.Add(Forgotten - time.Second), ended.Add(Forgotten), ended.Add(2 * Forgotten)} {
			if err := (Cleanup{Store: d.memory}).Do(t.Context(), due.Item{ID: e.ID}, at, func(string) { count++ }); err != nil {
				t.Fatal(err)
			}
		}
		got := d.enrolments[e.ID]
		if count != 1 || got.Contact != (Person{}) || got.Reason != "" || got.Legal.Name == "" || got.History[len(got.History)-1].Action != Erase {
			t.Errorf("%s: %d, %+v", s, count, got)
		}
		if _, waits := got.Due(); waits {
			t.Error("it is still due")
		}
	}
	d := open(t)
	if at := d.at(Active).eraseDue(); !at.IsZero() {
		t.Errorf("an active one is forgotten at %s", at)
	}
}

// G8: what became of the mail with the link; reports come in any order, late, and of older links.
func TestReported(t *testing.T) {
	d := open(t)
	e := d.at(EmailVerification)
	claimed, _ := e.ClaimPost(d.now, "m")
	gave, _ := claimed.SettlePost(d.now, "m", map[outbox.Kind]outbox.Outcome{VerificationNotice: {State: outbox.Failed, Reason: "message_rejected"}})
	if gave.Verification.Delivery != "failed" || gave.Verification.DeliveryReason != "message_rejected" {
		t.Errorf("%+v", gave.Verification)
	}
	e, _ = claimed.SettlePost(d.now, "m", map[outbox.Kind]outbox.Outcome{VerificationNotice: {State: outbox.Sent}})
	for _, c := range []struct {
		notice     outbox.Kind
		generation int
		state      outbox.State
		want       outbox.State
	}{
		{VerificationNotice, 1, "sent", "sent"}, {VerificationNotice, 1, "bounced", "bounced"}, {VerificationNotice, 1, "delivered", "bounced"},
		{VerificationNotice, 2, "complained", "bounced"}, {VettingNotice, 1, "complained", "bounced"}, {VerificationNotice, 1, "odd", "bounced"},
		{VerificationNotice, 1, "complained", "complained"},
	} {
		was := e.Verification.Delivery
		after, verdict := e.Feedback(d.now, outbox.Report{Kind: c.notice, Generation: c.generation, State: c.state, Reason: "why"})
		changed := verdict == outbox.Recorded
		if after.Verification.Delivery != c.want || changed != (was != c.want) || changed && after.Version != e.Version+1 {
			t.Errorf("%+v: %+v", c, after.Verification)
		}
		e = after
	}
}
