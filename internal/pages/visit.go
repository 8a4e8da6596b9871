package pages

import (
	"errors"
	"net/http"

	"concord/internal/commerce"
	"concord/internal/customer"
	"concord/internal/enrolment"
	"concord/internal/granular"
	"concord/internal/invitation"
	"concord/internal/link"
	"concord/internal/locale"
	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/problem"
	"concord/internal/relationship"
)

// visit is what is known about a request so far.
type visit struct {
	link    link.Link
	purpose link.Purpose
	token   string            // empty while the link is not known
	aside   string            // what follows the token in the path: empty on the page of the link itself
	place   string            // the path of a page that needs no link; empty on every other
	letter  invitation.Letter // zero until the invitation was read
	grant   granular.Request  // on the pages of granular administration: zero until it was read
	// application is zero on every page that is none of an enrolment; on those the letter has the cloud, the language and whom it went to.
	application enrolment.Enrolment
	person      *relationship.Person
	partners    []customer.Partner  // of the company that the person is of
	past        []customer.Partner  // that have no right any more
	records     []customer.Found    // that partners created under its domains
	requests    []customer.Request  // what it is asked
	providers   []partnership.Seen  // in the company's own account
	offered     bool                // there is a customer agreement to sign
	signed      *commerce.Agreement // what that company has signed here itself; nil for nothing
	form        entered
	invalid     []problem.Finding
	// obstacle is why a form that was sent comes back; empty for none.
	obstacle obstacle
	offer    *commerce.Signable // what can be signed with an acceptance; nil for nothing
	// reworded is set when the form that was sent showed other words than those of now.
	reworded bool
}

// cloud is that of the invitation, and the first one while that is not known.
func (h *site) cloud(v *visit) partner.Cloud {
	if v.letter.Cloud.ID != "" {
		return v.letter.Cloud
	}
	return h.clouds[0]
}

// path gives the path of a page of the visited link or place.
func (v *visit) path(aside string) string {
	if v.place != "" {
		return v.place + aside
	}
	return v.purpose.Path(link.Secret(v.token)) + aside
}

// here gives the path of the visited page with the language that was chosen, if any.
func (v *visit) here(r *http.Request) string {
	return v.path(v.aside) + chosen(r.URL.Query().Get("lang"))
}

// chosen gives the query that keeps a language, and nothing for one that is not written.
func chosen(lang string) string {
	for _, tag := range locale.Tags {
		if lang == tag.String() {
			return "?lang=" + lang
		}
	}
	return ""
}

// enter checks the token of the path. When it gives false, the request has been answered.
func (h *site) enter(w http.ResponseWriter, r *http.Request, p link.Purpose, aside string) (*visit, bool) {
	v := &visit{}
	token := r.PathValue("token")
	l, err := h.Keys.Verify(r.Context(), p, token)
	if errors.Is(err, link.ErrMalformed) || errors.Is(err, link.ErrUnknownKey) {
		h.show(w, r, v, unknown)
		return nil, false
	}
	if err != nil {
		h.trouble(w, r, v, err)
		return nil, false
	}
	v.link, v.purpose, v.token, v.aside = l, p, token, aside
	return v, true
}

// visitor is enter for a page that needs to know who is signed in.
func (h *site) visitor(w http.ResponseWriter, r *http.Request, p link.Purpose, aside string) (*visit, bool) {
	v, ok := h.enter(w, r, p, aside)
	if !ok {
		return nil, false
	}
	var err error
	if v.person, err = h.session(w, r); err != nil {
		h.trouble(w, r, v, err)
		return nil, false
	}
	return v, true
}
