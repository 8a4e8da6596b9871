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
	"crypto/rand"
	"errors"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"concord/internal/commerce"
	"concord/internal/customer"
	"concord/internal/emailaddr"
	"concord/internal/enrolment"
	"concord/internal/granular"
	"concord/internal/identity"
	"concord/internal/invitation"
	"concord/internal/link"
	"concord/internal/locale"
	"concord/internal/partner"
	"concord/internal/partnership"
	"concord/internal/problem"
	"concord/internal/relationship"
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

func (h *site) open(w http.ResponseWriter, r *http.Request) {
	if v, ok := h.visitor(w, r, link.Answer, ""); ok {
		h.opened(w, r, v)
	}
}

// opened shows what a request for a relationship or a partnership leads to, however it was found.
func (h *site) opened(w http.ResponseWriter, r *http.Request, v *visit) {
	letter, c, err := h.Invitations.Look(r.Context(), v.link, v.person, r.URL.Query().Has(done))
	if err != nil {
		h.trouble(w, r, v, err)
		return
	}
	v.letter = letter
	h.show(w, r, v, outcomes[c])
}

// entered is the form as it was filled in.
type entered struct {
	Answer, FullName, JobTitle, CompanyName, Country, Reason, Comment string
	Authorized, AuthorizeProvider                                     bool
	// Words is the language that the form was in, and WordsRead which words those were, as [edition] says it. Who fills in no
	// form but sends its fields may leave them out.
	Words, WordsRead string
	// Agreement says that the customer agreement is signed, and AgreementRead which words of it were read, as [wording] says it.
	Agreement     bool
	AgreementRead string
	// Signs and the next four are of the customer agreement on the company's own page.
	Signs                             bool
	FirstName, LastName, Email, Phone string

	Confirmed bool // the box of a form that has no other
	// FilledBy says who began to fill the form in, as [session.Room.Filler] does.
	FilledBy string
}

// lookAnswer is [looking] for the answer to an invitation.
func (h *site) lookAnswer(ctx context.Context, v *visit) (outcome, bool, error) {
	letter, c, err := h.Invitations.Look(ctx, v.link, v.person, true)
	v.letter = letter
	return outcomes[c], c.MayDecline(), err
}

// answer is [site.answered] for a link.
func (h *site) answer(w http.ResponseWriter, r *http.Request) {
	if v, ok := h.visitor(w, r, link.Answer, ""); ok {
		h.answered(w, r, v)
	}
}

// answered carries out an answer. A crash before the domain's write leaves the form to be sent again; one after it, or an
// answer that gets lost, shows the result when the form is sent again.
func (h *site) answered(w http.ResponseWriter, r *http.Request, v *visit) {
	if _, ok := h.sent(w, r, v, h.lookAnswer); !ok {
		return
	}
	here := v.here(r)
	words := consent(locale.For(locale.Match(v.form.Words, r.URL.Query().Get("lang"), r.Header.Get("Accept-Language"))))
	if v.form.WordsRead != "" && v.form.WordsRead != edition(words) {
		h.askAgain(w, r, v)
		return
	}
	var signs *relationship.AttestedText
	if v.form.Agreement && v.form.Answer == "accept" {
		offer, err := h.Invitations.Offer(r.Context(), *v.person, words.Language)
		if err != nil {
			h.trouble(w, r, v, err)
			return
		}
		if offer != nil {
			if signs = new(offer.Words()); v.form.AgreementRead != wording(*signs) {
				h.askAgain(w, r, v)
				return
			}
		}
	}
	letter, c, err := h.Invitations.Respond(r.Context(), v.link, *v.person, invitation.Response{
		Answer: v.form.Answer, Authorized: v.form.Authorized, AuthorizeProvider: v.form.AuthorizeProvider, FullName: v.form.FullName, JobTitle: v.form.JobTitle,
		CompanyName: v.form.CompanyName, Country: v.form.Country, Reason: v.form.Reason, Comment: v.form.Comment,
		Signer: invitation.Signer{FirstName: v.form.FirstName, LastName: v.form.LastName, Email: v.form.Email, Phone: v.form.Phone}, Consent: words, Signs: signs, CorrelationID: rand.Text(),
	})
	v.letter = letter
	p, _ := errors.AsType[*problem.Error](err)
	switch {
	case p != nil && slices.ContainsFunc(p.Findings, func(f problem.Finding) bool {
		return slices.Contains([]string{"/firstName", "/lastName", "/email", "/phone"}, f.Pointer)
	}):
		h.show(w, r, v, malformed) // the page has no such field
	case p != nil && len(p.Findings) > 0:
		o := outcomes[c]
		// Accepting where only declining is possible is no mistake in the form: the page says why.
		if c == invitation.Form || v.form.Answer == "decline" {
			v.invalid = p.Findings
			o.status = http.StatusUnprocessableEntity
		}
		h.show(w, r, v, o)
	case err != nil:
		h.trouble(w, r, v, err)
	case c == invitation.AcceptedBy, c == invitation.DeclinedBy:
		h.Log.InfoContext(r.Context(), "answered", "invitation", v.link.ID, "case", string(c))
		// A browser goes on to the result, so that a reload asks and does not send.
		h.redirect(w, r, v, after(here))
	default:
		h.show(w, r, v, outcomes[c])
	}
}

// askAgain shows the form with what was entered, since other words stand on it now than those that were read (invariant 14).
func (h *site) askAgain(w http.ResponseWriter, r *http.Request, v *visit) {
	letter, c, err := h.Invitations.Look(r.Context(), v.link, v.person, true)
	if err != nil {
		h.trouble(w, r, v, err)
		return
	}
	v.letter = letter
	o := outcomes[c]
	if c == invitation.Form {
		v.reworded = true
		o.status = http.StatusUnprocessableEntity
	}
	h.show(w, r, v, o)
}

// unreadable is the page for a body that is no form of ours.
func unreadable(err error) outcome {
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return tooLong
	}
	return malformed
}

var errNotAForm = errors.New("pages: not a form")

// The ways in which a form is sent. Browsers use the first for ours; a mail provider may use either (RFC 8058).
const (
	urlEncoded = "application/x-www-form-urlencoded"
	multipart  = "multipart/form-data"
)

// formOf reads a form that was sent in one of some ways, and gives its fields. A field that is sent twice says nothing.
func formOf(w http.ResponseWriter, r *http.Request, ways ...string) (func(name string) string, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	way, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || !slices.Contains(ways, way) {
		return nil, errNotAForm
	}
	if way == multipart {
		err = r.ParseMultipartForm(maxBody) // all of it fits into memory
	} else {
		err = r.ParseForm()
	}
	if err != nil {
		return nil, err
	}
	return func(name string) string {
		if v := r.PostForm[name]; len(v) == 1 {
			return v[0]
		}
		return ""
	}, nil
}

// filled takes what a form of ours says.
func filled(one func(name string) string) entered {
	return entered{
		Answer: one("answer"), Authorized: one("authorized") == "on", AuthorizeProvider: one("authorizeProvider") == "on", FullName: one("fullName"), JobTitle: one("jobTitle"),
		CompanyName: one("companyName"), Country: one("country"), Reason: one("reason"), Comment: strings.ReplaceAll(one("comment"), "\r\n", "\n"),
		Words: one("words"), WordsRead: one("wordsRead"), Agreement: one("signAgreement") == "on", AgreementRead: one("agreementRead"),
		Signs: one("signAgreement") == "on", FirstName: one("firstName"), LastName: one("lastName"), Email: one("email"), Phone: one("phone"),
		Confirmed: one("confirm") == "on", FilledBy: one("filledBy"),
	}
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
