package pages_test

import (
	"errors"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"concord/internal/invitation"
	"concord/internal/link"
	"concord/internal/locale"
	"concord/internal/relationship"
	"concord/internal/storetest"
)

// at gives the path of a page of an invitation's link of some purpose and generation.
func (d *deployment) at(p link.Purpose, inv invitation.Invitation, generation int, aside string) string {
	d.t.Helper()
	token, err := d.keys.Sign(d.t.Context(), p, link.Link{Tenant: string(inv.Inviter), ID: inv.ID, Generation: generation})
	if err != nil {
		d.t.Fatal(err)
	}
	d.secrets = append(d.secrets, token.Reveal(), token.Reveal()[:40])
	return p.Path(token) + aside
}

const (
	renewal = "/renewal"
	report  = "/report"
)

func over(d *deployment, _ *invitation.Invitation) { d.clock.Store(int64(31 * 24 * time.Hour)) }

func replaced(d *deployment, i *invitation.Invitation) {
	i.Generation++
	d.store.PutInvitation(*i)
}

func put(change func(*invitation.Invitation)) func(*deployment, *invitation.Invitation) {
	return func(d *deployment, i *invitation.Invitation) {
		change(i)
		d.store.PutInvitation(*i)
	}
}

// accepted makes an acceptance of a moment ago, and the relationship that it gave.
func accepted(d *deployment, i *invitation.Invitation) {
	answeredBy("u-lara", larch, invitation.Accepted)(d, i)
	d.commit(relationship.Change{After: relationship.Relationship{
		ID: "rel_aaaaaaaaaaaaaaaaaaaaaaaaaa", Partner: alder, Customer: relationship.Customer{Tenant: larch, CompanyName: "Larch Trading Ltd"},
		Status: relationship.Active, DelegatedAdmin: relationship.ActiveDAP, IdentityCheck: relationship.NotNeeded, Invitation: i.ID, Version: 1,
	}})
}

func (d *deployment) commit(c relationship.Change) {
	d.t.Helper()
	if err := d.store.Commit(d.t.Context(), nil, []relationship.Change{c}); err != nil {
		d.t.Fatal(err)
	}
}

// pleas are the pages beside the answer, each in each of its cases.
var pleas = []struct {
	name     string
	purpose  link.Purpose
	aside    string
	page     string
	status   int
	edit     func(*invitation.Proposal)
	prepare  func(*deployment, *invitation.Invitation)
	says     []string
	saysNot  []string
	mayWrite bool // the page has a form
}{
	{name: "renewal of an expired request", purpose: link.Answer, aside: renewal, page: "renewal", status: 200, prepare: over, mayWrite: true,
		says: []string{"Alder Cloud Services Inc.", "j•••@larch.example", "It expired before we could answer", "We can’t find the newer email", "Another reason"}, saysNot: []string{"stopped"}},
	{name: "renewal of a replaced link", purpose: link.Answer, aside: renewal, page: "renewal", status: 200, prepare: replaced, mayWrite: true},
	{name: "renewal where no address is known", purpose: link.Answer, aside: renewal, page: "renewal", status: 200, edit: nobody, prepare: over, mayWrite: true,
		saysNot: []string{"Sent to", "stopped"}},
	{name: "renewal of who has stopped the mail", purpose: link.Answer, aside: renewal, page: "renewal", status: 200, prepare: func(d *deployment, i *invitation.Invitation) {
		stopped(d, i)
		over(d, i)
	}, mayWrite: true, says: []string{"because you have stopped them", "does not change that", "at the end of an email that you received", "Grove Marketplace Ltd"}},
	{name: "renewal asked for", purpose: link.Answer, aside: renewal, page: "renewal-asked", status: 200,
		prepare: put(func(i *invitation.Invitation) { i.Generation, i.Asked = 2, 1 }), says: []string{"will go to j•••@larch.example", "partners@alder.example"}},
	{name: "renewal asked for where no address is known", purpose: link.Answer, aside: renewal, page: "renewal-asked", status: 200, edit: nobody,
		prepare: put(func(i *invitation.Invitation) { i.Generation, i.Asked = 2, 1 }), says: []string{"how to send you a new link"}},
	{name: "renewal of a link that works", purpose: link.Answer, aside: renewal, page: "no-renewal", status: 200, says: []string{"still works", "Open the request"}},
	{name: "renewal of an answered request", purpose: link.Answer, aside: renewal, page: "no-renewal", status: 200, prepare: accepted,
		says: []string{"has already been answered"}, saysNot: []string{"still works", "Open the request"}},
	{name: "renewal of a cancelled request", purpose: link.Answer, aside: renewal, page: "unknown", status: 404,
		prepare: put(func(i *invitation.Invitation) { i.Status = invitation.Cancelled })},

	{name: "report", purpose: link.Answer, aside: report, page: "report", status: 200, mayWrite: true,
		says: []string{"j•••@larch.example", "We didn’t ask for this", "Someone is pretending", "not the right person", "Grove Marketplace Ltd counts"}},
	{name: "report of an expired request", purpose: link.Answer, aside: report, page: "report", status: 200, prepare: over, mayWrite: true},
	{name: "report where no address is known", purpose: link.Answer, aside: report, page: "report", status: 200, edit: nobody, mayWrite: true, saysNot: []string{"reminders"}},
	{name: "report of an answered request", purpose: link.Answer, aside: report, page: "report", status: 200, prepare: accepted, mayWrite: true,
		saysNot: []string{"You don’t have to do anything"}},
	{name: "reported", purpose: link.Answer, aside: report, page: "reported", status: 200, prepare: stopped,
		says: []string{"no longer send requests or reminders to j•••@larch.example", "at the end of an email that you received"}},
	{name: "report of what was let through again", purpose: link.Answer, aside: report, page: "report", status: 200, mayWrite: true,
		prepare: put(func(i *invitation.Invitation) { i.Reported = 1 })},
	{name: "reported where no address is known", purpose: link.Answer, aside: report, page: "reported", status: 200, edit: nobody,
		prepare: put(func(i *invitation.Invitation) { i.Reported = 1 }), says: []string{"You don’t have to do anything"}, saysNot: []string{"reminders"}},
	{name: "report of a cancelled request", purpose: link.Answer, aside: report, page: "unknown", status: 404,
		prepare: put(func(i *invitation.Invitation) { i.Status = invitation.Cancelled })},

	{name: "dispute of an acceptance", purpose: link.Receipt, page: "dispute", status: 200, mayWrite: true, prepare: accepted,
		says: []string{"was accepted for your company", "must then confirm", "Reference"}, saysNot: []string{"Lara", "administrator rights"}},
	{name: "dispute of an acceptance with administration", purpose: link.Receipt, page: "dispute", status: 200, mayWrite: true, prepare: accepted,
		edit: func(p *invitation.Proposal) { p.RequestDelegatedAdmin = to(true) }, says: []string{"administrator rights", "end at once"}},
	{name: "dispute of an acceptance that changed nothing", purpose: link.Receipt, page: "dispute", status: 200, mayWrite: true,
		edit: func(p *invitation.Proposal) { p.RequestDelegatedAdmin = to(true) }, prepare: func(d *deployment, i *invitation.Invitation) {
			answeredBy("u-lara", larch, invitation.Accepted)(d, i)
			i.Answer.NoChange = true
			d.store.PutInvitation(*i)
		}, says: []string{"must then confirm"}, saysNot: []string{"administrator rights"}},
	{name: "dispute of a refusal", purpose: link.Receipt, page: "dispute", status: 200, mayWrite: true,
		prepare: answeredBy("u-lara", larch, invitation.Declined), says: []string{"was declined for your company"}, saysNot: []string{"administrator rights", "must then confirm"}},
	{name: "disputed", purpose: link.Receipt, page: "disputed", status: 200, edit: func(p *invitation.Proposal) { p.RequestDelegatedAdmin = to(true) },
		prepare: func(d *deployment, i *invitation.Invitation) {
			accepted(d, i)
			i.DisputedAt = time.Now()
			d.store.PutInvitation(*i)
		}, says: []string{"have ended", "Grove Marketplace Ltd", "partners@alder.example"}},
	{name: "dispute after its time", purpose: link.Receipt, page: "dispute-over", status: 410, prepare: func(d *deployment, i *invitation.Invitation) {
		accepted(d, i)
		d.clock.Store(int64(72*time.Hour + time.Second))
	}, says: []string{"72 hours", "Reference"}},
	{name: "dispute of nothing", purpose: link.Receipt, page: "unknown", status: 404},

	{name: "unsubscribe", purpose: link.Unsubscribe, page: "unsubscribe", status: 200, mayWrite: true,
		says: []string{"j•••@larch.example", "I don’t want any more emails from Alder Cloud Services Inc."}},
	{name: "unsubscribe by a link of long ago", purpose: link.Unsubscribe, page: "unsubscribe", status: 200, mayWrite: true, prepare: func(d *deployment, i *invitation.Invitation) {
		i.Status, i.Generation = invitation.Cancelled, 3
		d.store.PutInvitation(*i)
		d.clock.Store(int64(170 * 24 * time.Hour))
	}},
	{name: "unsubscribe when the address is erased", purpose: link.Unsubscribe, page: "unsubscribe", status: 200, mayWrite: true,
		prepare: put(func(i *invitation.Invitation) { i.RecipientEmail = "" }), says: []string{"has been erased"}, saysNot: []string{"larch.example"}},
	{name: "unsubscribed", purpose: link.Unsubscribe, page: "unsubscribed", status: 200,
		prepare: func(d *deployment, i *invitation.Invitation) {
			l := link.Link{Tenant: string(i.Inviter), ID: i.ID, Generation: i.Generation}
			t, _, err := d.service.Unsubscribe(d.t.Context(), l, &invitation.Plea{})
			if err != nil {
				d.t.Fatal(err)
			}
			*i = t.Invitation
		}, says: []string{"no longer send requests or reminders to j•••@larch.example", "at the end of an email that you received", "can still answer them"}},
	{name: "unsubscribed when the address is erased", purpose: link.Unsubscribe, page: "unsubscribed", status: 200,
		prepare: put(func(i *invitation.Invitation) {
			i.RecipientEmail = ""
			i.History = append(i.History, invitation.Entry{At: time.Now(), Action: "unsubscribed", By: "recipient"})
		}), says: []string{"has been erased"}, saysNot: []string{"can no longer send"}},

	{name: "allow", purpose: link.Allow, page: "allow", status: 200, mayWrite: true, prepare: stopped,
		says: []string{"You have stopped emails from Alder Cloud Services Inc. to j•••@larch.example", "I want to get emails from Alder Cloud Services Inc."}},
	{name: "allow by a link of long ago", purpose: link.Allow, page: "allow", status: 200, mayWrite: true, prepare: func(d *deployment, i *invitation.Invitation) {
		stopped(d, i)
		i.Status, i.Generation = invitation.Cancelled, 3
		d.store.PutInvitation(*i)
		d.clock.Store(int64(170 * 24 * time.Hour))
	}},
	{name: "allowed", purpose: link.Allow, page: "allowed", status: 200, says: []string{"keeps emails from Alder Cloud Services Inc. from reaching j•••@larch.example"}},
	{name: "allow when the address is erased", purpose: link.Allow, page: "allowed", status: 200,
		prepare: put(func(i *invitation.Invitation) { i.RecipientEmail = "" }), says: []string{"has been erased"}, saysNot: []string{"larch.example"}},
}

// stopped has the recipient report the request, so that the partner's mails no longer reach it.
func stopped(d *deployment, i *invitation.Invitation) {
	l := link.Link{Tenant: string(i.Inviter), ID: i.ID, Generation: i.Generation}
	t, _, err := d.service.Report(d.t.Context(), l, &invitation.Plea{Reason: "not-asked-for"})
	if err != nil {
		d.t.Fatal(err)
	}
	*i = t.Invitation
}

func nobody(p *invitation.Proposal) { p.RecipientEmail = nil }

// plead makes an invitation in a case and gives the path of the page.
func (d *deployment) plead(n int) (invitation.Invitation, string) {
	d.t.Helper()
	c := pleas[n]
	inv, _ := d.invite(func(p *invitation.Proposal) {
		if c.edit != nil {
			c.edit(p)
		}
	})
	if c.prepare != nil {
		c.prepare(d, &inv)
	}
	return inv, d.at(c.purpose, inv, 1, c.aside)
}

// TestEveryPlea looks at each case with GET and HEAD; what there is to send needs a choice, and a form without one changes nothing.
func TestEveryPlea(t *testing.T) {
	for n, c := range pleas {
		t.Run(c.name, func(t *testing.T) {
			d := deploy(t)
			inv, path := d.plead(n)
			b := d.browser()
			before := d.writes.Load()
			for _, lang := range []string{"", "?lang=fr", "?lang=xx"} {
				got := b.get(path + lang)
				got.want(t, c.page, c.status)
				want := map[string]string{"?lang=fr": "fr"}[lang]
				if l := attr(find(got.doc, "html")[0], "lang"); want != "" && l != want || want == "" && l != "en" {
					t.Errorf("%s: the page is in %q", lang, l)
				}
				head := b.do(request(t, http.MethodHead, d.URL+path+lang, nil))
				if head.StatusCode != c.status || head.text != "" || head.ContentLength != int64(len(got.text)) {
					t.Errorf("HEAD: %d, %d bytes, Content-Length %d of %d", head.StatusCode, len(head.text), head.ContentLength, len(got.text))
				}
				if lang != "" {
					continue
				}
				got.has(t, c.says...)
				for _, text := range c.saysNot {
					if strings.Contains(content(got.doc), text) {
						t.Errorf("it says %q", text)
					}
				}
				got.nothingChosen(t, path, c.mayWrite)
			}
			for name, form := range map[string]url.Values{
				"empty": {}, "another reason": {"reason": {"because"}}, "two reasons": {"reason": {"other", "other"}}, "another box": {"confirm": {"true"}},
				"a box twice": {"confirm": {"on", "on"}}, "another click": {"List-Unsubscribe": {"one-click"}}, "an answer": acceptance,
			} {
				got := b.post(path, form)
				if !c.mayWrite {
					got.want(t, c.page, c.status)
					continue
				}
				got.want(t, c.page, http.StatusUnprocessableEntity)
				anchor := map[bool]string{true: "f-confirm", false: "f-reason"}[c.purpose == link.Unsubscribe || c.purpose == link.Allow]
				if got.id(anchor) == nil || got.id(anchor+"-fault") == nil || !slices.Contains(got.links(), "#"+anchor) {
					t.Errorf("%s: nothing is said at %s", name, anchor)
				}
				got.nothingChosen(t, path, true)
			}
			if d.writes.Load() != before || d.stored(inv).Version != inv.Version {
				t.Errorf("%d writes", d.writes.Load()-before)
			}
		})
	}
}

// granted is a form that the page of a plea takes.
func granted(page string) url.Values {
	if page == "unsubscribe" || page == "allow" {
		return url.Values{"confirm": {"on"}}
	}
	return url.Values{"reason": {map[string]string{"renewal": "other", "report": "impersonation", "dispute": "mistake"}[page]}}
}

// nothingChosen checks that the one form of a page goes to the page itself and that nothing in it is preselected.
func (s seen) nothingChosen(t *testing.T, path string, form bool) {
	t.Helper()
	forms := find(s.doc, "form")
	if !form {
		if len(forms) != 0 {
			t.Errorf("%d forms", len(forms))
		}
		return
	}
	if len(forms) != 1 || attr(forms[0], "action") != path || attr(forms[0], "method") != "post" {
		t.Fatalf("%d forms", len(forms))
	}
	for _, in := range find(forms[0], "input") {
		if attr(in, "type") == "hidden" || slices.ContainsFunc(in.Attr, func(a html.Attribute) bool { return a.Key == "checked" }) {
			t.Errorf("%s=%s is chosen before anybody chose", attr(in, "name"), attr(in, "value"))
		}
	}
}

// TestPleading carries each plea out, with every reason that its page offers, and twice.
func TestPleading(t *testing.T) {
	done := map[string]string{"renewal": "renewal-asked", "report": "reported", "dispute": "disputed", "unsubscribe": "unsubscribed", "allow": "allowed"}
	action := map[string]string{"renewal": "renewal requested", "report": "reported", "dispute": "disputed", "unsubscribe": "unsubscribed", "allow": "mail allowed"}
	reasons := map[string][]string{"renewal": invitation.RenewalReasons, "report": invitation.ReportReasons, "dispute": invitation.DisputeReasons}
	for n, c := range pleas {
		if !c.mayWrite {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			forms := []url.Values{{"confirm": {"on"}}}
			if all := reasons[c.page]; all != nil {
				forms = nil
				for _, r := range all {
					forms = append(forms, url.Values{"reason": {r}})
				}
			}
			for _, form := range forms {
				d := deploy(t)
				inv, path := d.plead(n)
				b := d.browser()
				page := b.get(path)
				if reason := form.Get("reason"); reason != "" && !slices.ContainsFunc(find(page.doc, "input"), func(in *html.Node) bool { return attr(in, "value") == reason }) {
					t.Errorf("the page does not offer %q", reason)
				}
				if len(forms) > 1 && len(find(page.doc, "input")) != len(forms) {
					t.Errorf("%d reasons on the page", len(find(page.doc, "input")))
				}
				b.post(path, form).want(t, done[c.page], 200)
				stood := d.stored(inv)
				if e := stood.History[len(stood.History)-1]; e.Action != action[c.page] || e.Why != form.Get("reason") || e.CorrelationID == "" || stood.Version != inv.Version+1 {
					t.Errorf("%+v", e)
				}
				b.post(path, form).want(t, done[c.page], 200)
				b.get(path).want(t, done[c.page], 200)
				if d.stored(inv).Version != stood.Version {
					t.Error("it was carried out twice")
				}
				if !strings.Contains(d.logged(), `"msg":"pleaded"`) {
					t.Error("nothing is logged")
				}
			}
		})
	}
}

// TestPurposes: a link of one purpose is unknown at every page of another, and says nothing by how.
func TestPurposes(t *testing.T) {
	d := deploy(t)
	inv, _ := d.invite(func(p *invitation.Proposal) { p.RequestDelegatedAdmin = to(true) })
	accepted(d, &inv)
	b := d.browser()
	nothing := b.get("/i/x").text
	before := d.writes.Load()
	pages := map[link.Purpose][]string{link.Answer: {"", "/sign-in", renewal, report}, link.Receipt: {""}, link.Unsubscribe: {""}, link.Allow: {""}}
	tried := 0
	for own := range pages {
		token := strings.TrimPrefix(d.at(own, inv, 1, ""), own.Path(""))
		for other, asides := range pages {
			for _, aside := range asides {
				path := other.Path(link.Secret(token)) + aside
				if own == other {
					if b.get(path).page() == "unknown" {
						t.Errorf("%c%s is unknown at its own page", own, aside)
					}
					continue
				}
				got := b.get(path)
				got.want(t, "unknown", 404)
				if got.text != nothing {
					t.Errorf("%c at %c%s has a page of its own", own, other, aside)
				}
				if head := b.do(request(t, http.MethodHead, d.URL+path, nil)); head.StatusCode != 404 {
					t.Errorf("HEAD: %d", head.StatusCode)
				}
				for _, form := range []url.Values{{"reason": {"not-us"}}, {"reason": {"other"}}, {"reason": {"unknown-company"}}, {"confirm": {"on"}}, {"List-Unsubscribe": {"One-Click"}}, acceptance} {
					if aside != "/sign-in" {
						b.post(path, form).want(t, "unknown", 404)
					}
				}
				tried++
			}
		}
	}
	// Nor are there other pages below a link.
	for _, path := range []string{d.at(link.Receipt, inv, 1, renewal), d.at(link.Unsubscribe, inv, 1, report), d.at(link.Answer, inv, 1, "/dispute"), d.at(link.Answer, inv, 7, renewal)} {
		b.get(path).want(t, "unknown", 404)
		b.post(path, url.Values{"reason": {"other"}}).want(t, "unknown", 404)
	}
	if tried != 3+3*(4+2) || d.writes.Load() != before {
		t.Errorf("%d pages tried, %d writes", tried, d.writes.Load()-before)
	}
}

// TestOneClick is the POST of a mail program's provider (RFC 8058): no cookie, no Origin, in either form.
func TestOneClick(t *testing.T) {
	var body strings.Builder
	m := multipart.NewWriter(&body)
	if err := m.WriteField("List-Unsubscribe", "One-Click"); err != nil {
		t.Fatal(err)
	}
	_ = m.Close()
	for name, c := range map[string]struct{ kind, body string }{
		"url encoded": {"application/x-www-form-urlencoded", "List-Unsubscribe=One-Click"},
		"multipart":   {m.FormDataContentType(), body.String()},
	} {
		t.Run(name, func(t *testing.T) {
			d := deploy(t)
			inv, _ := d.invite()
			path := d.at(link.Unsubscribe, inv, 1, "")
			for range 2 {
				r := request(t, http.MethodPost, d.URL+path, strings.NewReader(c.body))
				r.Header.Set("Content-Type", c.kind)
				d.browser().do(r).want(t, "unsubscribed", 200)
			}
			if got := d.stored(inv); got.Version != 2 || got.Reminders {
				t.Errorf("%+v", got)
			}
			if n := d.writes.Load(); n != 3 { // the invitation, the block, the entry
				t.Errorf("%d writes", n)
			}
			// A browser that another site leads sends where it comes from.
			other := request(t, http.MethodPost, d.URL+path, strings.NewReader(c.body))
			other.Header.Set("Content-Type", c.kind)
			other.Header.Set("Origin", "https://evil.example")
			d.browser().do(other).want(t, "cross-origin", 403)
		})
	}
}

// TestPleasFromElsewhereAndOddBodies: none of them does anything.
func TestPleasFromElsewhereAndOddBodies(t *testing.T) {
	const urlEncoded = "application/x-www-form-urlencoded"
	for n, c := range pleas {
		if !c.mayWrite {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			d := deploy(t)
			inv, path := d.plead(n)
			b := d.browser()
			before := d.writes.Load()
			form := granted(c.page).Encode()
			send := func(kind, body string, header ...string) seen {
				r := request(t, http.MethodPost, d.URL+path, strings.NewReader(body))
				if kind != "" {
					r.Header.Set("Content-Type", kind)
				}
				for i := 0; i < len(header); i += 2 {
					r.Header.Set(header[i], header[i+1])
				}
				return b.do(r)
			}
			send(urlEncoded, form, "Sec-Fetch-Site", "cross-site").want(t, "cross-origin", 403)
			send(urlEncoded, form, "Origin", "https://evil.example").want(t, "cross-origin", 403)
			send(urlEncoded, form, "Origin", "null").want(t, "cross-origin", 403)
			switch c.name { // each takes half a second
			case "report":
				send(urlEncoded, "reason="+strings.Repeat("x", 65<<10)).want(t, "too-large", 413)
			case "unsubscribe":
				send("multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"confirm\"\r\n\r\n"+strings.Repeat("x", 65<<10)+"\r\n--x--\r\n").want(t, "too-large", 413)
			}
			send("multipart/form-data; boundary=x", "--x").want(t, "malformed", 400)
			send("multipart/form-data", form).want(t, "malformed", 400)
			send("application/json", `{"confirm":"on","reason":"other"}`).want(t, "malformed", 400)
			send("", form).want(t, "malformed", 400)
			send(urlEncoded, "reason=%zz&confirm=%zz").want(t, "malformed", 400)
			if d.writes.Load() != before || d.stored(inv).Version != inv.Version {
				t.Error("something was written")
			}
			// Fields of the query count for nothing.
			b.post(path+"?confirm=on&reason=other&reason=unknown-company&List-Unsubscribe=One-Click", url.Values{}).want(t, c.page, 422)
		})
	}
}

// TestPleasInTrouble: what could not be stored was not done, and the page does not say that it was.
func TestPleasInTrouble(t *testing.T) {
	down := errors.New("store: " + "unreachable")
	for n, c := range pleas {
		if !c.mayWrite {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			d := deploy(t)
			inv, path := d.plead(n)
			b := d.browser()
			form := granted(c.page)
			for _, ops := range [][]storetest.Operation{{storetest.Invitation}, {storetest.Write, storetest.Commit}} {
				d.store.Inject(func(op storetest.Operation) storetest.Fault {
					if slices.Contains(ops, op) {
						return storetest.Fault{Err: down}
					}
					return storetest.Fault{}
				})
				got := b.post(path, form)
				got.want(t, "service-trouble", 503)
				if got.Header.Get("Retry-After") == "" || strings.Contains(content(got.doc), "still works") {
					t.Error("it says when to try again, and nothing about the link")
				}
			}
			d.store.Inject(nil)
			if d.stored(inv).Version != inv.Version {
				t.Error("something was written")
			}
			if got := b.post(path, form); got.StatusCode != 200 || got.page() == c.page {
				t.Errorf("afterwards: %s with %d", got.page(), got.StatusCode)
			}
		})
	}
}

// TestDisputeEndsAdministration goes from an acceptance to a dispute of it.
func TestDisputeEndsAdministration(t *testing.T) {
	d := deploy(t)
	inv, token := d.invite(func(p *invitation.Proposal) { p.RequestDelegatedAdmin = to(true) })
	b := d.browser()
	b.signIn(token, lara)
	b.post("/i/"+token, acceptance)
	path := d.at(link.Receipt, inv, 1, "")
	d.browser().post(path, url.Values{"reason": {"not-us"}}).want(t, "disputed", 200)
	rel, err := d.store.Relationship(t.Context(), alder, larch)
	if err != nil || rel.Status != relationship.Active || rel.DelegatedAdmin != relationship.TerminatedDAP || rel.IdentityCheck != relationship.Unproven {
		t.Errorf("%+v, %v", rel, err)
	}
	if got := d.stored(inv); got.DisputedAt.IsZero() || !slices.Contains(got.Post.Owed, invitation.DisputeNotice) {
		t.Errorf("%+v", got.Post)
	}
	b.get("/i/"+token).want(t, "accepted", 200) // the answer itself stands
}

// TestWhereToAsk: who meets a link that is over finds where to ask, and a stranger where to report.
func TestWhereToAsk(t *testing.T) {
	for name, c := range map[string]struct {
		who             map[string]any
		edit            func(*invitation.Proposal)
		prepare         func(*deployment, *invitation.Invitation)
		renewal, report bool
	}{
		"review":       {report: true},
		"answer":       {who: lara, report: true},
		"not-admin":    {who: user, report: true},
		"wrong-tenant": {who: owen, edit: func(p *invitation.Proposal) { p.CustomerTenantID = to(string(larch)) }, report: true},
		"expired":      {prepare: over, renewal: true},
		"superseded":   {prepare: replaced, renewal: true},
		"answered":     {prepare: accepted},
	} {
		t.Run(name, func(t *testing.T) {
			d := deploy(t)
			inv, token := d.invite(func(p *invitation.Proposal) {
				if c.edit != nil {
					c.edit(p)
				}
			})
			b := d.browser()
			if c.who != nil {
				b.signIn(token, c.who)
			}
			if c.prepare != nil {
				c.prepare(d, &inv)
			}
			for _, lang := range []string{"", "?lang=fr"} {
				got := b.get("/i/" + token + lang)
				if got.page() != name {
					t.Fatalf("page %s", got.page())
				}
				for aside, want := range map[string]bool{renewal: c.renewal, report: c.report} {
					to := "/i/" + token + aside + lang
					if slices.Contains(got.links(), to) != want {
						t.Errorf("%s%s: the link is there: %t", aside, lang, !want)
					}
					if !want {
						continue
					}
					there := b.get(to)
					there.want(t, strings.TrimPrefix(aside, "/"), 200)
					if l := attr(find(there.doc, "html")[0], "lang"); lang != "" && l != "fr" {
						t.Errorf("%s: in %s", aside, l)
					}
					for _, nav := range find(there.doc, "nav") {
						for _, a := range find(nav, "a") {
							b.get("/i/"+token+aside+attr(a, "href")).want(t, there.page(), 200)
						}
					}
				}
			}
		})
	}
}

// TestScannersChangeNothing: HEAD, GET, prefetching, following every link, sending every form without a choice, and all of it twice
// (reliability, promise 5). Nobody is signed in, or somebody who may answer.
func TestScannersChangeNothing(t *testing.T) {
	followed, sent := 0, 0
	for _, c := range []struct {
		purpose link.Purpose
		who     map[string]any
		prepare func(*deployment, *invitation.Invitation)
	}{
		{purpose: link.Answer}, {purpose: link.Answer, who: lara}, {purpose: link.Answer, prepare: over}, {purpose: link.Answer, prepare: replaced},
		{purpose: link.Answer, prepare: accepted}, {purpose: link.Receipt, prepare: accepted}, {purpose: link.Unsubscribe}, {purpose: link.Unsubscribe, prepare: over},
		{purpose: link.Answer, prepare: stopped}, {purpose: link.Answer, who: lara, prepare: stopped}, {purpose: link.Allow, prepare: stopped},
	} {
		d := deploy(t)
		inv, token := d.invite()
		b := d.browser()
		if c.who != nil {
			b.signIn(token, c.who)
		}
		if c.prepare != nil {
			c.prepare(d, &inv)
		}
		before, version := d.writes.Load(), d.stored(inv).Version
		known := map[string]bool{}
		queue := []string{d.at(c.purpose, inv, 1, "")}
		for len(queue) > 0 {
			at := queue[0]
			queue = queue[1:]
			if known[at] || len(known) > 200 {
				continue
			}
			known[at] = true
			followed++
			prefetch := request(t, http.MethodGet, d.URL+at, nil)
			prefetch.Header.Set("Sec-Purpose", "prefetch;prerender")
			prefetch.Header.Set("Purpose", "prefetch")
			b.do(prefetch)
			b.do(request(t, http.MethodHead, d.URL+at, nil))
			got := b.get(at)
			base, err := url.Parse(at)
			if err != nil {
				t.Fatal(err)
			}
			for _, href := range got.links() {
				if to, err := base.Parse(href); err == nil && to.Host == "" && to.Fragment == "" {
					queue = append(queue, to.String())
				}
			}
			for _, f := range find(got.doc, "form") {
				if strings.HasPrefix(at, "/sign-out") { // that ends what has no effect anywhere else
					continue
				}
				// As it is, and with every text filled in and every list at its last entry, which is what a form filler does.
				plain, filled := url.Values{}, url.Values{}
				for _, in := range find(f, "input") {
					switch attr(in, "type") {
					case "hidden":
						plain.Set(attr(in, "name"), attr(in, "value"))
						filled.Set(attr(in, "name"), attr(in, "value"))
					case "text":
						filled.Set(attr(in, "name"), "Test Person")
					}
				}
				for _, area := range find(f, "textarea") {
					filled.Set(attr(area, "name"), "Test")
				}
				for _, list := range find(f, "select") {
					options := find(list, "option")
					filled.Set(attr(list, "name"), attr(options[len(options)-1], "value"))
				}
				for range 2 {
					b.post(attr(f, "action"), plain).want(t, got.page(), http.StatusUnprocessableEntity)
					b.post(attr(f, "action"), filled).want(t, got.page(), http.StatusUnprocessableEntity)
					sent += 2
				}
			}
		}
		if n := d.writes.Load() - before; n != 0 || d.stored(inv).Version != version {
			t.Errorf("%c: %d changes", c.purpose, n)
		}
	}
	if followed < 60 || sent < 60 {
		t.Errorf("only %d pages and %d forms", followed, sent)
	}
	t.Logf("pages followed: %d, forms sent: %d, changes: 0", followed, sent)
}

func rehearse(p *invitation.Proposal) {
	p.Sandbox, p.RecipientEmail, p.RequestDelegatedAdmin = to(true), to("success@simulator.amazonses.com"), to(true)
}

// TestRehearsal: every page of a rehearsal says so, and its result says that no relationship was made.
func TestRehearsal(t *testing.T) {
	const word = "This is a test."
	for _, answer := range []string{"accept", "decline"} {
		d := deploy(t)
		inv, token := d.invite(rehearse)
		b := d.browser()
		for _, s := range []seen{
			b.get("/i/" + token), b.get("/i/" + token + report), b.get("/i/" + token + renewal), b.get(d.at(link.Unsubscribe, inv, 1, "")),
			b.signIn(token, lara), b.post("/i/"+token, url.Values{}),
		} {
			s.has(t, word)
		}
		if s := b.post("/i/"+token, with(acceptance, "answer", answer)); s.StatusCode != http.StatusSeeOther {
			t.Fatalf("%d", s.StatusCode)
		}
		done := b.get("/i/" + token)
		done.want(t, map[string]string{"accept": "accepted", "decline": "declined"}[answer], 200)
		done.has(t, word, "s•••@simulator.amazonses.com")
		if answer == "accept" {
			done.has(t, "no relationship was created, and Alder Cloud Services Inc. hasn’t been given any rights")
		}
		for _, lie := range []string{"is now a reseller", "customer list", "may administer", "l•••@"} {
			if strings.Contains(content(done.doc), lie) {
				t.Errorf("%s: it says %q", answer, lie)
			}
		}
		d.browser().get(d.at(link.Receipt, inv, 1, "")).has(t, word)
		if _, err := d.store.Relationship(t.Context(), alder, larch); err == nil {
			t.Error("a relationship was made")
		}
	}
	d := deploy(t)
	_, token := d.invite()
	if strings.Contains(d.browser().get("/i/"+token).text, "class=trial") {
		t.Error("a real request says that it is a rehearsal")
	}
}

// TestReceiptsAreAnnounced: the result says who is mailed, masked, and who must confirm what (0.25).
func TestReceiptsAreAnnounced(t *testing.T) {
	const identity = "must confirm your company’s identity"
	for name, c := range map[string]struct {
		recipient     *string
		answer        string
		says, saysNot []string
	}{
		"to who answers":             {to("Admin@Larch.example"), "accept", []string{"a receipt to A•••@Larch.example", "72 hours"}, []string{identity}},
		"to both":                    {to("jo@larch.example"), "accept", []string{"j•••@larch.example and a•••@larch.example", "72 hours", "receipt sent to j•••@larch.example"}, []string{identity}},
		"to nobody else":             {nil, "accept", []string{"a receipt to a•••@larch.example"}, []string{identity, "72 hours"}},
		"the wrong company accepts":  {to("jo@oak.example"), "accept", []string{"j•••@oak.example and a•••@larch.example", "an address at oak.example", identity}, nil},
		"the wrong company declines": {to("jo@oak.example"), "decline", []string{"j•••@oak.example and a•••@larch.example"}, []string{identity}},
	} {
		t.Run(name, func(t *testing.T) {
			d := deploy(t)
			_, token := d.invite(func(p *invitation.Proposal) { p.RecipientEmail = c.recipient })
			b := d.browser()
			b.signIn(token, lara)
			b.post("/i/"+token, with(acceptance, "answer", c.answer))
			got := b.get("/i/" + token)
			got.has(t, c.says...)
			got.has(t, "know by email too")
			for _, text := range c.saysNot {
				if strings.Contains(content(got.doc), text) {
					t.Errorf("it says %q", text)
				}
			}
		})
	}
	// An acceptance that changed nothing has nothing to confirm.
	d := deploy(t)
	inv, token := d.invite(func(p *invitation.Proposal) { p.RecipientEmail = to("jo@oak.example") })
	b := d.browser()
	b.signIn(token, lara)
	answeredBy("u-lara", larch, invitation.Accepted)(d, &inv)
	inv.Answer.NoChange = true
	d.store.PutInvitation(inv)
	if got := b.get("/i/" + token); strings.Contains(content(got.doc), identity) {
		t.Error("nothing changed, and the partner must confirm")
	}
}

// TestLeastWeight: the largest page of a rehearsal stays below 30 kB in every language, which sound checks.
func TestLeastWeight(t *testing.T) {
	for _, tag := range locale.Tags {
		d := deploy(t)
		_, token := d.invite(func(p *invitation.Proposal) {
			rehearse(p)
			p.Locale = to(tag.String())
		})
		b := d.browser()
		b.signIn(token, nowhere)
		b.post("/i/"+token+"?lang="+tag.String(), url.Values{"fullName": {"https://evil.example"}, "reason": {"x"}, "country": {"x"}}).want(t, "answer", 422)
	}
}
