package pages_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"concord/internal/command"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/link"
	"concord/internal/locale"
	"concord/internal/outbox"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/storetest"
)

const helpdesk = "729827e3-9c14-49f7-bb1b-9608f156bbb8"

func granularCommand() command.Command {
	return command.Command{User: partner.User{Subject: "a", Tenant: alder, Roles: []partner.Role{partner.AdminAgent}}, IfVersion: command.AnyVersion}
}

// propose makes granular administration that waits for larch's approval, and gives the path of its link.
func (d *deployment) propose(edit ...func(*granular.Proposal)) (granular.Relationship, string) {
	d.t.Helper()
	terms := granular.Proposal{
		DisplayName: to("Desk and devices"), Duration: to("P90D"), Customer: to(string(larch)),
		Roles: &[]string{helpdesk, "f2ef992c-3afb-46b9-b7cf-a126ee74c451"},
	}
	for _, e := range edit {
		e(&terms)
	}
	r, _, err := d.granted.Create(d.t.Context(), granularCommand(), terms)
	if err == nil {
		r, _, err = d.granted.Lock(d.t.Context(), granularCommand(), r.ID)
	}
	if err != nil {
		d.t.Fatal(err)
	}
	return r, d.granularPath(r, r.Generation)
}

func (d *deployment) granularPath(r granular.Relationship, generation int) string {
	d.t.Helper()
	token, err := d.keys.Sign(d.t.Context(), link.Granular, link.Link{Tenant: string(r.Partner), ID: r.ID, Generation: generation})
	if err != nil {
		d.t.Fatal(err)
	}
	d.secrets = append(d.secrets, token.Reveal(), token.Reveal()[:40])
	return "/g/" + token.Reveal()
}

func (d *deployment) storedGranular(r granular.Relationship) granular.Relationship {
	d.t.Helper()
	got, err := d.store.GranularRelationship(d.t.Context(), r.Key, true)
	if err != nil {
		d.t.Fatal(err)
	}
	return got
}

// filled is the form as somebody fills it in.
func filled(answer string) url.Values {
	return url.Values{"answer": {answer}, "authorized": {"on"}, "fullName": {"Lara Larch"}, "jobTitle": {"Head of IT"}}
}

func (s seen) is(t *testing.T, status int, page string) seen {
	t.Helper()
	if s.StatusCode != status || s.page() != page {
		t.Errorf("%d %s, want %d %s", s.StatusCode, s.page(), status, page)
	}
	return s
}

// TestGranularIsApprovedAndEnded walks the way of a link of /g/ (domain, 2.2: GDAP): look, sign in, read, approve, look again, end.
func TestGranularIsApprovedAndEnded(t *testing.T) {
	d := deploy(t)
	r, path := d.propose()
	writes := d.writes.Load()
	b := d.browser()
	review := b.get(path).is(t, http.StatusOK, "review")
	if !strings.Contains(review.text, `<a class=button href="`+path+`/sign-in">`) || !strings.Contains(review.text, "Desk and devices") || strings.Contains(review.text, "Helpdesk") {
		t.Error(review.text)
	}
	form := b.signInAt(path, lara).is(t, http.StatusOK, "answer")
	for _, want := range []string{"Helpdesk Administrator", "Global Reader", "90 days", "Larch Trading Ltd", "name=wordsRead"} {
		if !strings.Contains(form.text, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	for _, field := range []string{"name=reason", "name=comment", "name=country", `value="accept" checked`, `value="decline" checked`} {
		if strings.Contains(form.text, field) {
			t.Errorf("the page has %q", field)
		}
	}
	head := request(t, http.MethodHead, d.URL+path, nil)
	if got, err := b.Do(head); err != nil || got.StatusCode != http.StatusOK {
		t.Errorf("HEAD: %v %v", got, err)
	} else {
		_ = got.Body.Close()
	}
	if d.writes.Load() != writes {
		t.Error("looking has written (invariant 17)")
	}
	invalid := b.post(path, url.Values{"answer": {"accept"}}).is(t, http.StatusUnprocessableEntity, "answer")
	if !strings.Contains(invalid.text, `href="#f-confirm"`) || !strings.Contains(invalid.text, `href="#f-name"`) {
		t.Error(invalid.text)
	}
	done := b.post(path, filled("accept")).is(t, http.StatusSeeOther, "accepted")
	result := b.get(done.Header.Get("Location")).is(t, http.StatusOK, "accepted")
	if !strings.Contains(result.text, "<strong id=reference>"+r.Reference()) || !strings.Contains(result.text, path+"/end") {
		t.Error(result.text)
	}
	now := d.storedGranular(r)
	if now.Status != granular.Active || now.Customer != larch || now.Answer.FullName != "Lara Larch" || now.Answer.Consent.Hash == "" || now.Answer.Consent.Version == "" {
		t.Errorf("%+v", now)
	}
	b.post(path, filled("accept")).is(t, http.StatusSeeOther, "accepted")
	b.post(path, filled("decline")).is(t, http.StatusGone, "answered")
	if d.writes.Load() != writes+1 {
		t.Errorf("%d writes", d.writes.Load()-writes)
	}

	// Another Global admin of the company sees that it stands; it takes a ticked box to end it.
	other := d.browser()
	colleague := claims("u-lou", "Lou Larch", "lou@larch.example", larch, "Larch Trading Ltd", "US", "public", "globalAdmin")
	other.signInAt(path, colleague).is(t, http.StatusOK, "active")
	other.get(path+"/end").is(t, http.StatusOK, "end")
	other.post(path+"/end", url.Values{}).is(t, http.StatusUnprocessableEntity, "end")
	other.post(path+"/end", url.Values{"confirm": {"yes"}}).is(t, http.StatusUnprocessableEntity, "end")
	other.post(path+"/end", url.Values{"confirm": {"on"}}).is(t, http.StatusOK, "ended")
	other.post(path+"/end", url.Values{"confirm": {"on"}}).is(t, http.StatusOK, "ended")
	if now := d.storedGranular(r); now.Status != granular.Terminated || d.writes.Load() != writes+2 {
		t.Errorf("%s after %d writes", now.Status, d.writes.Load()-writes)
	}
	b.get(path).is(t, http.StatusGone, "ended")
	b.get(path+"/end").is(t, http.StatusGone, "ended")
	d.browser().get(path).is(t, http.StatusGone, "ended")
}

// TestGranularCases has every case with its page and status, on looking and on answering (pages and mail).
func TestGranularCases(t *testing.T) {
	d := deploy(t)
	in := func(path string, who map[string]any) *browser {
		b := d.browser()
		b.signInAt(path, who)
		return b
	}
	_, path := d.propose()
	for name, c := range map[string]struct {
		who  map[string]any
		page string
	}{
		"another company":      {owen, "wrong-tenant"},
		"the partner's people": {insider, "wrong-tenant"},
		"no administrator":     {claims("u-lu", "Lu Larch", "lu@larch.example", larch, "Larch Trading Ltd", "US", "public"), "not-admin"},
		"another cloud":        {claims("u-gov", "Lea Larch", "lea@larch.example", larch, "Larch Trading Ltd", "US", "usGov", "globalAdmin"), "cloud-mismatch"},
	} {
		b := in(path, c.who)
		page := b.get(path).is(t, http.StatusForbidden, c.page)
		b.post(path, filled("accept")).is(t, http.StatusForbidden, c.page)
		b.get(path+"/end").is(t, http.StatusForbidden, c.page)
		b.post(path+"/end", url.Values{"confirm": {"on"}}).is(t, http.StatusForbidden, c.page)
		if strings.Contains(page.text, "reseller for our company") {
			t.Errorf("%s speaks of another request: %s", name, page.text)
		}
	}
	b := in(path, lara)
	suspended := alderAccount()
	suspended.Status = partner.Suspended
	d.store.PutAccount(suspended)
	b.get(path).is(t, http.StatusForbidden, "partner-not-active")
	b.post(path, filled("accept")).is(t, http.StatusForbidden, "partner-not-active")
	declined := b.post(path, filled("decline")).is(t, http.StatusSeeOther, "declined")
	b.get(declined.Header.Get("Location")).is(t, http.StatusOK, "declined")
	d.store.PutAccount(alderAccount())
	d.browser().get(path).is(t, http.StatusGone, "answered")
	in(path, claims("u-lou", "Lou Larch", "lou@larch.example", larch, "Larch Trading Ltd", "US", "public", "globalAdmin")).get(path).is(t, http.StatusGone, "answered")

	// Nobody is signed in, or sends something else.
	_, open := d.propose(func(t *granular.Proposal) { t.DisplayName = to("Second") })
	stranger := d.browser()
	stranger.post(open, filled("accept")).is(t, http.StatusUnauthorized, "session-over")
	stranger.post(open+"/end", url.Values{"confirm": {"on"}}).is(t, http.StatusUnauthorized, "session-over")
	stranger.get(open+"/end").is(t, http.StatusOK, "review")
	signed := in(open, lara)
	for _, to := range []string{open, open + "/end"} {
		r := request(t, http.MethodPost, d.URL+to, strings.NewReader("{}"))
		r.Header.Set("Content-Type", "application/json")
		signed.do(r).is(t, http.StatusBadRequest, "malformed")
	}
	stale := filled("accept")
	stale.Set("wordsRead", "of/old")
	signed.post(open, stale).is(t, http.StatusUnprocessableEntity, "answer")
	signed.post(open+"/end", url.Values{}).is(t, http.StatusOK, "answer")
	signed.post(open+"/end", url.Values{"confirm": {"on"}}).is(t, http.StatusOK, "answer")

	// Links that lead nowhere, in their order.
	third, over := d.propose(func(t *granular.Proposal) { t.DisplayName = to("Third") })
	if _, _, err := d.granted.Send(t.Context(), granularCommand(), third.ID, granular.Addressee{RecipientEmail: to("jo@larch.example")}); err != nil {
		t.Fatal(err)
	}
	d.clock.Add(int64(11 * time.Minute))
	if _, _, err := d.granted.Send(t.Context(), granularCommand(), third.ID, granular.Addressee{}); err != nil {
		t.Fatal(err)
	}
	d.browser().get(over).is(t, http.StatusGone, "superseded")
	fourth, taken := d.propose(func(t *granular.Proposal) { t.DisplayName = to("Fourth") })
	if _, _, err := d.granted.Terminate(t.Context(), granularCommand(), fourth.ID); err != nil {
		t.Fatal(err)
	}
	if page := d.browser().get(taken).is(t, http.StatusNotFound, "unknown"); !strings.Contains(page.text, "it was withdrawn") {
		t.Error(page.text)
	}
	signed.get(taken).is(t, http.StatusNotFound, "unknown")
	newest := d.granularPath(third, 2)
	d.browser().get(newest).is(t, http.StatusOK, "review")
	d.clock.Add(int64(granular.ApprovalTime))
	d.browser().get(newest).is(t, http.StatusGone, "expired")
	d.browser().get(newest+"/sign-in").is(t, http.StatusGone, "expired")
	inv, token := d.invite()
	for _, path := range []string{"/g/" + token, "/i/" + strings.TrimPrefix(open, "/g/"), "/g/x", "/g/" + token + "/end", "/r/" + strings.TrimPrefix(open, "/g/"), "/g/" + strings.TrimPrefix(d.granularPath(granular.Relationship{Key: granular.Key{Partner: inv.Inviter, ID: "gdap_aaaaaaaaaaaaaaaaaaaaaaaaaa"}}, 1), "/g/")} {
		d.browser().get(path).is(t, http.StatusNotFound, "unknown")
	}
}

// TestGranularInEveryLanguage: every page of it, in every language, small enough.
func TestGranularInEveryLanguage(t *testing.T) {
	d := deploy(t)
	for _, tag := range locale.Tags {
		lang := "?lang=" + tag.String()
		_, path := d.propose(func(t *granular.Proposal) {
			t.DisplayName, t.AutoExtendDuration = to("In "+tag.String()), to("P180D")
			if tag.String() == "en" {
				t.AutoExtendDuration, t.Roles, t.Duration = nil, &[]string{"62e90394-69f5-4237-9190-012177145e10"}, to("P1Y")
			}
		})
		b := d.browser()
		size := func(s seen) {
			t.Helper()
			if len(s.text) > 30<<10 {
				t.Errorf("%s, %v: %d bytes", s.page(), tag, len(s.text))
			}
			if got := attr(find(s.doc, "html")[0], "lang"); got != tag.String() {
				t.Errorf("%s is in %s, not %v", s.page(), got, tag)
			}
		}
		size(b.get(path+lang).is(t, http.StatusOK, "review"))
		b.signInAt(path, lara)
		form := b.get(path+lang).is(t, http.StatusOK, "answer")
		size(form)
		if all := strings.Contains(form.text, "Global Administrator"); all != (tag.String() == "en") {
			t.Errorf("%v: the Global Administrator role is said %v", tag, all)
		}
		size(b.post(path+lang, filled("accept")).is(t, http.StatusSeeOther, "accepted"))
		size(b.get(path+"/end"+lang).is(t, http.StatusOK, "end"))
		size(b.post(path+"/end"+lang, url.Values{}).is(t, http.StatusUnprocessableEntity, "end"))
		size(b.post(path+"/end"+lang, url.Values{"confirm": {"on"}}).is(t, http.StatusOK, "ended"))
	}
}

// TestOneGranularAnswer has 16 browsers approve and reject at once: one answer stands.
func TestOneGranularAnswer(t *testing.T) {
	d := deploy(t)
	r, path := d.propose()
	var wg sync.WaitGroup
	pages := make([]string, 16)
	for n := range pages {
		b := d.browser()
		who := claims("u-"+string(rune('a'+n)), "Somebody", "some@larch.example", larch, "Larch Trading Ltd", "US", "public", "globalAdmin")
		b.signInAt(path, who)
		wg.Go(func() { pages[n] = b.post(path, filled([]string{"accept", "decline"}[n%2])).page() })
	}
	wg.Wait()
	answers := map[string]int{}
	for _, p := range pages {
		answers[p]++
	}
	now := d.storedGranular(r)
	if answers["accepted"]+answers["declined"] != 1 || (now.Status == granular.Active) != (answers["accepted"] == 1) || now.Version != 3 {
		t.Errorf("%v, %s of version %d", answers, now.Status, now.Version)
	}
}

func TestGranularInTrouble(t *testing.T) {
	d := deploy(t)
	r, path := d.propose()
	b := d.browser()
	b.signInAt(path, lara)
	d.fault.Store(&storetest.Fault{Err: errors.New("the table is away")})
	for _, s := range []seen{b.get(path), b.get(path + "/sign-in"), b.get(path + "/end"), b.post(path, filled("accept")), b.post(path+"/end", url.Values{}), b.post(path+"/end", url.Values{"confirm": {"on"}})} {
		if s.is(t, http.StatusServiceUnavailable, "service-trouble"); s.Header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	stale := filled("accept")
	stale.Set("wordsRead", "of/old")
	b.post(path, stale).is(t, http.StatusServiceUnavailable, "service-trouble")
	d.fault.Store(nil)
	if now := d.storedGranular(r); now.Status != granular.Pending {
		t.Error(now.Status)
	}
	b.post(path, filled("accept")).is(t, http.StatusSeeOther, "accepted")
}

// beside is an invitation that asks for granular administration as well.
func beside(name string, roles ...string) func(*invitation.Proposal) {
	return func(p *invitation.Proposal) {
		p.Granular = &granular.Proposal{DisplayName: &name, Duration: to("P1Y"), AutoExtendDuration: to("P0D"), Roles: &roles}
	}
}

// TestBothInOneVisit: the page says both, and one answer gives both or neither (domain, 0.28; G13).
func TestBothInOneVisit(t *testing.T) {
	d := deploy(t)
	inv, token := d.invite(beside("Desk", helpdesk))
	key := granular.Key{Partner: inv.Inviter, ID: inv.GranularID}
	b := d.browser()
	form := b.signIn(token, lara).is(t, http.StatusOK, "answer")
	if !strings.Contains(form.text, "Helpdesk Administrator") || !strings.Contains(form.text, "12 months") {
		t.Error(form.text)
	}
	b.post("/i/"+token, filled("accept")).is(t, http.StatusSeeOther, "accepted")
	result := b.get("/i/"+token+"?done").is(t, http.StatusOK, "accepted")
	path := d.granularPath(granular.Relationship{Key: key}, 1)
	if !strings.Contains(result.text, "Helpdesk Administrator") || !strings.Contains(result.text, `href="`+path+`"`) {
		t.Error(result.text)
	}
	now := d.storedGranular(granular.Relationship{Key: key})
	if now.Status != granular.Active || now.Customer != larch || now.Answer.Consent.Hash == "" || !now.EndAt.Equal(now.ActivatedAt.AddDate(1, 0, 0)) {
		t.Errorf("%+v", now)
	}
	if rel, err := d.store.Relationship(t.Context(), alder, larch); err != nil || rel.Status != "active" {
		t.Errorf("%+v %v", rel, err)
	}
	if a := d.stored(inv).Answer; !a.Granular || a.NoChange {
		t.Errorf("%+v", a)
	}
	// The link of the result page leads to it, in the same session.
	b.get(path).is(t, http.StatusOK, "accepted")
	b.post(path+"/end", url.Values{"confirm": {"on"}}).is(t, http.StatusOK, "ended")
	if rel, err := d.store.Relationship(t.Context(), alder, larch); err != nil || rel.Status != "active" {
		t.Errorf("%+v %v", rel, err)
	}

	t.Run("asked again, where the relationship stands", func(t *testing.T) {
		again, token := d.invite(beside("Second", helpdesk))
		b.post("/i/"+token, filled("accept")).is(t, http.StatusSeeOther, "accepted")
		if a := d.stored(again).Answer; !a.Granular || a.NoChange {
			t.Errorf("%+v", a)
		}
	})
	t.Run("declined", func(t *testing.T) {
		inv, token := d.invite(beside("Third", helpdesk))
		b.post("/i/"+token, filled("decline")).is(t, http.StatusSeeOther, "declined")
		if now := d.storedGranular(granular.Relationship{Key: granular.Key{Partner: alder, ID: inv.GranularID}}); now.Status != granular.Terminated || now.Reason != granular.Rejected {
			t.Errorf("%+v", now)
		}
	})
	t.Run("deleted meanwhile", func(t *testing.T) {
		inv, token := d.invite(beside("Fourth", helpdesk))
		if _, err := d.granted.Delete(t.Context(), granularCommand(), inv.GranularID); err != nil {
			t.Fatal(err)
		}
		if page := b.get("/i/"+token).is(t, http.StatusOK, "answer"); strings.Contains(page.text, "Helpdesk") {
			t.Error("the page asks for what is no longer asked for")
		}
		b.post("/i/"+token, filled("accept")).is(t, http.StatusSeeOther, "accepted")
		if a := d.stored(inv).Answer; a.Granular || !a.NoChange {
			t.Errorf("%+v", a)
		}
	})
	t.Run("in every language", func(t *testing.T) {
		for _, tag := range locale.Tags {
			_, token := d.invite(beside("Of "+tag.String(), "62e90394-69f5-4237-9190-012177145e10", helpdesk), func(p *invitation.Proposal) { p.RequestDelegatedAdmin = to(true) })
			form := b.get("/i/"+token+"?lang="+tag.String()).is(t, http.StatusOK, "answer")
			if len(form.text) > 30<<10 {
				t.Errorf("%v: %d bytes", tag, len(form.text))
			}
			b.post("/i/"+token+"?lang="+tag.String(), filled("accept")).is(t, http.StatusSeeOther, "accepted")
		}
	})
}

// TestGranularIsReported: who does not know the company ends its mails by the link, without signing in, and changes nothing else (promise 8).
func TestGranularIsReported(t *testing.T) {
	d := deploy(t)
	r, path := d.propose()
	b := d.browser()
	b.get(path+"/report").is(t, http.StatusNotFound, "unknown") // it was never mailed
	if _, _, err := d.granted.Send(t.Context(), granularCommand(), r.ID, granular.Addressee{RecipientEmail: to("jo@larch.example")}); err != nil {
		t.Fatal(err)
	}
	writes := d.writes.Load()
	if page := b.get(path).is(t, http.StatusOK, "review"); !strings.Contains(page.text, path+"/report") {
		t.Error("the page does not lead to reporting it")
	}
	b.get(path+"/report").is(t, http.StatusOK, "report")
	b.post(path+"/report", url.Values{}).is(t, http.StatusUnprocessableEntity, "report")
	b.post(path+"/report", url.Values{"reason": {"because"}}).is(t, http.StatusUnprocessableEntity, "report")
	if d.writes.Load() != writes {
		t.Error("looking has written")
	}
	for range 2 {
		b.post(path+"/report", url.Values{"reason": {"impersonation"}}).is(t, http.StatusOK, "reported")
	}
	now := d.storedGranular(r)
	if now.Status != granular.Pending || now.Reported != 1 || now.Post.State != outbox.None || d.writes.Load() != writes+2 {
		t.Errorf("%+v after %d writes", now, d.writes.Load()-writes)
	}
	d.clock.Add(int64(11 * time.Minute))
	if _, _, err := d.granted.Send(t.Context(), granularCommand(), r.ID, granular.Addressee{}); !problem.Is(err, problem.RecipientSuppressed) {
		t.Error(err)
	}
	b.get(path).is(t, http.StatusOK, "review")
	for _, wrong := range []string{"/g/x/report", strings.Replace(path, "/g/", "/i/", 1) + "/report"} {
		b.get(wrong).is(t, http.StatusNotFound, "unknown")
	}
	d.fault.Store(&storetest.Fault{Err: errors.New("the table is away")})
	b.get(path+"/report").is(t, http.StatusServiceUnavailable, "service-trouble")
	b.post(path+"/report", url.Values{"reason": {"impersonation"}}).is(t, http.StatusServiceUnavailable, "service-trouble")
}
