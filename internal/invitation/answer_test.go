package invitation_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"concord/internal/invitation"
	"concord/internal/link"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/publicid"
	"concord/internal/recipient"
	"concord/internal/relationship"
)

func (o *office) relationship(t *testing.T, p, c partner.TenantID) *relationship.Relationship {
	t.Helper()
	r, err := o.store.Relationship(t.Context(), p, c)
	if problem.Is(err, problem.NotFound) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return &r
}

// Rules I10, I11, I18; invariant 3; decision 0.15: a draft's link is live.
func TestAccepting(t *testing.T) {
	for _, c := range []struct {
		name   string
		by     partner.TenantID
		asks   bool
		role   relationship.Role
		dap    relationship.Administration
		person relationship.Person
	}{
		{"a direct-bill partner, without administration", alder, false, relationship.Direct, relationship.NoAdministration, admin(larch)},
		{"a direct-bill partner, with administration", alder, true, relationship.Direct, relationship.ActiveDAP, admin(larch)},
		{"an indirect reseller", cedar, false, relationship.IndirectReseller, relationship.NoAdministration, admin(larch)},
		{"in the cloud for US government", elm, true, relationship.Direct, relationship.ActiveDAP, admin(agency)},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := open(t)
			p := to("nora@" + c.person.Company.Domains[0])
			p.RequestDelegatedAdmin = &c.asks
			inv := o.invite(t, by(c.by), p)
			o.pass(time.Hour)
			letter, got := o.answer(t, linkOf(inv), c.person, acceptance)
			if got != invitation.AcceptedBy {
				t.Fatal(got)
			}
			answered := o.stored(t, inv.Key)
			if !reflect.DeepEqual(letter.Invitation, answered) {
				t.Errorf("shown %+v\nstored %+v", letter.Invitation, answered)
			}
			want := &invitation.Given{Subject: c.person.Subject, Tenant: c.person.Company.Tenant, Company: c.person.Company.CompanyName, FullName: "Nora Berg", JobTitle: "Head of IT", At: o.now(), Email: c.person.Email, Consent: consent}
			if answered.Status != invitation.Accepted || !reflect.DeepEqual(answered.Answer, want) || answered.Customer != c.person.Company.Tenant || answered.EndedAt != o.now() ||
				answered.RegionTable != o.Regions.Version || answered.Version != 2 {
				t.Errorf("%+v", answered)
			}
			if e := answered.History[1]; e != (invitation.Entry{At: o.now(), Action: "accepted", By: c.person.Subject, CorrelationID: "corr-2"}) {
				t.Errorf("history %+v", e)
			}
			r := o.relationship(t, c.by, c.person.Company.Tenant)
			if r == nil || !publicid.Is("rel_", r.ID) {
				t.Fatalf("relationship %+v", r)
			}
			if want := (relationship.Relationship{ID: r.ID, Partner: c.by, Customer: c.person.Company, Role: c.role, Status: relationship.Active, Origin: "invitation", Invitation: inv.ID,
				DelegatedAdmin: c.dap, IdentityCheck: relationship.NotNeeded, RegionTable: o.Regions.Version, EstablishedAt: o.now(), UpdatedAt: o.now(), CorrelationID: "corr-2", Version: 1,
				History: []relationship.Entry{{At: o.now(), Action: relationship.Established, By: c.person.Subject, CorrelationID: "corr-2",
					Status: relationship.Active, DelegatedAdmin: c.dap, IdentityCheck: relationship.NotNeeded}}}); !reflect.DeepEqual(*r, want) {
				t.Errorf("relationship %+v\nwant %+v", *r, want)
			}
		})
	}
}

// Decision 0.25, invariant 8: an unbound invitation binds to the company that accepts, and the partner is told when it is
// another one than the address says.
func TestAForwardedLinkIsMarked(t *testing.T) {
	o := open(t)
	inv := o.invite(t, by(alder), to("nora@larch.example"))
	if _, c := o.answer(t, linkOf(inv), admin(oak), acceptance); c != invitation.AcceptedBy {
		t.Fatal(c)
	}
	if r := o.relationship(t, alder, oak.Tenant); r == nil || r.IdentityCheck != relationship.Unproven {
		t.Errorf("%+v", r)
	}
	if r := o.relationship(t, alder, larch.Tenant); r != nil {
		t.Errorf("the other company has %+v", r)
	}
	if a := o.stored(t, inv.Key).Answer; !a.Unproven || a.Company != oak.CompanyName {
		t.Errorf("the answer says %+v", a)
	}
	own := o.invite(t, by(alder), to("nora.berg@larch.example"))
	who := admin(larch)
	who.Company.CompanyName = "Visit www.larch.example now"
	o.answer(t, linkOf(own), who, acceptance)
	if a := o.stored(t, own.Key).Answer; a.Unproven || a.Company != "" {
		t.Errorf("by who was asked: %+v", a)
	}
}

// Invariant 3b.
func TestAnAcceptanceThatGrantsNothingNewSucceeds(t *testing.T) {
	o := open(t)
	first := o.invite(t, by(alder), to("nora@larch.example"))
	second := o.invite(t, by(alder), to("other@larch.example"))
	asks := to("third@larch.example")
	asks.RequestDelegatedAdmin = ptr(true)
	third := o.invite(t, by(alder), asks)
	o.answer(t, linkOf(first), admin(larch), acceptance)
	before := o.relationship(t, alder, larch.Tenant)
	letter, c := o.answer(t, linkOf(second), admin(larch), acceptance)
	if c != invitation.AcceptedBy || !letter.Invitation.Answer.NoChange {
		t.Errorf("%s, %+v", c, letter.Invitation.Answer)
	}
	if after := o.relationship(t, alder, larch.Tenant); !reflect.DeepEqual(after, before) {
		t.Errorf("the relationship became %+v", after)
	}
	letter, _ = o.answer(t, linkOf(third), admin(larch), acceptance)
	after := o.relationship(t, alder, larch.Tenant)
	if letter.Invitation.Answer.NoChange || after.ID != before.ID || after.DelegatedAdmin != relationship.ActiveDAP || after.Version != 2 || after.Invitation != third.ID {
		t.Errorf("%+v, relationship %+v", letter.Invitation.Answer, after)
	}
}

func TestDeclining(t *testing.T) {
	o := open(t)
	for i, reason := range append(slices.Clone(invitation.Reasons), "") {
		inv := o.invite(t, by(alder), to(fmt.Sprintf("n%d@larch.example", i)))
		r := refusal
		r.Reason, r.Comment, r.JobTitle = reason, "  "+strings.Repeat("é", invitation.MaxComment)+"\n", " "
		letter, c := o.answer(t, linkOf(inv), admin(larch), r)
		want := invitation.Given{Subject: admin(larch).Subject, Tenant: larch.Tenant, Company: larch.CompanyName, FullName: "Nora Berg", At: start, Email: admin(larch).Email, Reason: reason, Comment: strings.Repeat("é", invitation.MaxComment)}
		if got := o.stored(t, inv.Key); c != invitation.DeclinedBy || got.Status != invitation.Declined || *got.Answer != want || !reflect.DeepEqual(got, letter.Invitation) {
			t.Errorf("%s: %+v", c, got)
		}
		if again, c := o.answer(t, linkOf(inv), admin(larch), r); c != invitation.DeclinedBy || again.Invitation.Version != 2 {
			t.Errorf("once more: %s, version %d", c, again.Invitation.Version)
		}
	}
	if r := o.relationship(t, alder, larch.Tenant); r != nil {
		t.Errorf("declining made %+v", r)
	}
}

func TestTheFormIsCheckedFieldByField(t *testing.T) {
	nowhere := admin(larch)
	nowhere.Company.Country = ""
	for _, c := range []struct {
		name string
		who  relationship.Person
		r    invitation.Response
		set  func(*invitation.Response)
		want string
	}{
		{"no answer: nothing is preselected", admin(larch), acceptance, func(r *invitation.Response) { r.Answer = "" }, "/answer validation_failed"},
		{"another answer", admin(larch), acceptance, func(r *invitation.Response) { r.Answer = "Accept" }, "/answer validation_failed"},
		{"accepting without authority", admin(larch), acceptance, func(r *invitation.Response) { r.Authorized = false }, "/authorized validation_failed"},
		{"declining without authority", admin(larch), refusal, func(r *invitation.Response) { r.Authorized = false }, "/authorized validation_failed"},
		{"accepting without a name", admin(larch), acceptance, func(r *invitation.Response) { r.FullName = " " }, "/fullName name_invalid"},
		{"declining without a name", admin(larch), refusal, func(r *invitation.Response) { r.FullName = "" }, "/fullName name_invalid"},
		{"accepting without a title", admin(larch), acceptance, func(r *invitation.Response) { r.JobTitle = "" }, "/jobTitle name_invalid"},
		{"declining with a title of 101", admin(larch), refusal, func(r *invitation.Response) { r.JobTitle = strings.Repeat("é", 101) }, "/jobTitle name_invalid"},
		{"a reason of one's own", admin(larch), refusal, func(r *invitation.Response) { r.Reason = "too dear" }, "/reason validation_failed"},
		{"a comment of 501", admin(larch), refusal, func(r *invitation.Response) { r.Comment = strings.Repeat("é", 501) }, "/comment validation_failed"},
		{"a comment that is no UTF-8", admin(larch), refusal, func(r *invitation.Response) { r.Comment = "\xff" }, "/comment validation_failed"},
		{"no country, where sign-in does not say it", nowhere, acceptance, func(*invitation.Response) {}, "/country validation_failed"},
		{"UK, which is GB", nowhere, acceptance, func(r *invitation.Response) { r.Country = "UK" }, "/country validation_failed"},
		{"a country that is none", nowhere, acceptance, func(r *invitation.Response) { r.Country = "usa" }, "/country validation_failed"},
		{"everything at once", nowhere, acceptance, func(r *invitation.Response) { *r = invitation.Response{Answer: "accept"} },
			"/authorized validation_failed /fullName name_invalid /jobTitle name_invalid /country validation_failed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := open(t)
			inv := o.invite(t, by(alder), to("nora@larch.example"))
			c.set(&c.r)
			_, got, err := o.Respond(t.Context(), linkOf(inv), c.who, c.r)
			if got != invitation.Form || err == nil {
				t.Fatalf("%s, %v", got, err)
			}
			var found []string
			var refusal *problem.Error
			if refusal = wantCode(t, err, problem.CodeOf(err)); refusal == nil {
				t.Fatal(err)
			}
			for _, f := range refusal.Findings {
				found = append(found, f.Pointer, string(f.Code))
			}
			if strings.Join(found, " ") != c.want {
				t.Errorf("found %q, want %q", found, c.want)
			}
			if after := o.stored(t, inv.Key); !reflect.DeepEqual(after, inv) || o.relationship(t, alder, larch.Tenant) != nil {
				t.Errorf("something was written: %+v", after)
			}
		})
	}
}

// Decision 0.27.
func TestACountryThatIsDeclared(t *testing.T) {
	nowhere := admin(larch)
	nowhere.Company.Country, nowhere.Company.CountrySource = "", ""
	o := open(t)
	inv := o.invite(t, by(alder), to("nora@larch.example"))
	r := acceptance
	r.Country = "FR"
	if _, c := o.answer(t, linkOf(inv), nowhere, r); c != invitation.OtherRegion {
		t.Errorf("a country of another region: %s", c)
	}
	if got := o.stored(t, inv.Key); got.Version != 1 {
		t.Error("something was written")
	}
	r.Country = "PR"
	if _, c := o.answer(t, linkOf(inv), nowhere, r); c != invitation.AcceptedBy {
		t.Fatal(c)
	}
	if got := o.relationship(t, alder, larch.Tenant); got.Customer.Country != "PR" || got.Customer.CountrySource != "declared" {
		t.Errorf("%+v", got.Customer)
	}
	second := o.invite(t, by(alder), to("other@larch.example"))
	said := admin(oak)
	if _, c := o.answer(t, linkOf(second), said, r); c != invitation.AcceptedBy {
		t.Fatal(c)
	}
	if got := o.relationship(t, alder, oak.Tenant); got.Customer.Country != "US" || got.Customer.CountrySource != "token" {
		t.Errorf("the form speaks over the sign-in: %+v", got.Customer)
	}
}

// What a link leads to, in the order of domain 2.2, and who may answer (invariants 6, 8, 9; rules I16, I17). Whatever the
// case, looking writes nothing (invariant 17).
func TestCases(t *testing.T) {
	user := admin(larch)
	user.Roles = []partner.Role{partner.AdminAgent}
	nowhere := admin(larch)
	nowhere.Company.Country = ""
	noCloud := admin(larch)
	noCloud.Company.Cloud = ""
	oneself := admin(company(alder, "alder.example", "US", "public"))
	foreign := user
	foreign.Company = oak
	abroad := admin(company(maple.Tenant, "maple.example", "FR", "usGov"))
	open1 := func(t *testing.T, o *office) link.Link {
		return linkOf(o.invite(t, by(alder), to("nora@larch.example")))
	}
	bound := func(t *testing.T, o *office) link.Link {
		p := to("nora@larch.example")
		p.CustomerTenantID = ptr(string(larch.Tenant))
		return linkOf(o.invite(t, by(alder), p))
	}
	after := func(does ...func(*testing.T, *office, link.Link)) func(*testing.T, *office) link.Link {
		return func(t *testing.T, o *office) link.Link {
			l := open1(t, o)
			for _, do := range does {
				do(t, o, l)
			}
			return l
		}
	}
	send := func(t *testing.T, o *office, l link.Link) {
		o.mailed(t, o.stored(t, invitation.Key{Inviter: alder, ID: l.ID}), outbox.Sent)
	}
	resend := func(t *testing.T, o *office, l link.Link) {
		o.pass(recipient.Cooldown)
		if _, _, err := o.Resend(t.Context(), by(alder), l.ID); err != nil {
			t.Fatal(err)
		}
		o.mailedAgain(t, invitation.Key{Inviter: alder, ID: l.ID})
	}
	cancel := func(t *testing.T, o *office, l link.Link) {
		if _, _, err := o.Cancel(t.Context(), by(alder), l.ID, ""); err != nil {
			t.Fatal(err)
		}
	}
	month := func(_ *testing.T, o *office, _ link.Link) { o.pass(invitation.DefaultDuration) }
	suspend := func(t *testing.T, o *office, _ link.Link) { o.suspend(t, alder) }
	give := func(r invitation.Response) func(*testing.T, *office, link.Link) {
		return func(t *testing.T, o *office, l link.Link) {
			if _, c := o.answer(t, l, admin(larch), r); c != invitation.AcceptedBy && c != invitation.DeclinedBy {
				t.Fatal(c)
			}
		}
	}
	accept, decline := give(acceptance), give(refusal)
	younger := func(make func(*testing.T, *office) link.Link) func(*testing.T, *office) link.Link {
		return func(t *testing.T, o *office) link.Link {
			l := make(t, o)
			l.Generation++
			return l
		}
	}
	colleague := admin(larch)
	colleague.Subject = "other@larch.example"
	elsewhere := admin(oak)
	elsewhere.Subject = admin(larch).Subject

	for _, c := range []struct {
		name       string
		make       func(*testing.T, *office) link.Link
		who        *relationship.Person
		want       invitation.Case
		mayDecline bool
	}{
		{"no such invitation", func(*testing.T, *office) link.Link {
			return link.Link{Tenant: string(alder), ID: publicid.Format("inv_", [16]byte{}), Generation: 1}
		}, nil, invitation.Unknown, false},
		{"another partner's invitation", func(t *testing.T, o *office) link.Link {
			l := open1(t, o)
			l.Tenant = string(fir)
			return l
		}, nil, invitation.Unknown, false},
		{"cancelled", after(send, cancel), nil, invitation.Unknown, false},
		{"cancelled and superseded", after(send, resend, cancel), nil, invitation.Unknown, false},
		{"superseded", after(send, resend), nil, invitation.Superseded, false},
		{"of a generation that is not there yet", younger(open1), nil, invitation.Superseded, false},
		{"superseded and expired", after(send, resend, month), nil, invitation.Superseded, false},
		{"expired", after(send, month), nil, invitation.TooLate, false},
		{"expired, signed in", after(send, month), ptr(admin(larch)), invitation.TooLate, false},
		{"accepted, nobody signed in", after(accept), nil, invitation.Answered, false},
		{"accepted by this person", after(accept), ptr(admin(larch)), invitation.AcceptedBy, false},
		{"accepted by this person, long ago", after(send, accept, month), ptr(admin(larch)), invitation.AcceptedBy, false},
		{"accepted by a colleague", after(accept), &colleague, invitation.Answered, false},
		{"accepted by somebody of the same subject elsewhere", after(accept), &elsewhere, invitation.Answered, false},
		{"declined by this person", after(decline), ptr(admin(larch)), invitation.DeclinedBy, false},
		{"declined by somebody else", after(decline), ptr(admin(oak)), invitation.Answered, false},
		{"nobody signed in", open1, nil, invitation.Review, false},
		{"nobody signed in, partner suspended", after(suspend), nil, invitation.InviterNotActive, false},
		{"bound to this company", bound, ptr(admin(larch)), invitation.Form, true},
		{"bound to another company", bound, ptr(admin(oak)), invitation.OtherTenant, false},
		{"bound to another company, and no admin", bound, &foreign, invitation.OtherTenant, false},
		{"the inviter itself (invariant 9)", open1, &oneself, invitation.OtherTenant, false},
		{"no Global admin", open1, &user, invitation.NotAdmin, false},
		{"partner suspended", after(suspend), ptr(admin(larch)), invitation.InviterNotActive, true},
		{"partner suspended, another cloud", after(suspend), ptr(admin(agency)), invitation.InviterNotActive, true},
		{"partner suspended, no Global admin", after(suspend), &user, invitation.InviterNotActive, false},
		{"partner suspended, the inviter itself", after(suspend), &oneself, invitation.InviterNotActive, false},
		{"another cloud", open1, ptr(admin(agency)), invitation.OtherCloud, true},
		{"no cloud said", open1, &noCloud, invitation.OtherCloud, true},
		{"another cloud and region", open1, &abroad, invitation.OtherCloud, true},
		{"another region", open1, ptr(admin(maple)), invitation.OtherRegion, true},
		{"no country said", open1, &nowhere, invitation.Form, true},
		{"may answer", open1, ptr(admin(larch)), invitation.Form, true},
		{"may answer a mailed one", after(send), ptr(admin(oak)), invitation.Form, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := open(t)
			l := c.make(t, o)
			key := invitation.Key{Inviter: partner.TenantID(l.Tenant), ID: l.ID}
			before, missing := o.store.Invitation(t.Context(), key, true)
			letter, got, err := o.Look(t.Context(), l, c.who, false)
			if err != nil || got != c.want {
				t.Fatalf("Look = %s, %v; want %s", got, err, c.want)
			}
			if (letter.Invitation.ID == "") != (c.want == invitation.Unknown) || mayDecline(got, letter) != c.mayDecline {
				t.Errorf("letter of %q, may decline: %v", letter.Invitation.ID, mayDecline(got, letter))
			}
			if c.who == nil {
				return
			}
			// The same case on POST; what does not allow an answer consumes nothing.
			if c.want != invitation.Form && c.want != invitation.DeclinedBy {
				for _, r := range []invitation.Response{acceptance, {Answer: "accept"}} { // the case comes before the form
					if _, got := o.answer(t, l, *c.who, r); got != c.want {
						t.Errorf("accepting gives %s, want %s", got, c.want)
					}
				}
			}
			if missing == nil {
				if after := o.stored(t, key); c.want != invitation.Form && !reflect.DeepEqual(after, before) {
					t.Errorf("something was written: %+v", after)
				}
			}
			if c.mayDecline {
				if _, got := o.answer(t, l, *c.who, refusal); got != invitation.DeclinedBy {
					t.Errorf("declining gives %s", got)
				}
			}
		})
	}
	t.Run("an account that is gone is our own fault", func(t *testing.T) {
		o := open(t)
		l := open1(t, o)
		o.Clouds = nil
		if _, _, err := o.Look(t.Context(), l, nil, false); err == nil {
			t.Error("no error")
		}
	})
}

// Promise 2: whoever races, one answer wins; the same person sees the same result, others that it was answered.
func TestManyAcceptAtOnce(t *testing.T) {
	o := open(t)
	inv := o.mailed(t, o.invite(t, by(alder), to("nora@larch.example")), outbox.Sent)
	people := []relationship.Person{admin(larch), admin(oak)}
	for i := range 6 {
		people = append(people, admin(company(partner.TenantID(fmt.Sprintf("0c000000-0000-4000-8000-%012d", i)), fmt.Sprintf("c%d.example", i), "US", "public")))
	}
	cases := make([]map[invitation.Case]int, len(people))
	var mu sync.Mutex
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for n := range 64 {
		i := n % len(people)
		wg.Go(func() {
			<-begin
			_, c, err := o.Respond(t.Context(), linkOf(inv), people[i], acceptance)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if cases[i] == nil {
				cases[i] = map[invitation.Case]int{}
			}
			cases[i][c]++
		})
	}
	close(begin)
	wg.Wait()
	got := o.stored(t, inv.Key)
	if got.Version != inv.Version+1 || got.Status != invitation.Accepted {
		t.Fatalf("%+v", got)
	}
	for i, p := range people {
		want := map[invitation.Case]int{invitation.Answered: 8}
		won := p.Company.Tenant == got.Answer.Tenant
		if won {
			want = map[invitation.Case]int{invitation.AcceptedBy: 8}
		}
		if !reflect.DeepEqual(cases[i], want) {
			t.Errorf("%s sees %v, want %v", p.Subject, cases[i], want)
		}
		if r := o.relationship(t, alder, p.Company.Tenant); (r != nil) != won || won && r.Version != 1 {
			t.Errorf("%s has %+v", p.Subject, r)
		}
	}
}

// Promise 2, with everybody at once: accept, decline, cancel, resend and expire.
func TestOneEndWins(t *testing.T) {
	for range 50 {
		o := open(t)
		inv := o.mailed(t, o.invite(t, by(alder), to("nora@larch.example")), outbox.Sent)
		o.pass(recipient.Cooldown)
		var ends atomic.Int32
		var wg sync.WaitGroup
		for _, do := range []func() bool{
			func() bool {
				_, c, err := o.Respond(t.Context(), linkOf(inv), admin(larch), acceptance)
				return err == nil && c == invitation.AcceptedBy
			},
			func() bool {
				_, c, err := o.Respond(t.Context(), linkOf(inv), admin(oak), refusal)
				return err == nil && c == invitation.DeclinedBy
			},
			func() bool { _, _, err := o.Cancel(t.Context(), by(alder), inv.ID, ""); return err == nil },
			func() bool { _, _, _ = o.Resend(t.Context(), by(alder), inv.ID); return false },
		} {
			wg.Go(func() {
				if do() {
					ends.Add(1)
				}
			})
		}
		wg.Wait()
		got := o.stored(t, inv.Key)
		if ends.Load() != 1 || got.Status.Open() || (got.Status == invitation.Accepted) != (o.relationship(t, alder, larch.Tenant) != nil) {
			t.Fatalf("%d ends, %+v", ends.Load(), got)
		}
	}
}

// mayDecline reports what a page offers.
func mayDecline(c invitation.Case, t invitation.Letter) bool {
	return c.MayDecline() && (c != invitation.InviterNotActive || t.Declines)
}
