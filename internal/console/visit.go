package console

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"concord/internal/locale"
	"concord/internal/locale/messages"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/relationship"
	"concord/internal/session"
)

// visit is one request on its way: who asks, in which language, and what a form said.
type visit struct {
	*locale.Printer
	h     *site
	w     http.ResponseWriter
	r     *http.Request
	route *route
	now   time.Time

	person  *relationship.Person // who is signed in; nil for nobody
	user    partner.User
	account *partner.Account // of the person's company; nil for none
	cloud   partner.Cloud
	form    form
	once    string // a secret that the page to which a form leads shows, and no other
}

// languageCookie keeps the language that a reader chose.
const languageCookie = "concord-console-language"

var printers = func() map[string]func() *locale.Printer {
	all := map[string]func() *locale.Printer{}
	for _, tag := range locale.Tags {
		all[tag.String()] = sync.OnceValue(func() *locale.Printer { return locale.For(tag).With(messages.Console) })
	}
	return all
}()

// visit begins one: the language is the one of the query, which is kept, or else that which was kept, or the browser's.
func (h *site) visit(w http.ResponseWriter, r *http.Request, one *route) *visit {
	v := &visit{h: h, w: w, r: r, route: one, now: h.Now().UTC(), cloud: h.Clouds[0]}
	asked := r.URL.Query().Get("lang")
	kept := ""
	if c, err := r.Cookie(languageCookie); err == nil {
		kept = c.Value
	}
	tag := locale.Match(asked, kept, r.Header.Get("Accept-Language")).String()
	v.Printer = printers[tag]()
	if asked == tag && asked != kept {
		http.SetCookie(w, &http.Cookie{
			Name: languageCookie, Value: tag, Path: root, MaxAge: int(365 * 24 * time.Hour / time.Second),
			HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: session.Encrypted(h.Clouds[0]),
		})
	}
	return v
}

// enter finds out who asks. When it gives false, the request has been answered: nobody is signed in, the company has
// no account, or what was sent cannot be done by who is signed in now.
func (v *visit) enter() bool {
	s, err := v.h.room.Current(v.w, v.r)
	if err != nil {
		v.refuse(err)
		return false
	}
	posts := v.r.Method == http.MethodPost
	if posts {
		if err := v.read(); err != nil {
			v.refuse(err)
			return false
		}
	}
	switch {
	case s != nil && posts && s.Age() > fresh:
		s = nil // its roles may be others by now
	case s != nil && !posts && s.Age() > fresh/2:
		return v.refresh(s)
	}
	if s != nil {
		v.be(s.Person, s.Cloud)
	}
	if posts && !v.mayFill() {
		return false
	}
	if v.person == nil {
		v.signInPage()
		return false
	}
	return v.admitted()
}

// be has the visit be that of a person.
func (v *visit) be(p relationship.Person, at partner.CloudID) {
	v.person = &p
	v.user = partner.User{Subject: p.Subject, Tenant: p.Company.Tenant, Roles: p.Roles, Cloud: p.Company.Cloud}
	if c, err := v.h.Clouds.Cloud(at); err == nil {
		v.cloud = c
	}
}

// admitted looks at the account and at who may. When it gives false, the request has been answered.
func (v *visit) admitted() bool {
	account, err := v.h.Accounts.Account(v.r.Context(), v.user.Tenant, false)
	switch {
	case err == nil:
		v.account = &account
	case !problem.Is(err, problem.NotFound):
		v.refuse(err)
		return false
	case !v.route.who.anybody && !v.route.who.operates() && !slices.Contains(v.user.Roles, partner.Operator):
		v.redirect(enrolmentPath)
		return false
	}
	if err := v.route.who.permits(v.user, v.account); err != nil {
		v.refuse(err)
		return false
	}
	return true
}

// redirect leads to a path of ours.
func (v *visit) redirect(to string) {
	v.headers(policy)
	v.w.Header().Set("Location", to)
	v.w.WriteHeader(http.StatusSeeOther)
}

// flash is what a page says once, after what was done has led there. Secret is what it shows once.
type flash struct{ Path, Key, Secret string }

const flashCookie = "concord-console-flash"

// done leads to a page that says what was done, by the key of the sentence; empty for nothing to say.
func (v *visit) done(to, key string) {
	if key == "" {
		v.redirect(to)
		return
	}
	at, _, _ := strings.Cut(to, "?")
	if err := v.h.room.Put(v.r.Context(), v.w, v.cloud, flashCookie, v.h.room.Use, flash{at, key, v.once}, time.Minute); err != nil {
		v.h.Log.WarnContext(v.r.Context(), "nothing said of what was done", "route", v.r.Pattern, "error", err.Error())
	}
	v.redirect(to)
}

// said gives the sentence about what was done that the page is to say; empty for none.
func (v *visit) said() string {
	if f := v.led(); f.Key != "" {
		return v.T(f.Key)
	}
	return ""
}

// secret gives what the page is to show once; empty for nothing.
func (v *visit) secret() string { return v.led().Secret }

// led gives what what was done has left for the page.
func (v *visit) led() flash {
	if !slices.ContainsFunc(v.r.Cookies(), func(c *http.Cookie) bool { return strings.HasSuffix(c.Name, flashCookie) }) {
		return flash{}
	}
	var f flash
	if ok, err := v.h.room.Take(v.w, v.r, flashCookie, v.h.room.Use, &f); !ok || err != nil || f.Path != v.r.URL.Path {
		return flash{}
	}
	return f
}

// refuse answers with the page of an error. Another partner's id and one that there is not are the same 404.
func (v *visit) refuse(err error) {
	p, _ := errors.AsType[*problem.Error](err)
	switch {
	case p == nil, p.Code == problem.Internal, p.Code == problem.Unavailable:
		if u, ok := errors.AsType[*url.Error](err); ok { // its query may hold what nobody should read
			err = u.Err
		}
		v.h.Log.ErrorContext(v.r.Context(), "page failed", "route", v.r.Pattern, "error", err.Error())
		v.w.Header().Set("Retry-After", "5")
		v.notice(http.StatusServiceUnavailable, "console-trouble", "console.trouble.title", v.T("console.trouble.text"))
	case p.Code == problem.NotFound || p.Code == problem.RelationshipNotFound:
		v.missing()
	case p.Code == problem.RoleNotPermitted:
		v.notice(http.StatusForbidden, "console-not-allowed", "console.not-allowed.title", v.T("console.not-allowed.text"), v.wanted())
	case p.Code == problem.MalformedRequest:
		v.notice(http.StatusBadRequest, "console-malformed", "console.malformed.title", v.T("console.malformed.text"))
	default:
		v.notice(http.StatusConflict, "console-refused", "console.refused.title", v.sentence(p.Code, p.Detail))
	}
}

func (v *visit) missing() {
	v.notice(http.StatusNotFound, "console-not-found", "console.not-found.title", v.T("console.not-found.text"))
}

// wanted says whose roles the page asks for, and who has them to give.
func (v *visit) wanted() string {
	if v.route == nil || v.route.who.operation == "" || v.permitted(v.route.who.operation) {
		return v.T("console.not-allowed.kind") // the role is there, the company is of another kind
	}
	var roles []string
	for _, r := range v.route.who.operation.Roles() {
		roles = append(roles, v.role(r))
	}
	return v.T("console.not-allowed.roles", "roles", strings.Join(roles, " · "))
}

// correlationID names a request in the history of what it changes.
func correlationID() string { return rand.Text() }

// permitted reports whether a role of who is signed in allows an operation.
func (v *visit) permitted(o partner.Operation) bool { return v.user.Permit(o) == nil }

func (v *visit) ctx() context.Context { return v.r.Context() }

// nowhere answers what is no page. Who is not signed in learns the same.
func (h *site) nowhere(w http.ResponseWriter, r *http.Request) {
	v := h.visit(w, r, nil)
	if s, err := h.room.Current(w, r); err == nil && s != nil {
		v.be(s.Person, s.Cloud)
		if a, err := h.Accounts.Account(r.Context(), v.user.Tenant, false); err == nil {
			v.account = &a
		}
	}
	v.missing()
}

func (h *site) crossOrigin(w http.ResponseWriter, r *http.Request) {
	v := h.visit(w, r, nil)
	v.notice(http.StatusForbidden, "cross-origin", "console.cross-origin.title", v.T("console.cross-origin.text"))
}
