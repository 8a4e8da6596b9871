package e2e

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

// answer is one response, read whole.
type answer struct {
	*http.Response
	body []byte
}

func read(t testing.TB, res *http.Response, err error) answer {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res, b}
}

// want fails the test unless the status is the one wanted.
func (a answer) want(t testing.TB, status int) answer {
	t.Helper()
	if a.StatusCode != status {
		t.Fatalf("%s %s: status %d, want %d: %.2000s", a.Request.Method, a.Request.URL.Path, a.StatusCode, status, a.body)
	}
	return a
}

// code fails the test unless the answer is a problem document with a status and a code.
func (a answer) code(t testing.TB, status int, code string) answer {
	t.Helper()
	a.want(t, status)
	if got := a.json(t)["code"]; got != code {
		t.Fatalf("%s %s: code %v, want %s", a.Request.Method, a.Request.URL.Path, got, code)
	}
	return a
}

func (a answer) json(t testing.TB) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(a.body, &v); err != nil {
		t.Fatalf("%s %s: %v: %.300s", a.Request.Method, a.Request.URL.Path, err, a.body)
	}
	return v
}

// page gives data-page of an HTML answer.
func (a answer) page(t testing.TB) string {
	t.Helper()
	for n := range a.nodes(t) {
		if n.Data == "main" {
			return attribute(n, "data-page")
		}
	}
	return ""
}

func (a answer) nodes(t testing.TB) func(func(*html.Node) bool) {
	t.Helper()
	root, err := html.Parse(bytes.NewReader(a.body))
	if err != nil {
		t.Fatal(err)
	}
	return func(yield func(*html.Node) bool) {
		for n := range root.Descendants() {
			if n.Type == html.ElementNode && !yield(n) {
				return
			}
		}
	}
}

// text gives the text of the element with an id.
func (a answer) text(t testing.TB, id string) string {
	t.Helper()
	for n := range a.nodes(t) {
		if attribute(n, "id") != id {
			continue
		}
		var b strings.Builder
		for d := range n.Descendants() {
			if d.Type == html.TextNode {
				b.WriteString(d.Data)
			}
		}
		return strings.TrimSpace(b.String())
	}
	return ""
}

func attribute(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// partner is a client of the API with a token.
type partner struct {
	t     testing.TB
	token string
	http  *http.Client
	base  string // of another stack than the shared one
	keys  int
}

// newPartner takes a token by client credentials, as a partner's program does.
func newPartner(t testing.TB, client string) *partner {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", local.IDPURL+"/oauth2/token", strings.NewReader("grant_type=client_credentials"))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(client, "local")
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultClient.Do(req)
	a := read(t, res, err).want(t, 200)
	token, _ := a.json(t)["access_token"].(string)
	if strings.Count(token, ".") != 2 {
		t.Fatal("the access token is not a JWT")
	}
	return &partner{t: t, token: token, http: &http.Client{Transport: document(t)}}
}

// do calls the API; header pairs follow the body.
func (p *partner) do(method, path, body string, header ...string) answer {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, cmp.Or(p.base, local.URL)+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+p.token)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := p.http.Do(req)
	return read(p.t, res, err)
}

// post calls with an Idempotency-Key of its own.
func (p *partner) post(path, body string) answer {
	p.t.Helper()
	p.keys++
	return p.do("POST", path, body, "Idempotency-Key", fmt.Sprintf("%s-%d-%d", p.t.Name(), p.keys, time.Now().UnixNano()))
}

// invite creates an invitation and has it mailed; it gives the id and the link from the mailbox.
func (p *partner) invite(body, recipient string) (id, link string) {
	p.t.Helper()
	id = p.post("/v1/invitations", body).want(p.t, 201).json(p.t)["id"].(string)
	p.post("/v1/invitations/"+id+"/send", "").want(p.t, 202)
	// Who answered something else may have got a receipt at this address.
	for n := 1; ; n++ {
		if m := mailTo(p.t, recipient, n)[n-1]; m.Tags["invitation"] == id && m.Tags["kind"] == "invitation" {
			return id, linkIn(p.t, m)
		}
	}
}

type email struct {
	From        string
	Destination struct{ To []string }
	Subject     string
	Body        struct{ HTML, Text string }
	ReplyTo     []string
	Headers     []struct{ Name, Value string }
	Tags        map[string]string
}

// header gives the value of a header that SES was asked for; empty for none.
func (m email) header(name string) string {
	for _, h := range m.Headers {
		if strings.EqualFold(h.Name, name) {
			return h.Value
		}
	}
	return ""
}

// mailTo waits until a recipient has n mails and gives them.
func mailTo(t testing.TB, recipient string, n int) []email {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		var store struct{ Emails []email }
		res, err := http.Get(local.MailboxURL + "/store")
		if err := json.Unmarshal(read(t, res, err).body, &store); err != nil {
			t.Fatal(err)
		}
		var found []email
		for _, m := range store.Emails {
			if strings.EqualFold(m.Destination.To[0], recipient) {
				found = append(found, m)
			}
		}
		if len(found) >= n {
			return found
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d mails to the recipient, want %d\n%s", len(found), n, local.Logs())
		}
	}
}

var aloneOnLine = regexp.MustCompile(`(?m)^(https?://\S+/i/\S+)$`)

// linkIn gives the link of a mail, which stands alone on its line.
func linkIn(t testing.TB, m email) string {
	t.Helper()
	found := aloneOnLine.FindAllString(m.Body.Text, -1)
	if len(found) != 1 {
		t.Fatalf("%d links in the mail, want 1", len(found))
	}
	noteSecret(found[0])
	return found[0]
}

// browser is a person with a browser that keeps cookies and runs no scripts.
type browser struct {
	t    testing.TB
	http *http.Client
}

func newBrowser(t testing.TB) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t, &http.Client{Jar: jar}}
}

func (b *browser) get(u string) answer {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), "GET", u, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	res, err := b.http.Do(req)
	return read(b.t, res, err)
}

// submit sends the form of a page with what a person fills in.
func (b *browser) submit(a answer, fill url.Values) answer {
	b.t.Helper()
	action, fields := a.Request.URL, url.Values{}
	found := false
	for n := range a.nodes(b.t) {
		switch {
		case n.Data == "form":
			found = true
			if ref := attribute(n, "action"); ref != "" {
				u, err := action.Parse(ref)
				if err != nil {
					b.t.Fatal(err)
				}
				action = u
			}
		case n.Data == "input" && attribute(n, "type") == "hidden":
			fields.Set(attribute(n, "name"), attribute(n, "value"))
		}
	}
	if !found {
		b.t.Fatalf("no form on %s: %.500s", a.Request.URL, a.body)
	}
	for k, v := range fill {
		fields[k] = v
	}
	req, err := http.NewRequestWithContext(b.t.Context(), "POST", action.String(), strings.NewReader(fields.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", action.Scheme+"://"+action.Host)
	res, err := b.http.Do(req)
	return read(b.t, res, err)
}

// signIn follows the link of an invitation through the identity provider; it gives the page that the person then sees.
func (b *browser) signIn(link, username string) answer {
	b.t.Helper()
	form := b.get(link+"/sign-in").want(b.t, 200)
	return b.submit(form, url.Values{"username": {username}, "password": {"x"}})
}

// accepting is a filled-in form.
func accepting() url.Values {
	return url.Values{"answer": {"accept"}, "authorized": {"on"}, "fullName": {"Lara Larch"}, "jobTitle": {"Head of IT"}}
}
