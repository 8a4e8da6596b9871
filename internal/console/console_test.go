package console_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"concord/internal/batch"
	"concord/internal/command"
	"concord/internal/commerce"
	"concord/internal/console"
	"concord/internal/customer"
	"concord/internal/emailaddr"
	"concord/internal/enrolment"
	"concord/internal/granular"
	"concord/internal/identity"
	"concord/internal/identity/identitytest"
	"concord/internal/invitation"
	"concord/internal/link"
	"concord/internal/locale"
	"concord/internal/oversight"
	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/recipient"
	"concord/internal/registry"
	"concord/internal/relationship"
	"concord/internal/storetest"
	"concord/internal/webhook"
)

const (
	alder = partner.TenantID("a1de0000-0000-4000-8000-000000000001")
	birch = partner.TenantID("b12c0000-0000-4000-8000-000000000002")
	cedar = partner.TenantID("ceda0000-0000-4000-8000-000000000003")
	gorse = partner.TenantID("9025e000-0000-4000-8000-000000000007")
	larch = partner.TenantID("1a2c0000-0000-4000-8000-000000000011")
)

// keys has a key for each use.
type keys struct{}

func (keys) Keys(_ context.Context, use string, _ ...uint16) ([]link.Key, error) {
	sum := sha256.Sum256([]byte(use))
	return []link.Key{{ID: 1, Secret: sum[:]}}, nil
}

// desk is a console over a store, with an identity provider.
type desk struct {
	*httptest.Server
	t       *testing.T
	store   *storetest.Memory
	service *invitation.Service
	idp     *identitytest.Server
	log     *bytes.Buffer
	routes  []console.Row
	// enrolments are those of the console, as the operator decides about them.
	enrolments *enrolment.Service
}

func open(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, store: &storetest.Memory{}, idp: identitytest.New(t), log: &bytes.Buffer{}}
	d.Server = httptest.NewUnstartedServer(nil)
	records := enrolment.Records{Store: d.store, Now: time.Now}
	base := "http://" + d.Listener.Addr().String()
	clouds := partner.Clouds{{ID: "public", PortalName: "Concord", BaseURL: base, AdministrationOptional: true}}
	addresses := emailaddr.Addresses{AllowReserved: true}
	limits := recipient.Limits{FirstMonth: 1000, Daily: 1000}
	d.service = &invitation.Service{
		Store: d.store, Accounts: d.store, Relationships: d.store, Partnerships: d.store, Granular: d.store, GranularRoles: granular.ShippedRoles(),
		Regions: partner.ShippedRegions(), Clouds: clouds, Locales: locale.Tags, Addresses: addresses, Now: time.Now, Ledger: d.store, Limits: limits,
		Recognition: relationship.Recognition{Companies: d.store}, Slots: d.store,
	}
	authorities, err := identity.New([]identity.Authority{{Cloud: "public", Issuer: d.idp.URL, ClientID: identitytest.ClientID}})
	if err != nil {
		t.Fatal(err)
	}
	d.enrolments = &enrolment.Service{
		Store: d.store, Accounts: d.store, Directory: records, Validator: enrolment.Formats{}, Locations: records, Holders: d.store,
		Calendar: records, Texts: d.store, Addresses: addresses, Clouds: clouds, Locales: locale.Tags, Now: time.Now,
	}
	c := console.Console{
		Invitations: d.service, Relationships: d.store, Accounts: d.store, Clouds: clouds, Keys: keys{}, Authorities: authorities, Kit: true, Now: time.Now, Week: d.store,
		Batches: &batch.Service{Store: d.store, Accounts: d.store, Invitations: d.service, Now: time.Now},
		Customers: customer.Service{
			Store: d.store, Register: d.store, Support: d.store, Customers: d.store, Directory: d.store, Grants: d.store, Partnerships: d.store,
			Accounts: d.store, Texts: d.store, Regions: partner.ShippedRegions(), Clouds: clouds, Addresses: addresses, Now: time.Now,
		},
		Audit: d.store, Audiences: "concord-api",
		Partnerships: partnership.Service{Store: d.store, Accounts: d.store, Tiers: d.store, Texts: d.store, Now: time.Now},
		Registry:     &registry.Service{Store: d.store, Clouds: clouds, Addresses: addresses, Locales: locale.Tags, Now: time.Now},
		Regions:      partner.ShippedRegions(),
		Enrolments:   d.enrolments,
		Records:      records,
		Webhooks: &webhook.Service{
			Store: d.store, Accounts: d.store, Seals: webhook.Seals{Keys: keys{}.Keys}, Addresses: webhook.Addresses{Local: true},
			Types: webhook.Types(), Now: time.Now,
		},
		Reputation:   registry.Reputation{Store: d.store, Now: time.Now},
		Suppressions: recipient.SuppressionRemoval{Ledger: d.store, Addresses: addresses, Now: time.Now},
		Clearing:     invitation.Clearing{Store: d.store, Granular: d.store, Accounts: d.store, Now: time.Now},
		Reports:      oversight.Reports{Store: d.store, Now: time.Now},
		Reading:      oversight.Reading{Store: d.store, Accounts: d.store, Audit: d.store, Keep: time.Hour, Now: time.Now},
		Health:       oversight.Health{Store: d.store, Queues: d.queues, Now: time.Now},
		Granular: &granular.Service{
			Store: d.store, Accounts: d.store, Clouds: clouds, Addresses: addresses, Roles: granular.ShippedRoles(), Locales: locale.Tags, Now: time.Now,
			Quota: recipient.Quota{Ledger: d.store, Limits: limits},
		},
		Agreed: commerce.Agreed{Signatures: d.store, Accounts: d.store, Partnerships: commerce.Tiers{Store: d.store}, Tiers: d.store},
		Commerce: &commerce.Service{
			Accounts: d.store, Holders: d.store, Relationships: d.store, Agreements: d.store, Orders: d.store, Subscriptions: d.store,
			Partnerships: commerce.Tiers{Store: d.store}, Granular: &granular.Service{Store: d.store, Roles: granular.ShippedRoles(), Now: time.Now},
			Texts: d.store, Regions: partner.ShippedRegions(), Offers: commerce.ShippedOffers(), Addresses: addresses, Now: time.Now,
		},
		Operator: emailaddr.Operator{Name: "Grove Ltd", Contact: "help@grove.example", Privacy: "https://grove.example/privacy"},
		Log:      slog.New(slog.NewJSONHandler(d.log, nil)),
	}
	if d.Config.Handler, err = c.Handler(); err != nil {
		t.Fatal(err)
	}
	d.routes = c.Rows()
	d.Start()
	t.Cleanup(d.Close)
	for _, a := range []partner.Account{
		{Tenant: alder, DisplayName: "Alder Cloud Services Inc.", Role: partner.DirectBill, Locale: "en"},
		{Tenant: birch, DisplayName: "Birch Distribution", Role: partner.IndirectProvider, Locale: "en"},
		{Tenant: cedar, DisplayName: "Cedar IT", Role: partner.IndirectReseller, Locale: "en"},
	} {
		a.Cloud, a.Country, a.Status, a.Version = "public", "US", partner.Active, 1
		a.Contact, a.VerifiedDomain = partner.Contact{Email: "partners@alder.example"}, "alder.example"
		d.store.PutAccount(a)
	}
	return d
}

// queues are one with a message and a dead letter, and one with nothing.
func (d *desk) queues(context.Context) ([]oversight.Queue, error) {
	return []oversight.Queue{{Name: oversight.MailEvents, Queued: 1, Dead: 2}, {Name: oversight.Schedules}}, nil
}

// person gives the claims of somebody.
func person(tenant partner.TenantID, roles ...partner.Role) map[string]any {
	name := cmp.Or(map[partner.TenantID]string{alder: "alder", birch: "birch", cedar: "cedar", gorse: "gorse"}[tenant], "nobody")
	return map[string]any{
		"sub": fmt.Sprint("u-", name, roles), "name": "Andy " + name, "email": "agent@" + name + ".example", "tid": string(tenant), "tenant_name": name,
		"tenant_domains": []string{name + ".example"}, "tenant_country": "US", "roles": roles,
	}
}

// browser keeps cookies and follows nothing.
type browser struct {
	*http.Client
	d *desk
}

func (d *desk) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		d.t.Fatal(err)
	}
	return &browser{&http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, d}
}

// seen is an answer with its page.
type seen struct {
	*http.Response
	text string
	doc  *html.Node
}

func (b *browser) do(r *http.Request) seen {
	t := b.d.t
	t.Helper()
	answer, err := b.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := html.Parse(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	s := seen{answer, string(body), doc}
	if strings.HasPrefix(r.URL.String(), b.d.URL) && answer.Header.Get("Content-Type") == "text/html; charset=utf-8" && r.Method != http.MethodHead {
		s.sound(t)
	}
	return s
}

func (b *browser) request(method, path string, body io.Reader) *http.Request {
	b.d.t.Helper()
	if strings.HasPrefix(path, "/") {
		path = b.d.URL + path
	}
	r, err := http.NewRequestWithContext(b.d.t.Context(), method, path, body)
	if err != nil {
		b.d.t.Fatal(err)
	}
	return r
}

func (b *browser) get(path string) seen {
	b.d.t.Helper()
	return b.do(b.request(http.MethodGet, path, nil))
}

func (b *browser) post(path string, form url.Values) seen {
	b.d.t.Helper()
	r := b.request(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.do(r)
}

// follow goes on for as long as it is led on.
func (b *browser) follow(s seen) seen {
	b.d.t.Helper()
	for s.StatusCode == http.StatusSeeOther || s.StatusCode == http.StatusFound {
		to, err := s.Request.URL.Parse(s.Header.Get("Location"))
		if err != nil {
			b.d.t.Fatal(err)
		}
		s = b.get(to.String())
	}
	return s
}

// signIn goes the whole way from a page by its link, and gives the page that it ends on.
func (b *browser) signIn(path string, who map[string]any) seen {
	b.d.t.Helper()
	b.d.idp.Person(who)
	s := b.get(path)
	s.want(b.d.t, "sign-in", http.StatusOK)
	for a := range s.all("a") {
		if at := attr(a, "href"); strings.HasPrefix(at, "/console/sign-in/") {
			return b.follow(b.get(at))
		}
	}
	b.d.t.Fatal("no link to sign in")
	return s
}

func (s seen) all(tag string) func(func(*html.Node) bool) {
	return func(yield func(*html.Node) bool) {
		for n := range s.doc.Descendants() {
			if n.Type == html.ElementNode && n.Data == tag && !yield(n) {
				return
			}
		}
	}
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func (s seen) page() string {
	for n := range s.all("main") {
		return attr(n, "data-page")
	}
	return ""
}

func (s seen) want(t *testing.T, page string, status int) {
	t.Helper()
	if s.page() != page || s.StatusCode != status {
		t.Fatalf("%s %s: %d %q, want %d %q\n%.600s", s.Request.Method, s.Request.URL.Path, s.StatusCode, s.page(), status, page, s.text)
	}
}

func (s seen) has(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(s.text, text) {
			t.Errorf("%s does not say %q", s.page(), text)
		}
	}
}

// fields are those of the form that has a button with a verb, as a browser would send them.
func (s seen) fields(do string) url.Values {
	for f := range s.all("form") {
		v, found := url.Values{}, false
		for n := range f.Descendants() {
			switch kind := attr(n, "type"); {
			case n.Data == "button" && attr(n, "value") == do:
				v.Set("do", do)
				found = true
			case n.Data == "input" && attr(n, "name") != "" && kind != "checkbox" && kind != "radio":
				v.Set(attr(n, "name"), attr(n, "value"))
			}
		}
		if found {
			return v
		}
	}
	return nil
}

// sound checks what holds for every page.
func (s seen) sound(t *testing.T) {
	t.Helper()
	h := s.Header
	p := h.Get("Content-Security-Policy")
	framed := strings.Contains(p, "sandbox")
	if h.Get("Cache-Control") != "no-store" || h.Get("Referrer-Policy") != "same-origin" || h.Get("X-Content-Type-Options") != "nosniff" ||
		!strings.HasPrefix(p, "default-src 'none'; style-src '") || !framed && strings.Contains(p, "unsafe") {
		t.Errorf("%s: headers %v", s.Request.URL.Path, h)
	}
	if len(s.text) > 60<<10 {
		t.Errorf("%s has %d bytes", s.page(), len(s.text))
	}
	if framed {
		return
	}
	headings, ids := 0, map[string]int{}
	var requests []string
	for n := range s.doc.Descendants() {
		switch n.Data {
		case "h1":
			headings++
		case "script":
			requests = append(requests, attr(n, "src"))
		case "link":
			if attr(n, "rel") == "stylesheet" {
				requests = append(requests, attr(n, "href"))
			}
		}
		if id := attr(n, "id"); id != "" {
			ids[id]++
		}
		for _, a := range n.Attr {
			if a.Key == "style" || strings.HasPrefix(a.Key, "on") {
				t.Errorf("%s: <%s> with %s", s.page(), n.Data, a.Key)
			}
		}
	}
	if headings != 1 || len(requests) != 2 {
		t.Errorf("%s: %d <h1>, and requests %v", s.page(), headings, requests)
	}
	for n := range s.doc.Descendants() {
		for _, name := range []string{"for", "aria-labelledby", "aria-describedby"} {
			for id := range strings.FieldsSeq(attr(n, name)) {
				if ids[id] != 1 {
					t.Errorf("%s: %s=%q is %d times there", s.page(), name, id, ids[id])
				}
			}
		}
		if at := attr(n, "href"); strings.HasPrefix(at, "#") && ids[at[1:]] == 0 {
			t.Errorf("%s: %s leads nowhere", s.page(), at)
		}
	}
}

// invite makes a request of a partner and gives it.
func (d *desk) invite(p partner.TenantID, to string) invitation.Invitation {
	d.t.Helper()
	kind := invitation.Reseller
	i, _, err := d.service.Invite(d.t.Context(), command.Command{User: partner.User{Subject: "a", Tenant: p, Cloud: "public", Roles: []partner.Role{partner.AdminAgent}}},
		invitation.Proposal{Kind: kind, RecipientEmail: &to})
	if err != nil {
		d.t.Fatal(err)
	}
	return i
}

// programs are the program roles of the partners.
var programs = map[partner.TenantID]partner.ProgramRole{alder: partner.DirectBill, birch: partner.IndirectProvider, cedar: partner.IndirectReseller}

// whole are the roles that somebody may have, and how those of the table are told.
var whole = [][]partner.Role{
	{}, {partner.AdminAgent}, {partner.SalesAgent}, {partner.GlobalAdmin}, {partner.Operator}, {partner.GlobalAdmin, partner.SalesAgent},
}

// TestRouteTable: each row of the table, for each role: shown, or console-not-allowed; whatever is not there is
// console-not-found. The menu leads to no page that its reader may not see.
func TestRouteTable(t *testing.T) {
	d := open(t)
	cells := 0
	for n, roles := range slices.Concat(whole, whole, whole) {
		b := d.browser()
		whose := []partner.TenantID{alder, birch, cedar}[n/len(whole)]
		b.signIn("/console", person(whose, roles...))
		for _, row := range d.routes {
			cells++
			path := "/console" + strings.NewReplacer("{id}", "inv_x", "{customer}", string(larch)).Replace(row.Path)
			var s seen
			if row.Method == http.MethodGet {
				s = b.get(path)
			} else {
				s = b.post(path, url.Values{"do": {"x"}})
			}
			allowed := row.Operation == "" || slices.ContainsFunc(row.Operation.Roles(), func(r partner.Role) bool { return slices.Contains(roles, r) })
			allowed = allowed && (len(row.Programs) == 0 || slices.Contains(row.Programs, programs[whose]))
			if refused := s.page() == "console-not-allowed" && s.StatusCode == http.StatusForbidden; refused == allowed {
				t.Errorf("%s %s as %v of %s: %d %s", row.Method, row.Path, roles, whose, s.StatusCode, s.page())
			}
			if s.page() == "" && s.StatusCode == http.StatusOK && row.Path != "/kit/mail" {
				t.Errorf("%s %s has no page", row.Method, row.Path)
			}
		}
		s := b.get("/console")
		s.want(t, "console-today", http.StatusOK)
		for a := range s.all("a") {
			if at := attr(a, "href"); strings.HasPrefix(at, "/console/") {
				if got := b.get(at); got.StatusCode != http.StatusOK {
					t.Errorf("as %v the page leads to %s: %d %s", roles, at, got.StatusCode, got.page())
				}
			}
		}
		b.get("/console/nothing").want(t, "console-not-found", http.StatusNotFound)
	}
	t.Logf("%d routes, %d cells", len(d.routes), cells)
}

// TestEveryPageIsNamed: each row of the table has a name, a path of its own and, for a page, a template.
func TestEveryPageIsNamed(t *testing.T) {
	d := open(t)
	seen := map[string]bool{}
	for _, row := range d.routes {
		at := row.Method + " " + row.Path
		if seen[at] || !strings.HasPrefix(row.Page, "console-") || row.Method != http.MethodGet && row.Method != http.MethodPost {
			t.Errorf("%s %q", at, row.Page)
		}
		seen[at] = true
		if row.Method == http.MethodPost && !seen["GET "+row.Path] {
			t.Errorf("%s has no page of its own before it", at)
		}
	}
}

// TestIsolation: nobody is signed in, another partner, a company without an account: none sees what is not its own.
func TestIsolation(t *testing.T) {
	d := open(t)
	i := d.invite(alder, "secret@larch.example")
	other := d.browser()
	other.signIn("/console", person(birch, partner.AdminAgent, partner.GlobalAdmin))
	for _, row := range d.routes {
		path := "/console" + strings.NewReplacer("{id}", i.ID, "{customer}", string(larch)).Replace(row.Path)
		if row.Method == http.MethodGet {
			d.browser().get(path).want(t, "sign-in", http.StatusOK)
		} else {
			d.browser().post(path, url.Values{"do": {"cancel"}}).want(t, "session-over", http.StatusUnauthorized)
		}
		for _, form := range []url.Values{nil, {"do": {"cancel"}}} {
			var s seen
			if form == nil && row.Method == http.MethodGet {
				s = other.get(path)
			} else if form != nil && row.Method == http.MethodPost {
				s = other.post(path, form)
			} else {
				continue
			}
			if row.Operation == partner.OperatePartners || len(row.Programs) > 0 && !slices.Contains(row.Programs, programs[birch]) {
				s.want(t, "console-not-allowed", http.StatusForbidden)
			} else if strings.Contains(row.Path, "{id}") {
				s.want(t, "console-not-found", http.StatusNotFound)
			}
			if strings.Contains(s.text, "secret@") {
				t.Errorf("%s shows what is another partner's", path)
			}
		}
	}
	if got, err := d.store.Invitation(t.Context(), i.Key, true); err != nil || got.Version != i.Version {
		t.Errorf("changed: %+v, %v", got.Status, err)
	}
	none := d.browser()
	none.signIn("/console", person(gorse, partner.GlobalAdmin)).want(t, "console-enrolment", http.StatusOK)
	if s := none.get("/console/customers"); s.StatusCode != http.StatusSeeOther || s.Header.Get("Location") != "/console/enrolment" {
		t.Errorf("%d to %q", s.StatusCode, s.Header.Get("Location"))
	}
	if strings.Contains(d.log.String(), "larch.example") || strings.Contains(d.log.String(), "alder.example") {
		t.Errorf("the log holds an address: %s", d.log)
	}
}

// TestCrossOrigin: another site's form is refused before anything else.
func TestCrossOrigin(t *testing.T) {
	d := open(t)
	i := d.invite(alder, "jo@larch.example")
	b := d.browser()
	b.signIn("/console", person(alder, partner.AdminAgent))
	for name, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"} {
		r := b.request(http.MethodPost, "/console/invitations/"+i.ID+"/cancel", strings.NewReader("do=cancel"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set(name, value)
		b.do(r).want(t, "cross-origin", http.StatusForbidden)
	}
	if got, _ := d.store.Invitation(t.Context(), i.Key, true); got.Status != invitation.Draft {
		t.Error(got.Status)
	}
}

// TestAnInvitation: its way is shown, it is sent again and cancelled, each time with what was done said once.
func TestAnInvitation(t *testing.T) {
	d := open(t)
	i := d.invite(alder, "jo@larch.example")
	d.invite(alder, "pat@oak.example")
	b := d.browser()
	b.signIn("/console/invitations?status=draft", person(alder, partner.AdminAgent)).want(t, "console-invitations", http.StatusOK)
	list := b.get("/console/invitations?recipientEmail=jo@larch.example")
	list.has(t, "jo@larch.example", i.Reference(), "format=csv")
	if strings.Contains(list.text, "pat@oak.example") {
		t.Error("the filter filters nothing")
	}
	s := b.get("/console/invitations/" + i.ID)
	s.want(t, "console-invitation", http.StatusOK)
	s.has(t, "Request created", "/cancel")
	form := b.get("/console/invitations/" + i.ID + "/cancel")
	fields := form.fields("cancel")
	fields.Set("reason", strings.Repeat("long ", 30))
	back := b.post("/console/invitations/"+i.ID+"/cancel", fields)
	back.want(t, "console-invitation-cancel", http.StatusUnprocessableEntity)
	back.has(t, `role="alert"`, `href="#f-reason"`, "long long")
	fields = back.fields("cancel")
	fields.Set("reason", "Wrong person")
	done := b.post("/console/invitations/"+i.ID+"/cancel", fields)
	if done.StatusCode != http.StatusSeeOther || done.Header.Get("Location") != "/console/invitations/"+i.ID {
		t.Fatalf("%d %q", done.StatusCode, done.Header.Get("Location"))
	}
	b.follow(done).has(t, "The request is cancelled", "Cancelled", "Wrong person")
	if again := b.get("/console/invitations/" + i.ID); strings.Contains(again.text, "The request is cancelled") {
		t.Error("what was done is said twice")
	}
	// The same form once more: it was done.
	if s := b.post("/console/invitations/"+i.ID+"/cancel", fields); s.StatusCode != http.StatusSeeOther {
		t.Errorf("sent twice: %d %s", s.StatusCode, s.page())
	}
	b.get("/console/invitations/"+i.ID+"/cancel").has(t, "has ended already")
}

// TestConflict: a form that somebody else was quicker than comes back, with who that was and what was typed.
func TestConflict(t *testing.T) {
	d := open(t)
	i := d.invite(alder, "jo@larch.example")
	b := d.browser()
	b.signIn("/console", person(alder, partner.AdminAgent))
	fields := b.get("/console/invitations/" + i.ID + "/cancel").fields("cancel")
	open := 60 * 24 * time.Hour
	if _, _, err := d.service.Extend(t.Context(), command.Command{User: partner.User{Subject: "b", Tenant: alder, Roles: []partner.Role{partner.AdminAgent}}, IfVersion: command.AnyVersion}, i.ID, &open); err != nil {
		t.Fatal(err)
	}
	fields.Set("reason", "My own words")
	s := b.post("/console/invitations/"+i.ID+"/cancel", fields)
	s.want(t, "console-invitation-cancel", http.StatusPreconditionFailed)
	s.has(t, "changed meanwhile", "Extended", "Your company", "My own words", `name="ifMatch" value="2"`)
}

// TestSessionEndsInAForm: nothing is done, what was typed is still there, and another person finds an empty form.
func TestSessionEndsInAForm(t *testing.T) {
	d := open(t)
	b := d.browser()
	b.signIn("/console/kit", person(alder, partner.AdminAgent))
	fields := b.get("/console/kit").fields("kit")
	fields.Set("fullName", "Lara Larch")
	fields.Set("accepted", "on")
	fields.Del("do")
	gone := d.browser()
	s := gone.post("/console/kit", fields)
	s.want(t, "console-kit", http.StatusUnauthorized)
	s.has(t, "Not saved yet", `value="Lara Larch"`, "another tab")
	if strings.Contains(s.text, "agent@alder.example") || strings.Contains(s.text, `name="accepted" value="on" checked`) {
		t.Error("somebody is said to be signed in, or a choice that binds was kept")
	}
	other := d.browser()
	other.signIn("/console", person(birch, partner.AdminAgent))
	s = other.post("/console/kit", fields)
	s.want(t, "console-kit", http.StatusUnauthorized)
	if s.has(t, "someone else"); strings.Contains(s.text, "Lara Larch") {
		t.Error("somebody else sees what was typed")
	}
	// Signed in again in another tab, the same form goes through.
	gone.signIn("/console", person(alder, partner.AdminAgent))
	if done := gone.post("/console/kit", fields); done.StatusCode != http.StatusSeeOther {
		t.Errorf("%d %s", done.StatusCode, done.page())
	}
}

// TestSignIn: back to where it began and nowhere else, signed out again, and cookies that hold nothing to read.
func TestSignIn(t *testing.T) {
	d := open(t)
	b := d.browser()
	s := b.signIn("/console/customers?relationship=all", person(alder, partner.SalesAgent))
	s.want(t, "console-customers", http.StatusOK)
	if s.Request.URL.RequestURI() != "/console/customers?relationship=all" {
		t.Errorf("back at %s", s.Request.URL)
	}
	for _, to := range []string{"https://evil.example", "//evil.example/console", "/customer", "/console/../customer", "/consolex", "/console/sign-out", `/\evil.example`} {
		c := d.browser()
		d.idp.Person(person(alder, partner.SalesAgent))
		if s := c.follow(c.get("/console/sign-in/public?to=" + url.QueryEscape(to))); s.Request.URL.Path != "/console" {
			t.Errorf("%s leads to %s", to, s.Request.URL)
		}
	}
	b.get("/console/sign-out").want(t, "sign-out", http.StatusOK)
	b.follow(b.post("/console/sign-out", nil)).want(t, "signed-out", http.StatusOK)
	b.get("/console").want(t, "sign-in", http.StatusOK)
	b.get("/console/sign-in/nowhere").want(t, "console-not-found", http.StatusNotFound)
	b.get("/console/sign-in/callback?state=ABCDEFGHIJKLMNOP&code=x").want(t, "sign-in-over", http.StatusBadRequest)
}

// TestLanguages: every page in every language, by the query, which is kept, and by the browser's.
func TestLanguages(t *testing.T) {
	d := open(t)
	d.invite(alder, "jo@larch.example")
	browsers := map[partner.ProgramRole]*browser{}
	for whose, program := range programs {
		browsers[program] = d.browser()
		browsers[program].signIn("/console", person(whose, partner.AdminAgent, partner.GlobalAdmin, partner.Operator))
	}
	for _, tag := range locale.Names(locale.Tags) {
		for _, row := range d.routes {
			b := browsers[append(row.Programs, partner.DirectBill)[0]]
			if row.Method != http.MethodGet || strings.Contains(row.Path, "{") || row.Path == "/kit/mail" {
				continue
			}
			s := b.get("/console" + row.Path + "?lang=" + tag)
			s.want(t, row.Page, http.StatusOK)
			for n := range s.all("html") {
				if attr(n, "lang") != tag {
					t.Errorf("%s in %s is in %s", row.Page, tag, attr(n, "lang"))
				}
			}
			if kept := b.get("/console" + row.Path); kept.Header.Get("Content-Language") != tag {
				t.Errorf("%s is forgotten", tag)
			}
		}
	}
}

// TestAssets: two files for good, under names that say what is in them; the script is small.
func TestAssets(t *testing.T) {
	d := open(t)
	b := d.browser()
	weight := map[string]int{}
	s := b.get("/console")
	for _, tag := range []string{"link", "script"} {
		for n := range s.all(tag) {
			at := cmp.Or(attr(n, "src"), attr(n, "href"))
			if !strings.HasPrefix(at, "/console/assets/") {
				continue
			}
			f := b.get(at)
			if f.StatusCode != http.StatusOK || f.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" {
				t.Errorf("%s: %d %v", at, f.StatusCode, f.Header)
			}
			weight[tag] = len(f.text)
		}
	}
	if weight["script"] == 0 || weight["script"] > 4<<10 || weight["link"] == 0 {
		t.Errorf("weights %v", weight)
	}
	if s := b.get("/console/assets/console.000000000000.css"); s.StatusCode != http.StatusNotFound {
		t.Error(s.StatusCode)
	}
	t.Log(slices.Sorted(maps.Keys(weight)), weight)
}

// TestCSV: a list is a file of exactly what it shows, in which no customer writes a formula.
func TestCSV(t *testing.T) {
	d := open(t)
	d.store.PutRelationship(relationship.Relationship{
		ID: "rel_x", Partner: alder, Customer: relationship.Customer{Tenant: larch, CompanyName: "=HYPERLINK(1)", Domains: []string{"larch.example"}, Country: "US", Cloud: "public"},
		Role: relationship.Direct, Status: relationship.Active, DelegatedAdmin: relationship.ActiveDAP, IdentityCheck: relationship.Unproven, EstablishedAt: time.Now().UTC().Truncate(time.Second), Version: 1,
	})
	b := d.browser()
	s := b.signIn("/console/customers", person(alder, partner.GlobalAdmin))
	s.want(t, "console-customers", http.StatusOK)
	s.has(t, "larch.example", "All (DAP)", "To confirm", "United States")
	f := b.get("/console/customers?format=csv")
	if f.Header.Get("Content-Type") != "text/csv; charset=utf-8" || !strings.Contains(f.text, "'=HYPERLINK(1),larch.example") {
		t.Errorf("%s\n%s", f.Header, f.text)
	}
	if today := b.get("/console"); !strings.Contains(today.text, "Identity to confirm") {
		t.Error("what needs somebody is not shown")
	}
	b.get("/console/customers?name=nobody").has(t, "Nothing matches")
	other := d.browser()
	other.signIn("/console/customers", person(birch, partner.AdminAgent)).has(t, "aren’t imported")
}

// TestPager: a list goes on behind its first page, each row once, and a cursor is of no other list.
func TestPager(t *testing.T) {
	d := open(t)
	for n := range 60 {
		d.invite(alder, fmt.Sprintf("jo%d@larch.example", n))
	}
	b := d.browser()
	s := b.signIn("/console/invitations", person(alder, partner.AdminAgent))
	seen := map[string]bool{}
	for range 5 {
		next := ""
		for a := range s.all("a") {
			if at := attr(a, "href"); strings.HasPrefix(at, "/console/invitations/inv_") {
				if seen[at] {
					t.Errorf("%s twice", at)
				}
				seen[at] = true
			}
			if attr(a, "rel") == "next" {
				next = attr(a, "href")
			}
		}
		if next == "" {
			break
		}
		s = b.get(next)
	}
	if len(seen) != 60 {
		t.Errorf("%d of 60", len(seen))
	}
}
