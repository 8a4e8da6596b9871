package pages

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"concord/internal/invitation"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/relationship"
)

// A session lasts for sessionTime after the last look at a page, and sessionMost after the sign-in.
const (
	sessionTime = 30 * time.Minute
	sessionMost = 8 * time.Hour
	// sessionPace is how old a session's cookie gets before a page renews it.
	sessionPace = 5 * time.Minute
	// formTime is how long a form says who began to fill it in.
	formTime = 24 * time.Hour
	formName = "concord-form"
)

// session is what the cookie of who is signed in holds.
type session struct {
	Person invitation.Person
	Cloud  partner.CloudID // at whose portal the person signed in
	Since  int64           // Unix seconds of the sign-in
	At     int64           // when the cookie was made
}

// session gives who is signed in, and nil for nobody. It renews the session by the way.
func (h *site) session(w http.ResponseWriter, r *http.Request) (*invitation.Person, error) {
	var s session
	ok, err := h.recall(r, sessionCookie, sessionUse, &s)
	if !ok || err != nil || s.Person.Subject == "" {
		return nil, err
	}
	if cloud, err := h.clouds.Cloud(s.Cloud); err == nil && time.Since(time.Unix(s.At, 0)) >= sessionPace {
		if err := h.keepSession(r.Context(), w, cloud, s, ""); err != nil {
			h.Log.WarnContext(r.Context(), "session not renewed", "error", err.Error())
		}
	}
	return &s.Person, nil
}

// keepSession sets the session. A company with more domains than a cookie holds keeps the first ones, and the invited one among
// them, which the answer is compared with. Another invitation that the same session answers may find its domain cut off: then
// the partner is asked to confirm a customer that it need not have (domain, 0.25), never the other way round.
func (h *site) keepSession(ctx context.Context, w http.ResponseWriter, c partner.Cloud, s session, invited string) error {
	now := time.Now()
	if s.Since == 0 {
		s.Since = now.Unix()
	}
	s.Cloud, s.At = c.ID, now.Unix()
	lasts := min(sessionTime, time.Unix(s.Since, 0).Add(sessionMost).Sub(now))
	if lasts <= 0 {
		return nil
	}
	for {
		text, err := h.seal(ctx, sessionCookie, sessionUse, s, lasts)
		if err != nil {
			return err
		}
		if n := len(s.Person.Company.Domains); len(text) > maxCookie && n > 0 {
			s.Person.Company.Domains = someDomains(s.Person.Company.Domains, n*3/4, invited)
			continue
		}
		h.set(w, c, sessionCookie, text, lasts)
		return nil
	}
}

// someDomains gives the first n domains of a company, the invited one among them.
func someDomains(all []string, n int, invited string) []string {
	kept := slices.Clone(all[:n])
	own := slices.IndexFunc(all, func(d string) bool { return domainOf("@"+d) == invited })
	if invited != "" && own >= n && n > 0 {
		kept[n-1] = all[own]
	}
	return kept
}

// formDomains is how many domains of a company a form knows.
const formDomains = 4

// filler says in a form who began to fill it in. That proves nothing: it only tells whose words a form holds whose session has ended
// meanwhile, so that they are shown again to nobody else, and how the page of that person looks.
func (h *site) filler(ctx context.Context, v *visit) (string, error) {
	p := *v.person
	if n := len(p.Company.Domains); n > formDomains {
		p.Company.Domains = someDomains(p.Company.Domains, formDomains, domainOf(v.letter.Invitation.RecipientEmail))
	}
	c := p.Company
	return h.seal(ctx, formName, sessionUse, [][]string{
		{p.Subject, p.Name, p.Email, string(c.Tenant), c.CompanyName, c.Country, c.CountrySource, string(c.Cloud)}, c.Domains, rolesAs[string](p.Roles),
	}, formTime)
}

func rolesAs[To, From ~string](all []From) []To {
	list := make([]To, len(all))
	for n, one := range all {
		list[n] = To(one)
	}
	return list
}

// filledBy gives who began to fill in a form, and nil for nobody that it says.
func (h *site) filledBy(ctx context.Context, text string) (*invitation.Person, error) {
	value, ok := parse(text)
	if !ok {
		return nil, nil
	}
	keys, err := h.Keys.Keys(ctx, sessionUse, value.key)
	if err != nil {
		return nil, err
	}
	var parts [][]string
	if !value.unseal(keys, formName, &parts, time.Now()) || len(parts) != 3 || len(parts[0]) != 8 {
		return nil, nil
	}
	one := parts[0]
	return &invitation.Person{
		Subject: one[0], Name: one[1], Email: one[2], Roles: rolesAs[partner.Role](parts[2]),
		Company: relationship.Customer{
			Tenant: partner.TenantID(one[3]), CompanyName: one[4], Country: one[5], CountrySource: one[6], Cloud: partner.CloudID(one[7]), Domains: parts[1],
		},
	}, nil
}

// What stands in the way of a form that was sent.
type obstacle string

const (
	sessionIsOver obstacle = "session"
	anotherPerson obstacle = "person"
)

// looking gives the page that v.person is shown at the path of a form, and whether that is the form.
type looking func(ctx context.Context, v *visit) (o outcome, form bool, err error)

// sent reads a form that only who is signed in may send, and gives its fields. When it gives false, nothing was recorded and the request
// has been answered:
//
//   - The session has ended meanwhile: 401, and the form again as it was filled in, but for the choices that bind. Whoever signs in
//     elsewhere sends it again.
//   - Somebody else is signed in by now: 401, and an empty form.
//   - Another language was chosen: the form in that language, as it was filled in, but for the choices that bind: they were made under
//     other words.
func (h *site) sent(w http.ResponseWriter, r *http.Request, v *visit, look looking) (field func(string) string, ok bool) {
	field, err := formOf(w, r, urlEncoded)
	if err != nil {
		h.show(w, r, v, unreadable(err))
		return nil, false
	}
	v.form = filled(field)
	translated(r, field)
	who, err := h.filledBy(r.Context(), v.form.FilledBy)
	if err != nil {
		h.trouble(w, r, v, err)
		return nil, false
	}
	status := http.StatusUnauthorized
	switch p := v.person; {
	case p == nil && who == nil:
		h.sessionOver(w, r, v)
		return nil, false
	case p == nil:
		v.person, v.obstacle = who, sessionIsOver
		v.form.unbind()
	case who != nil && (who.Subject != p.Subject || who.Company.Tenant != p.Company.Tenant):
		v.form, v.obstacle = entered{}, anotherPerson
	case translated(r, field):
		v.form.unbind()
		status = http.StatusOK
	default:
		return field, true
	}
	switch o, form, err := look(r.Context(), v); {
	case v.obstacle == sessionIsOver && (err == nil && !form || problem.Is(err, problem.RoleNotPermitted) || problem.Is(err, problem.NotFound)):
		h.sessionOver(w, r, v) // what else there is to see is for who is signed in
	case err != nil:
		h.notTold(w, r, v, err)
	default:
		if form {
			o.status = status
		} else {
			v.obstacle = ""
		}
		h.show(w, r, v, o)
	}
	return nil, false
}

// translated reports whether a form was sent for its page in another language, by a button of the language switch, and has the answer be in
// that one. What was typed is in no URL.
func translated(r *http.Request, field func(string) string) bool {
	query := strings.TrimPrefix(chosen(field("lang")), "?")
	if query != "" {
		r.URL.RawQuery = query
	}
	return query != ""
}

// sessionOver answers who has sent something without being signed in.
func (h *site) sessionOver(w http.ResponseWriter, r *http.Request, v *visit) {
	v.person, v.obstacle = nil, ""
	h.show(w, r, v, outcome{"session-over", http.StatusUnauthorized, "notice", sessionEnded})
}

// unbind takes out what a form says of choices that bind: they are made again by who sees what they mean.
func (e *entered) unbind() {
	e.Answer, e.Authorized, e.AuthorizeProvider, e.Agreement, e.Signs, e.Confirmed = "", false, false, false, false, false
}

func sessionEnded(p *page) any {
	p.Title = p.T("session.over.title")
	return notice{Text: []string{p.T("session.over.text"), p.T("session.over.sign-in")}, Link: p.SignIn, Label: p.T("page.review.sign-in")}
}

// hurdle is what is said above a form that was sent in vain.
type hurdle struct {
	Title string
	Text  []string
	Link  string // where to sign in, beside the form; empty for nowhere
	Label string
}

// Hurdle gives it; nil for none.
func (p *page) Hurdle() *hurdle {
	switch p.obstacle {
	case sessionIsOver:
		return &hurdle{p.T("session.form.title"), []string{p.T("session.form.text"), p.T("session.form.again")}, p.SignIn, p.T("session.form.sign-in")}
	case anotherPerson:
		return &hurdle{Title: p.T("session.other.title"), Text: []string{p.T("session.other.text", "account", p.account())}}
	default:
		return nil
	}
}

// The routes of the end of a session.
const (
	signOutPath = "/sign-out"

	routeSignedOut = "GET " + signOutPath // and HEAD
	routeSignOut   = "POST " + signOutPath
)

// signedOut shows the form that ends a session, or that there is none.
func (h *site) signedOut(w http.ResponseWriter, r *http.Request) {
	v := &visit{place: signOutPath}
	var err error
	if v.person, err = h.session(w, r); err != nil {
		h.trouble(w, r, v, err)
		return
	}
	if v.person != nil {
		h.show(w, r, v, outcome{"sign-out", http.StatusOK, pleaTemplate, sessionStands})
		return
	}
	h.show(w, r, v, outcome{"signed-out", http.StatusOK, "notice", sessionLeft})
}

// signOut ends the session in this browser. What the identity provider remembers is its own.
func (h *site) signOut(w http.ResponseWriter, r *http.Request) {
	for _, c := range r.Cookies() {
		if strings.TrimPrefix(c.Name, hostPrefix) == sessionCookie {
			h.drop(w, c.Name)
		}
	}
	h.redirect(w, r, &visit{place: signOutPath}, signOutPath+chosen(r.URL.Query().Get("lang")))
}

func sessionStands(p *page) any {
	p.Title = p.T("session.sign-out")
	return plea{Facts: p.signedIn(), Text: []string{p.T("session.out.provider")}, Send: p.T("session.sign-out")}
}

func sessionLeft(p *page) any {
	p.Title = p.T("session.out.title")
	return notice{Text: []string{p.T("session.out.text"), p.T("session.out.provider")}, Link: customerPath + p.chosen, Label: p.T("page.customer.all")}
}

// SignOut is where who is signed in signs out; empty where nobody is.
func (p *page) SignOut() string {
	if p.person == nil || p.obstacle == sessionIsOver || p.Name == unknown.name || p.place == signOutPath {
		return ""
	}
	return signOutPath + p.chosen
}

// unconfirmed is what is wrong with a form whose one box was not ticked.
var unconfirmed = []problem.Finding{{Pointer: "/confirm", Code: problem.ValidationFailed}}

// fill has the form of a page say who fills it in, or what it said before.
func (h *site) fill(r *http.Request, p *page) (err error) {
	if p.person == nil || !p.Fillable {
		return nil
	}
	if p.obstacle == sessionIsOver {
		p.FilledBy = p.form.FilledBy
		return nil
	}
	p.FilledBy, err = h.filler(r.Context(), p.visit)
	return err
}

// isForm reports whether a page has a form to fill in.
func isForm(o outcome, content any) bool {
	switch c := content.(type) {
	case plea:
		return true
	case notice:
		return c.Decline != nil
	default:
		return o.template == "answer" || o.template == "granular" || o.template == "agreement"
	}
}
