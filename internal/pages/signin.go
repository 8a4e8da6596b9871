package pages

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strings"

	"concord/internal/identity"
	"concord/internal/link"
	"concord/internal/session"
)

const callbackPath = "/sign-in/callback"

// attempt is one sign-in under way.
type attempt struct {
	session.Attempt
	Link    link.Link
	Purpose link.Purpose // zero for [link.Answer], as attempts had it that know of no other
	Aside   string       // empty, [asideAllow], or the page of a request at the place
	Place   string       // instead of a link: [customerPath]
	Invited string       // the domain of the address that was invited
	Lang    string
	// Beside says that the form stands in another tab.
	Beside bool
}

// begin sends who visits a link to the provider.
func (h *site) begin(w http.ResponseWriter, r *http.Request, v *visit) {
	a := attempt{
		Attempt: session.NewAttempt(v.cloud.ID), Link: v.link, Purpose: v.purpose, Aside: v.aside, Place: v.place,
		Invited: session.DomainOf(v.mailed), Lang: strings.TrimPrefix(chosen(r.URL.Query().Get("lang")), "?lang="),
		Beside: r.URL.Query().Has(besideForm),
	}
	prompt := identity.AsUsual
	if r.URL.Query().Get("switch") != "" {
		prompt = identity.Anew
	}
	where, err := h.room.Begin(w, r, v.cloud, a.Attempt, a, prompt)
	if err != nil {
		h.trouble(w, r, v, err)
		return
	}
	h.redirect(w, r, v, where)
}

// callback ends a sign-in. Whatever it was given, it leads to the link or the place that the attempt's cookie holds and nowhere else.
func (h *site) callback(w http.ResponseWriter, r *http.Request) {
	v := &visit{}
	var a attempt
	ok, err := h.room.Resume(r, &a, &a.Attempt)
	if err != nil {
		h.trouble(w, r, v, err)
		return
	}
	if !ok {
		h.show(w, r, v, signInOver)
		return
	}
	v.link = a.Link
	cloud, err := h.clouds.Cloud(a.Cloud)
	if err != nil {
		h.trouble(w, r, v, err)
		return
	}
	v.cloud = cloud
	if err := h.back(r.Context(), v, a); err != nil {
		h.trouble(w, r, v, err)
		return
	}
	person, err := h.room.Identify(r, cloud, a.Attempt)
	r.URL.RawQuery = strings.TrimPrefix(chosen(a.Lang), "?")
	switch {
	case errors.Is(err, session.ErrDenied):
		h.show(w, r, v, signInRefused)
		return
	case errors.Is(err, session.ErrAgain):
		h.show(w, r, v, signInOver)
		return
	case errors.Is(err, identity.ErrNoCompany):
		h.show(w, r, v, noCompany)
		return
	case errors.Is(err, identity.ErrRefused):
		h.Log.WarnContext(r.Context(), "sign-in not proven", "invitation", v.link.ID, "error", err.Error())
		h.show(w, r, v, signInOver)
		return
	case err != nil:
		h.trouble(w, r, v, err)
		return
	}
	if err := h.room.Keep(r.Context(), w, cloud, session.Session{Person: person}, a.Invited); err != nil {
		h.trouble(w, r, v, err)
		return
	}
	h.room.Settle(w, cloud, a.Attempt)
	to := v.here(r)
	if a.Beside {
		to = with(to, besideForm)
	}
	h.redirect(w, r, v, to)
}

// back has pages lead back to where an attempt began.
func (h *site) back(ctx context.Context, v *visit, a attempt) error {
	if a.Place != "" {
		v.place = customerPath // there is no other
		if places().MatchString(customerPath + a.Aside) {
			v.aside = a.Aside
		}
		return nil
	}
	purpose := cmp.Or(a.Purpose, link.Answer)
	token, err := h.Keys.Sign(ctx, purpose, a.Link)
	if err == nil {
		v.purpose, v.token, v.aside = purpose, token.Reveal(), a.Aside
	}
	return err
}
