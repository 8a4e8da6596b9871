package pages

import (
	"errors"
	"net/http"
	"slices"

	"concord/internal/link"
	"concord/internal/locale"
	"concord/internal/problem"
)

// door is a page behind a link or at a place of ours that has a form: who comes, what there is to see, and what the form
// does. Every form that people send us goes through [door.send], whatever it is about.
type door struct {
	*site
	path string // the pattern without its method
	// enter says who comes and to what. When it gives false, the request has been answered.
	enter func(w http.ResponseWriter, r *http.Request) (*visit, bool)
	look  looking
	// free is set where nobody signs in: the link alone says what may be done, and it gives nobody anything.
	free bool
	// home is set at the place of a company, where who is not signed in is led to the sign-in.
	home bool
	// early has who is not signed in see what a link that leads nowhere else leads to, before the form is read.
	early bool
	// ticked reports whether the one box of the form is ticked; nil for a form that has another question.
	ticked func(field func(string) string) bool
	// act carries out what the form says. A crash before its write leaves the form to be sent again; one after it, or an
	// answer that gets lost, shows the result when the form is sent again. Findings of its error are about the form.
	act func(r *http.Request, v *visit, field func(string) string) (step, error)
	// fails answers an error; nil is [site.trouble].
	fails func(w http.ResponseWriter, r *http.Request, v *visit, err error)
}

// looking gives the page that v.person is shown at the path of a form, and whether that is the form. It writes nothing.
type looking func(r *http.Request, v *visit) (o outcome, form bool, err error)

// step is what a form came to.
type step struct {
	outcome
	form     bool // the form again, where something is wrong with it
	reworded bool // the form again: other words stand on it now than those that were read (invariant 14)
	done     bool // a browser goes on to the result, so that a reload asks and does not send
}

// serve routes the page and its form.
func (d door) serve(mux *http.ServeMux) {
	mux.HandleFunc("GET "+d.path, d.open) // and HEAD
	mux.HandleFunc("POST "+d.path, d.send)
}

// open shows what there is to see.
func (d door) open(w http.ResponseWriter, r *http.Request) {
	v, ok := d.enter(w, r)
	switch {
	case !ok:
	case d.home && v.person == nil:
		d.redirect(w, r, v, customerPath+chosen(r.URL.Query().Get("lang")))
	default:
		d.again(w, r, v, nil)
	}
}

// again shows what there is to see, and what is wrong with the form if it is that.
func (d door) again(w http.ResponseWriter, r *http.Request, v *visit, amiss []problem.Finding) {
	o, form, err := d.look(r, v)
	if err != nil {
		d.fail(w, r, v, err)
		return
	}
	if form && amiss != nil {
		v.invalid, o.status = amiss, http.StatusUnprocessableEntity
	}
	d.show(w, r, v, o)
}

func (d door) fail(w http.ResponseWriter, r *http.Request, v *visit, err error) {
	if d.fails == nil {
		d.trouble(w, r, v, err)
		return
	}
	d.fails(w, r, v, err)
}

// send takes the form: it reads it, looks who sends it and whether it was meant, and carries out what it says.
func (d door) send(w http.ResponseWriter, r *http.Request) {
	v, ok := d.enter(w, r)
	if !ok {
		return
	}
	over, ok := d.over(w, r, v)
	if !ok {
		return
	}
	read := d.sent
	if d.free {
		read = d.given
	}
	field, ok := read(w, r, v, d.look)
	switch {
	case !ok:
	case over != nil:
		d.show(w, r, v, *over)
	case d.ticked != nil && !d.ticked(field):
		d.again(w, r, v, unconfirmed)
	default:
		d.result(w, r, v, field)
	}
}

// over gives what a link leads to that leads to no form any more. When it gives false, the request has been answered.
func (d door) over(w http.ResponseWriter, r *http.Request, v *visit) (o *outcome, ok bool) {
	if !d.early {
		return nil, true
	}
	is, form, err := d.look(r, v)
	switch {
	case err != nil:
		d.fail(w, r, v, err)
		return nil, false
	case form || is.name == signInFirst:
		return nil, true
	case v.person == nil:
		d.show(w, r, v, is)
		return nil, false
	}
	return &is, true
}

// result carries out a form and shows what it came to.
func (d door) result(w http.ResponseWriter, r *http.Request, v *visit, field func(string) string) {
	s, err := d.act(r, v, field)
	refused, _ := errors.AsType[*problem.Error](err)
	switch {
	case refused != nil && len(refused.Findings) > 0:
		if s.form {
			v.invalid, s.status = refused.Findings, http.StatusUnprocessableEntity
		}
		d.show(w, r, v, s.outcome)
	case err != nil:
		d.fail(w, r, v, err)
	case s.reworded:
		v.reworded, s.status = true, http.StatusUnprocessableEntity
		d.show(w, r, v, s.outcome)
	case s.done:
		d.redirect(w, r, v, after(v.here(r)))
	default:
		d.show(w, r, v, s.outcome)
	}
}

// words says which words stand on the page of a form that was sent.
func (v *visit) words(r *http.Request) *locale.Printer {
	return locale.For(locale.Match(v.form.Words, r.URL.Query().Get("lang"), r.Header.Get("Accept-Language")))
}

// readOthers reports whether a form showed other words than those of now. Who fills in no form but sends its fields may say nothing of it.
func (v *visit) readOthers(words string) bool {
	return v.form.WordsRead != "" && v.form.WordsRead != words
}

// confirmed is [door.ticked] for our own box.
func confirmed(field func(string) string) bool { return field("confirm") == "on" }

// at is [door.enter] for the pages of a link that need to know who is signed in.
func (h *site) at(p link.Purpose, aside string) func(w http.ResponseWriter, r *http.Request) (*visit, bool) {
	return func(w http.ResponseWriter, r *http.Request) (*visit, bool) { return h.visitor(w, r, p, aside) }
}

// pattern is the path of the pages of a link's purpose.
func pattern(p link.Purpose, aside string) string { return "/" + string(rune(p)) + "/{token}" + aside }

// signInFirst names the page of a link that nobody who is signed in is shown, and signing are those that lead to a sign-in: who signs in
// may answer, decline, or be the one who has answered.
const signInFirst = "review"

var signingIn = []string{signInFirst, "answered", "partner-not-active", "allow-sign-in"}

// signIn begins a sign-in for a link, where what it leads to asks for one. Whoever was signed in signs in anew.
func (h *site) signIn(p link.Purpose, look looking) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, ok := h.enter(w, r, p, "")
		if !ok {
			return
		}
		look := look
		if p != link.Verify && toAllow(r) {
			v.aside, look = asideAllow, h.lookAllowed
		}
		o, _, err := look(r, v)
		switch {
		case err != nil:
			h.trouble(w, r, v, err)
		case !slices.Contains(signingIn, o.name):
			h.show(w, r, v, o)
		default:
			h.begin(w, r, v)
		}
	}
}
