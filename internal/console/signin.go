package console

import (
	"errors"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"concord/internal/identity"
	"concord/internal/partner"
	"concord/internal/relationship"
	"concord/internal/session"
)

// attempt is one sign-in under way, and where it leads back to.
type attempt struct {
	session.Attempt
	To string
	// Silent is set when roles are fetched again of who is signed in: nobody is asked anything, and the session goes
	// on.
	Silent bool
	Before session.Session `json:",omitzero"`
}

// inside gives a path of the console with its query, and the first page for whatever is none.
func inside(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Path != path.Clean(u.Path) ||
		u.Path != root && !strings.HasPrefix(u.Path, root+"/") || strings.HasPrefix(u.Path, signInPath) || strings.HasPrefix(u.Path, signOutPath) {
		return root
	}
	return (&url.URL{Path: u.Path, RawQuery: u.RawQuery}).String()
}

// signInPage is what who is not signed in sees everywhere.
func (v *visit) signInPage() {
	p := v.page("console.sign-in.title")
	p.Name, p.Template = "sign-in", "sign-in"
	to := root
	if v.route != nil && v.r.Method != http.MethodPost {
		to = inside(v.r.URL.RequestURI())
	}
	var ways []action
	for _, c := range v.h.Clouds {
		if v.h.Authorities.Serves(c.ID) {
			ways = append(ways, action{Label: v.T("console.sign-in.at", "portal", c.PortalName), Href: v.signInAt(c.ID, to)})
		}
	}
	p.Content = ways
	v.write(p)
}

func (v *visit) signInAt(c partner.CloudID, to string) string {
	at := signInPath + "/" + url.PathEscape(string(c))
	if to != root {
		at += "?to=" + url.QueryEscape(to)
	}
	return at
}

func (h *site) signIn(w http.ResponseWriter, r *http.Request) {
	v := h.visit(w, r, nil)
	cloud, err := h.Clouds.Cloud(partner.CloudID(r.PathValue("cloud")))
	if err != nil || !h.Authorities.Serves(cloud.ID) {
		v.missing()
		return
	}
	prompt := identity.AsUsual
	if r.URL.Query().Get("switch") != "" {
		prompt = identity.Anew
	}
	v.begin(cloud, attempt{Attempt: session.NewAttempt(cloud.ID), To: inside(r.URL.Query().Get("to"))}, prompt)
}

func (v *visit) begin(c partner.Cloud, a attempt, prompt identity.Prompt) {
	where, err := v.h.room.Begin(v.w, v.r, c, a.Attempt, a, prompt)
	if err != nil {
		v.refuse(err)
		return
	}
	v.redirect(where)
}

// refresh fetches the roles of who is signed in again, without a question. While the provider does not answer, roles
// count that are not older than [fresh]. It gives true when the page can be shown now.
func (v *visit) refresh(s *session.Session) bool {
	cloud, err := v.h.Clouds.Cloud(s.Cloud)
	if err == nil {
		a := attempt{Attempt: session.NewAttempt(cloud.ID), To: inside(v.r.URL.RequestURI()), Silent: true}
		a.Before = session.Session{Person: relationship.Person{Subject: s.Person.Subject}, Since: s.Since}
		a.Before.Person.Company.Tenant = s.Person.Company.Tenant
		var where string
		if where, err = v.h.room.Begin(v.w, v.r, cloud, a.Attempt, a, identity.Nothing); err == nil {
			v.redirect(where)
			return false
		}
	}
	if s.Age() > fresh {
		v.refuse(err)
		return false
	}
	v.be(s.Person, s.Cloud)
	return v.admitted()
}

// callback ends a sign-in, and leads to where it began and nowhere else.
func (h *site) callback(w http.ResponseWriter, r *http.Request) {
	v := h.visit(w, r, nil)
	var a attempt
	ok, err := h.room.Resume(r, &a, &a.Attempt)
	if err != nil {
		v.refuse(err)
		return
	}
	cloud, fault := h.Clouds.Cloud(a.Cloud)
	if !ok || fault != nil {
		v.again()
		return
	}
	person, err := h.room.Identify(r, cloud, a.Attempt)
	h.room.Settle(w, cloud, a.Attempt)
	switch {
	case (errors.Is(err, session.ErrAgain) || errors.Is(err, session.ErrDenied)) && a.Silent:
		h.room.End(w, r) // the provider has to ask something: so does the page that this leads to
		v.redirect(a.To)
	case errors.Is(err, session.ErrDenied):
		v.notice(http.StatusForbidden, "sign-in-refused", "console.sign-in.refused", v.T("console.sign-in.refused.text"))
	case errors.Is(err, session.ErrAgain), errors.Is(err, identity.ErrRefused):
		v.again()
	case errors.Is(err, identity.ErrNoCompany):
		v.notice(http.StatusForbidden, "no-company", "console.sign-in.no-company", v.T("console.sign-in.no-company.text"))
	case err != nil:
		v.refuse(err)
	default:
		v.stay(cloud, a, person)
	}
}

// stay keeps the session of who has signed in. One whose roles were fetched again is no longer for that.
func (v *visit) stay(c partner.Cloud, a attempt, person relationship.Person) {
	s := session.Session{Person: person}
	if a.Silent && session.Same(person, a.Before.Person) {
		s.Since, s.Read = a.Before.Since, time.Now().Unix()
	}
	if err := v.h.room.Keep(v.r.Context(), v.w, c, s, ""); err != nil {
		v.refuse(err)
		return
	}
	v.redirect(a.To)
}

func (v *visit) again() {
	v.notice(http.StatusBadRequest, "sign-in-over", "console.sign-in.over", v.T("console.sign-in.over.text"))
}

// signedOut says that nobody is signed in, or asks who is whether to end that.
func (h *site) signedOut(w http.ResponseWriter, r *http.Request) {
	v := h.visit(w, r, nil)
	s, err := h.room.Current(w, r)
	if err != nil {
		v.refuse(err)
		return
	}
	if s == nil {
		v.notice(http.StatusOK, "signed-out", "console.sign-out.done", v.T("console.sign-out.provider"))
		return
	}
	v.be(s.Person, s.Cloud)
	p := v.page("console.sign-out.title")
	p.Name, p.Template = "sign-out", "confirm"
	p.Content = confirmation{
		Printer: v.Printer, Action: signOutPath, Do: "sign-out", Label: v.T("console.sign-out.title"), Back: root,
		Text: []string{v.T("console.sign-out.text", "account", v.accountName()), v.T("console.sign-out.provider")},
	}
	v.write(p)
}

func (h *site) signOut(w http.ResponseWriter, r *http.Request) {
	h.room.End(w, r)
	h.visit(w, r, nil).redirect(signOutPath)
}
