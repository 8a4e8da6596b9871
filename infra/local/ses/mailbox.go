package ses

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

//go:embed mailbox.html
var mailboxHTML string

var mailboxTemplate = template.Must(template.New("mailbox").Parse(mailboxHTML))

const mailsPerPage = 100

func (s *Server) mailboxPages() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /store", s.getStore)
	mux.HandleFunc("GET /{$}", s.getList)
	mux.HandleFunc("GET /mail/{messageId}", s.getMail)
	mux.HandleFunc("POST /_local/ses/faults", s.postFault)
	mux.HandleFunc("DELETE /_local/ses/faults", func(w http.ResponseWriter, _ *http.Request) {
		s.ClearFaults()
		w.WriteHeader(http.StatusNoContent)
	})
	return http.NewCrossOriginProtection().Handler(mux)
}

// getStore answers every mail, oldest first; with ?to= only those to one address.
func (s *Server) getStore(w http.ResponseWriter, r *http.Request) {
	mails := s.Mails()
	if to := r.FormValue("to"); to != "" {
		mails = slices.DeleteFunc(mails, func(m *Mail) bool {
			return !slices.ContainsFunc(m.Destination.To, func(address string) bool { return strings.EqualFold(address, to) })
		})
	}
	if mails == nil {
		mails = []*Mail{}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(map[string][]*Mail{"emails": mails})
}

func (s *Server) getList(w http.ResponseWriter, r *http.Request) {
	skip, err := strconv.Atoi(r.FormValue("skip"))
	if err != nil || skip < 0 {
		skip = 0
	}
	mails := s.Mails()
	total := len(mails)
	slices.Reverse(mails)
	mails = mails[min(skip, total):]
	data := struct {
		Title  string
		Total  int
		Mails  []*Mail
		Mail   *Mail
		Older  int
		Framed string
	}{Title: "Mailbox", Total: total, Mails: mails}
	if len(mails) > mailsPerPage {
		data.Mails, data.Older = mails[:mailsPerPage], skip+mailsPerPage
	}
	render(w, http.StatusOK, data)
}

func (s *Server) getMail(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	m := s.byID[r.PathValue("messageId")]
	s.mu.Unlock()
	if m == nil {
		http.NotFound(w, r)
		return
	}
	render(w, http.StatusOK, struct {
		Title  string
		Mail   *Mail
		Framed string
	}{m.Subject, m, openInNewTab(m.Body.HTML)})
}

// openInNewTab makes the links of a mail leave the frame that shows it.
func openInNewTab(html string) string {
	const base = `<base target="_blank">`
	if i := strings.Index(html, "<head>"); i >= 0 {
		return html[:i+len("<head>")] + base + html[i+len("<head>"):]
	}
	return base + html
}

func render(w http.ResponseWriter, status int, data any) {
	var page bytes.Buffer
	if err := mailboxTemplate.Execute(&page, data); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	// A frame's srcdoc is under the same policy: no mail loads anything from anywhere.
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.WriteHeader(status)
	_, _ = w.Write(page.Bytes())
}

func (s *Server) postFault(w http.ResponseWriter, r *http.Request) {
	var f Fault
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4096))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&f)
	if err == nil {
		err = s.Inject(f)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
