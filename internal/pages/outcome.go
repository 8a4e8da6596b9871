package pages

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/letter"
	"concord/internal/link"
	"concord/internal/locale"
	"concord/internal/palette"
	"concord/internal/partner"
	"concord/internal/session"
)

// outcome is a kind of page: its name in data-page, its status, and what it shows.
type outcome struct {
	name   string
	status int
	// template is that of the page's content.
	template string
	view     func(*page) any
}

// outcomes gives each case its page and status (pages and mail: "A page and status for each case").
var outcomes = map[invitation.Case]outcome{
	invitation.Review:     {"review", http.StatusOK, "review", ofInvitation(review)},
	invitation.Form:       {"answer", http.StatusOK, "answer", ofInvitation(form)},
	invitation.AcceptedBy: {"accepted", http.StatusOK, "result", ofInvitation(accepted)},
	invitation.DeclinedBy: {"declined", http.StatusOK, "result", ofInvitation(declined)},

	invitation.OtherTenant:      {"wrong-tenant", http.StatusForbidden, "notice", wrongTenant},
	invitation.NotAdmin:         {"not-admin", http.StatusForbidden, "notice", ofInvitation(notAdmin)},
	invitation.InviterNotActive: {"partner-not-active", http.StatusForbidden, "notice", partnerNotActive},
	invitation.OtherCloud:       {"cloud-mismatch", http.StatusForbidden, "notice", ofInvitation(cloudMismatch)},
	invitation.OtherRegion:      {"region-not-allowed", http.StatusForbidden, "notice", ofInvitation(regionNotAllowed)},

	invitation.NoPartnership: {"partnership-required", http.StatusConflict, "notice", ofInvitation(partnershipRequired)},
	invitation.NotEnrolled:   {"reseller-not-enrolled", http.StatusConflict, "notice", notEnrolled},

	invitation.Unknown:    unknown,
	invitation.TooLate:    {"expired", http.StatusGone, "notice", expired},
	invitation.Superseded: {"superseded", http.StatusGone, "notice", superseded},
	invitation.Answered:   {"answered", http.StatusGone, "notice", answered},

	invitation.RenewalForm:     {"renewal", http.StatusOK, "plea", ofInvitation(renewal)},
	invitation.RenewalAsked:    {"renewal-asked", http.StatusOK, "notice", ofInvitation(renewalAsked)},
	invitation.NoRenewal:       {"no-renewal", http.StatusOK, "notice", noRenewal},
	invitation.ReportForm:      {"report", http.StatusOK, "plea", report},
	invitation.Reported:        {"reported", http.StatusOK, "notice", reported},
	invitation.DisputeForm:     {"dispute", http.StatusOK, "plea", ofInvitation(dispute)},
	invitation.Disputed:        {"disputed", http.StatusOK, "notice", ofInvitation(disputed)},
	invitation.DisputeOver:     {"dispute-over", http.StatusGone, "notice", ofInvitation(disputeOver)},
	invitation.UnsubscribeForm: {"unsubscribe", http.StatusOK, "plea", unsubscribe},
	invitation.Unsubscribed:    {"unsubscribed", http.StatusOK, "notice", unsubscribed},
	invitation.AllowForm:       {"allow", http.StatusOK, "plea", allow},
	invitation.Allowed:         {"allowed", http.StatusOK, "notice", allowed},
}

// Outcomes that are no case of an invitation.
var (
	unknown        = outcome{"unknown", http.StatusNotFound, "notice", unknownLink}
	serviceTrouble = outcome{"service-trouble", http.StatusServiceUnavailable, "notice", troubled}
	malformed      = outcome{"malformed", http.StatusBadRequest, "notice", notUnderstood}
	tooLong        = outcome{"too-large", http.StatusRequestEntityTooLarge, "notice", notUnderstood}
	crossOrigin    = outcome{"cross-origin", http.StatusForbidden, "notice", fromElsewhere}
	signInOver     = outcome{"sign-in-over", http.StatusBadRequest, "notice", attemptOver}
	signInRefused  = outcome{"sign-in-refused", http.StatusForbidden, "notice", refused}
	noCompany      = outcome{"no-company", http.StatusForbidden, "notice", personalAccount}
)

// page is what every template gets.
type page struct {
	*locale.Printer
	*visit
	Name string // of the outcome
	Here string // path of the page with the chosen language; empty when the link is not known
	// Paths of the other pages of an invitation's link, with the chosen language; empty on the pages of other links.
	Request, SignIn, Renewal, Report string
	Allow                            string // where mails that were stopped are let through by who is signed in
	End                              string // where granular administration is ended
	Granular                         string // where that is which was approved with an invitation

	Portal    string // name of the place that the customer answers at (rule I17)
	Operator  string
	contactOf string         // the address of the operator
	Legal     []letter.Aside // how the operator is reached, its privacy notice and imprint
	Languages []language
	Now       time.Time // by the movable clock
	roles     granular.Table
	clouds    partner.Clouds
	chosen    string // the query that keeps the language; empty for none
	Title     string
	Summary   []fault // what is wrong with the form
	Content   any
	regions   partner.Regions

	Fillable bool   // it has a form to fill in
	FilledBy string // who fills it in, as [session.Room.Filler] says it; empty where nobody has to be signed in

	mayLeave       bool // a company ends a relationship on its own page
	needsAgreement bool // an acceptance has to sign the customer agreement (domain, 0.8)
}

// language is an entry of the language switch.
type language struct {
	Tag, Name, Link string
	Current         bool
}

//go:embed templates style.css result.css
var files embed.FS

// layout is what is the same for every request, made for the first one.
type layout struct {
	templates *template.Template
	policy    string
}

var design = sync.OnceValue(func() layout {
	t, policy := template.New("pages"), "default-src 'none'; style-src"
	sheets := []string{"style", "result"} // the second is for results alone: every page carries what it needs
	for _, name := range sheets {
		css, err := files.ReadFile(name + ".css")
		if err != nil {
			panic("pages: " + err.Error())
		}
		if name == "style" {
			css = append([]byte(palette.CSS), css...)
		}
		template.Must(t.New(name).Parse("<style>" + compact(string(css)) + "</style>"))
	}
	pages, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		panic("pages: " + err.Error())
	}
	for _, name := range pages {
		source, err := files.ReadFile(name)
		if err != nil {
			panic("pages: " + err.Error())
		}
		template.Must(t.New(path.Base(name)).Parse(terse(string(source))))
	}
	for _, name := range sheets {
		// The policy names the style sheet as the template writes it.
		var style bytes.Buffer
		if err := t.ExecuteTemplate(&style, name, nil); err != nil {
			panic("pages: " + err.Error())
		}
		sum := sha256.Sum256(bytes.TrimSuffix(bytes.TrimPrefix(style.Bytes(), []byte("<style>")), []byte("</style>")))
		policy += " 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return layout{t, policy + "; img-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"}
})

// terse drops from a template what HTML lets a page leave out: quotes around plain values, and the ends of what ends by itself.
func terse(source string) string { return ends.Replace(quoted().ReplaceAllString(source, "=$1$2")) }

// quoted is a value that needs no quotes. One before an action keeps them: all ways through the template have to end alike.
var (
	quoted = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`="([\w#.-]+)"([ >])`) })
	ends   = strings.NewReplacer("</li>", "", "</dt>", "", "</dd>", "", "</th>", "", "</td>", "", "</tr>", "", "</thead>", "", "</tbody>", "", "</option>", "")
)

// compact drops the space in the style sheet that only its writers need: every page carries it.
func compact(css string) string {
	var b strings.Builder
	for line := range strings.Lines(css) {
		b.WriteString(spaces.Replace(strings.TrimSpace(line)))
	}
	return names.Replace(strings.ReplaceAll(b.String(), ";}", "}"))
}

// names are short on the page and long in the style sheet. Every language here is written in lines from top to bottom, so that
// only what lies along a line has to follow the direction of writing.
var names = strings.NewReplacer("block-size", "height", "inline-size", "width", "-block-start", "-top", "-block-end", "-bottom", "inset-block-start", "top",
	"--accent", "--a", "--care-tint", "--y", "--care", "--z", "--card", "--c", "--edge", "--e", "--hover", "--h", "--ink", "--i", "--line", "--l", "--on", "--o",
	"--page", "--p", "--soft", "--s", "--tint", "--t", "--warn-tint", "--x", "--warn", "--w")

var spaces = strings.NewReplacer(": ", ":", "; }", "}", "; ", ";", ", ", ",", " { ", "{", " {", "{", " }", "}")

// headers are on every answer, redirects too.
func (h *site) headers(w http.ResponseWriter, v *visit) {
	set := w.Header().Set
	set("Cache-Control", "no-store")
	set("Content-Security-Policy", design().policy)
	// With no-referrer browsers send "Origin: null" with forms, which the cross-origin guard refuses.
	set("Referrer-Policy", "same-origin")
	set("X-Content-Type-Options", "nosniff")
	set("X-Frame-Options", "DENY")
	set("X-Robots-Tag", "noindex, nofollow")
	set("Permissions-Policy", "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), publickey-credentials-get=(), usb=()")
	set("Cross-Origin-Opener-Policy", "same-origin")
	set("Cross-Origin-Resource-Policy", "same-origin")
	if session.Encrypted(h.cloud(v)) {
		set("Strict-Transport-Security", "max-age=63072000; includeSubDomains")
	}
}

// printer chooses the language: what was asked for, what the inviter said, the browser's, the partner's, English (0.39).
func (h *site) printer(r *http.Request, v *visit) *locale.Printer {
	return locale.For(locale.Match(r.URL.Query().Get("lang"), v.said, r.Header.Get("Accept-Language"), v.locale))
}

// lead sets where the page leads.
func (p *page) lead(r *http.Request) {
	p.Here = p.here(r)
	if p.place != "" {
		cloud := p.cloud.ID
		if cloud == "" {
			cloud = p.clouds[0].ID
		}
		p.SignIn = p.signInFor(customerPath + "/sign-in/" + string(cloud) + p.chosen)
		p.leadRequest()
	}
	if p.purpose == link.Answer && p.place == "" {
		lang := chosen(r.URL.Query().Get("lang"))
		p.Request, p.SignIn, p.Renewal, p.Report = p.path("")+lang, p.path("/sign-in")+lang, p.path(asideRenewal)+lang, p.path(asideReport)+lang
	}
	if p.purpose == link.Granular && p.place == "" {
		lang := chosen(r.URL.Query().Get("lang"))
		p.Request, p.SignIn, p.End, p.Report = p.path("")+lang, p.path("/sign-in")+lang, p.path(asideEnd)+lang, p.path(asideReport)+lang
	}
	if (p.purpose == link.Answer || p.purpose == link.Granular) && p.place == "" {
		p.Allow = p.path(asideAllow) + chosen(r.URL.Query().Get("lang"))
		if p.aside == asideAllow {
			p.SignIn = leadToAllow(p.SignIn)
		}
	}
	if p.purpose == link.Verify {
		p.SignIn = p.path("/sign-in") + chosen(r.URL.Query().Get("lang"))
	}
	for _, tag := range locale.Tags {
		l := locale.For(tag)
		to := "?lang=" + l.Language()
		if own := p.path(p.aside); r.URL.Path != own { // the page of a sign-in
			to = own + to
		}
		p.Languages = append(p.Languages, language{l.Language(), l.Name(), to, l.Language() == p.Language()})
	}
}

// show writes a page; for HEAD only its header.
func (h *site) show(w http.ResponseWriter, r *http.Request, v *visit, o outcome) {
	if o.name == unknown.name && v.place != "" { // nobody has followed a link
		o = notAsked
	}
	p := &page{
		Printer: h.printer(r, v), visit: v, Name: o.name, Portal: h.cloud(v).PortalName,
		Operator: h.Operator.Name, contactOf: h.Operator.Contact,
		Now: h.Invitations.Now().UTC(), roles: h.Granular.Roles, regions: h.Invitations.Regions, clouds: h.clouds, chosen: chosen(r.URL.Query().Get("lang")),
		needsAgreement: h.Invitations.NeedsAgreement, mayLeave: h.Customers.MayLeave,
	}
	p.Legal = letter.Legal(p.Printer, h.Operator)
	if (v.token != "" || v.place != "") && o.name != unknown.name {
		p.lead(r)
	}
	if i := p.asInvitation(); o.template == "answer" && h.Invitations.Signs(i.letter.Invitation) {
		var err error
		if v.offer, err = h.Invitations.Offer(r.Context(), *v.person, p.Language()); err != nil {
			h.trouble(w, r, v, err)
			return
		}
	}
	if err := h.leadToRoles(r, p.asInvitation()); err != nil {
		h.Log.ErrorContext(r.Context(), "no link", "page", o.name, "error", err.Error())
	}
	p.Content = o.view(p)
	p.Fillable = isForm(o, p.Content)
	if standsBeside(r, v) && (p.Fillable || o.status == http.StatusOK) {
		o, p.Name, p.Fillable = beside, beside.name, false
		p.Content = o.view(p)
	}
	if err := h.fill(r, p); err != nil {
		h.Log.ErrorContext(r.Context(), "form without a name", "page", o.name, "error", err.Error())
	}
	var out bytes.Buffer
	if err := design().templates.ExecuteTemplate(&out, o.template+".html", p); err != nil {
		h.Log.ErrorContext(r.Context(), "page cannot be written", "page", o.name, "error", err.Error())
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	// What is between two tags on two lines is for the writers of templates. In what people wrote there is no tag.
	html := bytes.ReplaceAll(out.Bytes(), []byte(">\n<"), []byte("><"))
	h.headers(w, v)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", p.Language())
	w.Header().Set("Content-Length", strconv.Itoa(len(html)))
	if o.status == http.StatusUnauthorized { // RFC 9110, 15.5.2
		w.Header().Set("WWW-Authenticate", `Cookie realm="sign-in"`)
	}
	w.WriteHeader(o.status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(html) // the reader may have gone
	}
}
