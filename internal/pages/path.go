package pages

import (
	"html"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"concord/internal/link"
)

// asides are what may follow the token of a link in a path.
var asides = []string{"", asideSignIn, asideRenewal, asideReport, asideEnd, asideAllow}

// meant gives the path that a request means: that of the link at which it begins, whatever a mail program or a hand has left behind it, such
// as a slash, a full stop, a bracket or a quotation mark, written or encoded. It gives false for a path that leads nowhere in any case,
// which a mux would mend by a redirect.
func meant(u *url.URL) (string, bool) {
	p := u.Path
	if len(p) > 3 && p[0] == '/' && p[2] == '/' {
		if token, rest, found := link.Cut(p[3:]); found {
			for _, aside := range asides {
				if tail, ok := strings.CutPrefix(rest, aside); ok && isLitter(tail) {
					return p[:3] + token + aside, true
				}
			}
		}
	}
	if place, ok := placeOf(p); ok {
		return place, true
	}
	if escaped := u.EscapedPath(); escaped != path.Clean(escaped) {
		return "", false
	}
	return p, true
}

// ofLink reports whether a path looks like that of an emailed link, whole or cut off.
func ofLink(p string) bool {
	purpose, found := strings.CutPrefix(p, "/")
	if !found || purpose == "" || len(purpose) > 1 && purpose[1] != '/' {
		return false
	}
	return slices.Contains(link.Purposes, link.Purpose(purpose[0]))
}

// places are the pages that need no link.
var places = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(/customer(` +
		`/agreement|/sign-in/[^/]+|/partners/[^/]+(/end|/roles/[^/]+)?|/providers/[^/]+|/records/[^/]+|/requests/[^/]+/[^/]+(/report)?|/granular/[^/]+` +
		`)?|/sign-out|/sign-in/callback)$`)
})

// placeOf gives the place at which a path begins that has only litter behind it.
func placeOf(p string) (place string, ok bool) {
	for n, r := range p {
		end := n + utf8.RuneLen(r)
		if (unicode.IsLetter(r) || unicode.IsDigit(r)) && places().MatchString(p[:end]) && isLitter(p[end:]) {
			return p[:end], true
		}
	}
	return "", false
}

// isLitter reports whether a text says nothing: it has no letter and no digit but those by which a sign is encoded, as in %3E, %253E or &gt;.
func isLitter(s string) bool {
	for range 3 {
		plain, err := url.PathUnescape(s)
		if err != nil {
			plain = s
		}
		if plain = html.UnescapeString(plain); plain == s {
			break
		}
		s = plain
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) })
}

// straighten has the pages see the path that a request means. It answers without a redirect: where a link leads is said by its page.
func (h *site) straighten(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, ok := meant(r.URL)
		if !ok {
			h.astray(w, r)
			return
		}
		if p != r.URL.Path {
			to := *r.URL
			to.Path, to.RawPath = p, ""
			r = r.Clone(r.Context())
			r.URL = &to
		}
		next.ServeHTTP(w, r)
	})
}
