package pages_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/relationship"
)

// pending makes an invitation to an address of larch's domain, which its partner passes on.
func (d *deployment) pending(edit ...func(*invitation.Proposal)) invitation.Invitation {
	d.t.Helper()
	inv, _ := d.invite(edit...)
	inv, _, err := d.service.Done(d.t.Context(), granularCommand(), inv.ID)
	if err != nil {
		d.t.Fatal(err)
	}
	return inv
}

func inboxPath(p partner.TenantID, id string) string {
	return "/customer/requests/" + string(p) + "/" + id
}

// A company finds what it is asked on its own page, and answers it there without the link: with the words, the
// evidence and the rules of the link.
func TestRequestsAreAnsweredOnTheCompanysPage(t *testing.T) {
	d := deploy(t)
	inv := d.pending()
	draft, _ := d.invite(func(p *invitation.Proposal) { p.RecipientEmail = to("draft@larch.example") })
	path := inboxPath(alder, inv.ID)
	b := d.browser()
	list := b.signInAsCompany(lara)
	list.want(t, "customer", http.StatusOK)
	list.has(t, "Waiting for your answer", "Alder Cloud Services Inc.", "@larch.example")
	if !slices.Contains(list.links(), path) || !slices.Contains(list.links(), path+"/report") || strings.Contains(list.text, draft.ID) {
		t.Errorf("it leads to %v", list.links())
	}
	writes := d.writes.Load()
	form := b.get(path).is(t, http.StatusOK, "answer")
	if strings.Contains(form.text, "/i/") || !strings.Contains(form.text, `action="`+path+`"`) || !strings.Contains(form.text, "name=wordsRead") {
		t.Error(form.text)
	}
	b.post(path, url.Values{"answer": {"accept"}}).is(t, http.StatusUnprocessableEntity, "answer")
	if d.writes.Load() != writes {
		t.Error("looking has written (invariant 17)")
	}
	done := b.post(path, filled("accept")).is(t, http.StatusSeeOther, "accepted")
	b.get(done.Header.Get("Location")).is(t, http.StatusOK, "accepted").has(t, inv.Reference())
	b.post(path, filled("accept")).is(t, http.StatusSeeOther, "accepted")
	b.post(path, filled("decline")).is(t, http.StatusGone, "answered")
	stored, err := d.store.Invitation(t.Context(), inv.Key, true)
	if err != nil || stored.Status != invitation.Accepted || stored.Answer.Consent.Hash == "" || stored.Answer.FullName != "Lara Larch" {
		t.Fatalf("%+v, %v", stored, err)
	}
	if r := d.between(alder); r.Status != relationship.Active || r.IdentityCheck != relationship.NotNeeded {
		t.Errorf("%+v", r)
	}

	// "This wasn't us": the answer is disputed for 72 hours.
	list = b.get("/customer")
	list.has(t, "Answered in the last 72 hours", "This wasn’t our answer")
	if strings.Contains(list.text, "Waiting for your answer") {
		t.Error("what was answered waits")
	}
	b.get(path+"/report").is(t, http.StatusOK, "dispute")
	b.post(path+"/report", url.Values{}).is(t, http.StatusUnprocessableEntity, "dispute")
	b.post(path+"/report", url.Values{"reason": {"not-us"}}).is(t, http.StatusOK, "disputed")
	b.post(path+"/report", url.Values{"reason": {"not-us"}}).is(t, http.StatusOK, "disputed")
	if r := d.between(alder); r.IdentityCheck != relationship.Unproven {
		t.Errorf("%+v", r)
	}
	if again := b.get("/customer"); strings.Contains(again.text, "This wasn’t our answer") {
		t.Error("it can be disputed again")
	}
}

// An open request can be reported by who does not know its partner.
func TestARequestIsReportedOnTheCompanysPage(t *testing.T) {
	d := deploy(t)
	inv := d.pending()
	path := inboxPath(alder, inv.ID) + "/report"
	b := d.browser()
	b.signInAsCompany(lara)
	b.get(path).is(t, http.StatusOK, "report")
	b.post(path, url.Values{"reason": {"unknown-company"}}).is(t, http.StatusOK, "reported")
	stored, err := d.store.Invitation(t.Context(), inv.Key, true)
	if err != nil || stored.Reported != stored.Generation {
		t.Fatalf("%+v, %v", stored, err)
	}
}

// Nobody finds or answers on a company's page what is not addressed to that company: not another one, not who has
// declared a domain without proving it, not one of a domain below or above, and nobody without the role (0.25, 0.27).
func TestRequestsOfOthersAreNotThere(t *testing.T) {
	d := deploy(t)
	inv := d.pending()
	bound := d.pending(func(p *invitation.Proposal) {
		p.RecipientEmail, p.CustomerTenantID = to("ann@oak.example"), to(string(larch))
	})
	asked, _ := d.propose()
	others := map[string]map[string]any{
		"another company": claims("u-oak", "Ann Oak", "ann@oak.example", oak, "Oak Ltd", "US", "public", "globalAdmin"),
		"no domain":       without(claims("u-none", "No Body", "no@larch.example", oak, "Larch Trading Ltd", "US", "public", "globalAdmin"), "tenant_domains"),
		"no admin":        claims("u-leo", "Leo Larch", "leo@larch.example", larch, "Larch Trading Ltd", "US", "public", "billingAdmin"),
	}
	for name, who := range others {
		t.Run(name, func(t *testing.T) {
			b := d.browser()
			list := b.signInAsCompany(who)
			if strings.Contains(list.text, "Alder") || strings.Contains(list.text, inv.ID) || strings.Contains(list.text, asked.ID) {
				t.Error(list.text)
			}
			status, page := http.StatusNotFound, "request-unknown"
			if name == "no admin" {
				status, page = http.StatusForbidden, "not-admin"
			}
			writes := d.writes.Load()
			for _, id := range []string{inv.ID, bound.ID, asked.ID} {
				for _, path := range []string{inboxPath(alder, id), inboxPath(alder, id) + "/report"} {
					if got := b.get(path).is(t, status, page); strings.Contains(got.text, "Alder") {
						t.Errorf("%s says who asks", path)
					}
					form := filled("accept")
					form.Set("reason", "not-us")
					b.post(path, form).is(t, status, page)
				}
			}
			if got := b.get("/customer/granular/"+asked.ID).is(t, status, page); strings.Contains(got.text, "Alder") {
				t.Error("it says who asks")
			}
			if d.writes.Load() != writes {
				t.Error("it has written")
			}
		})
	}
	// Without a session there is nothing but the way to sign in, which leads back.
	b := d.browser()
	for _, path := range []string{inboxPath(alder, inv.ID), "/customer/granular/" + asked.ID} {
		start := b.get(path).is(t, http.StatusOK, "customer-sign-in")
		if strings.Contains(start.text, "Alder") || !strings.Contains(start.text, "at="+url.QueryEscape(strings.TrimPrefix(path, "/customer"))) {
			t.Error(start.text)
		}
	}
	b.post(inboxPath(alder, inv.ID), filled("accept")).is(t, http.StatusUnauthorized, "session-over")
	for _, path := range []string{"/customer/requests/x/" + inv.ID, inboxPath(alder, "inv_x"), inboxPath(larch, inv.ID), "/customer/granular/gdap_x"} {
		c := d.browser()
		c.signInAsCompany(lara)
		c.get(path).is(t, http.StatusNotFound, "request-unknown")
	}
}

// A program leads its customer to a request by its id alone. A request that names a tenant is that tenant's; one that
// names nobody binds whom approves it, and the partner has to confirm who that is.
func TestGranularIsApprovedByItsID(t *testing.T) {
	d := deploy(t)
	for name, c := range map[string]struct {
		edit     func(*granular.Proposal)
		identity relationship.IdentityCheck
	}{
		"bound":   {func(*granular.Proposal) {}, ""},
		"unbound": {func(terms *granular.Proposal) { terms.Customer, terms.DisplayName = nil, to("For anybody") }, relationship.Unproven},
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := d.propose(c.edit)
			path := "/customer/granular/" + r.ID
			b := d.browser()
			start := b.get(path).is(t, http.StatusOK, "customer-sign-in")
			at := slices.IndexFunc(start.links(), func(l string) bool { return strings.Contains(l, "/customer/sign-in/public") })
			begin := b.get(strings.TrimPrefix(strings.ReplaceAll(start.links()[at], "&amp;", "&"), d.URL))
			back := b.get(d.idp.approve(begin.Header.Get("Location"), lara))
			if got := back.Header.Get("Location"); got != path {
				t.Fatalf("the sign-in leads to %q", got)
			}
			to := b.get(path).Header.Get("Location")
			if to != inboxPath(alder, r.ID) {
				t.Fatalf("it leads to %q", to)
			}
			b.get(to).is(t, http.StatusOK, "answer").has(t, "Helpdesk Administrator")
			done := b.post(to, filled("accept")).is(t, http.StatusSeeOther, "accepted")
			result := b.get(done.Header.Get("Location")).is(t, http.StatusOK, "accepted")
			if end := "/customer/partners/" + string(alder) + "/roles/" + r.ID; !slices.Contains(result.links(), end) {
				t.Errorf("no way to end it: %v", result.links())
			}
			if again := b.get(path); again.Header.Get("Location") != to {
				t.Errorf("%d to %q", again.StatusCode, again.Header.Get("Location"))
			}
			now := d.storedGranular(r)
			if now.Status != granular.Active || now.Customer != larch || now.IdentityCheck != c.identity || now.Answer.Consent.Hash == "" {
				t.Errorf("%+v", now)
			}
			covers, err := d.granted.CoversSubscriptions(t.Context(), alder, larch)
			if err != nil || covers {
				t.Errorf("covers %v, %v", covers, err)
			}
			// Who comes later is of another company, or finds that it stands.
			other := d.browser()
			other.signInAsCompany(claims("u-oak", "Ann Oak", "ann@oak.example", oak, "Oak Ltd", "US", "public", "globalAdmin"))
			other.get(to).is(t, http.StatusNotFound, "request-unknown")
			other.post(to, filled("accept")).is(t, http.StatusNotFound, "request-unknown")
		})
	}
	d.clock.Add(int64(time.Hour))
}

// without gives claims without one of them.
func without(claims map[string]any, name string) map[string]any {
	delete(claims, name)
	return claims
}
