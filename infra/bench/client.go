package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"concord/infra/local/accounts"
	"concord/infra/local/meter"
	"concord/infra/local/ses"
	"concord/infra/local/stack"
)

// client is a partner's program and the people whom it invites, of a local stack of its own.
type client struct {
	*stack.Stack
	http  *http.Client
	token string
}

// people gives the accounts of the local stack with companies for the invitations of a run: who accepts for the first
// time costs more than
// who accepts again.
func people(folder string, companies int) (string, error) {
	path, err := accounts.Path()
	if err != nil {
		return "", err
	}
	file, err := accounts.Load(path)
	if err != nil {
		return "", err
	}
	for n := range companies {
		tenant := fmt.Sprintf("c0000000-0000-4000-8000-%012d", n)
		file.Tenants = append(file.Tenants, accounts.Tenant{ID: tenant, Name: fmt.Sprintf("Company %d", n),
			Domains: []string{fmt.Sprintf("c%d.example", n)}, Country: "US", Cloud: "public"})
		file.People = append(file.People, accounts.Person{Username: addressee(n),
			ID: fmt.Sprintf("c1000000-0000-4000-8000-%012d",
				n), Name: "Lena Larch", TenantID: tenant, Roles: []string{"globalAdmin"}})
	}
	b, err := json.Marshal(file)
	if err != nil {
		return "", err
	}
	path = filepath.Join(folder, "accounts.json")
	return path, os.WriteFile(path, b, 0o600)
}

func addressee(n int) string { return fmt.Sprintf("admin@c%d.example", n) }

// newClient starts a local stack with some companies beside its own; close it.
func newClient(ctx context.Context, companies int, m *meter.Meter) (*client, func(), error) {
	folder, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, nil, err
	}
	remove := func() { _ = os.RemoveAll(folder) }
	path, err := people(folder, companies)
	if err != nil {
		remove()
		return nil, nil, err
	}
	s, err := stack.Start(ctx, stack.Options{AccountsFile: path, Meter: m})
	if err != nil {
		remove()
		return nil, nil, err
	}
	c := &client{Stack: s, http: &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: 256}, Timeout: time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	end := func() { s.Close(); remove() }
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Issuer()+"/oauth2/token",
		strings.NewReader("grant_type=client_credentials"))
	if err == nil {
		r.SetBasicAuth("alder", "local")
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		var answer struct {
			Token string `json:"access_token"`
		}
		if err = c.do(r, http.StatusOK, &answer); err == nil {
			c.token = answer.Token
			return c, end, nil
		}
	}
	end()
	return nil, nil, err
}

// do reads the answer to a request, which must have a status, into v when there is one.
func (c *client) do(r *http.Request, status int, v any) error {
	res, err := c.http.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != status {
		return fmt.Errorf("%s %s: %s, want %d: %.300s: %w", r.Method, r.URL.Path, res.Status, status, body, err)
	}
	if v == nil {
		return nil
	}
	return json.Unmarshal(body, v)
}

func (c *client) api(ctx context.Context, method, path, key, body string, status int, v any) error {
	r, err := http.NewRequestWithContext(ctx, method, c.URL()+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+c.token)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", key)
	return c.do(r, status, v)
}

// create makes an invitation and gives its id.
func (c *client) create(ctx context.Context, key, recipient string) (string, error) {
	var made struct{ ID string }
	err := c.api(ctx, http.MethodPost, "/v1/invitations", key,
		`{"kind":"reseller","recipientEmail":"`+recipient+`","recipientName":"Lena Larch","requestDelegatedAdmin":true,"tags":{"campaign":"spring"}}`,
		http.StatusCreated, &made)
	return made.ID, err
}

func (c *client) send(ctx context.Context, key, id string) error {
	return c.api(ctx, http.MethodPost, "/v1/invitations/"+id+"/send", key, "", http.StatusAccepted, nil)
}

var alone = regexp.MustCompile(`(?m)^https?://\S+/i/\S+$`)

// linkOf gives the link of a mail to who is invited, empty for any other mail.
func linkOf(m *ses.Mail) string {
	if m.Tags["kind"] != "invitation" {
		return ""
	}
	return alone.FindString(m.Body.Text)
}

// signIn follows a link through the identity provider and gives the cookie of the session.
func (c *client) signIn(ctx context.Context, link, username string) (string, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return "", err
	}
	browser := &http.Client{Jar: jar, Timeout: time.Minute}
	to := func(r *http.Request, err error) (*url.URL, error) {
		if err != nil {
			return nil, err
		}
		res, err := browser.Do(r)
		if err != nil {
			return nil, err
		}
		defer func() { _ = res.Body.Close() }()
		_, err = io.Copy(io.Discard, res.Body)
		return res.Request.URL, err
	}
	at, err := to(http.NewRequestWithContext(ctx, http.MethodGet, link+"/sign-in", nil))
	if err != nil {
		return "", err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, at.String(), strings.NewReader(url.Values{"username": {username},
		"password": {"x"}}.Encode()))
	if err == nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		_, err = to(r, nil)
	}
	if err != nil {
		return "", err
	}
	here, err := url.Parse(c.URL())
	if err != nil {
		return "", err
	}
	for _, k := range jar.Cookies(here) {
		if strings.HasSuffix(k.Name, "concord-session") {
			return k.Name + "=" + k.Value, nil
		}
	}
	return "", fmt.Errorf("no session for %s", username)
}

// open looks at the page of a link, as nobody or with a session.
func (c *client) open(ctx context.Context, link, cookie string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, link, nil)
	if err != nil {
		return err
	}
	if cookie != "" {
		r.Header.Set("Cookie", cookie)
	}
	return c.do(r, http.StatusOK, nil)
}

// accept answers an invitation. What a browser does next, to look at the result, is not part of it.
func (c *client) accept(ctx context.Context, link, cookie string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, link,
		strings.NewReader("answer=accept&authorized=on&fullName=Ada+Byron&jobTitle=Director"))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", c.URL())
	r.Header.Set("Cookie", cookie)
	return c.do(r, http.StatusSeeOther, nil)
}

// settled waits until nothing that was caused is still to be done.
func (c *client) settled(ctx context.Context) error {
	for quiet := 0; quiet < 3; {
		read := c.CaughtUp()
		for !read() || c.InFlight() > 0 {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(20 * time.Millisecond):
			}
		}
		time.Sleep(100 * time.Millisecond)
		if quiet++; c.InFlight() > 0 {
			quiet = 0
		}
	}
	return nil
}
