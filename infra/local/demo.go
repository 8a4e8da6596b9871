package main

import (
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

	"concord/infra/local/stack"
)

// demo makes a few invitations in different states, as partners and customers would: by the API, the mailbox and the pages.
func demo(ctx context.Context, s *stack.Stack) error {
	d := demonstration{ctx: ctx, stack: s}
	alder, fir := d.token("alder"), d.token("fir")
	d.invite(alder, "draft@oak.example", "en", false)
	d.invite(alder, "it@oak.example", "en", true)
	d.do("POST", s.URL()+"/v1/invitations/"+d.invite(alder, "wrong@oak.example", "en", true)+"/cancel", alder, `{"reason":"Wrong person"}`)
	d.invite(alder, "admin@larch.example", "en", true)
	d.answer("admin@larch.example", url.Values{"answer": {"accept"}, "fullName": {"Lara Larch"}, "jobTitle": {"Head of IT"}, "authorized": {"on"}})
	d.invite(fir, "admin@maple.example", "fr", true)
	d.answer("admin@maple.example", url.Values{"answer": {"decline"}, "fullName": {"Marie Maple"}, "jobTitle": {"DSI"}, "authorized": {"on"}, "reason": {"no-need"}})
	if d.err != nil {
		return fmt.Errorf("SEED=demo: %w", d.err)
	}
	return nil
}

// demonstration remembers the first thing that went wrong and then does nothing more.
type demonstration struct {
	ctx   context.Context
	stack *stack.Stack
	calls int
	err   error
}

func (d *demonstration) token(client string) string {
	var got struct {
		AccessToken string `json:"access_token"`
	}
	r, err := http.NewRequestWithContext(d.ctx, http.MethodPost, d.stack.Issuer()+"/oauth2/token", strings.NewReader("grant_type=client_credentials"))
	if err == nil {
		r.SetBasicAuth(client, "local")
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		d.read(http.DefaultClient, r, &got)
	}
	return got.AccessToken
}

// invite makes an invitation, has it mailed if asked to, and gives its id.
func (d *demonstration) invite(token, recipient, locale string, send bool) string {
	body := fmt.Sprintf(`{"kind":"reseller","recipientEmail":%q,"locale":%q,"requestDelegatedAdmin":true}`, recipient, locale)
	id := d.do("POST", d.stack.URL()+"/v1/invitations", token, body)
	if send {
		d.do("POST", d.stack.URL()+"/v1/invitations/"+id+"/send", token, "")
	}
	return id
}

// do calls the API and gives the id of what it answers with.
func (d *demonstration) do(method, target, token, body string) string {
	var got struct{ ID string }
	r, err := http.NewRequestWithContext(d.ctx, method, target, strings.NewReader(body))
	if err == nil {
		d.calls++
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Idempotency-Key", fmt.Sprintf("demo-%d", d.calls))
		d.read(http.DefaultClient, r, &got)
	}
	return got.ID
}

var (
	linkAlone = regexp.MustCompile(`(?m)^https?://\S+/i/\S+$`)
	action    = regexp.MustCompile(`<form[^>]* action="([^"]+)"`)
)

// answer waits for a person's mail, follows its link, signs in and sends the form.
func (d *demonstration) answer(person string, form url.Values) {
	link := ""
	for deadline := time.Now().Add(10 * time.Second); d.err == nil && link == ""; time.Sleep(20 * time.Millisecond) {
		var store struct {
			Emails []struct{ Body struct{ Text string } }
		}
		r, err := http.NewRequestWithContext(d.ctx, http.MethodGet, d.stack.MailboxURL()+"/store?to="+url.QueryEscape(person), nil)
		if err == nil {
			d.read(http.DefaultClient, r, &store)
		}
		if len(store.Emails) > 0 {
			link = linkAlone.FindString(store.Emails[0].Body.Text)
		}
		if time.Now().After(deadline) {
			d.err = fmt.Errorf("no mail for %s", person)
		}
	}
	jar, err := cookiejar.New(nil)
	if err != nil || d.err != nil {
		return
	}
	browser := &http.Client{Jar: jar}
	at := d.page(browser, "GET", link+"/sign-in", nil)
	d.page(browser, "POST", at, url.Values{"username": {person}, "password": {"demo"}})
	d.page(browser, "POST", link, form)
}

// page opens a page or sends a form and gives where the form on the page goes to.
func (d *demonstration) page(browser *http.Client, method, target string, form url.Values) string {
	r, err := http.NewRequestWithContext(d.ctx, method, target, strings.NewReader(form.Encode()))
	if err != nil {
		return ""
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	page, at := d.fetch(browser, r)
	if m := action.FindSubmatch(page); m != nil && at != nil {
		if to, err := at.Parse(string(m[1])); err == nil {
			return to.String()
		}
	}
	return fmt.Sprint(at)
}

func (d *demonstration) read(client *http.Client, r *http.Request, into any) {
	if b, _ := d.fetch(client, r); d.err == nil {
		d.err = json.Unmarshal(b, into)
	}
}

func (d *demonstration) fetch(client *http.Client, r *http.Request) ([]byte, *url.URL) {
	if d.err != nil {
		return nil, nil
	}
	res, err := client.Do(r)
	if err != nil {
		d.err = err
		return nil, nil
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode >= http.StatusBadRequest {
		err = fmt.Errorf("%s %s: %s", r.Method, r.URL.Host, res.Status)
	}
	d.err = err
	return b, res.Request.URL
}
