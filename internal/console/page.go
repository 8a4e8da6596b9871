package console

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"concord/internal/letter"
	"concord/internal/locale"
	"concord/internal/palette"
	"concord/internal/partner"
	"concord/internal/session"
)

// page is what every template gets: the frame, and its content.
type page struct {
	*visit
	Status   int
	Name     string // in data-page
	Template string
	Title    string
	Parent   *action // the page above
	Primary  *action // the one thing to do
	Second   *action // the other way to do it; nil for none
	Pill     *pill   // the state of what the page is about
	Notes    []note
	Content  any
	Changed  *moment // what somebody else did meanwhile; nil where nothing is known
	// Live is after how many seconds the script fetches the page again; 0 for never.
	Live int
}

// page begins the page of the visit's route.
func (v *visit) page(title string, args ...any) *page {
	p := &page{visit: v, Status: http.StatusOK, Title: v.T(title, args...)}
	if v.route != nil {
		p.Name = v.route.page
		p.Template = strings.TrimPrefix(p.Name, "console-")
	}
	return p
}

// notice answers with a page that says something.
func (v *visit) notice(status int, name, title string, text ...string) {
	p := v.page(title)
	p.Status, p.Name, p.Template, p.Content = status, name, "notice", text
	v.write(p)
}

// Who is signed in; nil for nobody, and for who has to sign in again before what a form says is done.
func (p *page) Who() *who {
	if p.person == nil || p.form.obstacle == sessionIsOver {
		return nil
	}
	w := &who{Name: p.accountName(), Cloud: p.cloud.PortalName, Company: p.person.Company.CompanyName}
	if p.account != nil {
		w.Company = p.account.DisplayName
		for _, r := range p.account.Roles() {
			w.Roles = append(w.Roles, p.program(r))
		}
	}
	for _, r := range p.user.Roles {
		w.Roles = append(w.Roles, p.role(r))
	}
	return w
}

type who struct {
	Name, Company, Cloud string
	Roles                []string
}

func (v *visit) accountName() string {
	return cmp.Or(v.person.Email, v.person.Name, v.person.Subject)
}

var roleKeys = map[partner.Role]string{
	partner.GlobalAdmin: "console.role.global-admin", partner.AdminAgent: "console.role.admin-agent", partner.SalesAgent: "console.role.sales-agent",
	partner.Operator: "console.role.operator",
}

var programKeys = map[partner.ProgramRole]string{
	partner.DirectBill: "console.program.direct-bill", partner.IndirectProvider: "console.program.indirect-provider",
	partner.IndirectReseller: "console.program.indirect-reseller",
}

func (v *visit) role(r partner.Role) string           { return v.T(roleKeys[r]) }
func (v *visit) program(r partner.ProgramRole) string { return v.T(programKeys[r]) }

// sections are the menu, in its order: the key of each text. One is shown when a route begins it and who asks may see
// that.
var sections = []string{
	"console.menu.today", "console.menu.customers", "console.menu.invitations", "console.menu.batches", "console.menu.resellers", "console.menu.providers",
	"console.menu.subscriptions", "console.menu.administration", "console.menu.enrolment", "console.menu.account", "console.menu.audit", "console.menu.operator",
}

// Menu are the sections that who is signed in may see.
func (p *page) Menu() []tab {
	if p.Who() == nil {
		return nil
	}
	var menu []tab
	for _, key := range sections {
		i := slices.IndexFunc(p.h.table, func(r route) bool { return r.section == key })
		if i < 0 {
			continue
		}
		if key == "console.menu.enrolment" && p.account != nil && p.account.Status == partner.Active {
			continue // there is nothing to enrol for any more
		}
		r := p.h.table[i]
		if r.who.permits(p.user, p.account) != nil || p.account == nil && !r.who.anybody && !r.who.operates() && !slices.Contains(p.user.Roles, partner.Operator) {
			continue
		}
		at := root + r.path
		current := p.r.URL.Path == at || r.path != "" && strings.HasPrefix(p.r.URL.Path, at+"/")
		menu = append(menu, tab{p.T(key), at, current})
	}
	return menu
}

// Banners say what stands in the way of everything.
func (p *page) Banners() []note {
	a := p.account
	if a == nil || p.Who() == nil {
		return nil
	}
	var all []note
	if a.Status != partner.Active {
		all = append(all, note{State: stop, Text: []string{p.T("console.banner.not-active")}})
	}
	if a.Paused != nil {
		all = append(all, note{State: stop, Text: []string{p.T("console.banner.paused", "date", p.DateTime(a.Paused.At))}})
	}
	if a.Has(partner.IndirectReseller) {
		if a.AssociatedPartnerID == "" {
			all = append(all, note{State: wait, Text: []string{p.T("console.banner.partner-id")}})
		}
		if a.MPA == nil {
			all = append(all, note{State: wait, Text: []string{p.T("console.banner.mpa")}})
		}
	}
	agent := slices.Contains(p.user.Roles, partner.AdminAgent) || slices.Contains(p.user.Roles, partner.SalesAgent)
	if slices.Contains(p.user.Roles, partner.GlobalAdmin) && !agent {
		all = append(all, note{State: info, Text: []string{p.T("console.banner.no-agent")}})
	}
	return all
}

// Languages are the entries of the language switch.
func (p *page) Languages() []tab {
	var all []tab
	for _, tag := range locale.Tags {
		at := "?lang=" + tag.String()
		if q := p.query("lang", tag.String()); p.r.Method != http.MethodPost {
			at = q
		}
		all = append(all, tab{locale.For(tag).Name(), at, tag.String() == p.Language()})
	}
	return all
}

// LanguageName is what the page's language calls itself.
func (p *page) LanguageName() string { return p.Printer.Name() }

// Said is what was done before this page was shown.
func (p *page) Said() string { return p.said() }

// Summary is what is wrong with the form.
func (p *page) Summary() []fault { return p.summary() }

// Hurdle is what is said above a form that was sent in vain; nil for nothing.
func (p *page) Hurdle() *note {
	switch {
	case p.form.obstacle == sessionIsOver:
		return &note{
			State: wait, Title: p.T("session.form.title"), Text: []string{p.T("session.form.text"), p.T("session.form.again")},
			Next: &action{Label: p.T("session.form.sign-in"), Href: p.signInAt(p.cloud.ID, root)},
		}
	case p.form.obstacle == anotherPerson:
		return &note{State: wait, Title: p.T("session.other.title"), Text: []string{p.T("session.other.text", "account", p.accountName())}}
	case p.form.conflicts():
		n := &note{State: wait, Title: p.T("console.conflict.title"), Text: []string{p.T("console.conflict.text")}}
		if c := p.Changed; c != nil && c.Time != nil {
			n.Text = []string{p.T("console.conflict.what", "what", c.Title, "date", c.Time.Text), p.T("console.conflict.text")}
			if c.Who != "" {
				n.Text[0] = p.T("console.conflict.who", "who", c.Who, "what", c.Title, "date", c.Time.Text)
			}
		}
		return n
	}
	return nil
}

// Portal is where the reader is.
func (p *page) Portal() string { return p.cloud.PortalName }

// Operator is who operates the deployment.
func (p *page) Operator() string { return p.h.Operator.Name }

// Legal is how the operator is reached, its privacy notice and imprint.
func (p *page) Legal() []letter.Aside { return letter.Legal(p.Printer, p.h.Operator) }

// Path is that of the page.
func (p *page) Path() string { return p.r.URL.Path }

// Home is where the console begins.
func (p *page) Home() string { return root }

// SignOut is where a session ends.
func (p *page) SignOut() string { return signOutPath }

// Style and Script are where the two files are.
func (p *page) Style() string  { return assetPath + design().style.name }
func (p *page) Script() string { return assetPath + design().script.name }

//go:embed templates style.css script.js
var files embed.FS

const assetPath = root + "/assets/"

// file is one of the two that every page needs, under a name that says what is in it.
type file struct {
	name, kind string
	content    []byte
}

type layout struct {
	templates     *template.Template
	style, script file
}

var design = sync.OnceValue(func() layout {
	l := layout{templates: template.Must(template.ParseFS(files, "templates/*.html"))}
	l.style = named("console", "css", "text/css; charset=utf-8", palette.CSS, "style.css")
	l.script = named("console", "js", "text/javascript; charset=utf-8", "", "script.js")
	return l
})

func named(name, suffix, kind, before, path string) file {
	content, err := files.ReadFile(path)
	if err != nil {
		panic("console: " + err.Error())
	}
	content = append([]byte(before), content...)
	sum := sha256.Sum256(content)
	return file{name + "." + hex.EncodeToString(sum[:6]) + "." + suffix, kind, content}
}

// asset serves the two files. Their names change with their content, so that browsers keep them for good.
func asset(w http.ResponseWriter, r *http.Request) {
	for _, f := range []file{design().style, design().script} {
		if r.PathValue("file") != f.name {
			continue
		}
		h := w.Header()
		h.Set("Content-Type", f.kind)
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Content-Length", strconv.Itoa(len(f.content)))
		if r.Method != http.MethodHead {
			_, _ = w.Write(f.content)
		}
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, "", http.StatusNotFound)
}

// policy is the Content-Security-Policy of every page; framed is that of a mail in a frame of a page.
const (
	policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; frame-src 'self'; form-action 'self'; " +
		"base-uri 'none'; frame-ancestors 'none'"
	framed = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'self'; sandbox"
)

// headers are on every answer, redirects too.
func (v *visit) headers(policy string) {
	set := v.w.Header().Set
	set("Cache-Control", "no-store")
	set("Content-Security-Policy", policy)
	// With no-referrer browsers send "Origin: null" with forms, which the cross-origin guard refuses.
	set("Referrer-Policy", "same-origin")
	set("X-Content-Type-Options", "nosniff")
	set("X-Frame-Options", "DENY")
	if policy == framed {
		set("X-Frame-Options", "SAMEORIGIN")
	}
	set("X-Robots-Tag", "noindex, nofollow")
	set("Permissions-Policy", "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), publickey-credentials-get=(), usb=()")
	set("Cross-Origin-Opener-Policy", "same-origin")
	set("Cross-Origin-Resource-Policy", "same-origin")
	if session.Encrypted(v.cloud) {
		set("Strict-Transport-Security", "max-age=63072000; includeSubDomains")
	}
}

// write answers with a page; with its header alone for HEAD.
func (v *visit) write(p *page) {
	var out bytes.Buffer
	if err := design().templates.ExecuteTemplate(&out, p.Template+".html", p); err != nil {
		v.h.Log.ErrorContext(v.ctx(), "page cannot be written", "page", p.Name, "error", err.Error())
		http.Error(v.w, "", http.StatusInternalServerError)
		return
	}
	text := bytes.ReplaceAll(out.Bytes(), []byte(">\n<"), []byte("><"))
	v.headers(policy)
	h := v.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", p.Language())
	h.Set("Content-Length", strconv.Itoa(len(text)))
	if p.Status == http.StatusUnauthorized { // RFC 9110, 15.5.2
		h.Set("WWW-Authenticate", `Cookie realm="sign-in"`)
	}
	v.w.WriteHeader(p.Status)
	if v.r.Method != http.MethodHead {
		_, _ = v.w.Write(text)
	}
}
