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

// The routes: those of template.yaml, with those of pleadings and allowances.
const (
	routePage     = "GET /i/{token}" // and HEAD
	routeAnswer   = "POST /i/{token}"
	routeSignIn   = "GET /i/{token}" + asideSignIn
	routeCallback = "GET " + callbackPath

	asideSignIn = "/sign-in"
)

// maxBody bounds a form, in bytes.
const maxBody = 64 << 10

// Handler gives the pages as one handler. It fails when a cloud's base URL is no origin.
func (s Site) Handler() (http.Handler, error) {
	h := &site{Site: s, clouds: s.Invitations.Clouds, room: s.newRoom(s.Invitations.Clouds)}
	mux := http.NewServeMux()
	mux.HandleFunc(routeStart, h.openStart)
	mux.HandleFunc(securityRoute, h.security)
	mux.HandleFunc(routePage, h.open)
	mux.HandleFunc(routeAnswer, h.answer)
	mux.HandleFunc(routeSignIn, h.signIn)
	mux.HandleFunc(routeCallback, h.callback)
	mux.HandleFunc(routeGranular, h.openGranular)
	mux.HandleFunc(routeGranularAnswer, h.answerGranular)
	mux.HandleFunc(routeGranularSignIn, h.signInGranular)
	mux.HandleFunc(routeGranularEnd, h.openEnd)
	mux.HandleFunc(routeGranularEnding, h.endGranular)
	mux.HandleFunc(routeVerification, h.openVerification)
	mux.HandleFunc(routeConfirm, h.confirm)
	mux.HandleFunc(routeVerifySignIn, h.verifySignIn)
	mux.HandleFunc(routeCustomer, h.openCustomer)
	mux.HandleFunc(routeCustomerSignIn, h.signInCustomer)
	mux.HandleFunc(routeRequest, h.openRequest)
	mux.HandleFunc(routeAnswering, h.answerRequest)
	mux.HandleFunc(routeRequestNot, h.openNot)
	mux.HandleFunc(routeSayNot, h.sayNot)
	mux.HandleFunc(routeWanted, h.openWanted)
	mux.HandleFunc(routeRecord, h.openRecord)
	mux.HandleFunc(routeSpeak, h.speak)
	for _, d := range h.withdrawals() {
		mux.HandleFunc("GET "+customerPath+d.place, d.open)
		mux.HandleFunc("POST "+customerPath+d.place, d.act)
	}
	mux.HandleFunc(routeAgreement, h.openAgreement)
	mux.HandleFunc(routeSignature, h.signAgreement)
	mux.HandleFunc(routeSignedOut, h.signedOut)
	mux.HandleFunc(routeSignOut, h.signOut)
	for _, a := range h.allowances() {
		mux.HandleFunc("GET "+a.pattern(), a.look)
		mux.HandleFunc("POST "+a.pattern(), a.act)
	}
	for _, p := range h.pleadings() {
		mux.HandleFunc("GET "+p.pattern(), p.look)
		mux.HandleFunc("POST "+p.pattern(), p.ask)
	}
	mux.HandleFunc("/", h.astray)
	guarded, err := h.room.Guard(mux, h.plain(crossOrigin))
	if err != nil {
		return nil, err
	}
	return h.straighten(guarded), nil
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
