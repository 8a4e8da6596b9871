package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"time"

	"golang.org/x/net/html"

	"concord/infra/local/stack"
)

// demonstration remembers the first thing that went wrong and then does nothing more.
type demonstration struct {
	ctx   context.Context
	stack *stack.Stack
	calls int
	err   error
}

// program is a client of the API with a token.
type program struct {
	d     *demonstration
	token string
}

func (d *demonstration) program(client string) program {
	var got struct {
		AccessToken string `json:"access_token"`
	}
	r, err := http.NewRequestWithContext(d.ctx, http.MethodPost, d.stack.Issuer()+"/oauth2/token",
		strings.NewReader("grant_type=client_credentials"))
	if err == nil {
		r.SetBasicAuth(client, "local")
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		d.read(http.DefaultClient, r, &got)
	}
	return program{d, got.AccessToken}
}

// thing is what the API answers with, as far as a story needs it.
type thing struct {
	ID       string
	TenantID string
	Status   string
	Delivery struct{ State string }
	Version  string `json:"textVersion"`
	Items    []thing
	at       string // its place, where the API said it
}

// do calls the API and gives what it answers with.
func (p program) do(method, path, body string) thing {
	d := p.d
	var got thing
	r, err := http.NewRequestWithContext(d.ctx, method, d.stack.URL()+path, strings.NewReader(body))
	if err != nil {
		return got
	}
	d.calls++
	r.Header.Set("Authorization", "Bearer "+p.token)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", fmt.Sprintf("demo-%d", d.calls))
	if method == http.MethodPatch {
		r.Header.Set("If-Match", "*")
	}
	got.at = d.read(http.DefaultClient, r, &got).Get("Location")
	return got
}

// invite makes an invitation of what the body says and has it mailed; it gives its path.
func (p program) invite(body string) string {
	path := "/v1/invitations/" + p.do(http.MethodPost, "/v1/invitations", body).ID
	p.do(http.MethodPost, path+"/send", "")
	p.d.wait("the delivery of "+path, func() bool {
		return p.do(http.MethodGet, path, "").Delivery.State != "queued"
	})
	return path
}

// person has a browser that keeps cookies and runs no scripts.
type person struct {
	d    *demonstration
	name string // signs in by it
	http *http.Client
}

func (d *demonstration) person(name string) person {
	jar, err := cookiejar.New(nil)
	if err != nil {
		d.err = err
	}
	return person{d, name, &http.Client{Jar: jar}}
}

// answer opens a link, signs in and sends the form behind it.
func (p person) answer(link string, form url.Values) {
	p.submit(p.submit(p.open(link+"/sign-in"), url.Values{"username": {p.name}, "password": {"demo"}}), form)
}

// say opens a page that asks nobody who they are, and sends its form.
func (p person) say(link string, form url.Values) { p.submit(p.open(link), form) }

// page is one that a person looks at.
type page struct {
	body []byte
	at   *url.URL
}

func (p person) open(target string) page {
	r, err := http.NewRequestWithContext(p.d.ctx, http.MethodGet, target, nil)
	if err != nil {
		p.d.err = err
		return page{}
	}
	return p.d.fetch(p.http, r)
}

// submit sends the form of a page with its hidden fields and what the person fills in.
func (p person) submit(from page, form url.Values) page {
	if p.d.err != nil {
		return page{}
	}
	root, err := html.Parse(bytes.NewReader(from.body))
	if err != nil {
		p.d.err = err
		return page{}
	}
	target, fields := "", url.Values{}
	for n := range root.Descendants() {
		switch {
		case n.Data == "form":
			target = attribute(n, "action")
		case n.Data == "input" && attribute(n, "type") == "hidden":
			fields.Set(attribute(n, "name"), attribute(n, "value"))
		}
	}
	for name, values := range form {
		fields[name] = values
	}
	to, err := from.at.Parse(target)
	if err != nil {
		p.d.err = err
		return page{}
	}
	r, err := http.NewRequestWithContext(p.d.ctx, http.MethodPost, to.String(), strings.NewReader(fields.Encode()))
	if err != nil {
		p.d.err = err
		return page{}
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", to.Scheme+"://"+to.Host)
	return p.d.fetch(p.http, r)
}

func attribute(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// link waits for the newest mail to an address that holds a link of a purpose: i of an invitation, g of granular
// administration, e of an enrolment's contact, r of a receipt.
func (d *demonstration) link(purpose, address string) string {
	pattern := regexp.MustCompile(`https?://[^\s<>"]+/` + purpose + `/[A-Za-z0-9_-]+`)
	found := ""
	d.wait("a mail to "+address, func() bool {
		var store struct {
			Emails []struct{ Body struct{ Text string } }
		}
		r, err := http.NewRequestWithContext(d.ctx, http.MethodGet, d.stack.MailboxURL()+"/store?to="+url.QueryEscape(address), nil)
		if err == nil {
			d.read(http.DefaultClient, r, &store)
		}
		for _, m := range store.Emails {
			if link := pattern.FindString(m.Body.Text); link != "" {
				found = link
			}
		}
		return found != ""
	})
	return found
}

// wait asks until something is so, for as long as a busy machine may take.
func (d *demonstration) wait(what string, so func() bool) {
	for deadline := time.Now().Add(20 * time.Second); d.err == nil && !so(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			d.err = fmt.Errorf("%s: not within 20 seconds", what)
		}
	}
}

// pass lets days go by, and what they bring happen.
func (d *demonstration) pass(days int) {
	if d.err == nil {
		d.err = d.stack.Advance(d.ctx, time.Duration(days)*24*time.Hour)
	}
}

// read sends a request and reads the JSON of its answer, whose header it returns.
func (d *demonstration) read(client *http.Client, r *http.Request, into any) http.Header {
	answer := d.send(client, r)
	if d.err == nil {
		d.err = json.Unmarshal(answer.body, into)
	}
	return answer.header
}

func (d *demonstration) fetch(client *http.Client, r *http.Request) page {
	answer := d.send(client, r)
	return page{answer.body, answer.at}
}

// answer is one, read whole.
type answer struct {
	header http.Header
	body   []byte
	at     *url.URL // where redirects have led
}

func (d *demonstration) send(client *http.Client, r *http.Request) answer {
	if d.err != nil {
		return answer{}
	}
	response, err := client.Do(r)
	if err != nil {
		d.err = err
		return answer{}
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode >= http.StatusBadRequest {
		err = fmt.Errorf("%s %s: %s: %.300s", r.Method, r.URL.Path, response.Status, body)
	}
	d.err = err
	return answer{response.Header, body, response.Request.URL}
}
