package web_test

import (
	"encoding/json"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"concord/internal/web"
)

// TestDocs: the page has every operation and every code, loads nothing, and every link on it leads somewhere.
func TestDocs(t *testing.T) {
	a := newAPI(t)
	p := a.call(request{method: "GET", target: "/docs", public: true}).is(200)
	page := string(p.body)
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	ids, links := map[string]int{}, []string{}
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		if n.Data == "script" || n.Data == "img" || n.Data == "link" {
			t.Errorf("the page loads a %s", n.Data)
		}
		for _, at := range n.Attr {
			switch {
			case at.Key == "id":
				ids[at.Val]++
			case at.Key == "href" && strings.HasPrefix(at.Val, "#"):
				links = append(links, at.Val[1:])
			case at.Key == "style":
				t.Error("a style that the policy does not let through")
			}
		}
	}
	for id, times := range ids {
		if times > 1 {
			t.Errorf("%s is there %d times", id, times)
		}
	}
	for _, to := range links {
		if ids[to] == 0 {
			t.Errorf("#%s leads nowhere", to)
		}
	}
	var d map[string]any
	if err := json.Unmarshal(web.Document(), &d); err != nil {
		t.Fatal(err)
	}
	eachOperation(d, func(route string, o map[string]any) {
		if ids[o["operationId"].(string)] == 0 {
			t.Errorf("%s is not on the page", route)
		}
	})
	for code := range web.Codes() {
		if ids["code-"+code] == 0 {
			t.Errorf("%s is not on the page", code)
		}
	}
	if policy := p.header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-") {
		t.Errorf("policy %q", policy)
	}
	a.call(request{method: "GET", target: "/docs", public: true, header: map[string]string{"If-None-Match": p.header.Get("ETag")}}).is(304)
}

// policyOf gives what an answer lets a browser load: the page for people has a style, whose hash TestDocs holds it to.
func policyOf(target string) string {
	if target == "/docs" {
		return web.DocsPolicy()
	}
	return "default-src 'none'; frame-ancestors 'none'"
}
