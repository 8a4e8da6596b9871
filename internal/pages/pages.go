// Package pages answers emailed links: what somebody sees who follows one, the sign-in, the answer, and what a recipient can do
// beside answering.
//
// Looking writes nothing, whatever the method, however often and whoever signed in: only POST with a session, an explicit
// choice, a ticked authority and a typed name answers an invitation, and only POST with a reason or a ticked box does anything
// else. Which case a link is in is decided by package invitation; here each [invitation.Case] has its page and its status, in one
// table. Every page works without scripts and loads nothing.
package pages

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"concord/internal/customer"
	"concord/internal/emailaddr"
	"concord/internal/enrolment"
	"concord/internal/granular"
	"concord/internal/identity"
	"concord/internal/invitation"
	"concord/internal/link"
	"concord/internal/partner"
	"concord/internal/problem"
	"concord/internal/session"
)

// Keys makes and checks links and gives the keys of cookies by use, the one to encrypt with first. Named are the ids of keys that
// cookies name: that such a key is not among those given means that there is none.
//
// Verify gives [link.ErrMalformed] or [link.ErrUnknownKey] for a token that was not made here; any other error of a method
// means that the keys could not be had.
type Keys interface {
	Sign(ctx context.Context, p link.Purpose, l link.Link) (link.Secret, error)
	Verify(ctx context.Context, p link.Purpose, token string) (link.Link, error)
	Keys(ctx context.Context, use string, named ...uint16) ([]link.Key, error)
}

// Site is everything that the pages need. Its clouds are those of Invitations.
type Site struct {
	Invitations *invitation.Service
	Granular    *granular.Service
	Enrolments  enrolment.Confirmation // how primary contacts confirm their addresses
	Customers   customer.Portal
	Keys        Keys
	Operator    emailaddr.Operator    // who operates the deployment; every page says so
	Authorities *identity.Authorities // where people sign in
	Log         *slog.Logger
}

// asideSignIn is where the sign-in for a link begins.
const asideSignIn = "/sign-in"

// maxBody bounds a form, in bytes.
const maxBody = 64 << 10

// Handler gives the pages as one handler. It fails when a cloud's base URL is no origin.
func (s Site) Handler() (http.Handler, error) {
	h := &site{Site: s, clouds: s.Invitations.Clouds, room: s.newRoom(s.Invitations.Clouds)}
	mux := http.NewServeMux()
	mux.HandleFunc(routeStart, h.openStart)
	mux.HandleFunc(securityRoute, h.security)
	for _, d := range h.doors() {
		d.serve(mux)
	}
	for purpose, look := range map[link.Purpose]looking{
		link.Answer: h.lookInvitation, link.Granular: h.lookRoles, link.Verify: h.lookVerification,
	} {
		mux.HandleFunc("GET "+pattern(purpose, asideSignIn), h.signIn(purpose, look))
	}
	mux.HandleFunc("GET "+callbackPath, h.callback)
	mux.HandleFunc(routeCustomer, h.openCustomer)
	mux.HandleFunc(routeCustomerSignIn, h.signInCustomer)
	mux.HandleFunc(routeWanted, h.openWanted)
	mux.HandleFunc(routeSignedOut, h.signedOut)
	mux.HandleFunc(routeSignOut, h.signOut)
	mux.HandleFunc("/", h.astray)
	guarded, err := h.room.Guard(mux, h.plain(crossOrigin))
	if err != nil {
		return nil, err
	}
	return h.straighten(guarded), nil
}

// doors are all pages with a form: those of template.yaml.
func (h *site) doors() []door {
	return slices.Concat([]door{
		{site: h, path: pattern(link.Answer, ""), enter: h.at(link.Answer, ""), look: h.lookInvitation, act: h.answerInvitation},
		{site: h, path: pattern(link.Granular, ""), enter: h.at(link.Granular, ""), look: h.lookRoles, act: h.answerRoles},
		{
			site: h, path: pattern(link.Granular, asideEnd), enter: h.at(link.Granular, asideEnd), look: h.lookEnd, ticked: confirmed,
			act: h.endRoles,
		},
		{
			site: h, path: pattern(link.Verify, ""), enter: h.at(link.Verify, ""), look: h.lookVerification, early: true, ticked: confirmed,
			act: h.confirm,
		},
		{
			site: h, path: agreementPath, enter: h.atPlace, look: h.lookAgreement, home: true, act: h.signAgreement, fails: h.notTold,
		},
		{site: h, path: recordsPath + "{record}", enter: h.atPlace, look: h.lookRecord, home: true, act: h.speak, fails: h.notTold},
	}, h.inbox(), h.allowances(), h.pleadings(), h.withdrawals())
}

type site struct {
	Site
	clouds partner.Clouds
	room   *session.Room
}

// plain answers with a page that needs to know nothing.
func (h *site) plain(o outcome) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.show(w, r, &visit{}, o) })
}

// done marks the way from an answer to its result, which has to be read as it is now.
const done = "done"

// after gives where a person who has answered sees the result.
func after(here string) string {
	return with(here, done)
}

// redirect leads to a path of ours.
func (h *site) redirect(w http.ResponseWriter, r *http.Request, v *visit, to string) {
	h.headers(w, v)
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}

// retryAfter is how long to wait after trouble, unless the trouble says.
const retryAfter = 5 * time.Second

// trouble tells that something we depend on failed. The log says what; it never holds the link.
func (h *site) trouble(w http.ResponseWriter, r *http.Request, v *visit, err error) {
	wait := retryAfter
	if p, ok := errors.AsType[*problem.Error](err); ok && p.RetryAfter > 0 {
		wait = p.RetryAfter
	}
	h.Log.ErrorContext(r.Context(), "page failed", "route", r.Pattern, "invitation", v.link.ID, "error", withoutURL(err).Error())
	w.Header().Set("Retry-After", strconv.Itoa(max(1, int(wait/time.Second))))
	h.show(w, r, v, serviceTrouble)
}

// withoutURL gives the cause of a failed request without its URL, whose query may hold what nobody should read.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}
