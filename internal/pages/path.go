package pages

import (
	"html"
	"net/http"
	"net/url"
	"path"
	"strings"
	"unicode"

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
	if tail, ok := strings.CutPrefix(p, customerPath); ok && isLitter(tail) {
		return customerPath, true
	}
	if escaped := u.EscapedPath(); escaped != path.Clean(escaped) {
		return "", false
	}
	return p, true
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
	nowhere := h.plain(unknown)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, ok := meant(r.URL)
		if !ok {
			nowhere.ServeHTTP(w, r)
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
