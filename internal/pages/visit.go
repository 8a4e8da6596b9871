package pages

import (
	"errors"
	"net/http"
	"time"

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

// visit is what is known about a request of HTTP so far, whatever kind of link or place it is for.
type visit struct {
	link    link.Link
	purpose link.Purpose
	token   string // empty while the link is not known
	aside   string // what follows the token in the path: empty on the page of the link itself
	place   string // the path of a page that needs no link; empty on every other
	person  *relationship.Person

	asked
	subject any // what the link or the place is about, of one of the types below; nil until it was read

	form    entered
	invalid []problem.Finding
	// obstacle is why a form that was sent comes back; empty for none.
	obstacle obstacle
	offer    *commerce.Signable // what can be signed with the form; nil for nothing
	// reworded is set when the form that was sent showed other words than those of now.
	reworded bool
}

// asked is what pages say of what they are about, whatever that is; zero until it was read.
type asked struct {
	from      partner.Account // who asks; on the pages of a company, whom the page is about
	cloud     partner.Cloud   // where it is answered
	mailed    string          // the address that its mail went to; empty for none
	locale    string          // of that mail
	said      string          // the language that who asks chose for it; empty where none was said
	until     time.Time       // when the time to answer is over; zero while that is not known
	vouched   bool            // everybody who asks may ask (domain, 0.43)
	barred    string          // the name of who may not; empty for nobody
	declines  bool            // of a request whose partner is not active: who is signed in can decline
	rehearsal bool
	answer    *reply // nil while there is none
}

// reply is an answer that was given.
type reply struct {
	name, email string
	company     string // as the answer has it, and of which tenant
	tenant      partner.TenantID
	at          time.Time
}

// A page about each kind of subject knows what is particular to that. What was not read is zero.
type (
	// invitationPage is behind the link of an invitation.
	invitationPage struct {
		*page
		letter invitation.Letter
	}
	// rolesPage is about granular administration, behind its link or at a company's place.
	rolesPage struct {
		*page
		grant granular.Request
	}
	// enrolmentPage is behind the link by which a contact confirms its address.
	enrolmentPage struct {
		*page
		application enrolment.Enrolment
	}
	// companyPage is at a company's own place.
	companyPage struct {
		*page
		*standing
	}
)

// standing is what a company has with partners.
type standing struct {
	partners  []customer.Partner
	past      []customer.Partner  // that have no right any more
	records   []customer.Found    // that partners created under its domains
	requests  []customer.Request  // what it is asked
	providers []partnership.Seen  // in the company's own account
	offered   bool                // there is a customer agreement to sign
	signed    *commerce.Agreement // what it has signed here itself; nil for nothing
	grant     granular.Request    // which a page is about
}

// ofInvitation, ofRoles, ofEnrolment and ofCompany have a view of one kind be that of a page.
func ofInvitation(view func(*invitationPage) any) func(*page) any {
	return func(p *page) any { return view(p.asInvitation()) }
}

func ofRoles(view func(*rolesPage) any) func(*page) any {
	return func(p *page) any { return view(p.asRoles()) }
}

func ofEnrolment(view func(*enrolmentPage) any) func(*page) any {
	return func(p *page) any {
		e, _ := p.subject.(enrolment.Enrolment)
		return view(&enrolmentPage{p, e})
	}
}

func ofCompany(view func(*companyPage) any) func(*page) any {
	return func(p *page) any { return view(&companyPage{p, p.own()}) }
}

func (p *page) asInvitation() *invitationPage {
	l, _ := p.subject.(invitation.Letter)
	return &invitationPage{p, l}
}

func (p *page) asRoles() *rolesPage {
	switch s := p.subject.(type) {
	case granular.Request:
		return &rolesPage{p, s}
	case *standing:
		return &rolesPage{p, s.grant}
	}
	return &rolesPage{page: p}
}

// invited takes the invitation that a link leads to.
func (v *visit) invited(t invitation.Letter) {
	i := t.Invitation
	v.subject = t
	v.asked = asked{
		from: t.Inviter, cloud: t.Cloud, mailed: i.RecipientEmail, locale: i.Locale, said: i.LocaleSaid(), until: i.ExpiresAt,
		vouched: t.Vouched(), declines: t.Declines, rehearsal: i.Sandbox,
	}
	if a := t.Barred(); a != nil {
		v.barred = a.DisplayName
	}
	if a := i.Answer; a != nil {
		v.answer = &reply{a.FullName, a.Email, a.Company, a.Tenant, a.At}
	}
}

// granted takes the granular administration that a link leads to.
func (v *visit) granted(q granular.Request) {
	v.subject = q
	v.asked = asked{
		from: q.Partner, cloud: q.Portal, mailed: q.Mail.To, locale: q.Mail.Locale, said: locale.Said(q.Mail.Locale, q.Mail.LocaleAsked),
		until: q.ApproveBy, vouched: q.Partner.Status == partner.Active, declines: q.Rejects(v.person),
	}
	if a := q.Answer; a != nil {
		v.answer = &reply{name: a.FullName, email: a.Email, at: a.At}
	}
}

// reported takes granular administration about whose mail somebody pleads, whether or not it was answered: the pleading is the same.
func (v *visit) reported(q granular.Request) {
	v.granted(q)
	v.answer = nil
}

// applied takes the enrolment that a link leads to.
func (v *visit) applied(e enrolment.Enrolment, cloud partner.Cloud) {
	v.subject = e
	v.asked = asked{cloud: cloud, mailed: e.Contact.Email, locale: e.Locale, said: locale.Said(e.Locale, e.LocaleAsked)}
}

// own gives what the company of who is signed in has with partners, which its pages fill in.
func (v *visit) own() *standing {
	s, ok := v.subject.(*standing)
	if !ok {
		s = &standing{}
		v.subject = s
	}
	return s
}

// cloud is that of what is asked, and the first one while that is not known.
func (h *site) cloud(v *visit) partner.Cloud {
	if v.cloud.ID != "" {
		return v.cloud
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
