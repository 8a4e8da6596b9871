package session

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"concord/internal/emailaddr"
	"concord/internal/partner"
	"concord/internal/relationship"
)

// A session lasts for slides after the last look at a page, and most after the sign-in.
const (
	slides = 30 * time.Minute
	most   = 8 * time.Hour
	// pace is how old a session's cookie gets before a page renews it.
	pace = 5 * time.Minute
	// formTime is how long a form says who began to fill it in.
	formTime = 24 * time.Hour
	formName = "concord-form"
)

// Session is what the cookie of who is signed in holds.
type Session struct {
	Person relationship.Person
	Cloud  partner.CloudID // at whose portal the person signed in
	Since  int64           // Unix seconds of the sign-in
	At     int64           // when the cookie was made
	// Read is when the provider last said which roles the person has, in Unix seconds; zero for at the sign-in.
	Read int64 `json:",omitzero"`
}

// Age is how long ago the provider said which roles the person has.
func (s Session) Age() time.Duration { return time.Since(time.Unix(max(s.Since, s.Read), 0)) }

// Current returns the session of who is signed in, and nil for nobody. It renews the cookie by the way.
func (m *Room) Current(w http.ResponseWriter, r *http.Request) (*Session, error) {
	var s Session
	ok, err := m.recall(r, m.Cookie, m.Use, &s)
	if !ok || err != nil || s.Person.Subject == "" {
		return nil, err
	}
	if cloud, err := m.Clouds.Cloud(s.Cloud); err == nil && time.Since(time.Unix(s.At, 0)) >= pace {
		if err := m.Keep(r.Context(), w, cloud, s, ""); err != nil {
			m.Log.WarnContext(r.Context(), "session not renewed", "error", err.Error())
		}
	}
	return &s, nil
}

// Keep sets the cookie of a session. A company with more domains than a cookie holds keeps the first ones, and the
// invited one among them, which an answer is compared with. Another invitation that the same session answers may find
// its domain cut off: then the partner is asked to confirm a customer that it need not have (domain, 0.25), never the
// other way round.
func (m *Room) Keep(ctx context.Context, w http.ResponseWriter, c partner.Cloud, s Session, invited string) error {
	now := time.Now()
	if s.Since == 0 {
		s.Since = now.Unix()
	}
	s.Cloud, s.At = c.ID, now.Unix()
	lasts := min(slides, time.Unix(s.Since, 0).Add(most).Sub(now))
	if lasts <= 0 {
		return nil
	}
	for {
		text, err := m.Seal(ctx, m.Cookie, m.Use, s, lasts)
		if err != nil {
			return err
		}
		if n := len(s.Person.Company.Domains); len(text) > maxCookie && n > 0 {
			s.Person.Company.Domains = someDomains(s.Person.Company.Domains, n*3/4, invited)
			continue
		}
		set(w, c, m.Cookie, text, lasts)
		return nil
	}
}

// End signs out in this browser. What the identity provider remembers is its own.
func (m *Room) End(w http.ResponseWriter, r *http.Request) {
	for _, c := range r.Cookies() {
		if strings.TrimPrefix(c.Name, hostPrefix) == m.Cookie {
			drop(w, c.Name)
		}
	}
}

// someDomains gives the first n domains of a company, the invited one among them.
func someDomains(all []string, n int, invited string) []string {
	kept := slices.Clone(all[:n])
	own := slices.IndexFunc(all, func(d string) bool { return DomainOf("@"+d) == invited })
	if invited != "" && own >= n && n > 0 {
		kept[n-1] = all[own]
	}
	return kept
}

// DomainOf gives the domain of an address as addresses are compared; empty for none.
func DomainOf(address string) string {
	_, domain, _ := strings.Cut(emailaddr.Normalise(address), "@")
	return domain
}

// formDomains is how many domains of a company a form knows.
const formDomains = 4

// Filler says in a form who began to fill it in. That proves nothing: it only tells whose words a form holds whose
// session has ended meanwhile, so that they are shown again to nobody else, and how the page of that person looks.
func (m *Room) Filler(ctx context.Context, p relationship.Person, invited string) (string, error) {
	if n := len(p.Company.Domains); n > formDomains {
		p.Company.Domains = someDomains(p.Company.Domains, formDomains, invited)
	}
	c := p.Company
	return m.Seal(ctx, formName, m.Use, [][]string{
		{p.Subject, p.Name, p.Email, string(c.Tenant), c.CompanyName, c.Country, c.CountrySource, string(c.Cloud)},
		c.Domains, rolesAs[string](p.Roles),
	}, formTime)
}

func rolesAs[To, From ~string](all []From) []To {
	list := make([]To, len(all))
	for n, one := range all {
		list[n] = To(one)
	}
	return list
}

// FilledBy gives who began to fill in a form, and nil for nobody that it says.
func (m *Room) FilledBy(ctx context.Context, text string) (*relationship.Person, error) {
	var parts [][]string
	ok, err := m.Unseal(ctx, formName, m.Use, text, &parts)
	if err != nil {
		return nil, err
	}
	if !ok || len(parts) != 3 || len(parts[0]) != 8 {
		return nil, nil
	}
	one := parts[0]
	return &relationship.Person{
		Subject: one[0], Name: one[1], Email: one[2], Roles: rolesAs[partner.Role](parts[2]),
		Company: relationship.Customer{
			Tenant: partner.TenantID(one[3]), CompanyName: one[4], Country: one[5], CountrySource: one[6], Cloud: partner.CloudID(one[7]), Domains: parts[1],
		},
	}, nil
}

// Same reports whether two are one person of one company.
func Same(a, b relationship.Person) bool {
	return a.Subject == b.Subject && a.Company.Tenant == b.Company.Tenant
}
