package enrolment

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/recipient"
)

// Domain, 0.34: the fast track makes a direct-bill partner an indirect reseller beside what it was, with the support contact that it named
// and the location with which it joins.
func TestFastTrackAddsARole(t *testing.T) {
	d := open(t)
	d.accounts[gorse] = partner.Account{
		Tenant: gorse, DisplayName: "Gorse", Role: partner.DirectBill, Cloud: "public", Country: "US", Locale: "en", Status: partner.Active,
		PartnerIDs:          []partner.PartnerID{{ID: "1", Type: partner.Location, Country: "US"}, {ID: "2", Type: partner.Headquarters, Country: "US"}},
		AssociatedPartnerID: "1", MPA: &partner.Agreement{Version: "1"}, Contact: partner.Contact{Email: "hello@gorse.example"}, Version: 7,
	}
	e := d.must(d.Start(t.Context(), admin(), Particulars{Support: help()}))
	e = d.must(d.Submit(t.Context(), admin(), e.ID, nil))
	a := d.accounts[gorse]
	if e.Status != Active || a.Role != partner.DirectBill || !slices.Equal(a.Roles(), []partner.ProgramRole{partner.DirectBill, partner.IndirectReseller}) || a.Support != *help() {
		t.Errorf("%s, %+v", e.Status, a)
	}
	if !a.PartnerIDs[0].OnboardingLocation || a.PartnerIDs[1].OnboardingLocation || a.Contact.Email != "hello@gorse.example" {
		t.Errorf("%+v", a)
	}
	if h := a.History[len(a.History)-1]; !slices.Equal(h.Changed, []string{"programRoles", "partnerIds", "supportProfile"}) || h.Why != e.ID || h.By != "grace" {
		t.Errorf("%+v", h)
	}
}

// Rules E2, E3: the support contact is asked for on both paths, and named with whom to write to and whom to call.
func TestSupportIsAskedFor(t *testing.T) {
	for name, support := range map[string]*partner.SupportProfile{"nothing said": nil, "no telephone": {Email: "help@gorse.example"}, "no address": {Phone: "+1 555 0108"}} {
		for _, fast := range []bool{false, true} {
			d := open(t)
			p := whole()
			if p.Support = support; fast {
				d.accounts[gorse] = partner.Account{Tenant: gorse, Cloud: "public", Country: "US", Locale: "en", Status: partner.Active, Role: partner.DirectBill}
				p = Particulars{Support: support}
			}
			e := d.must(d.Start(t.Context(), admin(), p)) // a draft may be incomplete
			_, _, err := d.Submit(t.Context(), admin(), e.ID, nil)
			refused, ok := errors.AsType[*problem.Error](err)
			if !ok || refused.Code != problem.ValidationFailed || len(refused.Findings) == 0 || !strings.HasPrefix(refused.Findings[0].Pointer, "/supportContact/") {
				t.Errorf("%s, fast %t: %v", name, fast, err)
			}
		}
	}
}

// What the operator needs to know is answered in words, which stay beside the question; who has nothing to say changes its particulars.
func TestAnswerInText(t *testing.T) {
	d := open(t)
	e := d.at(ActionRequired)
	if len(e.Questions) != 1 || e.Questions[0].Text != "because" || !e.Questions[0].AnsweredAt.IsZero() {
		t.Fatalf("%+v", e.Questions)
	}
	for _, text := range []string{"", "  ", strings.Repeat("x", MaxAnswer+1), "\x00\u202e"} {
		_, _, err := d.Submit(t.Context(), admin(), e.ID, &text)
		if p, ok := errors.AsType[*problem.Error](err); !ok || len(p.Findings) != 1 || p.Findings[0].Pointer != "/answer" {
			t.Errorf("%.10q: %v", text, err)
		}
	}
	e = d.must(d.Submit(t.Context(), admin(), e.ID, new(" We moved.\r\nThe \u202enew street is not in the register yet. ")))
	if q := e.Questions[0]; e.Status != InVetting || q.Answer != "We moved.\nThe new street is not in the register yet." || !q.AnsweredAt.Equal(d.now) || q.Text != "because" {
		t.Errorf("%s, %+v", e.Status, q)
	}
	if _, _, err := d.Submit(t.Context(), admin(), e.ID, new("once more")); !problem.Is(err, problem.ValidationFailed) {
		t.Errorf("an answer to nothing: %v", err)
	}
	e = d.must(d.Decide(t.Context(), operator(), e.ID, Decision{NeedInformation, "which register?"}))
	// With neither an answer nor a change there is nothing new to look at: what would be right is said.
	_, _, err := d.Submit(t.Context(), admin(), e.ID, nil)
	if p, ok := errors.AsType[*problem.Error](err); !ok || len(p.Findings) != 1 || p.Findings[0].Pointer != "/answer" || !strings.Contains(p.Findings[0].Detail, "PATCH") {
		t.Errorf("neither answer nor change: %v", err)
	}
	d.must(d.Save(t.Context(), admin(), e.ID, Particulars{Locale: new("fr")}))
	e = d.must(d.Submit(t.Context(), admin(), e.ID, nil))
	if len(e.Questions) != 2 || e.Questions[0].Answer == "" || e.Questions[1].Text != "which register?" || e.Questions[1].Answer != "" || e.Questions[1].AnsweredAt.IsZero() {
		t.Errorf("%+v", e.Questions)
	}
}

// E2, 0.34: the fast track of who is an indirect reseller in every respect would change nothing, and says where its
// support contact is changed. Where anything is left to be done it goes on.
func TestFastTrackOfAnIndirectReseller(t *testing.T) {
	account := partner.Account{
		Tenant: gorse, DisplayName: "Gorse Ltd", Role: partner.IndirectReseller, Cloud: "public", Country: "US", Status: partner.Active,
		PartnerIDs: []partner.PartnerID{{ID: "4100007", Type: partner.Location, Country: "US", OnboardingLocation: true}}, AssociatedPartnerID: "4100007",
		MPA: &partner.Agreement{}, Locale: "en", Version: 1,
	}
	beside := account
	beside.Role, beside.Also = partner.DirectBill, []partner.ProgramRole{partner.IndirectReseller}
	direct := account
	direct.Role = partner.DirectBill
	unsigned := account
	unsigned.MPA = nil
	deferred := account
	deferred.AssociatedPartnerID = ""
	for name, c := range map[string]struct {
		account partner.Account
		open    bool
	}{
		"an indirect reseller": {account, false}, "one that is also a direct-bill partner": {beside, false},
		"a direct-bill partner": {direct, true}, "one without an agreement": {unsigned, true}, "one without a PartnerID": {deferred, true},
	} {
		d := open(t)
		d.accounts[gorse] = c.account
		_, _, err := d.Start(t.Context(), admin(), Particulars{Support: whole().Support})
		if c.open && err != nil || !c.open && (!problem.Is(err, problem.EnrolmentStateConflict) || !strings.Contains(err.Error(), "PATCH /v1/account")) {
			t.Errorf("%s: %v", name, err)
		}
		if _, _, err := d.Start(t.Context(), admin(), Particulars{Support: &partner.SupportProfile{Email: "x"}}); !c.open && problem.Is(err, problem.EnrolmentStateConflict) {
			t.Errorf("%s: 409 before 422", name)
		}
	}
}

// The mail of a step says what was true at that step, however far the application is when it goes.
func TestMailsSpeakOfTheirStep(t *testing.T) {
	d := open(t)
	e := d.at(InVetting)
	e = d.must(d.Decide(t.Context(), operator(), e.ID, Decision{NeedInformation, "which street?"}))
	e = d.must(d.Submit(t.Context(), admin(), e.ID, new("the long one")))
	e = d.must(d.Decide(t.Context(), operator(), e.ID, Decision{Action: Approve}))
	e = d.must(d.Associate(t.Context(), admin(), e.ID, new("4100007")))
	claimed, did := e.ClaimPost(d.now, "m")
	if !did.Send || !slices.Contains(claimed.Post.Owed, ActionRequiredNotice) || !slices.Contains(claimed.Post.Owed, AuthorizedNotice) {
		t.Fatalf("%+v", claimed.Post)
	}
	if at := claimed.AtStep(ActionRequiredNotice); e.Reason != "" || at.Reason != "which street?" {
		t.Errorf("the question is %q", at.Reason)
	}
	if at := claimed.AtStep(AuthorizedNotice); at.Location != nil || e.Location == nil {
		t.Errorf("the PartnerID came later: %+v", at.Location)
	}
	if at := claimed.AtStep(VettingNotice); at.Location == nil {
		t.Errorf("%+v", at.Location)
	}
	left, mine := claimed.SettlePost(d.now, "m", map[outbox.Kind]outbox.Outcome{ActionRequiredNotice: {State: outbox.Sent}, AuthorizedNotice: {State: outbox.Waiting, Reason: "throttled"}, VettingNotice: {State: outbox.Sent}})
	if _, kept := left.Steps[ActionRequiredNotice]; !mine || kept || len(left.Steps) != 1 || len(left.Post.Owed) != 1 {
		t.Errorf("%+v", left.Post)
	}
}

// Rule E13: what is owed to a contact that was replaced does not reach the new one before it has confirmed.
func TestNoMailBeforeTheNewContactConfirms(t *testing.T) {
	d := open(t)
	e := d.at(InVetting)
	e = d.must(d.Decide(t.Context(), operator(), e.ID, Decision{NeedInformation, "who?"}))
	p := whole()
	p.Contact.Email = "gus@gorse.example"
	e = d.must(d.Save(t.Context(), admin(), e.ID, Particulars{Contact: p.Contact}))
	if claimed, did := e.ClaimPost(d.now, "m"); did.Send || len(claimed.Post.Owed) != 0 {
		t.Errorf("%+v", claimed.Post)
	}
}

// The cool-down is that of an address: one that was corrected is mailed at once, the same one waits, and there are five a day for all.
func TestCooldownIsOfAnAddress(t *testing.T) {
	d := open(t)
	again := func(address string) error {
		latest := d.latest[gorse]
		if e, ok := d.enrolments[latest]; ok && e.Status.Open() {
			d.must(d.Withdraw(t.Context(), admin(), latest))
		}
		p := whole()
		p.Contact.Email = address
		e := d.must(d.Start(t.Context(), admin(), p))
		_, _, err := d.Submit(t.Context(), admin(), e.ID, nil)
		return err
	}
	d.code(again("grcae@gorse.example"), "")
	d.now = d.now.Add(time.Minute)
	d.code(again("grace@gorse.example"), "")
	d.code(again("GRACE@gorse.example"), problem.ResendCooldown)
	d.code(again("grcae@gorse.example"), problem.ResendCooldown)
	for _, address := range []string{"a@gorse.example", "b@gorse.example", "c@gorse.example"} {
		d.code(again(address), "")
	}
	err := again("d@gorse.example")
	if p, ok := errors.AsType[*problem.Error](err); !ok || p.Code != problem.ResendCooldown || p.RetryAfter != recipient.Window-time.Minute {
		t.Errorf("a sixth mail of the day: %v", err)
	}
}

// Rule E12: an address is the company's where a domain of the sign-in is its own; one that only ends with the same letters is another's.
func TestOwnDomain(t *testing.T) {
	for _, c := range []struct {
		address string
		domains []string
		domain  string
		own     bool
	}{
		{"a@example.com", []string{"example.com"}, "example.com", true},
		{"a@EXAMPLE.com", []string{"other.com", "example.com"}, "example.com", true},
		{"a@mail.example.com", []string{"example.com"}, "example.com", true},
		{"a@evil-example.com", []string{"example.com"}, "example.com", false},
		{"a@evilexample.com", []string{"example.com"}, "example.com", false},
		{"a@example.com.evil.com", []string{"example.com"}, "example.com", false},
		{"a@example.co", []string{"example.com"}, "example.com", false},
		{"a@evil.co.uk", []string{"co.uk"}, "co.uk", false},
		{"a@evil.com", []string{"com"}, "com", false},
		{"a@evil.example", []string{"example"}, "example", false},
		{"a@example.com", []string{""}, "", false},
		{"a@example.com", nil, "", false},
	} {
		if domain, own := ownDomain(c.address, c.domains); domain != c.domain || own != c.own {
			t.Errorf("%s of %v: %q, %t", c.address, c.domains, domain, own)
		}
	}
}

// What a new reseller is shown by is a domain that the sign-in proved, not the one of an address that is somebody else's.
func TestShownDomainIsProven(t *testing.T) {
	d := open(t)
	p := whole()
	p.Contact.Email = "grace@evil-gorse.example"
	e := d.must(d.Start(t.Context(), admin(), p))
	e = d.must(d.Submit(t.Context(), admin(), e.ID, nil))
	e, _, err := d.confirmation().Confirm(t.Context(), linkOf(e), visitor(), "")
	if err != nil || e.Vetting.Employment != Flagged {
		t.Fatalf("%+v, %v", e.Vetting, err)
	}
	for _, a := range []Action{Approve, Associate, Sign} {
		if e, err = d.act(a, e.ID); err != nil {
			t.Fatal(err)
		}
	}
	if a := d.accounts[gorse]; a.VerifiedDomain != "gorse.example" {
		t.Errorf("shown by %s", a.VerifiedDomain)
	}
}
