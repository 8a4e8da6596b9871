package pages

import (
	"net/http"
	"strings"

	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/relationship"
	"concord/internal/session"
)

// newRoom is where people sign in to answer links and to look at their company's own page.
func (s Site) newRoom(clouds partner.Clouds) *session.Room {
	return &session.Room{
		Cookie: "concord-session", Attempts: "concord-sign-in-", Use: "session", AttemptUse: "sign-in", Callback: callbackPath,
		Keys: s.Keys, Clouds: clouds, Authorities: s.Authorities, Log: s.Log,
	}
}

// session gives who is signed in, and nil for nobody.
func (h *site) session(w http.ResponseWriter, r *http.Request) (*relationship.Person, error) {
	s, err := h.room.Current(w, r)
	if s == nil || err != nil {
		return nil, err
	}
	return &s.Person, nil
}

// What stands in the way of a form that was sent.
type obstacle string

const (
	sessionIsOver obstacle = "session"
	anotherPerson obstacle = "person"
)

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
	who, err := h.room.FilledBy(r.Context(), v.form.FilledBy)
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
	case who != nil && !session.Same(*who, *p):
		v.form, v.obstacle = entered{}, anotherPerson
	case translated(r, field):
		v.form.unbind()
		status = http.StatusOK
	default:
		return field, true
	}
	switch o, form, err := look(r, v); {
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
		return &hurdle{
			p.T("session.form.title"), []string{p.T("session.form.text"), p.T("session.form.again")},
			leadBeside(p.SignIn), p.T("session.form.sign-in"),
		}
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
	h.room.End(w, r)
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
	p.FilledBy, err = h.room.Filler(r.Context(), *p.person, session.DomainOf(p.mailed))
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
