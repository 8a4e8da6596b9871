package console_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"concord/internal/command"
	"concord/internal/invitation"
	"concord/internal/partner"
)

// textOf gives what stands in the text area or the input with a name.
func (s seen) textOf(name string) string {
	for _, tag := range []string{"textarea", "input"} {
		for n := range s.all(tag) {
			if attr(n, "name") != name && attr(n, "id") != name {
				continue
			}
			if tag == "input" {
				return attr(n, "value")
			}
			if n.FirstChild != nil {
				return n.FirstChild.Data
			}
		}
	}
	return ""
}

// href gives where the link leads that an element's text begins with.
func (s seen) href(prefix string) string {
	for a := range s.all("a") {
		if strings.HasPrefix(attr(a, "href"), prefix) {
			return attr(a, "href")
		}
	}
	return ""
}

// TestNewRelationship: the form takes kind and recipientEmail alone and leads to the draft, where the mail can be
// opened, copied, changed, and marked as done.
func TestNewRelationship(t *testing.T) {
	d := open(t)
	b := d.browser()
	s := b.signIn("/console/invitations/new", person(alder, partner.SalesAgent))
	s.want(t, "console-new-relationship", http.StatusOK)
	made := b.post("/console/invitations/new", url.Values{"kind": {"reseller"}, "recipientEmail": {"jo@larch.example"}})
	at := made.Header.Get("Location")
	if made.StatusCode != http.StatusSeeOther || !strings.HasSuffix(at, "/draft") {
		t.Fatalf("%d to %q: %s", made.StatusCode, at, made.page())
	}
	s = b.follow(made)
	s.want(t, "console-draft", http.StatusOK)
	s.has(
		t,
		"Nothing has been sent",
		"The link works already",
		"Open in email",
		"Copy to clipboard",
		"Done",
		"Send it for me",
		"1000 of 1000",
	)
	link := s.textOf("link")
	if !strings.Contains(link, "/i/") || strings.Count(s.textOf("body"), link) != 1 {
		t.Errorf("link %q in %q", link, s.textOf("body"))
	}
	if mailto := s.href("mailto:"); !strings.HasPrefix(mailto, "mailto:jo@larch.example?subject=") {
		t.Errorf("mailto %q", mailto)
	}
	s.has(t, `id="shorter"`, "opens a shorter version with the same personal link", `id="unsaved"`, "Save changes first")
	if f := b.get(at + "?format=eml"); f.Header.Get("Content-Type") != "message/rfc822" ||
		!strings.Contains(f.text, "X-Unsent: 1") {
		t.Errorf("file %v", f.Header)
	}
	if m := b.get(at + "?format=mail"); !strings.Contains(m.Header.Get("Content-Security-Policy"), "sandbox") ||
		strings.Contains(m.text, link) {
		t.Errorf("the preview of the mail: %v", m.Header)
	}
	// Without its link the text is not kept, and comes back with what is wrong at its field.
	fields := s.fields("save")
	fields.Set("body", "Hello, without the link")
	fields.Set("do", "save")
	bad := b.post(at, fields)
	bad.want(t, "console-draft", http.StatusUnprocessableEntity)
	bad.has(t, "Hello, without the link", "personal link is missing", `href="#f-body"`, "Save changes first")
	if bad.href("mailto:jo@") != "" {
		t.Error("the email program opens other words than the page shows")
	}
	fields = bad.fields("save")
	fields.Set("body", "Dear Jo,\n\n"+link+"\n\nAndy")
	if saved := b.post(at, fields); saved.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d %s\n%s", saved.StatusCode, saved.page(), saved.text)
	}
	s = b.get(at)
	s.has(t, "Reset to the template", "edited the draft", "Dear Jo,")
	if strings.Contains(s.text, `id="shorter"`) || s.href("mailto:jo@") == "" {
		t.Error("an edited draft opens whole")
	}
	if s.fields("send") != nil {
		t.Error("an edited draft can be sent by the service")
	}
	done := b.post(at, s.fields("done"))
	if done.Header.Get("Location") != strings.TrimSuffix(at, "/draft") {
		t.Fatalf("%d %q %s", done.StatusCode, done.Header.Get("Location"), done.page())
	}
	s = b.follow(done)
	s.has(t, "Noted: you have emailed it", "Waiting", "Emailed by your company", "Look at the email")
	if strings.Contains(s.text, "Not sent") || strings.Contains(s.text, "Open the draft") {
		t.Error("the request that waits for an answer is shown as a draft")
	}
	if s = b.get(at); strings.Contains(s.text, "as you like") {
		t.Error("the draft of what was emailed says that it can be changed at will")
	}
	s.has(t, "only what you email again")
	i := d.only(t)
	if i.Status != invitation.Pending || !i.Edited || i.CreatedBy == "" {
		t.Errorf("%+v", i)
	}
}

// within gives the elements with a tag inside the first one with a class.
func (s seen) within(class, tag string) (found []*html.Node) {
	for n := range s.all("div") {
		if attr(n, "class") != class {
			continue
		}
		for x := range n.Descendants() {
			if x.Type == html.ElementNode && x.Data == tag {
				found = append(found, x)
			}
		}
		return found
	}
	return nil
}

// only gives the one invitation of alder.
func (d *desk) only(t *testing.T) invitation.Invitation {
	t.Helper()
	page, err := d.store.Invitations(
		t.Context(),
		alder,
		invitation.Query{Status: invitation.AnyStatus, Limit: 10, Now: d.service.Now()},
	)
	if err != nil || len(page.Invitations) != 1 {
		t.Fatalf("%d, %v", len(page.Invitations), err)
	}
	return page.Invitations[0]
}

// TestDraftKeepsWhatWasTyped: who is done, or resets, with words that were not saved loses none and sends no others.
func TestDraftKeepsWhatWasTyped(t *testing.T) {
	d := open(t)
	i := d.invite(alder, "jo@larch.example")
	b := d.browser()
	at := "/console/invitations/" + i.ID + "/draft"
	s := b.signIn(at, person(alder, partner.AdminAgent))
	fields := s.fields("done")
	fields.Set("body", "Mine\n"+s.textOf("link")+"\n")
	if done := b.post(at, fields); done.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d %s", done.StatusCode, done.text)
	}
	s = b.get(at)
	s.want(t, "console-draft", http.StatusOK)
	if !strings.HasPrefix(s.textOf("body"), "Mine") || s.fields("done") != nil {
		t.Errorf("body %q", s.textOf("body"))
	}
	if reset := b.post(at, s.fields("reset")); reset.StatusCode != http.StatusSeeOther {
		t.Fatal(reset.StatusCode)
	}
	s = b.get(at)
	if strings.HasPrefix(s.textOf("body"), "Mine") {
		t.Error("not reset")
	}
	sent := b.follow(b.post(at, s.fields("send")))
	sent.want(t, "console-invitation", http.StatusOK)
	sent.has(t, "The email is on its way", "Queued")
	// A request that has ended has no draft: its page says what became of it.
	if _, _, err := d.service.Cancel(t.Context(), command.Command{User: partner.User{Tenant: alder, Roles: []partner.Role{partner.AdminAgent}}}, i.ID, ""); err != nil {
		t.Fatal(err)
	}
	b.follow(b.get(at)).want(t, "console-invitation", http.StatusOK)
}

// TestCheckMakesNothing: what would happen is told before anything is made, and the same form then makes it.
func TestCheckMakesNothing(t *testing.T) {
	d := open(t)
	b := d.browser()
	s := b.signIn("/console/invitations/new", person(alder, partner.AdminAgent))
	fields := s.fields("check")
	fields.Set("kind", "reseller")
	fields.Set("recipientEmail", "jo@larch.example")
	fields.Set("recipientName", "Jo Larch")
	fields.Set("locale", "ja")
	fields["granularAdmin-roles"] = []string{
		"62e90394-69f5-4237-9190-012177145e10",
		"b0f54661-2d74-4c50-afa3-1ec803f12efe",
	}
	fields.Set("granularAdmin-duration", "P90D")
	fields.Set("granularAdmin-autoExtendDuration", "P0D")
	to := b.post("/console/invitations/new", fields)
	at := to.Header.Get("Location")
	if to.StatusCode != http.StatusSeeOther || strings.Contains(at, "larch") {
		t.Fatalf("%d %q %s", to.StatusCode, at, to.page())
	}
	s = b.get(at)
	s.want(t, "console-new-relationship", http.StatusOK)
	s.has(
		t,
		"Nothing has been made",
		"Jo Larch",
		"日本語",
		"Global administrator: everything",
		"Billing Administrator",
		"iframe",
	)
	for f := range s.all("iframe") {
		if m := b.get(attr(f, "src")); !strings.Contains(m.text, `lang="ja"`) ||
			!strings.Contains(m.text, "Alder Cloud Services") {
			t.Errorf("the mail: %.300s", m.text)
		}
	}
	page, err := d.store.Invitations(
		t.Context(),
		alder,
		invitation.Query{Status: invitation.AnyStatus, Limit: 10, Now: d.service.Now()},
	)
	if err != nil || len(page.Invitations) != 0 {
		t.Fatalf("made %d, %v", len(page.Invitations), err)
	}
	// Another person cannot read what was typed by its link.
	other := d.browser()
	if o := other.signIn(at, person(birch, partner.AdminAgent)); strings.Contains(o.text, "larch") {
		t.Error("somebody else reads what was typed")
	}
	create := s.fields("create")
	create["granularAdmin-roles"] = fields["granularAdmin-roles"]
	b.follow(b.post("/console/invitations/new", create)).want(t, "console-draft", http.StatusOK)
	i := d.only(t)
	if i.RecipientName != "Jo Larch" || i.Locale != "ja" || i.GranularID == "" {
		t.Errorf("%+v", i)
	}
	// The same again is a duplicate, and leads to the open one.
	again := b.get(at)
	again.has(t, "would be refused", "/console/invitations/"+i.ID)
	if again.fields("create") != nil {
		t.Error("the button is still there")
	}
	back := b.post("/console/invitations/new", fields)
	if back.StatusCode != http.StatusSeeOther {
		t.Errorf("%d", back.StatusCode)
	}
	fields.Set("do", "create")
	dup := b.post("/console/invitations/new", fields)
	dup.want(t, "console-new-relationship", http.StatusConflict)
	dup.has(t, "open request to this recipient already", "Jo Larch")
	if open := dup.within("faults", "a"); len(open) != 1 || attr(open[0], "href") != "/console/invitations/"+d.only(t).ID {
		t.Errorf("the refusal leads to %d requests", len(open))
	}
}

// TestNewRelationshipSaysWhatIsWrong: at its field, in the reader's language, with all that was typed.
func TestNewRelationshipSaysWhatIsWrong(t *testing.T) {
	d := open(t)
	b := d.browser()
	b.signIn("/console/invitations/new", person(alder, partner.SalesAgent))
	s := b.post(
		"/console/invitations/new",
		url.Values{"kind": {"reseller"}, "recipientEmail": {"nobody"}, "recipientName": {"Jo"}, "do": {"create"}},
	)
	s.want(t, "console-new-relationship", http.StatusUnprocessableEntity)
	s.has(t, `href="#f-recipientEmail"`, `value="Jo"`, `value="nobody"`)
	// A direct partner has no provider and is none: both kinds are there, with the reason.
	s.has(t, "Only indirect resellers", "Only indirect providers")
	s = b.post("/console/invitations/new", url.Values{"kind": {"partnership"}, "recipientEmail": {"jo@larch.example"}})
	s.want(t, "console-not-allowed", http.StatusForbidden)
	other := d.browser()
	s = other.signIn("/console/invitations/new", person(birch, partner.AdminAgent))
	for n := range s.all("input") {
		if attr(n, "value") == "partnership" &&
			slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == "disabled" }) {
			t.Error("a provider cannot ask for a partnership")
		}
	}
	made := other.post(
		"/console/invitations/new",
		url.Values{"kind": {"partnership"}, "recipientEmail": {"jo@larch.example"}},
	)
	other.follow(made).want(t, "console-draft", http.StatusOK)
}

// TestAdministrationIsAskedForBySaying: delegated administration is No until somebody says Yes, in the form and on the
// page that checks it; roles that have a name have to be chosen.
func TestAdministrationIsAskedForBySaying(t *testing.T) {
	d := open(t)
	b := d.browser()
	at := "/console/invitations/new"
	b.signIn(at, person(alder, partner.AdminAgent))
	for _, from := range []string{at, at + "?kind=dualReseller&providerTenantId=" + string(birch)} {
		if got := b.get(from).chosen("requestDelegatedAdmin"); !slices.Equal(got, []string{"false"}) {
			t.Errorf("%s has %q chosen for delegated administration", from, got)
		}
	}
	said := url.Values{"kind": {"reseller"}, "recipientEmail": {"jo@larch.example"}, "do": {"check"}}
	s := b.follow(b.post(at, said))
	if !slices.Contains(s.rows(), "Delegated administration (DAP): No") {
		t.Errorf("the check says %q", s.rows())
	}
	said.Set("granularAdmin-displayName", "Helpdesk")
	for _, do := range []string{"check", "create"} {
		said.Set("do", do)
		s = b.post(at, said)
		s.want(t, "console-new-relationship", http.StatusUnprocessableEntity)
		s.has(t, `href="#f-granularAdmin-roles"`, "Choose at least one role", "Helpdesk")
	}
	said.Del("granularAdmin-displayName")
	b.follow(b.post(at, said)).want(t, "console-draft", http.StatusOK)
	if d.only(t).RequestDelegatedAdmin {
		t.Error("nobody asked for delegated administration")
	}
}

// TestPartnershipAsksAReseller: the form, its check and the request say what a partnership asks for, and nothing of a
// customer's delegated administration.
func TestPartnershipAsksAReseller(t *testing.T) {
	d := open(t)
	d.tradesAs(birch, "1234567")
	b := d.browser()
	at := "/console/invitations/new?kind=partnership"
	s := b.signIn(at, person(birch, partner.AdminAgent))
	s.has(t, "This asks a reseller, not a customer", "administrator access to its own account")
	fields := s.fields("check")
	fields.Set("kind", strings.Join(s.chosen("kind"), ""))
	if strings.Contains(s.text, "requestDelegatedAdmin") || strings.Contains(s.text, "granularAdmin-roles") {
		t.Error("a partnership asks for a customer's rights")
	}
	fields.Set("recipientEmail", "jo@larch.example")
	check := b.follow(b.post(at, fields))
	made := b.follow(b.post(at, check.fields("create")))
	made.want(t, "console-draft", http.StatusOK)
	one := b.get(strings.TrimSuffix(made.Request.URL.Path, "/draft"))
	for _, x := range []seen{check, one} {
		if !slices.Contains(x.rows(), "Administration: Administrator access to the reseller’s own account") ||
			strings.Contains(x.text, "(DAP)") {
			t.Errorf("the page says %q", x.rows())
		}
	}
}

// chosen gives the values of a radio button's group that are chosen.
func (s seen) chosen(name string) (values []string) {
	for n := range s.all("input") {
		if attr(n, "name") == name && slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == "checked" }) {
			values = append(values, attr(n, "value"))
		}
	}
	return values
}

// rows gives what the fact lists of a page say.
func (s seen) rows() (all []string) {
	for n := range s.all("dt") {
		value := n.NextSibling
		for value != nil && value.Data != "dd" {
			value = value.NextSibling
		}
		if value != nil {
			all = append(all, textIn(n)+": "+textIn(value))
		}
	}
	return all
}

// textIn gives the text inside an element.
func textIn(n *html.Node) string {
	var b strings.Builder
	for x := range n.Descendants() {
		if x.Type == html.TextNode {
			b.WriteString(x.Data)
		}
	}
	return b.String()
}
