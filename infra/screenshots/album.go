package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"concord/infra/local/demo"
	"concord/infra/local/headless"
	"concord/infra/local/stack"
)

// album is a browser on a stack with the demonstration, and the pictures so far.
type album struct {
	options
	stack   *stack.Stack
	browser context.Context
	taken   map[string]bool // names of pages
	files   int
}

// visitor is who looks, and where they begin.
type visitor struct {
	person string // signs in by this name; empty for nobody
	from   string
}

func run(ctx context.Context, out io.Writer, o options) error {
	s, err := stack.Start(ctx, stack.Options{Behind: demo.Before})
	if err != nil {
		return err
	}
	defer s.Close()
	if err := demo.Fill(ctx, s); err != nil {
		return err
	}
	profile, err := os.MkdirTemp("", "browser")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(profile) }()
	tab, end, err := headless.Start(ctx, profile)
	if err != nil {
		return err
	}
	defer end()
	a := &album{options: o, stack: s, browser: tab, taken: map[string]bool{}}
	mails, err := a.mails(ctx)
	if err != nil {
		return err
	}
	if o.readme {
		return a.ofReadme(mails)
	}
	for _, v := range visitors(mails) {
		if err := a.visit(v); err != nil {
			return fmt.Errorf("%s from %s: %w", v.person, v.from, err)
		}
	}
	if err := a.letters(mails); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%d pictures of %d pages and mails in %s\n", a.files, len(a.taken), o.into)
	return err
}

// visitors are in the order in which their pictures count: a page that two can see is the first one's.
func visitors(mails []mail) []visitor {
	all := []visitor{
		{"agent@alder.example", "/console"}, {"agent@birch.example", "/console"}, {"agent@cedar.example", "/console"},
		{"admin@cedar.example", "/console"}, {"ops@concord.example", "/console/operator"}, {"admin@gorse.example", "/console/enrolment"},
		{"agent@fir.example", "/console"}, {"", "/console"}, {"", "/customer"}, {"admin@larch.example", "/customer"},
		{"admin@oak.example", "/customer"}, {"", "/nowhere"},
	}
	for _, m := range mails {
		person := ""
		switch m.Destination.To[0] {
		case "cfo@oak.example", "servers@oak.example":
			person = "admin@oak.example"
		}
		for _, link := range links.FindAllString(m.Body.Text, -1) {
			all = append(all, visitor{"", link})
			if person != "" {
				all = append(all, visitor{person, link})
			}
		}
	}
	return all
}

// links are the personal ones of a mail.
var links = regexp.MustCompile(`https?://[^\s<>"]+/[a-z]/[A-Za-z0-9_-]{20,}`)

// visit signs a person in and takes every page that can be reached from where they begin and has no picture yet.
func (a *album) visit(v visitor) error {
	tab, end := chromedp.NewContext(a.browser, chromedp.WithNewBrowserContext())
	defer end()
	tab, stop := context.WithTimeout(tab, 20*time.Minute)
	defer stop()
	from := a.address(v.from)
	if err := a.signIn(tab, v.person, from); err != nil {
		return err
	}
	queue, seen, met := []string{from}, map[string]bool{from: true}, map[string]int{}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		if err := chromedp.Do(tab, chromedp.Navigate(at), chromedp.WaitReady(`main`)); err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
		found, err := chromedp.Run(tab, chromedp.Evaluate[[]string](
			`[document.querySelector("main").dataset.page, ...Array.from(document.querySelectorAll("main a[href], nav a[href]"), a => a.href)]`))
		if err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
		if name := found[0]; a.wanted(name) {
			if err := a.everywhere(tab, name, at); err != nil {
				return fmt.Errorf("%s: %w", at, err)
			}
		}
		for _, next := range found[1:] {
			next, _, _ = strings.Cut(next, "#")
			if kind := shape(next); a.follow(v, next) && !seen[next] && met[kind] < enough {
				seen[next] = true
				met[kind]++
				queue = append(queue, next)
			}
		}
	}
	return nil
}

// follow keeps a visitor in the part where they began, and off what ends the visit or is no page.
func (a *album) follow(v visitor, link string) bool {
	path, inside := strings.CutPrefix(link, a.stack.URL())
	part := "/" + strings.SplitN(strings.TrimPrefix(strings.TrimPrefix(v.from, a.stack.URL()), "/"), "/", 2)[0]
	for _, no := range []string{"/sign-in", "/sign-out", "lang=", "format=", ".csv", ".eml", "/assets/"} {
		if strings.Contains(path, no) {
			return false
		}
	}
	return inside && strings.HasPrefix(path, part)
}

// ids differ between two pages of one name.
var ids = regexp.MustCompile(`[a-z]+_[a-z0-9]{20,}|[0-9a-f-]{36}|[?].*`)

// shape is what addresses of pages of one kind share. Enough of a kind are looked at: what leads on in one state alone may
// not be the first of a list.
func shape(link string) string { return ids.ReplaceAllString(link, "*") }

const enough = 5

func (a *album) wanted(name string) bool {
	return name != "" && !a.taken[name] && strings.Contains(name, a.only)
}

func (a *album) address(path string) string {
	if strings.HasPrefix(path, "/") {
		return a.stack.URL() + path
	}
	return path
}

// signIn goes to the identity provider and comes back.
func (a *album) signIn(tab context.Context, person, from string) error {
	if person == "" {
		return nil
	}
	return chromedp.Do(tab, chromedp.Navigate(from), chromedp.WaitReady(`main`), chromedp.Click(`main a[href*="/sign-in"]`),
		chromedp.WaitReady(`input[name=username]`), chromedp.SendKeys(`input[name=username]`, person),
		chromedp.SendKeys(`input[name=password]`, "demo"), chromedp.Submit(`input[name=password]`), chromedp.WaitReady(`main[data-page]`))
}

// everywhere takes a page in each language, width and theme.
func (a *album) everywhere(tab context.Context, name, at string) error {
	a.taken[name] = true
	with := "?"
	if strings.Contains(at, "?") {
		with = "&"
	}
	for _, language := range a.languages {
		if err := chromedp.Do(tab, chromedp.Navigate(at+with+"lang="+language), chromedp.WaitReady(`main`)); err != nil {
			return err
		}
		if err := a.sizes(tab, filepath.Join(a.into, language, name)); err != nil {
			return err
		}
	}
	return chromedp.Do(tab, chromedp.Navigate(at+with+"lang=en"), chromedp.WaitReady(`main`))
}

func (a *album) sizes(tab context.Context, name string) error {
	for _, theme := range []string{"light", "dark"} {
		for _, width := range []int64{320, 768, 1280} {
			if err := a.take(tab, fmt.Sprintf("%s-%d-%s.png", name, width, theme), width, theme); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *album) take(tab context.Context, file string, width int64, theme string) error {
	_, err := chromedp.Call(tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}})
	if err != nil {
		return err
	}
	if err := chromedp.Do(tab, chromedp.EmulateViewport(width, 900)); err != nil {
		return err
	}
	png, err := chromedp.Run(tab, chromedp.FullScreenshot(100))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	a.files++
	return os.WriteFile(file, png, 0o644)
}

// mail is one of the mailbox.
type mail struct {
	Destination struct{ To []string }
	Body        struct{ Text, HTML string }
	Tags        map[string]string
}

func (a *album) mails(ctx context.Context) ([]mail, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, a.stack.MailboxURL()+"/store", nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	var store struct{ Emails []mail }
	return store.Emails, json.NewDecoder(response.Body).Decode(&store)
}

// letters takes the first mail of each kind, in the language that it was written in.
func (a *album) letters(mails []mail) error {
	tab, end := chromedp.NewContext(a.browser, chromedp.WithNewBrowserContext())
	defer end()
	for _, m := range mails {
		name := "mail-" + m.Tags["kind"]
		if !a.wanted(name) {
			continue
		}
		a.taken[name] = true
		if err := chromedp.Do(tab, chromedp.Navigate(document(m))); err != nil {
			return err
		}
		if err := a.sizes(tab, filepath.Join(a.into, "mail", name)); err != nil {
			return err
		}
	}
	return nil
}

// document is the address of a mail's HTML by itself.
func document(m mail) string {
	return "data:text/html;charset=utf-8;base64," + base64.StdEncoding.EncodeToString([]byte(m.Body.HTML))
}

// ofReadme takes what the README shows, each in the light, as wide as a screen shows it there.
func (a *album) ofReadme(mails []mail) error {
	const folder = "docs/pictures"
	tab, end := chromedp.NewContext(a.browser, chromedp.WithNewBrowserContext())
	defer end()
	console := a.address("/console")
	if err := a.signIn(tab, "agent@alder.example", console); err != nil {
		return err
	}
	if err := a.take(tab, filepath.Join(folder, "console.png"), 1024, "light"); err != nil {
		return err
	}
	for _, m := range mails {
		if m.Destination.To[0] != "cfo@oak.example" {
			continue
		}
		link := links.FindString(m.Body.Text)
		if err := chromedp.Do(tab, chromedp.Navigate(document(m))); err != nil {
			return err
		}
		if err := a.take(tab, filepath.Join(folder, "mail.png"), 640, "light"); err != nil {
			return err
		}
		customer, done := chromedp.NewContext(a.browser, chromedp.WithNewBrowserContext())
		defer done()
		if err := a.signIn(customer, "admin@oak.example", link); err != nil {
			return err
		}
		// Without the bar of languages, whose scripts not every machine can draw.
		if _, err := chromedp.Run(customer, chromedp.Evaluate[bool](`document.querySelector("header").remove(), true`)); err != nil {
			return err
		}
		return a.take(customer, filepath.Join(folder, "answer.png"), 768, "light")
	}
	return fmt.Errorf("no mail to cfo@oak.example")
}
