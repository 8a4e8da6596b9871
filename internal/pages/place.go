package pages

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"time"
)

// startPath is where somebody is who knows the portal alone.
const (
	startPath  = "/"
	routeStart = "GET " + startPath + "{$}" // and HEAD
)

// Pages of places that are none of a link or of a company.
var (
	start   = outcome{"start", http.StatusOK, "notice", howToGoOn}
	nowhere = outcome{unknown.name, http.StatusNotFound, "notice", nothingHere}
	beside  = outcome{"signed-in", http.StatusOK, "notice", signedInBeside}
)

// astray answers who is led to what is no page: a link that does not work, or another address.
func (h *site) astray(w http.ResponseWriter, r *http.Request) {
	o := nowhere
	if ofLink(r.URL.Path) {
		o = unknown
	}
	h.show(w, r, &visit{}, o)
}

// directory is what a program reads at the start.
type directory struct {
	Name     string `json:"name"`
	OpenAPI  string `json:"openapi"`
	Docs     string `json:"docs"`
	API      string `json:"api"`
	Health   string `json:"health"`
	Customer string `json:"customer"`
}

// open tells people how to go on from the start, and programs where the document of the API is.
func (h *site) openStart(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Vary", "Accept")
	if !wantsJSON(r.Header.Get("Accept")) {
		h.show(w, r, &visit{place: startPath}, start)
		return
	}
	body, err := json.Marshal(directory{h.clouds[0].PortalName, "/openapi.json", "/docs", "/v1", "/healthz", customerPath})
	if err != nil {
		h.trouble(w, r, &visit{}, err)
		return
	}
	h.headers(w, &visit{})
	w.Header().Set("Content-Type", "application/json")
	if r.Method != http.MethodHead {
		_, _ = w.Write(append(body, '\n')) // the reader may have gone
	}
}

// securityRoute is where a finder of a weakness looks for whom to tell (RFC 9116).
const securityRoute = "GET /.well-known/security.txt"

// security says whom to tell of a weakness: the operator. What it says is good for half a year from now on.
func (h *site) security(w http.ResponseWriter, _ *http.Request) {
	h.headers(w, &visit{})
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	ends := h.Invitations.Now().UTC().AddDate(0, 6, 0).Truncate(24 * time.Hour)
	_, _ = fmt.Fprintf(w, "Contact: mailto:%s\nExpires: %s\nPreferred-Languages: en\nCanonical: %s/.well-known/security.txt\n", // the reader may have gone
		h.Operator.Contact, ends.Format(time.RFC3339), h.clouds[0].BaseURL)
}

// wantsJSON reports whether a program asks for JSON and for no page. A browser names HTML.
func wantsJSON(accept string) bool {
	asked := false
	for each := range strings.SplitSeq(accept, ",") {
		switch kind, _, _ := mime.ParseMediaType(each); {
		case kind == "text/html":
			return false
		case kind == "application/json" || strings.HasPrefix(kind, "application/") && strings.HasSuffix(kind, "+json"):
			asked = true
		}
	}
	return asked
}

func howToGoOn(p *page) any {
	p.Title = p.T("page.start.title")
	return notice{
		Text: []string{
			p.T("page.start.text", "portal", p.Portal), p.T("page.start.email"), p.T("page.nowhere.company"),
			p.T("page.start.help", "operator", p.Operator, "contact", p.contactOf),
		},
		Link: customerPath + p.chosen, Label: p.T("page.customer.all"),
		Also: []doorway{{"/console", p.T("page.start.console")}, {"/docs", p.T("page.start.docs")}},
	}
}

func nothingHere(p *page) any {
	p.Title = p.T("page.nowhere.title")
	return notice{
		Text: []string{p.T("page.nowhere.text"), p.T("page.nowhere.email"), p.T("page.nowhere.company")},
		Link: customerPath + p.chosen, Label: p.T("page.customer.all"),
	}
}

// besideForm is the query of a sign-in in another tab than that of the form, and of where it leads.
const besideForm = "beside"

// leadBeside has a sign-in be one in another tab.
func leadBeside(signIn string) string {
	if signIn == "" {
		return ""
	}
	return with(signIn, besideForm)
}

// with puts a word into the query of a path.
func with(path, word string) string {
	if strings.Contains(path, "?") {
		return path + "&" + word
	}
	return path + "?" + word
}

// standsBeside reports whether a page is where a sign-in in another tab has led: the form is in the first one, filled
// in, and not here.
func standsBeside(r *http.Request, v *visit) bool {
	return v.person != nil && (r.Method == http.MethodGet || r.Method == http.MethodHead) && r.URL.Query().Has(besideForm)
}

func signedInBeside(p *page) any {
	p.Title = p.T("session.beside.title")
	return notice{Text: []string{p.T("session.beside.text")}, Link: p.Here, Label: p.T("session.beside.here")}
}
