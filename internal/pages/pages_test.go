package pages_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/html"

	"concord/internal/command"
	"concord/internal/commerce"
	"concord/internal/customer"
	"concord/internal/emailaddr"
	"concord/internal/enrolment"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/link"
	"concord/internal/locale"
	"concord/internal/pages"
	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/problem"
	"concord/internal/recipient"
	"concord/internal/relationship"
	"concord/internal/storetest"
)

var gallery = flag.String("gallery", "", "folder to write every page to that the tests see")

const (
	alder  = partner.TenantID("a1de0000-0000-4000-8000-000000000001")
	larch  = partner.TenantID("1a0c0000-0000-4000-8000-000000000002")
	oak    = partner.TenantID("0a000000-0000-4000-8000-000000000003")
	maple  = partner.TenantID("3a900000-0000-4000-8000-000000000004")
	agency = partner.TenantID("a9e00000-0000-4000-8000-000000000005")
)

// claims of people, as the identity provider gives them.
func claims(sub, name, mail string, tenant partner.TenantID, company, country, cloud string, roles ...string) map[string]any {
	_, domain, _ := strings.Cut(mail, "@")
	return map[string]any{
		"sub": sub, "name": name, "email": mail, "tid": string(tenant), "tenant_name": company, "tenant_domains": []string{domain},
		"tenant_country": country, "cloud": cloud, "roles": roles,
	}
}

var (
	lara    = claims("u-lara", "Lara Larch", "admin@larch.example", larch, "Larch Trading Ltd", "US", "public", "globalAdmin")
	user    = claims("u-user", "Uma Larch", "user@larch.example", larch, "Larch Trading Ltd", "US", "public")
	owen    = claims("u-owen", "Owen Oak", "admin@oak.example", oak, "Oak & Sons", "US", "public", "globalAdmin")
	marie   = claims("u-marie", "Marie Maple", "admin@maple.example", maple, "Maple SARL", "FR", "public", "globalAdmin")
	agent   = claims("u-agent", "Ada Agency", "admin@agency.example", agency, "The Agency", "US", "usGov", "globalAdmin")
	nowhere = claims("u-nowhere", "Nora", "nora@larch.example", larch, "Larch Trading Ltd", "", "public", "globalAdmin")
	insider = claims("u-alder", "Al Alder", "admin@alder.example", alder, "Alder Inc.", "US", "public", "globalAdmin")
)

// keys are those of a deployment: the first signs and encrypts.
type keys struct {
	mu      sync.Mutex
	masters []string
	err     error
}

func (k *keys) Keys(_ context.Context, use string, _ ...uint16) ([]link.Key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []link.Key
	for _, m := range k.masters {
		sum := sha256.Sum256([]byte(use + "|" + m))
		out = append(out, link.Key{ID: uint16(m[0]), Secret: sum[:]})
	}
	return out, k.err
}

func (k *keys) Sign(ctx context.Context, p link.Purpose, l link.Link) (link.Secret, error) {
	all, err := k.Keys(ctx, "link")
	if err != nil {
		return "", err
	}
	return link.NewSigner(all...).Sign(p, l)
}

func (k *keys) Verify(ctx context.Context, p link.Purpose, token string) (link.Link, error) {
	all, err := k.Keys(ctx, "link")
	if err != nil {
		return link.Link{}, err
	}
	return link.NewSigner(all...).Verify(p, token)
}

func (k *keys) set(err error, masters ...string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.masters, k.err = masters, err
}

// deployment is the pages over a store, with an identity provider and a clock.
type deployment struct {
	*httptest.Server
	t       *testing.T
	store   *storetest.Memory
	service *invitation.Service
	granted *granular.Service
	keys    *keys
	idp     *identityProvider
	log     *bytes.Buffer
	logLock sync.Mutex
	clock   atomic.Int64 // offset
	writes  atomic.Int64
	fault   atomic.Pointer[storetest.Fault]
	secrets []string // what must be in no log line
	// mayLeave is policy customerMayEndRelationship.
	mayLeave bool
}

func (d *deployment) Write(b []byte) (int, error) {
	d.logLock.Lock()
	defer d.logLock.Unlock()
	return d.log.Write(b)
}

func (d *deployment) logged() string {
	d.logLock.Lock()
	defer d.logLock.Unlock()
	return d.log.String()
}

// grove operates the deployment.
var grove = emailaddr.Operator{Name: "Grove Marketplace Ltd", Contact: "help@grove.example", Privacy: "https://grove.example/privacy", Imprint: "https://grove.example/imprint"}

func deploy(t *testing.T, edit ...func(*deployment)) *deployment {
	t.Helper()
	d := &deployment{t: t, store: &storetest.Memory{}, keys: &keys{masters: []string{"k1"}}, idp: newIdentityProvider(t), log: &bytes.Buffer{}}
	for _, e := range edit {
		e(d)
	}
	d.Server = httptest.NewUnstartedServer(nil)
	base := "http://" + d.Listener.Addr().String()
	clouds := partner.Clouds{
		{ID: "public", PortalName: "Concord", BaseURL: base, AdministrationOptional: true},
		{ID: "usGov", PortalName: "Concord for US Government", BaseURL: base},
	}
	d.service = &invitation.Service{
		Store: d.store, Accounts: d.store, Relationships: d.store, Partnerships: d.store, Granular: d.store, GranularRoles: granular.ShippedRoles(), Regions: partner.ShippedRegions(), Clouds: clouds, Locales: locale.Tags,
		Now:    func() time.Time { return time.Now().Add(time.Duration(d.clock.Load())) },
		Ledger: d.store, Limits: recipient.Limits{FirstMonth: 1000, Daily: 1000},
	}
	d.service.Addresses.AllowReserved = true
	d.granted = &granular.Service{
		Store: d.store, Accounts: d.store, Clouds: clouds, Addresses: d.service.Addresses, Roles: granular.ShippedRoles(), Locales: locale.Tags, Now: d.service.Now,
		Quota: recipient.Quota{Ledger: d.store, Limits: d.service.Limits},
	}
	recognition := relationship.Recognition{Companies: d.store, Relationships: d.store, Accounts: d.store, Regions: partner.ShippedRegions(), Register: d.store}
	d.service.Recognition, d.granted.Recognition = recognition, recognition
	handler, err := pages.Site{
		Invitations: d.service, Granular: d.granted, Enrolments: enrolment.Confirmation{Store: d.store, Now: d.service.Now},
		Customers: customer.Portal{
			Store: d.store, Register: d.store, Accounts: d.store, Purchases: d.store, Support: d.store, Recognition: recognition, Now: d.service.Now,
			Requests: d.store, Answers: d.service,
			Granular: d.granted, Tiers: partnership.Service{Store: d.store, Accounts: d.store, Tiers: d.store, Texts: d.store, Now: d.service.Now},
			Signing: &commerce.Signing{Agreements: d.store, Texts: d.store}, Addresses: d.service.Addresses, Evidence: 24 * time.Hour, MayLeave: d.mayLeave,
		}, Keys: d.keys, Operator: grove, Authorities: authorities(d.idp.URL),
		Log: slog.New(slog.NewJSONHandler(d, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}.Handler()
	if err != nil {
		t.Fatal(err)
	}
	d.Config.Handler = handler
	d.Start()
	t.Cleanup(d.Close)
	d.store.PutAccount(alderAccount())
	d.store.Inject(func(op storetest.Operation) storetest.Fault {
		if op == storetest.Write || op == storetest.Commit || op == storetest.Settle || op == storetest.Record || op == storetest.WriteGranular {
			d.writes.Add(1)
		}
		if f := d.fault.Load(); f != nil {
			return *f
		}
		return storetest.Fault{}
	})
	t.Cleanup(func() {
		for _, s := range append(d.secrets, "@larch.example", "@oak.example", "@maple.example", "Lara", "Larch") {
			if s != "" && strings.Contains(d.logged(), s) {
				t.Errorf("the log holds %q:\n%s", s, d.logged())
			}
		}
	})
	return d
}

func alderAccount() partner.Account {
	return partner.Account{
		Tenant: alder, DisplayName: "Alder Cloud Services Inc.", Role: partner.DirectBill, Cloud: "public", Country: "US", Status: partner.Active,
		Contact: partner.Contact{Email: "partners@alder.example", Phone: "+1 206 555 0100"}, VerifiedDomain: "alder.example", Locale: "en", Version: 1,
	}
}

func to[T any](v T) *T { return &v }

// invite makes an invitation and gives its token.
func (d *deployment) invite(edit ...func(*invitation.Proposal)) (invitation.Invitation, string) {
	d.t.Helper()
	p := invitation.Proposal{Kind: invitation.Reseller, RecipientEmail: to("jo@larch.example")}
	for _, e := range edit {
		e(&p)
	}
	inv, _, err := d.service.Invite(d.t.Context(), command.Command{User: partner.User{Subject: "a", Tenant: alder, Roles: []partner.Role{partner.AdminAgent}}}, p)
	if err != nil {
		d.t.Fatal(err)
	}
	return inv, d.token(inv, inv.Generation)
}

func (d *deployment) token(inv invitation.Invitation, generation int) string {
	d.t.Helper()
	token, err := d.keys.Sign(d.t.Context(), link.Answer, link.Link{Tenant: string(inv.Inviter), ID: inv.ID, Generation: generation})
	if err != nil {
		d.t.Fatal(err)
	}
	d.secrets = append(d.secrets, token.Reveal(), token.Reveal()[:40])
	return token.Reveal()
}

func (d *deployment) stored(inv invitation.Invitation) invitation.Invitation {
	d.t.Helper()
	got, err := d.store.Invitation(d.t.Context(), inv.Key, true)
	if err != nil {
		d.t.Fatal(err)
	}
	return got
}

// browser keeps cookies, follows nothing, and checks every answer's headers.
type browser struct {
	*http.Client
	d *deployment
}

func (d *deployment) browser() *browser {
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
	res, err := b.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := html.Parse(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	s := seen{res, string(body), doc}
	s.sound(t)
	if *gallery != "" && s.page() != "" {
		name := strings.NewReplacer("/", "-", " ", "-").Replace(t.Name()) + "." + s.page() + "." + attr(find(doc, "html")[0], "lang") + ".html"
		if err := os.WriteFile(filepath.Join(*gallery, name), body, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (b *browser) get(path string) seen {
	b.d.t.Helper()
	return b.do(request(b.d.t, http.MethodGet, b.d.absolute(path), nil))
}

func (b *browser) post(path string, form url.Values) seen {
	b.d.t.Helper()
	r := request(b.d.t, http.MethodPost, b.d.absolute(path), strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	s := b.do(r)
	// As a browser does: what an answer leads on to is what is seen, while status and header stay those of the answer.
	if to := s.Header.Get("Location"); s.StatusCode == http.StatusSeeOther && strings.HasSuffix(to, "done") {
		if s.text != "" {
			b.d.t.Errorf("POST %s leads on and carries %d bytes besides", path, len(s.text))
		}
		result := b.get(to)
		s.text, s.doc = result.text, result.doc
	}
	return s
}

func (d *deployment) absolute(path string) string {
	if strings.HasPrefix(path, "/") {
		return d.URL + path
	}
	return path
}

func request(t *testing.T, method, target string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, target, body)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// signIn goes the whole way: the link on the page, the provider, the callback; and gives the page that it ends on.
func (b *browser) signIn(token string, who map[string]any) seen {
	b.d.t.Helper()
	return b.signInAt("/i/"+token, who)
}

// signInAt is signIn for the page of any link.
func (b *browser) signInAt(path string, who map[string]any) seen {
	t := b.d.t
	t.Helper()
	begin := b.get(path + "/sign-in")
	if begin.StatusCode != http.StatusSeeOther {
		t.Fatalf("sign-in: %d %s", begin.StatusCode, begin.page())
	}
	back := b.get(b.d.idp.approve(begin.Header.Get("Location"), who))
	if back.StatusCode != http.StatusSeeOther || back.Header.Get("Location") != path {
		t.Fatalf("callback: %d %s to %q", back.StatusCode, back.page(), back.Header.Get("Location"))
	}
	return b.get(back.Header.Get("Location"))
}

// sound checks what holds for every answer.
func (s seen) sound(t *testing.T) {
	t.Helper()
	h := s.Header
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "Referrer-Policy": "same-origin", "X-Content-Type-Options": "nosniff", "X-Robots-Tag": "noindex, nofollow",
		"Cross-Origin-Opener-Policy": "same-origin",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if p := h.Get("Content-Security-Policy"); !strings.HasPrefix(p, "default-src 'none'; style-src 'sha256-") || strings.Contains(p, "unsafe") {
		t.Errorf("Content-Security-Policy: %q", p)
	}
	if h.Get("Permissions-Policy") == "" {
		t.Error("no Permissions-Policy")
	}
	if len(s.text) >= 30<<10 {
		t.Errorf("%s has %d bytes", s.page(), len(s.text))
	}
	if s.StatusCode == http.StatusSeeOther {
		// A redirect after an answer holds the result, for who does not follow it; every other one is empty.
		if s.text != "" {
			if page := s.page(); page != "accepted" && page != "declined" && page != "verified" {
				t.Errorf("a redirect with the page %q", page)
			}
		}
		return
	}
	if ct := h.Get("Content-Type"); ct != "text/html; charset=utf-8" {
		t.Errorf("Content-Type: %q", ct)
	}
	if s.Request.Method == http.MethodHead {
		return
	}
	for _, address := range []string{"mailto:" + grove.Contact, grove.Privacy, grove.Imprint} { // in the footer of every page
		if !strings.Contains(s.text, `<a href="`+address+`">`) {
			t.Errorf("%s does not lead to %s", s.page(), address)
		}
	}
	for _, tag := range []string{"script", "img", "iframe", "link", "object", "base"} {
		if len(find(s.doc, tag)) > 0 {
			t.Errorf("%s holds a <%s>", s.page(), tag)
		}
	}
	if n := len(find(s.doc, "h1")); n != 1 {
		t.Errorf("%s has %d <h1>", s.page(), n)
	}
	if strings.TrimSpace(content(find(s.doc, "title")[0])) == "" || attr(find(s.doc, "html")[0], "lang") == "" || attr(find(s.doc, "html")[0], "dir") != "ltr" {
		t.Errorf("%s without title, language or direction", s.page())
	}
	ids := map[string]int{}
	for n := range s.doc.Descendants() {
		if id := attr(n, "id"); id != "" {
			ids[id]++
		}
		if attr(n, "style") != "" || slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return strings.HasPrefix(a.Key, "on") }) {
			t.Errorf("%s: <%s> with an inline style or handler", s.page(), n.Data)
		}
	}
	for id, n := range ids {
		if n > 1 {
			t.Errorf("%s: id %q %d times", s.page(), id, n)
		}
	}
	for n := range s.doc.Descendants() {
		for _, name := range []string{"for", "aria-labelledby", "aria-describedby"} {
			if v := attr(n, name); v != "" && ids[v] == 0 {
				t.Errorf("%s: %s=%q leads nowhere", s.page(), name, v)
			}
		}
		if v := attr(n, "href"); strings.HasPrefix(v, "#") && ids[v[1:]] == 0 {
			t.Errorf("%s: href=%q leads nowhere", s.page(), v)
		}
	}
	// On the pages on which programs look for links, they find one sign-in or none.
	if s.page() == "review" || s.page() == "answer" {
		for _, a := range find(s.doc, "a") {
			href := attr(a, "href")
			for _, word := range []string{"sign-in", "login", "authorize", "continue", "review", "answer"} {
				if s.StatusCode == http.StatusUnauthorized && attr(a, "target") == "_blank" {
					continue // beside the form whose session has ended
				}
				if strings.Contains(href, word) && (s.page() != "review" || !strings.HasSuffix(strings.Split(href, "?")[0], "/sign-in")) {
					t.Errorf("%s holds a link to %s", s.page(), href)
				}
			}
		}
	}
}

func (s seen) page() string {
	for _, m := range find(s.doc, "main") {
		return attr(m, "data-page")
	}
	return ""
}

func (s seen) want(t *testing.T, page string, status int) {
	t.Helper()
	if s.page() != page || s.StatusCode != status {
		t.Errorf("%s %s: %q with %d, want %q with %d", s.Request.Method, s.Request.URL.Path[:min(4, len(s.Request.URL.Path))], s.page(), s.StatusCode, page, status)
	}
}

func (s seen) has(t *testing.T, texts ...string) {
	t.Helper()
	all := content(s.doc)
	for _, want := range texts {
		if !strings.Contains(all, want) {
			t.Errorf("%s does not say %q:\n%s", s.page(), want, all)
		}
	}
}

func (s seen) id(id string) *html.Node {
	for n := range s.doc.Descendants() {
		if attr(n, "id") == id {
			return n
		}
	}
	return nil
}

// links are those of a page but for the operator's, which stand in the footer of every one.
func (s seen) links() (hrefs []string) {
	for _, a := range find(s.doc, "a") {
		if href := attr(a, "href"); !slices.Contains([]string{"mailto:" + grove.Contact, grove.Privacy, grove.Imprint}, href) {
			hrefs = append(hrefs, href)
		}
	}
	return hrefs
}

func find(n *html.Node, tag string) (found []*html.Node) {
	for c := range n.Descendants() {
		if c.Type == html.ElementNode && c.Data == tag {
			found = append(found, c)
		}
	}
	return found
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// content gives what a person reads, with single spaces.
func content(n *html.Node) string {
	var b strings.Builder
	for c := range n.Descendants() {
		if c.Type == html.TextNode && (c.Parent == nil || c.Parent.Data != "style") {
			b.WriteString(c.Data + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

var acceptance = url.Values{"answer": {"accept"}, "authorized": {"on"}, "fullName": {"Lara Larch"}, "jobTitle": {"CIO"}}

func with(form url.Values, pairs ...string) url.Values {
	out := maps.Clone(form)
	for i := 0; i < len(pairs); i += 2 {
		out.Set(pairs[i], pairs[i+1])
	}
	return out
}

// TestEveryCase looks at each case with GET and HEAD, in both languages, and as POST where it can be.
func TestEveryCase(t *testing.T) {
	bound := func(p *invitation.Proposal) { p.CustomerTenantID = to(string(larch)) }
	administration := func(p *invitation.Proposal) { p.RequestDelegatedAdmin = to(true) }
	for _, c := range []struct {
		name    string
		page    string
		status  int
		edit    func(*invitation.Proposal)
		who     map[string]any
		prepare func(*deployment, *invitation.Invitation)
		says    []string
	}{
		{name: "not signed in", page: "review", status: 200, says: []string{
			"Alder Cloud Services Inc.", "alder.example", "United States", "partners@alder.example", "j•••@larch.example", "days left", "Grove Marketplace Ltd", "isn’t a Microsoft service"}},
		{name: "not needed any more", page: "review", status: 200, prepare: func(d *deployment, i *invitation.Invitation) {
			i.Moot = &invitation.Moot{Reason: "relationship_exists", Since: time.Now(), Customer: larch}
			d.store.PutInvitation(*i)
		}, says: []string{"In another request from Alder Cloud Services Inc., your company already agreed to all of this on", "You don’t have to do anything"}},
		{name: "administration asked for", page: "review", status: 200, edit: administration, says: []string{"administer them"}},
		{name: "Global admin", page: "answer", status: 200, who: lara, says: []string{"not requested", "Larch Trading Ltd", "Grove Marketplace Ltd", "I am authorised to act for Larch Trading Ltd"}},
		{name: "Global admin, administration asked for", page: "answer", status: 200, edit: administration, who: lara, says: []string{"Delegated administration (DAP) requested", "Only as described below"}},
		{name: "Global admin of who has it already", page: "answer", status: 200, who: lara, prepare: func(d *deployment, i *invitation.Invitation) {
			d.commit(relationship.Change{After: relationship.Relationship{
				ID: "rel_aaaaaaaaaaaaaaaaaaaaaaaaaa", Partner: alder, Customer: relationship.Customer{Tenant: larch}, Status: relationship.Active,
				DelegatedAdmin: relationship.NoAdministration, Version: 1,
			}})
		}, says: []string{"Larch Trading Ltd has already agreed to all of this"}},
		{name: "another tenant", page: "wrong-tenant", status: 403, edit: bound, who: owen, says: []string{"admin@oak.example", "another account"}},
		{name: "the inviter itself", page: "wrong-tenant", status: 403, who: insider},
		{name: "no Global admin", page: "not-admin", status: 403, who: user, says: []string{"user@larch.example", "Forward"}},
		{name: "suspended partner", page: "partner-not-active", status: 403, who: lara, prepare: func(d *deployment, _ *invitation.Invitation) {
			a := alderAccount()
			a.Status = partner.Suspended
			d.store.PutAccount(a)
		}, says: []string{"not active", "Decline"}},
		{name: "another cloud", page: "cloud-mismatch", status: 403, who: agent, says: []string{"another cloud"}},
		{name: "another region", page: "region-not-allowed", status: 403, who: marie, says: []string{"United States", "France"}},
		{name: "expired", page: "expired", status: 410, prepare: func(d *deployment, _ *invitation.Invitation) { d.clock.Store(int64(31 * 24 * time.Hour)) },
			says: []string{"partners@alder.example", "ask Alder"}},
		{name: "expired, signed in", page: "expired", status: 410, who: lara, prepare: func(d *deployment, _ *invitation.Invitation) { d.clock.Store(int64(31 * 24 * time.Hour)) }},
		{name: "superseded", page: "superseded", status: 410, prepare: func(d *deployment, i *invitation.Invitation) { i.Generation++; d.store.PutInvitation(*i) }},
		{name: "cancelled", page: "unknown", status: 404, prepare: func(d *deployment, i *invitation.Invitation) {
			i.Status = invitation.Cancelled
			d.store.PutInvitation(*i)
		}},
		{name: "cancelled, signed in", page: "unknown", status: 404, who: lara, prepare: func(d *deployment, i *invitation.Invitation) {
			i.Status = invitation.Cancelled
			d.store.PutInvitation(*i)
		}},
		{name: "answered by somebody", page: "answered", status: 410, prepare: answeredBy("u-owen", oak, invitation.Accepted), says: []string{"sign in"}},
		{name: "answered by another", page: "answered", status: 410, who: lara, prepare: answeredBy("u-owen", oak, invitation.Accepted)},
		{name: "answered by the same subject of another tenant", page: "answered", status: 410, who: lara, prepare: answeredBy("u-lara", oak, invitation.Accepted)},
		{name: "accepted by this person", page: "accepted", status: 200, who: lara, prepare: answeredBy("u-lara", larch, invitation.Accepted), says: []string{"Reference", "Lara Larch"}},
		{name: "declined by this person", page: "declined", status: 200, who: lara, prepare: answeredBy("u-lara", larch, invitation.Declined), says: []string{"Reference"}},
	} {
		t.Run(c.name, func(t *testing.T) {
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
			before := d.writes.Load()
			for _, lang := range []string{"", "?lang=fr", "?lang=xx"} {
				got := b.get("/i/" + token + lang)
				got.want(t, c.page, c.status)
				want := "en"
				if lang == "?lang=fr" {
					want = "fr"
				}
				if l := attr(find(got.doc, "html")[0], "lang"); l != want || got.Header.Get("Content-Language") != want {
					t.Errorf("%s: the page is in %q", lang, l)
				}
				if lang == "" {
					got.has(t, c.says...)
				}
				head := b.do(request(t, http.MethodHead, d.URL+"/i/"+token+lang, nil))
				if head.StatusCode != c.status || head.text != "" || head.ContentLength != int64(len(got.text)) {
					t.Errorf("HEAD: %d, %d bytes, Content-Length %d of %d", head.StatusCode, len(head.text), head.ContentLength, len(got.text))
				}
			}
			if n := d.writes.Load() - before; n != 0 {
				t.Errorf("looking wrote %d times", n)
			}
			if c.who == nil {
				return
			}
			if c.page == "answer" || c.page == "accepted" || c.page == "declined" {
				return // TestAccept and TestDecline
			}
			stored := d.stored(inv)
			b.post("/i/"+token, acceptance).want(t, c.page, c.status)
			if got := d.stored(inv); got.Version != stored.Version || d.writes.Load() != before {
				t.Error("accepting was written")
			}
		})
	}
}

func answeredBy(sub string, tenant partner.TenantID, status invitation.Status) func(*deployment, *invitation.Invitation) {
	return func(d *deployment, i *invitation.Invitation) {
		i.Status, i.Customer = status, tenant
		i.Answer = &invitation.Given{Subject: sub, Tenant: tenant, FullName: "Lara Larch", JobTitle: "CIO", At: time.Now()}
		d.store.PutInvitation(*i)
	}
}

func TestUnknownLinks(t *testing.T) {
	d := deploy(t)
	_, token := d.invite()
	b := d.browser()
	pages := map[string]string{}
	foreign, err := link.NewSigner(link.Key{ID: 'k', Secret: []byte("another")}).Sign(link.Answer, link.Link{Tenant: string(alder), ID: "inv_aaaaaaaaaaaaaaaaaaaaaaaaaa", Generation: 1})
	if err != nil {
		t.Fatal(err)
	}
	missing, err := d.keys.Sign(t.Context(), link.Answer, link.Link{Tenant: string(alder), ID: "inv_aaaaaaaaaaaaaaaaaaaaaaaaaa", Generation: 1})
	if err != nil {
		t.Fatal(err)
	}
	wrong := "A"
	if token[30] == 'A' {
		wrong = "B"
	}
	for name, path := range map[string]string{
		"cut": "/i/" + token[:len(token)-1], "garbled": "/i/" + token[:30] + wrong + token[31:], "short": "/i/x", "foreign": "/i/" + foreign.Reveal(),
		"missing": "/i/" + missing.Reveal(), "hostile": "/i/%22%3E%3Cscript%3E", "elsewhere": "/nothing", "sign-in": "/i/" + token[:20] + "/sign-in",
		"another purpose": "/e/" + token,
	} {
		got := b.get(path)
		got.want(t, "unknown", 404)
		pages[name] = got.text
		if name != "missing" { // nobody is signed in, so it is only looked at
			b.post(path, acceptance).want(t, "unknown", 404)
		}
	}
	for name, text := range pages {
		if (text != pages["cut"]) != (name == "elsewhere") { // which is no link
			t.Errorf("%s has another page", name)
		}
	}
}

func TestAccept(t *testing.T) {
	d := deploy(t)
	inv, token := d.invite(func(p *invitation.Proposal) { p.RequestDelegatedAdmin = to(true) })
	b := d.browser()

	first := b.get("/i/" + token)
	first.want(t, "review", 200)
	if n := slices.DeleteFunc(first.links(), func(h string) bool { return h != "/i/"+token+"/sign-in" }); len(n) != 1 {
		t.Errorf("links: %q", first.links())
	}
	form := b.signIn(token, lara)
	form.want(t, "answer", 200)
	for _, in := range find(form.doc, "input") {
		if slices.ContainsFunc(in.Attr, func(a html.Attribute) bool { return a.Key == "checked" }) || attr(in, "type") == "text" && attr(in, "value") != "" {
			t.Errorf("%s is filled in before anybody chose", attr(in, "name"))
		}
	}
	if len(find(form.doc, "form")) != 1 || attr(find(form.doc, "form")[0], "action") != "/i/"+token {
		t.Error("there is not one form, to the link itself")
	}
	if d.writes.Load() != 1 {
		t.Fatal("something was written before the answer")
	}

	for range 2 { // and once more
		answer := b.post("/i/"+token, acceptance)
		if answer.StatusCode != http.StatusSeeOther || answer.Header.Get("Location") != "/i/"+token+"?done" {
			t.Fatalf("%d to %q", answer.StatusCode, answer.Header.Get("Location"))
		}
		done := b.get("/i/" + token)
		done.want(t, "accepted", 200)
		if ref := done.id("reference"); ref == nil || content(ref) != d.stored(inv).Reference() {
			t.Error("no reference")
		}
	}
	if d.writes.Load() != 2 {
		t.Errorf("%d writes for one invitation and one answer", d.writes.Load())
	}
	b.post("/i/"+token, with(acceptance, "answer", "decline")).want(t, "answered", 410)

	got := d.stored(inv)
	if got.Status != invitation.Accepted || got.Answer.FullName != "Lara Larch" || got.Answer.JobTitle != "CIO" || got.Answer.Subject != "u-lara" {
		t.Errorf("stored: %v %+v", got.Status, got.Answer)
	}
	if c := got.Answer.Consent; c.Version != pages.ConsentVersion || c.Language != "en" || len(c.Hash) != 64 {
		t.Errorf("consent: %+v", c)
	}
	rel, err := d.store.Relationship(t.Context(), alder, larch)
	if err != nil || rel.Status != relationship.Active || rel.DelegatedAdmin != relationship.ActiveDAP || rel.Customer.CompanyName != "Larch Trading Ltd" ||
		rel.Customer.CountrySource != "token" || rel.IdentityCheck != relationship.NotNeeded {
		t.Errorf("relationship: %+v, %v", rel, err)
	}

	other := d.browser()
	other.get("/i/"+token).want(t, "answered", 410)
	other.signIn(token, owen).want(t, "answered", 410)
	other.post("/i/"+token, acceptance).want(t, "answered", 410)
}

func TestDecline(t *testing.T) {
	refusal := url.Values{"answer": {"decline"}, "authorized": {"on"}, "fullName": {"Lara Larch"}, "reason": {"no-need"}, "comment": {"No, thank you.\r\nBye."}}
	for name, c := range map[string]struct {
		who  map[string]any
		page string
	}{
		"form": {lara, "answer"}, "another cloud": {agent, "cloud-mismatch"}, "another region": {marie, "region-not-allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			d := deploy(t)
			inv, token := d.invite()
			b := d.browser()
			b.signIn(token, c.who)
			wrong := b.post("/i/"+token, url.Values{"answer": {"decline"}})
			wrong.want(t, c.page, 422)
			wrong.has(t, "Enter your full name", "Confirm that you are authorised to act")
			if s := b.post("/i/"+token, refusal); s.StatusCode != http.StatusSeeOther {
				t.Fatalf("%d %s", s.StatusCode, s.page())
			}
			done := b.get("/i/" + token)
			done.want(t, "declined", 200)
			if done.id("reference") == nil {
				t.Error("no reference")
			}
			got := d.stored(inv)
			if got.Status != invitation.Declined || got.Answer.Reason != "no-need" || got.Answer.Comment != "No, thank you.\nBye." {
				t.Errorf("stored: %+v", got.Answer)
			}
			if _, err := d.store.Relationship(t.Context(), alder, got.Answer.Tenant); !problem.Is(err, problem.NotFound) {
				t.Errorf("a relationship: %v", err)
			}
		})
	}
}

func TestFormErrors(t *testing.T) {
	d := deploy(t)
	inv, token := d.invite()
	b := d.browser()
	b.signIn(token, lara)
	writes := d.writes.Load()
	for name, c := range map[string]struct {
		form url.Values
		at   []string // ids that the list leads to
	}{
		"empty":                 {url.Values{}, []string{"f-accept", "f-name", "f-title", "f-confirm"}},
		"another answer":        {with(acceptance, "answer", "yes"), []string{"f-accept"}},
		"two answers":           {url.Values{"answer": {"accept", "decline"}, "authorized": {"on"}, "fullName": {"L"}, "jobTitle": {"C"}}, []string{"f-accept"}},
		"not ticked":            {with(acceptance, "authorized", "true"), []string{"f-confirm"}},
		"no name":               {with(acceptance, "fullName", "  "), []string{"f-name"}},
		"a link for a name":     {with(acceptance, "fullName", "https://evil.example"), []string{"f-name"}},
		"a name that is long":   {with(acceptance, "fullName", strings.Repeat("<", 20_000)), []string{"f-name"}},
		"a name of odd bytes":   {with(acceptance, "fullName", "\xff\xfe"), []string{"f-name"}},
		"no title":              {with(acceptance, "jobTitle", ""), []string{"f-title"}},
		"a reason of one's own": {with(acceptance, "answer", "decline", "reason", "because"), []string{"f-reason"}},
		"a long comment":        {with(acceptance, "answer", "decline", "comment", strings.Repeat("é", 501)), []string{"f-comment"}},
	} {
		got := b.post("/i/"+token, c.form)
		got.want(t, "answer", 422)
		var to []string
		for n := range got.doc.Descendants() {
			if attr(n, "class") == "faults" {
				for _, a := range find(n, "a") {
					to = append(to, strings.TrimPrefix(attr(a, "href"), "#"))
				}
			}
		}
		if !slices.Equal(to, c.at) {
			t.Errorf("%s: the list leads to %q, want %q", name, to, c.at)
		}
		for _, id := range c.at {
			if got.id(id+"-fault") == nil {
				t.Errorf("%s: nothing is said at %s", name, id)
			}
		}
		if len(c.form["answer"]) == 1 && c.form.Get("answer") == "accept" {
			if radio := got.id("f-accept"); !slices.ContainsFunc(radio.Attr, func(a html.Attribute) bool { return a.Key == "checked" }) {
				t.Errorf("%s: the choice is lost", name)
			}
		}
	}
	kept := b.post("/i/"+token+"?lang=fr", with(acceptance, "fullName", "Zoé <b>", "jobTitle", "Directrice"))
	kept.want(t, "answer", 422)
	if attr(kept.id("f-name"), "value") != "Zoé <b>" || attr(kept.id("f-title"), "value") != "Directrice" || attr(find(kept.doc, "form")[0], "action") != "/i/"+token+"?lang=fr" {
		t.Error("what was entered, or the language, is lost")
	}
	if d.writes.Load() != writes || d.stored(inv).Status != invitation.Draft {
		t.Error("a form with errors was written")
	}
}

func TestCountryIsAskedForWhenUnknown(t *testing.T) {
	d := deploy(t)
	inv, token := d.invite()
	b := d.browser()
	form := b.signIn(token, nowhere)
	form.want(t, "answer", 200)
	if len(find(form.id("f-country"), "option")) < 200 {
		t.Error("few countries")
	}
	missing := b.post("/i/"+token, acceptance)
	missing.want(t, "answer", 422)
	missing.has(t, "Choose the country")
	b.post("/i/"+token, with(acceptance, "country", "FR")).want(t, "region-not-allowed", 403)
	if s := b.post("/i/"+token, with(acceptance, "country", "US")); s.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d %s", s.StatusCode, s.page())
	}
	rel, err := d.store.Relationship(t.Context(), alder, larch)
	if err != nil || rel.Customer.Country != "US" || rel.Customer.CountrySource != "declared" {
		t.Errorf("%+v, %v", rel.Customer, err)
	}
	b.get("/i/"+token).want(t, "accepted", 200)
	_ = inv
}

func TestAnswerNeedsASession(t *testing.T) {
	d := deploy(t)
	inv, token := d.invite()
	s := d.browser().post("/i/"+token, acceptance)
	s.want(t, "session-over", http.StatusUnauthorized)
	if !slices.Contains(s.links(), "/i/"+token+"/sign-in") {
		t.Errorf("it leads to %v", s.links())
	}
	if d.stored(inv).Status != invitation.Draft {
		t.Error("answered")
	}
}

func TestAnswersFromElsewhereAreRefused(t *testing.T) {
	d := deploy(t)
	inv, token := d.invite()
	b := d.browser()
	b.signIn(token, lara)
	for _, header := range [][2]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"}} {
		r := request(t, http.MethodPost, d.URL+"/i/"+token, strings.NewReader(acceptance.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set(header[0], header[1])
		b.do(r).want(t, "cross-origin", 403)
	}
	if d.stored(inv).Status != invitation.Draft {
		t.Error("answered")
	}
	r := request(t, http.MethodPost, d.URL+"/i/"+token, strings.NewReader(acceptance.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", d.URL)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if s := b.do(r); s.StatusCode != http.StatusSeeOther {
		t.Errorf("our own form: %d %s", s.StatusCode, s.page())
	}
}

func TestBodies(t *testing.T) {
	d := deploy(t)
	inv, token := d.invite()
	b := d.browser()
	b.signIn(token, lara)
	for name, c := range map[string]struct {
		kind, body, page string
		status           int
	}{
		"too large":    {"application/x-www-form-urlencoded", "comment=" + strings.Repeat("x", 65<<10), "too-large", 413},
		"JSON":         {"application/json", `{"answer":"accept"}`, "malformed", 400},
		"multipart":    {"multipart/form-data; boundary=x", "--x--", "malformed", 400},
		"no type":      {"", acceptance.Encode(), "malformed", 400},
		"bad escape":   {"application/x-www-form-urlencoded", "answer=%zz", "malformed", 400},
		"a charset":    {"application/x-www-form-urlencoded; charset=utf-8", "answer=", "answer", 422},
		"query fields": {"application/x-www-form-urlencoded", "", "answer", 422},
	} {
		target := d.URL + "/i/" + token
		if name == "query fields" { // count for nothing
			target += "?" + acceptance.Encode()
		}
		r := request(t, http.MethodPost, target, strings.NewReader(c.body))
		if c.kind != "" {
			r.Header.Set("Content-Type", c.kind)
		}
		got := b.do(r)
		if got.page() != c.page || got.StatusCode != c.status {
			t.Errorf("%s: %s with %d", name, got.page(), got.StatusCode)
		}
	}
	if d.stored(inv).Status != invitation.Draft {
		t.Error("answered")
	}
}

func TestTrouble(t *testing.T) {
	down := errors.New("store: " + "unreachable")
	for name, spoil := range map[string]func(*deployment){
		"store": func(d *deployment) { d.fault.Store(&storetest.Fault{Err: down}) },
		"keys":  func(d *deployment) { d.keys.set(down, "k1") },
		"conflicts": func(d *deployment) {
			d.store.Inject(func(op storetest.Operation) storetest.Fault {
				if op == storetest.Commit {
					return storetest.Fault{Err: invitation.ErrConflict}
				}
				return storetest.Fault{}
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := deploy(t)
			inv, token := d.invite()
			b := d.browser()
			b.signIn(token, lara)
			spoil(d)
			for _, s := range []seen{b.get("/i/" + token), b.get("/i/" + token + "/sign-in"), b.post("/i/"+token, acceptance)} {
				if name == "conflicts" && s.Request.Method == http.MethodGet {
					continue
				}
				s.want(t, "service-trouble", 503)
				if s.Header.Get("Retry-After") == "" {
					t.Error("no Retry-After")
				}
			}
			if !strings.Contains(d.logged(), `"msg":"page failed"`) {
				t.Error("nothing is logged")
			}
			d.fault.Store(nil)
			d.store.Inject(nil)
			if d.stored(inv).Status != invitation.Draft {
				t.Error("answered")
			}
		})
	}
}

// TestLostAnswer is a write whose acknowledgement got lost: the answer stands, and the person sees it.
func TestLostAnswer(t *testing.T) {
	d := deploy(t)
	inv, token := d.invite()
	b := d.browser()
	b.signIn(token, lara)
	lost := true
	d.store.Inject(func(op storetest.Operation) storetest.Fault {
		if op == storetest.Commit && lost {
			lost = false
			return storetest.Fault{Err: errors.New("time-out"), Stored: true}
		}
		return storetest.Fault{}
	})
	for range 2 {
		if s := b.post("/i/"+token, acceptance); s.StatusCode != http.StatusSeeOther {
			t.Errorf("%d %s", s.StatusCode, s.page())
		}
	}
	b.get("/i/"+token).want(t, "accepted", 200)
	if v := d.stored(inv).Version; v != 2 {
		t.Errorf("version %d", v)
	}
}

// TestConsentWords holds the words that people agree to. Who changes one decides whether ConsentVersion has to rise, and writes
// down the new hash.
func TestConsentWords(t *testing.T) {
	want := map[string]string{}
	raw, err := os.ReadFile("testdata/consent.json")
	if err == nil {
		err = json.Unmarshal(raw, &want)
	}
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{"version": pages.ConsentVersion}
	for _, tag := range locale.Tags {
		d := deploy(t)
		inv, token := d.invite(func(p *invitation.Proposal) { p.Locale = to(tag.String()) })
		b := d.browser()
		form := b.signIn(token, lara)
		words := slices.IndexFunc(find(form.doc, "input"), func(n *html.Node) bool { return attr(n, "name") == "words" })
		b.post("/i/"+token, with(acceptance, "words", attr(find(form.doc, "input")[words], "value")))
		c := d.stored(inv).Answer.Consent
		if c.Language != tag.String() {
			t.Errorf("consent in %q", c.Language)
		}
		got[c.Language] = c.Hash
	}
	if !maps.Equal(got, want) {
		now, _ := json.MarshalIndent(got, "", "  ")
		t.Errorf("the words have changed; testdata/consent.json has to be\n%s", now)
	}
}

func TestLanguage(t *testing.T) {
	d := deploy(t)
	_, english := d.invite(func(p *invitation.Proposal) { p.Locale = to("en-GB") })
	_, unsaid := d.invite(func(p *invitation.Proposal) { p.RecipientEmail = to("y@oak.example") })
	_, unknown := d.invite(func(p *invitation.Proposal) { p.RecipientEmail = to("z@oak.example"); p.Locale = to("tlh") })
	_, french := d.invite(func(p *invitation.Proposal) { p.RecipientEmail = to("x@oak.example"); p.Locale = to("fr") })
	b := d.browser()
	lang := func(path, header string) string {
		r := request(t, http.MethodGet, d.URL+path, nil)
		r.Header.Set("Accept-Language", header)
		return attr(find(b.do(r).doc, "html")[0], "lang")
	}
	for _, c := range []struct{ path, header, want string }{
		{"/i/" + english, "fr", "en"}, {"/i/" + french, "en", "fr"}, {"/i/" + french + "?lang=en", "fr", "en"}, {"/i/x", "fr", "fr"}, {"/i/x", "", "en"},
		// Where the inviter says none, the reader's browser decides (0.39).
		{"/i/" + unsaid, "fr-FR,fr;q=0.9", "fr"}, {"/i/" + unsaid, "ko", "en"}, {"/i/" + unsaid, "", "en"}, {"/i/" + unsaid + "?lang=de", "fr", "de"}, {"/i/" + unknown, "ja", "ja"},
		{"/i/" + unsaid, "zh-TW,zh;q=0.9", "en"},
	} {
		if got := lang(c.path, c.header); got != c.want {
			t.Errorf("%s with %s: %s, want %s", c.path[:3], c.header, got, c.want)
		}
	}
	// What was chosen survives the sign-in.
	begin := b.get("/i/" + english + "/sign-in?lang=fr")
	back := b.get(d.idp.approve(begin.Header.Get("Location"), lara))
	if to := back.Header.Get("Location"); to != "/i/"+english+"?lang=fr" {
		t.Errorf("back to %q", to)
	}
}

func TestHostilePartnerNames(t *testing.T) {
	d := deploy(t)
	a := alderAccount()
	a.DisplayName = `<script>alert(1)</script>" onload="x`
	d.store.PutAccount(a)
	_, token := d.invite()
	b := d.browser()
	got := b.get("/i/" + token)
	got.want(t, "review", 200)
	got.has(t, "<script>alert(1)</script>")
	who := maps.Clone(lara)
	who["tenant_name"] = `</main><form action="https://evil.example">{partner}`
	form := b.signIn(token, who)
	form.want(t, "answer", 200)
	if n := len(find(form.doc, "form")); n != 1 {
		t.Errorf("%d forms", n)
	}
}
